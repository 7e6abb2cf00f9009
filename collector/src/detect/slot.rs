//! One window of all resources, as the detectors look at it. In: deltas of the same ten seconds, in any order. Out: cells
//! by name, and facts: what each cell did, beside what was expected of it.

use std::sync::Arc;

use pitot_model::{
    Consumer, Evidence, Route, Sketch, Status, Window,
    api::{RowKey, Subject},
};
use rustc_hash::FxHashMap;

use super::evidence::Counts;

/// What a cell is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CellKey {
    pub(super) service: Arc<str>,
    /// Empty where the version is not known.
    pub(super) version: Arc<str>,
    pub(super) route: Arc<Route>,
    pub(super) consumer: Arc<Consumer>,
    pub(super) status: Status,
}

/// A part of the traffic of one service; what is absent is summed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) service: Arc<str>,
    pub(super) version: Option<Arc<str>>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) consumer: Option<Arc<Consumer>>,
}

impl Scope {
    pub(super) fn service(service: &Arc<str>) -> Self {
        Self { service: service.clone(), version: None, route: None, consumer: None }
    }

    /// Names beside the service.
    pub(super) fn depth(&self) -> usize {
        usize::from(self.version.is_some()) + usize::from(self.route.is_some()) + usize::from(self.consumer.is_some())
    }

    /// Whether the cell belongs to it.
    pub(super) fn holds(&self, key: &CellKey) -> bool {
        self.service == key.service
            && self.version.as_ref().is_none_or(|v| *v == key.version)
            && self.route.as_ref().is_none_or(|r| *r == key.route)
            && self.consumer.as_ref().is_none_or(|c| *c == key.consumer)
    }

    /// Whether everything in `other` belongs to it; both may be the same.
    pub(super) fn contains(&self, other: &Self) -> bool {
        fn part<T: PartialEq>(mine: Option<&T>, theirs: Option<&T>) -> bool {
            mine.is_none() || mine == theirs
        }
        self.service == other.service
            && part(self.version.as_ref(), other.version.as_ref())
            && part(self.route.as_ref(), other.route.as_ref())
            && part(self.consumer.as_ref(), other.consumer.as_ref())
    }

    /// As API documents name it.
    pub(super) fn subject(&self) -> Subject {
        RowKey {
            service: Some(self.service.to_string()),
            version: self.version.as_ref().map(ToString::to_string),
            method: self.route.as_ref().map(|r| r.method.clone()),
            route: self.route.as_ref().map(|r| r.template.clone()),
            consumer: self.consumer.as_ref().map(|c| c.id.clone()),
            evidence: self.consumer.as_ref().map(|c| c.evidence),
            ..RowKey::default()
        }
    }

    /// The way back; `None` for subjects that no detector here makes.
    pub(super) fn of(subject: &Subject) -> Option<Self> {
        let route = match (&subject.method, &subject.route) {
            (Some(method), Some(template)) => Some(Arc::new(Route::new(method, template))),
            (None, None) => None,
            _ => return None,
        };
        let consumer = subject.consumer.as_ref().map(|id| Consumer::new(id, subject.evidence.unwrap_or_default()));
        Some(Self {
            service: subject.service.as_deref()?.into(),
            version: subject.version.as_deref().map(Into::into),
            route,
            consumer: consumer.map(Arc::new),
        })
    }
}

/// Whether somebody is named, and not nobody or the rest.
pub(super) fn is_somebody(consumer: &Consumer) -> bool {
    consumer.evidence != Evidence::None && !consumer.id.is_empty() && consumer.id != Consumer::OTHER
}

/// What a cell did.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) duration: Sketch,
}

/// Cells of one range of time, still adding up.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    pub(super) cells: FxHashMap<CellKey, Sums>,
}

impl Slot {
    /// Adds a delta; answers how many cells found no room.
    pub(super) fn add(&mut self, window: &Window, max_cells: usize) -> u64 {
        let service: Arc<str> = window.resource.service.as_str().into();
        let version: Arc<str> = window.resource.version.as_str().into();
        let routes: Vec<_> = window.routes.iter().cloned().map(Arc::new).collect();
        let consumers: Vec<_> = window.consumers.iter().cloned().map(Arc::new).collect();
        let mut ignored = 0;
        for cell in &window.cells {
            let (Some(route), Some(consumer)) =
                (routes.get(cell.route as usize), consumers.get(cell.consumer as usize))
            else {
                ignored += 1;
                continue;
            };
            let key = CellKey {
                service: service.clone(),
                version: version.clone(),
                route: route.clone(),
                consumer: consumer.clone(),
                status: cell.status,
            };
            if self.cells.len() >= max_cells && !self.cells.contains_key(&key) {
                ignored += 1;
                continue;
            }
            let sums = self.cells.entry(key).or_default();
            sums.count = sums.count.saturating_add(cell.stats.count);
            sums.duration.merge(&cell.stats.duration);
        }
        ignored
    }

    /// Adds all of another slot.
    pub(super) fn absorb(&mut self, other: Self) {
        for (key, sums) in other.cells {
            let mine = self.cells.entry(key).or_default();
            mine.count = mine.count.saturating_add(sums.count);
            mine.duration.merge(&sums.duration);
        }
    }
}

/// A cell beside what its route is like.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) key: CellKey,
    pub(super) sums: Sums,
    /// Server errors among its requests; empty while the route is being learnt.
    pub(super) errors: Counts,
    /// Slow ones among those that did not fail, as the route knows slow; empty likewise.
    pub(super) slow: Counts,
}

impl Fact {
    pub(super) fn count(&self) -> f64 {
        self.sums.count as f64
    }

    pub(super) fn failed(&self) -> bool {
        self.key.status.is_server_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(version: Option<&str>, route: Option<&str>, consumer: Option<&str>) -> Scope {
        Scope {
            service: "shop".into(),
            version: version.map(Into::into),
            route: route.map(|r| Arc::new(Route::new("GET", r))),
            consumer: consumer.map(|c| Arc::new(Consumer::new(c, Evidence::Key))),
        }
    }

    #[test]
    fn scopes_contain_their_parts() {
        for (a, b, want) in [
            (scope(None, None, None), scope(Some("2"), Some("/a"), None), true),
            (scope(None, Some("/a"), None), scope(None, Some("/a"), Some("acme")), true),
            (scope(None, Some("/a"), None), scope(None, Some("/a"), None), true),
            (scope(Some("2"), None, None), scope(None, Some("/a"), None), false),
            (scope(None, Some("/a"), Some("acme")), scope(None, Some("/a"), None), false),
        ] {
            assert_eq!(a.contains(&b), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn subjects_name_scopes() {
        for s in [scope(None, None, None), scope(Some("2"), None, None), scope(None, Some("/a"), Some("acme"))] {
            assert_eq!(Scope::of(&s.subject()), Some(s));
        }
        assert_eq!(Scope::of(&Subject::default()), None);
    }
}
