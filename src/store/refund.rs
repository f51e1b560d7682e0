//! Refund orders and their lines: found, claimed, moved. An order's lines move by one statement each, by the transition
//! table, and every statement says how many it moved, so that a line that stands elsewhere is seen and never left behind.

use super::StoreError;
use super::remainders::rest_in_question;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::exchange::{Outcome, PaymentLine};
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::Event;
use crate::domain::ledger::Purse;
use crate::domain::masked::{Account, Name};
use crate::domain::money::Fen;
use crate::domain::refund::{FundsModel, OrderState, ProofKind, Why};
use crate::domain::time::Timestamp;

/// Money of one purse that is due back and stands in no order yet, by what one order may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The agreement that paid it.
    pub agreement: String,
    /// Its bank.
    pub bank: String,
    /// The budget line of the batches.
    pub budget_line: String,
    /// Their voucher.
    pub voucher: String,
    /// Whose money it is.
    pub funds: FundsModel,
    /// How many lines.
    pub lines: u64,
    /// Their sum.
    pub amount: Fen,
}

/// An order about to be written.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// Its reference's number, from the instructions' counter.
    pub id: i64,
    /// Its number.
    pub number: &'a str,
    /// Department, project, fiscal year.
    pub purse: (&'a str, &'a str, i32),
    /// Why.
    pub why: Why,
    /// The month that asked for it, or empty.
    pub month: &'a str,
    /// By what it will be proven.
    pub proof: ProofKind,
    /// Who asked for it.
    pub by: &'a str,
}

/// A refund order (退款凭证).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its reference's number.
    pub id: i64,
    /// Its number.
    pub number: String,
    /// Whose money it is, and the bank that holds it.
    pub purse: Purse,
    /// The agreement whose account it leaves.
    pub agreement: String,
    /// The budget line.
    pub budget_line: String,
    /// The voucher by which the money was given.
    pub voucher: String,
    /// Why.
    pub why: Why,
    /// Whose money it is.
    pub funds: FundsModel,
    /// By what it is proven.
    pub proof: ProofKind,
    /// How many lines.
    pub lines: u64,
    /// Their sum.
    pub amount: Fen,
    /// Where it stands.
    pub state: OrderState,
    /// The proposal that asks for its approval.
    pub proposal: Option<i64>,
    /// Who asked for it.
    pub proposed_by: String,
    /// Who approved it.
    pub approved_by: String,
    /// The file that carries it.
    pub file_out: Option<i64>,
    /// What the treasury said.
    pub receipt: String,
    /// Why it was refused or given up.
    pub reason: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it went out.
    pub sent_at: Option<Timestamp>,
    /// When its money was seen.
    pub refunded_at: Option<Timestamp>,
}

/// Where the money goes, by the agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treasury {
    /// The profile of its files; empty: printed and carried.
    pub profile: String,
    /// The treasury's account.
    pub account: Account,
    /// Its name.
    pub name: String,
    /// Its bank.
    pub bank: String,
}

/// One line of an order, as its paper shows it.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// The line.
    pub line: i64,
    /// The failed instruction.
    pub instruction: i64,
    /// Whether it is what remains of a partly paid one.
    pub is_rest: bool,
    /// How much.
    pub amount: Fen,
    /// Its batch, and the payment's number in it.
    pub batch: String,
    /// The payment's number in the batch.
    pub seq: i64,
    /// The payee.
    pub payee: Name,
    /// Why it failed.
    pub reason: String,
}

/// Names for an order's paper. The accounts are an office's and the treasury's: they stand there whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNames {
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// Whose account it leaves.
    pub payer: String,
    /// That account.
    pub payer_account: String,
    /// Its bank.
    pub bank: String,
    /// The treasury's name.
    pub treasury: String,
    /// Its account.
    pub treasury_account: String,
    /// Its bank.
    pub treasury_bank: String,
}

/// What a bank says of an order.
#[derive(Clone, Debug)]
pub struct OrderAnswer {
    /// The order that its reference names.
    pub order: Option<i64>,
    /// What its status means.
    pub outcome: Outcome,
    /// Whether that is final.
    pub is_final: bool,
    /// Why, where it was not done.
    pub reason: String,
    /// Code and words.
    pub text: String,
    /// The bank's own reference.
    pub bank_ref: String,
    /// The account, where echoed.
    pub account: Account,
    /// The amount, where echoed.
    pub amount: Option<Fen>,
    /// The amount moved, where said.
    pub paid: Option<Fen>,
}

