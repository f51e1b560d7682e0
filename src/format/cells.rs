//! One line's columns, taken apart and understood. Text is checked as strictly as it is when we write: no control
//! characters, no character cut in two, and money only in the grammar of [`Fen`], after the declared padding is off.

use chrono::NaiveDate;

use super::charset::Dialect;
use super::field::{DateTake, Field, Kind, MoneyTake, NumberTake, Strip, Take, TextTake};
use super::layout::Record;
use super::totals::Totals;
use crate::domain::exchange::Side;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;

/// The column at fault, and what is wrong with it.
pub type CellFault = (Option<String>, String);

/// What a line holds.
#[derive(Debug, Default)]
pub struct Cells {
    pub reference: Option<String>,
    pub seq: Option<u64>,
    pub payee_name: Option<Name>,
    pub id_number: Option<IdNumber>,
    pub account: Option<Account>,
    pub amount: Option<Fen>,
    pub paid: Option<Fen>,
    pub status: String,
    pub code: String,
    pub text: String,
    pub bank_ref: Option<String>,
    pub value_date: Option<NaiveDate>,
    pub totals: Totals,
    pub entry_date: Option<NaiveDate>,
    pub side: Option<Side>,
    pub counter_account: Option<Account>,
    pub counter_name: Option<Name>,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub opening: Option<Fen>,
    pub closing: Option<Fen>,
    pub debit_count: Option<u64>,
    pub debit_total: Option<Fen>,
    pub credit_count: Option<u64>,
    pub credit_total: Option<Fen>,
    /// Column number and text of what must be as we sent it.
    pub echoes: Vec<(usize, String)>,
}

/// Takes lines apart; keeps its scratch space between them.
#[derive(Debug, Default)]
pub struct Reader {
    scratch: String,
}

impl Reader {
    /// Cuts on bytes, then decodes.
    ///
    /// # Errors
    /// The column at fault.
    pub fn fixed(&mut self, record: &Record, dialect: Dialect, line: &[u8], cells: &mut Cells) -> Result<(), CellFault> {
        if line.len() != record.length {
            return Err((None, format!("has {} bytes, the record has {}", line.len(), record.length)));
        }
        let mut rest = line;
        for (number, field) in record.fields.iter().enumerate() {
            let (cut, tail) = rest.split_at_checked(field.width.unwrap_or(0)).unwrap_or((rest, &[]));
            rest = tail;
            let text = dialect
                .decode(without_blanks(field, cut), &mut self.scratch)
                .map_err(|what| (Some(field.name.clone()), what.to_owned()))?;
            take(cells, number, field, text)?;
        }
        Ok(())
    }

    /// Decodes, then splits.
    ///
    /// # Errors
    /// The column at fault.
    pub fn delimited(
        &mut self,
        record: &Record,
        dialect: Dialect,
        delimiter: &str,
        is_trailing: bool,
        line: &[u8],
        cells: &mut Cells,
    ) -> Result<(), CellFault> {
        let text = dialect.decode(line, &mut self.scratch).map_err(|what| (None, what.to_owned()))?;
        let body = if is_trailing {
            text.strip_suffix(delimiter).ok_or_else(|| (None, format!("does not end with {delimiter:?}")))?
        } else {
            text
        };
        let mut columns = Columns { rest: Some(body), delimiter };
        for (number, field) in record.fields.iter().enumerate() {
            let column = columns.next().ok_or_else(|| {
                let found = body.matches(delimiter).count() + 1;
                (None, format!("has {found} columns, the record has {}", record.fields.len()))
            })?;
            take(cells, number, field, column)?;
        }
        if columns.rest.is_some() {
            let found = body.matches(delimiter).count() + 1;
            return Err((None, format!("has {found} columns, the record has {}", record.fields.len())));
        }
        Ok(())
    }
}

/// Splits decoded text; a delimiter of one byte, the usual one, by a plain search.
struct Columns<'a> {
    rest: Option<&'a str>,
    delimiter: &'a str,
}

