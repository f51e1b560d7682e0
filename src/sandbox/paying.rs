//! Paying a file: every row judged, everything booked at once, the payer debited the way this bank debits.

use std::collections::HashSet;
use std::io;

use chrono::NaiveDate;

use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

use super::bank::{Bank, Pending, payee, total};
use super::behaviour::Debits;
use super::layout::{Failure, Outcome, Request, Row};
use super::ledger::{Books, Kind, Line};
use super::movements::PASSING;
use super::rules::{self, Why, happens};

impl Bank {
    /// A bank that debits files gross does it when it takes them, if the money is there.
    pub(super) fn debit_gross(&self, key: &str, request: &Request, now: Timestamp) -> io::Result<()> {
        let mut books = self.books();
        let payer = request.payer.clone().unwrap_or_default();
        let whole = total(&request.rows);
        let is_gross = matches!(self.spec.behaviour.debits, Debits::Gross { .. });
        if !is_gross || !whole.is_positive() || books.balance(&payer).is_none_or(|balance| balance < whole) {
            return Ok(());
        }
        let booked = self.booking_day(&books, now);
        let line = self.lump(&books, key, &payer, whole, booked);
        books.record(&[Line { kind: Kind::Gross, ..line }])
    }

    /// Decides every row and books the whole file at once: credits, failures, what is debited and given back.
    pub(super) fn pay(&self, pending: &Pending, request: &Request, now: Timestamp) -> io::Result<Vec<Outcome>> {
        let is_first = request.rows.iter().all(|row| self.books().decided(&row.reference).is_none_or(|(file, _)| file != pending.key));
        if is_first && self.books().gross(&pending.key).is_none() {
            self.debit_gross(&pending.key, request, now)?;
        }
        let mut books = self.books();
        let payer = request.payer.clone().unwrap_or_default();
        let booked = self.booking_day(&books, now);
        let (mut outcomes, mut lines, mut seen) = (Vec::with_capacity(request.rows.len()), Vec::new(), HashSet::new());
        let (mut paid, mut unpaid) = (Fen::ZERO, Vec::new());
        for row in &request.rows {
            let first = seen.insert(row.reference.as_str());
            let done_before = books.decided(&row.reference).filter(|_| first);
            if done_before == Some((pending.key.as_str(), true)) {
                outcomes.push(Outcome::Paid);
                continue;
            }
            let judged = if !first || done_before.is_some_and(|(file, _)| file != pending.key) {
                Err(Why::Duplicate)
            } else if books.is_miscounted(&row.reference) {
                Err(Why::Ordinal)
            } else {
                self.judge(&books, row)
            };
            let line = Line {
                kind: Kind::Failed,
                booked: Some(booked),
                file: pending.key.clone(),
                account: payee(row),
                amount: row.amount,
                reference: row.reference.clone(),
                payer: payer.clone(),
                ..Line::default()
            };
            match judged {
                Ok(account) => {
                    paid = [paid, row.amount].into_iter().sum();
                    lines.push(Line { kind: Kind::Credit, account: account.to_owned(), ..line });
                    outcomes.push(Outcome::Paid);
                }
                Err(why) => {
                    let kind = if why == Why::Busy { Kind::Busy } else { Kind::Failed };
                    let line = Line { kind, bank_ref: why.code().to_owned(), text: why.words(true), ..line };
                    unpaid.push(line.clone());
                    if done_before.is_none() {
                        lines.push(line);
                    }
                    outcomes.push(self.failure(why, row));
                }
            }
        }
        let is_gross = matches!(self.spec.behaviour.debits, Debits::Gross { .. });
        let uncovered = if is_gross { books.gross(&pending.key).is_none() } else { books.balance(&payer).is_none_or(|b| b < paid) };
        if paid.is_positive() && uncovered {
            return self.fail_all(&mut books, request, lines);
        }
        let mut booking = match self.spec.behaviour.debits {
            Debits::Net if paid.is_positive() => vec![self.lump(&books, &pending.key, &payer, paid, booked)],
            Debits::Net => Vec::new(),
            Debits::ItemByItem => self.items(&books, Kind::Debit, "代发", lines.iter().filter(|line| line.kind == Kind::Credit)),
            Debits::Gross { .. } => self.give_rest_back(&books, pending, &payer, paid, &unpaid, booked),
        };
        if !pending.silent {
            booking.append(&mut self.returns_of(&lines, booked));
        }
        lines.append(&mut booking);
        books.record(&lines)?;
        Ok(outcomes)
    }

