//! The configuration file (配置文件): read, checked, explained.
//!
//! Unknown keys are refused, because a misspelt limit is no limit. An error names file, line, column, and what is
//! allowed there. No secret ever stands in the file or in these values: only where one is kept (`Secret`), so nothing
//! printed from here can leak one. Paths in the file are relative to the folder that the file lies in.
//!
//! `config/bankgate.toml` lists every key with its default and the reason for it; a test keeps it so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::calendar::{Calendar, TimeOfDay};
use crate::domain::catalogue::Catalogue;
use crate::domain::closing::YearDay;
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

mod check;
mod error;
mod fields;
mod kinds;
mod secret;

pub use error::{ConfigError, Fault};
pub use kinds::{Connection, MailTransport, Rename, Security, Sftp, Smtp};
pub use secret::Secret;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The language of mails, reports and the console.
    #[serde(default)]
    pub language: Language,
    /// Where the rows are.
    pub database: Database,
    /// This machine among those that share the database.
    pub node: Node,
    /// Zone, calendar, and how often to look.
    #[serde(default)]
    pub time: Time,
    /// The banks' formats.
    #[serde(default)]
    pub formats: Formats,
    /// What a list must satisfy.
    #[serde(default)]
    pub admission: Admission,
    /// How often a transient failure is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// The cooperating banks (合作银行) and their mailboxes.
    #[serde(rename = "bank", default)]
    pub banks: Vec<BankConfig>,
    /// Outgoing mail.
    pub mail: Mail,
    /// Deadlines of failure cases.
    #[serde(default)]
    pub cases: Cases,
    /// When months and years are closed.
    #[serde(default)]
    pub close: Close,
}

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` for one machine, `postgres://user@host/name` or `postgres://user@/name?host=/run/postgresql` for
    /// several. Never with a password in it. A relative SQLite path is made absolute when the file is read.
    pub url: String,
    /// PostgreSQL: the schema that is bankgate's own.
    #[serde(default = "fields::schema")]
    pub schema: String,
    /// At most so many connections.
    #[serde(default = "fields::pool_max")]
    pub pool_max: u32,
    /// PostgreSQL: a statement may take so long. The server ends one that takes longer; where it says nothing at all, the daemon
    /// begins anew with new connections.
    #[serde(rename = "statement_timeout_s", with = "fields::seconds", default = "fields::statement_timeout")]
    pub statement_timeout: Duration,
    /// PostgreSQL: where the password is kept. None for peer or certificate authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// This machine among those that share the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name in leases and evidence. No two nodes may have the same.
    pub name: String,
    /// For the journal of what was published, and files on their way.
    #[serde(default = "fields::state_dir")]
    pub state_dir: PathBuf,
    /// What banks sent, kept by content. All nodes must see the same one.
    #[serde(default = "fields::archive_dir")]
    pub archive_dir: PathBuf,
    /// How long a bank's lease lasts without renewal.
    #[serde(rename = "lease_ttl_s", with = "fields::seconds", default = "fields::lease_ttl")]
    pub lease_ttl: Duration,
    /// The Unix socket on which the daemon takes commands that decide.
    #[serde(default = "fields::socket")]
    pub socket: PathBuf,
}

/// Zone, calendar, and how often to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Time {
    /// The zone of business dates and cut-offs.
    #[serde(with = "fields::zone")]
    pub zone: Tz,
    /// The folder of the calendar's yearly files.
    pub calendar_dir: PathBuf,
    /// How often the rows are asked whether something is due.
    #[serde(rename = "tick_s", with = "fields::seconds")]
    pub tick: Duration,
    /// How often every mailbox is listed.
    #[serde(rename = "rescan_s", with = "fields::seconds")]
    pub rescan: Duration,
    /// Whether directory mailboxes and the database may wake the daemon between ticks.
    pub notify: bool,
}

/// The banks' formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Formats {
    /// The folder of the format profiles, one folder each.
    pub dir: PathBuf,
}

