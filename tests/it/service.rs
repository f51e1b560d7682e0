//! The real binary as a service: PostgreSQL, OpenSSH's sshd, a batch written by the SQL of `docs/DATABASE.md`, signals.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::store::{Address, Store};
use chrono::Datelike as _;

use crate::harness::day::{today, zone};
use crate::harness::postgres::Postgres;
use crate::harness::proxy::{Fault, Proxy, Way};
use crate::harness::sshd::Sshd;
use crate::harness::{folder, run, until};

/// Everything around the binary.
struct Service {
    dir: PathBuf,
    url: String,
    sshd: Sshd,
    proxy: Proxy,
}

impl Service {
    /// Servers, a configuration, a migrated database; the daemon is not started yet.
    fn new(name: &str) -> Self {
        let dir = folder("service");
        let sshd = Sshd::start();
        let proxy = Proxy::start(sshd.port);
        let url = Postgres::shared().fresh_database(name);
        for made in ["state", "archive", "mails", "calendar"] {
            std::fs::create_dir_all(dir.join(made)).unwrap();
        }
        for made in ["inbox", "outbox", "done"] {
            let path = sshd.root.join(made);
            std::fs::create_dir_all(&path).unwrap();
            run(Command::new("chown").arg(&sshd.user).arg(&path));
        }
        let key = dir.join("bank.key");
        std::fs::write(&key, &sshd.client_key_pem).unwrap();
        run(Command::new("chmod").arg("600").arg(&key));
        let service = Self { dir, url, sshd, proxy };
        write_calendar(&service.dir.join("calendar"), &[]);
        service.write_config();
        let printed = run(service.command(&["migrate"]).stdin(Stdio::null()));
        assert!(!printed.is_empty());
        service
    }

