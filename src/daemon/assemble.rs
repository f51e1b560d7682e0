//! From settings to a gateway: secrets are read, keys are pinned, formats and calendar are loaded, folders are made. All of
//! it before the first pass, so that what is wrong with the settings is said at the start and not in the night.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{BankConfig, Config, ConfigError, Connection, Mail, MailTransport, Rename, Security};
use crate::format::{Profile, ProfileError};
use crate::mail::{self, Mailer, SettingsError, SmtpMailer, SmtpSettings};
use crate::passes::{Edge, Gateway};
use crate::store::{Address, Store, StoreError};
use crate::transport::{Auth, DirEndpoint, HostKeyPin, Kept, PinError, SftpEndpoint, Timeouts, Transport};

/// How long a step with the mail server may take; the letter itself may take ten times as long (RFC 5321, 4.5.3.2).
const MAIL_STEP: Duration = Duration::from_secs(60);

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The settings, or a secret.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A format.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Two formats with one name.
    #[error("the profile {id:?} stands in two folders under {folder}: rename one", folder = .folder.display())]
    ProfileTwice {
        /// Its id.
        id: String,
        /// The formats' folder.
        folder: PathBuf,
    },
    /// A host key is none.
    #[error("[[bank]] {bank}: {source}")]
    Pin {
        /// The bank's code.
        bank: String,
        /// What is wrong with it.
        source: PinError,
    },
    /// Neither key nor password.
    #[error("[[bank]] {bank}: give a key or a password to sign in with")]
    NoLogin {
        /// The bank's code.
        bank: String,
    },
    /// The mail server's settings.
    #[error(transparent)]
    Mail(#[from] SettingsError),
    /// A folder.
    #[error("{path} cannot be {what}: {source}", path = .path.display())]
    Folder {
        /// Read or made.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AssembleError {
    /// Whether the settings are at fault, so that starting again cannot help.
    #[must_use]
    pub fn is_settings(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Profile(_)
            | Self::ProfileTwice { .. }
            | Self::Pin { .. }
            | Self::NoLogin { .. }
            | Self::Mail(_)
            | Self::Store(StoreError::Url(_) | StoreError::SchemaNewer { .. } | StoreError::SchemaOlder { .. }) => true,
            Self::Folder { .. } | Self::Store(_) => false,
        }
    }
}

/// Everything that the passes need. Connects to the database, and to nothing else.
///
/// # Errors
/// The first thing that is missing or wrong.
pub async fn assemble(config: Config) -> Result<Gateway, AssembleError> {
    make_folders(&config)?;
    let calendar = config.calendar()?;
    let profiles = profiles(&config.formats.dir)?;
    let edges = config.banks.iter().map(|bank| Ok((bank.code.clone(), edge(bank)?))).collect::<Result<_, AssembleError>>()?;
    let mailer = mailer(&config.mail)?;
    let store = connect(&config).await?;
    store.check_schema().await?;
    let holder = format!("{}/{}/{:08x}", config.node.name, std::process::id(), rand::random::<u32>());
    Ok(Gateway { store, calendar, profiles, edges, mailer, holder, config })
}

/// Connects to the database of the settings.
///
/// # Errors
/// The secret cannot be read, or the database does not answer.
pub async fn connect(config: &Config) -> Result<Store, AssembleError> {
    let database = &config.database;
    let password = database.password.as_ref().map(crate::config::Secret::read).transpose()?;
    let address = Address {
        url: database.url.clone(),
        schema: database.schema.clone(),
        pool_max: database.pool_max,
        statement_timeout: database.statement_timeout,
        password,
    };
    Ok(Store::connect(&address).await?)
}

