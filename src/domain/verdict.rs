//! Is a day of an account in order (对账结论)? Completeness comes first: of a statement that does not continue the one before,
//! nothing can be concluded. Green only when it is complete and nothing remains unexplained.

use chrono::NaiveDate;

use super::instruction::coded;
use super::money::Fen;

/// How a day of an account stands. The order is from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Complete, and every fen explained.
    Reconciled,
    /// Something is to come, and its time is not over.
    Pending,
    /// Something does not agree.
    Breaks,
    /// The statement is not there, or does not continue the one before.
    Incomplete,
}

coded!(Verdict { Reconciled = "RECONCILED", Pending = "PENDING", Breaks = "BREAKS", Incomplete = "INCOMPLETE" });

/// A statement that covers a day, as its rows sum up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its number.
    pub id: i64,
    /// The first day covered.
    pub from: NaiveDate,
    /// The last day covered.
    pub to: NaiveDate,
    /// The balance before the first entry.
    pub opening: Option<Fen>,
    /// The balance behind the last.
    pub closing: Option<Fen>,
    /// How many entries it declares.
    pub declared: i64,
    /// How many are there.
    pub lines: i64,
    /// What came in.
    pub credits: Fen,
    /// What went out.
    pub debits: Fen,
}

/// What keeps a day from being complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// No statement covers it.
    NoStatement,
    /// More than one does.
    Overlap(Vec<i64>),
    /// Another statement for the day, with other bytes, waits for a decision.
    Contested,
    /// It names no opening or closing balance.
    NoBalance,
    /// Opening and entries do not make the closing balance.
    DoesNotAdd {
        /// What they make.
        expected: Fen,
        /// What it says.
        closing: Fen,
    },
    /// It does not begin where the one before ended.
    DoesNotContinue {
        /// How the one before ended.
        before: Fen,
        /// How this one begins.
        opening: Fen,
    },
    /// Entries are missing.
    Entries {
        /// Declared.
        declared: i64,
        /// Found.
        found: i64,
    },
}

impl Gap {
    /// In words that stay the same for the same rows.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NoStatement => "no statement covers this bank day".to_owned(),
            Self::Overlap(ids) => format!("statements {ids:?} overlap"),
            Self::Contested => "another statement with other bytes came for it".to_owned(),
            Self::NoBalance => "it names no opening or closing balance".to_owned(),
            Self::DoesNotAdd { expected, closing } => format!("opening and entries make {expected}, the closing balance is {closing}"),
            Self::DoesNotContinue { before, opening } => format!("the statement before ends with {before}, this one begins with {opening}"),
            Self::Entries { declared, found } => format!("{declared} entries are declared, {found} are there"),
        }
    }
}

/// What keeps a bank day from being complete: continuity within the statement and with the one before it.
#[must_use]
pub fn gaps(sheets: &[Sheet], before: Option<Fen>, is_contested: bool) -> Vec<Gap> {
    let mut gaps = Vec::new();
    match sheets {
        [] => gaps.push(Gap::NoStatement),
        [_] => {}
        several => gaps.push(Gap::Overlap(several.iter().map(|s| s.id).collect())),
    }
    if is_contested {
        gaps.push(Gap::Contested);
    }
    let Some(sheet) = sheets.first() else { return gaps };
    if sheet.declared != sheet.lines {
        gaps.push(Gap::Entries { declared: sheet.declared, found: sheet.lines });
    }
    let (Some(opening), Some(closing)) = (sheet.opening, sheet.closing) else {
        gaps.push(Gap::NoBalance);
        return gaps;
    };
    let expected = Fen::new(opening.get().saturating_add(sheet.credits.get()).saturating_sub(sheet.debits.get()));
    if expected != closing {
        gaps.push(Gap::DoesNotAdd { expected, closing });
    }
    if let Some(before) = before.filter(|before| *before != opening) {
        gaps.push(Gap::DoesNotContinue { before, opening });
    }
    gaps
}

/// How a day stands, worst first.
#[must_use]
pub fn verdict(gaps: usize, breaks: usize, pending: usize, residual: Fen) -> Verdict {
    if gaps > 0 {
        Verdict::Incomplete
    } else if breaks > 0 || (pending == 0 && residual != Fen::ZERO) {
        Verdict::Breaks
    } else if pending > 0 || residual != Fen::ZERO {
        Verdict::Pending
    } else {
        Verdict::Reconciled
    }
}

/// After so many days a missing movement is stale.
pub const STALE_DAYS: i64 = 30;

/// Whether something expected may still come: only a statement that reaches past its grace shows that it is missing.
#[must_use]
pub fn is_over(grace_until: NaiveDate, stated_to: Option<NaiveDate>) -> bool {
    stated_to.is_some_and(|to| to >= grace_until)
}

/// Whether it is missing for so long that nobody may expect it any more.
#[must_use]
pub fn is_stale(on: NaiveDate, today: NaiveDate) -> bool {
    today.signed_duration_since(on).num_days() > STALE_DAYS
}
