//! The description of an API that its traffic suggests. In: routes, how often they were called and what they answered. Out: an
//! OpenAPI 3.1 document.
//!
//! What OpenAPI cannot say goes into extensions, which [`super::Contract::read`] reads back: `x-pitot-rest` where the last part
//! stands for any rest (`/files/*`), `x-additional-operations` for methods that it has no key for. Routes that differ in what
//! their parameters look like alone (`/users/{int}`, `/users/{slug}`) are one path.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::{path_of, read::without_names};
use crate::{Route, Status, Timestamp, budget};

/// Methods with a key of their own in OpenAPI 3.1.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// What was seen of one route.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Method and template.
    pub route: Route,
    /// Transactions by what they ended with.
    pub statuses: BTreeMap<Status, u64>,
    /// Whether it is said to be deprecated.
    pub is_deprecated: bool,
    /// When it goes away, where that was said.
    pub sunset: Option<Timestamp>,
}

/// A document, and what is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// OpenAPI 3.1.
    pub document: Value,
    /// Routes that are no paths (`*`, `(other)`), or more than [`budget::CONTRACT_OPERATIONS`].
    pub left_out: usize,
}

impl Inferred {
    /// The document of what was seen. Its order is that of paths and methods.
    pub fn new(title: &str, observed: &[Observed]) -> Self {
        let (mut paths, mut left_out) = (BTreeMap::<String, Path>::new(), 0);
        for (i, one) in observed.iter().enumerate() {
            let template = path_of(&one.route.template);
            if !template.starts_with('/') || i >= budget::CONTRACT_OPERATIONS {
                left_out += 1;
                continue;
            }
            let (parts, takes_rest) = parts(template);
            let key = without_names(&shown(&parts, |_| String::new()));
            let path = paths.entry(key).or_insert_with(|| Path { parts: parts.clone(), ..Path::default() });
            path.add(parts, takes_rest, one);
        }
        let mut ids = HashSet::new();
        let paths: Map<String, Value> = paths.into_values().map(|path| path.render(&mut ids)).collect();
        let about =
            "Inferred by pitot from what was called. Parameters are guessed from paths; bodies were not looked at.";
        let document = json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": "0.0.0", "description": about },
            "paths": paths,
        });
        Self { document, left_out }
    }
}

/// One path and what was seen on it.
#[derive(Debug, Default)]
struct Path {
    parts: Vec<Part>,
    takes_rest: bool,
    methods: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    statuses: BTreeMap<Status, u64>,
    is_deprecated: bool,
    sunset: Option<Timestamp>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// What stands between the braces: `int`, `user_id`.
    Value(String),
}

impl Path {
    fn add(&mut self, parts: Vec<Part>, takes_rest: bool, one: &Observed) {
        self.takes_rest |= takes_rest;
        for (mine, other) in self.parts.iter_mut().zip(parts) {
            if *mine != other && matches!(mine, Part::Value(_)) {
                *mine = Part::Value("slug".to_owned());
            }
        }
        let seen = self.methods.entry(one.route.method.clone()).or_default();
        for (status, n) in &one.statuses {
            seen.requests = seen.requests.saturating_add(*n);
            let sum = seen.statuses.entry(*status).or_default();
            *sum = sum.saturating_add(*n);
        }
        seen.is_deprecated |= one.is_deprecated;
        seen.sunset = seen.sunset.into_iter().chain(one.sunset).min();
    }

    fn render(self, ids: &mut HashSet<String>) -> (String, Value) {
        let names = names(&self.parts);
        let path = shown(&self.parts, |i| names[i].clone());
        let values = self.parts.iter().filter_map(|p| if let Part::Value(kind) = p { Some(kind) } else { None });
        let parameters: Vec<Value> = names
            .iter()
            .zip(values)
            .map(|(name, kind)| json!({ "name": name, "in": "path", "required": true, "schema": schema(kind) }))
            .collect();
        let mut item = Map::new();
        if self.takes_rest {
            item.insert("x-pitot-rest".into(), true.into());
        }
        if !parameters.is_empty() {
            item.insert("parameters".into(), parameters.into());
        }
        let mut more = Map::new();
        for (method, seen) in self.methods {
            let operation = seen.render(operation_id(&method, &path, ids));
            match METHODS.contains(&method.as_str()) {
                true => item.insert(method.to_ascii_lowercase(), operation),
                false => more.insert(method, operation),
            };
        }
        if !more.is_empty() {
            item.insert("x-additional-operations".into(), more.into());
        }
        (path, item.into())
    }
}

