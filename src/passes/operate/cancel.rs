//! A batch that will not go on is taken back (撤销批次). What it named is free for another: a correction that nobody approves
//! would keep its failed payment from every other correction.
//!
//! Nobody released it: one person takes it back. It was released and waits at the gate (for funds, or to be looked at): it
//! is money then, and takes two persons. What passed the gate is instructed, and no batch to take back any more.

use chrono::NaiveDate;

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, is_unchanged, put_forward};
use crate::domain::batch::fiscal_year;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::passes::admit::Wait;
use crate::passes::{Gateway, PassError};
use crate::store::admission::Verdict;
use crate::store::desk::{Operator, Proposal};
use crate::store::intake::BatchHands;
use crate::store::sql::Tx;

/// Takes a batch back, or proposes it: the proposal's number, where it takes a second person, and the effect in words.
///
/// # Errors
/// Refused to whoever may not, without a reason, and where the batch passed the gate or was taken back before.
pub async fn cancel_batch(
    gateway: &Gateway,
    by: &Operator,
    number: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(Option<i64>, String), OperateError> {
    let reason = reason.trim();
    if reason.chars().count() < 4 {
        return OperateError::refused("请用 --reason 写明撤销原因", "say with --reason why it is taken back");
    }
    let mut tx = gateway.store.begin().await?;
    let it = Waiting::of(&mut tx, number).await?;
    let effect = it.effect(number, reason);
    if it.hands.released_at.is_some() {
        duty::require(by, Duty::Decide, "")?;
        let (id, effect) = put_forward(tx, by, (Act::BatchCancel, number), reason, effect, now).await?;
        return Ok((Some(id), effect));
    }
    duty::require(by, Duty::Import, &it.hands.department)?;
    it.take_back(gateway, &mut tx, number, &format!("{}: {reason}", by.login), now).await?;
    tx.audit(&by.login, "batch.cancel", number, &effect, now).await?;
    tx.commit().await?;
    tracing::info!(batch = number, by = by.login, "batch taken back");
    Ok((None, effect))
}

/// Does what was proposed.
pub(super) async fn done(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<String, OperateError> {
    let number = &proposal.subject;
    let it = Waiting::of(tx, number).await?;
    let effect = it.effect(number, &proposal.reason);
    is_unchanged(proposal, &effect)?;
    it.take_back(gateway, tx, number, &format!("{} + {}: {}", proposal.proposed_by, by.login, proposal.reason), now).await?;
    for wait in Wait::ALL {
        tx.close_incident(&wait.key(number), now).await?;
    }
    Ok(effect)
}

/// Refuses where a batch was taken back before anybody released it.
pub(super) fn not_taken_back(number: &str, hands: &BatchHands) -> Result<(), OperateError> {
    if hands.admission == "returned" && hands.released_at.is_none() {
        return OperateError::refused(
            format!("批次{number}已撤销；如仍要发放，请重新导入"),
            format!("batch {number} was taken back: if it shall be paid after all, import it anew"),
        );
    }
    Ok(())
}

/// A batch that did not pass the gate.
struct Waiting {
    hands: BatchHands,
}

impl Waiting {
    async fn of(tx: &mut Tx, number: &str) -> Result<Self, OperateError> {
        // Whoever releases it, or lets it through, waits until this is done.
        tx.hold_batch(number).await?;
        let hands = super::hands(tx, number).await?;
        match hands.admission.as_str() {
            "" | "held" => Ok(Self { hands }),
            "admitted" => OperateError::refused(
                format!("批次{number}已受理发放，不能撤销；个别款项用 `bankgate failure cancel` 或 `bankgate payment resolve` 办理"),
                format!(
                    "batch {number} passed the gate and is being paid: settle single payments (`bankgate failure cancel`, `payment resolve`)"
                ),
            ),
            _ => OperateError::refused(
                format!("批次{number}已退回或撤销，无须再撤销"),
                format!("batch {number} went back or was taken back already"),
            ),
        }
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, number: &str, reason: &str) -> String {
        let h = &self.hands;
        let stands = match (h.released_at, h.admission.as_str()) {
            (None, _) if h.approver.is_empty() => "not approved",
            (None, _) => "not released",
            (Some(_), "held") => "released, held at the gate",
            (Some(_), _) => "released, not at the gate yet",
        };
        format!(
            "batch {number} (department {}, {} rows, {} yuan, {stands}): taken back, nothing of it is paid; {reason}",
            h.department, h.declared_count, h.declared
        )
    }

    async fn take_back(&self, gateway: &Gateway, tx: &mut Tx, number: &str, words: &str, now: Timestamp) -> Result<(), OperateError> {
        let pay_on: Option<NaiveDate> = self.hands.pay_on.parse().ok();
        let verdict = Verdict {
            state: "returned",
            digest: self.hands.digest.clone(),
            year: fiscal_year(pay_on.unwrap_or_else(|| gateway.today(now))),
            reasons: gateway.say(Words::new(format!("已撤销：{words}"), format!("taken back: {words}"))),
            ..Verdict::default()
        };
        if !tx.set_verdict((number, &self.hands.admission), &verdict, now).await? {
            return Err(PassError::Broken(format!("batch {number} passed the gate while it was held; try again")).into());
        }
        Ok(())
    }
}
