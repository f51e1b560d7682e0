//! Everything outside the gateway: the banks' mailboxes, the mail relay, the time, and what goes wrong with them. Each call
//! of the gateway is one step, each step draws from the seed what happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bankgate::mail::{Envelope, MailError, Receipt, Relay, Step};
use bankgate::transport::{Entry, Mailroom, Received, Sent, TransportError, Visit};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::bank::Bank;
use super::late::Late;

/// What goes wrong, by seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The node dies before the effect.
    CrashBefore,
    /// The node dies after the effect.
    CrashAfter,
    /// No answer; nothing happened.
    TimeoutBefore,
    /// No answer; it happened.
    TimeoutAfter,
    /// No answer; the server does it when nobody waits for it any more.
    Delayed,
    /// An upload breaks off in the middle.
    TornWrite,
    /// A download ends early and is told as a mismatch.
    ShortRead,
    /// A listing shows what was there some time ago.
    StaleListing,
    /// A listing fails.
    ListingError,
    /// The account may not do it, for some hours.
    Permission,
    /// The bank's server replaces on rename.
    RenameReplaces,
    /// A rename is refused.
    RenameRefused,
    /// The bank's server does not honour exclusive creation.
    ExclusiveIgnored,
    /// The bank's server links, then unlinks; it may stop between.
    TwoStep,
    /// The bank's disk is full.
    DiskFull,
    /// The server shows another host key, for some hours.
    HostKey,
    /// A commit is refused.
    CommitRefused,
    /// A commit happens and its reply is lost: the node dies.
    CommitReplyLost,
    /// A node's clock is wrong by up to a day, both ways.
    Clock,
    /// The relay takes a letter and does not say so.
    MailUnclear,
    /// The relay puts a letter off, or cannot be reached.
    MailDeferred,
    /// A node stops in the middle of a call and goes on much later.
    Stall,
    /// Several nodes.
    Nodes,
    /// The bank takes files in the middle of our calls.
    TakesAnytime,
    /// The bank answers late, or never.
    Late,
    /// The bank says "processing" first.
    Processing,
    /// The bank says the same again.
    Repeat,
    /// The bank's file is wrong: a total, a line, another file's name.
    Wrong,
    /// The bank's file is seen half written.
    Growing,
    /// The bank says otherwise later.
    Contradicts,
    /// The bank says failed of what it credited.
    Lies,
    /// Credits come back weeks later.
    Returns,
    /// Somebody turns out to have had no right to what was paid, and mostly brings it back.
    Repaid,
    /// The department corrects twice, or wrongly, or claims twice.
    Sloppy,
    /// A statement comes days late.
    StatementLate,
    /// The bank errs in its own book, and puts it right later.
    StatementErrs,
    /// The database is the one of last night again.
    Restored,
}

impl Fault {
    pub const ALL: [Self; 37] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::Delayed,
        Self::TornWrite,
        Self::ShortRead,
        Self::StaleListing,
        Self::ListingError,
        Self::Permission,
        Self::RenameReplaces,
        Self::RenameRefused,
        Self::ExclusiveIgnored,
        Self::TwoStep,
        Self::DiskFull,
        Self::HostKey,
        Self::CommitRefused,
        Self::CommitReplyLost,
        Self::Clock,
        Self::MailUnclear,
        Self::MailDeferred,
        Self::Stall,
        Self::Nodes,
        Self::TakesAnytime,
        Self::Late,
        Self::Processing,
        Self::Repeat,
        Self::Wrong,
        Self::Growing,
        Self::Contradicts,
        Self::Lies,
        Self::Returns,
        Self::Repaid,
        Self::Sloppy,
        Self::StatementLate,
        Self::StatementErrs,
        Self::Restored,
    ];

    /// As it is written on the command line.
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

/// A file in a bank's mailbox.
#[derive(Clone, Debug)]
pub struct File {
    pub bytes: Vec<u8>,
    pub modified_s: i64,
}

/// A mailbox: its files by path, and how its server behaves.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    pub files: BTreeMap<String, File>,
    /// Listings as they were, for a stale one.
    earlier: BTreeMap<String, Vec<Entry>>,
    /// Until when the account is locked out, or the key is another.
    barred_until: i64,
    strange_until: i64,
    /// A server that puts copies in a second step leaves both names for a moment.
    pub replaces: bool,
    pub ignores_exclusive: bool,
    pub two_step: bool,
    /// The bank put something out that nobody looked at yet.
    pub is_news: bool,
}

