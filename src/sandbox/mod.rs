//! Door: pretend banks behind a real SFTP server, for the demo and for trying things out.
//!
//! Everything a gateway meets at a bank is real here but the money: a host key to recognise, a mailbox over SSH, files to the
//! byte, acknowledgements, answers that take hours, refusals, statements in the evening. The bank reads and writes files by code of
//! its own and shares nothing with `format`, so that an error there cannot hide behind the same error here.
//!
//! `ssh` and `sftp` are the mailbox (`jail` its walls), `bank` the people behind the counter: `paying`, `returns`, `refund`, `enquiry` and `evening`
//! are what they do, `behaviour` how. `rules` is their judgement of a row, `ledger` their books with the `movements` of payer
//! accounts, `split_pair`, `fixed_bytes` and `pipe_summary` the three layouts they know.

mod bank;
mod behaviour;
mod enquiry;
mod evening;
mod fixed_bytes;
mod gbk;
mod inbox;
mod jail;
mod layout;
mod ledger;
mod movements;
mod paying;
mod pipe_summary;
mod refund;
mod returns;
mod rules;
mod sftp;
mod split_pair;
mod ssh;
mod statement;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono_tz::Tz;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;
use crate::domain::money::Fen;

pub use self::behaviour::{BankDays, Behaviour, Debits, Fault, When};
pub use self::ledger::{BankLedger, CreditFact, FileFigures};
use self::ledger::{Books, Kind, Line};
use self::movements::{GIVEN_BACK, TREASURY};
use self::rules::Customers;

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
    /// No bank, or no such payer account at it.
    #[error("bank {code}: {what} is not there; use a code and a payer account that the sandbox was started with")]
    Unknown { code: String, what: &'static str },
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
    clock: Clock,
    zone: Tz,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

struct OpenBank {
    endpoint: BankEndpoint,
    root: PathBuf,
    customers: Arc<Customers>,
    days: BankDays,
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
        let guard = stop.clone().drop_guard();
        let mut sandbox = Self { open: Vec::new(), clock: clock.clone(), zone, stop: stop.clone(), _stop_when_dropped: guard };
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
        self.bank(code).map(|bank| bank.books().snapshot()).unwrap_or_default()
    }

    /// A person pays money back from an account, to the payer that paid it last: a credit on the next statement.
    ///
    /// # Errors
    /// If there is no such bank, or its journal cannot be written.
    pub fn give_back(&self, code: &str, account: &str, amount: Fen, words: &str) -> Result<(), SandboxError> {
        let bank = self.bank(code)?;
        let payer = bank.books().payer_of(account).ok_or_else(|| unknown(code, "a payer account"))?;
        let name = bank.customers.name_of(account).unwrap_or(GIVEN_BACK);
        bank.credit(
            self,
            Line { kind: Kind::GivenBack, account: payer, amount, text: words.to_owned(), ..Line::default() },
            (account, name),
        )
    }

    /// Money comes to a payer account, as from the treasury: a credit on the next statement.
    ///
    /// # Errors
    /// If there is no such bank or payer account, or its journal cannot be written.
    pub fn deposit(&self, code: &str, payer_account: &str, amount: Fen, words: &str) -> Result<(), SandboxError> {
        let bank = self.bank(code)?;
        if bank.books().balance(payer_account).is_none() {
            return Err(unknown(code, "that payer account"));
        }
        let line = Line { kind: Kind::PayerCredit, account: payer_account.to_owned(), amount, text: words.to_owned(), ..Line::default() };
        bank.credit(self, line, TREASURY)
    }

    /// Somebody asks the bank for the statements that did not come: they are put out. Says how many.
    ///
    /// # Errors
    /// If there is no such bank, or it cannot write.
    pub fn ask_for_statements(&self, code: &str) -> Result<usize, SandboxError> {
        let bank = self.bank(code)?;
        evening::put_out_held(&bank.root, &mut bank.books(), None).map_err(|source| bank.files("cannot write a statement in", source))
    }

    fn bank(&self, code: &str) -> Result<&OpenBank, SandboxError> {
        self.open.iter().find(|bank| bank.endpoint.code == code).ok_or_else(|| unknown(code, "that bank"))
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

fn unknown(code: &str, what: &'static str) -> SandboxError {
    SandboxError::Unknown { code: code.to_owned(), what }
}

impl OpenBank {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self, what: &'static str, source: io::Error) -> SandboxError {
        SandboxError::Files { code: self.endpoint.code.clone(), what, path: self.root.clone(), source }
    }

    /// Books a credit of a payer account, from this account and name, on the day that it is.
    fn credit(&self, sandbox: &Sandbox, line: Line, (counter, name): (&str, &str)) -> Result<(), SandboxError> {
        let mut books = self.books();
        let day = self.days.booking_day(sandbox.clock.now(), sandbox.zone, books.last_stated());
        let line = Line {
            booked: Some(day),
            counter: counter.to_owned(),
            counter_name: name.to_owned(),
            bank_ref: books.bank_ref(&self.endpoint.code, day, 0),
            ..line
        };
        books.record(&[line]).map_err(|source| self.files("cannot write the journal of", source))
    }

    async fn open(dir: &Path, mut spec: BankSpec, clock: &Clock, zone: Tz, stop: &CancellationToken) -> Result<Self, SandboxError> {
        let root = dir.join(&spec.code);
        let files = |what, path: &Path| {
            let (code, path) = (spec.code.clone(), path.to_path_buf());
            move |source| SandboxError::Files { code, what, path, source }
        };
        inbox::make(&root).map_err(files("cannot make the folders of", &root))?;
        let root = root.canonicalize().map_err(files("cannot find", &root))?;
        let journal = root.join("bank-journal.csv");
        let today = clock.now().date(zone);
        let books = Books::open(&journal, &spec.payer_accounts, today).map_err(files("cannot read the journal", &journal))?;
        let books = Arc::new(Mutex::new(books));
        let customers = Arc::new(Customers::new(std::mem::take(&mut spec.customers)));
        let days = spec.behaviour.bank_days.clone();
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
        let bank = bank::Bank::new(spec, Arc::clone(&customers), zone, root.clone(), Arc::clone(&books), me.now());
        let working = tokio::spawn(bank::run(bank, me, stop.clone()));
        Ok(Self { endpoint, root, customers, days, books, tasks: vec![serving, working] })
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
