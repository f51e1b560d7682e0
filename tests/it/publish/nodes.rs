//! Two nodes over one store: leases, fences, and what a stale node may still do.

use std::time::Duration;

use bankgate::args;
use bankgate::clock::Stopwatch;
use bankgate::daemon;
use bankgate::passes::Gateway;
use bankgate::transport::{DirEndpoint, Transport};

use super::crash::measure;
use super::world::{Bank, FLAGGED, LEASE_MILLIS, PLAIN, World, finals, parts, profile, profile_like, sha256};
use super::{Fault, Proxy, Sshd, Way, assert_out, over_sftp, until};
use crate::harness::postgres::Postgres;

/// Lets what was on the line arrive, and waits until the server's side of it is over.
pub fn settle(sshd: &Sshd, proxy: &Proxy) {
    proxy.release();
    until("the old session to end", || (sshd.sessions() == 0).then_some(()));
    proxy.set(Fault::None);
}

/// Leaves a last file whose intent is recorded and of whose rename the bank's server has not heard: `publishing`, its part
/// there. Where that is on the line is found with other files, which are all out. Says how many.
pub async fn cut_before_rename(world: &mut World, proxy: &Proxy) -> usize {
    let node = world.node("probe");
    let [(_, opened, whole), _] = measure(world, proxy).await;
    for limit in (opened..whole).rev().step_by(12) {
        world.batch("B01", 3).await;
        proxy.set(Fault::Cut(Way::There, limit));
        drop(world.run(&node).await);
        proxy.set(Fault::None);
        let last = world.last().await;
        let out = finals(&world.inbox());
        if last.state == "publishing" && !out.contains_key(&last.path()) {
            return out.len();
        }
        world.run(&node).await.unwrap();
    }
    panic!("never publishing before the rename");
}

