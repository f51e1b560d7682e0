//! A gateway's XML in GBK, with a status above the payments' own, and polls that each move some.

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::reason::Reason;
use bankgate::format::Profile;

use super::{facts, folder, people, read, render, sample};

const ID: &str = "xml-gbk-two-level";
const STEM: &str = "20190314/LS0001201903140001";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_request_and_the_enquiry_are_golden() {
    let profile = profile();
    let (bytes, _) = render(&profile, &facts(&people()), &people()).unwrap();
    assert!(bytes == sample(ID, &format!("request/{STEM}.xml")), "{}", String::from_utf8_lossy(&bytes));
    let asked: Vec<_> = people().into_iter().filter(|line| [3, 5].contains(&line.seq)).collect();
    let facts = facts(&asked);
    let (dir, name) = profile.enquiry_names(&facts, "2019-03-18".parse().unwrap()).unwrap().unwrap();
    assert_eq!(format!("{dir}/{name}"), format!("{STEM}.q0318.xml"));
    let mut renderer = profile.enquiry_renderer(&facts, Vec::new()).unwrap().unwrap();
    asked.iter().for_each(|line| renderer.line(line).unwrap());
    assert!(renderer.finish().unwrap().0 == sample(ID, &format!("enquiry/{STEM}.q0318.xml")));
}

#[test]
fn each_poll_moves_only_what_it_knows() {
    let of = |name: &str| read(&profile(), InboundKind::Result, "poll", &sample(ID, &format!("{name}/{STEM}.ret.xml")));
    let said = |name: &str| {
        let read = of(name);
        assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]), "{name}");
        read.answers.iter().map(|a| (a.outcome, a.is_final, a.reason)).collect::<Vec<_>>()
    };
    let unknown = (Outcome::Unknown, false);
    let first = said("result-first");
    assert_eq!(
        first[..2],
        [(Outcome::Paid, true, None), (Outcome::Failed, true, Some(Reason::NameMismatch))],
        "by a message that is under way"
    );
    assert!(first[2..].iter().all(|a| (a.0, a.1) == unknown), "under way, and a code that nobody knows: {first:?}");
    let second = said("result");
    assert_eq!(second[2], (Outcome::Paid, true, None));
    assert_eq!(second[3], (Outcome::Failed, true, Some(Reason::AcctNotFound)));
    assert_eq!((second[4].0, second[4].1), unknown, "a time-out is no failure, whatever its code");
    let refused = of("result-refused");
    assert_eq!((refused.answers[0].line, refused.answers[0].outcome, refused.answers[0].is_final), (0, Outcome::Failed, true));
    let contradiction = of("result-contradiction-quarantine");
    assert!(contradiction.summary.problems.iter().any(|p| p.contains("contradict")), "{:?}", contradiction.summary.problems);
}

#[test]
fn names_are_read_in_gbk_and_a_character_cut_in_two_is_a_fault() {
    let bytes = sample(ID, &format!("result/{STEM}.ret.xml"));
    let found = read(&profile(), InboundKind::Result, "poll", &bytes);
    assert_eq!(found.answers[1].payee_name.as_ref(), Some(&people()[1].payee_name), "its second byte is a bar");
    let at = bytes.windows(2).position(|w| w == b"\xAB\x7C").unwrap();
    let mut cut = bytes.clone();
    cut.remove(at + 1);
    let cut = read(&profile(), InboundKind::Result, "poll", &cut);
    assert!(!cut.faults.is_empty() || !cut.summary.problems.is_empty());
}
