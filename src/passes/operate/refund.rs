//! Refund orders, by persons (退款凭证的办理): asked for by one, approved by another, carried, receipted, given up.

use chrono::Datelike as _;

use super::OperateError;
use super::duty::{self, Duty};
use super::guard::nothing_forgotten;
use crate::domain::file::FileOutState;
use crate::domain::refund::{OrderState, ProofKind, Why, proof_of};
use crate::domain::time::Timestamp;
use crate::passes::operate::propose::Act;
use crate::passes::plan::give_path_back;
use crate::passes::refund::{Ask, Proof, books, effect, propose, seen, send};
use crate::passes::{Gateway, PassError};
use crate::store::desk::{Operator, Proposal};
use crate::store::refund::Order;
use crate::store::sql::Tx;

/// Does what was proposed of an order: the same order, of the same lines, by another person.
pub(super) async fn approve(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    act: Act,
    now: Timestamp,
) -> Result<String, OperateError> {
    if act == Act::RefundReceipt {
        return receipted(gateway, tx, proposal, now).await;
    }
    if act == Act::RefundCancel {
        return given_up(gateway, tx, by, proposal, now).await;
    }
    approve_order(gateway, tx, by, proposal, now).await
}

async fn approve_order(gateway: &Gateway, tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let order = held(tx, &proposal.subject, now).await?;
    in_state(&order, &[OrderState::Proposed])?;
    let effect = effect(&order, &tx.refund_lines(order.id).await?);
    let today = gateway.today(now).year();
    let is_as_proposed =
        effect == proposal.effect && proposal.is_of(&effect) && order.proof == proof_of(order.funds, order.purse.year, today);
    let approved = match is_as_proposed {
        true => books::approve(tx, &order, &by.login, now).await,
        false => Ok(false),
    };
    match approved {
        Ok(true) => Ok(effect),
        Ok(false) => OperateError::refused(
            format!(
                "退款凭证{}提出后明细已变，效果不再相同；请撤回（bankgate approve {} --withdraw）后重新提出",
                order.number, proposal.id
            ),
            format!(
                "the lines of refund {} changed since it was proposed: withdraw it (bankgate approve {} --withdraw) and propose it anew",
                order.number, proposal.id
            ),
        ),
        Err(PassError::Store(e)) if e.is_check_violation() => OperateError::refused(
            format!("退款凭证{}：待退回账户余额不足；请先对账（bankgate ledger）", order.number),
            format!("refund {}: the account holds less than its lines say: look at the books first (bankgate ledger)", order.number),
        ),
        Err(e) => Err(e.into()),
    }
}

/// What a withdrawn proposal leaves: its order is cancelled, and its lines are free.
pub(super) async fn withdrawn(tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<(), OperateError> {
    let order = held(tx, &proposal.subject, now).await?;
    in_state(&order, &[OrderState::Proposed])?;
    Ok(books::free(tx, &order, OrderState::Cancelled, &by.login, "withdrawn", now).await?)
}

/// Asks for everything back that a purse holds: what nobody may keep, and what lapsed. Says the orders made.
///
/// # Errors
/// Refused to whoever may not.
pub async fn propose_due(
    gateway: &Gateway,
    by: &Operator,
    department: &str,
    project: &str,
    year: Option<i32>,
    now: Timestamp,
) -> Result<Vec<Order>, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    nothing_forgotten(gateway, now).await?;
    let today = gateway.today(now).year();
    let year = year.unwrap_or(today);
    let mut tx = gateway.store.begin().await?;
    let mut orders = Vec::new();
    for why in whys(year, today) {
        let ask = Ask { department, project, year, why, month: "" };
        for id in propose(gateway, &mut tx, &by.login, &ask, now).await? {
            orders.extend(tx.refund_order(id).await?);
        }
    }
    tx.commit().await?;
    Ok(orders)
}

/// Every reason for which money of one fiscal year may go back in another.
#[must_use]
pub fn whys(year: i32, today: i32) -> [Why; 2] {
    [Why::Ineligible, if year == today { Why::NotFixedInYear } else { Why::EarlierYear }]
}

