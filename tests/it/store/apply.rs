//! A bank's answers move rows by the same table as `step()` moves one: every cell, in bulk SQL, on both engines.

use std::collections::BTreeMap;

use bankgate::args;
use bankgate::domain::exchange::{Answer, InboundKind, Outcome};
use bankgate::domain::instruction::{Event, InstructionState, step};
use bankgate::domain::masked::{Account, IdNumber, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::store::inbound::{CasesOf, Group, LineState, SetShape};
use bankgate::store::outbound::FileOut;
use bankgate::store::sql::Tx;

use super::on_both;
use super::sample::{NOW, World, instruction, new_file};

on_both! {
    every_cell_moves_rows_of_their_own
    every_cell_gives_lines_rows_of_their_own
    what_the_file_says_is_moved_once
    one_final_answer_of_a_kind_counts
    cases_are_opened_once_for_whom_they_concern
    an_echo_that_differs_is_found
    a_set_that_answers_what_was_never_sent_shows
    only_a_final_failure_is_marked_as_reissued
    a_late_success_behind_a_final_failure_is_found
    history_is_not_read_to_apply_an_answer
}

/// The file that brings the answers.
const SET: i64 = 500;

/// What a line can say, and the event that it must be taken for. Only a final word is definite.
const WORDS: [(InboundKind, Outcome, bool, Event); 11] = [
    (InboundKind::Result, Outcome::Paid, true, Event::BankPaid),
    (InboundKind::Result, Outcome::Paid, false, Event::BankUnknown),
    (InboundKind::Result, Outcome::Failed, true, Event::BankFailed),
    (InboundKind::Result, Outcome::Failed, false, Event::BankUnknown),
    (InboundKind::Result, Outcome::Accepted, true, Event::BankAccepted),
    (InboundKind::Result, Outcome::Accepted, false, Event::BankAccepted),
    (InboundKind::Result, Outcome::Unknown, true, Event::BankUnknown),
    (InboundKind::Result, Outcome::Unknown, false, Event::BankUnknown),
    (InboundKind::Ack, Outcome::Accepted, false, Event::BankAccepted),
    (InboundKind::Ack, Outcome::Failed, true, Event::BankFailed),
    // That it was sent back is on record by itself.
    (InboundKind::Result, Outcome::Returned, true, Event::BankPaid),
];
const KINDS: [InboundKind; 2] = [InboundKind::Ack, InboundKind::Result];

fn words_of(kind: InboundKind) -> Vec<(Outcome, bool, Event)> {
    WORDS.iter().filter(|w| w.0 == kind).map(|w| (w.1, w.2, w.3)).collect()
}

fn answer(line: u64, outcome: Outcome, is_final: bool) -> Answer {
    Answer {
        line,
        reference: None,
        seq: Some(line),
        payee_name: None,
        id_number: None,
        account: None,
        amount: None,
        paid: None,
        outcome,
        is_final,
        reason: (outcome != Outcome::Paid).then_some(Reason::AcctClosed),
        raw_code: format!("E{line}"),
        raw_text: "账户已销户".into(),
        bank_ref: Some(format!("R{line}")),
        date: None,
        repeats: Vec::new(),
    }
}

/// A file of so many instructions whose lines stand here.
async fn file_of(tx: &mut Tx, first: i64, lines: usize, base: InstructionState) -> FileOut {
    let last = first + i64::try_from(lines).unwrap() - 1;
    let rows: Vec<_> = (first..=last).map(|id| instruction(id, id)).collect();
    tx.insert_instructions("B-1", &rows).await.unwrap();
    let name = format!("{first}.txt");
    let mut new = new_file(&name, first);
    (new.range, new.total) = ((first, last), Fen::new(1230 * i64::try_from(lines).unwrap()));
    let id = tx.insert_file(&new, NOW).await.unwrap();
    tx.exec("update file_out set state = 'sent', lines_state = $2 where id = $1", args![id, base.code()]).await.unwrap();
    tx.file(id).await.unwrap()
}

async fn put(tx: &mut Tx, file: &FileOut, id: i64, state: InstructionState, class: &str) {
    let line = LineState { instruction_id: id, state, amount: Fen::new(1230), reason: "OLD", class, words: "old", at: None };
    tx.set_state(file, &line, NOW).await.unwrap();
}

/// What stands in `instruction_state`: (state, reason, file_in, line, paid, returned).
type Own = BTreeMap<i64, (String, String, Option<i64>, Option<i64>, i64, i64)>;

async fn own(tx: &mut Tx, file: &FileOut) -> Own {
    let sql = "select instruction_id, state, reason, file_in, line, paid_fen, returned_fen from instruction_state where file_out = $1";
    let rows = tx.rows(sql, args![file.id]).await.unwrap();
    rows.iter()
        .map(|r| {
            let own = (r.string(1), r.string(2), r.opt_int(3), r.opt_int(4), r.int(5), r.int(6));
            (r.int(0).unwrap(), (own.0.unwrap(), own.1.unwrap(), own.2.unwrap(), own.3.unwrap(), own.4.unwrap(), own.5.unwrap()))
        })
        .collect()
}

/// Groups as a map from (state, event) to (next, count); their sums are checked on the way.
fn by_cell(groups: &[Group]) -> BTreeMap<(String, String), (Option<InstructionState>, u64)> {
    let mut cells = BTreeMap::new();
    for g in groups {
        assert_eq!(g.total, Fen::new(1230 * i64::try_from(g.count).unwrap()));
        let cell = cells.entry((g.state.code().to_owned(), g.event.clone())).or_insert((g.next, 0));
        assert_eq!(cell.0, g.next);
        cell.1 += g.count;
    }
    cells
}

fn count_cells(lines: impl Iterator<Item = (InstructionState, Event)>) -> BTreeMap<(String, String), (Option<InstructionState>, u64)> {
    let mut cells = BTreeMap::new();
    for (state, event) in lines {
        cells.entry((state.code().to_owned(), event.code().to_owned())).or_insert((step(state, event).ok(), 0)).1 += 1;
    }
    cells
}

async fn every_cell_moves_rows_of_their_own(w: World) {
    w.sampled().await;
    for (at, kind) in KINDS.into_iter().enumerate() {
        let lines: Vec<_> = InstructionState::ALL.iter().flat_map(|s| words_of(kind).into_iter().map(|word| (*s, word))).collect();
        let mut tx = w.store.begin().await.unwrap();
        let file = file_of(&mut tx, 10_000 * (1 + i64::try_from(at).unwrap()), lines.len(), InstructionState::Sent).await;
        let mut answers = Vec::new();
        for ((state, (outcome, is_final, _)), id) in lines.iter().zip(file.first_id..) {
            put(&mut tx, &file, id, *state, "CD").await;
            answers.push((answer(u64::try_from(id - file.first_id + 1).unwrap(), *outcome, *is_final), Some(id)));
        }
        tx.insert_answers(SET, answers).await.unwrap();
        let before = own(&mut tx, &file).await;
        assert_eq!(
            by_cell(&tx.groups_own(&[SET], &file).await.unwrap()),
            count_cells(lines.iter().map(|(s, (_, _, e))| (*s, *e))),
            "{kind:?}"
        );
        assert!(tx.groups_base(&[SET], &file).await.unwrap().is_empty(), "every line has a row of its own");

        let moves: Vec<_> = lines.iter().map(|(s, (_, _, e))| step(*s, *e).ok().filter(|next| next != s)).collect();
        let moved = tx.update_states(&[SET], &file, NOW.plus_minutes(1)).await.unwrap();
        assert_eq!(moved, u64::try_from(moves.iter().flatten().count()).unwrap(), "{kind:?}");
        let after = own(&mut tx, &file).await;
        for (((state, (outcome, _, event)), next), id) in lines.iter().zip(&moves).zip(file.first_id..) {
            let what = format!("{kind:?}: {state:?} on {event:?}");
            let Some(next) = next else {
                assert_eq!(after[&id], before[&id], "{what} must change nothing");
                continue;
            };
            let reason = if *outcome == Outcome::Paid { "" } else { Reason::AcctClosed.code() };
            let paid = if *next == InstructionState::Paid { 1230 } else { before[&id].4 };
            let returned = if *next == InstructionState::Returned { 1230 } else { 0 };
            let line = id - file.first_id + 1;
            assert_eq!(after[&id], (next.code().to_owned(), reason.to_owned(), Some(SET), Some(line), paid, returned), "{what}");
        }
        assert_eq!(tx.update_states(&[SET], &file, NOW).await.unwrap(), 0, "{kind:?}: said again, nothing moves");
    }
}

async fn every_cell_gives_lines_rows_of_their_own(w: World) {
    w.sampled().await;
    let mut first = 10_000;
    for kind in KINDS {
        for base in InstructionState::ALL {
            first += 100;
            let words = words_of(kind);
            let mut tx = w.store.begin().await.unwrap();
            // One line more, which the set does not name.
            let file = file_of(&mut tx, first, words.len() + 1, *base).await;
            let answers = words
                .iter()
                .zip(1_u64..)
                .map(|((outcome, is_final, _), line)| (answer(line, *outcome, *is_final), Some(first + i64::try_from(line).unwrap() - 1)));
            tx.insert_answers(SET, answers.collect()).await.unwrap();
            let cells = count_cells(words.iter().map(|w| (*base, w.2)));
            assert_eq!(by_cell(&tx.groups_base(&[SET], &file).await.unwrap()), cells, "{kind:?} {base:?}");
            assert!(tx.groups_own(&[SET], &file).await.unwrap().is_empty());

            let except = words[0].2;
            // While the file's own word moves on, a line that stays gets a row too: it would be carried along otherwise.
            let stays = |e: Event, n: &InstructionState| n != base || e != except;
            let moves: Vec<_> = words.iter().map(|(_, _, e)| step(*base, *e).ok().filter(|n| stays(*e, n)).map(|n| (*e, n))).collect();
            let count = |of: &dyn Fn(Event) -> bool| u64::try_from(moves.iter().flatten().filter(|(e, _)| of(*e)).count()).unwrap();
            let some = tx.insert_states(&[SET], &file, *base, except.code(), NOW).await.unwrap();
            assert_eq!(some, count(&|e| e != except), "{kind:?} {base:?} but {except:?}");
            let rest = tx.insert_states(&[SET], &file, *base, "", NOW).await.unwrap();
            assert_eq!(rest, count(&|e| e == except), "{kind:?} {base:?}");
            let own = own(&mut tx, &file).await;
            assert_eq!(tx.own_rows(file.id).await.unwrap(), (some + rest, Fen::new(1230 * i64::try_from(some + rest).unwrap())));
            for (found, id) in moves.iter().zip(first..) {
                let state = own.get(&id).map(|o| o.0.as_str());
                assert_eq!(state, found.map(|(_, n)| n.code()), "{kind:?} {base:?} {:?}", words[usize::try_from(id - first).unwrap()]);
                let Some((_, next)) = found else { continue };
                // What had been paid was paid, whatever came after.
                let was_paid = *next == InstructionState::Paid || *base == InstructionState::Paid;
                let money = (if was_paid { 1230 } else { 0 }, if *next == InstructionState::Returned { 1230 } else { 0 });
                assert_eq!((own[&id].4, own[&id].5), money, "{kind:?} {base:?} to {next:?}");
                assert_eq!((own[&id].2, own[&id].3), (Some(SET), Some(id - first + 1)));
            }
            assert_eq!(tx.insert_states(&[SET], &file, *base, "", NOW).await.unwrap(), 0, "said again");
            let left = count_cells(words.iter().zip(&moves).filter(|(_, moved)| moved.is_none()).map(|(w, _)| (*base, w.2)));
            assert_eq!(
                by_cell(&tx.groups_base(&[SET], &file).await.unwrap()),
                left,
                "{kind:?} {base:?}: what has a row of its own is no more of these"
            );
            assert_eq!(tx.update_states(&[SET], &file, NOW).await.unwrap(), 0, "{kind:?} {base:?}: new rows are not moved once more");
        }
    }
}

async fn what_the_file_says_is_moved_once(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 5, InstructionState::Sent).await;
    assert_eq!(tx.lines_open(&file).await.unwrap(), 5);
    put(&mut tx, &file, 100, InstructionState::Failed, "CD").await;
    put(&mut tx, &file, 101, InstructionState::Unknown, "").await;
    assert_eq!(tx.lines_open(&file).await.unwrap(), 4);
    assert!(tx.move_base(&file, InstructionState::Paid, NOW).await.unwrap());
    assert!(!tx.move_base(&file, InstructionState::Failed, NOW).await.unwrap(), "somebody was faster");
    assert_eq!(tx.lines_open(&file).await.unwrap(), 1, "the unknown one");
    put(&mut tx, &file, 101, InstructionState::Paid, "").await;
    assert_eq!(tx.lines_open(&file).await.unwrap(), 0);
    let seen = tx.rows("select id, state, file_out, line from v_instruction where id >= 100 order by id", args![]).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|r| (r.int(0).unwrap(), r.string(1).unwrap(), r.int(2).unwrap(), r.int(3).unwrap())).collect();
    let expected = ["failed", "paid", "paid", "paid", "paid"].into_iter().zip(0..).map(|(s, n)| (100 + n, s.to_owned(), file.id, n + 1));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

