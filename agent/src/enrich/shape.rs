//! The shape of a path: every segment that looks like a value becomes a placeholder by its type.
//!
//! In: a path. Out: its shape, a pure function of the path alone, so that it does not matter who saw which path first.
//! What looks like a word stays; whether there are too many words at a position is the [tree](super::RouteTree)'s
//! question, which sees them all.
//!
//! | segment | placeholder |
//! |---|---|
//! | `7d3a1f0c-52c1-4c7e-9f5f-2d1b8a3c4e5f` | `{uuid}` |
//! | digits | `{int}`; of 16 and more, which could as well be a hash without letters, [`MAYBE_HEX`] |
//! | 8 and more hex digits, letters and digits (from 16 on also letters alone) | `{hex}` |
//! | `2026-01-12`, with or without a time | `{date}` |
//! | `blue-kettle-42`, five words and more, mixed tokens, `@`, very long ones | `{slug}` |
//! | `app.5f2b9c01d3e4a876.js`, `42.json`, `blue-kettle-42.webp`, `42:cancel` | the same within the segment |

use crate::budget;

/// A run of digits that is a hash if its siblings are, and a number otherwise; resolved by the tree.
pub(super) const MAYBE_HEX: &str = "{hex?}";

/// Digits from which a number could be a hash without letters.
const HASH_DIGITS: usize = 16;

/// Appends the shape of a path. One pass over its bytes, and a second over segments that hold digits or hyphens.
pub fn write_shape(path: &[u8], out: &mut Vec<u8>) {
    if path.first() != Some(&b'/') {
        // `*`, an authority, or no path at all.
        out.extend_from_slice(if path == b"*" || path.is_empty() { path } else { b"{authority}" });
        return;
    }
    let (mut start, mut classes, mut n) = (1, 0, 0);
    for (i, &b) in path.iter().enumerate().skip(1) {
        if b != b'/' {
            classes |= CLASS[b as usize];
            continue;
        }
        out.push(b'/');
        write_segment(&path[start..i], classes, out);
        (start, classes, n) = (i + 1, 0, n + 1);
        if n == budget::ROUTE_SEGMENTS {
            out.extend_from_slice(b"/*");
            return;
        }
    }
    out.push(b'/');
    write_segment(&path[start..], classes, out);
}

/// Bits of the characters that a segment is made of.
const DIGIT: u8 = 1;
const HEX_LOWER: u8 = 2;
const HEX_UPPER: u8 = 4;
const LOWER: u8 = 8;
const UPPER: u8 = 16;
const HYPHEN: u8 = 32;
const DOT: u8 = 64;
const OTHER: u8 = 128;

static CLASS: [u8; 256] = {
    let mut t = [OTHER; 256];
    let mut b = 0;
    while b < 256 {
        t[b] = match b as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' => HEX_LOWER,
            b'A'..=b'F' => HEX_UPPER,
            b'g'..=b'z' => LOWER,
            b'G'..=b'Z' => UPPER,
            b'-' => HYPHEN,
            b'.' => DOT,
            b'_' | b'~' => 0,
            _ => OTHER,
        };
        b += 1;
    }
    t
};

fn classes_of(s: &[u8]) -> u8 {
    s.iter().fold(0, |mask, &b| mask | CLASS[b as usize])
}

#[inline]
fn write_segment(segment: &[u8], classes: u8, out: &mut Vec<u8>) {
    if classes & !(HEX_LOWER | HEX_UPPER | LOWER | UPPER) == 0 && segment.len() < HASH_DIGITS {
        out.extend_from_slice(segment);
    } else {
        write_odd_segment(segment, classes, out);
    }
}

/// A segment of more than a few letters.
fn write_odd_segment(mut segment: &[u8], mut classes: u8, out: &mut Vec<u8>) {
    // A matrix parameter (`;jsessionid=…`) is no part of the route.
    if classes & OTHER != 0
        && let Some(at) = memchr::memchr(b';', segment)
    {
        segment = &segment[..at];
        classes = classes_of(segment);
    }
    if let Some(placeholder) = placeholder(segment, classes) {
        out.extend_from_slice(placeholder.as_bytes());
    } else if segment.len() > budget::SEGMENT_BYTES || classes & OTHER != 0 && memchr::memchr(b'@', segment).is_some() {
        out.extend_from_slice(b"{slug}");
    } else if classes & OTHER != 0 {
        write_action(segment, out);
    } else if classes & DOT != 0 {
        write_dotted(segment, out);
    } else {
        out.extend_from_slice(segment);
    }
}

