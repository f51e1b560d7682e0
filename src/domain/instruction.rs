//! One attempt to pay one payment, and the only door by which it changes state.
//!
//! The rules are a table, so that a million rows moved by one SQL statement move by the same rules as one: the store
//! loads this table into the database at start and joins it. What has no cell cannot happen; a bank's word that has no
//! cell is never refused, it becomes a case (see `passes::apply`).

use super::ledger::AccountKind;
use super::reason::ReasonClass;

/// Where an instruction (代发指令) stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionState {
    /// Admitted, its claim taken, in no file yet.
    Pending,
    /// In a payment file that no bank has seen.
    Planned,
    /// The file may have reached the bank.
    Sent,
    /// The bank took the file in.
    Accepted,
    /// Credited, by the bank's definite word.
    Paid,
    /// Not credited, by the bank's definite word; not yet final, so nothing may follow.
    Failed,
    /// Finally not credited: the claim is free for a retry, a reissue or a refund.
    FailedFinal,
    /// Finally not credited, and instructed again by a successor.
    Reissued,
    /// Outcome unknown. Left by a definite word, statement evidence or two persons; by time, never.
    Unknown,
    /// Two definite words that differ. Left as `Unknown` is.
    Conflict,
    /// Credited, then sent back (退票).
    Returned,
    /// Credited, and given back by the person (追回): it was not due.
    Recovered,
    /// Finally not credited, and left over from a closed fiscal year: its money can only go back.
    Lapsed,
    /// Its money is on the way back to the treasury.
    Refunding,
    /// Its money is back at the treasury, and nothing is owed.
    Refunded,
    /// Its money is back at the treasury; the entitlement stays (R3), and a reissue pays it from new funds.
    Carried,
    /// Never left the house.
    Voided,
}

/// What can happen to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// It was put into a payment file.
    Plan,
    /// Its file was published, or must be presumed so.
    Send,
    /// The bank took the file in.
    BankAccepted,
    /// The bank says: credited.
    BankPaid,
    /// The bank says: not credited, final in its profile.
    BankFailed,
    /// The bank says: processing, uncertain, not yet.
    BankUnknown,
    /// The bank says: credited, then sent back.
    BankReturned,
    /// The bank's row contradicts what we sent: another amount, another person.
    BankDiffers,
    /// The bank's word was due and nobody knows whether it has the file.
    Lost,
    /// Every condition of finality holds.
    Finalise,
    /// A successor was put into a payment file.
    Reissue,
    /// The person gave it back, matched to its case.
    Recover,
    /// Its fiscal year was closed.
    Lapse,
    /// It stands in an approved refund order.
    Refund,
    /// The order was refused or given up.
    Unrefund,
    /// The order's money was seen to arrive; nothing is owed.
    RefundSeen,
    /// The order's money was seen to arrive; the entitlement stays.
    CarrySeen,
    /// It will not be sent.
    Void,
    /// Evidence, or two persons, say it was paid.
    ResolvePaid,
    /// Evidence, or two persons, say it was not.
    ResolveFailed,
}

/// What a cell of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// In this state
    pub state: InstructionState,
    /// on this event
    pub event: Event,
    /// go there.
    pub next: InstructionState,
}

/// A thing that cannot happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instruction that is {} has no way to {}", state.code(), event.code())]
pub struct NoSuchTransition {
    /// Where it stands.
    pub state: InstructionState,
    /// What was to happen.
    pub event: Event,
}

macro_rules! coded {
    ($type:ident { $($variant:ident = $code:literal),* $(,)? }) => {
        impl $type {
            /// Every variant, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// How it is stored and printed.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The variant of a stored code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.code() == code)
            }
        }
    };
}
pub(crate) use coded;

coded!(InstructionState {
    Pending = "pending",
    Planned = "planned",
    Sent = "sent",
    Accepted = "accepted",
    Paid = "paid",
    Failed = "failed",
    FailedFinal = "failed_final",
    Reissued = "reissued",
    Unknown = "unknown",
    Conflict = "conflict",
    Returned = "returned",
    Recovered = "recovered",
    Lapsed = "lapsed",
    Refunding = "refunding",
    Refunded = "refunded",
    Carried = "carried",
    Voided = "voided",
});

coded!(Event {
    Plan = "plan",
    Send = "send",
    BankAccepted = "bank_accepted",
    BankPaid = "bank_paid",
    BankFailed = "bank_failed",
    BankUnknown = "bank_unknown",
    BankReturned = "bank_returned",
    BankDiffers = "bank_differs",
    Lost = "lost",
    Finalise = "finalise",
    Reissue = "reissue",
    Recover = "recover",
    Lapse = "lapse",
    Refund = "refund",
    Unrefund = "unrefund",
    RefundSeen = "refund_seen",
    CarrySeen = "carry_seen",
    Void = "void",
    ResolvePaid = "resolve_paid",
    ResolveFailed = "resolve_failed",
});

