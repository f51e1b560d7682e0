//! The ledger's accounts and entries (总账). Every movement is a balanced entry; nothing is ever changed or deleted.
//!
//! Where money lies is a function of the states of instructions (`InstructionState::account`), so an entry is the
//! difference between two states, and the subledger can be compared with the ledger at any commit (law 2 c).

use super::instruction::coded;
use super::money::Fen;

/// The kinds of account, one each per department, project and fiscal year (and bank, where banks differ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// 国库: the source; negative by what it has given.
    Treasury,
    /// 单位零余额账户: quota or cash that has arrived and is not instructed.
    ZeroBalance,
    /// Instructed, and no definite word yet; one per bank.
    BankClearing,
    /// Credited to people.
    Paid,
    /// 待处理: failed, may be corrected.
    SuspenseCorrectable,
    /// 待退回: failed, nobody may keep it; zeroed monthly.
    SuspenseIneligible,
    /// 待查: nobody knows.
    SuspenseUnknown,
    /// On its way back to the treasury.
    RefundInTransit,
    /// What a bank said that no rule of ours has a place for; may be negative; one per bank.
    Conflict,
    /// Returns of earlier years.
    Carry,
}

coded!(AccountKind {
    Treasury = "treasury",
    ZeroBalance = "zero_balance",
    BankClearing = "bank_clearing",
    Paid = "paid",
    SuspenseCorrectable = "suspense:correctable",
    SuspenseIneligible = "suspense:ineligible",
    SuspenseUnknown = "suspense:unknown",
    RefundInTransit = "refund_in_transit",
    Conflict = "conflict",
    Carry = "carry",
});

impl AccountKind {
    /// Whether the account may stand below zero: the source, and what banks say against our books.
    #[must_use]
    pub const fn may_be_negative(self) -> bool {
        match self {
            Self::Treasury | Self::Conflict => true,
            Self::ZeroBalance
            | Self::BankClearing
            | Self::Paid
            | Self::SuspenseCorrectable
            | Self::SuspenseIneligible
            | Self::SuspenseUnknown
            | Self::RefundInTransit
            | Self::Carry => false,
        }
    }

    /// Whether there is one for each bank.
    #[must_use]
    pub const fn is_per_bank(self) -> bool {
        match self {
            Self::BankClearing | Self::Conflict => true,
            Self::Treasury
            | Self::ZeroBalance
            | Self::Paid
            | Self::SuspenseCorrectable
            | Self::SuspenseIneligible
            | Self::SuspenseUnknown
            | Self::RefundInTransit
            | Self::Carry => false,
        }
    }
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// The treasury gave quota or cash.
    Fund,
    /// Payments were put into a file for a bank.
    Send,
    /// The bank credited.
    Pay,
    /// The bank did not credit.
    Fail,
    /// Nobody knows any more, or two words differ.
    Doubt,
    /// Credited, then sent back.
    Return,
    /// A final failure was instructed again.
    Reissue,
    /// A file that no bank has seen was given up.
    Unsend,
    /// What lay in an account on the day of the switch-over.
    Open,
    /// A person gave back what was not due, matched to its case.
    Recover,
    /// The class of a failure changed: correctable, or not due at all.
    Reclassify,
    /// Left over from a closed fiscal year.
    Lapse,
    /// An order sent money on its way to the treasury.
    Refund,
    /// An order was refused or given up.
    Unrefund,
    /// The treasury has it: seen on a statement or a receipt.
    Close,
}

coded!(EntryKind {
    Fund = "fund",
    Send = "send",
    Pay = "pay",
    Fail = "fail",
    Doubt = "doubt",
    Return = "return",
    Reissue = "reissue",
    Unsend = "unsend",
    Open = "open",
    Recover = "recover",
    Reclassify = "reclassify",
    Lapse = "lapse",
    Refund = "refund",
    Unrefund = "unrefund",
    Close = "close",
});

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// The kind.
    pub kind: AccountKind,
    /// The bank's code where there is one per bank, else empty.
    pub bank: String,
}

/// The department, project and year whose money moves, and the bank by which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purse {
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// The bank's code.
    pub bank: String,
}

impl Purse {
    /// This purse's account of a kind.
    #[must_use]
    pub fn account(&self, kind: AccountKind) -> AccountKey {
        AccountKey {
            department: self.department.clone(),
            project: self.project.clone(),
            year: self.year,
            kind,
            bank: if kind.is_per_bank() { self.bank.clone() } else { String::new() },
        }
    }
}

/// A balanced movement between two accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Why.
    pub kind: EntryKind,
    /// Out of here
    pub from: AccountKey,
    /// and into there
    pub to: AccountKey,
    /// so much, more than nothing.
    pub amount: Fen,
}

/// The entry kind for money that moves into an account because instructions changed state.
#[must_use]
pub const fn entry_kind(to: AccountKind) -> EntryKind {
    match to {
        AccountKind::Treasury => EntryKind::Close,
        AccountKind::RefundInTransit => EntryKind::Refund,
        AccountKind::Carry => EntryKind::Lapse,
        AccountKind::ZeroBalance => EntryKind::Unsend,
        AccountKind::BankClearing => EntryKind::Send,
        AccountKind::Paid => EntryKind::Pay,
        AccountKind::SuspenseCorrectable | AccountKind::SuspenseIneligible => EntryKind::Fail,
        AccountKind::SuspenseUnknown | AccountKind::Conflict => EntryKind::Doubt,
    }
}
