//! Files of the banks are seen, copied, hashed, kept and registered (收取). Nothing is read for its meaning here, and nothing
//! is asked to leave the bank's folder before it was applied. A listing that fails is an error, never an empty folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{Days, NaiveDate};

use super::put_away::put_away;
use super::{Done, Edge, Gateway, PassError, Tried, join};
use crate::domain::exchange::InboundKind;
use crate::domain::file::{FileInState, FileOutState};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::format::{InboundName, Profile, Readiness, Response};
use crate::store::away::Move;
use crate::store::desk::NewIncident;
use crate::store::inbound::{FileIn, NewFileIn};
use crate::store::sql::Tx;
use crate::transport::{Entry, Mailbox, TransportError};

/// Dated folders are listed this many days back each time; and for so many days those of a file that was just answered, refused or
/// given up, whatever its day: what contradicts the bank's word comes there.
const LATE_DAYS: u64 = 5;
/// How old a file that was refused or given up may be for that. What its bank owes it a word is looked for as long as it takes.
const GIVEN_UP_DAYS: u64 = 120;
/// Older ones, as long as a return may come to a file of their day, are listed once in so many minutes.
const RETURNS_EVERY_MINUTES: i64 = 60;

/// A file that a listing shows and a profile recognises.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// The bank's folder and its name there.
    pub dir: String,
    pub file: String,
    /// Size and time.
    pub entry: Entry,
    pub name: InboundName,
    /// It was moved away before anybody had read it, and lies there.
    pub aside: Option<Move>,
}

impl Sight {
    pub fn path(&self) -> String {
        join(&self.dir, &self.file)
    }

    /// Under what it is remembered: what was moved away is not what stands in its place now.
    fn seen_as(&self) -> String {
        self.aside.as_ref().map_or_else(|| self.path(), |aside| aside.path.clone())
    }
}

