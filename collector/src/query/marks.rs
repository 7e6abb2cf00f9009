//! Questions that marks answer: deprecations, limits, credentials.
//!
//! In: a [`PostureQuery`] and a store. Out: one answer per file below. Marks are kept by hour, so ranges are whole hours. Names
//! are numbered once per window or mark, so that sums are kept by pairs of numbers.

mod credentials;
mod deprecations;
mod limits;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use pitot_model::{
    Cell, Consumer, MARK_WIDTH, Mark, MarkKind, Route, Status, TimeRange, Timestamp,
    api::PostureQuery,
    filter::{Expr, Facts, Field, parse},
};

pub use credentials::credentials;
pub use deprecations::{Promise, Promised, deprecations};
pub use limits::limits;

use super::{
    Context, GROUPS, QueryError, STEPS,
    select::{Names, Select},
};
use crate::store::Cube;

/// Fields of the filter language that marks answer.
const FIELDS: &[Field] = &[Field::Service, Field::Route, Field::Method, Field::Consumer, Field::Evidence, Field::Group];

/// The range of a question without `from`.
const DEFAULT_RANGE: Duration = Duration::from_secs(7 * 86_400);

/// The latest moment that can be written in RFC 3339, to the day.
const LATEST: Timestamp = Timestamp::from_secs(253_402_128_000);

/// Rows when nobody says how many.
const ROWS: usize = 100;

/// What is asked, understood.
struct Question {
    expr: Expr,
    /// Whole hours.
    range: TimeRange,
    limit: usize,
    offset: usize,
}

impl Question {
    fn new(cx: Context<'_>, query: &PostureQuery) -> Result<Self, QueryError> {
        let expr = parse(&query.q)?;
        expr.only(FIELDS, false, "marks")?;
        let to = query.to.unwrap_or(cx.now).min(LATEST);
        let from = query.from.unwrap_or(to - DEFAULT_RANGE).max(Timestamp::EPOCH);
        if to <= from {
            return Err(QueryError::Range { from, to });
        }
        let range = TimeRange::new(from.floor(MARK_WIDTH), to.ceil(MARK_WIDTH));
        Ok(Self { expr, range, limit: super::limit(query.limit, ROWS)?, offset: query.offset.unwrap_or(0) })
    }

    /// The rows that were asked for, and where the next ones begin.
    fn cut<T>(&self, rows: Vec<T>) -> (Vec<T>, Option<usize>) {
        let end = self.offset.saturating_add(self.limit);
        let next = (end < rows.len()).then_some(end);
        (rows.into_iter().skip(self.offset).take(self.limit).collect(), next)
    }
}

/// A route of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    service: String,
    route: Route,
}

/// Routes and consumers by number.
#[derive(Default)]
struct Numbers {
    places: Numbered<Place>,
    consumers: Numbered<Consumer>,
}

