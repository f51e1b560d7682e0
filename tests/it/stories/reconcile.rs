//! Stories of reconciliation (R6): all that is due was paid and no more, the bank takes nothing for itself, and every fen that
//! moved on the account is explained or with somebody.

use bankgate::domain::ids::EndToEndId;
use bankgate::passes::operate::choose::propose_choice;
use bankgate::passes::operate::matching::propose_match;
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::passes::operate::refund::propose_due;
use bankgate::passes::reconcile::report::replay;
use bankgate::passes::{cases, collect, reconcile, stage};
use bankgate::store::desk::Operator;

use super::bank::{LOST, Slip, Word};
use super::refund::one_is_out;
use super::world::{CLEARING, COUNTER, SPLIT, World, at, draft, on_both};

const ACCOUNT: &str = "510601012345678901";
/// What lay in the account on the first day.
const OPENING: i64 = 50_000_000;

/// An entry of a statement, as the bank writes it.
#[derive(Clone, Debug)]
pub struct Entry {
    side: char,
    fen: i64,
    reference: String,
    words: String,
    account: String,
}

impl Entry {
    /// The same from, or to, this account.
    pub fn from(self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self }
    }

    /// What it adds to the account.
    pub fn signed(&self) -> i64 {
        if self.side == 'C' { self.fen } else { -self.fen }
    }
}

pub fn debit(fen: i64, reference: &str, words: &str) -> Entry {
    Entry { side: 'D', fen, reference: reference.to_owned(), words: words.to_owned(), account: "90010001".to_owned() }
}

pub fn credit(fen: i64, reference: &str, words: &str) -> Entry {
    Entry { side: 'C', ..debit(fen, reference, words) }
}

fn finance(login: &str) -> Operator {
    Operator { login: login.into(), name: format!("{login}某"), role: "finance".into(), department: String::new() }
}

fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

impl World {
    /// The bank puts out the statement of a day. Gives the closing balance.
    pub fn state(&self, bank: &str, day: &str, opening: i64, entries: &[Entry]) -> i64 {
        let sum = |side: char| entries.iter().filter(|e| e.side == side).map(|e| e.fen).sum::<i64>();
        self.state_over(bank, (day, day), (opening, opening + sum('C') - sum('D')), entries)
    }

    /// The same of some days in one statement, with all that is in it on the last.
    pub(super) fn state_over(&self, bank: &str, (from, day): (&str, &str), (opening, closing): (i64, i64), entries: &[Entry]) -> i64 {
        let (from, day) = (from.replace('-', ""), day.replace('-', ""));
        let mut text = format!("H|{ACCOUNT}|{from}|{day}|{}|{}|{}\n", yuan(opening), yuan(closing), entries.len());
        for (at, e) in entries.iter().enumerate() {
            let (side, fen) = (e.side, yuan(e.fen));
            text.push_str(&format!("D|{day}|{side}|{fen}|{}|{bank}{day}{at:06}|{}|某户|{}\n", e.reference, e.account, e.words));
        }
        let total = |side: char| {
            let of_side: Vec<i64> = entries.iter().filter(|e| e.side == side).map(|e| e.fen).collect();
            format!("{}|{}", of_side.len(), yuan(of_side.iter().sum()))
        };
        text.push_str(&format!("T|{}|{}\n", total('D'), total('C')));
        self.put(bank, &format!("statement/STMT_{ACCOUNT}_{day}.txt"), text.as_bytes());
        closing
    }

    /// Pays a batch whose people are at a bank, answered in these words; gives the request and what was paid.
    async fn paid(&mut self, batch: &str, bank: &'static str, words: &[Word]) -> (Slip, i64) {
        let first = batch.bytes().map(usize::from).sum::<usize>() % 90 * 10;
        self.release(&draft(batch, bank, first..first + words.len())).await;
        self.settle().await;
        let slip = self.take_one(bank);
        self.answer(&slip, words);
        self.settle().await;
        let fen = slip.orders.iter().zip(words).filter(|(_, w)| **w == Word::Paid).map(|(o, _)| o.fen).sum();
        (slip, fen)
    }

    pub async fn file_name(&self) -> String {
        self.texts("select name from file_out order by id desc limit 1").await.remove(0)
    }

