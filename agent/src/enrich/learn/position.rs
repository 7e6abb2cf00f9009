//! Whether the words at one position of a path are names of routes or values of a parameter.
//!
//! In: the words with what stands below them, and the segment before. Out: those that are values, and why ([`Finding`]).
//! It is decided for groups of words, never for one alone:
//!
//! 1. **Missing**: words that nearly all requests were told not to exist of are what scanners try.
//! 2. **Alike**: words followed by the same other words (`/torvalds/linux/issues`, `/octocat/hello/issues`), directly
//!    or one segment further on.
//! 3. **Many**: the others, by how many and how rare they are.
//!
//! Groups 2 and 3 are weighed: every [`Clue`] has its points, and [`THRESHOLD`] of them make the words values. A word of
//! the group whose traffic goes elsewhere than that of its siblings stays a word ([`Profile::fits`]), and so do some that
//! are never names ([`words::is_reserved`]).

use std::collections::{BTreeMap, HashMap};

use super::{Node, is_placeholder, words};
use crate::budget;

/// Points that make words values.
pub const THRESHOLD: i32 = 4;

/// What speaks for values (points above zero) or for words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clue {
    /// Followed by the same words.
    Alike,
    /// By two different ones at least.
    SeveralShared,
    /// By hardly any others.
    NearlyAll,
    /// Followed by files in folders of any depth.
    Folders,
    /// The segment before names many things.
    Collection,
    /// Other words at the position are values, by their own form or by what follows them.
    AmongValues,
    /// Many different words.
    Number,
    /// Look like no name of a route.
    Odd,
    /// Were seen once or twice, many of them.
    Rare,
    /// Are plurals, as resources are.
    Plural,
    /// All of them are busy.
    Busy,
    /// Are one name with a number behind it, counted through: somebody made them.
    Numbered,
}

/// What was found at a position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// Different words there, and their transactions.
    pub words: usize,
    /// Transactions of them.
    pub count: u128,
    /// Those that became values.
    pub values: usize,
    /// Transactions of those.
    pub values_count: u128,
    /// Words that follow most of them, the most common first; a few.
    pub shared: Vec<String>,
    /// Words that nearly nothing but errors was answered to.
    pub missing: usize,
    /// What was weighed, with its points.
    pub clues: Vec<(Clue, i32)>,
}

/// The words that are values.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub values: Vec<String>,
    /// Nothing can be learned from what stands below them.
    pub is_wall: bool,
    pub finding: Finding,
}

struct Word<'a> {
    name: &'a str,
    node: &'a Node,
    /// Words that follow, each with its transactions: directly, and one segment further on.
    next: [Vec<(&'a str, u128)>; 2],
    /// Different words stand last at several depths.
    is_folder: bool,
}

/// What follows the words of a group, in shares.
struct Profile<'a> {
    depth: usize,
    shared: HashMap<&'a str, u32>,
    shares: HashMap<Option<&'a str>, f64>,
}

/// Words that a shared follower must follow, at least and at most where there are many.
const SUPPORT: (usize, usize) = (3, 8);

/// Words without a collection before them that make a group.
const GROUP: usize = 5;

/// Words that are no values for standing among such.
const FEW: usize = 4;

/// Words that nothing but errors was answered to, which make a wall.
const MISSING: usize = 8;

/// Transactions that make a word a word, among not too many others that are.
const ESTABLISHED: u128 = 100;

/// Established words at one position up to which that alone is enough.
const ESTABLISHED_WORDS: usize = 300;

/// How many times the mean a word must be seen to stay a word among still more.
const TIMES_MEAN: u128 = 10;

/// Transactions that make a word of a wall something else, where most of them were answered.
const REAL: u128 = 20;

/// Transactions at a position from which on few words may be rare ones.
const ENOUGH: u128 = 200;

/// Words that may be rare ones with fewer transactions.
const ENOUGH_WORDS: usize = 24;

