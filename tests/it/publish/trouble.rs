//! What a mailbox, a disk or a profile may do to us: each file's trouble is its own, bounded, and seen by a person.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bankgate::args;
use bankgate::daemon;
use bankgate::passes::Gateway;
use bankgate::transport::{DirEndpoint, SftpEndpoint, Transport};

use super::world::{Bank, FLAGGED, PLAIN, Row, World, finals, parts, profile, profile_like};
use super::{assert_out, over_sftp, sha256};
use crate::harness::sshd::Sshd;
use crate::harness::{is_root, skip};

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Rounds of the daemon, each after any pause has passed.
pub async fn rounds(world: &mut World, node: &Gateway, count: usize) {
    for _ in 0..count {
        // The same process keeps its lease; time passes for the pauses alone.
        let _ = daemon::round(node, world.now).await;
        world.later(31);
    }
}

fn open_keys(incidents: &[(String, String, i64)]) -> Vec<&str> {
    incidents.iter().map(|(_, key, _)| key.as_str()).collect()
}

async fn state_of(world: &World, id: i64) -> Row {
    world.rows().await.into_iter().find(|r| r.id == id).unwrap()
}

#[tokio::test]
async fn o5_a_name_that_stands_there_already_is_held_and_never_overwritten() {
    for (id, taken) in [(PLAIN, "data"), (FLAGGED, "data"), (FLAGGED, "flag")] {
        let (mut world, _sshd, _proxy) = over_sftp(profile(id)).await;
        let node = world.node("a");
        world.batch("B01", 3).await;
        world.prepare(&node).await;
        let row = world.last().await;
        let path = if taken == "data" { row.path() } else { row.flag_path() };
        let place = world.inbox().join(&path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        super::world::open_to_all(place.parent().unwrap());
        std::fs::write(&place, "theirs").unwrap();
        rounds(&mut world, &node, 3).await;
        let row = world.last().await;
        assert_eq!((row.state.as_str(), row.copies), ("held", 0), "{row:?}");
        assert!(row.why.contains("stands at the bank"), "{row:?}");
        assert_eq!(finals(&world.inbox()), [(path, b"theirs".to_vec())].into());
        assert_eq!(world.incidents().await.len(), 1, "{:?}", world.incidents().await);
    }
}

#[tokio::test]
async fn o8_what_may_not_be_created_is_held_after_bounded_attempts() {
    let (mut world, _sshd, _proxy) = over_sftp(profile(PLAIN)).await;
    if !is_root() {
        return skip("the server's account is ours, and may write where we may");
    }
    let node = world.node("a");
    world.batch("B01", 3).await;
    mode(&world.inbox(), 0o555);
    rounds(&mut world, &node, 1).await;
    assert_eq!(world.last().await.state, "uploading");
    assert_eq!(open_keys(&world.incidents().await), ["edge:B01"], "it is told at once");
    rounds(&mut world, &node, 5).await;
    let row = world.last().await;
    assert_eq!((row.state.as_str(), row.attempt, row.copies), ("held", 3, 0), "{row:?}");
    assert!(open_keys(&world.incidents().await).contains(&format!("held:{}", row.id).as_str()));
    assert!(finals(&world.inbox()).is_empty());
}

#[tokio::test]
async fn o8_what_may_not_be_renamed_is_never_sent_and_is_held() {
    let (mut world, _sshd, proxy) = over_sftp(profile(PLAIN)).await;
    if !is_root() {
        return skip("the server's account is ours, and may write where we may");
    }
    let node = world.node("probe");
    // Uploaded and intended; the rename finds the folder shut.
    let before = super::nodes::cut_before_rename(&mut world, &proxy).await;
    mode(&world.inbox(), 0o555);
    rounds(&mut world, &node, 4).await;
    let row = world.last().await;
    assert_eq!((row.state.as_str(), row.copies), ("held", 1), "{row:?}");
    assert_eq!(finals(&world.inbox()).len(), before);
    assert_eq!(parts(&world.inbox()).len(), 1, "the part is left for a person");
    // Nothing else is kept from going out.
    mode(&world.inbox(), 0o777);
    world.batch("B01", 3).await;
    rounds(&mut world, &node, 2).await;
    assert_out(&world, &world.last().await).await;
}

#[tokio::test]
async fn o9_a_changed_host_key_stops_that_bank_alone_and_is_told_once() {
    let (mut changed, steady) = (Sshd::start(), Sshd::start());
    let banks = vec![
        Bank::new("B01", changed.transport(), &changed.root, profile(PLAIN)),
        Bank::new("B02", steady.transport(), &steady.root, profile_like(PLAIN, &[("id = \"split-sf", "id = \"other-sf")])),
    ];
    let mut world = World::new(banks).await;
    changed.restart_with_new_host_key();
    let node = world.node("a");
    world.batch("B01", 3).await;
    world.batch("B02", 3).await;
    // Backing off is over at each third round only, and between there is nothing to look at.
    for _ in 0..6 {
        let _ = daemon::round(&node, world.now).await;
        world.later(1);
    }
    let states: Vec<_> = world.rows().await.into_iter().map(|r| r.state).collect();
    assert_eq!(states, ["sealed", "sent"]);
    assert_eq!(open_keys(&world.incidents().await), ["edge:B01"]);
    assert_eq!(world.count("select count(*) from incident").await, 1, "once, not once a round");
    assert!(finals(&steady.root.join("inbox")).len() == 1 && finals(&changed.root.join("inbox")).is_empty());
    // The bank confirmed the new key: pinned, all goes on, and the alarm is over.
    let port = changed.endpoint().port;
    world.banks[0].transport = Transport::Sftp(SftpEndpoint { port, ..changed.endpoint() });
    let node = world.node("a");
    world.later(60);
    rounds(&mut world, &node, 1).await;
    assert_eq!(world.rows().await[0].state, "sent");
    assert!(world.incidents().await.is_empty(), "{:?}", world.incidents().await);
}

#[tokio::test]
async fn o14_a_spool_that_cannot_be_written_is_told_and_nothing_is_half_recorded() {
    let (mut world, _root) = World::in_a_directory(profile(PLAIN)).await;
    let node = world.node("a");
    world.batch("B01", 3).await;
    let spool = node.config.node.state_dir.join("spool");
    std::fs::remove_dir(&spool).unwrap();
    std::fs::write(&spool, "no folder").unwrap();
    rounds(&mut world, &node, 3).await;
    let row = world.last().await;
    assert_eq!((row.state.as_str(), row.sha256.as_str(), row.attempt), ("planned", "", 0));
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 1, "a disk of ours is told: {incidents:?}");
    std::fs::remove_file(&spool).unwrap();
    std::fs::create_dir(&spool).unwrap();
    rounds(&mut world, &node, 1).await;
    assert_out(&world, &world.last().await).await;
    assert!(world.incidents().await.is_empty(), "over: {:?}", world.incidents().await);
}

