//! Files of the banks: seen, kept, read into lines, proven, applied. The heavy statements here move a million lines at
//! once, by the same transition table as one.

use chrono::NaiveDate;

use super::StoreError;
use super::outbound::FileOut;
use super::sql::{Row, Tx, Value};
use crate::args;
use crate::domain::exchange::{Answer, InboundKind, Outcome, StatementEntry, StatementHead};
use crate::domain::file::FileInState;
use crate::domain::instruction::InstructionState;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
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

const FILE_IN: &str =
    "select id, bank, profile, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, state from file_in";

/// The event that an answer line is. Only a final word is definite.
const EVENT: &str = "case when l.is_final = 0 and l.outcome in ('paid', 'failed') then 'bank_unknown' when l.outcome = 'paid' then 'bank_paid' \
     when l.outcome = 'failed' then 'bank_failed' when l.outcome = 'accepted' then 'bank_accepted' else 'bank_unknown' end";
/// As above, in a file of returns: what came back had been credited.
const EVENT_RETURN: &str = "case when l.is_final = 1 then 'bank_returned' else 'bank_unknown' end";

fn file_in(r: &Row) -> Result<FileIn, StoreError> {
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

impl FileIn {
    /// The path under the bank's outbox.
    #[must_use]
    pub fn path(&self) -> String {
        if self.dir.is_empty() { self.name.clone() } else { format!("{}/{}", self.dir, self.name) }
    }
}

fn event_of(kind: InboundKind) -> &'static str {
    match kind {
        InboundKind::Return => EVENT_RETURN,
        InboundKind::Ack | InboundKind::Result | InboundKind::Statement => EVENT,
    }
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
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

    /// What an earlier listing showed under this path: bytes, time, when, and the file that was made of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sighting(&mut self, bank: &str, path: &str) -> Result<Option<(i64, i64, Timestamp, Option<i64>)>, StoreError> {
        let row =
            self.opt("select bytes, modified_s, seen_at, file_in from sighting where bank = $1 and path = $2", args![bank, path]).await?;
        row.map(|r| Ok((r.int(0)?, r.int(1)?, Timestamp::from_millis(r.int(2)?), r.opt_int(3)?))).transpose()
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
                   on conflict (bank, profile, dir, name, exchange_key, sha256) do nothing returning id";
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
        let sql =
            "select id from file_in where bank = $1 and profile = $2 and dir = $3 and name = $4 and exchange_key = $5 and sha256 = $6";
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
        Ok(self.opt("select line from answer_line where file_in = $1 limit 1", args![file]).await?.is_some())
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
        let sql = "update file_in set state = $3, problems = $4, updated_at = $5 where answer_set = $1 and state = $2";
        let moved = self.exec(sql, args![first.answer_set, first.state.code(), to.code(), problems, now]).await?;
        if usize::try_from(moved) != Ok(set.len()) {
            return Ok(false);
        }
        self.event("file_in", first.answer_set, ("move", first.state.code(), to.code()), actor, problems, now).await?;
        Ok(true)
    }

    /// Applied or settled files that still lie in a bank's outbox.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_unmoved(&mut self, bank: &str) -> Result<Vec<FileIn>, StoreError> {
        let sql = format!(
            "{FILE_IN} where bank = $1 and moved = 0 and state in ('applied', 'duplicate', 'superseded', 'rejected') order by id limit 500"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![bank]).await?.iter().map(file_in).collect()
    }

    /// Remembers that a file was moved away at the bank (1) or must stay there (2).
    ///
    /// # Errors
    /// The database refused.
    pub async fn mark_moved(&mut self, id: i64, how: i64) -> Result<bool, StoreError> {
        self.exec_one("update file_in set moved = $2 where id = $1 and moved = 0", args![id, how]).await
    }

    /// Writes answer lines, each with the instruction that it speaks of.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_answers(&mut self, file: i64, answers: Vec<(Answer, Option<i64>)>) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &[
            "file_in",
            "line",
            "instruction_id",
            "seq",
            "payee_name",
            "id_number",
            "account",
            "amount_fen",
            "paid_fen",
            "outcome",
            "is_final",
            "reason",
            "class",
            "raw_code",
            "raw_text",
            "bank_ref",
            "on_date",
        ];
        let rows = answers.into_iter().map(|(a, instruction)| {
            args![
                file,
                a.line,
                instruction,
                a.seq,
                a.payee_name.as_ref().map_or_else(|| Value::from(""), Value::from),
                a.id_number.as_ref().map_or_else(|| Value::from(""), Value::from),
                a.account.as_ref().map_or_else(|| Value::from(""), Value::from),
                a.amount,
                a.paid,
                a.outcome.code(),
                a.is_final,
                a.reason.map_or("", |r| r.code()),
                a.reason.map_or("", |r| r.class().code()),
                a.raw_code,
                a.raw_text,
                a.bank_ref.unwrap_or_default(),
                a.date.map(|d| d.to_string()).unwrap_or_default()
            ]
        });
        self.bulk("answer_line", COLUMNS, rows.collect()).await
    }

    /// The shape of a set: lines, lines that belong to no instruction of the file, different instructions.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_shape(&mut self, files: &[i64], file: &FileOut) -> Result<SetShape, StoreError> {
        let sql = format!(
            "select count(*), cast(coalesce(sum(case when l.instruction_id is null or l.instruction_id < $1 or l.instruction_id > $2 then 1 else 0 end), 0) as bigint), \
             count(distinct l.instruction_id) from answer_line l where l.file_in in ({})",
            list(files)
        );
        let r = self.one(sqlx::AssertSqlSafe(sql), args![file.first_id, file.last_id]).await?;
        Ok(SetShape { lines: r.count(0)?, unbound: r.count(1)?, distinct: r.count(2)? })
    }

    /// Lines whose echo is not, to the letter, what we sent, and lines that say another amount was paid. A few; whether
    /// they differ in meaning (folded names) is decided outside.
    ///
    /// # Errors
    /// The database refused.
    pub async fn echoes_that_differ(&mut self, files: &[i64], limit: i64) -> Result<Vec<EchoRow>, StoreError> {
        let sql = format!(
            "select l.file_in, l.line, l.instruction_id, i.payee_name, i.payee_id, i.account, i.amount_fen, \
             l.payee_name, l.id_number, l.account, l.amount_fen, l.paid_fen, l.outcome \
             from answer_line l join instruction i on i.id = l.instruction_id where l.file_in in ({}) and ((l.payee_name <> '' and l.payee_name <> i.payee_name) or (l.id_number <> '' and l.id_number <> i.payee_id) \
             or (l.account <> '' and l.account <> i.account) or (l.amount_fen is not null and l.amount_fen <> i.amount_fen) \
             or (l.paid_fen is not null and l.outcome = 'paid' and l.paid_fen <> i.amount_fen)) order by l.file_in, l.line limit $1",
            list(files)
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(EchoRow {
                    at: (r.int(0)?, r.int(1)?),
                    instruction_id: r.int(2)?,
                    ours: (Name::new(r.text(3)?), IdNumber::new(r.text(4)?), Account::new(r.text(5)?), r.fen(6)?),
                    theirs: (
                        Name::new(r.text(7)?),
                        IdNumber::new(r.text(8)?),
                        Account::new(r.text(9)?),
                        r.opt_int(10)?.map(Fen::new),
                        r.opt_int(11)?.map(Fen::new),
                    ),
                    outcome: r.string(12)?,
                })
            })
            .collect()
    }

    /// Groups of lines whose instructions have a row of their own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn groups_own(&mut self, files: &[i64], kind: InboundKind) -> Result<Vec<Group>, StoreError> {
        let event = event_of(kind);
        let sql = format!(
            "select g.state, g.own_class, g.event, t.next, g.class, g.n, g.fen from \
             (select s.state, s.class as own_class, x.event, x.class, count(*) as n, cast(sum(s.amount_fen) as bigint) as fen from \
             (select l.instruction_id, {event} as event, l.class from answer_line l where l.file_in in ({})) x \
             join instruction_state s on s.instruction_id = x.instruction_id group by s.state, s.class, x.event, x.class) g \
             left join transition t on t.state = g.state and t.event = g.event order by g.state, g.event, g.own_class, g.class",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(group).collect()
    }

    /// Groups of lines whose instructions stand as their file stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn groups_base(&mut self, files: &[i64], kind: InboundKind, base: InstructionState) -> Result<Vec<Group>, StoreError> {
        let event = event_of(kind);
        let sql = format!(
            "select $1, '', g.event, t.next, g.class, g.n, g.fen from \
             (select x.event, x.class, count(*) as n, cast(sum(i.amount_fen) as bigint) as fen from \
             (select l.instruction_id, {event} as event, l.class from answer_line l where l.file_in in ({})) x join instruction i on i.id = x.instruction_id \
             left join instruction_state s on s.instruction_id = x.instruction_id where s.instruction_id is null group by x.event, x.class) g \
             left join transition t on t.state = $1 and t.event = g.event order by g.event, g.class",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![base.code()]).await?.iter().map(group).collect()
    }

    /// How many lines of a file have a row of their own, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn own_rows(&mut self, file: i64) -> Result<(u64, Fen), StoreError> {
        let sql = "select count(*), cast(coalesce(sum(amount_fen), 0) as bigint) from instruction_state where file_out = $1";
        let r = self.one(sql, args![file]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// Gives rows of their own to lines that stood as their file stood, all but those whose event is `except`: with that
    /// the file itself moves on, so that whoever stays needs a row as well.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_states(
        &mut self,
        files: &[i64],
        kind: InboundKind,
        file: &FileOut,
        base: InstructionState,
        except: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let event = event_of(kind);
        let sql = format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, returned_fen, reason, class, raw_code, raw_text, \
             bank_ref, file_in, line, since) select x.instruction_id, $1, $2, t.next, i.amount_fen, \
             case when t.next = 'paid' or $4 = 'paid' then i.amount_fen else 0 end, case when t.next = 'returned' then i.amount_fen else 0 end, \
             x.reason, x.class, x.raw_code, x.raw_text, x.bank_ref, x.file_in, x.line, $3 from \
             (select l.*, {event} as event from answer_line l where l.file_in in ({})) x join instruction i on i.id = x.instruction_id \
             join transition t on t.state = $4 and t.event = x.event \
             where x.event <> $5 and (t.next <> $4 or $5 <> '') and not exists (select 1 from instruction_state s where s.instruction_id = x.instruction_id)",
            list(files)
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id, &file.batch, now, base.code(), except]).await
    }

    /// Moves lines that had a row of their own, where the table has a new state for them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn update_states(&mut self, files: &[i64], kind: InboundKind, now: Timestamp) -> Result<u64, StoreError> {
        let event = event_of(kind);
        let sql = format!(
            "update instruction_state set state = y.next, reason = y.reason, class = y.class, raw_code = y.raw_code, raw_text = y.raw_text, \
             bank_ref = y.bank_ref, file_in = y.file_in, line = y.line, since = $1, \
             paid_fen = case when y.next = 'paid' then instruction_state.amount_fen else instruction_state.paid_fen end, \
             returned_fen = case when y.next = 'returned' then instruction_state.amount_fen else instruction_state.returned_fen end \
             from (select x.*, t.next from (select l.*, {event} as event from answer_line l where l.file_in in ({})) x \
             join instruction_state s on s.instruction_id = x.instruction_id join transition t on t.state = s.state and t.event = x.event and t.next <> s.state) y \
             where instruction_state.instruction_id = y.instruction_id",
            list(files)
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![now]).await
    }

    /// Moves what the file says of all lines that have no row of their own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_base(&mut self, file: &FileOut, to: InstructionState, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set lines_state = $3, updated_at = $4 where id = $1 and lines_state = $2";
        self.exec_one(sql, args![file.id, file.lines_state.code(), to.code(), now]).await
    }

    /// Takes the right to be the one final answer: of the whole file, or of each line that this set moved.
    ///
    /// # Errors
    /// A final answer of this kind is on the books already (a unique violation).
    pub async fn take_final(&mut self, file: &FileOut, kind: InboundKind, set: &[i64], whole: bool) -> Result<(), StoreError> {
        let first = set.first().copied().unwrap_or_default();
        if whole {
            let sql = "insert into final_answer (file_out, instruction_id, kind, file_in) values ($1, 0, $2, $3)";
            self.exec(sql, args![file.id, kind.code(), first]).await?;
        }
        let sql = format!(
            "insert into final_answer (file_out, instruction_id, kind, file_in) select s.file_out, s.instruction_id, $2, s.file_in from instruction_state s \
             where s.file_out = $1 and s.file_in in ({}) and s.state in ('paid', 'failed', 'returned') \
             on conflict (file_out, instruction_id, kind) do nothing",
            list(set)
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id, kind.code()]).await.map(|_| ())
    }

    /// How many lines of a file still lack a definite word.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_open(&mut self, file: &FileOut) -> Result<u64, StoreError> {
        let sql = "select count(*), cast(coalesce(sum(case when state in ('planned', 'sent', 'accepted', 'unknown', 'conflict') then 1 else 0 end), 0) as bigint) \
                   from instruction_state where file_out = $1";
        let r = self.one(sql, args![file.id]).await?;
        let (own, own_open) = (r.count(0)?, r.count(1)?);
        let base = self.one("select lines_state from file_out where id = $1", args![file.id]).await?;
        let rest = u64::try_from(file.rows).unwrap_or(0).saturating_sub(own);
        let is_open = matches!(base.text(0)?, "planned" | "sent" | "accepted" | "unknown" | "conflict");
        Ok(own_open + if is_open { rest } else { 0 })
    }

    /// Records a file as answered in every line, and gives a recurring path back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn record_answered(&mut self, file: i64, gives_path_back: bool, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set state = 'answered', answered_at = $2, updated_at = $2, \
                   path_taken = case when $3 = 1 then path_taken || '#' || cast(id as text) else path_taken end \
                   where id = $1 and state in ('publishing', 'sent', 'accepted', 'held', 'doubt')";
        self.exec_one(sql, args![file, now, gives_path_back]).await
    }

    /// Gives one line a row of its own in this state, over the one it may have.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_state(&mut self, file: &FileOut, line: &LineState<'_>, now: Timestamp) -> Result<(), StoreError> {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, reason, class, raw_text, file_in, line, since) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (instruction_id) do update set state = excluded.state, \
                   reason = excluded.reason, class = excluded.class, raw_text = excluded.raw_text, file_in = excluded.file_in, line = excluded.line, since = excluded.since";
        self.exec(
            sql,
            args![
                line.instruction_id,
                file.id,
                &file.batch,
                line.state.code(),
                line.amount,
                line.reason,
                line.class,
                line.words,
                line.at.map(|a| a.0),
                line.at.map(|a| a.1),
                now
            ],
        )
        .await
        .map(|_| ())
    }

    /// Opens cases for the lines that a set put into this state. Transient failures are left to the retry.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_cases(&mut self, set: &[i64], of: &CasesOf<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, bank, amount_fen, reason, class, detail, owner, \
             business_date, due_on, opened_at) select $1, i.payment_id, i.root_payment_id, i.id, i.batch, $2, $3, i.amount_fen, \
             case when s.reason = '' then 'OTHER_UNMAPPED' else s.reason end, case when s.class = '' then 'UR' else s.class end, s.raw_text, \
             case s.class when 'BA' then 'person' when 'EN' then 'operator' when 'GW' then 'operator' else 'department' end, $4, $5, $6 \
             from instruction_state s join instruction i on i.id = s.instruction_id where s.state = $7 and s.file_in in ({}) and (s.class <> 'BT' or $7 <> 'failed') \
             and not exists (select 1 from failure_case c where c.instruction_id = i.id and c.kind = $1)",
            list(set)
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![of.kind, of.department, of.bank, of.business_date, of.due_on, now, of.state.code()]).await
    }

    /// Bank phrases of a set that the reason map does not know, with how often.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unmapped_words(&mut self, set: &[i64]) -> Result<Vec<(String, String, u64)>, StoreError> {
        let sql = format!(
            "select raw_code, raw_text, count(*) from answer_line where file_in in ({}) and reason = 'OTHER_UNMAPPED' and (raw_code <> '' or raw_text <> '') \
             group by raw_code, raw_text order by 3 desc limit 20",
            list(set)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| Ok((r.string(0)?, r.string(1)?, r.count(2)?))).collect()
    }

    /// Finally failed instructions that a set's success contradicts.
    ///
    /// # Errors
    /// The database refused.
    pub async fn contradicted(&mut self, files: &[i64]) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "select l.instruction_id from answer_line l join instruction_state s on s.instruction_id = l.instruction_id \
             where l.file_in in ({}) and l.outcome = 'paid' and l.is_final = 1 and s.state in ('failed_final', 'reissued') order by 1",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// State and class of a line that has a row of its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn own_state(&mut self, instruction: i64) -> Result<Option<(InstructionState, String)>, StoreError> {
        let row = self.opt("select state, class from instruction_state where instruction_id = $1", args![instruction]).await?;
        row.map(|r| Ok((r.code(0, InstructionState::from_code, "an instruction's state")?, r.string(1)?))).transpose()
    }

    /// Writes a statement and its entries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_statement(
        &mut self,
        file: &FileIn,
        head: &StatementHead,
        dates: (NaiveDate, NaiveDate),
        entries: &[StatementEntry],
    ) -> Result<i64, StoreError> {
        const COLUMNS: &[&str] =
            &["statement", "line", "on_date", "side", "amount_fen", "reference", "bank_ref", "counter_account", "counter_name", "words"];
        let sql = "insert into statement (bank, account, from_date, to_date, opening_fen, closing_fen, entries, file_in) values ($1, $2, $3, $4, $5, $6, $7, $8) returning id";
        let id = self
            .one(sql, args![&file.bank, &head.account, dates.0, dates.1, head.opening, head.closing, entries.len(), file.id])
            .await?
            .int(0)?;
        let rows = entries.iter().map(|e| {
            args![
                id,
                e.line,
                e.date,
                match e.side {
                    crate::domain::exchange::Side::Credit => "credit",
                    crate::domain::exchange::Side::Debit => "debit",
                },
                e.amount,
                e.reference.clone().unwrap_or_default(),
                e.bank_ref.clone().unwrap_or_default(),
                e.counter_account.as_ref().map_or_else(|| Value::from(""), Value::from),
                e.counter_name.as_ref().map_or_else(|| Value::from(""), Value::from),
                &e.text
            ]
        });
        self.bulk("statement_line", COLUMNS, rows.collect()).await?;
        Ok(id)
    }

    /// What an ack says of its file: outcome, final, reason, words.
    ///
    /// # Errors
    /// The database refused.
    pub async fn ack_words(&mut self, files: &[i64]) -> Result<Vec<(Outcome, bool, String, String, String)>, StoreError> {
        let sql = format!(
            "select outcome, is_final, reason, class, raw_code || ' ' || raw_text from answer_line where file_in in ({}) order by file_in, line",
            list(files)
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter()
            .map(|r| Ok((r.code(0, Outcome::from_code, "an outcome")?, r.int(1)? == 1, r.string(2)?, r.string(3)?, r.string(4)?)))
            .collect()
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

fn group(r: &Row) -> Result<Group, StoreError> {
    let next = r.text(3)?;
    Ok(Group {
        state: r.code(0, InstructionState::from_code, "an instruction's state")?,
        class: r.string(1)?,
        event: r.string(2)?,
        next: if next.is_empty() { None } else { Some(r.code(3, InstructionState::from_code, "an instruction's state")?) },
        next_class: r.string(4)?,
        count: r.count(5)?,
        total: r.fen(6)?,
    })
}
