//! How a bank writes a day: a pattern of `yyyy yy MM dd HH mm ss SSS` and signs between them, or `iso8601`. Written from
//! a date alone, an hour is midnight: rendering knows no clock. Read strictly: each part has its digits, and the day exists.

use chrono::{Datelike, NaiveDate};

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millis,
    Sign(char),
}

const TOKENS: [(&str, Part); 8] = [
    ("yyyy", Part::Year),
    ("SSS", Part::Millis),
    ("yy", Part::ShortYear),
    ("MM", Part::Month),
    ("dd", Part::Day),
    ("HH", Part::Hour),
    ("mm", Part::Minute),
    ("ss", Part::Second),
];

impl Part {
    const fn digits(self) -> usize {
        match self {
            Self::Year => 4,
            Self::Millis => 3,
            Self::ShortYear | Self::Month | Self::Day | Self::Hour | Self::Minute | Self::Second => 2,
            Self::Sign(_) => 0,
        }
    }

    const fn is_in_range(self, value: u32) -> bool {
        match self {
            Self::Hour => value < 24,
            Self::Minute => value < 60,
            Self::Second => value < 61,
            Self::Year | Self::ShortYear | Self::Month | Self::Day | Self::Millis | Self::Sign(_) => true,
        }
    }
}

/// How a date is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    parts: Vec<Part>,
    is_iso: bool,
}

impl DateFormat {
    /// What a profile may write.
    pub const ALLOWED: &'static str =
        "yyyyMMdd, yyyy-MM-dd, yyMMdd, yyyyMM, MMdd, yyyyMMddHHmmss or any other of yyyy yy MM dd HH mm ss SSS with signs between, iso8601";

    /// The format of a profile's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let is_iso = word.eq_ignore_ascii_case("iso8601");
        let mut rest = if is_iso { "yyyy-MM-dd" } else { word };
        let mut parts: Vec<Part> = Vec::new();
        while let Some(sign) = rest.chars().next() {
            if let Some((token, part)) = TOKENS.iter().find(|(token, _)| rest.starts_with(token)) {
                if parts.contains(part) {
                    return None;
                }
                parts.push(*part);
                rest = rest.get(token.len()..)?;
            } else if sign.is_ascii_alphanumeric() && sign != 'T' && sign != 'Z' {
                return None;
            } else {
                parts.push(Part::Sign(sign));
                rest = rest.get(sign.len_utf8()..)?;
            }
        }
        // `mm` where `MM` was meant is the usual slip.
        let has_loose_minute = parts.contains(&Part::Minute) && !parts.contains(&Part::Hour);
        (parts.iter().any(|p| p.digits() > 0) && !has_loose_minute).then_some(Self { parts, is_iso })
    }

    /// Whether it says a whole day.
    #[must_use]
    pub fn is_day(&self) -> bool {
        let has = |part| self.parts.contains(&part);
        (has(Part::Year) || has(Part::ShortYear)) && has(Part::Month) && has(Part::Day)
    }

    /// Writes a date.
    #[must_use]
    pub fn render(&self, date: NaiveDate) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Year => out.push_str(&format!("{:04}", date.year())),
                Part::ShortYear => out.push_str(&format!("{:02}", date.year().rem_euclid(100))),
                Part::Month => out.push_str(&format!("{:02}", date.month())),
                Part::Day => out.push_str(&format!("{:02}", date.day())),
                Part::Hour | Part::Minute | Part::Second => out.push_str("00"),
                Part::Millis => out.push_str("000"),
                Part::Sign(sign) => out.push(*sign),
            }
        }
        out
    }

    /// Reads a day. `None` for a text of another shape, a day that does not exist, or a format that names no whole day.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<NaiveDate> {
        let (year, month, day, rest) = self.numbers(text)?;
        let is_whole =
            rest.is_empty() || (self.is_iso && rest.starts_with('T') && is_iso_time(rest.get(1..)?)) || (self.is_iso && is_zone(rest));
        if !is_whole {
            return None;
        }
        NaiveDate::from_ymd_opt(year?, month?, day?)
    }

    #[expect(clippy::type_complexity, reason = "year, month, day as far as the format has them, and what is left")]
    fn numbers<'t>(&self, text: &'t str) -> Option<(Option<i32>, Option<u32>, Option<u32>, &'t str)> {
        let (mut year, mut month, mut day, mut rest) = (None, None, None, text);
        for part in &self.parts {
            if let Part::Sign(sign) = part {
                rest = rest.strip_prefix(*sign)?;
                continue;
            }
            let (digits, tail) = rest.split_at_checked(part.digits())?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            rest = tail;
            let value: u32 = digits.parse().ok()?;
            if !part.is_in_range(value) {
                return None;
            }
            match part {
                Part::Year => year = i32::try_from(value).ok(),
                Part::ShortYear => year = i32::try_from(value).ok().map(|y| 2000 + y),
                Part::Month => month = Some(value),
                Part::Day => day = Some(value),
                Part::Hour | Part::Minute | Part::Second | Part::Millis | Part::Sign(_) => {}
            }
        }
        Some((year, month, day, rest))
    }

    /// A regular expression for it.
    #[must_use]
    pub fn pattern(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Sign(sign) => out.push_str(&regex::escape(&sign.to_string())),
                Part::Year | Part::ShortYear | Part::Month | Part::Day | Part::Hour | Part::Minute | Part::Second | Part::Millis => {
                    out.push_str(&format!(r"[0-9]{{{}}}", part.digits()));
                }
            }
        }
        out
    }

    /// Its length in characters.
    #[must_use]
    pub fn length(&self) -> usize {
        self.parts.iter().map(|p| if let Part::Sign(_) = p { 1 } else { p.digits() }).sum()
    }
}