async fn one_final_answer_of_a_kind_counts(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 4, InstructionState::Sent).await;
    let words = [(Outcome::Failed, true), (Outcome::Unknown, false), (Outcome::Paid, true)];
    let answers = words.iter().zip(1_u64..).map(|((o, f), line)| (answer(line, *o, *f), Some(99 + i64::try_from(line).unwrap())));
    tx.insert_answers(SET, answers.collect()).await.unwrap();
    tx.insert_states(&[SET], &file, InstructionState::Sent, "", NOW).await.unwrap();
    tx.take_final(&file, InboundKind::Result, &[SET], false).await.unwrap();
    tx.take_final(&file, InboundKind::Result, &[SET], true).await.unwrap();
    let sql = "select instruction_id from final_answer where file_out = $1 and kind = 'result' and file_in = $2 order by 1";
    let taken = tx.rows(sql, args![file.id, SET]).await.unwrap();
    // The whole file as instruction 0; of the lines those with a definite word, and the unknown one has none.
    assert_eq!(taken.iter().map(|r| r.int(0).unwrap()).collect::<Vec<_>>(), [0, 100, 102]);
    tx.take_final(&file, InboundKind::Return, &[SET], true).await.unwrap();
    tx.savepoint().await.unwrap();
    assert!(tx.take_final(&file, InboundKind::Result, &[SET + 1], true).await.is_err_and(|e| e.is_unique_violation()));
    tx.rollback_part().await.unwrap();
}

