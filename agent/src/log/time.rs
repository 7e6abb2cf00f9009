//! Timestamps as logs write them, read without allocation.
//!
//! | spelling | where |
//! |---|---|
//! | `10/Oct/2000:13:55:36 -0700`, with or without fraction and zone | CLF, S3, HAProxy |
//! | `2018-07-02T22:23:00.186641Z`, `2021-01-29 13:42:58,152`, `2022/06/08 22:49:20` | ISO 8601, RFC 3339 and kin |
//! | `1761019822.3152757`, `1561468027943` | epoch in seconds, milliseconds, microseconds or nanoseconds, by size |
//! | any `strftime` pattern | GoAccess, Apache's `%{...}t` |
//!
//! Without a zone the time is read as UTC. Years outside 1970 to 9999 are no time.

use pitot_model::Timestamp;

/// Any of the first three spellings; brackets around are ignored.
#[inline]
pub(super) fn any(text: &[u8]) -> Option<Timestamp> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        _ => text,
    };
    match text.get(..5)? {
        [_, _, b'/', ..] => clf(text),
        [_, _, _, _, b'-' | b'/'] => iso(text),
        _ => epoch(text),
    }
}

/// `10/Oct/2000:13:55:36 -0700`.
#[inline]
pub(super) fn clf(t: &[u8]) -> Option<Timestamp> {
    let (head, rest) = t.split_first_chunk::<20>()?;
    let digit = |i: usize| head[i].wrapping_sub(b'0');
    let highest = [0, 1, 7, 8, 9, 10, 12, 13, 15, 16, 18, 19].iter().fold(0, |high, i| digit(*i).max(high));
    let marks = [head[2], head[6], head[11], head[14], head[17]];
    if highest > 9 || marks != *b"//:::" {
        return None;
    }
    let two = |i: usize| i64::from(digit(i)) * 10 + i64::from(digit(i + 1));
    let (h, m, s) = (two(12), two(15), two(18));
    if h > 23 || m > 59 || s > 60 {
        return None;
    }
    let month = month([head[3], head[4], head[5]])?;
    let days = days(two(7) * 100 + two(9), month, two(0))?;
    let seconds = days * 86_400 + (h * 60 + m) * 60 + s;
    if rest == b" +0000" { in_range(seconds * 1_000_000) } else { moment(0, seconds, rest) }
}

/// The minute of the line before. Lines come in the order of time, so most of them repeat it, and then only the seconds
/// have to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minute {
    /// `10/Oct/2000:13:55:`.
    head: [u8; 18],
    /// ` -0700`.
    zone: [u8; 6],
    /// Microseconds since the epoch; out of range while there was no line.
    start_us: i64,
}

impl Default for Minute {
    fn default() -> Self {
        Self { head: [0; 18], zone: [0; 6], start_us: i64::MIN }
    }
}

impl Minute {
    /// The same as [`clf`] of the text.
    #[inline]
    pub(super) fn clf(&mut self, t: &[u8; 26]) -> Option<Timestamp> {
        let [head @ .., a, b, z0, z1, z2, z3, z4, z5] = *t;
        let zone = [z0, z1, z2, z3, z4, z5];
        let seconds = two(a, b).filter(|s| *s <= 60)?;
        if head == self.head && zone == self.zone {
            return in_range(self.start_us + seconds * 1_000_000);
        }
        let time = clf(t)?;
        *self = Self { head, zone, start_us: time.as_micros() - seconds * 1_000_000 };
        Some(time)
    }
}

