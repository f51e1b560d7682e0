//! What two persons took back, by the bank's word that it has no copy, is removed from the bank's folder and given up (收回).
//!
//! The part that the row names is the single source of a publication. Once *we* have removed it, no rename of anybody, however
//! late, can put the file out, and its lines may be planned anew. A part that is not there any more may have been renamed
//! after the bank looked; what a database forgot has none, and may have gone out under another name. Of such a file the bank's word
//! counts only behind a look that found nothing of it: what lay in its folder until then it may have fetched since it was asked. It is
//! in doubt again, now with nothing left that the bank could fetch, so that its next word settles it. What stands under a final
//! name contradicts the bank's word, and is held. What is written in place is not given up at all (`domain::publishing::taken_back`).

use super::plan::{give_path_back, regroup, unreserve};
use super::publish::stop;
use super::{Done, Edge, Gateway, PassError, join, refund};
use crate::domain::file::{FileKind, FileOutState};
use crate::domain::publishing::{Part, Retreat, TakenBack, retreat};
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
        let others = gateway.store.read().await?.went_out_as(&file).await?;
        let (found, part_was_there) = match look_and_remove(gateway, &mut mailbox, &file, (edge, &others)).await {
            Err(PassError::Transport(e)) if !e.is_of_the_way() && !e.is_transient() => {
                done += stop(gateway, &file, FileOutState::Held, &e.to_string(), now).await?;
                continue;
            }
            other => other?,
        };
        let why = match found {
            TakenBack::Removed => {
                done += ended(gateway, &file, lease, now).await?;
                continue;
            }
            TakenBack::Standing => "taken back, and it stands at the bank under its name: it will be fetched",
            TakenBack::Gone => {
                "nothing of it is there any more, and it may have been out: the bank may have fetched it after it was asked; ask it again"
            }
        };
        if found.forgets((part_was_there, file.absent_at.is_some()), edge.rename_is_atomic) {
            let mut tx = gateway.store.begin().await?;
            tx.forget_parts(&file, (found == TakenBack::Gone).then_some(now), now).await?;
            tx.commit().await?;
        }
        done += stop(gateway, &file, found.ends(), why, now).await?;
    }
    Ok(done)
}

/// At the folder that the row's part names, whatever the settings say by now, and under each name that the bank may know. Also
/// whether its part was there, and we removed it.
async fn look_and_remove(
    gateway: &Gateway,
    mailbox: &mut Mailbox,
    file: &FileOut,
    (edge, others): (&Edge, &[String]),
) -> Result<(TakenBack, bool), PassError> {
    let own_dir = join(&edge.inbox, &file.dir);
    let (dir, part) = file.part_name.rsplit_once('/').unwrap_or((&own_dir, ""));
    let own = [&file.name, &file.flag_name].into_iter().filter(|name| !name.is_empty()).map(|name| join(dir, name));
    let names: Vec<String> = own.chain(others.iter().map(|path| join(&edge.inbox, path))).collect();
    // Whatever its row names, what went out under another name did not go out by that part.
    let is_only_source = !part.is_empty() && part != file.name && others.is_empty();
    let mut part_was_there = false;
    for step in retreat(is_only_source, !file.flag_part_name.is_empty()) {
        match step {
            Retreat::Look => {
                if stands(mailbox, &names).await? {
                    return Ok((TakenBack::Standing, part_was_there));
                }
            }
            Retreat::RemovePart => part_was_there = remove(mailbox, &file.part_name).await?,
            Retreat::RemoveParts => remove_parts(gateway, mailbox, file, (edge, &names)).await?,
            Retreat::RemoveFlagPart => drop(remove(mailbox, &file.flag_part_name).await?),
        }
    }
    Ok((TakenBack::seen(false, part_was_there, edge.rename_is_atomic), part_was_there))
}

async fn stands(mailbox: &mut Mailbox, names: &[String]) -> Result<bool, PassError> {
    for name in names {
        if mailbox.stat(name).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// No part is recorded: a node that knows more than this database may still be about to rename one. What names another file of ours
/// is that one's: whoever lost the lease may come to this when the next file goes out already.
async fn remove_parts(
    gateway: &Gateway,
    mailbox: &mut Mailbox,
    file: &FileOut,
    (edge, names): (&Edge, &[String]),
) -> Result<(), PassError> {
    for (dir, base) in names.iter().map(|name| name.rsplit_once('/').unwrap_or(("", name))) {
        let listing = match mailbox.list(dir).await {
            Err(TransportError::NotFound { .. }) => continue,
            other => other?,
        };
        for entry in listing.iter().filter(|e| !e.is_dir) {
            let Some(part) = Part::named(base, &entry.name) else { continue };
            if part.may_be_of(file.id) || !is_ours(gateway, edge, (file, part), (dir, base)).await? {
                remove(mailbox, &entry.path).await?;
            }
        }
    }
    Ok(())
}

/// Whether this database has the file that a part names, and it goes out under this name.
async fn is_ours(gateway: &Gateway, edge: &Edge, (file, part): (&FileOut, Part), (dir, base): (&str, &str)) -> Result<bool, PassError> {
    let Some(other) = gateway.store.read().await?.file_if_any(part.file.unwrap_or_default()).await? else { return Ok(false) };
    let is_there = other.bank == file.bank && join(&edge.inbox, &other.dir) == dir;
    Ok(is_there && [&other.name, &other.flag_name].into_iter().any(|name| name == base))
}

/// Whether it was there.
async fn remove(mailbox: &mut Mailbox, path: &str) -> Result<bool, PassError> {
    match mailbox.remove(path).await {
        Ok(()) => Ok(true),
        Err(TransportError::NotFound { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
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
        return refund::send::give_up(gateway, tx, file, why, actor, now).await;
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
