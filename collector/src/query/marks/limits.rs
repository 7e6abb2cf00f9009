//! `GET /api/v1/limits`: who is limited, who heeds it, and what a limit could be. In: marks and cells. Out: a row per consumer
//! and route, and a suggestion per route.

use std::{collections::HashMap, time::Duration};

use pitot_model::{
    Mark, MarkKind, Status, TimeRange,
    api::{LimitRow, LimitsAnswer, PostureQuery, SuggestedLimit},
};

use super::{Context, Numbers, Pair, QueryError, Question, STEPS, each_cell, each_mark, is_one, level_of, of_pair};
use crate::store::Cube;

/// What is summed of a pair.
#[derive(Default, Clone)]
struct Sum {
    row: LimitRow,
    has_marks: bool,
    /// Requests of the busiest window.
    peak: u64,
}

/// Windows that one question looks at one by one; in longer ranges several count as one.
const MOST_WINDOWS: u128 = 10_000;

const KINDS: &[MarkKind] = &[
    MarkKind::RetryAfter,
    MarkKind::RetriedEarly,
    MarkKind::RetriedInTime,
    MarkKind::RateLimitLeft,
    MarkKind::RateLimit,
];

/// Answers the question.
pub fn limits(cx: Context<'_>, query: &PostureQuery) -> Result<LimitsAnswer, QueryError> {
    let question = Question::new(cx, query)?;
    let (mut numbers, mut sums) = (Numbers::default(), HashMap::<Pair, Sum>::new());
    each_mark(cx, &question, KINDS, &mut numbers, &mut |pair, mark| {
        let sum = of_pair(&mut sums, pair)?;
        sum.has_marks = true;
        add_mark(&mut sum.row, mark);
        Ok(())
    })?;
    let window = add_cells(cx, &question, &mut numbers, &mut sums)?;
    let suggestions = suggestions(&numbers, &sums, window, question.limit);
    let mut rows: Vec<LimitRow> = Vec::new();
    for ((place, consumer), sum) in sums {
        if sum.has_marks || sum.row.refused > 0 {
            let (place, consumer) = (numbers.places.name(place), numbers.consumers.name(consumer));
            rows.push(LimitRow {
                service: place.service.clone(),
                method: place.route.method.clone(),
                route: place.route.template.clone(),
                consumer: consumer.id.clone(),
                evidence: consumer.evidence,
                ..sum.row
            });
        }
    }
    rows.sort_by(|a, b| {
        let weight = |r: &LimitRow| (r.refused, r.retried_early, r.asked_to_wait, r.requests);
        let name = |r: &LimitRow| (r.service.clone(), r.route.clone(), r.method.clone(), r.consumer.clone());
        weight(b).cmp(&weight(a)).then_with(|| name(a).cmp(&name(b)))
    });
    let row_count = rows.len();
    let (rows, next) = question.cut(rows);
    Ok(LimitsAnswer { range: question.range, rows, row_count, next, suggestions, watermark: cx.watermark })
}

fn add_mark(row: &mut LimitRow, mark: &Mark) {
    let sum = &mark.sum;
    let add = |n: &mut u64| *n = n.saturating_add(sum.count);
    match mark.key.kind {
        MarkKind::RetryAfter => {
            add(&mut row.asked_to_wait);
            row.longest_wait_s = row.longest_wait_s.max(sum.greatest);
        }
        MarkKind::RetriedEarly => add(&mut row.retried_early),
        MarkKind::RetriedInTime => add(&mut row.retried_in_time),
        MarkKind::RateLimitLeft => row.least_left = row.least_left.into_iter().chain(sum.least).min(),
        MarkKind::RateLimit => row.limit_told = row.limit_told.max(sum.greatest),
        _ => {}
    }
}

/// Adds requests and refusals, window by window, and keeps the busiest window of each pair. Gives their width: a minute,
/// or more where the range is long or finer ones are forgotten.
fn add_cells(
    cx: Context<'_>,
    question: &Question,
    numbers: &mut Numbers,
    sums: &mut HashMap<Pair, Sum>,
) -> Result<Duration, QueryError> {
    let hours = question.range.len().as_secs() / 3_600;
    let least = Duration::from_secs(match hours {
        0..=6 => 60,
        7..=72 => 600,
        _ => 3_600,
    });
    let (level, range) = level_of(cx, question.range, least);
    let width = cx.store.levels().width(level);
    let n_slots = range.len().as_micros() / width.as_micros();
    let width = width * n_slots.div_ceil(MOST_WINDOWS).max(1) as u32;
    let (mut start, mut steps) = (range.from, STEPS);
    while start < range.to {
        let slot = TimeRange::new(start, (start + width).min(range.to));
        let mut busy: HashMap<Pair, u64> = HashMap::new();
        each_cell(cx, (Cube::Full, level, slot), &question.expr, &mut steps, numbers, &mut |_, pair, _, cell| {
            let (n, sum) = (cell.stats.count, of_pair(sums, pair)?);
            sum.row.requests = sum.row.requests.saturating_add(n);
            if cell.status == Status::code(429) {
                sum.row.refused = sum.row.refused.saturating_add(n);
            }
            let busy = busy.entry(pair).or_default();
            *busy = busy.saturating_add(n);
            Ok(())
        })?;
        for (pair, n) in busy {
            let sum = of_pair(sums, pair)?;
            sum.peak = sum.peak.max(n);
        }
        start = start + width;
    }
    Ok(width)
}

/// By the nearest rank of the quantile 0.99 of what consumers need in their busiest window.
fn suggestions(numbers: &Numbers, sums: &HashMap<Pair, Sum>, window: Duration, limit: usize) -> Vec<SuggestedLimit> {
    let mut by_place: HashMap<u32, (u64, Vec<u64>)> = HashMap::new();
    for ((place, consumer), sum) in sums.iter().filter(|(_, sum)| sum.row.requests > 0) {
        let (requests, peaks) = by_place.entry(*place).or_default();
        *requests = requests.saturating_add(sum.row.requests);
        if is_one(numbers.consumers.name(*consumer)) {
            peaks.push(sum.peak);
        }
    }
    let per_minute = |n: u64| n as f64 * 60.0 / window.as_secs_f64();
    let suggest = |(place, (requests, mut peaks)): (u32, (u64, Vec<u64>))| {
        peaks.sort_unstable();
        let rank = (peaks.len() * 99).div_ceil(100);
        let quantile = *peaks.get(rank.checked_sub(1)?)?;
        let place = numbers.places.name(place);
        Some(SuggestedLimit {
            service: place.service.clone(),
            method: place.route.method.clone(),
            route: place.route.template.clone(),
            requests,
            consumers: peaks.len(),
            per_minute: per_minute(quantile),
            most_per_minute: per_minute(*peaks.last()?),
            window_ms: window.as_millis() as u64,
        })
    };
    let mut all: Vec<SuggestedLimit> = by_place.into_iter().filter_map(suggest).collect();
    all.sort_by(|a, b| {
        let name = |s: &SuggestedLimit| (s.service.clone(), s.route.clone(), s.method.clone());
        b.requests.cmp(&a.requests).then_with(|| name(a).cmp(&name(b)))
    });
    all.truncate(limit);
    all
}
