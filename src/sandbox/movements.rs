//! What moves on payer accounts, and what the statements show of it.
//!
//! A statement may err: an entry is left out for a day, stands there with a wrong amount, or is shown though nothing moved.
//! All that is written beside the movement, never over it, so that the account's true balance does not depend on it, and every
//! error has its correction in the books as soon as it is made.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::domain::money::Fen;

use super::PayerAccount;

/// The account and name through which a bank pays a file's sum out to its rows.
pub(super) const PASSING: (&str, &str) = ("90010001", "代理发放过渡户");
/// From where money comes to a payer account, and where refunds go.
pub(super) const TREASURY: (&str, &str) = ("90020001", "国库集中支付户");
/// The bank's own account for what it charges.
pub(super) const FEES: (&str, &str) = ("90030001", "手续费收入");
/// Who gives money back from an account that is not the bank's.
pub(super) const GIVEN_BACK: &str = "个人";

/// Which way money moves on a payer account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Debit,
    Credit,
}

/// A movement on a payer's account, with what statements show of it.
#[derive(Clone)]
pub(super) struct Movement {
    /// On which day's statement it stands.
    pub(super) shown: NaiveDate,
    pub(super) side: Side,
    /// The amount as shown.
    pub(super) amount: Fen,
    pub(super) reference: String,
    pub(super) bank_ref: String,
    pub(super) text: String,
    pub(super) counter: String,
    pub(super) counter_name: String,
    /// It stands there to put another entry right.
    pub(super) is_correction: bool,
}

/// The movements of all payer accounts.
#[derive(Default)]
pub(super) struct Movements {
    by_payer: BTreeMap<String, Vec<Movement>>,
}

impl Movements {
    pub(super) fn add(&mut self, payer: &str, movement: Movement) {
        self.by_payer.entry(payer.to_owned()).or_default().push(movement);
    }

    /// The movement with this number is shown on another day.
    pub(super) fn show_on(&mut self, payer: &str, bank_ref: &str, day: NaiveDate, text: &str) {
        if let Some(movement) = self.find(payer, bank_ref) {
            movement.shown = day;
            text.clone_into(&mut movement.text);
            movement.is_correction = true;
        }
    }

    /// The movement with this number is shown with another amount.
    pub(super) fn show_as(&mut self, payer: &str, bank_ref: &str, amount: Fen) {
        if let Some(movement) = self.find(payer, bank_ref) {
            movement.amount = amount;
        }
    }

    fn find(&mut self, payer: &str, bank_ref: &str) -> Option<&mut Movement> {
        self.by_payer.get_mut(payer)?.iter_mut().find(|movement| movement.bank_ref == bank_ref)
    }

    /// What the statement of a day shows, and the balance that it begins with.
    pub(super) fn day(&self, payer: &PayerAccount, day: NaiveDate) -> (Fen, Vec<&Movement>) {
        let all = self.by_payer.get(&payer.account).map_or(&[][..], Vec::as_slice);
        let before = all.iter().filter(|movement| movement.shown < day).map(Movement::signed);
        let opening = std::iter::once(Fen::new(payer.opening_fen)).chain(before).sum();
        (opening, all.iter().filter(|movement| movement.shown == day).collect())
    }
}

impl Side {
    /// What a movement on this side adds to the account.
    pub(super) fn signed(self, amount: Fen) -> Fen {
        match self {
            Self::Debit => Fen::new(amount.get().saturating_neg()),
            Self::Credit => amount,
        }
    }
}

impl Movement {
    /// What it adds to the account, as shown.
    pub(super) fn signed(&self) -> Fen {
        self.side.signed(self.amount)
    }
}
