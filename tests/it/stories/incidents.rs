//! Faults that hit real systems of this kind, told as stories: each function begins with the number of its row in tests/README.md.

use bankgate::clock::{Since, Stopwatch};
use bankgate::daemon;
use bankgate::passes::{apply, collect, plan, publish, seal, stage};

use super::bank::{LOST, Slip, Word, gbk, result, ungbk};
use super::close::dies_after;
use super::world::{COUNTER, SPLIT, World, at, draft, on_both};
use crate::harness::disk::SmallDisk;
use crate::harness::smtp::run;

/// What is out at a bank, by name.
fn out(w: &World, bank: &str) -> Vec<String> {
    let names = std::fs::read_dir(w.mailbox(bank).join("inbox")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

async fn sent(w: &mut World, batch: &str, bank: &'static str, people: std::ops::Range<usize>) -> Slip {
    w.release(&draft(batch, bank, people)).await;
    w.settle().await;
    w.take_one(bank)
}

#[tokio::test]
async fn o2_a_timer_that_fires_twice_and_a_clock_that_goes_back_make_no_second_file() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        let first = out(w, SPLIT);
        assert_eq!(first.len(), 1);
        let other = w.another_node();
        for (day, time) in [("2019-03-14", "10:30:00"), ("2019-03-13", "10:30:00"), ("2019-02-28", "23:59:59"), ("2019-03-15", "10:30:00")]
        {
            w.now = at(day, time);
            for _ in 0..2 {
                let (a, b) = tokio::join!(plan::plan(&w.gateway, SPLIT, w.now), plan::plan(&other.gateway, SPLIT, w.now));
                assert_eq!(a.unwrap().changed + b.unwrap().changed, 0, "{day}");
                let (a, b) = tokio::join!(seal::seal(&w.gateway, SPLIT, w.now), seal::seal(&other.gateway, SPLIT, w.now));
                assert_eq!(a.unwrap().changed + b.unwrap().changed, 0, "{day}");
                let lease = w.lease(SPLIT).await;
                assert_eq!(publish::publish(&w.gateway, SPLIT, &lease, w.now, Since::Still).await.unwrap().changed, 0, "{day}");
                w.admit().await;
            }
            assert_eq!((out(w, SPLIT), w.int("select count(*) from file_out").await), (first.clone(), 1), "{day}");
        }
        assert_eq!(w.int("select count(*) from instruction").await, 3);
    })
    .await;
}

#[tokio::test]
async fn o5_files_of_a_weekend_and_its_monday_are_of_one_date_and_three_names() {
    on_both(async |w| {
        for (batch, day, who) in [("A", "2019-03-16", 0), ("B", "2019-03-17", 3), ("C", "2019-03-18", 6)] {
            w.now = at(day, "10:00:00");
            w.release(&draft(batch, SPLIT, who..who + 3)).await;
            w.settle().await;
        }
        assert_eq!(w.texts("select distinct business_date from file_out").await, ["2019-03-18"]);
        let names = out(w, SPLIT);
        assert_eq!(names.len(), 3, "one overwrote another: {names:?}");
        assert!(names.iter().all(|name| name.contains("0318")), "{names:?}");
    })
    .await;
}

/// Reading, staging and applying die at every place that can be reached; the next run counts each answer once.
#[tokio::test]
async fn i9_ingestion_may_die_anywhere_and_every_answer_counts_once() {
    let mut w = World::on_sqlite().await;
    let (mut ended, mut died) = (0, 0);
    for turns in (1..).map(|n| n * 7) {
        let (batch, who) = (format!("B{turns}"), usize::try_from(turns).unwrap());
        w.now = at("2019-03-14", "10:00:00");
        let slip = sent(&mut w, &batch, SPLIT, who..who + 3).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(1);
        let node = w.another_node();
        let mut ingestion = Box::pin(async {
            collect::collect(&node.gateway, SPLIT, node.now).await.unwrap();
            stage::stage(&node.gateway, node.now).await.unwrap();
            apply::apply(&node.gateway, node.now).await.unwrap();
        });
        let is_whole = dies_after(turns, &mut ingestion).await;
        drop(ingestion);
        ended += usize::from(is_whole);
        died += usize::from(!is_whole);
        let states = w.states(&batch).await;
        assert!(states == ["sent"; 3] || states[0] == "paid", "{turns}: half an answer: {states:?}");
        w.settle().await;
        assert_eq!(w.states(&batch).await, ["paid", "failed_final", "paid"], "{turns}");
        if ended == 2 {
            break;
        }
    }
    assert!(died > 2, "it died only {died} times");
    let files = w.int("select count(*) from file_out").await;
    assert_eq!(w.int("select count(*) from file_in where state = 'applied'").await, files * 2);
    assert_eq!(w.int("select count(*) from answer_line").await, files * 3);
    assert_eq!(w.int("select count(*) from entry where kind = 'pay'").await, files);
    w.books_hold().await;
}

