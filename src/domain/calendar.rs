//! Working days (工作日), bank days, holidays and make-up days (调休), and the windows in which a bank takes files.
//!
//! Chinese working days are announced a year at a time, so they are dated data (`config/calendar/2019.toml`, one file a
//! year) and not a rule. A year that is not there is an error: money that waits on it waits until somebody adds the
//! file, rather than leave on a day that nobody checked. Everything here compares by order, never by equality with
//! "today": what was due on a day that the gateway slept through is due still.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which days are worked, by year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i32, Year>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Year {
    holidays: BTreeSet<NaiveDate>,
    workdays: BTreeSet<NaiveDate>,
    bank_closed: BTreeSet<NaiveDate>,
    bank_open: BTreeSet<NaiveDate>,
}

/// Why the calendar has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No data for the year. Not transient: it stays so until the file is added.
    #[error(
        "the calendar has no year {year}, so nobody knows which of its days are worked; add {year}.toml to the calendar \
         folder (config/calendar/generate.py writes it) and try again"
    )]
    YearMissing {
        /// The year that is not there.
        year: i32,
    },
    /// A file of the calendar cannot be used.
    #[error("calendar file {file}{}: {problem}", .line.map(|n| format!(", line {n}")).unwrap_or_default())]
    File {
        /// Its name.
        file: String,
        /// Where in it, from 1, when known.
        line: Option<usize>,
        /// What is wrong, and what belongs there.
        problem: String,
    },
    /// The calendar of the world ends (year 262142).
    #[error("there is no day after {0}")]
    EndOfTime(NaiveDate),
}

/// One year's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct YearFile {
    year: i32,
    /// Where the dates come from; kept in the file for the reader.
    #[serde(rename = "source")]
    _source: String,
    holidays: Vec<NaiveDate>,
    workdays: Vec<NaiveDate>,
    #[serde(default)]
    bank: BankFile,
}

/// Where banks differ from the government: optional.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BankFile {
    #[serde(default)]
    closed: Vec<NaiveDate>,
    #[serde(default)]
    open: Vec<NaiveDate>,
}

