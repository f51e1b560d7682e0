//! What departments, banks and finance IT read: goldens of both bodies, nothing whole in them (incident T7), and workbooks
//! read back by another library.

use std::io::Cursor;

use bankgate::domain::language::Language;
use bankgate::domain::masked::{Account, IdNumber, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::{Reason, ReasonClass};
use bankgate::domain::report::ResultSum;
use bankgate::domain::time::Timestamp;
use bankgate::format::workbook::{HEADER_ROW, SHEET_ABOUT};
use bankgate::passes::letters::{
    Alert, BankNotice, BankNoticeKind, CompletedList, CompletedRow, FailureKind, FailureReport, FailureRow, FileFault, Letter, NextStep,
    PaymentResult, Urgency, alert, bank_notice, completed_list, failure_report,
};
use calamine::{Data, Reader, Xlsx};
use chrono::NaiveDate;
use chrono_tz::Tz;
use quick_xml::events::Event;

const ID: &str = "511181199001012019";
const CARD: &str = "6217001234567890014";

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2019, 3, day).unwrap()
}

fn at(hour: u32, minute: u32) -> Timestamp {
    Timestamp::from_local(date(20).and_hms_opt(hour, minute, 0).unwrap(), Tz::Asia__Shanghai)
}

fn failure(name: &str, reason: Reason, fen: i64, kind: FailureKind, words: &str) -> FailureRow {
    FailureRow {
        township: "符溪镇".to_owned(),
        village: "测试村".to_owned(),
        payee_name: Name::new(name),
        id_number: IdNumber::new(ID),
        account: Account::new(CARD),
        payment_no: "P-2019-03-000017".to_owned(),
        reference: "BG0000000000000172".to_owned(),
        batch_no: "20190320511181001".to_owned(),
        project: "耕地地力保护补贴".to_owned(),
        amount: Fen::new(fen),
        reason,
        class: reason.class(),
        bank_words: words.to_owned(),
        due: date(27),
        kind,
    }
}

fn report() -> FailureReport {
    FailureReport {
        department: "峨眉山市农业农村局".to_owned(),
        bank: "甲银行<乐山>".to_owned(),
        date: date(20),
        generated_at: at(18, 5),
        zone: Tz::Asia__Shanghai,
        workbook_id: "FR-511181-A-20190320-1".to_owned(),
        contact: "财政局信息中心 0833-0000000".to_owned(),
        rows: vec![
            failure("阿牛·木呷", Reason::NameMismatch, 123_456, FailureKind::FailedAtBank, &format!("户名不符,原户名为[欧阳测试] {CARD}")),
            failure("=HYPERLINK(\"http://example.invalid\")", Reason::NameMismatch, 5, FailureKind::FailedAtBank, "-1+1"),
            failure("王测试", Reason::AcctFrozen, 123_456_789, FailureKind::Returned, "账户冻结"),
            failure("李测试", Reason::ResultUnknown, 30, FailureKind::FailedAtBank, ""),
            FailureRow {
                class: ReasonClass::Beneficiary,
                due: date(25),
                ..failure("赵测试", Reason::NameMismatch, 30, FailureKind::RejectedBefore, "")
            },
        ],
    }
}

/// The letter of a batch with these results, 1,000 yuan each.
fn completed(results: &[(PaymentResult, Option<Reason>)], language: Language) -> Letter {
    let row = |(result, reason): &(PaymentResult, Option<Reason>)| CompletedRow {
        township: "符溪镇".to_owned(),
        village: "测试村".to_owned(),
        payee_name: Name::new("王测试"),
        id_number: IdNumber::new(ID),
        account: Account::new(CARD),
        payment_no: "P-2019-03-000018".to_owned(),
        bank: "甲银行".to_owned(),
        amount: Fen::new(100_000),
        result: *result,
        paid_on: (*result == PaymentResult::Paid).then(|| date(20)),
        reason: *reason,
    };
    let each = Fen::new(100_000);
    let sum_of = |result| {
        let count = results.iter().filter(|(found, _)| *found == result).count();
        ResultSum { result, count: u64::try_from(count).unwrap(), amount: std::iter::repeat_n(each, count).sum() }
    };
    let list = CompletedList {
        department: "峨眉山市农业农村局".to_owned(),
        batch_no: "20190320511181001".to_owned(),
        project: "耕地地力保护补贴".to_owned(),
        period: "2019".to_owned(),
        generated_at: at(18, 5),
        zone: Tz::Asia__Shanghai,
        workbook_id: "CL-20190320511181001-1".to_owned(),
        contact: String::new(),
        sums: PaymentResult::ALL.map(sum_of).into_iter().filter(|sum| sum.count > 0).collect(),
        listed: (u64::try_from(results.len()).unwrap(), std::iter::repeat_n(each, results.len()).sum()),
    };
    completed_list(&list, results.iter().map(row), language).unwrap()
}