impl<'a> Iterator for Columns<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let at = match self.delimiter.as_bytes() {
            [one] => memchr::memchr(*one, rest.as_bytes()),
            many => memchr::memmem::find(rest.as_bytes(), many),
        };
        match at {
            None => {
                self.rest = None;
                Some(rest)
            }
            Some(at) => {
                self.rest = rest.get(at + self.delimiter.len()..);
                rest.get(..at)
            }
        }
    }
}

/// Takes blanks off the end before decoding: a blank is never the second byte of a character, so a character cut in two
/// still shows. Most of a fixed line is blanks.
fn without_blanks<'b>(field: &Field, cut: &'b [u8]) -> &'b [u8] {
    let mut rest = cut;
    if matches!(field.strip, Strip::Trailing | Strip::Both) {
        while let Some((head, b"        ")) = rest.split_last_chunk::<8>() {
            rest = head;
        }
        while let Some((b' ', head)) = rest.split_last() {
            rest = head;
        }
    }
    rest
}

fn take(cells: &mut Cells, number: usize, field: &Field, text: &str) -> Result<(), CellFault> {
    match understand(cells, number, field, text) {
        Ok(()) => Ok(()),
        Err(what) => Err((Some(field.name.clone()), what)),
    }
}

fn understand(cells: &mut Cells, number: usize, field: &Field, column: &str) -> Result<(), String> {
    if let Take::Ignore = field.take {
        return Ok(());
    }
    let (column, words) = match field.words_after.and_then(|mark| column.split_once(mark)) {
        Some((value, words)) => (value, words.trim()),
        None => (column, ""),
    };
    let text = stripped(field, column);
    readable(text)?;
    if !words.is_empty() {
        readable(words)?;
        append(&mut cells.text, words);
    }
    if let Take::Literal(expected) = &field.take {
        return if text == expected { Ok(()) } else { Err(format!("is not {expected:?}")) };
    }
    if let Take::Echo(_) = &field.take {
        cells.echoes.push((number, text.to_owned()));
        return Ok(());
    }
    if text.is_empty() {
        let is_word = matches!(field.take, Take::Text(TextTake::Status | TextTake::Code | TextTake::Text | TextTake::BankRef));
        return if field.optional || is_word { Ok(()) } else { Err("is empty".to_owned()) };
    }
    match &field.take {
        Take::Text(take) => put_text(cells, *take, text),
        Take::Money(take) => once(money_slot(cells, *take), money(field, text)?),
        Take::Number(take) => once(number_slot(cells, *take), integer(text)?),
        Take::Date(take) => once(date_slot(cells, *take), date(field, text)?),
        Take::Side => once(&mut cells.side, side(field, text)?),
        Take::Ignore | Take::Literal(_) | Take::Echo(_) => Ok(()),
    }
}

fn readable(text: &str) -> Result<(), String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7F) {
        return Err("holds a control character".to_owned());
    }
    if !text.is_ascii() && text.contains('\u{FFFD}') {
        return Err("holds U+FFFD, which stands for a character that was lost".to_owned());
    }
    Ok(())
}

fn date(field: &Field, text: &str) -> Result<NaiveDate, String> {
    let date = match &field.kind {
        Kind::Date(format) => format.read(text),
        Kind::Text | Kind::Yuan | Kind::Fen | Kind::Integer | Kind::Side { .. } => None,
    };
    date.ok_or_else(|| "is not a date of the agreed form".to_owned())
}

fn side(field: &Field, text: &str) -> Result<Side, String> {
    match &field.kind {
        Kind::Side { credit, .. } if text == credit => Ok(Side::Credit),
        Kind::Side { debit, .. } if text == debit => Ok(Side::Debit),
        Kind::Side { .. } | Kind::Text | Kind::Yuan | Kind::Fen | Kind::Integer | Kind::Date(_) => {
            Err("is neither the word for credit nor that for debit".to_owned())
        }
    }
}