impl Calendar {
    /// Reads the yearly files: pairs of a file's name (for errors) and its text.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why: unreadable, a year given twice, a date of another year, a date that
    /// is both worked and off, or a date that says nothing (a make-up day that is no weekend day).
    pub fn from_toml_texts<N: AsRef<str>, T: AsRef<str>>(files: impl IntoIterator<Item = (N, T)>) -> Result<Self, CalendarError> {
        let mut years = BTreeMap::new();
        for (name, text) in files {
            let (name, text) = (name.as_ref(), text.as_ref());
            let problem = |problem: String| CalendarError::File { file: name.to_owned(), line: None, problem };
            let file: YearFile = toml::from_str(text).map_err(|error| CalendarError::File {
                file: name.to_owned(),
                line: error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count()),
                problem: error.message().to_owned(),
            })?;
            let number = file.year;
            let year = Year::check(file).map_err(problem)?;
            if years.insert(number, year).is_some() {
                return Err(problem(format!("the year {number} stands in another file too; one file a year")));
            }
        }
        Ok(Self { years })
    }

    /// The years that are known, in order.
    pub fn years(&self) -> impl Iterator<Item = i32> + '_ {
        self.years.keys().copied()
    }

    /// Whether the government works on this date.
    ///
    /// # Errors
    /// When its year is not there.
    pub fn is_working_day(&self, date: NaiveDate) -> Result<bool, CalendarError> {
        Ok(self.year(date)?.is_working_day(date))
    }

    /// Whether banks book on this date: a working day, unless the year's file says otherwise of banks.
    ///
    /// # Errors
    /// When its year is not there.
    pub fn is_bank_day(&self, date: NaiveDate) -> Result<bool, CalendarError> {
        Ok(self.year(date)?.is_bank_day(date))
    }

    /// This date if it is worked, else the next that is.
    ///
    /// # Errors
    /// When the search runs into a year that is not there.
    pub fn next_working_day_on_or_after(&self, date: NaiveDate) -> Result<NaiveDate, CalendarError> {
        search(date, later, |d| self.is_working_day(d))
    }

    /// This date if it is worked, else the last one before that is.
    ///
    /// # Errors
    /// When the search runs into a year that is not there.
    pub fn working_day_on_or_before(&self, date: NaiveDate) -> Result<NaiveDate, CalendarError> {
        search(date, earlier, |d| self.is_working_day(d))
    }

    /// This date if banks book on it, else the next on which they do.
    ///
    /// # Errors
    /// When the search runs into a year that is not there.
    pub fn next_bank_day_on_or_after(&self, date: NaiveDate) -> Result<NaiveDate, CalendarError> {
        search(date, later, |d| self.is_bank_day(d))
    }

    /// The n-th working day after this date. Zero is the date itself, or the next working day if it is none.
    ///
    /// # Errors
    /// When the way leads through a year that is not there.
    pub fn add_working_days(&self, date: NaiveDate, n: u32) -> Result<NaiveDate, CalendarError> {
        if n == 0 {
            return self.next_working_day_on_or_after(date);
        }
        (0..n).try_fold(date, |day, _| self.next_working_day_on_or_after(later(day)?))
    }

    /// How many working days lie after `from`, up to and including `to`; zero when `to` is not later.
    ///
    /// # Errors
    /// When the way leads through a year that is not there.
    pub fn working_days_between(&self, from: NaiveDate, to: NaiveDate) -> Result<u32, CalendarError> {
        let (mut day, mut count) = (from, 0);
        while day < to {
            day = later(day)?;
            count += u32::from(self.is_working_day(day)?);
        }
        Ok(count)
    }

    /// The bank day for which a file may leave at this very moment: the day itself while its cut-off has not come, or the
    /// day on which a window opened that is open still. `None` when nothing may leave: no bank day, or too late, or too
    /// early. Half past midnight in `23:00-01:00` belongs to the day before, and is a bank day when that day is one.
    ///
    /// # Errors
    /// When the year of that day is not there.
    pub fn open_day(&self, hours: Hours, local: NaiveDateTime) -> Result<Option<NaiveDate>, CalendarError> {
        let day = match hours {
            Hours::Until(cutoff) => (!cutoff.has_passed(local.time())).then(|| local.date()),
            Hours::Within(window) => window.opened_on(local),
        };
        match day {
            Some(day) if self.is_bank_day(day)? => Ok(Some(day)),
            Some(_) | None => Ok(None),
        }
    }

    /// The bank day for which a file that leaves at this local time is executed: never before `pay_on`, today only while
    /// the cut-off has not come, else the next bank day. A `pay_on` that was slept through is simply due (T3).
    ///
    /// # Errors
    /// When the search runs into a year that is not there.
    pub fn execution_date(&self, pay_on: NaiveDate, cutoff: Cutoff, local: NaiveDateTime) -> Result<NaiveDate, CalendarError> {
        let today = local.date();
        let earliest = if cutoff.has_passed(local.time()) { later(today)? } else { today };
        self.next_bank_day_on_or_after(earliest.max(pay_on))
    }

    fn year(&self, date: NaiveDate) -> Result<&Year, CalendarError> {
        self.years.get(&date.year()).ok_or(CalendarError::YearMissing { year: date.year() })
    }
}

impl Year {
    fn check(file: YearFile) -> Result<Self, String> {
        let number = file.year;
        let year = Self {
            holidays: dates("holidays", number, file.holidays)?,
            workdays: dates("workdays", number, file.workdays)?,
            bank_closed: dates("bank.closed", number, file.bank.closed)?,
            bank_open: dates("bank.open", number, file.bank.open)?,
        };
        if let Some(date) = year.workdays.iter().find(|d| !is_weekend(**d)) {
            return Err(format!(
                "workdays has {date}, which is no Saturday or Sunday; only weekend days that are worked (调休) belong there"
            ));
        }
        for (left, right, names) in
            [(&year.holidays, &year.workdays, "holidays and workdays"), (&year.bank_closed, &year.bank_open, "bank.closed and bank.open")]
        {
            if let Some(date) = left.intersection(right).next() {
                return Err(format!("{date} stands in {names}; it can be only one"));
            }
        }
        Ok(year)
    }

