//! All agents as a table, trouble first. In: rows of the API, the collector's clock, a style. Out: lines of at most its width.
//!
//! Below an agent in trouble stands what is wrong with it, in words. Narrow terminals lose the columns that matter least.

use std::{io, time::Duration};

use pitot_model::{
    Timestamp,
    api::{AgentRow, AgentState, Agents},
};

use super::words;
use crate::report::{
    Style, names,
    text::paint::{Ink, Paint},
};

/// Between columns.
const GAP: usize = 2;
/// Cells of the bar of a spool.
const BAR: usize = 6;
/// Names are cut to this where the line is too short for all.
const NAME: std::ops::RangeInclusive<usize> = 12..=40;

/// A column: its title, and how much it matters; 0 always stays.
struct Column {
    title: &'static str,
    rank: u8,
    is_right: bool,
    cells: Vec<(String, Ink)>,
}

pub(super) fn write(agents: &Agents, now: Timestamp, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let (paint, width) = (Paint::new(style.color), style.width.max(Style::MIN_WIDTH));
    let rows = agents.worst_first();
    if rows.is_empty() {
        return writeln!(out, "no agent has shipped to this collector yet; `pitot agent` starts one");
    }
    let columns = columns(&rows, now, width);
    let titles: Vec<_> = columns.iter().map(|c| c.align(c.title, c.width())).collect();
    writeln!(out, "{}", paint.ink(Ink::Faint, titles.join("  ").trim_end()))?;
    for (i, agent) in rows.iter().enumerate() {
        let cells = columns.iter().map(|c| paint.ink(c.cells[i].1, &c.align(&c.cells[i].0, c.width())));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        for trouble in words::troubles(agent, now) {
            let said = words::cut(&trouble, width - 4);
            let (what, rest) = said.split_once(": ").unwrap_or((&said, ""));
            let colon = if rest.is_empty() { "" } else { ": " };
            writeln!(out, "    {}{}", paint.ink(Ink::Warn, what), paint.ink(Ink::Faint, &format!("{colon}{rest}")))?;
        }
    }
    writeln!(out, "{}", summary(agents))
}

/// `3 agents: 2 live, 1 silent`.
fn summary(agents: &Agents) -> String {
    let states = [AgentState::Live, AgentState::Silent, AgentState::Stopped];
    let parts = states.into_iter().map(|s| (agents.count(s), s.name())).filter(|(n, _)| *n > 0);
    let parts: Vec<_> = parts.map(|(n, name)| format!("{n} {name}")).collect();
    format!("{}: {}", words::counted(agents.agents.len() as u64, "agent", "agents"), parts.join(", "))
}

/// The columns that fit, as wide as they are.
fn columns(rows: &[&AgentRow], now: Timestamp, width: usize) -> Vec<Column> {
    let column = |title, rank, is_right, cell: &dyn Fn(&AgentRow) -> (String, Ink)| Column {
        title,
        rank,
        is_right,
        cells: rows.iter().map(|a| cell(a)).collect(),
    };
    let plain = |text: String| (text, Ink::Plain);
    let warn_if = |is_so: bool| if is_so { Ink::Warn } else { Ink::Plain };
    let mut columns = vec![
        column("", 0, false, &|a| (words::sign(a).0.to_owned(), words::sign(a).1)),
        column("AGENT", 0, false, &|a| (words::name(a), Ink::Strong)),
        column("STATE", 0, false, &|a| (a.state.name().to_owned(), state_ink(a))),
        column("SEEN", 1, true, &|a| (words::span(now.since(a.last_seen)), state_ink(a))),
        column("LAG", 4, true, &|a| {
            (words::span(Duration::from_millis(a.lag_ms)), warn_if(a.lag_ms > AgentRow::LAGGING_MS))
        }),
        column("SPOOL", 3, false, &|a| (words::spool_bar(a, BAR), warn_if(a.spool_share() >= AgentRow::SPOOL_FILLING))),
        column("SOURCES", 6, true, &sources),
        column("READ", 5, true, &|a| plain(words::read(&a.coverage))),
        column("LOST", 2, true, &|a| (words::short(a.coverage.lost()), warn_if(!a.coverage.is_full()))),
    ];
    if rows.iter().any(|a| a.refused_reports > 0) {
        columns
            .push(column("REFUSED", 7, true, &|a| (words::short(a.refused_reports), warn_if(a.refused_reports > 0))));
    }
    if rows.iter().any(|a| words::clock(a).is_some()) {
        columns.push(column("CLOCK", 8, true, &|a| (words::clock(a).unwrap_or_default(), warn_if(true))));
    }
    columns.push(column("VERSION", 9, false, &|a| (names::clean(&a.program).into_owned(), Ink::Faint)));
    fit(&mut columns, width);
    columns
}

fn state_ink(a: &AgentRow) -> Ink {
    match a.state {
        AgentState::Live => Ink::Plain,
        AgentState::Stopped => Ink::Faint,
        AgentState::Silent => Ink::Bad,
    }
}

/// `3`, or `2 of 3` where one cannot be read.
fn sources(a: &AgentRow) -> (String, Ink) {
    match a.backlog {
        None => ("–".to_owned(), Ink::Faint),
        Some(b) if b.broken_sources > 0 => {
            (format!("{} of {}", b.sources.saturating_sub(b.broken_sources), b.sources), Ink::Warn)
        }
        Some(b) => (b.sources.to_string(), Ink::Plain),
    }
}

/// Takes the columns that matter least until the rest fits; the name gives way before, but not below its least.
fn fit(columns: &mut Vec<Column>, width: usize) {
    let total = |columns: &[Column]| -> usize {
        columns.iter().map(Column::width).sum::<usize>() + GAP * columns.len().saturating_sub(1)
    };
    let name = columns[1].width();
    let least = name.min((width / 4).clamp(*NAME.start(), *NAME.end()));
    while total(columns) - name + least > width {
        match columns.iter().enumerate().max_by_key(|(_, c)| c.rank).filter(|(_, c)| c.rank > 0).map(|(i, _)| i) {
            Some(i) => drop(columns.remove(i)),
            None => break,
        }
    }
    let room = (width + name).saturating_sub(total(columns)).clamp(1, *NAME.end());
    for (text, _) in &mut columns[1].cells {
        *text = names::fit(text, room).into_owned();
    }
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|(text, _)| names::width(text)).chain([names::width(self.title)]).max().unwrap_or(0)
    }

    fn align(&self, text: &str, width: usize) -> String {
        let pad = " ".repeat(width - names::width(text).min(width));
        if self.is_right { pad + text } else { text.to_owned() + &pad }
    }
}