/// Records that an order was carried to the bank or the treasury.
///
/// # Errors
/// Refused to whoever may not, and where the order goes by file.
pub async fn sent_by_hand(gateway: &Gateway, by: &Operator, number: &str, now: Timestamp) -> Result<Order, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let mut tx = gateway.store.begin().await?;
    let order = held(&mut tx, number, now).await?;
    in_state(&order, &[OrderState::Approved])?;
    if !tx.treasury_of(&order.agreement).await?.profile.is_empty() {
        return OperateError::refused(
            format!("退款凭证{number}由系统发往银行（协议{}有退款文件格式），不必手工送出；若也送出，就是退两次", order.agreement),
            format!(
                "refund {number} goes by file (agreement {} has a refund_profile): carried as well, it would be refunded twice",
                order.agreement
            ),
        );
    }
    tx.refund_sent(order.id, now).await?;
    tx.audit(&by.login, "refund.sent", number, "by hand", now).await?;
    tx.commit().await?;
    Ok(order)
}

/// Proposes to take the treasury's word that it has an order's money. Says the proposal and its effect.
///
/// # Errors
/// Refused to whoever may not, where the order is not out, and where the statement is the proof.
pub async fn propose_receipt(
    gateway: &Gateway,
    by: &Operator,
    number: &str,
    receipt: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let receipt = receipt.trim();
    if receipt.chars().count() < 4 {
        return OperateError::refused(
            "请用 --receipt 写明国库回单（编号、日期）",
            "say with --receipt what the treasury gave: its number and date",
        );
    }
    let mut tx = gateway.store.begin().await?;
    let order = held(&mut tx, number, now).await?;
    in_state(&order, &[OrderState::Sent, OrderState::Accepted, OrderState::Executed])?;
    if order.proof != ProofKind::Receipt {
        return OperateError::refused(
            format!("退款凭证{number}以对账单上的付款为凭，不以回单为凭；对账单到后自动办结"),
            format!(
                "refund {number} is proven by the statement's debit, not by a receipt: it closes by itself when the statement shows it"
            ),
        );
    }
    let effect = receipt_effect(&order, receipt);
    record(tx, by, Act::RefundReceipt, &order, receipt, effect, now).await
}

/// Gives an order up: at once where no bank has seen it, else by a proposal for another person. Says that proposal.
///
/// # Errors
/// Refused to whoever may not, without a reason, and once it is done.
pub async fn cancel(
    gateway: &Gateway,
    by: &Operator,
    number: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Option<(i64, String)>, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = reason.trim();
    if reason.chars().count() < 2 {
        return OperateError::refused("请用 --reason 写明作废原因", "say with --reason why it is given up");
    }
    let mut tx = gateway.store.begin().await?;
    let order = held_with_its_file(&mut tx, number, now).await?;
    in_state(&order, &[OrderState::Proposed, OrderState::Approved, OrderState::Sent, OrderState::Accepted, OrderState::Executed])?;
    if order.state == OrderState::Proposed {
        if let Some(proposal) = order.proposal {
            tx.withdraw_proposal(proposal).await?;
        }
        books::free(&mut tx, &order, OrderState::Cancelled, &by.login, reason, now).await?;
    } else if may_be_out(&mut tx, &order).await? {
        let effect = cancel_effect(&order, reason);
        return record(tx, by, Act::RefundCancel, &order, reason, effect, now).await.map(Some);
    } else {
        if let Some(id) = order.file_out {
            let file = tx.file(id).await?;
            if !send::give_up(gateway, &mut tx, &file, reason, &by.login, now).await? {
                return file_moved(&order);
            }
        }
        books::give_back(gateway, &mut tx, &order, OrderState::Cancelled, &by.login, reason, now).await?;
    }
    tx.audit(&by.login, "refund.cancel", number, reason, now).await?;
    tx.commit().await?;
    Ok(None)
}

async fn receipted(gateway: &Gateway, tx: &mut Tx, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let order = held(tx, &proposal.subject, now).await?;
    let effect = receipt_effect(&order, &proposal.reason);
    if effect != proposal.effect || !proposal.is_of(&effect) {
        return changed(&order, proposal.id);
    }
    let receipt = format!("{}; {}", proposal.reason, proposal.proposed_by);
    in_state(&order, &[OrderState::Sent, OrderState::Accepted, OrderState::Executed])?;
    if !seen(gateway, tx, order.id, &Proof::Receipt(receipt), now).await? {
        return changed(&order, proposal.id);
    }
    Ok(effect)
}

