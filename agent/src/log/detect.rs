//! Which format a log has, told from its first lines.
//!
//! In: lines. Out: a [`Format`] of all layouts that are needed to read them. Each layout in a list is tried on each
//! line; the first of them that fits a line is what the line is. Lines of the CLF family are then grouped by how their
//! tails look, and the columns of each group are told by their values: the first number with a fraction is the request
//! time in seconds, the next the upstream's; a token that looks like an API key is the consumer.

use super::{
    Format, Layout, Record,
    clf::{self, Clf, Extra},
    columns::Separator,
    field::{Field, Slot},
    format::Alternative,
    named::{self, extra, skip},
    names,
    number::Unit,
    prefix, spec,
    tail::{self, Class},
    w3c,
};

/// Lines of the sample that are looked at.
const LINES: usize = 400;

/// Fields of a tail that are told apart.
const EXTRAS: usize = 16;

/// Tails of one file that are told apart; those that fit fewer lines are read as combined.
const TAILS: usize = 6;

/// See [`Format::detect`].
pub(super) fn detect(sample: &[&[u8]]) -> Option<Format> {
    let lines: Vec<&[u8]> = sample.iter().take(LINES).map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
    let candidates = candidates(&lines);
    let mut counts = vec![0_usize; candidates.len()];
    let mut clf_lines = Vec::new();
    for line in &lines {
        let Some(n) = candidates.iter().position(|(_, c)| fits(c, line)) else { continue };
        counts[n] += 1;
        if matches!(candidates[n].1.layout, Layout::Clf(_)) {
            clf_lines.push((n, *line));
        }
    }
    let mut found: Vec<usize> = (0..candidates.len()).filter(|n| counts[*n] > 0).collect();
    found.sort_by_key(|n| std::cmp::Reverse(counts[*n]));
    let (mut name, mut layouts) = (None, Vec::new());
    for n in found {
        let (label, alternative) = &candidates[n];
        if matches!(alternative.layout, Layout::Clf(_)) {
            let own: Vec<&[u8]> = clf_lines.iter().filter(|(of, _)| *of == n).map(|(_, line)| *line).collect();
            let (tail_name, tails) = clf_family(&own, alternative.prefixed);
            name.get_or_insert(tail_name);
            layouts.extend(tails.into_iter().map(|layout| Alternative { layout, prefixed: alternative.prefixed }));
        } else {
            name.get_or_insert(*label);
            let first = lines.iter().find(|line| fits(alternative, line));
            layouts.push(match (&alternative.layout, first) {
                (Layout::Json(json), Some(line)) => Alternative::plain(Layout::Json(json.in_order_of(line))),
                _ => alternative.clone(),
            });
        }
    }
    Some(Format::of(name?.into(), layouts))
}

/// What is tried, the most telling first.
fn candidates(lines: &[&[u8]]) -> Vec<(&'static str, Alternative)> {
    let mut all = Vec::new();
    let directives = lines.iter().filter_map(|line| w3c::directive(line));
    all.extend(directives.map(|table| ("w3c", Layout::Columns(table))));
    all.extend([
        ("json", named::json()),
        ("haproxy", Layout::Haproxy),
        ("envoy", Layout::Envoy),
        ("alb", named::alb()),
        ("elb", named::elb()),
        ("s3", named::s3()),
    ]);
    all.extend(w3c::USUAL.iter().filter_map(|columns| Some(("w3c", Layout::Columns(w3c::table(columns)?)))));
    all.extend(named::nginx_proxy_manager().into_iter().map(|layout| ("npm", layout)));
    all.push(("combined", named::combined()));
    all.extend(named::TIME_FIRST.iter().filter_map(|text| Some(("time first", spec::nginx(text).ok()?))));
    let plain = all.iter().cloned().map(|(name, layout)| (name, Alternative::plain(layout)));
    let prefixed = all.iter().filter(|(_, l)| !l.finds_its_start()).cloned();
    plain.chain(prefixed.map(|(name, layout)| (name, Alternative { layout, prefixed: true }))).collect()
}

