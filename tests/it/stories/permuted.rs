//! Everything that may be said of one payment that was credited and came back, in each order that there is: by polls, by a
//! file of returns, by the lines of real statements, and by the file's own ack.

use std::collections::BTreeSet;

use super::bank::{LOST, Word};
use super::reconcile::{Entry, credit, debit};
use super::returns::give_back;
use super::world::{SPLIT, at, draft, on_both};

/// A word, by its number: a poll of success, a poll of failure, a file of returns, the debit's line, the credit's line.
const WORDS: usize = 5;

/// Every order of `0..of`.
fn orders(of: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for word in 0..of {
        let longer = |order: &Vec<usize>| (0..=order.len()).map(|at| [&order[..at], &[word], &order[at..]].concat()).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[tokio::test]
async fn i5_i7_success_failure_return_and_both_lines_of_the_statement_end_alike_in_every_order() {
    // Each order of all five, and each order of the four without the file of returns.
    let mut orders = orders(WORDS);
    let four: BTreeSet<Vec<usize>> = orders.iter().map(|order| order.iter().copied().filter(|word| *word != 2).collect()).collect();
    orders.extend(four);
    assert_eq!(orders.len(), 144);
    on_both(async |w| {
        super::acts::ready(w).await;
        w.release(&draft("B", SPLIT, 1..=orders.len())).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        let mut day = w.gateway.today(w.now);
        let mut balance = 50_000_000;
        for tick in 0..WORDS {
            let said = |word: usize| (0..orders.len()).filter(|line| orders[*line].get(tick) == Some(&word)).collect::<Vec<_>>();
            w.poll(
                &slip,
                &said(0).into_iter().map(|line| (line, Word::Paid)).chain(said(1).into_iter().map(|line| (line, LOST))).collect::<Vec<_>>(),
            );
            give_back(w, &slip, &said(2).into_iter().map(|line| (line, slip.orders[line].fen, "退票")).collect::<Vec<_>>());
            let order = |line: usize| &slip.orders[line];
            let mut entries: Vec<Entry> = said(3).into_iter().map(|line| debit(order(line).fen, &order(line).reference, "代发")).collect();
            entries.extend(said(4).into_iter().map(|line| credit(order(line).fen, &order(line).reference, "退票:账户已销户")));
            balance = w.state(SPLIT, &day.to_string(), balance, &entries);
            if tick == 2 {
                super::acts::acknowledge(w, &slip);
            }
            day = w.gateway.calendar.add_working_days(day, 1).unwrap();
            w.settle_at(&day.to_string(), "09:00:00").await;
            w.books_hold().await;
        }
        let states = w.states("B").await;
        let odd: Vec<_> = orders.iter().zip(&states).filter(|(_, state)| *state != "failed_final").collect();
        assert!(odd.is_empty(), "{} of {}: {odd:?}", odd.len(), orders.len());
        let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
        assert_eq!((w.balance("suspense:correctable").await, w.balance("paid").await), (total, 0));
        assert_eq!(w.open_breaks().await, Vec::<String>::new());
        for back in 1..=WORDS {
            let on =
                w.gateway.calendar.add_working_days(w.gateway.today(at("2019-03-13", "10:00:00")), u32::try_from(back).unwrap()).unwrap();
            assert_eq!(
                (w.verdict(SPLIT, &on.to_string()).await.as_str(), w.residual(SPLIT, &on.to_string()).await),
                ("RECONCILED", 0),
                "{on}"
            );
        }
    })
    .await;
}
