//! The profile language as it is written: one `profile.toml` a bank. Unknown keys are refused, and everything that the plan
//! may find wrong keeps its place in the file, so that an error can point at it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::charset::Dialect;
use super::profile::{Absence, BindingKey, DebitModel, PublishMode, Readiness, Response, ReturnSemantics};
use crate::domain::exchange::{InboundKind, Outcome};

/// A profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub id: Spanned<String>,
    pub version: Spanned<u32>,
    pub title_zh: Spanned<String>,
    pub charset: Dialect,
    pub newline: Newline,
    pub exchange: Spanned<ExchangeSpec>,
    #[serde(default)]
    pub extra: BTreeMap<String, Spanned<ExtraSpec>>,
    pub request: Spanned<RequestSpec>,
    pub enquiry: Option<Spanned<EnquirySpec>>,
    pub inbound: Vec<Spanned<InboundSpec>>,
    pub layout: BTreeMap<String, Spanned<LayoutSpec>>,
    #[serde(default)]
    pub status: BTreeMap<String, Vec<Spanned<StatusSpec>>>,
    #[serde(default)]
    pub reason: Vec<Spanned<ReasonSpec>>,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSpec {
    pub return_semantics: ReturnSemantics,
    pub debit_model: DebitModel,
    pub binding: Spanned<Vec<BindingKey>>,
    pub publish: Spanned<PublishMode>,
    pub ready: Spanned<Readiness>,
    pub response: Response,
    #[serde(default = "absence_unknown")]
    pub absence_means: Spanned<Absence>,
    pub max_rows: Spanned<u64>,
    pub max_amount: Option<Spanned<String>>,
    #[serde(default)]
    pub re_dated: bool,
    #[serde(default)]
    pub recurring_path: bool,
    pub ack_within_minutes: Option<Spanned<u32>>,
    pub expected_within_days: u32,
    pub late_after_days: Spanned<u32>,
    pub abandon_after_days: Spanned<u32>,
    #[serde(default)]
    pub returns_within_days: u32,
}

fn absence_unknown() -> Spanned<Absence> {
    Spanned::new(0..0, Absence::Unknown)
}

/// A value beyond the common ones, from the agreement with the bank.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraSpec {
    pub pattern: Spanned<String>,
    pub default: Option<Spanned<String>>,
}

/// What we send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    pub dir: Spanned<String>,
    pub name: Spanned<String>,
    pub key: Spanned<String>,
    pub layout: Spanned<String>,
    pub flag_name: Option<Spanned<String>>,
    pub flag: Option<Spanned<String>>,
    pub zip: Option<Spanned<ZipSpec>>,
}

/// A package around the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZipSpec {
    pub member: Spanned<String>,
    pub store: Option<Spanned<bool>>,
    pub optional: Option<Spanned<bool>>,
    pub besides: Option<Spanned<Vec<Spanned<String>>>>,
    pub max_megabytes: Option<Spanned<u64>>,
    pub max_ratio: Option<Spanned<u64>>,
}

/// How we ask what became of payments (查询).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnquirySpec {
    pub dir: Spanned<String>,
    pub name: Spanned<String>,
    pub layout: Spanned<String>,
}

/// A file that the bank sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundSpec {
    pub kind: InboundKind,
    pub role: Spanned<String>,
    pub path: Spanned<String>,
    pub key: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub required: bool,
    pub layout: Option<Spanned<String>>,
    pub form: Option<Spanned<FormSpec>>,
    pub flag: Option<Spanned<String>>,
    pub of: Option<Spanned<String>>,
    pub zip: Option<Spanned<ZipSpec>>,
    pub status: Option<Spanned<String>>,
    pub file_status: Option<Spanned<String>>,
    pub outcome: Option<Spanned<Outcome>>,
    #[serde(rename = "final")]
    pub is_final: Option<Spanned<bool>>,
}