/// What is outside.
pub struct Outside {
    pub now_ms: i64,
    /// The first midnight.
    pub start_ms: i64,
    /// Calls and commits so far.
    pub steps: u64,
    pub boxes: BTreeMap<&'static str, Folder>,
    pub banks: BTreeMap<&'static str, Bank>,
    /// For which period an amount is.
    pub periods: BTreeMap<i64, String>,
    /// What servers will still do, by when and in which order they took it.
    late: BTreeMap<(i64, u64), (&'static str, Late)>,
    /// Letters that somebody got: Message-ID, recipients, how often, whether the relay ever kept silent about it or its sender died.
    pub letters: BTreeMap<String, Letter>,
    pub faults: BTreeSet<Fault>,
    /// No fault is drawn any more.
    pub is_calm: bool,
    /// How often what went wrong.
    pub happened: BTreeMap<Fault, u64>,
    /// One in so many steps goes wrong in one way.
    pub rarity: u32,
    pub rng: ChaCha8Rng,
    hash: Sha256,
    pub log: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default)]
pub struct Letter {
    pub copies: u64,
    pub is_excused: bool,
    pub to: Vec<String>,
}

impl Outside {
    pub fn new(seed: u64, faults: BTreeSet<Fault>, now_ms: i64, keep_log: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rarity = [120, 250, 600][rng.random_range(0..3)];
        Self {
            now_ms,
            start_ms: now_ms,
            steps: 0,
            boxes: BTreeMap::new(),
            banks: BTreeMap::new(),
            periods: BTreeMap::new(),
            late: BTreeMap::new(),
            letters: BTreeMap::new(),
            faults,
            is_calm: false,
            happened: BTreeMap::new(),
            rarity,
            rng,
            hash: Sha256::new(),
            log: keep_log.then(Vec::new),
        }
    }

    /// Into the trace, and its hash.
    pub fn say(&mut self, line: &str) {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        let (now, steps) = (self.now_ms, self.steps);
        if let Some(log) = &mut self.log {
            log.push(format!("{steps:>6} {} {line}", bankgate::domain::time::Timestamp::from_millis(now)));
        }
    }

    pub fn trace(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// Whether this goes wrong now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let rarity = self.rarity;
        self.strikes_in(fault, rarity)
    }

    /// Whether this goes wrong now, one time in so many.
    pub fn strikes_in(&mut self, fault: Fault, one_in: u32) -> bool {
        // Drawn also where it cannot strike: leaving one kind out changes the others' draws as little as may be.
        let drawn = self.rng.random_range(0..one_in) == 0;
        let strikes = drawn && !self.is_calm && self.faults.contains(&fault);
        if strikes {
            *self.happened.entry(fault).or_default() += 1;
            self.say(&format!("! {}", fault.name()));
        }
        strikes
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether the server puts this off, for minutes or hours: whoever asked has no answer.
    fn is_put_off(&mut self, bank: &'static str, what: impl FnOnce() -> Late) -> bool {
        // Writes are few beside looks.
        if !self.strikes_in(Fault::Delayed, 25) {
            return false;
        }
        let minutes = self.rng.random_range(1..240);
        self.late.insert((self.now_ms + minutes * 60_000, self.steps), (bank, what()));
        true
    }

    /// What servers were asked to rename and will: bank, and the new name.
    pub fn will_be_renamed(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.late.values().filter_map(|(bank, late)| match late {
            Late::Rename(_, to) => Some(((*bank).to_owned(), to.clone())),
            Late::Put(..) | Late::Remove(_) => None,
        })
    }

    /// When a server next does what it put off.
    pub fn late_at(&self) -> Option<i64> {
        self.late.keys().next().map(|(at, _)| *at)
    }

    /// Servers do what they put off until now.
    pub fn catch_up(&mut self) -> bool {
        let mut any = false;
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            any = true;
            let (bank, late) = entry.remove();
            self.say(&format!("{bank} does late: {}", late.words()));
            late.happens(self.boxes.get_mut(bank).unwrap(), self.now_ms / 1000);
        }
        any
    }

    /// The bank puts a file out.
    pub fn put(&mut self, bank: &'static str, path: &str, bytes: Vec<u8>) {
        self.say(&format!("{bank} puts {path} {} {}", bytes.len(), &hex::encode(Sha256::digest(&bytes))[..8]));
        let modified_s = self.now_ms / 1000;
        let folder = self.boxes.get_mut(bank).unwrap();
        folder.is_news = true;
        folder.files.insert(format!("outbox/{path}"), File { bytes, modified_s });
    }
}

