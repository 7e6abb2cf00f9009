//! The lines from which formats were detected, beside the reports: they are large, seldom change, and would be in every one.
//!
//! In: cursors. Out: the same without their samples and the names of these, and the reverse. A sample is a file named by its
//! digest, which lasts before a report that refers to it is written, and is removed once the newest one does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use sha2::{Digest, Sha256};
use tracing::warn;

use super::Spool;
use crate::Cursor;

/// Bytes of a sample; a longer one is not kept, and its format detected anew.
const SAMPLE_BYTES: usize = 64 << 10;

/// End of the name of a sample.
const END: &str = ".sample";

/// Cursors without samples, and the name of the sample of each; empty where there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Stripped {
    pub(super) cursors: Vec<Cursor>,
    pub(super) samples: Vec<String>,
}

/// Whether a file of this name is a sample.
pub(super) fn is_sample(name: &str) -> bool {
    name.strip_suffix(END).is_some_and(|n| n.len() == 32 && n.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Spool {
    /// Takes samples out of cursors, and makes those last that do not yet.
    pub(super) fn strip(&mut self, cursors: &[Cursor]) -> io::Result<Stripped> {
        let mut stripped = Stripped { cursors: cursors.to_vec(), samples: Vec::new() };
        let mut fresh = BTreeMap::new();
        for cursor in &mut stripped.cursors {
            let sample = std::mem::take(&mut cursor.sample);
            let is_kept = (1..=SAMPLE_BYTES).contains(&sample.len());
            let name = if is_kept { name(&sample) } else { String::new() };
            if is_kept && !self.samples.contains(&name) {
                fresh.insert(name.clone(), sample);
            }
            stripped.samples.push(name);
        }
        for (name, sample) in &fresh {
            self.put(name, &[sample.as_bytes()])?;
        }
        if !fresh.is_empty() {
            self.disk.sync()?;
        }
        self.samples.extend(fresh.into_keys());
        Ok(stripped)
    }

    /// Puts samples back into cursors. One that is damaged or gone stays away: its format is detected anew.
    pub(super) fn unstrip(&mut self, stripped: Stripped) -> Vec<Cursor> {
        let mut cursors = stripped.cursors;
        for (cursor, wanted) in cursors.iter_mut().zip(&stripped.samples).filter(|(_, n)| is_sample(n)) {
            let read = self.disk.read(wanted, SAMPLE_BYTES as u64).ok().and_then(|b| String::from_utf8(b).ok());
            match read.filter(|sample| name(sample) == *wanted) {
                Some(sample) => cursor.sample = sample,
                None => warn!(source = %cursor.source, "the sample of a format is lost; the format is detected anew"),
            }
        }
        cursors
    }

    /// Removes samples that the newest report does not need.
    pub(super) fn forget_samples(&mut self, needed: &[String]) {
        let needed: BTreeSet<&String> = needed.iter().collect();
        let surplus: Vec<String> = self.samples.iter().filter(|n| !needed.contains(n)).cloned().collect();
        for name in surplus {
            // One that cannot be removed now takes some space until the next start.
            let _ = self.disk.remove(&name);
            self.samples.remove(&name);
        }
    }
}

fn name(sample: &str) -> String {
    let hash = Sha256::digest(sample.as_bytes());
    hash.iter().take(16).map(|b| format!("{b:02x}")).chain([END.to_owned()]).collect()
}
