//! `GET /api/v1/live`: server-sent events. In: a filter over anomalies. Out: a stream that ends when the collector stops.
//!
//! A reader that is too slow misses the oldest events; the newer ones make it ask again.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::StreamExt;
use pitot_model::{
    api::{Anomaly, LiveEvent, Problem},
    filter::{Expr, parse},
};
use serde::Deserialize;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{ApiError, Params};
use crate::io::service::Collector;

/// Query of the live stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LiveQuery {
    /// Which anomalies are told; news of data always are.
    q: String,
}

pub(super) async fn get(
    State(c): State<Collector>,
    Params(query): Params<LiveQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let filter = filter(&query.q)?;
    let events = BroadcastStream::new(c.live())
        .filter_map(move |event| std::future::ready(wanted(&filter, event)))
        .map(Ok::<_, Infallible>)
        .take_until(c.closing());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn filter(q: &str) -> Result<Expr, ApiError> {
    let parsed = parse(q).and_then(|expr| expr.only(Anomaly::FIELDS, true, "anomalies").map(|()| expr));
    parsed.map_err(|e| {
        let (kind, title) = ("/problems/bad-filter".into(), "the filter is wrong".into());
        ApiError(Problem { kind, title, status: 400, detail: e.to_string(), at: Some(e.at), retry_after_s: None })
    })
}

fn wanted(filter: &Expr, event: Result<LiveEvent, BroadcastStreamRecvError>) -> Option<Event> {
    // What was missed is followed by newer events.
    let event = event.ok()?;
    let name = match &event {
        LiveEvent::Data { .. } => "data",
        LiveEvent::Anomaly { anomaly } if filter.matches(&**anomaly) => "anomaly",
        LiveEvent::Anomaly { .. } => return None,
    };
    Event::default().event(name).json_data(&event).ok()
}
