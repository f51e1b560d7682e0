//! Identity numbers and references.

use std::fmt;

use super::masked::{IdNumber, Name};

/// The reference by which a bank names one instruction back to us (end-to-end id): `BG`, fifteen digits of the
/// instruction's number, one Luhn check digit. It is computed both ways, so no index is needed to find its instruction,
/// and a mistyped reference is refused instead of naming somebody else's payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndToEndId(pub i64);

impl EndToEndId {
    /// Length of the printed form in bytes.
    pub const LEN: usize = 18;

    /// Reads the printed form. `None` when it is not ours, or was mistyped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("BG")?;
        if digits.len() != 16 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (number, check) = digits.split_at(15);
        (luhn_digit(number).to_string() == check).then(|| number.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for EndToEndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{:015}", self.0);
        write!(f, "BG{number}{}", luhn_digit(&number))
    }
}

/// The Luhn check digit that belongs behind these digits (ISO/IEC 7812-1 annex B).
fn luhn_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b.wrapping_sub(b'0'));
            match (i % 2, d) {
                (0, d) if d > 4 => d * 2 - 9,
                (0, d) => d * 2,
                (_, d) => d,
            }
        })
        .sum();
    (10 - sum % 10) % 10
}

/// Whether a card number passes the Luhn check. Cards of social security often do not: a warning, never a refusal.
#[must_use]
pub fn luhn_holds(card: &str) -> bool {
    match card.split_at_checked(card.len().saturating_sub(1)) {
        Some((body, check)) if !body.is_empty() && card.bytes().all(|b| b.is_ascii_digit()) => luhn_digit(body).to_string() == check,
        Some(_) | None => false,
    }
}

/// Why a text is not an identity number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdNumberError {
    /// Not eighteen characters.
    #[error("has {0} characters; an identity number has 18")]
    Length(usize),
    /// A letter or a sign, other than X at the end.
    #[error("has a character that is not a digit")]
    Characters,
    /// No such day.
    #[error("its birth date does not exist")]
    BirthDate,
    /// GB 11643: the check character is another one.
    #[error("its check character should be {0}")]
    Check(char),
}

/// Checks an eighteen-digit identity number by GB 11643 (length, digits, birth date, check character).
///
/// # Errors
/// Says what is wrong, without the number itself.
pub fn check_id_number(id: &IdNumber) -> Result<(), IdNumberError> {
    let text = id.reveal();
    let length = text.chars().count();
    if length != 18 {
        return Err(IdNumberError::Length(length));
    }
    let Some((body, last)) = text.split_at_checked(17) else { return Err(IdNumberError::Characters) };
    if !body.bytes().all(|b| b.is_ascii_digit()) || !matches!(last, "X" | "x" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9") {
        return Err(IdNumberError::Characters);
    }
    let birth = body.get(6..14).unwrap_or_default();
    if chrono::NaiveDate::parse_from_str(birth, "%Y%m%d").is_err() {
        return Err(IdNumberError::BirthDate);
    }
    let check = id_check_character(body);
    if last.eq_ignore_ascii_case(&check.to_string()) { Ok(()) } else { Err(IdNumberError::Check(check)) }
}

/// The text by which an identity number enters a claim: upper case, as the standard prints X.
#[must_use]
pub fn claim_id(id: &IdNumber) -> String {
    id.reveal().to_ascii_uppercase()
}

/// The text by which a name enters the claim of a person without an identity number.
#[must_use]
pub fn claim_text(name: &Name) -> String {
    name.reveal().to_owned()
}

/// The check character for the first seventeen digits (GB 11643, ISO 7064 MOD 11-2).
#[must_use]
pub fn id_check_character(body: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(b, w)| u32::from(b.wrapping_sub(b'0')) * w).sum();
    CHECKS.get(usize::try_from(sum % 11).unwrap_or(0)).copied().unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_back_or_refused() {
        for n in [0, 1, 42, 999_999_999_999_999] {
            let text = EndToEndId(n).to_string();
            assert_eq!(text.len(), EndToEndId::LEN);
            assert_eq!(EndToEndId::parse(&text), Some(EndToEndId(n)));
        }
        let text = EndToEndId(123_456).to_string();
        let swapped = text.replace("12", "21");
        assert_ne!(text, swapped);
        for wrong in [swapped.as_str(), "", "BG", "XX0000000000000000", "BG00000000000000000", "BG00000000000000a0"] {
            assert_eq!(EndToEndId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn identity_numbers_by_the_standard() {
        assert_eq!(check_id_number(&IdNumber::new("11010519491231002X")), Ok(()));
        assert_eq!(check_id_number(&IdNumber::new("11010519491231002x")), Ok(()));
        assert_eq!(check_id_number(&IdNumber::new("110105194912310021")), Err(IdNumberError::Check('X')));
        assert_eq!(check_id_number(&IdNumber::new("110105194913310021")), Err(IdNumberError::BirthDate));
        assert_eq!(check_id_number(&IdNumber::new("11010519491231002")), Err(IdNumberError::Length(17)));
        assert_eq!(check_id_number(&IdNumber::new("1101051949123１002X")), Err(IdNumberError::Characters));
    }

    #[test]
    fn luhn() {
        assert!(luhn_holds("79927398713"));
        assert!(!luhn_holds("79927398710"));
        assert!(!luhn_holds(""));
    }
}
