//! Letters on cases: those past their day (催办), those that those above must hear of (升级), and money to be asked back
//! (追回). Sums by reason, never a name; who must be found stands in a workbook.

use super::{Block, Language, Letter, LetterError, Page, Table, XLSX, day, file_name, foot, letter, reason_words, yuan};
use crate::domain::report::{OverdueReport, RecoveryReport, advice_words};
use crate::format::workbook::recovery_workbook;
use crate::mail::Attachment;

/// To a department, or with it to those above: what is past its day.
///
/// # Errors
/// None in practice.
pub fn overdue(report: &OverdueReport, language: Language) -> Result<Letter, LetterError> {
    let ((count, amount), department) = (report.total(), &report.department);
    let oldest = report.sums.iter().map(|s| s.age_days).max().unwrap_or_default();
    let sum = yuan(amount);
    let date = day(report.date, language);
    let (word, title) = match (language, report.escalates) {
        (Language::Zh, false) => ("催办", "补贴发放失败逾期未办"),
        (Language::Zh, true) => ("升级督办", "补贴发放失败长期逾期未办"),
        (Language::En, false) => ("Reminder", "Failed payments past their day"),
        (Language::En, true) => ("Escalated", "Failed payments long past their day"),
    };
    let (subject, lead) = match language {
        Language::Zh => (
            format!("【{word}】{department} {date} 逾期未办{count}笔 {sum}元，最长{oldest}天"),
            format!(
                "{department}：截至{date}，有 {count} 笔发放失败已过办理期限仍未办结，合计 {sum} 元（大写：{}）。资金到账最久的已 {oldest} 天。",
                amount.capitals()
            ),
        ),
        Language::En => (
            format!("[{word}] {department}, {date}: {count} past their day, {sum} yuan, the oldest {oldest} days"),
            format!(
                "{department}: as of {date}, {count} failed payments of {sum} yuan are past their day. The oldest money has lain here for {oldest} days."
            ),
        ),
    };
    let mut blocks = vec![Block::Say(lead), Block::Table(sums(report, language))];
    if report.escalates {
        blocks.push(Block::Heed(
            language
                .pick(
                    "多次提醒后仍未办结，现同时抄送财政信息部门。当年不能更正的，资金须按规定退回国库。",
                    "Reminded before and still open: finance IT is told as well. What is not corrected within the year goes back to the treasury.",
                )
                .to_owned(),
        ));
    }
    let steps = match language {
        Language::Zh => vec![
            ("按失败报告所附工作簿逐笔更正，由本部门人员导入。".to_owned(), Some("bankgate correction import 工作簿.xlsx".to_owned())),
            ("逐笔查看未办结的失败：".to_owned(), Some(report.command.clone())),
            (
                "确定不再发放的，提出取消，由另一人批准；资金退回国库。".to_owned(),
                Some("bankgate failure cancel 编号 --reason 原因".to_owned()),
            ),
        ],
        Language::En => vec![
            (
                "Fill in the workbook that came with the failure report, and import it.".to_owned(),
                Some("bankgate correction import FILE.xlsx".to_owned()),
            ),
            ("See what is open:".to_owned(), Some(report.command.clone())),
            (
                "What will not be paid is cancelled, approved by another person; its money goes back.".to_owned(),
                Some("bankgate failure cancel ID --reason TEXT".to_owned()),
            ),
        ],
    };
    blocks.push(Block::Steps { title: language.pick("办理方法", "How to settle them").to_owned(), steps });
    blocks.push(foot(report.generated_at, report.zone, &report.number, &report.contact, language));
    letter(subject, &Page { language, title: title.to_owned(), blocks }, Vec::new())
}

