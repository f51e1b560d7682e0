//! Parts that condemned uploads left in a bank's folder are swept away (清理残留分片), once by each new holder of the bank's
//! edge. Only parts of a lower fence than its own: whoever wrote them has lost the lease, and its intent is refused. Never
//! the parts that a row names before the bank has answered: a rename may still be on its way, and a person may need them.
//! Nothing whose name is not one that we give.

use std::collections::BTreeMap;

use super::{Done, Gateway, PassError, join};
use crate::domain::publishing::Part;
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
    let path = join(dir, name);
    [&file.name, &file.flag_name]
        .into_iter()
        .filter_map(|base| Part::named(base, name))
        .any(|part| file.standing().condemns(&path, part, (file.id, fence)))
}
