//! Failure cases over their life (台账): when their money came, when somebody is reminded, what a reissue does to them, and
//! who was paid though not eligible.
//!
//! No question here walks over history. Cases are found by partial indexes over open ones; a reissue's cases by the number
//! that whoever made its block wrote into them; people put on the list of those who may not be paid by `ineligible_news`,
//! which triggers keep, and their payments by the index over the person entitled.

use chrono::NaiveDate;
use serde::Serialize;

use super::StoreError;
use super::reports::Addressee;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::report::RecoveryRow;
use crate::domain::time::Timestamp;

/// Overdue cases of one department with one reason.
#[derive(Clone, Debug)]
pub struct OverdueGroup {
    /// Who must act; without a code: finance IT, whose matter it is.
    pub department: Addressee,
    /// Why.
    pub reason: Reason,
    /// What that asks for.
    pub class: ReasonClass,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub amount: Fen,
    /// The earliest day on which money of theirs reached the account.
    pub money_on: NaiveDate,
    /// The earliest day by which one of them was due.
    pub due_on: NaiveDate,
}

/// Which overdue cases a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Whose reminder is due at this instant.
    Remind(Timestamp),
    /// That were due on this day or before, and that nobody above was told of.
    Escalate(NaiveDate),
}

/// A case that a reissue is under way for.
#[derive(Clone, Debug)]
pub struct BeingReissued {
    /// The case.
    pub case: i64,
    /// The instruction that pays it again.
    pub successor: i64,
    /// Where that one stands.
    pub state: InstructionState,
    /// Whether that one has a case of its own.
    pub has_case: bool,
}

/// Somebody who was put on the list of those who may not be paid.
#[derive(Clone, Debug)]
pub struct Excluded {
    /// The person.
    pub id_number: IdNumber,
    /// The project, or all.
    pub project: String,
}

/// A payment to such a person.
#[derive(Clone, Debug)]
pub struct PaidTo {
    /// The instruction.
    pub instruction: i64,
    /// Where it stands.
    pub state: InstructionState,
    /// Its file.
    pub file_out: Option<i64>,
    /// The day the bank was told to pay.
    pub told_on: Option<NaiveDate>,
    /// Whether a recovery was opened for it.
    pub has_case: bool,
}

/// A case, as far as money moves by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFacts {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// The payment.
    pub payment_id: i64,
    /// The instruction, if there was one.
    pub instruction: Option<i64>,
    /// The batch.
    pub batch: String,
    /// The payment's number in it.
    pub seq: i64,
    /// The department.
    pub department: String,
    /// How much.
    pub amount: Fen,
    /// The reason's code.
    pub reason: String,
    /// The class's code.
    pub class: String,
    /// Whether it is open.
    pub is_open: bool,
    /// The instruction of a reissue under way.
    pub successor: Option<i64>,
    /// Whether it stands in a refund order that is not refused.
    pub in_refund: bool,
    /// A line on what was done.
    pub note: String,
    /// Who looks after it.
    pub assignee: String,
    /// What of the instruction it is about: 0 for itself, else that part of what remains of it.
    pub part: i64,
}

/// All that is known of a case, nobody named whole.
#[derive(Clone, Debug, Serialize)]
pub struct CaseDetail {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// `open` or `closed`.
    pub state: String,
    /// How it was closed.
    pub closed_as: String,
    /// The department.
    pub department: String,
    /// The batch.
    pub batch: String,
    /// The payment's number in it.
    pub seq: i64,
    /// The instruction's reference, if there was one.
    pub reference: String,
    /// Where that stands.
    pub instruction_state: String,
    /// The bank.
    pub bank: String,
    /// Who was to be paid, masked.
    pub payee: String,
    /// The card, masked.
    pub account: String,
    /// The village.
    pub village: String,
    /// How much.
    pub fen: Fen,
    /// The reason's code.
    pub reason: String,
    /// The class's code.
    pub class: String,
    /// What the bank or the gate said.
    pub detail: String,
    /// Who must act.
    pub owner: String,
    /// Who looks after it.
    pub assignee: String,
    /// What was noted last.
    pub note: String,
    /// When its money reached the account.
    pub money_on: String,
    /// By when.
    pub due_on: String,
    /// How often somebody was reminded.
    pub reminded: i64,
    /// When those above were told.
    pub escalated_at: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The reissue under way.
    pub reissued_by: String,
    /// What was done, oldest first.
    pub history: Vec<CaseEvent>,
}

