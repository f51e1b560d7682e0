//! `parse(what the bank makes of render(x))` is x, for any payments that pass the check. The bank here is a few lines that
//! work on the request's bytes alone.

use bankgate::domain::exchange::{InboundKind, Outcome, PaymentLine};
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::format::fold_name;
use proptest::prelude::*;

use super::{Read, facts, profile, read, render};

/// Names as people have them, among them hanzi whose second byte is a delimiter.
fn name() -> impl Strategy<Value = String> {
    let hanzi = prop_oneof![
        3 => prop::char::range('\u{4E00}', '\u{9FA5}'),
        1 => prop::sample::select(vec!['珅', '億', '瑋', '弢', '晐', '寍', '〇']),
    ];
    let part = prop::collection::vec(hanzi, 1..6).prop_map(|c| c.into_iter().collect::<String>());
    prop_oneof![
        4 => part.clone(),
        1 => (part.clone(), part).prop_map(|(a, b)| format!("{a}·{b}")),
        1 => "[A-Z]{1,10} [A-Z]{1,10}",
    ]
}

/// Name, identity number, account, fen, mobile, whether the bank pays it.
type Row = (String, String, String, i64, Option<String>, bool);

fn lines() -> impl Strategy<Value = Vec<(PaymentLine, bool)>> {
    let line = (name(), "[1-9][0-9]{16}[0-9X]", "[0-9]{12,19}", 1i64..10_000_000_000, prop::option::of("1[3-9][0-9]{9}"), any::<bool>());
    prop::collection::vec(line, 1..40).prop_map(|rows| {
        let number = |(i, (name, id, account, fen, mobile, is_paid)): (usize, Row)| {
            let seq = u64::try_from(i).unwrap() + 1;
            let line = PaymentLine {
                reference: format!("BG{seq:016}"),
                seq,
                payee_name: Name::new(name),
                id_number: IdNumber::new(if i % 7 == 3 { String::new() } else { id }),
                account: Account::new(account),
                bank_code: "102665000015".to_owned(),
                amount: Fen::new(fen),
                mobile: Mobile::new(mobile.unwrap_or_default()),
                project_short: "低保金".to_owned(),
                ordinal: 1,
                ..PaymentLine::default()
            };
            (line, is_paid)
        };
        rows.into_iter().enumerate().map(number).collect()
    })
}

fn request(id: &str, rows: &[(PaymentLine, bool)]) -> Vec<u8> {
    let lines: Vec<PaymentLine> = rows.iter().map(|(line, _)| line.clone()).collect();
    for line in &lines {
        assert_eq!(profile(id).check_line(line), [], "{id}: {:?}", line.payee_name.reveal());
    }
    render(profile(id), &facts(&lines), &lines).unwrap().0
}

fn assert_same(read: &Read, rows: &[&(PaymentLine, bool)], has_account: bool) {
    assert_eq!(read.faults, []);
    assert_eq!(read.summary.problems, Vec::<String>::new());
    assert_eq!(read.answers.len(), rows.len());
    for (answer, (line, is_paid)) in read.answers.iter().zip(rows) {
        assert_eq!(answer.outcome, if *is_paid { Outcome::Paid } else { Outcome::Failed });
        assert_eq!(answer.payee_name.as_ref(), Some(&line.payee_name));
        assert_eq!(fold_name(answer.payee_name.as_ref().unwrap().reveal()), fold_name(line.payee_name.reveal()));
        assert_eq!(answer.amount, Some(line.amount));
        assert_eq!(answer.account.as_ref(), has_account.then_some(&line.account));
    }
}

fn sum(rows: &[(PaymentLine, bool)]) -> (usize, i64) {
    let paid = rows.iter().filter(|(_, is_paid)| *is_paid);
    (paid.clone().count(), paid.map(|(line, _)| line.amount.get()).sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn o19_fixed_columns_hold_in_bytes(rows in lines()) {
        let mut bytes = request("fixed-gbk-bytes", &rows);
        let (count, total) = sum(&rows);
        bytes[71..95].copy_from_slice(format!("{count:08}{total:016}").as_bytes());
        bytes[116..124].copy_from_slice(b"20190315");
        for (i, (_, is_paid)) in rows.iter().enumerate() {
            let code = 277 + i * 573 + 344;
            bytes[code..code + 8].copy_from_slice(if *is_paid { b"00000000" } else { b"CB1004  " });
        }
        let read = read(profile("fixed-gbk-bytes"), InboundKind::Result, "data", &bytes);
        assert_same(&read, &rows.iter().collect::<Vec<_>>(), true);
        for (answer, (line, _)) in read.answers.iter().zip(&rows) {
            prop_assert_eq!(answer.reference.as_ref(), Some(&line.reference));
            prop_assert_eq!(answer.seq, Some(line.seq));
        }
    }

    #[test]
    fn two_files(rows in lines()) {
        let bytes = request("split-sf-noheader", &rows);
        for (role, is_paid) in [("success", true), ("failure", false)] {
            let file: Vec<u8> = bytes.split_inclusive(|b| *b == b'\n').zip(&rows).filter(|(_, row)| row.1 == is_paid).flat_map(|(l, _)| l.to_vec()).collect();
            let read = read(profile("split-sf-noheader"), InboundKind::Result, role, &file);
            let expected: Vec<_> = rows.iter().filter(|row| row.1 == is_paid).collect();
            assert_same(&read, &expected, false);
            for (answer, (line, _)) in read.answers.iter().zip(expected) {
                prop_assert_eq!(answer.reference.as_ref(), Some(&line.reference));
                prop_assert_eq!(answer.id_number.as_ref(), Some(&line.id_number).filter(|id| !id.is_empty()));
            }
        }
    }

    #[test]
    fn with_a_summary(rows in lines()) {
        let (count, total) = sum(&rows);
        let all: i64 = rows.iter().map(|(line, _)| line.amount.get()).sum();
        let mut file = format!("{}|{}|{count}|{}|\r\n", rows.len(), Fen::new(all), Fen::new(total)).into_bytes();
        for (line, (_, is_paid)) in request("pipe-gbk-summary", &rows).split(|b| *b == b'\n').skip(1).zip(&rows) {
            // Behind the account stand five delimiters, and only ASCII between them: cut from the right.
            let columns: Vec<&[u8]> = line.rsplitn(6, |b| *b == b'|').collect();
            file.extend_from_slice(columns[5]);
            file.extend_from_slice(if *is_paid { b"|0|||\r\n" } else { b"|1|3009||\r\n" });
        }
        let read = read(profile("pipe-gbk-summary"), InboundKind::Result, "data", &file);
        assert_same(&read, &rows.iter().collect::<Vec<_>>(), true);
    }

    #[test]
    fn no_bytes_make_a_parser_stumble(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for (id, kind, role) in [
            ("fixed-gbk-bytes", InboundKind::Result, "data"),
            ("fixed-gbk-bytes", InboundKind::Ack, "ack"),
            ("split-sf-noheader", InboundKind::Result, "failure"),
            ("pipe-gbk-summary", InboundKind::Result, "data"),
            ("pipe-gbk-summary", InboundKind::Statement, "statement"),
        ] {
            let read = read(profile(id), kind, role, &bytes);
            prop_assert_eq!(read.summary.bytes, u64::try_from(bytes.len()).unwrap());
        }
    }
}