/// Numbers in the order in which names came.
struct Numbered<T> {
    index: HashMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { index: HashMap::new(), names: Vec::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    fn number(&mut self, name: T) -> Result<u32, QueryError> {
        if let Some(&number) = self.index.get(&name) {
            return Ok(number);
        }
        if self.names.len() >= GROUPS {
            return Err(QueryError::Groups);
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone());
        self.index.insert(name, number);
        Ok(number)
    }

    fn name(&self, number: u32) -> &T {
        &self.names[number as usize]
    }
}

/// A route and a consumer, by their numbers.
type Pair = (u32, u32);

/// The place of a pair in a map that is bounded.
fn of_pair<T: Default>(map: &mut HashMap<Pair, T>, pair: Pair) -> Result<&mut T, QueryError> {
    if map.len() >= GROUPS && !map.contains_key(&pair) {
        return Err(QueryError::Groups);
    }
    Ok(map.entry(pair).or_default())
}

/// Visits the marks of some kinds that match, under the present names of their routes.
fn each_mark(
    cx: Context<'_>,
    question: &Question,
    kinds: &[MarkKind],
    numbers: &mut Numbers,
    take: &mut dyn FnMut(Pair, &Mark) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let aliases = cx.store.ledger().aliases();
    let (mut steps, mut failed) = (STEPS, None);
    let mut one = |mark: &Mark| -> Result<(), QueryError> {
        let key = &mark.key;
        let route = aliases.resolve(&key.service, &key.route);
        let facts = MarkFacts { mark, route, shown: route.to_string() };
        if question.expr.matches_within(&facts, &mut steps).ok_or(QueryError::Costly)? {
            let place = numbers.places.number(Place { service: key.service.clone(), route: route.clone() })?;
            let consumer = numbers.consumers.number(key.consumer.clone())?;
            take((place, consumer), mark)?;
        }
        Ok(())
    };
    cx.store.marks(question.range, &mut |mark| {
        if failed.is_none() && kinds.contains(&mark.key.kind) {
            failed = one(mark).err();
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// What becomes of a cell: the names, its route and consumer, the start of its window, the cell.
type Take<'a> = &'a mut dyn FnMut(&Numbers, Pair, Timestamp, &Cell) -> Result<(), QueryError>;

/// Visits the cells of a level that match in a range that is aligned to it.
fn each_cell(
    cx: Context<'_>,
    (cube, level, range): (Cube, usize, TimeRange),
    expr: &Expr,
    steps: &mut u64,
    numbers: &mut Numbers,
    take: Take<'_>,
) -> Result<(), QueryError> {
    let aliases = cx.store.ledger().aliases();
    let mut failed = None;
    cx.store.scan(cube, level, range, &mut |window| {
        let mut all = || -> Result<(), QueryError> {
            let service = &window.resource.service;
            let routes = window.routes.iter().map(|r| aliases.resolve(service, r)).collect();
            let names = Names { resource: &window.resource, routes, consumers: &window.consumers };
            let select = Select::new(expr, &names, window.cells.len(), steps).ok_or(QueryError::Costly)?;
            if select.is_nothing() {
                return Ok(());
            }
            let (mut places, mut consumers) = (BTreeMap::new(), BTreeMap::new());
            for cell in window.cells.iter().filter(|cell| select.takes(cell)) {
                let place = match places.get(&cell.route) {
                    Some(place) => *place,
                    None => {
                        let route = names.routes[cell.route as usize].clone();
                        let place = numbers.places.number(Place { service: service.clone(), route })?;
                        places.insert(cell.route, place);
                        place
                    }
                };
                let consumer = match consumers.get(&cell.consumer) {
                    Some(consumer) => *consumer,
                    None => {
                        let consumer = numbers.consumers.number(names.consumers[cell.consumer as usize].clone())?;
                        consumers.insert(cell.consumer, consumer);
                        consumer
                    }
                };
                take(numbers, (place, consumer), window.start, cell)?;
            }
            Ok(())
        };
        if failed.is_none() {
            failed = all().err();
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// The finest level of at least this width that still holds all of a range, else the coarsest; and what is left of the
/// range there.
fn level_of(cx: Context<'_>, range: TimeRange, least: Duration) -> (usize, TimeRange) {
    let levels = cx.store.levels();
    let last = levels.len() - 1;
    let holds = |level: &usize| levels.width(*level) >= least && cx.store.horizon(*level) <= range.from;
    let level = (0..last).find(holds).unwrap_or(last);
    let from = range.from.max(cx.store.horizon(level).ceil(levels.width(level))).min(range.to);
    (level, TimeRange::new(from, range.to))
}

/// What a filter may ask of a mark.
struct MarkFacts<'a> {
    mark: &'a Mark,
    route: &'a Route,
    /// Method and template.
    shown: String,
}

impl Facts for MarkFacts<'_> {
    fn names(&self, field: Field) -> [Option<&str>; 2] {
        let consumer = &self.mark.key.consumer;
        match field {
            Field::Service => [Some(&self.mark.key.service), None],
            Field::Route => [Some(&self.route.template), Some(&self.shown)],
            Field::Method => [Some(&self.route.method), None],
            Field::Consumer => [Some(&consumer.id), None],
            Field::Evidence => [Some(consumer.evidence.name()), None],
            Field::Group => [Some(&consumer.group), None],
            _ => [None, None],
        }
    }

    fn status(&self) -> Option<Status> {
        None
    }
}

/// Whether somebody is one consumer, and not nobody or those who found no room.
fn is_one(consumer: &Consumer) -> bool {
    !consumer.id.is_empty() && consumer.id != Consumer::OTHER
}
