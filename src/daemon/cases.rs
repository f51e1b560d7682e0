//! What people ask about cases and corrections over the socket, and what they hear.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::socket::Reply;
use crate::domain::language::Words;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::passes::operate::OperateError;
use crate::passes::operate::case::{Wish, assign, note, propose};
use crate::passes::operate::correct::{CorrectionFacts, Verdict, import_correction};
use crate::passes::{Gateway, PassError};
use crate::store::desk::Operator;

/// The largest workbook: one of ours with twenty thousand rows has three megabytes.
pub(super) const WORKBOOK_MAX: u64 = 32 << 20;

/// What to do with a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum CaseRequest {
    /// Give it to somebody.
    Assign {
        /// The login.
        to: String,
        /// Why.
        reason: String,
    },
    /// Note what was done.
    Note {
        /// In words.
        words: String,
    },
    /// Propose another reason.
    Reclassify {
        /// The reason's code.
        code: String,
        /// Why.
        reason: String,
    },
    /// Propose that it will not be paid.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Propose that its money was given back.
    Recover {
        /// What proves it.
        evidence: String,
    },
    /// Propose to close it by evidence.
    Close {
        /// What proves that nothing is left to do.
        reason: String,
    },
    /// Propose to close it because its payment was made.
    ClosePaid {
        /// What proves it.
        reason: String,
    },
}

pub(super) async fn case(gateway: &Gateway, by: &Operator, id: i64, what: CaseRequest, now: Timestamp) -> Result<Reply, OperateError> {
    let done = |zh: String, en: String, value: serde_json::Value| Ok(Reply::Done { say: gateway.say(Words::new(zh, en)), value });
    let wish = match &what {
        CaseRequest::Assign { to, reason } => {
            assign(gateway, by, id, to, reason, now).await?;
            return done(
                format!("案件{id}已交{to}办理"),
                format!("case {id} is {to}'s"),
                serde_json::json!({ "case": id, "assignee": to }),
            );
        }
        CaseRequest::Note { words } => {
            note(gateway, by, id, words, now).await?;
            return done(format!("案件{id}已备注"), format!("noted of case {id}"), serde_json::json!({ "case": id }));
        }
        CaseRequest::Reclassify { code, reason } => {
            let Some(code) = Reason::from_code(code) else {
                let all = Reason::ALL.iter().map(|r| r.code()).collect::<Vec<_>>().join(" ");
                return OperateError::refused(
                    format!("没有原因代码“{code}”；可用：{all}"),
                    format!("there is no reason {code:?}; there are: {all}"),
                );
            };
            Wish::Reclassify(code, reason)
        }
        CaseRequest::Cancel { reason } => Wish::Cancel(reason),
        CaseRequest::Recover { evidence } => Wish::Recover(evidence),
        CaseRequest::Close { reason } => Wish::Close(reason),
        CaseRequest::ClosePaid { reason } => Wish::Paid(reason),
    };
    let (proposal, effect) = propose(gateway, by, id, wish, now).await?;
    let value = serde_json::json!({ "case": id, "proposal": proposal, "effect": effect });
    match proposal {
        Some(p) => done(
            format!("已提出事项{p}：{effect}\n请另一人执行 `bankgate approve {p}`"),
            format!("proposal {p}: {effect}\nanother person runs `bankgate approve {p}`"),
            value,
        ),
        None => done(format!("案件{id}已取消：{effect}"), format!("case {id} is cancelled: {effect}"), value),
    }
}

pub(super) async fn correction(
    gateway: &Gateway,
    by: &Operator,
    facts: &CorrectionFacts,
    workbook: &Path,
    now: Timestamp,
) -> Result<Reply, OperateError> {
    let bytes = tokio::fs::read(workbook).await.map_err(PassError::local("read", workbook))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > WORKBOOK_MAX {
        return OperateError::refused("工作簿过大，不是本系统发出的失败明细", "the workbook is too large to be one of ours");
    }
    let corrected = import_correction(gateway, by, facts, bytes, now).await?;
    let say = if let Some(before) = &corrected.before {
        before.clone()
    } else {
        let of = |verdict| corrected.count(verdict);
        let (accepted, unfilled, refused) = (of(Verdict::Accepted), of(Verdict::Unfilled), of(Verdict::Refused));
        let batches =
            corrected.batches.iter().map(|b| format!("{}（{}笔，{}元）", b.number, b.count, b.total)).collect::<Vec<_>>().join("、");
        let (zh, en) = match (facts.dry_run, corrected.batches.is_empty()) {
            (_, true) => ("；未生成批次".to_owned(), "; no batch was made".to_owned()),
            (true, false) => {
                (format!("；试运行，未写入，将生成：{batches}"), format!("; dry run, nothing was written; it would make {batches}"))
            }
            (false, false) => (format!("；已生成待审核的重发批次：{batches}"), format!("; reissue batches to be approved: {batches}")),
        };
        gateway.say(Words::new(
            format!("受理{accepted}笔，未填写{unfilled}笔，不予受理{refused}笔{zh}"),
            format!("{accepted} accepted, {unfilled} not filled in, {refused} refused{en}"),
        ))
    };
    let value = serde_json::to_value(&corrected).map_err(|e| PassError::Broken(format!("the answer cannot be written: {e}")))?;
    Ok(Reply::Done { say, value })
}
