//! Everything that touches files, sockets, threads, the clock or randomness.

pub mod api;
pub mod clock;
pub mod embedded;
pub mod index;
pub mod notify;
pub mod service;
