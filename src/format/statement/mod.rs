//! Account statements (对账单) in the forms that the world's banks agreed on: camt.052, camt.053 and camt.054 of ISO 20022 in
//! any version, MT940 and MT942 of SWIFT. Tolerant in form, strict in meaning: what is left out is left out, but an amount that is
//! not one, a currency that changes, totals that do not add up are said, each with its line.
//!
//! Amounts are counted in the currency's own smallest unit, as text first and never as a float.

/// camt.052, .053 and .054.
mod camt;
/// In a layout of a profile.
mod declared;
/// A statement's lines, one after the other, as the rest of the house knows them.
mod entries;
/// MT940 and MT942.
mod mt;
/// Opening and lines and closing, one statement and the next.
mod prove;
/// What is shown of it.
mod view;

use std::io::Read;

use chrono::NaiveDate;

pub use declared::read_declared;
pub use entries::{entries, head, is_home_currency, lines_of};

pub use view::{DetailView, EntryView, StatementView, view};

use super::spec::FormSpec;
use super::summary::{ParseSummary, Parsed};
use super::xml::{WalkError, XmlFault};
use crate::domain::exchange::Side;
use crate::domain::masked::{Account, Name};
use crate::domain::statement::days_of_both;

/// Which message it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// camt.053: a day's statement.
    Camt053,
    /// camt.052: a report within the day.
    Camt052,
    /// camt.054: a notice of single movements.
    Camt054,
    /// MT940: a day's statement.
    Mt940,
    /// MT942: a report within the day.
    Mt942,
    /// A layout of a profile.
    Declared,
}

impl Form {
    /// What people call it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Camt053 => "camt.053",
            Self::Camt052 => "camt.052",
            Self::Camt054 => "camt.054",
            Self::Mt940 => "MT940",
            Self::Mt942 => "MT942",
            Self::Declared => "declared",
        }
    }

    /// Whether it only tells of movements, and never proves a day.
    #[must_use]
    pub const fn is_notice(self) -> bool {
        match self {
            Self::Camt052 | Self::Camt054 | Self::Mt942 => true,
            Self::Camt053 | Self::Mt940 | Self::Declared => false,
        }
    }
}

/// Whether a movement is in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It is.
    Yes,
    /// It is expected, or only told.
    NotYet,
}

/// A balance, in the currency's smallest unit; what the account owes is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much.
    pub minor: i128,
    /// Of which day.
    pub on: Option<NaiveDate>,
    /// Within a statement of several pages, not at its end.
    pub is_interim: bool,
}

/// A single payment inside a movement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Its amount, where said.
    pub minor: Option<i128>,
    /// The end-to-end reference, where it has one.
    pub reference: Option<String>,
    /// The bank's own reference.
    pub bank_ref: Option<String>,
    /// The other side's account.
    pub counter_account: Option<Account>,
    /// The other side's name.
    pub counter_name: Option<Name>,
    /// What it says it is; a return's reason code stands first.
    pub text: String,
}

/// A movement on the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The day of booking; where the bank leaves it out, the value date, else the statement's day.
    pub booked_on: NaiveDate,
    /// The day from which interest counts.
    pub value_on: Option<NaiveDate>,
    /// In or out, as booked: the reversal of a credit is a debit.
    pub side: Side,
    /// How much, in the smallest unit.
    pub minor: i128,
    /// Whether it takes an earlier movement back.
    pub is_reversal: bool,
    /// Whether it is in the books.
    pub booked: Booked,
    /// How many payments the bank says are in it.
    pub batch_count: Option<u64>,
    /// What the movement as a whole says.
    pub whole: Detail,
    /// The payments in it, where they are told apart.
    pub details: Vec<Detail>,
}

/// Whether the balances and the lines are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Opening and lines make the closing balance, which is the next one's opening.
    Holds,
    /// They do not, or something between is missing: why.
    Broken(String),
    /// A balance is missing, or it is a notice: why.
    Unproven(String),
}

impl Continuity {
    /// One word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Holds => "ok",
            Self::Broken(_) => "broken",
            Self::Unproven(_) => "unproven",
        }
    }
}

