//! Which words in shapes are values after all: told by the words that stand at the same position and what follows them.
//!
//! In: all shapes of a service and how often each was seen. Out: a template for every shape, also for shapes that come
//! later. The result is a function of the set of shapes and counts, not of their order.
//!
//! The tree is folded from its root on, so that what is below several values is looked at together. What is decided at
//! one position, and from what, stands in [`position`]. Words that are values become `{slug}` (at the end of a path with
//! their file extension, where several share it). Where files lie in folders of any depth, or a scanner tried whatever
//! came to its mind, the rest of the path becomes `*`.

mod explain;
mod position;
mod words;

use std::collections::{BTreeMap, HashMap};

use self::words::extension;
use super::{shape::MAYBE_HEX, template::pinned};

pub use self::{
    explain::{Step, Why},
    position::{Clue, Finding, THRESHOLD},
};

/// The template and consumer name for what does not fit in a budget.
pub const OTHER: &str = "(other)";

/// Words that must share a file extension for it to stay visible.
const SHARED_EXTENSION: usize = 5;

/// Different routes below a wall, above which they are shown as one.
const BELOW_WALL: usize = 6;

/// Different routes in a tree of files, at least.
const BELOW_FOLDER: usize = 12;

const HEX: &str = "{hex}";

/// Tokens for each hash among them, from which on the hash is taken for one of them.
const AMONG_TOKENS: u128 = 20;

/// How often a shape was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Transactions.
    pub count: u64,
    /// Those of them that were answered 404 or likewise: no such thing.
    pub missing: u64,
}

impl From<u64> for Tally {
    fn from(count: u64) -> Self {
        Self { count, missing: 0 }
    }
}

/// What is known of the paths of one service.
#[derive(Debug, Default)]
pub struct RouteTree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By segment: words that stay, and placeholders.
    children: BTreeMap<String, Node>,
    /// Transactions here and below.
    count: u128,
    /// Transactions that end here.
    own: u128,
    /// Of `count`: those that were told that there is nothing.
    missing: u128,
    /// What unknown words become, by extension (`""` for the others); empty while words stay.
    folded: HashMap<String, String>,
    /// Whatever follows is `*`.
    takes_rest: bool,
    /// Hashes here are tokens that happen to have the letters of one.
    hashes_are_tokens: bool,
    /// Why words below stayed or not, where there are several.
    finding: Option<Box<Finding>>,
}

impl RouteTree {
    /// Learns from shapes, each with how often it was seen.
    pub fn learn<'a, S: Into<Tally>>(shapes: impl IntoIterator<Item = (&'a str, S)>) -> Self {
        let mut tree = Self::default();
        for (shape, seen) in shapes {
            tree.root.insert(shape.split('/'), seen.into());
        }
        tree.root.fold("");
        for first in tree.root.children.values_mut() {
            first.children.values_mut().for_each(Node::join_files);
        }
        tree
    }

    /// The template of a shape. Appends to `out`.
    pub fn write_template(&self, shape: &str, out: &mut String) {
        let mut node = Some(&self.root);
        let mut segments = shape.split('/').enumerate().peekable();
        while let Some((i, segment)) = segments.next() {
            if i > 0 {
                out.push('/');
            }
            if node.is_some_and(|n| n.takes_rest) {
                return out.push('*');
            }
            let name = node.and_then(|n| n.name_of(segment, segments.peek().is_none()));
            let resolved = match name {
                Some(name) => name,
                None if segment.contains(MAYBE_HEX) => &segment.replace(MAYBE_HEX, "{int}"),
                None => segment,
            };
            out.push_str(pinned(resolved).unwrap_or(resolved));
            node = node.and_then(|n| n.children.get(resolved));
        }
    }
}

