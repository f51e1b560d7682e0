//! What the pretend bank does with a payer's account after and beside paying: how it debits, what it sends back, what its
//! statements show and where they err.

use std::collections::BTreeMap;

use bankgate::domain::money::Fen;
use bankgate::sandbox::{BankDays, Behaviour, Debits, Fault, Layout, When};
use chrono::NaiveDate;

use crate::sandbox::{Fixed, OPENING, PAYER, SPLIT_REQUEST, UNIT, World, flag, gbk, quick};

/// A statement, read by its columns.
#[derive(Debug, PartialEq)]
struct Statement {
    opening: i64,
    closing: i64,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    side: char,
    fen: i64,
    reference: String,
    bank_ref: String,
    counter: String,
    text: String,
}

fn fen(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

impl Statement {
    /// Reads it and proves its own arithmetic.
    fn read(text: &str, day: &str) -> Self {
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
        let (head, rest) = lines.split_first().unwrap();
        let (tail, details) = rest.split_last().unwrap();
        assert_eq!(head[..4], ["H", PAYER, day, day], "{text}");
        let entries: Vec<Entry> = details
            .iter()
            .map(|d| {
                assert_eq!((d.len(), d[0], d[1]), (9, "D", day), "{text}");
                let side = d[2].chars().next().unwrap();
                let [reference, bank_ref, counter, text] = [d[4], d[5], d[6], d[8]].map(str::to_owned);
                Entry { side, fen: fen(d[3]), reference, bank_ref, counter, text }
            })
            .collect();
        let of = |side| entries.iter().filter(move |e| e.side == side);
        let (debits, credits): (i64, i64) = (of('D').map(|e| e.fen).sum(), of('C').map(|e| e.fen).sum());
        assert_eq!(head[6], entries.len().to_string(), "{text}");
        assert_eq!([tail[1], tail[3]], [of('D').count().to_string(), of('C').count().to_string()], "{text}");
        assert_eq!([fen(tail[2]), fen(tail[4])], [debits, credits], "{text}");
        let (opening, closing) = (fen(head[4]), fen(head[5]));
        assert_eq!(opening + credits - debits, closing, "{text}");
        Self { opening, closing, entries }
    }

    fn told(&self) -> Vec<(char, i64, &str, &str)> {
        self.entries.iter().map(|e| (e.side, e.fen, e.reference.as_str(), e.text.as_str())).collect()
    }
}

/// All statements by day; each begins where the one before ended.
fn statements(world: &World) -> BTreeMap<String, Statement> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(world.root().join("outbox/statement")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let day = name.strip_prefix(&format!("STMT_{PAYER}_")).unwrap().strip_suffix(".txt").unwrap().to_owned();
        all.insert(day.clone(), Statement::read(&std::fs::read_to_string(entry.path()).unwrap(), &day));
    }
    let mut closing = OPENING;
    for (day, statement) in &all {
        assert_eq!(statement.opening, closing, "{day} begins where the day before ended");
        closing = statement.closing;
    }
    let mut refs: Vec<_> = all.values().flat_map(|s| &s.entries).map(|e| &e.bank_ref).collect();
    let many = refs.len();
    refs.sort();
    refs.dedup();
    assert_eq!(refs.len(), many, "every entry has a number of its own");
    all
}

fn days(world: &World) -> Vec<String> {
    statements(world).into_keys().collect()
}

fn balance(world: &World) -> i64 {
    world.sandbox.ledger("b1").payer_balances[PAYER].get()
}

/// A bank that got the request of five rows, three good ones, this morning.
async fn asked(behaviour: Behaviour) -> World {
    let world = World::open(Layout::SplitPair, behaviour).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(SPLIT_REQUEST)).await;
    world
}

