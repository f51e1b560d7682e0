//! The pretend bank, from outside: a real SSH client at its door, hand-written files in its inbox, its answers read back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use bankgate::clock::{Clock, Participant};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::sandbox::{BankEndpoint, BankSpec, Behaviour, Customer, CustomerState, Layout, PayerAccount, Sandbox};
use chrono::NaiveDate;
use chrono_tz::Tz;
use encoding_rs::GBK;
use sm3::{Digest, Sm3};
use ssh2::{OpenFlags, OpenType, RenameFlags, Session, Sftp};
use tempfile::TempDir;

pub(crate) const ZONE: Tz = Tz::Asia__Shanghai;
pub(crate) const UNIT: &str = "512010";
pub(crate) const PAYER: &str = "0512880010001";
pub(crate) const OPENING: i64 = 100_000_000;

/// A bank on a stepped clock, and somebody who lets time pass.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) me: Participant,
    clock: Clock,
    pub(crate) sandbox: Sandbox,
}

impl World {
    /// Ten in the morning of 2026-03-10, a Tuesday.
    pub(crate) async fn open(layout: Layout, behaviour: Behaviour) -> Self {
        let ten = NaiveDate::from_ymd_opt(2026, 3, 10).unwrap().and_hms_opt(10, 0, 0).unwrap();
        let clock = Clock::stepped(Timestamp::from_local(ten, ZONE));
        let me = clock.participant();
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(dir.path(), vec![spec(layout, behaviour)], &clock, ZONE).await.unwrap();
        Self { dir, me, clock, sandbox }
    }

    pub(crate) async fn reopen(self, layout: Layout, behaviour: Behaviour) -> Self {
        let Self { dir, me, clock, sandbox } = self;
        sandbox.stop().await;
        let sandbox = Sandbox::start(dir.path(), vec![spec(layout, behaviour)], &clock, ZONE).await.unwrap();
        Self { dir, me, clock, sandbox }
    }

    fn endpoint(&self) -> BankEndpoint {
        self.sandbox.endpoints().remove(0)
    }

    pub(crate) async fn hours(&self, hours: i64) {
        self.me.sleep_until(self.me.now().plus_minutes(hours * 60)).await;
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("b1")
    }

    /// Puts a file as a gateway does: under a `.part` name, then renamed.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) {
        let path = path.to_owned();
        visit(self.endpoint(), move |sftp| put(sftp, &path, &bytes)).await;
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        let path = path.to_owned();
        visit(self.endpoint(), move |sftp| get(sftp, &path)).await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let bytes = self.get(path).await;
        GBK.decode_without_bom_handling_and_without_replacement(&bytes).unwrap().into_owned()
    }

    pub(crate) async fn names(&self, folder: &str) -> Vec<String> {
        let folder = folder.to_owned();
        visit(self.endpoint(), move |sftp| names(sftp, &folder)).await
    }
}

pub(crate) fn spec(layout: Layout, behaviour: Behaviour) -> BankSpec {
    let customer = |account: &str, name: &str, id_number: &str, state| Customer {
        account: account.to_owned(),
        name: name.to_owned(),
        id_number: id_number.to_owned(),
        state,
    };
    BankSpec {
        code: "b1".to_owned(),
        layout,
        seed: 7,
        customers: vec![
            customer("6217000000000000014", "张三", "511100196001010011", CustomerState::Active),
            customer("6217000000000000022", "阿依·木呷", "511100196001010038", CustomerState::Active),
            customer("6217000000000000030", "李珅", "", CustomerState::Active),
            customer("6217000000000000048", "王五", "511100196001010054", CustomerState::Closed),
        ],
        payer_accounts: vec![PayerAccount {
            account: PAYER.to_owned(),
            name: "某市某局零余额账户".to_owned(),
            opening_fen: OPENING,
            department: "D1".to_owned(),
        }],
        behaviour,
        unit_no: UNIT.to_owned(),
    }
}

pub(crate) fn quick() -> Behaviour {
    Behaviour { answer_delay_minutes: 30..=60, ..Behaviour::default() }
}