#[tokio::test]
async fn o15_one_poison_file_among_ten_lets_nine_go_out() {
    let (mut world, _root) = World::in_a_directory(profile(PLAIN)).await;
    let node = world.node("a");
    for _ in 0..10 {
        world.batch("B01", 2).await;
    }
    // A delimiter in a name, which no gate let through.
    world.sql("update instruction set payee_name = '张|三' where id = 9", args![]).await;
    rounds(&mut world, &node, 2).await;
    let rows = world.rows().await;
    assert_eq!((rows.len(), rows.iter().filter(|r| r.state == "sent").count()), (10, 9));
    let held = rows.iter().find(|r| r.state == "held").unwrap();
    assert_eq!(open_keys(&world.incidents().await), [format!("held:{}", held.id)]);
    assert_eq!(finals(&world.inbox()).len(), 9);
}

#[tokio::test]
async fn o15_a_file_that_the_mailbox_refuses_lets_the_others_go_out_at_once() {
    let (mut world, _root) = World::in_a_directory(profile(FLAGGED)).await;
    let node = world.node("a");
    for _ in 0..3 {
        world.batch("B01", 2).await;
    }
    world.prepare(&node).await;
    // Its folder cannot be: a file stands there.
    world.sql("update file_out set dir = 'wall' where id = 1", args![]).await;
    std::fs::write(world.inbox().join("wall"), "").unwrap();
    rounds(&mut world, &node, 1).await;
    let states: Vec<_> = world.rows().await.into_iter().map(|r| r.state).collect();
    assert_eq!(states, ["uploading", "sent", "sent"]);
    rounds(&mut world, &node, 4).await;
    assert_eq!(state_of(&world, 1).await.state, "held");
}

