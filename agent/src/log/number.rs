//! Numbers as logs write them: integers, and durations in any unit, to microseconds.
//!
//! In: bytes. Out: numbers, or `None` for anything else (`-`, empty, negative, text). Nothing allocates.

/// What a duration is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds, with or without a fraction (nginx, `%T`).
    Seconds,
    /// Milliseconds (`%{ms}T`, HAProxy, Envoy, S3, IIS).
    Millis,
    /// Microseconds (Apache's `%D`).
    Micros,
    /// Nanoseconds (Traefik).
    Nanos,
    /// Says it itself (`12ms`, `0.5s`); without a unit, seconds where there is a fraction and milliseconds else.
    Told,
}

impl Unit {
    /// Microseconds in one of it, as a power of ten: 6 for seconds, -3 for nanoseconds.
    const fn power(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Millis | Self::Told => 3,
            Self::Micros => 0,
            Self::Nanos => -3,
        }
    }
}

/// Decimal digits alone; saturates.
#[inline]
pub(super) fn uint(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let mut n = 0_u64;
    for b in text {
        let d = b.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        n = n * 10 + u64::from(d);
    }
    Some(n)
}

/// The number of up to nine digits that `text` begins with, and how many they are.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let (mut n, mut len) = (0_u64, 0);
    while let Some(d) = text.get(len).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
        n = n.wrapping_mul(10).wrapping_add(u64::from(d));
        len += 1;
    }
    (1..=9).contains(&len).then_some((n, len))
}

/// A status code, `1..=999`.
#[inline]
pub(super) fn status(text: &[u8]) -> Option<u16> {
    uint(text).and_then(|n| u16::try_from(n).ok()).filter(|n| (1..1000).contains(n))
}

/// A duration in microseconds, rounded to the nearest.
#[inline]
pub(super) fn micros(text: &[u8], unit: Unit) -> Option<u64> {
    if unit == Unit::Told {
        return told(text);
    }
    decimal(text, unit.power()).or_else(|| float(text, unit.power()))
}

/// Seconds with a fraction, as nginx writes them, up to a blank or the end: microseconds, and the length of the text.
/// `None` for anything out of the ordinary.
#[inline]
pub(super) fn plain_seconds(text: &[u8]) -> Option<(u64, usize)> {
    if let [a, b'.', b, c, d, b' ', after, ..] = text
        && *after != b':'
    {
        // Less than ten seconds, and more behind: nearly all of them.
        let [a, b, c, d] = [a, b, c, d].map(|x| u64::from(x.wrapping_sub(b'0')));
        return (a.max(b).max(c).max(d) <= 9).then_some((a * 1_000_000 + b * 100_000 + c * 10_000 + d * 1_000, 5));
    }
    let (n, at) = digits(text)?;
    if text.get(at) != Some(&b'.') {
        return None;
    }
    let [a, b, c, rest @ ..] = &text[at + 1..] else { return None };
    let (a, b, c) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'), c.wrapping_sub(b'0'));
    if a.max(b).max(c) > 9 || !matches!(rest, [] | [b' ', ..]) || rest.starts_with(b" : ") {
        return None;
    }
    let ms = u64::from(a) * 100 + u64::from(b) * 10 + u64::from(c);
    Some((n * 1_000_000 + ms * 1_000, at + 4))
}

/// The sum of a list of durations (`0.010, 0.020`, `0.1 : 0.2`), leaving out what is no number; `None` without any.
pub(super) fn micros_sum(text: &[u8], unit: Unit) -> Option<u64> {
    text.split(|b| matches!(b, b',' | b':' | b' ')).filter_map(|part| micros(part, unit)).reduce(u64::saturating_add)
}

/// Digits, a point, digits: times 10^power, rounded.
#[inline]
fn decimal(text: &[u8], power: i32) -> Option<u64> {
    if text.len() > 19 {
        return None;
    }
    let (mut n, mut digits, mut point) = (0_u64, 0, None);
    for (i, b) in text.iter().enumerate() {
        let d = b.wrapping_sub(b'0');
        if d <= 9 {
            digits += 1;
            n = n * 10 + u64::from(d);
        } else if *b == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return None;
        }
    }
    if digits == 0 {
        return None;
    }
    let fraction = point.map_or(0, |p| text.len() - p - 1);
    let power = power - i32::try_from(fraction).ok()?;
    if power >= 0 {
        return n.checked_mul(10_u64.checked_pow(power.unsigned_abs())?);
    }
    let by = 10_u64.checked_pow(power.unsigned_abs())?;
    Some(n.saturating_add(by / 2) / by)
}

