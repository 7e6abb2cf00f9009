//! What a field of a log means, and the sink that puts values into a [`Record`].
//!
//! In: a [`Field`] and the text that a line holds for it. Out: the record. Where a line has several fields for one
//! place (`msec` and `time_iso8601`, two consumer headers), the one with the highest rank that has a value wins, and
//! among equals the first.

use std::sync::Arc;

use pitot_model::{Evidence, Protocol, Reason, Timestamp};

use super::{
    Skip, names,
    number::{self, Unit},
    record::{Record, Text},
    request::{self, Pick},
    ruled::Ruled,
    time::{self, Strftime},
};
use crate::{
    enrich::{BY_CHOICE, BY_USUAL, Telling},
    told::Tell,
};

/// The meaning of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) slot: Slot,
    /// Above zero; higher wins.
    pub(super) rank: u8,
    /// Of the slot.
    place: u8,
}

/// Where a value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    Skip,
    /// A moment in a common spelling; whether it is the start of the request.
    Time {
        start: bool,
    },
    /// A moment, or a part of one, in a pattern.
    Pattern {
        pattern: Arc<Strftime>,
        start: bool,
    },
    /// `2018-08-28`, whose time of day comes apart.
    Date,
    /// `18:24:25`, whose date comes apart.
    Clock,
    Client(Pick),
    User,
    Consumer(Evidence),
    /// What rules ask for.
    Ruled(Arc<Ruled>),
    /// Addresses behind proxies.
    Forwarded(Telling),
    /// A whole request line.
    Request,
    Method,
    Target,
    Query,
    Protocol,
    Host,
    /// A virtual host that the server wrote itself: what follows a colon is its port.
    VirtualHost,
    Service,
    Version,
    Status,
    RequestBytes,
    /// Where `-` stands for nothing known.
    ResponseBytes,
    /// Where `-` stands for zero (CLF).
    ClfBytes,
    Duration(Unit),
    /// A list of durations that add up.
    DurationSum(Unit),
    /// One of several times that make up the duration, all of which must be known.
    DurationPart(Unit),
    /// The same, and it passed before the first byte of the response.
    TtfbPart(Unit),
    Ttfb(Unit),
    Trace,
    Agent,
    /// The name of an operation of GraphQL.
    Operation,
    /// A header of the response that tells of deprecation or limits.
    Told(Tell),
    /// The name of the logger; others than Caddy's access logger repeat requests that it logs, too.
    Logger,
}

const PLACES: usize = 21;

/// The place of the consumer.
const CONSUMER: usize = 4;

/// The place of the method.
const METHOD: usize = 5;

/// The place of the target.
const TARGET: usize = 6;

/// Rank of the target in a whole request line: above a normalised path, below the target as it was sent.
const REQUEST_TARGET: u8 = 7;

impl Slot {
    /// What competes for one place of the record has one number.
    const fn place(&self) -> usize {
        match self {
            Self::Skip | Self::Request | Self::DurationPart(_) | Self::TtfbPart(_) | Self::Told(_) | Self::Logger => 0,
            Self::Time { .. } | Self::Pattern { .. } | Self::Date | Self::Clock => 1,
            Self::Client(_) => 2,
            Self::User => 3,
            Self::Consumer(_) | Self::Ruled(_) => CONSUMER,
            Self::Method => METHOD,
            Self::Target => TARGET,
            Self::Query => 7,
            Self::Protocol => 8,
            Self::Host | Self::VirtualHost => 9,
            Self::Service => 10,
            Self::Version => 11,
            Self::Status => 12,
            Self::RequestBytes => 13,
            Self::ResponseBytes | Self::ClfBytes => 14,
            Self::Duration(_) | Self::DurationSum(_) => 15,
            Self::Ttfb(_) => 16,
            Self::Trace => 17,
            Self::Agent => 18,
            Self::Forwarded(_) => 19,
            Self::Operation => 20,
        }
    }

    /// What people call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Skip => "(skipped)",
            Self::Time { .. } | Self::Pattern { .. } | Self::Date | Self::Clock => "time",
            Self::Client(_) => "client",
            Self::User => "user",
            Self::Consumer(_) | Self::Ruled(_) => "consumer",
            Self::Forwarded(_) => "addresses behind proxies",
            Self::Request => "request",
            Self::Method => "method",
            Self::Target => "target",
            Self::Query => "query",
            Self::Protocol => "protocol",
            Self::Host | Self::VirtualHost => "host",
            Self::Service => "service",
            Self::Version => "version",
            Self::Status => "status",
            Self::RequestBytes => "request bytes",
            Self::ResponseBytes | Self::ClfBytes => "bytes",
            Self::Duration(_) | Self::DurationSum(_) | Self::DurationPart(_) | Self::TtfbPart(_) => "duration",
            Self::Ttfb(_) => "time to first byte",
            Self::Trace => "trace id",
            Self::Agent => "user agent",
            Self::Operation => "operation",
            Self::Told(_) => "response header",
            Self::Logger => "logger",
        }
    }

    /// Whether its values may hold blanks after commas and colons.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Client(_) | Self::Forwarded(_) | Self::DurationSum(_) | Self::Told(_))
    }
}

