//! Settings that come in kinds: how a bank is reached, how mail leaves.
//!
//! Each is read through one flat table of all its keys, not as serde's tagged enum: that would buffer the table and
//! lose the place of every fault in it. A key of another kind is then refused by name.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mail;
use super::secret::Secret;

/// How a bank's mailbox is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ConnectionFields", into = "ConnectionFields")]
pub enum Connection {
    /// An SFTP server.
    Sftp(Sftp),
    /// A directory: a mounted share, or a folder whose files operators carry.
    Dir {
        /// The mailbox's folder.
        root: PathBuf,
    },
}

/// An SFTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sftp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Our user there.
    pub user: String,
    /// Our private key, in OpenSSH or PEM form.
    pub key: Option<Secret>,
    /// The private key's passphrase.
    pub passphrase: Option<Secret>,
    /// The password. With a key, both are offered.
    pub password: Option<Secret>,
    /// The server's keys, as `ssh-ed25519 AAAA…`: one of these or no connection. None is trusted on first use.
    pub host_keys: Vec<String>,
    /// How long reaching the server may take.
    pub connect_timeout: Duration,
    /// How long a single call may take.
    pub io_timeout: Duration,
    /// How long a session waits for its next use; zero: each look logs in anew.
    pub session_keep: Duration,
}

