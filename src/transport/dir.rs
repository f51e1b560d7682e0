//! A mailbox in a directory of this machine, by the same rules as one on a server.
//!
//! Paths are taken below the root; one that is absolute or climbs is refused. Renames go by the kernel's "no replace", and by
//! link-and-unlink (which refuses as well) where a file system, such as NFS, does not know it.

use std::cell::RefCell;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::mailbox::Life;
use super::path::{escape, join, unescape};
use super::sftp::{CHUNK, transfer};
use super::{Entry, Received, Sent, TransportError};

/// A directory tree taken as a mailbox.
pub struct DirSession {
    root: PathBuf,
    life: Arc<Life>,
}

/// A file of ours that is being filled, and is removed again unless it is kept.
pub struct Fetching {
    path: PathBuf,
    file: RefCell<File>,
    is_kept: std::cell::Cell<bool>,
}

impl DirSession {
    pub fn open(root: &Path, life: Arc<Life>) -> Result<Self, TransportError> {
        let session = Self { root: root.to_owned(), life };
        let shown = root.display().to_string();
        let meta = fs::metadata(root).map_err(|error| fault("open the mailbox", &shown, &error))?;
        if meta.is_dir() { Ok(session) } else { Err(TransportError::NotADirectory { path: shown }) }
    }

    fn locate(&self, path: &str) -> Result<PathBuf, TransportError> {
        let bad = |why| TransportError::BadPath { path: path.to_owned(), why };
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        let below = unescape(path)?;
        for part in below.components() {
            match part {
                Component::Normal(_) | Component::CurDir => {}
                Component::ParentDir => return Err(bad("it climbs by ..")),
                Component::RootDir | Component::Prefix(_) => return Err(bad("it is absolute")),
            }
        }
        Ok(self.root.join(below))
    }

    pub fn list(&self, dir: &str) -> Result<Vec<Entry>, TransportError> {
        let during = "list the directory";
        let at = self.locate(dir)?;
        let mut entries = Vec::new();
        for found in fs::read_dir(at).map_err(|error| fault(during, dir, &error))? {
            self.life.step(during)?;
            let found = found.map_err(|error| fault(during, dir, &error))?;
            let name = escape(found.file_name().as_bytes());
            let path = join(dir, &name);
            // Through links, as a server does it; a link that leads nowhere is shown as it is.
            let meta = match fs::metadata(found.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => fs::symlink_metadata(found.path()),
                other => other,
            };
            match meta {
                Ok(meta) => entries.push(entry(path, name, &meta)),
                // Taken away between the name and the look: it is not there any more.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(fault(during, &path, &error)),
            }
        }
        Ok(entries)
    }

