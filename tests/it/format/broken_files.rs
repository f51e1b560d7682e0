//! Files that are torn, cut, miscounted or in another character set: every fault is named with its line, the good lines are
//! still read, and nothing wrong goes without a problem.

use bankgate::domain::exchange::InboundKind;
use bankgate::domain::money::Fen;

use super::{ALL, Read, profile, read, sample};

fn fixed_result() -> Vec<u8> {
    sample("fixed-gbk-bytes", "result/20190314/03140001.dat")
}

fn read_fixed(bytes: &[u8]) -> Read {
    read(profile("fixed-gbk-bytes"), InboundKind::Result, "data", bytes)
}

fn pipe_result() -> Vec<u8> {
    sample("pipe-gbk-summary", "result/20190314/0512037R")
}

fn read_pipe(bytes: &[u8]) -> Read {
    read(profile("pipe-gbk-summary"), InboundKind::Result, "data", bytes)
}

fn read_split(bytes: &[u8]) -> Read {
    read(profile("split-sf-noheader"), InboundKind::Result, "failure", bytes)
}

/// Puts bytes in place of those that stand at an offset.
fn patched(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).expect("the golden holds it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn i1_a_torn_file_is_never_taken_for_a_whole_one() {
    let whole = fixed_result();
    for cut in 0..whole.len() {
        let read = read_fixed(&whole[..cut]);
        assert!(!read.summary.problems.is_empty(), "cut at {cut} of {}", whole.len());
    }
    assert_eq!(read_fixed(&whole).summary.problems, Vec::<String>::new());
    let whole = pipe_result();
    for cut in 0..whole.len() {
        assert!(!read_pipe(&whole[..cut]).summary.problems.is_empty(), "cut at {cut} of {}", whole.len());
    }
    for id in ALL {
        let whole = sample(id, "statement/STMT_510601012345678901_20190314.txt");
        for cut in 0..whole.len() {
            let read = read(profile(id), InboundKind::Statement, "statement", &whole[..cut]);
            assert!(!read.summary.problems.is_empty(), "cut at {cut} of {}", whole.len());
        }
    }
    // Without header and trailer only the second file of the pair, and our own count, can tell: here the torn line can.
    let whole = sample("split-sf-noheader", "result-all-failed/YHDFFK201903140001_F.TXT");
    for cut in (1..whole.len()).filter(|cut| whole[cut - 1] != b'\n') {
        assert!(!read_split(&whole[..cut]).summary.problems.is_empty(), "cut at {cut}");
    }
}

#[test]
fn i13_empty_header_only_and_no_rows() {
    assert!(read_fixed(b"").summary.problems.concat().contains("header is missing"));
    assert!(read_pipe(b"").summary.problems.concat().contains("header is missing"));
    let lines: Vec<Vec<u8>> = fixed_result().split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let header_only = read_fixed(&lines[0]).summary;
    assert!(header_only.problems.concat().contains("trailer is missing"));
    assert!(header_only.problems.concat().contains("declared as 5, and 0 were found"));
    let no_rows = read_fixed(&[lines[0].clone(), lines[6].clone()].concat()).summary;
    assert!(no_rows.problems.concat().contains("declared as 5, and 0 were found"));
    assert!(read_fixed(&lines[1..].concat()).summary.problems.len() > 1, "without its header");
    let empty = read(profile("fixed-gbk-bytes"), InboundKind::Ack, "ack", b"");
    assert_eq!(empty.summary.problems, ["the ack says nothing"]);
}

#[test]
fn one_bad_line_does_not_hide_the_others() {
    let row = 277 + 573;
    for (what, bytes, column, part) in [
        ("a letter in the amount", patched(fixed_result(), row + 50, b"x"), Some("金额"), "not part of an amount"),
        ("an empty reference", patched(fixed_result(), row + 8, &[b' '; 32]), Some("引用号"), "empty"),
        ("a control character in the name", patched(fixed_result(), row + 104, b"\x01"), Some("户名"), "control"),
        ("a lead byte without its second", patched(fixed_result(), row + 104 + 119, b"\xCD"), Some("户名"), "cut in two"),
        ("bytes of no character", patched(fixed_result(), row + 104, b"\xFF\xFF"), Some("户名"), "not valid"),
        ("four bytes in GBK", patched(fixed_result(), row + 104, b"\x95\x34\xB2\x35"), Some("户名"), "four-byte"),
        ("another literal", patched(fixed_result(), row + 56, b"02"), Some("行别"), "\"01\""),
        ("one byte more", replaced(&fixed_result(), b"TPM055", b"TPM0555"), None, "573 bytes"),
        ("CR LF", replaced(&fixed_result(), b" \n00000003", b" \r\n00000003"), None, "CR LF"),
    ] {
        let read = read_fixed(&bytes);
        assert_eq!(read.faults.len(), 1, "{what}: {:?}", read.faults);
        let fault = &read.faults[0];
        assert_eq!((fault.line, fault.column.as_deref()), (3, column), "{what}: {fault:?}");
        assert!(fault.what.contains(part), "{what}: {fault:?}");
        assert!(!fault.raw.is_empty());
        assert_eq!(read.answers.len(), 4, "{what}: the other lines are read");
        assert!(read.summary.problems.concat().contains("4 were found"), "{what}");
        assert!(!format!("{fault:?}").contains("6217001234567890022"), "a fault is printed without the line");
    }
}

