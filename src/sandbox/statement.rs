//! The statement (对账单) of one payer account for one day, out of the bank's own books.
//!
//! UTF-8, LF: `H|account|from|to|opening|closing|entries`, a `D` line per entry, `T|debits|sum|credits|sum`.

use std::fmt::Write as _;

use chrono::NaiveDate;

use crate::domain::money::Fen;

use super::PayerAccount;
use super::layout::OutFile;
use super::ledger::Books;

/// The account through which the bank pays a file's lump out to its rows.
const PASSING_ACCOUNT: &str = "90010001";
const PASSING_NAME: &str = "代理发放过渡户";

/// One day of one account.
pub(super) fn of_day(books: &Books, payer: &PayerAccount, day: NaiveDate) -> OutFile {
    let (opening, movements) = books.day(payer, day);
    let date = day.format("%Y%m%d");
    let debits: Fen = movements.iter().map(|movement| movement.amount).sum();
    let closing = Fen::new(opening.get().saturating_sub(debits.get()));
    let mut text = format!("H|{}|{date}|{date}|{opening}|{closing}|{}\n", payer.account, movements.len());
    for movement in &movements {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "D|{date}|D|{}|{}|{}|{PASSING_ACCOUNT}|{PASSING_NAME}|{}",
            movement.amount, movement.reference, movement.bank_ref, movement.text
        );
    }
    let _ = writeln!(text, "T|{}|{debits}|0|0.00", movements.len());
    OutFile::new(format!("statement/STMT_{}_{date}.txt", payer.account), text.into_bytes())
}
