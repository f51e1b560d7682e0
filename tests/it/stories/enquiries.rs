//! A bank that owes a word is asked, once a bank day; what it answers is applied like every other word of it.

use bankgate::domain::ids::EndToEndId;
use bankgate::passes::enquire;
use bankgate::passes::operate::enquire::{enquire_file, enquire_payment};
use bankgate::store::desk::Operator;

use super::bank::{LOST, Slip, Word, gbk, ungbk};
use super::world::{CLEARING, SPLIT, World, at, draft, on_both};

/// Enquiries in the bank's inbox: name, and the lines of each that it asks about.
fn asked(w: &World, day: &str) -> Vec<(String, Vec<usize>)> {
    let folder = w.mailbox(CLEARING).join("inbox").join(day);
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.file_name().to_str().unwrap().contains(".q"))
        .map(|e| {
            let text = ungbk(&std::fs::read(e.path()).unwrap());
            let lines = text.lines().skip(1).map(|l| l.split('|').next().unwrap().parse().unwrap()).collect();
            (e.file_name().into_string().unwrap(), lines)
        })
        .collect();
    found.sort();
    found
}

/// The bank answers an enquiry: line, code, words.
fn answer(w: &World, slip: &Slip, asked: &str, said: &[(usize, &str, &str)]) {
    part(w, slip, &format!("r{asked}"), said);
}

/// The same, in a file of this ending.
fn part(w: &World, slip: &Slip, ending: &str, said: &[(usize, &str, &str)]) {
    let stem = slip.path.strip_suffix(".dat").unwrap();
    let total: i64 = said.iter().map(|(line, ..)| slip.orders[line - 1].fen).sum();
    let mut text = format!("R|LS0001|{}|{}|{total}\n", &stem[9..], said.len());
    for (line, code, words) in said {
        let order = &slip.orders[line - 1];
        text.push_str(&format!("{line}|{}|{}|{code}|{words}\n", order.reference, order.fen));
    }
    text.push_str(&format!("T|{}\n", said.len()));
    w.put(CLEARING, &format!("{stem}.{ending}"), &gbk(&text));
}

async fn sent(w: &mut World) -> Slip {
    w.release(&draft("B", CLEARING, 0..4)).await;
    w.settle().await;
    let slip = w.take_one(CLEARING);
    w.ack(&slip, "00000000", "受理成功");
    w.settle().await;
    slip
}