/// Decides about the words below a node, whose own segment is `parent`.
pub(super) fn decide(node: &Node, parent: &str) -> Decision {
    let mut rest = words_of(node);
    let mut decision = Decision::default();
    decision.finding.words = rest.len();
    decision.finding.count = rest.iter().map(|w| w.node.count).sum();
    if !words::is_collection(parent) {
        // Whatever a scanner puts beside them.
        let established = rest.iter().filter(|w| w.node.count >= ESTABLISHED).map(|w| w.name);
        if let Some(stem) = words::counted_through(established) {
            rest.retain(|w| w.node.count < ESTABLISHED || words::stem(w.name) != stem);
        }
    }
    take_missing(&mut rest, &mut decision);
    let context = Context { parent, values: values_count(node), total: decision.finding.count };
    take_alike(&mut rest, &context, &mut decision);
    take_many(&rest, &context, &mut decision);
    decision.finding.values = decision.values.len();
    decision.finding.values_count = decision.values.iter().filter_map(|v| node.children.get(v)).map(|n| n.count).sum();
    decision
}

struct Context<'a> {
    parent: &'a str,
    /// Transactions whose segment here is a value by its own form.
    values: u128,
    total: u128,
}

fn words_of(node: &Node) -> Vec<Word<'_>> {
    let is_word = |name: &str| !is_placeholder(name) && !name.is_empty();
    let word = |(name, node)| Word { name, node, next: followers(node), is_folder: is_folder(node) };
    node.children.iter().map(|(k, n)| (k.as_str(), n)).filter(|(k, _)| is_word(k)).map(word).collect()
}

fn followers(node: &Node) -> [Vec<(&str, u128)>; 2] {
    let tells =
        |name: &str| !name.is_empty() && !is_placeholder(name) && !words::is_verb(name) && !words::is_version(name);
    let direct = node.children.iter().filter(|(k, _)| tells(k)).map(|(k, n)| (k.as_str(), n.count)).collect();
    let mut further: BTreeMap<&str, u128> = BTreeMap::new();
    for child in node.children.iter().filter(|(k, _)| !is_typed(k)).map(|(_, child)| child) {
        for (name, grandchild) in child.children.iter().filter(|(k, _)| tells(k)) {
            *further.entry(name).or_default() += grandchild.count;
        }
    }
    [direct, further.into_iter().collect()]
}

/// Different last words at a depth, and depths that have so many, which make a folder.
const FILES: usize = 5;
const FILE_DEPTHS: usize = 3;

fn is_folder(node: &Node) -> bool {
    fn count(node: &Node, depth: usize, files: &mut [usize; budget::ROUTE_SEGMENTS]) {
        for (name, child) in &node.children {
            if child.own > 0 && !name.is_empty() && !is_typed(name) {
                files[depth.min(budget::ROUTE_SEGMENTS - 1)] += 1;
            }
            count(child, depth + 1, files);
        }
    }
    let mut files = [0; budget::ROUTE_SEGMENTS];
    count(node, 0, &mut files);
    files.iter().filter(|n| **n >= FILES).count() >= FILE_DEPTHS
}

/// Whether a segment is a value of a form that names of things do not have.
fn is_typed(name: &str) -> bool {
    is_placeholder(name) && !name.contains("{slug}")
}

fn values_count(node: &Node) -> u128 {
    node.children.get("{slug}").map_or(0, |n| n.count)
}

fn take_missing(rest: &mut Vec<Word<'_>>, decision: &mut Decision) {
    let is_missing = |w: &Word<'_>| w.node.missing * 10 >= w.node.count * 9;
    let missing = rest.iter().filter(|w| is_missing(w)).count();
    if missing < MISSING || missing * 4 < rest.len() {
        return;
    }
    decision.finding.missing = missing;
    decision.is_wall = true;
    decision.values.extend(rest.iter().filter(|w| is_missing(w)).map(|w| w.name.to_owned()));
    rest.retain(|w| !is_missing(w));
}

