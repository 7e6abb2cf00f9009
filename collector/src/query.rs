//! Questions about traffic: from a query of the API to its answer.
//!
//! In: [`TableQuery`](pitot_model::api::TableQuery), `SeriesQuery`, `HeatMapQuery`, `CoverageQuery`, `PostureQuery` and a store. Out: the answer, exact in
//! its counts and with merged histograms. Three steps: `plan` picks the smallest cube that can answer and the coarsest
//! slots that tile the range; `gather` reads those and sums what `select` lets through; one file per answer
//! shapes it. Names are compared once per window's dictionary, never per cell.

mod contract;
mod coverage;
mod gather;
mod heatmap;
mod marks;
mod plan;
mod select;
mod series;
mod table;
#[cfg(test)]
mod tests;

use pitot_model::{
    Timestamp,
    api::{GroupBy, Problem},
    budget,
    filter::{Expr, Field, FilterError, parse},
};

pub use contract::{contract, inferred};
pub use coverage::coverage;
pub use heatmap::heatmap;
pub use marks::{Promise, Promised, credentials, deprecations, limits};
pub use series::series;
pub use table::table;

use crate::store::{Store, StoreError};

/// Fields of the filter language that cells answer.
pub const FIELDS: &[Field] = &[
    Field::Service,
    Field::Version,
    Field::Instance,
    Field::Route,
    Field::Method,
    Field::Api,
    Field::Consumer,
    Field::Evidence,
    Field::Group,
    Field::Status,
];

/// Groups that one question may have before any is shown; more would be memory that strangers decide about.
pub const GROUPS: usize = 250_000;

/// Steps that the filter of one question may take: about one per character of a name that it looks at, and per cell and
/// condition. Half a thousand million take a second or two, for which nobody else is answered.
pub const STEPS: u64 = 500_000_000;

/// Where and when a question is asked.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where the windows are.
    pub store: &'a dyn Store,
    /// The clock; ranges without an end end here.
    pub now: Timestamp,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The filter does not parse, or asks what cells do not know.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// The range holds no moment.
    #[error("the range is empty: `from` {from} is not before `to` {to}; turn them around")]
    Range {
        /// As understood.
        from: Timestamp,
        /// As understood.
        to: Timestamp,
    },
    /// A parameter is out of bounds.
    #[error("`{name}={got}` is out of bounds; use {accepted}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What was sent.
        got: u64,
        /// What would be accepted.
        accepted: String,
    },
    /// More points than one answer holds.
    #[error("{n_steps} steps are more than the {max} an answer holds; ask for a greater `step_ms`", n_steps = .0, max = budget::ANSWER_ROWS)]
    Steps(u64),
    /// More intervals of agents than one answer holds.
    #[error(
        "agents have more than {} intervals together; ask for one agent, a shorter range or a greater `step_ms`",
        budget::ANSWER_ROWS
    )]
    Intervals,
    /// More groups than one question may have.
    #[error("more than {GROUPS} groups match; narrow the filter or the range")]
    Groups,
    /// The filter has too much to compare with too much.
    #[error("the filter takes too long on this range; use fewer conditions or `*`, or a shorter range")]
    Costly,
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl QueryError {
    /// As the API tells it.
    pub fn problem(&self) -> Problem {
        let (kind, title, status) = match self {
            Self::Filter(_) => ("/problems/bad-filter", "the filter is wrong", 400),
            Self::Range { .. } => ("/problems/bad-range", "the range is wrong", 400),
            Self::Parameter { .. } => ("/problems/bad-query", "a parameter is wrong", 400),
            Self::Steps(_) | Self::Intervals | Self::Groups => {
                ("/problems/too-much", "the answer would be too large", 400)
            }
            Self::Costly => ("/problems/too-costly", "the question takes too long", 422),
            Self::Store(_) => ("/problems/store", "the store cannot be read", 503),
        };
        let at = if let Self::Filter(e) = self { Some(e.at) } else { None };
        Problem { kind: kind.into(), title: title.into(), status, detail: self.to_string(), at, retry_after_s: None }
    }
}

/// A filter over cells.
fn filter(q: &str) -> Result<Expr, QueryError> {
    let expr = parse(q)?;
    expr.only(FIELDS, false, "traffic")?;
    Ok(expr)
}

/// Rows or lines wanted; 0 asks for as many as allowed.
fn limit(asked: Option<usize>, default: usize) -> Result<usize, QueryError> {
    match asked {
        None => Ok(default),
        Some(0) => Ok(budget::ANSWER_ROWS),
        Some(n) if n <= budget::ANSWER_ROWS => Ok(n),
        Some(n) => Err(QueryError::Parameter {
            name: "limit",
            got: n as u64,
            accepted: format!("0 to {}", budget::ANSWER_ROWS),
        }),
    }
}

/// Whether a grouping needs routes or consumers; all others come with the resource and the status.
fn needs(by: GroupBy) -> (bool, bool) {
    match by {
        GroupBy::Route | GroupBy::Method => (true, false),
        GroupBy::Consumer | GroupBy::Group => (false, true),
        GroupBy::None | GroupBy::Service | GroupBy::Version | GroupBy::Status => (false, false),
    }
}
