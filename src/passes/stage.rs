//! Kept files are read into lines (解析), as records *and* faults. A set that cannot be read or does not add up is
//! quarantined whole, with every fault; one that can is `staged`, to be proven and applied.

mod repeats;
mod sheets;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::collect::kept;
use super::{Done, Gateway, PassError, Tried};
use crate::domain::exchange::{Answer, BatchFacts, InboundKind, StatementEntry, StatementHead};
use crate::domain::file::{FileInState, FileKind, FileOutState};
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::statement::EntriesSum;
use crate::domain::time::Timestamp;
use crate::format::{BindingKey, Contents, LeftOut, ParseSummary, Parsed, Profile, Tallier, Tally, Totals, left_out};
use crate::store::desk::NewIncident;
use crate::store::inbound::FileIn;
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

use super::plan::facts_of;

/// Lines handed to the database at a time.
const PAGE: usize = 1000;
/// Faults that are written out; the rest is counted.
const FAULTS_SHOWN: usize = 50;
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
    /// By the role of the file.
    tallies: Vec<(String, Tally)>,
    /// What flags were held against, by the role of the file.
    digested: Vec<(String, Tally)>,
    summaries: Vec<ParseSummary>,
    /// What a statement's entries come to.
    entries: EntriesSum,
    /// The payment file by what stands in it, where a bank's answers are known by that.
    contents: Option<Contents>,
    /// Answers that belong to no payment.
    unbound: u64,
    /// Lines that were written before, or that two persons set aside: then what is left out says nothing.
    is_partial: bool,
}

