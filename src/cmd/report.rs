//! `pitot report`: logs or packets in, a report out.

use std::{
    io::{BufWriter, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pitot_agent::{
    io::{Live, Scan, Scanned, scan},
    packets::Packets,
    window::{Batch, Limits, Summary},
};
use pitot_model::{
    Coverage,
    api::{Document, Source},
};

use super::{live, runtime, sources};
use crate::{
    cli::{Capturing, Report, Sources},
    report::{self, Format, Style},
};

pub(crate) fn run(args: &Report) -> anyhow::Result<ExitCode> {
    let reading = &args.sources.reading;
    let scanning = Scan {
        settings: sources::settings(reading)?,
        wanted: sources::wanted(reading, args.invalid.is_some()),
        packets: sources::packets(&args.sources),
        threads: args.threads.max(1),
    };
    for output in [&args.invalid, &args.html].into_iter().flatten() {
        sources::refuse_source(output, &args.sources.sources)?;
    }
    let interfaces = live::specs(&args.sources.capturing);
    let mut summary = Summary::default();
    let mut html = None;
    let (scanned, code) = if interfaces.is_empty() {
        let scanned = read(args, &scanning, &mut summary)?;
        let code = if scanned.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        (scanned, code)
    } else {
        sources::refuse_files(&args.sources)?;
        // Says what becomes of interfaces.
        runtime::log_to_stderr();
        let (mut live, privileges) = {
            // Opened while it may be: privileges end with the next line.
            html = args.html.as_deref().map(sources::open_output).transpose()?;
            live::open(&interfaces, args.sources.capturing.user.as_deref(), &[])?
        };
        live::tell(&live, &privileges);
        let scanned = capture(&mut live, &scanning, args.duration, &mut summary);
        (scanned, live::exit_code(&live))
    };
    tell_problems(&scanned, summary.coverage());
    if summary.coverage().transactions == 0 {
        return Err(nothing_found(&scanned, summary.coverage(), &args.sources.capturing));
    }
    let format = if args.json { Format::Json } else { args.format };
    let document = |limit, summary: &mut Summary| {
        let limits = Limits { routes: limit, consumers: limit };
        summary.document(env!("CARGO_PKG_VERSION"), scanned.sources.clone(), limits)
    };
    if let Some(path) = &args.html {
        let doc = document(args.limit.unwrap_or(default_limit(Format::Html)), &mut summary);
        let mut file = match html {
            Some(file) => sources::empty(file, path)?,
            None => sources::create(path)?,
        };
        report::write(&doc, Format::Html, &Style::default(), &mut file)
            .and_then(|()| file.flush())
            .context("cannot write the report")?;
    }
    if args.html.is_none() || std::io::stdout().is_terminal() {
        let doc = document(args.limit.unwrap_or(default_limit(format)), &mut summary);
        print(&doc, format, args.no_color)?;
    }
    Ok(code)
}

/// Reads files to their end.
fn read(args: &Report, scanning: &Scan, summary: &mut Summary) -> anyhow::Result<Scanned> {
    let specs = sources::specs(&args.sources.sources, &args.sources.reading)?;
    let mut rejects = args.invalid.as_deref().map(sources::create).transpose()?;
    let progress = progress(&args.sources);
    let mut write_error = None;
    let scanned = scan(&specs, scanning, |batch: &Batch| {
        summary.add(batch);
        progress.inc(batch.coverage.bytes_read);
        if let Some(file) = &mut rejects
            && let Err(error) = file.write_all(&batch.rejected)
        {
            write_error.get_or_insert(error);
        }
    })?;
    progress.finish_and_clear();
    if let Some(error) = write_error.or_else(|| rejects.and_then(|mut r| r.flush().err())) {
        return Err(error).context("cannot write the file of --invalid");
    }
    Ok(scanned)
}

/// Transactions of a live capture that are added up together.
const ROWS: usize = 4 << 10;

/// Captures until it is interrupted, or long enough.
fn capture(live: &mut Live, scanning: &Scan, limit: Option<Duration>, summary: &mut Summary) -> Scanned {
    let options = live::options(live, scanning.packets.clone());
    let mut packets = Packets::new(scanning.settings.clone(), options, Batch::default());
    let mut spare = Batch::default();
    live::run(live, &mut packets, limit, |packets| {
        if packets.visitor().len() >= ROWS {
            spare = packets.take_batch(std::mem::take(&mut spare));
            summary.add(&spare);
        }
        true
    });
    summary.add(&packets.take_batch(spare));
    let lines = summary.coverage().packets_read;
    let source = Source { name: live.describe(), format: "pcap, live".to_owned(), detected: true, lines };
    Scanned { sources: vec![source], ..Scanned::default() }
}

/// Writes the report to standard output.
fn print(doc: &Document, format: Format, no_color: bool) -> anyhow::Result<()> {
    let stdout = std::io::stdout();
    let style = style(stdout.is_terminal() && !no_color, stdout.is_terminal());
    let mut out = BufWriter::new(stdout.lock());
    report::write(doc, format, &style, &mut out).and_then(|()| out.flush()).context("cannot write the report")
}

/// How text looks on this terminal, or in this pipe.
pub(crate) fn style(color: bool, is_terminal: bool) -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let width =
        if is_terminal { crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)) } else { None };
    Style { color: color && !no_color, width: width.unwrap_or(Style::default().width) }
}

