//! Descriptions of APIs in the configuration of daemons and behind `--openapi`. In: names of files. Out: routes for an agent, or
//! what is wrong with a file.

use std::{io::Write as _, path::Path};

use pitot_agent::enrich::Template;
use pitot_collector::{
    contract::{DocumentConfig, Documents},
    io::contracts,
};

/// What is wrong with these files, all of it.
pub(crate) fn problems(configs: &[DocumentConfig]) -> Vec<String> {
    let twice = Documents::repeated(configs);
    let twice = twice.map(|c| format!("openapi: `{}` is named twice; leave one out", c.file.display()));
    configs.iter().filter_map(|c| contracts::read(&c.file).err()).map(|e| e.to_string()).chain(twice).collect()
}

/// The routes that these documents describe, as they are configured otherwise: `GET /v1/users/{id}`. Names of services do not
/// matter here: routes are found by paths.
pub(crate) fn routes<'a>(files: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<Vec<String>> {
    let mut routes = Vec::new();
    for file in files {
        let contract = contracts::read(file)?;
        // What routes cannot say is learned.
        routes.extend(contract.routes().filter(|route| route.parse::<Template>().is_ok()));
        for fault in contract.faults.iter().take(3) {
            let (file, at) = (file.display(), &fault.pointer);
            let _ = writeln!(std::io::stderr(), "pitot: {file}: `{at}`: {}", fault.message);
        }
        let more = contract.faults.len().saturating_sub(3) as u64 + contract.more_faults;
        if more > 0 {
            let _ = writeln!(std::io::stderr(), "pitot: {}: and {more} more such places", file.display());
        }
    }
    Ok(routes)
}
