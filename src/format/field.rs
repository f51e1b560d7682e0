//! What a column may hold: the values of a payment line and of its batch, which we write, and the values of an answer or a
//! statement, which we read. Names here are the vocabulary of `profile.toml`.

use std::sync::Arc;

use regex::Regex;

use super::amount::MoneyForm;
use super::date::DateFormat;
use super::template::Piece;
use super::totals::DigestKind;

/// A value of a payment line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineValue {
    Reference,
    Seq,
    PayeeName,
    IdNumber,
    Account,
    BankCode,
    Amount,
    Mobile,
    ProjectShort,
    Remark,
    Ordinal,
}

/// A value of the batch, or of the file that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchValue {
    BatchNo,
    Date,
    SeqNo,
    UnitNo,
    PayerAccount,
    PayerName,
    PayerBank,
    Department,
    Project,
    Period,
    Count,
    Total,
    FileName,
    FileStem,
    ProjectShort,
    Extra(String),
    /// Over all bytes that stand before this record.
    Digest(DigestKind),
}

/// A value in a composed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextValue {
    Line(LineValue),
    Batch(BatchValue),
}

/// What is written into a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// A value of the line.
    Line(LineValue),
    /// A value of the batch.
    Batch(BatchValue),
    /// Always the same.
    Literal(String),
    /// Composed of values and words.
    Text(Vec<Piece<TextValue>>),
    /// Nothing but padding.
    Blank,
    /// The column stands only in what a bank sends.
    Nothing,
}

/// What a column is read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// Nothing.
    Ignore,
    /// Nothing, but it must be this.
    Literal(String),
    /// Compared with what we sent, by whoever knows it.
    Echo(BatchValue),
    /// Words.
    Text(TextTake),
    /// An amount.
    Money(MoneyTake),
    /// A count.
    Number(NumberTake),
    /// A day.
    Date(DateTake),
    /// In or out.
    Side,
    /// A digest over all bytes before this record.
    Digest(DigestKind),
    /// Compared with what we wrote into our column of this name, by whoever knows the line.
    Repeat(Arc<str>),
}

/// Words that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTake {
    Reference,
    PayeeName,
    IdNumber,
    Account,
    Status,
    Code,
    Text,
    BankRef,
    FileStatus,
    FileCode,
    FileText,
    GroupStatus,
    CounterAccount,
    CounterName,
}

/// Amounts that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyTake {
    Amount,
    Paid,
    Total,
    PaidTotal,
    FailedTotal,
    SentTotal,
    Opening,
    Closing,
    DebitTotal,
    CreditTotal,
}

/// Counts that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberTake {
    Seq,
    Count,
    PaidCount,
    FailedCount,
    SentCount,
    DebitCount,
    CreditCount,
}

/// Days that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateTake {
    ValueDate,
    Entry,
    From,
    To,
}

/// How a column's text is to be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Money(MoneyForm),
    Integer,
    Date(DateFormat),
    Side { credit: String, debit: String },
}

impl Kind {
    /// Whether padding stands before the value by custom.
    pub const fn is_number(&self) -> bool {
        match self {
            Self::Money(_) | Self::Integer => true,
            Self::Text | Self::Date(_) | Self::Side { .. } => false,
        }
    }
}

/// What kind of column a value asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Text,
    Money,
    Number,
    Date,
    Side,
}