/// Rows per table where none are asked for; 0 is all.
fn default_limit(format: Format) -> usize {
    match format {
        Format::Text => 20,
        Format::Html | Format::Markdown => 100,
        Format::Json | Format::Csv => 0,
    }
}

/// What went wrong on the way, to standard error.
pub(crate) fn tell_problems(scanned: &Scanned, coverage: &Coverage) {
    let mut err = std::io::stderr().lock();
    for error in &scanned.broken {
        let _ = writeln!(err, "pitot: {error}");
    }
    let lost = coverage.lost();
    if lost > 0
        && let Some((source, invalid)) = &scanned.invalid
    {
        let field = if invalid.field.is_empty() { String::new() } else { format!(", field `{}`", invalid.field) };
        let _ = writeln!(
            err,
            "pitot: {lost} of {} lines could not be read; the first is {source}:{}:{} ({}{field})\n  {}",
            coverage.lines_read,
            invalid.line,
            invalid.at + 1,
            invalid.reason.name().replace('_', " "),
            invalid.excerpt,
        );
    }
}

fn nothing_found(scanned: &Scanned, coverage: &Coverage, flags: &Capturing) -> anyhow::Error {
    let is_live = !flags.interfaces.is_empty();
    let read_as =
        |s: &Source| if is_live { format!("`{}`", s.name) } else { format!("`{}` read as {}", s.name, s.format) };
    let sources: Vec<_> = scanned.sources.iter().map(read_as).collect();
    let reasons: Vec<_> = coverage.reasons.iter().map(|(r, n)| format!("{n} {}", r.name().replace('_', " "))).collect();
    let is_capture = !scanned.sources.is_empty() && scanned.sources.iter().all(Source::is_capture);
    let remedy = match (is_capture, is_live) {
        (true, true) => "capture for longer, where HTTP is not encrypted, or look at --port and --bpf",
        (true, false) => "capture where HTTP is not encrypted, or look at --port, --since and --until",
        (false, _) => "say another --log-format, or widen --since and --until",
    };
    // The kernel left the others out of a live capture.
    let ports: Vec<_> = flags.ports.iter().filter(|_| is_capture && !is_live).map(u16::to_string).collect();
    let left_out = match (ports.as_slice(), reasons.as_slice()) {
        ([], []) => "nothing was left out".to_owned(),
        ([], reasons) => reasons.join(", "),
        (ports, reasons) => {
            let others = format!("all but those of TCP port {} were left out", ports.join(", "));
            [reasons, &[others]].concat().join(", ")
        }
    };
    anyhow::anyhow!(
        "no transaction in {} ({left_out}): {}; {remedy}",
        if is_capture { format!("{} packets", coverage.packets_read) } else { sources::read(coverage) },
        sources.join(", "),
    )
}

/// A bar on standard error while files are read, if that is a terminal and they are large enough to wait for.
fn progress(sources: &Sources) -> ProgressBar {
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
    let total: u64 = sources.sources.iter().map(size).sum();
    let is_plain =
        |path: &PathBuf| !path.extension().is_some_and(|e| e == "gz" || e == "zst") && path.as_os_str() != "-";
    if !std::io::stderr().is_terminal() || total < 64 << 20 {
        return ProgressBar::hidden();
    }
    let (bar, template) = if sources.sources.iter().all(is_plain) {
        (ProgressBar::new(total), "reading {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}")
    } else {
        (ProgressBar::no_length(), "reading {spinner} {bytes}  {bytes_per_sec}")
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
