//! What was dealt with is moved away at the bank (归档), and what was moved is looked at where it lies: the bank may have put another file in
//! its place a moment before. That one is collected from there, and never moved back: a name that the bank gives may be taken again.
//! What can be seen to be another file is not moved at all: the bank may still be writing it. Nor is the other half of its answer.
//!
//! A server may do hours later what it was asked for, with what stands in the place by then. So a move is written down before it is
//! asked for, each goes to a name of its own, and where its end is not known that name is looked at until it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::collect::{Run, Sight, recognised, replaced, sets};
use super::{Done, Edge, Gateway, PassError, Tried, join};
use crate::domain::file::{move_watched_until, next_move_at, unread_told_at};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::store::away::Move;
use crate::store::desk::NewIncident;
use crate::store::inbound::FileIn;
use crate::transport::{Entry, Mailbox, TransportError};

/// At a bank: what earlier moves did, new ones, and what came with them.
pub(super) async fn put_away(
    gateway: &Gateway,
    (edge, bank): (&Edge, &str),
    mailbox: &mut Mailbox,
    now: Timestamp,
) -> Result<Done, PassError> {
    let mut tried = Tried::default();
    let moves = gateway.store.read().await?.moves(bank).await?;
    for m in moves.iter().filter(|m| !m.is_other) {
        match conclude(gateway, mailbox, m, now).await {
            Err(PassError::Transport(e)) if e.is_of_the_way() => return Err(e.into()),
            ended => tried.note(ended),
        }
    }
    tried.note(move_away(gateway, (edge, bank), mailbox, now).await);
    tried.note(take_others(gateway, (edge, bank), mailbox, now).await);
    tried.end()
}

async fn move_away(gateway: &Gateway, (edge, bank): (&Edge, &str), mailbox: &mut Mailbox, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let mut tx = gateway.store.read().await?;
    let (files, moves) = (tx.files_unmoved(bank).await?, tx.moves(bank).await?);
    drop(tx);
    let mut by_set: BTreeMap<i64, Vec<FileIn>> = BTreeMap::new();
    for file in files {
        if edge.done.is_empty() {
            stays(gateway, (&file, None), now).await?;
        } else {
            by_set.entry(file.answer_set).or_default().push(file);
        }
    }
    for set in by_set.into_values() {
        done += move_set(gateway, edge, mailbox, (set, &moves), now).await?;
    }
    Ok(done)
}

/// Files of one answer are looked at before any of them is moved: where the bank has replaced one, it is read beside the others.
async fn move_set(
    gateway: &Gateway,
    edge: &Edge,
    mailbox: &mut Mailbox,
    (set, moves): (Vec<FileIn>, &[Move]),
    now: Timestamp,
) -> Result<Done, PassError> {
    let mut done = Done::default();
    let mut seen = Vec::with_capacity(set.len());
    for file in set {
        let stands = mailbox.stat(&join(&edge.outbox, &file.path())).await?;
        let read = match &stands {
            Some(stands) => read_as(gateway, &file, stands).await?,
            None => None,
        };
        seen.push((file, stands.is_some(), read));
    }
    let has_unread = seen.iter().any(|(_, stands, read)| *stands && read.is_none());
    for (file, stands, read) in &seen {
        let latest = moves.iter().rfind(|m| m.file_in == file.id);
        let m = next_move(edge, file, latest, now);
        if *stands {
            let waits = latest.is_some_and(|m| now < next_move_at(m.begun_at, m.attempt)) || (has_unread && !is_flag(gateway, file));
            match *read {
                Some(read) if read == file.id => {
                    done += if waits { Done::default() } else { ask(gateway, edge, mailbox, (file, &m)).await? };
                }
                // The bank replaced it, and that was read: it is moved once that is dealt with.
                Some(_) => stays(gateway, (file, None), now).await?,
                // Nobody has read what stands there, and half of it may be written: it is taken from there once it has settled.
                None => tell_unread(gateway, file, now).await?,
            }
        } else if mailbox.stat(&m.path).await?.is_some() {
            // A database that was restored does not know what it moved, nor that it looked.
            done += if begin(gateway, &m).await? { conclude(gateway, mailbox, &m, now).await? } else { Done::default() };
        } else {
            stays(gateway, (file, None), now).await?;
        }
    }
    Ok(done)
}

/// Whether a file only says that another is whole. It stays for nobody: what the bank puts in that one's place has a flag of its own.
fn is_flag(gateway: &Gateway, file: &FileIn) -> bool {
    gateway.profile(&file.profile).is_ok_and(|p| p.roles(file.kind).iter().any(|r| r.is_flag && r.role == file.role))
}

