//! Acts that take two persons (两人办理). The first proposes: what would be done is worked out and written down in words,
//! with its hash. The second approves: it is worked out again from the rows as they are then, and done only if it is word
//! for word the same. The database itself refuses the same person twice.

use super::duty::{self, Duty};
use super::{OperateError, answer, cancel, case, choose, desk, file, matching, partly, refund};
use crate::domain::batch::person_of;
use crate::domain::file::FileOutState;
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, InstructionState, coded, step};
use crate::domain::ledger::{EntryKind, Movement, entry_kind};
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, PassError, returns};
use crate::store::admission::NewCase;
use crate::store::desk::{Operator, Proposal};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::outbound::FileOut;
use crate::store::settle::Standing;
use crate::store::sql::Tx;

/// What can be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Settles an unknown or contradicted instruction as paid, by evidence.
    ResolvePaid,
    /// Settles it as not paid: its money is free to be paid again.
    ResolveFailed,
    /// Opens the ledger with what lay in the accounts on the day of the switch-over.
    Opening,
    /// Lets publishing go on although the database may have forgotten.
    ReleasePublishing,
    /// Money that was asked back was given back.
    Recover,
    /// Gives a failure another reason, and with it another class.
    Reclassify,
    /// A failed payment will not be made: its money goes back to the treasury.
    Cancel,
    /// Closes a case that no money hangs on, by evidence.
    CloseCase,
    /// Says of a payment that may have been made twice that it was made, so that nothing pays it again.
    CloseAsPaid,
    /// Sends money back to the treasury.
    Refund,
    /// Takes the treasury's word that it has it.
    RefundReceipt,
    /// Gives an order up that may have gone out.
    RefundCancel,
    /// Says what a statement's line is.
    Match,
    /// Settles it as paid in part.
    ResolvePartly,
    /// An opening balance went back to the treasury.
    OpeningReturned,
    /// Says which of two differing statements counts.
    ChooseStatement,
    /// Takes a released batch back before it passes the gate.
    BatchCancel,
    /// Lets a held file go on.
    FileRelease,
    /// Gives a file up that was held or is in doubt.
    FileVoid,
    /// Sends a file's bytes once more.
    FileResend,
    /// Takes the bank's word that it has a file.
    FileSent,
    /// Takes the bank's word that it executed nothing of what is open.
    FileRefused,
    /// Takes the bank's word that it executed one copy of several.
    FileOneCopy,
    /// Reads a bank's file that contradicts another.
    FileReread,
    /// Reads a bank's file without some lines.
    FileWithout,
    /// Lets a bank go live that was only tried out.
    BankLive,
}

coded!(Act {
    ResolvePaid = "payment.resolve_paid",
    ResolveFailed = "payment.resolve_failed",
    Opening = "switch.opening",
    ReleasePublishing = "publishing.release",
    Recover = "failure.recover",
    Reclassify = "failure.reclassify",
    Cancel = "failure.cancel",
    CloseCase = "failure.close",
    CloseAsPaid = "failure.close_as_paid",
    Refund = "refund.order",
    RefundReceipt = "refund.receipt",
    RefundCancel = "refund.cancel",
    Match = "statement.match",
    ResolvePartly = "payment.resolve_partly",
    OpeningReturned = "switch.returned",
    ChooseStatement = "statement.choose",
    BatchCancel = "batch.cancel",
    FileRelease = "file.release",
    FileVoid = "file.void",
    FileResend = "file.resend",
    FileSent = "file.sent",
    FileRefused = "file.refused",
    FileOneCopy = "file.one_copy",
    FileReread = "file.reread",
    FileWithout = "file.without",
    BankLive = "bank.live",
});

