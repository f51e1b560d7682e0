//! Banks are asked what became of payments (查询). A file whose result is overdue, or that holds lines of which nobody knows the
//! outcome, is asked about once a bank day, by a file, where the bank takes such files. What the bank answers comes in as every
//! other word of a bank and is applied by the same rules.
//!
//! An enquiry moves no money: asked twice it is harmless. So where it is not clear whether one went out, nothing is resolved
//! and nobody is called: it is left, and the same is asked on the next bank day under a new name.

use std::io::BufWriter;
use std::path::Path;

use chrono::NaiveDate;
use tempfile::NamedTempFile;

use super::plan::facts_of;
use super::{Done, Edge, Gateway, PassError, Tried, join};
use crate::domain::calendar::CalendarError;
use crate::domain::time::Timestamp;
use crate::store::enquiries::Enquiry;
use crate::store::outbound::{FileOut, Lease};
use crate::transport::Mailbox;

/// Lines read from the database at a time.
const PAGE: i64 = 5000;
/// A line that fails so often on one day is left alone until the next.
const ATTEMPTS_MAX: i64 = 5;

/// Asks about every file that is due for it, once a bank day.
///
/// # Errors
/// The database, or the spool's disk.
pub async fn ask_due(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let mut tried = Tried::default();
    match gateway.calendar.is_bank_day(today) {
        Ok(true) => {}
        // What the calendar does not know is told by whoever moves money.
        Ok(false) | Err(CalendarError::YearMissing { .. }) => return tried.end(),
        Err(e) => return Err(e.into()),
    }
    let files = gateway.store.read().await?.files_to_ask(now, gateway.at_hour(today, 0), today).await?;
    for id in files {
        let file = gateway.store.read().await?.file(id).await?;
        tried.note(match ask(gateway, &file, &gateway.holder, now).await {
            Ok(asked) => Ok(Done { changed: u64::from(asked.is_some()), ..Done::default() }),
            Err(e) => Err(e),
        });
    }
    tried.end()
}

/// Puts an enquiry about a file on the books: its name, and how many lines it asks about. `None`: the bank takes none, it was
/// asked today, or nothing of the file is open.
///
/// # Errors
/// The database, or the spool's disk.
pub async fn ask(gateway: &Gateway, file: &FileOut, by: &str, now: Timestamp) -> Result<Option<(String, u64)>, PassError> {
    let today = gateway.today(now);
    if !gateway.profile(&file.profile)?.has_enquiry() {
        return Ok(None);
    }
    let Some(written) = write(gateway, file, today).await? else { return Ok(None) };
    let mut tx = gateway.store.begin().await?;
    let Some(id) = tx.insert_enquiry(file, today, (&written.dir, &written.name, &written.sha256), now).await? else { return Ok(None) };
    let detail = format!("{} lines, {} yuan, {}", written.rows, written.total, written.name);
    tx.event("file_out", file.id, ("enquire", file.state.code(), file.state.code()), by, &detail, now).await?;
    tx.audit(by, "file.enquire", &file.id.to_string(), &detail, now).await?;
    tx.commit().await?;
    tracing::info!(file = file.id, enquiry = id, bank = file.bank, name = written.name, rows = written.rows, "enquiry planned");
    Ok(Some((written.name, written.rows)))
}

struct Written {
    dir: String,
    name: String,
    sha256: String,
    rows: u64,
    total: crate::domain::money::Fen,
}

/// Writes the enquiry into the spool, under what its bytes hash to. `None`: nothing is open, or the bank takes none.
async fn write(gateway: &Gateway, file: &FileOut, today: NaiveDate) -> Result<Option<Written>, PassError> {
    let profile = gateway.profile(&file.profile)?;
    let mut tx = gateway.store.read().await?;
    let agreement = tx.agreement(&file.agreement).await?;
    let words = tx.file_facts(file.id).await?;
    let mut facts = facts_of(file, &agreement, &words);
    (facts.count, facts.total) = tx.lines_to_ask(file).await?;
    if facts.count == 0 {
        return Ok(None);
    }
    let refused = |e: &dyn std::fmt::Display| PassError::Broken(format!("enquiry about file {}: {e}", file.id));
    let Some((dir, name)) = profile.enquiry_names(&facts, today).map_err(|e| refused(&e))? else { return Ok(None) };
    let spool = gateway.config.node.state_dir.join("spool");
    let part: NamedTempFile =
        tempfile::Builder::new().prefix("enquiry-").tempfile_in(&spool).map_err(PassError::local("making a file in", &spool))?;
    let Some(mut renderer) = profile.enquiry_renderer(&facts, BufWriter::new(part)).map_err(|e| refused(&e))? else { return Ok(None) };
    let mut next = file.first_id;
    loop {
        let page = tx.open_lines_from(file, next, PAGE, &words.project_short).await?;
        let Some((last, _)) = page.last() else { break };
        next = last + 1;
        for (_, line) in &page {
            renderer.line(line).map_err(|e| refused(&e))?;
        }
    }
    let (out, rendered) = renderer.finish().map_err(|e| refused(&e))?;
    let part = out.into_inner().map_err(|e| PassError::local("writing into", &spool)(e.into_error()))?;
    let place = gateway.spool(&rendered.sha256);
    part.persist(&place).map_err(|e| PassError::local("keeping", &place)(e.error))?;
    Ok(Some(Written { dir, name, sha256: rendered.sha256, rows: rendered.rows, total: rendered.total }))
}

