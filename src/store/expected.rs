//! What banks still owe us: acks, results and receipts of files of ours, statements of accounts; and the funds of a purse,
//! from their arrival to the cards.
//!
//! A row stands here from the moment at which its file is out, in the transaction that says so, and is ticked off when the
//! word came. Whoever looks for what is open reads the rows without `came_at` alone: a year of history costs a round nothing.
//! What a person said will not come (`waived_at`) is late no more; it is still ticked off if it comes after all.

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::masked::Account;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Something that a bank owes us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// `ack`, `result`, `receipt` or `statement`.
    pub kind: String,
    /// The file of ours, or the account.
    pub subject: String,
    /// The day that it is of.
    pub on_date: NaiveDate,
    /// Since when it is late.
    pub due_at: Timestamp,
    /// When it came.
    pub came_at: Option<Timestamp>,
    /// When a person was told that it is late.
    pub told_at: Option<Timestamp>,
    /// The file's name, and what its lines sum to; empty for a statement.
    pub file: String,
    /// What the file's lines sum to.
    pub total: Fen,
    /// The bank's name.
    pub bank_name: String,
    /// Whom to ask at the bank.
    pub contacts: String,
    /// When a person said that it will not come.
    pub waived_at: Option<Timestamp>,
    /// Why it will not come.
    pub waived_why: String,
}

impl Expected {
    /// Whether it is still waited for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.came_at.is_none() && self.waived_at.is_none()
    }

    /// What it is about, as people may see it: a file by its name, an account by its last digits.
    #[must_use]
    pub fn what(&self) -> String {
        if self.kind == "statement" { Account::new(&self.subject).to_string() } else { self.file.clone() }
    }
}

const COLUMNS: &str = "e.id, e.bank, e.kind, e.subject, e.on_date, e.due_at, e.came_at, e.told_at, coalesce(f.name, ''), coalesce(f.total_fen, 0), b.name, b.contacts, e.waived_at, e.waived_why";
const FROM: &str = "from expected_file e join bank b on b.code = e.bank \
                    left join file_out f on f.id = case when e.kind <> 'statement' then cast(e.subject as bigint) end";

fn expected(r: &Row) -> Result<Expected, StoreError> {
    Ok(Expected {
        id: r.int(0)?,
        bank: r.string(1)?,
        kind: r.string(2)?,
        subject: r.string(3)?,
        on_date: r.date(4)?,
        due_at: Timestamp::from_millis(r.int(5)?),
        came_at: r.opt_time(6)?,
        told_at: r.opt_time(7)?,
        file: r.string(8)?,
        total: r.fen(9)?,
        bank_name: r.string(10)?,
        contacts: r.string(11)?,
        waived_at: r.opt_time(12)?,
        waived_why: r.string(13)?,
    })
}

/// An account whose bank states it, and the last day for which its statement is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedAccount {
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The profile of its files.
    pub profile: String,
    /// The last day that stands in the table; `None`: nothing was ever sent from it.
    pub until: Option<NaiveDate>,
    /// The day on which the first file left it.
    pub first: Option<NaiveDate>,
}

