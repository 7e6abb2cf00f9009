//! The table of connections: finds the one of a segment, opens and forgets them.
//!
//! In: segments, time. Out: calls of one [`Application`] per connection. The same segments give the same calls,
//! whatever the seed of the hash. Memory is bounded by [`Limits`].

use std::{collections::BTreeSet, time::Duration};

use hashbrown::HashTable;
use pitot_model::{Reason, Timestamp};

use super::{
    Application, Close, Peers, Way,
    connection::{Connection, Opening},
    hash::Keys,
    slots::{Queue, Slots},
};
use crate::{budget, decode::Segment};

/// What strangers can make a tracker hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, at least one.
    pub connections: usize,
    /// Silence after which a connection is forgotten.
    pub idle: Duration,
    /// Bytes of one flow that wait for what comes before them.
    pub flow_bytes: usize,
    /// Bytes of all flows that do.
    pub bytes: usize,
    /// Bytes that all applications hold.
    pub heap_bytes: usize,
    /// Random number that keeps strangers from choosing connections that share a place in the table. It changes no
    /// result.
    pub seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: budget::CONNECTIONS,
            idle: Duration::from_secs(600),
            flow_bytes: budget::LATE_FLOW_BYTES,
            bytes: budget::LATE_BYTES,
            heap_bytes: budget::READER_BYTES,
            seed: 0,
        }
    }
}

/// Follows all connections.
pub struct Tracker<A: Application> {
    limits: Limits,
    keys: Keys,
    table: HashTable<u32>,
    slots: Slots<Slot<A>>,
    /// Connections that hold late bytes, by when they began to.
    late: BTreeSet<(u64, u32)>,
    /// Connections that ever did.
    lates: u64,
    /// Memory of late bytes.
    late_bytes: usize,
    /// Memory that applications hold.
    heap_bytes: usize,
    /// The latest time.
    now: Timestamp,
    /// Time of the latest tick.
    ticked: Timestamp,
}

pub(super) struct Slot<A> {
    connection: Connection<A>,
    /// Place in `late`; zero without.
    late: u64,
    /// What it adds to `late_bytes`.
    cost: u32,
    /// What it adds to `heap_bytes`.
    heap_bytes: u32,
}