/// `2018-07-02T22:23:00.186641+02:00`; `/` between the parts of the date and a blank before the time are fine too.
#[inline]
pub(super) fn iso(t: &[u8]) -> Option<Timestamp> {
    let head: &[u8; 19] = t.first_chunk()?;
    if head[4] != head[7] || !matches!(head[10], b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let days = iso_date(&head[..10])?;
    moment(days, clock([head[11], head[12], head[13], head[14], head[15], head[16], head[17], head[18]])?, &t[19..])
}

/// Days since the epoch of `2018-07-02` or `2018/07/02`.
pub(super) fn iso_date(t: &[u8]) -> Option<i64> {
    let t: &[u8; 10] = t.try_into().ok()?;
    if !matches!(t[4], b'-' | b'/') {
        return None;
    }
    days(four(&t[..4])?, two(t[5], t[6])?, two(t[8], t[9])?)
}

/// Microseconds since midnight of `22:23:00` with an optional fraction.
pub(super) fn clock_time(t: &[u8]) -> Option<i64> {
    let head: &[u8; 8] = t.first_chunk()?;
    let (us, rest) = fraction(&t[8..]);
    rest.is_empty().then_some(clock(*head)? * 1_000_000 + us)
}

/// From days since the epoch and microseconds since midnight.
pub(super) fn from_days(days: i64, us: i64) -> Option<Timestamp> {
    in_range(days.checked_mul(86_400_000_000)?.checked_add(us)?)
}

/// A number since the epoch, in the unit that its size tells.
pub(super) fn epoch(t: &[u8]) -> Option<Timestamp> {
    let split = t.iter().position(|b| *b == b'.').unwrap_or(t.len());
    let (whole, rest) = t.split_at(split);
    let n = i64::try_from(super::number::uint(whole)?).ok()?;
    let (us, rest) = fraction(rest);
    if !rest.is_empty() {
        return None;
    }
    in_range(match n {
        0..100_000_000_000 => n * 1_000_000 + us,
        100_000_000_000..100_000_000_000_000 => n * 1_000 + us / 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => n,
        _ => n / 1_000,
    })
}

fn moment(days: i64, seconds: i64, rest: &[u8]) -> Option<Timestamp> {
    let (us, rest) = fraction(rest);
    let zone = zone_seconds(rest)?;
    in_range((days * 86_400 + seconds - zone) * 1_000_000 + us)
}

fn in_range(us: i64) -> Option<Timestamp> {
    (0..253_402_300_800_000_000).contains(&us).then_some(Timestamp::from_micros(us))
}

/// Microseconds of `.123456789` or `,123`, and what follows.
#[inline]
fn fraction(t: &[u8]) -> (i64, &[u8]) {
    let [b'.' | b',', rest @ ..] = t else { return (0, t) };
    let (mut us, mut scale, mut n) = (0, 100_000, 0);
    while let Some(d) = rest.get(n).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
        us += i64::from(d) * scale;
        scale /= 10;
        n += 1;
    }
    (us, &rest[n..])
}

/// Seconds east of Greenwich of ` -0700`, `+02:00`, `Z`, ` UTC` or nothing.
#[inline]
fn zone_seconds(t: &[u8]) -> Option<i64> {
    let t = match t {
        [b' ', rest @ ..] => rest,
        _ => t,
    };
    match *t {
        [] | [b'Z' | b'z'] | [b'U', b'T', b'C'] | [b'G', b'M', b'T'] => Some(0),
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => {
            let seconds = two(a, b)? * 3_600 + two(c, d)? * 60;
            signed(sign, seconds)
        }
        [sign, a, b] => signed(sign, two(a, b)? * 3_600),
        _ => None,
    }
}

fn signed(sign: u8, seconds: i64) -> Option<i64> {
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

#[inline]
fn clock(t: [u8; 8]) -> Option<i64> {
    let (h, m, s) = (two(t[0], t[1])?, two(t[3], t[4])?, two(t[6], t[7])?);
    (t[2] == b':' && t[5] == b':' && h < 24 && m < 60 && s <= 60).then_some(h * 3_600 + m * 60 + s)
}

#[inline]
fn two(a: u8, b: u8) -> Option<i64> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then_some(i64::from(a) * 10 + i64::from(b))
}

#[inline]
fn four(t: &[u8]) -> Option<i64> {
    Some(two(*t.first()?, *t.get(1)?)? * 100 + two(*t.get(2)?, *t.get(3)?)?)
}

#[inline]
fn month(name: [u8; 3]) -> Option<i64> {
    const fn number(name: [u8; 3]) -> u32 {
        u32::from_be_bytes([0, name[0], name[1], name[2]])
    }
    const JAN: u32 = number(*b"Jan");
    const FEB: u32 = number(*b"Feb");
    const MAR: u32 = number(*b"Mar");
    const APR: u32 = number(*b"Apr");
    const MAY: u32 = number(*b"May");
    const JUN: u32 = number(*b"Jun");
    const JUL: u32 = number(*b"Jul");
    const AUG: u32 = number(*b"Aug");
    const SEP: u32 = number(*b"Sep");
    const OCT: u32 = number(*b"Oct");
    const NOV: u32 = number(*b"Nov");
    const DEC: u32 = number(*b"Dec");
    Some(match number(name) {
        JAN => 1,
        FEB => 2,
        MAR => 3,
        APR => 4,
        MAY => 5,
        JUN => 6,
        JUL => 7,
        AUG => 8,
        SEP => 9,
        OCT => 10,
        NOV => 11,
        DEC => 12,
        _ => return None,
    })
}

