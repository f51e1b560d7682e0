//! Refunds to the treasury (退回国库): why money goes back, by what it is proven, and when it may go.
//!
//! An order is one sheet of the treasury's: one department, project, fiscal year, payer account, budget line and voucher.
//! What it must prove depends on whose money it was. A quota of this fiscal year is given back by restoring it, and the
//! treasury's receipt says so; cash, and what a later year gives back, leaves the payer account, and the statement says so.

use super::instruction::{Event, InstructionState, coded};
use super::ledger::AccountKind;

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// 不符合条件: nobody may keep it; nothing is owed any more.
    Ineligible,
    /// 当年无法纠错: the fiscal year ended first; the entitlement stays.
    NotFixedInYear,
    /// 以前年度: came back in a later year than it was given; the entitlement stays.
    EarlierYear,
}

coded!(Why { Ineligible = "ineligible", NotFixedInYear = "not_fixed_in_year", EarlierYear = "earlier_year" });

impl Why {
    /// Where the money lies before it goes.
    #[must_use]
    pub const fn source(self) -> AccountKind {
        match self {
            Self::Ineligible => AccountKind::SuspenseIneligible,
            Self::NotFixedInYear | Self::EarlierYear => AccountKind::Carry,
        }
    }

    /// What its arrival is for the instructions.
    #[must_use]
    pub const fn arrival(self) -> Event {
        match self {
            Self::Ineligible => Event::RefundSeen,
            Self::NotFixedInYear | Self::EarlierYear => Event::CarrySeen,
        }
    }

    /// How the cases are closed then.
    #[must_use]
    pub const fn closes_as(self) -> &'static str {
        match self {
            Self::Ineligible => "refunded",
            Self::NotFixedInYear | Self::EarlierYear => "carried",
        }
    }

    /// What happens to the instructions of an order that is refused or given up, one event after the other: what had
    /// lapsed lapses again, because its year stays closed.
    #[must_use]
    pub const fn way_back(self) -> &'static [Event] {
        match self {
            Self::Ineligible => &[Event::Unrefund],
            Self::NotFixedInYear | Self::EarlierYear => &[Event::Unrefund, Event::Lapse],
        }
    }

    /// The states from which an instruction may go into an order.
    #[must_use]
    pub const fn states(self) -> &'static [InstructionState] {
        match self {
            Self::Ineligible => &[InstructionState::FailedFinal, InstructionState::Recovered],
            Self::NotFixedInYear | Self::EarlierYear => &[InstructionState::Lapsed],
        }
    }

    /// In words: Chinese, English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Ineligible => ("不符合发放条件", "not eligible"),
            Self::NotFixedInYear => ("当年无法纠错", "not corrected within the year"),
            Self::EarlierYear => ("以前年度退回", "of an earlier year"),
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderState {
    /// One person asked for it.
    Proposed,
    /// Another approved it: its money is on the way.
    Approved,
    /// At the bank, or carried to the treasury.
    Sent,
    /// The bank took it in.
    Accepted,
    /// The bank says that it is done; the proof is awaited.
    Executed,
    /// The treasury has the money: seen.
    Refunded,
    /// The bank refused it; the money is back where it lay.
    Refused,
    /// Given up before it was done.
    Cancelled,
}

coded!(OrderState {
    Proposed = "proposed",
    Approved = "approved",
    Sent = "sent",
    Accepted = "accepted",
    Executed = "executed",
    Refunded = "refunded",
    Refused = "refused",
    Cancelled = "cancelled",
});

impl OrderState {
    /// Whether it is out of the house, so that its money may be seen to arrive.
    #[must_use]
    pub const fn is_out(self) -> bool {
        match self {
            Self::Sent | Self::Accepted | Self::Executed => true,
            Self::Proposed | Self::Approved | Self::Refunded | Self::Refused | Self::Cancelled => false,
        }
    }

    /// In words: Chinese, English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Proposed => ("待批准", "proposed"),
            Self::Approved => ("已批准，待送出", "approved, to be sent"),
            Self::Sent => ("已送出", "sent"),
            Self::Accepted => ("银行已受理", "taken in"),
            Self::Executed => ("银行已办理，待凭据", "executed, to be proven"),
            Self::Refunded => ("已退回国库", "refunded"),
            Self::Refused => ("被退回", "refused"),
            Self::Cancelled => ("已作废", "cancelled"),
        }
    }
}

