//! A bank that is not in the tree, written here as data: what the language can say beyond the three profiles, without a line
//! of Rust for it.

use std::path::Path;

use bankgate::domain::exchange::{InboundKind, Outcome, PaymentLine};
use bankgate::domain::masked::Name;
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::format::{Absence, Profile, Readiness};

use super::{facts, people, read, render};

const TEXT: &str = r#"
id = "another"
version = 3
title_zh = "另一家"
charset = "gb18030"
newline = "lf"

[exchange]
return_semantics = "failures_only"
debit_model = "gross"
binding = ["account_name_amount"]
publish = "direct"
ready = "rename"
response = "cumulative"
absence_means = "paid"
max_rows = 10
expected_within_days = 1
late_after_days = 1
abandon_after_days = 1

[extra.purpose]
pattern = "[0-9]{2}"

[request]
dir = "in/{date:yyyy-MM-dd}"
name = "{unit_no}_{date:yyMMdd}_{seq_no:2}.csv"
key = "{date:yyMMdd}{seq_no:2}"
layout = "out"

[layout.out]
syntax = "delimited"
delimiter = "||"

[[layout.out.record]]
at = "each"
field = [
    { name = "户名", value = "payee_name", width = 12 },
    { name = "金额", value = "amount", type = "fen", width = 12 },
    { name = "用途", value = "extra.purpose" },
    { name = "备注", text = "{project_short}[({remark})]", max_bytes = 30, optional = true },
]

[[layout.out.record]]
at = "last"
field = [{ name = "合计", literal = "合计" }, { name = "总笔数", value = "count" }, { name = "总金额", value = "total", type = "yuan" }]

[[inbound]]
kind = "result"
role = "report"
path = "out/{date:yyMMdd}{seq_no:2}.rpt"
layout = "report"
outcome = "failed"
final = true

[[inbound]]
kind = "return"
role = "late"
path = "out/late/{date:yyMMdd}{seq_no:2}.rpt"
layout = "report"
outcome = "failed"
final = true
required = false

[layout.report]
syntax = "fixed"
newline = "either"
skip_blank = true
skip = ["^[┌├└─┬┼┴┐┤┘]+$", "^ *代发失败清单"]
open_end = true

[[layout.report.record]]
at = "each"
length = 46
field = [
    { name = "户名", value = "payee_name", width = 14, strip_wide = true },
    { name = "金额", value = "amount", type = "yuan", width = 12, fill = " " },
    { name = "入账金额", value = "paid", type = "yuan", width = 8, fill = " ", optional = true },
    { name = "原因", value = "text", width = 12 },
]

[[layout.report.record]]
at = "last"
length = 20
field = [
    { name = "合计", literal = "合计", width = 4 },
    { name = "笔数", value = "failed_count", width = 4 },
    { name = "金额", value = "failed_total", type = "yuan", width = 12 },
]

[[reason]]
reason = "ACCT_CLOSED"
texts = ["销户"]
"#;

fn another() -> Profile {
    Profile::read(TEXT, Path::new("another.toml")).unwrap_or_else(|e| panic!("{e}"))
}

fn two() -> Vec<PaymentLine> {
    let mut lines: Vec<PaymentLine> = people().into_iter().take(2).collect();
    lines[0].payee_name = Name::new("王𠮷");
    lines[1].remark = "补发".to_owned();
    lines
}