/// Days since the epoch; proleptic Gregorian.
#[inline]
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let before = year - i64::from(month <= 2);
    let leaps = before / 4 - before / 100 + before / 400 - LEAPS_BEFORE_1970;
    Some((year - 1970) * 365 + leaps + DAYS_BEFORE_MONTH[(month as usize - 1) % 12] + day - 1)
}

/// Leap days up to the end of 1969.
const LEAPS_BEFORE_1970: i64 = 1969 / 4 - 1969 / 100 + 1969 / 400;

/// In a year without a leap day, which `leaps` adds from March on.
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// A `strftime` pattern, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strftime(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(u8),
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
    Zone,
    Epoch,
    Name,
}

/// What a pattern read: a date, a time of day, a zone, or the whole moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) days: Option<i64>,
    pub(super) us: Option<i64>,
    pub(super) epoch_us: Option<i64>,
}

impl Strftime {
    /// Compiles; the error is the position of a directive that is not understood.
    pub(super) fn compile(pattern: &str) -> Result<Self, usize> {
        let (mut items, mut bytes) = (Vec::new(), pattern.bytes().enumerate());
        while let Some((at, b)) = bytes.next() {
            if b != b'%' {
                items.push(Item::Literal(b));
                continue;
            }
            let one: &[Item] = match bytes.next().map(|(_, b)| b) {
                Some(b'Y') => &[Item::Year],
                Some(b'y') => &[Item::ShortYear],
                Some(b'm') => &[Item::Month],
                Some(b'b' | b'h' | b'B') => &[Item::MonthName],
                Some(b'd' | b'e') => &[Item::Day],
                Some(b'H' | b'k') => &[Item::Hour],
                Some(b'M') => &[Item::Minute],
                Some(b'S') => &[Item::Second],
                Some(b'f' | b'L' | b'N') => &[Item::Fraction],
                Some(b'z' | b'Z') => &[Item::Zone],
                Some(b's' | b'*') => &[Item::Epoch],
                Some(b'a' | b'A') => &[Item::Name],
                Some(b'T') => &[Item::Hour, Item::Literal(b':'), Item::Minute, Item::Literal(b':'), Item::Second],
                Some(b'R') => &[Item::Hour, Item::Literal(b':'), Item::Minute],
                Some(b'F') => &[Item::Year, Item::Literal(b'-'), Item::Month, Item::Literal(b'-'), Item::Day],
                Some(b'D') => &[Item::Month, Item::Literal(b'/'), Item::Day, Item::Literal(b'/'), Item::ShortYear],
                Some(b'%') => &[Item::Literal(b'%')],
                _ => return Err(at),
            };
            items.extend_from_slice(one);
        }
        Ok(Self(items))
    }

    /// Reads a text in full; a fraction and a zone may follow what the pattern names.
    pub(super) fn read(&self, text: &[u8]) -> Option<Parts> {
        let (mut t, mut fraction_us, mut zone) = (text, 0, 0);
        let (mut year, mut month_no, mut day) = (None, 1, None);
        let (mut hour, mut minute, mut second) = (None, 0, 0);
        for item in &self.0 {
            match item {
                Item::Literal(b) => t = t.strip_prefix(&[*b])?,
                Item::Year => year = Some(take(&mut t, 4, 4)?),
                Item::ShortYear => year = Some(2000 + take(&mut t, 2, 2)?),
                Item::Month => month_no = take(&mut t, 1, 2)?,
                Item::MonthName => {
                    month_no = month(*t.first_chunk()?)?;
                    t = t.trim_ascii_start();
                    let n = t.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    t = &t[n..];
                }
                Item::Day => day = Some(take(&mut t, 1, 2)?),
                Item::Hour => hour = Some(take(&mut t, 1, 2)?),
                Item::Minute => minute = take(&mut t, 2, 2)?,
                Item::Second => {
                    second = take(&mut t, 2, 2)?;
                    (fraction_us, t) = fraction(t);
                }
                Item::Fraction => {
                    let n = t.iter().take_while(|b| b.is_ascii_digit()).count();
                    let digits = &t[..n.min(6)];
                    let scale = 10_i64.pow(6 - u32::try_from(digits.len()).ok()?);
                    fraction_us = i64::try_from(super::number::uint(digits)?).ok()? * scale;
                    t = &t[n..];
                }
                Item::Zone => {
                    let n = t.iter().position(|b| matches!(b, b' ' | b']')).unwrap_or(t.len());
                    zone = zone_seconds(&t[..n])?;
                    t = &t[n..];
                }
                Item::Epoch => {
                    return Some(Parts { epoch_us: Some(epoch(t)?.as_micros()), ..Parts::default() });
                }
                Item::Name => {
                    let n = t.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    t = &t[n..];
                }
            }
        }
        zone += zone_seconds(t)?;
        let days = match (year, day) {
            (Some(y), Some(d)) => Some(days(y, month_no, d)?),
            _ => None,
        };
        let us = hour.map(|h| ((h * 60 + minute) * 60 + second - zone) * 1_000_000 + fraction_us);
        (days.is_some() || us.is_some()).then_some(Parts { days, us, epoch_us: None })
    }
}

