//! Batches at the gate, and the files that are planned from them.

use std::collections::BTreeSet;

use bankgate::daemon::told;
use bankgate::domain::masked::Account;
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::passes::operate::cancel::cancel_batch;
use bankgate::passes::operate::desk::close_incident;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::seal::clear_spool;
use bankgate::passes::{admit, plan};

use super::bank::{BUSY, LOST, Slip, Word, ungbk};
use super::cases::who;
use super::close::dies_after;
use super::world::{CLEARING, COUNTER, SPLIT, World, at, draft, on_both, reissue};
use crate::publish::world::sha256;

#[tokio::test]
async fn a_batch_goes_back_whole_with_every_reason_at_once() {
    on_both(async |w| {
        let mut d = draft("B", SPLIT, 0..3);
        d.maker = "li";
        d.period = "March".to_owned();
        d.declared_count = 4;
        d.declared += 1;
        d.digest = "another".to_owned();
        w.release(&d).await;
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["returned"; 3]);
        let reasons = w.texts("select reasons from admission").await.remove(0);
        for word in ["经办人与审核人", "所属期", "4笔", "金额", "摘要"] {
            assert!(reasons.contains(word), "{word} is not among: {reasons}");
        }
        assert_eq!(w.incidents("batch_returned").await, 1);
        assert!(w.take(SPLIT).is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_approves_what_he_made_under_another_spelling_is_seen() {
    on_both(async |w| {
        for (number, maker, state) in [("B1", "LI", "returned"), ("B2", "ｌｉ\u{3000}", "returned"), ("B3", "lin", "sent")] {
            let mut d = draft(number, SPLIT, 0..3);
            d.maker = maker;
            w.release(&d).await;
            w.settle().await;
            assert_eq!(w.states(number).await, [state; 3], "{maker:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn q11_a_batch_that_was_changed_after_its_approval_goes_back_whole() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.sql("update payment set account = '6217001234500009999' where seq = 2").await;
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["returned"; 3]);
        assert_eq!(w.int("select count(*) from instruction").await, 0);
        // Approved anew as it now stands, it passes.
        let mut d = draft("B", SPLIT, 0..3);
        d.rows[1].account = Account::new("6217001234500009999");
        d.seal();
        w.sql(&format!("update batch set digest = '{}', released_at = {}", d.digest, w.now.millis() + 60_000)).await;
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["sent"; 3]);
        assert_eq!(w.incidents("batch_returned").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_went_back_is_named_until_all_its_people_come_again_or_a_person_says_why_not() {
    on_both(async |w| {
        let listed = async |w: &World| {
            let mut tx = w.gateway.store.read().await.unwrap();
            let found = tx.findings(w.now, w.gateway.today(w.now)).await.unwrap();
            found.into_iter().filter(|f| f.kind == "batch_returned").map(|f| f.subject).collect::<Vec<_>>()
        };
        for (number, people) in [("B", 0..3), ("C", 3..6)] {
            let mut d = draft(number, SPLIT, people);
            d.digest = "another".to_owned();
            w.release(&d).await;
        }
        w.settle().await;
        assert_eq!(listed(w).await, ["batch B", "batch C"]);
        // Other people of that project and period are no answer to it; nor are some of its own, while one of them is left out.
        w.release(&draft("D", SPLIT, 6..8)).await;
        w.settle().await;
        assert_eq!(listed(w).await, ["batch B", "batch C"]);
        w.release(&draft("B-2", SPLIT, 0..2)).await;
        w.settle().await;
        assert_eq!(listed(w).await, ["batch B", "batch C"]);
        w.release(&draft("B-3", SPLIT, [2])).await;
        w.settle().await;
        assert_eq!(listed(w).await, ["batch C"]);
        let incident = w.int("select id from incident where key = 'returned:C'").await;
        close_incident(&w.gateway, &who("chief"), incident, "部门不再发放", false, w.now).await.unwrap();
        assert_eq!(listed(w).await, [""; 0]);
    })
    .await;
}

/// Where people may have several entitlements in one period, a list of the same people may be a further one.
#[tokio::test]
async fn a_batch_that_went_back_is_named_by_itself_where_people_are_paid_several_times() {
    on_both(async |w| {
        w.sql("update project set several_per_period = 1 where code = '1'").await;
        let right = draft("B", SPLIT, 0..2);
        let mut wrong = right.clone();
        wrong.digest = "another".to_owned();
        w.release(&wrong).await;
        w.settle().await;
        w.release(&draft("C", SPLIT, 0..2)).await;
        w.settle().await;
        assert_eq!((w.states("C").await, w.incidents("batch_returned").await), (vec!["sent".to_owned(); 2], 1));
        // Approved anew as it stands, it passes.
        let again = format!("update batch set digest = '{}', released_at = {} where number = 'B'", right.digest, w.now.millis() + 60_000);
        w.sql(&again).await;
        w.settle().await;
        assert_eq!((w.states("B").await, w.incidents("batch_returned").await), (vec!["sent".to_owned(); 2], 0));
    })
    .await;
}

#[tokio::test]
async fn q11_what_was_admitted_is_paid_whatever_the_platform_writes_afterwards() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..3)).await;
        w.admit().await;
        w.sql("update payment set account = '6217001234500009999', amount_fen = amount_fen").await;
        w.settle().await;
        assert!(w.take_one(COUNTER).orders.iter().all(|o| o.account != "6217001234500009999"));
    })
    .await;
}

#[tokio::test]
async fn o1_q2_the_same_person_twice_is_paid_once() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, [0, 1, 0, 2])).await;
        w.release(&draft("C", COUNTER, [2, 3])).await;
        let mut other_period = draft("D", CLEARING, [2]);
        other_period.period = "2019-04".to_owned();
        w.release(&other_period).await;
        w.settle().await;
        assert_eq!(w.states("B").await, ["sent", "sent", "rejected", "sent"]);
        assert_eq!((w.states("C").await, w.states("D").await), (vec!["rejected".to_owned(), "sent".to_owned()], vec!["sent".to_owned()]));
        assert_eq!(w.texts("select reason from failure_case order by id").await, ["DUP_IN_BATCH", "DUP_BENEFIT"]);
    })
    .await;
}

