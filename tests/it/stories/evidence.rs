//! What is known of a file that may be out: acks, refusals, answers before their time, silence.

use super::bank::{BUSY, LOST, Slip, Word, result};
use super::world::{CLEARING, SPLIT, World, at, draft, on_both};

/// Three payments of the clearing bank in a file whose publication was begun and not recorded; nothing of it is at the bank.
async fn begun_and_gone(w: &mut World) -> Slip {
    w.release(&draft("B", CLEARING, 0..3)).await;
    w.admit().await;
    w.plan(CLEARING).await;
    w.seal(CLEARING).await;
    let slip = w.sealed(CLEARING).await;
    let lease = w.lease(CLEARING).await;
    let mut tx = w.gateway.store.begin().await.unwrap();
    let id = w.int("select id from file_out").await;
    let file = tx.file(id).await.unwrap();
    let attempt = tx.stamp_file(&file, &lease, w.now).await.unwrap().unwrap();
    assert!(tx.intend(&file, &lease, attempt, ("inbox/20190314/a.part", "inbox/20190314/b.part"), w.now).await.unwrap());
    tx.commit().await.unwrap();
    std::fs::create_dir_all(w.mailbox(CLEARING).join("inbox/20190314")).unwrap();
    slip
}

#[tokio::test]
async fn i8_a_file_refused_as_seen_before_is_in_doubt_and_never_sent_again() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.ack(&slip, "481299", "批次重复");
        w.settle().await;
        assert_eq!((w.files().await, w.states("B").await), (vec!["doubt".to_owned()], vec!["unknown".to_owned(); 3]));
        assert_eq!(w.incidents("file_refused").await, 1);
        for day in ["2019-03-15", "2019-03-18", "2019-04-18"] {
            w.settle_at(day, "09:00:00").await;
        }
        assert!(w.take(CLEARING).is_empty());
        assert_eq!(w.states("B").await, vec!["unknown"; 3], "time makes no outcome");
        // The bank finds out.
        w.now = at("2019-03-15", "09:00:00");
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn a_refused_file_fails_with_all_its_lines_and_each_has_a_case() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        w.ack(&w.take_one(CLEARING), "H019", "总金额不符");
        w.settle().await;
        assert_eq!((w.files().await, w.states("B").await), (vec!["refused".to_owned()], vec!["failed_final".to_owned(); 3]));
        assert_eq!((w.cases("failed").await, w.incidents("file_refused").await), (3, 1));
        assert_eq!(w.texts("select distinct class from failure_case").await, ["GW"]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert!(w.take(CLEARING).is_empty(), "nobody sends it again by himself");
    })
    .await;
}

#[tokio::test]
async fn an_ack_that_says_processing_changes_nothing() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.ack(&slip, "PR000000", "处理中");
        w.settle().await;
        assert_eq!((w.files().await, w.states("B").await), (vec!["sent".to_owned()], vec!["sent".to_owned(); 3]));
    })
    .await;
}

#[tokio::test]
async fn who_only_presumes_that_a_file_is_out_knows_nothing_once_its_ack_is_overdue() {
    on_both(async |w| {
        let slip = begun_and_gone(w).await;
        w.settle().await;
        assert_eq!(w.texts("select state || ' ' || evidence from file_out").await, ["sent presumed"]);
        w.settle_at("2019-03-14", "14:00:00").await;
        assert_eq!(w.states("B").await, vec!["unknown"; 3]);
        assert_eq!(w.incidents("ack_overdue").await, 1);
        // Its word leads out, for the lines that it speaks of.
        w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "unknown", "paid"]);
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_answered_is_not_presumed_any_more() {
    on_both(async |w| {
        let slip = begun_and_gone(w).await;
        w.settle().await;
        w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "unknown", "paid"]);
        w.settle_at("2019-03-14", "14:00:00").await;
        assert_eq!(w.states("B").await, ["paid", "unknown", "paid"]);
        w.settle_at("2019-03-20", "14:00:00").await;
        assert_eq!(w.incidents("overdue").await, 1, "one line is still owed");
    })
    .await;
}

