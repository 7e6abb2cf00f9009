//! The outside of the dashboard: terminal, clock, signals and the collector. In: a client and choices. Out: when the
//! person had enough.

mod fetch;
mod terminal;

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::StreamExt as _;
use pitot_client::Client;
use pitot_model::Timestamp;
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

use crate::{
    Options,
    app::App,
    event::{Command, Event},
};

/// Time between two ticks: what waits (a retry, a notice) is at most so late.
const TICK: Duration = Duration::from_millis(500);
/// Facts that wait to be taken; senders wait beyond that.
const EVENTS: usize = 64;
/// Facts taken between two frames, so that a flood of them cannot starve the screen.
const EVENTS_PER_FRAME: usize = 32;

/// Why the dashboard could not run on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// There is no terminal to draw on.
    #[error("standard output is no terminal; use `pitot report` or `pitot query` there")]
    NotATerminal,
    /// The terminal broke off or refused.
    #[error("cannot use the terminal: {0}; try another one, or `pitot report`")]
    Terminal(#[from] io::Error),
}

/// Shows the dashboard until it is quit, or until the process is told to end.
///
/// The terminal is as it was afterwards, also after an error or a panic. Must run within a tokio runtime with time and
/// I/O; dropping the future ends it in good order as well.
pub async fn run(client: Client, options: Options) -> Result<(), TuiError> {
    let mut terminal = terminal::Screen::enter()?;
    let mut keys = EventStream::new();
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut tasks = JoinSet::new();
    tasks.spawn(fetch::follow(client.clone(), sender.clone()));
    let mut fetch: Option<tokio::task::AbortHandle> = None;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = std::pin::pin!(terminal::told_to_end());

    let mut app = App::new(options, now());
    let (columns, rows) = crossterm::terminal::size()?;
    let mut event = Some(Event::Resize(columns, rows));
    let mut taken = 0;
    loop {
        for command in event.take().map(|e| app.handle(e)).unwrap_or_default() {
            match command {
                Command::Quit => return Ok(()),
                Command::Ask { batch, questions } => {
                    if let Some(old) = fetch.take() {
                        old.abort();
                    }
                    while tasks.try_join_next().is_some() {}
                    fetch = Some(tasks.spawn(fetch::ask(client.clone(), batch, questions, sender.clone())));
                }
            }
        }
        if taken < EVENTS_PER_FRAME
            && let Ok(ready) = events.try_recv()
        {
            taken += 1;
            event = Some(ready);
            continue;
        }
        taken = 0;
        terminal.draw(|frame| app.draw(frame))?;
        event = tokio::select! {
            key = keys.next() => match key {
                Some(key) => from_terminal(key?),
                None => return Ok(()),
            },
            event = events.recv() => event,
            _ = ticks.tick() => Some(Event::Tick(now())),
            () = &mut end => return Ok(()),
        };
    }
}

fn from_terminal(event: TerminalEvent) -> Option<Event> {
    match event {
        TerminalEvent::Key(key) => Some(Event::Key(key)),
        TerminalEvent::Paste(text) => Some(Event::Paste(text)),
        TerminalEvent::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Mouse(_) => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock enters here")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since
}
