//! One file per command: arguments in, exit code out.

pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod check;
pub(crate) mod collector;
pub(crate) mod config;
pub(crate) mod contract;
pub(crate) mod control;
pub(crate) mod demo;
pub(crate) mod dry_run;
pub(crate) mod live;
pub(crate) mod manual;
pub(crate) mod pseudonym;
pub(crate) mod pseudonyms;
pub(crate) mod query;
pub(crate) mod reload;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod routes;
pub(crate) mod runtime;
pub(crate) mod sources;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod tui;
