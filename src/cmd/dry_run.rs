//! `pitot agent --dry-run`: what would leave, and nothing leaves.
//!
//! In: the configuration of an agent. Out: its reports, read back from the very bytes that would be sent, as text or JSON;
//! then how often which rule replaced what. No state is written, no cursor moves, no collector is asked.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use pitot_agent::io::{Captures, Daemon, Order};
use pitot_client::{Answering, Client, Error, Transport};
use pitot_model::{Mark, MarkKind, Report, Window, api::Accepted, budget, show_duration, wire};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::runtime;
use crate::report::printable;

/// Runs an agent that ships to nobody until it has read everything, or so long.
pub(crate) fn run(
    daemon: Daemon,
    captures: Option<Captures>,
    limit: Duration,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    let reports = Reports::default();
    let shipped = runtime::runtime()?.block_on(read(daemon, captures, limit, Client::new(reports.clone())))?;
    let mut out = std::io::stdout().lock();
    let reports = std::mem::take(&mut *reports.0.lock().unwrap_or_else(PoisonError::into_inner));
    let mut sums = Sums::default();
    for packed in &reports {
        let report = unpack(packed)?;
        sums.add(&report);
        match is_json {
            true => writeln!(out, "{}", as_json(&report, packed.len()))?,
            false => out.write_all(as_text(&report, packed.len()).as_bytes())?,
        }
    }
    match is_json {
        true => writeln!(out, "{}", sums.as_json(reports.len()))?,
        false => out.write_all(sums.as_text(reports.len()).as_bytes())?,
    }
    out.flush()?;
    match shipped.failure {
        Some(failure) => bail!("{failure}"),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn read(
    daemon: Daemon,
    captures: Option<Captures>,
    limit: Duration,
    client: Client,
) -> anyhow::Result<pitot_agent::io::Shipped> {
    let (orders, inbox) = mpsc::channel(1);
    let mut stop = std::pin::pin!(runtime::stop_signal());
    let mut running = std::pin::pin!(pitot_agent::io::run(daemon, captures, vec![client], inbox));
    tokio::select! {
        shipped = &mut running => return Ok(shipped?),
        () = tokio::time::sleep(limit) => {}
        () = &mut stop => {}
    }
    // One that ends by itself needs no telling.
    let _ = orders.send(Order::Stop).await;
    Ok(running.await?)
}

/// What would have been sent. Stands in the place of a collector that takes everything.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Bytes>>>);

impl Transport for Reports {
    fn send(&self, request: http::Request<Bytes>) -> Answering {
        let answer = unpack(request.body()).map(|report| Accepted {
            sequence: report.sequence,
            duplicate: false,
            transactions: report.count(),
            now: None,
            store: String::new(),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_body());
        Box::pin(async move {
            let malformed = |why: String| Error::Malformed { path: "/api/v1/reports".into(), why };
            let answer = answer.map_err(|error| malformed(error.to_string()))?;
            let body = serde_json::to_vec(&answer).map_err(|error| malformed(error.to_string()))?;
            Ok(http::Response::new(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()))
        })
    }

    fn target(&self) -> &str {
        "nobody"
    }
}

fn unpack(packed: &[u8]) -> anyhow::Result<Report> {
    let plain = zstd::bulk::decompress(packed, budget::REPORT_PLAIN_BYTES).context("a report is not compressed")?;
    Ok(wire::decode_report(&plain)?)
}

/// All that a report holds, for people.
fn as_text(report: &Report, bytes: usize) -> String {
    let mut lines = vec![format!(
        "report {} of `{}`, pitot {}: {bytes} bytes, made {}, complete until {}{}",
        report.sequence,
        printable(&report.agent.name),
        report.program,
        report.made,
        report.watermark,
        if report.is_last { ", the last one" } else { "" }
    )];
    for window in &report.windows {
        let resource = [&window.resource.service, &window.resource.version, &window.resource.instance];
        let resource: Vec<_> =
            resource.into_iter().filter(|text| !text.is_empty()).map(|text| printable(text)).collect();
        lines.push(format!("  {} + {:?}  {}", window.start, window.width, resource.join(" · ")));
        lines.extend(cells(window));
    }
    for mark in &report.marks {
        lines.push(format!("  {} × {}  {}", mark.sum.count, mark.key.kind.name(), of_mark(mark)));
    }
    for alias in &report.aliases {
        lines.push(format!("  {} is now {}", printable(&alias.from.to_string()), printable(&alias.to.to_string())));
    }
    let coverage = &report.coverage;
    if coverage.lines_read > 0 || coverage.packets_read > 0 {
        let (n, read) = (coverage.transactions, super::sources::read(coverage));
        lines.push(format!("  read {read}, {} bytes: {n} transactions", coverage.bytes_read));
    }
    lines.extend(coverage.reasons.iter().map(|(reason, n)| format!("  {n} × {}: {}", reason.name(), reason.help())));
    for offset in &report.offsets {
        lines.push(format!(
            "  {} ({:016x}) read to byte {}",
            printable(&offset.source),
            offset.fingerprint,
            offset.bytes
        ));
    }
    lines.join("\n") + "\n"
}

fn cells(window: &Window) -> impl Iterator<Item = String> {
    window.cells.iter().map(|cell| {
        let route = window.routes.get(cell.route as usize).map(ToString::to_string).unwrap_or_default();
        let consumer = window.consumers.get(cell.consumer as usize).cloned().unwrap_or_default();
        let group = if consumer.group.is_empty() { String::new() } else { format!(" in {}", consumer.group) };
        let us = |us: Option<u64>| us.map(|us| show_duration(Duration::from_micros(us)));
        let duration = match (us(cell.stats.duration.min_us()), us(cell.stats.duration.max_us())) {
            (Some(min), Some(max)) => format!("  {min} to {max}"),
            _ => String::new(),
        };
        format!(
            "    {} × {}  {}  {} ({}{}){duration}",
            cell.stats.count,
            printable(&route),
            cell.status,
            if consumer.id.is_empty() { "-".into() } else { printable(&consumer.id) },
            consumer.evidence.name(),
            printable(&group),
        )
    })
}

fn of_mark(mark: &Mark) -> String {
    let key = &mark.key;
    let parts = [key.service.clone(), key.route.to_string(), key.consumer.id.clone()];
    let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(printable).collect();
    parts.join("  ")
}

/// All that a report holds, for programs; of histograms their sums and extremes.
fn as_json(report: &Report, bytes: usize) -> Value {
    let sketch = |s: &pitot_model::Sketch| json!({"count": s.count(), "sum_us": s.sum_us(), "min_us": s.min_us(), "max_us": s.max_us()});
    let window = |w: &Window| {
        let cell = |c: &pitot_model::Cell| {
            json!({
                "route": w.routes.get(c.route as usize), "consumer": w.consumers.get(c.consumer as usize),
                "status": c.status.to_string(), "count": c.stats.count, "request_bytes": c.stats.request_bytes,
                "response_bytes": c.stats.response_bytes, "duration": sketch(&c.stats.duration),
                "ttfb": sketch(&c.stats.ttfb),
            })
        };
        let cells: Vec<_> = w.cells.iter().map(cell).collect();
        json!({"start": w.start, "width_ms": w.width.as_millis() as u64, "resource": w.resource, "cells": cells})
    };
    let mark = |m: &Mark| {
        json!({
            "hour": m.key.hour, "kind": m.key.kind.name(), "service": m.key.service, "route": m.key.route,
            "consumer": m.key.consumer, "count": m.sum.count, "last": m.sum.last, "least": m.sum.least,
            "greatest": m.sum.greatest,
        })
    };
    json!({
        "agent": report.agent.name, "incarnation": report.agent.incarnation, "sequence": report.sequence,
        "program": report.program, "bytes": bytes, "made": report.made, "watermark": report.watermark,
        "is_last": report.is_last, "coverage": report.coverage, "backlog": report.backlog, "gauges": report.gauges,
        "windows": report.windows.iter().map(window).collect::<Vec<_>>(),
        "marks": report.marks.iter().map(mark).collect::<Vec<_>>(),
        "aliases": report.aliases.iter().map(|a| json!({"service": a.service, "from": a.from, "to": a.to})).collect::<Vec<_>>(),
        "offsets": report.offsets.iter().map(|o| json!({"source": o.source, "bytes": o.bytes})).collect::<Vec<_>>(),
    })
}

/// What was replaced, over all reports.
#[derive(Default)]
struct Sums {
    transactions: u64,
    redacted: BTreeMap<MarkKind, u64>,
    pseudonyms: std::collections::BTreeSet<String>,
}

/// Rules of the scanner, in the order in which they are tried.
const RULES: [(MarkKind, &str); 5] = [
    (MarkKind::RedactedWebToken, "web tokens"),
    (MarkKind::RedactedKey, "keys"),
    (MarkKind::RedactedCard, "card numbers"),
    (MarkKind::RedactedEmail, "e-mail addresses"),
    (MarkKind::RedactedToken, "tokens"),
];

impl Sums {
    fn add(&mut self, report: &Report) {
        self.transactions += report.count();
        for mark in &report.marks {
            if RULES.iter().any(|&(kind, _)| kind == mark.key.kind) {
                *self.redacted.entry(mark.key.kind).or_default() += mark.sum.count;
            }
        }
        let is_credential = |kind| matches!(kind, pitot_model::Evidence::Key | pitot_model::Evidence::Token);
        let consumers = report.windows.iter().flat_map(|w| &w.consumers).filter(|c| is_credential(c.evidence));
        self.pseudonyms.extend(consumers.map(|c| c.id.clone()));
    }

    fn count(&self, kind: MarkKind) -> u64 {
        self.redacted.get(&kind).copied().unwrap_or(0)
    }

    fn as_text(&self, n_reports: usize) -> String {
        let mut text = format!("\n{n_reports} reports of {} transactions; nothing was sent\n", self.transactions);
        text.push_str("replaced in paths, by rule (transactions):\n");
        for (kind, what) in RULES {
            text.push_str(&format!("{:>8}  {what}\n", self.count(kind)));
        }
        text + &format!("credentials shown as pseudonyms: {}\n", self.pseudonyms.len())
    }

    fn as_json(&self, n_reports: usize) -> Value {
        let redacted: BTreeMap<_, _> = RULES.iter().map(|&(kind, _)| (kind.name(), self.count(kind))).collect();
        json!({
            "reports": n_reports, "transactions": self.transactions, "redacted": redacted,
            "pseudonyms": self.pseudonyms.len(),
        })
    }
}
