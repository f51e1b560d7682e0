//! The ledger, read: trial balance, an account's history, every entry with its postings in the order of their time.
//!
//! Pages follow the time of the entry, then its number, so that a million entries are read in one picture and in bounded
//! memory, and dates never fall from one to the next.

use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::journal::{Origins, account_name};
use crate::domain::ledger::{AccountKey, AccountKind};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// An entry, with the account and amount of each of its postings.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Its number.
    pub id: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Why.
    pub kind: String,
    /// What it belongs to.
    pub of: Origins,
    /// How many payments it sums.
    pub lines: i64,
    /// Out of (less than nothing) and into (more).
    pub postings: Vec<(AccountKey, Fen)>,
}

/// Which entries.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// Up to this number.
    pub until: i64,
    /// One batch's; empty: all.
    pub batch: &'a str,
}

impl Default for Which<'_> {
    fn default() -> Self {
        Self { until: i64::MAX, batch: "" }
    }
}

/// Whose accounts: what is empty or nothing leaves it open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whose<'a> {
    /// Department's code.
    pub department: &'a str,
    /// Project's code.
    pub project: &'a str,
    /// Fiscal year.
    pub year: i64,
    /// The kind.
    pub kind: Option<AccountKind>,
    /// The bank.
    pub bank: &'a str,
}

/// One account of a trial balance (试算平衡).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialRow {
    /// Its name in the journal.
    pub account: String,
    /// Whose it is, and of which kind.
    #[serde(skip)]
    pub key: AccountKey,
    /// What was moved into it.
    pub debit: Fen,
    /// What was moved out of it.
    pub credit: Fen,
    /// What lies in it, by its postings.
    pub balance: Fen,
}

/// One posting of an account, with what lay in it behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    /// The entry.
    pub entry: i64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub kind: String,
    /// The batch, or empty.
    pub batch: String,
    /// Our file.
    pub file_out: Option<i64>,
    /// The bank's file.
    pub file_in: Option<i64>,
    /// The refund order.
    pub refund_order: Option<i64>,
    /// How much, less than nothing where it went out.
    pub amount: Fen,
    /// What lay in the account then.
    pub balance: Fen,
}

/// An account with what is kept as its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAccount {
    /// Its number.
    pub id: i64,
    /// Whose it is, and of which kind.
    pub key: AccountKey,
    /// The balance kept with it.
    pub balance: Fen,
}

fn key(r: &Row, at: usize) -> Result<AccountKey, StoreError> {
    Ok(AccountKey {
        department: r.string(at)?,
        project: r.string(at + 1)?,
        year: i32::try_from(r.int(at + 2)?).map_err(|_| StoreError::column(at + 2, "a year"))?,
        kind: r.code(at + 3, AccountKind::from_code, "a kind of account")?,
        bank: r.string(at + 4)?,
    })
}

impl Tx {
    /// A page of entries behind this one (time and number), in the order of their time.
    ///
    /// # Errors
    /// The database refused.
    pub async fn journal_page(&mut self, which: Which<'_>, after: (Timestamp, i64), limit: i64) -> Result<Vec<JournalEntry>, StoreError> {
        let sql = "select e.id, e.at, e.kind, e.batch, e.file_out, e.file_in, e.funding, e.refund_order, e.opening, e.statement, e.lines, \
                   a.department, a.project, a.year, a.kind, a.bank, p.amount_fen from (select * from entry x where (x.at, x.id) > ($1, $2) \
                   and x.id <= $3 and ($4 = '' or x.batch = $4) order by x.at, x.id limit $5) e join posting p on p.entry = e.id \
                   join account a on a.id = p.account order by e.at, e.id, p.amount_fen, a.id";
        let mut entries: Vec<JournalEntry> = Vec::new();
        for r in self.rows(sql, args![after.0, after.1, which.until, which.batch, limit]).await? {
            let id = r.int(0)?;
            let posting = (key(&r, 11)?, r.fen(16)?);
            if let Some(last) = entries.last_mut().filter(|last| last.id == id) {
                last.postings.push(posting);
                continue;
            }
            let of = Origins {
                batch: r.string(3)?,
                file_out: r.opt_int(4)?,
                file_in: r.opt_int(5)?,
                funding: r.opt_int(6)?,
                refund_order: r.opt_int(7)?,
                opening: r.opt_int(8)?,
                statement: r.opt_int(9)?,
            };
            let at = Timestamp::from_millis(r.int(1)?);
            entries.push(JournalEntry { id, at, kind: r.string(2)?, of, lines: r.int(10)?, postings: vec![posting] });
        }
        Ok(entries)
    }