/// Every format of a folder, by its id.
///
/// # Errors
/// The folder cannot be read; the first profile with a fault.
pub fn profiles(folder: &Path) -> Result<BTreeMap<String, Arc<Profile>>, AssembleError> {
    let fail = |source| AssembleError::Folder { what: "read", path: folder.to_owned(), source };
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(fail)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().map_err(fail)?;
    folders.sort();
    for dir in folders.into_iter().filter(|dir| dir.join("profile.toml").is_file()) {
        let profile = Profile::load(&dir)?;
        let id = profile.id().to_owned();
        if found.insert(id.clone(), Arc::new(profile)).is_some() {
            return Err(AssembleError::ProfileTwice { id, folder: folder.to_owned() });
        }
    }
    Ok(found)
}

/// A bank's mailbox, with its secrets read and its keys pinned. Nothing is connected.
///
/// # Errors
/// A secret cannot be read, or a host key is none.
pub fn edge(bank: &BankConfig) -> Result<Edge, AssembleError> {
    let transport = match &bank.connection {
        Connection::Dir { root } => Transport::Dir(DirEndpoint { root: root.clone() }),
        Connection::Sftp(sftp) => {
            let pin = |text: &String| text.parse::<HostKeyPin>().map_err(|source| AssembleError::Pin { bank: bank.code.clone(), source });
            let auth = match (&sftp.key, &sftp.password) {
                (Some(key), _) => Auth::Key {
                    private_key_pem: key.read()?,
                    passphrase: sftp.passphrase.as_ref().map(crate::config::Secret::read).transpose()?,
                },
                (None, Some(password)) => Auth::Password(password.read()?),
                (None, None) => return Err(AssembleError::NoLogin { bank: bank.code.clone() }),
            };
            Transport::Sftp(SftpEndpoint {
                host: sftp.host.clone(),
                port: sftp.port,
                user: sftp.user.clone(),
                auth,
                host_keys: sftp.host_keys.iter().map(pin).collect::<Result<_, _>>()?,
                timeouts: Timeouts { connect: sftp.connect_timeout, io: sftp.io_timeout, keep: sftp.session_keep, ..Timeouts::default() },
                kept: Kept::default(),
            })
        }
    };
    Ok(Edge {
        transport,
        inbox: bank.inbox.clone(),
        outbox: bank.outbox.clone(),
        done: bank.done.clone(),
        rename_is_atomic: bank.rename == Rename::Atomic,
        read_back: bank.read_back,
        upload_attempts_max: bank.upload_attempts_max,
    })
}

/// Outgoing mail as it is set.
///
/// # Errors
/// A secret or certificate cannot be read, or the settings contradict themselves.
pub fn mailer(settings: &Mail) -> Result<Mailer, AssembleError> {
    match &settings.transport {
        MailTransport::File { dir } => Ok(Mailer::File(dir.clone())),
        MailTransport::Smtp(smtp) => {
            let read = |path: &PathBuf| {
                std::fs::read_to_string(path).map_err(|source| AssembleError::Folder { what: "read", path: path.clone(), source })
            };
            let security = match smtp.security {
                Security::Starttls => mail::Security::StartTls,
                Security::Tls => mail::Security::Tls,
                Security::None => mail::Security::None,
            };
            Ok(Mailer::Smtp(SmtpMailer::new(SmtpSettings {
                host: smtp.host.clone(),
                port: smtp.port,
                security,
                user: smtp.user.clone(),
                password: smtp.password.as_ref().map(crate::config::Secret::read).transpose()?,
                timeout: MAIL_STEP,
                timeout_letter: MAIL_STEP * 10,
                ca_pem: smtp.ca_file.as_ref().map(read).transpose()?,
                hello: None,
            })?))
        }
    }
}

fn make_folders(config: &Config) -> Result<(), AssembleError> {
    let mail = match &config.mail.transport {
        MailTransport::File { dir } => Some(dir.clone()),
        MailTransport::Smtp(_) => None,
    };
    let own = [config.node.state_dir.clone(), config.node.state_dir.join("spool"), config.node.archive_dir.clone()];
    for path in own.into_iter().chain(mail) {
        std::fs::create_dir_all(&path).map_err(|source| AssembleError::Folder { what: "made", path, source })?;
    }
    Ok(())
}
