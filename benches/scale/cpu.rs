//! Processor time by process: what a stage took beside its seconds, and whose it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The kernel counts in hundredths of a second, whatever the machine.
const TICK_MILLIS: u64 = 10;

/// A process as the kernel shows it.
struct Process {
    name: String,
    parent: u32,
    /// Its own time.
    own_millis: u64,
    /// That of its children that ended.
    children_millis: u64,
}

fn processes() -> BTreeMap<u32, Process> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, behind)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else { continue };
        let fields: Vec<&str> = behind.split_whitespace().collect();
        // In user and in system.
        let millis = |of: &[&str]| of.iter().map(|f| f.parse::<u64>().unwrap()).sum::<u64>() * TICK_MILLIS;
        let (own_millis, children_millis) = (millis(&fields[11..13]), millis(&fields[13..15]));
        found.insert(pid, Process { name: name.to_owned(), parent: fields[1].parse().unwrap(), own_millis, children_millis });
    }
    found
}

/// The process that started this one.
pub fn parent_of(pid: u32) -> u32 {
    processes()[&pid].parent
}

/// The process of this name that we started.
pub fn started(name: &str) -> u32 {
    let me = std::process::id();
    processes().into_iter().find(|(_, p)| p.parent == me && p.name == name).expect("it runs").0
}

/// What a process, all that it started and all that they started used so far, in milliseconds.
pub fn millis_of(pid: u32) -> u64 {
    let all = processes();
    below(&all, pid).iter().filter_map(|pid| all.get(pid)).map(|p| p.own_millis + p.children_millis).sum()
}

/// A process and all that it started, and they started.
fn below(all: &BTreeMap<u32, Process>, pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, p)| p.parent == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// Looks again and again at processes for whose end nobody waits, as sshd does for its sessions: their time is gone with them.
pub struct Sampler {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<u64>,
}

impl Sampler {
    /// Begins to look at a process and all that it started.
    pub fn start(pid: u32) -> Self {
        const LOOK: Duration = Duration::from_millis(200);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let looks = std::thread::spawn(move || {
            let all = processes();
            let before: BTreeMap<u32, u64> = below(&all, pid).into_iter().map(|pid| (pid, all[&pid].own_millis)).collect();
            let mut most = before.clone();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                let all = processes();
                for pid in below(&all, pid) {
                    if let Some(p) = all.get(&pid) {
                        most.insert(pid, p.own_millis);
                    }
                }
            }
            most.iter().map(|(pid, millis)| millis.saturating_sub(before.get(pid).copied().unwrap_or(0))).sum()
        });
        Self { stop, looks }
    }

    /// Milliseconds since the start, but for what was used since the last look.
    pub fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.join().expect("it looks until it is told to stop")
    }
}