impl Act {
    /// What happens to the instruction, where the act is about one's outcome.
    const fn event(self) -> Option<Event> {
        match self {
            Self::ResolvePaid | Self::ResolvePartly => Some(Event::ResolvePaid),
            Self::ResolveFailed => Some(Event::ResolveFailed),
            Self::ReleasePublishing => None,
            Self::Opening | Self::Recover | Self::Reclassify | Self::Cancel | Self::CloseCase | Self::CloseAsPaid => None,
            Self::Refund | Self::RefundReceipt | Self::RefundCancel | Self::Match => None,
            Self::OpeningReturned | Self::ChooseStatement | Self::BatchCancel => None,
            Self::FileRelease | Self::FileVoid | Self::FileResend | Self::FileSent | Self::FileRefused | Self::FileOneCopy => None,
            Self::FileReread | Self::FileWithout | Self::BankLive => None,
        }
    }
}

/// Proposes to settle an instruction, with the evidence in words. Says the proposal's number and its effect.
///
/// # Errors
/// Refused to whoever may not, where the instruction is neither unknown nor contradicted, and without evidence.
pub async fn propose_resolve(
    gateway: &Gateway,
    by: &Operator,
    instruction: i64,
    act: Act,
    evidence: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let evidence = has_evidence(evidence)?;
    let mut tx = gateway.store.begin().await?;
    let effect = Settlement::of(&mut tx, instruction, act).await?.effect(evidence);
    let subject = EndToEndId(instruction).to_string();
    put_forward(tx, by, (act, &subject), evidence, effect, now).await
}

/// Writes a proposal about an instruction or a batch down, where none waits for its second person already. Says its number and effect.
pub(super) async fn put_forward(
    mut tx: Tx,
    by: &Operator,
    (act, subject): (Act, &str),
    kept: &str,
    effect: String,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    none_open(&mut tx, subject).await?;
    let id = tx.propose(act.code(), subject, kept, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    tracing::info!(proposal = id, by = by.login, act = act.code(), subject, "proposed");
    Ok((id, effect))
}

/// Refuses where what would be done now is not word for word what was proposed.
pub(super) fn is_unchanged(proposal: &Proposal, effect: &str) -> Result<(), OperateError> {
    if effect == proposal.effect && proposal.is_of(effect) {
        return Ok(());
    }
    OperateError::refused(
        format!("事项{}提出后数据已变，效果不再相同；请撤回后重新提出", proposal.id),
        format!("the rows changed since {} was proposed; what would be done now is another thing: propose it anew", proposal.id),
    )
}

/// The evidence, where there is any.
pub(super) fn has_evidence(evidence: &str) -> Result<&str, OperateError> {
    let evidence = evidence.trim();
    if evidence.chars().count() < 4 {
        return OperateError::refused(
            "请用 --evidence 写明依据（银行回函编号、流水号、核对人等）",
            "say with --evidence what proves it: the bank's letter, the statement's entry, who was asked",
        );
    }
    Ok(evidence)
}

/// Refuses where another proposal about the same thing waits for its second person.
pub(super) async fn none_open(tx: &mut Tx, subject: &str) -> Result<(), OperateError> {
    for other in Act::ALL {
        if let Some(open) = tx.proposal_open(other.code(), subject).await? {
            return OperateError::refused(
                format!("{subject}已有待批准事项{open}（{}）；批准用 `bankgate approve {open}`", other.code()),
                format!("{subject} has the open proposal {open} ({}): approve it with `bankgate approve {open}`", other.code()),
            );
        }
    }
    Ok(())
}

/// Approves a proposal and does it. Another person than its proposer. Says what was done.
///
/// # Errors
/// Refused to the proposer and to whoever may not; and when the rows have changed, so that the effect would be another.
pub async fn approve(gateway: &Gateway, by: &Operator, id: i64, now: Timestamp) -> Result<String, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let mut tx = gateway.store.begin().await?;
    let Some(proposal) = tx.proposal(id).await? else {
        return OperateError::refused(format!("没有待批准的事项{id}"), format!("there is no open proposal {id}"));
    };
    if person_of(&proposal.proposed_by) == person_of(&by.login) {
        return OperateError::refused(
            format!("事项{id}由{}提出，须由另一人批准", by.login),
            format!("{} proposed {id}: another person approves it", by.login),
        );
    }
    let Some(act) = Act::from_code(&proposal.act) else {
        return OperateError::refused(
            format!("事项{id}（{}）不是本版本能办理的", proposal.act),
            format!("proposal {id} is {:?}, which this version cannot do", proposal.act),
        );
    };
    let done = match act {
        Act::ResolvePaid | Act::ResolveFailed => resolve(gateway, &mut tx, by, &proposal, act, now).await?,
        Act::Opening => super::switch::open(&mut tx, by, &proposal, now).await?,
        Act::Recover | Act::Reclassify | Act::Cancel | Act::CloseCase | Act::CloseAsPaid => {
            case::done(gateway, &mut tx, by, &proposal, act, now).await?
        }
        Act::Refund | Act::RefundReceipt | Act::RefundCancel => refund::approve(gateway, &mut tx, by, &proposal, act, now).await?,
        Act::Match => matching::explain(gateway, &mut tx, by, &proposal, now).await?,
        Act::OpeningReturned => super::switch::returned(&mut tx, &proposal, now).await?,
        Act::ChooseStatement => choose::choose(&mut tx, by, &proposal, now).await?,
        Act::ReleasePublishing => super::guard::release(&mut tx, by, &proposal, now).await?,
        Act::ResolvePartly => partly::resolve(gateway, &mut tx, by, &proposal, now).await?,
        Act::BatchCancel => cancel::done(gateway, &mut tx, by, &proposal, now).await?,
        Act::FileRelease | Act::FileVoid | Act::FileResend | Act::FileSent | Act::FileRefused | Act::FileOneCopy => {
            file::approve(gateway, &mut tx, by, &proposal, act, now).await?
        }
        Act::FileReread | Act::FileWithout => answer::approve(gateway, &mut tx, by, &proposal, now).await?,
        Act::BankLive => desk::go_live(&mut tx, &proposal).await?,
    };
    if !tx.approve_proposal(id, by, now).await? {
        return OperateError::refused(format!("事项{id}刚被他人办理"), format!("somebody else decided {id} just now"));
    }
    tx.audit(&by.login, "approve", &format!("proposal {id}"), &done, now).await?;
    tx.commit().await?;
    tracing::info!(proposal = id, by = by.login, proposed_by = proposal.proposed_by, act = act.code(), "approved and done");
    Ok(done)
}

