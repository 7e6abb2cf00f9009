//! What opens the door of a collector, as it is typed. In: flags and the environment. Out: a client that has it.
//!
//! A token itself is no flag: everybody on a machine can read the command lines of all processes.

use std::path::PathBuf;

use clap::Args;
use pitot_client::{Client, Error};

/// Environment variable that holds a token.
const TOKEN: &str = "PITOT_TOKEN";

#[derive(Debug, Args, Clone)]
pub(crate) struct Access {
    /// File with the token for the collector; by default the token in $PITOT_TOKEN, if any
    #[arg(help_heading = HEADING, long, value_name = "FILE", env = "PITOT_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authority of the collector's certificate, for https://; by default those of this machine
    #[arg(help_heading = HEADING, long, value_name = "FILE", env = "PITOT_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// PEM file with our own certificate, where the collector wants one
    #[arg(help_heading = HEADING, long, value_name = "FILE", env = "PITOT_CERT", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the key of our certificate
    #[arg(help_heading = HEADING, long, value_name = "FILE", env = "PITOT_KEY", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// Heading of these flags.
const HEADING: &str = "Access to the collector";

impl Access {
    /// A client of the collector at this URL.
    pub(crate) fn connect(&self, url: &str) -> Result<Client, Error> {
        let Self { ca, cert, key, token_file } = self.clone();
        Client::connect_with(url, &pitot_client::Access { ca, cert, key, token: token_from_env(), token_file })
    }
}

/// The token in the environment; an empty one is none.
pub(crate) fn token_from_env() -> Option<String> {
    std::env::var(TOKEN).ok().filter(|token| !token.trim().is_empty())
}
