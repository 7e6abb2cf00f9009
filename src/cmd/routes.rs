//! `pitot routes`: the routes that are learned from a log, and why a path belongs to the one it does.
//!
//! In: sources as for `pitot report`. Out: a line per route with its transactions; with `--explain PATH` one per segment.

mod why;

use std::{
    collections::BTreeMap,
    io::{BufWriter, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context as _;
use pitot_agent::{
    enrich::{OTHER, RouteTree, Tally},
    io::{Scan, scan},
    window::Batch,
};
use pitot_model::Coverage;
use serde::Serialize;

use super::{report, sources};
use crate::{
    cli::Routes,
    report::{
        figures, names,
        text::paint::{Ink, Paint},
    },
};

/// Different shapes that are kept; beyond, new ones are counted as `(other)`.
const SHAPES: usize = 1_000_000;

/// What was read of one service: by shape and method.
type Shapes = BTreeMap<(String, String), Tally>;

pub(crate) fn run(args: &Routes) -> anyhow::Result<ExitCode> {
    sources::refuse_interfaces(&args.sources)?;
    let scanning = Scan {
        settings: sources::settings(&args.sources.reading)?,
        wanted: sources::wanted(&args.sources.reading, false),
        packets: sources::packets(&args.sources),
        threads: args.threads.max(1),
    };
    let specs = sources::specs(&args.sources.sources, &args.sources.reading)?;
    let (mut services, mut n_shapes): (BTreeMap<String, Shapes>, _) = (BTreeMap::new(), 0);
    let mut coverage = Coverage::default();
    let scanned = scan(&specs, &scanning, |batch: &Batch| {
        coverage.merge(&batch.coverage);
        coverage.transactions += batch.len() as u64;
        for (service, method, shape, tally) in batch.shapes() {
            add(&mut services, &mut n_shapes, (service, method, shape), tally);
        }
    })?;
    report::tell_problems(&scanned, &coverage);
    let is_terminal = std::io::stdout().is_terminal();
    let style = report::style(is_terminal && !args.no_color, is_terminal);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let code = if scanned.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let learned: Vec<Learned> = services.into_iter().map(|(service, shapes)| Learned::new(service, shapes)).collect();
    if learned.is_empty() {
        anyhow::bail!("no transaction in what was read; say another --log-format, or widen --since and --until");
    }
    let paint = Paint::new(style.color);
    match (&args.explain, args.json) {
        (Some(path), json) => {
            let explained = learned.iter().map(|l| why::Explained::new(l, path, &scanning.settings));
            let explained: Vec<why::Explained> = explained.collect();
            if json { write_json(&explained, &mut out) } else { why::write(&explained, paint, &mut out) }
        }
        (None, true) => write_json(&learned.iter().flat_map(|l| &l.routes).collect::<Vec<_>>(), &mut out),
        (None, false) => write_routes(&learned, args.limit, paint, &mut out),
    }
    .and_then(|()| out.flush())
    .context("cannot write the routes")?;
    Ok(code)
}

fn add(services: &mut BTreeMap<String, Shapes>, n: &mut usize, name: (&str, &str, &str), tally: Tally) {
    let (service, method, shape) = name;
    let is_known = |s: &BTreeMap<String, Shapes>, shape: &str| {
        s.get(service).is_some_and(|shapes| shapes.contains_key(&(shape.to_owned(), method.to_owned())))
    };
    let shape = if *n >= SHAPES && !is_known(services, shape) { OTHER } else { shape };
    let shapes = services.entry(service.to_owned()).or_default();
    let known = shapes.entry((shape.to_owned(), method.to_owned())).or_insert_with(|| {
        *n += 1;
        Tally::default()
    });
    known.count += tally.count;
    known.missing += tally.missing;
}

/// The routes of one service, and where they come from.
struct Learned {
    service: String,
    tree: RouteTree,
    /// The most transactions first.
    routes: Vec<Route>,
}

#[derive(Debug, Serialize)]
struct Route {
    service: String,
    method: String,
    route: String,
    count: u64,
    /// Of `count`: answered 404, 405 or 410.
    missing: u64,
    /// Different shapes of paths that it stands for.
    shapes: usize,
}

impl Learned {
    fn new(service: String, shapes: Shapes) -> Self {
        let tree = RouteTree::learn(shapes.iter().map(|((shape, _), tally)| (shape.as_str(), *tally)));
        let mut routes: BTreeMap<(String, String), Route> = BTreeMap::new();
        for ((shape, method), tally) in shapes {
            let mut route = String::new();
            tree.write_template(&shape, &mut route);
            let entry = routes.entry((route.clone(), method.clone())).or_insert_with(|| Route {
                service: service.clone(),
                method,
                route,
                count: 0,
                missing: 0,
                shapes: 0,
            });
            entry.count += tally.count;
            entry.missing += tally.missing;
            entry.shapes += 1;
        }
        let mut routes: Vec<Route> = routes.into_values().collect();
        routes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.route, &a.method).cmp(&(&b.route, &b.method))));
        Self { service, tree, routes }
    }
}

fn write_routes(learned: &[Learned], limit: usize, paint: Paint, out: &mut dyn Write) -> std::io::Result<()> {
    for (i, service) in learned.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let n = if limit == 0 { service.routes.len() } else { limit };
        let shown: Vec<[String; 5]> = service.routes.iter().take(n).map(cells).collect();
        let titles = ["requests", "missing", "shapes", "method", "route"].map(str::to_owned);
        let width = |column: usize| {
            shown.iter().chain([&titles]).map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2), width(3)];
        let title = format!("{} · {} routes", names::clean(&service.service), service.routes.len());
        writeln!(out, "{}", paint.ink(Ink::Strong, &title))?;
        writeln!(out, "  {}", paint.ink(Ink::Faint, &line(&titles, widths)))?;
        for row in &shown {
            writeln!(out, "  {}", line(row, widths))?;
        }
        if service.routes.len() > n {
            let more = format!("… and {} more; -n 0 shows all", service.routes.len() - n);
            writeln!(out, "  {}", paint.ink(Ink::Faint, &more))?;
        }
    }
    Ok(())
}

fn cells(route: &Route) -> [String; 5] {
    let some = |n: u64, text: String| if n == 0 { "·".to_owned() } else { text };
    [
        figures::count(route.count),
        some(route.missing, format!("{} %", figures::percent(route.missing, route.count))),
        figures::count(route.shapes as u64),
        names::clean(&route.method).into_owned(),
        names::clean(&route.route).into_owned(),
    ]
}

fn line([requests, missing, shapes, method, route]: &[String; 5], [a, b, c, d]: [usize; 4]) -> String {
    format!("{requests:>a$}  {missing:>b$}  {shapes:>c$}  {method:<d$}  {route}")
}

fn write_json(value: &impl Serialize, out: &mut dyn Write) -> std::io::Result<()> {
    let mut out = out;
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
