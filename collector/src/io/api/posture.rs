//! What marks answer: deprecations, limits, credentials. In: queries. Out: answers of the owner thread.

use axum::{Json, extract::State};
use pitot_model::{
    Route,
    api::{CredentialsAnswer, Deprecations, LimitsAnswer, PostureQuery},
};

use super::{Answer, Collector, problem::Params};
use crate::{
    contract::{Documents, Place},
    query::{self, Promise},
};

pub(super) async fn deprecations(State(c): State<Collector>, Params(q): Params<PostureQuery>) -> Answer<Deprecations> {
    let answer = c.ask(move |core, now| {
        let documents = core.documents();
        let promised = |service: &str, route: &Route| promise(documents, service, route);
        let has_some = documents.all.iter().any(|d| d.contract.operations.iter().any(|o| o.is_deprecated));
        query::deprecations(core.context(now), &q, if has_some { Some(&promised) } else { None })
    });
    Ok(Json(answer.await?.map_err(|e| e.problem())?))
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

/// What documents say of a route, if they say that it is deprecated.
fn promise(documents: &Documents, service: &str, route: &Route) -> Option<Promise> {
    let Place::Operation(document, operation) = documents.find(service, route) else { return None };
    let operation = documents.all.get(document)?.contract.operations.get(operation)?;
    operation.is_deprecated.then_some(Promise { since: None, sunset: operation.sunset })
}
