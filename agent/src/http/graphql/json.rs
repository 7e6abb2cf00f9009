//! The members of a JSON object, or of the objects in an array, while they come.
//!
//! In: bytes, in pieces. Out: calls of [`Visit`] for the members at the top; what they hold is passed over by counting
//! brackets. It is tolerant: what is no JSON deeper inside is not noticed. Nothing is kept but the start of a key.
//!
//! Source: RFC 8259.

/// Bytes of a key; a longer one is none that anybody asks for.
const KEY_BYTES: usize = 16;

/// Who hears of members.
pub(super) trait Visit {
    /// An object begins: the only one, or the next of an array.
    fn object(&mut self, is_of_array: bool);
    /// A member; what of its value is wanted.
    fn member(&mut self, key: &[u8]) -> Want;
    /// The next byte of a text that was wanted, without escapes; `0xff` for escaped characters beyond ASCII.
    fn text(&mut self, b: u8);
    /// The text that was wanted ends.
    fn text_end(&mut self);
    /// The array that was wanted is there, and not empty.
    fn full_array(&mut self);
    /// Whether nothing more is wanted at all.
    fn is_done(&self) -> bool;
}

/// What of a value is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Want {
    #[default]
    Nothing,
    /// What it says, if it is a text.
    Text,
    /// Whether it is an array with something in it.
    Array,
}

/// Where the text stands.
#[derive(Debug, Default)]
pub(super) struct Members {
    at: At,
    is_array: bool,
    escape: Escape,
    want: Want,
    /// Open brackets of a value.
    depth: u32,
    key: [u8; KEY_BYTES],
    /// More than `KEY_BYTES` where it is too long.
    key_len: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Begin,
    /// In the array: between objects.
    Between,
    /// In an object: before a key, or at its end.
    Member,
    Key,
    Colon,
    Value,
    /// Behind the bracket of an array that is wanted.
    Element,
    /// A number or a word.
    Word,
    /// A text that is wanted.
    Text,
    OtherText,
    /// Arrays and objects within a member, and the texts in them.
    Nested,
    NestedText,
    /// Behind it all, or it is no such JSON.
    End,
}

/// How far an escape was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// Of `\u` so many digits, and what they come to.
    Unicode(u8, u16),
}

/// What a byte of a text is.
enum Read {
    Byte(u8),
    /// A part of an escape.
    Part,
    End,
}

impl Members {
    /// Whether nothing more will be told.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// The next bytes.
    pub(super) fn read(&mut self, bytes: &[u8], visit: &mut impl Visit) {
        let mut i = 0;
        while let Some(&b) = bytes.get(i) {
            i += 1;
            let is_blank = matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            match self.at {
                At::Begin | At::Between => match b {
                    b'{' => {
                        visit.object(self.is_array);
                        self.at = At::Member;
                    }
                    b'[' if self.at == At::Begin => (self.at, self.is_array) = (At::Between, true),
                    // A byte order mark.
                    0xef | 0xbb | 0xbf if self.at == At::Begin => {}
                    b',' if self.at == At::Between => {}
                    _ if is_blank => {}
                    _ => self.at = At::End,
                },
                At::Member => match b {
                    b'"' => (self.at, self.key_len) = (At::Key, 0),
                    b'}' => self.at = if self.is_array { At::Between } else { At::End },
                    b',' => {}
                    _ if is_blank => {}
                    _ => self.at = At::End,
                },
                At::Key => match self.unescape(b) {
                    Read::Byte(b) => {
                        if let Some(place) = self.key.get_mut(usize::from(self.key_len)) {
                            *place = b;
                        }
                        self.key_len = self.key_len.saturating_add(1);
                    }
                    Read::Part => {}
                    Read::End => {
                        let key = self.key.get(..usize::from(self.key_len)).unwrap_or_default();
                        (self.want, self.at) = (visit.member(key), At::Colon);
                    }
                },
                At::Colon if b == b':' => self.at = At::Value,
                At::Colon if is_blank => {}
                At::Colon => self.at = At::End,
                At::Value if is_blank => {}
                At::Value => {
                    (self.at, self.depth) = match b {
                        b'"' if self.want == Want::Text => (At::Text, 0),
                        b'"' => (At::OtherText, 0),
                        b'[' if self.want == Want::Array => (At::Element, 1),
                        b'{' | b'[' => (At::Nested, 1),
                        b'}' | b']' | b',' | b':' => (At::End, 0),
                        _ => (At::Word, 0),
                    }
                }
                At::Element if is_blank => {}
                At::Element => {
                    if b != b']' {
                        visit.full_array();
                    }
                    self.at = At::Nested;
                    i -= 1;
                }
                At::Word if matches!(b, b',' | b'}') => {
                    self.at = At::Member;
                    i -= 1;
                }
                At::Word => {}
                At::Text => match self.unescape(b) {
                    Read::Byte(b) => visit.text(b),
                    Read::Part => {}
                    Read::End => {
                        visit.text_end();
                        self.at = At::Member;
                    }
                },
                At::Nested => match b {
                    b'"' => self.at = At::NestedText,
                    b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            self.at = At::Member;
                        }
                    }
                    _ => {}
                },
                At::OtherText | At::NestedText if self.escape == Escape::Backslash => self.escape = Escape::None,
                At::OtherText | At::NestedText => {
                    // Most of a body is such text.
                    let Some(end) = memchr::memchr2(b'"', b'\\', &bytes[i - 1..]) else { return };
                    i += end;
                    match (bytes[i - 1], self.at) {
                        (b'\\', _) => self.escape = Escape::Backslash,
                        (_, At::NestedText) => self.at = At::Nested,
                        _ => self.at = At::Member,
                    }
                }
                At::End => return,
            }
            if visit.is_done() {
                self.at = At::End;
            }
        }
    }

    fn unescape(&mut self, b: u8) -> Read {
        let unit = match (self.escape, b) {
            (Escape::None, b'"') => return Read::End,
            (Escape::None, b'\\') => {
                self.escape = Escape::Backslash;
                return Read::Part;
            }
            (Escape::None, _) => return Read::Byte(b),
            (Escape::Backslash, b'u') => {
                self.escape = Escape::Unicode(0, 0);
                return Read::Part;
            }
            (Escape::Backslash, _) => u16::from(match b {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 0x08,
                b'f' => 0x0c,
                _ => b,
            }),
            (Escape::Unicode(n, value), _) => {
                let Some(digit) = (b as char).to_digit(16) else {
                    // It is no escape, then; a quote ends the text all the same.
                    self.escape = Escape::None;
                    return if b == b'"' { Read::End } else { Read::Byte(b) };
                };
                let value = value << 4 | digit as u16;
                if n < 3 {
                    self.escape = Escape::Unicode(n + 1, value);
                    return Read::Part;
                }
                value
            }
        };
        self.escape = Escape::None;
        Read::Byte(u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(0xff))
    }
}