/// The vocabulary: a name, what it writes, what it reads, what it is.
pub fn vocabulary() -> Vec<(&'static str, Put, Take, Nature)> {
    use Nature::{Date, Money, Number, Side, Text};
    let line = |v: LineValue| Put::Line(v);
    let batch = |v: BatchValue| Put::Batch(v);
    vec![
        ("reference", line(LineValue::Reference), Take::Text(TextTake::Reference), Text),
        ("seq", line(LineValue::Seq), Take::Number(NumberTake::Seq), Number),
        ("payee_name", line(LineValue::PayeeName), Take::Text(TextTake::PayeeName), Text),
        ("id_number", line(LineValue::IdNumber), Take::Text(TextTake::IdNumber), Text),
        ("account", line(LineValue::Account), Take::Text(TextTake::Account), Text),
        ("bank_code", line(LineValue::BankCode), Take::Ignore, Text),
        ("amount", line(LineValue::Amount), Take::Money(MoneyTake::Amount), Money),
        ("mobile", line(LineValue::Mobile), Take::Ignore, Text),
        ("project_short", line(LineValue::ProjectShort), Take::Ignore, Text),
        ("remark", line(LineValue::Remark), Take::Ignore, Text),
        ("ordinal", line(LineValue::Ordinal), Take::Ignore, Number),
        ("batch_no", batch(BatchValue::BatchNo), Take::Echo(BatchValue::BatchNo), Text),
        ("date", batch(BatchValue::Date), Take::Echo(BatchValue::Date), Date),
        ("seq_no", batch(BatchValue::SeqNo), Take::Echo(BatchValue::SeqNo), Number),
        ("unit_no", batch(BatchValue::UnitNo), Take::Echo(BatchValue::UnitNo), Text),
        ("payer_account", batch(BatchValue::PayerAccount), Take::Echo(BatchValue::PayerAccount), Text),
        ("payer_name", batch(BatchValue::PayerName), Take::Echo(BatchValue::PayerName), Text),
        ("payer_bank", batch(BatchValue::PayerBank), Take::Echo(BatchValue::PayerBank), Text),
        ("department", batch(BatchValue::Department), Take::Echo(BatchValue::Department), Text),
        ("project", batch(BatchValue::Project), Take::Echo(BatchValue::Project), Text),
        ("period", batch(BatchValue::Period), Take::Echo(BatchValue::Period), Text),
        ("file_name", batch(BatchValue::FileName), Take::Echo(BatchValue::FileName), Text),
        ("file_stem", batch(BatchValue::FileStem), Take::Echo(BatchValue::FileStem), Text),
        ("count", batch(BatchValue::Count), Take::Number(NumberTake::Count), Number),
        ("total", batch(BatchValue::Total), Take::Money(MoneyTake::Total), Money),
        ("batch_project_short", batch(BatchValue::ProjectShort), Take::Ignore, Text),
        ("md5", batch(BatchValue::Digest(DigestKind::Md5)), Take::Digest(DigestKind::Md5), Text),
        ("sm3", batch(BatchValue::Digest(DigestKind::Sm3)), Take::Digest(DigestKind::Sm3), Text),
        ("sha256", batch(BatchValue::Digest(DigestKind::Sha256)), Take::Digest(DigestKind::Sha256), Text),
        ("sent_count", batch(BatchValue::Count), Take::Number(NumberTake::SentCount), Number),
        ("sent_total", batch(BatchValue::Total), Take::Money(MoneyTake::SentTotal), Money),
        ("ignore", Put::Nothing, Take::Ignore, Text),
        ("paid", Put::Nothing, Take::Money(MoneyTake::Paid), Money),
        ("status", Put::Nothing, Take::Text(TextTake::Status), Text),
        ("code", Put::Nothing, Take::Text(TextTake::Code), Text),
        ("text", Put::Nothing, Take::Text(TextTake::Text), Text),
        ("bank_ref", Put::Nothing, Take::Text(TextTake::BankRef), Text),
        ("file_status", Put::Nothing, Take::Text(TextTake::FileStatus), Text),
        ("file_code", Put::Nothing, Take::Text(TextTake::FileCode), Text),
        ("file_text", Put::Nothing, Take::Text(TextTake::FileText), Text),
        ("group_status", Put::Nothing, Take::Text(TextTake::GroupStatus), Text),
        ("value_date", Put::Nothing, Take::Date(DateTake::ValueDate), Date),
        ("paid_count", Put::Nothing, Take::Number(NumberTake::PaidCount), Number),
        ("paid_total", Put::Nothing, Take::Money(MoneyTake::PaidTotal), Money),
        ("failed_count", Put::Nothing, Take::Number(NumberTake::FailedCount), Number),
        ("failed_total", Put::Nothing, Take::Money(MoneyTake::FailedTotal), Money),
        ("entry_date", Put::Nothing, Take::Date(DateTake::Entry), Date),
        ("side", Put::Nothing, Take::Side, Side),
        ("counter_account", Put::Nothing, Take::Text(TextTake::CounterAccount), Text),
        ("counter_name", Put::Nothing, Take::Text(TextTake::CounterName), Text),
        ("from", Put::Nothing, Take::Date(DateTake::From), Date),
        ("to", Put::Nothing, Take::Date(DateTake::To), Date),
        ("opening", Put::Nothing, Take::Money(MoneyTake::Opening), Money),
        ("closing", Put::Nothing, Take::Money(MoneyTake::Closing), Money),
        ("debit_count", Put::Nothing, Take::Number(NumberTake::DebitCount), Number),
        ("debit_total", Put::Nothing, Take::Money(MoneyTake::DebitTotal), Money),
        ("credit_count", Put::Nothing, Take::Number(NumberTake::CreditCount), Number),
        ("credit_total", Put::Nothing, Take::Money(MoneyTake::CreditTotal), Money),
    ]
}

