//! `GET /api/v1/heatmap`: how many transactions took how long, per step. In: a query. Out: columns of bands.
//!
//! The bands reach from the least to the greatest duration of the range, each rounded outward to 1, 2 or 5 times a power
//! of ten, so that the map does not jump while new data comes in.

use pitot_model::{
    Sketch,
    api::{GroupBy, HeatMap, HeatMapQuery, RowKey},
};

use super::{
    Context, QueryError, filter,
    gather::{Groups, gather},
    plan::{self, Asked},
};

/// Bands when nobody says how many.
const BANDS: usize = 24;

/// Bands of an empty map: from a millisecond to ten seconds.
const EMPTY_US: (u64, u64) = (1_000, 10_000_000);

/// Answers a heat map query.
pub fn heatmap(cx: Context<'_>, query: &HeatMapQuery) -> Result<HeatMap, QueryError> {
    let expr = filter(&query.q)?;
    let n_bands = match query.bands.unwrap_or(BANDS) {
        n @ 1..=200 => n,
        n => return Err(QueryError::Parameter { name: "bands", got: n as u64, accepted: "1 to 200".into() }),
    };
    let plan = plan::stepped(cx, &expr, GroupBy::None, Asked { from: query.from, to: query.to }, query.step_ms)?;
    let mut columns = vec![Sketch::new(); plan.n_steps()];
    let mut groups = Groups::only(vec![RowKey::default()]);
    gather(cx, &plan, &expr, GroupBy::None, &mut groups, &mut |_, at, cell| {
        if let Some(column) = columns.get_mut(plan.step_idx(at)) {
            column.merge(&cell.stats.duration);
        }
    })?;
    let bounds_us = bounds(&columns, n_bands);
    Ok(HeatMap {
        range: plan.range,
        step_ms: plan.step.map_or(0, |s| s.as_millis() as u64),
        columns: columns.iter().map(|column| bands(column, &bounds_us)).collect(),
        bounds_us,
    })
}

/// Transactions by band. A histogram's bucket counts where its least value lies.
fn bands(column: &Sketch, bounds_us: &[u64]) -> Vec<u64> {
    let mut out = vec![0; bounds_us.len() - 1];
    for bucket in column.buckets() {
        let above = bounds_us.partition_point(|b| *b <= bucket.low_us);
        let band = above.saturating_sub(1).min(out.len() - 1);
        out[band] = bucket.count.saturating_add(out[band]);
    }
    out
}

/// One more than bands, strictly ascending.
fn bounds(columns: &[Sketch], n_bands: usize) -> Vec<u64> {
    let least = columns.iter().filter_map(Sketch::min_us).min();
    let greatest = columns.iter().filter_map(Sketch::max_us).max();
    let (low, high) = least.zip(greatest).map_or(EMPTY_US, |(l, h)| (round_down(l.max(1)), round_up(h.max(1))));
    let ratio = high as f64 / low as f64;
    let mut out: Vec<u64> = Vec::with_capacity(n_bands + 1);
    for i in 0..=n_bands {
        let bound = (low as f64 * ratio.powf(i as f64 / n_bands as f64)).round() as u64;
        out.push(out.last().map_or(bound, |last| bound.max(last + 1)));
    }
    out
}

fn round_down(us: u64) -> u64 {
    let power = 10_u64.pow(us.ilog10());
    match us / power {
        1 => power,
        2..=4 => 2 * power,
        _ => 5 * power,
    }
}

/// Above `us`, so that the greatest duration lies inside the last band.
fn round_up(us: u64) -> u64 {
    let power = 10_u64.pow(us.ilog10());
    match us / power {
        1 => 2 * power,
        2..=4 => 5 * power,
        _ => 10 * power,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ascend_and_hold_all_values() {
        for values in [vec![], vec![0], vec![5, 7], vec![1_000, 3_600_000_000], vec![999, 1_000, 1_001]] {
            let mut s = Sketch::new();
            values.iter().for_each(|v| s.record(*v));
            for n in [1, 2, 24, 200] {
                let bounds = bounds(std::slice::from_ref(&s), n);
                assert_eq!(bounds.len(), n + 1);
                assert!(bounds.is_sorted_by(|a, b| a < b), "{values:?} {n}");
                let bands = bands(&s, &bounds);
                assert_eq!(bands.iter().sum::<u64>(), values.len() as u64, "{values:?} {n}");
            }
        }
    }

    #[test]
    fn limits_are_round() {
        for (us, down, up) in [(1, 1, 2), (7, 5, 10), (10, 10, 20), (480, 200, 500), (99_999, 50_000, 100_000)] {
            assert_eq!((round_down(us), round_up(us)), (down, up), "{us}");
        }
    }
}
