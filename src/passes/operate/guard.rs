//! Publishing that is held because the database may have forgotten (失忆解除) is released by two persons, who have compared the last
//! files with the banks.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, has_evidence};
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::passes::guard::{forgotten_lists, look};
use crate::store::desk::{Operator, Proposal};
use crate::store::sql::Tx;

/// There is one for all.
const SUBJECT: &str = "publishing";

/// Refuses what gives failed money away as long as a list is off the books that may have paid it again.
///
/// # Errors
/// Refused then, with the lists; the database.
pub(crate) async fn nothing_forgotten(gateway: &Gateway, now: Timestamp) -> Result<(), OperateError> {
    look(gateway, now).await?;
    match forgotten_lists(gateway, &mut gateway.store.read().await?).await? {
        Some(lists) if lists.is_empty() => Ok(()),
        Some(lists) => {
            let numbers = lists.join(" ");
            OperateError::refused(
                format!("以下批次已发出而数据库没有，失败款可能已由其重发：{numbers}；请按原批次号、原明细重新录入并发放，再退回"),
                format!(
                    "payments of these batches went out and are not on the books, and may have paid again what failed: {numbers}; enter and \
                     release them again, as they were and under these numbers, before anything goes back"
                ),
            )
        }
        None => OperateError::refused(
            "数据库重启后还有节点没有来核对；启动各节点，或由两人解除停发",
            "not every node has looked at the database since its server started: start them, or let two persons release publishing",
        ),
    }
}

/// Proposes to release it. Says the proposal's number and its effect.
///
/// # Errors
/// Refused to whoever may not, without evidence, where nothing is held, and as long as payments that went out are of no batch on
/// the books but those in `without`: another list could pay the same people.
pub async fn propose_release(
    gateway: &Gateway,
    by: &Operator,
    evidence: &str,
    without: &[String],
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let evidence = has_evidence(evidence)?;
    let mut tx = gateway.store.begin().await?;
    if let Some(open) = tx.proposal_open(Act::ReleasePublishing.code(), SUBJECT).await? {
        return OperateError::refused(
            format!("已有待批准事项{open}；批准用 `bankgate approve {open}`"),
            format!("it is proposed already ({open}): approve it with `bankgate approve {open}`"),
        );
    }
    let effect = effect(&mut tx, evidence).await?;
    let missing: Vec<String> = tx.off_the_books().await?.into_iter().map(|(batch, _)| batch).filter(|b| !without.contains(b)).collect();
    if !missing.is_empty() {
        let numbers = missing.join(" ");
        return OperateError::refused(
            format!(
                "以下批次已发出而数据库没有：{numbers}；请按原批次号、原明细重新录入并发放（不会再发一次），确不录入的用 `--without 批次号` 写明"
            ),
            format!(
                "payments of these batches went out and are not on the books: {numbers}; enter and release them again, as they were and under \
                 these numbers (they are not sent again), or name with `--without NUMBER` what stays away"
            ),
        );
    }
    let id = tx.propose(Act::ReleasePublishing.code(), SUBJECT, evidence, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    tracing::info!(proposal = id, by = by.login, "the release of publishing is proposed");
    Ok((id, effect))
}

/// Releases it, if it is still held for what was proposed.
pub(super) async fn release(tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    // Behind the row that each look takes: no reason comes between what is read here and what is released.
    tx.lock_looks().await?;
    let effect = effect(tx, &proposal.reason).await?;
    if effect != proposal.effect || !proposal.is_of(&effect) {
        return OperateError::refused(
            format!("事项{}提出后停发原因已变；请撤回后重新提出", proposal.id),
            format!("publishing is held for other reasons than when {} was proposed: propose it anew", proposal.id),
        );
    }
    tx.release_publishing(&format!("{} + {}", proposal.proposed_by, by.login), now).await?;
    tx.close_incident("publishing_held", now).await?;
    Ok(effect)
}

async fn effect(tx: &mut Tx, evidence: &str) -> Result<String, OperateError> {
    let holds = tx.publishing_holds().await?;
    if holds.is_empty() {
        return OperateError::refused("发送未被停止，无需解除", "publishing is not held: there is nothing to release");
    }
    let lines = holds.iter().map(|h| format!("{} (node {}): {}", h.key, h.node, h.why));
    let head = format!("publishing goes on although it is held for {} reasons; evidence: {evidence}", holds.len());
    let missing = tx.off_the_books().await?;
    let missing = missing
        .iter()
        .map(|(batch, n)| format!("{n} payments of {batch} went out and stay off the books: another list could pay them again"));
    Ok(std::iter::once(head).chain(lines).chain(missing).collect::<Vec<_>>().join("\n"))
}