fn take_alike(rest: &mut Vec<Word<'_>>, context: &Context<'_>, decision: &mut Decision) {
    let is_collection = words::is_collection(context.parent);
    let Some((profile, group)) = [0, 1]
        .into_iter()
        .filter_map(|depth| alike(rest, depth))
        .max_by_key(|(p, group)| (group.iter().map(|&i| rest[i].node.count).sum::<u128>(), std::cmp::Reverse(p.depth)))
    else {
        return;
    };
    if group.len() < if is_collection { SUPPORT.0 } else { GROUP } {
        return;
    }
    let members: Vec<&Word<'_>> = group.iter().map(|&i| &rest[i]).collect();
    let (explained, below) = members.iter().fold((0, 0), |(e, b), w| (e + profile.explained(w), b + w.below()));
    let mut clues = vec![(Clue::Alike, 2)];
    if profile.shared.len() > 1 {
        clues.push((Clue::SeveralShared, 1));
    }
    if explained * 5 >= below * 4 {
        clues.push((Clue::NearlyAll, 1));
    }
    if members.iter().filter(|w| w.is_folder).count() * 2 >= members.len() {
        clues.push((Clue::Folders, 2));
    }
    clues.extend(clues_of(&members, context, [GROUP, 12, 30, 100]));
    let is_value = sum(&clues) >= THRESHOLD;
    decision.finding.clues = clues;
    decision.finding.shared = profile.most_common();
    if is_value {
        // Where they are the most, what stands below them is of use.
        decision.is_wall &= members.len() < decision.finding.missing;
        let tail = Tail::new(&members);
        let mean = tail.total / members.len() as u128;
        let is_real = |w: &Word<'_>| decision.is_wall && w.node.count >= REAL && w.node.missing * 2 <= w.node.count;
        let is_like = |i: usize, w: &Word<'_>| match group.binary_search(&i) {
            _ if is_real(w) => false,
            Ok(_) => !tail.stands_out(w.node.count),
            Err(_) => w.node.count <= mean.max(5) * 4,
        };
        let values: Vec<bool> = rest.iter().enumerate().map(|(i, w)| is_like(i, w) && profile.fits(w)).collect();
        decision.values.extend(rest.iter().zip(&values).filter(|(_, is)| **is).map(|(w, _)| w.name.to_owned()));
        let mut values = values.into_iter();
        rest.retain(|_| !values.next().unwrap_or_default());
    }
}

/// The words that are followed by what follows others, and by what.
fn alike<'a>(rest: &[Word<'a>], depth: usize) -> Option<(Profile<'a>, Vec<usize>)> {
    let mut shared: HashMap<&str, u32> = HashMap::new();
    for (name, _) in rest.iter().flat_map(|w| &w.next[depth]) {
        *shared.entry(name).or_default() += 1;
    }
    let with_any = rest.iter().filter(|w| !w.next[depth].is_empty()).count();
    let support = (with_any / 20).clamp(SUPPORT.0, SUPPORT.1) as u32;
    shared.retain(|_, n| *n >= support);
    let mut profile = Profile { depth, shared, shares: HashMap::new() };
    let is_member = |w: &Word<'_>| {
        let (explained, below) = (profile.explained(w), w.below());
        // The files in a folder are its own; folders are what they share.
        let enough = if w.is_folder { 5 } else { 2 };
        !words::is_reserved(w.name) && explained > 0 && explained * enough >= below
    };
    let group: Vec<usize> = (0..rest.len()).filter(|&i| is_member(&rest[i])).collect();
    // What stands between must be names as well, and more of them than of those before.
    let between = |i: usize| rest[group[i]].node.children.keys().filter(|k| !k.is_empty());
    let different = (0..group.len()).flat_map(between).collect::<std::collections::BTreeSet<_>>().len();
    if group.is_empty() || depth == 1 && different < group.len() {
        return None;
    }
    profile.learn(&group.iter().map(|&i| &rest[i]).collect::<Vec<_>>());
    Some((profile, group))
}

impl<'a> Word<'a> {
    /// Transactions of longer paths.
    fn below(&self) -> u128 {
        self.node.count - self.node.ends()
    }
}

impl<'a> Profile<'a> {
    /// Transactions that go on to what is shared.
    fn explained(&self, word: &Word<'_>) -> u128 {
        word.next[self.depth].iter().filter(|(name, _)| self.shared.contains_key(name)).map(|(_, n)| n).sum()
    }