    pub fn stat(&self, path: &str) -> Result<Option<Entry>, TransportError> {
        let during = "look at the file";
        self.life.step(during)?;
        match fs::metadata(self.locate(path)?) {
            Ok(meta) => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned();
                Ok(Some(entry(path.to_owned(), name, &meta)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.still_mounted().map(|()| None),
            Err(error) => Err(fault(during, path, &error)),
        }
    }

    /// "No such file" means something only while the mailbox itself is there.
    fn still_mounted(&self) -> Result<(), TransportError> {
        fs::metadata(&self.root).map(drop).map_err(|error| fault("look at the mailbox", &self.root.display().to_string(), &error))
    }

    pub fn ensure_dir(&self, dir: &str) -> Result<(), TransportError> {
        let during = "make the directory";
        let at = self.locate(dir)?;
        self.life.step(during)?;
        // Not the root itself: a share that is not mounted stays missing.
        self.still_mounted()?;
        match fs::create_dir_all(&at) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(TransportError::NotADirectory { path: dir.to_owned() }),
            Err(error) => Err(fault(during, dir, &error)),
        }
    }

    pub fn put_new(&self, path: &str, source: &Path) -> Result<Sent, TransportError> {
        let during = "write the file";
        let local = |error| TransportError::Local { path: source.to_owned(), source: error };
        let failed = |error: io::Error| fault(during, path, &error);
        let at = self.locate(path)?;
        let mut from = File::open(source).map_err(local)?;
        let mut to = OpenOptions::new().write(true).create_new(true).open(&at).map_err(failed)?;
        let (bytes, sha256) =
            transfer(CHUNK, || self.life.step(during), |buffer| from.read(buffer).map_err(local), |chunk| to.write(chunk).map_err(failed))?;
        // What a close could still tell, the flush tells: a share reports late errors there.
        to.sync_all().map_err(failed)?;
        drop(to);
        sync_parent(&at).map_err(failed)?;
        let found = fs::metadata(&at).map_err(failed)?.len();
        if found == bytes {
            Ok(Sent { bytes, sha256 })
        } else {
            Err(TransportError::SizeMismatch { path: path.to_owned(), expected: bytes, found })
        }
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<(), TransportError> {
        let during = "rename the file";
        let (source, target) = (self.locate(from)?, self.locate(to)?);
        self.life.step(during)?;
        let renamed = match rustix::fs::renameat_with(rustix::fs::CWD, &source, rustix::fs::CWD, &target, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::hard_link(&source, &target).and_then(|()| fs::remove_file(&source)),
            other => other.map_err(io::Error::from),
        };
        match renamed {
            Ok(()) => {
                let failed = |error: io::Error| fault(during, to, &error);
                sync_parent(&target).map_err(failed)?;
                sync_parent(&source).map_err(failed)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(TransportError::AlreadyExists { path: to.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound && source.exists() => Err(TransportError::NotFound { path: to.to_owned() }),
            Err(error) => Err(fault(during, from, &error)),
        }
    }

    pub fn get(&self, path: &str, target: &Path) -> Result<Received, TransportError> {
        let fetching = Fetching::new(target)?;
        let received = self.read_through(path, "fetch the file", |bytes| fetching.write(bytes))?;
        fetching.keep()?;
        Ok(received)
    }

    pub fn digest(&self, path: &str) -> Result<Received, TransportError> {
        self.read_through(path, "read the file back", |bytes| Ok(bytes.len()))
    }

    fn read_through(
        &self,
        path: &str,
        during: &'static str,
        sink: impl FnMut(&[u8]) -> Result<usize, TransportError>,
    ) -> Result<Received, TransportError> {
        let failed = |error: io::Error| fault(during, path, &error);
        let mut file = File::open(self.locate(path)?).map_err(failed)?;
        let (bytes, sha256) = transfer(CHUNK, || self.life.step(during), |buffer| file.read(buffer).map_err(failed), sink)?;
        let size = file.metadata().map_err(failed)?.len();
        if size == bytes {
            Ok(Received { bytes, sha256 })
        } else {
            Err(TransportError::SizeMismatch { path: path.to_owned(), expected: size, found: bytes })
        }
    }

    pub fn remove(&self, path: &str) -> Result<(), TransportError> {
        let during = "remove the file";
        let at = self.locate(path)?;
        self.life.step(during)?;
        let failed = |error: io::Error| fault(during, path, &error);
        fs::remove_file(&at).map_err(failed)?;
        sync_parent(&at).map_err(failed)
    }
}

impl Fetching {
    pub fn new(target: &Path) -> Result<Self, TransportError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(target)
            .map_err(|source| TransportError::Local { path: target.to_owned(), source })?;
        Ok(Self { path: target.to_owned(), file: RefCell::new(file), is_kept: std::cell::Cell::new(false) })
    }

    pub fn write(&self, bytes: &[u8]) -> Result<usize, TransportError> {
        self.file.borrow_mut().write_all(bytes).map(|()| bytes.len()).map_err(|source| self.failed(source))
    }

    pub fn keep(&self) -> Result<(), TransportError> {
        self.file.borrow().sync_all().and_then(|()| sync_parent(&self.path)).map_err(|source| self.failed(source))?;
        self.is_kept.set(true);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> TransportError {
        TransportError::Local { path: self.path.clone(), source }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if !self.is_kept.get()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "half a fetched file could not be removed");
        }
    }
}

/// A new or removed name is on disk only once its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

fn entry(path: String, name: String, meta: &Metadata) -> Entry {
    Entry { name, path, is_dir: meta.is_dir(), bytes: meta.len(), modified_s: meta.mtime() }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's kinds of errors are not ours, and more are added")]
fn fault(during: &'static str, path: &str, error: &io::Error) -> TransportError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => TransportError::NotFound { path },
        ErrorKind::AlreadyExists => TransportError::AlreadyExists { path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => TransportError::PermissionDenied { path },
        ErrorKind::NotADirectory => TransportError::NotADirectory { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => TransportError::NoSpace { path },
        _ => TransportError::ServerFailure { during, path, code: error.raw_os_error().unwrap_or(0), reason: error.to_string() },
    }
}
