//! What to ask, and when. In: the state. Out: questions for what is on screen, and for nothing else.

use std::time::Duration;

use pitot_model::{
    TimeRange, Timestamp,
    api::{Anomaly, AnomalyQuery, CoverageQuery, GroupBy, HeatMapQuery, SeriesQuery, TableQuery},
};

use super::{App, Link};
use crate::{
    drill::{self, Focus, View},
    event::{Ask, Command, Question, What},
    snapshot::slot,
};

/// Rows of a table; nobody scrolls further, they filter.
const ROWS: usize = 500;
/// Rows with a sparkline.
const LINES: usize = 100;
const ANOMALIES: usize = 200;
/// Refreshes without news after which it is asked all the same.
const PATIENCE: u32 = 5;
/// How much longer the collector rests than it worked.
const REST: u32 = 4;
/// How long a batch on its way keeps one from asking for something else.
const OVERTAKE: Duration = Duration::from_secs(1);

impl App {
    /// Questions, if it is time for them.
    pub(super) fn ask(&mut self) -> Option<Command> {
        if !self.is_due() {
            return None;
        }
        let mut questions = self.questions();
        let asked = self.extent.map(|e| (self.travel.range(&e), self.drill.top().sort));
        if self.travel.is_frozen() && asked == self.answered {
            questions.retain(|q| !self.snapshot.has(&q.slot));
        }
        (self.is_wanted, self.is_stale) = (false, false);
        if questions.is_empty() {
            return None;
        }
        (self.asked_at, self.asked) = (self.now, asked);
        self.batch += 1;
        self.is_waiting = true;
        Some(Command::Ask { batch: self.batch, questions })
    }

    fn is_due(&self) -> bool {
        if self.is_wanted {
            // Keys come faster than answers: a batch on its way is given a moment before it is replaced.
            return !self.is_waiting || self.now.since(self.asked_at) >= OVERTAKE;
        }
        if self.is_waiting || self.travel.is_frozen() {
            return false;
        }
        if let Link::Down { retry_at, .. } = self.link {
            return self.now >= retry_at;
        }
        let waited = self.now.since(self.asked_at);
        let is_news = self.is_stale || !self.has_live_link;
        // A collector that is slow to answer is asked more rarely.
        let refresh = self.refresh.max(self.took * REST);
        waited >= refresh * PATIENCE || (is_news && waited >= refresh)
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question { slot: slot(What::Status, ""), ask: Ask::Status }];
        let Some(extent) = &self.extent else { return questions };
        let range = self.travel.range(extent);
        let filter = self.scoped_filter();
        let mut add = |what, ask| questions.push(Question { slot: slot(what, &filter), ask });

        add(What::Rows(GroupBy::None), self.table(GroupBy::None, &filter, range));
        add(What::Lines(GroupBy::None), self.series(GroupBy::None, &filter, range));
        if let Some(by) = self.group() {
            add(What::Rows(by), self.table(by, &filter, range));
            add(What::Lines(by), self.series(by, &filter, range));
        }
        let view = self.drill.top().view;
        if !matches!(view, View::HeatMap | View::Coverage | View::Agent) {
            let query = AnomalyQuery {
                q: filter.clone(),
                from: Some(range.from),
                to: Some(range.to),
                limit: Some(ANOMALIES),
                cursor: None,
            };
            add(What::Anomalies, Ask::Anomalies(query));
        }
        if !matches!(view, View::Anomalies | View::Explain | View::Coverage | View::Agent) {
            add(What::HeatMap, self.heat_map(&filter, range));
        }
        if matches!(view, View::Coverage | View::Agent) {
            questions.push(Question { slot: slot(What::Agents, ""), ask: Ask::Agents });
        }
        if let Some(Focus::Agent(name)) = &self.drill.top().focus {
            let query = CoverageQuery {
                agent: Some(name.clone()),
                from: Some(range.from),
                to: Some(range.to),
                step_ms: Some(self.column_ms(range)),
            };
            questions.push(Question { slot: slot(What::Coverage, name), ask: Ask::Coverage(query) });
        }
        if view == View::Explain
            && let Some(anomaly) = self.explained().filter(|a| a.subject.agent.is_none())
        {
            questions.extend(self.around(anomaly, extent.edge));
        }
        questions
    }

    /// The anomaly that is explained.
    pub(crate) fn explained(&self) -> Option<&Anomaly> {
        match &self.drill.top().focus {
            Some(Focus::Anomaly(id)) => self.anomalies().iter().find(|a| a.id == *id),
            _ => None,
        }
    }

    /// The traffic of an anomaly's subject, a while before and after it.
    fn around(&self, anomaly: &Anomaly, edge: Timestamp) -> [Question; 2] {
        let filter = drill::filter_within("", &anomaly.subject);
        let end = anomaly.end.unwrap_or(edge).max(anomaly.start);
        let margin = end.since(anomaly.start).max(Duration::from_secs(120));
        let range = TimeRange::new(anomaly.start - margin, (end + margin).min(edge));
        [
            Question { slot: slot(What::Around, &anomaly.id), ask: self.series(GroupBy::None, &filter, range) },
            Question { slot: slot(What::AroundHeat, &anomaly.id), ask: self.heat_map(&filter, range) },
        ]
    }

    fn table(&self, by: GroupBy, filter: &str, range: TimeRange) -> Ask {
        Ask::Table(TableQuery {
            q: filter.to_owned(),
            from: Some(range.from),
            to: Some(range.to),
            by,
            sort: self.drill.top().sort,
            limit: Some(ROWS),
        })
    }

    fn series(&self, by: GroupBy, filter: &str, range: TimeRange) -> Ask {
        Ask::Series(SeriesQuery {
            q: filter.to_owned(),
            from: Some(range.from),
            to: Some(range.to),
            // These have the rate below a heat map, column by column.
            step_ms: matches!(self.drill.top().view, View::HeatMap | View::Explain).then(|| self.column_ms(range)),
            by: (by != GroupBy::None).then_some(by),
            limit: Some(LINES),
        })
    }

    fn heat_map(&self, filter: &str, range: TimeRange) -> Ask {
        Ask::HeatMap(HeatMapQuery {
            q: filter.to_owned(),
            from: Some(range.from),
            to: Some(range.to),
            step_ms: Some(self.column_ms(range)),
            // Finer than the screen: empty bands are cut off at both ends, and the rest is summed to rows.
            bands: Some((usize::from(self.size.1) * 3).clamp(24, 200)),
        })
    }

    /// Milliseconds for one column of the screen.
    fn column_ms(&self, range: TimeRange) -> u64 {
        let columns = u64::from(self.size.0).saturating_sub(12).clamp(20, 500);
        let ms = u64::try_from(range.len().as_millis()).unwrap_or(u64::MAX);
        ms.div_ceil(columns).max(1)
    }
}
