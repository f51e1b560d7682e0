//! What a person asks of the closing: to begin a month or a year on its day without waiting for the daemon, and to bring it
//! forward. The same steps as the daemon's, by that person's name.

use chrono::{Datelike as _, NaiveDate};

use super::figures::{Standing, preview, standing};
use super::{advance, begin_month, next_month, year};
use crate::domain::calendar::Calendar;
use crate::domain::closing::{Month, Scope};
use crate::domain::time::Timestamp;
use crate::passes::operate::OperateError;
use crate::passes::operate::duty::{self, Duty};
use crate::passes::operate::guard::nothing_forgotten;
use crate::passes::{Gateway, PassError};
use crate::store::closing::{PurseSpan, Which};
use crate::store::desk::Operator;
use crate::store::sql::Tx;

/// Begins a month for every purse that was asked for, brings it forward, and says where each stands. With `dry_run` it reads.
///
/// # Errors
/// Refused to whoever may not, before the close day, and where a later month was cut already.
pub async fn close_month(
    gateway: &Gateway,
    by: &Operator,
    which: &Which,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<Standing>, OperateError> {
    duty::require(by, Duty::Close, "")?;
    let month = month(&which.period)?;
    let close_on = month.close_day(&gateway.calendar, gateway.config.close.day).map_err(PassError::from)?;
    if dry_run {
        return Ok(outlook(&mut gateway.store.read().await?, Scope::Month, which).await?);
    }
    not_before(&which.period, close_on, gateway.today(now))?;
    while begin_up_to(gateway, by, month, which, now).await? {}
    forward(gateway, by, Scope::Month, which, now).await
}

/// The next month of every purse that was asked for and stands before this one: none is passed over. Says whether one was begun.
async fn begin_up_to(gateway: &Gateway, by: &Operator, month: Month, which: &Which, now: Timestamp) -> Result<bool, PassError> {
    let mut begun = false;
    for span in gateway.store.read().await?.purse_spans().await? {
        if !asked(which, &span.department, &span.project) {
            continue;
        }
        if let Some(next) = next_month(gateway, &span)?.filter(|next| next.month() <= month) {
            begun |= begin_month(gateway, &by.login, next, &span, now).await?;
        }
    }
    Ok(begun)
}

/// Begins a year for every purse that was asked for, brings it forward, and says where each stands. With `dry_run` it reads.
///
/// # Errors
/// Refused to whoever may not, and before the year's close day.
pub async fn close_year(
    gateway: &Gateway,
    by: &Operator,
    which: &Which,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<Standing>, OperateError> {
    duty::require(by, Duty::Close, "")?;
    let of_year = fiscal_year(&which.period)?;
    if dry_run {
        return Ok(outlook(&mut gateway.store.read().await?, Scope::Year, which).await?);
    }
    let close_on = gateway.config.close.year_day.close_day(of_year, &gateway.calendar).map_err(PassError::from)?;
    not_before(&which.period, close_on, gateway.today(now))?;
    nothing_forgotten(gateway, now).await?;
    for (department, project, due) in gateway.store.read().await?.years_to_close(of_year).await? {
        if due == of_year && asked(which, &department, &project) {
            year::begin(gateway, &by.login, (&department, &project, of_year), now).await?;
        }
    }
    forward(gateway, by, Scope::Year, which, now).await
}

async fn forward(gateway: &Gateway, by: &Operator, scope: Scope, which: &Which, now: Timestamp) -> Result<Vec<Standing>, OperateError> {
    for period in gateway.store.read().await?.periods(scope, which).await? {
        advance(gateway, &by.login, &period, now).await?;
    }
    let mut tx = gateway.store.read().await?;
    let mut all = Vec::new();
    for period in tx.periods(scope, which).await? {
        all.push(standing(&mut tx, &period).await?);
    }
    if all.is_empty() {
        let name = &which.period;
        return OperateError::refused(
            format!("{name}没有需要清零的部门项目（此前从无收支），或其后的月份已截止"),
            format!("nothing to close in {name}: no department's project has ever moved, or a later month was cut already"),
        );
    }
    Ok(all)
}

/// Where each purse stands, and what a cut would find where none was taken. Reads only.
///
/// # Errors
/// The database refused.
pub async fn outlook(tx: &mut Tx, scope: Scope, which: &Which) -> Result<Vec<Standing>, PassError> {
    let mut all = Vec::new();
    for period in tx.periods(scope, which).await? {
        all.push(standing(tx, &period).await?);
    }
    let due: Vec<(String, String)> = match scope {
        Scope::Month => {
            let spans = tx.purse_spans().await?.into_iter();
            let due = spans.filter(|s| may_be_cut(s, &which.period));
            due.map(|s| (s.department, s.project)).collect()
        }
        Scope::Year => {
            let of_year: i32 = which.period.parse().unwrap_or_default();
            tx.years_to_close(of_year).await?.into_iter().filter(|y| y.2 == of_year).map(|y| (y.0, y.1)).collect()
        }
    };
    for (department, project) in due.iter().filter(|(d, p)| asked(which, d, p)) {
        all.push(preview(tx, scope, &which.period, (department, project)).await?);
    }
    all.sort_by(|a, b| (&a.department, &a.project).cmp(&(&b.department, &b.project)));
    Ok(all)
}

/// The last month whose close day is not after today.
///
/// # Errors
/// A year's working days are not known.
pub fn last_due(today: NaiveDate, calendar: &Calendar, day: u32) -> Result<Month, PassError> {
    let month = Month::calendar_month(today);
    Ok(if month.close_day(calendar, day)? <= today { month } else { month.previous() })
}

/// Whether a purse has anything of a month to certify: it moved once, and neither that month nor a later one was cut.
fn may_be_cut(span: &PurseSpan, month: &str) -> bool {
    span.month.as_str() < month && (!span.month.is_empty() || span.first_at.is_some())
}

fn asked(which: &Which, department: &str, project: &str) -> bool {
    let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    fits(&which.department, department) && fits(&which.project, project)
}

fn month(text: &str) -> Result<Month, OperateError> {
    match text.parse() {
        Ok(month) => Ok(month),
        Err(_) => OperateError::refused(format!("“{text}”不是月份，应如2019-03"), format!("{text:?} is no month like 2019-03")),
    }
}

fn fiscal_year(text: &str) -> Result<i32, OperateError> {
    match text.parse().ok().filter(|y| (2000..3000).contains(y)) {
        Some(year) => Ok(year),
        None => OperateError::refused(format!("“{text}”不是年度，应如2019"), format!("{text:?} is no year like 2019")),
    }
}

fn not_before(name: &str, close_on: NaiveDate, today: NaiveDate) -> Result<(), OperateError> {
    if today < close_on {
        return OperateError::refused(
            format!("{name}的截止日是{close_on}，今天是{today}（{}年），尚不能清零；可先用 --dry-run 查看", today.year()),
            format!("{name} closes on {close_on} and today is {today}: look with --dry-run until then"),
        );
    }
    Ok(())
}
