//! A failure whose money went elsewhere, and of which the bank says then that it was paid: what persons answer, and what comes after.

use bankgate::domain::money::Fen;
use bankgate::domain::refund::Why;
use bankgate::passes::close::close;
use bankgate::passes::operate::OperateError;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::propose::{Act, approve, propose_resolve, withdraw};
use bankgate::passes::operate::refund::{propose_receipt, sent_by_hand};

use super::bank::{LOST, Slip, Word};
use super::cases::who;
use super::refund::{agree, ask, lapse, one_of_each, paid_while_it_goes_back, proposal, says};
use super::returns::give_all_back;
use super::world::{SPLIT, World, at, draft, on_both, reissue};

pub const LETTER: &str = "行函[2019]9号";

/// Open cases and incidents of a second payment.
pub async fn open(w: &World) -> (i64, i64) {
    let cases = w.int("select count(*) from failure_case where kind = 'double_payment_suspected' and state = 'open'").await;
    (cases, w.incidents("double_payment_suspected").await)
}

/// Two persons answer.
pub async fn answered(w: &World, wish: Wish<'_>) -> Result<String, OperateError> {
    let (case, _, _) = w.case_of("double_payment_suspected").await;
    let (proposal, _) = propose(&w.gateway, &who("bureau"), case, wish, w.now).await?;
    let done = approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await;
    w.audit("an answer").await;
    done
}

/// Two persons settle what became of the last attempt. Says the effect.
pub async fn last_is(w: &World, act: Act) -> Result<String, OperateError> {
    let last = w.int("select max(instruction_id) from instruction_state").await;
    let (proposal, _) = propose_resolve(&w.gateway, &who("bureau"), last, act, LETTER, w.now).await?;
    let done = approve(&w.gateway, &who("chief"), proposal, w.now).await;
    w.audit("a settlement").await;
    done
}

/// Two persons settle that the last attempt is paid. Says the effect.
pub async fn last_is_paid(w: &World) -> Result<String, OperateError> {
    last_is(w, Act::ResolvePaid).await
}

