//! The day of tests whose daemon keeps the real time: a zone in which no midnight comes while they run.

use std::sync::OnceLock;

use bankgate::clock::Clock;
use chrono::{NaiveDate, Timelike as _};
use chrono_tz::Tz;

/// Where it was about ten in the morning when the tests began: every cut-off is ahead, and so is the day's end.
pub fn zone() -> Tz {
    static ZONE: OnceLock<Tz> = OnceLock::new();
    *ZONE.get_or_init(|| {
        let hour = i64::from(Clock::System.now().local(Tz::UTC).hour());
        let ahead = if hour <= 22 { 10 - hour } else { 34 - hour };
        // In these names a plus is west of Greenwich.
        format!("Etc/GMT{:+}", -ahead).parse().unwrap()
    })
}

/// The date there.
pub fn today() -> NaiveDate {
    Clock::System.now().date(zone())
}
