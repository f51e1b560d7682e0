//! What must hold whatever bytes come: one body per parser and one for the profile language. The fuzz targets run them on what libFuzzer
//! makes up, and the tests on the corpus that is kept.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bankgate::domain::exchange::{BatchFacts, InboundKind, PaymentLine, Side};
use bankgate::domain::masked::{Account, IdNumber, Name};
use bankgate::domain::money::Fen;
use bankgate::format::statement::{Booked, Continuity, Statement};
use bankgate::format::{ParseSummary, Parsed, Profile, Tallier, Totals, correction, list, statement, tool};
use chrono::NaiveDate;

/// What must hold of bytes.
pub type Body = fn(&[u8]);

/// Every target and its body.
pub const TARGETS: [(&str, Body); 11] = [
    ("delimited", delimited),
    ("fixed", fixed),
    ("prefixed", prefixed),
    ("printed", printed),
    ("xml", xml),
    ("workbook", workbook),
    ("package", package),
    ("statement", statements),
    ("flag", flag),
    ("list", lists),
    ("profile", profile),
];

fn house() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|dir| dir.join("bank-formats").is_dir());
    root.expect("the tree has bank-formats").to_owned()
}

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let dirs = std::fs::read_dir(house().join("bank-formats")).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_dir());
    let mut profiles: Vec<Profile> = dirs.map(|dir| Profile::load(&dir).unwrap_or_else(|e| panic!("{e}"))).collect();
    let file = house().join("tests/fuzz/profiles/prefixed.toml");
    profiles.push(Profile::read(&std::fs::read_to_string(&file).unwrap(), &file).unwrap_or_else(|e| panic!("{e}")));
    profiles
});

fn of(id: &str) -> &'static Profile {
    PROFILES.iter().find(|p| p.id() == id).unwrap_or_else(|| panic!("no profile {id}"))
}

/// What a file became.
#[derive(Debug, PartialEq)]
struct Seen {
    parsed: Vec<Parsed>,
    summary: ParseSummary,
}

/// Gives a few bytes at a time, as a slow disk or wire would.
struct Crumbs<'b>(&'b [u8]);

impl Read for Crumbs<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(7);
        self.0.read(&mut out[..most])
    }
}

fn seen(parse: impl Fn(&mut dyn Read, &mut dyn FnMut(Parsed)) -> io::Result<ParseSummary>, source: &mut dyn Read) -> Seen {
    let mut parsed = Vec::new();
    let summary = parse(source, &mut |one| parsed.push(one)).expect("bytes in memory can always be read");
    Seen { parsed, summary }
}

/// However the bytes arrive, the same becomes of them; every line is a record or a fault that says where; sums are those of the records.
fn reads(parse: impl Fn(&mut dyn Read, &mut dyn FnMut(Parsed)) -> io::Result<ParseSummary> + Copy, bytes: &[u8]) {
    let whole = seen(parse, &mut &bytes[..]);
    assert_eq!(whole, seen(parse, &mut Crumbs(bytes)), "bytes that come in crumbs are read as those that come at once");
    let summary = &whole.summary;
    let (mut records, mut faults, mut sum) = (0, 0, Some(Fen::ZERO));
    for parsed in &whole.parsed {
        match parsed {
            // The word of an acknowledgement on the whole file.
            Parsed::Answer(answer) if answer.line == 0 => records += 1,
            Parsed::Answer(answer) => {
                records += 1;
                sum = sum.and_then(|sum| sum.checked_add(answer.amount?));
                let words = [Some(&answer.raw_code), Some(&answer.raw_text), answer.reference.as_ref(), answer.bank_ref.as_ref()];
                for text in words.into_iter().flatten() {
                    assert!(
                        !text.chars().any(|c| c < ' ' || c == '\u{7F}' || c == '\u{FFFD}'),
                        "no sign that was lost or has no shape: {text:?}"
                    );
                }
            }
            Parsed::Entry(entry) => {
                records += 1;
                assert!(entry.line > 0);
            }
            Parsed::Fault(fault) => {
                faults += 1;
                assert!(fault.line > 0 && fault.raw.len() <= 4096 && !fault.what.is_empty(), "{fault:?}");
            }
        }
    }
    assert_eq!((summary.records, summary.faults), (records, faults));
    if let Some(found) = summary.found.amount {
        assert_eq!(Some(found), sum, "what is found is the sum of the records");
    }
}

