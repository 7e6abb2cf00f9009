//! The HTTP API: routes to questions, answers to JSON, everything that is wrong to problem details.
//!
//! In: requests. Out: what [`pitot_model::api`] says, `/metrics`, `/healthz`, `/readyz` and the page. Handlers hold no
//! state and do no work: they ask the owner thread through [`Collector`].

mod contract;
mod guard;
mod live;
mod posture;
mod problem;
mod report;

use axum::{
    Json, Router,
    extract::{Path, State, rejection::PathRejection},
    http::{Method, Uri, header},
    middleware,
    response::{Html, IntoResponse},
    routing::{get, post},
};
use pitot_model::api::{
    Agents, Anomaly, AnomalyPage, AnomalyQuery, CollectorStatus, CoverageAnswer, CoverageQuery, HeatMap, HeatMapQuery,
    SeriesAnswer, SeriesQuery, Table, TableQuery,
};

pub use self::problem::ApiError;
use self::problem::Params;
use super::service::Collector;
use crate::query;

/// The page for people without the binary.
const PAGE: &str = include_str!("../../../dashboards/web/index.html");

/// The page loads nothing from elsewhere and is shown in nobody's frame.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

type Answer<T> = Result<Json<T>, ApiError>;

/// All routes over a collector.
pub(crate) fn router(collector: Collector) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/reports", post(report::post))
        .route("/api/v1/table", get(table))
        .route("/api/v1/series", get(series))
        .route("/api/v1/heatmap", get(heatmap))
        .route("/api/v1/coverage", get(coverage))
        .route("/api/v1/contract", get(contract::differences))
        .route("/api/v1/contract/inferred", get(contract::inferred))
        .route("/api/v1/deprecations", get(posture::deprecations))
        .route("/api/v1/limits", get(posture::limits))
        .route("/api/v1/credentials", get(posture::credentials))
        .route("/api/v1/anomalies", get(anomalies))
        .route("/api/v1/anomalies/{id}", get(anomaly))
        .route("/api/v1/agents", get(agents))
        .route("/api/v1/status", get(status))
        .route("/api/v1/live", get(live::get))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(collector.clone(), guard::guard))
        .with_state(collector)
}

async fn table(State(c): State<Collector>, Params(q): Params<TableQuery>) -> Answer<Table> {
    let answer = c.ask(move |core, now| query::table(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

async fn series(State(c): State<Collector>, Params(q): Params<SeriesQuery>) -> Answer<SeriesAnswer> {
    let answer = c.ask(move |core, now| query::series(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

async fn heatmap(State(c): State<Collector>, Params(q): Params<HeatMapQuery>) -> Answer<HeatMap> {
    let answer = c.ask(move |core, now| query::heatmap(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

async fn coverage(State(c): State<Collector>, Params(q): Params<CoverageQuery>) -> Answer<CoverageAnswer> {
    let answer = c.ask(move |core, now| query::coverage(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

async fn anomalies(State(c): State<Collector>, Params(q): Params<AnomalyQuery>) -> Answer<AnomalyPage> {
    Ok(Json(c.ask(move |core, _| core.anomalies(&q)).await??))
}

async fn anomaly(State(c): State<Collector>, id: Result<Path<String>, PathRejection>) -> Answer<Anomaly> {
    let wrong = |e: PathRejection| ApiError::new(400, "bad-query", "the path is wrong", e.body_text());
    let Path(id) = id.map_err(wrong)?;
    Ok(Json(c.ask(move |core, _| core.anomaly(&id)).await??))
}

async fn agents(State(c): State<Collector>) -> Answer<Agents> {
    Ok(Json(c.ask(|core, now| core.agents(now)).await?))
}

async fn status(State(c): State<Collector>) -> Answer<CollectorStatus> {
    Ok(Json(c.ask(|core, now| core.status(now)).await?))
}

async fn metrics(State(c): State<Collector>) -> Result<impl IntoResponse, ApiError> {
    let page = c.ask(|core, now| core.metrics(now)).await? + &c.turned_away();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page))
}

async fn readyz(State(c): State<Collector>) -> Result<&'static str, ApiError> {
    c.ask(|core, _| core.ready()).await??;
    Ok("ready\n")
}

async fn page() -> impl IntoResponse {
    let headers = [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(PAGE))
}

async fn nowhere(uri: Uri) -> ApiError {
    ApiError::new(404, "not-found", "there is nothing here", format!("`{}` is not served; see /api/v1", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("`{}` does not take {method}; reports are posted, all else is asked by GET", uri.path());
    ApiError::new(405, "wrong-method", "the method is not allowed", detail)
}
