//! Months and years that end at zero (按月清零, 年终结转). A period belongs to a department and a project. It ends at a cut, the
//! number of a ledger entry, so that it needs no clock: what has a greater number belongs to the next one, whenever it was
//! booked. What is certified is a value made from rows (`Figures`), and its text is the same for the same rows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calendar::{Calendar, CalendarError};
use super::instruction::coded;
use super::language::Words;
use super::masked::{IdNumber, Name};
use super::money::Fen;
use super::refund::OrderState;
use super::time::Timestamp;

/// A period's name that nobody can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// Not a month.
    #[error("{0:?} is no month like 2019-03")]
    Month(String),
    /// Not a day of December before its last.
    #[error("{0:?} is no day of December before the 31st, like \"12-25\"")]
    YearDay(String),
}

/// A month that is closed: from the close day before (exclusive) to its own (inclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// The month of a date in the calendar's sense.
    #[must_use]
    pub fn calendar_month(date: NaiveDate) -> Self {
        Self { year: date.year(), month: date.month() }
    }

    /// The month whose period a date belongs to: behind the close day the next one has begun.
    ///
    /// # Errors
    /// A year's working days are not known.
    pub fn of(date: NaiveDate, calendar: &Calendar, day: u32) -> Result<Self, CalendarError> {
        let month = Self::calendar_month(date);
        Ok(if date <= month.close_day(calendar, day)? { month } else { month.next() })
    }

    /// The month behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { year: self.year, month: self.month + 1 } }
    }

    /// The month before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        if self.month == 1 { Self { year: self.year - 1, month: 12 } } else { Self { year: self.year, month: self.month - 1 } }
    }

    /// The day on which it is closed: the last working day on or before the configured one.
    ///
    /// # Errors
    /// A year's working days are not known.
    pub fn close_day(self, calendar: &Calendar, day: u32) -> Result<NaiveDate, CalendarError> {
        let wanted = NaiveDate::from_ymd_opt(self.year, self.month, day.clamp(1, 28)).unwrap_or_default();
        calendar.working_day_on_or_before(wanted)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let refused = || PeriodError::Month(text.to_owned());
        let digits = text.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'-' } else { b.is_ascii_digit() });
        let (Some(year), Some(month), 7, true) = (text.get(..4), text.get(5..), text.len(), digits) else { return Err(refused()) };
        let (year, month) = (year.parse().map_err(|_| refused())?, month.parse().map_err(|_| refused())?);
        if (1..=12).contains(&month) { Ok(Self { year, month }) } else { Err(refused()) }
    }
}

/// The day of December on which the year is closed (年终截止日).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearDay(u32);

impl YearDay {
    /// Early enough that money which goes back to the treasury arrives in the year.
    pub const DEFAULT: Self = Self(25);

    /// The day on which a year is closed: the last working day on or before the configured one.
    ///
    /// # Errors
    /// The year's working days are not known.
    pub fn close_day(self, year: i32, calendar: &Calendar) -> Result<NaiveDate, CalendarError> {
        calendar.working_day_on_or_before(NaiveDate::from_ymd_opt(year, 12, self.0).unwrap_or_default())
    }
}

impl fmt::Display for YearDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "12-{:02}", self.0)
    }
}

impl FromStr for YearDay {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let day = text.strip_prefix("12-").filter(|d| d.len() == 2).and_then(|d| d.parse().ok());
        day.filter(|d| (1..=30).contains(d)).map(Self).ok_or_else(|| PeriodError::YearDay(text.to_owned()))
    }
}

impl Serialize for YearDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for YearDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// 按月清零: what nobody may keep.
    Month,
    /// 年终: what could not be put right in the year.
    Year,
}

coded!(Scope { Month = "month", Year = "year" });

/// Where a period stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodState {
    /// Cut; nothing has to go back.
    Open,
    /// Cut; its refund orders are on their way.
    Refunding,
    /// Proven and sealed (已封存): never changed again.
    Sealed,
}

coded!(PeriodState { Open = "open", Refunding = "refunding", Sealed = "sealed" });

/// What lies in an account at the cut, line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// Nobody may keep it.
    Ineligible,
    /// May be put right.
    Correctable,
    /// Nobody knows.
    Unknown,
    /// With a bank, no word yet.
    InFlight,
    /// Left over from a closed year.
    Lapsed,
}

coded!(ItemKind {
    Ineligible = "ineligible",
    Correctable = "correctable",
    Unknown = "unknown",
    InFlight = "in_flight",
    Lapsed = "lapsed",
});

impl ItemKind {
    /// The account whose balance these sum to.
    #[must_use]
    pub const fn account(self) -> &'static str {
        match self {
            Self::Ineligible => "suspense:ineligible",
            Self::Correctable => "suspense:correctable",
            Self::Unknown => "suspense:unknown",
            Self::InFlight => "bank_clearing",
            Self::Lapsed => "carry",
        }
    }
}