/// Withdraws a proposal; anybody who may decide can.
///
/// # Errors
/// Refused to whoever may not, and when it is not open.
pub async fn withdraw(gateway: &Gateway, by: &Operator, id: i64, now: Timestamp) -> Result<(), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let mut tx = gateway.store.begin().await?;
    let proposal = tx.proposal(id).await?;
    if !tx.withdraw_proposal(id).await? {
        return OperateError::refused(format!("没有待批准的事项{id}"), format!("there is no open proposal {id}"));
    }
    let of_an_order = proposal.filter(|p| Act::from_code(&p.act) == Some(Act::Refund));
    if let Some(proposal) = of_an_order {
        refund::withdrawn(&mut tx, by, &proposal, now).await?;
    }
    tx.audit(&by.login, "withdraw", &format!("proposal {id}"), "", now).await?;
    tx.commit().await?;
    Ok(())
}

/// What settling an instruction would do, from the rows as they are.
struct Settlement {
    line: Standing,
    file: FileOut,
    next: InstructionState,
    /// The attempt before it that was credited after all, where that is why it counts as paid.
    before: Option<i64>,
    /// The return that did not take place, where that is why.
    not_back: Option<i64>,
}

impl Settlement {
    async fn of(tx: &mut Tx, instruction: i64, act: Act) -> Result<Self, OperateError> {
        let reference = EndToEndId(instruction);
        let Some(line) = tx.standing(instruction).await? else {
            return OperateError::refused(format!("没有支付{reference}"), format!("there is no instruction {reference}"));
        };
        if let Some(successor) = line.successor {
            let successor = EndToEndId(successor);
            return OperateError::refused(
                format!("支付{reference}已由{successor}重新发放；须先了结{successor}，以免重复支付"),
                format!("{reference} is paid again by {successor}: settle that one first, or it is paid twice"),
            );
        }
        let is_lapsed = line.state == InstructionState::Lapsed;
        let is_final = is_lapsed || line.state == InstructionState::FailedFinal;
        let before = tx.paid_before(instruction).await?;
        let not_back = if before.is_none() && !is_lapsed { tx.return_of_all(instruction).await? } else { None };
        let may = !is_final || before.is_some() || not_back.is_some();
        let next = act.event().and_then(|event| step(line.state, event).ok()).filter(|_| may);
        let (Some(next), Some(file)) = (next, line.file_out) else {
            return OperateError::refused(
                format!("支付{reference}现为{}；只有结果不明（unknown）或相互矛盾（conflict）的才能人工认定", line.state.code()),
                format!("{reference} is {}: only what is unknown or in conflict is settled by persons", line.state.code()),
            );
        };
        let (before, not_back) = (before.filter(|_| is_final), not_back.filter(|_| is_final));
        if is_final && tx.is_refunded_or_asked(instruction).await? {
            return OperateError::refused(
                format!("支付{reference}的款项已列入退款单，先撤销退款单（bankgate refund cancel）"),
                format!("the money of {reference} stands in a refund order: cancel that first (`bankgate refund cancel`)"),
            );
        }
        let file = tx.file(file).await?;
        Ok(Self { line, file, next, before, not_back })
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, evidence: &str) -> String {
        let l = &self.line;
        let reference = EndToEndId(l.id);
        let why = match (self.before, self.not_back) {
            (Some(id), _) => format!(": its money paid {}, which was credited after all", EndToEndId(id)),
            (None, Some(_)) => ": it did not come back".to_owned(),
            (None, None) => String::new(),
        };
        format!(
            "{reference} (batch {}, row {}, {} yuan, bank {}, file {}): {} -> {}{why}; evidence: {evidence}",
            l.batch,
            l.seq,
            l.amount,
            self.file.bank,
            self.file.name,
            l.state.code(),
            self.next.code()
        )
    }

