//! The statement (对账单) of one payer account for one day, out of the bank's own books.
//!
//! UTF-8, LF: `H|account|from|to|opening|closing|entries`, a `D` line per entry, `T|debits|sum|credits|sum`. A day without
//! movements has its statement too.

use std::fmt::Write as _;

use chrono::NaiveDate;

use crate::domain::money::Fen;

use super::PayerAccount;
use super::layout::OutFile;
use super::ledger::Books;
use super::movements::Side;

/// One day of one account.
pub(super) fn of_day(books: &Books, payer: &PayerAccount, day: NaiveDate) -> OutFile {
    let (opening, movements) = books.day(payer, day);
    let date = day.format("%Y%m%d");
    let closing: Fen = std::iter::once(opening).chain(movements.iter().map(|movement| movement.signed())).sum();
    let mut text = format!("H|{}|{date}|{date}|{opening}|{closing}|{}\n", payer.account, movements.len());
    let (mut debits, mut credits) = ((0_usize, Fen::ZERO), (0_usize, Fen::ZERO));
    for movement in &movements {
        let (letter, sums) = match movement.side {
            Side::Debit => ("D", &mut debits),
            Side::Credit => ("C", &mut credits),
        };
        *sums = (sums.0 + 1, [sums.1, movement.amount].into_iter().sum());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "D|{date}|{letter}|{}|{}|{}|{}|{}|{}",
            movement.amount,
            movement.reference,
            movement.bank_ref,
            movement.counter,
            movement.counter_name,
            movement.text.replace(['|', '\r', '\n'], " ")
        );
    }
    let _ = writeln!(text, "T|{}|{}|{}|{}", debits.0, debits.1, credits.0, credits.1);
    OutFile::new(format!("statement/STMT_{}_{date}.txt", payer.account), text.into_bytes())
}
