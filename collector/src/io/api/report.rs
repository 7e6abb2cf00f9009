//! `POST /api/v1/reports`: the way in. In: a body from a stranger. Out: [`Accepted`], or why not.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use pitot_model::{api::Accepted, budget};
use tokio::{sync::SemaphorePermit, time::timeout};

use super::{Answer, ApiError};
use crate::{
    ingest::{Encoding, Refusal},
    io::service::{BODY_FREE, Collector},
};

/// How long a body may take to come: a report of the greatest size over a line of 2 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOW: &str = "the body took longer than a minute; send smaller reports";

pub(super) async fn post(State(c): State<Collector>, headers: HeaderMap, body: Body) -> Answer<Accepted> {
    let reader = c.reader().await?;
    match read(&c, &headers, body).await {
        Ok((body, encoding)) => {
            let answer = c.ingest_bytes(body.bytes, encoding).await;
            drop((body.room, reader));
            Ok(Json(answer?))
        }
        Err(error) => {
            c.ask(|core, _| core.refuse()).await?;
            Err(error)
        }
    }
}

/// A body and the room that it takes.
struct Held<'a> {
    bytes: Bytes,
    room: Option<SemaphorePermit<'a>>,
}

/// The whole body. One that is announced as too large is not read at all.
async fn read<'a>(c: &'a Collector, headers: &HeaderMap, body: Body) -> Result<(Held<'a>, Encoding), ApiError> {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let encoding = Encoding::parse(text(header::CONTENT_ENCODING).unwrap_or_default()).map_err(|r| r.problem())?;
    let announced = text(header::CONTENT_LENGTH).and_then(|n| n.parse::<usize>().ok());
    if announced.is_some_and(|n| n > budget::REPORT_BYTES) {
        return Err(Refusal::TooLarge.problem().into());
    }
    let read = timeout(PATIENCE, gather(c, body)).await;
    let held = read.map_err(|_| ApiError::new(408, "slow", "the body did not come in time", SLOW.into()))??;
    Ok((held, encoding))
}

/// Takes room as the bytes come: what is announced and never sent takes none.
async fn gather(c: &Collector, body: Body) -> Result<Held<'_>, ApiError> {
    let (mut chunks, mut bytes, mut room) = (body.into_data_stream(), BytesMut::new(), None::<SemaphorePermit<'_>>);
    while let Some(chunk) = chunks.next().await {
        let wrong = |e| ApiError::new(400, "bad-body", "the body could not be read", format!("{e}; send it again"));
        let chunk = chunk.map_err(wrong)?;
        let n_bytes = bytes.len() + chunk.len();
        if n_bytes > budget::REPORT_BYTES {
            return Err(Refusal::TooLarge.problem().into());
        }
        let held = room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let missing = n_bytes.saturating_sub(BODY_FREE + held);
        if missing > 0 {
            let more = c.room(missing).ok_or_else(|| Refusal::Busy.problem())?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Held { bytes: bytes.freeze(), room })
}
