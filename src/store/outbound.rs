//! Payment files: planned, sealed, published. Every move is a compare-and-set on what was read.

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::file::FileKind;
use crate::domain::file::{Evidence, FileOutState};
use crate::domain::instruction::InstructionState;
use crate::domain::ledger::Purse;
use crate::domain::money::Fen;
use crate::domain::publishing::{Hold, Seen, Standing};
use crate::domain::time::Timestamp;

/// Admitted rows that wait for a file.
#[derive(Clone, Debug)]
pub struct Tranche {
    /// Its key.
    pub id: i64,
    /// The batch.
    pub batch: String,
    /// The agreement that pays it.
    pub agreement: String,
    /// `first`, `retry` or `reissue`.
    pub kind: String,
    /// The first instruction in no file.
    pub next_id: i64,
    /// The last instruction.
    pub last_id: i64,
    /// The date on which the department wants it paid.
    pub pay_on: NaiveDate,
    /// Not before this date.
    pub not_before: NaiveDate,
    /// Whose money it is.
    pub purse: Purse,
}

/// A file about to be planned.
#[derive(Clone, Debug)]
pub struct NewFile<'a> {
    /// The bank.
    pub bank: &'a str,
    /// The agreement.
    pub agreement: &'a str,
    /// The tranche; 0 where it carries a refund order.
    pub tranche: i64,
    /// The batch; empty where it carries a refund order.
    pub batch: &'a str,
    /// The profile and its digest, pinned.
    pub profile: (&'a str, &'a str),
    /// The date for which the bank shall execute.
    pub business_date: NaiveDate,
    /// Its number on that date.
    pub seq_no: i64,
    /// Directory under the bank's inbox.
    pub dir: &'a str,
    /// File name.
    pub name: &'a str,
    /// The flag's name, or empty.
    pub flag_name: &'a str,
    /// What ties request and results.
    pub key: &'a str,
    /// First and last instruction.
    pub range: (i64, i64),
    /// Their sum.
    pub total: Fen,
}

/// A payment file of ours.
#[derive(Clone, Debug)]
pub struct FileOut {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The agreement.
    pub agreement: String,
    /// What it carries.
    pub kind: FileKind,
    /// The tranche; 0 where it carries a refund order.
    pub tranche: i64,
    /// The batch; empty where it carries a refund order.
    pub batch: String,
    /// The profile.
    pub profile: String,
    /// The digest of the profile that it was planned with.
    pub profile_digest: String,
    /// The date for which the bank shall execute.
    pub business_date: NaiveDate,
    /// Its number on that date.
    pub seq_no: i64,
    /// Directory under the bank's inbox.
    pub dir: String,
    /// File name.
    pub name: String,
    /// The flag's name, or empty.
    pub flag_name: String,
    /// What ties request and results.
    pub key: String,
    /// First instruction.
    pub first_id: i64,
    /// Last instruction.
    pub last_id: i64,
    /// How many lines.
    pub rows: i64,
    /// Their sum.
    pub total: Fen,
    /// Where it stands.
    pub state: FileOutState,
    /// Where its lines stand that have no row of their own.
    pub lines_state: InstructionState,
    /// The fence of its last upload.
    pub fence: i64,
    /// How often an upload was begun; once publishing, also how often its outcome was looked for in vain.
    pub attempt: i64,
    /// The part that may be renamed.
    pub part_name: String,
    /// The flag's part that may be renamed.
    pub flag_part_name: String,
    /// What its bytes hash to.
    pub sha256: String,
    /// How many bytes.
    pub bytes: i64,
    /// How we know that it is out.
    pub evidence: String,
    /// How many copies may have gone out.
    pub copies: i64,
    /// How many attempts were made before a person let it go on.
    pub attempts_from: i64,
    /// Since when nothing of it is at the bank's folder, and nothing of ours that could bring it there.
    pub absent_at: Option<Timestamp>,
    /// Whose money it moves.
    pub purse: Purse,
}

