//! What the three file layouts have in common: a request's rows, why a file is refused whole, how a row was answered.

use std::path::PathBuf;

use crate::domain::money::Fen;

use super::rules::Why;

/// What a payment file asks for.
pub(super) struct Request {
    /// The account to be debited, where the layout names one.
    pub(super) payer: Option<String>,
    pub(super) rows: Vec<Row>,
}

/// One person's line.
pub(super) struct Row {
    /// Empty where the layout has no account column.
    pub(super) account: String,
    pub(super) name: String,
    /// Empty where it is not given.
    pub(super) id_number: String,
    pub(super) amount: Fen,
    /// The payer's reference; where the layout has none, the file's key and the line's number.
    pub(super) reference: String,
    /// Which payment to this account today it says it is, where the layout counts them.
    pub(super) ordinal: Option<u32>,
}

/// What the bank holds a file against.
pub(super) struct Expected<'a> {
    /// The path below the inbox, as the ledger calls the file.
    pub(super) key: &'a str,
    /// The bank's date, `yyyyMMdd`.
    pub(super) today: &'a str,
    pub(super) unit_no: &'a str,
}

/// Why a file is refused whole, and where in it the fault lies.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) fault: FileFault,
    pub(super) detail: String,
}

/// The faults for which a bank takes no line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFault {
    Digest,
    Format,
    Totals,
    Unit,
    Date,
    DuplicateName,
    Payer,
    Funds,
}

impl FileFault {
    /// Eight characters, as an acknowledgement carries them.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Digest => "FD000001",
            Self::Format => "FF000001",
            Self::Totals => "H0190001",
            Self::Unit => "20100001",
            Self::Date => "P0960001",
            Self::DuplicateName => "00090001",
            Self::Payer => "31000001",
            Self::Funds => "T0660001",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Digest => "SM3校验失败",
            Self::Format => "文件格式错误",
            Self::Totals => "总笔数或总金额不符",
            Self::Unit => "单位编号不存在",
            Self::Date => "日期不符",
            Self::DuplicateName => "文件名重复",
            Self::Payer => "付款账户不符",
            Self::Funds => "付款账户余额不足",
        }
    }
}

impl Refusal {
    pub(super) fn new(fault: FileFault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into() }
    }

    pub(super) fn line(number: usize, detail: &str) -> Self {
        Self::new(FileFault::Format, format!("第{number}行{detail}"))
    }

    /// The bank's sentence: what is wrong, then where.
    pub(super) fn text(&self) -> String {
        if self.detail.is_empty() { self.fault.words().to_owned() } else { format!("{}:{}", self.fault.words(), self.detail) }
    }
}

/// How a row came out.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Paid,
    Failed(Failure),
}

/// Why a row was not paid, and whether the bank says less than it knows (no words, no code, no true name).
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) why: Why,
    pub(super) terse: bool,
}

/// A file for the outbox, by its path below it.
pub(super) struct OutFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl OutFile {
    pub(super) fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes }
    }
}

/// The lines of a file and whether the last one was ended properly.
pub(super) fn lines<'a>(bytes: &'a [u8], ending: &[u8]) -> (Vec<&'a [u8]>, bool) {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, ending) {
        let (line, after) = rest.split_at(at);
        lines.push(line);
        rest = after.get(ending.len()..).unwrap_or_default();
    }
    let ended = rest.is_empty();
    if !ended {
        lines.push(rest);
    }
    (lines, ended)
}

/// An amount in yuan with exactly two decimals, more than nothing.
pub(super) fn yuan(text: &str) -> Option<Fen> {
    let (_, decimals) = text.split_once('.')?;
    let amount = Fen::parse_yuan(text).ok()?;
    (decimals.len() == 2 && amount.is_positive()).then_some(amount)
}

/// Whether this is a date written `yyyyMMdd`.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) && chrono::NaiveDate::parse_from_str(text, "%Y%m%d").is_ok()
}
