//! `pitot replay`: one line per transaction, for debugging and golden files.
//!
//! Without `--raw` it prints what pitot keeps: no paths but their routes, no addresses beside the consumer, no keys.
//! Responses whose request could not be read are printed too, with `"method": null`.

mod output;
mod wire;

use std::{io::Write, path::Path, process::ExitCode, sync::Arc};

use pitot_agent::{
    enrich::{Enricher, Settings, is_secret, shown_host, shown_route},
    io::{CaptureFile, Input, Live, Pieces},
    log::{Record, Text},
    packets::{Options, Packets},
    parse::{Line, Wanted, each_line},
    window::Batch,
};
use pitot_model::{Coverage, Reason, Transaction};
use serde_json::{Map, Value};

use self::{
    output::Output,
    wire::{WirePrinter, plain},
};
use super::{live, runtime, sources, sources::refuse_files};
use crate::cli::Replay;

pub(crate) fn run(args: &Replay) -> anyhow::Result<ExitCode> {
    let reading = &args.sources.reading;
    let settings = sources::settings(reading)?;
    let mut replay = Replaying {
        wanted: sources::wanted(reading, false),
        packets: sources::packets(&args.sources),
        out: Output::new(),
        left: args.limit.filter(|&n| n > 0).unwrap_or(u64::MAX),
        coverage: Coverage::default(),
        settings,
        args,
    };
    let specs = live::specs(&args.sources.capturing);
    if !specs.is_empty() {
        refuse_files(&args.sources)?;
        // Says what becomes of interfaces.
        runtime::log_to_stderr();
        let (mut live, privileges) = live::open(&specs, args.sources.capturing.user.as_deref(), &[])?;
        live::tell(&live, &privileges);
        replay.live(&mut live)?;
        tell_coverage(&replay.coverage);
        return Ok(live::exit_code(&live));
    }
    if args.sources.sources.iter().any(|path| path == Path::new("-")) {
        replay.out.flush_by_time();
    }
    for spec in sources::specs(&args.sources.sources, reading)? {
        match Input::open(&spec)? {
            Input::Log(pieces) => replay.log(pieces)?,
            Input::Capture(file) => replay.capture(file)?,
        }
        if replay.left == 0 {
            replay.out.lock().flush()?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    replay.out.lock().flush()?;
    tell_skipped(&replay.coverage);
    Ok(ExitCode::SUCCESS)
}

/// Sources, one after another.
struct Replaying<'a> {
    args: &'a Replay,
    settings: Arc<Settings>,
    wanted: Wanted,
    packets: Options,
    out: Output,
    left: u64,
    coverage: Coverage,
}

impl Replaying<'_> {
    fn log(&mut self, mut pieces: Pieces) -> anyhow::Result<()> {
        let (raw, json) = (self.args.sources.reading.raw, self.args.json);
        let mut enricher = Enricher::new(self.settings.clone());
        let mut printer = Printer { raw, json, left: self.left, scratch: Vec::new() };
        let (mut batch, mut result) = (Batch::default(), Ok(()));
        let (mut buffer, mut line) = (Vec::new(), 1);
        while let Some(piece) = pieces.next(buffer)? {
            batch.clear();
            let out = &mut *self.out.lock();
            each_line(
                &piece.bytes,
                line,
                &piece.format,
                &mut enricher,
                self.wanted,
                &mut batch,
                |_, number, parsed| {
                    if result.is_ok() {
                        result = printer.print(number, &parsed, out);
                    }
                },
            );
            std::mem::replace(&mut result, Ok(()))?;
            line += batch.coverage.lines_read;
            self.coverage.merge(&batch.coverage);
            buffer = piece.bytes;
            if printer.left == 0 {
                break;
            }
        }
        self.left = printer.left;
        Ok(())
    }

    fn capture(&mut self, mut file: CaptureFile) -> anyhow::Result<()> {
        let mut packets = self.packets()?;
        let result = loop {
            match file.next() {
                Ok(Some(frame)) => packets.push(&frame),
                Ok(None) => break Ok(()),
                // What came before is worth to be shown.
                Err(error) => break Err(error),
            }
            if packets.visitor().is_done() {
                break Ok(());
            }
        };
        packets.finish();
        packets.count(Reason::PacketMalformed, file.n_skipped());
        self.take_back(packets)?;
        Ok(result?)
    }

    fn live(&mut self, live: &mut Live) -> anyhow::Result<()> {
        self.packets = live::options(live, self.packets.clone());
        let mut packets = self.packets()?;
        live::run(live, &mut packets, self.args.duration, |packets| {
            packets.visitor().flush();
            !packets.visitor().is_done()
        });
        self.take_back(packets)
    }

    fn packets(&mut self) -> anyhow::Result<Packets<WirePrinter>> {
        self.out.lock().flush()?;
        let (raw, json) = (self.args.sources.reading.raw, self.args.json);
        let printer = WirePrinter::new(self.out.clone(), raw, json, self.left);
        Ok(Packets::new(self.settings.clone(), self.packets.clone(), printer))
    }

    fn take_back(&mut self, mut packets: Packets<WirePrinter>) -> anyhow::Result<()> {
        self.coverage.merge(&packets.take_coverage());
        let left = packets.into_visitor().finish()?;
        self.coverage.transactions += self.left - left;
        self.left = left;
        Ok(())
    }
}

