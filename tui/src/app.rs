//! The dashboard as a state machine: it knows where one is, what was answered and what to ask next.
//!
//! In: [`Event`]s. Out: [`Command`]s, and the screen by [`App::draw`]. No clock, terminal or socket: `tick`s bring the
//! time, answers come as events.

mod ask;
mod keys;

use std::{collections::VecDeque, time::Duration};

use crossterm::event::KeyEventKind;
use pitot_client::Error;
use pitot_model::{
    TimeRange, Timestamp,
    api::{AgentRow, Agents, Anomaly, GroupBy, LiveEvent, Row, RowKey, SortBy, State},
};
use ratatui::Frame;

use crate::{
    Options,
    drill::{self, Drill, Focus, View},
    edit::Edit,
    event::{Answer, Command, Event, Slot},
    snapshot::Snapshot,
    text,
    theme::Theme,
    travel::{Extent, Travel},
    view,
};

/// How long a notice stays on the bottom line.
const NOTICE: Duration = Duration::from_secs(6);
/// Anomalies that are remembered as told; an older one would be told again.
const TOLD: usize = 64;
/// Longest wait between two attempts to reach the collector.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// The state of the dashboard.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) theme: Theme,
    pub(crate) source: String,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    /// The local clock at the last tick.
    pub(crate) now: Timestamp,
    pub(crate) drill: Drill,
    /// The filter as typed; it parses.
    pub(crate) filter: String,
    pub(crate) travel: Travel,
    pub(crate) mode: Mode,
    pub(crate) snapshot: Snapshot,
    /// How far the data goes; absent until the collector said so.
    pub(crate) extent: Option<Extent>,
    pub(crate) link: Link,
    notice: Option<(String, Timestamp)>,
    refresh: Duration,
    /// The last batch that was asked.
    batch: u64,
    is_waiting: bool,
    asked_at: Timestamp,
    /// What time and order the last batch asked for, and the last one that was answered.
    asked: Option<(TimeRange, SortBy)>,
    answered: Option<(TimeRange, SortBy)>,
    /// How long the last batch took, by ticks.
    took: Duration,
    /// Ask without waiting for the refresh: one went elsewhere.
    is_wanted: bool,
    /// New data is there that was not asked for yet.
    is_stale: bool,
    has_live_link: bool,
    /// Anomalies whose beginning or end was told, the latest first; [`TOLD`] at most.
    told: VecDeque<(String, State)>,
}

/// Who gets the keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mode {
    Browse,
    Help,
    /// The filter is being typed.
    Filter(Edit),
    /// A command is being typed; the error of the last attempt.
    Colon(Edit, Option<String>),
}

/// Whether the collector answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Link {
    /// Nothing was answered yet.
    Connecting,
    Up,
    Down {
        /// What the network said.
        why: String,
        /// The same in a sentence that ends with what to do.
        advice: String,
        attempts: u32,
        retry_at: Timestamp,
    },
}

impl App {
    pub(crate) fn new(options: Options, now: Timestamp) -> Self {
        Self {
            theme: Theme::new(options.colors, options.theme),
            source: text::clean(&options.source),
            size: (0, 0),
            now,
            drill: Drill::new(),
            filter: options.filter,
            travel: Travel::new(options.range),
            mode: Mode::Browse,
            snapshot: Snapshot::default(),
            extent: None,
            link: Link::Connecting,
            notice: None,
            refresh: options.refresh,
            batch: 0,
            is_waiting: false,
            asked_at: Timestamp::EPOCH,
            asked: None,
            answered: None,
            took: Duration::ZERO,
            is_wanted: true,
            is_stale: false,
            has_live_link: false,
            told: VecDeque::new(),
        }
    }

