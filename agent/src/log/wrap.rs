//! What container runtimes put around lines: Docker's json-file and the Kubernetes CRI.
//!
//! In: raw lines of a log file. Out: the lines that the container wrote.
//!
//! | wrapping | one line |
//! |---|---|
//! | Docker json-file | `{"log":"GET / 200\n","stream":"stdout","time":"2021-12-08T14:02:43.587782192Z"}` |
//! | CRI (containerd, CRI-O, Podman's k8s-file) | `2021-12-08T14:02:43.587782192Z stdout F GET / 200` |
//!
//! Both split long lines, every 16 KiB by default: Docker's parts are those whose `log` does not end with a newline, CRI
//! marks all but the last with `P` instead of `F`. The parts of one stream are joined, whatever the other one writes in
//! between. Where the parts of a line were not all read yet, nothing from the first of them on is given, so no state is
//! left between two calls but the position.
//!
//! Sources: `daemon/logger/jsonfilelog` of moby; `pkg/kubelet/kuberuntime/logs` of Kubernetes.

use super::{json, record, scan, time};
use crate::budget;

/// How lines are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// Docker's json-file.
    Docker,
    /// The container runtime interface of Kubernetes.
    Cri,
}

/// One raw line.
struct Entry<'a> {
    /// As in the line; of Docker without the quotes.
    text: &'a [u8],
    has_escapes: bool,
    stream: usize,
    /// Whether the runtime says that the line goes on; Docker says it in the text.
    is_partial: bool,
}

/// Standard output and standard error.
const STREAMS: [&[u8]; 2] = [b"stdout", b"stderr"];

impl Wrapping {
    /// How these lines are wrapped, if most of those that are not blank are. The last one may be cut.
    pub fn detect(lines: &[&[u8]]) -> Option<Self> {
        let lines = || lines.iter().filter(|l| !l.trim_ascii().is_empty());
        let is_most = |w: &Self| 2 * lines().filter(|l| w.entry(l).is_some()).count() > lines().count();
        [Self::Docker, Self::Cri].into_iter().find(is_most)
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker json-file",
            Self::Cri => "CRI",
        }
    }

    /// Appends the lines inside of whole raw lines to `out`, each with a newline at its end, and gives the bytes of `raw`
    /// that they stand for. What is behind the last newline is left, and so are the raw lines from the first part of a line
    /// on whose last part is missing, unless what is left would be more than [`budget::WRAPPED_BYTES`]. It is to be given
    /// again with more behind it.
    ///
    /// Lines that are not wrapped are appended as they are. Of a line of several parts at most one byte more than
    /// [`budget::LINE_BYTES`] is kept, so that it is counted as too long.
    pub fn unwrap(&self, raw: &[u8], out: &mut Vec<u8>) -> usize {
        let whole = memchr::memrchr(b'\n', raw).map_or(0, |last| last + 1);
        let mut chains = Chains::default();
        // Where no line is open: bytes of `raw`, bytes of `out`.
        let (mut at, mut safe) = (0, (0, out.len()));
        while at < whole {
            let end = memchr::memchr(b'\n', &raw[at..whole]).map_or(whole, |n| at + n + 1);
            self.line(&raw[at..end], &mut chains, out);
            at = end;
            if chains.are_closed() {
                safe = (at, out.len());
            }
        }
        if raw.len() - safe.0 > budget::WRAPPED_BYTES {
            chains.close(out);
            return whole;
        }
        out.truncate(safe.1);
        safe.0
    }

    /// The same for the end of a source: everything is given, lines that lack their last part or their newline too.
    pub fn unwrap_all(&self, raw: &[u8], out: &mut Vec<u8>) {
        let mut chains = Chains::default();
        for line in raw.split_inclusive(|b| *b == b'\n') {
            self.line(line, &mut chains, out);
        }
        chains.close(out);
    }

    /// `line` may have no newline, being the last.
    fn line(self, line: &[u8], chains: &mut Chains, out: &mut Vec<u8>) {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let start = out.len();
        let Some(entry) = self.entry(bare) else {
            out.extend_from_slice(bare);
            return out.push(b'\n');
        };
        let chain = &mut chains.0[entry.stream];
        if entry.has_escapes {
            record::unescape(entry.text, out);
        } else {
            out.extend_from_slice(entry.text);
        }
        let is_partial = match self {
            Self::Docker => !out[start..].ends_with(b"\n"),
            Self::Cri => entry.is_partial,
        };
        if is_partial {
            chain.add(&out[start..]);
            return out.truncate(start);
        }
        if chain.is_open {
            chain.add(&out[start..]);
            out.truncate(start);
            chain.close(out);
        } else {
            end_line(out, start);
        }
    }

    fn entry(self, line: &[u8]) -> Option<Entry<'_>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self {
            Self::Docker => docker_as_written(line).or_else(|| docker(line)),
            Self::Cri => cri(line),
        }
    }
}

