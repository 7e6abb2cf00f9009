//! Which stretch of time is on screen. In: how far the data goes, and keys. Out: a range to ask for, and its mark.
//!
//! The end of the range follows the data ([`Travel::is_live`]) until someone travels back or freezes the screen. It is
//! the collector's data that counts and not the clock: a log file of last winter is shown where it is.

use std::{fmt, str::FromStr, time::Duration};

use pitot_model::{TimeRange, Timestamp, api::CollectorStatus, parse_duration};

use crate::number;

/// Length of time on screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So long, up to the newest data or where one travelled to.
    Last(Duration),
    /// Everything that the collector keeps.
    All,
}

/// What `+` and `-` step through; `All` comes behind the last.
const STEPS_MIN: [u64; 6] = [5, 15, 60, 360, 1_440, 10_080];
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

impl Default for Span {
    fn default() -> Self {
        Self::Last(Duration::from_secs(15 * 60))
    }
}

impl Span {
    /// The next longer one; everything, where that is not longer than the data.
    fn longer(self, held: Option<Duration>) -> Self {
        let steps = STEPS_MIN.map(|m| Duration::from_secs(m * 60));
        match self {
            Self::All => Self::All,
            Self::Last(d) => {
                let next = steps.into_iter().find(|s| *s > d).filter(|s| held.is_none_or(|held| *s < held));
                next.map_or(Self::All, Self::Last)
            }
        }
    }

    /// The next shorter one that shows less of the data than now.
    fn shorter(self, held: Option<Duration>) -> Self {
        let shown = match self {
            Self::All => held.unwrap_or(Duration::MAX),
            Self::Last(d) => held.map_or(d, |held| held.min(d)),
        };
        let mut steps = STEPS_MIN.map(|m| Duration::from_secs(m * 60)).into_iter().rev();
        steps.find(|s| *s < shown).map_or(self, Self::Last)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(d) if d.as_secs() == 60 => f.write_str("1m"),
            Self::Last(d) if d.as_secs() == 3_600 => f.write_str("1h"),
            Self::Last(d) if d.as_secs() == 86_400 => f.write_str("1d"),
            Self::Last(d) => f.write_str(&number::span(*d)),
            Self::All => f.write_str("all"),
        }
    }
}

/// A length of time that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no range; use 5m, 15m, 1h, 6h, 1d, any from 1m to 400d, or all")]
pub struct ParseSpanError(String);

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(s: &str) -> Result<Self, ParseSpanError> {
        if s == "all" {
            return Ok(Self::All);
        }
        let fits = |d: &Duration| (SHORTEST..=LONGEST).contains(d);
        parse_duration(s).filter(fits).map(Self::Last).ok_or_else(|| ParseSpanError(s.chars().take(40).collect()))
    }
}

/// How far the collector's data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First moment that is kept; absent while there is no data.
    pub(crate) oldest: Option<Timestamp>,
    /// First moment after the newest data.
    pub(crate) edge: Timestamp,
    /// The collector's clock.
    pub(crate) now: Timestamp,
    /// Width of the finest windows.
    pub(crate) window: Duration,
}

impl Extent {
    pub(crate) fn new(status: &CollectorStatus) -> Self {
        let window = Duration::from_millis(status.window_ms.max(1));
        let newest = status.store.newest;
        // A watermark in the future only says that nothing more will come.
        let edge = match newest {
            Some(newest) if status.watermark <= status.now => newest.max(status.watermark),
            Some(newest) => newest,
            None => status.now,
        };
        let edge = edge.min(status.now + window).ceil(window);
        Self { oldest: status.store.oldest, edge, now: status.now, window }
    }

    /// Length of the data that there is; `None` while there is none.
    fn held(&self) -> Option<Duration> {
        self.oldest.map(|oldest| self.edge.since(oldest))
    }

    /// Data that goes further arrived.
    pub(crate) fn advance(&mut self, watermark: Timestamp) {
        let edge = watermark.ceil(self.window);
        // Nobody knows the collector's clock between two answers; a day ahead is no data of now.
        if edge > self.edge && edge.since(self.now) < Duration::from_secs(86_400) {
            self.edge = edge;
            self.now = self.now.max(watermark);
        }
    }

    /// Whether two ranges are further apart than the data moves on while an answer is on its way.
    pub(crate) fn is_elsewhere(&self, a: TimeRange, b: TimeRange) -> bool {
        let slack = self.window * 3 + Duration::from_secs(30);
        let apart = |a: Timestamp, b: Timestamp| a.since(b).max(b.since(a)) > slack;
        apart(a.from, b.from) || apart(a.to, b.to)
    }

