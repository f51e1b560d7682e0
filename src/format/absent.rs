//! Payments that an answer set leaves out (未列明细): what their absence means, and only where the profile says so, the set is the
//! bank's last word on the file, and counts and amounts prove it. Absence alone is never evidence.

use super::profile::{Absence, Exchange, Response, ReturnSemantics};
use super::summary::ParseSummary;
use crate::domain::exchange::Outcome;
use crate::domain::money::Fen;

/// What becomes of the payments without a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Nothing is known of them by this set.
    Open,
    /// Counts and amounts prove it.
    Proven(Outcome),
    /// The set does not add up.
    Problem(String),
}

/// Weighs what a result leaves out: so many payments, of so much.
#[must_use]
pub fn left_out(exchange: &Exchange, (count, amount): (u64, Fen), summaries: &[ParseSummary]) -> LeftOut {
    let lists_failures = match exchange.return_semantics {
        ReturnSemantics::FailuresOnly | ReturnSemantics::FailuresElseSuccesses => true,
        ReturnSemantics::AllRows | ReturnSemantics::SplitSuccessFailure | ReturnSemantics::SummaryThenQuery => false,
    };
    let speaks_of_all = summaries.iter().any(|s| s.file_code.is_some());
    if !lists_failures || speaks_of_all {
        return LeftOut::Open;
    }
    let sum = |of: &dyn Fn(&ParseSummary) -> Option<u64>| summaries.iter().filter_map(of).sum::<u64>();
    let (records, paid) = (sum(&|s| s.found.count), sum(&|s| s.found.paid_count));
    if exchange.return_semantics == ReturnSemantics::FailuresElseSuccesses && count > 0 && is_whole(exchange) {
        if paid > 0 {
            // It lists successes: then there is no failure, and each payment is there.
            return LeftOut::Problem(format!("it lists successes, and {count} payments of {amount} yuan are not among them"));
        }
        if records == 0 {
            return LeftOut::Problem("it lists neither failures nor successes".to_owned());
        }
    }
    let (declared, found, outcome) = match exchange.absence_means {
        Absence::Unknown => return LeftOut::Open,
        Absence::Paid => (
            (first(summaries, |s| s.declared.paid_count), first(summaries, |s| s.declared.paid_amount)),
            (paid, total(summaries, |s| s.found.paid_amount)),
            Outcome::Paid,
        ),
        Absence::Failed => (
            (first(summaries, |s| s.declared.failed_count), first(summaries, |s| s.declared.failed_amount)),
            (sum(&|s| s.found.failed_count), total(summaries, |s| s.found.failed_amount)),
            Outcome::Failed,
        ),
    };
    let expected = (count.checked_add(found.0), found.1.and_then(|f| f.checked_add(amount)));
    let word = if outcome == Outcome::Paid { "paid" } else { "failed" };
    match (declared, expected) {
        ((Some(c), Some(a)), (Some(ec), Some(ea))) if (c, a) == (ec, ea) && count > 0 => LeftOut::Proven(outcome),
        ((Some(c), Some(a)), (Some(ec), Some(ea))) if (c, a) == (ec, ea) => LeftOut::Open,
        // More is to come, and then the sums will fit.
        _ if !is_whole(exchange) => LeftOut::Open,
        ((Some(c), Some(a)), (Some(ec), Some(ea))) => LeftOut::Problem(format!(
            "the bank declares {c} {word} of {a} yuan; {ec} payments of {ea} yuan would be, with those that have no row"
        )),
        _ if count == 0 => LeftOut::Open,
        _ => LeftOut::Problem(format!(
            "{count} payments of {amount} yuan have no row, and no count and amount of those {word} proves that they were"
        )),
    }
}

/// Whether each result is the bank's last word on the whole file.
fn is_whole(exchange: &Exchange) -> bool {
    exchange.response == Response::Replace
}

fn first<T>(summaries: &[ParseSummary], of: impl Fn(&ParseSummary) -> Option<T>) -> Option<T> {
    summaries.iter().find_map(of)
}

fn total(summaries: &[ParseSummary], of: impl Fn(&ParseSummary) -> Option<Fen>) -> Option<Fen> {
    summaries.iter().try_fold(Fen::ZERO, |sum, s| sum.checked_add(of(s)?))
}