/// What `decimal` does not read: exponents and very many digits.
#[cold]
fn float(text: &[u8], power: i32) -> Option<u64> {
    if text.len() > 40 || !text.first()?.is_ascii_digit() {
        return None;
    }
    let x = std::str::from_utf8(text).ok()?.parse::<f64>().ok()? * 10_f64.powi(power);
    (x.is_finite() && (0.0..1e18).contains(&x)).then(|| x.round() as u64)
}

fn told(text: &[u8]) -> Option<u64> {
    // Go writes `2h0m1.5s`: whole hours and minutes come first, each at most once.
    let (mut rest, mut sum) = (text, 0u64);
    for (unit, us) in [(b'h', 3_600_000_000), (b'm', 60_000_000)] {
        if let Some((n, behind)) = whole(rest, unit) {
            sum = sum.saturating_add(n.saturating_mul(us));
            rest = behind;
        }
    }
    if rest.is_empty() && !text.is_empty() { Some(sum) } else { Some(sum.saturating_add(with_unit(rest)?)) }
}

/// A whole number before this unit, and what follows; `None` where it is the `m` of `ms`.
fn whole(text: &[u8], unit: u8) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit())?;
    let behind = text[end..].strip_prefix(&[unit]).filter(|behind| behind.first() != Some(&b's'))?;
    Some((uint(&text[..end])?, behind))
}

/// A number with its unit; without one, whole numbers are milliseconds and others seconds.
fn with_unit(text: &[u8]) -> Option<u64> {
    let split = text.iter().position(|b| !matches!(b, b'0'..=b'9' | b'.'));
    let Some(split) = split.filter(|i| !matches!(text[*i], b'e' | b'E')) else {
        let whole = !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
        return micros(text, if whole { Unit::Millis } else { Unit::Seconds });
    };
    let (number, unit) = text.split_at(split);
    let power = match unit {
        b"ns" => -3,
        b"us" | [0xc2, 0xb5, b's'] | [0xce, 0xbc, b's'] => 0,
        b"ms" => 3,
        b"s" => 6,
        _ => return None,
    };
    decimal(number, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_unit() {
        for (text, unit, want) in [
            ("0.010", Unit::Seconds, Some(10_000)),
            ("60.000", Unit::Seconds, Some(60_000_000)),
            ("3", Unit::Seconds, Some(3_000_000)),
            ("0.0005", Unit::Millis, Some(1)),
            ("12", Unit::Millis, Some(12_000)),
            ("357313", Unit::Nanos, Some(357)),
            ("10002425284", Unit::Nanos, Some(10_002_425)),
            ("7.3649e-05", Unit::Seconds, Some(74)),
            ("2ms", Unit::Told, Some(2_000)),
            ("1.5s", Unit::Told, Some(1_500_000)),
            ("275.783µs", Unit::Told, Some(276)),
            ("1m30.5s", Unit::Told, Some(90_500_000)),
            ("0.25", Unit::Told, Some(250_000)),
            ("25", Unit::Told, Some(25_000)),
            ("-", Unit::Seconds, None),
            ("", Unit::Seconds, None),
            (".", Unit::Seconds, None),
            ("-1", Unit::Millis, None),
            ("1.2.3", Unit::Seconds, None),
            ("NaN", Unit::Seconds, None),
            ("99999999999999999999999", Unit::Seconds, None),
            ("1h1x", Unit::Told, None),
            ("2h0m1s", Unit::Told, Some(7_201_000_000)),
            ("2h", Unit::Told, Some(7_200_000_000)),
            ("1m1m", Unit::Told, None),
        ] {
            assert_eq!(micros(text.as_bytes(), unit), want, "{text} {unit:?}");
        }
    }

    #[test]
    fn a_long_run_of_units_is_refused() {
        assert_eq!(micros("1m".repeat(100_000).as_bytes(), Unit::Told), None);
    }

    #[test]
    fn plain_seconds_are_the_same_as_all_others() {
        for (text, want) in [
            ("0.012 x", Some((12_000, 5))),
            ("60.000", Some((60_000_000, 6))),
            ("0.012 : x", None),
            ("0.0x2 x", None),
            ("0.012, 0.1", None),
            ("0.012 : 0.1", None),
            ("0.0123", None),
            ("12", None),
            ("-", None),
            ("", None),
            ("99999999999999999999999.000", None),
        ] {
            assert_eq!(plain_seconds(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn lists_of_upstream_times_add_up() {
        for (text, want) in
            [("0.010, 0.020", Some(30_000)), ("0.1 : 0.2", Some(300_000)), ("0.012, -", Some(12_000)), ("-", None)]
        {
            assert_eq!(micros_sum(text.as_bytes(), Unit::Seconds), want, "{text}");
        }
    }
}