/// Takes a number of `min` to `max` digits; a leading blank stands for a zero.
fn take(t: &mut &[u8], min: usize, max: usize) -> Option<i64> {
    let text = t.strip_prefix(b" ").unwrap_or(t);
    let n = text.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
    if n < min {
        return None;
    }
    *t = &text[n..];
    i64::try_from(super::number::uint(&text[..n])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, want) in [
            ("10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("29/Feb/2024:23:59:59 +0000", "2024-02-29T23:59:59Z"),
            ("10/Dec/2018:12:01:46.395", "2018-12-10T12:01:46.395Z"),
            ("[01/Aug/2019:00:24:41 +0000]", "2019-08-01T00:24:41Z"),
            ("2018-07-02T22:23:00.186641Z", "2018-07-02T22:23:00.186641Z"),
            ("2013-10-10T16:52:00+02:00", "2013-10-10T14:52:00Z"),
            ("2026-01-14T10:45:33.759014877+01:00", "2026-01-14T09:45:33.759014Z"),
            ("2023-08-11T11:41:25", "2023-08-11T11:41:25Z"),
            ("2018-08-28 18:24:25", "2018-08-28T18:24:25Z"),
            ("2021-01-29 13:42:58,152", "2021-01-29T13:42:58.152Z"),
            ("1761019822.3152757", "2025-10-21T04:10:22.315275Z"),
            ("1561468027943", "2019-06-25T13:07:07.943Z"),
            ("1561468027943000", "2019-06-25T13:07:07.943Z"),
            ("1561468027943000000", "2019-06-25T13:07:07.943Z"),
            ("1561468027", "2019-06-25T13:07:07Z"),
        ] {
            assert_eq!(any(text.as_bytes()).map(|t| t.to_string()).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn remembering_the_minute_changes_nothing() {
        let mut minute = Minute::default();
        for text in [
            "10/Oct/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:07 -0700",
            "10/Oct/2000:13:55:61 -0700",
            "10/Oct/2000:13:55:60 -0700",
            "10/Oct/2000:13:55:07 +0000",
            "10/Oct/2000:13:56:07 +0000",
            "10/Oct/2000:13:56:07 elsew",
            "10/Oct/2000:13:56:0x +0000",
            "31/Dec/9999:23:59:59 +0000",
            "31/Dec/9999:23:59:60 +0000",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0007\0\0\0\0\0\0",
        ] {
            let bytes: &[u8; 26] = text.as_bytes().try_into().expect("26 bytes");
            assert_eq!(Minute::default().clf(bytes), clf(bytes), "{text}");
            assert_eq!(minute.clf(bytes), clf(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "-",
            "[]",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:24:55:36 -0700",
            "32/Oct/2000:13:55:36 -0700",
            "10/Oct/1969:13:55:36 -0700",
            "2018-13-02T22:23:00Z",
            "2018-07-02T22:23:00 elsewhere",
            "1.2.3.4",
            "99999999999999999999",
        ] {
            assert_eq!(any(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn patterns_of_strftime() {
        for (pattern, text, want) in [
            ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", Some("2000-10-10T20:55:36Z")),
            ("%Y-%m-%d %T", "2018-08-28 18:24:25.5", Some("2018-08-28T18:24:25.500Z")),
            ("%s", "1561468027", Some("2019-06-25T13:07:07Z")),
            ("%a, %d %b %Y %T %Z", "Tue, 25 Jun 2019 13:07:07 GMT", Some("2019-06-25T13:07:07Z")),
            ("%d/%b/%Y", "10/Bad/2000", None),
        ] {
            let parts = Strftime::compile(pattern).ok().and_then(|p| p.read(text.as_bytes()));
            let got = parts.and_then(|p| match (p.epoch_us, p.days, p.us) {
                (Some(us), ..) => Some(Timestamp::from_micros(us)),
                (_, Some(days), Some(us)) => from_days(days, us),
                _ => None,
            });
            assert_eq!(got.map(|t| t.to_string()).as_deref(), want, "{pattern} {text}");
        }
        assert_eq!(Strftime::compile("%Y-%!"), Err(3));
    }
}
