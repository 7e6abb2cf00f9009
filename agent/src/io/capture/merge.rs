//! Frames of several interfaces, in the order of time.
//!
//! In: frames as each interface gives them, in turns, and the clock. Out: the same frames, the earliest first. A packet
//! that passes two interfaces comes out twice in a row then, and is the retransmission that it looks like; interface by
//! interface, a short connection would come out whole, and then once more.

use std::{collections::VecDeque, time::Duration};

use pitot_model::Timestamp;

use crate::decode::{Frame, LinkType};

/// Bytes held of one interface; beyond them the kernel holds the rest.
const HELD_BYTES: usize = 8 << 20;
/// Bytes of frames that were handed on before their place is used again.
const SPENT_BYTES: usize = 64 << 10;
/// How far ahead of the clock a frame may be before the clock has been set back.
const ANOTHER_CLOCK: Duration = Duration::from_secs(1);

/// Frames that wait for those of other interfaces.
#[derive(Default)]
pub(super) struct Merge {
    taps: Vec<Queue>,
}

/// Frames of one interface.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Held>,
    bytes: Vec<u8>,
    /// Where the bytes of the first frame begin.
    from: usize,
    /// No frame before it will come any more.
    read_to: Timestamp,
}

struct Held {
    at: Timestamp,
    link: LinkType,
    len: usize,
    wire_len: u32,
}

impl Merge {
    /// Of so many interfaces.
    pub(super) fn new(taps: usize) -> Self {
        Self { taps: (0..taps).map(|_| Queue::default()).collect() }
    }

    /// Whether there is room for more of this interface.
    pub(super) fn has_room(&self, tap: usize) -> bool {
        self.taps[tap].bytes.len() - self.taps[tap].from < HELD_BYTES
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.taps.iter().all(|queue| queue.frames.is_empty())
    }

    /// A frame of this interface.
    pub(super) fn push(&mut self, tap: usize, frame: &Frame<'_>) {
        let queue = &mut self.taps[tap];
        if queue.from > SPENT_BYTES && queue.from > queue.bytes.len() / 2 {
            queue.bytes.drain(..queue.from);
            queue.from = 0;
        }
        queue.bytes.extend_from_slice(frame.bytes);
        let Frame { at, link, wire_len, .. } = *frame;
        queue.frames.push_back(Held { at, link, len: frame.bytes.len(), wire_len });
        queue.read_to = at;
    }

    /// Nothing before this time will come of this interface any more.
    pub(super) fn read_to(&mut self, tap: usize, at: Timestamp) {
        let queue = &mut self.taps[tap];
        queue.read_to = queue.read_to.max(at);
    }

    /// Hands on the frames before which none will come. How many.
    pub(super) fn release(&mut self, now: Timestamp, mut each: impl FnMut(&Frame<'_>)) -> usize {
        let Some(until) = self.taps.iter().map(|queue| queue.read_to).min() else { return 0 };
        self.take(|at| at <= until || at > now + ANOTHER_CLOCK, &mut each)
    }

    /// Hands on all of them. How many.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Frame<'_>)) -> usize {
        self.take(|_| true, &mut each)
    }

    fn take(&mut self, is_due: impl Fn(Timestamp) -> bool, each: &mut impl FnMut(&Frame<'_>)) -> usize {
        let mut n = 0;
        let at = |queue: &Queue| queue.frames.front().map(|held| held.at);
        // Interfaces are few.
        while let Some((at, queue)) = self.taps.iter_mut().filter_map(|q| Some((at(q)?, q))).min_by_key(|(at, _)| *at)
            && is_due(at)
        {
            queue.pop(each);
            n += 1;
        }
        n
    }
}

impl Queue {
    fn pop(&mut self, each: &mut impl FnMut(&Frame<'_>)) {
        let Some(Held { at, link, len, wire_len }) = self.frames.pop_front() else { return };
        let bytes = &self.bytes[self.from..self.from + len];
        each(&Frame { at, link, bytes, wire_len });
        self.from += len;
        if self.frames.is_empty() {
            self.bytes.clear();
            self.from = 0;
            // What a burst took is given back.
            self.bytes.shrink_to(SPENT_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(merge: &mut Merge, tap: usize, ms: i64) {
        let bytes = [tap as u8, ms as u8];
        merge.push(tap, &Frame { at: Timestamp::from_millis(ms), link: LinkType(1), bytes: &bytes, wire_len: 2 });
    }

    fn release(merge: &mut Merge, now: i64) -> Vec<(u8, u8)> {
        let mut seen = Vec::new();
        merge.release(Timestamp::from_millis(now), |frame| seen.push((frame.bytes[0], frame.bytes[1])));
        seen
    }

    #[test]
    fn packets_that_pass_two_interfaces_come_twice_in_a_row() {
        let mut merge = Merge::new(2);
        for ms in [10, 20, 30] {
            push(&mut merge, 0, ms);
        }
        assert_eq!(release(&mut merge, 40), [], "the other interface may have earlier ones");
        for ms in [11, 21] {
            push(&mut merge, 1, ms);
        }
        assert_eq!(release(&mut merge, 40), [(0, 10), (1, 11), (0, 20), (1, 21)]);
        merge.read_to(1, Timestamp::from_millis(30));
        assert_eq!(release(&mut merge, 40), [(0, 30)], "a quiet interface holds nobody up");
        assert!(merge.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up() {
        let mut merge = Merge::new(2);
        push(&mut merge, 0, 90);
        merge.read_to(1, Timestamp::from_millis(50));
        assert_eq!(release(&mut merge, 89), []);
        let mut merge = Merge::new(2);
        merge.push(0, &Frame { at: Timestamp::from_secs(90), link: LinkType(1), bytes: &[0, 9], wire_len: 2 });
        assert_eq!(release(&mut merge, 89), [(0, 9)]);
    }

    #[test]
    fn what_is_held_has_a_bound_and_its_place_is_used_again() {
        let mut merge = Merge::new(1);
        let frame = Frame { at: Timestamp::EPOCH, link: LinkType(1), bytes: &[7; 60_000], wire_len: 60_000 };
        let mut n = 0;
        while merge.has_room(0) {
            merge.push(0, &frame);
            n += 1;
        }
        assert_eq!(n, HELD_BYTES.div_ceil(60_000));
        assert_eq!(merge.finish(|frame| assert_eq!(frame.bytes, [7; 60_000])), n);
        assert!(merge.has_room(0) && merge.taps[0].bytes.capacity() <= 2 * SPENT_BYTES);
    }
}
