//! What a database forgot comes back (找回遗忘的发送). Numbers that were given out are not given out again; a file that the
//! database still has as not sent is in doubt; what it would make anew of the same payments is a file in doubt too, under the
//! name that the bank knows, and is never sent. The bank's own word, or two persons, say what became of it.

use super::super::plan::regroup;
use super::super::withdraw::give_up;
use super::super::{Gateway, PassError};
use super::TAIL;
use crate::domain::file::FileOutState;
use crate::domain::language::Words;
use crate::domain::memory::Published;
use crate::domain::time::Timestamp;
use crate::store::desk::NewIncident;
use crate::store::memory::Forgotten;
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

/// Which of all these publications the database does not know.
pub(super) async fn all(tx: &mut Tx, published: &[Published]) -> Result<Vec<Published>, PassError> {
    let mut forgotten = Vec::new();
    for some in published.chunks(TAIL) {
        forgotten.append(&mut tx.forgotten(some).await?);
    }
    Ok(forgotten)
}

/// Makes the database know of them as far as it can, before anything is planned or sent on its word.
pub(super) async fn bring_back(
    gateway: &Gateway,
    tx: &mut Tx,
    forgotten: &[Published],
    hold: &str,
    now: Timestamp,
) -> Result<(), PassError> {
    let Some(highest) = forgotten.iter().map(|p| p.ids.1).max() else { return Ok(()) };
    // Numbers first: whoever took one waits for this, and what he made of it is seen below.
    tx.raise_counter("instruction", highest).await?;
    for p in forgotten {
        tx.raise_counter(&format!("seq:{}:{}", p.bank, p.date), p.seq_no).await?;
        tx.remember(p, hold).await?;
    }
    for p in forgotten {
        let Some(id) = tx.file_at(&p.bank, &p.path, p.ids).await? else { continue };
        tx.lock_file(id, now).await?;
        let file = tx.file(id).await?;
        if tx.rows_of(&file).await? == (p.batch.clone(), p.rows.clone()) {
            doubt(gateway, tx, &file, &as_forgotten(p), now).await?;
        }
    }
    for id in tx.files_not_out().await? {
        tx.lock_file(id, now).await?;
        let file = tx.file(id).await?;
        let is_mixed_up = forgotten.iter().any(|p| p.bank == file.bank && p.path == file.path())
            || meets(forgotten, (file.first_id, file.last_id))
            || tx.would_repeat(&file, None).await?.is_some();
        if is_mixed_up && !file.may_be_out() {
            let why = "its numbers, its name or its payments went out before, and the database forgot";
            if give_up(gateway, tx, &file, why, &gateway.holder, now).await? {
                tx.give_name_back(id).await?;
            }
            tracing::warn!(file = id, name = file.name, "file given up: {why}");
        }
    }
    // A day that went by, a person, or a late success may have given up what this database took for unsent.
    for p in forgotten {
        tx.free_name_of(p).await?;
    }
    for first in tx.blocks_before(highest).await? {
        let tranche = tx.tranche_of(first).await?;
        tx.lock_tranche(tranche.id).await?;
        let range = (tranche.next_id, tranche.last_id);
        if meets(forgotten, range) && !is_as_it_was(tx, forgotten, range).await? {
            regroup(gateway, tx, &tranche, range, &[], now).await?;
        }
    }
    Ok(())
}

/// Whether numbers of this range were given out.
fn meets(forgotten: &[Published], range: (i64, i64)) -> bool {
    forgotten.iter().any(|p| p.ids.0 <= range.1 && range.0 <= p.ids.1)
}

/// Whether the numbers that were given out in this range stand for the same payments as then: the bank's answer will name them.
async fn is_as_it_was(tx: &mut Tx, forgotten: &[Published], range: (i64, i64)) -> Result<bool, PassError> {
    for p in forgotten.iter().filter(|p| p.ids.0 <= range.1 && range.0 <= p.ids.1) {
        let is_inside = range.0 <= p.ids.0 && p.ids.1 <= range.1;
        if !is_inside || tx.rows_between(p.ids).await? != (p.batch.clone(), p.rows.clone()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn as_forgotten(p: &Published) -> Forgotten {
    Forgotten {
        bank: p.bank.clone(),
        path: p.path.clone(),
        sha256: p.sha256.clone(),
        date: p.date,
        seq_no: p.seq_no,
        copies: p.copy,
        rows: p.count(),
    }
}

/// The file that was just planned stands for a forgotten publication: in doubt, and never sent.
pub(crate) async fn adopt(gateway: &Gateway, tx: &mut Tx, id: i64, forgotten: &Forgotten, now: Timestamp) -> Result<(), PassError> {
    let file = tx.file(id).await?;
    doubt(gateway, tx, &file, forgotten, now).await
}

async fn doubt(gateway: &Gateway, tx: &mut Tx, file: &FileOut, forgotten: &Forgotten, now: Timestamp) -> Result<(), PassError> {
    tx.know_again(file, forgotten).await?;
    if !matches!(file.state, FileOutState::Planned | FileOutState::Sealed | FileOutState::Uploading) {
        return Ok(());
    }
    let why = format!("a node's journal says that it was published as {}, and the database forgot", forgotten.path);
    tx.move_file(file, FileOutState::Doubt, &why, &gateway.holder, now).await?;
    let what = gateway.say(Words::new(
        format!("文件{}（{}笔，{}元）已作为{}发出，数据库遗忘后重新登记，存疑，不会再发", file.name, file.rows, file.total, forgotten.path),
        format!(
            "file {} ({} lines, {}) went out as {}; the database forgot, it is on the books again, in doubt, and is not sent",
            file.name, file.rows, file.total, forgotten.path
        ),
    ));
    let next_step = gateway.say(Words::new(
        format!(
            "向银行核实{}：已收到则 `bankgate file settle {} --as sent`，书面答复未执行则 `bankgate file settle {} --as refused`",
            forgotten.path, file.id, file.id
        ),
        format!(
            "ask the bank for {}: `bankgate file settle {} --as sent` if it has it, `bankgate file settle {} --as refused` with its letter that it will not execute it",
            forgotten.path, file.id, file.id
        ),
    ));
    let key = format!("doubt:{}", file.id);
    tx.incident(&NewIncident { key: &key, kind: "file_held", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}