impl Node {
    fn insert<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>, seen: Tally) {
        self.count += u128::from(seen.count);
        self.missing += u128::from(seen.missing.min(seen.count));
        match segments.next() {
            None => self.own += u128::from(seen.count),
            Some(segment) => match self.children.get_mut(segment) {
                Some(child) => child.insert(segments, seen),
                None => self.children.entry(segment.to_owned()).or_default().insert(segments, seen),
            },
        }
    }

    /// Transactions that end here, with a slash or without.
    fn ends(&self) -> u128 {
        self.own + self.children.get("").map_or(0, |n| n.own)
    }

    /// What a segment is called here; `None` when it is not known and stays as it is.
    fn name_of<'a>(&'a self, segment: &str, is_last: bool) -> Option<&'a str> {
        let resolved = if segment.contains(MAYBE_HEX) { &self.resolve_digits(segment) } else { segment };
        if let Some((name, _)) = self.children.get_key_value(resolved) {
            return Some(name);
        }
        if is_placeholder(segment) || segment.is_empty() {
            return (self.hashes_are_tokens && resolved == HEX).then_some("{slug}");
        }
        self.target(segment, is_last)
    }

    fn target(&self, word: &str, is_last: bool) -> Option<&str> {
        let by_extension = if is_last { self.folded.get(extension(word)) } else { None };
        by_extension.or_else(|| self.folded.get("")).map(String::as_str)
    }

    fn resolve_digits(&self, segment: &str) -> String {
        let hex = segment.replace(MAYBE_HEX, "{hex}");
        if self.children.contains_key(&hex) { hex } else { segment.replace(MAYBE_HEX, "{int}") }
    }

    fn fold(&mut self, name: &str) {
        let digits: Vec<String> = self.children.keys().filter(|k| k.contains(MAYBE_HEX)).cloned().collect();
        for key in digits {
            let target = self.resolve_digits(&key);
            self.move_child(&key, &target);
        }
        let count = |name: &str| self.children.get(name).map_or(0, |n| n.count);
        if count(HEX) > 0 && count(HEX) * AMONG_TOKENS <= count("{slug}") {
            self.hashes_are_tokens = true;
            self.move_child(HEX, "{slug}");
        }
        let is_wall = self.fold_words(name);
        for (name, child) in &mut self.children {
            child.fold(name);
        }
        if is_wall {
            self.join_walls();
        }
    }

    /// Whether the words that became values are a wall.
    fn fold_words(&mut self, name: &str) -> bool {
        let decision = position::decide(self, name);
        if decision.finding.words > 1 {
            self.finding = Some(Box::new(decision.finding));
        }
        if decision.values.is_empty() {
            return false;
        }
        let mut extensions: HashMap<String, usize> = HashMap::new();
        for word in &decision.values {
            *extensions.entry(extension(word).to_owned()).or_default() += 1;
        }
        self.folded = extensions
            .into_iter()
            .filter(|(e, n)| !e.is_empty() && *n >= SHARED_EXTENSION)
            .map(|(e, _)| (e.clone(), format!("{{slug}}.{e}")))
            .collect();
        self.folded.insert(String::new(), "{slug}".to_owned());
        for word in decision.values {
            self.move_word(&word);
        }
        decision.is_wall
    }

    /// Moves a word to its placeholder; of what shows its extension, only the paths that end with it.
    fn move_word(&mut self, word: &str) {
        let (last, other) = (self.target(word, true), self.target(word, false));
        let (Some(last), Some(other)) = (last.map(str::to_owned), other.map(str::to_owned)) else { return };
        let Some(mut child) = self.children.remove(word) else { return };
        if last != other && child.own > 0 {
            let missing = child.missing * child.own / child.count;
            let file = Self { count: child.own, own: child.own, missing, ..Self::default() };
            child.count -= file.count;
            child.missing -= missing;
            child.own = 0;
            self.children.entry(last).or_default().absorb(file);
        }
        if child.count > 0 || !child.children.is_empty() {
            self.children.entry(other).or_default().absorb(child);
        }
    }

    fn move_child(&mut self, from: &str, to: &str) {
        if let Some(child) = self.children.remove(from) {
            self.children.entry(to.to_owned()).or_default().absorb(child);
        }
    }

    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.own += other.own;
        self.missing += other.missing;
        for (segment, child) in other.children {
            match self.children.get_mut(&segment) {
                Some(known) => known.absorb(child),
                None => drop(self.children.insert(segment, child)),
            }
        }
    }

    /// Shows what is below values of a wall as one, where it is many routes.
    fn join_walls(&mut self) {
        for target in self.folded.values() {
            if let Some(child) = self.children.get_mut(target).filter(|c| c.leaves() > BELOW_WALL) {
                child.take_rest();
            }
        }
    }

    /// Shows trees of files as one route: the same last segments at many depths.
    fn join_files(&mut self) {
        let mut ends = BTreeMap::new();
        self.last_segments(0, &mut ends);
        let leaves = self.leaves();
        let (mut total, mut anywhere) = (0, 0);
        for (depths, count) in ends.values() {
            total += count;
            anywhere += if depths.count_ones() >= 3 { *count } else { 0 };
        }
        if leaves >= BELOW_FOLDER && anywhere * 2 > total {
            return self.take_rest();
        }
        self.children.values_mut().for_each(Self::join_files);
    }

    /// By the last segment of paths below: the depths at which it stands, as bits, and its transactions.
    fn last_segments<'a>(&'a self, depth: u32, ends: &mut BTreeMap<&'a str, (u32, u128)>) {
        for (name, child) in &self.children {
            if child.own > 0 {
                let (depths, count) = ends.entry(name).or_default();
                *depths |= 1 << depth.min(31);
                *count += child.own;
            }
            child.last_segments(depth + 1, ends);
        }
    }

    /// Different routes below.
    fn leaves(&self) -> usize {
        self.children.values().map(|c| usize::from(c.own > 0 || c.takes_rest) + c.leaves()).sum()
    }

    fn take_rest(&mut self) {
        self.takes_rest = true;
        self.children.clear();
    }
}

