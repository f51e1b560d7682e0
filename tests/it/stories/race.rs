//! Two nodes at the same rows at the same moment.

use bankgate::clock::{Since, Stopwatch};
use bankgate::domain::exchange::StatementHead;
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::masked::Account;
use bankgate::domain::matching::{How, MatchKind};
use bankgate::domain::money::Fen;
use bankgate::domain::refund::Why;
use bankgate::domain::statement::EntriesSum;
use bankgate::passes::close::close_year;
use bankgate::passes::operate::case::{Wish, propose};
use bankgate::passes::operate::choose::propose_choice;
use bankgate::passes::operate::guard::propose_release;
use bankgate::passes::operate::matching::propose_match;
use bankgate::passes::operate::partly::propose_partly;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::refund::cancel;
use bankgate::passes::refund::{Proof, seen};
use bankgate::passes::{admit, apply, cases, plan, publish, remedy, seal};
use bankgate::store::closing::Which;
use bankgate::store::sql::{Tx, Value};
use bankgate::store::statements::{NewMatch, PayerAccount};

use super::bank::{BUSY, LOST, Word};
use super::cases::who;
use super::reconcile::{credit, debit};
use super::refund::{agree, ask, one_is_out, one_of_each, take_orders};
use super::rests::parted;
use super::returns::give_back;
use super::stuck::{person, the_file};
use super::suspected::{paid_again, taken_in};
use super::world::{SPLIT, World, at, draft, id_number, on_both, reissue};

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
                let out = publish::publish(&one.gateway, SPLIT, &lease, now, Since::Still).await;
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

/// A reconciliation has taken the account, as each does before it looks at a line.
async fn the_account_is_looked_at(w: &World) -> Tx {
    let of = PayerAccount { bank: SPLIT.to_owned(), account: "510601012345678901".to_owned(), is_cash: false };
    let mut tx = w.gateway.store.begin().await.unwrap();
    tx.mark_account(&of, "").await.unwrap();
    tx
}

/// Another person approves, on another node. Says whether it was refused.
fn refused_elsewhere(w: &World, proposal: i64) -> tokio::task::JoinHandle<bool> {
    let (node, now) = (w.another_node(), w.now);
    tokio::spawn(async move { approve(&node.gateway, &who("chief"), proposal, now).await.is_err_and(|e| !e.is_transient()) })
}

#[tokio::test]
async fn a_line_that_is_booked_while_a_statement_without_it_is_chosen_is_not_overlooked() {
    let mut w = World::on_postgres().await;
    w.release(&draft("B", SPLIT, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid; 2]);
    w.settle().await;
    let (paid, name) = (slip.orders.iter().map(|o| o.fen).sum(), w.file_name().await);
    w.state(SPLIT, "2019-03-14", 50_000_000, &[debit(paid, &name, "代发"), credit(321, "", "转账")]);
    w.settle_at("2019-03-15", "09:00:00").await;
    w.state(SPLIT, "2019-03-14", 50_000_000, &[debit(paid, &name, "代发")]);
    w.settle().await;
    let (proposal, _) = propose_choice(&w.gateway, &who("bureau"), 2, "行函[2019]7号", w.now).await.unwrap();
    let line = w.int("select line from statement_line where statement = 1 and words = '转账'").await;
    let mut looking = the_account_is_looked_at(&w).await;
    let approving = refused_elsewhere(&w, proposal);
    until_backends(&w, "wait_event_type = 'Lock'").await;
    let (at, kind, amount) = ((1, line), MatchKind::Funding, Fen::new(321));
    let new = NewMatch { at, kind, subject: 1, amount, how: How::Amount, proposal: None, reason: "" };
    looking.insert_matches(&[new], w.now).await.unwrap();
    looking.commit().await.unwrap();
    assert!(approving.await.unwrap(), "the first has a line by now that was booked and that the second lacks");
    assert_eq!(w.texts("select problems from statement order by id").await, ["", "conflict with statement 1"]);
}

