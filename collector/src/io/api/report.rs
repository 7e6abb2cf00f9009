//! `POST /api/v1/reports`: the way in. In: a body from a stranger. Out: [`Accepted`], or why not.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use pitot_model::{
    Timestamp,
    api::{Accepted, Problem},
    budget,
};
use tokio::{
    sync::SemaphorePermit,
    time::{Duration, Instant, timeout, timeout_at},
};

use super::Answer;
use crate::{
    ingest::{Encoding, PACE_BYTES, PATIENCE, Refusal, START},
    io::service::{BODY_FREE, Collector},
};

/// When a report was sent, in microseconds since the epoch by the sender's clock.
const SENT: &str = "pitot-sent";

/// The store that is meant, by its id; any where it is missing.
const STORE: &str = "pitot-store";

/// How long the answer is kept back from who sent what cannot be taken, or what was taken before. Agents do either once in a
/// while; who does nothing else comes no more often than this on a connection, and leaves the processor to others.
const HELD_BACK: Duration = Duration::from_millis(250);

pub(super) async fn post(State(c): State<Collector>, headers: HeaderMap, body: Body) -> Answer<Accepted> {
    let answer = take(&c, &headers, body).await;
    if match &answer {
        Ok(accepted) => accepted.duplicate,
        Err(problem) => (400..500).contains(&problem.status),
    } {
        let _ = timeout(HELD_BACK, c.closing()).await;
    }
    Ok(Json(answer?))
}

/// Nothing of it is held any more when the answer is there.
async fn take(c: &Collector, headers: &HeaderMap, body: Body) -> Result<Accepted, Problem> {
    let refused = |refusal: Refusal| c.refused(refusal.problem());
    let sent = text(headers, SENT).and_then(|us| us.parse().ok()).map(Timestamp::from_micros);
    check_store(headers, c.store_id()).map_err(refused)?;
    let reader = c.reader().await.ok_or_else(|| refused(Refusal::Busy))?;
    let (body, encoding) = read(c, headers, body).await.map_err(refused)?;
    let answer = c.ingest_bytes(body.bytes, encoding, sent).await;
    drop((body.room, reader));
    answer
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

/// A sender that does not know whether a store holds its report must not give it to another.
fn check_store(headers: &HeaderMap, here: &str) -> Result<(), Refusal> {
    match text(headers, STORE) {
        Some(wanted) if wanted != here => {
            Err(Refusal::WrongStore { wanted: wanted.chars().take(64).collect(), here: here.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A body and the room that it takes.
struct Held<'a> {
    bytes: Bytes,
    room: Option<SemaphorePermit<'a>>,
}

/// The whole body. One that is announced as too large is not read at all.
async fn read<'a>(c: &'a Collector, headers: &HeaderMap, body: Body) -> Result<(Held<'a>, Encoding), Refusal> {
    let encoding = Encoding::parse(text(headers, header::CONTENT_ENCODING.as_str()).unwrap_or_default())?;
    let announced = text(headers, header::CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
    if announced.is_some_and(|n| n > budget::REPORT_BYTES) {
        return Err(Refusal::TooLarge);
    }
    Ok((gather(c, body).await?, encoding))
}

/// Takes room as the bytes come: what is announced and never sent takes none.
async fn gather(c: &Collector, body: Body) -> Result<Held<'_>, Refusal> {
    let (mut chunks, mut bytes, mut room) = (body.into_data_stream(), BytesMut::new(), None::<SemaphorePermit<'_>>);
    let began = Instant::now();
    loop {
        let lasts = START + Duration::from_secs((bytes.len() / PACE_BYTES) as u64);
        let next = timeout_at(began + lasts.min(PATIENCE), chunks.next()).await.map_err(|_| Refusal::Slow)?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|e| Refusal::BrokenOff(e.to_string()))?;
        let n_bytes = bytes.len() + chunk.len();
        if n_bytes > budget::REPORT_BYTES {
            return Err(Refusal::TooLarge);
        }
        let held = room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let missing = n_bytes.saturating_sub(BODY_FREE + held);
        if missing > 0 {
            let more = c.room(missing).ok_or(Refusal::Busy)?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Held { bytes: bytes.freeze(), room })
}
