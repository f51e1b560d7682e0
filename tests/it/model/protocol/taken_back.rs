//! A file that two persons give up because its bank has no copy, and the next one, which goes out under its name with the same
//! payments.

use bankgate::domain::file::FileOutState;
use bankgate::domain::publishing::{Retreat, Seen, Standing, TakenBack, retreat};

use super::{DATA, FLAG, Next, Pc, World, idle, part, rest, sealed};

/// Where taking a file back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Withdrawal {
    /// Before this step; whether its part was there and is removed.
    Step(usize, bool),
    /// That there is no part any more is noted.
    Noted(TakenBack),
}

impl Withdrawal {
    pub const BEGUN: Self = Self::Step(0, false);
}

impl Next<'_> {
    /// By the bank's word that it has no copy. What we must look for first was said at any moment before that look.
    pub(super) fn two_persons(&mut self) {
        let (p, w) = (self.protocol, self.world);
        let stands = matches!(w.row.state, FileOutState::Held | FileOutState::Doubt);
        match ((p.rules.taken_back)(p.in_place, w.was_absent), w.row.copies) {
            (_, 0) if w.row.state == FileOutState::Held => self.step("two persons give up what was never out", next_file),
            (Some(FileOutState::Withdrawing), 1) if stands => {
                self.step("two persons take it back", |w| w.row.state = FileOutState::Withdrawing);
            }
            (Some(FileOutState::Voided), 1) if stands && w.bank.taken == 0 && w.bank.has_half.is_none() => {
                self.step("two persons give it up, the bank has no copy", next_file);
            }
            _ => {}
        }
        if w.row.state == FileOutState::Held {
            // What was held goes on from where it was stopped: with its parts, by looking; without, from the beginning.
            let next = match (w.row.copies, w.row.part.is_empty()) {
                (0, _) => FileOutState::Sealed,
                (_, false) => FileOutState::Publishing,
                (_, true) => return,
            };
            self.step("two persons let it go on", |w| w.row.state = next);
        }
    }

    /// What two persons took back: the part that the row names goes, and the bank's folder is looked at before and behind that.
    pub(super) fn withdraw(&mut self, n: usize, at: Withdrawal) {
        let (p, w) = (self.protocol, self.world);
        let node = &w.nodes[n];
        let (at, was_there) = match at {
            Withdrawal::Step(at, was_there) => (at, was_there),
            Withdrawal::Noted(found) => return self.stop(n, found.ends()),
        };
        let next = |was_there| Pc::Withdraw(Withdrawal::Step(at + 1, was_there));
        let has_part = !p.in_place && !node.row.part.is_empty();
        match retreat(has_part, p.has_flag).get(at) {
            Some(Retreat::Look) if w.server.contains_key(DATA) || w.server.contains_key(FLAG) => {
                self.left(n, TakenBack::Standing, was_there)
            }
            Some(Retreat::Look) if at + 1 < retreat(has_part, p.has_flag).len() => {
                self.step(format!("node {n} finds the final names free"), |w| w.nodes[n].pc = next(was_there));
            }
            Some(Retreat::Look) | None => match TakenBack::seen(false, was_there, p.is_said_atomic) {
                TakenBack::Removed => self.given_up(n),
                found @ (TakenBack::Standing | TakenBack::Gone) => self.left(n, found, was_there),
            },
            Some(Retreat::RemovePart) => self.remove(n, &node.row.part, next(w.server.contains_key(&node.row.part))),
            Some(Retreat::RemoveFlagPart) => self.remove(n, &node.row.flag_part, next(was_there)),
            Some(Retreat::RemoveParts) => self.effect(n, "removes its parts", next(was_there), |server, _| {
                server.retain(|name, _| part(name).is_none_or(|part| !part.may_be_of(node.file)));
            }),
        }
    }

    fn remove(&mut self, n: usize, part: &str, next: Pc) {
        self.effect(n, &format!("removes {part}"), next, |server, _| {
            server.remove(part);
        });
    }

    /// Its part is removed by us: the next file gets its name and its payments.
    fn given_up(&mut self, n: usize) {
        let seen = &self.world.nodes[n].row;
        let seen = Seen { state: seen.state, fence: seen.fence, attempt: seen.attempt };
        let is_voided = self.hold(n).is_held && self.row(n).moved(seen, TakenBack::Removed.ends()).is_some();
        if !is_voided {
            self.step(format!("node {n} may not give it up"), |w| idle(&mut w.nodes[n]));
            return;
        }
        self.step(format!("node {n} gives it up"), |w| {
            next_file(w);
            rest(&mut w.nodes[n]);
        });
    }

    /// To two persons again.
    fn left(&mut self, n: usize, found: TakenBack, part_was_there: bool) {
        if !found.forgets((part_was_there, self.world.was_absent), self.protocol.is_said_atomic) {
            self.stop(n, found.ends());
            return;
        }
        let (seen, now) = (self.world.nodes[n].row.clone(), self.row(n));
        if now.state != FileOutState::Withdrawing || (now.fence, now.attempt) != (seen.fence, seen.attempt) {
            self.step(format!("node {n} finds it moved on"), |w| idle(&mut w.nodes[n]));
            return;
        }
        let row = Standing { part: String::new(), flag_part: String::new(), ..now };
        for (what, is_known) in [("", true), (", its reply is lost", false)] {
            self.step(format!("node {n} notes that no part is left, {found:?}{what}"), |w| {
                w.row = row.clone();
                w.was_absent = found == TakenBack::Gone;
                w.nodes[n].row = row.clone();
                w.nodes[n].pc = Pc::Withdraw(Withdrawal::Noted(found));
                if !is_known {
                    rest(&mut w.nodes[n]);
                }
            });
        }
    }
}

/// The first file is given up: its payments go out in the next, under its name.
fn next_file(w: &mut World) {
    (w.file, w.row, w.was_absent) = (w.file + 1, sealed(), false);
}
