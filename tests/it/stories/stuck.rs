//! Stuck files, and the ways out of them: by one person while no bank has seen anything, by the bank's word and two persons after.

use std::sync::Arc;

use bankgate::passes::operate::OperateError;
use bankgate::passes::operate::answer::{AnswerWish, answer_act};
use bankgate::passes::operate::desk::bank_mode;
use bankgate::passes::operate::file::{Acted, FileWish, file_act};
use bankgate::passes::operate::propose::approve;
use bankgate::store::desk::Operator;

use super::answers::answered_with_two_contents;
use super::bank::{LOST, Slip, Word, gbk, result, ungbk};
use super::world::{CLEARING, COUNTER, World, draft, on_both};

pub fn person(login: &str) -> Operator {
    Operator { login: login.to_owned(), name: login.to_owned(), role: "finance_it".to_owned(), department: String::new() }
}

/// The file's number, of which there is one alive.
pub async fn the_file(w: &World) -> i64 {
    w.int("select max(id) from file_out where state not in ('voided', 'abandoned')").await
}

pub async fn ask(w: &World, id: i64, wish: FileWish) -> Result<Acted, OperateError> {
    ask_saying(w, id, wish, "银行来函 2019-17").await
}

pub async fn ask_saying(w: &World, id: i64, wish: FileWish, reason: &str) -> Result<Acted, OperateError> {
    file_act(&w.gateway, &person("one"), id, wish, reason, false, w.now).await
}

/// One asks, another approves; the same person may not, and a dry run writes nothing.
pub async fn by_two(w: &World, id: i64, wish: FileWish) -> String {
    by_two_saying(w, id, wish, "银行来函 2019-17").await
}

pub async fn by_two_saying(w: &World, id: i64, wish: FileWish, reason: &str) -> String {
    let one = person("one");
    let proposals = "select count(*) from proposal";
    let before = w.int(proposals).await;
    let would = file_act(&w.gateway, &one, id, wish, reason, true, w.now).await.unwrap();
    assert!(matches!(would, Acted::Would(_, true)), "{would:?}");
    assert_eq!(w.int(proposals).await, before, "a dry run writes nothing");
    let state = w.files().await;
    let Acted::Proposed(proposal, effect) = ask_saying(w, id, wish, reason).await.unwrap() else { panic!("{wish:?} takes two") };
    assert_eq!(w.files().await, state, "a proposal changes nothing");
    assert!(ask_saying(w, id, wish, reason).await.unwrap_err().to_string().contains("bankgate approve"), "proposed once");
    let refused = approve(&w.gateway, &one, proposal, w.now).await.unwrap_err();
    assert!(refused.to_string().contains("another person"), "{refused}");
    assert_eq!(approve(&w.gateway, &person("other"), proposal, w.now).await.unwrap(), effect);
    w.audit("two persons").await;
    assert!(w.int("select count(*) from audit where act in ('propose', 'approve')").await >= 2);
    effect
}

pub async fn of_answer(w: &World, wish: AnswerWish) -> Result<Acted, OperateError> {
    let last = w.int("select max(id) from file_in").await;
    answer_act(&w.gateway, &person("one"), last, &wish, "银行确认已收到", false, w.now).await
}

pub async fn sealed(w: &mut World, bank: &'static str, people: std::ops::Range<usize>) -> i64 {
    w.release(&draft("P", bank, people)).await;
    w.admit().await;
    w.plan(bank).await;
    w.seal(bank).await;
    the_file(w).await
}

/// As a node leaves it that died between its intent and its rename: the parts are recorded, and lie there.
pub async fn cut_before_rename(w: &mut World, bank: &'static str, people: std::ops::Range<usize>) -> (i64, std::path::PathBuf) {
    let id = sealed(w, bank, people).await;
    (id, cut(w, bank, id, "").await)
}

/// The same with a file that is sealed already. Its part's name may have its number.
async fn cut(w: &World, bank: &str, id: i64, number: &str) -> std::path::PathBuf {
    let row = &w.rows(&format!("select dir || '/' || name, sha256 from file_out where id = {id}")).await[0];
    let path = format!("inbox/{}", row.string(0).unwrap());
    let part = format!("{path}.1.1{number}.part");
    std::fs::create_dir_all(w.mailbox(bank).join(&path).parent().unwrap()).unwrap();
    std::fs::copy(w.gateway.spool(&row.string(1).unwrap()), w.mailbox(bank).join(&part)).unwrap();
    w.lease(bank).await;
    w.sql(&format!("update file_out set state = 'publishing', fence = 1, attempt = 1, copies = 1, part_name = '{part}' where id = {id}"))
        .await;
    w.mailbox(bank).join(path)
}

