//! `pitot query`: ask a collector, print text for people or JSON for scripts.

mod posture;

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use pitot_client::Client;
use pitot_model::{
    Coverage, Timestamp,
    api::{
        Agents, Anomaly, AnomalyPage, AnomalyQuery, CollectorStatus, CoverageAnswer, CoverageQuery, PostureQuery,
        RowKey, SeriesAnswer, SeriesQuery, State, Table, TableQuery,
    },
    filter, parse_duration, show_duration,
};
use serde::Serialize;

use super::runtime;
use crate::cli::{Query, What};

/// Anomalies per request of a listing without a limit.
const PAGE: usize = 1000;

pub(crate) fn run(args: &Query) -> anyhow::Result<ExitCode> {
    if let Err(error) = filter::parse(&args.filter) {
        bail!("{error}\n  {}", error.pointing(&args.filter).replace('\n', "\n  "));
    }
    let client = args.access.connect(&args.collector)?;
    let out = &mut BufWriter::new(std::io::stdout().lock());
    runtime::runtime()?.block_on(ask(args, &client, out))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(args: &Query, client: &Client, out: &mut impl Write) -> anyhow::Result<()> {
    let (from, to) = (args.since.as_deref().map(moment).transpose()?, args.until.as_deref().map(moment).transpose()?);
    let q = args.filter.clone();
    let posture = || PostureQuery { q: q.clone(), from, to, limit: args.limit, offset: None };
    match args.what {
        What::Anomalies => {
            let page = anomalies(args, client, AnomalyQuery { q, from, to, ..AnomalyQuery::default() }).await?;
            show(args, out, &page, write_anomalies)
        }
        What::Table => {
            let query = TableQuery { q, from, to, by: args.by, limit: args.limit, ..TableQuery::default() };
            show(args, out, &client.table(&query).await?, write_table)
        }
        What::Series => {
            let query = SeriesQuery { q, from, to, by: Some(args.by), limit: args.limit, step_ms: None };
            show(args, out, &client.series(&query).await?, write_series)
        }
        What::Coverage => {
            if !q.is_empty() {
                bail!("coverage is kept by agent and time, and knows no filter; leave out `{q}`");
            }
            let query = CoverageQuery { from, to, ..CoverageQuery::default() };
            show(args, out, &client.coverage(&query).await?, write_coverage)
        }
        What::Deprecations => show(args, out, &client.deprecations(&posture()).await?, posture::write_deprecations),
        What::Limits => show(args, out, &client.limits(&posture()).await?, posture::write_limits),
        What::Credentials => show(args, out, &client.credentials(&posture()).await?, posture::write_credentials),
        What::Agents => show(args, out, &client.agents().await?, write_agents),
        What::Status => show(args, out, &client.status().await?, write_status),
    }
}

/// All anomalies that match, or as many as asked for, page by page.
async fn anomalies(args: &Query, client: &Client, mut query: AnomalyQuery) -> anyhow::Result<AnomalyPage> {
    let wanted = args.limit.unwrap_or(usize::MAX);
    let mut all = AnomalyPage::default();
    loop {
        query.limit = Some(PAGE.min(wanted - all.anomalies.len()));
        let page = client.anomalies(&query).await?;
        all.count = page.count;
        all.anomalies.extend(page.anomalies);
        all.cursor.clone_from(&page.cursor);
        if page.cursor.is_none() || all.anomalies.len() >= wanted {
            return Ok(all);
        }
        query.cursor = page.cursor;
    }
}

fn show<T: Serialize, W: Write>(
    args: &Query,
    out: &mut W,
    answer: &T,
    text: fn(&mut W, &T) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    if args.json {
        serde_json::to_writer_pretty(&mut *out, answer)?;
        writeln!(out)?;
    } else {
        text(out, answer)?;
    }
    Ok(())
}

/// A time, or how long ago.
pub(crate) fn moment(text: &str) -> anyhow::Result<Timestamp> {
    match parse_duration(text) {
        Some(ago) => Ok(now() - ago),
        None => text.parse().with_context(|| format!("`{text}` is neither a time nor a duration such as 15m")),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn write_anomalies(out: &mut impl Write, page: &AnomalyPage) -> std::io::Result<()> {
    for a in &page.anomalies {
        writeln!(out, "{}", anomaly_line(a))?;
        for carrier in a.explanation.iter().flat_map(|e| &e.carriers).take(3) {
            writeln!(out, "    {:>4.0} %  {}", carrier.share * 100.0, key_text(&carrier.key))?;
        }
    }
    writeln!(out, "{} of {} anomalies", page.anomalies.len(), page.count)
}

/// One anomaly in a line: `2026-01-12T08:30:10Z  critical  GET /v1/search is slow: …  (2m05s, resolved)  id`.
pub(crate) fn anomaly_line(a: &Anomaly) -> String {
    let lasted = a.end.unwrap_or(a.updated).since(a.start);
    let state = if a.state == State::Open { "open" } else { "resolved" };
    let line = format!("{}  {:8}  {}  ({}, {state})  {}", a.start, a.severity, a.title, show_duration(lasted), a.id);
    printable(&line)
}

/// What a row or carrier is about: `shop  GET /v1/search  acme`.
pub(crate) fn key_text(key: &RowKey) -> String {
    let route = match (&key.method, &key.route) {
        (Some(method), Some(route)) => Some(format!("{method} {route}")),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    let version = key.version.as_ref().map(|v| format!("version {v}"));
    let status = key.status.map(|s| format!("status {s}"));
    let agent = key.agent.as_ref().map(|a| format!("agent {a}"));
    let group = key.group.as_ref().map(|g| format!("group {}", if g.is_empty() { "(none)" } else { g }));
    let parts = [key.service.clone(), version, route, key.consumer.clone(), group, status, agent];
    let text = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("  ");
    printable(if text.is_empty() { "(all)" } else { &text })
}

fn write_table(out: &mut impl Write, table: &Table) -> std::io::Result<()> {
    let mark = if table.coverage.is_full() { "" } else { "~" };
    writeln!(out, "{:>10}  {:>7}  {:>7}  {:>9}  {:>9}  {:>9}  ", "requests", "5xx", "4xx", "p50", "p90", "p99")?;
    let line = |out: &mut _, name: &str, t: &pitot_model::api::Totals| {
        let us = |us: Option<u64>| us.map_or("–".to_owned(), |us| show_duration(Duration::from_micros(us)));
        let share = |n: u64| format!("{:.2} %", n as f64 * 100.0 / t.count.max(1) as f64);
        let d = &t.duration_us;
        let count = format!("{mark}{}", t.count);
        let (server, client) = (share(t.server_errors()), share(t.client_errors()));
        Write::write_fmt(
            out,
            format_args!(
                "{count:>10}  {server:>7}  {client:>7}  {:>9}  {:>9}  {:>9}  {name}\n",
                us(d.p50),
                us(d.p90),
                us(d.p99)
            ),
        )
    };
    for row in &table.rows {
        line(out, &key_text(&row.key), &row.totals)?;
    }
    line(out, &format!("all, {} rows, {} to {}", table.row_count, table.range.from, table.range.to), &table.totals)
}

fn write_series(out: &mut impl Write, series: &SeriesAnswer) -> std::io::Result<()> {
    for line in &series.lines {
        writeln!(out, "{}", key_text(&line.key))?;
        for (i, p) in line.points.iter().enumerate().filter(|(_, p)| p.count > 0) {
            let at = series.range.from + Duration::from_millis(series.step_ms * i as u64);
            let p99 = p.p99_us.map_or("–".to_owned(), |us| show_duration(Duration::from_micros(us)));
            writeln!(
                out,
                "  {at}  {:>9} requests  {:>6} 5xx  {:>6} 4xx  p99 {p99}",
                p.count, p.server_errors, p.client_errors
            )?;
        }
    }
    Ok(())
}

fn write_coverage(out: &mut impl Write, answer: &CoverageAnswer) -> std::io::Result<()> {
    writeln!(out, "{:>12}  {:>12}  {:>10}  {:>8}  ", "transactions", "lines read", "lost", "coverage")?;
    let line = |out: &mut _, name: &str, c: &Coverage| {
        let share = format!("{:.2} %", c.ratio() * 100.0);
        let (n, lines, lost) = (c.transactions, c.lines_read, c.lost());
        Write::write_fmt(out, format_args!("{n:>12}  {lines:>12}  {lost:>10}  {share:>8}  {name}\n"))?;
        for (reason, n) in &c.reasons {
            Write::write_fmt(out, format_args!("{:48}  {n} {reason}\n", ""))?;
        }
        Ok(())
    };
    for agent in &answer.agents {
        let name = if agent.name.is_empty() { "(agents of before)".to_owned() } else { printable(&agent.name) };
        line(out, &name, &agent.total)?;
    }
    let (n, range) = (answer.agents.len(), answer.range);
    line(out, &format!("all, {n} agents, {} to {}", range.from, range.to), &answer.total)
}

fn write_agents(out: &mut impl Write, agents: &Agents) -> std::io::Result<()> {
    for a in &agents.agents {
        let name = printable(&a.name);
        let coverage = format!("{:.2} %", a.coverage.ratio() * 100.0);
        writeln!(
            out,
            "{name}  {}  last seen {}  {} transactions, coverage {coverage}",
            a.program, a.last_seen, a.coverage.transactions
        )?;
    }
    writeln!(out, "{} agents", agents.agents.len())
}

fn write_status(out: &mut impl Write, s: &CollectorStatus) -> std::io::Result<()> {
    writeln!(out, "version {}, started {}, data until {}", s.version, s.started, s.watermark)?;
    writeln!(out, "{} windows of {} ms and more, {} bytes on disk", s.store.windows, s.window_ms, s.store.disk_bytes)?;
    if !s.store.id.is_empty() {
        writeln!(out, "store {}", printable(&s.store.id))?;
    }
    writeln!(out, "{} open anomalies", s.open_anomalies)
}

/// Names come from strangers: nothing in them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
