//! The record of anomalies: what was noticed, and what goes on. In: anomalies as the detectors tell them. Out: pages,
//! counts, and whether one is new.
//!
//! The index is the record: what goes on is read from it at the start, so anomalies outlive the process.

use std::{collections::BTreeMap, path::Path};

use pitot_model::api::{Anomaly, AnomalyKind, AnomalyPage, AnomalyQuery, Problem, Severity, State};

use crate::search::{Index, IndexError};

/// Directory of the index inside the data directory.
const ANOMALIES: &str = "anomalies";

/// See the module.
pub(super) struct Record {
    index: Index,
    /// Kind and severity of those that go on, by id.
    open: BTreeMap<String, (AnomalyKind, Severity)>,
    is_changed: bool,
}

impl Record {
    /// The record in a data directory, or in memory.
    pub(super) fn open(data: Option<&Path>) -> Result<Self, IndexError> {
        let index = Index::open(data.map(|data| data.join(ANOMALIES)).as_deref())?;
        Ok(Self { index, open: BTreeMap::new(), is_changed: false })
    }

    /// What went on when the last process ended; from now on it goes on here.
    pub(super) fn resume(&mut self) -> Result<Vec<Anomaly>, IndexError> {
        let open = self.index.open_anomalies()?;
        self.open = open.iter().map(|a| (a.id.clone(), (a.kind, a.severity))).collect();
        Ok(open)
    }

    /// Takes an anomaly as it is now; whether it was never seen before.
    pub(super) fn put(&mut self, anomaly: &Anomaly) -> Result<bool, IndexError> {
        let was_open = match anomaly.state {
            State::Open => self.open.insert(anomaly.id.clone(), (anomaly.kind, anomaly.severity)).is_some(),
            State::Resolved => self.open.remove(&anomaly.id).is_some(),
        };
        let is_new = !was_open && self.index.get(&anomaly.id)?.is_none();
        self.index.upsert(anomaly)?;
        self.is_changed = true;
        Ok(is_new)
    }

    /// Makes what was put durable and visible.
    pub(super) fn commit(&mut self) -> Result<(), IndexError> {
        if std::mem::take(&mut self.is_changed) { self.index.commit() } else { Ok(()) }
    }

    /// How many go on.
    pub(super) fn n_open(&self) -> u64 {
        self.open.len() as u64
    }

    /// How many go on, by kind and severity.
    pub(super) fn open_by_kind(&self) -> BTreeMap<(AnomalyKind, Severity), u64> {
        let mut counts = BTreeMap::new();
        for kind_and_severity in self.open.values() {
            *counts.entry(*kind_and_severity).or_default() += 1;
        }
        counts
    }

    pub(super) fn query(&self, query: &AnomalyQuery) -> Result<AnomalyPage, Problem> {
        self.index.query(query).map_err(|e| problem(&e))
    }

    pub(super) fn get(&self, id: &str) -> Result<Anomaly, Problem> {
        self.index.get(id).map_err(|e| problem(&e))?.ok_or_else(|| Problem {
            kind: "/problems/not-found".into(),
            title: "there is no such anomaly".into(),
            status: 404,
            detail: format!("no anomaly has the id `{id}`; see /api/v1/anomalies"),
            at: None,
            retry_after_s: None,
        })
    }
}

fn problem(e: &IndexError) -> Problem {
    let (kind, title, status) = match e {
        IndexError::Filter(_) => ("/problems/bad-filter", "the filter is wrong", 400),
        IndexError::Limit(_) => ("/problems/bad-query", "a parameter is wrong", 400),
        IndexError::Cursor(_) => ("/problems/bad-cursor", "the cursor is wrong", 400),
        _ => ("/problems/index", "the index cannot be used", 503),
    };
    let at = if let IndexError::Filter(e) = e { Some(e.at) } else { None };
    Problem { kind: kind.into(), title: title.into(), status, detail: e.to_string(), at, retry_after_s: None }
}