/// Starts a run that is held by the line after so many bytes, does something meanwhile, and lets it go on to its end. Says
/// whether it was held.
async fn while_held(world: &World, node: &Gateway, proxy: &Proxy, limit: u64, meanwhile: impl AsyncFnOnce()) -> bool {
    let lease = world.lease(node, "B01").await;
    proxy.set(Fault::Hold(Way::There, limit));
    let work = world.run_under(node, &lease);
    tokio::pin!(work);
    while proxy.held() == 0 {
        tokio::select! {
            result = &mut work => {
                drop(result);
                return false;
            }
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    meanwhile().await;
    proxy.release();
    // Whatever it says, it does no harm.
    drop(work.await);
    true
}

#[tokio::test]
async fn o6_a_stale_node_that_uploads_does_no_harm() {
    for id in [PLAIN, FLAGGED] {
        let (mut world, sshd, proxy) = over_sftp(profile(id)).await;
        let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
        world.batch("B01", 3).await;
        let (stale, other) = (world.node("stale"), world.node("other"));
        world.prepare(&stale).await;
        while_held(&world, &stale, &proxy, opened + (whole - opened) / 2, async || {
            assert_eq!(world.last().await.state, "uploading");
            proxy.set(Fault::None);
            world.run(&other).await.unwrap();
            assert_out(&world, &world.last().await).await;
        })
        .await;
        settle(&sshd, &proxy);
        let row = world.last().await;
        assert_out(&world, &row).await;
        assert_eq!((row.attempt, row.evidence.as_str()), (2, "renamed"));
    }
}

#[tokio::test]
async fn o6_a_stale_node_that_renames_late_finds_no_source() {
    let (mut world, sshd, proxy) = over_sftp(profile(PLAIN)).await;
    let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
    let (stale, other) = (world.node("stale"), world.node("other"));
    let (mut late, mut stayed) = (0, 0);
    for (number, limit) in (opened..whole).rev().step_by(12).take(40).enumerate() {
        let takes = number % 2 == 0;
        world.batch("B01", 3).await;
        world.prepare(&stale).await;
        let place = world.inbox().join(world.last().await.path());
        let mut is_late = false;
        while_held(&world, &stale, &proxy, limit, async || {
            is_late = world.last().await.state == "publishing" && !place.exists();
            proxy.set(Fault::None);
            world.run(&other).await.unwrap();
            assert_out(&world, &world.last().await).await;
            if takes {
                std::fs::remove_file(&place).unwrap();
            }
        })
        .await;
        settle(&sshd, &proxy);
        drop(world.run(&stale).await);
        let row = world.last().await;
        assert_eq!((row.state.as_str(), row.copies), ("sent", 1), "{row:?}");
        if is_late {
            late += 1;
            stayed += i32::from(!takes);
            assert_eq!(row.evidence, "renamed");
            assert_eq!(place.exists(), !takes, "taken once, and not there again: {row:?}");
        }
    }
    assert!(late > 3 && stayed > 0 && stayed < late, "{late} late, {stayed} not taken");
}

#[tokio::test]
async fn o6_a_node_that_was_taken_over_before_its_intent_has_none() {
    let (mut world, _root) = World::in_a_directory(profile(PLAIN)).await;
    let (stale, other) = (world.node("stale"), world.node("other"));
    world.batch("B01", 3).await;
    world.prepare(&stale).await;
    let old = world.lease(&stale, "B01").await;
    let new = world.lease(&other, "B01").await;
    assert!(new.fence > old.fence);
    assert_eq!(world.run_under(&stale, &old).await.unwrap().changed, 0);
    let row = world.last().await;
    assert_eq!((row.state.as_str(), row.attempt), ("sealed", 0), "not even stamped: {row:?}");
    assert!(parts(&world.inbox()).is_empty());
}

#[tokio::test]
async fn o6_whoever_takes_the_lease_over_sees_every_intent_of_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let transport = Transport::Dir(DirEndpoint { root: root.path().to_owned() });
    let bank = Bank::new("B01", transport, root.path(), profile(PLAIN));
    let url = Postgres::shared().fresh_database("intent");
    let mut world = World::on(tempfile::tempdir().unwrap(), &url, vec![bank]).await;
    let (a, b) = (world.node("a"), world.node("b"));
    world.batch("B01", 3).await;
    world.prepare(&a).await;
    let lease = world.lease(&a, "B01").await;
    let mut tx = world.store.begin().await.unwrap();
    let file = tx.file(1).await.unwrap();
    let attempt = tx.stamp_file(&file, &lease, world.now).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    // The intent is written and not committed yet, and the lease has just expired.
    world.sql("update lease set expires_at = 0", args![]).await;
    let mut intending = world.store.begin().await.unwrap();
    assert!(intending.intend(&file, &lease, attempt, ("inbox/part", ""), world.now).await.unwrap());
    let taking = async {
        let mut tx = world.store.begin().await.unwrap();
        let now = world.store.database_time(&mut tx).await.unwrap();
        let lease = tx.take_lease("B01", &b.holder, LEASE_MILLIS, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        (lease, world.last().await)
    };
    tokio::pin!(taking);
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut taking).await.is_err(), "taken over while an intent is on its way");
    intending.commit().await.unwrap();
    let (taken, seen) = taking.await;
    assert_eq!((taken.fence, seen.state.as_str(), seen.part.as_str()), (lease.fence + 1, "publishing", "inbox/part"));
}