impl Field {
    pub(super) const SKIP: Self = Self { slot: Slot::Skip, rank: 1, place: 0 };

    pub(super) const fn new(slot: Slot, rank: u8) -> Self {
        let place = slot.place() as u8;
        Self { slot, rank, place }
    }

    /// A line that holds something else at `at` where this field should stand.
    #[cold]
    pub(super) const fn misfit(&self, at: usize) -> Skip {
        let reason = if self.slot.place() == 1 { Reason::TimeUnreadable } else { Reason::LineMalformed };
        Skip { reason, field: self.slot.name(), at }
    }

    /// A line that ends where this field should stand.
    #[cold]
    pub(super) const fn cut(&self, at: usize) -> Skip {
        Skip { reason: Reason::LineCut, field: self.slot.name(), at }
    }
}

/// Fills one record from one line.
pub(super) struct Sink<'a, 'r> {
    pub(super) out: &'r mut Record<'a>,
    ranks: [u8; PLACES],
    days: Option<i64>,
    clock_us: Option<i64>,
    /// Sums of the parts of the duration and of those before the first byte; `None` once one was unknown.
    parts: Option<(u64, u64)>,
    has_parts: bool,
    has_ttfb: bool,
    unreadable: bool,
    /// Whether the line says itself that it is another kind of record.
    pub(super) is_foreign: bool,
}

impl<'a, 'r> Sink<'a, 'r> {
    pub(super) fn new(out: &'r mut Record<'a>) -> Self {
        Self {
            out,
            ranks: [0; PLACES],
            days: None,
            clock_us: None,
            parts: Some((0, 0)),
            has_parts: false,
            has_ttfb: false,
            unreadable: false,
            is_foreign: false,
        }
    }

    /// Takes the text that a line holds for a field. `false` when it cannot be what the field says.
    #[inline]
    pub(super) fn put(&mut self, field: &Field, text: Text<'a>) -> bool {
        let place = field.place as usize % PLACES;
        if place != 0 && (field.rank < self.ranks[place] || is_second(field, self.ranks[place])) {
            return true;
        }
        let taken = self.take(&field.slot, field.rank, text);
        if taken == Some(true) {
            self.ranks[place] = field.rank;
        }
        taken.is_some()
    }

    /// Takes a duration that was read already.
    #[inline]
    pub(super) fn put_duration(&mut self, field: &Field, us: u64) {
        let rank = &mut self.ranks[field.place as usize % PLACES];
        if *rank < field.rank {
            *rank = field.rank;
            self.out.duration_us = Some(us);
        }
    }

