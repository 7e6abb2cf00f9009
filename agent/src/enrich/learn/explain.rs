//! Why a route is called what it is called. In: a shape. Out: a step for every segment.

use super::{Finding, MAYBE_HEX, RouteTree, is_placeholder, pinned};

/// What one segment of a path became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The segment of the shape.
    pub segment: String,
    /// What the route shows.
    pub shown: String,
    /// Why.
    pub why: Why,
}

/// Why a segment is shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A value by its own form.
    Form,
    /// Digits that could be a hash, decided by what else stands there.
    Digits,
    /// A hash among tokens of other letters.
    Token,
    /// Configured to stay.
    Pinned,
    /// A word that stays; what was found where several stand.
    Word(Option<Box<Finding>>),
    /// A word that is a value.
    Value(Box<Finding>),
    /// The rest of a path of files, or of what scanners try.
    Rest,
}

impl RouteTree {
    /// How the template of a shape came about; of a path without its first slash.
    pub fn explain(&self, shape: &str) -> Vec<Step> {
        let (mut steps, mut node) = (Vec::new(), Some(&self.root));
        let mut segments = shape.split('/').peekable();
        while let Some(segment) = segments.next() {
            if node.is_some_and(|n| n.takes_rest) {
                let rest: Vec<&str> = std::iter::once(segment).chain(segments).collect();
                steps.push(Step { segment: rest.join("/"), shown: "*".to_owned(), why: Why::Rest });
                break;
            }
            let fallback = segment.replace(MAYBE_HEX, "{int}");
            let resolved = node.and_then(|n| n.name_of(segment, segments.peek().is_none())).unwrap_or(&fallback);
            let finding = node.and_then(|n| n.finding.clone());
            let why = match pinned(segment) {
                Some(_) => Why::Pinned,
                None if segment.contains(MAYBE_HEX) => Why::Digits,
                None if is_placeholder(segment) && resolved != segment => Why::Token,
                None if segment.contains('{') && resolved == segment => Why::Form,
                None if resolved == segment => Why::Word(finding.filter(|f| f.words > 1)),
                None => Why::Value(finding.unwrap_or_default()),
            };
            steps.push(Step {
                segment: segment.to_owned(),
                shown: pinned(resolved).unwrap_or(resolved).to_owned(),
                why,
            });
            node = node.and_then(|n| n.children.get(resolved));
        }
        if steps.first().is_some_and(|s| s.segment.is_empty()) {
            steps.remove(0);
        }
        steps
    }
}
