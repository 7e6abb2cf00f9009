//! One connection: what its segments mean for both flows, and what the application is told of them.
//!
//! In: segments of this connection, and time. Out: calls of the application, in the order of each stream. Chunks in
//! order are given in place; see [`Flow`] for when missing bytes are given up.

use pitot_model::{Reason, Timestamp};

use super::{
    Application, Chunk, Close, End, Gap, GapKind, Peers, Taken, Way,
    flow::Flow,
    late::Part,
    sequence::{REACH, START},
};
use crate::decode::Segment;

/// A connection and what is made of it.
pub(super) struct Connection<A> {
    /// Both ends.
    pub(super) peers: Peers,
    /// Whether the application was told of the end; kept to know late copies of segments by.
    pub(super) is_closed: bool,
    /// Who ended it by RST.
    reset_by: Option<Way>,
    /// Whether payload was seen.
    pub(super) has_payload: bool,
    /// Whether the application wants no more.
    is_done: bool,
    /// When it had news.
    pub(super) last: Timestamp,
    flows: [Flow; 2],
    app: A,
}

/// What a SYN means for a connection that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It belongs to it.
    Same,
    /// Another connection begins.
    Another,
}

impl<A: Application> Connection<A> {
    /// One of which nothing is known yet.
    pub(super) fn new(peers: Peers, at: Timestamp) -> Self {
        Self {
            peers,
            is_closed: false,
            reset_by: None,
            has_payload: false,
            is_done: false,
            last: at,
            flows: Default::default(),
            app: A::default(),
        }
    }

    /// What a segment with SYN begins; where that is this connection, notes where the stream starts.
    pub(super) fn open(&mut self, way: Way, s: &Segment<'_>) -> Opening {
        let first = s.sequence.wrapping_add(1);
        let acknowledges_other = s.acknowledgement.is_none_or(|n| {
            let other = &self.flows[way.other() as usize];
            !other.is_known || other.is_near(other.offset(n))
        });
        let flow = &mut self.flows[way as usize];
        let at = flow.offset(first);
        let is_again = flow.is_known && flow.has_syn && at == START;
        if self.is_closed && !(is_again && s.acknowledgement.is_some()) {
            return Opening::Another;
        }
        if is_again {
            return Opening::Same;
        }
        if !flow.is_known || (flow.has_syn && s.acknowledgement.is_some() && flow.is_unconfirmed()) {
            if !acknowledges_other {
                return Opening::Another;
            }
            flow.start(first);
            flow.has_syn = true;
            return Opening::Same;
        }
        if s.acknowledgement.is_some() && flow.has_syn {
            return if acknowledges_other { Opening::Same } else { Opening::Another };
        }
        if flow.has_syn || at > flow.next || at.saturating_add(REACH) < flow.next {
            return Opening::Another;
        }
        if !flow.has_data && flow.late.is_none() {
            // It was captured after a segment that acknowledges it.
            (flow.next, flow.has_syn) = (at, true);
        }
        Opening::Same
    }

    /// Whether a segment is of a connection that began after this one had been closed.
    pub(super) fn is_outlived_by(&self, way: Way, s: &Segment<'_>) -> bool {
        let flow = &self.flows[way as usize];
        if !flow.is_known {
            return false;
        }
        let at = flow.offset(s.sequence);
        at.saturating_add(REACH) < flow.next
            || at >= if self.reset_by.is_some() { flow.next.saturating_add(REACH) } else { flow.next }
    }

    /// Whether a segment with payload shows that a RST was none: who sent it goes on behind it. Middleboxes forge them,
    /// and systems ignore those that lack a signature. What the other one says may have been on its way; but systems
    /// ignore a RST, too, that is ahead of what they expect (RFC 5961), and then go on themselves.
    pub(super) fn outlives_reset(&self, way: Way, s: &Segment<'_>) -> bool {
        let (flow, Some(by)) = (&self.flows[way as usize], self.reset_by) else { return false };
        let (at, reset) = (flow.offset(s.sequence), &self.flows[by as usize]);
        let is_next = at == flow.next;
        flow.is_known && if by == way { is_next || at == reset.fin } else { is_next && reset.fin > reset.next }
    }

    /// Goes on behind such a RST, with what is known of both streams.
    pub(super) fn reopen(&mut self) {
        (self.is_closed, self.is_done, self.reset_by) = (false, false, None);
        self.peers.has_handshake &= !self.has_payload;
        for flow in &mut self.flows {
            (flow.fin, flow.is_over) = (u64::MAX, false);
        }
    }

