//! The switch-over's rows: payments that the channel before this one made, and what lay in the accounts that day.

use std::collections::BTreeMap;

use super::StoreError;
use super::sql::{Tx, Value};
use crate::args;
use crate::domain::ledger::AccountKind;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A payment that the channel before made, about to be written.
#[derive(Clone, Debug)]
pub struct LegacyPayment {
    /// Its line in the file.
    pub line: u64,
    /// The claim that it used up.
    pub claim_key: i64,
    /// Project's code.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// The entitled person.
    pub name: Name,
    /// The entitled person's identity number.
    pub id_number: IdNumber,
    /// The card.
    pub account: Account,
    /// How much.
    pub amount: Fen,
    /// When.
    pub paid_on: chrono::NaiveDate,
}

/// Where and when a claim was paid before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidElsewhere {
    /// The claim.
    pub claim_key: i64,
    /// The channel before.
    pub source: String,
    /// The line of its file.
    pub line: i64,
    /// When.
    pub paid_on: String,
}

/// An opening balance that was booked.
#[derive(Clone, Debug)]
pub struct OpenedBalance {
    /// Its number.
    pub id: i64,
    /// The channel before.
    pub source: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// The account.
    pub kind: AccountKind,
    /// Fen.
    pub amount: Fen,
    /// Whether it has gone back to the treasury.
    pub is_back: bool,
}

/// An opening balance, about to be written.
#[derive(Clone, Debug)]
pub struct NewOpening<'a> {
    /// Where it comes from.
    pub source: &'a str,
    /// The line of its file.
    pub line: u64,
    /// Department's code.
    pub department: &'a str,
    /// Project's code.
    pub project: &'a str,
    /// Fiscal year.
    pub year: i32,
    /// Which account.
    pub kind: AccountKind,
    /// How much.
    pub amount: Fen,
    /// On which day.
    pub as_of: chrono::NaiveDate,
    /// A note.
    pub note: &'a str,
    /// Who proposed it.
    pub proposed_by: &'a str,
    /// Who approved it.
    pub approved_by: &'a str,
}

