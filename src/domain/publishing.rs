//! Publishing as moves (发送规程): what a run does in which order, when a row may take the next state, what a look at the bank's
//! folder concludes, which parts may be deleted. Nothing here waits, reads or writes: the pass and the store act by these
//! functions, and the model in the tests walks them through every interleaving of two nodes, a server and a bank.

use super::file::{Evidence, FileOutState};

/// A file's row, as far as publishing goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Where it stands.
    pub state: FileOutState,
    /// The fence of its last upload.
    pub fence: i64,
    /// How often an upload was begun; once publishing, also how often its outcome was looked for in vain.
    pub attempt: i64,
    /// The part that may be renamed; empty before the intent.
    pub part: String,
    /// The flag's part that may be renamed, or empty.
    pub flag_part: String,
    /// How many copies may have gone out.
    pub copies: i64,
}

/// What a run knows of its lease at the moment of its transaction: the lease's row is locked until that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The fence under which it was taken.
    pub fence: i64,
    /// Nobody has taken it over since.
    pub is_held: bool,
}

/// What a run read of a row before it acted; it may have moved on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its state then.
    pub state: FileOutState,
    /// Its fence then.
    pub fence: i64,
    /// Its attempt then.
    pub attempt: i64,
}

impl Standing {
    /// `sealed | uploading → uploading`, under this fence and with the next attempt: nobody of a lower fence begins after it, and
    /// no name of a part is given twice.
    #[must_use]
    pub fn stamped(&self, hold: Hold, attempt_seen: i64) -> Option<Self> {
        let may_begin = matches!(self.state, FileOutState::Sealed | FileOutState::Uploading);
        let is_ours = hold.is_held && self.fence <= hold.fence && self.attempt == attempt_seen;
        (may_begin && is_ours).then(|| Self {
            state: FileOutState::Uploading,
            fence: hold.fence,
            attempt: self.attempt + 1,
            ..self.clone()
        })
    }

    /// `uploading → publishing`, with the exact parts that may be renamed from now on: the single source.
    #[must_use]
    pub fn intended(&self, hold: Hold, attempt: i64, (part, flag_part): (&str, &str)) -> Option<Self> {
        let is_ours = hold.is_held && self.fence == hold.fence && self.attempt == attempt;
        (self.state == FileOutState::Uploading && is_ours).then(|| Self {
            state: FileOutState::Publishing,
            part: part.to_owned(),
            flag_part: flag_part.to_owned(),
            copies: self.copies + 1,
            ..self.clone()
        })
    }

    /// One more look at a publication that could not be resolved.
    #[must_use]
    pub fn looked(&self, attempt_seen: i64) -> Option<Self> {
        (self.state == FileOutState::Publishing && self.attempt == attempt_seen).then(|| Self { attempt: self.attempt + 1, ..self.clone() })
    }

    /// To another state, if nobody has touched it since it was read.
    #[must_use]
    pub fn moved(&self, seen: Seen, to: FileOutState) -> Option<Self> {
        let is_as_seen = self.state == seen.state && self.fence == seen.fence && self.attempt == seen.attempt;
        is_as_seen.then(|| Self { state: to, ..self.clone() })
    }

    /// Out, if it still stands where it was read: also by whoever lost the lease meanwhile, for what happened happened.
    #[must_use]
    pub fn sent(&self, state_seen: FileOutState) -> Option<Self> {
        (self.state == state_seen).then(|| Self { state: FileOutState::Sent, ..self.clone() })
    }

    /// Whether a part of this file's may be deleted by the holder of `own_fence`: whoever wrote it has lost the lease, and no rename
    /// of it can still be on its way. A part that names another file is that one's.
    #[must_use]
    pub fn condemns(&self, path: &str, part: Part, (file, own_fence): (i64, i64)) -> bool {
        let is_named = path == self.part || path == self.flag_part;
        part.may_be_of(file) && part.fence < own_fence && !(is_named && may_be_needed(self.state))
    }
}

fn may_be_needed(state: FileOutState) -> bool {
    match state {
        FileOutState::Answered | FileOutState::Refused | FileOutState::Voided | FileOutState::Abandoned => false,
        FileOutState::Planned
        | FileOutState::Sealed
        | FileOutState::Uploading
        | FileOutState::Publishing
        | FileOutState::Sent
        | FileOutState::Accepted
        | FileOutState::Held
        | FileOutState::Doubt
        | FileOutState::Withdrawing => true,
    }
}

