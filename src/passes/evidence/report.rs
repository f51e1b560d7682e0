//! A month's report for auditors (审计月报): every act of two persons, what persons matched by hand, whose hands each batch went
//! through and whether two of them were one, who held which role, who did what how often.

use chrono::{Datelike as _, NaiveDate};

use super::super::letters::Letter;
use super::super::page::{Block, Page};
use super::super::report::Addressed;
use super::super::{Gateway, PassError};
use super::start_of;
use crate::domain::batch::{Hands, person_of};
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::workbook::{PlainSheet, plain_workbook};
use crate::mail::Attachment;
use crate::store::sql::Tx;

/// What a month came to, for people who have no workbook at hand.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MonthReport {
    /// The month, such as `2019-03`.
    pub month: String,
    /// Acts of two persons.
    pub overrides: usize,
    /// Statement lines matched by hand.
    pub matches: usize,
    /// Batches released.
    pub batches: usize,
    /// Those of them whose hands are not as they should be.
    pub flagged: Vec<String>,
    /// The workbook.
    #[serde(skip)]
    pub workbook: Vec<u8>,
}

/// The report of the month of this day, from one picture of the rows.
///
/// # Errors
/// The database, or the workbook cannot be written.
pub async fn month_report(gateway: &Gateway, tx: &mut Tx, day: NaiveDate, now: Timestamp) -> Result<MonthReport, PassError> {
    let first = day.with_day(1).unwrap_or(day);
    let behind = first.checked_add_months(chrono::Months::new(1)).unwrap_or(first);
    let (from, before) = (start_of(gateway, first), start_of(gateway, behind));
    let month = first.format("%Y-%m").to_string();
    let overrides = times(gateway, tx.month_proposals(from, before).await?, &[6, 8]);
    let matches = times(gateway, yuan(tx.month_matches(from, before).await?, 5), &[10]);
    let mut flagged = Vec::new();
    let mut hands = times(gateway, yuan(tx.month_hands(from, before).await?, 4), &[9]);
    for row in &mut hands {
        let flag = hands_flag(gateway, row);
        if !flag.is_empty() {
            flagged.extend(row.first().cloned());
        }
        row.push(flag);
    }
    let roles = roles(gateway, &tx.rosters(before).await?);
    let acts = tx.month_acts(from, before).await?;
    let title = |zh: &str, en: &str| gateway.say(Words::new(format!("{month} {zh}"), format!("{month}: {en}")));
    let counts = (overrides.len(), matches.len(), hands.len());
    let sheets = [
        PlainSheet {
            name: ("两人办理事项", "Overrides"),
            title: title("须两人办理的事项：何事、何故、谁提出、谁批准", "acts of two persons: what, why, who proposed, who approved"),
            columns: vec![
                ("编号", "No.", 50),
                ("事项", "Act", 150),
                ("对象", "Subject", 150),
                ("依据", "Why", 220),
                ("效果", "Effect", 380),
                ("提出人", "Proposed by", 90),
                ("提出时间", "at", 120),
                ("批准人", "Approved by", 90),
                ("批准时间", "at", 120),
                ("状态", "State", 80),
            ],
            rows: overrides,
        },
        PlainSheet {
            name: ("人工勾对", "By hand"),
            title: title("对账单人工勾对", "statement lines matched by hand"),
            columns: vec![
                ("编号", "No.", 50),
                ("对账单", "Statement", 80),
                ("行", "Line", 50),
                ("类别", "Kind", 90),
                ("对象", "Subject", 90),
                ("金额（元）", "Yuan", 100),
                ("依据", "Why", 260),
                ("事项", "Proposal", 70),
                ("提出人", "Proposed by", 90),
                ("批准人", "Approved by", 90),
                ("时间", "at", 120),
            ],
            rows: matches,
        },
        PlainSheet {
            name: ("经手人", "Hands"),
            title: title("各批次经手人（不相容职务分离）", "whose hands each batch went through (segregation of duties)"),
            columns: vec![
                ("批次", "Batch", 140),
                ("类型", "Kind", 70),
                ("部门", "Department", 80),
                ("笔数", "Rows", 70),
                ("金额（元）", "Yuan", 110),
                ("经办", "Maker", 90),
                ("审核", "Approver", 90),
                ("财政复核", "Reviewer", 90),
                ("发放", "Releaser", 90),
                ("发放时间", "Released at", 120),
                ("疑点", "Flag", 260),
            ],
            rows: hands,
        },
        PlainSheet {
            name: ("角色", "Roles"),
            title: title("操作员与角色：自何时起", "who held which role, from when on"),
            columns: vec![
                ("自", "From", 120),
                ("登录名", "Login", 100),
                ("姓名", "Name", 90),
                ("角色", "Role", 90),
                ("部门", "Department", 90),
                ("启用", "Active", 60),
            ],
            rows: roles,
        },
        PlainSheet {
            name: ("操作统计", "Acts"),
            title: title("各人操作次数", "who did what how often"),
            columns: vec![("人员", "Person", 120), ("操作", "Act", 180), ("次数", "Times", 70)],
            rows: acts,
        },
    ];
    let workbook = plain_workbook(now, &sheets, gateway.config.language).map_err(|e| PassError::Broken(e.to_string()))?;
    Ok(MonthReport { month, overrides: counts.0, matches: counts.1, batches: counts.2, flagged, workbook })
}