/// The whole table. A pair that is not here cannot happen.
pub const TRANSITIONS: &[Transition] = {
    use Event as E;
    use InstructionState as S;
    const fn t(state: S, event: E, next: S) -> Transition {
        Transition { state, event, next }
    }
    &[
        t(S::Pending, E::Plan, S::Planned),
        t(S::Pending, E::Void, S::Voided),
        // A fast bank answers before `sent` is recorded: its word counts as if the file had been sent.
        t(S::Planned, E::Send, S::Sent),
        t(S::Planned, E::BankAccepted, S::Accepted),
        t(S::Planned, E::BankPaid, S::Paid),
        t(S::Planned, E::BankFailed, S::Failed),
        t(S::Planned, E::BankUnknown, S::Unknown),
        t(S::Planned, E::BankDiffers, S::Conflict),
        t(S::Planned, E::Lost, S::Unknown),
        t(S::Planned, E::Void, S::Voided),
        t(S::Sent, E::Send, S::Sent),
        t(S::Sent, E::BankAccepted, S::Accepted),
        t(S::Sent, E::BankPaid, S::Paid),
        t(S::Sent, E::BankFailed, S::Failed),
        t(S::Sent, E::BankUnknown, S::Unknown),
        t(S::Sent, E::BankDiffers, S::Conflict),
        t(S::Sent, E::Lost, S::Unknown),
        t(S::Accepted, E::Send, S::Accepted),
        t(S::Accepted, E::BankAccepted, S::Accepted),
        t(S::Accepted, E::BankPaid, S::Paid),
        t(S::Accepted, E::BankFailed, S::Failed),
        t(S::Accepted, E::BankUnknown, S::Unknown),
        t(S::Accepted, E::BankDiffers, S::Conflict),
        t(S::Accepted, E::Lost, S::Unknown),
        // A word that says less than we know changes nothing.
        t(S::Paid, E::Send, S::Paid),
        t(S::Paid, E::BankAccepted, S::Paid),
        t(S::Paid, E::BankPaid, S::Paid),
        t(S::Paid, E::BankUnknown, S::Paid),
        t(S::Paid, E::BankFailed, S::Conflict),
        t(S::Paid, E::BankDiffers, S::Conflict),
        t(S::Paid, E::BankReturned, S::Returned),
        t(S::Paid, E::Recover, S::Recovered),
        t(S::Failed, E::Send, S::Failed),
        t(S::Failed, E::BankAccepted, S::Failed),
        t(S::Failed, E::BankFailed, S::Failed),
        t(S::Failed, E::BankUnknown, S::Failed),
        // Not credited, or credited and sent back: the money is with us either way.
        t(S::Failed, E::BankReturned, S::Failed),
        t(S::Failed, E::BankPaid, S::Conflict),
        t(S::Failed, E::BankDiffers, S::Conflict),
        t(S::Failed, E::Finalise, S::FailedFinal),
        t(S::FailedFinal, E::Send, S::FailedFinal),
        t(S::FailedFinal, E::BankAccepted, S::FailedFinal),
        t(S::FailedFinal, E::BankFailed, S::FailedFinal),
        t(S::FailedFinal, E::BankUnknown, S::FailedFinal),
        t(S::FailedFinal, E::BankReturned, S::FailedFinal),
        t(S::FailedFinal, E::BankPaid, S::Conflict),
        t(S::FailedFinal, E::BankDiffers, S::Conflict),
        t(S::FailedFinal, E::Reissue, S::Reissued),
        t(S::FailedFinal, E::Refund, S::Refunding),
        t(S::FailedFinal, E::Lapse, S::Lapsed),
        // An attempt before it was credited after all, and two persons say so: its money is what paid that one.
        t(S::FailedFinal, E::ResolvePaid, S::Paid),
        // The money of a reissued one is with its successor: a late success is a conflict without money of its own.
        t(S::Reissued, E::BankAccepted, S::Reissued),
        t(S::Reissued, E::BankFailed, S::Reissued),
        t(S::Reissued, E::BankUnknown, S::Reissued),
        t(S::Reissued, E::BankReturned, S::Reissued),
        // Its successor was given up before any bank saw it: the money is back with it.
        t(S::Reissued, E::Void, S::FailedFinal),
        t(S::Unknown, E::Send, S::Unknown),
        t(S::Unknown, E::BankAccepted, S::Unknown),
        t(S::Unknown, E::BankUnknown, S::Unknown),
        t(S::Unknown, E::Lost, S::Unknown),
        t(S::Unknown, E::BankPaid, S::Paid),
        t(S::Unknown, E::BankFailed, S::Failed),
        t(S::Unknown, E::BankDiffers, S::Conflict),
        t(S::Unknown, E::ResolvePaid, S::Paid),
        t(S::Unknown, E::ResolveFailed, S::Failed),
        t(S::Conflict, E::BankAccepted, S::Conflict),
        t(S::Conflict, E::BankUnknown, S::Conflict),
        t(S::Conflict, E::BankPaid, S::Conflict),
        t(S::Conflict, E::BankFailed, S::Conflict),
        t(S::Conflict, E::Lost, S::Conflict),
        t(S::Conflict, E::BankDiffers, S::Conflict),
        // Credited, said not to be, and sent back: the last word explains the other two.
        t(S::Conflict, E::BankReturned, S::Returned),
        t(S::Conflict, E::ResolvePaid, S::Paid),
        t(S::Conflict, E::ResolveFailed, S::Failed),
        t(S::Returned, E::BankAccepted, S::Returned),
        t(S::Returned, E::BankUnknown, S::Returned),
        t(S::Returned, E::BankReturned, S::Returned),
        t(S::Returned, E::BankFailed, S::Returned),
        t(S::Returned, E::BankPaid, S::Conflict),
        t(S::Returned, E::BankDiffers, S::Conflict),
        t(S::Returned, E::Finalise, S::FailedFinal),
        t(S::Recovered, E::BankAccepted, S::Recovered),
        t(S::Recovered, E::BankPaid, S::Recovered),
        t(S::Recovered, E::BankUnknown, S::Recovered),
        // A second time it comes as a credit that nothing explains: the statement shows it.
        t(S::Recovered, E::BankReturned, S::Recovered),
        // The person gave it back, and the bank never credited it: one of the two is wrong.
        t(S::Recovered, E::BankFailed, S::Conflict),
        t(S::Recovered, E::BankDiffers, S::Conflict),
        t(S::Recovered, E::Refund, S::Refunding),
        t(S::Lapsed, E::BankAccepted, S::Lapsed),
        t(S::Lapsed, E::BankFailed, S::Lapsed),
        t(S::Lapsed, E::BankUnknown, S::Lapsed),
        t(S::Lapsed, E::BankReturned, S::Lapsed),
        t(S::Lapsed, E::BankPaid, S::Conflict),
        t(S::Lapsed, E::BankDiffers, S::Conflict),
        t(S::Lapsed, E::Refund, S::Refunding),
        // As a final failure: its money is what paid an attempt before it.
        t(S::Lapsed, E::ResolvePaid, S::Paid),
        // From here the money is in an order or gone: a late success is a conflict without money of its own.
        t(S::Refunding, E::BankAccepted, S::Refunding),
        t(S::Refunding, E::BankFailed, S::Refunding),
        t(S::Refunding, E::BankUnknown, S::Refunding),
        t(S::Refunding, E::BankReturned, S::Refunding),
        t(S::Refunding, E::Unrefund, S::FailedFinal),
        t(S::Refunding, E::RefundSeen, S::Refunded),
        t(S::Refunding, E::CarrySeen, S::Carried),
        t(S::Refunded, E::BankAccepted, S::Refunded),
        t(S::Refunded, E::BankFailed, S::Refunded),
        t(S::Refunded, E::BankUnknown, S::Refunded),
        t(S::Refunded, E::BankReturned, S::Refunded),
        t(S::Carried, E::BankAccepted, S::Carried),
        t(S::Carried, E::BankFailed, S::Carried),
        t(S::Carried, E::BankUnknown, S::Carried),
        t(S::Carried, E::BankReturned, S::Carried),
    ]
};