    /// How a day of the account stands at a bank.
    pub(super) async fn verdict(&self, bank: &str, day: &str) -> String {
        let sql = format!("select verdict from reconcile_run where bank = '{bank}' and on_date = '{day}' order by id desc limit 1");
        self.texts(&sql).await.pop().unwrap_or_default()
    }

    /// What nothing explains.
    pub(super) async fn residual(&self, bank: &str, day: &str) -> i64 {
        let sql = format!("select residual_fen from reconcile_run where bank = '{bank}' and on_date = '{day}' order by id desc limit 1");
        self.int(&sql).await
    }

    pub(super) async fn open_breaks(&self) -> Vec<String> {
        self.texts("select kind from break_item where state = 'open' order by id").await
    }

    async fn matches(&self) -> Vec<String> {
        self.texts("select kind || ' ' || how from statement_match order by id").await
    }

    /// The statement is taken and looked at, and nothing else happens.
    async fn take_statement(&mut self) {
        for _ in 0..3 {
            self.now = self.now.plus_minutes(2);
            collect::collect(&self.gateway, SPLIT, self.now).await.unwrap();
            stage::stage(&self.gateway, self.now).await.unwrap();
            reconcile::reconcile(&self.gateway, self.now).await.unwrap();
        }
    }

    async fn morning(&mut self, day: &str) {
        self.settle_at(day, "09:00:00").await;
    }
}

#[tokio::test]
async fn r6_all_that_is_due_is_paid_and_no_more_in_lumps_and_item_by_item() {
    on_both(async |w| {
        let (_, split) = w.paid("S", SPLIT, &[Word::Paid, LOST, Word::Paid]).await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(split, &w.file_name().await, "代发")]);
        let (_, counter) = w.paid("C", COUNTER, &[Word::Paid, LOST, Word::Paid]).await;
        let key = w.texts("select exchange_key from file_out order by id desc limit 1").await.remove(0);
        w.state(COUNTER, "2019-03-14", OPENING, &[debit(counter, "", &format!("代发 {key}"))]);
        let (slip, _) = w.paid("I", CLEARING, &[Word::Paid, LOST, Word::Paid]).await;
        let items: Vec<Entry> = [0, 2].iter().map(|at| debit(slip.orders[*at].fen, &slip.orders[*at].reference, "代发")).collect();
        w.state(CLEARING, "2019-03-14", OPENING, &items);
        w.morning("2019-03-15").await;
        for bank in [SPLIT, COUNTER, CLEARING] {
            assert_eq!(w.verdict(bank, "2019-03-14").await, "RECONCILED", "{bank}: {:?}", w.open_breaks().await);
            assert_eq!(w.residual(bank, "2019-03-14").await, 0);
        }
        let mut matches = w.matches().await;
        matches.sort();
        assert_eq!(matches, ["file file", "file file", "instruction reference", "instruction reference"]);
        assert!(w.open_breaks().await.is_empty());
        assert_eq!(w.int("select count(*) from incident where state = 'open'").await, 0);
        // Green runs are journalled once, and a quiet hour writes nothing.
        let runs = w.int("select count(*) from reconcile_run").await;
        w.settle_at("2019-03-15", "12:00:00").await;
        assert_eq!(w.int("select count(*) from reconcile_run").await, runs);
        assert!(runs >= 3);
    })
    .await;
}

