//! The funds of a purse (资金): what arrived and when, what of it is spoken for, instructed, paid, back, free; and of each batch,
//! when its money was there and when the last card was credited.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::calendar::Calendar;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Money that arrived, or will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// Its number.
    pub id: i64,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// `quota` or `cash`.
    pub funds_model: String,
    /// How much.
    pub fen: Fen,
    /// When.
    pub arrived_at: Timestamp,
    /// Whether it is in the books.
    pub is_booked: bool,
    /// Why it does not count: empty, `future` or `funds_model`.
    pub aside: String,
}

/// Where a purse's money lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PurseView {
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// What arrived and counts.
    pub arrived: Fen,
    /// Admitted and in no file.
    pub spoken_for: Fen,
    /// In files, without the bank's last word.
    pub instructed: Fen,
    /// Credited.
    pub paid: Fen,
    /// Not credited or sent back, not yet with the treasury.
    pub back: Fen,
    /// Outcome unknown or contradicted.
    pub unknown: Fen,
    /// On its way to the treasury.
    pub refunding: Fen,
    /// Free for the next batch.
    pub free: Fen,
    /// What arrived, and when.
    pub arrivals: Vec<Arrival>,
}

/// A batch and its money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchFunds {
    /// Its number.
    pub number: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// `admitted`, `held` …
    pub state: String,
    /// What it declares.
    pub declared: Fen,
    /// What passed the gate.
    pub admitted: Fen,
    /// Without a file, in files, or unknown: not on the cards, and not known to have failed.
    pub open: Fen,
    /// Credited.
    pub paid: Fen,
    /// When it was released.
    pub released_at: Timestamp,
    /// Since when it waits for funds.
    pub held_since: Option<Timestamp>,
    /// What arrived in its purse since it was released.
    pub arrived_since: Fen,
    /// When the money that pays it was there.
    pub funded_at: Option<Timestamp>,
    /// When the last card was credited.
    pub credited_at: Option<Timestamp>,
    /// Working days from the money to the cards, or to today while some is open.
    pub working_days: Option<u32>,
}

/// Whether an arrival's model is one that an agreement of its department works by.
const MODEL_FITS: &str = "exists (select 1 from agreement g where g.department = f.department and g.funds_model = f.funds_model)";

fn arrival(r: &Row) -> Result<Arrival, StoreError> {
    Ok(Arrival {
        id: r.int(0)?,
        department: r.string(1)?,
        project: r.string(2)?,
        year: i32::try_from(r.int(3)?).map_err(|_| StoreError::column(3, "a year"))?,
        funds_model: r.string(4)?,
        fen: r.fen(5)?,
        arrived_at: Timestamp::from_millis(r.int(6)?),
        is_booked: r.int(7)? == 1,
        aside: r.string(8)?,
    })
}

impl Tx {
    /// What was announced for purses; the empty text stands for all departments.
    ///
    /// # Errors
    /// The database refused.
    pub async fn arrivals(&mut self, department: &str, now: Timestamp) -> Result<Vec<Arrival>, StoreError> {
        let sql = format!(
            "select f.id, f.department, f.project, f.year, f.funds_model, f.amount_fen, f.arrived_at, case when e.id is null then 0 else 1 end, \
             case when e.id is not null then '' when f.arrived_at > $2 then 'future' when not {MODEL_FITS} then 'funds_model' else '' end \
             from funding f left join entry e on e.funding = f.id where $1 = '' or f.department = $1 order by f.department, f.project, f.year, f.arrived_at, f.id"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![department, now]).await?.iter().map(arrival).collect()
    }

    /// Money that arrived by now and is not in the ledger. What is `aside` cannot be: its funds model is none of its department's
    /// agreements'.
    ///
    /// # Errors
    /// The database refused.
    pub async fn funds_to_book(&mut self, now: Timestamp) -> Result<Vec<Arrival>, StoreError> {
        let here = self.rows("select funding from funding_to_book order by funding", args![]).await?;
        // One by one: a plan that joined them could as well go through all that ever arrived. A mark is a hint, the ledger decides: what is
        // booked already would be refused there, and with it all that came together with it.
        let sql = format!(
            "select f.id, f.department, f.project, f.year, f.funds_model, f.amount_fen, f.arrived_at, 0, case when {MODEL_FITS} then '' else 'funds_model' end \
             from funding f where f.id = $1 and f.arrived_at <= $2 and not exists (select 1 from entry e where e.funding = f.id)"
        );
        let mut found = Vec::with_capacity(here.len());
        for row in here {
            let Some(r) = self.opt(sqlx::AssertSqlSafe(sql.clone()), args![row.int(0)?, now]).await? else { continue };
            found.push(arrival(&r)?);
        }
        Ok(found)
    }

