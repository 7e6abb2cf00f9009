//! How much a series of counts speaks for a change, in nats. In: counts and what was expected of them. Out: likelihood
//! ratios, and a cumulative sum that remembers since when the evidence grows.
//!
//! A [`Cusum`] adds up the log-likelihood ratio of "changed by the least amount that matters" against "as ever", and
//! restarts at zero (Page 1954). It decides *since when*; whether it is enough is decided by the generalised ratio over
//! that stretch, which grows faster when the change is greater. Everything is divided by the learnt dispersion, so
//! traffic that is burstier than chance needs more.

use pitot_model::Timestamp;

/// What is counted, and which change is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Model {
    /// `k` of `n` requests, expected `e`; a greater share is looked for.
    Ratio {
        /// Least share that matters, as a multiple of the expected one.
        times: f64,
        /// And as an addition to it; the greater of the two counts.
        plus: f64,
    },
    /// `k` requests, expected `e`; this many times as many are looked for. Less than 1 looks for fewer.
    Count(f64),
}

/// A share of errors is off when it trebles and grows by two points.
pub(super) const ERRORS: Model = Model::Ratio { times: 3.0, plus: 0.02 };

/// The share above the baseline's 95 % quantile is off when it is four times that.
pub(super) const SLOW: Model = Model::Ratio { times: 4.0, plus: 0.1 };

/// Counts that evidence is drawn from; they add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    /// Requests looked at; unused by [`Model::Count`].
    pub(super) n: f64,
    /// Those that were off, or all of them for [`Model::Count`].
    pub(super) k: f64,
    /// How many `k` were expected to be.
    pub(super) e: f64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.n += other.n;
        self.k += other.k;
        self.e += other.e;
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self { n: self.n - other.n, k: self.k - other.k, e: self.e - other.e }
    }

    /// More than expected; negative where there were fewer.
    pub(super) fn excess(self) -> f64 {
        self.k - self.e
    }
}

impl Model {
    /// Log-likelihood ratio of the change looked for against none; negative evidence speaks for none.
    pub(super) fn llr(self, c: Counts) -> f64 {
        match self {
            Self::Count(_) if c.e <= 0.0 => 0.0,
            Self::Count(times) => c.k * times.ln() - c.e * (times - 1.0),
            Self::Ratio { .. } if c.n <= 0.0 || c.e <= 0.0 => 0.0,
            Self::Ratio { times, plus } => {
                let p0 = (c.e / c.n).clamp(1e-6, 0.98);
                let p1 = (p0 * times).max(p0 + plus).min(p0 + (1.0 - p0) * 0.9);
                c.k * (p1 / p0).ln() + (c.n - c.k).max(0.0) * ((1.0 - p1) / (1.0 - p0)).ln()
            }
        }
    }

    /// The same against the change that fits best; zero when it went the other way.
    pub(super) fn best(self, c: Counts) -> f64 {
        match self {
            Self::Count(times) => {
                let other_way = (c.k > c.e) != (times > 1.0);
                if c.e <= 0.0 || other_way { 0.0 } else { poisson(c.k, c.e) }
            }
            Self::Ratio { .. } if c.n <= 0.0 || c.k <= c.e => 0.0,
            Self::Ratio { .. } => c.n * divergence(c.k / c.n, (c.e / c.n).clamp(1e-6, 0.98)),
        }
    }

    /// Variance of `k` if nothing but chance is at work.
    pub(super) fn variance(self, c: Counts) -> f64 {
        match self {
            Self::Ratio { .. } if c.n > 0.0 => c.e * (1.0 - c.e / c.n).max(0.0),
            Self::Ratio { .. } => 0.0,
            Self::Count(_) => c.e,
        }
    }
}

/// Evidence that two parts do not have the same share; nats. Source: the G-test of independence, halved.
pub(super) fn apart(a: Counts, b: Counts) -> f64 {
    if a.n <= 0.0 || b.n <= 0.0 {
        return 0.0;
    }
    let p = (a.k + b.k) / (a.n + b.n);
    a.n * divergence(a.k / a.n, p) + b.n * divergence(b.k / b.n, p)
}

