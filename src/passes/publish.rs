//! Sealed files reach the bank, once (发送). Each sentence of this file closes a way in which an earlier draft published
//! twice, or never, or half.
//!
//! Before the first byte the row is stamped with the lease's fence and a new attempt; the attempt's part has a name that
//! was never used and is condemned by any error. One compare-and-set then records the exact parts; from there nothing is
//! uploaded again, by anyone, and only those parts are renamed. Exactly-once rests on the single source, not on the
//! server's refusal to overwrite. What a crash leaves is resolved by looking, at the sources first; what looking cannot
//! resolve is held, or in doubt, and a person is told.

use super::guard::{self, Trusted};
use super::plan::is_stale;
use super::seal::{pinned, spooled, unspool};
use super::withdraw::withdraw;
use super::{Done, Edge, Gateway, PassError, join};
use crate::clock::Since;
use crate::domain::file::{Evidence, FileOutState};
use crate::domain::instruction::{Event, step};
use crate::domain::language::Words;
use crate::domain::publishing::{Act, Look, Piece, Recovery, acts, part_name};
use crate::domain::time::Timestamp;
use crate::format::PublishMode;
use crate::store::admission::Agreement;
use crate::store::desk::NewIncident;
use crate::store::outbound::{FileOut, Lease, SentRecord};
use crate::transport::{Mailbox, TransportError};

/// A line that fails under so many files of one run is left alone until the next.
const LINE_FAULTS_MAX: u32 = 3;
/// The hour of a due day at which a bank's result is expected.
const DUE_HOUR: u32 = 18;

/// Publishes what is sealed for one bank, and first resolves what an earlier run left behind. `since` tells how long ago `now` was, so
/// that nothing begins behind the bank's cut-off, however long what goes before it takes.
///
/// # Errors
/// The database, the mailbox, or the spool's disk; the next run goes on where this one stopped.
pub async fn publish(gateway: &Gateway, bank: &str, lease: &Lease, now: Timestamp, since: Since) -> Result<Done, PassError> {
    let mut done = withdraw(gateway, bank, lease, now).await?;
    let states = [FileOutState::Publishing, FileOutState::Uploading, FileOutState::Sealed];
    let files = gateway.store.read().await?.files_in(bank, &states).await?;
    let Some(edge) = gateway.edges.get(bank) else {
        return if files.is_empty() {
            Ok(done)
        } else {
            Err(PassError::Broken(format!("bank {bank} has files but no mailbox in the configuration")))
        };
    };
    if files.is_empty() {
        return Ok(done);
    }
    let Some(trusted) = guard::may_publish(gateway, now).await? else { return Ok(done) };
    let mut open = Some(edge.transport.open().await?);
    let (mut trouble, mut line_faults) = (None, 0);
    // What may be out already comes first: its money is in flight.
    let (left, fresh): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| f.state == FileOutState::Publishing);
    let run = Run { gateway, edge, lease, trusted, now, since };
    for file in left.into_iter().chain(fresh) {
        let mut mailbox = match open.take() {
            Some(mailbox) => mailbox,
            None => match edge.transport.open().await {
                Ok(mailbox) => mailbox,
                Err(e) => return Err(trouble.unwrap_or_else(|| e.into())),
            },
        };
        let id = file.id;
        let ended = match file.state == FileOutState::Publishing {
            true => run.recover(&mut mailbox, &file).await,
            false => run.send(&mut mailbox, file).await,
        };
        match ended {
            Ok(more) => {
                done += more;
                open = Some(mailbox);
            }
            Err(e @ PassError::Store(_)) => return Err(e),
            // One file's trouble is its own; the others go on, in a fresh session: a failed write has ended this one.
            Err(e) => {
                tracing::warn!(file = id, bank, error = %e, "not published by this run");
                line_faults += u32::from(matches!(&e, PassError::Transport(e) if e.is_of_the_way()));
                trouble.get_or_insert(e);
                if line_faults >= LINE_FAULTS_MAX {
                    break;
                }
            }
        }
    }
    trouble.map_or(Ok(done), Err)
}

