//! Words that come late, twice, or against what was said before.

use bankgate::passes::operate::file::FileWish;

use super::bank::{BUSY, LOST, Word};
use super::stuck::{by_two, cut_before_rename, the_file};
use super::world::{CLEARING, COUNTER, SPLIT, World, at, draft, on_both, reissue};

/// Three payments whose bank is busy; their retries wait for tomorrow.
pub async fn three_wait_for_tomorrow(w: &mut World, bank: &'static str) -> super::bank::Slip {
    w.polls(bank);
    w.release(&draft("B", bank, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(bank);
    w.answer(&slip, &[BUSY; 3]);
    w.settle().await;
    assert_eq!(w.attempts("B").await, ["failed_final", "failed_final", "failed_final", "pending", "pending", "pending"]);
    slip
}

#[tokio::test]
async fn i6_late_successes_stop_the_retries_that_wait() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w, SPLIT).await;
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        w.settle_at("2019-03-15", "09:00:00").await;
        let again = w.take_one(SPLIT);
        assert_eq!(again.orders.len(), 1, "only the third is tried again");
        assert_eq!(again.orders[0].id, slip.orders[2].id);
        assert_eq!(w.cases("conflict").await, 2);
        assert_eq!(&w.attempts("B").await[..3], ["conflict", "conflict", "reissued"]);
        w.answer(&again, &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.int("select count(*) from v_instruction where state = 'paid'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn i6_late_successes_stop_the_retries_that_are_planned() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w, SPLIT).await;
        w.now = at("2019-03-15", "09:00:00");
        w.plan(SPLIT).await;
        assert_eq!(w.attempts("B").await, ["reissued", "reissued", "reissued", "planned", "planned", "planned"]);
        w.poll(&slip, &[(0, Word::Paid), (2, Word::Paid)]);
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
        w.apply().await;
        assert_eq!(w.files().await[1], "abandoned");
        w.settle().await;
        let again = w.take_one(SPLIT);
        assert_eq!(again.orders.len(), 1, "only the second is tried again");
        assert_eq!(again.orders[0].id, slip.orders[1].id);
        assert_eq!(w.cases("conflict").await, 2);
        assert_eq!(w.cases("double_payment_suspected").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_file_given_up_leaves_the_rows_behind_it_their_turn() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w, COUNTER).await;
        w.sql("update agreement set rows_max = 2").await;
        w.now = at("2019-03-15", "09:00:00");
        w.plan(COUNTER).await;
        assert_eq!(w.attempts("B").await[3..], ["planned", "planned", "pending"]);
        w.answer(&slip, &[Word::Paid, BUSY, BUSY]);
        w.collect(COUNTER).await;
        w.now = w.now.plus_minutes(2);
        w.collect(COUNTER).await;
        w.apply().await;
        assert_eq!(w.attempts("B").await[0], "conflict");
        for day in ["2019-03-15", "2019-03-18", "2019-03-19"] {
            w.settle_at(day, "10:00:00").await;
            for slip in w.take(COUNTER) {
                w.answer(&slip, &vec![Word::Paid; slip.orders.len()]);
            }
            w.settle().await;
        }
        assert_eq!(w.int("select count(*) from v_instruction where state = 'paid'").await, 2);
    })
    .await;
}

/// The name is the day's: whoever is left of what was stopped, and no bank ever saw, is paid under it the same day.
#[tokio::test]
async fn i6_a_file_that_a_late_success_stops_gives_the_days_name_back() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w, COUNTER).await;
        w.now = at("2019-03-15", "09:00:00");
        w.plan(COUNTER).await;
        w.seal(COUNTER).await;
        w.answer(&slip, &[Word::Paid, BUSY, BUSY]);
        w.collect(COUNTER).await;
        w.now = w.now.plus_minutes(2);
        w.collect(COUNTER).await;
        w.apply().await;
        assert_eq!(w.files().await[1..], ["abandoned"]);
        w.settle().await;
        assert_eq!(w.files().await[1..], ["abandoned", "sent"]);
        let again = w.take_one(COUNTER);
        assert_eq!((again.path.starts_with("20190315/"), again.orders.len()), (true, 2));
    })
    .await;
}

