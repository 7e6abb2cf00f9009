//! Numbers as people read them, in few characters. In: values in base units. Out: text with its unit.

use std::time::Duration;

use pitot_model::{Timestamp, show_duration};

/// What stands where there is no number.
pub(crate) const NOTHING: &str = "–";

/// `999`, `12.3k`, `1.08M`: three significant digits.
pub(crate) fn count(n: u64) -> String {
    if n < 1000 { n.to_string() } else { scaled(n as f64) }
}

/// `1,234,567`.
pub(crate) fn exact(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Transactions per second: `0.42/s`, `12.3/s`, `1.23k/s`.
pub(crate) fn rate(n: u64, time: Duration) -> String {
    match time.as_secs_f64() {
        s if s > 0.0 => format!("{}/s", if n == 0 { "0".to_owned() } else { scaled(n as f64 / s) }),
        _ => NOTHING.to_owned(),
    }
}

/// A ratio in `[0, 1]`: `0 %`, `<0.01 %`, `0.42 %`, `12.3 %`, `100 %`.
pub(crate) fn percent(ratio: f64) -> String {
    match ratio * 100.0 {
        x if !x.is_finite() => NOTHING.to_owned(),
        x if x <= 0.0 => "0 %".to_owned(),
        x if x < 0.01 => "<0.01 %".to_owned(),
        x if x < 9.995 => format!("{x:.2} %"),
        x if x < 99.95 => format!("{x:.1} %"),
        // What is not whole never looks whole.
        x if x < 100.0 => ">99.9 %".to_owned(),
        _ => "100 %".to_owned(),
    }
}

/// Bytes by powers of ten: `512 B`, `1.21 GB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut x = n as f64;
    if n < 1000 {
        return format!("{n} B");
    }
    for unit in ["kB", "MB", "GB", "TB"] {
        x /= 1000.0;
        if x < 999.5 {
            return format!("{} {unit}", three(x));
        }
    }
    format!("{} PB", three(x / 1000.0))
}

/// Microseconds: `850µs`, `12.3ms`, `1.50s`.
pub(crate) fn micros(us: Option<u64>) -> String {
    us.map_or_else(|| NOTHING.to_owned(), |us| show_duration(Duration::from_micros(us)))
}

/// A length of time in one unit where that is exact enough: `45s`, `12m`, `3h20m`, `5d`.
pub(crate) fn span(d: Duration) -> String {
    match d.as_secs() {
        s if s < 120 => format!("{s}s"),
        s if s < 7_200 && s % 60 == 0 => format!("{}m", s / 60),
        s if s < 7_200 => format!("{}m{:02}s", s / 60, s % 60),
        s if s < 172_800 && s % 3_600 < 60 => format!("{}h", s / 3_600),
        s if s < 172_800 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        s => format!("{}d", s / 86_400),
    }
}

/// The value of an anomaly in its unit: `us`, `s`, `1/s`, `ratio`, `1`.
pub(crate) fn value(x: f64, unit: &str) -> String {
    match unit {
        "us" => micros(Some(x.max(0.0) as u64)),
        "ratio" => percent(x),
        "1/s" => format!("{}/s", scaled(x)),
        "s" => span(Duration::from_secs(x.max(0.0) as u64)),
        _ => scaled(x),
    }
}

/// `08:30:05` in UTC.
pub(crate) fn time(t: Timestamp) -> String {
    part(t, 11..19)
}

/// `08:30` in UTC.
pub(crate) fn minute(t: Timestamp) -> String {
    part(t, 11..16)
}

/// `2026-01-12` in UTC.
pub(crate) fn date(t: Timestamp) -> String {
    part(t, 0..10)
}

/// `01-12 08:30:05` in UTC.
pub(crate) fn moment(t: Timestamp) -> String {
    format!("{} {}", part(t, 5..10), time(t))
}

fn part(t: Timestamp, range: std::ops::Range<usize>) -> String {
    let whole = Timestamp::from_secs(t.as_secs()).to_string();
    // What lies beyond the years that RFC 3339 has is no text with these parts.
    whole.get(range).filter(|_| whole.ends_with('Z')).unwrap_or(NOTHING).to_owned()
}

fn scaled(x: f64) -> String {
    let mut x = x;
    for unit in ["", "k", "M", "G"] {
        if x.abs() < 999.5 {
            return format!("{}{unit}", three(x));
        }
        x /= 1000.0;
    }
    format!("{}T", three(x))
}

/// Three significant digits.
fn three(x: f64) -> String {
    match x.abs() {
        a if a >= 99.95 => format!("{x:.0}"),
        a if a >= 9.995 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_few_characters() {
        for (got, want) in [
            (count(0), "0"),
            (count(999), "999"),
            (count(1_000), "1.00k"),
            (count(999_600), "1.00M"),
            (exact(7), "7"),
            (exact(1_234_567), "1,234,567"),
            (rate(0, Duration::from_secs(10)), "0/s"),
            (rate(4, Duration::from_secs(10)), "0.40/s"),
            (rate(12_345, Duration::from_secs(10)), "1.23k/s"),
            (rate(1, Duration::ZERO), "–"),
            (percent(0.0), "0 %"),
            (percent(0.000_01), "<0.01 %"),
            (percent(0.0042), "0.42 %"),
            (percent(0.1234), "12.3 %"),
            (percent(0.999_99), ">99.9 %"),
            (percent(1.0), "100 %"),
            (percent(f64::NAN), "–"),
            (bytes(999), "999 B"),
            (bytes(1_210_000_000), "1.21 GB"),
            (bytes(u64::MAX), "18447 PB"),
            (micros(None), "–"),
            (micros(Some(12_345)), "12.3ms"),
            (span(Duration::from_secs(90)), "90s"),
            (span(Duration::from_secs(900)), "15m"),
            (span(Duration::from_secs(12_000)), "3h20m"),
            (span(Duration::from_secs(604_800)), "7d"),
            (value(0.05, "ratio"), "5.00 %"),
            (value(2_310_000.0, "us"), "2.31s"),
            (value(125.0, "1/s"), "125/s"),
            (value(130.0, "s"), "2m10s"),
            (moment(Timestamp::from_secs(1_768_206_605)), "01-12 08:30:05"),
            (date(Timestamp::MAX), "–"),
        ] {
            assert_eq!(got, want);
        }
    }
}
