//! Levels of detail: how wide the slots are and how long each is kept. In: configuration. Out: checked levels.

use std::time::Duration;

use pitot_model::{Timestamp, show_duration};
use serde::{Deserialize, Serialize};

/// Levels of detail, finest first; every width is a multiple of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(Vec<Level>);

/// One level of detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Width of its slots, aligned to the epoch.
    pub width: Duration,
    /// How long a slot is kept after it ended; `None` for ever.
    pub keep: Option<Duration>,
}

/// How long each level is kept. `"0s"` keeps for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// The finest windows; 6 h, what an incident in progress needs.
    #[serde(with = "crate::duration_text")]
    pub finest: Duration,
    /// Slots of a minute; 3 days, a weekend.
    #[serde(with = "crate::duration_text")]
    pub minute: Duration,
    /// Slots of ten minutes; 30 days, the usual period of an objective.
    #[serde(with = "crate::duration_text")]
    pub ten_minutes: Duration,
    /// Slots of an hour; 400 days, so that this month can be compared with the same a year ago. Reports older than
    /// this are refused.
    #[serde(with = "crate::duration_text")]
    pub hour: Duration,
}

impl Retention {
    /// Everything for ever; for files that are read once.
    pub const FOR_EVER: Self =
        Self { finest: Duration::ZERO, minute: Duration::ZERO, ten_minutes: Duration::ZERO, hour: Duration::ZERO };
}

impl Default for Retention {
    fn default() -> Self {
        let hours = |n: u64| Duration::from_secs(n * 3_600);
        Self { finest: hours(6), minute: hours(3 * 24), ten_minutes: hours(30 * 24), hour: hours(400 * 24) }
    }
}

/// Levels that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// The width does not divide a minute.
    #[error("`window = \"{}\"` does not divide a minute; use 1s, 2s, 5s, 10s, 15s, 20s, 30s or 1m", show_duration(*.0))]
    Window(Duration),
    /// A coarser level would be forgotten before a finer one.
    #[error("`retention` is shorter for a coarser level than for a finer one; keep coarser levels at least as long")]
    Retention,
}

impl Levels {
    /// `window`, a minute, ten minutes, an hour; `window` must divide a minute.
    pub fn new(window: Duration, retention: &Retention) -> Result<Self, LevelsError> {
        let minute = Duration::from_secs(60);
        let divides = window >= Duration::from_millis(100) && minute.as_micros().is_multiple_of(window.as_micros());
        if !divides {
            return Err(LevelsError::Window(window));
        }
        let keep = |d: Duration| (!d.is_zero()).then_some(d);
        let mut levels = vec![Level { width: window, keep: keep(retention.finest) }];
        for (width, kept) in
            [(minute, retention.minute), (10 * minute, retention.ten_minutes), (60 * minute, retention.hour)]
        {
            if width > window {
                levels.push(Level { width, keep: keep(kept) });
            }
        }
        let outlives = |a: &Level, b: &Level| b.keep.is_none_or(|b| a.keep.is_some_and(|a| a <= b));
        if !levels.windows(2).all(|pair| outlives(&pair[0], &pair[1])) {
            return Err(LevelsError::Retention);
        }
        Ok(Self(levels))
    }

    /// All of them, finest first; never empty.
    pub fn all(&self) -> &[Level] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: there is always the finest one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Width of a level's slots.
    pub fn width(&self, level: usize) -> Duration {
        self.0[level].width
    }

    /// Width of the finest slots.
    pub fn finest(&self) -> Duration {
        self.0[0].width
    }

    /// The first moment that is still worth storing; `None` when everything is.
    pub fn oldest(&self, now: Timestamp) -> Option<Timestamp> {
        self.0[self.0.len() - 1].keep.map(|keep| now - keep)
    }

    /// What ends at or before this moment is to be dropped from a level; `None` when nothing is.
    pub fn cutoff(&self, level: usize, now: Timestamp) -> Option<Timestamp> {
        let Level { width, keep } = self.0[level];
        keep.map(|keep| (now - keep).floor(width))
    }

    /// Whether the slots are as wide as those of others.
    pub fn has_widths_of(&self, others: &Self) -> bool {
        self.0.iter().map(|l| l.width).eq(others.0.iter().map(|l| l.width))
    }

    /// The finest level that still keeps what started at this moment; the coarsest for what none keeps.
    pub fn first_kept(&self, start: Timestamp, now: Timestamp) -> usize {
        let keeps = |level: &usize| self.cutoff(*level, now).is_none_or(|cutoff| start >= cutoff);
        (0..self.len()).find(keeps).unwrap_or(self.len() - 1)
    }

    /// The widths, for people and for the mark in the store: `10.0s, 1m00s, 10m00s, 1h00m`.
    pub fn describe(&self) -> String {
        self.0.iter().map(|l| show_duration(l.width)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_must_divide_a_minute() {
        for (ms, levels) in [(1_000, Some(4)), (10_000, Some(4)), (60_000, Some(3)), (7_000, None), (0, None)] {
            let got = Levels::new(Duration::from_millis(ms), &Retention::default()).ok();
            assert_eq!(got.map(|l| l.len()), levels, "{ms}");
        }
    }

    #[test]
    fn what_is_older_is_kept_more_coarsely() {
        let levels = Levels::new(Duration::from_secs(10), &Retention::default()).expect("fits");
        let (hour, now) = (3_600, 500 * 86_400);
        for (ago, want) in [
            (0, 0),
            (6 * hour, 0),
            (6 * hour + 1, 1),
            (72 * hour, 1),
            (72 * hour + 1, 2),
            (30 * 24 * hour + 1, 3),
            (400 * 24 * hour, 3),
            (450 * 24 * hour, 3),
        ] {
            let (start, now) = (Timestamp::from_secs(now - ago), Timestamp::from_secs(now));
            assert_eq!(levels.first_kept(start, now), want, "{ago}");
        }
        let for_ever = Levels::new(Duration::from_secs(10), &Retention::FOR_EVER).expect("fits");
        assert_eq!(for_ever.first_kept(Timestamp::EPOCH, Timestamp::from_secs(now)), 0);
    }

    #[test]
    fn coarser_levels_outlive_finer_ones() {
        let short = Retention { hour: Duration::from_secs(60), ..Retention::default() };
        assert_eq!(Levels::new(Duration::from_secs(10), &short), Err(LevelsError::Retention));
        assert!(Levels::new(Duration::from_secs(10), &Retention::FOR_EVER).is_ok());
        let mixed = Retention { minute: Duration::ZERO, ..Retention::default() };
        assert_eq!(Levels::new(Duration::from_secs(10), &mixed), Err(LevelsError::Retention));
    }
}
