//! One column of a file of ours: which text goes into it, whether the bank could read it, and its padding.

use std::borrow::Cow;
use std::cell::Cell;

use super::charset::{Dialect, name_fault};
use super::field::{BatchValue, Field, Kind, LineValue, Put, TextValue};
use super::layout::{Delimited, Layout, Record, Syntax};
use super::plan;
use super::profile::{NameError, OutboundNames, Profile};
use super::render::{FieldFault, RenderError};
use super::spec::TrailingSpec;
use super::summary::Echo;
use super::template::Piece;
use super::totals::Tally;
use crate::domain::exchange::{BatchFacts, PaymentLine, Repeat};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// Every value of a line that cannot be written, each named once.
pub fn check_line(profile: &Profile, line: &PaymentLine) -> Vec<FieldFault> {
    let mut out: Vec<FieldFault> = Vec::new();
    let Some(layout) = profile.plan.layouts.get(profile.plan.request.layout) else { return out };
    let mut buffer = Vec::new();
    let name = check_name(line).err();
    let told = profile.told(line);
    for field in layout.each.iter().flat_map(|r| &r.fields) {
        buffer.clear();
        if let Err(Unwritable::Line(fault)) = write_field(&mut buffer, layout, field, Some(&told), None) {
            let fault = name.clone().filter(|n| n.field == fault.field).unwrap_or(fault);
            if !out.contains(&fault) {
                out.push(fault);
            }
        }
    }
    // The name and the amount are checked even where a layout leaves them to a companion file.
    if let Some(fault) = name.filter(|n| !out.contains(n)) {
        out.push(fault);
    }
    if !line.amount.is_positive() && !out.iter().any(|f| f.field == LineValue::Amount.name()) {
        out.push(LineValue::Amount.fault("is not more than zero".to_owned()));
    }
    out
}

/// Whether a name is one that a bank can compare, whatever its character set. It is asked of the name that was approved: what
/// the profile's rules write instead of a character was asked when the profile was read.
///
/// # Errors
/// Names the first character that is not.
pub fn check_name(line: &PaymentLine) -> Result<(), FieldFault> {
    let name = line.payee_name.reveal();
    plain_text(name, false).map_err(|detail| LineValue::PayeeName.fault(detail))?;
    name_fault(name).map_or(Ok(()), |f| Err(LineValue::PayeeName.fault(f.to_string())))
}

/// What stands in the way of a column.
pub enum Unwritable {
    Line(FieldFault),
    Batch { field: String, detail: String },
    Name(NameError),
}

impl Unwritable {
    /// As the renderer says it.
    pub fn for_line(self, seq: u64) -> RenderError {
        match self {
            Self::Line(fault) => RenderError::Line { seq, fault },
            Self::Batch { field, detail } => RenderError::Batch { field, detail },
            Self::Name(error) => RenderError::Name(error),
        }
    }
}

/// Where values of the batch come from.
pub struct Batch<'a> {
    pub profile: &'a Profile,
    pub facts: &'a BatchFacts,
    pub names: &'a OutboundNames,
    /// Counted over what stands before this record, where it holds a digest.
    pub tally: Option<&'a Tally>,
    /// How many values were cut, where the profile lets them be.
    pub cuts: &'a Cell<u64>,
}

/// The texts of a batch, for flags and sidecars.
pub struct BatchText<'a>(pub &'a Batch<'a>);

impl BatchText<'_> {
    /// What the file says of itself.
    pub const fn facts(&self) -> &BatchFacts {
        self.0.facts
    }

    /// One text.
    ///
    /// # Errors
    /// When it is missing or not allowed.
    pub fn text(&self, value: &BatchValue) -> Result<String, String> {
        match batch_text(value, &Kind::Text, self.0) {
            Ok(Shown::Text(text)) => plain_text(&text, true).map(|()| text.into_owned()),
            Ok(Shown::Number(number)) => Ok(number.to_string()),
            Ok(Shown::Money(fen)) => Ok(fen.to_string()),
            Err(Unwritable::Name(error)) => Err(error.to_string()),
            Err(Unwritable::Batch { detail, .. }) => Err(detail),
            Err(Unwritable::Line(fault)) => Err(fault.to_string()),
        }
    }
}

/// Stands between the cells of a workbook's row until the workbook is made. No value holds one: control characters are refused.
pub const CELL_END: &str = "\u{1F}";

