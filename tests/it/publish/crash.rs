//! The line is cut, or the run is dropped, at every place that can be reached; the next run ends with one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::Row;
use super::{FLAGGED, Fault, PLAIN, Proxy, Sshd, Way, World, finals, over_sftp, profile, sha256, until};

/// What was taken: path and bytes.
type Haul = Vec<(String, Vec<u8>)>;

/// A bank that takes a file away as soon as it may: at once, or with its flag.
struct Taker {
    stop: Arc<AtomicBool>,
    taken: Arc<Mutex<Haul>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Taker {
    fn start(inbox: PathBuf, by_flag: bool) -> Self {
        let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (its_stop, its_taken) = (Arc::clone(&stop), Arc::clone(&taken));
        let thread = std::thread::spawn(move || {
            while !its_stop.load(Ordering::SeqCst) {
                take(&inbox, by_flag, &its_taken);
                std::thread::sleep(Duration::from_micros(200));
            }
            take(&inbox, by_flag, &its_taken);
        });
        Self { stop, taken, thread: Some(thread) }
    }

    fn end(mut self) -> Haul {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.taken.lock().unwrap())
    }
}

fn take(inbox: &Path, by_flag: bool, taken: &Mutex<Haul>) {
    let found = finals(inbox);
    for name in found.keys() {
        let data = match (by_flag, name.strip_suffix(".ok")) {
            (true, Some(data)) => data,
            (false, None) => name,
            (true, None) | (false, Some(_)) => continue,
        };
        // Read by itself: the listing above may have been made before the data came.
        let bytes = std::fs::read(inbox.join(data)).unwrap_or_else(|e| panic!("{name} is there before {data}: {e}"));
        taken.lock().unwrap().push((data.to_owned(), bytes));
        if by_flag {
            std::fs::remove_file(inbox.join(name)).unwrap();
        }
        std::fs::remove_file(inbox.join(data)).unwrap();
    }
}

/// How a run ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The line breaks, and the run sees it.
    Cut,
    /// The process dies; what was on the line arrives before the next run.
    DieAndArrive,
    /// The process dies; what was on the line arrives after the next run.
    DieAndArriveLate,
}

/// The bytes of an opened session and of a whole run, each way.
pub async fn measure(world: &mut World, proxy: &Proxy) -> [(Way, u64, u64); 2] {
    let node = world.node("measure");
    // The first file makes the day's folder; those after it do not.
    world.batch("B01", 3).await;
    world.run(&node).await.unwrap();
    world.batch("B01", 3).await;
    world.prepare(&node).await;
    proxy.set(Fault::None);
    let mailbox = world.banks[0].transport.open().await.unwrap();
    let opened = (proxy.passed(Way::There), proxy.passed(Way::Back));
    drop(mailbox);
    // Nothing of the first session's goodbye may be counted with the second.
    let proxy_is_still = || {
        let now = (proxy.passed(Way::There), proxy.passed(Way::Back));
        std::thread::sleep(Duration::from_millis(50));
        (now == (proxy.passed(Way::There), proxy.passed(Way::Back))).then_some(())
    };
    until("the goodbye", proxy_is_still);
    proxy.set(Fault::None);
    world.run(&node).await.unwrap();
    [(Way::There, opened.0, proxy.passed(Way::There)), (Way::Back, opened.1, proxy.passed(Way::Back))]
}

async fn one_end(world: &mut World, sshd: &Sshd, proxy: &Proxy, number: u64, fault: (Way, u64), end: End) -> bool {
    world.batch("B01", 3).await;
    world.later(1);
    let first = world.node(&format!("first{number}"));
    world.prepare(&first).await;
    proxy.set(if end == End::Cut { Fault::Cut(fault.0, fault.1) } else { Fault::Hold(fault.0, fault.1) });
    let died = {
        let work = world.run(&first);
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => break result.is_err(),
                () = tokio::time::sleep(Duration::from_millis(1)) => if end != End::Cut && proxy.held() > 0 { break true },
            }
        }
    };
    let settle = || until("the old session to end", || (sshd.sessions() == 0).then_some(()));
    if end == End::DieAndArrive {
        proxy.release();
        settle();
    }
    proxy.set(Fault::None);
    let second = world.node(&format!("second{number}"));
    world.run(&second).await.unwrap();
    if end == End::DieAndArriveLate {
        proxy.release();
        settle();
        // The one that died may have come back to life meanwhile: another look changes nothing.
        assert_eq!(world.run(&second).await.unwrap().changed, 0);
    }
    died
}

