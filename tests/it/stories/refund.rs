//! Money that nobody may keep goes back to the treasury, once, and counts only when it was seen.

use std::sync::Arc;

use bankgate::domain::ids::EndToEndId;
use bankgate::domain::refund::Why;
use bankgate::format::Profile;
use bankgate::passes::operate::OperateError;
use bankgate::passes::operate::case::{Wish, propose as ask_case};
use bankgate::passes::operate::file::FileWish;
use bankgate::passes::operate::propose::{Act, approve, propose_resolve, withdraw};
use bankgate::passes::operate::refund::{cancel, propose_receipt, sent_by_hand};
use bankgate::passes::refund::{Ask, Proof, propose, seen};
use bankgate::store::desk::Operator;

use super::bank::{LOST, Slip, Word, gbk, result, ungbk};
use super::reconcile::{credit, debit};
use super::world::{SPLIT, World, draft, on_both, reissue};

const DEAD: Word = Word::Failed("持卡人已死亡");
const ORDER: &str = "select r.number || ' ' || r.state from refund_order r order by r.id";

/// Three payments: paid, not due at all, to be corrected by the person. Refunds go by file, where one is named.
pub async fn one_of_each(w: &mut World, profile: &str, funds: &str) -> Slip {
    let id = "refund-pipe-gbk";
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id);
    w.change(|g| drop(g.profiles.insert(id.to_owned(), Arc::new(Profile::load(&folder).unwrap()))));
    w.sql(&format!(
        "update agreement set refund_profile = '{profile}', funds_model = '{funds}', treasury_account = '270100000000000013', \
         treasury_name = '国家金库乐山市中心支库', treasury_bank = '011665000016'"
    ))
    .await;
    // Funds of another model than the agreements' are set aside.
    w.sql(&format!("update funding set funds_model = '{funds}'")).await;
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.sql("update batch set budget_line = '2130122', voucher = '川财农-17'").await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[Word::Paid, DEAD, LOST]);
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "failed_final"]);
    slip
}

fn person(login: &str) -> Operator {
    Operator { login: login.to_owned(), name: String::new(), role: "finance".to_owned(), department: String::new() }
}

pub async fn ask(w: &World, why: Why) -> Vec<i64> {
    let mut tx = w.gateway.store.begin().await.unwrap();
    let ask = Ask { department: "D1", project: "1", year: 2019, why, month: "2019-03" };
    let made = propose(&w.gateway, &mut tx, "qian", &ask, w.now).await.unwrap();
    tx.commit().await.unwrap();
    w.audit("a proposal").await;
    made
}

pub async fn proposal(w: &World) -> i64 {
    w.int("select max(id) from proposal").await
}

pub async fn agree(w: &World, who: &str) -> Result<String, OperateError> {
    let done = approve(&w.gateway, &person(who), proposal(w).await, w.now).await;
    w.audit("an approval").await;
    done
}

/// An order over what nobody may keep is out, carried by hand, and the account's statement proves it. Gives its number.
pub async fn one_is_out(w: &mut World) -> i64 {
    one_of_each(w, "", "cash").await;
    let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
    agree(w, "sun").await.unwrap();
    let mut tx = w.gateway.store.begin().await.unwrap();
    assert!(tx.refund_sent(order, w.now).await.unwrap());
    tx.commit().await.unwrap();
    order
}

async fn arrives(w: &World, order: i64, proof: &Proof) -> bool {
    let mut tx = w.gateway.store.begin().await.unwrap();
    let done = seen(&w.gateway, &mut tx, order, proof, w.now).await.unwrap();
    tx.commit().await.unwrap();
    w.audit("a proof").await;
    done
}

/// What lies in the bank's inbox, taken out: name and text.
pub fn take_orders(w: &World) -> Vec<(String, String)> {
    let inbox = w.mailbox(SPLIT).join("inbox");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&inbox).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("TK_") && !name.ends_with(".part") {
            found.push((name, ungbk(&std::fs::read(&path).unwrap())));
            std::fs::remove_file(path).unwrap();
        }
    }
    found.sort();
    found
}

/// The bank says of an order what became of it.
pub fn says(w: &World, name: &str, order: i64, fen: i64, status: &str, words: &str) {
    let text = format!("{}|{}.{:02}|270100000000000013|{status}|{words}|GK17|20190315\n", EndToEndId(order), fen / 100, fen % 100);
    w.put(SPLIT, &name.replace(".TXT", "_R.TXT"), &gbk(&text));
}

