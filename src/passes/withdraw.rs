//! What two persons took back, by the bank's word that it has no copy, is removed from the bank's folder and given up (收回).
//!
//! The part that the row names is the single source of a publication. Once *we* have removed it, no rename of anybody, however
//! late, can put the file out, and its lines may be planned anew. A part that is not there any more may have been renamed
//! after the bank looked: the file is in doubt again, now with nothing left that could be renamed, so that the bank's next
//! word settles it. What stands under its final name contradicts the bank's word, and is held.

use super::plan::{give_path_back, regroup, unreserve};
use super::publish::stop;
use super::{Done, Gateway, PassError, join, refund};
use crate::domain::file::{FileKind, FileOutState};
use crate::domain::time::Timestamp;
use crate::store::outbound::{FileOut, Lease};
use crate::store::sql::Tx;
use crate::transport::{Mailbox, TransportError};

/// Removes the parts of what is to be taken back at one bank, and gives those files up.
///
/// # Errors
/// The database or the mailbox; the next run goes on where this one stopped.
pub async fn withdraw(gateway: &Gateway, bank: &str, lease: &Lease, now: Timestamp) -> Result<Done, PassError> {
    let files = gateway.store.read().await?.files_in(bank, &[FileOutState::Withdrawing]).await?;
    let mut done = Done::default();
    let (Some(edge), false) = (gateway.edges.get(bank), files.is_empty()) else { return Ok(done) };
    let mut mailbox = edge.transport.open().await?;
    for file in files {
        let found = match look_and_remove(&mut mailbox, &file).await {
            Err(PassError::Transport(e)) if !e.is_of_the_way() && !e.is_transient() => Found::Unclear(e.to_string()),
            other => other?,
        };
        done += match found {
            Found::Removed => ended(gateway, &file, lease, now).await?,
            Found::Standing => {
                stop(gateway, &file, FileOutState::Held, "taken back, and it stands at the bank under its name", now).await?
            }
            Found::Unclear(why) => stop(gateway, &file, FileOutState::Held, &why, now).await?,
            Found::Gone => gone(gateway, &file, now).await?,
        };
    }
    Ok(done)
}

/// What became of a part.
enum Found {
    /// We removed it, and nothing stands under the final name.
    Removed,
    /// The final name stands there.
    Standing,
    /// It is not there, and we did not remove it.
    Gone,
    /// The bank's server does not let us tell.
    Unclear(String),
}

async fn look_and_remove(mailbox: &mut Mailbox, file: &FileOut) -> Result<Found, PassError> {
    let (dir, part) = file.part_name.rsplit_once('/').unwrap_or(("", &file.part_name));
    if stands(mailbox, dir, file).await? {
        return Ok(Found::Standing);
    }
    // Written in place, there is no part: its final name was the only one, and it is absent.
    if part == file.name {
        return Ok(Found::Removed);
    }
    match mailbox.remove(&file.part_name).await {
        Ok(()) => {}
        Err(TransportError::NotFound { .. }) => return Ok(Found::Gone),
        Err(e) => return Err(e.into()),
    }
    if !file.flag_part_name.is_empty() {
        match mailbox.remove(&file.flag_part_name).await {
            Ok(()) | Err(TransportError::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // A rename that was under way when the part went has put it there by now.
    Ok(if stands(mailbox, dir, file).await? { Found::Standing } else { Found::Removed })
}

async fn stands(mailbox: &mut Mailbox, dir: &str, file: &FileOut) -> Result<bool, PassError> {
    for name in [&file.name, &file.flag_name].into_iter().filter(|name| !name.is_empty()) {
        if mailbox.stat(&join(dir, name)).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn ended(gateway: &Gateway, file: &FileOut, lease: &Lease, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    if !tx.hold_lease(lease).await? || !give_up(gateway, &mut tx, file, "taken back by two persons", &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    tracing::warn!(file = file.id, bank = file.bank, name = file.name, "file taken back; its lines are planned anew");
    Ok(Done { changed: 1, ..Done::default() })
}

async fn gone(gateway: &Gateway, file: &FileOut, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    tx.forget_parts(file, now).await?;
    tx.commit().await?;
    let why = "its part is gone and we did not remove it: it may have gone out after the bank looked; ask again";
    stop(gateway, file, FileOutState::Doubt, why, now).await
}

/// Gives a file up whose row the caller has read behind its lock: its money goes back, its lines wait for another file.
///
/// # Errors
/// The database refused.
pub(crate) async fn give_up(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileOut,
    why: &str,
    actor: &str,
    now: Timestamp,
) -> Result<bool, PassError> {
    if file.kind == FileKind::Refund {
        return refund::send::give_up(tx, file, why, actor, now).await;
    }
    let tranche = tx.tranche_of(file.first_id).await?;
    if !tx.move_file(file, FileOutState::Voided, why, actor, now).await? {
        return Ok(false);
    }
    give_path_back(gateway, tx, file, now).await?;
    unreserve(tx, file, now).await?;
    regroup(gateway, tx, &tranche, (file.first_id, file.last_id), &[], now).await?;
    for kind in ["held", "doubt", "presumed"] {
        tx.close_incident(&format!("{kind}:{}", file.id), now).await?;
    }
    Ok(true)
}
