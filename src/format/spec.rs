//! The profile language as it is written: one `profile.toml` a bank. Unknown keys are refused, and everything that the plan
//! may find wrong keeps its place in the file, so that an error can point at it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::charset::Dialect;
use super::profile::{Absence, BindingKey, DebitModel, PublishMode, Readiness, Response, ReturnSemantics};
use super::substitute::SubstituteSpec;
use crate::domain::exchange::{InboundKind, Outcome};

/// A profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The profile's name: that of its folder, which agreements give.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// Grows with every change: each file is pinned to the profile that wrote it.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// What people call it.
    #[schemars(with = "String")]
    pub title_zh: Spanned<String>,
    /// The character set of all files, where a layout says no other.
    pub charset: Dialect,
    /// How lines end.
    pub newline: Newline,
    /// How the exchange with the bank goes.
    #[schemars(with = "ExchangeSpec")]
    pub exchange: Spanned<ExchangeSpec>,
    /// Values beyond the common ones, from the agreement with the bank.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ExtraSpec>")]
    pub extra: BTreeMap<String, Spanned<ExtraSpec>>,
    /// What we send.
    #[schemars(with = "RequestSpec")]
    pub request: Spanned<RequestSpec>,
    /// How we ask what became of payments (查询).
    #[schemars(with = "Option<EnquirySpec>")]
    pub enquiry: Option<Spanned<EnquirySpec>>,
    /// The files that the bank sends.
    #[schemars(with = "Vec<InboundSpec>")]
    pub inbound: Vec<Spanned<InboundSpec>>,
    /// How files are laid out, by name.
    #[schemars(with = "BTreeMap<String, LayoutSpec>")]
    pub layout: BTreeMap<String, Spanned<LayoutSpec>>,
    /// Status maps, by name: the first rule that fits decides.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<StatusSpec>>")]
    pub status: BTreeMap<String, Vec<Spanned<StatusSpec>>>,
    /// What the bank's codes and words mean.
    #[serde(default)]
    #[schemars(with = "Vec<ReasonSpec>")]
    pub reason: Vec<Spanned<ReasonSpec>>,
    /// Characters of names that the bank cannot take, and what was agreed to write instead (生僻字替换).
    #[serde(default)]
    #[schemars(with = "Vec<SubstituteSpec>")]
    pub substitute: Vec<Spanned<SubstituteSpec>>,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Newline {
    /// LF.
    Lf,
    /// CR LF.
    Crlf,
    /// Either, line by line; only for what a bank sends.
    Either,
}

/// How the exchange with the bank goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSpec {
    /// What an answer set must hold (回盘方式).
    pub return_semantics: ReturnSemantics,
    /// How the payer's account is debited (扣款方式).
    pub debit_model: DebitModel,
    /// By what an answer is tied to its payment, in order.
    #[schemars(with = "Vec<BindingKey>")]
    pub binding: Spanned<Vec<BindingKey>>,
    /// How a file of ours becomes visible.
    #[schemars(with = "PublishMode")]
    pub publish: Spanned<PublishMode>,
    /// How a file of theirs is known to be whole.
    #[schemars(with = "Readiness")]
    pub ready: Spanned<Readiness>,
    /// How a later answer relates to an earlier one.
    pub response: Response,
    /// What a payment without a row is, and then only where counts and amounts prove it.
    #[serde(default = "absence_unknown")]
    #[schemars(with = "Absence")]
    pub absence_means: Spanned<Absence>,
    /// Payments that a file takes at most; what is more goes into the next.
    #[schemars(with = "u64")]
    pub max_rows: Spanned<u64>,
    /// Yuan that a file may sum to at most, as text.
    #[schemars(with = "Option<String>")]
    pub max_amount: Option<Spanned<String>>,
    /// What all payments of a file share, beside their payer.
    pub split_by: Option<SplitBy>,
    /// A file that is sent on another day needs that day's date.
    #[serde(default)]
    pub re_dated: bool,
    /// The path recurs: one file at a time is under way on it.
    #[serde(default)]
    pub recurring_path: bool,
    /// Minutes from sending until the acknowledgement is overdue.
    #[schemars(with = "Option<u32>")]
    pub ack_within_minutes: Option<Spanned<u32>>,
    /// Working days from sending until the result is expected.
    pub expected_within_days: u32,
    /// Working days until it is late, and the bank is asked.
    #[schemars(with = "u32")]
    pub late_after_days: Spanned<u32>,
    /// Working days until a person must decide.
    #[schemars(with = "u32")]
    pub abandon_after_days: Spanned<u32>,
    /// Calendar days for which a success may still be sent back (退票).
    #[serde(default)]
    pub returns_within_days: u32,
}