/// Whether the line is a whole record in this layout, with nothing in it that would be strange.
fn fits(alternative: &Alternative, line: &[u8]) -> bool {
    if !alternative.layout.finds_its_start() && alternative.prefixed != (prefix::len(line) > 0) {
        return false;
    }
    let mut out = Record::default();
    if alternative.parse(line, &mut out).is_err() || out.time.is_none() {
        return false;
    }
    match &alternative.layout {
        Layout::Json(_) | Layout::Clf(_) | Layout::Haproxy | Layout::Envoy => true,
        Layout::Columns(table) => plausible(&out) && (table.separator == Separator::Quoted || !out.method.is_empty()),
        Layout::Pattern(_) => out.status.is_some() && super::request::is_address(out.client.raw),
    }
}

/// A table fits many lines by chance: then something stands where it cannot.
fn plausible(out: &Record<'_>) -> bool {
    let target_ok =
        out.target.is_empty() || out.method.is_empty() || matches!(out.target.raw[0], b'/' | b'*' | b'h' | b'w');
    let client = out.client.raw;
    out.status.is_some()
        && target_ok
        && (client.is_empty() || super::request::is_address(client) || client.contains(&b'.'))
}

/// How the tails of some lines look, and the texts of each.
type Group<'a> = (Vec<Class>, Vec<Vec<&'a [u8]>>);

/// The layouts of these lines of the CLF family, and a name for them.
fn clf_family(lines: &[&[u8]], prefixed: bool) -> (&'static str, Vec<Layout>) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for line in lines {
        let line = if prefixed { &line[prefix::len(line)..] } else { line };
        let mut out = Record::default();
        let Ok(at) = clf::head(line, &mut out) else { continue };
        let (classes, values) = tail_of(line, at);
        match groups.iter_mut().find(|(known, _)| same(known, &classes)) {
            Some((known, rows)) => {
                merge(known, &classes);
                rows.push(values);
            }
            None => groups.push((classes, vec![values])),
        }
    }
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    let has_agent = groups.iter().any(|(classes, _)| classes.len() >= 2);
    let mut layouts = Vec::new();
    for (classes, rows) in groups.iter().take(TAILS) {
        let tail = meaning(classes, rows);
        let tells_more = tail.iter().any(|e| !matches!(e.field.slot, Slot::Skip | Slot::Agent))
            || tail.iter().position(|e| e.field.slot == Slot::Agent).is_some_and(|n| n != 1);
        if tells_more {
            layouts.push(Layout::Clf(Clf { tail, strict: true, start: false, chosen: None }));
        }
    }
    let plain = if has_agent { named::combined() } else { named::clf(Vec::new(), false) };
    let name = match layouts.first() {
        Some(Layout::Clf(clf)) if clf.tail == named::traefik() => "traefik",
        Some(Layout::Clf(clf)) if clf.tail == named::combined_rt() => "combined+rt",
        Some(Layout::Clf(clf)) if clf.tail.starts_with(&named::ingress(1)) => "nginx-ingress",
        _ if has_agent => "combined",
        _ => "common",
    };
    if let [Layout::Clf(only)] = layouts.as_mut_slice()
        && groups.len() == 1
    {
        // Nothing else was seen, so lines that lack their last fields need no second reading.
        only.strict = false;
        return (name, layouts);
    }
    layouts.push(plain);
    (name, layouts)
}

fn tail_of(line: &[u8], mut at: usize) -> (Vec<Class>, Vec<&[u8]>) {
    let (mut classes, mut values) = (Vec::new(), Vec::new());
    while let Some(token) = tail::next(line, at).filter(|_| classes.len() < EXTRAS) {
        classes.push(token.class());
        values.push(token.text);
        at = token.end;
    }
    (classes, values)
}

/// Whether two tails look the same as far as both go; a dash passes for a quoted text, a number or a word.
fn same(a: &[Class], b: &[Class]) -> bool {
    let passes = |a: &Class, b: &Class| {
        *a == Class::Word && matches!(b, Class::Quoted | Class::Decimal | Class::Integer) || a == b
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| passes(a, b) || passes(b, a))
}

