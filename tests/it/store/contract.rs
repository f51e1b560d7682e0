//! What the platform may rely on: `docs/DATABASE.md` is executed as it stands, and the roles hold on a real PostgreSQL.

use std::collections::BTreeMap;
use std::path::Path;

use bankgate::domain::batch::{BatchDigest, Hands, Persons, is_period};
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::money::Fen;
use bankgate::store::Store;
use bankgate::store::roles::roles_sql;

use super::on_both;
use super::sample::{NOW, World, address, new_file};
use crate::harness::postgres::Postgres;

on_both! {
    the_view_gives_the_reference_that_a_reissue_names
    every_table_and_view_is_described
}

const INTAKE: [&str; 9] = ["department", "operator", "project", "bank", "agreement", "batch", "payment", "funding", "ineligible"];

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DATABASE.md")).unwrap()
}

/// The SQL block under `<!-- example: NAME -->`.
fn example(name: &str) -> String {
    let text = document();
    let (_, rest) = text.split_once(&format!("<!-- example: {name} -->\n```sql\n")).unwrap_or_else(|| panic!("no example {name:?}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// PostgreSQL with the tables and the roles.
async fn granted() -> World {
    let w = World::postgres().await;
    w.store.migrate().await.unwrap();
    for _ in 0..2 {
        Postgres::shared().psql(&w.url, &roles_sql("bankgate").unwrap());
    }
    w
}

/// Runs SQL in a role, by psql; what it printed, or what it was refused with.
fn as_role(w: &World, role: &str, sql: &str) -> Result<String, String> {
    Postgres::shared().try_psql(&w.url, &format!("set role {role}; set search_path to bankgate; {sql}"))
}

#[tokio::test]
async fn the_documents_example_is_a_batch_that_adds_up() {
    let w = granted().await;
    for step in ["reference", "enter", "approve", "release"] {
        as_role(&w, "bankgate_platform", &example(step)).unwrap_or_else(|e| panic!("{step}: {e}"));
    }
    let mut tx = w.store.begin().await.unwrap();
    let now = w.store.database_time(&mut tx).await.unwrap();
    let batches = tx.batches_at_gate(now.plus_minutes(1)).await.unwrap();
    let [b] = batches.as_slice() else { panic!("one batch is at the gate: {batches:?}") };
    assert!(tx.batches_at_gate(now.plus_minutes(-60)).await.unwrap().is_empty(), "released_at is now, in milliseconds");
    let hands = Hands { maker: &b.maker, approver: &b.approver, finance_reviewer: &b.finance_reviewer, released_by: &b.released_by };
    assert!(hands.faults().is_empty() && is_period(&b.period) && b.pay_on.parse::<chrono::NaiveDate>().is_ok());

    let rows = tx.payments_after(&b.number, 0, 100).await.unwrap();
    let mut digest = BatchDigest::default();
    let mut sum = Fen::ZERO;
    for row in &rows {
        digest.row(&row.digest_line());
        sum = sum.checked_add(row.amount).unwrap();
        let persons = Persons {
            entitled_name: &row.entitled_name,
            entitled_id: &row.entitled_id,
            payee_name: &row.payee_name,
            payee_id: &row.payee_id,
            role: &row.payee_role,
            mandate_no: &row.mandate_no,
            household_no: &row.household_no,
            pays_households: false,
        };
        assert_eq!(persons.fault(), None, "row {}", row.seq);
    }
    assert_eq!(b.digest, digest.finish());
    assert_eq!((i64::try_from(rows.len()).unwrap(), sum), (b.declared_count, b.declared));
    assert_eq!(tx.funds_to_book(now.plus_minutes(1)).await.unwrap().len(), 1);
    assert_eq!(tx.agreements_on("D-NY", &b.pay_on).await.unwrap().len(), 1);
    let seen = as_role(&w, "bankgate_platform", "select state, declared_yuan from v_batch").unwrap();
    assert_eq!(seen.trim().lines().last(), Some("released|246.90"));
}

/// The statement of the document against the code, over rows that try it: order, emptiness, every kind of character.
#[tokio::test]
async fn the_digest_by_sql_is_the_digest_by_code() {
    let w = World::postgres().await;
    w.sampled().await;
    let texts = ["", "𠀀㐀🙂", "a\\b", "é", "e\u{301}", "　全角", "'\"%s{}", "\u{7f}\u{1f}", "阿牛·木呷"];
    let mut tx = w.store.begin().await.unwrap();
    tx.exec("delete from payment", vec![]).await.unwrap();
    // Written in another order than that of their numbers, which is 1, 2, 10 and not 1, 10, 2.
    for (seq, text) in (1..=12_i64).rev().zip(texts.iter().cycle()) {
        let sql = "insert into payment (batch, seq, township, village, village_group, household_no, entitled_name, entitled_id, payee_name, payee_id, payee_role, \
                   mandate_no, account, bank, mobile, amount_fen, remark, reissue_of) \
                   values ('B-1', $1, $2, 'v', 'g', 'h', $2, 'e', $2, 'i', 'self', 'm', 'c', 'b', 'o', $3, $2, 'r')";
        tx.exec(sql, bankgate::args![seq, *text, 1_i64 << (seq * 4)]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let approve = example("approve").replace("2019-NY-0001", "B-1").replace(" and b.released_at is null", "");
    let by_sql = |url: &str| {
        Postgres::shared().psql(url, &approve);
        Postgres::shared().psql(url, "select digest from bankgate.batch").trim().to_owned()
    };
    let mut digest = BatchDigest::default();
    for row in w.store.read().await.unwrap().payments_after("B-1", 0, 100).await.unwrap() {
        digest.row(&row.digest_line());
    }
    assert_eq!(by_sql(&w.url), digest.finish());
    w.must("delete from payment").await;
    assert_eq!(by_sql(&w.url), BatchDigest::default().finish(), "no rows");
    assert_eq!(
        BatchDigest::default().finish(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "the SHA-256 of nothing"
    );
}

#[tokio::test]
async fn every_column_of_the_intake_is_documented() {
    let w = World::sqlite().await;
    w.store.migrate().await.unwrap();
    let text = document();
    for table in INTAKE {
        let (_, rest) = text.split_once(&format!("\n### {table} (")).unwrap_or_else(|| panic!("{table} has no section"));
        let section = rest.split("\n#").next().unwrap();
        let documented: Vec<&str> = section.lines().filter(|l| l.starts_with("| `")).map(|l| l.split('|').nth(1).unwrap()).collect();
        let documented = documented.concat();
        let mut found: Vec<_> = documented.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let mut columns: Vec<_> =
            w.rows(&format!("select name from pragma_table_info('{table}')")).await.iter().map(|r| r.string(0).unwrap()).collect();
        found.sort();
        columns.sort();
        assert_eq!(found, columns, "{table}");
    }
}

/// The names at the beginnings of lines that begin like this, up to the mark that ends a name there.
fn named(text: &str, begin: &str, end: char) -> Vec<String> {
    let heads = text.lines().filter_map(|line| line.strip_prefix(begin)).map(|line| line.split(end).next().unwrap());
    let word = |word: &str| word.trim_matches('`').to_owned();
    heads.flat_map(|head| head.split([' ', '（']).map(word).collect::<Vec<_>>()).collect()
}

/// Whoever meets a table in the database finds it in the document, and the document speaks of none that is not there.
async fn every_table_and_view_is_described(w: World) {
    w.store.migrate().await.unwrap();
    let sql = match w.store.engine() {
        "SQLite" => "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite%' order by name",
        _ => "select table_name from information_schema.tables where table_schema = 'bankgate' order by table_name",
    };
    let found: Vec<String> = w.rows(sql).await.iter().map(|r| r.string(0).unwrap()).filter(|name| name != "_sqlx_migrations").collect();
    assert!(found.len() > 50, "{found:?}");
    let text = document();
    let (_, own) = text.split_once("\n## The gateway's own tables\n").unwrap();
    let own = named(own.split("\n## ").next().unwrap(), "| `", '|');
    let told = [named(&text, "### ", '('), named(&text, "**`", '*'), own.clone()].concat();
    let silent: Vec<_> = found.iter().filter(|name| !told.contains(name)).collect();
    assert!(silent.is_empty(), "docs/DATABASE.md does not describe {silent:?}");
    let gone: Vec<_> = own.iter().filter(|name| !name.is_empty() && !found.contains(name)).collect();
    assert!(gone.is_empty(), "docs/DATABASE.md describes {gone:?}, which is not there");
    let mut kept: Vec<_> =
        text.split("¹ `").nth(1).unwrap().split('.').next().unwrap().split(['`', ' ', '\n']).filter(|w| !w.is_empty()).collect();
    let mut history = HISTORY.to_vec();
    kept.sort_unstable();
    history.sort_unstable();
    assert_eq!(kept, history, "the roles' first footnote");
}

/// A reissue names the failed instruction by a reference with a check digit: the view must give it as the code reads it.
async fn the_view_gives_the_reference_that_a_reissue_names(w: World) {
    w.sampled().await;
    for id in [3, 9, 10, 19, 12_345, 987_654_321_098_765, 999_999_999_999_999] {
        w.must(&format!("update instruction set id = {id} where payment_id = 3")).await;
        let reference = w.row("select reference from v_payment where seq = 3").await.string(0).unwrap();
        assert_eq!(reference, EndToEndId(id).to_string());
        assert_eq!(EndToEndId::parse(&reference), Some(EndToEndId(id)));
    }
    w.must("delete from instruction where payment_id = 3").await;
    assert_eq!(w.row("select reference from v_payment where seq = 3").await.string(0).unwrap(), "");
}

const HISTORY: [&str; 14] = [
    "answer_line",
    "final_answer",
    "event",
    "entry",
    "posting",
    "audit",
    "statement",
    "statement_line",
    "statement_match",
    "reconcile_run",
    "correction",
    "legacy_payment",
    "period_item",
    "opening_balance",
];

/// Every table, every right, against what the document says: a table that a later version adds must be granted knowingly.
#[tokio::test]
async fn each_role_has_its_rights_and_no_more() {
    let w = granted().await;
    let rights = |role: &str| -> BTreeMap<String, String> {
        let sql = format!(
            "select c.relname, (select string_agg(left(p, 1), '' order by p) from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p \
             where has_table_privilege('{role}', c.oid, p)) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bankgate' and c.relkind in ('r', 'v')"
        );
        let said = Postgres::shared().psql(&w.url, &sql);
        said.lines().filter_map(|l| l.split_once('|')).map(|(table, rights)| (table.to_owned(), rights.to_owned())).collect()
    };
    let daemon = rights("bankgate_daemon");
    assert!(daemon.len() >= 35, "{daemon:?}");
    for (table, right) in &daemon {
        let expected = match table.as_str() {
            "batch" => "ISU",
            "payment" | "instruction" => "IS",
            "transition" => "DIS",
            "at_gate" | "putting_away" => "DISU",
            "funding_to_book" => "DS",
            t if HISTORY.contains(&t) => "IS",
            t if INTAKE.contains(&t) || t.starts_with("v_") || t == "_sqlx_migrations" => "S",
            _ => "ISU",
        };
        assert_eq!(right, expected, "daemon: {table}");
    }
    for (table, right) in rights("bankgate_auditor") {
        assert_eq!(right, "S", "auditor: {table}");
    }
    for (table, right) in rights("bankgate_platform") {
        let expected = match table.as_str() {
            "payment" | "ineligible" => "DISU",
            "funding" => "IS",
            "department" | "project" | "bank" | "agreement" | "batch" => "ISU",
            "v_batch" | "v_payment" | "v_case" | "v_statement" | "v_refund" => "S",
            _ => "",
        };
        assert_eq!(right, expected, "platform: {table}");
    }
}

#[tokio::test]
async fn a_role_is_refused_what_it_may_not() {
    let w = granted().await;
    w.sample().await;
    let denied = [
        ("bankgate_platform", "select * from answer_line"),
        ("bankgate_platform", "update instruction set live = 0"),
        (
            "bankgate_platform",
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, since) values (2, 1, 'B-1', 'paid', 1, 0)",
        ),
        ("bankgate_platform", "insert into operator (login, name, role) values ('x', 'x', 'finance_it')"),
        ("bankgate_platform", "update proposal set state = 'done', approved_by = 'x'"),
        ("bankgate_platform", "delete from batch"),
        ("bankgate_auditor", "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', 'P1', 2019, 1, 0)"),
        ("bankgate_auditor", "update account set balance_fen = 0"),
        ("bankgate_auditor", "create table x (a int)"),
        ("bankgate_daemon", "update posting set amount_fen = 0"),
        ("bankgate_daemon", "delete from answer_line"),
        ("bankgate_daemon", "truncate audit"),
        ("bankgate_daemon", "delete from instruction"),
        ("bankgate_daemon", "update instruction set account = '1'"),
        ("bankgate_daemon", "update operator set role = 'finance'"),
        ("bankgate_daemon", "alter table audit disable trigger all"),
        ("bankgate_daemon", "drop view v_case"),
    ];
    for (role, sql) in denied {
        let said = as_role(&w, role, sql).expect_err(sql);
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{role}: {sql}: {said}");
    }
    for (role, sql) in [
        ("bankgate_auditor", "select count(*) from answer_line"),
        ("bankgate_platform", "select count(*) from v_payment"),
        ("bankgate_daemon", "update instruction set ordinal = 1"),
    ] {
        as_role(&w, role, sql).unwrap_or_else(|e| panic!("{role}: {sql}: {e}"));
    }
    assert!(roles_sql("public; drop table x").is_err());
}

/// The daemon's role is enough to start and to work; it owns nothing.
#[tokio::test]
async fn the_daemon_works_in_its_role() {
    let w = granted().await;
    w.sample().await;
    let sql = "do $$ begin create role daemon_login login in role bankgate_daemon; exception when duplicate_object then null; end $$";
    Postgres::shared().psql(&w.url, sql);
    let store = Store::connect(&address(&w.url.replace("bankgate@", "daemon_login@"))).await.unwrap();
    store.check_schema().await.unwrap();
    // A new program with other rules loads them.
    w.must("delete from transition where state = 'sent'").await;
    store.check_schema().await.unwrap();
    assert!(store.listen().await.unwrap().is_some());
    let mut tx = store.begin().await.unwrap();
    assert!(tx.take_lease("B01", "n", 1000, NOW).await.unwrap().is_some());
    let id = tx.insert_file(&new_file("d.txt", 31), NOW).await.unwrap();
    assert!(tx.seal_file(id, "00", 1, NOW).await.unwrap());
    tx.audit("daemon", "x", "y", "z", NOW).await.unwrap();
    tx.insert_instructions("B-1", &[super::instruction(900, 900)]).await.unwrap();
    tx.number_occurrences("B01", chrono::NaiveDate::from_ymd_opt(2019, 3, 15).unwrap(), (1, 2)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.migrate().await.is_err(), "only the owner migrates");
}
