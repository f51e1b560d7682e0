//! A small world for the outbound half: a real store, one or two banks' mailboxes, admitted rows that wait for a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bankgate::args;
use bankgate::clock::Since;
use bankgate::config::Config;
use bankgate::domain::time::Timestamp;
use bankgate::format::Profile;
use bankgate::mail::Mailer;
use bankgate::passes::{Done, Edge, Gateway, PassError, admit, plan, publish, seal};
use bankgate::store::outbound::Lease;
use bankgate::store::sql::Value;
use bankgate::store::{Address, Store};
use bankgate::transport::{DirEndpoint, Transport};
use sha2::{Digest as _, Sha256};

/// 10:00 in Leshan on a Tuesday without a holiday.
const START: i64 = 1_552_960_800_000;
/// The day of the start: nothing is late.
const PAY_ON: &str = "2019-03-19";
pub const LEASE_MILLIS: i64 = 60_000;

/// No flag, no ack, no folder.
pub const PLAIN: &str = "split-sf-noheader";
/// A flag, an ack, a folder for each day.
pub const FLAGGED: &str = "fixed-gbk-bytes";

pub struct Bank {
    pub code: &'static str,
    pub transport: Transport,
    /// The mailbox, as this machine sees it.
    pub root: PathBuf,
    pub profile: Arc<Profile>,
}

impl Bank {
    pub fn new(code: &'static str, transport: Transport, root: &Path, profile: Profile) -> Self {
        for dir in ["inbox", "outbox"] {
            let path = root.join(dir);
            std::fs::create_dir_all(&path).unwrap();
            open_to_all(&path);
        }
        Self { code, transport, root: root.to_owned(), profile: Arc::new(profile) }
    }
}

pub fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub banks: Vec<Bank>,
    pub now: Timestamp,
    pub attempts_max: u32,
    pub rename_is_atomic: bool,
    pub read_back: bool,
    next_id: i64,
    batches: i64,
}

/// A file's row, as far as the protocol goes.
#[derive(Debug)]
pub struct Row {
    pub id: i64,
    pub state: String,
    pub evidence: String,
    pub sha256: String,
    pub attempt: i64,
    pub part: String,
    pub dir: String,
    pub name: String,
    pub flag: String,
    pub copies: i64,
    pub why: String,
}

pub fn profile_text(id: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id).join("profile.toml")).unwrap()
}

pub fn profile(id: &str) -> Profile {
    profile_like(id, &[])
}

/// A profile with some words exchanged.
pub fn profile_like(id: &str, changes: &[(&str, &str)]) -> Profile {
    let mut text = profile_text(id);
    for (what, instead) in changes {
        assert!(text.contains(what), "{what}");
        text = text.replacen(what, instead, 1);
    }
    Profile::read(&text, Path::new("profile.toml")).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whatever is not a part, in a mailbox's inbox and one folder below: path and bytes.
pub fn finals(inbox: &Path) -> BTreeMap<String, Vec<u8>> {
    all_files(inbox).into_iter().filter(|(name, _)| !name.ends_with(".part")).collect()
}

pub fn parts(inbox: &Path) -> Vec<String> {
    all_files(inbox).into_keys().filter(|name| name.ends_with(".part")).collect()
}

fn all_files(inbox: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![(String::new(), inbox.to_owned())];
    while let Some((prefix, dir)) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                dirs.push((format!("{name}/"), entry.path()));
            } else if let Ok(bytes) = std::fs::read(entry.path()) {
                // Else it was renamed or taken between the listing and the look.
                found.insert(name, bytes);
            }
        }
    }
    found
}