/// What a rename is on the bank's server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rename {
    /// One act: the file is under the old name or the new one. OpenSSH's server counts as such.
    Atomic,
    /// Copies and deletes, or nobody knows: a rename that was interrupted is never repeated.
    #[default]
    TwoStep,
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailTransport {
    /// A mail server.
    Smtp(Smtp),
    /// One file a mail, for a place without a mail server and for trying things out.
    File {
        /// The folder.
        dir: PathBuf,
    },
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Our user there. None: without login.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// A certificate authority to trust beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Plain at first, then encrypted, or no mail.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// Not at all: only without login.
    None,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConnectionKind {
    Sftp,
    Dir,
}

/// Every key of `[bank.connection]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionFields {
    kind: ConnectionKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passphrase: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_keys: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connect_timeout_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    io_timeout_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_keep_s: Option<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MailKind {
    Smtp,
    File,
}

/// Every key of `[mail]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailFields {
    kind: MailKind,
    from: String,
    finance_it: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dir: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    security: Option<Security>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

impl TryFrom<ConnectionFields> for Connection {
    type Error = String;

    fn try_from(fields: ConnectionFields) -> Result<Self, String> {
        let ConnectionFields {
            kind,
            root,
            host,
            port,
            user,
            key,
            passphrase,
            password,
            host_keys,
            connect_timeout_s,
            io_timeout_s,
            session_keep_s,
        } = fields;
        match kind {
            ConnectionKind::Dir => {
                none_of(
                    "dir",
                    &[
                        ("host", host.is_some()),
                        ("port", port.is_some()),
                        ("user", user.is_some()),
                        ("key", key.is_some()),
                        ("passphrase", passphrase.is_some()),
                        ("password", password.is_some()),
                        ("host_keys", host_keys.is_some()),
                        ("connect_timeout_s", connect_timeout_s.is_some()),
                        ("io_timeout_s", io_timeout_s.is_some()),
                        ("session_keep_s", session_keep_s.is_some()),
                    ],
                )?;
                Ok(Self::Dir { root: needed("dir", "root", root)? })
            }
            ConnectionKind::Sftp => {
                none_of("sftp", &[("root", root.is_some())])?;
                Ok(Self::Sftp(Sftp {
                    host: needed("sftp", "host", host)?,
                    port: port.unwrap_or(22),
                    user: needed("sftp", "user", user)?,
                    key,
                    passphrase,
                    password,
                    host_keys: needed("sftp", "host_keys", host_keys)?,
                    connect_timeout: Duration::from_secs(u64::from(connect_timeout_s.unwrap_or(10))),
                    io_timeout: Duration::from_secs(u64::from(io_timeout_s.unwrap_or(60))),
                    session_keep: Duration::from_secs(u64::from(session_keep_s.unwrap_or(120))),
                }))
            }
        }
    }
}

impl From<Connection> for ConnectionFields {
    fn from(connection: Connection) -> Self {
        let empty = |kind| Self {
            kind,
            root: None,
            host: None,
            port: None,
            user: None,
            key: None,
            passphrase: None,
            password: None,
            host_keys: None,
            connect_timeout_s: None,
            io_timeout_s: None,
            session_keep_s: None,
        };
        match connection {
            Connection::Dir { root } => Self { root: Some(root), ..empty(ConnectionKind::Dir) },
            Connection::Sftp(sftp) => Self {
                host: Some(sftp.host),
                port: Some(sftp.port),
                user: Some(sftp.user),
                key: sftp.key,
                passphrase: sftp.passphrase,
                password: sftp.password,
                host_keys: Some(sftp.host_keys),
                connect_timeout_s: u32::try_from(sftp.connect_timeout.as_secs()).ok(),
                io_timeout_s: u32::try_from(sftp.io_timeout.as_secs()).ok(),
                session_keep_s: u32::try_from(sftp.session_keep.as_secs()).ok(),
                ..empty(ConnectionKind::Sftp)
            },
        }
    }
}

impl TryFrom<MailFields> for Mail {
    type Error = String;

    fn try_from(fields: MailFields) -> Result<Self, String> {
        let MailFields { kind, from, finance_it, dir, host, port, security, user, password, ca_file } = fields;
        let transport = match kind {
            MailKind::File => {
                none_of(
                    "file",
                    &[
                        ("host", host.is_some()),
                        ("port", port.is_some()),
                        ("security", security.is_some()),
                        ("user", user.is_some()),
                        ("password", password.is_some()),
                        ("ca_file", ca_file.is_some()),
                    ],
                )?;
                MailTransport::File { dir: needed("file", "dir", dir)? }
            }
            MailKind::Smtp => {
                none_of("smtp", &[("dir", dir.is_some())])?;
                let security = security.unwrap_or_default();
                let usual_port = match security {
                    Security::Starttls => 587,
                    Security::Tls => 465,
                    Security::None => 25,
                };
                let host = needed("smtp", "host", host)?;
                MailTransport::Smtp(Smtp { host, port: port.unwrap_or(usual_port), security, user, password, ca_file })
            }
        };
        Ok(Self { transport, from, finance_it })
    }
}

impl From<Mail> for MailFields {
    fn from(mail: Mail) -> Self {
        let Mail { transport, from, finance_it } = mail;
        match transport {
            MailTransport::File { dir } => Self {
                kind: MailKind::File,
                from,
                finance_it,
                dir: Some(dir),
                host: None,
                port: None,
                security: None,
                user: None,
                password: None,
                ca_file: None,
            },
            MailTransport::Smtp(smtp) => Self {
                kind: MailKind::Smtp,
                from,
                finance_it,
                dir: None,
                host: Some(smtp.host),
                port: Some(smtp.port),
                security: Some(smtp.security),
                user: smtp.user,
                password: smtp.password,
                ca_file: smtp.ca_file,
            },
        }
    }
}

impl Connection {
    /// The paths of this machine in it.
    pub(super) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Dir { root } => vec![root],
            Self::Sftp(sftp) => {
                [&mut sftp.key, &mut sftp.passphrase, &mut sftp.password].into_iter().flatten().filter_map(Secret::path_mut).collect()
            }
        }
    }
}

impl MailTransport {
    /// The paths of this machine in it.
    pub(super) fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::File { dir } => vec![dir],
            Self::Smtp(smtp) => {
                let password = smtp.password.as_mut().and_then(Secret::path_mut);
                password.into_iter().chain(smtp.ca_file.as_mut()).collect()
            }
        }
    }
}

fn needed<T>(kind: &str, key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("kind = {kind:?} needs {key}"))
}

fn none_of(kind: &str, others: &[(&str, bool)]) -> Result<(), String> {
    match others.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((key, _)) => Err(format!("{key} does not belong to kind = {kind:?}")),
    }
}
