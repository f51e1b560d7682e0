//! What can go wrong with a mailbox, told apart by who must act and whether trying again may help.
//!
//! SFTP itself is coarse (most servers answer "failure" to nearly everything), so the wires look again where a look can
//! tell more, and only then name it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a mailbox did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection came about.
    #[error("{host}:{port} cannot be reached: {source}")]
    Unreachable {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// What the network said.
        source: io::Error,
    },
    /// Nothing came in time. Whether the request took effect is not known.
    #[error("no answer within {} ms while trying to {during}", after.as_millis())]
    Timeout {
        /// The step.
        during: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The server showed another key than those pinned.
    #[error("{host} shows the host key {offered}, but pinned is {pinned}")]
    HostKeyChanged {
        /// The server.
        host: String,
        /// Its key's fingerprint.
        offered: String,
        /// Ours, joined by commas.
        pinned: String,
    },
    /// No key is pinned for this server.
    #[error("no host key is pinned for {host}, which shows {offered}")]
    HostKeyUnpinned {
        /// The server.
        host: String,
        /// Its key's fingerprint.
        offered: String,
    },
    /// Server and we have no algorithm in common.
    #[error("{host} and we have no {kind} in common; ours: {ours}; theirs: {theirs}")]
    NoCommonAlgorithm {
        /// The server.
        host: String,
        /// What there is no agreement on.
        kind: &'static str,
        /// What we offer.
        ours: String,
        /// What it offers.
        theirs: String,
    },
    /// The server does not let us in.
    #[error("{host} refuses {user} by {method}; it takes: {offered}")]
    AuthRefused {
        /// The server.
        host: String,
        /// Our account there.
        user: String,
        /// How we tried.
        method: &'static str,
        /// What the server says it takes, as far as known.
        offered: String,
    },
    /// Our own private key cannot be read.
    #[error("the private key for {user} cannot be used: {reason}")]
    KeyUnusable {
        /// The account it is for.
        user: String,
        /// Why.
        reason: String,
    },
    /// There is no such file or directory; the other side said so.
    #[error("no such file or directory: {path}")]
    NotFound {
        /// What was asked for.
        path: String,
    },
    /// The name is taken.
    #[error("already there: {path}")]
    AlreadyExists {
        /// The name.
        path: String,
    },
    /// The account may not do this.
    #[error("permission denied: {path}")]
    PermissionDenied {
        /// Where.
        path: String,
    },
    /// A file stands where a directory is needed.
    #[error("not a directory: {path}")]
    NotADirectory {
        /// Where.
        path: String,
    },
    /// The other side's disk, or our quota on it, is full.
    #[error("no space left for {path}")]
    NoSpace {
        /// What was being written.
        path: String,
    },
    /// The other side failed without saying why.
    #[error("the server failed to {during} {path}: {reason} (code {code})")]
    ServerFailure {
        /// The step.
        during: &'static str,
        /// Where.
        path: String,
        /// SFTP's status code, or the system's error number for a directory.
        code: i32,
        /// What it said.
        reason: String,
    },
    /// The size that stands there is not the size that went through our hands.
    #[error("{path} has {found} bytes instead of {expected}")]
    SizeMismatch {
        /// Where.
        path: String,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The session is gone. Whether the request took effect is not known.
    #[error("connection lost while trying to {during}: {reason}")]
    ConnectionLost {
        /// The step.
        during: &'static str,
        /// What was seen.
        reason: String,
    },
    /// The other side does not speak as it should.
    #[error("the server broke the protocol while trying to {during}: {reason}")]
    Protocol {
        /// The step.
        during: &'static str,
        /// What was seen.
        reason: String,
    },
    /// A path that we do not use: empty, leading out of the mailbox, or wrongly escaped.
    #[error("path {path:?} is refused: {why}")]
    BadPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file of ours failed, not the mailbox.
    #[error("local file {}: {source}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl TransportError {
    /// Whether the same may succeed later without anybody's help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::NoSpace { .. }
            | Self::ServerFailure { .. }
            | Self::SizeMismatch { .. }
            | Self::ConnectionLost { .. } => true,
            Self::HostKeyChanged { .. }
            | Self::HostKeyUnpinned { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::AuthRefused { .. }
            | Self::KeyUnusable { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::PermissionDenied { .. }
            | Self::NotADirectory { .. }
            | Self::Protocol { .. }
            | Self::BadPath { .. }
            | Self::Local { .. } => false,
        }
    }

    /// Whether the way to the mailbox is at fault, and not one file: then nothing else will fare better now.
    #[must_use]
    pub const fn is_of_the_way(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::ConnectionLost { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyUnpinned { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::AuthRefused { .. }
            | Self::KeyUnusable { .. } => true,
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::PermissionDenied { .. }
            | Self::NotADirectory { .. }
            | Self::NoSpace { .. }
            | Self::ServerFailure { .. }
            | Self::SizeMismatch { .. }
            | Self::Protocol { .. }
            | Self::BadPath { .. }
            | Self::Local { .. } => false,
        }
    }

    /// Whether the request may have taken effect although it failed: only looking can tell.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::ConnectionLost { .. } | Self::ServerFailure { .. } | Self::Protocol { .. } => true,
            Self::Unreachable { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyUnpinned { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::AuthRefused { .. }
            | Self::KeyUnusable { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::PermissionDenied { .. }
            | Self::NotADirectory { .. }
            | Self::NoSpace { .. }
            | Self::SizeMismatch { .. }
            | Self::BadPath { .. }
            | Self::Local { .. } => false,
        }
    }

    /// What a person should do next.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "check address, line and firewall; it is tried again by itself",
            Self::Timeout { .. } | Self::ConnectionLost { .. } => {
                "it is tried again by itself; if it stays, ask the bank about its server and the line"
            }
            Self::HostKeyChanged { .. } => {
                "ask the bank by telephone whether it changed its key; if so, pin the new one beside the old; if not, treat it as an attack"
            }
            Self::HostKeyUnpinned { .. } => {
                "have the bank confirm this fingerprint by another channel, then pin it in the bank's configuration"
            }
            Self::NoCommonAlgorithm { .. } => "ask the bank to offer a current algorithm; those built on SHA-1 are not used here",
            Self::AuthRefused { .. } => {
                "check account and credential with the bank; it is not tried again by itself, lest the account be locked"
            }
            Self::KeyUnusable { .. } => "check the key file and its passphrase",
            Self::NotFound { .. } => "check the directories in the bank's configuration against its server",
            Self::AlreadyExists { .. } => "find out whose file it is; nothing is ever overwritten",
            Self::PermissionDenied { .. } => "ask the bank to let our account write, rename and list there",
            Self::NotADirectory { .. } => "ask the bank why a file stands where a directory should be",
            Self::NoSpace { .. } => "ask the bank to make room; it is tried again by itself under a new part name",
            Self::ServerFailure { .. } => "it is tried again by itself; if it stays, give the bank this message and the time",
            Self::SizeMismatch { .. } => "it is tried again by itself; if it stays, ask the bank what else touches the directory",
            Self::Protocol { .. } => "give the bank this message; its server may be one that we cannot use",
            Self::BadPath { .. } => "correct the path in the configuration",
            Self::Local { .. } => "check this machine's disk and the rights on the state directory",
        }
    }
}
