//! What to read: the smallest cube that can answer, and the coarsest slots that tile the range.
//!
//! In: a filter, a grouping, a range as typed. Out: a [`Plan`]. A range that a finer level has begun to forget is
//! rounded to the next coarser one that still holds it, and the answer states the range that it stands for.

use std::time::Duration;

use pitot_model::{
    TimeRange, Timestamp,
    api::GroupBy,
    budget,
    filter::{Expr, Field},
};

use super::{Context, QueryError, needs};
use crate::store::{Cube, Store};

/// The range of a question without `from`.
const DEFAULT_RANGE: Duration = Duration::from_secs(15 * 60);

/// Points of a series when nobody says how wide they are: fills a screen.
pub(super) const POINTS: u64 = 120;

/// The latest moment that can be written in RFC 3339, to the hour.
const LATEST: Timestamp = Timestamp::from_secs(253_402_200_000);

/// Widths of steps that people like, in seconds.
const NICE_S: [u64; 22] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 1_209_600, 2_592_000,
];

/// What to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) cube: Cube,
    /// What the answer stands for: whole slots, and whole steps where there are steps.
    pub(super) range: TimeRange,
    /// Width of a step; `None` where the whole range is summed.
    pub(super) step: Option<Duration>,
    /// Disjoint pieces of `range`, each with the level to read it from.
    pub(super) pieces: Vec<(usize, TimeRange)>,
}

impl Plan {
    /// How many steps there are; 1 without steps.
    pub(super) fn n_steps(&self) -> usize {
        self.step.map_or(1, |step| count_steps(self.range, step) as usize)
    }

    /// Start of a step.
    pub(super) fn step_start(&self, idx: usize) -> Timestamp {
        self.range.from + self.step.unwrap_or_default() * u32::try_from(idx).unwrap_or(u32::MAX)
    }

    /// Index of the step that holds a moment of the range.
    pub(super) fn step_idx(&self, at: Timestamp) -> usize {
        self.step.map_or(0, |step| (at.since(self.range.from).as_micros() / step.as_micros()) as usize)
    }
}

/// A plan for one sum over the range.
pub(super) fn whole(cx: Context<'_>, expr: &Expr, by: GroupBy, asked: Asked) -> Result<Plan, QueryError> {
    let asked = asked.range(cx.now)?;
    let (level, range) = complete(cx.store, asked, |level| Ok(cx.store.levels().width(level)))?;
    let mut pieces = Vec::new();
    tile(cx.store, range, cx.store.levels().len() - 1, level, &mut pieces);
    Ok(Plan { cube: cube(expr, by), range, step: None, pieces })
}

/// A plan for a sum per step.
pub(super) fn stepped(
    cx: Context<'_>,
    expr: &Expr,
    by: GroupBy,
    asked: Asked,
    step_ms: Option<u64>,
) -> Result<Plan, QueryError> {
    stepped_to(cx, expr, by, asked, step_ms, POINTS)
}

/// As [`stepped`], with about so many points when nobody says how wide they are.
pub(super) fn stepped_to(
    cx: Context<'_>,
    expr: &Expr,
    by: GroupBy,
    asked: Asked,
    step_ms: Option<u64>,
    points: u64,
) -> Result<Plan, QueryError> {
    let levels = cx.store.levels();
    let wanted = asked.range(cx.now)?;
    let step_at = |level: usize| step(wanted, levels.width(level), step_ms, points);
    let (level, range) = complete(cx.store, wanted, step_at)?;
    let step = step_at(level)?;
    let n_steps = count_steps(range, step);
    if n_steps > budget::ANSWER_ROWS as u64 {
        return Err(QueryError::Steps(n_steps));
    }
    let divides = |l: &usize| step.as_micros().is_multiple_of(levels.width(*l).as_micros());
    let coarsest = (level..levels.len()).rfind(divides).unwrap_or(level);
    let mut pieces = Vec::new();
    tile(cx.store, range, coarsest, level, &mut pieces);
    Ok(Plan { cube: cube(expr, by), range, step: Some(step), pieces })
}