#[tokio::test]
async fn what_stays_unknown_is_asked_the_next_bank_day_and_the_answer_counts() {
    on_both(async |w| {
        let slip = sent(w).await;
        w.answer(&slip, &[Word::Paid, Word::Processing, LOST, Word::Processing]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "unknown", "failed_final", "unknown"]);
        assert!(asked(w, "20190314").is_empty(), "not on the day on which it said so");
        w.settle_at("2019-03-15", "09:00:00").await;
        assert_eq!(asked(w, "20190314"), [("03140001.q0315".to_owned(), vec![2, 4])]);
        w.settle_at("2019-03-15", "15:00:00").await;
        w.settle_at("2019-03-16", "10:00:00").await;
        assert_eq!(asked(w, "20190314").len(), 1, "once a bank day, and none on a Saturday");
        answer(w, &slip, "0315", &[(2, "00000000", "入账成功"), (4, "", "处理中")]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final", "unknown"]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(asked(w, "20190314")[1], ("03140001.q0318".to_owned(), vec![4]), "under a new name, about what is left");
        answer(w, &slip, "0318", &[(4, "TPM055", "户名不符")]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final", "failed_final"]);
        assert_eq!(w.texts("select state from file_in where kind = 'enquiry'").await, ["applied", "applied"]);
        assert_eq!((w.files().await, w.incidents("inbound_conflict").await), (vec!["answered".to_owned()], 0));
        w.settle_at("2019-03-19", "09:00:00").await;
        assert_eq!(asked(w, "20190314").len(), 2, "nothing is open");
        assert_eq!(w.int("select count(*) from enquiry where state = 'sent'").await, 2);
    })
    .await;
}

#[tokio::test]
async fn an_overdue_result_is_asked_for_and_may_still_come_itself() {
    on_both(async |w| {
        let slip = sent(w).await;
        w.settle_at("2019-03-20", "09:00:00").await;
        assert_eq!(asked(w, "20190314"), [("03140001.q0320".to_owned(), vec![1, 2, 3, 4])]);
        assert_eq!(w.int("select count(*) from expected_file where kind = 'result' and enquired_at is not null").await, 1);
        answer(w, &slip, "0320", &[(1, "00000000", ""), (2, "00000000", ""), (3, "00000000", ""), (4, "00000000", "")]);
        w.settle().await;
        assert_eq!((w.states("B").await, w.incidents("overdue").await), (vec!["paid".to_owned(); 4], 0));
        w.answer(&slip, &[Word::Paid; 4]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 4], "the result says the same, a week late");
        w.answer(&slip, &[Word::Paid, Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B").await[2], "paid", "other bytes for an answered file are kept, and change nothing");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_contradicts_the_result_is_a_conflict() {
    on_both(async |w| {
        let slip = sent(w).await;
        w.answer(&slip, &[Word::Paid, Word::Processing, Word::Paid, Word::Paid]);
        w.settle_at("2019-03-15", "09:00:00").await;
        // It answers more than it was asked, and otherwise than before.
        w.settle_at("2019-03-18", "09:00:00").await;
        answer(w, &slip, "0318", &[(1, "TPM055", "户名不符"), (2, "00000000", "")]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["conflict", "paid", "paid", "paid"]);
        // A total that is not that of its lines proves nothing.
        let stem = slip.path.strip_suffix(".dat").unwrap();
        w.put(CLEARING, &format!("{stem}.r0319"), b"R|LS0001|03140001|1|1\n1|x|2|00000000|\nT|1\n");
        w.settle().await;
        assert_eq!(w.answers().await.last().map(String::as_str), Some("quarantined"));
    })
    .await;
}

/// Two payments of four are unknown, and were asked about on two days.
async fn asked_twice(w: &mut World) -> Slip {
    let slip = sent(w).await;
    w.answer(&slip, &[Word::Paid, Word::Processing, LOST, Word::Processing]);
    w.settle().await;
    for day in ["2019-03-15", "2019-03-18"] {
        w.settle_at(day, "09:00:00").await;
    }
    assert_eq!(asked(w, "20190314").len(), 2);
    slip
}

/// The answers to enquiries: name and state.
async fn enquiry_answers(w: &World) -> Vec<String> {
    w.texts("select name || ' ' || state from file_in where kind = 'enquiry' order by name").await
}

#[tokio::test]
async fn a_bad_answer_to_one_enquiry_drags_no_other_along() {
    for at_once in [true, false] {
        on_both(async |w| {
            let slip = asked_twice(w).await;
            // Its total is not that of its lines.
            let bad = slip.path.replace(".dat", ".r0315");
            w.put(CLEARING, &bad, b"R|LS0001|03140001|1|1\n2|x|2|00000000|\nT|1\n");
            if !at_once {
                w.settle().await;
                assert_eq!(enquiry_answers(w).await, ["03140001.r0315 quarantined"]);
            }
            answer(w, &slip, "0318", &[(2, "00000000", "入账成功"), (4, "00000000", "入账成功")]);
            w.settle().await;
            assert_eq!(enquiry_answers(w).await, ["03140001.r0315 quarantined", "03140001.r0318 applied"], "{at_once}");
            assert_eq!(
                (w.states("B").await, w.incidents("quarantined").await),
                (["paid", "paid", "failed_final", "paid"].map(str::to_owned).to_vec(), 1)
            );
        })
        .await;
    }
}

#[tokio::test]
async fn parts_of_an_answer_wait_for_each_other_and_for_none_of_another() {
    on_both(async |w| {
        // This bank answers in two files.
        let layout = "[layout.enquiry-answer]\n";
        let more = "[[inbound]]\nkind = \"enquiry\"\nrole = \"more\"\npath = \"{date:yyyyMMdd}/{date:MMdd}{seq_no:4}.s{asked:MMdd}\"\n\
                    layout = \"enquiry-answer\"\nstatus = \"result\"\n\n";
        w.declares(CLEARING, layout, &format!("{more}{layout}"));
        let slip = asked_twice(w).await;
        part(w, &slip, "r0315", &[(2, "00000000", "入账成功")]);
        part(w, &slip, "s0318", &[(4, "00000000", "入账成功")]);
        w.settle().await;
        assert_eq!(enquiry_answers(w).await, [""; 0], "two halves are no whole");
        part(w, &slip, "s0315", &[(4, "", "处理中")]);
        w.settle().await;
        assert_eq!(enquiry_answers(w).await, ["03140001.r0315 applied", "03140001.s0315 applied"]);
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final", "unknown"]);
        part(w, &slip, "r0318", &[(2, "00000000", "入账成功")]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final", "paid"]);
        let sets = "select group_of from (select min(name) as group_of, count(*) as files from file_in where kind = 'enquiry' group by answer_set) s \
                    where files = 2 order by group_of";
        assert_eq!(w.texts(sets).await, ["03140001.r0315", "03140001.r0318"]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_while_asking_is_left_and_asked_again_on_the_next_day() {
    on_both(async |w| {
        sent(w).await;
        w.now = at("2019-03-20", "09:00:00");
        w.expect().await;
        // Stamped, and then the node died: the bytes may be there or not.
        w.sql("update enquiry set state = 'uploading', attempt = 1").await;
        w.settle().await;
        assert_eq!((asked(w, "20190314").len(), w.texts("select state from enquiry").await), (0, vec!["held".to_owned()]));
        w.settle_at("2019-03-21", "09:00:00").await;
        assert_eq!(asked(w, "20190314"), [("03140001.q0321".to_owned(), vec![1, 2, 3, 4])]);
        // Renamed, and then the node died: it is there.
        w.sql("update enquiry set state = 'uploading', sent_at = null where asked_on = '2019-03-21'").await;
        w.settle().await;
        assert_eq!(w.texts("select state from enquiry order by id").await, ["held", "sent"]);
        let mut there = std::fs::read_dir(w.mailbox(CLEARING).join("inbox/20190314")).unwrap();
        assert!(!there.any(|e| e.unwrap().path().extension().is_some_and(|x| x == "part")), "no part is left behind");
    })
    .await;
}

#[tokio::test]
async fn a_person_asks_by_hand_once_and_stands_in_the_audit_log() {
    on_both(async |w| {
        let person = |role: &str| Operator { login: "qian".into(), name: "钱".into(), role: role.into(), department: String::new() };
        let slip = sent(w).await;
        let EndToEndId(id) = EndToEndId::parse(&slip.orders[0].reference).unwrap();
        assert!(enquire_payment(&w.gateway, &person("auditor"), id, w.now).await.is_err(), "auditors read");
        let (name, rows) = enquire_payment(&w.gateway, &person("finance"), id, w.now).await.unwrap();
        assert_eq!((name.as_str(), rows), ("03140001.q0314", 4));
        assert!(enquire_file(&w.gateway, &person("finance"), 1, w.now).await.is_err(), "it was asked about today");
        assert!(enquire_file(&w.gateway, &person("finance"), 77, w.now).await.is_err(), "there is none");
        w.settle().await;
        assert_eq!(asked(w, "20190314").len(), 1);
        assert_eq!(w.texts("select actor || ' ' || act from audit where act = 'file.enquire'").await, ["qian file.enquire"]);
        // A bank that takes no such files is phoned.
        w.release(&draft("S", SPLIT, 10..12)).await;
        w.settle().await;
        let refused = enquire_file(&w.gateway, &person("finance"), 2, w.now).await.unwrap_err();
        assert!(refused.to_string().contains("phone"), "{refused}");
        let lease = w.lease(CLEARING).await;
        assert_eq!(enquire::send(&w.gateway, CLEARING, &lease, w.now).await.unwrap().changed, 0);
    })
    .await;
}
