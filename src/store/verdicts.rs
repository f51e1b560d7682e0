//! Breaks and runs of reconciliation. A break is one row while it is open; a run is never changed.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use super::statements::{BreakRow, NewBreak, NewRun, PayerAccount, RunRow, list};
use crate::args;
use crate::domain::time::Timestamp;

const BREAK: &str = "select id, key, bank, account, on_date, kind, statement, line, subject, expected_fen, found_fen, what, next_step, candidates, owner, due_on, \
                     state, opened_at from break_item";

fn break_row(r: &Row) -> Result<BreakRow, StoreError> {
    Ok(BreakRow {
        id: r.int(0)?,
        key: r.string(1)?,
        bank: r.string(2)?,
        account: r.string(3)?,
        on_date: r.date(4)?,
        kind: r.string(5)?,
        statement: r.opt_int(6)?,
        line: r.opt_int(7)?,
        subject: r.string(8)?,
        expected_fen: r.opt_int(9)?,
        found_fen: r.opt_int(10)?,
        what: r.string(11)?,
        next_step: r.string(12)?,
        candidates: r.string(13)?,
        owner: r.string(14)?,
        due_on: r.date(15)?,
        state: r.string(16)?,
        opened_at: r.int(17)?,
    })
}

const RUN: &str = "select id, at, bank, account, on_date, verdict, opening_fen, closing_fen, residual_fen, lines, matched, breaks, sha256 from reconcile_run";

fn run_row(r: &Row) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        id: r.int(0)?,
        at: r.int(1)?,
        bank: r.string(2)?,
        account: r.string(3)?,
        on_date: r.string(4)?,
        verdict: r.string(5)?,
        opening_fen: r.opt_int(6)?,
        closing_fen: r.opt_int(7)?,
        residual_fen: r.int(8)?,
        lines: r.int(9)?,
        matched: r.int(10)?,
        breaks: r.int(11)?,
        sha256: r.string(12)?,
    })
}

/// What became of the breaks of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreaksTold {
    /// The kind.
    pub kind: String,
    /// How many were found.
    pub opened: i64,
    /// Of these, how many are explained.
    pub resolved: i64,
    /// How many became a break of another kind: a debit that is missing for long is stale.
    pub became_another: i64,
}

impl BreaksTold {
    /// How many are open.
    #[must_use]
    pub const fn open(&self) -> i64 {
        self.opened - self.resolved - self.became_another
    }
}

