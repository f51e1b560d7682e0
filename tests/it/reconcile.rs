//! Tables: which line is which movement, what keeps a day from being complete, which verdict is the worse.

use std::collections::BTreeSet;

use bankgate::domain::exchange::Side;
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::masked::{Account, Name};
use bankgate::domain::matching::{
    Books, BreakKind, FileDue, Found, FundingDue, How, Item, Line, MatchKind, RecoveryDue, RefundDue, Word, disputed, is_fee, match_lines,
    missing,
};
use bankgate::domain::money::Fen;
use bankgate::domain::verdict::{Gap, Sheet, Verdict, gaps, is_over, is_stale, verdict};
use chrono::NaiveDate;

fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2019, 3, n).unwrap()
}

fn fen(n: i64) -> Fen {
    Fen::new(n)
}

fn line(side: Side, amount: i64, reference: &str, words: &str) -> Line {
    Line {
        statement: 1,
        line: 1,
        on: day(14),
        side,
        amount: fen(amount),
        reference: reference.to_owned(),
        words: words.to_owned(),
        counter_account: Account::default(),
        counter_name: Name::default(),
    }
}

fn debit(amount: i64, reference: &str, words: &str) -> Line {
    line(Side::Debit, amount, reference, words)
}

fn credit(amount: i64, reference: &str, words: &str) -> Line {
    line(Side::Credit, amount, reference, words)
}

fn item(file: i64, amount: i64, word: Word) -> Item {
    let kept = if word == Word::Paid { fen(amount) } else { Fen::ZERO };
    Item {
        file,
        amount: fen(amount),
        word,
        kept,
        is_gross: false,
        returned: Fen::ZERO,
        unseen: Vec::new(),
        debited: Fen::ZERO,
        back: Fen::ZERO,
    }
}

fn id(n: i64) -> String {
    EndToEndId(n).to_string()
}

/// File 1: net, two answers of 100 and 200, instructions 11 (paid), 12 (failed), 13 (no word). File 2: gross, 500, of which 50
/// failed (21). File 3: not answered. Order 90 over 70; cash of 1000; case 5 of instruction 11's neighbour 14 over 40.
fn books() -> Books {
    let days: BTreeSet<NaiveDate> = [day(14)].into();
    let file = |name: &str, due: i64| FileDue {
        name: name.to_owned(),
        key: format!("20190314/{name}"),
        path: format!("20190314/{name}"),
        days: days.clone(),
        on: Some(day(14)),
        due: fen(due),
        is_settled: true,
        ..FileDue::default()
    };
    let mut books = Books::default();
    books.files.insert(1, FileDue { parts: vec![fen(100), fen(200)], ..file("NET.TXT", 300) });
    books.files.insert(2, FileDue { back_due: fen(50), ..file("GROSS.TXT", 500) });
    books.files.insert(3, FileDue { is_settled: false, on: None, ..file("LATER.TXT", 0) });
    books.items.insert(11, item(1, 30, Word::Paid));
    books.items.insert(12, item(1, 31, Word::Failed));
    books.items.insert(13, item(1, 32, Word::None));
    books.items.insert(14, item(1, 40, Word::Paid));
    books.items.insert(21, Item { is_gross: true, ..item(2, 50, Word::Failed) });
    let order = RefundDue { amount: fen(70), on: day(14), is_out: true, is_proven_here: true, is_seen: false };
    books.refunds.insert(90, order);
    books.fundings.push(FundingDue { id: 8, amount: fen(1000) });
    let (account, name) = (Account::new("6217001234500000014"), Name::new("王五"));
    books.recoveries.push(RecoveryDue { case: 5, instruction: 14, amount: fen(40), account, name });
    books
}

/// In words, so that a table can be read.
fn said(found: &[Found]) -> Vec<String> {
    let words = |f: &Found| match f {
        Found::Match(kind, subject, how) => format!("{} {subject} by {}", kind.code(), how.code()),
        Found::Wait => "wait".to_owned(),
        Found::Break { kind, .. } => kind.code().to_owned(),
    };
    found.iter().map(words).collect()
}

