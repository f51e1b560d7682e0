//! The database of last night comes back (从备份恢复): what was done since is forgotten by it, and by nobody else. Departments enter
//! again, as it was, what they had released; two persons compare with the banks, say what became of each file in doubt, and let
//! publishing go on.

use std::path::PathBuf;
use std::sync::Arc;

use bankgate::domain::time::Timestamp;
use bankgate::passes::operate::file::{Acted, FileWish, file_act};
use bankgate::passes::operate::guard::propose_release;
use bankgate::store::Store;
use rand::Rng as _;

use super::super::audit::Verdict;
use super::super::books::{STATED, put_statement};
use super::super::house::{gateway, node_pool, people_pool};
use super::super::people::finance;
use super::super::port::{Fault, Outside};
use super::{DAY, World};

/// What a file in doubt is to two persons who asked its bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The bank has it, or somebody saw that it lies where the bank will take it.
    Sent,
    /// The bank does not have it yet.
    NotYet,
}

impl World {
    /// The database's files, and those of its copy. Nobody writes between two passes.
    fn files(&self) -> [(PathBuf, PathBuf); 2] {
        ["", "-wal"].map(|end| (self.root.join(format!("b.db{end}")), self.root.join(format!("backup.db{end}"))))
    }

    /// Last night's copy, where this seed will need one.
    pub(super) fn back_up(&mut self) {
        let now = self.now();
        // Before any other restore there is another morning.
        if self.restores.range(now..now + 3 * DAY).next().is_none() {
            return;
        }
        for (file, copy) in self.files() {
            std::fs::copy(file, copy).unwrap();
        }
    }

    /// When it will be restored: once or twice, on some day that is not the first.
    pub(super) fn plan_restores(&mut self, days: i64) {
        let moments = self.out(|out| {
            let n = if out.has(Fault::Restored) { out.rng.random_range(1..3) } else { 0 };
            let moment = |out: &mut Outside| out.now_ms + out.rng.random_range(DAY..days.max(2) * DAY);
            (0..n).map(|_| moment(out)).collect::<Vec<_>>()
        });
        self.restores.extend(&moments);
        self.wakes.extend(&moments);
    }

    /// All nodes are stopped, the copy takes the place of the database, and they start again.
    pub(super) async fn restore(&mut self) {
        if !self.files().iter().all(|(_, copy)| copy.is_file()) {
            return;
        }
        self.out(|out| {
            *out.happened.entry(Fault::Restored).or_default() += 1;
            out.say("the database of last night is restored");
        });
        for node in &mut self.nodes {
            node.life.dies();
            node.life.go_on();
            drop(node.standing.take());
        }
        // What was proposed since is forgotten with the rest.
        self.proposed.clear();
        self.db.close().await;
        for node in &self.nodes {
            node.pool.close().await;
        }
        // Others in their place: who has the old ones open keeps those.
        _ = std::fs::remove_file(self.root.join("b.db-shm"));
        for (file, copy) in self.files() {
            _ = std::fs::remove_file(&file);
            std::fs::copy(copy, file).unwrap();
        }
        let path = self.root.join("b.db");
        self.db = people_pool(&path).await;
        self.people = Arc::new(gateway(&self.root, Store::over(self.db.clone()), &self.port, &Arc::default(), "people"));
        self.audit.begins_anew(&path, &self.port).await;
        for at in 0..self.nodes.len() {
            self.nodes[at].pool = node_pool(&path, &self.port, &self.nodes[at].lives).await;
            self.restart(at).await;
        }
        self.ask_for_statements_again();
        self.soon(1);
    }

    /// Departments enter again what the database has no more: the same lists under the same numbers.
    pub(super) async fn enter_again(&mut self) {
        let known = self.audit.batches().await;
        let lost: Vec<(String, Vec<String>)> = self.released.iter().filter(|(number, _)| !known.contains(number)).cloned().collect();
        for (number, statements) in lost {
            for sql in statements {
                self.sql(&sql).await;
            }
            self.out(|out| out.say(&format!("batch {number} is entered again")));
        }
        self.enter_excluded().await;
        self.soon(1);
    }

    /// Banks are asked for their statements again; what the database has already is the same once more.
    pub(super) fn ask_for_statements_again(&mut self) {
        let past = (self.now() - self.start + DAY - STATED) / DAY;
        self.out(|out| {
            for code in out.banks.keys().copied().collect::<Vec<_>>() {
                for day in 0..past {
                    put_statement(out, code, day);
                }
            }
        });
    }

    /// Two persons let publishing go on; one alone may not.
    pub(super) async fn two_persons_release(&mut self) -> Verdict {
        let now = Timestamp::from_millis(self.now());
        let Ok((proposal, _)) = propose_release(&self.people, &finance("qian"), "与各行核对完毕", &[], now).await else {
            return Ok(());
        };
        self.by_two(proposal, "publishing goes on").await
    }

    /// Files that wait for a person: one asks the bank, and proposes what it says; what that is worth when another approves it is ours
    /// to know.
    pub(super) async fn one_says_what_became_of_files(&mut self) {
        for (id, bank, path) in self.audit.in_doubt().await {
            if self.out(|out| out.rng.random_range(0..4)) != 0 {
                continue;
            }
            let wishes = self.out(|out| match found(out, &bank, &path) {
                Found::Sent => vec![FileWish::Sent],
                // What the bank writes it keeps to, whatever comes of the proposal.
                Found::NotYet if out.rng.random_range(0..5) == 0 => {
                    out.banks.get_mut(bank.as_str()).unwrap().barred.insert(path.clone());
                    vec![FileWish::Refused]
                }
                Found::NotYet if out.rng.random_range(0..3) == 0 => vec![FileWish::Release, FileWish::Void],
                Found::NotYet => vec![FileWish::Void],
            });
            let now = Timestamp::from_millis(self.now());
            let reason = format!("银行来电核实{path}");
            for wish in wishes {
                let asked = file_act(&self.people, &finance("qian"), id, wish, &reason, false, now).await;
                if let Ok(Acted::Proposed(proposal, _)) = asked {
                    self.approved_later(proposal, format!("file {id} {path} {wish:?}"));
                    break;
                }
            }
        }
    }
}

fn found(out: &mut Outside, bank: &str, path: &str) -> Found {
    let is_seen = out.boxes[bank].files.contains_key(&format!("inbox/{path}")) && out.rng.random_range(0..2) == 0;
    let was_taken = out.banks[bank].taken.iter().any(|t| t.slip.path == path);
    if is_seen || was_taken { Found::Sent } else { Found::NotYet }
}
