//! Instants are UTC milliseconds; business dates are dates in the configured zone (Asia/Shanghai), never the host's.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, as the database keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by so many milliseconds (earlier, if negative).
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Later by so many minutes.
    #[must_use]
    pub const fn plus_minutes(self, minutes: i64) -> Self {
        self.plus_millis(minutes.saturating_mul(60_000))
    }

    /// The wall clock of a zone at this instant.
    #[must_use]
    pub fn local(self, zone: Tz) -> NaiveDateTime {
        self.utc().with_timezone(&zone).naive_local()
    }

    /// The business date of a zone at this instant.
    #[must_use]
    pub fn date(self, zone: Tz) -> NaiveDate {
        self.local(zone).date()
    }

    /// The instant at which a zone's wall clock shows this time. In a gap or an overlap (no zone of ours has had one
    /// since 1991) the earliest meaning counts, else the same digits in UTC.
    #[must_use]
    pub fn from_local(local: NaiveDateTime, zone: Tz) -> Self {
        let utc = zone.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |t| t.with_timezone(&Utc));
        Self(utc.timestamp_millis())
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_business_date_is_the_zones() {
        let late = Timestamp::from_local(NaiveDate::from_ymd_opt(2019, 3, 20).unwrap().and_hms_opt(0, 30, 0).unwrap(), Tz::Asia__Shanghai);
        assert_eq!(late.to_string(), "2019-03-19T16:30:00.000Z");
        assert_eq!(late.date(Tz::Asia__Shanghai).to_string(), "2019-03-20");
    }
}
