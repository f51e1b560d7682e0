//! A database with departments, banks and batches as the passes leave them, on both engines, and a reader of letters.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bankgate::args;
use bankgate::config::Config;
use bankgate::domain::calendar::Calendar;
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::domain::time::Timestamp;
use bankgate::format::workbook::{HEADER_ROW, SHEET_ABOUT};
use bankgate::mail::{Mailer, Sent};
use bankgate::passes::Gateway;
use bankgate::store::admission::{NewCase, NewInstruction, NewTranche, Verdict};
use bankgate::store::sql::{Row, Tx, Value};
use bankgate::store::{Address, Store};
use base64::Engine as _;
use calamine::{Reader, Xlsx};
use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::harness::postgres::Postgres;

pub const ID: &str = "511181199001012019";

const CONFIG: &str = r#"
[database]
url = "sqlite:bankgate.db"
[node]
name = "node-a"
[mail]
kind = "file"
dir = "mail"
from = "bankgate@finance.example"
finance_it = ["duty@finance.example"]
[[bank]]
code = "A"
connection = { kind = "dir", root = "banks/a" }
"#;

pub struct World {
    pub gateway: Gateway,
    pub sent: Arc<Mutex<Vec<Sent>>>,
    pub dir: tempfile::TempDir,
    address: Address,
}

/// Rows of one statement: SQLite looks each named value up in a list, so that many of them take quadratic time.
pub const FEW: usize = 100;

/// A payment's card: nineteen digits, each one's own.
pub fn card(id: i64) -> String {
    format!("6217001234567{id:06}")
}

pub fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2019, 3, day).unwrap()
}

pub fn at(date: u32, hour: u32, minute: u32) -> Timestamp {
    Timestamp::from_local(day(date).and_hms_opt(hour, minute, 0).unwrap(), Tz::Asia__Shanghai)
}

/// The same world on each engine.
pub async fn worlds() -> Vec<World> {
    vec![sqlite().await, World::new(Some(Postgres::shared().fresh_database("reports"))).await]
}

pub async fn sqlite() -> World {
    World::new(None).await
}

impl World {
    async fn new(url: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = url.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("bankgate.db").display()));
        let address = Address { pool_max: 4, ..Address::at(url) };
        let store = Store::connect(&address).await.unwrap();
        store.migrate().await.unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let gateway = Gateway {
            store,
            config: Config::from_text(CONFIG, &dir.path().join("bankgate.toml")).unwrap(),
            calendar: Calendar::from_toml_texts([("2019.toml", include_str!("../../../config/calendar/2019.toml"))]).unwrap(),
            profiles: BTreeMap::new(),
            edges: BTreeMap::new(),
            mailer: Mailer::Memory(Arc::clone(&sent)),
            holder: "node-a-1".to_owned(),
        };
        let world = Self { gateway, sent, dir, address };
        for (code, name, mail) in [("D1", "测试市民政局", "民政局 <mz@example.gov.cn>, cw@example.gov.cn"), ("D2", "测试市农业农村局", "")]
        {
            world.run("insert into department (code, name, mail) values ($1, $2, $3)", args![code, name, mail]).await;
        }
        world.run("insert into project (code, name, short_name) values ('P1', '耕地地力保护补贴', '耕补')", args![]).await;
        world
            .run("insert into bank (code, name, contacts) values ('A', '甲银行', 'ops@bank-a.example'), ('B', '乙银行', '')", args![])
            .await;
        for (number, bank) in [("AG1", "A"), ("AG2", "B")] {
            let sql = "insert into agreement (number, department, bank, payer_account, payer_name, profile) values ($1, 'D1', $2, '1', '零余额', 'x')";
            world.run(sql, args![number, bank]).await;
        }
        world
    }

    /// Another process over the same rows.
    pub async fn restart(&mut self) {
        self.gateway.store = Store::connect(&self.address).await.unwrap();
    }

    pub async fn run(&self, sql: &'static str, values: Vec<Value>) {
        let mut tx = self.gateway.store.begin().await.unwrap();
        tx.exec(sql, values).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn rows(&self, sql: &'static str) -> Vec<Row> {
        self.gateway.store.read().await.unwrap().rows(sql, args![]).await.unwrap()
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.rows(sql).await[0].int(0).unwrap()
    }

    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        self.rows(sql).await.iter().map(|r| r.string(0).unwrap()).collect()
    }

    /// The bytes of the mails of a kind, oldest first.
    pub async fn mails(&self, kind: &str) -> Vec<Letter> {
        let sql = "select recipients, eml from outbox_mail where kind = $1 order by id";
        let rows = self.gateway.store.read().await.unwrap().rows(sql, args![kind]).await.unwrap();
        rows.iter().map(|r| Letter::read(r.text(0).unwrap(), r.bytes(1).unwrap())).collect()
    }

    /// A batch `B<n>` of department D1 with payments and instructions `n * 1000 + seq` (seq from 1), all in one block at
    /// bank A and, but for the last `pending` of them, in one file whose lines stand like this.
    pub async fn batch(&self, n: i64, count: i64, pending: i64, lines_state: &str) -> String {
        let number = format!("B{n}");
        let (first, last) = (n * 1000 + 1, n * 1000 + count);
        let mut tx = self.gateway.store.begin().await.unwrap();
        insert_batch(&mut tx, &number, first, count).await;
        let rows: Vec<NewInstruction> = (first..=last).map(|id| instruction(id, id, None)).collect();
        tx.insert_instructions(&number, &rows).await.unwrap();
        let total = Fen::new(100 * count);
        let tranche = tranche(&mut tx, &number, "first", (first, last), total).await;
        if count > pending {
            file(&mut tx, n, tranche, &number, (first, last - pending), lines_state).await;
        }
        tx.exec("update tranche set next_id = $2 where id = $1", args![tranche, last + 1 - pending]).await.unwrap();
        tx.commit().await.unwrap();
        number
    }

    /// A row of its own for one line.
    pub async fn line(&self, batch: &str, id: i64, state: &str, class: &str, reason: &str) {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, class, reason, since) values ($1, $2, $3, $4, 100, $5, $6, 0)";
        self.run(sql, args![id, id / 1000, batch, state, class, reason]).await;
    }
}

