//! What was credited and sent back (退票): months later, before its success, twice, from three sides.
//!
//! Whoever says it, the word is put on record first (`store::returns`) and then `meet` lets every return of the file that
//! finds its success take effect: new entries in the open period, never a change to old ones; the state; a case for the
//! department. A return without a success waits, with the money where it is, and is chased once the result is overdue.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::apply::Booking;
use super::publish::result_due;
use super::refund::books::contradict;
use super::remedy::in_question;
use super::{Done, Gateway, PassError};
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, Figure, InstructionState};
use crate::domain::language::Words;
use crate::domain::ledger::EntryKind;
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::store::admission::NewCase;
use crate::store::again::Again;
use crate::store::desk::NewIncident;
use crate::store::outbound::FileOut;
use crate::store::returns::{CreditBack, OnRecord, SentBack};
use crate::store::sql::Tx;

/// Whose word brought a return and its success together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// A bank's file.
    pub file_in: Option<i64>,
    /// A statement.
    pub statement: Option<i64>,
}

/// A return's end: nothing came of it.
const NOTHING: i64 = -1;

/// Returns that a statement shows and that are noted, to take effect together.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The file, the statement that proves it.
    due: BTreeSet<(i64, i64)>,
    /// Files that are locked: once, not for each of thousands of credits.
    files: BTreeMap<i64, FileOut>,
}

/// A statement shows money of a paid instruction coming back. Says whether that explains the credit: as a return made now,
/// as one that a file said before, or as one that waits for its success. The same credit again is explained as before;
/// a second one is not.
///
/// # Errors
/// The database; a working day that nobody knows.
pub async fn credited_back(
    gateway: &Gateway,
    tx: &mut Tx,
    instruction: i64,
    amount: Fen,
    words: &str,
    at: (i64, i64),
    now: Timestamp,
) -> Result<bool, PassError> {
    let mut noted = Noted::default();
    let is_explained = note_credit(gateway, tx, (instruction, amount, words), at, &mut noted, now).await?;
    meet_noted(gateway, tx, &mut noted, now).await?;
    Ok(is_explained)
}

/// Lets noted returns take effect, all of a file at once: a statement may show thousands.
///
/// # Errors
/// As `credited_back`.
pub(crate) async fn meet_noted(gateway: &Gateway, tx: &mut Tx, noted: &mut Noted, now: Timestamp) -> Result<(), PassError> {
    for (file, statement) in std::mem::take(noted).due {
        let file = tx.file(file).await?;
        meet(gateway, tx, &file, Evidence { file_in: None, statement: Some(statement) }, now).await?;
    }
    Ok(())
}

/// `credited_back` but for its effect, which follows by `meet_noted`.
///
/// # Errors
/// As there.
pub(crate) async fn note_credit(
    gateway: &Gateway,
    tx: &mut Tx,
    (instruction, amount, words): (i64, Fen, &str),
    (statement, line): (i64, i64),
    noted: &mut Noted,
    now: Timestamp,
) -> Result<bool, PassError> {
    let Some(standing) = tx.standing(instruction).await? else { return Ok(false) };
    let Some(file) = standing.file_out else { return Ok(false) };
    let file = match noted.files.entry(file) {
        Entry::Occupied(locked) => locked.into_mut(),
        Entry::Vacant(new) => {
            tx.lock_file(file, now).await?;
            new.insert(tx.file(file).await?)
        }
    };
    let known = tx.returns_on_record(instruction).await?;
    if known.iter().any(|it| it.statement == Some((statement, line))) {
        return Ok(true);
    }
    // What a file said came back, and no statement showed yet: one of them, or all together. Another amount while one of
    // them is to come is a question for a person.
    let unseen: Vec<OnRecord> = known.iter().copied().filter(|it| it.statement.is_none() && it.part.is_none_or(|part| part >= 0)).collect();
    let one = unseen.iter().filter(|it| it.amount == amount).take(1);
    let shown: Vec<OnRecord> = if one.clone().count() > 0 { one.copied().collect() } else { unseen.clone() };
    if !unseen.is_empty() {
        let is_so_much = shown.iter().map(|it| it.amount).sum::<Fen>() == amount;
        for it in shown.iter().filter(|_| is_so_much) {
            tx.prove_return(it.id, (statement, line)).await?;
        }
        return Ok(is_so_much);
    }
    let own = tx.own_line(instruction).await?;
    let state = own.as_ref().map_or(file.lines_state, |o| o.state);
    let is_gross = tx.debits_for_everything(&file.agreement).await?;
    // Where the bank debits for everything, the money of what failed comes back too, and that is no return.
    let unpaid = if is_gross { tx.unpaid_part(instruction, amount).await? } else { None };
    let may_come_back = match state.figure() {
        Figure::InFlight | Figure::Paid | Figure::Unknown => true,
        Figure::Failed => !is_gross,
        Figure::Returned | Figure::Pending | Figure::Voided => false,
    };
    // What came back apart does not stand as paid any more.
    let before: Fen = known.iter().filter(|it| matches!(it.part, None | Some(0))).map(|it| it.amount).sum();
    let most = own.map_or(standing.amount, |o| o.amount).checked_sub(before).unwrap_or(Fen::ZERO);
    if unpaid.is_none() && (!amount.is_positive() || amount > most || !may_come_back) {
        return Ok(false);
    }
    let reason =
        gateway.profile(&file.profile)?.reason_of(words).filter(|r| r.class() != ReasonClass::Enquire).unwrap_or(Reason::LateReturn);
    let on = tx.booked_on(statement, line).await?;
    let credit = CreditBack { instruction, amount, reason: (reason.code(), reason.class().code()), words, at: (statement, line), on };
    tx.note_credit_back(file, &credit, unpaid, now).await?;
    noted.due.insert((file.id, statement));
    Ok(true)
}

