//! Reconciliation (对账), R6: what we instructed, what the bank answered, what the account's statement shows.
//!
//! For an account: lines that nothing explains are matched, what a match proves is done in the same transaction (a return
//! is booked, a recovery closed, a refund seen), what disagrees becomes a break, and each day whose figures changed gets a
//! run with its verdict. All of it is read from rows; an account about which nothing is new costs two small queries.

mod books;
mod breaks;
mod days;
pub(crate) mod follow;
/// The report of a day, and its replay.
pub mod report;

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::returns::{self, Noted};
use super::{Done, Gateway, PassError, Tried};
use crate::domain::matching::{self, Found, Line};
use crate::domain::time::Timestamp;
use crate::store::sql::Tx;
use crate::store::statements::{NewMatch, PayerAccount};

use books::Opened;

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
        Some(stated) => days::journal(gateway, &mut tx, of, stated, &touched, &wanted, now).await?,
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
