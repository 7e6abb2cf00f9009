//! Everything that touches files, sockets, threads, the clock or randomness.

pub mod api;
pub mod clock;
pub mod contracts;
pub mod door;
pub mod embedded;
pub mod index;
mod listen;
pub mod notify;
mod random;
pub mod service;