fn poisson(k: f64, e: f64) -> f64 {
    let log = if k > 0.0 { k * (k / e).ln() } else { 0.0 };
    log - (k - e)
}

/// Kullback-Leibler divergence of two coins.
fn divergence(q: f64, p: f64) -> f64 {
    let part = |q: f64, p: f64| if q <= 0.0 { 0.0 } else { q * (q / p.max(1e-12)).ln() };
    part(q, p) + part(1.0 - q, 1.0 - p)
}

/// Windows that are looked at as a stretch of their own.
const LAST: usize = 5;

/// Evidence that grows while a series is off, with the stretch of windows it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cusum {
    /// Never below 0 nor above the line.
    sum: f64,
    /// Since `sum` was 0; empty while it is.
    since: Stretch,
    /// The last windows, the newest first; empty ones are left out.
    last: [(Timestamp, Counts); LAST],
    dispersion: Dispersion,
}

/// Windows in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    start: Timestamp,
    total: Counts,
    /// Of the window that speaks loudest in it.
    loudest: Counts,
}

/// A test that crossed its line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crossing {
    /// First window that was off.
    pub(super) start: Timestamp,
    /// Evidence, after dispersion.
    pub(super) nats: f64,
    /// All windows since `start`.
    pub(super) total: Counts,
}

impl Stretch {
    fn add(&mut self, at: Timestamp, model: Model, c: Counts) {
        if self.total == Counts::default() {
            self.start = at;
        }
        self.start = self.start.min(at);
        self.total.add(c);
        if model.best(c) > model.best(self.loudest) {
            self.loudest = c;
        }
    }

    /// One window alone never crosses the line: without its loudest window, a third of the evidence must remain.
    fn crossing(&self, model: Model, spread: f64, line: f64) -> Option<Crossing> {
        let nats = model.best(self.total) / spread;
        let rest = model.best(self.total.minus(self.loudest)) / spread;
        let crosses = model.llr(self.total) > 0.0 && nats >= line && rest >= line / 3.0;
        crosses.then_some(Crossing { start: self.start, nats, total: self.total })
    }
}

impl Cusum {
    /// Adds one window; answers when the line is crossed, by the last few windows or by all since the sum was zero.
    pub(super) fn push(&mut self, at: Timestamp, model: Model, c: Counts, line: f64) -> Option<Crossing> {
        let spread = self.dispersion.factor();
        let llr = model.llr(c) / spread;
        if c != Counts::default() {
            self.last.rotate_right(1);
            self.last[0] = (at, c);
        }
        self.sum = (self.sum + llr).clamp(0.0, line);
        if self.sum == 0.0 {
            self.since = Stretch::default();
            return None;
        }
        self.since.add(at, model, c);
        if llr <= 0.0 {
            return None;
        }
        let mut short = Stretch::default();
        for &(at, c) in &self.last {
            short.add(at, model, c);
            if let Some(crossing) = short.crossing(model, spread, line) {
                return Some(crossing);
            }
        }
        self.since.crossing(model, spread, line)
    }

    /// Forgets the stretch, not the dispersion.
    pub(super) fn reset(&mut self) {
        *self = Self { dispersion: self.dispersion, ..Self::default() };
    }

    /// Whether so much speaks for a change that learning should nearly wait.
    pub(super) fn is_suspicious(&self, line: f64) -> bool {
        self.sum > line / 4.0
    }

    /// Learns how much more than chance the counts vary.
    pub(super) fn learn(&mut self, model: Model, c: Counts, weight: f64, memory: f64) {
        let variance = model.variance(c);
        let squared = c.excess().powi(2);
        // A handful of requests is far off by chance now and then: a small sample teaches only so much.
        let held = squared.min(9.0 * (variance + 0.25));
        let taught = held + (squared - held) * c.e / (c.e + 20.0);
        self.dispersion.learn(taught, variance, weight, memory);
    }
}

