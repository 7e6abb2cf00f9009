//! Everything that touches files, sockets, threads, the clock or randomness.

pub mod embedded;