async fn lies(w: &World) -> [i64; 4] {
    let mut found = [0; 4];
    for (at, kind) in ["suspense:correctable", "suspense:ineligible", "carry", "refund_in_transit"].into_iter().enumerate() {
        found[at] = w.balance(kind).await;
    }
    found
}

#[tokio::test]
async fn r4_ineligible_money_goes_back_only_when_seen() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let treasury = w.balance("treasury").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0], "nothing is asked back twice");
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 proposed".to_owned()], [10_022, 10_011, 0, 0]));
        assert!(agree(w, "qian").await.is_err(), "whoever asked does not approve");
        let effect = agree(w, "sun").await.unwrap();
        assert!(effect.contains("TK-2019-0001") && effect.contains("100.11 yuan") && effect.contains("2130122"), "{effect}");
        assert_eq!(w.states("B").await, ["paid", "refunding", "failed_final"]);
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 approved".to_owned()], [10_022, 0, 0, 10_011]));
        w.settle().await;
        let orders = take_orders(w);
        let text = format!(
            "TK-2019-0001|LS0001|20190314|510601012345678901|乐山市农业农村局|1|100.11\n\
             {}|100.11|270100000000000013|国家金库乐山市中心支库|011665000016|耕地补贴|TK-2019-0001 2130122 川财农-17\n",
            EndToEndId(order)
        );
        assert_eq!(orders, [("TK_201903140002.TXT".to_owned(), text)]);
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 sent"]);
        w.put(SPLIT, "TK_201903140002_A.TXT", &gbk("0000|1|100.11|受理成功\n"));
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, w.states("B").await), (vec!["TK-2019-0001 accepted".to_owned()], vec!["paid".to_owned(), "refunding".into(), "failed_final".into()]));
        says(w, &orders[0].0, order, 10_011, "0000", "");
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 refunded".to_owned()], [10_022, 0, 0, 0]));
        assert_eq!((w.states("B").await, w.balance("treasury").await), (vec!["paid".to_owned(), "refunded".into(), "failed_final".into()], treasury + 10_011));
        let cases = "select c.state || ' ' || c.closed_as from failure_case c order by c.id";
        assert_eq!(w.texts(cases).await, ["closed refunded", "open "]);
        assert_eq!(w.int("select count(*) from instruction i join instruction_state s on s.instruction_id = i.id where s.state = 'refunded' and i.live = 1").await, 0);
        assert_eq!(w.files().await, ["answered", "answered"]);
    })
    .await;
}