/// A statement in a form that the world's banks agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutSpec {
    pub syntax: Spanned<SyntaxSpec>,
    pub charset: Option<Dialect>,
    pub newline: Option<Spanned<Newline>>,
    pub delimiter: Option<Spanned<String>>,
    pub trailing_delimiter: Option<Spanned<TrailingSpec>>,
    pub escape: Option<Spanned<String>>,
    pub quote: Option<Spanned<String>>,
    #[serde(default)]
    pub quote_all: bool,
    pub prefix: Option<Spanned<usize>>,
    #[serde(default)]
    pub by_label: bool,
    #[serde(default)]
    pub skip_blank: bool,
    #[serde(default)]
    pub skip: Vec<Spanned<String>>,
    #[serde(default)]
    pub open_end: bool,
    pub indent: Option<Spanned<usize>>,
    pub record: Vec<Spanned<RecordSpec>>,
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
}

/// What stands at a place of a line: bytes from an offset, or a whole column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    pub at: Option<usize>,
    pub column: Option<usize>,
    pub is: String,
}

/// One kind of line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSpec {
    pub at: Spanned<Place>,
    pub starts_with: Option<Spanned<String>>,
    pub mark: Option<Spanned<MarkSpec>>,
    pub matches: Option<Spanned<String>>,
    pub line: Option<Spanned<u64>>,
    pub pattern: Option<Spanned<String>>,
    pub path: Option<Spanned<String>>,
    pub length: Option<Spanned<usize>>,
    pub lengths: Option<Spanned<Vec<usize>>>,
    pub columns: Option<Spanned<Vec<usize>>>,
    #[serde(default)]
    pub optional: bool,
    pub field: Vec<Spanned<FieldSpec>>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignSpec {
    /// Before the digits.
    Leading,
    /// Behind them.
    Trailing,
}

/// A column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    pub name: Spanned<String>,
    pub path: Option<Spanned<String>>,
    pub value: Option<Spanned<String>>,
    pub literal: Option<Spanned<String>>,
    pub text: Option<Spanned<String>>,
    #[serde(default)]
    pub blank: bool,
    #[serde(rename = "in")]
    pub take: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub kind: Option<Spanned<TypeSpec>>,
    pub format: Option<Spanned<String>>,
    pub credit: Option<Spanned<String>>,
    pub debit: Option<Spanned<String>>,
    pub at: Option<Spanned<usize>>,
    pub width: Option<Spanned<usize>>,
    pub fill: Option<Spanned<String>>,
    pub max_bytes: Option<Spanned<usize>>,
    pub strip: Option<StripSpec>,
    #[serde(default)]
    pub strip_wide: bool,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub signed: bool,
    pub sign: Option<Spanned<SignSpec>>,
    pub decimals: Option<Spanned<usize>>,
    pub point: Option<Spanned<String>>,
    pub grouping: Option<Spanned<String>>,
    pub when_present: Option<Spanned<String>>,
    pub words_after: Option<Spanned<String>>,
    #[serde(default)]
    pub label: String,
    pub title: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    pub empty_as: Option<String>,
    pub code_pattern: Option<Spanned<String>>,
    #[serde(default)]
    pub exact: bool,
    pub truncate: Option<Spanned<TruncateSpec>>,
    pub prefix: Option<Spanned<usize>>,
}

/// What becomes of a value that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TruncateSpec {
    /// It is refused.
    Forbid,
    /// It is cut behind a whole character, and the file says so.
    Allow,
}

/// A rule of a status map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusSpec {
    pub is: Option<Vec<String>>,
    pub matches: Option<Spanned<String>>,
    #[serde(default)]
    pub otherwise: bool,
    pub codes: Option<Vec<String>>,
    pub text: Option<Spanned<String>>,
    pub outcome: Outcome,
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// Codes and words that mean one canonical reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonSpec {
    pub reason: Spanned<String>,
    #[serde(default)]
    pub codes: Vec<Spanned<String>>,
    #[serde(default)]
    pub texts: Vec<Spanned<String>>,
    #[serde(default)]
    pub granularity: GranularitySpec,
    #[serde(default)]
    pub keep_class: bool,
    pub from: Option<Spanned<String>>,
    pub until: Option<Spanned<String>>,
}

/// How much a bank's word says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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
