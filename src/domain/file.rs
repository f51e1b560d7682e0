//! The states of files, ours and theirs, and the ways between them; how long a move at a bank's server is waited for.
//!
//! Both tables are data: what has no cell cannot happen, whoever asks. The store moves a file only along a cell.

use super::instruction::coded;
use super::time::Timestamp;

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
    /// Two persons decided, by the bank's word, that it is not out: its parts are removed, then it is voided.
    Withdrawing,
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
    Withdrawing = "withdrawing",
    Voided = "voided",
    Abandoned = "abandoned",
});

impl FileOutState {
    /// Whether a bank may have seen it, so that its lines are never planned anew without the bank's word.
    #[must_use]
    pub const fn may_be_out(self) -> bool {
        match self {
            Self::Publishing
            | Self::Sent
            | Self::Accepted
            | Self::Answered
            | Self::Refused
            | Self::Held
            | Self::Doubt
            | Self::Withdrawing => true,
            Self::Planned | Self::Sealed | Self::Uploading | Self::Voided | Self::Abandoned => false,
        }
    }

    /// Whether the table has a way from here to there; staying is one.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self == next || FILE_OUT_WAYS.iter().any(|(from, _, to)| *from == self && *to == next)
    }
}

/// What can happen to a file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileEvent {
    /// Its bytes are made, their hash is committed.
    Seal,
    /// An upload is begun.
    Stamp,
    /// Its parts are recorded and may be renamed.
    Intend,
    /// It is out.
    Send,
    /// The bank took it in.
    Accept,
    /// Its last open line has its word.
    Answer,
    /// The bank refused it whole.
    Refuse,
    /// Something, or somebody, stops it.
    Hold,
    /// Whether it is out, nobody can tell.
    Question,
    /// It is given up, unseen by any bank.
    Void,
    /// It is given up for a line whose predecessor was paid.
    Abandon,
    /// It may go on from where it was held.
    Release,
    /// The same bytes go out once more under the same name.
    Resend,
    /// Its parts are to be removed.
    Withdraw,
}

coded!(FileEvent {
    Seal = "seal",
    Stamp = "stamp",
    Intend = "intend",
    Send = "send",
    Accept = "accept",
    Answer = "answer",
    Refuse = "refuse",
    Hold = "hold",
    Question = "question",
    Void = "void",
    Abandon = "abandon",
    Release = "release",
    Resend = "resend",
    Withdraw = "withdraw",
});

/// Every way of a file of ours. A pair of states that is not here cannot follow each other.
pub const FILE_OUT_WAYS: &[(FileOutState, FileEvent, FileOutState)] = {
    use FileEvent as E;
    use FileOutState as S;
    &[
        (S::Planned, E::Seal, S::Sealed),
        (S::Planned, E::Hold, S::Held),
        (S::Planned, E::Void, S::Voided),
        (S::Planned, E::Question, S::Doubt),
        (S::Planned, E::Abandon, S::Abandoned),
        (S::Sealed, E::Stamp, S::Uploading),
        (S::Sealed, E::Hold, S::Held),
        (S::Sealed, E::Void, S::Voided),
        (S::Sealed, E::Question, S::Doubt),
        (S::Sealed, E::Abandon, S::Abandoned),
        // A copy of it is out already, and the bank's word of that one comes.
        (S::Sealed, E::Send, S::Sent),
        (S::Uploading, E::Stamp, S::Uploading),
        (S::Uploading, E::Intend, S::Publishing),
        (S::Uploading, E::Hold, S::Held),
        (S::Uploading, E::Void, S::Voided),
        (S::Uploading, E::Question, S::Doubt),
        (S::Uploading, E::Abandon, S::Abandoned),
        (S::Uploading, E::Send, S::Sent),
        // From here a bank may see it: it is never given up by us alone.
        (S::Publishing, E::Send, S::Sent),
        (S::Publishing, E::Hold, S::Held),
        (S::Publishing, E::Question, S::Doubt),
        (S::Sent, E::Accept, S::Accepted),
        (S::Sent, E::Answer, S::Answered),
        (S::Sent, E::Refuse, S::Refused),
        (S::Sent, E::Question, S::Doubt),
        (S::Sent, E::Resend, S::Sealed),
        (S::Accepted, E::Answer, S::Answered),
        (S::Accepted, E::Refuse, S::Refused),
        (S::Accepted, E::Question, S::Doubt),
        // A refusal after an answer contradicts it; its lines are in conflict.
        (S::Answered, E::Refuse, S::Refused),
        (S::Answered, E::Question, S::Doubt),
        (S::Refused, E::Question, S::Doubt),
        (S::Held, E::Send, S::Sent),
        (S::Held, E::Release, S::Planned),
        (S::Held, E::Release, S::Sealed),
        (S::Held, E::Release, S::Publishing),
        (S::Held, E::Void, S::Voided),
        (S::Held, E::Withdraw, S::Withdrawing),
        (S::Held, E::Refuse, S::Refused),
        (S::Doubt, E::Send, S::Sent),
        (S::Doubt, E::Answer, S::Answered),
        (S::Doubt, E::Resend, S::Sealed),
        (S::Doubt, E::Void, S::Voided),
        (S::Doubt, E::Withdraw, S::Withdrawing),
        (S::Doubt, E::Refuse, S::Refused),
        (S::Withdrawing, E::Send, S::Sent),
        (S::Withdrawing, E::Hold, S::Held),
        (S::Withdrawing, E::Question, S::Doubt),
        (S::Withdrawing, E::Void, S::Voided),
    ]
};

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
    /// Two persons brought the bank's word.
    Attested,
}

coded!(Evidence { Renamed = "renamed", Seen = "seen", Presumed = "presumed", Answered = "answered", Attested = "attested" });

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