/// Writes what is sealed into a folder of this node and publishes nothing: a bank that is being tried out (`shadow`).
///
/// # Errors
/// The database or the disk.
pub async fn shadow(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let files = gateway.store.read().await?.files_in(bank, &[FileOutState::Sealed]).await?;
    let mut done = Done::default();
    for file in files {
        let (bytes, flag) = match spooled(gateway, &file).await {
            Ok(found) => found,
            Err(PassError::Broken(why)) => {
                done += stop(gateway, &file, FileOutState::Held, &why, now).await?;
                continue;
            }
            Err(e) => return Err(e),
        };
        let folder = gateway.config.node.state_dir.join("shadow").join(bank).join(&file.dir);
        std::fs::create_dir_all(&folder).map_err(PassError::local("making", &folder))?;
        let place = folder.join(&file.name);
        if place.exists() {
            continue;
        }
        // The data last and in one step: what stands there is whole, and its flag with it.
        if let Some(text) = flag {
            let place = folder.join(&file.flag_name);
            std::fs::write(&place, text).map_err(PassError::local("writing", &place))?;
        }
        let part = tempfile::NamedTempFile::new_in(&folder).map_err(PassError::local("making a file in", &folder))?;
        std::fs::copy(&bytes, part.path()).map_err(PassError::local("writing", &place))?;
        part.persist(&place).map_err(|e| PassError::local("keeping", &place)(e.error))?;
        let mut tx = gateway.store.begin().await?;
        tx.event("file_out", file.id, ("shadow", "sealed", "sealed"), &gateway.holder, &place.to_string_lossy(), now).await?;
        tx.commit().await?;
        done.changed += 1;
    }
    Ok(done)
}

/// When a file's result is due, by its agreement.
pub(crate) fn result_due(gateway: &Gateway, agreement: &Agreement, file: &FileOut) -> Result<Timestamp, PassError> {
    let days = u32::try_from(agreement.feedback_days).unwrap_or(1);
    Ok(gateway.at_hour(gateway.due_day(file.business_date, days)?, DUE_HOUR))
}

/// What every step of one file's publication needs.
struct Run<'a> {
    gateway: &'a Gateway,
    edge: &'a Edge,
    lease: &'a Lease,
    /// The database that was found to remember.
    trusted: Trusted,
    now: Timestamp,
    since: Since,
}

/// The names that one attempt uses, under the bank's inbox.
struct Names {
    data: String,
    flag: Option<String>,
    data_part: String,
    flag_part: Option<String>,
}

impl Names {
    /// What is renamed; empty where the profile has no flag.
    fn part(&self, piece: Piece) -> &str {
        match piece {
            Piece::Data => &self.data_part,
            Piece::Flag => self.flag_part.as_deref().unwrap_or_default(),
        }
    }

    /// What it is called at the end.
    fn last(&self, piece: Piece) -> &str {
        match piece {
            Piece::Data => &self.data,
            Piece::Flag => self.flag.as_deref().unwrap_or_default(),
        }
    }
}

