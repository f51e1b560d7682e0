//! Money is an integer count of fen (分). The grammar of amounts is ours: library parsers accept `1e3`, `+5`, `.5`
//! and round long input, and a bank's file must never be read so generously.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in fen (分). Signed: postings have a sign; amounts of payments are positive and checked where they enter.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fen(i64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing stands where an amount should.
    #[error("the amount is empty")]
    Empty,
    /// A character that amounts do not have; one-based position.
    #[error("{found:?} at character {at} is not part of an amount like 1234.56")]
    Character { found: char, at: usize },
    /// More decimals than the unit has.
    #[error("{0} decimals: an amount in yuan has at most two")]
    Decimals(usize),
    /// A point without digits on both sides.
    #[error("a decimal point needs digits on both sides")]
    BarePoint,
    /// Larger than 92 quadrillion yuan.
    #[error("the amount is too large")]
    TooLarge,
}

impl Fen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From a count of fen.
    #[must_use]
    pub const fn new(fen: i64) -> Self {
        Self(fen)
    }

    /// The count of fen.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads an amount in yuan (元) with at most two decimals: `12`, `12.3`, `12.30`, `0.05`. No sign, no grouping,
    /// no exponent, no spaces.
    ///
    /// # Errors
    /// Says which character stands in the way.
    pub fn parse_yuan(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            None => (text, None),
            Some((whole, fraction)) => (whole, Some(fraction)),
        };
        let offset = whole.chars().count() + 1;
        if text.is_empty() {
            return Err(AmountError::Empty);
        }
        let yuan = if whole.is_empty() && fraction.is_some() { return Err(AmountError::BarePoint) } else { digits(whole, 0)? };
        let cents = match fraction {
            None => 0,
            Some("") => return Err(AmountError::BarePoint),
            Some(f) => {
                let value = digits(f, offset)?;
                match f.len() {
                    1 => value * 10,
                    2 => value,
                    n => return Err(AmountError::Decimals(n)),
                }
            }
        };
        yuan.checked_mul(100).and_then(|fen| fen.checked_add(cents)).map(Self).ok_or(AmountError::TooLarge)
    }

    /// Reads a count of fen: digits only, leading zeros allowed.
    ///
    /// # Errors
    /// Says which character stands in the way.
    pub fn parse_fen(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() {
            return Err(AmountError::Empty);
        }
        digits(text, 0).map(Self)
    }

    /// The sum, or `None` when it would overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` when it would overflow.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Whether this is more than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The amount in Chinese capitals (大写金额), as vouchers carry it: `壹仟贰佰叁拾肆元伍角陆分`.
    #[must_use]
    pub fn capitals(self) -> String {
        capitals(self.0)
    }
}

/// Digits only. The offset says where in the whole text they begin, so that the error points at the character.
fn digits(text: &str, offset: usize) -> Result<i64, AmountError> {
    let mut value: i64 = 0;
    for (at, c) in text.chars().enumerate() {
        let digit = match c {
            '0'..='9' => i64::from(u32::from(c) - u32::from('0')),
            found => return Err(AmountError::Character { found, at: offset + at + 1 }),
        };
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(AmountError::TooLarge)?;
    }
    Ok(value)
}