/// As which file what stands in a file's place was read; as none where it does not look as it did then.
async fn read_as(gateway: &Gateway, file: &FileIn, stands: &Entry) -> Result<Option<i64>, PassError> {
    let seen = gateway.store.read().await?.sighting(&file.bank, &file.path()).await?;
    // A server may give a file's time where it is looked at, and none in its listing: then its size speaks.
    let is_time = |modified_s: i64| modified_s == stands.modified_s || modified_s == 0 || stands.modified_s == 0;
    let alike = seen.filter(|(bytes, modified_s, _, _)| u64::try_from(*bytes) == Ok(stands.bytes) && is_time(*modified_s));
    Ok(alike.and_then(|(_, _, _, read)| read))
}

/// What stands in a file's place was not read, and may never be: its folder is listed no more, or what belongs to it is not there. Somebody
/// is told after a day, and again a day after it was closed.
async fn tell_unread(gateway: &Gateway, file: &FileIn, now: Timestamp) -> Result<(), PassError> {
    let key = unread(file);
    let since = gateway.store.read().await?.sighting(&file.bank, &key).await?.map(|(_, _, at, _)| at);
    if since.is_some_and(|at| now < unread_told_at(at)) {
        return Ok(());
    }
    let mut tx = gateway.store.begin().await?;
    tx.sight(&file.bank, &key, (0, 0), None, now).await?;
    if since.is_some() {
        let path = file.path();
        let what = gateway.say(Words::new(
            format!("银行{}目录中的{path}已不是原先收取的文件，一天以上仍未能收取", file.bank),
            format!("what stands at bank {} as {path} is not the file that was collected, and could not be collected for a day", file.bank),
        ));
        let next_step = gateway.say(Words::new(
            "请向银行问明该文件，请其连同所属各文件（标志文件、另一半）重新放出，或将其移走；收取或移走后本事项自动关闭",
            "ask the bank what it is: it puts it out anew with all that belongs to it (its flag, its other half), or takes it away; then this closes",
        ));
        tx.incident(&NewIncident { key: &key, kind: "inbound_unread", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    }
    Ok(tx.commit().await?)
}

/// The trouble that nobody reads what stands in a file's place; since when is remembered under it too.
fn unread(file: &FileIn) -> String {
    format!("unread:{}", file.id)
}

fn next_move(edge: &Edge, file: &FileIn, latest: Option<&Move>, now: Timestamp) -> Move {
    let attempt = latest.map_or(1, |m| m.attempt + 1);
    let number = if attempt == 1 { file.id.to_string() } else { format!("{}-{attempt}", file.id) };
    let path = join(&join(&edge.done, &file.dir), &format!("{}.{number}", file.name));
    Move { file_in: file.id, attempt, path, begun_at: now, is_other: false }
}

/// False when another node began it meanwhile.
async fn begin(gateway: &Gateway, m: &Move) -> Result<bool, PassError> {
    let mut tx = gateway.store.begin().await?;
    let is_begun = tx.begin_move(m).await?;
    tx.commit().await?;
    Ok(is_begun)
}

async fn end(gateway: &Gateway, m: &Move) -> Result<(), PassError> {
    let mut tx = gateway.store.begin().await?;
    tx.end_move(m).await?;
    Ok(tx.commit().await?)
}

/// It is dealt with, and not moved; nor is anything to be expected of a move that was refused.
async fn stays(gateway: &Gateway, (file, refused): (&FileIn, Option<&Move>), now: Timestamp) -> Result<(), PassError> {
    let mut tx = gateway.store.begin().await?;
    tx.mark_moved(file.id, 2).await?;
    tx.close_incident(&unread(file), now).await?;
    if let Some(refused) = refused {
        tx.end_move(refused).await?;
    }
    Ok(tx.commit().await?)
}

async fn ask(gateway: &Gateway, edge: &Edge, mailbox: &mut Mailbox, (file, m): (&FileIn, &Move)) -> Result<Done, PassError> {
    mailbox.ensure_dir(&join(&edge.done, &file.dir)).await?;
    if !begin(gateway, m).await? {
        return Ok(Done::default());
    }
    match mailbox.rename(&join(&edge.outbox, &file.path()), &m.path).await {
        // What stands there an earlier database may have moved: it is looked at.
        Ok(()) | Err(TransportError::AlreadyExists { .. }) => conclude(gateway, mailbox, m, m.begun_at).await,
        // Moving is refused here: leave it, and remember that it was dealt with.
        Err(TransportError::PermissionDenied { .. }) => stays(gateway, (file, Some(m)), m.begun_at).await.map(|()| Done::default()),
        Err(e) => {
            if !e.is_uncertain() {
                end(gateway, m).await?;
            }
            Err(e.into())
        }
    }
}

/// Looks at where a file was to be moved to.
async fn conclude(gateway: &Gateway, mailbox: &mut Mailbox, m: &Move, now: Timestamp) -> Result<Done, PassError> {
    let lies = match mailbox.stat(&m.path).await? {
        Some(_) => Some(mailbox.digest(&m.path).await?.sha256),
        None if now < move_watched_until(m.begun_at) => return Ok(Done::default()),
        None => None,
    };
    let mut tx = gateway.store.begin().await?;
    let Some(file) = tx.file_in(m.file_in).await? else { return Ok(Done::default()) };
    if lies.is_some() {
        tx.close_incident(&unread(&file), now).await?;
        // Size and second of what comes next under its name may be the same: it must look new.
        tx.forget_sighting(&file.bank, &file.path()).await?;
    }
    match lies {
        Some(lies) if lies != file.sha256 => {
            tx.mark_moved(file.id, 2).await?;
            if tx.moved_other(m).await? {
                let (key, (what, next_step)) = (replaced(m), words(gateway, &file, m));
                let incident = NewIncident { key: &key, kind: "inbound_replaced", bank: &file.bank, what: &what, next_step: &next_step };
                tx.incident(&incident, now).await?;
            }
        }
        lies => {
            if lies.is_some() {
                tx.mark_moved(file.id, 1).await?;
            }
            tx.end_move(m).await?;
        }
    }
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}

fn words(gateway: &Gateway, file: &FileIn, m: &Move) -> (String, String) {
    let what = gateway.say(Words::new(
        format!("银行{}在归档前替换了文件{}，新内容已随归档移至{}，将从该处收取", file.bank, file.name, m.path),
        format!(
            "bank {} replaced {} before it was put away; what came instead lies in {} and is collected from there",
            file.bank, file.name, m.path
        ),
    ));
    let next_step = gateway.say(Words::new(
        "通常无需处理：收取后本事项自动关闭；若次日仍未关闭，请查看该文件",
        "nothing, as a rule: this closes once it is collected; if it is still open the next day, look at that file",
    ));
    (what, next_step)
}

/// What lies where another file was to be moved to is collected, beside what of its set still stands in the bank's folder.
async fn take_others(gateway: &Gateway, (edge, bank): (&Edge, &str), mailbox: &mut Mailbox, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.read().await?;
    let mut others = Vec::new();
    for m in tx.moves(bank).await?.into_iter().filter(|m| m.is_other) {
        others.extend(tx.file_in(m.file_in).await?.map(|file| (file, m)));
    }
    drop(tx);
    let mut tried = Tried::default();
    let places: BTreeSet<(String, String)> = others.iter().map(|(file, _)| (file.profile.clone(), file.dir.clone())).collect();
    for (profile, dir) in places {
        let profile = Arc::clone(gateway.profile(&profile)?);
        let run = Run { gateway, edge, bank, profile: &profile, now };
        let here = others.iter().filter(|(file, _)| file.profile == profile.id() && file.dir == dir);
        let (mut sights, mut unseen): (Vec<Sight>, Vec<&str>) = (Vec::new(), Vec::new());
        for (file, m) in here {
            let entry = match mailbox.stat(&m.path).await {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    // Somebody at the bank took it from there; the trouble stays open for whoever looks.
                    end(gateway, m).await?;
                    continue;
                }
                Err(e) if !e.is_of_the_way() => {
                    // What stands under its name now does not go with what lies beside it.
                    unseen.push(&file.name);
                    tried.note(Err(e.into()));
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let Some(name) = profile.recognise(&file.path()) else { continue };
            // Of two under one name the second waits for its turn.
            if sights.iter().all(|s| s.file != file.name) {
                sights.push(Sight { dir: dir.clone(), file: file.name.clone(), entry, name, aside: Some(m.clone()) });
            }
        }
        let standing = match mailbox.list(&join(&edge.outbox, &dir)).await {
            Ok(entries) => recognised(&profile, &dir, entries),
            Err(TransportError::NotFound { .. }) => Vec::new(),
            Err(e) if !e.is_of_the_way() => {
                tried.note(Err(e.into()));
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        let is_free = |s: &Sight| sights.iter().all(|aside| aside.file != s.file) && !unseen.contains(&s.file.as_str());
        let standing: Vec<Sight> = standing.into_iter().filter(is_free).collect();
        sights.extend(standing);
        for set in run.unknown(sets(sights)).await? {
            if set.iter().any(|s| s.aside.is_some()) {
                tried.note(run.take(mailbox, set).await);
            }
        }
    }
    tried.end()
}