async fn sweep(id: &str, points: u64, ends: &[End], takes: bool) {
    let (mut world, sshd, proxy) = over_sftp(profile(id)).await;
    // Reading back, a client asks ahead, and each session's answers are of another length.
    world.read_back = false;
    let ranges = measure(&mut world, &proxy).await;
    let taker = takes.then(|| Taker::start(world.inbox(), id == FLAGGED));
    let (mut number, mut died) = (0, 0);
    for (way, opened, whole) in ranges {
        // Evenly over the whole, then tightly around the end, where the renames are.
        let evenly = (0..points / 3).map(|n| opened + (whole - opened) * n * 3 / points);
        let tightly = (0..points * 2 / 3).map(|n| whole - 16 * n);
        for at in evenly.chain(tightly) {
            for end in ends {
                number += 1;
                died += u64::from(one_end(&mut world, &sshd, &proxy, number, (way, at), *end).await);
            }
        }
    }
    assert!(died * 2 > number, "only {died} of {number} runs were ended before their time");
    let mut copies: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let taken = taker.map(Taker::end).unwrap_or_default();
    for (name, bytes) in taken.into_iter().chain(finals(&world.inbox())) {
        copies.entry(name).or_default().push(bytes);
    }
    let rows = world.rows().await;
    assert_eq!(rows.len(), usize::try_from(number + 2).unwrap());
    for row in &rows {
        check(row, &copies, takes);
    }
    let evidence: BTreeSet<_> = rows.iter().map(|r| r.evidence.as_str()).collect();
    assert!(evidence.contains("renamed") && evidence.len() == 2, "{evidence:?}");
}

fn check(row: &Row, copies: &BTreeMap<String, Vec<Vec<u8>>>, takes: bool) {
    let out = copies.get(&row.path()).unwrap_or_else(|| panic!("{row:?} never went out"));
    assert_eq!(out.len(), 1, "{row:?} went out {} times", out.len());
    assert_eq!(sha256(&out[0]), row.sha256, "{row:?}");
    assert_eq!((row.state.as_str(), row.copies), ("sent", 1), "{row:?}");
    assert!(takes || row.flag.is_empty() || copies.contains_key(&row.flag_path()), "{row:?} has no flag");
    let others = if takes { ["renamed", "presumed"] } else { ["renamed", "seen"] };
    assert!(others.contains(&row.evidence.as_str()), "{row:?}");
}

#[tokio::test]
async fn o3_o11_a_line_cut_anywhere_ends_with_one_file() {
    sweep(PLAIN, 24, &[End::Cut], false).await;
}

#[tokio::test]
async fn o3_o11_a_line_cut_anywhere_ends_with_one_file_and_one_flag() {
    sweep(FLAGGED, 30, &[End::Cut], false).await;
}

#[tokio::test]
async fn o4_a_run_that_dies_anywhere_ends_with_one_file() {
    sweep(PLAIN, 18, &[End::DieAndArrive, End::DieAndArriveLate], false).await;
}

#[tokio::test]
async fn o4_a_run_that_dies_anywhere_ends_with_one_file_and_one_flag() {
    sweep(FLAGGED, 21, &[End::DieAndArrive, End::DieAndArriveLate], false).await;
}

#[tokio::test]
async fn o4_a_bank_that_takes_at_once_gets_it_once() {
    sweep(PLAIN, 18, &[End::Cut, End::DieAndArriveLate], true).await;
}

#[tokio::test]
async fn o4_a_bank_that_takes_by_flag_gets_it_once_and_the_flag_after_the_data() {
    sweep(FLAGGED, 21, &[End::Cut, End::DieAndArriveLate], true).await;
}

/// Polls a future so many times and drops it then: the process dies at that await. Says whether it had ended before.
async fn dies_after(polls: usize, work: impl Future) -> bool {
    let mut work = std::pin::pin!(work);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        if polled == polls {
            return std::task::Poll::Ready(false);
        }
        polled += 1;
        work.as_mut().poll(cx).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn o4_a_run_that_dies_at_any_await_in_a_directory_ends_with_one_file() {
    for id in [PLAIN, FLAGGED] {
        let (mut world, _root) = World::in_a_directory(profile(id)).await;
        let mut ended = 0;
        for polls in 0_usize.. {
            world.batch("B01", 2).await;
            let (first, second) = (world.node(&format!("first{polls}")), world.node(&format!("second{polls}")));
            ended += usize::from(dies_after(polls, world.run(&first)).await);
            world.run(&second).await.unwrap();
            let row = world.last().await;
            let out = finals(&world.inbox());
            assert_eq!(out.get(&row.path()).map(|bytes| sha256(bytes)), Some(row.sha256.clone()), "{polls}: {row:?}");
            assert!(row.flag.is_empty() || out.contains_key(&row.flag_path()), "{polls}: {row:?}");
            assert_eq!((row.state.as_str(), row.copies), ("sent", 1), "{polls}: {row:?}");
            if ended == 3 {
                assert!(polls > 30, "only {polls} awaits were met");
                break;
            }
        }
        let rows = world.rows().await;
        assert_eq!(finals(&world.inbox()).len(), rows.len() * if id == FLAGGED { 2 } else { 1 });
    }
}
