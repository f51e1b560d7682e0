//! The days of the audit log (审计日结): every business day stands in the chain, quiet ones and those on which nothing ran too, and
//! the chain's head leaves the house each day, so that whoever rewrites the table later must also rewrite other people's mail.
//!
//! A day is closed an hour after it is over, in one transaction with its letter: figures, roster where it changed, head. What was missed
//! while the daemon was down is made up in order. At a month's end the month's report goes with it.

/// A batch's evidence as a folder.
pub mod export;
/// A month's overrides and hands.
pub mod report;

use chrono::{Datelike as _, Days, NaiveDate, NaiveTime};

use super::letters::Letter;
use super::page::{Block, Page};
use super::report::Addressed;
use super::{Done, Gateway, PassError};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::store::evidence::{AuditRow, DayFigures};
use crate::store::sql::Tx;

/// Days closed in one transaction; the next run goes on.
const DAYS_MAX: usize = 400;
/// A pass books at the instant at which it began: one that began before midnight, here or on another node, has ended by then. What came
/// to stand there behind its day's figures would be in no day's.
const CLOSED_AFTER_MINUTES: i64 = 60;

/// Closes every business day that is over, and mails the head.
///
/// # Errors
/// The database; a letter that cannot be composed.
pub async fn audit_day(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    // Asked at every round, and mostly there is none.
    if days_due(gateway, &mut gateway.store.read().await?, now).await?.is_empty() {
        return Ok(Done::default());
    }
    let mut tx = gateway.store.begin().await?;
    tx.lock_audit_day().await?;
    let days = days_due(gateway, &mut tx, now).await?;
    let Some(last) = days.last().copied() else { return Ok(Done::default()) };
    note_roster(&mut tx, now).await?;
    let mut figures = DayFigures::default();
    for day in &days {
        figures = tx.day_figures(start_of(gateway, *day), start_of(gateway, next(*day))).await?;
        tx.audit("daemon", "day", &day.to_string(), &words_of(&figures), now).await?;
    }
    let head = tx.audit_head().await?.ok_or_else(|| PassError::Broken("the audit log lost the day just written".to_owned()))?;
    let letter = head_letter(gateway, &days, &figures, &head)?;
    let post = Addressed::finance_it(gateway, letter).post(gateway, format!("audit_head:{last}"), "audit_head", now)?;
    post.enqueue(&mut tx, now).await?;
    for month in days.iter().filter(|day| next(**day).day() == 1) {
        report::mail(gateway, &mut tx, *month, now).await?;
    }
    tx.commit().await?;
    tracing::info!(day = %last, days = days.len(), head = head.hash, number = head.id, "audit days closed");
    Ok(Done { changed: 1, ..Done::default() })
}

/// Days that are over and not closed: from behind the one that was closed last, or from the log's first.
async fn days_due(gateway: &Gateway, tx: &mut Tx, now: Timestamp) -> Result<Vec<NaiveDate>, PassError> {
    let (closed, first) = tx.audit_days().await?;
    let closed = closed.and_then(|day| day.parse::<NaiveDate>().ok());
    let Some(from) = closed.map(next).or_else(|| first.map(|at| at.date(gateway.zone()))) else { return Ok(Vec::new()) };
    let today = gateway.today(now.plus_minutes(-CLOSED_AFTER_MINUTES));
    Ok(from.iter_days().take_while(|day| *day < today).take(DAYS_MAX).collect())
}

fn next(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

fn start_of(gateway: &Gateway, day: NaiveDate) -> Timestamp {
    Timestamp::from_local(day.and_time(NaiveTime::MIN), gateway.zone())
}

/// The table of operators is written by its owner alone, so that the log learns of a change only by looking.
async fn note_roster(tx: &mut Tx, now: Timestamp) -> Result<(), PassError> {
    let roster = serde_json::json!(tx.roster().await?).to_string();
    if tx.audit_last_of("roles").await?.unwrap_or_else(|| "[]".to_owned()) != roster {
        tx.audit("daemon", "roles", "operator", &roster, now).await?;
    }
    Ok(())
}

fn words_of(f: &DayFigures) -> String {
    format!(
        "files out {} ({} yuan), files in {}, open incidents {}, entries {} moving {} yuan, greatest entry {}, postings sum to {}",
        f.files_out.0, f.files_out.1, f.files_in, f.incidents, f.entries, f.moved, f.entry_last, f.postings
    )
}

fn head_letter(gateway: &Gateway, days: &[NaiveDate], f: &DayFigures, head: &AuditRow) -> Result<Letter, PassError> {
    let language = gateway.config.language;
    let last = days.last().map(ToString::to_string).unwrap_or_default();
    let fact = |zh: &'static str, en: &'static str, value: String| (language.pick(zh, en).to_owned(), value);
    let mut blocks = vec![
        Block::Facts(vec![fact("链首编号", "head, number", head.id.to_string()), fact("链首摘要", "head, hash", head.hash.clone())]),
        Block::Facts(vec![
            fact("业务日", "business day", last.clone()),
            fact("发出文件", "files out", format!("{} / {}", f.files_out.0, f.files_out.1)),
            fact("收到文件", "files in", f.files_in.to_string()),
            fact("未结事件", "open incidents", f.incidents.to_string()),
            fact("当日分录", "entries", format!("{} / {}", f.entries, f.moved)),
            fact("末笔分录号", "greatest entry", f.entry_last.to_string()),
            fact("借贷差额", "sum of postings", f.postings.to_string()),
        ]),
        Block::Say(gateway.say(Words::new(
            format!("请妥善保存本邮件。日后用 bankgate audit verify --head {} 可证明：此前的操作记录未被改动。", head.hash),
            format!("Keep this mail: `bankgate audit verify --head {}` proves later that nothing before it was changed.", head.hash),
        ))),
    ];
    if days.len() > 1 {
        let n = days.len();
        blocks.push(Block::Say(gateway.say(Words::new(
            format!("本次补记了{n}个业务日（系统此前未运行）。"),
            format!("{n} business days were closed at once: the gateway did not run on the others."),
        ))));
    }
    let title = gateway.say(Words::new(format!("审计链日结 {last}"), format!("Head of the audit log, {last}")));
    let page = Page { language, title, blocks };
    let subject = gateway.say(Words::new(
        format!("【审计链】{last} 第{}号 {}", head.id, head.hash),
        format!("[Audit head] {last}, number {}: {}", head.id, head.hash),
    ));
    let html = page.html().map_err(|e| PassError::Broken(e.to_string()))?;
    Ok(Letter { subject, text: page.text(), html, attachments: Vec::new() })
}
