//! Payment lists (补贴发放清单) as departments bring them: a spreadsheet, its CSV export, or JSON from another system.
//!
//! A list becomes money, so nothing in it is repaired: a full-width digit, a stray blank, `无` in place of a number, or
//! a card that a spreadsheet turned into 6.21E+18 is a fault, told with its row and column. All faults are told at once,
//! so that a clerk corrects a list once; and a list with a fault gives no rows at all, so nobody imports half of it.
//!
//! Names are not judged here beyond what no name can hold (controls, `?`, private characters). Whether a bank can write
//! them, whether an identity number's check character holds, or whether an amount is allowed, is for admission.
//!
//! All three are read as a stream: what grows with the list is one number a row, to see a sequence number twice (and in a
//! workbook its table of shared texts).

use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::domain::ids::EndToEndId;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;

mod cells;
mod columns;
mod delimited;
mod json;
mod rows;
mod sheet;
mod write;

pub(in crate::format) use delimited::Records;
pub use delimited::read_csv;
pub use write::{write_csv, write_json};

/// How many faults are kept word by word; beyond, they are counted.
pub const FAULTS_KEPT: usize = 10_000;

/// One payment of a list (发放明细).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRow {
    /// 序号: the row's number in the list, unique in it, from 1.
    pub seq: u32,
    /// 乡镇.
    pub township: Arc<str>,
    /// 村.
    pub village: Arc<str>,
    /// 组; may be empty.
    pub group: Arc<str>,
    /// 户号; may be empty.
    pub household_no: String,
    /// 享受人姓名: whose entitlement it is.
    pub entitled_name: Name,
    /// 享受人身份证号: empty only where a mandate stands.
    pub entitled_id: IdNumber,
    /// 收款人姓名: who is paid.
    pub payee_name: Name,
    /// 收款人身份证号.
    pub payee_id: IdNumber,
    /// 与享受人关系.
    pub payee_role: PayeeRole,
    /// 代领授权书编号: the written mandate of a proxy; empty without one.
    pub mandate_no: String,
    /// 卡号.
    pub account: Account,
    /// 开户行代码: the card's bank.
    pub bank_code: Arc<str>,
    /// 手机号; may be empty.
    pub mobile: Mobile,
    /// 金额.
    pub amount: Fen,
    /// 备注; may be empty.
    pub remark: Arc<str>,
    /// 重发原支付编号: the failed instruction that this row pays again.
    pub reissue_of: Option<EndToEndId>,
}

/// What the payee is to the entitled person (与享受人关系).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayeeRole {
    /// 本人: the entitled person.
    #[default]
    Oneself,
    /// 户主: the head, for the household.
    Head,
    /// 代领: somebody with a written mandate.
    Proxy,
}

impl PayeeRole {
    /// How the role is stored and written in English lists.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Oneself => "self",
            Self::Head => "head",
            Self::Proxy => "proxy",
        }
    }

    /// How a clerk writes it.
    #[must_use]
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Oneself => "本人",
            Self::Head => "户主",
            Self::Proxy => "代领",
        }
    }

    /// The role of a code or of its Chinese word.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Oneself, Self::Head, Self::Proxy].into_iter().find(|role| role.code() == text || role.chinese() == text)
    }
}

/// Whether a batch pays for the first time or again after a failure (批次类型).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListKind {
    /// 首发.
    First,
    /// 重发: each row names the instruction that it pays again.
    Reissue,
}

impl ListKind {
    /// How the kind is stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reissue => "reissue",
        }
    }

    /// The kind of a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::First, Self::Reissue].into_iter().find(|kind| kind.code() == code)
    }
}

/// What a list says of itself. Only JSON can; for a spreadsheet the person who imports it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListHead {
    /// The platform's batch number.
    pub number: Option<String>,
    /// First or again.
    pub kind: Option<ListKind>,
    /// The department's code.
    pub department: Option<String>,
    /// The project's code.
    pub project: Option<String>,
    /// The subsidy's period, such as `2019-03`.
    pub period: Option<String>,
    /// The business date on which people shall be paid.
    pub pay_on: Option<NaiveDate>,
    /// How many rows the list claims.
    pub declared_count: Option<u64>,
    /// What they sum to, it claims.
    pub declared_total: Option<Fen>,
}

/// What is wrong where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFault {
    /// The row as the spreadsheet numbers it (the header is a row); in JSON the payment's place from 1. 0: the whole list.
    pub line: u64,
    /// The column's header, as the list writes it. Empty: the whole row.
    pub column: String,
    /// What is wrong. Never quotes a whole value.
    pub what: String,
    /// What to do.
    pub next: String,
}