    /// Transactions of a word by where they go on to: shared words, the end, anything else.
    fn parts<'w>(&self, word: &Word<'w>) -> impl Iterator<Item = (Option<&'w str>, u128)> {
        let shared: Vec<_> = word.next[self.depth].iter().filter(|(name, _)| self.shared.contains_key(name)).collect();
        let others = word.below() - shared.iter().map(|(_, n)| n).sum::<u128>();
        let fixed = [(Some(""), word.node.ends()), (None, others)];
        shared.into_iter().map(|(name, n)| (Some(*name), *n)).chain(fixed).filter(|(_, n)| *n > 0)
    }

    fn learn(&mut self, words: &[&Word<'a>]) {
        let mut counts: Vec<u128> = words.iter().map(|w| w.node.count).collect();
        counts.sort_unstable();
        let cap = counts[counts.len() / 2].max(1) as f64;
        let mut total = 0.0;
        let mut shares: HashMap<Option<&'a str>, f64> = HashMap::new();
        for word in words {
            // A busy word must not make the rule that it is then found to follow.
            let weight = (word.node.count as f64).min(cap) / word.node.count as f64;
            for (part, n) in self.parts(word) {
                *shares.entry(part).or_default() += weight * n as f64;
                total += weight * n as f64;
            }
        }
        shares.values_mut().for_each(|share| *share /= total);
        self.shares = shares;
    }

    /// Whether the transactions of a word go where those of the group go, as far as so few of them can tell.
    fn fits(&self, word: &Word<'_>) -> bool {
        if words::is_reserved(word.name) {
            return false;
        }
        let count = word.node.count as f64;
        let divergence: f64 = self
            .parts(word)
            .map(|(part, n)| {
                let share = n as f64 / count;
                share * (share / self.shares.get(&part).map_or(0.01, |s| s.max(0.01))).ln()
            })
            .sum();
        divergence <= 1.0 || divergence * count <= 10.0
    }

    fn most_common(&self) -> Vec<String> {
        let mut names: Vec<_> = self.shared.iter().collect();
        names.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), **name));
        names.into_iter().take(4).map(|(name, _)| (*name).to_owned()).collect()
    }
}