    /// An arrival is in the ledger.
    ///
    /// # Errors
    /// The database refused.
    pub async fn funds_booked(&mut self, funding: i64) -> Result<(), StoreError> {
        self.exec("delete from funding_to_book where funding = $1", args![funding]).await?;
        Ok(())
    }

    /// Where the money of every purse lies, with its arrivals.
    ///
    /// # Errors
    /// The database refused.
    pub async fn purses(&mut self, department: &str, now: Timestamp) -> Result<Vec<PurseView>, StoreError> {
        let sql = "select department, project, year, kind, cast(sum(balance_fen) as bigint) from account where $1 = '' or department = $1 \
                   group by department, project, year, kind order by department, project, year, kind";
        let mut purses: BTreeMap<PurseKey, PurseView> = BTreeMap::new();
        for a in self.arrivals(department, now).await? {
            let purse = with_purse(&mut purses, (a.department.clone(), a.project.clone(), a.year));
            if a.is_booked {
                purse.arrived = plus(purse.arrived, a.fen)?;
            }
            purse.arrivals.push(a);
        }
        for r in self.rows(sql, args![department]).await? {
            let year = i32::try_from(r.int(2)?).map_err(|_| StoreError::column(2, "a year"))?;
            let (kind, fen) = (r.string(3)?, r.fen(4)?);
            let purse = with_purse(&mut purses, (r.string(0)?, r.string(1)?, year));
            let place = match kind.as_str() {
                "zero_balance" => &mut purse.free,
                "bank_clearing" => &mut purse.instructed,
                "paid" => &mut purse.paid,
                "suspense:correctable" | "suspense:ineligible" | "carry" => &mut purse.back,
                "suspense:unknown" | "conflict" => &mut purse.unknown,
                "refund_in_transit" => &mut purse.refunding,
                _ => continue,
            };
            *place = plus(*place, fen)?;
        }
        for purse in purses.values_mut() {
            purse.spoken_for = self.spoken_for(&purse.department, &purse.project, purse.year).await?;
            purse.free = purse.free.checked_sub(purse.spoken_for).unwrap_or(purse.free);
        }
        Ok(purses.into_values().collect())
    }

    /// Batches that passed the gate or wait for funds there, in the order in which they take money.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_funds(&mut self, batch: &str, department: &str) -> Result<Vec<BatchFunds>, StoreError> {
        let sql = "select b.number, b.department, b.project, a.year, a.state, b.declared_fen, a.admitted_fen, b.released_at, a.decided_at, b.kind, \
                   (select cast(coalesce(sum(t.open_fen), 0) as bigint) from tranche t where t.batch = b.number and t.next_id <= t.last_id), \
                   (select cast(coalesce(sum(p.amount_fen), 0) as bigint) from entry e join posting p on p.entry = e.id join account c on c.id = p.account \
                   where e.batch = b.number and c.kind in ('bank_clearing', 'suspense:unknown', 'conflict')), \
                   (select cast(coalesce(sum(p.amount_fen), 0) as bigint) from entry e join posting p on p.entry = e.id join account c on c.id = p.account \
                   where e.batch = b.number and c.kind = 'paid'), \
                   (select max(e.at) from entry e join posting p on p.entry = e.id join account c on c.id = p.account \
                   where e.batch = b.number and c.kind = 'paid' and p.amount_fen > 0) \
                   from batch b join admission a on a.batch = b.number where a.state <> 'returned' and ($1 = '' or b.number = $1) and ($2 = '' or b.department = $2) \
                   order by case a.state when 'admitted' then 0 else 1 end, a.decided_at, b.number";
        self.rows(sql, args![batch, department])
            .await?
            .iter()
            .map(|r| {
                let state = r.string(4)?;
                let decided = Timestamp::from_millis(r.int(8)?);
                let is_held = state == "held";
                let takes_none = r.text(9)? == "reissue";
                Ok(BatchFunds {
                    number: r.string(0)?,
                    department: r.string(1)?,
                    project: r.string(2)?,
                    year: i32::try_from(r.int(3)?).map_err(|_| StoreError::column(3, "a year"))?,
                    declared: r.fen(5)?,
                    admitted: r.fen(6)?,
                    released_at: Timestamp::from_millis(r.int(7)?),
                    held_since: is_held.then_some(decided),
                    open: if is_held { r.fen(5)? } else { plus(r.fen(10)?, r.fen(11)?)? },
                    paid: r.fen(12)?,
                    credited_at: r.opt_time(13)?,
                    state,
                    arrived_since: Fen::ZERO,
                    // What failed is paid again from money that was there long ago; its age begins at the gate.
                    funded_at: takes_none.then_some(decided),
                    working_days: None,
                })
            })
            .collect()
    }

    /// What the rows of a reissue ask of new funds: the sum of those whose predecessor was carried over the year's end.
    ///
    /// # Errors
    /// The database refused.
    pub async fn carried_among(&mut self, instructions: &[i64]) -> Result<Fen, StoreError> {
        let mut sum = Fen::ZERO;
        for some in instructions.chunks(5000) {
            let list = some.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let sql = format!(
                "select cast(coalesce(sum(i.amount_fen), 0) as bigint) from instruction i join instruction_state s on s.instruction_id = i.id \
                 where s.state = 'carried' and i.id in ({list})"
            );
            sum = plus(sum, self.one(sqlx::AssertSqlSafe(sql), args![]).await?.fen(0)?)?;
        }
        Ok(sum)
    }

    /// What lies beside a purse and does not count for it: money of other years, of another model, and what is still to come.
    ///
    /// # Errors
    /// The database refused.
    pub async fn funds_aside(&mut self, department: &str, project: &str, year: i32, now: Timestamp) -> Result<[Fen; 3], StoreError> {
        let mut aside = [Fen::ZERO; 3];
        for a in self.arrivals(department, now).await?.into_iter().filter(|a| a.project == project) {
            let place = match (a.year == year, a.aside.as_str()) {
                (false, _) => 0,
                (true, "funds_model") => 1,
                (true, "future") => 2,
                (true, _) => continue,
            };
            if let Some(sum) = aside.get_mut(place) {
                *sum = plus(*sum, a.fen)?;
            }
        }
        Ok(aside)
    }
}