impl<A: Application> Tracker<A> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            keys: Keys::new(limits.seed),
            limits,
            table: HashTable::new(),
            slots: Slots::default(),
            late: BTreeSet::new(),
            lates: 0,
            late_bytes: 0,
            heap_bytes: 0,
            now: Timestamp::EPOCH,
            ticked: Timestamp::EPOCH,
        }
    }

    /// The next segment, in the order of the capture.
    pub fn push(&mut self, segment: &Segment<'_>, sink: &mut A::Sink) {
        self.pass(segment.at);
        let hash = self.keys.hash(&segment.source, &segment.destination);
        let (slots, mut way) = (&self.slots, None);
        let found = self.table.find(hash, |&i| {
            way = slots[i].connection.way(segment);
            way.is_some()
        });
        let (Some(&idx), Some(way)) = (found, way) else {
            if let Some((peers, way)) = opening(segment) {
                let idx = self.admit(hash, peers, segment.at, sink);
                self.follow(idx, way, segment, sink);
            }
            return;
        };
        let connection = &mut self.slots[idx].connection;
        if connection.is_closed && begins(segment) && !segment.syn && connection.outlives_reset(way, segment) {
            connection.reopen();
        }
        if segment.syn && connection.open(way, segment) == Opening::Another
            || connection.is_closed && begins(segment) && !segment.syn && connection.is_outlived_by(way, segment)
        {
            connection.shut(Close::Replaced, segment.at, sink);
            self.account(idx);
            let Some((peers, way)) = opening(segment) else { return };
            self.slots[idx].connection = Connection::new(peers, segment.at);
            self.slots.touch(idx, Queue::New);
            return self.follow(idx, way, segment, sink);
        }
        self.follow(idx, way, segment, sink);
    }

    /// Time has passed: to be called about once a second of the capture's time.
    ///
    /// A leap is believed when the next tick does not go back behind it: captures hold packets with wrong times.
    pub fn tick(&mut self, now: Timestamp, sink: &mut A::Sink) {
        self.pass(now);
        let ticked = std::mem::replace(&mut self.ticked, now);
        let now = if now.since(ticked) > LEAP { ticked.min(now) } else { now };
        for queue in Queue::ALL {
            let silence = if queue == Queue::Over { LINGER } else { self.limits.idle };
            while let Some(idx) = self.slots.oldest(queue) {
                let connection = &mut self.slots[idx].connection;
                // Time that went back must not keep it for ever.
                connection.last = connection.last.min(self.now);
                if now.since(connection.last) < silence {
                    break;
                }
                self.forget(idx, Close::Idle, sink);
            }
        }
        let late: Vec<u32> = self.late.iter().map(|&(_, idx)| idx).collect();
        for idx in late {
            self.slots[idx].connection.give_up(self.now, 0, None, sink);
            self.account(idx);
        }
        for idx in 0..self.slots.bound() {
            if let Some(Queue::Busy | Queue::Laden) = self.slots.queue(idx) {
                self.slots[idx].connection.tick(now, sink);
                self.weigh(idx);
            }
        }
    }

    /// The capture is over: tells everything that is known, and closes all connections, those without news first.
    pub fn finish(&mut self, sink: &mut A::Sink) {
        for queue in Queue::ALL {
            while let Some(idx) = self.slots.oldest(queue) {
                self.forget(idx, Close::EndOfCapture, sink);
            }
        }
    }

    /// How many are followed.
    pub fn connections(&self) -> usize {
        [Queue::New, Queue::Busy, Queue::Laden].map(|q| self.slots.len(q)).iter().sum()
    }

    /// Memory that waits for bytes that come before, or that applications hold.
    pub fn buffered_bytes(&self) -> usize {
        self.late_bytes + self.heap_bytes
    }

    /// Notes the time, which may go back where captures were joined.
    fn pass(&mut self, at: Timestamp) {
        if at > self.now || self.now.since(at) > BACKWARDS {
            self.now = at;
        }
    }

    /// Makes room for a connection.
    fn admit(&mut self, hash: u64, peers: Peers, at: Timestamp, sink: &mut A::Sink) -> u32 {
        while self.table.len() >= self.limits.connections.max(1) {
            let Some((idx, queue)) = Queue::ALL.iter().find_map(|&q| Some((self.slots.oldest(q)?, q))) else { break };
            if queue != Queue::Over {
                A::count(sink, Reason::ConnectionEvicted, 1);
            }
            self.forget(idx, Close::Evicted, sink);
        }
        let slot = Slot { connection: Connection::new(peers, at), late: 0, cost: 0, heap_bytes: 0 };
        let idx = self.slots.insert(slot, Queue::New);
        let (slots, keys) = (&self.slots, &self.keys);
        self.table.insert_unique(hash, idx, |&i| {
            let p = &slots[i].connection.peers;
            keys.hash(&p.opener, &p.other)
        });
        idx
    }

    /// Hands a segment to its connection.
    fn follow(&mut self, idx: u32, way: Way, segment: &Segment<'_>, sink: &mut A::Sink) {
        let slot = &mut self.slots[idx];
        let connection = &mut slot.connection;
        if connection.is_closed {
            return;
        }
        // Where nobody else said anything there was no tick. A single packet may have a time that lies back.
        let silence = segment.at.since(connection.last);
        connection.last = connection.last.max(segment.at);
        if silence >= TICK && segment.payload_len > 0 {
            connection.tick(segment.at, sink);
        }
        if segment.rst {
            connection.reset(way, segment, sink);
        } else {
            if segment.syn {
                connection.open(way, segment);
            }
            connection.push(way, segment, sink);
        }
        let is_accountable = slot.late > 0 || connection.cost() > 0;
        let is_weighty = segment.payload_len > 0 || is_accountable || connection.is_closed;
        let held = if is_weighty { self.weigh(idx) } else { slot.heap_bytes as usize };
        let connection = &self.slots[idx].connection;
        let queue = match (connection.is_closed, connection.has_payload) {
            (true, _) => Queue::Over,
            (false, true) if held < budget::READER_MUCH_BYTES => Queue::Busy,
            (false, true) => Queue::Laden,
            (false, false) => Queue::New,
        };
        self.slots.touch(idx, queue);
        if is_accountable {
            self.relieve(idx, segment.at, sink);
        }
        if self.heap_bytes > self.limits.heap_bytes {
            self.unload(sink);
        }
        if queue == Queue::Over && self.slots.len(Queue::Over) > (self.limits.connections / 8).max(1) {
            self.forget_oldest_over(sink);
        }
    }

    fn forget_oldest_over(&mut self, sink: &mut A::Sink) {
        if let Some(idx) = self.slots.oldest(Queue::Over) {
            self.forget(idx, Close::Ended, sink);
        }
    }

    /// Holds the limits of late bytes: those of the flow, then those of all, the oldest first.
    fn relieve(&mut self, idx: u32, now: Timestamp, sink: &mut A::Sink) {
        let connection = &mut self.slots[idx].connection;
        while connection.is_full(self.limits.flow_bytes) && connection.relieve(now, sink) {}
        self.account(idx);
        while self.late_bytes > self.limits.bytes
            && let Some(&(_, oldest)) = self.late.first()
            && self.slots[oldest].connection.relieve(now, sink)
        {
            self.account(oldest);
        }
    }

    /// Brings the sums up to date with what a connection holds, and its queue with whether it is closed.
    fn account(&mut self, idx: u32) {
        self.weigh(idx);
        let slot = &mut self.slots[idx];
        let cost = u32::try_from(slot.connection.cost()).unwrap_or(u32::MAX);
        self.late_bytes = self.late_bytes - slot.cost as usize + cost as usize;
        slot.cost = cost;
        if cost > 0 && slot.late == 0 {
            self.lates += 1;
            slot.late = self.lates;
            self.late.insert((slot.late, idx));
        } else if cost == 0 && slot.late > 0 {
            self.late.remove(&(slot.late, idx));
            slot.late = 0;
        }
        if slot.connection.is_closed && self.slots.queue(idx) != Some(Queue::Over) {
            self.slots.touch(idx, Queue::Over);
        }
    }

    /// Brings the sum up to date with what the application of a connection holds, and tells that.
    #[inline]
    fn weigh(&mut self, idx: u32) -> usize {
        let slot = &mut self.slots[idx];
        let held = u32::try_from(slot.connection.heap_bytes()).unwrap_or(u32::MAX);
        if held != slot.heap_bytes {
            self.heap_bytes = self.heap_bytes - slot.heap_bytes as usize + held as usize;
            slot.heap_bytes = held;
        }
        held as usize
    }

    /// Forgets connections until the applications hold no more than they may: those that hold much, then any.
    #[cold]
    fn unload(&mut self, sink: &mut A::Sink) {
        while self.heap_bytes > self.limits.heap_bytes
            && let Some(idx) = self.slots.oldest(Queue::Laden).or_else(|| self.slots.oldest(Queue::Busy))
        {
            if self.slots.queue(idx) == Some(Queue::Laden) && self.weigh(idx) < budget::READER_MUCH_BYTES {
                // It was, until the latest tick.
                self.slots.touch(idx, Queue::Busy);
                continue;
            }
            A::count(sink, Reason::ConnectionEvicted, 1);
            self.forget(idx, Close::Evicted, sink);
        }
    }

    /// Closes a connection, if it is not, and frees its place.
    fn forget(&mut self, idx: u32, close: Close, sink: &mut A::Sink) {
        let connection = &mut self.slots[idx].connection;
        connection.shut(close, self.now, sink);
        let hash = self.keys.hash(&connection.peers.opener, &connection.peers.other);
        self.account(idx);
        if let Ok(entry) = self.table.find_entry(hash, |&i| i == idx) {
            entry.remove();
        }
        self.slots.remove(idx);
    }
}

