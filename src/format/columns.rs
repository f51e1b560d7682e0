//! One column of a file of ours: which text goes into it, whether the bank could read it, and its padding.

use std::borrow::Cow;

use super::charset::{Dialect, name_fault};
use super::field::{BatchValue, Field, Kind, LineValue, Put, TextValue};
use super::layout::{Layout, Record, Syntax};
use super::plan;
use super::profile::{NameError, OutboundNames, Profile};
use super::render::{FieldFault, RenderError};
use super::summary::Echo;
use super::template::Piece;
use crate::domain::exchange::{BatchFacts, PaymentLine};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// Every value of a line that cannot be written, each named once.
pub fn check_line(profile: &Profile, line: &PaymentLine) -> Vec<FieldFault> {
    let mut out: Vec<FieldFault> = Vec::new();
    let Some(layout) = profile.plan.layouts.get(profile.plan.request.layout) else { return out };
    let mut buffer = Vec::new();
    for field in layout.each.iter().flat_map(|r| &r.fields) {
        buffer.clear();
        if let Err(Unwritable::Line(fault)) = write_field(&mut buffer, layout, field, Some(line), None)
            && !out.contains(&fault)
        {
            out.push(fault);
        }
    }
    // The name and the amount are checked even where a layout leaves them to a companion file.
    if let Err(detail) = checked_text(line.payee_name.reveal(), LineValue::PayeeName, false) {
        let fault = LineValue::PayeeName.fault(detail);
        if !out.iter().any(|f| f.field == fault.field) {
            out.push(fault);
        }
    }
    if !line.amount.is_positive() && !out.iter().any(|f| f.field == LineValue::Amount.name()) {
        out.push(LineValue::Amount.fault("is not more than zero".to_owned()));
    }
    out
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
}

/// Writes one line: its columns, the delimiters between them, its end.
pub fn write_record(
    out: &mut Vec<u8>,
    layout: &Layout,
    record: &Record,
    write: impl Fn(&mut Vec<u8>, &Field) -> Result<(), Unwritable>,
) -> Result<(), Unwritable> {
    for (i, field) in record.fields.iter().enumerate() {
        if let Syntax::Delimited { delimiter, .. } = &layout.syntax
            && i > 0
        {
            out.extend_from_slice(delimiter.as_bytes());
        }
        write(out, field)?;
    }
    if let Syntax::Delimited { delimiter, is_trailing: true } = &layout.syntax {
        out.extend_from_slice(delimiter.as_bytes());
    }
    out.extend_from_slice(plan::line_end(layout.newline));
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
    match &field.put {
        _ if is_absent => {}
        Put::Blank | Put::Nothing => {}
        Put::Literal(text) => layout.dialect.encode(text, out).map_err(|e| of_batch(field, e.to_string()))?,
        Put::Line(value) => {
            if let Some(line) = line {
                write_line_value(out, layout, field, *value, line)?;
            }
        }
        Put::Batch(value) => {
            if let Some(batch) = batch {
                write_batch_value(out, layout, field, value, batch)?;
            }
        }
        Put::Text(pieces) => {
            let mut text = String::new();
            compose(&mut text, pieces, layout, line, batch, field.optional)?;
            layout
                .dialect
                .encode(&text, out)
                .map_err(|e| culprit(pieces, layout, line).unwrap_or_else(|| of_batch(field, e.to_string())))?;
        }
    }
    let is_blank = is_absent || field.put == Put::Blank;
    pad(out, head, field, is_blank).map_err(|detail| match &field.put {
        Put::Line(value) => Unwritable::Line(value.fault(detail)),
        Put::Text(pieces) => match first_line_value(pieces) {
            Some(value) => Unwritable::Line(value.fault(detail)),
            None => of_batch(field, detail),
        },
        Put::Batch(_) | Put::Literal(_) | Put::Blank | Put::Nothing => of_batch(field, detail),
    })
}

fn of_batch(field: &Field, detail: String) -> Unwritable {
    Unwritable::Batch { field: field.name.clone(), detail }
}

