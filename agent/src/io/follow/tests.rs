//! Following real files in a directory of its own: a writer that does what writers and rotation do, and what was read.

mod globs;
mod model;
mod places;
mod rotation;
mod texts;

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use pitot_model::{Reason, TimeRange};

use super::*;
use crate::{
    enrich::{Pseudonyms, Settings, Templates},
    log::Format,
};

/// A directory, who follows in it, and a clock for the times of files: one tick for each change.
struct Rig {
    dir: tempfile::TempDir,
    sources: Vec<Followed>,
    follow: Option<Follow>,
    cursors: Vec<Cursor>,
    tick: u64,
    lost: u64,
    linger: Duration,
}

impl Rig {
    /// Follows these paths and patterns from their start.
    fn new(sources: &[&str]) -> Self {
        Self::starting(sources, true)
    }

    fn starting(sources: &[&str], from_start: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Lines of no access log: each comes back as it is, as one that the format does not fit.
        let format = Format::named("combined");
        let path = |name: &&str| dir.path().join(name);
        let followed = |path| Followed { path, format: format.clone(), consumer: None, from_start };
        let sources = sources.iter().map(path).map(followed).collect();
        Self { dir, sources, follow: None, cursors: Vec::new(), tick: 0, lost: 0, linger: Duration::ZERO }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Appends, or makes a file.
    fn write(&mut self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        self.write_to(&mut file, text);
    }

    fn write_to(&mut self, file: &mut File, text: impl AsRef<[u8]>) {
        file.write_all(text.as_ref()).unwrap();
        self.touch(file);
    }

    fn touch(&mut self, file: &File) {
        self.tick += 1;
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.set_modified(base + Duration::from_millis(self.tick)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// As `logrotate` does with `copytruncate`.
    fn copy_truncate(&mut self, name: &str, copy: &str) {
        fs::copy(self.path(name), self.path(copy)).unwrap();
        let copy = File::options().append(true).open(self.path(copy)).unwrap();
        self.touch(&copy);
        let file = File::options().append(true).open(self.path(name)).unwrap();
        file.set_len(0).unwrap();
        self.touch(&file);
    }

    /// As `gzip` and `zstd` do, which keep the time.
    fn pack(&self, name: &str, ending: &str) {
        let (content, time) = (fs::read(self.path(name)).unwrap(), fs::metadata(self.path(name)).unwrap().modified());
        let packed = match ending {
            "zst" => zstd::encode_all(&content[..], 1).unwrap(),
            _ => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(&content).unwrap();
                writer.finish().unwrap()
            }
        };
        let path = self.path(&format!("{name}.{ending}"));
        fs::write(&path, packed).unwrap();
        File::options().append(true).open(path).unwrap().set_modified(time.unwrap()).unwrap();
        self.remove(name);
    }

    /// Everything that there is to read now, in order, blanks for newlines.
    fn read(&mut self) -> String {
        let mut out = Vec::new();
        for _ in 0..400 {
            let (bytes, has_read) = self.read_once();
            out.extend(bytes);
            if !has_read {
                break;
            }
        }
        String::from_utf8(out).unwrap().trim_end_matches('\n').replace('\n', " ")
    }

    /// One pass over everything.
    fn read_once(&mut self) -> (Vec<u8>, bool) {
        if self.follow.is_none() {
            let mut follow = Follow::start(&self.sources, self.cursors.clone(), Arc::new(|| {}));
            (follow.look_every, follow.linger) = (Duration::ZERO, self.linger);
            self.follow = Some(follow);
        }
        let follow = self.follow.as_mut().unwrap();
        let wanted = Wanted { range: TimeRange::ALL, keep_rejected: true };
        let (mut enricher, mut batch) = (enricher(), Batch::default());
        let (mut out, mut lost) = (Vec::new(), 0);
        let has_read = follow.read(wanted, &mut enricher, &mut batch, &mut |batch| {
            out.extend_from_slice(&batch.rejected);
            lost += batch.coverage.reasons.get(&Reason::FileLost).copied().unwrap_or(0);
        });
        self.lost += lost;
        self.cursors = follow.cursors();
        (out, has_read)
    }

    /// Ends the agent; the next read is another one, which has the cursors alone.
    fn stop(&mut self) {
        self.follow = None;
        let text = serde_json::to_string(&self.cursors).unwrap();
        self.cursors = serde_json::from_str(&text).unwrap();
    }

    fn backlog(&mut self) -> (u64, u64, u64) {
        self.follow.as_mut().unwrap().backlog()
    }
}

fn enricher() -> Enricher {
    let (default_service, templates, pseudonyms) = ("default".to_owned(), Templates::default(), Pseudonyms::raw());
    let consumers = Arc::default();
    Enricher::new(Arc::new(Settings { default_service, service: None, templates, pseudonyms, consumers }))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
