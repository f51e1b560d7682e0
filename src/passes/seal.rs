//! A planned file becomes bytes, and their hash is committed (封存). Rendering is a function of committed rows and the
//! profile that the file was planned with, and of nothing else, so that any node can render again and must meet the hash.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use super::plan::facts_of;
use super::{Done, Gateway, PassError};
use crate::domain::exchange::{BatchFacts, PaymentLine};
use crate::domain::file::FileOutState;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::format::{Profile, RenderError, Rendered};
use crate::store::desk::NewIncident;
use crate::store::outbound::FileOut;

/// Lines read from the database at a time.
const PAGE: i64 = 1000;
/// How long the spool keeps what nobody fetches.
const SPOOL_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Seals what is planned for one bank.
///
/// # Errors
/// The database, or the spool's disk.
pub async fn seal(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let files = gateway.store.read().await?.files_in(bank, &[FileOutState::Planned]).await?;
    let mut done = Done::default();
    for file in files {
        match render(gateway, &file, &gateway.config.node.state_dir.join("spool")).await {
            Ok((rendered, path)) => {
                let mut tx = gateway.store.begin().await?;
                if tx.seal_file(file.id, &rendered.sha256, rendered.bytes, now).await? {
                    tx.event("file_out", file.id, ("seal", "planned", "sealed"), &gateway.holder, &rendered.sha256, now).await?;
                    for rule in &rendered.substituted {
                        tx.audit("daemon", "substitute_names", &format!("file {}", file.id), &rule.to_string(), now).await?;
                    }
                    tx.commit().await?;
                    if let Some(flag) = &rendered.flag {
                        keep_flag(gateway, (&file, &rendered.sha256), flag)?;
                    }
                    keep(path, &gateway.spool(&rendered.sha256))?;
                    done.changed += 1;
                }
            }
            // One poison file does not stop the others.
            Err(PassError::Broken(why)) => hold(gateway, &file, &why, now).await?,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

async fn hold(gateway: &Gateway, file: &FileOut, why: &str, now: Timestamp) -> Result<(), PassError> {
    let mut tx = gateway.store.begin().await?;
    if tx.move_file(file, FileOutState::Held, why, &gateway.holder, now).await? {
        let what = gateway.say(Words::new(
            format!("文件{}（{}笔，{}元）无法生成：{why}", file.name, file.rows, file.total),
            format!("file {} ({} lines, {}) cannot be rendered: {why}", file.name, file.rows, file.total),
        ));
        let next_step = gateway.say(Words::new(
            format!("请财政信息人员查看：bankgate file show {}", file.id),
            format!("finance IT looks: bankgate file show {}", file.id),
        ));
        let key = format!("held:{}", file.id);
        tx.incident(&NewIncident { key: &key, kind: "file_held", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The sealed bytes in the spool, rendered again when they are not there. They meet the committed hash, or it is an error.
pub(crate) async fn spooled(gateway: &Gateway, file: &FileOut) -> Result<(PathBuf, Option<Vec<u8>>), PassError> {
    let path = gateway.spool(&file.sha256);
    if matches!(tokio::fs::metadata(&path).await, Ok(m) if i64::try_from(m.len()) == Ok(file.bytes)) {
        let flag = kept_flag(gateway, file);
        if flag.is_some() || file.flag_name.is_empty() {
            return Ok((path, flag));
        }
    }
    let (rendered, fresh) = render(gateway, file, &gateway.config.node.state_dir.join("spool")).await?;
    if rendered.sha256 != file.sha256 {
        return Err(PassError::Broken(format!(
            "rendered again, file {} hashes to {} and not to {}",
            file.id, rendered.sha256, file.sha256
        )));
    }
    if let Some(flag) = &rendered.flag {
        keep_flag(gateway, (file, &file.sha256), flag)?;
    }
    keep(fresh, &path)?;
    Ok((path, rendered.flag))
}

/// The profile that a file was planned with, if it is still the same.
pub(crate) fn pinned<'g>(gateway: &'g Gateway, file: &FileOut) -> Result<&'g Arc<Profile>, PassError> {
    let profile = gateway.profile(&file.profile)?;
    if profile.digest() != file.profile_digest {
        return Err(PassError::Broken(format!(
            "profile {} has changed since the file was planned (digest {} then, {} now)",
            file.profile,
            file.profile_digest,
            profile.digest()
        )));
    }
    Ok(profile)
}

/// Streams a file's rows through its profile into a fresh file of this folder.
pub(crate) async fn render(gateway: &Gateway, file: &FileOut, folder: &Path) -> Result<(Rendered, TempPath), PassError> {
    let profile = Arc::clone(pinned(gateway, file)?);
    let mut tx = gateway.store.read().await?;
    let agreement = tx.agreement(&file.agreement).await?;
    let words = tx.file_facts(file.id).await?;
    let facts = facts_of(file, &agreement, &words);
    let spool = folder.to_owned();
    let (lines, from_store) = tokio::sync::mpsc::channel::<Vec<PaymentLine>>(2);
    let writer = tokio::task::spawn_blocking(move || write(&profile, &facts, &spool, from_store));
    let mut next = file.first_id;
    while next <= file.last_id {
        let page = tx.lines_from(file, next, PAGE, &words.project_short).await?;
        let Some(count) = i64::try_from(page.len()).ok().filter(|n| *n > 0) else { break };
        next += count;
        if lines.send(page).await.is_err() {
            break;
        }
    }
    drop(lines);
    let (rendered, path) = writer.await.map_err(|e| PassError::Broken(format!("rendering stopped: {e}")))??;
    if i64::try_from(rendered.rows) != Ok(file.rows) || rendered.total != file.total {
        return Err(PassError::Broken(format!(
            "file {} was planned with {} lines = {}, its rows give {} = {}",
            file.id, file.rows, file.total, rendered.rows, rendered.total
        )));
    }
    Ok((rendered, path))
}

fn write(
    profile: &Profile,
    facts: &BatchFacts,
    spool: &Path,
    mut pages: tokio::sync::mpsc::Receiver<Vec<PaymentLine>>,
) -> Result<(Rendered, TempPath), PassError> {
    let part = tempfile::Builder::new().prefix("render-").tempfile_in(spool).map_err(PassError::local("making a file in", spool))?;
    // A full disk passes: it is no fault of the file, which no person has to look at.
    let refused = |e: RenderError| match e {
        RenderError::Io(e) => PassError::local("writing into", spool)(e),
        other @ (RenderError::Name(_)
        | RenderError::Batch { .. }
        | RenderError::Line { .. }
        | RenderError::Order { .. }
        | RenderError::TooManyRows { .. }
        | RenderError::Totals { .. }) => PassError::Broken(other.to_string()),
    };
    let out = std::io::BufWriter::with_capacity(1 << 20, part);
    let mut renderer = profile.renderer(facts, out).map_err(refused)?;
    while let Some(page) = pages.blocking_recv() {
        for line in &page {
            renderer.line(line).map_err(refused)?;
        }
    }
    let (out, rendered) = renderer.finish().map_err(refused)?;
    let part = out.into_inner().map_err(|e| PassError::local("writing into", spool)(e.into_error()))?;
    part.as_file().sync_all().map_err(PassError::local("syncing", part.path()))?;
    Ok((rendered, part.into_temp_path()))
}

/// Where the flag of a sealed file is kept, beside its bytes.
fn flag_place(gateway: &Gateway, id: i64, sha256: &str) -> PathBuf {
    gateway.spool(&format!("{sha256}.{id}.flag"))
}

/// Says which file a kept flag is of, and that it is whole: a flag names its file, and a file may be renamed before it goes out.
fn flag_head(file: &FileOut, flag: &[u8]) -> String {
    let name = super::join(&file.dir, &file.name);
    format!("{} {} {name}\n", hex::encode(Sha256::digest(flag)), file.business_date)
}

fn keep_flag(gateway: &Gateway, (file, sha256): (&FileOut, &str), flag: &[u8]) -> Result<(), PassError> {
    let place = flag_place(gateway, file.id, sha256);
    let spool = gateway.config.node.state_dir.join("spool");
    let mut part = tempfile::NamedTempFile::new_in(&spool).map_err(PassError::local("making a file in", &spool))?;
    let written =
        part.write_all(flag_head(file, flag).as_bytes()).and_then(|()| part.write_all(flag)).and_then(|()| part.as_file().sync_all());
    written.map_err(PassError::local("writing into", &spool))?;
    keep(part.into_temp_path(), &place)
}

/// `None` where it is not this file's, or not whole: then all of it is rendered again.
fn kept_flag(gateway: &Gateway, file: &FileOut) -> Option<Vec<u8>> {
    let kept = std::fs::read(flag_place(gateway, file.id, &file.sha256)).ok()?;
    let at = kept.iter().position(|b| *b == b'\n')? + 1;
    let (head, flag) = kept.split_at_checked(at)?;
    (head == flag_head(file, flag).as_bytes()).then(|| flag.to_vec())
}

/// What is kept of a sealed file is not needed any more: it is with the bank.
pub(crate) fn unspool(gateway: &Gateway, file: &FileOut) {
    for place in [gateway.spool(&file.sha256), flag_place(gateway, file.id, &file.sha256)] {
        _ = std::fs::remove_file(place);
    }
}

/// Clears the spool of what was written a week ago: halves that a killed node left, files that were given up or that another node
/// sent. Payees stand in them. A file that does go out later is rendered again. Gives how many were removed.
///
/// # Errors
/// The spool's disk.
pub fn clear_spool(gateway: &Gateway, now: Timestamp) -> Result<usize, PassError> {
    let spool = gateway.config.node.state_dir.join("spool");
    let mut removed = 0;
    for entry in std::fs::read_dir(&spool).map_err(PassError::local("listing", &spool))? {
        let entry = entry.map_err(PassError::local("listing", &spool))?;
        let written = entry.metadata().and_then(|of| of.modified()).ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let Some(written) = written.and_then(|since| i64::try_from(since.as_millis()).ok()) else { continue };
        if written.saturating_add(SPOOL_MILLIS) >= now.millis() {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Ok(()) => removed += 1,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(PassError::local("removing", entry.path())(e)),
        }
    }
    Ok(removed)
}

/// What is not kept is swept away as it is dropped.
fn keep(fresh: TempPath, place: &Path) -> Result<(), PassError> {
    fresh.persist(place).map_err(|e| PassError::local("keeping", place)(e.error))
}
