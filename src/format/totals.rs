//! Counts, sums and digests: what a file declares of itself, what was found in it, and how they are compared.

use std::fmt::Write as _;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;

use crate::domain::money::Fen;

/// Counts and sums that a file declares, or that were found in it. `None` where the layout has no place for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many payments; of a statement, how many entries.
    pub count: Option<u64>,
    /// What they sum to.
    pub amount: Option<Fen>,
    /// How many were paid.
    pub paid_count: Option<u64>,
    /// What was paid.
    pub paid_amount: Option<Fen>,
    /// How many failed.
    pub failed_count: Option<u64>,
    /// What failed.
    pub failed_amount: Option<Fen>,
}

impl Totals {
    /// Every difference between what is declared and what was found, in words. Where amounts differ by the factor of the
    /// unit, it says so: a file whose unit is not proven must not be booked.
    #[must_use]
    pub fn differences(declared: &Self, found: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let counts = [
            ("count", declared.count, found.count),
            ("count of paid", declared.paid_count, found.paid_count),
            ("count of failed", declared.failed_count, found.failed_count),
        ];
        for (what, declared, found) in counts {
            if let (Some(d), Some(f)) = (declared, found)
                && d != f
            {
                out.push(format!("the {what} is declared as {d}, and {f} were found"));
            }
        }
        let sums = [
            ("total", declared.amount, found.amount),
            ("total of paid", declared.paid_amount, found.paid_amount),
            ("total of failed", declared.failed_amount, found.failed_amount),
        ];
        for (what, declared, found) in sums {
            if let (Some(d), Some(f)) = (declared, found)
                && d != f
            {
                let unit = if is_hundredfold(d, f) || is_hundredfold(f, d) {
                    "; they differ by the factor 100: rows and totals are not in the units (yuan, fen) that the profile says"
                } else {
                    ""
                };
                out.push(format!("the {what} is declared as {d} yuan, and {f} yuan were found{unit}"));
            }
        }
        out
    }
}

fn is_hundredfold(small: Fen, large: Fen) -> bool {
    small != Fen::ZERO && small.get().checked_mul(100) == Some(large.get())
}

/// Adds without wrapping; past the largest amount the sum is no longer known.
pub(super) fn add(sum: &mut Option<Fen>, amount: Fen) {
    *sum = sum.and_then(|s| s.checked_add(amount));
}

/// A digest that a flag file or a bank may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestKind {
    /// SHA-256; always known.
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
    /// MD5, which some agreements still name. It proves transport, not origin.
    Md5,
}

/// What was counted over a data file's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Size in bytes.
    pub bytes: u64,
    /// Lines, header and trailer included; a last line without its end counts.
    pub lines: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Lower-case hex, where the profile's flags ask for it.
    pub sm3: Option<String>,
    /// Lower-case hex, where the profile's flags ask for it.
    pub md5: Option<String>,
    /// Of the text in the package, where the file is one.
    pub inner: Option<Box<Self>>,
}

impl Tally {
    /// Of the text: that in the package, where the file is one.
    #[must_use]
    pub fn of_text(&self) -> &Self {
        self.inner.as_deref().unwrap_or(self)
    }

    /// A package's, around that of its text.
    #[must_use]
    pub(super) fn around(self, inner: Self) -> Self {
        Self { lines: inner.lines, inner: Some(Box::new(inner)), ..self }
    }

    /// One digest, as lower-case hex.
    #[must_use]
    pub fn digest(&self, kind: DigestKind) -> Option<&str> {
        match kind {
            DigestKind::Sha256 => Some(&self.sha256),
            DigestKind::Sm3 => self.sm3.as_deref(),
            DigestKind::Md5 => self.md5.as_deref(),
        }
    }
}

/// Counts bytes and lines and digests them as they pass.
#[derive(Clone, Debug)]
pub struct Tallier {
    bytes: u64,
    line_ends: u64,
    is_line_open: bool,
    sha256: Sha256,
    sm3: Option<Sm3>,
    md5: Option<Md5>,
}

impl Tallier {
    /// SHA-256 and the digests asked for.
    #[must_use]
    pub fn new(kinds: &[DigestKind]) -> Self {
        Self {
            bytes: 0,
            line_ends: 0,
            is_line_open: false,
            sha256: Sha256::new(),
            sm3: kinds.contains(&DigestKind::Sm3).then(Sm3::new),
            md5: kinds.contains(&DigestKind::Md5).then(Md5::new),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.line_ends += u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX);
        if let Some(last) = bytes.last() {
            self.is_line_open = *last != b'\n';
        }
        self.sha256.update(bytes);
        if let Some(sm3) = &mut self.sm3 {
            sm3.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// The result.
    #[must_use]
    pub fn finish(self) -> Tally {
        Tally {
            bytes: self.bytes,
            lines: self.line_ends + u64::from(self.is_line_open),
            sha256: hex(&self.sha256.finalize()),
            sm3: self.sm3.map(|d| hex(&d.finalize())),
            md5: self.md5.map(|d| hex(&d.finalize())),
            inner: None,
        }
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_as_their_standards_print_them() {
        let mut tallier = Tallier::new(&[DigestKind::Sm3, DigestKind::Md5]);
        tallier.update(b"a");
        tallier.update(b"bc");
        let tally = tallier.finish();
        assert_eq!(tally.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(tally.sm3.as_deref(), Some("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"));
        assert_eq!(tally.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!((tally.bytes, tally.lines), (3, 1));
    }

    #[test]
    fn a_unit_that_is_not_the_declared_one_is_named() {
        let totals = |fen| Totals { amount: Some(Fen::new(fen)), ..Totals::default() };
        assert_eq!(Totals::differences(&totals(1230), &totals(1230)), Vec::<String>::new());
        assert!(Totals::differences(&totals(123_000), &totals(1230)).concat().contains("factor 100"));
        assert!(Totals::differences(&totals(1230), &totals(123_000)).concat().contains("factor 100"));
        assert!(!Totals::differences(&totals(1231), &totals(1230)).concat().contains("factor 100"));
        assert!(!Totals::differences(&totals(0), &totals(1230)).concat().contains("factor 100"));
    }
}
