//! Instants and ranges of wall-clock time, in microseconds since the Unix epoch.
//!
//! In: integers and RFC 3339 text. Out: the same. No clock is read here.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A moment, in microseconds since 1970-01-01T00:00:00Z; leap seconds do not exist.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The epoch.
    pub const EPOCH: Self = Self(0);
    /// The latest moment; an open end.
    pub const MAX: Self = Self(i64::MAX);

    /// From microseconds since the epoch.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// From milliseconds since the epoch, saturating.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// From seconds since the epoch, saturating.
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The start of the `width`-wide slot, aligned to the epoch, that holds this moment. A zero width is itself.
    #[must_use]
    pub fn floor(self, width: Duration) -> Self {
        match micros(width) {
            0 => self,
            w => Self(self.0.div_euclid(w).saturating_mul(w)),
        }
    }

    /// The first start of a `width`-wide slot at or after this moment.
    #[must_use]
    pub fn ceil(self, width: Duration) -> Self {
        let floor = self.floor(width);
        if floor == self { self } else { floor + width }
    }

    /// Time since `earlier`; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(micros(d)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(micros(d)))
    }
}

/// RFC 3339 in UTC, with milliseconds or microseconds only where there are any; beyond the years -9999 to 9999,
/// microseconds since the epoch as `9223372036854775807us`. What is shown can be parsed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(t) = jiff::Timestamp::from_microsecond(self.0) else {
            return write!(f, "{}us", self.0);
        };
        match self.0.rem_euclid(1_000_000) {
            0 => write!(f, "{t:.0}"),
            us if us % 1_000 == 0 => write!(f, "{t:.3}"),
            _ => write!(f, "{t:.6}"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is neither RFC 3339 nor a number of seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time; use RFC 3339 (2026-01-12T08:30:00Z), a date, or seconds since the epoch")]
pub struct ParseTimeError(String);

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    /// RFC 3339, a date (its midnight in UTC), seconds since the epoch with an optional fraction, or microseconds since
    /// the epoch with the unit `us`.
    fn from_str(s: &str) -> Result<Self, ParseTimeError> {
        let wrong = || ParseTimeError(s.chars().take(64).collect());
        if let Ok(t) = s.parse::<jiff::Timestamp>() {
            return Ok(Self(t.as_microsecond()));
        }
        if let Ok(d) = s.parse::<jiff::civil::Date>() {
            let zoned = d.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
            return Ok(Self(zoned.timestamp().as_microsecond()));
        }
        if let Some(us) = s.strip_suffix("us") {
            return us.parse().map(Self).map_err(|_| wrong());
        }
        let seconds: f64 = s.parse().map_err(|_| wrong())?;
        let us = seconds * 1e6;
        if us.is_finite() && us.abs() < 9e18 { Ok(Self(us.round() as i64)) } else { Err(wrong()) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A half-open range of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it; a range with `to <= from` is empty.
    pub to: Timestamp,
}

impl TimeRange {
    /// Everything.
    pub const ALL: Self = Self { from: Timestamp(i64::MIN), to: Timestamp::MAX };

    /// From `from` up to, not including, `to`.
    pub const fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    /// Whether the moment lies in the range.
    pub fn contains(&self, t: Timestamp) -> bool {
        self.from <= t && t < self.to
    }

    /// Whether it holds no moment.
    pub fn is_empty(&self) -> bool {
        self.to <= self.from
    }

    /// Length; zero when empty.
    pub fn len(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// Reads `250ms`, `1.5s`, `10m`, `2h`, `7d`, `40us`; a bare number is refused, since nobody can tell its unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let unit_ns: u128 = match unit {
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_S,
        "m" | "min" => 60 * NANOS_PER_S,
        "h" => 3_600 * NANOS_PER_S,
        "d" => 86_400 * NANOS_PER_S,
        _ => return None,
    };
    // In whole numbers: what is shown in microseconds is read back as the same.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = &fraction[..fraction.len().min(18)];
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(u128::from) };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let ns = digits(whole)? * unit_ns + digits(fraction)? * unit_ns / 10_u128.pow(fraction.len() as u32);
    Some(Duration::new(u64::try_from(ns / NANOS_PER_S).ok()?, (ns % NANOS_PER_S) as u32))
}

const NANOS_PER_S: u128 = 1_000_000_000;

/// A duration as people write it, three significant digits: `850µs`, `12.3ms`, `1.50s`, `2m05s`, `3h20m`.
pub fn show_duration(d: Duration) -> String {
    let us = d.as_micros();
    let with = |x: f64, unit: &str| match x {
        x if x >= 99.95 => format!("{x:.0}{unit}"),
        x if x >= 9.995 => format!("{x:.1}{unit}"),
        x => format!("{x:.2}{unit}"),
    };
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..1_000_000 => with(us as f64 / 1e3, "ms"),
        1_000_000..60_000_000 => with(us as f64 / 1e6, "s"),
        60_000_000..3_600_000_000 => format!("{}m{:02}s", us / 60_000_000, us / 1_000_000 % 60),
        _ => format!("{}h{:02}m", us / 3_600_000_000, us / 60_000_000 % 60),
    }
}

fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_both_ways() {
        for (text, us) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-12T00:00:00Z", 1_768_176_000_000_000),
            ("2026-01-12T00:00:00.250Z", 1_768_176_000_250_000),
            ("1969-12-31T23:59:59.999999Z", -1),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(us)), "{text}");
            assert_eq!(Timestamp(us).to_string(), text);
        }
    }

    #[test]
    fn other_spellings() {
        for (text, us) in [
            ("2026-01-12", 1_768_176_000_000_000),
            ("2026-01-12T02:00:00+02:00", 1_768_176_000_000_000),
            ("1768176000.5", 1_768_176_000_500_000),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(us)), "{text}");
        }
        for text in ["", "yesterday", "NaN", "1e300"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_moment_that_is_shown_can_be_read_again() {
        for us in [i64::MIN, i64::MIN + 1, -377_705_116_800_000_001, -1, 0, 253_402_300_800_000_000, i64::MAX] {
            let shown = Timestamp(us).to_string();
            assert_eq!(shown.parse(), Ok(Timestamp(us)), "{shown}");
        }
        for text in ["us", "1.5us", "9223372036854775808us"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn slots_are_aligned_to_the_epoch() {
        let w = Duration::from_secs(10);
        for (us, want) in [(0, 0), (9_999_999, 0), (10_000_000, 10_000_000), (-1, -10_000_000)] {
            assert_eq!(Timestamp(us).floor(w), Timestamp(want), "{us}");
        }
        assert_eq!(Timestamp(1).ceil(w), Timestamp(10_000_000));
        assert_eq!(Timestamp(10_000_000).ceil(w), Timestamp(10_000_000));
    }

    #[test]
    fn durations() {
        for (text, us) in [
            ("250ms", 250_000),
            ("1.5s", 1_500_000),
            (".5s", 500_000),
            ("10m", 600_000_000),
            ("40us", 40),
            ("24999999998999us", 24_999_999_998_999),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_micros(us)), "{text}");
        }
        for text in ["", "5", "s", ".s", "-1s", "1y", "1.2.3s", "99999999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for (us, text) in
            [(850, "850µs"), (12_345, "12.3ms"), (999_949, "1000ms"), (1_500_000, "1.50s"), (125_000_000, "2m05s")]
        {
            assert_eq!(show_duration(Duration::from_micros(us)), text);
        }
    }
}
