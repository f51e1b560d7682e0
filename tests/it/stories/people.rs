//! One person under two numbers: wrong ones that are corrected, and an X that is printed small. Paid once, whichever way comes first.

use bankgate::domain::masked::IdNumber;
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::passes::admit;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::propose::approve;

use super::bank::{LOST, Word};
use super::cases::who;
use super::race::until_backends;
use super::world::{Draft, SPLIT, World, at, draft, id_number, on_both, reissue};

/// A list names somebody by a wrong number (that of person 0) and by his own (person 1); the bank refuses both. Says by which
/// references.
async fn listed_twice_and_refused(w: &mut World) -> [String; 2] {
    w.release(&draft("B", SPLIT, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[LOST, LOST]);
    w.settle().await;
    assert_eq!(w.states("B").await, ["failed_final", "failed_final"]);
    [slip.orders[0].reference.clone(), slip.orders[1].reference.clone()]
}

/// A list names person 1 by the number of person 0, and the bank refuses that. Says by which reference.
async fn listed_by_a_wrong_number(w: &mut World) -> String {
    w.release(&draft("B", SPLIT, 0..1)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[LOST]);
    w.settle().await;
    slip.orders[0].reference.clone()
}

/// A correction of what was listed under a wrong number (that of person 0) into person 1: the amount is the listed one.
fn corrected(number: &str, wrong: &str) -> Draft {
    let mut d = reissue(number, SPLIT, &[(1, wrong.to_owned())]);
    d.rows[0].amount = draft("", SPLIT, 0..1).rows[0].amount;
    d.seal();
    d
}

async fn paid(w: &mut World) -> usize {
    let mut orders = 0;
    for slip in w.take(SPLIT) {
        orders += slip.orders.len();
        w.answer(&slip, &vec![Word::Paid; slip.orders.len()]);
    }
    w.settle().await;
    orders
}

#[tokio::test]
async fn q2_a_corrected_number_and_the_persons_own_failure_are_not_both_paid_again() {
    on_both(async |w| {
        let [wrong, own] = listed_twice_and_refused(w).await;
        w.release(&corrected("R", &wrong)).await;
        w.settle().await;
        w.release(&reissue("S", SPLIT, &[(1, own)])).await;
        w.settle().await;
        assert_eq!((w.states("R").await, w.states("S").await), (vec!["sent".to_owned()], vec!["rejected".to_owned()]));
        assert_eq!(w.texts("select reason from failure_case where kind = 'rejected'").await, ["DUP_BENEFIT"]);
        assert_eq!(paid(w).await, 1);
    })
    .await;
}

#[tokio::test]
async fn q2_one_batch_that_corrects_two_rows_into_one_person_pays_the_first() {
    on_both(async |w| {
        let [wrong, own] = listed_twice_and_refused(w).await;
        let mut both = reissue("R", SPLIT, &[(1, wrong.clone()), (1, own)]);
        both.rows[0].amount = corrected("", &wrong).rows[0].amount;
        both.seal();
        w.release(&both).await;
        w.settle().await;
        assert_eq!(w.states("R").await, ["sent", "rejected"]);
        assert_eq!(w.texts("select reason from failure_case where kind = 'rejected'").await, ["DUP_IN_BATCH"]);
        assert_eq!(paid(w).await, 1);
    })
    .await;
}

/// The channel before this one had paid him by his own number.
#[tokio::test]
async fn o1_a_corrected_number_that_the_channel_before_has_paid_is_refused() {
    on_both(async |w| {
        let wrong = listed_by_a_wrong_number(w).await;
        crate::switch::paid_before(w, &[1]).await;
        w.release(&corrected("R", &wrong)).await;
        w.settle().await;
        assert_eq!(w.refusals().await, ["DUP_BENEFIT: 已由原渠道于2019-03-08发放（旧系统第2行）"]);
        assert_eq!(paid(w).await, 0);
    })
    .await;
}

/// The other way round: the correction was there first, and whoever brings what the channel before has paid is told.
#[tokio::test]
async fn o1_whom_a_correction_pays_already_is_told_of_when_the_channel_before_has_paid_him() {
    on_both(async |w| {
        let wrong = listed_by_a_wrong_number(w).await;
        w.release(&corrected("R", &wrong)).await;
        w.settle().await;
        assert_eq!(w.states("R").await, ["sent"]);
        crate::switch::paid_before(w, &[1, 2]).await;
        assert_eq!(w.incidents("paid_both_ways").await, 1);
        let told = w.texts("select what from incident where kind = 'paid_both_ways'").await.remove(0);
        assert!(told.contains("有1笔") && told.contains("首笔在第2行"), "of one, and not of the other: {told}");
    })
    .await;
}

/// His own failure succeeds after all while the correction waits for tomorrow: that one is taken out.
#[tokio::test]
async fn i6_a_late_success_stops_the_correction_that_pays_the_same_person() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, LOST]);
        w.settle().await;
        w.now = at("2019-03-14", "17:00:00");
        w.release(&corrected("R", &slip.orders[0].reference)).await;
        w.settle().await;
        assert_eq!(w.states("R").await, ["pending"]);
        w.poll(&slip, &[(0, LOST), (1, Word::Paid)]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["rejected"], "he has it");
        w.settle_at("2019-03-15", "09:00:00").await;
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}