/// Keeps the more telling class of each field.
fn merge(known: &mut [Class], other: &[Class]) {
    for (known, other) in known.iter_mut().zip(other) {
        if *known == Class::Word {
            *known = other.clone();
        }
    }
}

/// What the fields of a tail mean.
fn meaning(classes: &[Class], rows: &[Vec<&[u8]>]) -> Vec<Extra> {
    use Class::{Bracketed, Decimal, Integer, Quoted, Suffixed};
    let quotable = |c: Option<&Class>| matches!(c, Some(Quoted | Class::Word));
    if let [a, b, Integer, Quoted, Quoted, Suffixed] = classes
        && quotable(Some(a))
        && quotable(Some(b))
    {
        return named::traefik();
    }
    if let [a, b, Integer, Decimal, Bracketed, next, ..] = classes
        && quotable(Some(a))
        && quotable(Some(b))
    {
        return named::ingress(if *next == Bracketed { 2 } else { 1 });
    }
    let mut tail = Vec::new();
    let mut seen = Seen::default();
    for (n, class) in classes.iter().enumerate() {
        let values = rows.iter().filter_map(|row| row.get(n).copied());
        let is_pair_of_texts = !seen.agent && quotable(Some(class)) && quotable(classes.get(n + 1));
        if is_pair_of_texts && !seen.referer {
            seen.referer = true;
            tail.push(named::referer());
        } else if seen.referer && !seen.agent {
            seen.agent = true;
            tail.push(named::agent());
        } else {
            tail.push(seen.tell(class, values));
        }
    }
    while tail.last().is_some_and(|e| e.field.slot == Slot::Skip) && tail.len() > 2 {
        tail.pop();
    }
    tail
}

/// What was told already.
#[derive(Default)]
struct Seen {
    referer: bool,
    agent: bool,
    time: bool,
    upstream: bool,
    key: bool,
}

impl Seen {
    /// What a field of this class and with these values is.
    fn tell<'v>(&mut self, class: &Class, values: impl Iterator<Item = &'v [u8]> + Clone) -> Extra {
        let present = values.filter(|v| !matches!(*v, b"-" | b"" | b"\"-\""));
        match class {
            Class::Decimal if !self.time => {
                self.time = true;
                extra("request_time", Class::Decimal, Slot::Duration(Unit::Seconds), 6)
            }
            Class::Decimal if !self.upstream => {
                self.upstream = true;
                extra("upstream_response_time", Class::Decimal, Slot::DurationSum(Unit::Seconds), 2)
            }
            Class::Pair(name) => pair(name),
            Class::Quoted | Class::Word if !self.key && present.clone().next().is_some() => {
                if mostly(present.clone(), names::looks_like_key) {
                    self.key = true;
                    let field = names::nginx("http_x_api_key").unwrap_or(Field::SKIP);
                    return Extra { name: "http_x_api_key".to_owned(), class: class.clone(), field };
                }
                if mostly(present, names::looks_like_id) {
                    return extra("request_id", class.clone(), Slot::Trace, 4);
                }
                skip("", class.clone())
            }
            _ => skip("", class.clone()),
        }
    }
}

/// Whether nine of ten look so.
fn mostly<'v>(values: impl Iterator<Item = &'v [u8]>, look: impl Fn(&[u8]) -> bool) -> bool {
    let (all, some) = values.fold((0, 0), |(all, some), v| (all + 1, some + usize::from(look(v))));
    some * 10 >= all * 9
}

/// `rt=0.123` and its like, by the names that people give.
fn pair(name: &str) -> Extra {
    let class = Class::Pair(name.to_owned());
    let known = match name {
        "rt" | "reqtime" | "req_time" => names::nginx("request_time"),
        "rl" | "req_len" => names::nginx("request_length"),
        "rid" | "reqid" => names::nginx("request_id"),
        "h" | "vhost" => names::nginx("host"),
        "xff" | "uct" | "uht" | "urt" | "us" => None,
        _ => names::nginx(name).filter(|f| !matches!(f.slot, Slot::Client(_) | Slot::Status | Slot::DurationSum(_))),
    };
    Extra { name: name.to_owned(), class, field: known.unwrap_or(Field::SKIP) }
}
