//! The consumers' calls, over keep-alive connections. In: the API's address. Out: exact counts of what was answered.
//!
//! Calls start at the moments of a Poisson process whether or not earlier ones were answered, as many independent
//! callers do; so a slow API does not slow its callers down.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use pitot_model::{Status, api::RowKey};
use tokio::{sync::watch, task::JoinSet};

use super::{
    api::VERSION_HEADER,
    consumers::{CONSUMERS, Consumer},
    endpoints::Endpoint,
    incidents::Timeline,
    random::Random,
};

/// Requests that were answered, by service, version, method, route, consumer and status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    /// Requests by what they are about.
    pub(crate) counts: BTreeMap<RowKey, u64>,
    /// Requests that got no answer; the API is at fault then.
    pub(crate) failed: u64,
}

impl Made {
    /// Requests that were answered.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// What all callers share.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) seed: u64,
    pub(super) timeline: Timeline,
    pub(super) started: Instant,
    pub(super) api: SocketAddr,
    pub(super) made: Mutex<Made>,
}

impl Traffic {
    /// Plays until the timeline ends or `stop` becomes true; returns when the last call was answered.
    pub(super) async fn play(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut callers = JoinSet::new();
        for (stream, consumer) in (1..).zip(CONSUMERS) {
            callers.spawn(Arc::clone(&self).call_as(consumer, Random::of(self.seed, stream), stop.clone()));
        }
        callers.join_all().await;
    }

    /// What was answered so far.
    pub(super) fn made(&self) -> Made {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn call_as(
        self: Arc<Self>,
        consumer: &'static Consumer,
        mut random: Random,
        mut stop: watch::Receiver<bool>,
    ) {
        let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let key = consumer.api_key(self.seed);
        let mut under_way = JoinSet::new();
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_secs_f64(random.exponential(1.0 / consumer.peak_per_s()));
            if self.timeline.total().is_some_and(|end| at >= end) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until((self.started + at).into()) => {}
                _ = stop.wait_for(|stopped| *stopped) => break,
            }
            while under_way.try_join_next().is_some() {}
            let Some(endpoint) = consumer.next_call(&mut random, self.timeline.active(at)) else { continue };
            let request = Request::builder()
                .method(endpoint.method)
                .uri(format!("http://{}{}", self.api, endpoint.target(&mut random)))
                // Who reads packets learns service and consumer here, who reads the log from the log.
                .header("host", endpoint.service)
                .header("x-consumer-username", consumer.name)
                .header("user-agent", consumer.user_agent)
                .header("x-api-key", &key)
                .header("x-forwarded-for", consumer.address)
                .header("x-request-id", random.uuid())
                .body(Empty::new());
            let (traffic, client) = (Arc::clone(&self), client.clone());
            under_way.spawn(async move {
                let answer = match request {
                    Ok(request) => send(&client, request).await,
                    Err(error) => Err(error.into()),
                };
                traffic.count(consumer, endpoint, answer);
            });
        }
        under_way.join_all().await;
    }

    fn count(&self, consumer: &Consumer, endpoint: &Endpoint, answer: anyhow::Result<Answered>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => *made.counts.entry(key(consumer, endpoint, answer)).or_default() += 1,
            Err(error) => {
                made.failed += 1;
                tracing::warn!(%error, "the demo's API did not answer");
            }
        }
    }
}

/// What a caller learns from an answer.
struct Answered {
    status: StatusCode,
    version: Option<String>,
}

async fn send(
    client: &Client<HttpConnector, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<Answered> {
    let response = client.request(request).await?;
    let status = response.status();
    let version = response.headers().get(VERSION_HEADER).and_then(|v| v.to_str().ok()).map(str::to_owned);
    response.into_body().collect().await?;
    Ok(Answered { status, version })
}

fn key(consumer: &Consumer, endpoint: &Endpoint, answer: Answered) -> RowKey {
    RowKey {
        service: Some(endpoint.service.into()),
        version: answer.version,
        method: Some(endpoint.method.into()),
        route: Some(endpoint.template.into()),
        consumer: Some(consumer.name.into()),
        status: Some(Status::code(answer.status.as_u16())),
        ..RowKey::default()
    }
}
