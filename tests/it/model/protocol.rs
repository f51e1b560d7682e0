//! Two nodes, one row, a server and a bank, in every interleaving. What may happen to the row, in which order a run acts, what a
//! look concludes and which parts may go are the product's own functions (`domain::publishing`), called through [`Rules`] so that
//! a test can put a weaker one in a function's place.

use std::collections::BTreeMap;

use bankgate::domain::file::{Evidence, FileOutState};
use bankgate::domain::publishing::{Act, Hold, Look, Part, Piece, Recovery, Seen, Standing, acts, part_name, taken_back};
use stateright::{Model, Property};

use self::taken_back::Withdrawal;

/// What two persons take back.
mod taken_back;

/// A whole file.
pub const WHOLE: u8 = 2;
/// Somebody else's file of the same size.
const FOREIGN: u8 = 9;
const DATA: &str = "F";
const FLAG: &str = "F.ok";

/// The functions under test.
#[derive(Clone, Debug)]
pub struct Rules {
    pub stamped: fn(&Standing, Hold, i64) -> Option<Standing>,
    pub intended: fn(&Standing, Hold, i64, (&str, &str)) -> Option<Standing>,
    pub condemns: fn(&Standing, &str, Part, (i64, i64)) -> bool,
    pub acts: fn(bool, bool) -> &'static [Act],
    pub part_name: fn(&str, i64, (i64, i64)) -> String,
    /// Where a file goes by the bank's word that it has no copy.
    pub taken_back: fn(bool, bool) -> Option<FileOutState>,
    pub verdict: fn(Look, bool) -> Recovery,
    /// The part of this piece that recovery may rename: from the row, the run's own fence, and what lies there.
    pub source: fn(&Standing, Piece, i64, &Server) -> String,
    /// A database that lost its memory is noticed.
    pub is_guarded: bool,
}

impl Rules {
    /// The product's.
    pub fn product() -> Self {
        Self {
            stamped: Standing::stamped,
            intended: Standing::intended,
            condemns: Standing::condemns,
            acts,
            part_name,
            taken_back,
            verdict: Look::after_rename,
            source: |row, piece, _, _| if piece == Piece::Data { row.part.clone() } else { row.flag_part.clone() },
            is_guarded: true,
        }
    }
}

pub type Server = BTreeMap<String, u8>;

/// What is checked: the protocol's rules in a world of this kind.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub rules: Rules,
    pub has_flag: bool,
    /// Written under the final name, flag last.
    pub in_place: bool,
    /// What the server's rename is, and what the settings say of it.
    pub is_atomic: bool,
    pub is_said_atomic: bool,
    /// A rename replaces what stands there.
    pub overwrites: bool,
    /// A create of what is there is refused.
    pub is_exclusive: bool,
    /// A write that timed out may still arrive.
    pub writes_late: bool,
    /// Somebody else's file stands under the final name.
    pub is_foreign: bool,
    /// The database may lose its last commit, once.
    pub fails_over: bool,
    /// Two persons may give the first file up, and the next one goes out under its name with the same payments.
    pub gives_up: bool,
    /// The server may do a rename long after it was asked for it, once.
    pub renames_late: bool,
    /// How often the lease may pass on.
    pub grants: i64,
    /// How often an upload is begun.
    pub attempts: i64,
}

impl Protocol {
    pub fn rename() -> Self {
        Self {
            rules: Rules::product(),
            has_flag: false,
            in_place: false,
            is_atomic: true,
            is_said_atomic: true,
            overwrites: false,
            is_exclusive: true,
            writes_late: true,
            is_foreign: false,
            fails_over: false,
            gives_up: false,
            renames_late: false,
            grants: 3,
            attempts: 2,
        }
    }

    pub fn flag() -> Self {
        Self { has_flag: true, writes_late: false, ..Self::rename() }
    }
}

