//! Cells of the time since the last report: what an agent ships.
//!
//! In: batches. Out: [`Window`]s, which are deltas, so nothing has to be held back until a window is over; and aliases
//! for routes whose template was learned after they were shipped under another name.

use std::{collections::BTreeMap, time::Duration};

use hashbrown::HashMap;
use pitot_model::{Cell, Coverage, Mark, MarkKind, Reason, Resource, Route, RouteAlias, Status, Timestamp, Window};

use super::{
    batch::{Batch, NO_TIME, Row, UNKNOWN},
    marks::MarkTable,
    registry::{Mapping, Registry},
};
use crate::{budget, enrich::is_coarser};

/// Cells since the last [`Windows::drain`].
#[derive(Debug)]
pub struct Windows {
    width: Duration,
    instance: String,
    registry: Registry,
    /// By number of the route: how it was last shipped.
    shipped: Vec<Option<Shipped>>,
    /// Learned when the table of routes was full, not yet drained.
    aliases: Vec<RouteAlias>,
    open: BTreeMap<(Timestamp, u32), Open>,
    n_cells: usize,
    marks: MarkTable,
    coverage: Coverage,
    watermark: Timestamp,
}

/// One window of one resource: cells by route, consumer and status.
type Open = HashMap<Key, Cell>;

/// Numbers of the route and the consumer, and the status.
type Key = (u32, u32, Status);

/// How a route was shipped.
#[derive(Debug)]
struct Shipped {
    template: String,
    /// Whether it was one that somebody tried out, as far as was known.
    is_unproven: bool,
}

/// What there was since the last time.
#[derive(Debug, Default)]
pub struct Drained {
    /// Deltas, by start.
    pub windows: Vec<Window>,
    /// Templates learned since.
    pub aliases: Vec<RouteAlias>,
    /// What is counted beside cells, by key.
    pub marks: Vec<Mark>,
    /// What was read and what was lost.
    pub coverage: Coverage,
    /// End of the latest transaction so far.
    pub watermark: Timestamp,
}

impl Windows {
    /// Windows of this width, of transactions answered by this instance (empty when not known).
    pub fn new(width: Duration, instance: String) -> Self {
        Self {
            width,
            instance,
            registry: Registry::default(),
            shipped: Vec::new(),
            aliases: Vec::new(),
            open: BTreeMap::new(),
            n_cells: 0,
            marks: MarkTable::default(),
            coverage: Coverage::default(),
            watermark: Timestamp::EPOCH,
        }
    }

    /// Adds a batch.
    pub fn add(&mut self, batch: &Batch) {
        self.coverage.merge(&batch.coverage);
        let mapping = self.registry.map(batch, &mut self.coverage);
        self.shipped.resize_with(self.registry.routes.len(), || None);
        for row in &batch.rows {
            let (route, consumer) = (mapping.routes[row.route as usize], mapping.consumers[row.consumer as usize]);
            self.add_row(row, route, consumer);
        }
        self.mark_folded(batch, &mapping);
        self.marks.add(batch, &mapping, &self.registry);
        if self.registry.is_full() {
            self.fold();
        }
    }

    /// Whether enough has gathered to be shipped before its time.
    pub fn is_full(&self) -> bool {
        self.n_cells >= budget::OPEN_CELLS || self.marks.is_full()
    }

    /// Everything since the last time.
    pub fn drain(&mut self) -> Drained {
        let mut templates = self.registry.templates_lately();
        for ((template, shipped), number) in templates.iter_mut().zip(&self.shipped).zip(0..) {
            // What was shipped under a coarser name stays there: it cannot be told apart any more. Only what was taken for
            // one of many tries, and proved to be more, has a name of its own from then on.
            if let Some(shipped) = shipped
                && !is_coarser(template, &shipped.template)
                && (!shipped.is_unproven || self.registry.is_unproven(number))
            {
                template.clone_from(&shipped.template);
            }
        }
        let aliases = self.rename(&templates);
        self.n_cells = 0;
        let windows = std::mem::take(&mut self.open)
            .into_iter()
            .map(|((start, resource), cells)| self.window(start, resource, cells, &templates))
            .collect();
        let marks = self.marks.drain(&self.registry, &templates);
        for (number, _) in self.registry.settle().routes {
            self.shipped[number as usize] = None;
        }
        let coverage = std::mem::take(&mut self.coverage);
        Drained { windows, aliases, marks, coverage, watermark: self.watermark }
    }

