//! Profiles: the golden bytes of every layout, both ways (`tests/goldens/write_goldens.py` wrote them, sharing no code with
//! `src/format`), file names, and what a bank could not carry.

mod another_bank;
mod any_profile;
mod broken_files;
mod broken_profiles;
mod clearing;
mod encoders;
mod enquiry;
mod gateway;
mod iso;
mod kit;
mod memory;
mod packages;
mod printed;
mod reasons;
mod round_trip;
mod schema;
mod sheets;
mod substitute;
mod tools;
mod voucher;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bankgate::domain::exchange::{Answer, BatchFacts, InboundKind, Outcome, PaymentLine, StatementEntry};
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::format::{
    BindingKey, InboundName, LineFault, NameError, ParseSummary, Parsed, Profile, Readiness, RenderError, Rendered, ReturnSemantics,
};
use chrono::NaiveDate;

const ALL: [&str; 3] = ["split-sf-noheader", "fixed-gbk-bytes", "pipe-gbk-summary"];

fn folder(id: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id)
}

/// The profile, loaded once.
fn profile(id: &str) -> &'static Profile {
    static LOADED: LazyLock<Vec<Profile>> =
        LazyLock::new(|| ALL.iter().map(|id| Profile::load(&folder(id)).unwrap_or_else(|e| panic!("{e}"))).collect());
    LOADED.iter().find(|p| p.id() == id).unwrap()
}

fn sample(id: &str, path: &str) -> Vec<u8> {
    std::fs::read(folder(id).join("samples").join(path)).expect("the goldens are kept in the tree")
}

/// What a file became.
struct Read {
    answers: Vec<Answer>,
    entries: Vec<StatementEntry>,
    faults: Vec<LineFault>,
    summary: ParseSummary,
}

fn read(profile: &Profile, kind: InboundKind, role: &str, bytes: &[u8]) -> Read {
    let (mut answers, mut entries, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let summary = profile
        .parse(kind, role, &mut &bytes[..], &mut |parsed| match parsed {
            Parsed::Answer(answer) => answers.push(answer),
            Parsed::Entry(entry) => entries.push(entry),
            Parsed::Fault(fault) => faults.push(fault),
        })
        .unwrap();
    assert_eq!(summary.records, u64::try_from(answers.len() + entries.len()).unwrap());
    assert_eq!(summary.faults, u64::try_from(faults.len()).unwrap());
    Read { answers, entries, faults, summary }
}

/// The five people of the goldens.
fn people() -> Vec<PaymentLine> {
    let line = |seq: u64, name: &str, id: &str, account: &str, bank: &str, fen: i64, mobile: &str, ordinal: u32| PaymentLine {
        reference: EndToEndId(1000 + i64::try_from(seq).unwrap()).to_string(),
        seq,
        payee_name: Name::new(name),
        id_number: IdNumber::new(id),
        account: Account::new(account),
        bank_code: bank.to_owned(),
        amount: Fen::new(fen),
        mobile: Mobile::new(mobile),
        project_short: "耕地补贴".to_owned(),
        remark: String::new(),
        ordinal,
    };
    vec![
        line(1, "王五", "511181199001012018", "6217001234567890014", "102665000015", 12_345, "13800138001", 1),
        line(2, "王珅", "511102198506150125", "6217001234567890022", "102665000015", 5, "", 1),
        line(3, "阿牛·木呷", "511132197709300334", "6217001234567890030", "402665100012", 100_000, "13900139003", 1),
        line(4, "欧阳億", "", "6217001234567890048", "402665100012", 6_000, "", 2),
        line(5, "吉克·伍呷莫·阿依子史", "511133200102285044", "621700123456789", "402665100012", 99_999_999, "13700137005", 11),
    ]
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2019, 3, 14).unwrap()
}

fn facts(lines: &[PaymentLine]) -> BatchFacts {
    BatchFacts {
        batch_no: "B20190314001".to_owned(),
        date: day(),
        seq_no: 1,
        unit_no: "LS0001".to_owned(),
        payer_account: Account::new("510601012345678901"),
        payer_name: "乐山市农业农村局".to_owned(),
        payer_bank: "102665000015".to_owned(),
        count: u64::try_from(lines.len()).unwrap(),
        total: lines.iter().map(|l| l.amount).sum(),
        ..BatchFacts::default()
    }
}

