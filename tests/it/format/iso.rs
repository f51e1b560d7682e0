//! ISO 20022 by a profile: golden bytes that their schema accepts, and statuses on three levels that agree, are missing, or
//! contradict each other.

use std::path::Path;
use std::process::Command;

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::reason::Reason;
use bankgate::format::{Parsed, Profile};

use super::{Read, facts, folder, people, read, render, sample};

const ID: &str = "iso20022";
/// The same exchange by the older version of the message.
const ID_03: &str = "iso20022-v03";
const PLACE: &str = "20190314/LS0001-20190314-0001";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

fn result(name: &str) -> Read {
    read(&profile(), InboundKind::Result, "status", &sample(ID, &format!("{name}/{PLACE}.sts.xml")))
}

fn validates(schema: &str, file: &Path) -> (bool, String) {
    let schema = folder("").join(format!("../tests/xsd/{schema}.xsd"));
    let out = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).args([schema.as_path(), file]).output().unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn our_own_file_reads_back_as_what_was_sent() {
    let file = sample(ID, &format!("request/{PLACE}.xml"));
    let mut answers = Vec::new();
    let summary = profile().parse_sent(&mut file.as_slice(), &mut |parsed| {
        if let Parsed::Answer(answer) = parsed {
            answers.push(answer);
        }
    });
    assert_eq!(summary.unwrap().problems, Vec::<String>::new());
    assert_eq!(answers.len(), 5);
    for (answer, line) in answers.iter().zip(people()) {
        assert_eq!((answer.reference.as_deref(), answer.seq), (Some(line.reference.as_str()), Some(line.seq)));
        assert_eq!((answer.amount, answer.account.as_ref()), (Some(line.amount), Some(&line.account)));
    }
}

#[test]
fn a_document_is_explained_element_by_element() {
    let file = sample(ID, &format!("result/{PLACE}.sts.xml"));
    let lines = profile().explain(Some((InboundKind::Result, "status")), &mut file.as_slice(), 3).unwrap();
    assert_eq!(lines.iter().map(|l| l.record).collect::<Vec<_>>(), ["header", "row", "row"]);
    let cell = lines[2].cells.iter().find(|c| c.field == "原因代码").unwrap();
    assert_eq!(cell.text, "BE01");
    assert!(lines[0].cells.iter().any(|c| c.field == "报文状态" && c.text == "PART"));
}

#[test]
fn what_goes_out_is_golden_and_its_schema_accepts_it() {
    for (id, schema) in [(ID, "pain.001.001.09"), (ID_03, "pain.001.001.03")] {
        let mut lines = people();
        lines.iter_mut().for_each(|l| "耕地补贴".clone_into(&mut l.project_short));
        let profile = Profile::load(&folder(id)).unwrap_or_else(|e| panic!("{e}"));
        let (bytes, rendered) = render(&profile, &facts(&lines), &lines).unwrap();
        let golden = sample(id, &format!("request/{PLACE}.xml"));
        assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8(golden).unwrap());
        assert_eq!(rendered.rows, 5);
        let file = folder(id).join(format!("samples/request/{PLACE}.xml"));
        let (is_valid, said) = validates(schema, &file);
        assert!(is_valid, "{said}");
    }
    // The check can fail.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrong.xml");
    let text = String::from_utf8(sample(ID, &format!("request/{PLACE}.xml"))).unwrap();
    std::fs::write(&file, text.replacen("<PmtMtd>TRF", "<PmtMtd>CASH", 1)).unwrap();
    assert!(!validates("pain.001.001.09", &file).0);
}

#[test]
fn what_xml_escapes_comes_back() {
    let mut lines = people();
    lines[0].project_short = "A<B>&\"C\"".to_owned();
    let (bytes, _) = render(&profile(), &facts(&lines), &lines).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("<Ustrd>A&lt;B&gt;&amp;&quot;C&quot;</Ustrd>"));
}

