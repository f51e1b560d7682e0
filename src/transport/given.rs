//! A mailbox that whoever builds the gateway brings along: a bank with a door of its own (a queue, an object store, a
//! bank's kit), or a whole world of banks in memory. It makes the promises of the others, and is served by a session's
//! thread as they are, so that it may block.

use std::fmt;
use std::path::Path;

use super::{Entry, Received, Sent, TransportError};

/// Where such a mailbox is.
pub trait Mailroom: fmt::Debug + Send + Sync {
    /// Opens a session.
    ///
    /// # Errors
    /// What stands between us and the mailbox.
    fn enter(&self) -> Result<Box<dyn Visit>, TransportError>;
}

/// One session: the calls of a [`Mailbox`](super::Mailbox), with the same promises. Dropped, it ends.
pub trait Visit {
    /// All names in a directory.
    ///
    /// # Errors
    /// As `Mailbox::list`, and so below.
    fn list(&self, dir: &str) -> Result<Vec<Entry>, TransportError>;
    /// What stands under this name; `None` only if nothing does.
    ///
    /// # Errors
    /// Whatever leaves it unknown.
    fn stat(&self, path: &str) -> Result<Option<Entry>, TransportError>;
    /// Makes the directory unless it is there.
    ///
    /// # Errors
    /// It cannot be made.
    fn ensure_dir(&self, dir: &str) -> Result<(), TransportError>;
    /// Writes a new file from one of ours.
    ///
    /// # Errors
    /// The name is taken, or the end is unknown.
    fn put_new(&self, path: &str, source: &Path) -> Result<Sent, TransportError>;
    /// Gives a file its new name, and replaces nothing.
    ///
    /// # Errors
    /// The new name is taken, the old one is not there, or the end is unknown.
    fn rename(&self, from: &str, to: &str) -> Result<(), TransportError>;
    /// Fetches a file into a new file of ours.
    ///
    /// # Errors
    /// It is still being written, or cannot be read.
    fn get(&self, path: &str, target: &Path) -> Result<Received, TransportError>;
    /// Reads a file through and keeps its size and hash.
    ///
    /// # Errors
    /// As `get`.
    fn digest(&self, path: &str) -> Result<Received, TransportError>;
    /// Removes a file.
    ///
    /// # Errors
    /// It is not there, or may not be removed.
    fn remove(&self, path: &str) -> Result<(), TransportError>;
}
