//! A failure whose money went elsewhere, and of which the bank says then that it was paid: what persons answer, and what comes after.

use bankgate::domain::refund::Why;
use bankgate::passes::operate::OperateError;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::passes::operate::refund::{propose_receipt, sent_by_hand};

use super::bank::{LOST, Slip, Word};
use super::cases::who;
use super::refund::{agree, ask, lapse, one_of_each};
use super::world::{SPLIT, World, draft, on_both, reissue};

const LETTER: &str = "行函[2019]9号";

/// Open cases and incidents of a second payment.
async fn open(w: &World) -> (i64, i64) {
    let cases = w.int("select count(*) from failure_case where kind = 'double_payment_suspected' and state = 'open'").await;
    (cases, w.incidents("double_payment_suspected").await)
}

/// Two persons answer.
async fn answered(w: &World, wish: Wish<'_>) -> Result<String, OperateError> {
    let (case, _, _) = w.case_of("double_payment_suspected").await;
    let (proposal, _) = propose(&w.gateway, &who("bureau"), case, wish, w.now).await?;
    let done = approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await;
    w.audit("an answer").await;
    done
}

/// Two persons settle that the last attempt is paid. Says the effect.
async fn last_is_paid(w: &World) -> Result<String, OperateError> {
    let last = w.int("select max(id) from instruction").await;
    let (proposal, _) = propose_resolve(&w.gateway, &who("bureau"), last, Act::ResolvePaid, LETTER, w.now).await?;
    let done = approve(&w.gateway, &who("chief"), proposal, w.now).await;
    w.audit("a settlement").await;
    done
}

#[tokio::test]
async fn i6_a_suspicion_that_was_cleared_is_told_again_when_the_bank_says_it_once_more() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        w.release(&reissue("R", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        answered(w, Wish::Close(LETTER)).await.unwrap();
        assert_eq!(open(w).await, (0, 0));
        // From here its claim is held again: somebody must be able to say what becomes of the money.
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1), "held for a suspicion that nobody hears of");
        let effect = last_is_paid(w).await.unwrap();
        assert!(effect.contains(&format!("its money paid {}", slip.orders[0].reference)), "{effect}");
        assert_eq!((w.states("R").await, w.balance("suspense:correctable").await), (vec!["paid".to_owned()], 0));
        w.poll(&slip, &[(1, Word::Paid), (0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (0, 0), "what persons said is no news");
        w.books_hold().await;
    })
    .await;
}

/// What could not be corrected in its year is back at the treasury, and its entitlement stays.
async fn carried(w: &mut World) -> Slip {
    w.polls(SPLIT);
    let slip = one_of_each(w, "", "quota").await;
    lapse(w).await;
    assert_eq!(ask(w, Why::NotFixedInYear).await.len(), 1);
    agree(w, "sun").await.unwrap();
    sent_by_hand(&w.gateway, &who("bureau"), "TK-2019-0001", w.now).await.unwrap();
    propose_receipt(&w.gateway, &who("bureau"), "TK-2019-0001", "国库回单17号", w.now).await.unwrap();
    agree(w, "chief").await.unwrap();
    assert_eq!(w.states("B").await, ["paid", "failed_final", "carried"]);
    slip
}

#[tokio::test]
async fn i7_what_was_carried_and_paid_after_all_is_said_to_be_paid_and_nothing_pays_it_again() {
    on_both(async |w| {
        let slip = carried(w).await;
        w.poll(&slip, &[(2, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1));
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        assert_eq!((open(w).await, w.case_of("double_payment_suspected").await.2.as_str()), ((0, 0), "paid"));
        w.release(&reissue("R", SPLIT, &[(2, slip.orders[2].reference.clone())])).await;
        w.release(&draft("C", SPLIT, [2])).await;
        w.settle().await;
        assert!(w.take(SPLIT).is_empty(), "paid twice");
        assert_eq!((w.states("R").await, w.states("C").await), (vec!["rejected".to_owned()], vec!["rejected".to_owned()]));
        w.poll(&slip, &[(2, Word::Paid), (0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (0, 0), "what persons said is no news");
    })
    .await;
}

#[tokio::test]
async fn i7_what_was_carried_and_paid_after_all_is_paid_with_the_money_of_its_failed_correction() {
    on_both(async |w| {
        let slip = carried(w).await;
        w.release(&reissue("R", SPLIT, &[(2, slip.orders[2].reference.clone())])).await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(2, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1));
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "its correction is at the bank, and may be paid too");
        w.answer(&again, &[LOST]);
        w.settle().await;
        assert_eq!((w.states("R").await, w.balance("suspense:correctable").await), (vec!["failed_final".to_owned()], again.orders[0].fen));
        let paid = w.balance("paid").await;
        let effect = last_is_paid(w).await.unwrap();
        assert!(effect.contains(&format!("its money paid {}", slip.orders[2].reference)), "{effect}");
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
        assert_eq!((w.balance("suspense:correctable").await, w.balance("paid").await), (0, paid + again.orders[0].fen));
    })
    .await;
}
