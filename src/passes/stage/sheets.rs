//! Statements in the world's own forms (camt, MT): each account's sheet is kept by itself, pages made whole. What only tells of
//! movements (通知: camt.052, camt.054, MT942) proves no day and counts nowhere; when the day's statement is here, each movement
//! told of must stand in it, once.

use std::sync::Arc;

use super::{FileIn, keep_sheet, kept, quarantine_set};
use crate::domain::exchange::{StatementEntry, StatementHead};
use crate::domain::file::FileInState;
use crate::domain::language::Words;
use crate::domain::statement::EntriesSum;
use crate::domain::time::Timestamp;
use crate::format::Profile;
use crate::format::statement::{Form, Statement, StatementError, entries, head, is_home_currency, whole};
use crate::passes::{Done, Gateway, PassError};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

/// One account's sheet of some days, as the house knows it.
struct Sheet {
    form: Form,
    head: StatementHead,
    entries: Vec<StatementEntry>,
}

/// Reads a file of statements and keeps each of them, or sets the file aside with every fault.
pub(super) async fn stage(gateway: &Gateway, set: &[FileIn], profile: &Arc<Profile>, now: Timestamp) -> Result<Done, PassError> {
    let Some(file) = set.first() else { return Ok(Done::default()) };
    let sheets = match read(profile, file).await? {
        Ok(sheets) => sheets,
        Err(problems) => return quarantine_set(gateway, set, &problems, now).await,
    };
    let mut tx = gateway.store.begin().await?;
    for (number, sheet) in sheets.iter().enumerate() {
        // A file is one statement's; each further one is registered over the same kept bytes.
        let of = if number == 0 { Some(file.clone()) } else { tx.register_again(file, number + 1, now).await? };
        let Some(of) = of else { continue };
        if sheet.form.is_notice() {
            tx.insert_notice(&of, &sheet.head, &sheet.entries, sheet.form.code()).await?;
        } else {
            let mut sum = EntriesSum::default();
            sheet.entries.iter().for_each(|entry| sum.add(entry.into()));
            let id = keep_sheet(gateway, &mut tx, &of, (&sheet.head, &sum), now).await?;
            tx.insert_entries(id, &sheet.entries).await?;
        }
        told_and_not_booked(gateway, &mut tx, file, sheet, now).await?;
    }
    if !tx.move_set(set, FileInState::Applied, "", &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}

async fn read(profile: &Arc<Profile>, file: &FileIn) -> Result<Result<Vec<Sheet>, Vec<String>>, PassError> {
    let path = kept(file);
    let source = std::fs::File::open(&path).map_err(PassError::local("reading", &path))?;
    let (reader, role) = (Arc::clone(profile), file.role.clone());
    let read = tokio::task::spawn_blocking(move || reader.statements(&role, &mut std::io::BufReader::with_capacity(1 << 20, source)))
        .await
        .map_err(|e| PassError::Broken(format!("reading {} stopped: {e}", file.name)))?;
    let named = |what: String| format!("{}: {what}", file.name);
    let statements = match read {
        None => return Err(PassError::Broken(format!("{}: the profile lays this statement out", file.name))),
        Some(Ok(statements)) => statements,
        Some(Err(StatementError::Io(e))) => return Err(PassError::local("reading", &path)(e)),
        Some(Err(error)) => return Ok(Err(vec![named(error.to_string())])),
    };
    let problems: Vec<String> = statements.iter().flat_map(|s| s.problems.clone()).map(named).collect();
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let home: Vec<Statement> = statements.into_iter().filter(is_home_currency).collect();
    if home.is_empty() {
        return Ok(Err(vec![named("holds no statement in CNY".to_owned())]));
    }
    let sheet = |s: &Statement| Some(Sheet { form: s.form, head: head(s)?, entries: entries(s, 1)? });
    let sheets: Option<Vec<Sheet>> = whole(home).iter().map(sheet).collect();
    Ok(sheets.ok_or_else(|| vec![named("an amount is larger than we can count".to_owned())]))
}

/// Movements that the bank told of and that its statements of those days do not show: a person asks.
async fn told_and_not_booked(gateway: &Gateway, tx: &mut Tx, file: &FileIn, sheet: &Sheet, now: Timestamp) -> Result<(), PassError> {
    let days = || sheet.entries.iter().map(|e| e.date);
    let from = sheet.head.from.into_iter().chain(days()).min();
    let to = sheet.head.to.into_iter().chain(days()).max();
    let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
    for (notice, missing, first) in tx.notices_of(&file.bank, &sheet.head.account, (from, to)).await? {
        let key = format!("notice:{notice}");
        if missing == 0 {
            tx.close_incident(&key, now).await?;
            continue;
        }
        let what = gateway.say(Words::new(
            format!("银行{}的到账通知{notice}中有{missing}笔未见于当日对账单（首笔：第{first}行）", file.bank),
            format!(
                "{missing} movements of notice {notice} of bank {} are not in its statement of the day (the first: line {first})",
                file.bank
            ),
        ));
        let next_step = gateway.say(Words::new(
            format!("查看：bankgate statement show {notice}；请与银行核对"),
            format!("look: bankgate statement show {notice}; ask the bank"),
        ));
        tx.incident(&NewIncident { key: &key, kind: "statement", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    }
    Ok(())
}