/// Something that was done about a case or its instruction.
#[derive(Clone, Debug, Serialize)]
pub struct CaseEvent {
    /// When.
    pub at: Option<Timestamp>,
    /// By whom.
    pub actor: String,
    /// What.
    pub what: String,
    /// In words.
    pub detail: String,
}

/// A payment that may be what somebody gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCandidate {
    /// The case.
    pub case: i64,
    /// The instruction.
    pub instruction: i64,
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// How much.
    pub amount: Fen,
    /// Since when it is asked for.
    pub opened_on: NaiveDate,
}

/// Cases that nobody is reminded of: they are being paid again, or their money is on its way back.
const RESTS: &str = "c.successor is not null or (c.kind <> 'partial' and exists (select 1 from instruction_state s where s.instruction_id = c.instruction_id \
     and s.state = 'refunding')) or (c.kind = 'partial' and exists (select 1 from remainder m where m.instruction_id = c.instruction_id \
     and m.part = c.part and m.state = 'refunding'))";
const CANDIDATE: &str = "select c.id, c.instruction_id, c.department, b.project, c.amount_fen, c.business_date from failure_case c \
     join batch b on b.number = c.batch join instruction i on i.id = c.instruction_id left join instruction_state s on s.instruction_id = i.id \
     where c.state = 'open' and c.kind = 'recovery' and coalesce(s.state, 'paid') = 'paid'";

impl Overdue {
    const fn condition(self) -> &'static str {
        match self {
            Self::Remind(_) => "c.state = 'open' and c.remind_at <= $1",
            Self::Escalate(_) => "c.state = 'open' and c.escalated_at is null and c.due_on <= $1",
        }
    }

    fn value(self) -> super::sql::Value {
        match self {
            Self::Remind(now) => now.into(),
            Self::Escalate(until) => until.into(),
        }
    }
}

fn candidate(r: &Row) -> Result<RecoveryCandidate, StoreError> {
    Ok(RecoveryCandidate {
        case: r.int(0)?,
        instruction: r.int(1)?,
        department: r.string(2)?,
        project: r.string(3)?,
        amount: r.fen(4)?,
        opened_on: r.date(5)?,
    })
}

impl Tx {
    /// Open cases without the day of their money: the case's batch, the batch whose money it is, when funds last came
    /// before that one passed the gate, when it did, and by when the cases are due.
    ///
    /// # Errors
    /// The database refused.
    pub async fn cases_undated(
        &mut self,
        limit: i64,
    ) -> Result<Vec<(String, String, Option<Timestamp>, Timestamp, NaiveDate)>, StoreError> {
        let sql = "select x.batch, x.root, (select max(f.arrived_at) from funding f where f.department = b.department and f.project = b.project \
                   and f.year = a.year and f.arrived_at <= a.decided_at), a.decided_at, x.due_on from (select distinct c.batch as batch, p.batch as root, \
                   c.due_on as due_on from failure_case c join payment p on p.id = c.root_payment_id where c.money_on = '' limit $1) x \
                   join batch b on b.number = x.root join admission a on a.batch = x.root order by x.batch, x.root, x.due_on";
        let rows = self.rows(sql, args![limit]).await?;
        rows.iter().map(|r| Ok((r.string(0)?, r.string(1)?, r.opt_time(2)?, Timestamp::from_millis(r.int(3)?), r.date(4)?))).collect()
    }

