//! What people ask about stuck rows over the socket, and what they hear.

use serde::{Deserialize, Serialize};

use super::socket::Reply;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::passes::operate::OperateError;
use crate::passes::operate::answer::{AnswerWish, answer_act};
use crate::passes::operate::desk::{bank_mode, close_incident, mail_act, waive};
use crate::passes::operate::file::{Acted, FileWish, file_act};
use crate::store::desk::Operator;

/// What to do with a stuck row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum StuckRequest {
    /// A file of ours stops.
    Hold {
        /// Its number.
        id: i64,
    },
    /// A held file goes on.
    Release {
        /// Its number.
        id: i64,
    },
    /// A file is given up.
    Void {
        /// Its number.
        id: i64,
    },
    /// A file goes out once more.
    Resend {
        /// Its number.
        id: i64,
    },
    /// The bank has a file.
    Sent {
        /// Its number.
        id: i64,
    },
    /// The bank executed nothing of what is open in a file.
    Refused {
        /// Its number.
        id: i64,
    },
    /// The bank executed one copy of several.
    OneCopy {
        /// Its number.
        id: i64,
    },
    /// The bank is asked not to execute a file.
    Recall {
        /// Its number.
        id: i64,
    },
    /// A bank's file counts for nothing.
    Reject {
        /// Its number.
        id: i64,
    },
    /// A bank's file is read again.
    Reread {
        /// Its number.
        id: i64,
    },
    /// A bank's file is read again without some lines.
    Without {
        /// Its number.
        id: i64,
        /// The lines.
        lines: Vec<i64>,
    },
    /// A bank's mode.
    Mode {
        /// The bank.
        bank: String,
        /// `live`, `shadow` or `paused`.
        mode: String,
    },
    /// An alarm ends.
    CloseIncident {
        /// Its number.
        id: i64,
    },
    /// An answer will not come.
    Waive {
        /// Its number.
        id: i64,
    },
    /// A letter is tried again, or its readers have it.
    Mail {
        /// Its number.
        id: i64,
        /// Once more.
        again: bool,
    },
}

/// Does what one person may do, or proposes what takes two.
pub(super) async fn stuck(
    gateway: &Gateway,
    by: &Operator,
    what: StuckRequest,
    (reason, dry_run): (&str, bool),
    now: Timestamp,
) -> Result<Reply, OperateError> {
    let of_file = async |id, wish| file_act(gateway, by, id, wish, reason, dry_run, now).await;
    let of_answer = async |id, wish| answer_act(gateway, by, id, &wish, reason, dry_run, now).await;
    let acted = match what {
        StuckRequest::Hold { id } => of_file(id, FileWish::Hold).await?,
        StuckRequest::Release { id } => of_file(id, FileWish::Release).await?,
        StuckRequest::Void { id } => of_file(id, FileWish::Void).await?,
        StuckRequest::Resend { id } => of_file(id, FileWish::Resend).await?,
        StuckRequest::Sent { id } => of_file(id, FileWish::Sent).await?,
        StuckRequest::Refused { id } => of_file(id, FileWish::Refused).await?,
        StuckRequest::OneCopy { id } => of_file(id, FileWish::OneCopy).await?,
        StuckRequest::Recall { id } => of_file(id, FileWish::Recall).await?,
        StuckRequest::Reject { id } => of_answer(id, AnswerWish::Reject).await?,
        StuckRequest::Reread { id } => of_answer(id, AnswerWish::Reread).await?,
        StuckRequest::Without { id, lines } => of_answer(id, AnswerWish::Without(lines)).await?,
        StuckRequest::Mode { bank, mode } => bank_mode(gateway, by, (&bank, &mode), reason, dry_run, now).await?,
        StuckRequest::CloseIncident { id } => close_incident(gateway, by, id, reason, dry_run, now).await?,
        StuckRequest::Waive { id } => waive(gateway, by, id, reason, dry_run, now).await?,
        StuckRequest::Mail { id, again } => mail_act(gateway, by, (id, again), reason, dry_run, now).await?,
    };
    Ok(said(gateway, acted))
}

fn said(gateway: &Gateway, acted: Acted) -> Reply {
    let (words, value) = match acted {
        Acted::Done(effect) => (
            Words::new(format!("已办理：{effect}"), format!("done: {effect}")),
            serde_json::json!({ "done": true, "proposal": null, "dry_run": false, "effect": effect }),
        ),
        Acted::Proposed(id, effect) => (
            Words::new(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
            ),
            serde_json::json!({ "done": false, "proposal": id, "dry_run": false, "effect": effect }),
        ),
        Acted::Would(effect, two) => (
            Words::new(
                format!("试运行，未写入；{}：{effect}", if two { "将提出事项，由另一人批准" } else { "将直接办理" }),
                format!(
                    "dry run, nothing was written; {}: {effect}",
                    if two { "another person would approve" } else { "would be done at once" }
                ),
            ),
            serde_json::json!({ "done": false, "proposal": null, "dry_run": true, "takes_two": two, "effect": effect }),
        ),
    };
    Reply::Done { say: gateway.say(words), value }
}
