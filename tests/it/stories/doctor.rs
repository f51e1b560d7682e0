//! Each stuck state is named by the doctor, with its row, its age, its money and a command; and the command ends it. Every state
//! of every kind of row either moves by itself, or has commands, and those commands exist.

use bankgate::cli::grammar;
use bankgate::domain::file::{FileInState, FileOutState};
use bankgate::domain::instruction::InstructionState;
use bankgate::domain::refund::OrderState;
use bankgate::domain::stuck::{Leaves, WORDS, file_in, file_out, instruction, order};
use bankgate::passes::operate::answer::AnswerWish;
use bankgate::passes::operate::desk::{bank_mode, close_incident, mail_act, waive};
use bankgate::passes::operate::file::{Acted, FileWish};
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::store::findings::Finding;

use super::bank::{Slip, Word, result};
use super::stuck::{ask, by_two, cut_before_rename, of_answer, person, sealed, the_file};
use super::world::{CLEARING, COUNTER, SPLIT, World, draft};

async fn findings(w: &World, kind: &str) -> Vec<Finding> {
    let (now, today) = (w.now, w.gateway.today(w.now));
    let found = w.gateway.store.read().await.unwrap().findings(now, today).await.unwrap();
    found.into_iter().filter(|f| f.kind == kind).collect()
}

/// The doctor names the one row of this kind, and this command on it, in both languages.
pub async fn named(w: &World, kind: &str, subject: &str, command: &str) -> Finding {
    let mut found = findings(w, kind).await;
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    let it = found.remove(0);
    assert_eq!(it.subject, subject, "{kind}");
    for words in [&it.next.zh, &it.next.en] {
        assert!(words.contains(command), "{kind}: {words:?} has no {command}");
    }
    exists(command.trim_start_matches("bankgate "));
    it
}

pub async fn gone(w: &World, kind: &str) {
    let found = findings(w, kind).await;
    assert!(found.is_empty(), "{kind} stays: {found:?}");
}

/// The command's words are those of the grammar.
fn exists(command: &str) {
    let all = grammar();
    let mut at = &all;
    for word in command.split(' ') {
        match at.find_subcommand(word) {
            Some(next) => at = next,
            None => {
                assert!(!at.has_subcommands(), "there is no command {command:?}: {word:?}");
                return;
            }
        }
    }
    assert!(command.contains(' ') || !at.has_subcommands() || command == "close", "{command:?} says not what to do");
}

#[test]
fn t10_p11_every_state_moves_by_itself_or_has_a_command_that_exists() {
    let files = FileOutState::ALL.iter().map(|s| (s.code(), file_out(*s)));
    let answers = FileInState::ALL.iter().map(|s| (s.code(), file_in(*s)));
    let lines = InstructionState::ALL.iter().map(|s| (s.code(), instruction(*s)));
    let orders = OrderState::ALL.iter().map(|s| (s.code(), order(*s)));
    let words = WORDS.iter().map(|(_, state, leaves)| (*state, *leaves));
    let mut commands = 0;
    for (state, leaves) in files.chain(answers).chain(lines).chain(orders).chain(words) {
        match leaves {
            Leaves::Persons(by) => {
                assert!(!by.is_empty(), "{state}");
                by.iter().for_each(|command| exists(command));
                commands += by.len();
            }
            Leaves::Itself(pass) => assert!(!pass.is_empty(), "{state}"),
            Leaves::End => {}
        }
    }
    assert!(commands > 30, "{commands}");
}

#[test]
fn t10_the_words_of_the_schema_are_all_there() {
    let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
    let mut seen = 0;
    for file in std::fs::read_dir(migrations).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut table = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("create table ") {
                table = rest.split(' ').next().unwrap().trim_end_matches("_anew");
            }
            let states = ["check (state in (", "check (mode in ("].iter().find_map(|mark| line.split_once(mark));
            let Some((_, states)) = states.filter(|_| table != "refund_order") else { continue };
            for state in states.split(')').next().unwrap().split(", ").map(|s| s.trim_matches('\'')) {
                assert!(WORDS.iter().any(|w| (w.0, w.1) == (table, state)), "{table} {state}: how is it left?");
                seen += 1;
            }
        }
    }
    assert!(seen >= WORDS.len(), "{seen} of {}", WORDS.len());
}

#[tokio::test]
async fn t10_doctor_names_a_held_file_and_the_command_lets_it_go() {
    let w = &mut World::on_sqlite().await;
    let id = sealed(w, COUNTER, 0..3).await;
    ask(w, id, FileWish::Hold).await.unwrap();
    w.now = w.now.plus_minutes(180);
    let it = named(w, "file_held", &format!("file {id}"), &format!("bankgate file release {id}")).await;
    assert!(it.fen.is_positive() && it.since.is_some_and(|since| since < w.now), "{it:?}");
    named(w, "file_held", &format!("file {id}"), &format!("bankgate file void {id}")).await;
    by_two(w, id, FileWish::Release).await;
    gone(w, "file_held").await;
}

