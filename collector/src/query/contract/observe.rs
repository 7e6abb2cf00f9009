//! What was called in a range: sums by service and route, and the consumers of routes that are told about. In: a plan and a
//! filter. Out: a [`Seen`] per route, in the order of services and routes.

use std::collections::{BTreeMap, HashMap};

use pitot_model::{Consumer, Route, Status, Timestamp, Window, api::Caller, filter::Expr};

use super::super::{
    Context, GROUPS, QueryError, STEPS,
    plan::Plan,
    select::{Names, Select},
};
use crate::contract::{Documents, Place};

/// One route of one service.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) service: String,
    pub(super) route: Route,
    pub(super) place: Place,
    pub(super) requests: u64,
    pub(super) statuses: BTreeMap<Status, Sum>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Transactions by step of the plan.
    pub(super) steps: Vec<u64>,
    /// Only where somebody will want to know them.
    pub(super) callers: HashMap<Consumer, CallerSum>,
}

/// Transactions, and the end of the last window with any.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) requests: u64,
    pub(super) last: Timestamp,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CallerSum {
    sum: Sum,
    later: u64,
}

impl Sum {
    fn add(&mut self, requests: u64, last: Timestamp) {
        self.requests = self.requests.saturating_add(requests);
        self.last = self.last.max(last);
    }
}

impl Seen {
    /// Whether all answers were that there is nothing: so it is with what scanners try.
    pub(super) fn is_nothing_there(&self) -> bool {
        !self.statuses.is_empty() && self.statuses.keys().all(|s| matches!(s.http(), Some(404 | 405 | 410 | 501)))
    }

    /// Those who called it most.
    pub(super) fn most(&self, limit: usize) -> Vec<Caller> {
        let mut all: Vec<_> = self.callers.iter().collect();
        all.sort_by(|(a, x), (b, y)| y.sum.requests.cmp(&x.sum.requests).then_with(|| a.cmp(b)));
        let caller = |(consumer, sum): (&Consumer, &CallerSum)| Caller {
            consumer: consumer.id.clone(),
            evidence: consumer.evidence,
            group: consumer.group.clone(),
            requests: sum.sum.requests,
            later: sum.later,
            last_seen: sum.sum.last,
        };
        all.into_iter().take(limit).map(caller).collect()
    }

    /// Adds another route's numbers, which is the same operation.
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for (status, sum) in &other.statuses {
            self.statuses.entry(*status).or_default().add(sum.requests, sum.last);
        }
        for (mine, n) in self.steps.iter_mut().zip(&other.steps) {
            *mine = mine.saturating_add(*n);
        }
        for (consumer, theirs) in &other.callers {
            let mine = self.callers.entry(consumer.clone()).or_default();
            mine.sum.add(theirs.sum.requests, theirs.sum.last);
            mine.later = mine.later.saturating_add(theirs.later);
        }
    }
}

/// Sums what a plan reads. Fails where routes, or consumers of routes, are more than [`GROUPS`].
pub(super) fn observe(
    cx: Context<'_>,
    plan: &Plan,
    expr: &Expr,
    documents: &Documents,
) -> Result<Vec<Seen>, QueryError> {
    let mut table = Table { cx, plan, documents, index: HashMap::new(), seen: Vec::new(), n_callers: 0 };
    let (mut failed, mut steps) = (None, STEPS);
    for (level, range) in &plan.pieces {
        cx.store.scan(plan.cube, *level, *range, &mut |window| {
            if failed.is_none() {
                failed = table.add(window, expr, &mut steps).err();
            }
        })?;
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let mut seen = table.seen;
    seen.sort_by(|a, b| (&a.service, &a.route).cmp(&(&b.service, &b.route)));
    Ok(seen)
}

struct Table<'a> {
    cx: Context<'a>,
    plan: &'a Plan,
    documents: &'a Documents,
    index: HashMap<String, HashMap<Route, usize>>,
    seen: Vec<Seen>,
    /// In all maps of callers together.
    n_callers: usize,
}

impl Table<'_> {
    fn add(&mut self, window: &Window, expr: &Expr, steps: &mut u64) -> Result<(), QueryError> {
        let aliases = self.cx.store.ledger().aliases();
        let service = &window.resource.service;
        let routes: Vec<&Route> = window.routes.iter().map(|r| aliases.resolve(service, r)).collect();
        let names = Names { resource: &window.resource, routes: routes.clone(), consumers: &window.consumers };
        let select = Select::new(expr, &names, window.cells.len(), steps).ok_or(QueryError::Costly)?;
        if select.is_nothing() {
            return Ok(());
        }
        let step = self.plan.step_idx(window.start);
        let is_later = 2 * step >= self.plan.n_steps();
        let last = window.range().to.min(self.cx.now.max(window.start));
        let mut known: HashMap<u32, usize> = HashMap::new();
        for cell in window.cells.iter().filter(|c| select.takes(c)) {
            let idx = match known.get(&cell.route) {
                Some(idx) => *idx,
                None => {
                    let idx = self.route(service, routes[cell.route as usize])?;
                    known.insert(cell.route, idx);
                    idx
                }
            };
            let (seen, n) = (&mut self.seen[idx], cell.stats.count);
            seen.requests = seen.requests.saturating_add(n);
            seen.first = seen.first.min(window.start);
            seen.last = seen.last.max(last);
            seen.statuses.entry(cell.status).or_default().add(n, last);
            if let Some(sum) = seen.steps.get_mut(step) {
                *sum = sum.saturating_add(n);
            }
            if !wants_callers(self.documents, &seen.place) {
                continue;
            }
            let consumer = &window.consumers[cell.consumer as usize];
            let caller = match seen.callers.get_mut(consumer) {
                Some(caller) => caller,
                None if self.n_callers >= GROUPS => return Err(QueryError::Groups),
                None => {
                    self.n_callers += 1;
                    seen.callers.entry(consumer.clone()).or_default()
                }
            };
            caller.sum.add(n, last);
            caller.later = caller.later.saturating_add(if is_later { n } else { 0 });
        }
        Ok(())
    }

    fn route(&mut self, service: &str, route: &Route) -> Result<usize, QueryError> {
        if let Some(idx) = self.index.get(service).and_then(|routes| routes.get(route)) {
            return Ok(*idx);
        }
        if self.seen.len() >= GROUPS {
            return Err(QueryError::Groups);
        }
        self.seen.push(Seen {
            service: service.to_owned(),
            route: route.clone(),
            place: self.documents.find(service, route),
            requests: 0,
            statuses: BTreeMap::new(),
            first: Timestamp::MAX,
            last: Timestamp::EPOCH,
            steps: vec![0; self.plan.n_steps()],
            callers: HashMap::new(),
        });
        let idx = self.seen.len() - 1;
        self.index.entry(service.to_owned()).or_default().insert(route.clone(), idx);
        Ok(idx)
    }
}

fn wants_callers(documents: &Documents, place: &Place) -> bool {
    match place {
        Place::Operation(document, operation) => documents.all[*document].contract.operations[*operation].is_deprecated,
        Place::Nothing | Place::Method => true,
        Place::Perhaps(..) | Place::Foreign => false,
    }
}