async fn cases_are_opened_once_for_whom_they_concern(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 9, InstructionState::Paid).await;
    let owners = [
        ("CD", "department"),
        ("BA", "person"),
        ("IR", "department"),
        ("UR", "department"),
        ("EN", "operator"),
        ("GW", "operator"),
        ("", "department"),
    ];
    for ((class, _), id) in owners.iter().zip(100..) {
        put(&mut tx, &file, id, InstructionState::Failed, class).await;
    }
    put(&mut tx, &file, 107, InstructionState::Failed, "BT").await;
    put(&mut tx, &file, 108, InstructionState::Unknown, "BT").await;
    tx.exec("update instruction_state set file_in = $2, line = 1 where file_out = $1", args![file.id, SET]).await.unwrap();
    let day = file.business_date;
    let mut of =
        CasesOf { kind: "failed", state: InstructionState::Failed, department: "D1", bank: "B01", business_date: day, due_on: day };
    assert_eq!(tx.open_cases(&[SET + 1], &of, NOW).await.unwrap(), 0, "another set");
    assert_eq!(tx.open_cases(&[SET, SET + 1], &of, NOW).await.unwrap(), 7, "what the retry takes needs nobody");
    assert_eq!(tx.open_cases(&[SET], &of, NOW).await.unwrap(), 0, "once");
    (of.kind, of.state) = ("unknown", InstructionState::Unknown);
    assert_eq!(tx.open_cases(&[SET], &of, NOW).await.unwrap(), 1);
    let sql = "select instruction_id, class, owner, amount_fen, payment_id, reason from failure_case where kind = 'failed' and instruction_id >= 100 order by 1";
    let cases = tx.rows(sql, args![]).await.unwrap();
    for ((case, (class, owner)), id) in cases.iter().zip(owners).zip(100..) {
        let class = if class.is_empty() { "UR" } else { class };
        assert_eq!((case.int(0).unwrap(), case.text(1).unwrap(), case.text(2).unwrap()), (id, class, owner));
        assert_eq!((case.int(3).unwrap(), case.int(4).unwrap(), case.text(5).unwrap()), (1230, id, "OLD"));
    }
}

