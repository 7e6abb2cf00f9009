//! Configured routes: path templates that win over what is learned.
//!
//! In: `GET /v1/users/{id}` or `/v1/users/{id}`; `*` at the end takes any rest. Out: the template of a path.

use std::cmp::Reverse;

/// One configured template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Upper case; `None` for every method.
    method: Option<String>,
    /// As written, from the first `/` on: the route's name.
    text: String,
    /// Between slashes; `None` for a parameter.
    segments: Vec<Option<String>>,
    /// Ends in `*`.
    takes_rest: bool,
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route template `{0}` has no path; write `/v1/users/{{id}}` or `GET /v1/users/{{id}}`")]
pub struct TemplateError(String);

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(s: &str) -> Result<Self, TemplateError> {
        let slash = s.find('/').ok_or_else(|| TemplateError(s.to_owned()))?;
        let (method, text) = (s[..slash].trim(), s[slash..].trim());
        let is_apart = s[..slash].trim_start().is_empty() || s[..slash].ends_with(char::is_whitespace);
        if !is_apart || !method.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(TemplateError(s.to_owned()));
        }
        let takes_rest = text.ends_with("/*");
        let path = if takes_rest { &text[..text.len() - 2] } else { text };
        let segments = path.split('/').skip(1).map(|p| (!is_parameter(p)).then(|| p.to_owned())).collect();
        let method = (!method.is_empty()).then(|| method.to_ascii_uppercase());
        Ok(Self { method, text: text.to_owned(), segments, takes_rest })
    }
}

fn is_parameter(segment: &str) -> bool {
    (segment.starts_with('{') && segment.ends_with('}')) || segment.starts_with(':')
}

impl Template {
    fn matches(&self, method: &[u8], path: &[u8]) -> bool {
        let mut parts = path.split(|&b| b == b'/').skip(1);
        let fits = self.segments.iter().all(|want| match (parts.next(), want) {
            (Some(part), Some(word)) => part == word.as_bytes(),
            (Some(part), None) => !part.is_empty(),
            (None, _) => false,
        });
        fits && (self.takes_rest || parts.next().is_none())
            && self.method.as_ref().is_none_or(|m| m.as_bytes().eq_ignore_ascii_case(method))
    }
}

/// All configured templates, the most specific first: more words, then more segments, then the order given.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    templates: Vec<Template>,
}

impl Templates {
    /// Orders templates by how specific they are.
    pub fn new(mut templates: Vec<Template>) -> Self {
        templates.sort_by_key(|t| {
            let words = t.segments.iter().flatten().count();
            Reverse((words, t.segments.len(), !t.takes_rest, t.method.is_some()))
        });
        Self { templates }
    }

    /// The name of the route that a path belongs to. Cost: linear in the number of templates.
    pub fn find(&self, method: &[u8], path: &[u8]) -> Option<&str> {
        self.templates.iter().find(|t| t.matches(method, path)).map(|t| t.text.as_str())
    }

    /// Whether none is configured.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_template_wins() {
        let all = ["/users/{id}", "GET /users/me", "/users/{id}/posts", "/files/*", "/:any/x"];
        let templates = Templates::new(all.iter().map(|t| t.parse().unwrap()).collect());
        for (method, path, want) in [
            ("GET", "/users/42", Some("/users/{id}")),
            ("GET", "/users/me", Some("/users/me")),
            ("PUT", "/users/me", Some("/users/{id}")),
            ("GET", "/users/42/posts", Some("/users/{id}/posts")),
            ("GET", "/users/", None),
            ("GET", "/files/a/b/c", Some("/files/*")),
            ("GET", "/a/x", Some("/:any/x")),
            ("GET", "/", None),
        ] {
            assert_eq!(templates.find(method.as_bytes(), path.as_bytes()), want, "{method} {path}");
        }
    }

    #[test]
    fn a_template_needs_a_path() {
        for text in ["", "GET", "users/{id}/", "G ET /x"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