/// What a message declares of its movements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeclaredTotals {
    /// How many credits.
    pub credit_count: Option<u64>,
    /// What they sum to.
    pub credit_sum: Option<i128>,
    /// How many debits.
    pub debit_count: Option<u64>,
    /// What they sum to.
    pub debit_sum: Option<i128>,
    /// How many movements.
    pub count: Option<u64>,
    /// What all sum to, whatever their side.
    pub sum: Option<i128>,
}

/// What was seen of a statement's movements, whoever has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Booked credits.
    pub credits: u64,
    /// Booked debits.
    pub debits: u64,
    /// Told of, and not booked.
    pub not_booked: u64,
    /// The days of the booked ones, first and last.
    pub days: Option<(NaiveDate, NaiveDate)>,
}

/// Opens a file at its beginning: what has to be known of all of it is found before it is read.
pub type Opened<'o> = &'o dyn Fn() -> std::io::Result<Box<dyn Read + 'o>>;

/// Takes each movement as it comes, with the place of its statement in the file, from 0.
pub type Keep<'k> = &'k mut dyn FnMut(usize, Movement);

/// A statement, or a page of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which message it was.
    pub form: Form,
    /// The line it begins on.
    pub line: u64,
    /// The bank's name for it.
    pub id: String,
    /// Its number in the year.
    pub sequence: Option<u64>,
    /// The page's number, where there are pages.
    pub page: Option<u64>,
    /// Whether it is said to be the last page.
    pub is_last_page: Option<bool>,
    /// The account.
    pub account: Account,
    /// Of three letters.
    pub currency: String,
    /// The first day covered.
    pub from: Option<NaiveDate>,
    /// The last day covered.
    pub to: Option<NaiveDate>,
    /// The balance before the first line.
    pub opening: Option<Balance>,
    /// The balance behind the last.
    pub closing: Option<Balance>,
    /// What may be drawn, in the end.
    pub available: Option<Balance>,
    /// What it declares.
    pub declared: DeclaredTotals,
    /// Its movements, as they stand; none where they were handed on as they came.
    pub movements: Vec<Movement>,
    /// What was seen of them.
    pub seen: Seen,
    /// Booked credits.
    pub credit_sum: i128,
    /// Booked debits.
    pub debit_sum: i128,
    /// Whether balances and lines are one.
    pub continuity: Continuity,
    /// What is wrong with it, each with its line.
    pub problems: Vec<String>,
}

/// Why a file is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Where, and what is wrong.
    #[error("{0}")]
    At(XmlFault),
    /// Nothing that is known.
    #[error("line 1: neither XML (camt.052, .053, .054) nor MT940/942: {0}")]
    Unknown(String),
    /// Reading failed.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl From<WalkError> for StatementError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Fault(fault) => Self::At(fault),
            WalkError::Io(error) => Self::Io(error),
        }
    }
}

/// Reads every statement of a file, in whichever form it is, and proves them.
///
/// # Errors
/// When it is none of the forms, or not sound: where, and what is wrong.
pub fn read(source: &mut dyn Read) -> Result<Vec<Statement>, StatementError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    let mut movements: Vec<Vec<Movement>> = Vec::new();
    let mut statements = scan(&|| Ok(Box::new(bytes.as_slice())), &mut |at, movement| {
        if movements.len() <= at {
            movements.resize_with(at + 1, Vec::new);
        }
        if let Some(of) = movements.get_mut(at) {
            of.push(movement);
        }
    })?;
    for (statement, movements) in statements.iter_mut().zip(movements) {
        statement.movements = movements;
        // Those that bear no day come last of their statement.
        statement.movements.sort_by_key(|m| m.line);
    }
    Ok(statements)
}

/// Reads every statement of a file, in whichever form it is, and proves them; the movements are handed on as they come, and none
/// is held.
///
/// # Errors
/// As [`read`].
pub fn scan(opened: Opened<'_>, keep: Keep<'_>) -> Result<Vec<Statement>, StatementError> {
    let mut head = Vec::new();
    opened()?.take(4096).read_to_end(&mut head)?;
    let mut statements = match looks_like(&head) {
        Looks::Xml => camt::scan(&mut *opened()?, keep)?,
        Looks::Mt => mt::scan(opened, keep)?,
        Looks::Nothing(what) => return Err(StatementError::Unknown(what)),
    };
    prove::prove(&mut statements);
    Ok(statements)
}

