//! Reads what a plan says and hands every matching cell to its group. In: a plan, a filter, a grouping. Out: calls.

use std::collections::{BTreeMap, HashMap};

use pitot_model::{
    Cell, Coverage, Stats, Status, Timestamp, Window,
    api::{GroupBy, RowKey, Totals},
    filter::Expr,
};

use super::{
    Context, GROUPS, QueryError, STEPS,
    plan::Plan,
    select::{Names, Select},
};

/// Groups by their key, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Groups {
    index: HashMap<RowKey, usize>,
    keys: Vec<RowKey>,
    /// Whether groups that are not here yet are left out.
    is_closed: bool,
}

impl Groups {
    /// These groups and no others.
    pub(super) fn only(keys: Vec<RowKey>) -> Self {
        let index = keys.iter().cloned().zip(0..).collect();
        Self { index, keys, is_closed: true }
    }

    pub(super) fn into_keys(self) -> Vec<RowKey> {
        self.keys
    }

    fn id(&mut self, key: RowKey) -> Result<Option<usize>, QueryError> {
        if let Some(&id) = self.index.get(&key) {
            return Ok(Some(id));
        }
        if self.is_closed {
            return Ok(None);
        }
        if self.keys.len() >= GROUPS {
            return Err(QueryError::Groups);
        }
        self.keys.push(key.clone());
        self.index.insert(key, self.keys.len() - 1);
        Ok(Some(self.keys.len() - 1))
    }
}

/// What is summed of one group.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) stats: Stats,
    pub(super) status: BTreeMap<Status, u64>,
}

impl Sum {
    pub(super) fn add(&mut self, cell: &Cell) {
        self.stats.merge(&cell.stats);
        count(&mut self.status, cell.status, cell.stats.count);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        for (status, n) in &other.status {
            count(&mut self.status, *status, *n);
        }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals::new(&self.stats, self.status.clone())
    }
}

/// Stored sums can be as great as numbers go.
fn count(counts: &mut BTreeMap<Status, u64>, status: Status, n: u64) {
    let sum = counts.entry(status).or_default();
    *sum = sum.saturating_add(n);
}

/// Calls `take(group, start of the cell's window, cell)` for every cell that matches.
pub(super) fn gather(
    cx: Context<'_>,
    plan: &Plan,
    expr: &Expr,
    by: GroupBy,
    groups: &mut Groups,
    take: &mut dyn FnMut(usize, Timestamp, &Cell),
) -> Result<(), QueryError> {
    let (mut failed, mut steps) = (None, STEPS);
    for (level, range) in &plan.pieces {
        cx.store.scan(plan.cube, *level, *range, &mut |window| {
            if failed.is_none() {
                failed = in_window(cx, window, (expr, &mut steps), by, groups, take).err();
            }
        })?;
    }
    failed.map_or(Ok(()), Err)
}

/// Coverage of the range that a plan reads.
pub(super) fn coverage(cx: Context<'_>, plan: &Plan) -> Result<Coverage, QueryError> {
    let mut sum = Coverage::default();
    for (level, range) in &plan.pieces {
        sum.merge(&cx.store.coverage(*level, *range)?);
    }
    Ok(sum)
}

fn in_window(
    cx: Context<'_>,
    window: &Window,
    (expr, steps): (&Expr, &mut u64),
    by: GroupBy,
    groups: &mut Groups,
    take: &mut dyn FnMut(usize, Timestamp, &Cell),
) -> Result<(), QueryError> {
    let aliases = cx.store.ledger().aliases();
    let routes = window.routes.iter().map(|r| aliases.resolve(&window.resource.service, r)).collect();
    let names = Names { resource: &window.resource, routes, consumers: &window.consumers };
    let select = Select::new(expr, &names, window.cells.len(), steps).ok_or(QueryError::Costly)?;
    if select.is_nothing() {
        return Ok(());
    }
    // The group of a cell depends on one part of it; it is looked up once per value of that part.
    let mut known: HashMap<u32, Option<usize>> = HashMap::new();
    for cell in window.cells.iter().filter(|c| select.takes(c)) {
        let part = match by {
            GroupBy::None | GroupBy::Service | GroupBy::Version => 0,
            GroupBy::Route | GroupBy::Method => cell.route,
            GroupBy::Consumer | GroupBy::Group => cell.consumer,
            GroupBy::Status => cell.status.as_wire(),
        };
        let group = match known.get(&part) {
            Some(group) => *group,
            None => {
                let group = groups.id(key(by, &names, cell))?;
                known.insert(part, group);
                group
            }
        };
        if let Some(group) = group {
            take(group, window.start, cell);
        }
    }
    Ok(())
}

fn key(by: GroupBy, names: &Names<'_>, cell: &Cell) -> RowKey {
    let service = || Some(names.resource.service.clone());
    let route = || names.routes[cell.route as usize];
    match by {
        GroupBy::None => RowKey::default(),
        GroupBy::Service => RowKey { service: service(), ..RowKey::default() },
        GroupBy::Version => {
            RowKey { service: service(), version: Some(names.resource.version.clone()), ..RowKey::default() }
        }
        GroupBy::Route => RowKey {
            service: service(),
            method: Some(route().method.clone()),
            route: Some(route().template.clone()),
            ..RowKey::default()
        },
        GroupBy::Method => RowKey { method: Some(route().method.clone()), ..RowKey::default() },
        GroupBy::Consumer => {
            let consumer = &names.consumers[cell.consumer as usize];
            RowKey { consumer: Some(consumer.id.clone()), evidence: Some(consumer.evidence), ..RowKey::default() }
        }
        GroupBy::Group => {
            RowKey { group: Some(names.consumers[cell.consumer as usize].group.clone()), ..RowKey::default() }
        }
        GroupBy::Status => RowKey { status: Some(cell.status), ..RowKey::default() },
    }
}
