//! The parts of a document that matter, as a tree: what an API takes and gives in bodies is passed over while it is read.
//!
//! In: JSON or YAML of whoever wrote it. Out: a [`Node`] of at most [`NODES`] values, or where and why not. Aliases of YAML are
//! bounded by the reader, nesting by both.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::ContractError;

/// Values that are kept of one document. The description of an API of a thousand operations has some twenty thousand.
pub(super) const NODES: usize = 1 << 19;

/// Nesting of a document; paths and responses are at most ten deep, schemas are passed over.
const DEPTH: usize = 120;

/// Nodes of YAML that aliases may stand for together, beyond which it is a bomb.
const ALIASED: usize = 1_000_000;

/// A value that was kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// `null`, a number that is no status, or what is never looked at.
    Other,
    Bool(bool),
    Text(String),
    List(Vec<Self>),
    /// In the order of the document.
    Map(Vec<(String, Self)>),
}

impl Node {
    /// The value of a key; `None` also where this is no map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Other => "a number or nothing",
            Self::Bool(_) => "true or false",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

/// Reads JSON where it begins like JSON, else YAML.
pub(super) fn read(text: &str) -> Result<Node, ContractError> {
    let text = text.trim_start_matches('\u{feff}');
    let kept = Cell::new(0);
    let seed = Seed { are_names: false, kept: &kept };
    let start: String = text.chars().filter(|c| !c.is_whitespace()).take(2).collect();
    let read = if matches!(start.as_str(), "{\"" | "{}") {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = seed.deserialize(&mut json).and_then(|node| json.end().map(|()| node));
        read.map_err(|e| format!("not JSON: {e}"))
    } else {
        let read =
            serde_saphyr::with_deserializer_from_str_with_options(text, options(), |yaml| seed.deserialize(yaml));
        read.map_err(|e| format!("not YAML: {}", first_line(&e.without_snippet().to_string())))
    };
    read.map_err(|why| {
        if kept.get() > NODES {
            ContractError::TooMuch { what: "values", limit: NODES }
        } else {
            ContractError::Unreadable(why)
        }
    })
}

fn options() -> serde_saphyr::Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH,
        max_events: usize::MAX,
        max_nodes: usize::MAX,
        max_documents: 1,
        max_recorded_anchor_events: ALIASED,
        // A key and its value that stand everywhere are ordinary; what they may grow to is bounded below.
        enforce_alias_anchor_ratio: false,
    };
    let alias_limits = serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED };
    serde_saphyr::options! {
        budget: budget,
        alias_limits: alias_limits,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// Keys whose values are looked at, wherever they stand.
const KEPT: &[&str] = &[
    "$ref",
    "additionalOperations",
    "basePath",
    "components",
    "default",
    "delete",
    "deprecated",
    "enum",
    "get",
    "head",
    "info",
    "openapi",
    "operationId",
    "options",
    "patch",
    "pathItems",
    "paths",
    "post",
    "put",
    "query",
    "responses",
    "servers",
    "swagger",
    "title",
    "trace",
    "url",
    "variables",
    "version",
    "x-additional-operations",
    "x-pitot-rest",
    "x-sunset",
];

/// Keys below which keys are names that somebody chose.
const NAMED: &[&str] =
    &["additionalOperations", "pathItems", "paths", "responses", "variables", "x-additional-operations"];

/// Reads one value.
#[derive(Clone, Copy)]
struct Seed<'c> {
    /// Whether its keys are names.
    are_names: bool,
    kept: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        let n = self.kept.get() + 1;
        self.kept.set(n);
        if n > NODES {
            return Err(D::Error::custom("too many values"));
        }
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, b: bool) -> Result<Node, E> {
        Ok(Node::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Text(n.to_string()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Text(n.to_string()))
    }

    /// Versions such as `swagger: 2.0` and `openapi: 3.1`.
    fn visit_f64<E>(self, n: f64) -> Result<Node, E> {
        Ok(Node::Text(format!("{n:?}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed { are_names: false, ..self })? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            if !self.are_names && !KEPT.contains(&&*key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let are_names = !self.are_names && NAMED.contains(&&*key);
            entries.push((key.into_owned(), map.next_value_seed(Seed { are_names, ..self })?));
        }
        Ok(Node::Map(entries))
    }
}

/// A key; statuses are often written as numbers in YAML.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key that is a text")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }

            fn visit_i64<E>(self, key: i64) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_string())))
            }

            fn visit_u64<E>(self, key: u64) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_string())))
            }
        }

        d.deserialize_str(Text)
    }
}