#[tokio::test]
async fn p11_an_answer_is_the_best_evidence_that_a_file_is_out() {
    on_both(async |w| {
        for (state, end) in [("publishing", "answered"), ("held", "answered"), ("doubt", "answered")] {
            let (batch, people) = (
                state.to_owned(),
                if state == "held" {
                    10..13
                } else if state == "doubt" {
                    20..23
                } else {
                    0..3
                },
            );
            w.release(&draft(&batch, SPLIT, people)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            // A crash, or a doubt, before `sent` was recorded.
            w.sql(&format!(
                "update file_out set state = '{state}', lines_state = 'planned', sent_at = null, evidence = '' where batch = '{batch}'"
            ))
            .await;
            w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(2);
            w.collect(SPLIT).await;
            w.apply().await;
            assert_eq!(
                w.texts(&format!("select state || ' ' || evidence from file_out where batch = '{batch}'")).await,
                [format!("{end} answered")]
            );
            w.settle().await;
            assert_eq!(w.states(&batch).await, ["paid", "failed_final", "paid"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_known_by_its_ack_alone_is_still_owed_a_result() {
    on_both(async |w| {
        let slip = begun_and_gone(w).await;
        w.ack(&slip, "00000000", "受理成功");
        w.collect(CLEARING).await;
        w.now = w.now.plus_minutes(2);
        w.collect(CLEARING).await;
        w.apply().await;
        assert_eq!(w.texts("select state || ' ' || evidence from file_out").await, ["accepted answered"]);
        w.settle_at("2019-03-25", "09:00:00").await;
        assert_eq!(w.incidents("overdue").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_a_file_that_was_not_published_is_quarantined_and_holds_the_file() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        let slip = w.sealed(SPLIT).await;
        for (path, bytes) in result(&slip, &[Word::Paid; 3]) {
            w.put(SPLIT, &path, &bytes);
        }
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
        w.apply().await;
        assert_eq!((w.files().await, w.answers().await), (vec!["held".to_owned()], vec!["quarantined".to_owned(); 2]));
        assert_eq!(w.states("B").await, vec!["planned"; 3]);
        assert_eq!(w.incidents("quarantined").await, 1);
        w.settle().await;
        assert!(w.take(SPLIT).is_empty());
        assert_eq!(w.states("B").await, vec!["planned"; 3], "nothing of it was applied");
    })
    .await;
}

#[tokio::test]
async fn i16_silence_is_told_once_a_day_and_makes_no_outcome() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        w.take_one(CLEARING);
        w.settle_at("2019-03-14", "13:00:00").await;
        assert_eq!((w.incidents("ack_overdue").await, w.incidents("overdue").await), (1, 0));
        w.settle_at("2019-03-19", "18:00:00").await;
        assert_eq!(w.incidents("overdue").await, 1);
        assert_eq!(w.int("select times from incident where kind = 'overdue'").await, 1);
        w.settle_at("2019-03-19", "23:00:00").await;
        assert_eq!(w.int("select times from incident where kind = 'overdue'").await, 1);
        w.settle_at("2019-03-20", "09:00:00").await;
        assert_eq!(w.int("select times from incident where kind = 'overdue'").await, 2);
        assert_eq!(w.states("B").await, vec!["sent"; 3]);
        assert!(w.take(CLEARING).is_empty());
    })
    .await;
}

#[tokio::test]
async fn q1_a_file_refused_for_its_date_is_tried_again_as_new_instructions_on_another_day() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.ack(&slip, "P096", "超过受理时间");
        w.settle().await;
        assert_eq!(w.attempts("B").await, ["failed_final", "failed_final", "pending", "pending"]);
        w.settle_at("2019-03-15", "09:00:00").await;
        let again = w.take_one(CLEARING);
        assert_ne!((&again.path, &again.orders[0].reference), (&slip.path, &slip.orders[0].reference));
        w.ack(&again, "00000000", "受理成功");
        w.answer(&again, &[Word::Paid, BUSY]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "pending"]);
    })
    .await;
}
