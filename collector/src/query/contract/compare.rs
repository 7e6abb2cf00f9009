//! Routes beside operations. In: documents and what was seen. Out: the answer; a pure function of both.

use std::{cmp::Reverse, collections::BTreeMap};

use pitot_model::{
    Coverage, Timestamp,
    api::{
        ContractAnswer, DeprecatedOperation, DocumentState, Remainder, Rows, UndocumentedRoute, UndocumentedStatus,
        UnusedOperation,
    },
    contract::Operation,
};

use super::{super::plan::Plan, observe::Seen};
use crate::contract::{Documents, Place};

/// Consumers of one undocumented route that are told.
const CALLERS: usize = 10;

/// Consumers of one deprecated operation that are told: each has to be written to.
const DEPRECATED_CALLERS: usize = 100;

/// Puts what was seen beside what is described. Lists have `limit` rows at most.
pub(super) fn compare(
    documents: &Documents,
    seen: &[Seen],
    plan: &Plan,
    limit: usize,
    (coverage, watermark): (Coverage, Timestamp),
) -> ContractAnswer {
    let mut called = Called::new(documents);
    let (mut requests, mut not_compared) = (0_u64, 0_u64);
    let (mut nothing_there, mut folded) = (Remainder::default(), Remainder::default());
    let (mut undocumented, mut methods) = (Vec::new(), Vec::new());
    for one in seen {
        if one.place == Place::Foreign {
            not_compared = not_compared.saturating_add(one.requests);
            continue;
        }
        requests = requests.saturating_add(one.requests);
        match &one.place {
            Place::Foreign => {}
            Place::Operation(document, operation) => called.add(*document, *operation, one),
            Place::Perhaps(document, operations) => called.perhaps(*document, operations, one),
            _ if !one.route.template.starts_with('/') => count(&mut folded, one),
            _ if one.is_nothing_there() => count(&mut nothing_there, one),
            // Browsers ask before they call from elsewhere; nobody describes that.
            Place::Method if one.route.method == "OPTIONS" => {
                called.described = called.described.saturating_add(one.requests);
            }
            Place::Method => methods.push(one),
            Place::Nothing => undocumented.push(one),
        }
    }
    let mut answer = ContractAnswer {
        range: plan.range,
        step_ms: plan.step.map_or(0, |s| s.as_millis() as u64),
        documents: Vec::new(),
        requests,
        described: called.described,
        not_compared,
        undocumented: most(undocumented, limit, undocumented_route),
        undocumented_methods: most(methods, limit, undocumented_route),
        undocumented_statuses: called.statuses(limit),
        deprecated: called.deprecated(limit),
        unused: called.unused(limit),
        nothing_there,
        folded,
        coverage,
        watermark,
    };
    answer.documents = (0..documents.all.len()).map(|i| called.state(i)).collect();
    answer
}

fn count(remainder: &mut Remainder, one: &Seen) {
    remainder.routes += 1;
    remainder.requests = remainder.requests.saturating_add(one.requests);
}

/// The most called, which were in the order of services and routes.
fn most<T>(mut all: Vec<&Seen>, limit: usize, row: impl Fn(&Seen) -> T) -> Rows<T> {
    all.sort_by_key(|one| Reverse(one.requests));
    Rows { row_count: all.len(), rows: all.into_iter().take(limit).map(row).collect() }
}

fn undocumented_route(one: &Seen) -> UndocumentedRoute {
    UndocumentedRoute {
        service: one.service.clone(),
        method: one.route.method.clone(),
        route: one.route.template.clone(),
        requests: one.requests,
        status: one.statuses.iter().map(|(status, sum)| (*status, sum.requests)).collect(),
        first_seen: one.first,
        last_seen: one.last,
        consumers: one.most(CALLERS),
        consumer_count: one.callers.len(),
    }
}

/// Operations that were called: by document, operation and service, since services can share a document.
struct Called<'a> {
    documents: &'a Documents,
    sums: BTreeMap<(usize, usize, &'a str), Joined<'a>>,
    /// By document and operation.
    is_perhaps: Vec<Vec<bool>>,
    described: u64,
}

/// Routes that are the same operation: one mostly, which is not copied then.
enum Joined<'a> {
    One(&'a Seen),
    More(Box<Seen>),
}

impl Joined<'_> {
    fn seen(&self) -> &Seen {
        match self {
            Self::One(seen) => seen,
            Self::More(seen) => seen,
        }
    }
}

impl<'a> Called<'a> {
    fn new(documents: &'a Documents) -> Self {
        let is_perhaps = documents.all.iter().map(|d| vec![false; d.contract.operations.len()]).collect();
        Self { documents, sums: BTreeMap::new(), is_perhaps, described: 0 }
    }

