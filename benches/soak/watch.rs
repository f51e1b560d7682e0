//! Whoever looks on: when a file lies ready in a bank's folder, how long the status takes, what the process holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bankgate::clock::Stopwatch;

/// How often the folders are looked at: what is measured is no finer.
const LOOK: Duration = Duration::from_millis(2);
/// How often somebody asks for the status.
const ASK: Duration = Duration::from_secs(1);

/// When each file was first seen, by its place under the banks' folders.
pub type Seen = BTreeMap<PathBuf, Duration>;

/// Two threads that look on until told to stop.
pub struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    asked: Arc<Mutex<Vec<Duration>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look: at the banks' inboxes for flags, on this watch; and at the status by the program's own command.
    pub fn start(watch: Stopwatch, root: &Path, banks: usize, config: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, asked) = (Arc::new(Mutex::new(Seen::new())), Arc::new(Mutex::new(Vec::new())));
        let looks = {
            let (stop, seen, root) = (Arc::clone(&stop), Arc::clone(&seen), root.to_owned());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for bank in (1..=banks).map(crate::city::bank_code) {
                        look(watch, &root.join(bank).join("inbox"), &seen);
                    }
                    std::thread::sleep(LOOK);
                }
            })
        };
        let asks = {
            let (stop, asked, config) = (Arc::clone(&stop), Arc::clone(&asked), config.to_owned());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let took = Stopwatch::start();
                    let mut status = Command::new(env!("CARGO_BIN_EXE_bankgate"));
                    status.args(["status", "--json", "--config"]).arg(&config).stdout(Stdio::null());
                    // 1 says that something waits for a person; that is an answer.
                    assert!(status.status().unwrap().code().is_some_and(|code| code <= 1), "no status");
                    asked.lock().unwrap().push(took.elapsed());
                    std::thread::sleep(ASK);
                }
            })
        };
        Self { stop, seen, asked, threads: vec![looks, asks] }
    }

    /// What was seen since this was last asked.
    pub fn take_seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// How long the status took, each time.
    pub fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn look(watch: Stopwatch, inbox: &Path, seen: &Mutex<Seen>) {
    for day in std::fs::read_dir(inbox).unwrap().flatten() {
        for file in std::fs::read_dir(day.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "ok") {
                seen.lock().unwrap().entry(path.with_extension("")).or_insert_with(|| watch.elapsed());
            }
        }
    }
}

/// What a process holds now: memory in KiB, open files.
pub fn held_by(pid: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    (line.split_whitespace().nth(1).unwrap().parse().unwrap(), files)
}
