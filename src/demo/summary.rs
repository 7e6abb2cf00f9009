//! What was injected, what was noticed, and whether every request was counted.
//!
//! In: the truth of a play, the anomalies as they were seen, rows of the collector's tables. Out: a verdict to print.

use std::{collections::BTreeMap, fmt, time::Duration};

use pitot_model::{
    TimeRange, Timestamp,
    api::{Anomaly, GroupBy, Row, RowKey, Severity},
    show_duration,
};

use super::{IncidentKind, Made};

/// What really happened in a play.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    /// When it began.
    pub(crate) started: Timestamp,
    /// When the last call was answered.
    pub(crate) ended: Timestamp,
    /// Incidents that were played to their end, in order.
    pub(crate) incidents: Vec<Incident>,
    /// Requests that were made.
    pub(crate) made: Made,
}

/// One injected incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incident {
    /// What went wrong.
    pub(crate) kind: IncidentKind,
    /// When it began.
    pub(crate) start: Timestamp,
    /// When it was over.
    pub(crate) end: Timestamp,
}

/// Anomalies with the moment each was first seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sightings(BTreeMap<String, (Timestamp, Anomaly)>);

impl Sightings {
    /// Takes in an anomaly as it is now; an earlier state of it is replaced.
    pub(crate) fn note(&mut self, now: Timestamp, anomaly: Anomaly) {
        let first_seen = self.0.get(&anomaly.id).map_or(now, |(seen, _)| *seen);
        self.0.insert(anomaly.id.clone(), (first_seen, anomaly));
    }

    /// When each was first seen and how it is now, the first seen first.
    fn in_order(&self) -> Vec<&(Timestamp, Anomaly)> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by_key(|(seen, a)| (*seen, &a.id));
        all
    }
}

/// Whether each incident was noticed.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// One per incident, in order.
    pub(crate) findings: Vec<Finding>,
    /// Warnings and worse that no incident explains.
    pub(crate) others: Vec<Anomaly>,
}

/// One incident and the anomaly that noticed it.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What was injected.
    pub(crate) incident: Incident,
    /// The anomaly that names the culprit best, and how long after the incident's start it was first seen.
    pub(crate) noticed: Option<(Duration, Anomaly)>,
}

/// An anomaly may begin this much earlier or later than its incident: windows are aligned, answers take time.
const SLACK: Duration = Duration::from_secs(3);

/// Share of a change that a carrier must have for its name to count.
const CARRIES: f64 = 0.5;

/// Holds the anomalies against the incidents.
pub(crate) fn judge(truth: &Truth, sightings: &Sightings) -> Verdict {
    let sightings = sightings.in_order();
    let findings = truth.incidents.iter().map(|&incident| {
        let named = sightings.iter().filter(|(_, a)| concerns(&incident, a));
        let best = named.filter_map(|s| Some((named_by(&incident, &s.1)?, s))).min_by_key(|(by, _)| *by);
        let noticed = best.map(|(_, (seen, a))| (seen.since(incident.start), a.clone()));
        Finding { incident, noticed }
    });
    let explained = |a: &Anomaly| truth.incidents.iter().any(|i| overlaps(i, a));
    let others = sightings.iter().map(|(_, a)| a).filter(|a| a.severity >= Severity::Warning && !explained(a));
    Verdict { findings: findings.collect(), others: others.cloned().collect() }
}

/// Whether kind and start of the anomaly are those of the incident.
fn concerns(incident: &Incident, a: &Anomaly) -> bool {
    let began = TimeRange::new(incident.start - SLACK, incident.end + SLACK);
    a.kind == incident.kind.anomaly() && began.contains(a.start)
}

