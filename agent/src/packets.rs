//! From captured frames to transactions: the whole way of packets through the agent, on one thread.
//!
//! In: [`Frame`]s in the order of the capture, and time. Out: every exchange with its transaction, to a [`Visit`]or; what
//! was skipped or lost, as [`Coverage`]; what is open, as [`Gauges`]. Nothing is allocated per packet or per ordinary
//! transaction.

mod clock;
mod local;

use std::sync::Arc;

use pitot_model::{Coverage, Gauges, Reason, TimeRange, Timestamp, Transaction};

use self::clock::Clock;
pub use self::local::{Local, Network, NetworkError};
use crate::{
    decode::{Decoder, Frame},
    enrich::{Enricher, Numbers, Settings},
    http::{self, Exchange, Sink},
    parse::Counts,
    tcp::{self, Tracker},
    window::Batch,
};

/// Who gets the transactions.
pub trait Visit {
    /// An exchange and its transaction. The numbers stand for its names.
    fn visit(&mut self, exchange: &Exchange<'_>, transaction: &Transaction<'_>, numbers: Numbers);
}

/// Adds them up.
impl Visit for Batch {
    fn visit(&mut self, _: &Exchange<'_>, transaction: &Transaction<'_>, numbers: Numbers) {
        self.push_numbered(transaction, true, numbers);
    }
}

/// How packets are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which addresses are those of the monitored host.
    pub local: Local,
    /// Ports of the servers that are of interest; empty for all.
    pub ports: Vec<u16>,
    /// Transactions that end in this range are wanted.
    pub range: TimeRange,
    /// What the reader of HTTP may keep, and how long it waits.
    pub http: http::Limits,
    /// Random number; see [`tcp::Limits::seed`].
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            local: Local::default(),
            ports: Vec::new(),
            range: TimeRange::ALL,
            http: http::Limits::default(),
            seed: 0,
        }
    }
}

/// Frames in, transactions out.
pub struct Packets<V: Visit> {
    decoder: Decoder,
    tracker: Tracker<http::Connection<Desk<V>>>,
    desk: Desk<V>,
    ports: Vec<u16>,
    clock: Clock,
    packets: u64,
    bytes: u64,
}

impl<V: Visit> Packets<V> {
    /// Gives all transactions to this visitor.
    pub fn new(settings: Arc<Settings>, options: Options, visitor: V) -> Self {
        let Options { local, ports, range, http, seed } = options;
        let consumers = settings.consumers.clone();
        Self {
            decoder: Decoder::default(),
            tracker: Tracker::new(tcp::Limits { seed, ..tcp::Limits::default() }),
            desk: Desk {
                enricher: Enricher::new(settings),
                local,
                range,
                limits: http::Limits { consumers: Some(consumers), ..http },
                counts: Counts::default(),
                requests: 0,
                streams: 0,
                visitor,
            },
            ports,
            clock: Clock::default(),
            packets: 0,
            bytes: 0,
        }
    }

    /// The next frame.
    #[inline]
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.packets += 1;
        self.bytes += frame.bytes.len() as u64;
        if self.clock.is_due(frame.at, || self.tracker.connections()) {
            self.tick(frame.at);
        }
        match self.decoder.decode(frame) {
            Ok(Some(segment)) => {
                let is_wanted = |port| self.ports.contains(&port);
                if self.ports.is_empty() || is_wanted(segment.source.port) || is_wanted(segment.destination.port) {
                    self.tracker.push(&segment, &mut self.desk);
                }
            }
            Ok(None) => {}
            Err(reason) => self.desk.counts.add(reason, 1),
        }
    }

    /// Time has passed. [`Packets::push`] takes it from the frames; this is for when none come.
    pub fn tick(&mut self, now: Timestamp) {
        self.clock.tick(now);
        self.tracker.tick(now, &mut self.desk);
        self.desk.counts.add(Reason::PacketFragment, self.decoder.take_lost_fragments());
    }

    /// The capture is over: what is open ends here.
    pub fn finish(&mut self) {
        self.tracker.finish(&mut self.desk);
        self.desk.counts.add(Reason::PacketFragment, self.decoder.finish());
    }

    /// Counts what was lost before it came here.
    pub fn count(&mut self, reason: Reason, n: u64) {
        self.desk.counts.add(reason, n);
    }

    /// What was read and lost since the last call. Transactions are the visitor's to count.
    pub fn take_coverage(&mut self) -> Coverage {
        let mut coverage = Coverage {
            packets_read: std::mem::take(&mut self.packets),
            bytes_read: std::mem::take(&mut self.bytes),
            ..Coverage::default()
        };
        self.desk.counts.move_to(&mut coverage);
        coverage
    }

    /// What is open now.
    pub fn gauges(&self) -> Gauges {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Gauges {
            requests_in_flight: count(self.desk.requests),
            streams_open: count(self.desk.streams),
            connections: self.tracker.connections() as u64,
            buffered_bytes: self.tracker.buffered_bytes() as u64,
        }
    }

    /// Gives the visitor back.
    pub fn into_visitor(self) -> V {
        self.desk.visitor
    }

    /// Who gets the transactions.
    pub fn visitor(&mut self) -> &mut V {
        &mut self.desk.visitor
    }
}

impl Packets<Batch> {
    /// The batch so far, with its coverage; `empty` takes its place, its memory to be used again.
    pub fn take_batch(&mut self, mut empty: Batch) -> Batch {
        empty.clear();
        let coverage = self.take_coverage();
        // The numbers of the batch that begins now may mean something else.
        self.desk.enricher.make_room();
        let mut batch = std::mem::replace(&mut self.desk.visitor, empty);
        batch.coverage.merge(&coverage);
        batch
    }

    /// From now on, names are told by these settings.
    pub(crate) fn set(&mut self, settings: Arc<Settings>) {
        self.desk.limits.consumers = Some(settings.consumers.clone());
        self.desk.enricher = Enricher::new(settings);
        self.desk.visitor.forget_numbers();
    }

    /// Goes on with a batch that was taken.
    pub(crate) fn put_back(&mut self, mut batch: Batch) {
        // The enricher may have made room since.
        batch.forget_numbers();
        self.desk.visitor = batch;
    }
}

/// Where exchanges arrive, and become transactions.
struct Desk<V> {
    enricher: Enricher,
    local: Local,
    range: TimeRange,
    limits: http::Limits,
    counts: Counts,
    requests: i64,
    streams: i64,
    visitor: V,
}

impl<V: Visit> Sink for Desk<V> {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let direction = self.local.direction(exchange.client.ip, exchange.server.ip);
        let (transaction, numbers) = match self.enricher.enrich_exchange(exchange, direction) {
            Ok(enriched) => enriched,
            Err(reason) => return self.counts.add(reason, 1),
        };
        if self.range != TimeRange::ALL && !self.range.contains(transaction.timing.ended()) {
            return self.counts.add(Reason::OutOfRange, 1);
        }
        self.visitor.visit(exchange, &transaction, numbers);
    }

    fn count(&mut self, reason: Reason, n: u64) {
        self.counts.add(reason, n);
    }

    fn in_flight(&mut self, requests: i64, streams: i64) {
        self.requests += requests;
        self.streams += streams;
    }

    fn limits(&self) -> &http::Limits {
        &self.limits
    }
}