/// A node of ours, as the outside sees it.
#[derive(Debug, Default)]
pub struct Life {
    /// It died: nothing that it does has an effect any more.
    pub is_dead: AtomicBool,
    /// It stands still in the middle of a call.
    pub stalled: Notify,
    gate: Mutex<Gate>,
    go: Condvar,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    Shut,
}

impl Life {
    pub fn dies(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Blocks the session's thread until it may go on.
    fn stall(&self) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        *gate = Gate::Shut;
        self.stalled.notify_one();
        while *gate == Gate::Shut {
            gate = self.go.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn go_on(&self) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Gate::Open;
        self.go.notify_all();
    }
}

/// All of it, shared by the nodes and the simulator.
pub type Port = Arc<Mutex<Outside>>;

pub fn enter(port: &Port) -> MutexGuard<'_, Outside> {
    port.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One commit of a node: whether it may happen.
pub fn commit(port: &Port, life: &Life) -> bool {
    if life.is_dead() {
        return false;
    }
    let mut out = enter(port);
    out.steps += 1;
    if out.strikes(Fault::CrashBefore) {
        life.dies();
        return false;
    }
    if out.strikes(Fault::CommitRefused) {
        return false;
    }
    if out.strikes(Fault::CommitReplyLost) {
        life.dies();
    }
    true
}

/// A bank's mailbox, as one node sees it.
pub struct Door {
    pub port: Port,
    pub life: Arc<Life>,
    pub bank: &'static str,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mailbox of {}", self.bank)
    }
}

impl Mailroom for Door {
    fn enter(&self) -> Result<Box<dyn Visit>, TransportError> {
        let session = Session { port: Arc::clone(&self.port), life: Arc::clone(&self.life), bank: self.bank };
        session.call("open", "", |_, _, _| Ok(()))?;
        let mut out = enter(&self.port);
        let now = out.now_ms;
        if out.strikes(Fault::HostKey) {
            let hours = out.rng.random_range(1..30);
            out.boxes.get_mut(self.bank).unwrap().strange_until = now + hours * 3_600_000;
        }
        if out.boxes[self.bank].strange_until > now && !out.is_calm {
            let [host, offered, pinned] = ["bank".to_owned(), "SHA256:other".to_owned(), "SHA256:ours".to_owned()];
            return Err(TransportError::HostKeyChanged { host, offered, pinned });
        }
        drop(out);
        Ok(Box::new(session))
    }
}

struct Session {
    port: Port,
    life: Arc<Life>,
    bank: &'static str,
}

fn timeout(during: &'static str) -> TransportError {
    TransportError::Timeout { during, after: Duration::from_secs(30) }
}

fn gone(during: &'static str) -> TransportError {
    TransportError::ConnectionLost { during, reason: "the line is dead".to_owned() }
}

impl Session {
    /// One call: what goes wrong before it, itself, what goes wrong after it.
    fn call<T>(
        &self,
        during: &'static str,
        path: &str,
        act: impl FnOnce(&mut Outside, &'static str, i64) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        if self.life.is_dead() {
            return Err(gone(during));
        }
        let mut out = enter(&self.port);
        out.steps += 1;
        if out.strikes(Fault::Stall) {
            drop(out);
            self.life.stall();
            out = enter(&self.port);
            if self.life.is_dead() {
                return Err(gone(during));
            }
        }
        if out.strikes(Fault::CrashBefore) {
            self.life.dies();
            return Err(gone(during));
        }
        if out.strikes(Fault::TimeoutBefore) {
            return Err(timeout(during));
        }
        if out.strikes(Fault::Permission) {
            let (hours, now) = (out.rng.random_range(1..30), out.now_ms);
            out.boxes.get_mut(self.bank).unwrap().barred_until = now + hours * 3_600_000;
        }
        if during != "open" && out.boxes[self.bank].barred_until > out.now_ms && !out.is_calm {
            return Err(TransportError::PermissionDenied { path: path.to_owned() });
        }
        self.bank_acts(&mut out);
        let now_s = out.now_ms / 1000;
        let result = act(&mut out, self.bank, now_s);
        let mut line = format!("{} {during} {path}", self.bank);
        if let Err(e) = &result {
            _ = write!(line, ": {e}");
        }
        out.say(&line);
        self.bank_acts(&mut out);
        if out.strikes(Fault::CrashAfter) {
            self.life.dies();
            return Err(gone(during));
        }
        if out.strikes(Fault::TimeoutAfter) {
            return Err(timeout(during));
        }
        result
    }