impl Tx {
    /// Holds the gate and the switch-over apart until this transaction ends: whichever of a batch and an import comes second
    /// sees what the first has written.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_switch(&mut self) -> Result<(), StoreError> {
        self.take_numbers("switch", 1).await.map(|_| ())
    }

    /// Whether the channel before paid anything that we know of.
    ///
    /// # Errors
    /// The database refused.
    pub async fn has_legacy(&mut self) -> Result<bool, StoreError> {
        Ok(self.opt("select id from legacy_payment limit 1", args![]).await?.is_some())
    }

    /// Writes payments of the channel before.
    ///
    /// # Errors
    /// A line of this source is there already (a unique violation), or the database refused.
    pub async fn insert_legacy(&mut self, source: &str, rows: &[LegacyPayment], by: &str, now: Timestamp) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &[
            "source",
            "line",
            "claim_key",
            "project",
            "period",
            "entitled_name",
            "entitled_id",
            "account",
            "amount_fen",
            "paid_on",
            "imported_by",
            "imported_at",
        ];
        let rows = rows.iter().map(|r| {
            args![source, r.line, r.claim_key, &r.project, &r.period, &r.name, &r.id_number, &r.account, r.amount, r.paid_on, by, now]
        });
        self.bulk("legacy_payment", COLUMNS, Box::new(rows)).await
    }

    /// How many payments of a source are known.
    ///
    /// # Errors
    /// The database refused.
    pub async fn legacy_of(&mut self, source: &str) -> Result<i64, StoreError> {
        self.one("select count(*) from legacy_payment where source = $1", args![source]).await?.int(0)
    }

    /// Which of these claims the channel before paid.
    ///
    /// # Errors
    /// The database refused.
    pub async fn legacy_claims(&mut self, keys: &[i64]) -> Result<Vec<PaidElsewhere>, StoreError> {
        let mut found = Vec::new();
        for some in keys.chunks(5000) {
            let marks: Vec<String> = (1..=some.len()).map(|i| format!("${i}")).collect();
            let sql =
                format!("select claim_key, source, line, paid_on from legacy_payment where claim_key in ({}) order by id", marks.join(","));
            for r in self.rows(sqlx::AssertSqlSafe(sql), some.iter().map(|k| Value::Int(*k)).collect()).await? {
                found.push(PaidElsewhere { claim_key: r.int(0)?, source: r.string(1)?, line: r.int(2)?, paid_on: r.string(3)? });
            }
        }
        Ok(found)
    }

    /// How many instructions of a range pay what the channel before has paid.
    ///
    /// # Errors
    /// The database refused.
    pub async fn legacy_in_range(&mut self, range: (i64, i64)) -> Result<i64, StoreError> {
        let sql = "select count(*) from instruction i where i.id >= $1 and i.id <= $2 \
                   and exists (select 1 from legacy_payment l where l.claim_key = i.claim_key)";
        self.one(sql, args![range.0, range.1]).await?.int(0)
    }

    /// Lines of a source that are in payment here already: by their claim, or because a correction pays their person under the claim of
    /// whom a list had named. How many, and the first one. Without a number the name must do: the table knows no mandate.
    ///
    /// # Errors
    /// The database refused.
    pub async fn legacy_live(&mut self, source: &str) -> Result<(i64, Option<i64>), StoreError> {
        let sql = "select count(*), min(x.line) from (select l.line from legacy_payment l join instruction i on i.claim_key = l.claim_key \
                   and i.live = 1 where l.source = $1 union select l.line from legacy_payment l join payment p on upper(p.entitled_id) = upper(l.entitled_id) \
                   and (l.entitled_id <> '' or p.entitled_name = l.entitled_name) join batch b on b.number = p.batch and b.kind = 'reissue' \
                   and b.project = l.project and b.period = l.period join project j on j.code = b.project and j.several_per_period = 0 \
                   join instruction i on i.payment_id = p.id and i.live = 1 where l.source = $1) x";
        let r = self.one(sql, args![source]).await?;
        Ok((r.int(0)?, r.opt_int(1)?))
    }

    /// Every project, and whether it allows several payments to a person in a period.
    ///
    /// # Errors
    /// The database refused.
    pub async fn projects_known(&mut self) -> Result<BTreeMap<String, bool>, StoreError> {
        let rows = self.rows("select code, several_per_period from project", args![]).await?;
        rows.iter().map(|r| Ok((r.string(0)?, r.int(1)? == 1))).collect()
    }

    /// How many opening balances of a source are booked.
    ///
    /// # Errors
    /// The database refused.
    pub async fn openings_of(&mut self, source: &str) -> Result<i64, StoreError> {
        self.one("select count(*) from opening_balance where source = $1", args![source]).await?.int(0)
    }

    /// Writes an opening balance.
    ///
    /// # Errors
    /// It is there already (a unique violation), or the database refused.
    pub async fn insert_opening(&mut self, o: &NewOpening<'_>) -> Result<i64, StoreError> {
        let sql = "insert into opening_balance (source, line, department, project, year, kind, amount_fen, as_of, note, proposed_by, approved_by) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id";
        let values = args![
            o.source,
            o.line,
            o.department,
            o.project,
            o.year,
            o.kind.code(),
            o.amount,
            o.as_of,
            o.note,
            o.proposed_by,
            o.approved_by
        ];
        self.one(sql, values).await?.int(0)
    }

    /// An opening balance by its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn opening(&mut self, id: i64) -> Result<Option<OpenedBalance>, StoreError> {
        let sql = "select o.id, o.source, o.department, o.project, o.year, o.kind, o.amount_fen, \
                   (select count(*) from entry e where e.opening = o.id and e.kind = 'close') from opening_balance o where o.id = $1";
        let Some(r) = self.opt(sql, args![id]).await? else { return Ok(None) };
        Ok(Some(OpenedBalance {
            id: r.int(0)?,
            source: r.string(1)?,
            department: r.string(2)?,
            project: r.string(3)?,
            year: i32::try_from(r.int(4)?).map_err(|_| StoreError::column(4, "a year"))?,
            kind: r.code(5, AccountKind::from_code, "a kind of account")?,
            amount: r.fen(6)?,
            is_back: r.int(7)? > 0,
        }))
    }
}