/// The bounds of a question as typed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Asked {
    fn range(self, now: Timestamp) -> Result<TimeRange, QueryError> {
        let to = self.to.unwrap_or(now).min(LATEST);
        let from = self.from.unwrap_or(to - DEFAULT_RANGE).max(Timestamp::EPOCH);
        if to <= from { Err(QueryError::Range { from, to }) } else { Ok(TimeRange::new(from, to)) }
    }
}

/// The finest level that still holds all of the range, and the range rounded outward to `unit` of that level. Where
/// none holds it, the coarsest, and what is left of the range.
fn complete(
    store: &dyn Store,
    asked: TimeRange,
    unit: impl Fn(usize) -> Result<Duration, QueryError>,
) -> Result<(usize, TimeRange), QueryError> {
    let last = store.levels().len() - 1;
    for level in 0..=last {
        let unit = unit(level)?;
        let range = TimeRange::new(asked.from.floor(unit), asked.to.ceil(unit));
        if store.horizon(level) <= range.from {
            return Ok((level, range));
        }
        if level == last {
            let from = store.horizon(level).ceil(unit).min(range.to);
            return Ok((level, TimeRange::new(from, range.to)));
        }
    }
    Err(QueryError::Range { from: asked.from, to: asked.to })
}

/// Cuts a range that is aligned to `finest` into slots as coarse as `level` allows.
fn tile(store: &dyn Store, range: TimeRange, level: usize, finest: usize, pieces: &mut Vec<(usize, TimeRange)>) {
    if range.is_empty() {
        return;
    }
    let width = store.levels().width(level);
    let inner = TimeRange::new(range.from.ceil(width), range.to.floor(width));
    if level <= finest {
        pieces.push((level, range));
    } else if inner.is_empty() {
        tile(store, range, level - 1, finest, pieces);
    } else {
        tile(store, TimeRange::new(range.from, inner.from), level - 1, finest, pieces);
        pieces.push((level, inner));
        tile(store, TimeRange::new(inner.to, range.to), level - 1, finest, pieces);
    }
}

fn cube(expr: &Expr, by: GroupBy) -> Cube {
    let fields = expr.fields();
    let (routes, consumers) = needs(by);
    let routes = routes || fields.iter().any(|f| matches!(f, Field::Route | Field::Method | Field::Api));
    let consumers = consumers || fields.iter().any(|f| matches!(f, Field::Consumer | Field::Evidence | Field::Group));
    match (routes, consumers) {
        (true, true) => Cube::Full,
        (false, true) => Cube::Consumers,
        (_, false) => Cube::Routes,
    }
}

fn step(range: TimeRange, width: Duration, asked_ms: Option<u64>, points: u64) -> Result<Duration, QueryError> {
    let wanted = match asked_ms {
        Some(ms @ (0 | 31_536_000_001..)) => {
            let accepted = "1 to 31536000000, a year".to_owned();
            return Err(QueryError::Parameter { name: "step_ms", got: ms, accepted });
        }
        Some(ms) => Duration::from_millis(ms),
        None => nice(range, width, points),
    };
    let n = wanted.as_micros().div_ceil(width.as_micros()).max(1);
    Ok(Duration::from_micros((n * width.as_micros()) as u64))
}

/// The least step people like that is whole slots and gives at most so many points, if there is one.
fn nice(range: TimeRange, width: Duration, points: u64) -> Duration {
    let ideal = Duration::from_micros((range.len().as_micros() as u64).div_ceil(points));
    let fits = |d: &Duration| *d >= ideal && d.as_micros().is_multiple_of(width.as_micros());
    NICE_S.into_iter().map(Duration::from_secs).find(fits).unwrap_or(ideal)
}

fn count_steps(range: TimeRange, step: Duration) -> u64 {
    (range.len().as_micros().div_ceil(step.as_micros())) as u64
}

