//! End to end, through the real binary: what a person would type and see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step of a test ends the test")]

#[path = "e2e/access.rs"]
mod access;
#[path = "e2e/canary/mod.rs"]
mod canary;
#[path = "e2e/contract.rs"]
mod contract;
#[path = "e2e/corpus.rs"]
mod corpus;
#[path = "e2e/daemons.rs"]
mod daemons;
#[path = "e2e/delivery/mod.rs"]
mod delivery;
#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/fleet.rs"]
mod fleet;
#[path = "e2e/packets/mod.rs"]
mod packets;
#[path = "e2e/posture.rs"]
mod posture;
#[path = "e2e/privacy.rs"]
mod privacy;
#[path = "e2e/routes.rs"]
mod routes;
#[path = "e2e/sources.rs"]
mod sources;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/syslog.rs"]
mod syslog;
#[path = "e2e/truth.rs"]
mod truth;
#[path = "e2e/wrong_input.rs"]
mod wrong_input;