async fn stage_set(gateway: &Gateway, set: &[FileIn], now: Timestamp) -> Result<Done, PassError> {
    let Some(first) = set.first() else { return Ok(Done::default()) };
    let profile = Arc::clone(gateway.profile(&first.profile)?);
    if first.kind == InboundKind::Statement && profile.is_of_the_worlds_forms(&first.role) {
        return sheets::stage(gateway, set, &profile, now).await;
    }
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
    // What its flag does not speak of is not what the bank wrote: not a line of it is read.
    let mut is_torn = false;
    for flag in &flag_files {
        is_torn |= !held_against(&profile, flag, &data_files, &mut found).await?;
    }
    let sent = match &file_out {
        Some(out) => {
            let agreement = tx.agreement(&out.agreement).await?;
            let words = tx.file_facts(out.id).await?;
            Some((out, facts_of(out, &agreement, &words)))
        }
        None => None,
    };
    let sent = sent.as_ref().map(|(out, facts)| (*out, facts));
    for file in data_files.iter().filter(|_| !is_torn) {
        read(&mut tx, &profile, file, sent, &mut found).await?;
    }
    for file in flag_files.into_iter().filter(|_| !is_torn) {
        check_flag(&profile, file, &mut found)?;
    }
    if found.problems.is_empty()
        && found.faults == 0
        && first.kind == InboundKind::Result
        && let Some(out) = &file_out
    {
        weigh_left_out(gateway, &mut tx, (&profile, set, out), &mut found).await?;
    }
    if let Some((out, facts)) = sent {
        for summary in &found.summaries {
            found.problems.extend(profile.differing_echoes(facts, summary));
            found.problems.extend(sent_otherwise(gateway, out, summary));
        }
    }
    if !found.problems.is_empty() || found.faults > 0 {
        drop(tx);
        return quarantine(gateway, set, &found, now).await;
    }
    let is_statement = first.kind == InboundKind::Statement;
    if is_statement {
        keep_statement(gateway, &mut tx, (&data_files, &profile), &found, now).await?;
    }
    let next = if is_statement { FileInState::Applied } else { FileInState::Staged };
    // What was superseded meanwhile counts nowhere: nothing of it is kept.
    if !tx.move_set(set, next, "", &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}

/// A data file that is being read, on a thread of its own, with a bounded channel between it and the database.
struct Reading {
    pages: tokio::sync::mpsc::Receiver<Vec<Parsed>>,
    parsing: tokio::task::JoinHandle<std::io::Result<ParseSummary>>,
}

impl Reading {
    fn begin(profile: &Arc<Profile>, file: &FileIn, digested: Option<Tally>) -> Result<Self, PassError> {
        let path = kept(file);
        let source = std::fs::File::open(&path).map_err(PassError::local("reading", &path))?;
        let (to, pages) = tokio::sync::mpsc::channel::<Vec<Parsed>>(2);
        let (kind, role, reader) = (file.kind, file.role.clone(), Arc::clone(profile));
        let parsing = tokio::task::spawn_blocking(move || {
            let mut page = Vec::with_capacity(PAGE);
            let mut sink = |parsed: Parsed| {
                page.push(parsed);
                if page.len() >= PAGE {
                    // A closed channel means that the other side has failed: its error is the one to tell.
                    _ = to.blocking_send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
                }
            };
            let mut source = std::io::BufReader::with_capacity(1 << 20, source);
            let summary = reader.parse_digested((kind, &role), digested.as_ref(), &mut source, &mut sink);
            _ = to.blocking_send(page);
            summary
        });
        Ok(Self { pages, parsing })
    }

    /// What the file says of itself, once it was read.
    async fn end(self, file: &FileIn) -> Result<ParseSummary, PassError> {
        let summary = self.parsing.await.map_err(|e| PassError::Broken(format!("reading {} stopped: {e}", file.name)))?;
        summary.map_err(PassError::local("reading", kept(file)))
    }
}

/// Streams one data file into answer lines; of a statement, sums up its entries.
async fn read(
    tx: &mut Tx,
    profile: &Arc<Profile>,
    file: &FileIn,
    sent: Option<(&FileOut, &BatchFacts)>,
    found: &mut Found,
) -> Result<(), PassError> {
    let out = sent.map(|(out, _)| out);
    let mut digested = found.digested.iter().filter(|(of, _)| *of == file.role);
    // Two flags of one file may ask for different digests.
    let digested = digested.next().filter(|_| digested.next().is_none()).map(|(_, tally)| tally.clone());
    let known = tx.has_answers(file.id).await?;
    // Two persons set these aside: what stands there is neither read nor a fault.
    let aside = tx.lines_aside(file.id).await?;
    found.is_partial |= known || !aside.is_empty();
    let mut unread = 0;
    let mut reading = Reading::begin(profile, file, digested)?;
    while let Some(page) = reading.pages.recv().await {
        if let Some(out) = out.filter(|out| out.kind == FileKind::Instruction && found.contents.is_none()) {
            let is_left = |p: &Parsed| matches!(p, Parsed::Answer(answer) if bind(profile, answer, out, None).is_none());
            if let Some(mut contents) = Contents::new(&profile.exchange().binding).filter(|_| page.iter().any(is_left)) {
                load(tx, profile, &mut contents, out).await?;
                found.contents = Some(contents);
            }
        }
        let mut answers = Vec::with_capacity(page.len());
        for parsed in page {
            match parsed {
                Parsed::Answer(answer) if aside.contains(&answer.line) => {}
                Parsed::Answer(answer) => {
                    let instruction = out.and_then(|o| bind(profile, &answer, o, found.contents.as_mut()));
                    found.unbound += u64::from(instruction.is_none());
                    answers.push((answer, instruction));
                }
                Parsed::Entry(entry) => found.entries.add((&entry).into()),
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
        if let Some(sent) = sent {
            for (line, columns) in repeats::altered(tx, profile, sent, &answers).await? {
                found.faults += 1;
                if found.problems.len() < FAULTS_SHOWN {
                    found.problems.push(format!("{}: line {line}, {}: is not what our file said", file.name, columns.join(", ")));
                }
            }
        }
        if !known {
            tx.insert_answers(file.id, answers).await?;
        }
    }
    let summary = reading.end(file).await?;
    let excused = excused(&summary, unread);
    found.problems.extend(summary.problems.iter().filter(|p| !excused.contains(p)).map(|p| format!("{}: {p}", file.name)));
    found.tallies.push((file.role.clone(), summary.tally.clone()));
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
fn bind(profile: &Profile, answer: &Answer, file: &FileOut, mut contents: Option<&mut Contents>) -> Option<i64> {
    let reference = answer.reference.as_deref().map(str::trim).filter(|r| !r.is_empty());
    let goes_by = |key: &BindingKey| profile.exchange().binding.contains(key);
    let has_reference = goes_by(&BindingKey::Reference);
    let is_named = (reference.is_some() && has_reference) || (answer.seq.is_some() && goes_by(&BindingKey::Seq));
    profile.exchange().binding.iter().find_map(|key| match key {
        BindingKey::Reference => reference.and_then(EndToEndId::parse).map(|id| id.0),
        // A reference that is not ours is not excused by the number beside it.
        BindingKey::Seq if reference.is_some() && has_reference => None,
        BindingKey::Seq => answer.seq.and_then(|s| i64::try_from(s).ok()).and_then(|s| file.first_id.checked_add(s.checked_sub(1)?)),
        // Nor is either by what stands in the line.
        BindingKey::AccountAmount | BindingKey::AccountNameAmount if is_named => None,
        BindingKey::AccountAmount | BindingKey::AccountNameAmount => contents.as_mut().and_then(|c| c.find(answer)),
    })
}

/// What the bank says that we sent, where that is something else.
fn sent_otherwise(gateway: &Gateway, out: &FileOut, summary: &ParseSummary) -> Option<String> {
    let is_right = summary.sent_count.is_none_or(|c| i64::try_from(c).is_ok_and(|c| c == out.rows))
        && summary.sent_amount.is_none_or(|a| a == out.total);
    let shown = |count: Option<u64>| count.map_or_else(|| "—".to_owned(), |c| c.to_string());
    let amount = summary.sent_amount.map_or_else(|| "—".to_owned(), |a| a.to_string());
    (!is_right).then(|| {
        gateway.say(Words::new(
            format!("银行称收到{}笔{amount}元，发出{}笔{}元", shown(summary.sent_count), out.rows, out.total),
            format!("the bank says {} payments of {amount} yuan; {} of {} were sent", shown(summary.sent_count), out.rows, out.total),
        ))
    })
}

/// Reads the payment file's rows by what stands in them.
async fn load(tx: &mut Tx, profile: &Profile, contents: &mut Contents, out: &FileOut) -> Result<(), PassError> {
    let mut after = out.first_id - 1;
    loop {
        let page = tx.contents(after, out.last_id, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.0;
        page.iter().for_each(|(id, account, name, amount)| contents.take(*id, account, &profile.told_name(name), *amount));
    }
    contents.finish();
    Ok(())
}

/// What the set says by leaving it out. Which of equal payments is meant is never guessed.
async fn weigh_left_out(
    gateway: &Gateway,
    tx: &mut Tx,
    (profile, set, out): (&Profile, &[FileIn], &FileOut),
    found: &mut Found,
) -> Result<(), PassError> {
    for lines in found.contents.iter().flat_map(Contents::unclear) {
        let lines = lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        found.problems.push(gateway.say(Words::new(
            format!("第{lines}行：文件中有账号和金额相同的几笔，回盘未说明是哪一笔"),
            format!("lines {lines}: payments of the file have the same account and amount, and the answer does not say which is meant"),
        )));
    }
    let is_ours = out.kind == FileKind::Instruction;
    if !is_ours || found.is_partial || found.unbound > 0 || !found.problems.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = set.iter().map(|f| f.id).collect();
    let absent = tx.left_out(&ids, out).await?;
    match left_out(profile.exchange(), absent, &found.summaries) {
        LeftOut::Open => {}
        LeftOut::Proven(outcome) => {
            tx.insert_left_out(&ids, out, outcome).await?;
        }
        LeftOut::Problem(what) => found.problems.push(what),
    }
    Ok(())
}

fn text_of(flag: &FileIn) -> Result<Vec<u8>, PassError> {
    let path = kept(flag);
    let mut text = Vec::new();
    let source = std::fs::File::open(&path).map_err(PassError::local("reading", &path))?;
    source.take(4096).read_to_end(&mut text).map_err(PassError::local("reading", &path))?;
    Ok(text)
}

/// The role of the file that a flag speaks of.
fn spoken_of(profile: &Profile, flag: &FileIn) -> Option<String> {
    profile.roles(flag.kind).iter().find(|r| r.role == flag.role).and_then(|r| r.of.clone())
}

/// A flag's size and digest, before a line of its file is read.
async fn held_against(profile: &Profile, flag: &FileIn, data: &[&FileIn], found: &mut Found) -> Result<bool, PassError> {
    let of = spoken_of(profile, flag);
    let Some(file) = data.iter().find(|f| Some(&f.role) == of.as_ref()).filter(|_| profile.flag_knows_bytes(flag.kind, &flag.role)) else {
        return Ok(true);
    };
    let (path, tallier) = (kept(file), Tallier::new(&profile.flag_digests(flag.kind, &flag.role)));
    let tally = tokio::task::spawn_blocking(move || digest(&path, tallier));
    let tally = tally.await.map_err(|e| PassError::Broken(format!("digesting {} stopped: {e}", file.name)))??;
    let held = profile.check_flag_bytes(flag.kind, &flag.role, &text_of(flag)?, &tally);
    if let Err(why) = &held {
        found.problems.push(format!("{}: {why}", flag.name));
    }
    found.digested.push((file.role.clone(), tally));
    Ok(held.is_ok())
}

fn digest(path: &Path, mut tallier: Tallier) -> Result<Tally, PassError> {
    let mut source = std::fs::File::open(path).map_err(PassError::local("reading", path))?;
    let mut bytes = vec![0; 1 << 18];
    loop {
        let read = source.read(&mut bytes).map_err(PassError::local("reading", path))?;
        if read == 0 {
            return Ok(tallier.finish());
        }
        tallier.update(bytes.get(..read).unwrap_or_default());
    }
}

fn check_flag(profile: &Profile, flag: &FileIn, found: &mut Found) -> Result<(), PassError> {
    let text = text_of(flag)?;
    let none = Tallier::new(&[]).finish();
    let of = spoken_of(profile, flag);
    let at = found.tallies.iter().position(|(role, _)| Some(role) == of.as_ref());
    let tally = at.and_then(|at| found.tallies.get(at)).map_or(&none, |(_, t)| t);
    let totals = at.and_then(|at| found.summaries.get(at)).map(|s| s.found.clone()).unwrap_or_default();
    if let Err(why) = profile.check_flag(flag.kind, &flag.role, &text, tally, &totals) {
        found.problems.push(format!("{}: {why}", flag.name));
    }
    Ok(())
}

/// Keeps a statement. It is read a second time: whether it counts is known before its entries are written, and however many
/// they are, a page of them is held.
async fn keep_statement(
    gateway: &Gateway,
    tx: &mut Tx,
    (files, profile): (&[&FileIn], &Arc<Profile>),
    found: &Found,
    now: Timestamp,
) -> Result<(), PassError> {
    let (Some(first), Some(summary)) = (files.first(), found.summaries.first()) else { return Ok(()) };
    let id = keep_sheet(gateway, tx, first, (&summary.head, &found.entries), now).await?;
    let mut sum = EntriesSum::default();
    for file in files {
        let mut reading = Reading::begin(profile, file, None)?;
        while let Some(page) = reading.pages.recv().await {
            let entries: Vec<StatementEntry> = page.into_iter().filter_map(entry).collect();
            entries.iter().for_each(|entry| sum.add(entry.into()));
            tx.insert_entries(id, &entries).await?;
        }
        reading.end(file).await?;
    }
    if sum == found.entries { Ok(()) } else { Err(PassError::Broken(format!("{} is not what it was when it was first read", first.name))) }
}

fn entry(parsed: Parsed) -> Option<StatementEntry> {
    match parsed {
        Parsed::Entry(entry) => Some(entry),
        Parsed::Answer(_) | Parsed::Fault(_) => None,
    }
}

/// Opens one account's statement of some days; tells a person where it does not count. Gives its number.
async fn keep_sheet(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileIn,
    (head, entries): (&StatementHead, &EntriesSum),
    now: Timestamp,
) -> Result<i64, PassError> {
    let from = head.from.or(entries.days.map(|d| d.0)).ok_or_else(|| PassError::Broken(format!("{} names no day", file.name)))?;
    let to = head.to.or(entries.days.map(|d| d.1)).unwrap_or(from);
    let (id, problems) = tx.open_statement(file, head, (from, to), entries).await?;
    tx.event("statement", id, ("keep", "", problems.as_str()), "daemon", &file.name, now).await?;
    if problems.is_empty() || problems.starts_with("repeats") {
        return Ok(id);
    }
    let what = gateway.say(Words::new(
        format!("银行{}的对账单{}（账户{}，{from}至{to}）不予采用：{problems}", file.bank, file.name, head.account),
        format!("statement {} of bank {} (account {}, {from} to {to}) does not count: {problems}", file.name, file.bank, head.account),
    ));
    let next_step = gateway.say(Words::new(
        format!("请银行书面说明以哪一份为准；查看：bankgate statement show {id}；认定：bankgate statement choose 编号 --evidence …"),
        format!(
            "ask the bank in writing which one counts; look: bankgate statement show {id}; then: bankgate statement choose N --evidence …"
        ),
    ));
    let key = format!("statement:{id}");
    tx.incident(&NewIncident { key: &key, kind: "statement", bank: &file.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(id)
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