#[tokio::test]
async fn i6_a_late_success_behind_a_published_retry_is_told_at_once() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w, SPLIT).await;
        w.settle_at("2019-03-15", "09:00:00").await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.cases("double_payment_suspected").await, w.incidents("double_payment_suspected").await), (1, 1));
        w.answer(&again, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_late_success_takes_its_claim_back() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["failed_final", "paid"]);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["conflict", "paid"]);
        w.release(&draft("C", SPLIT, 0..1)).await;
        w.release(&reissue("D", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
        w.settle().await;
        assert_eq!((w.states("C").await, w.states("D").await), (vec!["rejected".to_owned()], vec!["rejected".to_owned()]));
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}

#[tokio::test]
async fn i6_q2_a_late_success_stops_another_batch_that_took_the_claim() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, LOST]);
        w.settle().await;
        w.release(&draft("C", SPLIT, [0, 1, 7])).await;
        w.admit().await;
        w.plan(SPLIT).await;
        assert_eq!(w.states("C").await, vec!["planned"; 3]);
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
        w.apply().await;
        w.settle().await;
        assert_eq!(w.states("B").await, ["conflict", "conflict"]);
        assert_eq!(w.states("C").await, ["rejected", "rejected", "sent"]);
        assert_eq!(w.take_one(SPLIT).orders.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_becomes_ineligible_before_the_retry_is_not_tried_again_for_ever() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[BUSY, BUSY, Word::Paid]);
        w.settle().await;
        w.exclude(0).await;
        for day in ["2019-03-15", "2019-03-18", "2019-03-19", "2019-03-20"] {
            w.settle_at(day, "09:00:00").await;
        }
        let again = w.take_one(SPLIT);
        assert_eq!(again.orders.len(), 1);
        assert_eq!(w.int("select count(*) from instruction where attempt = 2").await, 3, "two successors, and the second's new number");
        assert_eq!(w.int("select count(*) from failure_case where state = 'open'").await, 1);
        w.answer(&again, &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.int("select count(*) from v_instruction where state = 'paid'").await, 2);
    })
    .await;
}

/// The first answer came a week late, and an hour later the bank contradicts it where it said it: the day lies further back than what
/// is listed anyway.
#[tokio::test]
async fn a_folder_is_listed_for_days_after_its_file_was_answered() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        w.settle_at("2019-03-22", "09:00:00").await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!((w.files().await, w.answers().await), (vec!["answered".to_owned()], vec!["applied".to_owned()]));
        w.now = w.now.plus_minutes(60);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!((w.answers().await.last().map(String::as_str), w.incidents("inbound_conflict").await), (Some("conflict"), 1));
    })
    .await;
}

#[tokio::test]
async fn a_success_behind_a_late_refusal_is_seen() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.settle_at("2019-03-22", "09:00:00").await;
        w.ack(&slip, "H019", "总金额不符");
        w.settle().await;
        assert_eq!((w.files().await, w.states("B").await), (vec!["refused".to_owned()], vec!["failed_final".to_owned(); 3]));
        w.now = w.now.plus_minutes(60);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.texts("select state from file_in where kind = 'result'").await, ["applied", "applied"]);
        assert_eq!(w.states("B").await, vec!["conflict"; 3]);
    })
    .await;
}

/// What was out may be brought there again by a node that slept: its name, where that bears no day, stays its own, and a person is told.
#[tokio::test]
async fn who_waits_for_the_name_of_a_refused_file_is_told() {
    on_both(async |w| {
        w.declares(COUNTER, "dir = \"{date:yyyyMMdd}\"", "dir = \"\"");
        w.release(&draft("B", COUNTER, 0..3)).await;
        w.settle().await;
        assert_eq!(w.take_one(COUNTER).path, "0512037");
        let id = the_file(w).await;
        by_two(w, id, FileWish::Refused).await;
        w.release(&draft("C", COUNTER, 3..6)).await;
        w.settle().await;
        assert_eq!((w.files().await, w.incidents("plan_failed").await), (vec!["refused".to_owned()], 0), "one a day, as ever");
        w.settle_at("2019-03-15", "10:00:00").await;
        assert_eq!((w.take(COUNTER).len(), w.incidents("plan_failed").await), (0, 1));
        // The bank agrees to another name.
        w.sql("update agreement set extra = '{\"terminal\": \"038\"}' where number = 'A-B1'").await;
        w.settle().await;
        assert_eq!((w.take_one(COUNTER).path.as_str(), w.incidents("plan_failed").await), ("0512038", 0));
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_a_file_that_was_given_up_late_is_told() {
    on_both(async |w| {
        let (id, _) = cut_before_rename(w, COUNTER, 0..3).await;
        let slip = w.sealed(COUNTER).await;
        w.sql("update file_out set state = 'doubt'").await;
        w.now = at("2019-03-22", "09:00:00");
        by_two(w, id, FileWish::Void).await;
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!((w.answers().await, w.incidents("quarantined").await), (vec!["quarantined".to_owned()], 1));
    })
    .await;
}
