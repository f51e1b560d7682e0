//! Files of the banks: seen, kept, read into lines, proven, applied. The heavy statements here move a million lines at
//! once, by the same transition table as one.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx, Value};
use super::statements::PayerAccount;
use crate::args;
use crate::domain::exchange::{InboundKind, Side, StatementEntry, StatementHead};
use crate::domain::file::FileInState;
use crate::domain::instruction::InstructionState;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::statement::{EntriesSum, EntryFacts};
use crate::domain::time::Timestamp;

/// A bank's file about to be registered.
#[derive(Clone, Debug)]
pub struct NewFileIn<'a> {
    /// The bank.
    pub bank: &'a str,
    /// The profile and its digest.
    pub profile: (&'a str, &'a str),
    /// Ack, result …
    pub kind: InboundKind,
    /// Its role in the answer set.
    pub role: &'a str,
    /// Directory under the outbox.
    pub dir: &'a str,
    /// File name.
    pub name: &'a str,
    /// What ties it to our file.
    pub key: &'a str,
    /// What its bytes hash to.
    pub sha256: &'a str,
    /// How many bytes.
    pub bytes: u64,
    /// Where they are kept.
    pub archive: &'a str,
    /// Our file, if its key names one.
    pub file_out: Option<i64>,
    /// How it enters.
    pub state: FileInState,
    /// Why, where it does not enter as `archived`.
    pub problems: &'a str,
}

/// A bank's file.
#[derive(Clone, Debug)]
pub struct FileIn {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The profile.
    pub profile: String,
    /// Ack, result …
    pub kind: InboundKind,
    /// Its role in the answer set.
    pub role: String,
    /// Directory under the outbox.
    pub dir: String,
    /// File name.
    pub name: String,
    /// What ties it to our file.
    pub key: String,
    /// What its bytes hash to.
    pub sha256: String,
    /// How many bytes.
    pub bytes: i64,
    /// Where they are kept.
    pub archive: String,
    /// Our file, if its key names one.
    pub file_out: Option<i64>,
    /// The set it belongs to.
    pub answer_set: i64,
    /// Where it stands.
    pub state: FileInState,
}

/// A line that says something else than what we sent.
#[derive(Clone, Debug)]
pub struct EchoRow {
    /// The file and line.
    pub at: (i64, i64),
    /// The instruction.
    pub instruction_id: i64,
    /// What we sent: name, identity number, account, amount.
    pub ours: (Name, IdNumber, Account, Fen),
    /// What they echo: name, identity number, account, amount instructed, amount paid.
    pub theirs: (Name, IdNumber, Account, Option<Fen>, Option<Fen>),
    /// Their outcome.
    pub outcome: String,
}

/// Lines of an answer set that share a fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where they stand.
    pub state: InstructionState,
    /// The class of the reason that put them there, or empty.
    pub class: String,
    /// The event's code.
    pub event: String,
    /// Where the table sends them; `None` where it has no cell.
    pub next: Option<InstructionState>,
    /// The class that the answer gives, or empty.
    pub next_class: String,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
}

/// What a set looks like as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetShape {
    /// Lines.
    pub lines: u64,
    /// Lines tied to no instruction of the file.
    pub unbound: u64,
    /// Different instructions among them.
    pub distinct: u64,
}

pub(super) const FILE_IN: &str =
    "select id, bank, profile, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, state from file_in";

pub(super) fn file_in(r: &Row) -> Result<FileIn, StoreError> {
    Ok(FileIn {
        id: r.int(0)?,
        bank: r.string(1)?,
        profile: r.string(2)?,
        kind: r.code(3, InboundKind::from_code, "a kind of file")?,
        role: r.string(4)?,
        dir: r.string(5)?,
        name: r.string(6)?,
        key: r.string(7)?,
        sha256: r.string(8)?,
        bytes: r.int(9)?,
        archive: r.string(10)?,
        file_out: r.opt_int(11)?,
        answer_set: r.int(12)?,
        state: r.code(13, FileInState::from_code, "a file's state")?,
    })
}

fn along(from: FileInState, to: FileInState) -> Result<(), StoreError> {
    if from.may_become(to) {
        return Ok(());
    }
    Err(StoreError::Broken(format!("a bank's file that is {} has no way to {}", from.code(), to.code())))
}

impl FileIn {
    /// The path under the bank's outbox.
    #[must_use]
    pub fn path(&self) -> String {
        if self.dir.is_empty() { self.name.clone() } else { format!("{}/{}", self.dir, self.name) }
    }
}

