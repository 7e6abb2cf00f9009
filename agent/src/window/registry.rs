//! Names over all batches, numbered; and the learned routes.
//!
//! In: a batch's dictionaries. Out: numbers that stay the same until [`Registry::settle`] says otherwise. Full tables fold: see
//! [`cardinality`](super::cardinality).
//!
//! Routes whose requests the server never took for good ones are *unproven*: most often somebody tries paths out. What they
//! are called is learned from all routes, but what proven routes are called is learned from those alone: a wall of tries beside
//! a route does not make a value of its words.

use std::collections::{BTreeMap, HashMap};

use pitot_model::{Consumer, Coverage, Evidence, Reason, Resource, Route};

use super::{
    batch::{Batch, Names, split_consumer, split_resource, split_route},
    cardinality::{Came, Room, Table},
};
use crate::{
    budget,
    enrich::{OTHER, RouteTree},
};

#[derive(Debug)]
pub(super) struct Registry {
    pub resources: Vec<Resource>,
    resource_index: HashMap<Resource, u32>,
    /// Resource and shape, or what the shape was folded to, by number; of numbers that nobody has, empty.
    pub routes: Vec<(u32, Route)>,
    /// By number: how often each came.
    came: Vec<Came>,
    route_table: Table,
    /// By number; likewise.
    pub consumers: Vec<Consumer>,
    consumer_table: Table,
    /// By service, once the table of routes was full.
    folded: Trees,
    /// Routes of shapes that were folded.
    seen: Seen,
    /// Routes that got a number since the last [`Registry::fold`].
    n_new_routes: usize,
    /// Transactions since the last [`Registry::settle`].
    n_transactions: u64,
    learned: Option<Learned>,
    key: Vec<u8>,
}

/// What was learned last.
#[derive(Debug)]
struct Learned {
    all: Trees,
    proven: Option<Trees>,
    /// Transactions that it was learned from.
    n_transactions: u64,
    /// Routes that got a number since.
    n_new_routes: usize,
}

/// Routes up to which it is worth learning again for every new one: it takes milliseconds.
const FEW_ROUTES: usize = 2_000;

/// How names are called, by service.
type Trees = HashMap<String, RouteTree>;

/// Numbers by the bytes of a batch's key: a shape that came before needs no text then.
#[derive(Debug, Default)]
struct Seen {
    names: Names,
    numbers: Vec<u32>,
    bytes: usize,
}

impl Seen {
    fn get(&self, key: &[u8]) -> Option<u32> {
        self.names.find(key).map(|i| self.numbers[i as usize])
    }

    /// Remembers a number; forgets all others when there are too many.
    fn put(&mut self, key: &[u8], number: u32) {
        if self.numbers.len() >= budget::FOLDED_SHAPES || self.bytes + key.len() > budget::ROUTE_NAME_BYTES {
            *self = Self::default();
        }
        self.names.intern(key);
        self.numbers.push(number);
        self.bytes += key.len();
    }
}

/// Where a batch's numbers lead.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    pub routes: Vec<u32>,
    pub consumers: Vec<u32>,
    /// Whether a route found no room, by number in the batch; empty where all did.
    pub folded_routes: Vec<bool>,
    /// Likewise.
    pub folded_consumers: Vec<bool>,
}

/// What was told apart up to now and is not any more.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Numbers of routes, with their names.
    pub routes: Vec<(u32, Box<[u8]>)>,
    /// Numbers of consumers, with their names.
    pub consumers: Vec<(u32, Box<[u8]>)>,
}

impl Default for Registry {
    /// For what is shipped: the collector has to keep all names that ever have a number.
    fn default() -> Self {
        Self::new(budget::AWARDS, true)
    }
}

impl Registry {
    /// For a report: nobody keeps names, and those that were counted stay.
    pub(super) fn of_report() -> Self {
        Self::new(budget::REPORT_AWARDS, false)
    }

