//! The counter's printed list as a result: boxes, page headings that come again, a line of sums, and failures alone if there are any.
//! It is told by a profile; no line of the engine knows what a box is.

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::format::{Dialect, LeftOut, Profile, left_out};
use encoding_rs::GBK;

use super::{Read, facts, folder, people, sample};

const ID: &str = "pipe-gbk-report";
const PLACE: &str = "20190314/0512037.LST";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

fn list(bytes: &[u8]) -> Read {
    super::read(&profile(), InboundKind::Result, "list", bytes)
}

fn golden(name: &str) -> String {
    GBK.decode_without_bom_handling(&sample(ID, &format!("{name}/{PLACE}"))).0.into_owned()
}

fn of_text(text: &str) -> Read {
    let mut bytes = Vec::new();
    Dialect::Gbk.encode(text, &mut bytes).unwrap();
    list(&bytes)
}

#[test]
fn failures_are_read_from_between_the_lines_over_all_pages() {
    let read = of_text(&golden("result"));
    assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]));
    let said: Vec<_> =
        read.answers.iter().map(|a| (a.payee_name.as_ref().unwrap().reveal(), a.amount.unwrap().get(), a.outcome, a.reason)).collect();
    assert_eq!(
        said,
        [
            ("王珅", 5, Outcome::Failed, Some(Reason::NameMismatch)),
            ("欧阳億", 6_000, Outcome::Failed, Some(Reason::CardLost)),
            ("吉克·伍呷莫·阿依子史", 99_999_999, Outcome::Failed, Some(Reason::AcctClosed)),
        ]
    );
    assert_eq!(read.answers[0].raw_text, "户名不符,原户名为[王坤]", "as it stood; what goes out is scrubbed elsewhere");
    assert!(read.answers.iter().all(|a| a.raw_code.is_empty()), "words that may name the true holder are no code");
}

#[test]
fn who_is_on_no_list_of_failures_was_paid_if_the_sums_say_so_and_only_then() {
    let profile = profile();
    let rest = |name: &str, count: u64, fen: i64| left_out(profile.exchange(), (count, Fen::new(fen)), &[of_text(&golden(name)).summary]);
    assert_eq!(rest("result", 2, 112_345), LeftOut::Proven(Outcome::Paid));
    assert!(matches!(rest("result", 1, 12_345), LeftOut::Problem(_)));
    assert!(matches!(rest("result-lie-quarantine", 2, 112_345), LeftOut::Problem(_)));
    assert_eq!(rest("result-all-paid", 0, 0), LeftOut::Open, "a list of successes leaves nobody out");
    assert!(matches!(rest("result-all-paid", 1, 100), LeftOut::Problem(_)));
    let paid = of_text(&golden("result-all-paid"));
    assert!(paid.answers.len() == 5 && paid.answers.iter().all(|a| a.outcome == Outcome::Paid && a.is_final));
}

#[test]
fn every_page_is_of_the_same_list_and_no_line_is_passed_over() {
    let whole = golden("result");
    let (head, second) = whole.split_at(whole.find("第1页").unwrap());
    let other = of_text(&format!("{head}{}", second.replacen("批次日期：20190314", "批次日期：20190313", 1)));
    let differing = profile().differing_echoes(&facts(&people()), &other.summary);
    assert!(differing.iter().any(|what| what.contains("批次日期")), "each page is held against our file: {differing:?}");
    assert!(profile().differing_echoes(&facts(&people()), &of_text(&whole).summary).is_empty());
    for (from, to) in [
        ("│           60.00│", "│           6O.00│"),
        ("├──┼", "├─-┼"),
        ("合计：共5笔", "合计：共5"),
        ("该卡已做挂失登记                        │", "该卡已做挂失登记                        "),
    ] {
        assert!(whole.contains(from), "{from}");
        let read = of_text(&whole.replacen(from, to, 1));
        assert!(!read.faults.is_empty() || !read.summary.problems.is_empty(), "{to}");
    }
    let unfinished = of_text(&whole[..whole.find("合计").unwrap()]);
    assert!(!unfinished.summary.problems.is_empty() || !unfinished.faults.is_empty(), "a list without its sums is half a list");
}

#[test]
fn words_that_say_not_yet_are_no_failure() {
    let read =
        of_text(&golden("result").replacen("账户已销户                              │", "交易处理中                              │", 1));
    assert_eq!((read.answers[2].outcome, read.answers[2].is_final), (Outcome::Unknown, false));
}