#[tokio::test]
async fn i21_what_was_dropped_half_way_is_taken_later_and_what_was_done_never_again() {
    on_both(async |w| {
        let slip = sent(w, "B", COUNTER, 0..3).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        // Seen; then archived; each time the run ends there, and the bank puts the same file again meanwhile.
        for _ in 0..2 {
            collect::collect(&w.gateway, COUNTER, w.now).await.unwrap();
            w.now = w.now.plus_minutes(1);
            w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        }
        collect::collect(&w.gateway, COUNTER, w.now).await.unwrap();
        stage::stage(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.states("B").await, ["sent"; 3]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        let entries = w.int("select count(*) from entry").await;
        for _ in 0..2 {
            w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
            w.settle().await;
        }
        assert_eq!(w.int("select count(*) from entry").await, entries, "processed is processed");
        assert_eq!(w.int("select count(*) from file_in where state = 'applied'").await, 1);
        // The name is not burnt for the next batch.
        let next = sent(w, "C", SPLIT, 10..13).await;
        w.answer(&next, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("C").await, ["paid"; 3]);
    })
    .await;
}

#[tokio::test]
async fn i23_rows_of_every_kind_in_one_file_go_each_its_own_way() {
    on_both(async |w| {
        let (slip, other) = (sent(w, "B", COUNTER, 0..4).await, sent(w, "C", SPLIT, 10..13).await);
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Failed("户名不符"), Word::Paid]).remove(0);
        // The last row names a person of another batch.
        let text = ungbk(&bytes).replace(&slip.orders[3].account, "6217001234500000010");
        w.put(COUNTER, &path, &gbk(&text));
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "failed_final", "conflict"]);
        assert_eq!(w.states("C").await, ["sent"; 3], "the other batch learns nothing from it");
        let classes = w.texts("select class from failure_case where batch = 'B' and kind = 'failed' order by id").await;
        assert_eq!(classes, ["BA", "CD"]);
        w.answer(&other, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("C").await, ["paid"; 3]);
    })
    .await;
}

/// A round of the daemon, whatever it met, with time for any pause to pass.
async fn rounds(w: &mut World, count: usize) {
    for _ in 0..count {
        _ = daemon::round(&w.gateway, w.now).await;
        w.now = w.now.plus_minutes(31);
    }
}

#[tokio::test]
async fn o14_a_full_archive_takes_nothing_in_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let mut w = World::on_sqlite().await;
    w.change(|g| g.config.node.archive_dir = disk.path().to_owned());
    let slip = sent(&mut w, "B", COUNTER, 0..3).await;
    disk.fill();
    w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
    let outbox = w.mailbox(COUNTER).join("outbox");
    rounds(&mut w, 4).await;
    assert_eq!(
        (w.states("B").await, w.int("select count(*) from file_in").await),
        (vec!["sent".to_owned(); 3], 0),
        "nothing is half recorded"
    );
    assert!(outbox.join(format!("{}R", slip.path)).is_file(), "the bank's file stays where it is");
    let told = w.texts("select key || ' ' || state from incident where kind <> 'unposted' order by id").await;
    assert!(told.iter().any(|t| t == "edge:B1 open"), "{told:?}");
    assert_eq!(told.iter().filter(|t| t.starts_with("edge:")).count(), 1, "once, not once a round: {told:?}");
    disk.make_room();
    rounds(&mut w, 4).await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
    assert_eq!(w.int("select count(*) from incident where key = 'edge:B1' and state = 'open'").await, 0);
}

#[tokio::test]
async fn t8_a_full_disk_under_the_spool_sends_no_half_holds_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let mut w = World::on_sqlite().await;
    let earlier = sent(&mut w, "A", SPLIT, 10..13).await;
    let spool = disk.path().join("spool");
    std::fs::create_dir_all(&spool).unwrap();
    w.change(|g| g.config.node.state_dir = disk.path().to_owned());
    rounds(&mut w, 1).await;
    disk.fill();
    let before = out(&w, SPLIT);
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.answer(&earlier, &[Word::Paid; 3]);
    rounds(&mut w, 4).await;
    assert_eq!(out(&w, SPLIT), before, "nothing new is out");
    assert_eq!(w.texts("select state from file_out order by id").await, ["answered", "planned"], "no person has to let it go");
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "no half is left behind");
    assert_eq!(w.states("A").await, ["paid"; 3], "what goes out late keeps no answer from coming in");
    let told = w.texts("select what || ' / ' || next_step from incident where key = 'pass:edge:B4' and state = 'open'").await;
    assert!(told.len() == 1 && told[0].contains("No space left on device") && told[0].contains("磁盘空间"), "{told:?}");
    disk.make_room();
    w.now = at("2019-03-15", "10:00:00");
    rounds(&mut w, 4).await;
    assert_eq!(w.states("B").await, ["sent"; 3]);
    assert_eq!(w.texts("select state from file_out order by id").await, ["answered", "voided", "sent"], "made anew for today");
    assert_eq!(w.int("select count(*) from incident where key = 'pass:edge:B4' and state = 'open'").await, 0, "it is over by itself");
}

