//! Which keys of a JSON log mean what, and a table that finds them in one probe.
//!
//! In: the node of the object that a key stands in, and the key. Out: the node of its value. A dotted path names both
//! nested objects and a key that has dots in it. The keys are those of nginx logs in the wild, Caddy, Traefik, Kong,
//! Envoy, API Gateway, Google Cloud, Azure, Cloudflare, Elastic's common schema and OpenTelemetry.

mod known;

use std::sync::{Arc, LazyLock};

use self::known::{HEADERS, KNOWN};
use super::{field::Field, names};
use crate::told;

/// The object that is the line.
pub(super) const ROOT: u16 = 0;

const NONE: u16 = u16::MAX;

/// What is known of one key.
#[derive(Debug, Clone)]
struct Node {
    print: Print,
    name: Box<str>,
    field: Option<Field>,
    has_children: bool,
}

/// Object, length, first and last bytes of a key: all there is to one of up to sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    parent: u16,
    len: usize,
    first: u64,
    last: u64,
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    nodes: Vec<Node>,
    /// Open addressing over `nodes`; a power of two, at most half full.
    slots: Vec<u16>,
    /// Paths whose values are variables of nginx, and those.
    variables: Vec<(String, String)>,
}

impl Keys {
    /// The well-known keys.
    pub(super) fn known() -> Arc<Self> {
        static KNOWN: LazyLock<Arc<Keys>> = LazyLock::new(|| Arc::new(Keys::build_known()));
        KNOWN.clone()
    }

    /// No keys at all.
    pub(super) fn empty() -> Self {
        let root = Node { print: Print::of(NONE, b""), name: "".into(), field: None, has_children: true };
        Self { nodes: vec![root], slots: vec![NONE; 64], variables: Vec::new() }
    }

    fn build_known() -> Self {
        let mut keys = Self::empty();
        for (path, field) in KNOWN {
            keys.insert(path, field.clone());
        }
        for header in HEADERS {
            let Some(field) = names::request_header(header) else { continue };
            let (lower, snake) = (header.to_ascii_lowercase(), names::normal(header));
            for key in [header, lower.as_str()] {
                keys.insert_new(&format!("request.headers.{key}"), &field);
                keys.insert_new(&format!("request_{key}"), &field);
            }
            for key in [&snake, &format!("http_{snake}"), &lower] {
                keys.insert_new(key, &field);
            }
        }
        for header in told::HEADERS {
            let Some(field) = names::response_header(header) else { continue };
            let (lower, snake) = (header.to_ascii_lowercase(), names::normal(header));
            for key in [header, lower.as_str(), snake.as_str()] {
                for object in
                    ["response_headers", "response.headers", "resp_headers", "res.headers", "http.response.header"]
                {
                    keys.insert_new(&format!("{object}.{key}"), &field);
                }
                for prefix in ["", "sent_http_", "upstream_http_", "resp_header_", "downstream_", "origin_"] {
                    keys.insert_new(&format!("{prefix}{key}"), &field);
                }
            }
        }
        keys
    }

    /// Says what a path means; the last word counts.
    pub(super) fn insert(&mut self, path: &str, field: Field) {
        let mut parent = ROOT;
        for name in path.split('.') {
            self.nodes[parent as usize].has_children = true;
            let Some(node) = self.node(parent, name) else { return };
            parent = node;
        }
        self.nodes[parent as usize].field = Some(field.clone());
        if path.contains('.')
            && let Some(node) = self.node(ROOT, path)
        {
            self.nodes[node as usize].field = Some(field);
        }
    }

    /// Notes that a path holds a variable of nginx.
    pub(super) fn note_variable(&mut self, path: &str, name: &str) {
        self.variables.push((path.to_owned(), name.to_owned()));
    }

    /// Paths that hold variables of nginx, and those.
    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// What a path means.
    pub(super) fn get(&self, path: &str) -> Option<&Field> {
        let mut node = ROOT;
        path.split('.').all(|name| self.find(node, name.as_bytes()).inspect(|n| node = *n).is_some()).then_some(())?;
        self.field(node)
    }

    fn insert_new(&mut self, path: &str, field: &Field) {
        let mut parent = ROOT;
        let known = path.split('.').all(|name| self.find(parent, name.as_bytes()).inspect(|n| parent = *n).is_some());
        if !known || self.nodes[parent as usize].field.is_none() {
            self.insert(path, field.clone());
        }
    }

    /// The node of a key, made where it is new; `None` when the table is full, which takes 32,768 keys.
    fn node(&mut self, parent: u16, name: &str) -> Option<u16> {
        if let Some(node) = self.find(parent, name.as_bytes()) {
            return Some(node);
        }
        let node = u16::try_from(self.nodes.len()).ok().filter(|n| *n < 1 << 15)?;
        let print = Print::of(parent, name.as_bytes());
        self.nodes.push(Node { print, name: name.into(), field: None, has_children: false });
        if self.nodes.len() * 4 > self.slots.len() {
            self.slots = vec![NONE; self.slots.len() * 2];
            for n in 1..self.nodes.len() {
                self.link(n as u16);
            }
        } else {
            self.link(node);
        }
        Some(node)
    }

    fn link(&mut self, node: u16) {
        let mask = self.slots.len() - 1;
        let mut slot = self.nodes[node as usize].print.hash() & mask;
        while self.slots[slot] != NONE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = node;
    }

    /// The node of a key in the object of `parent`.
    #[inline]
    pub(super) fn find(&self, parent: u16, name: &[u8]) -> Option<u16> {
        let mask = self.slots.len() - 1;
        let print = Print::of(parent, name);
        let mut slot = print.hash() & mask;
        loop {
            let n = self.slots[slot];
            let node = self.nodes.get(n as usize)?;
            if node.print == print && (name.len() <= 16 || node.name.as_bytes() == name) {
                return Some(n);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// What the value of a node means.
    #[inline]
    pub(super) fn field(&self, node: u16) -> Option<&Field> {
        self.nodes.get(node as usize)?.field.as_ref()
    }

    /// Whether keys are known inside the object of a node.
    #[inline]
    pub(super) fn has_children(&self, node: u16) -> bool {
        self.nodes.get(node as usize).is_some_and(|n| n.has_children)
    }
}

impl Print {
    #[inline]
    fn of(parent: u16, name: &[u8]) -> Self {
        let (first, last) = if let (Some(a), Some(b)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from_le_bytes(*a), u64::from_le_bytes(*b))
        } else if let (Some(a), Some(b)) = (name.first_chunk(), name.last_chunk()) {
            (u64::from(u32::from_le_bytes(*a)), u64::from(u32::from_le_bytes(*b)))
        } else {
            (name.iter().fold(0, |n, b| n << 8 | u64::from(*b)), 0)
        };
        Self { parent, len: name.len(), first, last }
    }

    #[inline]
    const fn hash(self) -> usize {
        let mixed = self.first ^ self.last.rotate_left(21) ^ ((self.parent as u64) << 48) ^ (self.len as u64) << 40;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
    }
}