/// So many payments, so much money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many.
    pub count: i64,
    /// Fen.
    pub fen: Fen,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        *self = Self { count: self.count + other.count, fen: Fen::new(self.fen.get() + other.fen.get()) };
    }
}

/// What a refund order gave back of a period's money.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refunded {
    /// The order's number.
    pub order: String,
    /// How many payments.
    pub count: i64,
    /// Fen.
    pub fen: Fen,
}

/// An account over a period: what lay in it, what came, what went, what lay there at the cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// At the cut before.
    pub opening: Fen,
    /// What came, by kind of entry.
    pub added: BTreeMap<String, Fen>,
    /// What went, by kind of entry.
    pub removed: BTreeMap<String, Fen>,
    /// At the cut.
    pub at_cut: Fen,
}

/// A file or a line that nobody can settle yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pending {
    /// The reference (BG…), or the file's name.
    pub subject: String,
    /// The bank's code.
    pub bank: String,
    /// How many payments.
    pub count: i64,
    /// Fen.
    pub fen: Fen,
}

/// One fiscal year's money of a department's project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct YearFigures {
    /// Every account that had money, by kind.
    pub accounts: BTreeMap<String, Flow>,
    /// Open items at the cut that may be put right.
    pub correctable: Sum,
    /// Of these, those that a case waits for.
    pub correctable_cases: Sum,
    /// What goes back: ineligible (month) or left over (year), at the cut.
    pub due_back: Sum,
    /// Of it, what left otherwise behind the cut: found payable or contradicted.
    pub due_back_left: Sum,
    /// Of it, what went back behind the cut, by order.
    pub due_back_refunded: Vec<Refunded>,
    /// What remains of it: nothing, or the period is not sealed.
    pub due_back_closing: Fen,
    /// With banks at the cut; excluded.
    pub in_flight: Vec<Pending>,
    /// Unknown at the cut; excluded.
    pub unknown: Vec<Pending>,
    /// What lay in the suspense accounts on the day of the switch-over and has no payment here, by account.
    pub without_lines: BTreeMap<String, Fen>,
    /// Of it, what had to go back and did behind the cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_lines_back: Vec<Refunded>,
    /// What lies in an account because a bank's word was booked out of `conflict` instead: excluded, by account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conflict: BTreeMap<String, Fen>,
}

/// What a certificate certifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The certificate's number.
    pub number: String,
    /// `month` or `year`.
    pub scope: String,
    /// `2019-03` or `2019`.
    pub period: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// The close day.
    pub close_on: String,
    /// Behind this entry
    pub from_entry: i64,
    /// up to this one.
    pub to_entry: i64,
    /// By fiscal year.
    pub years: BTreeMap<i32, YearFigures>,
}

impl Figures {
    /// The text that is hashed, sealed, printed and compared: one line, its keys in order.
    #[must_use]
    pub fn text(&self) -> String {
        // By way of `Value`, whose maps are sorted: the order of fields in this file is not part of what was sealed.
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }

    /// What was sealed, from its text.
    ///
    /// # Errors
    /// It is another text than this program writes.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What still lies there of what should have gone back, over all years.
    #[must_use]
    pub fn remains(&self) -> Fen {
        self.years.values().map(|y| y.due_back_closing).sum()
    }
}

/// A payment that could not be put right in its year (未支付台账).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpaidRow {
    /// Its reference.
    pub reference: String,
    /// The batch, and the row's number in it.
    pub batch: String,
    /// The row's number.
    pub seq: i64,
    /// Township.
    pub township: String,
    /// Village.
    pub village: String,
    /// The payee, masked.
    pub name: Name,
    /// The payee's identity number, masked.
    pub id_number: IdNumber,
    /// Fen.
    pub fen: Fen,
    /// The canonical reason.
    pub reason: String,
    /// Its case.
    pub case: i64,
    /// Where it stands now.
    pub state: String,
    /// The refund order, or empty.
    pub order: String,
}

/// A year's ledger of what could not be put right (台账), for the department to file.
#[derive(Clone, Debug)]
pub struct UnpaidList {
    /// The certificate's number.
    pub number: String,
    /// The fiscal year.
    pub year: String,
    /// Department's name.
    pub department: String,
    /// Project's name.
    pub project: String,
    /// When it was sealed, or cut.
    pub made: Timestamp,
    /// Its rows.
    pub rows: Vec<UnpaidRow>,
}

/// The number of a certificate (清零证明编号).
#[must_use]
pub fn certificate_number(period: &str, department: &str, project: &str) -> String {
    format!("QL-{period}-{department}-{project}")
}