/// Where a node's run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pc {
    /// It does not run, or knows of no lease.
    Idle,
    /// It holds what it believes is the lease.
    Ready,
    Stamp,
    /// The act at this place of the list.
    Do(usize),
    /// It has created this piece and written so much.
    Write(usize),
    /// The server has linked the final name and not yet unlinked the part.
    HalfRenamed(usize),
    /// It looked once; what it saw first is kept in `glimpse`.
    Looking,
    /// It read the row and will delete parts.
    Sweep,
    /// It takes the file back.
    Withdraw(Withdrawal),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub pc: Pc,
    pub fence: i64,
    /// The file that it works at.
    pub file: i64,
    /// The row as it read it, with what it wrote itself since.
    pub row: Standing,
    /// What it does behind its stamp, or behind its look.
    pub list: Vec<Act>,
    pub is_recovering: bool,
    pub glimpse: Server,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bank {
    pub taken: u8,
    pub is_torn: bool,
    pub lost_foreign: bool,
    /// It has taken one half and will take the other.
    pub has_half: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Which file's row is alive.
    pub file: i64,
    pub row: Standing,
    /// Nothing of it was at the bank when it was looked for.
    was_absent: bool,
    /// The row one commit ago.
    before: Option<Standing>,
    pub lease: i64,
    pub server: Server,
    pub bank: Bank,
    pub nodes: [Node; 2],
    late: Option<String>,
    /// What the server was asked to rename, and will.
    late_rename: Option<(String, &'static str)>,
    pub has_forgotten: bool,
}

/// A step, with the world behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    what: String,
    to: World,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let node = |pc, fence| Node { pc, fence, ..nobody() };
        let mut server = Server::new();
        if self.is_foreign {
            server.insert(DATA.to_owned(), FOREIGN);
        }
        vec![World {
            nodes: [node(Pc::Ready, 1), node(Pc::Idle, 0)],
            file: 1,
            row: sealed(),
            was_absent: false,
            before: None,
            lease: 1,
            server,
            bank: Bank::default(),
            late: None,
            late_rename: None,
            has_forgotten: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let mut next = Next { protocol: self, world, steps };
        next.surroundings();
        for node in 0..2 {
            next.node(node);
        }
    }

    fn next_state(&self, _: &World, step: Step) -> Option<World> {
        Some(step.to)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("published at most once", |_, w: &World| w.bank.taken <= 1),
            Property::always("never half a file", |_, w: &World| !w.bank.is_torn),
            Property::always("nobody else's file is replaced", |_, w: &World| !w.bank.lost_foreign),
            Property::always("what is recorded as sent is out", |p: &Self, w: &World| {
                let is_there = w.server.get(DATA) == Some(&WHOLE) && (!p.has_flag || w.server.contains_key(FLAG));
                w.row.state != FileOutState::Sent || w.bank.taken > 0 || w.bank.has_half.is_some() || is_there
            }),
            Property::sometimes("sent", |_, w: &World| w.row.state == FileOutState::Sent && w.bank.taken == 1),
        ]
    }
}

/// Collects the steps out of a world.
struct Next<'a> {
    protocol: &'a Protocol,
    world: &'a World,
    steps: &'a mut Vec<Step>,
}