fn part_of(place: &std::path::Path) -> std::path::PathBuf {
    place.with_file_name(format!("{}.1.1.part", place.file_name().unwrap().to_str().unwrap()))
}

async fn pay(w: &mut World, slip: &Slip) {
    w.answer(slip, &vec![Word::Paid; slip.orders.len()]);
    w.settle().await;
    assert_eq!(w.states("P").await, vec!["paid"; slip.orders.len()]);
    w.books_hold().await;
}

#[tokio::test]
async fn t10_a_file_that_is_held_goes_nowhere_until_two_persons_release_it() {
    on_both(async |w| {
        let id = sealed(w, COUNTER, 0..3).await;
        let Acted::Done(effect) = ask(w, id, FileWish::Hold).await.unwrap() else { panic!("one person may stop it") };
        assert!(effect.contains("sealed -> held") && effect.contains("2019-17"), "{effect}");
        assert_eq!(w.incidents("file_held").await, 1, "the others are told");
        w.settle().await;
        assert!((w.files().await == ["held"]) && w.take(COUNTER).is_empty());
        assert!(ask(w, id, FileWish::Hold).await.is_err());
        by_two(w, id, FileWish::Release).await;
        assert_eq!((w.files().await, w.incidents("file_held").await), (vec!["sealed".to_owned()], 0));
        w.settle().await;
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
    })
    .await;
}

/// A server did hours later what it had been asked to do with the part of a file that was given up; the next file under the path had
/// been written under the same part name.
#[tokio::test]
async fn t10_a_part_has_a_name_that_no_other_file_under_its_path_gets() {
    on_both(async |w| {
        let id = sealed(w, COUNTER, 0..3).await;
        w.settle().await;
        let part = w.rows(&format!("select part_name from file_out where id = {id} and state = 'sent'")).await[0].string(0).unwrap();
        assert!(part.ends_with(&format!("-{id}.part")), "{part}");
    })
    .await;
}