/// Lets every return on record of a file take effect that finds its success. Says how many did.
///
/// # Errors
/// The database; a working day that nobody knows.
pub(super) async fn meet(gateway: &Gateway, tx: &mut Tx, file: &FileOut, by: Evidence, now: Timestamp) -> Result<u64, PassError> {
    let mut met = 0;
    // What came back in parts takes effect part by part: the last of them may be all that is left.
    loop {
        let these = meet_wholes(gateway, tx, file, by, now).await? + meet_parts(gateway, tx, file, by, now).await?;
        if these == 0 {
            return Ok(met);
        }
        met += these;
    }
}

/// Of some all came back that stood as paid.
async fn meet_wholes(gateway: &Gateway, tx: &mut Tx, file: &FileOut, by: Evidence, now: Timestamp) -> Result<u64, PassError> {
    let twice = tx.credited_twice(file).await?;
    let mut groups = tx.meetings(file, &twice).await?;
    if groups.is_empty() {
        return Ok(0);
    }
    if tx.ineligible_returns(file).await? > 0 {
        groups = tx.meetings(file, &twice).await?;
    }
    let booking = Booking { gateway, file, file_in: by.file_in, statement: by.statement, now };
    for g in &groups {
        let (from, to) = (ReasonClass::from_code(&g.class), ReasonClass::from_code(&g.next_class));
        let (from, to) = ((g.state, from), (InstructionState::Returned, to));
        booking.move_money(tx, Some(EntryKind::Return), from, to, g.total, g.count).await?;
    }
    let lines = tx.meet_returns(file, &twice, now).await?;
    open_cases(gateway, tx, file, ("returned", &lines), now).await?;
    let words = format!("{} lines", lines.len());
    tx.event(
        "file_out",
        file.id,
        ("return", InstructionState::Paid.code(), InstructionState::Returned.code()),
        &gateway.holder,
        &words,
        now,
    )
    .await?;
    tracing::info!(file = file.id, bank = file.bank, lines = lines.len(), "sent back");
    Ok(u64::try_from(lines.len()).unwrap_or(u64::MAX))
}

/// A success is said of what had failed, and its return is on record: credited, said not to be, and sent back is a return in
/// whatever order it was told. It stands where it stood, for the return's reason, and its money lies where that asks for.
///
/// # Errors
/// The database; a working day that nobody knows.
pub(super) async fn explain(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileOut,
    (by, set): (Evidence, &[i64]),
    now: Timestamp,
) -> Result<(), PassError> {
    let booking = Booking { gateway, file, file_in: by.file_in, statement: by.statement, now };
    for it in tx.explained_by_return(set, file).await? {
        let id = it.line.instruction_id;
        if !matches!(it.state, InstructionState::Failed | InstructionState::FailedFinal) {
            tx.note_came_back(&it.line, now).await?;
            tx.event("instruction", id, ("return", it.state.code(), it.state.code()), &gateway.holder, &it.line.words, now).await?;
            continue;
        }
        let class = ReasonClass::from_code(&it.line.reason.1);
        let from = (it.state, ReasonClass::from_code(&it.class));
        booking.move_money(tx, Some(EntryKind::Reclassify), from, (it.state, class), it.line.amount, 1).await?;
        let has_case = tx.explain_by_return(&it.line, owner(class.unwrap_or(ReasonClass::Unclear)), now).await?;
        if !has_case && !it.has_successor {
            open_cases(gateway, tx, file, ("returned", std::slice::from_ref(&it.line)), now).await?;
        }
        tx.event("instruction", id, ("return", it.state.code(), it.state.code()), &gateway.holder, &it.line.words, now).await?;
    }
    Ok(())
}

