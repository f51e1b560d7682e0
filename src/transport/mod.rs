//! The banks' mailboxes (银行文件交换目录), over SFTP or a directory that operators carry or a host mounts.
//!
//! A `Transport` says where a mailbox is; `open` gives a `Mailbox`, one session on one thread of its own, so that a bank
//! that hangs hangs nobody else. What a mailbox promises, the publishing protocol builds on:
//!
//! - a listing is complete or an error, never empty because something failed;
//! - `None` from `stat` means that the other side said "no such file", nothing less;
//! - nothing is ever overwritten: files are created exclusively, renames ask for no replacement;
//! - every call ends within its time-out, and a call that was dropped ends its session;
//! - a session with which nothing went wrong is kept for the next `open`, which first asks whether it is still there;
//! - a host key is accepted only if it is pinned. None is trusted on first use.
//!
//! This room is the only user of ssh2 and notify.

mod connect;
mod dir;
mod error;
mod given;
mod kept;
mod mailbox;
mod path;
mod pin;
mod probe;
mod sftp;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::TransportError;
pub use given::{Mailroom, Visit};
pub use kept::Kept;
pub use mailbox::Mailbox;
pub use pin::{HostKeyPin, PinError};
use secrecy::SecretString;
pub use watch::{Watch, watch};

/// Where a bank's mailbox is, and how to get in.
#[derive(Clone, Debug)]
pub enum Transport {
    /// A directory tree on an SFTP server.
    Sftp(SftpEndpoint),
    /// A directory tree of this machine: a mounted share, or one that operators carry to the bank and back.
    Dir(DirEndpoint),
    /// Whatever the builder of the gateway brings along.
    Given(Arc<dyn Mailroom>),
}

/// An SFTP server and our account on it.
#[derive(Clone, Debug)]
pub struct SftpEndpoint {
    /// A name or an address.
    pub host: String,
    /// The port, mostly 22.
    pub port: u16,
    /// Our account.
    pub user: String,
    /// How we prove who we are.
    pub auth: Auth,
    /// The server's keys, as the bank told them by another channel. Several while the bank rotates them; none refuses all.
    pub host_keys: Vec<HostKeyPin>,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// The session that waits for its next use.
    pub kept: Kept,
}

/// How we prove to a server who we are.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A password, also for servers that ask it as keyboard-interactive.
    Password(SecretString),
    /// A private key in PEM: ed25519 or RSA, OpenSSH's format or PKCS, encrypted or not.
    Key {
        /// The key's text.
        private_key_pem: SecretString,
        /// What decrypts it.
        passphrase: Option<SecretString>,
    },
}

/// How long each step with a server may take. `io` bounds each exchange, not a transfer: a slow one may go on, a stalled one not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection.
    pub connect: Duration,
    /// For greeting and key exchange.
    pub handshake: Duration,
    /// For proving who we are.
    pub auth: Duration,
    /// For each request, and each piece of a transfer.
    pub io: Duration,
    /// For saying goodbye, which nobody waits for.
    pub disconnect: Duration,
    /// How long a session waits for its next use; zero: it ends with its first.
    pub keep: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            auth: Duration::from_secs(10),
            io: Duration::from_secs(30),
            disconnect: Duration::from_secs(5),
            keep: Duration::from_secs(120),
        }
    }
}

/// A directory of this machine. Paths are taken below it; none leads out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEndpoint {
    /// The mailbox's root. It must exist: a share that is not mounted is an error, not an empty mailbox.
    pub root: PathBuf,
}

impl Transport {
    /// Opens a session, or takes the one that waits for its next use.
    ///
    /// # Errors
    /// What stands between us and the mailbox, told apart by who must act: see [`TransportError`].
    pub async fn open(&self) -> Result<Mailbox, TransportError> {
        Mailbox::open(self).await
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sftp(at) => write!(f, "sftp://{}@{}:{}", at.user, at.host, at.port),
            Self::Dir(at) => write!(f, "dir:{}", at.root.display()),
            Self::Given(at) => write!(f, "given:{at:?}"),
        }
    }
}

/// One name in a listing.
///
/// A name that is not UTF-8 (GBK names exist), a control character or a backslash is written with escapes, `\xD6` and `\\`, and
/// every path given to a mailbox is read the same way, so that each file listed can be fetched, and its name can be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name alone.
    pub name: String,
    /// The directory asked for, a slash, the name.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Its size.
    pub bytes: u64,
    /// When it last changed by the server's clock, in seconds since 1970. Whole seconds: two changes may share one.
    pub modified_s: i64,
}

/// What went out, counted and hashed as it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// What came in, counted and hashed as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}
