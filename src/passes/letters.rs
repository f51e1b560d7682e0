//! Facts to the words of a mail: pure, in Chinese or English, the same facts always the same letter.
//!
//! A body never names a person nor shows a number of theirs, not even in part: it is read on telephones and forwarded.
//! Whoever must know finds one row per payment in the workbook, whose numbers end in their last four digits.

/// Letters on cases past their day, and on money to be asked back.
pub mod overdue;

use std::io;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::page::{Block, Page, Table};
use crate::domain::language::Language;
use crate::domain::money::Fen;
pub use crate::domain::report::{
    Alert, BankNotice, BankNoticeKind, CompletedList, CompletedRow, FailureKind, FailureReport, FailureRow, FileFault, NextStep,
    PaymentResult, Urgency,
};
use crate::domain::report::{advice_words, reason_words};
pub use crate::domain::scrub::scrub_bank_text;
use crate::domain::scrub::scrub_wholly;
use crate::domain::time::Timestamp;
use crate::format::workbook::{WorkbookError, completed_workbook, failure_workbook};
use crate::mail::Attachment;

/// The type of the workbooks.
pub(super) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// What a letter says, before it has a sender and a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject line.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The body.
    pub html: String,
    /// What hangs on it.
    pub attachments: Vec<Attachment>,
}

/// Why there is no letter.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The workbook cannot be written.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
    /// The HTML cannot be written.
    #[error("cannot write the letter's HTML: {0}")]
    Html(#[from] io::Error),
}

/// To a department: what failed at one bank on one day, why, and what to do (失败报告). Carries the workbook.
///
/// # Errors
/// The workbook cannot be written.
pub fn failure_report(report: &FailureReport, language: Language) -> Result<Letter, LetterError> {
    let (count, amount) = (report.rows.len(), yuan(report.amount()));
    let (department, bank, date) = (&report.department, &report.bank, day(report.date, language));
    let due = report.first_due().map(|due| day(due, language));
    let file = match language {
        Language::Zh => format!("发放失败明细_{department}_{bank}_{}.xlsx", report.date),
        Language::En => format!("failures_{department}_{bank}_{}.xlsx", report.date),
    };
    let file = file_name(&file);
    let subject = match (language, &due) {
        (Language::Zh, Some(due)) => format!("【补贴发放失败】{department}·{bank} {date} 共{count}笔 {amount}元，请于{due}前办理"),
        (Language::Zh, None) => format!("【补贴发放】{department}·{bank} {date} 无失败"),
        (Language::En, Some(due)) => format!("[Payments failed] {department}, {bank}, {date}: {count}, {amount} yuan; settle by {due}"),
        (Language::En, None) => format!("[Payments] {department}, {bank}, {date}: none failed"),
    };
    let capitals = report.amount().capitals();
    let all_at_the_gate = report.rows.iter().all(|row| row.kind == FailureKind::RejectedBefore);
    let lead = match (language, &due) {
        // Nothing of these was sent to any bank: there is none to name.
        (Language::Zh, Some(due)) if all_at_the_gate => format!(
            "{department}：{date}申请发放的补贴，有 {count} 笔在{bank}中退回，未送银行，合计 {amount} 元（大写：{capitals}）。请于{due}前办理。"
        ),
        (Language::En, Some(due)) if all_at_the_gate => format!(
            "To {department}: of the subsidies submitted on {date}, {count} were sent back by the {bank} and went to no bank, {amount} yuan in all. \
             Please settle them by {due}."
        ),
        (Language::Zh, Some(due)) => format!(
            "{department}：{date}经{bank}发放的补贴，共 {count} 笔未能发放，合计 {amount} 元（大写：{capitals}）。请于{due}前办理。"
        ),
        (Language::Zh, None) => format!("{department}：{date}经{bank}发放的补贴没有失败。"),
        (Language::En, Some(due)) => format!(
            "To {department}: of the subsidies paid through {bank} on {date}, {count} failed, {amount} yuan in all. Please settle them by {due}."
        ),
        (Language::En, None) => format!("To {department}: no subsidy paid through {bank} on {date} failed."),
    };
    let mut blocks = vec![Block::Say(lead)];
    if count > 0 {
        blocks.push(Block::Facts(kinds(report, language)));
        blocks.push(Block::Table(reasons(report, language)));
        blocks.push(department_steps(&file, language));
        blocks.push(Block::Heed(
            language
                .pick(
                    "正文不列姓名和号码。附件含个人信息，请按规定保管，不要转发到工作之外。",
                    "This letter names nobody. The workbook holds personal data: keep it as the rules say, and do not pass it on.",
                )
                .to_owned(),
        ));
    }
    blocks.push(foot(report.generated_at, report.zone, &report.workbook_id, &report.contact, language));
    let title = language.pick("补贴发放失败报告", "Failed subsidy payments").to_owned();
    let attachments = match count {
        0 => Vec::new(),
        _ => vec![Attachment { name: file, mime: XLSX.to_owned(), bytes: failure_workbook(report, language)? }],
    };
    letter(subject, &Page { language, title, blocks }, attachments)
}