/// What all payments of a file share. They always share their payer: a file is of one agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The bank that is paid (收款行).
    ReceivingBank,
}

fn absence_unknown() -> Spanned<Absence> {
    Spanned::new(0..0, Absence::Unknown)
}

/// A value beyond the common ones, from the agreement with the bank.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraSpec {
    /// What a value must look like: a regular expression for the whole of it.
    #[schemars(with = "String")]
    pub pattern: Spanned<String>,
    /// What it is where the agreement says nothing.
    #[schemars(with = "Option<String>")]
    pub default: Option<Spanned<String>>,
}

/// What we send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The folder below the bank's inbox; empty for the inbox itself.
    #[schemars(with = "String")]
    pub dir: Spanned<String>,
    /// The file's name, with values in braces.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// What the request and its answers share.
    #[schemars(with = "String")]
    pub key: Spanned<String>,
    /// The layout that it is written in.
    #[schemars(with = "String")]
    pub layout: Spanned<String>,
    /// The name of the flag, sidecar or control message.
    #[schemars(with = "Option<String>")]
    pub flag_name: Option<Spanned<String>>,
    /// What stands in it.
    #[schemars(with = "Option<String>")]
    pub flag: Option<Spanned<String>>,
    /// The package around the file.
    #[schemars(with = "Option<ZipSpec>")]
    pub zip: Option<Spanned<ZipSpec>>,
}

/// A package around the file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZipSpec {
    /// The name of the one member.
    #[schemars(with = "String")]
    pub member: Spanned<String>,
    /// Not compressed.
    #[schemars(with = "Option<bool>")]
    pub store: Option<Spanned<bool>>,
    /// Of a bank's: a plain file is read as it is.
    #[schemars(with = "Option<bool>")]
    pub optional: Option<Spanned<bool>>,
    /// Of a bank's: patterns of members that mean nothing.
    #[schemars(with = "Option<Vec<String>>")]
    pub besides: Option<Spanned<Vec<Spanned<String>>>>,
    /// Of a bank's: unpacked size at most, 1024 if not said.
    #[schemars(with = "Option<u64>")]
    pub max_megabytes: Option<Spanned<u64>>,
    /// Of a bank's: how far it may be compressed, 200 if not said.
    #[schemars(with = "Option<u64>")]
    pub max_ratio: Option<Spanned<u64>>,
}

/// How we ask what became of payments (查询).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnquirySpec {
    /// The folder below the bank's inbox.
    #[schemars(with = "String")]
    pub dir: Spanned<String>,
    /// The file's name, with `{asked:MMdd}`, the day of asking.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The layout that it is written in.
    #[schemars(with = "String")]
    pub layout: Spanned<String>,
}

/// A file that the bank sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboundSpec {
    /// What kind of word the file brings.
    pub kind: InboundKind,
    /// Its name within its answer set.
    #[schemars(with = "String")]
    pub role: Spanned<String>,
    /// Where it lies below the bank's outbox, with values in braces.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// What it shares with the request; that of the request if left out.
    #[schemars(with = "Option<String>")]
    pub key: Option<Spanned<String>>,
    /// The set is incomplete without it.
    #[serde(default = "yes")]
    pub required: bool,
    /// The layout that it is written in.
    #[schemars(with = "Option<String>")]
    pub layout: Option<Spanned<String>>,
    /// A statement in a form of the world's banks, instead of a layout.
    #[schemars(with = "Option<FormSpec>")]
    pub form: Option<Spanned<FormSpec>>,
    /// It is a flag: what stands in it.
    #[schemars(with = "Option<String>")]
    pub flag: Option<Spanned<String>>,
    /// Of a flag: the role of the file that it speaks of.
    #[schemars(with = "Option<String>")]
    pub of: Option<Spanned<String>>,
    /// The package around it.
    #[schemars(with = "Option<ZipSpec>")]
    pub zip: Option<Spanned<ZipSpec>>,
    /// The status map of its rows.
    #[schemars(with = "Option<String>")]
    pub status: Option<Spanned<String>>,
    /// The status map of what stands above its rows.
    #[schemars(with = "Option<String>")]
    pub file_status: Option<Spanned<String>>,
    /// What every row of it means, where no status stands in a row.
    #[schemars(with = "Option<Outcome>")]
    pub outcome: Option<Spanned<Outcome>>,
    /// Whether that is final.
    #[serde(rename = "final")]
    #[schemars(with = "Option<bool>")]
    pub is_final: Option<Spanned<bool>>,
}

