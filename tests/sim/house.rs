//! What all seeds share, read once: formats, calendar, an empty database; and how a node is put together over it.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, OnceLock};

use bankgate::config::Config;
use bankgate::domain::calendar::Calendar;
use bankgate::domain::time::Timestamp;
use bankgate::format::Profile;
use bankgate::mail::Mailer;
use bankgate::passes::{Edge, Gateway};
use bankgate::store::{Address, Store, sqlite_pool};
use bankgate::transport::Transport;
use chrono::NaiveDate;
use chrono_tz::Tz;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use super::papers::{CLEARING, COUNTER, SPLIT};
use super::port::{Door, Life, Port, Post, commit, enter};

/// The life that a node has now.
pub type Lives = Arc<Mutex<Arc<Life>>>;

/// The banks, with their profiles.
pub const BANKS: [(&str, &str); 3] = [(COUNTER, "pipe-gbk-summary"), (CLEARING, "fixed-gbk-bytes"), (SPLIT, "split-sf-noheader")];
pub const ZONE: Tz = Tz::Asia__Shanghai;
/// The first day. A month with a holiday follows.
const START: &str = "2019-03-14";
/// The first day of every fourth seed: the year ends soon.
const START_LATE: &str = "2019-12-26";
/// When the next year's money is here.
const NEXT_YEAR: &str = "2020-01-02";

/// Whether a seed sees the year's end.
pub fn sees_the_years_end(seed: u64) -> bool {
    seed.is_multiple_of(4)
}

/// A seed's first midnight.
pub fn start_ms(seed: u64) -> i64 {
    midnight(if sees_the_years_end(seed) { START_LATE } else { START })
}

/// Quiet days behind so many: ten, and where they end about the spring festival, in which no working day passes, until well after it.
pub fn calm_days(seed: u64, days: i64) -> i64 {
    const DAY: i64 = 86_400_000;
    const CALM: i64 = 10;
    let end = start_ms(seed) + (days + CALM) * DAY;
    let (festival, after) = (midnight("2020-01-20"), midnight("2020-02-17"));
    if (festival..after).contains(&end) { CALM + (after - end) / DAY } else { CALM }
}

/// The next year's money.
pub fn funds_of_next_year() -> String {
    let at = midnight(NEXT_YEAR);
    format!("insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2020, 1000000000, {at})")
}

fn midnight(day: &str) -> i64 {
    let date: NaiveDate = day.parse().unwrap();
    Timestamp::from_local(date.and_hms_opt(0, 0, 0).unwrap(), ZONE).millis()
}

/// What all seeds share: read once.
pub struct House {
    pub profiles: BTreeMap<String, Arc<Profile>>,
    pub calendar: Calendar,
    /// An empty database with its schema and master data.
    pub template: Vec<u8>,
}

pub fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let load = |(_, id): &(&str, &str)| ((*id).to_owned(), Arc::new(Profile::load(&root.join("bank-formats").join(id)).unwrap()));
        let profiles = BANKS.iter().map(load).collect();
        let calendar = config(Path::new("unused")).calendar().unwrap();
        // A runtime inside a runtime is refused: on a thread of its own.
        let template = std::thread::spawn(template).join().unwrap();
        House { profiles, calendar, template }
    })
}

fn template() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", path.display());
        let store = Store::connect(&Address { pool_max: 2, ..Address::at(url) }).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let db = people_pool(&path).await;
        let mut statements = vec![
            "insert into department (code, name, mail) values ('D1', '农业农村局', 'd1@city.example')".to_owned(),
            "insert into project (code, name, short_name) values ('1', '耕地地力保护补贴', '耕地补贴')".to_owned(),
            format!(
                "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2019, 1000000000, {})",
                midnight(START)
            ),
        ];
        for (bank, profile) in BANKS {
            statements
                .push(format!("insert into bank (code, name, clearing_no) values ('{bank}', '银行{bank}', '10266500001{}')", &bank[1..]));
            statements.push(format!(
                "insert into agreement (number, department, bank, payer_account, payer_name, payer_bank, unit_no, profile) \
                 values ('A-{bank}', 'D1', '{bank}', '510601012345678901', '乐山市农业农村局', '102665000015', 'LS0001', '{profile}')"
            ));
        }
        for sql in statements {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&db).await.unwrap();
        }
        sqlx::query("pragma wal_checkpoint(truncate)").execute(&db).await.unwrap();
        db.close().await;
    });
    std::fs::read(&path).unwrap()
}

/// One process has the file: its locks are its own, and no other need see them.
pub const VFS: &str = "unix-excl";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::from_str(&format!("sqlite://{}", path.display()))
        .unwrap()
        .vfs(VFS)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::from_secs(30))
        .statement_cache_capacity(500)
}

pub async fn people_pool(path: &Path) -> SqlitePool {
    sqlite_pool(2).idle_timeout(None).max_lifetime(None).connect_with(options(path)).await.unwrap()
}

/// A node's connections: each commit asks the seed, on behalf of the life that the node has then. They outlive it: what they have
/// prepared is most of what opening others costs, and a connection that was given back knows nothing more.
pub async fn node_pool(path: &Path, port: &Port, lives: &Lives) -> SqlitePool {
    let (port, lives) = (Arc::clone(port), Arc::clone(lives));
    sqlite_pool(2)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let (port, lives) = (Arc::clone(&port), Arc::clone(&lives));
            Box::pin(async move {
                connection.lock_handle().await?.set_commit_hook(move || {
                    let life = Arc::clone(&lives.lock().unwrap());
                    commit(&port, &life)
                });
                Ok(())
            })
        })
        .connect_with(options(path))
        .await
        .unwrap()
}

fn config(root: &Path) -> Config {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = format!(
        "[database]\nurl = \"sqlite:b.db\"\n[node]\nname = \"sim\"\nstate_dir = \"{root}/state\"\narchive_dir = \"{root}/archive\"\nlease_ttl_s = 3600\n\
         [time]\ncalendar_dir = \"{house}/config/calendar\"\n[formats]\ndir = \"{house}/bank-formats\"\n\
         [mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"gate@finance.example\"\nfinance_it = [\"it@finance.example\"]\n",
        root = root.display(),
        house = house.display()
    );
    for (bank, _) in BANKS {
        text.push_str(&format!("[[bank]]\ncode = \"{bank}\"\nconnection = {{ kind = \"dir\", root = \"{}/{bank}\" }}\n", root.display()));
    }
    Config::from_text(&text, &root.join("bankgate.toml")).unwrap()
}

pub fn gateway(root: &Path, store: Store, port: &Port, life: &Arc<Life>, holder: &str) -> Gateway {
    let house = house();
    let config = config(root);
    let edges = BANKS
        .iter()
        .map(|(bank, _)| {
            let door = Door { port: Arc::clone(port), life: Arc::clone(life), bank };
            let edge = Edge {
                transport: Transport::Given(Arc::new(door)),
                inbox: "inbox".to_owned(),
                outbox: "outbox".to_owned(),
                done: "done".to_owned(),
                rename_is_atomic: !enter(port).boxes[bank].two_step,
                read_back: true,
                upload_attempts_max: 5,
            };
            ((*bank).to_owned(), edge)
        })
        .collect();
    let mailer = Mailer::Given(Arc::new(Post { port: Arc::clone(port), life: Arc::clone(life) }));
    let (calendar, profiles) = (house.calendar.clone(), house.profiles.clone());
    Gateway { store, config, calendar, profiles, edges, mailer, holder: holder.to_owned() }
}
