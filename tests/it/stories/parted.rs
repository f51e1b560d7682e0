//! What is paid in part, and what remains: corrected, reclassified, cancelled and paid again like any other failure, beside
//! the part that was paid, which may come back and be paid again too.

use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::correct::Verdict;
use bankgate::passes::operate::partly::propose_partly;
use bankgate::passes::operate::propose::approve;

use super::bank::{Slip, Word};
use super::cases::who;
use super::returns::give_back;
use super::world::{SPLIT, World, draft, on_both, reissue};

/// Three were paid; of the second forty yuan came back.
async fn forty_of_the_second_came_back(w: &mut World) -> Slip {
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid; 3]);
    w.settle().await;
    give_back(w, &slip, &[(1, 4_000, "退票:户名不符")]);
    w.settle().await;
    assert_eq!(w.texts("select state || ' ' || class from remainder").await, ["failed_final CD"]);
    w.books_hold().await;
    slip
}

/// Of the second two persons settled that all but forty yuan were paid; then that came back too.
async fn what_was_paid_of_the_second_came_back_too(w: &mut World) -> Slip {
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
    w.settle().await;
    let id = w.int("select instruction from v_payment where batch = 'B' and seq = 2").await;
    let paid = slip.orders[1].fen - 4_000;
    let (proposal, _) = propose_partly(&w.gateway, &who("chief"), id, Fen::new(paid), "letter 12", w.now).await.unwrap();
    approve(&w.gateway, &who("bureau"), proposal, w.now).await.unwrap();
    w.settle().await;
    w.books_hold().await;
    give_back(w, &slip, &[(1, paid, "退票:户名不符")]);
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
    assert_eq!(w.texts("select kind || ' ' || state from failure_case order by kind").await, ["partial open", "returned open"]);
    w.books_hold().await;
    slip
}

#[tokio::test]
async fn r2_what_remains_of_a_partly_paid_payment_is_corrected_by_workbook_and_paid_once() {
    on_both(async |w| {
        forty_of_the_second_came_back(w).await;
        let mut sheets = w.workbook().await;
        assert_eq!(["支付编号", "金额（元）"].map(|title| sheets.cell(0, title).clone()), ["B-000002", "40"]);
        *sheets.cell(0, "更正卡号") = "6217001234599999999".to_owned();
        let taken = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert_eq!((taken.count(Verdict::Accepted), taken.batches[0].total), (1, Fen::new(4_000)), "{taken:?}");
        let batch = taken.batches[0].number.clone();
        *sheets.cell(0, "备注") = "又一次".to_owned();
        let again = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(again.rows[0].verdict == Verdict::Refused && again.rows[0].words.contains(&batch), "{again:?}");

        w.settle_at("2019-03-15", "09:00:00").await;
        w.hands(&batch).await;
        w.settle().await;
        w.cases_pass().await;
        w.books_hold().await;
        let slip = w.take_one(SPLIT);
        assert_eq!((slip.orders.len(), slip.orders[0].fen), (1, 4_000), "just what remains");
        *sheets.cell(0, "备注") = "第三次".to_owned();
        let late = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(late.rows[0].words.contains("重新发放"), "{late:?}");
        w.answer(&slip, &[Word::Paid]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.case_of("partial").await.2.as_str(), w.balance("suspense:correctable").await), ("reissued", 0));
        assert_eq!((w.states("B").await, w.states(&batch).await), (vec!["paid".to_owned(); 3], vec!["paid".to_owned()]));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn what_remains_is_reclassified_or_cancelled_by_two_persons_and_what_was_paid_stays() {
    on_both(async |w| {
        forty_of_the_second_came_back(w).await;
        w.cases_pass().await;
        let (id, ..) = w.case_of("partial").await;
        let paid = w.balance("paid").await;
        let lies = async |w: &World| (w.balance("suspense:correctable").await, w.balance("suspense:ineligible").await);
        for (wish, end) in [
            (Wish::Reclassify(Reason::Deceased, "死亡证明2019-07"), (0, 4_000)),
            (Wish::Reclassify(Reason::NameMismatch, "证明有误，本人健在"), (4_000, 0)),
            (Wish::Cancel("全家迁出，不再享受"), (0, 4_000)),
        ] {
            let (proposal, effect) = propose(&w.gateway, &who("zhang"), id, wish, w.now).await.unwrap();
            assert!(effect.contains("40.00 yuan, failed_final"), "{effect}");
            assert!(approve(&w.gateway, &who("li"), proposal.unwrap(), w.now).await.is_err(), "a department does not approve it");
            approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
            assert_eq!((lies(w).await, w.balance("paid").await), (end, paid), "{wish:?}");
            w.audit("an approval").await;
            w.books_hold().await;
        }
        assert_eq!((w.states("B").await, w.case_of("partial").await.1), (vec!["paid".to_owned(); 3], "open".to_owned()));
        let mut sheets = w.workbook().await;
        *sheets.cell(0, "更正卡号") = "6217001234599999999".to_owned();
        let refused = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(refused.rows[0].words.contains("改判"), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn both_parts_of_a_payment_come_back_and_are_paid_again_beside_each_other() {
    on_both(async |w| {
        let slip = what_was_paid_of_the_second_came_back_too(w).await;
        let reference = slip.orders[1].reference.clone();
        let sixty = slip.orders[1].fen - 4_000;
        // The whole of it is not what may be paid again, nor more than once.
        for (number, fen, admitted) in
            [("R1", slip.orders[1].fen, 0), ("R2", sixty, 1), ("R3", 4_000, 1), ("R4", sixty, 0), ("R5", 4_000, 0)]
        {
            let mut again = reissue(number, SPLIT, &[(1, reference.clone())]);
            again.rows[0].amount = Fen::new(fen);
            again.seal();
            w.release(&again).await;
            w.admit().await;
            assert_eq!(
                w.int(&format!("select count(*) from instruction where batch = '{number}'")).await,
                admitted,
                "{number} {:?}",
                w.refusals().await
            );
            w.books_hold().await;
        }
        w.settle().await;
        w.cases_pass().await;
        w.books_hold().await;
        let slips = w.take(SPLIT);
        assert_eq!(slips.iter().flat_map(|s| &s.orders).map(|o| o.fen).sum::<i64>(), slip.orders[1].fen);
        for slip in &slips {
            w.answer(slip, &[Word::Paid]);
        }
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.states("R2").await, w.states("R3").await), (vec!["paid".to_owned()], vec!["paid".to_owned()]));
        assert_eq!(w.texts("select distinct closed_as from failure_case where kind in ('partial', 'returned')").await, ["reissued"]);
        assert_eq!(
            (w.balance("suspense:correctable").await, w.states("B").await),
            (0, ["paid", "reissued", "paid"].map(str::to_owned).to_vec())
        );
        w.books_hold().await;
    })
    .await;
}
