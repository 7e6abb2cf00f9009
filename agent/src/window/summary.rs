//! Everything about a range of input, in bounded memory: what `pitot report` prints.
//!
//! In: batches, in the order of the source. Out: a [`Document`].

use std::collections::BTreeMap;

use pitot_model::{
    Coverage, Distinct, Reason, Route,
    api::{Document, Folded, Part, Source, Totals},
};

use super::{
    batch::{Batch, split_route},
    group::{DenseBudget, Group},
    registry::{Mapping, Registry},
    timeline::Timeline,
};
use crate::budget;

/// Sums over all batches.
#[derive(Debug)]
pub struct Summary {
    registry: Registry,
    /// By number of the route.
    routes: Vec<Group>,
    /// By number of the consumer.
    consumers: Vec<Group>,
    timeline: Timeline,
    coverage: Coverage,
    dense: DenseBudget,
    /// Names that count under `(other)`.
    folded_routes: Distinct,
    folded_consumers: Distinct,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            registry: Registry::of_report(),
            routes: Vec::new(),
            consumers: Vec::new(),
            timeline: Timeline::default(),
            coverage: Coverage::default(),
            dense: DenseBudget::default(),
            folded_routes: Distinct::default(),
            folded_consumers: Distinct::default(),
        }
    }
}

/// Rows of each table that a document holds; 0 for all.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Routes.
    pub routes: usize,
    /// Consumers.
    pub consumers: usize,
}

impl Summary {
    /// Adds a batch.
    pub fn add(&mut self, batch: &Batch) {
        self.coverage.merge(&batch.coverage);
        self.coverage.transactions += batch.len() as u64;
        let mapping = self.registry.map(batch, &mut self.coverage);
        self.routes.resize_with(self.registry.routes.len(), Group::default);
        self.consumers.resize_with(self.registry.consumers.len(), Group::default);
        for row in &batch.rows {
            self.routes[mapping.routes[row.route as usize] as usize].add(row, &mut self.dense);
            self.consumers[mapping.consumers[row.consumer as usize] as usize].add(row, &mut self.dense);
            self.timeline.add(row);
        }
        self.note_folded(batch, &mapping);
        if self.registry.is_full() {
            self.fold();
        }
        if self.registry.n_unsettled() >= budget::REPORT_AWARDED_AFTER {
            self.settle();
        }
    }

    /// How much it saw so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The document, most transactions first, ties by name.
    pub fn document(&mut self, program: &str, sources: Vec<Source>, limits: Limits) -> Document {
        let (mut services, mut routes): (BTreeMap<String, Group>, BTreeMap<(String, Route), Group>) =
            Default::default();
        let templates = self.registry.templates();
        let mut totals = Group::default();
        for ((group, (resource, route)), template) in self.routes.iter().zip(&self.registry.routes).zip(templates) {
            let service = &self.registry.resources[*resource as usize].service;
            let key = (service.clone(), Route::new(route.method.clone(), template));
            routes.entry(key).or_default().absorb(group);
        }
        for ((service, _), group) in &routes {
            services.entry(service.clone()).or_default().absorb(group);
        }
        services.values().for_each(|group| totals.absorb(group));
        let route_count = routes.values().filter(|group| group.count > 0).count();
        let consumer_count = self.consumers.iter().filter(|group| group.count > 0).count();
        let range = self.timeline.range();
        Document {
            version: Document::VERSION,
            program: program.to_owned(),
            sources,
            range,
            totals: totals.totals(),
            services: services
                .into_iter()
                .map(|(name, g)| Part { service: Some(name), ..Part::new(g.totals()) })
                .rank(0),
            routes: routes
                .into_iter()
                .map(|((service, route), g)| route_part(service, route, g.totals()))
                .rank(limits.routes),
            consumers: self.consumer_parts().rank(limits.consumers),
            route_count,
            consumer_count,
            timeline: self.timeline.points(),
            timeline_step_s: self.timeline.step_s(),
            coverage: self.coverage.clone(),
            folded: self.folded(),
        }
    }

    fn folded(&self) -> Option<Folded> {
        let (routes, consumers) = (Reason::RouteFolded, Reason::ConsumerFolded);
        let folded = Folded {
            route_transactions: self.coverage.get(routes),
            routes: self.folded_routes.estimate(),
            consumer_transactions: self.coverage.get(consumers),
            consumers: self.folded_consumers.estimate(),
        };
        (folded.route_transactions + folded.consumer_transactions > 0).then_some(folded)
    }

    fn note_folded(&mut self, batch: &Batch, mapping: &Mapping) {
        let folded = |is_folded: &[bool]| is_folded.iter().zip(0..).filter(|(is, _)| **is).map(|(_, i)| i).collect();
        let (routes, consumers): (Vec<u32>, Vec<u32>) =
            (folded(&mapping.folded_routes), folded(&mapping.folded_consumers));
        routes.iter().filter_map(|i| batch.routes.get(*i)?.get(4..)).for_each(|name| self.folded_routes.add(name));
        consumers.iter().filter_map(|i| batch.consumers.get(*i)).for_each(|name| self.folded_consumers.add(name));
    }

    /// Light names make room for heavier ones: what was counted of them is counted under `(other)`.
    fn settle(&mut self) {
        let settled = self.registry.settle();
        for (number, name) in settled.consumers {
            let group = std::mem::take(&mut self.consumers[number as usize]);
            self.coverage.add(Reason::ConsumerFolded, group.count);
            self.folded_consumers.add(&name);
            self.consumers[Registry::OTHER_CONSUMER as usize].absorb(&group);
        }
        for (number, name) in settled.routes {
            let group = std::mem::take(&mut self.routes[number as usize]);
            self.coverage.add(Reason::RouteFolded, group.count);
            let (resource, method, _) = split_route(&name);
            self.folded_routes.add(name.get(4..).unwrap_or_default());
            let other = self.registry.other_route(resource, method) as usize;
            self.routes.resize_with(self.registry.routes.len(), Group::default);
            self.routes[other].absorb(&group);
        }
    }

    fn consumer_parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.registry.consumers.iter().zip(&self.consumers).map(|(consumer, group)| Part {
            consumer: Some(consumer.id.clone()),
            evidence: Some(consumer.evidence),
            ..Part::new(group.totals())
        })
    }

    fn fold(&mut self) {
        let old = std::mem::take(&mut self.routes);
        let numbers = self.registry.fold();
        self.routes.resize_with(self.registry.routes.len(), Group::default);
        for (group, number) in old.iter().zip(numbers).filter(|(group, _)| group.count > 0) {
            self.routes[number as usize].absorb(group);
        }
    }
}

/// What a part is of, for ties.
fn name(part: &Part) -> impl Ord + '_ {
    (&part.service, &part.route, &part.method, &part.consumer, part.evidence)
}

fn route_part(service: String, route: Route, totals: Totals) -> Part {
    Part { service: Some(service), method: Some(route.method), route: Some(route.template), ..Part::new(totals) }
}

/// The greatest first, ties by name, as many as asked for.
trait Rank: Iterator<Item = Part> + Sized {
    fn rank(self, limit: usize) -> Vec<Part> {
        let mut parts: Vec<Part> = self.filter(|p| p.count > 0).collect();
        parts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| name(a).cmp(&name(b))));
        if limit > 0 {
            parts.truncate(limit);
        }
        parts
    }
}

impl<I: Iterator<Item = Part>> Rank for I {}
