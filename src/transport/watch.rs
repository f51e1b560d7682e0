//! A hint that something changed in a directory of this machine, so that the rescan comes sooner.
//!
//! A hint only: events get lost when they are many, on shares none come at all, and a directory that is replaced takes its watch
//! with it. So the directories themselves are looked at every two seconds, and the rescan by the timer finds the rest.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

/// How soon a directory that came back, or came into being, is watched.
const REARM: Duration = Duration::from_secs(2);

/// Watches some directories. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    dirs: Vec<PathBuf>,
    /// Which directory, by device and number, is watched under which path.
    armed: BTreeMap<PathBuf, (u64, u64)>,
    /// `None` where the system gives us no watch: then only the directories themselves are looked at.
    watcher: Option<RecommendedWatcher>,
    changed: Arc<Notify>,
    looks: Interval,
}

/// Watches these directories, those too that do not exist yet. Must be called on the runtime.
#[must_use]
pub fn watch(dirs: Vec<PathBuf>) -> Watch {
    let changed = Arc::new(Notify::new());
    let signal = Arc::clone(&changed);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
        Ok(event) if is_change(event.kind) || event.need_rescan() => signal.notify_one(),
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(%error, "a watch failed; the rescan goes on");
            signal.notify_one();
        }
    });
    let watcher = watcher.inspect_err(|error| tracing::warn!(%error, "directories are not watched, only rescanned")).ok();
    let mut looks = tokio::time::interval(REARM);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch { dirs, armed: BTreeMap::new(), watcher, changed, looks };
    watch.rearm();
    watch
}

impl Watch {
    /// Waits until something may have changed. Many changes are one; changes since the last call are not lost.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                () = self.changed.notified() => return,
                _ = self.looks.tick() => {
                    if self.rearm() {
                        return;
                    }
                }
            }
        }
    }

    /// Watches what is not watched. Says whether a directory appeared, was replaced or went away.
    fn rearm(&mut self) -> bool {
        let mut is_changed = false;
        for dir in &self.dirs {
            let now = std::fs::metadata(dir).ok().filter(std::fs::Metadata::is_dir).map(|meta| (meta.dev(), meta.ino()));
            if now == self.armed.get(dir).copied() {
                continue;
            }
            is_changed = true;
            if let Some(watcher) = &mut self.watcher {
                swap_watch(watcher, dir, now.is_some());
            }
            match now {
                Some(identity) => drop(self.armed.insert(dir.clone(), identity)),
                None => drop(self.armed.remove(dir)),
            }
        }
        is_changed
    }
}

fn swap_watch(watcher: &mut RecommendedWatcher, dir: &Path, is_there: bool) {
    // There may be none, or one on the directory that went away.
    drop(watcher.unwatch(dir));
    if is_there && let Err(error) = watcher.watch(dir, RecursiveMode::NonRecursive) {
        tracing::warn!(dir = %dir.display(), %error, "a directory is not watched, only rescanned");
    }
}

/// Reading is no change: our own listings would wake us for ever.
fn is_change(kind: EventKind) -> bool {
    kind.is_create() || kind.is_modify() || kind.is_remove() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}