    fn new(awards: usize, forgets: bool) -> Self {
        let room = |names, bytes| Room { names, bytes, awards, forgets };
        let mut registry = Self {
            resources: Vec::new(),
            resource_index: HashMap::new(),
            routes: Vec::new(),
            came: Vec::new(),
            // Folding comes between batches, and one batch may bring many shapes.
            route_table: Table::new(room(budget::ROUTES + budget::ROUTES / 2, budget::ROUTE_NAME_BYTES)),
            consumers: Vec::new(),
            consumer_table: Table::new(room(budget::CONSUMERS, budget::CONSUMER_NAME_BYTES)),
            folded: HashMap::new(),
            seen: Seen::default(),
            n_new_routes: 0,
            n_transactions: 0,
            learned: None,
            key: Vec::new(),
        };
        let other = registry.consumer_table.pin(&consumer_key(OTHER));
        put(&mut registry.consumers, other, Consumer::new(OTHER, Evidence::None));
        registry
    }

    /// The number of consumers that found no room.
    pub(super) const OTHER_CONSUMER: u32 = 0;

    /// The numbers of a batch's names; what had to be folded is counted by transactions.
    pub(super) fn map(&mut self, batch: &Batch, coverage: &mut Coverage) -> Mapping {
        let (came_routes, came_consumers) = came(batch);
        self.n_transactions += batch.rows.len() as u64;
        let resources: Vec<u32> = batch.resources.iter().map(|key| self.resource(split_resource(key))).collect();
        let mut mapping = Mapping::default();
        let (mut n_routes, mut n_consumers) = (0, 0);
        for (i, (key, came)) in batch.routes.iter().zip(&came_routes).enumerate() {
            let number = self.map_route(key, &resources, *came).unwrap_or_else(|other| {
                fold(&mut mapping.folded_routes, i, came_routes.len());
                n_routes += came.count;
                other
            });
            mapping.routes.push(number);
        }
        for (i, (key, came)) in batch.consumers.iter().zip(&came_consumers).enumerate() {
            let number = self.map_consumer(key, *came).unwrap_or_else(|| {
                fold(&mut mapping.folded_consumers, i, came_consumers.len());
                n_consumers += came.count;
                Self::OTHER_CONSUMER
            });
            mapping.consumers.push(number);
        }
        for (reason, n) in [(Reason::RouteFolded, n_routes), (Reason::ConsumerFolded, n_consumers)] {
            if n > 0 {
                coverage.add(reason, n);
            }
        }
        mapping
    }

    /// The number of a route; as an error, that of those which found no room.
    fn map_route(&mut self, key: &[u8], resources: &[u32], came: Came) -> Result<u32, u32> {
        let (resource, method, shape) = split_route(key);
        let resource = resources[resource as usize];
        let mut global = std::mem::take(&mut self.key);
        global.clear();
        global.extend_from_slice(&resource.to_le_bytes());
        global.extend_from_slice(&key[4..]);
        let number = match self.route_table.find(&global, came) {
            Some(number) => Ok(number),
            None => self.new_route(&mut global, resource, method, shape, came),
        };
        self.key = global;
        let (Ok(at) | Err(at)) = number;
        let sum = &mut self.came[at as usize];
        (sum.count, sum.answered) = (sum.count + came.count, sum.answered + came.answered);
        number
    }

    fn new_route(
        &mut self,
        key: &mut Vec<u8>,
        resource: u32,
        method: &str,
        shape: &str,
        came: Came,
    ) -> Result<u32, u32> {
        if let Some(number) = self.seen.get(key) {
            self.route_table.weigh(number, came);
            return Ok(number);
        }
        let mut template = String::new();
        match self.folded.get(&self.resources[resource as usize].service) {
            Some(tree) => tree.write_template(shape, &mut template),
            None => template.push_str(shape),
        }
        let named = route_key(resource, method, &template);
        let number = self.route_table.find(&named, came).or_else(|| {
            let number = self.route_table.admit(&named, came)?;
            self.n_new_routes += 1;
            self.learned.iter_mut().for_each(|learned| learned.n_new_routes += 1);
            self.put_route(number, resource, Route::new(method, template.as_str()));
            Some(number)
        });
        match number {
            Some(number) if *key != named => self.seen.put(key, number),
            Some(_) => {}
            None => return Err(self.other_route(resource, method)),
        }
        number.ok_or(0)
    }