/// Puts the month's report into the outbox, once.
pub(super) async fn mail(gateway: &Gateway, tx: &mut Tx, day: NaiveDate, now: Timestamp) -> Result<(), PassError> {
    let report = month_report(gateway, tx, day, now).await?;
    let language = gateway.config.language;
    let MonthReport { month, overrides, matches, batches, flagged, workbook } = report;
    let say = gateway.say(Words::new(
        format!("{month}：须两人办理的事项{overrides}件，人工勾对{matches}笔，发放批次{batches}个。明细见附件。"),
        format!("{month}: {overrides} acts of two persons, {matches} lines matched by hand, {batches} batches released; see the workbook."),
    ));
    let mut blocks = vec![Block::Say(say)];
    if !flagged.is_empty() {
        let list = flagged.join(", ");
        blocks.push(Block::Heed(
            gateway
                .say(Words::new(format!("经手人有疑点的批次：{list}"), format!("batches whose hands are not as they should be: {list}"))),
        ));
    }
    let title = gateway.say(Words::new(format!("审计月报 {month}"), format!("Audit report, {month}")));
    let page = Page { language, title, blocks };
    let html = page.html().map_err(|e| PassError::Broken(e.to_string()))?;
    let mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned();
    let name = format!("{}_{month}.xlsx", language.pick("审计月报", "audit_report"));
    let letter = Letter {
        subject: gateway.say(Words::new(format!("【审计月报】{month}"), format!("[Audit report] {month}"))),
        text: page.text(),
        html,
        attachments: vec![Attachment { name, mime, bytes: workbook }],
    };
    Addressed::finance_it(gateway, letter).post(gateway, format!("audit_report:{month}"), "audit_report", now)?.enqueue(tx, now).await?;
    Ok(())
}

/// What is wrong with a batch's hands: the gate's own rules, and every person who stands in it twice.
fn hands_flag(gateway: &Gateway, row: &[String]) -> String {
    let [maker, approver, reviewer, releaser] = [5, 6, 7, 8].map(|at| row.get(at).map(String::as_str).unwrap_or_default());
    let hands = Hands { maker, approver, finance_reviewer: reviewer, released_by: releaser };
    let mut flags: Vec<String> = hands.faults().into_iter().map(|words| gateway.say(words)).collect();
    let named = [("经办", "maker", maker), ("审核", "approver", approver), ("复核", "reviewer", reviewer), ("发放", "releaser", releaser)];
    for (at, (zh, en, who)) in named.iter().enumerate().filter(|(_, (.., who))| !who.is_empty()) {
        for (other_zh, other_en, _) in named.iter().skip(at + 1).filter(|(.., other)| person_of(other) == person_of(who)) {
            flags.push(gateway.say(Words::new(format!("{who}既是{zh}又是{other_zh}"), format!("{who} is {en} and {other_en}"))));
        }
    }
    flags.join("；")
}

/// One row for each person and roster that says something new of him.
fn roles(gateway: &Gateway, rosters: &[(Timestamp, String)]) -> Vec<Vec<String>> {
    let mut known: Vec<Vec<String>> = Vec::new();
    let mut rows = Vec::new();
    for (at, text) in rosters {
        let now: Vec<Vec<String>> = serde_json::from_str(text).unwrap_or_default();
        let since = at.local(gateway.zone()).format("%Y-%m-%d %H:%M").to_string();
        let gone = known.iter().filter(|was| !now.iter().any(|is| is.first() == was.first())).map(|was| {
            let mut was = was.clone();
            was.pop();
            was.push("-".to_owned());
            was
        });
        let said = now.iter().filter(|is| !known.contains(is)).cloned().chain(gone);
        rows.extend(said.map(|person| std::iter::once(since.clone()).chain(person).collect()));
        known = now;
    }
    rows
}

/// Instants as people here read them.
fn times(gateway: &Gateway, mut rows: Vec<Vec<String>>, columns: &[usize]) -> Vec<Vec<String>> {
    for row in &mut rows {
        for at in columns {
            if let Some(cell) = row.get_mut(*at)
                && let Ok(millis) = cell.parse()
            {
                *cell = Timestamp::from_millis(millis).local(gateway.zone()).format("%Y-%m-%d %H:%M").to_string();
            }
        }
    }
    rows
}

fn yuan(mut rows: Vec<Vec<String>>, column: usize) -> Vec<Vec<String>> {
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
        if let Ok(fen) = cell.parse() {
            *cell = Fen::new(fen).to_string();
        }
    }
    rows
}
