//! Kept files are read into lines (解析), as records *and* faults. A set that cannot be read or does not add up is
//! quarantined whole, with every fault; one that can is `staged`, to be proven and applied.

use std::io::Read as _;
use std::sync::Arc;

use super::collect::kept;
use super::{Done, Gateway, PassError, Tried};
use crate::domain::exchange::{Answer, InboundKind, StatementEntry};
use crate::domain::file::{FileInState, FileOutState};
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::{BindingKey, ParseSummary, Parsed, Profile, Tallier, Tally, Totals};
use crate::store::desk::NewIncident;
use crate::store::inbound::FileIn;
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

use super::plan::facts_of;

/// Lines handed to the database at a time.
const PAGE: usize = 5000;
/// Faults that are written out; the rest is counted.
const FAULTS_SHOWN: usize = 50;
/// Entries of one statement that are held at once.
const STATEMENT_ENTRIES_MAX: usize = 2_000_000;
/// Sets taken in one run.
const SETS: i64 = 50;

/// Reads what was collected.
///
/// # Errors
/// The database or the archive's disk.
pub async fn stage(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let sets = gateway.store.read().await?.sets_in(FileInState::Archived, SETS).await?;
    let mut tried = Tried::default();
    for set in sets {
        tried.note(stage_set(gateway, &set, now).await);
    }
    tried.end()
}

/// What reading a set found wrong, and what it found.
#[derive(Default)]
struct Found {
    problems: Vec<String>,
    faults: u64,
    tallies: Vec<(String, Tally)>,
    summaries: Vec<ParseSummary>,
    entries: Vec<StatementEntry>,
}

