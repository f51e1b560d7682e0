//! A database that lost its memory publishes nothing (防失忆). Every publication is also a line of a journal on this node's disk,
//! synced before the rename; a database that does not know of one, or that is another than it was, or that had come further
//! before, holds all publishing, on every node, until two persons have looked and released it. `nodes` sees to it that each node
//! has looked before anything goes out.
//!
//! What it forgot stays forgotten by its own tables; `forgotten` brings it back as files in doubt, before anything of it could
//! be sent again.

mod forgotten;
mod nodes;

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use super::{Done, Gateway, PassError};
use crate::domain::language::Words;
use crate::domain::memory::{Doubt, Head, Identity, Line, Memory, Published};
use crate::domain::refund;
use crate::domain::time::Timestamp;
use crate::store::desk::NewIncident;
use crate::store::memory::{PublishingHold, Replication};
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

use nodes::Nodes;

pub(crate) use forgotten::adopt;

/// So many of the last publications are compared at each run: what a database loses it loses from its end. Once one is missing,
/// all are.
const TAIL: usize = 500;
/// The journal's end is read in steps of so many bytes.
const TAIL_BYTES: u64 = 256 * 1024;
/// The incident's key: one for all reasons.
const INCIDENT: &str = "publishing_held";

/// The journal of this node.
pub(crate) struct Journal {
    path: PathBuf,
}

/// The database that was looked at, and what it was asked for.
#[derive(Debug)]
pub(crate) struct Trusted {
    identity: Identity,
    /// The start of its server.
    server: i64,
    tail: Vec<Published>,
}

impl Journal {
    /// Where this gateway keeps it.
    fn of(gateway: &Gateway) -> Self {
        Self { path: gateway.config.node.state_dir.join("published.log") }
    }

    /// All of it.
    fn read(&self) -> Result<Memory, PassError> {
        self.read_from(|_| true)
    }

    /// Its last publications, and the database that was trusted last.
    fn read_end(&self) -> Result<Memory, PassError> {
        self.read_from(|memory| memory.published.len() < TAIL)
    }

