//! A statement's booked lines as the rest of the house knows them: in fen, one for each payment that the bank tells apart, where
//! the payments make the whole.

use super::{Booked, Detail, Movement, Statement};
use crate::domain::exchange::{StatementEntry, StatementHead};
use crate::domain::money::Fen;

/// Whether its amounts are in the currency that we pay in.
#[must_use]
pub fn is_home_currency(statement: &Statement) -> bool {
    statement.currency == "CNY"
}

/// What it says of itself. `None` for an amount that is too large for us.
#[must_use]
pub fn head(statement: &Statement) -> Option<StatementHead> {
    let balance_day = |b: Option<super::Balance>| b.and_then(|b| b.on);
    let days = statement.seen.days;
    let to = statement.to.or(balance_day(statement.closing)).or(days.map(|d| d.1));
    // An opening balance bears the day before as often as the first day.
    let from = statement.from.or(days.map(|d| d.0)).or(to);
    let fen = |b: Option<super::Balance>| match b {
        None => Some(None),
        Some(b) => i64::try_from(b.minor).ok().map(|m| Some(Fen::new(m))),
    };
    Some(StatementHead { account: statement.account.clone(), from, to, opening: fen(statement.opening)?, closing: fen(statement.closing)? })
}

/// Its booked lines, numbered from `first`. `None` for an amount that is too large for us.
#[must_use]
pub fn entries(statement: &Statement, first: u64) -> Option<Vec<StatementEntry>> {
    let mut out = Vec::new();
    for movement in &statement.movements {
        out.extend(lines_of(movement)?);
    }
    for (line, entry) in (first..).zip(&mut out) {
        entry.line = line;
    }
    Some(out)
}

/// The lines that a movement is in the books, unnumbered: one for each payment told apart; none where it is not booked. `None` for
/// an amount that is too large for us.
#[must_use]
pub fn lines_of(movement: &Movement) -> Option<Vec<StatementEntry>> {
    if movement.booked == Booked::NotYet || movement.minor == 0 {
        return Some(Vec::new());
    }
    let line = |(minor, detail): (i128, &Detail)| {
        Some(StatementEntry {
            line: 0,
            date: movement.booked_on,
            side: movement.side,
            amount: Fen::new(i64::try_from(minor).ok()?),
            reference: detail.reference.clone().or_else(|| movement.whole.reference.clone()),
            bank_ref: detail.bank_ref.clone().or_else(|| movement.whole.bank_ref.clone()),
            counter_account: detail.counter_account.clone(),
            counter_name: detail.counter_name.clone(),
            text: words(movement, detail),
        })
    };
    parts(movement).into_iter().map(line).collect()
}

/// The payments of a movement, where all have amounts that make the whole; else the movement.
fn parts(movement: &Movement) -> Vec<(i128, &Detail)> {
    let each: Option<Vec<(i128, &Detail)>> = movement.details.iter().map(|d| d.minor.filter(|m| *m > 0).map(|m| (m, d))).collect();
    match each {
        Some(each) if !each.is_empty() && each.iter().map(|(m, _)| *m).sum::<i128>() == movement.minor => each,
        Some(_) | None => match movement.details.as_slice() {
            [one] => vec![(movement.minor, one)],
            _ => vec![(movement.minor, &movement.whole)],
        },
    }
}

fn words(movement: &Movement, detail: &Detail) -> String {
    let mut words: Vec<&str> = Vec::new();
    if movement.is_reversal {
        words.push("冲正");
    }
    for text in [detail.text.as_str(), movement.whole.text.as_str()] {
        if !text.is_empty() && !words.contains(&text) {
            words.push(text);
        }
    }
    words.join(" ")
}
