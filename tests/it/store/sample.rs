//! A database of its own per case, and a few rows for every table in it.

use std::collections::{BTreeMap, BTreeSet};

use bankgate::args;
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::store::admission::NewInstruction;
use bankgate::store::outbound::NewFile;
use bankgate::store::sql::Row;
use bankgate::store::{Address, Store, StoreError};

use crate::harness::postgres::Postgres;

/// 2019-03-14 17:20 in Leshan.
pub const NOW: Timestamp = Timestamp::from_millis(1_552_555_200_000);

/// A database without tables.
pub struct World {
    pub store: Store,
    pub url: String,
    _dir: Option<tempfile::TempDir>,
}

pub fn address(url: &str) -> Address {
    Address { pool_max: 6, ..Address::at(url.to_owned()) }
}

impl World {
    pub async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("bankgate.db").display());
        Self { store: Store::connect(&address(&url)).await.unwrap(), url, _dir: Some(dir) }
    }

    pub async fn postgres() -> Self {
        let url = Postgres::shared().fresh_database("store");
        Self { store: Store::connect(&address(&url)).await.unwrap(), url, _dir: None }
    }

    pub fn is_postgres(&self) -> bool {
        self.store.engine() == "PostgreSQL"
    }

    /// Runs one statement in a transaction of its own.
    pub async fn exec(&self, sql: &str) -> Result<u64, StoreError> {
        let mut tx = self.store.begin().await?;
        let moved = tx.exec(sqlx::AssertSqlSafe(sql), args![]).await?;
        tx.commit().await.map(|()| moved)
    }

    /// The same, and it must move something (or be no statement that moves rows).
    pub async fn must(&self, sql: &str) {
        let moved = self.exec(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert!(moved > 0 || sql.starts_with("create"), "{sql} moved nothing");
    }

    pub async fn rows(&self, sql: &str) -> Vec<Row> {
        self.store.read().await.unwrap().rows(sqlx::AssertSqlSafe(sql), args![]).await.unwrap()
    }

    pub async fn row(&self, sql: &str) -> Row {
        self.rows(sql).await.into_iter().next().unwrap_or_else(|| panic!("no row: {sql}"))
    }

    /// Tables of ours.
    pub async fn tables(&self) -> BTreeSet<String> {
        let sql = if self.is_postgres() {
            "select cast(tablename as text) from pg_tables where schemaname = 'bankgate'"
        } else {
            "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
        };
        self.rows(sql).await.iter().map(|r| r.string(0).unwrap()).collect()
    }

    /// How many rows each table has.
    pub async fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for table in self.tables().await {
            let count = self.row(&format!("select count(*) from {table}")).await.int(0).unwrap();
            counts.insert(table, count);
        }
        counts
    }

    /// Migrated, with the sample rows.
    pub async fn sampled(&self) {
        self.store.migrate().await.unwrap();
        self.sample().await;
    }

    /// One batch of three payments, two of them in a file, one of those failed; a row at least in most tables.
    pub async fn sample(&self) {
        let now = NOW.millis();
        let mut tx = self.store.begin().await.unwrap();
        for sql in [
            "insert into department (code, name) values ('D1', '市农业农村局')".to_owned(),
            "insert into operator (login, name, role) values ('a', '甲', 'finance_it')".into(),
            "insert into project (code, name, short_name) values ('P1', '耕地地力保护补贴', '地力补贴')".into(),
            "insert into bank (code, name) values ('B01', '甲银行')".into(),
            "insert into agreement (number, department, bank, payer_account, payer_name, profile) values ('A-1', 'D1', 'B01', '621700000001', '某局', 'p')".into(),
            format!(
                "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, approver, released_by, \
                 released_at, digest, created_at) values ('B-1', 'first', 'D1', 'P1', '2019', '2019-03-15', 3, 3690, 'm', 'a', 'r', {now}, 'd', {now})"
            ),
            format!("insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', 'P1', 2019, 100000, {now})"),
            "insert into ineligible (id_number, from_date) values ('11010519491231002X', '2019-04-01')".into(),
            format!("insert into admission (batch, state, digest, year, admitted_count, admitted_fen, decided_at) values ('B-1', 'admitted', 'd', 2019, 3, 3690, {now})"),
            format!("insert into tranche (batch, agreement, bank, kind, first_id, next_id, last_id, open_fen, not_before, created_at) values ('B-1', 'A-1', 'B01', 'first', 1, 3, 3, 1230, '2019-03-15', {now})"),
            format!(
                "insert into file_out (bank, agreement, tranche, batch, profile, profile_digest, business_date, seq_no, dir, name, path_taken, exchange_key, \
                 first_id, last_id, rows, total_fen, state, lines_state, created_at, updated_at) values ('B01', 'A-1', 1, 'B-1', 'p', 'x', '2019-03-15', 1, '', \
                 's.txt', 's.txt', 'S', 1, 2, 2, 2460, 'sent', 'sent', {now}, {now})"
            ),
            format!("insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, reason, class, file_in, line, since) values (1, 1, 'B-1', 'failed', 1230, 'ACCT_CLOSED', 'CD', 1, 1, {now})"),
            format!("insert into file_in (bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, state, seen_at, updated_at) values ('B01', 'p', 'x', 'result', 'all', '', 'r.txt', 'S', '00', 9, 'a', 1, 1, 'applied', {now}, {now})"),
            "insert into answer_line (file_in, line, instruction_id, seq, payee_name, id_number, account, outcome, is_final, reason, class, raw_code, raw_text, bank_ref, on_date) values (1, 1, 1, 1, '', '', '', 'failed', 1, 'ACCT_CLOSED', 'CD', '', '', '', '')".into(),
            "insert into final_answer (file_out, instruction_id, kind, file_in) values (1, 1, 'result', 1)".into(),
            "insert into account (department, project, year, kind, bank, free_sign) values ('D1', 'P1', 2020, 'treasury', '', 1)".into(),
            format!("insert into entry (at, kind) values ({now}, 'fund')"),
            "insert into posting (entry, account, amount_fen) values (1, 1, -1)".into(),
            format!("insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, amount_fen, reason, class, owner, business_date, due_on, opened_at) values ('failed', 1, 1, 1, 'B-1', 'D1', 1230, 'ACCT_CLOSED', 'CD', 'department', '2019-03-15', '2019-03-20', {now})"),
            "insert into statement (bank, account, from_date, to_date, opening_fen, closing_fen, entries, file_in) values ('B01', '621700000001', '2019-03-15', '2019-03-15', 0, -5, 1, 1)".into(),
            "insert into statement_line (statement, line, on_date, side, amount_fen, reference, bank_ref, counter_account, counter_name, words) values (1, 1, '2019-03-15', 'debit', 5, '', '', '', '', '')".into(),
            format!("insert into proposal (act, subject, reason, effect, effect_hash, proposed_by, proposed_at) values ('x', 'y', 'z', 'e', 'h', 'a', {now})"),
            format!("insert into incident (key, kind, what, next_step, first_at, last_at) values ('k', 'k', 'w', 'n', {now}, {now})"),
            "insert into edge (bank) values ('B02')".into(),
            format!("insert into sighting (bank, path, bytes, modified_s, seen_at) values ('B01', 'r.txt', 9, 0, {now})"),
        ] {
            tx.exec(sqlx::AssertSqlSafe(sql.as_str()), args![]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        for seq in 1..=3 {
            let sql = "insert into payment (batch, seq, payee_name, amount_fen) values ('B-1', $1, '阿牛', 1230)";
            tx.exec(sql, args![seq]).await.unwrap();
        }
        // In plain words, not by the program's own: the sample enters older schemas too.
        let sql = "insert into instruction (id, payment_id, root_payment_id, claim_key, batch, payee_name, payee_id, account, bank_code, mobile, amount_fen, remark) \
                   values ($1, $1, $1, $1, 'B-1', '阿牛·木呷', '11010519491231002X', '6217001234567890014', 'B01', '', 1230, '')";
        for id in 1..=3 {
            tx.exec(sql, args![id]).await.unwrap();
        }
        tx.event("file_out", 1, ("sent", "publishing", "sent"), "daemon", "", NOW).await.unwrap();
        tx.audit("daemon", "admit", "B-1", "", NOW).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// An instruction of 12.30 yuan for payment `id`.
pub fn instruction(id: i64, claim_key: i64) -> NewInstruction {
    NewInstruction {
        id,
        payment_id: id,
        root_payment_id: id,
        previous_id: None,
        part: 0,
        attempt: 1,
        claim_key,
        payee_name: Name::new("阿牛·木呷"),
        payee_id: IdNumber::new("11010519491231002X"),
        account: Account::new("6217001234567890014"),
        bank_code: "B01".into(),
        mobile: Mobile::default(),
        amount: Fen::new(1230),
        remark: String::new(),
        ordinal: 1,
    }
}

/// A file for the third instruction of the sample.
pub fn new_file(name: &str, seq_no: i64) -> NewFile<'_> {
    NewFile {
        bank: "B01",
        agreement: "A-1",
        tranche: 1,
        batch: "B-1",
        profile: ("p", "x"),
        business_date: chrono::NaiveDate::from_ymd_opt(2019, 3, 18).unwrap(),
        seq_no,
        dir: "",
        name,
        flag_name: "",
        key: "K",
        range: (3, 3),
        total: Fen::new(1230),
    }
}
