//! The audit log as auditors use it: every day in it, its head outside the house, a rewritten row found by number, a batch's
//! evidence that strangers' tools check. On both engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bankgate::domain::money::Fen;
use bankgate::domain::refund::Why;
use bankgate::passes::evidence::audit_day;
use bankgate::passes::evidence::export::export;
use bankgate::passes::evidence::report::month_report;
use bankgate::passes::operate::evidence::evidence_whole;
use bankgate::store::desk::Operator;
use calamine::{Data, Reader as _, Xlsx};

use crate::stories::bank::{LOST, Word, gbk};
use crate::stories::refund::{agree, ask, one_of_each, says, take_orders};
use crate::stories::world::{CLEARING, COUNTER, SPLIT, World, at, draft, id_number, on_both};

/// Everything that is due, twice.
async fn days(w: &World) -> u64 {
    let mut changed = 0;
    for _ in 0..2 {
        changed += audit_day(&w.gateway, w.now).await.unwrap().changed;
    }
    changed
}

async fn mails(w: &World, kind: &str) -> Vec<String> {
    w.texts(&format!("select dedup_key from outbox_mail where kind = '{kind}' order by id")).await
}

#[tokio::test]
async fn every_day_stands_in_the_log_and_its_head_leaves_the_house_once() {
    on_both(async |w| {
        assert_eq!(days(w).await, 0, "nothing was done yet, and no day is over");
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        assert_eq!(days(w).await, 0, "today is not over");
        w.now = at("2019-03-15", "01:00:30");
        assert_eq!(days(w).await, 1);
        assert_eq!(mails(w, "audit_head").await, ["audit_head:2019-03-14"]);
        let told = w.texts("select detail from audit where act = 'day'").await.remove(0);
        assert!(told.contains("files out 1 (300.33 yuan)") && told.contains("postings sum to 0.00"), "{told}");

        // A quiet day, then six on which nothing ran: each has its row, the last one its letter.
        w.now = at("2019-03-16", "09:00:00");
        assert_eq!(days(w).await, 1);
        w.now = at("2019-03-22", "09:00:00");
        let other = w.another_node();
        let (a, b) = tokio::join!(audit_day(&w.gateway, w.now), audit_day(&other.gateway, w.now));
        assert_eq!(a.unwrap().changed + b.unwrap().changed, 1);
        assert_eq!(w.int("select count(*) from audit where act = 'day'").await, 8);
        assert_eq!(w.int("select count(distinct subject) from audit where act = 'day'").await, 8);
        assert_eq!(mails(w, "audit_head").await, ["audit_head:2019-03-14", "audit_head:2019-03-15", "audit_head:2019-03-21"]);

        // The head that was mailed is in the chain, and it is the subject's last word.
        let subject = w.texts("select subject from outbox_mail where kind = 'audit_head' order by id").await.remove(1);
        let head = subject.rsplit(' ').next().unwrap();
        let chain = w.gateway.store.read().await.unwrap().audit_chain(head).await.unwrap();
        assert_eq!((chain.broken, chain.found.unwrap().subject), (None, "2019-03-15".to_owned()));
        let chain = w.gateway.store.read().await.unwrap().audit_chain(&"0".repeat(64)).await.unwrap();
        assert!(chain.found.is_none() && chain.head.is_some());
    })
    .await;
}

/// A node began to plan before midnight and commits behind it, when the other one looks whether a day is over.
#[tokio::test]
async fn what_is_begun_before_midnight_and_ends_behind_it_is_in_its_days_figures() {
    use bankgate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
    use bankgate::store::ledger::{EntryOf, Origin};
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        w.now = at("2019-03-15", "00:00:30");
        days(w).await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        let purse = Purse { department: "D1".into(), project: "1".into(), year: 2019, bank: SPLIT.into() };
        let (from, to) = (purse.account(AccountKind::ZeroBalance), purse.account(AccountKind::BankClearing));
        let movement = Movement { kind: EntryKind::Send, from, to, amount: Fen::new(100) };
        tx.post(at("2019-03-14", "23:59:59"), &EntryOf::default(), Origin::Ours, &movement).await.unwrap();
        tx.commit().await.unwrap();
        w.now = at("2019-03-15", "01:00:30");
        days(w).await;
        let (told, entries) = (w.texts("select detail from audit where act = 'day'").await, w.int("select count(*) from entry").await);
        assert!(told.len() == 1 && told[0].contains(&format!(" entries {entries} moving ")), "{entries} entries: {told:?}");
    })
    .await;
}