/// Scans one whose form the profile says.
///
/// # Errors
/// As [`read`], and where it is another form.
pub(super) fn scan_as(form: FormSpec, opened: Opened<'_>, keep: Keep<'_>) -> Result<Vec<Statement>, StatementError> {
    meant(form, scan(opened, keep)?)
}

fn meant(form: FormSpec, statements: Vec<Statement>) -> Result<Vec<Statement>, StatementError> {
    let is_meant = |s: &&Statement| match form {
        FormSpec::Camt => matches!(s.form, Form::Camt053 | Form::Camt052 | Form::Camt054),
        FormSpec::Mt => matches!(s.form, Form::Mt940 | Form::Mt942),
    };
    match statements.iter().find(|s| !is_meant(s)) {
        None => Ok(statements),
        Some(other) => Err(StatementError::Unknown(format!("it is {}, which the profile does not say", other.form.code()))),
    }
}

/// Reads one as any file of a profile is read: entries to the sink, what is wrong into the summary.
pub(super) fn stream(form: FormSpec, source: &mut dyn Read, sink: &mut dyn FnMut(Parsed)) -> std::io::Result<ParseSummary> {
    let mut summary = ParseSummary::default();
    let statements = match read(source).and_then(|statements| meant(form, statements)) {
        Ok(statements) => statements,
        Err(StatementError::Io(error)) => return Err(error),
        Err(error) => {
            summary.problem(error.to_string());
            return Ok(summary);
        }
    };
    for statement in &statements {
        statement.problems.iter().for_each(|what| summary.problem(what.clone()));
        if !is_home_currency(statement) {
            summary.notes.push(format!("line {}: is in {:?}, not in CNY", statement.line, statement.currency));
            continue;
        }
        let Some(entries) = entries(statement, summary.records + 1) else {
            summary.problem(format!("line {}: an amount is too large", statement.line));
            continue;
        };
        summary.records += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        entries.into_iter().for_each(|entry| sink(Parsed::Entry(entry)));
    }
    summary.found.count = Some(summary.records);
    if let [one] = statements.as_slice() {
        summary.head = head(one).unwrap_or_default();
    }
    Ok(summary)
}

/// Pages of one statement made whole: each follows the one before it, which was not the last. With each, the places of its pages.
#[must_use]
pub fn whole(statements: impl IntoIterator<Item = (usize, Statement)>) -> Vec<(Statement, Vec<usize>)> {
    let mut out: Vec<(Statement, Vec<usize>)> = Vec::new();
    for (at, next) in statements {
        let is_page_of = |before: &Statement| {
            let is_open = before.closing.is_some_and(|c| c.is_interim) || before.is_last_page == Some(false);
            let is_same = before.account == next.account && before.currency == next.currency && before.form == next.form;
            is_same && is_open && before.sequence == next.sequence
        };
        match out.last_mut().filter(|(before, _)| is_page_of(before)) {
            Some((before, pages)) => {
                pages.push(at);
                before.movements.extend(next.movements);
                before.seen.join(next.seen);
                (before.closing, before.is_last_page, before.to) = (next.closing, next.is_last_page, next.to.or(before.to));
                before.credit_sum = before.credit_sum.saturating_add(next.credit_sum);
                before.debit_sum = before.debit_sum.saturating_add(next.debit_sum);
            }
            None => out.push((next, vec![at])),
        }
    }
    out
}

enum Looks {
    Xml,
    Mt,
    Nothing(String),
}