impl LineValue {
    /// The name of the vocabulary, as faults carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Seq => "seq",
            Self::PayeeName => "payee_name",
            Self::IdNumber => "id_number",
            Self::Account => "account",
            Self::BankCode => "bank_code",
            Self::Amount => "amount",
            Self::Mobile => "mobile",
            Self::ProjectShort => "project_short",
            Self::Remark => "remark",
            Self::Ordinal => "ordinal",
        }
    }
}

/// How padding is taken off what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// Nothing is padding.
    None,
    /// The padding stands behind the value.
    Trailing,
    /// It may stand on both sides.
    Both,
}

/// A place below a record: elements, and perhaps an attribute of the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XmlPath {
    /// Element by element.
    pub steps: Vec<String>,
    /// The attribute's name.
    pub attribute: Option<String>,
}

/// A column, checked.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the profile.
    pub name: String,
    /// In XML: where it stands, below its record; the first is where it is written.
    pub paths: Vec<XmlPath>,
    /// What is written.
    pub put: Put,
    /// What is read.
    pub take: Take,
    /// How its text is understood.
    pub kind: Kind,
    /// Width in bytes: exact in fixed layouts; in delimited ones what is shorter is padded to it.
    pub width: Option<usize>,
    /// Bytes that the value may have at most.
    pub max_bytes: Option<usize>,
    /// The padding byte.
    pub fill: u8,
    /// How padding is taken off.
    pub strip: Strip,
    /// Whether U+3000 is padding too.
    pub strip_wide: bool,
    /// Whether the value may be missing.
    pub optional: bool,
    /// Blank unless this value of the line is there.
    pub when_present: Option<LineValue>,
    /// From here on the column holds a sentence, not the value.
    pub words_after: Option<char>,
    /// Stands before the value, on paper and when read.
    pub label: String,
    /// The column's title in a layout with a row of titles.
    pub title: Option<String>,
    /// The named group of the record's pattern that holds it.
    pub group: Option<String>,
    /// Ours and theirs, word by word.
    pub map: Vec<(String, String)>,
    /// What stands for no value.
    pub empty_as: Option<String>,
    /// The code with which a sentence begins.
    pub code_pattern: Option<Regex>,
    /// Whether what is read must have exactly `width` bytes, between delimiters too.
    pub is_exact: bool,
    /// Whether what is too long is cut behind a whole character, and said so.
    pub may_cut: bool,
    /// Digits of the length that stands before the value.
    pub prefix: Option<usize>,
}

impl Field {
    /// Why same_as cannot name this column of our lines.
    pub const fn is_compared_otherwise(&self) -> Option<&'static str> {
        match (&self.put, &self.take) {
            (Put::Blank | Put::Nothing | Put::Literal(_), _) => {
                Some("our column is always the same: say what must stand there as a literal")
            }
            (Put::Line(_) | Put::Batch(_) | Put::Text(_), _) if self.kind.is_number() => {
                Some("our column is a number or an amount: read it as its value, and it is compared")
            }
            (Put::Line(_) | Put::Batch(_) | Put::Text(_), Take::Ignore | Take::Echo(_) | Take::Repeat(_)) => None,
            (Put::Line(_) | Put::Batch(_) | Put::Text(_), _) => Some("our column is compared wherever it is read: read it as its value"),
        }
    }

    /// Their word for ours.
    pub fn theirs<'a>(&'a self, ours: &'a str) -> Option<&'a str> {
        if self.map.is_empty() {
            return Some(ours);
        }
        let find = |word: &str| self.map.iter().find(|(o, _)| o == word).map(|(_, t)| t.as_str());
        find(ours).or_else(|| find("*"))
    }

    /// Our word for theirs.
    pub fn ours<'a>(&'a self, theirs: &'a str) -> Option<&'a str> {
        if self.map.is_empty() {
            return Some(theirs);
        }
        let of_theirs = self.map.iter().find(|(o, t)| t == theirs && o != "*").map(|(o, _)| o.as_str());
        of_theirs.or_else(|| self.map.iter().any(|(o, _)| o == "*").then_some(theirs))
    }
}
