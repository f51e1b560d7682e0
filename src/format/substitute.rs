//! Characters of names that a bank cannot take (生僻字), written as was agreed with it in writing: rule by rule, approved by two
//! people, logged for each file. Names are the only values, and these the only characters, that are ever sent otherwise than they
//! were approved.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::charset::{Dialect, fold_name, name_fault};
use super::plan::{Fault, day, fault};
use crate::domain::batch::person_of;

/// Lines that are named for a rule; the rest is counted.
const NAMED: usize = 20;

/// How one character of names is written for this bank.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubstituteSpec {
    /// The character: itself, or `U+4DAE`.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// What is written instead: one or more characters.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
    /// The written agreement with the bank (约定文号).
    #[schemars(with = "String")]
    pub agreed_in: Spanned<String>,
    /// Who approved it: two people at least.
    #[schemars(with = "Vec<String>")]
    pub approved_by: Spanned<Vec<String>>,
    /// The day on which they did.
    #[schemars(with = "String")]
    pub approved_on: Spanned<String>,
}

/// A rule, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitute {
    from: char,
    to: String,
    agreed_in: String,
    approved_by: Vec<String>,
    approved_on: NaiveDate,
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, agreed_in, approved_by, approved_on } = self;
        write!(f, "U+{:04X} {from} → {to:?} ({agreed_in}; {}, {approved_on})", u32::from(*from), approved_by.join(", "))
    }
}

/// Where a file of ours says a name as agreed, and not as approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substituted {
    /// The rule, its agreement and who approved it.
    pub rule: String,
    /// How many lines it changed.
    pub count: u64,
    /// The first of them.
    pub lines: Vec<u64>,
}

impl fmt::Display for Substituted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
        let more = if u64::try_from(self.lines.len()).is_ok_and(|n| n < self.count) { ", …" } else { "" };
        write!(f, "{}: {} lines ({}{more})", self.rule, self.count, lines.join(", "))
    }
}

/// What the rules did to one file.
#[derive(Clone, Debug, Default)]
pub struct Log {
    per_rule: Vec<(u64, Vec<u64>)>,
}

impl Log {
    /// Notes a line by the name that was approved.
    pub fn note(&mut self, rules: &[Substitute], name: &str, line: u64) {
        self.per_rule.resize(rules.len(), (0, Vec::new()));
        for (_, (count, lines)) in rules.iter().zip(&mut self.per_rule).filter(|(rule, _)| name.contains(rule.from)) {
            *count += 1;
            if lines.len() < NAMED {
                lines.push(line);
            }
        }
    }

    /// The rules that changed anything.
    pub fn finish(self, rules: &[Substitute]) -> Vec<Substituted> {
        let used = rules.iter().zip(self.per_rule).filter(|(_, (count, _))| *count > 0);
        used.map(|(rule, (count, lines))| Substituted { rule: rule.to_string(), count, lines }).collect()
    }
}

/// A name as the bank is told it. Each character is looked at once: what a rule writes is not replaced again.
pub fn told<'n>(rules: &[Substitute], name: &'n str) -> Cow<'n, str> {
    if !rules.iter().any(|rule| name.contains(rule.from)) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match rules.iter().find(|rule| rule.from == c) {
            Some(rule) => out.push_str(&rule.to),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Checks the rules; `dialects` are those of the files in which names are sent.
///
/// # Errors
/// The first fault found.
pub fn checked(written: &[Spanned<SubstituteSpec>], dialects: &[Dialect]) -> Result<Vec<Substitute>, Fault> {
    let mut rules: Vec<Substitute> = Vec::new();
    for at in written {
        let spec = at.get_ref();
        let from = character(&spec.from)?;
        if rules.iter().any(|rule| rule.from == from) {
            return Err(fault(&spec.from, format!("U+{:04X} has a rule already", u32::from(from))));
        }
        let to = spec.to.get_ref().clone();
        replacement(from, &spec.to, dialects)?;
        if spec.agreed_in.get_ref().trim().is_empty() {
            return Err(fault(
                &spec.agreed_in,
                "is empty; it names the written agreement with the bank, so that an auditor can ask for it",
            ));
        }
        let approved_by: Vec<String> = spec.approved_by.get_ref().iter().map(|who| who.trim().to_owned()).collect();
        let different: HashSet<String> = approved_by.iter().map(|who| person_of(who)).filter(|who| !who.is_empty()).collect();
        if different.len() < 2 || different.len() < approved_by.len() {
            return Err(fault(
                &spec.approved_by,
                "two different people approve that a name is sent otherwise than it is, and each is named once",
            ));
        }
        let approved_on = day(&spec.approved_on)?;
        rules.push(Substitute { from, to, agreed_in: spec.agreed_in.get_ref().trim().to_owned(), approved_by, approved_on });
    }
    for at in written {
        if let Some(again) = rules.iter().find(|rule| at.get_ref().to.get_ref().contains(rule.from)) {
            let what =
                format!("holds U+{:04X}, which has a rule of its own; what a rule writes is not replaced again", u32::from(again.from));
            return Err(fault(&at.get_ref().to, what));
        }
    }
    Ok(rules)
}

/// The one character that a rule is about.
fn character(written: &Spanned<String>) -> Result<char, Fault> {
    let text = written.get_ref();
    let mut itself = text.chars();
    let by_number = || text.strip_prefix("U+").and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
    let found = match (itself.next(), itself.next()) {
        (Some(c), None) => Some(c),
        (Some(_), Some(_)) => by_number(),
        (None, _) => None,
    };
    let from = found.ok_or_else(|| fault(written, "is one character, itself or by its number as U+4DAE"))?;
    if from.is_control() || from.is_whitespace() {
        return Err(fault(written, "a blank or a control character is no part of a name"));
    }
    match name_fault(&format!("某{from}")) {
        Some(f) => Err(fault(written, format!("U+{:04X} {}: a name that holds it is corrected, not replaced", u32::from(from), f.why))),
        None => Ok(from),
    }
}

/// Whether a rule may write this.
fn replacement(from: char, written: &Spanned<String>, dialects: &[Dialect]) -> Result<(), Fault> {
    let to = written.get_ref();
    if to.is_empty() || to.chars().any(char::is_control) || to.trim() != to {
        return Err(fault(written, "is one or more characters, without blanks around them; a character is never left out"));
    }
    // How a bank wants the interpunct of minority names is its own affair, where it says so in writing.
    let is_interpunct = from == '\u{B7}' && fold_name(to) == "\u{B7}";
    if let Some(f) = name_fault(to).filter(|_| !is_interpunct) {
        return Err(fault(written, format!("character {} {}", f.at, f.why)));
    }
    for dialect in dialects {
        dialect.encode(to, &mut Vec::new()).map_err(|e| fault(written, format!("the bank's character set does not carry it: {e}")))?;
    }
    Ok(())
}