    fn is_working_day(&self, date: NaiveDate) -> bool {
        self.workdays.contains(&date) || (!is_weekend(date) && !self.holidays.contains(&date))
    }

    fn is_bank_day(&self, date: NaiveDate) -> bool {
        self.bank_open.contains(&date) || (self.is_working_day(date) && !self.bank_closed.contains(&date))
    }
}

fn dates(name: &str, year: i32, list: Vec<NaiveDate>) -> Result<BTreeSet<NaiveDate>, String> {
    let mut set = BTreeSet::new();
    for date in list {
        if date.year() != year {
            return Err(format!("{name} has {date}, which is not in {year}"));
        }
        if !set.insert(date) {
            return Err(format!("{name} has {date} twice"));
        }
    }
    Ok(set)
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

fn later(date: NaiveDate) -> Result<NaiveDate, CalendarError> {
    date.checked_add_days(Days::new(1)).ok_or(CalendarError::EndOfTime(date))
}

fn earlier(date: NaiveDate) -> Result<NaiveDate, CalendarError> {
    date.checked_sub_days(Days::new(1)).ok_or(CalendarError::EndOfTime(date))
}

/// Walks until a day fits. It ends: a year that is not there is an error.
fn search(
    start: NaiveDate,
    step: impl Fn(NaiveDate) -> Result<NaiveDate, CalendarError>,
    fits: impl Fn(NaiveDate) -> Result<bool, CalendarError>,
) -> Result<NaiveDate, CalendarError> {
    let mut date = start;
    while !fits(date)? {
        date = step(date)?;
    }
    Ok(date)
}

/// A bank's cut-off (截止时间), local time. The cut-off's own second is already too late: at 16:30:00 a cut-off of 16:30
/// has passed. Whoever is early by a second loses a day; whoever is late by a second may have a file refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cutoff(TimeOfDay);

/// When a bank takes files: until its cut-off, or only within a window of the day (`23:00-01:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// From midnight until the cut-off.
    Until(Cutoff),
    /// Within the window alone.
    Within(Window),
}

/// A daily window (时间窗) in local time, such as `08:00-16:30` or, across midnight, `23:00-01:00`. The opening second is
/// inside, the closing second is outside, so that windows that meet neither overlap nor leave a gap. The whole day is
/// `00:00-24:00`; a window that opens and closes at the same time is refused, because nobody can say which day it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    opens: TimeOfDay,
    closes: TimeOfDay,
}

/// A second of the day, 24:00 included as the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u32);

/// Why a text is no time of day, or no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not a time of day.
    #[error("{0:?} is not a time of day like 16:30 or 16:30:00")]
    Time(String),
    /// Not two times.
    #[error("{0:?} is not a window like 08:00-16:30")]
    Shape(String),
    /// Opens when it closes.
    #[error("a window from {0} to {0} is empty or a whole day, nobody knows which; the whole day is 00:00-24:00")]
    Empty(String),
}

impl Cutoff {
    /// Only midnight at the day's end: no cut-off.
    pub const NONE: Self = Self(TimeOfDay(TimeOfDay::DAY));

    /// Whether it is too late for today.
    #[must_use]
    pub fn has_passed(self, time: NaiveTime) -> bool {
        time.num_seconds_from_midnight() >= self.0.0
    }
}

impl Window {
    /// Whether a local time lies within.
    #[must_use]
    pub fn contains(self, time: NaiveTime) -> bool {
        let second = time.num_seconds_from_midnight();
        let (opens, closes) = (self.opens.0, self.closes.0);
        if opens < closes { (opens..closes).contains(&second) } else { second >= opens || second < closes }
    }

