//! What remains of a partly paid one, where the bank says then that it was paid whole: what persons answer, and what comes after.

use bankgate::domain::closing::ItemKind;
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::money::Fen;
use bankgate::domain::refund::Why;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::partly::propose_partly;
use bankgate::passes::operate::propose::{Act, approve, withdraw};

use super::bank::{BUSY, LOST, Slip, Word};
use super::cases::who;
use super::refund::{agree, ask, proposal};
use super::returns::{credit_back, give_all_back, give_back, statement_credit};
use super::suspected::{LETTER, answered, last_is, last_is_paid, open, paid_again, year_end};
use super::world::{SPLIT, World, at, draft, on_both, reissue};

/// What remains of a partly paid one.
const REST: &str = "select state from remainder";

/// Two persons settled that sixty yuan of the first were paid.
pub async fn parted(w: &mut World) -> Slip {
    w.polls(SPLIT);
    w.release(&draft("B", SPLIT, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Processing, Word::Paid]);
    w.settle().await;
    let EndToEndId(id) = EndToEndId::parse(&slip.orders[0].reference).unwrap();
    let (proposal, _) = propose_partly(&w.gateway, &who("bureau"), id, Fen::new(6_000), LETTER, w.now).await.unwrap();
    approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
    w.settle().await;
    assert_eq!((w.states("B").await, w.texts(REST).await), (vec!["paid".to_owned(); 2], vec!["failed_final".to_owned()]));
    slip
}

#[tokio::test]
async fn i6_what_remained_and_was_paid_beside_the_whole_is_told_until_persons_say_so() {
    on_both(async |w| {
        let slip = parted(w).await;
        paid_again(w, &slip, slip.orders[0].fen - 6_000, "R").await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1));
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)), "what persons said is no news");
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i7_what_was_partly_paid_and_is_said_to_be_paid_whole_is_neither_refunded_nor_paid_again() {
    on_both(async |w| {
        let slip = parted(w).await;
        let (fen, paid) = (slip.orders[0].fen - 6_000, w.balance("paid").await);
        let (case, ..) = w.case_of("partial").await;
        let (cancelled, _) = propose(&w.gateway, &who("bureau"), case, Wish::Cancel("全家迁出，不再享受"), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), cancelled.unwrap(), w.now).await.unwrap();
        assert_eq!((ask(w, Why::Ineligible).await.len(), w.balance("suspense:ineligible").await), (1, fen));
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1));
        assert!(agree(w, "sun").await.is_err(), "it may be with the payee");
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "it stands in an order");
        // The order's proposal is the last one still: an answer that is refused leaves none.
        withdraw(&w.gateway, &who("bureau"), proposal(w).await, w.now).await.unwrap();
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0]);
        answered(w, Wish::Close(LETTER)).await.unwrap();
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (1, 1), "told again");
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        assert_eq!((open(w).await, w.texts(REST).await), ((0, 0), Vec::new()));
        assert_eq!((w.balance("suspense:ineligible").await, w.balance("paid").await), (0, paid + fen));
        assert_eq!(w.case_of("partial").await.2, "paid", "nobody is reminded");
        paid_again(w, &slip, fen, "R").await;
        w.poll(&slip, &[(1, Word::Paid), (0, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.states("R").await, ask(w, Why::Ineligible).await), (vec!["rejected".to_owned()], Vec::new()));
        assert_eq!(open(w).await, (0, 0), "what persons said is no news");
        w.books_hold().await;
    })
    .await;
}

/// What remained was paid again and failed, and the bank says meanwhile that the first was paid whole. Both files.
async fn whole_after_all(w: &mut World) -> [Slip; 2] {
    let slip = parted(w).await;
    paid_again(w, &slip, slip.orders[0].fen - 6_000, "R").await;
    w.settle().await;
    let again = w.take_one(SPLIT);
    w.poll(&slip, &[(0, Word::Paid)]);
    w.settle().await;
    w.answer(&again, &[LOST]);
    w.settle().await;
    assert_eq!((w.states("R").await, open(w).await), (vec!["failed_final".to_owned()], (1, 1)));
    [slip, again]
}