#[tokio::test]
async fn o1_q2_two_nodes_that_admit_at_once_admit_each_person_once() {
    on_both(async |w| {
        for (number, people) in [("B", vec![0, 1, 2, 3]), ("C", vec![3, 2, 1, 0]), ("D", vec![0, 5])] {
            w.release(&draft(number, SPLIT, people)).await;
        }
        for _ in 0..4 {
            let nodes = [w.another_node(), w.another_node()];
            let now = w.now;
            let [a, b] = nodes.map(|n| tokio::spawn(async move { admit::admit(&n.gateway, now).await }));
            for ended in [a.await.unwrap(), b.await.unwrap()] {
                assert!(ended.as_ref().is_ok_and(|_| true) || ended.as_ref().is_err_and(|e| e.is_transient()), "{ended:?}");
            }
            w.audit("two admissions").await;
        }
        w.settle().await;
        assert_eq!(w.int("select count(*) from instruction where live = 1").await, 5);
        assert_eq!(w.int("select count(*) from failure_case where reason = 'DUP_BENEFIT'").await, 5);
        assert_eq!(w.int("select cast(sum(admitted_count) as bigint) from admission").await, 5);
    })
    .await;
}

#[tokio::test]
async fn o2_two_nodes_that_plan_at_once_make_one_file() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..4)).await;
        w.release(&draft("C", SPLIT, 4..8)).await;
        w.admit().await;
        for _ in 0..3 {
            let nodes = [w.another_node(), w.another_node()];
            let now = w.now;
            let [a, b] = nodes.map(|n| tokio::spawn(async move { plan::plan(&n.gateway, SPLIT, now).await }));
            _ = (a.await.unwrap(), b.await.unwrap());
            w.audit("two plans").await;
        }
        w.settle().await;
        let slips = w.take(SPLIT);
        assert_eq!(slips.len(), 2);
        let references: BTreeSet<&str> = slips.iter().flat_map(|s| &s.orders).map(|o| o.reference.as_str()).collect();
        assert_eq!(references.len(), 8);
        assert_ne!(slips[0].path, slips[1].path, "o5: two files on one day have two names");
    })
    .await;
}

