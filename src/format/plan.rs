//! Checks a written profile once and turns it into a plan: after this, rendering and parsing ask no more questions of it.
//! A fault carries its place in the file, what is wrong, and what is allowed.

use std::collections::HashMap;
use std::ops::Range;

use chrono::NaiveDate;
use regex::{Regex, RegexSet};
use toml::Spanned;

use super::charset::Dialect;
use super::files::Scope;
use super::flag::FlagPattern;
use super::layout::{Layout, Record, Syntax, field_layout};
use super::meaning::{Meaning, ReasonMap, StatusMap};
use super::profile::{Exchange, PublishMode, Readiness};
use super::spec::{ExchangeSpec, LayoutSpec, Newline, Place, ReasonSpec, RecordSpec, Spec, SyntaxSpec};
use super::template::{PathToken, Piece, Recogniser};
use super::totals::DigestKind;
use crate::domain::exchange::InboundKind;
use crate::domain::reason::Reason;

/// A fault of a profile at its place.
#[derive(Debug)]
pub struct Fault {
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What is wrong, and what is allowed.
    pub what: String,
}

/// A fault at a place.
pub fn fault<T>(at: &Spanned<T>, what: impl Into<String>) -> Fault {
    Fault { span: at.span(), what: what.into() }
}

/// A value that the profile declares beyond the common ones.
#[derive(Debug)]
pub struct Extra {
    pub pattern: Regex,
    pub default: Option<String>,
}

/// What we send.
#[derive(Debug)]
pub struct Request {
    pub dir: Vec<Piece<PathToken>>,
    pub name: Vec<Piece<PathToken>>,
    pub key: Vec<Piece<PathToken>>,
    pub flag_name: Option<Vec<Piece<PathToken>>>,
    pub flag: Option<FlagPattern>,
    pub layout: usize,
}

/// What we ask.
#[derive(Debug)]
pub struct Enquiry {
    pub dir: Vec<Piece<PathToken>>,
    pub name: Vec<Piece<PathToken>>,
    pub layout: usize,
}

/// A file that the bank sends.
#[derive(Debug)]
pub struct Inbound {
    pub kind: InboundKind,
    pub role: String,
    pub dir: Vec<Piece<PathToken>>,
    pub recogniser: Recogniser,
    pub required: bool,
    pub content: Content,
}

/// What the file is for.
#[derive(Debug)]
pub enum Content {
    /// It says that another file is whole.
    Flag(FlagPattern),
    /// Its lines are read.
    Lines { layout: usize, meaning: RowMeaning, digests: Vec<DigestKind> },
}

/// Where a row's outcome comes from.
#[derive(Debug)]
pub enum RowMeaning {
    /// From the row's status, through this map.
    Status(StatusMap),
    /// From the file it stands in.
    File(Meaning),
    /// Rows have no outcome: a statement.
    None,
}

/// A checked profile.
#[derive(Debug)]
pub struct Plan {
    pub exchange: Exchange,
    pub extras: HashMap<String, Extra>,
    pub request: Request,
    pub enquiry: Option<Enquiry>,
    pub inbound: Vec<Inbound>,
    pub layouts: Vec<Layout>,
    pub reasons: ReasonMap,
}

/// Checks the whole.
///
/// # Errors
/// The first fault found.
pub fn plan(spec: &Spec) -> Result<Plan, Fault> {
    identity(spec)?;
    let extras = extras(spec)?;
    let names: Vec<&str> = spec.extra.keys().map(String::as_str).collect();
    let reasons = reason_map(&spec.reason)?;
    let mut layouts = Vec::new();
    let mut layout_numbers = HashMap::new();
    for (name, layout_spec) in &spec.layout {
        layout_numbers.insert(name.as_str(), layouts.len());
        layouts.push(layout(layout_spec, spec, &names)?);
    }
    let scope = Scope { spec, names: &names, layouts: &layouts, layout_numbers: &layout_numbers };
    let request = scope.request()?;
    let inbound = scope.inbounds(&request)?;
    let enquiry = scope.enquiry(&inbound)?;
    for file in &inbound {
        scope.finality_of_doubtful_reasons(file, &reasons)?;
    }
    let exchange = exchange(&spec.exchange, &request, &inbound)?;
    Ok(Plan { exchange, extras, request, enquiry, inbound, layouts, reasons })
}

fn identity(spec: &Spec) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if spec.id.get_ref().is_empty() || !spec.id.get_ref().chars().all(is_plain) {
        return Err(fault(&spec.id, "an id has lower-case letters, digits and - only"));
    }
    if *spec.version.get_ref() == 0 {
        return Err(fault(&spec.version, "versions count from 1"));
    }
    if spec.title_zh.get_ref().trim().is_empty() {
        return Err(fault(&spec.title_zh, "the title is empty; it is what people know the profile by"));
    }
    Ok(())
}

