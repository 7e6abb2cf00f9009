//! What goes wrong in the demo, and when. In: how long it plays. Out: the incident at a moment, and all that were played.
//!
//! A cycle of two minutes has a warm-up and three incidents with pauses; a shorter play squeezes it, a longer one
//! repeats it.

use std::{fmt, time::Duration};

use pitot_model::api::{AnomalyKind, RowKey};

use super::endpoints::{CANARY, EXPENSIVE, SLOW};

/// Length of a cycle that is not squeezed.
const CYCLE: Duration = Duration::from_secs(120);

/// Below this the warm-up is too short for detectors to know what is normal.
const SHORTEST: Duration = Duration::from_secs(60);

/// What happens in a cycle: from and to, in thousandths of it.
const PLAN: [(IncidentKind, u32, u32); 3] = [
    (IncidentKind::SlowRoute, 292, 417),
    (IncidentKind::VersionErrors, 500, 625),
    (IncidentKind::ConsumerBurst, 708, 833),
];

/// The consumer that bursts.
pub(super) const BURSTING: &str = "initech-bi";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IncidentKind {
    /// One route answers six times slower.
    SlowRoute,
    /// One version answers 40 % of its requests with 500.
    VersionErrors,
    /// One consumer calls an expensive route forty times as often.
    ConsumerBurst,
}

impl IncidentKind {
    /// All of them, in the order of the plan.
    pub(crate) const ALL: [Self; 3] = [Self::SlowRoute, Self::VersionErrors, Self::ConsumerBurst];

    /// The kind of anomaly that it should be noticed as.
    pub(crate) fn anomaly(self) -> AnomalyKind {
        match self {
            Self::SlowRoute => AnomalyKind::Latency,
            Self::VersionErrors => AnomalyKind::Errors,
            Self::ConsumerBurst => AnomalyKind::Rate,
        }
    }

    /// Who or what is to blame; an anomaly must name all of it.
    pub(crate) fn culprit(self) -> RowKey {
        match self {
            Self::SlowRoute => RowKey { route: Some(SLOW.1.into()), method: Some(SLOW.0.into()), ..RowKey::default() },
            Self::VersionErrors => {
                RowKey { service: Some(CANARY.0.into()), version: Some(CANARY.1.into()), ..RowKey::default() }
            }
            Self::ConsumerBurst => RowKey { consumer: Some(BURSTING.into()), ..RowKey::default() },
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlowRoute => write!(f, "{} {} six times slower", SLOW.0, SLOW.1),
            Self::VersionErrors => write!(f, "{} {} fails 40 % of its requests", CANARY.0, CANARY.1),
            Self::ConsumerBurst => write!(f, "{BURSTING} floods {} {}", EXPENSIVE.0, EXPENSIVE.1),
        }
    }
}

/// When incidents happen, counted from the start of the play.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    cycle: Duration,
    total: Option<Duration>,
}

impl Timeline {
    /// For a play of this length, a minute at least; `None` plays until it is stopped.
    pub(super) fn new(total: Option<Duration>) -> anyhow::Result<Self> {
        if total.is_some_and(|t| t < SHORTEST) {
            let least = SHORTEST.as_secs();
            anyhow::bail!("the demo's detectors need a warm-up before the first incident; use --for {least}s or more");
        }
        Ok(Self { cycle: total.map_or(CYCLE, |t| t.min(CYCLE)), total })
    }

    /// Length of the play.
    pub(super) fn total(&self) -> Option<Duration> {
        self.total
    }

    /// The incident that happens this long after the start.
    pub(super) fn active(&self, at: Duration) -> Option<IncidentKind> {
        self.played(at).find(|(_, start, end)| (*start..*end).contains(&at)).map(|(kind, ..)| kind)
    }

    /// Incidents with start and end that were played to their end when the play stopped this long after its start.
    pub(super) fn finished(&self, stop: Duration) -> impl Iterator<Item = (IncidentKind, Duration, Duration)> {
        self.played(stop).filter(move |(_, _, end)| *end <= stop)
    }

    /// Incidents of all cycles that began by then. The rest behind the last whole cycle stays quiet.
    fn played(&self, by: Duration) -> impl Iterator<Item = (IncidentKind, Duration, Duration)> {
        let cycle = self.cycle;
        let cycles = |t: Duration| (t.as_micros() / cycle.as_micros()) as u32;
        let begun = (cycles(by) + 1).min(self.total.map_or(u32::MAX, cycles));
        (0..begun).flat_map(move |c| {
            PLAN.map(|(kind, from, to)| (kind, cycle * c + cycle * from / 1000, cycle * c + cycle * to / 1000))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(total_s: Option<u64>) -> Timeline {
        Timeline::new(total_s.map(Duration::from_secs)).unwrap()
    }

    #[test]
    fn incidents_follow_the_plan() {
        use IncidentKind::*;
        for (total, at, want) in [
            (Some(120), 0, None),
            (Some(120), 34, None),
            (Some(120), 36, Some(SlowRoute)),
            (Some(120), 55, None),
            (Some(120), 61, Some(VersionErrors)),
            (Some(120), 99, Some(ConsumerBurst)),
            (Some(120), 119, None),
            (Some(60), 18, Some(SlowRoute)),
            (Some(130), 129, None),
            (Some(200), 156, None),
            (Some(240), 156, Some(SlowRoute)),
            (None, 120 * 50 + 62, Some(VersionErrors)),
        ] {
            assert_eq!(timeline(total).active(Duration::from_secs(at)), want, "{total:?} {at}");
        }
    }

    #[test]
    fn only_whole_incidents_count_as_played() {
        for (total, stop, want) in
            [(Some(120), 10, 0), (Some(120), 45, 0), (Some(120), 55, 1), (Some(120), 120, 3), (None, 260, 6)]
        {
            assert_eq!(timeline(total).finished(Duration::from_secs(stop)).count(), want, "{total:?} {stop}");
        }
    }

    #[test]
    fn a_play_without_warm_up_is_refused() {
        let error = Timeline::new(Some(Duration::from_secs(59))).unwrap_err().to_string();
        assert!(error.contains("--for 60s"), "{error}");
    }
}
