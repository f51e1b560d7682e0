//! What a bank's codes and words mean: the status map decides the outcome and whether it is final; the reason map gives
//! the failure its canonical reason. The two never mix: a reason never makes an outcome.

use std::collections::HashMap;

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

/// A profile's reason map: by code first, then by the words.
#[derive(Clone, Debug)]
pub struct ReasonMap {
    codes: HashMap<String, Reason>,
    texts: RegexSet,
    text_reasons: Vec<Reason>,
}

impl ReasonMap {
    /// From codes, and from patterns in the profile's order.
    ///
    /// # Errors
    /// Says which pattern is not one. (The caller has compiled each alone before; this fails only for their sum's size.)
    pub fn new(codes: HashMap<String, Reason>, texts: &[(String, Reason)]) -> Result<Self, String> {
        let set = RegexSet::new(texts.iter().map(|(pattern, _)| pattern)).map_err(|e| e.to_string())?;
        Ok(Self { codes, texts: set, text_reasons: texts.iter().map(|(_, reason)| *reason).collect() })
    }

    fn of_words(&self, text: &str) -> Option<Reason> {
        self.texts.matches(text).iter().next().and_then(|i| self.text_reasons.get(i).copied())
    }

    /// Codes with their reasons.
    pub fn codes(&self) -> impl Iterator<Item = (&str, Reason)> {
        self.codes.iter().map(|(code, reason)| (code.as_str(), *reason))
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
    pub fn find(&mut self, map: &ReasonMap, code: &str, text: &str) -> Option<Reason> {
        let by_code = if code.is_empty() { None } else { map.codes.get(code).copied() };
        if by_code.is_some() || text.is_empty() {
            return by_code;
        }
        if let Some(reason) = self.known.get(text) {
            return *reason;
        }
        let reason = map.of_words(text);
        if self.known.len() < PHRASES_KEPT {
            self.known.insert(text.to_owned(), reason);
        }
        reason
    }
}