fn extras(spec: &Spec) -> Result<HashMap<String, Extra>, Fault> {
    let mut out = HashMap::new();
    for (name, extra) in &spec.extra {
        let extra = extra.get_ref();
        let pattern = whole_regex(&extra.pattern)?;
        if let Some(default) = &extra.default
            && !pattern.is_match(default.get_ref())
        {
            return Err(fault(default, format!("the default does not fit its own pattern {:?}", extra.pattern.get_ref())));
        }
        let default = extra.default.as_ref().map(|d| d.get_ref().clone());
        out.insert(name.clone(), Extra { pattern, default });
    }
    Ok(out)
}

/// A regular expression, or the fault of its text.
pub fn regex(pattern: &Spanned<String>) -> Result<Regex, Fault> {
    Regex::new(pattern.get_ref()).map_err(|e| fault(pattern, format!("is not a regular expression: {e}")))
}

/// One that must describe the whole text.
pub fn whole_regex(pattern: &Spanned<String>) -> Result<Regex, Fault> {
    regex(pattern)?;
    Regex::new(&format!("^(?:{})$", pattern.get_ref())).map_err(|e| fault(pattern, format!("is not a regular expression: {e}")))
}

fn reason_map(rules: &[Spanned<ReasonSpec>]) -> Result<ReasonMap, Fault> {
    let mut codes = HashMap::new();
    let mut texts = Vec::new();
    for rule in rules {
        let rule = rule.get_ref();
        let reason = Reason::from_code(rule.reason.get_ref()).ok_or_else(|| {
            let allowed: Vec<&str> = Reason::ALL.iter().map(|r| r.code()).collect();
            fault(&rule.reason, format!("{:?} is not a canonical reason; allowed: {}", rule.reason.get_ref(), allowed.join(", ")))
        })?;
        for code in &rule.codes {
            if codes.insert(code.get_ref().clone(), reason).is_some() {
                return Err(fault(code, format!("the code {:?} is mapped twice", code.get_ref())));
            }
        }
        for text in &rule.texts {
            regex(text)?;
            texts.push((text.get_ref().clone(), reason));
        }
    }
    let end = rules.last().map_or(0..0, Spanned::span);
    ReasonMap::new(codes, &texts).map_err(|what| Fault { span: end, what })
}

fn layout(at: &Spanned<LayoutSpec>, spec: &Spec, extras: &[&str]) -> Result<Layout, Fault> {
    let written = at.get_ref();
    let dialect = written.charset.unwrap_or(spec.charset);
    let newline = written.newline.as_ref().map_or(spec.newline, |n| *n.get_ref());
    let syntax = match (written.syntax.get_ref(), &written.delimiter) {
        (SyntaxSpec::Delimited, Some(delimiter)) => {
            let text = delimiter.get_ref();
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() || b == b'\t') || text.contains(['"', '\\']) {
                return Err(fault(delimiter, "a delimiter is one or more ASCII signs, such as \"|\", \",\" or \"\\t\""));
            }
            let is_trailing = written.trailing_delimiter.as_ref().is_some_and(|t| *t.get_ref());
            Syntax::Delimited { delimiter: text.clone(), is_trailing }
        }
        (SyntaxSpec::Delimited, None) => return Err(fault(&written.syntax, "a delimited layout needs its delimiter")),
        (SyntaxSpec::Fixed, None) => match &written.trailing_delimiter {
            None => Syntax::Fixed,
            Some(trailing) => return Err(fault(trailing, "a fixed layout has no delimiters")),
        },
        (SyntaxSpec::Fixed, Some(delimiter)) => return Err(fault(delimiter, "a fixed layout has no delimiters")),
    };
    for pattern in &written.skip {
        regex(pattern)?;
    }
    let skip = RegexSet::new(written.skip.iter().map(Spanned::get_ref)).map_err(|e| fault(at, e.to_string()))?;
    let mut out = Layout {
        syntax,
        dialect,
        newline,
        skip_blank: written.skip_blank,
        skip: (!skip.is_empty()).then_some(skip),
        is_end_open: written.open_end,
        first: None,
        each: None,
        last: None,
    };
    for record_spec in &written.record {
        let built = record(record_spec, &out, extras)?;
        let slot = match record_spec.get_ref().at.get_ref() {
            Place::First => &mut out.first,
            Place::Each => &mut out.each,
            Place::Last => &mut out.last,
        };
        if slot.is_some() {
            return Err(fault(&record_spec.get_ref().at, "another record stands there already: one first, one each, one last"));
        }
        *slot = Some(built);
    }
    if out.each.is_none() {
        return Err(fault(at, "a layout needs a record at = \"each\""));
    }
    Ok(out)
}

