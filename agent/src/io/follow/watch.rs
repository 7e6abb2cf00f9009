//! Being told by the system when something happens in the directories of logs.
//!
//! In: directories. Out: a call for every event, and whether directories should be looked at again. Nothing depends on
//! it: network file systems tell nothing, and the reader looks by itself now and then.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use tracing::debug;

pub(super) struct Watch {
    /// Absent where the system offers none.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Whether names came or went since the last look.
    has_changed: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn start(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let has_changed = Arc::new(AtomicBool::new(true));
        let flag = has_changed.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                // Our own reading is one.
                Ok(EventKind::Access(_)) => return,
                Ok(EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))) => {}
                Ok(_) | Err(_) => flag.store(true, Ordering::Relaxed),
            }
            wake();
        });
        let watcher = watcher.inspect_err(|error| debug!(%error, "files are looked at now and then")).ok();
        Self { watcher, watched: BTreeSet::new(), has_changed }
    }

    /// Whether names came or went since this was asked last.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed.swap(false, Ordering::Relaxed)
    }

    /// Watches these directories, and no others any more.
    pub(super) fn set(&mut self, directories: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&directories) {
            // It may not exist any more.
            let _ = watcher.unwatch(gone);
        }
        let failed: Vec<PathBuf> = directories
            .difference(&self.watched)
            .filter(|dir| watcher.watch(dir, RecursiveMode::NonRecursive).is_err())
            .cloned()
            .collect();
        self.watched = directories;
        for dir in failed {
            self.watched.remove(&dir);
        }
    }
}

/// The directory of a file, as it can be watched.
pub(super) fn directory(path: &Path) -> Option<PathBuf> {
    let dir = path.parent()?;
    Some(if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir.to_owned() })
}