#[cfg(test)]
mod tests {
    use pitot_model::filter::parse;

    use super::*;
    use crate::store::{
        Memory,
        contract::{at, levels, put, range},
    };

    #[test]
    fn the_smallest_cube_that_can_answer() {
        for (q, by, want) in [
            ("", GroupBy::None, Cube::Routes),
            ("service:a status:5xx", GroupBy::Version, Cube::Routes),
            ("", GroupBy::Consumer, Cube::Consumers),
            ("consumer:a", GroupBy::Service, Cube::Consumers),
            ("evidence:key OR method:GET", GroupBy::None, Cube::Full),
            ("consumer:a", GroupBy::Route, Cube::Full),
            ("api:v1 consumer:a", GroupBy::None, Cube::Full),
        ] {
            assert_eq!(cube(&parse(q).expect("parses"), by), want, "{q} {by:?}");
        }
    }

    fn plan(store: &dyn Store, from: i64, to: i64, step_ms: Option<u64>) -> Result<Plan, QueryError> {
        let cx = Context { store, now: at(0), watermark: at(0) };
        let asked = Asked { from: Some(at(from)), to: Some(at(to)) };
        match step_ms {
            None => whole(cx, &Expr::All, GroupBy::None, asked),
            Some(ms) => stepped(cx, &Expr::All, GroupBy::None, asked, Some(ms).filter(|ms| *ms > 0)),
        }
    }

    #[test]
    fn pieces_tile_the_range() {
        let store = Memory::new(levels());
        for (from, to, want) in [
            (0, 60, vec![(1, range(0, 60))]),
            (1, 59, vec![(1, range(0, 60))]),
            (10, 50, vec![(0, range(10, 50))]),
            (50, 130, vec![(0, range(50, 60)), (1, range(60, 120)), (0, range(120, 130))]),
            (3_540, 7_260, vec![(1, range(3_540, 3_600)), (3, range(3_600, 7_200)), (1, range(7_200, 7_260))]),
        ] {
            assert_eq!(plan(&store, from, to, None).expect("plans").pieces, want, "{from} {to}");
        }
    }

    #[test]
    fn steps_bound_the_coarseness() {
        let store = Memory::new(levels());
        for (to, step_ms, step_s, level, n_steps) in [
            (3_600, 1, 10, 0, 360),
            (3_600, 60_000, 60, 1, 60),
            (3_600, 90_000, 90, 0, 40),
            (3_600, 0, 30, 0, 120),
            (86_400, 0, 1_200, 2, 72),
            (100, 60_000, 60, 1, 2),
        ] {
            let p = plan(&store, 0, to, Some(step_ms)).expect("plans");
            let got = (p.step.map(|s| s.as_secs()), p.pieces.iter().map(|x| x.0).max(), p.n_steps());
            assert_eq!(got, (Some(step_s), Some(level), n_steps), "{to} {step_ms}");
        }
        assert!(matches!(plan(&store, 0, 864_000, Some(10_000)), Err(QueryError::Steps(86_400))));
    }

    #[test]
    fn a_forgotten_level_is_not_read() {
        let mut store = Memory::new(levels());
        put(&mut store, 1, &[(0, 1), (30_000, 1)]);
        store.forget(at(8 * 3_600)).expect("forgets");
        assert_eq!(store.horizon(0), at(7_200));
        let old = plan(&store, 65, 30_005, None).expect("plans");
        assert_eq!(old.range, range(60, 30_060), "rounded to minutes");
        assert!(old.pieces.iter().all(|(level, _)| *level >= 1));
        assert_eq!(plan(&store, 7_205, 30_005, None).expect("plans").range, range(7_200, 30_010));
        store.forget(at(401 * 86_400)).expect("forgets");
        let gone = plan(&store, 0, 90_000, None).expect("plans");
        assert_eq!(gone.range, range(86_400, 90_000), "what is left of it");
    }
}
