//! A small world for stories: the real passes over a real store, mailboxes that are folders, a clock that is a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bankgate::clock::Since;
use bankgate::config::Config;
use bankgate::domain::batch::BatchDigest;
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::format::Profile;
use bankgate::mail::Mailer;
use bankgate::passes::{Done, Edge, Gateway, admit, apply, chase, collect, enquire, expect, plan, publish, reconcile, remedy, seal, stage};
use bankgate::store::admission::PaymentRow;
use bankgate::store::outbound::Lease;
use bankgate::store::sql::{Row, Value};
use bankgate::store::{Address, Store};
use bankgate::transport::{DirEndpoint, Transport};
use chrono::NaiveDate;
use chrono_tz::Tz;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::harness::postgres::Postgres;

pub use super::papers::{CLEARING, COUNTER, SPLIT};

/// Banks of the world, with their profiles: one that imports at a counter, one that clears, one that splits its answers.
pub const BANKS: [(&str, &str); 3] = [(COUNTER, "pipe-gbk-summary"), (CLEARING, "fixed-gbk-bytes"), (SPLIT, "split-sf-noheader")];

const ZONE: Tz = Tz::Asia__Shanghai;

/// Runs a story in a world on SQLite, then in one on PostgreSQL.
pub async fn on_both(story: impl AsyncFn(&mut World)) {
    let mut world = World::on_sqlite().await;
    story(&mut world).await;
    let mut world = World::on_postgres().await;
    story(&mut world).await;
}

/// Some day's local time.
pub fn at(date: &str, time: &str) -> Timestamp {
    let date: NaiveDate = date.parse().unwrap();
    Timestamp::from_local(date.and_time(time.parse().unwrap()), ZONE)
}

/// One county, one department, three banks.
pub struct World {
    pub gateway: Arc<Gateway>,
    pub now: Timestamp,
    pub root: PathBuf,
    /// Where its database is.
    pub url: String,
    _dir: Arc<TempDir>,
}

/// A batch as the platform writes it, to be spoilt by a story before it is released.
#[derive(Clone, Debug)]
pub struct Draft {
    pub number: String,
    pub kind: &'static str,
    pub period: String,
    pub pay_on: String,
    pub maker: &'static str,
    pub rows: Vec<PaymentRow>,
    pub declared_count: i64,
    pub declared: i64,
    pub digest: String,
}

/// A batch of these people, whose cards are at this bank.
pub fn draft(number: &str, bank: &str, people: impl IntoIterator<Item = usize>) -> Draft {
    let rows = people.into_iter().enumerate().map(|(i, who)| person(who, bank, i64::try_from(i).unwrap() + 1)).collect();
    let mut draft = Draft {
        number: number.to_owned(),
        kind: "first",
        period: "2019-03".to_owned(),
        pay_on: "2019-03-14".to_owned(),
        maker: "zhang",
        rows,
        declared_count: 0,
        declared: 0,
        digest: String::new(),
    };
    draft.seal();
    draft
}

/// A batch that pays these failed instructions again: person, reference of what failed.
pub fn reissue(number: &str, bank: &str, again: &[(usize, String)]) -> Draft {
    let mut draft = draft(number, bank, again.iter().map(|(who, _)| *who));
    draft.kind = "reissue";
    for (row, (_, reference)) in draft.rows.iter_mut().zip(again) {
        row.reissue_of.clone_from(reference);
    }
    draft.seal();
    draft
}

impl Draft {
    /// Declares what the rows are.
    pub fn seal(&mut self) {
        let mut digest = BatchDigest::default();
        for row in &self.rows {
            digest.row(&row.digest_line());
        }
        self.digest = digest.finish();
        self.declared_count = i64::try_from(self.rows.len()).unwrap();
        self.declared = self.rows.iter().map(|r| r.amount.get()).sum();
    }
}

/// Somebody's identity number, sound by its check character.
pub fn id_number(who: usize) -> String {
    let body = format!("511123{}0101{:03}", 1970 + who / 1000, who % 1000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
    let check = ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][usize::try_from(sum % 11).unwrap()];
    format!("{body}{check}")
}

