//! `pitot replay`: one line per transaction, for debugging and golden files.
//!
//! Without `--raw` it prints what pitot keeps: no paths but their routes, no addresses beside the consumer, no keys.
//! Responses whose request could not be read are printed too, with `"method": null`.

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use pitot_agent::{
    enrich::Enricher,
    io::Pieces,
    log::{Record, Text},
    parse::{Line, each_line},
    window::Batch,
};
use pitot_model::{Coverage, Transaction};
use serde_json::{Map, Value};

use super::sources;
use crate::cli::Replay;

pub(crate) fn run(args: &Replay) -> anyhow::Result<ExitCode> {
    let reading = &args.sources.reading;
    let mut enricher = Enricher::new(sources::settings(reading)?);
    let wanted = sources::wanted(reading, false);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut printer =
        Printer { raw: reading.raw, json: args.json, left: args.limit.unwrap_or(u64::MAX), scratch: Vec::new() };
    let (mut coverage, mut batch, mut result) = (Coverage::default(), Batch::default(), Ok(()));
    for spec in sources::specs(&args.sources.sources, reading)? {
        let mut pieces = Pieces::open(&spec)?;
        let (mut buffer, mut line) = (Vec::new(), 1);
        while let Some(piece) = pieces.next(buffer)? {
            batch.clear();
            each_line(&piece.bytes, line, &piece.format, &mut enricher, wanted, &mut batch, |_, number, parsed| {
                if result.is_ok() {
                    result = printer.print(number, &parsed, &mut out);
                }
            });
            std::mem::replace(&mut result, Ok(()))?;
            line += batch.coverage.lines_read;
            coverage.merge(&batch.coverage);
            buffer = piece.bytes;
            if printer.left == 0 {
                out.flush()?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    out.flush()?;
    tell_skipped(&coverage);
    Ok(ExitCode::SUCCESS)
}

/// Every line that is no record is counted.
fn tell_skipped(coverage: &Coverage) {
    let reasons: Vec<_> = coverage.reasons.iter().map(|(r, n)| format!("{n} {}", r.name().replace('_', " "))).collect();
    if !reasons.is_empty() {
        let _ = writeln!(std::io::stderr(), "pitot: {} lines: {}", coverage.lines_read, reasons.join(", "));
    }
}

struct Printer {
    raw: bool,
    json: bool,
    left: u64,
    scratch: Vec<u8>,
}

impl Printer {
    fn print(&mut self, number: u64, line: &Line<'_, '_>, out: &mut impl Write) -> std::io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        let (record, transaction) = match line {
            Line::Transaction(record, transaction) => (record, Some(*transaction)),
            Line::Unreadable(record) => (record, None),
        };
        let fields = self.fields(number, record, transaction);
        if self.json {
            serde_json::to_writer(&mut *out, &fields)?;
            return out.write_all(b"\n");
        }
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(s)) => s.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        };
        let duration = record
            .duration_us
            .map_or("-".into(), |us| pitot_model::show_duration(std::time::Duration::from_micros(us)));
        let names = ["time", "service", "status"].map(&text);
        let rest = ["method", if self.raw { "path" } else { "route" }, "consumer"].map(&text);
        writeln!(out, "{}  {}  {}  {duration:>8}  {}", names[0], names[1], names[2], rest.join("  "))
    }

    fn fields(
        &mut self,
        number: u64,
        record: &Record<'_>,
        transaction: Option<&Transaction<'_>>,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("line", number.into());
        put("time", record.time.map_or(Value::Null, |t| t.to_string().into()));
        if self.raw {
            put("client", self.text(record.client));
        }
        put("method", transaction.map_or(Value::Null, |_| self.text(record.method)));
        put("host", self.text(record.host));
        // Ids and secrets in paths are kept nowhere: without --raw the path is its route.
        let path = transaction.map(|t| if self.raw { self.target(record) } else { t.route.into() });
        put("path", path.unwrap_or(Value::Null));
        put("status", record.status.map_or(Value::Null, Value::from));
        put("request_body_len", record.request_bytes.map_or(Value::Null, Value::from));
        put("bytes", record.response_bytes.map_or(Value::Null, Value::from));
        put("duration_ms", record.duration_us.map_or(Value::Null, |us| (us as f64 / 1e3).into()));
        put("ttfb_ms", record.ttfb_us.map_or(Value::Null, |us| (us as f64 / 1e3).into()));
        put("protocol", record.protocol.name().into());
        if let Some(t) = transaction {
            put("service", t.service.into());
            put("route", t.route.into());
            put("consumer", t.consumer.into());
            put("evidence", t.evidence.name().into());
            put("outcome", t.outcome().name().into());
        }
        fields
    }

    fn target(&mut self, record: &Record<'_>) -> Value {
        let mut text = String::from_utf8_lossy(record.target.decode(&mut self.scratch)).into_owned();
        let query = record.query.decode(&mut self.scratch);
        if !query.is_empty() && query != b"-" {
            text.push('?');
            text.push_str(&String::from_utf8_lossy(query));
        }
        text.into()
    }

    fn text(&mut self, text: Text<'_>) -> Value {
        match text.decode(&mut self.scratch) {
            b"" => Value::Null,
            bytes => String::from_utf8_lossy(bytes).into_owned().into(),
        }
    }
}