/// Variance over the variance of chance, learnt with a prior of 1.
#[derive(Debug, Clone, Copy, Default)]
struct Dispersion {
    seen: f64,
    chance: f64,
}

impl Dispersion {
    /// Windows' worth of variance that the prior stands for.
    const PRIOR: f64 = 10.0;

    fn learn(&mut self, squared: f64, variance: f64, weight: f64, memory: f64) {
        let keep = 1.0 - 1.0 / memory.max(1.0);
        self.seen = self.seen * keep + squared * weight;
        self.chance = self.chance * keep + variance * weight;
    }

    fn factor(self) -> f64 {
        ((self.seen + Self::PRIOR) / (self.chance + Self::PRIOR)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: f64 = 24.0;

    fn crossed_at(model: Model, windows: &[Counts]) -> Option<(usize, i64)> {
        let mut cusum = Cusum::default();
        windows.iter().enumerate().find_map(|(i, &c)| {
            let crossing = cusum.push(Timestamp::from_secs(i as i64), model, c, LINE)?;
            Some((i, crossing.start.as_secs()))
        })
    }

    fn ratio(n: f64, k: f64) -> Counts {
        Counts { n, k, e: n * 0.05 }
    }

    #[test]
    fn evidence_weighs_the_sample() {
        let quiet = [ratio(12.0, 0.0); 5];
        for (name, model, windows, want) in [
            ("six slow requests prove nothing", SLOW, vec![ratio(6.0, 6.0)], None),
            ("one loud window is a blip", SLOW, [vec![ratio(50.0, 50.0)], quiet.to_vec()].concat(), None),
            ("two are not", SLOW, [quiet.to_vec(), vec![ratio(12.0, 12.0); 2]].concat(), Some((6, 5))),
            ("thin traffic takes longer", SLOW, vec![ratio(2.0, 2.0); 9], Some((4, 0))),
            ("as ever", SLOW, vec![ratio(100.0, 5.0); 50], None),
            ("a little more is not told", SLOW, vec![ratio(10_000.0, 700.0); 50], None),
            ("a flood", Model::Count(5.0), vec![Counts { n: 0.0, k: 60.0, e: 1.0 }; 3], Some((1, 0))),
            ("silence", Model::Count(1.0 / 3.0), vec![Counts { n: 0.0, k: 0.0, e: 12.0 }; 3], Some((1, 0))),
            ("a third more", Model::Count(3.0), vec![Counts { n: 0.0, k: 1300.0, e: 1000.0 }; 50], None),
            ("nothing expected", Model::Count(3.0), vec![Counts { n: 0.0, k: 5.0, e: 0.0 }; 9], None),
        ] {
            assert_eq!(crossed_at(model, &windows), want, "{name}");
        }
    }

    #[test]
    fn bursty_traffic_needs_more() {
        let mut cusum = Cusum::default();
        let model = Model::Count(3.0);
        for _ in 0..100 {
            cusum.learn(model, Counts { n: 0.0, k: 40.0, e: 10.0 }, 1.0, 360.0);
        }
        let c = Counts { n: 0.0, k: 40.0, e: 10.0 };
        let crossing = (0..3).find_map(|i| cusum.push(Timestamp::from_secs(i), model, c, LINE));
        assert_eq!(crossing, None);
    }

    #[test]
    fn parts_with_equal_shares_are_not_apart() {
        let c = |n: f64, k: f64| Counts { n, k, e: 0.0 };
        assert!(apart(c(50.0, 20.0), c(50.0, 20.0)) < 1e-9);
        assert!(apart(c(50.0, 20.0), c(50.0, 0.0)) > 10.0);
        assert_eq!(apart(c(50.0, 20.0), c(0.0, 0.0)), 0.0);
    }
}
