//! Agents that are not heard of any more. In: when each agent was heard last, and the time. Out: one anomaly per agent that
//! falls silent; it ends when the agent is heard again, says that it stops, or is forgotten.
//!
//! Silence is counted from the later of two moments: when the agent was heard last, and since when the collector has
//! listened without a break. While the collector was away, its machine slept, or its thread was busy with something
//! long, nobody could be heard, and nobody is blamed for it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use pitot_model::{
    Timestamp,
    api::{Anomaly, AnomalyKind, Severity, State, Subject},
    show_duration,
};

use super::open::id;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// A longer pause between two looks is a break in listening.
const BREAK: Duration = Duration::from_secs(5);

/// Usual times between two reports after which an agent that reports seldom is silent.
const INTERVALS: u32 = 3;

/// What is known of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was heard last, by the collector's clock.
    pub at: Timestamp,
    /// Usual time between its reports; zero while it is not known.
    pub interval: Duration,
    /// Whether it said that it stops.
    pub is_stopped: bool,
}

impl Heard<'_> {
    /// How long it may say nothing, where agents in general may for `after`.
    pub fn patience(&self, after: Duration) -> Duration {
        after.max(self.interval.saturating_mul(INTERVALS))
    }
}

/// Who is silent.
#[derive(Debug)]
pub struct Silence {
    /// Zero: nobody is.
    after: Duration,
    max_open: usize,
    /// Since when it has listened without a break.
    since: Timestamp,
    looked: Timestamp,
    open: BTreeMap<String, Open>,
    out: VecDeque<Anomaly>,
    /// Agents that were silent beyond the budget at the last look.
    untold: u64,
}

#[derive(Debug)]
struct Open {
    anomaly: Anomaly,
    /// When the agent had been heard last; `None` for one of an earlier start until the first look.
    heard: Option<Timestamp>,
    /// When it is told again.
    next: Timestamp,
}

impl Silence {
    /// Listens from now on. Agents are silent `after` so long, nobody ever when it is zero; `max_open` are told at a time.
    pub fn new(after: Duration, max_open: usize, now: Timestamp) -> Self {
        Self { after, max_open, since: now, looked: now, open: BTreeMap::new(), out: VecDeque::new(), untold: 0 }
    }

    /// Takes other settings; what is open goes on.
    pub fn reconfigure(&mut self, after: Duration, max_open: usize) {
        (self.after, self.max_open) = (after, max_open);
    }

    /// Continues what was open before a restart; other kinds are left alone.
    pub fn restore<'a>(&mut self, anomalies: impl IntoIterator<Item = &'a Anomaly>) {
        let mine = |a: &&Anomaly| a.kind == AnomalyKind::SilentAgent && a.state == State::Open;
        for anomaly in anomalies.into_iter().filter(mine) {
            let Some(name) = anomaly.subject.agent.clone() else { continue };
            let next = anomaly.updated + anomaly.updated.since(anomaly.start);
            let open = Open { anomaly: anomaly.clone(), heard: None, next };
            // Two of one agent cannot be; should they, the newer one goes on and the older one ends.
            if let Some(older) = self.open.insert(name, open) {
                self.out.push_back(resolved(older.anomaly, anomaly.start, anomaly.start));
            }
        }
    }

    /// Time has passed. Looks at all agents, once a second at most.
    pub fn tick<'a>(&mut self, now: Timestamp, agents: impl IntoIterator<Item = Heard<'a>>) {
        if now < self.looked || now.since(self.looked) > BREAK {
            self.since = now;
        } else if now.since(self.looked) < EVERY {
            return;
        }
        self.looked = now;
        let mut left = std::mem::take(&mut self.open);
        self.untold = 0;
        for agent in agents {
            let open = left.remove(agent.name);
            self.look(agent, open, now);
        }
        for (name, open) in left {
            let mut anomaly = resolved(open.anomaly, now, now);
            anomaly.title = format!("agent {name} is forgotten");
            self.out.push_back(anomaly);
        }
    }

    /// The next document that is new or changed.
    pub fn poll(&mut self) -> Option<Anomaly> {
        self.out.pop_front()
    }

    /// Agents that are silent and not told of, since as many are told of as may be.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    fn look(&mut self, agent: Heard<'_>, open: Option<Open>, now: Timestamp) {
        let Some(mut open) = open else {
            if self.is_silent(agent, now) {
                self.begin(agent, now);
            }
            return;
        };
        let is_heard = open.heard.map_or(agent.at > open.anomaly.start, |before| agent.at != before);
        if is_heard || agent.is_stopped || self.after.is_zero() {
            let end = if is_heard { agent.at.min(now) } else { now };
            self.out.push_back(resolved(open.anomaly, end, now));
            return;
        }
        open.heard = Some(agent.at);
        if now >= open.next {
            describe(&mut open.anomaly, now);
            // Every time when it has lasted twice as long.
            open.next = now + now.since(open.anomaly.start);
            self.out.push_back(open.anomaly.clone());
        }
        self.open.insert(agent.name.to_owned(), open);
    }

    /// Since when nothing was heard while somebody listened.
    fn quiet_since(&self, agent: Heard<'_>, now: Timestamp) -> Timestamp {
        // The clock was set back since: what it said then says nothing now.
        if agent.at > now { self.since } else { agent.at.max(self.since) }
    }

    fn is_silent(&self, agent: Heard<'_>, now: Timestamp) -> bool {
        let quiet = now.since(self.quiet_since(agent, now));
        !agent.is_stopped && !self.after.is_zero() && quiet >= agent.patience(self.after)
    }

    fn begin(&mut self, agent: Heard<'_>, now: Timestamp) {
        if self.open.len() >= self.max_open {
            self.untold += 1;
            return;
        }
        let start = self.quiet_since(agent, now);
        let subject = Subject { agent: Some(agent.name.to_owned()), ..Subject::default() };
        let mut anomaly = Anomaly {
            id: id(AnomalyKind::SilentAgent, &subject, start),
            kind: AnomalyKind::SilentAgent,
            severity: Severity::Warning,
            state: State::Open,
            subject,
            start,
            end: None,
            updated: now,
            expected: agent.interval.as_secs_f64(),
            observed: 0.0,
            unit: "s".to_owned(),
            score: 0.0,
            affected: 0,
            title: String::new(),
            explanation: None,
        };
        describe(&mut anomaly, now);
        self.out.push_back(anomaly.clone());
        let open = Open { anomaly, heard: Some(agent.at), next: now + now.since(start) };
        self.open.insert(agent.name.to_owned(), open);
    }
}