    /// A bank takes what lies in its inbox at any moment.
    fn bank_acts(&self, out: &mut Outside) {
        if out.strikes_in(Fault::TakesAnytime, 6) {
            super::bank::take(out, self.bank);
        }
    }
}

fn below(files: &BTreeMap<String, File>, dir: &str) -> Option<Vec<Entry>> {
    let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    // The three folders are there, and those made below them as long as something lies in them.
    let mut is_there = matches!(dir, "" | "inbox" | "outbox" | "done");
    for name in ["inbox", "outbox", "done"].into_iter().filter(|_| dir.is_empty()).map(str::to_owned) {
        found.insert(name.clone(), Entry { path: name.clone(), name, is_dir: true, bytes: 0, modified_s: 0 });
    }
    for (path, file) in files.range(prefix.clone()..) {
        let Some(rest) = path.strip_prefix(&prefix) else { break };
        is_there = true;
        let (name, is_dir) = rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
        if name == "." {
            continue;
        }
        let bytes = if is_dir { 0 } else { u64::try_from(file.bytes.len()).unwrap() };
        let entry = Entry { name: name.to_owned(), path: format!("{prefix}{name}"), is_dir, bytes, modified_s: file.modified_s };
        found.entry(name.to_owned()).or_insert(entry);
    }
    is_there.then(|| found.into_values().collect())
}

fn digest(bytes: &[u8]) -> Received {
    Received { bytes: u64::try_from(bytes.len()).unwrap(), sha256: hex::encode(Sha256::digest(bytes)) }
}

fn read(out: &mut Outside, bank: &str, path: &str) -> Result<Vec<u8>, TransportError> {
    let bytes =
        out.boxes[bank].files.get(path).map(|f| f.bytes.clone()).ok_or_else(|| TransportError::NotFound { path: path.to_owned() })?;
    if out.strikes(Fault::ShortRead) {
        let expected = u64::try_from(bytes.len()).unwrap();
        return Err(TransportError::SizeMismatch { path: path.to_owned(), expected, found: expected / 2 });
    }
    Ok(bytes)
}

impl Visit for Session {
    fn list(&self, dir: &str) -> Result<Vec<Entry>, TransportError> {
        self.call("list", dir, |out, bank, _| {
            if out.strikes(Fault::ListingError) {
                return Err(TransportError::ServerFailure { during: "list", path: dir.to_owned(), code: 4, reason: "Failure".to_owned() });
            }
            if out.strikes(Fault::StaleListing)
                && let Some(earlier) = out.boxes[bank].earlier.get(dir)
            {
                return Ok(earlier.clone());
            }
            let found = below(&out.boxes[bank].files, dir).ok_or_else(|| TransportError::NotFound { path: dir.to_owned() })?;
            out.boxes.get_mut(bank).unwrap().earlier.insert(dir.to_owned(), found.clone());
            Ok(found)
        })
    }

    fn stat(&self, path: &str) -> Result<Option<Entry>, TransportError> {
        self.call("stat", path, |out, bank, _| {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            Ok(below(&out.boxes[bank].files, dir).and_then(|found| found.into_iter().find(|e| e.name == name)))
        })
    }

    fn ensure_dir(&self, dir: &str) -> Result<(), TransportError> {
        self.call("mkdir", dir, |out, bank, now| {
            let folder = out.boxes.get_mut(bank).unwrap();
            folder.files.entry(format!("{dir}/./.")).or_insert(File { bytes: Vec::new(), modified_s: now });
            Ok(())
        })
    }