    /// The part of a range where there can be data: what rates are divided by.
    pub(crate) fn covered(&self, range: TimeRange) -> Duration {
        let from = self.oldest.map_or(range.from, |o| o.max(range.from));
        TimeRange::new(from, range.to.min(self.edge.max(range.from))).len().max(self.window)
    }
}

/// Where in time the screen is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Travel {
    pub(crate) span: Span,
    /// First moment after the range, where it does not follow the data.
    end: Option<Timestamp>,
    frozen: Option<Frozen>,
}

#[derive(Debug, Clone, PartialEq)]
struct Frozen {
    at: Timestamp,
    /// Thawing goes back to the newest data.
    was_live: bool,
}

/// The mark beside the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Follows data that is of now.
    Live,
    /// Follows data that ended a while ago.
    Latest,
    /// One travelled back.
    Past,
    /// The screen stands still since this moment.
    Frozen(Timestamp),
}

/// Data older than this is not live.
const LIVE_WITHIN: Duration = Duration::from_secs(90);

impl Travel {
    pub(crate) fn new(span: Span) -> Self {
        Self { span, end: None, frozen: None }
    }

    /// The range to show.
    pub(crate) fn range(&self, extent: &Extent) -> TimeRange {
        let end = self.end.unwrap_or(extent.edge);
        match self.span {
            // The time before the first data would only push what there is to the right edge.
            Span::Last(d) => {
                let first = extent.oldest.map_or(end - d, |oldest| oldest.min(end - SHORTEST * 2));
                TimeRange::new((end - d).max(first), end)
            }
            Span::All => TimeRange::new(extent.oldest.unwrap_or(extent.edge - LIVE_WITHIN), end.max(extent.edge)),
        }
    }

    pub(crate) fn mark(&self, extent: &Extent) -> Mark {
        match (&self.frozen, self.end) {
            (Some(f), _) => Mark::Frozen(f.at),
            (None, Some(_)) => Mark::Past,
            (None, None) if extent.now.since(extent.edge) > LIVE_WITHIN => Mark::Latest,
            (None, None) => Mark::Live,
        }
    }

    /// Whether the end follows the data.
    pub(crate) fn is_live(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Half a screen back; not beyond the oldest data. `false` when there is no further back.
    pub(crate) fn earlier(&mut self, extent: &Extent) -> bool {
        let Span::Last(span) = self.span else { return false };
        let end = self.end.unwrap_or(extent.edge);
        let Some(oldest) = extent.oldest.filter(|o| end - span > *o) else { return false };
        self.end = Some((end - span / 2).max(oldest + span / 2));
        true
    }

    /// Half a screen forward; at the newest data it follows again. `false` when it does already.
    pub(crate) fn later(&mut self, extent: &Extent) -> bool {
        let (Span::Last(span), Some(end)) = (self.span, self.end) else { return false };
        self.end = Some(end + span / 2).filter(|end| *end < extent.edge);
        if self.end.is_none() {
            self.frozen = None;
        }
        true
    }

    /// Back to the newest data.
    pub(crate) fn live(&mut self) {
        (self.end, self.frozen) = (None, None);
    }

    /// Shows the time around these moments.
    pub(crate) fn visit(&mut self, from: Timestamp, to: Timestamp, extent: &Extent) {
        let length = to.since(from).max(SHORTEST * 2);
        let end = to + length / 2;
        self.span = Span::Last(length * 2);
        self.end = Some(end.ceil(extent.window)).filter(|end| *end < extent.edge);
    }

    pub(crate) fn toggle_freeze(&mut self, extent: &Extent) {
        match self.frozen.take() {
            Some(f) if f.was_live => self.end = None,
            Some(_) => {}
            None => {
                self.frozen = Some(Frozen { at: extent.edge, was_live: self.is_live() });
                self.end = Some(self.end.unwrap_or(extent.edge));
            }
        }
    }

    pub(crate) fn longer(&mut self, extent: &Extent) {
        self.span = self.span.longer(extent.held());
    }

    pub(crate) fn shorter(&mut self, extent: &Extent) {
        self.span = self.span.shorter(extent.held());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_768_176_000 + s)
    }

    fn extent() -> Extent {
        Extent { oldest: Some(at(0)), edge: at(7_200), now: at(7_203), window: Duration::from_secs(10) }
    }