/// Writes one line: its columns, the delimiters between them, its end.
pub fn write_record(
    out: &mut Vec<u8>,
    layout: &Layout,
    record: &Record,
    write: impl Fn(&mut Vec<u8>, &Field) -> Result<(), Unwritable>,
) -> Result<(), Unwritable> {
    let (between, is_trailing) = match &layout.syntax {
        Syntax::Delimited(how) => (how.delimiter.as_str(), how.trailing == TrailingSpec::Yes),
        Syntax::Sheet => (CELL_END, false),
        Syntax::Fixed | Syntax::Prefixed | Syntax::Xml => ("", false),
    };
    let mut delimiter = Vec::new();
    layout
        .dialect
        .encode(between, &mut delimiter)
        .map_err(|e| Unwritable::Batch { field: "delimiter".to_owned(), detail: e.to_string() })?;
    let (mut columns, mut last_filled) = (0, 0);
    let mut ends = Vec::new();
    for field in &record.fields {
        let before = out.len();
        if columns > 0 {
            out.extend_from_slice(&delimiter);
        }
        let head = out.len();
        if let Some(digits) = field.prefix {
            out.resize(head + digits, b'0');
        }
        let value = out.len();
        write(out, field)?;
        quoted(out, value, layout);
        prefixed(out, head, value, field)?;
        if out.len() == value && layout.is_by_label {
            out.truncate(before);
            continue;
        }
        columns += 1;
        if out.len() > value {
            last_filled = columns;
        }
        ends.push(out.len());
    }
    if let Some(count) = record.counts.iter().find(|c| **c >= last_filled) {
        out.truncate(ends.get(count - 1).copied().unwrap_or(out.len()));
    }
    if is_trailing {
        out.extend_from_slice(&delimiter);
    }
    out.extend_from_slice(plan::line_end(layout.newline));
    Ok(())
}

/// Quotes a column where the profile quotes all.
fn quoted(out: &mut Vec<u8>, value: usize, layout: &Layout) {
    if let Syntax::Delimited(Delimited { quote: Some(quote), quotes_all: true, .. }) = &layout.syntax {
        let sign = u8::try_from(*quote).unwrap_or(b'"');
        out.insert(value, sign);
        out.push(sign);
    }
}

/// Writes the length before a value.
fn prefixed(out: &mut [u8], head: usize, value: usize, field: &Field) -> Result<(), Unwritable> {
    let Some(digits) = field.prefix else { return Ok(()) };
    let length = format!("{:0digits$}", out.len() - value);
    if length.len() > digits {
        return Err(of_batch(field, format!("has {length} bytes, more than {digits} digits can say")));
    }
    if let Some(place) = out.get_mut(head..value) {
        place.copy_from_slice(length.as_bytes());
    }
    Ok(())
}

/// Writes one column. Without a batch, as when a line is checked before its file is planned, columns of the batch stay empty.
pub fn write_field(
    out: &mut Vec<u8>,
    layout: &Layout,
    field: &Field,
    line: Option<&PaymentLine>,
    batch: Option<&Batch<'_>>,
) -> Result<(), Unwritable> {
    let head = out.len();
    let is_absent = match (field.when_present, line) {
        (Some(value), Some(line)) => line_text(value, line).is_some_and(str::is_empty),
        (Some(_), None) | (None, _) => false,
    };
    if !is_absent && !field.label.is_empty() {
        layout.dialect.encode(&field.label, out).map_err(|e| of_batch(field, e.to_string()))?;
    }
    let value_head = out.len();
    match &field.put {
        _ if is_absent => {}
        Put::Blank | Put::Nothing => {}
        Put::Literal(text) => write_plain(out, layout, field, text, None).map_err(|detail| of_batch(field, detail))?,
        Put::Line(value) => {
            if let Some(line) = line {
                write_line_value(out, layout, field, *value, line, batch)?;
            }
        }
        Put::Batch(value) => {
            if let Some(batch) = batch {
                write_batch_value(out, layout, field, value, batch)?;
            }
        }
        Put::Text(pieces) => {
            let mut text = String::new();
            compose(&mut text, pieces, line, batch, field.optional)?;
            write_plain(out, layout, field, &text, batch)
                .map_err(|detail| culprit(pieces, layout, line).unwrap_or_else(|| refused(field, detail)))?;
        }
    }
    if out.len() == value_head {
        match &field.empty_as {
            Some(word) if !is_absent => layout.dialect.encode(word, out).map_err(|e| of_batch(field, e.to_string()))?,
            Some(_) | None if layout.is_by_label => out.truncate(head),
            Some(_) | None => {}
        }
    }
    let is_blank = is_absent || field.put == Put::Blank;
    pad(out, head, field, is_blank).map_err(|detail| refused(field, detail))
}