/// The characters in which a CSV was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB18030, of which GBK is a part.
    Gb18030,
}

/// What was found in a list whose rows went to a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSummary {
    /// What the list says of itself.
    pub head: ListHead,
    /// How many rows it has, counted whether or not they have faults.
    pub count: u64,
    /// The sum of the amounts of the rows without a fault. `None`: it exceeds what an amount can be.
    pub total: Option<Fen>,
    /// How a CSV was written; `None` for the other kinds.
    pub charset: Option<Charset>,
    /// What is wrong with it: up to [`FAULTS_KEPT`].
    pub faults: Vec<ListFault>,
    /// How many faults there are beyond those.
    pub faults_beyond: u64,
}

/// A list held whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFile {
    /// What the list says of itself.
    pub head: ListHead,
    /// Its rows; none where there is a fault.
    pub rows: Vec<ListRow>,
    /// How a CSV was written.
    pub charset: Option<Charset>,
    /// What is wrong with it: up to [`FAULTS_KEPT`].
    pub faults: Vec<ListFault>,
    /// How many faults there are beyond those.
    pub faults_beyond: u64,
}

/// Why a list cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not a kind that is read here.
    #[error("{name:?} is not a payment list: bring .csv, .tsv, .xlsx or .json (an .xls: open it and save it as .xlsx)")]
    UnknownKind { name: String },
    /// The medium failed.
    #[error("the list cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Neither UTF-8 nor GB18030.
    #[error("line {line} of the list is neither UTF-8 nor GBK/GB18030: save it again as “CSV UTF-8”, or bring the .xlsx")]
    Charset { line: u64 },
    /// A UTF-16 file.
    #[error("the list is UTF-16 (“Unicode text”): save it as “CSV UTF-8”, or bring the .xlsx")]
    Utf16,
    /// A workbook under another name.
    #[error("the list is a workbook, not CSV: name it .xlsx (an older one: open it and save it as .xlsx)")]
    Disguised,
    /// No header.
    #[error("the list is empty: its first row must name the columns")]
    Empty,
    /// Not a workbook, or a broken one.
    #[error("the workbook cannot be read ({0}): open it in the spreadsheet program and save it again as .xlsx")]
    Workbook(String),
    /// More than one sheet has content.
    #[error("the workbook has content on {} sheets ({}): keep the one that shall be paid", .0.len(), .0.join("、"))]
    Sheets(Vec<String>),
    /// Not JSON, or not the object that is asked for.
    #[error("line {line}, column {column} of the list: {what}")]
    Json { line: usize, column: usize, what: &'static str },
    /// Whoever takes the rows asked to stop.
    #[error("reading stopped, because the rows could not be taken")]
    Stopped,
}

impl ListError {
    /// Whether the same list may be read when it is tried again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Read(_) | Self::Stopped => true,
            Self::UnknownKind { .. }
            | Self::Charset { .. }
            | Self::Utf16
            | Self::Disguised
            | Self::Empty
            | Self::Workbook(_)
            | Self::Sheets(_)
            | Self::Json { .. } => false,
        }
    }
}

/// Reads a list and hands each row to `sink` until the first fault; then reads on for the other faults only. What the
/// sink took before is worth nothing if the summary has faults. The name's ending says what kind of list it is.
///
/// # Errors
/// When there is no list to be read, or the sink stops.
pub fn visit_list<R: Read + Seek>(
    path_name: &str,
    reader: R,
    sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>,
) -> Result<ListSummary, ListError> {
    let ending = path_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv" | "tsv") => read_csv(reader, sink),
        Some("xlsx") => sheet::read_xlsx(reader, sink),
        Some("json") => json::read_json(reader, sink),
        Some(_) | None => Err(ListError::UnknownKind { name: path_name.to_owned() }),
    }
}

/// Reads a list whole. For more than some hundred thousand rows use [`visit_list`].
///
/// # Errors
/// When there is no list to be read. Faults in it are not an error: see [`ListFile::faults`].
pub fn read_list<R: Read + Seek>(path_name: &str, reader: R) -> Result<ListFile, ListError> {
    let mut rows = Vec::new();
    let summary = visit_list(path_name, reader, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    if !summary.faults.is_empty() {
        rows = Vec::new();
    }
    Ok(ListFile { head: summary.head, rows, charset: summary.charset, faults: summary.faults, faults_beyond: summary.faults_beyond })
}