/// What a file's head says of its batch.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// The batch's number, or the refund order's.
    pub number: String,
    /// Department's name.
    pub department: String,
    /// Project's name.
    pub project: String,
    /// Project's short name.
    pub project_short: String,
    /// The subsidy's period.
    pub period: String,
    /// When the file was planned.
    pub created_at: Timestamp,
}

const FILE_COLUMNS: &str = "f.id, f.bank, f.agreement, f.tranche, f.batch, f.profile, f.profile_digest, f.business_date, f.seq_no, f.dir, f.name, \
     f.flag_name, f.exchange_key, f.first_id, f.last_id, f.rows, f.total_fen, f.state, f.lines_state, f.fence, f.attempt, f.part_name, \
     f.flag_part_name, f.sha256, f.bytes, f.evidence, f.copies, coalesce(r.department, b.department), coalesce(r.project, b.project), \
     coalesce(r.year, a.year), f.kind, f.attempts_from, f.absent_at";
const FILE_FROM: &str = "from file_out f left join batch b on b.number = f.batch left join admission a on a.batch = f.batch \
     left join refund_order r on f.kind = 'refund' and r.id = f.first_id";

fn file_out(r: &Row) -> Result<FileOut, StoreError> {
    let bank = r.string(1)?;
    Ok(FileOut {
        id: r.int(0)?,
        agreement: r.string(2)?,
        kind: r.code(30, FileKind::from_code, "a kind of file")?,
        tranche: r.opt_int(3)?.unwrap_or_default(),
        batch: r.string(4)?,
        profile: r.string(5)?,
        profile_digest: r.string(6)?,
        business_date: r.date(7)?,
        seq_no: r.int(8)?,
        dir: r.string(9)?,
        name: r.string(10)?,
        flag_name: r.string(11)?,
        key: r.string(12)?,
        first_id: r.int(13)?,
        last_id: r.int(14)?,
        rows: r.int(15)?,
        total: r.fen(16)?,
        state: r.code(17, FileOutState::from_code, "a file's state")?,
        lines_state: r.code(18, InstructionState::from_code, "an instruction's state")?,
        fence: r.int(19)?,
        attempt: r.int(20)?,
        part_name: r.string(21)?,
        flag_part_name: r.string(22)?,
        sha256: r.string(23)?,
        bytes: r.int(24)?,
        evidence: r.string(25)?,
        copies: r.int(26)?,
        attempts_from: r.int(31)?,
        absent_at: r.opt_int(32)?.map(Timestamp::from_millis),
        purse: Purse { department: r.string(27)?, project: r.string(28)?, year: year(r, 29)?, bank: bank.clone() },
        bank,
    })
}

fn year(r: &Row, column: usize) -> Result<i32, StoreError> {
    i32::try_from(r.int(column)?).map_err(|_| StoreError::column(column, "a year"))
}

impl FileOut {
    /// The row as far as publishing goes.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            fence: self.fence,
            attempt: self.attempt,
            part: self.part_name.clone(),
            flag_part: self.flag_part_name.clone(),
            copies: self.copies,
        }
    }

    fn seen(&self) -> Seen {
        Seen { state: self.state, fence: self.fence, attempt: self.attempt }
    }

    /// The path under the bank's inbox.
    #[must_use]
    pub fn path(&self) -> String {
        if self.dir.is_empty() { self.name.clone() } else { format!("{}/{}", self.dir, self.name) }
    }

    /// Whether the table has a way to this state.
    pub(super) fn along(&self, to: FileOutState) -> Result<(), StoreError> {
        if self.state.may_become(to) {
            return Ok(());
        }
        Err(StoreError::Broken(format!("file {} is {} and has no way to {}", self.id, self.state.code(), to.code())))
    }

    /// Attempts since a person last let it go on.
    #[must_use]
    pub const fn tries(&self) -> i64 {
        self.attempt - self.attempts_from
    }

    /// Whether a bank may have seen it: by its state, or because a copy went out before.
    #[must_use]
    pub const fn may_be_out(&self) -> bool {
        match self.state {
            FileOutState::Voided | FileOutState::Abandoned => false,
            FileOutState::Planned
            | FileOutState::Sealed
            | FileOutState::Uploading
            | FileOutState::Publishing
            | FileOutState::Sent
            | FileOutState::Accepted
            | FileOutState::Answered
            | FileOutState::Refused
            | FileOutState::Held
            | FileOutState::Doubt
            | FileOutState::Withdrawing => self.copies > 0 || self.state.may_be_out(),
        }
    }
}

