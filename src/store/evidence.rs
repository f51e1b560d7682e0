//! The audit log, read and proven; what a day and a month come to; who held which role.

use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::chain::Link;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Rows of the chain read at a time.
const PAGE: i64 = 1000;

/// One row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a login, or `daemon`.
    pub actor: String,
    /// What was done.
    pub act: String,
    /// To what.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// The hash of the row before.
    pub previous: String,
    /// Its own.
    pub hash: String,
}

/// Which rows of the audit log.
#[derive(Clone, Copy, Debug)]
pub struct AuditChoice<'a> {
    /// From this instant on.
    pub from: Timestamp,
    /// Before this one.
    pub before: Timestamp,
    /// By this person; empty: by all.
    pub actor: &'a str,
    /// This act; empty: all.
    pub act: &'a str,
    /// At most so many, the latest.
    pub limit: i64,
}

/// What a walk along the chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Links that hold, from the first on.
    pub rows: u64,
    /// The first row that does not, if there is one.
    pub broken: Option<i64>,
    /// The last row that holds.
    pub head: Option<AuditRow>,
    /// The row of the hash that was asked for, among those that hold.
    pub found: Option<AuditRow>,
}

/// What a business day came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// Files of ours that went out, and their sum.
    pub files_out: (i64, Fen),
    /// Files of the banks that came.
    pub files_in: i64,
    /// Incidents open at its end.
    pub incidents: i64,
    /// Entries of the day.
    pub entries: i64,
    /// What they moved.
    pub moved: Fen,
    /// The ledger's greatest entry by its end.
    pub entry_last: i64,
    /// The sum of all postings by then. Must be nothing.
    pub postings: Fen,
}

/// A text table: its rows, in the order of the columns asked for.
pub type TextRows = Vec<Vec<String>>;

const COLUMNS: &str = "id, at, actor, act, subject, detail, previous, hash";

fn audit_row(r: &Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: r.int(0)?,
        at: Timestamp::from_millis(r.int(1)?),
        actor: r.string(2)?,
        act: r.string(3)?,
        subject: r.string(4)?,
        detail: r.string(5)?,
        previous: r.string(6)?,
        hash: r.string(7)?,
    })
}

impl AuditRow {
    /// Whether its own hash is that of its words, and it follows this one.
    #[must_use]
    pub fn holds_behind(&self, previous: &str) -> bool {
        let Self { id, at, actor, act, subject, detail, .. } = self;
        let link = Link { id: *id, at: at.millis(), actor, act, subject, detail, previous: &self.previous };
        self.previous == previous && self.hash == link.hash()
    }
}

/// The text of a cell, whatever it holds.
pub(super) fn cell(r: &Row, at: usize) -> Result<String, StoreError> {
    r.string(at).or_else(|_| r.int(at).map(|i| i.to_string()))
}

pub(super) fn text_rows(rows: &[Row], columns: usize) -> Result<TextRows, StoreError> {
    rows.iter().map(|r| (0..columns).map(|at| cell(r, at)).collect()).collect()
}

