//! A statement's line, explained by two persons (人工勾对): what the keys could not tell and a letter, a receipt or a phone call
//! did. Candidates are shown and never posted; what is said here stays marked as said, with who said it and why.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, is_unchanged};
use crate::domain::exchange::Side;
use crate::domain::ids::EndToEndId;
use crate::domain::masked::Account;
use crate::domain::matching::{Books, How, Line, MatchKind, Word};
use crate::domain::scrub::scrub_bank_text;
use crate::domain::time::Timestamp;
use crate::passes::reconcile::{follow, load};
use crate::passes::returns::{self, Noted};
use crate::passes::{Gateway, PassError};
use crate::store::desk::{Operator, Proposal};
use crate::store::sql::Tx;
use crate::store::statements::{NewMatch, PayerAccount};

/// Proposes what a line is: `other`, a reference (BG…), a file's name, `file N`, `funding N` or `case N`. Says the proposal's
/// number and its effect.
///
/// # Errors
/// Refused to whoever may not; where the line is explained already, or the target is not one that it could be.
pub async fn propose_match(
    gateway: &Gateway,
    by: &Operator,
    (statement, line): (i64, i64),
    to: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let (to, reason) = (to.trim(), reason.trim());
    if reason.chars().count() < 4 {
        return OperateError::refused("请用 --reason 写明依据", "say with --reason what proves it");
    }
    let mut tx = gateway.store.begin().await?;
    let explained = Explained::of(gateway, &mut tx, (statement, line), to).await?;
    let (subject, effect) = (format!("{statement}/{line}={to}"), explained.effect(reason));
    if let Some(open) = tx.proposal_open(Act::Match.code(), &subject).await? {
        return OperateError::refused(
            format!("该行已有待批准事项{open}；批准用 `bankgate approve {open}`"),
            format!("the line has the open proposal {open}: approve it with `bankgate approve {open}`"),
        );
    }
    let id = tx.propose(Act::Match.code(), &subject, reason, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok((id, effect))
}

/// Does what was proposed, if it would still do the same.
pub(super) async fn explain(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &Operator,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<String, OperateError> {
    let broken = || PassError::Broken(format!("proposal {} names {:?}, which is no line", proposal.id, proposal.subject));
    let (at, to) = proposal.subject.split_once('=').ok_or_else(broken)?;
    let (statement, line) = at.split_once('/').ok_or_else(broken)?;
    let at = (statement.parse().map_err(|_| broken())?, line.parse().map_err(|_| broken())?);
    let it = Explained::of(gateway, tx, at, to).await?;
    let effect = it.effect(&proposal.reason);
    is_unchanged(proposal, &effect)?;
    let mut noted = Noted::default();
    let refused = follow::follow(gateway, tx, &it.line, (it.kind, it.subject), &mut noted, now).await?.is_some();
    returns::meet_noted(gateway, tx, &mut noted, now).await?;
    if refused {
        return OperateError::refused(
            "账务不允许按此认定（金额或状态不符），未作任何更改",
            "the books refuse it: the amount or the state does not fit; nothing was changed",
        );
    }
    let reason = format!("{}; {} + {}", proposal.reason, proposal.proposed_by, by.login);
    let new = NewMatch {
        at,
        kind: it.kind,
        subject: it.subject,
        amount: it.line.amount,
        how: How::Manual,
        proposal: Some(proposal.id),
        reason: &reason,
    };
    tx.insert_matches(&[new], now).await?;
    tx.event("statement", at.0, (Act::Match.code(), "", it.kind.code()), &by.login, &format!("line {}: {}", at.1, proposal.reason), now)
        .await?;
    Ok(effect)
}

/// What a line would be explained as.
struct Explained {
    of: PayerAccount,
    line: Line,
    kind: MatchKind,
    subject: i64,
    to: String,
}

impl Explained {
    async fn of(gateway: &Gateway, tx: &mut Tx, (statement, number): (i64, i64), to: &str) -> Result<Self, OperateError> {
        let Some((of, line)) = tx.line_unexplained(statement, number).await? else {
            return OperateError::refused(
                format!("对账单{statement}第{number}行不存在、不予采用或已有认定；查看：bankgate statement show {statement}"),
                format!(
                    "line {number} of statement {statement} is not there, does not count or is explained: bankgate statement show {statement}"
                ),
            );
        };
        // The target stands where the bank's own reference would.
        let asked = Line { reference: to.to_owned(), words: String::new(), ..line.clone() };
        let books = load(gateway, tx, &of, std::slice::from_ref(&asked)).await?;
        let Some((kind, subject)) = target(&books, line.side, to) else {
            let side = if line.side == Side::Debit { ("支出", "debit") } else { ("收入", "credit") };
            return OperateError::refused(
                format!("“{to}”不是该账户上可对应此笔{}的事项（BG编号、文件名、file 编号、funding 编号、case 编号或 other）", side.0),
                format!(
                    "{to:?} is nothing of this account that a {} could be (a reference BG…, a file's name, file N, funding N, case N, or other)",
                    side.1
                ),
            );
        };
        Ok(Self { of, line, kind, subject, to: to.to_owned() })
    }

    /// In words, from facts alone: the same rows give the same words.
    fn effect(&self, reason: &str) -> String {
        let l = &self.line;
        let side = if l.side == Side::Debit { "debit" } else { "credit" };
        format!(
            "statement {} line {} (bank {}, account {}, {}, {side} {} yuan, {}): {} {}; reason: {reason}",
            l.statement,
            l.line,
            self.of.bank,
            Account::new(&self.of.account),
            l.on,
            l.amount,
            scrub_bank_text(&l.words),
            self.kind.code(),
            self.to
        )
    }
}

fn target(books: &Books, side: Side, to: &str) -> Option<(MatchKind, i64)> {
    if to == "other" {
        return Some((MatchKind::Other, 0));
    }
    if let Some(EndToEndId(id)) = EndToEndId::parse(to) {
        return reference(books, side, id);
    }
    if let Some((what, number)) = to.split_once(' ') {
        let number: i64 = number.trim().parse().ok()?;
        return match what {
            "file" => file(books, side, number),
            "funding" if side == Side::Credit => books.fundings.iter().find(|f| f.id == number).map(|f| (MatchKind::Funding, f.id)),
            "case" if side == Side::Credit => books.recoveries.iter().find(|r| r.case == number).map(|r| (MatchKind::Recovery, r.case)),
            _ => None,
        };
    }
    let mut called = books.files.iter().filter(|(_, f)| f.key == to || f.path == to || f.name == to);
    match (called.next(), called.next()) {
        (Some((id, _)), None) => file(books, side, *id),
        (Some(_) | None, _) => None,
    }
}

fn reference(books: &Books, side: Side, id: i64) -> Option<(MatchKind, i64)> {
    if let Some(order) = books.refunds.get(&id) {
        return (side == Side::Debit && order.is_out && !order.is_seen).then_some((MatchKind::Refund, id));
    }
    let item = books.items.get(&id)?;
    if side == Side::Debit {
        return (item.is_gross || item.word == Word::Paid).then_some((MatchKind::Instruction, id));
    }
    if let Some(recovery) = books.recoveries.iter().find(|r| r.instruction == id) {
        return Some((MatchKind::Recovery, recovery.case));
    }
    if item.is_gross && item.word == Word::Failed {
        return Some((MatchKind::CreditBack, id));
    }
    (item.kept.is_positive() || item.returned.is_positive()).then_some((MatchKind::Return, id))
}

fn file(books: &Books, side: Side, id: i64) -> Option<(MatchKind, i64)> {
    let file = books.files.get(&id)?;
    Some(match side {
        Side::Debit => (MatchKind::File, id),
        Side::Credit if file.back_due.is_positive() => (MatchKind::CreditBackFile, id),
        Side::Credit => (MatchKind::ReturnFile, id),
    })
}
