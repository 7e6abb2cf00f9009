//! How well routes are learned from paths of well-known kinds: a table of precision and recall of the grouping.
//!
//! In: families of made-up requests whose routes are known. Out: for every family, how many pairs of requests that are
//! shown as one route are of one (precision), how many of one are shown as one (recall), how many requests have exactly
//! the route that a person would write, and how many routes are shown and meant. A scanner's requests count as one route.

#[path = "route_families/families.rs"]
mod families;
#[path = "route_families/family.rs"]
mod family;
#[path = "route_families/random.rs"]
mod random;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use families::FAMILIES;
use family::Request;
use pitot_agent::enrich::{RouteTree, Tally, write_shape};

#[derive(Debug, Default)]
struct Score {
    precision: f64,
    recall: f64,
    exact: f64,
    shown: usize,
    meant: usize,
}

fn shape(path: &str) -> String {
    let mut out = Vec::new();
    write_shape(path.as_bytes(), &mut out);
    String::from_utf8(out).expect("shapes are text")
}

fn learned(requests: &[Request]) -> Vec<String> {
    let shapes: Vec<String> = requests.iter().map(|r| shape(&r.path)).collect();
    let mut counts: BTreeMap<&str, Tally> = BTreeMap::new();
    for (shape, request) in shapes.iter().zip(requests) {
        let seen = counts.entry(shape).or_default();
        seen.count += 1;
        seen.missing += u64::from(request.is_missing);
    }
    let tree = RouteTree::learn(counts);
    let template = |shape: &String| {
        let mut out = String::new();
        tree.write_template(shape, &mut out);
        out
    };
    shapes.iter().map(template).collect()
}

fn score(requests: &[Request]) -> Score {
    let routes = learned(requests);
    let (mut both, mut shown, mut meant) = (HashMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut exact, mut real) = (0u64, 0u64);
    for (request, route) in requests.iter().zip(&routes) {
        let want = request.route.as_deref().unwrap_or("(noise)");
        *both.entry((route, want)).or_insert(0u64) += 1;
        *shown.entry(route).or_insert(0u64) += 1;
        *meant.entry(want).or_insert(0u64) += 1;
        real += u64::from(request.route.is_some());
        exact += u64::from(route == want);
    }
    let pairs = |counts: &mut dyn Iterator<Item = u64>| counts.map(|n| n * n.saturating_sub(1) / 2).sum::<u64>() as f64;
    let hits = pairs(&mut both.values().copied());
    Score {
        precision: hits / pairs(&mut shown.values().copied()).max(1.0),
        recall: hits / pairs(&mut meant.values().copied()).max(1.0),
        exact: exact as f64 / real as f64,
        shown: shown.len(),
        meant: meant.len(),
    }
}

/// `table.txt` as it would be now.
fn table() -> String {
    let mut table =
        String::from("family                 requests  values   precision  recall   exact  routes shown of meant\n");
    for family in FAMILIES {
        for (n, is_skewed) in [(2_000, false), (2_000, true), (20_000, false), (20_000, true)] {
            let score = score(&family.requests(n, is_skewed, 7));
            let values = if is_skewed { "skewed" } else { "uniform" };
            let Score { precision, recall, exact, shown, meant } = score;
            let _ = writeln!(
                table,
                "{:<22} {n:>8}  {values:<8} {precision:>9.3} {recall:>7.3} {exact:>7.3}  {shown} of {meant}",
                family.name
            );
        }
    }
    table
}

/// The table is a picture of what is learned: review a change of it as one of code. `UPDATE_TABLE=1` writes it anew.
#[test]
fn routes_of_well_known_kinds_are_grouped() {
    let (path, now) = (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/route_families/table.txt"), table());
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, &now).expect("the table is written");
    }
    let known = std::fs::read_to_string(path).expect("the table is there; UPDATE_TABLE=1 writes it");
    assert!(known == now, "the table is another one now:\n{now}");
}

#[test]
fn the_order_of_lines_does_not_matter() {
    for family in FAMILIES.iter().step_by(3) {
        let mut requests = family.requests(3_000, true, 5);
        let by_path = |requests: &[Request]| -> BTreeMap<String, String> {
            requests.iter().map(|r| r.path.clone()).zip(learned(requests)).collect()
        };
        let forth = by_path(&requests);
        requests.reverse();
        assert!(forth == by_path(&requests), "{}: reversed", family.name);
        requests.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(forth == by_path(&requests), "{}: sorted", family.name);
    }
}
