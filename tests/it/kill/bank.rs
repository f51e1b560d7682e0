//! A bank that shares nothing with the product: it takes whole files out of its inbox whenever it likes, credits them in a
//! ledger of its own, and answers some time later. What it took it took, also when the same comes twice.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bankgate::clock::Stopwatch;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::harness::run;
use crate::harness::sshd::Sshd;

/// One file that it took.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Path under the inbox.
    pub path: String,
    pub bytes: Vec<u8>,
    /// What stood in its flag, where it has one.
    pub flag: Option<Vec<u8>>,
}

/// One credit, or one refusal, of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub reference: String,
    /// What tells people apart in this bank's files: identity number or account.
    pub person: String,
    pub fen: i64,
    pub is_paid: bool,
}

/// What it knows.
#[derive(Debug, Default)]
pub struct Ledger {
    pub taken: Vec<Taken>,
    pub credits: Vec<Credit>,
    /// How often it has looked through its inbox: between two looks nothing is in its hands.
    pub looks: u64,
}

/// A bank at work, until dropped.
#[derive(Debug)]
pub struct Bank {
    pub code: &'static str,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bank {
    pub fn start(code: &'static str, sshd: &Sshd, seed: u64) -> Self {
        let home = sshd.root.join(code);
        for made in ["inbox", "outbox", "done"] {
            std::fs::create_dir_all(home.join(made)).unwrap();
        }
        run(Command::new("chown").arg("-R").arg(&sshd.user).arg(&home));
        let vault = sshd.root.join(format!("vault-{code}"));
        std::fs::create_dir_all(&vault).unwrap();
        let (ledger, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let hands = Hands {
            home,
            vault,
            user: sshd.user.clone(),
            is_flagged: code != "B01",
            rng: ChaCha8Rng::seed_from_u64(seed ^ u64::from(code.as_bytes()[2])),
            ledger: Arc::clone(&ledger),
            letters: VecDeque::new(),
        };
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || hands.work(&stop))
        };
        Self { code, ledger, stop, thread: Some(thread) }
    }

    /// What it knows by now.
    pub fn ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the bank {} broke down", self.code);
        }
    }
}

struct Hands {
    home: PathBuf,
    vault: PathBuf,
    user: String,
    is_flagged: bool,
    rng: ChaCha8Rng,
    ledger: Arc<Mutex<Ledger>>,
    /// Answers that are written and not given yet.
    letters: VecDeque<(Stopwatch, Duration, String, Vec<u8>)>,
}

impl Hands {
    fn work(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(self.rng.random_range(1..40)));
            let inbox = self.home.join("inbox");
            for path in files_below(&inbox, &inbox) {
                if !self.rng.random_bool(0.3) {
                    continue;
                }
                if self.is_flagged {
                    self.take_flagged(&inbox, &path);
                } else if !path.ends_with(".part")
                    && let Some(bytes) = self.move_out(&inbox.join(&path))
                {
                    self.took(Taken { path, bytes, flag: None });
                }
            }
            self.post();
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).looks += 1;
        }
    }

    fn take_flagged(&mut self, inbox: &Path, flag: &str) {
        let Some(path) = flag.strip_suffix(".ok") else { return };
        let mut halves = [inbox.join(path), inbox.join(flag)];
        let is_flag_first = self.rng.random_bool(0.5);
        if is_flag_first {
            halves.reverse();
        }
        let Some(first) = self.move_out(&halves[0]) else { return };
        std::thread::sleep(Duration::from_millis(self.rng.random_range(0..30)));
        // A flag without its data is somebody's mistake, and the bank calls; the auditor sees it.
        let second = self.move_out(&halves[1]).unwrap_or_default();
        let (bytes, flag) = if is_flag_first { (second, first) } else { (first, second) };
        self.took(Taken { path: path.to_owned(), bytes, flag: Some(flag) });
    }

    /// Moved first and read then: what it reads is whole or was never whole.
    fn move_out(&mut self, from: &Path) -> Option<Vec<u8>> {
        let to = self.vault.join(format!("{:016x}", self.rng.random::<u64>()));
        std::fs::rename(from, &to).ok()?;
        Some(std::fs::read(to).unwrap())
    }

    fn took(&mut self, taken: Taken) {
        let credits: Vec<Credit> = if self.is_flagged { fixed(&taken.bytes) } else { delimited(&taken.bytes) };
        if !self.is_flagged {
            let key = taken.path.trim_start_matches("YHDF__").trim_end_matches(".TXT").to_owned();
            let lines = |is_paid: bool| {
                let of = taken.bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).zip(&credits).filter(|(_, c)| c.is_paid == is_paid);
                of.flat_map(|(line, _)| [padded(line), vec![b'\n']].concat()).collect::<Vec<u8>>()
            };
            for (letter, is_paid) in [("S", true), ("F", false)] {
                let wait = Duration::from_millis(self.rng.random_range(0..2500));
                self.letters.push_back((Stopwatch::start(), wait, format!("YHDFFK{key}_{letter}.TXT"), lines(is_paid)));
            }
        }
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.taken.push(taken);
        ledger.credits.extend(credits);
    }

    fn post(&mut self) {
        for _ in 0..self.letters.len() {
            let Some((since, wait, name, bytes)) = self.letters.pop_front() else { return };
            if since.elapsed() < wait {
                self.letters.push_back((since, wait, name, bytes));
                continue;
            }
            // Under another name first: files are found whole.
            let hidden = self.vault.join(&name);
            std::fs::write(&hidden, bytes).unwrap();
            run(Command::new("chown").arg(&self.user).arg(&hidden));
            std::fs::rename(hidden, self.home.join("outbox").join(name)).unwrap();
        }
    }
}

/// `id|name|id|yuan|reference`; every tenth person's account is closed.
fn delimited(bytes: &[u8]) -> Vec<Credit> {
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines
        .map(|line| {
            let columns: Vec<String> = line.split(|b| *b == b'|').map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            let (person, fen) = (columns[0].clone(), columns[3].replace('.', "").parse().unwrap());
            Credit { reference: columns[4].clone(), is_paid: !person[..17].ends_with('7'), person, fen }
        })
        .collect()
}

/// Wherever a reference and an account stand in a line. Whatever is in the file is credited.
fn fixed(bytes: &[u8]) -> Vec<Credit> {
    let lines = bytes.split(|b| *b == b'\n').map(|line| String::from_utf8_lossy(line).into_owned());
    lines
        .filter_map(|line| {
            let word = |mark: &str, length: usize| line.find(mark).map(|at| line[at..].chars().take(length).collect::<String>());
            Some(Credit { reference: word("BG", 18)?, person: word("62170000000", 19)?, fen: 0, is_paid: true })
        })
        .collect()
}

/// The name padded to twenty bytes, as this bank's system gives it back.
fn padded(line: &[u8]) -> Vec<u8> {
    let mut columns: Vec<Vec<u8>> = line.split(|b| *b == b'|').map(<[u8]>::to_vec).collect();
    let width = columns[1].len().max(20);
    columns[1].resize(width, b' ');
    columns.join(&b'|')
}

/// Paths of all files, relative to the inbox. What goes away meanwhile is not there.
pub fn files_below(dir: &Path, inbox: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path, inbox));
        } else {
            found.push(path.strip_prefix(inbox).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}
