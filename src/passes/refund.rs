//! Money that nobody may keep goes back to the treasury (退回国库), by orders: proposed, approved by another person, sent
//! like any file or carried by hand, and done only when the money was seen to arrive.
//!
//! An order's lines hold the claim of what failed, from the proposal on: a refund and a reissue exclude each other by the
//! constraint that keeps two payments apart. The money moves with the state of the lines, in the transaction that moves
//! them: to the way back at the approval, to the treasury at the proof, back to where it lay if the order comes to nothing.

/// What a bank says of an order.
pub(crate) mod answer;
/// An order's lines and money, approved or given back.
pub(crate) mod books;
/// Approved orders are put into files.
pub(crate) mod send;

use chrono::Datelike as _;
use sha2::{Digest as _, Sha256};

use super::{Gateway, PassError, guard};
use crate::domain::ids::EndToEndId;
use crate::domain::ledger::{AccountKind, EntryKind, Movement};
use crate::domain::refund::{OrderState, ProofKind, Why, number, proof_of};
use crate::domain::time::Timestamp;
use crate::passes::operate::propose::Act;
use crate::store::desk::Operator;
use crate::store::ledger::{EntryOf, Origin};
use crate::store::refund::{NewOrder, Order, OrderLine};
use crate::store::sql::Tx;

/// What is asked back, of one purse.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The department's code.
    pub department: &'a str,
    /// The project's code.
    pub project: &'a str,
    /// The fiscal year whose money it is.
    pub year: i32,
    /// Why it goes back.
    pub why: Why,
    /// The month whose closing asks for it, or empty.
    pub month: &'a str,
}

/// What showed that an order's money arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The debit on the account's statement.
    Statement {
        /// The statement.
        statement: i64,
        /// Its line.
        line: i64,
    },
    /// The treasury's receipt.
    Receipt(String),
}

