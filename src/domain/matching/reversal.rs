//! A debit that was made once already and the credit that takes it back (冲正). The bank has put its own book right: neither is a payment
//! or a return of ours, and a credit that names a payment must not be taken for the payee's money coming back.

use super::disagree::disagrees;
use super::{Books, BreakKind, Found, How, Line, MatchKind, Named};
use crate::domain::exchange::Side;

/// Pairs each such debit with the first credit behind it that names the same thing, over the same amount.
pub(super) fn pair(lines: &[Line], names: &[Option<Named>], books: &Books, found: &mut [Option<Found>]) {
    pair_those(lines, names, found, |line, name| is_second(line, Some(name), books));
}

/// The same of the debit of a refund that bounced (退回): it proves no order, and one that was given up asks for none. Where something
/// else proved the order, or its debit did before, the credit stays a question.
pub(super) fn pair_bounced(lines: &[Line], names: &[Option<Named>], books: &Books, found: &mut [Option<Found>]) {
    pair_those(lines, names, found, |_, name| match name {
        Named::Refund(id) => books.refunds.get(id).is_some_and(|order| !order.is_out || (order.is_proven_here && !order.is_seen)),
        Named::Item(_) | Named::File(_) => false,
    });
}

fn pair_those(lines: &[Line], names: &[Option<Named>], found: &mut [Option<Found>], is_meant: impl Fn(&Line, &Named) -> bool) {
    let is_open = |found: &[Option<Found>], at: usize| matches!(found.get(at), Some(None));
    for (debit, (line, name)) in lines.iter().zip(names).enumerate() {
        let Some(named) = name.as_ref().filter(|_| line.side == Side::Debit && is_open(found, debit)) else { continue };
        if !is_meant(line, named) {
            continue;
        }
        let takes_back = |(at, (other, its)): &(usize, (&Line, &Option<Named>))| {
            other.side == Side::Credit && *its == name && other.amount == line.amount && other.on >= line.on && is_open(found, *at)
        };
        let Some((credit, _)) = lines.iter().zip(names).enumerate().find(takes_back) else { continue };
        for at in [debit, credit] {
            if let Some(slot) = found.get_mut(at) {
                *slot = Some(Found::Match(MatchKind::Other, 0, How::Reference));
            }
        }
    }
}

/// What waits for the bank's word, or differs otherwise, is no second debit.
fn is_second(line: &Line, name: Option<&Named>, books: &Books) -> bool {
    matches!(disagrees(line, name, books), Found::Break { kind: BreakKind::DuplicateDebit, .. })
}
