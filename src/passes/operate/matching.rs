//! A statement's line, explained by two persons (人工勾对): what the keys could not tell and a letter, a receipt or a phone call
//! did. Candidates are shown and never posted; what is said here stays marked as said, with who said it and why.

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, is_unchanged};
use crate::domain::exchange::Side;
use crate::domain::ids::EndToEndId;
use crate::domain::masked::Account;
use crate::domain::matching::{Books, How, Line, MatchKind, Word};
use crate::domain::money::Fen;
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
/// Refused to whoever may not; where the line is explained already, or the target is not one that it could be or has another amount.
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
    let at: (i64, i64) = (statement.parse().map_err(|_| broken())?, line.parse().map_err(|_| broken())?);
    // From here until the commit nobody else matches this account's lines. What is open is read behind that lock, so that one thing
    // explains no two of them; and the next look finds something new.
    if let Some((of, _)) = tx.line_unexplained(at.0, at.1).await? {
        tx.mark_account(&of, "").await?;
    }
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
        let Some(Target { kind, subject, amount }) = target(&books, &line, to) else {
            let side = if line.side == Side::Debit { ("支出", "debit") } else { ("收入", "credit") };
            return OperateError::refused(
                format!("“{to}”不是该账户上可对应此笔{}的事项（BG编号、文件名、file 编号、funding 编号、case 编号或 other）", side.0),
                format!(
                    "{to:?} is nothing of this account that a {} could be (a reference BG…, a file's name, file N, funding N, case N, or other)",
                    side.1
                ),
            );
        };
        if let Some(due) = amount.filter(|due| *due != line.amount) {
            return differs(line.amount, due, to);
        }
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

/// Refuses what has another amount: about as much is no match, whoever says so.
fn differs<T>(found: Fen, due: Fen, to: &str) -> Result<T, OperateError> {
    OperateError::refused(
        format!(
            "该笔为{found}元，而“{to}”此时应为{due}元，金额不同，不能认定。请与银行核对：银行记错的，请其冲正后按正确金额重记，或重出对账单；\
             几笔合记的，请其分笔；退票文件或回盘未到的，等其到后再认定；与发放无关的，用 --as other --reason …"
        ),
        format!(
            "the line is {found} yuan, and {to:?} is {due} as things stand: one is not the other. Ask the bank: what it booked wrongly it reverses and books \
             anew, or it issues the statement anew; a sum of several it books one by one; where its file of returns or its result is still to come, \
             wait for that; what is nothing of ours is `--as other --reason …`"
        ),
    )
}

/// What a line may be said to be.
struct Target {
    kind: MatchKind,
    subject: i64,
    /// The amount that the line must have, as where it is found by itself; `None` where any may be.
    amount: Option<Fen>,
}

impl Target {
    const fn of(kind: MatchKind, subject: i64, amount: Fen) -> Self {
        Self { kind, subject, amount: Some(amount) }
    }

    const fn of_any_amount(kind: MatchKind, subject: i64) -> Self {
        Self { kind, subject, amount: None }
    }
}

fn target(books: &Books, line: &Line, to: &str) -> Option<Target> {
    if to == "other" {
        return Some(Target::of_any_amount(MatchKind::Other, 0));
    }
    if let Some(EndToEndId(id)) = EndToEndId::parse(to) {
        return reference(books, line.side, id);
    }
    if let Some((what, number)) = to.split_once(' ') {
        let number: i64 = number.trim().parse().ok()?;
        let is_credit = line.side == Side::Credit;
        return match what {
            "file" => file(books, line, number),
            "funding" if is_credit => {
                books.fundings.iter().find(|f| f.id == number).map(|f| Target::of(MatchKind::Funding, f.id, f.amount))
            }
            "case" if is_credit => {
                books.recoveries.iter().find(|r| r.case == number).map(|r| Target::of(MatchKind::Recovery, r.case, r.amount))
            }
            _ => None,
        };
    }
    let mut called = books.files.iter().filter(|(_, f)| f.key == to || f.path == to || f.name == to);
    match (called.next(), called.next()) {
        (Some((id, _)), None) => file(books, line, *id),
        (Some(_) | None, _) => None,
    }
}

fn reference(books: &Books, side: Side, id: i64) -> Option<Target> {
    if let Some(order) = books.refunds.get(&id) {
        return (side == Side::Debit && order.is_out && !order.is_seen).then_some(Target::of(MatchKind::Refund, id, order.amount));
    }
    let item = books.items.get(&id)?;
    if side == Side::Debit {
        // One that was keyed wrong is that payment's all the same; its correction is a line of its own.
        return (item.is_gross || item.word == Word::Paid).then_some(Target::of_any_amount(MatchKind::Instruction, id));
    }
    if let Some(recovery) = books.recoveries.iter().find(|r| r.instruction == id) {
        return Some(Target::of(MatchKind::Recovery, recovery.case, recovery.amount));
    }
    if item.is_gross && item.word == Word::Failed {
        return (item.back == Fen::ZERO).then_some(Target::of(MatchKind::CreditBack, id, item.amount));
    }
    // A payment may come back in parts: the record of returns judges how much (`passes::returns`).
    (item.kept.is_positive() || item.returned.is_positive()).then_some(Target::of_any_amount(MatchKind::Return, id))
}

fn file(books: &Books, line: &Line, id: i64) -> Option<Target> {
    let file = books.files.get(&id)?;
    Some(match line.side {
        // A bank may debit a file in several sums, and key one wrong: as a payment's above.
        Side::Debit => Target::of_any_amount(MatchKind::File, id),
        Side::Credit if file.back_due.is_positive() && (line.amount == file.back_due || line.amount != file.return_open()) => {
            Target::of(MatchKind::CreditBackFile, id, file.back_due)
        }
        Side::Credit => Target::of(MatchKind::ReturnFile, id, file.return_open()),
    })
}