#[tokio::test]
async fn t10_doctor_names_a_doubtful_file_and_the_command_settles_it() {
    let w = &mut World::on_sqlite().await;
    let (id, _) = cut_before_rename(w, COUNTER, 0..3).await;
    w.sql("update file_out set state = 'doubt'").await;
    named(w, "file_doubt", &format!("file {id}"), &format!("bankgate file settle {id}")).await;
    by_two(w, id, FileWish::Sent).await;
    gone(w, "file_doubt").await;
    // The bank is silent then, and writes that it executed nothing.
    w.settle_at("2019-03-29", "10:00:00").await;
    named(w, "result_overdue", &format!("file {id}"), &format!("bankgate file settle {id}")).await;
    by_two(w, id, FileWish::Refused).await;
    gone(w, "result_overdue").await;
}

#[tokio::test]
async fn t10_doctor_names_a_quarantined_file_and_the_command_rejects_it() {
    let w = &mut World::on_sqlite().await;
    w.release(&draft("P", COUNTER, 0..4)).await;
    w.settle().await;
    let slip = w.take_one(COUNTER);
    let half = Slip { orders: slip.orders[..2].to_vec(), ..slip.clone() };
    w.answer(&half, &[Word::Paid; 2]);
    w.settle().await;
    for command in ["reject", "reread", "apply"] {
        named(w, "quarantined", "file 1", &format!("bankgate file {command} 1")).await;
    }
    of_answer(w, AnswerWish::Reject).await.unwrap();
    gone(w, "quarantined").await;
    // Another of other bytes behind one that counts.
    w.answer(&slip, &[Word::Paid; 4]);
    w.settle().await;
    let (path, bytes) = result(&slip, &[Word::Paid; 4]).remove(0);
    w.put(COUNTER, &path, &[&bytes[..], b"\r\n"].concat());
    w.settle().await;
    let last = w.int("select max(id) from file_in").await;
    named(w, "file_conflict", &format!("file {last}"), &format!("bankgate file reject {last}")).await;
    assert!(of_answer(w, AnswerWish::Reread).await.is_err(), "the other one counts already");
    of_answer(w, AnswerWish::Reject).await.unwrap();
    gone(w, "file_conflict").await;
}

#[tokio::test]
async fn t10_doctor_names_an_unknown_payment_and_the_commands_settle_it() {
    let w = &mut World::on_sqlite().await;
    w.release(&draft("P", CLEARING, 0..1)).await;
    w.settle().await;
    let slip = w.take_one(CLEARING);
    w.ack(&slip, "481299", "批次重复");
    w.settle().await;
    let reference = &slip.orders[0].reference;
    named(w, "unknown", reference, &format!("bankgate payment resolve {reference}")).await;
    let instruction = w.int("select id from instruction").await;
    let (one, other) = (person("one"), person("other"));
    assert!(propose_resolve(&w.gateway, &one, instruction, Act::ResolvePaid, "", w.now).await.is_err(), "without evidence");
    let (proposal, _) = propose_resolve(&w.gateway, &one, instruction, Act::ResolvePaid, "回函 17 号", w.now).await.unwrap();
    named(w, "proposal", &format!("proposal {proposal}"), &format!("bankgate approve {proposal}")).await;
    approve(&w.gateway, &other, proposal, w.now).await.unwrap();
    for kind in ["unknown", "proposal", "file_doubt"] {
        gone(w, kind).await;
    }
    assert_eq!(w.files().await, ["answered"], "its last open line ends a doubtful file");
    let id = the_file(w).await;
    assert!(ask(w, id, FileWish::Sent).await.is_err());
}

#[tokio::test]
async fn t10_doctor_names_a_paused_bank_an_alarm_and_a_letter() {
    let w = &mut World::on_sqlite().await;
    let one = person("one");
    bank_mode(&w.gateway, &one, (COUNTER, "paused"), "维护窗口", false, w.now).await.unwrap();
    named(w, "bank_paused", &format!("bank {COUNTER}"), &format!("bankgate bank resume {COUNTER}")).await;
    bank_mode(&w.gateway, &one, (COUNTER, "live"), "维护完毕", false, w.now).await.unwrap();
    gone(w, "bank_paused").await;

    w.sql("insert into incident (key, kind, what, next_step, first_at, last_at) values ('k', 'conflict', '款项不符', '请对账', 0, 0)")
        .await;
    let id = w.int("select max(id) from incident").await;
    named(w, "incident", &format!("incident {id}"), &format!("bankgate incident close {id}")).await;
    assert!(matches!(close_incident(&w.gateway, &one, id, "已对账无误", true, w.now).await.unwrap(), Acted::Would(_, false)));
    named(w, "incident", &format!("incident {id}"), &format!("bankgate incident close {id}")).await;
    assert!(close_incident(&w.gateway, &one, id, "", false, w.now).await.is_err(), "without a reason");
    close_incident(&w.gateway, &one, id, "已对账无误", false, w.now).await.unwrap();
    gone(w, "incident").await;

    w.sql(
        "insert into outbox_mail (dedup_key, message_id, kind, recipients, subject, eml, state, next_at, created_at) \
         values ('k', 'm', 'alarm', 'a@b.example', 's', '', 'bounced', 0, 0)",
    )
    .await;
    for again in [true, false] {
        let command = if again { "retry" } else { "done" };
        named(w, "mail", "mail 1", &format!("bankgate mail {command} 1")).await;
        mail_act(&w.gateway, &one, (1, again), "地址已改", false, w.now).await.unwrap();
        assert_eq!(w.texts("select state from outbox_mail").await, [if again { "queued" } else { "sent" }]);
        assert!(mail_act(&w.gateway, &one, (1, again), "地址已改", false, w.now).await.is_err());
        if again {
            w.sql("update outbox_mail set state = 'doubt'").await;
        }
    }
    gone(w, "mail").await;
    assert_eq!(
        w.int("select count(*) from audit where act in ('bank.paused', 'bank.live', 'incident.close', 'mail.retry', 'mail.done')").await,
        5
    );
}

