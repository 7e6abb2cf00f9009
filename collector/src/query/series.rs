//! `GET /api/v1/series`: counts and quantiles per step. In: a query. Out: lines of points.
//!
//! With groups it reads twice: first which lines matter, then those, so that memory holds the lines that are shown.

use pitot_model::{
    Cell, Sketch,
    api::{GroupBy, Point, RowKey, SeriesAnswer, SeriesLine, SeriesQuery},
    budget,
    filter::Expr,
};

use super::{
    Context, QueryError, filter,
    gather::{Groups, Sum, gather},
    limit,
    plan::{self, Asked, Plan},
    table::heaviest,
};

/// Lines when nobody says how many.
const LINES: usize = 20;

/// Answers a series query. There are at most [`budget::ANSWER_ROWS`] points over all lines.
pub fn series(cx: Context<'_>, query: &SeriesQuery) -> Result<SeriesAnswer, QueryError> {
    let expr = filter(&query.q)?;
    let by = query.by.unwrap_or(GroupBy::None);
    let plan = plan::stepped(cx, &expr, by, Asked { from: query.from, to: query.to }, query.step_ms)?;
    let n_steps = plan.n_steps();
    let n_lines = limit(query.limit, LINES)?.min(budget::ANSWER_ROWS / n_steps.max(1)).max(1);
    let keys = match by {
        GroupBy::None => vec![RowKey::default()],
        _ => lines(cx, &plan, &expr, by, n_lines)?,
    };
    let mut sums: Vec<Vec<StepSum>> = keys.iter().map(|_| vec![StepSum::default(); n_steps]).collect();
    let mut groups = Groups::only(keys);
    gather(cx, &plan, &expr, by, &mut groups, &mut |group, at, cell| {
        if let Some(sum) = sums[group].get_mut(plan.step_idx(at)) {
            sum.add(cell);
        }
    })?;
    let lines = groups.into_keys().into_iter().zip(sums);
    Ok(SeriesAnswer {
        range: plan.range,
        step_ms: plan.step.map_or(0, |s| s.as_millis() as u64),
        lines: lines.map(|(key, sums)| SeriesLine { key, points: sums.iter().map(StepSum::point).collect() }).collect(),
        watermark: cx.watermark,
    })
}

/// The groups with the most transactions, the heaviest first.
fn lines(cx: Context<'_>, plan: &Plan, expr: &Expr, by: GroupBy, limit: usize) -> Result<Vec<RowKey>, QueryError> {
    let (mut groups, mut counts) = (Groups::default(), Vec::<Sum>::new());
    gather(cx, plan, expr, by, &mut groups, &mut |group, _, cell| {
        if group == counts.len() {
            counts.push(Sum::default());
        }
        let sum = &mut counts[group].stats.count;
        *sum = sum.saturating_add(cell.stats.count);
    })?;
    Ok(heaviest(groups.into_keys().into_iter().zip(counts).collect(), limit))
}

#[derive(Clone, Default)]
struct StepSum {
    point: Point,
    duration: Sketch,
}

impl StepSum {
    fn add(&mut self, cell: &Cell) {
        let n = cell.stats.count;
        let (server, client) = (cell.status.is_server_error(), cell.status.is_client_error());
        let add = |sum: &mut u64, is: bool| *sum = sum.saturating_add(if is { n } else { 0 });
        add(&mut self.point.count, true);
        add(&mut self.point.server_errors, server);
        add(&mut self.point.client_errors, client);
        self.point.response_bytes = self.point.response_bytes.saturating_add(cell.stats.response_bytes);
        self.duration.merge(&cell.stats.duration);
    }

    fn point(&self) -> Point {
        let [p50, p90, p99] =
            self.duration.quantiles_us([0.5, 0.9, 0.99]).map_or([None; 3], |quantiles| quantiles.map(Some));
        Point { p50_us: p50, p90_us: p90, p99_us: p99, ..self.point }
    }
}
