//! What is told to departments, banks and finance IT: the facts alone. `passes::letters` finds the words,
//! `format::workbook` the sheets. Names and numbers are masked types, so that words cannot give them away.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::language::Language;
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

/// One payment that was not due, and is asked back (追回).
#[derive(Clone, Debug)]
pub struct RecoveryRow {
    /// The case's number.
    pub case: i64,
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// Who was paid; written whole in the workbook, since the department must find the person.
    pub payee_name: Name,
    /// Shown by its last four characters.
    pub id_number: IdNumber,
    /// Shown by its last four characters.
    pub account: Account,
    /// The payment's own number.
    pub payment_no: String,
    /// The project's name.
    pub project: String,
    /// How much.
    pub amount: Fen,
    /// Why it was not due.
    pub reason: Reason,
    /// By when the department should have it back.
    pub due: NaiveDate,
    /// The day the bank was told to pay.
    pub told_on: Option<NaiveDate>,
}

/// What a department must ask back (追回通知).
#[derive(Clone, Debug)]
pub struct RecoveryReport {
    /// The department's name.
    pub department: String,
    /// The stated time at which the content was true of the ledger.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// Names this version of the workbook.
    pub workbook_id: String,
    /// Whom to ask; left out if empty.
    pub contact: String,
    /// The payments.
    pub rows: Vec<RecoveryRow>,
}

/// Overdue cases that share a reason.
#[derive(Clone, Debug)]
pub struct OverdueSum {
    /// Why.
    pub reason: Reason,
    /// What that asks for.
    pub class: ReasonClass,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub amount: Fen,
    /// The earliest day by which one of them was due.
    pub due_on: NaiveDate,
    /// Days since the money of the oldest reached the account.
    pub age_days: i64,
}

/// Cases past their day (催办, 升级).
#[derive(Clone, Debug)]
pub struct OverdueReport {
    /// Whose they are: a department's name.
    pub department: String,
    /// Whether those above are told as well.
    pub escalates: bool,
    /// The business date.
    pub date: NaiveDate,
    /// The stated time at which the content was true of the ledger.
    pub generated_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// The letter's own number.
    pub number: String,
    /// The command that shows them.
    pub command: String,
    /// Whom to ask; left out if empty.
    pub contact: String,
    /// The cases, by reason.
    pub sums: Vec<OverdueSum>,
}

impl RecoveryReport {
    /// What they sum to.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.rows.iter().map(|row| row.amount).sum()
    }
}

impl OverdueReport {
    /// How many, and what they sum to.
    #[must_use]
    pub fn total(&self) -> (u64, Fen) {
        (self.sums.iter().map(|s| s.count).sum(), self.sums.iter().map(|s| s.amount).sum())
    }
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
    /// The payments by result, best first; results that did not occur are left out.
    pub sums: Vec<ResultSum>,
    /// How many payments the workbook has, and how much they are: all, or of a long list those that were not paid.
    pub listed: (u64, Fen),
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

/// Failures of one reason that ask for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonSum {
    /// Why.
    pub reason: Reason,
    /// What that asks for.
    pub class: ReasonClass,
    /// How many.
    pub count: u64,
    /// How much.
    pub amount: Fen,
}

/// Payments of one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultSum {
    /// What became of them.
    pub result: PaymentResult,
    /// How many.
    pub count: u64,
    /// How much.
    pub amount: Fen,
}

impl FailureReport {
    /// How much failed in all.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.rows.iter().map(|row| row.amount).sum()
    }

    /// The day by which the first of them is due.
    #[must_use]
    pub fn first_due(&self) -> Option<NaiveDate> {
        self.rows.iter().map(|row| row.due).min()
    }

    /// The failures by reason, the most frequent first.
    #[must_use]
    pub fn by_reason(&self) -> Vec<ReasonSum> {
        let mut sums: BTreeMap<(Reason, ReasonClass), (u64, Fen)> = BTreeMap::new();
        for row in &self.rows {
            let (count, amount) = sums.entry((row.reason, row.class)).or_default();
            *count += 1;
            *amount = [*amount, row.amount].into_iter().sum();
        }
        let mut sums: Vec<_> =
            sums.into_iter().map(|((reason, class), (count, amount))| ReasonSum { reason, class, count, amount }).collect();
        sums.sort_by_key(|sum| Reverse(sum.count));
        sums
    }
}

impl CompletedList {
    /// How many payments the batch has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sums.iter().map(|sum| sum.count).sum()
    }

    /// How much the batch is in all.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.sums.iter().map(|sum| sum.amount).sum()
    }

    /// How many of them were paid.
    #[must_use]
    pub fn paid(&self) -> u64 {
        self.sums.iter().filter(|sum| sum.result == PaymentResult::Paid).map(|sum| sum.count).sum()
    }
}

impl FailureKind {
    /// How people say it.
    #[must_use]
    pub const fn words(self, language: Language) -> &'static str {
        match self {
            Self::RejectedBefore => language.pick("发放前退回", "refused before sending"),
            Self::FailedAtBank => language.pick("银行发放失败", "failed at the bank"),
            Self::Returned => language.pick("退票", "credited, then returned"),
        }
    }
}

impl PaymentResult {
    /// How people say it.
    #[must_use]
    pub const fn words(self, language: Language) -> &'static str {
        match self {
            Self::Paid => language.pick("发放成功", "paid"),
            Self::Failed => language.pick("发放失败", "failed"),
            Self::Returned => language.pick("退票", "returned"),
            Self::Rejected => language.pick("发放前退回", "refused before sending"),
            Self::Refunded => language.pick("已退回国库", "refunded to the treasury"),
            Self::Unknown => language.pick("结果待查", "outcome unknown"),
            Self::Cancelled => language.pick("已取消", "cancelled"),
        }
    }
}

/// The reason as people say it.
#[must_use]
pub const fn reason_words(reason: Reason, language: Language) -> &'static str {
    language.pick(reason.zh(), reason.en())
}

/// What a clerk should do.
#[must_use]
pub const fn advice_words(class: ReasonClass, language: Language) -> &'static str {
    language.pick(class.advice_zh(), class.advice_en())
}