fn stripped<'t>(field: &Field, column: &'t str) -> &'t str {
    let fill = char::from(field.fill);
    let is_padding = |c: char| c == ' ' || (c == '\u{3000}' && field.strip_wide);
    let is_number = field.kind.is_number();
    match field.strip {
        Strip::None => column,
        // Numbers are padded in front; their zeros are part of the grammar, blanks are not.
        Strip::Trailing if is_number => column.trim_matches(' '),
        Strip::Trailing => column.trim_end_matches(|c| is_padding(c) || c == fill),
        Strip::Both => column.trim_matches(is_padding),
    }
}

fn money(field: &Field, text: &str) -> Result<Fen, String> {
    let (digits, is_negative) = match text.strip_prefix('-') {
        Some(digits) if field.is_signed => (digits, true),
        Some(_) | None => (text, false),
    };
    let fen = match field.kind {
        Kind::Yuan => Fen::parse_yuan(digits),
        Kind::Fen | Kind::Text | Kind::Integer | Kind::Date(_) | Kind::Side { .. } => Fen::parse_fen(digits),
    };
    let fen = fen.map_err(|e| e.to_string())?;
    if is_negative { Fen::ZERO.checked_sub(fen).ok_or_else(|| "is too large".to_owned()) } else { Ok(fen) }
}

fn integer(text: &str) -> Result<u64, String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a number".to_owned());
    }
    text.parse().map_err(|_| "is too large a number".to_owned())
}

/// A value may stand in two columns, if it is the same.
fn once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    match slot {
        Some(before) if *before != value => Err("differs from the same value in an earlier column".to_owned()),
        Some(_) => Ok(()),
        None => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn append(text: &mut String, words: &str) {
    if !text.is_empty() && !words.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

fn put_text(cells: &mut Cells, take: TextTake, text: &str) -> Result<(), String> {
    match take {
        TextTake::Reference => once(&mut cells.reference, text.to_owned()),
        TextTake::PayeeName => once(&mut cells.payee_name, Name::new(text)),
        TextTake::IdNumber => once(&mut cells.id_number, IdNumber::new(text)),
        TextTake::Account => once(&mut cells.account, Account::new(text)),
        TextTake::BankRef => once(&mut cells.bank_ref, text.to_owned()),
        TextTake::CounterAccount => once(&mut cells.counter_account, Account::new(text)),
        TextTake::CounterName => once(&mut cells.counter_name, Name::new(text)),
        TextTake::Status => {
            cells.status.push_str(text);
            Ok(())
        }
        TextTake::Code => {
            cells.code.push_str(text);
            Ok(())
        }
        TextTake::Text => {
            append(&mut cells.text, text);
            Ok(())
        }
    }
}

const fn money_slot(cells: &mut Cells, take: MoneyTake) -> &mut Option<Fen> {
    match take {
        MoneyTake::Amount => &mut cells.amount,
        MoneyTake::Paid => &mut cells.paid,
        MoneyTake::Total => &mut cells.totals.amount,
        MoneyTake::PaidTotal => &mut cells.totals.paid_amount,
        MoneyTake::FailedTotal => &mut cells.totals.failed_amount,
        MoneyTake::Opening => &mut cells.opening,
        MoneyTake::Closing => &mut cells.closing,
        MoneyTake::DebitTotal => &mut cells.debit_total,
        MoneyTake::CreditTotal => &mut cells.credit_total,
    }
}

const fn number_slot(cells: &mut Cells, take: NumberTake) -> &mut Option<u64> {
    match take {
        NumberTake::Seq => &mut cells.seq,
        NumberTake::Count => &mut cells.totals.count,
        NumberTake::PaidCount => &mut cells.totals.paid_count,
        NumberTake::FailedCount => &mut cells.totals.failed_count,
        NumberTake::DebitCount => &mut cells.debit_count,
        NumberTake::CreditCount => &mut cells.credit_count,
    }
}

const fn date_slot(cells: &mut Cells, take: DateTake) -> &mut Option<NaiveDate> {
    match take {
        DateTake::ValueDate => &mut cells.value_date,
        DateTake::Entry => &mut cells.entry_date,
        DateTake::From => &mut cells.from,
        DateTake::To => &mut cells.to,
    }
}
