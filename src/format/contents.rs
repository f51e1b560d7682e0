//! A payment file by what stands in it (按账号金额匹配): for banks that answer without a reference. A payment that has its equal in
//! the same file is told from it by nothing; then the answers must say the same of all of them, or a person decides.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::charset::fold_name;
use super::profile::BindingKey;
use crate::domain::exchange::Answer;
use crate::domain::masked::{Account, Name};
use crate::domain::money::Fen;

/// What equal payments must have in common to be told apart by nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    line: u64,
    word: String,
}

/// The payments of a file: a few bytes each.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    needs_name: bool,
    /// Account and amount, name, number; sorted.
    rows: Vec<(u64, u64, i64)>,
    /// Answers to payments that have their equals.
    twins: HashMap<(u64, u64), Vec<Said>>,
}

impl Contents {
    /// For this way of binding. `None`: it does not go by content.
    #[must_use]
    pub fn new(binding: &[BindingKey]) -> Option<Self> {
        let by_content = binding.iter().find(|key| matches!(key, BindingKey::AccountAmount | BindingKey::AccountNameAmount))?;
        Some(Self { needs_name: *by_content == BindingKey::AccountNameAmount, ..Self::default() })
    }

    /// Takes a payment.
    pub fn take(&mut self, id: i64, account: &Account, name: &Name, amount: Fen) {
        self.rows.push((digest(&(account.reveal(), amount.get())), digest(&fold_name(name.reveal())), id));
    }

    /// All payments are here.
    pub fn finish(&mut self) {
        self.rows.sort_unstable();
    }

    /// The payment that an answer speaks of. Every column is compared afterwards, as of any answer.
    pub fn find(&mut self, answer: &Answer) -> Option<i64> {
        let content = digest(&(answer.account.as_ref()?.reveal(), answer.amount?.get()));
        let name = answer.payee_name.as_ref().map(|n| digest(&fold_name(n.reveal())));
        let (mut group, mut key) = (self.group(content), (content, 0));
        if let Some(name) = name {
            // Equal but for the name: the name tells them apart. One that fits none is a difference of its row.
            let named: Vec<i64> = self.named(content, name);
            if self.needs_name || (group.len() > 1 && !named.is_empty()) {
                (group, key) = (named, (content, name));
            }
        } else if self.needs_name {
            return None;
        }
        let first = group.first().copied();
        if group.len() <= 1 {
            return first;
        }
        let word = format!("{} {} {:?} {:?}", answer.outcome.code(), answer.is_final, answer.reason, answer.paid);
        let said = self.twins.entry(key).or_default();
        said.push(Said { line: answer.line, word });
        group.get(said.len() - 1).copied()
    }

    fn group(&self, content: u64) -> Vec<i64> {
        let from = self.rows.partition_point(|(c, ..)| *c < content);
        self.rows.iter().skip(from).take_while(|(c, ..)| *c == content).map(|(.., id)| *id).collect()
    }

    fn named(&self, content: u64, name: u64) -> Vec<i64> {
        let from = self.rows.partition_point(|(c, n, _)| (*c, *n) < (content, name));
        self.rows.iter().skip(from).take_while(|(c, n, _)| (*c, *n) == (content, name)).map(|(.., id)| *id).collect()
    }

    /// The lines of answers that do not say which of several equal payments they mean.
    #[must_use]
    pub fn unclear(&self) -> Vec<Vec<u64>> {
        let count = |(content, name): (u64, u64)| if name == 0 { self.group(content).len() } else { self.named(content, name).len() };
        let is_clear =
            |key: (u64, u64), said: &[Said]| said.len() == count(key) && said.windows(2).all(|w| matches!(w, [a, b] if a.word == b.word));
        let mut unclear: Vec<Vec<u64>> = self
            .twins
            .iter()
            .filter(|(content, said)| !is_clear(**content, said))
            .map(|(_, said)| said.iter().map(|s| s.line).collect())
            .collect();
        unclear.sort_unstable();
        unclear
    }
}

/// Never nothing: that stands for no name.
fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish().max(1)
}
