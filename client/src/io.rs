//! The outside of the client: the network, and the files that open doors.

mod access;
mod connect;
mod http;
mod tls;

pub use self::http::Http;
pub(crate) use self::http::Place;
