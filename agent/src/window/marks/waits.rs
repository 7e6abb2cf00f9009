//! Who was asked to wait until when, and whether they did.
//!
//! In: answers with `Retry-After`, then the requests that follow. Out: what became of them. Only what is certain is judged:
//! logs tell whole seconds, and a request may have been on its way when the answer was written.

use std::{
    hash::{BuildHasher, Hash},
    time::Duration,
};

use hashbrown::{DefaultHashBuilder, HashMap};
use pitot_model::Timestamp;

use crate::budget;

/// Numbers of the route and the consumer.
type Pair = (u32, u32);

/// Those who were asked to wait and did not come back yet.
#[derive(Debug, Default)]
pub(super) struct Waits {
    until: HashMap<Pair, Wait>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    /// Of the names behind the numbers.
    names: u64,
    asked: Timestamp,
    until: Timestamp,
}

/// How somebody came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retried {
    /// So many seconds too early, rounded up.
    Early(u64),
    /// Not before the time was over.
    InTime,
}

const SECOND: Duration = Duration::from_secs(1);

impl Waits {
    /// Whether nobody was asked.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Someone was asked to wait from this moment on. The latest word counts.
    pub(super) fn ask(&mut self, pair: Pair, names: impl Hash, asked: Timestamp, wait: Duration) {
        if self.until.len() >= budget::WAITS && !self.until.contains_key(&pair) {
            self.make_room();
        }
        let names = self.hasher.hash_one(names);
        self.until.insert(pair, Wait { names, asked, until: asked + wait });
    }

    /// What a request that ended at this moment, and took so long, tells of a wait. Those that come too early do not end it.
    pub(super) fn judge(
        &mut self,
        pair: Pair,
        names: impl Hash,
        ended: Timestamp,
        duration: Duration,
    ) -> Option<Retried> {
        let wait = *self.until.get(&pair)?;
        if wait.names != self.hasher.hash_one(names) {
            self.until.remove(&pair);
            return None;
        }
        // Each moment lies between the one that is told and a second later, where whole seconds are told.
        let began = ended - duration;
        let began_latest = began + unsure(ended);
        if began_latest >= wait.until {
            self.until.remove(&pair);
            return Some(Retried::InTime);
        }
        let is_after = began >= wait.asked + unsure(wait.asked);
        let by = wait.until.since(began_latest).as_micros().div_ceil(SECOND.as_micros());
        is_after.then_some(Retried::Early(u64::try_from(by).unwrap_or(u64::MAX)))
    }

    /// Forgets everybody: numbers stand for other names from here on.
    pub(super) fn clear(&mut self) {
        self.until.clear();
    }

    /// Forgets the half of them that was asked the longest ago.
    fn make_room(&mut self) {
        let mut asked: Vec<Timestamp> = self.until.values().map(|wait| wait.asked).collect();
        let (_, median, _) = asked.select_nth_unstable(self.until.len() / 2);
        let median = *median;
        self.until.retain(|_, wait| wait.asked > median);
    }
}

/// How much later it may have been than what is told.
fn unsure(told: Timestamp) -> Duration {
    if told.as_micros() % 1_000_000 == 0 { SECOND } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn only_what_is_certain_is_judged() {
        // Asked at, to wait so many seconds; the request that follows: when it ended and how long it took.
        for (asked, wait_s, ended, ms, want) in [
            (100_500, 10, 101_500, 5, Some(Retried::Early(10))),
            (100_500, 10, 110_499, 5, Some(Retried::Early(1))),
            (100_500, 10, 110_600, 50, Some(Retried::InTime)),
            (100_500, 10, 110_600, 150, Some(Retried::Early(1))),
            // It was on its way already.
            (100_500, 10, 100_600, 200, None),
            // Whole seconds: within the first one nothing is known of the order.
            (100_000, 10, 100_000, 1, None),
            (100_000, 10, 102_000, 1, Some(Retried::Early(8))),
            (100_000, 10, 110_000, 800, Some(Retried::InTime)),
            (100_000, 1, 101_000, 300, Some(Retried::InTime)),
            (100_500, 0, 100_600, 1, Some(Retried::InTime)),
        ] {
            let mut waits = Waits::default();
            waits.ask((1, 2), "n", at(asked), Duration::from_secs(wait_s));
            let got = waits.judge((1, 2), "n", at(ended), Duration::from_millis(ms));
            assert_eq!(got, want, "{asked} {wait_s} {ended} {ms}");
            assert_eq!(waits.is_empty(), want == Some(Retried::InTime), "only the end of a wait ends it");
        }
    }

    #[test]
    fn numbers_that_were_given_to_others_are_not_judged() {
        let mut waits = Waits::default();
        waits.ask((1, 2), "acme", at(100_500), Duration::from_secs(10));
        assert_eq!(waits.judge((1, 2), "beta", at(101_500), Duration::ZERO), None);
        assert!(waits.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_latest() {
        let mut waits = Waits::default();
        let n = 3 * budget::WAITS as u32;
        for i in 0..n {
            waits.ask((0, i), i, at(i64::from(i)), Duration::from_secs(60));
            assert!(waits.until.len() <= budget::WAITS);
        }
        assert!(waits.until.contains_key(&(0, n - 1)) && !waits.until.contains_key(&(0, 0)));
    }
}