impl FileInState {
    /// Whether the table has a way from here to there; staying is one.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self == next || FILE_IN_WAYS.contains(&(self, next))
    }
}

/// Every way of a file of a bank's.
pub const FILE_IN_WAYS: &[(FileInState, FileInState)] = {
    use FileInState as S;
    &[
        (S::Archived, S::Staged),
        // A statement is proven as it is read.
        (S::Archived, S::Applied),
        (S::Archived, S::Quarantined),
        (S::Archived, S::Superseded),
        (S::Staged, S::Applied),
        (S::Staged, S::Quarantined),
        // The other half of its pair came anew.
        (S::Staged, S::Archived),
        (S::Staged, S::Superseded),
        (S::Quarantined, S::Archived),
        (S::Quarantined, S::Superseded),
        (S::Quarantined, S::Rejected),
        (S::Conflict, S::Archived),
        (S::Conflict, S::Superseded),
        (S::Conflict, S::Rejected),
        (S::Rejected, S::Archived),
        (S::Rejected, S::Superseded),
    ]
};

/// Both tables in print, for people and for the snapshot that guards them.
#[must_use]
pub fn print_ways() -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for state in FileOutState::ALL {
        _ = writeln!(out, "{}{}", state.code(), if state.may_be_out() { " (may be out)" } else { "" });
        for (_, event, next) in FILE_OUT_WAYS.iter().filter(|(from, ..)| from == state) {
            _ = writeln!(out, "    {:<10} -> {}", event.code(), next.code());
        }
    }
    out.push_str("\nof a bank's:\n");
    for state in FileInState::ALL {
        let next: Vec<_> = FILE_IN_WAYS.iter().filter(|(from, _)| from == state).map(|(_, to)| to.code()).collect();
        _ = writeln!(out, "{} -> {}", state.code(), if next.is_empty() { "-".to_owned() } else { next.join(", ") });
    }
    out
}

/// Until when a bank's server is given to move a file away that it was asked to, while nothing is seen of it.
#[must_use]
pub const fn move_watched_until(begun_at: Timestamp) -> Timestamp {
    const WATCHED_MINUTES: i64 = 7 * 24 * 60;
    begun_at.plus_minutes(WATCHED_MINUTES)
}

/// When it may be asked once more, behind a move whose end is not known: later each time.
#[must_use]
pub const fn next_move_at(begun_at: Timestamp, attempt: i64) -> Timestamp {
    const AGAIN_MINUTES: i64 = 60;
    begun_at.plus_minutes(attempt * attempt * AGAIN_MINUTES)
}

/// When somebody is told that what stands in a file's place is not read by anybody.
#[must_use]
pub const fn unread_told_at(since: Timestamp) -> Timestamp {
    const UNREAD_MINUTES: i64 = 24 * 60;
    since.plus_minutes(UNREAD_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_stands_twice_and_only_those_of_the_table_are_ways() {
        for (i, way) in FILE_OUT_WAYS.iter().enumerate() {
            assert!(!FILE_OUT_WAYS.iter().skip(i + 1).any(|other| other == way), "{way:?}");
        }
        for from in FileOutState::ALL {
            for to in FileOutState::ALL {
                let way = from == to || FILE_OUT_WAYS.iter().any(|w| (w.0, w.2) == (*from, *to));
                assert_eq!(from.may_become(*to), way);
            }
        }
        for from in FileInState::ALL {
            for to in FileInState::ALL {
                assert_eq!(from.may_become(*to), from == to || FILE_IN_WAYS.contains(&(*from, *to)));
            }
        }
    }

    #[test]
    fn what_may_be_out_is_given_up_only_through_persons() {
        for (from, event, to) in FILE_OUT_WAYS.iter().filter(|w| w.0.may_be_out() && !w.2.may_be_out()) {
            let by_persons = match event {
                FileEvent::Void | FileEvent::Release => {
                    matches!(from, FileOutState::Held | FileOutState::Doubt | FileOutState::Withdrawing)
                }
                FileEvent::Resend => matches!(from, FileOutState::Sent | FileOutState::Doubt),
                FileEvent::Seal
                | FileEvent::Stamp
                | FileEvent::Intend
                | FileEvent::Send
                | FileEvent::Accept
                | FileEvent::Answer
                | FileEvent::Refuse
                | FileEvent::Hold
                | FileEvent::Question
                | FileEvent::Abandon
                | FileEvent::Withdraw => false,
            };
            assert!(by_persons, "{from:?} {event:?} {to:?}");
        }
        assert!(!FileOutState::Publishing.may_become(FileOutState::Voided));
        assert!(!FileOutState::Publishing.may_become(FileOutState::Sealed));
    }

    #[test]
    fn every_state_is_left_or_is_an_end() {
        let ends =
            |s: &FileOutState| matches!(s, FileOutState::Answered | FileOutState::Refused | FileOutState::Voided | FileOutState::Abandoned);
        for state in FileOutState::ALL.iter().filter(|s| !ends(s)) {
            assert!(FILE_OUT_WAYS.iter().any(|w| w.0 == *state), "{state:?} is never left");
        }
    }

    #[test]
    fn a_move_is_watched_for_a_week_and_asked_for_again_later_each_time() {
        let at = Timestamp::from_millis(0);
        let hours = |t: Timestamp| t.millis() / 3_600_000;
        assert_eq!(hours(move_watched_until(at)), 7 * 24);
        assert_eq!([1, 2, 3].map(|attempt| hours(next_move_at(at, attempt))), [1, 4, 9]);
    }

    #[test]
    fn the_ways_as_they_stand() {
        insta::assert_snapshot!(print_ways());
    }
}
