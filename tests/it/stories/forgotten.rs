//! A database that forgot what went out, and a node's journal that did not.

use std::sync::Arc;

use bankgate::clock::Stopwatch;
use bankgate::domain::ids::EndToEndId;
use bankgate::passes::close::{close, close_year};
use bankgate::passes::guard::{at_the_end, at_the_start, look};
use bankgate::passes::operate::cancel::cancel_batch;
use bankgate::passes::operate::file::{Acted, FileWish};
use bankgate::passes::operate::guard::propose_release;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::refund::propose_due;
use bankgate::passes::plan::plan;
use bankgate::store::closing::Which;
use bankgate::store::desk::Operator;

use super::bank::{LOST as LOST_CARD, Word};
use super::doctor::{gone, named};
use super::late::three_wait_for_tomorrow;
use super::stuck::{ask, by_two, by_two_saying, the_file};
use super::world::{CLEARING, COUNTER, SPLIT, World, at, draft, on_both, reissue};

/// A story of a world, and of one whose database knows nothing of it but has its node's journal.
async fn on_both_after_a_loss(story: impl AsyncFn(&mut World, &mut World)) {
    story(&mut World::on_sqlite().await, &mut World::on_sqlite().await).await;
    story(&mut World::on_postgres().await, &mut World::on_postgres().await).await;
}

fn hand_over_the_journal(before: &World, after: &World) {
    let log = |w: &World| w.gateway.config.node.state_dir.join("published.log");
    std::fs::copy(log(before), log(after)).unwrap();
}

fn person(login: &str) -> Operator {
    Operator { login: login.into(), name: login.into(), role: "finance".into(), department: String::new() }
}

async fn release_publishing(w: &World) {
    release_publishing_without(w, &[]).await;
}

async fn release_publishing_without(w: &World, without: &[String]) {
    let (id, effect) = propose_release(&w.gateway, &person("qian"), "compared with all banks", without, w.now).await.unwrap();
    let named = without.iter().all(|batch| effect.contains(&format!("payments of {batch} went out and stay off the books")));
    assert!(named, "{effect}");
    assert!(effect.contains("evidence: compared with all banks"), "{effect}");
    assert!(approve(&w.gateway, &person("qian"), id, w.now).await.is_err(), "the same person");
    approve(&w.gateway, &person("sun"), id, w.now).await.unwrap();
}

const LOST: [(&str, &str, std::ops::Range<usize>); 2] = [("N-B2", CLEARING, 0..3), ("N-B4", SPLIT, 10..14)];

async fn release_all(w: &World) {
    for (batch, bank, people) in LOST {
        w.release(&draft(batch, bank, people)).await;
    }
}

/// Where the files of the lost batches stand, by their paths.
async fn doubts(w: &World) -> Vec<String> {
    let sql = "select dir || case when dir = '' then '' else '/' end || name from file_out where batch in ('N-B2', 'N-B4') and state = 'doubt' \
               and copies = 1 order by bank";
    w.texts(sql).await
}