/// Sends what is on the books for one bank: part, then rename.
///
/// # Errors
/// The database or the mailbox.
pub async fn send(gateway: &Gateway, bank: &str, lease: &Lease, now: Timestamp) -> Result<Done, PassError> {
    let Some(edge) = gateway.edges.get(bank) else { return Ok(Done::default()) };
    let queue = gateway.store.read().await?.enquiries_open(bank).await?;
    let mut done = Done::default();
    if queue.is_empty() {
        return Ok(done);
    }
    let mut mailbox = edge.transport.open().await?;
    for q in queue {
        done += if q.state == "uploading" || q.asked_on < gateway.today(now) || q.attempt >= ATTEMPTS_MAX {
            settle(gateway, edge, &mut mailbox, &q, now).await?
        } else {
            send_one(gateway, (edge, lease), &mut mailbox, q, now).await?
        };
    }
    Ok(done)
}

/// What an earlier run left: it is there, or it is left, and asked again on the next bank day.
async fn settle(gateway: &Gateway, edge: &Edge, mailbox: &mut Mailbox, q: &Enquiry, now: Timestamp) -> Result<Done, PassError> {
    let is_there = mailbox.stat(&path(edge, q)).await?.is_some();
    end(gateway, q, if is_there { "sent" } else { "held" }, now).await
}

fn path(edge: &Edge, q: &Enquiry) -> String {
    join(&join(&edge.inbox, &q.dir), &q.name)
}

async fn send_one(
    gateway: &Gateway,
    (edge, lease): (&Edge, &Lease),
    mailbox: &mut Mailbox,
    q: Enquiry,
    now: Timestamp,
) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    if !tx.stamp_enquiry(&q, lease).await? {
        return Ok(Done::default());
    }
    tx.commit().await?;
    let q = Enquiry { state: "uploading".to_owned(), attempt: q.attempt + 1, ..q };
    let spooled = gateway.spool(&q.sha256);
    if !spooled.is_file() {
        // Another node wrote it: the next enquiry is written anew, by whoever sends then.
        return end(gateway, &q, "held", now).await;
    }
    let part = format!("{}.{}.{}.part", path(edge, &q), lease.fence, q.attempt);
    if let Err(e) = upload(edge, mailbox, &q, &part, &spooled).await {
        // Nothing was renamed: it is tried again today.
        _ = mailbox.remove(&part).await;
        end(gateway, &q, "planned", now).await?;
        return Err(e);
    }
    mailbox.rename(&part, &path(edge, &q)).await?;
    _ = std::fs::remove_file(&spooled);
    tracing::info!(file = q.file_out, bank = q.bank, name = q.name, "enquiry sent");
    end(gateway, &q, "sent", now).await
}

async fn upload(edge: &Edge, mailbox: &mut Mailbox, q: &Enquiry, part: &str, spooled: &Path) -> Result<(), PassError> {
    mailbox.ensure_dir(&join(&edge.inbox, &q.dir)).await?;
    let sent = mailbox.put_new(part, spooled).await?;
    if sent.sha256 != q.sha256 {
        return Err(PassError::Broken(format!("the spool's bytes of enquiry {} are not those that were written", q.id)));
    }
    Ok(())
}

async fn end(gateway: &Gateway, q: &Enquiry, to: &str, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    let moved = tx.end_enquiry(q, to, now).await?;
    if moved {
        tx.event("enquiry", q.id, ("move", &q.state, to), &gateway.holder, &q.name, now).await?;
        tx.commit().await?;
    }
    Ok(Done { changed: u64::from(moved), ..Done::default() })
}
