//! The simulator: the real passes over a real store; banks, relay, clock and everything that goes wrong come from a seed. An
//! auditor that shares no code with the product looks after every pass. `tests/simulate` runs it; without words it runs the
//! seeds that once found something, one seed twice, and some more.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people that stops where its world breaks"
)]

mod audit;
mod bank;
mod books;
mod house;
mod late;
#[path = "../it/stories/papers.rs"]
mod papers;
mod people;
mod port;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::port::Fault;
use self::world::{Outcome, Plan, run};

/// Seeds that once broke a law: first seed, days.
const REGRESSIONS: [(u64, i64); 8] = [(319, 20), (401, 60), (1142, 60), (1715, 60), (6832, 60), (5024, 24), (28, 60), (5911, 30)];

/// What was asked for.
#[derive(Clone, Debug)]
struct Asked {
    seeds: u64,
    from: u64,
    days: i64,
    jobs: usize,
    without: BTreeSet<Fault>,
    banks: usize,
    shrinks: bool,
    tells: bool,
    is_short: bool,
}

fn asked() -> Result<Asked, String> {
    let without = BTreeSet::new();
    let mut asked = Asked { seeds: 200, from: 1, days: 8, jobs: 2, without, banks: 3, shrinks: false, tells: false, is_short: true };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        asked.is_short = false;
        let mut number = || words.next().and_then(|n| n.parse::<u64>().ok()).ok_or(format!("{word} takes a number"));
        match word.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--from" => asked.from = number()?,
            "--days" => asked.days = i64::try_from(number()?).unwrap(),
            "--jobs" => asked.jobs = usize::try_from(number()?).unwrap().max(1),
            "--banks" => asked.banks = usize::try_from(number()?).unwrap(),
            "--shrink" => asked.shrinks = true,
            "--log" => asked.tells = true,
            "--without" => {
                let names = words.next().unwrap_or_default();
                for name in names.split(',').filter(|n| !n.is_empty()) {
                    let found: Vec<Fault> = Fault::ALL.into_iter().filter(|f| name == "all" || f.name() == name).collect();
                    if found.is_empty() {
                        let known: Vec<String> = Fault::ALL.iter().map(|f| f.name()).collect();
                        return Err(format!("no fault {name:?}; there are: all, {}", known.join(", ")));
                    }
                    asked.without.extend(found);
                }
            }
            // What the test runner says to every test program.
            other if other.starts_with('-') && other != "--help" => return Err(format!("unknown word {other}")),
            "--help" => {
                return Err(
                    "tests/simulate [--seeds N] [--days D] [--from SEED] [--jobs N] [--banks N] [--without FAULT,..] [--shrink] [--log]"
                        .to_owned(),
                );
            }
            // A filter for tests of other names.
            other if !"the simulator".contains(other) => std::process::exit(0),
            _ => asked.is_short = true,
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os("BANKGATE_SIM_LOG").is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::DEBUG).init();
    }
    if asked.is_short && !regressions_hold() {
        return ExitCode::FAILURE;
    }
    if seeds_hold(&asked) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plan(asked: &Asked, seed: u64) -> Plan {
    Plan { seed, days: asked.days, without: asked.without.clone(), banks: asked.banks, keep_log: asked.tells }
}

/// What was found once stays mended, and a seed is one story.
fn regressions_hold() -> bool {
    let of = |seed, days| Plan { seed, days, without: BTreeSet::new(), banks: 3, keep_log: false };
    for (seed, days) in REGRESSIONS {
        if let Some(v) = run(&of(seed, days)).violation {
            println!("seed {seed} again: {}: {}", v.law, v.what);
            return false;
        }
    }
    let (one, other) = (run(&of(7, 20)), run(&of(7, 20)));
    if one.trace != other.trace {
        println!("seed 7 told two stories: {} and {}", one.trace, other.trace);
        return false;
    }
    println!("{} earlier seeds hold; seed 7 replays to {}", REGRESSIONS.len(), &one.trace[..16]);
    true
}

