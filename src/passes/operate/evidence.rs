//! Evidence that leaves the house with whole names, identity numbers and cards: only auditors and finance may take it, and it is
//! on record who did, before anything is written.

use super::duty::{self, Duty};
use super::{OperateError, hands};
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::store::desk::Operator;

/// Records that this person takes a batch's whole evidence out; says the audit log's head behind that.
///
/// # Errors
/// Refused to whoever may not, and where there is no such batch.
pub async fn evidence_whole(gateway: &Gateway, by: &Operator, batch: &str, now: Timestamp) -> Result<String, OperateError> {
    duty::require(by, Duty::Evidence, "")?;
    let mut tx = gateway.store.begin().await?;
    hands(&mut tx, batch).await?;
    let head = tx.audit(&by.login, "audit.export", batch, "whole", now).await?;
    tx.commit().await?;
    tracing::info!(batch, by = by.login, "whole evidence taken");
    Ok(head)
}
