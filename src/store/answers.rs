//! Answer lines, proven and applied: a million lines move by one statement, by the same transition table as one.

use super::StoreError;
use super::inbound::{CasesOf, EchoRow, Group, LineState, SetShape};
use super::outbound::FileOut;
use super::sql::{Row, Tx, Value};
use crate::args;
use crate::domain::exchange::{Answer, InboundKind, Outcome};
use crate::domain::instruction::InstructionState;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;

/// The event that an answer line is. Only a final word is definite. A line that was credited and sent back was credited;
/// that it was sent back is on record by itself (`store::returns`), and takes effect behind this.
macro_rules! event {
    () => {
        "case when l.is_final = 0 and l.outcome in ('paid', 'failed') then 'bank_unknown' when l.outcome in ('paid', 'returned') then 'bank_paid' \
         when l.outcome = 'failed' then 'bank_failed' when l.outcome = 'accepted' then 'bank_accepted' else 'bank_unknown' end"
    };
}
const EVENT: &str = event!();
/// Whether what a line says was paid came back, or waits to: all that it stands for, not a part that was taken apart, nor what two
/// persons said did not take place. A line that says itself that it was sent back may be that same word once more. Or its payee gave
/// it back: what settles otherwise that it was asked back is evidence.
macro_rules! came_back {
    () => {
        "(exists (select 1 from waiting_return w where w.instruction_id = l.instruction_id and w.amount_fen = s.amount_fen \
         and (l.outcome = 'returned' or coalesce(w.part, 0) = 0)) or exists (select 1 from failure_case c \
         where c.instruction_id = l.instruction_id and c.kind = 'recovery' and c.closed_as <> 'evidence'))"
    };
}
const CAME_BACK: &str = came_back!();
/// As above, for a line that has a row of its own: a success that was sent back says nothing new of money that is not with
/// the person, whichever of the two words came first.
const EVENT_OWN: &str = concat!(
    "case when l.is_final = 1 and l.outcome in ('paid', 'returned') and s.state in ('failed', 'failed_final', 'reissued', 'returned', 'lapsed', \
     'refunding', 'refunded', 'carried') and ",
    came_back!(),
    " then 'bank_unknown' else ",
    event!(),
    " end"
);

/// Lines from here on stand in no file: what a set proves by leaving it out.
pub const LEFT_OUT: i64 = 1_000_000_000_000;

pub(super) fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

/// A line that has a row of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLine {
    /// Where it stands.
    pub state: InstructionState,
    /// The class of the reason that put it there, or empty.
    pub class: String,
    /// What it stands for.
    pub amount: Fen,
    /// What the bank says that it paid, where that was said.
    pub paid: Fen,
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

impl Tx {
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
        self.bulk("answer_line", COLUMNS, Box::new(rows)).await
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

    /// Whether a line of a file stands otherwise than the file says. Where none does, as mostly before the first answer, no line of
    /// an answer need be looked up among those that do.
    async fn has_own_rows(&mut self, file: &FileOut) -> Result<bool, StoreError> {
        let sql = "select 1 from instruction_state where instruction_id >= $1 and instruction_id <= $2 limit 1";
        Ok(self.opt(sql, args![file.first_id, file.last_id]).await?.is_some())
    }