/// How much a capture saw.
fn tell_coverage(coverage: &Coverage) {
    let (packets, transactions) = (coverage.packets_read, coverage.transactions);
    let ends = |n: u64| if n == 1 { "" } else { "s" };
    let head = format!("{packets} packet{}, {transactions} transaction{}", ends(packets), ends(transactions));
    tell(&if coverage.reasons.is_empty() { format!("{head}: nothing lost") } else { head }, coverage);
}

/// Every line and packet that is no record is counted.
fn tell_skipped(coverage: &Coverage) {
    if !coverage.reasons.is_empty() {
        tell(&sources::read(coverage), coverage);
    }
}

fn tell(head: &str, coverage: &Coverage) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "pitot: {head}");
    for (reason, n) in &coverage.reasons {
        let _ = writeln!(err, "{n:>8}  {}", reason.help());
    }
}

/// Bytes of the longest method that is shown as it is (`UPDATEREDIRECTREF` has 17).
const METHOD_BYTES: usize = 17;

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
            Some(Value::String(s)) => plain(s),
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
        // Clients may write anything there.
        let is_word = |b: &u8| b.is_ascii_alphabetic() || b"-_".contains(b);
        let is_method = record.method.raw.len() <= METHOD_BYTES && record.method.raw.iter().all(is_word);
        let is_shown = self.raw || is_method && !is_secret(record.method.raw);
        let method = |t: &Transaction<'_>| if is_shown { self.text(record.method) } else { t.method.into() };
        put("method", transaction.map_or(Value::Null, method));
        let host = if self.raw { Some(record.host.raw) } else { shown_host(record.host.raw) };
        put("host", self.text(Text { raw: host.unwrap_or_default(), ..record.host }));
        // Ids and secrets in paths are kept nowhere: without --raw the path is its route.
        let path = transaction.map(|t| if self.raw { self.target(record) } else { shown_route(t.route).into() });
        put("path", path.unwrap_or(Value::Null));
        put("status", record.status.map_or(Value::Null, Value::from));
        put("request_body_len", record.request_bytes.map_or(Value::Null, Value::from));
        put("bytes", record.response_bytes.map_or(Value::Null, Value::from));
        put("duration_ms", record.duration_us.map_or(Value::Null, |us| (us as f64 / 1e3).into()));
        put("ttfb_ms", record.ttfb_us.map_or(Value::Null, |us| (us as f64 / 1e3).into()));
        put("protocol", record.protocol.name().into());
        if let Some(t) = transaction {
            put("service", t.service.into());
            put("route", shown_route(t.route).into());
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
