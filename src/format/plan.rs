//! Checks a written profile once and turns it into a plan: after this, rendering and parsing ask no more questions of it.
//! A fault carries its place in the file, what is wrong, and what is allowed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use regex::Regex;
use toml::Spanned;

use super::charset::Dialect;
use super::date::DateFormat;
use super::files::Scope;
use super::flag::FlagPattern;
use super::layout::Layout;
use super::meaning::{Dated, Meaning, ReasonMap, StatusMap};
use super::package::{Packing, Unpacking};
use super::profile::{Absence, Exchange, PublishMode, Readiness, Response};
use super::records::layout;
use super::spec::{ExchangeSpec, FormSpec, GranularitySpec, Newline, Place, ReasonSpec, Spec, SplitBy};
use super::substitute::{self, Substitute};
use super::template::{PathToken, Piece, Recogniser};
use super::totals::DigestKind;
use crate::domain::exchange::InboundKind;
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};

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
    /// How it is packed, and how we read that again.
    pub zip: Option<(Packing, Unpacking)>,
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
    /// It says that another file (that role) is whole.
    Flag(FlagPattern, String),
    /// Its lines are read.
    Lines { layout: usize, meaning: RowMeaning, levels: Option<StatusMap>, digests: Vec<DigestKind>, zip: Option<Box<Unpacking>> },
    /// It is a statement in a form of its own.
    Statement(FormSpec),
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
    /// Columns of our lines that a bank must give back as they went, by name.
    pub repeated: Vec<Arc<str>>,
    /// Characters of names that are written as agreed.
    pub substitutes: Vec<Substitute>,
    pub reasons: ReasonMap,
}

impl Plan {
    /// How a file is unpacked; without a kind, a payment file of ours.
    pub fn package(&self, of: Option<(InboundKind, &str)>) -> Option<&Unpacking> {
        let Some((kind, role)) = of else { return self.request.zip.as_ref().map(|(_, rule)| rule) };
        self.inbound.iter().find(|i| i.kind == kind && i.role == role).and_then(|i| match &i.content {
            Content::Lines { zip, .. } => zip.as_deref(),
            Content::Flag(..) | Content::Statement(_) => None,
        })
    }
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
    let repeated = repeated(spec, layouts.get(request.layout), &inbound)?;
    let sent = [Some(request.layout), enquiry.as_ref().map(|e| e.layout)].into_iter().flatten();
    let dialects: Vec<Dialect> = sent.filter_map(|n| layouts.get(n)).map(|l| l.dialect).collect();
    let substitutes = substitute::checked(&spec.substitute, &dialects)?;
    Ok(Plan { exchange, extras, request, enquiry, inbound, layouts, repeated, substitutes, reasons })
}

