//! Door: pretend banks behind a real SFTP server, for the demo and for trying things out.
//!
//! Everything a gateway meets at a bank is real here but the money: a host key to recognise, a mailbox over SSH, files to the
//! byte, acknowledgements, answers that take hours, refusals, statements in the evening. The bank reads and writes files by code of
//! its own and shares nothing with `format`, so that an error there cannot hide behind the same error here.
//!
//! `ssh` and `sftp` are the mailbox (`jail` its walls), `bank` the people behind the counter, `rules` their judgement of a
//! row, `ledger` their books, `split_pair`, `fixed_bytes` and `pipe_summary` the three layouts they know.

mod bank;
mod fixed_bytes;
mod gbk;
mod inbox;
mod jail;
mod layout;
mod ledger;
mod pipe_summary;
mod rules;
mod sftp;
mod split_pair;
mod ssh;
mod statement;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono_tz::Tz;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;

use self::ledger::Books;
pub use self::ledger::{BankLedger, CreditFact, FileFigures};

/// A pretend bank to be opened.
#[derive(Clone)]
pub struct BankSpec {
    /// Short name: its folder, and the beginning of its own references. Letters, digits and hyphens.
    pub code: String,
    /// The files it speaks.
    pub layout: Layout,
    /// What its chance, its host key and its password come from.
    pub seed: u64,
    /// Who has an account there.
    pub customers: Vec<Customer>,
    /// Who pays from there. Where a layout names no payer, the first one pays.
    pub payer_accounts: Vec<PayerAccount>,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// The number under which it knows the payer (单位编号).
    pub unit_no: String,
}

/// The file layouts a pretend bank can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// No header, answered by a file of successes and a file of failures.
    SplitPair,
    /// Fixed lengths in bytes, with a flag file and acknowledgements.
    FixedBytes,
    /// A summary line and delimited details.
    PipeSummary,
}

/// Somebody with an account.
#[derive(Clone)]
pub struct Customer {
    /// Account or card number.
    pub account: String,
    /// The holder's name as the bank has it.
    pub name: String,
    /// The holder's identity number; empty if the bank does not have it.
    pub id_number: String,
    /// What state the account is in.
    pub state: CustomerState,
}

/// What state an account is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerState {
    /// Takes money.
    Active,
    /// Closed (销户).
    Closed,
    /// Frozen (冻结).
    Frozen,
    /// Reported lost (挂失).
    Lost,
    /// Dormant (睡眠户).
    Dormant,
    /// Not activated (未激活).
    NotActivated,
}

/// An account from which a department pays.
#[derive(Clone)]
pub struct PayerAccount {
    /// Account number.
    pub account: String,
    /// The account's name.
    pub name: String,
    /// What is on it when the bank opens, in fen.
    pub opening_fen: i64,
    /// Whose it is.
    pub department: String,
}

/// How a pretend bank behaves. The default is a bank without moods.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Minutes between taking a file and answering it, at least and at most.
    pub answer_delay_minutes: RangeInclusive<u32>,
    /// Minutes between two looks into the inbox.
    pub pickup_every_minutes: u32,
    /// Of a thousand rows, how many meet a busy bank. Never twice for one account and amount.
    pub busy_per_mille: u32,
    /// Of a thousand rows, how many fail though nothing is wrong with them.
    pub wrong_per_mille: u32,
    /// Each file whose place among all taken is a multiple of this is paid as any other, but never answered.
    pub silent_every: Option<u64>,
    /// Whether an accepted file is acknowledged, where the layout has acknowledgements. Refusals always are.
    pub ack: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer_delay_minutes: 60..=240,
            pickup_every_minutes: 20,
            busy_per_mille: 0,
            wrong_per_mille: 0,
            silent_every: None,
            ack: true,
        }
    }
}

/// How to reach a bank and how to recognise it.
#[derive(Clone)]
pub struct BankEndpoint {
    /// The bank.
    pub code: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// The user to log in as.
    pub user: String,
    /// Its password; a public key in `authorized_keys` in the bank's folder opens as well.
    pub password: String,
    /// The host key as `known_hosts` has it: `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// Its fingerprint: `SHA256:…`.
    pub fingerprint: String,
}