/// Writes a column's title.
pub fn write_title(out: &mut Vec<u8>, layout: &Layout, field: &Field) -> Result<(), Unwritable> {
    let title = field.title.as_deref().unwrap_or_default();
    let dressed = dressed(layout, title).map_err(|detail| of_batch(field, detail))?;
    layout.dialect.encode(&dressed, out).map_err(|e| of_batch(field, e.to_string()))
}

/// A column that cannot be written: the value of the line that is to blame, or the batch's.
fn refused(field: &Field, detail: String) -> Unwritable {
    match &field.put {
        Put::Line(value) => Unwritable::Line(value.fault(detail)),
        Put::Text(pieces) => match first_line_value(pieces) {
            Some(value) => Unwritable::Line(value.fault(detail)),
            None => of_batch(field, detail),
        },
        Put::Batch(_) | Put::Literal(_) | Put::Blank | Put::Nothing => of_batch(field, detail),
    }
}

/// Writes words as the layout has them: in their words by the column's map, cut where that is allowed, escaped or quoted.
fn write_plain(out: &mut Vec<u8>, layout: &Layout, field: &Field, text: &str, batch: Option<&Batch<'_>>) -> Result<(), String> {
    let text = if text.is_empty() { text } else { field.theirs(text).ok_or_else(|| "is not in the column's map".to_owned())? };
    let text = cut(layout.dialect, field, text, batch);
    layout.dialect.encode(&dressed(layout, text)?, out).map_err(|e| e.to_string())
}

/// The part of a text that fits its column, where the profile lets it be cut: never through a character, and counted.
fn cut<'t>(dialect: Dialect, field: &Field, text: &'t str, batch: Option<&Batch<'_>>) -> &'t str {
    let Some(room) = field.max_bytes.or(field.width).filter(|_| field.may_cut) else { return text };
    let mut kept = text;
    while dialect.length(kept).is_some_and(|has| has > room) {
        kept = kept.char_indices().next_back().map_or("", |(at, _)| kept.get(..at).unwrap_or_default());
    }
    if kept.len() < text.len()
        && let Some(batch) = batch
    {
        batch.cuts.set(batch.cuts.get() + 1);
    }
    kept
}

/// A value with its delimiters escaped or quoted, as the profile says; without either, a delimiter in it is refused.
fn dressed<'t>(layout: &Layout, text: &'t str) -> Result<Cow<'t, str>, String> {
    let Syntax::Delimited(how) = &layout.syntax else { return Ok(Cow::Borrowed(text)) };
    let holds = |sign: Option<char>| sign.is_some_and(|s| text.contains(s));
    let needs = text.contains(how.delimiter.as_str());
    if !needs && !holds(how.escape) && !holds(how.quote) {
        return Ok(Cow::Borrowed(text));
    }
    if let Some(quote) = how.quote {
        let doubled = text.replace(quote, &format!("{quote}{quote}"));
        return Ok(Cow::Owned(if how.quotes_all { doubled } else { format!("{quote}{doubled}{quote}") }));
    }
    if let Some(escape) = how.escape {
        let escaped = text.replace(escape, &format!("{escape}{escape}"));
        let first = how.delimiter.chars().next().unwrap_or(escape);
        return Ok(Cow::Owned(escaped.replace(first, &format!("{escape}{first}"))));
    }
    Err(format!("holds {:?}, the delimiter of the bank's file", how.delimiter))
}

fn of_batch(field: &Field, detail: String) -> Unwritable {
    Unwritable::Batch { field: field.name.clone(), detail }
}

/// The value of the line that the dialect does not carry, if a composed text fails for one.
fn culprit(pieces: &[Piece<TextValue>], layout: &Layout, line: Option<&PaymentLine>) -> Option<Unwritable> {
    pieces.iter().find_map(|piece| match piece {
        Piece::Value(TextValue::Line(value)) => {
            let part = line_text(*value, line?)?;
            let detail = dressed(layout, part).and_then(|p| layout.dialect.encode(&p, &mut Vec::new()).map_err(|e| e.to_string()));
            detail.err().map(|detail| Unwritable::Line(value.fault(detail)))
        }
        Piece::Value(TextValue::Batch(_)) | Piece::Literal(_) => None,
        Piece::Optional(inner) => culprit(inner, layout, line),
    })
}

