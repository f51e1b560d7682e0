//! How the lines of one file are laid out, and the checks by which a written column becomes a [`Field`].

use std::sync::Arc;

use regex::{Regex, RegexSet};
use toml::Spanned;

use super::amount::{MoneyForm, SignAt, Unit};
use super::charset::Dialect;
use super::date::DateFormat;
use super::field::{DateTake, Field, Kind, LineValue, MoneyTake, Nature, Put, Strip, Take, TextTake, TextValue, vocabulary};
use super::plan::{Fault, fault, regex};
use super::spec::{FieldSpec, Newline, SignSpec, StripSpec, TrailingSpec, TruncateSpec, TypeSpec};
use super::template;
use super::totals::DigestKind;
use super::xml;
use crate::domain::exchange::InboundKind;

/// How columns are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// By a delimiter. The text is decoded before it is split: the second byte of a hanzi may look like a delimiter.
    Delimited(Delimited),
    /// By their place in bytes. The line is cut before it is decoded, and a cut through a character is refused.
    Fixed,
    /// By the length that stands before each value, in bytes. Cut, then decoded.
    Prefixed,
    /// By a workbook's cells.
    Sheet,
    /// By elements and attributes.
    Xml,
}

/// Columns between delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimited {
    /// One character or several.
    pub delimiter: String,
    /// Whether the last column is followed by one too.
    pub trailing: TrailingSpec,
    /// Takes its meaning from the character behind it.
    pub escape: Option<char>,
    /// Stands around a value; doubled inside it.
    pub quote: Option<char>,
    /// Whether every value is quoted, or only those that need it.
    pub quotes_all: bool,
}

impl Delimited {
    /// Whether a plain search for the delimiter splits a line.
    pub const fn is_plain(&self) -> bool {
        self.escape.is_none() && self.quote.is_none()
    }
}

/// The lines of one file.
#[derive(Clone, Debug)]
pub struct Layout {
    pub syntax: Syntax,
    pub dialect: Dialect,
    pub newline: Newline,
    /// Blank lines mean nothing.
    pub skip_blank: bool,
    /// Lines that mean nothing: page headings and the like.
    pub skip: Option<RegexSet>,
    /// Whether the last line may lack its end.
    pub is_end_open: bool,
    /// Whether columns are known by the label that each begins with, in any order.
    pub is_by_label: bool,
    /// In their order.
    pub first: Vec<Record>,
    /// The first that fits takes the line.
    pub each: Vec<Record>,
    /// In their order.
    pub last: Vec<Record>,
    /// Anywhere.
    pub any: Vec<Record>,
    /// In XML: an element around some of the repeated ones.
    pub group: Option<Record>,
    /// In XML: bytes of one length before the document, a fixed layout of one record.
    pub prologue: Option<Box<Self>>,
    /// Blanks by which an inner element is set in, when XML is written; none writes it in one line.
    pub indent: Option<usize>,
}

/// What tells a record's lines from others.
#[derive(Clone, Debug, Default)]
pub struct Test {
    /// How it begins, in bytes.
    pub starts_with: Option<Vec<u8>>,
    /// Bytes at an offset.
    pub at: Option<(usize, Vec<u8>)>,
    /// A whole column, counted from 1, between delimiters.
    pub column: Option<(usize, String)>,
    /// A pattern of the decoded line.
    pub matches: Option<Regex>,
    /// The number of the line, from 1, without those that mean nothing.
    pub line: Option<u64>,
    /// Allowed numbers of columns, where they tell records apart.
    pub columns: Vec<usize>,
    /// The length in bytes, where it tells records apart.
    pub length: Option<usize>,
}

impl Test {
    /// Whether every line fits.
    pub const fn is_open(&self) -> bool {
        self.starts_with.is_none()
            && self.at.is_none()
            && self.column.is_none()
            && self.matches.is_none()
            && self.line.is_none()
            && self.columns.is_empty()
            && self.length.is_none()
    }
}