/// Why the sandbox does not open.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A bank's code cannot be a folder's name, or is used twice.
    #[error("bank code {code:?}: {why}; give each bank a code of its own out of a-z, A-Z, 0-9 and '-'")]
    Code { code: String, why: &'static str },
    /// A folder or the journal.
    #[error("bank {code}: {what} {path}: {source}; check that the folder can be written and the journal is not damaged", path = path.display())]
    Files { code: String, what: &'static str, path: PathBuf, source: io::Error },
    /// No port to listen on.
    #[error("bank {code}: cannot listen on a port of the loopback interface: {source}")]
    Listen { code: String, source: io::Error },
    /// No host key.
    #[error("bank {code}: cannot make a host key: {source}")]
    HostKey { code: String, source: russh::keys::ssh_key::Error },
}

/// Pretend banks at work. They stop when this is stopped or dropped.
pub struct Sandbox {
    open: Vec<OpenBank>,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

struct OpenBank {
    endpoint: BankEndpoint,
    books: Arc<Mutex<Books>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Opens the banks, each in a folder of its own below `dir` and on a port of its own, and returns when they listen.
    ///
    /// # Errors
    /// If a code is unfit, a folder cannot be used, or no port is free.
    pub async fn start(dir: &Path, specs: Vec<BankSpec>, clock: &Clock, zone: Tz) -> Result<Self, SandboxError> {
        let stop = CancellationToken::new();
        let mut sandbox = Self { open: Vec::new(), stop: stop.clone(), _stop_when_dropped: stop.clone().drop_guard() };
        for spec in specs {
            check_code(&spec.code, &sandbox.open)?;
            sandbox.open.push(OpenBank::open(dir, spec, clock, zone, &stop).await?);
        }
        Ok(sandbox)
    }

    /// How to reach the banks.
    #[must_use]
    pub fn endpoints(&self) -> Vec<BankEndpoint> {
        self.open.iter().map(|bank| bank.endpoint.clone()).collect()
    }

    /// What a bank's books say now; empty for a bank that is not there.
    #[must_use]
    pub fn ledger(&self, code: &str) -> BankLedger {
        self.open
            .iter()
            .find(|bank| bank.endpoint.code == code)
            .map(|bank| bank.books.lock().unwrap_or_else(PoisonError::into_inner).snapshot())
            .unwrap_or_default()
    }

    /// Closes the banks and waits until they are closed.
    pub async fn stop(self) {
        self.stop.cancel();
        for bank in self.open {
            for task in bank.tasks {
                if let Err(error) = task.await {
                    tracing::error!(bank = %bank.endpoint.code, %error, "a pretend bank ended badly");
                }
            }
        }
    }
}

impl OpenBank {
    async fn open(dir: &Path, spec: BankSpec, clock: &Clock, zone: Tz, stop: &CancellationToken) -> Result<Self, SandboxError> {
        let root = dir.join(&spec.code);
        let files = |what, path: &Path| {
            let (code, path) = (spec.code.clone(), path.to_path_buf());
            move |source| SandboxError::Files { code, what, path, source }
        };
        inbox::make(&root).map_err(files("cannot make the folders of", &root))?;
        let root = root.canonicalize().map_err(files("cannot find", &root))?;
        let journal = root.join("bank-journal.csv");
        let books = Books::open(&journal, &spec.payer_accounts).map_err(files("cannot read the journal", &journal))?;
        let books = Arc::new(Mutex::new(books));
        let key =
            ssh::HostKey::seeded(spec.seed, &spec.code).map_err(|source| SandboxError::HostKey { code: spec.code.clone(), source })?;
        let listen = |source| SandboxError::Listen { code: spec.code.clone(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listen)?;
        let endpoint = BankEndpoint {
            code: spec.code.clone(),
            addr: listener.local_addr().map_err(listen)?,
            user: ssh::USER.to_owned(),
            password: ssh::password(spec.seed, &spec.code),
            host_key: key.line.clone(),
            fingerprint: key.fingerprint.clone(),
        };
        let access = ssh::Access {
            password: endpoint.password.clone(),
            keys_file: root.join("authorized_keys"),
            jail: Arc::new(jail::Jail::new(&root)),
        };
        let serving = tokio::spawn(ssh::serve(listener, ssh::server_config(&key), access, stop.clone()));
        // Takes part before anything runs: a stepped clock must not move on without this bank.
        let me = clock.participant();
        let bank = bank::Bank::new(spec, zone, root, Arc::clone(&books), me.now());
        let working = tokio::spawn(bank::run(bank, me, stop.clone()));
        Ok(Self { endpoint, books, tasks: vec![serving, working] })
    }
}

fn check_code(code: &str, open: &[OpenBank]) -> Result<(), SandboxError> {
    let why = if code.is_empty() || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        "it cannot be a folder's name"
    } else if open.iter().any(|bank| bank.endpoint.code == code) {
        "it is used twice"
    } else {
        return Ok(());
    };
    Err(SandboxError::Code { code: code.to_owned(), why })
}

/// Persons, accounts and passwords stay out of logs: what prints is what they are about.
macro_rules! prints_only {
    ($name:ident: $($field:ident),+) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))+.finish_non_exhaustive()
            }
        }
    };
}

prints_only!(BankSpec: code, layout, seed, unit_no, behaviour);
prints_only!(Customer: state);
prints_only!(PayerAccount: department);
prints_only!(BankEndpoint: code, addr, user, fingerprint);

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open.iter().map(|bank| &bank.endpoint)).finish()
    }
}
