//! What people do and see: hands that must differ, lists that leave nothing behind, a kernel that says who calls, and books
//! whose equations fail when a row is wrong. On both engines.

/// Books made by hand, right and wrong.
mod books;
/// The command line.
mod commands;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bankgate::args;
use bankgate::clock::Clock;
use bankgate::config::Config;
use bankgate::daemon::socket::{Desk, Reply, Request, ask};
use bankgate::domain::masked::Account;
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::mail::Mailer;
use bankgate::passes::Gateway;
use bankgate::passes::operate::import::{ImportFacts, Imported, import_batch};
use bankgate::passes::operate::{OperateError, approve_batch, release_batch, review_batch};
use bankgate::store::desk::Operator;
use bankgate::store::intake::{DepartmentRow, NewAgreement, NewBank, ProjectRow};
use bankgate::store::views::Choice;
use bankgate::store::{Address, Store};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::harness::postgres::Postgres;

const HEADER: &str = "序号,乡镇,村,享受人姓名,享受人身份证号,收款人姓名,收款人身份证号,与享受人关系,卡号,开户行代码,金额(元)";
const NOW: Timestamp = Timestamp::from_millis(1_552_960_800_000); // 2019-03-19 10:00 in Shanghai

struct World {
    gateway: Arc<Gateway>,
    config: PathBuf,
    dir: tempfile::TempDir,
}

/// A configuration whose daemon, if there were one, listens in this folder.
fn settings(dir: &Path, url: &str) -> String {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (d, config) = (dir.display(), house.join("config"));
    format!(
        "language = \"en\"\n[database]\nurl = \"{url}\"\n[node]\nname = \"node-t\"\nstate_dir = \"{d}/state\"\narchive_dir = \"{d}/archive\"\nsocket = \"{d}/desk.sock\"\n\
         [time]\ncalendar_dir = \"{c}/calendar\"\n[formats]\ndir = \"{d}/formats\"\n[admission]\ncatalogue = \"{c}/catalogue.toml\"\n\
         [mail]\nkind = \"file\"\ndir = \"{d}/mail\"\nfrom = \"bankgate@finance.example\"\nfinance_it = [\"duty@finance.example\"]\n",
        c = config.display()
    )
}