/// A seed is one thread that asks and a few that answer, never two at once: on one core they need not wake each other across cores,
/// which took half of the time.
fn stay_on_one_core(job: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut mine = CpuSet::new();
    mine.set(cores[job % cores.len()]);
    // Where it is not allowed, it is only slower.
    _ = sched_setaffinity(None, &mine);
}

fn seeds_hold(asked: &Asked) -> bool {
    let next = AtomicU64::new(asked.from);
    let end = asked.from + asked.seeds;
    let outcomes: Mutex<BTreeMap<u64, Outcome>> = Mutex::default();
    let started = bankgate::clock::Stopwatch::start();
    std::thread::scope(|scope| {
        for job in 0..asked.jobs {
            let (asked, next, outcomes) = (&asked, &next, &outcomes);
            scope.spawn(move || {
                stay_on_one_core(job);
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(&plan(asked, seed));
                    if let Some(v) = &outcome.violation {
                        println!("seed {seed}, day {}, step {}: {}: {}", outcome.day, outcome.steps, v.law, v.what);
                        println!("  again: {}", command(asked, seed));
                    }
                    if asked.tells {
                        outcome.log.iter().for_each(|line| println!("{line}"));
                    }
                    outcomes.lock().unwrap().insert(seed, Outcome { log: Vec::new(), ..outcome });
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let failed: Vec<u64> = outcomes.iter().filter(|(_, o)| o.violation.is_some()).map(|(seed, _)| *seed).collect();
    if let (true, Some(first)) = (asked.shrinks, failed.first()) {
        println!("  shrunk: {}", shrink(asked, *first));
    }
    let sum = |of: fn(&Outcome) -> u64| outcomes.values().map(of).sum::<u64>();
    let mut happened: BTreeMap<Fault, u64> = BTreeMap::new();
    for (fault, times) in outcomes.values().flat_map(|o| &o.happened) {
        *happened.entry(*fault).or_default() += times;
    }
    let faults: Vec<String> = happened.iter().map(|(fault, times)| format!("{} {times}", fault.name())).collect();
    println!("faults: {}", faults.join(", "));
    if let (1, Some(only)) = (outcomes.len(), outcomes.values().next()) {
        println!("trace {}", only.trace);
    }
    println!(
        "{} seeds x {} days (and 10 quiet ones), {} violations: {} passes, {} steps, {} checks, {} files taken, {} credits, {} faults, {} s",
        outcomes.len(),
        asked.days,
        failed.len(),
        sum(|o| o.passes),
        sum(|o| o.steps),
        sum(|o| o.checks),
        sum(|o| u64::try_from(o.files).unwrap()),
        sum(|o| u64::try_from(o.credits).unwrap()),
        happened.values().sum::<u64>(),
        started.elapsed().as_secs()
    );
    failed.is_empty()
}

/// What replays a seed to the same step.
fn command(asked: &Asked, seed: u64) -> String {
    let mut line = format!("tests/simulate --seeds 1 --from {seed} --days {}", asked.days);
    if asked.banks != 3 {
        line.push_str(&format!(" --banks {}", asked.banks));
    }
    if !asked.without.is_empty() {
        let names: Vec<String> = asked.without.iter().map(|f| f.name()).collect();
        line.push_str(&format!(" --without {}", names.join(",")));
    }
    line
}

/// Leaves out faults, days and banks as long as the same law breaks.
fn shrink(asked: &Asked, seed: u64) -> String {
    let mut least = asked.clone();
    let first = run(&plan(&least, seed));
    let law = first.violation.map(|v| v.law);
    let breaks = |tried: &Asked| run(&plan(tried, seed)).violation.map(|v| v.law) == law;
    for fault in Fault::ALL {
        let mut tried = least.clone();
        if tried.without.insert(fault) && breaks(&tried) {
            least = tried;
        }
    }
    for days in [3, 7, 14, 30, first.day] {
        let tried = Asked { days, ..least.clone() };
        if days < least.days && breaks(&tried) {
            least = tried;
            break;
        }
    }
    for banks in 1..least.banks {
        let tried = Asked { banks, ..least.clone() };
        if breaks(&tried) {
            least = tried;
            break;
        }
    }
    command(&least, seed)
}