/// The name of a part: never given before, whoever writes it, and for no other file that goes out under the name once this one is
/// given up: what a server was asked to do with a part it may do hours later.
#[must_use]
pub fn part_name(name: &str, fence: i64, (attempt, file): (i64, i64)) -> String {
    format!("{name}.{fence}.{attempt}-{file}.part")
}

/// What the name of a part says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The fence under which it was written.
    pub fence: i64,
    /// The file's number; names had none once.
    pub file: Option<i64>,
}

impl Part {
    /// Read from the name of a part of `base`; `None` for any name that we do not give, nor gave.
    #[must_use]
    pub fn named(base: &str, name: &str) -> Option<Self> {
        if base.is_empty() {
            return None;
        }
        let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
        let (fence, rest) = name.strip_prefix(base)?.strip_prefix('.')?.strip_suffix(".part")?.split_once('.')?;
        let (attempt, file) = rest.split_once('-').map_or((rest, None), |(attempt, file)| (attempt, Some(file)));
        let _: i64 = number(attempt)?;
        let file = match file {
            Some(file) => Some(number(file)?),
            None => None,
        };
        Some(Self { fence: number(fence)?, file })
    }

    /// Whether it may have been written for this file, and not for another that goes out under the same name.
    #[must_use]
    pub fn may_be_of(self, file: i64) -> bool {
        self.file.is_none_or(|of| of == file)
    }
}

/// One half of what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// The payment file.
    Data,
    /// The flag beside it.
    Flag,
}

/// One step of a publication. Behind `Intend` nothing is ever begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Write it under a name that no bank looks at (or, where the bank wants it so, under its own).
    Upload(Piece),
    /// The final names stand for nobody's file yet.
    ProveAbsent,
    /// The intent is committed.
    Intend,
    /// Under its final name.
    Rename(Piece),
    /// What happened is committed.
    Record,
}

/// What a run does behind its stamp, in this order. In place, the intent stands before the first byte.
#[must_use]
pub const fn acts(in_place: bool, has_flag: bool) -> &'static [Act] {
    use Act::{Intend, ProveAbsent, Record, Rename, Upload};
    use Piece::{Data, Flag};
    match (in_place, has_flag) {
        (false, false) => &[Upload(Data), ProveAbsent, Intend, Rename(Data), Record],
        (false, true) => &[Upload(Data), Upload(Flag), ProveAbsent, Intend, Rename(Data), Rename(Flag), Record],
        (true, false) => &[ProveAbsent, Intend, Upload(Data), Record],
        (true, true) => &[ProveAbsent, Intend, Upload(Data), Upload(Flag), Record],
    }
}

/// What one complete listing shows of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// The recorded data part is there.
    pub data_part: bool,
    /// The recorded flag part is there; `None` where the profile has no flag.
    pub flag_part: Option<bool>,
    /// The final name's size, if it is there.
    pub data: Option<u64>,
    /// The final flag is there; `None` where the profile has no flag.
    pub flag: Option<bool>,
    /// What we sealed.
    pub bytes: u64,
}

/// What looking concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// Nothing was renamed: go on with the recorded parts.
    RenameBoth,
    /// The data is out, its flag is not.
    RenameFlag,
    /// It is out.
    Out(Evidence),
    /// A person must look.
    Stop(FileOutState, &'static str),
}

impl Recovery {
    /// What is left to do after looking.
    #[must_use]
    pub const fn acts(self, has_flag: bool) -> &'static [Act] {
        use Act::{Record, Rename};
        use Piece::{Data, Flag};
        match (self, has_flag) {
            (Self::RenameBoth, true) => &[Rename(Data), Rename(Flag), Record],
            (Self::RenameBoth, false) => &[Rename(Data), Record],
            (Self::RenameFlag, _) => &[Rename(Flag), Record],
            (Self::Out(_), _) => &[Record],
            (Self::Stop(..), _) => &[],
        }
    }
}