async fn an_echo_that_differs_is_found(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 8, InstructionState::Sent).await;
    let plain = |line| answer(line, Outcome::Paid, true);
    let same = Answer {
        payee_name: Some(Name::new("阿牛·木呷")),
        id_number: Some(IdNumber::new("11010519491231002X")),
        account: Some(Account::new("6217001234567890014")),
        amount: Some(Fen::new(1230)),
        paid: Some(Fen::new(1230)),
        ..plain(1)
    };
    let said = [
        plain(1),
        same,
        Answer { payee_name: Some(Name::new("阿牛木呷")), ..plain(3) },
        Answer { id_number: Some(IdNumber::new("11010519491231002x")), ..plain(4) },
        Answer { account: Some(Account::new("6217001234567890015")), ..plain(5) },
        Answer { amount: Some(Fen::new(1231)), ..plain(6) },
        Answer { paid: Some(Fen::new(1229)), ..plain(7) },
        // Nothing was credited where nothing was paid.
        Answer { paid: Some(Fen::ZERO), ..answer(8, Outcome::Failed, true) },
    ];
    let answers = said.into_iter().zip(1_u64..).map(|(a, line)| (Answer { line, ..a }, Some(99 + i64::try_from(line).unwrap())));
    tx.insert_answers(SET, answers.collect()).await.unwrap();
    let found = tx.echoes_that_differ(&[SET], 100).await.unwrap();
    assert_eq!(found.iter().map(|e| e.at).collect::<Vec<_>>(), (3..=7).map(|line| (SET, line)).collect::<Vec<_>>());
    assert_eq!((found[4].ours.3, found[4].theirs.4, found[4].instruction_id), (Fen::new(1230), Some(Fen::new(1229)), 106));
    assert_eq!(tx.echoes_that_differ(&[SET], 2).await.unwrap().len(), 2);
    assert_eq!(file.rows, 8);
}