async fn given_up(gateway: &Gateway, tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let order = held_with_its_file(tx, &proposal.subject, now).await?;
    in_state(&order, &[OrderState::Approved, OrderState::Sent, OrderState::Accepted, OrderState::Executed])?;
    let effect = cancel_effect(&order, &proposal.reason);
    if effect != proposal.effect || !proposal.is_of(&effect) {
        return changed(&order, proposal.id);
    }
    if let Some(id) = order.file_out {
        let file = tx.file(id).await?;
        if file.state == FileOutState::Publishing {
            return OperateError::refused(
                format!("文件{}正在发布，请稍后再试", file.name),
                format!("file {} is being published: try again shortly", file.name),
            );
        }
        // What the bank said that it had done was answered, and stays so.
        if file.state != FileOutState::Answered {
            let why = format!("given up by {} and {}: {}", proposal.proposed_by, by.login, proposal.reason);
            if !tx.move_file(&file, FileOutState::Refused, &why, &by.login, now).await? {
                return file_moved(&order);
            }
            give_path_back(gateway, tx, &file, now).await?;
        }
        for kind in ["held", "doubt", "presumed", "overdue", "ack_overdue"] {
            tx.close_incident(&format!("{kind}:{id}"), now).await?;
        }
    }
    tx.close_incident(&format!("refund_conflict:{}", order.number), now).await?;
    books::give_back(gateway, tx, &order, OrderState::Cancelled, &by.login, &proposal.reason, now).await?;
    Ok(effect)
}

/// Whether somebody outside may have it: carried, or in a file that may be out.
async fn may_be_out(tx: &mut Tx, order: &Order) -> Result<bool, OperateError> {
    if order.state != OrderState::Approved {
        return Ok(true);
    }
    match order.file_out {
        Some(id) => Ok(tx.file(id).await?.may_be_out()),
        None => Ok(false),
    }
}

/// The file before the order: in the order in which a bank's word locks them. One that was planned while we waited for the order is
/// locked behind it, before anybody looks where it stands: whoever seals it does not wait for us.
async fn held_with_its_file(tx: &mut Tx, number: &str, now: Timestamp) -> Result<Order, OperateError> {
    if let Some(file) = tx.refund_by_number(number).await?.and_then(|o| o.file_out) {
        tx.lock_file(file, now).await?;
    }
    let order = held(tx, number, now).await?;
    if let Some(file) = order.file_out {
        tx.lock_file(file, now).await?;
    }
    Ok(order)
}

/// An order is not given up without its file.
fn file_moved<T>(order: &Order) -> Result<T, OperateError> {
    Err(PassError::Broken(format!("the file of refund {} moved while it was held; try again", order.number)).into())
}

fn receipt_effect(order: &Order, receipt: &str) -> String {
    format!("refund {}: the treasury has {} lines, {} yuan; receipt: {receipt}", order.number, order.lines, order.amount)
}

fn cancel_effect(order: &Order, reason: &str) -> String {
    let sure = if order.state == OrderState::Executed { "what it did came back to the account" } else { "the bank will not do it" };
    format!(
        "refund {} ({}, {} lines, {} yuan) is given up, its money lies where it lay; make sure that {sure}: {reason}",
        order.number,
        order.state.code(),
        order.lines,
        order.amount
    )
}

async fn record(
    mut tx: Tx,
    by: &Operator,
    act: Act,
    order: &Order,
    reason: &str,
    effect: String,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    if let Some(open) = tx.proposal_open(act.code(), &order.number).await? {
        return OperateError::refused(
            format!("退款凭证{}已有待批准事项{open}；批准用 `bankgate approve {open}`", order.number),
            format!("refund {} has the open proposal {open}: approve it with `bankgate approve {open}`", order.number),
        );
    }
    let id = tx.propose(act.code(), &order.number, reason, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok((id, effect))
}

fn changed<T>(order: &Order, proposal: i64) -> Result<T, OperateError> {
    OperateError::refused(
        format!("退款凭证{}在事项{proposal}提出后已变；请撤回后重新提出", order.number),
        format!("refund {} changed since {proposal} was proposed: withdraw it and propose it anew", order.number),
    )
}

async fn held(tx: &mut Tx, number: &str, now: Timestamp) -> Result<Order, OperateError> {
    let found = match tx.refund_by_number(number).await? {
        Some(order) => tx.hold_refund(order.id, now).await?,
        None => None,
    };
    match found {
        Some(order) => Ok(order),
        None => OperateError::refused(
            format!("没有退款凭证{number}；`bankgate refund list` 列出全部"),
            format!("there is no refund {number}: `bankgate refund list` shows them"),
        ),
    }
}

fn in_state(order: &Order, states: &[OrderState]) -> Result<(), OperateError> {
    if states.contains(&order.state) {
        return Ok(());
    }
    let (zh, en) = order.state.words();
    OperateError::refused(
        format!("退款凭证{}现为“{zh}”，不能这样办理；查看：bankgate refund show {}", order.number, order.number),
        format!("refund {} is {en}: look with bankgate refund show {}", order.number, order.number),
    )
}
