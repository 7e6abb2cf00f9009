//! One line per exchange that was seen on the wire. In: exchanges with their transactions. Out: JSON lines or text.
//!
//! Without `--raw` there are no addresses, no targets and no keys: what pitot keeps.

use std::io::{self, Write as _};

use pitot_agent::{
    decode::Endpoint,
    enrich::{Numbers, shown_host, shown_route},
    http::Exchange,
    packets::Visit,
};
use pitot_model::{Timestamp, Transaction, show_duration};
use serde::Serialize;

use super::output::Output;
use crate::report::printable;

/// Prints every exchange that it is shown.
pub(super) struct WirePrinter {
    out: Output,
    raw: bool,
    json: bool,
    /// How many more are wanted.
    left: u64,
    /// The first write that failed.
    error: Option<io::Error>,
}

#[derive(Serialize)]
struct Line<'a> {
    ts_request: Timestamp,
    ts_response: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    method: String,
    host: Option<String>,
    path: String,
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u32>,
    outcome: &'static str,
    /// Bytes of the bodies that the capture holds.
    request_body_len: u64,
    response_body_len: u64,
    /// Bytes of the bodies that were transferred, as the numbers count them.
    request_bytes: u64,
    response_bytes: u64,
    duration_ms: Option<f64>,
    ttfb_ms: Option<f64>,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    h2_stream: Option<u32>,
    is_stream: bool,
    damaged: bool,
    direction: &'static str,
    service: &'a str,
    version: &'a str,
    route: std::borrow::Cow<'a, str>,
    consumer: &'a str,
    evidence: &'static str,
}

impl Visit for WirePrinter {
    fn visit(&mut self, exchange: &Exchange<'_>, transaction: &Transaction<'_>, _: Numbers) {
        if self.is_done() {
            return;
        }
        self.left -= 1;
        if let Err(error) = self.print(exchange, transaction) {
            self.error = Some(error);
        }
    }
}

impl WirePrinter {
    /// Prints at most `left` lines.
    pub(super) fn new(out: Output, raw: bool, json: bool, left: u64) -> Self {
        Self { out, raw, json, left, error: None }
    }

    /// Whether nothing more will be printed.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 || self.error.is_some()
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self) {
        if let (None, Err(error)) = (&self.error, self.out.lock().flush()) {
            self.error = Some(error);
        }
    }

    /// Writes what is buffered. How many more lines are wanted, or why not all could be written.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush();
        self.error.map_or(Ok(self.left), Err)
    }

    fn print(&mut self, exchange: &Exchange<'_>, transaction: &Transaction<'_>) -> io::Result<()> {
        let line = self.line(exchange, transaction);
        let mut out = self.out.lock();
        if self.json {
            serde_json::to_writer(&mut *out, &line)?;
            return out.write_all(b"\n");
        }
        let status = exchange.status.to_string();
        let duration = transaction.timing.duration().map_or("-".to_owned(), show_duration);
        let what = [line.method.as_str(), &line.path, line.consumer].map(plain);
        writeln!(out, "{}  {}  {status}  {duration:>8}  {}", line.ts_request, plain(line.service), what.join("  "))
    }

    fn line<'a>(&self, exchange: &Exchange<'_>, t: &'a Transaction<'_>) -> Line<'a> {
        let address = |e: Endpoint| self.raw.then(|| std::net::SocketAddr::new(e.ip, e.port).to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ms = |d: std::time::Duration| d.as_micros() as f64 / 1e3;
        Line {
            ts_request: exchange.request_first,
            ts_response: exchange.response_first,
            client: address(exchange.client),
            server: address(exchange.server),
            method: if self.raw { text(exchange.method) } else { t.method.to_owned() },
            host: if self.raw { Some(exchange.host).filter(|h| !h.is_empty()) } else { shown_host(exchange.host) }
                .map(text),
            path: if self.raw { text(exchange.target) } else { shown_route(t.route).into_owned() },
            status: exchange.status.http(),
            grpc_status: exchange.grpc_status,
            outcome: t.outcome().name(),
            request_body_len: exchange.request_captured,
            response_body_len: exchange.response_captured,
            request_bytes: t.request_bytes,
            response_bytes: t.response_bytes,
            duration_ms: t.timing.duration().map(ms),
            ttfb_ms: t.timing.ttfb().map(ms),
            protocol: t.protocol.name(),
            h2_stream: exchange.stream_id,
            is_stream: exchange.is_stream,
            damaged: exchange.is_damaged,
            direction: t.direction.name(),
            service: t.service,
            version: t.version,
            route: shown_route(t.route),
            consumer: t.consumer,
            evidence: t.evidence.name(),
        }
    }
}

/// Text that cannot move the cursor, nor turn what stands around it.
pub(super) fn plain(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { printable(text).into_owned() }
}
