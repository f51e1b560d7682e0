//! How a pretend bank behaves: its moods, its way of debiting, what it sends back, where its statements go wrong, its days.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;

use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// When a bank's day ends and its statements are written; what is booked later belongs to the next day.
const DAY_ENDS: NaiveTime = match NaiveTime::from_hms_opt(18, 30, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// When in the morning a bank sends back what did not stay on its customers' accounts.
const RETURNS_AT: NaiveTime = match NaiveTime::from_hms_opt(10, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// The longest row of days on which no bank opens.
const LONGEST_HOLIDAY: usize = 31;

/// How a pretend bank behaves. The default is a bank without moods.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Minutes between taking a file and answering it, at least and at most.
    pub answer_delay_minutes: RangeInclusive<u32>,
    /// Minutes between two looks into the inbox.
    pub pickup_every_minutes: u32,
    /// Of a thousand rows, how many meet a busy bank. Never twice for one account and amount.
    pub busy_per_mille: u32,
    /// Of a thousand rows, how many fail though nothing is wrong with them.
    pub wrong_per_mille: u32,
    /// Each file whose place among all taken is a multiple of this is paid as any other, but never answered.
    pub silent_every: Option<u64>,
    /// Whether an accepted file is acknowledged, where the layout has acknowledgements. Refusals always are.
    pub ack: bool,
    /// What a file takes from the payer, and when.
    pub debits: Debits,
    /// Of a thousand payments, how many are sent back later (退票). Those of one file come back together.
    pub return_per_mille: u32,
    /// How many days later, at least and at most; where no bank opens on that day, on the next on which it does.
    pub return_after_days: RangeInclusive<u32>,
    /// What goes wrong on statements, each once, and put right by a later one. A missing statement comes when it is asked for.
    pub statement_faults: Vec<(When, Fault)>,
    /// On which days it books and writes statements.
    pub bank_days: BankDays,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer_delay_minutes: 60..=240,
            pickup_every_minutes: 20,
            busy_per_mille: 0,
            wrong_per_mille: 0,
            silent_every: None,
            ack: true,
            debits: Debits::Net,
            return_per_mille: 0,
            return_after_days: 1..=30,
            statement_faults: Vec::new(),
            bank_days: BankDays::default(),
        }
    }
}

/// What a payment file takes from its payer, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debits {
    /// What was paid, in one sum, when the file is answered.
    Net,
    /// The whole file in one sum when it is taken; what was not paid comes back when it is answered.
    Gross {
        /// Whether it comes back one by one under the payer's references, and not in one sum.
        one_by_one: bool,
    },
    /// Every payment by itself, under the payer's reference.
    ItemByItem,
}

/// When something goes wrong: at the first statement from then on that can have the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The statement of this day.
    Day(NaiveDate),
    /// The bank's statement with this number, counted from one.
    Nth(usize),
}

impl When {
    pub(super) fn has_come(self, day: NaiveDate, number: usize) -> bool {
        match self {
            Self::Day(on) => day >= on,
            Self::Nth(nth) => number >= nth,
        }
    }
}

/// What can be wrong with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A payment's debit is left out of so many statements; the next one has it, said to be late (补记).
    Miss(u32),
    /// A payment was sent back and the bank's file says so; the credit is left out of so many statements.
    Withhold(u32),
    /// A debit stands there twice; the second is taken back on the next statement (冲正).
    Double,
    /// A fee of so much is taken; it is given back on the next statement (冲正).
    Charge(Fen),
    /// One digit of a debit is wrong; the next statement corrects it by the difference.
    MisKey,
    /// The statement comes a bank day late.
    Late,
    /// The statement does not come until somebody asks for it.
    Missing,
}

/// The days on which a bank books and writes statements. Mondays to Fridays, unless a calendar says otherwise.
#[derive(Clone)]
pub struct BankDays(Arc<dyn Fn(NaiveDate) -> bool + Send + Sync>);

impl Default for BankDays {
    fn default() -> Self {
        Self::by(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
    }
}

impl fmt::Debug for BankDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BankDays")
    }
}

impl BankDays {
    /// The days for which this says yes.
    #[must_use]
    pub fn by(is_open: impl Fn(NaiveDate) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_open))
    }

    pub(super) fn is_open(&self, day: NaiveDate) -> bool {
        (self.0)(day)
    }

    /// This day if the bank is open, or the next one on which it is.
    pub(super) fn on_or_after(&self, day: NaiveDate) -> NaiveDate {
        day.iter_days().take(LONGEST_HOLIDAY).find(|day| self.is_open(*day)).unwrap_or(day)
    }

    /// The next day after this one on which the bank is open.
    pub(super) fn after(&self, day: NaiveDate) -> NaiveDate {
        self.on_or_after(day + TimeDelta::days(1))
    }

    /// The day to which belongs what is booked now: never one whose statement is written.
    pub(super) fn booking_day(&self, now: Timestamp, zone: Tz, last_stated: Option<NaiveDate>) -> NaiveDate {
        let local = now.local(zone);
        let day = if local.time() < DAY_ENDS { self.on_or_after(local.date()) } else { self.after(local.date()) };
        match last_stated {
            Some(stated) if stated >= day => self.after(stated),
            Some(_) | None => day,
        }
    }
}

/// The last day that is over at the bank.
pub(super) fn closed_day(now: Timestamp, zone: Tz) -> NaiveDate {
    let local = now.local(zone);
    if local.time() < DAY_ENDS { local.date() - TimeDelta::days(1) } else { local.date() }
}

/// When the next day ends.
pub(super) fn day_end_after(now: Timestamp, zone: Tz) -> Timestamp {
    let today = now.date(zone);
    let end = Timestamp::from_local(today.and_time(DAY_ENDS), zone);
    if end > now { end } else { Timestamp::from_local((today + TimeDelta::days(1)).and_time(DAY_ENDS), zone) }
}

/// When on this day payments are sent back.
pub(super) fn returns_at(day: NaiveDate, zone: Tz) -> Timestamp {
    Timestamp::from_local(day.and_time(RETURNS_AT), zone)
}
