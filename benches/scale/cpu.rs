//! Processor time by process: what a stage took beside its seconds, and whose it was.

use std::collections::BTreeMap;

/// The kernel counts in hundredths of a second, whatever the machine.
const TICK_MILLIS: u64 = 10;

/// A process as the kernel shows it.
struct Process {
    name: String,
    parent: u32,
    /// Its own time and that of its children that ended.
    millis: u64,
}

fn processes() -> BTreeMap<u32, Process> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, behind)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else { continue };
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let ticks: u64 = fields[11..15].iter().map(|f| f.parse::<u64>().unwrap()).sum();
        found.insert(pid, Process { name: name.to_owned(), parent: fields[1].parse().unwrap(), millis: ticks * TICK_MILLIS });
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
    let (mut waiting, mut sum) = (vec![pid], 0);
    while let Some(next) = waiting.pop() {
        sum += all.get(&next).map_or(0, |p| p.millis);
        waiting.extend(all.iter().filter(|(_, p)| p.parent == next).map(|(pid, _)| *pid));
    }
    sum
}