impl Next<'_> {
    fn step(&mut self, what: impl Into<String>, change: impl FnOnce(&mut World)) {
        let mut to = self.world.clone();
        change(&mut to);
        self.steps.push(Step { what: what.into(), to });
    }

    /// The bank, the lease, the database, a late write.
    fn surroundings(&mut self) {
        let (p, w) = (self.protocol, self.world);
        self.bank();
        if w.lease < p.grants {
            for node in 0..2 {
                self.step(format!("node {node} takes the lease, fence {}", w.lease + 1), |w| {
                    w.lease += 1;
                    w.nodes[node].fence = w.lease;
                    rest(&mut w.nodes[node]);
                });
            }
        }
        if let Some(name) = &w.late {
            self.step(format!("a late write arrives in {name}"), |w| {
                // At its own place: where the first chunk is missing there is a hole.
                if let Some(content) = w.server.get_mut(name) {
                    *content = if *content == 0 { 7 } else { WHOLE };
                }
                w.late = None;
            });
        }
        if let Some((part, last)) = &w.late_rename {
            self.step(format!("the server does the rename of {part}"), |w| {
                if let Some(content) = w.server.get(part).copied().filter(|_| p.overwrites || !w.server.contains_key(*last)) {
                    w.server.remove(part);
                    w.server.insert((*last).to_owned(), content);
                }
                w.late_rename = None;
            });
        }
        if p.gives_up && w.file == 1 {
            self.two_persons();
        }
        if p.fails_over && !w.has_forgotten && w.before.is_some() {
            self.step("the database loses its last commit", |w| {
                w.row = w.before.take().unwrap();
                w.has_forgotten = true;
            });
        }
    }

    fn bank(&mut self) {
        let (p, w) = (self.protocol, self.world);
        let is_wanted = |content: Option<&u8>| content.is_some_and(|c| *c != FOREIGN);
        if !p.has_flag {
            if is_wanted(w.server.get(DATA)) {
                self.step("the bank takes it", |w| {
                    let content = w.server.remove(DATA).unwrap();
                    w.bank.taken += 1;
                    w.bank.is_torn |= content != WHOLE;
                });
            }
            return;
        }
        if let Some(is_data_next) = w.bank.has_half {
            let name = if is_data_next { DATA } else { FLAG };
            self.step("the bank takes the other half", |w| {
                let content = w.server.remove(name);
                w.bank.is_torn |= is_data_next && content != Some(WHOLE);
                w.bank.has_half = None;
                w.bank.taken += 1;
            });
        } else if w.server.contains_key(FLAG) {
            self.step("the bank takes the flag first", |w| {
                w.server.remove(FLAG);
                w.bank.has_half = Some(true);
            });
            if is_wanted(w.server.get(DATA)) {
                self.step("the bank takes the data first", |w| {
                    let content = w.server.remove(DATA).unwrap();
                    w.bank.is_torn |= content != WHOLE;
                    w.bank.has_half = Some(false);
                });
            }
        }
        // Its word about what it took settles whatever we are in doubt of.
        let is_open =
            matches!(w.row.state, FileOutState::Publishing | FileOutState::Held | FileOutState::Doubt | FileOutState::Withdrawing);
        if let Some(row) = w.row.sent(w.row.state).filter(|_| w.bank.taken > 0 && is_open) {
            self.step("the bank's answer", |w| w.row = row);
        }
    }

    fn hold(&self, n: usize) -> Hold {
        let fence = self.world.nodes[n].fence;
        Hold { fence, is_held: self.world.lease == fence }
    }

    /// The row of its file, as it is now.
    fn row(&self, n: usize) -> Standing {
        let w = self.world;
        if w.nodes[n].file == w.file { w.row.clone() } else { Standing { state: FileOutState::Voided, ..sealed() } }
    }

    /// A commit of ours: it happens and we know, or it happens and we do not.
    fn commit(&mut self, n: usize, what: &str, row: &Standing, known: impl FnOnce(&mut Node)) {
        let before = self.world.row.clone();
        self.step(format!("node {n} {what}"), |w| {
            w.row = row.clone();
            w.before = Some(before.clone());
            w.nodes[n].row = row.clone();
            known(&mut w.nodes[n]);
        });
        self.step(format!("node {n} {what}, its reply is lost"), |w| {
            w.row = row.clone();
            w.before = Some(before);
            rest(&mut w.nodes[n]);
        });
    }

    fn node(&mut self, n: usize) {
        let (p, w) = (self.protocol, self.world);
        let node = &w.nodes[n];
        if node.pc != Pc::Idle && node.pc != Pc::Ready {
            self.step(format!("node {n} fails or is cut off"), |w| rest(&mut w.nodes[n]));
        }
        let is_stopped = w.has_forgotten && p.rules.is_guarded;
        match node.pc {
            Pc::Idle => {}
            Pc::Ready => {
                let pc = match w.row.state {
                    FileOutState::Sealed | FileOutState::Uploading => Pc::Stamp,
                    FileOutState::Publishing => Pc::Looking,
                    FileOutState::Withdrawing => Pc::Withdraw(Withdrawal::BEGUN),
                    FileOutState::Planned
                    | FileOutState::Sent
                    | FileOutState::Accepted
                    | FileOutState::Answered
                    | FileOutState::Refused
                    | FileOutState::Held
                    | FileOutState::Doubt
                    | FileOutState::Voided
                    | FileOutState::Abandoned => Pc::Idle,
                };
                self.step(format!("node {n} reads {:?}", w.row.state), |w| {
                    let (row, glimpse) = (w.row.clone(), if pc == Pc::Looking { w.server.clone() } else { Server::new() });
                    w.nodes[n] = Node { pc, row, file: w.file, glimpse, is_recovering: pc == Pc::Looking, ..w.nodes[n].clone() };
                });
                self.step(format!("node {n} reads the row, to sweep"), |w| {
                    w.nodes[n] = Node { pc: Pc::Sweep, row: w.row.clone(), file: w.file, ..w.nodes[n].clone() };
                });
                if w.file > 1 {
                    // Of a file that was given up parts may be left as well.
                    let row = Standing { state: FileOutState::Voided, ..sealed() };
                    self.step(format!("node {n} reads the earlier row, to sweep"), |w| {
                        w.nodes[n] = Node { pc: Pc::Sweep, row, file: 1, ..w.nodes[n].clone() };
                    });
                }
            }
            Pc::Stamp if node.row.attempt >= p.attempts => self.stop(n, FileOutState::Held),
            Pc::Stamp => match (p.rules.stamped)(&self.row(n), self.hold(n), node.row.attempt).filter(|_| !is_stopped) {
                Some(row) => self.commit(n, "stamps", &row, |node| {
                    node.list = (p.rules.acts)(p.in_place, p.has_flag).to_vec();
                    node.pc = Pc::Do(0);
                }),
                None => self.step(format!("node {n} may not stamp"), |w| idle(&mut w.nodes[n])),
            },
            Pc::Do(at) => match node.list.get(at).copied() {
                Some(act) => self.act(n, at, act, is_stopped),
                None => self.step(format!("node {n} is done"), |w| idle(&mut w.nodes[n])),
            },
            Pc::Write(at) => self.write(n, at),
            Pc::HalfRenamed(at) => self.unlink(n, at),
            Pc::Looking => self.look(n),
            Pc::Withdraw(at) => self.withdraw(n, at),
            Pc::Sweep => {
                let fence = node.fence;
                let gone: Vec<String> = w
                    .server
                    .keys()
                    .filter(|name| part(name).is_some_and(|of| (p.rules.condemns)(&node.row, name, of, (node.file, fence))))
                    .cloned()
                    .collect();
                self.step(format!("node {n} sweeps {gone:?}"), |w| {
                    w.server.retain(|name, _| !gone.contains(name));
                    rest(&mut w.nodes[n]);
                });
            }
        }
    }

    fn stop(&mut self, n: usize, state: FileOutState) {
        let seen = &self.world.nodes[n].row;
        let seen = Seen { state: seen.state, fence: seen.fence, attempt: seen.attempt };
        match self.row(n).moved(seen, state) {
            Some(row) => self.commit(n, "leaves it to a person", &row, idle),
            None => self.step(format!("node {n} finds it moved on"), |w| idle(&mut w.nodes[n])),
        }
    }

    /// What this run's piece is called before and after.
    fn names(&self, n: usize, piece: Piece) -> (String, &'static str) {
        let (p, node) = (self.protocol, &self.world.nodes[n]);
        let last = if piece == Piece::Data { DATA } else { FLAG };
        let part = match (p.in_place, node.is_recovering) {
            (true, _) => last.to_owned(),
            (false, false) => (p.rules.part_name)(last, node.fence, (node.row.attempt, node.file)),
            (false, true) => (p.rules.source)(&node.row, piece, node.fence, &self.world.server),
        };
        (part, last)
    }

    fn act(&mut self, n: usize, at: usize, act: Act, is_stopped: bool) {
        let (p, w) = (self.protocol, self.world);
        let node = &w.nodes[n];
        match act {
            Act::Upload(piece) => {
                let (part, _) = self.names(n, piece);
                if w.server.contains_key(&part) && p.is_exclusive {
                    self.step(format!("node {n} finds {part} taken"), |w| rest(&mut w.nodes[n]));
                    return;
                }
                // A flag is short: it is there whole or not at all.
                let (first, pc) = if piece == Piece::Flag { (WHOLE, Pc::Do(at + 1)) } else { (0, Pc::Write(at)) };
                self.effect(n, &format!("creates {part}"), pc, move |server, _| {
                    server.insert(part, first);
                });
            }
            Act::ProveAbsent => {
                if w.server.contains_key(DATA) || w.server.contains_key(FLAG) {
                    self.stop(n, FileOutState::Held);
                } else {
                    self.step(format!("node {n} finds the final names free"), |w| w.nodes[n].pc = Pc::Do(at + 1));
                }
            }
            Act::Intend => {
                let (part, flag_part) = (self.names(n, Piece::Data).0, self.names(n, Piece::Flag).0);
                let parts = (part.as_str(), if p.has_flag { flag_part.as_str() } else { "" });
                match (p.rules.intended)(&self.row(n), self.hold(n), node.row.attempt, parts).filter(|_| !is_stopped) {
                    Some(row) => self.commit(n, "intends", &row, |node| node.pc = Pc::Do(at + 1)),
                    None => self.step(format!("node {n} may not intend"), |w| idle(&mut w.nodes[n])),
                }
            }
            Act::Rename(piece) => self.rename(n, at, piece),
            Act::Record => match self.row(n).sent(node.row.state) {
                Some(row) => self.commit(n, "records it as sent", &row, idle),
                None => self.step(format!("node {n} finds it recorded"), |w| idle(&mut w.nodes[n])),
            },
        }
    }

    /// Something at the server: done and known, done and not known. (Not done and not known is a failure before it.)
    fn effect(&mut self, n: usize, what: &str, pc: Pc, change: impl FnOnce(&mut Server, &mut Bank)) {
        let mut to = self.world.clone();
        change(&mut to.server, &mut to.bank);
        let mut lost = to.clone();
        to.nodes[n].pc = pc;
        rest(&mut lost.nodes[n]);
        self.steps.push(Step { what: format!("node {n} {what}"), to });
        self.steps.push(Step { what: format!("node {n} {what}, the reply is lost"), to: lost });
    }

    fn write(&mut self, n: usize, at: usize) {
        let (part, _) = self.names(n, Piece::Data);
        let w = self.world;
        let Some(content) = w.server.get(&part).copied() else {
            self.step(format!("node {n} finds {part} gone"), |w| rest(&mut w.nodes[n]));
            return;
        };
        if content >= WHOLE {
            // Size and digest as they should be; a hole has the size.
            self.step(format!("node {n} finds {part} whole"), |w| w.nodes[n].pc = Pc::Do(at + 1));
            return;
        }
        if self.protocol.writes_late && w.late.is_none() {
            self.step(format!("node {n} writes into {part}, which takes its time"), |w| {
                w.late = Some(part.clone());
                rest(&mut w.nodes[n]);
            });
        }
        self.effect(n, &format!("writes into {part}"), Pc::Write(at), |server, _| {
            server.insert(part.clone(), content + 1);
        });
    }

    fn rename(&mut self, n: usize, at: usize, piece: Piece) {
        let (p, w) = (self.protocol, self.world);
        let (part, last) = self.names(n, piece);
        let is_refused = !w.server.contains_key(&part) || (w.server.contains_key(last) && !p.overwrites);
        if is_refused {
            self.step(format!("node {n} may not rename {part}"), |w| rest(&mut w.nodes[n]));
            return;
        }
        if p.renames_late && w.late_rename.is_none() {
            self.step(format!("node {n} asks for the rename of {part}, which takes its time"), |w| {
                w.late_rename = Some((part.clone(), last));
                rest(&mut w.nodes[n]);
            });
        }
        let is_atomic = p.is_atomic;
        let pc = if is_atomic { Pc::Do(at + 1) } else { Pc::HalfRenamed(at) };
        self.effect(n, &format!("renames {part}"), pc, move |server, bank| {
            let content = server.get(&part).copied().unwrap_or_default();
            if is_atomic {
                server.remove(&part);
            }
            bank.lost_foreign |= server.insert(last.to_owned(), content) == Some(FOREIGN);
        });
    }

    /// The second half of a rename that is not one step. Where its source is gone the server takes the target back.
    fn unlink(&mut self, n: usize, at: usize) {
        let Some(Act::Rename(piece)) = self.world.nodes[n].list.get(at).copied() else { return };
        let (part, last) = self.names(n, piece);
        let is_there = self.world.server.contains_key(&part);
        let pc = if is_there { Pc::Do(at + 1) } else { Pc::Ready };
        self.effect(n, &format!("has {part} unlinked"), pc, move |server, _| {
            if server.remove(&part).is_none() {
                server.remove(last);
            }
        });
    }

    /// A listing is not one moment: part of it may be older than the rest.
    fn look(&mut self, n: usize) {
        let (p, w) = (self.protocol, self.world);
        let node = &w.nodes[n];
        if p.gives_up {
            // The bank's server did not let it look, or rename, often enough.
            self.stop(n, FileOutState::Held);
        }
        for (sources, finals, which) in [
            (&w.server, &w.server, "at once"),
            (&node.glimpse, &w.server, "at the parts first"),
            (&w.server, &node.glimpse, "at the parts last"),
        ] {
            let source = |piece| (p.rules.source)(&node.row, piece, node.fence, sources);
            let look = Look {
                data_part: !p.in_place && sources.contains_key(&source(Piece::Data)),
                flag_part: p.has_flag.then(|| !p.in_place && sources.contains_key(&source(Piece::Flag))),
                data: finals.get(DATA).map(|content| if *content == FOREIGN { u64::from(WHOLE) } else { u64::from(*content) }),
                flag: p.has_flag.then(|| finals.contains_key(FLAG)),
                bytes: u64::from(WHOLE),
            };
            let verdict = if p.in_place { look.after_writing_in_place() } else { (p.rules.verdict)(look, p.is_said_atomic) };
            match verdict {
                Recovery::Stop(state, _) => self.stop(n, state),
                Recovery::Out(Evidence::Seen | Evidence::Presumed) | Recovery::RenameBoth | Recovery::RenameFlag => {
                    let list = verdict.acts(p.has_flag).to_vec();
                    self.step(format!("node {n} looks {which}: {verdict:?}"), |w| {
                        w.nodes[n].list = list;
                        w.nodes[n].pc = Pc::Do(0);
                        w.nodes[n].glimpse.clear();
                    });
                }
                Recovery::Out(Evidence::Renamed | Evidence::Answered | Evidence::Attested) => {
                    unreachable!("a look renames and answers nothing")
                }
            }
        }
    }
}

/// The run ends; the next one reads anew.
fn rest(node: &mut Node) {
    idle(node);
    node.pc = Pc::Ready;
}

fn idle(node: &mut Node) {
    // What it read is forgotten: the next run reads anew.
    *node = Node { fence: node.fence, ..nobody() };
}

fn nobody() -> Node {
    Node { pc: Pc::Idle, fence: 0, file: 1, row: sealed(), list: Vec::new(), is_recovering: false, glimpse: Server::new() }
}

fn sealed() -> Standing {
    let (part, flag_part) = (String::new(), String::new());
    Standing { state: FileOutState::Sealed, fence: 0, attempt: 0, part, flag_part, copies: 0 }
}

fn part(name: &str) -> Option<Part> {
    [FLAG, DATA].iter().find_map(|base| Part::named(base, name))
}
