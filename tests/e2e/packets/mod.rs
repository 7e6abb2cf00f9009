//! From packets to transactions, through the real binary: captures that others made, captures whose truth is known, and
//! live traffic of real servers on loopback.

pub(crate) mod capture;
mod client;
mod corpus;
mod grpc;
mod http2;
mod nginx;
mod pipe;
mod refusals;
pub(crate) mod servers;
mod streams;
mod truth;