/// One kind of line.
#[derive(Clone, Debug)]
pub struct Record {
    pub test: Test,
    /// Whether it may be missing.
    pub is_optional: bool,
    /// Allowed lengths in bytes, in a fixed layout: several where columns at its end are optional.
    pub lengths: Vec<usize>,
    /// Allowed numbers of columns; empty: as many as there are fields.
    pub counts: Vec<usize>,
    /// Its fields are named groups of this.
    pub pattern: Option<Regex>,
    /// In XML: elements from the root to the repeated one.
    pub path: Vec<String>,
    pub fields: Vec<Field>,
}

impl Layout {
    /// Every record, in the order in which they are written.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let before = self.prologue.iter().flat_map(|p| &p.first);
        before.chain(&self.first).chain(&self.each).chain(&self.last).chain(&self.any).chain(&self.group)
    }

    /// Bytes that stand before the document.
    pub fn prologue_bytes(&self) -> usize {
        self.prologue.iter().flat_map(|p| &p.first).flat_map(|r| &r.lengths).sum()
    }

    /// In XML: the local name of the element that everything stands in.
    pub fn root(&self) -> &str {
        let first = self.each.iter().find_map(|r| r.path.first()).map_or("", String::as_str);
        first.rsplit_once(':').map_or(first, |(_, name)| name)
    }

    /// Whether it says what became of the file as a whole.
    pub fn has_levels(&self) -> bool {
        self.takes(&Take::Text(TextTake::FileStatus)) || self.takes(&Take::Text(TextTake::GroupStatus))
    }

    /// Whether a row of titles says which column is which.
    pub fn has_titles(&self) -> bool {
        self.each.iter().flat_map(|r| &r.fields).any(|f| f.title.is_some())
    }

    /// As a file of ours is read back: what we leave blank says nothing.
    pub fn as_sent(&self, repeated: &[Arc<str>]) -> Self {
        let mut layout = self.clone();
        layout.prologue = layout.prologue.map(|p| Box::new(p.as_sent(repeated)));
        let all = [&mut layout.first, &mut layout.each, &mut layout.last, &mut layout.any];
        for field in all.into_iter().flatten().flat_map(|r| &mut r.fields) {
            if matches!(field.put, Put::Blank | Put::Nothing | Put::Text(_)) {
                field.take = Take::Ignore;
            }
        }
        for field in layout.each.iter_mut().flat_map(|r| &mut r.fields) {
            if let Some(name) = repeated.iter().find(|name| ***name == *field.name) {
                field.take = Take::Repeat(Arc::clone(name));
            }
        }
        layout
    }

    fn takes(&self, take: &Take) -> bool {
        self.records().any(|r| r.fields.iter().any(|f| f.take == *take))
    }

    /// Whether a line says the how-manieth payment to its account it is.
    pub fn puts_ordinal(&self) -> bool {
        self.records().any(|r| r.fields.iter().any(|f| f.put == Put::Line(LineValue::Ordinal)))
    }

    /// Whether code and status are two columns.
    pub fn has_code_column(&self) -> bool {
        self.takes(&Take::Text(TextTake::Code))
    }

    /// The digests that its records hold.
    pub fn digests(&self) -> Vec<DigestKind> {
        let kind = |f: &Field| if let Take::Digest(kind) = f.take { Some(kind) } else { None };
        self.records().flat_map(|r| &r.fields).filter_map(kind).collect()
    }

    /// Why we could not write a file in this layout.
    pub fn cannot_render(&self) -> Option<String> {
        let before = || self.prologue.iter().flat_map(|p| &p.first);
        let written = || before().chain(&self.first).chain(&self.each).chain(&self.last).filter(|r| !r.is_optional);
        let unwritten = written().flat_map(|r| &r.fields).find(|f| f.put == Put::Nothing);
        if let Some(field) = unwritten {
            return Some(format!(
                "the field {:?} has nothing to write: give it a value that we know, a literal, or blank = true",
                field.name
            ));
        }
        if self.newline == Newline::Either {
            return Some("newline = \"either\" is for what a bank sends; we write lf or crlf".to_owned());
        }
        if self.skip_blank || self.skip.is_some() {
            return Some("skip rules are for what a bank sends".to_owned());
        }
        if written().any(|r| r.pattern.is_some()) || self.each.len() != 1 {
            return Some("patterns, and several repeated records, are for what a bank sends".to_owned());
        }
        if let Some(why) = self.second_root() {
            return Some(why);
        }
        let of_a_line = |f: &Field| match &f.put {
            Put::Line(_) => true,
            Put::Text(pieces) => has_line_value(pieces),
            Put::Batch(_) | Put::Literal(_) | Put::Blank | Put::Nothing => false,
        };
        let misplaced =
            before().chain(&self.first).chain(&self.last).filter(|r| !r.is_optional).flat_map(|r| &r.fields).find(|f| of_a_line(f));
        misplaced.map(|f| format!("the field {:?} holds a value of one payment, but stands in a header or trailer", f.name))
    }

    /// A column whose path begins with another element than the repeated record's: a document has one root.
    fn second_root(&self) -> Option<String> {
        let root = self.each.first()?.path.first()?;
        let fields = self.first.iter().chain(&self.last).filter(|r| !r.is_optional).flat_map(|r| &r.fields);
        let mut begins = fields.filter_map(|f| Some((f, f.paths.first()?.steps.first()?)));
        let (field, other) = begins.find(|(_, begins)| *begins != root)?;
        Some(format!("the path of {:?} begins with {other}, and the repeated record's with {root}: a document has one root", field.name))
    }

    /// Why this layout cannot bring that kind of word.
    pub fn cannot_answer(&self, kind: InboundKind, needs: Option<&str>) -> Option<String> {
        let lacks = |take: &Take, name: &str| {
            let has = |r: &Record| r.fields.iter().any(|f| f.take == *take);
            // What a heading says holds for the rows below it.
            let is_said = self.each.iter().all(has) || self.first.iter().chain(&self.any).any(has);
            (!is_said).then(|| format!("the repeated record lacks a column {name:?}"))
        };
        match (kind, needs) {
            (InboundKind::Statement, _) => {
                [(Take::Date(DateTake::Entry), "entry_date"), (Take::Side, "side"), (Take::Money(MoneyTake::Amount), "amount")]
                    .iter()
                    .find_map(|(take, name)| lacks(take, name))
            }
            (InboundKind::Ack | InboundKind::Result | InboundKind::Return | InboundKind::Enquiry, Some(_)) => {
                lacks(&Take::Text(TextTake::Status), "status")
            }
            (InboundKind::Ack | InboundKind::Result | InboundKind::Return | InboundKind::Enquiry, None) => None,
        }
    }
}

