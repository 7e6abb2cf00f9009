//! Everything about a range of input, in bounded memory: what `pitot report` prints.
//!
//! In: batches, in the order of the source. Out: a [`Document`].

use std::collections::BTreeMap;

use pitot_model::{
    Coverage, Route,
    api::{Document, Part, Source, Totals},
};

use super::{
    batch::Batch,
    group::{DenseBudget, Group},
    registry::Registry,
    timeline::Timeline,
};

/// Sums over all batches.
#[derive(Debug, Default)]
pub struct Summary {
    registry: Registry,
    /// By number of the route.
    routes: Vec<Group>,
    /// By number of the consumer.
    consumers: Vec<Group>,
    timeline: Timeline,
    coverage: Coverage,
    dense: DenseBudget,
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
        if self.registry.is_full() {
            self.fold();
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
        let templates = self.registry.templates(|id| self.routes[id as usize].count);
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
        let (route_count, consumer_count) = (routes.len(), self.consumers.len());
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
        let numbers = self.registry.fold(|id| old[id as usize].count);
        self.routes.resize_with(self.registry.routes.len(), Group::default);
        for (group, number) in old.iter().zip(numbers) {
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
