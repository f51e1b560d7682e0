//! What people do with rows that are stuck (人工处置): each is a compare-and-set on what the person saw, along the tables of
//! `domain::file`.

use chrono::NaiveDate;

use super::StoreError;
use super::answers::list;
use super::inbound::{FILE_IN, FileIn, file_in};
use super::outbound::FileOut;
use super::sql::Tx;
use crate::args;
use crate::domain::file::{FileInState, FileOutState};
use crate::domain::instruction::InstructionState;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Lines of a file that have a row of their own and whose outcome is open, by where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRows {
    /// Where.
    pub state: InstructionState,
    /// The class of the reason, or empty.
    pub class: String,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
}

/// Rows of their own that a bank still owes a definite word.
const OPEN: &str = "('sent', 'accepted', 'unknown')";

impl Tx {
    /// Lets a file go on from another state; its attempts are counted anew, their names are not used again.
    ///
    /// # Errors
    /// The table has no such way, or the database refused.
    pub async fn reopen_file(
        &mut self,
        file: &FileOut,
        to: FileOutState,
        why: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        file.along(to)?;
        let sql = "update file_out set state = $3, held_reason = '', attempts_from = attempt, ack_due_at = null, result_due_at = null, updated_at = $4 \
                   where id = $1 and state = $2 and fence = $5 and attempt = $6";
        let moved = self.exec_one(sql, args![file.id, file.state.code(), to.code(), now, file.fence, file.attempt]).await?;
        if moved {
            self.event("file_out", file.id, ("reopen", file.state.code(), to.code()), actor, why, now).await?;
        }
        Ok(moved)
    }

