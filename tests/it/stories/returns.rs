//! What was credited and comes back: months later, twice, before its success, from every side.

use std::path::Path;
use std::sync::Arc;

use bankgate::domain::money::Fen;
use bankgate::format::Profile;
use bankgate::passes::operate::partly::propose_partly;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::returns::credited_back;
use bankgate::store::desk::Operator;

use super::bank::{LOST, Slip, Word, gbk};
use super::reconcile::{credit, debit};
use super::world::{BANKS, SPLIT, World, at, draft, on_both, reissue};

/// The bank sends back lines of a request: how much, in which words.
pub fn give_back(w: &World, slip: &Slip, said: &[(usize, i64, &str)]) {
    let stem = slip.path.strip_prefix("YHDF__").unwrap().strip_suffix(".TXT").unwrap();
    let mut file = Vec::new();
    for (line, fen, words) in said {
        let o = &slip.orders[*line];
        let mut name = gbk(&o.name);
        name.resize(name.len().max(20), b' ');
        if !words.is_empty() {
            name.extend(gbk(&format!(";{words}")));
        }
        file.extend(gbk(&format!("{}|", o.id)));
        file.extend(name);
        file.extend(gbk(&format!("|{}|{}.{:02}|{}\n", o.id, fen / 100, fen % 100, o.reference)));
    }
    w.put(slip.bank, &format!("YHDFTP{stem}_T.TXT"), &file);
}

/// All of one line comes back.
pub fn give_all_back(w: &World, slip: &Slip, line: usize, words: &str) {
    give_back(w, slip, &[(line, slip.orders[line].fen, words)]);
}

/// From here on the bank's profile reads otherwise.
pub fn retune(w: &mut World, bank: &str, from: &str, to: &str) {
    let id = BANKS.iter().find(|(code, _)| *code == bank).unwrap().1;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id).join("profile.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    let profile = Arc::new(Profile::read(&text.replace(from, to), &file).unwrap());
    w.change(|g| drop(g.profiles.insert(id.to_owned(), profile)));
}

/// A statement of the payer's account with one credit: its id and line.
pub async fn statement_credit(w: &World, day: &str, fen: i64, reference: &str) -> (i64, i64) {
    w.sql(&format!(
        "insert into statement (bank, account, from_date, to_date, opening_fen, closing_fen, entries, file_in) \
         select '{SPLIT}', '510601012345678901', '{day}', '{day}', 0, {fen}, 1, coalesce(max(file_in), 1000000) + 1 from statement"
    ))
    .await;
    let id = w.int("select max(id) from statement").await;
    w.sql(&format!(
        "insert into statement_line (statement, line, on_date, side, amount_fen, reference, bank_ref, counter_account, counter_name, words) \
         values ({id}, 1, '{day}', 'credit', {fen}, '{reference}', 'X{id}', '', '', '退票:账户已销户')"
    ))
    .await;
    (id, 1)
}

/// What reconciling does with a credit that carries a reference of ours.
pub async fn credit_back(w: &World, instruction: i64, fen: i64, (statement, line): (i64, i64)) -> bool {
    let mut tx = w.gateway.store.begin().await.unwrap();
    let done = credited_back(&w.gateway, &mut tx, instruction, Fen::new(fen), "退票:账户已销户", (statement, line), w.now).await.unwrap();
    tx.commit().await.unwrap();
    w.audit("a credit on a statement").await;
    done
}

async fn paid(w: &mut World, batch: &str, people: std::ops::Range<usize>) -> Slip {
    let lines = people.len();
    w.release(&draft(batch, SPLIT, people)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &vec![Word::Paid; lines]);
    w.settle().await;
    slip
}

/// What the books say of what came back: suspense, paid, entries of the kind.
async fn back(w: &World) -> (i64, i64) {
    (w.balance("suspense:correctable").await, w.int("select count(*) from entry where kind = 'return'").await)
}

/// What is told of payments, files and returns. A statement that did not come, or that explains nothing, is another story.
async fn open_incidents(w: &World) -> Vec<String> {
    w.texts("select kind || ' ' || key from incident where state = 'open' and kind not in ('statement_overdue', 'reconcile') order by id")
        .await
}