#[tokio::test]
async fn r6_a_fee_is_flagged_until_it_is_given_back_by_word_of_two_persons() {
    on_both(async |w| {
        let (_, paid) = w.paid("F", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), debit(1200, "", "代发手续费")]);
        w.morning("2019-03-15").await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "BREAKS");
        assert_eq!(w.open_breaks().await, ["fee_charged"]);
        assert_eq!(w.residual(SPLIT, "2019-03-14").await, -1200);
        assert_eq!((w.incidents("reconcile").await, w.int("select times from incident where kind = 'reconcile'").await), (1, 1));
        w.morning("2019-03-18").await;
        assert_eq!((w.open_breaks().await.len(), w.incidents("reconcile").await), (1, 1));
        let (g, now) = (&w.gateway, w.now);
        let line = w.int("select line from statement_line where words = '代发手续费'").await;
        assert!(propose_match(g, &finance("chen"), (1, line), &name, "银行说是代发", now).await.is_ok(), "any file may be named");
        assert!(propose_match(g, &finance("chen"), (1, line), "BG0000000000000999", "没有这一笔", now).await.is_err());
        let (id, effect) = propose_match(g, &finance("chen"), (1, line), "other", "银行3月18日来函，次日冲回", now).await.unwrap();
        assert!(effect.contains("debit 12.00 yuan") && effect.contains("other"), "{effect}");
        assert!(approve(g, &finance("chen"), id, now).await.is_err(), "not by the same person");
        assert_eq!(w.open_breaks().await, ["fee_charged"]);
        approve(g, &finance("lin"), id, now).await.unwrap();
        w.settle().await;
        assert_eq!((w.open_breaks().await.len(), w.verdict(SPLIT, "2019-03-14").await), (0, "RECONCILED".to_owned()));
        let reason = w.texts("select reason from statement_match where how = 'manual'").await.remove(0);
        assert!(reason.ends_with("chen + lin"), "{reason}");
        assert_eq!(w.incidents("reconcile").await, 0);
    })
    .await;
}

#[tokio::test]
async fn r6_a_debit_too_many_is_seen_whether_it_names_its_file_or_not() {
    on_both(async |w| {
        let (_, paid) = w.paid("D", SPLIT, &[Word::Paid; 3]).await;
        let name = w.file_name().await;
        let twice = [debit(paid, &name, "代发"), debit(paid, &name, "代发"), debit(paid, "", "转账")];
        w.state(SPLIT, "2019-03-14", OPENING, &twice);
        w.morning("2019-03-15").await;
        assert_eq!(w.open_breaks().await, ["duplicate_debit", "duplicate_debit"]);
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "BREAKS");
        assert_eq!(w.residual(SPLIT, "2019-03-14").await, -2 * paid);
    })
    .await;
}