    /// Everything but the opening: acknowledgement, payload and FIN.
    #[inline]
    pub(super) fn push(&mut self, way: Way, s: &Segment<'_>, sink: &mut A::Sink) {
        if self.is_irregular() {
            self.give_up(s.at, 1, (s.payload_len > 0).then_some(way), sink);
            if self.is_closed {
                return;
            }
        }
        if self.is_done {
            return self.skip(way, s, sink);
        }
        let acknowledged = match s.acknowledgement {
            Some(n) => {
                let other = way.other();
                self.flows[other as usize].acknowledge(n, other == Way::Back && self.peers.has_handshake, s.at)
            }
            None => None,
        };
        if s.payload_len > 0 || s.fin {
            self.payload(way, s, acknowledged, sink);
        }
    }

    /// Follows a connection that nobody looks at any more, for its end alone.
    fn skip(&mut self, way: Way, s: &Segment<'_>, sink: &mut A::Sink) {
        let flow = &mut self.flows[way as usize];
        if !flow.is_known {
            flow.start(s.sequence);
        }
        let end = flow.offset(s.sequence).saturating_add(u64::from(s.payload_len));
        if flow.is_near(end) {
            flow.next = flow.next.max(end);
            if s.fin {
                flow.fin = end;
                self.settle(s.at, sink);
            }
        }
    }

    fn payload(&mut self, way: Way, s: &Segment<'_>, acknowledged: Option<u64>, sink: &mut A::Sink) {
        let first = s.sequence.wrapping_add(u32::from(s.syn));
        let flow = &mut self.flows[way as usize];
        if !flow.is_known {
            flow.start(first);
        }
        let mut start = flow.offset(first);
        if !flow.is_near(start) {
            let Some(ahead) = flow.claim(start) else {
                return A::count(sink, Reason::SegmentDropped, 1);
            };
            self.flush(way, s.at, Lone::Byte, sink);
            self.lose(way, ahead, s.at, Lone::Byte, sink);
            start = ahead;
        }
        let mut part = Part {
            start,
            len: u64::from(s.payload_len),
            bytes: s.payload,
            at: s.at,
            acknowledged,
            begins_segment: true,
        };
        let flow = &mut self.flows[way as usize];
        if s.fin && flow.fin == u64::MAX {
            flow.note_fin(part.end());
        }
        if part.end() > flow.fin {
            part = part.take(flow.fin.saturating_sub(start));
            A::count(sink, Reason::SegmentDropped, 1);
        }
        if start < flow.next {
            // A single byte before everything is a keep-alive probe.
            if flow.has_data || flow.has_syn || part.len <= 1 || start < START - REACH {
                part = part.skip(flow.next - start);
            } else {
                flow.next = start;
            }
        }
        if part.len > 0 && !self.is_done {
            self.has_payload = true;
            self.place(way, part, sink);
        }
        if self.is_irregular() || s.fin {
            self.settle(s.at, sink);
        }
    }

    /// Gives a part to the application, or keeps it until its turn.
    #[inline]
    fn place(&mut self, way: Way, mut part: Part<'_>, sink: &mut A::Sink) {
        let flow = &mut self.flows[way as usize];
        if part.start == flow.next {
            let first = flow.late.as_mut().and_then(|l| {
                l.claim = None;
                l.first()
            });
            let n = first.map_or(part.len, |(start, _)| (start - part.start).min(part.len));
            if n > 0 && !self.deliver(way, &part.take(n), false, sink) {
                let read = self.flows[way.other() as usize].next;
                let late = self.flows[way as usize].late.get_or_insert_default();
                late.refused = Some(read);
                return late.add(part, 0);
            }
            part = part.skip(n);
        }
        if part.len > 0 && !self.is_done {
            let unneeded = self.app.unneeded(way);
            let late = self.flows[way as usize].late.get_or_insert_default();
            late.claim = None;
            late.add(part, unneeded);
        }
    }

    /// Gives the next bytes to the application; whether it took them.
    #[inline]
    fn deliver(&mut self, way: Way, part: &Part<'_>, is_last_offer: bool, sink: &mut A::Sink) -> bool {
        let may_wait = !is_last_offer && self.may_wait(way, part.acknowledged);
        let Part { start, len, bytes, at, acknowledged, begins_segment } = *part;
        if !bytes.is_empty() {
            let chunk = Chunk { offset: start, bytes, at, acknowledged, begins_segment, may_wait };
            if self.app.chunk(&self.peers, way, &chunk, sink) == Taken::Wait && may_wait {
                return false;
            }
        }
        let kept = bytes.len() as u64;
        if kept < len && !self.app.is_done() {
            let gap = Gap { offset: start + kept, len: len - kept, kind: GapKind::Unkept, at };
            self.app.gap(&self.peers, way, &gap, sink);
        }
        let flow = &mut self.flows[way as usize];
        flow.next = start + len;
        flow.has_data = true;
        if self.app.is_done() {
            self.is_done = true;
            for flow in &mut self.flows {
                flow.late = None;
            }
        }
        true
    }

