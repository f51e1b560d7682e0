//! What people do with files of ours that are stuck (文件处置). One person may stop what no bank has seen, and give it up. What a
//! bank may have seen moves on the bank's written word alone, brought by one person and approved by another, and only along
//! the table of `domain::file`: from the moment of publishing on, nothing here uploads, renames or removes anything. What must
//! be done at the bank's folder is done by the passes, from the row.
//!
//! What is absent: a way to send a file "once more, to be safe". A second copy needs the bank's word that it has none, is
//! counted, and from then on no refusal speaks for the first.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, none_open};
use crate::domain::file::{Evidence, FileKind, FileOutState};
use crate::domain::instruction::{Event, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::publishing::taken_back;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::format::PublishMode;
use crate::passes::apply::Booking;
use crate::passes::plan::open_day;
use crate::passes::publish::result_due;
use crate::passes::withdraw::give_up;
use crate::passes::{Gateway, PassError};
use crate::store::desk::{NewIncident, Operator, Proposal};
use crate::store::outbound::{FileOut, SentRecord};
use crate::store::sql::Tx;

/// What somebody wants of a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileWish {
    /// It stops where it is.
    Hold,
    /// What was held goes on.
    Release,
    /// It is given up; its lines wait for another file.
    Void,
    /// The same bytes once more under the same name: the bank has no copy.
    Resend,
    /// The bank has it.
    Sent,
    /// The bank executed none of what is open, and will not.
    Refused,
    /// Of several copies the bank executed one.
    OneCopy,
    /// The bank is asked not to execute it.
    Recall,
}

impl FileWish {
    /// The act that is proposed, where it takes two persons.
    const fn act(self) -> Option<Act> {
        match self {
            Self::Hold | Self::Recall => None,
            Self::Release => Some(Act::FileRelease),
            Self::Void => Some(Act::FileVoid),
            Self::Resend => Some(Act::FileResend),
            Self::Sent => Some(Act::FileSent),
            Self::Refused => Some(Act::FileRefused),
            Self::OneCopy => Some(Act::FileOneCopy),
        }
    }

    const fn of(act: Act) -> Option<Self> {
        match act {
            Act::FileRelease => Some(Self::Release),
            Act::FileVoid => Some(Self::Void),
            Act::FileResend => Some(Self::Resend),
            Act::FileSent => Some(Self::Sent),
            Act::FileRefused => Some(Self::Refused),
            Act::FileOneCopy => Some(Self::OneCopy),
            Act::ResolvePaid | Act::ResolveFailed | Act::ResolvePartly | Act::Opening | Act::Recover | Act::Reclassify => None,
            Act::Cancel | Act::CloseCase | Act::CloseAsPaid | Act::Refund | Act::RefundReceipt | Act::RefundCancel | Act::Match => None,
            Act::FileReread | Act::FileWithout | Act::BankLive | Act::ChooseStatement | Act::BatchCancel => None,
            Act::ReleasePublishing | Act::OpeningReturned => None,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Hold => "file.hold",
            Self::Release => "file.release",
            Self::Void => "file.void",
            Self::Resend => "file.resend",
            Self::Sent => "file.sent",
            Self::Refused => "file.refused",
            Self::OneCopy => "file.one_copy",
            Self::Recall => "file.recall",
        }
    }
}

/// How an act of a person ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done(String),
    /// It waits for another person.
    Proposed(i64, String),
    /// It was only asked what would be done, and whether by one person or two.
    Would(String, bool),
}

/// Does what one person may do with a file, or proposes what takes two. With `dry_run` it only says which, and what.
///
/// # Errors
/// Refused to whoever may not, without a reason, and where the file stands otherwise; the refusal says what may be done.
pub async fn file_act(
    gateway: &Gateway,
    by: &Operator,
    id: i64,
    wish: FileWish,
    reason: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let plan = Plan::of(gateway, &mut tx, id, wish, now).await?;
    plan.asks_by_the_right_name(reason)?;
    let effect = plan.effect(reason);
    let subject = subject_of(id);
    if let (Some(act), true) = (wish.act(), plan.takes_two) {
        none_open(&mut tx, &subject).await?;
        if dry_run {
            return Ok(Acted::Would(effect, true));
        }
        let proposal = tx.propose(act.code(), &subject, reason, &effect, by, now).await?;
        tx.audit(&by.login, "propose", &format!("proposal {proposal}"), &effect, now).await?;
        tx.commit().await?;
        tracing::info!(proposal, by = by.login, act = act.code(), file = id, "proposed");
        return Ok(Acted::Proposed(proposal, effect));
    }
    if dry_run {
        return Ok(Acted::Would(effect, false));
    }
    plan.carry_out(gateway, &mut tx, &by.login, reason, now).await?;
    tx.audit(&by.login, wish.code(), &subject, &effect, now).await?;
    tx.commit().await?;
    tracing::info!(file = id, by = by.login, act = wish.code(), "done");
    Ok(Acted::Done(effect))
}