/// A cent more or less than was meant is a fraction that was rounded somewhere: none is taken.
#[test]
fn t5_amounts_are_decimal_digits_of_two_places_and_nothing_else() {
    for text in ["1000.005", "1e3", "1,000.00", "+1000.00", "-1000.00", "0x3E8", "1000.00.00", "1000,00", "92233720368547758.08"] {
        let read = read_pipe(&replaced(&pipe_result(), b"|1000.00|", format!("|{text}|").as_bytes()));
        let said: Vec<_> = read.faults.iter().map(|f| (f.line, f.column.as_deref())).collect();
        assert_eq!(said, [(4, Some("金额"))], "{text}: {:?}", read.faults);
    }
}

#[test]
fn i19_columns_between_delimiters_are_counted_after_decoding() {
    for (what, bytes, part) in [
        ("a column more", replaced(&pipe_result(), b"|3031|", b"|3031||"), "8 columns"),
        ("a column less", replaced(&pipe_result(), b"|3031|", b"|"), "6 columns"),
        ("no trailing delimiter", replaced(&pipe_result(), b"]|\r\n", b"]\r\n"), "does not end with"),
        ("LF alone", replaced(&pipe_result(), b"]|\r\n", b"]|\n"), "without CR"),
        ("another status", replaced(&pipe_result(), b"|1|3031|", b"|7|3031|"), "status map"),
        ("yuan with three decimals", replaced(&pipe_result(), b"|0.05|", b"|0.050|"), "decimals"),
        ("half of 珅", replaced(&pipe_result(), b"\xCD\xF5\xAB||0.05", b"\xCD\xF5\xAB\x20|0.05"), "cut in two"),
        ("an exponent", replaced(&pipe_result(), b"|0.05|", b"|5e-2|"), "not part of an amount"),
        ("a grouped amount", replaced(&pipe_result(), b"|0.05|", b"|1,000.05|"), "not part of an amount"),
        ("a negative amount", replaced(&pipe_result(), b"|0.05|", b"|-0.05|"), "not part of an amount"),
        ("a blank before the amount", replaced(&pipe_result(), b"|0.05|", b"| 0.05|"), "not part of an amount"),
    ] {
        let read = read_pipe(&bytes);
        assert_eq!(read.faults.len(), 1, "{what}: {:?}", read.faults);
        assert_eq!(read.faults[0].line, 3);
        assert!(read.faults[0].what.contains(part), "{what}: {:?}", read.faults[0]);
        assert_eq!(read.answers.len(), 4);
    }
}

#[test]
fn a_value_that_stands_twice_must_be_the_same() {
    let good = sample("split-sf-noheader", "result/YHDFFK201903140001_F.TXT");
    let read = read_split(&replaced(&good, b"511102198506150125|", b"511102198506150133|"));
    assert_eq!((read.faults.len(), read.answers.len()), (1, 1));
    assert_eq!(read.faults[0].column.as_deref(), Some("身份证号"));
    assert!(read.faults[0].what.contains("differs from the same value"), "{:?}", read.faults[0]);
}

#[test]
fn i2_totals_that_differ_are_each_named() {
    for (at, with, part) in [
        (47, &b"00000006"[..], "header and trailer say different things of the count"),
        (47, b"00000006", "the count is declared as 6, and 5 were found"),
        (55, b"0000000100118350", "the total is declared as 1001183.50 yuan, and 1001183.49 yuan"),
        (55, b"0000010011834900", "factor 100"),
        (71, b"00000003", "the count of paid is declared as 3, and 2"),
        (79, b"0000000000112346", "the total of paid is declared as 1123.46"),
    ] {
        let problems = read_fixed(&patched(fixed_result(), at, with)).summary.problems.join("; ");
        assert!(problems.contains(part), "{at}: {problems}");
    }
    let read = read_pipe(&replaced(&pipe_result(), b"5|1001183.49|", b"5|100118349|"));
    assert!(read.summary.problems.concat().contains("factor 100"));
    assert_eq!(read.summary.is_unit_proven, Some(false));
}

