//! One method per question that the API answers. In: queries. Out: typed answers.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use pitot_model::{
    Report, Timestamp,
    api::{
        Accepted, Agents, Anomaly, AnomalyPage, AnomalyQuery, CollectorStatus, ContractAnswer, ContractQuery,
        CoverageAnswer, CoverageQuery, CredentialsAnswer, Deprecations, HeatMap, HeatMapQuery, LimitsAnswer,
        PostureQuery, Problem, SeriesAnswer, SeriesQuery, Table, TableQuery,
    },
    budget, wire,
};
use serde::de::DeserializeOwned;

use crate::{Access, Body, Error, Http, Live, Transport, encode, io::Place, live};

/// Bytes of one answer; a larger one is [`Error::TooLarge`] and not read to its end.
pub const ANSWER_BYTES: usize = 64 << 20;

/// Bytes of the page that comes with a refusal; what is longer is from a stranger and not read.
const REFUSAL_BYTES: usize = 64 << 10;

/// Header of a report: when it was sent, in microseconds since the epoch by the sender's clock.
///
/// The collector tells the sender's clock skew by it, and how long the report was kept.
pub const SENT: &str = "pitot-sent";

/// Header of a report: id of the store that is meant.
pub const STORE: &str = "pitot-store";

/// What [`Error::TooLarge`] is about.
pub(crate) const REPORT: &str = "the report";
pub(crate) const ANSWER: &str = "the answer";

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
        return Err(Error::TooLarge { what: REPORT, limit: budget::REPORT_PLAIN_BYTES });
    }
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL)
        .map_err(|e| Error::Malformed { path: "/api/v1/reports".into(), why: e.to_string() })?;
    if packed.len() > budget::REPORT_BYTES {
        return Err(Error::TooLarge { what: REPORT, limit: budget::REPORT_BYTES });
    }
    Ok(packed.into())
}

