//! Lines between the thread that receives messages and the one that counts them.
//!
//! In: messages. Out: blocks of lines, and what of the messages is no line. Some [`budget::SYSLOG_QUEUE_BYTES`] are held.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pitot_model::{Coverage, Reason};
use tokio::sync::Notify;

use crate::{budget, log::syslog::Message};

/// Empty blocks that are kept to be used again.
const SPARE: usize = 2;

/// Lines of about a chunk.
#[derive(Default)]
pub(super) struct Block {
    /// Each ends with a newline.
    pub(super) lines: Vec<u8>,
    /// Messages that gave no line.
    pub(super) coverage: Coverage,
}

/// What came on one address and was not read yet.
pub(super) struct Queue {
    tag: Option<String>,
    wake: Arc<dyn Fn() + Send + Sync>,
    inner: Mutex<Inner>,
    has_room: Notify,
}

#[derive(Default)]
struct Inner {
    blocks: VecDeque<Block>,
    spare: Vec<Block>,
    /// Of the lines in `blocks`.
    bytes: usize,
    /// Whether nobody reads any more.
    is_closed: bool,
}

impl Queue {
    /// For messages with this tag, or all.
    pub(super) fn new(tag: Option<String>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { tag, wake, inner: Mutex::default(), has_room: Notify::new() }
    }

    /// Takes a message that came in a datagram, if there is room for it; else it is counted and dropped.
    pub(super) fn offer(&self, message: &[u8]) {
        if self.is_full() {
            return self.count(Reason::MessageDropped, 1);
        }
        self.put(message);
    }

    /// Takes a message; whoever puts many waits for [`room`](Self::room) first.
    pub(super) fn put(&self, message: &[u8]) {
        if message.len() > budget::LINE_BYTES {
            return self.count_line(Reason::LineTooLong);
        }
        match Message::parse(message) {
            Err(error) => self.count_line(error.reason()),
            Ok(m) if self.tag.as_ref().is_some_and(|tag| tag.as_bytes() != m.app) => {
                self.count_line(Reason::LineForeign);
            }
            Ok(m) => self.put_line(m.text),
        }
    }

    /// Counts what is no message, or none any more.
    pub(super) fn count(&self, reason: Reason, n: u64) {
        if n > 0 {
            self.add(|block| block.coverage.add(reason, n));
        }
    }

    /// Counts a message that gives no line.
    pub(super) fn count_line(&self, reason: Reason) {
        self.add(|block| {
            block.coverage.lines_read += 1;
            block.coverage.add(reason, 1);
        });
    }

    /// A message is one line, whatever stands in it.
    fn put_line(&self, text: &[u8]) {
        self.add(|block| {
            let start = block.lines.len();
            block.lines.extend_from_slice(text);
            let mut at = start;
            while let Some(n) = memchr::memchr(b'\n', &block.lines[at..]) {
                block.lines[at + n] = b' ';
                at += n + 1;
            }
            block.lines.push(b'\n');
        });
    }

    fn add(&self, change: impl FnOnce(&mut Block)) {
        let is_first = self.inner().add(change);
        if is_first {
            (self.wake)();
        }
    }

    /// Waits until there is room, or nobody reads any more.
    pub(super) async fn room(&self) {
        loop {
            let notified = self.has_room.notified();
            {
                let inner = self.inner();
                if !inner.is_full() || inner.is_closed {
                    return;
                }
            }
            notified.await;
        }
    }

    /// The oldest block.
    pub(super) fn take(&self) -> Option<Block> {
        let mut inner = self.inner();
        let was_full = inner.is_full();
        let block = inner.blocks.pop_front()?;
        inner.bytes -= block.lines.len();
        if was_full && !inner.is_full() {
            self.has_room.notify_waiters();
        }
        Some(block)
    }

