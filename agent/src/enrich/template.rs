//! Configured routes: path templates that win over what is learned.
//!
//! In: texts such as `GET /v1/users/{id}`, with a method or without. Out: the route of a path.
//!
//! | segment | fits | shown as |
//! |---|---|---|
//! | `users` | itself | itself |
//! | `{id}`, `:id`, `*` | one segment | as written |
//! | `{name=*}` | one segment; words are told apart, whatever their number | the word |
//! | `{id}.json`, `*.js`, `z{z}-{x}.png` | one segment with this beginning and end | as written |
//! | `**`, `{path=**}` | any number of segments; once in a template | as written |
//! | `*` at the end | all that follows, one segment at least | as written |

mod trie;

use std::{borrow::Cow, cmp::Reverse};

use self::trie::Trie;
use super::shape::write_shape;

/// What the learner may not take for a value begins so, and ends with a brace.
pub(super) const PINNED: &str = "{=";

/// One configured template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Upper case; `None` for every method.
    method: Option<String>,
    /// As written, from the first `/` on: the route's name.
    text: String,
    parts: Vec<Part>,
    /// Ends in `*`.
    takes_rest: bool,
}

/// What stands between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    /// One segment, whatever it is.
    Parameter {
        /// Words are told apart.
        is_split: bool,
    },
    /// One segment that begins and ends so.
    Within(String, String),
    /// Any number of segments.
    Many,
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No path in it.
    #[error("route template `{0}` has no path; write `/v1/users/{{id}}` or `GET /v1/users/{{id}}`")]
    NoPath(String),
    /// Would fit a path in too many ways.
    #[error("route template `{0}` has `**` twice; leave one")]
    ManyTwice(String),
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(s: &str) -> Result<Self, TemplateError> {
        let slash = s.find('/').ok_or_else(|| TemplateError::NoPath(s.to_owned()))?;
        let (method, text) = (s[..slash].trim(), s[slash..].trim());
        let is_apart = s[..slash].trim_start().is_empty() || s[..slash].ends_with(char::is_whitespace);
        if !is_apart || !method.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(TemplateError::NoPath(s.to_owned()));
        }
        let takes_rest = text.ends_with("/*");
        let path = if takes_rest { &text[..text.len() - 2] } else { text };
        let parts: Vec<Part> = path.split('/').skip(1).map(part).collect();
        if parts.iter().filter(|p| **p == Part::Many).count() > 1 {
            return Err(TemplateError::ManyTwice(s.to_owned()));
        }
        let method = (!method.is_empty()).then(|| method.to_ascii_uppercase());
        Ok(Self { method, text: text.to_owned(), parts, takes_rest })
    }
}

fn part(segment: &str) -> Part {
    let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
    match inner {
        _ if segment == "**" => return Part::Many,
        Some(inner) if inner.ends_with("=**") => return Part::Many,
        Some(inner) => return Part::Parameter { is_split: inner.ends_with("=*") },
        None if segment.starts_with(':') || segment == "*" => return Part::Parameter { is_split: false },
        None => {}
    }
    // Of several parameters in a segment, what is before the first and behind the last has to fit.
    let ends = match (segment.find('{'), segment.rfind('}')) {
        (Some(open), Some(close)) if open < close => Some((open, close)),
        _ => segment.find('*').zip(segment.rfind('*')),
    };
    match ends {
        Some((open, close)) => Part::Within(segment[..open].to_owned(), segment[close + 1..].to_owned()),
        None => Part::Word(segment.to_owned()),
    }
}

impl Template {
    /// How specific it is: words, then words with a parameter, then segments.
    fn rank(&self) -> impl Ord + use<> {
        let count = |is: fn(&Part) -> bool| self.parts.iter().filter(|p| is(p)).count();
        let words = count(|p| matches!(p, Part::Word(_)));
        let within = count(|p| matches!(p, Part::Within(..)));
        let takes_any = self.takes_rest || self.parts.contains(&Part::Many);
        Reverse((words, within, self.parts.len(), !takes_any, self.method.is_some()))
    }

    /// Appends the name, in which nothing may be folded by the learner.
    fn write_pinned(&self, path: &[u8], out: &mut Vec<u8>) {
        let mut segments = path.split(|&b| b == b'/').skip(1);
        for (part, text) in self.parts.iter().zip(self.text.split('/').skip(1)) {
            out.push(b'/');
            let segment = segments.next().unwrap_or_default();
            match part {
                Part::Parameter { is_split: true } => write_word(segment, out),
                Part::Parameter { .. } | Part::Many if text.starts_with('{') => out.extend_from_slice(text.as_bytes()),
                Part::Word(word) if word.is_empty() => {}
                _ => pin(text.as_bytes(), out),
            }
        }
        if self.takes_rest {
            out.extend_from_slice(b"/*");
        }
    }
}

/// Appends a segment as it is where it is a word; else what its form says.
fn write_word(segment: &[u8], out: &mut Vec<u8>) {
    let mut shape = Vec::with_capacity(segment.len() + 1);
    write_shape(&[b"/", segment].concat(), &mut shape);
    let shape = shape.get(1..).unwrap_or_default();
    if shape == segment { pin(segment, out) } else { out.extend_from_slice(shape) }
}

fn pin(word: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(PINNED.as_bytes());
    out.extend_from_slice(word);
    out.push(b'}');
}

/// What a segment is called that may not be folded; `None` for all others.
pub(super) fn pinned(segment: &str) -> Option<&str> {
    segment.strip_prefix(PINNED).and_then(|s| s.strip_suffix('}'))
}