pub async fn insert_batch(tx: &mut Tx, number: &str, first: i64, count: i64) {
    const COLUMNS: &[&str] =
        &["id", "batch", "seq", "township", "village", "payee_name", "payee_id", "account", "bank", "amount_fen", "remark"];
    let sql = "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, created_at) \
               values ($1, 'first', 'D1', 'P1', '2019', '2019-03-20', $2, $3, 0)";
    tx.exec(sql, args![number, count, 100 * count]).await.unwrap();
    let payment = |id: i64| args![id, number, id - first + 1, "符溪镇", "测试村", format!("测{id}"), ID, card(id), "A", 100, "备注"];
    let payments: Vec<_> = (first..first + count).map(payment).collect();
    for some in payments.chunks(FEW) {
        tx.bulk("payment", COLUMNS, Box::new(some.iter().cloned())).await.unwrap();
    }
    let admitted = (u64::try_from(count).unwrap(), Fen::new(100 * count));
    let verdict = Verdict { state: "admitted", year: 2019, admitted, ..Verdict::default() };
    assert!(tx.set_verdict((number, ""), &verdict, at(19, 9, 0)).await.unwrap());
}

pub fn instruction(id: i64, payment_id: i64, previous_id: Option<i64>) -> NewInstruction {
    NewInstruction {
        id,
        payment_id,
        root_payment_id: payment_id,
        previous_id,
        part: 0,
        attempt: 1,
        claim_key: id,
        payee_name: Name::new(format!("测{payment_id}")),
        payee_id: IdNumber::new(ID),
        account: Account::new(card(payment_id)),
        bank_code: String::new(),
        mobile: Mobile::new(""),
        amount: Fen::new(100),
        remark: String::new(),
        ordinal: 1,
    }
}

pub async fn tranche(tx: &mut Tx, batch: &str, kind: &str, (first_id, last_id): (i64, i64), open: Fen) -> i64 {
    let new = NewTranche { batch, agreement: "AG1", bank: "A", kind, first_id, last_id, open, not_before: day(20) };
    tx.insert_tranche(&new, at(19, 9, 0)).await.unwrap()
}

pub async fn file(tx: &mut Tx, id: i64, tranche: i64, batch: &str, (first, last): (i64, i64), lines_state: &str) {
    let sql = "insert into file_out (id, bank, agreement, tranche, batch, profile, profile_digest, business_date, seq_no, dir, name, path_taken, exchange_key, \
               first_id, last_id, rows, total_fen, state, lines_state, created_at, updated_at) values ($1, 'A', 'AG1', $2, $3, 'x', '', '2019-03-20', $1, '', $4, $4, $4, \
               $5, $6, $7, $8, 'answered', $9, 0, 0)";
    let rows = last - first + 1;
    tx.exec(sql, args![id, tranche, batch, format!("PAY{id}"), first, last, rows, 100 * rows, lines_state]).await.unwrap();
}

