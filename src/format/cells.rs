//! One line's columns, taken apart and understood. Text is checked as strictly as it is when we write: no control
//! characters, no character cut in two, and money only in the grammar of [`Fen`], after the declared padding is off.

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use regex::Regex;

use super::charset::Dialect;
use super::field::{DateTake, Field, Kind, MoneyTake, NumberTake, Strip, Take, TextTake};
use super::layout::{Delimited, Layout, Record, Syntax};
use super::spec::TrailingSpec;
use super::totals::Totals;
use crate::domain::exchange::{Repeat, Side};
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
    pub file_status: String,
    pub file_code: String,
    pub file_text: String,
    pub group_status: String,
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
    pub sent_count: Option<u64>,
    pub sent_total: Option<Fen>,
    /// Column number and text of digests over what stands before.
    pub digests: Vec<(usize, String)>,
    /// Column number and text of what must be as we sent it.
    pub echoes: Vec<(usize, String)>,
    /// What must be as our line said it.
    pub repeats: Vec<Repeat>,
}

/// A line as it came: its bytes, or a workbook's row.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    Line(&'a [u8]),
    Row(&'a [String]),
}

/// Which field a column of the file holds, told by a row of titles.
pub type Order = Vec<Option<usize>>;

/// What is called with each column: its number in the record, its field, its text, and where it stands (in bytes of a cut
/// line, in bytes of the decoded text of a split one).
pub trait Visit: FnMut(usize, &Field, &str, Range<usize>) -> Result<(), CellFault> {}
impl<F: FnMut(usize, &Field, &str, Range<usize>) -> Result<(), CellFault>> Visit for F {}

/// Takes lines apart; keeps its scratch space between them.
#[derive(Debug, Default)]
pub struct Reader {
    scratch: String,
}

impl Reader {
    /// Takes a line apart and understands its columns.
    ///
    /// # Errors
    /// The column at fault.
    pub fn cells(
        &mut self,
        layout: &Layout,
        record: &Record,
        order: Option<&Order>,
        raw: Raw<'_>,
        cells: &mut Cells,
    ) -> Result<(), CellFault> {
        let mut seen = 0_u64;
        let dialect = layout.dialect;
        let is_by_label = layout.is_by_label;
        self.columns(layout, record, order, raw, &mut |number: usize, field: &Field, text: &str, _| {
            seen |= 1_u64.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
            understand(cells, number, field, text, (dialect, is_by_label)).map_err(|what| (Some(field.name.clone()), what))
        })?;
        // What must come back as it went, and is left out, came back empty.
        for field in &record.fields {
            if let Take::Repeat(column) = &field.take
                && !cells.repeats.iter().any(|r| r.column == *column)
            {
                cells.repeats.push(Repeat { column: Arc::clone(column), text: String::new() });
            }
        }
        if order.is_none() && !layout.is_by_label {
            return Ok(());
        }
        let is_missing = |(i, f): &(usize, &Field)| !f.optional && f.take != Take::Ignore && *i < 64 && seen & (1 << i) == 0;
        match record.fields.iter().enumerate().find(is_missing) {
            Some((_, field)) => Err((Some(field.name.clone()), "is missing".to_owned())),
            None => Ok(()),
        }
    }

    /// Takes a line apart, column by column.
    ///
    /// # Errors
    /// The column at fault, or what the visitor says.
    pub fn columns(
        &mut self,
        layout: &Layout,
        record: &Record,
        order: Option<&Order>,
        raw: Raw<'_>,
        visit: &mut impl Visit,
    ) -> Result<(), CellFault> {
        let line = match raw {
            Raw::Row(row) => return placed(layout, record, order, row.iter().map(String::as_str), visit),
            Raw::Line(line) => line,
        };
        if let Some(pattern) = &record.pattern {
            let text = layout.dialect.decode(line, &mut self.scratch).map_err(|what| (None, what.to_owned()))?;
            return matched(record, pattern, text, visit);
        }
        match &layout.syntax {
            Syntax::Fixed => self.fixed(record, layout.dialect, line, visit),
            Syntax::Prefixed => self.prefixed(record, layout.dialect, line, visit),
            Syntax::Delimited(how) => self.delimited(layout, record, order, how, line, visit),
            Syntax::Sheet => Err((None, "is a line of text where a workbook belongs".to_owned())),
            Syntax::Xml => Err((None, "is a line of text where XML belongs".to_owned())),
        }
    }

