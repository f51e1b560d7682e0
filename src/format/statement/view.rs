//! A statement as people and programs see it: whole amounts as text in the smallest unit, our own account whole, everybody
//! else's name and account masked.

use serde::Serialize;

use super::{Booked, Continuity, Detail, Movement, Statement};
use crate::domain::exchange::Side;
use crate::domain::scrub::scrub_bank_text;

/// A statement.
#[derive(Clone, Debug, Serialize)]
pub struct StatementView {
    /// Which message: camt.053, MT940 and so on.
    pub form: &'static str,
    /// Whether it only tells of movements, and proves no day.
    pub notice: bool,
    /// The bank's name for it.
    pub id: String,
    /// Its number in the year.
    pub sequence: Option<u64>,
    /// The page.
    pub page: Option<u64>,
    /// The account: a department's, not a person's, so it is printed whole.
    pub account: String,
    /// Three letters.
    pub currency: String,
    /// How many decimals the currency has.
    pub decimals: usize,
    /// The first day.
    pub from: Option<String>,
    /// The last day.
    pub to: Option<String>,
    /// The balance before, in the smallest unit.
    pub opening: Option<String>,
    /// The balance behind, in the smallest unit.
    pub closing: Option<String>,
    /// Whether one of them is the end of a page, not of the statement.
    pub interim: bool,
    /// What may be drawn.
    pub available: Option<String>,
    /// Each movement.
    pub entries: Vec<EntryView>,
    /// Booked credits.
    pub credit_sum: String,
    /// Booked debits.
    pub debit_sum: String,
    /// `ok`, `broken` or `unproven`.
    pub continuity: &'static str,
    /// Why it is not `ok`.
    pub continuity_detail: String,
    /// What is wrong, each with its line.
    pub problems: Vec<String>,
}

/// A movement.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    /// The line it begins on.
    pub line: u64,
    /// The day of booking.
    pub booked_on: String,
    /// The day from which interest counts.
    pub value_on: Option<String>,
    /// `credit` or `debit`, as booked.
    pub side: &'static str,
    /// In the smallest unit.
    pub amount: String,
    /// Whether it takes an earlier one back.
    pub reversal: bool,
    /// Whether it is in the books; only these count.
    pub booked: bool,
    /// How many payments it holds, as the bank says or as they stand.
    pub payments: u64,
    /// The reference.
    pub reference: Option<String>,
    /// The bank's reference.
    pub bank_ref: Option<String>,
    /// The other side, masked.
    pub counter_name: String,
    /// The other side's account, masked.
    pub counter_account: String,
    /// The bank's words, without what leaks persons.
    pub text: String,
    /// The payments in it.
    pub details: Vec<DetailView>,
}

/// A payment in a movement.
#[derive(Clone, Debug, Serialize)]
pub struct DetailView {
    /// In the smallest unit.
    pub amount: Option<String>,
    /// The reference.
    pub reference: Option<String>,
    /// The bank's reference.
    pub bank_ref: Option<String>,
    /// The other side, masked.
    pub counter_name: String,
    /// The other side's account, masked.
    pub counter_account: String,
    /// The bank's words, without what leaks persons.
    pub text: String,
}

/// As it is shown.
#[must_use]
pub fn view(statement: &Statement) -> StatementView {
    let day = |d: Option<chrono::NaiveDate>| d.map(|d| d.to_string());
    let balance = |b: Option<super::Balance>| b.map(|b| b.minor.to_string());
    let is_interim = |b: Option<super::Balance>| b.is_some_and(|b| b.is_interim);
    let continuity_detail = match &statement.continuity {
        Continuity::Holds => String::new(),
        Continuity::Broken(why) | Continuity::Unproven(why) => why.clone(),
    };
    StatementView {
        form: statement.form.code(),
        notice: statement.form.is_notice(),
        id: statement.id.clone(),
        sequence: statement.sequence,
        page: statement.page,
        account: statement.account.reveal().to_owned(),
        currency: statement.currency.clone(),
        decimals: super::decimals(&statement.currency).unwrap_or_default(),
        from: day(statement.from),
        to: day(statement.to),
        opening: balance(statement.opening),
        closing: balance(statement.closing),
        interim: is_interim(statement.opening) || is_interim(statement.closing),
        available: balance(statement.available),
        entries: statement.movements.iter().map(entry).collect(),
        credit_sum: statement.credit_sum.to_string(),
        debit_sum: statement.debit_sum.to_string(),
        continuity: statement.continuity.code(),
        continuity_detail,
        problems: statement.problems.clone(),
    }
}

fn entry(movement: &Movement) -> EntryView {
    let one = match movement.details.as_slice() {
        [one] => one,
        _ => &movement.whole,
    };
    let whole = &movement.whole;
    let found = u64::try_from(movement.details.len()).unwrap_or(u64::MAX).max(1);
    EntryView {
        line: movement.line,
        booked_on: movement.booked_on.to_string(),
        value_on: movement.value_on.map(|d| d.to_string()),
        side: match movement.side {
            Side::Credit => "credit",
            Side::Debit => "debit",
        },
        amount: movement.minor.to_string(),
        reversal: movement.is_reversal,
        booked: movement.booked == Booked::Yes,
        payments: movement.batch_count.unwrap_or(found),
        reference: one.reference.clone().or_else(|| whole.reference.clone()),
        bank_ref: one.bank_ref.clone().or_else(|| whole.bank_ref.clone()),
        counter_name: one.counter_name.as_ref().map(ToString::to_string).unwrap_or_default(),
        counter_account: one.counter_account.as_ref().map(ToString::to_string).unwrap_or_default(),
        text: scrub_bank_text(if one.text.is_empty() { &whole.text } else { &one.text }),
        details: movement.details.iter().map(detail).collect(),
    }
}

fn detail(detail: &Detail) -> DetailView {
    DetailView {
        amount: detail.minor.map(|m| m.to_string()),
        reference: detail.reference.clone(),
        bank_ref: detail.bank_ref.clone(),
        counter_name: detail.counter_name.as_ref().map(ToString::to_string).unwrap_or_default(),
        counter_account: detail.counter_account.as_ref().map(ToString::to_string).unwrap_or_default(),
        text: scrub_bank_text(&detail.text),
    }
}
