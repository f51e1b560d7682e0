//! A payment that comes to grief a second time: what was settled and closed the first time is opened again, and told anew.

use bankgate::domain::refund::Why;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::passes::operate::refund::cancel;
use bankgate::passes::report;

use super::bank::{LOST, Slip, Word};
use super::cases::who;
use super::reconcile::{credit, debit};
use super::refund::{agree, ask};
use super::returns::{credit_back, give_all_back, give_back, statement_credit};
use super::world::{SPLIT, World, at, draft, on_both};

const OPENING: i64 = 50_000_000;
const REPORTS: &str = "select count(*) from outbox_mail where kind = 'failure_report'";
const REOPENED: &str = "select what || ' ' || from_state || ' ' || to_state from event where subject = 'case' order by id";

/// Three were paid; the bank's file says that the second came back, and its department was told.
async fn the_second_came_back(w: &mut World) -> (Slip, i64) {
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid; 3]);
    w.settle().await;
    give_all_back(w, &slip, 1, "退票");
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
    w.now = at("2019-03-14", "18:00:00");
    report::report(&w.gateway, w.now).await.unwrap();
    assert_eq!(w.int(REPORTS).await, 1);
    let id = w.int("select instruction from v_payment where batch = 'B' and seq = 2").await;
    (slip, id)
}

/// Two persons say that it stands as paid.
async fn it_was_paid(w: &mut World, id: i64) {
    let words = "行函[2019]7号：已入账，并未退回";
    let (proposal, _) = propose_resolve(&w.gateway, &who("bureau"), id, Act::ResolvePaid, words, w.now).await.unwrap();
    approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
    w.settle().await;
    assert_eq!(w.int("select count(*) from failure_case where state = 'open'").await, 0);
    w.books_hold().await;
}

