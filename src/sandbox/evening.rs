//! The end of a bank's day: the statements, and what goes wrong with them.
//!
//! A fault is recorded together with its correction before the statement that shows it is written, so a bank that is killed in
//! between makes it once.

use std::io;
use std::path::Path;

use chrono::NaiveDate;

use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

use super::bank::Bank;
use super::behaviour::{Fault, closed_day};
use super::ledger::{Books, Kind, Line};
use super::movements::{FEES, Movement, Side, TREASURY};
use super::rules::seeded;
use super::{PayerAccount, inbox, returns, statement};

impl Bank {
    /// Writes the statements of every day that is over, quiet ones included.
    pub(super) fn write_statements(&self, now: Timestamp) -> io::Result<()> {
        let mut books = self.books();
        for day in books.days_to_state(closed_day(now, self.zone)) {
            if !self.spec.behaviour.bank_days.is_open(day) {
                continue;
            }
            for payer in books.payers().to_vec() {
                self.err(&mut books, &payer, day)?;
            }
            put_out_held(&self.root, &mut books, Some(day))?;
            let held = books.held();
            for payer in books.payers() {
                if !held.iter().any(|(held, account, _)| *held == day && *account == payer.account) {
                    inbox::put_out(&self.root, &statement::of_day(&books, payer, day))?;
                }
            }
            books.record(&[Line { kind: Kind::Stated, booked: Some(day), ..Line::default() }])?;
        }
        Ok(())
    }

    /// Makes the faults that are due and that this statement can have, each on another entry.
    fn err(&self, books: &mut Books, payer: &PayerAccount, day: NaiveDate) -> io::Result<()> {
        let number = books.statements() + 1;
        let mut touched: Vec<String> = Vec::new();
        for (place, (when, fault)) in (0_u64..).zip(&self.spec.behaviour.statement_faults) {
            if books.is_faulted(place) || !when.has_come(day, number) {
                continue;
            }
            let held = books.held().iter().any(|(held, account, _)| *held == day && *account == payer.account);
            let entry = self.entry_for(books, payer, day, (place, *fault), &touched);
            if let Some(mut lines) = self.fault(books, payer, day, *fault, entry.as_ref(), held) {
                touched.extend(entry.map(|movement| movement.bank_ref));
                lines.push(Line { kind: Kind::Faulted, count: place, booked: Some(day), ..Line::default() });
                books.record(&lines)?;
            }
        }
        Ok(())
    }

    /// An entry of the day that money moved for and that can have the fault, chosen by chance.
    fn entry_for(
        &self,
        books: &Books,
        payer: &PayerAccount,
        day: NaiveDate,
        (place, fault): (u64, Fault),
        touched: &[String],
    ) -> Option<Movement> {
        let (_, movements) = books.day(payer, day);
        let can_have = |m: &Movement| match fault {
            Fault::Withhold(_) => m.side == Side::Credit && m.text.starts_with(returns::SENT_BACK),
            Fault::Miss(_) => m.side == Side::Debit && m.counter != TREASURY.0,
            Fault::Double | Fault::Charge(_) | Fault::MisKey | Fault::Late | Fault::Missing => m.side == Side::Debit,
        };
        let mut entries: Vec<_> = movements
            .into_iter()
            .filter(|m| can_have(m) && !m.reference.is_empty() && !m.is_correction && !touched.contains(&m.bank_ref))
            .collect();
        entries.sort_by(|a, b| a.reference.cmp(&b.reference));
        let chance = seeded(self.spec.seed, &["statement", &payer.account, &day.to_string(), &place.to_string()]);
        let at = usize::try_from(chance % u64::try_from(entries.len().max(1)).unwrap_or(1)).unwrap_or(0);
        entries.get(at).map(|movement| (*movement).clone())
    }

    /// The bank day that comes so many after this one.
    fn bank_days_after(&self, day: NaiveDate, number: u32) -> NaiveDate {
        (0..number).fold(day, |day, _| self.spec.behaviour.bank_days.after(day))
    }