#[tokio::test]
async fn i6_what_remained_and_failed_is_not_paid_again_while_the_whole_may_have_been() {
    on_both(async |w| {
        let [slip, again] = whole_after_all(w).await;
        let (fen, paid) = (again.orders[0].fen, w.balance("paid").await);
        paid_again(w, &again, fen, "S").await;
        w.settle().await;
        assert_eq!((w.states("S").await, w.take(SPLIT).len()), (vec!["rejected".to_owned()], 0), "the payee may have it");
        let failed = w.int("select id from failure_case where kind = 'failed' and state = 'open'").await;
        let (cancelled, _) = propose(&w.gateway, &who("bureau"), failed, Wish::Cancel("全家迁出，不再享受"), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), cancelled.unwrap(), w.now).await.unwrap();
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0], "nor does it go to the treasury");
        assert!(answered(w, Wish::Paid(LETTER)).await.is_err(), "the money that paid it would lie here for good");
        let effect = last_is_paid(w).await.unwrap();
        assert!(effect.contains(&format!("its money paid {}", slip.orders[0].reference)), "{effect}");
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
        assert_eq!(w.balance("paid").await, paid + fen);
        w.poll(&slip, &[(0, Word::Paid), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!(open(w).await, (0, 0), "what persons said is no news");
        w.books_hold().await;
        // It was not so.
        last_is(w, Act::ResolveFailed).await.unwrap_err();
        give_all_back(w, &again, 0, "退票:账户已销户");
        w.settle().await;
        assert_eq!((w.states("R").await, open(w).await), (vec!["failed_final".to_owned()], (1, 1)), "persons are asked once more");
    })
    .await;
}

