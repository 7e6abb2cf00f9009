//! What opens the door of a collector: a token, certificates. In: what an operator names. Out: values for a
//! [`Client`](crate::Client), which reads the files and never shows a token.

use std::{fmt, path::PathBuf};

/// How to prove who we are, and whom to trust. By default: no token, no certificate, the machine's own authorities.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// PEM file with the certificates of authorities; these alone are trusted. The machine's own ones when absent.
    pub ca: Option<PathBuf>,
    /// PEM file with our certificate, and those between it and its authority. Goes with `key`.
    pub cert: Option<PathBuf>,
    /// PEM file with the key of our certificate.
    pub key: Option<PathBuf>,
    /// Bearer token.
    pub token: Option<String>,
    /// File with a bearer token; wins over `token`.
    pub token_file: Option<PathBuf>,
}

impl Access {
    /// Whether anything in it may change while we run.
    pub(crate) fn has_files(&self) -> bool {
        [&self.ca, &self.cert, &self.key, &self.token_file].into_iter().any(Option::is_some)
    }

    /// Whether anything in it is of use for TLS alone.
    pub(crate) fn wants_tls(&self) -> bool {
        [&self.ca, &self.cert, &self.key].into_iter().any(Option::is_some)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("ca", &self.ca)
            .field("cert", &self.cert)
            .field("key", &self.key)
            .field("token", &self.token.as_ref().map(|_| "(secret)"))
            .field("token_file", &self.token_file)
            .finish()
    }
}
