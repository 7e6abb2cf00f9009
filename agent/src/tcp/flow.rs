//! Where one direction of a connection stands.
//!
//! In: positions that segments claim. Out: whether to believe them, and what of the flow is missing since when. Nothing
//! here calls the application.

use std::time::Duration;

use pitot_model::Timestamp;

use crate::budget::LATE_PIECES;

use super::{
    late::{Hole, Late},
    sequence::{Base, REACH, START, forward},
};

/// How long bytes that the peer has may still turn up when later ones did: captures order the packets of several queues
/// by a little less than their time.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

/// The same when nothing came after them, nor more from the peer. Longer, since nothing but an answer waits, and since
/// the two directions may have been captured by two machines whose clocks differ.
pub(super) const SILENT_PATIENCE: Duration = Duration::from_millis(200);

/// Segments of the connection after which they are given up whatever the time.
pub(super) const PATIENCE_SEGMENTS: u32 = 256;

/// How long bytes are awaited that the peer does not have either, or whose acknowledgements are not seen: longer than
/// the first retransmissions take.
pub(super) const UNACKNOWLEDGED_PATIENCE: Duration = Duration::from_secs(5);

/// One direction.
#[derive(Debug)]
pub(super) struct Flow {
    /// Offset of the next byte that the application gets.
    pub(super) next: u64,
    /// How far the peer has acknowledged, FIN excluded; zero while unknown.
    pub(super) acked: u64,
    /// Offset of the FIN; `u64::MAX` while unknown.
    pub(super) fin: u64,
    /// What is not in order.
    pub(super) late: Option<Box<Late>>,
    /// What `next` stands for.
    pub(super) base: Base,
    /// Whether `base` and `next` mean anything.
    pub(super) is_known: bool,
    /// Whether a SYN told where it starts.
    pub(super) has_syn: bool,
    /// Whether the application was told something, so that `next` cannot go back any more.
    pub(super) has_data: bool,
    /// Whether the application knows that it ended.
    pub(super) is_over: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            next: START,
            acked: 0,
            fin: u64::MAX,
            late: None,
            base: Base::default(),
            is_known: false,
            has_syn: false,
            has_data: false,
            is_over: false,
        }
    }
}

impl Flow {
    /// Lets it start at a sequence number.
    pub(super) fn start(&mut self, sequence: u32) {
        *self = Self { base: Base::new(sequence), is_known: true, ..Self::default() };
    }

    /// Whether nothing but a SYN tells where it starts.
    pub(super) fn is_unconfirmed(&self) -> bool {
        !self.has_data && self.acked == 0 && self.late.is_none()
    }

    /// Offset of a sequence number.
    pub(super) fn offset(&self, sequence: u32) -> u64 {
        self.base.offset(sequence, self.next)
    }

    /// Offset after the last byte that was seen.
    pub(super) fn seen(&self) -> u64 {
        self.late.as_ref().and_then(|l| l.end()).map_or(self.next, |end| end.max(self.next))
    }

    /// Whether a position may be believed at once.
    pub(super) fn is_near(&self, offset: u64) -> bool {
        let highest = self.seen().max(self.acked);
        offset <= highest.saturating_add(REACH) && offset >= self.next.saturating_sub(REACH)
    }

    /// A position that is not near; believed when it is the second one thereabouts, and then as the next one ahead that
    /// has its sequence number.
    pub(super) fn claim(&mut self, offset: u64) -> Option<u64> {
        let seen = self.seen();
        let late = self.late.get_or_insert_default();
        let earlier = late.claim.replace(offset)?;
        if earlier.abs_diff(offset) > REACH {
            return None;
        }
        late.claim = None;
        Some(forward(offset, seen))
    }

