//! Whole lines out of a window of a file, and what becomes of lines that are too long or have no end.
//!
//! In: bytes, of which the first were read before. Out: where whole lines lie in them, and up to where they are read.

use std::ops::Range;

use super::mark::{LAST_BYTES, Mark};
use crate::budget;

/// Bytes that a window may need at most: what was read last, a chunk, and room for a newline.
pub(crate) const WINDOW_BYTES: usize = LAST_BYTES as usize + budget::CHUNK_BYTES + 1;

/// Lines in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Whole lines, each with its newline; may be empty.
    pub(crate) lines: Range<usize>,
    /// End of what is read when the lines are; beyond them where the rest of a line is dropped.
    pub(crate) end: usize,
    /// What was read last, hashed before the window is changed.
    pub(crate) mark: Mark,
}

/// Cuts `window[from..to]`, which follow on the mark, into lines. `window[..from]` lies before the mark, `window[to]` is
/// room. With `is_end`, no more of the last line will come. `None` where there is nothing to take.
pub(crate) fn cut(mark: &Mark, window: &mut [u8], from: usize, to: usize, is_end: bool) -> Option<Cut> {
    let mut start = from;
    let mut skips_line = mark.skips_line;
    if skips_line {
        start = memchr::memchr(b'\n', &window[from..to]).map_or(to, |n| from + n + 1);
        let has_ended = start > from && window[start - 1] == b'\n';
        skips_line = !has_ended && !is_end;
    }
    let whole = memchr::memrchr(b'\n', &window[start..to]).map(|last| start + last + 1);
    let (end, lines_end, newline) = match whole {
        Some(end) => (end, end, None),
        None if to - start > budget::LINE_BYTES => {
            skips_line = !is_end;
            (to, start + budget::LINE_BYTES + 2, Some(start + budget::LINE_BYTES + 1))
        }
        None if is_end && to > start => (to, to + 1, Some(to)),
        None if start > from || skips_line != mark.skips_line => (start, start, None),
        None => return None,
    };
    let mut after = *mark;
    after.advance((end - from) as u64, &window[..end]);
    after.skips_line = skips_line;
    if let Some(at) = newline {
        window[at] = b'\n';
    }
    Some(Cut { lines: start..lines_end, end, mark: after })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a window after `before`, the offset, and whether the rest of a line is dropped.
    fn lines(before: &str, text: &str, skips_line: bool, is_end: bool) -> Option<(String, u64, bool)> {
        let mut window = [before.as_bytes(), text.as_bytes(), &[0]].concat();
        let mark = Mark { skips_line, ..Mark::default() };
        let (from, to) = (before.len(), before.len() + text.len());
        let cut = cut(&mark, &mut window, from, to, is_end)?;
        Some((String::from_utf8(window[cut.lines].to_vec()).unwrap(), cut.mark.offset, cut.mark.skips_line))
    }

    #[test]
    fn whole_lines_are_taken() {
        for (text, skips, is_end, want) in [
            ("", false, false, None),
            ("on", false, false, None),
            ("one\ntw", false, false, Some(("one\n", 4, false))),
            ("one\r\ntwo\r\n", false, false, Some(("one\r\ntwo\r\n", 10, false))),
            ("one\ntw", false, true, Some(("one\n", 4, false))),
            ("tw", false, true, Some(("tw\n", 2, false))),
            ("\n", false, false, Some(("\n", 1, false))),
            ("rest\none\n", true, false, Some(("one\n", 9, false))),
            ("rest\none", true, false, Some(("", 5, false))),
            ("rest", true, false, Some(("", 4, true))),
            ("rest", true, true, Some(("", 4, false))),
            ("", true, false, None),
        ] {
            let want = want.map(|(lines, offset, skips): (&str, u64, bool)| (lines.to_owned(), offset, skips));
            assert_eq!(lines("before\n", text, skips, is_end), want, "{text:?} {skips} {is_end}");
        }
    }

    #[test]
    fn of_a_line_that_is_too_long_the_beginning_is_kept() {
        let long = "x".repeat(budget::LINE_BYTES + 1);
        let got = lines("", &long, false, false).unwrap();
        assert_eq!((got.0.len(), got.1, got.2), (budget::LINE_BYTES + 2, long.len() as u64, true));
        assert_eq!(lines("", &long[2..], false, false), None, "it may end yet");
        let got = lines("", &format!("{long}yyy"), false, true).unwrap();
        assert_eq!((got.0.len(), got.1, got.2), (budget::LINE_BYTES + 2, long.len() as u64 + 3, false));
    }

    #[test]
    fn what_was_read_last_is_remembered_as_it_is_in_the_file() {
        let mut window = b"one\ntwo\0".to_vec();
        let whole = cut(&Mark::default(), &mut window, 0, 7, true).unwrap();
        let rest = cut(&whole.mark, &mut window, 4, 7, true).unwrap();
        assert_eq!((rest.mark.last, rest.mark.offset), (super::super::mark::hash(b"one\ntwo"), 7));
    }
}