fn with(debits: Debits) -> Behaviour {
    Behaviour { debits, ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bank_day_has_its_statement_and_no_other_day_has() {
    let world = asked(quick()).await;
    // Over the weekend, with money that comes on Saturday noon.
    world.hours(4 * 24 + 2).await;
    world.sandbox.deposit("b1", PAYER, Fen::new(5_000), "资金拨入").unwrap();
    world.hours(3 * 24).await;
    assert_eq!(days(&world), ["20260310", "20260311", "20260312", "20260313", "20260316"]);
    let all = statements(&world);
    assert_eq!(all["20260312"], Statement { opening: OPENING - 60_050, closing: OPENING - 60_050, entries: Vec::new() });
    assert_eq!(all["20260316"].told(), [('C', 5_000, "", "资金拨入")]);
    assert_eq!(all["20260316"].closing, balance(&world));

    // A calendar of the bank's own, and a bank that was closed for some days.
    let calendar = BankDays::by(|day| day != NaiveDate::from_ymd_opt(2026, 3, 18).unwrap());
    let world = world.reopen(Layout::SplitPair, Behaviour { bank_days: calendar, ..quick() }).await;
    world.hours(3 * 24).await;
    assert_eq!(days(&world)[5..], ["20260317", "20260319"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gross_bank_takes_the_whole_file_at_once_and_gives_the_rest_back() {
    for (one_by_one, back) in [
        (false, vec![('C', 90_000, "YHDF__202603100001.TXT", "退款 YHDF__202603100001.TXT")]),
        (true, vec![('C', 40_000, "R004", "退款 YHDF__202603100001.TXT"), ('C', 50_000, "R005", "退款 YHDF__202603100001.TXT")]),
    ] {
        let world = asked(with(Debits::Gross { one_by_one })).await;
        world.me.sleep_until(world.me.now().plus_minutes(25)).await;
        assert_eq!(balance(&world), OPENING - 150_050, "debited when taken");
        assert!(world.sandbox.ledger("b1").credits.is_empty());
        let world = world.reopen(Layout::SplitPair, with(Debits::Gross { one_by_one })).await;
        world.hours(9).await;
        assert_eq!(balance(&world), OPENING - 60_050);
        let all = statements(&world);
        let told = all["20260310"].told();
        assert_eq!(told[0], ('D', 150_050, "YHDF__202603100001.TXT", "代发 YHDF__202603100001.TXT"));
        assert_eq!(told[1..], back);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_debits_item_by_item_names_every_payment() {
    let world = asked(with(Debits::ItemByItem)).await;
    world.hours(9).await;
    let all = statements(&world);
    let words = "代发 YHDF__202603100001.TXT";
    assert_eq!(all["20260310"].told(), [('D', 10_000, "R001", words), ('D', 20_050, "R002", words), ('D', 30_000, "R003", words)]);
    assert_eq!(all["20260310"].entries[0].counter, "6217000000000000014");
    assert_eq!(all["20260310"].closing, balance(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_comes_back_stands_in_a_return_file_and_on_the_statement() {
    let behaviour = Behaviour { return_per_mille: 1000, return_after_days: 2..=9, ..quick() };
    let world = asked(behaviour.clone()).await;
    world.hours(9).await;
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 3);
    // A bank that was closed in between still knows.
    let world = world.reopen(Layout::SplitPair, Behaviour { return_per_mille: 0, ..behaviour.clone() }).await;
    world.hours(14 * 24).await;
    let ledger = world.sandbox.ledger("b1");
    assert!(ledger.credits.is_empty(), "what came back is not paid");
    assert_eq!(ledger.returned.keys().collect::<Vec<_>>(), ["R001", "R002", "R003"]);
    let figures = &ledger.files["YHDF__202603100001.TXT"];
    assert_eq!((figures.paid_count, figures.returned_count, figures.returned_amount.get()), (3, 3, 60_050));
    assert_eq!(balance(&world), OPENING);

    let returned = world.text("/outbox/YHDFTP202603100001_T.TXT").await;
    let rows: Vec<Vec<&str>> = returned.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(rows.iter().map(|row| (row[3], row[4])).collect::<Vec<_>>(), [("100.00", "R001"), ("200.50", "R002"), ("300.00", "R003")]);
    let all = statements(&world);
    let (day, told) = all.iter().find(|(_, s)| s.entries.iter().any(|e| e.side == 'C')).unwrap();
    assert!(("20260312".."20260321").contains(&day.as_str()), "{day}");
    for (row, entry) in rows.iter().zip(&told.entries) {
        let (name, words) = row[1].split_once(';').unwrap();
        assert!(["张三", "阿依·木呷", "李珅"].contains(&name));
        assert_eq!((entry.side, entry.reference.as_str(), entry.text.clone()), ('C', row[4], format!("退票 {}", words.trim_end())));
    }

    // The same seed and references: the same day and words, whatever else the bank did before.
    let again = World::open(Layout::SplitPair, behaviour).await;
    again.put("/inbox/YHDF__202603100002.TXT", gbk("511100196001010011|张三丰|511100196001010011|1.00|R000\n")).await;
    again.hours(1).await;
    again.put("/inbox/YHDF__202603100001.TXT", gbk(SPLIT_REQUEST)).await;
    again.hours(14 * 24).await;
    assert_eq!(again.text("/outbox/YHDFTP202603100001_T.TXT").await, returned);
    assert_eq!(statements(&again)[day].told(), told.told());
    // A person's number is not paid a second time because it came back.
    again.put("/inbox/YHDF__202603240001.TXT", gbk("511100196001010011|张三|511100196001010011|100.00|R001\n")).await;
    again.hours(9).await;
    assert!(again.sandbox.ledger("b1").credits.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn some_come_back_and_the_others_stay() {
    let rows: String = (0..200).map(|n| format!("511100196001010011|张三|511100196001010011|1.00|R{n:03}\n")).collect();
    let world = World::open(Layout::SplitPair, Behaviour { return_per_mille: 100, return_after_days: 1..=1, ..quick() }).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(&rows)).await;
    world.hours(3 * 24).await;
    let ledger = world.sandbox.ledger("b1");
    let returned = ledger.returned.len();
    assert!((5..40).contains(&returned), "{returned}");
    assert_eq!(ledger.credits.len() + returned, 200);
    assert_eq!(world.text("/outbox/YHDFTP202603100001_T.TXT").await.lines().count(), returned);
    assert_eq!(statements(&world)["20260311"].entries.len(), returned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gives_money_back_to_the_payer() {
    let world = asked(quick()).await;
    world.hours(5).await;
    world.sandbox.give_back("b1", "6217000000000000014", Fen::new(10_000), "退回补贴 R001").unwrap();
    world.hours(4).await;
    // After the day's end: of the next day.
    world.sandbox.give_back("b1", "6230000000000000009", Fen::new(1), "退回").unwrap();
    world.hours(24).await;
    let all = statements(&world);
    let first = &all["20260310"].entries[1];
    assert_eq!((first.side, first.fen, first.counter.as_str(), first.text.as_str()), ('C', 10_000, "6217000000000000014", "退回补贴 R001"));
    assert_eq!(all["20260311"].told(), [('C', 1, "", "退回")]);
    let ledger = world.sandbox.ledger("b1");
    assert_eq!(ledger.given_back["6217000000000000014"], Fen::new(10_000));
    assert!(ledger.credits.contains_key("R001"), "it was paid, and given back by another way");
    assert!(world.sandbox.give_back("b2", "6217000000000000014", Fen::new(1), "").is_err());
    assert!(world.sandbox.deposit("b1", "1", Fen::new(1), "").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_put_right_on_the_next_statement() {
    let paid = [('D', 10_000, "R001"), ('D', 20_050, "R002"), ('D', 30_000, "R003")];
    for fault in [Fault::Miss(1), Fault::Double, Fault::MisKey, Fault::Charge(Fen::new(1_250))] {
        let monday_too = (When::Day(NaiveDate::from_ymd_opt(2026, 3, 16).unwrap()), fault);
        let faults = vec![(When::Nth(1), fault), monday_too];
        let world = asked(Behaviour { statement_faults: faults, ..with(Debits::ItemByItem) }).await;
        world.hours(3 * 24).await;
        let all = statements(&world);
        let (first, next) = (&all["20260310"], &all["20260311"]);
        let told: Vec<_> = first.entries.iter().map(|e| (e.side, e.fen, e.reference.as_str())).collect();
        let wrong: Vec<_> = told.iter().filter(|entry| !paid.contains(entry)).collect();
        let right = &next.told()[..];
        match fault {
            Fault::Miss(_) => {
                assert_eq!(told.len(), 2);
                let missed = paid.iter().find(|entry| !told.contains(entry)).unwrap();
                assert_eq!(right, [(missed.0, missed.1, missed.2, "补记 代发 YHDF__202603100001.TXT")]);
            }
            Fault::Double => {
                assert_eq!((told.len(), wrong.len()), (4, 0));
                assert_eq!(right, [('C', told[3].1, told[3].2, "冲正 重复记账")]);
            }
            Fault::MisKey => {
                assert_eq!((told.len(), wrong.len()), (3, 1));
                let meant = paid.iter().find(|entry| entry.2 == wrong[0].2).unwrap();
                let (side, more) = if wrong[0].1 > meant.1 { ('C', wrong[0].1 - meant.1) } else { ('D', meant.1 - wrong[0].1) };
                assert_eq!((right.len(), right[0].0, right[0].1, right[0].2), (1, side, more, meant.2));
            }
            Fault::Charge(_) => {
                assert_eq!(wrong, [&('D', 1_250, "")]);
                assert_eq!(right, [('C', 1_250, "", "冲正 手续费退回")]);
            }
            Fault::Withhold(_) | Fault::Late | Fault::Missing => unreachable!(),
        }
        assert_eq!(next.closing, balance(&world), "put right, the statements say what is there");
        assert_eq!(all["20260312"].entries, []);
        assert_eq!(balance(&world), OPENING - 60_050, "the true balance knows of no fault");

        // A debit on Tuesday: the fault of Monday needs a debit, and finds it only then.
        world.hours(4 * 24).await;
        world.put("/inbox/YHDF__202603170001.TXT", gbk("511100196001010011|张三|511100196001010011|10.00|R011\n")).await;
        world.hours(3 * 24).await;
        let all = statements(&world);
        let count = |day: &str| all[day].entries.len();
        let seen = (count("20260316"), count("20260317"), count("20260318"));
        let expected = match fault {
            Fault::Miss(_) => (0, 0, 1),
            Fault::Double => (0, 2, 1),
            Fault::MisKey => (0, 1, 1),
            Fault::Charge(_) => (1, 2, 0),
            Fault::Withhold(_) | Fault::Late | Fault::Missing => unreachable!(),
        };
        assert_eq!(seen, expected, "{fault:?}");
        assert_eq!(all["20260319"].closing, balance(&world));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_may_be_left_out_of_several_statements() {
    let behaviour = Behaviour {
        return_per_mille: 1000,
        return_after_days: 2..=2,
        statement_faults: vec![(When::Nth(1), Fault::Withhold(2)), (When::Nth(1), Fault::Miss(3))],
        ..with(Debits::ItemByItem)
    };
    let world = asked(behaviour).await;
    world.hours(7 * 24).await;
    assert!(!world.text("/outbox/YHDFTP202603100001_T.TXT").await.is_empty());
    let all = statements(&world);
    let of = |day: &str, side: char| all[day].entries.iter().filter(|e| e.side == side).count();
    // Debited on the 10th, one of three shown three bank days later; sent back on the 12th, one of three shown two days later.
    assert_eq!(["20260310", "20260311", "20260312", "20260313"].map(|day| of(day, 'D')), [2, 0, 0, 1]);
    assert_eq!(["20260312", "20260313", "20260316"].map(|day| of(day, 'C')), [2, 0, 1]);
    assert!(all["20260316"].entries[0].text.starts_with("补记 退票"), "{:?}", all["20260316"].told());
    assert_ne!(all["20260313"].closing, balance(&world), "one credit is still left out");
    assert_eq!(all["20260316"].closing, balance(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_statement_comes_with_the_next_and_a_missing_one_when_asked_for() {
    let faults = vec![(When::Nth(1), Fault::Late), (When::Nth(2), Fault::Missing)];
    let world = asked(Behaviour { statement_faults: faults.clone(), ..quick() }).await;
    let names = |world: &World| std::fs::read_dir(world.root().join("outbox/statement")).unwrap().count();
    world.hours(9).await;
    assert_eq!(names(&world), 0);
    let world = world.reopen(Layout::SplitPair, Behaviour { statement_faults: faults, ..quick() }).await;
    world.hours(24).await;
    assert_eq!(days(&world), ["20260310"]);
    world.hours(24).await;
    assert_eq!(names(&world), 2, "of the tenth and the twelfth");
    assert_eq!(world.sandbox.ask_for_statements("b1").unwrap(), 1);
    assert_eq!(world.sandbox.ask_for_statements("b1").unwrap(), 0);
    assert_eq!(days(&world), ["20260310", "20260311", "20260312"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_order_is_executed_once_and_refused_without_the_money() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let order = |reference: &str, payer: &str, yuan: &str| {
        gbk(&format!("TK-1|{UNIT}|20260310|{payer}|某市某局|1|{yuan}\n{reference}|{yuan}|0990001|某市国库|011|耕地补贴|TK-1\n"))
    };
    world.put("/inbox/TK_202603100001.TXT", order("BG001", PAYER, "300000.00")).await;
    world.put("/inbox/TK_202603100002.TXT", order("BG002", PAYER, "700000.01")).await;
    world.put("/inbox/TK_202603100003.TXT", order("BG003", "0000", "1.00")).await;
    world.put("/inbox/TK_202603100004.TXT", gbk("TK-1|x\n")).await;
    world.me.sleep_until(world.me.now().plus_minutes(25)).await;
    let world = world.reopen(Layout::SplitPair, quick()).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/TK_202603100001_A.TXT").await, "0000|1|300000.00|受理成功\n");
    assert_eq!(world.text("/outbox/TK_202603100004_A.TXT").await, "2001|1|0.00|文件格式错误\n");
    assert_eq!(world.text("/outbox/TK_202603100001_R.TXT").await, "BG001|300000.00|0990001|0000||GK202603100001|20260310\n");
    assert_eq!(world.text("/outbox/TK_202603100002_R.TXT").await, "BG002|700000.01|0990001|2001|付款账户余额不足||\n");
    assert_eq!(world.text("/outbox/TK_202603100003_R.TXT").await, "BG003|1.00|0990001|2001|付款账户不符||\n");
    // The same order in another file, and under its own name again: not paid again.
    for name in ["TK_202603100005", "TK_202603100001"] {
        world.put(&format!("/inbox/{name}.TXT"), order("BG001", PAYER, "300000.00")).await;
    }
    world.hours(6).await;
    for name in ["TK_202603100005", "TK_202603100001~2"] {
        assert_eq!(world.text(&format!("/outbox/{name}_R.TXT")).await, "BG001|300000.00|0990001|1001|未处理记录重复||\n");
    }
    let all = statements(&world);
    assert_eq!(all["20260310"].told(), [('D', 30_000_000, "BG001", "缴回国库 BG001")]);
    assert_eq!(all["20260310"].entries[0].counter, "0990001");
    assert_eq!(balance(&world), OPENING - 30_000_000);
    assert_eq!(world.sandbox.ledger("b1").refunds, BTreeMap::from([("BG001".to_owned(), Fen::new(30_000_000))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_what_became_of_payments_is_told_what_the_books_say() {
    let world = World::open(Layout::FixedBytes, Behaviour { silent_every: Some(1), ..quick() }).await;
    let rows =
        [("R001", 10_000, "6217000000000000014", "张三"), ("R002", 20_000, "6217000000000000048", "王五"), ("R003", 1, "62", "李珅")];
    let file = Fixed::of(&rows).file();
    world.put("/inbox/20260310/03100001.dat", file.clone()).await;
    world.put("/inbox/20260310/03100001.dat.ok", flag(&file)).await;
    let ask = format!("Q|{UNIT}|03100001|3|20001\n1|R001|10000\n2|R002|20000\n9|R009|1\n");
    let told = |first: &str, second: &str, third: &str| {
        format!("R|{UNIT}|03100001|3|20001\n1|R001|10000|{first}\n2|R002|20000|{second}\n9|R009|1|{third}\nT|3\n")
    };
    world.me.sleep_until(world.me.now().plus_minutes(21)).await;
    world.put("/inbox/20260310/03100001.q0310", gbk(&ask)).await;
    // Half a question is left until it is whole.
    world.put("/inbox/20260310/03100001.q0312", gbk(&ask[..60])).await;
    world.me.sleep_until(world.me.now().plus_minutes(20)).await;
    assert_eq!(world.text("/outbox/20260310/03100001.r0310").await, told("|处理中", "|处理中", "|处理中"));
    world.hours(2).await;
    world.put("/inbox/20260310/03100001.q0311", gbk(&ask)).await;
    world.hours(1).await;
    let known = told("00000000|入账成功", "PD3603|账户已销户", "|查无此笔");
    assert_eq!(world.text("/outbox/20260310/03100001.r0311").await, known);
    assert_eq!(world.names("/inbox/20260310").await, ["03100001.q0312"]);
    assert_eq!(balance(&world), OPENING - 10_000);
}
