//! How a bank writes money: unit, decimals, decimal point, grouping, place of the sign. The text is checked character by
//! character before a number is made of it, and what is not a whole count of fen is refused, never rounded.

use crate::domain::money::Fen;

/// What a column's digits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 厘: a tenth of a fen.
    Li,
    /// 分.
    Fen,
    /// 角.
    Jiao,
    /// 元.
    Yuan,
    /// 千元.
    Thousand,
    /// 万元.
    Wan,
}

impl Unit {
    /// How many li it has.
    const fn li(self) -> i128 {
        match self {
            Self::Li => 1,
            Self::Fen => 10,
            Self::Jiao => 100,
            Self::Yuan => 1_000,
            Self::Thousand => 1_000_000,
            Self::Wan => 10_000_000,
        }
    }

    /// Decimals that show a fen.
    const fn decimals(self) -> usize {
        match self {
            Self::Li | Self::Fen => 0,
            Self::Jiao => 1,
            Self::Yuan => 2,
            Self::Thousand => 5,
            Self::Wan => 6,
        }
    }
}

/// Where a sign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignAt {
    /// Nowhere.
    None,
    /// Before the digits.
    Leading,
    /// Behind them.
    Trailing,
}

/// How an amount is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyForm {
    pub unit: Unit,
    /// Decimals; as many as show a fen where the profile does not say.
    pub decimals: Option<usize>,
    /// The decimal point; `None`: digits only, the decimals are implied.
    pub point: Option<char>,
    /// What stands between groups of three digits.
    pub grouping: Option<char>,
    pub sign: SignAt,
}

impl MoneyForm {
    /// Plain digits of a unit, with a point where the unit has decimals.
    #[must_use]
    pub const fn plain(unit: Unit) -> Self {
        Self { unit, decimals: None, point: Some('.'), grouping: None, sign: SignAt::None }
    }

    /// Reads an amount.
    ///
    /// # Errors
    /// Says what stands in the way.
    pub fn read(&self, text: &str) -> Result<Fen, String> {
        let (digits, is_negative) = self.unsigned(text);
        let is_usual = self.grouping.is_none() && self.point == Some('.') && self.decimals.is_none();
        let fen = match self.unit {
            Unit::Yuan if is_usual => Fen::parse_yuan(digits).map_err(|e| e.to_string())?,
            Unit::Fen if is_usual => Fen::parse_fen(digits).map_err(|e| e.to_string())?,
            Unit::Li | Unit::Fen | Unit::Jiao | Unit::Yuan | Unit::Thousand | Unit::Wan => self.scaled(digits)?,
        };
        if is_negative { Fen::ZERO.checked_sub(fen).ok_or_else(|| "is too large".to_owned()) } else { Ok(fen) }
    }

    fn unsigned<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let (minus, plus) = match self.sign {
            SignAt::None => return (text, false),
            SignAt::Leading => (text.strip_prefix('-'), text.strip_prefix('+')),
            SignAt::Trailing => (text.strip_suffix('-'), text.strip_suffix('+')),
        };
        match (minus, plus) {
            (Some(digits), _) => (digits, true),
            (None, Some(digits)) => (digits, false),
            (None, None) => (text, false),
        }
    }

    fn scaled(&self, text: &str) -> Result<Fen, String> {
        let most = self.decimals.unwrap_or_else(|| self.unit.decimals());
        let (whole, fraction) = match self.point {
            None => text.split_at_checked(text.len().saturating_sub(most)).unwrap_or((text, "")),
            Some(point) => text.split_once(point).unwrap_or((text, "")),
        };
        if self.point.is_some_and(|p| text.contains(p)) && (whole.is_empty() || fraction.is_empty()) {
            return Err("a decimal point needs digits on both sides".to_owned());
        }
        if fraction.len() > most {
            return Err(format!("has {} decimals, the agreed form has {most}", fraction.len()));
        }
        let whole = match self.grouping {
            Some(mark) if whole.contains(mark) => ungrouped(whole, mark)?,
            Some(_) | None => whole.to_owned(),
        };
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() {
            return Err("the amount is empty".to_owned());
        }
        if let Some((at, found)) = digits.chars().enumerate().find(|(_, c)| !c.is_ascii_digit()) {
            return Err(format!("{found:?} at character {} is not part of an amount of the agreed form", at + 1));
        }
        if digits.len() > 24 {
            return Err("the amount is too large".to_owned());
        }
        let decimals = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
        let per = 10_i128.checked_pow(decimals).and_then(|p| p.checked_mul(Unit::Fen.li())).ok_or("has too many decimals")?;
        let value: i128 = digits.parse().map_err(|_| "the amount is too large".to_owned())?;
        let li = value.checked_mul(self.unit.li()).ok_or("the amount is too large")?;
        if li % per != 0 {
            return Err("is not a whole count of fen".to_owned());
        }
        i64::try_from(li / per).map(Fen::new).map_err(|_| "the amount is too large".to_owned())
    }

    /// Writes an amount that is not negative.
    ///
    /// # Errors
    /// When the form's decimals cannot say it.
    pub fn write(&self, out: &mut Vec<u8>, fen: Fen) -> Result<(), String> {
        let decimals = self.decimals.unwrap_or_else(|| self.unit.decimals());
        let power = 10_i128.checked_pow(u32::try_from(decimals).unwrap_or(u32::MAX)).ok_or("has too many decimals")?;
        let scaled = i128::from(fen.get()) * Unit::Fen.li() * power;
        if scaled % self.unit.li() != 0 {
            return Err(format!("{fen} yuan cannot be said with {decimals} decimals of the bank's unit"));
        }
        let digits = format!("{:0width$}", (scaled / self.unit.li()).unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        if fen.get() < 0 && self.sign == SignAt::Leading {
            out.push(b'-');
        }
        for (at, digit) in whole.bytes().enumerate() {
            if let Some(mark) = self.grouping.filter(|_| at > 0 && (whole.len() - at).is_multiple_of(3)) {
                out.extend_from_slice(mark.encode_utf8(&mut [0; 4]).as_bytes());
            }
            out.push(digit);
        }
        if decimals > 0 {
            if let Some(point) = self.point {
                out.extend_from_slice(point.encode_utf8(&mut [0; 4]).as_bytes());
            }
            out.extend_from_slice(fraction.as_bytes());
        }
        if fen.get() < 0 && self.sign == SignAt::Trailing {
            out.push(b'-');
        }
        Ok(())
    }
}

