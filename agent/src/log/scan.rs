//! Finding bytes in a line, fast where the answer is near: eight bytes at a time, then `memchr`.
//!
//! In: a line and a position in it (never beyond its end). Out: positions.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Words of eight bytes that are looked at before `memchr` is worth its call.
const WORDS: usize = 3;

/// The first `byte` at or after `at`.
#[inline]
pub(super) fn find(line: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let pattern = LOW * u64::from(byte);
    for _ in 0..WORDS {
        let Some(word) = word(line, at) else { return find_slowly(line, at, |b| b == byte) };
        let hit = zero_bytes(word ^ pattern);
        if hit != 0 {
            return Some(at + (hit.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr(byte, line.get(at..)?).map(|i| at + i)
}

/// The first of two bytes at or after `at`.
#[inline]
pub(super) fn find2(line: &[u8], mut at: usize, a: u8, b: u8) -> Option<usize> {
    let (pa, pb) = (LOW * u64::from(a), LOW * u64::from(b));
    for _ in 0..WORDS {
        let Some(word) = word(line, at) else { return find_slowly(line, at, |x| x == a || x == b) };
        // The lowest set bit of each is exact, higher ones need not be; so is the lowest of both.
        let hit = zero_bytes(word ^ pa) | zero_bytes(word ^ pb);
        if hit != 0 {
            return Some(at + (hit.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr2(a, b, line.get(at..)?).map(|i| at + i)
}

/// The closing quote of a string whose first byte is at `at`, and whether a backslash stands before it.
/// A byte after a backslash never closes.
#[inline]
pub(super) fn quote(line: &[u8], at: usize) -> Option<(usize, bool)> {
    let hit = find2(line, at, b'"', b'\\')?;
    if line[hit] == b'"' { Some((hit, false)) } else { escaped_quote(line, hit) }
}

/// The same, for a string that is likely to be long.
#[inline]
pub(super) fn far_quote(line: &[u8], at: usize) -> Option<(usize, bool)> {
    let hit = at + memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
    if line[hit] == b'"' { Some((hit, false)) } else { escaped_quote(line, hit) }
}

/// Goes on behind the backslash at `at`.
#[cold]
fn escaped_quote(line: &[u8], mut at: usize) -> Option<(usize, bool)> {
    while line[at] == b'\\' {
        at = find2(line, at + 2, b'"', b'\\')?;
    }
    Some((at, true))
}

/// The length of what `text` begins with of digits and dots (and `/`, which stands between them in ASCII): an IPv4
/// address. `None` where it is as long as the text or nearly so.
#[inline]
pub(super) fn digits_and_dots(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let word = word(text, at)?;
        // The high bit of a byte is set where it is above `9`, below `.`, or no ASCII. No sum leaves its byte.
        let above = (word & !HIGH) + LOW * (0x7f - b'9' as u64);
        let not_below = (word | HIGH) - LOW * b'.' as u64;
        let other = (above | !not_below | word) & HIGH;
        if other != 0 {
            return Some(at + (other.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
}

/// The length of a word of up to eight capital letters that `text` begins with and a blank follows: most methods.
#[inline]
pub(super) fn capitals(text: &[u8]) -> Option<usize> {
    let word = word(text, 0)?;
    let above = (word & !HIGH) + LOW * (0x7f - b'Z' as u64);
    let not_below = (word | HIGH) - LOW * b'A' as u64;
    let len = ((above | !not_below | word) & HIGH).trailing_zeros() as usize / 8;
    (text.get(len) == Some(&b' ')).then_some(len)
}

/// The first position at or after `at` that holds no blank.
#[inline]
pub(super) fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while line.get(at).is_some_and(|b| matches!(b, b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// `text` without blanks at either end.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[inline]
fn word(line: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*line.get(at..)?.first_chunk()?))
}

#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

#[inline]
fn find_slowly(line: &[u8], at: usize, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    line.get(at..)?.iter().position(|b| is_it(*b)).map(|i| at + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        for len in 0..40 {
            for at in 0..len {
                let mut line = vec![b'x'; len];
                line[at] = b'"';
                for from in 0..=len {
                    let want = (from <= at).then_some(at);
                    assert_eq!(find(&line, from, b'"'), want, "{len} {at} {from}");
                    assert_eq!(find2(&line, from, b'"', b'\\'), want, "{len} {at} {from}");
                }
            }
        }
    }

    #[test]
    fn runs_end_where_they_should() {
        for (text, digits, letters) in [
            ("1.2.3.4 - - [x", Some(7), None),
            ("123.123.123.123 - -", Some(15), None),
            ("2001:db8::1 - -", Some(4), None),
            ("1.2.3.4é - - [", Some(7), None),
            ("1.2.3.4", None, None),
            ("GET /abc/def", Some(0), Some(3)),
            ("OPTIONS / HTTP", Some(0), Some(7)),
            ("PROPFIND / HTTP", Some(0), Some(8)),
            ("PROPPATCH / HTTP", Some(0), None),
            ("Get /abc/def", Some(0), None),
            ("GE[ /abc/def", Some(0), None),
            (" /abc/defg", Some(0), Some(0)),
        ] {
            assert_eq!(digits_and_dots(text.as_bytes()), digits, "{text}");
            assert_eq!(capitals(text.as_bytes()), letters, "{text}");
        }
    }

    #[test]
    fn escaped_quotes_do_not_close() {
        for (text, want) in [
            (&br#"abc" d"#[..], Some((3, false))),
            (br#"a\"c" d"#, Some((4, true))),
            (br#"a\\" d"#, Some((3, true))),
            (br#"a\"#, None),
            (br#"a\""#, None),
            (b"", None),
        ] {
            assert_eq!(quote(text, 0), want, "{}", text.escape_ascii());
        }
    }
}
