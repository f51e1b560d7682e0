//! What a statement's entries come to without holding them: how many, of which days, and a digest that does not ask their order.

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::exchange::{Side, StatementEntry};
use super::money::Fen;

/// What an entry says of money and by which references: what makes it another entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryFacts<'a> {
    /// The booking date.
    pub on: NaiveDate,
    /// In or out.
    pub side: Side,
    /// How much.
    pub amount: Fen,
    /// Our reference, or empty.
    pub reference: &'a str,
    /// The bank's own, or empty.
    pub bank_ref: &'a str,
}

impl<'a> From<&'a StatementEntry> for EntryFacts<'a> {
    fn from(e: &'a StatementEntry) -> Self {
        let (reference, bank_ref) = (e.reference.as_deref().unwrap_or_default(), e.bank_ref.as_deref().unwrap_or_default());
        Self { on: e.date, side: e.side, amount: e.amount, reference, bank_ref }
    }
}

/// Entries that were gone through. Two sums are equal where the entries are, in whatever order: the digest adds up the entries'
/// own, the first 128 bits of a SHA-256 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntriesSum {
    /// How many.
    pub count: u64,
    /// The first and the last day among them.
    pub days: Option<(NaiveDate, NaiveDate)>,
    digest: u128,
}

impl EntriesSum {
    /// Takes one more.
    pub fn add(&mut self, entry: EntryFacts<'_>) {
        let EntryFacts { on, side, amount, reference, bank_ref } = entry;
        let text = format!("{on}\u{1f}{}\u{1f}{}\u{1f}{reference}\u{1f}{bank_ref}", side.code(), amount.get());
        let own = Sha256::digest(text.as_bytes());
        let own = own.iter().take(16).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        self.digest = self.digest.wrapping_add(own);
        self.count += 1;
        self.days = days_of_both(self.days, Some((on, on)));
    }

    /// Takes what another went through.
    pub fn join(&mut self, other: Self) {
        self.digest = self.digest.wrapping_add(other.digest);
        self.count += other.count;
        self.days = days_of_both(self.days, other.days);
    }
}

/// The first and the last day of both.
#[must_use]
pub fn days_of_both(one: Option<(NaiveDate, NaiveDate)>, other: Option<(NaiveDate, NaiveDate)>) -> Option<(NaiveDate, NaiveDate)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_makes_no_difference_and_everything_else_does() {
        let entry = |fen, reference| EntryFacts { on: NaiveDate::MIN, side: Side::Debit, amount: Fen::new(fen), reference, bank_ref: "" };
        let of = |entries: &[EntryFacts<'_>]| {
            let mut sum = EntriesSum::default();
            entries.iter().for_each(|e| sum.add(*e));
            sum
        };
        let (a, b) = (entry(100, "A"), entry(200, "B"));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        let mut joined = of(&[b]);
        joined.join(of(&[EntryFacts { on: NaiveDate::MAX, ..a }]));
        assert_eq!(joined, of(&[EntryFacts { on: NaiveDate::MAX, ..a }, b]));
        let later = EntryFacts { on: NaiveDate::MAX, ..a };
        for other in [
            &[a][..],
            &[a, b, b],
            &[entry(200, "A"), entry(100, "B")],
            &[EntryFacts { side: Side::Credit, ..a }, b],
            &[EntryFacts { bank_ref: "A", reference: "", ..a }, b],
            &[later, b],
        ] {
            assert_ne!(of(&[a, b]), of(other));
        }
    }
}