#[tokio::test]
async fn what_was_forgotten_is_in_doubt_under_its_name_and_is_paid_by_the_banks_answer() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        release_all(w).await;
        w.admit().await;
        hand_over_the_journal(before, w);
        w.release(&draft("NEW", CLEARING, 20..22)).await;
        w.settle().await;
        assert_eq!(w.int("select count(*) from publishing_hold where key like 'behind:%'").await, 1);
        assert_eq!(w.incidents("publishing_held").await, 1);
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "held");
        release_publishing(w).await;
        w.settle().await;
        let new = w.take_one(CLEARING);
        assert_eq!((new.orders.len(), w.take(SPLIT).len()), (2, 0), "only what is new goes out");
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()));
        for slip in lost.iter().chain([&new]) {
            w.answer(slip, &vec![Word::Paid; slip.orders.len()]);
        }
        w.settle().await;
        for (batch, people) in [("N-B2", 3), ("N-B4", 4), ("NEW", 2)] {
            assert_eq!(w.states(batch).await, vec!["paid"; people], "{batch}");
        }
        w.audit("the answers").await;
        assert_eq!((w.incidents("publishing_held").await, w.incidents("file_held").await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn numbers_that_went_out_stand_for_nobody_else() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        hand_over_the_journal(before, w);
        // Somebody else comes first, and would take the numbers and the name.
        w.release(&draft("NEW", CLEARING, 20..22)).await;
        w.settle().await;
        release_all(w).await;
        w.settle().await;
        release_publishing(w).await;
        w.settle().await;
        let new = w.take_one(CLEARING);
        assert_ne!(new.path, lost[0].path);
        let reused = "select count(*) from v_instruction where state <> 'voided' and id <= (select max(last_id) from forgotten_file)";
        assert_eq!(w.int(reused).await, 0);
        assert_eq!(w.int("select count(*) from forgotten_rows where known_as is null").await, 0);
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()));
        // An answer by numbers that mean nobody here is a person's matter, and is nobody's money.
        w.answer(&lost[0], &[Word::Paid; 3]);
        w.answer(&new, &[Word::Paid; 2]);
        w.settle().await;
        assert_eq!((w.states("N-B2").await, w.states("NEW").await), (vec!["planned".to_owned(); 3], vec!["paid".to_owned(); 2]));
        assert_eq!((w.incidents("quarantined").await, w.take(CLEARING).len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn where_the_path_recurs_nothing_new_goes_out_under_the_name_of_what_was_forgotten() {
    on_both_after_a_loss(async |before, w| {
        before.release(&draft("N", COUNTER, 0..3)).await;
        before.settle().await;
        let lost = before.take_one(COUNTER);
        hand_over_the_journal(before, w);
        w.release(&draft("NEW", COUNTER, 20..22)).await;
        w.settle().await;
        release_publishing_without(w, &["N".to_owned()]).await;
        w.settle().await;
        assert_eq!((w.take(COUNTER).len(), w.incidents("plan_failed").await), (0, 1));
        w.release(&draft("N", COUNTER, 0..3)).await;
        w.settle().await;
        w.answer(&lost, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("N").await, ["paid"; 3]);
        w.settle_at("2019-03-15", "10:00:00").await;
        assert_eq!(w.take_one(COUNTER).orders.len(), 2);
        assert_eq!(w.incidents("plan_failed").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_was_forgotten_is_told_from_what_was_not_sent_and_may_be_given_up_by_the_banks_word() {
    on_both_after_a_loss(async |before, w| {
        // Two of the five were not in the file that went out.
        before.exclude(1).await;
        before.exclude(4).await;
        before.release(&draft("N", CLEARING, 0..5)).await;
        before.settle().await;
        let lost = before.take_one(CLEARING);
        assert_eq!(lost.orders.len(), 3);
        hand_over_the_journal(before, w);
        w.release(&draft("N", CLEARING, 0..5)).await;
        w.settle().await;
        release_publishing(w).await;
        w.settle().await;
        let sent: Vec<usize> = w.take(CLEARING).iter().map(|slip| slip.orders.len()).collect();
        assert_eq!(sent, [1, 1], "the two that never went out");
        let doubts = w.texts("select rows || ' ' || copies from file_out where state = 'doubt' order by id").await;
        assert_eq!(doubts, ["1 1", "2 1"], "one run each");
        // A node that slept through the restore may still be about to rename its part.
        let part = w.mailbox(CLEARING).join("inbox").join(format!("{}.7.1-9.part", lost.path));
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::write(&part, &lost.bytes).unwrap();
        // The bank writes that it has no such file, and once more when we have looked into its folder: then, and only then, they are sent.
        for next in ["withdrawing", "voided"] {
            for _ in 0..2 {
                let id = w.int("select min(id) from file_out where state = 'doubt'").await;
                // Of the name that it has here the bank never heard, and would say so.
                let refused = ask(w, id, FileWish::Void).await.unwrap_err().to_string();
                assert!(refused.contains(&format!("went out as {}", lost.path)), "{refused}");
                let effect = by_two_saying(w, id, FileWish::Void, &format!("银行来函：{}未收到", lost.path)).await;
                assert!(effect.contains(&format!(", went out as {}, bank", lost.path)), "{effect}");
                assert!(effect.contains(&format!("doubt -> {next}")), "{effect}");
            }
            w.publish(CLEARING).await;
            assert!(!part.exists(), "nothing is left that could be renamed");
        }
        w.settle().await;
        let again: usize = w.take(CLEARING).iter().map(|slip| slip.orders.len()).sum();
        assert_eq!(again, 3);
        assert_eq!(w.int("select count(*) from file_out where state = 'doubt'").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_was_forgotten_and_still_lies_at_the_bank_is_not_given_up_by_its_word() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        // One bank has not fetched it yet. At the other a node may still be about to rename its part.
        let places = lost.each_ref().map(|slip| w.mailbox(slip.bank).join("inbox").join(&slip.path));
        let part = places[1].with_file_name(format!("{}.7.1-9.part", places[1].file_name().unwrap().to_str().unwrap()));
        for (place, slip) in [(&places[0], &lost[0]), (&part, &lost[1])] {
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, &slip.bytes).unwrap();
        }
        hand_over_the_journal(before, w);
        release_all(w).await;
        w.settle().await;
        let ids = [CLEARING, SPLIT].map(|bank| format!("select id from file_out where state = 'doubt' and bank = '{bank}'"));
        for id in &ids {
            let id = w.int(id).await;
            by_two(w, id, FileWish::Void).await;
        }
        w.settle().await;
        assert_eq!(
            w.texts("select bank || ' ' || state from file_out order by bank").await,
            [format!("{CLEARING} held"), format!("{SPLIT} doubt")]
        );
        assert!(places[0].exists() && !part.exists() && !places[1].exists(), "nothing is left that could be renamed");
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take_one(CLEARING).path, w.take(SPLIT).len()), (lost[0].path.clone(), 0), "nothing goes out again");
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_was_forgotten_is_not_sent_a_third_time() {
    let mut w = World::on_sqlite().await;
    w.release(&draft("N", COUNTER, 0..3)).await;
    w.settle().await;
    let first = w.take_one(COUNTER);
    let id = the_file(&w).await;
    by_two(&w, id, FileWish::Resend).await;
    let backup = w.backup().await;
    w.settle().await;
    assert_eq!(w.take_one(COUNTER).bytes, first.bytes, "the second copy, ordered by two persons");
    let mut w = w.restored(&backup).await;
    w.settle().await;
    assert_eq!(w.take(COUNTER).len(), 0, "held");
    release_publishing(&w).await;
    w.settle().await;
    assert_eq!(w.take(COUNTER).len(), 0, "a third copy");
    assert_eq!(w.texts("select state || ' ' || copies from file_out").await, ["doubt 2"]);
    w.answer(&first, &[Word::Paid; 3]);
    w.settle().await;
    assert_eq!(w.states("N").await, ["paid"; 3]);
}

#[tokio::test]
async fn a_database_that_went_back_holds_publishing_although_this_node_sent_nothing_since() {
    let mut w = World::on_sqlite().await;
    w.release(&draft("N", COUNTER, 0..3)).await;
    w.settle().await;
    w.take_one(COUNTER);
    let backup = w.backup().await;
    w.release(&draft("M", SPLIT, 10..12)).await;
    w.admit().await;
    w.plan(SPLIT).await;
    look(&w.gateway, w.now).await.unwrap();
    let mut w = w.restored(&backup).await;
    look(&w.gateway, w.now).await.unwrap();
    look(&w.gateway, w.now).await.unwrap();
    assert_eq!(w.int("select count(*) from publishing_hold where key like 'back:%'").await, 1);
    w.release(&draft("M", SPLIT, 10..12)).await;
    w.settle().await;
    assert_eq!(w.take(SPLIT).len(), 0, "held");
    release_publishing(&w).await;
    w.settle().await;
    assert_eq!(w.take(SPLIT).len(), 1);
}

#[tokio::test]
async fn a_database_that_does_not_know_that_this_node_began_to_look_is_an_earlier_one() {
    let w = World::on_sqlite().await;
    w.release(&draft("N", SPLIT, 0..3)).await;
    let backup = w.backup().await;
    at_the_start(&w.gateway, w.now).await.unwrap();
    let mut w = w.restored(&backup).await;
    w.settle().await;
    assert_eq!(w.take(SPLIT).len(), 0, "another node may have sent it since");
    assert_eq!(w.int("select count(*) from publishing_hold where key like 'back:%'").await, 1);
    let told = w.texts("select what from incident where kind = 'publishing_held'").await.concat();
    assert!(told.contains("没有本节点启动查看的记录"), "{told}");
    release_publishing(&w).await;
    w.settle().await;
    assert_eq!(w.take(SPLIT).len(), 1);
}

/// The transaction of a look and the node's own note of it are two disks: the node dies between them, or at either end.
#[tokio::test]
async fn a_look_that_was_cut_short_of_its_note_holds_nothing_and_is_made_again() {
    on_both(async |w| {
        let note = w.gateway.config.node.state_dir.join("database.seen");
        at_the_start(&w.gateway, w.now).await.unwrap();
        let before = std::fs::read(&note).unwrap();
        at_the_start(&w.gateway, w.now).await.unwrap();
        std::fs::write(&note, before).unwrap();
        at_the_start(&w.gateway, w.now).await.unwrap();
        at_the_end(&w.gateway).await.unwrap();
        std::fs::write(&note, "{\"database\":").unwrap();
        at_the_start(&w.gateway, w.now).await.unwrap();
        std::fs::remove_file(&note).unwrap();
        at_the_start(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.texts("select looks || ' ' || is_away from node_look").await, ["5 0"]);
        w.release(&draft("N", SPLIT, 0..3)).await;
        w.settle().await;
        assert_eq!((w.take(SPLIT).len(), w.int("select count(*) from publishing_hold").await), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_out_by_a_server_started_anew_until_every_node_that_takes_part_has_looked() {
    on_both(async |w| {
        let (other, now) = (w.another_node(), w.now);
        look(&other.gateway, now).await.unwrap();
        look(&w.gateway, now).await.unwrap();
        w.now = now.plus_minutes(60);
        w.sql("update node_look set server = server - 1").await;
        w.release(&draft("N", SPLIT, 0..3)).await;
        w.round().await;
        assert_eq!((w.take(SPLIT).len(), w.incidents("publishing_held").await), (0, 0), "the other one may come yet");
        w.settle().await;
        w.settle().await;
        assert_eq!((w.take(SPLIT).len(), w.incidents("publishing_held").await), (0, 1));
        let told = w.texts("select what || next_step from incident where kind = 'publishing_held'").await.concat();
        assert!(told.contains("节点two还没有来核对") && told.contains("启动节点two"), "{told}");
        // It comes, and has nothing against this database.
        look(&other.gateway, w.now).await.unwrap();
        assert_eq!(w.incidents("publishing_held").await, 0);
        w.settle().await;
        assert_eq!(w.take(SPLIT).len(), 1);
        assert_eq!(w.texts("select released_by from publishing_hold").await, ["two is back"]);
    })
    .await;
}

/// A node that is run by a timer begins each time anew.
#[tokio::test]
async fn a_node_that_begins_again_and_again_tells_after_a_while_who_is_missing() {
    on_both(async |w| {
        let (other, now) = (w.another_node(), w.now);
        look(&other.gateway, now).await.unwrap();
        at_the_start(&w.gateway, now).await.unwrap();
        w.sql("update node_look set server = server - 1").await;
        for (minutes, told) in [(60, 0), (63, 0), (66, 1)] {
            at_the_start(&w.gateway, now.plus_minutes(minutes)).await.unwrap();
            assert_eq!(w.incidents("publishing_held").await, told, "{minutes}");
            at_the_end(&w.gateway).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_of_which_two_persons_said_that_it_will_not_come_is_not_waited_for() {
    on_both(async |w| {
        let (other, now) = (w.another_node(), w.now);
        look(&other.gateway, now).await.unwrap();
        w.sql("update node_look set server = server - 1").await;
        w.release(&draft("M", SPLIT, 10..13)).await;
        w.settle().await;
        w.settle().await;
        assert_eq!((w.take(SPLIT).len(), w.incidents("publishing_held").await), (0, 1));
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take(SPLIT).len(), w.incidents("publishing_held").await), (1, 0));
        w.sql("update node_look set server = server - 1").await;
        w.release(&draft("K", SPLIT, 20..23)).await;
        w.settle().await;
        assert_eq!(w.take(SPLIT).len(), 1, "that it is lost is known");
        // It was not: from now on it is one of all again.
        look(&other.gateway, w.now).await.unwrap();
        w.sql("update node_look set server = server - 1").await;
        w.release(&draft("L", SPLIT, 30..33)).await;
        w.round().await;
        assert_eq!(w.take(SPLIT).len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_stopped_is_waited_for_too_for_a_copy_of_that_day_has_forgotten_that_it_began_again() {
    let w = World::on_sqlite().await;
    let mut other = w.another_node();
    look(&other.gateway, w.now).await.unwrap();
    look(&w.gateway, w.now).await.unwrap();
    w.release(&draft("N", SPLIT, 0..3)).await;
    at_the_end(&other.gateway).await.unwrap();
    let backup = w.backup().await;
    at_the_start(&other.gateway, w.now).await.unwrap();
    other.settle().await;
    assert_eq!(w.take(SPLIT).len(), 1);
    let mut w = w.restored(&backup).await;
    w.sql("update node_look set server = server - 1").await;
    at_the_start(&w.gateway, w.now).await.unwrap();
    w.settle().await;
    w.settle().await;
    assert_eq!((w.take(SPLIT).len(), w.incidents("publishing_held").await), (0, 1));
    let told = w.texts("select what from incident where kind = 'publishing_held'").await.concat();
    assert!(told.contains("节点two（已停止）还没有来核对"), "{told}");
}

#[tokio::test]
async fn a_node_that_comes_back_just_when_another_gives_it_up_is_not_held_against() {
    let mut w = World::on_postgres().await;
    let other = w.another_node();
    look(&other.gateway, w.now).await.unwrap();
    look(&w.gateway, w.now).await.unwrap();
    w.sql("update node_look set server = server - 1 where node = 'two'").await;
    w.now = w.now.plus_millis(10 * 60 * 1000);
    let mut coming = w.gateway.store.begin().await.unwrap();
    coming.lock_looks().await.unwrap();
    let (gateway, now) = (Arc::clone(&w.gateway), w.now);
    let giving_up = tokio::spawn(async move { look(&gateway, now).await });
    let (mut seen, begun) = (0, Stopwatch::start());
    while seen == 0 {
        assert!(begun.elapsed().as_secs() < 60, "it waits for nobody");
        seen = w.int("select count(*) from pg_locks where locktype = 'transactionid' and not granted").await;
        assert!(!giving_up.is_finished(), "it gave the other one up");
    }
    let server = w.gateway.store.server_start(&mut coming).await.unwrap();
    coming.node_looked("two", server, w.now).await.unwrap();
    coming.commit().await.unwrap();
    giving_up.await.unwrap().unwrap();
    assert_eq!((w.int("select count(*) from publishing_hold").await, w.incidents("publishing_held").await), (0, 0));
}

#[tokio::test]
async fn what_went_out_and_is_on_no_books_keeps_publishing_held_so_that_no_other_list_pays_it_again() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        hand_over_the_journal(before, w);
        look(&w.gateway, w.now).await.unwrap();
        let [(batch, bank, people), (other, other_bank, others)] = LOST;
        w.release(&draft(batch, bank, people)).await;
        // The same people under another number: nothing says so but who was paid.
        w.release(&draft("ANOTHER", other_bank, others.clone())).await;
        w.settle().await;
        let refused = propose_release(&w.gateway, &person("qian"), "compared", &[], w.now).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("not on the books: {other};")), "{refused}");
        assert_eq!(w.texts("select batch from admission").await, [batch], "the other one waits at the gate");
        let (proposal, _) = cancel_batch(&w.gateway, &person("qian"), "ANOTHER", "号码有误，按原批次号录入", w.now).await.unwrap();
        approve(&w.gateway, &person("sun"), proposal.unwrap(), w.now).await.unwrap();
        w.release(&draft(other, other_bank, others)).await;
        w.settle().await;
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "nothing twice");
    })
    .await;
}

/// The year ends while a list is off the books that paid again what had failed: it does not lapse, and nothing goes back.
#[tokio::test]
async fn what_failed_does_not_go_back_while_the_list_that_paid_it_again_is_off_the_books() {
    let mut w = World::on_sqlite().await;
    w.now = at("2019-12-26", "10:00:00");
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    w.answer(&w.take_one(SPLIT), &[Word::Paid, LOST_CARD, Word::Paid]);
    w.settle().await;
    let backup = w.backup().await;
    let again = reissue("R", SPLIT, &[(1, w.texts("select reference from v_payment where batch = 'B' and seq = 2").await.remove(0))]);
    w.release(&again).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    let mut w = w.restored(&backup).await;
    w.now = at("2020-01-02", "10:00:00");
    for asked in [false, true] {
        if asked {
            let which = Which { period: "2019".to_owned(), ..Which::default() };
            let refused = close_year(&w.gateway, &person("qian"), &which, false, w.now).await.unwrap_err().to_string();
            assert!(refused.contains("not on the books, and may have paid again what failed: R;"), "{refused}");
            let refused = propose_due(&w.gateway, &person("qian"), "D1", "1", Some(2019), w.now).await.unwrap_err().to_string();
            assert!(refused.contains("what failed: R;"), "{refused}");
        }
        close(&w.gateway, w.now).await.unwrap();
        assert_eq!((w.states("B").await[1].as_str(), w.int("select count(*) from refund_order").await), ("failed_final", 0));
    }
    w.release(&again).await;
    w.settle().await;
    assert_eq!(w.texts("select name from file_out where batch = 'R' and state = 'doubt'").await, [slip.path]);
    release_publishing(&w).await;
    w.settle().await;
    close(&w.gateway, w.now).await.unwrap();
    assert_eq!((w.states("B").await[1].as_str(), w.states("R").await), ("reissued", vec!["planned".to_owned()]));
    assert_eq!((w.take(SPLIT).len(), w.int("select count(*) from refund_order").await), (0, 0));
    w.books_hold().await;
}

#[tokio::test]
async fn who_was_put_on_the_list_after_he_was_paid_is_on_the_books_and_asked_for_it() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        hand_over_the_journal(before, w);
        w.exclude(1).await;
        w.cases_pass().await;
        release_all(w).await;
        w.settle().await;
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()));
        assert_eq!((w.states("N-B2").await, w.cases("rejected").await), (vec!["planned".to_owned(); 3], 0));
        release_publishing(w).await;
        let file = w.int("select id from file_out where batch = 'N-B2'").await;
        by_two_saying(w, file, FileWish::Sent, &format!("银行来电：{}已收到", lost[0].path)).await;
        let first = w.int("select first_id from file_out where batch = 'N-B2'").await;
        // The bank is told the numbers that its payments have now.
        let mut slip = lost[0].clone();
        for (order, id) in slip.orders.iter().zip(first..) {
            let at = slip.bytes.windows(18).position(|bytes| bytes == order.reference.as_bytes()).unwrap();
            slip.bytes[at..at + 18].copy_from_slice(EndToEndId(id).to_string().as_bytes());
        }
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.states("N-B2").await, w.cases("recovery").await), (vec!["paid".to_owned(); 3], 1));
        assert_eq!(w.int("select instruction_id from failure_case where kind = 'recovery'").await, first + 1);
        w.audit("the settlement").await;
    })
    .await;
}

/// Another list named the same person before this journal was there. What went out is not refused for that: it waits, and says why.
#[tokio::test]
async fn a_list_that_went_out_waits_for_what_keeps_it_off_the_books() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        w.release(&draft("OTHER", CLEARING, 2..4)).await;
        w.admit().await;
        plan(&w.gateway, CLEARING, w.now).await.unwrap();
        hand_over_the_journal(before, w);
        release_all(w).await;
        w.settle().await;
        let waits = "select a.state from admission a where a.batch = 'N-B2'";
        assert_eq!((w.texts(waits).await, w.cases("rejected").await), (vec!["held".to_owned()], 0));
        let told = "select cast(times as text) || ' ' || what from incident where kind = 'list_off_books' and state = 'open'";
        let words = "1 批次N-B2有1笔已发往银行、但现在无法入账：第3笔同一人同一项目同一所属期已在发放或已发放";
        assert_eq!(w.texts(told).await, [words]);
        let found = named(w, "list_off_books", "batch N-B2", "bankgate batch show N-B2").await;
        assert!(found.what.zh.contains("第3笔"), "{found:?}");
        let refused = propose_release(&w.gateway, &person("qian"), "compared with all banks", &[], w.now).await.unwrap_err().to_string();
        assert!(refused.contains("N-B2"), "{refused}");
        // Nobody may pay him by the other list: what frees him for this one.
        w.exclude(2).await;
        let other = w.int("select id from file_out where batch = 'OTHER' and state <> 'voided'").await;
        assert!(matches!(ask(w, other, FileWish::Void).await, Ok(Acted::Done(_))));
        w.settle().await;
        assert_eq!(w.states("OTHER").await, ["rejected", "planned"]);
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()));
        assert_eq!((w.states("N-B2").await, w.incidents("list_off_books").await), (vec!["planned".to_owned(); 3], 0));
        gone(w, "list_off_books").await;
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take_one(CLEARING).orders.len(), w.take(SPLIT).len()), (1, 0), "who is left of the other list, and nothing again");
        w.audit("the release").await;
    })
    .await;
}

