//! The year's end (R3). What finally failed in a fiscal year and is not being paid again lapses: its money goes back to the
//! treasury, its entitlement stays, and a reissue pays it from new funds. What comes back later, when the year is closed,
//! takes the same way by itself.

use chrono::Datelike as _;

use super::{begin as begin_period, refund};
use crate::domain::closing::Scope;
use crate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
use crate::domain::refund::Why;
use crate::domain::time::Timestamp;
use crate::passes::guard;
use crate::passes::refund::Ask;
use crate::passes::{Done, Gateway, PassError, Tried};
use crate::store::closing::{NewPeriod, Which};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::sql::Tx;

/// A department's project in a fiscal year.
type Of<'a> = (&'a str, &'a str, i32);

/// Takes a year's cut for one purse, behind the entries by which its failures lapse. Says whether it did.
pub(super) async fn begin(gateway: &Gateway, by: &str, (department, project, of_year): Of<'_>, now: Timestamp) -> Result<bool, PassError> {
    let close_on = gateway.config.close.year_day.close_day(of_year, &gateway.calendar)?;
    let name = of_year.to_string();
    guard::look(gateway, now).await?;
    let mut tx = gateway.store.begin().await?;
    tx.entry_cut().await?;
    let which = Which { period: name.clone(), department: department.to_owned(), project: project.to_owned() };
    if !tx.periods(Scope::Year, &which).await?.is_empty() || !guard::may_go_back(gateway, &mut tx).await? {
        return Ok(false);
    }
    if lapse(&mut tx, by, (department, project, of_year), now).await?.is_none() {
        return Ok(false);
    }
    let to_entry = tx.entry_cut().await?;
    let new = NewPeriod { scope: Scope::Year, period: &name, department, project, close_on, from_entry: 0, to_entry };
    begin_period(gateway, &mut tx, by, &new, Some(of_year), now).await?;
    tx.commit().await?;
    Ok(true)
}

/// `FailedFinal → Lapsed`, with its money: suspense to carry. `None`: some of it came to be paid again meanwhile; the next run sees that.
async fn lapse(tx: &mut Tx, by: &str, (department, project, of_year): Of<'_>, now: Timestamp) -> Result<Option<u64>, PassError> {
    let Some(lapsed) = tx.lapse(department, project, of_year, now).await? else { return Ok(None) };
    let mut lines = 0;
    for part in lapsed {
        let purse = Purse { department: department.to_owned(), project: project.to_owned(), year: of_year, bank: part.bank.clone() };
        let movement = Movement {
            kind: EntryKind::Lapse,
            from: purse.account(AccountKind::SuspenseCorrectable),
            to: purse.account(AccountKind::Carry),
            amount: part.fen,
        };
        let of = EntryOf { batch: part.batch.clone(), file_out: Some(part.file_out), lines: part.lines, ..EntryOf::default() };
        tx.post(now, &of, Origin::Ours, &movement).await?;
        let words = format!("{} lines, {} yuan", part.lines, part.fen);
        tx.event("file_out", part.file_out, ("lapse", "failed_final", "lapsed"), by, &words, now).await?;
        lines += part.lines;
    }
    Ok(Some(lines))
}

/// Failures that became final when their year was over and closed: to carry, and back.
pub(super) async fn lapse_late(gateway: &Gateway, by: &str, now: Timestamp) -> Result<Done, PassError> {
    let late = gateway.store.read().await?.years_with_late_failures(gateway.today(now).year()).await?;
    let mut tried = Tried::default();
    for (department, project, of_year) in late {
        tried.note(lapse_one(gateway, by, (&department, &project, of_year), now).await);
    }
    tried.end()
}

async fn lapse_one(gateway: &Gateway, by: &str, of: Of<'_>, now: Timestamp) -> Result<Done, PassError> {
    guard::look(gateway, now).await?;
    let mut tx = gateway.store.begin().await?;
    if !guard::may_go_back(gateway, &mut tx).await? {
        return Ok(Done::default());
    }
    let Some(lines) = lapse(&mut tx, by, of, now).await?.filter(|lines| *lines > 0) else { return Ok(Done::default()) };
    let ask = Ask { department: of.0, project: of.1, year: of.2, why: Why::EarlierYear, month: "" };
    let orders = refund::propose(gateway, &mut tx, by, &ask, now).await?;
    tracing::info!(department = of.0, project = of.1, year = of.2, lines, orders = orders.len(), "late failures of a closed year go back");
    tx.commit().await?;
    Ok(Done { changed: lines, ..Done::default() })
}