#[tokio::test]
async fn r6_a_debit_that_is_missing_has_a_day_of_grace_and_closes_when_it_comes() {
    on_both(async |w| {
        let (_, paid) = w.paid("M", SPLIT, &[Word::Paid; 3]).await;
        let name = w.file_name().await;
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[]);
        w.morning("2019-03-15").await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "PENDING");
        assert!(w.open_breaks().await.is_empty());
        w.state(SPLIT, "2019-03-15", closing, &[]);
        w.morning("2019-03-18").await;
        assert_eq!(
            (w.open_breaks().await, w.verdict(SPLIT, "2019-03-14").await),
            (vec!["missing_at_bank".to_owned()], "BREAKS".to_owned())
        );
        w.state(SPLIT, "2019-03-18", closing, &[debit(paid, &name, "代发补记")]);
        w.morning("2019-03-19").await;
        assert!(w.open_breaks().await.is_empty());
        assert_eq!(w.texts("select closed_as from break_item").await, ["matched"]);
        for day in ["2019-03-14", "2019-03-15", "2019-03-18"] {
            assert_eq!(w.verdict(SPLIT, day).await, "RECONCILED", "{day}");
        }
        assert_eq!(w.incidents("reconcile").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_debit_missing_for_a_month_is_stale() {
    on_both(async |w| {
        w.paid("O", SPLIT, &[Word::Paid]).await;
        for day in ["2019-03-14", "2019-03-15"] {
            w.state(SPLIT, day, OPENING, &[]);
        }
        w.morning("2019-03-18").await;
        assert_eq!(w.open_breaks().await, ["missing_at_bank"]);
        w.morning("2019-04-15").await;
        assert_eq!(w.open_breaks().await, ["stale"]);
        assert_eq!(w.texts("select closed_as from break_item where state = 'closed'").await, ["superseded"]);
    })
    .await;
}

#[tokio::test]
async fn an_amount_mis_keyed_is_a_break_and_never_a_match() {
    on_both(async |w| {
        let (_, paid) = w.paid("A", SPLIT, &[Word::Paid; 3]).await;
        let name = w.file_name().await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid + 900, &name, "代发")]);
        w.morning("2019-03-15").await;
        w.morning("2019-03-20").await;
        assert_eq!(w.open_breaks().await, ["amount"]);
        let row = &w.rows("select expected_fen, found_fen from break_item where state = 'open'").await[0];
        assert_eq!((row.int(0).unwrap(), row.int(1).unwrap()), (paid, paid + 900));
        assert!(w.matches().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_credit_that_nobody_expects_is_listed_and_never_posted() {
    on_both(async |w| {
        let (_, paid) = w.paid("X", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        let books = w.balance("paid").await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), credit(321, "", "结息")]);
        w.morning("2019-03-15").await;
        assert_eq!(w.open_breaks().await, ["missing_here"]);
        assert_eq!((w.balance("paid").await, w.residual(SPLIT, "2019-03-14").await), (books, 321));
    })
    .await;
}

#[tokio::test]
async fn r6_q7_in_the_gross_model_a_failure_is_final_once_its_money_is_back() {
    on_both(async |w| {
        w.sql("update agreement set debit_model = 'gross'").await;
        let (slip, _) = w.paid("G", SPLIT, &[Word::Paid, LOST, LOST, Word::Paid]).await;
        let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
        let name = w.file_name().await;
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(total, &name, "代发")]);
        w.morning("2019-03-15").await;
        assert_eq!(w.states("G").await, ["paid", "failed", "failed", "paid"]);
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "PENDING");
        // One comes back by its reference, the other in a lump under the file's name.
        let one = credit(slip.orders[1].fen, &slip.orders[1].reference, "代发失败退回");
        let closing = w.state(SPLIT, "2019-03-15", closing, &[one]);
        w.morning("2019-03-18").await;
        assert_eq!(w.states("G").await, ["paid", "failed_final", "failed", "paid"]);
        assert_eq!(w.open_breaks().await, ["missing_at_bank"]);
        w.state(SPLIT, "2019-03-18", closing, &[credit(slip.orders[2].fen, &name, "代发失败退回")]);
        w.morning("2019-03-19").await;
        assert_eq!(w.states("G").await, ["paid", "failed_final", "failed_final", "paid"]);
        assert_eq!(w.matches().await, ["file file", "credit_back reference", "credit_back_file file"]);
        assert!(w.open_breaks().await.is_empty());
        assert_eq!(w.verdict(SPLIT, "2019-03-18").await, "RECONCILED");
        assert_eq!(w.int("select count(*) from instruction where live = 0").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_statement_must_continue_the_one_before_and_no_bank_day_may_be_missing() {
    on_both(async |w| {
        let (_, paid) = w.paid("K", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        // The 15th is missing, and the 18th begins a fen higher.
        w.state(SPLIT, "2019-03-18", closing + 1, &[]);
        w.morning("2019-03-19").await;
        let days = ["2019-03-14", "2019-03-15", "2019-03-16", "2019-03-18"];
        let mut verdicts = Vec::new();
        for day in days {
            verdicts.push(w.verdict(SPLIT, day).await);
        }
        assert_eq!(verdicts, ["RECONCILED", "INCOMPLETE", "", "INCOMPLETE"]);
        assert_eq!(w.incidents("reconcile").await, 1, "a gap in the chain is told; a late statement is chased as a file is");
    })
    .await;
}

#[tokio::test]
async fn a_second_statement_of_a_day_waits_for_two_persons_to_choose() {
    on_both(async |w| {
        let (_, paid) = w.paid("N", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        w.morning("2019-03-15").await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "RECONCILED");
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), debit(700, "", "转账")]);
        w.settle().await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "INCOMPLETE");
        let problems = "select problems from statement order by id";
        assert_eq!(w.texts(problems).await, ["", "conflict with statement 1"]);
        assert_eq!((w.incidents("statement").await, w.open_breaks().await.len()), (1, 0), "told, and none of its lines counts");

        // The bank writes that the second is right: what was found of the first stays found, the new line is a break.
        let refused = propose_choice(&w.gateway, &finance("f1"), 3, "行函[2019]7号", w.now).await;
        assert!(refused.is_err(), "there is no third");
        let (id, effect) = propose_choice(&w.gateway, &finance("f1"), 2, "行函[2019]7号", w.now).await.unwrap();
        assert!(
            effect.contains("statement 2 (") && effect.contains("set aside: 1 (") && effect.contains("1 lines stay explained"),
            "{effect}"
        );
        assert!(approve(&w.gateway, &finance("f1"), id, w.now).await.is_err(), "one person is not two");
        approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
        w.settle().await;
        let aside = format!("set aside: statement 2 was chosen (proposal {id})");
        assert_eq!(w.texts(problems).await, [aside.as_str(), ""]);
        assert_eq!(w.open_breaks().await, ["missing_here"]);
        assert_eq!((w.verdict(SPLIT, "2019-03-14").await, w.residual(SPLIT, "2019-03-14").await), ("BREAKS".to_owned(), -700));
        assert_eq!((w.incidents("statement").await, w.matches().await.len()), (0, 2));
        assert_eq!(w.int("select count(*) from audit where act = 'approve'").await, 1);

        // It was a mistake after all: the first is chosen again, and the day is green as it was.
        let (id, _) = propose_choice(&w.gateway, &finance("f2"), 1, "行函[2019]8号", w.now).await.unwrap();
        approve(&w.gateway, &finance("f1"), id, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.verdict(SPLIT, "2019-03-14").await, w.open_breaks().await.len()), ("RECONCILED".to_owned(), 0));
        assert_eq!(w.incidents("reconcile").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_lacks_what_was_booked_is_not_chosen() {
    on_both(async |w| {
        let (slip, paid) = w.paid("L", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        let one = &slip.orders[0];
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), credit(one.fen, &one.reference, "退票")]);
        w.morning("2019-03-15").await;
        assert_eq!(w.matches().await.len(), 2, "the return is booked");
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        w.settle().await;
        let refused = propose_choice(&w.gateway, &finance("f1"), 2, "行函[2019]7号", w.now).await;
        let words = format!("{refused:?}");
        assert!(words.contains("was booked (return") && words.contains("bankgate statement choose 1 "), "it says what to do: {words}");
        let (id, _) = propose_choice(&w.gateway, &finance("f1"), 1, "行函[2019]7号", w.now).await.unwrap();
        approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
        w.settle().await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "RECONCILED", "the first counts on");
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_over_from_an_earlier_statement_is_booked_at_the_next_choice_too() {
    on_both(async |w| {
        let (slip, paid) = w.paid("T", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        let one = &slip.orders[0];
        let booked = [debit(paid, &name, "代发"), credit(one.fen, &one.reference, "退票")];
        w.state(SPLIT, "2019-03-14", OPENING, &booked);
        w.morning("2019-03-15").await;
        assert_eq!(w.matches().await.len(), 2, "the return is booked");
        // The second has it too, and counts from here on; the third does not have it.
        w.state(SPLIT, "2019-03-14", OPENING, &[&booked[..], &[debit(700, "", "转账")]].concat());
        w.settle().await;
        let (id, effect) = propose_choice(&w.gateway, &finance("f1"), 2, "行函[2019]7号", w.now).await.unwrap();
        assert!(effect.contains("2 lines stay explained"), "{effect}");
        approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
        w.settle().await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        w.settle().await;
        let refused = propose_choice(&w.gateway, &finance("f1"), 3, "行函[2019]8号", w.now).await;
        let words = format!("{refused:?}");
        assert!(words.contains("was booked (return") && words.contains("bankgate statement choose 2 "), "{words}");
        // The first has it, and back again.
        for statement in [1, 2] {
            let (id, effect) = propose_choice(&w.gateway, &finance("f1"), statement, "行函[2019]8号", w.now).await.unwrap();
            assert!(effect.contains("0 lines stay explained"), "{effect}");
            approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
            w.settle().await;
        }
        let matches = w.matches().await;
        assert_eq!(matches, ["file file", "return reference", "other manual", "other manual"]);
        // Two persons undo it: then it needs no line.
        let id = w.int("select instruction from v_payment where batch = 'T' and seq = 1").await;
        let evidence = "行函[2019]9号：并未退回";
        let (proposal, _) = propose_resolve(&w.gateway, &finance("f1"), id, Act::ResolvePaid, evidence, w.now).await.unwrap();
        approve(&w.gateway, &finance("f2"), proposal, w.now).await.unwrap();
        let (id, _) = propose_choice(&w.gateway, &finance("f1"), 3, "行函[2019]9号", w.now).await.unwrap();
        approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.verdict(SPLIT, "2019-03-14").await, w.residual(SPLIT, "2019-03-14").await), ("RECONCILED".to_owned(), 0));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_return_that_did_not_take_place_is_undone_by_a_new_entry_and_the_statement_without_it_is_chosen() {
    on_both(async |w| {
        let (slip, paid) = w.paid("U", SPLIT, &[Word::Paid; 2]).await;
        let name = w.file_name().await;
        let one = &slip.orders[0];
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), credit(one.fen, &one.reference, "退票")]);
        w.morning("2019-03-15").await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发")]);
        w.settle().await;
        assert_eq!((w.states("U").await[0].as_str(), w.balance("suspense:correctable").await), ("failed_final", one.fen));
        let entries = w.int("select count(*) from entry").await;
        let id = w.int("select instruction from v_payment where batch = 'U' and seq = 1").await;
        let resolve =
            async |w: &World| propose_resolve(&w.gateway, &finance("f1"), id, Act::ResolvePaid, "行函[2019]7号：并未退回", w.now).await;
        let (proposal, effect) = resolve(w).await.unwrap();
        assert!(effect.contains("failed_final -> paid: it did not come back"), "{effect}");
        approve(&w.gateway, &finance("f2"), proposal, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.states("U").await, w.balance("suspense:correctable").await), (vec!["paid".to_owned(); 2], 0));
        assert_eq!((w.balance("paid").await, w.int("select count(*) from entry").await), (paid, entries + 1));
        assert_eq!(w.int("select count(*) from failure_case where state = 'open'").await, 0);
        w.books_hold().await;
        assert!(resolve(w).await.is_err(), "once");
        let (id, effect) = propose_choice(&w.gateway, &finance("f1"), 2, "行函[2019]7号", w.now).await.unwrap();
        assert!(effect.contains("statement 2 ("), "{effect}");
        approve(&w.gateway, &finance("f2"), id, w.now).await.unwrap();
        w.settle().await;
        assert_eq!((w.verdict(SPLIT, "2019-03-14").await, w.residual(SPLIT, "2019-03-14").await), ("RECONCILED".to_owned(), 0));
        w.books_hold().await;
        w.audit("the choice").await;
        for day in ["2019-03-15", "2019-03-18", "2019-03-19", "2019-03-20"] {
            w.state(SPLIT, day, OPENING - paid, &[]);
        }
        w.morning("2019-03-21").await;
        assert_eq!(w.open_breaks().await, [""; 0], "nor is it to be debited twice");
    })
    .await;
}