#[tokio::test]
async fn what_a_day_went_by_over_before_anybody_looked_is_in_doubt_under_the_name_that_the_bank_knows() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        // The backup is of the moment at which the files were made and not out yet.
        release_all(w).await;
        w.admit().await;
        for bank in [CLEARING, SPLIT] {
            plan(&w.gateway, bank, w.now).await.unwrap();
        }
        assert_eq!(w.files().await, ["planned", "planned"]);
        hand_over_the_journal(before, w);
        w.now = w.now.plus_minutes(24 * 60);
        // Their day is over. Before anything is given up for that, the journal is asked.
        for bank in [CLEARING, SPLIT] {
            plan(&w.gateway, bank, w.now).await.unwrap();
        }
        assert_eq!(w.files().await, ["doubt", "doubt"]);
        w.settle().await;
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "held");
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()), "people ask the bank by this name");
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "nothing goes out again");
        w.audit("the release").await;
        assert_eq!(w.int("select count(*) from forgotten_rows where known_as is null").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_person_gave_up_before_the_journal_was_asked_gives_its_name_to_what_went_out() {
    on_both_after_a_loss(async |before, w| {
        release_all(before).await;
        before.settle().await;
        let lost = [before.take_one(CLEARING), before.take_one(SPLIT)];
        release_all(w).await;
        w.admit().await;
        for bank in [CLEARING, SPLIT] {
            plan(&w.gateway, bank, w.now).await.unwrap();
            // By this database no bank ever saw it: one person may give it up.
            let id = the_file(w).await;
            assert!(matches!(ask(w, id, FileWish::Void).await, Ok(Acted::Done(_))));
        }
        hand_over_the_journal(before, w);
        w.settle().await;
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "held");
        assert_eq!(doubts(w).await, lost.each_ref().map(|slip| slip.path.clone()), "people ask the bank by this name");
        release_publishing(w).await;
        w.settle().await;
        assert_eq!((w.take(CLEARING).len(), w.take(SPLIT).len()), (0, 0), "nothing goes out again");
        assert_eq!(w.int("select count(*) from forgotten_rows where known_as is null").await, 0);
        w.audit("the release").await;
    })
    .await;
}