impl Run<'_> {
    fn path(&self, file: &FileOut, name: &str) -> String {
        join(&join(&self.edge.inbox, &file.dir), name)
    }

    fn names(&self, file: &FileOut, attempt: i64, mode: PublishMode) -> Names {
        let part = |name: &str| match mode {
            PublishMode::Rename => part_name(name, self.lease.fence, (attempt, file.id)),
            PublishMode::Flag | PublishMode::Direct => name.to_owned(),
        };
        let flag = (!file.flag_name.is_empty()).then(|| file.flag_name.clone());
        Names {
            data: self.path(file, &file.name),
            flag: flag.as_ref().map(|f| self.path(file, f)),
            data_part: self.path(file, &part(&file.name)),
            flag_part: flag.as_ref().map(|f| self.path(file, &part(f))),
        }
    }

    /// Stamp, upload, intend, rename, record.
    async fn send(&self, mailbox: &mut Mailbox, file: FileOut) -> Result<Done, PassError> {
        if file.tries() >= i64::from(self.edge.upload_attempts_max) {
            let why = format!("{} attempts to upload it failed", file.tries());
            return self.stop(&file, FileOutState::Held, &why).await;
        }
        if let Some(left) = self.too_late(&file).await? {
            return Ok(left);
        }
        // Also when the bytes lie in the spool: what was sealed under another profile would go out by the rules of this one.
        let profile = match pinned(self.gateway, &file) {
            Ok(profile) => profile,
            Err(PassError::Broken(why)) => return self.stop(&file, FileOutState::Held, &why).await,
            Err(e) => return Err(e),
        };
        let mode = profile.exchange().publish;
        let (bytes, flag) = match spooled(self.gateway, &file).await {
            Ok(found) => found,
            Err(PassError::Broken(why)) => return self.stop(&file, FileOutState::Held, &why).await,
            Err(e) => return Err(e),
        };
        let mut tx = self.gateway.store.begin().await?;
        let Some(attempt) = tx.stamp_file(&file, self.lease, self.now).await? else { return Ok(Done::default()) };
        tx.commit().await?;
        let file = FileOut { state: FileOutState::Uploading, fence: self.lease.fence, attempt, ..file };
        let names = self.names(&file, attempt, mode);
        mailbox.ensure_dir(&join(&self.edge.inbox, &file.dir)).await?;
        self.act(mailbox, &file, (&names, mode != PublishMode::Rename), (&bytes, flag.as_deref())).await
    }

    /// The acts behind the stamp, in the order that the protocol gives. Whoever finds that the row or the lease moved on, or that
    /// a final name is taken, ends there.
    async fn act(
        &self,
        mailbox: &mut Mailbox,
        file: &FileOut,
        (names, in_place): (&Names, bool),
        (bytes, flag): (&std::path::Path, Option<&[u8]>),
    ) -> Result<Done, PassError> {
        let mut file = file.clone();
        for act in acts(in_place, names.flag.is_some()) {
            match act {
                Act::Upload(Piece::Data) => self.upload(mailbox, &file, &names.data_part, bytes).await?,
                Act::Upload(Piece::Flag) => self.upload_text(mailbox, names.part(Piece::Flag), flag.unwrap_or_default()).await?,
                Act::ProveAbsent => {
                    if let Some(why) = guard::went_out_before(self.gateway, &file).await? {
                        return self.stop(&file, FileOutState::Held, &why).await;
                    }
                    for name in std::iter::once(&names.data).chain(&names.flag) {
                        if mailbox.stat(name).await?.is_some() {
                            let why = format!("{name} stands at the bank already, and we did not put it there");
                            return self.stop(&file, FileOutState::Held, &why).await;
                        }
                    }
                }
                Act::Intend => {
                    if let Some(left) = self.too_late(&file).await? {
                        return Ok(left);
                    }
                    if !self.intend(&file, (names.part(Piece::Data), names.part(Piece::Flag))).await? {
                        return Ok(Done::default());
                    }
                    file.state = FileOutState::Publishing;
                    guard::write_down(self.gateway, &self.trusted, &file, file.copies + 1).await?;
                }
                Act::Rename(piece) => mailbox.rename(names.part(*piece), names.last(*piece)).await?,
                Act::Record => return self.record(&file, Evidence::Renamed).await,
            }
        }
        Ok(Done::default())
    }

    /// What becomes of a file whose hours are over by now: the files before it, or its own upload, may have taken long. The next plan
    /// gives it up, but for a second copy of what is out: the bank would refuse that by its date, and a person is told. `None`: in time.
    async fn too_late(&self, file: &FileOut) -> Result<Option<Done>, PassError> {
        if !self.is_over(file).await? {
            return Ok(None);
        }
        if file.copies > 0 {
            let why = "its day went by before its second copy was out, and the bank would refuse that; with the bank's letter \
                       \"not executed, and will not be\" it is settled as refused";
            return self.stop(file, FileOutState::Held, why).await.map(Some);
        }
        tracing::warn!(file = file.id, bank = file.bank, date = %file.business_date, "not published by this run: its hours are over");
        Ok(Some(Done::default()))
    }

    /// Whether a file's hours are over by now.
    async fn is_over(&self, file: &FileOut) -> Result<bool, PassError> {
        let agreement = self.gateway.store.read().await?.agreement(&file.agreement).await?;
        is_stale(self.gateway, &agreement, file.business_date, self.since.from(self.now))
    }

    async fn intend(&self, file: &FileOut, parts: (&str, &str)) -> Result<bool, PassError> {
        let mut tx = self.gateway.store.begin().await?;
        // On this very connection: a database that failed over a moment ago may have forgotten, and is looked at by the next run.
        if !guard::still(self.gateway, &mut tx, &self.trusted).await? {
            tracing::warn!(file = file.id, "not published by this run: the database is another one, or publishing is held");
            return Ok(false);
        }
        // Somebody may have paused the bank since this round began: what is not out yet waits.
        if tx.bank_mode(&file.bank).await? != "live" {
            tracing::warn!(file = file.id, bank = file.bank, "not published by this run: the bank was paused");
            return Ok(false);
        }
        let intended = tx.intend(file, self.lease, file.attempt, parts, self.now).await?;
        tx.commit().await?;
        if !intended {
            tracing::warn!(file = file.id, fence = self.lease.fence, "not published by this run: the row or the lease moved on");
        }
        Ok(intended)
    }

    async fn upload(&self, mailbox: &mut Mailbox, file: &FileOut, part: &str, bytes: &std::path::Path) -> Result<(), PassError> {
        let sent = mailbox.put_new(part, bytes).await?;
        if sent.sha256 != file.sha256 || i64::try_from(sent.bytes) != Ok(file.bytes) {
            // Away with it: the next attempt renders it again.
            _ = std::fs::remove_file(bytes);
            return Err(PassError::Broken(format!("the spool's bytes of file {} are not those that were sealed", file.id)));
        }
        if self.edge.read_back {
            let there = mailbox.digest(part).await?;
            if there.sha256 != file.sha256 {
                return Err(TransportError::SizeMismatch { path: part.to_owned(), expected: sent.bytes, found: there.bytes }.into());
            }
        }
        Ok(())
    }

    async fn upload_text(&self, mailbox: &mut Mailbox, part: &str, text: &[u8]) -> Result<(), PassError> {
        use std::io::Write as _;
        let spool = self.gateway.config.node.state_dir.join("spool");
        let mut source = tempfile::NamedTempFile::new_in(&spool).map_err(PassError::local("making a file in", &spool))?;
        source.write_all(text).map_err(PassError::local("writing into", &spool))?;
        mailbox.put_new(part, source.path()).await?;
        Ok(())
    }

    /// Resolves a publication whose outcome was not recorded. What cannot be looked at or renamed, and is not the line's
    /// fault, is held: now if it cannot mend by itself, else after as many tries as an upload has.
    async fn recover(&self, mailbox: &mut Mailbox, file: &FileOut) -> Result<Done, PassError> {
        let e = match self.resolve(mailbox, file).await {
            Err(PassError::Transport(e)) if !e.is_of_the_way() => e,
            other => return other,
        };
        let looks_again = e.is_transient() || matches!(e, TransportError::NotFound { .. } | TransportError::AlreadyExists { .. });
        if looks_again && file.tries() < 2 * i64::from(self.edge.upload_attempts_max) {
            let mut tx = self.gateway.store.begin().await?;
            tx.count_look(file, self.now).await?;
            tx.commit().await?;
            return Err(e.into());
        }
        self.stop(file, FileOutState::Held, &e.to_string()).await
    }

    /// One look at the directory that the row's part names, whatever the settings say by now: the sources first.
    async fn resolve(&self, mailbox: &mut Mailbox, file: &FileOut) -> Result<Done, PassError> {
        let (dir, part) = file.part_name.rsplit_once('/').unwrap_or(("", &file.part_name));
        let listing = match mailbox.list(dir).await {
            Ok(listing) => listing,
            // The folder of our own part is gone: nothing can be said of what was in it.
            Err(e @ TransportError::NotFound { .. }) => return self.stop(file, FileOutState::Held, &e.to_string()).await,
            Err(e) => return Err(e.into()),
        };
        let size_of = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            listing.iter().find(|e| !e.is_dir && e.name == name).map(|e| e.bytes)
        };
        let look = Look {
            data_part: size_of(&file.part_name).is_some(),
            flag_part: (!file.flag_part_name.is_empty()).then(|| size_of(&file.flag_part_name).is_some()),
            data: size_of(&file.name),
            flag: (!file.flag_name.is_empty()).then(|| size_of(&file.flag_name).is_some()),
            bytes: u64::try_from(file.bytes).unwrap_or_default(),
        };
        let verdict = if part == file.name { look.after_writing_in_place() } else { look.after_rename(self.edge.rename_is_atomic) };
        tracing::info!(file = file.id, ?look, ?verdict, "publication resolved by looking");
        let (data, flag) = (join(dir, &file.name), join(dir, &file.flag_name));
        let evidence = match verdict {
            Recovery::Stop(state, why) => return self.stop(file, state, why).await,
            Recovery::Out(evidence) => evidence,
            Recovery::RenameBoth | Recovery::RenameFlag => Evidence::Renamed,
        };
        if verdict == Recovery::RenameBoth {
            // Nothing of it is out, and the bank would refuse it by its date: its part can be taken back.
            if self.is_over(file).await? {
                let why = "its day went by before its parts were renamed, and the bank would refuse it by its date";
                return self.stop(file, FileOutState::Held, why).await;
            }
            guard::write_down(self.gateway, &self.trusted, file, file.copies).await?;
        }
        for act in verdict.acts(!file.flag_part_name.is_empty()) {
            match act {
                Act::Rename(Piece::Data) => mailbox.rename(&file.part_name, &data).await?,
                Act::Rename(Piece::Flag) => mailbox.rename(&file.flag_part_name, &flag).await?,
                Act::Record => return self.record(file, evidence).await,
                Act::Upload(_) | Act::ProveAbsent | Act::Intend => {
                    return Err(PassError::Broken(format!("looking at file {} would begin it anew", file.id)));
                }
            }
        }
        Ok(Done::default())
    }

    async fn record(&self, file: &FileOut, evidence: Evidence) -> Result<Done, PassError> {
        let profile = self.gateway.profile(&file.profile)?;
        let mut tx = self.gateway.store.begin().await?;
        let agreement = tx.agreement(&file.agreement).await?;
        let sent = SentRecord {
            lines_state: step(file.lines_state, Event::Send).map_err(|e| PassError::Broken(e.to_string()))?,
            evidence,
            ack_due_at: profile.exchange().ack_within_minutes.map(|m| self.now.plus_minutes(i64::from(m))),
            result_due_at: Some(result_due(self.gateway, &agreement, file)?),
        };
        if !tx.record_sent(file, &sent, &self.gateway.holder, self.now).await? {
            return Ok(Done::default());
        }
        if evidence == Evidence::Presumed && sent.ack_due_at.is_none() {
            let what = self.gateway.say(Words::new(
                format!("文件{}（{}笔，{}元）在银行目录中已不见，推定银行已取走，尚无凭据", file.name, file.rows, file.total),
                format!("file {} ({} lines, {}) is gone at the bank: presumed taken, without proof", file.name, file.rows, file.total),
            ));
            let next_step = self.gateway.say(Words::new("请电话向银行确认是否收到该文件", "ask the bank by phone whether it has the file"));
            let key = format!("presumed:{}", file.id);
            tx.incident(&NewIncident { key: &key, kind: "presumed_sent", bank: &file.bank, what: &what, next_step: &next_step }, self.now)
                .await?;
        }
        tx.commit().await?;
        unspool(self.gateway, file);
        tracing::info!(file = file.id, bank = file.bank, name = file.name, evidence = evidence.code(), "file sent");
        Ok(Done { changed: 1, ..Done::default() })
    }

    async fn stop(&self, file: &FileOut, state: FileOutState, why: &str) -> Result<Done, PassError> {
        stop(self.gateway, file, state, why, self.now).await
    }
}

/// Leaves a file to a person, who is told.
pub(super) async fn stop(gateway: &Gateway, file: &FileOut, state: FileOutState, why: &str, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    if !tx.move_file(file, state, why, &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    let what = gateway.say(Words::new(
        format!("文件{}（{}笔，{}元）已停在“{}”：{why}", file.name, file.rows, file.total, state.code()),
        format!("file {} ({} lines, {}) is {}: {why}", file.name, file.rows, file.total, state.code()),
    ));
    let next_step = gateway.say(Words::new(
        format!("先查看：bankgate file show {}；与银行核对后再处理，切勿手工重发", file.id),
        format!("look first: bankgate file show {}; ask the bank, and never send it again by hand", file.id),
    ));
    let key = format!("{}:{}", state.code(), file.id);
    tx.incident(&NewIncident { key: &key, kind: "file_held", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}