/// The only maker of a new state.
///
/// # Errors
/// The pair has no cell.
pub fn step(state: InstructionState, event: Event) -> Result<InstructionState, NoSuchTransition> {
    TRANSITIONS.iter().find(|t| t.state == state && t.event == event).map(|t| t.next).ok_or(NoSuchTransition { state, event })
}

/// What the figures of law 2 call a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Admitted or awaiting its turn; no bank has been told.
    Pending,
    /// Planned, sent or accepted.
    InFlight,
    /// Credited.
    Paid,
    /// Credited, then sent back.
    Returned,
    /// Not credited.
    Failed,
    /// Nobody knows.
    Unknown,
    /// Never left the house: neither instructed nor owed by this attempt.
    Voided,
}

impl InstructionState {
    /// Under which figure of law 2 (a) this state counts.
    #[must_use]
    pub const fn figure(self) -> Figure {
        match self {
            Self::Pending => Figure::Pending,
            Self::Planned | Self::Sent | Self::Accepted => Figure::InFlight,
            Self::Paid => Figure::Paid,
            Self::Returned | Self::Recovered => Figure::Returned,
            Self::Failed | Self::FailedFinal | Self::Reissued | Self::Lapsed | Self::Refunding | Self::Refunded | Self::Carried => {
                Figure::Failed
            }
            Self::Unknown | Self::Conflict => Figure::Unknown,
            Self::Voided => Figure::Voided,
        }
    }

