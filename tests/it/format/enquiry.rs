//! Enquiries: what we ask is golden to the byte, what the bank answers is read, and a profile that asks without reading is refused.

use std::path::Path;

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::money::Fen;
use bankgate::format::{Profile, Readiness};

use super::{facts, folder, people, profile, read, sample};

const ID: &str = "fixed-gbk-bytes";

#[test]
fn what_we_ask_is_golden_to_the_byte() {
    let profile = profile(ID);
    let asked: Vec<_> = people().into_iter().filter(|line| line.seq > 3).collect();
    let facts = facts(&asked);
    let day = "2019-03-18".parse().unwrap();
    assert_eq!(profile.enquiry_names(&facts, day).unwrap(), Some(("20190314".to_owned(), "03140001.q0318".to_owned())));
    let mut renderer = profile.enquiry_renderer(&facts, Vec::new()).unwrap().unwrap();
    for line in &asked {
        renderer.line(line).unwrap();
    }
    let (bytes, rendered) = renderer.finish().unwrap();
    assert_eq!(bytes, sample(ID, "enquiry/20190314/03140001.q0318"));
    assert_eq!((rendered.rows, rendered.total, rendered.flag), (2, Fen::new(100_005_999), None));
    for id in ["split-sf-noheader", "pipe-gbk-summary"] {
        assert!(!super::profile(id).has_enquiry());
    }
}

#[test]
fn what_the_bank_answers_is_read_and_proven() {
    let profile = profile(ID);
    let name = profile.recognise("20190314/03140001.r0318").unwrap();
    assert_eq!((name.kind, name.role.as_str(), name.key.as_str()), (InboundKind::Enquiry, "answer", "20190314/03140001"));
    assert_eq!(profile.recognise("20190314/03140001.q0318"), None, "what we wrote is no answer");
    assert_eq!(profile.readiness(InboundKind::Enquiry), Readiness::Stable);
    let bytes = sample(ID, "enquiry-answer/20190314/03140001.r0318");
    let found = read(profile, InboundKind::Enquiry, "answer", &bytes);
    assert!(found.faults.is_empty() && found.summary.problems.is_empty(), "{:?}", found.summary.problems);
    let said: Vec<_> = found.answers.iter().map(|a| (a.seq, a.outcome, a.is_final)).collect();
    assert_eq!(said, [(Some(4), Outcome::Paid, true), (Some(5), Outcome::Unknown, false)]);
    // Torn anywhere it proves nothing.
    for end in [30, bytes.len() - 4, bytes.len() - 1] {
        let torn = read(profile, InboundKind::Enquiry, "answer", &bytes[..end]);
        assert!(!torn.faults.is_empty() || !torn.summary.problems.is_empty(), "{end} bytes");
    }
}

#[test]
fn a_profile_that_asks_and_does_not_read_the_answer_is_refused() {
    let file = folder(ID).join("profile.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let place = Path::new("profile.toml");
    for (from, to, needle) in [
        ("kind = \"enquiry\"", "kind = \"return\"", "nobody would read"),
        (".q{asked:MMdd}", ".q", "{asked:MMdd}"),
        (".q{asked:MMdd}", ".{account}{asked:MMdd}", "belongs to statements"),
        (".q{asked:MMdd}", "/{asked:MMdd}", "no /"),
        ("layout = \"enquiry\"", "layout = \"ack\"", "nothing to write"),
        ("{seq_no:4}.dat\"\nkey", "{seq_no:4}{asked:MMdd}.dat\"\nkey", "{asked} to enquiries"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Profile::read(&text.replacen(from, to, 1), place).unwrap_err().to_string();
        assert!(error.contains(needle), "{from}: {error}");
    }
    let (head, rest) = text.split_once("[enquiry]\n").unwrap();
    let without = format!("{head}{}", rest.split_once("[layout.enquiry]").map(|(_, r)| format!("[layout.enquiry]{r}")).unwrap());
    assert!(Profile::read(&without, place).unwrap_err().to_string().contains("needs [enquiry]"));
}