impl Look {
    /// After an upload under part names. Where the server's rename is not one step, recovery never repeats it.
    #[must_use]
    pub fn after_rename(self, rename_is_atomic: bool) -> Recovery {
        let flag_waits = self.flag_part == Some(true);
        let size_is_ours = self.data == Some(self.bytes);
        if !rename_is_atomic {
            return match (self.data_part || flag_waits, self.data) {
                (false, Some(_)) if size_is_ours => Recovery::Out(Evidence::Seen),
                (false, None) => Recovery::Out(Evidence::Presumed),
                (true, _) => Recovery::Stop(FileOutState::Doubt, "a rename was begun at a server whose renames are not one step"),
                (false, Some(_)) => Recovery::Stop(FileOutState::Held, "another file stands under its name"),
            };
        }
        if flag_waits && self.flag == Some(true) {
            return Recovery::Stop(FileOutState::Held, "its flag's part and its flag are both there");
        }
        match (self.data_part, flag_waits, self.data) {
            (true, _, Some(_)) => Recovery::Stop(FileOutState::Held, "its part and its final name are both there"),
            (true, false, None) if self.flag_part.is_some() => Recovery::Stop(FileOutState::Held, "the part of its flag is gone"),
            (true, _, None) => Recovery::RenameBoth,
            (false, true, Some(_)) if size_is_ours => Recovery::RenameFlag,
            (false, true, _) => Recovery::Stop(FileOutState::Held, "its data is gone and its flag was never set"),
            (false, false, Some(_)) if size_is_ours => Recovery::Out(Evidence::Seen),
            (false, false, Some(_)) => Recovery::Stop(FileOutState::Held, "another file stands under its name"),
            (false, false, None) => Recovery::Out(Evidence::Presumed),
        }
    }

    /// After writing in place: only a look, never another byte.
    #[must_use]
    pub fn after_writing_in_place(self) -> Recovery {
        match (self.data, self.flag) {
            (Some(bytes), Some(true)) if bytes == self.bytes => Recovery::Out(Evidence::Seen),
            (Some(_) | None, Some(_) | None) => Recovery::Stop(FileOutState::Doubt, "it was written in place and the end was not recorded"),
        }
    }
}

/// One step of taking back what two persons give up because the bank has no copy (收回).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retreat {
    /// Whether it stands under a name that the bank looks at: then no further step is taken.
    Look,
    /// The part that its row names goes.
    RemovePart,
    /// Its row names none: whatever parts of it lie there go.
    RemoveParts,
    /// The part of its flag that its row names goes.
    RemoveFlagPart,
}

/// What taking a file back does, in this order. A rename that was under way when its part went has put it there by the next look. Its flag
/// belongs to it as long as it may stand; left there, a node that slept would set it for the next file.
#[must_use]
pub const fn retreat(has_part: bool, has_flag_part: bool) -> &'static [Retreat] {
    use Retreat::{Look, RemoveFlagPart, RemovePart, RemoveParts};
    match (has_part, has_flag_part) {
        (true, true) => &[Look, RemovePart, Look, RemoveFlagPart, Look],
        (true, false) => &[Look, RemovePart, Look],
        (false, _) => &[Look, RemoveParts, Look],
    }
}

/// What a look at the bank's folder shows of a file that two persons give up because the bank has no copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TakenBack {
    /// The part that its row names was there, we removed it, and nothing stands under the final name: it never went out, at a server
    /// whose renames are one step.
    Removed,
    /// It stands there.
    Standing,
    /// Nothing of it is there any more, and it may have been out.
    Gone,
}

impl TakenBack {
    /// What stands under a final name, whether we removed the part, and what the server's renames are: where one is two steps, the
    /// bank may have fetched the new name while the old one was still there.
    #[must_use]
    pub const fn seen(stands: bool, part_was_there: bool, rename_is_atomic: bool) -> Self {
        match (stands, part_was_there, rename_is_atomic) {
            (true, _, _) => Self::Standing,
            (false, true, true) => Self::Removed,
            (false, true, false) | (false, false, _) => Self::Gone,
        }
    }

    /// Whether its row names no part from here on, so that a look at what is there never concludes more than it should: at a server
    /// whose renames are two steps the second one may fail for want of the part, and take the final name away again. What stands there
    /// is not gone either, whatever an earlier look said.
    #[must_use]
    pub const fn forgets(self, (part_was_there, was_absent): (bool, bool), rename_is_atomic: bool) -> bool {
        match self {
            Self::Gone => true,
            Self::Standing => part_was_there || was_absent || !rename_is_atomic,
            Self::Removed => false,
        }
    }

