//! A bank's profile (银行接口规格): read from `bank-formats/<id>/profile.toml`, checked once, then asked. It is pinned to
//! every file by its digest, so that any node renders the same bytes years later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::columns;
use super::explain::{Explained, explain};
use super::flag::FlagPattern;
use super::layout::Layout;
use super::meaning::Phrases;
use super::package::{self, Packing};
use super::parse;
use super::plan::{self, Content, Plan};
use super::render::{FieldFault, RenderError, Renderer};
use super::spec::Spec;
use super::statement::{self, Keep, Opened, Statement, StatementError};
use super::substitute;
use super::summary::{ParseSummary, Parsed};
use super::template::{PathToken, Piece};
use super::totals::{DigestKind, Tally, Totals, hex};
use crate::domain::exchange::{BatchFacts, InboundKind, PaymentLine, Repeat};
use crate::domain::masked::Name;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// What the bank's answer set must hold (回盘方式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReturnSemantics {
    /// Every payment.
    AllRows,
    /// Failures; the rest is paid where count and amount prove it.
    FailuresOnly,
    /// One file of successes and one of failures; together they are the request.
    SplitSuccessFailure,
    /// Failures if there are any, else successes.
    FailuresElseSuccesses,
    /// A summary; the rows must be asked for.
    SummaryThenQuery,
}

/// How the payer's account is debited (扣款方式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DebitModel {
    /// For the successes only.
    Net,
    /// For the whole file; what failed is sent back later.
    Gross,
    /// As gross, after the balance was tested for the whole file.
    GrossCheckedUpfront,
}

/// By what an answer is tied to its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BindingKey {
    /// Our reference, echoed.
    Reference,
    /// The line's number in our file, echoed.
    Seq,
    /// Account and amount, where they are unique.
    AccountAmount,
    /// Account, name and amount, where they are unique.
    AccountNameAmount,
}

/// How a file of ours becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishMode {
    /// Uploaded under a part name, then renamed.
    Rename,
    /// Written in place; a flag file behind it says that it is whole.
    Flag,
    /// Written in place; nothing says that it is whole.
    Direct,
}

/// How a file of theirs is known to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Size and time the same twice.
    Stable,
    /// A flag file beside it.
    Flag,
    /// Every file of the set is there.
    Pair,
    /// The bank renames it into place.
    Rename,
}

/// How a later answer relates to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Each repeats what was said before and adds to it.
    Cumulative,
    /// Each says only what is new.
    Delta,
    /// Each stands for the whole.
    Replace,
}

/// What a payment that no row answers may mean, *and then only where counts and amounts prove it*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// Nothing.
    Unknown,
    /// It was paid.
    Paid,
    /// It failed.
    Failed,
}

/// How the exchange with a bank goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What an answer set must hold.
    pub return_semantics: ReturnSemantics,
    /// How the payer's account is debited.
    pub debit_model: DebitModel,
    /// By what answers are tied to payments, in order.
    pub binding: Vec<BindingKey>,
    /// How our file becomes visible.
    pub publish: PublishMode,
    /// How their result is known to be whole.
    pub ready: Readiness,
    /// Whether the bank acknowledges files.
    pub has_ack: bool,
    /// How a later answer relates to an earlier one.
    pub response: Response,
    /// What a missing row may mean.
    pub absence_means: Absence,
    /// Lines that a file may have at most.
    pub max_rows: u64,
    /// What they may sum to at most.
    pub max_amount: Option<Fen>,
    /// Whether all payments of a file go to one bank.
    pub one_receiving_bank: bool,
    /// Whether a file that is sent again on another day needs that day's date.
    pub re_dated: bool,
    /// Whether the path recurs, so that one file at a time may be under way on it.
    pub recurring_path: bool,
    /// Minutes from sending until the ack is overdue.
    pub ack_within_minutes: Option<u32>,
    /// Working days from sending until the result is expected.
    pub expected_within_days: u32,
    /// Working days until it is late, and the bank is asked.
    pub late_after_days: u32,
    /// Working days until a person must decide.
    pub abandon_after_days: u32,
    /// Calendar days for which a success may still be sent back (退票).
    pub returns_within_days: u32,
}