#[tokio::test]
async fn i5_a_return_after_40_days_across_a_month_goes_back_to_suspense_and_is_paid_again() {
    on_both(async |w| {
        let slip = paid(w, "B", 0..3).await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
        let before = w.texts("select cast(id as text) || ' ' || kind || ' ' || cast(at as text) from entry order by id").await;
        w.settle_at("2019-04-23", "09:00:00").await;
        give_all_back(w, &slip, 1, "退票:账户已销户");
        w.settle().await;
        assert_eq!(
            (w.states("B").await, w.files().await),
            (vec!["paid".into(), "failed_final".into(), "paid".into()], vec!["answered".to_owned()])
        );
        let after = w.texts("select cast(id as text) || ' ' || kind || ' ' || cast(at as text) from entry order by id").await;
        assert_eq!(after[..before.len()], before, "what was booked stays as it was");
        assert_eq!(back(w).await, (slip.orders[1].fen, 1));
        let case = &w.rows("select kind, state, owner, reason, class, money_on, due_on, detail, amount_fen from failure_case").await[0];
        let texts: Vec<String> = (0..7).map(|column| case.string(column).unwrap()).collect();
        assert_eq!(texts, ["returned", "open", "person", "ACCT_CLOSED", "BA", "2019-04-23", "2019-04-29"]);
        assert_eq!(
            (case.string(7).unwrap().as_str(), case.int(8).unwrap()),
            ("2019-03-14入账，2019-04-23退回: 退票:账户已销户", slip.orders[1].fen)
        );
        assert_eq!(w.int("select count(*) from instruction where live = 0").await, 1);
        // Corrected and approved, it is paid again.
        let mut again = reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())]);
        again.pay_on = "2019-04-24".to_owned();
        again.seal();
        w.release(&again).await;
        w.settle_at("2019-04-24", "09:00:00").await;
        let second = w.take_one(SPLIT);
        w.answer(&second, &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["paid"], "{:?}", w.refusals().await);
        assert_eq!(back(w).await, (0, 1));
        assert_eq!(open_incidents(w).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn i5_the_same_return_twice_counts_once() {
    on_both(async |w| {
        w.polls(SPLIT);
        let slip = paid(w, "B", 0..3).await;
        give_all_back(w, &slip, 1, "退票");
        w.settle().await;
        let once = (w.states("B").await, back(w).await, w.cases("returned").await);
        assert_eq!(once.0, ["paid", "failed_final", "paid"]);
        // The same bytes, the same in another file with one more, the success said again by a poll, and shown by a statement.
        give_all_back(w, &slip, 1, "退票");
        w.settle().await;
        assert_eq!((w.states("B").await, back(w).await, w.cases("returned").await), once);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!((w.states("B").await, back(w).await, w.cases("returned").await), once);
        let id = w.int("select instruction from v_payment where batch = 'B' and seq = 2").await;
        let shown = statement_credit(w, "2019-03-14", slip.orders[1].fen, &slip.orders[1].reference).await;
        assert!(credit_back(w, id, slip.orders[1].fen, shown).await, "the statement shows what the file said");
        assert!(credit_back(w, id, slip.orders[1].fen, shown).await);
        let second = statement_credit(w, "2019-03-15", slip.orders[1].fen, &slip.orders[1].reference).await;
        assert!(!credit_back(w, id, slip.orders[1].fen, second).await, "a second credit is not explained");
        assert_eq!((w.states("B").await, back(w).await, w.cases("returned").await), once);
        give_back(w, &slip, &[(1, slip.orders[1].fen, "退票"), (2, slip.orders[2].fen, "")]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "failed_final"]);
        assert_eq!(back(w).await, (slip.orders[1].fen + slip.orders[2].fen, 2));
        assert_eq!(w.texts("select reason || ' ' || class from failure_case order by id").await, ["LATE_RETURN UR", "LATE_RETURN UR"]);
        assert_eq!(open_incidents(w).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn i5_a_return_before_its_success_waits_for_it() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..4)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        give_back(w, &slip, &[(0, slip.orders[0].fen, "退票"), (1, slip.orders[1].fen, "退票")]);
        w.settle().await;
        assert_eq!((w.states("B").await, w.cases("returned").await), (vec!["sent".to_owned(); 4], 0));
        assert_eq!(w.balance("bank_clearing").await, slip.orders.iter().map(|o| o.fen).sum::<i64>());
        // Nothing may follow while it waits.
        let again = reissue("R", SPLIT, &[(0, slip.orders[0].reference.clone())]);
        w.release(&again).await;
        w.settle().await;
        assert_eq!(w.int("select count(*) from instruction where batch = 'R'").await, 0, "{:?}", w.refusals().await);
        assert!(w.take(SPLIT).is_empty());
        // It is told once its success is overdue.
        assert_eq!(w.incidents("return_waiting").await, 0);
        w.settle_at("2019-03-21", "09:00:00").await;
        assert_eq!(w.incidents("return_waiting").await, 1);
        // The one was paid, and is sent back at once; the other failed, and that is the end of it.
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["failed_final", "failed_final", "paid", "paid"]);
        assert_eq!(
            w.texts("select kind || ' ' || reason from failure_case where kind <> 'rejected' order by kind").await,
            ["failed CARD_LOST", "returned LATE_RETURN"]
        );
        assert_eq!((back(w).await, w.incidents("return_waiting").await), ((slip.orders[0].fen + slip.orders[1].fen, 1), 0));
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn i5_a_result_that_says_sent_back_is_a_success_and_a_return() {
    on_both(async |w| {
        let rule = "[[status.failure]]\notherwise = true\noutcome = \"failed\"";
        let returned = "[[status.failure]]\notherwise = true\ntext = \"退票\"\noutcome = \"returned\"\nfinal = true\n\n";
        retune(w, SPLIT, rule, &format!("{returned}{rule}"));
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, Word::Failed("退票:户名不符"), LOST]);
        w.settle().await;
        assert_eq!(
            (w.states("B").await, w.files().await),
            (vec!["paid".into(), "failed_final".into(), "failed_final".into()], vec!["answered".to_owned()])
        );
        let kinds = w.texts("select kind || ' ' || reason || ' ' || class from failure_case order by kind").await;
        assert_eq!(kinds, ["failed CARD_LOST BA", "returned NAME_MISMATCH CD"]);
        assert_eq!(w.int("select count(*) from entry where kind = 'return'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn i5_a_statement_alone_can_show_that_a_payment_came_back() {
    on_both(async |w| {
        let slip = paid(w, "B", 0..3).await;
        let ids: Vec<i64> = w.rows("select id from instruction order by id").await.iter().map(|r| r.int(0).unwrap()).collect();
        w.now = at("2019-04-10", "09:00:00");
        let shown = statement_credit(w, "2019-04-09", slip.orders[2].fen, &slip.orders[2].reference).await;
        assert!(!credit_back(w, 999, slip.orders[2].fen, shown).await, "nobody of ours");
        assert!(!credit_back(w, ids[2], slip.orders[2].fen + 1, shown).await, "more than was paid");
        assert!(credit_back(w, ids[2], slip.orders[2].fen, shown).await);
        assert_eq!(w.states("B").await, ["paid", "paid", "returned"]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final"]);
        assert_eq!(w.texts("select money_on || ' ' || reason from failure_case").await, ["2019-04-09 ACCT_CLOSED"]);
        assert_eq!(w.int("select count(*) from entry where kind = 'return' and statement is not null").await, 1);
        // The bank's file says it too: nothing new.
        give_all_back(w, &slip, 2, "退票");
        w.settle().await;
        assert_eq!((back(w).await, w.cases("returned").await), ((slip.orders[2].fen, 1), 1));
    })
    .await;
}

/// Two were paid, and one of them is asked for it again: he had no right to it.
async fn one_is_asked_back(w: &mut World) -> (Slip, i64) {
    let slip = paid(w, "B", 0..2).await;
    w.exclude(0).await;
    w.cases_pass().await;
    assert_eq!(w.cases("recovery").await, 1);
    let sum = slip.orders.iter().map(|o| o.fen).sum();
    let closing = w.state(SPLIT, "2019-03-14", 50_000_000, &[debit(sum, &w.file_name().await, "代发")]);
    w.settle_at("2019-03-15", "09:00:00").await;
    (slip, closing)
}

/// It came back by the bank, not by him.
async fn the_bank_sent_it_back(w: &World) {
    assert_eq!(w.states("B").await, ["failed_final", "paid"]);
    let cases = w.texts("select kind || ' ' || state || ' ' || class || ' ' || reason from failure_case order by id").await;
    assert_eq!(
        cases,
        ["recovery closed IR DECEASED", "returned open IR DECEASED"],
        "nobody is asked for it any more, and nobody may keep it"
    );
    assert_eq!(w.texts("select kind || ' ' || how from statement_match order by statement, line").await, ["file file", "return reference"]);
    assert_eq!((w.balance("suspense:ineligible").await, w.balance("suspense:correctable").await), (10_000, 0));
    assert_eq!(w.int("select count(*) from break_item").await, 0);
}

#[tokio::test]
async fn i5_what_the_bank_sends_back_was_not_brought_back_by_whoever_is_asked_for_it() {
    on_both(async |w| {
        let (slip, opening) = one_is_asked_back(w).await;
        w.state(SPLIT, "2019-03-15", opening, &[credit(slip.orders[0].fen, &slip.orders[0].reference, "退票 账户已销户")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        give_all_back(w, &slip, 0, "账户已销户");
        w.settle_at("2019-03-19", "09:00:00").await;
        the_bank_sent_it_back(w).await;
    })
    .await;
}

#[tokio::test]
async fn i5_its_file_may_say_so_before_the_statement() {
    on_both(async |w| {
        let (slip, opening) = one_is_asked_back(w).await;
        give_all_back(w, &slip, 0, "账户已销户");
        w.settle_at("2019-03-18", "09:00:00").await;
        w.state(SPLIT, "2019-03-15", opening, &[credit(slip.orders[0].fen, &slip.orders[0].reference, "退回")]);
        w.settle_at("2019-03-19", "09:00:00").await;
        the_bank_sent_it_back(w).await;
    })
    .await;
}

#[tokio::test]
async fn i5_what_was_taken_for_brought_back_and_is_said_to_be_sent_back_is_missed_nowhere() {
    on_both(async |w| {
        let (slip, opening) = one_is_asked_back(w).await;
        w.state(SPLIT, "2019-03-15", opening, &[credit(slip.orders[0].fen, &slip.orders[0].reference, "退回")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.states("B").await, ["recovered", "paid"]);
        give_all_back(w, &slip, 0, "账户已销户");
        w.settle_at("2019-03-19", "09:00:00").await;
        w.settle_at("2019-04-10", "09:00:00").await;
        assert_eq!(w.states("B").await, ["recovered", "paid"]);
        assert_eq!(w.texts("select kind || ' ' || state from break_item").await, Vec::<String>::new());
        assert_eq!(
            w.texts("select kind from incident where state = 'open' and kind not in ('statement_overdue', 'no_address') order by id").await,
            Vec::<String>::new()
        );
    })
    .await;
}

#[tokio::test]
async fn i5_a_return_in_a_dated_folder_is_found_weeks_later_without_listing_it_each_time() {
    on_both(async |w| {
        retune(w, SPLIT, "path = \"YHDFTP{date", "path = \"{date:yyyyMMdd}/YHDFTP{date");
        let slip = paid(w, "B", 0..3).await;
        w.settle_at("2019-05-20", "09:00:00").await;
        let listed = w.int("select seen_at from sighting where path = '20190314/'").await;
        w.round().await;
        assert_eq!(w.int("select seen_at from sighting where path = '20190314/'").await, listed, "not again within the hour");
        std::fs::create_dir_all(w.mailbox(SPLIT).join("outbox/20190314")).unwrap();
        give_all_back(w, &slip, 0, "退票");
        std::fs::rename(
            w.mailbox(SPLIT).join("outbox/YHDFTP201903140001_T.TXT"),
            w.mailbox(SPLIT).join("outbox/20190314/YHDFTP201903140001_T.TXT"),
        )
        .unwrap();
        w.settle_at("2019-05-20", "11:00:00").await;
        assert_eq!(w.states("B").await, ["failed_final", "paid", "paid"]);
        // Nobody looks for what may not come any more.
        w.settle_at("2019-07-20", "11:00:00").await;
        let last = w.int("select seen_at from sighting where path = '20190314/'").await;
        assert!(last < at("2019-07-01", "00:00:00").millis());
    })
    .await;
}

/// Two persons: one proposes, the other approves.
fn two_persons() -> [Operator; 2] {
    let person = |login: &str| Operator {
        login: login.to_owned(),
        name: login.to_owned(),
        role: "finance_it".to_owned(),
        department: String::new(),
    };
    [person("one"), person("other")]
}

#[tokio::test]
async fn i5_q6_a_partial_return_leaves_the_payment_paid_for_the_rest_and_the_part_can_be_paid_again() {
    on_both(async |w| {
        let slip = paid(w, "B", 0..3).await;
        let whole = slip.orders[1].fen;
        give_back(w, &slip, &[(1, 4_000, "退票:账户已销户")]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
        assert_eq!(w.texts("select state || ' ' || class from remainder").await, ["failed_final BA"]);
        assert_eq!(
            (w.int("select amount_fen from remainder").await, w.int("select amount_fen from instruction_state").await),
            (4_000, whole - 4_000)
        );
        assert_eq!((back(w).await, w.cases("partial").await, w.cases("returned").await), ((4_000, 1), 1, 0));
        assert!(books_hold(w).await.is_empty());
        // The same again changes nothing, and so does the success.
        give_back(w, &slip, &[(1, 4_000, "退票:账户已销户"), (2, slip.orders[2].fen, "退票")]);
        w.settle().await;
        assert_eq!((w.states("B").await, w.cases("partial").await), (["paid", "paid", "failed_final"].map(str::to_owned).to_vec(), 1));
        // Another amount than what remains is refused; just so much is paid again, once.
        let reference = slip.orders[1].reference.clone();
        for (number, fen, admitted) in [("R1", 4_001, 0), ("R2", 4_000, 1), ("R3", 4_000, 0)] {
            let mut again = reissue(number, SPLIT, &[(1, reference.clone())]);
            again.rows[0].amount = Fen::new(fen);
            again.seal();
            w.release(&again).await;
            w.settle().await;
            assert_eq!(
                w.int(&format!("select count(*) from instruction where batch = '{number}'")).await,
                admitted,
                "{number} {:?}",
                w.refusals().await
            );
        }
        assert_eq!(w.texts("select state from remainder").await, ["reissued"]);
        let second = w.take_one(SPLIT);
        w.answer(&second, &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states("R2").await, back(w).await.0), (vec!["paid".to_owned()], slip.orders[2].fen));
        assert!(books_hold(w).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn i7_q6_two_persons_settle_that_a_part_was_paid() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "unknown", "paid"]);
        let [one, other] = two_persons();
        let id = w.int("select instruction from v_payment where batch = 'B' and seq = 2").await;
        let whole = slip.orders[1].fen;
        for none in [0, whole, whole + 1] {
            assert!(propose_partly(&w.gateway, &one, id, Fen::new(none), "letter 12", w.now).await.is_err());
        }
        let (proposal, _) = propose_partly(&w.gateway, &one, id, Fen::new(6_000), "letter 12", w.now).await.unwrap();
        assert!(approve(&w.gateway, &one, proposal, w.now).await.is_err(), "the same person");
        approve(&w.gateway, &other, proposal, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.states("B").await, w.files().await), (vec!["paid".to_owned(); 3], vec!["answered".to_owned()]));
        assert_eq!((w.balance("suspense:unknown").await, w.balance("suspense:correctable").await), (0, whole - 6_000));
        let case = w.texts("select kind || ' ' || class || ' ' || cast(amount_fen as text) from failure_case where state = 'open'").await;
        assert_eq!(case, [format!("partial UR {}", whole - 6_000)]);
        assert!(books_hold(w).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn i7_a_success_of_money_that_went_back_to_the_treasury_is_a_suspected_double_payment() {
    on_both(async |w| {
        w.polls(SPLIT);
        for (at, state) in ["refunding", "refunded", "carried"].into_iter().enumerate() {
            w.release(&draft(state, SPLIT, at * 10..at * 10 + 2)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            w.answer(&slip, &[Word::Paid, LOST]);
            w.settle().await;
            // What the refund does to its line, without its money: only the bank's late word is looked at here.
            w.sql(&format!("update instruction_state set state = '{state}' where batch = '{state}' and state = 'failed_final'")).await;
            w.answer(&slip, &[Word::Paid, Word::Paid]);
            for _ in 0..2 {
                w.now = w.now.plus_minutes(2);
                bankgate::passes::collect::collect(&w.gateway, SPLIT, w.now).await.unwrap();
            }
            bankgate::passes::stage::stage(&w.gateway, w.now).await.unwrap();
            bankgate::passes::apply::apply(&w.gateway, w.now).await.unwrap();
            assert_eq!(w.states(state).await[1], state, "no step leads from there");
            assert_eq!(w.cases("double_payment_suspected").await, i64::try_from(at).unwrap() + 1);
            assert_eq!(w.incidents("double_payment_suspected").await, i64::try_from(at).unwrap() + 1);
            w.sql(&format!("update instruction_state set state = 'failed_final' where batch = '{state}' and state = '{state}'")).await;
            w.sql(&format!(
                "update instruction set live = 0 where batch = '{state}' and id in (select instruction_id from instruction_state)"
            ))
            .await;
        }
    })
    .await;
}

/// Equations that do not hold, by the product's own account of them.
pub async fn books_hold(w: &World) -> Vec<String> {
    let books = w.gateway.store.read().await.unwrap().books().await.unwrap();
    books.unequal().iter().map(|u| format!("{u:?}")).collect()
}

/// The bank's own reference stands behind the name's words here, so that two credits can be told apart.
fn with_bank_refs(w: &mut World) {
    w.polls(SPLIT);
    let id = BANKS.iter().find(|(code, _)| *code == SPLIT).unwrap().1;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id).join("profile.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("response = \"replace\"", "response = \"cumulative\"");
    let column = "    { name = \"单据号\", value = \"reference\", strip = \"both\" },\n";
    let text = text.replace(column, &format!("{column}    {{ name = \"流水号\", value = \"bank_ref\", optional = true }},\n"));
    let profile = Arc::new(Profile::read(&text, &file).unwrap());
    w.change(|g| drop(g.profiles.insert(id.to_owned(), profile)));
}

/// A poll that says of one line that it was credited, under this reference of the bank.
fn paid_as(w: &World, slip: &Slip, line: usize, bank_ref: &str) {
    let stem = slip.path.strip_prefix("YHDF__").unwrap().strip_suffix(".TXT").unwrap();
    let o = &slip.orders[line];
    let mut name = gbk(&o.name);
    name.resize(name.len().max(20), b' ');
    let mut file = gbk(&format!("{}|", o.id));
    file.extend(name);
    file.extend(gbk(&format!("|{}|{}.{:02}|{}|{bank_ref}\n", o.id, o.fen / 100, o.fen % 100, o.reference)));
    w.put(slip.bank, &format!("YHDFFK{stem}_S.TXT"), &file);
    w.put(slip.bank, &format!("YHDFFK{stem}_F.TXT"), b"");
}

#[tokio::test]
async fn i7_a_success_under_another_reference_of_the_bank_is_a_second_credit() {
    on_both(async |w| {
        with_bank_refs(w);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        for (line, refs, state) in [(0, ["T1", "T1"], "paid"), (1, ["T20", "T300"], "conflict")] {
            for bank_ref in refs {
                paid_as(w, &slip, line, bank_ref);
                w.settle().await;
            }
            assert_eq!(w.states("B").await[line], state);
        }
        assert_eq!((w.cases("conflict").await, w.incidents("conflict").await), (1, 1));
    })
    .await;
}