/// The first of two failed, and its correction is at the bank. Both files.
async fn corrected(w: &mut World) -> [Slip; 2] {
    w.polls(SPLIT);
    w.release(&draft("B", SPLIT, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[LOST, Word::Paid]);
    w.settle().await;
    w.release(&reissue("R", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
    w.settle().await;
    let again = w.take_one(SPLIT);
    [slip, again]
}

/// A payment that failed is corrected, and the bank says then that it was paid. What the bank had of it, and of its correction, whose
/// fate it has not told.
async fn paid_after_all(w: &mut World) -> [Slip; 2] {
    let [slip, again] = corrected(w).await;
    w.poll(&slip, &[(0, Word::Paid)]);
    w.settle().await;
    [slip, again]
}

/// The first of these, or what remains of it, is to be paid by this list.
pub async fn paid_again(w: &World, slip: &Slip, fen: i64, list: &str) {
    let mut again = reissue(list, SPLIT, &[(0, slip.orders[0].reference.clone())]);
    again.rows[0].amount = Fen::new(fen);
    again.seal();
    w.release(&again).await;
}

/// What the end of the year does. Where the year stands then.
pub async fn year_end(w: &World) -> Vec<String> {
    for _ in 0..2 {
        close(&w.gateway, w.now).await.unwrap();
        w.audit("a closing").await;
        w.books_hold().await;
    }
    w.texts("select state from period_close where scope = 'year'").await
}

#[tokio::test]
async fn i6_a_suspicion_that_was_cleared_is_told_again_when_the_bank_says_it_once_more() {
    on_both(async |w| {
        let [slip, again] = paid_after_all(w).await;
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

#[tokio::test]
async fn i6_what_paid_an_earlier_attempt_and_comes_back_gives_its_claim_to_that_one() {
    on_both(async |w| {
        let [slip, again] = paid_after_all(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        last_is_paid(w).await.unwrap();
        assert_eq!(open(w).await, (0, 0));
        // The bank credits the correction late, finds that it is one too many, and takes it back.
        w.poll(&again, &[(0, Word::Paid)]);
        w.settle().await;
        give_all_back(w, &again, 0, "退票:账户已销户");
        w.settle().await;
        assert_eq!(w.states("R").await, ["failed_final"]);
        w.release(&reissue("S", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
        w.settle().await;
        assert!(w.take(SPLIT).is_empty(), "paid by the first, and then again");
        assert_eq!((w.states("S").await, open(w).await), (vec!["rejected".to_owned()], (1, 1)), "held for what nobody hears of");
        let effect = last_is_paid(w).await.unwrap();
        assert!(effect.contains(&format!("its money paid {}", slip.orders[0].reference)), "{effect}");
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i6_what_paid_an_earlier_attempt_and_is_settled_as_failed_is_free_once_that_one_is_cleared() {
    on_both(async |w| {
        let [_, again] = paid_after_all(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        last_is_paid(w).await.unwrap();
        // The bank says again of the correction that it failed, which is true.
        w.poll(&again, &[(0, Word::Failed("账户已销户"))]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["conflict"]);
        last_is(w, Act::ResolveFailed).await.unwrap();
        w.settle().await;
        assert_eq!((w.states("R").await, open(w).await), (vec!["failed_final".to_owned()], (1, 1)));
        w.release(&reissue("S", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
        w.settle().await;
        assert!(w.take(SPLIT).is_empty(), "paid by the first, and then again");
        // It was not credited either: the payee is paid by the next.
        answered(w, Wish::Close(LETTER)).await.unwrap();
        w.release(&reissue("T", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states("T").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
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

#[tokio::test]
async fn i5_i7_what_was_carried_and_said_to_be_paid_and_then_comes_back_is_told_and_may_be_paid() {
    on_both(async |w| {
        let slip = carried(w).await;
        w.poll(&slip, &[(2, Word::Paid)]);
        w.settle().await;
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        assert_eq!(open(w).await, (0, 0));
        give_all_back(w, &slip, 2, "退票:账户已销户");
        w.settle().await;
        assert_eq!((w.states("B").await[2].as_str(), open(w).await), ("carried", (1, 1)), "unpaid, and nobody hears of it");
        answered(w, Wish::Close(LETTER)).await.unwrap();
        w.release(&reissue("R", SPLIT, &[(2, slip.orders[2].reference.clone())])).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["paid"]);
        // It was credited, and it came back: saying the one of the two again is no news.
        w.poll(&slip, &[(2, Word::Paid), (0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (0, 0));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i5_i6_what_was_paid_with_the_money_of_its_correction_and_comes_back_is_told() {
    on_both(async |w| {
        let [slip, again] = paid_after_all(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        last_is_paid(w).await.unwrap();
        give_all_back(w, &slip, 0, "退票:账户已销户");
        w.settle().await;
        assert_eq!((w.states("B").await[0].as_str(), open(w).await), ("reissued", (1, 1)), "unpaid, and nobody hears of it");
        // The correction stands as paid for that money only.
        assert_eq!((w.states("R").await, w.balance("suspense:unknown").await), (vec!["conflict".to_owned()], again.orders[0].fen));
        last_is(w, Act::ResolveFailed).await.unwrap();
        w.settle().await;
        answered(w, Wish::Close(LETTER)).await.unwrap();
        paid_again(w, &again, again.orders[0].fen, "S").await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states("S").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
        w.books_hold().await;
    })
    .await;
}

/// What lies in the bank's outbox is read and counts, and nothing follows yet.
pub async fn taken_in(w: &mut World) {
    for _ in 0..2 {
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(2);
    }
    w.apply().await;
}

#[tokio::test]
async fn i5_i7_what_came_back_is_told_though_the_bank_says_in_the_same_round_that_it_was_paid() {
    on_both(async |w| {
        let slip = carried(w).await;
        w.poll(&slip, &[(2, Word::Paid)]);
        w.settle().await;
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        give_all_back(w, &slip, 2, "退票:账户已销户");
        taken_in(w).await;
        w.poll(&slip, &[(2, Word::Paid), (0, Word::Paid)]);
        taken_in(w).await;
        w.settle().await;
        assert_eq!((w.states("B").await[2].as_str(), open(w).await), ("carried", (1, 1)), "unpaid, and nobody hears of it");
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "the bank has it back");
        answered(w, Wish::Close(LETTER)).await.unwrap();
        w.release(&reissue("R", SPLIT, &[(2, slip.orders[2].reference.clone())])).await;
        w.settle().await;
        assert_eq!(w.take_one(SPLIT).orders.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn i6_what_another_list_paid_beside_one_that_was_paid_is_not_paid_again_when_it_comes_back() {
    on_both(async |w| {
        let slip = carried(w).await;
        w.release(&draft("C", SPLIT, 2..3)).await;
        w.settle().await;
        let other = w.take_one(SPLIT);
        w.poll(&slip, &[(2, Word::Paid)]);
        w.settle().await;
        w.answer(&other, &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states("C").await, open(w).await), (vec!["paid".to_owned()], (1, 1)));
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        give_all_back(w, &other, 0, "退票:账户已销户");
        w.settle().await;
        assert_eq!(w.states("C").await, ["failed_final"]);
        w.release(&reissue("D", SPLIT, &[(2, other.orders[0].reference.clone())])).await;
        w.settle().await;
        assert_eq!((w.states("D").await, w.take(SPLIT).len()), (vec!["rejected".to_owned()], 0), "the first was paid");
    })
    .await;
}

#[tokio::test]
async fn i6_of_two_that_are_suspected_the_other_holds_the_claim_when_one_is_cleared() {
    on_both(async |w| {
        let [slip, again] = corrected(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        paid_again(w, &again, again.orders[0].fen, "S").await;
        w.settle().await;
        let third = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.poll(&again, &[(0, Word::Paid)]);
        w.settle().await;
        w.answer(&third, &[LOST]);
        w.settle().await;
        assert_eq!((w.states("S").await, open(w).await.0), (vec!["failed_final".to_owned()], 2));
        let second = w.int("select max(id) from failure_case where kind = 'double_payment_suspected'").await;
        let (proposal, _) = propose(&w.gateway, &who("bureau"), second, Wish::Close(LETTER), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        paid_again(w, &third, third.orders[0].fen, "T").await;
        w.settle().await;
        assert_eq!((w.states("T").await, w.take(SPLIT).len()), (vec!["rejected".to_owned()], 0), "the first may have been paid");
    })
    .await;
}

/// Instructions that stand as finally failed and hold their claim.
const FAILED_AND_LIVE: &str =
    "select count(*) from instruction i join instruction_state s on s.instruction_id = i.id where s.state = 'failed_final' and i.live = 1";

#[tokio::test]
async fn i5_i7_what_was_paid_while_its_refund_was_out_and_comes_back_is_suspected_no_more() {
    on_both(async |w| {
        let (slip, order, name) = paid_while_it_goes_back(w).await;
        says(w, &name, order, 10_011, "2001", "国库户名不符");
        w.settle().await;
        assert_eq!(w.states("B").await[1], "conflict");
        give_all_back(w, &slip, 1, "退票:账户已销户");
        w.settle().await;
        assert_eq!((w.states("B").await[1].as_str(), open(w).await, w.int(FAILED_AND_LIVE).await), ("failed_final", (0, 0), 0));
        w.release(&reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())])).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["paid"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i5_i7_what_came_back_before_its_refund_was_refused_is_free_once_its_suspicion_is_cleared() {
    on_both(async |w| {
        let (slip, order, name) = paid_while_it_goes_back(w).await;
        give_all_back(w, &slip, 1, "退票:账户已销户");
        w.settle().await;
        says(w, &name, order, 10_011, "2001", "国库户名不符");
        w.settle().await;
        assert_eq!((w.states("B").await[1].as_str(), open(w).await), ("failed_final", (1, 1)));
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "its money lies with us");
        let effect = answered(w, Wish::Close(LETTER)).await.unwrap();
        assert!(effect.contains("its payment may be made again"), "{effect}");
        assert_eq!((open(w).await, w.int(FAILED_AND_LIVE).await), ((0, 0), 0), "held for nothing");
    })
    .await;
}

#[tokio::test]
async fn i6_what_was_paid_twice_is_told_until_persons_say_so_and_no_more_then() {
    on_both(async |w| {
        let [slip, again] = paid_after_all(w).await;
        w.answer(&again, &[Word::Paid]);
        w.settle().await;
        answered(w, Wish::Close(LETTER)).await.unwrap();
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1), "they had said that it was not paid");
        let effect = answered(w, Wish::Paid(LETTER)).await.unwrap();
        assert!(effect.contains("so was what holds its claim"), "{effect}");
        w.poll(&slip, &[(1, Word::Paid), (0, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)), "what persons said is no news");
        // What was paid beside it comes back: it holds the claim then.
        give_all_back(w, &again, 0, "退票:账户已销户");
        w.settle().await;
        w.release(&reissue("S", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
        w.settle().await;
        assert_eq!((w.states("S").await, open(w).await), (vec!["rejected".to_owned()], (1, 1)));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r3_what_may_have_paid_a_suspected_one_does_not_lapse() {
    on_both(async |w| {
        let [_, again] = paid_after_all(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "the correction's money would lie here for good");
        w.now = at("2019-12-25", "17:00:00");
        assert_eq!(year_end(w).await, ["sealed"]);
        assert_eq!((w.states("R").await, w.balance("carry").await), (vec!["failed_final".to_owned()], 0));
        last_is_paid(w).await.unwrap();
        assert_eq!((w.states("R").await, w.balance("suspense:correctable").await), (vec!["paid".to_owned()], 0));
        assert_eq!((open(w).await, year_end(w).await), ((0, 0), vec!["sealed".to_owned()]));
    })
    .await;
}

/// The suspicion came behind the year's end, and the order came to nothing.
#[tokio::test]
async fn r3_what_lapsed_and_turns_out_to_have_paid_a_suspected_one_is_settled_as_paid() {
    on_both(async |w| {
        w.now = at("2019-12-24", "10:00:00");
        let [slip, again] = corrected(w).await;
        w.answer(&again, &[LOST]);
        w.settle().await;
        w.now = at("2019-12-25", "17:00:00");
        assert_eq!(year_end(w).await, ["refunding"]);
        assert_eq!((w.states("R").await, w.balance("carry").await), (vec!["lapsed".to_owned()], again.orders[0].fen));
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1));
        assert!(last_is_paid(w).await.is_err(), "its money stands in an order");
        withdraw(&w.gateway, &who("bureau"), proposal(w).await, w.now).await.unwrap();
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "its money would lie in carry for good");
        let effect = last_is_paid(w).await.unwrap();
        assert!(effect.contains(&format!("lapsed -> paid: its money paid {}", slip.orders[0].reference)), "{effect}");
        assert_eq!((w.states("R").await, w.balance("carry").await), (vec!["paid".to_owned()], 0));
        assert_eq!((open(w).await, year_end(w).await), ((0, 0), vec!["sealed".to_owned()]));
    })
    .await;
}
