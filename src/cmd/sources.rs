//! From flags to what is read and how. In: [`Reading`] and paths. Out: the agent's source specs and settings.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use pitot_agent::{
    enrich::{Consumers, Keys, Pseudonyms, Settings, Template, Templates},
    http,
    io::{SourceSpec, fresh_secret, load_secret},
    log::Format,
    packets::{Local, Options},
    parse::Wanted,
};
use pitot_model::{Coverage, TimeRange, Timestamp};

use super::config::openapi;
use crate::cli::{Reading, Sources};

/// Service of transactions whose log names none.
pub(crate) const DEFAULT_SERVICE: &str = "default";

pub(crate) fn specs(paths: &[PathBuf], reading: &Reading) -> anyhow::Result<Vec<SourceSpec>> {
    let format = reading.log_format.as_deref().map(compile).transpose()?;
    let spec =
        |path: &PathBuf| SourceSpec { path: path.clone(), format: format.clone(), consumer: reading.consumer.clone() };
    Ok(paths.iter().map(spec).collect())
}

/// How packets are read.
pub(crate) fn packets(args: &Sources) -> Options {
    let Sources { reading, capturing, .. } = args;
    Options {
        local: Local::new(capturing.local.clone()),
        ports: capturing.ports.clone(),
        range: wanted(reading, false).range,
        http: http::Limits {
            answer_within: capturing.answer_within.unwrap_or(http::Limits::DEFAULT.answer_within),
            ..http::Limits::default()
        },
        seed: seed(),
    }
}

/// Who chooses connections must not know where they are kept.
pub(crate) fn seed() -> u64 {
    fresh_secret().ok().and_then(|s| s.first_chunk().copied()).map_or(0, u64::from_le_bytes)
}

pub(crate) fn compile(format: &str) -> anyhow::Result<Format> {
    Format::compile(format).map_err(|e| anyhow::anyhow!("--log-format: {e}"))
}

pub(crate) fn settings(reading: &Reading) -> anyhow::Result<Arc<Settings>> {
    let pseudonyms = if reading.raw { Pseudonyms::raw() } else { pseudonyms(&state_directory())? };
    let described = openapi::routes(reading.openapi.iter().map(PathBuf::as_path))?;
    Ok(Arc::new(Settings {
        default_service: DEFAULT_SERVICE.to_owned(),
        service: reading.service.clone(),
        templates: templates(&[&reading.routes[..], &described].concat())?,
        pseudonyms,
        consumers: Arc::new(Consumers::led_by(reading.consumer.as_deref().unwrap_or_default())),
    }))
}

pub(crate) fn templates(texts: &[String]) -> anyhow::Result<Templates> {
    let templates: Result<Vec<Template>, _> = texts.iter().map(|t| t.parse()).collect();
    Ok(Templates::new(templates?))
}

pub(crate) fn wanted(reading: &Reading, keep_rejected: bool) -> Wanted {
    let range = TimeRange::new(reading.since.unwrap_or(TimeRange::ALL.from), reading.until.unwrap_or(Timestamp::MAX));
    Wanted { range, keep_rejected }
}

/// Pseudonyms keyed with this machine's secret. Where none can be kept, with one that lasts for this run.
pub(crate) fn pseudonyms(state: &Path) -> anyhow::Result<Pseudonyms> {
    let keys = load_secret(state).or_else(|error| {
        let _ = writeln!(std::io::stderr(), "pitot: {error}; pseudonyms of this run will not be those of the next");
        fresh_secret().map(Keys::one)
    });
    Ok(keys?.at(super::query::now()))
}

/// Where this machine's secret lives.
pub(crate) fn state_directory() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // Whom root becomes could not reach a directory in root's home.
    let system = || rustix::process::geteuid().is_root().then(|| PathBuf::from("/var/lib/pitot"));
    from("PITOT_STATE")
        .or_else(|| from("XDG_STATE_HOME").map(|d| d.join("pitot")))
        .or_else(system)
        .or_else(|| from("HOME").map(|d| d.join(".local/state/pitot")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/pitot"))
}

/// Refuses to read files, which end, beside interfaces, which do not.
pub(crate) fn refuse_files(args: &Sources) -> anyhow::Result<()> {
    match args.sources.first() {
        Some(path) => anyhow::bail!("cannot read `{}` and an interface at once; leave one out", path.display()),
        None => Ok(()),
    }
}

/// Refuses interfaces where only what ends can be read.
pub(crate) fn refuse_interfaces(args: &Sources) -> anyhow::Result<()> {
    match args.capturing.interfaces.first() {
        Some(name) => anyhow::bail!("cannot read interface `{name}` here; capture to a file and read that"),
        None => Ok(()),
    }
}

/// How much was read, for people.
pub(crate) fn read(coverage: &Coverage) -> String {
    match (coverage.lines_read, coverage.packets_read) {
        (lines, 0) => format!("{lines} lines"),
        (0, packets) => format!("{packets} packets"),
        (lines, packets) => format!("{lines} lines and {packets} packets"),
    }
}

/// Creates a file for output.
pub(crate) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(BufWriter::new(file))
}

/// Opens a file for output that is to be written later, if at all: what it holds stays until then.
pub(crate) fn open_output(path: &Path) -> anyhow::Result<File> {
    let open = File::options().write(true).create(true).truncate(false).open(path);
    open.with_context(|| format!("cannot write `{}`", path.display()))
}

/// Empties a file for output.
pub(crate) fn empty(file: File, path: &Path) -> anyhow::Result<BufWriter<File>> {
    // Pipes have no length.
    if file.metadata().is_ok_and(|m| m.is_file()) {
        file.set_len(0).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(BufWriter::new(file))
}

/// Refuses to write over what is to be read.
pub(crate) fn refuse_source(output: &Path, sources: &[PathBuf]) -> anyhow::Result<()> {
    let Ok(output) = output.canonicalize() else { return Ok(()) };
    let is_it = |source: &&PathBuf| source.canonicalize().is_ok_and(|s| is_same_file(&s, &output));
    match sources.iter().find(is_it) {
        Some(source) => anyhow::bail!("`{}` is a source; write to another file", source.display()),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| path.metadata().map(|m| (m.dev(), m.ino())).ok();
    identity(a).is_some_and(|a| identity(b) == Some(a))
}

#[cfg(not(unix))]
fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b
}