    /// Cuts on bytes, then decodes.
    fn fixed(&mut self, record: &Record, dialect: Dialect, line: &[u8], visit: &mut impl Visit) -> Result<(), CellFault> {
        if !record.lengths.contains(&line.len()) {
            let allowed = record.lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            return Err((None, format!("has {} bytes, the record has {allowed}", line.len())));
        }
        let mut at = 0;
        for (number, field) in record.fields.iter().enumerate() {
            if at == line.len() {
                return Ok(());
            }
            let end = at + field.width.unwrap_or(0);
            let cut = line.get(at..end).unwrap_or_default();
            let text = dialect
                .decode(without_blanks(field, cut), &mut self.scratch)
                .map_err(|what| (Some(field.name.clone()), what.to_owned()))?;
            visit(number, field, text, at..end)?;
            at = end;
        }
        Ok(())
    }

    /// Reads a length, cuts, then decodes.
    fn prefixed(&mut self, record: &Record, dialect: Dialect, line: &[u8], visit: &mut impl Visit) -> Result<(), CellFault> {
        let mut at = 0;
        let mut found = 0;
        for (number, field) in record.fields.iter().enumerate() {
            let of_field = |what: String| (Some(field.name.clone()), what);
            if at == line.len() && record.counts.contains(&found) {
                return Ok(());
            }
            let length = match field.prefix {
                None => field.width.unwrap_or(0),
                Some(digits) => {
                    let length =
                        line.get(at..at + digits).ok_or_else(|| of_field("the line ends before the length of this value".to_owned()))?;
                    at += digits;
                    let text = std::str::from_utf8(length).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
                    text.and_then(|t| t.parse().ok()).ok_or_else(|| of_field(format!("its length is not {digits} digits")))?
                }
            };
            let cut = line.get(at..at + length).ok_or_else(|| of_field(format!("says {length} bytes, {} are left", line.len() - at)))?;
            let text = dialect.decode(cut, &mut self.scratch).map_err(|what| of_field(what.to_owned()))?;
            visit(number, field, text, at..at + length)?;
            at += length;
            found += 1;
        }
        if at < line.len() {
            return Err((None, format!("has {} bytes behind its last value", line.len() - at)));
        }
        if !record.counts.is_empty() && !record.counts.contains(&found) {
            return Err((None, wrong_count(record, found)));
        }
        Ok(())
    }

    /// Decodes, then splits.
    fn delimited(
        &mut self,
        layout: &Layout,
        record: &Record,
        order: Option<&Order>,
        how: &Delimited,
        line: &[u8],
        visit: &mut impl Visit,
    ) -> Result<(), CellFault> {
        let text = layout.dialect.decode(line, &mut self.scratch).map_err(|what| (None, what.to_owned()))?;
        if how.is_plain() {
            let body = match (how.trailing, text.strip_suffix(how.delimiter.as_str())) {
                (TrailingSpec::Yes, None) => return Err((None, format!("does not end with {:?}", how.delimiter))),
                (TrailingSpec::Yes | TrailingSpec::Tolerant, Some(body))
                    if how.trailing == TrailingSpec::Yes || is_one_more(record, how, text) =>
                {
                    body
                }
                _ => text,
            };
            return placed(layout, record, order, Columns { rest: Some(body), delimiter: &how.delimiter }, visit);
        }
        let mut columns = unquoted(text, how).map_err(|what| (None, what))?;
        let is_open = columns.last().is_some_and(|c| !c.is_empty());
        match how.trailing {
            TrailingSpec::Yes if is_open => return Err((None, format!("does not end with {:?}", how.delimiter))),
            TrailingSpec::Yes => _ = columns.pop(),
            TrailingSpec::Tolerant if !is_open && columns.len() > record.fields.len() => _ = columns.pop(),
            TrailingSpec::No | TrailingSpec::Tolerant => {}
        }
        placed(layout, record, order, columns.iter().map(String::as_str), visit)
    }
}

/// Whether a delimiter at the end is one too many rather than an empty last column.
fn is_one_more(record: &Record, how: &Delimited, text: &str) -> bool {
    let found = text.matches(how.delimiter.as_str()).count() + 1;
    !(if record.counts.is_empty() { found == record.fields.len() } else { record.counts.contains(&found) })
}

fn wrong_count(record: &Record, found: usize) -> String {
    if record.counts.is_empty() {
        return format!("has {found} columns, the record has {}", record.fields.len());
    }
    let allowed = record.counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!("has {found} columns; allowed: {allowed}")
}

