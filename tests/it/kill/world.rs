//! Servers, two nodes and the batches that keep coming.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bankgate::clock::{Clock, Stopwatch};
use bankgate::config::Config;
use bankgate::daemon::assemble::assemble;
use bankgate::passes::operate::guard::propose_release;
use bankgate::passes::operate::propose::approve;
use bankgate::store::desk::Operator;
use bankgate::store::sql::Value;
use chrono::Datelike as _;

use super::bank::{Bank, files_below};
use crate::harness::day::{today, zone};
use crate::harness::postgres::Postgres;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::sshd::Sshd;
use crate::harness::{folder, run, until};

/// No flag; the bank answers.
const PLAIN: &str = "B01";
/// A flag and a folder for each day; the bank only takes.
const FLAGGED: &str = "B02";
/// For everything to come to rest at the end.
const REST: Duration = Duration::from_secs(180);

/// Everything around the binary.
pub struct World {
    pub postgres: Postgres,
    pub sshd: Sshd,
    /// Before the bank's server.
    pub sftp: Proxy,
    /// Before the database.
    pub database: Proxy,
    pub banks: Vec<Bank>,
    dir: PathBuf,
    /// Round the proxy: the world's own questions are not cut.
    url: String,
    name: String,
    nodes: [Option<Child>; 2],
    /// Number of people so far: each is paid once.
    people: i64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let dir = folder("kill");
        let (postgres, sshd) = (Postgres::start_on_loopback(), Sshd::start());
        let url = postgres.fresh_database("kill");
        let name = url.split_once('?').unwrap().0.rsplit_once('/').unwrap().1.to_owned();
        let (sftp, database) = (Proxy::start(sshd.port), Proxy::start(postgres.port.unwrap()));
        let banks = [PLAIN, FLAGGED].map(|code| Bank::start(code, &sshd, seed)).into();
        let world = Self { postgres, sshd, sftp, database, banks, dir, url, name, nodes: [None, None], people: 0 };
        world.write_calendar();
        world.prepare();
        world
    }

    /// Every day is a working day, so that the test holds on any day.
    fn write_calendar(&self) {
        std::fs::create_dir_all(self.dir.join("calendar")).unwrap();
        let this_year = today().year();
        for year in this_year - 1..=this_year + 1 {
            let first = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
            let weekends = first.iter_days().take_while(|d| d.year() == year).filter(|d| d.weekday().number_from_monday() > 5);
            let days: Vec<String> = weekends.map(|d| format!("\"{d}\"")).collect();
            let text = format!("source = \"a test\"\nyear = {year}\nholidays = []\nworkdays = [{}]\n", days.join(", "));
            std::fs::write(self.dir.join(format!("calendar/{year}.toml")), text).unwrap();
        }
    }

    fn prepare(&self) {
        std::fs::write(self.dir.join("bank.key"), &self.sshd.client_key_pem).unwrap();
        run(Command::new("chmod").arg("600").arg(self.dir.join("bank.key")));
        for node in 0..2 {
            std::fs::create_dir_all(self.dir.join(format!("state{node}"))).unwrap();
            std::fs::write(self.config(node), self.settings(node)).unwrap();
        }
        for made in ["archive", "mails"] {
            std::fs::create_dir_all(self.dir.join(made)).unwrap();
        }
        run(self.command(0, "migrate").stdin(Stdio::null()));
        let year = today().year();
        self.psql(&format!(
            "insert into department (code, name, mail) values ('D', '局', 'd@example.org'); \
             insert into project (code, name, short_name) values ('1', '补贴', '补贴') on conflict (code) do nothing; \
             insert into bank (code, name, clearing_no, contacts) values ('B01', '甲银行', '102665000018', 'a@example.org'), \
             ('B02', '乙银行', '102665000019', 'b@example.org'); \
             insert into agreement (number, department, bank, payer_account, payer_name, unit_no, payer_bank, profile, cutoff) values \
             ('A1', 'D', 'B01', '2306001234567890', '局', '0001', '102665000018', 'split-sf-noheader', '24:00'), \
             ('A2', 'D', 'B02', '2306001234567891', '局', '0001', '102665000019', 'fixed-gbk-bytes', '24:00'); \
             insert into funding (department, project, year, budget_line, funds_model, amount_fen, arrived_at) \
             values ('D', '1', {year}, '2130122', 'quota', 100000000000, 1)",
        ));
    }

    fn settings(&self, node: usize) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let banks: String = [PLAIN, FLAGGED]
            .map(|code| {
                let home = self.sshd.root.join(code);
                format!(
                    "[[bank]]\ncode = \"{code}\"\ninbox = \"{home}/inbox\"\noutbox = \"{home}/outbox\"\ndone = \"{home}/done\"\nrename = \"atomic\"\n\
                     upload_attempts_max = 100\n[bank.connection]\nkind = \"sftp\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
                     key = {{ file = \"bank.key\" }}\nhost_keys = [\"{key}\"]\n\n",
                    home = home.display(),
                    port = self.sftp.port,
                    user = self.sshd.user,
                    key = self.sshd.host_key_line
                )
            })
            .concat();
        format!(
            "[database]\nurl = \"postgres://bankgate@127.0.0.1:{port}/{database}\"\n\n\
             [node]\nname = \"node{node}\"\nstate_dir = \"state{node}\"\narchive_dir = \"archive\"\nsocket = \"state{node}/s\"\nlease_ttl_s = 10\n\n\
             [time]\nzone = \"{zone}\"\ncalendar_dir = \"calendar\"\ntick_s = 1\nrescan_s = 5\n\n[formats]\ndir = \"{root}/bank-formats\"\n\n\
             [admission]\ncatalogue = \"{root}/config/catalogue.toml\"\n\n\
             [mail]\nkind = \"file\"\ndir = \"mails\"\nfrom = \"bankgate@example.org\"\nfinance_it = [\"it@example.org\"]\n\n{banks}",
            port = self.database.port,
            database = self.name,
            root = root.display(),
            zone = zone()
        )
    }

    fn config(&self, node: usize) -> PathBuf {
        self.dir.join(format!("node{node}.toml"))
    }

    /// For nodes to come.
    pub fn set_statement_timeout(&self, seconds: u64) {
        for node in 0..2 {
            let settings = self.settings(node).replacen("[database]\n", &format!("[database]\nstatement_timeout_s = {seconds}\n"), 1);
            std::fs::write(self.config(node), settings).unwrap();
        }
    }

    fn command(&self, node: usize, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bankgate"));
        command.arg("--config").arg(self.config(node)).arg(what);
        command
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn psql(&self, sql: &str) -> String {
        self.postgres.psql(&self.url, &format!("set search_path to bankgate; {sql}")).trim().to_owned()
    }

    /// What lies in a bank's inbox under a final name.
    pub fn finals(&self, bank: &str) -> Vec<String> {
        let inbox = self.sshd.root.join(bank).join("inbox");
        files_below(&inbox, &inbox).into_iter().filter(|path| !path.ends_with(".part")).collect()
    }

    /// A batch for each bank, approved and released by the platform's hands.
    pub fn release(&mut self, round: u64, rows: i64) {
        for bank in [PLAIN, FLAGGED] {
            let (batch, from) = (format!("{bank}-{round}"), self.people);
            self.people += rows;
            let rows_sql: Vec<String> = (1..=rows)
                .map(|n| {
                    let (id, account) = (id_number(from + n), format!("62170000000{:08}", from + n));
                    format!("('{batch}', {n}, '甲', '{id}', '甲', '{id}', 'self', '{account}', '{bank}', {})", 100 + n)
                })
                .collect();
            self.psql(&format!(
                "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, budget_line, created_at) \
                 values ('{batch}', 'first', 'D', '1', '{year}', '{today}', {rows}, {sum}, 'a', '2130122', 1)",
                sum = 100 * rows + rows * (rows + 1) / 2,
                year = today().year(),
                today = today(),
            ));
            for some in rows_sql.chunks(500) {
                self.psql(&format!(
                    "insert into payment (batch, seq, entitled_name, entitled_id, payee_name, payee_id, payee_role, account, bank, amount_fen) values {}",
                    some.join(", ")
                ));
            }
            self.psql(&format!(
                "update batch b set approver = 'b', finance_reviewer = 'c', digest = ( \
                   select encode(sha256(convert_to(coalesce(string_agg(encode(sha256(convert_to(concat_ws(chr(31), \
                   p.seq::text, p.township, p.village, p.village_group, p.household_no, p.entitled_name, p.entitled_id, p.payee_name, p.payee_id, \
                   p.payee_role, p.mandate_no, p.account, p.bank, p.mobile, p.amount_fen::text, p.remark, p.reissue_of \
                   ), 'UTF8')), 'hex'), '' order by p.seq), ''), 'UTF8')), 'hex') from payment p where p.batch = b.number) where number = '{batch}'; \
                 update batch set released_by = 'd', released_at = (extract(epoch from clock_timestamp()) * 1000)::bigint where number = '{batch}'"
            ));
        }
    }

    /// Starts whoever does not run.
    pub fn start_all(&mut self) {
        for node in 0..2 {
            self.start(node);
        }
    }

    /// Starts a node, unless it runs.
    pub fn start(&mut self, node: usize) {
        if self.nodes[node].as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
            let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join(format!("log{node}"))).unwrap();
            let mut command = self.command(node, "run");
            self.nodes[node] = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        }
    }

    pub fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.nodes[node].take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn stall(&self, node: usize) {
        self.signal(node, rustix::process::Signal::STOP);
    }

    /// Starts a node, and stops it in the middle of a transaction that has taken a bank's lease.
    pub fn stop_with_a_lease_in_hand(&mut self, node: usize) {
        self.psql(
            "create function waits() returns trigger language plpgsql as \
             'begin perform pg_advisory_xact_lock_shared(1); return new; end'; \
             create trigger waits after insert or update on lease for each row execute function waits()",
        );
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let gateway = assemble(Config::load(&self.config(node)).unwrap()).await.unwrap();
            let mut tx = gateway.store.begin().await.unwrap();
            tx.exec("select pg_advisory_xact_lock(1)", Vec::<Value>::new()).await.unwrap();
            self.start(node);
            until("it to take a lease", || (self.sessions("wait_event = 'advisory'") > 0).then_some(()));
            self.stall(node);
            tx.commit().await.unwrap();
            until("the lease to be in its hand", || (self.left_open() > 0).then_some(()));
            gateway.store.close().await;
        });
    }

    /// How many transactions stand open that have taken a lease, and whoever began them says nothing.
    pub fn left_open(&self) -> u64 {
        self.sessions("state = 'idle in transaction' and query like 'insert into lease %'")
    }

    fn sessions(&self, which: &str) -> u64 {
        self.psql(&format!("select count(*) from pg_stat_activity where datname = current_database() and {which}")).parse().unwrap()
    }

    pub fn resume(&self, node: usize) {
        self.signal(node, rustix::process::Signal::CONT);
    }

    fn signal(&self, node: usize, signal: rustix::process::Signal) {
        if let Some(child) = &self.nodes[node] {
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The database's address moves to another server, and the one before is gone.
    pub fn move_to(&mut self, postgres: Postgres) {
        self.database.point_to(postgres.port.unwrap());
        self.database.cut_all();
        self.url = postgres.url_of(&self.name);
        self.postgres = postgres;
    }

    /// Two persons let publishing go on.
    pub fn release_publishing(&self) {
        let person = |login: &str| Operator { login: login.into(), name: login.into(), role: "finance".into(), department: String::new() };
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let gateway = assemble(Config::load(&self.config(0)).unwrap()).await.unwrap();
            let now = Clock::System.now();
            let (id, _) = propose_release(&gateway, &person("qian"), "compared with both banks", &[], now).await.unwrap();
            assert!(approve(&gateway, &person("qian"), id, now).await.is_err(), "the same person");
            approve(&gateway, &person("sun"), id, now).await.unwrap();
            gateway.store.close().await;
        });
    }

    /// What `doctor` finds, kind by kind.
    pub fn doctor(&self) -> String {
        let output = self.command(0, "doctor").args(["--offline", "--json"]).stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the nodes have logged.
    pub fn logs(&self) -> String {
        (0..2).map(|node| std::fs::read_to_string(self.dir.join(format!("log{node}"))).unwrap_or_default()).collect()
    }

    /// The database's last event.
    pub fn last_event(&self) -> i64 {
        self.psql("select coalesce(max(id), 0) from event").parse().unwrap()
    }

    /// How far this database had come when the node last looked at it; nothing where that was another one.
    pub fn seen(&self, node: usize) -> Option<i64> {
        let text = std::fs::read_to_string(self.dir.join(format!("state{node}/database.seen"))).ok()?;
        let seen: serde_json::Value = serde_json::from_str(&text).ok()?;
        let timeline: i64 = self
            .psql("select cast(('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)) as bit(32)) :: bigint")
            .parse()
            .unwrap();
        (seen["database"]["timeline"] == timeline).then(|| seen["event"].as_i64().unwrap())
    }

    /// Leases run out, and pauses after trouble are over.
    pub fn let_time_pass(&self) {
        self.psql("update lease set expires_at = 0; update edge set next_at = 0");
    }

    /// No more blows: both nodes run until all that may come to rest has.
    pub fn settle(&mut self) {
        self.sftp.set(Fault::None);
        self.database.set(Fault::None);
        self.start_all();
        self.let_time_pass();
        let watch = Stopwatch::start();
        loop {
            let unrest = self.psql(
                "select (select count(*) from batch b where not exists (select 1 from admission a where a.batch = b.number and a.state = 'admitted')) \
                 || ' batches not admitted, ' || (select count(*) from tranche where next_id <= last_id) || ' tranches not planned, ' \
                 || (select count(*) from file_out where state in ('planned', 'sealed', 'uploading', 'publishing')) || ' files not out, ' \
                 || (select count(*) from file_out where bank = 'B01' and state in ('sent', 'accepted')) || ' files not answered'",
            );
            if unrest == "0 batches not admitted, 0 tranches not planned, 0 files not out, 0 files not answered" {
                return;
            }
            if watch.elapsed() > REST {
                let told = self.psql("select string_agg(kind || ': ' || what || chr(10), '') from incident where state = 'open'");
                panic!("no rest: {unrest}\n{told}\nlogs stay in {}", self.dir.display());
            }
            self.start_all();
            self.psql("update edge set next_at = 0");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Before the server whose folders they work in.
        self.banks.clear();
        for node in 0..2 {
            self.kill(node);
        }
        if !std::thread::panicking() {
            _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// An identity number of its own for each, with its check digit.
fn id_number(who: i64) -> String {
    let born = chrono::NaiveDate::from_ymd_opt(1950, 1, 1).unwrap() + chrono::Days::new(u64::try_from(who / 900).unwrap());
    let body = format!("511123{}{:03}", born.format("%Y%m%d"), 100 + who % 900);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
    let check = ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][usize::try_from(sum % 11).unwrap()];
    format!("{body}{check}")
}