fn has_line_value(pieces: &[template::Piece<TextValue>]) -> bool {
    pieces.iter().any(|p| match p {
        template::Piece::Value(TextValue::Line(_)) => true,
        template::Piece::Value(TextValue::Batch(_)) | template::Piece::Literal(_) => false,
        template::Piece::Optional(inner) => has_line_value(inner),
    })
}

fn known(extras: &[&str]) -> String {
    let mut names: Vec<String> = vocabulary().into_iter().map(|(name, ..)| name.to_owned()).collect();
    names.extend(extras.iter().map(|e| format!("extra.{e}")));
    names.join(", ")
}

fn look_up(name: &Spanned<String>, extras: &[&str]) -> Result<(Put, Take, Nature), Fault> {
    if let Some(extra) = name.get_ref().strip_prefix("extra.").filter(|e| extras.contains(e)) {
        let value = super::field::BatchValue::Extra(extra.to_owned());
        return Ok((Put::Batch(value.clone()), Take::Echo(value), Nature::Text));
    }
    vocabulary()
        .into_iter()
        .find(|(known, ..)| known == name.get_ref())
        .map(|(_, put, take, nature)| (put, take, nature))
        .ok_or_else(|| fault(name, format!("{:?} is not a value; allowed: {}", name.get_ref(), known(extras))))
}

fn line_value(name: &Spanned<String>) -> Result<LineValue, Fault> {
    match look_up(name, &[])?.0 {
        Put::Line(value) => Ok(value),
        Put::Batch(_) | Put::Literal(_) | Put::Text(_) | Put::Blank | Put::Nothing => {
            Err(fault(name, format!("{:?} is not a value of a payment line", name.get_ref())))
        }
    }
}