fn an_alert() -> Alert {
    Alert {
        incident: "INC-20190320-003".to_owned(),
        urgency: Urgency::Now,
        what: format!("付款文件可能已被银行取走，但没有受理回执；首笔卡号 {CARD}"),
        place: "甲银行 /inbox/PAY20190320001.txt（节点 node-1）".to_owned(),
        since: at(16, 30),
        generated_at: at(18, 5),
        zone: Tz::Asia__Shanghai,
        count: Some(1_200),
        amount: Some(Fen::new(9_876_543_210)),
        next: vec![
            NextStep { what: "电话向银行核实该文件是否已收到".to_owned(), command: None },
            NextStep {
                what: "按核实结果登记（须另一人批准）".to_owned(),
                command: Some("bankgate file resolve PAY20190320001.txt --sent --because \"<银行答复>\"".to_owned()),
            },
        ],
    }
}

fn notice(kind: BankNoticeKind) -> BankNotice {
    let faults = vec![
        FileFault { line: None, what: "总金额与明细之和不符：文件头 1,000.00，明细 999.70".to_owned() },
        FileFault { line: Some(17), what: format!("引用了从未发送的支付指令；卡号{CARD}，户名应为李四") },
    ];
    BankNotice {
        incident: "INC-20190320-004".to_owned(),
        kind,
        bank: "甲银行".to_owned(),
        file: "RES20190320001.txt".to_owned(),
        folder: "/outbox".to_owned(),
        at: at(17, 0),
        generated_at: at(18, 5),
        zone: Tz::Asia__Shanghai,
        faults: if kind == BankNoticeKind::Quarantined { faults } else { Vec::new() },
        more: u64::from(kind == BankNoticeKind::Quarantined) * 3,
        contact: "财政局信息中心 0833-0000000".to_owned(),
    }
}

/// Every letter that we know to write, in one language.
fn letters(language: Language) -> Vec<(&'static str, Letter)> {
    let mixed = [(PaymentResult::Paid, None), (PaymentResult::Paid, None), (PaymentResult::Failed, Some(Reason::AcctClosed))];
    vec![
        ("failure_report", failure_report(&report(), language).unwrap()),
        ("completed_list", completed(&mixed, language)),
        ("completed_all_paid", completed(&mixed[..2], language)),
        ("alert", alert(&an_alert(), language).unwrap()),
        ("bank_quarantined", bank_notice(&notice(BankNoticeKind::Quarantined), language).unwrap()),
        ("bank_overdue", bank_notice(&notice(BankNoticeKind::Overdue), language).unwrap()),
        ("bank_conflict", bank_notice(&notice(BankNoticeKind::Conflict), language).unwrap()),
    ]
}

#[test]
fn both_bodies_in_both_languages_stay_as_they_were_approved() {
    for language in Language::ALL {
        for (name, letter) in letters(language) {
            insta::assert_snapshot!(format!("{name}_{}_text", language.code()), format!("{}\n\n{}", letter.subject, letter.text));
            if matches!(name, "failure_report" | "alert") {
                insta::assert_snapshot!(format!("{name}_{}_html", language.code()), letter.html);
            }
        }
    }
}

#[test]
fn no_letter_names_anybody_or_shows_a_number() {
    for (name, letter) in Language::ALL.into_iter().flat_map(letters) {
        for body in [&letter.subject, &letter.text, &letter.html] {
            for secret in [ID, CARD, "0014", "木呷", "王测试", "欧阳测试", "李四", "HYPERLINK"] {
                assert!(!body.contains(secret), "{name} shows {secret}: {body}");
            }
        }
        assert!(!letter.subject.contains('\n'), "{name}");
    }
}