    fn add_row(&mut self, row: &Row, route: u32, consumer: u32) {
        if row.ended_us == NO_TIME {
            self.coverage.add(Reason::TimeUnreadable, 1);
            return;
        }
        self.coverage.transactions += 1;
        let ended = Timestamp::from_micros(row.ended_us);
        self.watermark = self.watermark.max(ended);
        let resource = self.registry.routes[route as usize].0;
        let cells = self.open.entry((ended.floor(self.width), resource)).or_default();
        let mut key = (route, consumer, row.status);
        if self.n_cells >= budget::CELLS && !cells.contains_key(&key) {
            key = coarser(key, self.n_cells, resource, &mut self.registry);
            self.coverage.add(Reason::CellFolded, 1);
        }
        let cell = cells.entry(key).or_insert_with(|| {
            self.n_cells += 1;
            Cell { route: key.0, consumer: key.1, status: key.2, ..Cell::default() }
        });
        cell.stats.count += 1;
        cell.stats.request_bytes = cell.stats.request_bytes.saturating_add(row.request_bytes);
        cell.stats.response_bytes = cell.stats.response_bytes.saturating_add(row.response_bytes);
        if row.duration_us != UNKNOWN {
            cell.stats.duration.record(u64::from(row.duration_us));
        }
        if row.ttfb_us != UNKNOWN {
            cell.stats.ttfb.record(u64::from(row.ttfb_us));
        }
    }

    /// Tells which transactions found no room, and how many different names they had.
    fn mark_folded(&mut self, batch: &Batch, mapping: &Mapping) {
        if mapping.folded_routes.is_empty() && mapping.folded_consumers.is_empty() {
            return;
        }
        for row in batch.rows.iter().filter(|row| row.ended_us != NO_TIME) {
            let (ended, route) = (Timestamp::from_micros(row.ended_us), mapping.routes[row.route as usize]);
            let resource = self.registry.routes[route as usize].0;
            if mapping.folded_routes.get(row.route as usize) == Some(&true) {
                let name = batch.routes.get(row.route).and_then(|key| key.get(4..)).unwrap_or_default();
                self.marks.fold(MarkKind::RoutesFolded, ended, resource, name);
            }
            if mapping.folded_consumers.get(row.consumer as usize) == Some(&true) {
                let name = batch.consumers.get(row.consumer).unwrap_or_default();
                self.marks.fold(MarkKind::ConsumersFolded, ended, resource, name);
            }
        }
    }

    /// Turns the registry's numbers into the window's own dictionaries. Shapes of one template share an entry.
    fn window(&self, start: Timestamp, resource: u32, cells: Open, templates: &[String]) -> Window {
        let known = &self.registry.resources[resource as usize];
        let resource = Resource { instance: self.instance.clone(), ..known.clone() };
        let mut window = Window::new(start, self.width, resource);
        // Names are looked up once per number, and numbers once per cell.
        let (mut names, mut routes, mut consumers) = (HashMap::new(), HashMap::new(), HashMap::new());
        window.cells.reserve_exact(cells.len());
        for ((route, consumer, _), mut cell) in cells {
            cell.route = *routes.entry(route).or_insert_with(|| {
                let method = self.registry.routes[route as usize].1.method.as_str();
                *names.entry((method, templates[route as usize].as_str())).or_insert_with(|| {
                    window.routes.push(Route::new(method, templates[route as usize].as_str()));
                    window.routes.len() as u32 - 1
                })
            });
            cell.consumer = *consumers.entry(consumer).or_insert_with(|| {
                window.consumers.push(self.registry.consumers[consumer as usize].clone());
                window.consumers.len() as u32 - 1
            });
            window.cells.push(cell);
        }
        window.cells.sort_unstable_by_key(|cell| (cell.route, cell.consumer, cell.status));
        window.cells.dedup_by(|cell, sum| {
            let is_same = (cell.route, cell.consumer, cell.status) == (sum.route, sum.consumer, sum.status);
            if is_same {
                sum.stats.merge(&cell.stats);
            }
            is_same
        });
        window
    }