    /// Reads from the end, further back while what was read is not enough.
    fn read_from(&self, is_too_little: impl Fn(&Memory) -> bool) -> Result<Memory, PassError> {
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Memory::default()),
            Err(e) => return Err(PassError::local("reading", &self.path)(e)),
        };
        let mut read = |back: u64| -> std::io::Result<(Vec<u8>, bool)> {
            let start = file.metadata()?.len().saturating_sub(back);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((bytes, start == 0))
        };
        let mut back = TAIL_BYTES;
        loop {
            let (bytes, is_all) = read(back).map_err(PassError::local("reading", &self.path))?;
            let memory = Memory::read(&String::from_utf8_lossy(&bytes));
            if is_all || !is_too_little(&memory) {
                return Ok(memory);
            }
            back = back.saturating_mul(4);
        }
    }

    /// Adds a line; it is on the disk when this returns.
    fn append(&self, database: &Identity, published: Option<Published>) -> Result<(), PassError> {
        let line = Line { database: database.clone(), published };
        let line = serde_json::to_string(&line).map_err(|e| PassError::Broken(format!("a journal line: {e}")))?;
        self.try_append(&(line + "\n")).map_err(PassError::local("writing into", &self.path))
    }

    fn try_append(&self, line: &str) -> std::io::Result<()> {
        let is_new = !self.path.exists();
        let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        // What a crash tore off is ended first, so that it spoils no line of ours.
        let is_torn = match file.metadata()?.len().checked_sub(1) {
            None => false,
            Some(last) => {
                let mut end = [0];
                file.seek(SeekFrom::Start(last))?;
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

/// How far the database had come when this node last looked; a note that is lost or torn is none.
fn seen(gateway: &Gateway) -> Option<Head> {
    let text = std::fs::read_to_string(gateway.config.node.state_dir.join("database.seen")).ok()?;
    serde_json::from_str(&text).ok()
}

fn note_seen(gateway: &Gateway, head: &Head) -> Result<(), PassError> {
    let path = gateway.config.node.state_dir.join("database.seen");
    let text = serde_json::to_string(head).map_err(|e| PassError::Broken(format!("a note of the database: {e}")))?;
    std::fs::write(&path, text).map_err(PassError::local("writing", &path))
}

/// Why a file must not go out: it would do again what a forgotten publication did.
pub(crate) async fn went_out_before(gateway: &Gateway, file: &FileOut) -> Result<Option<String>, PassError> {
    // A path that recurs tells nothing.
    let path = (!gateway.profile(&file.profile)?.exchange().recurring_path).then(|| file.path());
    let before = gateway.store.read().await?.would_repeat(file, path.as_deref()).await?;
    Ok(before.map(|before| format!("payments or the name of {before} went out before, by a node's own journal, and the database forgot")))
}

/// Writes down that a file is about to be visible: `copy` of it.
pub(crate) async fn write_down(gateway: &Gateway, trusted: &Trusted, file: &FileOut, copy: i64) -> Result<(), PassError> {
    let (batch, rows) = gateway.store.read().await?.rows_of(file).await?;
    let published = Published {
        bank: file.bank.clone(),
        file: file.id,
        copy,
        date: file.business_date,
        seq_no: file.seq_no,
        ids: (file.first_id, file.last_id),
        sha256: file.sha256.clone(),
        batch,
        rows,
        path: file.path(),
    };
    Journal::of(gateway).append(&trusted.identity, Some(published))
}

/// Whether anything may be published now, and by which database's word. `None`: publishing is held.
///
/// # Errors
/// The database or this node's disk.
pub(crate) async fn may_publish(gateway: &Gateway, now: Timestamp) -> Result<Option<Trusted>, PassError> {
    trusted(gateway, false, now).await
}

async fn trusted(gateway: &Gateway, begins: bool, now: Timestamp) -> Result<Option<Trusted>, PassError> {
    // What this node noted is read before the database: what other tasks add meanwhile is no doubt.
    let seen = seen(gateway);
    let journal = Journal::of(gateway);
    let memory = journal.read_end()?;
    let mut tx = gateway.store.read().await?;
    let identity = gateway.store.identity(&mut tx).await?;
    let nodes = Nodes::read(gateway, &mut tx).await?;
    let mut head =
        Head { database: identity.clone(), event: tx.last_event().await?, node: gateway.config.node.name.clone(), looks: nodes.looks() };
    let forgotten = tx.forgotten(&memory.published).await?;
    let is_held = !tx.publishing_holds().await?.is_empty();
    drop(tx);
    let doubts = memory.doubts((seen.as_ref(), &head), &forgotten);
    let trusted = Trusted { identity, server: nodes.server(), tail: memory.published };
    let mut is_released = true;
    if begins || nodes.is_new() || !doubts.is_empty() {
        let mut tx = gateway.store.begin().await?;
        tx.lock_looks().await?;
        is_released = record(gateway, &mut tx, &doubts, now).await?;
        if begins || nodes.is_new() {
            head.looks = nodes.looked(gateway, &mut tx, now).await?;
        }
        tx.commit().await?;
    }
    let have_looked = nodes.have_looked(gateway, now).await?;
    if !is_released {
        note_seen(gateway, &head)?;
        return Ok(None);
    }
    if doubts.is_empty() {
        if memory.identity.is_none() {
            journal.append(&trusted.identity, None)?;
        }
    } else {
        // Two persons have settled all of it: this node takes the database as it is.
        journal.append(&trusted.identity, None)?;
        tracing::warn!(
            system = trusted.identity.system,
            timeline = trusted.identity.timeline,
            "publishing was released: the database is trusted again"
        );
    }
    if seen.as_ref() != Some(&head) {
        note_seen(gateway, &head)?;
    }
    Ok((!is_held && have_looked).then_some(trusted))
}

/// Looks whether the database remembers.
///
/// # Errors
/// The database or this node's disk.
pub async fn look(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    may_publish(gateway, now).await.map(|_| Done::default())
}

/// Whether the database that this transaction speaks to is the one that was looked at, remembers, and publishing is not held.
pub(crate) async fn still(gateway: &Gateway, tx: &mut Tx, trusted: &Trusted) -> Result<bool, PassError> {
    Ok(gateway.store.identity(tx).await? == trusted.identity
        && gateway.store.server_start(tx).await? == trusted.server
        && tx.publishing_holds().await?.is_empty()
        && tx.forgotten(&trusted.tail).await?.is_empty())
}

/// The batches that went out and are on the books no more, while publishing is held. Nobody else's pass the gate before them: another
/// list could name the same people, and nothing would tell.
pub(crate) async fn awaited(tx: &mut Tx) -> Result<Vec<String>, PassError> {
    if tx.publishing_holds().await?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(tx.off_the_books().await?.into_iter().map(|(batch, _)| batch).collect())
}

/// The lists that went out and are on the books no more: while there are any, what failed neither lapses nor goes back, for one of
/// them may have paid it again. `None`: a node that may know of others has not looked. An order that was forgotten is made again.
///
/// # Errors
/// The database.
pub(crate) async fn forgotten_lists(gateway: &Gateway, tx: &mut Tx) -> Result<Option<Vec<String>>, PassError> {
    let awaited = awaited_at_gate(gateway, tx).await?;
    Ok(awaited.map(|numbers| numbers.into_iter().filter(|number| !refund::is_number(number)).collect()))
}

/// Whose batches may pass the gate; where none is named, everybody's. `None`: nobody's, for a node that may know of others has not
/// looked.
///
/// # Errors
/// The database.
pub(crate) async fn awaited_at_gate(gateway: &Gateway, tx: &mut Tx) -> Result<Option<Vec<String>>, PassError> {
    if !Nodes::read(gateway, tx).await?.all_have_looked(tx).await? {
        return Ok(None);
    }
    awaited(tx).await.map(Some)
}

/// Whether what failed may lapse, or go back to the treasury.
///
/// # Errors
/// The database.
pub(crate) async fn may_go_back(gateway: &Gateway, tx: &mut Tx) -> Result<bool, PassError> {
    Ok(forgotten_lists(gateway, tx).await?.is_some_and(|lists| lists.is_empty()))
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
    trusted(gateway, true, now).await.map(|_| ())
}

/// Says, at the end, that this node stops.
///
/// # Errors
/// The database.
pub async fn at_the_end(gateway: &Gateway) -> Result<(), PassError> {
    let mut tx = gateway.store.begin().await?;
    tx.node_leaves(&gateway.config.node.name).await?;
    tx.commit().await?;
    Ok(())
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
        let forgotten = match doubt {
            Doubt::Behind { .. } => forgotten::all(tx, &Journal::of(gateway).read()?.published).await?,
            Doubt::OtherDatabase { .. } | Doubt::WentBack { .. } | Doubt::Unseen { .. } => Vec::new(),
        };
        let why = why(doubt, &forgotten);
        let hold = PublishingHold {
            key: doubt.key().to_owned(),
            node: gateway.config.node.name.clone(),
            why: why.clone().in_language(gateway.config.language),
        };
        tx.hold_publishing(&hold, now).await?;
        forgotten::bring_back(gateway, tx, &forgotten, doubt.key(), now).await?;
        tracing::error!(key = hold.key, why = hold.why, "all publishing is held");
        let what = gateway.say(Words::new(format!("已停止全部发送：{}", hold.why), format!("all publishing is held: {}", hold.why)));
        let next_step = gateway.say(next_step(doubt));
        tx.incident(&NewIncident { key: INCIDENT, kind: INCIDENT, bank: "", what: &what, next_step: &next_step }, now).await?;
    }
    Ok(all_released)
}

fn next_step(doubt: &Doubt) -> Words {
    match doubt {
        Doubt::Unseen { node, .. } => Words::new(
            format!(
                "启动节点{node}，核对后自动恢复；它不再回来的，先与各银行核对最近发出的文件，再由两人解除：\
                 `bankgate publishing release --evidence …`，另一人 `bankgate approve`"
            ),
            format!(
                "start node {node}: once it has looked, publishing goes on by itself; if it does not come back, compare the last files with every \
                 bank, then two persons release it: `bankgate publishing release --evidence …`, and `bankgate approve` by another"
            ),
        ),
        Doubt::OtherDatabase { .. } | Doubt::WentBack { .. } | Doubt::Behind { .. } => Words::new(
            "先与各银行核对最近发出的文件，再由两人解除：`bankgate publishing release --evidence …`，另一人 `bankgate approve`",
            "compare the last files with every bank, then two persons release it: `bankgate publishing release --evidence …`, and `bankgate approve` by another",
        ),
    }
}

fn why(doubt: &Doubt, forgotten: &[Published]) -> Words {
    match doubt {
        Doubt::OtherDatabase { .. } => Words::new(
            "数据库已换（系统标识或时间线改变），可能丢失了最近的记录",
            "the database is another one (its system identifier or timeline changed) and may have lost its last commits",
        ),
        Doubt::WentBack { events: 0, .. } => Words::new(
            "数据库退回到了较早的时点（没有本节点启动查看的记录），可能由备份恢复",
            "the database went back (it does not know that this node began to look at it): a backup may have been restored",
        ),
        Doubt::Unseen { node, is_away, .. } => {
            let (stopped, was_stopped) = if *is_away { ("（已停止）", " (stopped)") } else { ("", "") };
            Words::new(
                format!("数据库重启后，节点{node}{stopped}还没有来核对，只有它知道自己发过什么"),
                format!(
                    "the database server was started anew and node {node}{was_stopped} has not looked at it since: only it knows what it published"
                ),
            )
        }
        Doubt::WentBack { events, .. } => Words::new(
            format!("数据库退回到了较早的时点（至少少了{events}条记录），可能由备份恢复"),
            format!("the database went back (it lacks {events} events at least): a backup may have been restored"),
        ),
        Doubt::Behind { .. } => {
            let names: Vec<String> = forgotten.iter().take(20).map(|p| format!("{} {}", p.bank, p.path)).collect();
            Words::new(
                format!("数据库不知道已发出的{}个文件：{}", forgotten.len(), names.join("，")),
                format!("the database does not know of {} files that were published: {}", forgotten.len(), names.join(", ")),
            )
        }
    }
}
