//! MT940 and MT942: tagged lines, alone or in SWIFT's blocks, several messages and pages in a file. `RC` takes a credit back and is
//! a debit, `RD` takes a debit back and is a credit; `EC` and `ED` are expected and not booked.

use std::io::{BufRead as _, BufReader, Read as _};

use chrono::{Datelike as _, NaiveDate};

use super::{Balance, Booked, Detail, Form, Keep, Movement, Opened, Statement, StatementError, decimals, minor};
use crate::domain::exchange::Side;
use crate::domain::masked::Account;
use crate::format::charset::Dialect;
use crate::format::xml::{Place, XmlFault};

/// No field has more lines: what goes on longer is no statement.
const FIELD_LINES_MAX: usize = 1000;
/// Nor is any line longer, in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// Reads every message of the file, and hands its movements on.
///
/// # Errors
/// When the text cannot be decoded, or stands outside every field.
pub fn scan(opened: Opened<'_>, keep: Keep<'_>) -> Result<Vec<Statement>, StatementError> {
    // A line of GB18030 may be UTF-8 by chance; a file is not.
    let mut is_utf8 = true;
    lines(opened, |_, line| {
        is_utf8 &= std::str::from_utf8(line).is_ok();
        Ok(is_utf8)
    })?;
    let dialect = if is_utf8 { Dialect::Utf8 } else { Dialect::Gb18030 };
    let mut messages = Messages { out: Vec::new(), kind: None, last: None, keep };
    let mut field: Option<Field> = None;
    let mut scratch = String::new();
    lines(opened, |number, line| {
        let line = dialect.decode(line, &mut scratch).map_err(|_| fault(number, "is neither UTF-8 nor GB18030"))?;
        if line.chars().any(|c| c.is_control() && c != '\r' && c != '\t') {
            return Err(fault(number, "holds a control character"));
        }
        let mut line = line.trim_end_matches('\r');
        if line.trim_start().starts_with('{') || line.starts_with("-}") || line == "-" {
            messages.take(field.take());
            messages.blocks(line);
            line = line.rsplit_once("{4:").map_or("", |(_, rest)| rest);
        }
        if let Some((tag, value)) = tag(line) {
            messages.take(field.take());
            field = Some(Field { tag: tag.to_owned(), line: number, lines: vec![value.to_owned()] });
        } else if let Some(open) = &mut field {
            if open.lines.len() >= FIELD_LINES_MAX {
                return Err(fault(number, "a field has more lines than any field may have"));
            }
            open.lines.push(line.to_owned());
        } else if !line.trim().is_empty() {
            return Err(fault(number, "stands in no field: a field begins with its tag, such as :61:"));
        }
        Ok(true)
    })?;
    messages.take(field.take());
    Ok(messages.finish())
}

/// Each line with its number, without what ends it, until one says that it is enough.
fn lines(opened: Opened<'_>, mut each: impl FnMut(u64, &[u8]) -> Result<bool, StatementError>) -> Result<(), StatementError> {
    let mut source = BufReader::new(opened()?);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if (&mut source).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if u64::try_from(line.len()) == Ok(LINE_MAX) {
            return Err(fault(number, "is longer than any line may be"));
        }
        let body = if number == 1 { line.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(&line) } else { &line };
        if !each(number, body)? {
            break;
        }
    }
    Ok(())
}

fn fault(line: u64, what: &str) -> StatementError {
    StatementError::At(XmlFault { place: Place { line, column: 1 }, what: what.to_owned() })
}

/// `:61:…` taken apart.
fn tag(line: &str) -> Option<(&str, &str)> {
    let (tag, value) = line.strip_prefix(':')?.split_once(':')?;
    let is_tag = (2..=3).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    is_tag.then_some((tag, value))
}

struct Field {
    tag: String,
    line: u64,
    lines: Vec<String>,
}

struct Messages<'k> {
    out: Vec<Statement>,
    /// As the block before the message says it.
    kind: Option<Form>,
    /// The movement that was read last: its words may follow.
    last: Option<Movement>,
    keep: Keep<'k>,
}