/// Whoever uses the mailbox for something else as well.
#[tokio::test]
async fn t8_twenty_thousand_strange_files_keep_no_answer_waiting() {
    let mut w = World::on_sqlite().await;
    let slip = sent(&mut w, "B", COUNTER, 0..3).await;
    let outbox = w.mailbox(COUNTER).join("outbox");
    for n in 0..20_000 {
        std::fs::write(outbox.join(format!("notes-{n:05}.log")), "").unwrap();
    }
    w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (before, watch) = (open(), Stopwatch::start());
    for _ in 0..3 {
        collect::collect(&w.gateway, COUNTER, w.now).await.unwrap();
        w.now = w.now.plus_minutes(1);
    }
    assert!(watch.elapsed().as_secs() < 30, "{:?}", watch.elapsed());
    assert!(open() < before + 200, "descriptors leak: {before}, then {}", open());
    w.apply().await;
    assert_eq!(w.states("B").await, ["paid", "failed", "paid"]);
    assert!(w.int("select count(*) from sighting").await < 100, "strange names are not kept one by one");
    assert!(w.int("select count(*) from incident").await <= 1);
}

/// All parts of a letter as text, workbooks taken apart.
const LETTER: &str = "
import email, email.policy, io, sys, zipfile
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
print(m['subject'], m['to'])
for part in m.walk():
    raw = part.get_payload(decode=True)
    if raw and raw[:2] == b'PK':
        z = zipfile.ZipFile(io.BytesIO(raw))
        raw = b''.join(z.read(n) for n in z.namelist())
    if raw:
        sys.stdout.buffer.write(raw)
";

#[tokio::test]
async fn t7_no_letter_alarm_or_record_has_a_whole_card_or_identity_number() {
    on_both(async |w| {
        let whole = |who: usize| [super::world::id_number(who), format!("62170012345{who:08}")];
        let slip = sent(w, "B", COUNTER, 0..4).await;
        // A failure that quotes the card, another's name; a row that contradicts; a torn file.
        let words: &'static str = "账号6217001234500000001户名不符,原户名为[欧阳億]";
        let (path, bytes) = result(&slip, &[Word::Paid, Word::Failed(words), LOST, Word::Paid]).remove(0);
        w.put(COUNTER, &path, &gbk(&ungbk(&bytes).replace(&slip.orders[3].account, "6217009999999999999")));
        w.put(SPLIT, "YHDFFK201903140009_S.TXT", b"6217001234500000002|torn");
        w.settle().await;
        w.exclude(0).await;
        w.settle_at("2019-03-14", "18:00:00").await;
        for _ in 0..3 {
            rounds(w, 1).await;
        }
        let mails = w.rows("select eml from outbox_mail order by id").await;
        assert!(mails.len() >= 3, "{}", mails.len());
        let mut kept = w.texts("select detail from event union all select detail from audit union all select what from incident union all select next_step from incident").await;
        for mail in mails {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), mail.bytes(0).unwrap()).unwrap();
            let read = run(std::process::Command::new("python3").args(["-c", LETTER]).arg(file.path())).stdout;
            kept.push(String::from_utf8_lossy(&read).into_owned());
        }
        assert!(kept.iter().any(|text| text.contains("户名不符")), "the letters can be read");
        for text in kept {
            for number in (0..4).flat_map(whole).chain(["6217009999999999999".to_owned()]) {
                let at = text.find(&number).map(|at| text.chars().skip(text[..at].chars().count().saturating_sub(80)).take(160).collect::<String>());
                assert!(at.is_none(), "{number} stands whole: {at:?}");
            }
        }
    })
    .await;
}

/// Wherever a run dies: what stands under its final name, this node's journal has. A database that forgets is noticed by that.
#[tokio::test]
async fn o4_what_a_bank_sees_stands_in_the_journal_before() {
    let (mut seen, mut died) = (0, 0);
    for turns in 1.. {
        let w = &mut World::on_sqlite().await;
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        let lease = w.lease(SPLIT).await;
        let mut publishing = Box::pin(async { publish::publish(&w.gateway, SPLIT, &lease, w.now, Since::Still).await.unwrap() });
        let is_whole = dies_after(turns, &mut publishing).await;
        drop(publishing);
        let journal = std::fs::read_to_string(w.gateway.config.node.state_dir.join("published.log")).unwrap_or_default();
        for name in out(w, SPLIT).iter().filter(|name| name.ends_with(".TXT")) {
            assert!(journal.contains(name.as_str()), "{turns}: {name} is out, and the journal says {journal:?}");
            seen += 1;
        }
        if is_whole {
            break;
        }
        died += 1;
    }
    assert!(seen > 0 && died > 5, "{seen} {died}");
}
