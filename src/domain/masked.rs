//! Law 7: a secret or a whole identity number never leaves by accident. Masking is by type: these print masked, and
//! `reveal()` stands only where a whole value is meant to go (the shapes of files, the database).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! masked {
    ($(#[$doc:meta])* $name:ident, $mask:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the whole value.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The whole value. Only `format` and `store` may ask for it; a test keeps that wall.
            #[must_use]
            pub fn reveal(&self) -> &str {
                &self.0
            }

            /// Whether there is nothing here.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The last four characters, which a clerk may see to tell two apart.
            #[must_use]
            pub fn last_four(&self) -> String {
                let n = self.0.chars().count();
                if n <= 4 { "*".repeat(n) } else { self.0.chars().skip(n - 4).collect() }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&$mask(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$mask(&self.0))
            }
        }
    };
}

masked!(
    /// A person's name (姓名, 户名). Prints its first character: `阿**`.
    Name, mask_name
);
masked!(
    /// An identity number (公民身份号码). Prints region and last four: `511181********2019`.
    IdNumber, mask_id
);
masked!(
    /// A card or account number (卡号, 账号). Prints its first four and last four: `6217****0014`.
    Account, mask_account
);
masked!(
    /// A mobile number. Prints its first three and last two: `138******12`.
    Mobile, mask_mobile
);

impl Name {
    /// Whether two names are the same once folded, for matching what a bank gives back.
    #[must_use]
    pub fn matches_by(&self, other: &Self, fold: impl Fn(&str) -> String) -> bool {
        self.0 == other.0 || fold(&self.0) == fold(&other.0)
    }
}

impl IdNumber {
    /// Whether two identity numbers are the same, whichever case their X is in.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Account {
    /// Whether it could be a card or account number: 12 to 32 digits.
    #[must_use]
    pub fn is_card_like(&self) -> bool {
        (12..=32).contains(&self.0.len()) && self.0.bytes().all(|b| b.is_ascii_digit())
    }
}

fn keep(text: &str, head: usize, tail: usize, stars: Option<usize>) -> String {
    let n = text.chars().count();
    if n <= head + tail {
        return "*".repeat(n);
    }
    let first: String = text.chars().take(head).collect();
    let last: String = text.chars().skip(n - tail).collect();
    format!("{first}{}{last}", "*".repeat(stars.unwrap_or(n - head - tail)))
}

fn mask_name(text: &str) -> String {
    if text.chars().count() == 1 { "*".to_owned() } else { keep(text, 1, 0, None) }
}

fn mask_id(text: &str) -> String {
    if text.chars().count() < 15 { keep(text, 1, 1, None) } else { keep(text, 6, 4, None) }
}

fn mask_account(text: &str) -> String {
    if text.chars().count() < 12 { keep(text, 0, 2, None) } else { keep(text, 4, 4, Some(4)) }
}

fn mask_mobile(text: &str) -> String {
    keep(text, 3, 2, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_whole_is_printed() {
        assert_eq!(format!("{} {:?}", Name::new("阿牛·木呷"), Name::new("王")), "阿**** *");
        assert_eq!(IdNumber::new("511181199001012019").to_string(), "511181********2019");
        assert_eq!(IdNumber::new("1234").to_string(), "1**4");
        assert_eq!(Account::new("6217001234567890014").to_string(), "6217****0014");
        assert_eq!(Account::new("12345").to_string(), "***45");
        assert_eq!(Mobile::new("13812345612").to_string(), "138******12");
        assert_eq!(Account::new("6217001234567890014").last_four(), "0014");
        assert_eq!(Account::new("123").last_four(), "***");
    }
}