#[tokio::test]
async fn whoever_asked_does_not_approve_under_another_spelling() {
    on_both(async |w| {
        one_of_each(w, "", "quota").await;
        ask(w, Why::Ineligible).await;
        for again in ["QIAN", "qian ", "ｑｉａｎ", "\u{FEFF}Qian\u{3000}"] {
            let refused = agree(w, again).await.unwrap_err().to_string();
            assert!(refused.contains("another person"), "{again:?}: {refused}");
        }
        agree(w, "sun").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r4_cash_is_back_when_the_statement_shows_it_and_not_when_the_bank_says_so() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "cash").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        let statement = Proof::Statement { statement: 1, line: 1 };
        assert!(!arrives(w, order, &statement).await, "it never left");
        w.settle().await;
        let orders = take_orders(w);
        says(w, &orders[0].0, order, 10_011, "0000", "");
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 executed".to_owned()], [10_022, 0, 0, 10_011]));
        assert!(!arrives(w, order, &Proof::Receipt("国库回单17号".to_owned())).await, "no receipt is its proof");
        assert!(propose_receipt(&w.gateway, &person("qian"), "TK-2019-0001", "国库回单17号", w.now).await.is_err());
        assert!(arrives(w, order, &statement).await);
        assert!(!arrives(w, order, &statement).await, "once");
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 refunded".to_owned()], [10_022, 0, 0, 0]));
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_was_done_and_came_back_is_given_up_by_two_persons_and_ordered_anew() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "cash").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let orders = take_orders(w);
        says(w, &orders[0].0, order, 10_011, "0000", "");
        w.settle().await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 executed"]);
        // It left and came back before anybody looked: it did not arrive.
        let (file, number) = (w.texts("select name from file_out order by id limit 1").await.remove(0), EndToEndId(order).to_string());
        let entries = [debit(10_000, &file, "代发"), debit(10_011, &number, "退回国库"), credit(10_011, &number, "国库账户已销户，退回")];
        w.state(SPLIT, "2019-03-14", 50_000_000, &entries);
        w.settle_at("2019-03-15", "09:00:00").await;
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 executed".to_owned()], [10_022, 0, 0, 10_011]));
        assert_eq!(w.int("select count(*) from statement_match where kind = 'other'").await, 2);
        let (_, effect) = cancel(&w.gateway, &person("qian"), "TK-2019-0001", "银行来函：款项已退回", w.now).await.unwrap().unwrap();
        assert!(effect.contains("came back to the account"), "{effect}");
        assert!(agree(w, "qian").await.is_err(), "one person is not two");
        agree(w, "sun").await.unwrap();
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 cancelled".to_owned()], [10_022, 10_011, 0, 0]));
        assert_eq!(w.states("B").await[1], "failed_final");
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.int("select count(*) from break_item where state = 'open'").await, 0);
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1, "it may be ordered anew");
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_refund_of_which_the_bank_says_that_it_came_back_gives_its_money_back_to_suspense() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "cash").await;
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/refund-pipe-gbk/profile.toml");
        let came_back = "[[status.result]]\nis = [\"3000\"]\noutcome = \"returned\"\nfinal = true\n\n[[status.result]]\nis = [\"0000\"]";
        let text = std::fs::read_to_string(&file).unwrap().replace("response = \"replace\"", "response = \"cumulative\"");
        let text = text.replace("[[status.result]]\nis = [\"0000\"]", came_back);
        assert!(text.contains("3000") && text.contains("cumulative"));
        w.change(|g| drop(g.profiles.insert("refund-pipe-gbk".to_owned(), Arc::new(Profile::read(&text, &file).unwrap()))));
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let orders = take_orders(w);
        says(w, &orders[0].0, order, 10_011, "0000", "");
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 executed".to_owned()], [10_022, 0, 0, 10_011]));
        says(w, &orders[0].0, order, 10_011, "3000", "国库账户已销户");
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 refused".to_owned()], [10_022, 10_011, 0, 0]));
        assert_eq!((w.incidents("refund_refused").await, w.states("B").await[1].as_str()), (1, "failed_final"));
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1, "it may be ordered anew");
        w.books_hold().await;
    })
    .await;
}

/// The year is closed: what was not corrected lapses, as the closing does it.
pub async fn lapse(w: &World) {
    use bankgate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
    use bankgate::store::ledger::{EntryOf, Origin};
    let mut tx = w.gateway.store.begin().await.unwrap();
    let purse = Purse { department: "D1".into(), project: "1".into(), year: 2019, bank: SPLIT.into() };
    let movement = Movement {
        kind: EntryKind::Lapse,
        from: purse.account(AccountKind::SuspenseCorrectable),
        to: purse.account(AccountKind::Carry),
        amount: bankgate::domain::money::Fen::new(10_022),
    };
    tx.post(w.now, &EntryOf::default(), Origin::Ours, &movement).await.unwrap();
    tx.exec("update instruction_state set state = 'lapsed' where state = 'failed_final' and class <> 'IR'", bankgate::args![])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    w.audit("a lapse").await;
}

