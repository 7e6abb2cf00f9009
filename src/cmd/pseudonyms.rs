//! The secrets of an agent's pseudonyms: where they come from, and when the next one is used.
//!
//! In: the configuration, and what ran before. Out: [`Pseudonyms`].

use std::{path::Path, time::Duration};

use pitot_agent::{
    enrich::{Keys, Pseudonyms, Settings},
    io::{Daemon, fresh_secret, load_file, load_secret},
};
use tracing::warn;

use super::{config::AgentFile, query};

/// Time between two attempts to use another secret, and the longest time without a look at the clock, which may be set.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

/// Those that the configuration says. A reload that cannot read the file any more, since privileges ended, goes on with
/// what was read at the start.
pub(crate) fn load(
    file: &AgentFile,
    state: &Path,
    is_dry_run: bool,
    before: Option<(&AgentFile, &Daemon)>,
) -> anyhow::Result<Pseudonyms> {
    let keys = match (file.secret_file.as_os_str().is_empty(), is_dry_run) {
        (false, _) => load_file(&file.secret_file),
        (true, true) if !state.join("pseudonym.secret").exists() => {
            warn!("there is no pseudonym secret yet, and a dry run makes none; pseudonyms are those of this run alone");
            fresh_secret().map(Keys::one)
        }
        (true, _) => load_secret(state),
    };
    match (keys, before) {
        (Ok(keys), _) => Ok(keys.at(query::now())),
        (Err(error), Some((file_before, daemon)))
            if (&file_before.secret_file, &file_before.state) == (&file.secret_file, &file.state) =>
        {
            warn!(%error, "pseudonyms keep the secrets that were read before");
            Ok(daemon.settings.pseudonyms.clone())
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Resolves when another secret is due; never where none is.
pub(crate) async fn wait(pseudonyms: &Pseudonyms) {
    let Some(due) = pseudonyms.next_change() else { return std::future::pending().await };
    loop {
        let left = due.since(query::now());
        let is_late = left.is_zero();
        tokio::time::sleep(if is_late { LOOK_EVERY } else { left.min(LOOK_AT_LEAST) }).await;
        if query::now() >= due {
            return;
        }
    }
}

/// The same daemon with the pseudonyms of now.
pub(crate) fn changed(daemon: &Daemon) -> Daemon {
    let pseudonyms = daemon.settings.pseudonyms.at(query::now());
    let settings = Settings { pseudonyms, ..Settings::clone(&daemon.settings) };
    Daemon { settings: settings.into(), ..daemon.clone() }
}
