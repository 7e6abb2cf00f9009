//! `GET /api/v1/contract` and `/contract/inferred`: what is called and what is described. In: a query, documents. Out: lists of
//! what differs; or a document that describes what is called.
//!
//! `observe` reads the full cube once and sums it by route, `compare` puts routes beside operations.

mod compare;
mod observe;
#[cfg(test)]
mod tests;

use std::time::Duration;

use pitot_model::{
    api::{ContractAnswer, ContractQuery, GroupBy},
    budget,
    contract::{Inferred, Observed},
};

use self::observe::{Seen, observe};
use super::{
    Context, QueryError, filter, gather, limit,
    plan::{self, Asked, Plan},
};
use crate::{
    contract::{Documents, Place},
    store::Cube,
};

/// The range of a question without `from`: a week has all that happens weekly.
const DEFAULT_RANGE: Duration = Duration::from_secs(7 * 86_400);

/// Steps of the range: enough for a sparkline, and so few that long ranges are read from coarse levels.
const STEPS: u64 = 24;

/// Rows when nobody says how many.
const ROWS: usize = 100;

/// Compares what was called with what is described.
pub fn contract(cx: Context<'_>, documents: &Documents, query: &ContractQuery) -> Result<ContractAnswer, QueryError> {
    let limit = limit(query.limit, ROWS)?;
    let expr = filter(&query.q)?;
    let plan = plan(cx, query, &expr)?;
    let seen = observe(cx, &plan, &expr, documents)?;
    let coverage = gather::coverage(cx, &plan)?;
    Ok(compare::compare(documents, &seen, &plan, limit, (coverage, cx.watermark)))
}

/// The document that what was called suggests, and how many routes are not in it.
///
/// Left out, as from the lists of [`contract`], is what never was answered by anything but that there is nothing.
pub fn inferred(cx: Context<'_>, documents: &Documents, query: &ContractQuery) -> Result<Inferred, QueryError> {
    let expr = filter(&query.q)?;
    let plan = plan(cx, query, &expr)?;
    let seen = observe(cx, &plan, &expr, &Documents::default())?;
    let mut services: Vec<&str> = seen.iter().map(|s| s.service.as_str()).collect();
    services.sort_unstable();
    services.dedup();
    let title = if let [one] = services[..] { one } else { "Several services" };
    let observed: Vec<Observed> =
        seen.iter().filter(|s| !s.is_nothing_there()).map(|s| observed(documents, s)).collect();
    Ok(Inferred::new(title, &observed))
}

fn observed(documents: &Documents, seen: &Seen) -> Observed {
    let operation = match documents.find(&seen.service, &seen.route) {
        Place::Operation(document, operation) => Some(&documents.all[document].contract.operations[operation]),
        _ => None,
    };
    Observed {
        route: seen.route.clone(),
        statuses: seen.statuses.iter().map(|(status, sum)| (*status, sum.requests)).collect(),
        is_deprecated: operation.is_some_and(|o| o.is_deprecated),
        sunset: operation.and_then(|o| o.sunset),
    }
}

fn plan(cx: Context<'_>, query: &ContractQuery, expr: &pitot_model::filter::Expr) -> Result<Plan, QueryError> {
    let to = query.to.unwrap_or(cx.now);
    let asked = Asked { from: Some(query.from.unwrap_or(to - DEFAULT_RANGE)), to: Some(to) };
    let plan = plan::stepped_to(cx, expr, GroupBy::Route, asked, None, STEPS)?;
    debug_assert!(plan.n_steps() <= budget::ANSWER_ROWS);
    Ok(Plan { cube: Cube::Full, ..plan })
}
