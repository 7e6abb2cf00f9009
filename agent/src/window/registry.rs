//! Names over all batches, numbered; and the learned routes.
//!
//! In: a batch's dictionaries. Out: numbers that stay the same from batch to batch. Full tables fold: see
//! [`budget`](crate::budget).

use std::collections::{BTreeMap, HashMap};

use pitot_model::{Consumer, Coverage, Evidence, Reason, Resource, Route};

use super::batch::{Batch, Names, split_consumer, split_resource, split_route};
use crate::{
    budget,
    enrich::{OTHER, RouteTree},
};

#[derive(Debug, Default)]
pub(super) struct Registry {
    pub resources: Vec<Resource>,
    resource_index: HashMap<Resource, u32>,
    /// Resource and shape, or what the shape was folded to.
    pub routes: Vec<(u32, Route)>,
    route_index: HashMap<(u32, Route), u32>,
    pub consumers: Vec<Consumer>,
    consumer_index: HashMap<Consumer, u32>,
    /// By service, once the table of routes was full.
    folded: HashMap<String, RouteTree>,
    seen_routes: Seen,
    seen_consumers: Seen,
    key: Vec<u8>,
}

/// Answers by the bytes of a batch's key: most names come again with every batch, and need no text then.
#[derive(Debug, Default)]
struct Seen {
    names: Names,
    /// Number, and whether the name was folded.
    answers: Vec<(u32, bool)>,
}

impl Seen {
    fn get(&self, key: &[u8]) -> Option<(u32, bool)> {
        self.names.find(key).map(|i| self.answers[i as usize])
    }

    /// Remembers an answer; forgets all others when there are too many.
    fn put(&mut self, key: &[u8], answer: (u32, bool)) {
        if self.answers.len() >= 2 * budget::CONSUMERS {
            *self = Self::default();
        }
        self.names.intern(key);
        self.answers.push(answer);
    }
}

/// Where a batch's numbers lead.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    pub routes: Vec<u32>,
    pub consumers: Vec<u32>,
}

impl Registry {
    /// The numbers of a batch's names; what had to be folded is counted by transactions.
    pub(super) fn map(&mut self, batch: &Batch, coverage: &mut Coverage) -> Mapping {
        let resources: Vec<u32> = batch.resources.iter().map(|key| self.resource(split_resource(key))).collect();
        let mut mapping = Mapping::default();
        let (mut folded_routes, mut folded_consumers) = (Vec::new(), Vec::new());
        for key in batch.routes.iter() {
            let (id, is_folded) = self.map_route(key, &resources);
            mapping.routes.push(id);
            folded_routes.push(is_folded);
        }
        for key in batch.consumers.iter() {
            let (id, is_folded) = self.map_consumer(key);
            mapping.consumers.push(id);
            folded_consumers.push(is_folded);
        }
        if folded_routes.contains(&true) || folded_consumers.contains(&true) {
            let count = |folds: &dyn Fn(usize) -> bool| (0..batch.rows.len()).filter(|&i| folds(i)).count() as u64;
            coverage.add(Reason::RouteFolded, count(&|i| folded_routes[batch.rows[i].route as usize]));
            coverage.add(Reason::ConsumerFolded, count(&|i| folded_consumers[batch.rows[i].consumer as usize]));
        }
        mapping
    }

    fn map_route(&mut self, key: &[u8], resources: &[u32]) -> (u32, bool) {
        let (resource, method, shape) = split_route(key);
        let resource = resources[resource as usize];
        let mut global = std::mem::take(&mut self.key);
        global.clear();
        global.extend_from_slice(&resource.to_le_bytes());
        global.extend_from_slice(&key[4..]);
        let answer = self.seen_routes.get(&global).unwrap_or_else(|| {
            let answer = self.route(resource, method, shape);
            self.seen_routes.put(&global, answer);
            answer
        });
        self.key = global;
        answer
    }

    fn map_consumer(&mut self, key: &[u8]) -> (u32, bool) {
        if let Some(answer) = self.seen_consumers.get(key) {
            return answer;
        }
        let answer = self.consumer(split_consumer(key));
        self.seen_consumers.put(key, answer);
        answer
    }

