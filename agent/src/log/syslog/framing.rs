//! Where messages end in a stream: RFC 6587, both framings.
//!
//! In: bytes of one connection, cut anywhere. Out: messages.
//!
//! | a message begins with | and is |
//! |---|---|
//! | a digit from 1 to 9, up to six more and a blank | that many bytes behind the blank (octet counting) |
//! | a newline, a carriage return or a NUL | not begun yet |
//! | anything else | what comes before the next newline or NUL, or the end of the connection |
//!
//! So one connection may mix them. Seconds since the epoch and addresses at the beginning of a message are no counts.

use crate::budget;

/// Digits of the greatest count.
const DIGITS: usize = 7;

/// The messages of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// What there is of the message, [`budget::LINE_BYTES`] and one more at most; while the count is read, its digits.
    message: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Between two messages.
    #[default]
    Start,
    Count,
    /// Bytes of the message that did not come yet; not 0.
    Counted(usize),
    Line,
}

impl Framing {
    /// Takes the next bytes and gives every message that is whole now. Of one that is longer than
    /// [`budget::LINE_BYTES`] the beginning is given, which is one byte longer than that.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        while let Some(first) = bytes.first() {
            match self.state {
                State::Start if matches!(first, b'\n' | b'\r' | 0) => bytes = &bytes[1..],
                State::Start => self.state = if matches!(first, b'1'..=b'9') { State::Count } else { State::Line },
                State::Count => bytes = self.count(*first, bytes),
                State::Counted(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    self.state = State::Counted(left - now.len());
                    if now.len() == left {
                        self.end(now, each);
                    } else {
                        self.keep(now);
                    }
                    bytes = rest;
                }
                State::Line => match memchr::memchr2(b'\n', 0, bytes) {
                    Some(end) => {
                        self.end(&bytes[..end], each);
                        bytes = &bytes[end + 1..];
                    }
                    None => {
                        self.keep(bytes);
                        bytes = &[];
                    }
                },
            }
        }
    }

    /// The connection ended, which ends a message without a count, too. Whether one with a count is cut off.
    pub fn finish(&mut self, each: &mut dyn FnMut(&[u8])) -> bool {
        let is_cut = matches!(self.state, State::Counted(_));
        if matches!(self.state, State::Count | State::Line) {
            self.end(&[], each);
        }
        *self = Self::default();
        is_cut
    }

    /// Takes the first of the bytes, where it is a part of the count.
    fn count<'a>(&mut self, first: u8, bytes: &'a [u8]) -> &'a [u8] {
        match first {
            b'0'..=b'9' if self.message.len() < DIGITS => self.message.push(first),
            b' ' => {
                let left = self.message.iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
                self.message.clear();
                self.state = State::Counted(left);
            }
            _ => {
                self.state = State::Line;
                return bytes;
            }
        }
        &bytes[1..]
    }

    fn end(&mut self, rest: &[u8], each: &mut dyn FnMut(&[u8])) {
        if self.message.is_empty() {
            each(&rest[..rest.len().min(budget::LINE_BYTES + 1)]);
        } else {
            self.keep(rest);
            each(&self.message);
            self.message.clear();
        }
        self.state = State::Start;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (budget::LINE_BYTES + 1).saturating_sub(self.message.len());
        self.message.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The messages, and whether the last one is cut off.
    fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
        let (mut framing, mut all) = (Framing::default(), Vec::new());
        let mut each = |m: &[u8]| all.push(String::from_utf8_lossy(m).into_owned());
        pieces.into_iter().for_each(|piece| framing.push(piece, &mut each));
        let is_cut = framing.finish(&mut each);
        (all, is_cut)
    }

    #[test]
    fn both_framings() {
        for (stream, want, is_cut) in [
            ("5 <1>ab6 <1>abc", &["<1>ab", "<1>abc"][..], false),
            ("<1>a\n<2>b\n", &["<1>a", "<2>b"], false),
            ("<1>a\0<2>b\0", &["<1>a", "<2>b"], false),
            ("<1>a\r\n\n\n<2>b", &["<1>a\r", "<2>b"], false),
            ("5 <1>a\n\n4 <2>b<3>c\n4 <4>d", &["<1>a\n", "<2>b", "<3>c", "<4>d"], false),
            ("1.2.3.4 - - x\n12x\n", &["1.2.3.4 - - x", "12x"], false),
            ("1700000000 1.2.3.4\n0 x\n", &["1700000000 1.2.3.4", "0 x"], false),
            ("2021-12-08T14:02:43Z x\n", &["2021-12-08T14:02:43Z x"], false),
            ("10 <1>a", &[], true),
            ("10 ", &[], true),
            ("10", &["10"], false),
            ("", &[], false),
        ] {
            let want: Vec<String> = want.iter().map(ToString::to_string).collect();
            assert_eq!(messages([stream.as_bytes()]), (want.clone(), is_cut), "{stream:?}");
            assert_eq!(messages(stream.as_bytes().chunks(1)), (want, is_cut), "{stream:?} byte by byte");
        }
    }

    #[test]
    fn of_a_message_beyond_the_budget_the_beginning_is_kept() {
        for frame in [format!("<1>{}\n", "x".repeat(600_000)), format!("600003 <1>{}", "x".repeat(600_000))] {
            for size in [7, 10_000, 1 << 20] {
                let stream = frame.clone() + "<2>next\n";
                let (all, is_cut) = messages(stream.as_bytes().chunks(size));
                assert_eq!(all.iter().map(String::len).collect::<Vec<_>>(), [budget::LINE_BYTES + 1, 7]);
                assert!(!is_cut);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn messages_do_not_depend_on_where_the_stream_is_cut(
            texts in prop::collection::vec(("<[0-9]{1,3}>[ -~]{0,40}", 0..3_u8), 0..20),
            sizes in prop::collection::vec(1..60_usize, 1..20),
        ) {
            let frame = |(text, how): &(String, u8)| match how {
                0 => format!("{} {text}", text.len()),
                1 => format!("{text}\n"),
                _ => format!("{text}\0"),
            };
            let stream: String = texts.iter().map(frame).collect();
            let mut rest = stream.as_bytes();
            let pieces = sizes.iter().cycle().map_while(|size| {
                let (piece, more) = rest.split_at((*size).min(rest.len()));
                rest = more;
                (!piece.is_empty()).then_some(piece)
            });
            let want: Vec<String> = texts.iter().map(|(text, _)| text.clone()).collect();
            prop_assert_eq!(messages(pieces), (want, false));
        }
    }
}