/// Does what was proposed, if it is still the same.
///
/// # Errors
/// The file moved on since.
pub(super) async fn approve(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    act: Act,
    now: Timestamp,
) -> Result<String, OperateError> {
    let id = proposal.subject.strip_prefix("file ").and_then(|id| id.parse().ok());
    let (Some(id), Some(wish)) = (id, FileWish::of(act)) else {
        return Err(PassError::Broken(format!("proposal {} names {:?}, which is no file", proposal.id, proposal.subject)).into());
    };
    let plan = Plan::of(gateway, tx, id, wish, now).await?;
    let effect = plan.effect(&proposal.reason);
    unchanged(proposal, &effect)?;
    let words = format!("{}; {} + {}", proposal.reason, proposal.proposed_by, by.login);
    plan.carry_out(gateway, tx, &by.login, &words, now).await?;
    Ok(effect)
}

/// Refuses what would be another thing by now.
pub(super) fn unchanged(proposal: &Proposal, effect: &str) -> Result<(), OperateError> {
    if effect == proposal.effect && proposal.is_of(effect) {
        return Ok(());
    }
    OperateError::refused(
        format!("事项{}提出后数据已变，效果不再相同；请用 `bankgate approve {} --withdraw` 撤回后重新提出", proposal.id, proposal.id),
        format!(
            "the rows changed since {} was proposed: withdraw it (`bankgate approve {} --withdraw`) and propose it anew",
            proposal.id, proposal.id
        ),
    )
}

/// The reason, where there is one.
pub(super) fn has_reason(reason: &str) -> Result<&str, OperateError> {
    let reason = reason.trim();
    if reason.chars().count() < 4 {
        return OperateError::refused(
            "请用 --reason 写明依据（银行回函编号、核对人、所见等）",
            "say why with --reason: the bank's letter, who was asked, what was seen",
        );
    }
    Ok(reason)
}

fn subject_of(id: i64) -> String {
    format!("file {id}")
}

/// What a wish would do with a file as it stands, behind its lock.
struct Plan {
    file: FileOut,
    wish: FileWish,
    /// Where the file goes.
    next: FileOutState,
    takes_two: bool,
    /// Open lines that are settled with it.
    settled: u64,
    /// The names by which the bank would know it, where they are others than its own.
    went_out_as: Vec<String>,
}

impl Plan {
    async fn of(gateway: &Gateway, tx: &mut Tx, id: i64, wish: FileWish, now: Timestamp) -> Result<Self, OperateError> {
        if !tx.is_file(id).await? {
            return OperateError::refused(format!("没有文件{id}"), format!("there is no file {id} of ours"));
        }
        tx.lock_file(id, now).await?;
        let file = tx.file(id).await?;
        let (next, takes_two) = match wish {
            FileWish::Hold => (may_hold(&file)?, false),
            FileWish::Release => (may_release(&file)?, true),
            FileWish::Void => may_void(gateway, tx, &file).await?,
            FileWish::Resend => (may_resend(gateway, tx, &file, now).await?, true),
            FileWish::Sent => (may_be_sent(&file)?, true),
            FileWish::Refused => (may_be_refused(&file)?, true),
            FileWish::OneCopy => (may_count_one(&file)?, true),
            FileWish::Recall => (may_recall(tx, &file).await?, false),
        };
        let mut settled = 0;
        if wish == FileWish::Refused {
            let (own, _) = tx.own_rows(file.id).await?;
            settled = tx.open_rows(file.id).await?.iter().map(|rows| rows.count).sum();
            if is_open(file.lines_state) {
                settled += u64::try_from(file.rows).unwrap_or_default().saturating_sub(own);
            }
        }
        let went_out_as = tx.went_out_as(&file).await?;
        Ok(Self { file, wish, next, takes_two, settled, went_out_as })
    }

