//! What keys do. In: a key and the state. Out: the changed state, and whether to leave.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pitot_model::{api::RowKey, filter};

use super::{App, Mode};
use crate::{
    colon::{self, Colon, SORTS},
    complete,
    drill::{Cursor, Focus, View, name},
    edit::{Edit, Typed},
    keymap::{Action, action},
};

impl App {
    /// Takes a key; `true` means quit.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        match std::mem::replace(&mut self.mode, Mode::Browse) {
            Mode::Browse => action(key).is_some_and(|a| self.act(a)),
            // Any key closes the help, so that nobody is stuck in it.
            Mode::Help => key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL),
            Mode::Filter(edit) => {
                self.type_filter(edit, key);
                false
            }
            Mode::Colon(edit, _) => self.type_command(edit, key),
        }
    }

    fn type_filter(&mut self, mut edit: Edit, key: KeyEvent) {
        if key.code == KeyCode::Tab
            && let Some(rest) = complete::rest(&edit.before())
        {
            edit.paste(&rest);
        }
        match edit.key(key) {
            Typed::Cancelled => {}
            Typed::Done if filter::parse(&edit.text()).is_ok() => self.set_filter(&edit.text()),
            Typed::Done | Typed::On => self.mode = Mode::Filter(edit),
        }
    }

    fn type_command(&mut self, mut edit: Edit, key: KeyEvent) -> bool {
        match edit.key(key) {
            Typed::Cancelled => false,
            Typed::On => {
                self.mode = Mode::Colon(edit, None);
                false
            }
            Typed::Done if edit.text().trim().is_empty() => false,
            Typed::Done => match colon::parse(&edit.text()) {
                Ok(command) => self.command(command),
                Err(error) => {
                    self.mode = Mode::Colon(edit, Some(error));
                    false
                }
            },
        }
    }

    fn command(&mut self, command: Colon) -> bool {
        match command {
            Colon::Quit => return true,
            Colon::Filter(text) => self.set_filter(&text),
            Colon::Range(span) => self.travel.span = span,
            Colon::Sort(sort) => self.drill.top_mut().sort = sort,
            Colon::View(view) => self.drill.switch(view),
            Colon::Live => self.travel.live(),
            Colon::Help => self.mode = Mode::Help,
        }
        self.is_wanted = true;
        false
    }

    fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Quit => return true,
            Action::Help => self.mode = Mode::Help,
            Action::EditFilter => self.mode = Mode::Filter(Edit::new(&self.filter)),
            Action::EditCommand => self.mode = Mode::Colon(Edit::default(), None),
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.step(-self.page()),
            Action::PageDown => self.step(self.page()),
            Action::First => self.step(isize::MIN),
            Action::Last => self.step(isize::MAX),
            _ => {
                self.navigate(action);
                self.is_wanted = true;
            }
        }
        false
    }

    /// Actions after which there is something else to ask.
    fn navigate(&mut self, action: Action) {
        match action {
            Action::View(n) => self.drill.switch(View::TABS[usize::from(n).clamp(1, View::TABS.len()) - 1]),
            Action::NextView => self.next_view(1),
            Action::PreviousView => self.next_view(View::TABS.len() - 1),
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Sort => self.next_sort(),
            Action::Explain => self.explain(),
            Action::NextAnomaly => self.next_anomaly(1),
            Action::PreviousAnomaly => self.next_anomaly(-1),
            Action::Live => self.travel.live(),
            Action::Freeze | Action::Earlier | Action::Later | Action::Longer | Action::Shorter => self.travel(action),
            _ => {}
        }
    }

    fn travel(&mut self, action: Action) {
        let Some(extent) = &self.extent else { return };
        let moved = match action {
            Action::Earlier => self.travel.earlier(extent),
            Action::Later => self.travel.later(extent),
            Action::Longer | Action::Shorter => {
                let before = self.travel.span;
                if action == Action::Longer {
                    self.travel.longer(extent);
                } else {
                    self.travel.shorter(extent);
                }
                before != self.travel.span
            }
            _ => {
                self.travel.toggle_freeze(extent);
                true
            }
        };
        if !moved {
            self.say(match action {
                Action::Earlier => "the oldest data is on screen",
                Action::Later => "the newest data is on screen",
                Action::Longer => "all data is on screen",
                _ => "there is no shorter range; :range 1m shows a minute",
            });
        }
    }

    fn set_filter(&mut self, text: &str) {
        self.filter = text.trim().to_owned();
        self.drill.top_mut().cursor = Cursor::default();
        self.is_wanted = true;
    }

    fn step(&mut self, by: isize) {
        let ids = self.ids();
        self.drill.top_mut().cursor.step(by, &ids);
    }

    /// Rows that fit on the screen, about.
    fn page(&self) -> isize {
        isize::from(i16::try_from(self.size.1).unwrap_or(i16::MAX) - 8).max(1)
    }

    fn next_view(&mut self, by: usize) {
        let at = View::TABS.iter().position(|v| *v == self.drill.top().view).unwrap_or(0);
        self.drill.switch(View::TABS[(at + by) % View::TABS.len()]);
    }

    fn next_sort(&mut self) {
        if self.group().is_none() {
            self.say("this view is sorted by time");
            return;
        }
        let sort = &mut self.drill.top_mut().sort;
        let at = SORTS.iter().position(|(s, _)| s == sort).unwrap_or(0);
        *sort = SORTS[(at + 1) % SORTS.len()].0;
    }

    fn back(&mut self) {
        if self.drill.back() {
            return;
        }
        if self.filter.is_empty() {
            self.say("this is the top; q quits");
        } else {
            self.set_filter("");
            self.say("filter cleared");
        }
    }

    fn open(&mut self) {
        let index = self.drill.top().cursor.index;
        let (view, focus) = match self.drill.top().view {
            View::Anomalies => return self.explain(),
            View::Explain => return self.visit_subject(),
            View::Coverage => {
                let name = self.agents().get(index).map(|a| a.name.clone());
                if let Some(name) = name {
                    self.drill.open(View::Agent, Focus::Agent(name));
                }
                return;
            }
            View::HeatMap | View::Agent => return,
            view @ (View::Overview | View::Routes | View::Consumers | View::Detail) => {
                let Some(row) = self.rows().get(index) else { return };
                let next = if view == View::Overview { View::Routes } else { View::Detail };
                (next, Focus::Part(row.key.clone()))
            }
        };
        if !self.drill.open(view, focus) {
            self.say("there is nothing further in it");
        }
    }

    /// From an anomaly to the traffic that it is about, at that time; or to the agent.
    fn visit_subject(&mut self) {
        let (Some(anomaly), Some(extent)) = (self.explained().cloned(), &self.extent) else { return };
        self.travel.visit(anomaly.start, anomaly.end.unwrap_or(extent.edge), extent);
        if let Some(agent) = anomaly.subject.agent {
            self.drill.open(View::Agent, Focus::Agent(agent));
        } else if !self.drill.open(View::Detail, Focus::Part(anomaly.subject)) {
            self.drill.switch(View::HeatMap);
        }
    }

    fn explain(&mut self) {
        let id = match self.drill.top().view {
            View::Explain => return,
            View::Anomalies => self.anomalies().get(self.drill.top().cursor.index).map(|a| a.id.clone()),
            _ => self.anomaly_of(&self.selected_key()).map(|a| a.id.clone()),
        };
        match id {
            Some(id) => {
                self.drill.open(View::Explain, Focus::Anomaly(id));
            }
            None => self.say(format!("no anomaly of {} in this range", name(&self.selected_key()))),
        }
    }

    fn selected_key(&self) -> RowKey {
        let row = self.rows().get(self.drill.top().cursor.index);
        row.map_or_else(|| self.drill.scope(), |r| r.key.clone())
    }

    fn next_anomaly(&mut self, by: isize) {
        match self.drill.top().view {
            View::Anomalies => self.step(by),
            View::Explain => {
                let at = self.explained().and_then(|e| self.anomalies().iter().position(|a| a.id == e.id)).unwrap_or(0);
                let next = at.saturating_add_signed(by);
                if let Some(id) = self.anomalies().get(next).filter(|_| next != at).map(|a| a.id.clone()) {
                    self.drill.top_mut().focus = Some(Focus::Anomaly(id));
                } else {
                    self.say("no further anomaly in this range");
                }
            }
            _ => self.drill.switch(View::Anomalies),
        }
    }
}