/// Of some a part came back: they stay paid for the rest, and the part is a remainder of its own.
async fn meet_parts(gateway: &Gateway, tx: &mut Tx, file: &FileOut, by: Evidence, now: Timestamp) -> Result<u64, PassError> {
    let booking = Booking { gateway, file, file_in: by.file_in, statement: by.statement, now };
    let (mut apart, mut met) = (Vec::new(), 0);
    for part in tx.parts_back(file).await? {
        met += 1;
        let mut line = part.line;
        let Some(kept) = part.paid.checked_sub(line.amount).filter(|kept| kept.is_positive() && part.is_part) else {
            tx.return_became(line.id, NOTHING, now).await?;
            odd_part(gateway, tx, file, &line, now).await?;
            continue;
        };
        let (reason, class) = (line.reason.0.as_str(), line.reason.1.as_str());
        line.part = tx.part_line(file, line.instruction_id, (kept, line.amount), (reason, class, &line.words), now).await?;
        tx.return_became(line.id, line.part, now).await?;
        let to = (InstructionState::Failed, ReasonClass::from_code(class));
        booking.move_money(tx, Some(EntryKind::Return), (InstructionState::Paid, None), to, line.amount, 0).await?;
        let id = line.instruction_id;
        tx.event("instruction", id, ("return_part", "paid", "paid"), &gateway.holder, &line.amount.to_string(), now).await?;
        apart.push(line);
    }
    if !apart.is_empty() {
        open_cases(gateway, tx, file, ("partial", &apart), now).await?;
    }
    Ok(met)
}

/// More came back than stands as paid: a person looks.
async fn odd_part(gateway: &Gateway, tx: &mut Tx, file: &FileOut, line: &SentBack, now: Timestamp) -> Result<(), PassError> {
    let (id, amount) = (line.instruction_id, line.amount);
    let what = gateway.say(Words::new(
        format!("银行{}退回第{id}号指令{amount}元，与已付部分不符，未入账", file.bank),
        format!("bank {} sent back {amount} of instruction {id}, which is not what stands as paid of it; it is not booked", file.bank),
    ));
    let next_step = gateway.say(Words::new("请与银行核对退回金额", "ask the bank how much came back"));
    let key = format!("return_part:{}", line.id);
    let incident = NewIncident { key: &key, kind: "conflict", bank: &file.bank, what: &what, next_step: &next_step };
    tx.incident(&incident, now).await?;
    Ok(())
}

/// Each needs its department: what was credited on which day, and when it came back.
async fn open_cases(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileOut,
    (kind, lines): (&'static str, &[SentBack]),
    now: Timestamp,
) -> Result<(), PassError> {
    let today = gateway.today(now);
    let due_on = gateway.due_day(today, gateway.config.cases.due_days)?;
    let told_on = tx.told_at(file.id).await?.map(|at| gateway.today(at));
    let ids: Vec<i64> = lines.iter().map(|l| l.instruction_id).collect();
    let known = tx.cases_known(kind, &ids).await?;
    let mut cases = Vec::new();
    for l in lines {
        let before = known.get(&(l.instruction_id, l.part));
        if before.is_some_and(|case| case.is_open) {
            continue;
        }
        let reason = Reason::from_code(&l.reason.0).unwrap_or(Reason::LateReturn);
        let class = ReasonClass::from_code(&l.reason.1).unwrap_or(reason.class());
        let detail = detail(gateway, l, told_on);
        if let Some(case) = before {
            // It came back before, that was undone or settled, and now it came back again.
            let (reason, owner) = ((reason.code(), class.code()), owner(class));
            let again = Again { case: case.id, amount: l.amount, reason, detail: &detail, owner, business_date: today, due_on };
            tx.open_again(&again, &gateway.holder, now).await?;
            continue;
        }
        cases.push(NewCase {
            kind,
            payment_id: l.payments.0,
            root_payment_id: l.payments.1,
            instruction_id: Some(l.instruction_id),
            part: l.part,
            batch: file.batch.clone(),
            department: file.purse.department.clone(),
            bank: file.bank.clone(),
            amount: l.amount,
            reason: reason.code(),
            class: class.code(),
            detail,
            owner: owner(class),
            business_date: today,
            due_on,
        });
    }
    tx.insert_cases(&cases, now).await?;
    tx.date_returns(kind, lines).await?;
    Ok(())
}

/// When it was credited and when it came back, then the bank's words.
fn detail(gateway: &Gateway, line: &SentBack, told_on: Option<chrono::NaiveDate>) -> String {
    let back = line.money_on;
    let words = match line.credited_on.or(told_on) {
        Some(on) => gateway.say(Words::new(format!("{on}入账，{back}退回"), format!("credited on {on}, sent back on {back}"))),
        None => gateway.say(Words::new(format!("{back}退回"), format!("sent back on {back}"))),
    };
    if line.words.is_empty() { words } else { format!("{words}: {}", line.words) }
}

const fn owner(class: ReasonClass) -> &'static str {
    match class {
        ReasonClass::Beneficiary => "person",
        ReasonClass::Enquire | ReasonClass::Gateway => "operator",
        ReasonClass::Correctable | ReasonClass::Ineligible | ReasonClass::Transient | ReasonClass::Unclear => "department",
    }
}