#[tokio::test]
async fn a_return_that_was_undone_and_then_took_place_opens_its_case_again_and_is_told_anew() {
    on_both(async |w| {
        let (slip, id) = the_second_came_back(w).await;
        let (paid, name) = (slip.orders.iter().map(|o| o.fen).sum(), w.file_name().await);
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        w.settle_at("2019-03-15", "09:00:00").await;
        it_was_paid(w, id).await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
        // The bank's next file says it again: the same once more, or a second one? Nothing is booked, and somebody asks.
        give_back(w, &slip, &[(1, slip.orders[1].fen, "退票:户名有误")]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
        let asked = "select count(*) from incident where state = 'open' and kind = 'conflict' and key like 'return_undone:%'";
        assert_eq!(w.int(asked).await, 1);
        // The statement shows its money: it came back.
        w.state(SPLIT, "2019-03-15", closing, &[credit(slip.orders[1].fen, &slip.orders[1].reference, "退票")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        w.books_hold().await;
        let case = "select kind || ' ' || state || ' ' || business_date || ' ' || money_on || ' ' || amount_fen from failure_case";
        assert_eq!(w.texts(case).await, [format!("returned open 2019-03-18 2019-03-15 {}", slip.orders[1].fen)]);
        assert_eq!(
            w.int("select count(*) from failure_case where mail is null and closed_as = ''").await,
            1,
            "nobody was told of this one"
        );
        assert_eq!(w.texts(REOPENED).await, ["reopen closed open"]);
        w.now = at("2019-03-18", "18:00:00");
        report::report(&w.gateway, w.now).await.unwrap();
        assert_eq!((w.int(REPORTS).await, w.int("select count(*) from failure_case where mail is null").await), (2, 0));
        // Said once more it is this one, and nothing new.
        give_back(w, &slip, &[(1, slip.orders[1].fen, "退票:户名又有误")]);
        w.settle().await;
        assert_eq!((w.texts(REOPENED).await.len(), w.int("select times from incident where key like 'return_undone:%'").await), (1, 1));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_case_that_is_opened_again_on_the_day_of_its_report_is_told_the_day_after() {
    on_both(async |w| {
        let (slip, id) = the_second_came_back(w).await;
        it_was_paid(w, id).await;
        let shown = statement_credit(w, "2019-03-14", slip.orders[1].fen, &slip.orders[1].reference).await;
        assert!(credit_back(w, id, slip.orders[1].fen, shown).await);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.texts("select state || ' ' || business_date from failure_case").await, ["open 2019-03-14"]);
        report::report(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.int(REPORTS).await, 1, "one report a day");
        w.now = at("2019-03-15", "09:00:00");
        for _ in 0..2 {
            report::report(&w.gateway, w.now).await.unwrap();
        }
        assert_eq!((w.int(REPORTS).await, w.int("select count(*) from failure_case where mail is null").await), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn a_second_contradiction_opens_its_case_again_and_alarms() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid; 2]);
        w.settle().await;
        w.poll(&slip, &[(0, LOST)]);
        w.settle().await;
        let conflicts = "select state from failure_case where kind = 'conflict'";
        assert_eq!(
            (w.states("B").await, w.texts(conflicts).await),
            (["conflict", "paid"].map(str::to_owned).to_vec(), vec!["open".to_owned()])
        );
        assert_eq!(w.incidents("conflict").await, 1);
        let id = w.int("select instruction from v_payment where batch = 'B' and seq = 1").await;
        it_was_paid(w, id).await;
        assert_eq!((w.states("B").await, w.texts(conflicts).await), (vec!["paid".to_owned(); 2], vec!["closed".to_owned()]));
        w.poll(&slip, &[(0, Word::Failed("户名不符"))]);
        w.settle().await;
        assert_eq!(
            (w.states("B").await, w.texts(conflicts).await),
            (["conflict", "paid"].map(str::to_owned).to_vec(), vec!["open".to_owned()])
        );
        assert_eq!((w.incidents("conflict").await, w.texts(REOPENED).await), (2, vec!["reopen closed open".to_owned()]));
        w.books_hold().await;
    })
    .await;
}

/// What they had said did not come back failed by the word of two persons since, and may be paid again.
async fn it_failed_since(w: &mut World) -> Slip {
    w.polls(SPLIT);
    let (slip, id) = the_second_came_back(w).await;
    it_was_paid(w, id).await;
    w.poll(&slip, &[(1, LOST)]);
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "conflict", "paid"]);
    let words = "行函[2019]8号：并未入账";
    let (proposal, _) = propose_resolve(&w.gateway, &who("bureau"), id, Act::ResolveFailed, words, w.now).await.unwrap();
    approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
    assert_eq!(w.int("select count(*) from instruction where live = 0").await, 1);
    slip
}

/// It is no answer to a success.
#[tokio::test]
async fn a_return_that_was_undone_explains_no_later_success() {
    on_both(async |w| {
        let slip = it_failed_since(w).await;
        w.poll(&slip, &[(1, Word::Paid)]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "conflict", "paid"], "and not paid again meanwhile");
        assert_eq!(w.int("select count(*) from instruction where live = 0").await, 0, "it holds its claim");
        assert_eq!(w.texts("select state from failure_case where kind = 'conflict'").await, ["open"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_return_that_was_undone_explains_no_success_that_was_told_while_the_refund_was_out() {
    on_both(async |w| {
        let slip = it_failed_since(w).await;
        let (case, ..) = w.case_of("failed").await;
        let wish = Wish::Cancel("全家迁出，不再享受");
        let (proposal, _) = propose(&w.gateway, &who("bureau"), case, wish, w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1);
        agree(w, "sun").await.unwrap();
        w.poll(&slip, &[(1, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.states("B").await[1].as_str(), w.incidents("double_payment_suspected").await), ("refunding", 1));
        cancel(&w.gateway, &who("bureau"), "TK-2019-0001", "银行报已入账", w.now).await.unwrap();
        w.audit("a cancel").await;
        assert_eq!((w.states("B").await[1].as_str(), w.balance("suspense:unknown").await), ("conflict", slip.orders[1].fen));
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0], "what the payee may have does not go to the treasury too");
        w.books_hold().await;
    })
    .await;
}
