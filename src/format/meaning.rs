//! What a bank's codes and words mean: the status map decides the outcome and whether it is final; the reason map gives
//! the failure its canonical reason. The two never mix: a reason never makes an outcome.

use std::collections::HashMap;

use chrono::NaiveDate;
use regex::{Regex, RegexSet};

use crate::domain::exchange::Outcome;
use crate::domain::reason::Reason;

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The outcome.
    pub outcome: Outcome,
    /// Whether the bank will not change it by itself.
    pub is_final: bool,
}

/// One rule of a status map; the first that fits decides.
#[derive(Clone, Debug)]
pub struct StatusRule {
    /// Which statuses it speaks of.
    pub test: StatusTest,
    /// And only with one of these codes.
    pub codes: Option<Vec<String>>,
    /// And only with such words.
    pub text: Option<Regex>,
    /// What they mean.
    pub meaning: Meaning,
}

/// Which statuses a rule speaks of.
#[derive(Clone, Debug)]
pub enum StatusTest {
    /// These, exactly.
    Is(Vec<String>),
    /// Those that this pattern describes as a whole.
    Matches(Regex),
    /// Every other one.
    Otherwise,
}

/// A profile's status map.
#[derive(Clone, Debug, Default)]
pub struct StatusMap {
    /// In the profile's order.
    pub rules: Vec<StatusRule>,
}

impl StatusMap {
    /// The meaning of a status, the code and the words beside it; `None` when the map is silent, which is a fault of the line.
    #[must_use]
    pub fn decide(&self, status: &str, code: &str, text: &str) -> Option<Meaning> {
        let fits = |rule: &&StatusRule| {
            let is_spoken_of = match &rule.test {
                StatusTest::Is(list) => list.iter().any(|s| s == status),
                StatusTest::Matches(regex) => regex.is_match(status),
                StatusTest::Otherwise => true,
            };
            let has_code = rule.codes.as_ref().is_none_or(|list| list.iter().any(|c| c == code));
            is_spoken_of && has_code && rule.text.as_ref().is_none_or(|regex| regex.is_match(text))
        };
        self.rules.iter().find(fits).map(|rule| rule.meaning)
    }
}

impl StatusMap {
    /// Whether it looks at a status at all, or at code and words only.
    #[must_use]
    pub fn needs_status(&self) -> bool {
        self.rules.iter().any(|r| !matches!(r.test, StatusTest::Otherwise))
    }

    /// The statuses that it names.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.rules
            .iter()
            .flat_map(|r| match &r.test {
                StatusTest::Is(list) => list.as_slice(),
                StatusTest::Matches(_) | StatusTest::Otherwise => &[],
            })
            .map(String::as_str)
    }
}

/// A reason, and when a bank's word has this meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    pub reason: Reason,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
}

impl Dated {
    /// Whether it holds on a day; where none is known, whether it holds still.
    fn holds(&self, on: Option<NaiveDate>) -> bool {
        match on {
            Some(day) => self.from.is_none_or(|f| f <= day) && self.until.is_none_or(|u| day <= u),
            None => self.until.is_none(),
        }
    }

    /// Whether two meanings hold on one day.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_before = |a: &Self, b: &Self| matches!((a.until, b.from), (Some(until), Some(from)) if until < from);
        !is_before(self, other) && !is_before(other, self)
    }
}

/// A profile's reason map: by code first, then by the words.
#[derive(Clone, Debug)]
pub struct ReasonMap {
    codes: HashMap<String, Vec<Dated>>,
    texts: RegexSet,
    text_reasons: Vec<Dated>,
    is_dated: bool,
}

impl ReasonMap {
    /// From codes, and from patterns in the profile's order.
    ///
    /// # Errors
    /// Says which pattern is not one. (The caller has compiled each alone before; this fails only for their sum's size.)
    pub fn new(codes: HashMap<String, Vec<Dated>>, texts: &[(String, Dated)]) -> Result<Self, String> {
        let set = RegexSet::new(texts.iter().map(|(pattern, _)| pattern)).map_err(|e| e.to_string())?;
        let text_reasons: Vec<Dated> = texts.iter().map(|(_, reason)| reason.clone()).collect();
        let is_dated = text_reasons.iter().any(|d| d.from.is_some() || d.until.is_some());
        Ok(Self { codes, texts: set, text_reasons, is_dated })
    }

    fn of_code(&self, code: &str, on: Option<NaiveDate>) -> Option<Reason> {
        self.codes.get(code)?.iter().find(|d| d.holds(on)).map(|d| d.reason)
    }

    fn of_words(&self, text: &str, on: Option<NaiveDate>) -> Option<Reason> {
        self.texts.matches(text).iter().filter_map(|i| self.text_reasons.get(i)).find(|d| d.holds(on)).map(|d| d.reason)
    }

    /// Codes with their reasons.
    pub fn codes(&self) -> impl Iterator<Item = (&str, Reason)> {
        self.codes.iter().flat_map(|(code, dated)| dated.iter().map(|d| (code.as_str(), d.reason)))
    }
}

/// Words already looked up: a file of a million rows says the same dozen sentences again and again.
#[derive(Debug, Default)]
pub struct Phrases {
    known: HashMap<String, Option<Reason>>,
}

/// How many sentences are kept. Some banks write a number into each.
const PHRASES_KEPT: usize = 4096;

impl Phrases {
    /// The canonical reason of a code, else of the words beside it, if the map knows either.
    pub fn find(&mut self, map: &ReasonMap, code: &str, text: &str, on: Option<NaiveDate>) -> Option<Reason> {
        let by_code = if code.is_empty() { None } else { map.of_code(code, on) };
        if by_code.is_some() || text.is_empty() {
            return by_code;
        }
        if map.is_dated {
            return map.of_words(text, on);
        }
        if let Some(reason) = self.known.get(text) {
            return *reason;
        }
        let reason = map.of_words(text, None);
        if self.known.len() < PHRASES_KEPT {
            self.known.insert(text.to_owned(), reason);
        }
        reason
    }
}