/// The columns that must come back as they went: each is a column of words in our own lines, which nothing else compares.
fn repeated(spec: &Spec, request: Option<&Layout>, inbound: &[Inbound]) -> Result<Vec<Arc<str>>, Fault> {
    let mut out: Vec<Arc<str>> = Vec::new();
    let records = spec.layout.values().enumerate().flat_map(|(number, l)| l.get_ref().record.iter().map(move |r| (number, r.get_ref())));
    let written =
        records.flat_map(|(number, r)| r.field.iter().filter_map(move |f| Some((number, *r.at.get_ref(), f.get_ref().same_as.as_ref()?))));
    for (number, place, name) in written {
        let has_no_line_of_ours = |i: &&Inbound| {
            matches!(i.kind, InboundKind::Statement | InboundKind::Ack)
                && matches!(i.content, Content::Lines { layout, .. } if layout == number)
        };
        if let Some(file) = inbound.iter().find(has_no_line_of_ours) {
            return Err(fault(name, format!("a file of kind {} repeats no line of ours; same_as is for answers", file.kind.code())));
        }
        if place != Place::Each {
            return Err(fault(name, "same_as compares the repeated records; what a head repeats of ours is compared by its value"));
        }
        let ours = || request.iter().flat_map(|l| &l.each).flat_map(|r| &r.fields);
        let Some(field) = ours().find(|f| f.name == *name.get_ref()) else {
            let names: Vec<&str> = ours().map(|f| f.name.as_str()).collect();
            return Err(fault(name, format!("our lines have no column {:?}; they have {}", name.get_ref(), names.join(", "))));
        };
        if let Some(why) = field.is_compared_otherwise() {
            return Err(fault(name, why));
        }
        if !out.iter().any(|known| **known == *name.get_ref().as_str()) {
            out.push(Arc::from(name.get_ref().as_str()));
        }
    }
    Ok(out)
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
    let mut codes: HashMap<String, Vec<Dated>> = HashMap::new();
    let mut texts = Vec::new();
    for at in rules {
        let rule = at.get_ref();
        let reason = Reason::from_code(rule.reason.get_ref()).ok_or_else(|| {
            let allowed: Vec<&str> = Reason::ALL.iter().map(|r| r.code()).collect();
            fault(&rule.reason, format!("{:?} is not a canonical reason; allowed: {}", rule.reason.get_ref(), allowed.join(", ")))
        })?;
        if rule.granularity != GranularitySpec::Fine && reason.class() != ReasonClass::Unclear && !rule.keep_class {
            let unclear: Vec<&str> = Reason::ALL.iter().filter(|r| r.class() == ReasonClass::Unclear).map(|r| r.code()).collect();
            let what = format!(
                "a word that says little is a reason of class UR ({}), unless keep_class = true says that it is this one after all",
                unclear.join(", ")
            );
            return Err(fault(&rule.reason, what));
        }
        let dated = Dated { reason, from: rule.from.as_ref().map(day).transpose()?, until: rule.until.as_ref().map(day).transpose()? };
        if let (Some(from), Some(until), Some(at)) = (dated.from, dated.until, &rule.until)
            && until < from
        {
            return Err(fault(at, "ends before it begins"));
        }
        for code in &rule.codes {
            let known = codes.entry(code.get_ref().clone()).or_default();
            if known.iter().any(|k| k.overlaps(&dated)) {
                return Err(fault(code, format!("the code {:?} is mapped twice", code.get_ref())));
            }
            known.push(dated.clone());
        }
        for text in &rule.texts {
            regex(text)?;
            texts.push((text.get_ref().clone(), dated.clone()));
        }
    }
    let end = rules.last().map_or(0..0, Spanned::span);
    ReasonMap::new(codes, &texts).map_err(|what| Fault { span: end, what })
}

/// A day of the profile itself.
pub fn day(written: &Spanned<String>) -> Result<NaiveDate, Fault> {
    let read = DateFormat::from_word("yyyy-MM-dd").and_then(|f| f.read(written.get_ref()));
    read.ok_or_else(|| fault(written, "is not a day such as \"2019-03-14\""))
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

/// What a file may sum to.
fn amount(written: &Spanned<String>) -> Result<Fen, Fault> {
    let read = Fen::parse_yuan(written.get_ref()).ok().filter(|fen| fen.is_positive());
    read.ok_or_else(|| fault(written, "is not an amount in yuan above zero, such as \"5000000.00\""))
}

fn exchange(at: &Spanned<ExchangeSpec>, request: &Request, inbound: &[Inbound]) -> Result<Exchange, Fault> {
    let written = at.get_ref();
    let has_flag = |kind| inbound.iter().any(|i| i.kind == kind && matches!(i.content, Content::Flag(..)));
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
    if *written.absence_means.get_ref() != Absence::Unknown && written.response == Response::Delta {
        return Err(fault(&written.absence_means, "where each answer says only what is new, what it leaves out means nothing"));
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
        max_amount: written.max_amount.as_ref().map(amount).transpose()?,
        one_receiving_bank: written.split_by.is_some_and(|by| by == SplitBy::ReceivingBank),
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
        Dialect::Gbk
        | Dialect::GbkWeb
        | Dialect::GbkJava
        | Dialect::Cp936
        | Dialect::Gb18030
        | Dialect::Gb18030Of2005
        | Dialect::Gb18030Of2022
        | Dialect::Utf8 => b"",
    }
}
