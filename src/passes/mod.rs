//! Verbs: what the gateway does, in the order of a payment's life.
//!
//! A pass is a function over all rows that are due, given the wires and `now`. It either decides (one transaction) or acts
//! (one wire, its intent committed before and its outcome after), and says what it did. Run again after a crash anywhere,
//! it comes to the same end: nothing is held in memory that the next one needs.

/// Released batches pass the gate, or are sent back with every reason.
pub mod admit;
/// What a proven answer set says becomes so.
pub mod apply;
/// Cases between their opening and their end.
pub mod cases;
/// What is overdue is told.
pub mod chase;
/// Months and years end at zero.
pub mod close;
/// Files of the banks are copied, hashed, kept, registered.
pub mod collect;
/// Mails leave the outbox.
pub mod deliver;
/// Banks are asked what became of payments.
pub mod enquire;
/// The days of the audit log, its head, and what auditors take away.
pub mod evidence;
/// What banks owe us is ticked off, or told as late.
pub mod expect;
/// A database that lost its memory publishes nothing.
pub mod guard;
/// The ledger leaves the house as text.
pub mod journal;
/// Mails and their workbooks, from facts.
pub mod letters;
/// What a person may do.
pub mod operate;
/// A page, once as text and once as HTML: letters, and papers to print and sign.
pub(crate) mod page;
/// What is printed and signed.
pub mod papers;
/// Admitted rows are put into files.
pub mod plan;
/// What was paid is published again, and compared with what the bank said.
pub mod publication;
/// Sealed files reach the bank, once.
pub mod publish;
/// What was dealt with is moved away at the bank.
mod put_away;
/// What we instructed, what the bank answered, what the statement shows.
pub mod reconcile;
/// Money that nobody may keep goes back to the treasury.
pub mod refund;
/// What final failures ask for.
pub mod remedy;
/// What people must know becomes mails in the outbox.
pub mod report;
/// What was credited and sent back.
pub mod returns;
/// Files become bytes with a committed hash.
pub mod seal;
/// Kept files are read into lines.
pub mod stage;
/// What condemned uploads left at a bank is removed.
pub mod sweep;
/// What the channel before this one has paid.
pub(crate) mod switch;
/// What two persons took back is removed from a bank's folder, then given up.
pub mod withdraw;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::config::Config;
use crate::domain::calendar::{Calendar, CalendarError};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::format::Profile;
use crate::mail::Mailer;
use crate::store::desk::NewIncident;
use crate::store::{Store, StoreError};
use crate::transport::{Transport, TransportError};

/// Everything that a pass is given: the wires, the settings, what the banks' formats are.
#[derive(Debug)]
pub struct Gateway {
    /// The database.
    pub store: Store,
    /// The settings.
    pub config: Config,
    /// Working days.
    pub calendar: Calendar,
    /// The banks' formats, by id.
    pub profiles: BTreeMap<String, Arc<Profile>>,
    /// The banks' mailboxes, by bank.
    pub edges: BTreeMap<String, Edge>,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// This process, among those that share the database; new at each start.
    pub holder: String,
}

/// A bank's mailbox.
#[derive(Clone, Debug)]
pub struct Edge {
    /// How to reach it.
    pub transport: Transport,
    /// The directory into which we publish.
    pub inbox: String,
    /// The directory from which we collect.
    pub outbox: String,
    /// Where applied files are moved at the bank; empty: they stay.
    pub done: String,
    /// Whether a rename at this server is one step.
    pub rename_is_atomic: bool,
    /// Whether an upload is read back before it counts.
    pub read_back: bool,
    /// After so many attempts a person must look.
    pub upload_attempts_max: u32,
}

/// Why a pass stopped.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bank's mailbox.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A file of our own.
    #[error("{what} {path}: {source}")]
    Local {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Money waits on a year whose working days are not there.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// Something that must hold does not; nothing was changed.
    #[error("{0}")]
    Broken(String),
}

impl PassError {
    /// Whether the same pass may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(e) => e.is_transient(),
            Self::Transport(e) => e.is_transient(),
            Self::Local { .. } => true,
            Self::Calendar(_) | Self::Broken(_) => false,
        }
    }

    pub(crate) fn local(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Local { what, path, source }
    }
}

/// What a run of passes did, for the log and for `tick`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many things changed.
    pub changed: u64,
    /// How many things were seen that must soon be seen again, unchanged, before they count.
    pub unsettled: u64,
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.changed += other.changed;
        self.unsettled += other.unsettled;
    }
}

