//! Real standbys and backups: what a database kept is not done again, what it lost is noticed before anything goes out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::postgres::Postgres;
use crate::harness::{say, until};
use crate::kill::auditor;
use crate::kill::world::World;

/// What the banks took, and the persons credited: nobody twice.
fn taken(world: &World) -> usize {
    world.banks.iter().map(|bank| bank.ledger(|ledger| ledger.taken.len())).sum()
}

fn nobody_is_credited_twice(world: &World) {
    for bank in &world.banks {
        bank.ledger(|ledger| auditor::nobody_twice(bank.code, &ledger.credits));
    }
}

/// All that ever went out, by bank and path, once the banks have taken what they may.
fn out(world: &World) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for bank in &world.banks {
        until("the bank to take what lies there", || {
            let is_free = |path: &String| bank.code == "B01" || path.ends_with(".ok");
            (!world.finals(bank.code).iter().any(is_free)).then_some(())
        });
        // What was in its hands then is on its books two looks later.
        let looks = bank.ledger(|ledger| ledger.looks) + 2;
        until("the bank to have it on its books", || bank.ledger(|ledger| (ledger.looks >= looks).then_some(())));
        let taken = bank.ledger(|ledger| ledger.taken.iter().map(|taken| taken.path.clone()).collect::<Vec<_>>());
        out.extend(taken.into_iter().chain(world.finals(bank.code)).map(|path| format!("{} {path}", bank.code)));
    }
    out
}

/// Both nodes have started: one that finds no database at its start ends, and is not here to be watched.
fn both_run(world: &World) {
    until("both nodes to run", || (0..2).all(|node| world.seen(node).is_some()).then_some(()));
}

/// Held, and by both nodes' own knowledge: each has looked at this database, and what it has to say against it is written down.
fn held(world: &World) {
    let held = || world.psql("select count(*) from publishing_hold where released_at is null") != "0";
    until("publishing to be held", || {
        world.let_time_pass();
        held().then_some(())
    });
    let then = world.last_event();
    until("both nodes to have looked", || {
        world.let_time_pass();
        (0..2).all(|node| world.seen(node).is_some_and(|event| (then..=world.last_event()).contains(&event))).then_some(())
    });
}

/// Held: whatever is released meanwhile, nothing goes out on either node, and `doctor` says so.
fn nothing_goes_out(world: &mut World, round: u64) {
    held(world);
    let before = out(world);
    world.release(round, 3);
    for _ in 0..20 {
        world.let_time_pass();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(out(world), before, "something went out");
    assert_eq!(world.psql("select count(*) from incident where kind = 'publishing_held' and state = 'open'"), "1");
    assert!(world.doctor().contains("publishing_held"), "{}", world.doctor());
}

fn synchronous(primary: &Postgres) {
    let url = primary.url();
    primary.psql(&url, "alter system set synchronous_standby_names = 'standby'");
    primary.psql(&url, "select pg_reload_conf()");
    until("the standby to be synchronous", || {
        (primary.psql(&url, "select sync_state from pg_stat_replication").trim() == "sync").then_some(())
    });
}

#[test]
fn a_synchronous_standby_promoted_under_load_loses_nothing_and_pays_nobody_twice() {
    let mut world = World::new(11);
    let standby = world.postgres.copied(true);
    standby.start_again();
    assert!(world.doctor().contains("\"replication\""), "a standby that nobody waits for is told: {}", world.doctor());
    synchronous(&world.postgres);
    assert!(!world.doctor().contains("\"replication\""), "{}", world.doctor());
    world.start_all();
    for round in 0..4 {
        world.release(round, 400);
        std::thread::sleep(Duration::from_millis(700));
    }
    until("something to be out", || (taken(&world) > 0).then_some(()));
    both_run(&world);
    // In the middle of it all.
    world.postgres.stop_hard();
    standby.promote();
    world.move_to(standby);
    nothing_goes_out(&mut world, 10);
    world.release_publishing();
    world.settle();
    say(&format!("failover: {}", auditor::verdict(&world)));
    assert!(world.logs().contains("a commit waits for a standby"));
}

#[test]
fn an_asynchronous_standby_that_lost_the_last_second_publishes_nothing_until_two_persons_release_it() {
    let mut world = World::new(12);
    let standby = world.postgres.copied(true);
    standby.start_again();
    world.release(0, 5);
    until("the standby to have the batches", || {
        (standby.psql(&standby.url_of(world.name()), "select count(*) from bankgate.batch where released_at is not null").trim() == "2")
            .then_some(())
    });
    // From here on it hears nothing.
    standby.stop_hard();
    world.start_all();
    until("both banks to have their file", || (taken(&world) == 2).then_some(()));
    both_run(&world);
    world.postgres.stop_hard();
    standby.start_again();
    standby.promote();
    world.move_to(standby);
    nothing_goes_out(&mut world, 10);
    assert!(world.doctor().contains("数据库不知道"), "what was forgotten is named: {}", world.doctor());
    after_the_release(&mut world);
}

#[test]
fn a_restored_backup_publishes_nothing_until_two_persons_release_it() {
    let mut world = World::new(13);
    world.release(0, 5);
    // The same number and the same timeline: only the journal knows better.
    let backup = world.postgres.copied(false);
    world.start_all();
    until("both banks to have their file", || (taken(&world) == 2).then_some(()));
    both_run(&world);
    world.postgres.stop_hard();
    backup.start_again();
    world.move_to(backup);
    nothing_goes_out(&mut world, 10);
    assert_eq!(world.psql("select count(*) from publishing_hold where key like 'database:%'"), "0");
    after_the_release(&mut world);
}

#[test]
fn a_node_that_saw_nothing_go_out_waits_on_a_restored_backup_for_the_one_that_did() {
    let mut world = World::new(14);
    world.start_all();
    both_run(&world);
    // From here on one sleeps, and the other does not run until the copy is made.
    world.stall(0);
    world.kill(1);
    world.release(0, 5);
    let backup = world.postgres.copied(false);
    world.start_all();
    until("both banks to have their file", || {
        world.let_time_pass();
        (taken(&world) == 2).then_some(())
    });
    let before = out(&world);
    world.postgres.stop_hard();
    world.kill(1);
    backup.start_again();
    world.move_to(backup);
    world.resume(0);
    until("the one that slept to look at it", || {
        // One that was still at its start ends without a database, and is started again.
        world.start(0);
        let sql = "select count(*) from node_look where node = 'node0' and server = cast(extract(epoch from pg_postmaster_start_time()) * 1000000 as bigint)";
        (world.psql(sql) == "1").then_some(())
    });
    for _ in 0..20 {
        world.let_time_pass();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(out(&world), before, "something went out");
    assert_eq!(world.psql("select count(*) from publishing_hold"), "0", "the other one may come yet");
    world.start_all();
    nothing_goes_out(&mut world, 10);
    after_the_release(&mut world);
}

/// What was forgotten is on the books again, in doubt: whoever released it looks at it. What is new goes out.
fn after_the_release(world: &mut World) {
    let before = taken(world);
    world.release_publishing();
    until("what is new to go out", || {
        world.let_time_pass();
        (taken(world) >= before + 2).then_some(())
    });
    nobody_is_credited_twice(world);
    assert_ne!(world.psql("select count(*) from publishing_hold where released_by = 'qian + sun'"), "0");
}