impl Seen {
    fn render(self, id: String) -> Value {
        let mut responses = Map::new();
        for code in self.statuses.keys().filter_map(|s| s.http()) {
            responses.insert(code.to_string(), json!({ "description": reason(code) }));
        }
        if responses.is_empty() {
            responses.insert("default".into(), json!({ "description": "No status was seen" }));
        }
        let mut operation = Map::new();
        operation.insert("operationId".into(), id.into());
        if self.is_deprecated || self.sunset.is_some() {
            operation.insert("deprecated".into(), true.into());
        }
        if let Some(sunset) = self.sunset {
            operation.insert("x-sunset".into(), sunset.to_string().into());
        }
        operation.insert("responses".into(), responses.into());
        operation.insert("x-pitot-requests".into(), self.requests.into());
        operation.into()
    }
}

/// Text and values of a template, and whether it stands for any rest, which is a value then.
fn parts(template: &str) -> (Vec<Part>, bool) {
    let (path, takes_rest) = template.strip_suffix("/*").map_or((template, false), |path| (path, true));
    let mut parts = Vec::new();
    let mut text = String::new();
    for segment in path.split('/').skip(1) {
        text.push('/');
        if let Some(name) = segment.strip_prefix(':').filter(|name| !name.is_empty()) {
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Value(name.to_owned()));
            continue;
        }
        let mut rest = segment;
        while let Some((before, value, after)) = value_in(rest) {
            text.push_str(before);
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Value(value.to_owned()));
            rest = after;
        }
        text.extend(rest.chars().filter(|c| !"{}".contains(*c)));
    }
    if takes_rest {
        text.push('/');
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    if takes_rest {
        parts.push(Part::Value("rest".to_owned()));
    }
    (parts, takes_rest)
}

fn value_in(segment: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (value, after) = rest.split_once('}')?;
    Some((before, value, after))
}

fn shown(parts: &[Part], name: impl Fn(usize) -> String) -> String {
    let (mut out, mut n) = (String::new(), 0);
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Value(_) => {
                out.push_str(&format!("{{{}}}", name(n)));
                n += 1;
            }
        }
    }
    out
}

/// A name per value, each different: that of the operator, else by the word before it, `/users/{int}` as `user_id`.
fn names(parts: &[Part]) -> Vec<String> {
    let (mut names, mut word) = (Vec::<String>::new(), String::new());
    for part in parts {
        match part {
            Part::Text(text) => {
                let last = text.split('/').rfind(|s| s.chars().any(char::is_alphabetic) && !is_version(s));
                word = last.map_or(word, |w| identifier(&singular(w)));
            }
            Part::Value(kind) => {
                let plain = match (kind.as_str(), word.as_str()) {
                    ("int" | "uuid" | "hex", "") => "id".to_owned(),
                    ("int" | "uuid" | "hex", word) => format!("{word}_id"),
                    ("slug", "") => "name".to_owned(),
                    ("slug", word) => word.to_owned(),
                    (own, _) => identifier(own),
                };
                let free = |name: &String| !names.contains(name);
                let name = (2..).map(|n| format!("{plain}_{n}")).find(|n| free(n)).filter(|_| !free(&plain));
                names.push(name.unwrap_or(plain));
            }
        }
    }
    names
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|n| n.bytes().next().is_some_and(|b| b.is_ascii_digit()))
}

fn singular(word: &str) -> String {
    match word {
        _ if word.ends_with("ies") && word.len() > 4 => format!("{}y", &word[..word.len() - 3]),
        _ if ["sses", "xes", "ches", "shes"].iter().any(|e| word.ends_with(e)) => word[..word.len() - 2].to_owned(),
        _ if word.ends_with('s') && !["ss", "us", "is"].iter().any(|e| word.ends_with(e)) && word.len() > 2 => {
            word[..word.len() - 1].to_owned()
        }
        _ => word.to_owned(),
    }
}

/// Letters, digits and `_` alone, in lower case; never empty.
fn identifier(word: &str) -> String {
    let word: String =
        word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let word = word.trim_matches('_');
    if word.is_empty() { "value".to_owned() } else { word.to_owned() }
}

fn schema(kind: &str) -> Value {
    match kind {
        "int" => json!({ "type": "integer", "format": "int64" }),
        "uuid" => json!({ "type": "string", "format": "uuid" }),
        "hex" => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]+$" }),
        _ => json!({ "type": "string" }),
    }
}

/// `getV1UsersByUserId`, different from all before.
fn operation_id(method: &str, path: &str, ids: &mut HashSet<String>) -> String {
    let mut id = identifier(method);
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        if segment.contains('{') {
            id.push_str("By");
        }
        for word in segment.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
            id.push_str(&word[..1].to_ascii_uppercase());
            id.push_str(&word[1..]);
        }
    }
    let unique =
        if ids.contains(&id) { (2..).map(|n| format!("{id}{n}")).find(|i| !ids.contains(i)).unwrap_or(id) } else { id };
    ids.insert(unique.clone());
    unique
}

/// Source: RFC 9110, section 15, and RFC 6585.
fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Seen in traffic",
    }
}
