//! Statements in the world's own forms (camt, MT): each account's sheet is kept by itself, pages made whole. What only tells of
//! movements (通知: camt.052, camt.054, MT942) proves no day and counts nowhere; when the day's statement is here, each movement
//! told of must stand in it, once.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{FileIn, PAGE, keep_sheet, kept, quarantine_set};
use crate::domain::exchange::{StatementEntry, StatementHead};
use crate::domain::file::FileInState;
use crate::domain::language::Words;
use crate::domain::statement::EntriesSum;
use crate::domain::time::Timestamp;
use crate::format::Profile;
use crate::format::statement::{Form, Statement, StatementError, head, is_home_currency, lines_of, whole};
use crate::passes::{Done, Gateway, PassError};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

/// One account's sheet of some days, as the house knows it.
struct Sheet {
    form: Form,
    head: StatementHead,
    /// The places of its pages among the statements of the file.
    pages: Vec<usize>,
    sum: EntriesSum,
}

/// A line, and whose: the place of its statement in the file.
type Line = (usize, StatementEntry);

/// Reads a file of statements and keeps each of them, or sets the file aside with every fault. It is read twice, and never held: once
/// to prove it, once for its lines.
pub(super) async fn stage(gateway: &Gateway, set: &[FileIn], profile: &Arc<Profile>, now: Timestamp) -> Result<Done, PassError> {
    let Some(file) = set.first() else { return Ok(Done::default()) };
    let sheets = match prove(profile, file).await? {
        Ok(sheets) => sheets,
        Err(problems) => return quarantine_set(gateway, set, &problems, now).await,
    };
    let mut tx = gateway.store.begin().await?;
    let mut lines = Lines::begin(profile, file);
    for (number, sheet) in sheets.iter().enumerate() {
        // A file is one statement's; each further one is registered over the same kept bytes.
        let of = if number == 0 { Some(file.clone()) } else { tx.register_again(file, number + 1, now).await? };
        let id = match &of {
            None => None,
            Some(of) if sheet.form.is_notice() => Some(tx.open_notice(of, &sheet.head, &sheet.sum, sheet.form.code()).await?),
            Some(of) => Some(keep_sheet(gateway, &mut tx, of, (&sheet.head, &sheet.sum), now).await?),
        };
        let mut first = 1;
        while let Some(some) = lines.of(sheet, first).await {
            first += u64::try_from(some.len()).unwrap_or(u64::MAX);
            if let Some(id) = id {
                tx.insert_entries(id, &some).await?;
            }
        }
        if first != sheet.sum.count + 1 {
            return Err(PassError::Broken(format!("{} was read twice, and is not the same", file.name)));
        }
        if id.is_some() {
            told_and_not_booked(gateway, &mut tx, file, sheet, now).await?;
        }
    }
    if !tx.move_set(set, FileInState::Applied, "", &gateway.holder, now).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    Ok(Done { changed: 1, ..Done::default() })
}

/// What its statements say and what their lines come to, or what is wrong with it.
async fn prove(profile: &Arc<Profile>, file: &FileIn) -> Result<Result<Vec<Sheet>, Vec<String>>, PassError> {
    let path = kept(file);
    let (reader, role, place) = (Arc::clone(profile), file.role.clone(), path.clone());
    let read = spawn_blocking(move || {
        let mut sums: Vec<Option<EntriesSum>> = Vec::new();
        let statements = scan(&reader, &role, &place, &mut |at, lines| {
            if sums.len() <= at {
                sums.resize(at + 1, Some(EntriesSum::default()));
            }
            if let Some(slot) = sums.get_mut(at) {
                // One amount too large for us, and there is no sum.
                *slot = slot.take().zip(lines).map(|(mut sum, lines)| {
                    lines.iter().for_each(|line| sum.add(line.into()));
                    sum
                });
            }
        });
        (statements, sums)
    });
    let (read, sums) = read.await.map_err(|e| PassError::Broken(format!("reading {} stopped: {e}", file.name)))?;
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
    let home: Vec<(usize, Statement)> = statements.into_iter().enumerate().filter(|(_, s)| is_home_currency(s)).collect();
    if home.is_empty() {
        return Ok(Err(vec![named("holds no statement in CNY".to_owned())]));
    }
    let sum = |pages: &[usize]| {
        let mut whole = EntriesSum::default();
        for page in pages {
            whole.join(sums.get(*page).copied().unwrap_or(Some(EntriesSum::default()))?);
        }
        Some(whole)
    };
    let sheet = |(s, pages): (Statement, Vec<usize>)| Some(Sheet { form: s.form, head: head(&s)?, sum: sum(&pages)?, pages });
    let sheets: Option<Vec<Sheet>> = whole(home).into_iter().map(sheet).collect();
    Ok(sheets.ok_or_else(|| vec![named("an amount is larger than we can count".to_owned())]))
}