impl Tx {
    /// Tranches of a bank with rows that wait for a file and may have one today.
    ///
    /// # Errors
    /// The database refused.
    pub async fn tranches_due(&mut self, bank: &str, today: NaiveDate) -> Result<Vec<Tranche>, StoreError> {
        let sql = "select t.id, t.batch, t.agreement, t.kind, t.next_id, t.last_id, b.pay_on, t.not_before, b.department, b.project, a.year \
                   from tranche t join batch b on b.number = t.batch join admission a on a.batch = t.batch \
                   where t.bank = $1 and t.next_id <= t.last_id and t.not_before <= $2 order by t.id";
        let rows = self.rows(sql, args![bank, today]).await?;
        rows.iter()
            .map(|r| {
                Ok(Tranche {
                    id: r.int(0)?,
                    batch: r.string(1)?,
                    agreement: r.string(2)?,
                    kind: r.string(3)?,
                    next_id: r.int(4)?,
                    last_id: r.int(5)?,
                    pay_on: r.date(6)?,
                    not_before: r.date(7)?,
                    purse: Purse { department: r.string(8)?, project: r.string(9)?, year: year(r, 10)?, bank: bank.to_owned() },
                })
            })
            .collect()
    }

    /// How many instructions stand in a range, and their sum, counted from the rows themselves.
    ///
    /// # Errors
    /// The database refused.
    pub async fn range_total(&mut self, range: (i64, i64)) -> Result<(i64, Fen), StoreError> {
        // What is live is added up, not asked for: asked for, PostgreSQL without statistics reads the index of all claims for each file.
        let sql = "select cast(coalesce(sum(live), 0) as bigint), cast(coalesce(sum(live * amount_fen), 0) as bigint) from instruction \
                   where id >= $1 and id <= $2";
        let row = self.one(sql, args![range.0, range.1]).await?;
        Ok((row.int(0)?, row.fen(1)?))
    }

    /// Puts a file on the books, `planned`. A path that is taken is a unique violation.
    ///
    /// # Errors
    /// The path is taken, or the database refused.
    pub async fn insert_file(&mut self, f: &NewFile<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let path = if f.dir.is_empty() { f.name.to_owned() } else { format!("{}/{}", f.dir, f.name) };
        let sql = "insert into file_out (bank, agreement, tranche, batch, profile, profile_digest, business_date, seq_no, dir, name, flag_name, path_taken, \
                   exchange_key, first_id, last_id, rows, total_fen, state, lines_state, created_at, updated_at, kind) \
                   values ($1, $2, nullif($3, 0), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'planned', 'planned', $18, $18, \
                   case when $3 = 0 then 'refund' else 'instruction' end) returning id";
        self.one(
            sql,
            args![
                f.bank,
                f.agreement,
                f.tranche,
                f.batch,
                f.profile.0,
                f.profile.1,
                f.business_date,
                f.seq_no,
                f.dir,
                f.name,
                f.flag_name,
                path,
                f.key,
                f.range.0,
                f.range.1,
                f.range.1 - f.range.0 + 1,
                f.total,
                now
            ],
        )
        .await?
        .int(0)
    }

    /// Moves a tranche on behind the rows that a file took.
    ///
    /// # Errors
    /// The database refused.
    pub async fn advance_tranche(&mut self, tranche: i64, from: i64, to: i64, taken: Fen) -> Result<bool, StoreError> {
        let sql = "update tranche set next_id = $3, open_fen = open_fen - $4 where id = $1 and next_id = $2";
        self.exec_one(sql, args![tranche, from, to, taken]).await
    }

