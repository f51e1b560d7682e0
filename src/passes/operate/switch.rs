//! The day of the switch-over (切换): payments that the channel before made become claims that are used up, and what lay in
//! the accounts is opened in the ledger.
//!
//! Paid rows only ever refuse, so one person of finance brings them; opening balances are money, so another person approves
//! them, and what is approved is word for word what was proposed. A source is brought once: bringing it again is refused, not
//! added.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::OperateError;
use super::duty::{self, Duty};
use super::propose::{Act, has_evidence};
use crate::domain::batch::Persons;
use crate::domain::language::Words;
use crate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::carried::{OPENING_KINDS, Opening, PaidBefore, visit_openings, visit_paid};
use crate::format::list::{ListError, ListFault, ListSummary};
use crate::passes::{Gateway, PassError};
use crate::store::desk::{NewIncident, Operator, Proposal};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::sql::Tx;
use crate::store::switch::{LegacyPayment, NewOpening, OpenedBalance};

/// Rows written at a time.
const PAGE: usize = 2000;
/// Opening balances in one proposal: a person must be able to read them.
const OPENINGS_MAX: u64 = 5000;

/// What an import of payments did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PaidImport {
    /// How many rows.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
    /// Rows of projects that pay a person several times in a period: nothing is refused because of them.
    pub several: u64,
    /// Rows whose claim, or whose person by a correction, is in payment here already: paid through both channels, unless stopped.
    pub live: i64,
}

/// Imports payments of the channel before; all of them or none. A dry run writes nothing.
///
/// # Errors
/// Every fault of the file; a source that was brought before; whoever may not.
pub async fn import_paid(
    gateway: &Gateway,
    by: &Operator,
    (source, is_dry): (&str, bool),
    list: &Path,
    now: Timestamp,
) -> Result<PaidImport, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    check_source(source)?;
    let projects = gateway.store.read().await?.projects_known().await?;
    let (first, unknown) = survey(list, &projects).await?;
    refuse_faults(first.faults.clone().into_iter().chain(unknown).collect(), first.faults_beyond)?;
    let Some(total) = first.total.filter(|_| first.count > 0) else {
        return OperateError::refused("文件没有任何明细", "the file has no rows, or sums to more than an amount can be");
    };
    let digest = digest_of(list)?;
    let mut tx = gateway.store.begin().await?;
    if tx.legacy_of(source).await? > 0 {
        return already(source);
    }
    let (sender, mut pages) = mpsc::channel::<Vec<PaidBefore>>(4);
    let path = list.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_paid(&path, &sender));
    let (mut written, mut several) = (0, 0);
    while let Some(page) = pages.recv().await {
        let rows: Vec<LegacyPayment> = page.into_iter().map(|row| claimed(row, &projects, &mut several)).collect();
        match tx.insert_legacy(source, &rows, &by.login, now).await {
            Ok(()) => written += u64::try_from(rows.len()).unwrap_or(u64::MAX),
            Err(e) if e.is_unique_violation() => return already(source),
            Err(e) => return Err(e.into()),
        }
    }
    let second = reading.await.map_err(|e| PassError::Broken(format!("reading the file broke off: {e}")))??;
    if (second.count, second.total, written) != (first.count, first.total, first.count) {
        return OperateError::refused(
            "文件在导入过程中被改动，未导入任何数据",
            "the file changed while it was read; nothing of it was taken",
        );
    }
    // From here to the commit no batch passes the gate.
    tx.lock_switch().await?;
    let (live, line) = tx.legacy_live(source).await?;
    let done = PaidImport { count: written, total, several, live };
    if is_dry {
        return Ok(done);
    }
    if let Some(line) = line {
        tell_of_both(gateway, &mut tx, source, (live, line), now).await?;
    }
    let detail = format!("{written} rows, {total} yuan, sha256 {digest}; {live} in payment here already");
    tx.audit(&by.login, "switch.payments", source, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(source, by = by.login, rows = written, live, "payments of the channel before imported");
    Ok(done)
}