#[tokio::test]
async fn o15_a_tranche_that_cannot_be_planned_lets_the_others_go_out() {
    let (mut world, _root) = World::in_a_directory(profile(PLAIN)).await;
    let node = world.node("a");
    for _ in 0..3 {
        world.batch("B01", 2).await;
    }
    world.sql("update instruction set live = 0 where id = 1", args![]).await;
    rounds(&mut world, &node, 2).await;
    let rows = world.rows().await;
    assert_eq!(rows.iter().filter(|r| r.state == "sent").count(), 2, "{rows:?}");
    assert_eq!(world.incidents().await.len(), 1, "{:?}", world.incidents().await);
}

#[tokio::test]
async fn o15_a_profile_that_is_gone_or_changed_holds_its_files_alone() {
    let root = tempfile::tempdir().unwrap();
    let transport = Transport::Dir(DirEndpoint { root: root.path().to_owned() });
    let bank = Bank::new("B01", transport, root.path(), profile(PLAIN));
    let mut world = World::new(vec![bank]).await;
    let node = world.node("a");
    world.batch("B01", 2).await;
    world.prepare(&node).await;
    // Even with its bytes in the spool: what was sealed under another profile waits for a person.
    let changed = profile_like(PLAIN, &[("version = 1", "version = 2")]);
    world.banks[0].profile = std::sync::Arc::new(changed);
    let node = world.node("a");
    world.batch("B01", 2).await;
    rounds(&mut world, &node, 2).await;
    let rows = world.rows().await;
    assert_eq!((rows[0].state.as_str(), rows[0].copies, rows[1].state.as_str()), ("held", 0, "sent"), "{rows:?}");
}

#[tokio::test]
async fn o16_backing_off_survives_a_restart_and_the_attempts_are_bounded() {
    let sshd = Sshd::start();
    let gone = Transport::Sftp(SftpEndpoint { port: 1, ..sshd.endpoint() });
    let mut world = World::new(vec![Bank::new("B01", gone, &sshd.root, profile(PLAIN))]).await;
    world.batch("B01", 3).await;
    let mut tried = 0;
    for minute in 0..120 {
        // A restart each minute.
        let node = world.node(&format!("n{minute}"));
        world.sql("update lease set expires_at = 0", args![]).await;
        let before = world.count("select coalesce(sum(failures), 0) from edge").await;
        let _ = daemon::round(&node, world.now).await;
        tried += world.count("select coalesce(sum(failures), 0) from edge").await - before;
        world.later(1);
    }
    assert!((4..=12).contains(&tried), "{tried} tries in two hours");
    let row = world.last().await;
    assert_eq!((row.state.as_str(), row.attempt), ("sealed", 0), "nothing was uploaded, so no attempt is used up");
    assert_eq!(world.count("select count(*) from incident where kind = 'edge_trouble'").await, 1);
}

