//! `GET /api/v1/contract`: what differs between what is called and what is described. In: queries. Out: answers of the owner
//! thread.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue},
};
use pitot_model::api::{ContractAnswer, ContractQuery};
use serde_json::Value;

use super::{Answer, ApiError, problem::Params};
use crate::{io::service::Collector, query};

/// How many routes are not in a document.
const LEFT_OUT: HeaderName = HeaderName::from_static("pitot-left-out");

pub(super) async fn differences(
    State(c): State<Collector>,
    Params(q): Params<ContractQuery>,
) -> Answer<ContractAnswer> {
    let answer = c.ask(move |core, now| query::contract(core.context(now), core.documents(), &q)).await?;
    Ok(Json(answer.map_err(|e| e.problem())?))
}

/// The document itself is the answer, so that tools can be given the address.
pub(super) async fn inferred(
    State(c): State<Collector>,
    Params(q): Params<ContractQuery>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Value>), ApiError> {
    let answer = c.ask(move |core, now| query::inferred(core.context(now), core.documents(), &q)).await?;
    let inferred = answer.map_err(|e| e.problem())?;
    Ok(([(LEFT_OUT, inferred.left_out.into())], Json(inferred.document)))
}
