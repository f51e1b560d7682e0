//! What is told to departments, banks and finance IT: the facts alone. `passes::letters` finds the words,
//! `format::workbook` the sheets. Names and numbers are masked types, so that words cannot give them away.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::masked::{Account, IdNumber, Name};
use super::money::Fen;
use super::reason::{Reason, ReasonClass};
use super::time::Timestamp;

/// How a payment came to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Our own check refused it; the bank never saw it (发放前退回).
    RejectedBefore,
    /// The bank did not credit it (银行发放失败).
    FailedAtBank,
    /// Credited, then sent back (退票).
    Returned,
}

/// One payment that failed.
#[derive(Clone, Debug)]
pub struct FailureRow {
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// Who should have been paid; written whole in the workbook, since the department must find the person.
    pub payee_name: Name,
    /// Shown by its last four characters.
    pub id_number: IdNumber,
    /// Shown by its last four characters.
    pub account: Account,
    /// The payment's own number (支付编号), for speaking of it.
    pub payment_no: String,
    /// The failed instruction's reference, by which a correction names what it corrects.
    pub reference: String,
    /// The platform's batch number.
    pub batch_no: String,
    /// The project's name.
    pub project: String,
    /// How much.
    pub amount: Fen,
    /// Why.
    pub reason: Reason,
    /// What that asks for: the reason's own class, unless two people ruled otherwise.
    pub class: ReasonClass,
    /// The bank's words as they stood; scrubbed where they are written.
    pub bank_words: String,
    /// By when the department should have settled it.
    pub due: NaiveDate,
    /// How it came to fail.
    pub kind: FailureKind,
}

/// What failed for one department at one bank on one day (失败报告).
#[derive(Clone, Debug)]
pub struct FailureReport {
    /// The department's name.
    pub department: String,
    /// The bank's name.
    pub bank: String,
    /// The business date.
    pub date: NaiveDate,
    /// The stated time at which the content was true of the ledger.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// Names this version of the workbook, so that a filled one coming back can be told from an older.
    pub workbook_id: String,
    /// Whom to ask; left out if empty.
    pub contact: String,
    /// The failures.
    pub rows: Vec<FailureRow>,
}

/// What became of a payment in the end, or so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentResult {
    /// Credited.
    Paid,
    /// Not credited.
    Failed,
    /// Credited, then sent back.
    Returned,
    /// Refused before it was sent, or held.
    Rejected,
    /// Given back to the treasury.
    Refunded,
    /// No definite word yet.
    Unknown,
    /// Taken back by the department.
    Cancelled,
}

impl PaymentResult {
    /// Every result, best first.
    pub const ALL: [Self; 7] = [Self::Paid, Self::Failed, Self::Returned, Self::Rejected, Self::Refunded, Self::Unknown, Self::Cancelled];
}

/// One payment of a batch with its result.
#[derive(Clone, Debug)]
pub struct CompletedRow {
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// Who.
    pub payee_name: Name,
    /// Shown by its last four characters.
    pub id_number: IdNumber,
    /// Shown by its last four characters.
    pub account: Account,
    /// The payment's own number.
    pub payment_no: String,
    /// The bank's name.
    pub bank: String,
    /// How much.
    pub amount: Fen,
    /// What became of it.
    pub result: PaymentResult,
    /// When it was credited.
    pub paid_on: Option<NaiveDate>,
    /// Why not, where it failed.
    pub reason: Option<Reason>,
}

/// Everything in a batch, with results (发放完成清单); also sent when nothing failed.
#[derive(Clone, Debug)]
pub struct CompletedList {
    /// The department's name.
    pub department: String,
    /// The platform's batch number.
    pub batch_no: String,
    /// The project's name.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// The stated time at which the content was true of the ledger.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// Names this version of the workbook.
    pub workbook_id: String,
    /// Whom to ask; left out if empty.
    pub contact: String,
    /// The payments.
    pub rows: Vec<CompletedRow>,
}

/// How soon somebody must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Within the working day.
    Today,
    /// Now: money stands, or could move wrongly.
    Now,
}

/// Something that waits for finance IT (告警). One letter per incident.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The incident's number, by which it is looked up and closed.
    pub incident: String,
    /// How soon.
    pub urgency: Urgency,
    /// What happened, in one line.
    pub what: String,
    /// Where: bank, file, batch, host.
    pub place: String,
    /// Since when.
    pub since: Timestamp,
    /// When this was written.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// How many payments it holds up, where that is known.
    pub count: Option<u64>,
    /// How much money, where that is known.
    pub amount: Option<Fen>,
    /// What to do next, in order.
    pub next: Vec<NextStep>,
}

/// One step of what to do.
#[derive(Clone, Debug)]
pub struct NextStep {
    /// In words.
    pub what: String,
    /// The command that does it, if one does.
    pub command: Option<String>,
}

/// What a bank's operators are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BankNoticeKind {
    /// A file of theirs cannot be read, does not add up, or answers what was never sent; nothing of it was applied.
    Quarantined,
    /// An answer that was due is not there.
    Overdue,
    /// A file of theirs came twice with different bytes.
    Conflict,
}

/// A letter to a bank's operators, in words without identities.
#[derive(Clone, Debug)]
pub struct BankNotice {
    /// The incident's number, to be quoted in an answer.
    pub incident: String,
    /// What it is about.
    pub kind: BankNoticeKind,
    /// The bank's name.
    pub bank: String,
    /// The file's name as it lies in the mailbox.
    pub file: String,
    /// The folder it lies in, or was expected in.
    pub folder: String,
    /// When it came, or was due.
    pub at: Timestamp,
    /// When this was written.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// What is wrong; the first few lines are enough.
    pub faults: Vec<FileFault>,
    /// How many more there are.
    pub more: u64,
    /// Whom to ask; left out if empty.
    pub contact: String,
}

/// One thing wrong with a file.
#[derive(Clone, Debug)]
pub struct FileFault {
    /// The line, if it is one line's fault.
    pub line: Option<u64>,
    /// What is wrong. Scrubbed where it is written.
    pub what: String,
}