/// Checks one written column.
///
/// # Errors
/// The first fault found in it.
pub fn field_layout(at: &Spanned<FieldSpec>, layout: &Layout, extras: &[&str]) -> Result<Field, Fault> {
    let written = at.get_ref();
    let (put, mut take, mut nature) = source(at, extras)?;
    if let Some(name) = &written.take {
        let (_, other, of_other) = look_up(name, extras)?;
        if matches!(put, Put::Blank) {
            nature = of_other;
        } else if other != Take::Ignore && of_other != nature {
            return Err(fault(name, "what is read here is of another type than what is written here"));
        }
        take = other;
    }
    if let Some(name) = &written.same_as {
        if let Some(other) = &written.take {
            return Err(fault(other, "what must be the same as ours is read as nothing else: leave out `in`, or same_as"));
        }
        if nature != Nature::Text {
            return Err(fault(name, "same_as is for words; amounts and numbers of a payment are compared wherever they are read"));
        }
        take = Take::Repeat(Arc::from(name.get_ref().as_str()));
    }
    let kind = kind(at, nature)?;
    let paths = xml::layout::field_paths(at, layout)?;
    if paths.iter().any(|p| p.attribute.as_deref() == Some("xmlns")) {
        // Whatever version or namespace a bank writes, the elements say what it is.
        take = Take::Ignore;
    }
    let is_fixed = layout.syntax == Syntax::Fixed;
    let is_padded = matches!(layout.syntax, Syntax::Fixed | Syntax::Prefixed);
    let width = match (&written.width, is_fixed) {
        (None, true) if written.group.is_none() => return Err(fault(at, "a column of a fixed layout needs its width in bytes")),
        (Some(width), _) if *width.get_ref() == 0 => return Err(fault(width, "a width is at least 1 byte")),
        (width, _) => width.as_ref().map(|w| *w.get_ref()),
    };
    let fill = match &written.fill {
        None if kind.is_number() => b'0',
        None => b' ',
        Some(fill) => match fill.get_ref().as_bytes() {
            [b] if b.is_ascii() && !b.is_ascii_control() => *b,
            _ => return Err(fault(fill, "padding is one ASCII character, such as \" \" or \"0\"")),
        },
    };
    let is_money = matches!(kind, Kind::Money(_));
    if (written.signed || written.sign.is_some()) && !is_money {
        return Err(fault(at, "only amounts have a sign"));
    }
    if let Some(word) = written.point.as_ref().or(written.grouping.as_ref()).filter(|_| !is_money) {
        return Err(fault(word, "only amounts have a decimal point and groups of digits"));
    }
    if let Some(decimals) = written.decimals.as_ref().filter(|d| !is_money || *d.get_ref() > 9) {
        return Err(fault(decimals, "only amounts have decimals, and at most 9"));
    }
    extras_of_a_field(at, &put, &kind, layout)?;
    let words_after = match &written.words_after {
        None => None,
        Some(mark) => match mark.get_ref().chars().collect::<Vec<_>>().as_slice() {
            [one] if kind == Kind::Text => Some(*one),
            _ => return Err(fault(mark, "words_after is one character, in a column of text")),
        },
    };
    let default_strip = if is_padded { Strip::Trailing } else { Strip::None };
    let field = Field {
        name: written.name.get_ref().clone(),
        paths,
        put,
        take,
        kind,
        width,
        max_bytes: written.max_bytes.as_ref().map(|m| *m.get_ref()),
        fill,
        strip: written.strip.map_or(default_strip, |s| match s {
            StripSpec::None => Strip::None,
            StripSpec::Trailing => Strip::Trailing,
            StripSpec::Both => Strip::Both,
        }),
        strip_wide: written.strip_wide,
        optional: written.optional,
        when_present: written.when_present.as_ref().map(line_value).transpose()?,
        words_after,
        label: written.label.clone(),
        title: written.title.as_ref().map(|t| t.get_ref().clone()),
        group: written.group.as_ref().map(|g| g.get_ref().clone()),
        map: written.map.iter().map(|(ours, theirs)| (ours.clone(), theirs.clone())).collect(),
        empty_as: written.empty_as.clone(),
        code_pattern: written.code_pattern.as_ref().map(|p| regex(&Spanned::new(p.span(), format!("^(?:{})", p.get_ref())))).transpose()?,
        is_exact: written.exact,
        may_cut: written.truncate.as_ref().is_some_and(|t| *t.get_ref() == TruncateSpec::Allow),
        prefix: written.prefix.as_ref().map(|p| *p.get_ref()),
    };
    literal_fits(at, &field, layout)?;
    Ok(field)
}

