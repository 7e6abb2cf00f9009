//! Tokens that blanks part: what stands behind the bytes of an access log line, and the columns of other formats.
//!
//! In: a line and a position. Out: one token at a time, with its class. Quotes and brackets hold blanks together, and
//! so do commas and colons between values of one list (`0.010, 0.020`, `0.1 : 0.2`).

use super::scan;

/// How a token looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// `"..."`; a bare `-` passes for it.
    Quoted,
    /// `[...]`.
    Bracketed,
    /// `0.123`; `-` and lists pass for it.
    Decimal,
    /// `123`; `-` passes for it.
    Integer,
    /// `12ms`.
    Suffixed,
    /// `rt=0.123`, `urt="0.1"`; its name.
    Pair(String),
    /// Anything else.
    Word,
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// Without quotes and brackets.
    pub(super) text: &'a [u8],
    /// Position of its first byte, quote or bracket.
    pub(super) at: usize,
    /// Position behind it.
    pub(super) end: usize,
    pub(super) kind: Kind,
}

/// How a token is enclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Quoted,
    Bracketed,
    Bare,
    /// A quote or a bracket that never closes: the rest of the line.
    Open,
}

impl Token<'_> {
    /// Whether it can stand where the class is expected.
    #[inline]
    pub(super) fn fits(&self, class: &Class) -> bool {
        let dash = self.text == b"-" && self.kind == Kind::Bare;
        match class {
            Class::Quoted => dash || self.kind == Kind::Quoted,
            Class::Bracketed => self.kind == Kind::Bracketed,
            Class::Decimal | Class::Integer if dash => true,
            Class::Decimal | Class::Integer | Class::Suffixed => {
                self.kind == Kind::Bare && self.text.first().is_some_and(u8::is_ascii_digit)
            }
            Class::Pair(name) => {
                self.text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
            }
            Class::Word => self.kind == Kind::Bare,
        }
    }

    /// What it looks like.
    pub(super) fn class(&self) -> Class {
        match self.kind {
            Kind::Quoted | Kind::Open => return Class::Quoted,
            Kind::Bracketed => return Class::Bracketed,
            Kind::Bare => {}
        }
        let first = self.text.split(|b| matches!(b, b',' | b' ')).next().unwrap_or_default();
        let digits = first.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        let points = first.iter().filter(|b| **b == b'.').count();
        match (&first[digits..], points) {
            _ if first == b"-" => Class::Word,
            ([], 0) if digits > 0 => Class::Integer,
            ([], 1) if digits > 1 => Class::Decimal,
            (b"ms" | b"s" | b"us" | b"ns" | b"\xc2\xb5s", _) if digits > 0 => Class::Suffixed,
            _ => match self.text.iter().position(|b| *b == b'=') {
                Some(n) if n > 0 && self.text[..n].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') => {
                    Class::Pair(String::from_utf8_lossy(&self.text[..n]).into_owned())
                }
                _ => Class::Word,
            },
        }
    }
}

/// The token at or after `at`; `None` at the end of the line.
#[inline]
pub(super) fn next(line: &[u8], at: usize) -> Option<Token<'_>> {
    let at = scan::skip_blanks(line, at);
    match line.get(at)? {
        b'"' => Some(match closing_quote(line, at + 1, false) {
            Some(end) => Token { text: &line[at + 1..end], at, end: end + 1, kind: Kind::Quoted },
            None => Token { text: &line[at + 1..], at, end: line.len(), kind: Kind::Open },
        }),
        b'[' => Some(match scan::find(line, at, b']') {
            Some(end) => Token { text: &line[at + 1..end], at, end: end + 1, kind: Kind::Bracketed },
            None => Token { text: &line[at + 1..], at, end: line.len(), kind: Kind::Open },
        }),
        _ => Some(bare(line, at)),
    }
}

/// A quote closes where a blank or the end of the line follows; others belong to the text, since not every server
/// escapes them.
#[inline]
pub(super) fn closing_quote(line: &[u8], at: usize, is_long: bool) -> Option<usize> {
    let first = if is_long { scan::far_quote(line, at)?.0 } else { scan::quote(line, at)?.0 };
    if matches!(line.get(first + 1), None | Some(b' ')) { Some(first) } else { later_quote(line, first) }
}

#[cold]
fn later_quote(line: &[u8], first: usize) -> Option<usize> {
    let mut at = first;
    loop {
        if matches!(line.get(at + 1), None | Some(b' ' | b'\t' | b',')) {
            return Some(at);
        }
        match scan::quote(line, at + 1) {
            Some((next, _)) => at = next,
            None => return Some(first),
        }
    }
}

#[inline]
fn bare(line: &[u8], at: usize) -> Token<'_> {
    let mut end = scan::find(line, at, b' ').unwrap_or(line.len());
    if line[at].is_ascii_alphabetic() {
        // `urt="0.1, 0.2"`
        if let Some(open) = line[at..end].windows(2).position(|w| w == b"=\"") {
            end = closing_quote(line, at + open + 2, false).map_or(line.len(), |q| q + 1);
        }
    }
    loop {
        let rest = &line[end..];
        if line[end - 1] == b',' && rest.len() > 1 {
            end = scan::find(line, end + 1, b' ').unwrap_or(line.len());
        } else if rest.starts_with(b" : ") && line[end - 1].is_ascii_digit() {
            end = scan::find(line, end + 3, b' ').unwrap_or(line.len());
        } else {
            return Token { text: &line[at..end], at, end, kind: Kind::Bare };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_their_classes() {
        let line = br#""a b" - [x-80] [] 1904 0.011 0.012, - 1.1.1.1:80, 2.2.2.2:80 12ms rt=0.1 urt="0.1 : 0.2" w "un"#;
        let (mut at, mut got) = (0, Vec::new());
        while let Some(token) = next(line, at) {
            got.push((String::from_utf8_lossy(token.text).into_owned(), token.class()));
            at = token.end;
        }
        let want = [
            ("a b", Class::Quoted),
            ("-", Class::Word),
            ("x-80", Class::Bracketed),
            ("", Class::Bracketed),
            ("1904", Class::Integer),
            ("0.011", Class::Decimal),
            ("0.012, -", Class::Decimal),
            ("1.1.1.1:80, 2.2.2.2:80", Class::Word),
            ("12ms", Class::Suffixed),
            ("rt=0.1", Class::Pair("rt".into())),
            ("urt=\"0.1 : 0.2\"", Class::Pair("urt".into())),
            ("w", Class::Word),
            ("un", Class::Quoted),
        ];
        assert_eq!(got, want.map(|(t, c)| (t.to_owned(), c)));
    }

    #[test]
    fn quotes_inside_a_quoted_text_do_not_end_it() {
        for (line, want) in [(r#""a"b" c"#, r#"a"b"#), (r#""a\" b" c"#, r#"a\" b"#), (r#""" c"#, ""), (r#""a"b"#, "a")]
        {
            assert_eq!(next(line.as_bytes(), 0).map(|t| t.text), Some(want.as_bytes()), "{line}");
        }
    }
}