/// The value of the line that the dialect does not carry, if a composed text fails for one.
fn culprit(pieces: &[Piece<TextValue>], layout: &Layout, line: Option<&PaymentLine>) -> Option<Unwritable> {
    pieces.iter().find_map(|piece| match piece {
        Piece::Value(TextValue::Line(value)) => {
            let part = line_text(*value, line?)?;
            encode(layout.dialect, part, &mut Vec::new()).err().map(|detail| Unwritable::Line(value.fault(detail)))
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

fn write_line_value(out: &mut Vec<u8>, layout: &Layout, field: &Field, value: LineValue, line: &PaymentLine) -> Result<(), Unwritable> {
    let number = match value {
        LineValue::Amount if !line.amount.is_positive() => {
            return Err(Unwritable::Line(value.fault("is not more than zero".to_owned())));
        }
        LineValue::Amount => {
            push_money(out, &field.kind, line.amount);
            return Ok(());
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
            return write_text(out, layout, value, text, field.optional).map_err(|detail| Unwritable::Line(value.fault(detail)));
        }
    };
    if number == 0 {
        return Err(Unwritable::Line(value.fault("counts from 1".to_owned())));
    }
    push_number(out, number);
    Ok(())
}

fn write_text(out: &mut Vec<u8>, layout: &Layout, value: LineValue, text: &str, optional: bool) -> Result<(), String> {
    checked_text(text, value, optional)?;
    no_delimiter(layout, text)?;
    encode(layout.dialect, text, out)
}

fn encode(dialect: Dialect, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    dialect.encode(text, out).map_err(|e| e.to_string())
}

fn no_delimiter(layout: &Layout, text: &str) -> Result<(), String> {
    match &layout.syntax {
        Syntax::Delimited { delimiter, .. } if text.contains(delimiter.as_str()) => {
            Err(format!("holds {delimiter:?}, the delimiter of the bank's file"))
        }
        Syntax::Delimited { .. } | Syntax::Fixed => Ok(()),
    }
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
        LineValue::PayeeName if !text.is_ascii() || text.contains(['?', '*']) => name_fault(text).map_or(Ok(()), |f| Err(f.to_string())),
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
        Shown::Money(fen) => {
            push_money(out, &field.kind, fen);
            return Ok(());
        }
    };
    plain_text(&text, field.optional)
        .and_then(|()| no_delimiter(layout, &text))
        .and_then(|()| encode(layout.dialect, &text, out))
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
    let batch = Batch { profile, facts, names: &names };
    let differs = |echo: &&Echo| match batch_text(&echo.value, &echo.kind, &batch) {
        Ok(Shown::Text(text)) => text != echo.text,
        Ok(Shown::Number(number)) => echo.text.parse() != Ok(number),
        Ok(Shown::Money(_)) | Err(_) => true,
    };
    echoed.iter().filter(differs).map(|e| format!("the column {:?} is not what our file said", e.column)).collect()
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
                Kind::Text | Kind::Yuan | Kind::Fen | Kind::Integer | Kind::Side { .. } => String::new(),
            };
            return Ok(Shown::Text(shown.into()));
        }
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
    layout: &Layout,
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
                if !compose(text, inner, layout, line, batch, true)? {
                    text.truncate(head);
                }
            }
            Piece::Value(TextValue::Line(value)) => {
                let Some(line) = line else { continue };
                let part = line_text(*value, line).unwrap_or_default();
                checked_text(part, *value, may_be_empty)
                    .and_then(|()| no_delimiter(layout, part))
                    .map_err(|detail| Unwritable::Line(value.fault(detail)))?;
                is_full &= !part.is_empty();
                text.push_str(part);
            }
            Piece::Value(TextValue::Batch(value)) => {
                let Some(batch) = batch else { continue };
                if let Shown::Text(part) = batch_text(value, &Kind::Text, batch)? {
                    let of = |detail| Unwritable::Batch { field: format!("{value:?}"), detail };
                    plain_text(&part, may_be_empty).and_then(|()| no_delimiter(layout, &part)).map_err(of)?;
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

fn push_money(out: &mut Vec<u8>, kind: &Kind, fen: Fen) {
    let value = fen.get().unsigned_abs();
    match kind {
        Kind::Yuan => {
            push_number(out, value / 100);
            let cents = u8::try_from(value % 100).unwrap_or(0);
            out.extend_from_slice(&[b'.', b'0' + cents / 10, b'0' + cents % 10]);
        }
        Kind::Fen | Kind::Text | Kind::Integer | Kind::Date(_) | Kind::Side { .. } => push_number(out, value),
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