/// Where the anomaly names the culprit; `None` where it does not.
fn named_by(incident: &Incident, a: &Anomaly) -> Option<NamedBy> {
    let culprit = incident.kind.culprit();
    let mut carriers = a.explanation.iter().flat_map(|e| &e.carriers);
    if names(&a.subject, &culprit) {
        Some(NamedBy::Subject)
    } else if carriers.any(|c| c.share >= CARRIES && names(&c.key, &culprit)) {
        Some(NamedBy::Carrier)
    } else {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NamedBy {
    Subject,
    Carrier,
}

/// Whether a key holds all that the culprit states; a service may be left out where the rest says it.
fn names(key: &RowKey, culprit: &RowKey) -> bool {
    let holds = |have: &Option<String>, want: &Option<String>| want.is_none() || have == want;
    holds(&key.method, &culprit.method)
        && holds(&key.route, &culprit.route)
        && holds(&key.version, &culprit.version)
        && holds(&key.consumer, &culprit.consumer)
        && (key.service.is_none() || holds(&key.service, &culprit.service))
}

/// Whether the incident was going on, or just over, while the anomaly was.
fn overlaps(incident: &Incident, a: &Anomaly) -> bool {
    a.start < incident.end + SLACK && a.end.is_none_or(|end| end > incident.start)
}

impl Verdict {
    /// Whether incidents of all kinds were played and each of them was noticed.
    pub(crate) fn is_complete(&self) -> bool {
        let played = |kind: &IncidentKind| self.findings.iter().any(|f| f.incident.kind == *kind);
        IncidentKind::ALL.iter().all(played) && self.findings.iter().all(|f| f.noticed.is_some())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noticed = self.findings.iter().filter(|x| x.noticed.is_some()).count();
        writeln!(f, "Incidents injected {}, noticed {noticed}", self.findings.len())?;
        for finding in &self.findings {
            let what = finding.incident.kind.to_string();
            let lasted = show_duration(finding.incident.end.since(finding.incident.start));
            writeln!(f)?;
            match &finding.noticed {
                Some((after, a)) => {
                    let lasts =
                        a.end.map_or("still open".into(), |e| format!("lasted {}", show_duration(e.since(a.start))));
                    writeln!(f, "  ✓ {what:<44} for {lasted}, noticed after {}", show_duration(*after))?;
                    writeln!(f, "    {}", a.title)?;
                    writeln!(f, "    {} {}, {} transactions, {lasts}; {}", a.severity, a.kind, a.affected, a.id)?;
                }
                None => writeln!(f, "  ✗ {what:<44} for {lasted}, not noticed")?,
            }
        }
        if !self.others.is_empty() {
            writeln!(f, "\nWarnings that no incident explains: {}", self.others.len())?;
            for a in &self.others {
                writeln!(f, "  ! {} ({} {}, {})", a.title, a.severity, a.kind, a.id)?;
            }
        }
        Ok(())
    }
}

/// Where the rows of a table, asked for all services and grouped so, differ from the requests that were made; one line
/// for each row. Empty when requests made are requests counted. Groups that the play does not know are all "made 0".
pub(crate) fn differences(made: &Made, by: GroupBy, rows: &[Row]) -> Vec<String> {
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (key, n) in &made.counts {
        counts.entry(label(key, by)).or_default().0 += n;
    }
    for row in rows {
        counts.entry(label(&row.key, by)).or_default().1 += row.totals.count;
    }
    counts
        .into_iter()
        .filter(|(_, (made, counted))| made != counted)
        .map(|(name, (made, counted))| format!("{name}: made {made}, counted {counted}"))
        .collect()
}

fn label(key: &RowKey, by: GroupBy) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    match by {
        GroupBy::None => "all".into(),
        GroupBy::Service => text(&key.service),
        GroupBy::Route => format!("{} {} {}", text(&key.service), text(&key.method), text(&key.route)),
        GroupBy::Consumer => text(&key.consumer),
        GroupBy::Group => text(&key.group),
        GroupBy::Version => text(&key.version),
        GroupBy::Status => key.status.unwrap_or_default().to_string(),
        GroupBy::Method => text(&key.method),
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::api::{AnomalyKind, Carrier, Explanation, State, Totals};

    use super::*;

    fn truth() -> Truth {
        let at = Timestamp::from_secs;
        let incident = |kind, start| Incident { kind, start: at(start), end: at(start + 15) };
        let incidents = (0..).zip(IncidentKind::ALL).map(|(i, kind)| incident(kind, 100 + 25 * i)).collect();
        Truth { started: at(65), ended: at(185), incidents, made: Made::default() }
    }

    fn anomaly(id: &str, kind: AnomalyKind, start: i64, subject: RowKey) -> Anomaly {
        Anomaly {
            id: id.into(),
            kind,
            severity: Severity::Warning,
            state: State::Resolved,
            subject,
            start: Timestamp::from_secs(start),
            end: Some(Timestamp::from_secs(start + 16)),
            updated: Timestamp::from_secs(start + 20),
            expected: 1.0,
            observed: 2.0,
            unit: "1".into(),
            score: 9.0,
            affected: 120,
            title: format!("title of {id}"),
            explanation: None,
        }
    }

    fn seen(anomalies: &[(i64, Anomaly)]) -> Sightings {
        let mut s = Sightings::default();
        for (at, a) in anomalies {
            s.note(Timestamp::from_secs(*at), a.clone());
        }
        s
    }

    fn culprit(kind: IncidentKind) -> RowKey {
        RowKey { service: Some("x".into()), ..kind.culprit() }
    }

    #[test]
    fn incidents_are_noticed_by_kind_time_and_culprit() {
        use IncidentKind::*;
        let right = RowKey { service: Some("catalog".into()), ..SlowRoute.culprit() };
        let whole_service = RowKey { service: Some("catalog".into()), ..RowKey::default() };
        for (name, a, want) in [
            ("exact", anomaly("a", AnomalyKind::Latency, 100, right.clone()), true),
            ("aligned earlier", anomaly("a", AnomalyKind::Latency, 99, right.clone()), true),
            ("other kind", anomaly("a", AnomalyKind::Rate, 100, right.clone()), false),
            ("long before", anomaly("a", AnomalyKind::Latency, 80, right.clone()), false),
            ("after", anomaly("a", AnomalyKind::Latency, 119, right.clone()), false),
            ("service alone", anomaly("a", AnomalyKind::Latency, 100, whole_service.clone()), false),
        ] {
            assert_eq!(judge(&truth(), &seen(&[(103, a)])).findings[0].noticed.is_some(), want, "{name}");
        }
        let mut carried = anomaly("a", AnomalyKind::Latency, 100, whole_service);
        carried.explanation = Some(Explanation { carriers: vec![Carrier { key: right, share: 0.9, without: None }] });
        assert!(judge(&truth(), &seen(&[(103, carried)])).findings[0].noticed.is_some());
        let elsewhere = anomaly("a", AnomalyKind::Errors, 125, culprit(VersionErrors));
        assert!(judge(&truth(), &seen(&[(126, elsewhere)])).findings[1].noticed.is_none(), "another service's version");
    }

    #[test]
    fn complete_only_when_all_three_kinds_were_noticed() {
        let of = |kind: IncidentKind, start| {
            (start + 3, anomaly(&format!("{kind:?}"), kind.anomaly(), start, kind.culprit()))
        };
        let all = [
            of(IncidentKind::SlowRoute, 100),
            of(IncidentKind::VersionErrors, 125),
            of(IncidentKind::ConsumerBurst, 150),
        ];
        let verdict = judge(&truth(), &seen(&all));
        assert!(verdict.is_complete(), "{verdict}");
        assert_eq!(verdict.findings[1].noticed.as_ref().map(|n| n.0), Some(Duration::from_secs(3)));
        assert!(!judge(&truth(), &seen(&all[1..])).is_complete());
        let nothing_played = Truth { incidents: Vec::new(), ..truth() };
        assert!(!judge(&nothing_played, &seen(&all)).is_complete());
    }

    #[test]
    fn warnings_outside_of_incidents_are_told() {
        let stray = anomaly("stray", AnomalyKind::Rate, 70, RowKey::default());
        let info =
            Anomaly { severity: Severity::Info, ..anomaly("info", AnomalyKind::NewConsumer, 70, RowKey::default()) };
        let verdict = judge(&truth(), &seen(&[(71, stray), (71, info)]));
        assert_eq!(verdict.others.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["stray"]);
    }

    #[test]
    fn the_summary_reads_well() {
        let found = anomaly("an-1", AnomalyKind::Latency, 100, IncidentKind::SlowRoute.culprit());
        let stray = anomaly("an-2", AnomalyKind::Rate, 70, RowKey::default());
        let text = judge(&truth(), &seen(&[(71, stray), (103, found)])).to_string();
        assert_eq!(
            text,
            "Incidents injected 3, noticed 1

  ✓ GET /v1/search six times slower              for 15.0s, noticed after 3.00s
    title of an-1
    warning latency, 120 transactions, lasted 16.0s; an-1

  ✗ checkout 1.9.0 fails 40 % of its requests    for 15.0s, not noticed

  ✗ initech-bi floods POST /v1/reports           for 15.0s, not noticed

Warnings that no incident explains: 1
  ! title of an-2 (warning rate, an-2)
"
        );
    }

    #[test]
    fn counts_are_compared_row_by_row() {
        let key = |consumer: &str, status: u16| RowKey {
            consumer: Some(consumer.into()),
            status: Some(pitot_model::Status::code(status)),
            ..RowKey::default()
        };
        let made = Made { counts: [(key("a", 200), 5), (key("a", 500), 1), (key("b", 200), 2)].into(), failed: 0 };
        let row = |consumer: &str, count| Row {
            key: RowKey { consumer: Some(consumer.into()), ..RowKey::default() },
            totals: Totals { count, ..Totals::default() },
        };
        assert_eq!(differences(&made, GroupBy::Consumer, &[row("a", 6), row("b", 2)]), [""; 0]);
        assert_eq!(
            differences(&made, GroupBy::Consumer, &[row("a", 5), row("c", 1)]),
            ["a: made 6, counted 5", "b: made 2, counted 0", "c: made 0, counted 1"]
        );
    }
}