#[tokio::test]
async fn t10_a_sweep_for_a_file_that_was_given_up_leaves_the_part_of_the_next_under_its_path() {
    on_both(async |w| {
        let first = sealed(w, COUNTER, 0..3).await;
        let lease = w.lease(COUNTER).await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        let file = tx.file(first).await.unwrap();
        tx.stamp_file(&file, &lease, w.now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(ask(w, first, FileWish::Void).await, Ok(Acted::Done(_))));
        w.plan(COUNTER).await;
        w.seal(COUNTER).await;
        let next = the_file(w).await;
        let place = cut(w, COUNTER, next, &format!("-{next}")).await;
        let paths = "select count(distinct name), count(*) from file_out";
        assert_eq!(w.rows(paths).await[0].int(0).unwrap(), 1, "the same name, by a day's one path");
        // What the first one left behind goes. The next one's part is all there is of it.
        let left = place.with_file_name(format!("{}.1.1-{first}.part", file.name));
        std::fs::write(&left, "half").unwrap();
        w.sql("update lease set expires_at = 0, fence = 1, holder = 'another'").await;
        let lease = w.lease(COUNTER).await;
        assert_eq!(lease.fence, 2);
        bankgate::passes::sweep::sweep(&w.gateway, COUNTER, &lease, w.now).await.unwrap();
        assert!(!left.exists());
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_hold_and_an_intent_never_both_win() {
    on_both(async |w| {
        let id = sealed(w, COUNTER, 0..3).await;
        let lease = w.lease(COUNTER).await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        let file = tx.file(id).await.unwrap();
        let attempt = tx.stamp_file(&file, &lease, w.now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(ask(w, id, FileWish::Hold).await, Ok(Acted::Done(_))));
        // The run that was uploading comes to its compare-and-set.
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert!(!tx.intend(&file, &lease, attempt, ("inbox/x.part", ""), w.now).await.unwrap());
        drop(tx);
        // Let go on, it begins a new attempt: what the old run has in hand is of no use to anybody.
        by_two(w, id, FileWish::Release).await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert!(!tx.intend(&file, &lease, attempt, ("inbox/x.part", ""), w.now).await.unwrap());
        let file = tx.file(id).await.unwrap();
        assert_eq!((file.attempt, file.tries()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn t10_what_no_bank_saw_is_given_up_by_one_person_and_made_anew() {
    on_both(async |w| {
        let id = sealed(w, COUNTER, 0..3).await;
        assert!(matches!(ask(w, id, FileWish::Void).await, Ok(Acted::Done(_))));
        w.audit("a void").await;
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
        let out = the_file(w).await;
        for wish in
            [FileWish::Hold, FileWish::Void, FileWish::Release, FileWish::Sent, FileWish::Recall, FileWish::Resend, FileWish::Refused]
        {
            assert!(ask(w, out, wish).await.is_err(), "{wish:?} of what is answered");
            assert!(ask(w, id, wish).await.is_err(), "{wish:?} of what is voided");
        }
    })
    .await;
}

#[tokio::test]
async fn t10_a_held_publication_goes_on_with_its_own_part_alone() {
    on_both(async |w| {
        let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
        std::fs::write(&place, "somebody else's").unwrap();
        w.publish(COUNTER).await;
        assert_eq!(w.files().await, ["held"]);
        // It stands there still: looking again comes to the same.
        by_two(w, id, FileWish::Release).await;
        w.publish(COUNTER).await;
        assert_eq!(w.files().await, ["held"]);
        std::fs::remove_file(&place).unwrap();
        by_two(w, id, FileWish::Release).await;
        w.publish(COUNTER).await;
        assert_eq!((w.files().await, w.int("select copies from file_out").await), (vec!["sent".to_owned()], 1));
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn t10_what_two_persons_take_back_leaves_no_source_behind() {
    on_both(async |w| {
        let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
        std::fs::write(&place, "somebody else's").unwrap();
        w.publish(COUNTER).await;
        by_two(w, id, FileWish::Void).await;
        assert_eq!(w.files().await, ["withdrawing"]);
        // What stands under its name contradicts the bank's word.
        w.publish(COUNTER).await;
        assert_eq!(w.files().await, ["held"]);
        std::fs::remove_file(&place).unwrap();
        by_two(w, id, FileWish::Void).await;
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        let slips = w.take(COUNTER);
        assert_eq!(slips.len(), 1, "one file at the bank: {slips:?}");
        assert!(!part_of(&place).exists(), "no source is left");
        pay(w, &slips[0].clone()).await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_part_that_is_gone_before_it_is_taken_back_may_be_out() {
    on_both(async |w| {
        let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
        let flag_part = place.with_file_name("flag.1.1.part");
        std::fs::write(&flag_part, "").unwrap();
        w.sql("update file_out set state = 'doubt', flag_part_name = 'inbox/' || dir || '/flag.1.1.part'").await;
        by_two(w, id, FileWish::Void).await;
        // A node that slept renames late, and the bank takes it at once.
        std::fs::rename(part_of(&place), &place).unwrap();
        let slip = w.take_one(COUNTER);
        w.publish(COUNTER).await;
        assert_eq!((w.files().await, w.incidents("file_held").await), (vec!["doubt".to_owned()], 1));
        assert!(!flag_part.exists(), "no flag is left for what comes next under the name");
        // And the bank's answer settles it.
        pay(w, &slip).await;
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

/// In doubt, and no part of it is left that we could take away.
async fn without_a_source(w: &mut World) -> (i64, std::path::PathBuf) {
    let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
    std::fs::rename(part_of(&place), &place).unwrap();
    w.sql("update file_out set state = 'doubt', part_name = ''").await;
    (id, place)
}

#[tokio::test]
async fn t10_what_lies_at_the_bank_is_not_given_up_by_its_word_that_it_has_no_copy() {
    on_both(async |w| {
        let (id, place) = without_a_source(w).await;
        // Its clerk looks into the bank's own system, and that has not fetched it yet.
        let effect = by_two(w, id, FileWish::Void).await;
        assert!(effect.contains("or the bank is asked once more"), "{effect}");
        w.settle().await;
        assert_eq!((w.files().await, place.exists()), (vec!["held".to_owned()], true));
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn t10_what_a_bank_takes_behind_its_word_that_it_has_no_copy_is_not_made_anew() {
    on_both(async |w| {
        let (id, _) = without_a_source(w).await;
        by_two(w, id, FileWish::Void).await;
        let slip = w.take_one(COUNTER);
        w.settle().await;
        assert_eq!((w.files().await, w.incidents("file_held").await), (vec!["doubt".to_owned()], 1));
        pay(w, &slip).await;
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn t10_what_is_written_in_place_is_not_given_up_by_the_banks_word_that_it_has_no_copy() {
    on_both(async |w| {
        let (id, place) = without_a_source(w).await;
        w.sql("update file_out set part_name = 'inbox/' || dir || '/' || name").await;
        // Nothing of it is there, and the node that intended it may have slept before its first byte.
        let bytes = std::fs::read(&place).unwrap();
        std::fs::remove_file(&place).unwrap();
        let refused = ask(w, id, FileWish::Void).await.unwrap_err().to_string();
        assert!(refused.contains("written in place") && refused.contains("`bankgate file settle --as refused`"), "{refused}");
        std::fs::write(&place, bytes).unwrap();
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn t10_a_part_at_a_server_whose_renames_are_two_steps_may_be_out_as_well() {
    on_both(async |w| {
        Arc::get_mut(&mut w.gateway).unwrap().edges.get_mut(COUNTER).unwrap().rename_is_atomic = false;
        let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
        // It has the new name and the old one still; the bank fetches the new.
        std::fs::copy(part_of(&place), &place).unwrap();
        let slip = w.take_one(COUNTER);
        w.publish(COUNTER).await;
        assert_eq!(w.files().await, ["doubt"]);
        by_two(w, id, FileWish::Void).await;
        w.settle().await;
        assert_eq!((w.files().await, part_of(&place).exists()), (vec!["doubt".to_owned()], false));
        pay(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn t10_what_is_gone_is_given_up_by_the_word_of_a_bank_that_was_asked_after_we_looked() {
    on_both(async |w| {
        let (id, place) = without_a_source(w).await;
        std::fs::remove_file(&place).unwrap();
        let early = ask(w, id, FileWish::Void).await.unwrap();
        let Acted::Proposed(proposal, _) = early else { panic!("it takes two") };
        approve(&w.gateway, &person("other"), proposal, w.now).await.unwrap();
        w.publish(COUNTER).await;
        assert_eq!(w.files().await, ["doubt"]);
        let effect = by_two(w, id, FileWish::Void).await;
        assert!(effect.contains("doubt -> voided"), "{effect}");
        w.settle().await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        let slip = w.take_one(COUNTER);
        pay(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn t10_an_answer_names_a_file_that_is_being_taken_back() {
    on_both(async |w| {
        for state in ["publishing", "held", "doubt", "withdrawing"] {
            let mut world = if w.gateway.store.engine() == "SQLite" { World::on_sqlite().await } else { World::on_postgres().await };
            let w = &mut world;
            let (_, place) = cut_before_rename(w, COUNTER, 0..3).await;
            w.sql(&format!("update file_out set state = '{state}'")).await;
            std::fs::rename(part_of(&place), &place).unwrap();
            let slip = w.take_one(COUNTER);
            w.answer(&slip, &[Word::Paid; 3]);
            for _ in 0..2 {
                w.now = w.now.plus_minutes(2);
                w.collect(COUNTER).await;
            }
            w.apply().await;
            assert_eq!(w.files().await, ["answered"], "{state}");
            assert_eq!(w.texts("select evidence from file_out").await, ["answered"], "{state}");
            assert_eq!(w.states("P").await, ["paid"; 3], "{state}");
        }
    })
    .await;
}

#[tokio::test]
async fn t10_the_bank_has_it_by_its_letter() {
    on_both(async |w| {
        let (id, _) = cut_before_rename(w, COUNTER, 0..3).await;
        w.sql("update file_out set state = 'doubt'").await;
        by_two(w, id, FileWish::Sent).await;
        assert_eq!(w.texts("select state || ' ' || evidence from file_out").await, ["sent attested"]);
        assert_eq!(w.states("P").await, ["sent"; 3]);
        w.round().await;
        assert_eq!(w.int("select count(*) from expected_file where kind = 'result' and came_at is null").await, 1, "and it is chased");
    })
    .await;
}

#[tokio::test]
async fn t10_a_file_that_the_bank_never_executed_fails_whole_and_can_be_corrected() {
    on_both(async |w| {
        w.release(&draft("P", CLEARING, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.ack(&slip, "481299", "批次重复");
        w.settle().await;
        assert_eq!((w.files().await, w.states("P").await), (vec!["doubt".to_owned()], vec!["unknown".to_owned(); 3]));
        let id = the_file(w).await;
        assert!(ask(w, id, FileWish::Void).await.is_err(), "the bank has spoken of it");
        let effect = by_two(w, id, FileWish::Refused).await;
        assert!(effect.contains("3 open lines failed"), "{effect}");
        w.settle().await;
        assert_eq!((w.files().await, w.states("P").await), (vec!["refused".to_owned()], vec!["failed_final".to_owned(); 3]));
        assert_eq!(w.cases("failed").await, 3);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_recall_is_asked_for_and_the_banks_word_decides() {
    on_both(async |w| {
        w.release(&draft("P", COUNTER, 0..3)).await;
        w.settle().await;
        let (slip, id) = (w.take_one(COUNTER), the_file(w).await);
        let Acted::Done(effect) = ask(w, id, FileWish::Recall).await.unwrap() else { panic!("asking takes one person") };
        assert!(effect.contains("asked not to execute"), "{effect}");
        assert_eq!((w.incidents("recall").await, w.states("P").await), (1, vec!["sent".to_owned(); 3]));
        assert!(ask(w, id, FileWish::Recall).await.is_err(), "once");
        // Too late: it was executed.
        pay(w, &slip).await;
        assert_eq!((w.incidents("recall").await, w.files().await), (0, vec!["answered".to_owned()]));
        // In time: its letter fails them.
        w.release(&{
            let mut d = draft("Q", COUNTER, 5..7);
            d.pay_on = "2019-03-15".to_owned();
            d.seal();
            d
        })
        .await;
        w.settle_at("2019-03-15", "10:00:00").await;
        let id = the_file(w).await;
        ask(w, id, FileWish::Recall).await.unwrap();
        by_two(w, id, FileWish::Refused).await;
        w.settle().await;
        assert_eq!((w.incidents("recall").await, w.states("Q").await), (0, vec!["failed_final".to_owned(); 2]));
    })
    .await;
}

/// Sent once, lost by the bank, sent again by its letter: the bank has one copy, and two went out.
async fn two_copies(w: &mut World) -> (i64, Slip) {
    w.release(&draft("P", CLEARING, 0..3)).await;
    w.settle().await;
    let lost = w.take_one(CLEARING);
    let id = the_file(w).await;
    by_two(w, id, FileWish::Resend).await;
    w.settle().await;
    let again = w.take_one(CLEARING);
    assert_eq!((&again.path, &again.bytes), (&lost.path, &lost.bytes), "byte for byte, under the same name");
    assert_eq!((w.files().await, w.int("select copies from file_out").await), (vec!["sent".to_owned()], 2));
    (id, again)
}

#[tokio::test]
async fn t10_of_a_second_copy_duplicate_means_taken() {
    on_both(async |w| {
        let (_, slip) = two_copies(w).await;
        w.ack(&slip, "481299", "批次重复");
        w.settle().await;
        assert_eq!((w.files().await, w.states("P").await), (vec!["accepted".to_owned()], vec!["accepted".to_owned(); 3]));
        pay(w, &slip).await;
    })
    .await;
}

#[tokio::test]
async fn t10_q1_no_refusal_of_a_second_copy_speaks_for_the_first() {
    on_both(async |w| {
        let (id, slip) = two_copies(w).await;
        w.ack(&slip, "H019", "总金额不符");
        w.settle().await;
        assert_eq!((w.files().await, w.states("P").await), (vec!["doubt".to_owned()], vec!["unknown".to_owned(); 3]));
        by_two(w, id, FileWish::Refused).await;
        // Two copies: its failures are not final before the bank's word that one was executed, or none.
        w.settle().await;
        assert_eq!(w.states("P").await, ["failed"; 3]);
        by_two(w, id, FileWish::OneCopy).await;
        w.settle().await;
        assert_eq!(w.states("P").await, ["failed_final"; 3]);
    })
    .await;
}

#[tokio::test]
async fn t10_a_second_copy_is_never_given_up_as_unseen() {
    on_both(async |w| {
        w.release(&draft("P", CLEARING, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        let id = the_file(w).await;
        by_two(w, id, FileWish::Resend).await;
        assert_eq!(w.files().await, ["sealed"]);
        assert!(ask(w, id, FileWish::Void).await.is_err(), "its first copy is out");
        // Its day goes by before the second copy leaves; the first is answered meanwhile.
        w.now = super::world::at("2019-03-15", "10:00:00");
        w.plan(CLEARING).await;
        assert_eq!(w.files().await, ["sealed"], "not planned anew: it may be paid");
        w.answer(&slip, &[Word::Paid; 3]);
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            w.collect(CLEARING).await;
        }
        w.apply().await;
        assert_eq!((w.files().await, w.states("P").await), (vec!["answered".to_owned()], vec!["paid".to_owned(); 3]));
        w.settle().await;
        assert!(w.take(CLEARING).is_empty(), "no second copy leaves");
    })
    .await;
}

#[tokio::test]
async fn t10_a_file_of_a_bank_is_read_without_a_line_by_two_persons() {
    on_both(async |w| {
        w.release(&draft("P", COUNTER, 0..4)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid, Word::Paid]).remove(0);
        // The third line's amount cannot be read.
        let text = ungbk(&bytes);
        let broken: Vec<String> =
            text.split("\r\n").enumerate().map(|(i, line)| if i == 2 { line.replace('.', ",") } else { line.to_owned() }).collect();
        w.put(COUNTER, &path, &gbk(&broken.join("\r\n")));
        w.settle().await;
        assert_eq!((w.answers().await, w.states("P").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 4]));
        let without = |lines: Vec<i64>| AnswerWish::Without(lines);
        let asks = async |wish: AnswerWish| answer_act(&w.gateway, &person("one"), 1, &wish, "第2行金额乱码", false, w.now).await;
        assert!(asks(without(vec![])).await.is_err());
        let Acted::Proposed(p, effect) = asks(without(vec![3])).await.unwrap() else { panic!("it takes two") };
        assert!(effect.contains("without the lines 3"), "{effect}");
        assert!(approve(&w.gateway, &person("one"), p, w.now).await.is_err());
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(w.answers().await, ["superseded", "applied"]);
        assert_eq!(w.states("P").await, ["paid", "unknown", "paid", "paid"], "of the line that was left out nobody knows");
        assert_eq!(w.incidents("quarantined").await, 0);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_line_too_many_is_left_out_and_every_payment_has_its_word() {
    on_both(async |w| {
        w.release(&draft("P", COUNTER, 0..4)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid, Word::Paid]).remove(0);
        w.put(COUNTER, &path, &[&bytes[..], &gbk("以上数据仅供参考\r\n")].concat());
        w.settle().await;
        assert_eq!((w.answers().await, w.states("P").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 4]));
        let wish = AnswerWish::Without(vec![6]);
        let Acted::Proposed(p, _) = answer_act(&w.gateway, &person("one"), 1, &wish, "末行为附注", false, w.now).await.unwrap() else {
            panic!("it takes two")
        };
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(w.states("P").await, ["paid", "failed_final", "paid", "paid"], "nobody's line was left out");
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn t10_a_wrong_line_left_out_does_not_prove_what_does_not_add_up() {
    on_both(async |w| {
        w.release(&draft("P", COUNTER, 0..4)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        let half = Slip { orders: slip.orders[..2].to_vec(), ..slip.clone() };
        w.answer(&half, &[Word::Paid; 2]);
        w.settle().await;
        let wish = AnswerWish::Without(vec![3]);
        let Acted::Proposed(p, _) = answer_act(&w.gateway, &person("one"), 1, &wish, "漏行，试试看", false, w.now).await.unwrap()
        else {
            panic!("it takes two")
        };
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(
            (w.answers().await, w.states("P").await),
            (vec!["superseded".to_owned(), "quarantined".to_owned()], vec!["sent".to_owned(); 4])
        );
    })
    .await;
}

#[tokio::test]
async fn t10_a_quarantined_file_is_rejected_or_read_again() {
    on_both(async |w| {
        // An answer to a file that was not published: held, by one alarm.
        let id = sealed(w, COUNTER, 0..3).await;
        let slip = w.sealed(COUNTER).await;
        w.answer(&slip, &[Word::Paid; 3]);
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            w.collect(COUNTER).await;
        }
        w.apply().await;
        assert_eq!((w.files().await, w.answers().await), (vec!["held".to_owned()], vec!["quarantined".to_owned()]));
        // The bank writes that it has the file: then its answer counts.
        by_two(w, id, FileWish::Sent).await;
        assert!(matches!(of_answer(w, AnswerWish::Reject).await, Ok(Acted::Done(_))));
        assert_eq!((w.answers().await, w.incidents("quarantined").await), (vec!["rejected".to_owned()], 0));
        w.settle().await;
        assert_eq!(w.states("P").await, ["sent"; 3], "what is rejected counts for nothing");
        assert!(matches!(of_answer(w, AnswerWish::Reread).await, Ok(Acted::Done(_))));
        w.settle().await;
        assert_eq!(
            (w.answers().await, w.states("P").await),
            (vec!["superseded".to_owned(), "applied".to_owned()], vec!["paid".to_owned(); 3])
        );
        assert!(of_answer(w, AnswerWish::Reread).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn t10_which_of_two_contents_counts_is_said_by_two_persons() {
    on_both(async |w| {
        answered_with_two_contents(w).await;
        let one = person("one");
        let Acted::Proposed(p, effect) = answer_act(&w.gateway, &one, 2, &AnswerWish::Reread, "银行书面更正", false, w.now).await.unwrap()
        else {
            panic!("which of two counts takes two")
        };
        assert!(effect.contains("in the place of 1"), "{effect}");
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(w.answers().await, ["superseded", "superseded", "applied"]);
        assert_eq!(w.states("P").await, ["paid", "failed_final", "paid"]);
        assert_eq!((w.incidents("quarantined").await, w.incidents("inbound_conflict").await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn t10_a_bank_that_was_tried_out_goes_live_by_two() {
    on_both(async |w| {
        let it = person("one");
        let set = async |mode: &str| bank_mode(&w.gateway, &it, (COUNTER, mode), "维护窗口 3-14", false, w.now).await;
        assert!(matches!(set("paused").await, Ok(Acted::Done(_))));
        assert!(set("paused").await.is_err());
        assert!(matches!(set("live").await, Ok(Acted::Done(_))));
        assert!(matches!(set("shadow").await, Ok(Acted::Done(_))));
        assert!(set("paused").await.is_err(), "no way round by a pause");
        let Acted::Proposed(p, effect) = set("live").await.unwrap() else { panic!("it takes two") };
        assert!(effect.contains("0 files of 0.00 yuan"), "{effect}");
        assert!(approve(&w.gateway, &it, p, w.now).await.is_err());
        approve(&w.gateway, &person("other"), p, w.now).await.unwrap();
        assert_eq!(w.texts(&format!("select mode from bank where code = '{COUNTER}'")).await, ["live"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_approved_is_what_was_proposed_or_nothing() {
    on_both(async |w| {
        let (id, place) = cut_before_rename(w, COUNTER, 0..3).await;
        std::fs::write(&place, "somebody else's").unwrap();
        w.publish(COUNTER).await;
        let Acted::Proposed(proposal, effect) = ask(w, id, FileWish::Void).await.unwrap() else { panic!("it takes two") };
        assert!(effect.contains("copies 1"), "{effect}");
        // A node's journal shows a second copy meanwhile.
        w.sql(&format!("update file_out set copies = 2 where id = {id}")).await;
        assert!(approve(&w.gateway, &person("other"), proposal, w.now).await.is_err());
        w.sql(&format!("update file_out set copies = 1, sha256 = 'another' where id = {id}")).await;
        let refused = approve(&w.gateway, &person("other"), proposal, w.now).await.unwrap_err().to_string();
        assert!(refused.contains("the rows changed since"), "{refused}");
        assert_eq!(w.files().await, ["held"]);
    })
    .await;
}
