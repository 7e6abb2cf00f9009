//! When everything is told that time has passed: about once a second of the capture's time.
//!
//! In: the time of each frame. Out: whether a tick is due. A tick looks at every connection, so that times that jump to
//! and fro must not bring one with each frame: as in captures of two machines that were joined, or made to harm.

use std::time::Duration;

use pitot_model::Timestamp;

/// Time between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// Time by which a clock may go back before it is another clock.
const ANOTHER_CLOCK: Duration = Duration::from_secs(60);

/// Frames that must be behind before a clock is believed again that it was set back.
const FRAMES: usize = 1_024;

/// The clock of a capture. Time that goes on is always believed: connections that are silent for long are forgotten, so
/// that there is an end to what ticks cost them.
#[derive(Debug, Default)]
pub(super) struct Clock {
    next_tick: Timestamp,
    /// How many frames are not believed that the clock was set back.
    doubted: usize,
}

impl Clock {
    /// Whether a frame at this time brings a tick, which looks at so many connections.
    #[inline]
    pub(super) fn is_due(&mut self, at: Timestamp, connections: impl FnOnce() -> usize) -> bool {
        at >= self.next_tick || self.next_tick.since(at) > ANOTHER_CLOCK && self.is_set_back(connections)
    }

    /// There is a tick.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.next_tick = now + TICK;
    }

    #[cold]
    fn is_set_back(&mut self, connections: impl FnOnce() -> usize) -> bool {
        match self.doubted.checked_sub(1) {
            Some(left) => self.doubted = left,
            None => {
                self.doubted = connections().max(FRAMES);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks that frames at these seconds bring, with so many connections.
    fn ticks(seconds: impl IntoIterator<Item = i64>, connections: usize) -> usize {
        let mut clock = Clock::default();
        let mut is_due = |s: i64| {
            let at = Timestamp::from_secs(1_000_000 + s);
            let is_due = clock.is_due(at, || connections);
            if is_due {
                clock.tick(at);
            }
            is_due
        };
        seconds.into_iter().filter(|&s| is_due(s)).count()
    }

    #[test]
    fn each_second_ticks_once() {
        assert_eq!(ticks([0, 0, 1, 1, 2, 2, 5, 5], 10), 4);
        assert_eq!(ticks([0, 1, 0, 1, 0, 2], 10), 3, "out of order");
    }

    #[test]
    fn a_clock_that_was_set_back_goes_on() {
        assert_eq!(ticks([5_000, 5_001, 1_000, 1_000, 1_001, 1_002], 10), 5);
    }

    #[test]
    fn two_clocks_tick_as_one() {
        let two = || (0..20_000).map(|i| i % 2 * 100);
        assert!(ticks(two(), 10) <= 2 * 20_000 / FRAMES, "{}", ticks(two(), 10));
        assert!(ticks(two(), 50_000) <= 4, "{}", ticks(two(), 50_000));
    }
}
