//! A made-up city: one department, its banks, lists of payments that four people have approved and released.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bankgate::config::Config;
use bankgate::daemon::assemble;
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::store::Store;
use bankgate::store::admission::PaymentRow;
use bankgate::store::intake::{DepartmentRow, NewAgreement, NewBank, NewBatch, ProjectRow};
use chrono::NaiveDate;

use crate::harness::sshd::Sshd;

/// The first bank's code.
pub const BANK: &str = "B01";
/// The account that pays.
pub const PAYER: &str = "510601012345678901";
const PROFILE: &str = "fixed-gbk-bytes";
const PAGE: usize = 5000;

/// The instants at which the city lives.
pub fn at(date: &str, time: &str) -> Timestamp {
    let date: NaiveDate = date.parse().unwrap();
    Timestamp::from_local(date.and_time(time.parse().unwrap()), chrono_tz::Tz::Asia__Shanghai)
}

/// The code of a bank, from 1; its mailbox is a folder of this name.
pub fn bank_code(number: usize) -> String {
    format!("B{number:02}")
}

/// Writes the settings, with these lines about time; their place.
pub fn settings(root: &Path, url: &str, sshd: &Sshd, banks: usize, time: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let mut mailboxes = String::new();
    for bank in (1..=banks).map(bank_code) {
        for folder in ["inbox", "outbox", "done"] {
            let folder = sshd.root.join(&bank).join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        mailboxes.push_str(&format!(
            "[[bank]]\ncode = \"{bank}\"\ninbox = \"{bank}/inbox\"\noutbox = \"{bank}/outbox\"\ndone = \"{bank}/done\"\nrename = \"atomic\"\n\
             [bank.connection]\nkind = \"sftp\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\nkey = {{ file = \"key\" }}\n\
             host_keys = [\"{host_key}\"]\n",
            port = sshd.port,
            user = sshd.user,
            host_key = sshd.host_key_line,
        ));
    }
    let key = root.join("key");
    std::fs::write(&key, &sshd.client_key_pem).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).display();
    let text = format!(
        "[database]\nurl = \"{url}\"\n[node]\nname = \"one\"\nstate_dir = \"{root}/state\"\narchive_dir = \"{root}/archive\"\n\
         [time]\ncalendar_dir = \"{house}/config/calendar\"\n{time}[formats]\ndir = \"{house}/bank-formats\"\n\
         [mail]\nkind = \"file\"\ndir = \"mail\"\nfrom = \"gate@finance.example\"\nfinance_it = [\"it@finance.example\"]\n{mailboxes}",
        root = root.display(),
    );
    let path = root.join("bankgate.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Somebody's identity number, sound by its check character. A pattern of its own for each of thirty million people.
fn id_number(who: usize) -> String {
    let day = NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + chrono::Days::new(u64::try_from(who / 1000).unwrap());
    let body = format!("511123{}{:03}", day.format("%Y%m%d"), who % 1000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
    let check = ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][usize::try_from(sum % 11).unwrap()];
    format!("{body}{check}")
}

/// A row of a list: which person, at which bank, in which place.
fn person(who: usize, bank: &str, at: usize) -> PaymentRow {
    let surname = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "阿牛·"][who % 11];
    let given = ["珅", "小明", "秀英", "木呷", "億", "建国", "桂兰", "伍呷莫", "芳"][who % 9];
    let (name, id) = (Name::new(format!("{surname}{given}")), IdNumber::new(id_number(who)));
    PaymentRow {
        id: 0,
        seq: i64::try_from(at).unwrap() + 1,
        township: format!("{}镇", who / 20_000),
        village: format!("{}村", who / 500),
        village_group: format!("{}组", who / 50 % 10),
        household_no: String::new(),
        entitled_name: name.clone(),
        entitled_id: id.clone(),
        payee_name: name,
        payee_id: id,
        payee_role: "self".to_owned(),
        mandate_no: String::new(),
        account: Account::new(format!("62170012{who:011}")),
        bank: bank.to_owned(),
        mobile: Mobile::new(format!("138{:08}", who % 100_000_000)),
        amount: Fen::new(10_000 + i64::try_from(who % 977).unwrap()),
        remark: String::new(),
        reissue_of: String::new(),
    }
}

/// Makes the tables: a department, its project, its banks. What was made is ready for lists.
pub async fn found(config: &Path, banks: usize) -> Store {
    let config = Config::load(config).unwrap();
    std::fs::create_dir_all(config.node.state_dir.join("spool")).unwrap();
    std::fs::create_dir_all(&config.node.archive_dir).unwrap();
    let store = assemble::connect(&config).await.unwrap();
    store.migrate().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let text = ToOwned::to_owned;
    tx.put_department(&DepartmentRow {
        code: text("D1"),
        name: text("农业农村局"),
        level: text("city"),
        region: text("511100"),
        mail: text("clerk@agri.example"),
    })
    .await
    .unwrap();
    tx.put_project(&ProjectRow {
        code: text("1"),
        name: text("耕地地力保护补贴"),
        short_name: text("耕地补贴"),
        payee_kind: text("individual"),
        several_per_period: false,
    })
    .await
    .unwrap();
    for bank in (1..=banks).map(bank_code) {
        tx.put_bank(&NewBank {
            code: bank.clone(),
            name: format!("甲银行{bank}"),
            clearing_no: text("102665000015"),
            contacts: text(""),
            mode: text("live"),
        })
        .await
        .unwrap();
        tx.put_agreement(&NewAgreement {
            number: format!("A-{bank}"),
            department: text("D1"),
            bank,
            payer_account: Account::new(PAYER),
            payer_name: text("乐山市农业农村局"),
            payer_bank: text("102665000015"),
            unit_no: text("LS0001"),
            profile: text(PROFILE),
            rows_max: 0,
            amount_max: Fen::ZERO,
            cutoff: text("16:30"),
            feedback_days: 1,
            debit_model: text("net"),
            other_banks: false,
        })
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    store
}

/// A list of these people, all with cards of this bank.
#[derive(Clone, Debug)]
pub struct List {
    /// Its number.
    pub number: String,
    /// The bank.
    pub bank: String,
    /// Who: nobody stands in two lists.
    pub people: Range<usize>,
    /// The day on which it is paid.
    pub pay_on: NaiveDate,
}

/// Brings a list, has it approved, reviewed and released, and the money for it.
pub async fn release(store: &Store, list: &List, now: Timestamp) {
    let mut tx = store.begin().await.unwrap();
    let text = ToOwned::to_owned;
    let batch = NewBatch {
        number: list.number.clone(),
        kind: text("first"),
        department: text("D1"),
        project: text("1"),
        period: text("2019"),
        pay_on: list.pay_on,
        declared_count: 0,
        declared: Fen::ZERO,
        maker: text("zhang"),
        budget_line: text("2130122"),
        voucher: text("V-0001"),
    };
    tx.insert_batch(&batch, now).await.unwrap();
    for first in list.people.clone().step_by(PAGE) {
        let page = first..list.people.end.min(first + PAGE);
        let rows: Vec<PaymentRow> = page.map(|who| person(who, &list.bank, who - list.people.start)).collect();
        tx.insert_payments(&list.number, &rows).await.unwrap();
    }
    let stored = tx.stored_rows(&list.number).await.unwrap();
    assert!(tx.declare(&list.number, u64::try_from(stored.count).unwrap(), stored.total).await.unwrap());
    assert!(tx.set_approved(&list.number, "li", &stored.digest).await.unwrap());
    assert!(tx.set_reviewed(&list.number, "wang").await.unwrap());
    assert!(tx.set_released(&list.number, "zhao", &stored.digest, now).await.unwrap());
    tx.add_funding("D1", "1", 2019, stored.total, now).await.unwrap();
    tx.commit().await.unwrap();
}
