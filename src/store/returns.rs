//! What was sent back (退票), on record from the first word of it.
//!
//! A return and its success come in either order, again and again, from three sides: a result, a file of returns, a
//! statement. So the word is put on record first, and *then* it meets what the instruction's state says. A payment may come back
//! in parts, so that one word after another is put on record; the same word again is not: just as much, where the bank's own
//! references do not tell two apart. Two credits on statements are two. Where a success stands it takes effect, in the transaction that brought the later of the two; where none does it
//! waits. The rules are the table's (`bank_returned`): a state without that cell waits, one whose cell leads nowhere new
//! keeps the record, so that a success that comes after it is known for one that was sent back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::StoreError;
use super::answers::list;
use super::outbound::FileOut;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::exchange::InboundKind;
use crate::domain::instruction::InstructionState;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A statement's word that money came back.
#[derive(Clone, Copy, Debug)]
pub struct CreditBack<'a> {
    /// The instruction.
    pub instruction: i64,
    /// How much.
    pub amount: Fen,
    /// Reason and class, by their codes.
    pub reason: (&'a str, &'a str),
    /// What the entry says.
    pub words: &'a str,
    /// The statement and its line.
    pub at: (i64, i64),
    /// The day on which it was booked.
    pub on: NaiveDate,
}

/// A return on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnRecord {
    /// Its number.
    pub id: i64,
    /// How much came back.
    pub amount: Fen,
    /// The statement and line that show it, if one does.
    pub statement: Option<(i64, i64)>,
    /// What became of it: nothing yet, all that stood as paid (0), that part, nothing at all (-1), or two persons said that it did
    /// not take place (-2).
    pub part: Option<i64>,
}

/// Returns that take effect alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Where their lines stand.
    pub state: InstructionState,
    /// The class of the reason that put them there, or empty.
    pub class: String,
    /// The class that the return gives, or empty.
    pub next_class: String,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
}

/// A line that was sent back just now.
#[derive(Clone, Debug)]
pub struct SentBack {
    /// The return's own number.
    pub id: i64,
    /// The part that remains by it; 0 where all came back.
    pub part: i64,
    /// The instruction.
    pub instruction_id: i64,
    /// The payment, and the one that the entitlement began with.
    pub payments: (i64, i64),
    /// How much.
    pub amount: Fen,
    /// Reason and class, by their codes.
    pub reason: (String, String),
    /// The bank's words.
    pub words: String,
    /// The day the money came back.
    pub money_on: NaiveDate,
    /// The day it was credited; where the bank does not say it, the day it was told.
    pub credited_on: Option<NaiveDate>,
}

/// A failed line that was credited and sent back, as it turns out.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Where it stands.
    pub state: InstructionState,
    /// The class of the failure that put it there.
    pub class: String,
    /// The line, with the reason of its return.
    pub line: SentBack,
    /// Whether something pays it again already.
    pub has_successor: bool,
}

/// Lines whose return waits for a success, by file.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The file.
    pub file_out: i64,
    /// How many.
    pub lines: u64,
    /// Their sum.
    pub total: Fen,
}

/// A return that stands where a success may still be to come.
const WAITS: &str = "('planned', 'sent', 'accepted', 'unknown')";

/// Returns on record that have not taken effect, of lines whose money went elsewhere and that two persons said were paid.
const BACK_THOUGH_SAID_PAID: &str = "from waiting_return w join instruction i on i.id = w.instruction_id \
     join instruction_state s on s.instruction_id = w.instruction_id where w.settled_at is null and s.state in ('reissued', 'refunded', 'carried') \
     and (select c.closed_as from failure_case c where c.instruction_id = w.instruction_id and c.kind = 'double_payment_suspected' and c.part = 0) = 'paid'";

/// Where the bank's own references do not tell two returns of just as much (`l`, `w`) apart.
const SAME_REF: &str = "(w.bank_ref = '' or l.bank_ref = '' or w.bank_ref = l.bank_ref)";

/// A line of answers that says: sent back. In a file of returns every final line does.
fn says_returned(kind: InboundKind) -> &'static str {
    match kind {
        InboundKind::Return => "l.is_final = 1 and l.instruction_id is not null",
        InboundKind::Ack | InboundKind::Result | InboundKind::Statement | InboundKind::Enquiry => {
            "l.is_final = 1 and l.outcome = 'returned' and l.instruction_id is not null"
        }
    }
}