#[tokio::test]
async fn r3_what_lapsed_is_carried_once_its_money_is_back_by_hand() {
    on_both(async |w| {
        one_of_each(w, "", "quota").await;
        assert_eq!(ask(w, Why::NotFixedInYear).await, [0_i64; 0]);
        lapse(w).await;
        let made = ask(w, Why::NotFixedInYear).await;
        assert_eq!((made.len(), lies(w).await), (1, [0, 10_011, 10_022, 0]));
        agree(w, "sun").await.unwrap();
        assert_eq!(
            (w.states("B").await, lies(w).await),
            (vec!["paid".to_owned(), "failed_final".into(), "refunding".into()], [0, 10_011, 0, 10_022])
        );
        w.settle().await;
        assert!(take_orders(w).is_empty(), "it is carried");
        let number = "TK-2019-0001";
        // Given up before it was carried, it lies where it lay: its year stays closed.
        assert!(cancel(&w.gateway, &person("qian"), number, "国库要求重开", w.now).await.unwrap().is_none());
        w.audit("a cancel").await;
        assert_eq!(
            (w.states("B").await, lies(w).await),
            (vec!["paid".to_owned(), "failed_final".into(), "lapsed".into()], [0, 10_011, 10_022, 0])
        );
        let number = "TK-2019-0002";
        assert_eq!(ask(w, Why::NotFixedInYear).await.len(), 1);
        agree(w, "sun").await.unwrap();
        assert!(propose_receipt(&w.gateway, &person("qian"), number, "国库回单17号", w.now).await.is_err(), "it was not carried yet");
        sent_by_hand(&w.gateway, &person("qian"), number, w.now).await.unwrap();
        propose_receipt(&w.gateway, &person("qian"), number, "国库回单17号", w.now).await.unwrap();
        assert!(agree(w, "qian").await.is_err());
        assert_eq!(lies(w).await, [0, 10_011, 0, 10_022]);
        agree(w, "sun").await.unwrap();
        assert_eq!(
            (w.states("B").await, lies(w).await),
            (vec!["paid".to_owned(), "failed_final".into(), "carried".into()], [0, 10_011, 0, 0])
        );
        assert_eq!(w.texts("select closed_as from failure_case where state = 'closed'").await, ["carried"]);
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 cancelled", "TK-2019-0002 refunded"]);
    })
    .await;
}

#[tokio::test]
async fn q3_a_refund_and_a_reissue_exclude_each_other() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let failed = w.int("select instruction_id from instruction_state where class = 'IR'").await;
        let again = [(1, EndToEndId(failed).to_string())];
        // The refund first: no reissue passes the gate, until it is withdrawn.
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1);
        w.release(&reissue("R1", SPLIT, &again)).await;
        w.settle().await;
        assert!(w.attempts("R1").await.is_empty() && w.cases("rejected").await == 1, "{:?}", w.refusals().await);
        withdraw(&w.gateway, &person("sun"), proposal(w).await, w.now).await.unwrap();
        w.audit("a withdrawal").await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 cancelled"]);
        // The reissue first: nothing is due back, neither while it waits nor once it is out.
        w.release(&reissue("R2", SPLIT, &again)).await;
        w.admit().await;
        assert_eq!((w.attempts("R2").await, ask(w, Why::Ineligible).await), (vec!["pending".to_owned()], Vec::new()));
        w.settle().await;
        assert_eq!((w.attempts("R2").await, ask(w, Why::Ineligible).await), (vec!["sent".to_owned()], Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn an_order_whose_line_moved_is_not_approved() {
    on_both(async |w| {
        w.polls(SPLIT);
        let slip = one_of_each(w, "refund-pipe-gbk", "quota").await;
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1);
        w.poll(&slip, &[(1, Word::Paid)]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "conflict", "failed_final"]);
        assert!(agree(w, "sun").await.is_err(), "the bank says by now that it was paid");
        withdraw(&w.gateway, &person("sun"), proposal(w).await, w.now).await.unwrap();
        w.audit("a withdrawal").await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 cancelled"]);
    })
    .await;
}

#[tokio::test]
async fn a_refused_refund_gives_the_money_back_to_suspense() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        for (number, by_ack) in [("TK-2019-0001", true), ("TK-2019-0002", false)] {
            let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
            agree(w, "sun").await.unwrap();
            w.settle().await;
            let orders = take_orders(w);
            assert_eq!(lies(w).await, [10_022, 0, 0, 10_011]);
            if by_ack {
                w.put(SPLIT, &orders[0].0.replace(".TXT", "_A.TXT"), &gbk("2001|1|100.11|国库户名不符\n"));
            } else {
                says(w, &orders[0].0, order, 10_011, "2001", "国库户名不符");
            }
            w.settle().await;
            assert_eq!((w.states("B").await, lies(w).await), (vec!["paid".to_owned(), "failed_final".into(), "failed_final".into()], [10_022, 10_011, 0, 0]));
            assert_eq!(w.texts(&format!("select state || ' ' || reason from refund_order where number = '{number}'")).await, ["refused 2001 国库户名不符"]);
            assert_eq!(w.int("select count(*) from instruction i join instruction_state s on s.instruction_id = i.id where s.class = 'IR' and i.live = 1").await, 0);
        }
        assert_eq!(w.incidents("refund_refused").await, 2);
        assert_eq!(w.texts("select state from file_out where kind = 'refund' order by id").await, ["refused", "answered"]);
    })
    .await;
}