    /// Of a file that is taken back no part is left, and, where it says since when, nothing under its final name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forget_parts(&mut self, file: &FileOut, absent_at: Option<Timestamp>, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set part_name = '', flag_part_name = '', absent_at = $5, updated_at = $4 \
                   where id = $1 and state = 'withdrawing' and fence = $2 and attempt = $3";
        self.exec_one(sql, args![file.id, file.fence, file.attempt, now, absent_at]).await
    }

    /// Gives the recurring path of a file that is given up back, or that is refused and never was out. What may still be brought there
    /// keeps it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn give_path_back(&mut self, file: i64, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set path_taken = path_taken || '#' || cast(id as text), updated_at = $2 \
                   where id = $1 and (state in ('voided', 'abandoned') or (state = 'refused' and copies = 0))";
        self.exec_one(sql, args![file, now]).await
    }

    /// The file of an earlier day that was refused and keeps its path: no other day frees it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn keeper_of_path(&mut self, bank: &str, path: &str, day: NaiveDate) -> Result<Option<i64>, StoreError> {
        let sql = "select id from file_out where bank = $1 and path_taken = $2 and state = 'refused' and business_date < $3";
        self.opt(sql, args![bank, path, day]).await?.map(|r| r.int(0)).transpose()
    }

    /// Records, by two persons' word, that one copy alone was executed: its failures may become final.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_one_copy(&mut self, file: &FileOut, why: &str, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set copies = 1, updated_at = $3 where id = $1 and copies = $2 and state = $4";
        let counted = self.exec_one(sql, args![file.id, file.copies, now, file.state.code()]).await?;
        if counted {
            self.event("file_out", file.id, ("one_copy", file.state.code(), file.state.code()), actor, why, now).await?;
        }
        Ok(counted)
    }

    /// The open rows of a file, by where they stand.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_rows(&mut self, file: i64) -> Result<Vec<OpenRows>, StoreError> {
        let sql = format!(
            "select state, class, count(*), cast(sum(amount_fen) as bigint) from instruction_state where file_out = $1 and state in {OPEN} \
             group by state, class order by state, class"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![file]).await?;
        rows.iter()
            .map(|r| {
                Ok(OpenRows {
                    state: r.code(0, InstructionState::from_code, "an instruction's state")?,
                    class: r.string(1)?,
                    count: r.count(2)?,
                    total: r.fen(3)?,
                })
            })
            .collect()
    }

    /// Moves the open rows of a file to one state, with why. Says how many.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_open_rows(
        &mut self,
        file: i64,
        to: InstructionState,
        (reason, class, words): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "update instruction_state set state = $2, reason = $3, class = $4, raw_code = '', raw_text = $5, since = $6 where file_out = $1 and state in {OPEN}"
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file, to.code(), reason, class, words, now]).await
    }

    /// Opens a case for each failure of a file that has none; one that stands open for it is left.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_cases_of_file(
        &mut self,
        file: &FileOut,
        owner: &str,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let evidence = "update failure_case set state = 'closed', closed_at = $2, closed_as = 'evidence' where state = 'open' and kind <> 'failed' \
                        and instruction_id in (select instruction_id from instruction_state where file_out = $1 and state = 'failed')";
        self.exec(evidence, args![file.id, now]).await?;
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, bank, amount_fen, reason, class, detail, owner, \
                   business_date, due_on, opened_at) select 'failed', i.payment_id, i.root_payment_id, i.id, i.batch, $2, $3, i.amount_fen, s.reason, s.class, s.raw_text, \
                   $4, $5, $6, $7 from instruction_state s join instruction i on i.id = s.instruction_id where s.file_out = $1 and s.state = 'failed' \
                   and not exists (select 1 from failure_case c where c.instruction_id = i.id and c.kind = 'failed')";
        self.exec(sql, args![file.id, &file.purse.department, &file.bank, owner, business_date, due_on, now]).await
    }

    /// A bank's file by its key.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_in(&mut self, id: i64) -> Result<Option<FileIn>, StoreError> {
        let sql = format!("{FILE_IN} where id = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![id]).await?.as_ref().map(file_in).transpose()
    }

    /// The members of an answer set in this state.
    ///
    /// # Errors
    /// The database refused.
    pub async fn members_of(&mut self, answer_set: i64, state: FileInState) -> Result<Vec<FileIn>, StoreError> {
        let sql = format!("{FILE_IN} where answer_set = $1 and state = $2 order by id");
        self.rows(sqlx::AssertSqlSafe(sql), args![answer_set, state.code()]).await?.iter().map(file_in).collect()
    }

    /// Registers the same bytes for another reading, by this profile's digest, for our file if the key names one by now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn read_again(
        &mut self,
        file: &FileIn,
        digest: &str,
        file_out: Option<i64>,
        answer_set: Option<i64>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let sql = "insert into file_in (bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, \
                   state, problems, moved, seen_at, updated_at, reading) select bank, profile, $2, kind, role, dir, name, exchange_key, sha256, bytes, archive, $3, $4, \
                   'archived', '', moved, seen_at, $5, (select max(o.reading) + 1 from file_in o where o.bank = file_in.bank and o.profile = file_in.profile \
                   and o.dir = file_in.dir and o.name = file_in.name and o.exchange_key = file_in.exchange_key and o.sha256 = file_in.sha256) \
                   from file_in where id = $1 returning id";
        let id = self.one(sql, args![file.id, digest, file_out, answer_set, now]).await?.int(0)?;
        if answer_set.is_none() {
            self.exec("update file_in set answer_set = id where id = $1", args![id]).await?;
        }
        Ok(id)
    }

    /// Sets lines of a bank's file aside, by a proposal that two persons carried.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_lines_aside(&mut self, file: i64, lines: &[i64], proposal: i64) -> Result<(), StoreError> {
        let rows = lines.iter().map(|line| args![file, *line, proposal]);
        self.bulk("line_aside", &["file_in", "line", "proposal"], Box::new(rows)).await
    }

    /// The lines of a bank's file that are set aside.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_aside(&mut self, file: i64) -> Result<std::collections::BTreeSet<u64>, StoreError> {
        let rows = self.rows("select line from line_aside where file_in = $1 order by line", args![file]).await?;
        rows.iter().map(|r| r.count(0)).collect()
    }

    /// How many lines of a set are set aside.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_aside(&mut self, set: &[i64]) -> Result<u64, StoreError> {
        let sql = format!("select count(*) from line_aside where file_in in ({})", list(set));
        self.one(sqlx::AssertSqlSafe(sql), args![]).await?.count(0)
    }

    /// Changes a bank's mode from the one that was read. Says whether it still was so.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_bank_mode(&mut self, bank: &str, from: &str, to: &str) -> Result<bool, StoreError> {
        self.exec_one("update bank set mode = $3 where code = $1 and mode = $2", args![bank, from, to]).await
    }

    /// Files of a bank that are made and not out, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_ready(&mut self, bank: &str) -> Result<(u64, Fen), StoreError> {
        let sql = "select count(*), cast(coalesce(sum(total_fen), 0) as bigint) from file_out where bank = $1 and state in ('planned', 'sealed', 'uploading')";
        let r = self.one(sql, args![bank]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// An open incident's key and what it says.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incident_open(&mut self, id: i64) -> Result<Option<(String, String)>, StoreError> {
        let row = self.opt("select key, what from incident where id = $1 and state = 'open'", args![id]).await?;
        row.map(|r| Ok((r.string(0)?, r.string(1)?))).transpose()
    }

    /// A mail's state and subject.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mail_standing(&mut self, id: i64) -> Result<Option<(String, String)>, StoreError> {
        let row = self.opt("select state, subject from outbox_mail where id = $1", args![id]).await?;
        row.map(|r| Ok((r.string(0)?, r.string(1)?))).transpose()
    }

    /// Lets a mail that came to nothing be tried once more, or marks it as delivered by other means. Says whether it stood so.
    ///
    /// # Errors
    /// The database refused.
    pub async fn end_mail_doubt(&mut self, id: i64, from: &str, to: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update outbox_mail set state = $3, attempts = case when $3 = 'queued' then 0 else attempts end, next_at = $4, \
                   sent_at = case when $3 = 'sent' then $4 else sent_at end where id = $1 and state = $2 and state in ('bounced', 'doubt')";
        self.exec_one(sql, args![id, from, to, now]).await
    }
}