    /// The money's way, where it moves.
    fn movement(&self) -> Option<Movement> {
        let from = self.line.state.account(ReasonClass::from_code(&self.line.class))?;
        let to = self.next.account(Some(ReasonClass::Unclear))?;
        let kind: EntryKind = if self.not_back.is_some() { EntryKind::Return } else { entry_kind(to) };
        (from != to).then(|| Movement {
            kind,
            from: self.file.purse.account(from),
            to: self.file.purse.account(to),
            amount: self.line.amount,
        })
    }
}

async fn resolve(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    act: Act,
    now: Timestamp,
) -> Result<String, OperateError> {
    let Some(EndToEndId(instruction)) = EndToEndId::parse(&proposal.subject) else {
        return Err(PassError::Broken(format!("proposal {} names {:?}, which is no instruction", proposal.id, proposal.subject)).into());
    };
    let it = Settlement::of(tx, instruction, act).await?;
    let effect = it.effect(&proposal.reason);
    is_unchanged(proposal, &effect)?;
    if !tx.hold_file(&it.file, now).await? {
        return OperateError::refused("文件状态刚刚改变，请重试", "the file moved just now: try again");
    }
    let reason = Reason::OtherUnmapped;
    let (code, class) = if it.next == InstructionState::Paid { ("", "") } else { (reason.code(), reason.class().code()) };
    let words = format!("{}; {} + {}", proposal.reason, proposal.proposed_by, by.login);
    if !tx.settle_line(&it.file, &it.line, (it.next, code, class), &words, now).await? {
        return OperateError::refused("该支付状态刚刚改变，请重试", "the instruction moved just now: try again");
    }
    let of = EntryOf { batch: it.line.batch.clone(), file_out: Some(it.file.id), lines: 1, ..EntryOf::default() };
    if let Some(movement) = it.movement() {
        tx.post(now, &of, Origin::Theirs, &movement).await?;
    }
    tx.event("instruction", instruction, (act.code(), it.line.state.code(), it.next.code()), &by.login, &proposal.reason, now).await?;
    if let Some(id) = it.not_back {
        tx.return_undone(instruction, id).await?;
    }
    if let Some(before) = it.before {
        // The claim goes from the one that was suspected to the one whose money it was; the suspicion is cleared.
        tx.suspect_was_paid(before, now).await?;
        // Of one that was parted the rest was paid: what came back of the other part, or is asked back, goes its own way.
        if !tx.has_remainder(before).await? {
            tx.close_cases(before, "evidence", now).await?;
        }
        tx.close_incident(&format!("double:{before}"), now).await?;
        tx.suspect_cleared(before).await?;
        let state = tx.own_line(before).await?.map_or(InstructionState::Reissued, |own| own.state).code();
        let words = format!("paid with the money of {}", EndToEndId(instruction));
        tx.event("instruction", before, (act.code(), state, state), &by.login, &words, now).await?;
    }
    if it.next == InstructionState::Paid {
        claim_again(tx, &it.line, now).await?;
        // A return that waited for this success takes effect; between two words that differed, the persons' is the last.
        if it.line.state == InstructionState::Conflict {
            tx.lay_returns_aside(instruction, now).await?;
        }
        returns::meet(gateway, tx, &it.file, returns::Evidence::default(), now).await?;
    } else {
        settled_as_failed(gateway, tx, &it, reason, &words, now).await?;
    }
    end_of_file(gateway, tx, &it.file, now).await?;
    Ok(effect)
}