async fn stage_set(gateway: &Gateway, set: &[FileIn], now: Timestamp) -> Result<Done, PassError> {
    let Some(first) = set.first() else { return Ok(Done::default()) };
    let profile = Arc::clone(gateway.profile(&first.profile)?);
    let mut tx = gateway.store.begin().await?;
    let file_out = match first.file_out {
        Some(id) => Some(tx.file(id).await?),
        None => None,
    };
    let mut found = Found::default();
    let flags: Vec<String> = profile.roles(first.kind).iter().filter(|r| r.is_flag).map(|r| r.role.clone()).collect();
    let (flag_files, data_files): (Vec<&FileIn>, Vec<&FileIn>) = set.iter().partition(|f| flags.contains(&f.role));
    if first.kind != InboundKind::Statement && file_out.is_none() {
        found.problems.push(gateway.say(Words::new(
            format!("文件编号{}不对应任何已发出的文件", first.key),
            format!("its key {} names no file of ours", first.key),
        )));
    }
    for file in data_files {
        read(&mut tx, &profile, file, file_out.as_ref(), &mut found).await?;
    }
    for file in flag_files {
        check_flag(&profile, file, &mut found)?;
    }
    if let Some(out) = &file_out {
        let agreement = tx.agreement(&out.agreement).await?;
        let words = tx.file_facts(out.id).await?;
        let facts = facts_of(out, &agreement, &words);
        for summary in &found.summaries {
            found.problems.extend(profile.differing_echoes(&facts, summary));
        }
    }
    if !found.problems.is_empty() || found.faults > 0 {
        drop(tx);
        return quarantine(gateway, set, &found, now).await;
    }
    if first.kind == InboundKind::Statement {
        keep_statement(gateway, &mut tx, set, &found, now).await?;
        tx.move_set(set, FileInState::Applied, "", &gateway.holder, now).await?;
    } else if !tx.move_set(set, FileInState::Staged, "", &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}

/// Streams one data file into answer lines. Reading runs on a thread of its own, a bounded channel between it and the database.
async fn read(tx: &mut Tx, profile: &Arc<Profile>, file: &FileIn, out: Option<&FileOut>, found: &mut Found) -> Result<(), PassError> {
    let path = kept(file);
    let source = std::fs::File::open(&path).map_err(PassError::local("reading", &path))?;
    let (pages, mut from_file) = tokio::sync::mpsc::channel::<Vec<Parsed>>(2);
    let (kind, role, reader) = (file.kind, file.role.clone(), Arc::clone(profile));
    let known = tx.has_answers(file.id).await?;
    // Two persons set these aside: what stands there is neither read nor a fault.
    let aside = tx.lines_aside(file.id).await?;
    let mut unread = 0;
    let parsing = tokio::task::spawn_blocking(move || {
        let mut page = Vec::with_capacity(PAGE);
        let mut sink = |parsed: Parsed| {
            page.push(parsed);
            if page.len() >= PAGE {
                // A closed channel means that the other side has failed: its error is the one to tell.
                _ = pages.blocking_send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
            }
        };
        let mut source = std::io::BufReader::with_capacity(1 << 20, source);
        let summary = reader.parse(kind, &role, &mut source, &mut sink);
        _ = pages.blocking_send(page);
        summary
    });
    while let Some(page) = from_file.recv().await {
        let mut answers = Vec::with_capacity(page.len());
        for parsed in page {
            match parsed {
                Parsed::Answer(answer) if aside.contains(&answer.line) => {}
                Parsed::Answer(answer) => {
                    let instruction = out.and_then(|o| bind(profile, &answer, o));
                    answers.push((answer, instruction));
                }
                Parsed::Entry(entry) => {
                    if found.entries.len() >= STATEMENT_ENTRIES_MAX {
                        return Err(PassError::Broken(format!("statement {} has more than {STATEMENT_ENTRIES_MAX} entries", file.name)));
                    }
                    found.entries.push(entry);
                }
                Parsed::Fault(fault) if aside.contains(&fault.line) => unread += 1,
                Parsed::Fault(fault) => {
                    found.faults += 1;
                    if found.problems.len() < FAULTS_SHOWN {
                        let column = fault.column.map(|c| format!(", {c}")).unwrap_or_default();
                        found.problems.push(format!("{}: line {}{column}: {}", file.name, fault.line, fault.what));
                    }
                }
            }
        }
        if !known {
            tx.insert_answers(file.id, answers).await?;
        }
    }
    let summary = parsing
        .await
        .map_err(|e| PassError::Broken(format!("reading {} stopped: {e}", file.name)))?
        .map_err(PassError::local("reading", &path))?;
    let excused = excused(&summary, unread);
    found.problems.extend(summary.problems.iter().filter(|p| !excused.contains(p)).map(|p| format!("{}: {p}", file.name)));
    found.tallies.push((file.name.clone(), summary.tally.clone()));
    found.summaries.push(summary);
    Ok(())
}

/// Totals that differ by no more than lines that were set aside unread can make up: so many rows fewer, and no more money than
/// is declared.
fn excused(summary: &ParseSummary, unread: u64) -> Vec<String> {
    let (declared, found) = (&summary.declared, &summary.found);
    let rows_fit = declared.count.is_none_or(|d| found.count.is_some_and(|f| f + unread == d));
    let lacks = |d: Option<Fen>, f: Option<Fen>| d.is_none_or(|d| f.is_some_and(|f| f <= d));
    let money_fits = lacks(declared.amount, found.amount)
        && lacks(declared.paid_amount, found.paid_amount)
        && lacks(declared.failed_amount, found.failed_amount);
    if unread == 0 || !rows_fit || !money_fits {
        return Vec::new();
    }
    Totals::differences(declared, found)
}

/// The instruction that an answer speaks of, by the profile's keys in their order.
fn bind(profile: &Profile, answer: &Answer, file: &FileOut) -> Option<i64> {
    let reference = answer.reference.as_deref().map(str::trim).filter(|r| !r.is_empty());
    profile.exchange().binding.iter().find_map(|key| match key {
        BindingKey::Reference => reference.and_then(EndToEndId::parse).map(|id| id.0),
        // A reference that is not ours is not excused by the number beside it.
        BindingKey::Seq if reference.is_some() && profile.exchange().binding.contains(&BindingKey::Reference) => None,
        BindingKey::Seq => answer.seq.and_then(|s| i64::try_from(s).ok()).and_then(|s| file.first_id.checked_add(s.checked_sub(1)?)),
        // Bound by content only where the database proves it unique; no profile of today goes by it alone.
        BindingKey::AccountAmount | BindingKey::AccountNameAmount => None,
    })
}

fn check_flag(profile: &Profile, flag: &FileIn, found: &mut Found) -> Result<(), PassError> {
    let path = kept(flag);
    let mut text = Vec::new();
    let source = std::fs::File::open(&path).map_err(PassError::local("reading", &path))?;
    source.take(4096).read_to_end(&mut text).map_err(PassError::local("reading", &path))?;
    let none = Tallier::new(&[]).finish();
    let tally = found.tallies.first().map_or(&none, |(_, t)| t);
    let totals = found.summaries.first().map(|s| s.found.clone()).unwrap_or_default();
    if let Err(why) = profile.check_flag(flag.kind, &text, tally, &totals) {
        found.problems.push(format!("{}: {why}", flag.name));
    }
    Ok(())
}

async fn keep_statement(gateway: &Gateway, tx: &mut Tx, set: &[FileIn], found: &Found, now: Timestamp) -> Result<(), PassError> {
    let (Some(file), Some(summary)) = (set.first(), found.summaries.first()) else { return Ok(()) };
    let days = || found.entries.iter().map(|e| e.date);
    let from = summary.head.from.or_else(|| days().min()).ok_or_else(|| PassError::Broken(format!("{} names no day", file.name)))?;
    let to = summary.head.to.or_else(|| days().max()).unwrap_or(from);
    let (id, problems) = tx.insert_statement(file, &summary.head, (from, to), &found.entries).await?;
    tx.event("statement", id, ("keep", "", problems.as_str()), "daemon", &file.name, now).await?;
    if problems.is_empty() || problems.starts_with("repeats") {
        return Ok(());
    }
    let what = gateway.say(Words::new(
        format!("银行{}的对账单{}（账户{}，{from}至{to}）不予采用：{problems}", file.bank, file.name, summary.head.account),
        format!(
            "statement {} of bank {} (account {}, {from} to {to}) does not count: {problems}",
            file.name, file.bank, summary.head.account
        ),
    ));
    let next_step = gateway.say(Words::new(
        format!("请银行书面说明以哪一份为准；查看：bankgate statement show {id}；认定：bankgate statement choose 编号 --evidence …"),
        format!(
            "ask the bank in writing which one counts; look: bankgate statement show {id}; then: bankgate statement choose N --evidence …"
        ),
    ));
    let key = format!("statement:{id}");
    tx.incident(&NewIncident { key: &key, kind: "statement", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// Sets a whole answer set aside, once, with every fault: finance IT is told, and in words without identities the bank.
pub(crate) async fn quarantine_set(gateway: &Gateway, set: &[FileIn], problems: &[String], now: Timestamp) -> Result<Done, PassError> {
    let Some(first) = set.first() else { return Ok(Done::default()) };
    let mut tx = gateway.store.begin().await?;
    let text = problems.join("\n");
    if !tx.move_set(set, FileInState::Quarantined, &text, &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    hold_unsent(gateway, &mut tx, first, now).await?;
    let shown = problems.iter().take(5).cloned().collect::<Vec<_>>().join("；");
    let what = gateway.say(Words::new(
        format!("银行{}的文件{}已隔离，未入账，共{}处问题：{shown}", first.bank, first.name, problems.len()),
        format!(
            "file {} of bank {} is quarantined, nothing of it was applied, {} problems: {shown}",
            first.name,
            first.bank,
            problems.len()
        ),
    ));
    let next_step = gateway.say(Words::new(
        format!("查看：bankgate file show {} --in；请银行更正后以新内容重发", first.id),
        format!("look: bankgate file show {} --in; ask the bank for a corrected file", first.id),
    ));
    let key = format!("quarantined:{}", first.answer_set);
    tx.incident(&NewIncident { key: &key, kind: "quarantined", bank: &first.bank, what: &what, next_step: &next_step }, now).await?;
    tx.commit().await?;
    tracing::warn!(bank = first.bank, file = first.name, problems = problems.len(), "answer set quarantined");
    Ok(Done { changed: 1, ..Done::default() })
}

/// An answer for a file that was not published holds that file: somebody sends in our name, or our memory is short.
async fn hold_unsent(gateway: &Gateway, tx: &mut Tx, answer: &FileIn, now: Timestamp) -> Result<(), PassError> {
    let Some(out) = answer.file_out else { return Ok(()) };
    tx.lock_file(out, now).await?;
    let file = tx.file(out).await?;
    if !file.may_be_out() && !matches!(file.state, FileOutState::Voided | FileOutState::Abandoned) {
        tx.move_file(&file, FileOutState::Held, "the bank answers it, and we have not published it", &gateway.holder, now).await?;
    }
    Ok(())
}

async fn quarantine(gateway: &Gateway, set: &[FileIn], found: &Found, now: Timestamp) -> Result<Done, PassError> {
    let mut problems = found.problems.clone();
    if usize::try_from(found.faults).unwrap_or(usize::MAX) > FAULTS_SHOWN {
        problems.push(format!("… {} unreadable lines in all", found.faults));
    }
    quarantine_set(gateway, set, &problems, now).await
}
