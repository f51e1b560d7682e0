//! Admitted rows are put into files (组文件), one range of instructions each, while the bank's cut-off allows. Digest and
//! claims were proven when the rows were copied at the gate; who has become ineligible since is taken out here, and
//! count and sum come from the rows themselves.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::expect;
use super::guard;
use super::withdraw::give_up;
use super::{Done, Gateway, PassError, join, refund};
use crate::domain::calendar::{CalendarError, Hours};
use crate::domain::exchange::BatchFacts;
use crate::domain::file::FileOutState;
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::ledger::{AccountKind, EntryKind, Movement};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::format::{OutboundNames, Profile};
use crate::store::StoreError;
use crate::store::admission::Agreement;
use crate::store::desk::NewIncident;
use crate::store::ledger::{EntryOf, Origin};
use crate::store::memory::Forgotten;
use crate::store::outbound::{FileFacts, FileOut, NewFile, Tranche};
use crate::store::sql::Tx;

/// Plans what is due for one bank.
///
/// # Errors
/// The database; a bank day that nobody knows.
pub async fn plan(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let mut done = give_up_stale(gateway, bank, now).await?;
    let tranches = gateway.store.read().await?.tranches_due(bank, today).await?;
    for tranche in tranches {
        match plan_tranche(gateway, &tranche, today, now).await {
            Ok(planned) => done += planned,
            // The path or a number is taken: somebody was faster, or the bank's path recurs and is in flight. Read again next time.
            Err(PassError::Store(e)) if e.is_unique_violation() => {
                tracing::debug!(tranche = tranche.id, "path taken; waits");
            }
            // Money is short: the account would go below zero. A person is told once, the batch waits.
            Err(PassError::Store(e)) if e.is_check_violation() => short_of_money(gateway, &tranche, now).await?,
            // What waits for a year that nobody has entered is told once for all.
            Err(PassError::Calendar(CalendarError::YearMissing { year })) => done += expect::tell_of_year(gateway, year, now).await?,
            // One poison batch does not stop the others.
            Err(
                e @ (PassError::Broken(_) | PassError::Calendar(_) | PassError::Store(StoreError::Broken(_) | StoreError::Column { .. })),
            ) => {
                stuck(gateway, &tranche, &e, now).await?;
            }
            Err(e) => return Err(e),
        }
    }
    done += refund::send::plan(gateway, bank, now).await?;
    Ok(done)
}

/// The day for which a file of this agreement may go out now; `None`: none may.
pub(crate) fn open_day(gateway: &Gateway, agreement: &Agreement, now: Timestamp) -> Result<Option<NaiveDate>, PassError> {
    let hours: Hours = agreement
        .cutoff
        .parse()
        .map_err(|e| PassError::Broken(format!("agreement {}: cutoff {:?}: {e}", agreement.number, agreement.cutoff)))?;
    Ok(gateway.calendar.open_day(hours, now.local(gateway.zone()))?)
}

/// Whether a file of this day may not leave any more. Also on the same day, once its cut-off has struck: the daemon was down over it,
/// or what went before took too long.
pub(crate) fn is_stale(gateway: &Gateway, agreement: &Agreement, day: NaiveDate, now: Timestamp) -> Result<bool, PassError> {
    match open_day(gateway, agreement, now) {
        Ok(open) => Ok(open != Some(day)),
        Err(PassError::Broken(_) | PassError::Calendar(_)) => Ok(day < gateway.today(now)),
        Err(e) => Err(e),
    }
}

