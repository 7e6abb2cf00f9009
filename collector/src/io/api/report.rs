//! `POST /api/v1/reports`: the way in. In: a body from a stranger. Out: [`Accepted`], or why not.

use std::time::Duration;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, header},
};
use pitot_model::{api::Accepted, budget};

use tokio::time::timeout;

use super::{Answer, ApiError};
use crate::{
    ingest::{Encoding, Refusal},
    io::service::Collector,
};

/// How long a body may take to come: a report of the greatest size over a line of 2 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOW: &str = "the body took longer than a minute; send smaller reports";

pub(super) async fn post(State(c): State<Collector>, headers: HeaderMap, body: Body) -> Answer<Accepted> {
    match read(&headers, body).await {
        Ok((bytes, encoding)) => Ok(Json(c.ingest_bytes(bytes, encoding).await?)),
        Err(error) => {
            c.ask(|core, _| core.refuse()).await?;
            Err(error)
        }
    }
}

/// The whole body. One that is announced as too large is not read at all.
async fn read(headers: &HeaderMap, body: Body) -> Result<(bytes::Bytes, Encoding), ApiError> {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let encoding = Encoding::parse(text(header::CONTENT_ENCODING).unwrap_or_default()).map_err(|r| r.problem())?;
    let announced = text(header::CONTENT_LENGTH).and_then(|n| n.parse::<usize>().ok());
    if announced.is_some_and(|n| n > budget::REPORT_BYTES) {
        return Err(Refusal::TooLarge.problem().into());
    }
    let read = timeout(PATIENCE, to_bytes(body, budget::REPORT_BYTES)).await;
    let read = read.map_err(|_| ApiError::new(408, "slow", "the body did not come in time", SLOW.into()))?;
    let bytes = read.map_err(|e| {
        let cause = std::error::Error::source(&e);
        let is_limit = cause.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if is_limit {
            ApiError(Refusal::TooLarge.problem())
        } else {
            ApiError::new(400, "bad-body", "the body could not be read", format!("{e}; send it again"))
        }
    })?;
    Ok((bytes, encoding))
}