/// What stands for an order in lines and money.
pub type Count = (u64, Fen);

/// Whole instructions of a purse ($1 department, $2 project, $3 year) and what remains of partly paid ones. Left out: who is
/// in an order, whose entitlement somebody else holds, what remains of one that may have been paid whole, and failures of an account
/// debited in full whose money was not seen to come back.
macro_rules! due {
    ($whole:literal, $rest:literal) => {
        concat!(
            "(select i.id as instruction_id, 0 as part, s.amount_fen as amount_fen, f.agreement as agreement, f.bank as bank, b.budget_line as budget_line, \
             b.voucher as voucher, g.funds_model as funds_model from batch b join admission a on a.batch = b.number \
             join instruction_state s on s.batch = b.number join instruction i on i.id = s.instruction_id join file_out f on f.id = s.file_out \
             join agreement g on g.number = f.agreement where b.department = $1 and b.project = $2 and a.year = $3 and ",
            $whole,
            // What a payee gave back is the treasury's, whatever he has besides.
            " and (s.state = 'recovered' or not ",
            rest_in_question!("i"),
            ") and not exists (select 1 from instruction o where o.claim_key = i.claim_key and o.live = 1 and o.id <> i.id) \
             and not exists (select 1 from refund_line l where l.instruction_id = i.id and l.part = 0 and l.live = 1) \
             and (g.debit_model <> 'gross' or s.state = 'recovered' or exists (select 1 from statement_match m where (m.kind in ('credit_back', 'return') \
             and m.subject = i.id) or (m.kind in ('credit_back_file', 'return_file') and m.subject = s.file_out))) \
             union all select i.id, r.part, r.amount_fen, f.agreement, f.bank, b.budget_line, b.voucher, g.funds_model from batch b \
             join admission a on a.batch = b.number join remainder r on r.batch = b.number join instruction i on i.id = r.instruction_id \
             join file_out f on f.id = r.file_out join agreement g on g.number = f.agreement where b.department = $1 and b.project = $2 and a.year = $3 and ",
            $rest,
            " and not exists (select 1 from instruction o where o.previous_id = i.id and o.part = r.part and o.live = 1) \
             and not exists (select 1 from refund_line l where l.instruction_id = i.id and l.part = r.part and l.live = 1) \
             and not exists (select 1 from failure_case c where c.instruction_id = r.instruction_id and c.kind = 'double_payment_suspected' and c.state = 'open') \
             and (g.debit_model <> 'gross' or exists (select 1 from statement_match m where (m.kind in ('credit_back', 'return') and m.subject = i.id) \
             or (m.kind in ('credit_back_file', 'return_file') and m.subject = r.file_out)))) x"
        )
    };
}
const INELIGIBLE: &str = due!(
    "((s.state = 'failed_final' and s.class = 'IR') or s.state = 'recovered')",
    "((r.state = 'failed_final' and r.class = 'IR') or r.state = 'recovered')"
);
const LAPSED: &str = due!("s.state = 'lapsed'", "r.state = 'lapsed'");

const fn due(why: Why) -> &'static str {
    match why {
        Why::Ineligible => INELIGIBLE,
        Why::NotFixedInYear | Why::EarlierYear => LAPSED,
    }
}

/// The states from which lines of an order may be approved.
const fn may_go(why: Why) -> &'static str {
    match why {
        Why::Ineligible => "((s.state = 'failed_final' and s.class = 'IR') or s.state = 'recovered')",
        Why::NotFixedInYear | Why::EarlierYear => "s.state = 'lapsed'",
    }
}

const ORDER: &str = "select id, number, department, project, year, bank, agreement, budget_line, voucher, why, funds_model, proof, lines, amount_fen, state, \
     proposal, proposed_by, approved_by, file_out, receipt, reason, created_at, sent_at, refunded_at from refund_order";

fn order(r: &Row) -> Result<Order, StoreError> {
    Ok(Order {
        id: r.int(0)?,
        number: r.string(1)?,
        purse: Purse {
            department: r.string(2)?,
            project: r.string(3)?,
            year: i32::try_from(r.int(4)?).map_err(|_| StoreError::column(4, "a year"))?,
            bank: r.string(5)?,
        },
        agreement: r.string(6)?,
        budget_line: r.string(7)?,
        voucher: r.string(8)?,
        why: r.code(9, Why::from_code, "a reason to refund")?,
        funds: r.code(10, FundsModel::from_code, "a funds model")?,
        proof: r.code(11, ProofKind::from_code, "a proof")?,
        lines: r.count(12)?,
        amount: r.fen(13)?,
        state: r.code(14, OrderState::from_code, "an order's state")?,
        proposal: r.opt_int(15)?,
        proposed_by: r.string(16)?,
        approved_by: r.string(17)?,
        file_out: r.opt_int(18)?,
        receipt: r.string(19)?,
        reason: r.string(20)?,
        created_at: Timestamp::from_millis(r.int(21)?),
        sent_at: r.opt_time(22)?,
        refunded_at: r.opt_time(23)?,
    })
}