fn render(profile: &Profile, facts: &BatchFacts, lines: &[PaymentLine]) -> Result<(Vec<u8>, Rendered), RenderError> {
    let mut renderer = profile.renderer(facts, Vec::new())?;
    for line in lines {
        renderer.line(line)?;
    }
    renderer.finish()
}

#[test]
fn every_profile_of_the_tree_loads_under_its_folders_name() {
    let mut found = 0;
    for entry in std::fs::read_dir(folder("")).unwrap() {
        let dir = entry.unwrap().path();
        if dir.is_dir() {
            let profile = Profile::load(&dir).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(Some(profile.id()), dir.file_name().and_then(|n| n.to_str()));
            assert_eq!(profile.digest().len(), 64);
            assert!(profile.version() >= 1 && !profile.title_zh().is_empty());
            found += 1;
        }
    }
    assert!(found >= ALL.len());
}

#[test]
fn a_profile_is_shared_between_threads() {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Profile>();
}

#[test]
fn what_we_send_is_golden_to_the_byte() {
    for (id, path) in [
        ("split-sf-noheader", "request/YHDF__201903140001.TXT"),
        ("fixed-gbk-bytes", "request/20190314/03140001.dat"),
        ("pipe-gbk-summary", "request/20190314/0512037"),
    ] {
        let profile = profile(id);
        let golden = sample(id, path);
        let names = profile.instruction_names(&facts(&people())).unwrap();
        let place = [names.dir.as_str(), names.data.as_str()].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>().join("/");
        assert_eq!(format!("request/{place}"), path);
        let (bytes, rendered) = render(profile, &facts(&people()), &people()).unwrap();
        let first_difference = bytes.iter().zip(&golden).position(|(a, b)| a != b);
        assert!(bytes == golden, "{id}: {} bytes of {}, first difference at {first_difference:?}", bytes.len(), golden.len());
        assert_eq!(rendered.bytes, u64::try_from(golden.len()).unwrap());
        assert_eq!(rendered.lines, u64::try_from(golden.iter().filter(|b| **b == b'\n').count()).unwrap());
        assert_eq!((rendered.rows, rendered.total), (5, Fen::new(100_118_349)));
        assert_eq!(rendered.flag, names.flag.map(|flag| sample(id, &format!("request/{}/{flag}", names.dir))));
        for line in people() {
            assert_eq!(profile.check_line(&line), [], "{id}");
        }
    }
}