#[tokio::test]
async fn a_debit_that_comes_before_its_answer_waits_for_it() {
    on_both(async |w| {
        w.release(&draft("W", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        let name = w.file_name().await;
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(slip.orders[0].fen, &name, "代发")]);
        w.settle().await;
        assert_eq!(w.verdict(SPLIT, "2019-03-14").await, "PENDING");
        w.answer(&slip, &[Word::Paid, LOST]);
        w.morning("2019-03-15").await;
        assert_eq!((w.verdict(SPLIT, "2019-03-14").await, w.open_breaks().await.len()), ("RECONCILED".to_owned(), 0));
    })
    .await;
}

#[tokio::test]
async fn every_run_replays_to_the_same_bytes_also_after_later_ones() {
    on_both(async |w| {
        let (_, paid) = w.paid("R", SPLIT, &[Word::Paid; 3]).await;
        let name = w.file_name().await;
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[credit(55, "", "误入")]);
        w.morning("2019-03-15").await;
        w.state(SPLIT, "2019-03-15", closing, &[debit(paid, &name, "代发")]);
        w.morning("2019-03-18").await;
        let runs = w.int("select max(id) from reconcile_run").await;
        assert!(runs >= 3, "{runs}");
        for run in 1..=runs {
            let again = replay(&w.gateway.store, run).await.unwrap().unwrap();
            assert_eq!(again.was, again.is, "run {run}");
        }
        assert_eq!(replay(&w.gateway.store, runs + 1).await.unwrap(), None);
        // A row that is not what it was shows.
        let engine = w.gateway.store.engine();
        let open = if engine == "SQLite" { "drop trigger statement_line_no_update" } else { "drop trigger append_only on statement_line" };
        w.sql(open).await;
        w.sql("update statement_line set amount_fen = amount_fen + 1 where side = 'credit'").await;
        let again = replay(&w.gateway.store, 1).await.unwrap().unwrap();
        assert_ne!(again.was, again.is);
    })
    .await;
}

