//! The parameters of a GraphQL request: `query` and `operationName`, from a JSON body or from a target.
//!
//! In: members of objects, or the target of a GET. Out: the [`Operation`] that is asked for.
//!
//! Source: GraphQL over HTTP (working draft), sections 5.1 to 5.3.

use super::{
    document::Document,
    json::{Visit, Want},
    operation::{Kind, Name, Operation},
};

/// What was asked for, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Question {
    /// `operationName`.
    name: Name,
    /// `query`.
    document: Document,
    has_document: bool,
    /// What is being read.
    reading: Parameter,
    is_array: bool,
    /// Whether there is a second operation.
    is_batch: bool,
    n_objects: u8,
    /// Whether nothing can change what is known.
    is_done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Parameter {
    #[default]
    None,
    Name,
    Document,
}

impl Question {
    /// What is asked for, by what was read; `is_whole` tells whether that is all. `None` where it is no GraphQL.
    pub(super) fn operation(&self, is_whole: bool) -> Option<Operation> {
        let single = self.single()?;
        Some(if self.is_batch || self.is_array && !is_whole { Operation::BATCH } else { single })
    }

    /// Reads the query string of a GET. `false` where it has no parameter of GraphQL.
    pub(super) fn read_target(&mut self, query: &[u8]) -> bool {
        let mut has_any = false;
        for parameter in query.split(|&b| b == b'&') {
            let Some(at) = memchr::memchr(b'=', parameter) else { continue };
            let (key, value) = (&parameter[..at], &parameter[at + 1..]);
            // What says that the server knows the text already.
            has_any |= matches!(key, b"extensions" | b"documentId");
            if self.member(key) == Want::Text {
                has_any = true;
                each_decoded(value, |b| self.text(b));
                self.text_end();
            }
        }
        has_any
    }

    /// Reads a body that is nothing but a document.
    pub(super) fn read_document(&mut self, bytes: &[u8]) {
        self.has_document = true;
        self.reading = Parameter::Document;
        for &b in bytes {
            self.text(b);
        }
    }

    fn single(&self) -> Option<Operation> {
        let is_named = self.name.is_name() && self.reading != Parameter::Name;
        if !is_named {
            return self.document.first();
        }
        if self.has_document && self.document.is_wrong() {
            return None;
        }
        let kind = match self.document.named(self.name.as_bytes()) {
            Some(definition) => definition.kind,
            None => self.document.first().map_or(Kind::Unknown, |first| first.kind),
        };
        Some(Operation { kind, name: self.name })
    }

    /// Something was read that may be all that is needed.
    fn settle(&mut self, is_document_whole: bool) {
        let is_one = is_document_whole && self.document.definitions() == 1;
        let name = self.name.as_bytes();
        let is_known = self.reading != Parameter::Name && !name.is_empty() && self.document.named(name).is_some();
        self.is_done |= !self.is_array && (is_one || is_known || self.document.is_wrong());
    }
}

impl Visit for Question {
    fn object(&mut self, is_of_array: bool) {
        self.is_array = is_of_array;
        self.n_objects = self.n_objects.saturating_add(1);
        if self.n_objects > 1 {
            (self.is_batch, self.is_done) = (true, true);
        }
    }

    fn member(&mut self, key: &[u8]) -> Want {
        match key {
            b"operationName" => {
                self.name.clear();
                self.reading = Parameter::Name;
            }
            b"query" => {
                (self.document, self.has_document) = (Document::default(), false);
                self.reading = Parameter::Document;
            }
            _ => {
                self.reading = Parameter::None;
                return Want::Nothing;
            }
        }
        Want::Text
    }

    fn text(&mut self, b: u8) {
        if self.reading == Parameter::Name {
            return self.name.push(b);
        }
        let before = self.document.definitions();
        self.has_document = true;
        self.document.push(b);
        if before != self.document.definitions() || self.document.is_wrong() {
            self.settle(false);
        }
    }

    fn text_end(&mut self) {
        let is_document = std::mem::take(&mut self.reading) == Parameter::Document;
        self.settle(is_document);
    }

    fn full_array(&mut self) {}

    fn is_done(&self) -> bool {
        self.is_done
    }
}

/// The bytes of a parameter: `%20` and `+` are blanks. What is no escape stands for itself.
fn each_decoded(value: &[u8], mut visit: impl FnMut(u8)) {
    let digit = |b: Option<&u8>| b.and_then(|&b| (b as char).to_digit(16)).map(|d| d as u8);
    let mut i = 0;
    while let Some(&b) = value.get(i) {
        i += 1;
        visit(match (b, digit(value.get(i)), digit(value.get(i + 1))) {
            (b'%', Some(high), Some(low)) => {
                i += 2;
                high << 4 | low
            }
            (b'+', ..) => b' ',
            _ => b,
        });
    }
}