/// A statement in a form that the world's banks agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormSpec {
    /// camt.053, .052 or .054 of ISO 20022.
    Camt,
    /// MT940 or MT942 of SWIFT.
    Mt,
}

const fn yes() -> bool {
    true
}

/// The syntaxes that records can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyntaxSpec {
    /// Columns between delimiters; decoded, then split.
    Delimited,
    /// Columns of fixed width in bytes; cut, then decoded.
    Fixed,
    /// Each value behind its own length in digits (LLLVAR); cut, then decoded.
    Prefixed,
    /// A workbook's first sheet (.xlsx): cells of text.
    Sheet,
    /// Elements and attributes, each column by its path.
    Xml,
}

/// Whether the last column is followed by a delimiter too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSpec {
    /// Never.
    #[default]
    No,
    /// Always.
    Yes,
    /// Either, line by line; we write none.
    Tolerant,
}

impl JsonSchema for TrailingSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TrailingSpec".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [true, false, "tolerant"], "description": "Whether the last column is followed by a delimiter too." })
    }
}

impl<'de> Deserialize<'de> for TrailingSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl serde::de::Visitor<'_> for Word {
            type Value = TrailingSpec;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or \"tolerant\"")
            }
            fn visit_bool<E: serde::de::Error>(self, is_there: bool) -> Result<TrailingSpec, E> {
                Ok(if is_there { TrailingSpec::Yes } else { TrailingSpec::No })
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<TrailingSpec, E> {
                if word == "tolerant" { Ok(TrailingSpec::Tolerant) } else { Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)) }
            }
        }
        deserializer.deserialize_any(Word)
    }
}

/// How a file's lines are laid out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayoutSpec {
    /// How records are written.
    #[schemars(with = "SyntaxSpec")]
    pub syntax: Spanned<SyntaxSpec>,
    /// The character set, where it is another than the profile's.
    pub charset: Option<Dialect>,
    /// How lines end, where it is otherwise than the profile says.
    #[schemars(with = "Option<Newline>")]
    pub newline: Option<Spanned<Newline>>,
    /// One or more signs between columns.
    #[schemars(with = "Option<String>")]
    pub delimiter: Option<Spanned<String>>,
    /// The last column is followed by a delimiter too.
    #[schemars(with = "Option<TrailingSpec>")]
    pub trailing_delimiter: Option<Spanned<TrailingSpec>>,
    /// What takes its meaning from the sign behind it.
    #[schemars(with = "Option<String>")]
    pub escape: Option<Spanned<String>>,
    /// What stands around a column that holds a delimiter.
    #[schemars(with = "Option<String>")]
    pub quote: Option<Spanned<String>>,
    /// Every column is quoted.
    #[serde(default)]
    pub quote_all: bool,
    /// Digits of a length (prefixed); 3 if not said.
    #[schemars(with = "Option<usize>")]
    pub prefix: Option<Spanned<usize>>,
    /// Columns are known by the label that each begins with, in any order.
    #[serde(default)]
    pub by_label: bool,
    /// Blank lines mean nothing.
    #[serde(default)]
    pub skip_blank: bool,
    /// Patterns of lines that mean nothing.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub skip: Vec<Spanned<String>>,
    /// The last line may lack its end.
    #[serde(default)]
    pub open_end: bool,
    /// Blanks by which an inner element is set in (xml).
    #[schemars(with = "Option<usize>")]
    pub indent: Option<Spanned<usize>>,
    /// The kinds of lines.
    #[schemars(with = "Vec<RecordSpec>")]
    pub record: Vec<Spanned<RecordSpec>>,
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The first line.
    First,
    /// Every line that is neither first nor last.
    Each,
    /// The last line.
    Last,
    /// Anywhere and any number of times; it says something of the file, or nothing.
    Any,
    /// In XML: an element around some of the repeated ones.
    Group,
    /// In XML: bytes of a fixed length before the document, cut as in a fixed layout.
    Prologue,
}

