//! Parts that condemned uploads left in a bank's folder are swept away (清理残留分片), once by each new holder of the bank's
//! edge. Only parts of a lower fence than its own: whoever wrote them has lost the lease, and its intent is refused. Never
//! the parts that a row names before the bank has answered: a rename may still be on its way, and a person may need them.
//! Nothing whose name is not one that we give.

use std::collections::BTreeMap;

use super::{Done, Gateway, PassError, join};
use crate::domain::file::FileOutState;
use crate::domain::time::Timestamp;
use crate::store::outbound::{FileOut, Lease};
use crate::transport::TransportError;

/// Sweeps one bank's folders, unless this holder did so before.
///
/// # Errors
/// The database, or the way to the mailbox. What the bank does not let us remove stays.
pub async fn sweep(gateway: &Gateway, bank: &str, lease: &Lease, now: Timestamp) -> Result<Done, PassError> {
    let Some(edge) = gateway.edges.get(bank) else { return Ok(Done::default()) };
    let mut tx = gateway.store.read().await?;
    let swept = tx.swept_fence(bank).await?;
    if swept >= lease.fence {
        return Ok(Done::default());
    }
    let files = tx.files_with_condemned_parts(bank, swept, lease.fence).await?;
    drop(tx);
    let mut folders: BTreeMap<String, Vec<FileOut>> = BTreeMap::new();
    for file in files {
        folders.entry(join(&edge.inbox, &file.dir)).or_default().push(file);
    }
    let mut done = Done::default();
    if !folders.is_empty() {
        let mut mailbox = edge.transport.open().await?;
        for (dir, files) in &folders {
            let listing = match mailbox.list(dir).await {
                Ok(listing) => listing,
                Err(e) if e.is_of_the_way() => return Err(e.into()),
                Err(e) => {
                    tracing::warn!(bank, dir, error = %e, "a folder was not swept");
                    continue;
                }
            };
            for entry in listing.into_iter().filter(|e| !e.is_dir && files.iter().any(|f| is_condemned(f, dir, &e.name, lease.fence))) {
                match mailbox.remove(&entry.path).await {
                    Ok(()) => {
                        tracing::info!(bank, path = entry.path, "condemned part removed");
                        done.changed += 1;
                    }
                    Err(TransportError::NotFound { .. }) => {}
                    Err(e) if e.is_of_the_way() => return Err(e.into()),
                    Err(e) => tracing::warn!(bank, path = entry.path, error = %e, "a condemned part stays"),
                }
            }
        }
    }
    let mut tx = gateway.store.begin().await?;
    if tx.hold_lease(lease).await? {
        tx.set_swept_fence(bank, lease.fence).await?;
        if done.changed > 0 {
            let detail = format!("{} condemned parts removed", done.changed);
            tx.event("edge", lease.fence, ("sweep", "", ""), &gateway.holder, &detail, now).await?;
        }
        tx.commit().await?;
    }
    Ok(done)
}

/// Whether this name is a part of this file's, of a lower fence, and none that its row may still need.
fn is_condemned(file: &FileOut, dir: &str, name: &str, fence: i64) -> bool {
    let is_older = [&file.name, &file.flag_name].into_iter().filter_map(|base| fence_of(base, name)).any(|f| f < fence);
    let path = join(dir, name);
    let is_named = path == file.part_name || path == file.flag_part_name;
    is_older && !(is_named && may_be_needed(file.state))
}

fn may_be_needed(state: FileOutState) -> bool {
    match state {
        FileOutState::Answered | FileOutState::Refused | FileOutState::Voided | FileOutState::Abandoned => false,
        FileOutState::Planned
        | FileOutState::Sealed
        | FileOutState::Uploading
        | FileOutState::Publishing
        | FileOutState::Sent
        | FileOutState::Accepted
        | FileOutState::Held
        | FileOutState::Doubt => true,
    }
}

/// The fence in `<base>.<fence>.<attempt>.part`.
fn fence_of(base: &str, name: &str) -> Option<i64> {
    if base.is_empty() {
        return None;
    }
    let (fence, attempt) = name.strip_prefix(base)?.strip_prefix('.')?.strip_suffix(".part")?.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(fence) && is_number(attempt) { fence.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_part_names_have_a_fence() {
        assert_eq!(fence_of("A.TXT", "A.TXT.12.3.part"), Some(12));
        for name in [
            "A.TXT",
            "A.TXT.part",
            "A.TXT.12.part",
            "A.TXT.12.x.part",
            "A.TXT.-1.3.part",
            "A.TXT.1.2.3.part",
            "B.TXT.12.3.part",
            ".12.3.part",
        ] {
            assert_eq!(fence_of("A.TXT", name), None, "{name}");
        }
        assert_eq!(fence_of("", ".12.3.part"), None);
    }
}