    /// The tranche in which an instruction stands.
    ///
    /// # Errors
    /// There is none, or the database refused.
    pub async fn tranche_of(&mut self, instruction: i64) -> Result<Tranche, StoreError> {
        let sql = "select t.id, t.batch, t.agreement, t.kind, t.next_id, t.last_id, b.pay_on, t.not_before, b.department, b.project, a.year, t.bank \
                   from tranche t join batch b on b.number = t.batch join admission a on a.batch = t.batch \
                   where t.first_id = (select max(first_id) from tranche where first_id <= $1) and t.last_id >= $1";
        let r = self.one(sql, args![instruction]).await?;
        let purse = Purse { department: r.string(8)?, project: r.string(9)?, year: year(&r, 10)?, bank: r.string(11)? };
        Ok(Tranche {
            id: r.int(0)?,
            batch: r.string(1)?,
            agreement: r.string(2)?,
            kind: r.string(3)?,
            next_id: r.int(4)?,
            last_id: r.int(5)?,
            pay_on: r.date(6)?,
            not_before: r.date(7)?,
            purse,
        })
    }

    /// The file in which an instruction stands, if one is not given up.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_of(&mut self, instruction: i64) -> Result<Option<FileOut>, StoreError> {
        let sql = format!(
            "select {FILE_COLUMNS} {FILE_FROM} where f.first_id <= $1 and f.last_id >= $1 and f.state not in ('voided', 'abandoned') order by f.first_id desc limit 1"
        );
        self.opt(sqlx::AssertSqlSafe(sql), args![instruction]).await?.as_ref().map(file_out).transpose()
    }

    /// Locks a file's row until the transaction ends, so that what is read of it afterwards stays so.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_file(&mut self, file: i64, now: Timestamp) -> Result<(), StoreError> {
        self.exec("update file_out set updated_at = $2 where id = $1", args![file, now]).await.map(|_| ())
    }

    /// Locks a tranche's row until the transaction ends: nothing of it is planned meanwhile.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_tranche(&mut self, tranche: i64) -> Result<(), StoreError> {
        self.exec("update tranche set next_id = next_id where id = $1", args![tranche]).await.map(|_| ())
    }

    /// Files of a bank in these states, oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_in(&mut self, bank: &str, states: &[FileOutState]) -> Result<Vec<FileOut>, StoreError> {
        let marks: Vec<String> = states.iter().map(|s| format!("'{}'", s.code())).collect();
        let sql = format!("select {FILE_COLUMNS} {FILE_FROM} where f.bank = $1 and f.state in ({}) order by f.id", marks.join(", "));
        self.rows(sqlx::AssertSqlSafe(sql), args![bank]).await?.iter().map(file_out).collect()
    }

    /// Files whose last upload was begun under one of the fences from `from` to before `before`, and which may have left parts
    /// behind: more than one attempt, or one that came to nothing.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_with_condemned_parts(&mut self, bank: &str, from: i64, before: i64) -> Result<Vec<FileOut>, StoreError> {
        let sql = format!(
            "select {FILE_COLUMNS} {FILE_FROM} where f.bank = $1 and f.fence >= $2 and f.fence < $3 and (f.attempt > 1 or (f.attempt = 1 and f.part_name = '')) \
             order by f.id"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![bank, from, before]).await?.iter().map(file_out).collect()
    }

    /// A file by its key.
    ///
    /// # Errors
    /// There is none, or the database refused.
    pub async fn file(&mut self, id: i64) -> Result<FileOut, StoreError> {
        let sql = format!("select {FILE_COLUMNS} {FILE_FROM} where f.id = $1");
        file_out(&self.one(sqlx::AssertSqlSafe(sql), args![id]).await?)
    }

    /// A file by its key, if there is one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_if_any(&mut self, id: i64) -> Result<Option<FileOut>, StoreError> {
        let sql = format!("select {FILE_COLUMNS} {FILE_FROM} where f.id = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![id]).await?.as_ref().map(file_out).transpose()
    }

    /// The newest file that a bank's key names, if any.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_by_key(&mut self, bank: &str, profile: &str, key: &str) -> Result<Option<FileOut>, StoreError> {
        let sql = format!(
            "select {FILE_COLUMNS} {FILE_FROM} where f.bank = $1 and f.profile = $2 and f.exchange_key = $3 and f.state not in ('voided', 'abandoned') order by f.id desc limit 1"
        );
        self.opt(sqlx::AssertSqlSafe(sql), args![bank, profile, key]).await?.as_ref().map(file_out).transpose()
    }

    /// What a file's head says of its batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_facts(&mut self, id: i64) -> Result<FileFacts, StoreError> {
        let sql = "select d.name, p.name, p.short_name, coalesce(b.period, cast(r.year as text)), f.created_at, coalesce(r.number, f.batch) from file_out f \
                   left join batch b on b.number = f.batch left join refund_order r on f.kind = 'refund' and r.id = f.first_id \
                   join department d on d.code = coalesce(r.department, b.department) join project p on p.code = coalesce(r.project, b.project) where f.id = $1";
        let r = self.one(sql, args![id]).await?;
        Ok(FileFacts {
            number: r.string(5)?,
            department: r.string(0)?,
            project: r.string(1)?,
            project_short: r.string(2)?,
            period: r.string(3)?,
            created_at: Timestamp::from_millis(r.int(4)?),
        })
    }

    /// `planned → sealed`: the hash is written once and never changed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn seal_file(&mut self, id: i64, sha256: &str, bytes: u64, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set state = 'sealed', sha256 = $2, bytes = $3, updated_at = $4 where id = $1 and state = 'planned'";
        self.exec_one(sql, args![id, sha256, bytes, now]).await
    }

    /// A file's row as it stands now, locked until the transaction ends.
    async fn file_standing(&mut self, file: i64, now: Timestamp) -> Result<Standing, StoreError> {
        let sql = "update file_out set updated_at = $2 where id = $1 returning state, fence, attempt, part_name, flag_part_name, copies";
        let r = self.one(sql, args![file, now]).await?;
        Ok(Standing {
            state: r.code(0, FileOutState::from_code, "a file's state")?,
            fence: r.int(1)?,
            attempt: r.int(2)?,
            part: r.string(3)?,
            flag_part: r.string(4)?,
            copies: r.int(5)?,
        })
    }

    /// Writes the next standing of a row, if it still has the one from which that was decided.
    async fn put_standing(&mut self, file: i64, from: &Standing, to: &Standing) -> Result<bool, StoreError> {
        let sql = "update file_out set state = $2, fence = $3, attempt = $4, part_name = $5, flag_part_name = $6, copies = $7 \
                   where id = $1 and state = $8 and fence = $9 and attempt = $10";
        let new = args![file, to.state.code(), to.fence, to.attempt, &to.part, &to.flag_part, to.copies];
        let old = args![from.state.code(), from.fence, from.attempt];
        self.exec_one(sql, new.into_iter().chain(old).collect()).await
    }

    /// `sealed | uploading → uploading`, stamped with this fence and the next attempt. Says the attempt.
    ///
    /// # Errors
    /// The database refused.
    pub async fn stamp_file(&mut self, file: &FileOut, lease: &Lease, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let hold = Hold { fence: lease.fence, is_held: self.hold_lease(lease).await? };
        let row = self.file_standing(file.id, now).await?;
        let Some(next) = row.stamped(hold, file.attempt) else { return Ok(None) };
        if !self.put_standing(file.id, &row, &next).await? {
            return Ok(None);
        }
        let detail = format!("fence {} attempt {}", lease.fence, next.attempt);
        self.event("file_out", file.id, ("stamp", row.state.code(), next.state.code()), &lease.holder, &detail, now).await?;
        Ok(Some(next.attempt))
    }

    /// `uploading → publishing`, with the exact parts that may be renamed from now on. Refused to whoever lost the lease.
    ///
    /// # Errors
    /// The database refused.
    pub async fn intend(
        &mut self,
        file: &FileOut,
        lease: &Lease,
        attempt: i64,
        parts: (&str, &str),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The lease's row is locked, not only looked at: else another could take it over, read this row as it was, and sweep the
        // parts away that this intent names.
        let hold = Hold { fence: lease.fence, is_held: self.hold_lease(lease).await? };
        let row = self.file_standing(file.id, now).await?;
        let Some(next) = row.intended(hold, attempt, parts) else { return Ok(false) };
        let intended = self.put_standing(file.id, &row, &next).await?;
        if intended {
            let detail = [parts.0, parts.1].join(" ");
            self.event("file_out", file.id, ("intend", row.state.code(), next.state.code()), &lease.holder, detail.trim_end(), now).await?;
        }
        Ok(intended)
    }

    /// Counts a look at a publication that could not be resolved.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_look(&mut self, file: &FileOut, now: Timestamp) -> Result<bool, StoreError> {
        let row = self.file_standing(file.id, now).await?;
        let Some(next) = row.looked(file.attempt) else { return Ok(false) };
        self.put_standing(file.id, &row, &next).await
    }

    /// Moves a file from the state that was read to another, with a word why.
    ///
    /// # Errors
    /// The table has no such way, or the database refused.
    pub async fn move_file(
        &mut self,
        file: &FileOut,
        to: FileOutState,
        why: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        file.along(to)?;
        let row = self.file_standing(file.id, now).await?;
        let Some(next) = row.moved(file.seen(), to) else { return Ok(false) };
        if !self.put_standing(file.id, &row, &next).await? {
            return Ok(false);
        }
        self.exec("update file_out set held_reason = $2 where id = $1", args![file.id, why]).await?;
        self.event("file_out", file.id, ("move", file.state.code(), to.code()), actor, why, now).await?;
        Ok(true)
    }

    /// Records a file as out, with how we know and when the bank's words are due.
    ///
    /// # Errors
    /// The database refused.
    pub async fn record_sent(&mut self, file: &FileOut, sent: &SentRecord, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        file.along(FileOutState::Sent)?;
        let row = self.file_standing(file.id, now).await?;
        let Some(next) = row.sent(file.state) else { return Ok(false) };
        let sql = "update file_out set state = $9, lines_state = $4, evidence = $5, sent_at = $6, ack_due_at = $7, result_due_at = $8, held_reason = '', \
                   updated_at = $6 where id = $1 and state = $2 and lines_state = $3";
        let moved = self
            .exec_one(
                sql,
                args![
                    file.id,
                    file.state.code(),
                    file.lines_state.code(),
                    sent.lines_state.code(),
                    sent.evidence.code(),
                    now,
                    sent.ack_due_at,
                    sent.result_due_at,
                    next.state.code()
                ],
            )
            .await?;
        if moved && file.kind == FileKind::Refund {
            self.refund_sent(file.first_id, now).await?;
        }
        if moved {
            self.event("file_out", file.id, ("sent", file.state.code(), "sent"), actor, sent.evidence.code(), now).await?;
            self.expect_answers(file.id).await?;
        }
        Ok(moved)
    }

    /// Appends to the history.
    ///
    /// # Errors
    /// The database refused.
    pub async fn event(
        &mut self,
        subject: &str,
        id: i64,
        (what, from, to): (&str, &str, &str),
        actor: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into event (at, subject, subject_id, what, from_state, to_state, actor, detail) values ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.exec(sql, args![now, subject, id, what, from, to, actor, detail]).await.map(|_| ())
    }
}

/// What is recorded of a file that is out.
#[derive(Clone, Copy, Debug)]
pub struct SentRecord {
    /// Where its lines stand now.
    pub lines_state: InstructionState,
    /// How we know.
    pub evidence: Evidence,
    /// When the bank's ack is due, where it gives one.
    pub ack_due_at: Option<Timestamp>,
    /// When its result is due.
    pub result_due_at: Option<Timestamp>,
}

/// The right to touch a bank's edge, until it expires by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The bank.
    pub bank: String,
    /// The process.
    pub holder: String,
    /// Higher with each new holder.
    pub fence: i64,
}

/// A bank and its mode.
#[derive(Clone, Debug)]
pub struct BankRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `live`, `shadow` or `paused`.
    pub mode: String,
    /// Its operators' mail addresses.
    pub contacts: String,
    /// Its clearing number (行号).
    pub clearing_no: String,
}
