//! Does it add up: opening and lines make the closing balance, the closing balance is the next one's opening, no page is
//! missing, and what is declared was found.

use super::{Continuity, Statement};

/// Compares, and gives each statement its verdict.
pub fn prove(statements: &mut [Statement]) {
    for statement in statements.iter_mut() {
        compare(statement);
        statement.continuity = alone(statement);
    }
    let order = order(statements);
    for pair in order.windows(2) {
        let [before, after] = pair else { continue };
        let (Some(a), Some(b)) = (statements.get(*before), statements.get(*after)) else { continue };
        let is_same = a.account == b.account && a.currency == b.currency && !a.form.is_notice() && !b.form.is_notice();
        if !is_same {
            continue;
        }
        if let Some(why) = gap(a, b)
            && let Some(after) = statements.get_mut(*after)
            && !matches!(after.continuity, Continuity::Broken(_))
        {
            after.continuity = Continuity::Broken(why);
        }
    }
    for statement in statements {
        if let Continuity::Broken(why) = &statement.continuity {
            let what = format!("line {}: {why}", statement.line);
            statement.problem(what);
        }
    }
}

fn compare(statement: &mut Statement) {
    let (credits, debits, seen) = (statement.credit_sum, statement.debit_sum, statement.seen);
    let declared = statement.declared;
    let counts = [
        ("count of credits", declared.credit_count, seen.credits),
        ("count of debits", declared.debit_count, seen.debits),
        ("count of entries", declared.count, seen.credits + seen.debits),
    ];
    let sums = [
        ("sum of credits", declared.credit_sum, credits),
        ("sum of debits", declared.debit_sum, debits),
        ("sum of entries", declared.sum, credits.saturating_add(debits)),
    ];
    // Banks count what is not booked among them, or do not; only where every line is booked is a difference one.
    if seen.not_booked > 0 {
        return;
    }
    let line = statement.line;
    for (what, declared, found) in counts {
        if let Some(declared) = declared.filter(|d| *d != found) {
            statement.problem(format!("line {line}: the {what} is declared as {declared}, and {found} was found"));
        }
    }
    for (what, declared, found) in sums {
        if let Some(declared) = declared.filter(|d| *d != found) {
            statement.problem(format!("line {line}: the {what} is declared as {declared} (smallest unit), and {found} was found"));
        }
    }
}

fn alone(statement: &Statement) -> Continuity {
    if statement.form.is_notice() {
        return Continuity::Unproven(format!("{} is a notice and proves no day", statement.form.code()));
    }
    if !statement.problems.is_empty() {
        return Continuity::Broken("lines that cannot be read, or do not add up, prove nothing".to_owned());
    }
    let (Some(opening), Some(closing)) = (statement.opening, statement.closing) else {
        let what = if statement.opening.is_none() { "opening" } else { "closing" };
        return Continuity::Unproven(format!("the {what} balance is missing"));
    };
    let expected = opening.minor.saturating_add(statement.credit_sum).saturating_sub(statement.debit_sum);
    if expected == closing.minor {
        return Continuity::Holds;
    }
    Continuity::Broken(format!(
        "opening {} and the entries make {expected}, the closing balance is {} (smallest unit)",
        opening.minor, closing.minor
    ))
}

/// By account, then day, number and page where all have them; else as they stand.
fn order(statements: &[Statement]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..statements.len()).collect();
    let key = |i: &usize| {
        let s = statements.get(*i);
        let day = s.and_then(|s| s.from.or(s.opening.and_then(|b| b.on)).or(s.to));
        s.map(|s| (s.account.clone(), s.currency.clone(), day, s.sequence, s.page, *i))
    };
    let is_dated = statements.iter().all(|s| s.from.or(s.opening.and_then(|b| b.on)).or(s.to).is_some());
    if is_dated {
        order.sort_by_key(key);
    } else {
        order.sort_by_key(|i| statements.get(*i).map(|s| (s.account.clone(), s.currency.clone(), *i)));
    }
    order
}

/// What is missing or different between two statements of an account that follow one another.
fn gap(a: &Statement, b: &Statement) -> Option<String> {
    if let (Some(closing), Some(opening)) = (a.closing, b.opening)
        && closing.minor != opening.minor
    {
        return Some(format!(
            "opens with {} (smallest unit), and the statement before it (line {}) closes with {}",
            opening.minor, a.line, closing.minor
        ));
    }
    let (Some(page_a), Some(page_b)) = (a.page, b.page) else { return None };
    let is_same = a.sequence == b.sequence && (a.sequence.is_some() || a.from == b.from);
    let ends = a.is_last_page == Some(true) || a.closing.is_some_and(|c| !c.is_interim);
    match (is_same, ends) {
        (true, false) if page_b > page_a.saturating_add(1) => Some(format!("page {} is missing before page {page_b}", page_a + 1)),
        (true, _) if page_b == page_a && !ends => Some(format!("page {page_b} stands twice")),
        (false, false) if a.is_last_page == Some(false) && page_b == 1 => {
            Some(format!("the statement before it (line {}) ends with page {page_a}, which is not its last", a.line))
        }
        (true | false, _) => None,
    }
}
