//! What people ask about refunds to the treasury over the socket, and what they hear.

use serde::{Deserialize, Serialize};

use super::socket::Reply;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::passes::operate::{OperateError, refund};
use crate::store::desk::Operator;

/// What to do about refund orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum RefundRequest {
    /// Propose refunds of everything in a purse that is due back.
    Propose {
        /// The department's code.
        department: String,
        /// The project's code.
        project: String,
        /// The fiscal year; else this one.
        year: Option<i32>,
    },
    /// Record that an order was carried.
    Sent {
        /// Its number.
        number: String,
    },
    /// Propose to take the treasury's receipt for an order.
    Receipt {
        /// Its number.
        number: String,
        /// What the treasury gave.
        receipt: String,
    },
    /// Give an order up.
    Cancel {
        /// Its number.
        number: String,
        /// Why.
        reason: String,
    },
}

pub(super) async fn refund(gateway: &Gateway, by: &Operator, what: RefundRequest, now: Timestamp) -> Result<Reply, OperateError> {
    let (words, value) = act(gateway, by, what, now).await?;
    Ok(Reply::Done { say: gateway.say(words), value })
}

/// Acts on refund orders: in words, and for programs.
async fn act(gateway: &Gateway, by: &Operator, what: RefundRequest, now: Timestamp) -> Result<(Words, serde_json::Value), OperateError> {
    match what {
        RefundRequest::Propose { department, project, year } => {
            let orders = refund::propose_due(gateway, by, &department, &project, year, now).await?;
            let (mut zh, mut en) = (String::new(), String::new());
            for o in &orders {
                let id = o.proposal.unwrap_or_default();
                zh.push_str(&format!("\n{}：{}笔，{}元；请另一人执行 `bankgate approve {id}`", o.number, o.lines, o.amount));
                en.push_str(&format!("\n{}: {} lines, {} yuan; another person runs `bankgate approve {id}`", o.number, o.lines, o.amount));
            }
            let listed =
                orders.iter().map(|o| serde_json::json!({ "number": o.number, "proposal": o.proposal, "lines": o.lines, "fen": o.amount }));
            let value = serde_json::Value::Array(listed.collect());
            Ok((Words::new(format!("已提出退款凭证{}张{zh}", orders.len()), format!("{} refunds proposed{en}", orders.len())), value))
        }
        RefundRequest::Sent { number } => {
            let o = refund::sent_by_hand(gateway, by, &number, now).await?;
            let words = Words::new(
                format!("退款凭证{number}（{}元）已记为人工送出", o.amount),
                format!("refund {number} ({}) is recorded as carried", o.amount),
            );
            Ok((words, serde_json::json!({ "number": number })))
        }
        RefundRequest::Receipt { number, receipt } => {
            let (id, effect) = refund::propose_receipt(gateway, by, &number, &receipt, now).await?;
            Ok(proposed(id, &effect))
        }
        RefundRequest::Cancel { number, reason } => match refund::cancel(gateway, by, &number, &reason, now).await? {
            Some((id, effect)) => Ok(proposed(id, &effect)),
            None => Ok((
                Words::new(format!("退款凭证{number}已作废"), format!("refund {number} is cancelled")),
                serde_json::json!({ "number": number }),
            )),
        },
    }
}

fn proposed(id: i64, effect: &str) -> (Words, serde_json::Value) {
    let words = Words::new(
        format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
        format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
    );
    (words, serde_json::json!({ "proposal": id, "effect": effect }))
}
