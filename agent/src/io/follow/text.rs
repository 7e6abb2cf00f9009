//! How the lines of one source are written: unwrapped, told by their first lines, changed by directives.
//!
//! In: whole raw lines. Out: rows in a batch. The lines from which a format was detected are kept, since after a restart
//! in the middle of a file there may be no such lines.

use pitot_model::Reason;
use tracing::{info, warn};

use crate::{
    budget,
    enrich::Enricher,
    log::{Format, Wrapping},
    parse::{Wanted, parse_piece},
    window::Batch,
};

/// Lines from which a format is detected.
const SAMPLE_LINES: usize = 500;

/// How much of the first lines is kept to tell the format again: the least that does.
const SAMPLE_BYTES: [usize; 3] = [1 << 10, 4 << 10, budget::SAMPLE_BYTES];

/// What begins a directive that says how the following lines are written.
const FIELDS: &[u8] = b"#Fields:";

/// How lines are read.
pub(in crate::io) struct Text {
    name: String,
    /// As configured.
    given: Option<Format>,
    consumer: Option<String>,
    /// As understood; absent until lines told it.
    format: Option<Format>,
    wrapping: Option<Wrapping>,
    /// Whether the wrapping was looked for.
    has_looked: bool,
    /// Raw lines that tell the same format again.
    sample: String,
    /// The directive that was followed last.
    directive: Vec<u8>,
    inner: Vec<u8>,
}

impl Text {
    /// For a source, and the sample that it gave in an earlier run.
    pub(in crate::io) fn new(name: &str, given: Option<&Format>, consumer: Option<&str>, sample: &str) -> Self {
        let mut text = Self {
            name: name.to_owned(),
            given: given.cloned(),
            consumer: consumer.map(str::to_owned),
            format: None,
            wrapping: None,
            has_looked: false,
            sample: String::new(),
            directive: Vec::new(),
            inner: Vec::new(),
        };
        text.format = text.given.clone();
        if !sample.is_empty() {
            text.learn(sample.as_bytes());
        }
        text
    }

    /// Raw lines that tell the format; empty where it is configured or not known.
    pub(super) fn sample(&self) -> &str {
        &self.sample
    }

    /// Whether there is nothing more to learn from the beginning of a file.
    pub(in crate::io) fn is_known(&self) -> bool {
        self.format.is_some() && self.has_looked
    }

    /// Looks how these raw lines, which were read earlier, are written. The last one may be cut.
    pub(in crate::io) fn learn(&mut self, raw: &[u8]) {
        let whole = &raw[..memchr::memrchr(b'\n', raw).map_or(0, |last| last + 1)];
        self.detect(whole);
        for line in whole.split(|&b| b == b'\n').filter(|line| line.starts_with(FIELDS)) {
            self.follow_directive(line);
        }
    }

    /// Reads whole raw lines into the batch. Gives the raw bytes that were read; less than all where a line of several
    /// parts is not whole yet, unless `is_end` says that there will be no more.
    pub(in crate::io) fn read(
        &mut self,
        raw: &[u8],
        is_end: bool,
        wanted: Wanted,
        enricher: &mut Enricher,
        batch: &mut Batch,
    ) -> usize {
        self.detect(raw);
        let Some(wrapping) = self.wrapping else {
            self.parse(raw, wanted, enricher, batch);
            return raw.len();
        };
        let mut inner = std::mem::take(&mut self.inner);
        inner.clear();
        let mut taken = wrapping.unwrap(raw, &mut inner);
        if is_end && taken < raw.len() {
            wrapping.unwrap_all(&raw[taken..], &mut inner);
            taken = raw.len();
        }
        self.parse(&inner, wanted, enricher, batch);
        self.inner = inner;
        taken
    }

    /// Tells from whole raw lines how they are written, where that is not known.
    fn detect(&mut self, whole: &[u8]) {
        if self.is_known() || whole.trim_ascii().is_empty() {
            return;
        }
        if !self.has_looked {
            let lines: Vec<&[u8]> = whole.split(|&b| b == b'\n').take(SAMPLE_LINES).collect();
            (self.wrapping, self.has_looked) = (Wrapping::detect(&lines), true);
            if let Some(wrapping) = self.wrapping {
                info!(path = self.name, wrapping = wrapping.name(), "lines are wrapped");
                self.keep(whole, SAMPLE_BYTES[0], 1);
            }
        }
        if self.format.is_none()
            && let Some(format) = self.detected(whole)
        {
            let format = self.sampled(whole, format);
            info!(path = self.name, format = format.describe(), "log format detected");
            self.format = Some(format);
        }
    }