impl Tx {
    /// Expects what a file that is out will be answered with: its ack, where it is due, and its result or receipt. Once; again
    /// what was waived, for a second copy is a second question.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expect_answers(&mut self, file: i64) -> Result<u64, StoreError> {
        let ack = "insert into expected_file (bank, kind, subject, on_date, due_at) select bank, 'ack', cast(id as text), business_date, ack_due_at from file_out \
                   where id = $1 and ack_due_at is not null on conflict (bank, kind, subject, on_date) \
                   do update set due_at = excluded.due_at, waived_at = null, waived_why = '' where expected_file.waived_at is not null";
        let result = "insert into expected_file (bank, kind, subject, on_date, due_at) select bank, case kind when 'refund' then 'receipt' else 'result' end, \
                      cast(id as text), business_date, result_due_at from file_out where id = $1 and result_due_at is not null on conflict (bank, kind, subject, on_date) \
                      do update set due_at = excluded.due_at, waived_at = null, waived_why = '' where expected_file.waived_at is not null";
        Ok(self.exec(ack, args![file]).await? + self.exec(result, args![file]).await?)
    }

    /// Files that are out and of which nothing is expected yet: sent by a program that knew no such table.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_not_expected(&mut self) -> Result<Vec<i64>, StoreError> {
        let sql = "select f.id from file_out f where f.state in ('sent', 'accepted') and f.state not in ('answered', 'refused', 'voided', 'abandoned') \
                   and f.result_due_at is not null and not exists (select 1 from expected_file e where e.bank = f.bank \
                   and e.kind = case f.kind when 'refund' then 'receipt' else 'result' end and e.subject = cast(f.id as text) and e.on_date = f.business_date) order by f.id";
        self.rows(sql, args![]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// What came, or is owed no more, and is not ticked off: row, when, and the file that brought it. A statement came if it counts or
    /// waits for a choice: what only tells of movements (通知) is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expected_that_came(&mut self) -> Result<Vec<(i64, Timestamp, Option<i64>)>, StoreError> {
        let of_file = "select e.id, coalesce(f.answered_at, f.updated_at), (select max(i.id) from file_in i where i.file_out = f.id and i.state = 'applied' \
                       and i.kind = case e.kind when 'ack' then 'ack' else 'result' end) from expected_file e \
                       join file_out f on f.id = case when e.kind <> 'statement' then cast(e.subject as bigint) end where e.came_at is null and e.kind <> 'statement' \
                       and (f.state in ('answered', 'refused', 'voided', 'abandoned') or (e.kind = 'ack' and (f.state = 'accepted' \
                       or exists (select 1 from file_in a where a.file_out = f.id and a.kind = 'ack' and a.state = 'applied')))) order by e.id";
        let of_account = "select e.id, i.updated_at, i.id from expected_file e join statement s on s.account = e.subject and s.to_date >= e.on_date and s.bank = e.bank \
                          and s.from_date <= e.on_date and (s.problems = '' or s.problems like 'conflict%') join file_in i on i.id = s.file_in \
                          where e.came_at is null and e.kind = 'statement' order by e.id, i.id";
        let mut found: Vec<(i64, Timestamp, Option<i64>)> = Vec::new();
        for sql in [of_file, of_account] {
            for r in self.rows(sql, args![]).await? {
                let row = (r.int(0)?, Timestamp::from_millis(r.int(1)?), r.opt_int(2)?);
                if found.last().is_none_or(|(id, ..)| *id != row.0) {
                    found.push(row);
                }
            }
        }
        Ok(found)
    }

    /// Ticks one off.
    ///
    /// # Errors
    /// The database refused.
    pub async fn came(&mut self, id: i64, at: Timestamp, file_in: Option<i64>) -> Result<bool, StoreError> {
        self.exec_one("update expected_file set came_at = $2, file_in = $3 where id = $1 and came_at is null", args![id, at, file_in]).await
    }

    /// One that is expected.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expected_one(&mut self, id: i64) -> Result<Option<Expected>, StoreError> {
        let sql = format!("select {COLUMNS} {FROM} where e.id = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![id]).await?.as_ref().map(expected).transpose()
    }

    /// Lines of a file of ours of which the bank has said nothing.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_in_flight(&mut self, file: i64) -> Result<u64, StoreError> {
        let sql = "select count(*) from file_out f join instruction i on i.id >= f.first_id and i.id <= f.last_id \
                   left join instruction_state s on s.instruction_id = i.id where f.id = $1 and f.kind = 'instruction' \
                   and coalesce(s.state, f.lines_state) in ('sent', 'accepted')";
        self.one(sql, args![file]).await?.count(0)
    }

    /// Expects one no more. Its file, if it is of one, is not chased for it any more.
    ///
    /// # Errors
    /// The database refused.
    pub async fn waive(&mut self, it: &Expected, why: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update expected_file set waived_at = $2, waived_why = $3 where id = $1 and came_at is null and waived_at is null";
        let is_waived = self.exec_one(sql, args![it.id, now, why]).await?;
        let of_file = match it.kind.as_str() {
            "ack" => "update file_out set ack_due_at = null where cast(id as text) = $1",
            "result" => "update file_out set result_due_at = null where cast(id as text) = $1",
            _ => return Ok(is_waived),
        };
        self.exec(of_file, args![&it.subject]).await?;
        Ok(is_waived)
    }

    /// Remembers that a person was told of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expected_told(&mut self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.exec_one(
            "update expected_file set told_at = $2 where id = $1 and told_at is null and came_at is null and waived_at is null",
            args![id, now],
        )
        .await
    }

    /// Accounts whose agreement is reconciled by statement, valid on this day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn stated_accounts(&mut self, on: NaiveDate) -> Result<Vec<StatedAccount>, StoreError> {
        let sql = "select a.bank, a.payer_account, min(a.profile), \
                   coalesce((select max(e.on_date) from expected_file e where e.bank = a.bank and e.kind = 'statement' and e.subject = a.payer_account), ''), \
                   coalesce(min((select min(f.business_date) from file_out f where f.agreement = a.number and f.sent_at is not null)), '') \
                   from agreement a where a.reconciliation = 'statement' and a.valid_from <= $1 and a.valid_to >= $1 \
                   group by a.bank, a.payer_account order by a.bank, a.payer_account";
        let day = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| StoreError::column(3, "a date")) };
        self.rows(sql, args![on])
            .await?
            .iter()
            .map(|r| {
                Ok(StatedAccount {
                    bank: r.string(0)?,
                    account: r.string(1)?,
                    profile: r.string(2)?,
                    until: day(r.text(3)?)?,
                    first: day(r.text(4)?)?,
                })
            })
            .collect()
    }

    /// Expects an account's statement of a day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expect_statement(&mut self, of: &StatedAccount, day: NaiveDate, due_at: Timestamp) -> Result<bool, StoreError> {
        let sql = "insert into expected_file (bank, kind, subject, on_date, due_at) values ($1, 'statement', $2, $3, $4) \
                   on conflict (bank, kind, subject, on_date) do nothing";
        self.exec_one(sql, args![&of.bank, &of.account, day, due_at]).await
    }

    /// What is late: the longest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expected_late(&mut self, now: Timestamp) -> Result<Vec<Expected>, StoreError> {
        let sql =
            format!("select {COLUMNS} {FROM} where e.came_at is null and e.waived_at is null and e.due_at <= $1 order by e.due_at, e.id");
        self.rows(sqlx::AssertSqlSafe(sql), args![now]).await?.iter().map(expected).collect()
    }

    /// What was or is expected for the days from this one on, and everything that is still open, by day and bank.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expected_since(&mut self, from: NaiveDate) -> Result<Vec<Expected>, StoreError> {
        let sql = format!(
            "select {COLUMNS} {FROM} where (e.came_at is null and e.waived_at is null) or e.on_date >= $1 order by e.on_date, e.bank, e.kind, e.id"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![from]).await?.iter().map(expected).collect()
    }

    /// Open incidents of a kind, by their keys.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incidents_of(&mut self, kind: &str) -> Result<Vec<String>, StoreError> {
        self.rows("select key from incident where state = 'open' and kind = $1 order by id", args![kind])
            .await?
            .iter()
            .map(|r| r.string(0))
            .collect()
    }

    /// Batches with rows that wait for a file though their day has gone by: batch, pay_on.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batches_past_pay_on(&mut self, today: NaiveDate) -> Result<Vec<(String, NaiveDate)>, StoreError> {
        let sql = "select distinct t.batch, b.pay_on from tranche t join batch b on b.number = t.batch \
                   where t.next_id <= t.last_id and t.kind <> 'retry' and t.not_before < $1 and b.pay_on < $1 order by t.batch";
        self.rows(sql, args![today]).await?.iter().map(|r| Ok((r.string(0)?, r.date(1)?))).collect()
    }

    /// Whether anything of a batch waits for a file, or stands in one that is not out.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_batch_waiting(&mut self, batch: &str) -> Result<bool, StoreError> {
        let sql = "select (select count(*) from tranche where batch = $1 and next_id <= last_id and kind <> 'retry') \
                   + (select count(*) from file_out where batch = $1 and state in ('planned', 'sealed', 'uploading', 'publishing', 'held', 'withdrawing'))";
        Ok(self.one(sql, args![batch]).await?.int(0)? > 0)
    }
}
