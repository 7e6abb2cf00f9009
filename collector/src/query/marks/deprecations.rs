//! `GET /api/v1/deprecations`: deprecated routes that are still called, and by whom. In: marks; what a contract says. Out: a row
//! per route.

use std::{collections::HashMap, time::Duration};

use pitot_model::{
    MARK_WIDTH, MarkKind, Route, TimeRange, Timestamp,
    api::{Calls, DeprecatedBy, DeprecatedRoute, Deprecations, PostureQuery, SaidBy},
    budget,
};

use super::{Context, Numbers, Pair, QueryError, Question, STEPS, each_cell, each_mark, level_of, of_pair};
use crate::store::Cube;

/// What a contract says of a deprecated operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promise {
    /// Since when or from when on; `None` where it does not say.
    pub since: Option<Timestamp>,
    /// When it goes away.
    pub sunset: Option<Timestamp>,
}

/// What a contract says of a route of a service; `None` where it does not say that the route is deprecated.
pub type Promised<'a> = &'a dyn Fn(&str, &Route) -> Option<Promise>;

/// Consumers that one row shows.
const CONSUMERS: usize = 100;

/// Points of a series, at most: days get wider beyond.
const POINTS: u64 = 1_000;

/// Hours of a range whose series has a point for each; longer ones have one for each day.
const HOURLY: u64 = 120;

/// Points of all series together that one question may take.
const MOST_POINTS: usize = 4_000_000;

const DAY: Duration = Duration::from_secs(86_400);

/// Answers the question. `promised` tells what a contract says of a route of a service, if it says that the route is
/// deprecated; `None` where there is no contract.
pub fn deprecations(
    cx: Context<'_>,
    query: &PostureQuery,
    promised: Option<Promised<'_>>,
) -> Result<Deprecations, QueryError> {
    let question = Question::new(cx, query)?;
    let time = Time::new(question.range);
    let (mut numbers, mut pairs, mut said) = (Numbers::default(), Pairs::default(), HashMap::<u32, Said>::new());
    each_mark(cx, &question, &[MarkKind::Deprecated, MarkKind::Sunset], &mut numbers, &mut |pair, mark| {
        let said = said.entry(pair.0).or_default();
        said.by_responses = true;
        let told = mark.sum.least.and_then(|s| i64::try_from(s).ok()).map(Timestamp::from_secs);
        let (of, kind) = match mark.key.kind {
            MarkKind::Sunset => (&mut said.promise.sunset, Told::Sunset),
            _ => (&mut said.promise.since, Told::Deprecated),
        };
        *of = (*of).into_iter().chain(told).min();
        let n_points = pairs.of(pair)?.told[kind as usize].add(&time, mark.key.hour, mark.sum.count, mark.sum.last);
        pairs.grow(n_points)
    })?;
    if let Some(promised) = promised {
        let mut known: HashMap<u32, Option<Promise>> = HashMap::new();
        let (level, range) = level_of(cx, question.range, MARK_WIDTH);
        let width = cx.store.levels().width(level);
        let (mut routes, mut steps) = (Numbers::default(), STEPS);
        let cells = (Cube::Full, level, range);
        each_cell(cx, cells, &question.expr, &mut steps, &mut routes, &mut |seen, pair, start, cell| {
            let place = seen.places.name(pair.0);
            let promise = *known.entry(pair.0).or_insert_with(|| promised(&place.service, &place.route));
            let Some(promise) = promise else { return Ok(()) };
            let consumer = seen.consumers.name(pair.1).clone();
            let own = (numbers.places.number(place.clone())?, numbers.consumers.number(consumer)?);
            said.entry(own.0).or_default().by_contract(promise);
            let sum = &mut pairs.of(own)?.told[Told::Contract as usize];
            let n_points = sum.add(&time, start, cell.stats.count, start + width);
            pairs.grow(n_points)
        })?;
    }
    let mut rows = rows(&numbers, pairs, &said, &time);
    rows.sort_by(|a, b| {
        let key = |r: &DeprecatedRoute| (r.service.clone(), r.route.clone(), r.method.clone());
        b.calls.count.cmp(&a.calls.count).then_with(|| key(a).cmp(&key(b)))
    });
    let row_count = rows.len();
    let (routes, next) = question.cut(rows);
    let step_ms = time.step.as_millis() as u64;
    Ok(Deprecations { range: time.range, step_ms, routes, row_count, next, watermark: cx.watermark })
}

/// The range, and how it is cut.
struct Time {
    range: TimeRange,
    step: Duration,
    middle: Timestamp,
}

impl Time {
    fn new(range: TimeRange) -> Self {
        let hours = range.len().as_secs() / MARK_WIDTH.as_secs();
        let days = range.len().as_secs().div_ceil(DAY.as_secs());
        let step = if hours <= HOURLY { MARK_WIDTH } else { DAY * days.div_ceil(POINTS) as u32 };
        Self { range, step, middle: range.from + range.len() / 2 }
    }

    fn point(&self, at: Timestamp) -> u32 {
        (at.since(self.range.from).as_micros() / self.step.as_micros()) as u32
    }

    fn n_points(&self) -> usize {
        self.range.len().as_micros().div_ceil(self.step.as_micros()) as usize
    }
}