fn first_line_value(pieces: &[Piece<TextValue>]) -> Option<LineValue> {
    pieces.iter().find_map(|p| match p {
        Piece::Value(TextValue::Line(value)) => Some(*value),
        Piece::Value(TextValue::Batch(_)) | Piece::Literal(_) => None,
        Piece::Optional(inner) => first_line_value(inner),
    })
}

/// Pads what stands behind `head` to the column's width. Text is padded behind, numbers in front.
fn pad(out: &mut Vec<u8>, head: usize, field: &Field, is_blank: bool) -> Result<(), String> {
    let has = out.len() - head;
    if let Some(max) = field.max_bytes.filter(|max| has > *max) {
        return Err(format!("has {has} bytes, the bank takes {max}"));
    }
    let Some(width) = field.width else { return Ok(()) };
    let missing = width.checked_sub(has).ok_or_else(|| format!("has {has} bytes, the bank's column {width}"))?;
    if is_blank {
        out.resize(out.len() + missing, b' ');
    } else if field.kind.is_number() {
        out.resize(out.len() + missing, field.fill);
        if let Some(column) = out.get_mut(head..) {
            column.rotate_right(missing);
        }
    } else {
        out.resize(out.len() + missing, field.fill);
    }
    Ok(())
}

fn write_line_value(
    out: &mut Vec<u8>,
    layout: &Layout,
    field: &Field,
    value: LineValue,
    line: &PaymentLine,
    batch: Option<&Batch<'_>>,
) -> Result<(), Unwritable> {
    let number = match value {
        LineValue::Amount if !line.amount.is_positive() => {
            return Err(Unwritable::Line(value.fault("is not more than zero".to_owned())));
        }
        LineValue::Amount => {
            return push_money(out, layout, &field.kind, line.amount).map_err(|detail| Unwritable::Line(value.fault(detail)));
        }
        LineValue::Seq => line.seq,
        LineValue::Ordinal => u64::from(line.ordinal),
        LineValue::Reference
        | LineValue::PayeeName
        | LineValue::IdNumber
        | LineValue::Account
        | LineValue::BankCode
        | LineValue::Mobile
        | LineValue::ProjectShort
        | LineValue::Remark => {
            let text = line_text(value, line).unwrap_or_default();
            return checked_text(text, value, field.optional || field.empty_as.is_some())
                .and_then(|()| write_plain(out, layout, field, text, batch))
                .map_err(|detail| Unwritable::Line(value.fault(detail)));
        }
    };
    if number == 0 {
        return Err(Unwritable::Line(value.fault("counts from 1".to_owned())));
    }
    push_number(out, number);
    Ok(())
}

/// Refuses what no bank should ever see in a value: nothing, blanks at an end, control characters, placeholders.
fn plain_text(text: &str, optional: bool) -> Result<(), String> {
    if text.is_empty() {
        return if optional { Ok(()) } else { Err("is empty".to_owned()) };
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err("begins or ends with a blank".to_owned());
    }
    if text.bytes().any(|b| b < b' ' || b == 0x7F) {
        return Err("holds a control character, such as a tab or a line end".to_owned());
    }
    let is_placeholder = ["null", "(null)", "none", "nil", "undefined", "nan", "n/a", "#n/a", "#ref!", "#value!"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    let is_template = text.contains('{') && (text.contains("${") || text.contains("{{"));
    if is_placeholder || is_template {
        return Err("is a placeholder, not a value".to_owned());
    }
    Ok(())
}

fn checked_text(text: &str, value: LineValue, optional: bool) -> Result<(), String> {
    plain_text(text, optional)?;
    match value {
        LineValue::IdNumber | LineValue::Account | LineValue::Mobile | LineValue::BankCode | LineValue::Reference => {
            let stranger = text.chars().enumerate().find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'));
            stranger.map_or(Ok(()), |(i, _)| Err(format!("character {} is neither a digit nor a letter", i + 1)))
        }
        LineValue::PayeeName | LineValue::ProjectShort | LineValue::Remark | LineValue::Seq | LineValue::Amount | LineValue::Ordinal => {
            Ok(())
        }
    }
}

fn write_batch_value(out: &mut Vec<u8>, layout: &Layout, field: &Field, value: &BatchValue, batch: &Batch<'_>) -> Result<(), Unwritable> {
    let text = match batch_text(value, &field.kind, batch)? {
        Shown::Text(text) => text,
        Shown::Number(number) => {
            push_number(out, number);
            return Ok(());
        }
        Shown::Money(fen) => return push_money(out, layout, &field.kind, fen).map_err(|detail| of_batch(field, detail)),
    };
    plain_text(&text, field.optional || field.empty_as.is_some())
        .and_then(|()| write_plain(out, layout, field, &text, Some(batch)))
        .map_err(|detail| of_batch(field, detail))
}

/// A value of the batch as a column shows it.
enum Shown<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Money(Fen),
}