fn sums(report: &OverdueReport, language: Language) -> Table {
    let mut rows: Vec<Vec<String>> = report
        .sums
        .iter()
        .map(|s| {
            let (reason, advice) = (reason_words(s.reason, language), advice_words(s.class, language));
            vec![reason.to_owned(), s.count.to_string(), yuan(s.amount), s.age_days.to_string(), s.due_on.to_string(), advice.to_owned()]
        })
        .collect();
    let (count, amount) = report.total();
    let none = String::new;
    rows.push(vec![language.pick("合计", "Total").to_owned(), count.to_string(), yuan(amount), none(), none(), none()]);
    let head = [
        ("失败原因", "Reason", false),
        ("笔数", "Count", true),
        ("金额（元）", "Yuan", true),
        ("最长账龄（天）", "Oldest (days)", true),
        ("最早期限", "First due", false),
        ("处理办法", "What to do", false),
    ];
    Table { head: head.map(|(zh, en, is_number)| (language.pick(zh, en).to_owned(), is_number)).into(), rows, has_sum: true }
}

/// To a department: payments that were not due and must be asked back. Carries the workbook.
///
/// # Errors
/// The workbook cannot be written.
pub fn recovery(report: &RecoveryReport, language: Language) -> Result<Letter, LetterError> {
    let (count, amount, department) = (report.rows.len(), yuan(report.amount()), &report.department);
    let due = report.rows.iter().map(|row| row.due).min().map(|due| day(due, language)).unwrap_or_default();
    let (subject, lead, file) = match language {
        Language::Zh => (
            format!("【追回通知】{department} 发放后查明不符合条件{count}笔 {amount}元，请于{due}前追回"),
            format!(
                "{department}：有 {count} 笔补贴发放后，领取人被列入不予发放名单，且发放时已不符合条件，合计 {amount} 元（大写：{}）。请于{due}前追回。",
                report.amount().capitals()
            ),
            format!("追回明细_{department}.xlsx"),
        ),
        Language::En => (
            format!("[To be recovered] {department}: {count} paid though not eligible, {amount} yuan, by {due}"),
            format!(
                "To {department}: {count} payments of {amount} yuan went to people who, it is now known, were not eligible when they were paid. Please recover them by {due}."
            ),
            format!("recoveries_{department}.xlsx"),
        ),
    };
    let file = file_name(&file);
    let steps = match language {
        Language::Zh => vec![
            (format!("附件《{file}》每笔一行，列明人员、原因和案件编号。"), None),
            ("通知本人（或家属）将款项退回原付款账户，附言写明支付编号；到账后由系统对账自动核销。".to_owned(), None),
            (
                "以现金等其他方式收回的，凭证齐全后提出，由另一人批准。".to_owned(),
                Some("bankgate failure recover 编号 --evidence 凭证".to_owned()),
            ),
            ("名单有误的，请在平台更正名单，并申请取消案件。".to_owned(), None),
        ],
        Language::En => vec![
            (format!("The attached {file} has a row for each: person, reason, case."), None),
            (
                "Ask the person, or the family, to pay it back to the account that paid it, naming the payment; the statement settles it."
                    .to_owned(),
                None,
            ),
            (
                "Money that came back otherwise is proposed with its evidence, and approved by another person.".to_owned(),
                Some("bankgate failure recover ID --evidence TEXT".to_owned()),
            ),
            ("Where the list is wrong, correct the list and have the case closed.".to_owned(), None),
        ],
    };
    let blocks = vec![
        Block::Say(lead),
        Block::Steps { title: language.pick("办理方法", "How to settle them").to_owned(), steps },
        Block::Heed(
            language
                .pick(
                    "正文不列姓名和号码。附件含个人信息，请按规定保管，不要转发到工作之外。",
                    "This letter names nobody. The workbook holds personal data: keep it as the rules say, and do not pass it on.",
                )
                .to_owned(),
        ),
        foot(report.generated_at, report.zone, &report.workbook_id, &report.contact, language),
    ];
    let title = language.pick("不应发放补贴追回通知", "Payments to be recovered").to_owned();
    let attachments = vec![Attachment { name: file, mime: XLSX.to_owned(), bytes: recovery_workbook(report, language)? }];
    letter(subject, &Page { language, title, blocks }, attachments)
}