/// How many failed at which stage; stages without failures are left out.
fn kinds(report: &FailureReport, language: Language) -> Vec<(String, String)> {
    let of_kind = |kind| {
        let amounts = || report.rows.iter().filter(move |row| row.kind == kind).map(|row| row.amount);
        (kind, amounts().count(), amounts().sum::<Fen>())
    };
    let sums = [FailureKind::RejectedBefore, FailureKind::FailedAtBank, FailureKind::Returned].map(of_kind);
    let shown = sums.into_iter().filter(|(_, count, _)| *count > 0);
    shown.map(|(kind, count, amount)| (kind.words(language).to_owned(), count_and_amount(count, amount, language))).collect()
}

fn reasons(report: &FailureReport, language: Language) -> Table {
    let mut rows: Vec<Vec<String>> = report
        .by_reason()
        .into_iter()
        .map(|sum| {
            let (reason, advice) = (reason_words(sum.reason, language), advice_words(sum.class, language));
            vec![reason.to_owned(), sum.count.to_string(), yuan(sum.amount), advice.to_owned()]
        })
        .collect();
    rows.push(vec![language.pick("合计", "Total").to_owned(), report.rows.len().to_string(), yuan(report.amount()), String::new()]);
    let head = [("失败原因", "Reason", false), ("笔数", "Count", true), ("金额（元）", "Yuan", true), ("处理办法", "What to do", false)];
    Table { head: head.map(|(zh, en, is_number)| (language.pick(zh, en).to_owned(), is_number)).into(), rows, has_sum: true }
}

fn department_steps(file: &str, language: Language) -> Block {
    let steps = match language {
        Language::Zh => vec![
            format!("打开附件《{file}》，每笔失败一行，列有镇村、姓名、原因和办理期限。"),
            "核对后，在黄色各栏填写更正内容，并在“处理意见”栏选择处理方式。".to_owned(),
            "由本部门审核后，按原审批程序报送；经审批、发放后系统再次支付。".to_owned(),
            "原因为“结果未明”的，请等待银行答复，切勿另行发放。".to_owned(),
        ],
        Language::En => vec![
            format!("Open the attached {file}: one row per failure, with village, name, reason and date due."),
            "Check, fill in the yellow columns, and choose a decision.".to_owned(),
            "Have it reviewed and submit it for approval as before; once approved and released it is paid again.".to_owned(),
            "Where the outcome is unknown, wait for the bank's word; never pay by another way.".to_owned(),
        ],
    };
    let title = language.pick("办理方法", "How to settle them").to_owned();
    Block::Steps { title, steps: steps.into_iter().map(|words| (words, None)).collect() }
}