    /// The date on which the window opened that this local time lies within: half past midnight in `23:00-01:00` still
    /// belongs to the day before. `None` outside.
    #[must_use]
    pub fn opened_on(self, local: NaiveDateTime) -> Option<NaiveDate> {
        if !self.contains(local.time()) {
            return None;
        }
        let after_midnight = self.opens > self.closes && local.time().num_seconds_from_midnight() < self.closes.0;
        if after_midnight { local.date().checked_sub_days(Days::new(1)) } else { Some(local.date()) }
    }
}

impl TimeOfDay {
    const DAY: u32 = 86_400;
    /// When the offices' day is over (17:00).
    pub const OFFICES_CLOSE: Self = Self(17 * 3600);

    /// Local time at which it strikes on a day.
    #[must_use]
    pub fn on(self, date: NaiveDate) -> NaiveDateTime {
        date.and_time(NaiveTime::MIN) + TimeDelta::seconds(i64::from(self.0))
    }

    fn parse(text: &str) -> Result<Self, WindowError> {
        if matches!(text, "24:00" | "24:00:00") {
            return Ok(Self(Self::DAY));
        }
        let full = if text.len() == 5 { format!("{text}:00") } else { text.to_owned() };
        let well_formed = full.len() == 8 && full.bytes().enumerate().all(|(i, b)| if i % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
        let time = NaiveTime::parse_from_str(&full, "%H:%M:%S").ok().filter(|t| well_formed && t.nanosecond() < 1_000_000_000);
        time.map(|t| Self(t.num_seconds_from_midnight())).ok_or_else(|| WindowError::Time(text.to_owned()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60)?;
        match self.0 % 60 {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}

impl FromStr for TimeOfDay {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        Self::parse(text)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Cutoff {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Self, WindowError> {
        TimeOfDay::parse(text).map(Self)
    }
}

impl FromStr for Hours {
    type Err = WindowError;
    /// Reads `16:30`, or a window such as `23:00-01:00`.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        if text.contains(['-', '–']) { text.parse().map(Self::Within) } else { text.parse().map(Self::Until) }
    }
}

impl FromStr for Window {
    type Err = WindowError;
    /// Reads `08:00-16:30`; the sign between may be an en dash, as people type it.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (opens, closes) = text.split_once(['-', '–']).ok_or_else(|| WindowError::Shape(text.to_owned()))?;
        let (opens, closes) = (TimeOfDay::parse(opens.trim())?, TimeOfDay::parse(closes.trim())?);
        if opens == closes || opens.0 == TimeOfDay::DAY || (closes.0 == 0 && opens.0 == 0) {
            return Err(WindowError::Empty(opens.to_string()));
        }
        Ok(Self { opens, closes })
    }
}

impl fmt::Display for Cutoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.opens, self.closes)
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Cutoff);
serde_as_text!(Window);

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        Calendar::from_toml_texts([
            ("2018.toml", include_str!("../../config/calendar/2018.toml")),
            ("2019.toml", include_str!("../../config/calendar/2019.toml")),
        ])
        .unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M:%S").unwrap()
    }

    #[test]
    fn holidays_and_make_up_days() {
        let calendar = calendar();
        for (date, works) in [
            ("2019-02-02", true),  // Saturday, made up for
            ("2019-02-03", true),  // Sunday, made up for
            ("2019-02-04", false), // Spring Festival
            ("2019-02-11", true),
            ("2019-04-28", true), // Sunday, made up for the May holiday announced in March
            ("2019-05-03", false),
            ("2019-05-04", false),
            ("2019-05-06", true),
            ("2018-12-29", true), // Saturday, made up for New Year
            ("2018-12-31", false),
        ] {
            assert_eq!(calendar.is_working_day(day(date)), Ok(works), "{date}");
        }
        assert_eq!(calendar.next_working_day_on_or_after(day("2019-02-04")), Ok(day("2019-02-11")));
        assert_eq!(calendar.working_day_on_or_before(day("2019-02-10")), Ok(day("2019-02-03")));
        assert_eq!(calendar.working_day_on_or_before(day("2019-04-20")), Ok(day("2019-04-19")));
        assert_eq!(calendar.working_day_on_or_before(day("2019-01-01")), Ok(day("2018-12-29")));
    }

    #[test]
    fn working_days_are_counted_over_a_holiday() {
        let calendar = calendar();
        for (from, n, to) in [
            ("2019-02-01", 0, "2019-02-01"),
            ("2019-02-01", 1, "2019-02-02"),
            ("2019-02-01", 3, "2019-02-11"),
            ("2019-03-09", 0, "2019-03-11"), // from a Saturday
            ("2019-03-09", 1, "2019-03-11"),
            ("2018-12-28", 2, "2019-01-02"), // over the year's end
        ] {
            assert_eq!(calendar.add_working_days(day(from), n), Ok(day(to)), "{from} + {n}");
        }
        assert_eq!(calendar.working_days_between(day("2019-02-01"), day("2019-02-11")), Ok(3));
        assert_eq!(calendar.working_days_between(day("2019-02-11"), day("2019-02-01")), Ok(0));
    }

    #[test]
    fn a_year_that_is_not_there_is_an_error_and_names_the_file() {
        let calendar = calendar();
        let error = calendar.add_working_days(day("2019-12-30"), 3).unwrap_err();
        assert_eq!(error, CalendarError::YearMissing { year: 2020 });
        assert!(error.to_string().contains("add 2020.toml"), "{error}");
        assert_eq!(calendar.is_bank_day(day("2017-12-31")), Err(CalendarError::YearMissing { year: 2017 }));
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        let head = "year = 2019\nsource = \"a test\"\n";
        for (body, needle) in [
            ("holidays = []\nworkdays = [\"2019-03-11\"]", "no Saturday or Sunday"),
            ("holidays = [\"2018-03-11\"]\nworkdays = []", "not in 2019"),
            ("holidays = [\"2019-02-02\"]\nworkdays = [\"2019-02-02\"]", "only one"),
            ("holidays = [\"2019-02-05\", \"2019-02-05\"]\nworkdays = []", "twice"),
            ("holidays = []\nworkdays = []\nholydays = []", "line 5: unknown field `holydays`"),
            ("holidays = [\"2019-02-30\"]\nworkdays = []", "line 3"),
        ] {
            let error = Calendar::from_toml_texts([("2019.toml", format!("{head}{body}"))]).unwrap_err().to_string();
            assert!(error.contains("2019.toml") && error.contains(needle), "{error}");
        }
        let text = format!("{head}holidays = []\nworkdays = []");
        assert!(Calendar::from_toml_texts([("a", &text), ("b", &text)]).unwrap_err().to_string().contains("another file"));
    }

    #[test]
    fn banks_may_differ_from_the_government() {
        let text =
            "year = 2019\nsource = \"a test\"\nholidays = []\nworkdays = []\n[bank]\nclosed = [\"2019-12-31\"]\nopen = [\"2019-12-28\"]";
        let calendar = Calendar::from_toml_texts([("2019.toml", text)]).unwrap();
        assert_eq!(calendar.is_working_day(day("2019-12-31")), Ok(true));
        assert_eq!(calendar.is_bank_day(day("2019-12-31")), Ok(false));
        assert_eq!(calendar.is_bank_day(day("2019-12-28")), Ok(true));
        assert_eq!(calendar.next_bank_day_on_or_after(day("2019-12-31")), Err(CalendarError::YearMissing { year: 2020 }));
    }

    #[test]
    fn t2_the_exact_second_of_the_cutoff_is_too_late() {
        let (calendar, cutoff) = (calendar(), "16:30".parse::<Cutoff>().unwrap());
        for (now, date) in [
            ("2019-03-11 16:29:59", "2019-03-11"),
            ("2019-03-11 16:30:00", "2019-03-12"),
            ("2019-03-15 16:30:01", "2019-03-18"), // Friday evening
            ("2019-03-16 09:00:00", "2019-03-18"), // Saturday
            ("2019-02-03 16:29:59", "2019-02-03"), // a worked Sunday
            ("2019-02-03 16:30:00", "2019-02-11"),
        ] {
            assert_eq!(calendar.execution_date(day("2019-01-02"), cutoff, at(now)), Ok(day(date)), "{now}");
        }
        assert_eq!(calendar.execution_date(day("2019-03-16"), cutoff, at("2019-03-11 09:00:00")), Ok(day("2019-03-18")), "pay_on waits");
        assert!(!Cutoff::NONE.has_passed(time("23:59:59")));
    }

    #[test]
    fn t3_a_day_slept_through_is_due_on_the_next() {
        let (calendar, cutoff) = (calendar(), "16:30".parse().unwrap());
        assert_eq!(calendar.execution_date(day("2019-03-11"), cutoff, at("2019-03-12 08:00:00")), Ok(day("2019-03-12")));
        assert_eq!(calendar.execution_date(day("2019-03-11"), cutoff, at("2019-05-01 08:00:00")), Ok(day("2019-05-05")));
    }

    #[test]
    fn t2_a_window_across_midnight_opens_and_closes() {
        let night: Window = "23:00–01:00".parse().unwrap();
        let office: Window = "08:00-16:30".parse().unwrap();
        let whole: Window = "00:00-24:00".parse().unwrap();
        for (window, inside, outside) in [
            (night, vec!["23:00:00", "23:59:59", "00:00:00", "00:59:59"], vec!["22:59:59", "01:00:00", "12:00:00"]),
            (office, vec!["08:00:00", "16:29:59"], vec!["07:59:59", "16:30:00", "00:00:00"]),
            (whole, vec!["00:00:00", "23:59:59"], vec![]),
        ] {
            assert!(inside.iter().all(|t| window.contains(time(t))), "{window} {inside:?}");
            assert!(!outside.iter().any(|t| window.contains(time(t))), "{window} {outside:?}");
        }
        assert_eq!(night.opened_on(at("2019-03-12 00:30:00")), Some(day("2019-03-11")));
        assert_eq!(night.opened_on(at("2019-03-11 23:30:00")), Some(day("2019-03-11")));
        assert_eq!(night.opened_on(at("2019-03-11 12:00:00")), None);
        assert_eq!(office.opened_on(at("2019-03-11 12:00:00")), Some(day("2019-03-11")));
    }

    #[test]
    fn times_are_read_strictly() {
        for text in ["8:00-16:30", "08:00", "08:00-08:00", "24:00-01:00", "08:00-25:00", "08:60-09:00", "+8:00-09:00", ""] {
            assert!(text.parse::<Window>().is_err(), "{text:?}");
        }
        for text in ["16:30", "16:30:59", "24:00"] {
            assert_eq!(text.parse::<Cutoff>().unwrap().to_string(), text);
        }
        assert!("16:30:60".parse::<Cutoff>().is_err(), "a leap second is no cut-off");
    }

    #[test]
    fn t2_a_file_leaves_for_the_day_whose_window_is_open() {
        let calendar = calendar();
        for (hours, now, day_of) in [
            ("16:30", "2019-03-11 16:29:59", Some("2019-03-11")),
            ("16:30", "2019-03-11 16:30:00", None),
            ("16:30", "2019-03-11 00:00:00", Some("2019-03-11")),
            ("16:30", "2019-03-09 10:00:00", None),               // Saturday
            ("16:30", "2019-02-02 10:00:00", Some("2019-02-02")), // a Saturday made up for, and banks book
            ("24:00", "2019-03-11 23:59:59", Some("2019-03-11")),
            ("08:00-16:30", "2019-03-11 07:59:59", None),
            ("08:00-16:30", "2019-03-11 08:00:00", Some("2019-03-11")),
            ("08:00-16:30", "2019-03-11 16:30:00", None),
            ("23:00-01:00", "2019-03-11 22:59:59", None),
            ("23:00-01:00", "2019-03-11 23:00:00", Some("2019-03-11")),
            ("23:00-01:00", "2019-03-12 00:59:59", Some("2019-03-11")),
            ("23:00-01:00", "2019-03-12 01:00:00", None),
            ("23:00-01:00", "2019-03-16 00:30:00", Some("2019-03-15")), // Saturday's first hour is Friday's window
            ("23:00-01:00", "2019-03-11 00:30:00", None),               // Monday's first hour is Sunday's
            ("23:00-01:00", "2019-01-01 00:30:00", None),               // the 31st of December 2018 was off
            ("23:00-01:00", "2018-12-30 00:30:00", Some("2018-12-29")), // a Saturday made up for
        ] {
            let found = calendar.open_day(hours.parse().unwrap(), at(now));
            assert_eq!(found, Ok(day_of.map(day)), "{hours} at {now}");
        }
        let over = calendar.open_day("16:30".parse().unwrap(), at("2020-01-02 09:00:00"));
        assert_eq!(over, Err(CalendarError::YearMissing { year: 2020 }), "no guess where the year is not there");
        assert_eq!(calendar.open_day("23:00-01:00".parse().unwrap(), at("2020-01-01 00:30:00")), Ok(Some(day("2019-12-31"))));
        for text in ["", "16:30:60", "23:00-23:00", "25:00-26:00", "4pm"] {
            assert!(text.parse::<Hours>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn t2_a_make_up_day_of_the_government_need_not_be_a_bank_day() {
        let text = "year = 2019\nsource = \"a test\"\nholidays = []\nworkdays = [\"2019-02-02\"]\n[bank]\nclosed = [\"2019-02-02\"]";
        let calendar = Calendar::from_toml_texts([("2019.toml", text)]).unwrap();
        assert_eq!((calendar.is_working_day(day("2019-02-02")), calendar.is_bank_day(day("2019-02-02"))), (Ok(true), Ok(false)));
        assert_eq!(calendar.open_day("16:30".parse().unwrap(), at("2019-02-02 10:00:00")), Ok(None));
        assert_eq!(calendar.execution_date(day("2019-02-02"), "16:30".parse().unwrap(), at("2019-02-02 10:00:00")), Ok(day("2019-02-04")));
        assert_eq!(calendar.add_working_days(day("2019-02-01"), 1), Ok(day("2019-02-02")), "the office works");
    }

    #[test]
    fn t2_leap_days_and_spring_festivals_over_the_years() {
        let calendar = Calendar::from_toml_texts([
            ("2018.toml", include_str!("../../config/calendar/2018.toml")),
            ("2019.toml", include_str!("../../config/calendar/2019.toml")),
            ("2020.toml", include_str!("../../config/calendar/2020.toml")),
            ("2021.toml", include_str!("../../config/calendar/2021.toml")),
            ("2022.toml", include_str!("../../config/calendar/2022.toml")),
            ("2023.toml", include_str!("../../config/calendar/2023.toml")),
            ("2024.toml", include_str!("../../config/calendar/2024.toml")),
            ("2025.toml", include_str!("../../config/calendar/2025.toml")),
            ("2026.toml", include_str!("../../config/calendar/2026.toml")),
        ])
        .unwrap();
        for (from, to) in [
            ("2020-02-29", "2020-03-02"), // a leap day that is a Saturday
            ("2024-02-29", "2024-02-29"), // one that is a Thursday
            ("2019-02-28", "2019-02-28"),
            ("2018-02-15", "2018-02-22"), // Spring Festival, each year another week
            ("2019-02-04", "2019-02-11"),
            ("2021-02-11", "2021-02-18"),
            ("2022-01-31", "2022-02-07"),
            ("2023-01-21", "2023-01-28"), // the Saturday behind it is worked
            ("2025-01-28", "2025-02-05"),
        ] {
            assert_eq!(calendar.next_bank_day_on_or_after(day(from)), Ok(day(to)), "{from}");
        }
        assert_eq!(calendar.add_working_days(day("2024-02-28"), 2), Ok(day("2024-03-01")), "over the leap day");
        assert_eq!(calendar.working_days_between(day("2020-02-28"), day("2020-03-02")), Ok(1));
        assert_eq!(calendar.working_days_between(day("2018-12-28"), day("2019-01-02")), Ok(2), "over the year's end");
        assert_eq!(calendar.add_working_days(day("2026-12-30"), 3), Err(CalendarError::YearMissing { year: 2027 }));
    }
}
