//! A report's view over time: at most [`budget::TIMELINE_STEPS`] equal steps, whose width grows with the range.
//!
//! In: rows. Out: [`TimePoint`]s. The width depends on the first and the last moment alone, not on the order of rows.

use std::collections::BTreeMap;

use pitot_model::{Sketch, TimeRange, Timestamp, api::Quantiles, api::TimePoint};

use super::{
    batch::{NO_TIME, Row, UNKNOWN},
    group::{DenseBudget, Recorder},
};
use crate::budget;

#[derive(Debug)]
pub(super) struct Timeline {
    /// Seconds per step.
    step_s: i64,
    /// By number of the step since the epoch.
    steps: BTreeMap<i64, Step>,
    /// The step that rows go into, taken out of `steps`; logs are mostly in order.
    hot: Option<Hot>,
    /// First and last moment in microseconds; empty while `first > last`.
    first_us: i64,
    last_us: i64,
}

/// A step with a recorder that may be dense.
#[derive(Debug)]
struct Hot {
    number: i64,
    /// Its first moment, and the first one behind it; so that no row needs a division.
    start_us: i64,
    end_us: i64,
    step: Step,
    recorder: Recorder,
    dense: DenseBudget,
}

#[derive(Debug, Default, Clone)]
struct Step {
    count: u64,
    server_errors: u64,
    client_errors: u64,
    response_bytes: u64,
    duration: Sketch,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { step_s: 1, steps: BTreeMap::new(), hot: None, first_us: i64::MAX, last_us: i64::MIN }
    }
}

impl Timeline {
    #[inline]
    pub(super) fn add(&mut self, row: &Row) {
        if row.ended_us == NO_TIME {
            return;
        }
        if row.ended_us < self.first_us || row.ended_us > self.last_us {
            self.widen(row.ended_us);
        }
        match &mut self.hot {
            Some(hot) if (hot.start_us..hot.end_us).contains(&row.ended_us) => hot.add(row),
            _ => self.turn_to(row.ended_us).add(row),
        }
    }

    /// Makes the step that a moment lies in the hot one.
    fn turn_to(&mut self, us: i64) -> &mut Hot {
        self.cool();
        let width_us = self.step_s * 1_000_000;
        let number = us.div_euclid(width_us);
        let mut step = self.steps.remove(&number).unwrap_or_default();
        let recorder = Recorder::new(std::mem::take(&mut step.duration));
        let start_us = number * width_us;
        let dense = DenseBudget::one(DENSE_FROM);
        self.hot.insert(Hot { number, start_us, end_us: start_us + width_us, step, recorder, dense })
    }

    /// From the first to behind the last moment, to the microsecond.
    pub(super) fn range(&self) -> Option<TimeRange> {
        let end = Timestamp::from_micros(self.last_us.saturating_add(1));
        (self.first_us <= self.last_us).then(|| TimeRange::new(Timestamp::from_micros(self.first_us), end))
    }

    pub(super) fn step_s(&self) -> u64 {
        self.step_s as u64
    }

    /// All steps between the first and the last, empty ones too.
    pub(super) fn points(&mut self) -> Vec<TimePoint> {
        self.cool();
        let (Some((&first, _)), Some((&last, _))) = (self.steps.first_key_value(), self.steps.last_key_value()) else {
            return Vec::new();
        };
        (first..=last).map(|number| self.point(number)).collect()
    }

    fn point(&self, number: i64) -> TimePoint {
        let step = self.steps.get(&number).cloned().unwrap_or_default();
        TimePoint {
            at: Timestamp::from_secs(number * self.step_s),
            count: step.count,
            server_errors: step.server_errors,
            client_errors: step.client_errors,
            response_bytes: step.response_bytes,
            duration_us: Quantiles::of(&step.duration),
            bands: bands(&step.duration),
        }
    }

    fn widen(&mut self, us: i64) {
        self.first_us = self.first_us.min(us);
        self.last_us = self.last_us.max(us);
        // However they lie, one more step is enough for this span.
        let sure_us = (budget::TIMELINE_STEPS as i64 - 1) * self.step_s * 1_000_000;
        if self.last_us - self.first_us < sure_us {
            return;
        }
        let steps = |step_s: i64| {
            let number = |us: i64| us.div_euclid(step_s * 1_000_000);
            number(self.last_us) - number(self.first_us) + 1
        };
        let mut step_s = self.step_s;
        while steps(step_s) > budget::TIMELINE_STEPS as i64 {
            step_s = wider(step_s);
        }
        if step_s == self.step_s {
            return;
        }
        self.cool();
        let ratio = step_s / self.step_s;
        for (number, step) in std::mem::take(&mut self.steps) {
            self.steps.entry(number.div_euclid(ratio)).or_default().absorb(&step);
        }
        self.step_s = step_s;
    }

    fn cool(&mut self) {
        if let Some(Hot { number, mut step, recorder, .. }) = self.hot.take() {
            step.duration = recorder.into_sketch();
            self.steps.entry(number).or_default().absorb(&step);
        }
    }
}

/// The next width that reads well and that this one divides: seconds, minutes, hours, then days, doubling.
fn wider(step_s: i64) -> i64 {
    const LADDER: [i64; 13] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];
    LADDER.into_iter().find(|&s| s > step_s).unwrap_or(2 * step_s)
}

/// Values of a step from which on it is dense. A step is dense for a short time and is the only one, so this is less
/// than elsewhere: what it costs to make one and to read it out.
const DENSE_FROM: u64 = 512;

impl Hot {
    #[inline]
    fn add(&mut self, row: &Row) {
        let step = &mut self.step;
        step.count += 1;
        step.server_errors += u64::from(row.status.is_server_error());
        step.client_errors += u64::from(row.status.is_client_error());
        step.response_bytes = step.response_bytes.saturating_add(row.response_bytes);
        if row.duration_us != UNKNOWN {
            self.recorder.record(row.duration_us, &mut self.dense);
        }
    }
}

impl Step {
    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.server_errors += other.server_errors;
        self.client_errors += other.client_errors;
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.duration.merge(&other.duration);
    }
}

/// Transactions by band, four bands to a power of ten, the last from 100 s on; empty bands left out.
fn bands(sketch: &Sketch) -> Vec<(u64, u64)> {
    const MANTISSAS: [u64; 4] = [100, 178, 316, 562];
    let mut bounds = vec![0];
    bounds.extend((0..6u32).flat_map(|power| MANTISSAS.map(|m| m * 10u64.pow(power))).chain([100_000_000]));
    let mut out: Vec<(u64, u64)> = Vec::new();
    for bucket in sketch.buckets() {
        let at = bounds.partition_point(|b| *b <= bucket.low_us).saturating_sub(1);
        match out.last_mut() {
            Some((low, n)) if *low == bounds[at] => *n += bucket.count,
            _ => out.push((bounds[at], bucket.count)),
        }
    }
    out
}
