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

/// Appends the shape of a path; of a target that begins with `/`, too, since it ends where a query or fragment does.
/// One pass over its bytes, and a second over segments that hold digits or hyphens.
pub fn write_shape(path: &[u8], out: &mut Vec<u8>) {
    if path.first() != Some(&b'/') {
        // `*`, an authority, or no path at all.
        out.extend_from_slice(if path == b"*" || path.is_empty() { path } else { b"{authority}" });
        return;
    }
    // Words are not copied one by one, but with their neighbours when a value or the end comes.
    let (mut copied, mut start) = (0, 1);
    for n in 1.. {
        if let Some(end) = uuid_end(path, start) {
            out.extend_from_slice(&path[copied..start]);
            out.extend_from_slice(b"{uuid}");
            (copied, start) = (end, end);
        }
        let (end, classes) = segment_end(path, start);
        let segment = &path[start..end];
        if classes & !(LETTERS | MARK) != 0 || segment.len() >= HASH_DIGITS {
            out.extend_from_slice(&path[copied..start]);
            write_odd_segment(segment, classes, out);
            copied = end;
        }
        let is_last = path.get(end) != Some(&b'/');
        if is_last || n == budget::ROUTE_SEGMENTS {
            out.extend_from_slice(&path[copied..end]);
            if !is_last {
                out.extend_from_slice(b"/*");
            }
            return;
        }
        start = end + 1;
    }
}

/// Where the UUID ends that the segment from `start` on is, if it is one. Its hyphens give it away, which saves looking
/// at every byte twice.
#[inline]
fn uuid_end(path: &[u8], start: usize) -> Option<usize> {
    let end = start + 36;
    let s: &[u8; 36] = path.get(start..end)?.first_chunk()?;
    let ends_there = path.get(end).is_none_or(|&b| CLASS[b as usize] == END);
    if [s[8], s[13], s[18], s[23]] != *b"----" || !ends_there {
        return None;
    }
    let groups = [&s[..8], &s[9..13], &s[14..18], &s[19..23], &s[24..]];
    let classes = groups.iter().fold(0, |mask, group| mask | classes_of(group));
    (classes & !(DIGIT | HEX_LOWER | HEX_UPPER) == 0).then_some(end)
}

/// Where the segment that begins at `start` ends, and what it is made of.
#[inline]
fn segment_end(path: &[u8], start: usize) -> (usize, u16) {
    let mut classes = 0;
    for (i, &b) in path[start..].iter().enumerate() {
        let class = CLASS[b as usize];
        if class == END {
            return (start + i, classes);
        }
        classes |= class;
    }
    (path.len(), classes)
}

/// Bits of the characters that a segment is made of.
const DIGIT: u16 = 1;
const HEX_LOWER: u16 = 2;
const HEX_UPPER: u16 = 4;
const LOWER: u16 = 8;
const UPPER: u16 = 16;
const HYPHEN: u16 = 32;
const DOT: u16 = 64;
const OTHER: u16 = 128;
/// `_` and `~`: letters, but in no uuid.
const MARK: u16 = 256;
/// What no segment holds.
const END: u16 = 512;

const LETTERS: u16 = HEX_LOWER | HEX_UPPER | LOWER | UPPER;

static CLASS: [u16; 256] = {
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
            b'_' | b'~' => MARK,
            b'/' | b'?' | b'#' => END,
            _ => OTHER,
        };
        b += 1;
    }
    t
};

#[inline]
fn classes_of(s: &[u8]) -> u16 {
    s.iter().fold(0, |mask, &b| mask | CLASS[b as usize])
}

/// A segment of more than a few letters.
fn write_odd_segment(mut segment: &[u8], mut classes: u16, out: &mut Vec<u8>) {
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
fn placeholder(s: &[u8], classes: u16) -> Option<&'static str> {
    if is_uuid(s, classes) {
        return Some("{uuid}");
    }
    let classes = classes & !MARK;
    if classes == DIGIT {
        return Some(if s.len() >= HASH_DIGITS { MAYBE_HEX } else { "{int}" });
    }
    if classes & DIGIT == 0 && classes & HYPHEN == 0 && s.len() < HASH_DIGITS {
        return None;
    }
    if s.is_empty() || classes & (DOT | OTHER) != 0 && !may_be_time(s, classes) {
        return None;
    }
    let letters = classes & LETTERS;
    if classes & HYPHEN != 0 {
        return if is_date(s) {
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

fn may_be_time(s: &[u8], classes: u16) -> bool {
    classes & DIGIT != 0 && s.len() > 10 && is_date(s)
}

#[inline]
fn is_uuid(s: &[u8], classes: u16) -> bool {
    s.len() == 36
        && classes & !(DIGIT | HEX_LOWER | HEX_UPPER | HYPHEN) == 0
        && [8, 13, 18, 23].iter().all(|&i| s[i] == b'-')
        && s.iter().filter(|&&b| b == b'-').count() == 4
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
fn is_slug(s: &[u8], letters: u16) -> bool {
    if letters == 0 || !is_joined(s) {
        return false;
    }
    // The most common one first: it ends in a number.
    let tail = s.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let head = s.iter().take_while(|b| b.is_ascii_digit()).count();
    let at_an_end = tail > 0 && s[s.len() - tail - 1] == b'-' || head > 0 && s[head] == b'-';
    at_an_end || s.iter().filter(|&&b| b == b'-').count() >= 4
}

/// Whether hyphens stand between words, and nowhere else.
fn is_joined(s: &[u8]) -> bool {
    s.first() != Some(&b'-') && s.last() != Some(&b'-') && !s.windows(2).any(|pair| pair == b"--")
}

/// A random-looking token: long, with several digits strewn among letters of both cases, or very long with digits.
fn is_token(s: &[u8], letters: u16) -> bool {
    if letters == 0 || s.len() < 12 {
        return false;
    }
    let digits = s.iter().filter(|b| b.is_ascii_digit()).count();
    let both_cases = letters & (HEX_LOWER | LOWER) != 0 && letters & (HEX_UPPER | UPPER) != 0;
    digits >= 3 && both_cases || s.len() >= 20 && digits >= 5
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
            ("/a/7d3a1f0c_52c1-4c7e-9f5f-2d1b8a3c4e5f", "/a/{slug}"),
            ("/p/7-kettles", "/p/{slug}"),
            ("/p/kettle--42", "/p/kettle--42"),
            ("/p/-42", "/p/-42"),
            ("/v1/users/42?limit=7", "/v1/users/{int}"),
            ("/v1/users?id=7/8", "/v1/users"),
            ("/v1/search#top", "/v1/search"),
            ("/?", "/"),
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
