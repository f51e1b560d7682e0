//! What a bank sends back (退票): days later a payment has not stayed where it was credited. The customer is debited, the payer
//! credited under the payer's reference, and where the layout has a file for it, the file names the payments.

use std::fs;
use std::io;

use chrono::{Days, NaiveDate};

use crate::domain::time::Timestamp;

use super::bank::Bank;
use super::behaviour::returns_at;
use super::ledger::{Kind, Line};
use super::rules::{happens, seeded};
use super::{Layout, inbox, split_pair};

/// How the words of a credit begin whose payment was sent back.
pub(super) const SENT_BACK: &str = "退票";
/// Why a payment does not stay on its account.
const WORDS: [&str; 4] = ["账户已销户", "账户状态不正常", "户名不符", "收款人拒收"];

impl Bank {
    /// Which of these credits will be sent back, and on which day: all of a file on one, so that one file can tell of them.
    pub(super) fn returns_of(&self, credits: &[Line], booked: NaiveDate) -> Vec<Line> {
        let behaviour = &self.spec.behaviour;
        let mut due: Vec<Line> = credits
            .iter()
            .filter(|line| line.kind == Kind::Credit)
            .filter(|line| happens(behaviour.return_per_mille, self.spec.seed, &["return", &line.reference]))
            .cloned()
            .collect();
        let Some(first) = due.iter().map(|line| line.reference.clone()).min() else { return due };
        let (least, most) = (*behaviour.return_after_days.start(), *behaviour.return_after_days.end());
        let span = u64::from(most.saturating_sub(least)) + 1;
        let after = u64::from(least) + seeded(self.spec.seed, &["return day", &first]) % span;
        let day = behaviour.bank_days.on_or_after(booked.checked_add_days(Days::new(after)).unwrap_or(booked));
        for line in &mut due {
            let words = seeded(self.spec.seed, &["return words", &line.reference]) % 4;
            let words = usize::try_from(words).ok().and_then(|at| WORDS.get(at)).unwrap_or(&"退票");
            (line.kind, line.booked, line.text) = (Kind::ReturnDue, Some(day), (*words).to_owned());
        }
        due
    }

    /// When something is to be sent back next.
    pub(super) fn next_return(&self) -> Option<Timestamp> {
        self.books().next_return().map(|day| returns_at(day, self.zone))
    }

    /// Sends back what is due: first the file, which stands however often it is written, then the books.
    pub(super) fn send_back(&self, now: Timestamp) -> io::Result<()> {
        let today = now.date(self.zone);
        let until = if returns_at(today, self.zone) <= now { Some(today) } else { today.pred_opt() };
        let due = until.map(|until| self.books().returns_until(until)).unwrap_or_default();
        for (key, lines) in due {
            if self.spec.layout == Layout::SplitPair {
                let request = fs::read(inbox::done(&self.root).join(&key))?;
                let words = |reference: &str| lines.iter().find(|line| line.reference == reference).map(|line| line.text.clone());
                inbox::put_out(&self.root, &split_pair::returned(&request, &key, words))?;
            }
            let mut books = self.books();
            let booked = self.booking_day(&books, now);
            let mut told = Vec::with_capacity(lines.len() * 2);
            for (at, line) in lines.into_iter().enumerate() {
                let back = Line {
                    kind: Kind::PayerCredit,
                    booked: Some(booked),
                    account: line.payer.clone(),
                    bank_ref: books.bank_ref(&self.spec.code, booked, at),
                    text: format!("{SENT_BACK} {}", line.text),
                    payer: String::new(),
                    counter: line.account.clone(),
                    counter_name: self.customers.name_of(&line.account).unwrap_or_default().to_owned(),
                    ..line.clone()
                };
                told.extend([Line { kind: Kind::Returned, booked: Some(booked), ..line }, back]);
            }
            books.record(&told)?;
        }
        Ok(())
    }
}