/// Every value of our request that the bank repeats and that is not as we sent it.
pub fn differing_echoes(profile: &Profile, facts: &BatchFacts, echoed: &[Echo]) -> Vec<String> {
    let names = match profile.instruction_names(facts) {
        Ok(names) => names,
        Err(error) => return vec![error.to_string()],
    };
    let cuts = Cell::new(0);
    let batch = Batch { profile, facts, names: &names, tally: None, cuts: &cuts };
    let differs = |echo: &&Echo| match batch_text(&echo.value, &echo.kind, &batch) {
        Ok(Shown::Text(text)) => text != echo.text,
        Ok(Shown::Number(number)) => echo.text.parse() != Ok(number),
        Ok(Shown::Money(_)) | Err(_) => true,
    };
    echoed.iter().filter(differs).map(|e| format!("the column {:?} is not what our file said", e.column)).collect()
}

/// The columns of one of our lines that a bank gave back otherwise than they went.
pub fn differing_repeats(profile: &Profile, facts: &BatchFacts, line: &PaymentLine, repeats: &[Repeat]) -> Vec<String> {
    let (Ok(names), Some(layout)) = (profile.instruction_names(facts), profile.plan.layouts.get(profile.plan.request.layout)) else {
        return repeats.iter().map(|r| r.column.to_string()).collect();
    };
    let cuts = Cell::new(0);
    let batch = Batch { profile, facts, names: &names, tally: None, cuts: &cuts };
    let told = profile.told(line);
    let ours = |name: &str| layout.each.iter().flat_map(|r| &r.fields).find(|f| f.name == name);
    let is_same = |repeat: &&Repeat| {
        let text = ours(&repeat.column).and_then(|field| words(layout, field, &told, &batch).ok());
        text.is_some_and(|text| text.trim() == repeat.text.trim())
    };
    repeats.iter().filter(|r| !is_same(r)).map(|r| r.column.to_string()).collect()
}

/// The words of a column, before they are dressed as the layout asks.
fn words(layout: &Layout, field: &Field, line: &PaymentLine, batch: &Batch<'_>) -> Result<String, Unwritable> {
    let text = match &field.put {
        Put::Line(value) => line_text(*value, line).unwrap_or_default().to_owned(),
        Put::Batch(value) => match batch_text(value, &field.kind, batch)? {
            Shown::Text(text) => text.into_owned(),
            Shown::Number(number) => number.to_string(),
            Shown::Money(fen) => fen.to_string(),
        },
        Put::Text(pieces) => {
            let mut text = String::new();
            compose(&mut text, pieces, Some(line), Some(batch), field.optional)?;
            text
        }
        Put::Literal(text) => text.clone(),
        Put::Blank | Put::Nothing => String::new(),
    };
    let theirs = if text.is_empty() { Some(text.as_str()) } else { field.theirs(&text) };
    Ok(cut(layout.dialect, field, theirs.unwrap_or_default(), Some(batch)).to_owned())
}