/// To a department: a batch is done, with every payment's result (发放完成清单); also when nothing failed. The rows go into the
/// workbook as they come.
///
/// # Errors
/// The workbook cannot be written.
pub fn completed_list(
    list: &CompletedList,
    rows_listed: impl Iterator<Item = CompletedRow>,
    language: Language,
) -> Result<Letter, LetterError> {
    let (count, amount, capitals) = (list.count(), yuan(list.amount()), list.amount().capitals());
    let CompletedList { department, batch_no, project, period, sums, .. } = list;
    let paid = list.paid();
    let other = count.saturating_sub(paid);
    let (subject, lead) = match language {
        Language::Zh => (
            format!("【发放完成】{department} {project}（{period}）批次{batch_no} 共{count}笔 {amount}元，成功{paid}笔，未成功{other}笔"),
            format!("{department}：{project}（{period}）批次 {batch_no} 已办理完毕，共 {count} 笔，合计 {amount} 元（大写：{capitals}）。"),
        ),
        Language::En => (
            format!("[Batch done] {department}, {project} ({period}), batch {batch_no}: {count}, {amount} yuan; {paid} paid, {other} not"),
            format!("To {department}: batch {batch_no} of {project} ({period}) is done: {count} payments, {amount} yuan in all."),
        ),
    };
    let mut rows: Vec<Vec<String>> =
        sums.iter().map(|sum| vec![sum.result.words(language).to_owned(), sum.count.to_string(), yuan(sum.amount)]).collect();
    rows.push(vec![language.pick("合计", "Total").to_owned(), count.to_string(), amount]);
    let head = [("结果", "Result", false), ("笔数", "Count", true), ("金额（元）", "Yuan", true)];
    let table = Table { head: head.map(|(zh, en, is_number)| (language.pick(zh, en).to_owned(), is_number)).into(), rows, has_sum: true };
    let file = file_name(&language.pick("发放完成清单_{}.xlsx", "completed_{}.xlsx").replace("{}", &format!("{department}_{batch_no}")));
    let rest = match (language, other) {
        (Language::Zh, 0) => format!("全部发放成功。逐笔结果见附件《{file}》，可用于再公示。"),
        (Language::Zh, _) => format!("逐笔结果见附件《{file}》，可用于再公示。未成功的支付另有失败报告，请按报告办理。"),
        (Language::En, 0) => format!("All were paid. The attached {file} has every payment's result, for the second publication."),
        (Language::En, _) => format!(
            "The attached {file} has every payment's result, for the second publication. Those not paid are in a failure report of their own."
        ),
    };
    let blocks = vec![
        Block::Say(lead),
        Block::Table(table),
        Block::Say(rest),
        foot(list.generated_at, list.zone, &list.workbook_id, &list.contact, language),
    ];
    let title = language.pick("补贴发放完成清单", "Completed list of subsidy payments").to_owned();
    let attachments = vec![Attachment { name: file, mime: XLSX.to_owned(), bytes: completed_workbook(list, rows_listed, language)? }];
    letter(subject, &Page { language, title, blocks }, attachments)
}

/// To finance IT: what happened, where, since when, how much, and the next command (告警).
///
/// # Errors
/// None in practice.
pub fn alert(alert: &Alert, language: Language) -> Result<Letter, LetterError> {
    let urgency = match alert.urgency {
        Urgency::Now => language.pick("立即处理", "act now"),
        Urgency::Today => language.pick("今日处理", "act today"),
    };
    let what = scrub_wholly(&alert.what);
    let short: String = what.chars().take(60).collect();
    let subject = match language {
        Language::Zh => format!("【告警·{urgency}】{short} [{}]", alert.incident),
        Language::En => format!("[Alert, {urgency}] {short} [{}]", alert.incident),
    };
    let since = format!("{}{}", moment(alert.since, alert.zone), lasted(alert, language));
    let mut facts =
        vec![("事件编号", "Incident", alert.incident.clone()), ("位置", "Where", alert.place.clone()), ("起始时间", "Since", since)];
    facts.extend(alert.count.map(|count| ("涉及笔数", "Payments", count.to_string())));
    facts.extend(alert.amount.map(|amount| ("涉及金额", "Amount", format!("{} {}", yuan(amount), language.pick("元", "yuan")))));
    let facts = facts.into_iter().map(|(zh, en, value)| (language.pick(zh, en).to_owned(), value)).collect();
    let steps = alert.next.iter().map(|step| (scrub_wholly(&step.what), step.command.clone())).collect();
    let blocks = vec![
        Block::Heed(what),
        Block::Facts(facts),
        Block::Steps { title: language.pick("下一步", "What to do next").to_owned(), steps },
        foot(alert.generated_at, alert.zone, &alert.incident, "", language),
    ];
    let title = match language {
        Language::Zh => format!("告警（{urgency}）"),
        Language::En => format!("Alert: {urgency}"),
    };
    letter(subject, &Page { language, title, blocks }, Vec::new())
}

