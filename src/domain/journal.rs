//! The plain-text journal (总账明细账): the ledger written so that another program can add it up.
//!
//! hledger knows nothing of bankgate. It reads every entry, sums the accounts by itself and meets, at the end, our own
//! balances as assertions: where one of the two is wrong, it says so. So names must be one to one with accounts, dates must
//! rise, and nothing here may add anything up.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::ledger::{AccountKey, AccountKind};
use super::money::Fen;

/// The commodity of every amount.
pub const COMMODITY: &str = "CNY";

/// An account's name: its kind, the bank or the closed year where it has one, and the purse.
#[must_use]
pub fn account_name(key: &AccountKey) -> String {
    let mut name = key.kind.code().to_owned();
    if key.kind.is_per_bank() {
        _ = write!(name, ":{}", plain(&key.bank));
    }
    let (department, project) = (plain(&key.department), plain(&key.project));
    if key.kind == AccountKind::Carry {
        // Its year is the year that it carries from: said once, in front, as people say it.
        _ = write!(name, ":{}:{department}:{project}", key.year);
    } else {
        _ = write!(name, ":{department}:{project}:{}", key.year);
    }
    name
}

/// The account of a name, as [`account_name`] writes it.
#[must_use]
pub fn account_of(name: &str) -> Option<AccountKey> {
    let (kind, rest) = AccountKind::ALL.iter().find_map(|kind| Some((*kind, name.strip_prefix(kind.code())?.strip_prefix(':')?)))?;
    let mut parts: Vec<String> = rest.split(':').map(whole).collect();
    let bank = if kind.is_per_bank() && parts.len() == 4 { parts.remove(0) } else { String::new() };
    let [first, second, third] = <[String; 3]>::try_from(parts).ok()?;
    let (department, project, year) = if kind == AccountKind::Carry { (second, third, first) } else { (first, second, third) };
    let key = AccountKey { department, project, year: year.parse().ok()?, kind, bank };
    (account_name(&key) == name).then_some(key)
}

/// A code within a name: what the journal's grammar gives a meaning to is written as its number, so that no two codes meet.
fn plain(code: &str) -> String {
    let mut out = String::new();
    for c in code.chars() {
        if c.is_whitespace() || c.is_control() || ":;%|()[]{}*!=@\"".contains(c) {
            _ = write!(out, "%{:x}.", u32::from(c));
        } else {
            out.push(c);
        }
    }
    if out.is_empty() { "%.".to_owned() } else { out }
}

fn whole(part: &str) -> String {
    let mut out = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (number, behind) = after.split_once('.').unwrap_or((after, ""));
        out.extend(u32::from_str_radix(number, 16).ok().and_then(char::from_u32));
        rest = behind;
    }
    out + rest
}

/// What an entry belongs to, for its description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The batch, or empty.
    pub batch: String,
    /// Our file.
    pub file_out: Option<i64>,
    /// The bank's file.
    pub file_in: Option<i64>,
    /// The arrival of funds.
    pub funding: Option<i64>,
    /// The refund order.
    pub refund_order: Option<i64>,
    /// The opening balance.
    pub opening: Option<i64>,
    /// The statement that proves it.
    pub statement: Option<i64>,
}

impl Origins {
    /// In words: `batch B-1, file 3, answer 7`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        if !self.batch.is_empty() {
            words.push(format!("batch {}", self.batch));
        }
        let numbered = [
            ("file", self.file_out),
            ("answer", self.file_in),
            ("funding", self.funding),
            ("order", self.refund_order),
            ("opening", self.opening),
            ("statement", self.statement),
        ];
        words.extend(numbered.into_iter().filter_map(|(what, id)| id.map(|id| format!("{what} {id}"))));
        words.join(", ")
    }
}

/// The journal's head: the commodity, and every account by name, so that a strict reader refuses any other.
pub fn head<'a>(out: &mut String, accounts: impl IntoIterator<Item = &'a AccountKey>) {
    _ = writeln!(out, "; bankgate: every entry of the ledger, in {COMMODITY} with two decimals");
    _ = writeln!(out, "commodity 1000.00 {COMMODITY}\n");
    for key in accounts {
        _ = writeln!(out, "account {}", account_name(key));
    }
}

/// One entry as a transaction.
pub fn transaction(out: &mut String, date: NaiveDate, entry: i64, kind: &str, of: &Origins, postings: &[(&AccountKey, Fen)]) {
    let words = of.words();
    let description = if words.is_empty() { kind.to_owned() } else { format!("{kind} {words}") };
    // A semicolon would begin a comment, a bar would name a payee, and a break would end the line.
    let description: String = description.chars().map(|c| if c.is_control() || ";|".contains(c) { '_' } else { c }).collect();
    _ = writeln!(out, "\n{date} ({entry}) {description}");
    for (key, amount) in postings {
        _ = writeln!(out, "    {}  {amount} {COMMODITY}", account_name(key));
    }
}

/// The balances as we keep them, asserted behind the last entry.
pub fn assertions<'a>(out: &mut String, date: NaiveDate, balances: impl IntoIterator<Item = (&'a AccountKey, Fen)>) {
    _ = writeln!(out, "\n{date} (end) balances as bankgate keeps them");
    for (key, balance) in balances {
        _ = writeln!(out, "    {}  0.00 {COMMODITY} = {balance} {COMMODITY}", account_name(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: AccountKind, department: &str, bank: &str) -> AccountKey {
        AccountKey { department: department.into(), project: "0901".into(), year: 2019, kind, bank: bank.into() }
    }

    #[test]
    fn names_are_one_to_one_with_accounts() {
        let cases = [
            (key(AccountKind::Treasury, "D1", ""), "treasury:D1:0901:2019"),
            (key(AccountKind::SuspenseIneligible, "D1", ""), "suspense:ineligible:D1:0901:2019"),
            (key(AccountKind::BankClearing, "D1", "K1"), "bank_clearing:K1:D1:0901:2019"),
            (key(AccountKind::Conflict, "D1", ""), "conflict:%.:D1:0901:2019"),
            (key(AccountKind::Carry, "D1", ""), "carry:2019:D1:0901"),
            (key(AccountKind::Paid, "民政 局:二;%", ""), "paid:民政%20.局%3a.二%3b.%25.:0901:2019"),
        ];
        for (key, name) in cases {
            assert_eq!(account_name(&key), name);
            assert_eq!(account_of(name), Some(key), "{name}");
        }
        for wrong in ["", "paid", "paid:D1:0901", "paid:D1:0901:x", "carry:D1:0901:2019", "suspense:D1:0901:2019", "paid:D1:0901:02019"] {
            assert_eq!(account_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_entry_is_a_transaction_of_one_line_each() {
        let (from, to) = (key(AccountKind::Treasury, "D1", ""), key(AccountKind::ZeroBalance, "D1", ""));
        let mut text = String::new();
        let of = Origins { batch: "B;1\n".into(), funding: Some(3), ..Origins::default() };
        transaction(&mut text, "2019-03-14".parse().unwrap(), 7, "fund", &of, &[(&from, Fen::new(-123_456)), (&to, Fen::new(123_456))]);
        let wanted = "\n2019-03-14 (7) fund batch B_1_, funding 3\n    treasury:D1:0901:2019  -1234.56 CNY\n    zero_balance:D1:0901:2019  1234.56 CNY\n";
        assert_eq!(text, wanted);
    }
}
