//! Months and years end at zero (按月清零, 年终结转). A period is begun by its cut: in one transaction no other entry can be
//! numbered, what lies where is written down line by line, and everything that nobody may keep is put into refund orders. It
//! ends with its seal: only when each of those lines is back at the treasury by its order's own proof (or left otherwise),
//! and ledger and lines agree to the fen. Between the two nothing is held in memory: whoever comes next reads the rows.

/// What a person asks.
pub mod ask;
/// What a certificate certifies, and what stands in its way.
pub mod figures;
/// What could not be put right in its year.
mod year;

use chrono::{Datelike as _, NaiveDate};
use sha2::{Digest as _, Sha256};

use super::refund::{self, Ask};
use super::{Done, Gateway, PassError, Tried, guard};
use crate::domain::closing::{ItemKind, Month, Obstacle, PeriodState, Scope, certificate_number};
use crate::domain::language::Words;
use crate::domain::refund::Why;
use crate::domain::time::Timestamp;
use crate::store::closing::{NewPeriod, Period, PurseSpan, Which};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

pub use ask::{close_month, close_year};

/// Who acts when the daemon does.
const DAEMON: &str = "bankgate";
/// So many departments' projects are named in an alarm.
const NAMED: usize = 5;

/// Begins what is due, brings forward what was begun, tells what stands in the way.
///
/// # Errors
/// The database; a year whose working days nobody knows.
pub async fn close(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut tried = Tried::default();
    for (cut, span) in months_due(gateway, now).await? {
        tried.note(begin_month(gateway, DAEMON, cut, &span, now).await.map(count));
    }
    for (department, project, of_year) in years_due(gateway, now).await? {
        tried.note(year::begin(gateway, DAEMON, (&department, &project, of_year), now).await.map(count));
    }
    tried.note(year::lapse_late(gateway, DAEMON, now).await);
    let unsealed = gateway.store.read().await?.periods_unsealed().await?;
    for period in &unsealed {
        tried.note(advance(gateway, DAEMON, period, now).await.map(count));
    }
    tried.note(tell(gateway, now).await);
    tried.end()
}

fn count(changed: bool) -> Done {
    Done { changed: u64::from(changed), ..Done::default() }
}

/// A month of a purse that can be cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// With whatever was booked until now.
    Now(Month),
    /// Nothing lay at the cut before it and nothing moved in it: whatever is booked by now is a later month's.
    Quiet(Month),
}

impl Cut {
    const fn month(self) -> Month {
        match self {
            Self::Now(month) | Self::Quiet(month) => month,
        }
    }
}

/// The next month of each purse whose day has come. One a run: the months behind it begin at its cut.
async fn months_due(gateway: &Gateway, now: Timestamp) -> Result<Vec<(Cut, PurseSpan)>, PassError> {
    let spans = gateway.store.read().await?.purse_spans().await?;
    let mut due = Vec::new();
    for span in spans {
        let Some(cut) = next_month(gateway, &span)? else { continue };
        if cut_at(gateway, cut.month().close_day(&gateway.calendar, gateway.config.close.day)?) <= now {
            due.push((cut, span));
        }
    }
    Ok(due)
}

/// The month behind a purse's last; the one in which it first moved, where it has none. Every month is cut, also where nothing
/// moved: a certificate that is not there means something.
fn next_month(gateway: &Gateway, span: &PurseSpan) -> Result<Option<Cut>, PassError> {
    let moved = match span.first_at {
        Some(at) => Some(Month::of(gateway.today(at), &gateway.calendar, gateway.config.close.day)?),
        None => None,
    };
    let Some(next) = parsed(&span.month).map(Month::next) else { return Ok(moved.map(Cut::Now)) };
    let is_quiet = !span.is_waiting && moved.is_none_or(|moved| moved > next);
    Ok(Some(if is_quiet { Cut::Quiet(next) } else { Cut::Now(next) }))
}

fn parsed(month: &str) -> Option<Month> {
    month.parse().ok()
}

async fn years_due(gateway: &Gateway, now: Timestamp) -> Result<Vec<(String, String, i32)>, PassError> {
    let all = gateway.store.read().await?.years_to_close(gateway.today(now).year()).await?;
    let mut due = Vec::new();
    for (department, project, of_year) in all {
        if cut_at(gateway, gateway.config.close.year_day.close_day(of_year, &gateway.calendar)?) <= now {
            due.push((department, project, of_year));
        }
    }
    Ok(due)
}