#[test]
fn lines_are_found_by_reference_then_file_then_amount() {
    let from = |l: Line, account: &str, name: &str| Line { counter_account: Account::new(account), counter_name: Name::new(name), ..l };
    let on = |n: u32, l: Line| Line { on: day(n), ..l };
    let table: Vec<(&str, Vec<Line>, &[&str])> = vec![
        ("an item by its reference", vec![debit(30, &id(11), "")], &["instruction 11 by reference"]),
        ("a reference among the words", vec![debit(30, "", &format!("代发 {}", id(11)))], &["instruction 11 by reference"]),
        ("an item of another amount", vec![debit(33, &id(11), "")], &["amount"]),
        ("an item twice", vec![debit(30, &id(11), ""), debit(30, &id(11), "")], &["instruction 11 by reference", "duplicate_debit"]),
        ("an item that failed", vec![debit(31, &id(12), "")], &["missing_here"]),
        ("an item without a word", vec![debit(32, &id(13), "")], &["wait"]),
        ("a reference of nobody's", vec![debit(30, &id(99), "")], &["missing_here"]),
        ("a mistyped reference", vec![debit(30, "BG0000000000000019", "")], &["missing_here"]),
        ("a lump by name", vec![debit(300, "NET.TXT", "")], &["file 1 by file"]),
        ("a lump by key in the words", vec![debit(300, "", "代发 20190314/NET.TXT")], &["file 1 by file"]),
        ("a lump per answer", vec![debit(100, "NET.TXT", ""), debit(200, "NET.TXT", "")], &["file 1 by file", "file 1 by file"]),
        ("lumps that make up the whole", vec![debit(120, "NET.TXT", ""), debit(180, "NET.TXT", "")], &["file 1 by file", "file 1 by file"]),
        ("a lump mis-keyed", vec![debit(330, "NET.TXT", "")], &["amount"]),
        ("a lump twice", vec![debit(300, "NET.TXT", ""), debit(300, "NET.TXT", "")], &["file 1 by file", "duplicate_debit"]),
        ("a lump, and an item of it", vec![debit(300, "NET.TXT", ""), debit(30, &id(11), "")], &["file 1 by file", "duplicate_debit"]),
        ("before the answer", vec![debit(77, "LATER.TXT", "")], &["wait"]),
        ("a gross lump", vec![debit(500, "GROSS.TXT", "")], &["file 2 by file"]),
        ("by amount and date", vec![debit(500, "", "转账")], &["file 2 by amount"]),
        ("by amount on another day", vec![on(15, debit(500, "", "转账"))], &["missing_here"]),
        ("by amount, two of theirs", vec![debit(500, "", "转账"), debit(500, "", "转账")], &["missing_here", "missing_here"]),
        ("a fee", vec![debit(500, "", "代发手续费")], &["fee_charged"]),
        ("a refund order", vec![debit(70, &id(90), "")], &["refund 90 by reference"]),
        ("a refund order of another amount", vec![debit(71, &id(90), "")], &["amount"]),
        ("a refund order twice", vec![debit(70, &id(90), ""), debit(70, &id(90), "")], &["refund 90 by reference", "duplicate_debit"]),
        ("a refund that comes back", vec![credit(70, &id(90), "")], &["returned"]),
        (
            "a refund that went and came back",
            vec![debit(70, &id(90), ""), credit(70, &id(90), "")],
            &["other 0 by reference", "other 0 by reference"],
        ),
        (
            "a refund that went a second time",
            vec![debit(70, &id(90), ""), credit(70, &id(90), ""), debit(70, &id(90), "")],
            &["other 0 by reference", "other 0 by reference", "refund 90 by reference"],
        ),
        ("funds", vec![credit(1000, "", "财政拨款")], &["funding 8 by amount"]),
        ("interest", vec![credit(12, "", "结息")], &["missing_here"]),
        ("a return by its reference", vec![credit(30, &id(11), "退汇")], &["return 11 by reference"]),
        ("a return of a part", vec![credit(20, &id(11), "退汇")], &["return 11 by reference"]),
        ("a return of too much", vec![credit(35, &id(11), "退汇")], &["missing_here"]),
        ("given back, by reference", vec![credit(40, &id(14), "退款")], &["recovery 5 by reference"]),
        ("given back, by account", vec![from(credit(40, "", "退款"), "6217001234500000014", "")], &["recovery 5 by amount"]),
        ("given back, by name", vec![from(credit(40, "", "退款"), "", "王五")], &["recovery 5 by amount"]),
        ("by another of that name", vec![from(credit(40, "", "退款"), "6217001234500000099", "王五")], &["missing_here"]),
        ("given back, by nobody known", vec![credit(40, "", "退款")], &["missing_here"]),
        ("a failure's credit before any debit", vec![credit(50, "GROSS.TXT", "")], &["amount"]),
        (
            "debit and credit of a gross file",
            vec![debit(500, "GROSS.TXT", ""), credit(50, "GROSS.TXT", "")],
            &["file 2 by file", "credit_back_file 2 by file"],
        ),
        ("a failure's credit by reference", vec![credit(50, &id(21), "")], &["credit_back 21 by reference"]),
        ("twice", vec![credit(50, &id(21), ""), credit(50, &id(21), "")], &["credit_back 21 by reference", "missing_here"]),
    ];
    for (what, lines, expected) in table {
        assert_eq!(said(&match_lines(&lines, &mut books())), expected, "{what}");
    }
}