    /// Whoever pays again what went out under another name has asked the bank for that name: of the file's own it knows nothing.
    fn asks_by_the_right_name(&self, reason: &str) -> Result<(), OperateError> {
        if !matches!(self.wish, FileWish::Void | FileWish::Refused) || self.went_out_as.iter().all(|path| reason.contains(path)) {
            return Ok(());
        }
        let (id, paths) = (self.file.id, self.went_out_as.join(" "));
        OperateError::refused(
            format!("文件{id}的款项曾以{paths}发出，银行只认这个名字：请按它向银行核实，并在 --reason 中写明该文件名和银行的答复"),
            format!(
                "the payments of file {id} went out as {paths}, and the bank knows no other name: ask for it, and say in --reason that name and what \
                 the bank answered"
            ),
        )
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, reason: &str) -> String {
        let f = &self.file;
        let then = match (self.wish, self.next) {
            (FileWish::Void, FileOutState::Withdrawing) => {
                ", its parts are removed at the bank, then its lines are planned anew, or the bank is asked once more".to_owned()
            }
            (FileWish::Void, _) => ", its lines are planned anew".to_owned(),
            (FileWish::Release, FileOutState::Publishing) => ", the recorded parts alone may be renamed".to_owned(),
            (FileWish::Resend, _) => ", the same bytes go out once more under the same name".to_owned(),
            (FileWish::Refused, _) => format!(", {} open lines failed", self.settled),
            (FileWish::OneCopy, _) => ", one copy counts, its failures may become final".to_owned(),
            (FileWish::Recall, _) => ", the bank is asked not to execute it".to_owned(),
            (FileWish::Hold | FileWish::Release | FileWish::Sent, _) => String::new(),
        };
        let other_name = if self.went_out_as.is_empty() { String::new() } else { format!(", went out as {}", self.went_out_as.join(" ")) };
        format!(
            "file {} ({}{other_name}, bank {}, {} lines, {} yuan, for {}, copies {}, sha256 {}): {} -> {}{then}; reason: {reason}",
            f.id,
            f.path(),
            f.bank,
            f.rows,
            f.total,
            f.business_date,
            f.copies,
            f.sha256.get(..12).unwrap_or("-"),
            f.state.code(),
            self.next.code()
        )
    }

    async fn carry_out(&self, gateway: &Gateway, tx: &mut Tx, actor: &str, why: &str, now: Timestamp) -> Result<(), OperateError> {
        let file = &self.file;
        let moved = match self.wish {
            FileWish::Hold => self.hold(gateway, tx, actor, why, now).await?,
            FileWish::Release | FileWish::Resend => tx.reopen_file(file, self.next, why, actor, now).await?,
            FileWish::Void if self.next == FileOutState::Voided => give_up(gateway, tx, file, why, actor, now).await?,
            FileWish::Void => tx.move_file(file, self.next, why, actor, now).await?,
            FileWish::Sent => self.sent(gateway, tx, actor, now).await?,
            FileWish::Refused => self.refuse(gateway, tx, actor, why, now).await?,
            FileWish::OneCopy => tx.count_one_copy(file, why, actor, now).await?,
            FileWish::Recall => self.recall(gateway, tx, actor, why, now).await?,
        };
        if !moved {
            return OperateError::refused("文件状态刚刚改变，请重试", "the file moved just now: try again");
        }
        let told: &[&str] = match self.wish {
            FileWish::Hold | FileWish::Recall => &[],
            FileWish::Release | FileWish::Void | FileWish::Sent => &["held", "doubt", "presumed"],
            FileWish::Resend => &["held", "doubt", "presumed", "ack_overdue", "overdue"],
            FileWish::Refused => &["held", "doubt", "presumed", "ack_overdue", "overdue", "recall", "refused"],
            FileWish::OneCopy => &["copies"],
        };
        for kind in told {
            tx.close_incident(&format!("{kind}:{}", file.id), now).await?;
        }
        Ok(())
    }

