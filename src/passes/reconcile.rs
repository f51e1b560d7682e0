//! Reconciliation (对账), R6: what we instructed, what the bank answered, what the account's statement shows.
//!
//! For an account: lines that nothing explains are matched, what a match proves is done in the same transaction (a return
//! is booked, a recovery closed, a refund seen), what disagrees becomes a break, and each day whose figures changed gets a
//! run with its verdict. All of it is read from rows; an account about which nothing is new costs two small queries.

mod books;
mod breaks;
pub(crate) mod follow;
/// The report of a day, and its replay.
pub mod report;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::returns::{self, Noted};
use super::{Done, Gateway, PassError, Tried};
use crate::domain::language::Words;
use crate::domain::matching::{self, Found, Line};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Gap, Verdict};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;
use crate::store::statements::{NewMatch, NewRun, PayerAccount, RunRow};

use books::Opened;
use breaks::Wanted;
use report::{Inputs, OpenItem};

pub(crate) use books::load;

/// Days back that are looked at for a missing statement.
const DAYS_BACK: u64 = 60;
/// Lines of a statement that are looked at together.
const PAGE: i64 = 4000;

/// Reconciles every account of which something is new: a statement, an entry, a decision, a day.
///
/// # Errors
/// The database; a working day that nobody knows. One account's trouble keeps no other waiting.
pub async fn reconcile(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let accounts = gateway.store.read().await?.accounts_to_reconcile().await?;
    let mut tried = Tried::default();
    for of in accounts {
        tried.note(account(gateway, &of, now).await);
    }
    tried.end()
}

async fn account(gateway: &Gateway, of: &PayerAccount, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let pulse = |at: String| format!("{today}/{at}");
    let mut tx = gateway.store.read().await?;
    let seen = tx.account_mark(of).await?;
    if seen == Some(pulse(tx.account_pulse(of).await?)) {
        return Ok(Done::default());
    }
    drop(tx);
    let mut tx = gateway.store.begin().await?;
    // The mark's row is the lock; its pulse is read before anything else, so that what comes meanwhile is looked at again.
    tx.mark_account(of, "").await?;
    let at = pulse(tx.account_pulse(of).await?);
    let Plain { mut opened, lines, days: mut touched, matched } = plain(gateway, &mut tx, of, now).await?;
    opened.name(gateway, &mut tx, of, &lines).await?;
    opened.complete(&mut tx, of, &lines).await?;
    let Opened { mut books, files, .. } = opened;
    let mut found = matching::match_rest(&lines, &mut books);
    let matched = matched + follow_and_keep(gateway, &mut tx, &lines, &mut found, now).await?;
    let disputed = matching::disputed(&lines, &found, &books);
    for file in files.values() {
        if books.files.get(&file.id).is_some_and(|f| is_seen_whole(f) && !disputed.contains(&file.id)) {
            tx.settle_file(file.id, file.entry).await?;
        }
    }
    tx.settle_statements(of).await?;
    let stated = tx.days_stated(of).await?;
    let missing = matching::missing(&books, &disputed);
    let wanted = breaks::wanted(gateway, of, &lines, &found, &missing, (stated.map(|s| s.1), today))?;
    let (moved, breaks_changed) = breaks::keep(&mut tx, of, &wanted, now).await?;
    touched.extend(moved);
    touched.extend(lines.iter().zip(&found).filter(|(_, f)| matches!(f, Found::Match(..))).map(|(l, _)| l.on));
    touched.extend(wanted.pending.iter().map(|p| p.0));
    touched.extend(tx.days_chosen(of).await?);
    let runs = match stated {
        Some((first, last)) => days(gateway, &mut tx, of, (first, last), &touched, &wanted, now).await?,
        None => 0,
    };
    tx.mark_account(of, &at).await?;
    tx.commit().await?;
    if matched > 0 || breaks_changed > 0 {
        tracing::info!(bank = of.bank, matched, breaks = breaks_changed, runs, "reconciled");
    }
    Ok(Done { changed: matched + breaks_changed + runs, ..Done::default() })
}

/// What is left of an account's lines once the plain ones are explained.
struct Plain {
    opened: Opened,
    lines: Vec<Line>,
    /// Days of lines that were explained.
    days: BTreeSet<NaiveDate>,
    matched: u64,
}

