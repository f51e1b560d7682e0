//! Two nodes at the same rows at the same moment.

use bankgate::passes::{admit, apply, plan, publish, remedy, seal};
use bankgate::store::sql::Value;

use super::bank::{BUSY, Word};
use super::world::{SPLIT, World, at, draft, on_both};

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

/// Waits until another backend of the database is like this.
pub(super) async fn until_backends(w: &World, like: &str) {
    let sql = format!("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {like}");
    let mut asked = 0;
    while w.int(&sql).await == 0 {
        asked += 1;
        assert!(asked < 1500, "no backend is where {like}");
        w.rows("select cast(pg_sleep(0.02) as text)").await;
    }
}

/// The department releases a list again at the very moment in which the gate sends it back: it is judged again.
#[tokio::test]
async fn a_list_released_again_while_it_is_being_sent_back_is_taken_again() {
    let mut w = World::on_postgres().await;
    let mut d = draft("B", SPLIT, 0..3);
    d.digest = "another".to_owned();
    w.release(&d).await;
    d.seal();
    let mut department = w.gateway.store.begin().await.unwrap();
    let again = format!("update batch set digest = '{}', released_at = {} where number = 'B'", d.digest, w.now.millis() + 60_000);
    department.exec(sqlx::AssertSqlSafe(again), Vec::<Value>::new()).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let gate = tokio::spawn(async move { admit::admit(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock'").await;
    department.commit().await.unwrap();
    gate.await.unwrap().unwrap();
    assert_eq!(w.states("B").await, vec!["returned"; 3]);
    w.settle().await;
    assert_eq!(w.states("B").await, vec!["sent"; 3]);
    assert_eq!(w.incidents("batch_returned").await, 0);
}

/// What reads a list ahead of what writes it loses its connection in the middle: the list is neither admitted in part nor sent
/// back for the rows that nobody read.
#[tokio::test]
async fn a_list_whose_reader_dies_in_the_middle_is_read_again() {
    let w = World::on_postgres().await;
    let d = draft("B", SPLIT, 0..9000);
    w.fund(d.declared).await;
    w.release(&d).await;
    let mut other = w.gateway.store.begin().await.unwrap();
    other.exec("lock table instruction in share mode", Vec::<Value>::new()).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let gate = tokio::spawn(async move { admit::admit(&node.gateway, now).await });
    // One page waits to be written, one to be taken, and a third is read: the rest is not. Whoever went through the list before this
    // may not have left yet; its reader began after the writer.
    let writes = "wait_event_type = 'Lock' and wait_event = 'relation' and query like '%instruction%'";
    let began = format!("select xact_start from pg_stat_activity where datname = current_database() and {writes}");
    let reader = &format!(
        "query not like '%pg_stat_activity%' and query like '%from payment where batch = $1 and seq > %' and xact_start > ({began})"
    );
    until_backends(&w, writes).await;
    until_backends(&w, reader).await;
    let end = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and {reader}");
    assert_eq!(w.int(&end).await, 1);
    drop(other);
    let ended = gate.await.unwrap();
    assert!(ended.as_ref().is_err_and(bankgate::passes::PassError::is_transient), "{ended:?}");
    assert_eq!(
        w.int("select (select count(*) from instruction) + (select count(*) from admission) + (select count(*) from incident)").await,
        0
    );
    assert_eq!(w.admit().await, 1);
    assert_eq!(w.int("select count(*) from instruction").await, 9000);
}