/// How much it says came back: in a file of returns its amount, which may be a part; else all of it.
fn amount_back(kind: InboundKind) -> &'static str {
    match kind {
        InboundKind::Return => "coalesce(l.amount_fen, s.amount_fen, i.amount_fen)",
        InboundKind::Ack | InboundKind::Result | InboundKind::Statement | InboundKind::Enquiry => "coalesce(s.amount_fen, i.amount_fen)",
    }
}

/// Returns on record that have not taken effect and whose line stands where the table lets them: the whole of what was paid,
/// once for a line.
fn meeting(twice: &[i64]) -> String {
    format!(
        "select w.*, coalesce(s.state, f.lines_state) as own_state, coalesce(s.class, '') as own_class, coalesce(s.amount_fen, i.amount_fen) as own_fen, \
         i.payment_id, i.root_payment_id, i.batch from waiting_return w join file_out f on f.id = w.file_out join instruction i on i.id = w.instruction_id \
         left join instruction_state s on s.instruction_id = w.instruction_id where w.file_out = $1 and w.settled_at is null \
         and w.amount_fen = coalesce(s.amount_fen, i.amount_fen) and not exists (select 1 from waiting_return o where o.instruction_id = w.instruction_id \
         and o.settled_at is null and o.amount_fen = w.amount_fen and o.id < w.id) and w.instruction_id not in ({})",
        if twice.is_empty() { "0".to_owned() } else { list(twice) }
    )
}