fn person(who: usize, bank: &str, seq: i64) -> PaymentRow {
    let name = ["王五", "李珅", "阿牛·木呷", "欧阳億", "赵六", "吉克·伍呷莫", "孙七", "周八", "吴九", "郑十"][who % 10];
    let (name, id) = (Name::new(name), IdNumber::new(id_number(who)));
    PaymentRow {
        id: 0,
        seq,
        township: "某镇".to_owned(),
        village: "某村".to_owned(),
        village_group: "1组".to_owned(),
        household_no: String::new(),
        entitled_name: name.clone(),
        entitled_id: id.clone(),
        payee_name: name,
        payee_id: id,
        payee_role: "self".to_owned(),
        mandate_no: String::new(),
        account: Account::new(format!("62170012345{who:08}")),
        bank: bank.to_owned(),
        mobile: Mobile::new("13800138001"),
        amount: Fen::new(10_000 + i64::try_from(who).unwrap() * 11),
        remark: String::new(),
        reissue_of: String::new(),
    }
}

impl World {
    pub async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("b.db").display());
        Self::open(dir, url).await
    }

    pub async fn on_postgres() -> Self {
        let url = Postgres::shared().fresh_database("story");
        let name = url.split('?').next().unwrap().rsplit_once('/').unwrap().1;
        // Nobody pulls the plug in a story.
        Postgres::shared().psql(&url, &format!("alter database {name} set synchronous_commit = off"));
        Self::open(tempfile::tempdir().unwrap(), url).await
    }

    async fn open(dir: TempDir, url: String) -> Self {
        let root = dir.path().to_owned();
        let store = Store::connect(&Address { pool_max: 8, ..Address::at(url.clone()) }).await.unwrap();
        store.migrate().await.unwrap();
        for folder in ["state/spool", "archive"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let gateway = Arc::new(gateway(store, &root, "one"));
        let world = Self { gateway, now: at("2019-03-14", "10:00:00"), root, url, _dir: Arc::new(dir) };
        world.seed().await;
        world
    }

    /// Another node over the same database and archive, with a disk of its own.
    pub fn another_node(&self) -> Self {
        let mut gateway = gateway(self.gateway.store.clone(), &self.root, "two");
        gateway.config.node.state_dir = self.root.join("state-two");
        std::fs::create_dir_all(gateway.config.node.state_dir.join("spool")).unwrap();
        gateway.profiles.clone_from(&self.gateway.profiles);
        Self { gateway: Arc::new(gateway), now: self.now, root: self.root.clone(), url: self.url.clone(), _dir: Arc::clone(&self._dir) }
    }

    /// A copy of the database as it is now (SQLite).
    pub async fn backup(&self) -> PathBuf {
        let place = self.root.join("backup.db");
        let mut from = SqliteConnection::connect(&format!("sqlite:{}", self.root.join("b.db").display())).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("vacuum into '{}'", place.display()))).execute(&mut from).await.unwrap();
        place
    }

    /// The same node and the same banks over a database that came back from a backup.
    pub async fn restored(&self, backup: &Path) -> Self {
        self.over(format!("sqlite:{}", backup.display())).await
    }

    /// The same node, started again.
    pub async fn started_again(&self) -> Self {
        self.over(self.url.clone()).await
    }

    async fn over(&self, url: String) -> Self {
        let address = Address { pool_max: 8, ..Address::at(url.clone()) };
        let store = Store::connect(&address).await.unwrap();
        let gateway = Arc::new(gateway(store, &self.root, "one"));
        Self { gateway, now: self.now, root: self.root.clone(), url, _dir: Arc::clone(&self._dir) }
    }

    /// The same world with other settings.
    pub fn change(&mut self, how: impl FnOnce(&mut Gateway)) {
        how(Arc::get_mut(&mut self.gateway).unwrap());
    }

    /// From here on a bank answers in polls: each says again what it said before, or something else, and adds to it.
    pub fn polls(&mut self, bank: &str) {
        self.declares(bank, "response = \"replace\"", "response = \"cumulative\"");
    }

    /// From here on a bank's profile says something else, wherever it says this.
    pub fn declares(&mut self, bank: &str, this: &str, that: &str) {
        self.profile_declares(BANKS.iter().find(|(code, _)| *code == bank).unwrap().1, this, that);
    }

    /// The same of a profile by its name.
    pub fn profile_declares(&mut self, id: &str, this: &str, that: &str) {
        let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats");
        let file = house.join(id).join("profile.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(this), "{id} does not say {this}");
        let profile = Arc::new(Profile::read(&text.replace(this, that), &file).unwrap());
        self.change(|g| drop(g.profiles.insert(id.to_owned(), profile)));
    }

    async fn seed(&self) {
        self.sql("insert into department (code, name) values ('D1', '农业农村局'), ('D2', '民政局')").await;
        self.sql("insert into project (code, name, short_name) values ('1', '耕地地力保护补贴', '耕地补贴'), ('2', '退耕还林', '退耕')")
            .await;
        for (bank, profile) in BANKS {
            self.sql(&format!("insert into bank (code, name, clearing_no) values ('{bank}', '银行{bank}', '10266500001{}')", &bank[1..]))
                .await;
            self.sql(&format!(
                "insert into agreement (number, department, bank, payer_account, payer_name, payer_bank, unit_no, profile) \
                 values ('A-{bank}', 'D1', '{bank}', '510601012345678901', '乐山市农业农村局', '102665000015', 'LS0001', '{profile}')"
            ))
            .await;
        }
        self.fund(100_000_000).await;
    }

    /// Money arrives.
    pub async fn fund(&self, fen: i64) {
        let sql = format!(
            "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2019, {fen}, {})",
            self.now.millis()
        );
        self.sql(&sql).await;
    }

    /// Writes a batch and releases it.
    pub async fn release(&self, d: &Draft) {
        self.write(d).await;
        self.sql(&format!("update batch set released_at = {} where number = '{}'", self.now.millis(), d.number)).await;
    }

    async fn write(&self, d: &Draft) {
        let mut tx = self.gateway.store.begin().await.unwrap();
        let sql = "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, approver, \
                   finance_reviewer, released_by, digest, created_at) values ($1, $2, 'D1', '1', $3, $4, $5, $6, $7, 'li', 'wang', 'zhao', $8, 0)";
        let head = bankgate::args![&d.number, d.kind, &d.period, &d.pay_on, d.declared_count, d.declared, d.maker, &d.digest];
        tx.exec(sql, head).await.unwrap();
        for r in &d.rows {
            let sql = "insert into payment (batch, seq, township, village, village_group, household_no, entitled_name, entitled_id, payee_name, \
                       payee_id, payee_role, mandate_no, account, bank, mobile, amount_fen, remark, reissue_of) \
                       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
            let values = bankgate::args![
                &d.number,
                r.seq,
                &r.township,
                &r.village,
                &r.village_group,
                &r.household_no,
                &r.entitled_name,
                &r.entitled_id,
                &r.payee_name,
                &r.payee_id,
                &r.payee_role,
                &r.mandate_no,
                &r.account,
                &r.bank,
                &r.mobile,
                r.amount,
                &r.remark,
                &r.reissue_of
            ];
            tx.exec(sql, values).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Somebody may not be paid any more.
    pub async fn exclude(&self, who: usize) {
        self.sql(&format!("insert into ineligible (id_number, reason, from_date) values ('{}', 'DECEASED', '2019-01-01')", id_number(who)))
            .await;
    }

    // --- the passes, each twice: what a crash between two of them leaves is what the second run finds ---

    pub async fn admit(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("admit", admit::admit(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn lease(&self, bank: &str) -> Lease {
        let store = &self.gateway.store;
        let mut tx = store.begin().await.unwrap();
        let now = store.database_time(&mut tx).await.unwrap();
        let lease = tx.take_lease(bank, &self.gateway.holder, 60_000, now).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        lease
    }

    pub async fn plan(&self, bank: &str) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("plan", plan::plan(&self.gateway, bank, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn seal(&self, bank: &str) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("seal", seal::seal(&self.gateway, bank, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn publish(&self, bank: &str) -> u64 {
        let lease = self.lease(bank).await;
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("publish", publish::publish(&self.gateway, bank, &lease, self.now, Since::Still).await.unwrap()).await;
            changed += self.one("enquire", enquire::send(&self.gateway, bank, &lease, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn collect(&self, bank: &str) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("collect", collect::collect(&self.gateway, bank, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn apply(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("stage", stage::stage(&self.gateway, self.now).await.unwrap()).await;
        }
        for _ in 0..2 {
            changed += self.one("apply", apply::apply(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn reconcile(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("reconcile", reconcile::reconcile(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn remedy(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("remedy", remedy::remedy(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn chase(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("chase", chase::chase(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn expect(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("expect", expect::expect(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    pub async fn one(&self, pass: &str, done: Done) -> u64 {
        if done.changed > 0 {
            self.audit(pass).await;
        }
        done.changed
    }

    /// Two minutes pass, then everything is done once.
    pub async fn round(&mut self) -> u64 {
        self.now = self.now.plus_minutes(2);
        let mut changed = self.admit().await;
        for (bank, _) in BANKS {
            changed += self.plan(bank).await + self.seal(bank).await + self.publish(bank).await + self.collect(bank).await;
        }
        changed += self.apply().await + self.reconcile().await + self.remedy().await + self.chase().await + self.expect().await;
        self.audit("a round").await;
        changed
    }

    /// Rounds until nothing more happens. Something that happens for ever is a failure.
    pub async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..15 {
            quiet = if self.round().await == 0 { quiet + 1 } else { 0 };
            if quiet == 2 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Goes on at another time.
    pub async fn settle_at(&mut self, date: &str, time: &str) {
        self.now = at(date, time);
        self.settle().await;
    }

    // --- what is on the books ---

    pub async fn sql(&self, sql: &str) -> u64 {
        let mut tx = self.gateway.store.begin().await.unwrap();
        let done = tx.exec(sqlx::AssertSqlSafe(sql.to_owned()), Vec::<Value>::new()).await.unwrap();
        tx.commit().await.unwrap();
        done
    }

    pub async fn rows(&self, sql: &str) -> Vec<Row> {
        let mut tx = self.gateway.store.read().await.unwrap();
        tx.rows(sqlx::AssertSqlSafe(sql.to_owned()), Vec::<Value>::new()).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub async fn int(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].int(0).unwrap()
    }

    /// The first column of every row.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.iter().map(|r| r.string(0).unwrap()).collect()
    }

    /// Where a batch's payments stand, in their order.
    pub async fn states(&self, batch: &str) -> Vec<String> {
        self.texts(&format!("select state from v_payment where batch = '{batch}' order by seq")).await
    }

    /// A balance in fen.
    pub async fn balance(&self, kind: &str) -> i64 {
        self.int(&format!("select cast(coalesce(sum(balance_fen), 0) as bigint) from account where kind = '{kind}'")).await
    }

    /// Why rows were not admitted.
    pub async fn refusals(&self) -> Vec<String> {
        self.texts("select reason || ': ' || detail from failure_case where kind = 'rejected' order by id").await
    }

    /// Where the attempts at a batch's payments stand, in their order.
    pub async fn attempts(&self, batch: &str) -> Vec<String> {
        self.texts(&format!("select state from v_instruction where batch = '{batch}' order by id")).await
    }

    /// Files of ours, in the order of their planning: state.
    pub async fn files(&self) -> Vec<String> {
        self.texts("select state from file_out order by id").await
    }

    /// Files of banks, in the order of their arrival: state.
    pub async fn answers(&self) -> Vec<String> {
        self.texts("select state from file_in order by id").await
    }

    /// Open incidents of a kind.
    pub async fn incidents(&self, kind: &str) -> i64 {
        self.int(&format!("select count(*) from incident where kind = '{kind}' and state = 'open'")).await
    }

    /// Cases of a kind.
    pub async fn cases(&self, kind: &str) -> i64 {
        self.int(&format!("select count(*) from failure_case where kind = '{kind}'")).await
    }

    /// The mailbox's folder of a bank.
    pub fn mailbox(&self, bank: &str) -> PathBuf {
        self.root.join("banks").join(bank)
    }

    /// Every equation holds, by the product's own count.
    pub async fn books_hold(&self) {
        let unequal = self.gateway.store.read().await.unwrap().books().await.unwrap().unequal();
        assert!(unequal.is_empty(), "on {}: {unequal:?}", self.gateway.store.engine());
    }

    // --- the auditor: the laws, from the tables, by SQL of its own ---

    pub async fn audit(&self, after: &str) {
        self.no_fen_is_lost(after).await;
        self.subledger_is_ledger(after).await;
        self.nobody_is_paid_twice(after).await;
        self.nothing_pends_without_a_turn(after).await;
    }

    async fn none(&self, after: &str, law: &str, sql: &str) {
        let found = self.rows(sql).await;
        assert!(found.is_empty(), "after {after} on {}: {law}: {found:?}", self.gateway.store.engine());
    }

    async fn no_fen_is_lost(&self, after: &str) {
        let sql = "select entry, cast(sum(amount_fen) as bigint) from posting group by entry having sum(amount_fen) <> 0";
        self.none(after, "an entry does not balance", sql).await;
        let sql = "select a.id, a.kind, a.balance_fen from account a where a.balance_fen <> \
                   (select coalesce(sum(p.amount_fen), 0) from posting p where p.account = a.id)";
        self.none(after, "a balance is not the sum of its postings", sql).await;
        let sql = "select b.batch, b.total, coalesce(v.total, 0) from \
                   (select batch, cast(sum(total_fen) as bigint) as total from file_out where state not in ('voided', 'abandoned') and kind = 'instruction' group by batch) b \
                   left join (select batch, cast(sum(amount_fen) as bigint) as total from v_instruction where state in \
                   ('planned', 'sent', 'accepted', 'paid', 'returned', 'failed', 'failed_final', 'reissued', 'unknown', 'conflict', \
                   'recovered', 'lapsed', 'refunding', 'refunded', 'carried') group by batch) v \
                   on v.batch = b.batch where b.total <> coalesce(v.total, 0)";
        self.none(after, "instructed is not in flight + paid + returned + failed + unknown", sql).await;
        let sql = "select a.batch, a.admitted_fen from admission a where a.state = 'admitted' and a.admitted_fen <> \
                   (select coalesce(sum(p.amount_fen), 0) from payment p where p.batch = a.batch and exists \
                   (select 1 from v_instruction v where v.payment_id = p.id and v.state <> 'voided'))";
        self.none(after, "what was admitted is not what is instructed or pending", sql).await;
    }

    async fn subledger_is_ledger(&self, after: &str) {
        let place = "case when v.state in ('planned', 'sent', 'accepted') then 'bank_clearing' when v.state = 'paid' then 'paid' \
                     when v.state = 'recovered' or (v.state in ('failed', 'failed_final', 'returned') and v.class = 'IR') then 'suspense:ineligible' \
                     when v.state = 'lapsed' then 'carry' when v.state = 'refunding' then 'refund_in_transit' \
                     when v.state in ('failed', 'failed_final', 'returned') then 'suspense:correctable' \
                     when v.state in ('unknown', 'conflict') then 'suspense:unknown' else '' end";
        let states = format!(
            "select {place} as kind, case when v.state in ('planned', 'sent', 'accepted') then v.bank else '' end as bank, b.department, b.project, a.year, \
             sum(v.amount_fen) as fen from (select v.batch, v.bank, v.state, v.class, coalesce(s.amount_fen, v.amount_fen) as amount_fen from v_instruction v \
             left join instruction_state s on s.instruction_id = v.id union all select m.batch, '', m.state, m.class, m.amount_fen from remainder m) v \
             join batch b on b.number = v.batch join admission a on a.batch = v.batch where v.state not in ('pending', 'voided', 'reissued', 'refunded', 'carried') group by 1, 2, 3, 4, 5"
        );
        let mut subledger: BTreeMap<String, i64> = BTreeMap::new();
        let wanted = format!(
            "select kind || '/' || bank || '/' || department || '/' || project || '/' || cast(year as text), cast(fen as bigint) from ({states}) s"
        );
        for row in self.rows(&wanted).await {
            subledger.insert(row.string(0).unwrap(), row.int(1).unwrap());
        }
        // What was opened at the switch-over has no instruction of ours, and what a bank says against our books stands beside it.
        let beside = "select a.kind || '/' || a.bank || '/' || a.department || '/' || a.project || '/' || cast(a.year as text), cast(sum(p.amount_fen) as bigint) \
                      from posting p join account a on a.id = p.account join entry e on e.id = p.entry where a.kind not in ('treasury', 'zero_balance') and \
                      (e.opening is not null or exists (select 1 from posting q join account c on c.id = q.account where q.entry = e.id and c.kind = 'conflict')) group by 1";
        for row in self.rows(beside).await {
            *subledger.entry(row.string(0).unwrap()).or_default() += row.int(1).unwrap();
        }
        subledger.retain(|_, fen| *fen != 0);
        let mut ledger: BTreeMap<String, i64> = BTreeMap::new();
        let sql = "select kind || '/' || bank || '/' || department || '/' || project || '/' || cast(year as text), balance_fen from account \
                   where balance_fen <> 0 and kind not in ('treasury', 'zero_balance')";
        for row in self.rows(sql).await {
            ledger.insert(row.string(0).unwrap(), row.int(1).unwrap());
        }
        assert_eq!(subledger, ledger, "after {after} on {}: subledger (left) is not ledger (right)", self.gateway.store.engine());
        // What was carried over the year's end is paid anew from new funds.
        let spent = self
            .int(
                "select cast(coalesce(sum(v.amount_fen), 0) as bigint) from v_instruction v where v.state not in ('pending', 'voided') \
                 and (v.previous_id is null or exists (select 1 from instruction i join instruction_state c on c.instruction_id = i.previous_id and i.part = 0 where i.id = v.id and c.state = 'carried') \
                 or exists (select 1 from instruction i join remainder m on m.instruction_id = i.previous_id and m.part = i.part where i.id = v.id and m.state = 'carried'))",
            )
            .await;
        let funded =
            self.int("select cast(coalesce(sum(f.amount_fen), 0) as bigint) from funding f join entry e on e.funding = f.id").await;
        assert_eq!(self.balance("zero_balance").await, funded - spent, "after {after}: zero balance is not funds less first instructions");
    }

    async fn nobody_is_paid_twice(&self, after: &str) {
        let sql = "select claim_key from instruction where live = 1 group by claim_key having count(*) > 1";
        self.none(after, "two live claims", sql).await;
        // Who may be or become paid holds the claim, unless a person was told that it is too late.
        let sql = "select v.id, v.state from v_instruction v where v.live = 0 and v.state not in ('failed_final', 'reissued', 'voided', 'lapsed', 'refunded', 'carried') \
                   and not exists (select 1 from failure_case c where c.instruction_id = v.id and c.kind = 'double_payment_suspected')";
        self.none(after, "a claim is free and its instruction is not finally failed", sql).await;
        let sql = "select i.claim_key from v_instruction v join instruction i on i.id = v.id where v.state not in ('failed_final', 'reissued', 'voided', 'lapsed', 'refunded', 'carried') \
                   and not exists (select 1 from failure_case c where c.instruction_id = v.id and c.kind = 'double_payment_suspected') \
                   group by i.claim_key having count(*) > 1";
        self.none(after, "two instructions of one claim may be paid", sql).await;
    }

    async fn nothing_pends_without_a_turn(&self, after: &str) {
        let sql = "select v.id from v_instruction v where v.state = 'pending' and not exists \
                   (select 1 from tranche t where t.next_id <= v.id and t.last_id >= v.id)";
        self.none(after, "it pends and no tranche will plan it", sql).await;
        let sql = "select t.id, t.open_fen from tranche t where t.open_fen <> \
                   (select coalesce(sum(v.amount_fen), 0) from v_instruction v where v.id >= t.next_id and v.id <= t.last_id)";
        self.none(after, "a tranche's open sum is not that of its open rows", sql).await;
        let sql = "select f.id from file_out f where f.state not in ('voided', 'abandoned') and f.kind = 'instruction' and f.rows <> \
                   (select count(*) from instruction i where i.id >= f.first_id and i.id <= f.last_id)";
        self.none(after, "a file has a gap", sql).await;
    }
}

fn gateway(store: Store, root: &Path, holder: &str) -> Gateway {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = format!(
        "[database]\nurl = \"sqlite:b.db\"\n[node]\nname = \"{holder}\"\nstate_dir = \"{root}/state\"\narchive_dir = \"{root}/archive\"\n\
         [time]\ncalendar_dir = \"{house}/config/calendar\"\n[formats]\ndir = \"{house}/bank-formats\"\n\
         [mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"gate@finance.example\"\nfinance_it = [\"it@finance.example\"]\n",
        root = root.display(),
        house = house.display()
    );
    let mut edges = BTreeMap::new();
    let mut profiles = BTreeMap::new();
    for (bank, profile) in BANKS {
        let mailbox = root.join("banks").join(bank);
        for folder in ["inbox", "outbox", "done"] {
            std::fs::create_dir_all(mailbox.join(folder)).unwrap();
        }
        text.push_str(&format!("[[bank]]\ncode = \"{bank}\"\nconnection = {{ kind = \"dir\", root = \"{}\" }}\n", mailbox.display()));
        edges.insert(
            bank.to_owned(),
            Edge {
                transport: Transport::Dir(DirEndpoint { root: mailbox }),
                inbox: "inbox".to_owned(),
                outbox: "outbox".to_owned(),
                done: "done".to_owned(),
                rename_is_atomic: true,
                read_back: true,
                upload_attempts_max: 5,
            },
        );
        profiles.insert(profile.to_owned(), Arc::new(Profile::load(&house.join("bank-formats").join(profile)).unwrap()));
    }
    let config = Config::from_text(&text, &root.join("bankgate.toml")).unwrap();
    let calendar = config.calendar().unwrap();
    let mailer = Mailer::Memory(Arc::default());
    Gateway { store, config, calendar, profiles, edges, mailer, holder: holder.to_owned() }
}