impl Tx {
    /// Dates for which a bank's answers may still come.
    ///
    /// # Errors
    /// The database refused.
    pub async fn dates_open(&mut self, bank: &str) -> Result<Vec<NaiveDate>, StoreError> {
        let sql =
            "select distinct business_date from file_out where bank = $1 and state not in ('answered', 'refused', 'voided', 'abandoned')";
        self.rows(sql, args![bank]).await?.iter().map(|r| r.date(0)).collect()
    }

    /// Dates of files that were answered since then, or refused or given up, these if they are not older than that day. No index
    /// knows when that was; what happened to their rows later is no earlier.
    ///
    /// # Errors
    /// The database refused.
    pub async fn dates_ended(&mut self, bank: &str, since: Timestamp, from: NaiveDate) -> Result<Vec<NaiveDate>, StoreError> {
        let sql = "select business_date from file_out where bank = $1 and state = 'answered' and answered_at >= $2 \
                   union select business_date from file_out where bank = $1 and business_date >= $3 \
                   and state in ('refused', 'voided', 'abandoned') and updated_at >= $2";
        self.rows(sql, args![bank, since, from]).await?.iter().map(|r| r.date(0)).collect()
    }

    /// Business dates of a profile's files that were answered and to which a return may still come.
    ///
    /// # Errors
    /// The database refused.
    pub async fn dates_answered(&mut self, bank: &str, profile: &str, since: Timestamp) -> Result<Vec<NaiveDate>, StoreError> {
        let sql = "select distinct business_date from file_out where bank = $1 and profile = $2 and state = 'answered' and answered_at >= $3 order by 1";
        self.rows(sql, args![bank, profile, since]).await?.iter().map(|r| r.date(0)).collect()
    }