fn take_many(rest: &[Word<'_>], context: &Context<'_>, decision: &mut Decision) {
    let members: Vec<&Word<'_>> = rest.iter().filter(|w| !words::is_reserved(w.name)).collect();
    if members.is_empty() {
        return;
    }
    let total: u128 = members.iter().map(|w| w.node.count).sum();
    let is_collection = words::is_collection(context.parent);
    let has_values = context.values * 10 >= total;
    let is_among_values = has_values || (!decision.values.is_empty() && !decision.is_wall);
    if members.len() < FEW && !is_among_values {
        return;
    }
    let clues =
        clues_of(&members, &Context { values: if is_among_values { total } else { 0 }, ..*context }, [8, 16, 40, 100]);
    // A few words beside values are what somebody chose: `/webhooks/stripe`.
    let are_enough = members.len() >= FEW || !decision.values.is_empty();
    let is_value = are_enough && sum(&clues) >= THRESHOLD;
    if decision.finding.clues.is_empty() || is_value {
        decision.finding.clues.clone_from(&clues);
    }
    let is_open = members.len() > budget::LITERALS_PER_POSITION
        || members.len() >= 12
            && rare(&members) * 3 >= members.len()
            && (context.total >= ENOUGH || members.len() >= ENOUGH_WORDS)
            && is_value;
    // Below a parameter stand few words of routes, and so they do below other words where most are odd.
    let is_inside = !context.parent.is_empty() && !words::is_version(context.parent);
    let is_odd = clues.iter().any(|(clue, _)| *clue == Clue::Odd);
    let are_names = is_open && is_inside && is_odd && decision.finding.missing == 0;
    if is_value && (is_collection || has_values || are_names) {
        let mut profile = Profile { depth: 0, shared: HashMap::new(), shares: HashMap::new() };
        profile.learn(&members);
        decision.values.extend(members.iter().filter(|w| profile.fits(w)).map(|w| w.name.to_owned()));
    } else if is_open {
        decision.is_wall |= decision.values.is_empty();
        take_seldom(&members, decision);
    } else if is_among_values {
        // Too few of their own to tell: only what the others outnumber by far, and looks like them.
        let around = context.values.max(decision.values.len() as u128);
        let is_one = |w: &&&Word<'_>| words::is_odd(w.name) && w.node.count * 50 <= around && w.below() == 0;
        decision.values.extend(members.iter().filter(is_one).map(|w| w.name.to_owned()));
    }
}

/// Of words that nothing is known of but that they are many: those that are seldom.
fn take_seldom(members: &[&Word<'_>], decision: &mut Decision) {
    let (tail, n) = (Tail::new(members), members.len() as u128);
    let are_many = members.iter().filter(|w| w.node.count >= ESTABLISHED).count() > ESTABLISHED_WORDS;
    let is_seldom = |c: u128| c * n < TIMES_MEAN * tail.total && (are_many || c < ESTABLISHED);
    let is_real =
        |w: &Word<'_>| decision.finding.missing > 0 && w.node.missing * 2 <= w.node.count && w.node.count >= 3;
    let seldom = members.iter().filter(|w| is_seldom(w.node.count) && !tail.stands_out(w.node.count) && !is_real(w));
    let seldom: Vec<String> = seldom.map(|w| w.name.to_owned()).collect();
    decision.values.extend(seldom);
}

/// How the counts of words go from many to few.
struct Tail {
    total: u128,
    /// What nearly all words have, at most.
    usual: u128,
    has_gap: bool,
}

impl Tail {
    /// How many times the usual is something else.
    const FAR: u128 = 6;

    fn new(members: &[&Word<'_>]) -> Self {
        let mut counts: Vec<u128> = members.iter().map(|w| w.node.count).collect();
        counts.sort_unstable();
        let usual = counts[counts.len() * 19 / 20];
        let above = counts.iter().filter(|c| **c >= usual * Self::FAR).count();
        let between = counts.iter().filter(|c| **c > usual && **c < usual * Self::FAR).count();
        Self { total: counts.iter().sum(), usual, has_gap: above >= between }
    }

    /// Whether so many are far above what nearly all words have, with next to nothing between.
    fn stands_out(&self, count: u128) -> bool {
        self.has_gap && count >= self.usual * Self::FAR
    }
}

fn clues_of(members: &[&Word<'_>], context: &Context<'_>, steps: [usize; 4]) -> Vec<(Clue, i32)> {
    let n = members.len();
    let share = |is: &dyn Fn(&str) -> bool| members.iter().filter(|w| is(w.name)).count();
    let mut clues = Vec::new();
    if words::is_collection(context.parent) {
        clues.push((Clue::Collection, 3));
    }
    if context.values * 10 >= members.iter().map(|w| w.node.count).sum::<u128>() {
        clues.push((Clue::AmongValues, 2));
    }
    let number = steps.iter().filter(|step| n >= **step).count() as i32;
    if number > 0 {
        clues.push((Clue::Number, number));
    }
    if share(&words::is_odd) * 2 >= n {
        clues.push((Clue::Odd, 1));
    }
    if rare(members) * 3 >= n {
        clues.push((Clue::Rare, 1));
    }
    if share(&|w| words::is_plural(w) || words::is_collection(w)) * 5 >= n * 2 {
        clues.push((Clue::Plural, -3));
    }
    if members.iter().all(|w| w.node.count >= ESTABLISHED) {
        clues.push((Clue::Busy, -1));
    }
    if !words::is_collection(context.parent) && words::are_counted_through(members.iter().map(|w| w.name)) {
        clues.push((Clue::Numbered, -4));
    }
    clues
}

fn rare(members: &[&Word<'_>]) -> usize {
    members.iter().filter(|w| w.node.count <= 2).count()
}

fn sum(clues: &[(Clue, i32)]) -> i32 {
    clues.iter().map(|(_, points)| points).sum()
}