/// What a list must satisfy beyond the laws, which are not set here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admission {
    /// No single payment is larger. Agreements may set less.
    #[serde(rename = "amount_max_yuan", with = "fields::yuan")]
    pub amount_max: Fen,
    /// Whether a payee without identity number makes a case instead of a warning.
    pub reject_id_missing: bool,
    /// Whether a batch is held until enough funding for it is recorded.
    pub funds_required: bool,
    /// The project catalogue that `migrate` seeds.
    pub catalogue: PathBuf,
}

/// How often a transient failure (class BT) is tried again. No other class is tried again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How many times a payment is instructed again by itself, after its first try.
    pub tries_max: u32,
    /// Working days to wait before each, so many numbers as tries.
    pub delay_days: Vec<u32>,
    /// Exceptions. The one that names bank and reason counts before one that names only one of them.
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RetryRule>,
}

/// An exception for a bank, a reason, or a reason at a bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryRule {
    /// The bank's code; none means every bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<String>,
    /// The canonical reason; none means every transient one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// As in `Retry`.
    pub tries_max: u32,
    /// As in `Retry`.
    pub delay_days: Vec<u32>,
}

/// A cooperating bank's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankConfig {
    /// The bank's code in the database.
    pub code: String,
    /// How it is reached.
    pub connection: Connection,
    /// The folder, in the mailbox, in which the bank looks for our files.
    #[serde(default = "fields::inbox")]
    pub inbox: String,
    /// The folder in which the bank leaves its files.
    #[serde(default = "fields::outbox")]
    pub outbox: String,
    /// The folder to which a file is moved once it is applied. Empty: files stay where they are.
    #[serde(default = "fields::done")]
    pub done: String,
    /// What a rename is on the bank's server.
    #[serde(default)]
    pub rename: Rename,
    /// Whether a file is read back and hashed before it is published.
    #[serde(default = "fields::yes")]
    pub read_back: bool,
    /// After so many failed uploads a file is held and a person told.
    #[serde(default = "fields::upload_attempts_max")]
    pub upload_attempts_max: u32,
}

/// Outgoing mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "kinds::MailFields", into = "kinds::MailFields")]
pub struct Mail {
    /// How it leaves.
    pub transport: MailTransport,
    /// The sender.
    pub from: String,
    /// Who is told what needs a person at finance IT (财政信息部门).
    pub finance_it: Vec<String>,
}

/// Deadlines of failure cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cases {
    /// Working days until a case is due.
    pub due_days: u32,
    /// Working days after that until finance IT hears of it.
    pub escalate_days: u32,
}

/// When months and years are closed (清零). Both days are moved to the last working day on or before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Close {
    /// The day of the month on which it is closed.
    pub day: u32,
    /// The day of December on which the year is closed, before its last.
    pub year_day: YearDay,
    /// The hour of that day at which the daemon takes the cut, where no person did before: `24:00` leaves the day to them.
    pub cut_at: TimeOfDay,
}

