//! What final failures ask for (后续处理). A failure becomes final when nothing stands against it; only then is its claim
//! free. A transient one is instructed again by itself, a limited number of times; everything else waits for people.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Done, Gateway, PassError};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::store::admission::NewTranche;
use crate::store::aftermath::Transient;

/// Files taken in one run.
const FILES: i64 = 200;
/// Lines taken in one run.
const LINES: i64 = 50_000;

/// Makes failures final, then retries what is transient.
///
/// # Errors
/// The database; a working day that nobody knows.
pub async fn remedy(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let files = gateway.store.read().await?.files_with_failures(FILES).await?;
    for id in files {
        let mut tx = gateway.store.begin().await?;
        // Against a late word that is being applied.
        tx.lock_file(id, now).await?;
        let file = tx.file(id).await?;
        let moved = tx.finalise(&file, now).await?;
        if moved > 0 {
            tx.event("file_out", id, ("finalise", "failed", "failed_final"), &gateway.holder, &format!("{moved} lines"), now).await?;
            tx.commit().await?;
            done.changed += moved;
        }
    }
    done += super::returns::chase(gateway, now).await?;
    done += retry(gateway, now).await?;
    Ok(done)
}

async fn retry(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    let lines = tx.transients(LINES).await?;
    if lines.is_empty() {
        return Ok(Done::default());
    }
    let today = gateway.today(now);
    let mut again: BTreeMap<(String, String, String, NaiveDate), Vec<&Transient>> = BTreeMap::new();
    for line in &lines {
        // Past its tries, or paid by another batch meanwhile: a person's matter.
        let reason = Reason::from_code(&line.reason).unwrap_or(Reason::SysBusy);
        let delays = gateway.config.retry.delays(&line.bank, reason);
        let tried = usize::try_from(line.attempt - 1).unwrap_or(usize::MAX);
        match delays.get(tried).filter(|_| !line.is_claimed) {
            Some(days) => {
                let on = gateway.calendar.add_working_days(today, *days)?;
                again.entry((line.batch.clone(), line.agreement.clone(), line.bank.clone(), on)).or_default().push(line);
            }
            None => {
                let due_on = gateway.calendar.add_working_days(today, gateway.config.cases.due_days)?;
                tx.open_case_of(line, (today, due_on), now).await?;
            }
        }
    }
    for ((batch, agreement, bank, not_before), lines) in again {
        let ids: Vec<i64> = lines.iter().map(|l| l.id).collect();
        let first_id = tx.take_numbers("instruction", u64::try_from(ids.len()).unwrap_or_default()).await?;
        let written = tx.insert_successors(&ids, first_id).await?;
        let last_id = first_id + i64::try_from(written).unwrap_or_default() - 1;
        let open: Fen = lines.iter().map(|l| l.amount).sum();
        let tranche = NewTranche { batch: &batch, agreement: &agreement, bank: &bank, kind: "retry", first_id, last_id, open, not_before };
        let id = tx.insert_tranche(&tranche, now).await?;
        tx.event("tranche", id, ("retry", "", ""), &gateway.holder, &format!("{written} lines"), now).await?;
        tracing::info!(batch, bank, lines = written, %not_before, "transient failures will be tried again");
    }
    tx.commit().await?;
    Ok(Done { changed: u64::try_from(lines.len()).unwrap_or(u64::MAX), ..Done::default() })
}