    /// Keeps the fewest lines that tell this format. Where none do, what they tell is the format: else a restart would
    /// count one file in two ways.
    fn sampled(&mut self, whole: &[u8], format: Format) -> Format {
        let sparse = whole.len() / budget::SAMPLE_BYTES + 1;
        let ways = SAMPLE_BYTES.map(|bytes| (bytes, 1)).into_iter().chain([(budget::SAMPLE_BYTES, sparse)]);
        let mut told = None;
        for (bytes, step) in ways {
            self.keep(whole, bytes, step);
            told = self.detected(self.sample.as_bytes());
            if told.as_ref().is_some_and(|told| told.describe() == format.describe()) {
                break;
            }
        }
        told.unwrap_or(format)
    }

    fn parse(&mut self, mut lines: &[u8], wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) {
        while let Some((end, line)) = directive(lines) {
            self.parse_alike(&lines[..end], wanted, enricher, batch);
            self.follow_directive(line);
            lines = &lines[end..];
        }
        self.parse_alike(lines, wanted, enricher, batch);
    }

    /// Parses lines that are all written alike.
    fn parse_alike(&mut self, lines: &[u8], wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) {
        if lines.is_empty() {
            return;
        }
        let Some(format) = &self.format else { return skip(lines, batch) };
        let is_first = batch.coverage.lines_read == 0;
        parse_piece(lines, 1, format, enricher, wanted, batch);
        if is_first && self.given.is_none() && is_all_malformed(batch) {
            self.parse_otherwise(lines, wanted, enricher, batch);
        }
    }

    /// Not one line is as it was: the writer may have been told to write another format.
    fn parse_otherwise(&mut self, lines: &[u8], wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) {
        let sample: Vec<&[u8]> = lines.split(|&b| b == b'\n').take(SAMPLE_LINES).collect();
        let Some(format) = Format::detect(&sample).map(|format| self.with_consumer(format)) else { return };
        info!(path = self.name, format = format.describe(), "log format changed");
        batch.clear();
        parse_piece(lines, 1, &format, enricher, wanted, batch);
        (self.format, self.directive) = (Some(format), Vec::new());
        if self.wrapping.is_none() {
            self.keep(lines, budget::SAMPLE_BYTES, 1);
        }
    }

    /// From now on lines are written as a directive says.
    fn follow_directive(&mut self, line: &[u8]) {
        if line == self.directive {
            return;
        }
        let Some(next) = self.format.as_ref().and_then(|format| format.fields_header(line)) else { return };
        self.format = Some(self.with_consumer(next));
        line.clone_into(&mut self.directive);
        let others = self.sample.split_inclusive('\n').filter(|l| !l.as_bytes().starts_with(FIELDS));
        self.sample = others.collect();
        self.keep_line(&[line, b"\n"].concat(), budget::SAMPLE_BYTES);
    }

    fn detected(&self, raw: &[u8]) -> Option<Format> {
        let mut inner = Vec::new();
        if let Some(wrapping) = self.wrapping {
            wrapping.unwrap_all(raw, &mut inner);
        }
        let text = if self.wrapping.is_some() { &inner } else { raw };
        let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').take(SAMPLE_LINES).collect();
        Format::detect(&lines).map(|format| self.with_consumer(format))
    }

    fn with_consumer(&self, format: Format) -> Format {
        let Some(field) = &self.consumer else { return format };
        match format.clone().with_consumer(field) {
            Ok(format) => format,
            Err(error) => {
                warn!(%error, path = self.name, "consumers are told by other fields");
                format
            }
        }
    }

    /// Keeps the first lines, or one now and then, as the sample.
    fn keep(&mut self, lines: &[u8], bytes: usize, step: usize) {
        self.sample.clear();
        for line in lines.split_inclusive(|&b| b == b'\n').take(SAMPLE_LINES).step_by(step) {
            self.keep_line(line, bytes);
        }
    }

    fn keep_line(&mut self, line: &[u8], bytes: usize) {
        if self.sample.len() + line.len() <= bytes
            && let Ok(line) = std::str::from_utf8(line)
        {
            self.sample.push_str(line);
        }
    }
}

fn is_all_malformed(batch: &Batch) -> bool {
    let n = batch.coverage.reasons.get(&Reason::LineMalformed).copied().unwrap_or(0);
    let blank = batch.coverage.reasons.get(&Reason::LineBlank).copied().unwrap_or(0);
    batch.is_empty() && n > 0 && n + blank == batch.coverage.lines_read
}

/// The first directive that lines hold after them: the end of its line, and it.
fn directive(lines: &[u8]) -> Option<(usize, &[u8])> {
    memchr::memmem::find_iter(lines, FIELDS).find_map(|at| {
        let end = at + memchr::memchr(b'\n', &lines[at..])?;
        (at == 0 || lines[at - 1] == b'\n').then(|| (end + 1, &lines[at..end]))
    })
}

/// Counts lines that nobody can read, as no format is known yet.
fn skip(lines: &[u8], batch: &mut Batch) {
    let n = memchr::memchr_iter(b'\n', lines).count() as u64;
    batch.coverage.lines_read += n;
    batch.coverage.bytes_read += lines.len() as u64;
    batch.coverage.add(Reason::LineMalformed, n);
}
