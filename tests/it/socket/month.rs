//! The month's end, act by act, as two persons have it at their shells: what a line of a statement is, which statement counts,
//! what was given back, what came late, and the year.

use bankgate::passes::cases;

use super::*;
use crate::stories::bank::LOST;
use crate::stories::reconcile::{credit, debit};
use crate::stories::world::reissue;

const OPENING: i64 = 50_000_000;

fn letter<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--evidence", "letter 12", "--json"]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_explained_a_return_undone_and_the_right_statement_chosen_by_two_persons() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid; 3]).await;
    let (name, today) = (o.w.texts("select name from file_out").await.remove(0), o.today.to_string());
    let (paid, one) = (slip.orders.iter().map(|order| order.fen).sum(), &slip.orders[1]);
    let kept = [debit(paid, &name, "代发"), credit(321, "", "结息")];
    o.w.state(SPLIT, &today, OPENING, &[&kept[..], &[credit(one.fen, &one.reference, "退票")]].concat());
    o.w.settle().await;
    assert_eq!(o.states("B").await, "paid failed_final paid");
    o.w.state(SPLIT, &today, OPENING, &kept);
    o.w.settle().await;
    let daemon = o.start("finance", "finance").await;
    // The second statement lacks a credit that was booked as a return: it did not take place, says the bank.
    o.me(&letter(&["statement", "choose", "9"])).refused("is none to choose");
    o.me(&letter(&["statement", "choose", "2"])).refused("payment resolve");
    o.me(&["statement", "choose", "2"]).refused("--evidence");
    let undone = o.me(&letter(&["payment", "resolve", &one.reference, "--as", "paid"])).proposal();
    assert_eq!(o.states("B").await, "paid failed_final paid", "a proposal changes nothing");
    o.by_two(&undone);
    assert_eq!((o.states("B").await, o.w.balance("suspense:correctable").await), ("paid paid paid".to_owned(), 0));
    o.me(&letter(&["payment", "resolve", &one.reference, "--as", "paid"])).refused("only what is unknown or in conflict");
    o.by_two(&o.me(&letter(&["statement", "choose", "2"])).proposal());
    until("the lump to be found", || o.me(&["reconcile", "show", "--date", &today]).text.contains(&name).then_some(()));
    let say = |line: &str, what: &[&str]| o.me(&[&["statement", "match", "2", line][..], what, &["--json"]].concat());
    say("3", &["--as", "other"]).refused("--reason");
    say("3", &["--as", "other", "--reason", " "]).refused("--reason");
    say("3", &["--to", "BG0000000000000999", "--reason", "letter 12"]).refused("is nothing of this account that a credit could be");
    say("2", &["--as", "other", "--reason", "letter 12"]).refused("is explained");
    say("9", &["--as", "other", "--reason", "letter 12"]).refused("is not there");
    let interest = ["--as", "other", "--reason", "interest voucher 3"];
    o.by_two(&say("3", &interest).proposal());
    say("3", &interest).refused("is explained");
    until("the day to reconcile", || (o.me(&["reconcile", "--date", &today]).code == 0).then_some(()));
    assert_eq!(o.me(&["reconcile", "breaks", "--json"]).json(), serde_json::json!([]));
    let shown = o.me(&["reconcile", "show", "--date", &today]).text;
    assert!(shown.contains("interest voucher 3; root + daemon"), "{shown}");
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_back_is_given_back_and_a_case_without_money_is_closed_by_two_persons() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, LOST, Word::Paid]).await;
    // Of two who were paid one is not eligible, and the other stands on that list by mistake.
    o.w.exclude(2).await;
    o.w.exclude(0).await;
    cases::cases(&o.w.gateway, o.w.now).await.unwrap();
    // Who may not be paid stands in another list: nothing of it goes out, and its case has no money.
    let again = Draft { pay_on: o.today.to_string(), period: "2019-04".to_owned(), ..draft("C", SPLIT, [2]) };
    o.w.release(&again).await;
    o.w.settle().await;
    let case = async |kind: &str| o.w.int(&format!("select id from failure_case where kind = '{kind}'")).await.to_string();
    let (lost, rejected) = (case("failed").await, case("rejected").await);
    let first = "(select min(id) from instruction)";
    let mistaken = case(&format!("recovery' and instruction_id = {first} and '' = '")).await;
    let asked = case(&format!("recovery' and instruction_id > {first} and '' = '")).await;
    let daemon = o.start("finance", "finance").await;
    o.me(&letter(&["failure", "recover", &lost])).refused("");
    let recover = letter(&["failure", "recover", &asked]);
    o.me(&["failure", "recover", &asked]).refused("--evidence");
    o.by_two(&o.me(&recover).proposal());
    assert_eq!((o.states("B").await, o.w.balance("suspense:ineligible").await), ("paid failed_final recovered".to_owned(), 10_022));
    o.me(&recover).refused("");
    let close = |id: &str| o.me(&why(&["failure", "close", id, "--as", "evidence"]));
    close(&lost).refused("its money is settled by a reissue, a refund");
    close(&asked).refused("is not closed by evidence");
    close(&rejected).refused("failure cancel");
    close("999").refused("999");
    o.by_two(&close(&mistaken).proposal());
    close(&mistaken).refused("closed");
    let cases = o.w.texts("select kind || ' ' || state || ' ' || closed_as from failure_case order by kind, state").await;
    assert_eq!(
        cases,
        ["failed open ", "recovery closed evidence", "recovery open ", "rejected open "],
        "what was given back is open until it is refunded"
    );
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_success_is_paid_with_its_successors_money_by_two_persons() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    o.w.polls(SPLIT);
    let slip = o.sent("B", 0..2).await;
    o.answered(&slip, &[Word::Paid, LOST]).await;
    let again = reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())]);
    o.w.release(&Draft { pay_on: o.today.to_string(), ..again }).await;
    o.w.settle().await;
    let second = o.w.take_one(SPLIT);
    o.w.poll(&slip, &[(1, Word::Paid)]);
    o.w.settle().await;
    o.answered(&second, &[LOST]).await;
    assert_eq!((o.states("R").await, o.w.cases("double_payment_suspected").await), ("failed_final".to_owned(), 1));
    let daemon = o.start("finance", "finance").await;
    let first = slip.orders[1].reference.clone();
    o.me(&letter(&["payment", "resolve", &first, "--as", "paid"])).refused("is reissued");
    let resolve = letter(&["payment", "resolve", &second.orders[0].reference, "--as", "paid"]);
    let proposed = o.me(&resolve);
    assert!(proposed.text.contains(&first), "it says whose money it is: {proposed:?}");
    o.by_two(&proposed.proposal());
    assert_eq!((o.states("R").await, o.w.balance("suspense:correctable").await), ("paid".to_owned(), 0));
    assert_eq!(o.w.int("select count(*) from failure_case where kind = 'double_payment_suspected' and state = 'open'").await, 0);
    o.me(&resolve).refused("");
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_is_sealed_when_what_could_not_be_corrected_went_back_and_stands_on_its_list() {
    // Whatever day it is, it is the year's close day: up to its end nobody works.
    let today = today();
    let off: Vec<NaiveDate> = today.iter_days().skip(1).take_while(|day| day.year() == today.year()).collect();
    let Some(mut o) = Office::open(&off, 1).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, DEAD, LOST]).await;
    let (year, next) = (today.year().to_string(), (today.year() + 1).to_string());
    let daemon = o.start("finance", "finance").await;
    o.me(&["close", "--year", &next]).refused(&next);
    o.other(&["close", "--year", "19"]).refused("");
    let close = || o.me(&["close", "--year", &year, "--json"]).json()[0]["state"].as_str().unwrap().to_owned();
    let would = o.me(&["close", "--year", &year, "--dry-run", "--json"]);
    assert!(would.code == 3 && would.text.contains(r#""state":"due""#), "{would:?}");
    assert_eq!(close(), "refunding");
    assert_eq!(o.states("B").await, "paid failed_final lapsed", "what nobody may keep goes with the month");
    let number = o.w.texts("select number from refund_order where why = 'not_fixed_in_year'").await.remove(0);
    let proposal = o.w.int(&format!("select id from proposal where subject = '{number}'")).await.to_string();
    o.by_two(&proposal);
    o.other(&["refund", "sent", &number, "--by-hand"]).done();
    assert_eq!(close(), "refunding", "sent is not seen");
    o.by_two(&o.me(&["refund", "receipt", &number, "--receipt", "GK-1", "--json"]).proposal());
    assert_eq!(close(), "sealed");
    assert_eq!(o.states("B").await, "paid failed_final carried");
    o.me(&["close", "verify", "--year", &year]).done();
    let shown = o.me(&["close", "show", &year]).text;
    assert!(shown.contains("sealed"), "{shown}");
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}