#[tokio::test]
async fn o16_trouble_is_not_over_because_nobody_looked() {
    let sshd = Sshd::start();
    let gone = Transport::Sftp(SftpEndpoint { port: 1, ..sshd.endpoint() });
    let mut world = World::new(vec![Bank::new("B01", gone, &sshd.root, profile(PLAIN))]).await;
    let node = std::sync::Arc::new(world.node("a"));
    // The daemon, with nothing to send, listing every twenty minutes and waking every minute.
    let mut config = node.config.clone();
    config.time.tick = std::time::Duration::from_secs(60);
    config.time.rescan = std::time::Duration::from_secs(1200);
    let node = Gateway { config, ..world.node("b") };
    let clock = bankgate::clock::Clock::stepped(world.now);
    let stop = tokio_util::sync::CancellationToken::new();
    let watch = clock.participant();
    let serving = tokio::spawn({
        let (clock, stop) = (clock.clone(), stop.clone());
        async move { daemon::serve(std::sync::Arc::new(node), &clock, &daemon::Wake::default(), &stop).await }
    });
    // Its tasks take part before we wait for the clock.
    tokio::task::yield_now().await;
    watch.sleep_until(world.now.plus_minutes(240)).await;
    stop.cancel();
    drop(watch);
    serving.await.unwrap().unwrap();
    world.later(240);
    assert_eq!(world.count("select count(*) from incident where kind = 'edge_trouble'").await, 1, "one alarm");
    assert!(world.count("select failures from edge").await > 3);
}

#[tokio::test]
async fn o18_a_row_without_an_account_or_a_name_is_held_before_a_byte_leaves() {
    for (id, change) in [
        (PLAIN, "update instruction set payee_name = ''"),
        (PLAIN, "update instruction set payee_name = 'null' || char(0)"),
        (FLAGGED, "update instruction set account = ''"),
    ] {
        let (mut world, _root) = World::in_a_directory(profile(id)).await;
        let node = world.node("a");
        world.batch("B01", 2).await;
        world.sql(change, args![]).await;
        rounds(&mut world, &node, 2).await;
        assert_eq!(world.last().await.state, "held", "{change}");
        assert!(finals(&world.inbox()).is_empty() && parts(&world.inbox()).is_empty());
    }
}

#[tokio::test]
async fn o20_a_part_that_a_crashed_run_left_is_never_used() {
    let (mut world, _sshd, _proxy) = over_sftp(profile(PLAIN)).await;
    let node = world.node("a");
    world.batch("B01", 3).await;
    world.prepare(&node).await;
    let lease = world.lease(&node, "B01").await;
    let file = world.last().await;
    let left = world.inbox().join(format!("{}.{}.1-{}.part", file.name, lease.fence, file.id));
    std::fs::write(&left, "half").unwrap();
    assert!(world.run_under(&node, &lease).await.is_err());
    world.run_under(&node, &lease).await.unwrap();
    let row = world.last().await;
    assert_out(&world, &row).await;
    assert_eq!(row.attempt, 2);
    assert_eq!(std::fs::read(left).unwrap(), b"half", "its own fence's parts are left alone");
}

#[tokio::test]
async fn a_spool_that_was_wiped_is_rendered_again_and_a_changed_row_is_held() {
    for id in [PLAIN, FLAGGED] {
        for tampered in [false, true] {
            let (mut world, _root) = World::in_a_directory(profile(id)).await;
            let node = world.node("a");
            world.batch("B01", 3).await;
            world.prepare(&node).await;
            let spool = node.config.node.state_dir.join("spool");
            std::fs::remove_dir_all(&spool).unwrap();
            std::fs::create_dir(&spool).unwrap();
            if tampered {
                world
                    .sql("update instruction set payee_id = '511102197001019999', account = '6217999999999999999' where id = 2", args![])
                    .await;
            }
            rounds(&mut world, &node, 2).await;
            let row = world.last().await;
            if tampered {
                assert_eq!((row.state.as_str(), row.copies), ("held", 0), "{row:?}");
                assert!(finals(&world.inbox()).is_empty());
            } else {
                assert_out(&world, &row).await;
            }
            assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "nothing is left in the spool");
        }
    }
}

#[tokio::test]
async fn o10_bytes_that_rotted_in_the_spool_never_go_out() {
    let (mut world, _root) = World::in_a_directory(profile(PLAIN)).await;
    let node = world.node("a");
    world.batch("B01", 3).await;
    world.prepare(&node).await;
    let row = world.last().await;
    let spooled = node.spool(&row.sha256);
    let mut bytes = std::fs::read(&spooled).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&spooled, &bytes).unwrap();
    rounds(&mut world, &node, 2).await;
    let row = world.last().await;
    assert_out(&world, &row).await;
    assert_eq!(row.attempt, 2, "rendered again for the second");
    assert!(finals(&world.inbox()).values().all(|b| sha256(b) == row.sha256));
}