fn capitals(fen: i64) -> String {
    const DIGITS: [&str; 10] = ["零", "壹", "贰", "叁", "肆", "伍", "陆", "柒", "捌", "玖"];
    const UNITS: [&str; 4] = ["", "拾", "佰", "仟"];
    const GROUPS: [&str; 5] = ["", "万", "亿", "万亿", "亿亿"];
    let digit = |d: u64| DIGITS.get(usize::try_from(d).unwrap_or(0)).copied().unwrap_or("零");
    let total = fen.unsigned_abs();
    let (yuan, jiao, cents) = (total / 100, total / 10 % 10, total % 10);
    let mut out = String::new();
    if fen < 0 {
        out.push('负');
    }
    if yuan > 0 {
        let mut groups = Vec::new();
        let mut rest = yuan;
        while rest > 0 {
            groups.push(rest % 10_000);
            rest /= 10_000;
        }
        let mut zero_pending = false;
        for (g, group) in groups.iter().enumerate().rev() {
            if *group == 0 {
                zero_pending = true;
                continue;
            }
            for (p, place) in [1000u64, 100, 10, 1].iter().enumerate() {
                let d = group / place % 10;
                if d == 0 {
                    zero_pending = true;
                    continue;
                }
                if zero_pending && !out.is_empty() && !out.ends_with('负') {
                    out.push('零');
                }
                zero_pending = false;
                out.push_str(digit(d));
                out.push_str(UNITS.get(3 - p).copied().unwrap_or(""));
            }
            out.push_str(GROUPS.get(g).copied().unwrap_or(""));
        }
        out.push('元');
    }
    match (jiao, cents) {
        (0, 0) if yuan == 0 => out.push_str("零元整"),
        (0, 0) => out.push('整'),
        (0, c) => {
            if yuan > 0 {
                out.push('零');
            }
            out.push_str(digit(c));
            out.push('分');
        }
        (j, 0) => {
            out.push_str(digit(j));
            out.push_str("角整");
        }
        (j, c) => {
            out.push_str(digit(j));
            out.push('角');
            out.push_str(digit(c));
            out.push('分');
        }
    }
    out
}

impl fmt::Display for Fen {
    /// Yuan with two decimals: `1234.56`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", fen / 100, fen % 100))
    }
}

impl fmt::Debug for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "¥{self}")
    }
}

impl FromStr for Fen {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse_yuan(text)
    }
}

impl Sum for Fen {
    /// Saturates rather than wraps: a sum at the edge then fails every comparison with a declared total.
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, |a, b| Self(a.0.saturating_add(b.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t5_yuan_is_read_strictly() {
        for (text, fen) in [("0", 0), ("12", 1200), ("12.3", 1230), ("12.30", 1230), ("0.05", 5), ("007.00", 700)] {
            assert_eq!(Fen::parse_yuan(text), Ok(Fen::new(fen)), "{text}");
        }
        for text in ["", ".5", "5.", "+5", "-5", "1e3", "1_000", "1,000.00", " 5", "5 ", "12.345", "１２", "NaN", "99999999999999999999"]
        {
            assert!(Fen::parse_yuan(text).is_err(), "{text:?} must be refused");
        }
        assert_eq!(Fen::parse_yuan("12.3a"), Err(AmountError::Character { found: 'a', at: 5 }));
        assert_eq!(Fen::parse_yuan("92233720368547758.08"), Err(AmountError::TooLarge));
    }

    #[test]
    fn t5_a_tenth_and_two_tenths_are_three_tenths() {
        let sum: Fen = [Fen::new(10), Fen::new(20)].into_iter().sum();
        assert_eq!(sum, Fen::parse_yuan("0.3").unwrap());
        assert_eq!(sum.to_string(), "0.30");
        assert_eq!(Fen::new(-5).to_string(), "-0.05");
        assert_eq!(Fen::new(i64::MAX).checked_add(Fen::new(1)), None, "a total that does not fit is no total");
    }

    #[test]
    fn capitals_as_a_voucher_writes_them() {
        for (fen, text) in [
            (0, "零元整"),
            (5, "伍分"),
            (50, "伍角整"),
            (100, "壹元整"),
            (101, "壹元零壹分"),
            (110, "壹元壹角整"),
            (100_000, "壹仟元整"),
            (100_500, "壹仟零伍元整"),
            (1_000_000, "壹万元整"),
            (1_000_500, "壹万零伍元整"),
            (12_345_678_912, "壹亿贰仟叁佰肆拾伍万陆仟柒佰捌拾玖元壹角贰分"),
            (10_000_000_000, "壹亿元整"),
            (10_001_000_000, "壹亿零壹万元整"),
        ] {
            assert_eq!(Fen::new(fen).capitals(), text, "{fen}");
        }
    }
}
