//! Standard output, buffered, and written at the latest after a second where lines come as slowly as they happen.
//!
//! In: lines. Out: the same, in larger pieces.

use std::{
    io::{BufWriter, Stdout, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a line may stay in the buffer.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Shared by what prints and what flushes.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<BufWriter<Stdout>>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(BufWriter::new(std::io::stdout()))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        // A buffer holds nothing that a panic leaves half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Flushes now and then from now on, while whoever prints may wait for its input.
    pub(super) fn flush_by_time(&self) {
        let output = Arc::downgrade(&self.0);
        thread::spawn(move || {
            loop {
                thread::sleep(FLUSH_EVERY);
                let Some(output) = output.upgrade() else { return };
                // Who prints next sees the error, too.
                let _ = output.lock().unwrap_or_else(PoisonError::into_inner).flush();
            }
        });
    }
}
