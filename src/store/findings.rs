//! What is stuck, overdue or waits for a person (诊断): each row by name, with its age, its money, and what to do next.
//!
//! Law 8: nothing waits in silence. A finding is not an alarm (those are sent once, as incidents); it is the answer to
//! "what would I have to look at now", and is gone when its cause is.

use chrono::NaiveDate;
use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx, Value};
use crate::args;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::masked::Account;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Something that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, such as `file_held`.
    pub kind: &'static str,
    /// Which row: `file 12`, `batch P-1`, a payment's reference.
    pub subject: String,
    /// The bank concerned, or empty.
    pub bank: String,
    /// What is the matter.
    pub what: Words,
    /// What to do: a command where there is one.
    pub next: Words,
    /// The money concerned.
    pub fen: Fen,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A finding in one language, as programs get it.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    /// Its kind.
    pub kind: &'static str,
    /// Which row.
    pub subject: String,
    /// The bank concerned.
    pub bank: String,
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub next: String,
    /// The money concerned.
    pub fen: Fen,
    /// Since when.
    pub since: Option<Timestamp>,
    /// How long, in hours.
    pub age_hours: Option<i64>,
}

impl Finding {
    /// In this language, aged at this instant.
    #[must_use]
    pub fn view(self, language: crate::domain::language::Language, now: Timestamp) -> FindingView {
        FindingView {
            kind: self.kind,
            subject: self.subject,
            bank: self.bank,
            what: self.what.in_language(language),
            next: self.next.in_language(language),
            fen: self.fen,
            since: self.since,
            age_hours: self.since.map(|since| (now.millis() - since.millis()) / HOUR),
        }
    }
}

const HOUR: i64 = 3_600_000;
/// How long a step between two passes may take before somebody should look.
const STEP_MAX: i64 = HOUR;

/// Subject, what is the matter, what to do.
type Told = (String, Words, Words);

/// A question, and how its rows read: each row is (subject, bank, words, fen, since).
struct Question {
    kind: &'static str,
    sql: &'static str,
    read: fn(&Row) -> Result<Told, StoreError>,
}

/// In what is to be done next, `ID` stands for the file's number.
fn of_file(r: &Row, zh: &str, en: &str, next_zh: &str, next_en: &str) -> Result<Told, StoreError> {
    let (id, words) = (r.text(0)?, r.text(2)?);
    let with = |text: &str| if words.is_empty() { text.to_owned() } else { format!("{text}: {words}") };
    let (next_zh, next_en) = (next_zh.replace("ID", id), next_en.replace("ID", id));
    let next = Words::new(format!("`bankgate file show {id}`；{next_zh}"), format!("`bankgate file show {id}`; {next_en}"));
    Ok((format!("file {id}"), Words::new(with(zh), with(en)), next))
}