/// The words between the tags. Stops at whatever is not well-formed.
fn words_of(name: &str, html: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(html);
    let mut words = String::new();
    loop {
        let event = reader.read_event().unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Event::Text(text) = &event {
            words.push_str(text);
        } else if let Event::GeneralRef(entity) = &event {
            words.push_str(quick_xml::escape::resolve_predefined_entity(entity).unwrap_or_else(|| panic!("{name}: {entity:?}")));
        } else if event == Event::Eof {
            return words;
        }
    }
}

#[test]
fn html_is_well_formed_and_says_what_the_text_says() {
    for (name, letter) in Language::ALL.into_iter().flat_map(letters) {
        let words = words_of(name, &letter.html);
        let squeeze = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let shown = squeeze(&words);
        // Each fact of the text, found again in the HTML (columns interleave in a folded table, so word by word).
        for word in letter.text.split_whitespace().filter(|w| w.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.')) {
            assert!(shown.contains(&squeeze(word)), "{name}: {word} is not in the HTML");
        }
        assert!(letter.text.lines().all(|line| unicode_width::UnicodeWidthStr::width_cjk(line) <= 90), "{name}: {}", letter.text);
    }
}

fn open(letter: &Letter) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(letter.attachments[0].bytes.clone())).unwrap()
}

fn column(keys: &str, key: &str) -> u32 {
    u32::try_from(keys.split(',').position(|k| k == key).unwrap()).unwrap()
}

/// The sheet of payments, and what the hidden sheet says of it.
fn read_back(letter: &Letter) -> (calamine::Range<Data>, std::collections::BTreeMap<String, String>) {
    let mut book = open(letter);
    let about = book.worksheet_range(SHEET_ABOUT).unwrap();
    let about = about.rows().map(|row| (row[0].to_string(), row[1].to_string())).collect();
    let first = book.sheet_names()[0].clone();
    (book.worksheet_range(&first).unwrap(), about)
}

#[test]
fn the_failure_workbook_is_read_back_with_its_digits_and_without_a_formula() {
    for language in Language::ALL {
        let letter = failure_report(&report(), language).unwrap();
        let (rows, about) = read_back(&letter);
        assert_eq!((about["kind"].as_str(), about["workbook_id"].as_str()), ("failure_report", "FR-511181-A-20190320-1"));
        assert_eq!((about["header_row"].as_str(), about["rows"].as_str()), ("3", "5"));
        let cell = |n: u32, key: &str| rows.get_value((HEADER_ROW + n, column(&about["columns"], key))).cloned().unwrap_or_default();
        let is_text = |n: u32, key: &str, words: &str| assert_eq!(cell(n, key), Data::String(words.to_owned()), "{key} of row {n}");

        is_text(1, "payee_name", "阿牛·木呷");
        is_text(1, "id_last_four", "2019");
        is_text(1, "account_last_four", "0014");
        is_text(1, "reference", "BG0000000000000172");
        is_text(1, "bank_words", "户名不符,原户名为[***] ****0014");
        is_text(2, "payee_name", "=HYPERLINK(\"http://example.invalid\")");
        is_text(2, "bank_words", "-1+1");
        is_text(5, "class", "BA");
        is_text(5, "due", "2019-03-25");
        assert_eq!(cell(1, "seq"), Data::Float(1.0));
        // Number cells, so that a clerk can sum; fen come back exactly.
        let is_number = |n| matches!(cell(n, "amount"), Data::Float(_));
        assert!((1..=5).all(is_number));
        let amounts: Vec<String> = (1..=5).map(|n| cell(n, "amount").to_string()).collect();
        assert_eq!(amounts, ["1234.56", "0.05", "1234567.89", "0.3", "0.3"]);
        for key in ["new_name", "new_id_number", "new_account", "new_bank_code", "new_mobile", "decision", "note"] {
            assert!(matches!(cell(1, key), Data::Empty), "{key}");
        }

        let mut book = open(&letter);
        let sheet = book.sheet_names()[0].clone();
        assert!(book.worksheet_formula(&sheet).unwrap().is_empty());
        let hidden = book.sheets_metadata().iter().find(|s| s.name == SHEET_ABOUT).unwrap().visible;
        assert_ne!(hidden, calamine::SheetVisible::Visible);
        let sums = book.worksheet_range(&book.sheet_names()[1].clone()).unwrap();
        assert_eq!(sums.get_value((HEADER_ROW + 1, 1)), Some(&Data::Float(2.0)));
    }
}

