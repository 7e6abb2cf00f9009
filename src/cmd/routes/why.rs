//! Why a path belongs to a route, segment by segment. In: what was learned, and a path. Out: lines for people, or JSON.

use std::io::{self, Write};

use pitot_agent::enrich::{Clue, Finding, Settings, Step, THRESHOLD, Why, path_of, write_shape};
use serde::Serialize;

use super::Learned;
use crate::report::{
    figures, names,
    text::paint::{Ink, Paint},
};

/// What became of a path in one service.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    service: String,
    path: String,
    route: String,
    /// A configured template that the path fits.
    configured: bool,
    segments: Vec<Segment>,
}

#[derive(Debug, Serialize)]
struct Segment {
    segment: String,
    shown: String,
    /// A word for programs: `form`, `digits`, `token`, `configured`, `word`, `folded`, `rest`.
    rule: &'static str,
    /// Sentences for people.
    why: Vec<String>,
}

impl Explained {
    pub(super) fn new(learned: &Learned, path: &str, settings: &Settings) -> Self {
        let (method, path) = match path.split_once(' ') {
            Some((method, path)) if !method.contains('/') => (method, path.trim()),
            _ => ("GET", path),
        };
        let path = path_of(path.as_bytes());
        let text = String::from_utf8_lossy(path).into_owned();
        let service = learned.service.clone();
        if let Some(template) = settings.templates.find(method.as_bytes(), path) {
            let why = vec!["a configured template fits this path; nothing is learned of it".to_owned()];
            let segment = Segment { segment: text.clone(), shown: template.to_owned(), rule: "configured", why };
            return Self { service, path: text, route: template.to_owned(), configured: true, segments: vec![segment] };
        }
        let mut shape = Vec::new();
        write_shape(path, &mut shape);
        let shape = String::from_utf8_lossy(&shape).into_owned();
        let mut route = String::new();
        learned.tree.write_template(&shape, &mut route);
        let raw: Vec<&str> = text.split('/').skip(1).collect();
        let steps = learned.tree.explain(&shape);
        let segments = steps.iter().enumerate().map(|(i, step)| {
            let own = match step.why {
                Why::Rest => raw.get(i..).map(|rest| rest.join("/")),
                _ => raw.get(i).map(|s| (*s).to_owned()),
            };
            segment(own.unwrap_or_else(|| step.segment.clone()), step)
        });
        let segments = segments.collect();
        Self { service, path: text, route, configured: false, segments }
    }
}

fn segment(own: String, step: &Step) -> Segment {
    let (rule, why) = match &step.why {
        Why::Form => ("form", vec![form(&step.shown).to_owned()]),
        Why::Digits if step.shown.contains("{hex}") => ("digits", vec!["digits among hashes".to_owned()]),
        Why::Digits => ("digits", vec!["digits, and no hashes stand here".to_owned()]),
        Why::Token => ("token", vec!["a hash among many tokens with other letters".to_owned()]),
        Why::Pinned => ("configured", vec!["a configured template keeps this word".to_owned()]),
        Why::Word(None) => ("word", vec!["the only word here".to_owned()]),
        Why::Word(Some(finding)) => ("word", sentences(finding, false)),
        Why::Value(finding) => ("folded", sentences(finding, true)),
        Why::Rest => ("rest", vec!["files in folders of any depth, or what scanners try: shown as one".to_owned()]),
    };
    Segment { segment: own, shown: step.shown.clone(), rule, why }
}

fn form(shown: &str) -> &'static str {
    match shown {
        "{uuid}" => "has the form of a UUID",
        "{int}" => "is a number",
        "{hex}" => "is a hash: hexadecimal digits",
        "{date}" => "is a date",
        "{slug}" => "has the form of a value: a token, a title, an address",
        "{authority}" => "is no path",
        _ => "holds a value by its form",
    }
}

fn sentences(finding: &Finding, is_value: bool) -> Vec<String> {
    let count = |n: u128| figures::count(u64::try_from(n).unwrap_or(u64::MAX));
    let words = |n: usize| format!("{} different word{}", figures::count(n as u64), if n == 1 { "" } else { "s" });
    let mut lines = vec![format!("{} here, {} requests", words(finding.words), count(finding.count))];
    if finding.values > 0 {
        let verb =
            if is_value { "this is one of those" } else { "this one stays: its requests go elsewhere, or it is known" };
        let n = figures::count(finding.values as u64);
        lines.push(format!("{n} of them with {} requests are values; {verb}", count(finding.values_count)));
    }
    if finding.missing > 0 {
        lines.push(format!("{} of them were hardly ever found", words(finding.missing)));
    }
    if !finding.shared.is_empty() {
        let shared: Vec<_> = finding.shared.iter().map(|s| names::clean(s)).collect();
        lines.push(format!("followed alike, by {}", shared.join(", ")));
    }
    if !finding.clues.is_empty() {
        let sum: i32 = finding.clues.iter().map(|(_, points)| points).sum();
        let clues: Vec<_> = finding.clues.iter().map(|(c, points)| format!("{} {points:+}", clue(*c))).collect();
        lines.push(format!("{sum} of {THRESHOLD} points: {}", clues.join(", ")));
    }
    lines
}

fn clue(clue: Clue) -> &'static str {
    match clue {
        Clue::Alike => "followed by the same words",
        Clue::SeveralShared => "by several",
        Clue::NearlyAll => "by hardly others",
        Clue::Folders => "by files in folders",
        Clue::Collection => "behind the name of a collection",
        Clue::AmongValues => "among other values",
        Clue::Number => "many",
        Clue::Odd => "unlike names of routes",
        Clue::Rare => "seen once or twice",
        Clue::Plural => "plurals",
        Clue::Busy => "all busy",
        Clue::Numbered => "counted through",
    }
}

pub(super) fn write(explained: &[Explained], paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    for (i, one) in explained.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let (service, route) = (names::clean(&one.service), names::clean(&one.route));
        writeln!(out, "{}  {}", paint.ink(Ink::Faint, &service), paint.ink(Ink::Strong, &route))?;
        let width = |text: fn(&Segment) -> &str| {
            one.segments.iter().map(|s| names::clean(text(s)).chars().count().min(48)).max().unwrap_or_default()
        };
        let (own, shown) = (width(|s| &s.segment), width(|s| &s.shown));
        for segment in &one.segments {
            let (text, name) = (names::clean(&segment.segment), names::clean(&segment.shown));
            let (text, name) = (format!("{text:<own$}"), format!("{name:<shown$}"));
            let ink = if segment.rule == "word" { Ink::Plain } else { Ink::Accent };
            let mut lines = segment.why.iter();
            let first = lines.next().map_or("", String::as_str);
            writeln!(out, "  /{text}  {}  {first}", paint.ink(ink, &name))?;
            for line in lines {
                writeln!(out, "   {:own$}  {:shown$}  {}", "", "", paint.ink(Ink::Faint, line))?;
            }
        }
    }
    Ok(())
}
