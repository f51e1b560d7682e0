//! Failures, looked after by people (失败台账的办理). To take one on, or to note what was done, takes one person. What moves
//! money or ends a case is proposed by one and approved by another, like every act of that kind: recovering what was given
//! back, reclassifying a failure (its money lies elsewhere then), cancelling a payment, closing by evidence.
//!
//! What is absent: a way to close a case while its money lies with us. It ends by a reissue that was paid, a refund that
//! was seen, a statement.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, is_unchanged};
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, Figure, InstructionState, step};
use crate::domain::ledger::{EntryKind, Movement};
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::passes::admit::owner_of;
use crate::passes::cases::recovered;
use crate::passes::{Gateway, PassError};
use crate::store::cases::CaseFacts;
use crate::store::desk::{Operator, Proposal};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::settle::Standing;
use crate::store::sql::Tx;

/// What is between the reason's code and the words of a proposal to reclassify: no code holds it.
const APART: &str = ": ";

/// Where a payment stands whose money went elsewhere.
const GONE: [InstructionState; 3] = [InstructionState::Reissued, InstructionState::Refunded, InstructionState::Carried];

/// Gives a case to somebody.
///
/// # Errors
/// Refused to whoever may not; to somebody who is not of that department and not of finance; where there is no such case.
pub async fn assign(gateway: &Gateway, by: &Operator, id: i64, to: &str, reason: &str, now: Timestamp) -> Result<(), OperateError> {
    let mut tx = gateway.store.begin().await?;
    let case = find(&mut tx, by, id).await?;
    let who = match tx.operator(to).await? {
        Some(who) if who.role != "auditor" && (who.department.is_empty() || who.department == case.department) => who,
        Some(_) | None => {
            return OperateError::refused(
                format!("登录名“{to}”不是部门{}或财政的在册操作员，不能交其办理", case.department),
                format!("{to:?} is nobody of department {} or of finance: give it to somebody who is", case.department),
            );
        }
    };
    tx.keep_case(id, &who.login, &case.note).await?;
    written(&mut tx, by, ("assign", &format!("{} -> {}; {reason}", case.assignee, who.login)), id, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Notes what was done about a case. Earlier notes stay in its history.
///
/// # Errors
/// Refused to whoever may not; where there is no such case.
pub async fn note(gateway: &Gateway, by: &Operator, id: i64, words: &str, now: Timestamp) -> Result<(), OperateError> {
    let words = words.trim();
    if words.is_empty() || words.chars().count() > 500 {
        return OperateError::refused("备注须有内容，且不超过500字", "a note says something, in at most 500 characters");
    }
    let mut tx = gateway.store.begin().await?;
    let case = find(&mut tx, by, id).await?;
    tx.keep_case(id, &case.assignee, words).await?;
    written(&mut tx, by, ("note", words), id, now).await?;
    tx.commit().await?;
    Ok(())
}

/// What is proposed for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Its money was given back: what proves it.
    Recover(&'a str),
    /// Another reason, and why.
    Reclassify(Reason, &'a str),
    /// It will not be paid, and why.
    Cancel(&'a str),
    /// What proves that nothing is left to do.
    Close(&'a str),
    /// It was paid, though its money went elsewhere: what proves it.
    Paid(&'a str),
}

impl Wish<'_> {
    const fn act(self) -> Act {
        match self {
            Self::Recover(_) => Act::Recover,
            Self::Reclassify(..) => Act::Reclassify,
            Self::Cancel(_) => Act::Cancel,
            Self::Close(_) => Act::CloseCase,
            Self::Paid(_) => Act::CloseAsPaid,
        }
    }

    const fn words(&self) -> &str {
        match self {
            Self::Recover(words) | Self::Reclassify(_, words) | Self::Cancel(words) | Self::Close(words) | Self::Paid(words) => words,
        }
    }

    fn kept(&self) -> String {
        match self {
            Self::Reclassify(reason, words) => format!("{}{APART}{words}", reason.code()),
            Self::Recover(words) | Self::Cancel(words) | Self::Close(words) | Self::Paid(words) => (*words).to_owned(),
        }
    }

    fn of(act: Act, kept: &str) -> Result<Wish<'_>, PassError> {
        match act {
            Act::Recover => Ok(Wish::Recover(kept)),
            Act::Cancel => Ok(Wish::Cancel(kept)),
            Act::CloseCase => Ok(Wish::Close(kept)),
            Act::CloseAsPaid => Ok(Wish::Paid(kept)),
            Act::Reclassify => kept
                .split_once(APART)
                .and_then(|(code, words)| Reason::from_code(code).map(|reason| Wish::Reclassify(reason, words)))
                .ok_or_else(|| PassError::Broken(format!("a proposal to reclassify names no reason: {kept:?}"))),
            Act::ResolvePaid
            | Act::ResolveFailed
            | Act::ResolvePartly
            | Act::Opening
            | Act::ReleasePublishing
            | Act::Refund
            | Act::RefundReceipt
            | Act::RefundCancel
            | Act::FileRelease
            | Act::FileVoid
            | Act::FileResend
            | Act::FileSent
            | Act::FileRefused
            | Act::FileOneCopy
            | Act::FileReread
            | Act::FileWithout
            | Act::BankLive
            | Act::Match
            | Act::OpeningReturned
            | Act::ChooseStatement
            | Act::BatchCancel => Err(PassError::Broken(format!("{} is no act on a case", act.code()))),
        }
    }
}

/// Proposes something for a case: the proposal's number and its effect. A refused row has no money: it is cancelled at
/// once, and there is no number.
///
/// # Errors
/// Refused to whoever may not, without words, and where the case does not allow it.
pub async fn propose(
    gateway: &Gateway,
    by: &Operator,
    id: i64,
    wish: Wish<'_>,
    now: Timestamp,
) -> Result<(Option<i64>, String), OperateError> {
    if wish.words().trim().chars().count() < 4 {
        return OperateError::refused(
            "请写明原因或依据（凭证号、回函、经过）",
            "say why, or what proves it: the voucher, the letter, what happened",
        );
    }
    let mut tx = gateway.store.begin().await?;
    let case = find(&mut tx, by, id).await?;
    let plan = Plan::of(&mut tx, case, wish).await?;
    let effect = plan.effect(wish);
    if matches!(wish, Wish::Cancel(_)) && plan.line.is_none() {
        tx.close_case(id, "cancelled", now).await?;
        written(&mut tx, by, ("cancel", wish.words()), id, now).await?;
        tx.commit().await?;
        return Ok((None, effect));
    }
    let subject = subject(id);
    for other in [Act::Recover, Act::Reclassify, Act::Cancel, Act::CloseCase, Act::CloseAsPaid] {
        if let Some(open) = tx.proposal_open(other.code(), &subject).await? {
            return OperateError::refused(
                format!("案件{id}已有待批准事项{open}（{}）；批准用 `bankgate approve {open}`", other.code()),
                format!("case {id} has the open proposal {open} ({}): approve it with `bankgate approve {open}`", other.code()),
            );
        }
    }
    let proposal = tx.propose(wish.act().code(), &subject, &wish.kept(), &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {proposal}"), &effect, now).await?;
    tx.commit().await?;
    tracing::info!(proposal, by = by.login, act = wish.act().code(), case = id, "proposed");
    Ok((Some(proposal), effect))
}

/// Does what was proposed, if it would still be the same.
pub(super) async fn done(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    act: Act,
    now: Timestamp,
) -> Result<String, OperateError> {
    let Some(id) = proposal.subject.strip_prefix("case ").and_then(|id| id.parse().ok()) else {
        return Err(PassError::Broken(format!("proposal {} names {:?}, which is no case", proposal.id, proposal.subject)).into());
    };
    let wish = Wish::of(act, &proposal.reason)?;
    let case = find(tx, by, id).await?;
    let mut plan = Plan::of(tx, case, wish).await?;
    if let Some(file) = plan.line.as_ref().and_then(|line| line.file_out) {
        let file = tx.file(file).await?;
        if !tx.hold_file(&file, now).await? {
            return OperateError::refused("文件状态刚刚改变，请重试", "the file moved just now: try again");
        }
        if let Some(instruction) = plan.case.instruction {
            tx.hold_rests(instruction).await?;
        }
        // Behind these rows: what the bank or a statement said of it just before is read, and what pays or refunds its rest.
        let case = find(tx, by, id).await?;
        plan = Plan::of(tx, case, wish).await?;
    }
    let effect = plan.effect(wish);
    is_unchanged(proposal, &effect)?;
    let words = format!("{}; {} + {}", wish.words(), proposal.proposed_by, by.login);
    match wish {
        Wish::Recover(_) => {
            if !recovered(gateway, tx, id, plan.case.amount, None, &words, now).await? {
                return OperateError::refused(
                    format!("案件{id}刚刚改变，请查看后重试"),
                    format!("case {id} changed just now: look and try again"),
                );
            }
        }
        Wish::Reclassify(reason, _) => plan.reclassify(tx, reason, now).await?,
        Wish::Cancel(_) => plan.reclassify(tx, Reason::Ineligible, now).await?,
        Wish::Close(_) => plan.close(tx, false, now).await?,
        Wish::Paid(_) => plan.close(tx, true, now).await?,
    }
    let what = act.code().rsplit('.').next().unwrap_or_default();
    written(tx, by, (what, &words), id, now).await?;
    Ok(effect)
}

fn subject(id: i64) -> String {
    format!("case {id}")
}

async fn find(tx: &mut Tx, by: &Operator, id: i64) -> Result<CaseFacts, OperateError> {
    match tx.case_facts(id).await? {
        Some(case) => {
            duty::require(by, Duty::Handle, &case.department)?;
            Ok(case)
        }
        None => OperateError::refused(
            format!("没有案件{id}；`bankgate failure list` 列出未结案件"),
            format!("there is no case {id}: `bankgate failure list` shows those that are open"),
        ),
    }
}

async fn written(tx: &mut Tx, by: &Operator, (what, words): (&str, &str), id: i64, now: Timestamp) -> Result<(), OperateError> {
    tx.audit(&by.login, &format!("failure.{what}"), &subject(id), words, now).await?;
    Ok(tx.event("case", id, (what, "", ""), &by.login, words, now).await?)
}

/// What would be done, from the rows as they are.
struct Plan {
    case: CaseFacts,
    /// Where its payment stands; in a case of what remains of a partly paid one, where that does.
    line: Option<Standing>,
    /// Whether another holds its claim and stands as paid: a suspected payment was made too.
    is_paid_beside: bool,
    /// Of a suspected one that was partly paid: the part that persons said was not, and where it stands.
    rest: Option<(i64, Standing)>,
    /// Whether that was paid by itself since.
    is_rest_paid: bool,
}

impl Plan {
    async fn of(tx: &mut Tx, case: CaseFacts, wish: Wish<'_>) -> Result<Self, OperateError> {
        let id = case.id;
        if !case.is_open {
            return OperateError::refused(format!("案件{id}已结"), format!("case {id} is closed"));
        }
        let line = match case.instruction {
            Some(instruction) if case.part > 0 => tx.standing_of_rest(instruction, case.part).await?,
            Some(instruction) => tx.standing(instruction).await?,
            None => None,
        };
        let is_paid_beside = match &line {
            Some(line) if case.kind == "double_payment_suspected" && !line.is_live && GONE.contains(&line.state) => {
                tx.paid_beside(line.id).await?.is_some()
            }
            Some(_) | None => false,
        };
        let rest = Self::rest_of(tx, &case).await?;
        let is_rest_paid = match &rest {
            Some((part, rest)) => tx.is_rest_paid(rest.id, *part).await?,
            None => false,
        };
        let plan = Self { case, line, is_paid_beside, rest, is_rest_paid };
        match wish {
            Wish::Recover(_) => plan.may_be_recovered()?,
            Wish::Reclassify(reason, _) => plan.may_be_reclassified(reason)?,
            Wish::Cancel(_) => plan.may_be_reclassified(Reason::Ineligible)?,
            Wish::Close(_) => plan.may_be_closed()?,
            Wish::Paid(_) => {
                plan.may_be_said_paid()?;
                plan.did_not_come_back(tx).await?;
                plan.has_its_own_money(tx).await?;
            }
        }
        Ok(plan)
    }

    async fn rest_of(tx: &mut Tx, case: &CaseFacts) -> Result<Option<(i64, Standing)>, OperateError> {
        let Some(instruction) = case.instruction.filter(|_| case.kind == "double_payment_suspected") else { return Ok(None) };
        let Some(part) = tx.parted(instruction).await? else { return Ok(None) };
        Ok(tx.standing_of_rest(instruction, part).await?.map(|rest| (part, rest)))
    }

    fn may_be_recovered(&self) -> Result<(), OperateError> {
        let id = self.case.id;
        let is_paid = self.line.as_ref().is_some_and(|l| l.state == InstructionState::Paid);
        if self.case.kind != "recovery" || !is_paid {
            let state = self.line.as_ref().map_or("", |l| l.state.code());
            return OperateError::refused(
                format!("案件{id}（{}，支付现为{state}）不是待追回的款项", self.case.kind),
                format!("case {id} ({}, its payment is {state}) asks no money back", self.case.kind),
            );
        }
        Ok(())
    }

    fn may_be_reclassified(&self, reason: Reason) -> Result<(), OperateError> {
        let id = self.case.id;
        match reason.class() {
            ReasonClass::Correctable | ReasonClass::Beneficiary | ReasonClass::Ineligible | ReasonClass::Unclear => {}
            ReasonClass::Transient | ReasonClass::Enquire | ReasonClass::Gateway => {
                return OperateError::refused(
                    format!("不能改判为{}：该类由系统或银行处理，不由人认定", reason.code()),
                    format!("{} is settled by the machine or the bank, and ruled by nobody", reason.code()),
                );
            }
        }
        let kind_may = matches!(self.case.kind.as_str(), "rejected" | "failed" | "returned" | "partial");
        let line_may = self.line.as_ref().is_none_or(|l| l.state == InstructionState::FailedFinal && l.successor.is_none());
        if !kind_may || !line_may || self.case.successor.is_some() || self.case.in_refund {
            let state = self.line.as_ref().map_or("", |l| l.state.code());
            return OperateError::refused(
                format!("案件{id}（{}，支付现为{state}）不能改判或取消：只有最终失败、未在重发、未在退款的才可以", self.case.kind),
                format!(
                    "case {id} ({}, its payment is {state}) cannot be reclassified or cancelled: only what has finally failed and is neither reissued nor refunded",
                    self.case.kind
                ),
            );
        }
        Ok(())
    }

    fn may_be_closed(&self) -> Result<(), OperateError> {
        let (id, kind) = (self.case.id, self.case.kind.as_str());
        let is_settled = self.line.as_ref().is_none_or(|l| l.state.figure() != Figure::Unknown);
        let may = match kind {
            "unmapped_reason" | "double_payment_suspected" => true,
            "unknown" | "conflict" => is_settled,
            // The list was wrong: nothing was asked back rightly, and nothing came.
            "recovery" => self.line.as_ref().is_some_and(|l| l.state == InstructionState::Paid),
            _ => false,
        };
        if kind == "rejected" {
            return OperateError::refused(
                format!(
                    "案件{id}（{kind}）不能凭依据结案：该行未曾发放；更正后重新发放，或取消（bankgate failure cancel {id} --reason …）"
                ),
                format!(
                    "case {id} ({kind}) is not closed by evidence: nothing of it was paid; correct it and pay it, or cancel it (`bankgate failure cancel {id} --reason …`)"
                ),
            );
        }
        if !may {
            return OperateError::refused(
                format!("案件{id}（{kind}）不能凭依据结案：款项须经重发、退回国库或认定结果了结"),
                format!("case {id} ({kind}) is not closed by evidence: its money is settled by a reissue, a refund, or `payment resolve`"),
            );
        }
        Ok(())
    }

    /// That it was paid is said of what holds the claim by itself, or beside another that is paid: only so nothing
    /// pays it again. Or of all of what was partly paid.
    fn may_be_said_paid(&self) -> Result<(), OperateError> {
        if self.is_suspected_in(&GONE) || self.is_paid_beside || self.is_rest_free() || self.is_rest_paid {
            return Ok(());
        }
        let (id, kind, state) = (self.case.id, &self.case.kind, self.line.as_ref().map_or("", |l| l.state.code()));
        OperateError::refused(
            format!(
                "案件{id}（{kind}，支付现为{state}）不能认定为已入账：只有疑似重复支付、且同一款项没有别的发放或退款在办的才可以；请先了结那一笔"
            ),
            format!(
                "case {id} ({kind}, its payment is {state}) cannot be said to be paid: only a suspected double payment that nothing else pays or refunds by now; \
                 settle that first"
            ),
        )
    }

    /// What the bank sent back since is not with anybody.
    async fn did_not_come_back(&self, tx: &mut Tx) -> Result<(), OperateError> {
        let Some(line) = self.line.as_ref().filter(|l| GONE.contains(&l.state)) else { return Ok(()) };
        if tx.return_of_all(line.id).await?.is_none() {
            return Ok(());
        }
        let (id, reference) = (self.case.id, EndToEndId(line.id));
        OperateError::refused(
            format!("案件{id}：{reference}入账后已由银行退回，不能认定为已入账；请用 bankgate failure close --as evidence 结案"),
            format!("case {id}: {reference} was credited and sent back since, so it is not paid: bankgate failure close --as evidence"),
        )
    }

    /// Where a later attempt failed, it is that one's money that was paid, and it would lie here for good.
    async fn has_its_own_money(&self, tx: &mut Tx) -> Result<(), OperateError> {
        let Some(line) = &self.line else { return Ok(()) };
        let Some(later) = tx.failed_after(line.id).await? else { return Ok(()) };
        let (id, later) = (self.case.id, EndToEndId(later));
        OperateError::refused(
            format!(
                "案件{id}：同一款项的后一次发放{later}已失败，其款项仍在；请认定该笔：bankgate payment resolve {later} --as paid --evidence …"
            ),
            format!(
                "case {id}: {later} paid the same and failed, and its money lies here: settle that one, \
                 bankgate payment resolve {later} --as paid --evidence …"
            ),
        )
    }

    /// Ends the case. A suspected payment that was not made gives its claim up, one that was made keeps it.
    async fn close(&self, tx: &mut Tx, as_paid: bool, now: Timestamp) -> Result<(), OperateError> {
        if as_paid {
            self.rest_was_paid(tx, now).await?;
        }
        if !tx.close_case(self.case.id, if as_paid { "paid" } else { "evidence" }, now).await? {
            return OperateError::refused("该案件刚刚改变，请重试", "the case moved just now: try again");
        }
        let Some(line) = self.line.as_ref().filter(|_| self.case.kind == "double_payment_suspected") else { return Ok(()) };
        if !as_paid && self.holds_for_suspicion() {
            tx.suspect_cleared(line.id).await?;
            // There may be another that is suspected.
            tx.suspects_hold_their_claims().await?;
        }
        // Should the bank say it again, it is told anew.
        tx.close_incident(&format!("double:{}", line.id), now).await?;
        Ok(())
    }

    /// Whether the payment's claim is held for nothing but the suspicion that it was made after all: its money went elsewhere, or lies
    /// with us and in no order.
    fn holds_for_suspicion(&self) -> bool {
        let here = [InstructionState::FailedFinal, InstructionState::Lapsed];
        self.is_suspected_in(&GONE) || (self.is_suspected_in(&here) && !self.case.in_refund)
    }

    /// Whether a suspected payment holds its claim and stands in one of these states.
    fn is_suspected_in(&self, states: &[InstructionState]) -> bool {
        self.case.kind == "double_payment_suspected" && self.line.as_ref().is_some_and(|l| l.is_live && states.contains(&l.state))
    }

    /// Whether what persons said was not paid of it is neither paid again nor in an order: only so it can have been paid with the rest.
    fn is_rest_free(&self) -> bool {
        let is_free = |s: InstructionState| {
            matches!(
                s,
                InstructionState::Failed
                    | InstructionState::FailedFinal
                    | InstructionState::Lapsed
                    | InstructionState::Refunded
                    | InstructionState::Carried
            )
        };
        self.line.as_ref().is_some_and(|l| l.state == InstructionState::Paid)
            && self.rest.as_ref().is_some_and(|(_, rest)| rest.successor.is_none() && is_free(rest.state))
    }

    /// What persons said was not paid was: it stands as paid with the other part, and so does its money, where that lies here.
    async fn rest_was_paid(&self, tx: &mut Tx, now: Timestamp) -> Result<(), OperateError> {
        let Some((part, rest)) = self.rest.as_ref().filter(|_| self.is_rest_free()) else { return Ok(()) };
        // One that is not final yet is so by their word.
        let to = [Event::Finalise, Event::ResolvePaid].into_iter().fold(rest.state, |at, event| step(at, event).unwrap_or(at));
        let Some(file) = rest.file_out.filter(|_| to == InstructionState::Paid) else { return Ok(()) };
        let file = tx.file(file).await?;
        // Behind the file's row: a return of the other part is booked with what stands as paid, before this or after it.
        if !tx.hold_file(&file, now).await? || !tx.rejoin_part((rest.id, *part), (rest.state, rest.amount), now).await? {
            return OperateError::refused("该支付状态刚刚改变，请重试", "the payment moved just now: try again");
        }
        if let (Some(from), Some(to)) = (rest.state.account(ReasonClass::from_code(&rest.class)), to.account(None)) {
            let movement =
                Movement { kind: EntryKind::Pay, from: file.purse.account(from), to: file.purse.account(to), amount: rest.amount };
            let of = EntryOf { batch: rest.batch.clone(), file_out: Some(file.id), ..EntryOf::default() };
            tx.post(now, &of, Origin::Theirs, &movement).await?;
        }
        Ok(())
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, wish: Wish<'_>) -> String {
        let c = &self.case;
        let reference = c.instruction.map(|id| format!(", {}", EndToEndId(id))).unwrap_or_default();
        let state = self.line.as_ref().map_or("no instruction", |l| l.state.code());
        let what = match wish {
            Wish::Recover(words) => format!("recovered, its money is nobody's to keep; evidence: {words}"),
            Wish::Reclassify(reason, words) => {
                format!("{} ({}) -> {} ({}); {words}", c.reason, c.class, reason.code(), reason.class().code())
            }
            Wish::Cancel(words) => format!("will not be paid; {words}"),
            Wish::Close(words) if self.holds_for_suspicion() => format!("closed by evidence, and its payment may be made again: {words}"),
            Wish::Close(words) => format!("closed by evidence: {words}"),
            Wish::Paid(words) if self.is_paid_beside => format!("it was paid, and so was what holds its claim: {words}"),
            Wish::Paid(words) if self.is_rest_free() => format!("it was paid whole, and nothing of it is paid again: {words}"),
            Wish::Paid(words) => format!("it was paid, and nothing pays it again: {words}"),
        };
        format!("case {} ({}{reference}, batch {}, row {}, {} yuan, {state}): {what}", c.id, c.kind, c.batch, c.seq, c.amount)
    }

    /// The case and its line get another reason; where the class asks for another account, the money goes there.
    async fn reclassify(&self, tx: &mut Tx, reason: Reason, now: Timestamp) -> Result<(), OperateError> {
        let gone = || OperateError::refused("该案件刚刚改变，请重试", "the case moved just now: try again");
        if !tx.reclassify_case(self.case.id, reason, owner_of(reason.class())).await? {
            return gone();
        }
        let Some(line) = &self.line else { return Ok(()) };
        let Some(file) = line.file_out else { return gone() };
        let file = tx.file(file).await?;
        if !tx.hold_file(&file, now).await? || !tx.reclassify_line((line.id, self.case.part), line.state, reason).await? {
            return gone();
        }
        let accounts = (line.state.account(ReasonClass::from_code(&line.class)), line.state.account(Some(reason.class())));
        if let (Some(from), Some(to)) = accounts
            && from != to
        {
            let movement = Movement {
                kind: EntryKind::Reclassify,
                from: file.purse.account(from),
                to: file.purse.account(to),
                amount: self.case.amount,
            };
            let of = EntryOf { batch: line.batch.clone(), file_out: Some(file.id), lines: 1, ..EntryOf::default() };
            tx.post(now, &of, Origin::Ours, &movement).await?;
        }
        Ok(())
    }
}