/// `42:cancel` and `{braces}`: an identifier before a colon, and nothing that could be taken for a placeholder.
fn write_action(segment: &[u8], out: &mut Vec<u8>) {
    if let Some(colon) = memchr::memchr(b':', segment) {
        let (id, action) = segment.split_at(colon);
        let is_word = action[1..].iter().all(u8::is_ascii_alphabetic);
        if let (true, Some(placeholder)) = (is_word, placeholder(id, classes_of(id))) {
            out.extend_from_slice(placeholder.as_bytes());
            out.extend_from_slice(action);
            return;
        }
    }
    // Braces are ours; control characters and bytes that are no ASCII never make a name.
    out.extend(segment.iter().map(|&b| match b {
        b'{' | b'}' => b'_',
        b if !(b' '..0x7f).contains(&b) => b'_',
        b => b,
    }));
}

/// `app.<hex>.js`, `<int>.json`, `<slug>.webp`: a value between or before dots.
fn write_dotted(segment: &[u8], out: &mut Vec<u8>) {
    let parts = segment.split(|&b| b == b'.');
    let n = parts.clone().count();
    for (i, part) in parts.enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        let found = placeholder(part, classes_of(part)).filter(|&p| match p {
            "{uuid}" | "{hex}" | MAYBE_HEX => true,
            _ => i == 0 && n == 2,
        });
        out.extend_from_slice(found.map_or(part, str::as_bytes));
    }
}

/// What a segment of these characters is a value of; `None` for a word.
#[inline]
fn placeholder(s: &[u8], classes: u8) -> Option<&'static str> {
    if classes & DIGIT == 0 && classes & HYPHEN == 0 && s.len() < HASH_DIGITS {
        return None;
    }
    if s.is_empty() || classes & (DOT | OTHER) != 0 && !may_be_time(s, classes) {
        return None;
    }
    let letters = classes & (HEX_LOWER | HEX_UPPER | LOWER | UPPER);
    if classes == DIGIT {
        return Some(if s.len() >= HASH_DIGITS { MAYBE_HEX } else { "{int}" });
    }
    if classes & HYPHEN != 0 {
        return if is_uuid(s, classes) {
            Some("{uuid}")
        } else if is_date(s) {
            Some("{date}")
        } else {
            (is_slug(s, letters) || is_token(s, letters)).then_some("{slug}")
        };
    }
    let one_case = letters == HEX_LOWER || letters == HEX_UPPER;
    if one_case && classes == letters | (classes & DIGIT) {
        let enough = if classes & DIGIT != 0 { 8 } else { HASH_DIGITS };
        return (s.len() >= enough).then_some("{hex}");
    }
    is_token(s, letters).then_some("{slug}")
}

fn may_be_time(s: &[u8], classes: u8) -> bool {
    classes & DIGIT != 0 && s.len() > 10 && is_date(s)
}

fn is_uuid(s: &[u8], classes: u8) -> bool {
    s.len() == 36
        && classes & (LOWER | UPPER) == 0
        && [8, 13, 18, 23].iter().all(|&i| s[i] == b'-')
        && s.iter().filter(|&&b| b == b'-').count() == 4
        && s.iter().all(|&b| b == b'-' || b.is_ascii_hexdigit())
}