/// Why a period cannot be sealed yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Obstacle {
    /// The period before is not sealed.
    Earlier {
        /// Which.
        period: String,
    },
    /// The bank's failure is not final yet, so nothing may follow.
    NotFinal {
        /// How many.
        count: i64,
        /// Fen.
        fen: Fen,
    },
    /// In no refund order.
    NoOrder {
        /// How many.
        count: i64,
        /// Fen.
        fen: Fen,
    },
    /// In a refund order whose money was not seen to arrive.
    Order {
        /// Its number.
        order: String,
        /// Where it stands.
        state: String,
        /// How many.
        count: i64,
        /// Fen.
        fen: Fen,
    },
    /// The ledger and the lines differ.
    Differs {
        /// The account.
        account: String,
        /// The ledger's balance.
        ledger: Fen,
        /// What the lines sum to.
        lines: Fen,
    },
    /// From the day of the switch-over, with no payment here that an order could name.
    WithoutLines {
        /// Fen.
        fen: Fen,
        /// The opening balances that have not gone back, by number.
        openings: String,
    },
}

impl Obstacle {
    /// In words, with what to do.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Earlier { period } => Words::new(format!("上期{period}尚未封存"), format!("{period} before it is not sealed")),
            Self::NotFinal { count, fen } => {
                Words::new(format!("{count}笔{fen}元的失败尚未最终确定"), format!("{count} failures of {fen} yuan are not final yet"))
            }
            Self::NoOrder { count, fen } => Words::new(
                format!("{count}笔{fen}元尚无退款单（bankgate refund list）"),
                format!("{count} of {fen} yuan are in no refund order (bankgate refund list)"),
            ),
            Self::Order { order, state, count, fen } => {
                let known = OrderState::from_code(state).map(OrderState::words);
                let (zh, en) = known.map_or((state.as_str(), state.as_str()), |(zh, en)| (zh, en));
                Words::new(
                    format!("退款单{order}（{zh}）{count}笔{fen}元尚未到账（bankgate refund show {order}）"),
                    format!("refund order {order} ({en}) of {count}, {fen} yuan, has not arrived (bankgate refund show {order})"),
                )
            }
            Self::Differs { account, ledger, lines } => Words::new(
                format!("{account}总账{ledger}元与明细{lines}元不符（bankgate ledger）"),
                format!("{account}: the ledger has {ledger}, the lines sum to {lines} (bankgate ledger)"),
            ),
            Self::WithoutLines { fen, openings } => Words::new(
                format!("期初余额{openings}的{fen}元尚未退回国库；退回后凭回单登记：bankgate switch returned 编号 --receipt …"),
                format!(
                    "{fen} yuan of opening balance {openings} are not back at the treasury; once they are, by the receipt: \
                     bankgate switch returned N --receipt …"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        let text = |year: i32| std::fs::read_to_string(format!("{}/config/calendar/{year}.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        Calendar::from_toml_texts([("2018.toml", text(2018)), ("2019.toml", text(2019)), ("2020.toml", text(2020))]).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_ends_on_the_last_working_day_on_or_before_the_configured_one() {
        let calendar = calendar();
        for (month, on) in [("2019-03", "2019-03-20"), ("2019-04", "2019-04-19"), ("2019-10", "2019-10-18"), ("2019-01", "2019-01-18")] {
            assert_eq!(month.parse::<Month>().unwrap().close_day(&calendar, 20).unwrap(), day(on), "{month}");
        }
        assert_eq!("2019-02".parse::<Month>().unwrap().close_day(&calendar, 8).unwrap(), day("2019-02-03"), "a holiday, a worked Sunday");
        for (date, month) in [("2019-03-20", "2019-03"), ("2019-03-21", "2019-04"), ("2019-04-20", "2019-05"), ("2019-12-21", "2020-01")] {
            assert_eq!(Month::of(day(date), &calendar, 20).unwrap().to_string(), month, "{date}");
        }
        assert_eq!("2019-12".parse::<Month>().unwrap().next().previous().to_string(), "2019-12");
        for text in ["2019-3", "2019-13", "2019-00", "19-03", "2019/03", "2019-03-01", "+019-03", ""] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_year_ends_before_its_last_day() {
        assert_eq!(YearDay::DEFAULT.close_day(2019, &calendar()).unwrap(), day("2019-12-25"));
        assert_eq!("12-29".parse::<YearDay>().unwrap().close_day(2019, &calendar()).unwrap(), day("2019-12-27"), "a Sunday");
        for text in ["12-31", "12-0", "11-25", "12-5", "25", ""] {
            assert!(text.parse::<YearDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_sealed_text_has_its_keys_in_order() {
        let figures = Figures {
            number: certificate_number("2019-03", "D1", "1"),
            scope: "month".into(),
            period: "2019-03".into(),
            department: "D1".into(),
            project: "1".into(),
            close_on: "2019-03-20".into(),
            from_entry: 0,
            to_entry: 9,
            years: BTreeMap::new(),
        };
        assert_eq!(
            figures.text(),
            r#"{"close_on":"2019-03-20","department":"D1","from_entry":0,"number":"QL-2019-03-D1-1","period":"2019-03","project":"1","scope":"month","to_entry":9,"years":{}}"#
        );
    }
}