#[tokio::test]
async fn r4_what_a_person_gives_back_and_what_the_treasury_gets_are_both_seen_on_the_statement() {
    on_both(async |w| {
        w.release(&draft("V", SPLIT, 0..3)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        // What goes back in cash is proven by the account's statement.
        w.sql("update agreement set funds_model = 'cash'").await;
        w.exclude(1).await;
        cases::cases(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.cases("recovery").await, 1);
        let (paid, back) = (slip.orders.iter().map(|o| o.fen).sum(), slip.orders[1].fen);
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &w.file_name().await, "代发")]);
        let given = Entry { account: format!("62170012345{:08}", 1), ..credit(back, "", "退回补贴") };
        let closing = w.state(SPLIT, "2019-03-15", closing, &[given.clone(), given]);
        // A day of grace: cash may be on the statement before its voucher is here.
        w.now = at("2019-03-19", "09:00:00");
        w.take_statement().await;
        // Two alike for one case: nobody can say which, so neither is posted.
        assert_eq!(w.open_breaks().await, ["missing_here", "missing_here"]);
        assert_eq!(w.balance("suspense:ineligible").await, 0);
        let case = w.int("select id from failure_case where kind = 'recovery'").await;
        let (g, now) = (&w.gateway, w.now);
        let to = format!("case {case}");
        let (id, _) = propose_match(g, &finance("chen"), (2, 2), &to, "收款凭证2019-7", now).await.unwrap();
        approve(g, &finance("lin"), id, now).await.unwrap();
        assert_eq!(w.balance("suspense:ineligible").await, back);
        let order = propose_due(g, &finance("chen"), "D1", "1", Some(2019), now).await.unwrap().remove(0);
        let proposal = w.int("select proposal from refund_order").await;
        approve(g, &finance("lin"), proposal, now).await.unwrap();
        let mut tx = w.gateway.store.begin().await.unwrap();
        tx.refund_sent(order.id, now).await.unwrap();
        tx.commit().await.unwrap();
        w.state(SPLIT, "2019-03-18", closing, &[debit(back, &EndToEndId(order.id).to_string(), "退回国库")]);
        w.take_statement().await;
        assert_eq!(w.texts("select state from refund_order").await, ["refunded"]);
        assert_eq!((w.balance("suspense:ineligible").await, w.balance("refund_in_transit").await), (0, 0));
        assert_eq!(w.matches().await, ["file file", "recovery manual", "refund reference"]);
        assert_eq!(w.open_breaks().await, ["missing_here"]);
        assert_eq!((w.verdict(SPLIT, "2019-03-18").await, w.verdict(SPLIT, "2019-03-15").await), ("RECONCILED".into(), "BREAKS".into()));
    })
    .await;
}