    /// Writes the day of the money into such cases, and when somebody is to be reminded of them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn date_cases(
        &mut self,
        (batch, root, due_on): (&str, &str, NaiveDate),
        money_on: NaiveDate,
        remind_at: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = "update failure_case set money_on = $4, remind_at = $5 where money_on = '' and batch = $1 and due_on = $3 \
                   and exists (select 1 from payment p where p.id = failure_case.root_payment_id and p.batch = $2)";
        self.exec(sql, args![batch, root, due_on, money_on, remind_at]).await
    }

    /// Overdue cases by department and reason. What is finance IT's matter stands under no department, unless a whole
    /// department is escalated.
    ///
    /// # Errors
    /// The database refused.
    pub async fn overdue_groups(&mut self, which: Overdue) -> Result<Vec<OverdueGroup>, StoreError> {
        let whose = "case when c.owner = 'operator' then '' else c.department end";
        let sql = format!(
            "select x.whose, coalesce(d.name, x.whose), coalesce(d.mail, ''), x.reason, x.class, x.n, x.fen, x.money_on, x.due_on from (select {whose} as whose, \
             c.reason as reason, c.class as class, count(*) as n, cast(sum(c.amount_fen) as bigint) as fen, min(case when c.money_on = '' then c.business_date \
             else c.money_on end) as money_on, min(c.due_on) as due_on from failure_case c where {} and not ({RESTS}) group by 1, 2, 3) x \
             left join department d on d.code = x.whose order by 1, x.n desc, 4",
            which.condition()
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), vec![which.value()]).await?;
        rows.iter()
            .map(|r| {
                let reason = Reason::from_code(r.text(3)?).unwrap_or(Reason::OtherUnmapped);
                Ok(OverdueGroup {
                    department: Addressee { code: r.string(0)?, name: r.string(1)?, mail: r.string(2)? },
                    reason,
                    class: ReasonClass::from_code(r.text(4)?).unwrap_or(reason.class()),
                    count: r.count(5)?,
                    amount: r.fen(6)?,
                    money_on: r.date(7)?,
                    due_on: r.date(8)?,
                })
            })
            .collect()
    }

    /// Counts a reminder or an escalation on a department's cases. How many.
    ///
    /// # Errors
    /// The database refused.
    pub async fn overdue_told(&mut self, which: Overdue, department: &str, next_at: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let (set, at) = match which {
            Overdue::Remind(_) => ("reminded = reminded + 1, remind_at = $3", next_at),
            Overdue::Escalate(_) => ("escalated_at = $3", now),
        };
        let sql = format!(
            "update failure_case set {set} where id in (select c.id from failure_case c where {} and not ({RESTS}) \
             and case when c.owner = 'operator' then '' else c.department end = $2)",
            which.condition()
        );
        self.exec(sqlx::AssertSqlSafe(sql), vec![which.value(), department.into(), at.into()]).await
    }

    /// Puts a department's reminders that are due off to another time: it had its letter of today.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_off_reminders(&mut self, now: Timestamp, department: &str, next_at: Timestamp) -> Result<u64, StoreError> {
        let sql = "update failure_case set remind_at = $3 where state = 'open' and remind_at <= $1 \
                   and case when owner = 'operator' then '' else department end = $2";
        self.exec(sql, args![now, department, next_at]).await
    }

    /// Ties open cases to the instructions of a new block that pay theirs again: called by whoever makes the block.
    ///
    /// # Errors
    /// The database refused.
    pub async fn being_reissued(&mut self, range: (i64, i64)) -> Result<(), StoreError> {
        let sql = "update failure_case set successor = (select max(n.id) from instruction n where n.previous_id = failure_case.instruction_id \
                   and n.part = failure_case.part and n.id >= $1 and n.id <= $2) where state = 'open' and kind in ('failed', 'returned', 'partial') \
                   and (instruction_id, part) in (select n.previous_id, n.part from instruction n where n.id >= $1 and n.id <= $2 and n.previous_id is not null)";
        self.exec(sql, args![range.0, range.1]).await.map(|_| ())
    }

    /// Open cases whose reissue is under way, with where it stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn cases_being_reissued(&mut self, after: i64, limit: i64) -> Result<Vec<BeingReissued>, StoreError> {
        let sql = "select c.id, c.successor, v.state, case when exists (select 1 from failure_case n where n.instruction_id = c.successor \
                   and n.kind in ('failed', 'returned')) then 1 else 0 end from failure_case c join v_instruction v on v.id = c.successor \
                   where c.state = 'open' and c.successor is not null and c.id > $1 order by c.id limit $2";
        let rows = self.rows(sql, args![after, limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(BeingReissued {
                    case: r.int(0)?,
                    successor: r.int(1)?,
                    state: r.code(2, InstructionState::from_code, "an instruction's state")?,
                    has_case: r.int(3)? == 1,
                })
            })
            .collect()
    }

    /// Closes a case. Says whether it was open.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_case(&mut self, case: i64, closed_as: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update failure_case set state = 'closed', closed_at = $3, closed_as = $2 where id = $1 and state = 'open'";
        self.exec_one(sql, args![case, closed_as, now]).await
    }

    /// A reissue came to nothing: its case waits for somebody again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reissue_given_up(&mut self, case: &BeingReissued) -> Result<bool, StoreError> {
        let sql = "update failure_case set successor = null where id = $1 and successor = $2";
        self.exec_one(sql, args![case.case, case.successor]).await
    }

    /// People newly on the list of those who may not be paid, and those of whom something is still under way.
    ///
    /// # Errors
    /// The database refused.
    pub async fn excluded_open(&mut self, after: Option<&Excluded>, limit: i64) -> Result<Vec<Excluded>, StoreError> {
        let sql = "select id_number, project from ineligible_news where is_open = 1 and (id_number, project) > ($1, $2) order by id_number, project limit $3";
        let nobody = Excluded { id_number: IdNumber::new(""), project: String::new() };
        let after = after.unwrap_or(&nobody);
        let rows = self.rows(sql, args![&after.id_number, &after.project, limit]).await?;
        rows.iter().map(|r| Ok(Excluded { id_number: IdNumber::new(r.text(0)?), project: r.string(1)? })).collect()
    }

    /// Keeps everybody else from the news of such a person until this transaction ends. Says why and since when he may not be
    /// paid, as it stands then; `None`: he is not on the list any more.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_excluded(&mut self, who: &Excluded) -> Result<Option<(Reason, NaiveDate)>, StoreError> {
        let sql = "update ineligible_news set is_open = is_open where id_number = $1 and project = $2";
        self.exec(sql, args![&who.id_number, &who.project]).await?;
        let sql = "select reason, from_date from ineligible where id_number = $1 and project = $2";
        let Some(r) = self.opt(sql, args![&who.id_number, &who.project]).await? else { return Ok(None) };
        Ok(Some((Reason::from_code(r.text(0)?).unwrap_or(Reason::Ineligible), r.date(1)?)))
    }

    /// The instructions that pay such a person, as entitled or as receiver.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_to(&mut self, who: &Excluded) -> Result<Vec<PaidTo>, StoreError> {
        const TAIL: &str = "join batch b on b.number = p.batch join v_instruction v on v.payment_id = p.id left join file_out f on f.id = v.file_out \
             where ($2 = '' or b.project = $2)";
        let columns = "select v.id, v.state, v.file_out, coalesce(f.business_date, ''), \
             case when exists (select 1 from failure_case c where c.instruction_id = v.id and c.kind = 'recovery') then 1 else 0 end from payment p";
        let sql = format!(
            "{columns} {TAIL} and upper(p.entitled_id) = upper(trim($1)) \
             union {columns} {TAIL} and upper(p.payee_id) = upper(trim($1)) and upper(p.payee_id) <> upper(p.entitled_id) order by 1"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![&who.id_number, &who.project]).await?;
        rows.iter()
            .map(|r| {
                Ok(PaidTo {
                    instruction: r.int(0)?,
                    state: r.code(1, InstructionState::from_code, "an instruction's state")?,
                    file_out: r.opt_int(2)?,
                    told_on: r.text(3)?.parse().ok(),
                    has_case: r.int(4)? == 1,
                })
            })
            .collect()
    }

    /// When the bank says that it credited one line of a file, where it says so. It reads the file's answers: only asked
    /// of somebody who became ineligible between the instruction and the answer.
    ///
    /// # Errors
    /// The database refused.
    pub async fn credited_on(&mut self, file: i64, instruction: i64) -> Result<Option<NaiveDate>, StoreError> {
        let sql = "select max(l.on_date) from answer_line l where l.file_in in (select f.id from file_in f where f.file_out = $1 and f.state = 'applied') \
                   and l.instruction_id = $2 and l.outcome = 'paid' and l.is_final = 1";
        Ok(self.one(sql, args![file, instruction]).await?.text(0)?.parse().ok())
    }

    /// Nothing of this person's is under way any more: asked again only when the row changes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn excluded_done(&mut self, who: &Excluded) -> Result<(), StoreError> {
        let sql = "update ineligible_news set is_open = 0 where id_number = $1 and project = $2";
        self.exec(sql, args![&who.id_number, &who.project]).await.map(|_| ())
    }

    /// A batch is on the books again after some of it was paid: whoever of it is on the list is looked at again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn look_at_excluded_of(&mut self, batch: &str) -> Result<(), StoreError> {
        let sql = "update ineligible_news set is_open = 1 where upper(trim(id_number)) in (select upper(p.entitled_id) from payment p where p.batch = $1) \
                   or upper(trim(id_number)) in (select upper(p.payee_id) from payment p where p.batch = $1)";
        self.exec(sql, args![batch]).await.map(|_| ())
    }

    /// Opens a recovery for a paid instruction, once. Says whether it did.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_recovery(
        &mut self,
        instruction: i64,
        reason: Reason,
        words: &str,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, bank, amount_fen, reason, class, detail, owner, \
                   business_date, due_on, opened_at) select 'recovery', i.payment_id, i.root_payment_id, i.id, i.batch, b.department, coalesce(f.bank, ''), \
                   coalesce(s.amount_fen, i.amount_fen), $2, $3, $4, 'department', $5, $6, $7 from instruction i join batch b on b.number = i.batch \
                   left join v_instruction v on v.id = i.id left join file_out f on f.id = v.file_out left join instruction_state s on s.instruction_id = i.id \
                   where i.id = $1 on conflict (instruction_id, kind, part) where instruction_id is not null do nothing";
        let values = args![instruction, reason.code(), ReasonClass::Ineligible.code(), words, business_date, due_on, now];
        self.exec_one(sql, values).await
    }

    /// Recoveries that their department was not told of: the department, then its cases.
    ///
    /// # Errors
    /// The database refused.
    pub async fn recoveries_untold(&mut self, limit: i64) -> Result<Vec<(Addressee, i64, RecoveryRow)>, StoreError> {
        let sql = "select c.department, coalesce(d.name, c.department), coalesce(d.mail, ''), c.id, p.township, p.village, i.payee_name, i.payee_id, i.account, \
                   c.batch, p.seq, j.name, c.amount_fen, c.reason, c.due_on, coalesce(f.business_date, '') from failure_case c join payment p on p.id = c.payment_id \
                   join instruction i on i.id = c.instruction_id join batch b on b.number = c.batch join project j on j.code = b.project \
                   left join department d on d.code = c.department left join v_instruction v on v.id = i.id left join file_out f on f.id = v.file_out \
                   where c.mail is null and c.state = 'open' and c.kind = 'recovery' order by c.department, c.id limit $1";
        let rows = self.rows(sql, args![limit]).await?;
        rows.iter()
            .map(|r| {
                let whose = Addressee { code: r.string(0)?, name: r.string(1)?, mail: r.string(2)? };
                let row = RecoveryRow {
                    case: r.int(3)?,
                    township: r.string(4)?,
                    village: r.string(5)?,
                    payee_name: Name::new(r.text(6)?),
                    id_number: IdNumber::new(r.text(7)?),
                    account: Account::new(r.text(8)?),
                    payment_no: super::reports::payment_no(r.text(9)?, r.int(10)?),
                    project: r.string(11)?,
                    amount: r.fen(12)?,
                    reason: Reason::from_code(r.text(13)?).unwrap_or(Reason::Ineligible),
                    due: r.date(14)?,
                    told_on: r.text(15)?.parse().ok(),
                };
                Ok((whose, r.int(3)?, row))
            })
            .collect()
    }

    /// Paid instructions whose money is asked back, of this amount; with a name or a card, only those.
    ///
    /// # Errors
    /// The database refused.
    pub async fn recovery_candidates(
        &mut self,
        amount: Fen,
        name: Option<&Name>,
        account: Option<&Account>,
    ) -> Result<Vec<RecoveryCandidate>, StoreError> {
        let sql =
            format!("{CANDIDATE} and c.amount_fen = $1 and ($2 = '' or i.payee_name = $2) and ($3 = '' or i.account = $3) order by c.id");
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let values = args![amount, text(name.map(Name::reveal)), text(account.map(Account::reveal))];
        self.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(candidate).collect()
    }

    /// The open recovery of an instruction whose money has not been seen yet.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_recovery_of(&mut self, instruction: i64) -> Result<Option<RecoveryCandidate>, StoreError> {
        let sql = format!("{CANDIDATE} and c.instruction_id = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![instruction]).await?.as_ref().map(candidate).transpose()
    }

    /// A case by its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn case_facts(&mut self, id: i64) -> Result<Option<CaseFacts>, StoreError> {
        let sql = "select c.id, c.kind, c.payment_id, c.instruction_id, c.batch, p.seq, c.department, c.amount_fen, c.reason, c.class, \
                   case when c.state = 'open' then 1 else 0 end, c.successor, case when exists (select 1 from refund_line l where l.instruction_id = c.instruction_id \
                   and l.part = c.part and l.live = 1) then 1 else 0 end, c.note, c.assignee, c.part from failure_case c join payment p on p.id = c.payment_id where c.id = $1";
        let row = self.opt(sql, args![id]).await?;
        row.map(|r| {
            Ok(CaseFacts {
                id: r.int(0)?,
                kind: r.string(1)?,
                payment_id: r.int(2)?,
                instruction: r.opt_int(3)?,
                batch: r.string(4)?,
                seq: r.int(5)?,
                department: r.string(6)?,
                amount: r.fen(7)?,
                reason: r.string(8)?,
                class: r.string(9)?,
                is_open: r.int(10)? == 1,
                successor: r.opt_int(11)?,
                in_refund: r.int(12)? == 1,
                note: r.string(13)?,
                assignee: r.string(14)?,
                part: r.int(15)?,
            })
        })
        .transpose()
    }

    /// A case with its history.
    ///
    /// # Errors
    /// The database refused.
    pub async fn case_detail(&mut self, id: i64) -> Result<Option<CaseDetail>, StoreError> {
        let sql = "select c.id, c.kind, c.state, c.closed_as, c.department, c.batch, p.seq, c.instruction_id, coalesce(v.state, ''), c.bank, p.payee_name, p.account, \
                   p.village, c.amount_fen, c.reason, c.class, c.detail, c.owner, c.assignee, c.note, c.money_on, c.due_on, c.reminded, c.escalated_at, c.opened_at, \
                   c.closed_at, c.successor from failure_case c join payment p on p.id = c.payment_id left join v_instruction v on v.id = c.instruction_id where c.id = $1";
        let Some(r) = self.opt(sql, args![id]).await? else { return Ok(None) };
        let instruction = r.opt_int(7)?;
        let reference = |id: Option<i64>| id.map(|id| EndToEndId(id).to_string()).unwrap_or_default();
        let sql = "select at, actor, what, detail from event where (subject = 'case' and subject_id = $1) or (subject = 'instruction' and subject_id = $2) order by id";
        let events = self.rows(sql, args![id, instruction.unwrap_or(-1)]).await?;
        let history = events
            .iter()
            .map(|e| Ok::<_, StoreError>(CaseEvent { at: e.opt_time(0)?, actor: e.string(1)?, what: e.string(2)?, detail: e.string(3)? }));
        Ok(Some(CaseDetail {
            id: r.int(0)?,
            kind: r.string(1)?,
            state: r.string(2)?,
            closed_as: r.string(3)?,
            department: r.string(4)?,
            batch: r.string(5)?,
            seq: r.int(6)?,
            reference: reference(instruction),
            instruction_state: r.string(8)?,
            bank: r.string(9)?,
            payee: Name::new(r.text(10)?).to_string(),
            account: Account::new(r.text(11)?).to_string(),
            village: r.string(12)?,
            fen: r.fen(13)?,
            reason: r.string(14)?,
            class: r.string(15)?,
            detail: crate::domain::scrub::scrub_bank_text(r.text(16)?),
            owner: r.string(17)?,
            assignee: r.string(18)?,
            note: r.string(19)?,
            money_on: r.string(20)?,
            due_on: r.string(21)?,
            reminded: r.int(22)?,
            escalated_at: r.opt_time(23)?,
            opened_at: r.opt_time(24)?,
            closed_at: r.opt_time(25)?,
            reissued_by: reference(r.opt_int(26)?),
            history: history.collect::<Result<_, _>>()?,
        }))
    }

    /// Gives a case another reason and class, and whoever must act on that.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reclassify_case(&mut self, case: i64, reason: Reason, owner: &str) -> Result<bool, StoreError> {
        let sql = "update failure_case set reason = $2, class = $3, owner = $4 where id = $1 and state = 'open'";
        self.exec_one(sql, args![case, reason.code(), reason.class().code(), owner]).await
    }

    /// Gives a line, or what remains of it, another reason and class, where it still stands as read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reclassify_line(
        &mut self,
        (instruction, part): (i64, i64),
        state: InstructionState,
        reason: Reason,
    ) -> Result<bool, StoreError> {
        let sql = if part > 0 {
            "update remainder set reason = $3, class = $4 where instruction_id = $1 and state = $2 and part = $5"
        } else {
            "update instruction_state set reason = $3, class = $4 where instruction_id = $1 and state = $2 and $5 = 0"
        };
        self.exec_one(sql, args![instruction, state.code(), reason.code(), reason.class().code(), part]).await
    }

    /// Who looks after a case, and what is noted of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn keep_case(&mut self, case: i64, assignee: &str, note: &str) -> Result<bool, StoreError> {
        self.exec_one("update failure_case set assignee = $2, note = $3 where id = $1", args![case, assignee, note]).await
    }
}

impl CaseFacts {}

impl PaidTo {
    /// Whether it may still become paid.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        match self.state.figure() {
            Figure::Pending | Figure::InFlight | Figure::Unknown => true,
            Figure::Failed => matches!(self.state, InstructionState::Failed),
            Figure::Paid | Figure::Returned | Figure::Voided => false,
        }
    }
}