    /// Notes under which template every route is shipped from now on. Gives aliases for those that had another.
    fn rename(&mut self, templates: &[String]) -> Vec<RouteAlias> {
        let mut aliases = std::mem::take(&mut self.aliases);
        for (((shipped, template), (resource, route)), number) in
            self.shipped.iter_mut().zip(templates).zip(&self.registry.routes).zip(0..)
        {
            let is_unproven = self.registry.is_unproven(number);
            let old = match shipped {
                Some(shipped) => {
                    shipped.is_unproven = is_unproven;
                    if shipped.template == *template {
                        continue;
                    }
                    Some(std::mem::replace(&mut shipped.template, template.clone()))
                }
                // Of no name: nobody has this number.
                None if template.is_empty() => None,
                None => {
                    *shipped = Some(Shipped { template: template.clone(), is_unproven });
                    None
                }
            };
            if let Some(old) = old.filter(|old| is_coarser(template, old)) {
                let method = &route.method;
                aliases.push(RouteAlias {
                    service: self.registry.resources[*resource as usize].service.clone(),
                    from: Route::new(method.clone(), old),
                    to: Route::new(method.clone(), template.clone()),
                });
            }
        }
        aliases.sort_by(|a, b| (&a.service, &a.from).cmp(&(&b.service, &b.from)));
        aliases.dedup();
        aliases
    }

    fn fold(&mut self) {
        let shipped = std::mem::take(&mut self.shipped);
        let numbers = self.registry.fold();
        self.marks.renumber(|route| numbers[route as usize], |consumer| consumer);
        self.shipped.resize_with(self.registry.routes.len(), || None);
        for (&number, shipped) in numbers.iter().zip(shipped) {
            let (resource, route) = &self.registry.routes[number as usize];
            let is_unproven = self.registry.is_unproven(number);
            self.shipped[number as usize] = Some(Shipped { template: route.template.clone(), is_unproven });
            let old = shipped.map(|shipped| shipped.template);
            if let Some(old) = old.filter(|old| *old != route.template && is_coarser(&route.template, old)) {
                self.aliases.push(RouteAlias {
                    service: self.registry.resources[*resource as usize].service.clone(),
                    from: Route::new(route.method.clone(), old),
                    to: route.clone(),
                });
            }
        }
        for (key, cells) in std::mem::take(&mut self.open) {
            let moved: &mut Open = self.open.entry(key).or_default();
            for ((route, consumer, status), cell) in cells {
                let route = numbers[route as usize];
                let target = moved.entry((route, consumer, status)).or_insert_with(|| Cell {
                    route,
                    consumer,
                    status,
                    ..Cell::default()
                });
                target.stats.merge(&cell.stats);
            }
        }
        self.n_cells = self.open.values().map(HashMap::len).sum();
    }
}

/// The key of the cell that counts for all consumers of the same route, or, where there are even too many of those, for all
/// routes.
fn coarser((route, _, status): Key, n_cells: usize, resource: u32, registry: &mut Registry) -> Key {
    let is_of_one_route = n_cells < budget::CELLS + budget::COARSE_CELLS;
    let route = if is_of_one_route { route } else { registry.other_route(resource, "") };
    (route, Registry::OTHER_CONSUMER, status)
}