/// What stands at a place of a line: bytes from an offset, or a whole column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// At which byte, from 0.
    pub at: Option<usize>,
    /// In which column, from 1.
    pub column: Option<usize>,
    /// What stands there.
    pub is: String,
}

/// One kind of line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSpec {
    /// Where it stands in the file.
    #[schemars(with = "Place")]
    pub at: Spanned<Place>,
    /// It begins so.
    #[schemars(with = "Option<String>")]
    pub starts_with: Option<Spanned<String>>,
    /// A mark at a place tells it from others.
    #[schemars(with = "Option<MarkSpec>")]
    pub mark: Option<Spanned<MarkSpec>>,
    /// It looks so.
    #[schemars(with = "Option<String>")]
    pub matches: Option<Spanned<String>>,
    /// It is the line of this number.
    #[schemars(with = "Option<u64>")]
    pub line: Option<Spanned<u64>>,
    /// The whole line; its named groups are the fields' `group`s.
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Spanned<String>>,
    /// In XML: its element, from the root.
    #[schemars(with = "Option<String>")]
    pub path: Option<Spanned<String>>,
    /// Its length in bytes (fixed).
    #[schemars(with = "Option<usize>")]
    pub length: Option<Spanned<usize>>,
    /// Its lengths, where columns at the end are optional (fixed).
    #[schemars(with = "Option<Vec<usize>>")]
    pub lengths: Option<Spanned<Vec<usize>>>,
    /// Its allowed numbers of columns.
    #[schemars(with = "Option<Vec<usize>>")]
    pub columns: Option<Spanned<Vec<usize>>>,
    /// It may be missing.
    #[serde(default)]
    pub optional: bool,
    /// Its columns, in order.
    #[schemars(with = "Vec<FieldSpec>")]
    pub field: Vec<Spanned<FieldSpec>>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TypeSpec {
    /// Words.
    Text,
    /// An amount such as `12.30`.
    Yuan,
    /// An amount as a count of fen.
    Fen,
    /// An amount in jiao (角).
    Jiao,
    /// An amount in li (厘).
    Li,
    /// An amount in thousands of yuan (千元).
    Thousand,
    /// An amount in tens of thousands of yuan (万元).
    Wan,
    /// A count or number.
    Integer,
    /// A date; `format` says how.
    Date,
    /// In or out; `credit` and `debit` say by which word.
    Side,
}

/// Which end of a padded field the padding stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StripSpec {
    /// Nothing is padding.
    None,
    /// Behind the value.
    Trailing,
    /// Before and behind it.
    Both,
}

/// Where an amount's sign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignSpec {
    /// Before the digits.
    Leading,
    /// Behind them.
    Trailing,
}