/// Collects what one bank has put out. What the server has trouble with is left until the next time, and told at the end.
///
/// # Errors
/// The database, the mailbox (a listing error included), or the archive's disk.
pub async fn collect(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let Some(edge) = gateway.edges.get(bank) else { return Ok(Done::default()) };
    let profiles = gateway.store.read().await?.profiles_of(bank).await?;
    let dates = dates_to_list(gateway, bank, now).await?;
    let mut mailbox = edge.transport.open().await?;
    let mut tried = Tried::default();
    let (mut is_listed, mut is_missing) = (false, false);
    for id in profiles {
        let profile = Arc::clone(gateway.profile(&id)?);
        let current = profile.inbound_dirs(&dates);
        let late = late_dirs(gateway, bank, &profile, &current, now).await?;
        for (dir, is_late) in current.into_iter().map(|d| (d, false)).chain(late.into_iter().map(|d| (d, true))) {
            let sights = match mailbox.list(&join(&edge.outbox, &dir)).await {
                Ok(entries) => {
                    is_listed = true;
                    recognised(&profile, &dir, entries)
                }
                // A dated folder that is not there yet is no news; the outbox itself must be there.
                Err(TransportError::NotFound { .. }) if !dir.is_empty() => {
                    is_missing = true;
                    Vec::new()
                }
                // A folder that cannot be listed keeps none of the others waiting; a line that is down does.
                Err(e) if !e.is_of_the_way() => {
                    tried.note(Err(e.into()));
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let run = Run { gateway, edge, bank, profile: &profile, now };
            let mut is_quiet = true;
            for set in run.unknown(sets(sights)).await? {
                match run.take(&mut mailbox, set).await {
                    Err(PassError::Transport(e)) if e.is_of_the_way() => return Err(e.into()),
                    ended => {
                        is_quiet &= ended.as_ref().is_ok_and(|done| done.changed + done.unsettled == 0);
                        tried.note(ended);
                    }
                }
            }
            if is_late && is_quiet {
                run.listed(&dir).await?;
            }
        }
    }
    // Where no folder at all was there, the outbox itself may be gone or wrongly named, and every answer would be waited for in vain.
    if is_missing && !is_listed && mailbox.stat(&edge.outbox).await?.is_none() {
        return Err(TransportError::NotFound { path: edge.outbox.clone() }.into());
    }
    tried.note(put_away(gateway, (edge, bank), &mut mailbox, now).await);
    tried.end()
}

/// Days whose folders are listed each time: of files to which the bank owes a word, of files that have just had theirs, and the
/// last few days.
async fn dates_to_list(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Vec<NaiveDate>, PassError> {
    let today = gateway.today(now);
    let back = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(today);
    let mut tx = gateway.store.read().await?;
    let mut dates: BTreeSet<NaiveDate> = tx.dates_open(bank).await?.into_iter().collect();
    dates.extend(tx.dates_ended(bank, gateway.at_hour(back(LATE_DAYS), 0), back(GIVEN_UP_DAYS)).await?);
    dates.extend((0..=LATE_DAYS).map(back));
    Ok(dates.into_iter().collect())
}

/// Dated folders of files answered long ago, to which a return may still come, and whose turn it is. When each was listed is
/// remembered beside what was seen in it.
async fn late_dirs(gateway: &Gateway, bank: &str, profile: &Profile, current: &[String], now: Timestamp) -> Result<Vec<String>, PassError> {
    let days = i64::from(profile.exchange().returns_within_days);
    if days == 0 || profile.late_dirs(&[gateway.today(now)]).is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = gateway.store.read().await?;
    let dates = tx.dates_answered(bank, profile.id(), now.plus_minutes(-days * 24 * 60)).await?;
    let mut due = Vec::new();
    for dir in profile.late_dirs(&dates) {
        let listed = tx.sighting(bank, &format!("{dir}/")).await?.map(|(_, _, at, _)| at);
        if !current.contains(&dir) && listed.is_none_or(|at| now >= at.plus_minutes(RETURNS_EVERY_MINUTES)) {
            due.push(dir);
        }
    }
    Ok(due)
}

pub(super) fn recognised(profile: &Profile, dir: &str, entries: Vec<Entry>) -> Vec<Sight> {
    let sight = |entry: Entry| {
        let name = profile.recognise(&join(dir, &entry.name))?;
        Some(Sight { dir: dir.to_owned(), file: entry.name.clone(), entry, name, aside: None })
    };
    entries.into_iter().filter(|e| !e.is_dir).filter_map(sight).collect()
}

/// Files of one kind and key belong together.
pub(super) fn sets(sights: Vec<Sight>) -> Vec<Vec<Sight>> {
    let mut sets: BTreeMap<(String, String), Vec<Sight>> = BTreeMap::new();
    for sight in sights {
        sets.entry((sight.name.kind.code().to_owned(), sight.name.key.clone())).or_default().push(sight);
    }
    sets.into_values().flat_map(by_enquiry).collect()
}

/// Answers to enquiries of different days are different answers, each in as many parts as the profile says. Where not every part
/// bears the day, nothing tells them apart.
fn by_enquiry(set: Vec<Sight>) -> Vec<Vec<Sight>> {
    if set.iter().any(|sight| sight.name.asked.is_none()) {
        return vec![set];
    }
    let mut apart: BTreeMap<Option<String>, Vec<Sight>> = BTreeMap::new();
    for sight in set {
        apart.entry(sight.name.asked.clone()).or_default().push(sight);
    }
    apart.into_values().collect()
}

pub(super) struct Run<'a> {
    pub gateway: &'a Gateway,
    pub edge: &'a Edge,
    pub bank: &'a str,
    pub profile: &'a Profile,
    pub now: Timestamp,
}

/// Whether a set may be taken.
enum Ready {
    /// Every file of it is there and whole.
    Yes,
    /// Every file of it is there; size and time must be seen once more.
    Settling,
    /// Something is missing, or all of it is known.
    No,
}

/// A file that was copied: where its bytes are kept, and what they are.
struct Kept {
    sight: Sight,
    sha256: String,
    bytes: u64,
}

impl Run<'_> {
    /// Leaves out sets that were taken just as they stand: at a bank that keeps its files, nearly all. They are asked for together.
    pub async fn unknown(&self, sets: Vec<Vec<Sight>>) -> Result<Vec<Vec<Sight>>, PassError> {
        let paths: Vec<String> = sets.iter().flatten().map(Sight::seen_as).collect();
        if paths.is_empty() {
            return Ok(sets);
        }
        let taken = self.gateway.store.read().await?.taken_as(self.bank, &paths).await?;
        let is_taken = |sight: &Sight| {
            taken
                .get(&sight.seen_as())
                .is_some_and(|(bytes, at)| u64::try_from(*bytes) == Ok(sight.entry.bytes) && *at == sight.entry.modified_s)
        };
        Ok(sets.into_iter().filter(|set| !set.iter().all(is_taken)).collect())
    }

    /// Takes a set once every file of it is there and whole.
    pub async fn take(&self, mailbox: &mut Mailbox, set: Vec<Sight>) -> Result<Done, PassError> {
        match self.readiness(&set).await? {
            Ready::Yes => {}
            Ready::Settling => return Ok(Done { unsettled: 1, ..Done::default() }),
            Ready::No => return Ok(Done::default()),
        }
        let mut kept = Vec::with_capacity(set.len());
        for sight in set {
            let path = sight.aside.as_ref().map_or_else(|| join(&self.edge.outbox, &sight.path()), |aside| aside.path.clone());
            let (sha256, bytes) = self.copy(mailbox, &path).await?;
            if bytes != sight.entry.bytes {
                // It grew while we read: not whole. The next listing shows the new size.
                return Ok(Done::default());
            }
            kept.push(Kept { sight, sha256, bytes });
        }
        self.register(kept).await
    }

    /// Remembers that a folder was listed and holds nothing new.
    async fn listed(&self, dir: &str) -> Result<(), PassError> {
        let mut tx = self.gateway.store.begin().await?;
        tx.sight(self.bank, &format!("{dir}/"), (0, 0), None, self.now).await?;
        Ok(tx.commit().await?)
    }

    async fn readiness(&self, set: &[Sight]) -> Result<Ready, PassError> {
        let Some(kind) = set.first().map(|s| s.name.kind) else { return Ok(Ready::No) };
        let roles = self.profile.roles(kind);
        let missing: Vec<&str> =
            roles.iter().filter(|r| r.required && !set.iter().any(|s| s.name.role == r.role)).map(|r| r.role.as_str()).collect();
        let is_flag = |role: &str| roles.iter().any(|r| r.is_flag && r.role == role);
        // A flag that was there for an earlier file, or was moved away with it, says nothing of what came since.
        let mut must_settle = match self.profile.readiness(kind) {
            Readiness::Stable | Readiness::Pair => true,
            Readiness::Flag | Readiness::Rename => missing.iter().any(|role| is_flag(role)),
        };
        let mut tx = self.gateway.store.begin().await?;
        let complete = missing.is_empty() || self.came_before(&mut tx, set, &missing).await?;
        let (mut all_known, mut settled) = (true, true);
        for sight in set {
            let size = (sight.entry.bytes, sight.entry.modified_s);
            let seen = tx.sighting(self.bank, &sight.seen_as()).await?;
            let same = seen.filter(|(bytes, modified, _, _)| u64::try_from(*bytes) == Ok(size.0) && *modified == size.1);
            match same {
                Some((_, _, at, file)) => {
                    all_known &= file.is_some();
                    settled &= at < self.now || file.is_some();
                    must_settle |= file.is_some() && is_flag(&sight.name.role);
                }
                None => {
                    (all_known, settled) = (false, false);
                    tx.sight(self.bank, &sight.seen_as(), size, None, self.now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(match (complete && !all_known, settled || !must_settle) {
            (true, true) => Ready::Yes,
            (true, false) => Ready::Settling,
            (false, _) => Ready::No,
        })
    }

    /// Whether what a set lacks came once: the rest of what was moved away lies where it was moved to.
    async fn came_before(&self, tx: &mut Tx, set: &[Sight], missing: &[&str]) -> Result<bool, PassError> {
        let Some(aside) = set.iter().find(|s| s.aside.is_some()) else { return Ok(false) };
        for role in missing {
            if self.came_for(tx, &aside.name, role).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Files of this role that came for a key; to an enquiry, for the same enquiry.
    async fn came_for(&self, tx: &mut Tx, name: &InboundName, role: &str) -> Result<Vec<FileIn>, PassError> {
        let mut files = tx.files_of_key(self.bank, name.kind, &name.key, role).await?;
        if name.asked.is_some() {
            files.retain(|f| self.profile.recognise(&f.path()).is_some_and(|other| other.asked == name.asked));
        }
        Ok(files)
    }

    /// Copies a file into the archive under what its bytes hash to.
    async fn copy(&self, mailbox: &mut Mailbox, path: &str) -> Result<(String, u64), PassError> {
        let archive = &self.gateway.config.node.archive_dir;
        let holder =
            tempfile::Builder::new().prefix("incoming-").tempdir_in(archive).map_err(PassError::local("making a folder in", archive))?;
        let target = holder.path().join("file");
        let received = mailbox.get(path, &target).await?;
        let place = self.gateway.archived(&received.sha256);
        settle(&target, &place)?;
        Ok((received.sha256, received.bytes))
    }

    /// Registers the set in one transaction: as new, as the same again, as a torn copy come whole, or as a conflict.
    async fn register(&self, kept: Vec<Kept>) -> Result<Done, PassError> {
        let mut tx = self.gateway.store.begin().await?;
        let Some(first) = kept.first() else { return Ok(Done::default()) };
        let file_out = tx.file_by_key(self.bank, self.profile.id(), &first.sight.name.key).await?.map(|f| f.id);
        let fate = self.fate(&mut tx, &kept).await?;
        let (state, problems) = match &fate {
            Fate::New | Fate::Whole(_) => (FileInState::Archived, String::new()),
            Fate::Again => (FileInState::Duplicate, String::new()),
            Fate::Conflict(why) => (FileInState::Conflict, why.clone()),
        };
        let (mut answer_set, mut again) = (None, Vec::new());
        for file in &kept {
            let archive = self.gateway.archived(&file.sha256);
            let new = NewFileIn {
                bank: self.bank,
                profile: (self.profile.id(), self.profile.digest()),
                kind: file.sight.name.kind,
                role: &file.sight.name.role,
                dir: &file.sight.dir,
                name: &file.sight.file,
                key: &file.sight.name.key,
                sha256: &file.sha256,
                bytes: file.bytes,
                archive: &archive.to_string_lossy(),
                file_out,
                state,
                problems: &problems,
            };
            let id = tx.insert_file_in(&new, answer_set, self.now).await?;
            answer_set = answer_set.or(id);
            let known = match id {
                Some(id) => Some(id),
                None => {
                    let known = tx.file_in_id(&new).await?;
                    again.extend(known);
                    known
                }
            };
            let size = (file.sight.entry.bytes, file.sight.entry.modified_s);
            tx.sight(self.bank, &file.sight.seen_as(), size, known, self.now).await?;
            if let (Some(aside), Some(known)) = (&file.sight.aside, known) {
                tx.mark_moved(known, 1).await?;
                tx.end_move(aside).await?;
                tx.close_incident(&replaced(aside), self.now).await?;
            }
        }
        if let (FileInState::Archived, Some(set)) = (state, answer_set) {
            // The other half of a pair may have been right all along: it is read again, beside what is new.
            tx.rejoin_set(&again, set, self.now).await?;
        }
        if let Fate::Whole(torn) = &fate {
            for old in torn {
                tx.move_file_in(old.id, old.state, FileInState::Superseded, "came whole later", self.now).await?;
                tx.close_incident(&format!("quarantined:{}", old.answer_set), self.now).await?;
            }
        }
        if let Fate::Conflict(why) = &fate {
            self.alarm(&mut tx, first, why).await?;
        }
        tx.commit().await?;
        tracing::info!(bank = self.bank, name = first.sight.file, files = kept.len(), state = state.code(), "answer collected");
        Ok(Done { changed: u64::from(answer_set.is_some()), ..Done::default() })
    }

    /// Compares with what came for the same key before.
    async fn fate(&self, tx: &mut Tx, kept: &[Kept]) -> Result<Fate, PassError> {
        let mut earlier = Vec::new();
        let (mut same, mut torn) = (0, Vec::new());
        for file in kept {
            let name = &file.sight.name;
            let before: Vec<FileIn> = self
                .came_for(tx, name, &name.role)
                .await?
                .into_iter()
                .filter(|f| !matches!(f.state, FileInState::Superseded | FileInState::Rejected | FileInState::Conflict))
                .collect();
            if before.iter().any(|f| f.sha256 == file.sha256) {
                same += 1;
                continue;
            }
            for old in before {
                let never_applied = matches!(old.state, FileInState::Archived | FileInState::Staged | FileInState::Quarantined);
                let is_torn =
                    never_applied && (old.bytes == 0 || starts_with(Path::new(&old.archive), &self.gateway.archived(&file.sha256))?);
                if is_torn {
                    torn.push(old);
                } else if !self.may_say_more(tx, &old).await? {
                    earlier.push(old.name.clone());
                }
            }
        }
        Ok(if same == kept.len() {
            Fate::Again
        } else if let Some(name) = earlier.first() {
            Fate::Conflict(format!("other bytes came for the same key before, as {name}"))
        } else if torn.is_empty() {
            Fate::New
        } else {
            Fate::Whole(torn)
        })
    }

    /// Whether the bank may follow this answer up with another: it answers in polls, or owes a definite word on some line.
    async fn may_say_more(&self, tx: &mut Tx, old: &FileIn) -> Result<bool, PassError> {
        match old.kind {
            // For three months a bank says what else came back, under the same name. Each enquiry is answered by itself; the
            // same file is asked about as long as it takes.
            InboundKind::Return | InboundKind::Enquiry => return Ok(true),
            // Read beside the first: it repeats it, or two persons choose between them.
            InboundKind::Statement => return Ok(true),
            InboundKind::Ack => return Ok(false),
            InboundKind::Result => {}
        }
        match (self.profile.exchange().response, old.file_out) {
            (Response::Cumulative | Response::Delta, _) => Ok(true),
            (Response::Replace, Some(out)) if old.state == FileInState::Applied => {
                Ok(matches!(tx.file(out).await?.state, FileOutState::Sent | FileOutState::Accepted))
            }
            (Response::Replace, _) => Ok(false),
        }
    }

    async fn alarm(&self, tx: &mut Tx, file: &Kept, why: &str) -> Result<(), PassError> {
        let name = &file.sight.file;
        let what = self.gateway.say(Words::new(
            format!("银行{}又发来同一批次但内容不同的文件{name}，两份均已留存，后到的一份未入账：{why}", self.bank),
            format!(
                "bank {} sent other bytes for a key that is taken, {name}; both are kept, the later one is not applied: {why}",
                self.bank
            ),
        ));
        let next_step = self.gateway.say(Words::new("请与银行核对以哪一份为准", "ask the bank which one counts"));
        let key = format!("inbound_conflict:{}:{}:{}", self.bank, file.sight.name.key, file.sha256);
        tx.incident(&NewIncident { key: &key, kind: "inbound_conflict", bank: self.bank, what: &what, next_step: &next_step }, self.now)
            .await?;
        Ok(())
    }
}

/// What a set is, next to what came before.
enum Fate {
    New,
    Again,
    Whole(Vec<FileIn>),
    Conflict(String),
}

fn settle(from: &Path, place: &Path) -> Result<(), PassError> {
    if let Some(shelf) = place.parent() {
        std::fs::create_dir_all(shelf).map_err(PassError::local("making", shelf))?;
    }
    std::fs::rename(from, place).map_err(PassError::local("keeping", place))?;
    let shelf = place.parent().unwrap_or(place);
    std::fs::File::open(shelf).and_then(|d| d.sync_all()).map_err(PassError::local("syncing", shelf))
}

/// Whether the later file begins with all the bytes of the earlier one: a torn copy of it.
fn starts_with(earlier: &Path, later: &Path) -> Result<bool, PassError> {
    use std::io::Read as _;
    let open = |p: &Path| std::fs::File::open(p).map(std::io::BufReader::new).map_err(PassError::local("reading", p));
    let (mut a, mut b) = (open(earlier)?, open(later)?);
    let (mut x, mut y) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = a.read(&mut x).map_err(PassError::local("reading", earlier))?;
        if n == 0 {
            return Ok(true);
        }
        let (Some(ours), Some(theirs)) = (x.get(..n), y.get_mut(..n)) else { return Ok(false) };
        if b.read_exact(theirs).is_err() || ours != theirs {
            return Ok(false);
        }
    }
}

/// The trouble that another file was moved away.
pub(super) fn replaced(aside: &Move) -> String {
    format!("replaced:{}:{}", aside.file_in, aside.attempt)
}

/// Where the kept bytes of a registered file are.
#[must_use]
pub fn kept(file: &FileIn) -> PathBuf {
    PathBuf::from(&file.archive)
}
