//! Which operation a route is. In: the templates of a contract; then a method and a template, learned from traffic or
//! configured. Out: the operation, or what comes nearest.
//!
//! `/v1/users/{int}` is `/v1/users/{id}`, and `/v1/users/me` is, too, unless that is described itself. A placeholder that was
//! learned over words (`{slug}`) may stand for words that are described: then it is not known which of them were called, and
//! that is said ([`Found::Perhaps`]).

use std::collections::HashMap;

use super::{Operation, path_of};

/// Parts of the tree that one question may look at; beyond, what was not found is not there.
const VISITS: usize = 100_000;

/// What a route is in a contract. Numbers are indexes of [`super::Contract::operations`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This operation.
    Operation(usize),
    /// The path is described, but not the method; operations on the path.
    Method(Vec<usize>),
    /// One or more of these: the route was folded over what the contract tells apart. In ascending order.
    Perhaps(Vec<usize>),
    /// The path is not described.
    Nothing,
}

/// The paths of a contract, by their parts.
#[derive(Debug, Default)]
pub struct Paths {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    words: HashMap<String, usize>,
    /// Parts with parameters, the longest text beside them first.
    patterns: Vec<(String, usize)>,
    /// Operations that end here, by method.
    ends: Vec<(String, usize)>,
    /// Operations that take any rest from here on.
    rests: Vec<(String, usize)>,
}

impl Paths {
    /// The paths of these operations.
    pub fn new(operations: &[Operation]) -> Self {
        let mut paths = Self { nodes: vec![Node::default()] };
        for (i, operation) in operations.iter().enumerate() {
            for template in &operation.templates {
                paths.insert(template, &operation.method, i);
            }
        }
        for node in &mut paths.nodes {
            node.patterns.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
        paths
    }

    fn insert(&mut self, template: &str, method: &str, operation: usize) {
        let (path, takes_rest) = split_rest(template);
        let mut at = 0;
        for part in parts(path) {
            let (text, is_pattern) =
                if part.contains('{') || part.starts_with(':') { (star(part), true) } else { (part.to_owned(), false) };
            let known = match is_pattern {
                true => self.nodes[at].patterns.iter().find(|(t, _)| *t == text).map(|(_, n)| *n),
                false => self.nodes[at].words.get(&text).copied(),
            };
            at = known.unwrap_or_else(|| {
                self.nodes.push(Node::default());
                let new = self.nodes.len() - 1;
                match is_pattern {
                    true => self.nodes[at].patterns.push((text, new)),
                    false => drop(self.nodes[at].words.insert(text, new)),
                }
                new
            });
        }
        let node = &mut self.nodes[at];
        let ends = if takes_rest { &mut node.rests } else { &mut node.ends };
        // Which server a bare path was meant for cannot be told; the first one in the document is.
        if !ends.iter().any(|(m, _)| m == method) {
            ends.push((method.to_owned(), operation));
        }
    }

    /// What a route is. A method of `_OTHER` is any, since it was not told.
    pub fn find(&self, method: &str, template: &str) -> Found {
        let path = path_of(template);
        if !path.starts_with('/') {
            return Found::Nothing;
        }
        let (path, takes_rest) = split_rest(path);
        let parts: Vec<&str> = parts(path).collect();
        let mut search = Search {
            paths: self,
            method,
            parts: &parts,
            takes_rest,
            is_lenient: false,
            visits: 0,
            hits: Vec::new(),
            others: Vec::new(),
        };
        search.visit(0, 0);
        if let [first, ..] = search.hits[..] {
            return Found::Operation(first);
        }
        let others = std::mem::take(&mut search.others);
        (search.is_lenient, search.visits) = (true, 0);
        search.visit(0, 0);
        let mut perhaps = search.hits;
        perhaps.sort_unstable();
        perhaps.dedup();
        match perhaps[..] {
            [_, ..] => Found::Perhaps(perhaps),
            [] if !others.is_empty() => Found::Method(others),
            [] => Found::Nothing,
        }
    }
}

struct Search<'a> {
    paths: &'a Paths,
    method: &'a str,
    parts: &'a [&'a str],
    takes_rest: bool,
    /// Whether placeholders may stand for words.
    is_lenient: bool,
    visits: usize,
    /// Operations with the method; one where not lenient.
    hits: Vec<usize>,
    /// Those on the first path that has others.
    others: Vec<usize>,
}

impl Search<'_> {
    /// Looks at a node, whose way here used up `depth` parts; the most exact way first. Whether that is enough.
    fn visit(&mut self, node: usize, depth: usize) -> bool {
        self.visits += 1;
        if self.visits > VISITS {
            return true;
        }
        let node = &self.paths.nodes[node];
        let Some(part) = self.parts.get(depth).copied() else {
            return if self.takes_rest { self.take_rest(node, depth) } else { self.end(&node.ends) };
        };
        if let Some(&next) = node.words.get(part)
            && self.visit(next, depth + 1)
        {
            return true;
        }
        for (pattern, next) in &node.patterns {
            let fits = !part.is_empty() && (star_matches(pattern, part) || self.is_lenient && may_be_word(part));
            if fits && self.visit(*next, depth + 1) {
                return true;
            }
        }
        if self.is_lenient && may_be_word(part) {
            let fitting = star(part);
            for (_, next) in node.words.iter().filter(|(word, _)| star_matches(&fitting, word)) {
                if self.visit(*next, depth + 1) {
                    return true;
                }
            }
        }
        self.end(&node.rests)
    }

    /// A route that stands for all below is what takes all below; or perhaps any of them.
    fn take_rest(&mut self, node: &Node, depth: usize) -> bool {
        if self.end(&node.rests) {
            return true;
        }
        if self.is_lenient {
            self.end(&node.ends);
            let below: Vec<usize> = node.words.values().copied().chain(node.patterns.iter().map(|(_, n)| *n)).collect();
            return below.into_iter().any(|next| self.visit(next, depth));
        }
        false
    }

    fn end(&mut self, ends: &[(String, usize)]) -> bool {
        let is_meant = |method: &str| method == self.method || self.method == crate::semconv::METHOD_OTHER;
        let exact = ends.iter().find(|(m, _)| is_meant(m));
        // RFC 9110, 9.3.2: whatever answers GET answers HEAD.
        let head = || ends.iter().find(|(m, _)| self.method == "HEAD" && m == "GET");
        match exact.or_else(head) {
            Some((_, operation)) => {
                self.hits.push(*operation);
                !self.is_lenient
            }
            None => {
                if self.others.is_empty() {
                    self.others = ends.iter().map(|(_, o)| *o).collect();
                }
                false
            }
        }
    }
}