#[tokio::test]
async fn who_becomes_ineligible_before_planning_is_taken_out_and_leaves_no_gap() {
    on_both(async |w| {
        for (at, bank) in [COUNTER, CLEARING].into_iter().enumerate() {
            w.release(&draft(bank, bank, at * 10..at * 10 + 4)).await;
            w.admit().await;
            w.exclude(at * 10 + 1).await;
            w.settle().await;
            let slip = w.take_one(bank);
            assert_eq!(slip.orders.iter().map(|o| o.seq).collect::<Vec<_>>(), [1, 2, 3]);
            assert_eq!(w.states(bank).await, ["sent", "rejected", "sent", "sent"]);
            w.answer(&slip, &[Word::Paid; 3]);
            w.settle().await;
            assert_eq!(w.states(bank).await, ["paid", "rejected", "paid", "paid"]);
        }
        assert_eq!(w.texts("select distinct reason from failure_case").await, ["DECEASED"]);
        assert_eq!(w.int("select cast(sum(admitted_count) as bigint) from admission").await, 6);
    })
    .await;
}

#[tokio::test]
async fn a_batch_without_funds_waits_and_goes_on_when_they_arrive() {
    on_both(async |w| {
        let mut d = draft("B", SPLIT, 0..3);
        for row in &mut d.rows {
            row.amount = Fen::new(4_000_000);
        }
        d.seal();
        for (number, people) in [("C", 10), ("D", 20), ("E", 30), ("F", 40), ("G", 50), ("H", 60), ("I", 70), ("J", 80)] {
            let mut filler = d.clone();
            filler.number = number.to_owned();
            filler.rows = draft(number, SPLIT, people..people + 3).rows;
            for row in &mut filler.rows {
                row.amount = Fen::new(4_000_000);
            }
            filler.seal();
            w.release(&filler).await;
        }
        w.release(&d).await;
        w.settle().await;
        let held = w.texts("select batch from admission where state = 'held'").await;
        assert_eq!(held.len(), 1, "eight of nine fit");
        assert_eq!((w.states(&held[0]).await, w.incidents("funds_short").await), (vec!["held".to_owned(); 3], 1));
        w.fund(12_000_000).await;
        w.settle().await;
        assert_eq!((w.states(&held[0]).await, w.incidents("funds_short").await), (vec!["sent".to_owned(); 3], 0));
    })
    .await;
}

#[tokio::test]
async fn a_file_for_which_the_account_is_short_waits_and_the_alarm_ends_with_its_cause() {
    on_both(async |w| {
        w.change(|g| g.config.admission.funds_required = false);
        let mut d = draft("B", SPLIT, 0..26);
        for row in &mut d.rows {
            row.amount = Fen::new(4_000_000);
        }
        d.seal();
        w.release(&d).await;
        w.settle().await;
        assert_eq!((w.states("B").await, w.incidents("funds_short").await), (vec!["pending".to_owned(); 26], 1));
        w.fund(4_000_000).await;
        w.settle().await;
        assert_eq!((w.states("B").await, w.incidents("funds_short").await), (vec!["sent".to_owned(); 26], 0));
    })
    .await;
}

#[tokio::test]
async fn t2_the_cut_offs_own_second_is_too_late() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.admit().await;
        w.now = at("2019-03-14", "16:30:00");
        assert_eq!(w.plan(SPLIT).await, 0);
        w.now = at("2019-03-15", "16:29:59");
        assert_eq!(w.plan(SPLIT).await, 1);
        // In good time to go out.
        w.now = at("2019-03-15", "16:29:00");
        w.seal(SPLIT).await;
        w.publish(SPLIT).await;
        w.release(&draft("C", SPLIT, 4..6)).await;
        w.admit().await;
        // A Saturday is no bank day; what was slept through goes out on the next.
        w.now = at("2019-03-16", "10:00:00");
        assert_eq!(w.plan(SPLIT).await, 0);
        w.now = at("2019-03-18", "08:00:00");
        assert_eq!(w.plan(SPLIT).await, 1);
    })
    .await;
}