impl Client {
    /// A client that speaks through this transport.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(transport) }
    }

    /// A client without a token or certificate of its own; `url` is `http://HOST:PORT` or `https://HOST:PORT` with an
    /// optional path in front of `/api`, or `HOST:PORT`.
    ///
    /// Only the URL is checked here; nothing is sent.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &Access::default())
    }

    /// As [`Self::connect`], with what opens the door of the collector. The files are read here, and again after an
    /// answer that says that a certificate or token will not do. Fails with [`Error::Access`] where a file is wrong.
    pub fn connect_with(url: &str, access: &Access) -> Result<Self, Error> {
        Ok(Self::new(Http::new(url, access)?))
    }

    /// Whether this URL can be used with this access. Reads no file: they may be on another machine.
    pub fn check(url: &str, access: &Access) -> Result<(), Error> {
        Place::parse(url, access).map(drop)
    }

    /// Where the collector is, for people.
    pub fn target(&self) -> &str {
        self.transport.target()
    }

    /// Ships a report in the moment when it was made.
    pub async fn ship(&self, report: &Report) -> Result<Accepted, Error> {
        self.report(pack(report)?, report.made, "").await
    }

    /// Ships the bytes of a report that [`pack`] made, now or earlier. `sent` is the time now, by the sender's clock.
    ///
    /// `store` is the id of the one that is meant, as [`Accepted::store`] told it; empty for any. A collector that keeps
    /// another refuses with 421, and has not looked at the report.
    ///
    /// [`Error::verdict`] says what becomes of it when it was not accepted.
    pub async fn report(&self, packed: Bytes, sent: Timestamp, store: &str) -> Result<Accepted, Error> {
        let path = "/api/v1/reports";
        let mut request = Request::post(path)
            .header(SENT, sent.as_micros())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::CONTENT_ENCODING, "zstd");
        if !store.is_empty() {
            request = request.header(STORE, store);
        }
        self.answer(path, request.body(packed)).await
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

    /// Deprecated routes that are still called, and by whom.
    pub async fn deprecations(&self, query: &PostureQuery) -> Result<Deprecations, Error> {
        self.ask("/api/v1/deprecations", query).await
    }

    /// Who is limited and who heeds it, and what limits could be.
    pub async fn limits(&self, query: &PostureQuery) -> Result<LimitsAnswer, Error> {
        self.ask("/api/v1/limits", query).await
    }

    /// Who fails to prove who it is.
    pub async fn credentials(&self, query: &PostureQuery) -> Result<CredentialsAnswer, Error> {
        self.ask("/api/v1/credentials", query).await
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

    /// What was read and lost, by agent and interval.
    pub async fn coverage(&self, query: &CoverageQuery) -> Result<CoverageAnswer, Error> {
        self.ask("/api/v1/coverage", query).await
    }

    /// What differs between what is called and what documents describe.
    pub async fn contract(&self, query: &ContractQuery) -> Result<ContractAnswer, Error> {
        self.ask("/api/v1/contract", query).await
    }

    /// The OpenAPI document that what is called suggests.
    pub async fn inferred_contract(&self, query: &ContractQuery) -> Result<serde_json::Value, Error> {
        self.ask("/api/v1/contract/inferred", query).await
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
        let bytes = self.collect(response.into_body(), ANSWER_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|e| Error::Malformed { path: path.into(), why: e.to_string() })
    }

    async fn send(&self, path: &str, request: http::Result<Request<Bytes>>) -> Result<http::Response<Body>, Error> {
        let request = request.map_err(|e| Error::Malformed { path: path.into(), why: e.to_string() })?;
        self.transport.send(request).await
    }

    /// What a status other than success means: the problem in the body, or else the status itself.
    async fn refusal(&self, path: &str, response: http::Response<Body>) -> Error {
        let status = response.status().as_u16();
        let retry_after_s = retry_after(response.headers());
        let page = self.collect(response.into_body(), REFUSAL_BYTES).await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&page) {
            Ok(mut problem) => {
                // The status line is what everybody in between went by.
                problem.status = status;
                problem.retry_after_s = problem.retry_after_s.or(retry_after_s);
                Error::Problem(Box::new(problem))
            }
            Err(_) => Error::Status { path: path.into(), status, retry_after_s },
        }
    }

    async fn collect(&self, mut body: Body, limit: usize) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|e| Error::Interrupted { target: self.target().to_owned(), why: e.to_string() })?;
            let Ok(data) = frame.into_data() else { continue };
            if out.len() + data.len() > limit {
                return Err(Error::TooLarge { what: ANSWER, limit });
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

/// Seconds that the answer asks to wait. A date is counted from the answer's own, so that nobody's clock matters.
///
/// Source: RFC 9110, 10.2.3.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(header::RETRY_AFTER)?;
    wanted.parse().ok().or_else(|| {
        let until = httpdate::parse_http_date(wanted).ok()?;
        let from = httpdate::parse_http_date(text(header::DATE)?).ok()?;
        Some(until.duration_since(from).map_or(0, |d| d.as_secs()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_are_asked_for() {
        let date = Some("Mon, 12 Jan 2026 08:30:00 GMT");
        for (wanted, date, want) in [
            (Some("120"), None, Some(120)),
            (Some(" 1 "), None, Some(1)),
            (Some("Mon, 12 Jan 2026 08:31:30 GMT"), date, Some(90)),
            (Some("Monday, 12-Jan-26 08:31:30 GMT"), date, Some(90)),
            (Some("Mon, 12 Jan 2026 08:29:00 GMT"), date, Some(0)),
            (Some("Mon, 12 Jan 2026 08:31:30 GMT"), None, None),
            (Some("-5"), date, None),
            (Some("soon"), date, None),
            (None, date, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::RETRY_AFTER, wanted), (header::DATE, date)] {
                headers.extend(value.map(|v| (name, http::HeaderValue::from_static(v))));
            }
            assert_eq!(retry_after(&headers), want, "{wanted:?}");
        }
    }
}
