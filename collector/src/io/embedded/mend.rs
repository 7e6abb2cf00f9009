//! Mending a torn journal. In: a store that does not open since its journal makes no sense somewhere. Out: the journal up
//! to there, and the whole of it beside the store, for whoever wants to look.
//!
//! A power cut can leave the end of the journal in any state: what was not yet written through to the disk may be there
//! in parts, also later parts without earlier ones. The engine forgives a last batch that ends too early, but not one
//! whose middle is missing. Everything that was acknowledged lies before that: it was written through.
//!
//! The engine's own reader judges how far the journal is good: in an empty store of its own, where nothing can break.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::open::{STORE, engine};

/// Directory in the data directory where journals are tried; it is gone afterwards.
const TRIAL: &str = "trial";

/// Whether an error may come from a torn journal.
pub(super) fn may_be_torn(e: &fjall::Error) -> bool {
    match e {
        fjall::Error::JournalRecovery(_) | fjall::Error::Decompress(_) | fjall::Error::Unrecoverable => true,
        fjall::Error::Io(e) => e.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Cuts the journal that was written last behind its last good batch. False where it is good, and so something else is
/// wrong; nothing is changed then.
pub(super) fn mend(data: &Path) -> io::Result<bool> {
    let Some(journal) = last_journal(&data.join(STORE))? else { return Ok(false) };
    let bytes = fs::read(&journal)?;
    let trial = data.join(TRIAL);
    let good = good_bytes(&trial, &bytes);
    fs::remove_dir_all(&trial)?;
    let good = good?;
    if good == bytes.len() {
        return Ok(false);
    }
    let name = journal.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let torn = data.join(format!("torn-{name}"));
    fs::write(&torn, &bytes)?;
    let file = fs::OpenOptions::new().write(true).open(&journal)?;
    file.set_len(good as u64)?;
    file.sync_all()?;
    tracing::warn!(
        good_bytes = good,
        kept = %torn.display(),
        "the journal of the store was torn, as by a power cut; what came after was never acknowledged and is left out"
    );
    Ok(true)
}

/// How many bytes of a journal can be read: one less than makes no sense.
fn good_bytes(trial: &Path, bytes: &[u8]) -> io::Result<usize> {
    if is_good(trial, bytes)? {
        return Ok(bytes.len());
    }
    // Nothing at all is good, and the whole is not.
    let (mut good, mut bad) = (0, bytes.len());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if is_good(trial, &bytes[..middle])? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

fn is_good(trial: &Path, bytes: &[u8]) -> io::Result<bool> {
    if trial.exists() {
        fs::remove_dir_all(trial)?;
    }
    let failed = |e: fjall::Error| io::Error::other(e.to_string());
    drop(engine(trial).map_err(failed)?);
    let journal = last_journal(trial)?.ok_or_else(|| io::Error::other("an empty store has no journal"))?;
    fs::write(journal, bytes)?;
    Ok(engine(trial).is_ok())
}

/// The journal with the greatest number.
fn last_journal(store: &Path) -> io::Result<Option<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == "jnl")) {
            journals.push((number, path));
        }
    }
    Ok(journals.into_iter().max().map(|(_, path)| path))
}
