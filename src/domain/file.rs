//! The states of files, ours and theirs.

use super::instruction::coded;

/// What a file of ours carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Payment instructions (代发).
    Instruction,
    /// A refund order to the treasury (退回国库).
    Refund,
}

coded!(FileKind { Instruction = "instruction", Refund = "refund" });

/// Where a payment file of ours stands. Each state says who may act next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileOutState {
    /// Its lines are chosen and its path is taken; no bytes yet. `seal` is next.
    Planned,
    /// Its hash is committed. `publish` is next.
    Sealed,
    /// A node is writing a part under a name no bank looks at. Nothing was published.
    Uploading,
    /// The exact parts are recorded and may be renamed at any moment: from here nothing is uploaded again.
    Publishing,
    /// Published (or presumed so); the bank's word is next.
    Sent,
    /// The bank took it in.
    Accepted,
    /// Every line has the bank's word.
    Answered,
    /// The bank refused it whole; its instructions fail.
    Refused,
    /// A person must look before it goes on.
    Held,
    /// Nobody can tell whether it was published.
    Doubt,
    /// Sealed, never published, given up.
    Voided,
    /// Given up because a line's predecessor turned out paid; its other lines are planned anew.
    Abandoned,
}

coded!(FileOutState {
    Planned = "planned",
    Sealed = "sealed",
    Uploading = "uploading",
    Publishing = "publishing",
    Sent = "sent",
    Accepted = "accepted",
    Answered = "answered",
    Refused = "refused",
    Held = "held",
    Doubt = "doubt",
    Voided = "voided",
    Abandoned = "abandoned",
});

impl FileOutState {
    /// Whether a bank may have seen it, so that its lines are never planned anew without the bank's word.
    #[must_use]
    pub const fn may_be_out(self) -> bool {
        match self {
            Self::Publishing | Self::Sent | Self::Accepted | Self::Answered | Self::Refused | Self::Held | Self::Doubt => true,
            Self::Planned | Self::Sealed | Self::Uploading | Self::Voided | Self::Abandoned => false,
        }
    }
}

/// How we know that a file is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// Our own rename was confirmed.
    Renamed,
    /// The final name stands there with our size.
    Seen,
    /// Every part and the final name are gone: the bank took it, or something else did. A person is told.
    Presumed,
    /// The bank answered it.
    Answered,
}

coded!(Evidence { Renamed = "renamed", Seen = "seen", Presumed = "presumed", Answered = "answered" });

/// Where a file of a bank's stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileInState {
    /// Copied, hashed, kept; not read yet.
    Archived,
    /// Read into lines; to be proven.
    Staged,
    /// Its word has changed our books.
    Applied,
    /// The same bytes for the same key, again.
    Duplicate,
    /// An earlier, torn copy of a file that came whole later.
    Superseded,
    /// Other bytes for a key that is taken.
    Conflict,
    /// Does not add up, cannot be read, or answers what was never sent.
    Quarantined,
    /// A person set it aside.
    Rejected,
}

coded!(FileInState {
    Archived = "archived",
    Staged = "staged",
    Applied = "applied",
    Duplicate = "duplicate",
    Superseded = "superseded",
    Conflict = "conflict",
    Quarantined = "quarantined",
    Rejected = "rejected",
});
