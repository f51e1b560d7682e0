//! The switch-over at the gate (切换): what the channel before this one has paid is paid. The gate asks for each page of rows,
//! and once more before it commits, behind a lock that an import takes too, so that neither can pass the other unseen.

use std::collections::BTreeMap;

use super::PassError;
use crate::domain::language::Words;
use crate::store::sql::Tx;

/// Which of these claims the channel before has paid, and what to tell the department of each.
///
/// # Errors
/// The database.
pub(crate) async fn paid_before(tx: &mut Tx, keys: &[i64]) -> Result<BTreeMap<i64, Words>, PassError> {
    // Mostly there is nothing: the switch-over is long past, or there was none.
    if keys.is_empty() || !tx.has_legacy().await? {
        return Ok(BTreeMap::new());
    }
    let mut told = BTreeMap::new();
    for p in tx.legacy_claims(keys).await? {
        let words = Words::new(
            format!("已由原渠道于{}发放（{}第{}行）", p.paid_on, p.source, p.line),
            format!("paid by the channel before this one on {} ({}, line {})", p.paid_on, p.source, p.line),
        );
        told.entry(p.claim_key).or_insert(words);
    }
    Ok(told)
}

/// Whether an import came between: these instructions, or the people whom a correction names under another's claim, are known
/// by now to be paid. The transaction then ends without a trace, and the batch is taken anew.
///
/// # Errors
/// The database.
pub(crate) async fn came_between(tx: &mut Tx, ranges: &[(i64, i64)], named_anew: &[i64]) -> Result<bool, PassError> {
    tx.lock_switch().await?;
    if !tx.has_legacy().await? {
        return Ok(false);
    }
    for range in ranges {
        if tx.legacy_in_range(*range).await? > 0 {
            return Ok(true);
        }
    }
    Ok(!tx.legacy_claims(named_anew).await?.is_empty())
}
