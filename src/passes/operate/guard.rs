//! Publishing that is held because the database may have forgotten (失忆解除) is released by two persons, who have compared the last
//! files with the banks.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, has_evidence};
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::store::desk::{Operator, Proposal};
use crate::store::sql::Tx;

/// There is one for all.
const SUBJECT: &str = "publishing";

/// Proposes to release it. Says the proposal's number and its effect.
///
/// # Errors
/// Refused to whoever may not, without evidence, and where nothing is held.
pub async fn propose_release(gateway: &Gateway, by: &Operator, evidence: &str, now: Timestamp) -> Result<(i64, String), OperateError> {
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
    let id = tx.propose(Act::ReleasePublishing.code(), SUBJECT, evidence, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    tracing::info!(proposal = id, by = by.login, "the release of publishing is proposed");
    Ok((id, effect))
}

/// Releases it, if it is still held for what was proposed.
pub(super) async fn release(tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
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
    Ok(std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n"))
}