#[tokio::test]
async fn o5_q12_a_bank_whose_path_is_the_days_gets_one_file_a_day() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..2)).await;
        w.release(&draft("C", COUNTER, 10..12)).await;
        w.settle().await;
        let first = w.take_one(COUNTER);
        w.answer(&first, &[Word::Paid, LOST]);
        w.settle().await;
        assert_eq!(w.states("C").await, ["pending", "pending"], "its answer could not be told from the first's");
        w.settle_at("2019-03-15", "09:00:00").await;
        let second = w.take_one(COUNTER);
        assert_ne!(first.path, second.path);
        w.answer(&second, &[LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(
            (w.states("B").await, w.states("C").await),
            (vec!["paid".to_owned(), "failed_final".to_owned()], vec!["failed_final".to_owned(), "paid".to_owned()])
        );
    })
    .await;
}

#[tokio::test]
async fn a_corrected_payment_is_paid_again_once() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, LOST]);
        w.settle().await;
        let (first, second) = (slip.orders[0].reference.clone(), slip.orders[1].reference.clone());
        let mut other_amount = reissue("C", SPLIT, &[(0, first.clone()), (0, first.clone()), (1, second.clone())]);
        other_amount.rows[2].amount = Fen::new(1);
        other_amount.seal();
        w.release(&other_amount).await;
        w.settle().await;
        assert_eq!(w.states("C").await, ["sent", "rejected", "rejected"]);
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        w.release(&reissue("D", SPLIT, &[(0, first), (1, second)])).await;
        w.settle().await;
        assert_eq!(w.states("D").await, ["rejected", "sent"]);
        assert_eq!(w.states("B").await, ["reissued", "reissued"]);
    })
    .await;
}

/// Corrected, and listed once more in another batch: whichever passes the gate first pays, and the other is refused.
#[tokio::test]
async fn q2_a_correction_and_a_new_list_never_both_pay_a_person() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, LOST]);
        w.settle().await;
        let again = |who: usize| (who, slip.orders[who].reference.clone());
        w.release(&draft("N", SPLIT, 0..1)).await;
        w.admit().await;
        w.release(&reissue("R", SPLIT, &[again(0), again(1)])).await;
        w.settle().await;
        assert_eq!((w.states("N").await, w.states("R").await), (vec!["sent".to_owned()], vec!["rejected".to_owned(), "sent".to_owned()]));
        w.release(&draft("M", SPLIT, 1..2)).await;
        w.settle().await;
        assert_eq!(w.states("M").await, ["rejected"]);
        assert_eq!(w.int("select count(*) from instruction where live = 1").await, 2);
        // The one that is out succeeds, and so does the first after all: told, and nobody is paid a third time.
        for slip in w.take(SPLIT) {
            w.answer(&slip, &[Word::Paid]);
        }
        w.settle().await;
        w.release(&reissue("S", SPLIT, &[again(0), again(1)])).await;
        w.settle().await;
        assert_eq!(w.states("S").await, ["rejected", "rejected"]);
    })
    .await;
}

#[tokio::test]
async fn a_reissue_takes_no_other_departments_money() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        w.release(&reissue("C", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
        w.sql("update batch set project = '2' where number = 'C'").await;
        w.settle().await;
        assert_eq!(w.states("C").await, ["rejected"]);
    })
    .await;
}

#[tokio::test]
async fn o15_one_batch_that_cannot_be_checked_stops_no_other() {
    on_both(async |w| {
        w.sql("insert into agreement (number, department, bank, payer_account, payer_name, profile) values ('X', 'D2', 'B4', '1', 'x', 'not-there')").await;
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.sql("update batch set department = 'D2'").await;
        w.release(&draft("B", SPLIT, 3..5)).await;
        w.admit().await;
        assert_eq!((w.states("A").await, w.states("B").await), (vec!["waiting".to_owned(); 2], vec!["pending".to_owned(); 2]));
    })
    .await;
}

/// The desk takes what is at the gate. Which lists, or passes, are told of as failed.
async fn failed_at_the_gate(w: &World) -> Vec<String> {
    told(&w.gateway, [("admit", admit::admit(&w.gateway, w.now).await)], w.now).await;
    w.texts("select key from incident where kind = 'pass_failed' and state = 'open' order by key").await
}

