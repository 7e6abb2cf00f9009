//! When the oldest report is sent, and to which collector: patience, and fail-over only where nothing can count twice.
//!
//! In: what became of each attempt. Out: the next step. Pure: randomness is a seed, time is what is told to pass.
//!
//! A report that a collector may hold without having said so must go to the same store again, which then tells the repeat by
//! its sequence. Any collector of that store will do. So collectors are told the store that is meant, by its id, and one
//! that keeps another refuses; and before any id is known, only the collector that may hold the report is asked again. Who
//! that is outlives the process: it is written down before the collector is asked.

use std::time::Duration;

/// Wait after the first round in which no collector took the report.
const FIRST: Duration = Duration::from_millis(200);
/// Greatest wait while collectors are away or busy.
const AWAY: Duration = Duration::from_secs(10);
/// Greatest wait where somebody must change something first: a token, a certificate, a version.
const WRONG: Duration = Duration::from_secs(30);
/// Longest wait that a collector may ask for.
const ASKED: Duration = Duration::from_secs(600);

/// Who is asked next. See the module.
#[derive(Debug)]
pub(crate) struct Courier {
    n_collectors: usize,
    /// The collector that took a report last, which is asked first.
    first: usize,
    /// Collectors asked in this round.
    n_asked: usize,
    /// Rounds without success.
    n_rounds: u32,
    /// Least wait after this round.
    at_least: Duration,
    /// Greatest wait after this round.
    at_most: Duration,
    store: String,
    /// The one that may hold the report, while no store is known.
    bound: Option<usize>,
    random: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the report to this collector, by its place in the configuration.
    Send(usize),
    /// Wait, then ask again.
    Wait(Duration),
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Failure {
    /// Whether the collector may hold the report all the same.
    pub(crate) may_have_arrived: bool,
    /// Whether a person must change something first.
    pub(crate) needs_change: bool,
    /// What the collector asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl Courier {
    /// Among so many collectors, at least one. `store` is the one that earlier reports are in; empty before the first, and
    /// `bound` is the collector then that was asked already, and may hold a report.
    pub(crate) fn new(n_collectors: usize, store: String, bound: Option<usize>, seed: u64) -> Self {
        Self {
            n_collectors: n_collectors.max(1),
            first: 0,
            n_asked: 0,
            n_rounds: 0,
            at_least: Duration::ZERO,
            at_most: AWAY,
            bound: bound.filter(|_| store.is_empty()),
            store,
            random: seed,
        }
    }

    /// The store that is meant, for the request: empty where it is not known, or where there is no choice, so that a
    /// collector whose store was made anew is still the right one.
    pub(crate) fn store(&self) -> &str {
        if self.n_collectors > 1 { &self.store } else { "" }
    }

    /// The next step for the report at hand.
    pub(crate) fn step(&mut self) -> Step {
        if self.n_asked < self.n_to_ask() {
            return Step::Send(self.collector());
        }
        let wait = self.wait();
        self.n_asked = 0;
        self.n_rounds = self.n_rounds.saturating_add(1);
        (self.at_least, self.at_most) = (Duration::ZERO, AWAY);
        Step::Wait(wait)
    }

    /// The collector took the report, into this store. Whether that is another one than before.
    pub(crate) fn taken(&mut self, store: &str) -> bool {
        self.first = self.collector();
        self.settle();
        let is_other = !self.store.is_empty() && !store.is_empty() && self.store != store;
        if !store.is_empty() {
            self.store = store.to_owned();
        }
        is_other
    }

    /// The collector refused the report for good: it is in no store.
    pub(crate) fn refused(&mut self) {
        self.first = self.collector();
        self.settle();
    }

    /// The attempt failed.
    pub(crate) fn failed(&mut self, failure: Failure) {
        if failure.may_have_arrived && self.store.is_empty() {
            self.bound = Some(self.collector());
        }
        self.at_least = self.at_least.max(failure.retry_after.unwrap_or_default().min(ASKED));
        if failure.needs_change {
            self.at_most = WRONG;
        }
        self.n_asked += 1;
    }

    /// Whether no store is known: whoever is asked must be written down before.
    pub(crate) fn is_new(&self) -> bool {
        self.store.is_empty()
    }

    /// There are other collectors from now on. What is known of the store stays; `bound` is the present place of the
    /// collector that was asked before any store was known.
    pub(crate) fn change(&mut self, n_collectors: usize, bound: Option<usize>) {
        self.n_collectors = n_collectors.max(1);
        self.first = 0;
        self.settle();
        self.bound = bound.filter(|_| self.is_new());
    }

    fn settle(&mut self) {
        (self.n_asked, self.n_rounds, self.bound) = (0, 0, None);
        (self.at_least, self.at_most) = (Duration::ZERO, AWAY);
    }

    fn n_to_ask(&self) -> usize {
        if self.bound.is_some() { 1 } else { self.n_collectors }
    }

    fn collector(&self) -> usize {
        self.bound.unwrap_or((self.first + self.n_asked) % self.n_collectors)
    }

    /// Twice as long each round, less a random part up to a half, so that agents do not come back all at once.
    fn wait(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.n_rounds.min(16)).min(self.at_most);
        let share = (self.next_random() >> 11) as f64 / (1u64 << 53) as f64;
        longest.mul_f64(1.0 - share / 2.0).max(self.at_least)
    }