fn read(id: &str, files: &[(InboundKind, &str)], bytes: &[u8]) {
    for (kind, role) in files {
        reads(|source, sink| of(id).parse(*kind, role, source, sink), bytes);
    }
}

fn read_sent(id: &str, bytes: &[u8]) {
    reads(|source, sink| of(id).parse_sent(source, sink), bytes);
}

fn delimited(bytes: &[u8]) {
    read("pipe-gbk-summary", &[(InboundKind::Result, "data"), (InboundKind::Statement, "statement")], bytes);
    read("split-sf-noheader", &[(InboundKind::Result, "failure"), (InboundKind::Statement, "statement")], bytes);
    read("csv-plus-control", &[(InboundKind::Result, "failures")], bytes);
    read("fixed-gbk-bytes", &[(InboundKind::Ack, "ack"), (InboundKind::Enquiry, "answer")], bytes);
    read("labelled-versioned-hybrid", &[(InboundKind::Result, "data")], bytes);
    read_sent("csv-plus-control", bytes);
}

fn fixed(bytes: &[u8]) {
    read("fixed-gbk-bytes", &[(InboundKind::Result, "data")], bytes);
    read_sent("fixed-gbk-bytes", bytes);
}

fn prefixed(bytes: &[u8]) {
    read("prefixed", &[(InboundKind::Result, "data")], bytes);
    read_sent("prefixed", bytes);
}

fn printed(bytes: &[u8]) {
    read("pipe-gbk-report", &[(InboundKind::Result, "list")], bytes);
}

fn xml(bytes: &[u8]) {
    read("iso20022", &[(InboundKind::Result, "status"), (InboundKind::Ack, "ack"), (InboundKind::Return, "return")], bytes);
    read("xml-gbk-two-level", &[(InboundKind::Result, "poll"), (InboundKind::Enquiry, "answer")], bytes);
    read("cnaps2-beps382", &[(InboundKind::Result, "answer")], bytes);
    read("treasury-voucher-8207", &[(InboundKind::Result, "receipt")], bytes);
    read_sent("treasury-voucher-8207", bytes);
}

/// A bank's workbook, and those that departments send: lists and corrections.
fn workbook(bytes: &[u8]) {
    read("sheet-plus-control", &[(InboundKind::Result, "sheet")], bytes);
    list_file("list.xlsx", bytes);
    if let Err(error) = correction::read_correction(bytes.to_vec()) {
        assert!(!error.to_string().is_empty());
    }
}