    /// Whether the other stream is known to go on before what this acknowledges, and can.
    fn may_wait(&self, way: Way, acknowledged: Option<u64>) -> bool {
        let other = &self.flows[way.other() as usize];
        acknowledged.is_some_and(|a| a > other.next) && !other.is_over && !other.is_parked() && !other.was_given_up()
    }

    /// Whether a flow is not simply in order.
    #[inline]
    fn is_irregular(&self) -> bool {
        let [a, b] = &self.flows;
        a.late.is_some() || b.late.is_some() || a.fin != u64::MAX || b.fin != u64::MAX
    }

    /// Tells whatever can be told now, until nothing can.
    fn settle(&mut self, now: Timestamp, sink: &mut A::Sink) {
        while self.drain(Way::Forth, false, sink) | self.drain(Way::Back, false, sink) | self.end(now, sink) {}
        for flow in &mut self.flows {
            flow.tidy(now);
        }
        if self.flows.iter().all(|f| f.is_over) && !self.is_closed {
            self.close(Close::Ended, now, sink);
        }
    }

    /// Gives the pieces that have their turn; whether there were any.
    fn drain(&mut self, way: Way, is_last_offer: bool, sink: &mut A::Sink) -> bool {
        let mut has_moved = false;
        loop {
            let read = self.flows[way.other() as usize].next;
            let flow = &self.flows[way as usize];
            let Some(late) = &flow.late else { return has_moved };
            let Some((start, acknowledged)) = late.first() else { return has_moved };
            let is_last_offer = is_last_offer || !self.may_wait(way, acknowledged);
            if start != flow.next || (late.refused == Some(read) && !is_last_offer) {
                return has_moved;
            }
            let Some(piece) = self.flows[way as usize].late.as_mut().and_then(|l| l.pop(start)) else {
                return has_moved;
            };
            let is_taken = self.deliver(way, &piece.part(), is_last_offer, sink);
            if let Some(late) = &mut self.flows[way as usize].late {
                late.refused = (!is_taken).then_some(read);
                if !is_taken {
                    late.put_back(piece);
                    return has_moved;
                }
            }
            has_moved = true;
        }
    }

    /// Tells ends that have their turn; whether there were any.
    fn end(&mut self, now: Timestamp, sink: &mut A::Sink) -> bool {
        let mut has_moved = false;
        for way in [Way::Forth, Way::Back] {
            let flow = &mut self.flows[way as usize];
            let is_at_end = flow.next == flow.fin || (self.is_done && flow.fin != u64::MAX);
            if is_at_end && !flow.is_over {
                flow.is_over = true;
                has_moved = true;
                self.app.end(&self.peers, way, End::Fin, now, sink);
            }
        }
        has_moved
    }

    /// Gives up what will not come any more, after `segments` more segments of this connection, the last one with
    /// payload where `spoke` tells its way.
    pub(super) fn give_up(&mut self, now: Timestamp, segments: u32, spoke: Option<Way>, sink: &mut A::Sink) {
        for way in [Way::Forth, Way::Back] {
            let peer_spoke = spoke == Some(way.other());
            if let Some(to) = self.flows[way as usize].hopeless(now, segments, peer_spoke) {
                self.lose(way, to, now, Lone::Open, sink);
                self.settle(now, sink);
            }
        }
    }

    /// Gives up what the flow that holds the most waits for; whether it holds less then.
    pub(super) fn relieve(&mut self, now: Timestamp, sink: &mut A::Sink) -> bool {
        let before = self.cost();
        let way = if self.flows[0].cost() >= self.flows[1].cost() { Way::Forth } else { Way::Back };
        match self.flows[way as usize].late.as_ref().and_then(|l| l.first()) {
            Some((start, _)) => {
                self.lose(way, start, now, Lone::Byte, sink);
                self.drain(way, true, sink);
            }
            None => self.flush(way, now, Lone::Byte, sink),
        }
        if let Some(late) = &mut self.flows[way as usize].late {
            late.claim = None;
        }
        self.settle(now, sink);
        self.cost() < before
    }