impl Config {
    /// Reads and checks a file, and that the folders which it only reads are there.
    ///
    /// # Errors
    /// Names every fault that was found, with its place.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        let config = Self::from_text(&text, path)?;
        let faults = check::missing_inputs(&config);
        if faults.is_empty() { Ok(config) } else { Err(check::placed(&text, path, faults)) }
    }

    /// Checks a file's text without touching the disk. Relative paths in it start at the folder of `path`.
    ///
    /// # Errors
    /// Names every fault that was found, with its place.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::syntax(text, path, &error))?;
        let faults = check::faults(&config);
        if !faults.is_empty() {
            return Err(check::placed(text, path, faults));
        }
        config.resolve(path.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    /// The effective settings, as a configuration file that would give the same. Secrets are absent: only where they
    /// are kept is shown.
    #[must_use]
    pub fn explain(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# these settings cannot be shown: {error}\n"))
    }

    /// What is wrong with the folders that this node writes: one sentence each, none when all is well. The doors ask
    /// before they start; a file that is only checked may name folders of another machine.
    #[must_use]
    pub fn folders_missing(&self) -> Vec<String> {
        check::missing_outputs(self)
    }

    /// Reads the calendar's yearly files.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file contradicts itself.
    pub fn calendar(&self) -> Result<Calendar, ConfigError> {
        Ok(Calendar::from_toml_texts(check::toml_texts(&self.time.calendar_dir)?)?)
    }

    /// Reads the project catalogue.
    ///
    /// # Errors
    /// When the file cannot be read, or contradicts itself.
    pub fn catalogue(&self) -> Result<Catalogue, ConfigError> {
        let path = &self.admission.catalogue;
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.clone(), cause })?;
        Ok(Catalogue::from_toml(&path.display().to_string(), &text)?)
    }

    /// The settings of a bank.
    #[must_use]
    pub fn bank(&self, code: &str) -> Option<&BankConfig> {
        self.banks.iter().find(|bank| bank.code == code)
    }

    /// Makes every path absolute, as far as the file's own path is.
    fn resolve(&mut self, base: &Path) {
        if let Some(file) = self.database.sqlite_path() {
            self.database.url = format!("sqlite:{}", base.join(file).display());
        }
        let paths = [
            &mut self.node.state_dir,
            &mut self.node.archive_dir,
            &mut self.node.socket,
            &mut self.time.calendar_dir,
            &mut self.formats.dir,
            &mut self.admission.catalogue,
        ];
        let banks = self.banks.iter_mut().flat_map(|bank| bank.connection.paths_mut());
        let mail = self.mail.transport.paths_mut();
        let password = self.database.password.as_mut().and_then(Secret::path_mut);
        for path in paths.into_iter().chain(banks).chain(mail).chain(password) {
            *path = base.join(&path);
        }
    }
}

impl Database {
    /// Whether the rows are in PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }

    /// The SQLite file, unless the database lives in memory or in PostgreSQL.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        let rest = self.url.strip_prefix("sqlite:")?;
        let file = rest.strip_prefix("//").unwrap_or(rest);
        (!file.is_empty() && !file.starts_with(":memory:")).then(|| Path::new(file))
    }
}

impl Retry {
    /// How often, and after how many working days each, a transient failure is tried again: the rule for this reason at
    /// this bank, else the rule for the reason, else the rule for the bank, else the general one.
    #[must_use]
    pub fn delays(&self, bank: &str, reason: Reason) -> &[u32] {
        let find = |wanted_bank: Option<&str>, wanted_reason: Option<Reason>| {
            self.rules.iter().find(|rule| rule.bank.as_deref() == wanted_bank && rule.reason == wanted_reason)
        };
        find(Some(bank), Some(reason))
            .or_else(|| find(None, Some(reason)))
            .or_else(|| find(Some(bank), None))
            .map_or(&self.delay_days, |rule| &rule.delay_days)
    }
}

impl Default for Time {
    fn default() -> Self {
        Self {
            zone: Tz::Asia__Shanghai,
            calendar_dir: "calendar".into(),
            tick: Duration::from_secs(30),
            rescan: Duration::from_secs(120),
            notify: true,
        }
    }
}

impl Default for Formats {
    fn default() -> Self {
        Self { dir: "../bank-formats".into() }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self { amount_max: Fen::new(5_000_000), reject_id_missing: true, funds_required: true, catalogue: "catalogue.toml".into() }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries_max: 3, delay_days: vec![1, 2, 3], rules: Vec::new() }
    }
}

impl Default for Close {
    fn default() -> Self {
        Self { day: 20, year_day: YearDay::DEFAULT, cut_at: TimeOfDay::OFFICES_CLOSE }
    }
}

impl Default for Cases {
    fn default() -> Self {
        Self { due_days: 5, escalate_days: 3 }
    }
}