/// The keys that only some columns may have.
fn extras_of_a_field(at: &Spanned<FieldSpec>, put: &Put, kind: &Kind, layout: &Layout) -> Result<(), Fault> {
    let written = at.get_ref();
    if let Some(pattern) = written.code_pattern.as_ref().filter(|_| *kind != Kind::Text) {
        return Err(fault(pattern, "a code stands before words: code_pattern is for columns of text"));
    }
    if !written.map.is_empty() && *kind != Kind::Text {
        return Err(fault(at, "a map is for columns of text"));
    }
    if written.exact && written.width.is_none() {
        return Err(fault(at, "exact = true needs a width"));
    }
    if let Some(prefix) = &written.prefix
        && (layout.syntax != Syntax::Prefixed || !(1..=9).contains(prefix.get_ref()))
    {
        return Err(fault(prefix, "prefix is the count of digits, 1 to 9, of a length in a prefixed layout"));
    }
    let may_be_cut = matches!(
        put,
        Put::Line(LineValue::Remark | LineValue::ProjectShort)
            | Put::Text(_)
            | Put::Batch(super::field::BatchValue::Department | super::field::BatchValue::Project | super::field::BatchValue::PayerName)
    );
    if let Some(truncate) = written.truncate.as_ref().filter(|t| *t.get_ref() == TruncateSpec::Allow && !may_be_cut) {
        return Err(fault(truncate, "only remarks, composed texts and names of projects and payers may be cut; banks compare the rest"));
    }
    Ok(())
}

/// A literal must fit its own column, in the dialect, or no file could ever be written.
fn literal_fits(at: &Spanned<FieldSpec>, field: &Field, layout: &Layout) -> Result<(), Fault> {
    let (Put::Literal(text), Some(place)) = (&field.put, &at.get_ref().literal) else { return Ok(()) };
    let mut bytes = Vec::new();
    layout.dialect.encode(text, &mut bytes).map_err(|e| fault(place, e.to_string()))?;
    if let Some(width) = field.width.filter(|w| *w < bytes.len()) {
        return Err(fault(place, format!("the literal has {} bytes, the column {width}", bytes.len())));
    }
    if let Syntax::Delimited(d) = &layout.syntax
        && d.is_plain()
        && text.contains(d.delimiter.as_str())
    {
        return Err(fault(place, "the literal holds the delimiter"));
    }
    Ok(())
}

fn source(at: &Spanned<FieldSpec>, extras: &[&str]) -> Result<(Put, Take, Nature), Fault> {
    let written = at.get_ref();
    match (&written.value, &written.literal, &written.text, written.blank) {
        (Some(name), None, None, false) => look_up(name, extras),
        (None, Some(literal), None, false) => {
            let text = literal.get_ref().clone();
            Ok((Put::Literal(text.clone()), Take::Literal(text), Nature::Text))
        }
        (None, None, Some(text), false) => {
            let token = |name: &str, format: Option<&str>| match (look_up(&Spanned::new(0..0, name.to_owned()), extras), format) {
                (Ok((Put::Line(value), _, Nature::Text)), None) => Ok(TextValue::Line(value)),
                (Ok((Put::Batch(value), _, Nature::Text)), None) => Ok(TextValue::Batch(value)),
                (Ok(_), None) => Err(format!("{{{name}}} is not a text")),
                (Ok(_), Some(_)) => Err(format!("{{{name}}} takes no format here")),
                (Err(fault), _) => Err(fault.what),
            };
            let pieces = template::parse(text.get_ref(), &token).map_err(|what| fault(text, what))?;
            Ok((Put::Text(pieces), Take::Ignore, Nature::Text))
        }
        (None, None, None, true) => Ok((Put::Blank, Take::Ignore, Nature::Text)),
        (None, None, None, false) if written.same_as.is_some() => Ok((Put::Nothing, Take::Ignore, Nature::Text)),
        _ => {
            Err(fault(at, "a column has exactly one of value, literal, text, blank = true; in what a bank sends same_as may stand for it"))
        }
    }
}

