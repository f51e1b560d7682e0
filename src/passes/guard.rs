//! A database that lost its memory publishes nothing (防失忆). Every publication is also a line of a journal on this node's disk,
//! synced before the rename; a database that does not know of one, or that is another than it was, holds all publishing, on
//! every node, until two persons have looked and released it.
//!
//! What it forgot and still has as a file that was not sent is put in doubt at once; what it would plan anew is known to every
//! node by its name and its bytes, and is held: released or not, nobody sends it again.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use super::{Gateway, PassError};
use crate::domain::file::FileOutState;
use crate::domain::language::Words;
use crate::domain::memory::{Doubt, Identity, Memory, Published, SETTLED_LINE};
use crate::domain::time::Timestamp;
use crate::store::desk::NewIncident;
use crate::store::memory::{PublishingHold, Replication};
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

/// So many of the last publications are compared: what a database loses it loses from its end.
const TAIL: usize = 500;
/// The incident's key: one for all reasons.
const INCIDENT: &str = "publishing_held";

/// The journal of this node.
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// Where this gateway keeps it.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self { path: gateway.config.node.state_dir.join("published.log") }
    }

    /// All of it.
    pub(crate) fn read(&self) -> Result<Memory, PassError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Memory::read(&String::from_utf8_lossy(&bytes))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(e) => Err(PassError::local("reading", &self.path)(e)),
        }
    }

    /// Adds a line; it is on the disk when this returns.
    pub(crate) fn append(&self, line: &str) -> Result<(), PassError> {
        self.try_append(line).map_err(PassError::local("writing into", &self.path))
    }

    fn try_append(&self, line: &str) -> std::io::Result<()> {
        let is_new = !self.path.exists();
        let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        // What a crash tore off is ended first, so that it spoils no line of ours.
        let is_torn = match file.metadata()?.len().checked_sub(1) {
            None => false,
            Some(last) => {
                use std::io::Seek as _;
                let mut end = [0];
                file.seek(std::io::SeekFrom::Start(last))?;
                file.read_exact(&mut end)?;
                end != *b"\n"
            }
        };
        let text = if is_torn { format!("\n{line}") } else { line.to_owned() };
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if let (true, Some(folder)) = (is_new, self.path.parent()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Why a file of which the database says that it was never out may have been, before it forgot.
pub(crate) async fn went_out_before(gateway: &Gateway, file: &FileOut) -> Result<Option<String>, PassError> {
    // A row that knows of its copies has forgotten nothing: two persons send it again.
    if file.copies > 0 {
        return Ok(None);
    }
    // Where a path recurs, only the bytes tell files apart.
    let path = (!gateway.profile(&file.profile)?.exchange().recurring_path).then(|| file.path());
    let mut tx = gateway.store.read().await?;
    let is_known = Journal::of(gateway).read()?.gave_out(&file.bank, path.as_deref(), &file.sha256)
        || tx.was_forgotten(&file.bank, path.as_deref().unwrap_or_default(), &file.sha256).await?;
    Ok(is_known.then(|| format!("{} went out before, by a node's own journal, and the database forgot", file.path())))
}

/// What the journal says of a publication.
pub(crate) fn entry(file: &FileOut) -> Published {
    Published { bank: file.bank.clone(), file: file.id, sha256: file.sha256.clone(), path: file.path() }
}

/// Whether anything may be published now, and by which database's word. `None`: publishing is held.
///
/// # Errors
/// The database or this node's disk.
pub async fn may_publish(gateway: &Gateway, now: Timestamp) -> Result<Option<Identity>, PassError> {
    let journal = Journal::of(gateway);
    let memory = journal.read()?;
    let mut tx = gateway.store.read().await?;
    let identity = gateway.store.identity(&mut tx).await?;
    let tail = memory.published.get(memory.published.len().saturating_sub(TAIL)..).unwrap_or_default();
    let forgotten = tx.forgotten(tail).await?;
    let is_held = !tx.publishing_holds().await?.is_empty();
    drop(tx);
    let doubts = memory.doubts(&gateway.config.node.name, &identity, &forgotten);
    if doubts.is_empty() {
        if memory.identity.is_none() {
            journal.append(&identity.line())?;
        }
        return Ok((!is_held).then_some(identity));
    }
    let mut tx = gateway.store.begin().await?;
    if !record(gateway, &mut tx, &doubts, now).await? {
        tx.commit().await?;
        return Ok(None);
    }
    drop(tx);
    // Two persons have settled all of it: this node takes the database as it is.
    journal.append(SETTLED_LINE)?;
    journal.append(&identity.line())?;
    tracing::warn!(system = identity.system, timeline = identity.timeline, "publishing was released: the database is trusted again");
    Ok((!is_held).then_some(identity))
}

/// Whether the database that this transaction speaks to is the one that was looked at, and publishing is not held.
pub(crate) async fn still(gateway: &Gateway, tx: &mut Tx, identity: &Identity) -> Result<bool, PassError> {
    Ok(gateway.store.identity(tx).await? == *identity && tx.publishing_holds().await?.is_empty())
}

/// Says, at the start, what this database is, and how far a commit is kept.
///
/// # Errors
/// The database or this node's disk.
pub async fn at_the_start(gateway: &Gateway, now: Timestamp) -> Result<(), PassError> {
    match gateway.store.replication().await? {
        Replication::Synchronous => tracing::info!("a commit waits for a standby"),
        // A file has no standby by its nature, and nobody to be warned of it each time.
        Replication::Alone if gateway.store.engine() == "SQLite" => tracing::info!("the database is one file: its backup is all there is"),
        Replication::Alone => {
            tracing::warn!("the database has no standby: what it loses is lost, and publishing is then held until two persons release it");
        }
        Replication::Asynchronous => tracing::warn!(
            "the database has standbys and waits for none (synchronous_standby_names): a promotion may lose the last commits, \
             and publishing is then held until two persons release it"
        ),
    }
    may_publish(gateway, now).await.map(|_| ())
}

/// Writes down each doubt that is new. Says whether all of them are released.
async fn record(gateway: &Gateway, tx: &mut Tx, doubts: &[Doubt], now: Timestamp) -> Result<bool, PassError> {
    let mut all_released = true;
    for doubt in doubts {
        if let Some(is_released) = tx.is_publishing_released(doubt.key()).await? {
            all_released &= is_released;
            continue;
        }
        all_released = false;
        let why = why(doubt);
        let hold = PublishingHold {
            key: doubt.key().to_owned(),
            node: gateway.config.node.name.clone(),
            why: why.clone().in_language(gateway.config.language),
        };
        tx.hold_publishing(&hold, now).await?;
        if let Doubt::Behind { forgotten, .. } = doubt {
            for published in forgotten {
                tx.remember(published, doubt.key()).await?;
                put_in_doubt(gateway, tx, published, now).await?;
            }
        }
        tracing::error!(key = hold.key, why = hold.why, "all publishing is held");
        let what = gateway.say(Words::new(format!("已停止全部发送：{}", hold.why), format!("all publishing is held: {}", hold.why)));
        let next_step = gateway.say(Words::new(
            "先与各银行核对最近发出的文件，再由两人解除：`bankgate publishing release --evidence …`，另一人 `bankgate approve`",
            "compare the last files with every bank, then two persons release it: `bankgate publishing release --evidence …`, and `bankgate approve` by another",
        ));
        tx.incident(&NewIncident { key: INCIDENT, kind: INCIDENT, bank: "", what: &what, next_step: &next_step }, now).await?;
    }
    Ok(all_released)
}

fn why(doubt: &Doubt) -> Words {
    match doubt {
        Doubt::OtherDatabase { .. } => Words::new(
            "数据库已换（系统标识或时间线改变），可能丢失了最近的记录",
            "the database is another one (its system identifier or timeline changed) and may have lost its last commits",
        ),
        Doubt::Behind { forgotten, .. } => {
            let names: Vec<String> = forgotten.iter().take(20).map(|p| format!("{} {}", p.bank, p.path)).collect();
            Words::new(
                format!("数据库不知道已发出的{}个文件：{}", forgotten.len(), names.join("，")),
                format!("the database does not know of {} files that were published: {}", forgotten.len(), names.join(", ")),
            )
        }
    }
}

/// A file that went out and that the database takes for one that did not.
async fn put_in_doubt(gateway: &Gateway, tx: &mut Tx, published: &Published, now: Timestamp) -> Result<(), PassError> {
    let Some(file) = tx.file_if_any(published.file).await? else { return Ok(()) };
    let was_not_sent = matches!(file.state, FileOutState::Planned | FileOutState::Sealed | FileOutState::Uploading);
    if was_not_sent && entry(&file) == *published {
        let why = "this node's journal says that it was published, and the database forgot";
        tx.move_file(&file, FileOutState::Doubt, why, &gateway.holder, now).await?;
    }
    Ok(())
}
