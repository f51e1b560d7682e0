//! Workbooks that come back: which are ours, and what may stand in their cells.

use bankgate::domain::language::Language;
use bankgate::domain::masked::{Account, IdNumber, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::domain::report::{FailureKind, FailureReport, FailureRow};
use bankgate::domain::time::Timestamp;
use bankgate::format::correction::{CorrectionError, Decision, read_correction};
use bankgate::format::workbook::{SHEET_ABOUT, correction_answer, failure_workbook};
use chrono_tz::Tz;
use rust_xlsxwriter::Workbook;

fn sent_out(language: Language) -> Vec<u8> {
    let row = FailureRow {
        township: "某镇".into(),
        village: "某村".into(),
        payee_name: Name::new("阿牛·木呷"),
        id_number: IdNumber::new("511181199001012019"),
        account: Account::new("6217001234567890014"),
        payment_no: "B-000002".into(),
        reference: "BG0000000000000018".into(),
        batch_no: "B".into(),
        project: "耕地地力保护补贴".into(),
        amount: Fen::new(12_345),
        reason: Reason::NameMismatch,
        class: Reason::NameMismatch.class(),
        bank_words: "户名不符".into(),
        due: "2019-03-21".parse().unwrap(),
        kind: FailureKind::FailedAtBank,
    };
    let report = FailureReport {
        department: "民政局".into(),
        bank: "甲行".into(),
        date: "2019-03-14".parse().unwrap(),
        generated_at: Timestamp::from_millis(1_552_960_800_000),
        zone: Tz::Asia__Shanghai,
        workbook_id: "FR-1".into(),
        contact: String::new(),
        rows: vec![row],
    };
    failure_workbook(&report, language).unwrap()
}

/// A workbook as a person may make it: a hidden sheet that says what it is, titles, one row.
fn by_hand(kind: &str, titles: &[&str], cells: &[&str]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("失败明细").unwrap();
    for (row, line) in [titles, cells].into_iter().enumerate() {
        for (column, cell) in (0..).zip(line) {
            sheet.write_string(u32::try_from(row).unwrap(), column, *cell).unwrap();
        }
    }
    let about = book.add_worksheet().set_name(SHEET_ABOUT).unwrap();
    for (row, (key, value)) in (0..).zip([("kind", kind), ("layout", "2"), ("workbook_id", "FR-1")]) {
        about.write_string(row, 0, key).unwrap().write_string(row, 1, value).unwrap();
    }
    book.save_to_buffer().unwrap()
}

fn refused(bytes: Vec<u8>) -> String {
    let CorrectionError::NotOurs(words) = read_correction(bytes).unwrap_err();
    words.zh
}

#[test]
fn what_went_out_is_read_back_in_either_language() {
    for language in [Language::Zh, Language::En] {
        let returned = read_correction(sent_out(language)).unwrap();
        assert_eq!((returned.workbook_id.as_str(), returned.rows.len()), ("FR-1", 1));
        let row = &returned.rows[0];
        assert_eq!((row.reference.as_str(), row.payment_no.as_str(), row.line), ("BG0000000000000018", "B-000002", 4));
        assert!(row.filled.is_empty() && row.decision.is_none() && row.faults.is_empty());
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_refused_whole() {
    assert!(refused(b"PK\x03\x04 broken".to_vec()).contains("无法作为"));
    assert!(refused(Workbook::new().save_to_buffer().unwrap()).contains("无法") || refused(by_hand("", &[], &[])).contains("不能用于更正"));
    let answer = correction_answer(&[], "x", Timestamp::from_millis(0), Language::Zh).unwrap();
    assert!(refused(answer).contains("不能用于更正"), "the answer to a workbook is no workbook to fill in");
    let titles = ["原支付指令号", "更正姓名", "更正卡号", "更正卡号", "更正手机号", "备注"];
    assert!(refused(by_hand("failure_report", &titles, &["a", "", "", "", "", ""])).contains("两次"));
    assert!(refused(by_hand("failure_report", &["序号"], &["1"])).contains("标题行"));
}

#[test]
fn what_is_filled_in_is_taken_as_it_stands_or_refused_with_a_sentence() {
    let titles = ["更正卡号", "更正 姓名", "处理意见", "原支付指令号", "更正身份证号", "更正手机号"];
    let read = |cells: [&str; 6]| read_correction(by_hand("failure_report", &titles, &cells)).unwrap().rows.remove(0);
    let row = read([" 6217001234567890014 ", "阿牛·木呷", "更正重发", "BG1", "11010519491231002X", "13812345612"]);
    assert!(row.faults.is_empty(), "{:?}", row.faults);
    assert_eq!(row.filled.account, Some(Account::new("6217001234567890014")));
    assert_eq!(row.decision, Some(Decision::Reissue));
    for (cells, part) in [
        (["6217 0012 3456 7890", "", "", "BG1", "", ""], "12至32位"),
        (["6.217E+18", "", "", "BG1", "", ""], "科学计数"),
        (["", "张?", "", "BG1", "", ""], "第2个字"),
        (["", "张\u{200b}三", "", "BG1", "", ""], "第2个字"),
        (["", "@张三", "", "BG1", "", ""], "= + - @"),
        (["", "", "随便", "BG1", "", ""], "下拉列表"),
        (["", "", "", "BG1", "110105194912310021", ""], "校验不通过"),
        (["", "", "", "BG1", "", "1381234"], "11位"),
    ] {
        let row = read(cells);
        assert!(row.filled.is_empty() && row.faults.len() == 1 && row.faults[0].zh.contains(part), "{cells:?}: {:?}", row.faults);
    }
}
