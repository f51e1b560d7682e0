//! Cases that were closed and are needed again. A payment may come to grief a second time, and has one case of a kind (a
//! constraint says so): it is opened again as if it were new, over what stands there now, and its department is told anew.
//! How it had been closed, and which letter told of it, stands in its history.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::StoreError;
use super::answers::list;
use super::inbound::CasesOf;
use super::sql::Tx;
use crate::args;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;

/// A case that an instruction has, or a part that remains of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCase {
    /// Its number.
    pub id: i64,
    /// Whether it is open.
    pub is_open: bool,
}

/// A case that is opened again, and what it is about now.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Its number.
    pub case: i64,
    /// How much.
    pub amount: Fen,
    /// Reason and class, by their codes.
    pub reason: (&'a str, &'a str),
    /// In words.
    pub detail: &'a str,
    /// `department`, `person` or `operator`.
    pub owner: &'a str,
    /// The business date of its report.
    pub business_date: NaiveDate,
    /// By when.
    pub due_on: NaiveDate,
}

impl Tx {
    /// The cases of this kind that these instructions have, by instruction and the part that each is about.
    ///
    /// # Errors
    /// The database refused.
    pub async fn cases_known(&mut self, kind: &str, ids: &[i64]) -> Result<BTreeMap<(i64, i64), KnownCase>, StoreError> {
        let mut found = BTreeMap::new();
        for some in ids.chunks(5000) {
            let sql = format!(
                "select instruction_id, part, id, case when state = 'open' then 1 else 0 end from failure_case where kind = $1 and instruction_id in ({})",
                list(some)
            );
            for r in self.rows(sqlx::AssertSqlSafe(sql), args![kind]).await? {
                found.insert((r.int(0)?, r.int(1)?), KnownCase { id: r.int(2)?, is_open: r.int(3)? == 1 });
            }
        }
        Ok(found)
    }

    /// Opens a closed case again. Says whether it was closed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_again(&mut self, of: &Again<'_>, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "select closed_as, coalesce(mail, 0) from failure_case where id = $1 and state = 'closed'";
        let Some(before) = self.opt(sql, args![of.case]).await? else { return Ok(false) };
        let told = match before.int(1)? {
            0 => String::new(),
            mail => format!(", told by mail {mail}"),
        };
        let words = format!("{} of {}; it was closed as {}{told}", of.reason.0, of.amount, before.text(0)?);
        let sql = "update failure_case set state = 'open', amount_fen = $2, reason = $3, class = $4, detail = $5, owner = $6, business_date = $7, due_on = $8, \
                   opened_at = $9, mail = null, closed_at = null, closed_as = '', money_on = '', reminded = 0, remind_at = null, escalated_at = null, \
                   successor = null where id = $1 and state = 'closed'";
        let (reason, class) = of.reason;
        let values = args![of.case, of.amount, reason, class, of.detail, of.owner, of.business_date, of.due_on, now];
        let is_open = self.exec_one(sql, values).await?;
        if is_open {
            self.event("case", of.case, ("reopen", "closed", "open"), actor, &words, now).await?;
        }
        Ok(is_open)
    }

    /// Opens the case of a suspected second payment again, whatever persons had said of it. Says whether it was closed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspect_again(
        &mut self,
        instruction: i64,
        words: &str,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "select id, amount_fen from failure_case where instruction_id = $1 and kind = 'double_payment_suspected' and state = 'closed'";
        let Some(closed) = self.opt(sql, args![instruction]).await? else { return Ok(false) };
        let (reason, owner) = (Reason::ResultUnknown, "operator");
        let reason = (reason.code(), reason.class().code());
        let again = Again { case: closed.int(0)?, amount: closed.fen(1)?, reason, detail: words, owner, business_date, due_on };
        self.open_again(&again, "daemon", now).await
    }

    /// Opens the closed cases of the lines that a set put into this state again: where `open_cases` finds that each has one. Says
    /// how many.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_cases_again(&mut self, set: &[i64], of: &CasesOf<'_>, actor: &str, now: Timestamp) -> Result<u64, StoreError> {
        // Each line looks its case up, as `open_cases` does: a join could as well read all cases that ever were.
        let sql = format!(
            "select x.* from (select (select c.id from failure_case c where c.instruction_id = s.instruction_id and c.kind = $1 and c.part = 0 \
             and c.state = 'closed') as case_id, s.amount_fen, case when s.reason = '' then 'OTHER_UNMAPPED' else s.reason end as reason, \
             case when s.class = '' then 'UR' else s.class end as class, s.raw_text, case s.class when 'BA' then 'person' when 'EN' then 'operator' \
             when 'GW' then 'operator' else 'department' end as owner from instruction_state s where s.state = $2 and s.file_in in ({})) x \
             where x.case_id is not null order by x.case_id",
            list(set)
        );
        let mut opened = 0;
        for r in self.rows(sqlx::AssertSqlSafe(sql), args![of.kind, of.state.code()]).await? {
            let again = Again {
                case: r.int(0)?,
                amount: r.fen(1)?,
                reason: (r.text(2)?, r.text(3)?),
                detail: r.text(4)?,
                owner: r.text(5)?,
                business_date: of.business_date,
                due_on: of.due_on,
            };
            opened += u64::from(self.open_again(&again, actor, now).await?);
        }
        Ok(opened)
    }
}