/// The name of a route as people see it, without what tells the learner which words are none of its business.
pub fn shown_route(route: &str) -> Cow<'_, str> {
    if !route.contains(PINNED) {
        return Cow::Borrowed(route);
    }
    let segments: Vec<&str> = route.split('/').map(|segment| pinned(segment).unwrap_or(segment)).collect();
    Cow::Owned(segments.join("/"))
}

/// All configured templates. The most specific wins: more words, then more segments, then the order given.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    /// By rank.
    templates: Vec<Template>,
    trie: Trie,
}

impl Templates {
    /// Orders templates by how specific they are.
    pub fn new(mut templates: Vec<Template>) -> Self {
        templates.sort_by_cached_key(Template::rank);
        let trie = Trie::new(&templates);
        Self { templates, trie }
    }

    /// The template that a path belongs to, as it was written.
    pub fn find(&self, method: &[u8], path: &[u8]) -> Option<&str> {
        self.of(method, path).map(|t| t.text.as_str())
    }

    /// Appends the route that a path belongs to, if there is one: the template, where words that are told apart are put in,
    /// and pinned for the learner.
    pub(super) fn write(&self, method: &[u8], path: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(template) = self.of(method, path) else { return false };
        template.write_pinned(path, out);
        true
    }

    /// Whether none is configured.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    fn of(&self, method: &[u8], path: &[u8]) -> Option<&Template> {
        self.trie.find(method, path).map(|rank| &self.templates[rank])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_template_wins() {
        let all = [
            "/users/{id}",
            "GET /users/me",
            "/users/{id}/posts",
            "/files/*",
            "/:any/x",
            "/files/**/thumb",
            "/jobs/{id}:cancel",
            "/app/*.js",
            "/app/{file}",
            "/reports/{name=*}",
            "/compare/{base}...{head}",
            "/tiles/z{z}-{x}.png",
        ];
        let templates = Templates::new(all.iter().map(|t| t.parse().unwrap()).collect());
        for (method, path, want) in [
            ("GET", "/users/42", Some("/users/{id}")),
            ("GET", "/users/me", Some("/users/me")),
            ("PUT", "/users/me", Some("/users/{id}")),
            ("GET", "/users/42/posts", Some("/users/{id}/posts")),
            ("GET", "/users/", None),
            ("GET", "/files/a/b/c", Some("/files/*")),
            ("GET", "/files/a/b/thumb", Some("/files/**/thumb")),
            ("GET", "/files/thumb", Some("/files/**/thumb")),
            ("GET", "/files", None),
            ("GET", "/a/x", Some("/:any/x")),
            ("GET", "/jobs/7:cancel", Some("/jobs/{id}:cancel")),
            ("GET", "/jobs/:cancel", None),
            ("GET", "/app/main.js", Some("/app/*.js")),
            ("GET", "/app/main.css", Some("/app/{file}")),
            ("GET", "/reports/daily", Some("/reports/{name=*}")),
            ("GET", "/compare/a...b", Some("/compare/{base}...{head}")),
            ("GET", "/tiles/z3-9.png", Some("/tiles/z{z}-{x}.png")),
            ("GET", "/tiles/3-9.png", None),
            ("GET", "/", None),
        ] {
            assert_eq!(templates.find(method.as_bytes(), path.as_bytes()), want, "{method} {path}");
        }
    }

    #[test]
    fn pins_and_splits_keep_their_words() {
        let all = ["/users/me", "/reports/{name=*}/rows", "/users/{id}", "/files/**/thumb", "/app/*.js", "/logs/*"];
        let templates = Templates::new(all.iter().map(|t| t.parse().unwrap()).collect());
        for (path, want) in [
            ("/users/me", "/{=users}/{=me}"),
            ("/users/7", "/{=users}/{id}"),
            ("/reports/daily/rows", "/{=reports}/{=daily}/{=rows}"),
            ("/reports/7d3a1f0c-52c1-4c7e-9f5f-2d1b8a3c4e5f/rows", "/{=reports}/{uuid}/{=rows}"),
            ("/files/a/b/thumb", "/{=files}/{=**}/{=thumb}"),
            ("/app/main.js", "/{=app}/{=*.js}"),
            ("/logs/a/b", "/{=logs}/*"),
        ] {
            let mut out = Vec::new();
            assert!(templates.write(b"GET", path.as_bytes(), &mut out), "{path}");
            assert_eq!(String::from_utf8_lossy(&out), want);
            assert!(!shown_route(want).contains(PINNED), "{want}");
        }
    }

    #[test]
    fn a_thousand_templates_are_told_apart_like_one() {
        let templates = (0..1_000).map(|i| format!("/v{}/r{i}/{{id}}/s{}", i % 3, i % 7).parse().unwrap()).collect();
        let templates = Templates::new(templates);
        for i in [0, 499, 999] {
            let path = format!("/v{}/r{i}/x/s{}", i % 3, i % 7);
            let want = format!("/v{}/r{i}/{{id}}/s{}", i % 3, i % 7);
            assert_eq!(templates.find(b"GET", path.as_bytes()), Some(want.as_str()));
        }
        let deep = format!("/{}", "a/".repeat(5_000));
        let templates = Templates::new(vec!["/**/x/{b}/y".parse().unwrap(), "/{a}/**".parse().unwrap()]);
        assert_eq!(templates.find(b"GET", deep.as_bytes()), None, "more segments than a route has");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["", "GET", "users/{id}/", "G ET /x", "/**/a/**"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
