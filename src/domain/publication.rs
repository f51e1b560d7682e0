//! The result of a payout, published again (再公示) within five calendar days: rows per village, sums per township. Names and
//! numbers are masked types, so that a public list cannot give a person away.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::masked::{Account, IdNumber, Name};
use super::money::Fen;
use super::time::Timestamp;

/// Calendar days after the first credit within which the result is published (R5).
const DAYS: u64 = 5;

/// The last day on which the result of a payout may be published.
#[must_use]
pub fn due_on(paid_on: NaiveDate) -> NaiveDate {
    paid_on.checked_add_days(Days::new(DAYS)).unwrap_or(paid_on)
}

/// One paid payment, as the village may read it.
#[derive(Clone, Debug)]
pub struct PublicRow {
    /// Its number in the batch.
    pub seq: i64,
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// 组
    pub group: String,
    /// 户编号
    pub household_no: String,
    /// Who is entitled.
    pub entitled_name: Name,
    /// Who received it: the same, the head of the household, or a proxy.
    pub payee_name: Name,
    /// The receiver's identity number; its region and last four are shown.
    pub payee_id: IdNumber,
    /// The card, by its last four.
    pub account: Account,
    /// Whether somebody else received it for the entitled person.
    pub is_by_other: bool,
    /// How much was credited.
    pub amount: Fen,
}

/// A number of payments and what they sum to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub amount: Fen,
}

impl Sum {
    /// One more.
    pub fn add(&mut self, amount: Fen) {
        self.count += 1;
        self.amount = [self.amount, amount].into_iter().sum();
    }
}

/// The public list of a batch.
#[derive(Clone, Debug)]
pub struct PublicList {
    /// The batch's number.
    pub batch: String,
    /// The department's name.
    pub department: String,
    /// The project's name.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// When people were first credited.
    pub paid_on: Option<NaiveDate>,
    /// By when it is put up.
    pub due_on: Option<NaiveDate>,
    /// The stated time at which the list was true of the ledger.
    pub made_at: Timestamp,
    /// The zone of the times printed.
    pub zone: Tz,
    /// Rows by township and village.
    pub villages: BTreeMap<(String, String), Vec<PublicRow>>,
}

impl PublicList {
    /// Sums by township.
    #[must_use]
    pub fn townships(&self) -> BTreeMap<&str, Sum> {
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for ((township, _), rows) in &self.villages {
            let sum = sums.entry(township).or_default();
            rows.iter().for_each(|row| sum.add(row.amount));
        }
        sums
    }

    /// The whole.
    #[must_use]
    pub fn total(&self) -> Sum {
        let mut all = Sum::default();
        self.villages.values().flatten().for_each(|row| all.add(row.amount));
        all
    }

    /// The villages of a township, in order.
    pub fn of_township<'l>(&'l self, township: &'l str) -> impl Iterator<Item = (&'l str, &'l [PublicRow])> {
        self.villages.iter().filter(move |((t, _), _)| t == township).map(|((_, village), rows)| (village.as_str(), rows.as_slice()))
    }
}

/// One credit on a person's statement (对账单).
#[derive(Clone, Debug)]
pub struct Credit {
    /// When it was credited, as far as we were told.
    pub on: NaiveDate,
    /// The project's name.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// How much.
    pub amount: Fen,
    /// The card.
    pub account: Account,
}

/// What one person received in a period.
#[derive(Clone, Debug)]
pub struct PersonStatement {
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// Who.
    pub name: Name,
    /// Region and last four are shown.
    pub id_number: IdNumber,
    /// The credits, in the order of their days.
    pub credits: Vec<Credit>,
}

impl PersonStatement {
    /// What they sum to.
    #[must_use]
    pub fn total(&self) -> Fen {
        self.credits.iter().map(|credit| credit.amount).sum()
    }
}

/// A month, a quarter or a year: `2019-03`, `2019-Q1`, `2019`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day.
    pub to: NaiveDate,
}

impl Span {
    /// Reads a month, a quarter or a year.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, rest) = text.split_once('-').unwrap_or((text, ""));
        if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let year: i32 = year.parse().ok()?;
        let (first, months) = match rest {
            "" if !text.contains('-') => (1, 12),
            "Q1" => (1, 3),
            "Q2" => (4, 3),
            "Q3" => (7, 3),
            "Q4" => (10, 3),
            month if month.len() == 2 && month.bytes().all(|b| b.is_ascii_digit()) => {
                (month.parse().ok().filter(|m| (1..=12).contains(m))?, 1)
            }
            _ => return None,
        };
        let from = NaiveDate::from_ymd_opt(year, first, 1)?;
        let to = from.checked_add_months(chrono::Months::new(months))?.pred_opt()?;
        Some(Self { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_month_a_quarter_or_a_year() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (text, from, to) in [
            ("2019", "2019-01-01", "2019-12-31"),
            ("2020-02", "2020-02-01", "2020-02-29"),
            ("2019-Q1", "2019-01-01", "2019-03-31"),
            ("2019-Q4", "2019-10-01", "2019-12-31"),
        ] {
            assert_eq!(Span::parse(text), Some(Span { from: day(from), to: day(to) }), "{text}");
        }
        for text in ["", "19", "2019-", "2019-13", "2019-00", "2019-Q5", "2019-3", "2019-03-01", "２０１９", "2019-+1"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn five_calendar_days_whatever_day_it_is() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(due_on(day("2019-04-30")), day("2019-05-05"));
        assert_eq!(due_on(day("2019-12-28")), day("2020-01-02"));
    }
}