/// Who was paid holds the claim, and needs nobody any more.
pub(super) async fn claim_again(tx: &mut Tx, line: &Standing, now: Timestamp) -> Result<(), OperateError> {
    tx.close_cases(line.id, "evidence", now).await?;
    tx.close_incident(&format!("double:{}", line.id), now).await?;
    if line.is_live {
        return Ok(());
    }
    match tx.retake_claim(line.id).await {
        Ok(_) => Ok(()),
        Err(e) if e.is_unique_violation() => OperateError::refused(
            "同一人同一项目同一所属期另有一笔正在发放；须先了结那一笔，以免重复支付",
            "another instruction pays the same entitlement: settle that one first, or it is paid twice",
        ),
        Err(e) => Err(e.into()),
    }
}

/// What failed needs somebody: the department is told, and the payment may be corrected and paid again.
async fn settled_as_failed(
    gateway: &Gateway,
    tx: &mut Tx,
    it: &Settlement,
    reason: Reason,
    words: &str,
    now: Timestamp,
) -> Result<(), OperateError> {
    let l = &it.line;
    let today = gateway.today(now);
    let due_on = gateway.calendar.add_working_days(today, gateway.config.cases.due_days).map_err(PassError::from)?;
    tx.close_cases(l.id, "evidence", now).await?;
    tx.close_incident(&format!("double:{}", l.id), now).await?;
    if tx.reopen_case(l, "failed", due_on).await? {
        return Ok(());
    }
    let case = NewCase {
        kind: "failed",
        payment_id: l.payment_id,
        root_payment_id: l.root_payment_id,
        instruction_id: Some(l.id),
        part: 0,
        batch: l.batch.clone(),
        department: l.department.clone(),
        bank: it.file.bank.clone(),
        amount: l.amount,
        reason: reason.code(),
        class: reason.class().code(),
        detail: words.to_owned(),
        owner: "department",
        business_date: today,
        due_on,
    };
    Ok(tx.insert_cases(&[case], now).await?)
}

/// The last open line of a file ends it.
pub(super) async fn end_of_file(gateway: &Gateway, tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<(), OperateError> {
    let waits = match file.state {
        FileOutState::Sent | FileOutState::Accepted | FileOutState::Doubt => true,
        FileOutState::Planned
        | FileOutState::Sealed
        | FileOutState::Uploading
        | FileOutState::Publishing
        | FileOutState::Answered
        | FileOutState::Refused
        | FileOutState::Held
        | FileOutState::Withdrawing
        | FileOutState::Voided
        | FileOutState::Abandoned => false,
    };
    if waits && tx.lines_open(file).await? == 0 {
        let recurs = gateway.profile(&file.profile)?.exchange().recurring_path;
        if tx.record_answered(file.id, recurs, now).await? {
            tx.event("file_out", file.id, ("answer", file.state.code(), "answered"), &gateway.holder, "", now).await?;
        }
    }
    Ok(())
}