#[tokio::test]
async fn a_refund_that_is_seen_while_two_persons_say_that_another_debit_is_its_own_explains_one() {
    let mut w = World::on_postgres().await;
    let order = one_is_out(&mut w).await;
    let closing = w.state(SPLIT, "2019-03-14", 50_000_000, &[debit(10_000, &w.file_name().await, "代发")]);
    w.state(SPLIT, "2019-03-15", closing, &[debit(10_011, "", "转账"), debit(10_011, "", "转账")]);
    w.settle_at("2019-03-18", "09:00:00").await;
    let reference = EndToEndId(order).to_string();
    let (proposal, _) = propose_match(&w.gateway, &who("bureau"), (2, 3), &reference, "银行3月18日来函", w.now).await.unwrap();
    // A reconciliation finds that the first is the order's, and has not written it down yet.
    let mut looking = the_account_is_looked_at(&w).await;
    assert!(seen(&w.gateway, &mut looking, order, &Proof::Statement { statement: 2, line: 2 }, w.now).await.unwrap());
    let approving = refused_elsewhere(&w, proposal);
    until_backends(&w, "wait_event_type = 'Lock'").await;
    let (at, kind, amount) = ((2, 2), MatchKind::Refund, Fen::new(10_011));
    let new = NewMatch { at, kind, subject: order, amount, how: How::Amount, proposal: None, reason: "" };
    looking.insert_matches(&[new], w.now).await.unwrap();
    looking.commit().await.unwrap();
    assert!(approving.await.unwrap(), "it was debited by now");
    assert_eq!(w.int("select count(*) from statement_match where kind = 'refund'").await, 1);
    w.books_hold().await;
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

/// The platform takes a list back, or corrects its head, while its rows are being read: what it says then counts.
#[tokio::test]
async fn a_list_that_is_taken_back_or_headed_anew_in_the_middle_of_the_gate_is_judged_as_it_stands() {
    for (change, then) in [("released_at = null", "waiting"), ("period = '2019-04'", "sent")] {
        let mut w = World::on_postgres().await;
        w.release(&draft("B", SPLIT, 0..3)).await;
        let mut other = w.gateway.store.begin().await.unwrap();
        other.exec("lock table instruction in share mode", Vec::<Value>::new()).await.unwrap();
        let (node, now) = (w.another_node(), w.now);
        let gate = tokio::spawn(async move { admit::admit(&node.gateway, now).await });
        until_backends(&w, "wait_event_type = 'Lock' and wait_event = 'relation' and query like '%instruction%'").await;
        w.sql(&format!("update batch set {change} where number = 'B'")).await;
        other.commit().await.unwrap();
        gate.await.unwrap().unwrap();
        w.settle().await;
        assert_eq!(w.states("B").await, [then; 3], "{change}");
        if then == "sent" {
            // The claims are those of the period that it has now.
            w.release(&draft("C", SPLIT, 0..1)).await;
            let mut same = draft("D", SPLIT, 1..2);
            same.period = "2019-04".to_owned();
            w.release(&same).await;
            w.settle().await;
            assert_eq!((w.states("C").await, w.states("D").await), (vec!["sent".to_owned()], vec!["rejected".to_owned()]));
        }
    }
}

/// Two persons approve what they saw; while they wait for the file's row, the bank's word on the line is applied.
#[tokio::test]
async fn q4_a_part_that_two_persons_settle_does_not_write_over_the_banks_word() {
    let mut w = World::on_postgres().await;
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
    w.settle().await;
    let id = w.int("select instruction from v_payment where batch = 'B' and seq = 2").await;
    let (proposal, _) = propose_partly(&w.gateway, &person("one"), id, Fen::new(6_000), "letter 12", w.now).await.unwrap();
    let mut word = w.gateway.store.begin().await.unwrap();
    word.exec("update file_out set updated_at = updated_at", Vec::<Value>::new()).await.unwrap();
    word.exec("update instruction_state set state = 'paid', paid_fen = amount_fen where instruction_id = $1", bankgate::args![id])
        .await
        .unwrap();
    let (node, now) = (w.another_node(), w.now);
    let two = tokio::spawn(async move { approve(&node.gateway, &person("other"), proposal, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%file_out%'").await;
    word.commit().await.unwrap();
    let refused = two.await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("paid"), "{refused}");
    assert_eq!(w.int("select count(*) from remainder").await, 0);
}

/// What a node finds forgotten while two persons approve is no part of what they saw.
#[tokio::test]
async fn two_persons_release_publishing_only_from_the_reasons_that_they_saw() {
    let w = World::on_postgres().await;
    let hold = |key: &str| format!("insert into publishing_hold (key, node, why, held_at) values ('{key}', 'n2', 'forgotten', 1)");
    w.sql(&hold("K1")).await;
    let (proposal, _) = propose_release(&w.gateway, &person("one"), "compared with all banks", &[], w.now).await.unwrap();
    let mut look = w.gateway.store.begin().await.unwrap();
    look.lock_looks().await.unwrap();
    look.exec(sqlx::AssertSqlSafe(hold("K2")), Vec::<Value>::new()).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let two = tokio::spawn(async move { approve(&node.gateway, &person("other"), proposal, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%counter%'").await;
    look.commit().await.unwrap();
    assert!(two.await.unwrap().is_err(), "it is held for one reason more");
    assert_eq!(w.int("select count(*) from publishing_hold where released_at is null").await, 2);
}

/// Somebody pauses a bank while a round of many files is under way: what is not out yet stays here.
#[tokio::test]
async fn a_bank_that_is_paused_in_the_middle_of_a_round_gets_no_further_file() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        w.sql(&format!("update bank set mode = 'paused' where code = '{SPLIT}'")).await;
        // The round read the mode before.
        assert_eq!(w.publish(SPLIT).await, 0);
        assert!(w.take(SPLIT).is_empty());
        w.sql(&format!("update bank set mode = 'live' where code = '{SPLIT}'")).await;
        w.settle().await;
        assert_eq!((w.take(SPLIT).len(), w.states("B").await), (1, vec!["sent".to_owned(); 3]));
    })
    .await;
}

/// A round that began in time stands still in the middle of it: what it goes on with behind the cut-off stays here.
#[tokio::test]
async fn t2_a_round_that_is_slow_sends_nothing_behind_the_cutoff() {
    let mut w = World::on_postgres().await;
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.now = at("2019-03-14", "16:29:57");
    w.admit().await;
    w.plan(SPLIT).await;
    w.seal(SPLIT).await;
    let lease = w.lease(SPLIT).await;
    let mut other = w.gateway.store.begin().await.unwrap();
    other.lock_file(the_file(&w).await, w.now).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let publishing =
        tokio::spawn(async move { publish::publish(&node.gateway, SPLIT, &lease, now, Since::Real(Stopwatch::start())).await });
    until_backends(&w, "wait_event_type = 'Lock'").await;
    w.rows("select cast(pg_sleep(3.1) as text)").await;
    other.commit().await.unwrap();
    assert_eq!(publishing.await.unwrap().unwrap().changed, 0);
    assert!((w.files().await == ["uploading"]) && w.take(SPLIT).is_empty());
    w.settle_at("2019-03-15", "09:00:00").await;
    assert_eq!((w.files().await, w.take_one(SPLIT).orders.len()), (vec!["voided".to_owned(), "sent".to_owned()], 3));
}

/// The list of those who may not be paid is written anew while it is compared: the day that it says then is what counts.
#[tokio::test]
async fn r4_who_is_put_on_the_list_from_an_earlier_day_at_that_moment_is_asked_all_of_it_back() {
    let mut w = World::on_postgres().await;
    w.release(&draft("B", SPLIT, 0..1)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid]);
    w.settle().await;
    w.sql(&format!("insert into ineligible (id_number, reason, from_date) values ('{}', 'DECEASED', '2019-06-01')", id_number(0))).await;
    let mut platform = w.gateway.store.begin().await.unwrap();
    platform.exec("update ineligible set from_date = '2019-01-01'", Vec::<Value>::new()).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let compared = tokio::spawn(async move { cases::cases(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%ineligible_news%'").await;
    platform.commit().await.unwrap();
    compared.await.unwrap().unwrap();
    w.cases_pass().await;
    assert_eq!(w.cases("recovery").await, 1);
}

/// A file is planned for a refund, and sealed, while a person gives the refund up: it does not go out.
#[tokio::test]
async fn a_refund_that_is_given_up_while_its_file_is_made_takes_the_file_along() {
    let mut w = World::on_postgres().await;
    one_of_each(&mut w, "refund-pipe-gbk", "quota").await;
    assert_eq!(ask(&w, Why::Ineligible).await.len(), 1);
    agree(&w, "sun").await.unwrap();
    assert_eq!((w.plan(SPLIT).await, w.seal(SPLIT).await), (1, 1));
    // As it was a moment ago, with both steps under way.
    w.sql("update refund_order set file_out = null").await;
    w.sql("update file_out set state = 'planned' where kind = 'refund'").await;
    let (mut planning, mut sealing) = (w.gateway.store.begin().await.unwrap(), w.gateway.store.begin().await.unwrap());
    let plan = "update refund_order set file_out = (select id from file_out where kind = 'refund')";
    assert_eq!(planning.exec(plan, Vec::<Value>::new()).await.unwrap(), 1);
    assert_eq!(sealing.exec("update file_out set state = 'sealed' where kind = 'refund'", Vec::<Value>::new()).await.unwrap(), 1);
    let (node, now) = (w.another_node(), w.now);
    let giving_up = tokio::spawn(async move { cancel(&node.gateway, &who("bureau"), "TK-2019-0001", "国库要求重开", now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%refund_order%'").await;
    planning.commit().await.unwrap();
    until_backends(&w, "wait_event_type = 'Lock' and query like '%file_out set updated_at%'").await;
    sealing.commit().await.unwrap();
    assert!(giving_up.await.unwrap().unwrap().is_none());
    assert_eq!(w.texts("select state from file_out where kind = 'refund'").await, ["voided"]);
    w.settle().await;
    assert_eq!((take_orders(&w).len(), w.texts("select state from refund_order").await), (0, vec!["cancelled".to_owned()]));
    w.books_hold().await;
}

/// The year ends while a correction is at the gate: what it pays again does not lapse, be it a whole payment or what remains of one.
#[tokio::test]
async fn r3_what_is_paid_again_at_the_moment_of_the_years_end_does_not_lapse() {
    the_year_ends_over(&[1]).await;
    the_year_ends_over(&[1, 2]).await;
}

/// Of these lines the first failed, and some of the second came back.
async fn the_year_ends_over(lines: &[usize]) {
    let mut w = World::on_postgres().await;
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
    w.settle().await;
    let rows: Vec<_> = lines.iter().map(|line| (*line, slip.orders[*line].reference.clone())).collect();
    let mut again = reissue("R", SPLIT, &rows);
    let mut fen = slip.orders[1].fen;
    if let Some(part) = again.rows.get_mut(1) {
        give_back(&w, &slip, &[(2, 4_000, "退票:账户已销户")]);
        w.settle().await;
        (part.amount, fen) = (Fen::new(4_000), fen + 4_000);
    }
    again.seal();
    w.now = at("2019-12-25", "17:00:00");
    w.release(&again).await;
    let of_2019 = Which { period: "2019".to_owned(), ..Which::default() };
    // The gate has written the successors, and the year's end has found what lapses.
    let (mut gate, mut books) = (w.gateway.store.begin().await.unwrap(), w.gateway.store.begin().await.unwrap());
    gate.lock_switch().await.unwrap();
    books.hold_purse("D1", "1", 2019).await.unwrap();
    let (node, other, year, now) = (w.another_node(), w.another_node(), of_2019.clone(), w.now);
    let admitting = tokio::spawn(async move { admit::admit(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%counter%'").await;
    let closing = tokio::spawn(async move { close_year(&other.gateway, &who("bureau"), &year, false, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query not like '%counter%'").await;
    gate.commit().await.unwrap();
    assert_eq!(admitting.await.unwrap().unwrap().changed, 1);
    books.commit().await.unwrap();
    // Whoever finds that it came to be paid again has done nothing, and looks once more.
    _ = closing.await.unwrap();
    close_year(&w.gateway, &who("bureau"), &of_2019, false, w.now).await.unwrap();
    assert_eq!((w.balance("carry").await, w.balance("suspense:correctable").await), (0, fen));
    w.settle_at("2019-12-26", "10:00:00").await;
    assert_eq!(w.states("R").await, vec!["sent"; lines.len()], "{:?}", w.refusals().await);
    w.books_hold().await;
}

/// What remained of a partly paid one failed, and is at the gate again while the bank's word that all was paid is applied: each waits for
/// the other at the rest.
#[tokio::test]
async fn i6_what_remained_is_not_paid_again_at_the_moment_in_which_the_whole_was_paid() {
    let mut w = World::on_postgres().await;
    let slip = parted(&mut w).await;
    paid_again(&w, &slip, slip.orders[0].fen - 6_000, "R").await;
    w.settle().await;
    let again = w.take_one(SPLIT);
    w.answer(&again, &[LOST]);
    w.settle().await;
    paid_again(&w, &again, again.orders[0].fen, "S").await;
    w.poll(&slip, &[(0, Word::Paid)]);
    w.collect(SPLIT).await;
    w.now = w.now.plus_minutes(2);
    w.collect(SPLIT).await;
    bankgate::passes::stage::stage(&w.gateway, w.now).await.unwrap();
    // The gate has written the successor, which nobody sees yet.
    let mut gate = w.gateway.store.begin().await.unwrap();
    gate.lock_switch().await.unwrap();
    let (node, other, now) = (w.another_node(), w.another_node(), w.now);
    let admitting = tokio::spawn(async move { admit::admit(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%counter%'").await;
    let applying = tokio::spawn(async move { apply::apply(&other.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%update remainder%'").await;
    gate.commit().await.unwrap();
    assert_eq!(admitting.await.unwrap().unwrap().changed, 1);
    assert_eq!(applying.await.unwrap().unwrap().changed, 1);
    w.settle().await;
    assert_eq!((w.states("S").await, w.take(SPLIT).len()), (vec!["rejected".to_owned()], 0), "paid beside the whole");
    w.books_hold().await;
}

/// So does what would be tried again by itself.
#[tokio::test]
async fn i6_what_remained_is_not_tried_again_at_the_moment_in_which_the_whole_was_paid() {
    let mut w = World::on_postgres().await;
    let slip = parted(&mut w).await;
    paid_again(&w, &slip, slip.orders[0].fen - 6_000, "R").await;
    w.settle().await;
    w.answer(&w.take_one(SPLIT), &[BUSY]);
    taken_in(&mut w).await;
    assert_eq!(w.states("R").await, ["failed"]);
    // The word on the whole is being applied, and nobody sees that yet.
    let (whole, day) = (w.int("select instruction_id from remainder").await, "2019-03-14".parse().unwrap());
    let mut word = w.gateway.store.begin().await.unwrap();
    word.hold_rests(whole).await.unwrap();
    assert_eq!(word.suspect_gone(whole, "又报全额成功", ("D1", SPLIT), (day, day), w.now).await.unwrap(), 1);
    let (node, now) = (w.another_node(), w.now);
    let trying = tokio::spawn(async move { remedy::remedy(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%update remainder%'").await;
    word.commit().await.unwrap();
    trying.await.unwrap().unwrap();
    remedy::remedy(&w.gateway, w.now).await.unwrap();
    let tried = w.int("select count(*) from instruction where attempt > 2").await;
    assert_eq!((tried, w.states("R").await, w.cases("failed").await), (0, vec!["failed_final".to_owned()], 1));
}

/// Persons say that all was paid while the bank's word on what stands as paid of it is being applied: they wait for that.
#[tokio::test]
async fn i5_what_was_partly_paid_is_one_sum_behind_the_word_that_is_being_applied_of_it() {
    let mut w = World::on_postgres().await;
    let slip = parted(&mut w).await;
    w.poll(&slip, &[(0, Word::Paid)]);
    w.settle().await;
    let (case, ..) = w.case_of("double_payment_suspected").await;
    let (proposal, _) = propose(&w.gateway, &who("bureau"), case, Wish::Paid("行函[2019]9号"), w.now).await.unwrap();
    let file = w.int("select file_out from remainder").await;
    let mut word = w.gateway.store.begin().await.unwrap();
    word.lock_file(file, w.now).await.unwrap();
    let (node, now) = (w.another_node(), w.now);
    let answering = tokio::spawn(async move { approve(&node.gateway, &who("chief"), proposal.unwrap(), now).await.unwrap() });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%update file_out%'").await;
    word.commit().await.unwrap();
    answering.await.unwrap();
    assert_eq!(w.int("select amount_fen from instruction_state order by instruction_id limit 1").await, slip.orders[0].fen);
    w.books_hold().await;
}

/// Two nodes take in two statements of one day at the same moment: one of them counts, and they are numbered as they come to stand there.
#[tokio::test]
async fn of_two_statements_of_a_day_that_come_in_at_the_same_moment_one_counts() {
    let mut w = World::on_postgres().await;
    w.now = at("2019-03-18", "09:00:00");
    w.state(SPLIT, "2019-03-14", 50_000_000, &[credit(300, "", "结息")]);
    w.state_over(SPLIT, ("2019-03-14", "2019-03-15"), (50_000_000, 50_000_500), &[credit(500, "", "结息")]);
    for _ in 0..2 {
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
    }
    assert_eq!(w.answers().await, ["archived", "archived"]);
    // One node is about to commit the first.
    let id = w.int("select id from file_in where name like '%20190314%'").await;
    let first = w.gateway.store.read().await.unwrap().file_in(id).await.unwrap().unwrap();
    w.sql(&format!("update file_in set state = 'applied' where id = {id}")).await;
    let day = "2019-03-14".parse().unwrap();
    let head = StatementHead {
        account: Account::new("510601012345678901"),
        from: Some(day),
        to: Some(day),
        opening: Some(Fen::new(50_000_000)),
        closing: Some(Fen::new(50_000_300)),
    };
    let mut one = w.gateway.store.begin().await.unwrap();
    assert_eq!(one.open_statement(&first, &head, (day, day), &EntriesSum::default()).await.unwrap(), (1, String::new()));
    let (node, now) = (w.another_node(), w.now);
    let two = tokio::spawn(async move { bankgate::passes::stage::stage(&node.gateway, now).await });
    until_backends(&w, "wait_event_type = 'Lock' and query like '%reconcile_mark%'").await;
    one.commit().await.unwrap();
    assert_eq!(two.await.unwrap().unwrap().changed, 1);
    assert_eq!(w.texts("select problems from statement order by id").await, ["", "conflict with statement 1"]);
}