#[tokio::test]
async fn each_list_that_cannot_be_checked_is_told_of_until_it_is_or_is_taken_back() {
    on_both(async |w| {
        w.sql("update agreement set profile = 'not-there' where bank <> 'B4'").await;
        w.release(&draft("A", COUNTER, 0..2)).await;
        assert_eq!(failed_at_the_gate(w).await, ["admit:A"]);
        w.release(&draft("B", CLEARING, 2..4)).await;
        w.release(&draft("C", SPLIT, 4..6)).await;
        assert_eq!(failed_at_the_gate(w).await, ["admit:A", "admit:B"]);
        assert_eq!(w.states("C").await, ["pending"; 2], "the others go on");
        w.sql("update agreement set profile = 'pipe-gbk-summary' where bank = 'B1'").await;
        assert_eq!(failed_at_the_gate(w).await, ["admit:B"]);
        assert_eq!(w.states("A").await, ["pending"; 2]);
        let (proposal, _) = cancel_batch(&w.gateway, &who("bureau"), "B", "名单作废，另行申报", w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(failed_at_the_gate(w).await, [""; 0]);
        assert_eq!(w.states("B").await, ["returned"; 2]);
    })
    .await;
}

#[tokio::test]
async fn t3_a_file_whose_day_went_by_unseen_is_given_up_and_made_anew_with_todays_date() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.now = at("2019-03-14", "15:00");
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        w.audit("sealed, and the bank cannot be reached until tomorrow").await;
        assert_eq!(w.files().await, ["sealed"]);
        w.now = at("2019-03-15", "09:00");
        w.plan(SPLIT).await;
        w.audit("the day has gone by").await;
        assert_eq!(w.files().await, ["voided", "planned"]);
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, Word::Paid, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
        assert!(w.take(SPLIT).is_empty(), "one file went out, today's");
        assert_eq!(w.texts("select cast(business_date as text) from file_out order by id").await, ["2019-03-14", "2019-03-15"]);
        assert_eq!(w.balance("bank_clearing").await, 0);
    })
    .await;
}

/// A node that sealed, slept and wakes up writes nothing over what another node sealed and published.
#[tokio::test]
async fn p10_a_late_seal_changes_no_hash() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.admit().await;
        w.plan(SPLIT).await;
        let id = w.int("select id from file_out").await;
        for state in ["sealed", "sent"] {
            if state == "sealed" {
                w.seal(SPLIT).await
            } else {
                w.publish(SPLIT).await
            };
            let before = w.texts("select state || ' ' || sha256 || ' ' || bytes from file_out").await;
            assert!(before[0].starts_with(state), "{before:?}");
            let mut tx = w.gateway.store.begin().await.unwrap();
            assert!(!tx.seal_file(id, &"0".repeat(64), 1, w.now).await.unwrap(), "sealed twice");
            tx.commit().await.unwrap();
            assert_eq!(w.texts("select state || ' ' || sha256 || ' ' || bytes from file_out").await, before);
        }
    })
    .await;
}

/// A plan whose commit was lost, or whose reply was, is made again from the rows: what the head counts are the lines.
#[tokio::test]
async fn p10_a_plan_that_dies_anywhere_is_made_once_and_its_head_counts_its_lines() {
    let mut died = 0;
    for turns in 1.. {
        let w = &mut World::on_sqlite().await;
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.admit().await;
        let node = w.another_node();
        let mut planning = Box::pin(async { plan::plan(&node.gateway, SPLIT, node.now).await.unwrap() });
        let is_whole = dies_after(turns, &mut planning).await;
        drop(planning);
        w.settle().await;
        let slip = w.take_one(SPLIT);
        assert_eq!((slip.orders.len(), w.int("select count(*) from file_out").await), (3, 1), "{turns}");
        assert_eq!(w.int("select rows from file_out").await, 3, "{turns}");
        assert_eq!(w.states("A").await, ["sent"; 3], "{turns}");
        if is_whole {
            break;
        }
        died += 1;
    }
    assert!(died > 3, "it died only {died} times");
}

