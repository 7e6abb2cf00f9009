//! Transactions of one piece of input, with their names told apart once: what crosses from parsing to aggregation.
//!
//! In: transactions. Out: rows of numbers and small dictionaries. It is reused from piece to piece.

use hashbrown::{DefaultHashBuilder, HashTable};
use pitot_model::{Consumer, Coverage, Evidence, Marks, Reason, Sketch, Status, Transaction};
use std::hash::BuildHasher;

use crate::enrich::{Number, Numbers, Tally, is_cut};

/// A duration that is not known.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// A moment that is not known.
pub(super) const NO_TIME: i64 = i64::MIN;

/// One transaction in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Microseconds since the epoch, or [`NO_TIME`].
    pub ended_us: i64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Index into the batch's routes.
    pub route: u32,
    /// Index into the batch's consumers.
    pub consumer: u32,
    /// At most [`Sketch::MAX_US`], or [`UNKNOWN`].
    pub duration_us: u32,
    /// Likewise.
    pub ttfb_us: u32,
    pub status: Status,
}

/// Transactions, and what became of the lines that are none.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) rows: Vec<Row>,
    /// What rows show beside their numbers, by the index of the row, in that order; few have anything.
    pub(super) marks: Vec<(u32, Marks)>,
    pub(super) resources: Names,
    /// Keys are resource (4 bytes), method, 0, shape.
    pub(super) routes: Names,
    /// Keys are evidence (1 byte), name, 0, group.
    pub(super) consumers: Names,
    /// Lines, bytes, and why lines are no rows.
    pub coverage: Coverage,
    /// The first line that the format does not fit.
    pub invalid: Option<Invalid>,
    /// Lines that the format does not fit, each with its newline; kept only when asked for.
    pub rejected: Vec<u8>,
    key: Vec<u8>,
    last_resource: u32,
    /// By the enricher's number: the resource and the route of the latest transaction with it.
    route_of: Vec<(u32, u32)>,
    /// By the enricher's number: the consumer.
    consumer_of: Vec<u32>,
}

/// What is not known of a number yet.
const UNSEEN: u32 = u32::MAX;

/// A line that could not be read, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Number of the line in its source, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
    /// The field that failed.
    pub field: &'static str,
    /// Byte of the line at which it failed.
    pub at: usize,
    /// Beginning of the line, with what may be secret masked and control characters replaced.
    pub excerpt: String,
}

