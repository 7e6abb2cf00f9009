//! Which words in shapes are values after all: told by how many different ones stand at the same position.
//!
//! In: all shapes of a service and how often each was seen. Out: a template for every shape, also for shapes that come
//! later. The result is a function of the set of shapes and counts, not of their order.
//!
//! At a position with more than [`budget::LITERALS_PER_POSITION`] different words, those that are seldom are values: they
//! become `{slug}` (with their file extension, where several share it). Seldom is less than [`ESTABLISHED`] times, and at
//! positions with very many words, less than ten times the mean. So a thousand user names fold, sixty busy resources
//! do not, and `/v1` beside a thousand paths that a scanner tried stays.

use std::collections::{BTreeMap, HashMap};

use super::shape::MAYBE_HEX;
use crate::budget;

/// The template and consumer name for what does not fit in a budget.
pub const OTHER: &str = "(other)";

/// Transactions that make a word a word, among not too many others that are.
const ESTABLISHED: u128 = 100;

/// Established words at one position up to which that alone is enough.
const ESTABLISHED_WORDS: usize = 300;

/// How many times the mean a word must be seen to stay a word among still more.
const TIMES_MEAN: u128 = 10;

/// Words that must share a file extension for it to stay visible.
const SHARED_EXTENSION: usize = 5;

/// What is known of the paths of one service.
#[derive(Debug, Default)]
pub struct RouteTree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By segment: words that stay, and placeholders.
    children: BTreeMap<String, Node>,
    /// Transactions below here.
    count: u128,
    /// What unknown words become, by extension (`""` for the others); empty while words stay.
    folded: HashMap<String, String>,
}

impl RouteTree {
    /// Learns from shapes, each with its number of transactions.
    pub fn learn<'a>(shapes: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut tree = Self::default();
        for (shape, count) in shapes {
            tree.root.insert(shape.split('/'), u128::from(count));
        }
        tree.root.fold();
        tree
    }

    /// The template of a shape. Appends to `out`.
    pub fn write_template(&self, shape: &str, out: &mut String) {
        let mut node = Some(&self.root);
        for (i, segment) in shape.split('/').enumerate() {
            if i > 0 {
                out.push('/');
            }
            let name = node.and_then(|n| n.name_of(segment));
            let resolved = match name {
                Some(name) => name,
                None if segment.contains(MAYBE_HEX) => &segment.replace(MAYBE_HEX, "{int}"),
                None => segment,
            };
            out.push_str(resolved);
            node = node.and_then(|n| n.children.get(resolved));
        }
    }
}

impl Node {
    fn insert<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>, count: u128) {
        self.count += count;
        if let Some(segment) = segments.next() {
            match self.children.get_mut(segment) {
                Some(child) => child.insert(segments, count),
                None => self.children.entry(segment.to_owned()).or_default().insert(segments, count),
            }
        }
    }

    /// What a segment is called here; `None` when it is not known and stays as it is.
    fn name_of<'a>(&'a self, segment: &str) -> Option<&'a str> {
        let resolved = if segment.contains(MAYBE_HEX) { &self.resolve_digits(segment) } else { segment };
        if let Some((name, _)) = self.children.get_key_value(resolved) {
            return Some(name);
        }
        if is_whole_placeholder(segment) {
            return None;
        }
        self.folded.get(extension(segment)).or_else(|| self.folded.get("")).map(String::as_str)
    }

    fn resolve_digits(&self, segment: &str) -> String {
        let hex = segment.replace(MAYBE_HEX, "{hex}");
        if self.children.contains_key(&hex) { hex } else { segment.replace(MAYBE_HEX, "{int}") }
    }

    fn fold(&mut self) {
        let digits: Vec<String> = self.children.keys().filter(|k| k.contains(MAYBE_HEX)).cloned().collect();
        for key in digits {
            let target = self.resolve_digits(&key);
            self.move_child(&key, &target);
        }
        self.fold_words();
        for child in self.children.values_mut() {
            child.fold();
        }
    }

    fn fold_words(&mut self) {
        let words: Vec<(&String, u128)> = self
            .children
            .iter()
            .filter(|(k, _)| !is_whole_placeholder(k) && !k.is_empty())
            .map(|(k, n)| (k, n.count))
            .collect();
        if words.len() <= budget::LITERALS_PER_POSITION {
            return;
        }
        let (n, total) = (words.len() as u128, words.iter().map(|(_, c)| c).sum::<u128>());
        let are_many = words.iter().filter(|(_, c)| *c >= ESTABLISHED).count() > ESTABLISHED_WORDS;
        let is_seldom = |c: u128| c * n < TIMES_MEAN * total && (are_many || c < ESTABLISHED);
        let values: Vec<String> = words.into_iter().filter(|(_, c)| is_seldom(*c)).map(|(k, _)| k.clone()).collect();
        let mut extensions: HashMap<String, usize> = HashMap::new();
        for word in &values {
            *extensions.entry(extension(word).to_owned()).or_default() += 1;
        }
        self.folded = extensions
            .into_iter()
            .filter(|(e, n)| !e.is_empty() && *n >= SHARED_EXTENSION)
            .map(|(e, _)| (e.clone(), format!("{{slug}}.{e}")))
            .collect();
        self.folded.insert(String::new(), "{slug}".to_owned());
        for word in values {
            let target = self.folded.get(extension(&word)).or_else(|| self.folded.get("")).cloned().unwrap_or_default();
            self.move_child(&word, &target);
        }
    }

    fn move_child(&mut self, from: &str, to: &str) {
        if let Some(child) = self.children.remove(from) {
            self.children.entry(to.to_owned()).or_default().absorb(child);
        }
    }

    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        for (segment, child) in other.children {
            self.children.entry(segment).or_default().absorb(child);
        }
    }
}

