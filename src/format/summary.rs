//! What reading a bank's file gives: records, faults, and what the file was as a whole.

use std::fmt;

use super::field::{BatchValue, Kind, Take};
use super::layout::Record;
use super::totals::{Tally, Totals};
use crate::domain::exchange::{Answer, Outcome, StatementEntry, StatementHead};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// How many problems and notes are kept; a file may be wrong a million times.
pub(super) const KEPT: usize = 100;
/// How many different values of ours are kept: more than any head has, and one that differs is enough.
const ECHOES_KEPT: usize = 256;

/// What a line became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// What the bank says of a payment, or of the file.
    Answer(Answer),
    /// An entry of a statement.
    Entry(StatementEntry),
    /// It cannot be read.
    Fault(LineFault),
}

/// A line that cannot be read (无法识别的行).
#[derive(Clone, PartialEq, Eq)]
pub struct LineFault {
    /// From 1.
    pub line: u64,
    /// The column's name in the profile, where one is to blame.
    pub column: Option<String>,
    /// What is wrong, without a whole personal value.
    pub what: String,
    /// The line as it stood (its first four kilobytes). It may hold personal values.
    pub raw: Vec<u8>,
}

impl fmt::Debug for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {:?}: {} ({} bytes)", self.line, self.column, self.what, self.raw.len())
    }
}

/// What the bank says of the whole file, in an ack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWord {
    /// What the code means.
    pub outcome: Outcome,
    /// Whether it is final in the profile.
    pub is_final: bool,
    /// Of a refusal.
    pub reason: Option<Reason>,
    /// As it stood.
    pub code: String,
    /// As it stood.
    pub text: String,
}

/// A value of our request that a header or trailer repeats.
#[derive(Clone, PartialEq, Eq)]
pub struct Echo {
    pub(super) value: BatchValue,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The column's name in the profile.
    pub column: String,
}

impl Echo {
    /// Whether both say the same; numbers may be padded differently.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let number = |echo: &Self| echo.kind.is_number().then(|| echo.text.parse::<u64>().ok()).flatten();
        self.text == other.text || number(self).is_some_and(|n| number(other) == Some(n))
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.column, self.value)
    }
}

/// What a file was, as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParseSummary {
    /// Answers or entries read.
    pub records: u64,
    /// Lines that could not be read.
    pub faults: u64,
    /// Lines, header and trailer included.
    pub lines: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Counted over the bytes.
    pub tally: Tally,
    /// What the file says of itself.
    pub declared: Totals,
    /// What was found.
    pub found: Totals,
    /// How many payments the bank says that we sent.
    pub sent_count: Option<u64>,
    /// What the bank says that they sum to.
    pub sent_amount: Option<Fen>,
    /// Everything that is wrong with the file as a whole: while one stands, nothing of it may be applied.
    pub problems: Vec<String>,
    /// Oddities that block nothing: a success that carries a failure's reason, and the like.
    pub notes: Vec<String>,
    /// Whether the unit of the amounts (yuan or fen) is proven by a declared total; `None` where none is declared.
    pub is_unit_proven: Option<bool>,
    /// Of a statement.
    pub head: StatementHead,
    /// Of an ack.
    pub file_code: Option<FileWord>,
    /// Values of our request that the file repeats; [`super::Profile::differing_echoes`] compares them.
    pub echoed: Vec<Echo>,
}

impl ParseSummary {
    /// Keeps values of our request that a record repeats, by the column's number; what every row says alike, once.
    pub(super) fn repeated(&mut self, record: &Record, echoes: &mut Vec<(usize, String)>) {
        for (column, text) in echoes.drain(..) {
            let Some(field) = record.fields.get(column) else { continue };
            let Take::Echo(value) = &field.take else { continue };
            let echo = Echo { value: value.clone(), kind: field.kind.clone(), text, column: field.name.clone() };
            if self.echoed.len() < ECHOES_KEPT && !self.echoed.contains(&echo) {
                self.echoed.push(echo);
            }
        }
    }

    /// Keeps a problem, unless there are too many to be read.
    pub(super) fn problem(&mut self, what: impl Into<String>) {
        if self.problems.len() < KEPT {
            self.problems.push(what.into());
        }
    }
}