    async fn hold(&self, gateway: &Gateway, tx: &mut Tx, actor: &str, why: &str, now: Timestamp) -> Result<bool, OperateError> {
        let f = &self.file;
        if !tx.move_file(f, self.next, why, actor, now).await? {
            return Ok(false);
        }
        let what = gateway.say(Words::new(
            format!("文件{}（{}笔，{}元）由{actor}扣住：{why}", f.name, f.rows, f.total),
            format!("file {} ({} lines, {}) is held by {actor}: {why}", f.name, f.rows, f.total),
        ));
        let next_step = gateway.say(Words::new(
            format!("继续：`bankgate file release {}`；作废重组：`bankgate file void {}`", f.id, f.id),
            format!("`bankgate file release {}` lets it go on, `bankgate file void {}` gives it up", f.id, f.id),
        ));
        let key = format!("held:{}", f.id);
        tx.incident(&NewIncident { key: &key, kind: "file_held", bank: &f.bank, what: &what, next_step: &next_step }, now).await?;
        Ok(true)
    }

    async fn sent(&self, gateway: &Gateway, tx: &mut Tx, actor: &str, now: Timestamp) -> Result<bool, OperateError> {
        let file = &self.file;
        let agreement = tx.agreement(&file.agreement).await?;
        let sent = SentRecord {
            lines_state: step(file.lines_state, Event::Send).unwrap_or(file.lines_state),
            evidence: Evidence::Attested,
            ack_due_at: None,
            result_due_at: Some(result_due(gateway, &agreement, file)?),
        };
        Ok(tx.record_sent(file, &sent, actor, now).await?)
    }

    /// The bank's word, brought by persons, fails every line that it still owes one; what it said of others before stands.
    async fn refuse(&self, gateway: &Gateway, tx: &mut Tx, actor: &str, why: &str, now: Timestamp) -> Result<bool, OperateError> {
        let file = &self.file;
        let reason = Reason::NotExecuted;
        let class = Some(reason.class());
        let of = (reason.code(), reason.class().code(), why);
        let failed = |state| step(state, Event::BankFailed).map_err(|e| PassError::Broken(e.to_string()));
        let booking = Booking { gateway, file, file_in: None, statement: None, now };
        let open = tx.open_rows(file.id).await?;
        for rows in &open {
            let from = (rows.state, ReasonClass::from_code(&rows.class));
            booking.move_money(tx, None, from, (failed(rows.state)?, class), rows.total, rows.count).await?;
        }
        if !open.is_empty() {
            tx.move_open_rows(file.id, InstructionState::Failed, of, now).await?;
        }
        if is_open(file.lines_state) {
            let next = failed(file.lines_state)?;
            let (moved, total) = tx.move_rest(file, None, next, of, now).await?;
            booking.move_money(tx, None, (file.lines_state, None), (next, class), total, moved).await?;
        }
        if !tx.move_file(file, self.next, why, actor, now).await? {
            return Ok(false);
        }
        let today = gateway.today(now);
        let due_on = gateway.due_day(today, gateway.config.cases.due_days)?;
        tx.open_cases_of_file(file, "operator", (today, due_on), now).await?;
        Ok(true)
    }

    /// Nothing moves: what becomes of it is the bank's word, or two persons who bring it.
    async fn recall(&self, gateway: &Gateway, tx: &mut Tx, actor: &str, why: &str, now: Timestamp) -> Result<bool, OperateError> {
        let f = &self.file;
        let what = gateway.say(Words::new(
            format!("{actor}要求银行{}撤销文件{}（{}，{}笔，{}元）：{why}", f.bank, f.name, f.business_date, f.rows, f.total),
            format!("{actor} asks bank {} to recall file {} ({}, {} lines, {}): {why}", f.bank, f.name, f.business_date, f.rows, f.total),
        ));
        let next_step = gateway.say(Words::new(recall_zh(f), recall_en(f)));
        let key = format!("recall:{}", f.id);
        tx.incident(&NewIncident { key: &key, kind: "recall", bank: &f.bank, what: &what, next_step: &next_step }, now).await?;
        tx.event("file_out", f.id, ("recall", f.state.code(), f.state.code()), actor, why, now).await?;
        Ok(true)
    }
}

/// What to ask the bank, word for word.
fn recall_zh(f: &FileOut) -> String {
    format!(
        "立即电话银行：“请勿执行文件{}（{}，{}笔，{}元），如已执行请书面说明各笔结果。”取得书面答复“未执行且不再执行”后 `bankgate file settle {} --as refused --reason 回函编号`；已执行则等回盘",
        f.name, f.business_date, f.rows, f.total, f.id
    )
}

