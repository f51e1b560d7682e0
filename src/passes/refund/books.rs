//! An order's lines and money: approved, or given back to where they lay.

use super::super::apply::Booking;
use super::super::{Gateway, PassError};
use crate::domain::instruction::{Event, step};
use crate::domain::language::Words;
use crate::domain::ledger::{AccountKind, EntryKind, Movement};
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::refund::{OrderState, Why};
use crate::domain::time::Timestamp;
use crate::store::admission::NewCase;
use crate::store::desk::NewIncident;
use crate::store::inbound::LineState;
use crate::store::ledger::{EntryOf, Origin};
use crate::store::refund::Order;
use crate::store::sql::Tx;

/// Approves an order: its lines and money are on the way. The order is held. `false`: a line stands elsewhere by now.
///
/// # Errors
/// The account holds less than its lines say (a check violation), or the database refused.
pub(crate) async fn approve(tx: &mut Tx, order: &Order, by: &str, now: Timestamp) -> Result<bool, PassError> {
    let whole = (order.lines, order.amount);
    if tx.refund_may_go(order).await? != whole {
        return Ok(false);
    }
    let movement = Movement {
        kind: EntryKind::Refund,
        from: order.purse.account(order.why.source()),
        to: order.purse.account(AccountKind::RefundInTransit),
        amount: order.amount,
    };
    tx.post(now, &of(order), Origin::Ours, &movement).await?;
    let moved = tx.move_refund_lines(order.id, Event::Refund, now).await?;
    if moved != order.lines {
        return Err(PassError::Broken(format!("order {}: {moved} of {} lines moved", order.number, order.lines)));
    }
    tx.refund_approved(order.id, by, now).await?;
    Ok(tx.move_refund(order, OrderState::Approved, by, "", now).await?)
}

/// An approved order comes to nothing: its lines and money go back to where they lay, and may be proposed anew. The order is held.
///
/// # Errors
/// An order that is not what its lines are; or the database refused.
pub(crate) async fn give_back(
    gateway: &Gateway,
    tx: &mut Tx,
    order: &Order,
    to: OrderState,
    by: &str,
    why: &str,
    now: Timestamp,
) -> Result<(), PassError> {
    for event in order.why.way_back() {
        let moved = tx.move_refund_lines(order.id, *event, now).await?;
        if moved != order.lines {
            return Err(PassError::Broken(format!("order {}: {moved} of {} lines can {}", order.number, order.lines, event.code())));
        }
    }
    if order.why == Why::Ineligible {
        tx.refund_lines_are_ineligible(order.id).await?;
    }
    let movement = Movement {
        kind: EntryKind::Unrefund,
        from: order.purse.account(AccountKind::RefundInTransit),
        to: order.purse.account(order.why.source()),
        amount: order.amount,
    };
    tx.post(now, &of(order), Origin::Ours, &movement).await?;
    let words = "退款途中银行报成功 / the bank said that it was paid while its money was on the way back";
    for instruction in tx.paid_on_the_way(order.id).await? {
        contradict(gateway, tx, instruction, (Event::BankPaid, words), now).await?;
    }
    free(tx, order, to, by, why, now).await
}

/// A word of the bank that moved nothing when it came (it was paid while its money was on the way), or was of another attempt, makes of a
/// line what it makes of any: a conflict, that holds its claim and goes into no order until two persons settle it.
///
/// # Errors
/// The database; a word that does not contradict where it stands.
pub(crate) async fn contradict(
    gateway: &Gateway,
    tx: &mut Tx,
    instruction: i64,
    (event, words): (Event, &str),
    now: Timestamp,
) -> Result<(), PassError> {
    let Some(line) = tx.standing(instruction).await? else { return Ok(()) };
    let Some(file) = line.file_out else { return Ok(()) };
    let file = tx.file(file).await?;
    let next = step(line.state, event).map_err(|e| PassError::Broken(e.to_string()))?;
    let (reason, class) = (Reason::ResultUnknown, Reason::ResultUnknown.class());
    let booking = Booking { gateway, file: &file, file_in: None, statement: None, now };
    let from = (line.state, ReasonClass::from_code(&line.class));
    booking.move_money(tx, None, from, (next, Some(class)), line.amount, 1).await?;
    let state = LineState {
        instruction_id: line.id,
        state: next,
        amount: line.amount,
        reason: reason.code(),
        class: class.code(),
        words,
        at: None,
    };
    tx.set_state(&file, &state, now).await?;
    tx.event("instruction", line.id, (event.code(), line.state.code(), next.code()), &gateway.holder, words, now).await?;
    let today = gateway.today(now);
    let due_on = gateway.due_day(today, gateway.config.cases.due_days)?;
    if tx.reopen_case(&line, "conflict", due_on).await? {
        return Ok(());
    }
    let case = NewCase {
        kind: "conflict",
        payment_id: line.payment_id,
        root_payment_id: line.root_payment_id,
        instruction_id: Some(line.id),
        part: 0,
        batch: line.batch,
        department: line.department,
        bank: file.bank,
        amount: line.amount,
        reason: reason.code(),
        class: class.code(),
        detail: words.to_owned(),
        owner: "operator",
        business_date: today,
        due_on,
    };
    Ok(tx.insert_cases(&[case], now).await?)
}

/// Ends an order whose lines have not moved: withdrawn before its approval.
///
/// # Errors
/// The database refused.
pub(crate) async fn free(tx: &mut Tx, order: &Order, to: OrderState, by: &str, why: &str, now: Timestamp) -> Result<(), PassError> {
    tx.free_refund_lines(order.id).await?;
    if !tx.move_refund(order, to, by, why, now).await? {
        return Err(PassError::Broken(format!("order {} moved while it was held", order.number)));
    }
    Ok(())
}

fn of(order: &Order) -> EntryOf {
    EntryOf { refund_order: Some(order.id), lines: order.lines, ..EntryOf::default() }
}

/// What makes it the same incident.
pub(crate) fn refused_key(order: &Order) -> String {
    format!("refund_refused:{}", order.number)
}

/// Finance is told that an order was refused: its money lies where it lay.
///
/// # Errors
/// The database refused.
pub(crate) async fn tell_refused(gateway: &Gateway, tx: &mut Tx, order: &Order, why: &str, now: Timestamp) -> Result<(), PassError> {
    let p = &order.purse;
    let what = gateway.say(Words::new(
        format!("银行{}退回了退款凭证{}（{}笔，{}元）：{why}；款项已回到待退回", p.bank, order.number, order.lines, order.amount),
        format!(
            "bank {} refused refund {} ({} lines, {}): {why}; its money is back where it lay",
            p.bank, order.number, order.lines, order.amount
        ),
    ));
    let again = format!("bankgate refund propose --department {} --project {} --year {}", p.department, p.project, p.year);
    let next_step = gateway.say(Words::new(
        format!("查看：bankgate refund show {}；更正后重新提出：{again}", order.number),
        format!("look: bankgate refund show {}; once it is mended, propose it anew: {again}", order.number),
    ));
    let key = refused_key(order);
    tx.incident(&NewIncident { key: &key, kind: "refund_refused", bank: &p.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}