/// One row of a golden: sequence, outcome, final, reason, raw code.
type Row = (usize, Outcome, bool, Option<Reason>, &'static str);

fn assert_rows(read: &Read, echoes_reference: bool, rows: &[Row]) {
    assert_eq!(read.faults, []);
    assert_eq!(read.summary.problems, Vec::<String>::new());
    assert_eq!(read.answers.len(), rows.len());
    for (answer, (seq, outcome, is_final, reason, code)) in read.answers.iter().zip(rows) {
        let sent = &people()[seq - 1];
        assert_eq!((answer.outcome, answer.is_final, answer.reason, answer.raw_code.as_str()), (*outcome, *is_final, *reason, *code));
        assert_eq!(answer.payee_name.as_ref(), Some(&sent.payee_name));
        assert_eq!(answer.amount, Some(sent.amount));
        assert_eq!(answer.reference.as_ref(), echoes_reference.then_some(&sent.reference));
    }
}

#[test]
fn a_result_of_fixed_columns_is_read() {
    let profile = profile("fixed-gbk-bytes");
    let bytes = sample("fixed-gbk-bytes", "result/20190314/03140001.dat");
    let read = read(profile, InboundKind::Result, "data", &bytes);
    assert_rows(
        &read,
        true,
        &[
            (1, Outcome::Paid, true, None, "00000000"),
            (2, Outcome::Failed, true, Some(Reason::NameMismatch), "TPM055"),
            (3, Outcome::Paid, true, None, "00000000"),
            (4, Outcome::Unknown, false, None, ""),
            (5, Outcome::Failed, true, Some(Reason::SysBusy), "SB3028"),
        ],
    );
    assert_eq!(read.answers[1].raw_text, "户名不符,原户名为[王坤]");
    assert_eq!(read.answers[2].raw_text, "20190314000000000003");
    assert_eq!(read.answers[4].account, Some(people()[4].account.clone()));
    assert_eq!(read.answers[4].seq, Some(5));
    assert_eq!(read.answers[0].date, NaiveDate::from_ymd_opt(2019, 3, 15), "the date of execution stands in the header");
    assert_eq!(read.summary.declared.paid_amount, Some(Fen::new(112_345)));
    assert_eq!(read.summary.found.failed_amount, Some(Fen::new(100_000_004)));
    assert_eq!(read.summary.is_unit_proven, Some(true));
    assert_eq!(profile.differing_echoes(&facts(&people()), &read.summary), Vec::<String>::new());
    let mut other = facts(&people());
    other.unit_no = "LS0002".to_owned();
    assert_eq!(profile.differing_echoes(&other, &read.summary), ["the column \"企业代码\" is not what our file said"]);
    let flag = sample("fixed-gbk-bytes", "result/20190314/03140001.dat.ok");
    assert_eq!(profile.check_flag(InboundKind::Result, "flag", &flag, &read.summary.tally, &read.summary.found), Ok(()));
    let request = sample("fixed-gbk-bytes", "request/20190314/03140001.dat.ok");
    assert!(
        profile.check_flag(InboundKind::Result, "flag", &request, &read.summary.tally, &read.summary.found).unwrap_err().contains("SM3")
    );
}

#[test]
fn a_result_in_two_files_is_read() {
    let profile = profile("split-sf-noheader");
    let success = sample("split-sf-noheader", "result/YHDFFK201903140001_S.TXT");
    let failure = sample("split-sf-noheader", "result/YHDFFK201903140001_F.TXT");
    let paid = read(profile, InboundKind::Result, "success", &success);
    assert_rows(&paid, true, &[(1, Outcome::Paid, true, None, ""), (3, Outcome::Paid, true, None, ""), (4, Outcome::Paid, true, None, "")]);
    assert_eq!(paid.answers[2].id_number, None, "a payment by mandate has none");
    let failed = read(profile, InboundKind::Result, "failure", &failure);
    assert_rows(
        &failed,
        true,
        &[(2, Outcome::Failed, true, Some(Reason::OtherUnmapped), ""), (5, Outcome::Failed, true, Some(Reason::CardLost), "")],
    );
    assert_eq!(failed.answers[1].raw_text, "账户已挂失");
    assert_eq!(failed.summary.is_unit_proven, None, "no totals anywhere: the amounts prove the unit row by row");
    let nothing = read(profile, InboundKind::Result, "success", b"");
    assert_eq!((nothing.summary.records, nothing.summary.problems.len()), (0, 0), "an empty file says that nothing was paid");
}

#[test]
fn what_was_sent_back_is_read() {
    let profile = profile("split-sf-noheader");
    let back = read(profile, InboundKind::Return, "returned", &sample("split-sf-noheader", "return/YHDFTP201903140001_T.TXT"));
    let (closed, silent) = (Some(Reason::AcctClosed), Some(Reason::LateReturn));
    assert_rows(&back, true, &[(1, Outcome::Returned, true, closed, ""), (4, Outcome::Returned, true, silent, "")]);
    assert_eq!((back.answers[0].raw_text.as_str(), back.answers[0].amount), ("退票:账户已销户", Some(Fen::new(12_345))));
}

#[test]
fn a_result_with_a_summary_is_read() {
    let profile = profile("pipe-gbk-summary");
    let bytes = sample("pipe-gbk-summary", "result/20190314/0512037R");
    let read = read(profile, InboundKind::Result, "data", &bytes);
    assert_rows(
        &read,
        false,
        &[
            (1, Outcome::Paid, true, None, "0"),
            (2, Outcome::Failed, true, Some(Reason::NameMismatch), "3031"),
            (3, Outcome::Paid, true, None, "0"),
            (4, Outcome::Failed, true, Some(Reason::CardLost), "1"),
            (5, Outcome::Unknown, false, Some(Reason::InProgress), "2001"),
        ],
    );
    assert_eq!(read.answers.iter().map(|a| a.seq).collect::<Vec<_>>(), [Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[test]
fn an_ack_speaks_of_the_whole_file() {
    let profile = profile("fixed-gbk-bytes");
    let taken = read(profile, InboundKind::Ack, "ack", &sample("fixed-gbk-bytes", "ack/20190314/03140001.ack"));
    let word = taken.summary.file_code.unwrap();
    assert_eq!((word.outcome, word.is_final, word.reason, word.code.as_str()), (Outcome::Accepted, true, None, "00000000"));
    assert_eq!((taken.summary.declared.count, taken.summary.declared.amount), (Some(5), Some(Fen::new(100_118_349))));
    assert_eq!(taken.answers[0].outcome, Outcome::Accepted);
    let refused = read(profile, InboundKind::Ack, "ack", &sample("fixed-gbk-bytes", "ack-refused/20190314/03140001.ack"));
    let word = refused.summary.file_code.unwrap();
    assert_eq!((word.outcome, word.is_final, word.reason), (Outcome::Failed, true, Some(Reason::TotalsMismatch)));
    assert_eq!((word.code.as_str(), word.text.as_str()), ("H019", "总金额不符"));
}

#[test]
fn i8_a_bank_that_says_duplicate_has_not_refused() {
    let profile = profile("fixed-gbk-bytes");
    for (bytes, reason) in [
        (&b"481299  |5|100118349|\n"[..], Reason::DupBatch),
        (b"X0000001|5|100118349|\xCE\xC4\xBC\xFE\xC3\xFB\xD6\xD8\xB8\xB4\n", Reason::FileNameDup),
    ] {
        let word = read(profile, InboundKind::Ack, "ack", bytes).summary.file_code.unwrap();
        assert_eq!((word.outcome, word.is_final, word.reason), (Outcome::Unknown, false, Some(reason)));
    }
}

#[test]
fn a_statement_is_read_and_proven_by_every_profile() {
    for id in ALL {
        let bytes = sample(id, "statement/STMT_510601012345678901_20190314.txt");
        let read = read(profile(id), InboundKind::Statement, "statement", &bytes);
        assert_eq!((read.faults.len(), read.summary.problems.as_slice()), (0, [].as_slice()), "{id}");
        let head = &read.summary.head;
        assert_eq!((head.opening, head.closing), (Some(Fen::new(-1200)), Some(Fen::new(86_455))));
        assert_eq!((head.from, head.to), (Some(day()), Some(day())));
        assert_eq!(head.account, Account::new("510601012345678901"));
        assert_eq!(read.entries.len(), 3);
        assert_eq!(read.entries[0].reference, None);
        assert_eq!(read.entries[1].reference.as_ref(), Some(&people()[0].reference));
        assert_eq!(read.entries[2].counter_name, Some(Name::new("阿牛·木呷")));
    }
}

#[test]
fn names_of_files_both_ways() {
    let one = facts(&people());
    for (id, dir, data, flag, key) in [
        ("split-sf-noheader", "", "YHDF__201903140001.TXT", None, "201903140001"),
        ("fixed-gbk-bytes", "20190314", "03140001.dat", Some("03140001.dat.ok"), "20190314/03140001"),
        ("pipe-gbk-summary", "20190314", "0512037", None, "20190314/0512037"),
    ] {
        let names = profile(id).instruction_names(&one).unwrap();
        assert_eq!((names.dir.as_str(), names.data.as_str(), names.flag.as_deref(), names.key.as_str()), (dir, data, flag, key));
    }
    let named = |kind, role: &str, key: &str| Some(InboundName { kind, role: role.to_owned(), key: key.to_owned(), asked: None });
    let asked =
        |day: &str| named(InboundKind::Enquiry, "answer", "20190314/03140001").map(|n| InboundName { asked: Some(day.to_owned()), ..n });
    for (id, path, expected) in [
        ("split-sf-noheader", "YHDFFK201903140001_S.TXT", named(InboundKind::Result, "success", "201903140001")),
        ("split-sf-noheader", "YHDFFK201903140001_F.TXT", named(InboundKind::Result, "failure", "201903140001")),
        ("split-sf-noheader", "YHDFTP201903140001_T.TXT", named(InboundKind::Return, "returned", "201903140001")),
        ("split-sf-noheader", "YHDFFK201903140001_F.TXT.filepart", None),
        ("split-sf-noheader", "YHDFFK201902300001_F.TXT", None),
        ("fixed-gbk-bytes", "20190314/03140001.dat", named(InboundKind::Result, "data", "20190314/03140001")),
        ("fixed-gbk-bytes", "20190314/03140001.dat.ok", named(InboundKind::Result, "flag", "20190314/03140001")),
        ("fixed-gbk-bytes", "20190314/03140001.ack", named(InboundKind::Ack, "ack", "20190314/03140001")),
        ("fixed-gbk-bytes", "20190314/03140001.r0318", asked("0318")),
        ("fixed-gbk-bytes", "20190314/03150001.dat", None),
        ("fixed-gbk-bytes", "03140001.dat", None),
        ("pipe-gbk-summary", "20190314/0512037R", named(InboundKind::Result, "data", "20190314/0512037")),
        ("pipe-gbk-summary", "20190314/0512037", None),
        ("pipe-gbk-summary", "20190314/0512037R.tmp", None),
        (
            "pipe-gbk-summary",
            "statement/STMT_510601012345678901_20190314.txt",
            named(InboundKind::Statement, "statement", "510601012345678901_20190314"),
        ),
    ] {
        assert_eq!(profile(id).recognise(path), expected, "{id} {path}");
    }
    assert_eq!(profile("split-sf-noheader").inbound_dirs(&[day()]), ["", "statement"]);
    let days = [day(), day().succ_opt().unwrap()];
    assert_eq!(profile("fixed-gbk-bytes").inbound_dirs(&days), ["20190314", "20190315", "statement"]);
}

#[test]
fn o5_numbers_never_wrap_and_values_never_leave_the_folder() {
    let mut facts = facts(&people());
    facts.seq_no = 10_000;
    for id in ["split-sf-noheader", "fixed-gbk-bytes"] {
        let error = profile(id).instruction_names(&facts).unwrap_err();
        assert_eq!(error, NameError::SequenceExhausted { seq_no: 10_000, digits: 4 });
    }
    facts.seq_no = 9_999;
    assert_eq!(profile("split-sf-noheader").instruction_names(&facts).unwrap().key, "201903149999");
    facts.seq_no = 0;
    assert!(profile("split-sf-noheader").instruction_names(&facts).is_err());
    let pipe = profile("pipe-gbk-summary");
    for bad in ["../x", "051", "05123", "051a"] {
        facts.extra.insert("branch".to_owned(), bad.to_owned());
        let error = pipe.instruction_names(&facts).unwrap_err();
        assert_eq!(error, NameError::NotAllowed { name: "branch".to_owned(), length: bad.chars().count() });
    }
    facts.extra.insert("branch".to_owned(), "0600".to_owned());
    assert_eq!(pipe.instruction_names(&facts).unwrap().data, "0600037", "the agreement's value goes before the profile's");
}

#[test]
fn how_each_exchange_goes() {
    let split = profile("split-sf-noheader");
    assert_eq!(split.exchange().return_semantics, ReturnSemantics::SplitSuccessFailure);
    assert_eq!(split.readiness(InboundKind::Result), Readiness::Pair);
    assert_eq!(split.readiness(InboundKind::Statement), Readiness::Stable);
    assert!(split.roles(InboundKind::Result).iter().all(|r| r.required && !r.is_flag));
    assert!(!split.exchange().has_ack && split.roles(InboundKind::Ack).is_empty());
    let fixed = profile("fixed-gbk-bytes");
    assert_eq!(fixed.readiness(InboundKind::Result), Readiness::Flag);
    assert_eq!(fixed.readiness(InboundKind::Ack), Readiness::Stable);
    assert_eq!(fixed.exchange().binding, [BindingKey::Reference, BindingKey::Seq]);
    assert!(fixed.exchange().has_ack);
    assert_eq!(fixed.roles(InboundKind::Result).iter().map(|r| r.is_flag).collect::<Vec<_>>(), [false, true]);
    let pipe = profile("pipe-gbk-summary");
    assert_eq!(pipe.exchange().binding, [BindingKey::Seq, BindingKey::AccountAmount]);
    assert!(pipe.exchange().recurring_path && pipe.exchange().re_dated);
}

/// What each bank could not carry: the value, its field, the reason.
#[test]
fn o18_i19_what_a_bank_cannot_carry_is_refused_before_it_is_sent() {
    type Break = fn(&mut PaymentLine);
    let cases: &[(Break, &str, Reason)] = &[
        (|l| l.payee_name = Name::new("王\u{4DAE}"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王𠮷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王€"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("阿牛．木呷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("阿牛•木呷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("阿牛・木呷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("阿牛‧木呷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王\u{E863}"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王？\u{FFFD}"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王五 "), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new(" 王五"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("阿牛.木呷"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("\u{3000}王五"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王\t五"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("王\n五"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new("NULL"), "payee_name", Reason::NameCharUnsupported),
        (|l| l.payee_name = Name::new(""), "payee_name", Reason::NameCharUnsupported),
        (|l| l.amount = Fen::ZERO, "amount", Reason::AmountInvalid),
        (|l| l.amount = Fen::new(-1), "amount", Reason::AmountInvalid),
    ];
    for id in ALL {
        let profile = profile(id);
        for (i, (spoil, field, reason)) in cases.iter().enumerate() {
            let mut line = people().remove(0);
            spoil(&mut line);
            let faults = profile.check_line(&line);
            assert_eq!(faults.iter().map(|f| (f.field, f.reason)).collect::<Vec<_>>(), [(*field, *reason)], "{id}, case {i}: {faults:?}");
            let error = render(profile, &facts(std::slice::from_ref(&line)), std::slice::from_ref(&line)).unwrap_err();
            assert!(matches!(&error, RenderError::Line { seq: 1, fault } if fault == &faults[0]), "{id}, case {i}: {error}");
            assert!(!error.is_transient());
        }
    }
}

#[test]
fn what_one_layout_cannot_carry() {
    type Break = fn(&mut PaymentLine);
    let cases: &[(&str, Break, &str, Reason, &str)] = &[
        ("split-sf-noheader", |l| l.payee_name = Name::new("王|五"), "payee_name", Reason::NameCharUnsupported, "delimiter"),
        ("pipe-gbk-summary", |l| l.account = Account::new(""), "account", Reason::AcctNoInvalid, "empty"),
        ("pipe-gbk-summary", |l| l.account = Account::new("6217 001"), "account", Reason::AcctNoInvalid, "character 5"),
        ("pipe-gbk-summary", |l| l.ordinal = 100, "ordinal", Reason::FileFormat, "3 bytes"),
        ("pipe-gbk-summary", |l| l.ordinal = 0, "ordinal", Reason::FileFormat, "from 1"),
        ("fixed-gbk-bytes", |l| l.payee_name = Name::new("王".repeat(61)), "payee_name", Reason::NameCharUnsupported, "122 bytes"),
        ("fixed-gbk-bytes", |l| l.account = Account::new("6".repeat(33)), "account", Reason::AcctNoInvalid, "33 bytes"),
        ("fixed-gbk-bytes", |l| l.bank_code = String::new(), "bank_code", Reason::BankCodeWrong, "empty"),
        ("fixed-gbk-bytes", |l| l.reference = "null".to_owned(), "reference", Reason::FileFormat, "placeholder"),
        ("fixed-gbk-bytes", |l| l.project_short = String::new(), "project_short", Reason::FileFormat, "empty"),
        ("fixed-gbk-bytes", |l| l.mobile = Mobile::new("138;1"), "mobile", Reason::FileFormat, "character 4"),
        ("fixed-gbk-bytes", |l| l.project_short = "补".repeat(61), "project_short", Reason::FileFormat, "bytes"),
        ("fixed-gbk-bytes", |l| l.project_short = "€".to_owned(), "project_short", Reason::FileFormat, "U+20AC"),
    ];
    for (id, spoil, field, reason, part) in cases {
        let mut line = people().remove(0);
        spoil(&mut line);
        let faults = profile(id).check_line(&line);
        assert_eq!(faults.iter().map(|f| (f.field, f.reason)).collect::<Vec<_>>(), [(*field, *reason)], "{id}: {faults:?}");
        assert!(faults[0].detail.contains(part), "{}", faults[0]);
    }
}

#[test]
fn o1_a_file_that_is_not_what_its_batch_says_is_never_finished() {
    for id in ALL {
        let profile = profile(id);
        let (lines, all) = (people(), facts(&people()));
        let error = render(profile, &all, &lines[..4]).unwrap_err();
        assert!(matches!(error, RenderError::Totals { said_count: 5, count: 4, .. }), "{id}: {error}");
        let mut short = facts(&lines);
        short.total = short.total.checked_sub(Fen::new(1)).unwrap();
        assert!(matches!(render(profile, &short, &lines).unwrap_err(), RenderError::Totals { .. }));
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        assert!(matches!(render(profile, &all, &swapped).unwrap_err(), RenderError::Order { expected: 2, found: 3 }));
        assert!(render(profile, &facts(&[]), &[]).unwrap_err().to_string().contains("without payments"));
        let mut huge = facts(&lines);
        huge.count = profile.exchange().max_rows + 1;
        assert!(matches!(render(profile, &huge, &lines).unwrap_err(), RenderError::TooManyRows { .. }));
    }
    let mut nameless = facts(&people());
    nameless.payer_name = String::new();
    let error = render(profile("fixed-gbk-bytes"), &nameless, &people()).unwrap_err();
    assert!(error.to_string().contains("付款户名"), "{error}");
}
