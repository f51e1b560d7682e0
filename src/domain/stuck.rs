//! Nothing waits in silence (law 8): how each state is left. By itself, because a pass takes it; or by persons, and then by which
//! commands; or never, because it is an end. One place, every state by its name: a new one stops the build here, and a command
//! that is named here and does not exist fails a test.

use super::file::{FileInState, FileOutState};
use super::instruction::InstructionState;
use super::refund::OrderState;

/// How a state is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// A pass, or the bank's word that a pass takes in.
    Itself(&'static str),
    /// Persons, by one of these commands.
    Persons(&'static [&'static str]),
    /// It does not need to be.
    End,
}

/// A file of ours.
#[must_use]
pub const fn file_out(state: FileOutState) -> Leaves {
    match state {
        FileOutState::Planned => Leaves::Itself("seal"),
        FileOutState::Sealed | FileOutState::Uploading | FileOutState::Publishing => Leaves::Itself("publish"),
        FileOutState::Sent | FileOutState::Accepted => Leaves::Persons(&["file enquire", "file recall", "file resend", "file settle"]),
        FileOutState::Held => Leaves::Persons(&["file release", "file void", "file settle"]),
        FileOutState::Doubt => Leaves::Persons(&["file settle", "file void", "file enquire"]),
        FileOutState::Withdrawing => Leaves::Itself("withdraw"),
        FileOutState::Answered | FileOutState::Refused | FileOutState::Voided | FileOutState::Abandoned => Leaves::End,
    }
}

/// A file of a bank's.
#[must_use]
pub const fn file_in(state: FileInState) -> Leaves {
    match state {
        FileInState::Archived => Leaves::Itself("stage"),
        FileInState::Staged => Leaves::Itself("apply"),
        FileInState::Quarantined => Leaves::Persons(&["file reject", "file reread", "file apply"]),
        FileInState::Conflict => Leaves::Persons(&["file reject", "file reread"]),
        FileInState::Applied | FileInState::Duplicate | FileInState::Superseded | FileInState::Rejected => Leaves::End,
    }
}

/// An instruction.
#[must_use]
pub const fn instruction(state: InstructionState) -> Leaves {
    match state {
        InstructionState::Pending => Leaves::Itself("plan"),
        InstructionState::Planned => Leaves::Itself("publish"),
        InstructionState::Sent | InstructionState::Accepted => Leaves::Itself("apply, chase"),
        InstructionState::Unknown | InstructionState::Conflict => Leaves::Persons(&["payment enquire", "payment resolve"]),
        InstructionState::Failed | InstructionState::Returned => Leaves::Itself("remedy"),
        InstructionState::FailedFinal => Leaves::Persons(&["correction import", "failure reclassify", "failure cancel", "refund propose"]),
        InstructionState::Recovered | InstructionState::Lapsed => Leaves::Persons(&["refund propose", "close"]),
        InstructionState::Refunding => Leaves::Persons(&["refund sent", "refund receipt", "refund cancel"]),
        InstructionState::Carried => Leaves::Persons(&["correction import"]),
        InstructionState::Paid | InstructionState::Reissued | InstructionState::Refunded | InstructionState::Voided => Leaves::End,
    }
}

/// A refund order.
#[must_use]
pub const fn order(state: OrderState) -> Leaves {
    match state {
        OrderState::Proposed => Leaves::Persons(&["approve"]),
        OrderState::Approved => Leaves::Persons(&["refund sent", "refund print", "refund cancel"]),
        OrderState::Sent | OrderState::Accepted | OrderState::Executed => Leaves::Persons(&["refund receipt", "refund cancel"]),
        OrderState::Refunded | OrderState::Refused | OrderState::Cancelled => Leaves::End,
    }
}

/// Rows whose states are words of the database alone: table, state, how it is left. A test compares it with the schema.
pub const WORDS: &[(&str, &str, Leaves)] = &[
    ("bank", "live", Leaves::End),
    ("bank", "shadow", Leaves::Persons(&["bank resume"])),
    ("bank", "paused", Leaves::Persons(&["bank resume"])),
    ("admission", "admitted", Leaves::End),
    ("admission", "held", Leaves::Itself("admit, once its money is here")),
    ("admission", "returned", Leaves::Persons(&["batch import"])),
    ("failure_case", "open", Leaves::Persons(&["correction import", "failure close", "failure cancel", "failure recover"])),
    ("failure_case", "closed", Leaves::End),
    ("outbox_mail", "queued", Leaves::Itself("deliver")),
    ("outbox_mail", "sending", Leaves::Itself("deliver")),
    ("outbox_mail", "sent", Leaves::End),
    ("outbox_mail", "bounced", Leaves::Persons(&["mail retry", "mail done"])),
    ("outbox_mail", "doubt", Leaves::Persons(&["mail retry", "mail done"])),
    ("incident", "open", Leaves::Persons(&["incident close"])),
    ("incident", "closed", Leaves::End),
    ("proposal", "open", Leaves::Persons(&["approve"])),
    ("proposal", "done", Leaves::End),
    ("proposal", "withdrawn", Leaves::End),
    ("break_item", "open", Leaves::Persons(&["statement match"])),
    ("break_item", "closed", Leaves::End),
    ("period_close", "open", Leaves::Persons(&["close"])),
    ("period_close", "refunding", Leaves::Persons(&["close", "approve"])),
    ("period_close", "sealed", Leaves::End),
    ("publication", "due", Leaves::Itself("publication")),
    ("publication", "made", Leaves::Persons(&["publication posted"])),
    ("publication", "verified", Leaves::End),
    ("publication", "differs", Leaves::Itself("publication, with the bank's next word")),
    ("enquiry", "planned", Leaves::Itself("enquire")),
    ("enquiry", "uploading", Leaves::Itself("enquire")),
    ("enquiry", "sent", Leaves::End),
    ("enquiry", "held", Leaves::Itself("enquire, on the next bank day")),
];