#[test]
fn statuses_of_every_version_are_read() {
    for (name, first) in [("result", 0), ("result-old", 1)] {
        let read = result(name);
        assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]), "{name}");
        let found: Vec<_> = read.answers.iter().map(|a| (a.outcome, a.is_final, a.reason)).collect();
        let expected = [
            (Outcome::Paid, true, None),
            (Outcome::Failed, true, Some(Reason::NameMismatch)),
            (Outcome::Unknown, false, None),
            (Outcome::Unknown, false, None),
        ];
        assert_eq!(found, expected[first..], "{name}");
        assert_eq!(read.answers[0].reference.as_deref(), Some(people()[first].reference.as_str()));
        let echoes = profile().differing_echoes(&facts(&people()), &read.summary);
        assert_eq!(echoes, Vec::<String>::new());
    }
}

#[test]
fn a_contradiction_is_never_a_guess() {
    let read = result("result-contradiction-quarantine");
    assert_eq!((read.answers[0].outcome, read.answers[0].is_final), (Outcome::Unknown, false));
    assert!(read.summary.problems.iter().any(|p| p.contains("contradict")), "{:?}", read.summary.problems);
    // Settled above, rejected below: the same.
    let text = String::from_utf8(sample(ID, &format!("result/{PLACE}.sts.xml"))).unwrap();
    for (from, to, is_problem) in [
        ("<GrpSts>PART", "<GrpSts>ACCC", true),
        ("<PmtInfSts>PART", "<PmtInfSts>RJCT", true),
        ("<PmtInfSts>PART", "<PmtInfSts>ACCP", false),
        ("<GrpSts>PART", "<GrpSts>ACTC", false),
        ("<GrpSts>PART</GrpSts>", "", false),
        ("<GrpSts>PART", "<GrpSts>WHAT", true),
    ] {
        let read = super::read(&profile(), InboundKind::Result, "status", text.replace(from, to).as_bytes());
        assert_eq!(!read.summary.problems.is_empty(), is_problem, "{to}: {:?}", read.summary.problems);
    }
}

#[test]
fn a_group_without_transactions_speaks_for_the_file() {
    let read = result("result-refused");
    assert_eq!(read.summary.problems, Vec::<String>::new());
    let [answer] = read.answers.as_slice() else { panic!("{:?}", read.answers) };
    assert_eq!((answer.line, answer.outcome, answer.is_final), (0, Outcome::Failed, true));
    let text = String::from_utf8(sample(ID, &format!("result-refused/{PLACE}.sts.xml"))).unwrap();
    // Taken in, even settled, as a whole: which payment was credited is said row by row.
    for (status, outcome) in [("ACCC", Outcome::Accepted), ("ACTC", Outcome::Accepted), ("PART", Outcome::Unknown)] {
        let read = super::read(&profile(), InboundKind::Result, "status", text.replace("RJCT", status).as_bytes());
        assert_eq!(read.answers[0].outcome, outcome, "{status}");
    }
}

#[test]
fn a_return_says_how_much_and_why() {
    let read = read(&profile(), InboundKind::Return, "return", &sample(ID, &format!("return/{PLACE}.rtr.xml")));
    assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]));
    let answer = &read.answers[0];
    assert_eq!((answer.outcome, answer.reason, answer.amount), (Outcome::Returned, Some(Reason::AcctClosed), Some(people()[0].amount)));
    assert_eq!(answer.date.unwrap().to_string(), "2019-03-15");
}

#[test]
fn hostile_files_quarantine_and_say_where() {
    let text = String::from_utf8(sample(ID, &format!("result/{PLACE}.sts.xml"))).unwrap();
    for (from, to, part) in [
        ("<TxSts>RJCT", "<TxSts>&boom;", "entities are not expanded"),
        ("<GrpHdr>", "<!DOCTYPE x [<!ENTITY a 'b'>]><GrpHdr>", "document type"),
        ("</CstmrPmtStsRpt></Document>", "", "torn"),
        ("UTF-8", "GBK", "is in Gbk"),
        ("CstmrPmtStsRpt", "CstmrOther", "another message"),
    ] {
        let read = read(&profile(), InboundKind::Result, "status", text.replace(from, to).as_bytes());
        assert!(read.summary.problems.iter().any(|p| p.contains(part)), "{to}: {:?}", read.summary.problems);
    }
}