/// Takes a month's cut for one purse, with all that follows from it, or finds that it was taken. Says whether it did.
async fn begin_month(gateway: &Gateway, by: &str, cut: Cut, span: &PurseSpan, now: Timestamp) -> Result<bool, PassError> {
    let month = cut.month();
    let close_on = month.close_day(&gateway.calendar, gateway.config.close.day)?;
    let name = month.to_string();
    guard::look(gateway, now).await?;
    let mut tx = gateway.store.begin().await?;
    let to_entry = tx.entry_cut().await?;
    let which = Which { period: String::new(), department: span.department.clone(), project: span.project.clone() };
    let cut_before = tx.periods(Scope::Month, &which).await?;
    if cut_before.iter().any(|p| p.period >= name) {
        return Ok(false);
    }
    let from_entry = cut_before.iter().map(|p| p.to_entry).max().unwrap_or_default();
    // What lies there now came behind the cut of a quiet month.
    let (to_entry, of_year) = match cut {
        Cut::Now(_) => (to_entry, Some(0)),
        Cut::Quiet(_) => (from_entry, None),
    };
    let (department, project) = (span.department.as_str(), span.project.as_str());
    let new = NewPeriod { scope: Scope::Month, period: &name, department, project, close_on, from_entry, to_entry };
    begin(gateway, &mut tx, by, &new, of_year, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// The cut's row, its lines (of a fiscal year, 0 for all; none where nothing can lie), its orders, in the transaction that took it.
async fn begin(
    gateway: &Gateway,
    tx: &mut Tx,
    by: &str,
    new: &NewPeriod<'_>,
    of_year: Option<i32>,
    now: Timestamp,
) -> Result<(), PassError> {
    let id = tx.insert_period(new, now).await?;
    let lines = match of_year {
        Some(of_year) => tx.insert_items(id, new.department, new.project, of_year).await?,
        None => 0,
    };
    let number = certificate_number(new.period, new.department, new.project);
    let words = format!("entries {} to {}, {lines} lines", new.from_entry + 1, new.to_entry);
    tx.audit(by, "close.cut", &number, &words, now).await?;
    tx.event("period_close", id, ("cut", "", PeriodState::Open.code()), by, &words, now).await?;
    let which = Which { period: new.period.to_owned(), department: new.department.to_owned(), project: new.project.to_owned() };
    let Some(period) = tx.periods(new.scope, &which).await?.pop() else {
        return Err(PassError::Broken(format!("period {number} was begun and is not there")));
    };
    propose(gateway, tx, by, &period, now).await?;
    tell_unknown(gateway, tx, &period, now).await?;
    tracing::info!(number, lines, cut = new.to_entry, "a period was cut");
    Ok(())
}

/// Orders for everything of a period that has to go back and stands in none. Says whether one was made.
async fn propose(gateway: &Gateway, tx: &mut Tx, by: &str, period: &Period, now: Timestamp) -> Result<bool, PassError> {
    let kind = due_back(period.scope);
    let years: Vec<i32> = tx.item_sums(period.id).await?.iter().filter(|s| s.kind == kind).map(|s| s.year).collect();
    let this_year = gateway.today(now).year();
    let mut made = false;
    for of_year in years {
        let (why, month) = match period.scope {
            Scope::Month => (Why::Ineligible, period.period.as_str()),
            Scope::Year if of_year < this_year => (Why::EarlierYear, ""),
            Scope::Year => (Why::NotFixedInYear, ""),
        };
        let ask = Ask { department: &period.department, project: &period.project, year: of_year, why, month };
        made |= !refund::propose(gateway, tx, by, &ask, now).await?.is_empty();
    }
    if made && tx.period_refunding(period.id).await? {
        tx.event("period_close", period.id, ("refund", "open", "refunding"), by, "", now).await?;
    }
    Ok(made)
}

/// What a period gives back.
pub(crate) const fn due_back(scope: Scope) -> ItemKind {
    match scope {
        Scope::Month => ItemKind::Ineligible,
        Scope::Year => ItemKind::Lapsed,
    }
}

/// Proposes what is in no order, or seals what is proven. Says whether anything changed.
async fn advance(gateway: &Gateway, by: &str, seen: &Period, now: Timestamp) -> Result<bool, PassError> {
    // Asked at every round, and mostly it waits for a person or a bank: reading first, nobody waits for a lock.
    let obstacles = figures::obstacles(&mut gateway.store.read().await?, seen).await?;
    let lacks_order = |found: &[Obstacle]| found.iter().any(|o| matches!(o, Obstacle::NoOrder { .. }));
    if !obstacles.is_empty() && !lacks_order(&obstacles) {
        return Ok(false);
    }
    if !obstacles.is_empty() {
        guard::look(gateway, now).await?;
    }
    let mut tx = gateway.store.begin().await?;
    let entry = tx.entry_cut().await?;
    let Some(period) = tx.lock_period(seen.id).await? else { return Ok(false) };
    let obstacles = figures::obstacles(&mut tx, &period).await?;
    let changed = if obstacles.is_empty() {
        seal(&mut tx, by, &period, entry, now).await?
    } else {
        lacks_order(&obstacles) && propose(gateway, &mut tx, by, &period, now).await?
    };
    if changed {
        tx.commit().await?;
    }
    Ok(changed)
}

/// Seals a period, behind its row's lock and with the ledger's last entry: figures, hash, audit.
async fn seal(tx: &mut Tx, by: &str, period: &Period, entry: i64, now: Timestamp) -> Result<bool, PassError> {
    let figures = figures::figures(tx, period, None).await?;
    if figures.remains() != crate::domain::money::Fen::ZERO {
        return Err(PassError::Broken(format!("{} has nothing in its way, and {} remains", figures.number, figures.remains())));
    }
    let sha256 = hex::encode(Sha256::digest(figures.text().as_bytes()));
    let head = tx.audit(by, "close.seal", &figures.number, &sha256, now).await?;
    if !tx.seal_period(period.id, &figures, (&sha256, &head), entry, now).await? {
        return Ok(false);
    }
    tx.event("period_close", period.id, ("seal", period.state.code(), "sealed"), by, &sha256, now).await?;
    tracing::info!(number = figures.number, sha256, "a period was sealed");
    Ok(true)
}

/// Unknown payments are excluded from the proof, so somebody must hear how many there are.
async fn tell_unknown(gateway: &Gateway, tx: &mut Tx, period: &Period, now: Timestamp) -> Result<(), PassError> {
    let mut unknown = crate::domain::closing::Sum::default();
    tx.item_sums(period.id).await?.iter().filter(|s| s.kind == ItemKind::Unknown).for_each(|s| unknown += s.sum);
    let key = format!("close_unknown:{}", period.period);
    if unknown.count == 0 || tx.is_incident_open(&key).await? {
        return Ok(());
    }
    let (name, purse) = (&period.period, format!("{}/{}", period.department, period.project));
    let what = gateway.say(Words::new(
        format!("{name}清零截止时{purse}有{}笔{}元结果不明，不计入清零，须向银行查询", unknown.count, unknown.fen),
        format!(
            "at the cut of {name} {} payments of {} yuan of {purse} are unknown: they are excluded, and the bank is to be asked",
            unknown.count, unknown.fen
        ),
    ));
    let next_step = gateway.say(Words::new(
        format!("`bankgate close show {name}` 列出各笔；请银行书面答复"),
        format!("`bankgate close show {name}` lists them; get the bank's word in writing"),
    ));
    tx.incident(&NewIncident { key: &key, kind: "close_unknown", bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// One alarm a period for what stands in the way of its seals; none where nothing does any more.
async fn tell(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut read = gateway.store.read().await?;
    let mut cleared = read.closings_cleared().await?;
    cleared.extend(read.unknowns_cleared().await?);
    let mut waiting: Vec<(String, Scope, String, Vec<Words>)> = Vec::new();
    for period in read.periods_unsealed().await? {
        let key = format!("close:{}:{}", period.scope.code(), period.period);
        if read.is_incident_open(&key).await? {
            continue;
        }
        let words = figures::obstacles(&mut read, &period).await?.iter().map(Obstacle::words).collect::<Vec<_>>();
        let named = words.into_iter().map(|w| {
            let purse = format!("{}/{}", period.department, period.project);
            Words::new(format!("{purse}：{}", w.zh), format!("{purse}: {}", w.en))
        });
        match waiting.iter_mut().find(|(k, ..)| *k == key) {
            Some((.., all)) => all.extend(named),
            None => waiting.push((key, period.scope, period.period.clone(), named.collect())),
        }
    }
    drop(read);
    let mut done = Done::default();
    for key in cleared {
        done += count(gateway.settle(&key, now).await?);
    }
    for (key, scope, name, words) in waiting.into_iter().filter(|(.., words)| !words.is_empty()) {
        let (n, some) = (words.len(), words.iter().take(NAMED));
        let (zh, en): (Vec<_>, Vec<_>) = some.map(|w| (w.zh.clone(), w.en.clone())).unzip();
        let what = gateway.say(Words::new(
            format!("{name}尚不能清零封存（{n}项）：{}", zh.join("；")),
            format!("{name} cannot be sealed yet ({n} things): {}", en.join("; ")),
        ));
        let command = format!("bankgate close --{} {name}", scope.code());
        let next_step = gateway.say(Words::new(format!("`{command}` 逐户列出"), format!("`{command}` lists them all")));
        done +=
            count(gateway.tell(&NewIncident { key: &key, kind: "close_waits", bank: "", what: &what, next_step: &next_step }, now).await?);
    }
    Ok(done)
}

/// The first moment at which the daemon takes a cut.
#[must_use]
pub fn cut_at(gateway: &Gateway, close_on: NaiveDate) -> Timestamp {
    Timestamp::from_local(gateway.config.close.cut_at.on(close_on), gateway.zone())
}