async fn plan_tranche(gateway: &Gateway, tranche: &Tranche, today: NaiveDate, now: Timestamp) -> Result<Done, PassError> {
    let agreement = gateway.store.read().await?.agreement(&tranche.agreement).await?;
    // Within a window over midnight the file's day is the one on which the window opened.
    let Some(day) = open_day(gateway, &agreement, now)?.filter(|day| *day >= tranche.pay_on.max(tranche.not_before)) else {
        return Ok(Done::default());
    };
    let mut tx = gateway.store.begin().await?;
    // Behind the lock: another node may have planned it, or a late success renumbered it, since it was read.
    tx.lock_tranche(tranche.id).await?;
    if tx.tranche_of(tranche.next_id).await?.next_id != tranche.next_id {
        return Ok(Done::default());
    }
    let range = (tranche.next_id, tranche.last_id);
    // What went out before, and was forgotten, stands by itself, and nobody in it can be left out any more.
    let forgotten = tx.forgotten_runs(&tranche.batch, range).await?;
    let went_out = |id: i64| forgotten.iter().any(|run| (run.ids.0..=run.ids.1).contains(&id));
    let mut out: Vec<(i64, String)> = tx.unsendable(range, &tranche.purse.project, today).await?;
    out.retain(|(id, excluded)| excluded.is_empty() || !went_out(*id));
    if !out.is_empty() {
        regroup(gateway, &mut tx, tranche, range, &out, now).await?;
        tx.commit().await?;
        return Ok(Done { changed: 1, ..Done::default() });
    }
    let profile = gateway.profile(&agreement.profile)?;
    let most = match (agreement.rows_max, profile.exchange().max_rows) {
        (0, 0) => u64::MAX,
        (0, rows) | (rows, 0) => rows,
        (a, b) => a.min(b),
    };
    let mut done = Done::default();
    let mut next = tranche.next_id;
    while next <= tranche.last_id {
        let run = forgotten.iter().find(|run| run.ids.0 <= next && next <= run.ids.1);
        let end = match run {
            Some(run) => run.ids.1,
            None => {
                let end = tranche.last_id.min(next.saturating_add(i64::try_from(most).unwrap_or(i64::MAX).saturating_sub(1)));
                let end = if profile.exchange().one_receiving_bank { tx.last_of_bank((next, end)).await? } else { end };
                let end = within_amount(&mut tx, profile, (next, end)).await?;
                forgotten.iter().map(|run| run.ids.0).filter(|first| next < *first).fold(end, |end, first| end.min(first - 1))
            }
        };
        let planned = Planned { range: (next, end), day, forgotten: run.map(|run| &run.file) };
        if !plan_file(gateway, &mut tx, tranche, &agreement, &planned, now).await? {
            // Another node planned it meanwhile. Dropped, this transaction never was.
            return Ok(Done::default());
        }
        next = end + 1;
        done.changed += 1;
        if profile.exchange().recurring_path {
            break;
        }
    }
    for key in [stuck_key(tranche), short_key(tranche)] {
        tx.close_incident(&key, now).await?;
    }
    if tranche.kind != "retry" && expect::is_missed(gateway, tranche.pay_on, day)? {
        expect::tell_missed(gateway, &mut tx, &tranche.batch, tranche.pay_on, day, now).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// The last row that a file may take, where the bank takes only so much money in one.
async fn within_amount(tx: &mut Tx, profile: &Profile, (first, last): (i64, i64)) -> Result<i64, PassError> {
    let Some(max) = profile.exchange().max_amount else { return Ok(last) };
    let within = tx.last_within((first, last), max).await?;
    within.ok_or_else(|| {
        PassError::Broken(format!("payment {} alone is more than the {max} yuan that the bank takes in one file", EndToEndId(first)))
    })
}

/// A file to be: its instructions, its day, and the publication that it was, where the database forgot one.
struct Planned<'a> {
    range: (i64, i64),
    day: NaiveDate,
    forgotten: Option<&'a Forgotten>,
}

/// `false`: not today.
async fn plan_file(
    gateway: &Gateway,
    tx: &mut Tx,
    tranche: &Tranche,
    agreement: &Agreement,
    planned: &Planned<'_>,
    now: Timestamp,
) -> Result<bool, PassError> {
    let range = planned.range;
    let profile = gateway.profile(&agreement.profile)?;
    let (rows, total) = tx.range_total(range).await?;
    if rows != range.1 - range.0 + 1 {
        return Err(PassError::Broken(format!("tranche {}: {} live rows in a block of {}", tranche.id, rows, range.1 - range.0 + 1)));
    }
    let (day, seq_no) = number_of(tx, agreement, planned).await?;
    let mut facts = BatchFacts {
        batch_no: tranche.batch.clone(),
        date: day,
        seq_no: u32::try_from(seq_no).unwrap_or(u32::MAX),
        unit_no: agreement.unit_no.clone(),
        payer_account: agreement.payer_account.clone(),
        payer_name: agreement.payer_name.clone(),
        payer_bank: agreement.payer_bank.clone(),
        extra: agreement.extra.clone(),
        ..BatchFacts::default()
    };
    facts.count = u64::try_from(rows).unwrap_or_default();
    facts.total = total;
    let names = profile.instruction_names(&facts).map_err(|e| PassError::Broken(format!("profile {}: {e}", profile.id())))?;
    if !is_path_free(tx, &agreement.bank, profile, &names, day).await? {
        return Ok(false);
    }
    if planned.forgotten.is_none()
        && profile.exchange().recurring_path
        && tx.is_forgotten_at(&agreement.bank, &join(&names.dir, &names.data)).await?
    {
        return Err(PassError::Broken(format!(
            "{} went out with payments that the database forgot, and its answer would be taken for this file's: it waits until their batch is back, or for the next day",
            join(&names.dir, &names.data)
        )));
    }
    let file = NewFile {
        bank: &agreement.bank,
        agreement: &agreement.number,
        tranche: tranche.id,
        batch: &tranche.batch,
        profile: (profile.id(), profile.digest()),
        business_date: day,
        seq_no,
        dir: &names.dir,
        name: &names.data,
        flag_name: names.flag.as_deref().unwrap_or_default(),
        key: &names.key,
        range,
        total,
    };
    let id = tx.insert_file(&file, now).await?;
    if profile.needs_ordinal() {
        tx.number_occurrences(&agreement.bank, day, range).await?;
    }
    if !tx.advance_tranche(tranche.id, range.0, range.1 + 1, total).await? {
        return Ok(false);
    }
    reserve(tx, tranche, range, id, now).await?;
    tx.event("file_out", id, ("plan", "", "planned"), &gateway.holder, &tranche.batch, now).await?;
    tracing::info!(file = id, bank = agreement.bank, name = names.data, rows, total_fen = total.get(), "file planned");
    if let Some(forgotten) = planned.forgotten {
        guard::adopt(gateway, tx, id, forgotten, now).await?;
    }
    Ok(true)
}

/// Whether a file of this day may have its path, where that recurs: two of one day would have one key, and an answer could mean either.
/// What keeps the path for good is told.
pub(crate) async fn is_path_free(
    tx: &mut Tx,
    bank: &str,
    profile: &Profile,
    names: &OutboundNames,
    day: NaiveDate,
) -> Result<bool, PassError> {
    if !profile.exchange().recurring_path {
        return Ok(true);
    }
    let path = join(&names.dir, &names.data);
    if let Some(keeper) = tx.keeper_of_path(bank, &path, day).await? {
        return Err(PassError::Broken(format!(
            "{path} is the name of file {keeper}, which was out and was refused: nothing else goes out under it; agree with the bank on another \
             (`extra` of the agreement), or on one that bears the day (`dir` or `name` of the profile)"
        )));
    }
    Ok(tx.file_by_key(bank, profile.id(), &names.key).await?.is_none_or(|other| other.business_date != day))
}

/// A file's day, and its number on it: those that it had, where the database forgot that it went out whole and nobody took them.
async fn number_of(tx: &mut Tx, agreement: &Agreement, planned: &Planned<'_>) -> Result<(NaiveDate, i64), PassError> {
    if let Some(f) = planned.forgotten
        && f.bank == agreement.bank
        && f.rows == planned.range.1 - planned.range.0 + 1
        && tx.is_name_free(&f.bank, &f.path, (f.date, f.seq_no)).await?
    {
        return Ok((f.date, f.seq_no));
    }
    let seq_no = tx.take_numbers(&format!("seq:{}:{}", agreement.bank, planned.day), 1).await?;
    Ok((planned.day, seq_no))
}

/// Books the money of a file out of where it lies: the zero-balance account, or suspense for what failed before.
async fn reserve(tx: &mut Tx, tranche: &Tranche, range: (i64, i64), file: i64, now: Timestamp) -> Result<(), PassError> {
    let mut again = 0;
    for (class, amount, lines) in tx.sources_of_range(range).await? {
        again += if class.is_empty() { 0 } else { lines };
        let (kind, from) = match class.as_str() {
            "" => (EntryKind::Send, AccountKind::ZeroBalance),
            "IR" => (EntryKind::Reissue, AccountKind::SuspenseIneligible),
            _ => (EntryKind::Reissue, AccountKind::SuspenseCorrectable),
        };
        let movement = Movement { kind, from: tranche.purse.account(from), to: tranche.purse.account(AccountKind::BankClearing), amount };
        let of = EntryOf { batch: tranche.batch.clone(), file_out: Some(file), lines, ..EntryOf::default() };
        tx.post(now, &of, Origin::Ours, &movement).await?;
    }
    let marked = tx.mark_reissued(range, now).await?;
    if marked != again {
        let why = format!("tranche {}: {again} rows pay a failed instruction again, and {marked} of those are finally failed", tranche.id);
        return Err(PassError::Broken(why));
    }
    Ok(())
}

/// Puts the money of a file that is given up back to where it came from.
pub(crate) async fn unreserve(tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<(), PassError> {
    let range = (file.first_id, file.last_id);
    tx.unmark_reissued(range, now).await?;
    for (class, amount, lines) in tx.sources_of_range(range).await? {
        let to = match class.as_str() {
            "" => AccountKind::ZeroBalance,
            "IR" => AccountKind::SuspenseIneligible,
            _ => AccountKind::SuspenseCorrectable,
        };
        let from = file.purse.account(AccountKind::BankClearing);
        let movement = Movement { kind: EntryKind::Unsend, from, to: file.purse.account(to), amount };
        let of = EntryOf { batch: file.batch.clone(), file_out: Some(file.id), lines, ..EntryOf::default() };
        tx.post(now, &of, Origin::Ours, &movement).await?;
    }
    Ok(())
}

/// Gives up what was made for a day whose cut-off has struck and no bank has seen (the mailbox was down over it): its date
/// stands in its name and its bytes. The lines are planned anew, under new numbers; nothing is sent twice, because a file
/// that may be out is never touched here, and a run that is still uploading finds the row moved on before it may publish.
async fn give_up_stale(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let states = [FileOutState::Planned, FileOutState::Sealed, FileOutState::Uploading];
    let files = gateway.store.read().await?.files_in(bank, &states).await?;
    let mut done = Done::default();
    for stale in files {
        let agreement = gateway.store.read().await?.agreement(&stale.agreement).await?;
        if !is_stale(gateway, &agreement, stale.business_date, now)? {
            continue;
        }
        // Not on the word of a database that may have forgotten: what it takes for unsent may be out.
        if guard::may_publish(gateway, now).await?.is_none() {
            return Ok(done);
        }
        let mut tx = gateway.store.begin().await?;
        tx.lock_file(stale.id, now).await?;
        let file = tx.file(stale.id).await?;
        // A second copy of what is out already is not ours to give up.
        if !states.contains(&file.state) || file.may_be_out() {
            continue;
        }
        let why = "its date went by before any bank saw it";
        if give_up(gateway, &mut tx, &file, why, &gateway.holder, now).await? {
            tx.commit().await?;
            tracing::warn!(file = file.id, bank, name = file.name, date = %file.business_date, "file given up, its date went by; planned anew");
            done.changed += 1;
        }
    }
    Ok(done)
}

/// A path that recurs is free for the next file once this one is given up and never was out; any other is used once.
pub(crate) async fn give_path_back(gateway: &Gateway, tx: &mut Tx, file: &FileOut, now: Timestamp) -> Result<(), PassError> {
    if gateway.profile(&file.profile)?.exchange().recurring_path {
        tx.give_path_back(file.id, now).await?;
    }
    Ok(())
}

/// Takes some instructions out of a block and gives the others a new, unbroken one. The old numbers are voided, never used again.
pub(crate) async fn regroup(
    gateway: &Gateway,
    tx: &mut Tx,
    tranche: &Tranche,
    range: (i64, i64),
    out: &[(i64, String)],
    now: Timestamp,
) -> Result<(), PassError> {
    let void = step(InstructionState::Pending, Event::Void).map_err(|e| PassError::Broken(e.to_string()))?;
    let gone: BTreeSet<i64> = out.iter().map(|(id, _)| *id).collect();
    let stay = u64::try_from(range.1 - range.0 + 1).unwrap_or_default().saturating_sub(u64::try_from(gone.len()).unwrap_or_default());
    tx.void_range(range, void, now).await?;
    let mut open = Fen::ZERO;
    let first = if stay > 0 { tx.take_numbers("instruction", stay).await? } else { 0 };
    if stay > 0 {
        open = tx.copy_range(range, &gone.iter().copied().collect::<Vec<_>>(), first).await?;
    }
    // Rows behind a file that is given up still wait for their turn.
    if range.0 >= tranche.next_id {
        tx.close_tranche(tranche.id, now).await?;
    }
    if stay > 0 {
        let last = first + i64::try_from(stay).unwrap_or_default() - 1;
        tx.split_tranche(tranche.id, (first, last), open, now).await?;
    }
    let today = gateway.today(now);
    let due_on = gateway.due_day(today, gateway.config.cases.due_days)?;
    for (id, reason) in out.iter().filter(|(_, reason)| !reason.is_empty()) {
        let reason = Reason::from_code(reason).unwrap_or(Reason::Ineligible);
        let (department, code, class) = (&tranche.purse.department, reason.code(), reason.class().code());
        if tranche.kind == "retry" {
            // It was admitted and instructed once: it is a failure that is not tried again, and no rejection.
            tx.give_up_retry(*id, department, code, class, (today, due_on), now).await?;
        } else {
            tx.reject_instruction(*id, department, code, class, (today, due_on), now).await?;
        }
    }
    tx.event("tranche", tranche.id, ("regroup", "", ""), &gateway.holder, &format!("{} taken out", gone.len()), now).await?;
    Ok(())
}

fn short_key(tranche: &Tranche) -> String {
    format!("short:{}", tranche.batch)
}

fn stuck_key(tranche: &Tranche) -> String {
    format!("plan:{}", tranche.id)
}

/// A person is told once; the tranche is tried again at each run.
async fn stuck(gateway: &Gateway, tranche: &Tranche, why: &PassError, now: Timestamp) -> Result<(), PassError> {
    let what = gateway.say(Words::new(
        format!("批次{}无法生成文件：{why}", tranche.batch),
        format!("batch {}: no file can be made: {why}", tranche.batch),
    ));
    let next_step = gateway.say(Words::new("请财政信息人员查看；其他批次照常发送", "finance IT looks; other batches go out as usual"));
    let key = stuck_key(tranche);
    gateway
        .tell(&NewIncident { key: &key, kind: "plan_failed", bank: &tranche.purse.bank, what: &what, next_step: &next_step }, now)
        .await?;
    Ok(())
}

async fn short_of_money(gateway: &Gateway, tranche: &Tranche, now: Timestamp) -> Result<(), PassError> {
    // It is looked at again at every round; who was told is not told again.
    if gateway.store.read().await?.is_incident_open(&short_key(tranche)).await? {
        return Ok(());
    }
    let what = gateway.say(Words::new(
        format!("批次{}：账户余额不足，未生成文件", tranche.batch),
        format!("batch {}: the account is short, no file was made", tranche.batch),
    ));
    let next_step = gateway.say(Words::new("请核对到账资金；到账后自动继续", "check the funds; it goes on by itself once they arrive"));
    let key = short_key(tranche);
    gateway
        .tell(&NewIncident { key: &key, kind: "funds_short", bank: &tranche.purse.bank, what: &what, next_step: &next_step }, now)
        .await?;
    Ok(())
}

/// What a file's head says, from committed rows alone: any node renders the same bytes.
pub(crate) fn facts_of(file: &FileOut, agreement: &Agreement, facts: &FileFacts) -> BatchFacts {
    BatchFacts {
        batch_no: facts.number.clone(),
        date: file.business_date,
        seq_no: u32::try_from(file.seq_no).unwrap_or(u32::MAX),
        unit_no: agreement.unit_no.clone(),
        payer_account: agreement.payer_account.clone(),
        payer_name: agreement.payer_name.clone(),
        payer_bank: agreement.payer_bank.clone(),
        department: facts.department.clone(),
        project: facts.project.clone(),
        project_short: facts.project_short.clone(),
        period: facts.period.clone(),
        extra: agreement.extra.clone(),
        count: u64::try_from(file.rows).unwrap_or_default(),
        total: file.total,
    }
}
