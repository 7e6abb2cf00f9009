//! Delivery that loses nothing: what was written is what the collector counts, whatever ends in between.

mod away;
mod daemons;
mod disk;
mod fail_over;
mod forwarder;
mod kills;
mod logs;
mod random;
mod truth;