/// How long it lasts by now.
fn describe(anomaly: &mut Anomaly, now: Timestamp) {
    let silent = now.since(anomaly.start);
    anomaly.updated = now;
    anomaly.observed = silent.as_secs_f64();
    // Decades of the usual interval, and of a second where there is none.
    anomaly.score = (1.0 + anomaly.observed / anomaly.expected.max(1.0)).log10();
    anomaly.title = format!("agent {} is silent: nothing for {}", name(anomaly), show_duration(silent));
}

fn resolved(mut anomaly: Anomaly, end: Timestamp, now: Timestamp) -> Anomaly {
    let end = end.max(anomaly.start);
    describe(&mut anomaly, end);
    anomaly.updated = now.max(end);
    anomaly.title = format!("agent {} was silent for {}", name(&anomaly), show_duration(end.since(anomaly.start)));
    (anomaly.state, anomaly.end) = (State::Resolved, Some(end));
    anomaly
}

fn name(anomaly: &Anomaly) -> &str {
    anomaly.subject.agent.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn t(s: i64) -> Timestamp {
        Timestamp::from_secs(1_768_176_000 + s)
    }

    fn heard(name: &str, at: i64) -> Heard<'_> {
        Heard { name, at: t(at), interval: Duration::from_secs(1), is_stopped: false }
    }

    fn told(silence: &mut Silence) -> Vec<(State, String)> {
        std::iter::from_fn(|| silence.poll()).map(|a| (a.state, a.title)).collect()
    }

    /// Looks every second from one moment to another.
    fn play(silence: &mut Silence, seconds: std::ops::RangeInclusive<i64>, agents: &[Heard<'_>]) -> Vec<Anomaly> {
        let mut out = Vec::new();
        for s in seconds {
            silence.tick(t(s), agents.iter().copied());
            out.extend(std::iter::from_fn(|| silence.poll()));
        }
        out
    }

    #[test]
    fn silence_is_told_once_updated_rarely_and_ends_when_the_agent_is_heard() {
        let mut silence = Silence::new(MINUTE, 100, t(0));
        let docs = play(&mut silence, 0..=600, &[heard("web-1", 10)]);
        let titles: Vec<_> = docs.iter().map(|a| (a.state, a.title.as_str())).collect();
        assert_eq!(
            titles,
            [
                (State::Open, "agent web-1 is silent: nothing for 1m00s"),
                (State::Open, "agent web-1 is silent: nothing for 2m00s"),
                (State::Open, "agent web-1 is silent: nothing for 4m00s"),
                (State::Open, "agent web-1 is silent: nothing for 8m00s"),
            ]
        );
        let first = &docs[0];
        assert_eq!((first.start, first.expected, first.observed), (t(10), 1.0, 60.0));
        assert_eq!((first.severity, first.unit.as_str()), (Severity::Warning, "s"));
        assert_eq!(first.subject.agent.as_deref(), Some("web-1"));
        let docs = play(&mut silence, 606..=640, &[heard("web-1", 605)]);
        assert_eq!(docs.len(), 1, "{docs:?}");
        assert_eq!((docs[0].state, docs[0].end, &docs[0].id), (State::Resolved, Some(t(605)), &first.id));
        assert_eq!(docs[0].title, "agent web-1 was silent for 9m55s");
    }

    #[test]
    fn it_ends_when_the_agent_says_that_it_stops_or_is_forgotten_or_nobody_wants_to_know() {
        for (agents, after, want) in [
            (vec![Heard { is_stopped: true, ..heard("a", 0) }], MINUTE, "agent a was silent for 1m20s"),
            (vec![], MINUTE, "agent a is forgotten"),
            (vec![heard("a", 0)], Duration::ZERO, "agent a was silent for 1m20s"),
        ] {
            let mut silence = Silence::new(MINUTE, 100, t(0));
            play(&mut silence, 0..=79, &[heard("a", 0)]);
            silence.reconfigure(after, 100);
            silence.tick(t(80), agents);
            assert_eq!(told(&mut silence), [(State::Resolved, want.to_owned())]);
        }
    }

    #[test]
    fn who_stopped_or_reports_seldom_is_not_silent() {
        let stopped = Heard { is_stopped: true, ..heard("stopped", 0) };
        let seldom = Heard { interval: Duration::from_secs(300), ..heard("seldom", 0) };
        let mut silence = Silence::new(MINUTE, 100, t(0));
        for s in 0..=600 {
            assert_eq!(play(&mut silence, s..=s, &[heard("reports every minute", s / 59 * 59)]), vec![]);
        }
        let mut silence = Silence::new(MINUTE, 100, t(0));
        assert_eq!(play(&mut silence, 0..=899, &[stopped, seldom]), vec![]);
        assert_eq!(play(&mut silence, 900..=900, &[stopped, seldom]).len(), 1);
    }

    #[test]
    fn nobody_is_blamed_for_what_the_collector_did_not_hear() {
        // The collector starts an hour after the agent was heard last.
        let mut silence = Silence::new(MINUTE, 100, t(3_600));
        assert_eq!(play(&mut silence, 3_600..=3_659, &[heard("a", 0)]), vec![]);
        // The machine sleeps, and wakes.
        assert_eq!(play(&mut silence, 7_200..=7_259, &[heard("a", 0)]), vec![]);
        // The clock is set back.
        assert_eq!(play(&mut silence, -50..=59, &[heard("a", 0)]), vec![]);
        let docs = play(&mut silence, 60..=60, &[heard("a", 0)]);
        assert_eq!(docs.iter().map(|a| a.start).collect::<Vec<_>>(), [t(0)]);
        // It is set back by a day, and what was heard before lies in the future.
        let mut silence = Silence::new(MINUTE, 100, t(0));
        assert_eq!(play(&mut silence, -86_400..=-86_341, &[heard("a", 0)]), vec![]);
        assert_eq!(play(&mut silence, -86_340..=-86_340, &[heard("a", 0)]).len(), 1);
    }

    #[test]
    fn an_open_one_goes_on_after_a_restart() {
        let mut before = Silence::new(MINUTE, 100, t(0));
        let opened = play(&mut before, 0..=130, &[heard("a", 0)]);
        let last = opened.last().cloned().expect("opened");
        for (heard_at, n_agents, want) in [(0, 1, None), (140, 1, Some(t(140))), (0, 0, Some(t(150)))] {
            let mut after = Silence::new(MINUTE, 100, t(149));
            after.restore([&last]);
            let docs = play(&mut after, 149..=150, &[heard("a", heard_at)][..n_agents]);
            let ends: Vec<_> = docs.iter().map(|a| (&a.id, a.end)).collect();
            let want: Vec<_> = want.iter().map(|end| (&last.id, Some(*end))).collect();
            assert_eq!(ends, want, "{heard_at}");
        }
        let mut after = Silence::new(MINUTE, 100, t(149));
        after.restore([&last]);
        let docs = play(&mut after, 149..=300, &[heard("a", 0)]);
        assert_eq!(
            docs.iter().map(|a| (&a.id, a.title.as_str())).collect::<Vec<_>>(),
            [(&last.id, "agent a is silent: nothing for 4m00s")]
        );
    }

    #[test]
    fn a_crowd_is_bounded_and_counted() {
        let names: Vec<String> = (0..500).map(|i| format!("a{i:03}")).collect();
        let crowd: Vec<Heard<'_>> = names.iter().map(|name| heard(name, 0)).collect();
        let mut silence = Silence::new(MINUTE, 100, t(0));
        assert_eq!(play(&mut silence, 0..=90, &crowd).len(), 100);
        assert_eq!(silence.untold(), 400);
    }
}