    /// Where the file goes. What is gone may have been fetched behind the bank's word, which counts only if it was asked since.
    #[must_use]
    pub const fn ends(self) -> FileOutState {
        match self {
            Self::Removed => FileOutState::Voided,
            Self::Standing => FileOutState::Held,
            Self::Gone => FileOutState::Doubt,
        }
    }
}

/// Where a file goes that may be out, by the bank's word that it has no copy: the bank's folder is looked at, unless that was done
/// before the bank was asked and nothing was there that it could still take. `None` for what is written in place: a node that slept
/// may write it at any time, and there is no part whose removal would stop it.
#[must_use]
pub const fn taken_back(in_place: bool, was_absent: bool) -> Option<FileOutState> {
    match (in_place, was_absent) {
        (true, _) => None,
        (false, true) => Some(FileOutState::Voided),
        (false, false) => Some(FileOutState::Withdrawing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(data_part: bool, flag_part: Option<bool>, data: Option<u64>) -> Look {
        Look { data_part, flag_part, data, flag: flag_part.map(|_| false), bytes: 10 }
    }

    #[test]
    fn recovery_looks_at_the_sources_first() {
        let held = |r: Recovery| matches!(r, Recovery::Stop(FileOutState::Held, _));
        assert_eq!(look(true, None, None).after_rename(true), Recovery::RenameBoth);
        assert!(held(look(true, None, Some(10)).after_rename(true)));
        assert_eq!(look(false, None, Some(10)).after_rename(true), Recovery::Out(Evidence::Seen));
        assert!(held(look(false, None, Some(9)).after_rename(true)));
        assert_eq!(look(false, None, None).after_rename(true), Recovery::Out(Evidence::Presumed));
        assert_eq!(look(true, Some(true), None).after_rename(true), Recovery::RenameBoth);
        assert_eq!(look(false, Some(true), Some(10)).after_rename(true), Recovery::RenameFlag);
        assert!(held(look(false, Some(true), None).after_rename(true)));
        assert!(held(look(true, Some(false), None).after_rename(true)));
        assert_eq!(look(false, Some(false), None).after_rename(true), Recovery::Out(Evidence::Presumed));
    }

    #[test]
    fn a_rename_of_two_steps_is_never_repeated() {
        for data_part in [false, true] {
            for flag_part in [None, Some(false), Some(true)] {
                for data in [None, Some(9), Some(10)] {
                    let verdict = look(data_part, flag_part, data).after_rename(false);
                    assert!(!matches!(verdict, Recovery::RenameBoth | Recovery::RenameFlag), "{verdict:?}");
                }
            }
        }
        assert!(matches!(look(true, None, None).after_rename(false), Recovery::Stop(FileOutState::Doubt, _)));
    }

    #[test]
    fn what_was_written_in_place_is_never_written_again() {
        for data in [None, Some(9), Some(10)] {
            for flag in [None, Some(false), Some(true)] {
                let look = Look { data_part: false, flag_part: flag, data, flag, bytes: 10 };
                match look.after_writing_in_place() {
                    Recovery::Out(e) => assert_eq!((e, data, flag), (Evidence::Seen, Some(10), Some(true))),
                    Recovery::Stop(state, _) => assert_eq!(state, FileOutState::Doubt),
                    Recovery::RenameBoth | Recovery::RenameFlag => panic!("written in place, there is nothing to rename"),
                }
            }
        }
    }

    #[test]
    fn only_our_own_part_names_have_a_fence() {
        let old = Part { fence: 12, file: None };
        assert_eq!(Part::named("A.TXT", "A.TXT.12.3.part"), Some(old));
        let new = Part { fence: 12, file: Some(4) };
        assert_eq!(Part::named("A.TXT", &part_name("A.TXT", 12, (3, 4))), Some(new));
        assert_eq!([old.may_be_of(5), new.may_be_of(4), new.may_be_of(5)], [true, true, false]);
        for name in [
            "A.TXT",
            "A.TXT.part",
            "A.TXT.12.part",
            "A.TXT.12.x.part",
            "A.TXT.-1.3.part",
            "A.TXT.1.2.3.part",
            "A.TXT.1.2.3-4.part",
            "A.TXT.1.2-.part",
            "A.TXT.1.2-3-4.part",
            "B.TXT.12.3.part",
            ".12.3.part",
        ] {
            assert_eq!(Part::named("A.TXT", name), None, "{name}");
        }
        assert_eq!(Part::named("", ".12.3.part"), None);
    }
}