    /// A fault and its correction, unless this statement cannot have it.
    fn fault(
        &self,
        books: &Books,
        payer: &PayerAccount,
        day: NaiveDate,
        fault: Fault,
        entry: Option<&Movement>,
        held: bool,
    ) -> Option<Vec<Line>> {
        let next = self.spec.behaviour.bank_days.after(day);
        let line = |kind, on, amount, reference: &str, text: String, after| Line {
            kind,
            booked: Some(on),
            account: payer.account.clone(),
            amount,
            reference: reference.to_owned(),
            bank_ref: books.bank_ref(&self.spec.code, on, after),
            text,
            counter: entry.map_or(FEES.0, |entry| &entry.counter).to_owned(),
            counter_name: entry.map_or(FEES.1, |entry| &entry.counter_name).to_owned(),
            ..Line::default()
        };
        match fault {
            Fault::Miss(number) | Fault::Withhold(number) => {
                let entry = entry?;
                let on = self.bank_days_after(day, number);
                let late = line(Kind::ShownOn, on, entry.amount, &entry.reference, format!("补记 {}", entry.text), 0);
                Some(vec![Line { bank_ref: entry.bank_ref.clone(), ..late }])
            }
            Fault::Double => {
                let debit = entry?;
                Some(vec![
                    line(Kind::ShownDebit, day, debit.amount, &debit.reference, debit.text.clone(), 0),
                    line(Kind::ShownCredit, next, debit.amount, &debit.reference, "冲正 重复记账".to_owned(), 1),
                ])
            }
            Fault::MisKey => {
                let debit = entry?;
                let told = mis_keyed(debit.amount, seeded(self.spec.seed, &["digit", &debit.reference]));
                let difference = told.get().saturating_sub(debit.amount.get());
                let (kind, words) =
                    if difference > 0 { (Kind::ShownCredit, "冲正 金额更正") } else { (Kind::ShownDebit, "补记 金额更正") };
                let wrong = line(Kind::ShownAs, day, told, &debit.reference, String::new(), 0);
                let right = line(kind, next, Fen::new(difference.saturating_abs()), &debit.reference, words.to_owned(), 0);
                Some(vec![Line { bank_ref: debit.bank_ref.clone(), ..wrong }, right])
            }
            Fault::Charge(fen) => {
                let fee = |line: Line| Line { counter: FEES.0.to_owned(), counter_name: FEES.1.to_owned(), ..line };
                Some(vec![
                    fee(line(Kind::ShownDebit, day, fen, "", "手续费".to_owned(), 0)),
                    fee(line(Kind::ShownCredit, next, fen, "", "冲正 手续费退回".to_owned(), 1)),
                ])
            }
            Fault::Late | Fault::Missing if held => None,
            Fault::Late => Some(vec![line(Kind::Late, day, Fen::ZERO, "", String::new(), 0)]),
            Fault::Missing => Some(vec![line(Kind::Missing, day, Fen::ZERO, "", String::new(), 0)]),
        }
    }
}

/// Puts out statements that waited: the late ones of earlier days, or all of them if somebody asks. Says how many.
pub(super) fn put_out_held(root: &Path, books: &mut Books, before: Option<NaiveDate>) -> io::Result<usize> {
    let mut sent = Vec::new();
    for (day, account, until_asked) in books.held() {
        let due = before.is_none_or(|before| !until_asked && day < before);
        let payer = books.payers().iter().find(|payer| payer.account == account);
        if let (true, Some(payer)) = (due, payer) {
            inbox::put_out(root, &statement::of_day(books, payer, day))?;
            sent.push(Line { kind: Kind::Sent, booked: Some(day), account, ..Line::default() });
        }
    }
    books.record(&sent)?;
    Ok(sent.len())
}

/// The amount with one digit wrong, which is never nothing: each digit has another one that is written for it.
fn mis_keyed(amount: Fen, chance: u64) -> Fen {
    let digits: Vec<u8> = amount.get().unsigned_abs().to_string().into_bytes();
    let place = usize::try_from(chance % u64::try_from(digits.len()).unwrap_or(1)).unwrap_or(0);
    let wrong = digits.iter().enumerate().map(|(at, digit)| if at == place { b'1' + (digit - b'0') % 9 } else { *digit });
    String::from_utf8(wrong.collect()).ok().and_then(|text| text.parse().ok()).map_or(amount, Fen::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mis_keyed_amount_differs_in_one_digit() {
        for fen in [1, 9, 10, 990, 60_050, 123_456_789] {
            for chance in 0..12 {
                let wrong = mis_keyed(Fen::new(fen), chance).get();
                let (a, b) = (fen.to_string(), wrong.to_string());
                assert_eq!(a.len(), b.len());
                assert_eq!(a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count(), 1, "{fen} as {wrong}");
            }
        }
    }
}