impl Tx {
    /// Keeps everybody else from the money of a purse that may go back, until this transaction ends.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_purse(&mut self, department: &str, project: &str, year: i32) -> Result<(), StoreError> {
        let sql = "update account set balance_fen = balance_fen where department = $1 and project = $2 and year = $3 \
                   and kind in ('suspense:correctable', 'suspense:ineligible', 'carry', 'refund_in_transit')";
        self.exec(sql, args![department, project, year]).await.map(|_| ())
    }

    /// What is due back in a purse, by what one order may hold.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refunds_due(&mut self, department: &str, project: &str, year: i32, why: Why) -> Result<Vec<Due>, StoreError> {
        let sql = format!(
            "select x.agreement, x.bank, x.budget_line, x.voucher, x.funds_model, count(*), cast(sum(x.amount_fen) as bigint) from {} \
             group by 1, 2, 3, 4, 5 order by 1, 3, 4",
            due(why)
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![department, project, year]).await?;
        rows.iter()
            .map(|r| {
                Ok(Due {
                    agreement: r.string(0)?,
                    bank: r.string(1)?,
                    budget_line: r.string(2)?,
                    voucher: r.string(3)?,
                    funds: r.code(4, FundsModel::from_code, "a funds model")?,
                    lines: r.count(5)?,
                    amount: r.fen(6)?,
                })
            })
            .collect()
    }

    /// Writes an order with its lines and takes their claims. Says what its lines are; they are to be what `due` said.
    ///
    /// # Errors
    /// A line stands in another order, or its claim is held (a unique violation); or the database refused.
    pub async fn insert_refund_order(&mut self, new: &NewOrder<'_>, of: &Due, now: Timestamp) -> Result<Count, StoreError> {
        let (department, project, year) = new.purse;
        let sql = "insert into refund_order (id, number, department, project, year, bank, agreement, budget_line, voucher, why, funds_model, proof, month, lines, \
                   amount_fen, state, proposed_by, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'proposed', $16, $17)";
        let values = args![
            new.id,
            new.number,
            department,
            project,
            year,
            &of.bank,
            &of.agreement,
            &of.budget_line,
            &of.voucher,
            new.why.code(),
            of.funds.code(),
            new.proof.code(),
            new.month,
            of.lines,
            of.amount,
            new.by,
            now
        ];
        self.exec(sql, values).await?;
        // A reissue of what remains holds it too before it looks here (`predecessor`).
        let sql = "update remainder set since = since where state in ('failed_final', 'lapsed', 'recovered') and batch in \
                   (select number from batch where department = $1 and project = $2)";
        self.exec(sql, args![department, project]).await?;
        let sql = format!(
            "insert into refund_line (refund_order, line, instruction_id, part, case_id, amount_fen) \
             select $4, row_number() over (order by x.instruction_id, x.part), x.instruction_id, x.part, \
             (select max(c.id) from failure_case c where c.instruction_id = x.instruction_id and c.part = x.part \
             and c.kind in ('failed', 'returned', 'recovery', 'partial')), x.amount_fen from {} \
             where x.agreement = $5 and x.budget_line = $6 and x.voucher = $7",
            due(new.why)
        );
        let values = args![department, project, year, new.id, &of.agreement, &of.budget_line, &of.voucher];
        self.exec(sqlx::AssertSqlSafe(sql), values).await?;
        let sql = "update instruction set live = 1 where live = 0 and id in (select instruction_id from refund_line where refund_order = $1 and part = 0)";
        self.exec(sql, args![new.id]).await?;
        self.refund_lines_total(new.id).await
    }

    /// How many lines an order has that hold their claim, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_lines_total(&mut self, id: i64) -> Result<Count, StoreError> {
        let sql = "select count(*), cast(coalesce(sum(l.amount_fen), 0) as bigint) from refund_line l join instruction i on i.id = l.instruction_id \
                   where l.refund_order = $1 and l.live = 1 and (l.part > 0 or i.live = 1)";
        let r = self.one(sql, args![id]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// Ties an order to the proposal that asks for its approval.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_proposed(&mut self, id: i64, proposal: i64) -> Result<bool, StoreError> {
        self.exec_one("update refund_order set proposal = $2 where id = $1 and proposal is null", args![id, proposal]).await
    }

    /// An order by its reference's number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_order(&mut self, id: i64) -> Result<Option<Order>, StoreError> {
        self.opt(sqlx::AssertSqlSafe(format!("{ORDER} where id = $1")), args![id]).await?.as_ref().map(order).transpose()
    }

    /// An order by its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_by_number(&mut self, number: &str) -> Result<Option<Order>, StoreError> {
        self.opt(sqlx::AssertSqlSafe(format!("{ORDER} where number = $1")), args![number]).await?.as_ref().map(order).transpose()
    }

    /// Keeps everybody else from an order and from the files of its lines until this transaction ends, then reads it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_refund(&mut self, id: i64, now: Timestamp) -> Result<Option<Order>, StoreError> {
        // The files first, in their order: a bank's word on one of the lines is being applied, or waits for us.
        let sql = "update file_out set updated_at = $2 where id in (select s.file_out from refund_line l join instruction_state s \
                   on s.instruction_id = l.instruction_id where l.refund_order = $1)";
        self.exec(sql, args![id, now]).await?;
        self.exec("update refund_order set state = state where id = $1", args![id]).await?;
        self.refund_order(id).await
    }

    /// Orders, newest first: of one state, or all.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_orders(&mut self, state: &str, limit: i64) -> Result<Vec<Order>, StoreError> {
        let sql = format!("{ORDER} where ($1 = '' or state = $1) order by id desc limit $2");
        self.rows(sqlx::AssertSqlSafe(sql), args![state, limit]).await?.iter().map(order).collect()
    }

    /// Where an agreement's refunds go.
    ///
    /// # Errors
    /// There is no such agreement, or the database refused.
    pub async fn treasury_of(&mut self, agreement: &str) -> Result<Treasury, StoreError> {
        let sql = "select refund_profile, treasury_account, treasury_name, treasury_bank from agreement where number = $1";
        let r = self.one(sql, args![agreement]).await?;
        Ok(Treasury { profile: r.string(0)?, account: Account::new(r.text(1)?), name: r.string(2)?, bank: r.string(3)? })
    }

    /// What may go of an order's lines, as they stand: how many, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_may_go(&mut self, o: &Order) -> Result<Count, StoreError> {
        let may = may_go(o.why);
        let sql = format!(
            "select count(*), cast(coalesce(sum(x.fen), 0) as bigint) from (select l.amount_fen as fen from refund_line l \
             join instruction i on i.id = l.instruction_id and i.live = 1 \
             join instruction_state s on s.instruction_id = l.instruction_id and s.amount_fen = l.amount_fen where l.refund_order = $1 and l.part = 0 and l.live = 1 and {may} \
             and (s.state = 'recovered' or not {}) \
             union all select l.amount_fen from refund_line l join remainder s on s.instruction_id = l.instruction_id and s.part = l.part and s.amount_fen = l.amount_fen \
             where l.refund_order = $1 and l.part > 0 and l.live = 1 and {may} and not exists (select 1 from failure_case c \
             where c.instruction_id = l.instruction_id and c.kind = 'double_payment_suspected' and c.state = 'open')) x",
            rest_in_question!("i")
        );
        let r = self.one(sqlx::AssertSqlSafe(sql), args![o.id]).await?;
        Ok((r.count(0)?, r.fen(1)?))
    }

    /// Whether a debit on a statement was found to be an order's.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_refund_debited(&mut self, id: i64) -> Result<bool, StoreError> {
        Ok(self.opt("select 1 from statement_match where kind = 'refund' and subject = $1 limit 1", args![id]).await?.is_some())
    }

    /// Moves every line of an order by an event. Says how many moved.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_refund_lines(&mut self, id: i64, event: Event, now: Timestamp) -> Result<u64, StoreError> {
        let mut moved = 0;
        for (table, part) in [("instruction_state", "l.part = 0"), ("remainder", "l.part = remainder.part")] {
            let sql = format!(
                "update {table} set state = t.next, since = $3 from transition t where t.event = $2 and t.state = {table}.state \
                 and exists (select 1 from refund_line l where l.refund_order = $1 and l.instruction_id = {table}.instruction_id and {part} and l.live = 1)"
            );
            moved += self.exec(sqlx::AssertSqlSafe(sql), args![id, event.code(), now]).await?;
        }
        Ok(moved)
    }

    /// Lines of an order of which the bank said that they were paid while their money was on the way, where persons have not cleared
    /// it. One that was sent back explains itself, but for what they said did not come back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_on_the_way(&mut self, id: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "select l.instruction_id from refund_line l join failure_case c on c.instruction_id = l.instruction_id \
                   and c.kind = 'double_payment_suspected' and c.state = 'open' where l.refund_order = $1 and l.part = 0 and l.live = 1 \
                   and not exists (select 1 from waiting_return w where w.instruction_id = l.instruction_id and w.amount_fen = l.amount_fen \
                   and coalesce(w.part, 0) = 0) order by 1";
        self.rows(sql, args![id]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// What nobody may keep stays so, whoever gave it back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_lines_are_ineligible(&mut self, id: i64) -> Result<(), StoreError> {
        for (table, part) in [("instruction_state", "l.part = 0"), ("remainder", "l.part = remainder.part")] {
            let sql = format!(
                "update {table} set class = 'IR', reason = case when class = 'IR' and reason <> '' then reason else 'INELIGIBLE' end \
                 where exists (select 1 from refund_line l where l.refund_order = $1 and l.instruction_id = {table}.instruction_id and {part} and l.live = 1)"
            );
            self.exec(sqlx::AssertSqlSafe(sql), args![id]).await?;
        }
        Ok(())
    }

    /// Frees the lines of an order, and the claims of those that hold none by themselves.
    ///
    /// # Errors
    /// The database refused.
    pub async fn free_refund_lines(&mut self, id: i64) -> Result<(), StoreError> {
        let sql = "update instruction set live = 0 where live = 1 and id in (select l.instruction_id from refund_line l join instruction_state s \
                   on s.instruction_id = l.instruction_id where l.refund_order = $1 and l.part = 0 and l.live = 1 \
                   and s.state in ('failed_final', 'lapsed', 'refunded', 'carried'))";
        self.exec(sql, args![id]).await?;
        self.exec("update refund_line set live = 0 where refund_order = $1 and live = 1", args![id]).await?;
        self.suspects_hold_their_claims().await.map(|_| ())
    }

    /// Closes the cases of an order's lines.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_refund_cases(&mut self, id: i64, closed_as: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update failure_case set state = 'closed', closed_at = $3, closed_as = $2 where state = 'open' and \
                   kind in ('failed', 'returned', 'recovery', 'partial') and (instruction_id, part) in \
                   (select instruction_id, part from refund_line where refund_order = $1)";
        self.exec(sql, args![id, closed_as, now]).await
    }

    /// Moves an order from the state that was read to another. Says whether it still stood there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_refund(&mut self, o: &Order, to: OrderState, actor: &str, why: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update refund_order set state = $3, reason = case when $4 = '' then reason else $4 end where id = $1 and state = $2";
        let moved = self.exec_one(sql, args![o.id, o.state.code(), to.code(), why]).await?;
        if moved {
            self.event("refund_order", o.id, ("move", o.state.code(), to.code()), actor, why, now).await?;
        }
        Ok(moved)
    }

    /// Records who approved an order; the database itself refuses the same person.
    ///
    /// # Errors
    /// The same person approves, or the database refused.
    pub async fn refund_approved(&mut self, id: i64, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update refund_order set approved_by = $2, approved_at = $3 where id = $1 and approved_by = ''";
        self.exec_one(sql, args![id, by, now]).await
    }

    /// Records when an order went out; by its file, or by hand.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_sent(&mut self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update refund_order set state = 'sent', sent_at = $2 where id = $1 and state = 'approved'";
        let moved = self.exec_one(sql, args![id, now]).await?;
        if moved {
            self.event("refund_order", id, ("sent", "approved", "sent"), "daemon", "", now).await?;
        }
        Ok(moved)
    }

    /// Records what showed that an order's money arrived.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_proven(
        &mut self,
        id: i64,
        statement: Option<(i64, i64)>,
        receipt: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "update refund_order set statement = $2, statement_line = $3, receipt = $4, refunded_at = $5 where id = $1 and refunded_at is null";
        self.exec_one(sql, args![id, statement.map(|s| s.0), statement.map(|s| s.1), receipt, now]).await
    }

    /// Ties an order to the file that carries it, or unties it from one that was given up.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_in_file(&mut self, id: i64, from: Option<i64>, to: Option<i64>) -> Result<bool, StoreError> {
        let sql = "update refund_order set file_out = $3 where id = $1 and state = 'approved' and coalesce(file_out, 0) = $2";
        self.exec_one(sql, args![id, from.unwrap_or_default(), to]).await
    }

    /// Approved orders of a bank that wait for a file.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refunds_to_send(&mut self, bank: &str) -> Result<Vec<Order>, StoreError> {
        let sql = format!(
            "{ORDER} where bank = $1 and state = 'approved' and file_out is null \
             and agreement in (select number from agreement where refund_profile <> '') order by id"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![bank]).await?.iter().map(order).collect()
    }

    /// What a set says of an order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_answers(&mut self, files: &[i64]) -> Result<Vec<OrderAnswer>, StoreError> {
        let list = files.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let sql = format!(
            "select instruction_id, outcome, is_final, reason, raw_code || ' ' || raw_text, bank_ref, account, amount_fen, paid_fen from answer_line \
             where file_in in ({list}) order by file_in, line limit 3"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(OrderAnswer {
                    order: r.opt_int(0)?,
                    outcome: r.code(1, Outcome::from_code, "an outcome")?,
                    is_final: r.int(2)? == 1,
                    reason: r.string(3)?,
                    text: r.string(4)?,
                    bank_ref: r.string(5)?,
                    account: Account::new(r.text(6)?),
                    amount: r.opt_int(7)?.map(Fen::new),
                    paid: r.opt_int(8)?.map(Fen::new),
                })
            })
            .collect()
    }

    /// The one line of an order's file.
    ///
    /// # Errors
    /// There is no such order, or the database refused.
    pub async fn refund_line_of_file(&mut self, order: i64, project_short: &str) -> Result<PaymentLine, StoreError> {
        let sql = "select r.number, r.budget_line, r.voucher, r.amount_fen, g.treasury_account, g.treasury_name, g.treasury_bank from refund_order r \
                   join agreement g on g.number = r.agreement where r.id = $1";
        let r = self.one(sql, args![order]).await?;
        let words = [r.text(0)?, r.text(1)?, r.text(2)?];
        Ok(PaymentLine {
            reference: EndToEndId(order).to_string(),
            seq: 1,
            payee_name: Name::new(r.text(5)?),
            account: Account::new(r.text(4)?),
            bank_code: r.string(6)?,
            amount: r.fen(3)?,
            project_short: project_short.to_owned(),
            remark: words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" "),
            ordinal: 1,
            ..PaymentLine::default()
        })
    }

    /// The lines of an order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_lines(&mut self, id: i64) -> Result<Vec<OrderLine>, StoreError> {
        let sql = "select l.line, l.instruction_id, l.part, l.amount_fen, i.batch, p.seq, i.payee_name, coalesce(case when l.part > 0 then r.reason else s.reason end, '') \
                   from refund_line l join instruction i on i.id = l.instruction_id join payment p on p.id = i.payment_id \
                   left join instruction_state s on s.instruction_id = i.id left join remainder r on r.instruction_id = i.id and r.part = l.part \
                   where l.refund_order = $1 order by l.line";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter()
            .map(|r| {
                Ok(OrderLine {
                    line: r.int(0)?,
                    instruction: r.int(1)?,
                    is_rest: r.int(2)? > 0,
                    amount: r.fen(3)?,
                    batch: r.string(4)?,
                    seq: r.int(5)?,
                    payee: Name::new(r.text(6)?),
                    reason: r.string(7)?,
                })
            })
            .collect()
    }

    /// Names for an order's paper.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_names(&mut self, o: &Order) -> Result<OrderNames, StoreError> {
        let sql = "select d.name, p.name, g.payer_name, g.payer_account, b.name, g.treasury_name, g.treasury_account, g.treasury_bank \
                   from agreement g join bank b on b.code = g.bank join department d on d.code = $1 join project p on p.code = $2 where g.number = $3";
        let r = self.one(sql, args![&o.purse.department, &o.purse.project, &o.agreement]).await?;
        Ok(OrderNames {
            department: r.string(0)?,
            project: r.string(1)?,
            payer: r.string(2)?,
            payer_account: r.string(3)?,
            bank: r.string(4)?,
            treasury: r.string(5)?,
            treasury_account: r.string(6)?,
            treasury_bank: r.string(7)?,
        })
    }
}