/// Twenty rounds of two nodes, whose leases are taken away from them all the time.
async fn two_nodes(mut world: World, rounds: usize) {
    world.attempts_max = 1_000;
    let (a, b) = (world.node("a"), world.node("b"));
    for _ in 0..rounds {
        world.batch("B01", 2).await;
        world.later(31);
        let stealing = async {
            for _ in 0..20 {
                world.sql("update lease set expires_at = 0", args![]).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        let _ = tokio::join!(daemon::round(&a, world.now), daemon::round(&b, world.now), stealing);
    }
    for _ in 0..5 {
        world.later(31);
        world.sql("update lease set expires_at = 0", args![]).await;
        let _ = daemon::round(&a, world.now).await;
    }
    let rows = world.rows().await;
    assert_eq!(rows.len(), rounds, "one file a batch");
    for row in &rows {
        assert_out(&world, row).await;
    }
    assert_eq!(finals(&world.inbox()).len(), rounds);
    assert_eq!(world.count("select count(*) from tranche where next_id <= last_id").await, 0);
    assert_eq!(
        world
            .count("select count(*) from account where kind = 'bank_clearing' and balance_fen <> 100 * (select sum(rows) from file_out)")
            .await,
        0
    );
}

#[tokio::test]
async fn o6_two_nodes_send_each_file_once_over_sftp() {
    let (world, _sshd, _proxy) = over_sftp(profile(PLAIN)).await;
    two_nodes(world, 20).await;
}

#[tokio::test]
async fn o6_two_nodes_on_postgresql_send_each_file_once() {
    let root = tempfile::tempdir().unwrap();
    let transport = Transport::Dir(DirEndpoint { root: root.path().to_owned() });
    let bank = Bank::new("B01", transport, root.path(), profile(PLAIN));
    let url = Postgres::shared().fresh_database("nodes");
    two_nodes(World::on(tempfile::tempdir().unwrap(), &url, vec![bank]).await, 20).await;
}

#[tokio::test]
async fn p6_recovery_looks_where_the_parts_are_whatever_the_settings_say() {
    let (mut world, _sshd, proxy) = over_sftp(profile(PLAIN)).await;
    cut_before_rename(&mut world, &proxy).await;
    // Somebody edits the configuration before the next start: another folder, and another profile.
    world.banks[0].profile = std::sync::Arc::new(profile_like(PLAIN, &[("publish = \"rename\"", "publish = \"direct\"")]));
    let mut node = world.node("a");
    node.edges.get_mut("B01").unwrap().inbox = "elsewhere".to_owned();
    world.run(&node).await.unwrap();
    let row = world.last().await;
    assert_out(&world, &row).await;
    assert_eq!(row.evidence, "renamed");
}

#[tokio::test]
async fn p6_a_folder_that_is_gone_is_no_proof_that_the_bank_took_it() {
    let (mut world, _sshd, proxy) = over_sftp(profile(PLAIN)).await;
    cut_before_rename(&mut world, &proxy).await;
    let inbox = world.inbox();
    std::fs::rename(&inbox, inbox.with_file_name("moved")).unwrap();
    world.run(&world.node("a")).await.unwrap();
    assert_eq!(world.last().await.state, "held");
    assert_eq!(world.incidents().await.len(), 1);
}

/// A limit for what hangs, and no measure of speed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn held(proxy: &Proxy) {
    let begun = Stopwatch::start();
    while proxy.held() == 0 {
        assert!(begun.elapsed() < PATIENCE, "so many bytes never passed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn o6_a_lease_is_kept_while_a_slow_bank_is_written_to() {
    let (mut world, _sshd, proxy) = over_sftp(profile(PLAIN)).await;
    let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
    world.batch("B01", 3).await;
    let (mut a, mut b) = (world.node("a"), world.node("b"));
    for node in [&mut a, &mut b] {
        node.config.node.lease_ttl = Duration::from_secs(1);
    }
    world.sql("update lease set expires_at = 0", args![]).await;
    // What is expected of the banks is on the books, so that a change of the second node could only be one at the bank's edge.
    bankgate::passes::expect::expect(&b, world.now).await.unwrap();
    proxy.set(Fault::Hold(Way::There, opened + (whole - opened) / 2));
    let working = daemon::round(&a, world.now);
    tokio::pin!(working);
    let waiting = async {
        held(&proxy).await;
        let until = world.count("select max(expires_at) from lease").await + 2_000;
        let begun = Stopwatch::start();
        while world.count("select max(expires_at) from lease").await < until {
            assert!(begun.elapsed() < PATIENCE, "the lease is not renewed");
            assert_eq!(daemon::round(&b, world.now).await.unwrap().changed, 0);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        result = &mut working => panic!("it is held: {result:?}"),
        () = waiting => {}
    }
    proxy.release();
    working.await.unwrap();
    let row = world.last().await;
    assert_out(&world, &row).await;
    assert_eq!(row.attempt, 1);
}

#[tokio::test]
async fn o6_who_lost_the_lease_stops_in_the_middle_of_an_upload() {
    let (mut world, sshd, proxy) = over_sftp(profile(PLAIN)).await;
    let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
    world.batch("B01", 3).await;
    let mut a = world.node("a");
    a.config.node.lease_ttl = Duration::from_secs(1);
    world.sql("update lease set expires_at = 0", args![]).await;
    proxy.set(Fault::Hold(Way::There, opened + (whole - opened) / 2));
    let stealing = async {
        held(&proxy).await;
        world.sql("update lease set holder = 'b', fence = fence + 1, expires_at = 9999999999999", args![]).await;
    };
    // The line is held: nothing but the lost lease ends the round, long before the line's own time-out.
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(8), async { tokio::join!(daemon::round(&a, world.now), stealing) })
        .await
        .expect("it stops");
    ended.unwrap();
    settle(&sshd, &proxy);
    assert_eq!(world.last().await.state, "uploading");
    assert_eq!(world.count("select coalesce(max(failures), 0) from edge").await, 0, "no trouble of the bank's");
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn o3_a_rename_of_two_steps_that_was_cut_is_in_doubt_and_never_repeated() {
    for id in [PLAIN, FLAGGED] {
        let (mut world, _sshd, proxy) = over_sftp(profile(id)).await;
        // What is sent until then does not depend on the server's kind.
        let before = cut_before_rename(&mut world, &proxy).await;
        world.rename_is_atomic = false;
        let node = world.node("a");
        for _ in 0..3 {
            world.later(31);
            drop(world.run(&world.node("b")).await);
        }
        let row = world.last().await;
        assert_eq!((row.state.as_str(), row.copies), ("doubt", 1), "{row:?}");
        assert_eq!(finals(&world.inbox()).len(), before, "nothing was renamed");
        assert!(world.inbox().join(row.part.strip_prefix("inbox/").unwrap()).exists());
        assert_eq!(world.incidents().await.len(), 1);
        // Without a fault such a server serves as any other.
        world.batch("B01", 3).await;
        world.run(&node).await.unwrap();
        assert_out(&world, &world.last().await).await;
    }
}

#[tokio::test]
async fn o1_a_file_written_in_place_is_written_once_or_is_in_doubt() {
    for (id, mode) in [(FLAGGED, "publish = \"flag\""), (PLAIN, "publish = \"direct\"")] {
        let like = profile_like(id, &[("publish = \"rename\"", mode)]);
        let (mut world, _sshd, proxy) = over_sftp(like).await;
        let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
        let mut states = std::collections::BTreeSet::new();
        for part in 0..12 {
            world.batch("B01", 3).await;
            proxy.set(Fault::Cut(Way::There, opened + (whole - opened) * part / 12));
            drop(world.run(&world.node("a")).await);
            proxy.set(Fault::None);
            let before = finals(&world.inbox());
            let was = world.last().await;
            for _ in 0..2 {
                drop(world.run(&world.node("b")).await);
            }
            let row = world.last().await;
            states.insert(row.state.clone());
            assert_eq!(row.copies, 1, "{row:?}");
            if was.copies == 1 {
                assert_eq!(finals(&world.inbox()), before, "not another byte after the intent: {row:?}");
                assert!(row.state == "doubt" || row.evidence == "seen" || was.state == "sent", "{row:?}");
            } else {
                assert_out(&world, &row).await;
            }
        }
        assert!(states.contains("doubt") && states.contains("sent"), "{states:?}");
    }
}

#[tokio::test]
async fn o20_parts_of_lower_fences_are_swept_and_no_others() {
    let (mut world, _root) = World::in_a_directory(profile(FLAGGED)).await;
    let (a, b) = (world.node("a"), world.node("b"));
    for _ in 0..3 {
        world.batch("B01", 2).await;
    }
    world.prepare(&a).await;
    let lease = world.lease(&a, "B01").await;
    assert_eq!(lease.fence, 1);
    let folder = world.inbox().join(&world.last().await.dir);
    std::fs::create_dir_all(&folder).unwrap();
    let names: Vec<String> = world.rows().await.into_iter().map(|r| r.name).collect();
    let left = [
        // A condemned upload, and its flag: both go.
        (format!("{}.1.1.part", names[0]), false),
        (format!("{}.ok.1.1.part", names[0]), false),
        // Named by a row that is in doubt: stays.
        (format!("{}.1.2.part", names[1]), true),
        (format!("{}.ok.1.2.part", names[1]), true),
        // Of that row, but condemned before.
        (format!("{}.1.1.part", names[1]), false),
        // Named by a row that the bank has answered.
        (format!("{}.1.2.part", names[2]), false),
        // Of the sweeper's own fence, or a later one.
        (format!("{}.2.1.part", names[2]), true),
        (format!("{}.3.1.part", names[2]), true),
        // Not ours.
        ("9999.dat.1.1.part".to_owned(), true),
        (format!("{}.part", names[0]), true),
        (names[0].clone(), true),
    ];
    for (name, _) in &left {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    world.sql("update file_out set fence = 1, attempt = 1, state = 'held' where id = 1", args![]).await;
    world
        .sql(
            "update file_out set fence = 1, attempt = 2, part_name = 'inbox/' || dir || '/' || name || '.1.2.part', \
             flag_part_name = 'inbox/' || dir || '/' || flag_name || '.1.2.part', state = case when id = 2 then 'doubt' else 'answered' end where id > 1",
            args![],
        )
        .await;
    let there = || left.iter().map(|(name, _)| folder.join(name).exists()).collect::<Vec<_>>();
    world.sql("update lease set expires_at = 9999999999999", args![]).await;
    daemon::round(&a, world.now).await.unwrap();
    assert!(there().iter().all(|t| *t), "its own fence's parts are left alone");
    world.sql("update lease set expires_at = 0", args![]).await;
    daemon::round(&b, world.now).await.unwrap();
    assert_eq!(there(), left.iter().map(|(_, stays)| *stays).collect::<Vec<_>>());
    // Once by each holder.
    std::fs::write(folder.join(&left[0].0), "x").unwrap();
    daemon::round(&b, world.now).await.unwrap();
    assert!(folder.join(&left[0].0).exists());
}

#[tokio::test]
async fn o10_a_part_cut_short_by_others_is_condemned() {
    let (mut world, sshd, proxy) = over_sftp(profile(PLAIN)).await;
    let node = world.node("a");
    let [(_, opened, whole), _] = measure(&mut world, &proxy).await;
    world.batch("B01", 3).await;
    world.prepare(&node).await;
    // From wherever the server has something under the part's name: half of it is lost.
    let mut condemned = 0;
    for point in 1..12 {
        if point > 1 {
            world.batch("B01", 3).await;
            world.prepare(&node).await;
        }
        while_held(&world, &node, &proxy, opened + (whole - opened) * point / 12, async || {
            for part in parts(&world.inbox()) {
                let file = std::fs::OpenOptions::new().write(true).open(world.inbox().join(part)).unwrap();
                let bytes = file.metadata().unwrap().len();
                file.set_len(bytes / 2).unwrap();
            }
        })
        .await;
        settle(&sshd, &proxy);
        let first = world.last().await;
        if first.state == "uploading" {
            condemned += 1;
            world.run(&node).await.unwrap();
            let row = world.last().await;
            assert_eq!(row.attempt, 2);
            assert_out(&world, &row).await;
        } else if first.state == "sent" {
            // Nothing had been written when it was cut, or it was renamed before.
            assert!(finals(&world.inbox())[&first.path()].len() > 1 && first.attempt == 1);
        }
        for part in parts(&world.inbox()) {
            std::fs::remove_file(world.inbox().join(part)).unwrap();
        }
        let row = world.last().await;
        if first.attempt == 1 && first.state == "sent" {
            continue;
        }
        assert_eq!(sha256(&finals(&world.inbox())[&row.path()]), row.sha256);
    }
    assert!(condemned > 2, "{condemned}");
}
