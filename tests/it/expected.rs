//! `bankgate expected` and `bankgate funds` as people and programs meet them.

use std::path::Path;
use std::process::{Command, Output};

use bankgate::clock::Clock;
use bankgate::domain::time::Timestamp;
use bankgate::store::{Address, Store};

use crate::harness::day::{today, zone};

fn bankgate(config: &Path, words: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_bankgate")).env("BANKGATE_CONFIG", config).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A database on disk with what these statements write, and settings that name it.
async fn world(dir: &Path, statements: &[String]) -> std::path::PathBuf {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["formats", "state", "archive", "mail"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    let url = format!("sqlite:{}", dir.join("b.db").display());
    let text = format!(
        "[database]\nurl = \"{url}\"\n[node]\nname = \"one\"\nstate_dir = \"{d}/state\"\narchive_dir = \"{d}/archive\"\n[time]\nzone = \"{zone}\"\ncalendar_dir = \"{}/config/calendar\"\n\
         [formats]\ndir = \"{d}/formats\"\n[mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"gate@finance.example\"\nfinance_it = [\"it@finance.example\"]\n",
        house.display(),
        d = dir.display(),
        zone = zone()
    );
    let config = dir.join("bankgate.toml");
    std::fs::write(&config, text).unwrap();
    let store = Store::connect(&Address { pool_max: 2, ..Address::at(url) }).await.unwrap();
    store.migrate().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for sql in statements {
        tx.exec(sqlx::AssertSqlSafe(sql.clone()), vec![]).await.unwrap();
    }
    tx.commit().await.unwrap();
    config
}

fn reference() -> Vec<String> {
    [
        "insert into department (code, name) values ('D1', '农业农村局')",
        "insert into project (code, name, short_name) values ('1', '耕地地力保护补贴', '耕地补贴')",
        "insert into bank (code, name, contacts) values ('B1', '甲银行', '钱 0833-555'), ('B2', '乙银行', '孙 0833-777')",
        "insert into agreement (number, department, bank, payer_account, payer_name, profile) values ('A1', 'D1', 'B1', '510601012345678901', '某局', 'p'), \
         ('A2', 'D1', 'B2', '510601012345670002', '某局', 'p')",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_of_days_and_banks_says_what_has_not_come_and_whom_to_phone() {
    let dir = tempfile::tempdir().unwrap();
    let now = Clock::System.now();
    let today = today();
    let (late, later) = (now.plus_minutes(-180), now.plus_minutes(600));
    let row = |bank: &str, kind: &str, subject: &str, due: Timestamp, came: &str| {
        format!(
            "insert into expected_file (bank, kind, subject, on_date, due_at, came_at) values ('{bank}', '{kind}', '{subject}', '{today}', {}, {came})",
            due.millis()
        )
    };
    let mut sql = reference();
    sql.push(format!(
        "insert into file_out (id, bank, agreement, tranche, batch, profile, profile_digest, business_date, seq_no, dir, name, path_taken, exchange_key, first_id, last_id, rows, \
         total_fen, state, lines_state, created_at, updated_at) values (7, 'B1', 'A1', null, 'X', 'p', 'd', '{today}', 1, '', 'PAY0001.TXT', 'PAY0001.TXT', 'k', 1, 2, 2, 12345, \
         'sent', 'sent', 0, 0)"
    ));
    sql.extend([
        row("B1", "ack", "7", late, &now.millis().to_string()),
        row("B1", "result", "7", late, "null"),
        row("B2", "statement", "510601012345670002", later, "null"),
    ]);
    let config = world(dir.path(), &sql).await;
    let (code, text, error) = bankgate(&config, &["expected"]);
    assert!(code == 3 && error.is_empty(), "{code} {error}");
    for part in ["✓1 ✗1", "…1", "PAY0001.TXT", "123.45", "钱 0833-555", "3小时", "file enquire 7", "对账单"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("510601012345670002"), "an account is masked: {text}");
    let (_, text, _) = bankgate(&config, &["expected", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((json["late"].as_u64(), json["expected"].as_array().unwrap().len()), (Some(1), 3));
    let states: Vec<_> = json["expected"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["came", "late", "later"]);
    assert_eq!(json["expected"][1]["late_hours"], 3);
    let (_, text, _) = bankgate(&config, &["doctor", "--offline", "--json"]);
    assert!(text.contains("result_overdue") && !text.contains("statement_missing"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_funds_of_a_purse_are_shown_with_what_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let now = Clock::System.now();
    let fund = |model: &str, fen: i64, at: Timestamp| {
        format!(
            "insert into funding (department, project, year, funds_model, amount_fen, arrived_at) values ('D1', '1', 2019, '{model}', {fen}, {})",
            at.millis()
        )
    };
    let mut sql = reference();
    sql.extend([fund("quota", 10_000, now), fund("cash", 20_000, now), fund("quota", 30_000, now.plus_minutes(90))]);
    sql.push(format!(
        "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, released_at, created_at) values ('B-1', 'first', 'D1', '1', '2019', \
         '2019-03-14', 1, 50000, {}, 0)",
        now.millis()
    ));
    sql.push(format!(
        "insert into admission (batch, state, digest, year, reasons, decided_at) values ('B-1', 'held', '', 2019, '额度不足', {})",
        now.millis()
    ));
    let config = world(dir.path(), &sql).await;
    let (code, text, error) = bankgate(&config, &["funds"]);
    assert!(code == 0 && error.is_empty(), "{code} {error}");
    for part in ["资金方式与协议不符", "尚未到账", "待登记", "B-1", "500.00"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let (_, text, _) = bankgate(&config, &["funds", "--batch", "B-1", "--department", "D1", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["batches"][0]["state"], json["purses"][0]["arrivals"].as_array().unwrap().len()), (&serde_json::json!("held"), 3));
    let (_, text, _) = bankgate(&config, &["funds", "--batch", "none", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["purses"], serde_json::json!([]));
}