    /// `Some(true)` taken, `Some(false)` absent, `None` no such value.
    #[inline]
    fn take(&mut self, slot: &Slot, rank: u8, text: Text<'a>) -> Option<bool> {
        let raw = text.raw;
        if matches!(raw, [] | b"-") {
            match slot {
                Slot::ClfBytes => self.out.response_bytes = Some(0),
                Slot::Request | Slot::Method => self.unreadable = true,
                Slot::DurationPart(_) | Slot::TtfbPart(_) => self.parts = None,
                _ => {}
            }
            return Some(matches!(slot, Slot::ClfBytes));
        }
        let out = &mut *self.out;
        match slot {
            Slot::Skip => {}
            Slot::Time { start } => {
                out.time = Some(time::any(raw)?);
                out.time_is_start = *start;
            }
            Slot::Pattern { pattern, start } => {
                let parts = pattern.read(raw)?;
                self.days = parts.days.or(self.days);
                self.clock_us = parts.us.or(self.clock_us);
                out.time = parts.epoch_us.map(Timestamp::from_micros).or(out.time);
                out.time_is_start = *start;
                return Some(false);
            }
            Slot::Date => {
                self.days = Some(time::iso_date(raw)?);
                return Some(false);
            }
            Slot::Clock => {
                self.clock_us = Some(time::clock_time(raw)?);
                return Some(false);
            }
            Slot::Client(pick) => {
                let one = request::address(raw, *pick);
                out.client = Text { raw: one, ..text };
                return Some(!one.is_empty());
            }
            Slot::User => out.user = text,
            // Caddy and Traefik write this for what they keep to themselves.
            Slot::Consumer(_) if raw == b"REDACTED" => return Some(false),
            Slot::Consumer(evidence) => {
                (out.consumer, out.evidence) = (text, *evidence);
                out.way = if rank == names::CHOSEN { BY_CHOICE } else { BY_USUAL };
            }
            Slot::Ruled(ruled) => {
                self.take_ruled(ruled, text);
                return Some(false);
            }
            Slot::Forwarded(telling) => (out.forwarded, out.telling) = (text, *telling),
            Slot::Request => match request::split(text) {
                Some((method, target, protocol)) => {
                    if self.ranks[METHOD] < rank {
                        out.method = method;
                        self.ranks[METHOD] = rank;
                    }
                    let of_target = if rank < 5 { rank } else { REQUEST_TARGET };
                    if self.ranks[TARGET] < of_target {
                        out.target = target;
                        self.ranks[TARGET] = of_target;
                    }
                    if out.protocol == Protocol::Unknown {
                        out.protocol = protocol;
                    }
                }
                None => self.unreadable = true,
            },
            Slot::Method if request::is_method(raw) => out.method = text,
            Slot::Method => self.unreadable = true,
            Slot::Target => out.target = text,
            Slot::Query => out.query = Text { raw: raw.strip_prefix(b"?").unwrap_or(raw), ..text },
            Slot::Protocol => out.protocol = request::protocol(raw),
            Slot::Host => out.host = text,
            Slot::VirtualHost => out.host = Text { raw: request::without_port(raw), ..text },
            Slot::Service => out.service = text,
            Slot::Version => out.version = text,
            // Nothing was answered: Apache and IIS write zeros, HAProxy -1.
            Slot::Status if matches!(raw, b"0" | b"000" | b"-1") => return Some(false),
            Slot::Status => out.status = Some(number::status(raw)?),
            Slot::RequestBytes => out.request_bytes = Some(number::uint(raw)?),
            Slot::ResponseBytes | Slot::ClfBytes => out.response_bytes = Some(number::uint(raw)?),
            Slot::Duration(unit) => {
                out.duration_us = number::micros(raw, *unit);
                return Some(out.duration_us.is_some());
            }
            Slot::DurationSum(unit) => {
                out.duration_us = number::micros_sum(raw, *unit);
                return Some(out.duration_us.is_some());
            }
            Slot::DurationPart(unit) | Slot::TtfbPart(unit) => {
                let us = number::micros(raw, *unit);
                let early = matches!(slot, Slot::TtfbPart(_));
                self.has_parts = true;
                self.has_ttfb |= early;
                self.parts = self.parts.zip(us).map(|((all, ttfb), us)| {
                    (all.saturating_add(us), if early { ttfb.saturating_add(us) } else { ttfb })
                });
            }
            Slot::Ttfb(unit) => {
                out.ttfb_us = number::micros(raw, *unit);
                return Some(out.ttfb_us.is_some());
            }
            Slot::Trace => out.trace_id = text,
            Slot::Agent => out.user_agent = text,
            Slot::Operation => out.operation = text,
            Slot::Told(tell) => tell_of(out, *tell, text),
            Slot::Logger => self.is_foreign = raw.starts_with(b"http.") && !raw.starts_with(b"http.log.access"),
        }
        Some(true)
    }

    /// Takes the consumer by the first rule that finds one in the value, else by the usual order.
    fn take_ruled(&mut self, ruled: &Ruled, text: Text<'a>) {
        if text.raw == b"REDACTED" {
            return;
        }
        let [mut value, mut scratch] = [const { Vec::new() }; 2];
        let above = self.ranks[CONSUMER];
        let found =
            ruled.wanted.pick(text.decode(&mut value), above, &mut scratch).map(|f| (f.rank, f.way, f.evidence));
        let usual = || ruled.usual.filter(|(_, rank)| *rank > above).map(|(evidence, rank)| (rank, BY_USUAL, evidence));
        if let Some((rank, way, evidence)) = found.or_else(usual) {
            self.ranks[CONSUMER] = rank;
            (self.out.consumer, self.out.way, self.out.evidence) = (text, way, evidence);
        }
    }

    /// Completes what needs several fields.
    #[inline]
    pub(super) fn finish(self) {
        if let (None, Some(days), Some(us)) = (self.out.time, self.days, self.clock_us) {
            self.out.time = time::from_days(days, us);
        }
        if let (true, Some((all, ttfb))) = (self.has_parts, self.parts) {
            self.out.duration_us = Some(all);
            self.out.ttfb_us = if self.has_ttfb { Some(ttfb) } else { self.out.ttfb_us };
        }
        if self.unreadable && self.out.method.is_empty() {
            self.out.target = Text::default();
            self.out.query = Text::default();
        }
        if !self.out.query.is_empty() && self.out.target.raw.contains(&b'?') {
            self.out.query = Text::default();
        }
    }
}

/// Few logs have such fields, and few lines of those a value.
#[cold]
fn tell_of(out: &mut Record<'_>, tell: Tell, text: Text<'_>) {
    out.told.get_or_insert_default().add(tell, text.decode(&mut Vec::new()));
}

/// Whether a field of the same rank already gave its value. Halves of a moment do not compete.
const fn is_second(field: &Field, rank: u8) -> bool {
    field.rank == rank && !matches!(field.slot, Slot::Date | Slot::Clock | Slot::Pattern { .. })
}