fn kind(at: &Spanned<FieldSpec>, nature: Nature) -> Result<Kind, Fault> {
    let written = at.get_ref();
    let stated = written.kind.as_ref().map(|k| *k.get_ref());
    let kind = match (nature, stated) {
        (Nature::Text, None | Some(TypeSpec::Text)) => Kind::Text,
        (Nature::Number, None | Some(TypeSpec::Integer)) => Kind::Integer,
        (Nature::Money, Some(TypeSpec::Yuan)) => money(written, Unit::Yuan)?,
        (Nature::Money, Some(TypeSpec::Fen)) => money(written, Unit::Fen)?,
        (Nature::Money, Some(TypeSpec::Jiao)) => money(written, Unit::Jiao)?,
        (Nature::Money, Some(TypeSpec::Li)) => money(written, Unit::Li)?,
        (Nature::Money, Some(TypeSpec::Thousand)) => money(written, Unit::Thousand)?,
        (Nature::Money, Some(TypeSpec::Wan)) => money(written, Unit::Wan)?,
        (Nature::Money, None) => return Err(fault(at, "an amount needs its unit: type = \"yuan\" or type = \"fen\"")),
        (Nature::Date, None | Some(TypeSpec::Date)) => {
            let word = written.format.as_ref().ok_or_else(|| fault(at, "a date needs its format, such as format = \"yyyyMMdd\""))?;
            let format = DateFormat::from_word(word.get_ref())
                .ok_or_else(|| fault(word, format!("{:?} is not a date format; allowed: {}", word.get_ref(), DateFormat::ALLOWED)))?;
            return Ok(Kind::Date(format));
        }
        (Nature::Side, None | Some(TypeSpec::Side)) => match (&written.credit, &written.debit) {
            (Some(credit), Some(debit)) => {
                return Ok(Kind::Side { credit: credit.get_ref().clone(), debit: debit.get_ref().clone() });
            }
            (None, _) | (_, None) => return Err(fault(at, "a side needs its words: credit = \"C\", debit = \"D\"")),
        },
        (Nature::Text | Nature::Number | Nature::Money | Nature::Date | Nature::Side, Some(_)) => {
            let place = written.kind.as_ref().map_or_else(|| at.span(), Spanned::span);
            return Err(Fault { span: place, what: format!("this value is {}", natural_types(nature)) });
        }
    };
    if let Some(format) = &written.format {
        return Err(fault(format, "only dates have a format"));
    }
    if let Some(word) = written.credit.as_ref().or(written.debit.as_ref()) {
        return Err(fault(word, "only a side has words for credit and debit"));
    }
    Ok(kind)
}

fn money(written: &FieldSpec, unit: Unit) -> Result<Kind, Fault> {
    let one = |text: &Spanned<String>| match text.get_ref().chars().collect::<Vec<_>>().as_slice() {
        [sign] if !sign.is_ascii_digit() => Ok(*sign),
        _ => Err(fault(text, "is one sign, such as \".\" or \",\"")),
    };
    let point = match &written.point {
        None => Some('.'),
        Some(word) if word.get_ref() == "none" => None,
        Some(word) => Some(one(word)?),
    };
    let sign = match (&written.sign, written.signed) {
        (Some(sign), _) => match sign.get_ref() {
            SignSpec::Leading => SignAt::Leading,
            SignSpec::Trailing => SignAt::Trailing,
        },
        (None, true) => SignAt::Leading,
        (None, false) => SignAt::None,
    };
    let grouping = written.grouping.as_ref().map(one).transpose()?;
    Ok(Kind::Money(MoneyForm { unit, decimals: written.decimals.as_ref().map(|d| *d.get_ref()), point, grouping, sign }))
}

const fn natural_types(nature: Nature) -> &'static str {
    match nature {
        Nature::Text => "a text: type = \"text\"",
        Nature::Number => "a number: type = \"integer\"",
        Nature::Money => "an amount: type = \"yuan\" or type = \"fen\" (also jiao, li, thousand, wan)",
        Nature::Date => "a date: type = \"date\"",
        Nature::Side => "a side: type = \"side\"",
    }
}