/// The parts of the open line of each stream.
#[derive(Default)]
struct Chains([Chain; 2]);

#[derive(Default)]
struct Chain {
    text: Vec<u8>,
    is_open: bool,
}

impl Chains {
    fn are_closed(&self) -> bool {
        self.0.iter().all(|c| !c.is_open)
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.0.iter_mut().filter(|c| c.is_open).for_each(|c| c.close(out));
    }
}

impl Chain {
    fn add(&mut self, part: &[u8]) {
        let room = (budget::LINE_BYTES + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(&part[..part.len().min(room)]);
        self.is_open = true;
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.append(&mut self.text);
        self.is_open = false;
        end_line(out, start);
    }
}

/// Ends the line that begins at `start`, unless it is ended.
fn end_line(out: &mut Vec<u8>, start: usize) {
    if !out[start..].ends_with(b"\n") {
        out.push(b'\n');
    }
}

/// An entry with its keys in the order in which Docker writes them.
#[inline]
fn docker_as_written(line: &[u8]) -> Option<Entry<'_>> {
    const HEAD: &[u8] = br#"{"log":""#;
    line.strip_prefix(HEAD)?;
    let (end, has_escapes) = scan::far_quote(line, HEAD.len())?;
    let rest = line[end + 1..].strip_prefix(br#","stream":""#)?;
    let stream = STREAMS.iter().position(|s| rest.starts_with(s))?;
    if !rest[STREAMS[stream].len()..].starts_with(br#"",""#) || line.last() != Some(&b'}') {
        return None;
    }
    Some(Entry { text: &line[HEAD.len()..end], has_escapes, stream, is_partial: false })
}

/// Any object with a `log`, a `stream` and a `time`, which are strings; of keys that repeat the last counts.
#[cold]
fn docker(line: &[u8]) -> Option<Entry<'_>> {
    let (mut log, mut stream, mut has_time) = (None, None, false);
    let mut at = scan::skip_blanks(line, 0);
    if line.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = scan::skip_blanks(line, at + 1);
        let (end, _) = line.get(at).filter(|b| **b == b'"').and_then(|_| scan::quote(line, at + 1))?;
        let key = &line[at + 1..end];
        at = scan::skip_blanks(line, end + 1);
        if line.get(at) != Some(&b':') {
            return None;
        }
        at = scan::skip_blanks(line, at + 1);
        let text = match line.get(at)? {
            b'"' => {
                let (end, has_escapes) = scan::quote(line, at + 1)?;
                let text = Some((&line[at + 1..end], has_escapes));
                at = end + 1;
                text
            }
            b'{' | b'[' => {
                at = json::container(line, at).ok()?;
                None
            }
            _ => {
                at = scan::find2(line, at, b',', b'}')?;
                None
            }
        };
        match key {
            b"log" => log = text,
            b"stream" => stream = text,
            b"time" => has_time = text.is_some(),
            _ => {}
        }
        at = scan::skip_blanks(line, at);
        match line.get(at)? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let (text, has_escapes) = log?;
    let stream = STREAMS.iter().position(|s| stream.is_some_and(|(t, _)| t == *s)).filter(|_| has_time)?;
    Some(Entry { text, has_escapes, stream, is_partial: false })
}

/// `time stdout F text`; there may be more tags behind the first, as in `P:more`.
#[inline]
fn cri(line: &[u8]) -> Option<Entry<'_>> {
    let end = scan::find(line, 0, b' ').filter(|end| *end >= 19 && *end <= 35)?;
    time::iso(&line[..end])?;
    let rest = &line[end + 1..];
    let stream = STREAMS.iter().position(|s| rest.starts_with(s))?;
    let rest = rest[STREAMS[stream].len()..].strip_prefix(b" ")?;
    let tags = scan::find(rest, 0, b' ').unwrap_or(rest.len());
    let is_partial = match rest[..tags] {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    let text = rest.get(tags + 1..).unwrap_or_default();
    Some(Entry { text, has_escapes: false, stream, is_partial })
}

#[cfg(test)]
mod tests;