impl Tx {
    /// A page of the chain behind this number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_page(&mut self, after: i64, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        let sql = format!("select {COLUMNS} from audit where id > $1 order by id limit $2");
        self.rows(sqlx::AssertSqlSafe(sql), args![after, limit]).await?.iter().map(audit_row).collect()
    }

    /// Rows that answer a question, in their order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_rows(&mut self, choice: &AuditChoice<'_>) -> Result<Vec<AuditRow>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from audit where at >= $1 and at < $2 and ($3 = '' or actor = $3) and ($4 = '' or act = $4) order by id desc limit $5"
        );
        let values = args![choice.from, choice.before, choice.actor, choice.act, choice.limit];
        let mut rows: Vec<AuditRow> = self.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(audit_row).collect::<Result<_, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// The last row.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_head(&mut self) -> Result<Option<AuditRow>, StoreError> {
        let sql = format!("select {COLUMNS} from audit order by id desc limit 1");
        self.opt(sqlx::AssertSqlSafe(sql), args![]).await?.as_ref().map(audit_row).transpose()
    }

    /// Walks the chain from its first row: every hash is computed anew. With a head that was mailed or printed, says whether
    /// the chain goes through it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_chain(&mut self, head: &str) -> Result<Chain, StoreError> {
        let mut chain = Chain { rows: 0, broken: None, head: None, found: None };
        loop {
            let last = chain.head.as_ref().map_or(0, |row| row.id);
            let page = self.audit_page(last, PAGE).await?;
            if page.is_empty() {
                return Ok(chain);
            }
            for row in page {
                let previous = chain.head.as_ref().map(|row| row.hash.as_str()).unwrap_or_default();
                if !row.holds_behind(previous) {
                    chain.broken = Some(row.id);
                    return Ok(chain);
                }
                if row.hash == head {
                    chain.found = Some(row.clone());
                }
                chain.rows += 1;
                chain.head = Some(row);
            }
        }
    }

    /// The business day that was closed last, and the instant of the first row of all.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_days(&mut self) -> Result<(Option<String>, Option<Timestamp>), StoreError> {
        let last = self.opt("select subject from audit where act = 'day' order by id desc limit 1", args![]).await?;
        let first = self.opt("select at from audit order by id limit 1", args![]).await?;
        Ok((last.map(|r| r.string(0)).transpose()?, first.map(|r| r.int(0).map(Timestamp::from_millis)).transpose()?))
    }

    /// What was written of an act last.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_last_of(&mut self, act: &str) -> Result<Option<String>, StoreError> {
        let row = self.opt("select detail from audit where act = $1 order by id desc limit 1", args![act]).await?;
        row.map(|r| r.string(0)).transpose()
    }

    /// Holds the days apart: whoever closes one waits for whoever else does.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_audit_day(&mut self) -> Result<(), StoreError> {
        self.take_numbers("audit_day", 1).await.map(|_| ())
    }

    /// What a day came to, by its first instant and that of the next.
    ///
    /// # Errors
    /// The database refused.
    pub async fn day_figures(&mut self, from: Timestamp, before: Timestamp) -> Result<DayFigures, StoreError> {
        let sql = "select count(*), cast(coalesce(sum(total_fen), 0) as bigint) from file_out where sent_at >= $1 and sent_at < $2";
        let out = self.one(sql, args![from, before]).await?;
        let came = self.one("select count(*) from file_in where seen_at >= $1 and seen_at < $2", args![from, before]).await?;
        let sql = "select (select count(*) from incident where state = 'open' and first_at < $1) \
                   + (select count(*) from incident where state <> 'open' and last_at >= $1 and first_at < $1)";
        let incidents = self.one(sql, args![before]).await?.int(0)?;
        let sql = "select count(distinct e.id), cast(coalesce(sum(case when p.amount_fen > 0 then p.amount_fen else 0 end), 0) as bigint) \
                   from entry e join posting p on p.entry = e.id where e.at >= $1 and e.at < $2";
        let moved = self.one(sql, args![from, before]).await?;
        let sql = "select coalesce(max(e.id), 0), cast(coalesce(sum(p.amount_fen), 0) as bigint) from entry e join posting p on p.entry = e.id where e.at < $1";
        let all = self.one(sql, args![before]).await?;
        Ok(DayFigures {
            files_out: (out.int(0)?, out.fen(1)?),
            files_in: came.int(0)?,
            incidents,
            entries: moved.int(0)?,
            moved: moved.fen(1)?,
            entry_last: all.int(0)?,
            postings: all.fen(1)?,
        })
    }

    /// Who may act here: login, name, role, department, whether active.
    ///
    /// # Errors
    /// The database refused.
    pub async fn roster(&mut self) -> Result<TextRows, StoreError> {
        let rows = self.rows("select login, name, role, department, active from operator order by login", args![]).await?;
        text_rows(&rows, 5)
    }

    /// Acts of two persons that were proposed or decided between two instants: number, act, subject, why, effect, who and when
    /// (proposed, approved), how it stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn month_proposals(&mut self, from: Timestamp, before: Timestamp) -> Result<TextRows, StoreError> {
        let sql = "select id, act, subject, reason, effect, proposed_by, proposed_at, approved_by, approved_at, state from proposal \
                   where (proposed_at >= $1 and proposed_at < $2) or (approved_at >= $1 and approved_at < $2) order by id";
        text_rows(&self.rows(sql, args![from, before]).await?, 10)
    }

    /// Statement lines that persons matched: number, statement, line, what it is, amount, why, proposal, when.
    ///
    /// # Errors
    /// The database refused.
    pub async fn month_matches(&mut self, from: Timestamp, before: Timestamp) -> Result<TextRows, StoreError> {
        let sql = "select m.id, m.statement, m.line, m.kind, m.subject, m.amount_fen, m.reason, m.proposal, coalesce(p.proposed_by, ''), \
                   coalesce(p.approved_by, ''), m.at from statement_match m left join proposal p on p.id = m.proposal \
                   where m.how = 'manual' and m.at >= $1 and m.at < $2 order by m.id";
        text_rows(&self.rows(sql, args![from, before]).await?, 11)
    }

    /// The hands of batches that were released between two instants: number, kind, department, rows, fen, the four hands, when.
    ///
    /// # Errors
    /// The database refused.
    pub async fn month_hands(&mut self, from: Timestamp, before: Timestamp) -> Result<TextRows, StoreError> {
        let sql = "select number, kind, department, declared_count, declared_fen, maker, approver, finance_reviewer, released_by, released_at \
                   from batch where released_at >= $1 and released_at < $2 order by released_at, number";
        text_rows(&self.rows(sql, args![from, before]).await?, 10)
    }

    /// How often who did what: person, act, times.
    ///
    /// # Errors
    /// The database refused.
    pub async fn month_acts(&mut self, from: Timestamp, before: Timestamp) -> Result<TextRows, StoreError> {
        let sql = "select actor, act, count(*) from audit where at >= $1 and at < $2 group by actor, act order by actor, act";
        text_rows(&self.rows(sql, args![from, before]).await?, 3)
    }

    /// The rosters in force until an instant: from when, and who stood in it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rosters(&mut self, before: Timestamp) -> Result<Vec<(Timestamp, String)>, StoreError> {
        let rows = self.rows("select at, detail from audit where act = 'roles' and at < $1 order by id", args![before]).await?;
        rows.iter().map(|r| Ok((Timestamp::from_millis(r.int(0)?), r.string(1)?))).collect()
    }
}
