//! `GET /api/v1/coverage`: what was read and what was lost, by agent and interval. In: a query. Out: sums of coverage.
//!
//! An answer holds [`budget::ANSWER_ROWS`] intervals over all agents. Where nobody says how long an interval is, it is as
//! long as that takes.

use std::collections::BTreeMap;

use pitot_model::{
    Coverage,
    api::{AgentCoverage, CoverageAnswer, CoverageInterval, CoverageQuery, GroupBy},
    budget,
    filter::Expr,
};

use super::{
    Context, QueryError,
    plan::{self, Asked, POINTS, Plan},
};

/// Sums by agent and index of the interval.
type Sums = BTreeMap<String, BTreeMap<usize, Coverage>>;

/// Answers a coverage query.
pub fn coverage(cx: Context<'_>, query: &CoverageQuery) -> Result<CoverageAnswer, QueryError> {
    let n_agents = if query.agent.is_some() { 1 } else { cx.store.ledger().len().max(1) };
    let points = POINTS.min((budget::ANSWER_ROWS / n_agents) as u64).max(1);
    let asked = Asked { from: query.from, to: query.to };
    let plan = plan::stepped_to(cx, &Expr::All, GroupBy::None, asked, query.step_ms, points)?;
    let agents: Vec<_> = gather(cx, &plan, query.agent.as_deref())?
        .into_iter()
        .map(|(name, sums)| {
            let interval = |(idx, coverage)| CoverageInterval { at: plan.step_start(idx), coverage };
            AgentCoverage { name, total: total(sums.values()), intervals: sums.into_iter().map(interval).collect() }
        })
        .collect();
    Ok(CoverageAnswer {
        range: plan.range,
        step_ms: plan.step.map_or(0, |s| s.as_millis() as u64),
        total: total(agents.iter().map(|a| &a.total)),
        agents,
    })
}

fn gather(cx: Context<'_>, plan: &Plan, only: Option<&str>) -> Result<Sums, QueryError> {
    let (mut sums, mut n_intervals) = (Sums::new(), 0);
    for (level, range) in &plan.pieces {
        cx.store.coverage_by_agent(*level, *range, &mut |agent, at, coverage| {
            if only.is_some_and(|only| only != agent) || n_intervals > budget::ANSWER_ROWS {
                return;
            }
            let of_agent = match sums.get_mut(agent) {
                Some(of_agent) => of_agent,
                None => sums.entry(agent.to_owned()).or_default(),
            };
            let idx = plan.step_idx(at);
            if !of_agent.contains_key(&idx) {
                n_intervals += 1;
            }
            of_agent.entry(idx).or_default().merge(coverage);
        })?;
    }
    if n_intervals > budget::ANSWER_ROWS { Err(QueryError::Intervals) } else { Ok(sums) }
}

fn total<'a>(parts: impl Iterator<Item = &'a Coverage>) -> Coverage {
    parts.fold(Coverage::default(), |mut sum, part| {
        sum.merge(part);
        sum
    })
}

#[cfg(test)]
mod tests {
    use pitot_model::{Reason, api::CoverageQuery};

    use super::*;
    use crate::store::{
        Memory, Store,
        contract::{at, levels, range, report},
    };

    fn filled() -> Memory {
        let mut store = Memory::new(levels());
        for (name, sequence, start, n) in
            [("web", 1, 0, 3), ("db", 1, 10, 4), ("web", 2, 60, 5), ("web", 3, 65, 6), ("web", 4, 3_600, 7)]
        {
            let mut report = report(sequence, &[(start / 10 * 10, n)]);
            report.agent.name = name.into();
            store.append(&report, at(0)).expect("appends");
        }
        store
    }

    #[test]
    fn coverage_is_told_by_agent_and_interval() {
        let store = filled();
        let cx = Context { store: &store, now: at(3_600), watermark: at(0) };
        let query = CoverageQuery { from: Some(at(0)), step_ms: Some(60_000), ..CoverageQuery::default() };
        let answer = coverage(cx, &query).expect("answers");
        assert_eq!((answer.range, answer.step_ms, answer.total.transactions), (range(0, 3_600), 60_000, 18));
        let got: Vec<_> = answer
            .agents
            .iter()
            .map(|a| {
                let intervals: Vec<_> = a.intervals.iter().map(|i| (i.at, i.coverage.transactions)).collect();
                (a.name.as_str(), a.total.transactions, intervals)
            })
            .collect();
        assert_eq!(got, [("db", 4, vec![(at(0), 4)]), ("web", 14, vec![(at(0), 3), (at(60), 11)])]);
        assert_eq!(answer.agents[1].total.get(Reason::LineMalformed), 3);

        let one = coverage(cx, &CoverageQuery { agent: Some("db".into()), ..query }).expect("answers");
        assert_eq!((one.agents.len(), one.total.transactions), (1, 4), "nobody else is in the total");
    }

    #[test]
    fn more_agents_have_fewer_intervals() {
        let mut store = Memory::new(levels());
        for i in 0..400 {
            let mut report = report(1, &[(0, 1), (7_190, 1)]);
            report.agent.name = format!("agent {i}");
            store.append(&report, at(0)).expect("appends");
        }
        let cx = Context { store: &store, now: at(7_200), watermark: at(0) };
        let query = CoverageQuery { from: Some(at(0)), ..CoverageQuery::default() };
        let answer = coverage(cx, &query).expect("answers");
        assert_eq!((answer.step_ms, answer.agents.len()), (300_000, 400), "25 intervals each at most");
        let query = CoverageQuery { agent: Some("agent 7".into()), ..query };
        assert_eq!(coverage(cx, &query).expect("answers").step_ms, 60_000, "120 where there is one");
    }

    #[test]
    fn too_many_intervals_are_refused() {
        let mut store = Memory::new(levels());
        for i in 0..110 {
            let mut sequence = 0;
            for start in (0..1_000).step_by(10) {
                sequence += 1;
                let mut report = report(sequence, &[(start, 1)]);
                report.agent.name = format!("agent {i}");
                store.append(&report, at(0)).expect("appends");
            }
        }
        let cx = Context { store: &store, now: at(1_000), watermark: at(0) };
        let query = CoverageQuery { from: Some(at(0)), step_ms: Some(10_000), ..CoverageQuery::default() };
        let refused = coverage(cx, &query).expect_err("11,000 intervals").problem();
        assert_eq!((refused.status, refused.kind.as_str()), (400, "/problems/too-much"));
    }
}