#[tokio::test]
async fn i6_what_remained_and_is_not_out_yet_is_stopped_when_the_whole_was_paid() {
    on_both(async |w| {
        let slip = parted(w).await;
        w.now = at("2019-03-14", "18:00:00");
        paid_again(w, &slip, slip.orders[0].fen - 6_000, "R").await;
        w.settle().await;
        assert_eq!(w.states("R").await, ["pending"]);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!((open(w).await, w.states("R").await), ((1, 1), vec!["rejected".to_owned()]));
        w.settle_at("2019-03-15", "10:00:00").await;
        assert!(w.take(SPLIT).is_empty());
        assert_eq!(w.texts(REST).await, ["failed_final"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i6_what_remained_and_failed_for_now_is_not_tried_again_while_the_whole_may_have_been_paid() {
    on_both(async |w| {
        let slip = parted(w).await;
        paid_again(w, &slip, slip.orders[0].fen - 6_000, "R").await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        w.answer(&again, &[BUSY]);
        w.settle().await;
        assert_eq!((w.states("R").await, w.cases("failed").await), (vec!["failed_final".to_owned()], 1));
        w.settle_at("2019-03-18", "10:00:00").await;
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}

#[tokio::test]
async fn i5_what_came_back_of_the_other_part_keeps_its_case_when_the_rest_is_said_to_be_paid() {
    on_both(async |w| {
        let [slip, _] = whole_after_all(w).await;
        give_back(w, &slip, &[(0, 6_000, "退票:账户已销户")]);
        w.settle().await;
        assert_eq!((w.states("B").await[0].as_str(), open(w).await), ("failed_final", (1, 1)));
        last_is_paid(w).await.unwrap();
        assert_eq!((w.case_of("returned").await.1.as_str(), open(w).await), ("open", (0, 0)), "unpaid, and nobody hears of it");
        paid_again(w, &slip, 6_000, "S").await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("S").await, ["paid"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r2_what_a_payee_gave_back_of_what_remained_goes_to_the_treasury() {
    on_both(async |w| {
        let slip = parted(w).await;
        paid_again(w, &slip, slip.orders[0].fen - 6_000, "R").await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.answer(&again, &[Word::Paid]);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        w.exclude(0).await;
        w.cases_pass().await;
        let asked =
            "select c.id from failure_case c join instruction i on i.id = c.instruction_id where c.kind = 'recovery' and i.part > 0";
        let (given, _) = propose(&w.gateway, &who("bureau"), w.int(asked).await, Wish::Recover(LETTER), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), given.unwrap(), w.now).await.unwrap();
        assert_eq!((w.states("R").await, w.balance("suspense:ineligible").await), (vec!["recovered".to_owned()], again.orders[0].fen));
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1, "nobody may keep it, and nothing leads away");
        agree(w, "sun").await.unwrap();
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r3_what_remained_and_failed_does_not_lapse_while_the_whole_may_have_been_paid() {
    on_both(async |w| {
        whole_after_all(w).await;
        w.now = at("2019-12-25", "17:00:00");
        assert_eq!(year_end(w).await, ["sealed"]);
        assert_eq!((w.states("R").await, w.balance("carry").await), (vec!["failed_final".to_owned()], 0));
        assert_eq!(w.gateway.store.read().await.unwrap().years_with_late_failures(2020).await.unwrap(), [], "looked at in vain, for good");
    })
    .await;
}

#[tokio::test]
async fn r3_what_remains_of_one_that_may_have_been_paid_whole_does_not_lapse() {
    on_both(async |w| {
        let slip = parted(w).await;
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        w.now = at("2019-12-25", "17:00:00");
        assert_eq!(year_end(w).await, ["sealed"]);
        assert_eq!((w.texts(REST).await, w.balance("carry").await), (vec!["failed_final".to_owned()], 0));
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        assert_eq!((w.texts(REST).await, w.balance("suspense:correctable").await), (Vec::new(), 0));
        assert_eq!(year_end(w).await, ["sealed"]);
        let year = w.int("select id from period_close where scope = 'year'").await;
        let fates = w.gateway.store.read().await.unwrap().fates(year, ItemKind::Correctable).await.unwrap();
        assert_eq!(fates.iter().map(|it| it.state.as_str()).collect::<Vec<_>>(), ["paid"], "what became of it is told");
    })
    .await;
}

/// The bank said that the first of these was paid whole, and so did persons.
async fn said_whole(w: &mut World) -> Slip {
    let slip = parted(w).await;
    w.poll(&slip, &[(0, Word::Paid)]);
    w.settle().await;
    let effect = answered(w, Wish::Paid(LETTER)).await.unwrap();
    assert!(effect.contains("it was paid whole"), "{effect}");
    let one =
        format!("select count(*) from instruction_state where state = 'paid' and amount_fen = {0} and paid_fen = {0}", slip.orders[0].fen);
    assert_eq!((w.int(&one).await, w.texts(REST).await), (1, Vec::new()), "what is paid is one sum");
    slip
}

/// All of the first is with us, asked for once, and paid again, by the second attempt where the first fails too.
async fn paid_anew(w: &mut World, slip: &Slip) {
    let whole = slip.orders[0].fen;
    w.settle().await;
    assert_eq!((w.states("B").await[0].as_str(), w.balance("suspense:correctable").await), ("failed_final", whole));
    assert_eq!(w.int("select count(*) from incident where state = 'open' and kind = 'conflict'").await, 0);
    assert_eq!(w.texts("select kind || ' ' || amount_fen from failure_case where state = 'open'").await, [format!("returned {whole}")]);
    paid_again(w, slip, whole, "S").await;
    w.settle().await;
    let again = w.take_one(SPLIT);
    w.answer(&again, &[LOST]);
    w.settle().await;
    assert_eq!(open(w).await, (0, 0), "it came back: nobody suspects that it was paid");
    w.release(&reissue("T", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
    w.settle().await;
    w.answer(&w.take_one(SPLIT), &[Word::Paid]);
    w.settle().await;
    assert_eq!((w.states("T").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
    w.books_hold().await;
}

#[tokio::test]
async fn i5_what_is_said_to_be_paid_whole_comes_back_whole_in_a_file_of_returns() {
    on_both(async |w| {
        let slip = said_whole(w).await;
        give_all_back(w, &slip, 0, "退票:账户已销户");
        paid_anew(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn i5_what_is_said_to_be_paid_whole_comes_back_whole_on_a_statement() {
    on_both(async |w| {
        let slip = said_whole(w).await;
        let (whole, EndToEndId(id)) = (slip.orders[0].fen, EndToEndId::parse(&slip.orders[0].reference).unwrap());
        let line = statement_credit(w, "2019-03-15", whole, &slip.orders[0].reference).await;
        assert!(credit_back(w, id, whole, line).await, "the bank's credit is explained");
        paid_anew(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn i5_what_is_said_to_be_paid_whole_may_come_back_in_parts() {
    on_both(async |w| {
        let slip = said_whole(w).await;
        let whole = slip.orders[0].fen;
        give_back(w, &slip, &[(0, whole - 1_000, "退票:账户已销户")]);
        w.settle().await;
        assert_eq!((w.states("B").await[0].as_str(), w.texts(REST).await), ("paid", vec!["failed_final".to_owned()]));
        paid_again(w, &slip, whole - 1_000, "R").await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states("R").await, open(w).await), (vec!["paid".to_owned()], (0, 0)));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r2_what_is_said_to_be_paid_whole_is_asked_back_whole() {
    on_both(async |w| {
        let slip = parted(w).await;
        let whole = slip.orders[0].fen;
        w.exclude(0).await;
        w.cases_pass().await;
        assert_eq!(w.int("select amount_fen from failure_case where kind = 'recovery'").await, 6_000, "nobody gives back what he has not");
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        answered(w, Wish::Paid(LETTER)).await.unwrap();
        let (case, ..) = w.case_of("recovery").await;
        let (given, _) = propose(&w.gateway, &who("bureau"), case, Wish::Recover(LETTER), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), given.unwrap(), w.now).await.unwrap();
        assert_eq!((w.states("B").await[0].as_str(), w.balance("suspense:ineligible").await), ("recovered", whole));
        w.books_hold().await;
    })
    .await;
}