/// `$1`: now; `$2`: an hour ago; `$3`: today.
const QUESTIONS: &[Question] = &[
    Question {
        kind: "publishing_held",
        sql: "select key, '', why, 0, held_at from publishing_hold where released_at is null and $1 = $1 and $2 = $2 and $3 = $3 order by key",
        read: |r| {
            let why = r.text(2)?;
            let next = Words::new(
                "与各银行核对最近发出的文件，然后 `bankgate publishing release --evidence …`，另一人 `bankgate approve`",
                "compare the last files with every bank, then `bankgate publishing release --evidence …`, and `bankgate approve` by another",
            );
            let what = Words::new(format!("已停止全部发送：{why}"), format!("all publishing is held: {why}"));
            Ok((format!("publishing {}", r.text(0)?), what, next))
        },
    },
    Question {
        kind: "file_held",
        sql: "select cast(id as text), bank, name || ' ' || held_reason, total_fen, updated_at from file_out where state = 'held' and $1 = $1 and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            of_file(
                r,
                "文件被扣住，不会自动发送",
                "the file is held and will not go on by itself",
                "向银行核实目录中的文件：没有则 `bankgate file release ID --reason …`（继续）或 `bankgate file void ID --reason …`（作废重组），已收到则 `bankgate file settle ID --as sent --reason …`",
                "ask the bank what it has: nothing, `bankgate file release ID --reason …` (goes on) or `bankgate file void ID --reason …` (planned anew); it has it, `bankgate file settle ID --as sent --reason …`",
            )
        },
    },
    Question {
        kind: "file_doubt",
        sql: "select cast(id as text), bank, name || ' ' || held_reason, total_fen, updated_at from file_out where state = 'doubt' and $1 = $1 and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            of_file(
                r,
                "无法确定文件是否已送达",
                "nobody can tell whether the bank has the file",
                "取得银行书面答复：已收到则 `bankgate file settle ID --as sent --reason …`，未执行且不再执行则 `--as refused`，从未收到则 `bankgate file void ID --reason …`（先查看银行目录；若仍存疑，须再次向银行核实后再作废）；切勿手工重发",
                "get the bank's word in writing: it has it, `bankgate file settle ID --as sent --reason …`; not executed and will not be, `--as refused`; it never had it, `bankgate file void ID --reason …` (we look into its folder first; in doubt again, ask the bank again and void again); never send it by hand",
            )
        },
    },
    Question {
        // Failures of a file of which two copies went out are not final before the bank says what became of both.
        kind: "copies",
        sql: "select cast(f.id as text), f.bank, f.name || ' × ' || cast(f.copies as text), cast(sum(s.amount_fen) as bigint), min(s.since) from file_out f \
              join instruction_state s on s.file_out = f.id and s.state = 'failed' where f.copies > 1 and $1 = $1 and $2 = $2 and $3 = $3 group by f.id, f.bank, f.name, f.copies order by f.id",
        read: |r| {
            of_file(
                r,
                "发出过两份，失败尚不能视为最终",
                "two copies went out: its failures are not final",
                "请银行书面确认只执行了一份，再 `bankgate file settle ID --as one-copy --reason …`",
                "the bank writes that it executed one copy, then `bankgate file settle ID --as one-copy --reason …`",
            )
        },
    },
    Question {
        kind: "result_overdue",
        // Whoever is reminded of it gets another due time on the file; what was promised stands in the table of what is expected.
        sql: "select cast(f.id as text), f.bank, f.name, f.total_fen, coalesce(e.due_at, f.result_due_at) from file_out f left join expected_file e \
              on e.bank = f.bank and e.kind in ('result', 'receipt') and e.subject = cast(f.id as text) and e.on_date = f.business_date and e.came_at is null and e.waived_at is null \
              where f.state in ('sent', 'accepted') and coalesce(e.due_at, f.result_due_at) < $1 and $2 = $2 and $3 = $3 order by 5",
        read: |r| {
            of_file(
                r,
                "银行逾期未回盘",
                "the bank's result is overdue",
                "催问银行（`bankgate expected`），或 `bankgate file enquire ID`；银行书面称没有收到则 `bankgate file resend ID --reason …`，未执行且不再执行则 `bankgate file settle ID --as refused --reason …`",
                "ask the bank for it (`bankgate expected`), or `bankgate file enquire ID`; it writes that it has no copy: `bankgate file resend ID --reason …`; not executed and will not be: `bankgate file settle ID --as refused --reason …`",
            )
        },
    },
    Question {
        kind: "ack_overdue",
        sql: "select cast(f.id as text), f.bank, f.name, f.total_fen, coalesce(e.due_at, f.ack_due_at) from file_out f left join expected_file e \
              on e.bank = f.bank and e.kind = 'ack' and e.subject = cast(f.id as text) and e.on_date = f.business_date and e.came_at is null and e.waived_at is null \
              where f.state = 'sent' and coalesce(e.due_at, f.ack_due_at) < $1 and $2 = $2 and $3 = $3 order by 5",
        read: |r| {
            of_file(
                r,
                "银行逾期未回执",
                "the bank's acknowledgement is overdue",
                "询问银行是否收到文件；书面称没有则 `bankgate file resend ID --reason …`；收到但不会回执则 `bankgate expected waive`（编号见 `bankgate expected`）",
                "ask the bank whether it has the file; it writes that it has none: `bankgate file resend ID --reason …`; it has it and sends no ack: `bankgate expected waive` (its number: `bankgate expected`)",
            )
        },
    },
    Question {
        kind: "statement_missing",
        sql: "select e.subject, e.bank, cast(count(*) as text) || '|' || min(e.on_date) || '|' || b.contacts, 0, min(e.due_at) from expected_file e join bank b on b.code = e.bank \
              where e.came_at is null and e.waived_at is null and e.kind = 'statement' and e.due_at < $1 and $2 = $2 and $3 = $3 group by e.bank, e.subject, b.contacts order by 5",
        read: |r| {
            let account = Account::new(r.text(0)?);
            let mut parts = r.text(2)?.splitn(3, '|');
            let (days, first, contacts) =
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let what = Words::new(format!("自{first}起缺{days}日对账单"), format!("{days} statements are missing, from {first} on"));
            let next = Words::new(
                format!("请银行补发（{contacts}）：`bankgate expected`；银行书面称不会有，则 `bankgate expected waive 编号 --reason …`"),
                format!(
                    "ask the bank ({contacts}): `bankgate expected`; it writes that there will be none: `bankgate expected waive N --reason …`"
                ),
            );
            Ok((format!("account {account}"), what, next))
        },
    },
    Question {
        kind: "enquiry_held",
        sql: "select cast(q.file_out as text), q.bank, q.name, f.total_fen, q.created_at from enquiry q join file_out f on f.id = q.file_out \
              where q.state = 'held' and q.asked_on = $3 and $1 = $1 and $2 = $2 order by q.id",
        read: |r| {
            of_file(
                r,
                "今日查询文件是否送达不明",
                "nobody can tell whether today's enquiry went out",
                "无需处理，下一银行营业日自动再查；急则电话询问",
                "nothing to do: it is asked again on the next bank day; phone the bank if it is urgent",
            )
        },
    },
    Question {
        kind: "file_waiting",
        sql: "select cast(id as text), bank, name || ' ' || state, total_fen, updated_at from file_out where state in ('planned', 'sealed', 'uploading', 'publishing', 'withdrawing') \
              and updated_at < $2 and $1 = $1 and $3 = $3 order by updated_at",
        read: |r| {
            of_file(
                r,
                "文件迟迟未发出",
                "the file does not get out",
                "查看下方银行连接与守护进程日志；未发出的可 `bankgate file void ID --reason …`",
                "look at the bank's edge below and at the daemon's log; what is not out: `bankgate file void ID --reason …`",
            )
        },
    },
    Question {
        kind: "quarantined",
        sql: "select cast(id as text), bank, name || ' ' || problems, 0, seen_at from file_in where state = 'quarantined' and $1 = $1 and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            of_file(
                r,
                "银行文件被隔离，未入账",
                "a file of the bank is quarantined, nothing of it counts",
                "加 --in 查看；请银行更正后重新提供，再 `bankgate file reject ID --reason …`；格式已修正则 `bankgate file reread ID --reason …`；个别行有误可 `bankgate file apply ID --without 行号 --reason …`",
                "with --in; ask the bank for a right one, then `bankgate file reject ID --reason …`; its profile was mended: `bankgate file reread ID --reason …`; a line is wrong: `bankgate file apply ID --without LINE --reason …`",
            )
        },
    },
    Question {
        kind: "file_conflict",
        sql: "select cast(id as text), bank, name || ' ' || problems, 0, seen_at from file_in where state = 'conflict' and $1 = $1 and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            of_file(
                r,
                "银行以同一标识给出不同内容",
                "the bank gave other bytes under the same key",
                "加 --in 查看；请银行书面说明以哪一份为准：本件 `bankgate file reread ID --reason …`，先前一件 `bankgate file reject ID --reason …`",
                "with --in; ask the bank in writing which one counts: this one, `bankgate file reread ID --reason …`; the earlier one, `bankgate file reject ID --reason …`",
            )
        },
    },
    Question {
        kind: "answer_waiting",
        sql: "select cast(id as text), bank, name || ' ' || state, 0, updated_at from file_in where state in ('archived', 'staged') and updated_at < $2 and $1 = $1 and $3 = $3 order by id",
        read: |r| {
            of_file(
                r,
                "银行文件已收到，迟迟未处理",
                "a file of the bank waits to be read or applied",
                "查看守护进程日志",
                "look at the daemon's log",
            )
        },
    },
    Question {
        kind: "unknown",
        sql: "select cast(s.instruction_id as text), coalesce(f.bank, ''), s.state || ' ' || s.raw_text, s.amount_fen, s.since from instruction_state s \
              left join file_out f on f.id = s.file_out where s.state in ('unknown', 'conflict') and $1 = $1 and $2 = $2 and $3 = $3 order by s.since limit 200",
        read: |r| {
            let id = EndToEndId(r.text(0)?.parse().map_err(|_| StoreError::column(0, "an instruction"))?);
            let next = format!("`bankgate payment resolve {id} --as paid|failed --evidence …`");
            let what = r.text(2)?;
            Ok((
                id.to_string(),
                Words::new(format!("结果不明或相互矛盾: {what}"), format!("outcome unknown or contradicted: {what}")),
                Words::new(format!("取得银行书面答复后 {next}"), format!("get the bank's word in writing, then {next}")),
            ))
        },
    },
    Question {
        kind: "batch_returned",
        sql: "select a.batch, '', a.reasons, b.declared_fen, a.decided_at from admission a join batch b on b.number = a.batch \
              where a.state = 'returned' and exists (select 1 from incident n where n.key = 'returned:' || a.batch and n.state = 'open') \
              and $1 = $1 and $2 = $2 and $3 = $3 order by a.decided_at",
        read: |r| {
            let (number, why) = (r.text(0)?, r.text(2)?);
            let next = Words::new(
                format!(
                    "部门更正后以新批次号重新导入、审核、发放，所列人员全部重新受理后本条自行消除；有人不再发放的用 `bankgate incident close` 注明；原因见 `bankgate batch show {number}`"
                ),
                format!(
                    "its department corrects it and brings it under a new number; this ends once all its people have passed, or by `bankgate incident close` \
                     where somebody of it will not be paid; reasons: `bankgate batch show {number}`"
                ),
            );
            Ok((format!("batch {number}"), Words::new(format!("批次被整批退回: {why}"), format!("the batch went back whole: {why}")), next))
        },
    },
    Question {
        kind: "batch_held",
        sql: "select a.batch, '', a.reasons, b.declared_fen, a.decided_at from admission a join batch b on b.number = a.batch \
              where a.state = 'held' and not exists (select 1 from incident n where n.key = 'off_books:' || a.batch and n.state = 'open') and $1 = $1 and $2 = $2 and $3 = $3 order by a.decided_at",
        read: |r| {
            let (number, why) = (r.text(0)?, r.text(2)?);
            let next = Words::new("核对资金到账；到账后自动继续", "check the funds; it goes on by itself once they arrive");
            Ok((format!("batch {number}"), Words::new(format!("批次等待资金: {why}"), format!("the batch waits for funds: {why}")), next))
        },
    },
    Question {
        kind: "list_off_books",
        sql: "select a.batch, '', a.reasons, b.declared_fen, a.decided_at from admission a join batch b on b.number = a.batch \
              join incident n on n.key = 'off_books:' || a.batch and n.state = 'open' where a.state = 'held' and $1 = $1 and $2 = $2 and $3 = $3 \
              order by a.decided_at",
        read: |r| {
            let (number, why) = (r.text(0)?, r.text(2)?);
            let next = Words::new(
                format!("先处理所列原因（见 `bankgate batch show {number}`），批次随后自动继续；切勿换号重报"),
                format!(
                    "put right what stands in the way (`bankgate batch show {number}`), then it goes on by itself; never enter it under another number"
                ),
            );
            Ok((format!("batch {number}"), Words::new(why, why), next))
        },
    },
    Question {
        kind: "payments_late",
        sql: "select t.batch, t.bank, b.pay_on, cast(sum(t.open_fen) as bigint), min(t.created_at) from tranche t join batch b on b.number = t.batch \
              where t.next_id <= t.last_id and b.pay_on < $3 and t.not_before < $3 and $1 = $1 and $2 = $2 group by t.batch, t.bank, b.pay_on order by b.pay_on",
        read: |r| {
            let (number, day) = (r.text(0)?, r.text(2)?);
            let next = Words::new("查看银行状态（是否暂停）、日历与资金", "look whether the bank is paused, at the calendar and the funds");
            let what = Words::new(format!("应于{day}发放，尚未组文件"), format!("was to be paid on {day} and is in no file yet"));
            Ok((format!("batch {number}"), what, next))
        },
    },
    Question {
        kind: "cases_overdue",
        sql: "select department, '', cast(count(*) as text), cast(sum(amount_fen) as bigint), min(opened_at) from failure_case where state = 'open' and due_on < $3 \
              and $1 = $1 and $2 = $2 group by department order by department",
        read: |r| {
            let (department, n) = (r.text(0)?, r.text(2)?);
            let next = format!("`bankgate failure list --department {department}`");
            let what = Words::new(format!("{n}笔失败逾期未处理"), format!("{n} failures are past their day"));
            Ok((format!("department {department}"), what, Words::new(format!("{next}；催办"), format!("{next}; remind them"))))
        },
    },
    Question {
        kind: "close_overdue",
        sql: "select c.scope || ' ' || c.period || ' ' || c.department || '/' || c.project, '', c.state || ' ' || coalesce((select min(o.number || ' ' || o.state) from refund_order o \
              where o.department = c.department and o.project = c.project and o.state not in ('refunded', 'refused', 'cancelled') and (o.month = c.period or c.scope = 'year')), ''), \
              cast(coalesce((select sum(i.amount_fen) from period_item i where i.period = c.id and i.kind in ('ineligible', 'lapsed')), 0) as bigint), c.opened_at \
              from period_close c where c.state <> 'sealed' and c.close_on < $3 and $1 = $1 and $2 = $2 order by c.period, c.department, c.project",
        read: |r| {
            let (subject, state) = (r.text(0)?, r.text(2)?.trim());
            let mut words = subject.split(' ');
            let (scope, period) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let command = format!("`bankgate close --{scope} {period}`");
            Ok((
                format!("close {subject}"),
                Words::new(format!("截止日已过，尚未清零封存: {state}"), format!("past its close day and not sealed: {state}")),
                Words::new(format!("{command} 列出尚缺事项"), format!("{command} says what is in the way")),
            ))
        },
    },
    Question {
        kind: "close_missing",
        // A month and some days: whatever the close day is, a cut should have covered the entry by now.
        sql: "select z.department || '/' || z.project, '', z.period, 0, e.at from (select y.department, y.project, y.period, min(y.first) as first from \
              (select a.department as department, a.project as project, coalesce(c.period, '') as period, (select min(p.entry) from posting p where p.account = a.id \
              and p.entry > coalesce(c.cut, 0)) as first from account a left join (select department, project, max(period) as period, max(to_entry) as cut from period_close \
              where scope = 'month' group by department, project) c on c.department = a.department and c.project = a.project) y group by y.department, y.project, y.period) z \
              join entry e on e.id = z.first where e.at < $1 - 3024000000 and $2 = $2 and $3 = $3 order by e.at",
        read: |r| {
            let (purse, last) = (r.text(0)?, r.text(2)?);
            Ok((
                format!("close {purse}"),
                Words::new(
                    format!("逾月未截止清零（上次截止: {}）", if last.is_empty() { "无" } else { last }),
                    format!("no month was cut for more than a month (last: {})", if last.is_empty() { "none" } else { last }),
                ),
                Words::new(
                    "守护进程是否在运行、日历是否齐全；或 `bankgate close --month …`",
                    "is the daemon running, is the calendar complete; or `bankgate close --month …`",
                ),
            ))
        },
    },
    Question {
        kind: "break_overdue",
        sql: "select cast(id as text), bank, what || '\n' || account || '\n' || on_date, coalesce(found_fen, expected_fen, 0), opened_at from break_item \
              where state = 'open' and due_on < $3 and $1 = $1 and $2 = $2 order by due_on, id limit 200",
        read: |r| {
            let (id, text) = (r.text(0)?, r.text(2)?);
            let mut parts = text.rsplitn(3, '\n');
            let (day, account, what) =
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let look = format!("`bankgate reconcile show --account {account} --date {day}`");
            let what = Words::new(format!("对账差异逾期未结: {what}"), format!("a break of reconciliation is past its day: {what}"));
            Ok((format!("break {id}"), what, Words::new(format!("{look}；催办银行"), format!("{look}; ask the bank again"))))
        },
    },
    Question {
        kind: "statement_missing",
        sql: "select r.account, r.bank, r.on_date, 0, r.at from reconcile_run r where r.verdict = 'INCOMPLETE' and r.at < $1 - 86400000 and r.on_date < $3 and $2 = $2 \
              and r.id = (select max(x.id) from reconcile_run x where x.bank = r.bank and x.account = r.account and x.on_date = r.on_date) order by r.on_date limit 200",
        read: |r| {
            let (account, day) = (r.text(0)?, r.text(2)?);
            let look = format!("`bankgate reconcile show --account {account} --date {day}`");
            let what = Words::new(
                format!("{day}的对账单未到或不连续"),
                format!("the statement of {day} is not there, or does not continue the one before"),
            );
            Ok((
                format!("account {account} {day}"),
                what,
                Words::new(format!("向银行索取；{look}"), format!("ask the bank for it; {look}")),
            ))
        },
    },
    Question {
        kind: "proposal",
        sql: "select cast(id as text), '', effect || ' (' || proposed_by || ')', 0, proposed_at from proposal where state = 'open' and $1 = $1 and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            let (id, effect) = (r.text(0)?, r.text(2)?);
            let next = Words::new(format!("由另一人 `bankgate approve {id}`"), format!("another person: `bankgate approve {id}`"));
            Ok((
                format!("proposal {id}"),
                Words::new(format!("待第二人批准: {effect}"), format!("waits for a second person: {effect}")),
                next,
            ))
        },
    },
    Question {
        kind: "refund_waiting",
        sql: "select r.number, r.bank, case when g.refund_profile = '' then 'hand' else 'file' end, r.amount_fen, r.approved_at from refund_order r \
              join agreement g on g.number = r.agreement where r.state = 'approved' and r.approved_at < $2 and $1 = $1 and $3 = $3 order by r.id",
        read: |r| {
            let number = r.text(0)?;
            let next = match r.text(2)? {
                "hand" => Words::new(
                    format!("`bankgate refund print {number} --out DIR`，签章送出后 `bankgate refund sent {number} --by-hand`"),
                    format!("`bankgate refund print {number} --out DIR`; once carried, `bankgate refund sent {number} --by-hand`"),
                ),
                _ => Words::new(
                    format!("`bankgate refund show {number}`；查看银行连接、截止时间与协议的国库账户"),
                    format!("`bankgate refund show {number}`; look at the bank's edge, the cut-off, the agreement's treasury account"),
                ),
            };
            Ok((format!("refund {number}"), Words::new("退款已批准，尚未送出", "the refund is approved and not sent"), next))
        },
    },
    Question {
        // Five days: a week with its weekend is not silence yet.
        kind: "refund_unproven",
        sql: "select number, bank, proof, amount_fen, sent_at from refund_order where state in ('sent', 'accepted', 'executed') and sent_at < $1 - 432000000 \
              and $2 = $2 and $3 = $3 order by id",
        read: |r| {
            let (number, proof) = (r.text(0)?, r.text(2)?);
            let next = match proof {
                "receipt" => Words::new(
                    format!("取得国库回单后 `bankgate refund receipt {number} --receipt …`"),
                    format!("get the treasury's receipt, then `bankgate refund receipt {number} --receipt …`"),
                ),
                _ => Words::new(
                    format!("`bankgate refund show {number}`；向银行索取当日对账单"),
                    format!("`bankgate refund show {number}`; ask the bank for that day's statement"),
                ),
            };
            let what = Words::new("退款已送出，尚无凭据", "the refund is out and nothing shows that it arrived");
            Ok((format!("refund {number}"), what, next))
        },
    },
    Question {
        kind: "mail",
        sql: "select cast(id as text), '', state || ' ' || subject || ' ' || last_error, 0, created_at from outbox_mail where (state in ('bounced', 'doubt') \
              or (state in ('queued', 'sending') and created_at < $2)) and $1 = $1 and $3 = $3 order by id",
        read: |r| {
            let (id, what) = (r.text(0)?, r.text(2)?);
            let next = Words::new(
                format!(
                    "核对收件地址与邮件服务器，再 `bankgate mail retry {id} --reason …`；收件人已有则 `bankgate mail done {id} --reason …`"
                ),
                format!(
                    "check the address and the server, then `bankgate mail retry {id} --reason …`; its readers have it: `bankgate mail done {id} --reason …`"
                ),
            );
            Ok((format!("mail {id}"), Words::new(format!("邮件未确认送出: {what}"), format!("a mail did not surely go out: {what}")), next))
        },
    },
    Question {
        kind: "edge",
        sql: "select b.code, b.code, cast(e.failures as text) || ' × ' || e.last_error, 0, null from edge e join bank b on b.code = e.bank where e.failures > 0 \
              and $1 = $1 and $2 = $2 and $3 = $3 order by b.code",
        read: |r| {
            let (bank, what) = (r.text(0)?, r.text(2)?);
            let next = Words::new("按错误所述处理；程序会自行再试", "do what the error says; it is tried again by itself");
            Ok((
                format!("bank {bank}"),
                Words::new(format!("银行文件通道有故障: {what}"), format!("trouble at the bank's mailbox: {what}")),
                next,
            ))
        },
    },
    Question {
        kind: "bank_paused",
        sql: "select code, code, mode, 0, null from bank where mode <> 'live' and $1 = $1 and $2 = $2 and $3 = $3 order by code",
        read: |r| {
            let (bank, mode) = (r.text(0)?, r.text(2)?);
            let next = Words::new(
                format!("可恢复时 `bankgate bank resume {bank} --reason …`"),
                format!("`bankgate bank resume {bank} --reason …` once it may go on"),
            );
            Ok((format!("bank {bank}"), Words::new(format!("银行处于{mode}模式"), format!("the bank is {mode}")), next))
        },
    },
];