/// What is said of a route.
#[derive(Default)]
struct Said {
    promise: Promise,
    by_responses: bool,
    by_contract: bool,
}

impl Said {
    fn by_contract(&mut self, promise: Promise) {
        self.by_contract = true;
        self.promise.since = self.promise.since.into_iter().chain(promise.since).min();
        self.promise.sunset = self.promise.sunset.into_iter().chain(promise.sunset).min();
    }

    const fn said_by(&self) -> SaidBy {
        match (self.by_responses, self.by_contract) {
            (true, true) => SaidBy::Both,
            (false, true) => SaidBy::Contract,
            _ => SaidBy::Responses,
        }
    }
}

/// By what a request counts. One that says both that a route is deprecated and when it goes away counts once.
#[derive(Clone, Copy)]
enum Told {
    Deprecated,
    Sunset,
    Contract,
}

/// Sums of pairs, of which there may be so many.
#[derive(Default)]
struct Pairs {
    sums: HashMap<Pair, Sums>,
    n_points: usize,
}

#[derive(Default)]
struct Sums {
    told: [Sum; 3],
}

#[derive(Default, Clone)]
struct Sum {
    count: u64,
    before: u64,
    last: Timestamp,
    /// By number of the step, ascending.
    points: Vec<(u32, u64)>,
}

impl Pairs {
    fn of(&mut self, pair: Pair) -> Result<&mut Sums, QueryError> {
        of_pair(&mut self.sums, pair)
    }

    fn grow(&mut self, n_points: usize) -> Result<(), QueryError> {
        self.n_points += n_points;
        if self.n_points > MOST_POINTS { Err(QueryError::Groups) } else { Ok(()) }
    }
}

impl Sum {
    /// Adds so many requests of a slot; how many points are new.
    fn add(&mut self, time: &Time, start: Timestamp, n: u64, last: Timestamp) -> usize {
        self.count = self.count.saturating_add(n);
        self.before = self.before.saturating_add(if start < time.middle { n } else { 0 });
        self.last = self.last.max(last);
        self.add_point(time.point(start), n)
    }

    fn add_point(&mut self, point: u32, n: u64) -> usize {
        match self.points.binary_search_by_key(&point, |(p, _)| *p) {
            Ok(at) => {
                self.points[at].1 = self.points[at].1.saturating_add(n);
                0
            }
            Err(at) => {
                self.points.insert(at, (point, n));
                1
            }
        }
    }

    fn calls(&self, time: &Time) -> Calls {
        let mut series = vec![0; time.n_points()];
        for (point, n) in &self.points {
            series[*point as usize] = *n;
        }
        let now = self.count.saturating_sub(self.before);
        Calls { count: self.count, before: self.before, now, last_seen: self.last, series }
    }
}

impl Sums {
    /// The sum that counts: what a contract says counts all requests, and what responses say is exact in time.
    fn whole(self) -> Sum {
        let [deprecated, sunset, contract] = self.told;
        let responses = if deprecated.count >= sunset.count { deprecated } else { sunset };
        match (contract.count, responses.count) {
            (0, _) => responses,
            (_, 0) => contract,
            _ => Sum { last: responses.last, ..contract },
        }
    }
}

fn rows(numbers: &Numbers, pairs: Pairs, said: &HashMap<u32, Said>, time: &Time) -> Vec<DeprecatedRoute> {
    let mut by_place: HashMap<u32, Vec<(u32, Sum)>> = HashMap::new();
    for ((place, consumer), sums) in pairs.sums {
        by_place.entry(place).or_default().push((consumer, sums.whole()));
    }
    // An answer is bounded, however many routes it has.
    let most = CONSUMERS.min(10 * budget::ANSWER_ROWS / by_place.len().max(1)).max(1);
    let row = |(place, mut consumers): (u32, Vec<(u32, Sum)>)| {
        let mut all = Sum::default();
        for (_, sum) in &consumers {
            all.count = all.count.saturating_add(sum.count);
            all.before = all.before.saturating_add(sum.before);
            all.last = all.last.max(sum.last);
            sum.points.iter().for_each(|(point, n)| _ = all.add_point(*point, *n));
        }
        let consumer_count = consumers.len();
        consumers.sort_by(|(a, x), (b, y)| {
            let name = |n: u32| numbers.consumers.name(n);
            y.count.cmp(&x.count).then_with(|| name(*a).cmp(name(*b)))
        });
        consumers.truncate(most);
        let by = |(consumer, sum): (u32, Sum)| {
            let consumer = numbers.consumers.name(consumer).clone();
            DeprecatedBy {
                consumer: consumer.id,
                evidence: consumer.evidence,
                group: consumer.group,
                calls: sum.calls(time),
            }
        };
        let (name, said) = (numbers.places.name(place), said.get(&place));
        DeprecatedRoute {
            service: name.service.clone(),
            method: name.route.method.clone(),
            route: name.route.template.clone(),
            said_by: said.map(Said::said_by).unwrap_or_default(),
            since: said.and_then(|s| s.promise.since),
            sunset: said.and_then(|s| s.promise.sunset),
            calls: all.calls(time),
            consumers: consumers.into_iter().map(by).collect(),
            consumer_count,
        }
    };
    by_place.into_iter().map(row).collect()
}