#[tokio::test]
async fn a_refund_is_a_debit_of_its_amount_and_of_no_other() {
    on_both(async |w| {
        let order = one_is_out(w).await;
        let closing = w.state(SPLIT, "2019-03-14", OPENING, &[debit(10_000, &w.file_name().await, "代发")]);
        w.state(SPLIT, "2019-03-15", closing, &[debit(100, "", "转账"), debit(10_011, "", "转账")]);
        w.morning("2019-03-18").await;
        let (g, now, to) = (&w.gateway, w.now, EndToEndId(order).to_string());
        let refused = format!("{:?}", propose_match(g, &finance("chen"), (2, 2), &to, "银行3月18日来函", now).await);
        assert!(refused.contains("1.00 yuan") && refused.contains("100.11"), "it names both: {refused}");
        let (id, _) = propose_match(g, &finance("chen"), (2, 3), &to, "银行3月18日来函", now).await.unwrap();
        approve(g, &finance("lin"), id, now).await.unwrap();
        assert_eq!(w.texts("select state from refund_order").await, ["refunded"]);
        assert_eq!(w.matches().await, ["file file", "refund manual"]);
        w.audit("a refund").await;
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn returns_of_one_statement_take_effect_together_file_by_file() {
    on_both(async |w| {
        let (slip, paid) = w.paid("B", SPLIT, &[Word::Paid; 4]).await;
        let name = w.file_name().await;
        let back = |at: usize| credit(slip.orders[at].fen, &slip.orders[at].reference, "退票:账户已销户");
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(paid, &name, "代发"), back(0), back(2), back(3)]);
        w.take_statement().await;
        assert_eq!(w.states("B").await, ["returned", "paid", "returned", "returned"]);
        assert_eq!(w.open_breaks().await, [""; 0]);
        let entries = w.rows("select lines from entry where kind = 'return'").await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0].int(0).unwrap(), 3);
        w.books_hold().await;
    })
    .await;
}

