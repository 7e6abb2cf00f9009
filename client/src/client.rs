//! One method per question that the API answers. In: queries. Out: typed answers.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use pitot_model::{
    Report,
    api::{
        Accepted, Agents, Anomaly, AnomalyPage, AnomalyQuery, CollectorStatus, HeatMap, HeatMapQuery, Problem,
        SeriesAnswer, SeriesQuery, Table, TableQuery,
    },
    budget, wire,
};
use serde::de::DeserializeOwned;

use crate::{Body, Error, Http, Live, Transport, encode, live};

/// Bytes of one answer; a larger one is [`Error::TooLarge`] and not read to its end.
pub const ANSWER_BYTES: usize = 64 << 20;

/// Compression level of reports: they travel often and are small.
const ZSTD_LEVEL: i32 = 3;

/// A client of one collector. Cloning is cheap and shares connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
}

/// The bytes of a report as they travel and as a spool keeps them: encoded and compressed by zstd.
///
/// Fails with [`Error::TooLarge`] beyond [`budget::REPORT_BYTES`] or, before compression, [`budget::REPORT_PLAIN_BYTES`].
pub fn pack(report: &Report) -> Result<Bytes, Error> {
    let plain = wire::encode_report(report);
    if plain.len() > budget::REPORT_PLAIN_BYTES {
        return Err(Error::TooLarge { what: "the report", limit: budget::REPORT_PLAIN_BYTES });
    }
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL)
        .map_err(|e| Error::Malformed { path: "/api/v1/reports".into(), why: e.to_string() })?;
    if packed.len() > budget::REPORT_BYTES {
        return Err(Error::TooLarge { what: "the report", limit: budget::REPORT_BYTES });
    }
    Ok(packed.into())
}

impl Client {
    /// A client that speaks through this transport.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(transport) }
    }

    /// A client over plain HTTP; `url` is `http://HOST:PORT` with an optional path in front of `/api`, or `HOST:PORT`.
    ///
    /// Only the URL is checked here; nothing is sent.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self::new(Http::new(url)?))
    }

    /// Where the collector is, for people.
    pub fn target(&self) -> &str {
        self.transport.target()
    }

    /// Ships a report.
    pub async fn ship(&self, report: &Report) -> Result<Accepted, Error> {
        self.report(pack(report)?).await
    }

    /// Ships the bytes of a report that [`pack`] made, now or earlier.
    pub async fn report(&self, packed: Bytes) -> Result<Accepted, Error> {
        let path = "/api/v1/reports";
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::CONTENT_ENCODING, "zstd")
            .body(packed);
        self.answer(path, request).await
    }

    /// Rows by service, route, consumer and so on.
    pub async fn table(&self, query: &TableQuery) -> Result<Table, Error> {
        self.ask("/api/v1/table", query).await
    }

    /// Counts and quantiles over time.
    pub async fn series(&self, query: &SeriesQuery) -> Result<SeriesAnswer, Error> {
        self.ask("/api/v1/series", query).await
    }

    /// Durations over time.
    pub async fn heatmap(&self, query: &HeatMapQuery) -> Result<HeatMap, Error> {
        self.ask("/api/v1/heatmap", query).await
    }

    /// Anomalies, the newest first.
    pub async fn anomalies(&self, query: &AnomalyQuery) -> Result<AnomalyPage, Error> {
        self.ask("/api/v1/anomalies", query).await
    }

    /// One anomaly by its id.
    pub async fn anomaly(&self, id: &str) -> Result<Anomaly, Error> {
        let mut path = String::from("/api/v1/anomalies/");
        encode::percent(id, &mut path);
        self.ask(&path, &()).await
    }

    /// Agents that ship to this collector.
    pub async fn agents(&self) -> Result<Agents, Error> {
        self.ask("/api/v1/agents", &()).await
    }

    /// How the collector is.
    pub async fn status(&self) -> Result<CollectorStatus, Error> {
        self.ask("/api/v1/status", &()).await
    }

    /// Follows what happens to transactions and anomalies that match the filter.
    pub async fn live(&self, q: &str) -> Result<Live, Error> {
        let query = AnomalyQuery { q: q.to_owned(), ..AnomalyQuery::default() };
        let path = path_with(&query, "/api/v1/live")?;
        let request = Request::get(&path).header(header::ACCEPT, "text/event-stream").body(Bytes::new());
        let response = self.send(&path, request).await?;
        if !response.status().is_success() {
            return Err(self.refusal(&path, response).await);
        }
        Ok(live::live(response.into_body(), self.target().to_owned()))
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, query: &impl serde::Serialize) -> Result<T, Error> {
        let path = path_with(query, path)?;
        let request = Request::builder().method(Method::GET).uri(&path).header(header::ACCEPT, "application/json");
        self.answer(&path, request.body(Bytes::new())).await
    }

    async fn answer<T: DeserializeOwned>(&self, path: &str, request: http::Result<Request<Bytes>>) -> Result<T, Error> {
        let response = self.send(path, request).await?;
        if !response.status().is_success() {
            return Err(self.refusal(path, response).await);
        }
        let bytes = self.collect(response.into_body()).await?;
        serde_json::from_slice(&bytes).map_err(|e| Error::Malformed { path: path.into(), why: e.to_string() })
    }

    async fn send(&self, path: &str, request: http::Result<Request<Bytes>>) -> Result<http::Response<Body>, Error> {
        let request = request.map_err(|e| Error::Malformed { path: path.into(), why: e.to_string() })?;
        self.transport.send(request).await
    }

    /// What a status other than success means: the problem in the body, or the status itself.
    async fn refusal(&self, path: &str, response: http::Response<Body>) -> Error {
        let status = response.status();
        let bytes = match self.collect(response.into_body()).await {
            Ok(bytes) => bytes,
            Err(e) => return e,
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Error::Problem(Box::new(problem)),
            Err(_) => Error::Malformed { path: path.into(), why: format!("status {status} without a problem in it") },
        }
    }

    async fn collect(&self, mut body: Body) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|e| Error::Unreachable { target: self.target().to_owned(), why: e.to_string() })?;
            let Ok(data) = frame.into_data() else { continue };
            if out.len() + data.len() > ANSWER_BYTES {
                return Err(Error::TooLarge { what: "the answer", limit: ANSWER_BYTES });
            }
            out.extend_from_slice(&data);
        }
        Ok(out)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.target())
    }
}

fn path_with(query: &impl serde::Serialize, path: &str) -> Result<String, Error> {
    let query = encode::query(query).map_err(|e| Error::Malformed { path: path.into(), why: e.to_string() })?;
    Ok(format!("{path}{query}"))
}