/// Reads the file's statements; takes each movement's lines, where we can count them.
fn scan(
    profile: &Profile,
    role: &str,
    path: &Path,
    take: &mut dyn FnMut(usize, Option<Vec<StatementEntry>>),
) -> Option<Result<Vec<Statement>, StatementError>> {
    let opened = || -> io::Result<Box<dyn io::Read>> { Ok(Box::new(io::BufReader::with_capacity(1 << 20, File::open(path)?))) };
    profile.statements(role, &opened, &mut |at, movement| take(at, lines_of(&movement)))
}

/// The lines of a file, read on a thread of its own, with a bounded channel between it and the database.
struct Lines {
    pages: Receiver<Vec<Line>>,
    page: std::iter::Peekable<std::vec::IntoIter<Line>>,
    _reading: JoinHandle<()>,
}

impl Lines {
    fn begin(profile: &Arc<Profile>, file: &FileIn) -> Self {
        let (to, pages) = tokio::sync::mpsc::channel(2);
        let (reader, role, place) = (Arc::clone(profile), file.role.clone(), kept(file));
        let reading = spawn_blocking(move || {
            let mut page = Vec::with_capacity(PAGE);
            // What is wrong was said when it was proven; a file that ends early is told by the count of its lines.
            _ = scan(&reader, &role, &place, &mut |at, lines| {
                page.extend(lines.into_iter().flatten().map(|line| (at, line)));
                if page.len() >= PAGE {
                    // A closed channel means that the other side has failed: its error is the one to tell.
                    _ = to.blocking_send(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
                }
            });
            _ = to.blocking_send(page);
        });
        Self { pages, page: Vec::new().into_iter().peekable(), _reading: reading }
    }

    /// Some lines of this sheet, numbered on from `first`; `None` behind the last. Lines of statements that are nobody's sheet are
    /// passed over, before it and between its pages.
    async fn of(&mut self, sheet: &Sheet, first: u64) -> Option<Vec<StatementEntry>> {
        let last = sheet.pages.last()?;
        loop {
            let mut some = Vec::new();
            while let Some((at, mut line)) = self.page.next_if(|(at, _)| at <= last) {
                if sheet.pages.contains(&at) {
                    line.line = first + u64::try_from(some.len()).unwrap_or(u64::MAX);
                    some.push(line);
                }
            }
            if !some.is_empty() {
                return Some(some);
            }
            if self.page.peek().is_some() {
                return None;
            }
            self.page = self.pages.recv().await?.into_iter().peekable();
        }
    }
}

/// Movements that the bank told of and that its statements of those days do not show: a person asks.
async fn told_and_not_booked(gateway: &Gateway, tx: &mut Tx, file: &FileIn, sheet: &Sheet, now: Timestamp) -> Result<(), PassError> {
    let days = sheet.sum.days;
    let from = sheet.head.from.into_iter().chain(days.map(|d| d.0)).min();
    let to = sheet.head.to.into_iter().chain(days.map(|d| d.1)).max();
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
