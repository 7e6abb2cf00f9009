//! How fast lines are read, and what becomes of them: `parse_speed FILE [FORMAT]`.
//!
//! In: a log. Out: nanoseconds of processor time for a line (best of five rounds, one thread, file in memory; wall
//! time where the kernel does not tell), records, lines that
//! are none by reason, and sums to compare with the truth file of a generated log.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::{collections::BTreeMap, env, fs, process::ExitCode, time::Instant};

use pitot_agent::log::{Format, Record};

#[derive(Default)]
struct Sums {
    records: u64,
    unreadable: u64,
    bytes: u64,
    duration_us: u64,
    consumers: u64,
    skipped: BTreeMap<&'static str, u64>,
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let Some(path) = args.next() else {
        eprintln!("usage: parse_speed FILE [FORMAT]");
        return ExitCode::FAILURE;
    };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("cannot read `{path}`: {error}");
            return ExitCode::FAILURE;
        }
    };
    let sample: Vec<&[u8]> = text.split(|b| *b == b'\n').take(400).collect();
    let format = match args.next() {
        Some(spec) => Format::compile(&spec).map_err(|e| e.to_string()),
        None => Format::detect(&sample).ok_or_else(|| "no known format".to_owned()),
    };
    let format = match format {
        Ok(format) => format,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("format      {}", format.describe());
    let (mut best, mut lines) = (f64::INFINITY, 0);
    let mut sums = Sums::default();
    for _ in 0..5 {
        let start = Clock::now();
        (lines, sums) = read(&format, &text);
        best = best.min(start.elapsed_ns() / lines as f64);
    }
    println!("lines       {lines}");
    println!("ns a line   {best:.1} (with finding its end)");
    println!("records     {} of which unreadable {}", sums.records, sums.unreadable);
    println!("sums        bytes {} duration_us {} consumers {}", sums.bytes, sums.duration_us, sums.consumers);
    println!("skipped     {:?}", sums.skipped);
    ExitCode::SUCCESS
}

/// Time on the processor, or on the wall.
enum Clock {
    Processor(f64),
    Wall(Instant),
}

impl Clock {
    fn now() -> Self {
        on_processor_ns().map_or_else(|| Self::Wall(Instant::now()), Self::Processor)
    }

    fn elapsed_ns(&self) -> f64 {
        match self {
            Self::Processor(start) => on_processor_ns().unwrap_or(f64::INFINITY) - start,
            Self::Wall(start) => start.elapsed().as_secs_f64() * 1e9,
        }
    }
}

fn on_processor_ns() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn read(format: &Format, text: &[u8]) -> (u64, Sums) {
    let (mut lines, mut sums, mut at) = (0, Sums::default(), 0);
    let mut out = Record::default();
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n);
        match format.parse(&text[at..end], &mut out) {
            Ok(()) if out.method.is_empty() => {
                sums.records += 1;
                sums.unreadable += 1;
            }
            Ok(()) => {
                sums.records += 1;
                sums.bytes += out.response_bytes.unwrap_or(0);
                sums.duration_us += out.duration_us.unwrap_or(0);
                sums.consumers += u64::from(!out.consumer.is_empty());
            }
            Err(skip) => *sums.skipped.entry(skip.reason.name()).or_default() += 1,
        }
        lines += 1;
        at = end + 1;
    }
    (lines, sums)
}
