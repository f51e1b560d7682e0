//! A payment that comes back in parts, one after another: each is booked, told and settled by itself, up to what was paid.

use bankgate::domain::money::Fen;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::partly::propose_partly;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::report;

use super::bank::{Slip, Word};
use super::cases::who;
use super::reconcile::{credit, debit};
use super::returns::{credit_back, give_all_back, give_back, statement_credit};
use super::world::{SPLIT, World, draft, on_both, reissue};

async fn three_paid(w: &mut World) -> Slip {
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid; 3]);
    w.settle().await;
    slip
}

async fn back_in(w: &mut World, slip: &Slip, fen: i64) {
    give_back(w, slip, &[(1, fen, "退票:账户已销户")]);
    w.settle().await;
    w.books_hold().await;
}

async fn second(w: &World) -> i64 {
    w.int("select instruction from v_payment where batch = 'B' and seq = 2").await
}

/// Parts with where they stand, how much stands as paid or came back last, suspense, entries.
async fn stands(w: &World) -> (Vec<String>, i64, i64, i64) {
    (
        w.texts("select part || ' ' || state || ' ' || amount_fen from remainder order by part").await,
        w.int("select coalesce(max(amount_fen), 0) from instruction_state where state = 'paid'").await,
        w.balance("suspense:correctable").await,
        w.int("select count(*) from entry where kind = 'return'").await,
    )
}

async fn over_returned(w: &World) -> i64 {
    w.int("select count(*) from incident where state = 'open' and key like 'return_part:%'").await
}

#[tokio::test]
async fn i5_a_payment_comes_back_in_parts_and_each_is_booked_told_and_settled_up_to_its_amount() {
    on_both(async |w| {
        let slip = three_paid(w).await;
        let whole = slip.orders[1].fen;
        back_in(w, &slip, 4_000).await;
        back_in(w, &slip, 3_000).await;
        let two = ["1 failed_final 4000", "2 failed_final 3000"].map(str::to_owned).to_vec();
        assert_eq!(stands(w).await, (two.clone(), whole - 7_000, 7_000, 2));
        // Said again, each is the same; more than is left is nobody's, and told once.
        back_in(w, &slip, 4_000).await;
        back_in(w, &slip, 3_000).await;
        back_in(w, &slip, whole).await;
        assert_eq!((stands(w).await, over_returned(w).await), ((two.clone(), whole - 7_000, 7_000, 2), 1));
        back_in(w, &slip, whole).await;
        assert_eq!(over_returned(w).await, 1);
        // The last part is all that is left: now nothing stands as paid.
        back_in(w, &slip, whole - 7_000).await;
        assert_eq!((w.states("B").await[1].as_str(), stands(w).await), ("failed_final", (two, 0, whole, 3)));
        assert_eq!(
            w.texts("select kind || ' ' || part || ' ' || amount_fen from failure_case where state = 'open' order by kind, part").await,
            ["partial 1 4000".to_owned(), "partial 2 3000".to_owned(), format!("returned 0 {}", whole - 7_000)]
        );
        w.now = w.now.plus_minutes(60 * 24);
        report::report(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.int("select count(*) from failure_case where mail is null and state = 'open'").await, 0, "each is told");
        // One is paid again, one goes back to the treasury, one is corrected later: by itself each, and once.
        let case = w.int("select id from failure_case where kind = 'partial' and part = 2").await;
        let (proposal, _) = propose(&w.gateway, &who("zhang"), case, Wish::Cancel("全家迁出，不再享受"), w.now).await.unwrap();
        approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!((w.balance("suspense:ineligible").await, w.balance("suspense:correctable").await), (3_000, whole - 3_000));
        w.books_hold().await;
        for (number, fen, admitted) in [("R1", 4_000, 1), ("R2", whole - 7_000, 1), ("R3", 4_000, 0), ("R4", 3_001, 0)] {
            let mut again = reissue(number, SPLIT, &[(1, slip.orders[1].reference.clone())]);
            again.rows[0].amount = Fen::new(fen);
            again.seal();
            w.release(&again).await;
            w.admit().await;
            let count = w.int(&format!("select count(*) from instruction where batch = '{number}'")).await;
            assert_eq!(count, admitted, "{number} {:?}", w.refusals().await);
            w.books_hold().await;
        }
        w.settle_at("2019-03-18", "09:00:00").await;
        w.cases_pass().await;
        for slip in w.take(SPLIT) {
            w.answer(&slip, &[Word::Paid]);
        }
        w.settle().await;
        w.cases_pass().await;
        assert_eq!(
            w.texts("select kind || ' ' || part || ' ' || state from failure_case where kind in ('partial', 'returned') order by 1").await,
            ["partial 1 closed", "partial 2 open", "returned 0 closed"]
        );
        assert_eq!((w.balance("suspense:ineligible").await, w.balance("suspense:correctable").await), (3_000, 0));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i5_parts_that_come_back_before_their_success_wait_for_it_all() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        let whole = slip.orders[1].fen;
        // Both in one file, too; a third that nothing tells from the first is a question.
        give_back(w, &slip, &[(1, 4_000, "退票"), (1, whole - 4_000, "退票")]);
        w.settle().await;
        assert_eq!((stands(w).await.3, w.states("B").await), (0, vec!["sent".to_owned(); 3]));
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        assert_eq!((w.balance("suspense:correctable").await, over_returned(w).await), (whole, 0));
        w.books_hold().await;
        give_back(w, &slip, &[(2, 1_000, "退票"), (2, 1_000, "退票")]);
        w.settle().await;
        assert_eq!((w.int("select count(*) from file_in where state = 'quarantined'").await, w.states("B").await[2].as_str()), (1, "paid"));
    })
    .await;
}