    /// Whether so many routes are known that [`Registry::fold`] should be called.
    pub(super) fn is_full(&self) -> bool {
        self.routes.len() >= budget::ROUTES
    }

    /// Folds shapes to templates for good. Gives the new number of every old one.
    pub(super) fn fold(&mut self, counts: impl Fn(u32) -> u64) -> Vec<u32> {
        self.folded = self.learn(counts);
        let templates = self.apply(&self.folded);
        let old = std::mem::take(&mut self.routes);
        self.route_index.clear();
        self.seen_routes = Seen::default();
        let numbers = old.iter().zip(templates).map(|((resource, route), template)| {
            self.intern_route(*resource, Route::new(route.method.clone(), template))
        });
        numbers.collect()
    }

    /// The template of every route, learned from all shapes of its service and their counts.
    pub(super) fn templates(&self, counts: impl Fn(u32) -> u64) -> Vec<String> {
        self.apply(&self.learn(counts))
    }

    fn learn(&self, counts: impl Fn(u32) -> u64) -> HashMap<String, RouteTree> {
        let mut shapes: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for (id, (resource, route)) in self.routes.iter().enumerate() {
            let service = self.resources[*resource as usize].service.as_str();
            shapes.entry(service).or_default().push((&route.template, counts(id as u32)));
        }
        shapes.into_iter().map(|(service, shapes)| (service.to_owned(), RouteTree::learn(shapes))).collect()
    }

    fn apply(&self, trees: &HashMap<String, RouteTree>) -> Vec<String> {
        let template = |(resource, route): &(u32, Route)| {
            let mut out = String::new();
            match trees.get(&self.resources[*resource as usize].service) {
                Some(tree) => tree.write_template(&route.template, &mut out),
                None => out.push_str(&route.template),
            }
            out
        };
        self.routes.iter().map(template).collect()
    }

    fn resource(&mut self, (service, version): (&str, &str)) -> u32 {
        let full = self.resources.len() >= budget::SERVICES;
        let resource = Resource { service: service.into(), version: version.into(), instance: String::new() };
        if let Some(&id) = self.resource_index.get(&resource) {
            return id;
        }
        let resource = if full { Resource { service: OTHER.into(), ..Resource::default() } } else { resource };
        let id = *self.resource_index.entry(resource.clone()).or_insert(self.resources.len() as u32);
        if id as usize == self.resources.len() {
            self.resources.push(resource);
        }
        id
    }

    fn route(&mut self, resource: u32, method: &str, shape: &str) -> (u32, bool) {
        let route = Route::new(method, shape);
        if let Some(&id) = self.route_index.get(&(resource, route.clone())) {
            return (id, false);
        }
        let mut template = String::new();
        match self.folded.get(&self.resources[resource as usize].service) {
            Some(tree) => tree.write_template(shape, &mut template),
            None => template.push_str(shape),
        }
        // Twice the budget: folding comes between batches, and one batch may bring many shapes.
        if self.routes.len() >= 2 * budget::ROUTES {
            return (self.intern_route(resource, Route::new(method, OTHER)), true);
        }
        (self.intern_route(resource, Route::new(method, template)), false)
    }

    fn intern_route(&mut self, resource: u32, route: Route) -> u32 {
        let key = (resource, route);
        if let Some(&id) = self.route_index.get(&key) {
            return id;
        }
        let id = self.routes.len() as u32;
        self.routes.push(key.clone());
        self.route_index.insert(key, id);
        id
    }

    fn consumer(&mut self, consumer: Consumer) -> (u32, bool) {
        if let Some(&id) = self.consumer_index.get(&consumer) {
            return (id, false);
        }
        let is_folded = self.consumers.len() >= budget::CONSUMERS;
        let consumer = if is_folded { Consumer::new(OTHER, Evidence::None) } else { consumer };
        let id = *self.consumer_index.entry(consumer.clone()).or_insert(self.consumers.len() as u32);
        if id as usize == self.consumers.len() {
            self.consumers.push(consumer);
        }
        (id, is_folded)
    }
}