/// A column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// What the bank calls it.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// In XML: `A/B` or `A/@c` below its record; `|` between places.
    #[schemars(with = "Option<String>")]
    pub path: Option<Spanned<String>>,
    /// A value of the vocabulary.
    #[schemars(schema_with = "super::schema::value", default)]
    pub value: Option<Spanned<String>>,
    /// Always this.
    #[schemars(with = "Option<String>")]
    pub literal: Option<Spanned<String>>,
    /// Composed: `{a}[;{b}]`; the part in brackets vanishes when a value in it is empty.
    #[schemars(with = "Option<String>")]
    pub text: Option<Spanned<String>>,
    /// Nothing but padding.
    #[serde(default)]
    pub blank: bool,
    /// What it is read as, where that is something else than it is written as.
    #[serde(rename = "in")]
    #[schemars(schema_with = "super::schema::value", default)]
    pub take: Option<Spanned<String>>,
    /// It must be read as we wrote the column of this name in the request.
    #[schemars(with = "Option<String>")]
    pub same_as: Option<Spanned<String>>,
    /// What its text is.
    #[serde(rename = "type")]
    #[schemars(with = "Option<TypeSpec>")]
    pub kind: Option<Spanned<TypeSpec>>,
    /// How a date is written.
    #[schemars(with = "Option<String>")]
    pub format: Option<Spanned<String>>,
    /// The word for money that came in.
    #[schemars(with = "Option<String>")]
    pub credit: Option<Spanned<String>>,
    /// The word for money that went out.
    #[schemars(with = "Option<String>")]
    pub debit: Option<Spanned<String>>,
    /// Its offset in bytes, checked.
    #[schemars(with = "Option<usize>")]
    pub at: Option<Spanned<usize>>,
    /// Its width in bytes.
    #[schemars(with = "Option<usize>")]
    pub width: Option<Spanned<usize>>,
    /// The sign that pads it.
    #[schemars(with = "Option<String>")]
    pub fill: Option<Spanned<String>>,
    /// Bytes that it holds at most.
    #[schemars(with = "Option<usize>")]
    pub max_bytes: Option<Spanned<usize>>,
    /// Which ends of it may be padding.
    pub strip: Option<StripSpec>,
    /// U+3000 is padding too.
    #[serde(default)]
    pub strip_wide: bool,
    /// It may be empty.
    #[serde(default)]
    pub optional: bool,
    /// It may be negative.
    #[serde(default)]
    pub signed: bool,
    /// Where an amount's sign stands.
    #[schemars(with = "Option<SignSpec>")]
    pub sign: Option<Spanned<SignSpec>>,
    /// Digits behind the point.
    #[schemars(with = "Option<usize>")]
    pub decimals: Option<Spanned<usize>>,
    /// The decimal point; `none`: implied.
    #[schemars(with = "Option<String>")]
    pub point: Option<Spanned<String>>,
    /// The sign between thousands.
    #[schemars(with = "Option<String>")]
    pub grouping: Option<Spanned<String>>,
    /// It counts only where this column is not empty.
    #[schemars(with = "Option<String>")]
    pub when_present: Option<Spanned<String>>,
    /// What it is read as begins behind these words.
    #[schemars(with = "Option<String>")]
    pub words_after: Option<Spanned<String>>,
    /// Words that stand before the value.
    #[serde(default)]
    pub label: String,
    /// The column's title in a row of titles.
    #[schemars(with = "Option<String>")]
    pub title: Option<Spanned<String>>,
    /// The named group of the record's pattern.
    #[schemars(with = "Option<String>")]
    pub group: Option<Spanned<String>>,
    /// Our words and theirs.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// What an empty column means.
    pub empty_as: Option<String>,
    /// The code with which a sentence begins.
    #[schemars(with = "Option<String>")]
    pub code_pattern: Option<Spanned<String>>,
    /// It has exactly `width` bytes between delimiters too.
    #[serde(default)]
    pub exact: bool,
    /// What becomes of a value that is too long.
    #[schemars(with = "Option<TruncateSpec>")]
    pub truncate: Option<Spanned<TruncateSpec>>,
    /// Digits of its length, where it is otherwise than the layout says.
    #[schemars(with = "Option<usize>")]
    pub prefix: Option<Spanned<usize>>,
}

/// What becomes of a value that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TruncateSpec {
    /// It is refused.
    Forbid,
    /// It is cut behind a whole character, and the file says so.
    Allow,
}

/// A rule of a status map.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSpec {
    /// The status is one of these.
    pub is: Option<Vec<String>>,
    /// The status looks so.
    #[schemars(with = "Option<String>")]
    pub matches: Option<Spanned<String>>,
    /// Whatever the status is.
    #[serde(default)]
    pub otherwise: bool,
    /// Only with one of these reason codes.
    pub codes: Option<Vec<String>>,
    /// Only where the words look so.
    #[schemars(with = "Option<String>")]
    pub text: Option<Spanned<String>>,
    /// What it means.
    pub outcome: Outcome,
    /// Whether that is the last word.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// Codes and words that mean one canonical reason.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonSpec {
    /// The canonical reason.
    #[schemars(schema_with = "super::schema::reason")]
    pub reason: Spanned<String>,
    /// The bank's codes for it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub codes: Vec<Spanned<String>>,
    /// Patterns of the bank's words for it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub texts: Vec<Spanned<String>>,
    /// How much the bank's word says.
    #[serde(default)]
    pub granularity: GranularitySpec,
    /// Its class stays, though the word is coarse.
    #[serde(default)]
    pub keep_class: bool,
    /// From this day on.
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<String>>,
    /// Until this day.
    #[schemars(with = "Option<String>")]
    pub until: Option<Spanned<String>>,
}

/// How much a bank's word says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GranularitySpec {
    /// One cause.
    #[default]
    Fine,
    /// Several causes under one word.
    Coarse,
    /// Nothing.
    None,
}