/// A case of payment (and instruction) `id`, opened at this time.
pub fn case(kind: &'static str, id: i64, department: &str, bank: &str, reason: Reason, date: NaiveDate) -> NewCase {
    NewCase {
        kind,
        payment_id: id,
        root_payment_id: id,
        instruction_id: (kind != "rejected").then_some(id),
        part: 0,
        batch: format!("B{}", id / 1000),
        department: department.to_owned(),
        bank: bank.to_owned(),
        amount: Fen::new(100),
        reason: reason.code(),
        class: reason.class().code(),
        detail: format!("户名不符，原户名为[李四测试] {}", card(id)),
        owner: "department",
        business_date: date,
        due_on: day(27),
    }
}

impl World {
    pub async fn cases(&self, cases: &[NewCase], now: Timestamp) {
        let mut tx = self.gateway.store.begin().await.unwrap();
        tx.insert_cases(cases, now).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// A letter as another program reads it.
#[derive(Debug)]
pub struct Letter {
    pub recipients: String,
    pub subject: String,
    pub to: String,
    pub text: String,
    pub html: String,
    pub workbooks: Vec<Vec<u8>>,
}

impl Letter {
    pub fn read(recipients: &str, eml: &[u8]) -> Self {
        const SCRIPT: &str = r"
import base64, email, email.policy, json, sys
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
print(json.dumps({
    'subject': m['subject'], 'to': m['to'],
    'text': m.get_body(('plain',)).get_content(), 'html': m.get_body(('html',)).get_content(),
    'files': [base64.b64encode(p.get_content()).decode() for p in m.iter_attachments()],
}))";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), eml).unwrap();
        let read = crate::harness::smtp::run(std::process::Command::new("python3").args(["-c", SCRIPT]).arg(file.path())).stdout;
        let read: serde_json::Value = serde_json::from_slice(&read).unwrap();
        let text = |key: &str| read[key].as_str().unwrap().to_owned();
        let decode = |file: &serde_json::Value| base64::engine::general_purpose::STANDARD.decode(file.as_str().unwrap()).unwrap();
        Self {
            recipients: recipients.to_owned(),
            subject: text("subject"),
            to: text("to"),
            text: text("text"),
            html: text("html"),
            workbooks: read["files"].as_array().unwrap().iter().map(decode).collect(),
        }
    }

    /// The payments of its workbook: these columns of each row, by their keys.
    pub fn table(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let mut book = Xlsx::new(Cursor::new(self.workbooks[0].clone())).unwrap();
        let about = book.worksheet_range(SHEET_ABOUT).unwrap();
        let columns = about.rows().find(|row| row[0] == "columns").unwrap()[1].to_string();
        let first = book.sheet_names()[0].clone();
        let sheet = book.worksheet_range(&first).unwrap();
        let at = |key: &&str| u32::try_from(columns.split(',').position(|k| k == *key).unwrap()).unwrap();
        let rows = HEADER_ROW + 1..=sheet.end().unwrap().0;
        rows.map(|row| keys.iter().map(|key| sheet.get_value((row, at(key))).map(ToString::to_string).unwrap_or_default()).collect())
            .collect()
    }

    /// Nothing whole, and nobody's name, in what is read on telephones.
    pub fn assert_bodies_name_nobody(&self) {
        let digits = regex::Regex::new(r"\d{15}").unwrap();
        for body in [&self.subject, &self.text, &self.html] {
            assert!(!body.contains(ID) && !body.contains("621700") && !body.contains("李四"), "{body}");
            assert!(!digits.is_match(body), "{body}");
        }
    }
}

/// Every file of the archive of a workbook, unpacked, for a search in all of it.
pub fn unpacked(workbook: &[u8], dir: &Path) -> String {
    let file = dir.join("workbook.xlsx");
    std::fs::write(&file, workbook).unwrap();
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nfor n in z.namelist(): sys.stdout.buffer.write(z.read(n))";
    let output = crate::harness::smtp::run(std::process::Command::new("python3").args(["-c", script]).arg(&file));
    String::from_utf8(output.stdout).unwrap()
}