/// What one node sealed another publishes without its spool, and what one archived another applies: the same bytes.
#[tokio::test]
async fn p9_a_node_that_takes_over_needs_nothing_of_the_others_disk() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        let hash = w.texts("select sha256 from file_out").await;
        let disk = w.root.join("another-disk");
        std::fs::create_dir_all(disk.join("spool")).unwrap();
        let mut other = w.another_node();
        other.change(|g| g.config.node.state_dir.clone_from(&disk));
        assert_eq!(other.publish(SPLIT).await, 1);
        let slip = w.take_one(SPLIT);
        assert_eq!(sha256(&slip.bytes), hash[0]);
        // The first one copies the answer, and is seen no more.
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        for _ in 0..2 {
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(1);
        }
        std::fs::remove_dir_all(&w.gateway.config.node.state_dir).unwrap();
        other.now = w.now;
        other.apply().await;
        assert_eq!(w.states("A").await, ["paid", "failed", "paid"]);
    })
    .await;
}

/// What was sealed and given up, or left half by a node that died, does not lie in the spool for ever; what goes out late goes out.
#[tokio::test]
async fn what_lies_in_the_spool_for_a_week_is_removed_and_rendered_again_where_it_is_needed() {
    let w = World::on_sqlite().await;
    w.release(&draft("A", SPLIT, 0..3)).await;
    w.admit().await;
    w.plan(SPLIT).await;
    w.seal(SPLIT).await;
    let hash = w.texts("select sha256 from file_out").await.remove(0);
    let sealed = w.gateway.spool(&hash);
    let half = sealed.with_file_name("render-x1");
    std::fs::copy(&sealed, &half).unwrap();
    let written = std::fs::metadata(&half).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let written = Timestamp::from_millis(i64::try_from(written.as_millis()).unwrap());
    let lying = || [sealed.is_file(), half.is_file()];
    assert_eq!(clear_spool(&w.gateway, written.plus_minutes(7 * 24 * 60 - 1)).unwrap(), 0);
    assert_eq!(lying(), [true, true]);
    assert!(clear_spool(&w.gateway, written.plus_minutes(7 * 24 * 60 + 1)).unwrap() >= 2);
    assert_eq!(lying(), [false, false]);
    assert_eq!(w.publish(SPLIT).await, 1);
    assert_eq!(sha256(&w.take_one(SPLIT).bytes), hash);
}

#[tokio::test]
async fn where_a_file_goes_to_one_receiving_bank_each_of_them_has_a_file_of_its_own_and_so_has_what_is_retried() {
    on_both(async |w| {
        w.declares(CLEARING, "max_rows =", "split_by = \"receiving_bank\"\nmax_rows =");
        w.sql("insert into bank (code, name, clearing_no) values ('X1', '银行X1', '402665100012')").await;
        w.sql("update agreement set other_banks = 1 where number = 'A-B2'").await;
        let mut batch = draft("B", CLEARING, 0..6);
        for row in batch.rows.iter_mut().skip(1).step_by(2) {
            "X1".clone_into(&mut row.bank);
        }
        batch.seal();
        w.release(&batch).await;
        w.settle().await;
        let banks_of = |slip: &Slip| -> BTreeSet<String> {
            (0..slip.orders.len()).map(|at| ungbk(&slip.bytes[277 + at * 573 + 58..277 + at * 573 + 72]).trim().to_owned()).collect()
        };
        let each = |slips: &[Slip]| {
            slips.iter().map(|slip| (slip.orders.len(), banks_of(slip).into_iter().collect::<Vec<_>>())).collect::<Vec<_>>()
        };
        let slips = w.take(CLEARING);
        let (own, other) = (vec!["102665000012".to_owned()], vec!["402665100012".to_owned()]);
        assert_eq!(each(&slips), [(3, own.clone()), (3, other.clone())]);
        for slip in &slips {
            w.answer(slip, &[BUSY, Word::Paid, BUSY]);
        }
        w.settle().await;
        w.now = at("2019-03-15", "10:00:00");
        w.settle().await;
        let again = w.take(CLEARING);
        assert_eq!(again.iter().map(|slip| slip.orders.len()).sum::<usize>(), 4);
        assert!(again.iter().all(|slip| banks_of(slip).len() == 1), "{:?}", each(&again));
    })
    .await;
}