fn recall_en(f: &FileOut) -> String {
    format!(
        "phone the bank at once: do not execute file {} ({}, {} lines, {} yuan). With its letter \"not executed, and will not be\": \
         `bankgate file settle {} --as refused --reason LETTER`; if it was executed, its result says so",
        f.name, f.business_date, f.rows, f.total, f.id
    )
}

/// Whether the bank still owes a word on lines that stand so.
const fn is_open(state: InstructionState) -> bool {
    match state {
        InstructionState::Planned | InstructionState::Sent | InstructionState::Accepted | InstructionState::Unknown => true,
        InstructionState::Pending
        | InstructionState::Paid
        | InstructionState::Failed
        | InstructionState::FailedFinal
        | InstructionState::Reissued
        | InstructionState::Conflict
        | InstructionState::Returned
        | InstructionState::Recovered
        | InstructionState::Lapsed
        | InstructionState::Refunding
        | InstructionState::Refunded
        | InstructionState::Carried
        | InstructionState::Voided => false,
    }
}

fn not_so<T>(file: &FileOut, zh: &str, en: &str) -> Result<T, OperateError> {
    OperateError::refused(
        format!("文件{}（{}）现为{}：{zh}", file.id, file.name, file.state.code()),
        format!("file {} ({}) is {}: {en}", file.id, file.name, file.state.code()),
    )
}

fn may_hold(file: &FileOut) -> Result<FileOutState, OperateError> {
    match file.state {
        FileOutState::Planned | FileOutState::Sealed | FileOutState::Uploading => Ok(FileOutState::Held),
        FileOutState::Publishing => not_so(
            file,
            "随时可能改名生效，已不能扣住；稍后再看，必要时 `bankgate file recall`",
            "it may be renamed at any moment and cannot be stopped here: look again shortly, then `bankgate file recall`",
        ),
        FileOutState::Sent | FileOutState::Accepted => {
            not_so(file, "已送达银行，请用 `bankgate file recall`", "the bank has it: `bankgate file recall`")
        }
        FileOutState::Held | FileOutState::Doubt | FileOutState::Withdrawing => {
            not_so(file, "不会自动继续，无需扣住", "it goes nowhere by itself")
        }
        FileOutState::Answered | FileOutState::Refused | FileOutState::Voided | FileOutState::Abandoned => {
            not_so(file, "已了结", "it has come to its end")
        }
    }
}

/// Where a held file goes on: from where it was stopped. Once its parts are recorded, by looking.
fn may_release(file: &FileOut) -> Result<FileOutState, OperateError> {
    if file.state != FileOutState::Held {
        return not_so(file, "只有扣住的文件才能放行", "only what is held is released");
    }
    match (file.copies, file.part_name.is_empty(), file.sha256.is_empty()) {
        (0, _, true) => Ok(FileOutState::Planned),
        (0, _, false) => Ok(FileOutState::Sealed),
        (_, false, _) => Ok(FileOutState::Publishing),
        (_, true, _) => not_so(
            file,
            "已没有可改名的分片；按银行书面答复 `bankgate file settle` 或 `bankgate file void`",
            "nothing is left that could be renamed: `bankgate file settle` or `bankgate file void`, by the bank's word",
        ),
    }
}

async fn may_void(gateway: &Gateway, tx: &mut Tx, file: &FileOut) -> Result<(FileOutState, bool), OperateError> {
    match (file.state, file.copies) {
        (FileOutState::Planned | FileOutState::Sealed | FileOutState::Uploading, 0) => return Ok((FileOutState::Voided, false)),
        (FileOutState::Held, 0) => return Ok((FileOutState::Voided, true)),
        (FileOutState::Held | FileOutState::Doubt, 1) => {}
        _ => {
            return not_so(
                file,
                "可能已送达银行，不能作废；未执行的书面答复用 `bankgate file settle --as refused`，撤销用 `bankgate file recall`",
                "it may be out and is not given up: `bankgate file recall`, or `bankgate file settle --as refused` with the bank's letter",
            );
        }
    }
    let (own, _) = tx.own_rows(file.id).await?;
    if own > 0 || file.lines_state != InstructionState::Planned {
        return not_so(
            file,
            "银行对其已有说法，不能视为未发出；用 `bankgate file settle`",
            "the bank has spoken of it, so it was out: `bankgate file settle`",
        );
    }
    let in_place =
        file.part_name.rsplit('/').next() == Some(&file.name) || gateway.profile(&file.profile)?.exchange().publish != PublishMode::Rename;
    match taken_back(in_place, file.absent_at.is_some()) {
        Some(next) => Ok((next, true)),
        None => not_so(
            file,
            "按原名直接写入，随时可能迟到，不能作废；取得“未执行且不再执行”的书面答复后 `bankgate file settle --as refused`",
            "it is written in place, may still arrive late and is not given up: with the bank's letter \"not executed, and will not be\", \
             `bankgate file settle --as refused`",
        ),
    }
}