/// Makes orders for everything in a purse that is due back for a reason and stands in no order: one for each agreement,
/// budget line and voucher, each with a proposal for another person. Says the orders; none when there is nothing to do, or while
/// what failed may have been paid again by a list that the database forgot.
///
/// # Errors
/// The database; rows that moved meanwhile (nothing was made then, and trying again may help).
pub async fn propose(gateway: &Gateway, tx: &mut Tx, by: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Vec<i64>, PassError> {
    tx.hold_purse(ask.department, ask.project, ask.year).await?;
    if !guard::may_go_back(gateway, tx).await? {
        return Ok(Vec::new());
    }
    let today = gateway.today(now).year();
    let mut made = Vec::new();
    for due in tx.refunds_due(ask.department, ask.project, ask.year, ask.why).await? {
        let id = tx.take_numbers("instruction", 1).await?;
        let number = number(today, tx.take_numbers(&format!("refund:{today}"), 1).await?);
        let new = NewOrder {
            id,
            number: &number,
            purse: (ask.department, ask.project, ask.year),
            why: ask.why,
            month: ask.month,
            proof: proof_of(due.funds, ask.year, today),
            by,
        };
        let written = tx.insert_refund_order(&new, &due, now).await?;
        if written != (due.lines, due.amount) {
            let why =
                format!("order {number}: {} lines of {} were due, {} of {} hold their claim", due.lines, due.amount, written.0, written.1);
            return Err(PassError::Broken(why));
        }
        let order = known(tx, id).await?;
        let effect = effect(&order, &tx.refund_lines(id).await?);
        let person = Operator { login: by.to_owned(), name: String::new(), role: String::new(), department: String::new() };
        let proposal = tx.propose(Act::Refund.code(), &number, ask.why.code(), &effect, &person, now).await?;
        tx.refund_proposed(id, proposal).await?;
        tx.event("refund_order", id, ("propose", "", OrderState::Proposed.code()), by, &effect, now).await?;
        tx.audit(by, "refund.propose", &number, &effect, now).await?;
        tracing::info!(order = number, proposal, by, lines = due.lines, total_fen = due.amount.get(), "refund proposed");
        made.push(id);
    }
    Ok(made)
}

/// An order's money was seen to arrive: it is the treasury's, its lines and cases are closed, its claims are free. `false`
/// where this is not the proof that is wanted, or the order is not out, or was seen before.
///
/// # Errors
/// The database; an order that is not what its lines are.
pub async fn seen(gateway: &Gateway, tx: &mut Tx, order: i64, proof: &Proof, now: Timestamp) -> Result<bool, PassError> {
    let Some(order) = tx.hold_refund(order, now).await? else { return Ok(false) };
    let (kind, statement, receipt) = match proof {
        Proof::Statement { statement, line } => (ProofKind::Statement, Some((*statement, *line)), ""),
        Proof::Receipt(text) => (ProofKind::Receipt, None, text.as_str()),
    };
    if order.proof != kind || !order.state.is_out() {
        return Ok(false);
    }
    let moved = tx.move_refund_lines(order.id, order.why.arrival(), now).await?;
    if moved != order.lines {
        return Err(PassError::Broken(format!("order {}: {moved} of {} lines are on the way", order.number, order.lines)));
    }
    let movement = Movement {
        kind: EntryKind::Close,
        from: order.purse.account(AccountKind::RefundInTransit),
        to: order.purse.account(AccountKind::Treasury),
        amount: order.amount,
    };
    let of = EntryOf { refund_order: Some(order.id), statement: statement.map(|s| s.0), lines: order.lines, ..EntryOf::default() };
    tx.post(now, &of, Origin::Ours, &movement).await?;
    tx.close_refund_cases(order.id, order.why.closes_as(), now).await?;
    tx.free_refund_lines(order.id).await?;
    tx.refund_proven(order.id, statement, receipt, now).await?;
    let words = statement.map_or_else(|| receipt.to_owned(), |(statement, line)| format!("statement {statement}, line {line}"));
    tx.move_refund(&order, OrderState::Refunded, &gateway.holder, "", now).await?;
    tx.audit(&gateway.holder, "refund.seen", &order.number, &words, now).await?;
    for key in [books::refused_key(&order), send::stuck_key(&order)] {
        tx.close_incident(&key, now).await?;
    }
    tracing::info!(order = order.number, lines = order.lines, total_fen = order.amount.get(), "refund seen");
    Ok(true)
}

/// Whether a debit on a statement is an order's. It proves the order (`seen`); or the treasury's receipt does, before or after, and
/// the debit is explained by the order all the same. One debit is: an order that was debited once explains no other.
///
/// # Errors
/// As `seen`.
pub(crate) async fn debited(
    gateway: &Gateway,
    tx: &mut Tx,
    order: i64,
    (statement, line): (i64, i64),
    now: Timestamp,
) -> Result<bool, PassError> {
    if seen(gateway, tx, order, &Proof::Statement { statement, line }, now).await? {
        return Ok(true);
    }
    let order = known(tx, order).await?;
    let is_by_receipt = order.proof == ProofKind::Receipt && (order.state.is_out() || order.state == OrderState::Refunded);
    Ok(is_by_receipt && !tx.is_refund_debited(order.id).await?)
}

async fn known(tx: &mut Tx, id: i64) -> Result<Order, PassError> {
    tx.refund_order(id).await?.ok_or_else(|| PassError::Broken(format!("there is no refund order of number {id}")))
}

/// What approving an order would do, in words, from facts alone: the same rows give the same words.
pub(crate) fn effect(order: &Order, lines: &[OrderLine]) -> String {
    let mut hash = Sha256::new();
    for l in lines {
        hash.update(format!("{}|{}|{}|{}\n", l.line, EndToEndId(l.instruction), u8::from(l.is_rest), l.amount.get()));
    }
    let p = &order.purse;
    format!(
        "refund {} to the treasury: department {}, project {}, year {}, bank {}, agreement {}, budget line {}, voucher {}; {}; {} lines, {} yuan; \
         proof: {}; lines sha256 {}",
        order.number,
        p.department,
        p.project,
        p.year,
        p.bank,
        order.agreement,
        or_none(&order.budget_line),
        or_none(&order.voucher),
        order.why.code(),
        order.lines,
        order.amount,
        order.proof.code(),
        hex::encode(hash.finalize())
    )
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
