//! What people do with files of a bank's that were set aside (来件处置): reject them, read them again, apply them without some
//! lines. Kept bytes and lines are never rewritten: what is read another way is a row of its own, and the earlier is superseded.
//! Which of two contradicting files counts, and which lines do not, takes two persons; every reading is proven again, whole.

use super::OperateError;
use super::duty::{self, Duty};
use super::file::{Acted, has_reason, unchanged};
use super::propose::{Act, none_open};
use crate::domain::exchange::InboundKind;
use crate::domain::file::FileInState;
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, PassError};
use crate::store::desk::{Operator, Proposal};
use crate::store::inbound::FileIn;
use crate::store::sql::Tx;

/// More lines than this are no exception any more: the bank gives another file.
const ASIDE_MAX: usize = 100;

/// What somebody wants of a bank's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerWish {
    /// It counts for nothing.
    Reject,
    /// It is read and proven again.
    Reread,
    /// It is read and proven again without these lines.
    Without(Vec<i64>),
}

/// Does what one person may do, or proposes what takes two. With `dry_run` it only says which, and what.
///
/// # Errors
/// Refused to whoever may not, without a reason, and where the file stands otherwise.
pub async fn answer_act(
    gateway: &Gateway,
    by: &Operator,
    id: i64,
    wish: &AnswerWish,
    reason: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let plan = Plan::of(&mut tx, id, wish.clone()).await?;
    let (effect, subject) = (plan.effect(reason), plan.subject());
    if let Some(act) = plan.act() {
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
    plan.carry_out(gateway, &mut tx, &by.login, reason, 0, now).await?;
    let act = if *wish == AnswerWish::Reject { "file.reject" } else { "file.reread" };
    tx.audit(&by.login, act, &subject, &effect, now).await?;
    tx.commit().await?;
    tracing::info!(file = id, by = by.login, act, "done");
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
    now: Timestamp,
) -> Result<String, OperateError> {
    let Some((id, wish)) = wish_of(&proposal.subject) else {
        return Err(PassError::Broken(format!("proposal {} names {:?}, which is no file", proposal.id, proposal.subject)).into());
    };
    let plan = Plan::of(tx, id, wish).await?;
    let effect = plan.effect(&proposal.reason);
    unchanged(proposal, &effect)?;
    let words = format!("{}; {} + {}", proposal.reason, proposal.proposed_by, by.login);
    plan.carry_out(gateway, tx, &by.login, &words, proposal.id, now).await?;
    Ok(effect)
}

/// `answer 12`, or `answer 12 without 3,4`.
fn wish_of(subject: &str) -> Option<(i64, AnswerWish)> {
    let rest = subject.strip_prefix("answer ")?;
    match rest.split_once(" without ") {
        None => Some((rest.parse().ok()?, AnswerWish::Reread)),
        Some((id, lines)) => {
            let lines = lines.split(',').map(|l| l.parse().ok()).collect::<Option<Vec<i64>>>()?;
            Some((id.parse().ok()?, AnswerWish::Without(lines)))
        }
    }
}

/// What a wish would do with a file and its set.
struct Plan {
    file: FileIn,
    set: Vec<FileIn>,
    /// Files of the same key that this reading takes the place of.
    replaced: Vec<FileIn>,
    /// It contradicts another of its key, or did when it was rejected.
    is_contested: bool,
    wish: AnswerWish,
}

impl Plan {
    async fn of(tx: &mut Tx, id: i64, wish: AnswerWish) -> Result<Self, OperateError> {
        let Some(file) = tx.file_in(id).await? else {
            return OperateError::refused(format!("没有来件{id}"), format!("the banks gave no file {id}"));
        };
        let set = tx.members_of(file.answer_set, file.state).await?;
        let may = match &wish {
            AnswerWish::Reject => matches!(file.state, FileInState::Quarantined | FileInState::Conflict),
            AnswerWish::Reread => matches!(file.state, FileInState::Quarantined | FileInState::Conflict | FileInState::Rejected),
            AnswerWish::Without(_) => file.state == FileInState::Quarantined,
        };
        if !may {
            return OperateError::refused(
                format!("来件{id}（{}）现为{}，不能这样处理", file.name, file.state.code()),
                format!("file {id} of bank {} ({}) is {}: nothing of this kind is to be done", file.bank, file.name, file.state.code()),
            );
        }
        if let AnswerWish::Without(lines) = &wish {
            check_lines(&file, lines)?;
        }
        let is_contested = match file.state {
            FileInState::Conflict => true,
            FileInState::Rejected => tx.was_in_conflict(file.answer_set).await?,
            FileInState::Archived
            | FileInState::Staged
            | FileInState::Applied
            | FileInState::Quarantined
            | FileInState::Duplicate
            | FileInState::Superseded => false,
        };
        let mut replaced = Vec::new();
        // A bank's polls, returns and answers to enquiries follow one another under one key: only what contradicts excludes another.
        if wish != AnswerWish::Reject && is_contested {
            for member in &set {
                replaced.extend(rivals(tx, member).await?);
            }
        }
        Ok(Self { file, set, replaced, is_contested, wish })
    }

    /// Which of two files counts, and which lines do not, takes two persons.
    fn act(&self) -> Option<Act> {
        match &self.wish {
            AnswerWish::Without(_) => Some(Act::FileWithout),
            AnswerWish::Reread if self.is_contested => Some(Act::FileReread),
            AnswerWish::Reread | AnswerWish::Reject => None,
        }
    }

    fn subject(&self) -> String {
        match &self.wish {
            AnswerWish::Reject | AnswerWish::Reread => format!("answer {}", self.file.id),
            AnswerWish::Without(lines) => format!("answer {} without {}", self.file.id, listed(lines)),
        }
    }

    /// In words, from facts alone.
    fn effect(&self, reason: &str) -> String {
        let then = match &self.wish {
            AnswerWish::Reject => "rejected, nothing of it counts".to_owned(),
            AnswerWish::Reread => "archived, read and proven again".to_owned(),
            AnswerWish::Without(lines) => format!("archived, read and proven again without the lines {}", listed(lines)),
        };
        let f = &self.file;
        let members: Vec<String> = self.set.iter().map(|m| format!("{} {}", m.id, m.sha256.get(..12).unwrap_or_default())).collect();
        let replaced: Vec<String> = self.replaced.iter().map(|m| m.id.to_string()).collect();
        let instead = if replaced.is_empty() { String::new() } else { format!(", in the place of {}", replaced.join(", ")) };
        format!(
            "{} file {} of bank {} (set {}: {}): {} -> {then}{instead}; reason: {reason}",
            f.kind.code(),
            f.name,
            f.bank,
            f.answer_set,
            members.join(", "),
            f.state.code()
        )
    }

    async fn carry_out(
        &self,
        gateway: &Gateway,
        tx: &mut Tx,
        actor: &str,
        why: &str,
        proposal: i64,
        now: Timestamp,
    ) -> Result<(), OperateError> {
        let moved_on = || OperateError::refused("来件状态刚刚改变，请重试", "the file moved just now: try again");
        if self.wish == AnswerWish::Reject {
            if !tx.move_set(&self.set, FileInState::Rejected, why, actor, now).await? {
                return moved_on();
            }
            return Ok(self.tell_no_more(tx, now).await?);
        }
        for old in &self.replaced {
            if !tx.move_file_in(old.id, old.state, FileInState::Superseded, why, now).await? {
                return moved_on();
            }
            tx.close_incident(&format!("quarantined:{}", old.answer_set), now).await?;
        }
        if !tx.move_set(&self.set, FileInState::Superseded, why, actor, now).await? {
            return moved_on();
        }
        let mut answer_set = None;
        for member in &self.set {
            let digest = gateway.profile(&member.profile)?.digest().to_owned();
            // Its key may name a file by now that was not known when it came.
            let named = tx.file_by_key(&member.bank, &member.profile, &member.key).await?.map(|f| f.id);
            let id = tx.read_again(member, &digest, member.file_out.or(named), answer_set, now).await?;
            answer_set = answer_set.or(Some(id));
            if let (AnswerWish::Without(lines), true) = (&self.wish, member.id == self.file.id) {
                tx.set_lines_aside(id, lines, proposal).await?;
            }
            tx.event("file_in", id, ("reread", self.file.state.code(), "archived"), actor, why, now).await?;
        }
        Ok(self.tell_no_more(tx, now).await?)
    }

    async fn tell_no_more(&self, tx: &mut Tx, now: Timestamp) -> Result<(), PassError> {
        tx.close_incident(&format!("quarantined:{}", self.file.answer_set), now).await?;
        for m in &self.set {
            tx.close_incident(&format!("inbound_conflict:{}:{}:{}", m.bank, m.key, m.sha256), now).await?;
        }
        Ok(())
    }
}

fn listed(lines: &[i64]) -> String {
    lines.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

fn check_lines(file: &FileIn, lines: &[i64]) -> Result<(), OperateError> {
    let is_sound = !lines.is_empty()
        && lines.len() <= ASIDE_MAX
        && lines.windows(2).all(|w| matches!(w, [a, b] if a < b))
        && lines.iter().all(|l| *l > 0);
    if !is_sound {
        return OperateError::refused(
            format!("请给出1至{ASIDE_MAX}个行号，从小到大，不重复；更多行有误时请银行重新提供文件"),
            format!("name 1 to {ASIDE_MAX} lines, in order, none twice; where more are wrong, the bank gives another file"),
        );
    }
    match file.kind {
        InboundKind::Result | InboundKind::Return | InboundKind::Enquiry => Ok(()),
        InboundKind::Ack | InboundKind::Statement => OperateError::refused(
            "回执和对账单不能剔除行：前者只有一句话，后者须完整连续",
            "no line of an acknowledgement or a statement is set aside: the one has a single word, the other must be complete",
        ),
    }
}

/// Others of the same key: those that count already stand in the way, those that are set aside are replaced.
async fn rivals(tx: &mut Tx, member: &FileIn) -> Result<Vec<FileIn>, OperateError> {
    let mut replaced = Vec::new();
    for other in tx.files_of_key(&member.bank, member.kind, &member.key, &member.role).await? {
        match other.state {
            FileInState::Archived | FileInState::Staged | FileInState::Applied => {
                return OperateError::refused(
                    format!(
                        "同一标识的来件{}（{}）已入账或正在入账；差异须逐笔处理（`bankgate payment resolve`），本件用 `bankgate file reject {}`",
                        other.id, other.name, member.id
                    ),
                    format!(
                        "file {} ({}) of the same key counts already: settle what differs payment by payment (`bankgate payment resolve`), and `bankgate file reject {}`",
                        other.id, other.name, member.id
                    ),
                );
            }
            FileInState::Quarantined => replaced.push(other),
            FileInState::Conflict | FileInState::Duplicate | FileInState::Superseded | FileInState::Rejected => {}
        }
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_what_was_wished() {
        assert_eq!(wish_of("answer 12"), Some((12, AnswerWish::Reread)));
        assert_eq!(wish_of("answer 12 without 3,14"), Some((12, AnswerWish::Without(vec![3, 14]))));
        assert_eq!(wish_of("answer 12 without "), None);
        assert_eq!(wish_of("file 12"), None);
    }
}
