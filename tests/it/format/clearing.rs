//! A clearing message: 132 bytes of fixed columns and an XML document behind them, a word of the centre above those of the payments.

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::reason::Reason;
use bankgate::format::Profile;

use super::{Read, facts, folder, people, render, sample};

const ID: &str = "cnaps2-beps382";
const STEM: &str = "20190314/2019031400000001";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

fn answer(bytes: &[u8]) -> Read {
    super::read(&profile(), InboundKind::Result, "answer", bytes)
}

fn golden() -> Vec<u8> {
    sample(ID, &format!("result/{STEM}.383"))
}

#[test]
fn the_request_and_the_enquiry_are_golden_with_their_prologue() {
    let profile = profile();
    let (bytes, rendered) = render(&profile, &facts(&people()), &people()).unwrap();
    assert!(bytes == sample(ID, &format!("request/{STEM}.382")), "{}", String::from_utf8_lossy(&bytes));
    assert!(bytes.starts_with(b"{H:02") && bytes[129..].starts_with(b"}##<?xml "), "132 bytes, then the document");
    assert_eq!(rendered.bytes, u64::try_from(bytes.len()).unwrap());
    let asked: Vec<_> = people().into_iter().filter(|line| [4, 5].contains(&line.seq)).collect();
    let facts = facts(&asked);
    let (dir, name) = profile.enquiry_names(&facts, "2019-03-18".parse().unwrap()).unwrap().unwrap();
    assert_eq!(format!("{dir}/{name}"), format!("{STEM}.q0318"));
    let mut renderer = profile.enquiry_renderer(&facts, Vec::new()).unwrap().unwrap();
    asked.iter().for_each(|line| renderer.line(line).unwrap());
    let bytes = renderer.finish().unwrap().0;
    assert!(bytes == sample(ID, &format!("enquiry/{STEM}.q0318")), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn the_centres_word_is_not_a_payments_word() {
    let read = answer(&golden());
    assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]));
    let said: Vec<_> = read.answers.iter().map(|a| (a.outcome, a.is_final, a.reason)).collect();
    let (paid, unknown) = ((Outcome::Paid, true, None), (Outcome::Unknown, false));
    assert_eq!(said[..3], [paid, (Outcome::Failed, true, Some(Reason::NameMismatch)), paid], "netted by the centre, each by its own word");
    assert_eq!((said[3].0, said[3].1), unknown, "under way");
    assert_eq!(said[4], (Outcome::Failed, true, Some(Reason::OtherUnmapped)), "a code that nobody knows is kept as it is");
    assert_eq!(read.answers[4].raw_code, "O999");
    let refused = answer(&sample(ID, &format!("result-refused/{STEM}.383")));
    assert_eq!((refused.answers[0].line, refused.answers[0].outcome, refused.answers[0].is_final), (0, Outcome::Failed, true));
    let both = answer(&sample(ID, &format!("result-contradiction-quarantine/{STEM}.383")));
    assert!(both.summary.problems.iter().any(|p| p.contains("contradict")), "{:?}", both.summary.problems);
}

#[test]
fn sums_of_all_levels_are_held_against_the_rows() {
    let text = String::from_utf8(golden()).unwrap();
    for (from, to) in [("<SucssNb>2<", "<SucssNb>3<"), ("<SucssTtlAmt>1123.45<", "<SucssTtlAmt>1123.46<")] {
        assert!(text.contains(from), "{from}");
        let read = answer(text.replace(from, to).as_bytes());
        assert!(!read.summary.problems.is_empty(), "{to}");
    }
}

#[test]
fn what_stands_before_the_document_is_checked_column_by_column() {
    let whole = golden();
    let other = |from: &str, to: &str| {
        let text = String::from_utf8(whole.clone()).unwrap();
        assert!(from.len() == to.len() && text.contains(from), "{from}");
        answer(text.replacen(from, to, 1).as_bytes())
    };
    for (from, to, column) in
        [("{H:", "{X:", "起始标识"), ("beps.383.001.01", "beps.384.001.01", "报文类型"), ("}##", "}#\u{7F}", "结束标识")]
    {
        let problems = other(from, to).summary.problems;
        assert!(problems.iter().any(|p| p.contains("prologue") && p.contains(column)), "{to}: {problems:?}");
    }
    // One byte less: every column behind it is cut wrongly, and so is the document.
    let mut shifted = whole.clone();
    shifted.remove(20);
    assert!(!answer(&shifted).summary.problems.is_empty());
    let short = answer(&whole[..100]);
    assert!(short.summary.problems.iter().any(|p| p.contains("100 bytes") && p.contains("132")), "{:?}", short.summary.problems);
    assert!(!answer(&whole[132..]).summary.problems.is_empty(), "a document alone is not the message");
    assert!(!answer(b"").summary.problems.is_empty());
}

#[test]
fn bytes_before_the_document_are_laid_over_their_columns() {
    let file = golden();
    let explained = profile().explain(Some((InboundKind::Result, "answer")), &mut file.as_slice(), 3).unwrap();
    assert_eq!((explained[0].record, explained[0].fault.as_ref()), ("prologue", None));
    let kind = explained[0].cells.iter().find(|c| c.field == "报文类型").unwrap();
    assert_eq!((kind.from, kind.to, kind.text.trim()), (58, 78, "beps.383.001.01"));
    assert!(explained.iter().skip(1).any(|line| line.cells.iter().any(|c| c.field == "明细状态" && c.text == "PR00")));
}
