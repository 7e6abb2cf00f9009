//! `GET /api/v1/table`: a row per group, and the sum of all. In: a query. Out: a table, ordered and cut.

use std::cmp::Ordering;

use pitot_model::{
    Status,
    api::{Row, RowKey, SortBy, Table, TableQuery},
};

use super::{
    Context, QueryError, filter,
    gather::{Groups, Sum, coverage, gather},
    limit,
    plan::{self, Asked},
};

/// Rows when nobody says how many.
const ROWS: usize = 100;

/// Answers a table query.
pub fn table(cx: Context<'_>, query: &TableQuery) -> Result<Table, QueryError> {
    let expr = filter(&query.q)?;
    let limit = limit(query.limit, ROWS)?;
    let plan = plan::whole(cx, &expr, query.by, Asked { from: query.from, to: query.to })?;
    let (mut groups, mut sums) = (Groups::default(), Vec::<Sum>::new());
    gather(cx, &plan, &expr, query.by, &mut groups, &mut |group, _, cell| {
        if group == sums.len() {
            sums.push(Sum::default());
        }
        sums[group].add(cell);
    })?;
    let mut all = Sum::default();
    sums.iter().for_each(|sum| all.merge(sum));
    let mut rows: Vec<(RowKey, Sum)> = groups.into_keys().into_iter().zip(sums).collect();
    let row_count = rows.len();
    sort(&mut rows, query.sort);
    rows.truncate(limit);
    Ok(Table {
        range: plan.range,
        rows: rows.into_iter().map(|(key, sum)| Row { key, totals: sum.totals() }).collect(),
        row_count,
        totals: all.totals(),
        coverage: coverage(cx, &plan)?,
        watermark: cx.watermark,
    })
}

/// Keys of the rows with the most transactions.
pub(super) fn heaviest(mut rows: Vec<(RowKey, Sum)>, limit: usize) -> Vec<RowKey> {
    sort(&mut rows, SortBy::Count);
    rows.truncate(limit);
    rows.into_iter().map(|(key, _)| key).collect()
}

fn sort(rows: &mut [(RowKey, Sum)], by: SortBy) {
    let errors = |sum: &Sum| {
        sum.status
            .iter()
            .filter(|(s, _)| Status::is_server_error(**s))
            .fold(0_u64, |sum, (_, n)| sum.saturating_add(*n))
    };
    let rank = |sum: &Sum| -> f64 {
        match by {
            SortBy::Count => sum.stats.count as f64,
            SortBy::Errors => errors(sum) as f64,
            SortBy::ErrorRatio => errors(sum) as f64 / sum.stats.count.max(1) as f64,
            SortBy::P50 => sum.stats.duration.quantile_us(0.5).unwrap_or(0) as f64,
            SortBy::P99 => sum.stats.duration.quantile_us(0.99).unwrap_or(0) as f64,
            SortBy::Bytes => sum.stats.response_bytes as f64,
            SortBy::Name => 0.0,
        }
    };
    // Ranks are worked out once per row: a quantile walks all buckets.
    let mut order: Vec<(f64, usize)> = rows.iter().map(|(_, sum)| rank(sum)).zip(0..).collect();
    order.sort_by(|(a, i), (b, j)| match b.total_cmp(a) {
        Ordering::Equal => rows[*i].0.cmp(&rows[*j].0),
        unequal => unequal,
    });
    let mut place = vec![0; rows.len()];
    for (at, (_, from)) in order.into_iter().enumerate() {
        place[from] = at;
    }
    for i in 0..rows.len() {
        while place[i] != i {
            let at = place[i];
            rows.swap(i, at);
            place.swap(i, at);
        }
    }
}