/// Explains the debits that name theirs, page by page: a statement may be as long as the payments are many, what is odd in it
/// is little.
async fn plain(gateway: &Gateway, tx: &mut Tx, of: &PayerAccount, now: Timestamp) -> Result<Plain, PassError> {
    let mut done = Plain { opened: Opened::begin(gateway, tx, of).await?, lines: Vec::new(), days: BTreeSet::new(), matched: 0 };
    for statement in tx.statements_unexplained(of).await? {
        let mut after = i64::MIN;
        while let Some(last) = tx.page_of_lines(statement, after, PAGE).await? {
            let page = tx.lines_unexplained(statement, (after, last)).await?;
            after = last;
            if page.is_empty() {
                continue;
            }
            done.opened.name(gateway, tx, of, &page).await?;
            let found = matching::match_debits(&page, &mut done.opened.books);
            let mut matches = Vec::with_capacity(page.len());
            for (line, found) in page.into_iter().zip(found) {
                if let Some(Found::Match(kind, subject, how)) = found {
                    done.days.insert(line.on);
                    let at = (line.statement, line.line);
                    matches.push(NewMatch { at, kind, subject, amount: line.amount, how, proposal: None, reason: "" });
                } else {
                    done.lines.push(line);
                }
            }
            done.matched += u64::try_from(matches.len()).unwrap_or(u64::MAX);
            tx.insert_matches(&matches, now).await?;
        }
    }
    Ok(done)
}

fn is_seen_whole(file: &matching::FileDue) -> bool {
    let is_even = !file.open().is_positive() && !file.return_open().is_positive();
    file.is_settled && is_even && (!file.back_due.is_positive() || !file.debited.is_positive())
}

/// Does what each match proves, then writes the matches. A match that the books refuse becomes a break.
async fn follow_and_keep(gateway: &Gateway, tx: &mut Tx, lines: &[Line], found: &mut [Found], now: Timestamp) -> Result<u64, PassError> {
    let (mut matches, mut noted) = (Vec::new(), Noted::default());
    for (line, found) in lines.iter().zip(found) {
        let Found::Match(kind, subject, how) = *found else { continue };
        if let Some(refused) = follow::follow(gateway, tx, line, (kind, subject), &mut noted, now).await? {
            *found = refused;
            continue;
        }
        let at = (line.statement, line.line);
        matches.push(NewMatch { at, kind, subject, amount: line.amount, how, proposal: None, reason: "" });
    }
    returns::meet_noted(gateway, tx, &mut noted, now).await?;
    tx.insert_matches(&matches, now).await?;
    Ok(u64::try_from(matches.len()).unwrap_or(u64::MAX))
}

/// Journals the days whose report is another than before. A green day that nothing touched is left alone.
async fn days(
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
    let before: BTreeMap<String, RunRow> = tx.runs_since(of, from).await?.into_iter().map(|r| (r.on_date.clone(), r)).collect();
    let contested = tx.days_contested(of, from, until).await?;
    let mut journalled = 0;
    for day in from.iter_days().take_while(|day| *day <= until) {
        let known = before.get(&day.to_string());
        let is_green = known.is_some_and(|r| r.verdict == Verdict::Reconciled.code());
        if day < horizon && !touched.contains(&day) {
            continue;
        }
        let is_contested = contested.contains(&day);
        if is_green && !touched.contains(&day) && !is_contested {
            continue;
        }
        let sheets = tx.statements_over(&of.bank, &of.account, day, day).await?;
        let is_bank_day = gateway.calendar.is_bank_day(day)?;
        let is_new_day = sheets.is_empty() && !touched.contains(&day);
        if !is_bank_day && sheets.is_empty() || (is_new_day && day >= today) {
            continue;
        }
        let ids: Vec<i64> = sheets.iter().map(|s| s.id).collect();
        let begins = sheets.first().map_or(day, |s| s.from);
        let inputs = Inputs {
            bank: of.bank.clone(),
            account: of.account.clone(),
            on: day,
            before: tx.statement_before(of, begins).await?.map(|(id, _)| id),
            is_contested,
            last_match: tx.last_match(&ids).await?,
            statements: ids,
            open: open_of_day(wanted, day),
        };
        let made = report::make(tx, inputs).await?;
        if known.is_some_and(|r| r.sha256 == made.sha256) {
            continue;
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
        journalled += 1;
        tracing::debug!(bank = of.bank, %day, run = id, verdict = made.verdict.code(), "a day was reconciled");
        if known.is_none_or(|r| r.verdict != made.verdict.code()) {
            alarm(gateway, tx, of, day, &made, now).await?;
        }
    }
    Ok(journalled)
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