    /// Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY_FOR_SURE: Failure = Failure { may_have_arrived: false, needs_change: false, retry_after: None };
    const UNCERTAIN: Failure = Failure { may_have_arrived: true, needs_change: false, retry_after: None };

    fn fail(courier: &mut Courier, failure: Failure) -> Step {
        courier.failed(failure);
        courier.step()
    }

    fn waits(step: &Step) -> Duration {
        match step {
            Step::Wait(wait) => *wait,
            Step::Send(n) => panic!("sends to {n}"),
        }
    }

    #[test]
    fn waits_grow_differ_by_the_seed_and_end_at_a_limit() {
        let all = |seed| -> Vec<Duration> {
            let mut courier = Courier::new(1, String::new(), None, seed);
            (0..9)
                .map(|_| {
                    assert_eq!(courier.step(), Step::Send(0));
                    waits(&fail(&mut courier, AWAY_FOR_SURE))
                })
                .collect()
        };
        let (one, other) = (all(1), all(2));
        assert!(one != other && one == all(1));
        for (round, wait) in one.iter().enumerate() {
            let longest = FIRST.saturating_mul(1 << round).min(AWAY);
            assert!(*wait <= longest && *wait >= longest / 2, "{round}: {wait:?}");
        }
    }

    #[test]
    fn what_the_collector_asks_for_is_waited_for_within_reason() {
        for (asked_s, want) in [(3, Duration::from_secs(3)), (86_400, ASKED)] {
            let mut courier = Courier::new(1, String::new(), None, 1);
            courier.step();
            let busy = Failure { retry_after: Some(Duration::from_secs(asked_s)), ..UNCERTAIN };
            assert_eq!(waits(&fail(&mut courier, busy)), want);
            courier.step();
            assert!(waits(&fail(&mut courier, UNCERTAIN)) < FIRST * 2, "and not again");
        }
    }

    #[test]
    fn a_report_that_surely_did_not_arrive_goes_to_the_next() {
        let mut courier = Courier::new(3, String::new(), None, 1);
        assert_eq!(courier.step(), Step::Send(0));
        assert_eq!(fail(&mut courier, AWAY_FOR_SURE), Step::Send(1));
        assert!(!courier.taken("s"));
        assert_eq!((courier.step(), courier.store()), (Step::Send(1), "s"), "it stays where it was taken");
    }

    #[test]
    fn before_a_store_is_known_only_who_may_hold_the_report_is_asked_again() {
        let mut courier = Courier::new(2, String::new(), None, 1);
        courier.step();
        waits(&fail(&mut courier, UNCERTAIN));
        assert_eq!(courier.step(), Step::Send(0));
        waits(&fail(&mut courier, AWAY_FOR_SURE));
        assert_eq!(courier.step(), Step::Send(0));
        courier.taken("s");
        assert_eq!(courier.step(), Step::Send(0));
        assert_eq!(fail(&mut courier, UNCERTAIN), Step::Send(1), "now the store is named, and another refuses");
    }

    #[test]
    fn who_was_asked_before_a_crash_is_asked_again_wherever_it_is_now() {
        let mut courier = Courier::new(2, String::new(), Some(1), 1);
        assert_eq!(courier.step(), Step::Send(1));
        waits(&fail(&mut courier, AWAY_FOR_SURE));
        courier.change(3, Some(2));
        assert_eq!(courier.step(), Step::Send(2));
        let mut known = Courier::new(2, "s".into(), Some(1), 1);
        assert_eq!(known.step(), Step::Send(0), "a store that is known is named instead");
    }

    #[test]
    fn all_are_asked_in_a_round_and_the_store_is_named_where_there_is_a_choice() {
        let mut courier = Courier::new(2, "s".into(), None, 1);
        assert_eq!((courier.step(), courier.store()), (Step::Send(0), "s"));
        assert_eq!(fail(&mut courier, UNCERTAIN), Step::Send(1));
        waits(&fail(&mut courier, UNCERTAIN));
        assert_eq!(courier.step(), Step::Send(0));
        let mut alone = Courier::new(1, "s".into(), None, 1);
        assert_eq!(alone.store(), "");
        assert!(alone.taken("t"), "a store made anew is noticed");
    }
}
