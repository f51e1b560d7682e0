//! What final failures ask for (后续处理). A failure becomes final when nothing stands against it; only then is its claim
//! free. A transient one is instructed again by itself, a limited number of times; everything else waits for people.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Done, Gateway, PassError};
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::store::admission::NewTranche;
use crate::store::aftermath::Transient;
use crate::store::desk::NewIncident;
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

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
            said_paid_before(gateway, &mut tx, &file, now).await?;
            tx.event("file_out", id, ("finalise", "failed", "failed_final"), &gateway.holder, &format!("{moved} lines"), now).await?;
            tx.commit().await?;
            done.changed += moved;
        }
    }
    done += super::returns::chase(gateway, now).await?;
    done += super::returns::back_though_said_paid(gateway, now).await?;
    done += retry(gateway, now).await?;
    Ok(done)
}

/// What holds a claim in the stead of an earlier attempt that persons said was paid came to nothing: the claim goes back to that one,
/// and they are asked once more.
async fn said_paid_before(gateway: &Gateway, tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<(), PassError> {
    let suspects = tx.said_paid_before(file).await?;
    for instruction in suspects.iter().copied() {
        let why = ("其后一次发放又失败或退回", "the later attempt that stood in its place failed, or came back");
        in_question(gateway, tx, (instruction, file.bank.as_str()), why, now).await?;
    }
    if !suspects.is_empty() {
        tx.suspects_hold_their_claims().await?;
    }
    Ok(())
}

/// What persons said was paid, though its money went elsewhere, is in question again: its case is open, and somebody is told.
///
/// # Errors
/// The database; a working day that nobody knows.
pub(super) async fn in_question(
    gateway: &Gateway,
    tx: &mut Tx,
    (instruction, bank): (i64, &str),
    (zh, en): (&str, &str),
    now: Timestamp,
) -> Result<(), PassError> {
    let today = gateway.today(now);
    let due_on = gateway.due_day(today, 1)?;
    if !tx.suspect_again(instruction, &format!("{zh} / {en}"), (today, due_on), now).await? {
        return Ok(());
    }
    let what = gateway.say(Words::new(
        format!("第{instruction}号指令曾认定已入账，现又存疑：{zh}"),
        format!("instruction {instruction} was said to be paid, and is in question again: {en}"),
    ));
    let next_step = gateway.say(Words::new(
        "请与银行核实这笔款项是否在收款人账上：后一次相互矛盾（conflict）的，先认定后一次；不在的，\
         用 bankgate failure close --as evidence 结案，之后可再发放；在的，后一次已最终失败的用 bankgate payment resolve --as paid 认定后一次，没有后一次的用 bankgate failure close --as paid",
        "ask the bank whether the payee has this money. Where the later attempt is in conflict, settle that one first. He has not: \
         bankgate failure close --as evidence, and it may be paid again. He has: bankgate payment resolve --as paid, of the later attempt that failed; where there is none: bankgate failure close --as paid",
    ));
    let key = format!("double:{instruction}");
    let incident = NewIncident { key: &key, kind: "double_payment_suspected", bank, what: &what, next_step: &next_step };
    tx.incident(&incident, now).await?;
    Ok(())
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
        if tx.is_rest_in_question((first_id, last_id)).await? {
            // The bank said so just now. Dropped, this transaction never was; the next run leaves it to a person.
            return Ok(Done::default());
        }
        let open: Fen = lines.iter().map(|l| l.amount).sum();
        let tranche = NewTranche { batch: &batch, agreement: &agreement, bank: &bank, kind: "retry", first_id, last_id, open, not_before };
        let id = tx.insert_tranche(&tranche, now).await?;
        tx.event("tranche", id, ("retry", "", ""), &gateway.holder, &format!("{written} lines"), now).await?;
        tracing::info!(batch, bank, lines = written, %not_before, "transient failures will be tried again");
    }
    tx.commit().await?;
    Ok(Done { changed: u64::try_from(lines.len()).unwrap_or(u64::MAX), ..Done::default() })
}
