//! A bank debits twice and takes one back (冲正). By its reference the credit looks like a return (退票); taken for one, the payee
//! would be paid again.

use super::bank::{LOST, Slip, Word};
use super::reconcile::{Entry, credit, debit};
use super::world::{CLEARING, World, draft, on_both};

const DAYS: [&str; 3] = ["2019-03-14", "2019-03-15", "2019-03-18"];
const OPENING: i64 = 50_000_000;

async fn paid(w: &mut World) -> Slip {
    w.release(&draft("B", CLEARING, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(CLEARING);
    w.answer(&slip, &[Word::Paid; 2]);
    w.settle().await;
    slip
}

/// The entries of two days and of the third, on which the bank takes one back.
fn entries(slip: &Slip) -> [Vec<Entry>; 3] {
    let first = |words: &str| debit(slip.orders[0].fen, &slip.orders[0].reference, words);
    let other = debit(slip.orders[1].fen, &slip.orders[1].reference, "代发");
    [vec![first("代发"), other], vec![first("代发")], vec![credit(slip.orders[0].fen, &slip.orders[0].reference, "冲正")]]
}

async fn verdicts(w: &World) -> Vec<String> {
    let sql = "select on_date || ' ' || verdict from reconcile_run r where bank = 'B2' and verdict <> 'INCOMPLETE' \
               and id = (select max(id) from reconcile_run s where s.bank = r.bank and s.on_date = r.on_date) order by on_date";
    w.texts(sql).await
}

async fn nothing_came_back(w: &World) {
    assert_eq!(w.states("B").await, ["paid", "paid"]);
    assert_eq!(w.int("select count(*) from waiting_return").await, 0);
    assert_eq!(w.int("select count(*) from break_item where state = 'open' and bank = 'B2'").await, 0);
    assert_eq!(verdicts(w).await, DAYS.map(|day| format!("{day} RECONCILED")));
}

/// The bank's taking back is known before the day of the debit that it takes back.
async fn the_day_between_comes_last(w: &mut World, slip: &Slip) {
    let [first, second, third] = entries(slip);
    let opening = w.state(CLEARING, DAYS[0], OPENING, &first);
    w.state(CLEARING, DAYS[2], opening - slip.orders[0].fen, &third);
    w.settle_at("2019-03-19", "09:00:00").await;
    assert_eq!(w.states("B").await, ["paid", "paid"], "not before the day between is known");
    w.state(CLEARING, DAYS[1], opening, &second);
    w.settle_at("2019-03-20", "09:00:00").await;
    nothing_came_back(w).await;
}

#[tokio::test]
async fn a_debit_that_was_taken_back_is_no_return() {
    on_both(async |w| {
        let slip = paid(w).await;
        let mut opening = OPENING;
        for (day, entries) in DAYS.iter().zip(&entries(&slip)).take(2) {
            opening = w.state(CLEARING, day, opening, entries);
        }
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.texts("select kind from break_item where state = 'open' and bank = 'B2'").await, ["duplicate_debit"]);
        w.state(CLEARING, DAYS[2], opening, &entries(&slip)[2]);
        w.settle_at("2019-03-19", "09:00:00").await;
        nothing_came_back(w).await;
        w.audit("a reversal").await;
    })
    .await;
}

#[tokio::test]
async fn a_credit_on_the_first_statement_waits_for_those_of_the_days_before() {
    on_both(async |w| {
        let slip = paid(w).await;
        let [first, second, third] = entries(&slip);
        let after_first = OPENING - slip.orders.iter().map(|o| o.fen).sum::<i64>();
        w.state(CLEARING, DAYS[2], after_first - slip.orders[0].fen, &third);
        w.settle_at("2019-03-19", "09:00:00").await;
        assert_eq!(w.states("B").await, ["paid", "paid"], "not before the days before it are known");
        let opening = w.state(CLEARING, DAYS[0], OPENING, &first);
        w.settle_at("2019-03-19", "10:00:00").await;
        assert_eq!(w.states("B").await, ["paid", "paid"], "a day between is missing");
        w.state(CLEARING, DAYS[1], opening, &second);
        w.settle_at("2019-03-20", "09:00:00").await;
        nothing_came_back(w).await;
    })
    .await;
}

#[tokio::test]
async fn a_second_debit_is_known_although_the_bank_took_back_its_word_on_another_line() {
    on_both(async |w| {
        w.release(&draft("B", CLEARING, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.answer(&slip, &[Word::Paid, Word::Processing]);
        w.settle().await;
        let line = |at: usize, words: &str| debit(slip.orders[at].fen, &slip.orders[at].reference, words);
        let opening = w.state(CLEARING, DAYS[0], OPENING, &[line(0, "代发")]);
        w.settle_at("2019-03-15", "09:00:00").await;
        // What was debited first is in doubt by now, and is no measure of what may be debited still.
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["conflict", "paid"]);
        let opening = w.state(CLEARING, DAYS[1], opening, &[line(1, "代发"), line(1, "代发")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        w.state(CLEARING, DAYS[2], opening, &[credit(slip.orders[1].fen, &slip.orders[1].reference, "冲正")]);
        w.settle_at("2019-03-19", "09:00:00").await;
        assert_eq!(w.states("B").await, ["conflict", "paid"], "the bank took its own second debit back");
        let found = w.texts("select kind || ' ' || how from statement_match order by statement, line").await;
        assert_eq!(found, ["instruction reference", "instruction reference", "other reference", "other reference"]);
    })
    .await;
}

#[tokio::test]
async fn a_debit_of_a_wrong_amount_that_was_taken_back_is_no_return_of_a_part() {
    on_both(async |w| {
        let slip = paid(w).await;
        let reference = &slip.orders[0].reference;
        let other = debit(slip.orders[1].fen, &slip.orders[1].reference, "代发");
        let opening = w.state(CLEARING, DAYS[0], OPENING, &[debit(5_000, reference, "代发"), other]);
        w.settle_at("2019-03-15", "09:00:00").await;
        let opening = w.state(CLEARING, DAYS[1], opening, &[credit(5_000, reference, "冲正")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.states("B").await, ["paid", "paid"]);
        assert_eq!(w.int("select count(*) from waiting_return").await, 0, "nothing came back, and nothing is paid again");
        let asked = w.texts("select kind from break_item where state = 'open' order by id").await;
        assert_eq!(asked, ["amount", "missing_here"], "both are left to a person");
        w.state(CLEARING, DAYS[2], opening, &[debit(slip.orders[0].fen, reference, "代发")]);
        w.settle_at("2019-03-19", "09:00:00").await;
        assert_eq!(w.int("select count(*) from break_item where state = 'open' and bank = 'B2'").await, 0, "the right debit explains them");
        assert_eq!(w.states("B").await, ["paid", "paid"]);
    })
    .await;
}

#[tokio::test]
async fn what_takes_a_debit_back_is_not_brought_back_by_the_payee() {
    on_both(async |w| {
        let slip = paid(w).await;
        w.exclude(0).await;
        w.cases_pass().await;
        assert_eq!(w.cases("recovery").await, 1);
        the_day_between_comes_last(w, &slip).await;
        assert_eq!(w.texts("select state from failure_case where kind = 'recovery'").await, ["open"]);
    })
    .await;
}

#[tokio::test]
async fn a_credit_whose_debit_may_stand_on_a_statement_that_is_missing_waits_for_it() {
    on_both(async |w| {
        let slip = paid(w).await;
        the_day_between_comes_last(w, &slip).await;
    })
    .await;
}