/// `10:20:30`, with a fraction and a zone or without.
fn is_iso_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let fits = |at: usize, b: u8| if at == 2 || at == 5 { b == b':' } else { b.is_ascii_digit() };
    let tail = rest.strip_prefix(['.', ',']).map_or(rest, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    clock.bytes().enumerate().all(|(at, b)| fits(at, b)) && (tail.is_empty() || is_zone(tail))
}

fn is_zone(text: &str) -> bool {
    let is_offset = |t: &str| matches!(t.len(), 4 | 5) && t.bytes().all(|b| b.is_ascii_digit() || b == b':');
    text == "Z" || text.strip_prefix(['+', '-']).is_some_and(is_offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_strictly() {
        let day = NaiveDate::from_ymd_opt(2019, 3, 14);
        for (format, text) in [
            ("yyyyMMdd", "20190314"),
            ("yyyy-MM-dd", "2019-03-14"),
            ("yyMMdd", "190314"),
            ("yyyy/MM/dd", "2019/03/14"),
            ("yyyy年MM月dd日", "2019年03月14日"),
            ("dd.MM.yyyy", "14.03.2019"),
            ("yyyyMMddHHmmss", "20190314235959"),
            ("yyyyMMddHHmmssSSS", "20190314235959123"),
            ("yyyy-MM-dd HH:mm:ss", "2019-03-14 00:00:00"),
            ("iso8601", "2019-03-14"),
            ("iso8601", "2019-03-14T10:20:30"),
            ("iso8601", "2019-03-14T10:20:30.123+08:00"),
            ("iso8601", "2019-03-14T10:20:30Z"),
            ("iso8601", "2019-03-14+08:00"),
        ] {
            assert_eq!(DateFormat::from_word(format).unwrap().read(text), day, "{format} {text}");
        }
        let plain = DateFormat::from_word("yyyyMMdd").unwrap();
        for text in ["2019031", "20190230", "2019031a", "+2019314", "２０１９０３１４", "00000000", "201903140"] {
            assert_eq!(plain.read(text), None, "{text}");
        }
        assert_eq!(DateFormat::from_word("yyyyMMddHHmmss").unwrap().read("20190314240000"), None);
        assert_eq!(DateFormat::from_word("iso8601").unwrap().read("2019-03-14T1020"), None);
        for word in ["", "ddNNyyyy", "yyyyMMddyyyy", "yyyymmdd", "date", "--"] {
            assert_eq!(DateFormat::from_word(word), None, "{word}");
        }
        assert_eq!(DateFormat::from_word("yyyyMMddHHmmss").unwrap().render(day.unwrap()), "20190314000000");
    }
}