impl<A: Application> Connection<A> {
    /// Which way a segment goes, if it is of this connection.
    fn way(&self, s: &Segment<'_>) -> Option<Way> {
        let Peers { opener, other, .. } = &self.peers;
        if s.source == *opener && s.destination == *other {
            Some(Way::Forth)
        } else if s.source == *other && s.destination == *opener {
            Some(Way::Back)
        } else {
            None
        }
    }
}

/// Whether a segment is worth a connection of its own: it opens one, or brings payload. A single byte is a keep-alive
/// probe; an acknowledgement or an end says nothing of a connection that is not known.
fn begins(s: &Segment<'_>) -> bool {
    !s.rst && (s.syn || s.payload_len > 1)
}

/// The peers of the connection that a segment begins, if it does, and which way it goes.
fn opening(s: &Segment<'_>) -> Option<(Peers, Way)> {
    let (opener, other, way) = match s.syn && s.acknowledgement.is_some() {
        true => (s.destination, s.source, Way::Back),
        false => (s.source, s.destination, Way::Forth),
    };
    begins(s).then_some((Peers { opener, other, has_handshake: s.syn }, way))
}

/// How long a closed connection is remembered, so that late copies of its segments begin nothing: as systems do.
const LINGER: Duration = Duration::from_secs(60);

/// How long a connection may be silent before time passes for it, whatever the ticks of all: about the time between those.
const TICK: Duration = Duration::from_secs(1);

/// How far time may go ahead at once without being doubted.
const LEAP: Duration = Duration::from_secs(60);

/// How far time may go back before it counts as having been set back.
const BACKWARDS: Duration = Duration::from_secs(10);