fn record(at: &Spanned<RecordSpec>, layout: &Layout, extras: &[&str]) -> Result<Record, Fault> {
    let written = at.get_ref();
    let mut fields = Vec::new();
    let mut end = 0usize;
    for field_spec in &written.field {
        let field = field_layout(field_spec, layout, extras)?;
        if let Some(declared) = &field_spec.get_ref().at {
            if matches!(layout.syntax, Syntax::Delimited { .. }) {
                return Err(fault(declared, "offsets belong to fixed layouts"));
            }
            if *declared.get_ref() != end {
                let what = format!("the field begins at byte {}, and the one before it ends at {end}", declared.get_ref());
                return Err(fault(declared, what));
            }
        }
        end += field.width.unwrap_or(0);
        fields.push(field);
    }
    if fields.is_empty() {
        return Err(fault(at, "a record needs fields"));
    }
    match (&layout.syntax, &written.length) {
        (Syntax::Fixed, None) => return Err(fault(at, "a fixed record needs its length in bytes")),
        (Syntax::Fixed, Some(length)) if *length.get_ref() != end => {
            return Err(fault(length, format!("the fields make {end} bytes, the record says {}", length.get_ref())));
        }
        (Syntax::Delimited { .. }, Some(length)) => return Err(fault(length, "a length belongs to fixed layouts")),
        (Syntax::Fixed, Some(_)) | (Syntax::Delimited { .. }, None) => {}
    }
    let place = *written.at.get_ref();
    if let (Place::Each, Some(mark)) = (place, &written.starts_with) {
        return Err(fault(mark, "the repeated record is every line that is not first or last; a literal field can say how it begins"));
    }
    let starts_with = written.starts_with.as_ref().map(|s| s.get_ref().clone().into_bytes());
    Ok(Record { starts_with, length: end, fields })
}

/// A directory template on a date.
pub fn dated(dir: &[Piece<PathToken>], date: NaiveDate) -> String {
    let mut out = String::new();
    for piece in dir {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Value(PathToken::Date(format)) => out.push_str(&format.render(date)),
            Piece::Value(_) | Piece::Optional(_) => {}
        }
    }
    out
}

fn exchange(at: &Spanned<ExchangeSpec>, request: &Request, inbound: &[Inbound]) -> Result<Exchange, Fault> {
    let written = at.get_ref();
    let has_flag = |kind| inbound.iter().any(|i| i.kind == kind && matches!(i.content, Content::Flag(_)));
    let data_files = inbound.iter().filter(|i| i.kind == InboundKind::Result && matches!(i.content, Content::Lines { .. })).count();
    if data_files == 0 {
        return Err(fault(at, "no [[inbound]] of kind result: nobody would ever learn what became of the payments"));
    }
    match (written.ready.get_ref(), has_flag(InboundKind::Result), data_files) {
        (Readiness::Flag, false, _) => return Err(fault(&written.ready, "ready = \"flag\" needs an inbound flag file of kind result")),
        (Readiness::Pair, _, 0 | 1) => return Err(fault(&written.ready, "ready = \"pair\" needs two data files of kind result")),
        (Readiness::Flag | Readiness::Pair | Readiness::Stable | Readiness::Rename, _, _) => {}
    }
    if *written.publish.get_ref() == PublishMode::Flag && request.flag.is_none() {
        return Err(fault(&written.publish, "publish = \"flag\" needs the request's flag_name and flag"));
    }
    if written.binding.get_ref().is_empty() {
        return Err(fault(&written.binding, "at least one way to bind an answer to its payment"));
    }
    if *written.max_rows.get_ref() == 0 {
        return Err(fault(&written.max_rows, "a file has at least one row"));
    }
    let has_ack = inbound.iter().any(|i| i.kind == InboundKind::Ack);
    match (&written.ack_within_minutes, has_ack) {
        (None, true) => return Err(fault(at, "an ack is declared: ack_within_minutes says when it is overdue")),
        (Some(minutes), false) => return Err(fault(minutes, "no [[inbound]] of kind ack")),
        (None, false) | (Some(_), true) => {}
    }
    let (late, abandon) = (*written.late_after_days.get_ref(), *written.abandon_after_days.get_ref());
    if late < written.expected_within_days {
        return Err(fault(&written.late_after_days, "late cannot come before expected_within_days"));
    }
    if abandon < late {
        return Err(fault(&written.abandon_after_days, "abandon cannot come before late_after_days"));
    }
    Ok(Exchange {
        return_semantics: written.return_semantics,
        debit_model: written.debit_model,
        binding: written.binding.get_ref().clone(),
        publish: *written.publish.get_ref(),
        ready: *written.ready.get_ref(),
        has_ack,
        response: written.response,
        absence_means: *written.absence_means.get_ref(),
        max_rows: *written.max_rows.get_ref(),
        re_dated: written.re_dated,
        recurring_path: written.recurring_path,
        ack_within_minutes: written.ack_within_minutes.as_ref().map(|m| *m.get_ref()),
        expected_within_days: written.expected_within_days,
        late_after_days: late,
        abandon_after_days: abandon,
        returns_within_days: written.returns_within_days,
    })
}

/// The dialect's newline when we write.
pub const fn line_end(newline: Newline) -> &'static [u8] {
    match newline {
        Newline::Lf | Newline::Either => b"\n",
        Newline::Crlf => b"\r\n",
    }
}

/// The byte order mark that a dialect begins its files with.
pub const fn bom(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Utf8Bom => super::charset::BOM,
        Dialect::Gbk | Dialect::Gb18030 | Dialect::Utf8 => b"",
    }
}