/// Whoever reads a list before a correction is on the books, and is done with it behind that, sees it.
#[tokio::test]
async fn q2_a_list_and_a_correction_at_the_same_moment_do_not_pass_each_other_unseen() {
    let mut w = World::on_postgres().await;
    let wrong = listed_by_a_wrong_number(&mut w).await;
    w.release(&corrected("R", &wrong)).await;
    // Both come as far as the last look, and wait there for the same row.
    let mut gate = w.gateway.store.begin().await.unwrap();
    gate.lock_switch().await.unwrap();
    let begin = |node: World, now| tokio::spawn(async move { admit::admit(&node.gateway, now).await });
    let correction = begin(w.another_node(), w.now);
    until_backends(&w, "wait_event_type = 'Lock' and query like '%counter%'").await;
    w.release(&draft("A", SPLIT, 1..2)).await;
    w.sql("update batch set released_at = 1 where number = 'A'").await;
    w.sql("update at_gate set released_at = 1 where batch = 'A'").await;
    let list = begin(w.another_node(), w.now);
    let both = "(select count(*) from pg_stat_activity a where a.datname = current_database() and a.wait_event_type = 'Lock' and a.query like '%counter%') = 2";
    until_backends(&w, both).await;
    gate.commit().await.unwrap();
    correction.await.unwrap().unwrap();
    list.await.unwrap().unwrap();
    w.settle().await;
    let mut states = [w.states("A").await.remove(0), w.states("R").await.remove(0)];
    states.sort_unstable();
    assert_eq!(
        (states, w.texts("select reason from failure_case where kind = 'rejected'").await),
        (["rejected", "sent"].map(str::to_owned), vec!["DUP_BENEFIT".to_owned()])
    );
    assert_eq!(paid(&mut w).await, 1);
}

/// A correction that lay approved when two persons decided that nothing will be paid is refused, until they rule otherwise.
#[tokio::test]
async fn q2_what_two_persons_cancelled_no_correction_pays() {
    on_both(async |w| {
        let [wrong, own] = listed_twice_and_refused(w).await;
        for (case, wish) in
            [(1, Wish::Cancel("全家迁出")), (2, Wish::Cancel("全家迁出")), (2, Wish::Reclassify(Reason::NameMismatch, "证明有误"))]
        {
            let (proposal, _) = propose(&w.gateway, &who("zhang"), case, wish, w.now).await.unwrap();
            approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
        }
        w.release(&reissue("R", SPLIT, &[(0, wrong), (1, own)])).await;
        w.settle().await;
        assert_eq!(w.states("R").await, ["rejected", "sent"]);
        assert!(w.refusals().await[0].contains("已由两人决定不再发放"), "{:?}", w.refusals().await);
    })
    .await;
}

/// Somebody whose number ends in X, and a list that prints it small.
fn small_x(number: &str) -> (usize, Draft) {
    let who = (0..).find(|who| id_number(*who).ends_with('X')).unwrap();
    let mut d = draft(number, SPLIT, [who, who + 1]);
    let small = IdNumber::new(id_number(who).to_lowercase());
    (d.rows[0].entitled_id, d.rows[0].payee_id) = (small.clone(), small);
    d.seal();
    (who, d)
}

#[tokio::test]
async fn r4_who_may_not_be_paid_is_known_by_a_small_x_too() {
    on_both(async |w| {
        // At the gate.
        let (whom, d) = small_x("B");
        w.exclude(whom).await;
        w.release(&d).await;
        w.settle().await;
        assert_eq!(w.states("B").await, ["rejected", "sent"]);
        w.sql("delete from ineligible").await;
        // Before the file is made.
        let (_, mut d) = small_x("C");
        d.period = "2019-04".to_owned();
        w.release(&d).await;
        w.admit().await;
        w.exclude(whom).await;
        w.settle().await;
        assert_eq!(w.states("C").await, ["rejected", "sent"]);
        w.sql("delete from ineligible").await;
        // And after he was paid: it is asked back.
        let (_, mut d) = small_x("D");
        d.period = "2019-05".to_owned();
        w.release(&d).await;
        w.settle().await;
        assert_eq!(paid(w).await, 4);
        w.exclude(whom).await;
        w.cases_pass().await;
        assert_eq!(w.cases("recovery").await, 1);
    })
    .await;
}

/// The number that a correction gives is the person's, whichever X the other list has.
#[tokio::test]
async fn q2_a_small_x_is_no_other_person() {
    on_both(async |w| {
        let (whom, d) = small_x("B");
        w.release(&d).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, LOST]);
        w.settle().await;
        let mut d = reissue("R", SPLIT, &[(whom, slip.orders[1].reference.clone())]);
        d.rows[0].amount = Fen::new(slip.orders[1].fen);
        d.seal();
        w.release(&d).await;
        w.settle().await;
        assert_eq!(w.texts("select reason from failure_case where kind = 'rejected'").await, ["DUP_BENEFIT"]);
    })
    .await;
}
