//! Answers that come as they should.

use bankgate::passes::operate::answer::AnswerWish;
use bankgate::passes::operate::file::Acted;
use bankgate::passes::operate::propose::approve;

use super::bank::{BUSY, LOST, Word, gbk, result, ungbk};
use super::stuck::{of_answer, person};
use super::world::{BANKS, CLEARING, COUNTER, SPLIT, World, draft, on_both};

/// Three payments get an answer that does not add up, then another content, which is no continuation of it.
pub(super) async fn answered_with_two_contents(w: &mut World) {
    w.release(&draft("P", COUNTER, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(COUNTER);
    let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid]).remove(0);
    w.put(COUNTER, &path, &gbk(&ungbk(&bytes).replacen("3|", "13|", 1)));
    w.settle().await;
    w.put(COUNTER, &path, &bytes);
    w.settle().await;
    assert_eq!(w.answers().await, ["quarantined", "conflict"]);
}

#[tokio::test]
async fn a_paid_file_ends_as_paid_at_every_bank() {
    on_both(async |w| {
        for (at, (bank, _)) in BANKS.into_iter().enumerate() {
            w.release(&draft(bank, bank, at * 10..at * 10 + 3)).await;
        }
        w.settle().await;
        for (bank, _) in BANKS {
            w.answer(&w.take_one(bank), &[Word::Paid; 3]);
        }
        w.settle().await;
        for (bank, _) in BANKS {
            assert_eq!(w.states(bank).await, vec!["paid"; 3]);
            assert!(std::fs::read_dir(w.mailbox(bank).join("done")).unwrap().count() > 0, "what was applied is put away");
        }
        assert_eq!((w.balance("bank_clearing").await, w.cases("failed").await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn every_bank_pays_and_fails_and_says_so() {
    on_both(async |w| {
        for (at, bank) in [COUNTER, CLEARING, SPLIT].into_iter().enumerate() {
            w.release(&draft(bank, bank, at * 10..at * 10 + 5)).await;
            w.settle().await;
            assert_eq!(w.states(bank).await, vec!["sent"; 5], "{:?}", w.refusals().await);
            let slip = w.take_one(bank);
            if bank == CLEARING {
                w.ack(&slip, "00000000", "受理成功");
                w.settle().await;
                assert_eq!(w.states(bank).await, vec!["accepted"; 5]);
            }
            w.answer(&slip, &[Word::Paid, LOST, Word::Paid, LOST, Word::Paid]);
            w.settle().await;
            assert_eq!(w.states(bank).await, ["paid", "failed_final", "paid", "failed_final", "paid"]);
        }
        assert_eq!(w.files().await, vec!["answered"; 3]);
        assert_eq!(w.cases("failed").await, 6);
        assert_eq!(w.int("select count(*) from instruction where live = 0").await, 6);
        assert_eq!(w.int("select count(*) from incident where state = 'open'").await, 0);
        assert!(w.answers().await.iter().all(|s| s == "applied"));
    })
    .await;
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_by_itself_up_to_the_limit_then_it_is_a_case() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid, BUSY, BUSY]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "pending", "pending"]);
        // One, two, three working days later; the 16th and 17th are a weekend.
        for (attempt, day) in ["2019-03-15", "2019-03-19", "2019-03-22"].into_iter().enumerate() {
            w.settle_at(day, "09:00:00").await;
            let slip = w.take_one(SPLIT);
            assert_eq!(slip.orders.len(), 2, "attempt {attempt}");
            w.answer(&slip, &[BUSY, BUSY]);
            w.settle().await;
        }
        assert_eq!(w.states("B").await, ["paid", "failed_final", "failed_final"]);
        assert_eq!((w.cases("failed").await, w.int("select count(*) from instruction").await), (2, 9));
        w.settle_at("2019-04-01", "09:00:00").await;
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_success_that_the_bank_calls_preliminary_is_no_payment_yet() {
    on_both(async |w| {
        let paid = "is = [\"00000000\"]\noutcome = \"paid\"\nfinal = ";
        w.declares(CLEARING, &format!("{paid}true"), &format!("{paid}false"));
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        w.answer(&w.take_one(CLEARING), &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!((w.states("B").await, w.balance("paid").await), (vec!["unknown".to_owned(); 3], 0));
    })
    .await;
}

/// Which of two contents counts is for two persons, also by way of rejecting one first.
#[tokio::test]
async fn t10_what_contradicted_another_and_was_rejected_is_read_again_by_two_persons_only() {
    on_both(async |w| {
        answered_with_two_contents(w).await;
        assert!(matches!(of_answer(w, AnswerWish::Reject).await, Ok(Acted::Done(_))));
        let Acted::Proposed(p, effect) = of_answer(w, AnswerWish::Reread).await.unwrap() else { panic!("it takes two") };
        assert!(effect.contains("in the place of 1"), "{effect}");
        w.settle().await;
        assert_eq!(w.answers().await, ["quarantined", "rejected"]);
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(
            (w.answers().await, w.states("P").await[1].as_str()),
            (["superseded", "superseded", "applied"].map(str::to_owned).to_vec(), "failed_final")
        );
    })
    .await;
}

/// What counts already is not set aside by rejecting what contradicts it and reading that again.
#[tokio::test]
async fn t10_a_rejected_contradiction_of_what_counts_stays_rejected() {
    on_both(async |w| {
        w.release(&draft("P", COUNTER, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid]).remove(0);
        w.put(COUNTER, &path, &bytes);
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "conflict"]);
        of_answer(w, AnswerWish::Reject).await.unwrap();
        let refused = of_answer(w, AnswerWish::Reread).await.unwrap_err();
        assert!(refused.to_string().contains("payment resolve"), "{refused}");
    })
    .await;
}