async fn a_set_that_answers_what_was_never_sent_shows(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 3, InstructionState::Sent).await;
    let whom = [Some(100), Some(101), Some(101), None, Some(99), Some(103)];
    let answers = whom.iter().zip(1_u64..).map(|(id, line)| (answer(line, Outcome::Failed, true), *id));
    tx.insert_answers(SET, answers.collect()).await.unwrap();
    assert_eq!(tx.set_shape(&[SET], &file).await.unwrap(), SetShape { lines: 6, unbound: 3, distinct: 4 });
    assert_eq!(tx.set_shape(&[SET + 1], &file).await.unwrap(), SetShape::default());
}

async fn only_a_final_failure_is_marked_as_reissued(w: World) {
    w.sampled().await;
    let states = InstructionState::ALL;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, states.len(), InstructionState::Sent).await;
    for (state, id) in states.iter().zip(100..) {
        put(&mut tx, &file, id, *state, if *state == InstructionState::FailedFinal { "IR" } else { "CD" }).await;
    }
    tx.exec("update instruction set live = 0 where id >= 100", args![]).await.unwrap();
    let last = 199 + i64::try_from(states.len()).unwrap();
    let successors = (200..=last).map(|id| {
        let mut new = instruction(id, id - 100);
        new.previous_id = Some(id - 100);
        new
    });
    tx.insert_instructions("B-1", &successors.collect::<Vec<_>>()).await.unwrap();
    let sources = tx.sources_of_range((200, last)).await.unwrap();
    // What was carried over the year's end is paid from new funds, as a first payment is.
    let of = |class: &str, n: u64| (class.to_owned(), Fen::new(1230 * i64::try_from(n).unwrap()), n);
    assert_eq!(sources, [of("", 1), of("CD", u64::try_from(states.len()).unwrap() - 2), of("IR", 1)]);
    assert_eq!(tx.mark_reissued((200, last), NOW).await.unwrap(), 1);
    let own = own(&mut tx, &file).await;
    for (state, id) in states.iter().zip(100..) {
        let next = step(*state, Event::Reissue).unwrap_or(*state);
        assert_eq!(own[&id].0, next.code());
    }
}

async fn a_late_success_behind_a_final_failure_is_found(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let file = file_of(&mut tx, 100, 4, InstructionState::Sent).await;
    let states = [InstructionState::FailedFinal, InstructionState::Reissued, InstructionState::Failed, InstructionState::FailedFinal];
    for (state, id) in states.into_iter().zip(100..) {
        put(&mut tx, &file, id, state, "CD").await;
    }
    tx.exec("update instruction set live = 0 where id = 101", args![]).await.unwrap();
    let mut successor = instruction(200, 101);
    successor.previous_id = Some(101);
    tx.insert_instructions("B-1", &[successor]).await.unwrap();
    let outcomes = [Outcome::Paid, Outcome::Paid, Outcome::Paid, Outcome::Failed];
    let answers = outcomes.iter().zip(1_u64..).map(|(o, line)| (answer(line, *o, true), Some(99 + i64::try_from(line).unwrap())));
    tx.insert_answers(SET, answers.collect()).await.unwrap();
    let found = tx.contradicted(&[SET], &file).await.unwrap();
    assert_eq!(found, [100, 101]);
}