/// Whether a segment is nothing but a value; those with words around their value can be too many, too.
fn is_whole_placeholder(segment: &str) -> bool {
    let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
    segment == "*" || inner.is_some_and(|inner| !inner.contains(['{', '}']))
}

/// The file extension of a word, without its dot; empty where it has none that looks like one.
fn extension(word: &str) -> &str {
    match word.rsplit_once('.') {
        Some((stem, e)) if !stem.is_empty() && is_extension(e) => e,
        _ => "",
    }
}

fn is_extension(e: &str) -> bool {
    let fits = e.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (1..=5).contains(&e.len()) && fits && e.bytes().any(|b| b.is_ascii_lowercase())
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
        let tree = RouteTree::learn([("/v1/users", 5), ("/v1/orders/{int}", 5)]);
        for shape in ["/v1/users", "/v1/orders/{int}", "/v1/new", "/"] {
            assert_eq!(template(&tree, shape), shape);
        }
        assert!(!has_folded(&tree.root));
    }

    #[test]
    fn many_names_become_one_parameter_and_take_their_subtrees_along() {
        let shapes: Vec<String> =
            (0..80).flat_map(|i| [format!("/users/u{i}x"), format!("/users/u{i}x/posts")]).collect();
        let tree = RouteTree::learn(shapes.iter().map(|s| (s.as_str(), 1)).chain([("/users/me", 5_000)]));
        assert_eq!(template(&tree, "/users/u7x/posts"), "/users/{slug}/posts");
        assert_eq!(template(&tree, "/users/never-seen"), "/users/{slug}");
        assert_eq!(template(&tree, "/users/me"), "/users/me");
    }

    #[test]
    fn many_busy_resources_stay_and_many_odd_actions_fold() {
        let busy: Vec<String> = (0..60).map(|i| format!("/v1/res{i}x/{{int}}")).collect();
        let tree = RouteTree::learn(busy.iter().map(|s| (s.as_str(), 1_000)));
        assert_eq!(template(&tree, "/v1/res7x/{int}"), "/v1/res7x/{int}");
        let odd: Vec<String> = (0..60).map(|i| format!("/{{int}}:a{i}z")).collect();
        let tree = RouteTree::learn(odd.iter().map(|s| (s.as_str(), 1)));
        assert_eq!(template(&tree, "/{int}:a9z"), "/{slug}");
        assert_eq!(template(&tree, "/{int}"), "/{int}");
    }

    #[test]
    fn a_wall_of_scanner_paths_does_not_hide_the_api() {
        let wall: Vec<String> = (0..500).map(|i| format!("/wp-{i}x.php")).collect();
        let tree = RouteTree::learn(wall.iter().map(|s| (s.as_str(), 1)).chain([("/v1/users/{int}", 10_000)]));
        assert_eq!(template(&tree, "/v1/users/{int}"), "/v1/users/{int}");
        assert_eq!(template(&tree, "/wp-9x.php"), "/{slug}.php");
        assert_eq!(template(&tree, "/xmlrpc"), "/{slug}");
    }

    #[test]
    fn digits_are_hashes_among_hashes_and_numbers_elsewhere() {
        let tree = RouteTree::learn([("/s/{hex}", 9), ("/s/{hex?}", 1), ("/n/{hex?}", 1), ("/j/app.{hex}.js", 5)]);
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