/// Takes out the marks between groups of three digits, which must be where they belong.
fn ungrouped(whole: &str, mark: char) -> Result<String, String> {
    let groups: Vec<&str> = whole.split(mark).collect();
    let is_right = groups.iter().enumerate().all(|(i, g)| if i == 0 { (1..=3).contains(&g.len()) } else { g.len() == 3 });
    if is_right { Ok(groups.concat()) } else { Err(format!("{mark:?} does not stand between groups of three digits")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(unit: Unit, decimals: Option<usize>, point: Option<char>, grouping: Option<char>, sign: SignAt) -> MoneyForm {
        MoneyForm { unit, decimals, point, grouping, sign }
    }

    #[test]
    fn every_unit_both_ways() {
        use SignAt::{Leading, None as NoSign, Trailing};
        for (form, text, fen) in [
            (form(Unit::Yuan, None, Some('.'), None, NoSign), "12.30", 1230),
            (form(Unit::Fen, None, Some('.'), None, NoSign), "1230", 1230),
            (form(Unit::Yuan, Some(2), None, None, NoSign), "1230", 1230),
            (form(Unit::Yuan, Some(2), None, None, NoSign), "005", 5),
            (form(Unit::Yuan, Some(4), Some('.'), None, NoSign), "12.3000", 1230),
            (form(Unit::Yuan, Some(2), Some('.'), Some(','), NoSign), "1,234,567.89", 123_456_789),
            (form(Unit::Yuan, Some(2), Some(','), Some('.'), NoSign), "1.234,56", 123_456),
            (form(Unit::Jiao, None, Some('.'), None, NoSign), "123.4", 1234),
            (form(Unit::Li, None, Some('.'), None, NoSign), "12340", 1234),
            (form(Unit::Wan, None, Some('.'), None, NoSign), "0.123456", 123_456),
            (form(Unit::Yuan, Some(2), Some('.'), None, Leading), "-12.30", -1230),
            (form(Unit::Yuan, Some(2), Some('.'), None, Trailing), "12.30-", -1230),
        ] {
            assert_eq!(form.read(text), Ok(Fen::new(fen)), "{form:?}");
            let mut out = Vec::new();
            form.write(&mut out, Fen::new(fen)).unwrap();
            assert_eq!(form.read(&String::from_utf8(out).unwrap()), Ok(Fen::new(fen)), "{form:?}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        let grouped = form(Unit::Yuan, Some(2), Some('.'), Some(','), SignAt::None);
        for text in ["", "1,23.00", "1,2345.00", ",123.00", "1.234", "1e3", "+1", "-1", " 1", "1.", ".5", "１"] {
            assert!(grouped.read(text).is_err(), "{text}");
        }
        assert!(MoneyForm::plain(Unit::Li).read("12345").is_err(), "a tenth of a fen");
        assert!(form(Unit::Yuan, Some(0), Some('.'), None, SignAt::None).write(&mut Vec::new(), Fen::new(5)).is_err());
        assert!(MoneyForm::plain(Unit::Wan).read("99999999999999").is_err());
    }
}