/// Work on many things, of which one may fail without keeping the others waiting: the first failure is told at the end.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    done: Done,
    failed: Option<PassError>,
}

impl Tried {
    pub(crate) fn note(&mut self, ended: Result<Done, PassError>) {
        match ended {
            Ok(done) => self.done += done,
            Err(e) if self.failed.is_none() => self.failed = Some(e),
            Err(e) => tracing::warn!(error = %e, "failed too"),
        }
    }

    pub(crate) fn end(self) -> Result<Done, PassError> {
        self.failed.map_or(Ok(self.done), Err)
    }
}

impl Gateway {
    /// The zone of business dates.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.config.time.zone
    }

    /// The business date.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> NaiveDate {
        now.date(self.zone())
    }

    /// So many working days on: the day by which somebody should have done something. No money waits for such a day, so where
    /// the calendar's year is not there yet, Mondays to Fridays are counted on.
    ///
    /// # Errors
    /// The end of the world's calendar.
    pub fn due_day(&self, from: NaiveDate, days: u32) -> Result<NaiveDate, PassError> {
        use chrono::Datelike as _;
        match self.calendar.add_working_days(from, days) {
            Ok(day) => Ok(day),
            Err(CalendarError::YearMissing { .. }) => {
                let is_weekday = |day: &NaiveDate| day.weekday().num_days_from_monday() < 5;
                let later = from.iter_days().skip(usize::from(days > 0)).filter(is_weekday);
                let nth = usize::try_from(days.saturating_sub(1)).unwrap_or_default();
                later.take(nth + 1).last().ok_or(PassError::Calendar(CalendarError::EndOfTime(from)))
            }
            Err(e @ (CalendarError::EndOfTime(_) | CalendarError::File { .. })) => Err(e.into()),
        }
    }

    /// The instant at which a day's local hour strikes.
    #[must_use]
    pub fn at_hour(&self, date: NaiveDate, hour: u32) -> Timestamp {
        let local = date.and_hms_opt(hour, 0, 0).unwrap_or_else(|| date.and_time(chrono::NaiveTime::MIN));
        Timestamp::from_local(local, self.zone())
    }

    /// A sentence in the language of people here.
    #[must_use]
    pub fn say(&self, words: Words) -> String {
        words.in_language(self.config.language)
    }

    /// A profile by its id.
    ///
    /// # Errors
    /// It is not in the formats' folder.
    pub fn profile(&self, id: &str) -> Result<&Arc<Profile>, PassError> {
        self.profiles
            .get(id)
            .ok_or_else(|| PassError::Broken(format!("no profile {id:?}: put its folder under {}", self.config.formats.dir.display())))
    }

    /// Where rendered files wait for their upload.
    #[must_use]
    pub fn spool(&self, sha256: &str) -> PathBuf {
        self.config.node.state_dir.join("spool").join(sha256)
    }

    /// Where collected files are kept, by what their bytes hash to.
    #[must_use]
    pub fn archived(&self, sha256: &str) -> PathBuf {
        let shelf = sha256.get(..2).unwrap_or("xx");
        self.config.node.archive_dir.join(shelf).join(sha256)
    }

    /// Records an incident in a transaction of its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn tell(&self, incident: &NewIncident<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let new = tx.incident(incident, now).await?;
        tx.commit().await?;
        if new {
            tracing::warn!(kind = incident.kind, key = incident.key, bank = incident.bank, "incident opened");
        }
        Ok(new)
    }

    /// Closes an incident once its cause is gone.
    ///
    /// # Errors
    /// The database refused.
    pub async fn settle(&self, key: &str, now: Timestamp) -> Result<bool, StoreError> {
        // Asked at every round, and mostly there is none: reading first, nobody waits for a write lock.
        if !self.store.read().await?.is_incident_open(key).await? {
            return Ok(false);
        }
        let mut tx = self.store.begin().await?;
        let closed = tx.close_incident(key, now).await?;
        tx.commit().await?;
        Ok(closed)
    }
}

/// Joins a directory and a name as mailboxes write paths.
#[must_use]
pub(crate) fn join(dir: &str, name: &str) -> String {
    match (dir.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => dir.to_owned(),
        (false, false) => format!("{}/{name}", dir.trim_end_matches('/')),
    }
}
