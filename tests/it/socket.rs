//! What two persons decide, through the real binary and the daemon's real socket: the second person is another user of the
//! machine, for whom the kernel vouches. The state before is told as in the stories; from there the daemon runs, today.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use bankgate::clock::{Clock, Stopwatch};
use bankgate::config::Config;
use bankgate::passes::report;
use chrono::{Datelike as _, Days, NaiveDate};
use serde_json::Value;

use crate::harness::day::{today, zone};
use crate::harness::{is_root, skip, until};
use crate::service::{Daemon, write_calendar};
use crate::stories::bank::{Slip, Word, result};
use crate::stories::cases::Sheets;
use crate::stories::world::{Draft, SPLIT, World, draft};

mod month;

/// The other person: a user whom every machine has.
const OTHER: &str = "daemon";
const DEAD: Word = Word::Failed("持卡人已死亡");
const MISMATCH: Word = Word::Failed("户名不符");

/// An office with a daemon that is not started yet, and two persons.
struct Office {
    w: World,
    today: NaiveDate,
    binary: PathBuf,
}

/// What a command gave back.
#[derive(Debug)]
struct Said {
    code: i32,
    text: String,
}

impl Said {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn done(&self) {
        assert_eq!(self.code, 0, "{}", self.text);
    }

    fn proposal(&self) -> String {
        self.json()["proposal"].to_string()
    }

    /// Refused in these words, and not by a mishap.
    fn refused(&self, words: &str) {
        assert!(self.code != 0 && self.text.contains(words), "{self:?}");
    }
}