/// A node without the journal made another file under the name, and a late success stopped that before any bank saw it.
#[tokio::test]
async fn what_a_late_success_stopped_gives_its_name_to_what_went_out() {
    on_both_after_a_loss(async |before, w| {
        let all_paid = [(0, Word::Paid), (1, Word::Paid), (2, Word::Paid)];
        let slip = three_wait_for_tomorrow(before, SPLIT).await;
        before.poll(&slip, &all_paid);
        before.settle().await;
        before.release(&draft("N-B4", SPLIT, 10..14)).await;
        before.settle_at("2019-03-15", "09:00:00").await;
        let lost = before.take_one(SPLIT);
        // The backup knows neither of the late success nor of the list.
        let slip = three_wait_for_tomorrow(w, SPLIT).await;
        w.now = at("2019-03-15", "09:00:00");
        w.plan(SPLIT).await;
        w.poll(&slip, &all_paid);
        for _ in 0..2 {
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(2);
        }
        w.apply().await;
        let stopped = w.texts("select name || ' ' || state from file_out where id > 1").await;
        assert_eq!(stopped, [format!("{} abandoned", lost.path)]);
        hand_over_the_journal(before, w);
        w.release(&draft("N-B4", SPLIT, 10..14)).await;
        w.settle().await;
        assert_eq!(doubts(w).await, std::slice::from_ref(&lost.path), "people ask the bank by this name");
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}