/// Gives each batch the day on which its money was there: what arrived first pays what passed the gate first. The oldest
/// that is not on the cards comes first.
pub fn age(batches: &mut [BatchFunds], purses: &[PurseView], (calendar, zone): (&Calendar, Tz), now: Timestamp) {
    let mut taken: BTreeMap<(String, String, i32), Fen> = BTreeMap::new();
    for b in batches.iter_mut() {
        let arrivals: Vec<&Arrival> = purses
            .iter()
            .filter(|p| (p.department.as_str(), p.project.as_str(), p.year) == (b.department.as_str(), b.project.as_str(), b.year))
            .flat_map(|p| &p.arrivals)
            .filter(|a| a.is_booked)
            .collect();
        b.arrived_since = arrivals.iter().filter(|a| a.arrived_at >= b.released_at).map(|a| a.fen).sum();
        // A reissue is paid from what was there: its age began at the gate.
        if b.funded_at.is_none() {
            let key = (b.department.clone(), b.project.clone(), b.year);
            let sum = taken.entry(key).or_insert(Fen::ZERO);
            *sum = sum.checked_add(if b.state == "held" { b.declared } else { b.admitted }).unwrap_or(*sum);
            let mut there = Fen::ZERO;
            b.funded_at = arrivals
                .iter()
                .find(|a| {
                    there = there.checked_add(a.fen).unwrap_or(there);
                    there >= *sum
                })
                .map(|a| a.arrived_at);
        }
        let until = if b.open.is_positive() { Some(now) } else { b.credited_at };
        b.working_days = match (b.funded_at, until) {
            (Some(from), Some(until)) => calendar.working_days_between(from.date(zone), until.date(zone)).ok(),
            (Some(_) | None, _) => None,
        };
    }
    batches.sort_by_key(|b| (!b.open.is_positive(), b.funded_at.is_none(), b.funded_at, b.number.clone()));
}

/// Adds to a purse, which is made where there is none yet.
fn with_purse(purses: &mut BTreeMap<PurseKey, PurseView>, key: PurseKey) -> &mut PurseView {
    purses.entry(key).or_insert_with_key(|(department, project, year)| PurseView {
        department: department.clone(),
        project: project.clone(),
        year: *year,
        ..PurseView::default()
    })
}

type PurseKey = (String, String, i32);

fn plus(a: Fen, b: Fen) -> Result<Fen, StoreError> {
    a.checked_add(b).ok_or_else(|| StoreError::Broken("a sum does not fit".to_owned()))
}