/// The number of what is expected and has not come.
async fn owed(w: &World, kind: &str) -> i64 {
    w.int(&format!("select min(id) from expected_file where kind = '{kind}' and came_at is null and waived_at is null")).await
}

#[tokio::test]
async fn t10_what_will_not_come_is_waived_by_a_person_who_says_why() {
    let w = &mut World::on_sqlite().await;
    let one = person("one");
    w.release(&draft("P", SPLIT, 0..2)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    // While the bank has said nothing of a payment, its result is owed, whatever anybody says.
    let result = owed(w, "result").await;
    let refused = waive(&w.gateway, &one, result, "银行称没有", false, w.now).await.unwrap_err();
    assert!(refused.to_string().contains("2 lines of file 1 have no word of the bank"), "{refused}");
    w.answer(&slip, &[Word::Paid, Word::Processing]);
    w.settle_at("2019-03-19", "19:00:00").await;
    for kind in ["result_overdue", "statement_missing"] {
        assert_eq!(findings(w, kind).await.len(), 1, "{kind}");
    }
    assert_eq!((w.incidents("overdue").await, w.incidents("statement_overdue").await), (1, 1));
    for (kind, alarm, count) in [("result", "overdue", 1), ("statement", "statement_overdue", 3)] {
        for n in 0..count {
            assert_eq!(w.incidents(alarm).await, 1, "{kind} {n}: it ends with the last");
            let id = owed(w, kind).await;
            assert!(waive(&w.gateway, &one, id, " ", false, w.now).await.is_err(), "without a reason");
            let would = waive(&w.gateway, &one, id, "银行来函：当日无业务", true, w.now).await.unwrap();
            assert!(matches!(would, Acted::Would(_, false)) && owed(w, kind).await == id, "a dry run writes nothing: {would:?}");
            waive(&w.gateway, &one, id, "银行来函：当日无业务", false, w.now).await.unwrap();
            assert!(waive(&w.gateway, &one, id, "银行来函：当日无业务", false, w.now).await.is_err(), "once");
        }
        assert_eq!(w.incidents(alarm).await, 0, "{kind}");
    }
    gone(w, "result_overdue").await;
    gone(w, "statement_missing").await;
    assert_eq!(w.states("P").await, ["paid", "unknown"], "it makes no outcome");
    named(w, "unknown", &slip.orders[1].reference, &format!("bankgate payment resolve {}", slip.orders[1].reference)).await;
    w.settle_at("2019-03-20", "09:00:00").await;
    assert_eq!((w.incidents("overdue").await, w.incidents("statement_overdue").await), (0, 0), "and stays so");
    assert_eq!(w.int("select count(*) from audit where act = 'expected.waive' and detail like '%当日无业务%'").await, 4);
    // It came after all.
    w.answer(&slip, &[Word::Paid, Word::Paid]);
    w.settle().await;
    assert_eq!(w.states("P").await, ["paid", "paid"]);
    assert_eq!(w.int("select count(*) from expected_file where kind = 'result' and came_at is not null").await, 1);
}

#[tokio::test]
async fn t10_an_ack_is_waived_where_the_file_was_seen_to_arrive_and_not_where_that_is_presumed() {
    let w = &mut World::on_sqlite().await;
    let one = person("one");
    w.release(&draft("P", CLEARING, 0..1)).await;
    w.settle().await;
    let (id, file) = (owed(w, "ack").await, the_file(w).await);
    w.now = w.now.plus_minutes(600);
    named(w, "ack_overdue", &format!("file {file}"), "bankgate expected waive").await;
    w.sql("update file_out set evidence = 'presumed'").await;
    let refused = waive(&w.gateway, &one, id, "银行称不回执", false, w.now).await.unwrap_err();
    assert!(refused.to_string().contains("nobody saw file"), "{refused}");
    w.sql("update file_out set evidence = 'renamed'").await;
    waive(&w.gateway, &one, id, "银行称不回执", false, w.now).await.unwrap();
    gone(w, "ack_overdue").await;
    w.settle().await;
    assert_eq!((w.incidents("ack_overdue").await, w.states("P").await), (0, vec!["sent".to_owned()]));
}
