//! The terminal dashboard: what is slow or failing right now, and is it everyone or one consumer?
//!
//! In: a [`Client`](pitot_client::Client) of a collector, near or within the process, and keys. Out: the screen.
//! The way of a number: `snapshot` (what was last answered) -> `rows` (as people read it) -> `view` (what stands where)
//! -> `widget` (cells). All of that is pure; `io` has the terminal, the clock and the questions.
#![warn(missing_docs)]

mod app;
mod colon;
mod complete;
mod drill;
mod edit;
mod event;
mod io;
mod keymap;
mod number;
mod options;
mod rows;
#[cfg(test)]
mod screens;
mod snapshot;
mod text;
mod theme;
mod travel;
mod view;
mod widget;

pub use io::{TuiError, run};
pub use options::Options;
pub use theme::{Colors, ThemeName};
pub use travel::{ParseSpanError, Span};