async fn tell_of_both(gateway: &Gateway, tx: &mut Tx, source: &str, (live, line): (i64, i64), now: Timestamp) -> Result<(), OperateError> {
    let what = gateway.say(Words::new(
        format!("原渠道{source}已发放的明细中，有{live}笔在本系统也在发放或已发放（首笔在第{line}行）"),
        format!("{live} payments of {source} are in payment here as well (the first in line {line})"),
    ));
    let next_step = gateway.say(Words::new(
        "请财政部门逐笔核对：未送出的批次先停发，已送出的按重复发放追回",
        "finance compares them one by one: stops what has not gone out, and claims back what was paid twice",
    ));
    let key = format!("paid_both_ways:{source}");
    tx.incident(&NewIncident { key: &key, kind: "paid_both_ways", bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// The file, read for its faults only: what it sums to, and projects that nobody knows.
async fn survey(list: &Path, projects: &BTreeMap<String, bool>) -> Result<(ListSummary, Vec<ListFault>), OperateError> {
    let (path, known) = (list.to_owned(), projects.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
        let summary = visit_paid(File::open(&path)?, &mut |row| {
            if !known.contains_key(&row.project) {
                unknown.entry(row.project).or_insert(row.line);
            }
            ControlFlow::Continue(())
        })?;
        Ok::<_, ListError>((summary, unknown))
    });
    let (summary, unknown) = reading.await.map_err(|e| PassError::Broken(format!("reading the file broke off: {e}")))??;
    let faults = unknown.into_values().map(|line| ListFault {
        line,
        column: "项目代码".to_owned(),
        what: "there is no project of this code".to_owned(),
        next: "enter the code as in the table project, or have the project entered there".to_owned(),
    });
    Ok((summary, faults.collect()))
}

fn read_paid(path: &Path, pages: &mpsc::Sender<Vec<PaidBefore>>) -> Result<ListSummary, ListError> {
    let mut page = Vec::new();
    let summary = visit_paid(File::open(path)?, &mut |row| {
        page.push(row);
        if page.len() < PAGE || pages.blocking_send(std::mem::take(&mut page)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    if !page.is_empty() && pages.blocking_send(page).is_err() {
        return Err(ListError::Stopped);
    }
    Ok(summary)
}

/// The row with the claim that it used up: computed as the gate computes it.
fn claimed(row: PaidBefore, projects: &BTreeMap<String, bool>, several: &mut u64) -> LegacyPayment {
    let is_several = projects.get(&row.project).copied().unwrap_or(false);
    *several += u64::from(is_several);
    let persons = Persons {
        entitled_name: &row.name,
        entitled_id: &row.id_number,
        payee_name: &row.name,
        payee_id: &row.id_number,
        role: "self",
        mandate_no: &row.mandate_no,
        household_no: "",
        pays_households: false,
    };
    // Several payments in a period are told apart by their row: one of the channel before is no row of ours.
    let apart = is_several.then(|| -i64::try_from(row.line).unwrap_or(i64::MAX));
    LegacyPayment {
        line: row.line,
        claim_key: persons.claim_key(&row.project, &row.period, apart),
        project: row.project.clone(),
        period: row.period.clone(),
        name: row.name.clone(),
        id_number: row.id_number.clone(),
        account: row.account,
        amount: row.amount,
        paid_on: row.paid_on,
    }
}

/// Proposes opening balances. Says the proposal's number and its effect: every row.
///
/// # Errors
/// Every fault of the file; a source that was brought before or is proposed; whoever may not.
pub async fn propose_openings(
    gateway: &Gateway,
    by: &Operator,
    source: &str,
    list: &Path,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    check_source(source)?;
    let mut rows = Vec::new();
    let summary = visit_openings(File::open(list).map_err(ListError::from)?, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    refuse_faults(summary.faults, summary.faults_beyond)?;
    if rows.is_empty() || summary.count > OPENINGS_MAX {
        return OperateError::refused(
            format!("文件应有1至{OPENINGS_MAX}行期初余额"),
            format!("the file must have 1 to {OPENINGS_MAX} opening balances"),
        );
    }
    let mut tx = gateway.store.begin().await?;
    check_openings(&mut tx, source, &rows).await?;
    if let Some(open) = tx.proposal_open(Act::Opening.code(), source).await? {
        return OperateError::refused(
            format!("来源{source}的期初余额已提出（事项{open}）；批准用 `bankgate approve {open}`"),
            format!("opening balances of {source} are proposed already ({open}): approve them with `bankgate approve {open}`"),
        );
    }
    let effect = effect(source, &rows);
    let id = tx.propose(Act::Opening.code(), source, &format!("sha256 {}", digest_of(list)?), &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    tracing::info!(proposal = id, by = by.login, source, rows = rows.len(), "opening balances proposed");
    Ok((id, effect))
}

/// Books what was proposed: treasury to account, an entry a row.
///
/// # Errors
/// The rows or what they name have changed since, or the source was brought meanwhile.
pub(super) async fn open(tx: &mut Tx, by: &Operator, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let source = proposal.subject.as_str();
    let Some(rows) = rows_of(&proposal.effect).filter(|rows| effect(source, rows) == proposal.effect && proposal.is_of(&proposal.effect))
    else {
        return OperateError::refused(
            format!("事项{}的内容与提出时不一致；请撤回后重新提出", proposal.id),
            format!("proposal {} is not what was proposed: withdraw it and propose it anew", proposal.id),
        );
    };
    check_openings(tx, source, &rows).await?;
    for row in &rows {
        let new = NewOpening {
            source,
            line: row.line,
            department: &row.department,
            project: &row.project,
            year: row.year,
            kind: row.kind,
            amount: row.amount,
            as_of: row.as_of,
            note: &row.note,
            proposed_by: &proposal.proposed_by,
            approved_by: &by.login,
        };
        let opening = match tx.insert_opening(&new).await {
            Err(e) if e.is_unique_violation() => return already(source),
            ended => ended?,
        };
        let purse = Purse { department: row.department.clone(), project: row.project.clone(), year: row.year, bank: String::new() };
        let movement =
            Movement { kind: EntryKind::Open, from: purse.account(AccountKind::Treasury), to: purse.account(row.kind), amount: row.amount };
        tx.post(now, &EntryOf { opening: Some(opening), ..EntryOf::default() }, Origin::Ours, &movement).await?;
    }
    Ok(proposal.effect.clone())
}

/// Proposes that an opening balance that nobody may keep is back at the treasury, by its receipt. Says the proposal's number
/// and its effect.
///
/// # Errors
/// Refused to whoever may not, without a receipt, and where there is no such balance or it went back before.
pub async fn propose_returned(
    gateway: &Gateway,
    by: &Operator,
    opening: i64,
    receipt: &str,
    now: Timestamp,
) -> Result<(i64, String), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let receipt = has_evidence(receipt)?;
    let mut tx = gateway.store.begin().await?;
    let (subject, effect) = (opening.to_string(), returned_effect(&still_open(&mut tx, opening).await?, receipt));
    if let Some(open) = tx.proposal_open(Act::OpeningReturned.code(), &subject).await? {
        return OperateError::refused(
            format!("期初余额{opening}已有待批准事项{open}；批准用 `bankgate approve {open}`"),
            format!("opening balance {opening} has the open proposal {open}: approve it with `bankgate approve {open}`"),
        );
    }
    let id = tx.propose(Act::OpeningReturned.code(), &subject, receipt, &effect, by, now).await?;
    tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok((id, effect))
}

/// Books it: the account to the treasury.
pub(super) async fn returned(tx: &mut Tx, proposal: &Proposal, now: Timestamp) -> Result<String, OperateError> {
    let broken = || PassError::Broken(format!("proposal {} names {:?}, which is no opening balance", proposal.id, proposal.subject));
    let it = still_open(tx, proposal.subject.parse().map_err(|_| broken())?).await?;
    let effect = returned_effect(&it, &proposal.reason);
    if effect != proposal.effect || !proposal.is_of(&effect) {
        return OperateError::refused(
            format!("事项{}的内容与提出时不一致；请撤回后重新提出", proposal.id),
            format!("proposal {} is not what was proposed: withdraw it and propose it anew", proposal.id),
        );
    }
    let purse = Purse { department: it.department.clone(), project: it.project.clone(), year: it.year, bank: String::new() };
    let movement =
        Movement { kind: EntryKind::Close, from: purse.account(it.kind), to: purse.account(AccountKind::Treasury), amount: it.amount };
    tx.post(now, &EntryOf { opening: Some(it.id), ..EntryOf::default() }, Origin::Ours, &movement).await?;
    Ok(effect)
}

async fn still_open(tx: &mut Tx, opening: i64) -> Result<OpenedBalance, OperateError> {
    match tx.opening(opening).await? {
        Some(it) if it.kind != AccountKind::ZeroBalance && !it.is_back => Ok(it),
        Some(_) | None => OperateError::refused(
            format!("期初余额{opening}不存在、已退回，或是可用额度"),
            format!("there is no opening balance {opening} that could go back: not there, gone back already, or not in suspense"),
        ),
    }
}

fn returned_effect(it: &OpenedBalance, receipt: &str) -> String {
    format!(
        "opening balance {} of {} ({}/{}, year {}, {}): {} yuan are back at the treasury; receipt: {receipt}",
        it.id,
        it.source,
        it.department,
        it.project,
        it.year,
        it.kind.code(),
        it.amount
    )
}

/// Every row, a line each, behind a line that says what it is: a person reads it, and its hash is what is approved.
fn effect(source: &str, rows: &[Opening]) -> String {
    let total: Fen = rows.iter().map(|row| row.amount).sum();
    let head = format!("opening balances from {source}: {} rows, {total} yuan", rows.len());
    let lines = rows.iter().map(|r| {
        let note = r.note.replace('|', "/");
        format!("{} | {} | {} | {} | {} | {} | {} | {}", r.line, r.department, r.project, r.year, r.kind.code(), r.amount, r.as_of, note)
    });
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

fn rows_of(effect: &str) -> Option<Vec<Opening>> {
    let row = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [line, department, project, year, kind, amount, as_of, note] = <[&str; 8]>::try_from(parts).ok()?;
        Some(Opening {
            line: line.parse().ok()?,
            department: department.to_owned(),
            project: project.to_owned(),
            year: year.parse().ok()?,
            kind: AccountKind::from_code(kind).filter(|kind| OPENING_KINDS.contains(kind))?,
            amount: Fen::parse_yuan(amount).ok()?,
            as_of: as_of.parse().ok()?,
            note: note.to_owned(),
        })
    };
    effect.lines().skip(1).map(row).collect()
}

async fn check_openings(tx: &mut Tx, source: &str, rows: &[Opening]) -> Result<(), OperateError> {
    if tx.openings_of(source).await? > 0 {
        return already(source);
    }
    let mut faults = Vec::new();
    for row in rows {
        let (department, project) = tx.codes_known(&row.department, &row.project).await?;
        for (_, column, what) in
            [(department, "部门代码", "there is no department of this code"), (project, "项目代码", "there is no project of this code")]
                .into_iter()
                .filter(|(is_known, ..)| !is_known)
        {
            let next = "enter the code as in the database".to_owned();
            faults.push(ListFault { line: row.line, column: column.to_owned(), what: what.to_owned(), next });
        }
    }
    refuse_faults(faults, 0)
}

fn refuse_faults(faults: Vec<ListFault>, beyond: u64) -> Result<(), OperateError> {
    if faults.is_empty() && beyond == 0 { Ok(()) } else { Err(OperateError::Faults { faults, beyond }) }
}

fn check_source(source: &str) -> Result<(), OperateError> {
    let is_plain = !source.trim().is_empty() && source.chars().count() <= 60 && !source.chars().any(|c| c.is_control() || c == '|');
    if is_plain {
        return Ok(());
    }
    OperateError::refused(
        "请用 --source 写明原渠道名称（60字以内）",
        "name the channel before this one with --source, in at most 60 characters",
    )
}

fn already<T>(source: &str) -> Result<T, OperateError> {
    OperateError::refused(
        format!("来源{source}已经导入过，未重复导入；另一份文件请用另一个 --source"),
        format!("{source} was brought already, and nothing was added; another file takes another --source"),
    )
}

fn digest_of(path: &Path) -> Result<String, OperateError> {
    let failed = PassError::local("hashing", path);
    let hashed = File::open(path).and_then(|mut file| {
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let n = std::io::Read::read(&mut file, &mut chunk)?;
            if n == 0 {
                return Ok(hex::encode(hash.finalize()));
            }
            hash.update(chunk.get(..n).unwrap_or_default());
        }
    });
    Ok(hashed.map_err(failed)?)
}