#[tokio::test]
async fn a_flag_that_rotted_or_is_anothers_never_goes_out() {
    use sm3::Digest as _;
    for harm in ["rotted", "another's", "cut", "gone"] {
        let (mut world, _root) = World::in_a_directory(profile(FLAGGED)).await;
        let node = world.node("a");
        world.batch("B01", 3).await;
        world.batch("B01", 2).await;
        world.prepare(&node).await;
        let spool = node.config.node.state_dir.join("spool");
        let kept = |row: &Row| {
            let name = std::fs::read_dir(&spool).unwrap().map(|e| e.unwrap().path());
            name.into_iter().find(|p| p.to_string_lossy().contains(&format!("{}.", row.sha256))).expect("a sealed file's flag is kept")
        };
        let rows = world.rows().await;
        let (one, other) = (kept(&rows[0]), kept(&rows[1]));
        let mut bytes = std::fs::read(&one).unwrap();
        match harm {
            "rotted" => {
                let at = bytes.len() - 3;
                bytes[at] ^= 1;
                std::fs::write(&one, &bytes).unwrap();
            }
            "cut" => std::fs::write(&one, &bytes[..bytes.len() / 2]).unwrap(),
            "gone" => std::fs::remove_file(&one).unwrap(),
            _ => _ = std::fs::copy(&other, &one).unwrap(),
        }
        rounds(&mut world, &node, 2).await;
        let out = finals(&world.inbox());
        for row in world.rows().await {
            assert_out(&world, &row).await;
            let data = &out[&row.path()];
            let lines = data.iter().filter(|b| **b == b'\n').count();
            let flag = format!("{}|{lines}|{}\n", data.len(), hex::encode(sm3::Sm3::digest(data)));
            assert_eq!(String::from_utf8_lossy(&out[&row.flag_path()]), flag, "{harm}");
        }
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "{harm}: nothing is left in the spool");
    }
}

#[tokio::test]
async fn shadow_writes_files_here_and_publishes_none_and_paused_makes_none() {
    let (mut world, _root) = World::in_a_directory(profile(FLAGGED)).await;
    let node = world.node("a");
    for _ in 0..2 {
        world.batch("B01", 2).await;
    }
    world.sql("update bank set mode = 'paused'", args![]).await;
    rounds(&mut world, &node, 2).await;
    assert!(world.rows().await.is_empty());
    world.sql("update bank set mode = 'shadow'", args![]).await;
    rounds(&mut world, &node, 1).await;
    // The first row is changed behind our back: its file waits for a person, the other is written.
    let folder = node.config.node.state_dir.join("shadow/B01");
    let written = finals(&folder);
    let rows = world.rows().await;
    for row in &rows {
        assert_eq!((row.state.as_str(), row.attempt), ("sealed", 0));
        assert_eq!(sha256(&written[&row.path()]), row.sha256);
        assert!(written.contains_key(&row.flag_path()));
    }
    assert!(finals(&world.inbox()).is_empty());
    world.batch("B01", 2).await;
    world.batch("B01", 2).await;
    world.prepare(&node).await;
    world.sql("update instruction set account = '6217999999999999999' where id = 5", args![]).await;
    // As on another node, which did not seal it and renders it again.
    for row in world.rows().await {
        _ = std::fs::remove_file(node.spool(&row.sha256));
    }
    rounds(&mut world, &node, 1).await;
    let states: Vec<_> = world.rows().await.into_iter().map(|r| r.state).collect();
    assert_eq!(states, ["sealed", "sealed", "held", "sealed"]);
    assert_eq!(finals(&folder).len(), 6);
    world.sql("update bank set mode = 'live'", args![]).await;
    rounds(&mut world, &node, 1).await;
    assert_eq!(world.rows().await.iter().filter(|r| r.state == "sent").count(), 3);
}