#[tokio::test]
async fn i5_two_credits_of_just_so_much_are_two_returns_and_a_third_that_is_too_much_is_a_break() {
    on_both(async |w| {
        let slip = three_paid(w).await;
        let (whole, reference) = (slip.orders[1].fen, slip.orders[1].reference.clone());
        let paid: i64 = slip.orders.iter().map(|o| o.fen).sum();
        back_in(w, &slip, 4_000).await;
        let entries = [
            debit(paid, &w.texts("select name from file_out").await[0], "代发"),
            credit(4_000, &reference, "退票"),
            credit(4_000, &reference, "退票"),
            credit(4_000, &reference, "退票"),
        ];
        w.state(SPLIT, "2019-03-14", 100_000_000, &entries);
        w.settle_at("2019-03-15", "09:00:00").await;
        let two = ["1 failed_final 4000", "2 failed_final 4000"].map(str::to_owned).to_vec();
        assert_eq!(stands(w).await, (two.clone(), whole - 8_000, 8_000, 2));
        assert_eq!(w.texts("select kind from break_item where state = 'open'").await, ["missing_here"]);
        // Whatever the file says again of them, they are these two.
        back_in(w, &slip, 4_000).await;
        assert_eq!(stands(w).await, (two, whole - 8_000, 8_000, 2));
        let id = second(w).await;
        let shown = statement_credit(w, "2019-03-15", whole - 8_000, &reference).await;
        assert!(credit_back(w, id, whole - 8_000, shown).await);
        assert!(credit_back(w, id, whole - 8_000, shown).await, "the same credit again");
        w.settle().await;
        assert_eq!((w.states("B").await[1].as_str(), w.balance("suspense:correctable").await), ("failed_final", whole));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn what_remains_is_final_once_its_money_is_seen_where_the_bank_debits_for_everything() {
    on_both(async |w| {
        w.sql("update agreement set debit_model = 'gross'").await;
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
        w.settle().await;
        let (id, reference) = (second(w).await, slip.orders[1].reference.clone());
        let paid = slip.orders[1].fen - 4_000;
        let (proposal, _) = propose_partly(&w.gateway, &who("chief"), id, Fen::new(paid), "letter 12", w.now).await.unwrap();
        approve(&w.gateway, &who("bureau"), proposal, w.now).await.unwrap();
        back_in(w, &slip, 1_500).await;
        let waiting = ["1 failed 4000", "2 failed 1500"].map(str::to_owned).to_vec();
        assert_eq!(stands(w).await, (waiting.clone(), paid - 1_500, 5_500, 1));
        // Nothing pays it again while the bank may still have the money.
        let mut again = reissue("R", SPLIT, &[(1, reference.clone())]);
        again.rows[0].amount = Fen::new(4_000);
        again.seal();
        w.release(&again).await;
        w.settle().await;
        assert_eq!((w.int("select count(*) from instruction where batch = 'R'").await, stands(w).await.0), (0, waiting));
        // What was never paid and what came back are told apart by their amounts: neither is a third return.
        let unpaid = statement_credit(w, "2019-03-15", 4_000, &reference).await;
        assert!(!credit_back(w, id, 4_000, unpaid).await, "while another amount is to come, this is a question");
        let back = statement_credit(w, "2019-03-15", 1_500, &reference).await;
        assert!(credit_back(w, id, 1_500, back).await && credit_back(w, id, 4_000, unpaid).await);
        w.settle().await;
        let last = ["1 failed_final 4000", "2 failed_final 1500"].map(str::to_owned).to_vec();
        assert_eq!(stands(w).await, (last, paid - 1_500, 5_500, 1));
        w.books_hold().await;
        give_all_back(w, &slip, 0, "退票");
        w.settle().await;
        assert_eq!(w.states("B").await[0], "returned", "and so it is with a whole one");
    })
    .await;
}

#[tokio::test]
async fn i5_a_success_and_the_parts_that_came_back_end_alike_in_every_order() {
    const WORDS: usize = 4;
    let orders: Vec<Vec<usize>> = (0..WORDS.pow(4))
        .map(|n| (0..4).map(|at| n / WORDS.pow(at) % WORDS).collect::<Vec<_>>())
        .filter(|order| (0..WORDS).all(|word| order.contains(&word)))
        .collect();
    assert_eq!(orders.len(), 24);
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 1..=orders.len())).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        for tick in 0..WORDS {
            let said = |word: usize| (0..orders.len()).filter(|line| orders[*line][tick] == word).collect::<Vec<_>>();
            let parts = |line: usize| [4_000, 3_000, slip.orders[line].fen - 7_000];
            let mut back: Vec<(usize, i64, &str)> = Vec::new();
            for word in 1..WORDS {
                back.extend(said(word).into_iter().map(|line| (line, parts(line)[word - 1], "退票")));
            }
            give_back(w, &slip, &back);
            w.poll(&slip, &said(0).into_iter().map(|line| (line, Word::Paid)).collect::<Vec<_>>());
            w.settle().await;
            w.books_hold().await;
            // Said again the next day, it is nothing new.
            give_back(w, &slip, &back[..3]);
            w.settle().await;
            w.books_hold().await;
        }
        let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
        assert_eq!((w.balance("suspense:correctable").await, w.balance("paid").await, over_returned(w).await), (total, 0, 0));
        assert_eq!(w.states("B").await, vec!["failed_final"; orders.len()]);
        let each = "select count(*) from (select instruction_id from failure_case where kind in ('partial', 'returned') and state = 'open' \
                    group by instruction_id having count(*) = 3 and sum(amount_fen) = (select i.amount_fen from instruction i where i.id = instruction_id)) x";
        assert_eq!(w.int(each).await, 24, "each is told three times, of all its money");
    })
    .await;
}