    /// The number of the routes of this resource and method that found no room.
    pub(super) fn other_route(&mut self, resource: u32, method: &str) -> u32 {
        let number = self.route_table.pin(&route_key(resource, method, OTHER));
        if self.routes.get(number as usize).is_none_or(|(_, route)| route.template != OTHER) {
            self.put_route(number, resource, Route::new(method, OTHER));
        }
        number
    }

    fn put_route(&mut self, number: u32, resource: u32, route: Route) {
        put(&mut self.routes, number, (resource, route));
        put(&mut self.came, number, Came::default());
    }

    fn map_consumer(&mut self, key: &[u8], came: Came) -> Option<u32> {
        if let Some(number) = self.consumer_table.find(key, came) {
            return Some(number);
        }
        let number = self.consumer_table.admit(key, came)?;
        put(&mut self.consumers, number, split_consumer(key));
        Some(number)
    }

    /// Nobody holds numbers any more: those of light names may be given to heavier ones.
    pub(super) fn settle(&mut self) -> Settled {
        let n = std::mem::take(&mut self.n_transactions);
        let settled = Settled { routes: self.route_table.settle(n), consumers: self.consumer_table.settle(n) };
        for (number, _) in &settled.routes {
            self.routes[*number as usize].1 = Route::default();
            self.came[*number as usize] = Came::default();
        }
        for (number, _) in &settled.consumers {
            self.consumers[*number as usize] = Consumer::default();
        }
        if !settled.routes.is_empty() {
            self.seen = Seen::default();
        }
        settled
    }

    /// Transactions since the last [`Registry::settle`].
    pub(super) fn n_unsettled(&self) -> u64 {
        self.n_transactions
    }

    /// Whether so many routes are known that [`Registry::fold`] should be called. It takes as long as there are routes; so
    /// many new ones have to come before it is called again.
    pub(super) fn is_full(&self) -> bool {
        let n = self.route_table.n_names();
        (n >= budget::ROUTES || self.route_table.is_full()) && self.n_new_routes >= n / 2
    }

    /// Folds shapes to templates for good. Gives the new number of every old one.
    pub(super) fn fold(&mut self) -> Vec<u32> {
        let (all, proven) = self.learn();
        let templates = self.named(&all, proven.as_ref());
        self.folded = proven.unwrap_or(all);
        let (old, came) = (std::mem::take(&mut self.routes), std::mem::take(&mut self.came));
        self.seen = Seen::default();
        (self.n_new_routes, self.learned) = (0, None);
        let key = |number: u32| {
            let (resource, route) = &old[number as usize];
            route_key(*resource, &route.method, &templates[number as usize])
        };
        let mut pairs = Vec::new();
        self.route_table.rename(key, |number, new| pairs.push((number, new)));
        let mut numbers = vec![0; old.len()];
        for (number, new) in pairs {
            let ((resource, route), template) = (&old[number as usize], &templates[number as usize]);
            numbers[number as usize] = new;
            if new as usize >= self.routes.len() {
                self.put_route(new, *resource, Route::new(route.method.clone(), template.as_str()));
            }
            let (sum, came) = (&mut self.came[new as usize], came[number as usize]);
            (sum.count, sum.answered) = (sum.count + came.count, sum.answered + came.answered);
        }
        numbers
    }

    /// Whether the requests of a route were never taken for good ones.
    pub(super) fn is_unproven(&self, route: u32) -> bool {
        is_unproven(self.came[route as usize])
    }

    /// The template of every route, learned from all shapes of its service and their counts.
    pub(super) fn templates(&self) -> Vec<String> {
        let (all, proven) = self.learn();
        self.named(&all, proven.as_ref())
    }