/// Gives columns to their fields: by place, by the row of titles, or by the label that each begins with.
fn placed<'t>(
    layout: &Layout,
    record: &Record,
    order: Option<&Order>,
    columns: impl Iterator<Item = &'t str>,
    visit: &mut impl Visit,
) -> Result<(), CellFault> {
    let (mut found, mut from) = (0, 0);
    let gap = match &layout.syntax {
        Syntax::Delimited(how) => how.delimiter.len(),
        Syntax::Fixed | Syntax::Prefixed | Syntax::Sheet | Syntax::Xml => 1,
    };
    for text in columns {
        let range = from..from + text.len();
        from = range.end + gap;
        let number = if layout.is_by_label {
            let known = record.fields.iter().position(|f| !f.label.is_empty() && text.trim_start().starts_with(f.label.as_str()));
            Some(known.ok_or_else(|| (None, format!("column {} begins with no label of the record", found + 1)))?)
        } else {
            order.map_or(Some(found), |order| order.get(found).copied().flatten())
        };
        found += 1;
        match number.map(|n| (n, record.fields.get(n))) {
            Some((n, Some(field))) => visit(n, field, text, range)?,
            // A workbook's row ends in empty cells.
            Some((_, None)) if layout.syntax == Syntax::Sheet && text.is_empty() => found -= 1,
            Some((_, None)) | None => {}
        }
    }
    let is_right = match (order, layout.is_by_label) {
        (Some(order), _) => found == order.len() || layout.syntax == Syntax::Sheet,
        (None, true) => true,
        (None, false) if record.counts.is_empty() => found == record.fields.len(),
        (None, false) => record.counts.contains(&found),
    };
    if is_right {
        Ok(())
    } else {
        Err((None, order.map_or_else(|| wrong_count(record, found), |o| format!("has {found} columns, its titles are {}", o.len()))))
    }
}

fn matched(record: &Record, pattern: &Regex, text: &str, visit: &mut impl Visit) -> Result<(), CellFault> {
    let found = pattern.captures(text).ok_or_else(|| (None, "has not the form of the record's pattern".to_owned()))?;
    for (number, field) in record.fields.iter().enumerate() {
        if let Some(group) = field.group.as_deref().and_then(|name| found.name(name)) {
            visit(number, field, group.as_str(), group.range())?;
        } else if !field.optional {
            return Err((Some(field.name.clone()), "is missing".to_owned()));
        }
    }
    Ok(())
}

/// A line's columns as texts, however it is laid out; without a trailing delimiter's empty one.
///
/// # Errors
/// When the line cannot be decoded or split.
pub fn columns_of(layout: &Layout, line: Raw<'_>, scratch: &mut String) -> Result<Vec<String>, String> {
    let bytes = match line {
        Raw::Row(row) => return Ok(row.to_vec()),
        Raw::Line(bytes) => bytes,
    };
    let text = layout.dialect.decode(bytes, scratch).map_err(str::to_owned)?;
    let Syntax::Delimited(how) = &layout.syntax else { return Ok(vec![text.to_owned()]) };
    let mut columns = unquoted(text, how)?;
    if how.trailing != TrailingSpec::No && columns.len() > 1 && columns.last().is_some_and(String::is_empty) {
        _ = columns.pop();
    }
    Ok(columns)
}

/// Splits where escapes or quotes can hide a delimiter.
fn unquoted(text: &str, how: &Delimited) -> Result<Vec<String>, String> {
    let (mut columns, mut column) = (Vec::new(), String::new());
    let (mut rest, mut is_quoted, mut was_quoted) = (text, false, false);
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if how.escape == Some(c) {
            let next = after.chars().next().ok_or("ends with the escape sign")?;
            column.push(next);
            rest = after.get(next.len_utf8()..).unwrap_or_default();
        } else if how.quote == Some(c) && is_quoted {
            if let Some(doubled) = after.strip_prefix(c) {
                column.push(c);
                rest = doubled;
            } else {
                is_quoted = false;
                rest = after;
            }
        } else if how.quote == Some(c) && column.is_empty() && !was_quoted {
            (is_quoted, was_quoted) = (true, true);
            rest = after;
        } else if let Some(behind) = rest.strip_prefix(how.delimiter.as_str()).filter(|_| !is_quoted) {
            columns.push(std::mem::take(&mut column));
            was_quoted = false;
            rest = behind;
        } else if was_quoted && !is_quoted {
            return Err(format!("column {} goes on behind its closing quote", columns.len() + 1));
        } else {
            column.push(c);
            rest = after;
        }
    }
    if is_quoted {
        return Err(format!("column {} has no closing quote", columns.len() + 1));
    }
    columns.push(column);
    Ok(columns)
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