impl Tx {
    /// Open breaks of an account.
    ///
    /// # Errors
    /// The database refused.
    pub async fn breaks_open(&mut self, of: &PayerAccount) -> Result<Vec<BreakRow>, StoreError> {
        let sql = format!("{BREAK} where bank = $1 and account = $2 and state = 'open' order by on_date, key");
        self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account]).await?.iter().map(break_row).collect()
    }

    /// Breaks for people: open ones, or those of one day and account, closed ones too.
    ///
    /// # Errors
    /// The database refused.
    pub async fn breaks(&mut self, account: &str, on: &str) -> Result<Vec<BreakRow>, StoreError> {
        let sql = format!(
            "{BREAK} where ($1 = '' or account = $1) and ($2 = '' or on_date = $2) and ($2 <> '' or state = 'open') order by due_on, id limit 500"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![account, on]).await?.iter().map(break_row).collect()
    }

    /// Opens a break; one of the same key that is open stays.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_break(&mut self, of: &PayerAccount, b: &NewBreak, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "insert into break_item (key, bank, account, on_date, kind, statement, line, subject, expected_fen, found_fen, what, next_step, candidates, \
                   owner, grace_until, due_on, opened_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
                   on conflict (key) where state = 'open' do nothing";
        let values = args![
            &b.key,
            &of.bank,
            &of.account,
            b.on,
            b.kind.code(),
            b.at.map(|at| at.0),
            b.at.map(|at| at.1),
            &b.subject,
            b.expected,
            b.found,
            &b.what,
            &b.next_step,
            &b.candidates,
            b.owner,
            b.grace_until,
            b.due_on,
            now
        ];
        self.exec_one(sql, values).await
    }

    /// Closes a break whose cause is gone.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_break(&mut self, id: i64, how: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update break_item set state = 'closed', closed_at = $3, closed_as = $2 where id = $1 and state = 'open'";
        self.exec_one(sql, args![id, how, now]).await
    }

    /// How many breaks are open at a bank for a day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn breaks_of_day(&mut self, bank: &str, on: NaiveDate) -> Result<i64, StoreError> {
        self.one("select count(*) from break_item where bank = $1 and on_date = $2 and state = 'open'", args![bank, on]).await?.int(0)
    }

    /// The newest run of each day of an account from a day on: day, verdict, hash.
    ///
    /// # Errors
    /// The database refused.
    pub async fn runs_since(&mut self, of: &PayerAccount, since: NaiveDate) -> Result<Vec<RunRow>, StoreError> {
        let sql = format!(
            "{RUN} where account = $2 and on_date >= $3 and id in (select max(id) from reconcile_run where bank = $1 and account = $2 and on_date >= $3 group by on_date) order by on_date"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account, since]).await?.iter().map(run_row).collect()
    }

    /// How many breaks of each kind there were, and what became of them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn breaks_told(&mut self) -> Result<Vec<BreaksTold>, StoreError> {
        let sql = "select kind, count(*), count(case when state = 'closed' and closed_as <> 'superseded' then 1 end), \
                   count(case when state = 'closed' and closed_as = 'superseded' then 1 end) from break_item group by kind order by kind";
        let rows = self.rows(sql, args![]).await?;
        rows.iter()
            .map(|r| Ok(BreaksTold { kind: r.string(0)?, opened: r.int(1)?, resolved: r.int(2)?, became_another: r.int(3)? }))
            .collect()
    }

    /// The newest run of each account for a day, or for its newest day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn verdicts(&mut self, account: &str, on: Option<NaiveDate>) -> Result<Vec<RunRow>, StoreError> {
        let sql = format!(
            "{RUN} where id in (select max(r.id) from reconcile_run r where ($1 = '' or r.account = $1) and ($2 = '' and r.on_date = \
             (select max(x.on_date) from reconcile_run x where x.bank = r.bank and x.account = r.account) or r.on_date = $2) \
             group by r.bank, r.account) order by bank, account"
        );
        let on = on.map(|d| d.to_string()).unwrap_or_default();
        self.rows(sqlx::AssertSqlSafe(sql), args![account, on]).await?.iter().map(run_row).collect()
    }

    /// One run and its report.
    ///
    /// # Errors
    /// The database refused.
    pub async fn run(&mut self, id: i64) -> Result<Option<(RunRow, String)>, StoreError> {
        let Some(row) = self.opt(sqlx::AssertSqlSafe(format!("{RUN} where id = $1")), args![id]).await? else { return Ok(None) };
        let report = self.one("select report from reconcile_run where id = $1", args![id]).await?.string(0)?;
        Ok(Some((run_row(&row)?, report)))
    }

    /// The reports of runs.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reports(&mut self, runs: &[i64]) -> Result<BTreeMap<i64, String>, StoreError> {
        if runs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!("select id, report from reconcile_run where id in ({})", list(runs));
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| Ok((r.int(0)?, r.string(1)?))).collect()
    }

    /// Journals a run.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_run(&mut self, run: &NewRun<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into reconcile_run (at, bank, account, on_date, verdict, opening_fen, closing_fen, residual_fen, lines, matched, breaks, report, sha256) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning id";
        let values = args![
            now,
            &run.of.bank,
            &run.of.account,
            run.on,
            run.verdict.code(),
            run.balances.0,
            run.balances.1,
            run.residual,
            run.counts.0,
            run.counts.1,
            run.counts.2,
            run.report.0,
            run.report.1
        ];
        self.one(sql, values).await?.int(0)
    }
}