    /// What an earlier listing showed under this path: bytes, time, when, and the file that was made of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sighting(&mut self, bank: &str, path: &str) -> Result<Option<(i64, i64, Timestamp, Option<i64>)>, StoreError> {
        let row =
            self.opt("select bytes, modified_s, seen_at, file_in from sighting where bank = $1 and path = $2", args![bank, path]).await?;
        row.map(|r| Ok((r.int(0)?, r.int(1)?, Timestamp::from_millis(r.int(2)?), r.opt_int(3)?))).transpose()
    }

    /// Of these paths those of which a listing showed the file that was taken: its size and time.
    ///
    /// # Errors
    /// The database refused.
    pub async fn taken_as(&mut self, bank: &str, paths: &[String]) -> Result<BTreeMap<String, (i64, i64)>, StoreError> {
        let mut found = BTreeMap::new();
        for some in paths.chunks(500) {
            let marks: Vec<String> = (2..some.len() + 2).map(|n| format!("${n}")).collect();
            let sql = format!(
                "select path, bytes, modified_s from sighting where bank = $1 and file_in is not null and path in ({})",
                marks.join(",")
            );
            let values = std::iter::once(Value::from(bank)).chain(some.iter().map(Value::from)).collect();
            for r in self.rows(sqlx::AssertSqlSafe(sql), values).await? {
                found.insert(r.string(0)?, (r.int(1)?, r.int(2)?));
            }
        }
        Ok(found)
    }

    /// Remembers what a listing shows.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sight(
        &mut self,
        bank: &str,
        path: &str,
        (bytes, modified_s): (u64, i64),
        file_in: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into sighting (bank, path, bytes, modified_s, seen_at, file_in) values ($1, $2, $3, $4, $5, $6) on conflict (bank, path) do update set \
                   bytes = excluded.bytes, modified_s = excluded.modified_s, seen_at = excluded.seen_at, file_in = excluded.file_in";
        self.exec(sql, args![bank, path, bytes, modified_s, now, file_in]).await.map(|_| ())
    }

    /// Forgets what was seen under a path: whatever stands there next is new.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forget_sighting(&mut self, bank: &str, path: &str) -> Result<(), StoreError> {
        self.exec("update sighting set bytes = -1, file_in = null where bank = $1 and path = $2", args![bank, path]).await.map(|_| ())
    }

    /// Files registered for a key, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_of_key(&mut self, bank: &str, kind: InboundKind, key: &str, role: &str) -> Result<Vec<FileIn>, StoreError> {
        let sql = format!("{FILE_IN} where bank = $1 and kind = $2 and exchange_key = $3 and role = $4 order by id desc");
        self.rows(sqlx::AssertSqlSafe(sql), args![bank, kind.code(), key, role]).await?.iter().map(file_in).collect()
    }

    /// Registers a bank's file. A set of `None` begins a new one. `None` when the very same file is registered already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_file_in(&mut self, f: &NewFileIn<'_>, answer_set: Option<i64>, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let sql = "insert into file_in (bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, \
                   state, problems, seen_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16) \
                   on conflict (bank, profile, dir, name, exchange_key, sha256, reading) do nothing returning id";
        let values = args![
            f.bank,
            f.profile.0,
            f.profile.1,
            f.kind.code(),
            f.role,
            f.dir,
            f.name,
            f.key,
            f.sha256,
            f.bytes,
            f.archive,
            f.file_out,
            answer_set,
            f.state.code(),
            f.problems,
            now
        ];
        let Some(row) = self.opt(sql, values).await? else { return Ok(None) };
        let id = row.int(0)?;
        if answer_set.is_none() {
            self.exec("update file_in set answer_set = id where id = $1", args![id]).await?;
        }
        Ok(Some(id))
    }

    /// The key of a file that is registered already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_in_id(&mut self, f: &NewFileIn<'_>) -> Result<Option<i64>, StoreError> {
        let sql = "select id from file_in where bank = $1 and profile = $2 and dir = $3 and name = $4 and exchange_key = $5 and sha256 = $6 order by reading desc limit 1";
        self.opt(sql, args![f.bank, f.profile.0, f.dir, f.name, f.key, f.sha256]).await?.map(|r| r.int(0)).transpose()
    }

    /// Moves a registered file from the state that was read to another.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_file_in(
        &mut self,
        id: i64,
        from: FileInState,
        to: FileInState,
        problems: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        along(from, to)?;
        let sql = "update file_in set state = $3, problems = $4, updated_at = $5 where id = $1 and state = $2";
        self.exec_one(sql, args![id, from.code(), to.code(), problems, now]).await
    }

    /// Puts files that were never applied into another set, to be read again with it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rejoin_set(&mut self, files: &[i64], answer_set: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "update file_in set answer_set = $2, state = 'archived', problems = '', updated_at = $3 \
                   where id = $1 and state in ('archived', 'staged', 'quarantined')";
        for file in files {
            self.exec(sql, args![*file, answer_set, now]).await?;
        }
        Ok(())
    }

    /// Whether a file's lines were written before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn has_answers(&mut self, file: i64) -> Result<bool, StoreError> {
        // The least line, not any: for any one PostgreSQL reads the whole table where it has no statistics of it yet.
        Ok(self.one("select min(line) from answer_line where file_in = $1", args![file]).await?.opt_int(0)?.is_some())
    }

    /// Sets in this state, as their members: the oldest set first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sets_in(&mut self, state: FileInState, limit: i64) -> Result<Vec<Vec<FileIn>>, StoreError> {
        let sql = format!(
            "{FILE_IN} where answer_set in (select distinct answer_set from file_in where state = $1 order by answer_set limit $2) and state = $1 order by answer_set, id"
        );
        let files =
            self.rows(sqlx::AssertSqlSafe(sql), args![state.code(), limit]).await?.iter().map(file_in).collect::<Result<Vec<_>, _>>()?;
        let mut sets: Vec<Vec<FileIn>> = Vec::new();
        for file in files {
            match sets.last_mut() {
                Some(set) if set.first().is_some_and(|f| f.answer_set == file.answer_set) => set.push(file),
                Some(_) | None => sets.push(vec![file]),
            }
        }
        Ok(sets)
    }

    /// Moves every member of a set; a compare-and-set on all of them at once.
    ///
    /// # Errors
    /// Not every member stood where it was read: somebody was faster, or the database refused.
    pub async fn move_set(
        &mut self,
        set: &[FileIn],
        to: FileInState,
        problems: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(first) = set.first() else { return Ok(false) };
        along(first.state, to)?;
        let sql = "update file_in set state = $3, problems = $4, updated_at = $5 where answer_set = $1 and state = $2";
        let moved = self.exec(sql, args![first.answer_set, first.state.code(), to.code(), problems, now]).await?;
        if usize::try_from(moved) != Ok(set.len()) {
            return Ok(false);
        }
        self.event("file_in", first.answer_set, ("move", first.state.code(), to.code()), actor, problems, now).await?;
        Ok(true)
    }

    /// Whether a set contradicted another of its key before it was moved on from there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn was_in_conflict(&mut self, answer_set: i64) -> Result<bool, StoreError> {
        let sql = "select 1 from event where subject = 'file_in' and subject_id = $1 and from_state = $2 limit 1";
        Ok(self.opt(sql, args![answer_set, FileInState::Conflict.code()]).await?.is_some())
    }

    /// Records a file as answered in every line, and gives a recurring path back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn record_answered(&mut self, file: i64, gives_path_back: bool, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set state = 'answered', answered_at = $2, updated_at = $2, \
                   path_taken = case when $3 = 1 then path_taken || '#' || cast(id as text) else path_taken end \
                   where id = $1 and state in ('sent', 'accepted', 'doubt')";
        self.exec_one(sql, args![file, now, gives_path_back]).await
    }

    /// Opens a statement of so many entries of these days. Gives its number and why it does not count, or an empty text: days that
    /// another statement covers are not counted twice, and which of two that differ is right is not ours to say. The account is held
    /// until this transaction ends.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_statement(
        &mut self,
        file: &FileIn,
        head: &StatementHead,
        dates: (NaiveDate, NaiveDate),
        entries: &EntriesSum,
    ) -> Result<(i64, String), StoreError> {
        let problems = self.statement_problems(&file.bank, head, dates, entries).await?;
        let id = self.write_statement(file, head, dates, entries.count, &problems).await?;
        Ok((id, problems))
    }

    async fn write_statement(
        &mut self,
        file: &FileIn,
        head: &StatementHead,
        dates: (NaiveDate, NaiveDate),
        entries: u64,
        problems: &str,
    ) -> Result<i64, StoreError> {
        let sql = "insert into statement (bank, account, from_date, to_date, opening_fen, closing_fen, entries, file_in, problems) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id";
        let values = args![&file.bank, &head.account, dates.0, dates.1, head.opening, head.closing, entries, file.id, problems];
        let id = self.one(sql, values).await?.int(0)?;
        if problems.is_empty() {
            self.exec("insert into reconciled (kind, subject, unseen) values ('statement', $1, 1)", args![id]).await?;
        }
        Ok(id)
    }

    /// Writes entries of a statement.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_entries(&mut self, statement: i64, entries: &[StatementEntry]) -> Result<(), StoreError> {
        const COLUMNS: &[&str] =
            &["statement", "line", "on_date", "side", "amount_fen", "reference", "bank_ref", "counter_account", "counter_name", "words"];
        let rows = entries.iter().map(move |e| {
            args![
                statement,
                e.line,
                e.date,
                e.side.code(),
                e.amount,
                e.reference.clone().unwrap_or_default(),
                e.bank_ref.clone().unwrap_or_default(),
                e.counter_account.as_ref().map_or_else(|| Value::from(""), Value::from),
                e.counter_name.as_ref().map_or_else(|| Value::from(""), Value::from),
                &e.text
            ]
        });
        self.bulk("statement_line", COLUMNS, Box::new(rows)).await
    }

    /// Begins to keep what a bank only tells of (通知): it counts nowhere, and never proves a day. Gives its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_notice(&mut self, file: &FileIn, head: &StatementHead, entries: &EntriesSum, form: &str) -> Result<i64, StoreError> {
        let from = head.from.or(entries.days.map(|d| d.0)).or(head.to).unwrap_or_default();
        let to = head.to.or(entries.days.map(|d| d.1)).unwrap_or(from);
        self.write_statement(file, head, (from, to), entries.count, &format!("notice: {form} proves no day")).await
    }

    /// Registers a further statement of a file over the same kept bytes. `None`: it is registered already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn register_again(&mut self, file: &FileIn, number: usize, now: Timestamp) -> Result<Option<FileIn>, StoreError> {
        let sql = "insert into file_in (bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, answer_set, state, \
                   problems, seen_at, updated_at, moved) select bank, profile, profile_digest, kind, role, dir, name, exchange_key || $2, sha256, bytes, \
                   archive, null, 'applied', '', $3, $3, 2 from file_in where id = $1 \
                   on conflict (bank, profile, dir, name, exchange_key, sha256, reading) do nothing returning id";
        let Some(row) = self.opt(sql, args![file.id, format!("#{number}"), now]).await? else { return Ok(None) };
        let id = row.int(0)?;
        self.exec("update file_in set answer_set = id where id = $1", args![id]).await?;
        Ok(Some(FileIn { id, answer_set: id, ..file.clone() }))
    }

    /// Notices of an account with movements of these days, or of the week before: how many of them stand in no statement of days that
    /// have one, and the first such line. Each statement's line shows one movement.
    ///
    /// # Errors
    /// The database refused.
    pub async fn notices_of(
        &mut self,
        bank: &str,
        account: &Account,
        (from, to): (NaiveDate, NaiveDate),
    ) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        let since = from.checked_sub_days(chrono::Days::new(7)).unwrap_or(from);
        let like = "x.on_date >= l.on_date and x.side = l.side and x.amount_fen = l.amount_fen and (x.bank_ref = l.bank_ref or x.bank_ref = '' \
                    or l.bank_ref = '' or (l.reference <> '' and x.reference = l.reference))";
        let alike = "p.on_date = l.on_date and p.side = l.side and p.amount_fen = l.amount_fen and p.bank_ref = l.bank_ref and p.reference = l.reference";
        let sql = format!(
            "select n.id, cast(sum(case when l.is_missing = 1 then 1 else 0 end) as bigint), \
             cast(coalesce(min(case when l.is_missing = 1 then l.line end), 0) as bigint) from statement n join \
             (select l.statement, l.line, l.on_date, case when exists (select 1 from statement s where s.bank = $1 and s.account = $2 and s.problems = '' \
             and s.from_date <= l.on_date and s.to_date >= l.on_date) and (select count(*) from statement s join statement_line x on x.statement = s.id \
             where s.bank = $1 and s.account = $2 and s.problems = '' and {like}) < (select count(*) from statement_line p where p.statement = l.statement \
             and p.line <= l.line and {alike}) then 1 else 0 end as is_missing from statement_line l) l on l.statement = n.id \
             where n.bank = $1 and n.account = $2 and n.problems like 'notice%' and l.on_date >= $3 and l.on_date <= $4 group by n.id order by n.id"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![bank, account.reveal(), since, to]).await?;
        rows.iter().map(|r| Ok((r.int(0)?, r.int(1)?, r.int(2)?))).collect()
    }

    async fn statement_problems(
        &mut self,
        bank: &str,
        head: &StatementHead,
        (from, to): (NaiveDate, NaiveDate),
        entries: &EntriesSum,
    ) -> Result<String, StoreError> {
        let account = head.account.reveal();
        let sql = "select count(*) from agreement where bank = $1 and payer_account = $2";
        if self.one(sql, args![bank, account]).await?.int(0)? == 0 {
            return Ok("foreign: no agreement pays from this account".to_owned());
        }
        // One at a time: of two that come in at the same moment the second sees the first, and whoever looks for new ones by the greatest
        // number misses none.
        self.mark_account(&PayerAccount { bank: bank.to_owned(), account: account.to_owned(), is_cash: false }, "").await?;
        let over = self.statements_over(bank, account, from, to).await?;
        for other in over.iter().filter(|o| (o.from, o.to, o.opening, o.closing) == (from, to, head.opening, head.closing)) {
            if self.sum_of_entries(other.id).await? == *entries {
                return Ok(format!("repeats statement {}", other.id));
            }
        }
        if let Some(other) = over.first() {
            return Ok(format!("conflict with statement {}", other.id));
        }
        Ok(String::new())
    }

    /// What the entries of a statement come to.
    async fn sum_of_entries(&mut self, statement: i64) -> Result<EntriesSum, StoreError> {
        let sql = "select line, on_date, side, amount_fen, reference, bank_ref from statement_line where statement = $1 and line > $2 order by line limit 5000";
        let (mut sum, mut after) = (EntriesSum::default(), i64::MIN);
        loop {
            let rows = self.rows(sql, args![statement, after]).await?;
            let Some(last) = rows.last() else { return Ok(sum) };
            after = last.int(0)?;
            for r in &rows {
                let side = r.code(2, Side::from_code, "a statement line's side")?;
                sum.add(EntryFacts { on: r.date(1)?, side, amount: r.fen(3)?, reference: r.text(4)?, bank_ref: r.text(5)? });
            }
        }
    }
}

/// A row of its own for one line.
#[derive(Clone, Copy, Debug)]
pub struct LineState<'a> {
    /// The instruction.
    pub instruction_id: i64,
    /// Where it stands now.
    pub state: InstructionState,
    /// Its amount.
    pub amount: Fen,
    /// Reason's code, or empty.
    pub reason: &'a str,
    /// Class's code, or empty.
    pub class: &'a str,
    /// Why, in words.
    pub words: &'a str,
    /// The answer that says so.
    pub at: Option<(i64, i64)>,
}

/// Which cases to open, for whom.
#[derive(Clone, Copy, Debug)]
pub struct CasesOf<'a> {
    /// The kind of case.
    pub kind: &'a str,
    /// The state of the lines that need one.
    pub state: InstructionState,
    /// The department that must be told.
    pub department: &'a str,
    /// The bank.
    pub bank: &'a str,
    /// The business date of the report.
    pub business_date: NaiveDate,
    /// By when.
    pub due_on: NaiveDate,
}
