//! The days of an account: which of them stand otherwise than they did. A day that waits for its statement, or has a break, is looked
//! at whenever something is new about its account, for weeks; what decides whether its report is another is read for all of them
//! at once, and a report is made only where that is not what the last one was made from.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::DAYS_BACK;
use super::breaks::Wanted;
use super::report::{self, Inputs, OpenItem, Report};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Gap, Verdict};
use crate::passes::{Gateway, PassError};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;
use crate::store::statements::{NewRun, PayerAccount, RunRow, Span};

/// A day to look at.
struct Looked {
    day: NaiveDate,
    /// The statements that cover it, by number.
    sheets: Vec<Span>,
    is_contested: bool,
    known: Option<RunRow>,
}

/// Journals the days whose report is another than before. A green day that nothing touched is left alone.
pub(super) async fn journal(
    gateway: &Gateway,
    tx: &mut Tx,
    of: &PayerAccount,
    (first, last): (NaiveDate, NaiveDate),
    touched: &BTreeSet<NaiveDate>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<u64, PassError> {
    let today = gateway.today(now);
    let horizon = today.checked_sub_days(Days::new(DAYS_BACK)).unwrap_or(first).max(first);
    let from = touched.first().copied().unwrap_or(horizon).min(horizon).max(first);
    let until = today.pred_opt().unwrap_or(today).max(last);
    let spans = tx.statements_spanning(of, from, until).await?;
    let mut known: BTreeMap<String, RunRow> = tx.runs_since(of, from).await?.into_iter().map(|r| (r.on_date.clone(), r)).collect();
    let contested = tx.days_contested(of, from, until).await?;
    let mut looked = Vec::new();
    for day in from.iter_days().take_while(|day| *day <= until) {
        let is_touched = touched.contains(&day);
        let (known, is_contested) = (known.remove(&day.to_string()), contested.contains(&day));
        let is_green = known.as_ref().is_some_and(|r| r.verdict == Verdict::Reconciled.code());
        if !is_touched && (day < horizon || is_green && !is_contested) {
            continue;
        }
        let sheets: Vec<Span> = spans.iter().copied().filter(|s| s.from <= day && day <= s.to).collect();
        let is_bank_day = gateway.calendar.is_bank_day(day)?;
        if sheets.is_empty() && (!is_bank_day || !is_touched && day >= today) {
            continue;
        }
        looked.push(Looked { day, sheets, is_contested, known });
    }
    let matches = tx.last_matches(&looked.iter().flat_map(|l| &l.sheets).map(|s| s.id).collect()).await?;
    let reports = tx.reports(&looked.iter().filter_map(|l| l.known.as_ref()).map(|r| r.id).collect::<Vec<_>>()).await?;
    let mut journalled = 0;
    for Looked { day, sheets, is_contested, known } in looked {
        let begins = sheets.first().map_or(day, |s| s.from);
        let statements: Vec<i64> = sheets.iter().map(|s| s.id).collect();
        let inputs = Inputs {
            bank: of.bank.clone(),
            account: of.account.clone(),
            on: day,
            before: before(tx, of, &spans, begins).await?,
            is_contested,
            last_match: statements.iter().filter_map(|id| matches.get(id)).max().copied().unwrap_or_default(),
            statements,
            open: open_of_day(wanted, day),
        };
        // The same inputs make the same report.
        if known.as_ref().and_then(|r| reports.get(&r.id)).is_some_and(|text| is_made_from(text, &inputs)) {
            continue;
        }
        journalled += u64::from(journal_day(gateway, tx, of, inputs, known.as_ref(), now).await?);
    }
    Ok(journalled)
}

/// Whether a report that was kept is the one of these inputs. One that cannot be read is made anew.
fn is_made_from(report: &str, inputs: &Inputs) -> bool {
    serde_json::from_str::<Report>(report).is_ok_and(|kept| kept.inputs == *inputs)
}

/// The statement before a day. Those that end behind the first day that is looked at are at hand.
async fn before(tx: &mut Tx, of: &PayerAccount, spans: &[Span], begins: NaiveDate) -> Result<Option<i64>, PassError> {
    match spans.iter().filter(|s| s.to < begins).max_by_key(|s| (s.to, s.id)) {
        Some(span) => Ok(Some(span.id)),
        None => Ok(tx.statement_before(of, begins).await?),
    }
}

/// Makes the report of a day and journals it, if it is another than the last.
async fn journal_day(
    gateway: &Gateway,
    tx: &mut Tx,
    of: &PayerAccount,
    inputs: Inputs,
    known: Option<&RunRow>,
    now: Timestamp,
) -> Result<bool, PassError> {
    let day = inputs.on;
    let made = report::make(tx, inputs).await?;
    if known.is_some_and(|r| r.sha256 == made.sha256) {
        return Ok(false);
    }
    let r = &made.report;
    let run = NewRun {
        of,
        on: day,
        verdict: made.verdict,
        balances: (r.opening, r.closing),
        residual: r.residual,
        counts: (r.lines, r.matched, r.breaks),
        report: (&made.text, &made.sha256),
    };
    let id = tx.insert_run(&run, now).await?;
    tracing::debug!(bank = of.bank, %day, run = id, verdict = made.verdict.code(), "a day was reconciled");
    if known.is_none_or(|r| r.verdict != made.verdict.code()) {
        alarm(gateway, tx, of, day, &made, now).await?;
    }
    Ok(true)
}

fn open_of_day(wanted: &Wanted, day: NaiveDate) -> Vec<OpenItem> {
    let breaks = wanted.breaks.iter().filter(|b| b.on == day).map(|b| OpenItem {
        key: b.key.clone(),
        kind: b.kind.code().to_owned(),
        subject: b.subject.clone(),
        expected: b.expected,
        found: b.found,
        is_pending: false,
    });
    let pending = wanted.pending.iter().filter(|(on, _)| *on == day).map(|(_, item)| item.clone());
    let mut open: Vec<OpenItem> = breaks.chain(pending).collect();
    open.sort_by(|a, b| a.key.cmp(&b.key));
    open
}

/// One alarm per bank and day; over when nothing of that day is open any more.
async fn alarm(
    gateway: &Gateway,
    tx: &mut Tx,
    of: &PayerAccount,
    day: NaiveDate,
    made: &report::Made,
    now: Timestamp,
) -> Result<(), PassError> {
    let key = format!("reconcile:{}:{day}", of.bank);
    // A statement that is only late is chased as a file that is; here it is a verdict, not an alarm.
    let is_late = made.gaps == [Gap::NoStatement];
    let is_bad = made.verdict == Verdict::Breaks || (made.verdict == Verdict::Incomplete && !is_late);
    if !is_bad {
        if tx.breaks_of_day(&of.bank, day).await? == 0 {
            tx.close_incident(&key, now).await?;
        }
        return Ok(());
    }
    let account = crate::domain::masked::Account::new(&of.account);
    let (breaks, gaps) = (made.report.breaks, made.gaps.len());
    let what = gateway.say(Words::new(
        format!("银行{}账户{account} {day} 对账不平：差异{breaks}项，对账单连续性问题{gaps}项", of.bank),
        format!("bank {} account {account} on {day} does not reconcile: {breaks} breaks, {gaps} faults of the statement", of.bank),
    ));
    let next_step = gateway.say(Words::new(
        format!("逐笔查看：bankgate reconcile show --date {day}；全部差异：bankgate reconcile breaks"),
        format!("line by line: bankgate reconcile show --date {day}; all that differs: bankgate reconcile breaks"),
    ));
    tx.incident(&NewIncident { key: &key, kind: "reconcile", bank: &of.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}