/// Where a file of ours goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundNames {
    /// The folder below the bank's inbox; empty for the inbox itself.
    pub dir: String,
    /// The data file's name.
    pub data: String,
    /// The flag file's name.
    pub flag: Option<String>,
    /// The business key, which the bank's answers carry in their names.
    pub key: String,
}

/// Why a file cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The day's numbers are used up. They never wrap.
    #[error(
        "number {seq_no} does not fit the {digits} digits of this bank's file names; send the rest on another day, or agree on longer names"
    )]
    SequenceExhausted { seq_no: u32, digits: usize },
    /// A value of the name is missing.
    #[error("the file name needs {0:?}, which is empty; set it in the agreement with the bank")]
    Missing(String),
    /// A value of the name could leave the folder, or is not what the profile allows.
    #[error("the value of {name:?} ({length} characters) is not allowed in a file name; set it right in the agreement with the bank")]
    NotAllowed { name: String, length: usize },
}

/// What a file of theirs is, told from its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundName {
    /// What kind of word it brings.
    pub kind: InboundKind,
    /// Which file of the answer set it is.
    pub role: String,
    /// The business key; of a result, that of our request.
    pub key: String,
    /// Of an answer to an enquiry: the day of asking as the path writes it, if it does. About one file it is asked more than once.
    pub asked: Option<String>,
}

/// A file of an answer set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSpec {
    /// Its name in the profile.
    pub role: String,
    /// Whether it only says that the others are whole.
    pub is_flag: bool,
    /// Whether the set is incomplete without it.
    pub required: bool,
    /// Of a flag: the role of the file that it speaks of.
    pub of: Option<String>,
}

/// Why a profile cannot be used: the place, what is wrong there, and what is allowed.
#[derive(Debug, thiserror::Error)]
pub struct ProfileError {
    /// The file.
    pub file: PathBuf,
    /// From 1; 0 where the file could not be read at all.
    pub line: usize,
    /// From 1, in characters; 0 where the file could not be read at all.
    pub column: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.what),
            line => write!(f, "{}:{line}:{}: {}", self.file.display(), self.column, self.what),
        }
    }
}

/// A bank's profile, checked.
#[derive(Debug)]
pub struct Profile {
    id: String,
    version: u32,
    title_zh: String,
    digest: String,
    roles: BTreeMap<InboundKind, Vec<RoleSpec>>,
    pub(super) plan: Plan,
}

