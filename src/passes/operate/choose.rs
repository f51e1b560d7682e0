//! Which of several statements of the same days counts (对账单采用): the bank says so in writing, two persons act on it.
//!
//! Matches are never taken back. What was found of a line of the statement that is set aside stays found; where the chosen one
//! has the same line, that line is explained by it, and stays booked: what was taken over is looked up where it was found first, however
//! often the choice changes. A statement that lacks a line that was matched is refused: what followed
//! from the match (a payment made again, a refund) stands in the world and not in our tables alone. Banks correct a statement
//! by one that has the line, or by a reversal on a later day; and a return that is still with us is undone by two persons, by a
//! new entry, before the statement without it is chosen. Each has its way here, and the answer says so.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, has_evidence, is_unchanged};
use crate::domain::masked::Account;
use crate::domain::matching::{How, MatchKind};
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, PassError};
use crate::store::desk::{Operator, Proposal};
use crate::store::rivals::{Rival, TakenOver};
use crate::store::sql::Tx;
use crate::store::statements::{NewMatch, PayerAccount};

/// Proposes that a statement counts and the others of its days do not. Says the proposal's number and its effect.
///
/// # Errors
/// Refused to whoever may not, without evidence, where no other statement differs, and where it lacks a line that moved money.
pub async fn propose_choice(
    gateway: &Gateway,
    by: &Operator,
    statement: i64,
    evidence: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let evidence = has_evidence(evidence)?;
    let mut tx = gateway.store.begin().await?;
    let (subject, effect) = (statement.to_string(), Choice::of(&mut tx, statement).await?.effect(evidence));
    if let Some(open) = tx.proposal_open(Act::ChooseStatement.code(), &subject).await? {
        return OperateError::refused(
            format!("对账单{statement}已有待批准事项{open}；批准用 `bankgate approve {open}`"),
            format!("statement {statement} has the open proposal {open}: approve it with `bankgate approve {open}`"),
        );
    }
    let id = tx.propose(Act::ChooseStatement.code(), &subject, evidence, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok((id, effect))
}

/// Does what was proposed, if it would still do the same.
pub(super) async fn choose(tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let broken = || PassError::Broken(format!("proposal {} names {:?}, which is no statement", proposal.id, proposal.subject));
    let statement: i64 = proposal.subject.parse().map_err(|_| broken())?;
    // From here until the commit nobody else matches this account's lines, and the next look finds something new. What was found of
    // them is read behind that lock: a line that is booked at this moment is not overlooked.
    if let Some(rival) = tx.rival(statement).await? {
        tx.mark_account(&PayerAccount { bank: rival.bank, account: rival.account, is_cash: false }, "").await?;
    }
    let choice = Choice::of(tx, statement).await?;
    let effect = choice.effect(&proposal.reason);
    is_unchanged(proposal, &effect)?;
    let chosen = &choice.chosen;
    let words = format!("set aside: statement {} was chosen (proposal {})", chosen.id, proposal.id);
    for other in &choice.others {
        tx.set_statement(other.id, &words).await?;
        tx.event("statement", other.id, (Act::ChooseStatement.code(), "", "set_aside"), &by.login, &words, now).await?;
        tx.close_incident(&format!("statement:{}", other.id), now).await?;
    }
    tx.set_statement(chosen.id, "").await?;
    tx.event("statement", chosen.id, (Act::ChooseStatement.code(), "", "counts"), &by.login, &proposal.reason, now).await?;
    tx.close_incident(&format!("statement:{}", chosen.id), now).await?;
    for taken in &choice.taken_over {
        let was = format!("{}; {} + {}", taken.words(), proposal.proposed_by, by.login);
        let new = NewMatch {
            at: (chosen.id, taken.line),
            kind: MatchKind::Other,
            subject: 0,
            amount: taken.amount,
            how: How::Manual,
            proposal: Some(proposal.id),
            reason: &was,
        };
        tx.insert_matches(&[new], now).await?;
    }
    Ok(effect)
}

/// A statement that would count, those that would not, and the lines that it takes over from them.
struct Choice {
    chosen: Rival,
    others: Vec<Rival>,
    taken_over: Vec<TakenOver>,
}

impl Choice {
    async fn of(tx: &mut Tx, statement: i64) -> Result<Self, OperateError> {
        let Some(chosen) = tx.rival(statement).await? else {
            return OperateError::refused(
                format!("没有可供采用的对账单{statement}（不存在、重复，或不是代发账户的）；查看：bankgate statement list"),
                format!(
                    "statement {statement} is none to choose (not there, a repetition, or of a foreign account): bankgate statement list"
                ),
            );
        };
        let others = tx.rivals_of(&chosen).await?;
        if others.is_empty() {
            return OperateError::refused(
                format!("对账单{statement}没有与之不同的另一份，无须认定"),
                format!("no other statement differs from {statement}: there is nothing to choose"),
            );
        }
        let (taken_over, lost) = tx.taken_over(&chosen, &others).await?;
        if let Some((of, line, was)) = lost.first() {
            return OperateError::refused(
                format!(
                    "对账单{of}第{line}行已据以入账（{was}），而对账单{statement}没有这一行。已据以入账的不随对账单撤销：该笔款项可能已改正重发或退回国库。请银行书面说明该笔：\
                     款项确有其事的，请银行重出含这一行的对账单，再予采用；并无其事而该笔退票尚未重发或退回国库的，先由两人认定该支付仍为已付\
                     （bankgate payment resolve BG… --as paid --evidence …，以新分录冲回），再采用对账单{statement}；其余情形仍采用对账单{of}（bankgate statement choose {of} --evidence …），\
                     请银行在其后的对账单上以反方向分录冲正，冲正分录用 bankgate statement match … --as other --reason … 说明"
                ),
                format!(
                    "line {line} of statement {of} was booked ({was}) and statement {statement} does not have it. What was booked is not taken back with a statement: \
                     that money may be paid again or back at the treasury by now. Ask the bank in writing about it. If it did move, have the bank issue the statement \
                     anew with that line, and choose that one. If it did not, and the line is a return that is neither paid again nor refunded: let two \
                     persons say that the payment stands as paid (bankgate payment resolve BG… --as paid --evidence …: a new entry), then choose {statement}. \
                     Else let statement {of} count (bankgate statement choose {of} --evidence …) and have the \
                     bank reverse the line on a later statement; explain the reversal by bankgate statement match … --as other --reason …"
                ),
            );
        }
        Ok(Self { chosen, others, taken_over })
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, evidence: &str) -> String {
        let words = |r: &Rival| {
            let yuan = |fen: Option<crate::domain::money::Fen>| fen.map_or_else(|| "?".to_owned(), |f| f.to_string());
            format!("{} ({}, opening {}, closing {}, {} lines)", r.id, r.file, yuan(r.opening), yuan(r.closing), r.lines)
        };
        let c = &self.chosen;
        let others: Vec<String> = self.others.iter().map(words).collect();
        format!(
            "bank {}, account {}, {} to {}: statement {} counts; set aside: {}; {} lines stay explained; evidence: {evidence}",
            c.bank,
            Account::new(&c.account),
            c.from,
            c.to,
            words(c),
            others.join(", "),
            self.taken_over.len()
        )
    }
}