/// Whether a segment is nothing but a value; those with words around their value can be too many, too.
fn is_placeholder(segment: &str) -> bool {
    let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
    segment == "*" || inner.is_some_and(|inner| !inner.contains(['{', '}']))
}

/// Whether everything that was counted under the old template belongs to the new one: no value became a word again.
pub(crate) fn is_coarser(new: &str, old: &str) -> bool {
    let (mut new, mut old) = (new.split('/'), old.split('/'));
    loop {
        match (new.next(), old.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => return true,
            (Some(n), Some(o)) if n == o || n.contains('{') && o != "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(tree: &RouteTree, shape: &str) -> String {
        let mut out = String::new();
        tree.write_template(shape, &mut out);
        out
    }

    fn has_folded(node: &Node) -> bool {
        !node.folded.is_empty() || node.children.values().any(has_folded)
    }

    #[test]
    fn few_words_stay_words() {
        let tree = RouteTree::learn([("/v1/users", 5u64), ("/v1/orders/{int}", 5)]);
        for shape in ["/v1/users", "/v1/orders/{int}", "/v1/new", "/"] {
            assert_eq!(template(&tree, shape), shape);
        }
        assert!(!has_folded(&tree.root));
    }

    #[test]
    fn many_names_become_one_parameter_and_take_their_subtrees_along() {
        let shapes: Vec<String> =
            (0..80).flat_map(|i| [format!("/users/u{i}x"), format!("/users/u{i}x/posts")]).collect();
        let tree = RouteTree::learn(shapes.iter().map(|s| (s.as_str(), 1u64)).chain([("/users/me", 5_000)]));
        assert_eq!(template(&tree, "/users/u7x/posts"), "/users/{slug}/posts");
        assert_eq!(template(&tree, "/users/never-seen"), "/users/{slug}");
        assert_eq!(template(&tree, "/users/me"), "/users/me");
    }

    #[test]
    fn many_busy_resources_stay_and_many_odd_actions_fold() {
        let busy: Vec<String> = (0..60).map(|i| format!("/v1/res{i}x/{{int}}")).collect();
        let tree = RouteTree::learn(busy.iter().map(|s| (s.as_str(), 1_000u64)));
        assert_eq!(template(&tree, "/v1/res7x/{int}"), "/v1/res7x/{int}");
        let odd: Vec<String> = (0..60).map(|i| format!("/{{int}}:a{i}z")).collect();
        let tree = RouteTree::learn(odd.iter().map(|s| (s.as_str(), 1u64)));
        assert_eq!(template(&tree, "/{int}:a9z"), "/{slug}");
        assert_eq!(template(&tree, "/{int}"), "/{int}");
    }

    #[test]
    fn a_wall_of_scanner_paths_does_not_hide_the_api() {
        let wall: Vec<String> = (0..500).map(|i| format!("/wp-{i}x.php")).collect();
        let tree = RouteTree::learn(wall.iter().map(|s| (s.as_str(), 1u64)).chain([("/v1/users/{int}", 10_000)]));
        assert_eq!(template(&tree, "/v1/users/{int}"), "/v1/users/{int}");
        assert_eq!(template(&tree, "/wp-9x.php"), "/{slug}.php");
        assert_eq!(template(&tree, "/xmlrpc"), "/{slug}");
    }

    #[test]
    fn digits_are_hashes_among_hashes_and_numbers_elsewhere() {
        let tree = RouteTree::learn([("/s/{hex}", 9u64), ("/s/{hex?}", 1), ("/n/{hex?}", 1), ("/j/app.{hex}.js", 5)]);
        for (shape, want) in [
            ("/s/{hex?}", "/s/{hex}"),
            ("/n/{hex?}", "/n/{int}"),
            ("/never/{hex?}", "/never/{int}"),
            ("/j/app.{hex?}.js", "/j/app.{hex}.js"),
        ] {
            assert_eq!(template(&tree, shape), want, "{shape}");
        }
    }

    #[test]
    fn pinned_words_stay_among_values() {
        let names: Vec<String> = (0..80).map(|i| format!("/users/u{i}x")).collect();
        let tree = RouteTree::learn(names.iter().map(|n| (n.as_str(), 1_u64)).chain([("/users/{=zoe}", 1)]));
        assert_eq!(template(&tree, "/users/{=zoe}"), "/users/zoe");
        assert_eq!(template(&tree, "/users/u1x"), "/users/{slug}");
    }

    #[test]
    fn every_segment_is_explained() {
        let names: Vec<String> = (0..80).map(|i| format!("/users/u{i}x/posts/{{int}}")).collect();
        let tree = RouteTree::learn(names.iter().map(|n| (n.as_str(), 1_u64)));
        let steps = tree.explain("/users/u7x/posts/{int}");
        let shown: Vec<&str> = steps.iter().map(|s| s.shown.as_str()).collect();
        assert_eq!(shown, ["users", "{slug}", "posts", "{int}"]);
        assert!(matches!(&steps[1].why, Why::Value(finding) if finding.values == 80), "{:?}", steps[1]);
        assert_eq!((&steps[0].why, &steps[3].why), (&Why::Word(None), &Why::Form));
    }

    #[test]
    fn a_template_is_coarser_where_it_holds_all_of_the_other() {
        for (new, old, want) in [
            ("/u/{slug}", "/u/bob", true),
            ("/u/bob", "/u/{slug}", false),
            ("/u/{slug}/x", "/u/bob", false),
            ("/f/*", "/f/a/b", true),
            ("/f/*", "/f/*", true),
            ("/f/*", "/f", false),
            ("/f/a", "/f/*", false),
            ("/f/{slug}", "/f/*", false),
            ("/{slug}/*", "/f/*", true),
        ] {
            assert_eq!(is_coarser(new, old), want, "{new} {old}");
        }
    }

    #[test]
    fn few_names_fold_where_the_same_words_follow_them() {
        let users = ["alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi"];
        let tree = |next: [&str; 2]| {
            let paths = users.iter().flat_map(|u| next.iter().map(move |n| format!("/users/{u}/{n}")));
            let paths: Vec<String> = paths.collect();
            RouteTree::learn(paths.iter().map(|p| (p.as_str(), 700_u64)))
        };
        assert_eq!(template(&tree(["repos", "followers"]), "/users/bob/repos"), "/users/{slug}/repos");
        let procedures: Vec<String> =
            users.iter().flat_map(|u| ["get", "list"].map(|n| format!("/api/{u}/{n}"))).collect();
        let tree = RouteTree::learn(procedures.iter().map(|p| (p.as_str(), 700_u64)));
        assert_eq!(template(&tree, "/api/bob/get"), "/api/bob/get");
    }

    #[test]
    fn what_was_never_found_is_a_wall_whatever_its_count() {
        let wall: Vec<String> = (0..20).map(|i| format!("/w{i}x/a{i}b/c")).collect();
        let tried = wall.iter().map(|s| (s.as_str(), Tally { count: 900, missing: 890 }));
        let real = ["/shop/list", "/about", "/pay"].map(|s| (s, Tally { count: 4, missing: 0 }));
        let tree = RouteTree::learn(tried.chain(real));
        for (shape, want) in [("/w3x/a3b/c", "/{slug}/{slug}/c"), ("/shop/list", "/shop/list"), ("/pay", "/pay")] {
            assert_eq!(template(&tree, shape), want);
        }
    }

    #[test]
    fn the_order_of_shapes_does_not_matter() {
        let shapes: Vec<(String, u64)> =
            (0..300).map(|i| (format!("/a/w{}/b{}", i % 70, i % 90), i * 7 % 13 + 1)).collect();
        let forth = RouteTree::learn(shapes.iter().map(|(s, c)| (s.as_str(), *c)));
        let back = RouteTree::learn(shapes.iter().rev().map(|(s, c)| (s.as_str(), *c)));
        for (shape, _) in &shapes {
            assert_eq!(template(&forth, shape), template(&back, shape));
        }
    }
}