/// One name a day: an order that is given up before any bank saw it leaves that name to the next.
#[tokio::test]
async fn a_refund_file_that_no_bank_saw_gives_the_days_name_back() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let names = "\n\n[request]\ndir = \"\"\nname = \"TK_{date:yyyyMMdd}";
        w.profile_declares("refund-pipe-gbk", &format!("{names}{{seq_no:4}}.TXT\""), &format!("\nrecurring_path = true{names}.TXT\""));
        for (number, is_held) in [("TK-2019-0001", false), ("TK-2019-0002", true)] {
            ask(w, Why::Ineligible).await;
            agree(w, "sun").await.unwrap();
            assert_eq!((w.plan(SPLIT).await, w.seal(SPLIT).await), (1, 1));
            if is_held {
                super::stuck::ask(w, super::stuck::the_file(w).await, FileWish::Hold).await.unwrap();
            }
            let proposed = cancel(&w.gateway, &person("qian"), number, "改以现金科目退回", w.now).await.unwrap();
            assert_eq!(proposed.is_some(), is_held, "what is held may be out, for all that this asks");
            if is_held {
                agree(w, "sun").await.unwrap();
            }
        }
        ask(w, Why::Ineligible).await;
        agree(w, "sun").await.unwrap();
        w.settle().await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 cancelled", "TK-2019-0002 cancelled", "TK-2019-0003 sent"]);
        let orders = take_orders(w);
        assert_eq!((orders.len(), orders[0].0.as_str()), (1, "TK_20190314.TXT"));
    })
    .await;
}

/// Money that nobody may keep is on its way back, and the bank says that it was paid. What the bank had, the order and its file's name.
pub async fn paid_while_it_goes_back(w: &mut World) -> (Slip, i64, String) {
    w.polls(SPLIT);
    let slip = one_of_each(w, "refund-pipe-gbk", "quota").await;
    let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
    agree(w, "sun").await.unwrap();
    w.settle().await;
    let name = take_orders(w).remove(0).0;
    w.poll(&slip, &[(1, Word::Paid)]);
    w.settle().await;
    assert_eq!((w.states("B").await[1].as_str(), w.incidents("double_payment_suspected").await), ("refunding", 1));
    (slip, order, name)
}

#[tokio::test]
async fn i7_a_payment_that_was_paid_while_its_refund_was_out_is_settled_once_the_refund_comes_to_nothing() {
    on_both(async |w| {
        let (slip, order, name) = paid_while_it_goes_back(w).await;
        let paid = w.balance("paid").await;
        says(w, &name, order, 10_011, "2001", "国库户名不符");
        w.settle().await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 refused"]);
        assert_eq!((w.states("B").await[1].as_str(), w.balance("suspense:unknown").await), ("conflict", 10_011));
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0], "what the payee may have does not go to the treasury too");
        let EndToEndId(instruction) = EndToEndId::parse(&slip.orders[1].reference).unwrap();
        propose_resolve(&w.gateway, &person("qian"), instruction, Act::ResolvePaid, "行函[2019]9号：已入账", w.now).await.unwrap();
        agree(w, "sun").await.unwrap();
        assert_eq!((w.states("B").await[1].as_str(), lies(w).await), ("paid", [10_022, 0, 0, 0]));
        assert_eq!((w.balance("suspense:unknown").await, w.balance("paid").await), (0, paid + 10_011));
        assert_eq!(w.texts("select kind from failure_case where state = 'open'").await, ["failed"], "the third's");
        assert_eq!(w.incidents("double_payment_suspected").await, 0);
        w.books_hold().await;
    })
    .await;
}

/// The bank says once more that the first was paid: in a file that is another by these blanks, for the same one would say nothing.
fn paid_once_more(w: &World, slip: &Slip, blanks: &str) {
    let one = Slip { orders: slip.orders[..1].to_vec(), ..slip.clone() };
    let (path, mut bytes) = result(&one, &[Word::Paid]).into_iter().find(|(_, bytes)| !bytes.is_empty()).unwrap();
    let end = bytes.len() - 1;
    bytes.splice(end..end, blanks.bytes());
    w.put(SPLIT, &path, &bytes);
    w.put(SPLIT, &path.replace("_S", "_F"), b"");
}