    /// Tells that the bytes up to `to` are lost, if there are any.
    fn lose(&mut self, way: Way, to: u64, now: Timestamp, lone: Lone, sink: &mut A::Sink) {
        let has_peer_ended = self.flows[way.other() as usize].fin != u64::MAX;
        let flow = &mut self.flows[way as usize];
        let len = to.saturating_sub(flow.next);
        if len == 1 && lone != Lone::Byte && flow.may_have_ended() {
            match lone == Lone::Fin || has_peer_ended {
                true => flow.note_fin(flow.next),
                false => flow.give_up_lone(),
            }
        } else if len > 0 && !self.is_done {
            let gap = Gap { offset: flow.next, len, kind: GapKind::Lost, at: now };
            (flow.next, flow.has_data) = (to, true);
            self.app.gap(&self.peers, way, &gap, sink);
        }
    }

    /// Tells all of a flow that is known, with what is missing given up.
    fn flush(&mut self, way: Way, now: Timestamp, lone: Lone, sink: &mut A::Sink) {
        loop {
            self.drain(way, true, sink);
            let flow = &self.flows[way as usize];
            let fin = if flow.fin == u64::MAX { 0 } else { flow.fin };
            match flow.late.as_ref().and_then(|l| l.first()) {
                Some((start, _)) => self.lose(way, start, now, lone, sink),
                None => return self.lose(way, flow.acked.max(fin), now, lone, sink),
            }
        }
    }

    /// A RST: the end, where the receiver would believe it.
    pub(super) fn reset(&mut self, way: Way, s: &Segment<'_>, sink: &mut A::Sink) {
        if !self.believes_reset(way, s) {
            return;
        }
        self.reset_by = Some(way);
        self.flush_all(s.at, sink);
        let flow = &mut self.flows[way as usize];
        // For `outlives_reset`. One number ahead is a FIN that was not seen.
        flow.fin = match flow.offset(s.sequence) {
            at if flow.is_known && at > flow.next + 1 => at,
            _ => flow.next,
        };
        if !flow.is_over {
            flow.is_over = true;
            self.app.end(&self.peers, way, End::Reset, s.at, sink);
        }
        self.close(Close::Ended, s.at, sink);
    }

    /// RFC 9293, 3.5.2 and 3.5.3: in the window of what was received, or an answer to what was sent.
    fn believes_reset(&self, way: Way, s: &Segment<'_>) -> bool {
        let flow = &self.flows[way as usize];
        if flow.is_known {
            let at = flow.offset(s.sequence);
            let received = if flow.acked > 0 { flow.acked } else { flow.next.saturating_sub(RESET_WINDOW) };
            return (received..=flow.seen().max(flow.acked).saturating_add(RESET_WINDOW)).contains(&at);
        }
        let other = &self.flows[way.other() as usize];
        s.acknowledgement.is_some_and(|n| {
            other.is_known && (other.next.saturating_sub(REACH)..=other.next).contains(&other.offset(n))
        })
    }

    /// The connection is over for a reason that lies outside of it.
    pub(super) fn shut(&mut self, close: Close, now: Timestamp, sink: &mut A::Sink) {
        if !self.is_closed {
            self.flush_all(now, sink);
            self.end(now, sink);
            self.close(close, now, sink);
        }
    }

    fn flush_all(&mut self, now: Timestamp, sink: &mut A::Sink) {
        // What was refused waits for the other flow.
        let first = if self.flows[Way::Forth as usize].is_parked() { Way::Back } else { Way::Forth };
        self.flush(first, now, Lone::Fin, sink);
        self.flush(first.other(), now, Lone::Fin, sink);
    }

    /// The last call; what the application holds is freed.
    fn close(&mut self, close: Close, now: Timestamp, sink: &mut A::Sink) {
        self.is_closed = true;
        self.app.close(&self.peers, close, now, sink);
        self.app = A::default();
        for flow in &mut self.flows {
            flow.late = None;
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Timestamp, sink: &mut A::Sink) {
        if !self.is_done && !self.is_closed {
            self.app.tick(&self.peers, now, sink);
        }
    }

    /// Memory that waits for what comes before.
    pub(super) fn cost(&self) -> usize {
        self.flows[0].cost() + self.flows[1].cost()
    }

    /// Memory that the application holds.
    #[inline]
    pub(super) fn heap_bytes(&self) -> usize {
        self.app.heap_bytes()
    }

    /// Whether one of the flows lets more wait than it may.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.flows.iter().any(|f| f.is_full(bytes))
    }
}

/// What a single number is taken for that was acknowledged without having been seen, with nothing behind it: FIN takes
/// one, and single bytes are rarer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lone {
    /// An end where the peer has ended, too; else nothing, until more comes or the connection is over.
    Open,
    /// An end.
    Fin,
    /// A byte.
    Byte,
}

/// How far a RST may be ahead of everything seen: what a window holds that is not scaled.
const RESET_WINDOW: u64 = 1 << 16;