impl Batch {
    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.marks.clear();
        self.resources.clear();
        self.routes.clear();
        self.consumers.clear();
        self.forget_numbers();
        self.coverage = Coverage::default();
        self.invalid = None;
        self.rejected.clear();
    }

    /// Every route of every service as it was read, with how often it came: what routes are learned from.
    pub fn shapes(&self) -> Vec<(&str, &str, &str, Tally)> {
        let mut tallies = vec![Tally::default(); self.routes.iter().count()];
        for row in &self.rows {
            let tally = &mut tallies[row.route as usize];
            tally.count += 1;
            tally.missing += u64::from([404, 405, 410].map(Status::code).contains(&row.status));
        }
        let names = self.routes.iter().map(|key| {
            let (resource, method, shape) = split_route(key);
            (self.resources.get(resource).map_or("", |key| split_resource(key).0), method, shape)
        });
        names.zip(tallies).map(|((service, method, shape), tally)| (service, method, shape, tally)).collect()
    }

    /// Forgets the transactions, and counts them as dropped.
    pub(crate) fn drop_rows(&mut self) {
        let (dropped, mut coverage) = (self.len() as u64, std::mem::take(&mut self.coverage));
        coverage.add(Reason::BatchDropped, dropped);
        self.clear();
        self.coverage = coverage;
    }

    /// Transactions in it.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no transaction in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a transaction; without a time it counts in totals and in no window.
    pub fn push(&mut self, t: &Transaction<'_>, has_time: bool) {
        self.push_numbered(t, has_time, Numbers { route: Number::NONE, consumer: Number::NONE });
    }

    /// Forgets what numbers stand for: those that follow come from another enricher, or it has made room.
    pub(crate) fn forget_numbers(&mut self) {
        self.route_of.clear();
        self.consumer_of.clear();
    }

    /// The same as [`Batch::push`], without a look at names whose numbers came before.
    #[inline]
    pub(crate) fn push_numbered(&mut self, t: &Transaction<'_>, has_time: bool, numbers: Numbers) {
        let resource = self.resource(t);
        let route = match self.route_of.get(numbers.route.0 as usize) {
            Some(&(of, route)) if of == resource && route != UNSEEN => route,
            _ => self.route(t, resource, numbers.route),
        };
        let consumer = match self.consumer_of.get(numbers.consumer.0 as usize) {
            Some(&consumer) if consumer != UNSEEN => consumer,
            _ => self.consumer(t, numbers.consumer),
        };
        if is_cut(t.consumer) || is_cut(t.service) {
            self.coverage.add(Reason::NameCut, 1);
        }
        let (duration, ttfb) = (t.timing.duration(), t.timing.ttfb());
        let row = Row {
            ended_us: if has_time { t.timing.ended().as_micros() } else { NO_TIME },
            request_bytes: t.request_bytes,
            response_bytes: t.response_bytes,
            route,
            consumer,
            duration_us: self.clip(duration),
            ttfb_us: self.clip(ttfb),
            status: t.status,
        };
        if !t.marks.is_empty() {
            self.marks.push((self.rows.len() as u32, t.marks));
        }
        self.rows.push(row);
    }

    /// Nearly all transactions of a piece are of the same resource as the one before.
    #[inline]
    fn resource(&mut self, t: &Transaction<'_>) -> u32 {
        let (service, version) = (t.service.as_bytes(), t.version.as_bytes());
        let last = self.resources.get(self.last_resource).and_then(|key| key.strip_prefix(service));
        let last_version = last.and_then(|rest| rest.strip_prefix(b"\0"));
        // No comparison of nothing with nothing: where "" lies, no memory is, and `memcmp` may take very long to find out.
        if !last_version.is_some_and(|last| last.len() == version.len() && (last.is_empty() || last == version)) {
            self.key.clear();
            self.key.extend_from_slice(service);
            self.key.push(0);
            self.key.extend_from_slice(version);
            self.last_resource = self.resources.intern(&self.key);
        }
        self.last_resource
    }

    fn route(&mut self, t: &Transaction<'_>, resource: u32, number: Number) -> u32 {
        self.key.clear();
        self.key.extend_from_slice(&resource.to_le_bytes());
        self.key.extend_from_slice(t.method.as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(t.route.as_bytes());
        let route = self.routes.intern(&self.key);
        note(&mut self.route_of, number, (resource, route), (UNSEEN, UNSEEN));
        route
    }

    fn consumer(&mut self, t: &Transaction<'_>, number: Number) -> u32 {
        self.key.clear();
        self.key.push(t.evidence as u8);
        self.key.extend_from_slice(t.consumer.as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(t.group.as_bytes());
        let consumer = self.consumers.intern(&self.key);
        note(&mut self.consumer_of, number, consumer, UNSEEN);
        consumer
    }

    #[inline]
    fn clip(&mut self, duration: Option<std::time::Duration>) -> u32 {
        let Some(duration) = duration else { return UNKNOWN };
        match duration.as_micros() {
            us if us <= u128::from(Sketch::MAX_US) => us as u32,
            _ => {
                self.coverage.add(Reason::DurationClipped, 1);
                Sketch::MAX_US as u32
            }
        }
    }
}

/// Keeps what a number stands for.
fn note<T: Copy>(of: &mut Vec<T>, number: Number, value: T, unseen: T) {
    if number == Number::NONE {
        return;
    }
    let at = number.0 as usize;
    if at >= of.len() {
        of.resize(at + 1, unseen);
    }
    of[at] = value;
}

/// Byte strings numbered in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// End of each name in `bytes`.
    ends: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Names {
    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        let hash = hasher.hash_one(name);
        if let Some(&id) = self.index.find(hash, |&id| slice(bytes, ends, id) == name) {
            return id;
        }
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len() as u32);
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.index.insert_unique(hash, id, |&id| hasher.hash_one(slice(bytes, ends, id)));
        id
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        self.index.find(hash, |&id| slice(&self.bytes, &self.ends, id) == name).copied()
    }

    pub(super) fn get(&self, id: u32) -> Option<&[u8]> {
        ((id as usize) < self.ends.len()).then(|| slice(&self.bytes, &self.ends, id))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).map(|id| slice(&self.bytes, &self.ends, id))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.index.clear();
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[u32], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] as usize };
    &bytes[start..ends[id] as usize]
}

/// The resource and the rest of a route's key, as [`Batch::route`] wrote it.
pub(super) fn split_route(key: &[u8]) -> (u32, &str, &str) {
    let (resource, rest) = key.split_first_chunk().unwrap_or((&[0; 4], b""));
    let at = memchr::memchr(0, rest).unwrap_or(rest.len());
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    (u32::from_le_bytes(*resource), text(&rest[..at]), text(rest.get(at + 1..).unwrap_or_default()))
}

/// The service and version of a resource's key.
pub(super) fn split_resource(key: &[u8]) -> (&str, &str) {
    std::str::from_utf8(key).unwrap_or_default().split_once('\0').unwrap_or_default()
}

/// The consumer of a key.
pub(super) fn split_consumer(key: &[u8]) -> Consumer {
    let (&first, rest) = key.split_first().unwrap_or((&0, b""));
    let evidence = Evidence::ALL.into_iter().find(|e| *e as u8 == first).unwrap_or_default();
    let (name, group) = std::str::from_utf8(rest).unwrap_or_default().split_once('\0').unwrap_or_default();
    Consumer::new(name, evidence).in_group(group)
}
