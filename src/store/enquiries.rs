//! Enquiries (查询): files that ask a bank what became of payments. One a file of ours and day.

use chrono::NaiveDate;

use super::StoreError;
use super::lines::payment_line;
use super::outbound::{FileOut, Lease};
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::exchange::PaymentLine;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// An enquiry on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enquiry {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The file that it asks about.
    pub file_out: i64,
    /// The day of asking.
    pub asked_on: NaiveDate,
    /// Folder under the bank's inbox.
    pub dir: String,
    /// File name.
    pub name: String,
    /// What its bytes hash to.
    pub sha256: String,
    /// `planned`, `uploading`, `sent` or `held`.
    pub state: String,
    /// How often an upload was begun.
    pub attempt: i64,
}

fn enquiry(r: &Row) -> Result<Enquiry, StoreError> {
    Ok(Enquiry {
        id: r.int(0)?,
        bank: r.string(1)?,
        file_out: r.int(2)?,
        asked_on: r.date(3)?,
        dir: r.string(4)?,
        name: r.string(5)?,
        sha256: r.string(6)?,
        state: r.string(7)?,
        attempt: r.int(8)?,
    })
}

const OPEN_LINES: &str = "from instruction i left join instruction_state s on s.instruction_id = i.id and s.instruction_id >= $1 \
                          and s.instruction_id <= $2 where i.id >= $1 and i.id <= $2 \
                          and coalesce(s.state, $3) in ('sent', 'accepted', 'unknown')";

impl Tx {
    /// Files whose bank owes us a word and was not asked today: the result is overdue, or what the bank said before today, or
    /// never said, leaves a line unknown. Only files that are known or presumed to be out stand in the table that is read here.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_to_ask(&mut self, now: Timestamp, day_began: Timestamp, today: NaiveDate) -> Result<Vec<i64>, StoreError> {
        let sql = "select f.id from expected_file e join file_out f on f.id = case when e.kind <> 'statement' then cast(e.subject as bigint) end \
                   join bank b on b.code = f.bank and b.mode = 'live' where e.came_at is null and e.kind = 'result' and f.kind = 'instruction' and f.state in ('sent', 'accepted', 'doubt') \
                   and (e.due_at <= $1 or f.lines_state = 'unknown' \
                   or exists (select 1 from instruction_state s where s.file_out = f.id and s.state = 'unknown' and s.since < $2)) \
                   and not exists (select 1 from enquiry q where q.file_out = f.id and q.asked_on = $3) order by f.id";
        self.rows(sql, args![now, day_began, today]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// How many lines of a file lack a definite word, and what they sum to.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_to_ask(&mut self, file: &FileOut) -> Result<(u64, Fen), StoreError> {
        let sql = format!("select count(*), cast(coalesce(sum(i.amount_fen), 0) as bigint) {OPEN_LINES}");
        let r = self.one(sqlx::AssertSqlSafe(sql), args![file.first_id, file.last_id, file.lines_state.code()]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// A page of those lines, in order, from this instruction on; each with the number that it has in the file.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_lines_from(
        &mut self,
        file: &FileOut,
        from: i64,
        limit: i64,
        short: &str,
    ) -> Result<Vec<(i64, PaymentLine)>, StoreError> {
        let sql = format!(
            "select i.id, i.payee_name, i.payee_id, i.account, i.bank_code, i.amount_fen, i.mobile, i.remark, i.ordinal {OPEN_LINES} and i.id >= $4 order by i.id limit $5"
        );
        let values = args![file.first_id, file.last_id, file.lines_state.code(), from, limit];
        let rows = self.rows(sqlx::AssertSqlSafe(sql), values).await?;
        rows.iter().map(|r| Ok((r.int(0)?, payment_line(r, file, short)?))).collect()
    }

    /// Puts an enquiry on the books. `None`: this file was asked about on this day already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_enquiry(
        &mut self,
        file: &FileOut,
        asked_on: NaiveDate,
        (dir, name, sha256): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "insert into enquiry (bank, file_out, asked_on, dir, name, sha256, state, created_at) values ($1, $2, $3, $4, $5, $6, 'planned', $7) \
                   on conflict (file_out, asked_on) do nothing returning id";
        let row = self.opt(sql, args![&file.bank, file.id, asked_on, dir, name, sha256, now]).await?;
        let Some(id) = row.map(|r| r.int(0)).transpose()? else { return Ok(None) };
        let asked = "update expected_file set enquired_at = $2 where kind = 'result' and bank = $3 and subject = $1 and came_at is null";
        self.exec(asked, args![file.id.to_string(), now, &file.bank]).await?;
        Ok(Some(id))
    }

    /// Whether there is a file of ours of this number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_file(&mut self, id: i64) -> Result<bool, StoreError> {
        Ok(self.opt("select id from file_out where id = $1", args![id]).await?.is_some())
    }

    /// Enquiries of a bank that are not out.
    ///
    /// # Errors
    /// The database refused.
    pub async fn enquiries_open(&mut self, bank: &str) -> Result<Vec<Enquiry>, StoreError> {
        let sql = "select id, bank, file_out, asked_on, dir, name, sha256, state, attempt from enquiry \
                   where bank = $1 and state in ('planned', 'uploading') order by id";
        self.rows(sql, args![bank]).await?.iter().map(enquiry).collect()
    }

    /// `planned → uploading`, under the lease. Says whether it is ours to send.
    ///
    /// # Errors
    /// The database refused.
    pub async fn stamp_enquiry(&mut self, q: &Enquiry, lease: &Lease) -> Result<bool, StoreError> {
        if !self.hold_lease(lease).await? {
            return Ok(false);
        }
        let sql = "update enquiry set state = 'uploading', attempt = attempt + 1 where id = $1 and state = 'planned' and attempt = $2";
        self.exec_one(sql, args![q.id, q.attempt]).await
    }

    /// Moves an enquiry from `uploading` on.
    ///
    /// # Errors
    /// The database refused.
    pub async fn end_enquiry(&mut self, q: &Enquiry, to: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sent_at = (to == "sent").then_some(now);
        let sql = "update enquiry set state = $3, sent_at = $4 where id = $1 and state = $2";
        self.exec_one(sql, args![q.id, &q.state, to, sent_at]).await
    }
}
