//! Refund orders, by persons (退款凭证的办理): asked for by one, approved by another, carried, receipted, given up.

use chrono::Datelike as _;

use super::OperateError;
use super::duty::{self, Duty};
use crate::domain::refund::{OrderState, Why, proof_of};
use crate::domain::time::Timestamp;
use crate::passes::refund::{Ask, books, effect, propose};
use crate::passes::{Gateway, PassError};
use crate::store::desk::{Operator, Proposal};
use crate::store::refund::{Due, Order};
use crate::store::sql::Tx;

/// Approves a proposed order: the same order, of the same lines, by another person.
pub(super) async fn approve(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<String, OperateError> {
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

/// Asks for everything back that a purse holds of this kind. Says the orders made.
///
/// # Errors
/// Refused to whoever may not.
pub async fn propose_refunds(gateway: &Gateway, by: &Operator, ask: &Ask<'_>, now: Timestamp) -> Result<Vec<Order>, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let mut tx = gateway.store.begin().await?;
    let made = propose(gateway, &mut tx, &by.login, ask, now).await?;
    let mut orders = Vec::with_capacity(made.len());
    for id in made {
        orders.extend(tx.refund_order(id).await?);
    }
    tx.commit().await?;
    Ok(orders)
}

/// What would be asked back, without asking.
///
/// # Errors
/// The database.
pub async fn refunds_due(gateway: &Gateway, ask: &Ask<'_>) -> Result<Vec<Due>, OperateError> {
    Ok(gateway.store.read().await?.refunds_due(ask.department, ask.project, ask.year, ask.why).await?)
}

/// Every reason for which a purse's money may go back, by a person's asking.
pub const WHYS: [Why; 2] = [Why::Ineligible, Why::NotFixedInYear];

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
