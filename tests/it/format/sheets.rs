//! Lists in CSV and in workbooks, each with its control message: golden bytes, golden cells, and a return that lists failures alone.

use std::io::Cursor;

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::masked::Account;
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::format::{LeftOut, Profile, left_out};
use calamine::{Data, Reader as _, Xlsx};

use super::{facts, folder, people, read, render, sample};

const CSV: &str = "csv-plus-control";
const SHEET: &str = "sheet-plus-control";
const STEM: &str = "20190314/h2h_batchPay_LS0001_201903140001";

fn profile(id: &str) -> Profile {
    Profile::load(&folder(id)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_csv_and_its_control_message_are_golden() {
    let (bytes, rendered) = render(&profile(CSV), &facts(&people()), &people()).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8(sample(CSV, &format!("request/{STEM}.csv"))).unwrap());
    let control = String::from_utf8(rendered.flag.unwrap()).unwrap();
    assert_eq!(control, String::from_utf8(sample(CSV, &format!("request/{STEM}.csv.xml"))).unwrap());
    assert!(control.contains("<totalAmount>100118349</totalAmount>"), "rows are in yuan, the message in fen: {control}");
    let quoted = {
        let mut lines = people();
        lines[0].project_short = "补\"贴\",一".to_owned();
        String::from_utf8(render(&profile(CSV), &facts(&lines), &lines).unwrap().0).unwrap()
    };
    assert!(quoted.contains("\"补\"\"贴\"\",一\""));
}

fn cells(bytes: Vec<u8>) -> Vec<Vec<Data>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let range = workbook.worksheet_range_at(0).unwrap().unwrap();
    range.rows().map(|row| row.iter().map(|c| if *c == Data::Empty { Data::String(String::new()) } else { c.clone() }).collect()).collect()
}

#[test]
fn the_workbook_has_golden_cells_all_of_text_and_is_the_same_bytes_again() {
    let (bytes, rendered) = render(&profile(SHEET), &facts(&people()), &people()).unwrap();
    let again = render(&profile(SHEET), &facts(&people()), &people()).unwrap();
    assert!(bytes == again.0 && rendered.flag == again.1.flag, "a workbook is a function of its rows");
    let ours = cells(bytes);
    assert_eq!(ours, cells(sample(SHEET, &format!("request/{STEM}.xlsx"))));
    assert!(ours.iter().flatten().all(|c| matches!(c, Data::String(_))));
    assert_eq!(ours[1][0], Data::String("6217001234567890014".to_owned()), "nineteen digits, none lost");
}

#[test]
fn a_result_sheet_is_read_by_its_titles() {
    let read_it = read(&profile(SHEET), InboundKind::Result, "sheet", &sample(SHEET, &format!("result/{STEM}_R.xlsx")));
    assert_eq!((&read_it.faults, &read_it.summary.problems), (&vec![], &vec![]));
    let found: Vec<_> = read_it.answers.iter().map(|a| (a.outcome, a.is_final, a.reason)).collect();
    let unknown = (Outcome::Unknown, false);
    assert_eq!(found[..2], [(Outcome::Paid, true, None), (Outcome::Failed, true, Some(Reason::NameMismatch))]);
    assert_eq!((found[2].0, found[2].1), unknown, "a time-out is no failure");
    assert_eq!(found[3], (Outcome::Unknown, false, None));
    let mangled = read(&profile(SHEET), InboundKind::Result, "sheet", &sample(SHEET, &format!("result-mangled-quarantine/{STEM}_R.xlsx")));
    assert_eq!(mangled.faults.len(), 1, "an account that a spreadsheet made a number of: {:?}", mangled.faults);
}

#[test]
fn absence_means_paid_only_where_count_and_amount_prove_it() {
    let profile = profile(CSV);
    let of = |name: &str| read(&profile, InboundKind::Result, "failures", &sample(CSV, &format!("{name}/{STEM}_R.csv")));
    let result = of("result");
    assert_eq!((&result.faults, &result.summary.problems), (&vec![], &vec![]));
    assert_eq!(result.answers[0].account.as_ref(), Some(&Account::new("6217001234567890022")));
    assert_eq!(result.answers[0].reason, Some(Reason::NameMismatch));
    let absent = (3, Fen::new(12_345 + 100_000 + 99_999_999));
    let exchange = profile.exchange();
    assert_eq!(left_out(exchange, absent, std::slice::from_ref(&result.summary)), LeftOut::Proven(Outcome::Paid));
    for (count, amount) in [(2, absent.1), (4, absent.1), (3, absent.1.checked_add(Fen::new(1)).unwrap())] {
        assert!(
            matches!(left_out(exchange, (count, amount), std::slice::from_ref(&result.summary)), LeftOut::Problem(_)),
            "{count} {amount}"
        );
    }
    assert!(matches!(left_out(exchange, absent, &[of("result-lie-quarantine").summary]), LeftOut::Problem(_)));
    assert_eq!(left_out(exchange, (5, facts(&people()).total), &[of("result-all-paid").summary]), LeftOut::Proven(Outcome::Paid));
    // A head that says nothing proves nothing.
    let mut silent = result.summary;
    silent.declared.paid_amount = None;
    assert!(matches!(left_out(exchange, absent, &[silent]), LeftOut::Problem(_)));
}
