//! The pretend bank's folders: what lies complete in `inbox/`, what is being worked on in `processing/`, what was done with in
//! `done/`, and how an answer appears in `outbox/`: under a name that readers ignore, then renamed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::layout::{OutFile, is_date};
use super::{Layout, enquiry, fixed_bytes, pipe_summary, refund, split_pair};

/// A payment file that is complete.
pub(super) struct Found {
    /// Its path below the inbox.
    pub(super) key: String,
    path: PathBuf,
    changed: SystemTime,
}

/// What the last look saw, for files that show by standing still that they are complete.
#[derive(Default)]
pub(super) struct Looks {
    seen: HashMap<String, (u64, SystemTime)>,
}

impl Looks {
    /// The complete files, in the order in which they came.
    pub(super) fn complete(&mut self, root: &Path, layout: Layout) -> io::Result<Vec<Found>> {
        let inbox = root.join("inbox");
        let mut found = match layout {
            Layout::SplitPair => files(&inbox, "", split_pair::is_request)?,
            Layout::FixedBytes => {
                let mut found = in_dated_folders(&inbox, fixed_bytes::is_request)?;
                found.retain(|file| fs::read(flag_of(&file.path)).is_ok_and(|flag| flag.ends_with(b"\n")));
                let mut questions = in_dated_folders(&inbox, enquiry::is_enquiry)?;
                questions.retain(|file| fs::read(&file.path).is_ok_and(|bytes| enquiry::is_complete(&bytes)));
                found.append(&mut questions);
                found
            }
            Layout::PipeSummary => {
                let all = in_dated_folders(&inbox, pipe_summary::is_request)?;
                self.standing_still(all)?
            }
        };
        found.append(&mut files(&inbox, "", refund::is_order)?);
        found.sort_by(|a, b| (a.changed, &a.key).cmp(&(b.changed, &b.key)));
        Ok(found)
    }

    fn standing_still(&mut self, all: Vec<Found>) -> io::Result<Vec<Found>> {
        let (mut still, mut seen) = (Vec::new(), HashMap::new());
        for file in all {
            let now = (fs::metadata(&file.path)?.len(), file.changed);
            if self.seen.get(&file.key) == Some(&now) {
                still.push(file);
            } else {
                seen.insert(file.key, now);
            }
        }
        self.seen = seen;
        Ok(still)
    }
}

fn in_dated_folders(inbox: &Path, wanted: fn(&str) -> bool) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (name, path) in names(inbox)? {
        if is_date(&name) && fs::symlink_metadata(&path)?.is_dir() {
            found.append(&mut files(&path, &format!("{name}/"), wanted)?);
        }
    }
    Ok(found)
}

fn files(folder: &Path, prefix: &str, wanted: fn(&str) -> bool) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (name, path) in names(folder)? {
        let met = fs::symlink_metadata(&path)?;
        if met.is_file() && wanted(&name) {
            found.push(Found { key: format!("{prefix}{name}"), path, changed: met.modified()? });
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        names.extend(entry.file_name().into_string().ok().map(|name| (name, entry.path())));
    }
    names.sort();
    Ok(names)
}

/// Makes the folders of a bank.
pub(super) fn make(root: &Path) -> io::Result<()> {
    for folder in ["inbox", "outbox/statement", "done", "processing"] {
        fs::create_dir_all(root.join(folder))?;
    }
    Ok(())
}

/// The bank's own folder for what it works on.
pub(super) fn processing(root: &Path) -> PathBuf {
    root.join("processing")
}

/// Where files lie that were done with.
pub(super) fn done(root: &Path) -> PathBuf {
    root.join("done")
}

/// The flag file beside a data file.
pub(super) fn flag_of(data: &Path) -> PathBuf {
    with_suffix(data, ".ok")
}

/// What was taken and not laid aside: left from before a restart, or just carried in.
pub(super) fn unfinished(root: &Path) -> io::Result<Vec<String>> {
    let any = |name: &str| !name.ends_with(".ok");
    let mut found = files(&processing(root), "", any)?;
    found.append(&mut in_dated_folders(&processing(root), any)?);
    Ok(found.into_iter().map(|file| file.key).collect())
}

/// Takes a file out of the inbox, with its flag.
pub(super) fn carry(found: &Found, root: &Path, key: &str) -> io::Result<()> {
    move_with_flag(&found.path, &processing(root).join(key))
}

/// Puts a file away that was done with, with its flag.
pub(super) fn lay_aside(root: &Path, key: &str) -> io::Result<()> {
    move_with_flag(&processing(root).join(key), &done(root).join(key))
}

fn move_with_flag(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let flag = flag_of(from);
    if flag.exists() {
        fs::rename(flag, flag_of(to))?;
    }
    fs::rename(from, to)
}

/// Publishes an answer. What stands there already was told to somebody and stays.
pub(super) fn put_out(root: &Path, file: &OutFile) -> io::Result<()> {
    let to = root.join("outbox").join(&file.path);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if to.exists() {
        tracing::warn!("an answer was given before; the first one stays");
        return Ok(());
    }
    let writing = with_suffix(&to, ".writing");
    fs::write(&writing, &file.bytes)?;
    fs::rename(writing, to)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