    /// In which account an instruction's money lies while it is in this state; `None` when it holds none.
    #[must_use]
    pub const fn account(self, class: Option<ReasonClass>) -> Option<AccountKind> {
        match self {
            Self::Pending | Self::Reissued | Self::Voided => None,
            Self::Planned | Self::Sent | Self::Accepted => Some(AccountKind::BankClearing),
            Self::Paid => Some(AccountKind::Paid),
            Self::Recovered => Some(AccountKind::SuspenseIneligible),
            Self::Lapsed => Some(AccountKind::Carry),
            Self::Refunding => Some(AccountKind::RefundInTransit),
            Self::Refunded | Self::Carried => Some(AccountKind::Treasury),
            Self::Failed | Self::FailedFinal | Self::Returned => Some(match class {
                Some(ReasonClass::Ineligible) => AccountKind::SuspenseIneligible,
                Some(
                    ReasonClass::Correctable
                    | ReasonClass::Beneficiary
                    | ReasonClass::Transient
                    | ReasonClass::Unclear
                    | ReasonClass::Enquire
                    | ReasonClass::Gateway,
                )
                | None => AccountKind::SuspenseCorrectable,
            }),
            Self::Unknown | Self::Conflict => Some(AccountKind::SuspenseUnknown),
        }
    }
}

/// The table in print, for people and for the snapshot that guards it.
#[must_use]
pub fn print_table() -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for state in InstructionState::ALL {
        let account = state.account(None).map_or("-", AccountKind::code);
        _ = writeln!(out, "{} ({:?}, {account})", state.code(), state.figure());
        for t in TRANSITIONS.iter().filter(|t| t.state == *state) {
            let mark = if t.next == t.state { " (nothing new)" } else { "" };
            _ = writeln!(out, "    {:<15} -> {}{mark}", t.event.code(), t.next.code());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_reached_by_step_and_no_pair_stands_twice() {
        for (i, t) in TRANSITIONS.iter().enumerate() {
            assert_eq!(step(t.state, t.event), Ok(t.next));
            assert!(TRANSITIONS.iter().skip(i + 1).all(|o| (o.state, o.event) != (t.state, t.event)), "{t:?} stands twice");
        }
        for state in InstructionState::ALL {
            for event in Event::ALL {
                let cell = TRANSITIONS.iter().any(|t| (t.state, t.event) == (*state, *event));
                assert_eq!(step(*state, *event).is_ok(), cell);
            }
        }
    }

    #[test]
    fn unknown_is_left_by_a_definite_word_or_by_persons_never_by_time() {
        for state in [InstructionState::Unknown, InstructionState::Conflict] {
            for t in TRANSITIONS.iter().filter(|t| t.state == state && t.next.figure() != Figure::Unknown) {
                assert!(
                    matches!(
                        t.event,
                        Event::BankPaid | Event::BankFailed | Event::BankReturned | Event::ResolvePaid | Event::ResolveFailed
                    ),
                    "{t:?} leaves {state:?}"
                );
            }
        }
        assert!(step(InstructionState::Conflict, Event::BankPaid).is_ok_and(|s| s == InstructionState::Conflict));
    }

    #[test]
    fn two_definite_words_that_differ_end_in_conflict_in_either_order() {
        let end = |first, second| step(step(InstructionState::Sent, first).unwrap(), second).unwrap();
        assert_eq!(end(Event::BankPaid, Event::BankFailed), InstructionState::Conflict);
        assert_eq!(end(Event::BankFailed, Event::BankPaid), InstructionState::Conflict);
    }

    #[test]
    fn only_a_final_failure_can_be_instructed_again() {
        for state in InstructionState::ALL {
            assert_eq!(step(*state, Event::Reissue).is_ok(), *state == InstructionState::FailedFinal);
        }
        for t in TRANSITIONS.iter().filter(|t| t.next == InstructionState::FailedFinal && t.state != t.next) {
            let is_given_up = matches!(t.state, InstructionState::Reissued | InstructionState::Refunding);
            assert!(t.event == Event::Finalise || is_given_up, "{t:?}");
        }
    }

    #[test]
    fn the_table_as_it_stands() {
        insta::assert_snapshot!(print_table());
    }
}