/// What an administrator can do who owns the table.
async fn unguarded(w: &World, sql: &str) {
    if w.gateway.store.engine() == "SQLite" {
        w.sql("drop trigger if exists audit_no_update").await;
        w.sql("drop trigger if exists audit_no_delete").await;
    } else {
        w.sql("alter table audit disable trigger all").await;
    }
    w.sql(sql).await;
}

#[tokio::test]
async fn a_rewritten_log_is_found_by_number_and_a_cleverly_rewritten_one_by_its_head() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        for day in 15..20 {
            w.now = at(&format!("2019-03-{day}"), "08:00:00");
            days(w).await;
        }
        let heads = w.texts("select hash from audit order by id").await;
        let verify = async |head: &str| w.gateway.store.read().await.unwrap().audit_chain(head).await.unwrap();
        assert_eq!(verify("").await.rows, u64::try_from(heads.len()).unwrap());
        unguarded(w, "update audit set detail = 'nothing' where id = 3").await;
        let chain = verify("").await;
        assert_eq!((chain.rows, chain.broken), (2, Some(3)));
        // The last rows taken away: every link that is left holds, but the head that was mailed is gone.
        w.sql("delete from audit where id >= 3").await;
        let chain = verify(&heads[3]).await;
        assert_eq!((chain.rows, chain.broken, chain.found), (2, None, None));
    })
    .await;
}

#[tokio::test]
async fn the_month_is_reported_with_its_last_day() {
    on_both(async |w| {
        w.sql("insert into operator (login, name, role) values ('wang', '王某', 'finance')").await;
        w.release(&draft("B", SPLIT, 0..3)).await;
        let mut same = draft("C", COUNTER, 5..7);
        same.maker = "zhao";
        w.release(&same).await;
        w.settle().await;
        w.now = at("2019-03-20", "08:00:00");
        days(w).await;
        w.sql("update operator set role = 'auditor' where login = 'wang'").await;
        w.sql("insert into operator (login, name, role) values ('xu', '徐某', 'finance')").await;
        w.now = at("2019-04-03", "08:00:00");
        days(w).await;
        assert_eq!(mails(w, "audit_report").await, ["audit_report:2019-03"]);

        let mut tx = w.gateway.store.read().await.unwrap();
        let report = month_report(&w.gateway, &mut tx, "2019-03-31".parse().unwrap(), w.now).await.unwrap();
        assert_eq!((report.batches, report.overrides, report.flagged.clone()), (2, 0, vec!["C".to_owned()]));
        let mut book: Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(report.workbook)).unwrap();
        let cells = |book: &mut Xlsx<_>, sheet: &str| -> Vec<Vec<String>> {
            let range = book.worksheet_range(sheet).unwrap();
            range.rows().skip(3).map(|row| row.iter().map(Data::to_string).collect()).collect()
        };
        let hands = cells(&mut book, "经手人");
        assert!(hands[0][10].is_empty() && hands[1][10].contains("zhao既是经办又是发放"), "{hands:?}");
        // The roster of the first look, and what the second look in April found: that stands in April's report.
        let roles = cells(&mut book, "角色");
        let of = |login: &str| roles.iter().filter(|row| row[1] == login).map(|row| row[3].clone()).collect::<Vec<_>>();
        assert_eq!((of("wang"), of("xu")), (vec!["finance".to_owned()], Vec::new()));
        let report = month_report(&w.gateway, &mut tx, "2019-04-01".parse().unwrap(), w.now).await.unwrap();
        let mut book: Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(report.workbook)).unwrap();
        let roles = cells(&mut book, "角色");
        assert_eq!(
            roles.iter().map(|row| format!("{} {}", row[1], row[3])).collect::<Vec<_>>(),
            ["wang finance", "wang auditor", "xu finance"]
        );
    })
    .await;
}

/// Every file below a folder, by its name.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn run(dir: &Path, program: &str, words: &[&str]) -> Result<String, String> {
    let done = Command::new(program).env("LC_ALL", "C.UTF-8").current_dir(dir).args(words).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() { Ok(text) } else { Err(text) }
}