impl Office {
    /// None where a second person cannot be had, or where the year's own close would take the money away.
    async fn open(holidays: &[NaiveDate], close_day: u32) -> Option<Self> {
        let today = today();
        if !is_root() {
            skip("two persons at one socket: it takes root to be both");
            return None;
        }
        if today.month() == 12 && today.day() >= 29 {
            skip("two persons at one socket: the year is being closed");
            return None;
        }
        let mut w = World::on_sqlite().await;
        w.now = Clock::System.now();
        std::fs::set_permissions(&w.root, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(w.root.join("calendar")).unwrap();
        write_calendar(&w.root.join("calendar"), holidays);
        let binary = w.root.join("bankgate");
        let built = env!("CARGO_BIN_EXE_bankgate");
        if std::fs::hard_link(built, &binary).is_err() {
            std::fs::copy(built, &binary).unwrap();
        }
        let house = env!("CARGO_MANIFEST_DIR");
        let text = format!(
            "language = \"en\"\n[database]\nurl = \"sqlite:b.db\"\n[node]\nname = \"one\"\nstate_dir = \"state\"\narchive_dir = \"archive\"\nsocket = \"state/s\"\n\
             [time]\nzone = \"{zone}\"\ncalendar_dir = \"calendar\"\ntick_s = 1\nrescan_s = 5\n[formats]\ndir = \"{house}/bank-formats\"\n\
             [admission]\ncatalogue = \"{house}/config/catalogue.toml\"\n[close]\nday = {close_day}\nyear_day = \"12-30\"\ncut_at = \"24:00\"\n\
             [mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"gate@finance.example\"\nfinance_it = [\"it@finance.example\"]\n\
             [[bank]]\ncode = \"{SPLIT}\"\nconnection = {{ kind = \"dir\", root = \"{}\" }}\n",
            w.mailbox(SPLIT).display(),
            zone = zone()
        );
        std::fs::create_dir_all(w.root.join("mail")).unwrap();
        std::fs::write(w.root.join("bankgate.toml"), text).unwrap();
        let config = Config::load(&w.root.join("bankgate.toml")).unwrap();
        w.change(|g| (g.calendar, g.config) = (config.calendar().unwrap(), config));
        w.sql(&format!("delete from agreement where bank <> '{SPLIT}'")).await;
        w.sql("update agreement set cutoff = '24:00'").await;
        w.sql(&format!("update funding set year = {}", today.year())).await;
        Some(Self { w, today, binary })
    }

    /// A batch for these people, sent and taken by the bank.
    async fn sent(&mut self, number: &str, people: std::ops::Range<usize>) -> Slip {
        let batch = Draft { pay_on: self.today.to_string(), ..draft(number, SPLIT, people) };
        self.w.release(&batch).await;
        self.w.settle().await;
        self.w.take_one(SPLIT)
    }

    async fn answered(&mut self, slip: &Slip, words: &[Word]) {
        self.w.answer(slip, words);
        self.w.settle().await;
    }

    /// Both persons' places, then the daemon, to which the node that told the state before leaves the banks.
    async fn start(&self, role: &str, other: &str) -> Daemon {
        let mut tx = self.w.gateway.store.begin().await.unwrap();
        tx.drop_leases(&self.w.gateway.holder).await.unwrap();
        tx.commit().await.unwrap();
        for (login, role) in [("root", role), (OTHER, other)] {
            let (role, department) = role.split_once('/').unwrap_or((role, ""));
            let sql =
                format!("insert into operator (login, name, role, department) values ('{login}', '{login}某', '{role}', '{department}')");
            self.w.sql(&sql).await;
        }
        let log = std::fs::File::create(self.w.root.join("log")).unwrap();
        let mut run = Command::new(&self.binary);
        run.arg("--config").arg(self.w.root.join("bankgate.toml")).arg("run");
        let daemon = Daemon(run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        until("the daemon's socket", || (self.me(&["whoami", "--json"]).code == 0).then_some(()));
        daemon
    }

    fn me(&self, words: &[&str]) -> Said {
        self.call(Command::new(&self.binary), words)
    }

    /// The same command by the other person, who is of the socket's group and may read nothing else.
    fn other(&self, words: &[&str]) -> Said {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", OTHER, "--regid", "root", "--clear-groups", "--"]).arg(&self.binary);
        self.call(command, words)
    }

    fn call(&self, mut command: Command, words: &[&str]) -> Said {
        let done = command.arg("--config").arg(self.w.root.join("bankgate.toml")).args(words).stdin(Stdio::null()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        Said { code: done.status.code().unwrap_or(-1), text }
    }

    /// Proposed by one: that one is refused as the second, the other is not.
    fn by_two(&self, proposal: &str) {
        self.me(&["approve", proposal]).refused("another person");
        self.other(&["approve", proposal, "--json"]).json();
        self.other(&["approve", proposal]).refused("");
    }

    /// Until the payments of a batch stand so.
    async fn until_states(&self, number: &str, states: &str) {
        let begun = Stopwatch::start();
        while self.states(number).await != states {
            assert!(begun.elapsed().as_secs() < 60, "{}", self.states(number).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Until our files stand so.
    async fn until_files(&self, states: &[&str]) {
        let begun = Stopwatch::start();
        while self.w.files().await != states {
            assert!(begun.elapsed().as_secs() < 60, "{:?}", self.w.files().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn states(&self, number: &str) -> String {
        self.w.states(number).await.join(" ")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_settled_as_paid_by_two_persons() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, Word::Processing, Word::Paid]).await;
    assert_eq!(o.states("B").await, "paid unknown paid");
    let reference = o.w.texts("select reference from v_payment where seq = 2").await.remove(0);
    let daemon = o.start("finance", "finance_it").await;
    let resolve =
        |yuan: &str| o.me(&["payment", "resolve", &reference, "--as", "partly-paid", "--paid", yuan, "--evidence", "letter 12", "--json"]);
    resolve("100.11").refused("a part is more than nothing and less than that");
    let proposal = resolve("60.00").proposal();
    assert_eq!(o.states("B").await, "paid unknown paid", "a proposal changes nothing");
    o.by_two(&proposal);
    assert_eq!(o.states("B").await, "paid paid paid");
    assert_eq!(o.w.balance("suspense:correctable").await, 4_011);
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_and_its_receipt_take_two_persons_each() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, DEAD, Word::Paid]).await;
    let daemon = o.start("finance", "finance").await;
    let made = o.me(&["refund", "propose", "--department", "D1", "--project", "1", "--json"]).json();
    let (number, proposal) = (made[0]["number"].as_str().unwrap().to_owned(), made[0]["proposal"].to_string());
    o.by_two(&proposal);
    assert_eq!((o.states("B").await, o.w.balance("refund_in_transit").await), ("paid refunding paid".to_owned(), 10_011));
    o.other(&["refund", "sent", &number, "--by-hand"]).done();
    let receipt = o.me(&["refund", "receipt", &number, "--receipt", "GK-1", "--json"]).proposal();
    o.by_two(&receipt);
    assert_eq!((o.states("B").await, o.w.balance("refund_in_transit").await), ("paid refunded paid".to_owned(), 0));
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_sealed_when_two_persons_saw_that_its_money_went_back() {
    // Whatever day it is, it is the close day: up to the first of the month nobody works.
    let today = today();
    let off: Vec<NaiveDate> = (1..31)
        .map(|n| today + Days::new(n))
        .take_while(|day| today.day() != 1 && (day.day() == 1 || day.month() == today.month()))
        .collect();
    let month = off.last().unwrap_or(&today).format("%Y-%m").to_string();
    let Some(mut o) = Office::open(&off, 1).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, DEAD, Word::Paid]).await;
    let daemon = o.start("finance", "finance").await;
    let next = (today + Days::new(70)).format("%Y-%m").to_string();
    o.me(&["close", "--month", &next]).refused("");
    let close = || o.me(&["close", "--month", &month, "--json"]).json()[0]["state"].as_str().unwrap().to_owned();
    assert_eq!(close(), "refunding");
    // The cut's order is proposed by whoever took the cut.
    let number = o.w.texts("select number from refund_order").await.remove(0);
    o.by_two(&o.w.int("select id from proposal").await.to_string());
    o.other(&["refund", "sent", &number, "--by-hand"]).done();
    assert_eq!(close(), "refunding", "sent is not seen");
    let receipt = o.me(&["refund", "receipt", &number, "--receipt", "GK-1", "--json"]).proposal();
    o.by_two(&receipt);
    assert_eq!(close(), "sealed");
    assert_eq!(close(), "sealed", "once more is nothing more");
    assert_eq!(o.w.int("select count(*) from period_close").await, 1);
    o.me(&["close", "verify", "--month", &month]).done();
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_workbook_becomes_a_batch_that_another_person_approves() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid, MISMATCH, Word::Paid]).await;
    report::report(&o.w.gateway, o.w.now.plus_minutes(8 * 60)).await.unwrap();
    let letter = o.w.rows("select eml from outbox_mail where kind = 'failure_report'").await.remove(0).bytes(0).unwrap().to_vec();
    let mut sheets = Sheets::of_mail(&letter);
    *sheets.cell(0, "Corrected card") = "6217001234599999999".to_owned();
    let book = o.w.root.join("corrected.xlsx");
    std::fs::write(&book, sheets.bytes()).unwrap();
    let daemon = o.start("department/D1", "department/D1").await;
    let import = |dry: bool| {
        let mut words = vec!["correction", "import", book.to_str().unwrap(), "--json"];
        words.extend(dry.then_some("--dry-run"));
        o.me(&words)
    };
    import(true);
    assert_eq!(o.w.int("select count(*) from batch where kind = 'reissue'").await, 0, "a dry run only says");
    let done = import(false);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(o.w.root.join("corrected-结果.xlsx").is_file() || o.w.root.join("corrected-result.xlsx").is_file(), "{done:?}");
    let batch = o.w.texts("select number from batch where kind = 'reissue'").await.remove(0);
    o.me(&["batch", "approve", &batch]).refused("another");
    o.other(&["batch", "approve", &batch, "--json"]).json();
    assert_eq!(o.w.texts("select maker || ' ' || approver from batch where kind = 'reissue'").await, [format!("root {OTHER}")]);
    assert_eq!(o.w.int("select count(*) from batch where kind = 'reissue' and released_at is not null").await, 0);
    assert!(daemon.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_list_is_posted_by_its_own_department_once() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("B", 0..3).await;
    o.answered(&slip, &[Word::Paid; 3]).await;
    let daemon = o.start("department/D1", "department/D2").await;
    o.me(&["publication", "posted", "A"]).refused("nothing is published of batch A");
    until("the daemon to make the list", || {
        (o.me(&["publication", "list", "--all", "--json"]).json()[0]["edition"].as_i64() == Some(1)).then_some(())
    });
    o.other(&["publication", "posted", "B"]).refused("belongs to department D2");
    assert_eq!(o.w.texts("select posted_by from publication").await, [""]);
    o.me(&["publication", "posted", "B", "--json"]).json();
    assert_eq!(o.w.texts("select posted_by || ' ' || posted_on from publication").await, [format!("root {}", o.today)]);
    o.me(&["publication", "posted", "B"]).refused("already");
    assert!(daemon.stop().0.success());
}

fn why<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--reason", "letter 12", "--json"]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_files_that_are_stuck_are_stopped_by_one_and_let_go_by_two() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("A", 0..3).await;
    let batch = Draft { pay_on: o.today.to_string(), ..draft("B", SPLIT, 3..6) };
    o.w.release(&batch).await;
    o.w.admit().await;
    o.w.plan(SPLIT).await;
    o.w.seal(SPLIT).await;
    // Made and not out: the bank was paused meanwhile.
    o.w.sql("update bank set mode = 'paused'").await;
    let daemon = o.start("finance_it", "finance").await;
    o.me(&["file", "hold", "2"]).refused("--reason");
    o.me(&["file", "hold", "2", "--reason", " "]).refused("reason");
    let would = o.me(&[&why(&["file", "hold", "2"])[..], &["--dry-run"]].concat()).json();
    assert_eq!((&would["dry_run"], &would["takes_two"]), (&true.into(), &false.into()));
    assert_eq!(o.w.files().await, ["sent", "sealed"], "a dry run only says");
    assert_eq!(o.me(&why(&["file", "hold", "2"])).json()["done"], true);
    assert_eq!(o.w.files().await, ["sent", "held"]);
    o.me(&why(&["file", "hold", "2"])).refused("");
    assert_eq!(o.me(&why(&["bank", "resume", SPLIT])).json()["done"], true);
    o.me(&why(&["bank", "resume", SPLIT])).refused("already");
    let release = o.me(&why(&["file", "release", "2"])).proposal();
    assert_eq!(o.w.files().await, ["sent", "held"], "a proposal changes nothing");
    o.by_two(&release);
    o.until_files(&["sent", "sent"]).await;
    assert_eq!(o.w.take_one(SPLIT).orders.len(), 3, "it went out once");
    // The bank is asked not to execute it, and writes that it did not: its payments fail, and can be corrected.
    assert_eq!(o.me(&why(&["file", "recall", "2"])).json()["done"], true);
    let refused = o.me(&why(&["file", "settle", "2", "--as", "refused"])).proposal();
    o.by_two(&refused);
    assert_eq!(o.w.files().await, ["sent", "refused"]);
    o.until_states("B", "failed_final failed_final failed_final").await;
    // It writes that it has no copy of the other: the same bytes under the same name, once more.
    let again = o.me(&why(&["file", "resend", "1"])).proposal();
    o.by_two(&again);
    o.until_files(&["sent", "refused"]).await;
    let copy = o.w.take_one(SPLIT);
    assert_eq!((&copy.path, &copy.bytes), (&slip.path, &slip.bytes));
    assert_eq!(o.w.texts("select cast(copies as text) from file_out where id = 1").await, ["2"]);
    let acts = o.w.texts("select distinct act || ' ' || actor from audit where act like 'file.%' or act like 'bank.%' order by 1").await;
    assert_eq!(acts, ["bank.live root", "file.hold root", "file.recall root"]);
    assert_eq!(o.w.int("select count(*) from audit where act = 'approve' and actor = 'daemon'").await, 3);
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_a_file_of_a_bank_that_is_stuck_is_rejected_by_one_and_read_in_part_by_two() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    let slip = o.sent("A", 0..3).await;
    for (path, bytes) in result(&slip, &[Word::Paid, MISMATCH, Word::Paid]) {
        let torn = if path.ends_with("_F.TXT") { [&bytes[..], b"no line of a result\n"].concat() } else { bytes };
        o.w.put(SPLIT, &path, &torn);
    }
    // Of another batch one line is missing.
    let other = o.sent("B", 3..6).await;
    o.w.answer(&Slip { orders: other.orders[..2].to_vec(), ..other.clone() }, &[Word::Paid, MISMATCH]);
    o.w.settle().await;
    assert_eq!((o.states("A").await, o.states("B").await), ("sent sent sent".to_owned(), "sent sent sent".to_owned()));
    let last = async || {
        o.w.texts("select cast(id as text) from file_in where state = 'quarantined' and name like '%0001_F.TXT' order by id").await.pop()
    };
    let id = last().await.unwrap();
    let daemon = o.start("finance_it", "finance").await;
    assert_eq!(o.me(&why(&["file", "reread", &id])).json()["done"], true);
    let begun = Stopwatch::start();
    while last().await.is_none_or(|it| it == id) {
        assert!(begun.elapsed().as_secs() < 60, "it is read again, and still does not add up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = last().await.unwrap();
    o.me(&["file", "apply", &again, "--reason", "letter 12"]).refused("--without");
    let without = o.me(&why(&["file", "apply", &again, "--without", "2"])).proposal();
    assert_eq!(o.states("A").await, "sent sent sent");
    o.by_two(&without);
    o.until_states("A", "paid failed_final paid").await;
    let stranger = o.w.texts("select cast(id as text) from file_in where name like '%0002_F.TXT'").await.remove(0);
    assert_eq!(o.me(&why(&["file", "reject", &stranger])).json()["done"], true);
    assert_eq!(o.w.texts(&format!("select state from file_in where id = {stranger}")).await, ["rejected"]);
    assert!(daemon.stop().0.success());
    o.w.books_hold().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_alarms_letters_and_answers_that_will_not_come_are_ended_by_one_person_who_says_why() {
    let Some(mut o) = Office::open(&[], 28).await else { return };
    o.sent("A", 0..3).await;
    let due = o.w.now.plus_minutes(-60).millis();
    for sql in [
        "insert into incident (key, kind, what, next_step, first_at, last_at) values ('k', 'conflict', '款项不符', '请对账', 0, 0)"
            .to_owned(),
        "insert into outbox_mail (dedup_key, message_id, kind, recipients, subject, eml, state, next_at, created_at) \
         values ('k', 'm', 'alarm', 'a@b.example', 's', '', 'doubt', 0, 0)"
            .to_owned(),
        format!(
            "insert into expected_file (bank, kind, subject, on_date, due_at) values ('{SPLIT}', 'statement', '510601012345678901', '2019-03-14', {due})"
        ),
    ] {
        o.w.sql(&sql).await;
    }
    let number = async |sql: &str| o.w.int(sql).await.to_string();
    let incident = number("select id from incident where key = 'k'").await;
    let mail = number("select id from outbox_mail where dedup_key = 'k'").await;
    let statement = number("select id from expected_file where kind = 'statement' and on_date = '2019-03-14'").await;
    let result = number("select id from expected_file where kind = 'result'").await;
    let daemon = o.start("finance_it", "department/D1").await;
    for (words, table) in [
        (vec!["incident", "close", &incident], "incident where state = 'closed' and key = 'k'"),
        (vec!["mail", "done", &mail], "outbox_mail where state = 'sent' and dedup_key = 'k'"),
        (vec!["expected", "waive", &statement], "expected_file where waived_why = 'letter 14'"),
    ] {
        let ended = async || o.w.int(&format!("select count(*) from {table}")).await;
        let said = [&words[..], &["--reason", "letter 14", "--json"]].concat();
        o.me(&words).refused("--reason");
        o.other(&said).refused("may not");
        assert_eq!(o.me(&[&said[..], &["--dry-run"]].concat()).json()["dry_run"], true);
        assert_eq!(ended().await, 0, "{words:?}: a dry run only says");
        assert_eq!(o.me(&said).json()["done"], true);
        assert_eq!(ended().await, 1, "{words:?}");
        o.me(&said).refused("");
    }
    o.me(&["expected", "waive", &result, "--reason", "letter 14"]).refused("3 lines of file 1 have no word of the bank");
    let shown = o.me(&["expected", "--days", "9999", "--json"]);
    assert!(shown.text.contains("\"waived\"") && shown.text.contains("letter 14"), "{}", shown.text);
    let acts = "select distinct act || ' ' || actor from audit where act in ('incident.close', 'mail.done', 'expected.waive') order by 1";
    assert_eq!(o.w.texts(acts).await, ["expected.waive root", "incident.close root", "mail.done root"]);
    assert!(daemon.stop().0.success());
}
