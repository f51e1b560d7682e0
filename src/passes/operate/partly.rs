//! Two persons settle that a part was paid (部分成功): the instruction is paid for that part; what remains is finally failed,
//! needs its department, and can be paid through a reissue of just so much.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, claim_again, end_of_file, has_evidence, is_unchanged, put_forward};
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, Figure, InstructionState, step};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::passes::apply::Booking;
use crate::passes::{Gateway, PassError};
use crate::store::admission::NewCase;
use crate::store::desk::{Operator, Proposal};
use crate::store::outbound::FileOut;
use crate::store::settle::Standing;
use crate::store::sql::Tx;

/// Proposes that a part was paid, with the evidence in words. Says the proposal's number and its effect.
///
/// # Errors
/// Refused to whoever may not, where the instruction is neither unknown nor contradicted, where the part is none, and
/// without evidence.
pub async fn propose_partly(
    gateway: &Gateway,
    by: &Operator,
    instruction: i64,
    paid: Fen,
    evidence: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let evidence = has_evidence(evidence)?;
    let mut tx = gateway.store.begin().await?;
    let effect = Parting::of(&mut tx, instruction, paid).await?.effect(evidence);
    let subject = EndToEndId(instruction).to_string();
    // The amount stands before the evidence: it is read from there when it is approved, and the hash covers both.
    put_forward(tx, by, (Act::ResolvePartly, &subject), &format!("{paid}; {evidence}"), effect, now).await
}

/// What would be done, from the rows as they are.
struct Parting {
    line: Standing,
    file: FileOut,
    paid: Fen,
    rest: Fen,
}

impl Parting {
    async fn of(tx: &mut Tx, instruction: i64, paid: Fen) -> Result<Self, OperateError> {
        let reference = EndToEndId(instruction);
        let Some(line) = tx.standing(instruction).await? else {
            return OperateError::refused(format!("没有支付{reference}"), format!("there is no instruction {reference}"));
        };
        let is_doubtful = line.state.figure() == Figure::Unknown && step(line.state, Event::ResolvePaid).is_ok();
        let (true, Some(file)) = (is_doubtful, line.file_out) else {
            return OperateError::refused(
                format!("支付{reference}现为{}；只有结果不明或相互矛盾的才能人工认定", line.state.code()),
                format!("{reference} is {}: only what is unknown or in conflict is settled by persons", line.state.code()),
            );
        };
        let rest = line.amount.checked_sub(paid).unwrap_or(Fen::ZERO);
        let is_apart = tx.has_remainder(instruction).await?;
        if !paid.is_positive() || !rest.is_positive() || line.successor.is_some() || is_apart {
            return OperateError::refused(
                format!("支付{reference}为{}元：部分成功的金额须大于零且小于该数，且未曾拆分或重新发放", line.amount),
                format!(
                    "{reference} is {}: a part is more than nothing and less than that, once, and not of what is paid again",
                    line.amount
                ),
            );
        }
        let file = tx.file(file).await?;
        Ok(Self { line, file, paid, rest })
    }

    fn effect(&self, evidence: &str) -> String {
        let (l, reference) = (&self.line, EndToEndId(self.line.id));
        format!(
            "{reference} (batch {}, row {}, {} yuan, bank {}, file {}): {} -> paid {} yuan, {} yuan remain to be paid; evidence: {evidence}",
            l.batch,
            l.seq,
            l.amount,
            self.file.bank,
            self.file.name,
            l.state.code(),
            self.paid,
            self.rest
        )
    }
}

/// Does what was proposed.
pub(super) async fn resolve(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<String, OperateError> {
    let broken = || PassError::Broken(format!("proposal {} names no part of an instruction: {:?}", proposal.id, proposal.subject));
    let EndToEndId(instruction) = EndToEndId::parse(&proposal.subject).ok_or_else(broken)?;
    let (paid, evidence) = proposal.reason.split_once("; ").ok_or_else(broken)?;
    let paid = Fen::parse_yuan(paid).map_err(|_| broken())?;
    let file = Parting::of(tx, instruction, paid).await?.file;
    if !tx.hold_file(&file, now).await? {
        return OperateError::refused("文件状态刚刚改变，请重试", "the file moved just now: try again");
    }
    // Behind the file's row: what the bank said of this line just before is read, and nobody says more until this is done.
    let it = Parting::of(tx, instruction, paid).await?;
    let effect = it.effect(evidence);
    is_unchanged(proposal, &effect)?;
    let reason = Reason::PartialPaid;
    // For certain not paid, and somebody must find out why: what an unclear failure asks for.
    let class = ReasonClass::Unclear;
    let words = format!("{evidence}; {} + {}", proposal.proposed_by, by.login);
    let part = tx.part_line(&it.file, instruction, (it.paid, it.rest), (reason.code(), class.code(), &words), now).await?;
    let booking = Booking { gateway, file: &it.file, file_in: None, statement: None, now };
    let from = (it.line.state, ReasonClass::from_code(&it.line.class));
    booking.move_money(tx, None, from, (InstructionState::Paid, None), it.paid, 1).await?;
    booking.move_money(tx, None, from, (InstructionState::Failed, Some(class)), it.rest, 0).await?;
    tx.event("instruction", instruction, (Act::ResolvePartly.code(), it.line.state.code(), "paid"), &by.login, &effect, now).await?;
    claim_again(tx, &it.line, now).await?;
    let today = gateway.today(now);
    let due_on = gateway.calendar.add_working_days(today, gateway.config.cases.due_days).map_err(PassError::from)?;
    let case = NewCase {
        kind: "partial",
        payment_id: it.line.payment_id,
        root_payment_id: it.line.root_payment_id,
        instruction_id: Some(instruction),
        part,
        batch: it.line.batch.clone(),
        department: it.line.department.clone(),
        bank: it.file.bank.clone(),
        amount: it.rest,
        reason: reason.code(),
        class: class.code(),
        detail: words,
        owner: "department",
        business_date: today,
        due_on,
    };
    tx.insert_cases(&[case], now).await?;
    end_of_file(gateway, tx, &it.file, now).await?;
    Ok(effect)
}
