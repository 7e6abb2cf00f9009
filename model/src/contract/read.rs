//! From the values of a document to a [`Contract`]. In: a [`Node`]. Out: operations, and faults where something is wrong.
//!
//! Differences between the versions that matter here: base paths are `basePath` in Swagger 2 and `servers` since; 3.1 has
//! `components/pathItems`, 3.2 the method QUERY and `additionalOperations`. References are followed within the document, at
//! most [`REFERENCES`] in a row.

use std::collections::HashSet;

use super::{Contract, ContractError, FAULTS, Fault, Operation, Statuses, base::bases, node::Node};
use crate::{Timestamp, budget};

/// References that may follow each other; more are a circle.
const REFERENCES: usize = 16;

/// Segments of a path.
const SEGMENTS: usize = 64;

/// Keys of a path item that are methods.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Keys below which methods stand that have no key of their own: that of 3.2, and ours before it.
const MORE_METHODS: [&str; 2] = ["additionalOperations", "x-additional-operations"];

/// What a document promises.
pub(super) fn contract(root: &Node) -> Result<Contract, ContractError> {
    let text = |of: Option<&Node>| of.and_then(Node::text).unwrap_or_default().to_owned();
    let info = |key| text(root.get("info").and_then(|i| i.get(key)));
    let mut reader = Reader {
        root,
        bases: bases(root.get("servers"), root.get("basePath")),
        seen: HashSet::new(),
        n_templates: 0,
        contract: Contract {
            title: info("title"),
            version: info("version"),
            dialect: dialect(root)?,
            ..Contract::default()
        },
    };
    match root.get("paths") {
        Some(paths @ Node::Map(_)) => {
            for (path, item) in paths.entries() {
                reader.path(path, item)?;
            }
        }
        Some(other) => reader.fault("/paths", &format!("{} instead of an object", other.kind())),
        None => reader.fault("/paths", "there is none"),
    }
    let contract = reader.contract;
    if contract.operations.is_empty() { Err(ContractError::Empty(contract.faults)) } else { Ok(contract) }
}

fn dialect(root: &Node) -> Result<String, ContractError> {
    let version = root.get("openapi").or_else(|| root.get("swagger")).and_then(Node::text);
    let version = version.ok_or(ContractError::NoDescription)?;
    let mut numbers = version.split('.');
    match (numbers.next(), numbers.next().unwrap_or("0"), root.get("openapi").is_some()) {
        (Some("3"), "0" | "1" | "2", true) | (Some("2"), "0", false) => Ok(version.to_owned()),
        _ => Err(ContractError::Version(version.chars().take(20).collect())),
    }
}

struct Reader<'a> {
    root: &'a Node,
    bases: Vec<String>,
    /// Methods and templates so far.
    seen: HashSet<String>,
    /// Full templates so far.
    n_templates: usize,
    contract: Contract,
}

impl<'a> Reader<'a> {
    fn fault(&mut self, pointer: &str, message: &str) {
        if self.contract.faults.len() < FAULTS {
            let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect();
            self.contract.faults.push(Fault { pointer: clean(pointer), message: clean(message) });
        } else {
            self.contract.more_faults += 1;
        }
    }