/// Whose the money is that an agreement pays from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FundsModel {
    /// 零余额账户用款额度: a right to pay, settled by the treasury day by day.
    Quota,
    /// 实有资金: money in the account.
    Cash,
}

coded!(FundsModel { Quota = "quota", Cash = "cash" });

/// What a bank takes from the payer, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DebitModel {
    /// What was credited, afterwards.
    Net,
    /// The whole file first; what failed is credited back.
    Gross,
    /// Checked against the whole, debited for what was credited.
    GrossCheckedUpfront,
}

coded!(DebitModel { Net = "net", Gross = "gross", GrossCheckedUpfront = "gross_checked_upfront" });

impl DebitModel {
    /// Whether a failure's money must be seen to come back before it may go on to the treasury.
    #[must_use]
    pub const fn waits_for_credit(self) -> bool {
        match self {
            Self::Gross => true,
            Self::Net | Self::GrossCheckedUpfront => false,
        }
    }
}

/// What must be seen before an order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofKind {
    /// The treasury's word that the quota is restored.
    Receipt,
    /// The debit on the account's statement.
    Statement,
}

coded!(ProofKind { Receipt = "receipt", Statement = "statement" });

impl ProofKind {
    /// In words: Chinese, English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Receipt => ("国库回单", "the treasury's receipt"),
            Self::Statement => ("对账单", "the statement"),
        }
    }
}

/// By what an order is proven that gives back money of one fiscal year in another.
#[must_use]
pub const fn proof_of(funds: FundsModel, year: i32, today: i32) -> ProofKind {
    match funds {
        FundsModel::Quota if year == today => ProofKind::Receipt,
        FundsModel::Quota | FundsModel::Cash => ProofKind::Statement,
    }
}

/// The number of an order: gap-free within the fiscal year in which it is made.
#[must_use]
pub fn number(year: i32, n: i64) -> String {
    format!("TK-{year}-{n:04}")
}

/// Whether this is the number of an order, and not of a department's list.
#[must_use]
pub fn is_number(number: &str) -> bool {
    let mut parts = number.split('-');
    let is_digits = |part: Option<&str>, least: usize| part.is_some_and(|p| p.len() >= least && p.bytes().all(|b| b.is_ascii_digit()));
    parts.next() == Some("TK") && is_digits(parts.next(), 4) && is_digits(parts.next(), 4) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instruction::step;

    #[test]
    fn an_orders_number_is_told_from_a_lists() {
        assert!(is_number(&number(2020, 1)) && is_number(&number(2020, 12_345)));
        for other in ["N0001", "TK-2020", "TK-2020-1", "TK-2020-0001-1", "TK-2O20-0001"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn what_proves_an_order_and_what_it_waits_for() {
        use DebitModel as D;
        use FundsModel as F;
        use ProofKind as P;
        // Funds model, debit model, proof in the same year, proof in a later year, whether the credit back is awaited.
        let table = [
            (F::Quota, D::Net, P::Receipt, P::Statement, false),
            (F::Quota, D::Gross, P::Receipt, P::Statement, true),
            (F::Quota, D::GrossCheckedUpfront, P::Receipt, P::Statement, false),
            (F::Cash, D::Net, P::Statement, P::Statement, false),
            (F::Cash, D::Gross, P::Statement, P::Statement, true),
            (F::Cash, D::GrossCheckedUpfront, P::Statement, P::Statement, false),
        ];
        for (funds, debit, same, later, waits) in table {
            let said = (proof_of(funds, 2019, 2019), proof_of(funds, 2019, 2020), debit.waits_for_credit());
            assert_eq!(said, (same, later, waits), "{funds:?} {debit:?}");
        }
    }

    #[test]
    fn every_way_into_an_order_leads_back_out_of_it() {
        for why in Why::ALL {
            for state in why.states() {
                let mut at = step(*state, Event::Refund).unwrap();
                assert_eq!(at, InstructionState::Refunding);
                assert_eq!(step(at, why.arrival()).unwrap().account(None), Some(AccountKind::Treasury));
                for event in why.way_back() {
                    at = step(at, *event).unwrap();
                }
                let class = Some(crate::domain::reason::ReasonClass::Ineligible);
                assert_eq!(at.account(class), Some(why.source()), "{why:?} {state:?}");
            }
        }
    }

    #[test]
    fn numbers_sort_as_they_count() {
        assert_eq!((number(2019, 1).as_str(), number(2019, 12_345).as_str()), ("TK-2019-0001", "TK-2019-12345"));
    }
}
