//! Lists that are carried here (导入清单): a spreadsheet or JSON becomes a batch, unapproved whatever it says of itself.
//!
//! The list is read twice: first for its faults, its head and its sums, with nothing written; then for its rows, in one
//! transaction. So a list with a fault leaves nothing behind and blocks nobody, and no list is held in memory whole.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::OperateError;
use super::duty::{self, Duty};
use crate::domain::batch::is_period;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::list::{ListError, ListHead, ListKind, ListRow, ListSummary, visit_list};
use crate::passes::{Gateway, PassError};
use crate::store::admission::PaymentRow;
use crate::store::desk::Operator;
use crate::store::intake::NewBatch;
use crate::store::sql::Tx;

/// Rows written at a time.
const PAGE: usize = 2000;

/// What the person who brings a list says of it. What the list says of itself must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportFacts {
    /// The list's file name: its ending says what kind of list it is.
    pub file_name: String,
    /// The batch number; given by bankgate where nobody says it.
    pub number: Option<String>,
    /// The department's code; an operator's own where nobody says it.
    pub department: Option<String>,
    /// The project's code.
    pub project: Option<String>,
    /// The subsidy's period.
    pub period: Option<String>,
    /// When people shall be paid.
    pub pay_on: Option<NaiveDate>,
    /// How many rows it should have.
    pub count: Option<u64>,
    /// What they should sum to.
    pub total: Option<Fen>,
}

/// A list that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The batch's number.
    pub number: String,
    /// How many rows.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
}

