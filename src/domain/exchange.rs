//! What a bank is told, and what it says. Every profile maps its files to these shapes, so that nothing behind
//! `format` knows one bank from another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instruction::coded;
use super::masked::{Account, IdNumber, Mobile, Name};
use super::money::Fen;
use super::reason::Reason;

/// What a payment file says of itself (批次信息).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchFacts {
    /// The platform's batch number.
    pub batch_no: String,
    /// The business date for which the bank shall execute.
    pub date: NaiveDate,
    /// The file's number among those of this bank on this date, from 1. Never wraps.
    pub seq_no: u32,
    /// The unit number (单位编号) that the bank gave the payer.
    pub unit_no: String,
    /// The account debited.
    pub payer_account: Account,
    /// Its holder.
    pub payer_name: String,
    /// The payer's bank: its twelve-digit clearing number (行号).
    pub payer_bank: String,
    /// The department's name.
    pub department: String,
    /// The project's name.
    pub project: String,
    /// The project's short name, for the text message that the bank sends to each person.
    pub project_short: String,
    /// The subsidy's period, such as `2019-03` or `2019`.
    pub period: String,
    /// Names that a profile declares beyond these.
    pub extra: BTreeMap<String, String>,
    /// How many lines the file has.
    pub count: u64,
    /// What they sum to.
    pub total: Fen,
}

/// One line of a payment file (代发明细).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentLine {
    /// Our end-to-end reference, at most 32 characters.
    pub reference: String,
    /// The line's number in the file, from 1.
    pub seq: u64,
    /// The account holder's name (户名).
    pub payee_name: Name,
    /// The account holder's identity number.
    pub id_number: IdNumber,
    /// The card or account.
    pub account: Account,
    /// The receiving bank's clearing number, or its code.
    pub bank_code: String,
    /// How much.
    pub amount: Fen,
    /// For the bank's text message.
    pub mobile: Mobile,
    /// What the text message calls this money.
    pub project_short: String,
    /// A remark, as approved.
    pub remark: String,
    /// The how-manieth payment to this account on this day, from 1, for banks that ask it.
    pub ordinal: u32,
}

/// What kind of word a bank's file brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboundKind {
    /// The file as a whole was accepted or refused (受理回执).
    Ack,
    /// What became of each payment (回盘).
    Result,
    /// Credited, then sent back (退票).
    Return,
    /// The account's statement (对账单).
    Statement,
    /// What became of payments that we asked about (查询回复).
    Enquiry,
}

impl InboundKind {
    /// How the kind is stored and printed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Result => "result",
            Self::Return => "return",
            Self::Statement => "statement",
            Self::Enquiry => "enquiry",
        }
    }

    /// The kind of a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Ack, Self::Result, Self::Return, Self::Statement, Self::Enquiry].into_iter().find(|k| k.code() == code)
    }
}

/// What a status means under the profile's status map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole file, or the payment, was accepted; nothing is paid yet.
    Accepted,
    /// Credited.
    Paid,
    /// Not credited.
    Failed,
    /// Credited, then sent back (退票): both at once.
    Returned,
    /// Processing, uncertain, unprocessed: no word yet.
    Unknown,
}

impl Outcome {
    /// How the outcome is stored and printed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Returned => "returned",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Accepted, Self::Paid, Self::Failed, Self::Returned, Self::Unknown].into_iter().find(|o| o.code() == code)
    }
}

/// A column of our line that the bank gives back, as it came (回填).
#[derive(Clone, PartialEq, Eq)]
pub struct Repeat {
    /// Our column, by its name in the profile.
    pub column: Arc<str>,
    /// What stands there; it may be a person's.
    pub text: String,
}

impl fmt::Debug for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.column)
    }
}

/// What a bank's file says of one instruction, or, in an ack, of the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The line it stands on, from 1.
    pub line: u64,
    /// Our reference, where the bank echoes it.
    pub reference: Option<String>,
    /// The line's number in our file, where the bank echoes it.
    pub seq: Option<u64>,
    /// The name, where echoed.
    pub payee_name: Option<Name>,
    /// The identity number, where echoed.
    pub id_number: Option<IdNumber>,
    /// The account, where echoed.
    pub account: Option<Account>,
    /// The amount instructed, where echoed.
    pub amount: Option<Fen>,
    /// The amount credited, where the bank says it.
    pub paid: Option<Fen>,
    /// What the status means.
    pub outcome: Outcome,
    /// Whether the status is final in the profile.
    pub is_final: bool,
    /// The reason, mapped; `OTHER_UNMAPPED` where a reason stands that the map does not know. `None` on a success.
    pub reason: Option<Reason>,
    /// The bank's code, as it stood.
    pub raw_code: String,
    /// The bank's words, as they stood (may name the true holder: scrub before mailing).
    pub raw_text: String,
    /// The bank's own reference.
    pub bank_ref: Option<String>,
    /// The bank's date of execution.
    pub date: Option<NaiveDate>,
    /// Columns of ours that must have come back as they went.
    pub repeats: Vec<Repeat>,
}

/// Which side of an account a statement's entry stands on, seen from the account's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Money came in.
    Credit,
    /// Money went out.
    Debit,
}

coded!(Side { Credit = "credit", Debit = "debit" });

/// One entry of an account statement (流水).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementEntry {
    /// The line it stands on, from 1.
    pub line: u64,
    /// The booking date.
    pub date: NaiveDate,
    /// In or out.
    pub side: Side,
    /// How much.
    pub amount: Fen,
    /// Our reference, where the bank echoes it.
    pub reference: Option<String>,
    /// The bank's own reference.
    pub bank_ref: Option<String>,
    /// The other side's account.
    pub counter_account: Option<Account>,
    /// The other side's name.
    pub counter_name: Option<Name>,
    /// What the entry says it is.
    pub text: String,
}

/// What a statement says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementHead {
    /// The account.
    pub account: Account,
    /// The first day covered.
    pub from: Option<NaiveDate>,
    /// The last day covered.
    pub to: Option<NaiveDate>,
    /// The balance before the first entry.
    pub opening: Option<Fen>,
    /// The balance behind the last entry.
    pub closing: Option<Fen>,
}