    /// How far the peer has received it, from an acknowledgement number; `None` when that is not believed.
    ///
    /// Where the peer is who knows, of several SYN-ACKs, which one it took, `may_restart` lets it tell.
    #[inline]
    pub(super) fn acknowledge(&mut self, number: u32, may_restart: bool, now: Timestamp) -> Option<u64> {
        if !self.is_known {
            self.start(number);
            self.acked = START;
            return Some(START);
        }
        let at = self.offset(number);
        if at == self.acked {
            return Some(at);
        }
        if !self.is_near(at) {
            if may_restart && self.has_syn && self.is_unconfirmed() {
                self.start(number);
                (self.has_syn, self.acked) = (true, START);
                return Some(START);
            }
            return None;
        }
        let at = at.min(self.fin);
        self.acked = self.acked.max(at);
        if self.acked > self.next {
            self.notice(now);
        }
        Some(at)
    }

    /// Notes where it ends, if that can be.
    pub(super) fn note_fin(&mut self, offset: u64) {
        if offset >= self.seen() {
            self.fin = offset;
            self.acked = self.acked.min(offset);
        }
    }

    /// Notes that bytes are missing, if that is news.
    pub(super) fn notice(&mut self, now: Timestamp) {
        let (next, acked) = (self.next, self.acked);
        let late = self.late.get_or_insert_default();
        if late.hole.start != next {
            late.hole = Hole { start: next, since: now, acknowledged: None, is_given_up: false };
        }
        if acked > next && late.hole.acknowledged.is_none() {
            late.hole.acknowledged = Some((now, 0));
        }
    }

    /// How far to give up what is missing now, after `segments` more segments; `None` while there is hope. Whether the
    /// peer just sent payload: what it says should be understood by what it had received.
    pub(super) fn hopeless(&mut self, now: Timestamp, segments: u32, peer_spoke: bool) -> Option<u64> {
        let late = self.late.as_mut().filter(|l| l.hole.start == self.next)?;
        let (end, patience) = match late.first() {
            Some((start, _)) if start == self.next => return None,
            Some((start, _)) => (start, PATIENCE),
            None if peer_spoke => (self.acked, PATIENCE),
            None => (self.acked, SILENT_PATIENCE),
        };
        if end <= self.next {
            return None;
        }
        if now.since(late.hole.since) >= UNACKNOWLEDGED_PATIENCE {
            return Some(end);
        }
        let (since, seen) = late.hole.acknowledged.as_mut()?;
        *seen = seen.saturating_add(segments);
        (now.since(*since) >= patience || *seen >= PATIENCE_SEGMENTS).then_some(end.min(self.acked))
    }

    /// Whether all that is missing is a single number that the peer acknowledged: a byte, or FIN.
    pub(super) fn may_have_ended(&self) -> bool {
        let has_more = self.late.as_ref().is_some_and(|l| l.end().is_some());
        self.fin == u64::MAX && self.acked == self.next + 1 && !has_more
    }

    /// Notes that such a number will not be seen any more, whatever it was.
    pub(super) fn give_up_lone(&mut self) {
        if let Some(late) = &mut self.late {
            late.hole.is_given_up = true;
        }
    }

    /// Whether nothing more is awaited for now.
    pub(super) fn was_given_up(&self) -> bool {
        self.late.as_ref().is_some_and(|l| l.hole.is_given_up && l.hole.start == self.next)
    }

    /// Whether what comes next is there, but refused.
    pub(super) fn is_parked(&self) -> bool {
        self.late.as_ref().and_then(|l| l.first()).is_some_and(|(start, _)| start == self.next)
    }

    /// Drops what is not needed any more, and notes what is missing now.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        let is_empty = match &self.late {
            None => return,
            Some(late) => late.end().is_none() && late.claim.is_none(),
        };
        if is_empty && self.acked <= self.next {
            self.late = None;
        } else if !self.is_parked() && (self.acked > self.next || !is_empty) {
            self.notice(now);
        }
    }

    /// Whether more waits than one flow may let wait.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.late.as_ref().is_some_and(|l| l.cost() > bytes || l.len() > LATE_PIECES)
    }

    /// Memory beyond its own size.
    pub(super) fn cost(&self) -> usize {
        self.late.as_ref().map_or(0, |l| l.cost())
    }
}