/// To a bank's operators: what is wrong with a file, in words without identities.
///
/// # Errors
/// None in practice.
pub fn bank_notice(notice: &BankNotice, language: Language) -> Result<Letter, LetterError> {
    let (title, lead, asks) = notice_words(notice, language);
    let subject = match language {
        Language::Zh => format!("【{title}】{} {} [{}]", notice.bank, notice.file, notice.incident),
        Language::En => format!("[{title}] {}, {} [{}]", notice.bank, notice.file, notice.incident),
    };
    let at = match notice.kind {
        BankNoticeKind::Overdue => ("应到时间", "Due"),
        BankNoticeKind::Quarantined | BankNoticeKind::Conflict => ("收到时间", "Received"),
    };
    let facts = [
        ("文件", "File", notice.file.clone()),
        ("目录", "Folder", notice.folder.clone()),
        (at.0, at.1, moment(notice.at, notice.zone)),
        ("事件编号", "Incident", notice.incident.clone()),
    ];
    let facts = facts.into_iter().map(|(zh, en, value)| (language.pick(zh, en).to_owned(), value)).collect();
    let mut blocks = vec![Block::Say(lead.to_owned()), Block::Facts(facts)];
    if !notice.faults.is_empty() {
        blocks.push(Block::Table(faults(notice, language)));
    }
    let steps = asks.into_iter().map(|words| (words.to_owned(), None)).collect();
    blocks.push(Block::Steps { title: language.pick("请贵行", "Would you please").to_owned(), steps });
    blocks.push(Block::Heed(
        language
            .pick(
                "为保护个人信息，本邮件不含姓名、证件号和卡号，回复时也请勿写入。",
                "To protect personal data this letter has no names, identity or card numbers; please write none in an answer.",
            )
            .to_owned(),
    ));
    blocks.push(foot(notice.generated_at, notice.zone, &notice.incident, &notice.contact, language));
    letter(subject, &Page { language, title: title.to_owned(), blocks }, Vec::new())
}

/// Title, opening and what is asked.
fn notice_words(notice: &BankNotice, language: Language) -> (&'static str, &'static str, Vec<&'static str>) {
    match notice.kind {
        BankNoticeKind::Quarantined => (
            language.pick("补贴发放文件异常", "A file cannot be taken"),
            language.pick(
                "贵行提供的下列文件未能通过核对，整个文件均未入账，其他文件不受影响。",
                "The file below did not pass our checks. Nothing of it was applied; other files are not affected.",
            ),
            vec![
                language.pick("按下列问题核对该文件；", "check the file for what is listed;"),
                language.pick("提供更正后的完整文件（按约定的命名）；", "provide the whole file, corrected, under a name as agreed;"),
                language.pick("切勿因此重复扣款或重复入账。", "not debit or credit anything a second time because of it."),
            ],
        ),
        BankNoticeKind::Overdue => (
            language.pick("补贴发放结果未到", "An answer is overdue"),
            language.pick("截至发信时，尚未收到贵行应提供的下列文件。", "As of this letter the file below, which was due, has not come."),
            vec![
                language.pick("尽快提供该文件，或告知预计时间；", "provide the file, or say when it will come;"),
                language.pick("如已提供，请告知文件名和目录；", "if it was provided, say under which name and in which folder;"),
                language.pick("在我方确认之前，切勿重复执行原支付文件。", "not execute the payment file a second time before we confirm."),
            ],
        ),
        BankNoticeKind::Conflict => (
            language.pick("补贴发放文件内容冲突", "Two files contradict each other"),
            language.pick(
                "下列文件先后收到两份，内容不同。两份均已留存，后到的一份未入账。",
                "The file below came twice with different content. Both are kept; the later one was not applied.",
            ),
            vec![
                language.pick("核实以哪一份为准，并书面告知；", "find out which of the two is right, and tell us in writing;"),
                language.pick(
                    "更正时使用新的文件名，勿覆盖已提供的文件。",
                    "use a new name for a correction, and never overwrite a file once provided.",
                ),
            ],
        ),
    }
}