/// A statement longer than what is looked at together: a payment debited on one page and again on another is seen, and so is
/// money that came back between them.
#[tokio::test]
async fn a_long_statement_is_explained_page_by_page_as_if_it_were_one() {
    on_both(async |w| {
        let d = draft("L", CLEARING, 0..4100);
        w.fund(d.declared).await;
        w.release(&d).await;
        w.settle().await;
        let slip = w.take_one(CLEARING);
        w.answer(&slip, &[Word::Paid; 4100]);
        w.settle().await;
        let item = |at: usize| debit(slip.orders[at].fen, &slip.orders[at].reference, "代发");
        let mut entries: Vec<Entry> = (0..4100).map(item).collect();
        entries.insert(2000, credit(slip.orders[7].fen, &slip.orders[7].reference, "退汇 账号不存在"));
        entries.push(item(0));
        w.state(CLEARING, "2019-03-14", 500_000_000, &entries);
        w.morning("2019-03-15").await;
        assert_eq!(w.int("select count(*) from statement_line").await, 4102);
        assert_eq!(w.int("select count(*) from statement_match where kind = 'instruction'").await, 4100);
        assert_eq!(w.int("select count(*) from statement_match where kind = 'return' and line = 2002").await, 1);
        assert_eq!(w.open_breaks().await, ["duplicate_debit"]);
        assert_eq!(w.residual(CLEARING, "2019-03-14").await, -slip.orders[0].fen);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_says_the_same_again_in_another_order_is_kept_and_counts_nothing() {
    on_both(async |w| {
        w.state(SPLIT, "2019-03-14", OPENING, &[debit(100, "", "转账"), credit(300, "", "结息")]);
        let path = format!("statement/STMT_{ACCOUNT}_20190314.txt");
        let text = std::fs::read_to_string(w.mailbox(SPLIT).join("outbox").join(&path)).unwrap();
        w.morning("2019-03-15").await;
        let lines: Vec<&str> = text.lines().collect();
        let [head, one, two, tail] = lines[..] else { panic!("{text}") };
        w.put(SPLIT, &path, [head, two, one, tail, ""].join("\n").as_bytes());
        w.settle_at("2019-03-15", "10:00:00").await;
        assert_eq!(w.texts("select problems from statement order by id").await, ["", "repeats statement 1"]);
        assert_eq!(w.incidents("statement").await, 0);
        assert_eq!(w.int("select count(*) from statement_line").await, 4);
    })
    .await;
}

/// Between its being read and the end of that, another node sees the whole file of which this one is a torn copy.
#[tokio::test]
async fn a_statement_that_is_superseded_while_it_is_read_counts_nowhere() {
    on_both(async |w| {
        let is_sqlite = w.gateway.store.engine() == "SQLite";
        let update = "update file_in set state = 'superseded' where id = new.file_in";
        if is_sqlite {
            w.sql(&format!("create trigger meanwhile after insert on statement begin {update}; end")).await;
        } else {
            w.sql(&format!("create function meanwhile() returns trigger language plpgsql as $$ begin {update}; return null; end $$")).await;
            w.sql("create trigger meanwhile after insert on statement for each row execute function meanwhile()").await;
        }
        w.state(SPLIT, "2019-03-14", OPENING, &[credit(300, "", "结息")]);
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            collect::collect(&w.gateway, SPLIT, w.now).await.unwrap();
        }
        stage::stage(&w.gateway, w.now).await.unwrap();
        assert_eq!((w.int("select count(*) from statement").await, w.answers().await), (0, vec!["archived".to_owned()]));
        w.sql(if is_sqlite { "drop trigger meanwhile" } else { "drop trigger meanwhile on statement" }).await;
        w.settle().await;
        assert_eq!((w.texts("select problems from statement").await, w.answers().await), (vec![String::new()], vec!["applied".to_owned()]));
    })
    .await;
}