    fn add(&mut self, document: usize, operation: usize, one: &'a Seen) {
        self.described = self.described.saturating_add(one.requests);
        let key = (document, operation, one.service.as_str());
        let joined = match self.sums.remove(&key) {
            None => Joined::One(one),
            Some(Joined::One(before)) => {
                let mut sum = before.clone();
                sum.merge(one);
                Joined::More(Box::new(sum))
            }
            Some(Joined::More(mut sum)) => {
                sum.merge(one);
                Joined::More(sum)
            }
        };
        self.sums.insert(key, joined);
    }

    fn perhaps(&mut self, document: usize, operations: &[usize], one: &Seen) {
        self.described = self.described.saturating_add(one.requests);
        for &operation in operations {
            self.is_perhaps[document][operation] = true;
        }
    }

    fn operation(&self, document: usize, operation: usize) -> &'a Operation {
        &self.documents.all[document].contract.operations[operation]
    }

    fn is_called(&self, document: usize, operation: usize) -> bool {
        self.sums
            .range((document, operation, "")..)
            .next()
            .is_some_and(|((d, o, _), _)| (*d, *o) == (document, operation))
    }

    fn statuses(&self, limit: usize) -> Rows<UndocumentedStatus> {
        let mut rows = Vec::new();
        for (&(document, operation, service), joined) in &self.sums {
            let (operation, seen) = (self.operation(document, operation), joined.seen());
            for (status, sum) in seen.statuses.iter().filter(|(s, _)| !operation.statuses.allow(**s)) {
                rows.push(UndocumentedStatus {
                    service: service.to_owned(),
                    method: operation.method.clone(),
                    route: operation.template().to_owned(),
                    status: *status,
                    requests: sum.requests,
                    of_requests: seen.requests,
                    last_seen: sum.last,
                });
            }
        }
        rows.sort_by_key(|row| Reverse(row.requests));
        cut(rows, limit)
    }

    fn deprecated(&self, limit: usize) -> Rows<DeprecatedOperation> {
        let mut rows = Vec::new();
        for (&(document, operation, service), joined) in &self.sums {
            let (operation, seen) = (self.operation(document, operation), joined.seen());
            if !operation.is_deprecated {
                continue;
            }
            rows.push(DeprecatedOperation {
                service: service.to_owned(),
                method: operation.method.clone(),
                route: operation.template().to_owned(),
                sunset: operation.sunset,
                requests: seen.requests,
                later: seen.steps.iter().skip(seen.steps.len().div_ceil(2)).fold(0, |sum, n| sum.saturating_add(*n)),
                steps: seen.steps.clone(),
                last_seen: seen.last,
                consumers: seen.most(DEPRECATED_CALLERS),
                consumer_count: seen.callers.len(),
            });
        }
        rows.sort_by_key(|row| Reverse(row.requests));
        cut(rows, limit)
    }

    fn unused(&self, limit: usize) -> Rows<UnusedOperation> {
        let mut rows = Rows { rows: Vec::new(), row_count: 0 };
        for (d, document) in self.documents.all.iter().enumerate() {
            for (o, operation) in document.contract.operations.iter().enumerate() {
                if self.is_called(d, o) || self.is_perhaps[d][o] {
                    continue;
                }
                rows.row_count += 1;
                if rows.rows.len() < limit {
                    rows.rows.push(UnusedOperation {
                        file: document.config.file.display().to_string(),
                        method: operation.method.clone(),
                        route: operation.template().to_owned(),
                        id: operation.id.clone(),
                        deprecated: operation.is_deprecated,
                    });
                }
            }
        }
        rows
    }

    fn state(&self, d: usize) -> DocumentState {
        let document = &self.documents.all[d];
        let contract = &document.contract;
        let is_called: Vec<bool> = (0..contract.operations.len()).map(|o| self.is_called(d, o)).collect();
        let perhaps = self.is_perhaps[d].iter().zip(&is_called).filter(|(perhaps, called)| **perhaps && !**called);
        DocumentState {
            file: document.config.file.display().to_string(),
            service: document.config.service.clone(),
            title: contract.title.clone(),
            version: contract.version.clone(),
            dialect: contract.dialect.clone(),
            operations: contract.operations.len(),
            called: is_called.iter().filter(|called| **called).count(),
            perhaps_called: perhaps.count(),
            faults: contract.faults.clone(),
            more_faults: contract.more_faults,
        }
    }
}

fn cut<T>(mut rows: Vec<T>, limit: usize) -> Rows<T> {
    let row_count = rows.len();
    rows.truncate(limit);
    Rows { rows, row_count }
}