/// Takes what stands in a column for what it means.
pub fn understand(
    cells: &mut Cells,
    number: usize,
    field: &Field,
    column: &str,
    (dialect, is_by_label): (Dialect, bool),
) -> Result<(), String> {
    if let Take::Ignore = field.take {
        return Ok(());
    }
    if let Some(width) = field.width.filter(|_| field.is_exact)
        && dialect.length(column) != Some(width)
    {
        return Err(format!("has not the {width} bytes that are agreed"));
    }
    let column = if field.label.is_empty() { column } else { unlabelled(field, column, is_by_label)? };
    let (column, words) = match field.words_after.and_then(|mark| column.split_once(mark)) {
        Some((value, words)) => (value, words.trim()),
        None => (column, ""),
    };
    let text = stripped(field, column);
    let text = if field.empty_as.as_deref() == Some(text) { "" } else { text };
    readable(text)?;
    if !words.is_empty() {
        readable(words)?;
        append(&mut cells.text, words);
    }
    if let Take::Literal(expected) = &field.take {
        // A payment without the thing that the sign is for has no sign either.
        let is_rightly_empty = text.is_empty() && field.when_present.is_some();
        return if text == expected || is_rightly_empty { Ok(()) } else { Err(format!("is not {expected:?}")) };
    }
    if let Take::Digest(_) = &field.take {
        cells.digests.push((number, text.to_owned()));
        return Ok(());
    }
    if let Take::Echo(_) = &field.take {
        cells.echoes.push((number, text.to_owned()));
        return Ok(());
    }
    if let Take::Repeat(column) = &field.take {
        cells.repeats.push(Repeat { column: Arc::clone(column), text: text.to_owned() });
        return Ok(());
    }
    if text.is_empty() {
        let is_word = matches!(
            field.take,
            Take::Text(
                TextTake::Status
                    | TextTake::Code
                    | TextTake::Text
                    | TextTake::BankRef
                    | TextTake::FileStatus
                    | TextTake::FileCode
                    | TextTake::FileText
                    | TextTake::GroupStatus
            )
        );
        return if field.optional || is_word { Ok(()) } else { Err("is empty".to_owned()) };
    }
    let text = match field.code_pattern.as_ref().and_then(|p| p.find(text)) {
        Some(code) => {
            cells.code.push_str(code.as_str().trim());
            text.get(code.end()..).unwrap_or_default().trim_start_matches([' ', ':', '：', '-', ',', '，', '\u{3000}'])
        }
        None => text,
    };
    match &field.take {
        Take::Text(_) if text.is_empty() => Ok(()),
        Take::Text(take) => put_text(cells, *take, field.ours(text).ok_or("is not in the column's map")?),
        Take::Money(take) => once(money_slot(cells, *take), money(field, text)?),
        Take::Number(take) => once(number_slot(cells, *take), integer(text)?),
        Take::Date(take) => once(date_slot(cells, *take), date(field, text)?),
        Take::Side => once(&mut cells.side, side(field, text)?),
        Take::Ignore | Take::Literal(_) | Take::Echo(_) | Take::Digest(_) | Take::Repeat(_) => Ok(()),
    }
}

/// The value behind its label; where columns are known by their labels, blanks before it do not count.
fn unlabelled<'t>(field: &Field, column: &'t str, is_by_label: bool) -> Result<&'t str, String> {
    let column = if is_by_label { column.trim_start() } else { column };
    match column.strip_prefix(field.label.as_str()) {
        Some(value) => Ok(value),
        None if column.trim().is_empty() && field.optional => Ok(""),
        None => Err(format!("does not begin with {:?}", field.label)),
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
        Kind::Text | Kind::Money(_) | Kind::Integer | Kind::Side { .. } => None,
    };
    date.ok_or_else(|| "is not a date of the agreed form".to_owned())
}

fn side(field: &Field, text: &str) -> Result<Side, String> {
    match &field.kind {
        Kind::Side { credit, .. } if text == credit => Ok(Side::Credit),
        Kind::Side { debit, .. } if text == debit => Ok(Side::Debit),
        Kind::Side { .. } | Kind::Text | Kind::Money(_) | Kind::Integer | Kind::Date(_) => {
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
    match &field.kind {
        Kind::Money(form) => form.read(text),
        Kind::Text | Kind::Integer | Kind::Date(_) | Kind::Side { .. } => Err("is not an amount".to_owned()),
    }
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
        TextTake::FileStatus => {
            cells.file_status.push_str(text);
            Ok(())
        }
        TextTake::FileCode => {
            cells.file_code.push_str(text);
            Ok(())
        }
        TextTake::FileText => {
            append(&mut cells.file_text, text);
            Ok(())
        }
        TextTake::GroupStatus => {
            cells.group_status.push_str(text);
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
        MoneyTake::SentTotal => &mut cells.sent_total,
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
        NumberTake::SentCount => &mut cells.sent_count,
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