    #[test]
    fn spans_as_text() {
        for text in ["1m", "5m", "15m", "1h", "6h", "1d", "7d", "all", "90s"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "5", "1s", "500d", "soon"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn plus_and_minus_step_through_what_looks_different() {
        let seen = |from: &str, held: Option<u64>, step: fn(Span, Option<Duration>) -> Span| {
            let mut span: Span = from.parse().expect("a span");
            let steps = std::iter::repeat_with(|| {
                span = step(span, held.map(Duration::from_secs));
                span.to_string()
            });
            steps.take(7).collect::<Vec<_>>().join(" ")
        };
        for (from, held, longer, shorter) in [
            ("1m", None, "5m 15m 1h 6h 1d 7d all", "1m 1m 1m 1m 1m 1m 1m"),
            ("all", None, "all all all all all all all", "7d 1d 6h 1h 15m 5m 5m"),
            ("all", Some(4_000), "all all all all all all all", "1h 15m 5m 5m 5m 5m 5m"),
            ("15m", Some(4_000), "1h all all all all all all", "5m 5m 5m 5m 5m 5m 5m"),
            ("1d", Some(700), "all all all all all all all", "5m 5m 5m 5m 5m 5m 5m"),
        ] {
            assert_eq!(seen(from, held, Span::longer), longer, "{from} {held:?}");
            assert_eq!(seen(from, held, Span::shorter), shorter, "{from} {held:?}");
        }
    }

    #[test]
    fn back_in_time_and_forward_to_live() {
        let e = extent();
        let mut t = Travel::new(Span::Last(Duration::from_secs(3_600)));
        assert_eq!((t.range(&e), t.mark(&e)), (TimeRange::new(at(3_600), at(7_200)), Mark::Live));
        assert!(t.earlier(&e));
        assert_eq!((t.range(&e).to, t.mark(&e)), (at(5_400), Mark::Past));
        assert!(t.earlier(&e));
        assert_eq!(t.range(&e).to, at(3_600));
        assert!(!t.earlier(&e), "the oldest data is on screen");
        assert!(t.later(&e) && t.later(&e));
        assert_eq!(t.mark(&e), Mark::Live);
        assert!(!t.later(&e));
    }

    #[test]
    fn young_data_fills_the_screen() {
        let e = Extent { oldest: Some(at(7_000)), ..extent() };
        for (span, from) in [("15m", 7_000), ("1m", 7_140), ("all", 7_000)] {
            let span = span.parse().expect("a span");
            assert_eq!(Travel::new(span).range(&e), TimeRange::new(at(from), at(7_200)), "{span}");
        }
        let e = Extent { oldest: Some(at(7_190)), ..extent() };
        assert_eq!(Travel::new(Span::default()).range(&e).from, at(7_080), "two minutes at least");
    }

    #[test]
    fn frozen_stands_still_while_data_arrives() {
        let mut e = extent();
        let mut t = Travel::new(Span::default());
        t.toggle_freeze(&e);
        e.advance(at(7_300));
        assert_eq!((t.range(&e).to, t.mark(&e)), (at(7_200), Mark::Frozen(at(7_200))));
        t.toggle_freeze(&e);
        assert_eq!((t.range(&e).to, t.mark(&e)), (at(7_300), Mark::Live));
    }

    #[test]
    fn old_data_is_shown_where_it_is() {
        let status = |watermark, newest| CollectorStatus {
            version: String::new(),
            started: at(0),
            now: at(100_000),
            window_ms: 10_000,
            watermark,
            open_anomalies: 0,
            store: pitot_model::api::StoreStats { oldest: Some(at(0)), newest, ..Default::default() },
        };
        for (watermark, newest, edge, mark) in [
            (at(600), Some(at(610)), at(610), Mark::Latest),
            (at(99_995), Some(at(610)), at(100_000), Mark::Live),
            (Timestamp::MAX, Some(at(610)), at(610), Mark::Latest),
            (Timestamp::EPOCH, None, at(100_000), Mark::Live),
        ] {
            let e = Extent::new(&status(watermark, newest));
            assert_eq!((e.edge, Travel::new(Span::All).mark(&e)), (edge, mark));
        }
    }

    #[test]
    fn rates_divide_by_the_time_that_has_data() {
        let e = extent();
        for (from, to, seconds) in [(-600, 600, 600), (0, 600, 600), (7_100, 7_300, 100), (9_000, 9_600, 10)] {
            assert_eq!(e.covered(TimeRange::new(at(from), at(to))).as_secs(), seconds, "{from} {to}");
        }
    }
}