impl Profile {
    /// Reads and checks `dir/profile.toml`.
    ///
    /// # Errors
    /// The first fault, with its file, line and column, and what is allowed there.
    pub fn load(dir: &Path) -> Result<Self, ProfileError> {
        let file = dir.join("profile.toml");
        let unreadable = |what: String| ProfileError { file: file.clone(), line: 0, column: 0, what };
        let bytes = std::fs::read(&file).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|e| unreadable(format!("is not UTF-8: {e}")))?;
        Self::read(&text, &file)
    }

    /// Checks a profile's text; `file` is where errors say that it stands.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn read(text: &str, file: &Path) -> Result<Self, ProfileError> {
        let error = |at: usize, what: String| {
            let head = text.get(..at).unwrap_or(text);
            let line_head = head.rfind('\n').map_or(0, |i| i + 1);
            let column = head.get(line_head..).unwrap_or_default().chars().count() + 1;
            ProfileError { file: file.to_path_buf(), line: head.matches('\n').count() + 1, column, what }
        };
        let spec: Spec = toml::from_str(text).map_err(|e| error(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
        let plan = plan::plan(&spec).map_err(|fault| error(fault.span.start, fault.what))?;
        let mut roles: BTreeMap<InboundKind, Vec<RoleSpec>> = BTreeMap::new();
        for file in &plan.inbound {
            let of = if let Content::Flag(_, of) = &file.content { Some(of.clone()) } else { None };
            let role = RoleSpec { role: file.role.clone(), is_flag: of.is_some(), required: file.required, of };
            roles.entry(file.kind).or_default().push(role);
        }
        Ok(Self {
            roles,
            id: spec.id.into_inner(),
            version: spec.version.into_inner(),
            title_zh: spec.title_zh.into_inner(),
            digest: hex(&Sha256::digest(text.as_bytes())),
            plan,
        })
    }

    /// Its name, as agreements give it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of `profile.toml` in lower-case hex: what files are pinned to.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What people call it.
    #[must_use]
    pub fn title_zh(&self) -> &str {
        &self.title_zh
    }

    /// How the exchange goes.
    #[must_use]
    pub const fn exchange(&self) -> &Exchange {
        &self.plan.exchange
    }

    /// How a set of this kind is known to be whole: a flag where the kind has one, a pair where it has two files, else
    /// what the profile says of its results.
    #[must_use]
    pub fn readiness(&self, kind: InboundKind) -> Readiness {
        let of_kind = || self.plan.inbound.iter().filter(|i| i.kind == kind);
        let data_files = of_kind().filter(|i| matches!(i.content, Content::Lines { .. } | Content::Statement(_))).count();
        match (self.plan.exchange.ready, of_kind().count() > data_files) {
            (_, true) => Readiness::Flag,
            (_, false) if data_files > 1 => Readiness::Pair,
            (Readiness::Rename, false) => Readiness::Rename,
            (Readiness::Stable | Readiness::Flag | Readiness::Pair, false) => Readiness::Stable,
        }
    }

    /// Where a file of ours goes.
    ///
    /// # Errors
    /// When a value of the name is missing, not allowed, or the day's numbers are used up.
    pub fn instruction_names(&self, facts: &BatchFacts) -> Result<OutboundNames, NameError> {
        let request = &self.plan.request;
        let expand = |pieces, name: &str| self.expand(pieces, facts, name, facts.date);
        let data = expand(&request.name, "")?;
        let flag = request.flag_name.as_ref().map(|pieces| expand(pieces, &data)).transpose()?;
        Ok(OutboundNames { dir: expand(&request.dir, &data)?, key: expand(&request.key, &data)?, data, flag })
    }

    /// The name of the file in our package.
    pub(super) fn member_name(&self, packing: &Packing, facts: &BatchFacts) -> Result<String, NameError> {
        let data = self.expand(&self.plan.request.name, facts, "", facts.date)?;
        self.expand(&packing.member, facts, &data, facts.date)
    }

    /// Whether the bank can be asked what became of payments, by a file.
    #[must_use]
    pub const fn has_enquiry(&self) -> bool {
        self.plan.enquiry.is_some()
    }

    /// Where an enquiry about a file of ours goes that is made on this day: folder and name. `None` where the bank takes none.
    ///
    /// # Errors
    /// As [`Profile::instruction_names`].
    pub fn enquiry_names(&self, facts: &BatchFacts, asked: NaiveDate) -> Result<Option<(String, String)>, NameError> {
        let Some(enquiry) = &self.plan.enquiry else { return Ok(None) };
        let data = self.expand(&self.plan.request.name, facts, "", facts.date)?;
        Ok(Some((self.expand(&enquiry.dir, facts, &data, asked)?, self.expand(&enquiry.name, facts, &data, asked)?)))
    }

    /// Begins an enquiry: `facts` are those of the file that is asked about, but for count and sum, which are of the lines asked
    /// about. A line keeps the number that it has in that file. `None` where the bank takes none.
    ///
    /// # Errors
    /// As [`Profile::renderer`].
    pub fn enquiry_renderer<W: Write>(&self, facts: &BatchFacts, out: W) -> Result<Option<Renderer<'_, W>>, RenderError> {
        self.plan.enquiry.as_ref().map(|enquiry| Renderer::enquiry(self, enquiry.layout, facts, out)).transpose()
    }

    fn expand(&self, pieces: &[Piece<PathToken>], facts: &BatchFacts, name: &str, asked: NaiveDate) -> Result<String, NameError> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Optional(_) | Piece::Value(PathToken::Account) => {}
                Piece::Value(PathToken::Slice(head, tail)) => {
                    let count = name.chars().count().saturating_sub(*tail);
                    out.extend(name.chars().take(count).skip(*head));
                }
                Piece::Value(PathToken::Date(format)) => out.push_str(&format.render(facts.date)),
                Piece::Value(PathToken::Asked(format)) => out.push_str(&format.render(asked)),
                Piece::Value(PathToken::SeqNo(digits)) => {
                    let number = format!("{:0digits$}", facts.seq_no);
                    if facts.seq_no == 0 || number.len() > *digits {
                        return Err(NameError::SequenceExhausted { seq_no: facts.seq_no, digits: *digits });
                    }
                    out.push_str(&number);
                }
                Piece::Value(PathToken::UnitNo) => out.push_str(plain("unit_no", &facts.unit_no)?),
                Piece::Value(PathToken::BatchNo) => out.push_str(plain("batch_no", &facts.batch_no)?),
                Piece::Value(PathToken::Name) => out.push_str(name),
                Piece::Value(PathToken::Extra(extra)) => out.push_str(plain(extra, self.extra(extra, facts)?)?),
            }
        }
        Ok(out)
    }

    /// A declared value: the agreement's, else the profile's default; either way it fits the pattern.
    pub(super) fn extra<'a>(&'a self, name: &str, facts: &'a BatchFacts) -> Result<&'a str, NameError> {
        let declared = self.plan.extras.get(name);
        let given = facts.extra.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let value = given.or_else(|| declared.and_then(|d| d.default.as_deref())).ok_or_else(|| NameError::Missing(name.to_owned()))?;
        match declared {
            Some(extra) if extra.pattern.is_match(value) => Ok(value),
            Some(_) | None => Err(NameError::NotAllowed { name: name.to_owned(), length: value.chars().count() }),
        }
    }

    /// Whether the bank asks the how-manieth payment to an account this is today.
    #[must_use]
    pub fn needs_ordinal(&self) -> bool {
        self.plan.layouts.get(self.plan.request.layout).is_some_and(Layout::puts_ordinal)
    }

    /// A name as this bank is told it: as it is, but for the characters that the profile's approved rules write otherwise.
    #[must_use]
    pub fn told_name(&self, name: &Name) -> Name {
        match substitute::told(&self.plan.substitutes, name.reveal()) {
            Cow::Borrowed(_) => name.clone(),
            Cow::Owned(told) => Name::new(told),
        }
    }

    /// A line as this bank is told it.
    #[must_use]
    pub fn told<'l>(&self, line: &'l PaymentLine) -> Cow<'l, PaymentLine> {
        match substitute::told(&self.plan.substitutes, line.payee_name.reveal()) {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(told) => Cow::Owned(PaymentLine { payee_name: Name::new(told), ..line.clone() }),
        }
    }

    /// Every value of this line that the bank's layout or character set cannot carry. Nothing is ever shortened, and nothing
    /// replaced but as the profile's approved rules say.
    #[must_use]
    pub fn check_line(&self, line: &PaymentLine) -> Vec<FieldFault> {
        columns::check_line(self, line)
    }

    /// Begins a file of ours, header first.
    ///
    /// # Errors
    /// When a value of the header cannot be written, or the writer fails.
    pub fn renderer<W: Write>(&self, facts: &BatchFacts, out: W) -> Result<Renderer<'_, W>, RenderError> {
        Renderer::new(self, facts, out)
    }

    /// What a path below the bank's outbox is, by its name alone. `None` for a name that the profile does not know.
    #[must_use]
    pub fn recognise(&self, rel_path: &str) -> Option<InboundName> {
        let path = rel_path.trim_start_matches('/');
        self.plan.inbound.iter().find_map(|file| {
            let key = file.recogniser.key(path)?;
            let asked = if file.kind == InboundKind::Enquiry { file.recogniser.asked(path) } else { None };
            Some(InboundName { kind: file.kind, role: file.role.clone(), key, asked })
        })
    }

    /// Folders below the bank's outbox to be listed for these dates; empty text for the outbox itself.
    #[must_use]
    pub fn inbound_dirs(&self, dates: &[NaiveDate]) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for file in &self.plan.inbound {
            let is_dated = file.dir.iter().any(|p| matches!(p, Piece::Value(_)));
            let expanded: Vec<String> = if is_dated {
                dates.iter().map(|d| plan::dated(&file.dir, *d)).collect()
            } else {
                vec![plan::dated(&file.dir, NaiveDate::default())]
            };
            for dir in expanded {
                if !out.contains(&dir) {
                    out.push(dir);
                }
            }
        }
        out
    }

    /// Folders below the bank's outbox, of these dates, in which something may still come of files long answered: returns,
    /// and results that go on being polled. None where such folders bear no date: they are listed anyway.
    #[must_use]
    pub fn late_dirs(&self, dates: &[NaiveDate]) -> Vec<String> {
        let is_late = |kind: InboundKind| match kind {
            InboundKind::Return | InboundKind::Enquiry => true,
            InboundKind::Result => self.plan.exchange.response != Response::Replace,
            InboundKind::Ack | InboundKind::Statement => false,
        };
        let mut out: Vec<String> = Vec::new();
        for file in self.plan.inbound.iter().filter(|f| is_late(f.kind) && f.dir.iter().any(|p| matches!(p, Piece::Value(_)))) {
            for dir in dates.iter().map(|d| plan::dated(&file.dir, *d)) {
                if !out.contains(&dir) {
                    out.push(dir);
                }
            }
        }
        out
    }

    /// The files that make one answer set of this kind; none where the bank sends no such word.
    #[must_use]
    pub fn roles(&self, kind: InboundKind) -> &[RoleSpec] {
        self.roles.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Reads a file of theirs as a stream: records and faults go to `sink` in the order of the lines.
    ///
    /// # Errors
    /// Only when reading fails, or when the profile has no such data file. What is wrong *in* the file is said by the sink and the summary.
    pub fn parse(&self, kind: InboundKind, role: &str, source: &mut dyn Read, sink: &mut dyn FnMut(Parsed)) -> io::Result<ParseSummary> {
        parse::parse(&self.plan, (kind, role, None), source, sink)
    }

    /// Reads a file whose bytes were digested already, for its flag.
    ///
    /// # Errors
    /// As [`Profile::parse`], and when its bytes are others now.
    pub fn parse_digested(
        &self,
        (kind, role): (InboundKind, &str),
        digested: Option<&Tally>,
        source: &mut dyn Read,
        sink: &mut dyn FnMut(Parsed),
    ) -> io::Result<ParseSummary> {
        parse::parse(&self.plan, (kind, role, digested), source, sink)
    }

    /// Reads the statements of a file that has a form of its own (camt, MT), and proves them; the movements are handed on as they
    /// come. `None` where the profile lays the file out instead.
    ///
    /// # Errors
    /// As [`statement::scan`], and where the file is of another form than the profile says.
    pub fn statements(&self, role: &str, opened: Opened<'_>, keep: Keep<'_>) -> Option<Result<Vec<Statement>, StatementError>> {
        let file = self.plan.inbound.iter().find(|i| i.kind == InboundKind::Statement && i.role == role)?;
        let Content::Statement(form) = file.content else { return None };
        Some(statement::scan_as(form, opened, keep))
    }

    /// Whether a statement's file has a form of its own.
    #[must_use]
    pub fn is_of_the_worlds_forms(&self, role: &str) -> bool {
        let is_it = |i: &&plan::Inbound| i.kind == InboundKind::Statement && i.role == role;
        self.plan.inbound.iter().find(is_it).is_some_and(|i| matches!(i.content, Content::Statement(_)))
    }

    /// Lays the first lines of a file over the fields of its layout; without a kind, of a payment file of ours.
    ///
    /// # Errors
    /// When reading fails, or when the profile has no such data file.
    pub fn explain(&self, of: Option<(InboundKind, &str)>, source: &mut dyn Read, most: usize) -> io::Result<Vec<Explained>> {
        let number = match of {
            None => Some(self.plan.request.layout),
            Some((kind, role)) => self.plan.inbound.iter().find(|i| i.kind == kind && i.role == role).and_then(|i| match &i.content {
                Content::Lines { layout, .. } => Some(*layout),
                Content::Flag(..) | Content::Statement(_) => None,
            }),
        };
        let layout = number.and_then(|n| self.plan.layouts.get(n));
        let layout = layout.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the profile lays no such file out"))?;
        let Some(rule) = self.plan.package(of) else { return explain(layout, source, most) };
        let mut explained = Vec::new();
        let package = package::unpack(rule, &[], source, &mut |text| explain(layout, text, most).map(|lines| explained = lines))?;
        package.problem.map_or(Ok(explained), |what| Err(io::Error::new(io::ErrorKind::InvalidData, what)))
    }

    /// The role of a file of this kind by its bare name, whatever folder it lies in.
    #[must_use]
    pub fn recognise_name(&self, kind: InboundKind, name: &str) -> Option<String> {
        self.plan.inbound.iter().filter(|i| i.kind == kind).find(|i| i.recogniser.fits_name(name)).map(|i| i.role.clone())
    }

    /// Whether the profile declares this value.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        self.plan.extras.contains_key(name)
    }

    /// The values that it declares.
    #[must_use]
    pub fn declared(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.plan.extras.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Reads a payment file of ours again: each line as an answer that says what was sent, no more.
    ///
    /// # Errors
    /// Only when reading fails.
    pub fn parse_sent(&self, source: &mut dyn Read, sink: &mut dyn FnMut(Parsed)) -> io::Result<ParseSummary> {
        parse::parse_sent(&self.plan, source, sink)
    }

    /// Every value of our request that the file's header or trailer repeats (unit number, file name, dates and the like) and
    /// that is not what we sent. Empty when all is as it was.
    #[must_use]
    pub fn differing_echoes(&self, facts: &BatchFacts, summary: &ParseSummary) -> Vec<String> {
        columns::differing_echoes(self, facts, &summary.echoed)
    }

    /// The columns of one of our lines that the bank gave back otherwise than they went, by name. Empty when all is as it was.
    #[must_use]
    pub fn differing_repeats(&self, facts: &BatchFacts, line: &PaymentLine, repeats: &[Repeat]) -> Vec<String> {
        columns::differing_repeats(self, facts, line, repeats)
    }

    /// The canonical reason in a bank's words, if the profile's map knows them.
    #[must_use]
    pub fn reason_of(&self, words: &str) -> Option<Reason> {
        Phrases::default().find(&self.plan.reasons, "", words, None)
    }

    /// Whether a flag file, or a sidecar, speaks of this data file and of what was found in it.
    ///
    /// # Errors
    /// Says which value differs. A kind without flags is an error too.
    pub fn check_flag(&self, kind: InboundKind, role: &str, flag: &[u8], data: &Tally, found: &Totals) -> Result<(), String> {
        let pattern = self.flag(kind, role);
        pattern
            .ok_or_else(|| format!("the profile {} knows no flag {role:?} for a file of kind {}", self.id, kind.code()))?
            .check(flag, data, found)
    }

    /// Whether a flag says anything of a file's bytes, so that they can be held against it before a line is read.
    #[must_use]
    pub fn flag_knows_bytes(&self, kind: InboundKind, role: &str) -> bool {
        self.flag(kind, role).is_some_and(FlagPattern::knows_bytes)
    }

    /// The digests that a flag speaks of.
    #[must_use]
    pub fn flag_digests(&self, kind: InboundKind, role: &str) -> Vec<DigestKind> {
        self.flag(kind, role).map(FlagPattern::digests).unwrap_or_default()
    }

    /// Whether a flag speaks of these bytes, whatever they mean.
    ///
    /// # Errors
    /// As [`Profile::check_flag`].
    pub fn check_flag_bytes(&self, kind: InboundKind, role: &str, flag: &[u8], data: &Tally) -> Result<(), String> {
        self.flag(kind, role).map_or(Ok(()), |pattern| pattern.check_bytes(flag, data))
    }

    fn flag(&self, kind: InboundKind, role: &str) -> Option<&FlagPattern> {
        self.plan.inbound.iter().filter(|i| i.kind == kind && i.role == role).find_map(|i| match &i.content {
            Content::Flag(pattern, _) => Some(pattern),
            Content::Lines { .. } | Content::Statement(_) => None,
        })
    }
}

/// A value that may stand in a path.
fn plain<'a>(name: &str, value: &'a str) -> Result<&'a str, NameError> {
    if value.is_empty() {
        return Err(NameError::Missing(name.to_owned()));
    }
    let is_plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_plain { Ok(value) } else { Err(NameError::NotAllowed { name: name.to_owned(), length: value.chars().count() }) }
}
