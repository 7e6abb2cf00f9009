//! The streams of a connection that are not over, and those that were lately.
//!
//! In: numbers of streams. Out: the [`Stream`]s. Bounded: when there are too many, the one with the lowest number goes.

use std::collections::VecDeque;

use super::stream::Stream;

/// Streams that are open at once. Servers allow 100 to 250.
const OPEN: usize = 1_024;

/// Memory of the texts of all open streams.
const TEXT_BYTES: usize = 256 << 10;

/// Streams whose end is remembered, since frames for them may still come: as many as can be on their way.
const CLOSED: usize = 64;

/// Streams that are kept for their buffers, and the most memory each may hold.
const SPARE: usize = 16;
const SPARE_BYTES: usize = 4 << 10;

/// Open streams, by number.
#[derive(Default)]
pub(super) struct Streams {
    /// Ordered by number: nearly always the order in which they come.
    open: VecDeque<(u32, Box<Stream>)>,
    /// The latest that were closed.
    closed: VecDeque<u32>,
    #[expect(clippy::vec_box, reason = "they go into `open` and come from there, boxed")]
    spare: Vec<Box<Stream>>,
    /// Memory of the texts of `open`.
    text_bytes: usize,
    /// Memory of the buffers of `spare`.
    spare_bytes: usize,
    /// Whether none was open since the last [`Streams::rest`].
    was_quiet: bool,
}

impl Streams {
    /// An open stream.
    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.find(id).ok()?;
        Some(&mut self.open[at].1)
    }

    /// An open stream, for reading.
    pub(super) fn peek(&self, id: u32) -> Option<&Stream> {
        Some(&self.open[self.find(id).ok()?].1)
    }

    /// An open stream, opened if there was none.
    pub(super) fn open(&mut self, id: u32) -> &mut Stream {
        let at = match self.find(id) {
            Ok(at) => at,
            Err(at) => {
                let stream = self.spare.pop().unwrap_or_default();
                self.spare_bytes -= stream.request.heap_bytes();
                self.was_quiet = false;
                self.open.insert(at, (id, stream));
                at
            }
        };
        &mut self.open[at].1
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.open.capacity() * size_of::<(u32, Box<Stream>)>()
            + self.closed.capacity() * size_of::<u32>()
            + (self.open.len() + self.spare.len()) * size_of::<Stream>()
            + self.text_bytes
            + self.spare_bytes
    }

    /// Time has passed: frees what idle connections do not need, and whether this one is.
    pub(super) fn rest(&mut self) -> bool {
        let is_quiet = self.open.is_empty() && std::mem::replace(&mut self.was_quiet, true);
        if is_quiet {
            (self.open, self.spare, self.spare_bytes) = (VecDeque::new(), Vec::new(), 0);
        }
        is_quiet
    }

    /// Notes that a stream keeps this many bytes of texts.
    pub(super) fn add_text(&mut self, bytes: usize) {
        self.text_bytes += bytes;
    }

    /// Whether frames for this stream come late.
    pub(super) fn was_closed(&self, id: u32) -> bool {
        self.closed.contains(&id)
    }

    /// Takes a stream out, to be given to [`Streams::put_back`].
    pub(super) fn close(&mut self, id: u32) -> Option<Box<Stream>> {
        let (_, stream) = self.open.remove(self.find(id).ok()?)?;
        self.text_bytes = self.text_bytes.saturating_sub(stream.text_bytes);
        if self.closed.len() == CLOSED {
            self.closed.pop_front();
        }
        self.closed.push_back(id);
        Some(stream)
    }

    /// Keeps the buffers of a closed stream.
    pub(super) fn put_back(&mut self, mut stream: Box<Stream>) {
        let bytes = stream.request.heap_bytes();
        if self.spare.len() < SPARE && bytes <= SPARE_BYTES {
            stream.clear();
            self.spare_bytes += bytes;
            self.spare.push(stream);
        }
    }

    /// The stream that has to go, if there are too many.
    pub(super) fn surplus(&self) -> Option<u32> {
        let is_full = self.open.len() > OPEN || self.text_bytes > TEXT_BYTES;
        self.open.front().filter(|_| is_full).map(|(id, _)| *id)
    }

    /// The first open stream from this number on, for which this holds.
    pub(super) fn next(&self, from: u32, is_it: impl Fn(u32, &Stream) -> bool) -> Option<u32> {
        let start = self.find(from).unwrap_or_else(|at| at);
        self.open.range(start..).find(|(id, stream)| is_it(*id, stream)).map(|(id, _)| *id)
    }

    /// All open streams.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.iter_mut().map(|(_, stream)| &mut **stream)
    }

    /// Open streams.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn find(&self, id: u32) -> Result<usize, usize> {
        match self.open.back() {
            Some((last, _)) if *last < id => Err(self.open.len()),
            _ => self.open.binary_search_by_key(&id, |(id, _)| *id),
        }
    }
}