async fn world(url: Option<&str>) -> World {
    let dir = tempfile::tempdir().unwrap();
    for name in ["state", "archive", "formats", "mail"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let url = url.map_or_else(|| format!("sqlite:{}", dir.path().join("rows.db").display()), str::to_owned);
    let path = dir.path().join("bankgate.toml");
    std::fs::write(&path, settings(dir.path(), &url)).unwrap();
    let config = Config::load(&path).unwrap();
    let address = Address { pool_max: 4, ..Address::at(url) };
    let store = Store::connect(&address).await.unwrap();
    store.migrate().await.unwrap();
    seed(&store).await;
    let gateway = Gateway {
        store,
        calendar: config.calendar().unwrap(),
        profiles: BTreeMap::new(),
        edges: BTreeMap::new(),
        mailer: Mailer::File(dir.path().join("mail")),
        holder: "node-t/1".into(),
        config,
    };
    World { gateway: Arc::new(gateway), config: path, dir }
}

/// The same world on SQLite and on PostgreSQL.
async fn worlds() -> [World; 2] {
    let url = Postgres::shared().fresh_database("desk");
    [world(None).await, world(Some(&url)).await]
}

fn person(login: &str, role: &str, department: &str) -> Operator {
    Operator { login: login.into(), name: format!("{login}某"), role: role.into(), department: department.into() }
}

async fn seed(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    for code in ["D1", "D2"] {
        let level = "county".to_owned();
        let d =
            DepartmentRow { code: code.into(), name: format!("{code}局"), level, region: String::new(), mail: "d@county.example".into() };
        tx.put_department(&d).await.unwrap();
    }
    let p = ProjectRow {
        code: "0901".into(),
        name: "最低生活保障金".into(),
        short_name: "低保金".into(),
        payee_kind: "individual".into(),
        several_per_period: false,
    };
    tx.put_project(&p).await.unwrap();
    let bank =
        NewBank { code: "K1".into(), name: "甲行".into(), clearing_no: String::new(), contacts: String::new(), mode: "live".into() };
    tx.put_bank(&bank).await.unwrap();
    let agreement = NewAgreement {
        number: "A1".into(),
        department: "D1".into(),
        bank: "K1".into(),
        payer_account: Account::new("6299990000000000001"),
        payer_name: "D1局".into(),
        payer_bank: String::new(),
        unit_no: "U1".into(),
        profile: "none".into(),
        rows_max: 0,
        amount_max: Fen::ZERO,
        cutoff: "16:30".into(),
        feedback_days: 3,
        debit_model: "net".into(),
        other_banks: false,
    };
    tx.put_agreement(&agreement).await.unwrap();
    // Written twice: the second time over the first.
    for _ in 0..2 {
        for (login, role, department) in [
            ("clerk", "department", "D1"),
            ("head", "department", "D1"),
            ("third", "department", "D1"),
            ("other", "department", "D2"),
            ("bureau", "finance", ""),
            ("it", "finance_it", ""),
            ("audit", "auditor", ""),
        ] {
            tx.put_operator(&person(login, role, department)).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

fn who(login: &str) -> Operator {
    let (role, department) = match login {
        "bureau" => ("finance", ""),
        "it" => ("finance_it", ""),
        "audit" => ("auditor", ""),
        "other" => ("department", "D2"),
        _ => ("department", "D1"),
    };
    person(login, role, department)
}

/// A list of so many rows, and one more for each given line.
fn list(rows: u32, more: &[&str]) -> String {
    let mut text = format!("{HEADER}\n");
    for n in 1..=rows {
        writeln!(text, "{n},青禾镇,石桥村,阿牛·木呷,51119019800101{n:04},阿牛·木呷,51119019800101{n:04},本人,62999901000{n:08},K1,{n}.50")
            .unwrap();
    }
    more.iter().for_each(|line| writeln!(text, "{line}").unwrap());
    text
}

fn facts(number: &str) -> ImportFacts {
    ImportFacts {
        file_name: "list.csv".into(),
        number: Some(number.into()),
        project: Some("0901".into()),
        period: Some("2019-03".into()),
        pay_on: Some("2019-03-20".parse().unwrap()),
        ..ImportFacts::default()
    }
}

async fn import(w: &World, login: &str, facts: &ImportFacts, text: &str) -> Result<Imported, OperateError> {
    let path = w.dir.path().join("brought.csv");
    std::fs::write(&path, text).unwrap();
    import_batch(&w.gateway, &who(login), facts, &path, &|_, _| {}, NOW).await
}

/// What somebody is told who is refused.
fn no<T: std::fmt::Debug>(result: Result<T, OperateError>) -> String {
    match result.expect_err("this must be refused") {
        OperateError::Refused(words) => {
            assert!(!words.zh.is_empty());
            words.en
        }
        other @ (OperateError::Faults { .. } | OperateError::List(_) | OperateError::Pass(_) | OperateError::Config(_)) => {
            panic!("refused by a rule, not {other:?}")
        }
    }
}

async fn count(w: &World, sql: &'static str) -> i64 {
    w.gateway.store.read().await.unwrap().one(sql, args![]).await.unwrap().int(0).unwrap()
}

#[tokio::test]
async fn a_list_goes_through_three_different_hands() {
    for w in worlds().await {
        let g = &w.gateway;
        let imported = import(&w, "clerk", &facts("P-1"), &list(4500, &[])).await.unwrap();
        assert_eq!((imported.number.as_str(), imported.count, imported.total.to_string().as_str()), ("P-1", 4500, "10129500.00"));

        for (login, why) in
            [("clerk", "maker"), ("other", "belongs to department D2"), ("it", "may not approve"), ("audit", "may not approve")]
        {
            let told = no(approve_batch(g, &who(login), "P-1", NOW).await);
            assert!(told.contains(why), "{login}: {told}");
        }
        assert!(no(release_batch(g, &who("third"), "P-1", NOW).await).contains("not approved"));
        assert!(no(review_batch(g, &who("bureau"), "P-1", NOW).await).contains("not approved"));
        assert!(no(approve_batch(g, &who("head"), "P-9", NOW).await).contains("no batch P-9"));

        let digest = approve_batch(g, &who("head"), "P-1", NOW).await.unwrap();
        assert_eq!(digest, digest_by_hand(&w, "P-1").await);
        assert!(no(approve_batch(g, &who("third"), "P-1", NOW).await).contains("approved by head already"));

        assert!(no(review_batch(g, &who("third"), "P-1", NOW).await).contains("may not review"));
        review_batch(g, &who("bureau"), "P-1", NOW).await.unwrap();
        for (login, why) in [("clerk", "maker"), ("head", "approver"), ("bureau", "finance reviewer"), ("it", "may not release")] {
            let told = no(release_batch(g, &who(login), "P-1", NOW).await);
            assert!(told.contains(why), "{login}: {told}");
        }
        assert_eq!(count(&w, "select count(*) from batch where released_at is not null").await, 0);
        release_batch(g, &who("third"), "P-1", NOW).await.unwrap();
        assert!(no(release_batch(g, &who("third"), "P-1", NOW).await).contains("released by third already"));

        let batch =
            g.store.read().await.unwrap().batch_views(&Choice { batch: "P-1", limit: 1, ..Choice::default() }).await.unwrap().remove(0);
        let hands = (batch.maker.as_str(), batch.approver.as_str(), batch.finance_reviewer.as_str(), batch.released_by.as_str());
        assert_eq!((hands, batch.released_at), (("clerk", "head", "bureau", "third"), Some(NOW)));
        assert_eq!(count(&w, "select count(*) from audit where subject = 'P-1'").await, 4);
        assert_eq!(g.store.read().await.unwrap().audit_verify().await.unwrap(), (4, None));
    }
}

/// The digest as `docs/DATABASE.md` words it, by the database and a hash.
async fn digest_by_hand(w: &World, batch: &str) -> String {
    let sql = "select cast(seq as text) || '|' || township || '|' || village || '|' || village_group || '|' || household_no || '|' || entitled_name || '|' || entitled_id \
               || '|' || payee_name || '|' || payee_id || '|' || payee_role || '|' || mandate_no || '|' || account || '|' || bank || '|' || mobile || '|' || cast(amount_fen as text) \
               || '|' || remark || '|' || reissue_of from payment where batch = $1 order by seq";
    let rows = w.gateway.store.read().await.unwrap().rows(sql, args![batch]).await.unwrap();
    let mut all = Sha256::new();
    for row in rows {
        all.update(hex::encode(Sha256::digest(row.text(0).unwrap().replace('|', "\u{1f}"))));
    }
    hex::encode(all.finalize())
}

#[tokio::test]
async fn what_was_approved_is_what_is_released() {
    for w in worlds().await {
        let g = &w.gateway;
        import(&w, "clerk", &facts("P-2"), &list(3, &[])).await.unwrap();
        let mut tx = g.store.begin().await.unwrap();
        tx.exec("update payment set amount_fen = amount_fen + 1 where batch = 'P-2' and seq = 2", args![]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(no(approve_batch(g, &who("head"), "P-2", NOW).await).contains("declares 3 rows"));
        let mut tx = g.store.begin().await.unwrap();
        tx.exec("update payment set amount_fen = amount_fen - 1 where batch = 'P-2' and seq = 2", args![]).await.unwrap();
        tx.commit().await.unwrap();
        approve_batch(g, &who("head"), "P-2", NOW).await.unwrap();
        let mut tx = g.store.begin().await.unwrap();
        tx.exec("update payment set account = '6299990100000009' where batch = 'P-2' and seq = 2", args![]).await.unwrap();
        tx.commit().await.unwrap();
        assert!(no(release_batch(g, &who("third"), "P-2", NOW).await).contains("another digest"));
        assert_eq!(count(&w, "select count(*) from batch where released_at is not null").await, 0);
    }
}

#[tokio::test]
async fn a_list_with_a_fault_leaves_nothing_behind() {
    for w in worlds().await {
        let bad = "3000,青禾镇,石桥村,阿牛·木呷,无,阿牛·木呷,511190198001010017,本人,6.21E+18,K1,12.345";
        let told = import(&w, "clerk", &facts("P-3"), &list(2999, &[bad])).await.unwrap_err();
        let OperateError::Faults { faults, .. } = told else { panic!("{told:?}") };
        assert!(faults.len() >= 2 && faults.iter().all(|f| f.line == 3001), "{faults:?}");
        let doubts: [(ImportFacts, &str); 6] = [
            (ImportFacts { count: Some(4), ..facts("P-3") }, "declared count 4, the list has 3"),
            (ImportFacts { total: Some(Fen::new(1)), ..facts("P-3") }, "declared total 0.01"),
            (ImportFacts { period: Some("2019-13".into()), ..facts("P-3") }, "period"),
            (ImportFacts { project: Some("9999".into()), ..facts("P-3") }, "no project"),
            (ImportFacts { project: None, ..facts("P-3") }, "--project"),
            (ImportFacts { department: Some("D2".into()), ..facts("P-3") }, "belongs to department D1"),
        ];
        for (facts, why) in doubts {
            let told = no(import(&w, "clerk", &facts, &list(3, &[])).await);
            assert!(told.contains(why), "{told}");
        }
        assert!(
            no(import(&w, "audit", &ImportFacts { department: Some("D1".into()), ..facts("P-3") }, &list(3, &[])).await)
                .contains("may not import")
        );
        assert_eq!(
            count(&w, "select (select count(*) from batch) + (select count(*) from payment) + (select count(*) from audit)").await,
            0
        );

        import(&w, "clerk", &facts("P-3"), &list(3, &[])).await.unwrap();
        assert!(no(import(&w, "clerk", &facts("P-3"), &list(3, &[])).await).contains("there is a batch P-3 already"));
        let unnamed = import(&w, "clerk", &ImportFacts { number: None, ..facts("") }, &list(3, &[])).await.unwrap();
        assert_eq!(unnamed.number, "D1-0901-2019-03-001");
    }
}

#[tokio::test]
async fn the_kernel_says_who_calls() {
    let w = world(None).await;
    let socket = w.gateway.config.node.socket.clone();
    // What a daemon that died leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let desk = Desk::bind(&socket).await.unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let wake = Arc::new(Notify::new());
    let serving = tokio::spawn(desk.serve(Arc::clone(&w.gateway), Clock::stepped(NOW), Arc::clone(&wake)));
    assert!(Desk::bind(&socket).await.unwrap_err().to_string().contains("another daemon"));

    let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned();
    let refused = |reply: Reply| match reply {
        Reply::Refused { say, faults, .. } => (say, faults),
        other @ (Reply::Done { .. } | Reply::Progress { .. }) => panic!("{other:?}"),
    };
    let say = |request: Request| {
        let socket = socket.clone();
        async move { ask(&socket, &request, None, &mut |_, _| {}).await.unwrap() }
    };
    let (told, _) = refused(say(Request::WhoAmI).await);
    assert!(told.contains(&format!("login {me:?} is not in the table operator")), "{told}");

    let mut tx = w.gateway.store.begin().await.unwrap();
    tx.put_operator(&person(&me, "department", "D1")).await.unwrap();
    tx.commit().await.unwrap();
    let Reply::Done { value, .. } = say(Request::WhoAmI).await else { panic!("known by now") };
    assert_eq!(value["login"], me.as_str());

    let path = w.dir.path().join("list.csv");
    let bring = async |text: String| {
        std::fs::write(&path, &text).unwrap();
        let request = Request::BatchImport { facts: facts("S-1"), bytes: u64::try_from(text.len()).unwrap() };
        let mut heard = 0;
        let reply = ask(&socket, &request, Some(&path), &mut |done, _| heard = done).await.unwrap();
        (reply, heard)
    };
    let (reply, _) = bring(list(2, &["x"])).await;
    assert!(!refused(reply).1.is_empty());
    let (reply, heard) = bring(list(2500, &[])).await;
    assert!(matches!(&reply, Reply::Done { value, .. } if value["batch"] == "S-1" && value["count"] == 2500), "{reply:?}");
    assert!(heard > 0);
    tokio::time::timeout(std::time::Duration::from_secs(5), wake.notified()).await.expect("what was decided wakes the loop");
    let (told, _) = refused(say(Request::BatchApprove { number: "S-1".into() }).await);
    assert!(told.contains(&format!("{me} is this batch's maker")), "{told}");
    assert_eq!(std::fs::read_dir(w.dir.path().join("state")).unwrap().count(), 0, "lists that were brought do not stay");
    serving.abort();
    _ = serving.await;
    assert!(!socket.exists());
}