/// What its payee had no right to and brought back was paid, and the bank's saying so again is no second payment.
#[tokio::test]
async fn what_a_person_gave_back_was_paid_and_the_bank_may_say_so_again() {
    on_both(async |w| {
        w.polls(SPLIT);
        let slip = one_of_each(w, "refund-pipe-gbk", "quota").await;
        w.exclude(0).await;
        w.cases_pass().await;
        let (case, ..) = w.case_of("recovery").await;
        let (proposal, _) = ask_case(&w.gateway, &person("qian"), case, Wish::Recover("收款凭证2019-001"), w.now).await.unwrap();
        approve(&w.gateway, &person("sun"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(w.states("B").await, ["recovered", "failed_final", "failed_final"]);
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let orders = take_orders(w);
        paid_once_more(w, &slip, " ");
        w.settle().await;
        assert_eq!((w.states("B").await[0].as_str(), w.cases("double_payment_suspected").await), ("refunding", 0));
        says(w, &orders[0].0, order, 20_011, "2001", "国库户名不符");
        w.settle().await;
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 refused"]);
        // Said once more, and nothing new either where it waits for the next order.
        paid_once_more(w, &slip, "  ");
        w.settle().await;
        assert_eq!((w.states("B").await, lies(w).await), (vec!["failed_final".to_owned(); 3], [10_022, 20_011, 0, 0]));
        assert_eq!((w.balance("suspense:unknown").await, w.incidents("conflict").await), (0, 0));
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1, "the cash goes to the treasury");
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_refund_file_is_sent_once() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        ask(w, Why::Ineligible).await;
        agree(w, "sun").await.unwrap();
        // Its day goes by before the bank's mailbox is there: another file, on another day.
        assert_eq!((w.plan(SPLIT).await, w.seal(SPLIT).await), (1, 1));
        w.now = super::world::at("2019-03-15", "10:00:00");
        assert_eq!((w.plan(SPLIT).await, w.seal(SPLIT).await), (2, 1));
        assert_eq!(w.texts("select state from file_out where kind = 'refund' order by id").await, ["voided", "sealed"]);
        w.publish(SPLIT).await;
        // The crash came after the rename, before it was recorded.
        let file = "update file_out set state = 'publishing', lines_state = 'planned', sent_at = null, evidence = '' where kind = 'refund' and state = 'sent'";
        assert_eq!(w.sql(file).await, 1);
        w.sql("update refund_order set state = 'approved', sent_at = null").await;
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, take_orders(w).len()), (vec!["TK-2019-0001 sent".to_owned()], 1));
        w.settle().await;
        assert!(take_orders(w).is_empty());
        assert_eq!(w.texts("select state || ' ' || cast(copies as text) from file_out where kind = 'refund' order by id").await, ["voided 0", "sent 1"]);
        // Silence is told, and makes no outcome; two persons may give it up.
        w.settle_at("2019-03-20", "19:00:00").await;
        assert_eq!((w.incidents("overdue").await, w.texts(ORDER).await), (1, vec!["TK-2019-0001 sent".to_owned()]));
        assert!(cancel(&w.gateway, &person("qian"), "TK-2019-0001", "银行来函：未收到", w.now).await.unwrap().is_some());
        assert!(agree(w, "qian").await.is_err());
        agree(w, "sun").await.unwrap();
        assert_eq!((w.texts(ORDER).await, lies(w).await), (vec!["TK-2019-0001 cancelled".to_owned()], [10_022, 10_011, 0, 0]));
        assert_eq!((w.incidents("overdue").await, take_orders(w).len()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn the_same_receipt_twice_closes_once() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let orders = take_orders(w);
        for _ in 0..2 {
            says(w, &orders[0].0, order, 10_011, "0000", "");
            w.settle().await;
        }
        assert!(!arrives(w, order, &Proof::Receipt("国库回单17号".to_owned())).await);
        assert!(propose_receipt(&w.gateway, &person("qian"), "TK-2019-0001", "国库回单17号", w.now).await.is_err());
        assert_eq!(w.int("select count(*) from entry where kind = 'close'").await, 1);
        assert_eq!(w.texts(ORDER).await, ["TK-2019-0001 refunded"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_about_another_amount_is_quarantined() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let orders = take_orders(w);
        says(w, &orders[0].0, order, 10_012, "0000", "");
        w.settle().await;
        assert_eq!((w.texts(ORDER).await, w.incidents("quarantined").await), (vec!["TK-2019-0001 sent".to_owned()], 1));
        assert_eq!(lies(w).await, [10_022, 0, 0, 10_011]);
    })
    .await;
}

/// Money that lay elsewhere is due back, as other passes put it there.
async fn moved_to_ineligible(w: &World, fen: i64) {
    use bankgate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
    use bankgate::store::ledger::{EntryOf, Origin};
    let mut tx = w.gateway.store.begin().await.unwrap();
    let purse = Purse { department: "D1".into(), project: "1".into(), year: 2019, bank: SPLIT.into() };
    let (from, to) = (purse.account(AccountKind::Paid), purse.account(AccountKind::SuspenseIneligible));
    let movement = Movement { kind: EntryKind::Recover, from, to, amount: bankgate::domain::money::Fen::new(fen) };
    tx.post(w.now, &EntryOf::default(), Origin::Ours, &movement).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_a_person_gave_back_goes_on_and_a_refusal_leaves_it_due() {
    on_both(async |w| {
        one_of_each(w, "", "cash").await;
        moved_to_ineligible(w, 10_000).await;
        w.sql("insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, since) select i.id, f.id, i.batch, 'recovered', i.amount_fen, 0 \
               from instruction i join file_out f on f.first_id = i.id").await;
        w.audit("a recovery").await;
        for round in 1..3 {
            assert_eq!(ask(w, Why::Ineligible).await.len(), 1);
            agree(w, "sun").await.unwrap();
            assert_eq!((w.states("B").await, lies(w).await), (vec!["refunding".to_owned(), "refunding".into(), "failed_final".into()], [10_022, 0, 0, 20_011]));
            let number = format!("TK-2019-000{round}");
            cancel(&w.gateway, &person("qian"), &number, "重新开具", w.now).await.unwrap();
            w.audit("a cancel").await;
            assert_eq!((w.states("B").await, lies(w).await), (vec!["failed_final".to_owned(); 3], [10_022, 20_011, 0, 0]));
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_debited_in_full_gives_back_what_was_seen_to_come_back() {
    on_both(async |w| {
        one_of_each(w, "", "cash").await;
        w.sql("update agreement set debit_model = 'gross'").await;
        assert_eq!(ask(w, Why::Ineligible).await, [0_i64; 0]);
        w.sql("insert into statement (bank, account, from_date, to_date, entries, file_in) values ('B4', 'x', '2019-03-14', '2019-03-14', 0, 99)").await;
        w.sql("insert into statement_match (statement, line, kind, subject, amount_fen, how, at) select 1, 1, 'credit_back', instruction_id, amount_fen, 'reference', 0 \
               from instruction_state where class = 'IR'").await;
        assert_eq!(ask(w, Why::Ineligible).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_remains_of_a_partly_paid_one_goes_back_and_the_rest_stays_paid() {
    on_both(async |w| {
        one_of_each(w, "", "quota").await;
        moved_to_ineligible(w, 4_000).await;
        w.sql("insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, since) select i.id, f.id, i.batch, 'paid', 6000, 6000, 0 \
               from instruction i join file_out f on f.first_id = i.id").await;
        w.sql("insert into remainder (instruction_id, part, claim_key, file_out, batch, state, amount_fen, reason, class, since) select i.id, 1, -i.id, f.id, i.batch, 'failed_final', 4000, \
               'PARTIAL_PAID', 'IR', 0 from instruction i join file_out f on f.first_id = i.id").await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        let ask = Ask { department: "D1", project: "1", year: 2019, why: Why::Ineligible, month: "" };
        let [order] = propose(&w.gateway, &mut tx, "qian", &ask, w.now).await.unwrap()[..] else { panic!("one order") };
        tx.commit().await.unwrap();
        approve(&w.gateway, &person("sun"), proposal(w).await, w.now).await.unwrap();
        assert_eq!((w.texts("select state from remainder").await, lies(w).await), (vec!["refunding".to_owned()], [10_022, 0, 0, 14_011]));
        sent_by_hand(&w.gateway, &person("qian"), "TK-2019-0001", w.now).await.unwrap();
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert!(seen(&w.gateway, &mut tx, order, &Proof::Receipt("国库回单".to_owned()), w.now).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!((w.texts("select state from remainder").await, lies(w).await), (vec!["refunded".to_owned()], [10_022, 0, 0, 0]));
        assert_eq!(w.states("B").await, ["paid", "refunded", "failed_final"]);
        assert_eq!(w.int("select live from instruction order by id limit 1").await, 1, "what was paid of it keeps its claim");
    })
    .await;
}