    /// Takes a fact; the answer is what to do about it.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Tick(now) => self.now = now,
            Event::Resize(columns, rows) => {
                self.is_wanted |= self.size != (columns, rows);
                self.size = (columns, rows);
            }
            Event::Key(key) if key.kind == KeyEventKind::Release => {}
            Event::Key(key) => {
                if self.key(key) {
                    return vec![Command::Quit];
                }
            }
            Event::Paste(pasted) => {
                if let Mode::Filter(edit) | Mode::Colon(edit, _) = &mut self.mode {
                    edit.paste(&pasted);
                }
            }
            Event::Answers { batch, answers } => self.answers(batch, answers),
            Event::Live(event) => self.live(*event),
            Event::LiveLink(is_there) => self.has_live_link = is_there,
        }
        self.ask().into_iter().collect()
    }

    /// Draws the screen.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        view::draw(self, frame);
    }

    /// What is on screen, as a filter: what was typed, within what one went into.
    pub(crate) fn scoped_filter(&self) -> String {
        drill::filter_within(&self.filter, &self.drill.scope())
    }

    /// What the present view has rows for; `None` for views whose rows are no parts of the traffic.
    pub(crate) fn group(&self) -> Option<GroupBy> {
        match self.drill.top().view {
            View::Overview => Some(GroupBy::Service),
            View::Routes => Some(GroupBy::Route),
            View::Consumers => Some(GroupBy::Consumer),
            View::Detail => Some(drill::next_group(&self.drill.scope())),
            View::Anomalies | View::HeatMap | View::Coverage | View::Agent | View::Explain => None,
        }
    }

    /// The rows of the present view.
    pub(crate) fn rows(&self) -> &[Row] {
        let table = self.group().and_then(|by| self.snapshot.table(by, &self.scoped_filter()));
        table.map_or(&[], |t| &t.rows)
    }

    /// The anomalies of the present scope, the newest first.
    pub(crate) fn anomalies(&self) -> &[Anomaly] {
        self.snapshot.anomalies(&self.scoped_filter()).map_or(&[], |p| &p.anomalies)
    }

    /// All agents, those in trouble first.
    pub(crate) fn agents(&self) -> Vec<&AgentRow> {
        self.snapshot.agents().map(Agents::worst_first).unwrap_or_default()
    }

    /// The agent that one went into.
    pub(crate) fn agent(&self) -> Option<&AgentRow> {
        let Some(Focus::Agent(name)) = &self.drill.top().focus else { return None };
        self.snapshot.agents()?.agents.iter().find(|a| a.name == *name)
    }

    /// The newest anomaly about this part of the traffic; an open one goes first.
    pub(crate) fn anomaly_of(&self, key: &RowKey) -> Option<&Anomaly> {
        let about = |a: &&Anomaly| is_about(&a.subject, key);
        let open = self.anomalies().iter().filter(about).find(|a| a.state == State::Open);
        open.or_else(|| self.anomalies().iter().find(about))
    }

    /// What is said on the bottom line for a while.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().filter(|(_, until)| self.now < *until).map(|(text, _)| text.as_str())
    }

    /// Whether questions are on their way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Whether the numbers are still those of another range than the one above them.
    pub(crate) fn is_outdated(&self) -> bool {
        let (Some(extent), Some((answered, _))) = (&self.extent, self.answered) else { return false };
        extent.is_elsewhere(self.travel.range(extent), answered)
    }

    fn say(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), self.now + NOTICE));
    }

    fn answers(&mut self, batch: u64, answers: Vec<(Slot, Result<Answer, Error>)>) {
        if batch != self.batch {
            return;
        }
        self.is_waiting = false;
        self.took = self.now.since(self.asked_at);
        let unreachable = answers.iter().find_map(|(_, a)| {
            let error = a.as_ref().err()?;
            Some((error.away()?.to_owned(), error.to_string()))
        });
        for (slot, answer) in answers {
            self.snapshot.store(batch, slot, answer);
        }
        match unreachable {
            Some((why, advice)) => self.lost(why, advice),
            None => (self.link, self.answered) = (Link::Up, self.asked),
        }
        if let Some(extent) = self.snapshot.status().map(Extent::new).filter(|_| !self.travel.is_frozen()) {
            self.learn(extent);
        }
        let ids = self.ids();
        self.drill.top_mut().cursor.settle(&ids);
    }

    /// Takes news of where the data is; what was asked before it may have been the wrong time.
    fn learn(&mut self, extent: Extent) {
        let Some(before) = self.extent.replace(extent) else {
            self.is_wanted = true;
            return;
        };
        let is_first_data = before.oldest.is_none() && extent.oldest.is_some();
        self.is_wanted |= is_first_data;
        self.is_stale |= extent.is_elsewhere(self.travel.range(&before), self.travel.range(&extent));
    }

    fn lost(&mut self, why: String, advice: String) {
        let attempts = match self.link {
            Link::Down { attempts, .. } => attempts.saturating_add(1),
            _ => 1,
        };
        let wait = Duration::from_secs(1 << attempts.min(4)).min(LONGEST_RETRY);
        self.link = Link::Down { why, advice, attempts, retry_at: self.now + wait };
    }

    fn live(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Data { watermark, .. } => {
                if let Some(extent) = self.extent.as_mut().filter(|_| !self.travel.is_frozen()) {
                    extent.advance(watermark);
                }
            }
            // It changes with every window; only its beginning and its end are told.
            LiveEvent::Anomaly { anomaly } if self.told.contains(&(anomaly.id.clone(), anomaly.state)) => {}
            LiveEvent::Anomaly { anomaly } => {
                let what = match anomaly.state {
                    State::Open => "▲",
                    State::Resolved => "✓ over:",
                };
                self.say(format!("{what} {}", text::clean(&anomaly.title)));
                self.told.push_front((anomaly.id, anomaly.state));
                self.told.truncate(TOLD);
            }
        }
        self.is_stale = true;
    }

    /// The ids of the rows that the cursor moves over.
    fn ids(&self) -> Vec<String> {
        match self.drill.top().view {
            View::Anomalies => self.anomalies().iter().map(|a| a.id.clone()).collect(),
            View::Coverage => self.agents().iter().map(|a| a.name.clone()).collect(),
            _ => self.rows().iter().map(|r| format!("{:?}", r.key)).collect(),
        }
    }
}

/// Whether an anomaly's subject concerns a row: nothing contradicts, and all that the row says is said.
fn is_about(subject: &RowKey, row: &RowKey) -> bool {
    fn agrees<T: PartialEq>(subject: &Option<T>, row: &Option<T>) -> bool {
        row.is_none() || subject == row
    }
    agrees(&subject.service, &row.service)
        && agrees(&subject.route, &row.route)
        && agrees(&subject.method, &row.method)
        && agrees(&subject.consumer, &row.consumer)
        && agrees(&subject.version, &row.version)
}