    /// The same, where a little less than all that came may have been learned from: again for a new route among few, for a
    /// fiftieth of many, and for a tenth more transactions.
    pub(super) fn templates_lately(&mut self) -> Vec<String> {
        let n_transactions: u64 = self.came.iter().map(|came| came.count).sum();
        let is_fresh = |learned: &Learned| {
            let most_new = if self.routes.len() <= FEW_ROUTES { 0 } else { self.routes.len() / 50 };
            learned.n_new_routes <= most_new && n_transactions * 10 <= learned.n_transactions * 11
        };
        let learned = match self.learned.take().filter(is_fresh) {
            Some(learned) => learned,
            None => {
                let (all, proven) = self.learn();
                Learned { all, proven, n_transactions, n_new_routes: 0 }
            }
        };
        let templates = self.named(&learned.all, learned.proven.as_ref());
        self.learned = Some(learned);
        templates
    }

    /// What is learned from all routes, and from those that are proven where that is not nearly the same.
    fn learn(&self) -> (Trees, Option<Trees>) {
        let n_unproven = self.came.iter().filter(|came| is_unproven(**came)).count();
        let proven = (n_unproven > budget::LITERALS_PER_POSITION).then(|| self.learn_from(|came| !is_unproven(came)));
        (self.learn_from(|_| true), proven)
    }

    fn learn_from(&self, is_wanted: impl Fn(Came) -> bool) -> Trees {
        let mut shapes: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for ((resource, route), came) in self.routes.iter().zip(&self.came) {
            if came.count > 0 && route.template != OTHER && is_wanted(*came) {
                let service = self.resources[*resource as usize].service.as_str();
                shapes.entry(service).or_default().push((&route.template, came.count));
            }
        }
        shapes.into_iter().map(|(service, shapes)| (service.to_owned(), RouteTree::learn(shapes))).collect()
    }

    fn named(&self, all: &Trees, proven: Option<&Trees>) -> Vec<String> {
        let template = |((resource, route), came): (&(u32, Route), &Came)| {
            let mut out = String::new();
            let trees = proven.filter(|_| !is_unproven(*came)).unwrap_or(all);
            match trees.get(&self.resources[*resource as usize].service) {
                Some(tree) if route.template != OTHER => tree.write_template(&route.template, &mut out),
                _ => out.push_str(&route.template),
            }
            out
        };
        self.routes.iter().zip(&self.came).map(template).collect()
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
}

/// How often the routes and the consumers of a batch came.
fn came(batch: &Batch) -> (Vec<Came>, Vec<Came>) {
    let mut routes = vec![Came::default(); batch.routes.len()];
    let mut consumers = vec![Came::default(); batch.consumers.len()];
    for row in &batch.rows {
        routes[row.route as usize].add(row);
        consumers[row.consumer as usize].add(row);
    }
    (routes, consumers)
}

/// Transactions from which on a route is one even where it only ever refuses.
const PROVEN_AFTER: u64 = 100;

fn is_unproven(came: Came) -> bool {
    came.answered == 0 && (1..PROVEN_AFTER).contains(&came.count)
}

/// Notes that a name of a batch was folded.
fn fold(folded: &mut Vec<bool>, at: usize, n: usize) {
    folded.resize(n, false);
    folded[at] = true;
}

/// Puts something in the place of its number, which is at most one behind the last.
fn put<T>(all: &mut Vec<T>, number: u32, what: T) {
    match all.get_mut(number as usize) {
        Some(place) => *place = what,
        None => all.push(what),
    }
}

/// As [`Batch`] writes them, with the number of the resource in the registry.
fn route_key(resource: u32, method: &str, template: &str) -> Vec<u8> {
    [&resource.to_le_bytes(), method.as_bytes(), b"\0", template.as_bytes()].concat()
}

/// As [`Batch`] writes them.
fn consumer_key(id: &str) -> Vec<u8> {
    [&[Evidence::None as u8], id.as_bytes(), b"\0"].concat()
}