#[test]
fn blank_success_totals_are_not_a_result() {
    let read = read_fixed(&sample("fixed-gbk-bytes", "request/20190314/03140001.dat"));
    assert_eq!(read.faults.len(), 1, "our own request come back is no answer");
    assert_eq!(read.faults[0].column.as_deref(), Some("成功笔数"));
}

#[test]
fn lines_behind_the_trailer_are_faults() {
    let mut bytes = fixed_result();
    let detail = bytes[277..277 + 573].to_vec();
    bytes.extend_from_slice(&detail);
    let read = read_fixed(&bytes);
    assert_eq!(read.faults.len(), 1);
    assert_eq!((read.faults[0].line, read.faults[0].what.as_str()), (8, "stands behind the trailer"));
}

#[test]
fn i18_other_encodings_are_noticed() {
    let text: String = String::from_utf8(sample("pipe-gbk-summary", "statement/STMT_510601012345678901_20190314.txt")).unwrap();
    let profile = profile("pipe-gbk-summary");
    let with_mark = [b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat();
    let read_it = |bytes: &[u8]| read(profile, InboundKind::Statement, "statement", bytes);
    assert!(read_it(&with_mark).summary.problems.concat().contains("byte order mark"));
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(!read_it(&utf16).faults.is_empty());
    let gbk = replaced(text.as_bytes(), "王五".as_bytes(), b"\xCD\xF5\xCE\xE5");
    let read_gbk = read_it(&gbk);
    assert_eq!((read_gbk.faults.len(), read_gbk.faults[0].line), (1, 3));
    let lost = replaced(text.as_bytes(), "王五".as_bytes(), "王\u{FFFD}".as_bytes());
    assert_eq!(read_it(&lost).faults[0].column.as_deref(), Some("对方户名"));
    let in_gbk = read_pipe(&replaced(&pipe_result(), b"\xCD\xF5\xCE\xE5", "王五".as_bytes()));
    let is_noticed = !in_gbk.faults.is_empty() || in_gbk.answers[0].payee_name != Some(super::Name::new("王五"));
    assert!(is_noticed, "UTF-8 in a GBK file is another name, or none");
}

#[test]
fn a_statement_that_does_not_continue_is_a_problem() {
    let good = sample("fixed-gbk-bytes", "statement/STMT_510601012345678901_20190314.txt");
    let profile = profile("fixed-gbk-bytes");
    for (from, to, part) in [
        (&b"|864.55|"[..], &b"|864.56|"[..], "the closing balance is 864.56 yuan"),
        (b"|-12.00|", b"|12.00|", "make 888.55 yuan"),
        (b"|123.45|", b"|123.46|", "the total of debits is declared as 1123.45, and 1123.46"),
        (b"T|2|", b"T|3|", "the count of debits is declared as 3"),
        (b"|864.55|3", b"|864.55|4", "declared as 4, and 3 were found"),
        (b"|1|2000.00\n", b"|1|2000.01\n", "total of credits"),
        (b"|20190314|20190314|", b"|20190315|20190314|", "before it begins"),
    ] {
        let read = read(profile, InboundKind::Statement, "statement", &replaced(&good, from, to));
        assert_eq!(read.faults, []);
        assert!(read.summary.problems.join("; ").contains(part), "{:?}", read.summary.problems);
    }
    for (from, to, column) in [
        (&b"|D|123.45|"[..], &b"|X|123.45|"[..], "借贷标志"),
        (b"|D|123.45|", b"|D|-123.45|", "金额"),
        (b"D|20190314|D|123.45", b"D|20190230|D|123.45", "记账日期"),
        (b"D|20190314|D|123.45", b"E|20190314|D|123.45", "记录标识"),
    ] {
        let read = read(profile, InboundKind::Statement, "statement", &replaced(&good, from, to));
        assert_eq!((read.faults.len(), read.faults[0].column.as_deref()), (1, Some(column)));
        assert_eq!(read.entries.len(), 2);
    }
}

#[test]
fn a_success_with_a_failures_words_is_noted() {
    let read = read_pipe(&replaced(&pipe_result(), b"|0||\xBD", b"|0|3031|\xBD"));
    assert_eq!(read.summary.problems, Vec::<String>::new());
    assert_eq!(read.summary.notes, ["line 4: not failed by its status, yet it carries the reason NAME_MISMATCH"]);
    assert_eq!(read.answers[2].reason, None);
    assert_eq!(read.summary.found.paid_amount, Some(Fen::new(112_345)));
}

#[test]
fn a_file_that_the_profile_does_not_know_is_an_error() {
    let profile = profile("split-sf-noheader");
    let error = profile.parse(InboundKind::Ack, "ack", &mut &b""[..], &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("no data file of kind ack"));
    assert!(
        profile
            .check_flag(InboundKind::Result, "flag", b"", &bankgate::format::Tally::default(), &bankgate::format::Totals::default())
            .is_err()
    );
}
