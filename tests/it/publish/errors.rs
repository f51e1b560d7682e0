//! A bank's server that answers with errors, at each request that publishing makes: OpenSSH's own sftp-server behind a line of
//! ours that errs as it is told. Whatever it says, at most one file is out, `sent` means out, and a person hears of it.

use bankgate::transport::Transport;

use super::trouble::rounds;
use super::world::{Bank, FLAGGED, World, finals, profile};
use super::{assert_out, sha256};
use crate::harness::sshd::Sshd;

async fn erring() -> (World, Sshd) {
    let sshd = Sshd::start_erring();
    let bank = Bank::new("B01", Transport::Sftp(sshd.endpoint()), &sshd.root, profile(FLAGGED));
    (World::new(vec![bank]).await, sshd)
}

/// Nothing is out that the row does not know of, and what is out is whole.
async fn at_most_one(world: &World, at: &str) {
    let row = world.last().await;
    let found = finals(&world.inbox());
    let data: Vec<_> = found.iter().filter(|(name, _)| !name.ends_with(".ok")).collect();
    assert!(data.len() <= 1, "{at}: {:?}", found.keys());
    assert!(data.iter().all(|(name, bytes)| **name == row.path() && sha256(bytes) == row.sha256), "{at}: {row:?}");
    if row.state == "sent" {
        assert_out(world, &row).await;
    }
    assert!(data.is_empty() || ["sent", "publishing", "held", "doubt"].contains(&row.state.as_str()), "{at}: out, and {row:?}");
}

/// Every request of an upload, refused: permission denied, or the failure that stands for a full disk, a quota, a lock.
const REFUSED: [&str; 9] = ["open 3", "open 4", "write 4", "close 4", "mkdir 3", "rename 3", "rename 4", "stat 4", "rename 3 .ok"];

#[tokio::test]
async fn o8_whatever_the_server_refuses_is_bounded_told_and_never_sent() {
    for rule in REFUSED {
        let (mut world, sshd) = erring().await;
        let node = world.node("a");
        world.batch("B01", 3).await;
        sshd.errs(rule);
        for round in 0..7 {
            rounds(&mut world, &node, 1).await;
            at_most_one(&world, &format!("{rule}, round {round}")).await;
        }
        let row = world.last().await;
        assert!(row.state != "sent" && row.attempt <= 6, "{rule}: {row:?}");
        let told = world.incidents().await;
        assert!(told.iter().any(|(_, key, _)| *key == "edge:B01" || *key == format!("held:{}", row.id)), "{rule}: {told:?}");
        assert!(told.len() <= 2, "{rule}: {told:?}");
        // Nobody else's file waits for it.
        sshd.errs("");
        world.batch("B01", 2).await;
        rounds(&mut world, &node, 3).await;
        assert_out(&world, &world.last().await).await;
    }
}

#[tokio::test]
async fn o8_a_refusal_that_passes_costs_an_attempt_and_no_more() {
    for rule in ["open 3", "write 4", "close 4", "mkdir 3", "stat 4"] {
        let (mut world, sshd) = erring().await;
        let node = world.node("a");
        world.batch("B01", 3).await;
        sshd.errs(rule);
        rounds(&mut world, &node, 1).await;
        assert!(finals(&world.inbox()).is_empty(), "{rule}");
        sshd.errs("");
        rounds(&mut world, &node, 3).await;
        let row = world.last().await;
        assert_out(&world, &row).await;
        assert!(world.incidents().await.is_empty(), "{rule}: it is over, and the alarm with it: {:?}", world.incidents().await);
    }
}

/// Done, and then answered with an error, or not at all: nobody may take the answer for what happened.
#[tokio::test]
async fn o3_o8_what_was_done_and_answered_with_an_error_goes_out_once() {
    for op in ["open", "write", "close", "mkdir", "rename"] {
        for how in ["4!", "cut"] {
            let rule = format!("{op} {how}");
            let (mut world, sshd) = erring().await;
            let node = world.node("a");
            world.batch("B01", 3).await;
            sshd.errs(&rule);
            rounds(&mut world, &node, 1).await;
            at_most_one(&world, &rule).await;
            sshd.errs("");
            for round in 0..3 {
                rounds(&mut world, &node, 1).await;
                at_most_one(&world, &format!("{rule}, round {round}")).await;
            }
            let row = world.last().await;
            assert!(["sent", "held"].contains(&row.state.as_str()), "{rule}: {row:?}");
            assert!(row.state == "sent" || op == "rename", "{rule}: only behind the rename a person has to look: {row:?}");
        }
    }
}

/// A server that says yes and stores nothing, or less.
#[tokio::test]
async fn o10_bytes_that_were_taken_and_not_stored_are_missed() {
    for read_back in [true, false] {
        let (mut world, sshd) = erring().await;
        world.read_back = read_back;
        let node = world.node("a");
        world.batch("B01", 3).await;
        sshd.errs("write lose");
        rounds(&mut world, &node, 2).await;
        let row = world.last().await;
        assert!(row.copies == 0 && row.state != "sent" && finals(&world.inbox()).is_empty(), "{row:?}");
        sshd.errs("");
        rounds(&mut world, &node, 2).await;
        let again = world.last().await;
        assert_out(&world, &again).await;
        assert!(again.attempt > row.attempt, "another part: {again:?}");
    }
}