fn list_file(name: &str, bytes: &[u8]) {
    match list::read_list(name, Cursor::new(bytes)) {
        Ok(list) => assert!(list.faults.iter().all(|fault| fault.line > 0 || fault.column.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn package(bytes: &[u8]) {
    read_sent("labelled-versioned-hybrid", bytes);
}

/// A statement's sums are those of its movements, and continuity holds only where the arithmetic does.
fn statements(bytes: &[u8]) {
    let whole = statement::read(&mut &bytes[..]);
    let mut seen = 0;
    let crumbs = statement::scan(&|| Ok(Box::new(Crumbs(bytes))), &mut |_, _| seen += 1);
    match (&whole, &crumbs) {
        (Ok(one), Ok(other)) => {
            let bare: Vec<Statement> = one.iter().map(|s| Statement { movements: Vec::new(), ..s.clone() }).collect();
            assert_eq!((&bare, one.iter().map(|s| s.movements.len()).sum::<usize>()), (other, seen));
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("at once {one:?}, in crumbs {other:?}"),
    }
    for statement in whole.into_iter().flatten() {
        adds_up(&statement);
    }
}

fn adds_up(statement: &Statement) {
    let sum = |side: Side| statement.movements.iter().filter(|m| m.booked == Booked::Yes && m.side == side).map(|m| m.minor).sum::<i128>();
    assert_eq!((statement.credit_sum, statement.debit_sum), (sum(Side::Credit), sum(Side::Debit)));
    if statement.continuity == Continuity::Holds {
        let (opening, closing) = (statement.opening.expect("proven by an opening"), statement.closing.expect("and a closing balance"));
        assert_eq!(opening.minor + statement.credit_sum - statement.debit_sum, closing.minor);
    }
}

/// A flag holds for bytes it does not speak of only by luck: what it accepts it accepts again.
fn flag(bytes: &[u8]) {
    let mut tallier = Tallier::new(&of("fixed-gbk-bytes").flag_digests(InboundKind::Result, "flag"));
    tallier.update(b"one line\n");
    let (tally, totals) = (tallier.finish(), Totals::default());
    for (id, role) in [("fixed-gbk-bytes", "flag"), ("labelled-versioned-hybrid", "sidecar")] {
        let check = || of(id).check_flag(InboundKind::Result, role, bytes, &tally, &totals);
        let said = check();
        assert_eq!(said, check());
        assert!(said.is_ok() || said.is_err_and(|why| !why.is_empty()));
    }
}

fn people() -> Vec<PaymentLine> {
    let line = |seq: u64, name: &str, account: &str, fen: i64| PaymentLine {
        reference: format!("BG{seq:016}"),
        seq,
        payee_name: Name::new(name),
        id_number: IdNumber::new("511181199001012018"),
        account: Account::new(account),
        bank_code: "102665000015".to_owned(),
        amount: Fen::new(fen),
        project_short: "耕地补贴".to_owned(),
        remark: "凭证1".to_owned(),
        ordinal: 1,
        ..PaymentLine::default()
    };
    vec![line(1, "王五", "6217001234567890014", 12_345), line(2, "阿牛·木呷", "6217001234567890030", 100_000)]
}

fn facts(lines: &[PaymentLine]) -> BatchFacts {
    BatchFacts {
        batch_no: "B20190314001".to_owned(),
        date: NaiveDate::from_ymd_opt(2019, 3, 14).unwrap(),
        seq_no: 1,
        unit_no: "LS0001".to_owned(),
        payer_account: Account::new("510601012345678901"),
        payer_name: "乐山市农业农村局".to_owned(),
        payer_bank: "102665000015".to_owned(),
        department: "农业农村局".to_owned(),
        project: "耕地补贴".to_owned(),
        project_short: "耕地补贴".to_owned(),
        period: "2019-03".to_owned(),
        count: u64::try_from(lines.len()).unwrap(),
        total: lines.iter().map(|l| l.amount).sum(),
        ..BatchFacts::default()
    }
}

/// A list is read whole, or every fault in it has its line.
fn lists(bytes: &[u8]) {
    list_file("list.csv", bytes);
    list_file("list.json", bytes);
    match tool::payments(bytes, &facts(&people())) {
        Ok(lines) => assert!(lines.iter().all(|line| line.ordinal > 0)),
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// A profile is refused with its place, or what it renders is read back as it went.
fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let profile = match Profile::read(text, Path::new("profile.toml")) {
        Err(error) => return assert!(error.to_string().contains("profile.toml:"), "a fault without a place: {error}"),
        Ok(profile) => profile,
    };
    let lines: Vec<PaymentLine> = people().into_iter().filter(|line| profile.check_line(line).is_empty()).collect();
    if lines.len() < 2 {
        return;
    }
    let rendered = || {
        let mut renderer = profile.renderer(&facts(&lines), Vec::new()).ok()?;
        lines.iter().try_for_each(|line| renderer.line(line)).ok()?;
        renderer.finish().ok().map(|(bytes, _)| bytes)
    };
    let Some(bytes) = rendered() else { return };
    assert_eq!(Some(&bytes), rendered().as_ref(), "the same rows make the same bytes");
    let back = seen(|source, sink| profile.parse_sent(source, sink), &mut &bytes[..]);
    assert_eq!((back.summary.faults, &back.summary.problems), (0, &Vec::new()), "what it renders it reads: {:?}", back.parsed);
    assert_eq!(back.parsed.len(), lines.len());
    for (line, parsed) in lines.iter().zip(&back.parsed) {
        let Parsed::Answer(answer) = parsed else { panic!("a payment of ours is read back as one: {parsed:?}") };
        let changed = tool::changed(line, answer);
        assert!(changed.is_empty(), "as it went: {changed:?}");
    }
}