    /// Groups of lines whose instructions have a row of their own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn groups_own(&mut self, files: &[i64], file: &FileOut) -> Result<Vec<Group>, StoreError> {
        if !self.has_own_rows(file).await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select g.state, g.own_class, g.event, t.next, g.class, g.n, g.fen from \
             (select x.state, x.own_class, x.event, x.class, count(*) as n, cast(sum(x.amount_fen) as bigint) as fen from \
             (select s.state, s.class as own_class, s.amount_fen, {EVENT_OWN} as event, l.class from answer_line l \
             join instruction_state s on s.instruction_id = l.instruction_id where l.file_in in ({})) x group by x.state, x.own_class, x.event, x.class) g \
             left join transition t on t.state = g.state and t.event = g.event order by g.state, g.event, g.own_class, g.class",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(group).collect()
    }

    /// Groups of lines whose instructions stand as their file stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn groups_base(&mut self, files: &[i64], file: &FileOut) -> Result<Vec<Group>, StoreError> {
        let others = if self.has_own_rows(file).await? {
            "left join instruction_state s on s.instruction_id = x.instruction_id where s.instruction_id is null"
        } else {
            ""
        };
        // The amount is looked up line by line: joined, PostgreSQL reads all instructions there are once it knows how many lines it has
        // (of four million 0.65 s a file of 50,000 lines, where looking up takes 0.07).
        let sql = format!(
            "select $1, '', g.event, t.next, g.class, g.n, g.fen from (select x.event, x.class, count(*) as n, cast(sum(x.amount_fen) as bigint) as fen from \
             (select l.instruction_id, {EVENT} as event, l.class, (select i.amount_fen from instruction i where i.id = l.instruction_id) as amount_fen \
             from answer_line l where l.file_in in ({}) and l.instruction_id is not null) x {others} group by x.event, x.class) g \
             left join transition t on t.state = $1 and t.event = g.event order by g.event, g.class",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![file.lines_state.code()]).await?.iter().map(group).collect()
    }

    /// How many lines of a file have a row of their own, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn own_rows(&mut self, file: i64) -> Result<(u64, Fen), StoreError> {
        // With what remains of those that were paid in part: together they are what was instructed.
        let sql = "select count(*), cast(coalesce(sum(amount_fen), 0) as bigint) + (select cast(coalesce(sum(m.amount_fen), 0) as bigint) from remainder m \
                   where m.file_out = $1) from instruction_state where file_out = $1";
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
        file: &FileOut,
        base: InstructionState,
        except: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, returned_fen, reason, class, raw_code, raw_text, \
             bank_ref, file_in, line, since) select x.instruction_id, $1, $2, t.next, i.amount_fen, \
             case when t.next = 'paid' or $4 = 'paid' then i.amount_fen else 0 end, case when t.next = 'returned' then i.amount_fen else 0 end, \
             x.reason, x.class, x.raw_code, x.raw_text, x.bank_ref, x.file_in, x.line, $3 from \
             (select l.*, {EVENT} as event from answer_line l where l.file_in in ({})) x join instruction i on i.id = x.instruction_id \
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
    pub async fn update_states(&mut self, files: &[i64], file: &FileOut, now: Timestamp) -> Result<u64, StoreError> {
        if !self.has_own_rows(file).await? {
            return Ok(0);
        }
        let sql = format!(
            "update instruction_state set state = y.next, reason = y.reason, class = y.class, raw_code = y.raw_code, raw_text = y.raw_text, \
             bank_ref = y.bank_ref, file_in = y.file_in, line = y.line, since = $1, \
             paid_fen = case when y.next = 'paid' then instruction_state.amount_fen else instruction_state.paid_fen end, \
             returned_fen = case when y.next = 'returned' then instruction_state.amount_fen else instruction_state.returned_fen end \
             from (select x.*, t.next from (select l.*, s.state as own_state, {EVENT_OWN} as event from answer_line l join instruction_state s on s.instruction_id = l.instruction_id \
             where l.file_in in ({})) x join transition t on t.state = x.own_state and t.event = x.event and t.next <> x.own_state) y \
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

    /// Finally failed instructions that a set's success contradicts. One that was sent back explains itself.
    ///
    /// # Errors
    /// The database refused.
    pub async fn contradicted(&mut self, files: &[i64], file: &FileOut) -> Result<Vec<i64>, StoreError> {
        if !self.has_own_rows(file).await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select l.instruction_id from answer_line l join instruction_state s on s.instruction_id = l.instruction_id \
             where l.file_in in ({}) and l.outcome = 'paid' and l.is_final = 1 and s.state in ('failed_final', 'reissued', 'lapsed') \
             and not {CAME_BACK} order by 1",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// A line that has a row of its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn own_line(&mut self, instruction: i64) -> Result<Option<OwnLine>, StoreError> {
        let sql = "select state, class, amount_fen, paid_fen from instruction_state where instruction_id = $1";
        let row = self.opt(sql, args![instruction]).await?;
        row.map(|r| {
            let state = r.code(0, InstructionState::from_code, "an instruction's state")?;
            Ok(OwnLine { state, class: r.string(1)?, amount: r.fen(2)?, paid: r.fen(3)? })
        })
        .transpose()
    }

    /// What an instruction was for.
    ///
    /// # Errors
    /// The database refused.
    pub async fn instructed(&mut self, instruction: i64) -> Result<Fen, StoreError> {
        self.one("select amount_fen from instruction where id = $1", args![instruction]).await?.fen(0)
    }

    /// Keeps what the bank says that it paid of a line in doubt.
    ///
    /// # Errors
    /// The database refused.
    pub async fn keep_paid(&mut self, instruction: i64, paid: Fen) -> Result<(), StoreError> {
        self.exec("update instruction_state set paid_fen = $2 where instruction_id = $1", args![instruction, paid]).await.map(|_| ())
    }

    /// Lines of which a set says that they were paid, and whose money is on its way back to the treasury or there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_and_gone(&mut self, files: &[i64], file: &FileOut) -> Result<Vec<(i64, InstructionState)>, StoreError> {
        if !self.has_own_rows(file).await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select l.instruction_id, s.state from answer_line l join instruction_state s on s.instruction_id = l.instruction_id \
             where l.file_in in ({}) and l.outcome = 'paid' and l.is_final = 1 and s.state in ('refunding', 'refunded', 'carried') \
             and not {CAME_BACK} order by 1",
            list(files)
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter().map(|r| Ok((r.int(0)?, r.code(1, InstructionState::from_code, "an instruction's state")?))).collect()
    }

    /// Lines that two persons settled as partly paid and of which a set says, as no set of the file before, that they were paid; or says so
    /// again after somebody was told.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parted_and_paid(&mut self, files: &[i64], file: &FileOut) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "select l.instruction_id from remainder m join answer_line l on l.instruction_id = m.instruction_id join instruction_state s \
             on s.instruction_id = m.instruction_id where m.file_out = $1 and not exists (select 1 from waiting_return w where w.instruction_id = m.instruction_id \
             and w.part = m.part) and l.file_in in ({0}) and l.outcome = 'paid' and l.is_final = 1 and coalesce(l.paid_fen, l.amount_fen, 0) <> s.amount_fen \
             and (exists (select 1 from failure_case c where c.instruction_id = m.instruction_id and c.kind = 'double_payment_suspected') \
             or not exists (select 1 from answer_line e where e.instruction_id = m.instruction_id and e.outcome = 'paid' and e.is_final = 1 \
             and e.file_in not in ({0}) and e.file_in in (select f.id from file_in f where f.file_out = $1))) order by 1",
            list(files)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Opens a case for money that may have left twice, once for an instruction; again where persons had cleared it and the bank says
    /// so once more, but not where they had said that it was paid. Says whether somebody must be told.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspect_gone(
        &mut self,
        instruction: i64,
        words: &str,
        (department, bank): (&str, &str),
        (business_date, due_on): (chrono::NaiveDate, chrono::NaiveDate),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, bank, amount_fen, reason, class, detail, owner, \
                   business_date, due_on, opened_at) select 'double_payment_suspected', i.payment_id, i.root_payment_id, i.id, i.batch, $3, $4, i.amount_fen, \
                   'RESULT_UNKNOWN', 'EN', $2, 'operator', $5, $6, $7 from instruction i where i.id = $1 \
                   and not exists (select 1 from failure_case c where c.instruction_id = i.id and c.kind = 'double_payment_suspected')";
        let opened = self.exec(sql, args![instruction, words, department, bank, business_date, due_on, now]).await?;
        if opened > 0 {
            return Ok(opened);
        }
        let sql = "select 1 from failure_case where instruction_id = $1 and kind = 'double_payment_suspected' \
                   and state = 'closed' and closed_as <> 'paid'";
        if self.opt(sql, args![instruction]).await?.is_none() {
            return Ok(0);
        }
        Ok(u64::from(self.suspect_again(instruction, words, (business_date, due_on), now).await?))
    }

    /// Payments of a file behind this number, by what stands in them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn contents(&mut self, after: i64, last: i64, limit: usize) -> Result<Vec<(i64, Account, Name, Fen)>, StoreError> {
        let sql = "select id, account, payee_name, amount_fen from instruction where id > $1 and id <= $2 order by id limit $3";
        let rows = self.rows(sql, args![after, last, i64::try_from(limit).unwrap_or(i64::MAX)]).await?;
        rows.iter().map(|r| Ok((r.int(0)?, Account::new(r.text(1)?), Name::new(r.text(2)?), r.fen(3)?))).collect()
    }

    /// Payments of a file that a set has no line for: how many, of how much.
    ///
    /// # Errors
    /// The database refused.
    pub async fn left_out(&mut self, set: &[i64], file: &FileOut) -> Result<(u64, Fen), StoreError> {
        let sql = format!(
            "select count(*), cast(coalesce(sum(i.amount_fen), 0) as bigint) from instruction i where i.id >= $1 and i.id <= $2 \
             and i.id not in (select l.instruction_id from answer_line l where l.file_in in ({}) and l.instruction_id is not null)",
            list(set)
        );
        let r = self.one(sqlx::AssertSqlSafe(sql), args![file.first_id, file.last_id]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// Writes a line for every payment that a set leaves out and whose fate its counts and amounts prove: behind all lines that
    /// stand in the file ([`LEFT_OUT`]).
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_left_out(&mut self, set: &[i64], file: &FileOut, outcome: Outcome) -> Result<u64, StoreError> {
        let reason = (outcome == Outcome::Failed).then_some(Reason::OtherUnmapped);
        let words = if outcome == Outcome::Paid { "回盘未列，笔数金额相符 / not listed; count and amount agree" } else { "" };
        let sql = format!(
            "insert into answer_line (file_in, line, instruction_id, seq, payee_name, id_number, account, amount_fen, paid_fen, outcome, is_final, \
             reason, class, raw_code, raw_text, bank_ref, on_date) select $1, $2 + i.id - $3, i.id, null, '', '', '', i.amount_fen, null, $5, 1, \
             $6, $7, '', $8, '', '' from instruction i where i.id >= $3 and i.id <= $4 \
             and i.id not in (select l.instruction_id from answer_line l where l.file_in in ({}) and l.instruction_id is not null)",
            list(set)
        );
        let of = args![
            set.first().copied().unwrap_or_default(),
            LEFT_OUT + 1,
            file.first_id,
            file.last_id,
            outcome.code(),
            reason.map_or("", Reason::code),
            reason.map_or("", |r| r.class().code()),
            words
        ];
        self.exec(sqlx::AssertSqlSafe(sql), of).await
    }

    /// Whether a set has no rows and speaks of the file as a whole: its line 0.
    ///
    /// # Errors
    /// The database refused.
    pub async fn speaks_of_the_file(&mut self, files: &[i64]) -> Result<bool, StoreError> {
        let sql = format!("select count(*) from answer_line where file_in in ({}) and line = 0", list(files));
        Ok(self.one(sqlx::AssertSqlSafe(sql), args![]).await?.int(0)? > 0)
    }

    /// What an ack says, or a result that has no rows and speaks of the file.
    ///
    /// # Errors
    /// The database.
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