/// The XML of a part of the workbook, by Python, since a reading library does not show locks and prefixes.
fn part(bytes: &[u8], name: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let script = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    let mut python = std::process::Command::new("python3");
    String::from_utf8(crate::harness::smtp::run(python.args(["-c", script]).arg(file.path()).arg(name)).stdout).unwrap()
}

#[test]
fn only_the_correction_columns_are_open_and_a_formula_is_disarmed() {
    let bytes = failure_report(&report(), Language::Zh).unwrap().attachments.remove(0).bytes;
    let (sheet, styles) = (part(&bytes, "xl/worksheets/sheet1.xml"), part(&bytes, "xl/styles.xml"));
    let style_of = |cell: &str| {
        let tail = sheet.split_once(&format!("<c r=\"{cell}\" s=\"")).unwrap_or_else(|| panic!("no cell {cell}")).1;
        let index: usize = tail.split_once('"').unwrap().0.parse().unwrap();
        let formats = styles.split_once("<cellXfs").unwrap().1.split_once("</cellXfs>").unwrap().0;
        formats.split("<xf ").nth(index + 1).unwrap().to_owned()
    };
    assert!(sheet.contains("<sheetProtection") && sheet.contains("<autoFilter") && sheet.contains("state=\"frozen\""));
    assert!(sheet.contains("更正重发,通知本人,退回国库,待查"), "the drop-down");
    // Row 4 is the first payment: D the name, J the amount, P to V the correction.
    for cell in ["P4", "Q4", "R4", "S4", "T4", "U4", "V4"] {
        assert!(style_of(cell).contains("locked=\"0\""), "{cell}: {}", style_of(cell));
        assert!(style_of(cell).contains("numFmtId=\"49\""), "{cell} is not text: {}", style_of(cell));
    }
    for cell in ["D4", "J4", "W4"] {
        assert!(!style_of(cell).contains("locked=\"0\""), "{cell}: {}", style_of(cell));
    }
    assert!(style_of("D5").contains("quotePrefix=\"1\"") && style_of("M5").contains("quotePrefix=\"1\""));
    assert!(!style_of("D4").contains("quotePrefix"));
}

#[test]
fn the_same_facts_give_the_same_bytes_and_no_whole_number_is_in_them() {
    let (one, two) = (failure_report(&report(), Language::Zh).unwrap(), failure_report(&report(), Language::Zh).unwrap());
    assert_eq!(one, two);
    let later = FailureReport { generated_at: at(18, 6), ..report() };
    assert_ne!(failure_report(&later, Language::Zh).unwrap().attachments, one.attachments);
    for name in ["xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml", "xl/worksheets/sheet3.xml", "docProps/core.xml"] {
        let xml = part(&one.attachments[0].bytes, name);
        assert!(!xml.contains(ID) && !xml.contains(CARD) && !xml.contains("欧阳"), "{name}");
    }
    assert_eq!(one.attachments[0].name, "发放失败明细_峨眉山市农业农村局_甲银行_乐山__2019-03-20.xlsx");
}

#[test]
fn the_completed_list_has_every_payment_also_when_nothing_failed() {
    let all = [(PaymentResult::Paid, None), (PaymentResult::Unknown, None), (PaymentResult::Returned, Some(Reason::AcctClosed))];
    let letter = completed(&all, Language::Zh);
    assert!(letter.subject.contains("成功1笔，未成功2笔"), "{}", letter.subject);
    let (rows, about) = read_back(&letter);
    let of = |key: &str| {
        (1..=3).map(|n| rows.get_value((HEADER_ROW + n, column(&about["columns"], key))).unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("result"), ["发放成功", "结果待查", "退票"]);
    assert_eq!(of("paid_on"), ["2019-03-20", "", ""]);
    let fine = completed(&all[..1], Language::Zh);
    assert!(fine.text.contains("全部发放成功") && fine.attachments.len() == 1);
}

#[test]
fn a_day_without_failures_has_a_letter_without_a_workbook() {
    let letter = failure_report(&FailureReport { rows: Vec::new(), ..report() }, Language::Zh).unwrap();
    assert!(letter.subject.contains("无失败") && letter.attachments.is_empty(), "{letter:?}");
}
