//! How the dashboard is started. In: flags, config and environment, read by the caller. Out: typed choices.

use std::time::Duration;

use crate::{Colors, Span, ThemeName};

/// Choices for one run of the dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Filter to begin with, in the filter language; empty for everything.
    pub filter: String,
    /// Length of time on screen to begin with.
    pub range: Span,
    /// What is watched, for the top line: a file name or the collector's address.
    pub source: String,
    /// How many colours the terminal has; [`Colors::from_env`] finds out.
    pub colors: Colors,
    /// Colours for a dark or a light background.
    pub theme: ThemeName,
    /// Least time between two refreshes; one to ten seconds make sense.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: String::new(),
            range: Span::default(),
            source: String::new(),
            colors: Colors::Ansi16,
            theme: ThemeName::default(),
            refresh: Duration::from_secs(2),
        }
    }
}