/// The chain computed by nobody of ours, from README.txt's own words.
const CHAIN: &str = "
import csv, hashlib, json
last = None
for row in csv.DictReader(open('audit.csv', encoding='utf-8-sig')):
    link = [int(row['id']), int(row['at_ms'])] + [row[k] for k in ('actor', 'act', 'subject', 'detail', 'previous')]
    text = json.dumps(link, separators=(',', ':'), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == row['hash'], row['id']
    assert last in (None, row['previous']), row['id']
    last = row['hash']
print(last)
";

async fn paid_and_failed(w: &mut World) -> (PathBuf, Vec<Vec<u8>>) {
    w.release(&draft("B", CLEARING, 0..3)).await;
    w.release(&draft("C", SPLIT, 10..12)).await;
    w.settle().await;
    let inbox = w.mailbox(CLEARING).join("inbox");
    let sent = files(&inbox).into_values().collect();
    let slip = w.take_one(CLEARING);
    w.ack(&slip, "00000000", "受理成功");
    w.settle().await;
    w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
    w.settle().await;
    bankgate::passes::report::report(&w.gateway, at("2019-03-14", "18:00:00")).await.unwrap();
    w.now = at("2019-03-15", "09:00:00");
    days(w).await;
    (inbox, sent)
}

#[tokio::test]
async fn a_batchs_evidence_is_checked_by_strangers() {
    on_both(async |w| {
        let (_, sent) = paid_and_failed(w).await;
        let auditor = |role: &str| Operator { login: "shen".into(), name: "审某".into(), role: role.into(), department: String::new() };
        assert!(evidence_whole(&w.gateway, &auditor("finance_it"), "B", w.now).await.is_err());
        assert!(evidence_whole(&w.gateway, &auditor("auditor"), "nope", w.now).await.is_err());
        let recorded = evidence_whole(&w.gateway, &auditor("auditor"), "B", w.now).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("evidence");
        let done = export(&w.gateway, "B", &root, true, w.now).await.unwrap();
        assert_eq!((done.problems.clone(), done.head.1.clone()), (Vec::<String>::new(), recorded.clone()));
        run(&root, "sha256sum", &["--strict", "--quiet", "-c", "MANIFEST.sha256"]).unwrap();
        assert_eq!(run(&root, "python3", &["-c", CHAIN]).unwrap().trim(), recorded);

        let all = files(&root);
        assert_eq!(all.len(), done.files + 1);
        // What the bank took, byte by byte, its flag with it.
        for bytes in &sent {
            assert!(all.iter().any(|(name, kept)| name.starts_with("files_out/") && kept == bytes), "a file that went out is missing");
        }
        let named = |begin: &str| all.keys().filter(|name| name.starts_with(begin)).count();
        assert!(named("files_in/") >= 2 && named("mails/") == 2, "{:?}", all.keys());
        let text = |name: &str| String::from_utf8(all[name].clone()).unwrap();
        assert_eq!(text("application.csv").lines().count(), 4);
        assert!(text("application.csv").contains(&id_number(1)));
        assert!(text("results.csv").contains("failed_final") && text("cases.csv").contains("failed"));
        assert!(text("approvals.csv").contains("released_by,zhao") && text("approvals.csv").contains("admit,daemon"));
        assert!(text("ledger.csv").contains("suspense:correctable") && !text("ledger.csv").contains(",C,"));
        assert!(text("events.csv").contains("sent") && text("README.txt").contains(&recorded));
        assert!(export(&w.gateway, "B", &root, true, w.now).await.is_err(), "evidence is not mixed");

        // A fen changed afterwards, and the stranger says where.
        std::fs::write(root.join("ledger.csv"), text("ledger.csv").replacen('1', "2", 1)).unwrap();
        assert!(run(&root, "sha256sum", &["-c", "MANIFEST.sha256"]).unwrap_err().contains("ledger.csv: FAILED"));
    })
    .await;
}

#[tokio::test]
async fn t7_evidence_that_is_not_whole_names_nobody() {
    on_both(async |w| {
        paid_and_failed(w).await;
        let dir = tempfile::tempdir().unwrap();
        let done = export(&w.gateway, "B", dir.path(), false, w.now).await.unwrap();
        assert!(done.problems.is_empty());
        run(dir.path(), "sha256sum", &["--strict", "--quiet", "-c", "MANIFEST.sha256"]).unwrap();
        let all = files(dir.path());
        for (name, bytes) in &all {
            let text = String::from_utf8_lossy(bytes);
            for who in 0..3 {
                assert!(!text.contains(&id_number(who)) && !text.contains(&format!("62170012345{who:08}")), "{name}");
            }
            assert!(
                !name.starts_with("files_") || name.ends_with(".masked.csv") || !name.contains('/'),
                "{name}: as it went over the line"
            );
        }
        // What each file said stands there all the same, line by line, beside the hash of its bytes.
        let read = |begin: &str| {
            let name = all
                .keys()
                .find(|name| name.starts_with(begin) && name.ends_with(".masked.csv"))
                .unwrap_or_else(|| panic!("{begin}: {:?}", all.keys()));
            let rows: Vec<String> = String::from_utf8(all[name].clone()).unwrap().lines().skip(1).map(str::to_owned).collect();
            rows
        };
        let sent = read("files_out/");
        assert_eq!(sent.len(), 3);
        assert!(sent[1].starts_with("2,BG") && sent[1].contains("6217****0001") && sent[1].contains(",10011,"), "{sent:?}");
        let said = read("files_in/000003_result");
        assert_eq!(said.len(), 3);
        assert!(said[0].contains(",paid,1,") && said[1].contains(",failed,1,CARD_LOST,BA,TPM999,账户已挂失"), "{said:?}");
        assert_eq!(read("files_in/000001_ack").len(), 1);
        for hash in w.texts("select sha256 from file_in where file_out = 1 union select sha256 from file_out where id = 1").await {
            assert!(["files_in.csv", "files_out.csv"].iter().any(|name| String::from_utf8_lossy(&all[*name]).contains(&hash)));
        }
    })
    .await;
}

#[tokio::test]
async fn the_evidence_of_a_batch_holds_the_vouchers_of_its_refunds() {
    on_both(async |w| {
        one_of_each(w, "refund-pipe-gbk", "quota").await;
        let [order] = ask(w, Why::Ineligible).await[..] else { panic!("one order") };
        agree(w, "sun").await.unwrap();
        w.settle().await;
        let sent = take_orders(w).remove(0).0;
        w.put(SPLIT, &sent.replace(".TXT", "_A.TXT"), &gbk("0000|1|100.11|受理成功\n"));
        w.settle().await;
        says(w, &sent, order, 10_011, "0000", "");
        w.settle().await;
        w.release(&draft("C", COUNTER, 5..7)).await;
        let dir = tempfile::tempdir().unwrap();
        for (root, is_whole) in [("masked", false), ("whole", true)] {
            let root = dir.path().join(root);
            let done = export(&w.gateway, "B", &root, is_whole, w.now).await.unwrap();
            assert_eq!(done.problems, [""; 0]);
            let listed = run(&root, "sha256sum", &["--strict", "-c", "MANIFEST.sha256"]).unwrap();
            assert!(listed.contains("vouchers/TK-2019-0001.html: OK") && listed.contains("vouchers/TK-2019-0001.txt: OK"), "{listed}");
            let all = files(&root);
            let text = |name: &str| String::from_utf8(all[name].clone()).unwrap();
            for word in ["TK-2019-0001", "壹佰元壹角壹分", "2130122", "川财农-17", "已退回国库"] {
                assert!(text("vouchers/TK-2019-0001.txt").contains(word) && text("vouchers/TK-2019-0001.html").contains(word), "{word}");
            }
            assert!(!text("vouchers/TK-2019-0001.txt").contains(&id_number(1)));
            // The order's own file, its ack and its result belong to the evidence, too.
            assert!(text("files_out.csv").contains(",refund,") && text("files_out.csv").contains(&sent));
            let answers = text("files_in.csv");
            assert!(answers.contains(&sent.replace(".TXT", "_A.TXT")) && answers.contains(&sent.replace(".TXT", "_R.TXT")), "{answers}");
            assert!(text("batch.csv").contains(",2130122,川财农-17,"));
            assert_eq!(all.keys().any(|name| name.starts_with("files_out/") && name.ends_with(&sent)), is_whole);
        }
        let other = dir.path().join("other");
        export(&w.gateway, "C", &other, false, w.now).await.unwrap();
        assert!(!other.join("vouchers").exists(), "an order of another batch is not its evidence");
    })
    .await;
}