#[test]
fn a_request_with_a_trailer_and_a_wide_delimiter() {
    let profile = another();
    let mut facts = facts(&two());
    facts.extra.insert("purpose".to_owned(), "07".to_owned());
    let names = profile.instruction_names(&facts).unwrap();
    assert_eq!((names.dir.as_str(), names.data.as_str(), names.key.as_str()), ("in/2019-03-14", "LS0001_190314_01.csv", "19031401"));
    let (bytes, rendered) = render(&profile, &facts, &two()).unwrap();
    let mut expected = b"\xCD\xF5\x95\x34\xB2\x35      ||000000012345||07||".to_vec();
    expected.extend_from_slice(b"\xB8\xFB\xB5\xD8\xB2\xB9\xCC\xF9\n");
    expected.extend_from_slice(b"\xCD\xF5\xAB|        ||000000000005||07||\xB8\xFB\xB5\xD8\xB2\xB9\xCC\xF9(\xB2\xB9\xB7\xA2)\n");
    expected.extend_from_slice(b"\xBA\xCF\xBC\xC6||2||123.50\n");
    assert!(bytes == expected, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!((rendered.lines, rendered.rows, rendered.flag), (3, 2, None));
    facts.extra.clear();
    assert!(render(&profile, &facts, &two()).unwrap_err().to_string().contains("purpose"), "it has no default");
    let mut line = two().remove(0);
    line.remark = "很长的备注很长的备注很长".to_owned();
    let faults = profile.check_line(&line);
    assert!(faults[0].detail.contains("34 bytes, the bank takes 30"), "{faults:?}");
    line.remark = "a||b".to_owned();
    assert!(profile.check_line(&line)[0].detail.contains("delimiter"));
}

fn report(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bankgate::format::Dialect::Gb18030
        .encode("        代发失败清单\r\n┌──┐\r\n\r\n", &mut bytes)
        .expect("box lines are characters of GB18030");
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(b"      123.45    0.45\xD2\xD1\xCF\xFA\xBB\xA7      \n");
    bytes.extend_from_slice(b"\xBA\xCF\xBC\xC60001000000123.45");
    bytes
}

#[test]
fn a_report_with_headings_a_total_row_and_no_last_line_end() {
    let profile = another();
    let read_it = read(&profile, InboundKind::Result, "report", &report(b"\xCD\xF5\x95\x34\xB2\x35      \xA1\xA1"));
    assert_eq!(read_it.faults, []);
    assert_eq!(read_it.summary.problems, Vec::<String>::new());
    let answer = &read_it.answers[0];
    assert_eq!((answer.line, answer.payee_name.as_ref()), (4, Some(&Name::new("王𠮷"))));
    assert_eq!((answer.amount, answer.paid), (Some(Fen::new(12_345)), Some(Fen::new(45))));
    assert_eq!((answer.outcome, answer.reason), (Outcome::Failed, Some(Reason::AcctClosed)));
    assert_eq!((read_it.summary.declared.failed_count, read_it.summary.found.failed_count), (Some(1), Some(1)));
    assert_eq!(read_it.summary.lines, 5);
    // The same width, but the four bytes of 𠮷 reach over the column's end.
    let cut = read(&profile, InboundKind::Result, "report", &report(b"\xCD\xF5\xCD\xF5\xCD\xF5\xCD\xF5\xCD\xF5\xCD\xF5\x95\x34"));
    assert_eq!(cut.faults.len(), 1);
    assert_eq!(cut.faults[0].column.as_deref(), Some("户名"));
    assert!(cut.faults[0].what.contains("cut in two"));
}

#[test]
fn how_its_exchange_goes() {
    let profile = another();
    assert_eq!((profile.id(), profile.version(), profile.title_zh()), ("another", 3, "另一家"));
    assert_eq!(profile.exchange().absence_means, Absence::Paid);
    assert_eq!(profile.readiness(InboundKind::Result), Readiness::Rename);
    assert_eq!(profile.recognise("out/late/19031401.rpt").map(|n| (n.kind, n.key)), Some((InboundKind::Return, "19031401".to_owned())));
    assert!(!profile.roles(InboundKind::Return)[0].required);
    assert_eq!(profile.inbound_dirs(&[super::day()]), ["out", "out/late"]);
    // 合计 has six bytes in UTF-8.
    let text = TEXT.replace("\"gb18030\"", "\"utf-8-bom\"").replace("\"合计\", width = 4", "\"合计\", width = 6").replace("= 20", "= 22");
    let utf8 = Profile::read(&text, Path::new("x")).unwrap();
    let mut facts = facts(&two());
    facts.extra.insert("purpose".to_owned(), "07".to_owned());
    assert!(render(&utf8, &facts, &two()).unwrap().0.starts_with(b"\xEF\xBB\xBF\xE7\x8E\x8B"));
    let without_mark = read(&utf8, InboundKind::Result, "report", b"");
    assert!(without_mark.summary.problems[0].contains("lacks the byte order mark"));
}

#[test]
fn what_must_come_back_and_is_left_out_of_a_labelled_line_differs() {
    let (head, rest) = TEXT.split_once("[layout.report]").unwrap();
    let (_, tail) = rest.split_once("[[reason]]").unwrap();
    let labelled = "[layout.report]\nsyntax = \"delimited\"\ndelimiter = \";\"\nby_label = true\n\n[[layout.report.record]]\nat = \"each\"\nfield = [\n\
                    { name = \"户名\", label = \"户名:\", value = \"payee_name\" },\n{ name = \"金额\", label = \"金额:\", value = \"amount\", type = \"yuan\" },\n\
                    { name = \"备注\", label = \"备注:\", same_as = \"备注\", optional = true },\n{ name = \"原因\", label = \"原因:\", value = \"text\" },\n]\n\n";
    let text = format!("{head}{labelled}[[reason]]{tail}").replace("gb18030", "utf-8").replace("absence_means = \"paid\"\n", "");
    let profile = Profile::read(&text, Path::new("labelled.toml")).unwrap_or_else(|e| panic!("{e}"));
    let mut facts = facts(&two());
    facts.extra.insert("purpose".to_owned(), "07".to_owned());
    for (column, differs) in [("备注:耕地补贴(补发);", false), ("备注:耕地补贴;", true), ("", true)] {
        let line = format!("原因:已销户;{column}金额:0.05;户名:王珅\n");
        let found = read(&profile, InboundKind::Result, "report", line.as_bytes());
        assert_eq!((found.faults.len(), found.answers.len()), (0, 1), "{line}");
        let columns = profile.differing_repeats(&facts, &two()[1], &found.answers[0].repeats);
        assert_eq!(!columns.is_empty(), differs, "{line}: {columns:?}");
    }
}