    fn put_new(&self, path: &str, source: &Path) -> Result<Sent, TransportError> {
        let bytes = std::fs::read(source).map_err(|e| TransportError::Local { path: source.to_owned(), source: e })?;
        self.call("put", path, |out, bank, now| {
            if out.is_put_off(bank, || Late::Put(path.to_owned(), bytes.clone())) {
                return Err(timeout("put"));
            }
            if out.strikes(Fault::DiskFull) {
                return Err(TransportError::NoSpace { path: path.to_owned() });
            }
            if out.boxes[bank].files.contains_key(path) && !out.boxes[bank].ignores_exclusive {
                return Err(TransportError::AlreadyExists { path: path.to_owned() });
            }
            let torn = out.strikes(Fault::TornWrite);
            let half = bytes.len() / 2;
            let written = if torn { bytes[..half].to_vec() } else { bytes.clone() };
            out.boxes.get_mut(bank).unwrap().files.insert(path.to_owned(), File { bytes: written, modified_s: now });
            if torn {
                return Err(gone("put"));
            }
            let whole = digest(&bytes);
            Ok(Sent { bytes: whole.bytes, sha256: whole.sha256 })
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), TransportError> {
        let half = std::cell::Cell::new(false);
        self.call("rename", &format!("{from} -> {to}"), |out, bank, _| {
            if out.is_put_off(bank, || Late::Rename(from.to_owned(), to.to_owned())) {
                return Err(timeout("rename"));
            }
            if out.strikes(Fault::RenameRefused) {
                return Err(TransportError::ServerFailure {
                    during: "rename",
                    path: from.to_owned(),
                    code: 4,
                    reason: "Failure".to_owned(),
                });
            }
            let two_step = out.boxes[bank].two_step;
            let stops_between = two_step && out.strikes_in(Fault::TwoStep, 10);
            let folder = out.boxes.get_mut(bank).unwrap();
            let Some(file) = folder.files.get(from).cloned() else { return Err(TransportError::NotFound { path: from.to_owned() }) };
            if folder.files.contains_key(to) && !folder.replaces {
                return Err(TransportError::AlreadyExists { path: to.to_owned() });
            }
            folder.files.insert(to.to_owned(), file);
            if stops_between {
                half.set(true);
                return Err(timeout("rename"));
            }
            if two_step {
                // Somebody may look, and take, between the two steps.
                self.bank_acts(out);
            }
            out.boxes.get_mut(bank).unwrap().files.remove(from);
            Ok(())
        })
    }

    fn get(&self, path: &str, target: &Path) -> Result<Received, TransportError> {
        let local = |e| TransportError::Local { path: target.to_owned(), source: e };
        self.call("get", path, |out, bank, _| {
            let bytes = read(out, bank, path)?;
            std::fs::write(target, &bytes).map_err(local)?;
            Ok(digest(&bytes))
        })
    }

    fn digest(&self, path: &str) -> Result<Received, TransportError> {
        self.call("digest", path, |out, bank, _| read(out, bank, path).map(|bytes| digest(&bytes)))
    }

    fn remove(&self, path: &str) -> Result<(), TransportError> {
        self.call("remove", path, |out, bank, _| {
            if out.is_put_off(bank, || Late::Remove(path.to_owned())) {
                return Err(timeout("remove"));
            }
            out.boxes.get_mut(bank).unwrap().files.remove(path).map(drop).ok_or_else(|| TransportError::NotFound { path: path.to_owned() })
        })
    }
}

/// The relay, as one node sees it.
pub struct Post {
    pub port: Port,
    pub life: Arc<Life>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("relay")
    }
}

impl Relay for Post {
    fn take(&self, envelope: &Envelope, message_id: &str, _eml: &[u8]) -> Result<Receipt, MailError> {
        let lost = || MailError::Unreachable { step: Step::Connect, cause: "the line is dead".to_owned() };
        if self.life.is_dead() {
            return Err(lost());
        }
        let mut out = enter(&self.port);
        out.steps += 1;
        out.say(&format!("letter {message_id} to {}", envelope.to.join(",")));
        if out.strikes(Fault::CrashBefore) {
            self.life.dies();
            return Err(lost());
        }
        if out.strikes_in(Fault::MailDeferred, 12) {
            return Err(match out.rng.random_range(0..2) {
                0 => lost(),
                _ => MailError::Deferred { step: Step::Recipient, code: 451, text: "later".to_owned() },
            });
        }
        let letter = out.letters.entry(message_id.to_owned()).or_default();
        letter.copies += 1;
        letter.to.clone_from(&envelope.to);
        if out.strikes_in(Fault::MailUnclear, 12) {
            out.letters.get_mut(message_id).unwrap().is_excused = true;
            return Err(MailError::Ambiguous("the line broke behind the letter".to_owned()));
        }
        if out.strikes(Fault::CrashAfter) {
            out.letters.get_mut(message_id).unwrap().is_excused = true;
            self.life.dies();
            return Err(lost());
        }
        Ok(Receipt { evidence: "250 taken".to_owned(), ..Receipt::default() })
    }
}