    fn write_config(&self) {
        let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats");
        let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/catalogue.toml");
        let text = format!(
            "[database]\nurl = \"{}\"\n\n[node]\nname = \"here\"\nstate_dir = \"state\"\narchive_dir = \"archive\"\nsocket = \"state/s\"\nlease_ttl_s = 20\n\n\
             [time]\nzone = \"{zone}\"\ncalendar_dir = \"calendar\"\ntick_s = 1\nrescan_s = 5\n\n[formats]\ndir = \"{}\"\n\n[admission]\ncatalogue = \"{}\"\n\n\
             [mail]\nkind = \"file\"\ndir = \"mails\"\nfrom = \"bankgate@example.org\"\nfinance_it = [\"it@example.org\"]\n\n\
             [[bank]]\ncode = \"B01\"\ninbox = \"{root}/inbox\"\noutbox = \"{root}/outbox\"\ndone = \"{root}/done\"\nrename = \"atomic\"\n[bank.connection]\nkind = \"sftp\"\n\
             host = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nkey = {{ file = \"bank.key\" }}\nhost_keys = [\"{}\"]\n",
            self.url,
            formats.display(),
            catalogue.display(),
            self.proxy.port,
            self.sshd.user,
            self.sshd.host_key_line,
            root = self.sshd.root.display(),
            zone = zone()
        );
        std::fs::write(self.dir.join("bankgate.toml"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bankgate"));
        command.arg("--config").arg(self.dir.join("bankgate.toml")).args(args);
        command
    }

    fn start(&self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).unwrap();
        Daemon(self.command(&["run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn psql(&self, sql: &str) -> String {
        Postgres::shared().psql(&self.url, &format!("set search_path to bankgate; {sql}")).trim().to_owned()
    }

    /// Final names in the bank's inbox.
    fn published(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.sshd.root.join("inbox")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|n| !n.ends_with(".part")).collect();
        names.sort();
        names
    }

    /// Puts a bank's file where its customers find files whole: under another name first.
    fn put_out(&self, name: &str, bytes: &[u8]) {
        let (hidden, path) = (self.sshd.root.join("outbox/.new"), self.sshd.root.join("outbox").join(name));
        std::fs::write(&hidden, bytes).unwrap();
        run(Command::new("chown").arg(&self.sshd.user).arg(&hidden));
        std::fs::rename(hidden, path).unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

/// Every day but these is a working day, so that a test holds on any day.
pub fn write_calendar(folder: &Path, holidays: &[chrono::NaiveDate]) {
    let this_year = today().year();
    let listed = |days: Vec<chrono::NaiveDate>| days.iter().map(|d| format!("\"{d}\"")).collect::<Vec<_>>().join(", ");
    for year in (this_year - 1..=this_year + 1).chain([2019]) {
        let first = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let weekends = first.iter_days().take_while(|d| d.year() == year).filter(|d| d.weekday().number_from_monday() > 5);
        let workdays = listed(weekends.filter(|d| !holidays.contains(d)).collect());
        let off = listed(holidays.iter().copied().filter(|d| d.year() == year).collect());
        let text = format!("source = \"a test\"\nyear = {year}\nholidays = [{off}]\nworkdays = [{workdays}]\n");
        std::fs::write(folder.join(format!("{year}.toml")), text).unwrap();
    }
}

/// A running daemon, killed if the test fails.
pub struct Daemon(pub Child);

impl Daemon {
    /// Asks it to stop, as the service manager does, and waits.
    pub fn stop(mut self) -> (std::process::ExitStatus, Duration) {
        let watch = Stopwatch::start();
        run(Command::new("kill").arg("-TERM").arg(self.0.id().to_string()));
        let status = until("the daemon to stop", || self.0.try_wait().unwrap());
        (status, watch.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The SQL block under `<!-- example: NAME -->` of the document.
fn example(name: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DATABASE.md")).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- example: {name} -->\n```sql\n")).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

#[test]
fn a_batch_written_by_the_documents_sql_is_paid_with_no_other_command() {
    let s = Service::new("service_document");
    let daemon = s.start();
    for step in ["reference", "enter", "approve"] {
        Postgres::shared().psql(&s.url, &example(step));
        if step == "reference" {
            s.psql("update agreement set cutoff = '24:00'");
        }
    }
    Postgres::shared().psql(&s.url, &example("release"));
    let name = until("the payment file", || s.published().pop());
    let text = std::fs::read(s.sshd.root.join("inbox").join(&name)).unwrap();
    assert_eq!(text.iter().filter(|b| **b == b'\n').count(), 2);
    until("the file to be recorded as sent", || (s.psql("select state from file_out") == "sent").then_some(()));
    // Settings read anew in between lose nothing.
    run(Command::new("kill").arg("-HUP").arg(daemon.0.id().to_string()));
    until("the settings to be read anew", || (s.log().matches(": ready").count() == 2).then_some(()));
    // The bank pays the first and refuses the second: names come back padded to twenty bytes.
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    let padded = |line: &[u8]| {
        let mut columns: Vec<Vec<u8>> = line.split(|b| *b == b'|').map(<[u8]>::to_vec).collect();
        let width = columns[1].len().max(20);
        columns[1].resize(width, b' ');
        let mut line = columns.join(&b'|');
        line.push(b'\n');
        line
    };
    let key = name.strip_prefix("YHDF__").unwrap().strip_suffix(".TXT").unwrap();
    s.put_out(&format!("YHDFFK{key}_S.TXT"), &padded(lines[0]));
    s.put_out(&format!("YHDFFK{key}_F.TXT"), &padded(lines[1]));
    until("the answers", || (s.psql("select state from file_out") == "answered").then_some(()));
    until("the failure to be final", || {
        (s.psql("select string_agg(state, ',' order by seq) from v_payment") == "paid,failed_final").then_some(())
    });
    assert_eq!(s.psql("select coalesce(sum(amount_fen), 0) from posting"), "0");
    assert_eq!(s.psql("select balance_fen from account where kind = 'paid'"), "12345");
    let (status, took) = daemon.stop();
    assert!(status.success(), "{status}: {}", s.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Begun twice, for the settings were read anew, and stopped.
    assert_eq!(s.psql("select looks || ' ' || is_away from node_look"), "2 1");
    assert!(
        !s.log().contains("6217001234567890014") && !s.log().contains("11010519491231002X"),
        "t7: a whole card or identity number is in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn o4_stopped_in_the_middle_of_an_upload_and_started_again_it_sends_once() {
    let s = Service::new("service_stop");
    Postgres::shared().psql(&s.url, &example("reference"));
    s.psql("update agreement set cutoff = '24:00'; update funding set amount_fen = 100000000000");
    // Twenty thousand people, each once: a file large enough to be caught half way.
    s.psql(
        "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, created_at) \
         values ('BIG', 'first', 'D-NY', '1', '2019', '2019-03-15', 20000, 2000000, 'a', 0); \
         insert into payment (batch, seq, entitled_name, entitled_id, payee_name, payee_id, payee_role, mandate_no, account, bank, amount_fen) \
         select 'BIG', n, '甲' , '', '乙', '110105194912310038', 'proxy', 'M-' || n, '6217001234567890014', 'B01', 100 from generate_series(1, 20000) n",
    );
    let store = Store::connect(&Address { pool_max: 2, ..Address::at(s.url.clone()) }).await.unwrap();
    let rows = store.read().await.unwrap().stored_rows("BIG").await.unwrap();
    store.close().await;
    s.psql(&format!(
        "update batch set approver = 'b', finance_reviewer = 'c', released_by = 'd', digest = '{}', released_at = 1 where number = 'BIG'",
        rows.digest
    ));
    s.proxy.set(Fault::Hold(Way::There, 400_000));
    let daemon = s.start();
    s.proxy.wait_held();
    assert_eq!(s.psql("select state from file_out"), "uploading");
    assert!(s.published().is_empty());
    let (status, took) = daemon.stop();
    assert!(status.success(), "{status}: {}", s.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(s.psql("select state from file_out"), "uploading", "a stop records nothing that did not happen");
    s.proxy.set(Fault::None);
    s.proxy.release();
    let daemon = s.start();
    until("the file to be recorded as sent", || (s.psql("select state from file_out") == "sent").then_some(()));
    let published = s.published();
    assert_eq!(published.len(), 1, "{published:?}");
    let sum = run(Command::new("sha256sum").arg(s.sshd.root.join("inbox").join(&published[0])));
    assert_eq!(sum.split_whitespace().next().unwrap(), s.psql("select sha256 from file_out"));
    assert_eq!(s.psql("select copies || ' ' || attempt from file_out"), "1 2");
    // Once more around, nothing goes out again.
    let rounds = s.psql("select count(*) from event");
    let (status, _) = daemon.stop();
    assert!(status.success());
    let daemon = s.start();
    until("the restarted daemon to hold the edge", || (s.psql("select count(*) from lease where expires_at > 0") == "1").then_some(()));
    assert_eq!(s.psql("select count(*) from event"), rounds);
    assert_eq!(s.published(), published);
    assert!(daemon.stop().0.success());
}

/// A service on SQLite whose bank's mailbox is a folder of this machine; the daemon is not started yet.
struct Folder {
    dir: PathBuf,
}

impl Folder {
    async fn new(rescan_s: u32, notify: bool) -> Self {
        let dir = folder("service-dir");
        for made in ["state", "archive", "mails", "mailbox/inbox", "mailbox/outbox/statement", "mailbox/done"] {
            std::fs::create_dir_all(dir.join(made)).unwrap();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = format!(
            "[database]\nurl = \"sqlite:{}\"\n\n[node]\nname = \"here\"\nstate_dir = \"state\"\narchive_dir = \"archive\"\nsocket = \"state/s\"\n\n\
             [time]\nzone = \"{zone}\"\ncalendar_dir = \"{root}/config/calendar\"\ntick_s = 1\nrescan_s = {rescan_s}\nnotify = {notify}\n\n[formats]\ndir = \"{root}/bank-formats\"\n\n\
             [admission]\ncatalogue = \"{root}/config/catalogue.toml\"\n\n\
             [mail]\nkind = \"file\"\ndir = \"mails\"\nfrom = \"bankgate@example.org\"\nfinance_it = [\"it@example.org\"]\n\n\
             [[bank]]\ncode = \"B01\"\nrename = \"atomic\"\n[bank.connection]\nkind = \"dir\"\nroot = \"mailbox\"\n",
            dir.join("bankgate.db").display(),
            root = root.display(),
            zone = zone()
        );
        std::fs::write(dir.join("bankgate.toml"), text).unwrap();
        let service = Self { dir };
        run(service.command("migrate").stdin(Stdio::null()));
        let mut tx = service.store().await.begin().await.unwrap();
        for sql in [
            "insert into department (code, name) values ('D', '局')",
            "insert into bank (code, name) values ('B01', '甲银行')",
            "insert into agreement (number, department, bank, payer_account, payer_name, profile) values ('A', 'D', 'B01', '2306001234567890', '局', 'split-sf-noheader')",
        ] {
            tx.exec(sql, Vec::new()).await.unwrap();
        }
        tx.commit().await.unwrap();
        service
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bankgate"));
        command.arg("--config").arg(self.dir.join("bankgate.toml")).arg(what);
        command
    }

    async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.dir.join("bankgate.db").display());
        Store::connect(&Address { pool_max: 2, ..Address::at(url) }).await.unwrap()
    }

    fn start(&self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).unwrap();
        Daemon(self.command("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Waits until the daemon has looked at the mailbox once and rests: a first statement is in.
    async fn looked_once(&self) {
        self.drop_statement("20190314");
        self.collected(1).await;
    }

    fn drop_statement(&self, day: &str) {
        let text = format!("H|2306001234567890|{day}|{day}|0.00|0.00|0\nT|0|0.00|0|0.00\n");
        let (hidden, path) =
            (self.dir.join("mailbox/new"), self.dir.join(format!("mailbox/outbox/statement/STMT_2306001234567890_{day}.txt")));
        std::fs::write(&hidden, text).unwrap();
        std::fs::rename(hidden, path).unwrap();
    }

    /// Waits until so many statements are in, and says how long it took.
    async fn collected(&self, count: i64) -> Duration {
        self.counted("select count(*) from statement", count).await
    }

    async fn counted(&self, sql: &'static str, count: i64) -> Duration {
        let watch = Stopwatch::start();
        let store = self.store().await;
        loop {
            let found = store.read().await.unwrap().one(sql, Vec::new()).await.unwrap().int(0).unwrap();
            if found >= count {
                return watch.elapsed();
            }
            assert!(watch.elapsed() < Duration::from_secs(60), "{}", std::fs::read_to_string(self.dir.join("log")).unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_file_in_a_local_folder_is_seen_at_once_though_the_rescan_is_an_hour_away() {
    let s = Folder::new(3600, true).await;
    let daemon = s.start();
    s.looked_once().await;
    s.drop_statement("20190315");
    let took = s.counted("select count(*) from sighting", 2).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Seen once more, unchanged, with the next tick: then it is taken.
    s.collected(2).await;
    assert!(daemon.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_the_settings_do_not_know_does_not_wait_in_silence() {
    let s = Folder::new(3600, false).await;
    let mut tx = s.store().await.begin().await.unwrap();
    for sql in [
        "insert into bank (code, name) values ('B02', '乙银行')",
        "insert into agreement (number, department, bank, payer_account, payer_name, profile) values ('B', 'D', 'B02', '2306001234567890', '局', 'split-sf-noheader')",
    ] {
        tx.exec(sql, Vec::new()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let daemon = s.start();
    s.counted("select count(*) from incident where kind = 'no_mailbox' and bank = 'B02' and state = 'open'", 1).await;
    assert!(daemon.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_a_log_that_cannot_be_written_stops_nothing() {
    let s = Folder::new(5, false).await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let daemon = Daemon(s.command("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).spawn().unwrap());
    s.looked_once().await;
    s.drop_statement("20190315");
    s.collected(2).await;
    assert!(daemon.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_without_notices_the_rescan_finds_it() {
    let s = Folder::new(5, false).await;
    let daemon = s.start();
    s.looked_once().await;
    s.drop_statement("20190315");
    s.collected(2).await;
    assert!(daemon.stop().0.success());
}
