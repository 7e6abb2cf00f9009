//! What a GraphQL document asks for: the types and names of its operations, or the first fields of one without a name.
//!
//! In: the bytes of the document, in pieces. Out: an [`Operation`]. Of the text nothing is kept but names, and no more than
//! `DEFINITIONS` of those.
//!
//! Source: GraphQL, October 2021, sections 2.1 (lexical) and 2.2 to 2.12 (document).

use super::operation::{Kind, Name, Operation, is_name_byte, is_name_start};

/// Operations of a document that are remembered, for when it is said behind them which one is meant.
const DEFINITIONS: usize = 4;

/// Fields of an operation without a name that are told.
const FIELDS: u8 = 3;

/// A document, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Document {
    lexer: Lexer,
    /// The word that is being read.
    word: Name,
    at: At,
    kind: Kind,
    name: Name,
    /// Open parentheses; what they hold is not looked at.
    parens: u32,
    /// Open braces.
    depth: u32,
    /// What stood before, in the outermost braces of an operation without a name.
    before: Before,
    fields: Name,
    n_fields: u8,
    definitions: [Operation; DEFINITIONS],
    n_definitions: usize,
    /// Whether the first of them begins with a word that says what it is.
    is_explicit: bool,
}

/// Inside what kind of token the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lexer {
    #[default]
    Between,
    Word,
    Comment,
    /// So many quotes were read, and nothing else.
    Quotes(u8),
    Text,
    TextEscape,
    /// A block, of which so many quotes at its end were read.
    Block(u8),
    BlockEscape,
}

/// What comes next, outside of parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// A definition.
    #[default]
    Top,
    /// A name, variables, directives or a selection.
    Keyword,
    /// All of these but a name.
    Named,
    /// Directives or a selection.
    Header,
    /// Within a selection; of an operation without a name if so.
    Selection { is_anonymous: bool },
    /// Up to the selection of a fragment.
    Fragment,
    /// It is no GraphQL.
    Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Before {
    #[default]
    Nothing,
    /// A word that is a field, unless a colon makes it an alias.
    Field,
    /// `...`: the name of a fragment follows, or `on`.
    Spread,
    /// A name that is no field follows.
    Other,
}

impl Document {
    /// The next byte.
    pub(super) fn push(&mut self, b: u8) {
        match self.lexer {
            Lexer::Word if is_name_byte(b) => self.word.push(b),
            Lexer::Word => {
                self.lexer = Lexer::Between;
                self.take_word();
                self.between(b);
            }
            Lexer::Between => self.between(b),
            Lexer::Comment => {
                if matches!(b, b'\n' | b'\r') {
                    self.lexer = Lexer::Between;
                }
            }
            Lexer::Quotes(1) if b == b'"' => self.lexer = Lexer::Quotes(2),
            Lexer::Quotes(2) if b == b'"' => self.lexer = Lexer::Block(0),
            Lexer::Quotes(2) => {
                // That was an empty text.
                self.lexer = Lexer::Between;
                self.between(b);
            }
            Lexer::Quotes(_) | Lexer::Text => {
                self.lexer = match b {
                    b'"' => Lexer::Between,
                    b'\\' => Lexer::TextEscape,
                    _ => Lexer::Text,
                }
            }
            Lexer::TextEscape => self.lexer = Lexer::Text,
            Lexer::Block(n) => {
                self.lexer = match b {
                    b'"' if n == 2 => Lexer::Between,
                    b'"' => Lexer::Block(n + 1),
                    b'\\' => Lexer::BlockEscape,
                    _ => Lexer::Block(0),
                }
            }
            // Only `\"""` is an escape here; a quote behind any other backslash is rare enough.
            Lexer::BlockEscape => self.lexer = Lexer::Block(0),
        }
    }

    /// Whether nothing more can be learned of it.
    pub(super) fn is_wrong(&self) -> bool {
        self.at == At::Wrong
    }

    /// Operations that began so far, as many as are remembered.
    pub(super) fn definitions(&self) -> usize {
        self.n_definitions
    }

    /// The operation of this name.
    pub(super) fn named(&self, name: &[u8]) -> Option<&Operation> {
        self.definitions[..self.n_definitions].iter().find(|d| d.name.as_bytes() == name)
    }

    /// The first operation; one that has no name has its first fields for one.
    pub(super) fn first(&self) -> Option<Operation> {
        let first = self.definitions[..self.n_definitions].first().filter(|_| !self.is_wrong())?;
        if !first.name.as_bytes().is_empty() {
            return Some(*first);
        }
        // A brace alone may begin anything.
        let is_told = self.is_explicit || !self.fields.as_bytes().is_empty();
        is_told.then_some(Operation { kind: first.kind, name: self.fields })
    }