fn faults(notice: &BankNotice, language: Language) -> Table {
    let whole = language.pick("全文件", "whole file");
    let mut rows: Vec<Vec<String>> = notice
        .faults
        .iter()
        .map(|fault| vec![fault.line.map_or_else(|| whole.to_owned(), |line| line.to_string()), scrub_wholly(&fault.what)])
        .collect();
    if notice.more > 0 {
        let more = match language {
            Language::Zh => format!("另有 {} 处", notice.more),
            Language::En => format!("and {} more", notice.more),
        };
        rows.push(vec!["…".to_owned(), more]);
    }
    let head = [("行号", "Line", true), ("问题", "What is wrong", false)];
    Table { head: head.map(|(zh, en, is_number)| (language.pick(zh, en).to_owned(), is_number)).into(), rows, has_sum: false }
}

pub(super) fn letter(subject: String, page: &Page, attachments: Vec<Attachment>) -> Result<Letter, LetterError> {
    // A subject is one line, whatever a department's or project's name holds.
    let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Ok(Letter { subject, text: page.text(), html: page.html()?, attachments })
}

pub(super) fn foot(made: Timestamp, zone: Tz, id: &str, contact: &str, language: Language) -> Block {
    let made = moment(made, zone);
    let mut notes = match language {
        Language::Zh => vec![format!("数据截至 {made}。编号 {id}。")],
        Language::En => vec![format!("As of {made}. Reference {id}.")],
    };
    if !contact.is_empty() {
        notes.push(format!("{}{contact}", language.pick("联系：", "Contact: ")));
    }
    notes.push(language.pick("本邮件由惠民惠农补贴发放系统自动发送。", "Sent by the subsidy payment gateway.").to_owned());
    Block::Foot(notes)
}

fn count_and_amount(count: usize, amount: Fen, language: Language) -> String {
    match language {
        Language::Zh => format!("{count} 笔，{} 元", yuan(amount)),
        Language::En => format!("{count}, {} yuan", yuan(amount)),
    }
}

fn lasted(alert: &Alert, language: Language) -> String {
    let minutes = alert.generated_at.millis().saturating_sub(alert.since.millis()) / 60_000;
    match (language, minutes / 60, minutes % 60) {
        (_, h, m) if h <= 0 && m <= 0 => String::new(),
        (Language::Zh, 0, m) => format!("（已 {m} 分钟）"),
        (Language::Zh, h, m) => format!("（已 {h} 小时 {m} 分钟）"),
        (Language::En, 0, m) => format!(" ({m} min ago)"),
        (Language::En, h, m) => format!(" ({h} h {m} min ago)"),
    }
}

pub(super) fn day(date: NaiveDate, language: Language) -> String {
    date.format(language.pick("%Y年%-m月%-d日", "%-d %B %Y")).to_string()
}

pub(super) fn moment(at: Timestamp, zone: Tz) -> String {
    at.local(zone).format("%Y-%m-%d %H:%M").to_string()
}

/// Yuan with thousands apart: `1,234.56`.
pub(super) fn yuan(amount: Fen) -> String {
    let plain = amount.to_string();
    let (whole, cents) = plain.split_once('.').unwrap_or((&plain, "00"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{cents}")
}

/// A name that every desktop can save.
pub(super) fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect()
}