impl Messages<'_> {
    fn blocks(&mut self, line: &str) {
        if line.contains("{2:O942") || line.contains("{2:I942") {
            self.kind = Some(Form::Mt942);
        } else if line.contains("{2:O940") || line.contains("{2:I940") {
            self.kind = Some(Form::Mt940);
        }
    }

    fn take(&mut self, field: Option<Field>) {
        let Some(field) = field else { return };
        let first = field.lines.first().map_or("", String::as_str).trim();
        if field.tag == "20" {
            let mut statement = Statement::new(self.kind.take().unwrap_or(Form::Mt940), field.line);
            first.clone_into(&mut statement.id);
            self.hand_on(None);
            self.out.push(statement);
            return;
        }
        let Some(statement) = self.out.last_mut() else { return };
        let read = match field.tag.as_str() {
            "61" => movement(statement, &field, first).map(Some),
            // Behind the closing balance it speaks of the statement.
            "86" if statement.closing.is_none() => {
                self.last.iter_mut().for_each(|movement| narrative(movement, &field.lines));
                Ok(None)
            }
            _ => field_of(statement, &field, first).map(|()| None),
        };
        match read {
            Ok(None) => {}
            Ok(next) => self.hand_on(next),
            Err(what) => statement.problem(format!("line {}: :{}: {what}", field.line, field.tag)),
        }
    }

    /// The movement read last is whole when the next begins.
    fn hand_on(&mut self, next: Option<Movement>) {
        let Some(movement) = std::mem::replace(&mut self.last, next) else { return };
        let Some(statement) = self.out.last_mut() else { return };
        statement.see(&movement);
        statement.from = Some(statement.from.map_or(movement.booked_on, |from| from.min(movement.booked_on)));
        (self.keep)(self.out.len() - 1, movement);
    }

    fn finish(mut self) -> Vec<Statement> {
        self.hand_on(None);
        let mut out = self.out;
        for statement in &mut out {
            statement.to = statement.closing.and_then(|b| b.on).or(statement.to);
            let line = statement.line;
            if statement.account.is_empty() {
                statement.problem(format!("line {line}: the statement names no account (:25:)"));
            }
        }
        out
    }
}

fn field_of(statement: &mut Statement, field: &Field, first: &str) -> Result<(), String> {
    match field.tag.as_str() {
        "25" | "25P" => statement.account = Account::new(first.rsplit_once('/').map_or(first, |(_, account)| account)),
        "28C" | "28" => {
            let (sequence, page) = first.split_once('/').map_or((first, None), |(s, p)| (s, Some(p)));
            statement.sequence = sequence.parse().ok();
            statement.page = page.and_then(|p| p.parse().ok());
        }
        "60F" | "60M" => statement.opening = Some(balance(statement, first, field.tag == "60M")?),
        "62F" | "62M" => {
            let closing = balance(statement, first, field.tag == "62M")?;
            statement.is_last_page = Some(!closing.is_interim);
            statement.closing = Some(closing);
        }
        "64" => statement.available = Some(balance(statement, first, false)?),
        "34F" | "13D" | "13" => {
            statement.form = Form::Mt942;
            if let Some(currency) = first.get(..3).filter(|c| field.tag == "34F" && decimals(c).is_some()) {
                currency.clone_into(&mut statement.currency);
            }
        }
        "90C" | "90D" => totals(statement, first, field.tag == "90C")?,
        _ => {}
    }
    Ok(())
}

/// `C190314CNY1234,56`.
fn balance(statement: &mut Statement, text: &str, is_interim: bool) -> Result<Balance, String> {
    let is_negative = match text.get(..1) {
        Some("C") => false,
        Some("D") => true,
        Some(_) | None => return Err("begins with neither C nor D".to_owned()),
    };
    let on = text.get(1..7).and_then(day).ok_or("has no date YYMMDD behind its mark")?;
    let currency = text.get(7..10).unwrap_or_default();
    let decimals = decimals(currency).ok_or("has no currency of three letters")?;
    if statement.currency.is_empty() {
        currency.clone_into(&mut statement.currency);
    } else if statement.currency != currency {
        return Err(format!("is in {currency}, and the statement in {}", statement.currency));
    }
    let value = minor(text.get(10..).unwrap_or_default(), ',', decimals)?;
    Ok(Balance { minor: if is_negative { -value } else { value }, on: Some(on), is_interim })
}

/// `3CNY1234,56`.
fn totals(statement: &mut Statement, text: &str, is_credit: bool) -> Result<(), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count = text.get(..digits).unwrap_or_default().parse().map_err(|_| "has no count")?;
    let currency = text.get(digits..digits + 3).unwrap_or_default();
    let places = decimals(currency).ok_or("has no currency of three letters")?;
    let sum = minor(text.get(digits + 3..).unwrap_or_default(), ',', places)?;
    let declared = &mut statement.declared;
    if is_credit {
        (declared.credit_count, declared.credit_sum) = (Some(count), Some(sum));
    } else {
        (declared.debit_count, declared.debit_sum) = (Some(count), Some(sum));
    }
    Ok(())
}

