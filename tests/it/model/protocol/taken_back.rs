//! A file that two persons give up because its bank has no copy, and the next one, which goes out under its name with the same
//! payments.

use bankgate::domain::file::FileOutState;
use bankgate::domain::publishing::{Piece, Seen, Standing, TakenBack};

use super::{DATA, FLAG, Next, Pc, World, idle, rest, sealed};

/// Where taking a file back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Withdrawal {
    LookFirst,
    /// Whether the data's part was there, where it has come to the flag's.
    Remove(Piece, bool),
    /// Whether the part was there and is removed.
    LookAgain(bool),
    /// That nothing is there is noted.
    Noted,
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
    }

    /// What two persons took back: the part that the row names goes, and the bank's folder is looked at before and behind that.
    pub(super) fn withdraw(&mut self, n: usize, at: Withdrawal) {
        let (p, w) = (self.protocol, self.world);
        let node = &w.nodes[n];
        let stands = w.server.contains_key(DATA) || w.server.contains_key(FLAG);
        match at {
            Withdrawal::LookFirst if stands => self.stop(n, TakenBack::Standing.ends()),
            Withdrawal::LookFirst => {
                let has_part = !p.in_place && !node.row.part.is_empty();
                let next = if has_part { Withdrawal::Remove(Piece::Data, false) } else { Withdrawal::LookAgain(false) };
                self.step(format!("node {n} finds the final names free"), |w| w.nodes[n].pc = Pc::Withdraw(next));
            }
            Withdrawal::Remove(piece, was_there) => {
                let part = if piece == Piece::Data { node.row.part.clone() } else { node.row.flag_part.clone() };
                let is_there = w.server.contains_key(&part);
                let next = match piece {
                    Piece::Data if p.has_flag => Withdrawal::Remove(Piece::Flag, is_there),
                    Piece::Data => Withdrawal::LookAgain(is_there),
                    Piece::Flag => Withdrawal::LookAgain(was_there),
                };
                self.effect(n, &format!("removes {part}"), Pc::Withdraw(next), |server, _| {
                    server.remove(&part);
                });
            }
            Withdrawal::LookAgain(part_was_there) => match TakenBack::seen(stands, part_was_there, p.is_said_atomic) {
                TakenBack::Standing => self.stop(n, TakenBack::Standing.ends()),
                TakenBack::Removed => self.given_up(n),
                TakenBack::Gone => self.note_absent(n),
            },
            Withdrawal::Noted => self.stop(n, TakenBack::Gone.ends()),
        }
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

    fn note_absent(&mut self, n: usize) {
        let (seen, now) = (self.world.nodes[n].row.clone(), self.row(n));
        if now.state != FileOutState::Withdrawing || (now.fence, now.attempt) != (seen.fence, seen.attempt) {
            self.step(format!("node {n} finds it moved on"), |w| idle(&mut w.nodes[n]));
            return;
        }
        let row = Standing { part: String::new(), flag_part: String::new(), ..now };
        for (what, is_known) in [("", true), (", its reply is lost", false)] {
            self.step(format!("node {n} notes that it is gone{what}"), |w| {
                w.row = row.clone();
                w.was_absent = true;
                w.nodes[n].row = row.clone();
                w.nodes[n].pc = Pc::Withdraw(Withdrawal::Noted);
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