async fn may_resend(gateway: &Gateway, tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<FileOutState, OperateError> {
    if file.kind == FileKind::Refund {
        return not_so(file, "退款文件不重发：作废凭证后重新提出", "a refund is not sent again: cancel the order and propose it anew");
    }
    let parts_may_be_left = file.state == FileOutState::Doubt && !file.part_name.is_empty();
    if !matches!(file.state, FileOutState::Sent | FileOutState::Doubt) || parts_may_be_left {
        return not_so(
            file,
            "只有已发送而银行书面说没有的文件才能重发；存疑的先 `bankgate file void`（收回分片后重组）",
            "only what was sent, and the bank writes that it has no copy, is sent again; take a doubtful one back with `bankgate file void`",
        );
    }
    let (own, _) = tx.own_rows(file.id).await?;
    let is_unspoken = matches!(file.lines_state, InstructionState::Planned | InstructionState::Sent | InstructionState::Unknown);
    if own > 0 || !is_unspoken {
        return not_so(file, "银行对其已有说法，不会没有收到", "the bank has spoken of it, so it has a copy");
    }
    let agreement = tx.agreement(&file.agreement).await?;
    if open_day(gateway, &agreement, now)? != Some(file.business_date) {
        return not_so(
            file,
            "其业务日已过，同名重发会被拒；取得“未执行且不再执行”的书面答复后 `bankgate file settle --as refused`",
            "its day went by and the bank would refuse it: with its letter \"not executed, and will not be\", `bankgate file settle --as refused`",
        );
    }
    Ok(FileOutState::Sealed)
}

fn may_be_sent(file: &FileOut) -> Result<FileOutState, OperateError> {
    if !matches!(file.state, FileOutState::Held | FileOutState::Doubt) || file.sha256.is_empty() {
        return not_so(
            file,
            "只有扣住或存疑、且已生成的文件才需认定为已送达",
            "only what is held or in doubt, and was made, is settled as sent",
        );
    }
    Ok(FileOutState::Sent)
}

fn may_be_refused(file: &FileOut) -> Result<FileOutState, OperateError> {
    let may = matches!(file.state, FileOutState::Held | FileOutState::Doubt | FileOutState::Sent | FileOutState::Accepted);
    if file.kind == FileKind::Refund {
        return not_so(file, "退款请用 `bankgate refund cancel`", "of a refund: `bankgate refund cancel`");
    }
    if !may || file.copies == 0 {
        return not_so(
            file,
            "只有可能已送达而未了结的文件才能认定为未执行",
            "only what may be out and has not ended is settled as not executed",
        );
    }
    Ok(FileOutState::Refused)
}

fn may_count_one(file: &FileOut) -> Result<FileOutState, OperateError> {
    if file.copies < 2 {
        return not_so(file, "只发出过一份", "only one copy ever went out");
    }
    Ok(file.state)
}

async fn may_recall(tx: &mut Tx, file: &FileOut) -> Result<FileOutState, OperateError> {
    if !matches!(file.state, FileOutState::Sent | FileOutState::Accepted) {
        return not_so(
            file,
            "没有可撤销的：未发出的用 `bankgate file hold` 或 `void`，已回盘的不能撤销",
            "there is nothing to recall: `bankgate file hold` or `void` before it is out; what was answered cannot be recalled",
        );
    }
    if tx.is_incident_open(&format!("recall:{}", file.id)).await? {
        return not_so(file, "已在撤销中", "it is being recalled already");
    }
    Ok(file.state)
}
