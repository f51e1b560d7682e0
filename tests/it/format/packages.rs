//! Packages around a file, and the sidecar that speaks of it: goldens both ways, and packages that are not what was agreed.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use bankgate::domain::exchange::{InboundKind, Outcome, PaymentLine};
use bankgate::domain::masked::{Account, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::format::{Profile, Readiness, Totals};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{facts, folder, people, read, render, sample};

const ID: &str = "labelled-versioned-hybrid";
const STEM: &str = "LS0001_20190314_0001";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

/// Another reading of the profile.
fn with(from: &str, to: &str) -> Result<Profile, String> {
    let text = std::fs::read_to_string(folder(ID).join("profile.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    Profile::read(&text.replacen(from, to, 1), Path::new("profile.toml")).map_err(|e| e.to_string())
}

fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The members of a package.
fn unpacked(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes.to_vec())).unwrap();
    let mut member = |at| {
        let mut member = zip.by_index(at).unwrap();
        let name = String::from_utf8(member.name_raw().to_vec()).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    (0..2).take_while(|at| *at < ZipArchive::new(Cursor::new(bytes.to_vec())).unwrap().len()).map(&mut member).collect()
}

fn result() -> Vec<u8> {
    sample(ID, &format!("result-plain/{STEM}_RT"))
}

#[test]
fn the_request_is_golden_in_its_package_and_its_sidecar_speaks_of_the_text() {
    let profile = profile();
    let names = profile.instruction_names(&facts(&people())).unwrap();
    assert_eq!((names.data, names.flag), (format!("{STEM}.zip"), Some(format!("{STEM}.ctl"))));
    let (bytes, rendered) = render(&profile, &facts(&people()), &people()).unwrap();
    assert_eq!(unpacked(&bytes), unpacked(&sample(ID, &format!("request/{STEM}.zip"))));
    assert_eq!(rendered.flag.unwrap(), sample(ID, &format!("request/{STEM}.ctl")));
    assert_eq!((rendered.bytes, rendered.lines), (u64::try_from(bytes.len()).unwrap(), 6));
    assert!(bytes == render(&profile, &facts(&people()), &people()).unwrap().0, "the same rows make the same package");
    let stored = with("zip = { member = \"{name:0..-4}.txt\" }", "zip = { member = \"{name:0..-4}.txt\", store = true }").unwrap();
    assert!(render(&stored, &facts(&people()), &people()).unwrap().0.len() > bytes.len());
}

#[test]
fn a_result_is_read_packed_or_plain_once_its_sidecar_agrees() {
    let profile = profile();
    assert_eq!(profile.readiness(InboundKind::Result), Readiness::Flag);
    for case in ["result", "result-plain"] {
        let found = read(&profile, InboundKind::Result, "data", &sample(ID, &format!("{case}/{STEM}_RT")));
        assert_eq!((&found.faults, &found.summary.problems), (&vec![], &vec![]), "{case}");
        let said: Vec<_> = found.answers.iter().map(|a| (a.outcome, a.paid.map(Fen::get), a.reason)).collect();
        assert_eq!(said[0], (Outcome::Paid, Some(12_345), None));
        assert_eq!(said[1], (Outcome::Failed, Some(0), Some(Reason::NameMismatch)));
        assert_eq!(said[2], (Outcome::Paid, Some(60_000), None), "less than was due");
        assert_eq!(said[3].0, Outcome::Unknown, "not come to yet");
        assert_eq!(said[4].2, Some(Reason::OtherUnmapped));
        let sidecar = sample(ID, &format!("{case}/{STEM}_RT.ctl"));
        let check = |flag: &[u8]| profile.check_flag(InboundKind::Result, "sidecar", flag, &found.summary.tally, &found.summary.found);
        assert_eq!(check(&sidecar), Ok(()));
        let other = String::from_utf8(sidecar).unwrap().replace("count=5", "count=6");
        assert!(check(other.as_bytes()).unwrap_err().contains("count 6"));
    }
    let found = read(&profile, InboundKind::Result, "data", &sample(ID, &format!("result-altered-quarantine/{STEM}_RT")));
    let sidecar = sample(ID, &format!("result-altered-quarantine/{STEM}_RT.ctl"));
    let told = profile.check_flag(InboundKind::Result, "sidecar", &sidecar, &found.summary.tally, &Totals::default());
    assert!(told.unwrap_err().contains("MD5"));
}

#[test]
fn a_package_that_is_not_what_was_agreed_is_a_problem_and_no_bomb_goes_off() {
    let (text, name) = (result(), format!("{STEM}_RT"));
    let small = with("max_megabytes = 256", "max_megabytes = 8").unwrap();
    let zeros = vec![b'0'; 9 << 20];
    let mut torn = packed(&[(&name, &text)]);
    torn.truncate(torn.len() - 30);
    let mut flipped = packed(&[(&name, &text)]);
    flipped[80] ^= 1;
    let many: Vec<(String, &[u8])> = (0..20).map(|i| (format!("readme{i}.txt"), &b"x"[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    for (bytes, part) in [
        (packed(&[(&name, &zeros)]), "8388608 at most"),
        (packed(&[(&name, &zeros[..7 << 20])]), "200 times"),
        (packed(&[(&name, &text), ("other.txt", b"x")]), "not one that was agreed"),
        (packed(&[("../x", &text)]), "no plain name"),
        (packed(&[("LS0001_20190314_0001_RT2", &text)]), "not one that was agreed"),
        (packed(&[]), "does not hold"),
        (packed(&many), "20 files"),
        (torn, "package"),
        (flipped, "unpacked"),
    ] {
        let found = read(&small, InboundKind::Result, "data", &bytes);
        assert!(found.summary.problems.iter().any(|p| p.contains(part)), "{part}: {:?}", found.summary.problems);
    }
    let strict = with(", optional = true, besides", ", besides").unwrap();
    let found = read(&strict, InboundKind::Result, "data", &text);
    assert!(found.summary.problems.iter().any(|p| p.contains("no") && p.contains("package")), "{:?}", found.summary.problems);
}

/// What a package says of its size is not believed: the bound is counted as it unpacks.
#[test]
fn a_size_that_lies_ends_where_the_bound_is() {
    let zeros = vec![b'0'; 9 << 20];
    let mut bytes = packed(&[(&format!("{STEM}_RT"), &zeros)]);
    let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    let places: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| *w == size).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2, "the local header and the directory");
    for at in places {
        bytes[at..at + 4].copy_from_slice(&4096_u32.to_le_bytes());
    }
    let found = read(&profile(), InboundKind::Result, "data", &bytes);
    assert!(
        found.summary.problems.iter().any(|p| p.contains("more than was agreed") || p.contains("cannot be unpacked")),
        "{:?}",
        found.summary.problems
    );
    assert!(found.summary.bytes <= u64::try_from(bytes.len()).unwrap());
}

#[test]
fn a_member_named_for_another_file_is_told() {
    let bytes = packed(&[("LS0001_20190314_0002_RT", &result())]);
    let found = read(&profile(), InboundKind::Result, "data", &bytes);
    assert_eq!(found.summary.problems, Vec::<String>::new());
    let differing = profile().differing_echoes(&facts(&people()), &found.summary);
    assert!(differing.iter().any(|d| d.contains("member")), "{differing:?}");
}

#[test]
fn a_list_is_parted_by_rows_and_by_amount() {
    let parts = |to: &str| bankgate::format::tool::parts(&people(), &with("max_rows = 50000", to).unwrap());
    assert_eq!(parts("max_rows = 50000"), [5]);
    assert_eq!(parts("max_rows = 2"), [2, 2, 1]);
    // 123.45, 0.05, 1000.00, 60.00, 999999.99
    assert_eq!(
        parts("max_rows = 50000\nmax_amount = \"1060.00\""),
        [2, 2, 1],
        "the last alone is too much, and is refused when it is written"
    );
    let profile = with("max_rows = 50000", "max_rows = 50000\nmax_amount = \"1060.00\"").unwrap();
    assert!(render(&profile, &facts(&people()), &people()).unwrap_err().to_string().contains("takes 1060.00"));
}

#[test]
fn what_a_profile_may_not_say_of_packages() {
    for (from, to, part) in [
        ("{name:0..-4}.txt\" }", "a/{name:0..-4}.txt\" }", "plain name"),
        ("{name:0..-4}.txt\" }", "{name:0..-4}.txt\", optional = true }", "for what a bank packs"),
        (", max_megabytes = 256", ", store = true", "for what we pack"),
        ("max_megabytes = 256", "max_megabytes = 0", "from 1"),
        ("besides = [\"readme\\\\.txt\"]", "besides = [\"(\"]", "regular expression"),
        ("of = \"data\"", "of = \"dat\"", "allowed: data"),
        ("max_rows = 50000", "max_rows = 50000\nmax_amount = \"0\"", "above zero"),
        ("max_rows = 50000", "max_rows = 50000\nmax_amount = \"1e6\"", "above zero"),
        ("status = \"result\"\nzip", "status = \"result\"\nof = \"data\"\nzip", "beside flag"),
        ("md5={text:md5}", "md5={text:md4}", "allowed: bytes"),
    ] {
        let error = with(from, to).map(|_| ()).unwrap_err();
        assert!(error.contains(part) && error.starts_with("profile.toml:"), "{to}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_packed_reads_back(rows in prop::collection::vec(("[王李珅億瑋]{1,6}", "[0-9]{12,19}", 1i64..10_000_000_000, r"[a-z|\\]{0,8}"), 1..30)) {
        let line = |(i, (name, account, fen, remark)): (usize, (String, String, i64, String))| PaymentLine {
            seq: u64::try_from(i).unwrap() + 1,
            payee_name: Name::new(name),
            account: Account::new(account),
            amount: Fen::new(fen),
            project_short: "低保金".to_owned(),
            remark,
            ..PaymentLine::default()
        };
        let lines: Vec<PaymentLine> = rows.into_iter().enumerate().map(line).collect();
        let profile = profile();
        let (bytes, rendered) = render(&profile, &facts(&lines), &lines).unwrap();
        let mut back = Vec::new();
        let summary = profile.parse_sent(&mut bytes.as_slice(), &mut |p| back.push(p)).unwrap();
        prop_assert_eq!(&summary.problems, &Vec::<String>::new());
        prop_assert_eq!(summary.lines, rendered.lines);
        for (parsed, line) in back.iter().zip(&lines) {
            let bankgate::format::Parsed::Answer(answer) = parsed else { panic!("{parsed:?}") };
            prop_assert_eq!(answer.seq, Some(line.seq));
            prop_assert_eq!(answer.payee_name.as_ref(), Some(&line.payee_name));
            prop_assert_eq!(answer.amount, Some(line.amount));
        }
        prop_assert_eq!(back.len(), lines.len());
    }
}