    /// Gives a block back, so that its memory is used again.
    pub(super) fn give_back(&self, mut block: Block) {
        let mut inner = self.inner();
        if inner.spare.len() < SPARE {
            block.lines.clear();
            block.coverage = Coverage::default();
            inner.spare.push(block);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner().blocks.is_empty()
    }

    /// Whether datagrams are dropped and streams wait.
    pub(super) fn is_full(&self) -> bool {
        self.inner().is_full()
    }

    /// Nobody reads any more: nobody has to wait.
    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.has_room.notify_waiters();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_full(&self) -> bool {
        self.bytes >= budget::SYSLOG_QUEUE_BYTES
    }

    /// Whether there was nothing before.
    fn add(&mut self, change: impl FnOnce(&mut Block)) -> bool {
        if self.is_closed {
            return false;
        }
        let was_empty = self.blocks.is_empty();
        if self.blocks.back().is_none_or(|b| b.lines.len() >= budget::CHUNK_BYTES) {
            self.blocks.push_back(self.spare.pop().unwrap_or_default());
        }
        if let Some(block) = self.blocks.back_mut() {
            let before = block.lines.len();
            change(block);
            self.bytes += block.lines.len() - before;
        }
        was_empty
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn queue(tag: Option<&str>) -> (Queue, Arc<AtomicU64>) {
        let n_woken = Arc::new(AtomicU64::new(0));
        let wake = Arc::new({
            let n = n_woken.clone();
            move || {
                n.fetch_add(1, Ordering::Relaxed);
            }
        });
        (Queue::new(tag.map(str::to_owned), wake), n_woken)
    }

    #[test]
    fn every_message_is_a_line_or_counted() {
        let (queue, n_woken) = queue(Some("web"));
        for message in [
            "<190>Oct  1 12:00:00 host web: one\nline\n",
            "<190>Oct  1 12:00:00 host db: other",
            "<190>1 2026-10-01T12:00:00Z host",
            "<999>x",
        ] {
            queue.offer(message.as_bytes());
        }
        queue.put(&vec![b'x'; budget::LINE_BYTES + 1]);
        let block = queue.take().unwrap();
        assert_eq!(block.lines, b"one line\n");
        assert_eq!(block.coverage.lines_read, 4);
        for reason in [Reason::LineForeign, Reason::LineCut, Reason::LineMalformed, Reason::LineTooLong] {
            assert_eq!(block.coverage.reasons.get(&reason), Some(&1), "{reason}");
        }
        assert_eq!(n_woken.load(Ordering::Relaxed), 1, "who was woken takes all");
        queue.give_back(block);
        assert!(queue.is_empty() && queue.take().is_none());
    }

    #[test]
    fn datagrams_beyond_the_budget_are_dropped_and_counted() {
        let (queue, _) = queue(None);
        let message = vec![b'x'; 60_000];
        let n = 2 * budget::SYSLOG_QUEUE_BYTES / message.len();
        (0..n).for_each(|_| queue.offer(&message));
        let (mut lines, mut dropped, mut most) = (0, 0, 0);
        while let Some(block) = queue.take() {
            lines += block.lines.len() / (message.len() + 1);
            most = block.lines.len().max(most);
            dropped += block.coverage.reasons.get(&Reason::MessageDropped).copied().unwrap_or(0);
        }
        assert_eq!(lines as u64 + dropped, n as u64);
        assert!(lines * message.len() < budget::SYSLOG_QUEUE_BYTES + 60_000, "{lines}");
        assert!(most < budget::CHUNK_BYTES + 60_001, "{most}");
    }

    #[tokio::test]
    async fn streams_wait_for_room() {
        let (queue, _) = queue(None);
        let queue = Arc::new(queue);
        while !queue.is_full() {
            queue.put(&[b'x'; 60_000]);
        }
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        queue.take().unwrap();
        waiting.await.unwrap();
        while !queue.is_full() {
            queue.put(&[b'x'; 60_000]);
        }
        queue.close();
        queue.room().await;
    }
}
