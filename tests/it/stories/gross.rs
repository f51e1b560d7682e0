//! Where the bank debits for every payment first: what failed, and what came back, is final once its money is here.

use bankgate::passes::operate::matching::propose_match;
use bankgate::passes::operate::propose::approve;

use super::bank::{LOST, Slip, Word};
use super::cases::who;
use super::reconcile::{credit, debit};
use super::returns::give_back;
use super::world::{SPLIT, World, draft, on_both};

const OPENING: i64 = 50_000_000;

/// A file whose whole sum was debited on its day, answered in these words. Gives the closing balance, too.
async fn debited(w: &mut World, words: &[Word]) -> (Slip, i64) {
    w.sql("update agreement set debit_model = 'gross'").await;
    w.release(&draft("B", SPLIT, 0..words.len())).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, words);
    w.settle().await;
    let total = slip.orders.iter().map(|o| o.fen).sum();
    let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(total, &w.file_name().await, "代发")]);
    w.settle_at("2019-03-15", "09:00:00").await;
    (slip, closing)
}

async fn matches(w: &World) -> Vec<String> {
    w.texts("select kind || ' ' || how from statement_match order by id").await
}

#[tokio::test]
async fn a_failures_money_is_back_by_a_credit_of_its_amount_and_by_no_other() {
    on_both(async |w| {
        let (slip, closing) = debited(w, &[Word::Paid, LOST, Word::Paid]).await;
        let (name, failed) = (w.file_name().await, &slip.orders[1]);
        w.state(SPLIT, "2019-03-15", closing, &[credit(1, "", "结息"), credit(failed.fen, "", "转入")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        let (g, now) = (&w.gateway, w.now);
        for to in [&failed.reference, &name] {
            let refused = format!("{:?}", propose_match(g, &who("bureau"), (2, 2), to, "银行3月18日来函", now).await);
            assert!(refused.contains("0.01 yuan") && refused.contains("is 100.11 "), "it names both: {refused}");
        }
        assert_eq!(w.states("B").await, ["paid", "failed", "paid"]);
        let (id, _) = propose_match(g, &who("bureau"), (2, 3), &failed.reference, "银行3月18日来函", now).await.unwrap();
        approve(g, &who("chief"), id, now).await.unwrap();
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        let (id, _) = propose_match(&w.gateway, &who("bureau"), (2, 2), "other", "利息凭证3号", w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), id, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.open_breaks().await.len(), w.residual(SPLIT, "2019-03-15").await), (0, 0));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn what_came_back_is_final_once_its_lump_is_there() {
    on_both(async |w| {
        let (slip, closing) = debited(w, &[Word::Paid; 4]).await;
        let (name, back) = (w.file_name().await, |line: usize| (line, slip.orders[line].fen, "退票"));
        give_back(w, &slip, &[back(0), back(2)]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["returned", "paid", "returned", "paid"], "its money is not here");
        let lump = slip.orders[0].fen + slip.orders[2].fen;
        let closing = w.state(SPLIT, "2019-03-15", closing, &[credit(lump, &name, "退票")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(matches(w).await, ["file file", "return_file file"]);
        assert_eq!(w.states("B").await, ["failed_final", "paid", "failed_final", "paid"]);
        assert_eq!((w.cases("returned").await, w.int("select count(*) from instruction where live = 0").await), (2, 2));
        // What comes back later waits for a lump of its own.
        give_back(w, &slip, &[back(0), back(2), back(3)]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["failed_final", "paid", "failed_final", "returned"]);
        w.state(SPLIT, "2019-03-18", closing, &[credit(slip.orders[3].fen, &name, "退票")]);
        w.settle_at("2019-03-19", "09:00:00").await;
        assert_eq!(w.states("B").await, ["failed_final", "paid", "failed_final", "failed_final"]);
        assert_eq!((w.open_breaks().await.len(), w.balance("suspense:correctable").await), (0, lump + slip.orders[3].fen));
        w.books_hold().await;
    })
    .await;
}