/// `/users/` is `/users`.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches('/').split('/').skip(1)
}

fn split_rest(template: &str) -> (&str, bool) {
    template.strip_suffix("/*").map_or((template, false), |path| (path, true))
}

/// `{id}.json` as `*.json`.
fn star(part: &str) -> String {
    if part.starts_with(':') {
        return "*".to_owned();
    }
    super::read::without_names(part).replace("{}", "*")
}

/// Whether a part of a route may stand for words. Numbers and hashes are none.
fn may_be_word(part: &str) -> bool {
    let typed = ["{int}", "{uuid}", "{hex}", "{date}"];
    (part.contains('{') || part.starts_with(':')) && !typed.iter().any(|t| part.contains(t))
}

/// Whether a part is the text with something, at least one character, for each `*`.
fn star_matches(pattern: &str, part: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == part };
    let Some(rest) = part.strip_prefix(head) else { return false };
    let mut rest = rest;
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let from = rest.chars().next().map_or(0, char::len_utf8);
        let Some(at) = rest[from..].find(piece) else { return false };
        rest = &rest[from + at + piece.len()..];
    }
    rest.len() > last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(route: &str) -> Operation {
        let (method, template) = route.split_once(' ').expect("a method and a path");
        Operation { method: method.into(), templates: vec![template.into()], ..Operation::default() }
    }

    #[test]
    fn routes_are_found() {
        let described = [
            "GET /v1/users/{id}",
            "GET /v1/users/me",
            "PUT /v1/users/{id}",
            "GET /photos/{id}.json",
            "GET /photos/{id}",
            "POST /jobs/{id}:cancel",
            "GET /reports/daily",
            "GET /reports/weekly",
            "GET /files/*",
            "GET /",
            "GET /compare/{a}...{b}",
            "DELETE /reports/{name}/rows",
        ];
        let operations = described.map(operation);
        let paths = Paths::new(&operations);
        let one = |i| Found::Operation(i);
        for (method, template, want) in [
            ("GET", "/v1/users/{int}", one(0)),
            ("GET", "/v1/users/{id}", one(0)),
            ("GET", "/v1/users/{int}/", one(0)),
            ("GET", "/v1/users/me", one(1)),
            ("PUT", "/v1/users/me", one(2)),
            ("HEAD", "/v1/users/{int}", one(0)),
            ("_OTHER", "/v1/users/me", one(1)),
            ("DELETE", "/v1/users/{int}", Found::Method(vec![0, 2])),
            ("GET", "/v1/users/bob", one(0)),
            ("GET", "/v1/users/{slug}", one(0)),
            ("GET", "/photos/{int}.json", one(3)),
            ("GET", "/photos/{int}", one(4)),
            ("POST", "/jobs/{int}:cancel", one(5)),
            ("POST", "/jobs/{int}:pause", Found::Nothing),
            ("GET", "/reports/{slug}", Found::Perhaps(vec![6, 7])),
            ("GET", "/reports/{int}", Found::Nothing),
            ("GET", "/reports/*", Found::Perhaps(vec![6, 7])),
            ("GET", "/files/a/{slug}/c", one(8)),
            ("GET", "/files/*", one(8)),
            ("GET", "/", one(9)),
            ("GET", "/compare/{slug}", Found::Perhaps(vec![10])),
            ("GET", "/compare/v1...v2", one(10)),
            ("GET", "/v2/users/{int}", Found::Nothing),
            ("GET", "/v1/users", Found::Nothing),
            ("GET", "(other)", Found::Nothing),
            ("DELETE", "/reports/{slug}/rows", one(11)),
            ("GET", "/v1/users/{int}#query:GetUser", one(0)),
        ] {
            assert_eq!(paths.find(method, template), want, "{method} {template}");
        }
    }

    #[test]
    fn parts_of_parameters_and_text() {
        for (pattern, part, want) in [
            ("*", "a", true),
            ("*.json", "{int}.json", true),
            ("*.json", ".json", false),
            ("*...*", "a...b", true),
            ("*...*", "...b", false),
            ("v*", "v1", true),
            ("*é*", "aéb", true),
            ("**", "é", false),
            ("**", "éa", true),
        ] {
            assert_eq!(star_matches(pattern, part), want, "{pattern} {part}");
        }
    }

    #[test]
    fn a_tree_made_to_branch_is_left_in_time() {
        let operations: Vec<Operation> = (0..1 << 10)
            .map(|i: u32| {
                let part = |bit: u32| if i >> bit & 1 == 0 { "/{p}" } else { "/a" };
                operation(&format!("GET {}", (0..10).map(part).collect::<String>()))
            })
            .collect();
        let found = Paths::new(&operations).find("GET", &format!("{}/x", "/a".repeat(10)));
        assert_eq!(found, Found::Nothing);
    }
}
