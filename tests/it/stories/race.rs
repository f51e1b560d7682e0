//! Two nodes at the same rows at the same moment.

use bankgate::passes::{apply, plan, publish, remedy, seal};

use super::bank::{BUSY, Word};
use super::world::{SPLIT, at, draft, on_both};

#[tokio::test]
async fn i6_q4_a_late_success_and_the_plan_of_its_retry_never_both_win() {
    on_both(async |w| {
        w.polls(SPLIT);
        for round in 0..6_u32 {
            let batch = format!("B{round}");
            let first = usize::try_from(round).unwrap() * 10;
            w.now = at(&format!("2019-04-{:02}", 8 + round % 3), "09:00:00");
            w.release(&draft(&batch, SPLIT, first..first + 4)).await;
            w.settle().await;
            let slip = w.take(SPLIT).into_iter().find(|s| s.orders.len() == 4).unwrap();
            w.answer(&slip, &[BUSY; 4]);
            w.settle().await;
            w.poll(&slip, &[(0, Word::Paid), (2, Word::Paid)]);
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(2);
            w.collect(SPLIT).await;
            bankgate::passes::stage::stage(&w.gateway, w.now).await.unwrap();
            w.now = at(&format!("2019-04-{:02}", 9 + round % 3), "09:00:00");
            let (one, two, now) = (w.another_node(), w.another_node(), w.now);
            let lease = w.lease(SPLIT).await;
            let planning = tokio::spawn(async move {
                let planned = plan::plan(&one.gateway, SPLIT, now).await;
                let sealed = seal::seal(&one.gateway, SPLIT, now).await;
                let out = publish::publish(&one.gateway, SPLIT, &lease, now).await;
                [planned, sealed, out]
            });
            let applying = tokio::spawn(async move {
                if round % 2 == 1 {
                    tokio::task::yield_now().await;
                }
                let applied = apply::apply(&two.gateway, now).await;
                let after = remedy::remedy(&two.gateway, now).await;
                [applied, after]
            });
            for ended in planning.await.unwrap().into_iter().chain(applying.await.unwrap()) {
                assert!(ended.as_ref().map_or_else(bankgate::passes::PassError::is_transient, |_| true), "{ended:?}");
            }
            w.audit("a race").await;
            w.settle().await;
            // Either the retry was stopped, or a person was told that it is out.
            let sql = format!(
                "select count(*) from v_instruction v where v.batch = '{batch}' and v.attempt = 1 and (v.state = 'conflict' or exists \
                 (select 1 from failure_case c where c.instruction_id = v.id and c.kind = 'double_payment_suspected'))"
            );
            assert_eq!(w.int(&sql).await, 2, "round {round}: {:?} {:?}", w.attempts(&batch).await, w.answers().await);
            w.take(SPLIT);
        }
    })
    .await;
}

/// Staged and proven by both nodes; the one that comes second proves anew, finds it applied, and changes nothing.
#[tokio::test]
async fn q10_two_nodes_that_apply_one_answer_count_it_once() {
    on_both(async |w| {
        for round in 0..6_usize {
            let batch = format!("B{round}");
            w.release(&draft(&batch, SPLIT, round * 10..round * 10 + 4)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            w.answer(&slip, &[Word::Paid, BUSY, Word::Paid, BUSY]);
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(2);
            w.collect(SPLIT).await;
            bankgate::passes::stage::stage(&w.gateway, w.now).await.unwrap();
            let (one, two, now) = (w.another_node(), w.another_node(), w.now);
            let (a, b) = tokio::join!(
                tokio::spawn(async move { apply::apply(&one.gateway, now).await }),
                tokio::spawn(async move { apply::apply(&two.gateway, now).await })
            );
            for ended in [a.unwrap(), b.unwrap()] {
                assert!(ended.as_ref().map_or_else(bankgate::passes::PassError::is_transient, |_| true), "{ended:?}");
            }
            apply::apply(&w.gateway, w.now).await.unwrap();
            assert_eq!(w.states(&batch).await, ["paid", "failed", "paid", "failed"], "round {round}");
            let entries = format!("select count(*) from entry where kind = 'pay' and batch = '{batch}'");
            assert_eq!(w.int(&entries).await, 1, "round {round}");
            w.audit("two applied it").await;
            w.settle().await;
        }
        w.books_hold().await;
    })
    .await;
}