impl Tx {
    /// Everything that somebody should look at, the gravest kinds first; and the open incidents that nothing else explains.
    ///
    /// # Errors
    /// The database refused.
    pub async fn findings(&mut self, now: Timestamp, today: NaiveDate) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        if let (held, Some(broken)) = self.audit_verify().await? {
            found.push(Finding {
                kind: "audit_broken",
                subject: format!("audit {broken}"),
                bank: String::new(),
                what: Words::new(
                    format!("审计链在第{broken}条断裂（此前{held}条完好）：有人改动过审计表"),
                    format!("the audit chain is broken at {broken} ({held} links hold before it): somebody rewrote the table"),
                ),
                next: Words::new("停止操作，保全数据库，报告内审", "stop, keep the database as it is, tell the auditors"),
                fen: Fen::ZERO,
                since: None,
            });
        }
        let values: Vec<Value> = args![now, now.plus_millis(-STEP_MAX), today];
        for q in QUESTIONS {
            for r in self.rows(q.sql, values.clone()).await? {
                let (subject, what, next) = (q.read)(&r)?;
                found.push(Finding { kind: q.kind, subject, bank: r.string(1)?, what, next, fen: r.fen(3)?, since: r.opt_time(4)? });
            }
        }
        for i in self.incidents_open().await? {
            found.push(Finding {
                kind: "incident",
                subject: format!("incident {}", i.id),
                bank: i.bank,
                what: Words::new(i.what.clone(), i.what),
                next: Words::new(
                    format!("{}；原因消除后 `bankgate incident close {} --reason …`", i.next_step, i.id),
                    format!("{}; once its cause is gone, `bankgate incident close {} --reason …`", i.next_step, i.id),
                ),
                fen: Fen::ZERO,
                since: Some(i.since),
            });
        }
        Ok(found)
    }
}