// --- a client as gateways use it ---

fn enter(endpoint: &BankEndpoint) -> Session {
    let mut session = Session::new().unwrap();
    session.set_timeout(20_000);
    session.set_tcp_stream(TcpStream::connect(endpoint.addr).unwrap());
    session.handshake().unwrap();
    session.userauth_password(&endpoint.user, &endpoint.password).unwrap();
    session
}

async fn visit<T: Send + 'static>(endpoint: BankEndpoint, work: impl FnOnce(&Sftp) -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || work(&enter(&endpoint).sftp().unwrap())).await.unwrap()
}

fn put(sftp: &Sftp, path: &str, bytes: &[u8]) {
    let part = format!("{path}.part");
    if let Some(folder) = Path::new(path).parent().filter(|folder| *folder != Path::new("/inbox")) {
        let _ = sftp.mkdir(folder, 0o755);
    }
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let mut file = sftp.open_mode(Path::new(&part), flags, 0o600, OpenType::File).unwrap();
    file.write_all(bytes).unwrap();
    file.fsync().unwrap();
    file.close().unwrap();
    sftp.rename(Path::new(&part), Path::new(path), Some(RenameFlags::empty())).unwrap();
}

fn get(sftp: &Sftp, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    sftp.open(Path::new(path)).unwrap_or_else(|e| panic!("{path}: {e}")).read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(sftp: &Sftp, folder: &str) -> Vec<String> {
    let listed = sftp.readdir(Path::new(folder)).expect("a folder that can be listed");
    let mut names: Vec<_> = listed.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

pub(crate) fn gbk(text: &str) -> Vec<u8> {
    let mut out = vec![0; text.len() * 2 + 8];
    let (result, _, n) = GBK.new_encoder().encode_from_utf8_without_replacement(text, &mut out, true);
    assert_eq!(result, encoding_rs::EncoderResult::InputEmpty);
    out.truncate(n);
    out
}

// --- a layout without header: two answers ---

pub(crate) const SPLIT_REQUEST: &str = "\
511100196001010011|张三|511100196001010011|100.00|R001
511100196001010038|阿依·木呷|511100196001010038|200.50|R002
|李珅||300.00|R003
511100196001010054|王五|511100196001010054|400.00|R004
511100196001010011|张三丰|511100196001010011|500.00|R005
";

#[tokio::test(flavor = "multi_thread")]
async fn a_split_pair_file_is_paid_and_answered_by_two_files() {
    let world = World::open(Layout::SplitPair, quick()).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(SPLIT_REQUEST)).await;
    world.hours(3).await;
    let paid = "\
511100196001010011|张三                |511100196001010011|100.00|R001
511100196001010038|阿依·木呷          |511100196001010038|200.50|R002
|李珅                ||300.00|R003
";
    assert_eq!(world.text("/outbox/YHDFFK202603100001_S.TXT").await, paid);
    let failed = world.text("/outbox/YHDFFK202603100001_F.TXT").await;
    let lines: Vec<Vec<&str>> = failed.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(lines.iter().map(|line| line[4]).collect::<Vec<_>>(), ["R004", "R005"]);
    for (line, name, words) in [(&lines[0], "王五", ";账户已销户"), (&lines[1], "张三丰", ";户名不符")] {
        assert!(gbk(line[1]).len() >= 20);
        let said = line[1].trim_end();
        assert!(said == name || said == format!("{name}{words}"), "{said}");
    }
    let ledger = world.sandbox.ledger("b1");
    let credits: Vec<_> = ledger.credits.iter().map(|(r, c)| (r.as_str(), c.account.as_str(), c.amount.get(), c.times)).collect();
    assert_eq!(
        credits,
        [
            ("R001", "6217000000000000014", 10_000, 1),
            ("R002", "6217000000000000022", 20_050, 1),
            ("R003", "6217000000000000030", 30_000, 1)
        ]
    );
    assert_eq!(ledger.payer_balances[PAYER], Fen::new(OPENING - 60_050));
    let figures = &ledger.files["YHDF__202603100001.TXT"];
    assert_eq!((figures.received_count, figures.received_amount.get()), (5, 150_050));
    assert_eq!((figures.paid_count, figures.paid_amount.get()), (3, 60_050));
    assert_eq!((figures.failed_count, figures.failed_amount.get(), figures.settled), (2, 90_000, true));
    assert!(world.names("/inbox").await.is_empty());
    assert_eq!(world.names("/done").await, ["YHDF__202603100001.TXT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_or_a_name_sent_again_is_not_paid_again() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let line = "511100196001010011|张三|511100196001010011|100.00|R001\n";
    world.put("/inbox/YHDF__202603100001.TXT", gbk(line)).await;
    world.hours(3).await;
    // The same reference in another file, twice; and the same name with another reference.
    world.put("/inbox/YHDF__202603100002.TXT", gbk(&line.repeat(2))).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(&line.replace("R001", "R009"))).await;
    world.hours(3).await;
    let ledger = world.sandbox.ledger("b1");
    assert_eq!(ledger.credits.len(), 1);
    assert_eq!(ledger.credits["R001"].times, 1);
    assert_eq!(ledger.payer_balances[PAYER], Fen::new(OPENING - 10_000));
    assert_eq!(ledger.files["YHDF__202603100001~2.TXT"].refused.as_deref(), Some("文件名重复"));
    assert_eq!(world.text("/outbox/YHDFFK202603100002_F.TXT").await.lines().count(), 2);
    assert_eq!(world.text("/outbox/YHDFFK202603100001_S.TXT").await.lines().count(), 1, "the first answer stands");
    assert_eq!(world.text("/outbox/YHDFFK202603100001~2_F.TXT").await.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_still_being_written_is_left_alone_and_a_broken_one_fails_whole() {
    let world = World::open(Layout::SplitPair, quick()).await;
    visit(world.endpoint(), |sftp| {
        let mut part = sftp.create(Path::new("/inbox/YHDF__202603100001.TXT.part")).unwrap();
        part.write_all(b"511100196001010011|").unwrap();
    })
    .await;
    let broken = format!("{SPLIT_REQUEST}511100196001010011|张三|511100196001010011|1e3|R006\n");
    world.put("/inbox/YHDF__202603100002.TXT", gbk(&broken)).await;
    world.hours(3).await;
    assert_eq!(world.names("/inbox").await, ["YHDF__202603100001.TXT.part"]);
    assert_eq!(world.get("/outbox/YHDFFK202603100002_S.TXT").await, b"");
    assert_eq!(world.text("/outbox/YHDFFK202603100002_F.TXT").await.lines().count(), 6);
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 0);
}

// --- a layout of fixed bytes: flag, acknowledgement, answer, flag ---

pub(crate) struct Fixed {
    count: usize,
    total: i64,
    details: Vec<u8>,
}

impl Fixed {
    pub(crate) fn of(rows: &[(&str, i64, &str, &str)]) -> Self {
        let mut details = Vec::new();
        for (at, (reference, fen, account, name)) in rows.iter().enumerate() {
            let mut line = format!("{:08}{reference:<32}{fen:016}01{:<14}{account:<32}", at + 1, "000000000001").into_bytes();
            for (text, width) in [(*name, 120), ("耕地补贴;13900000000", 120), ("", 228)] {
                let mut bytes = gbk(text);
                bytes.resize(width, b' ');
                line.append(&mut bytes);
            }
            assert_eq!(line.len(), 572);
            details.append(&mut line);
            details.push(b'\n');
        }
        Self { count: rows.len(), total: rows.iter().map(|row| row.1).sum(), details }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let (count, total) = (self.count, self.total);
        let mut file = format!(
            "DFK{UNIT:<14}{:<14}BT00103100001CNY{count:08}{total:016}{:24}000012026031020260310{:8}{PAYER:<32}",
            "000000000001", "", ""
        )
        .into_bytes();
        let mut name = gbk("某市某局零余额账户");
        name.resize(120, b' ');
        file.append(&mut name);
        assert_eq!(file.len(), 276);
        file.push(b'\n');
        file.extend_from_slice(&self.details);
        file.extend_from_slice(format!("{:<276}\n", format!("T{count:08}{total:016}")).as_bytes());
        file
    }
}

pub(crate) fn flag(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.iter().filter(|b| **b == b'\n').count();
    format!("{}|{lines}|{}\n", bytes.len(), hex::encode(Sm3::digest(bytes))).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_fixed_bytes_is_acknowledged_paid_and_returned_with_codes() {
    let world = World::open(Layout::FixedBytes, quick()).await;
    let file = Fixed::of(&[
        ("R001", 10_000, "6217000000000000014", "张三"),
        ("R002", 20_000, "6217000000000000022", "阿依·木呷"),
        ("R003", 30_000, "6217000000000000048", "王五"),
        ("R004", 40_000, "6217000000000000099", "赵六"),
        ("R005", 50_000, "6217000000000000030", "李绅"),
    ])
    .file();
    world.put("/inbox/20260310/03100001.dat", file.clone()).await;
    world.hours(1).await;
    assert_eq!(world.names("/outbox").await, ["statement"], "without its flag a file is not complete");
    world.put("/inbox/20260310/03100001.dat.ok", flag(&file)).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/20260310/03100001.ack").await, "00000000|5|150000|接收成功\n");
    let answer = world.get("/outbox/20260310/03100001.dat").await;
    assert_eq!(world.get("/outbox/20260310/03100001.dat.ok").await, flag(&answer));
    let lines: Vec<&[u8]> = answer.split(|b| *b == b'\n').collect();
    assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [276, 572, 572, 572, 572, 572, 276, 0]);
    assert_eq!(&lines[0][71..95], b"000000020000000000030000");
    assert_eq!(&lines[0][116..124], b"20260310");
    let codes: Vec<_> = lines[1..6].iter().map(|line| std::str::from_utf8(&line[344..352]).unwrap()).collect();
    assert_eq!(codes, ["00000000", "00000000", "PD3603  ", "CB1004  ", "TPM055  "]);
    let request: Vec<&[u8]> = file.split(|b| *b == b'\n').collect();
    assert!((1..6).all(|at| lines[at][..344] == request[at][..344]), "what we said comes back as we said it");
    assert_eq!(lines[6], request[6]);
    assert_eq!(world.sandbox.ledger("b1").payer_balances[PAYER], Fen::new(OPENING - 30_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_digest_and_bad_totals_are_refused_whole() {
    let world = World::open(Layout::FixedBytes, quick()).await;
    let mut fixed = Fixed::of(&[("R001", 10_000, "6217000000000000014", "张三")]);
    let file = fixed.file();
    world.put("/inbox/20260310/03100001.dat", file.clone()).await;
    world.put("/inbox/20260310/03100001.dat.ok", flag(&file[1..])).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/20260310/03100001.ack").await, "FD000001|1|10000|SM3校验失败\n");

    // Named as the first was: refused for the name before anything else is looked at.
    fixed.total += 1;
    let file = fixed.file();
    world.put("/inbox/20260310/03100001.dat", file.clone()).await;
    world.put("/inbox/20260310/03100001.dat.ok", flag(&file)).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/20260310/03100001~2.ack").await, "00090001|1|10001|文件名重复\n");

    let mut other = file.clone();
    other[36..44].copy_from_slice(b"03100002");
    world.put("/inbox/20260310/03100002.dat", other.clone()).await;
    world.put("/inbox/20260310/03100002.dat.ok", flag(&other)).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/20260310/03100002.ack").await, "H0190001|1|10001|总笔数或总金额不符\n");
    assert_eq!(world.names("/outbox/20260310").await, ["03100001.ack", "03100001~2.ack", "03100002.ack"]);
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 0);
}

// --- a summary line and details ---

fn piped(rows: &[(&str, &str, &str, &str, &str)], count: usize, total: &str) -> Vec<u8> {
    let mut text = format!("0|0|20260310|{UNIT}|0|0|{count}|{total}|\r\n");
    for (at, (name, amount, account, id_number, ordinal)) in rows.iter().enumerate() {
        let id_type = if id_number.is_empty() { "" } else { "1" };
        text.push_str(&format!("{}|{name}|{amount}|{account}|{UNIT}|{id_type}|{id_number}|{ordinal}|\r\n", at + 1));
    }
    gbk(&text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_summary_is_answered_line_by_line() {
    let world = World::open(Layout::PipeSummary, quick()).await;
    let rows = [
        ("张三", "100.00", "6217000000000000014", "511100196001010011", "01"),
        ("张三", "100.00", "6217000000000000014", "511100196001010011", "02"),
        ("张三", "100.00", "6217000000000000014", "511100196001010011", "02"),
        ("阿依·木呷", "1.00", "6217000000000000022", "511100196001010011", "01"),
        ("李珅", "0.05", "6217000000000000030", "511100196001010046", "01"),
        ("王五", "2.00", "6217000000000000048", "", "01"),
    ];
    world.put("/inbox/20260310/0512037", piped(&rows, 6, "303.05")).await;
    world.hours(3).await;
    let answer = world.text("/outbox/20260310/0512037R").await;
    assert!(answer.ends_with("|\r\n"));
    let lines: Vec<Vec<&str>> = answer.split_terminator("\r\n").map(|line| line.split('|').collect()).collect();
    assert_eq!(lines[0], ["6", "303.05", "3", "200.05", ""]);
    assert_eq!(lines[1], ["1", "张三", "100.00", "6217000000000000014", "0", "", "", ""]);
    let failed: Vec<_> = lines[1..].iter().filter(|line| line[4] == "1").map(|line| (line[0], line[6])).collect();
    assert_eq!(failed, [("3", "当日序号重复或不连续"), ("4", "证件号码不符"), ("6", "账户已销户")]);
    let ledger = world.sandbox.ledger("b1");
    assert_eq!(ledger.credits.keys().collect::<Vec<_>>(), ["20260310/0512037#1", "20260310/0512037#2", "20260310/0512037#5"]);

    // The same bytes under another name: every count of the day was used before.
    world.put("/inbox/20260310/0512038", piped(&rows[..2], 2, "200.00")).await;
    world.hours(3).await;
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 3);
    assert!(world.text("/outbox/20260310/0512038R").await.starts_with("2|200.00|0|0.00|"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_wrong_totals_fails_on_every_line() {
    let world = World::open(Layout::PipeSummary, quick()).await;
    let rows = [("张三", "100.00", "6217000000000000014", "", "01"), ("李珅", "0.05", "6217000000000000030", "", "01")];
    world.put("/inbox/20260310/0512037", piped(&rows, 2, "100.04")).await;
    world.hours(3).await;
    let answer = world.text("/outbox/20260310/0512037R").await;
    assert_eq!(answer.lines().filter(|line| line.contains("|1|0022|总笔数或总金额不符|")).count(), 2);
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 0);
}

// --- the bank's day, its moods, its memory ---

#[tokio::test(flavor = "multi_thread")]
async fn statements_continue_each_other_and_show_one_lump_for_a_file() {
    let world = World::open(Layout::SplitPair, quick()).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(SPLIT_REQUEST)).await;
    world.hours(9).await;
    let line = "511100196001010011|张三|511100196001010011|100.00|R010\n";
    // After half past six: of the next day.
    world.put("/inbox/YHDF__202603100002.TXT", gbk(line)).await;
    world.hours(24).await;
    assert_eq!(world.names("/outbox/statement").await, [format!("STMT_{PAYER}_20260310.txt"), format!("STMT_{PAYER}_20260311.txt")]);
    let first = String::from_utf8(world.get(&format!("/outbox/statement/STMT_{PAYER}_20260310.txt")).await).unwrap();
    assert_eq!(
        first,
        format!(
            "H|{PAYER}|20260310|20260310|1000000.00|999399.50|1\n\
             D|20260310|D|600.50|YHDF__202603100001.TXT|b120260310000001|90010001|代理发放过渡户|代发 YHDF__202603100001.TXT\n\
             T|1|600.50|0|0.00\n"
        )
    );
    let second = String::from_utf8(world.get(&format!("/outbox/statement/STMT_{PAYER}_20260311.txt")).await).unwrap();
    assert!(second.starts_with(&format!("H|{PAYER}|20260311|20260311|999399.50|999299.50|1\n")), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_bank_is_busy_once_and_takes_the_next_try() {
    let world = World::open(Layout::SplitPair, Behaviour { busy_per_mille: 1000, ..quick() }).await;
    for (seq, reference) in [("0001", "R001"), ("0002", "R002")] {
        let line = format!("511100196001010011|张三|511100196001010011|100.00|{reference}\n");
        world.put(&format!("/inbox/YHDF__20260310{seq}.TXT"), gbk(&line)).await;
        world.hours(3).await;
    }
    let ledger = world.sandbox.ledger("b1");
    assert_eq!(ledger.credits.keys().collect::<Vec<_>>(), ["R002"]);
    assert_eq!(ledger.files["YHDF__202603100001.TXT"].failed_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_without_the_money_pays_nobody() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let line = "511100196001010011|张三|511100196001010011|100.00|R001\n511100196001010038|阿依·木呷|511100196001010038|1000000.00|R002\n";
    world.put("/inbox/YHDF__202603100001.TXT", gbk(line)).await;
    world.hours(3).await;
    let ledger = world.sandbox.ledger("b1");
    assert_eq!((ledger.credits.len(), ledger.payer_balances[PAYER]), (0, Fen::new(OPENING)));
    assert_eq!(world.text("/outbox/YHDFFK202603100001_F.TXT").await.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_lets_no_file_in_that_the_payer_cannot_cover() {
    let world = World::open(Layout::PipeSummary, quick()).await;
    // The closed account would not have been paid, but the whole sum is asked for first.
    let rows = [("张三", "1.00", "6217000000000000014", "", "01"), ("王五", "1000000.00", "6217000000000000048", "", "01")];
    world.put("/inbox/20260310/0512037", piped(&rows, 2, "1000001.00")).await;
    world.hours(3).await;
    assert_eq!(world.text("/outbox/20260310/0512037R").await.lines().filter(|line| line.contains("付款账户余额不足")).count(), 2);
    assert_eq!(world.sandbox.ledger("b1").payer_balances[PAYER], Fen::new(OPENING));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_bank_pays_and_says_nothing() {
    let world = World::open(Layout::SplitPair, Behaviour { silent_every: Some(1), ..quick() }).await;
    world.put("/inbox/YHDF__202603100001.TXT", gbk(SPLIT_REQUEST)).await;
    world.hours(3).await;
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 3);
    assert_eq!(world.names("/outbox").await, ["statement"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bank_remembers_and_goes_on() {
    let world = World::open(Layout::PipeSummary, quick()).await;
    let before = world.endpoint();
    let rows = [("张三", "100.00", "6217000000000000014", "", "01"), ("张三", "100.00", "6217000000000000014", "", "01")];
    world.put("/inbox/20260310/0512037", piped(&rows, 2, "200.00")).await;
    // Seen twice and taken, not yet answered.
    world.me.sleep_until(world.me.now().plus_minutes(45)).await;
    assert_eq!(world.sandbox.ledger("b1").files["20260310/0512037"].received_count, 2);
    assert_eq!(world.sandbox.ledger("b1").credits.len(), 0);
    let world = world.reopen(Layout::PipeSummary, quick()).await;
    assert_eq!((world.endpoint().host_key, world.endpoint().password), (before.host_key, before.password));
    world.hours(20).await;
    let told = world.sandbox.ledger("b1");
    assert_eq!(told.credits["20260310/0512037#1"].times, 1);
    assert_eq!(told.files["20260310/0512037"].failed_count, 1, "the wrong count of the day is remembered");
    let world = world.reopen(Layout::PipeSummary, quick()).await;
    world.hours(20).await;
    assert_eq!(world.sandbox.ledger("b1"), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn banks_have_ports_keys_and_codes_of_their_own() {
    let clock = Clock::stepped(Timestamp::from_millis(0));
    let dir = tempfile::tempdir().unwrap();
    let named = |code: &str| BankSpec { code: code.to_owned(), ..spec(Layout::SplitPair, quick()) };
    let sandbox = Sandbox::start(dir.path(), vec![named("b1"), named("b2")], &clock, ZONE).await.unwrap();
    let [one, two] = sandbox.endpoints().try_into().unwrap();
    assert!(one.addr != two.addr && one.host_key != two.host_key && one.password != two.password);
    assert!(!format!("{one:?}").contains(&one.password));
    sandbox.stop().await;
    assert!(TcpStream::connect(one.addr).is_err(), "a stopped bank does not listen");
    for codes in [["b1", "b1"], ["b1", "../b2"], ["b1", ""]] {
        assert!(Sandbox::start(dir.path(), codes.map(named).to_vec(), &clock, ZONE).await.is_err(), "{codes:?}");
    }
}

// --- the door ---

#[tokio::test(flavor = "multi_thread")]
async fn the_door_shows_its_key_and_opens_to_the_right_word_only() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let endpoint = world.endpoint();
    let root = world.root();
    tokio::task::spawn_blocking(move || {
        let mut session = Session::new().unwrap();
        session.set_timeout(20_000);
        session.set_tcp_stream(TcpStream::connect(endpoint.addr).unwrap());
        session.handshake().unwrap();
        assert!(matches!(session.host_key().unwrap().1, ssh2::HostKeyType::Ed25519));
        let mut known = session.known_hosts().unwrap();
        known.read_str(&format!("bank {}", endpoint.host_key), ssh2::KnownHostFileKind::OpenSSH).unwrap();
        let shown = session.host_key().unwrap().0.to_vec();
        assert!(matches!(known.check("bank", &shown), ssh2::CheckResult::Match));
        assert!(endpoint.fingerprint.starts_with("SHA256:"));
        assert!(session.userauth_password(&endpoint.user, "wrong").is_err());
        assert!(session.userauth_password("root", &endpoint.password).is_err());
        assert!(!session.authenticated());

        let key = russh::keys::PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[3; 32]));
        let private = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap();
        assert!(session.userauth_pubkey_memory(&endpoint.user, None, &private, None).is_err());
        std::fs::write(root.join("authorized_keys"), key.public_key().to_openssh().unwrap()).unwrap();
        session.userauth_pubkey_memory(&endpoint.user, None, &private, None).unwrap();
        assert!(session.authenticated());
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walls_hold() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let root = world.root();
    let outside = world.dir.path().join("secret");
    std::fs::write(&outside, b"secret").unwrap();
    std::os::unix::fs::symlink(&outside, root.join("outbox/link")).unwrap();
    std::os::unix::fs::symlink(world.dir.path(), root.join("outbox/up")).unwrap();
    visit(world.endpoint(), move |sftp| {
        assert_eq!(sftp.realpath(Path::new("../../..")).unwrap(), Path::new("/"));
        assert_eq!(names(sftp, "/.."), ["done", "inbox", "outbox"], "the bank's own papers are not shown");
        for path in ["/outbox/link", "/outbox/up/secret", "/bank-journal.csv", "/inbox/../processing/x"] {
            assert!(sftp.open(Path::new(path)).is_err(), "read {path}");
            assert!(sftp.create(Path::new(path)).is_err(), "write {path}");
            assert!(sftp.stat(Path::new(path)).is_err(), "look at {path}");
        }
        for path in ["/../secret", "../secret", "/inbox/../../../secret"] {
            assert!(sftp.open(Path::new(path)).is_err(), "read {path}");
            // It lands inside, whatever the path looks like.
            sftp.create(Path::new(path)).unwrap().write_all(b"mine").unwrap();
            sftp.unlink(Path::new("/secret")).unwrap();
        }
        assert!(sftp.symlink(Path::new("/etc/passwd"), Path::new("/inbox/x")).is_err());
        assert!(sftp.rename(Path::new("/outbox/up/secret"), Path::new("/inbox/x"), None).is_err());
    })
    .await;
    assert_eq!(std::fs::read(outside).unwrap(), b"secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_behave_as_on_a_common_server() {
    let world = World::open(Layout::SplitPair, quick()).await;
    visit(world.endpoint(), |sftp| {
        let (a, b) = (Path::new("/inbox/a.part"), Path::new("/inbox/b"));
        sftp.create(a).unwrap().write_all(b"one").unwrap();
        sftp.create(b).unwrap().write_all(b"two").unwrap();
        let exclusive = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        assert!(sftp.open_mode(b, exclusive, 0o600, OpenType::File).is_err(), "an exclusive create of a taken name");
        assert!(sftp.rename(a, b, Some(RenameFlags::OVERWRITE)).is_err(), "a rename onto a taken name");
        assert_eq!(get(sftp, "/inbox/b"), b"two");
        sftp.unlink(b).unwrap();
        sftp.rename(a, b, None).unwrap();
        assert_eq!(get(sftp, "/inbox/b"), b"one");
        assert_eq!(sftp.stat(b).unwrap().size, Some(3));
        assert!(sftp.stat(a).is_err());
        assert!(sftp.stat(Path::new("/inbox")).unwrap().is_dir());
        sftp.mkdir(Path::new("/inbox/20260310"), 0o755).unwrap();
        assert!(sftp.mkdir(Path::new("/inbox/20260310"), 0o755).is_err());
        sftp.rmdir(Path::new("/inbox/20260310")).unwrap();
        for n in 0..200 {
            sftp.create(Path::new(&format!("/done/{n:03}"))).unwrap();
        }
        assert_eq!(names(sftp, "/done").len(), 200, "a long listing comes in several answers");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_visitors_at_once_carry_large_files_both_ways() {
    let world = World::open(Layout::SplitPair, quick()).await;
    let carry = |name: &'static str, seed: usize| {
        let endpoint = world.endpoint();
        visit(endpoint, move |sftp| {
            let bytes: Vec<u8> = (0..16 * 1024 * 1024_usize).map(|at| u8::try_from((at * 31 + at / 4096 * seed) % 251).unwrap()).collect();
            put(sftp, name, &bytes);
            assert!(get(sftp, name) == bytes, "{name} came back otherwise");
        })
    };
    tokio::join!(carry("/inbox/one", 3), carry("/inbox/two", 7));
    world.sandbox.stop().await;
}

/// Somebody else's client agrees with us too, where it is installed.
#[tokio::test(flavor = "multi_thread")]
async fn the_sftp_program_gets_in_with_a_key() {
    if std::process::Command::new("sftp").arg("-h").output().is_err() {
        return;
    }
    let world = World::open(Layout::SplitPair, quick()).await;
    let endpoint = world.endpoint();
    let here = world.dir.path().to_path_buf();
    let key = russh::keys::PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[5; 32]));
    std::fs::write(world.root().join("authorized_keys"), key.public_key().to_openssh().unwrap()).unwrap();
    let output = tokio::task::spawn_blocking(move || {
        let (identity, known, batch) = (here.join("id"), here.join("known_hosts"), here.join("batch"));
        key.write_openssh_file(&identity, russh::keys::ssh_key::LineEnding::LF).unwrap();
        std::fs::write(&known, format!("[127.0.0.1]:{} {}\n", endpoint.addr.port(), endpoint.host_key)).unwrap();
        std::fs::write(
            &batch,
            format!("put {} /inbox/given\nls -l /inbox\nget /inbox/given {}\n", known.display(), here.join("back").display()),
        )
        .unwrap();
        std::process::Command::new("sftp")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(&identity)
            .arg("-b")
            .arg(&batch)
            .arg(format!("sftp://{}@127.0.0.1:{}/", endpoint.user, endpoint.addr.port()))
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("given"));
    assert_eq!(std::fs::read(world.dir.path().join("back")).unwrap(), std::fs::read(world.dir.path().join("known_hosts")).unwrap());
}
