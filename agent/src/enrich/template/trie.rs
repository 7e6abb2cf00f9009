//! Finds the most specific of many templates by walking a path once, segment by segment.
//!
//! In: templates in the order of their rank, the most specific first. Out: the number of the first that a path fits. Cost:
//! the number of templates hardly matters, since branches that cannot win any more are left out.

use std::collections::HashMap;

use super::{Part, Template};

#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// Beginning and end of a segment with a parameter within.
type Ends = (Box<[u8]>, Box<[u8]>);

#[derive(Debug, Clone)]
struct Node {
    words: HashMap<Box<[u8]>, usize>,
    within: Vec<(Ends, usize)>,
    parameter: Option<usize>,
    /// Any number of segments.
    many: Option<usize>,
    /// Templates that end here, each with its method.
    ends: Vec<(Option<String>, usize)>,
    /// Templates that take whatever follows, one segment at least.
    rests: Vec<(Option<String>, usize)>,
    /// The best rank here and below.
    best: usize,
}

impl Node {
    fn new(best: usize) -> Self {
        let (words, within, ends, rests) = Default::default();
        Self { words, within, parameter: None, many: None, ends, rests, best }
    }
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::new(usize::MAX)] }
    }
}

impl Trie {
    pub(super) fn new(templates: &[Template]) -> Self {
        let mut trie = Self::default();
        for (rank, template) in templates.iter().enumerate() {
            let mut at = 0;
            trie.nodes[0].best = trie.nodes[0].best.min(rank);
            for part in &template.parts {
                at = trie.step(at, part, rank);
            }
            let node = &mut trie.nodes[at];
            let list = if template.takes_rest { &mut node.rests } else { &mut node.ends };
            list.push((template.method.clone(), rank));
        }
        trie
    }

    /// The node behind a part, made if need be.
    fn step(&mut self, at: usize, part: &Part, rank: usize) -> usize {
        let (next, node) = (self.nodes.len(), &mut self.nodes[at]);
        let to = match part {
            Part::Word(word) => *node.words.entry(word.as_bytes().into()).or_insert(next),
            Part::Parameter { .. } => *node.parameter.get_or_insert(next),
            Part::Many => *node.many.get_or_insert(next),
            Part::Within(before, after) => {
                let (before, after) = (before.as_bytes(), after.as_bytes());
                match node.within.iter().find(|((b, a), _)| (&**b, &**a) == (before, after)) {
                    Some((_, to)) => *to,
                    None => {
                        node.within.push(((before.into(), after.into()), next));
                        next
                    }
                }
            }
        };
        if to == next {
            // The first is the best: ranks come in order.
            self.nodes.push(Node::new(rank));
        }
        to
    }

    /// The rank of the best template for a path that begins with a slash.
    pub(super) fn find(&self, method: &[u8], path: &[u8]) -> Option<usize> {
        let mut best = usize::MAX;
        self.walk(0, method, path.strip_prefix(b"/"), &mut best);
        (best < usize::MAX).then_some(best)
    }

    /// `rest` is what comes behind the slash; `None` where the path is over.
    fn walk(&self, at: usize, method: &[u8], rest: Option<&[u8]>, best: &mut usize) {
        let node = &self.nodes[at];
        if node.best >= *best {
            return;
        }
        let mut take = |list: &[(Option<String>, usize)]| {
            let fits = |m: &Option<String>| m.as_ref().is_none_or(|m| m.as_bytes().eq_ignore_ascii_case(method));
            if let Some((_, rank)) = list.iter().find(|(m, _)| fits(m)) {
                *best = (*best).min(*rank);
            }
        };
        let Some(rest) = rest else {
            take(&node.ends);
            // No segment is any number of them, too.
            if let Some(next) = node.many {
                self.walk(next, method, None, best);
            }
            return;
        };
        take(&node.rests);
        let end = memchr::memchr(b'/', rest);
        let (segment, behind) = (&rest[..end.unwrap_or(rest.len())], end.map(|end| &rest[end + 1..]));
        if let Some(next) = node.words.get(segment) {
            self.walk(*next, method, behind, best);
        }
        for ((before, after), next) in &node.within {
            let is_long = segment.len() > before.len() + after.len();
            if is_long && segment.starts_with(before) && segment.ends_with(after) {
                self.walk(*next, method, behind, best);
            }
        }
        if let Some(next) = node.parameter.filter(|_| !segment.is_empty()) {
            self.walk(next, method, behind, best);
        }
        if let Some(next) = node.many {
            let mut rest = Some(rest);
            // As many as a route shows.
            for _ in 0..=crate::budget::ROUTE_SEGMENTS {
                self.walk(next, method, rest, best);
                let Some(left) = rest else { break };
                rest = memchr::memchr(b'/', left).map(|at| &left[at + 1..]);
            }
        }
    }
}
