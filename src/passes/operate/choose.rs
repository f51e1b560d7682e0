//! Which of several statements of the same days counts (对账单采用): the bank says so in writing, two persons act on it.
//!
//! Matches are never taken back. What was found of a line of the statement that is set aside stays found; where the chosen one
//! has the same line, that line is explained by it. A line whose match moved money and that the chosen statement does not
//! have is refused: that money has to be looked at first.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, has_evidence};
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
    let choice = Choice::of(tx, proposal.subject.parse().map_err(|_| broken())?).await?;
    let effect = choice.effect(&proposal.reason);
    if effect != proposal.effect || !proposal.is_of(&effect) {
        return OperateError::refused(
            format!("事项{}提出后数据已变，效果不再相同；请撤回后重新提出", proposal.id),
            format!("the rows changed since {} was proposed; what would be done now is another thing: propose it anew", proposal.id),
        );
    }
    let chosen = &choice.chosen;
    // From here until the commit nobody else matches this account's lines, and the next look finds something new.
    tx.mark_account(&PayerAccount { bank: chosen.bank.clone(), account: chosen.account.clone(), is_cash: false }, "").await?;
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
        let was = format!("as statement {} line {}: {}; {} + {}", taken.of.0, taken.of.1, taken.was, proposal.proposed_by, by.login);
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
                format!("对账单{of}第{line}行已据以入账（{was}），而对账单{statement}没有这一行；请先向银行查明该笔款项"),
                format!(
                    "line {line} of statement {of} was booked ({was}) and statement {statement} does not have it: find out about that money first"
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