fn batch_text<'a>(value: &BatchValue, kind: &Kind, batch: &Batch<'a>) -> Result<Shown<'a>, Unwritable> {
    let facts = batch.facts;
    let text = match value {
        BatchValue::Count => return Ok(Shown::Number(facts.count)),
        BatchValue::SeqNo => return Ok(Shown::Number(u64::from(facts.seq_no))),
        BatchValue::Total => return Ok(Shown::Money(facts.total)),
        BatchValue::Date => {
            let shown = match kind {
                Kind::Date(format) => format.render(facts.date),
                Kind::Text | Kind::Money(_) | Kind::Integer | Kind::Side { .. } => String::new(),
            };
            return Ok(Shown::Text(shown.into()));
        }
        BatchValue::Digest(kind) => batch.tally.and_then(|t| t.digest(*kind)).unwrap_or_default(),
        BatchValue::ProjectShort => &facts.project_short,
        BatchValue::Extra(name) => batch.profile.extra(name, facts).map_err(Unwritable::Name)?,
        BatchValue::BatchNo => &facts.batch_no,
        BatchValue::UnitNo => &facts.unit_no,
        BatchValue::PayerAccount => facts.payer_account.reveal(),
        BatchValue::PayerName => &facts.payer_name,
        BatchValue::PayerBank => &facts.payer_bank,
        BatchValue::Department => &facts.department,
        BatchValue::Project => &facts.project,
        BatchValue::Period => &facts.period,
        BatchValue::FileName => &batch.names.data,
        BatchValue::FileStem => batch.names.data.split_once('.').map_or(batch.names.data.as_str(), |(stem, _)| stem),
    };
    Ok(Shown::Text(text.into()))
}

/// Composes a text; a part in brackets vanishes when a value in it is empty, the others must be there unless the column is
/// optional. `true` where every value had something.
fn compose(
    text: &mut String,
    pieces: &[Piece<TextValue>],
    line: Option<&PaymentLine>,
    batch: Option<&Batch<'_>>,
    may_be_empty: bool,
) -> Result<bool, Unwritable> {
    let mut is_full = true;
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Optional(inner) => {
                let head = text.len();
                if !compose(text, inner, line, batch, true)? {
                    text.truncate(head);
                }
            }
            Piece::Value(TextValue::Line(value)) => {
                let Some(line) = line else { continue };
                let part = line_text(*value, line).unwrap_or_default();
                checked_text(part, *value, may_be_empty).map_err(|detail| Unwritable::Line(value.fault(detail)))?;
                is_full &= !part.is_empty();
                text.push_str(part);
            }
            Piece::Value(TextValue::Batch(value)) => {
                let Some(batch) = batch else { continue };
                if let Shown::Text(part) = batch_text(value, &Kind::Text, batch)? {
                    let of = |detail| Unwritable::Batch { field: format!("{value:?}"), detail };
                    plain_text(&part, may_be_empty).map_err(of)?;
                    is_full &= !part.is_empty();
                    text.push_str(&part);
                }
            }
        }
    }
    Ok(is_full)
}

/// The whole text of a value of the line; `None` for numbers and amounts.
fn line_text(value: LineValue, line: &PaymentLine) -> Option<&str> {
    Some(match value {
        LineValue::Reference => &line.reference,
        LineValue::PayeeName => line.payee_name.reveal(),
        LineValue::IdNumber => line.id_number.reveal(),
        LineValue::Account => line.account.reveal(),
        LineValue::BankCode => &line.bank_code,
        LineValue::Mobile => line.mobile.reveal(),
        LineValue::ProjectShort => &line.project_short,
        LineValue::Remark => &line.remark,
        LineValue::Seq | LineValue::Amount | LineValue::Ordinal => return None,
    })
}

impl LineValue {
    /// A fault of this value, with the reason that it means.
    fn fault(self, detail: String) -> FieldFault {
        let reason = match self {
            Self::PayeeName => Reason::NameCharUnsupported,
            Self::Account => Reason::AcctNoInvalid,
            Self::IdNumber => Reason::IdMissingOrInvalid,
            Self::BankCode => Reason::BankCodeWrong,
            Self::Amount => Reason::AmountInvalid,
            Self::Reference | Self::Seq | Self::Ordinal | Self::Mobile | Self::ProjectShort | Self::Remark => Reason::FileFormat,
        };
        FieldFault { field: self.name(), reason, detail }
    }
}

fn push_money(out: &mut Vec<u8>, layout: &Layout, kind: &Kind, fen: Fen) -> Result<(), String> {
    match kind {
        Kind::Money(form) if form.grouping.is_none() && form.point != Some(',') => form.write(out, fen),
        Kind::Money(form) => {
            let mut text = Vec::new();
            form.write(&mut text, fen)?;
            let text = String::from_utf8(text).map_err(|e| e.to_string())?;
            out.extend_from_slice(dressed(layout, &text)?.as_bytes());
            Ok(())
        }
        Kind::Text | Kind::Integer | Kind::Date(_) | Kind::Side { .. } => Err("is not an amount".to_owned()),
    }
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut used) = (number, 0);
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}