/// `2026-01-12`, then nothing or a `T` and a time.
fn is_date(s: &[u8]) -> bool {
    let number = |range: std::ops::Range<usize>| {
        s.get(range)?.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    let tail_fits = match s.get(10) {
        None => true,
        Some(b'T' | b't' | b' ') => s[11..].iter().all(|b| b.is_ascii_digit() || b":.+-Zz%".contains(b)),
        Some(_) => false,
    };
    s.len() >= 10
        && s[4] == b'-'
        && s[7] == b'-'
        && number(0..4).is_some_and(|y| (1900..2200).contains(&y))
        && number(5..7).is_some_and(|m| (1..=12).contains(&m))
        && number(8..10).is_some_and(|d| (1..=31).contains(&d))
        && tail_fits
}

/// Words joined by hyphens of which one at an end is a number, or at least five words.
fn is_slug(s: &[u8], letters: u8) -> bool {
    let words = s.split(|&b| b == b'-');
    let n_words = words.clone().count();
    let is_number = |w: Option<&[u8]>| w.is_some_and(|w| !w.is_empty() && w.iter().all(u8::is_ascii_digit));
    let at_an_end = is_number(words.clone().next()) || is_number(words.clone().next_back());
    letters != 0 && n_words >= 2 && words.clone().all(|w| !w.is_empty()) && (n_words >= 5 || at_an_end)
}

/// A random-looking token: long, with several digits strewn among letters of both cases, or very long with digits.
fn is_token(s: &[u8], letters: u8) -> bool {
    let digits = s.iter().filter(|b| b.is_ascii_digit()).count();
    let both_cases = letters & (HEX_LOWER | LOWER) != 0 && letters & (HEX_UPPER | UPPER) != 0;
    letters != 0 && ((s.len() >= 12 && digits >= 3 && both_cases) || (s.len() >= 20 && digits >= 5))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(path: &str) -> String {
        let mut out = Vec::new();
        write_shape(path.as_bytes(), &mut out);
        String::from_utf8(out).expect("shapes are UTF-8")
    }

    #[test]
    fn values_become_placeholders_and_words_stay() {
        for (path, want) in [
            ("/", "/"),
            ("", ""),
            ("*", "*"),
            ("example.com:443", "{authority}"),
            ("/v1/users/42", "/v1/users/{int}"),
            ("/v1/users/42/", "/v1/users/{int}/"),
            ("/users/me", "/users/me"),
            ("/users/42/orders/7f9c2ba4", "/users/{int}/orders/{hex}"),
            ("/u/7d3a1f0c-52c1-4c7e-9f5f-2d1b8a3c4e5f", "/u/{uuid}"),
            ("/u/7D3A1F0C-52C1-4C7E-9F5F-2D1B8A3C4E5F", "/u/{uuid}"),
            ("/s/0123456789012345", "/s/{hex?}"),
            ("/s/abcdefabcdefabcd", "/s/{hex}"),
            ("/s/deadbeef", "/s/deadbeef"),
            ("/r/daily/2026-01-12", "/r/daily/{date}"),
            ("/r/2026-13-12", "/r/2026-13-12"),
            ("/r/2026-01-12T10:00:00Z", "/r/{date}"),
            ("/p/blue-kettle-42", "/p/{slug}"),
            ("/p/usage-reports", "/p/usage-reports"),
            ("/p/how-to-brew-good-tea", "/p/{slug}"),
            ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
            ("/static/js/app.5f2b9c01d3e4a876.js", "/static/js/app.{hex}.js"),
            ("/static/img/blue-kettle-42.webp", "/static/img/{slug}.webp"),
            ("/js/jquery-3.6.0.min.js", "/js/jquery-3.6.0.min.js"),
            ("/photos/42.json", "/photos/{int}.json"),
            ("/jobs/42:cancel", "/jobs/{int}:cancel"),
            ("/a;jsessionid=1A2B/b", "/a/b"),
            ("/mail/jane@example.org", "/mail/{slug}"),
            ("/t/cus_Nx8aB19dKq2Lm", "/t/{slug}"),
            ("/{id}/é", "/_id_/__"),
            ("/v1/oauth2/token", "/v1/oauth2/token"),
            ("/graphql", "/graphql"),
        ] {
            assert_eq!(shape(path), want, "{path}");
        }
        assert_eq!(shape(&"/a".repeat(20)), format!("{}/*", "/a".repeat(16)));
        assert_eq!(shape(&format!("/{}", "x".repeat(65))), "/{slug}");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_bounded_printable_shape(path in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut out = Vec::new();
            write_shape(&path, &mut out);
            prop_assert!(out.len() <= budget::ROUTE_SEGMENTS * (budget::SEGMENT_BYTES + 20) + 20);
            prop_assert!(out.iter().all(|b| (b' '..0x7f).contains(b)), "{:?}", String::from_utf8_lossy(&out));
        }

        #[test]
        fn integers_never_split_a_route(id in any::<u32>()) {
            prop_assert_eq!(shape(&format!("/a/{id}/b")), "/a/{int}/b");
        }
    }
}