/// Imports a list as an unapproved batch; the operator is its maker. `progress` hears rows written and rows in all.
///
/// # Errors
/// Every fault of the list; what is said of it twice and differs; whoever may not. Nothing of it stays.
pub async fn import_batch(
    gateway: &Gateway,
    by: &Operator,
    facts: &ImportFacts,
    list: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
    now: Timestamp,
) -> Result<Imported, OperateError> {
    let (first, _) = read(list, &facts.file_name, None).await?;
    if !first.faults.is_empty() || first.faults_beyond > 0 {
        return Err(OperateError::Faults { faults: first.faults, beyond: first.faults_beyond });
    }
    let Some(total) = first.total.filter(|_| first.count > 0) else {
        return OperateError::refused("清单没有任何发放明细", "the list has no rows, or sums to more than an amount can be");
    };
    let mut tx = gateway.store.begin().await?;
    let batch = head(&mut tx, by, facts, &first, total).await?;
    duty::require(by, Duty::Import, &batch.department)?;
    match tx.insert_batch(&batch, now).await {
        Ok(()) => {}
        Err(e) if e.is_unique_violation() => {
            return OperateError::refused(
                format!("批次号{}已存在；请换一个批次号（--number）", batch.number),
                format!("there is a batch {} already: give this list another number (--number)", batch.number),
            );
        }
        Err(e) => return Err(e.into()),
    }
    let (sender, pages) = mpsc::channel(4);
    let reading = read(list, &facts.file_name, Some(sender));
    // Ends with the rows or with an error, and lets go of the pages: whoever reads must not wait for somebody who has stopped.
    let writing = async {
        let mut pages = pages;
        let mut written = 0_u64;
        while let Some(rows) = pages.recv().await {
            tx.insert_payments(&batch.number, &rows).await?;
            written += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            progress(written, batch.declared_count);
        }
        Ok::<_, OperateError>((tx, written))
    };
    let (second, wrote) = tokio::join!(reading, writing);
    let (mut tx, written) = wrote?;
    let (second, _) = second?;
    if (second.count, second.total, written) != (first.count, first.total, first.count) {
        return OperateError::refused(
            "清单文件在导入过程中被改动，未导入任何数据",
            "the list changed while it was read; nothing of it was taken",
        );
    }
    let detail = format!("{} rows, {total} yuan, from {}", first.count, facts.file_name);
    tx.audit(&by.login, "batch.import", &batch.number, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(batch = batch.number, by = by.login, rows = first.count, total_fen = total.get(), "list imported, unapproved");
    Ok(Imported { number: batch.number, count: first.count, total })
}

/// Reads a list on a thread of its own; pages of rows go to whoever wants them.
async fn read(list: &Path, name: &str, pages: Option<mpsc::Sender<Vec<PaymentRow>>>) -> Result<(ListSummary, PathBuf), OperateError> {
    let (path, name) = (list.to_owned(), name.to_owned());
    let reading = move || {
        let file = File::open(&path)?;
        let mut page = Vec::new();
        let mut sink = |row: ListRow| {
            let Some(pages) = &pages else { return ControlFlow::Continue(()) };
            page.push(payment(row));
            if page.len() < PAGE || pages.blocking_send(std::mem::take(&mut page)).is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let summary = visit_list(&name, file, &mut sink)?;
        if let Some(pages) = &pages
            && !page.is_empty()
            && pages.blocking_send(page).is_err()
        {
            return Err(ListError::Stopped);
        }
        Ok((summary, path))
    };
    let joined = tokio::task::spawn_blocking(reading).await;
    joined.map_err(|e| PassError::Broken(format!("reading the list broke off: {e}")))?.map_err(OperateError::List)
}

/// What the batch is: from the list, from the person who brings it, and no contradiction between the two.
async fn head(tx: &mut Tx, by: &Operator, facts: &ImportFacts, list: &ListSummary, total: Fen) -> Result<NewBatch, OperateError> {
    let ListHead { number, kind, department, project, period, pay_on, declared_count, declared_total } = list.head.clone();
    let own = (!by.department.is_empty()).then(|| by.department.clone());
    let department = agreed("部门", "department", department, facts.department.clone())?.or(own);
    let department = needed("部门", "--department", department)?;
    let project = needed("项目", "--project", agreed("项目", "project", project, facts.project.clone())?)?;
    let period = needed("所属期", "--period", agreed("所属期", "period", period, facts.period.clone())?)?;
    let pay_on = needed("发放日期", "--pay-on", agreed("发放日期", "pay_on", pay_on, facts.pay_on)?)?;
    if !is_period(&period) {
        return OperateError::refused(
            format!("所属期“{period}”不是 2019、2019-Q1 或 2019-03 的形式"),
            format!("period {period:?} is not like 2019, 2019-Q1 or 2019-03"),
        );
    }
    let is = list.count;
    if let Some(said) = [declared_count, facts.count].into_iter().flatten().find(|said| *said != is) {
        return OperateError::refused(format!("申报{said}笔，清单实有{is}笔"), format!("declared count {said}, the list has {is}"));
    }
    if let Some(said) = [declared_total, facts.total].into_iter().flatten().find(|said| *said != total) {
        return OperateError::refused(
            format!("申报金额{said}元，清单合计{total}元"),
            format!("declared total {said}, the list sums to {total}"),
        );
    }
    let (department_known, project_known) = tx.codes_known(&department, &project).await?;
    if !department_known {
        return OperateError::refused(format!("没有部门代码“{department}”"), format!("there is no department {department:?}"));
    }
    if !project_known {
        return OperateError::refused(format!("没有项目代码“{project}”"), format!("there is no project {project:?}"));
    }
    let number = match agreed("批次号", "number", number, facts.number.clone())? {
        Some(number) => number,
        None => {
            let stem = format!("{department}-{project}-{period}");
            let n = tx.take_numbers(&format!("batch:{stem}"), 1).await?;
            format!("{stem}-{n:03}")
        }
    };
    let sound = !number.is_empty() && number.len() <= 64 && number.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !sound {
        return OperateError::refused(
            format!("批次号“{number}”只能用字母、数字和 - _ .，至多64位"),
            format!("batch number {number:?}: letters, digits and - _ . only, at most 64"),
        );
    }
    Ok(NewBatch {
        number,
        kind: kind.unwrap_or(ListKind::First).code().to_owned(),
        department,
        project,
        period,
        pay_on,
        declared_count: list.count,
        declared: total,
        maker: by.login.clone(),
        budget_line: String::new(),
        voucher: String::new(),
    })
}

/// What both say, or one of them.
fn agreed<T: PartialEq + std::fmt::Display>(zh: &str, en: &str, list: Option<T>, person: Option<T>) -> Result<Option<T>, OperateError> {
    match (list, person) {
        (Some(list), Some(person)) if list != person => OperateError::refused(
            format!("{zh}：清单写明“{list}”，命令给出“{person}”；请以其中之一为准"),
            format!("{en}: the list says {list}, the command says {person}; one of them is wrong"),
        ),
        (Some(said), _) | (None, Some(said)) => Ok(Some(said)),
        (None, None) => Ok(None),
    }
}

fn needed<T>(zh: &str, option: &str, value: Option<T>) -> Result<T, OperateError> {
    match value {
        Some(value) => Ok(value),
        None => OperateError::refused(format!("清单没有写明{zh}；请用 {option} 给出"), format!("the list does not say it: give {option}")),
    }
}

fn payment(row: ListRow) -> PaymentRow {
    PaymentRow {
        id: 0,
        seq: i64::from(row.seq),
        township: row.township.to_string(),
        village: row.village.to_string(),
        village_group: row.group.to_string(),
        household_no: row.household_no,
        entitled_name: row.entitled_name,
        entitled_id: row.entitled_id,
        payee_name: row.payee_name,
        payee_id: row.payee_id,
        payee_role: row.payee_role.code().to_owned(),
        mandate_no: row.mandate_no,
        account: row.account,
        bank: row.bank_code.to_string(),
        mobile: row.mobile,
        amount: row.amount,
        remark: row.remark.to_string(),
        reissue_of: row.reissue_of.map(|id| id.to_string()).unwrap_or_default(),
    }
}
