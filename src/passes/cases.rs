//! Cases between their opening and their end (台账): dated, reminded of, escalated, closed by the reissue that paid them; and
//! opened where somebody was paid who, it turns out, was not eligible.
//!
//! Each step finds its rows by an index over open ones and does them in one transaction, so that a round in which nothing is
//! due costs a handful of empty look-ups, however long history is. People put on the list of those who may not be paid are
//! looked at when they are put there, and again only while something of theirs is under way.
//!
//! What is absent: a case that closes by time.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::letters::overdue::{overdue, recovery};
use super::report::{Addressed, contact, id_of, settle_address, written};
use super::{Done, Gateway, PassError, Tried};
use crate::domain::instruction::{Event, Figure, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::ledger::{EntryKind, Movement};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::report::{OverdueReport, OverdueSum, RecoveryReport};
use crate::domain::time::Timestamp;
use crate::store::cases::{CaseFacts, Excluded, Overdue, OverdueGroup, PaidTo};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::reports::Addressee;
use crate::store::settle::Standing;
use crate::store::sql::Tx;

/// Batches dated in one run.
const BATCHES: i64 = 500;
/// Cases and people looked at together.
const PAGE: i64 = 1_000;
/// Rows of one letter.
const ROWS_MAX: i64 = 20_000;
/// The hour at which people are reminded: offices have opened.
const REMIND_AT: u32 = 9;
/// Nobody is late by more than this before he is looked at: bounds the search for a day.
const DAYS_BACK: u64 = 120;

/// Dates cases, closes those that a reissue settled, opens recoveries, reminds, escalates.
///
/// # Errors
/// The database; a working day that nobody knows.
pub async fn cases(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut tried = Tried::default();
    tried.note(reissued(gateway, now).await);
    tried.note(excluded(gateway, now).await);
    tried.note(dated(gateway).await);
    tried.note(recoveries_told(gateway, now).await);
    tried.note(late(gateway, Overdue::Remind(now), now).await);
    tried.note(match escalation_day(gateway, now) {
        Ok(Some(day)) => late(gateway, Overdue::Escalate(day), now).await,
        Ok(None) => Ok(Done::default()),
        Err(e) => Err(e),
    });
    tried.end()
}

/// Ageing counts from the day on which the money reached the account; the first reminder follows the day it was due.
async fn dated(gateway: &Gateway) -> Result<Done, PassError> {
    let undated = gateway.store.read().await?.cases_undated(BATCHES).await?;
    if undated.is_empty() {
        return Ok(Done::default());
    }
    let mut done = Done::default();
    let mut tx = gateway.store.begin().await?;
    for (batch, root, funded_at, admitted_at, due_on) in undated {
        let money_on = gateway.today(funded_at.unwrap_or(admitted_at));
        let remind_at = gateway.at_hour(gateway.calendar.add_working_days(due_on, 1)?, REMIND_AT);
        done.changed += tx.date_cases((&batch, &root, due_on), money_on, remind_at).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// A case ends when its payment is paid by the reissue. Where that one fails it has a case of its own, which goes on; where
/// it never left the house, the first case waits for somebody again.
async fn reissued(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let mut after = 0;
    loop {
        let page = gateway.store.read().await?.cases_being_reissued(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.case;
        let mut tx = gateway.store.begin().await?;
        let before = done.changed;
        for it in &page {
            let is_over = match it.state.figure() {
                Figure::Paid => true,
                Figure::Failed | Figure::Returned => it.has_case,
                Figure::Voided => {
                    done.changed += u64::from(tx.reissue_given_up(it).await?);
                    false
                }
                Figure::Pending | Figure::InFlight | Figure::Unknown => false,
            };
            if is_over && tx.close_case(it.case, "reissued", now).await? {
                let by = crate::domain::ids::EndToEndId(it.successor).to_string();
                tx.event("case", it.case, ("close", "open", "reissued"), &gateway.holder, &by, now).await?;
                done.changed += 1;
            }
        }
        if done.changed > before {
            tx.commit().await?;
        }
    }
}

/// Whoever was put on the list and had been paid on or after that day: a recovery each, once.
async fn excluded(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let mut after: Option<Excluded> = None;
    loop {
        let page = gateway.store.read().await?.excluded_open(after.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(done);
        }
        let mut tx = gateway.store.begin().await?;
        let before = done.changed;
        for who in &page {
            done.changed += exclude(gateway, &mut tx, who, now).await?;
        }
        if done.changed > before {
            tx.commit().await?;
        }
        after = page.into_iter().last();
    }
}

async fn exclude(gateway: &Gateway, tx: &mut Tx, who: &Excluded, now: Timestamp) -> Result<u64, PassError> {
    // Behind its row: the list may be written anew at this moment, and what it says then is what counts.
    let Some((reason, from)) = tx.hold_excluded(who).await? else {
        tx.excluded_done(who).await?;
        return Ok(1);
    };
    let (mut opened, mut waits) = (0, false);
    for paid in tx.paid_to(who).await? {
        waits |= paid.is_under_way();
        if paid.state == InstructionState::Paid && !paid.has_case && was_paid_since(tx, &paid, from).await? {
            opened += u64::from(ask_back(gateway, tx, &paid, reason, from, now).await?);
        }
    }
    if waits {
        return Ok(opened);
    }
    tx.excluded_done(who).await?;
    Ok(opened + 1)
}

/// Nobody is credited before the bank is told to pay: only where that was before, and the answer may be after, the bank's
/// own day of the credit is looked up.
async fn was_paid_since(tx: &mut Tx, paid: &PaidTo, from: NaiveDate) -> Result<bool, PassError> {
    if paid.told_on.is_some_and(|told| told >= from) {
        return Ok(true);
    }
    let Some(file) = paid.file_out else { return Ok(false) };
    Ok(tx.credited_on(file, paid.instruction).await?.is_some_and(|day| day >= from))
}

async fn ask_back(
    gateway: &Gateway,
    tx: &mut Tx,
    paid: &PaidTo,
    reason: Reason,
    from: NaiveDate,
    now: Timestamp,
) -> Result<bool, PassError> {
    let today = gateway.today(now);
    let due_on = gateway.calendar.add_working_days(today, gateway.config.cases.due_days)?;
    let words = gateway.say(Words::new(
        format!("自{from}起不符合领取条件（{}），款项须追回", reason.zh()),
        format!("not eligible since {from} ({}): to be recovered", reason.en()),
    ));
    let is_new = tx.open_recovery(paid.instruction, reason, &words, (today, due_on), now).await?;
    if is_new {
        tx.event("instruction", paid.instruction, ("ask_back", "paid", "paid"), &gateway.holder, &words, now).await?;
    }
    Ok(is_new)
}

/// One letter to each department with what it must ask back, and the workbook that names the people.
async fn recoveries_told(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let untold = gateway.store.read().await?.recoveries_untold(ROWS_MAX).await?;
    let mut by_department: BTreeMap<String, (Addressee, Vec<i64>, Vec<_>)> = BTreeMap::new();
    for (department, case, row) in untold {
        let (_, cases, rows) = by_department.entry(department.code.clone()).or_insert_with(|| (department, Vec::new(), Vec::new()));
        cases.push(case);
        rows.push(row);
    }
    let mut done = Done::default();
    for (department, cases, rows) in by_department.into_values() {
        let key = format!("recovery:{}:{}", department.code, cases.first().copied().unwrap_or_default());
        let report = RecoveryReport {
            department: department.name.clone(),
            generated_at: now,
            zone: gateway.zone(),
            workbook_id: format!("RC-{}", id_of(gateway, &key).get(..16).unwrap_or_default()),
            contact: contact(gateway),
            rows,
        };
        let language = gateway.config.language;
        let letter = written(move || recovery(&report, language)).await?;
        let addressed = Addressed::department(gateway, &department, letter);
        let is_known = addressed.is_known;
        let post = addressed.post(gateway, key, "recovery", now)?;
        let mut tx = gateway.store.begin().await?;
        if let Some(mail) = post.enqueue(&mut tx, now).await?
            && tx.cases_told(&cases, mail).await?
        {
            settle_address(gateway, &mut tx, &department, is_known, now).await?;
            tx.commit().await?;
            done.changed += 1;
        }
    }
    Ok(done)
}

/// The last day such that what was due then is by now late enough for those above.
fn escalation_day(gateway: &Gateway, now: Timestamp) -> Result<Option<NaiveDate>, PassError> {
    let (today, days) = (gateway.today(now), gateway.config.cases.escalate_days);
    if now < gateway.at_hour(today, REMIND_AT) {
        return Ok(None);
    }
    for day in (1..=DAYS_BACK).map_while(|back| today.checked_sub_days(Days::new(back))) {
        if gateway.calendar.add_working_days(day, days)? < today {
            return Ok(Some(day));
        }
    }
    Ok(None)
}

/// A letter for each department whose cases are past their day: what for, how many, how old. Never who.
async fn late(gateway: &Gateway, which: Overdue, now: Timestamp) -> Result<Done, PassError> {
    let groups = gateway.store.read().await?.overdue_groups(which).await?;
    let mut by_department: BTreeMap<String, Vec<OverdueGroup>> = BTreeMap::new();
    for group in groups {
        by_department.entry(group.department.code.clone()).or_default().push(group);
    }
    let mut done = Done::default();
    for groups in by_department.into_values() {
        done.changed += tell(gateway, which, &groups, now).await?;
    }
    Ok(done)
}

async fn tell(gateway: &Gateway, which: Overdue, groups: &[OverdueGroup], now: Timestamp) -> Result<u64, PassError> {
    let Some(first) = groups.first() else { return Ok(0) };
    let (today, department) = (gateway.today(now), &first.department);
    let escalates = matches!(which, Overdue::Escalate(_));
    let word = if escalates { "escalate" } else { "remind" };
    let key = format!("{word}:{}:{today}", department.code);
    let report = report(gateway, groups, escalates, &key, now);
    let count = report.total().0;
    let language = gateway.config.language;
    let letter = written(move || overdue(&report, language)).await?;
    let is_ours = department.code.is_empty();
    let mut addressed = if is_ours { Addressed::finance_it(gateway, letter) } else { Addressed::department(gateway, department, letter) };
    if escalates && !is_ours {
        let above = gateway.config.mail.finance_it.iter().filter(|to| !addressed.to.contains(to)).cloned().collect::<Vec<_>>();
        addressed.to.extend(above);
    }
    let is_known = addressed.is_known;
    let post = addressed.post(gateway, key, word, now)?;
    let again_at = gateway.at_hour(gateway.calendar.add_working_days(today, gateway.config.cases.due_days)?, REMIND_AT);
    let mut tx = gateway.store.begin().await?;
    if post.enqueue(&mut tx, now).await?.is_none() {
        // It had its letter of today: what came due since waits for tomorrow's. An escalation waits by itself.
        if !escalates {
            let tomorrow = gateway.at_hour(gateway.calendar.add_working_days(today, 1)?, REMIND_AT);
            tx.put_off_reminders(now, &department.code, tomorrow).await?;
            tx.commit().await?;
        }
        return Ok(0);
    }
    if tx.overdue_told(which, &department.code, again_at, now).await? != count {
        // Cases moved while the letter was written: it would say what is not so. The next run writes it anew.
        return Ok(0);
    }
    if !is_ours {
        settle_address(gateway, &mut tx, department, is_known, now).await?;
    }
    tx.commit().await?;
    tracing::info!(department = department.code, cases = count, escalates, "reminded of overdue cases");
    Ok(1)
}

fn report(gateway: &Gateway, groups: &[OverdueGroup], escalates: bool, key: &str, now: Timestamp) -> OverdueReport {
    let today = gateway.today(now);
    let department =
        groups.first().map(|g| g.department.clone()).unwrap_or(Addressee { code: String::new(), name: String::new(), mail: String::new() });
    let is_ours = department.code.is_empty();
    let sum = |g: &OverdueGroup| OverdueSum {
        reason: g.reason,
        class: g.class,
        count: g.count,
        amount: g.amount,
        due_on: g.due_on,
        age_days: (today - g.money_on).num_days(),
    };
    OverdueReport {
        department: if is_ours { gateway.say(Words::new("财政信息部门", "finance IT")) } else { department.name },
        escalates,
        date: today,
        generated_at: now,
        zone: gateway.zone(),
        number: format!("RM-{}", id_of(gateway, key).get(..16).unwrap_or_default()),
        command: if is_ours {
            "bankgate failure list".to_owned()
        } else {
            format!("bankgate failure list --department {}", department.code)
        },
        contact: contact(gateway),
        sums: groups.iter().map(sum).collect(),
    }
}

/// The open case that asks for this amount back, and where its payment stands.
async fn asked_back(tx: &mut Tx, case_id: i64, amount: Fen) -> Result<Option<(CaseFacts, Standing)>, PassError> {
    let Some(case) = tx.case_facts(case_id).await?.filter(|c| c.kind == "recovery" && c.is_open && c.amount == amount) else {
        return Ok(None);
    };
    let Some(instruction) = case.instruction else { return Ok(None) };
    Ok(tx.standing(instruction).await?.map(|line| (case, line)))
}

/// Money that was asked back came: a statement shows it, or two persons say so with their evidence. Its instruction is
/// recovered, the money lies with what nobody may keep, and the case stays open until the treasury has it. Run again it
/// changes nothing and says the same.
///
/// `false`: not this money. The case asks for another amount, is closed or no recovery, or its payment stands otherwise.
///
/// # Errors
/// The database.
pub async fn recovered(
    gateway: &Gateway,
    tx: &mut Tx,
    case_id: i64,
    amount: Fen,
    statement: Option<(i64, i64)>,
    words: &str,
    now: Timestamp,
) -> Result<bool, PassError> {
    let Some((_, line)) = asked_back(tx, case_id, amount).await? else { return Ok(false) };
    let Some(file) = line.file_out else { return Ok(line.state == InstructionState::Recovered) };
    let file = tx.file(file).await?;
    if !tx.hold_file(&file, now).await? {
        return Err(PassError::Broken(format!("file {} moved while case {case_id} was settled; try again", file.id)));
    }
    // Behind the file's row: a part of it may have come back by the bank just before, and less is asked then.
    let Some((case, line)) = asked_back(tx, case_id, amount).await? else { return Ok(false) };
    if line.state == InstructionState::Recovered {
        return Ok(true);
    }
    let Ok(next) = step(line.state, Event::Recover) else { return Ok(false) };
    let class = ReasonClass::Ineligible;
    if !tx.settle_line(&file, &line, (next, &case.reason, class.code()), words, now).await? {
        return Err(PassError::Broken(format!("instruction {} moved while case {case_id} was settled; try again", line.id)));
    }
    let (Some(from), Some(to)) = (line.state.account(None), next.account(Some(class))) else { return Ok(false) };
    let movement = Movement { kind: EntryKind::Recover, from: file.purse.account(from), to: file.purse.account(to), amount };
    let of = EntryOf {
        batch: line.batch.clone(),
        file_out: Some(file.id),
        statement: statement.map(|(id, _)| id),
        lines: 1,
        ..EntryOf::default()
    };
    tx.post(now, &of, Origin::Theirs, &movement).await?;
    let detail = match statement {
        Some((id, at)) => format!("statement {id} line {at}; {words}"),
        None => words.to_owned(),
    };
    tx.event("instruction", line.id, (Event::Recover.code(), line.state.code(), next.code()), &gateway.holder, &detail, now).await?;
    tx.event("case", case_id, ("recover", "", ""), &gateway.holder, &detail, now).await?;
    tracing::info!(case = case_id, instruction = line.id, fen = amount.get(), "recovered");
    Ok(true)
}
