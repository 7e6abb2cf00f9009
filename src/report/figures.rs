//! How numbers are spelled for people: three significant digits, a unit, never more precision than there is.
//!
//! In: counts, microseconds, bytes, ratios. Out: [`Figure`]s, digits and unit apart, so that columns can align both.

use std::fmt;

/// A spelled number: `12.3` and `ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Digits, or `–` where nothing is known.
    pub(super) digits: String,
    /// Empty for plain counts.
    pub(super) unit: &'static str,
}

impl Figure {
    fn new(digits: impl Into<String>, unit: &'static str) -> Self {
        Self { digits: digits.into(), unit }
    }

    /// What is shown where nothing is known: an en dash, never a zero.
    pub(super) fn unknown() -> Self {
        Self::new("–", "")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            "" => f.write_str(&self.digits),
            unit => write!(f, "{} {unit}", self.digits),
        }
    }
}

/// Exact, with separators: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in microseconds: `850 µs`, `12.3 ms`, `1.50 s`, `2.08 min`.
pub(super) fn duration(us: Option<u64>) -> Figure {
    let Some(us) = us else { return Figure::unknown() };
    let x = us as f64;
    match us {
        0..1_000 => Figure::new(us.to_string(), "µs"),
        1_000..999_500 => Figure::new(three(x / 1e3), "ms"),
        999_500..60_000_000 => Figure::new(three(x / 1e6), "s"),
        _ => Figure::new(three(x / 6e7), "min"),
    }
}

/// Bytes in powers of 1000: `812 B`, `12.3 kB`.
pub(crate) fn bytes(n: u64) -> Figure {
    if n < 1_000 {
        return Figure::new(n.to_string(), "B");
    }
    let mut x = n as f64 / 1e3;
    let mut units = ["kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while x >= 999.5 {
        let Some(next) = units.next() else { break };
        (x, unit) = (x / 1e3, next);
    }
    Figure::new(three(x), unit)
}

/// Transactions per second in the unit that leaves `greatest`, with which it is compared, a digit before the point:
/// `1.23 k/s`, `14.3 /s`, `0.37 /h`.
pub(super) fn rate(per_s: f64, greatest: f64) -> Figure {
    let (seconds, unit) = match greatest {
        x if x >= 999_500.0 => (1e-6, "M/s"),
        x if x >= 999.5 => (1e-3, "k/s"),
        x if x >= 0.995 => (1.0, "/s"),
        x if x * 60.0 >= 0.995 => (60.0, "/min"),
        x if x * 3_600.0 >= 0.995 => (3_600.0, "/h"),
        _ => (86_400.0, "/d"),
    };
    match per_s * seconds {
        0.0 => Figure::new("0", unit),
        x if x < 0.01 => Figure::new("<0.01", unit),
        x => Figure::new(three(x), unit),
    }
}

/// Digits of a share in percent: `0` and `100` are exact, anything else shows that it is neither.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let x = part as f64 * 100.0 / whole as f64;
    match x {
        _ if part == 0 => "0".into(),
        _ if part >= whole => "100".into(),
        x if x < 0.01 => "<0.01".into(),
        x if x >= 99.95 => ">99.9".into(),
        x => three(x),
    }
}

/// Three significant digits of a number from 0 to 999.
pub(crate) fn three(x: f64) -> String {
    match x {
        x if x >= 99.95 => format!("{x:.0}"),
        x if x >= 9.995 => format!("{x:.1}"),
        x => format!("{x:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        for (n, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), want);
        }
    }

    #[test]
    fn durations_have_three_digits() {
        for (us, want) in [
            (None, "–"),
            (Some(850), "850 µs"),
            (Some(12_345), "12.3 ms"),
            (Some(999_499), "999 ms"),
            (Some(999_500), "1.00 s"),
            (Some(125_000_000), "2.08 min"),
            (Some(3_600_000_000), "60.0 min"),
        ] {
            assert_eq!(duration(us).to_string(), want);
        }
    }

    #[test]
    fn sizes_and_rates() {
        for (n, want) in [(0, "0 B"), (999, "999 B"), (1_000, "1.00 kB"), (999_600, "1.00 MB"), (u64::MAX, "18.4 EB")] {
            assert_eq!(bytes(n).to_string(), want);
        }
        for (x, greatest, want) in [
            (0.0, 1.0, "0 /s"),
            (1234.0, 1234.0, "1.23 k/s"),
            (14.3, 14.3, "14.3 /s"),
            (0.5, 0.5, "30.0 /min"),
            (0.5, 7.0, "0.50 /s"),
            (0.5, 7e6, "<0.01 M/s"),
            (1e-3, 1e-3, "3.60 /h"),
            (1e-5, 1e-5, "0.86 /d"),
        ] {
            assert_eq!(rate(x, greatest).to_string(), want);
        }
    }

    #[test]
    fn shares_are_never_rounded_to_nothing_or_everything() {
        for (part, whole, want) in [
            (0, 0, "–"),
            (0, 7, "0"),
            (7, 7, "100"),
            (1, 1_000_000, "<0.01"),
            (999_999, 1_000_000, ">99.9"),
            (42, 10_000, "0.42"),
            (1, 3, "33.3"),
        ] {
            assert_eq!(percent(part, whole), want, "{part}/{whole}");
        }
    }
}
