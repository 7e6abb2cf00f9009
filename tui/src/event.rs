//! What goes into the dashboard and what comes out of it: facts from `io`, and wishes to it.

use crossterm::event::KeyEvent;
use pitot_client::Error;
use pitot_model::{
    Timestamp,
    api::{
        Agents, AnomalyPage, AnomalyQuery, CollectorStatus, CoverageAnswer, CoverageQuery, GroupBy, HeatMap,
        HeatMapQuery, LiveEvent, SeriesAnswer, SeriesQuery, Table, TableQuery,
    },
};

/// A fact from outside.
#[derive(Debug)]
pub(crate) enum Event {
    /// Time has passed; the local clock, for retries and notices only.
    Tick(Timestamp),
    /// A key went down.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A batch of questions was answered.
    Answers {
        /// Which [`Command::Ask`].
        batch: u64,
        /// One per question.
        answers: Vec<(Slot, Result<Answer, Error>)>,
    },
    /// Something happened at the collector.
    Live(Box<LiveEvent>),
    /// Whether the stream of live events is there.
    LiveLink(bool),
}

/// A wish of the dashboard.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Ask these; a batch that is still on its way is not wanted any more.
    Ask {
        /// Counts up.
        batch: u64,
        /// All independent of each other.
        questions: Vec<Question>,
    },
    /// Leave.
    Quit,
}

/// A question and the place where its answer belongs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) slot: Slot,
    pub(crate) ask: Ask,
}

/// Where an answer belongs: what was asked about, without the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) what: What,
    /// The filter that was asked with.
    pub(crate) filter: String,
}

/// Kinds of answers on screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Status,
    Rows(GroupBy),
    Lines(GroupBy),
    HeatMap,
    Anomalies,
    /// The numbers around one anomaly.
    Around,
    /// The durations around one anomaly.
    AroundHeat,
    Agents,
    /// What one agent read and lost, by its name and not by a filter.
    Coverage,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    Status,
    Table(TableQuery),
    Series(SeriesQuery),
    HeatMap(HeatMapQuery),
    Anomalies(AnomalyQuery),
    Agents,
    Coverage(CoverageQuery),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Status(CollectorStatus),
    Table(Box<Table>),
    Series(SeriesAnswer),
    HeatMap(HeatMap),
    Anomalies(AnomalyPage),
    Agents(Agents),
    Coverage(Box<CoverageAnswer>),
}
