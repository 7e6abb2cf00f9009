//! Server-sent events: bytes in any pieces to events.
//!
//! ```text
//! stream = [BOM] { event } ;  event = { line } blank-line        line end = CRLF | LF | CR
//! line   = "data:" [" "] text | "event:" [" "] name | ":" comment | other fields, which we need not
//! ```
//! An event beyond [`EVENT_BYTES`] is skipped, and the stream goes on behind it: what it said was a hint to ask again.
//! Source: WHATWG HTML, 9.2.

use std::collections::VecDeque;

/// Bytes of one event; a larger one is skipped.
pub(crate) const EVENT_BYTES: usize = 1 << 20;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its `event:`; empty where there is none.
    pub(crate) name: String,
    /// Its `data:` lines, joined by line feeds.
    pub(crate) data: String,
}

/// The parser. Push bytes, poll events.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    /// The line so far, without its end.
    line: Vec<u8>,
    name: String,
    data: String,
    /// The last byte was CR: an LF right behind it belongs to the same line end.
    after_cr: bool,
    /// The present event is beyond its budget; forget everything up to its blank line.
    is_skipping: bool,
    /// A first line may begin with a byte order mark.
    is_started: bool,
    ready: VecDeque<Event>,
}

impl Sse {
    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(),
                _ if self.line.len() + self.name.len() + self.data.len() >= EVENT_BYTES => self.skip(),
                _ => self.line.push(byte),
            }
        }
    }

    /// The next whole event.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn skip(&mut self) {
        self.is_skipping = true;
        self.name.clear();
        self.data.clear();
        // One byte stays: the line is not blank, and so does not end the event.
        self.line.truncate(1);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let bom: &[u8] = if self.is_started { b"" } else { b"\xEF\xBB\xBF" };
        self.is_started = true;
        let line = line.strip_prefix(bom).unwrap_or(&line);
        if line.is_empty() {
            return self.end_event();
        }
        if self.is_skipping {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
    }

    fn end_event(&mut self) {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        let is_skipped = std::mem::take(&mut self.is_skipping);
        if !is_skipped && data.pop().is_some() {
            self.ready.push_back(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], piece: usize) -> Vec<(String, String)> {
        let mut sse = Sse::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            sse.push(piece);
            while let Some(e) = sse.poll() {
                out.push((e.name, e.data));
            }
        }
        out
    }

    #[test]
    fn events_whatever_the_pieces_and_line_ends() {
        for (bytes, want) in [
            ("data: a\n\n", &[("", "a")][..]),
            ("event: data\ndata: {\"x\":1}\n\n: ping\n\ndata:b\n\n", &[("data", "{\"x\":1}"), ("", "b")]),
            ("data: a\r\ndata: b\r\n\r\ndata: c\r\r", &[("", "a\nb"), ("", "c")]),
            ("\u{feff}data: é\n\n", &[("", "é")]),
            ("event: x\n\nid: 1\nretry: 5\n\ndata\n\n", &[("", "")]),
            ("data: not ended\n", &[]),
        ] {
            let want: Vec<_> = want.iter().map(|(n, d)| ((*n).to_owned(), (*d).to_owned())).collect();
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(parse(bytes.as_bytes(), piece), want, "{bytes:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn endless_events_are_skipped() {
        let mut sse = Sse::default();
        let row = [b"data: ".as_slice(), &[b'x'; 4090], b"\n"].concat();
        for _ in 0..1000 {
            sse.push(&row);
        }
        sse.push(b"data: tail\n\ndata: next\n\n");
        assert_eq!(sse.poll(), Some(Event { name: String::new(), data: "next".into() }));
        assert_eq!(sse.poll(), None);
        sse.push(&vec![b'y'; 3 * EVENT_BYTES]);
        assert!(sse.line.capacity() <= 2 * EVENT_BYTES);
        sse.push(b"\n\ndata: z\n\n");
        assert_eq!(sse.poll().map(|e| e.data).as_deref(), Some("z"));
    }
}
