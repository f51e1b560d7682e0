//! The ledger leaves the house as text (总账导出): as a table, and as a journal that another program adds up by itself.
//!
//! Both read one picture of the rows, a page at a time: what arrives meanwhile stands in neither.

use std::io::{self, Write};
use std::path::Path;

use chrono_tz::Tz;

use super::PassError;
use crate::domain::journal;
use crate::domain::ledger::AccountKey;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::journal::{JournalEntry, Which, Whose};
use crate::store::sql::Tx;

/// Entries read at a time.
const PAGE: i64 = 5000;
/// Before every entry.
const START: (Timestamp, i64) = (Timestamp::from_millis(i64::MIN), i64::MIN);

/// The columns of the ledger as a table.
const COLUMNS: [&str; 19] = [
    "entry",
    "at_utc",
    "date",
    "kind",
    "batch",
    "file_out",
    "file_in",
    "funding",
    "refund_order",
    "opening",
    "statement",
    "payments",
    "account",
    "department",
    "project",
    "year",
    "bank",
    "amount_fen",
    "amount_yuan",
];

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries.
    pub entries: u64,
    /// Accounts whose balances are asserted, where it is a journal.
    pub accounts: usize,
}

/// Writes the whole ledger as a plain-text journal that hledger accepts, with our balances asserted at its end.
///
/// # Errors
/// The database, or `out` fails.
pub async fn write_journal(store: &Store, zone: Tz, out: &mut (dyn Write + Send)) -> Result<Written, PassError> {
    write_journal_until(store, zone, out, None).await
}

/// The same, up to an entry; the balances asserted are then those behind it.
///
/// # Errors
/// The database, or `out` fails.
pub async fn write_journal_until(store: &Store, zone: Tz, out: &mut (dyn Write + Send), until: Option<i64>) -> Result<Written, PassError> {
    let mut tx = store.read().await?;
    let balances = balances(&mut tx, until).await?;
    let mut text = String::new();
    journal::head(&mut text, balances.iter().map(|(key, _)| key));
    put(out, &text)?;
    let which = Which { until: until.unwrap_or(i64::MAX), batch: "" };
    let (mut after, mut entries) = (START, 0);
    let mut last = None;
    loop {
        let page = tx.journal_page(which, after, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = (end.at, end.id);
        last = Some(end.at.date(zone));
        text.clear();
        for e in &page {
            let postings: Vec<(&AccountKey, Fen)> = e.postings.iter().map(|(key, amount)| (key, *amount)).collect();
            journal::transaction(&mut text, e.at.date(zone), e.id, &e.kind, &e.of, &postings);
            entries += 1;
        }
        put(out, &text)?;
    }
    if let Some(date) = last {
        text.clear();
        journal::assertions(&mut text, date, balances.iter().map(|(key, balance)| (key, *balance)));
        put(out, &text)?;
    }
    out.flush().map_err(broken)?;
    Ok(Written { entries, accounts: balances.len() })
}

/// What is asserted: the balance kept with each account, or, up to an entry, what its postings sum to.
async fn balances(tx: &mut Tx, until: Option<i64>) -> Result<Vec<(AccountKey, Fen)>, PassError> {
    Ok(match until {
        None => tx.kept_accounts(Whose::default()).await?.into_iter().map(|a| (a.key, a.balance)).collect(),
        Some(until) => {
            let rows = tx.trial(Whose::default(), Timestamp::from_millis(i64::MAX), until).await?;
            rows.into_iter().map(|r| (r.key, r.balance)).collect()
        }
    })
}

/// Writes entries as a table, one row a posting.
///
/// # Errors
/// The database, or `out` fails.
pub async fn write_csv(tx: &mut Tx, zone: Tz, out: &mut (dyn Write + Send), which: Which<'_>) -> Result<Written, PassError> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS).map_err(|e| broken(e.into()))?;
    let (mut after, mut entries) = (START, 0);
    loop {
        let page = tx.journal_page(which, after, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = (end.at, end.id);
        for e in &page {
            entries += 1;
            for (key, amount) in &e.postings {
                csv.write_record(record(e, key, *amount, zone)).map_err(|e| broken(e.into()))?;
            }
        }
    }
    csv.flush().map_err(broken)?;
    Ok(Written { entries, accounts: 0 })
}

fn record(e: &JournalEntry, key: &AccountKey, amount: Fen, zone: Tz) -> [String; 19] {
    let number = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    [
        e.id.to_string(),
        e.at.to_string(),
        e.at.date(zone).to_string(),
        e.kind.clone(),
        e.of.batch.clone(),
        number(e.of.file_out),
        number(e.of.file_in),
        number(e.of.funding),
        number(e.of.refund_order),
        number(e.of.opening),
        number(e.of.statement),
        e.lines.to_string(),
        journal::account_name(key),
        key.department.clone(),
        key.project.clone(),
        key.year.to_string(),
        key.bank.clone(),
        amount.get().to_string(),
        amount.to_string(),
    ]
}

fn put(out: &mut (dyn Write + Send), text: &str) -> Result<(), PassError> {
    out.write_all(text.as_bytes()).map_err(broken)
}

fn broken(source: io::Error) -> PassError {
    PassError::local("writing the ledger into", Path::new("the file named"))(source)
}