fn day(text: &str) -> Option<NaiveDate> {
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize| text.get(from..from + 2).and_then(|t| t.parse::<u32>().ok());
    let year = i32::try_from(number(0)?).ok()?;
    NaiveDate::from_ymd_opt(if year >= 80 { 1900 + year } else { 2000 + year }, number(2)?, number(4)?)
}

/// The booking day `MMDD` beside a value date: of the year that lies nearest.
fn booking_day(value_on: NaiveDate, text: &str) -> Option<NaiveDate> {
    let number = |from: usize| text.get(from..from + 2).and_then(|t| t.parse::<u32>().ok());
    let (month, day) = (number(0)?, number(2)?);
    [0, -1, 1]
        .into_iter()
        .filter_map(|years| NaiveDate::from_ymd_opt(value_on.year() + years, month, day))
        .min_by_key(|on| (*on - value_on).num_days().abs())
}

/// `1903140314RC1234,56NTRFBG…//bank's`, and perhaps a second line of words.
fn movement(statement: &Statement, field: &Field, text: &str) -> Result<Movement, String> {
    let value_on = text.get(..6).and_then(day).ok_or("has no value date YYMMDD")?;
    let mut rest = text.get(6..).unwrap_or_default();
    let mut booked_on = value_on;
    if rest.get(..4).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit())) {
        booked_on = booking_day(value_on, rest).ok_or("has no booking date MMDD behind its value date")?;
        rest = rest.get(4..).unwrap_or_default();
    }
    let (mark, side, is_reversal, booked) = [
        ("RC", Side::Debit, true, Booked::Yes),
        ("RD", Side::Credit, true, Booked::Yes),
        ("EC", Side::Credit, false, Booked::NotYet),
        ("ED", Side::Debit, false, Booked::NotYet),
        ("C", Side::Credit, false, Booked::Yes),
        ("D", Side::Debit, false, Booked::Yes),
    ]
    .into_iter()
    .find(|(mark, ..)| rest.starts_with(mark))
    .ok_or("has none of the marks C, D, RC, RD, EC, ED behind its dates")?;
    rest = rest.get(mark.len()..).unwrap_or_default();
    // The third letter of the currency may stand here.
    if rest.starts_with(|c: char| c.is_ascii_uppercase()) {
        rest = rest.get(1..).unwrap_or_default();
    }
    let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b',' | b'.')).count();
    let (amount, behind) = rest.split_at_checked(digits).unwrap_or((rest, ""));
    let places = decimals(&statement.currency).ok_or("stands before any balance names the currency")?;
    let value = minor(amount, ',', places)?;
    let kind =
        behind.get(..4).filter(|k| k.starts_with(['N', 'S', 'F'])).ok_or("has no type of transaction, such as NTRF, behind its amount")?;
    let (reference, bank_ref) =
        behind.get(4..).unwrap_or_default().split_once("//").map_or((behind.get(4..), None), |(r, b)| (Some(r), Some(b)));
    let filled = |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty() && *t != "NONREF").map(str::to_owned);
    let mut words = kind.get(1..).unwrap_or_default().to_owned();
    for line in field.lines.iter().skip(1).map(|l| l.trim()).filter(|l| !l.is_empty()) {
        words.push(' ');
        words.push_str(line);
    }
    Ok(Movement {
        line: field.line,
        booked_on,
        value_on: Some(value_on),
        side,
        minor: value,
        is_reversal,
        booked,
        batch_count: None,
        whole: Detail { reference: filled(reference), bank_ref: filled(bank_ref), text: words, ..Detail::default() },
        details: Vec::new(),
    })
}

/// The words of `:86:`; an end-to-end reference in them goes before the one of the line.
fn narrative(movement: &mut Movement, lines: &[String]) {
    let text: String = lines.iter().map(|l| l.trim()).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    for (mark, ends) in [("/EREF/", ['/', ' ']), ("EREF+", ['?', ' ']), ("/ROC/", ['/', ' '])] {
        if let Some((_, behind)) = text.split_once(mark) {
            let found = behind.split(ends).next().unwrap_or_default().trim();
            if !found.is_empty() && found != "NOTPROVIDED" {
                movement.whole.reference = Some(found.to_owned());
                break;
            }
        }
    }
    if !text.is_empty() {
        movement.whole.text.push(' ');
        movement.whole.text.push_str(&text);
    }
}