    fn path(&mut self, path: &str, item: &'a Node) -> Result<(), ContractError> {
        if path.starts_with("x-") {
            return Ok(());
        }
        let pointer = format!("/paths/{}", escaped(path));
        if !path.starts_with('/') || path.contains(['?', '#']) || path.chars().any(char::is_control) {
            self.fault(&pointer, "it is no path that begins with `/`; left out");
            return Ok(());
        }
        if path.len() > budget::NAME_BYTES || path.split('/').count() > SEGMENTS {
            self.fault(
                &pointer,
                &format!("it is longer than {} bytes or {SEGMENTS} parts; left out", budget::NAME_BYTES),
            );
            return Ok(());
        }
        let Some(item) = self.resolve(item, &pointer) else { return Ok(()) };
        if !matches!(item, Node::Map(_)) {
            self.fault(&pointer, &format!("{} instead of an object; left out", item.kind()));
            return Ok(());
        }
        let own = item.get("servers").map(|servers| bases(Some(servers), None));
        let place = Place { path, bases: own, takes_rest: matches!(item.get("x-pitot-rest"), Some(Node::Bool(true))) };
        for (key, operation) in item.entries() {
            if METHODS.contains(&key.as_str()) {
                self.operation(&place, key, operation, &format!("{pointer}/{key}"))?;
            } else if MORE_METHODS.contains(&key.as_str()) {
                for (method, operation) in operation.entries() {
                    self.operation(&place, method, operation, &format!("{pointer}/{key}/{}", escaped(method)))?;
                }
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        place: &Place<'_>,
        method: &str,
        node: &'a Node,
        pointer: &str,
    ) -> Result<(), ContractError> {
        let Some(node) = self.resolve(node, pointer) else { return Ok(()) };
        if !matches!(node, Node::Map(_)) {
            self.fault(pointer, &format!("{} instead of an object; left out", node.kind()));
            return Ok(());
        }
        if method.is_empty()
            || method.len() > 32
            || !method.bytes().all(|b| b.is_ascii_alphabetic() || b"-_".contains(&b))
        {
            self.fault(pointer, "it is no method; left out");
            return Ok(());
        }
        if self.contract.operations.len() == budget::CONTRACT_OPERATIONS {
            return Err(ContractError::TooMuch { what: "operations", limit: budget::CONTRACT_OPERATIONS });
        }
        let own = node.get("servers").map(|servers| bases(Some(servers), None));
        let template = if place.takes_rest { with_rest(place.path) } else { place.path.to_owned() };
        let all = own.as_ref().or(place.bases.as_ref()).unwrap_or(&self.bases);
        let mut templates: Vec<String> = all.iter().map(|base| join(base, &template)).collect();
        templates.dedup();
        let method = method.to_ascii_uppercase();
        // The same path with parameters of other names is the same path.
        if !self.seen.insert(format!("{method} {}", without_names(&templates[0]))) {
            self.fault(pointer, "the same method and path were described before; left out");
            return Ok(());
        }
        self.n_templates += templates.len();
        if self.n_templates > 2 * budget::CONTRACT_OPERATIONS {
            return Err(ContractError::TooMuch {
                what: "paths behind the base paths of servers",
                limit: 2 * budget::CONTRACT_OPERATIONS,
            });
        }
        let is_deprecated = self.is_deprecated(node, pointer);
        let sunset = self.sunset(node, pointer);
        let statuses = self.statuses(node, pointer);
        let id = node.get("operationId").and_then(Node::text).unwrap_or_default().chars().take(200).collect();
        self.contract.operations.push(Operation { method, templates, id, is_deprecated, sunset, statuses });
        Ok(())
    }

    fn is_deprecated(&mut self, node: &Node, pointer: &str) -> bool {
        match node.get("deprecated") {
            Some(Node::Bool(is_it)) => *is_it,
            // YAML of people.
            Some(Node::Text(text)) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes") => true,
            None => false,
            Some(Node::Text(text)) if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("no") => false,
            Some(other) => {
                self.fault(
                    &format!("{pointer}/deprecated"),
                    &format!("{} instead of true or false; taken as false", other.kind()),
                );
                false
            }
        }
    }

    fn sunset(&mut self, node: &Node, pointer: &str) -> Option<Timestamp> {
        let sunset = node.get("x-sunset")?;
        let time = sunset.text().and_then(|text| text.parse().ok());
        if time.is_none() {
            self.fault(&format!("{pointer}/x-sunset"), "no date such as 2027-01-31; ignored");
        }
        time
    }

    fn statuses(&mut self, node: &'a Node, pointer: &str) -> Statuses {
        let mut statuses = Statuses::default();
        let pointer = format!("{pointer}/responses");
        let Some(responses) = node.get("responses").and_then(|r| self.resolve(r, &pointer)) else { return statuses };
        if !matches!(responses, Node::Map(_)) {
            self.fault(&pointer, &format!("{} instead of an object; no status is known", responses.kind()));
        }
        for (status, response) in responses.entries() {
            let here = format!("{pointer}/{}", escaped(status));
            if status.starts_with("x-") {
                continue;
            }
            // What is in it does not matter, but that it is there does.
            self.resolve(response, &here);
            let class = status.strip_suffix("XX").or_else(|| status.strip_suffix("xx")).and_then(|c| c.parse().ok());
            match (status.as_str(), status.parse(), class) {
                ("default", _, _) => statuses.has_default = true,
                (_, Ok(code @ 100..1000), _) => drop(statuses.codes.insert(code)),
                (_, _, Some(class @ 1..=9)) => drop(statuses.classes.insert(class)),
                _ => self.fault(&here, "it is no status, range such as 2XX, or `default`; ignored"),
            }
        }
        statuses
    }

    /// What a value stands for; `None`, with a fault, where that is not in this document or goes in circles.
    fn resolve(&mut self, node: &'a Node, pointer: &str) -> Option<&'a Node> {
        let mut node = node;
        for _ in 0..REFERENCES {
            let Some(reference) = node.get("$ref") else { return Some(node) };
            // A path item may have more beside its reference; methods beside it win nowhere, so they are used.
            if METHODS.iter().any(|m| node.get(m).is_some()) {
                return Some(node);
            }
            let Some(target) = reference.text() else {
                self.fault(pointer, &format!("`$ref` is {} instead of a text; left out", reference.kind()));
                return None;
            };
            let Some(local) = target.strip_prefix('#') else {
                let why = "is another document, and pitot reads one; bundle them. Left out";
                self.fault(pointer, &format!("`$ref` to `{target}` {why}"));
                return None;
            };
            let Some(next) = self.at(local) else {
                self.fault(
                    pointer,
                    &format!("`$ref` to `{target}` points to nothing of paths and responses; left out"),
                );
                return None;
            };
            node = next;
        }
        self.fault(pointer, &format!("its `$ref` goes in circles, or over more than {REFERENCES} others; left out"));
        None
    }

    /// The value at a JSON pointer. Source: RFC 6901.
    fn at(&self, pointer: &str) -> Option<&'a Node> {
        let unescaped = |part: &str| percent_decoded(part).replace("~1", "/").replace("~0", "~");
        pointer.split('/').skip(1).try_fold(self.root, |node, part| node.get(&unescaped(part)))
    }
}

/// Where an operation stands.
struct Place<'p> {
    path: &'p str,
    /// Of its own servers.
    bases: Option<Vec<String>>,
    /// Whether the last part stands for any rest.
    takes_rest: bool,
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn percent_decoded(part: &str) -> String {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [b, after @ ..] = rest {
        let hex = after.first_chunk::<2>().filter(|_| *b == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(decoded.unwrap_or(*b));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A path that is only `/` behind a base is the base.
fn join(base: &str, path: &str) -> String {
    if path == "/" && !base.is_empty() { base.to_owned() } else { format!("{base}{path}") }
}

/// `/files/{path}` as `/files/*`.
fn with_rest(path: &str) -> String {
    path.rfind('/').map_or_else(|| path.to_owned(), |at| format!("{}/*", &path[..at]))
}

/// `/users/{}` for `/users/{id}`.
pub(super) fn without_names(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut is_within = false;
    for c in template.chars() {
        is_within &= c != '}';
        if !is_within {
            out.push(c);
        }
        is_within |= c == '{';
    }
    out
}
