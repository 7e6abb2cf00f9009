//! The demo's API on a real socket of the loopback interface. In: HTTP/1.1 requests. Out: answers, late as the table
//! says, and a line of the access log for each.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use pitot_model::Timestamp;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    consumers::CONSUMERS,
    endpoints::Endpoint,
    incidents::Timeline,
    log::{Entry, Log},
};

/// The header that says which version answered.
pub(super) const VERSION_HEADER: &str = "x-service-version";

/// What the API knows.
#[derive(Debug)]
pub(super) struct Api {
    seed: u64,
    timeline: Timeline,
    started: Instant,
    log: Log,
    /// API key -> name of the consumer.
    names: HashMap<String, &'static str>,
}

impl Api {
    pub(super) fn new(seed: u64, timeline: Timeline, started: Instant, log: Log) -> Self {
        let names = CONSUMERS.iter().map(|c| (c.api_key(seed), c.name)).collect();
        Self { seed, timeline, started, log, names }
    }

    /// Serves on a free port of 127.0.0.1, as a task of `tasks`.
    pub(super) async fn serve(self, tasks: &mut JoinSet<()>) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(Arc::new(self));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's API stopped");
            }
        });
        Ok(address)
    }
}

/// Answers with the log line written first, so that whoever has the answer can count on the line.
async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let began = Instant::now();
    let (request, _) = request.into_parts();
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(endpoint) = Endpoint::serving(request.method.as_str(), request.uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(consumer) = api.names.get(header("x-api-key")) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let incident = api.timeline.active(began.duration_since(api.started));
    let answer = endpoint.answer(api.seed, header("x-request-id"), incident);
    tokio::time::sleep(answer.latency).await;

    let target = request.uri.path_and_query().map_or("/", |t| t.as_str());
    let logged = api.log.write(&Entry {
        time: now(),
        remote_addr: header("x-forwarded-for"),
        method: endpoint.method,
        uri: target,
        protocol: "HTTP/1.1",
        status: answer.status,
        bytes: answer.bytes,
        request_us: micros(began.elapsed()),
        consumer,
        service: endpoint.service,
        version: answer.version,
        user_agent: header("user-agent"),
        request_id: header("x-request-id"),
    });
    if let Err(error) = logged {
        tracing::error!(%error, "the demo's access log cannot be written");
        return StatusCode::INSUFFICIENT_STORAGE.into_response();
    }
    let body = if answer.status == 204 { Body::empty() } else { Body::from(vec![b' '; answer.bytes as usize]) };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(VERSION_HEADER, answer.version)], body).into_response()
}

/// The clock, in whole milliseconds as logs have them.
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