fn looks_like(head: &[u8]) -> Looks {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Looks::Xml;
    }
    let body = head.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(head);
    let text = body.trim_ascii_start();
    let has = |mark: &[u8]| memchr::memmem::find(text, mark).is_some();
    match text.first() {
        None => Looks::Nothing("the file is empty".to_owned()),
        Some(b'<') => Looks::Xml,
        Some(b'{') if has(b"{4:") || text.starts_with(b"{1:") => Looks::Mt,
        Some(_) if text.starts_with(b":20:") || has(b"\n:20:") || has(b"\n:25:") => Looks::Mt,
        Some(_) => Looks::Nothing("a declared layout is read by its profile (--profile)".to_owned()),
    }
}

/// How many decimals a currency has (ISO 4217).
pub(super) fn decimals(currency: &str) -> Option<usize> {
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    Some(match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    })
}

/// Reads an amount into the smallest unit. Digits, at most one mark, no sign, no grouping, no exponent; digits behind the
/// currency's last are allowed only where they are zeros.
pub(super) fn minor(text: &str, mark: char, decimals: usize) -> Result<i128, String> {
    let (whole, fraction) = match text.split_once(mark) {
        None => (text, ""),
        Some((whole, fraction)) => (whole, fraction),
    };
    let is_plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(fraction) || text.len() > 36 {
        return Err(format!("is not an amount such as 1234{mark}56"));
    }
    let (kept, beyond) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
    if beyond.bytes().any(|b| b != b'0') {
        return Err(format!("has {} decimals, the currency has {decimals}", fraction.len()));
    }
    format!("{whole}{kept}{}", "0".repeat(decimals - kept.len())).parse().map_err(|_| "is too large an amount".to_owned())
}

impl Seen {
    fn join(&mut self, other: Self) {
        self.credits += other.credits;
        self.debits += other.debits;
        self.not_booked += other.not_booked;
        self.days = days_of_both(self.days, other.days);
    }
}

impl Statement {
    fn new(form: Form, line: u64) -> Self {
        Self {
            form,
            line,
            id: String::new(),
            sequence: None,
            page: None,
            is_last_page: None,
            account: Account::default(),
            currency: String::new(),
            from: None,
            to: None,
            opening: None,
            closing: None,
            available: None,
            declared: DeclaredTotals::default(),
            movements: Vec::new(),
            seen: Seen::default(),
            credit_sum: 0,
            debit_sum: 0,
            continuity: Continuity::Unproven(String::new()),
            problems: Vec::new(),
        }
    }

    /// Counts a movement in.
    fn see(&mut self, movement: &Movement) {
        if movement.booked == Booked::NotYet {
            self.seen.not_booked += 1;
            return;
        }
        let (sum, count) = match movement.side {
            Side::Credit => (&mut self.credit_sum, &mut self.seen.credits),
            Side::Debit => (&mut self.debit_sum, &mut self.seen.debits),
        };
        *sum = sum.saturating_add(movement.minor);
        *count += 1;
        self.seen.days = days_of_both(self.seen.days, Some((movement.booked_on, movement.booked_on)));
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < super::summary::KEPT {
            self.problems.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counted_in_their_currencys_smallest_unit() {
        for (text, currency, expected) in [
            ("12.30", "CNY", Some(1230)),
            ("12.3", "CNY", Some(1230)),
            ("12", "CNY", Some(1200)),
            ("12.", "CNY", Some(1200)),
            ("12.3400", "CNY", Some(1234)),
            ("12.345", "CNY", None),
            ("500", "JPY", Some(500)),
            ("500.00", "JPY", Some(500)),
            ("500.5", "JPY", None),
            ("1.234", "BHD", Some(1234)),
            ("1.2345", "BHD", None),
            ("9999999999999999.99", "CNY", Some(999_999_999_999_999_999)),
            ("", "CNY", None),
            (".5", "CNY", None),
            ("1e3", "CNY", None),
            ("+1", "CNY", None),
            ("-1", "CNY", None),
            ("1,000.00", "CNY", None),
            ("1.0.0", "CNY", None),
            ("１２", "CNY", None),
        ] {
            assert_eq!(minor(text, '.', decimals(currency).unwrap()).ok(), expected, "{text} {currency}");
        }
        assert_eq!(minor("12,3", ',', 2), Ok(1230));
        assert_eq!(decimals("cny"), None);
        assert_eq!(decimals("RMBX"), None);
    }
}