impl Tx {
    /// Puts on record what a set says was sent back and is not on record, but for those lines that are in doubt. Says how many
    /// were new. A result says that all was sent back, which is nothing new where something is on record.
    ///
    /// # Errors
    /// The database refused.
    pub async fn note_returns(
        &mut self,
        set: &[i64],
        kind: InboundKind,
        file: &FileOut,
        (doubtful, today): (&BTreeSet<i64>, NaiveDate),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let doubtful: Vec<i64> = doubtful.iter().copied().collect();
        let sql = format!(
            "insert into waiting_return (instruction_id, file_out, file_in, line, money_on, amount_fen, reason, class, raw_code, raw_text, bank_ref, since) \
             select l.instruction_id, $1, l.file_in, l.line, case when l.on_date = '' then $2 else l.on_date end, {}, \
             case when l.class in ('', 'EN') then 'LATE_RETURN' else l.reason end, case when l.class in ('', 'EN') then 'UR' else l.class end, \
             l.raw_code, l.raw_text, l.bank_ref, $3 from answer_line l join instruction i on i.id = l.instruction_id \
             left join instruction_state s on s.instruction_id = i.id where l.file_in in ({}) and {} and l.instruction_id not in ({}) \
             and not exists (select 1 from waiting_return w where w.instruction_id = l.instruction_id{}) order by l.file_in, l.line",
            amount_back(kind),
            list(set),
            says_returned(kind),
            if doubtful.is_empty() { "0".to_owned() } else { list(&doubtful) },
            if kind == InboundKind::Return { format!(" and w.amount_fen = {} and {SAME_REF}", amount_back(kind)) } else { String::new() }
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id, today, now]).await
    }

    /// Lines of a set of returns that say again what is on record of a part, on another day than was said first: how many, and
    /// the first. They may be the same return, or another of just so much.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_dated_anew(&mut self, set: &[i64], kind: InboundKind) -> Result<(u64, i64), StoreError> {
        if kind != InboundKind::Return {
            return Ok((0, 0));
        }
        let sql = format!(
            "select count(distinct l.instruction_id), coalesce(min(l.instruction_id), 0) from answer_line l join waiting_return w on w.instruction_id = l.instruction_id \
             and w.amount_fen = l.amount_fen join answer_line e on e.file_in = w.file_in and e.line = w.line where l.file_in in ({0}) and {1} and w.part > 0 \
             and l.on_date <> '' and e.on_date <> '' and l.on_date <> e.on_date and {SAME_REF} and not exists (select 1 from waiting_return o \
             join answer_line x on x.file_in = o.file_in and x.line = o.line where o.instruction_id = l.instruction_id and o.amount_fen = l.amount_fen and x.on_date = l.on_date)",
            list(set),
            says_returned(kind)
        );
        let r = self.one(sqlx::AssertSqlSafe(sql), args![]).await?;
        Ok((r.count(0)?, r.int(1)?))
    }

    /// Lines of a set that say again what two persons said did not take place, and nothing newer is on record of them: how many, and the
    /// first. They may be the same return, or a second one: a statement or the bank's own reference would tell.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_said_though_undone(&mut self, set: &[i64], kind: InboundKind) -> Result<(u64, i64), StoreError> {
        let same =
            if kind == InboundKind::Return { format!(" and w.amount_fen = {} and {SAME_REF}", amount_back(kind)) } else { String::new() };
        let sql = format!(
            "select count(distinct l.instruction_id), coalesce(min(l.instruction_id), 0) from answer_line l join instruction i on i.id = l.instruction_id \
             left join instruction_state s on s.instruction_id = i.id join waiting_return w on w.instruction_id = l.instruction_id where l.file_in in ({}) \
             and {} and w.part = -2{same} and not exists (select 1 from waiting_return o where o.instruction_id = w.instruction_id \
             and o.amount_fen = w.amount_fen and o.id > w.id)",
            list(set),
            says_returned(kind)
        );
        let r = self.one(sqlx::AssertSqlSafe(sql), args![]).await?;
        Ok((r.count(0)?, r.int(1)?))
    }

    /// Lines of a set of returns that say the same of a payment as a line before them: one return said twice, or two that
    /// nothing tells apart.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_said_twice(&mut self, set: &[i64]) -> Result<u64, StoreError> {
        let sql = format!(
            "select count(*) from answer_line l where l.file_in in ({0}) and exists (select 1 from answer_line w where w.file_in in ({0}) \
             and w.instruction_id = l.instruction_id and (w.file_in < l.file_in or (w.file_in = l.file_in and w.line < l.line)) \
             and coalesce(w.amount_fen, -1) = coalesce(l.amount_fen, -1) and {SAME_REF})",
            list(set)
        );
        self.one(sqlx::AssertSqlSafe(sql), args![]).await?.count(0)
    }

    /// The returns of an instruction that are on record, in their order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_on_record(&mut self, instruction: i64) -> Result<Vec<OnRecord>, StoreError> {
        let sql = "select id, amount_fen, statement, statement_line, part from waiting_return where instruction_id = $1 order by id";
        let read =
            |r: &Row| Ok(OnRecord { id: r.int(0)?, amount: r.fen(1)?, statement: r.opt_int(2)?.zip(r.opt_int(3)?), part: r.opt_int(4)? });
        self.rows(sql, args![instruction]).await?.iter().map(read).collect()
    }

    /// Puts a statement's credit on record as a return; where it is the money of a part that was never paid, as that part's.
    ///
    /// # Errors
    /// The database refused.
    pub async fn note_credit_back(
        &mut self,
        file: &FileOut,
        credit: &CreditBack<'_>,
        unpaid: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into waiting_return (instruction_id, file_out, statement, statement_line, money_on, amount_fen, reason, class, raw_code, raw_text, \
                   bank_ref, since, part, settled_at) values ($1, $2, $3, $4, $5, $6, $7, $8, '', $9, '', $10, $11, $12)";
        let (statement, line) = credit.at;
        let (reason, class) = credit.reason;
        let settled = unpaid.map(|_| now);
        self.exec(
            sql,
            args![
                credit.instruction,
                file.id,
                statement,
                line,
                credit.on,
                credit.amount,
                reason,
                class,
                credit.words,
                now,
                unpaid,
                settled
            ],
        )
        .await
        .map(|_| ())
    }

    /// Ties the credit on a statement to a return that a file said before. Says whether it had none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn prove_return(&mut self, id: i64, (statement, line): (i64, i64)) -> Result<bool, StoreError> {
        let sql = "update waiting_return set statement = $2, statement_line = $3 where id = $1 and statement is null";
        self.exec_one(sql, args![id, statement, line]).await
    }

    /// Whether the bank debits for every payment and credits back what failed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn debits_for_everything(&mut self, agreement: &str) -> Result<bool, StoreError> {
        Ok(self.opt("select number from agreement where number = $1 and debit_model = 'gross'", args![agreement]).await?.is_some())
    }

    /// The booking date of a statement's line.
    ///
    /// # Errors
    /// There is no such line, or the database refused.
    pub async fn booked_on(&mut self, statement: i64, line: i64) -> Result<NaiveDate, StoreError> {
        self.one("select on_date from statement_line where statement = $1 and line = $2", args![statement, line]).await?.date(0)
    }

    /// Lines of a file that two successes with different references of the bank stand for: one return settles but one of
    /// them. Looked for only among those that are in conflict and were sent back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn credited_twice(&mut self, file: &FileOut) -> Result<Vec<i64>, StoreError> {
        let sql = "select w.instruction_id from waiting_return w join instruction_state s on s.instruction_id = w.instruction_id \
                   where w.file_out = $1 and w.settled_at is null and s.state = 'conflict'";
        let ids: Vec<i64> = self.rows(sql, args![file.id]).await?.iter().map(|r| r.int(0)).collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Ok(ids);
        }
        let sql = format!(
            "select l.instruction_id from answer_line l where l.file_in in (select f.id from file_in f where f.file_out = $1 and f.kind in ('result', 'enquiry') and f.state = 'applied') \
             and l.outcome = 'paid' and l.is_final = 1 and l.bank_ref <> '' and l.instruction_id in ({}) group by l.instruction_id having count(distinct l.bank_ref) > 1",
            list(&ids)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Lines of a set that give a success another reference of the bank than it had: a second credit. With its line.
    ///
    /// # Errors
    /// The database refused.
    pub async fn second_credits(&mut self, set: &[i64], file: &FileOut, limit: i64) -> Result<Vec<(i64, (i64, i64))>, StoreError> {
        let ids = list(set);
        let sql = format!(
            "select id from file_in where file_out = $1 and kind in ('result', 'enquiry') and state = 'applied' and id not in ({ids})"
        );
        let before: Vec<i64> =
            self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?.iter().map(|r| r.int(0)).collect::<Result<_, _>>()?;
        if before.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("select coalesce(max(bank_ref), '') from answer_line where file_in in ({ids})");
        if self.one(sqlx::AssertSqlSafe(sql), args![]).await?.text(0)?.is_empty() {
            return Ok(Vec::new());
        }
        let credit = "outcome = 'paid' and is_final = 1 and bank_ref <> ''";
        let sql = format!(
            "select l.instruction_id, l.file_in, l.line from answer_line l join (select instruction_id, min(bank_ref) as one, max(bank_ref) as other \
             from answer_line where file_in in ({}) and {credit} group by instruction_id) e on e.instruction_id = l.instruction_id \
             where l.file_in in ({ids}) and l.{} and l.bank_ref <> e.one and l.bank_ref <> e.other order by l.file_in, l.line limit $1",
            list(&before),
            credit.replace(" and ", " and l.")
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![limit]).await?;
        rows.iter().map(|r| Ok((r.int(0)?, (r.int(1)?, r.int(2)?)))).collect()
    }

    /// Returns of payments that are asked back are for the reason for which they are: nobody may keep them. Says how many are new.
    ///
    /// # Errors
    /// The database refused.
    pub async fn ineligible_returns(&mut self, file: &FileOut) -> Result<u64, StoreError> {
        let asked = "failure_case c where c.instruction_id = waiting_return.instruction_id and c.kind = 'recovery' and c.state = 'open'";
        let sql = format!(
            "update waiting_return set reason = (select c.reason from {asked}), class = (select c.class from {asked}) \
             where file_out = $1 and settled_at is null and exists (select 1 from {asked} and c.class <> waiting_return.class)"
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id]).await
    }

    /// What would take effect now, grouped by where the lines stand and why they came back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn meetings(&mut self, file: &FileOut, twice: &[i64]) -> Result<Vec<Meeting>, StoreError> {
        let sql = format!(
            "select x.own_state, x.own_class, x.class, count(*), cast(sum(x.own_fen) as bigint) from ({}) x join transition t on t.state = x.own_state \
             and t.event = 'bank_returned' and t.next <> t.state group by x.own_state, x.own_class, x.class order by 1, 2, 3",
            meeting(twice)
        );
        let read = |r: &Row| {
            Ok(Meeting {
                state: r.code(0, InstructionState::from_code, "an instruction's state")?,
                class: r.string(1)?,
                next_class: r.string(2)?,
                count: r.count(3)?,
                total: r.fen(4)?,
            })
        };
        self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?.iter().map(read).collect()
    }

    /// Failed lines of which a set says that they were paid, and whose return is on record: credited, said not to be, and sent back. Not such
    /// of which persons said it too: they are asked once more (`back_though_said_paid`).
    ///
    /// # Errors
    /// The database refused.
    pub async fn explained_by_return(&mut self, set: &[i64], file: &FileOut) -> Result<Vec<Explained>, StoreError> {
        let sql = format!(
            "select s.state, s.class, w.instruction_id, i.payment_id, i.root_payment_id, s.amount_fen, w.reason, w.class, w.raw_text, w.money_on, '', \
             (select count(*) from instruction n where n.previous_id = i.id and n.live = 1 and n.part = 0), w.id from waiting_return w \
             join instruction_state s on s.instruction_id = w.instruction_id join instruction i on i.id = w.instruction_id where w.file_out = $1 \
             and w.settled_at is null and w.amount_fen = s.amount_fen and s.state in ('failed', 'failed_final', 'reissued', 'lapsed', 'refunding', 'refunded', 'carried') \
             and exists (select 1 from answer_line l \
             where l.file_in in ({}) and l.instruction_id = w.instruction_id and l.outcome = 'paid' and l.is_final = 1) \
             and not exists (select 1 from failure_case c where c.instruction_id = w.instruction_id and c.kind = 'double_payment_suspected' \
             and c.closed_as = 'paid' and s.state in ('reissued', 'refunded', 'carried')) order by w.instruction_id",
            list(set)
        );
        let read = |r: &Row| {
            Ok(Explained {
                state: r.code(0, InstructionState::from_code, "an instruction's state")?,
                class: r.string(1)?,
                line: sent_back(r, 2, r.int(12)?)?,
                has_successor: r.int(11)? > 0,
            })
        };
        self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?.iter().map(read).collect()
    }

    /// Gives a failed line the reason of its return, and its open case too. Says whether it has one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn explain_by_return(&mut self, line: &SentBack, owner: &str, now: Timestamp) -> Result<bool, StoreError> {
        let (reason, class) = &line.reason;
        let sql = "update instruction_state set reason = $2, class = $3, paid_fen = amount_fen, returned_fen = amount_fen where instruction_id = $1";
        self.exec(sql, args![line.instruction_id, reason, class]).await?;
        self.return_became(line.id, 0, now).await?;
        let sql = "update failure_case set reason = $2, class = $3, owner = $4 where instruction_id = $1 and state = 'open' and kind in ('failed', 'returned')";
        Ok(self.exec(sql, args![line.instruction_id, reason, class, owner]).await? > 0)
    }

    /// Notes of a line whose money went elsewhere since that it was credited and came back: its state, its reason and its money
    /// stay as they are.
    ///
    /// # Errors
    /// The database refused.
    pub async fn note_came_back(&mut self, line: &SentBack, now: Timestamp) -> Result<(), StoreError> {
        let sql = "update instruction_state set paid_fen = amount_fen, returned_fen = amount_fen where instruction_id = $1";
        self.exec(sql, args![line.instruction_id]).await?;
        self.return_became(line.id, 0, now).await
    }

    /// Files with such returns (`back_though_said_paid`).
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_back_though_said_paid(&mut self) -> Result<Vec<i64>, StoreError> {
        let sql = format!("select distinct w.file_out {BACK_THOUGH_SAID_PAID} order by w.file_out");
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Returns on record of lines whose money went elsewhere and that two persons said were paid all the same: no state has a way for
    /// them. Each with whether all of it came back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn back_though_said_paid(&mut self, file: &FileOut) -> Result<Vec<(SentBack, bool)>, StoreError> {
        let sql = format!(
            "select w.instruction_id, i.payment_id, i.root_payment_id, w.amount_fen, w.reason, w.class, w.raw_text, w.money_on, '', w.id, \
             case when w.amount_fen = s.amount_fen then 1 else 0 end {BACK_THOUGH_SAID_PAID} and w.file_out = $1 order by w.id"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![file.id]).await?;
        rows.iter().map(|r| Ok((sent_back(r, 0, r.int(9)?)?, r.int(10)? == 1))).collect()
    }

    /// Lets them take effect. Says which lines.
    ///
    /// # Errors
    /// The database refused.
    pub async fn meet_returns(&mut self, file: &FileOut, twice: &[i64], now: Timestamp) -> Result<Vec<SentBack>, StoreError> {
        let sql = format!(
            "select x.instruction_id, x.payment_id, x.root_payment_id, x.own_fen, x.reason, x.class, x.raw_text, x.money_on, '', x.id \
             from ({}) x join transition t on t.state = x.own_state and t.event = 'bank_returned' and t.next <> t.state order by x.instruction_id",
            meeting(twice)
        );
        let mut lines = self
            .rows(sqlx::AssertSqlSafe(sql), args![file.id])
            .await?
            .iter()
            .map(|r| sent_back(r, 0, r.int(9)?))
            .collect::<Result<Vec<_>, _>>()?;
        self.date_credits(file, &mut lines).await?;
        let sql = format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, returned_fen, reason, class, raw_code, raw_text, \
             bank_ref, file_in, line, since) select x.instruction_id, x.file_out, x.batch, t.next, x.own_fen, x.own_fen, x.own_fen, x.reason, x.class, x.raw_code, \
             x.raw_text, x.bank_ref, x.file_in, x.line, $2 from ({}) x join transition t on t.state = x.own_state and t.event = 'bank_returned' and t.next <> t.state \
             where true on conflict (instruction_id) do update set state = excluded.state, paid_fen = excluded.paid_fen, returned_fen = excluded.returned_fen, \
             reason = excluded.reason, class = excluded.class, raw_code = excluded.raw_code, raw_text = excluded.raw_text, bank_ref = excluded.bank_ref, \
             file_in = excluded.file_in, line = excluded.line, since = excluded.since",
            meeting(twice)
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id, now]).await?;
        for some in lines.chunks(5000) {
            let ids = list(&some.iter().map(|l| l.instruction_id).collect::<Vec<_>>());
            let own = list(&some.iter().map(|l| l.id).collect::<Vec<_>>());
            let sql = format!("update waiting_return set settled_at = $1, part = 0 where id in ({own})");
            self.exec(sqlx::AssertSqlSafe(sql), args![now]).await?;
            // The return explains whatever stood in doubt, and nobody is asked for what the bank brought back.
            let sql = format!(
                "update failure_case set state = 'closed', closed_at = $1, closed_as = 'evidence' where state = 'open' and kind in ('unknown', 'conflict', 'recovery') \
                 and instruction_id in ({ids})"
            );
            self.exec(sqlx::AssertSqlSafe(sql), args![now]).await?;
            self.suspicions_came_back(&ids, now).await?;
        }
        Ok(lines)
    }

    /// What was suspected to be paid twice came back whole: nothing is left to suspect. Of what was paid in part the rest may still be.
    async fn suspicions_came_back(&mut self, ids: &str, now: Timestamp) -> Result<(), StoreError> {
        let these = format!(
            "kind = 'double_payment_suspected' and state = 'open' and instruction_id in ({ids}) \
             and not exists (select 1 from remainder m where m.instruction_id = failure_case.instruction_id)"
        );
        let sql = format!(
            "update incident set state = 'closed', last_at = $1 where state = 'open' \
             and key in (select 'double:' || cast(instruction_id as text) from failure_case where {these})"
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![now]).await?;
        let sql = format!("update failure_case set state = 'closed', closed_at = $1, closed_as = 'evidence' where {these}");
        self.exec(sqlx::AssertSqlSafe(sql), args![now]).await?;
        // Nor does it hold its claim any more because persons said that it was paid.
        let sql = format!("update failure_case set closed_as = 'evidence' where {}", these.replace("state = 'open'", "closed_as = 'paid'"));
        self.exec(sqlx::AssertSqlSafe(sql), args![]).await.map(|_| ())
    }

    /// Finds when the bank said that lines were credited. A file's answers are as many as its lines: they are gone through once for
    /// some thousand of them, which a join with so few rows would not promise.
    async fn date_credits(&mut self, file: &FileOut, lines: &mut [SentBack]) -> Result<(), StoreError> {
        let sql = "select id from file_in where file_out = $1 and kind in ('result', 'enquiry') and state = 'applied'";
        let answers: Vec<i64> = self.rows(sql, args![file.id]).await?.iter().map(|r| r.int(0)).collect::<Result<_, _>>()?;
        if answers.is_empty() {
            return Ok(());
        }
        for some in lines.chunks_mut(5000) {
            let sql = format!(
                "select instruction_id, max(on_date) from answer_line where file_in in ({}) and outcome = 'paid' and is_final = 1 and on_date <> '' \
                 and instruction_id in ({}) group by instruction_id",
                list(&answers),
                list(&some.iter().map(|l| l.instruction_id).collect::<Vec<_>>())
            );
            let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
            let dates = rows.iter().map(|r| Ok((r.int(0)?, r.date(1)?))).collect::<Result<BTreeMap<_, _>, StoreError>>()?;
            some.iter_mut().for_each(|line| line.credited_on = dates.get(&line.instruction_id).copied());
        }
        Ok(())
    }

    /// Writes beside their cases the day on which the money was with us again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn date_returns(&mut self, kind: &str, lines: &[SentBack]) -> Result<(), StoreError> {
        let days: BTreeSet<(NaiveDate, i64)> = lines.iter().map(|l| (l.money_on, l.part)).collect();
        for (day, part) in days {
            let ids: Vec<i64> = lines.iter().filter(|l| (l.money_on, l.part) == (day, part)).map(|l| l.instruction_id).collect();
            for some in ids.chunks(5000) {
                let sql =
                    format!("update failure_case set money_on = $1 where kind = $2 and part = $3 and instruction_id in ({})", list(some));
                self.exec(sqlx::AssertSqlSafe(sql), args![day, kind, part]).await?;
            }
        }
        Ok(())
    }

    /// The day on which a bank first told of a file's successes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn told_at(&mut self, file: i64) -> Result<Option<Timestamp>, StoreError> {
        let sql = "select min(seen_at) from file_in where file_out = $1 and kind in ('result', 'enquiry') and state = 'applied'";
        self.one(sql, args![file]).await?.opt_time(0)
    }

    /// Keys of the alarms that a return waits.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_told(&mut self) -> Result<BTreeSet<String>, StoreError> {
        let sql = "select key from incident where kind = 'return_waiting' and state = 'open'";
        self.rows(sql, args![]).await?.iter().map(|r| r.string(0)).collect()
    }

    /// Files with returns that wait for their success.
    ///
    /// # Errors
    /// The database refused.
    pub async fn returns_waiting(&mut self) -> Result<Vec<Waiting>, StoreError> {
        let sql = format!(
            "select w.file_out, count(*), cast(sum(w.amount_fen) as bigint) from waiting_return w join file_out f on f.id = w.file_out \
             left join instruction_state s on s.instruction_id = w.instruction_id where w.settled_at is null and coalesce(s.state, f.lines_state) in {WAITS} \
             group by w.file_out order by w.file_out"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter().map(|r| Ok(Waiting { file_out: r.int(0)?, lines: r.count(1)?, total: r.fen(2)? })).collect()
    }
}

fn sent_back(r: &Row, at: usize, id: i64) -> Result<SentBack, StoreError> {
    Ok(SentBack {
        id,
        part: 0,
        instruction_id: r.int(at)?,
        payments: (r.int(at + 1)?, r.int(at + 2)?),
        amount: r.fen(at + 3)?,
        reason: (r.string(at + 4)?, r.string(at + 5)?),
        words: r.string(at + 6)?,
        money_on: r.date(at + 7)?,
        credited_on: if r.text(at + 8)?.is_empty() { None } else { Some(r.date(at + 8)?) },
    })
}
