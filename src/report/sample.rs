//! Made-up documents for tests of this module: the same on every run.
//!
//! In: nothing. Out: a rich one (a day, 60 routes, 200 consumers, lossy), an empty one, one whose log has no durations,
//! one full of hostile names.

use std::collections::BTreeMap;

use pitot_model::{
    Coverage, Evidence, Reason, Sketch, Stats, Status, TimeRange, Timestamp,
    api::{Document, Part, Quantiles, Source, TimePoint, Totals},
};

/// 2026-01-12T00:00:00Z.
const START_S: i64 = 1_768_176_000;
const STEP_S: u64 = 900;
const STEPS: usize = 96;

/// All of them, by name.
pub(super) fn all() -> [(&'static str, Document); 5] {
    [
        ("rich", rich()),
        ("empty", empty()),
        ("one", one()),
        ("without durations", without_durations()),
        ("hostile", hostile()),
    ]
}

/// A single transaction, from standard input.
pub(super) fn one() -> Document {
    let mut sum = Sum::default();
    sum.add(Status::code(503), 12_345, 512, 1);
    let part = Part::new(sum.totals());
    let route = Part { method: Some("GET".into()), route: Some("/v1/orders/{int}".into()), ..part.clone() };
    let consumer = Part { consumer: Some(String::new()), evidence: Some(Evidence::None), ..part };
    Document {
        sources: vec![Source { name: "-".into(), detected: false, ..source("", 1) }],
        range: Some(TimeRange::new(at(0), Timestamp::from_micros(at(0).as_micros() + 1))),
        totals: sum.totals(),
        routes: vec![route],
        consumers: vec![consumer],
        route_count: 1,
        consumer_count: 1,
        timeline: vec![time_point(0, &sum, [(10_000, 1)].into())],
        coverage: Coverage { lines_read: 1, transactions: 1, ..Coverage::default() },
        folded: None,
        ..empty()
    }
}

pub(super) fn empty() -> Document {
    Document {
        version: Document::VERSION,
        program: "0.1.0".into(),
        sources: vec![Source { name: "empty.log".into(), format: String::new(), detected: true, lines: 0 }],
        range: None,
        totals: Totals::default(),
        services: vec![],
        routes: vec![],
        consumers: vec![],
        route_count: 0,
        consumer_count: 0,
        timeline: vec![],
        timeline_step_s: 1,
        coverage: Coverage::default(),
        folded: None,
    }
}

/// What is summed for a part: sums and statuses.
#[derive(Clone, Default)]
struct Sum(Stats, BTreeMap<Status, u64>);

impl Sum {
    fn add(&mut self, status: Status, us: u64, bytes: u64, n: u64) {
        self.0.count += n;
        self.0.response_bytes += bytes * n;
        self.0.duration.record_n(us, n);
        *self.1.entry(status).or_default() += n;
    }

    fn totals(&self) -> Totals {
        Totals::new(&self.0, self.1.clone())
    }
}

pub(super) fn rich() -> Document {
    let routes = routes();
    let mut random = Random(7);
    let (mut total, mut by_route, mut by_consumer) =
        (Sum::default(), vec![Sum::default(); 60], vec![Sum::default(); 200]);
    let mut by_service = vec![Sum::default(); 3];
    let mut timeline = Vec::new();
    for step in 0..STEPS {
        let mut point = Sum::default();
        let mut bands = BTreeMap::new();
        for (r, of_route) in by_route.iter_mut().enumerate() {
            for _ in 0..12 {
                let n = 1 + random.below(load(step) / (r as u64 + 2));
                let (status, us) = (status(&mut random, step, r), duration(&mut random, step, r));
                let bytes = 300 + random.below(20_000);
                let consumer = random.skewed(200);
                for sum in [&mut point, &mut total, of_route, &mut by_consumer[consumer], &mut by_service[r % 3]] {
                    sum.add(status, us, bytes, n);
                }
                *bands.entry(band(us)).or_default() += n;
            }
        }
        timeline.push(time_point(step, &point, bands));
    }
    let coverage = coverage(total.0.count);
    let parts = |sums: &[Sum], name: &dyn Fn(usize, &mut Part)| -> Vec<Part> {
        let mut parts: Vec<Part> = sums
            .iter()
            .enumerate()
            .map(|(i, sum)| {
                let mut part = Part::new(sum.totals());
                name(i, &mut part);
                part
            })
            .collect();
        parts.sort_by_key(|p| std::cmp::Reverse(p.count));
        parts
    };
    let service = |i: usize| Some(["shop", "payments", "search"][i % 3].to_owned());
    Document {
        sources: vec![
            source("/var/log/nginx/access.log", coverage.lines_read - 4_242),
            source("/var/log/nginx/access.log.1.gz", 4_242),
        ],
        range: Some(TimeRange::new(at(0), at(STEPS))),
        totals: total.totals(),
        services: parts(&by_service, &|i, p| p.service = service(i)),
        routes: parts(&by_route, &|i, p| {
            p.service = service(i);
            (p.method, p.route) = (Some(routes[i].0.into()), Some(routes[i].1.clone()));
        }),
        consumers: parts(&by_consumer, &|i, p| (p.consumer, p.evidence) = consumer(i)),
        route_count: 60,
        consumer_count: 200,
        timeline,
        timeline_step_s: STEP_S,
        coverage,
        folded: None,
        ..empty()
    }
}

fn at(step: usize) -> Timestamp {
    Timestamp::from_secs(START_S + (step as u64 * STEP_S) as i64)
}

fn source(name: &str, lines: u64) -> Source {
    Source { name: name.into(), format: "combined+rt".into(), detected: true, lines }
}

fn coverage(transactions: u64) -> Coverage {
    let mut c = Coverage {
        lines_read: transactions + 231,
        bytes_read: transactions * 180,
        transactions,
        ..Coverage::default()
    };
    c.add(Reason::LineBlank, 12);
    c.add(Reason::LineMalformed, 188);
    c.add(Reason::LineCut, 31);
    c.add(Reason::RequestUnreadable, 57);
    c
}

/// More at noon than at night.
fn load(step: usize) -> u64 {
    let day = (step as f64 / STEPS as f64 * std::f64::consts::TAU - 2.0).sin();
    (120.0 + 100.0 * day) as u64
}

/// The second route is slow for two hours in the afternoon.
fn duration(random: &mut Random, step: usize, route: usize) -> u64 {
    let base = 3_000.0 * (1.0 + route as f64 % 7.0);
    let slow = if route == 1 && (60..68).contains(&step) { 40.0 } else { 1.0 };
    let tail = (random.unit() * random.unit() * random.unit() * 6.0).exp();
    (base * slow * tail * (0.5 + random.unit())) as u64
}

/// The first route fails for an hour in the morning.
fn status(random: &mut Random, step: usize, route: usize) -> Status {
    let broken = if route == 0 && (36..40).contains(&step) { 400 } else { 4 };
    match random.below(1000) {
        x if x < broken => Status::code(503),
        x if x < broken + 20 => Status::code(404),
        x if x < broken + 28 => Status::code(429),
        x if x < broken + 45 => Status::code(304),
        x if x < broken + 46 => Status::TIMEOUT,
        x if x < broken + 90 => Status::code(201),
        _ => Status::code(200),
    }
}

/// Four bands per power of ten, from 100 µs on.
fn band(us: u64) -> u64 {
    if us < 100 { 0 } else { 10f64.powf(((us as f64).log10() * 4.0 + 1e-9).floor() / 4.0).round() as u64 }
}

fn time_point(step: usize, sum: &Sum, bands: BTreeMap<u64, u64>) -> TimePoint {
    let totals = sum.totals();
    TimePoint {
        at: at(step),
        count: totals.count,
        server_errors: totals.server_errors(),
        client_errors: totals.client_errors(),
        response_bytes: totals.response_bytes,
        duration_us: totals.duration_us,
        bands: bands.into_iter().collect(),
    }
}

fn routes() -> Vec<(&'static str, String)> {
    let things =
        ["orders", "users", "carts", "payments", "products", "search", "invoices", "sessions", "coupons", "reviews"];
    things
        .iter()
        .flat_map(|t| {
            [
                ("GET", format!("/v1/{t}/{{uuid}}")),
                ("GET", format!("/v1/{t}")),
                ("POST", format!("/v1/{t}")),
                ("DELETE", format!("/v1/{t}/{{uuid}}")),
                ("PATCH", format!("/v1/{t}/{{uuid}}/items/{{int}}")),
                ("GET", format!("/v1/{t}/{{uuid}}/attachments/{{hex}}/versions/{{date}}")),
            ]
        })
        .collect()
}

fn consumer(i: usize) -> (Option<String>, Option<Evidence>) {
    match i % 4 {
        0 => (Some(format!("key:{:08x}", 0x9e37_79b9_u32.wrapping_mul(i as u32 + 1))), Some(Evidence::Key)),
        1 => (
            Some(["acme", "globex", "initech", "umbrella"][i / 4 % 4].to_owned() + &format!("-{i}")),
            Some(Evidence::Name),
        ),
        2 => (Some(format!("2001:db8::{i:x}")), Some(Evidence::Address)),
        _ => (Some(format!("198.51.100.{i}")), Some(Evidence::Address)),
    }
}

/// A log whose lines do not say how long a request took.
pub(super) fn without_durations() -> Document {
    let mut doc = rich();
    let known = |q: &mut Quantiles| *q = Quantiles::of(&Sketch::new());
    known(&mut doc.totals.duration_us);
    doc.services.truncate(1);
    let Document { services, routes, consumers, timeline, .. } = &mut doc;
    for part in services.iter_mut().chain(routes).chain(consumers) {
        known(&mut part.duration_us);
    }
    for point in timeline {
        known(&mut point.duration_us);
        point.bands.clear();
    }
    doc.coverage.reasons.clear();
    doc
}

/// Names that want to be obeyed.
pub(super) const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"quoted\" 'single' & <b>",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "=cmd|' /C calc'!A0",
    "@everyone #1 [link](http://example.com) `code` **bold** |pipe| \\| \\",
    "left\u{202e}thgir\u{2066}\u{200f}",
    "two\nlines\r\nand\ttab",
    "\u{9b}31m\u{0}\u{7f}\u{2028}",
    "--> ]]> </style> </svg> {{x}} ${y}",
    "日本語の経路 🚀 é",
    "+1-1",
    "",
];

pub(super) fn hostile() -> Document {
    let mut doc = rich();
    let long = "x".repeat(500);
    let name = |i: usize| Some(HOSTILE.get(i).map_or_else(|| long.clone(), |&n| n.to_owned()));
    doc.services.truncate(2);
    for (i, s) in doc.services.iter_mut().enumerate() {
        s.service = name(i + 2);
    }
    doc.routes.truncate(HOSTILE.len() + 1);
    for (i, r) in doc.routes.iter_mut().enumerate() {
        (r.service, r.method, r.route) = (name(i), name(i + 1), name(i));
    }
    doc.consumers.truncate(HOSTILE.len() + 1);
    for (i, c) in doc.consumers.iter_mut().enumerate() {
        c.consumer = name(i);
    }
    for (i, s) in doc.sources.iter_mut().enumerate() {
        (s.name, s.format) = (HOSTILE[i * 2].into(), HOSTILE[i + 5].into());
    }
    doc
}

/// Numbers that look random and never change. Source: Marsaglia, Xorshift RNGs (2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / (1 << 20) as f64
    }

    /// Low numbers more often.
    fn skewed(&mut self, n: u64) -> usize {
        (self.unit() * self.unit() * self.unit() * n as f64) as usize
    }
}