    /// Every account of these, with the balance kept with it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn kept_accounts(&mut self, whose: Whose<'_>) -> Result<Vec<KeptAccount>, StoreError> {
        let sql = "select id, balance_fen, department, project, year, kind, bank from account where ($1 = '' or department = $1) \
                   and ($2 = '' or project = $2) and ($3 = 0 or year = $3) and ($4 = '' or kind = $4) and ($5 = '' or bank = $5) \
                   order by department, project, year, kind, bank";
        let kind = whose.kind.map_or("", AccountKind::code);
        let rows = self.rows(sql, args![whose.department, whose.project, whose.year, kind, whose.bank]).await?;
        rows.iter().map(|r| Ok(KeptAccount { id: r.int(0)?, balance: r.fen(1)?, key: key(r, 2)? })).collect()
    }

    /// What moved into and out of each account before an instant, up to an entry.
    ///
    /// # Errors
    /// The database refused.
    pub async fn trial(&mut self, whose: Whose<'_>, before: Timestamp, until: i64) -> Result<Vec<TrialRow>, StoreError> {
        let sql = "select cast(sum(case when p.amount_fen > 0 then p.amount_fen else 0 end) as bigint), \
                   cast(sum(case when p.amount_fen < 0 then -p.amount_fen else 0 end) as bigint), a.department, a.project, a.year, a.kind, a.bank \
                   from posting p join entry e on e.id = p.entry join account a on a.id = p.account where e.at < $1 and e.id <= $2 \
                   and ($3 = '' or a.department = $3) and ($4 = '' or a.project = $4) and ($5 = 0 or a.year = $5) \
                   group by a.department, a.project, a.year, a.kind, a.bank order by a.department, a.project, a.year, a.kind, a.bank";
        let rows = self.rows(sql, args![before, until, whose.department, whose.project, whose.year]).await?;
        rows.iter()
            .map(|r| {
                let (debit, credit, key) = (r.fen(0)?, r.fen(1)?, key(r, 2)?);
                Ok(TrialRow { account: account_name(&key), key, debit, credit, balance: Fen::new(debit.get() - credit.get()) })
            })
            .collect()
    }

    /// An account's postings between two instants, the earliest first, each with the balance behind it; and what lay in it before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn account_history(
        &mut self,
        account: i64,
        (from, before): (Timestamp, Timestamp),
        limit: i64,
    ) -> Result<(Fen, Vec<HistoryRow>), StoreError> {
        let sql = "select cast(coalesce(sum(p.amount_fen), 0) as bigint) from posting p join entry e on e.id = p.entry \
                   where p.account = $1 and e.at < $2";
        let opening = self.one(sql, args![account, from]).await?.fen(0)?;
        let sql = "select e.id, e.at, e.kind, e.batch, e.file_out, e.file_in, e.refund_order, p.amount_fen from posting p \
                   join entry e on e.id = p.entry where p.account = $1 and e.at >= $2 and e.at < $3 order by e.at, e.id limit $4";
        let mut balance = opening;
        let mut history = Vec::new();
        for r in self.rows(sql, args![account, from, before, limit]).await? {
            let amount = r.fen(7)?;
            balance = Fen::new(balance.get() + amount.get());
            history.push(HistoryRow {
                entry: r.int(0)?,
                at: Timestamp::from_millis(r.int(1)?),
                kind: r.string(2)?,
                batch: r.string(3)?,
                file_out: r.opt_int(4)?,
                file_in: r.opt_int(5)?,
                refund_order: r.opt_int(6)?,
                amount,
                balance,
            });
        }
        Ok((opening, history))
    }
}
