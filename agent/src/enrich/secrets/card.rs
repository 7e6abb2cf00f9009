//! Card numbers. In: a text. Out: whether one is in it, by length, range and check digit (ISO/IEC 7812-1, annex B).

/// Digits of the shortest and the longest one.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether a card number stands in the text: its digits in a row, or in groups with one separator between them.
pub(super) fn holds_one(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) {
        let (n, end) = digits_from(text, start);
        if n >= *DIGITS.start() && is_card(text, start, n) {
            return true;
        }
        // Groups before it may be no part of it: `2026-4111-1111-1111-1111`.
        at = match text[start..end].iter().position(|b| !b.is_ascii_digit()) {
            Some(next) if n > *DIGITS.start() => start + next,
            _ => end,
        };
    }
    false
}

/// How many digits there are from here on, with at most one separator between two, and where they end.
fn digits_from(text: &[u8], start: usize) -> (usize, usize) {
    let (mut n, mut at) = (0, start);
    loop {
        match text.get(at) {
            Some(b) if b.is_ascii_digit() => n += 1,
            Some(b'-' | b' ' | b'.' | b'_' | b'+') if text.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => return (n, at),
        }
        at += 1;
    }
}

/// Whether the digits are a card number, or the first ones of groups are.
fn is_card(text: &[u8], start: usize, n: usize) -> bool {
    let mut digits = [0; *DIGITS.end()];
    let found = text[start..].iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0');
    let len = digits.iter_mut().zip(found.take(n)).map(|(to, digit)| *to = digit).count();
    let whole = &digits[..len];
    if n <= *DIGITS.end() {
        return is_of_a_network(whole) && has_check_digit(whole);
    }
    // More than a card has: only where groups tell where it ends.
    let is_grouped = text[start..].get(4).is_some_and(|b| !b.is_ascii_digit());
    is_grouped && is_of_a_network(&digits[..16]) && has_check_digit(&digits[..16])
}

/// Whether a card network gives out numbers of this length that begin so.
fn is_of_a_network(digits: &[u8]) -> bool {
    let first = |n: usize| digits.iter().take(n).fold(0_u32, |sum, &digit| sum * 10 + u32::from(digit));
    let len = digits.len();
    match first(2) {
        40..=49 => matches!(len, 13 | 16 | 19),
        51..=55 => len == 16,
        34 | 37 => len == 15,
        30 | 36 | 38 | 39 => (14..=19).contains(&len),
        35 | 60 | 64 | 65 | 62 | 81 => (16..=19).contains(&len),
        50 | 56..=58 | 61 | 63 | 66..=69 => len == 16 || len > 17,
        _ => len == 16 && (2221..=2720).contains(&first(4)),
    }
}

/// Source: Luhn, US patent 2,950,048.
fn has_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, &digit)| weighed(i, u32::from(digit))).sum();
    sum.is_multiple_of(10)
}

const fn weighed(i: usize, digit: u32) -> u32 {
    let n = if i % 2 == 1 { digit * 2 } else { digit };
    if n > 9 { n - 9 } else { n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_told_from_other_digits() {
        for (text, want) in [
            ("4111111111111111", true),
            ("x4111-1111-1111-1111y", true),
            ("4111 1111 1111 1111", true),
            ("4111.1111.1111.1111", true),
            ("4111_1111_1111_1111", true),
            ("411-1111-1111-111-11", true),
            ("2026-4111-1111-1111-1111", true),
            ("4111-1111-1111-1111-12-27", true),
            ("378282246310005", true),
            ("6011111111111117", true),
            ("5555555555554444", true),
            ("2223003122003222", true),
            ("30569309025904", true),
            ("4111111111111112", false),
            ("1234567890123452", false),
            ("20260112083000123", false),
            ("4--111111111111111", false),
            ("0000000000000000", false),
            ("42", false),
            ("", false),
        ] {
            assert_eq!(holds_one(text.as_bytes()), want, "{text}");
        }
    }
}