    fn between(&mut self, b: u8) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => {}
            b'#' => self.lexer = Lexer::Comment,
            b'"' => {
                self.lexer = Lexer::Quotes(1);
                // Descriptions stand before definitions.
                if self.parens == 0 && matches!(self.at, At::Selection { .. } | At::Keyword | At::Named) {
                    self.at = At::Wrong;
                }
            }
            _ if is_name_start(b) => {
                if self.before == Before::Field {
                    self.take_field();
                }
                self.lexer = Lexer::Word;
                self.word.clear();
                self.word.push(b);
            }
            _ => self.take_mark(b),
        }
    }

    fn take_word(&mut self) {
        if self.parens > 0 {
            return;
        }
        match self.at {
            At::Top => {
                self.at = At::Keyword;
                match self.word.as_bytes() {
                    b"query" => self.kind = Kind::Query,
                    b"mutation" => self.kind = Kind::Mutation,
                    b"subscription" => self.kind = Kind::Subscription,
                    b"fragment" => self.at = At::Fragment,
                    _ => self.at = At::Wrong,
                }
                self.name.clear();
            }
            At::Keyword => (self.name, self.at) = (self.word, At::Named),
            At::Named => self.at = At::Wrong,
            At::Selection { is_anonymous: true } if self.depth == 1 => {
                self.before = match self.before {
                    Before::Nothing | Before::Field => Before::Field,
                    Before::Spread if self.word.as_bytes() == b"on" => Before::Other,
                    Before::Spread | Before::Other => Before::Nothing,
                };
            }
            At::Selection { .. } | At::Header | At::Fragment | At::Wrong => {}
        }
    }

    /// Anything but a word or a text.
    fn take_mark(&mut self, b: u8) {
        match (self.at, b) {
            (At::Wrong, _) => {}
            (_, b'(') if self.parens > 0 => self.parens += 1,
            (_, b')') if self.parens > 0 => self.parens -= 1,
            _ if self.parens > 0 => {}
            (At::Top, b'{') => {
                self.name.clear();
                self.kind = Kind::Query;
                self.define(false);
                self.select();
            }
            (At::Keyword | At::Named, b'{') => {
                self.define(true);
                self.select();
            }
            (At::Keyword | At::Named, b'(' | b'@') => {
                self.define(true);
                self.at = At::Header;
                self.parens = u32::from(b == b'(');
            }
            (At::Header, b'{') => self.select(),
            (At::Fragment, b'{') => (self.at, self.depth) = (At::Selection { is_anonymous: false }, 1),
            (At::Header | At::Fragment | At::Selection { .. }, b'(') => {
                self.take_field();
                self.parens = 1;
            }
            (At::Header | At::Fragment, b'@' | b'$' | b':' | b'!') => {}
            (At::Selection { .. }, b'{') => {
                self.take_field();
                self.depth = self.depth.saturating_add(1);
            }
            (At::Selection { .. }, b'}') => {
                self.take_field();
                self.depth -= 1;
                if self.depth == 0 {
                    self.at = At::Top;
                }
            }
            (At::Selection { .. }, b':') => self.before = Before::Nothing,
            (At::Selection { .. }, b'.') => {
                self.take_field();
                self.before = Before::Spread;
            }
            (At::Selection { .. }, b'@') => {
                self.take_field();
                self.before = Before::Other;
            }
            (At::Selection { .. }, b'!' | b'?' | b'[' | b']') => {}
            _ => self.at = At::Wrong,
        }
    }

    fn define(&mut self, is_explicit: bool) {
        if let Some(definition) = self.definitions.get_mut(self.n_definitions) {
            *definition = Operation { kind: self.kind, name: self.name };
            self.is_explicit |= is_explicit && self.n_definitions == 0;
            self.n_definitions += 1;
        }
    }

    fn select(&mut self) {
        let is_first = self.n_definitions == 1;
        self.at = At::Selection { is_anonymous: is_first && self.name.as_bytes().is_empty() };
        (self.depth, self.before) = (1, Before::Nothing);
    }

    /// The word before was a field, if it was one.
    fn take_field(&mut self) {
        if self.before == Before::Field && self.n_fields < FIELDS {
            self.n_fields += 1;
            self.fields.add_field(&self.word);
        }
        self.before = Before::Nothing;
    }
}
