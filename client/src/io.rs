//! The outside of the client: the network.

mod http;

pub use self::http::Http;
