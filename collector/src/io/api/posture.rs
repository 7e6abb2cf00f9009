//! What marks answer: deprecations, limits, credentials. In: queries. Out: answers of the owner thread.

use axum::{Json, extract::State};
use pitot_model::api::{CredentialsAnswer, Deprecations, LimitsAnswer, PostureQuery};

use super::{Answer, Collector, problem::Params};
use crate::query;

pub(super) async fn deprecations(State(c): State<Collector>, Params(q): Params<PostureQuery>) -> Answer<Deprecations> {
    let answer = c.ask(move |core, now| query::deprecations(core.context(now), &q, None)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

pub(super) async fn limits(State(c): State<Collector>, Params(q): Params<PostureQuery>) -> Answer<LimitsAnswer> {
    let answer = c.ask(move |core, now| query::limits(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

pub(super) async fn credentials(
    State(c): State<Collector>,
    Params(q): Params<PostureQuery>,
) -> Answer<CredentialsAnswer> {
    let answer = c.ask(move |core, now| query::credentials(core.context(now), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}