fn waiting_key(file: i64) -> String {
    format!("return_waiting:{file}")
}

/// A return whose success never came is told, once the file's result is overdue: the bank says that it sent back what it
/// never said it credited.
///
/// # Errors
/// The database; a working day that nobody knows.
pub(super) async fn chase(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let mut tx = gateway.store.read().await?;
    let (waiting, told) = (tx.returns_waiting().await?, tx.returns_told().await?);
    drop(tx);
    let keys: BTreeSet<String> = waiting.iter().map(|it| waiting_key(it.file_out)).collect();
    for key in told.iter().filter(|key| !keys.contains(*key)) {
        let mut tx = gateway.store.begin().await?;
        tx.close_incident(key, now).await?;
        tx.commit().await?;
    }
    for it in waiting.into_iter().filter(|it| !told.contains(&waiting_key(it.file_out))) {
        let mut tx = gateway.store.begin().await?;
        let file = tx.file(it.file_out).await?;
        let agreement = tx.agreement(&file.agreement).await?;
        if now < result_due(gateway, &agreement, &file)? {
            continue;
        }
        let key = waiting_key(file.id);
        let what = gateway.say(Words::new(
            format!("银行{}退回文件{}的{}笔（{}元），但从未报入账；款项仍记在途，不能重新发放", file.bank, file.name, it.lines, it.total),
            format!(
                "bank {} sent back {} lines of file {} ({}) and never said that it credited them; they stay in flight",
                file.bank, it.lines, file.name, it.total
            ),
        ));
        let next_step = gateway.say(Words::new(
            format!("请银行补发文件{}的回盘；切勿重发", file.name),
            format!("ask the bank for the result of file {}; do not send it again", file.name),
        ));
        let incident = NewIncident { key: &key, kind: "return_waiting", bank: &file.bank, what: &what, next_step: &next_step };
        if tx.incident(&incident, now).await? {
            done.changed += 1;
        }
        tx.commit().await?;
    }
    Ok(done)
}

/// What persons said was paid, though its money went elsewhere, came back: there is nothing to book, and they are asked once more, for
/// nothing pays it while they say so. Looked for by itself, for they may have said it while the bank's word was being read.
///
/// # Errors
/// The database; a working day that nobody knows.
pub(super) async fn back_though_said_paid(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    let files = gateway.store.read().await?.files_back_though_said_paid().await?;
    for id in files {
        let mut tx = gateway.store.begin().await?;
        tx.lock_file(id, now).await?;
        let file = tx.file(id).await?;
        for (line, is_all) in tx.back_though_said_paid(&file).await? {
            if is_all {
                tx.note_came_back(&line, now).await?;
            } else {
                tx.return_became(line.id, NOTHING, now).await?;
            }
            let (zh, en) = (format!("银行退回{}元", line.amount), format!("the bank sent back {}", line.amount));
            in_question(gateway, &mut tx, (line.instruction_id, file.bank.as_str()), (zh.as_str(), en.as_str()), now).await?;
            if is_all {
                paid_in_its_stead(gateway, &mut tx, line.instruction_id, now).await?;
            }
            done.changed += 1;
        }
        tx.suspects_hold_their_claims().await?;
        tx.commit().await?;
    }
    Ok(done)
}

/// Another attempt stands as paid, it may be with the money of this one that came back: they settle that one too.
async fn paid_in_its_stead(gateway: &Gateway, tx: &mut Tx, instruction: i64, now: Timestamp) -> Result<(), PassError> {
    let Some(holder) = tx.paid_beside(instruction).await? else { return Ok(()) };
    if let Some(file) = tx.file_of(holder).await? {
        tx.lock_file(file.id, now).await?;
    }
    if tx.paid_beside(instruction).await? != Some(holder) {
        return Ok(());
    }
    let (before, holder_of) = (EndToEndId(instruction), EndToEndId(holder));
    let words = format!("{before}退回，{holder_of}是否入账待核实 / {before} came back: was {holder_of} credited?");
    contradict(gateway, tx, holder, (Event::BankDiffers, &words), now).await
}