impl World {
    /// A world on SQLite.
    pub async fn new(banks: Vec<Bank>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("bankgate.db").display());
        Self::on(dir, &url, banks).await
    }

    /// A world on another database.
    pub async fn on(dir: tempfile::TempDir, url: &str, banks: Vec<Bank>) -> Self {
        let address = Address { pool_max: 4, ..Address::at(url.to_owned()) };
        let store = Store::connect(&address).await.unwrap();
        store.migrate().await.unwrap();
        let now = Timestamp::from_millis(START);
        let world = Self { dir, store, banks, now, attempts_max: 3, rename_is_atomic: true, read_back: true, next_id: 1, batches: 0 };
        world.sql("insert into department (code, name) values ('511100', '农业农村局')", args![]).await;
        world.sql("insert into project (code, name, short_name) values ('P', '耕地地力保护补贴', '耕地补贴')", args![]).await;
        let funding =
            "insert into funding (department, project, year, amount_fen, arrived_at) values ('511100', 'P', 2019, 100000000000, 0)";
        world.sql(funding, args![]).await;
        for bank in &world.banks {
            world.sql("insert into bank (code, name) values ($1, $1)", args![bank.code]).await;
            let agreement = "insert into agreement (number, department, bank, payer_account, payer_name, payer_bank, unit_no, profile, cutoff) \
                             values ($1, '511100', $1, '2313001', '农业农村局', '313665000014', 'U0001', $2, '23:59')";
            world.sql(agreement, args![bank.code, bank.profile.id()]).await;
        }
        admit::admit(&world.node("setup"), now).await.unwrap();
        world
    }

    /// A world with one bank behind a directory.
    pub async fn in_a_directory(profile: Profile) -> (Self, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        let transport = Transport::Dir(DirEndpoint { root: root.path().to_owned() });
        (Self::new(vec![Bank::new("B01", transport, root.path(), profile)]).await, root)
    }

    pub fn inbox(&self) -> PathBuf {
        self.banks[0].root.join("inbox")
    }

    pub async fn sql(&self, sql: &'static str, values: Vec<Value>) -> u64 {
        let mut tx = self.store.begin().await.unwrap();
        let moved = tx.exec(sql, values).await.unwrap();
        tx.commit().await.unwrap();
        moved
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.store.read().await.unwrap().one(sql, args![]).await.unwrap().int(0).unwrap()
    }

    /// A node: a process of its own with its own state directory.
    pub fn node(&self, holder: &str) -> Gateway {
        let state = self.dir.path().join(holder);
        for dir in ["spool", "shadow"] {
            std::fs::create_dir_all(state.join(dir)).unwrap();
        }
        let text = format!(
            "[database]\nurl = \"sqlite:x\"\n[node]\nname = \"{holder}\"\nstate_dir = \"{}\"\narchive_dir = \"{}\"\n\
             [mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"a@b.example\"\nfinance_it = [\"duty@b.example\"]\n",
            state.display(),
            self.dir.path().join("archive").display()
        );
        let mut config = Config::from_text(&text, Path::new("/etc/bankgate/bankgate.toml")).unwrap();
        config.time.calendar_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/calendar");
        let edge = |bank: &Bank| Edge {
            transport: bank.transport.clone(),
            inbox: "inbox".to_owned(),
            outbox: "outbox".to_owned(),
            done: String::new(),
            rename_is_atomic: self.rename_is_atomic,
            read_back: self.read_back,
            upload_attempts_max: self.attempts_max,
        };
        Gateway {
            store: self.store.clone(),
            calendar: config.calendar().unwrap(),
            config,
            profiles: self.banks.iter().map(|b| (b.profile.id().to_owned(), Arc::clone(&b.profile))).collect(),
            edges: self.banks.iter().map(|b| (b.code.to_owned(), edge(b))).collect(),
            mailer: Mailer::Memory(Arc::default()),
            holder: holder.to_owned(),
        }
    }

    /// An admitted batch of so many rows for a bank.
    pub async fn batch(&mut self, bank: &str, rows: i64) {
        self.batches += 1;
        let number = format!("PC{:06}", self.batches);
        let (first, last) = (self.next_id, self.next_id + rows - 1);
        self.next_id += rows;
        let mut tx = self.store.begin().await.unwrap();
        let sql = "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, created_at) \
                   values ($1, 'first', '511100', 'P', '2019', $4, $2, $3, 0)";
        tx.exec(sql, args![&number, rows, rows * 100, PAY_ON]).await.unwrap();
        let sql = "insert into admission (batch, state, digest, year, admitted_count, admitted_fen, decided_at) values ($1, 'admitted', 'x', 2019, $2, $3, 0)";
        tx.exec(sql, args![&number, rows, rows * 100]).await.unwrap();
        let sql = "insert into tranche (batch, agreement, bank, kind, first_id, next_id, last_id, open_fen, not_before, created_at) \
                   values ($1, $2, $2, 'first', $3, $3, $4, $5, $6, 0)";
        tx.exec(sql, args![&number, bank, first, last, rows * 100, PAY_ON]).await.unwrap();
        const COLUMNS: [&str; 12] = [
            "id",
            "payment_id",
            "root_payment_id",
            "claim_key",
            "batch",
            "payee_name",
            "payee_id",
            "account",
            "bank_code",
            "mobile",
            "amount_fen",
            "remark",
        ];
        let values = (first..=last).map(|id| {
            args![id, id, id, id, &number, "张三", "511102197001011234", format!("621700{id:013}"), "313665000014", "", 100_i64, ""]
        });
        tx.bulk("instruction", &COLUMNS, Box::new(values)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The lease, taken over from whoever has it.
    pub async fn lease(&self, node: &Gateway, bank: &str) -> Lease {
        self.sql("update lease set expires_at = 0 where bank = $1", args![bank]).await;
        let mut tx = self.store.begin().await.unwrap();
        let now = self.store.database_time(&mut tx).await.unwrap();
        let lease = tx.take_lease(bank, &node.holder, LEASE_MILLIS, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        lease
    }

    /// Plan, seal and publish at the first bank under a lease taken over for it.
    pub async fn run(&self, node: &Gateway) -> Result<Done, PassError> {
        let bank = self.banks[0].code;
        let lease = self.lease(node, bank).await;
        self.run_under(node, &lease).await
    }

    pub async fn run_under(&self, node: &Gateway, lease: &Lease) -> Result<Done, PassError> {
        plan::plan(node, &lease.bank, self.now).await?;
        seal::seal(node, &lease.bank, self.now).await?;
        publish::publish(node, &lease.bank, lease, self.now, Since::Still).await
    }

    /// Puts what waits into sealed files.
    pub async fn prepare(&self, node: &Gateway) {
        for bank in &self.banks {
            plan::plan(node, bank.code, self.now).await.unwrap();
            seal::seal(node, bank.code, self.now).await.unwrap();
        }
    }

    pub fn later(&mut self, minutes: i64) {
        self.now = self.now.plus_minutes(minutes);
    }

    pub async fn rows(&self) -> Vec<Row> {
        let sql =
            "select id, state, evidence, sha256, attempt, part_name, dir, name, flag_name, copies, held_reason from file_out order by id";
        let found = self.store.read().await.unwrap().rows(sql, args![]).await.unwrap();
        let row = |r: &bankgate::store::sql::Row| Row {
            id: r.int(0).unwrap(),
            state: r.string(1).unwrap(),
            evidence: r.string(2).unwrap(),
            sha256: r.string(3).unwrap(),
            attempt: r.int(4).unwrap(),
            part: r.string(5).unwrap(),
            dir: r.string(6).unwrap(),
            name: r.string(7).unwrap(),
            flag: r.string(8).unwrap(),
            copies: r.int(9).unwrap(),
            why: r.string(10).unwrap(),
        };
        found.iter().map(row).collect()
    }

    pub async fn last(&self) -> Row {
        self.rows().await.pop().unwrap()
    }

    /// Open incidents: kind and key, with how often.
    pub async fn incidents(&self) -> Vec<(String, String, i64)> {
        let sql = "select kind, key, times from incident where state = 'open' order by id";
        let found = self.store.read().await.unwrap().rows(sql, args![]).await.unwrap();
        found.iter().map(|r| (r.string(0).unwrap(), r.string(1).unwrap(), r.int(2).unwrap())).collect()
    }
}

impl Row {
    pub fn path(&self) -> String {
        if self.dir.is_empty() { self.name.clone() } else { format!("{}/{}", self.dir, self.name) }
    }

    pub fn flag_path(&self) -> String {
        if self.dir.is_empty() { self.flag.clone() } else { format!("{}/{}", self.dir, self.flag) }
    }
}