#[test]
fn what_is_only_likely_is_listed_and_never_matched() {
    let found = match_lines(&[debit(30, "", "转账"), debit(503, "GROSS.TXT", ""), credit(4, "", "")], &mut books());
    assert!(found.iter().all(|f| matches!(f, Found::Break { .. })), "{found:?}");
    let mut swapped = books();
    swapped.files.insert(4, FileDue { due: fen(4312), on: Some(day(13)), days: [day(13)].into(), ..FileDue::default() });
    let Found::Break { kind, candidates, .. } = &match_lines(&[debit(4132, "", "转账")], &mut swapped)[0] else {
        panic!("it is no match")
    };
    assert_eq!((*kind, candidates.len()), (BreakKind::MissingHere, 1), "digits in another order: {candidates:?}");
}

#[test]
fn a_file_whose_name_comes_again_is_told_by_its_day() {
    let mut books = books();
    let again = FileDue { key: "20190313/NET.TXT".to_owned(), path: String::new(), days: [day(13)].into(), ..books.files[&1].clone() };
    books.files.insert(4, again);
    let yesterday = Line { on: day(13), ..debit(300, "NET.TXT", "") };
    assert_eq!(said(&match_lines(&[debit(300, "NET.TXT", ""), yesterday], &mut books)), ["file 1 by file", "file 4 by file"]);
}

#[test]
fn what_no_statement_shows_is_missing_unless_a_line_in_dispute_names_it() {
    let mut b = books();
    let kinds = |m: &[bankgate::domain::matching::Missing]| m.iter().map(|m| (m.key.clone(), m.amount.get())).collect::<Vec<_>>();
    let all = [("debit:file:1".to_owned(), 300), ("debit:file:2".to_owned(), 500), ("debit:refund:90".to_owned(), 70)];
    assert_eq!(kinds(&missing(&b, &BTreeSet::new())), all);
    let lines = [debit(330, "NET.TXT", ""), debit(500, "GROSS.TXT", ""), debit(70, &id(90), "")];
    let found = match_lines(&lines, &mut b);
    let disputed = disputed(&lines, &found, &b);
    assert_eq!(disputed, [1].into());
    // What failed was debited now, and is owed back.
    assert_eq!(kinds(&missing(&b, &disputed)), [("back:file:2".to_owned(), 50)]);
    b.files.get_mut(&1).unwrap().return_due = fen(30);
    b.files.get_mut(&1).unwrap().return_on = Some(day(15));
    let returned = missing(&b, &BTreeSet::new()).into_iter().find(|m| m.kind == BreakKind::Returned).unwrap();
    assert_eq!((returned.on, returned.amount), (day(15), fen(30)));
}