/// A year of payments behind us must not make today's answer slow: what the statements read is bounded by the set.
async fn history_is_not_read_to_apply_an_answer(w: World) {
    const HISTORY: i64 = 60_000;
    const LINES: i64 = 500;
    if !w.is_postgres() {
        return; // SQLite keeps no count of rows read; its plans follow the same keys.
    }
    w.sampled().await;
    w.must(&format!(
        "insert into instruction (id, payment_id, root_payment_id, claim_key, batch, payee_name, payee_id, account, bank_code, mobile, amount_fen, remark) \
         select n, n, n, n, 'B-0', 'x', 'x', 'x', 'x', '', 1230, '' from generate_series(1000000, {}) n",
        1_000_000 + HISTORY
    ))
    .await;
    w.must("insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, since) select id, 9, 'B-0', 'failed_final', 1230, 0 from instruction where id >= 1000000").await;
    w.must("insert into answer_line select 9, id, id, 1, '', '', '', null, null, 'failed', 1, '', '', '', '', '', '' from instruction where id >= 1000000").await;
    // Never, before the answer came, and behind it: what the planner knows, it must not use to read all.
    for analyzed in 0..3 {
        let mut tx = w.store.begin().await.unwrap();
        // What a parallel worker reads is counted elsewhere.
        tx.exec("set local max_parallel_workers_per_gather = 0", args![]).await.unwrap();
        if analyzed == 1 {
            tx.exec("analyze", args![]).await.unwrap();
        }
        let first = 200_000 + 200_000 * analyzed;
        let file = file_of(&mut tx, first, usize::try_from(LINES).unwrap(), InstructionState::Sent).await;
        let outcome = |n: i64| if n % 10 == 0 { Outcome::Failed } else { Outcome::Paid };
        let answers = (0..LINES).map(|n| (answer(u64::try_from(n + 1).unwrap(), outcome(n), true), Some(first + n)));
        let set = [SET + analyzed];
        tx.insert_answers(set[0], answers.collect()).await.unwrap();
        if analyzed == 2 {
            tx.exec("analyze", args![]).await.unwrap();
        }
        let kind = InboundKind::Result;
        let day = file.business_date;
        let of =
            CasesOf { kind: "failed", state: InstructionState::Failed, department: "D1", bank: "B01", business_date: day, due_on: day };
        let statements = [
            "set_shape",
            "echoes",
            "groups_own",
            "groups_base",
            "insert_states",
            "update_states",
            "take_final",
            "open_cases",
            "contradicted",
            "lines_open",
        ];
        for statement in statements {
            let before = rows_read(&mut tx).await;
            match statement {
                "set_shape" => assert_eq!(tx.set_shape(&set, &file).await.unwrap().unbound, 0),
                "echoes" => assert!(tx.echoes_that_differ(&set, 10).await.unwrap().is_empty()),
                "groups_own" => assert!(tx.groups_own(&set, &file).await.unwrap().is_empty()),
                "groups_base" => assert_eq!(tx.groups_base(&set, &file).await.unwrap().len(), 2),
                "insert_states" => {
                    assert_eq!(tx.insert_states(&set, &file, InstructionState::Sent, "bank_paid", NOW).await.unwrap(), 50)
                }
                "update_states" => assert_eq!(tx.update_states(&set, &file, NOW).await.unwrap(), 0),
                "take_final" => tx.take_final(&file, kind, &set, true).await.unwrap(),
                "open_cases" => assert_eq!(tx.open_cases(&set, &of, NOW).await.unwrap(), 50),
                "contradicted" => assert!(tx.contradicted(&set, &file).await.unwrap().is_empty()),
                _ => assert_eq!(tx.lines_open(&file).await.unwrap(), 450),
            }
            for (table, after) in rows_read(&mut tx).await {
                let read = after - before.get(&table).copied().unwrap_or(0);
                // A line looks at itself, its instruction and its state: a few each. Groups look at the table of transitions, lines need not. Of
                // the few that have a state of their own it may read all, where that is less work.
                let may_be_read =
                    table == "transition" && !statement.starts_with("groups") || table == "instruction_state" && analyzed == 2;
                assert!(may_be_read || read <= 6 * LINES, "{statement} read {read} rows of {table} (analyzed: {analyzed})");
            }
        }
        tx.commit().await.unwrap();
    }
}

/// Rows that this transaction has read so far, by table.
async fn rows_read(tx: &mut Tx) -> BTreeMap<String, i64> {
    let sql = "select cast(relname as text), seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables";
    tx.rows(sql, args![]).await.unwrap().iter().map(|r| (r.string(0).unwrap(), r.int(1).unwrap())).collect()
}
