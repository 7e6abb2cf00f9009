//! Standard input, followed: what can be read from it without waiting, in whole lines.
//!
//! In: a thread that waits for it. Out: whole lines. What was read from a pipe cannot be read again, so it has no cursor.

use std::{
    io::Read as _,
    sync::{Arc, mpsc},
    thread,
};

use crate::budget;

pub(super) struct Stdin {
    chunks: mpsc::Receiver<Vec<u8>>,
    partial: Vec<u8>,
    is_over: bool,
}

impl Stdin {
    /// Reads on a thread of its own, which waits while its news are not taken.
    pub(super) fn start(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (sender, chunks) = mpsc::sync_channel(4);
        thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while let Ok(n) = std::io::stdin().read(&mut buffer)
                && n > 0
                && sender.send(buffer[..n].to_vec()).is_ok()
            {
                wake();
            }
            drop(sender);
            wake();
        });
        Self { chunks, partial: Vec::new(), is_over: false }
    }

    /// New whole lines, and whether they are the last ones; empty when there are none yet.
    pub(super) fn read(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = std::mem::take(&mut self.partial);
        match self.chunks.try_recv() {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(mpsc::TryRecvError::Disconnected) => {
                // The last line may have no newline.
                if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
                    bytes.push(b'\n');
                }
                self.is_over = true;
                return (bytes, true);
            }
            Err(mpsc::TryRecvError::Empty) => {}
        }
        // A line beyond the budget is given in parts, each counted as malformed or too long.
        if bytes.len() <= budget::CHUNK_BYTES {
            self.partial = bytes.split_off(memchr::memrchr(b'\n', &bytes).map_or(0, |last| last + 1));
        }
        (bytes, false)
    }

    /// Puts lines back that are not whole yet, in front of those that come.
    pub(super) fn put_back(&mut self, lines: &[u8]) {
        self.partial.splice(..0, lines.iter().copied());
    }

    /// Bytes that were read and not given yet.
    pub(super) fn unread(&self) -> u64 {
        self.partial.len() as u64
    }
}