#[test]
fn fees_by_their_words() {
    for words in ["代发手续费", "工本费", "短信费", "汇划费", "Service fee", "bank charges"] {
        assert!(is_fee(words), "{words}");
    }
    for words in ["代发 20190314/NET.TXT", "财政拨款", "免费午餐补助款", ""] {
        assert!(!is_fee(words), "{words}");
    }
}

/// What is told, the statements, the opening, whether it is the first, the gaps.
type Continuity = (&'static str, Vec<Sheet>, Option<i64>, bool, Vec<Gap>);

#[test]
fn a_day_is_complete_when_its_statement_adds_up_and_continues() {
    let sheet = Sheet {
        id: 1,
        from: day(14),
        to: day(14),
        opening: Some(fen(1000)),
        closing: Some(fen(900)),
        declared: 2,
        lines: 2,
        credits: fen(50),
        debits: fen(150),
    };
    let with = |how: fn(&mut Sheet)| {
        let mut s = sheet.clone();
        how(&mut s);
        s
    };
    let table: Vec<Continuity> = vec![
        ("whole", vec![sheet.clone()], Some(1000), false, vec![]),
        ("the first", vec![sheet.clone()], None, false, vec![]),
        ("none", vec![], Some(1000), false, vec![Gap::NoStatement]),
        ("two", vec![sheet.clone(), with(|s| s.id = 2)], Some(1000), false, vec![Gap::Overlap(vec![1, 2])]),
        ("contested", vec![sheet.clone()], Some(1000), true, vec![Gap::Contested]),
        ("a line short", vec![with(|s| s.lines = 1)], Some(1000), false, vec![Gap::Entries { declared: 2, found: 1 }]),
        ("no balance", vec![with(|s| s.closing = None)], Some(1000), false, vec![Gap::NoBalance]),
        (
            "a fen off",
            vec![with(|s| s.closing = Some(Fen::new(901)))],
            Some(1000),
            false,
            vec![Gap::DoesNotAdd { expected: fen(900), closing: fen(901) }],
        ),
        ("a jump", vec![sheet.clone()], Some(999), false, vec![Gap::DoesNotContinue { before: fen(999), opening: fen(1000) }]),
    ];
    for (what, sheets, before, is_contested, expected) in table {
        assert_eq!(gaps(&sheets, before.map(Fen::new), is_contested), expected, "{what}");
    }
}

#[test]
fn the_worst_word_wins() {
    let table = [
        ((1, 1, 1, 5), Verdict::Incomplete),
        ((0, 1, 1, 5), Verdict::Breaks),
        ((0, 0, 1, 5), Verdict::Pending),
        ((0, 0, 1, 0), Verdict::Pending),
        ((0, 0, 0, 0), Verdict::Reconciled),
        // Nobody knows why, and nothing is awaited.
        ((0, 0, 0, -1), Verdict::Breaks),
    ];
    for ((gaps, breaks, pending, residual), expected) in table {
        assert_eq!(verdict(gaps, breaks, pending, fen(residual)), expected, "{gaps} {breaks} {pending} {residual}");
    }
    assert!(Verdict::Incomplete > Verdict::Breaks && Verdict::Breaks > Verdict::Pending && Verdict::Pending > Verdict::Reconciled);
    assert!(!is_over(day(15), None) && !is_over(day(15), Some(day(14))) && is_over(day(15), Some(day(15))));
    assert!(!is_stale(day(1), day(31)) && is_stale(day(1), day(31).succ_opt().unwrap()));
    assert_eq!(How::from_code("manual"), Some(How::Manual));
    assert_eq!(MatchKind::from_code("credit_back_file"), Some(MatchKind::CreditBackFile));
}