    fn judge(&self, books: &Books, row: &Row) -> Result<&str, Why> {
        match self.customers.judge(&rules::Bank::of(&self.spec), row, false) {
            Err(Why::Busy) if books.was_busy(&payee(row), row.amount, &row.reference) => {
                self.customers.judge(&rules::Bank::of(&self.spec), row, true)
            }
            judged => judged,
        }
    }

    /// The payer cannot cover the file: nobody is paid.
    fn fail_all(&self, books: &mut Books, request: &Request, lines: Vec<Line>) -> io::Result<Vec<Outcome>> {
        let lines: Vec<Line> = lines
            .into_iter()
            .map(|line| {
                let bank_ref = Why::Funds.code().to_owned();
                Line { kind: Kind::Failed, account: String::new(), bank_ref, text: Why::Funds.words(true), ..line }
            })
            .collect();
        books.record(&lines)?;
        Ok(request.rows.iter().map(|row| self.failure(Why::Funds, row)).collect())
    }

    /// What a file that was debited whole did not pay goes back to its payer.
    fn give_rest_back(&self, books: &Books, pending: &Pending, payer: &str, paid: Fen, unpaid: &[Line], booked: NaiveDate) -> Vec<Line> {
        let Some(gross) = books.gross(&pending.key) else { return Vec::new() };
        let rest = Fen::new(gross.get().saturating_sub(paid.get()));
        let mut back = Vec::new();
        if self.spec.behaviour.debits == (Debits::Gross { one_by_one: true }) {
            back = self.items(books, Kind::PayerCredit, "退款", unpaid.iter());
        } else if rest.is_positive() {
            let lump = self.lump(books, &pending.key, payer, rest, booked);
            back.push(Line { kind: Kind::PayerCredit, text: format!("退款 {}", pending.key), ..lump });
        }
        back.push(Line { kind: Kind::Cleared, file: pending.key.clone(), ..Line::default() });
        back
    }

    /// One sum for a file.
    fn lump(&self, books: &Books, key: &str, payer: &str, amount: Fen, booked: NaiveDate) -> Line {
        let name = key.rsplit('/').next().unwrap_or(key);
        Line {
            kind: Kind::Debit,
            booked: Some(booked),
            file: key.to_owned(),
            account: payer.to_owned(),
            amount,
            reference: name.to_owned(),
            bank_ref: books.bank_ref(&self.spec.code, booked, 0),
            text: format!("代发 {key}"),
            counter: PASSING.0.to_owned(),
            counter_name: PASSING.1.to_owned(),
            ..Line::default()
        }
    }

    /// Rows by themselves, under their references.
    fn items<'a>(&self, books: &Books, kind: Kind, words: &str, rows: impl Iterator<Item = &'a Line>) -> Vec<Line> {
        let item = |(after, row): (usize, &Line)| {
            let name = self.customers.name_of(&row.account);
            let (counter, counter_name) = name.map_or(PASSING, |name| (&row.account, name));
            Line {
                kind,
                account: row.payer.clone(),
                bank_ref: books.bank_ref(&self.spec.code, row.booked.unwrap_or_default(), after),
                text: format!("{words} {}", row.file),
                payer: String::new(),
                counter: counter.to_owned(),
                counter_name: counter_name.to_owned(),
                ..row.clone()
            }
        };
        rows.enumerate().map(item).collect()
    }

    fn failure(&self, why: Why, row: &Row) -> Outcome {
        let terse = happens(500, self.spec.seed, &["terse", &row.reference]);
        Outcome::Failed(Failure { why, terse })
    }
}
