//! What is overdue is told (催办). What was sent is answered, chased, or with a person who has been told; one alarm per
//! incident. Time alone never makes an outcome: only where we never knew that the bank has the file, and its ack is
//! overdue, do its lines become unknown.

use super::{Done, Gateway, PassError};
use crate::domain::file::{FileKind, FileOutState};
use crate::domain::instruction::{Event, step};
use crate::domain::language::Words;
use crate::domain::ledger::{Movement, entry_kind};
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::store::aftermath::Overdue;
use crate::store::desk::NewIncident;
use crate::store::ledger::{EntryOf, Origin};
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

/// Looks for overdue words of banks.
///
/// # Errors
/// The database.
pub async fn chase(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let overdue = gateway.store.read().await?.overdue(now).await?;
    let mut done = Done::default();
    for late in overdue {
        let mut tx = gateway.store.begin().await?;
        tx.lock_file(late.id, now).await?;
        let file = tx.file(late.id).await?;
        if !matches!(file.state, FileOutState::Sent | FileOutState::Accepted) {
            continue;
        }
        tell(gateway, &mut tx, &file, &late, now).await?;
        if late.is_ack && late.is_presumed && file.kind == FileKind::Instruction {
            lose(&mut tx, &file, now).await?;
        }
        let tomorrow = gateway.due_day(gateway.today(now), 1)?;
        tx.chased(&late, gateway.at_hour(tomorrow, 9), now).await?;
        tx.commit().await?;
        done.changed += 1;
    }
    Ok(done)
}

async fn tell(gateway: &Gateway, tx: &mut Tx, file: &FileOut, late: &Overdue, now: Timestamp) -> Result<(), PassError> {
    let due = late.due_at.local(gateway.zone()).format("%Y-%m-%d %H:%M");
    let (kind, zh, en) = if late.is_ack { ("ack_overdue", "受理回执", "ack") } else { ("overdue", "回盘", "result") };
    let what = gateway.say(Words::new(
        format!("银行{}对文件{}（{}笔，{}元）的{zh}逾期，应于{due}前到达", file.bank, file.name, file.rows, file.total),
        format!("bank {} owes the {en} of file {} ({} lines, {}) since {due}", file.bank, file.name, file.rows, file.total),
    ));
    let next_step = gateway.say(Words::new(
        format!("请电话催办银行；查看：bankgate file show {}；切勿重发", file.id),
        format!("phone the bank; look: bankgate file show {}; do not send it again", file.id),
    ));
    let key = format!("{kind}:{}", file.id);
    tx.incident(&NewIncident { key: &key, kind, bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// We only presumed that the bank has the file, and it did not say so in time: nobody knows.
async fn lose(tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<(), PassError> {
    let next = step(file.lines_state, Event::Lost).map_err(|e| PassError::Broken(e.to_string()))?;
    let (_, own) = tx.own_rows(file.id).await?;
    let rest = file.total.checked_sub(own).unwrap_or(file.total);
    tx.move_base(file, next, now).await?;
    let class = Some(Reason::ResultUnknown.class());
    if let (Some(from), Some(to)) = (file.lines_state.account(None), next.account(class))
        && from != to
        && rest.is_positive()
    {
        let movement = Movement { kind: entry_kind(to), from: file.purse.account(from), to: file.purse.account(to), amount: rest };
        let of = EntryOf { batch: file.batch.clone(), file_out: Some(file.id), ..EntryOf::default() };
        tx.post(now, &of, Origin::Ours, &movement).await?;
    }
    Ok(())
}
