//! The other side, by hand: a bank's mailbox and what lies in it.

use std::path::Path;

use super::papers::read;
pub use super::papers::{Slip, Word, flag, gbk, result, ungbk};
use super::world::World;

/// The card is reported lost: the person must act.
pub const LOST: Word = Word::Failed("账户已挂失");
/// The bank is busy: try again.
pub const BUSY: Word = Word::Failed("系统忙");

impl World {
    /// The bank takes what lies in its inbox, oldest name first.
    pub fn take(&self, bank: &'static str) -> Vec<Slip> {
        let inbox = self.mailbox(bank).join("inbox");
        let mut slips = Vec::new();
        // It looks at no part: a node that was overtaken leaves one behind, and the sweep takes it. Enquiries are another desk's.
        for path in walk(&inbox).into_iter().filter(|path| !path.ends_with(".part") && !path.contains(".q")) {
            let bytes = std::fs::read(inbox.join(&path)).unwrap();
            std::fs::remove_file(inbox.join(&path)).unwrap();
            if !path.ends_with(".ok") {
                slips.push(Slip { bank, orders: read(bank, &bytes), path, bytes });
            }
        }
        slips
    }

    /// The bank takes the one file that lies in its inbox.
    pub fn take_one(&self, bank: &'static str) -> Slip {
        let mut slips = self.take(bank);
        assert_eq!(slips.len(), 1, "{slips:?}");
        slips.remove(0)
    }

    /// The bank puts a file out.
    pub fn put(&self, bank: &str, path: &str, bytes: &[u8]) {
        let place = self.mailbox(bank).join("outbox").join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
    }

    /// The bank answers a request line by line.
    pub fn answer(&self, slip: &Slip, words: &[Word]) {
        for (path, bytes) in result(slip, words) {
            self.put(slip.bank, &path, &bytes);
        }
    }

    /// The bank says something of some lines only.
    pub fn poll(&self, slip: &Slip, said: &[(usize, Word)]) {
        let orders = said.iter().map(|(at, _)| slip.orders[*at].clone()).collect();
        let words: Vec<Word> = said.iter().map(|(_, word)| *word).collect();
        self.answer(&Slip { orders, ..slip.clone() }, &words);
    }

    /// What is sealed for a bank, as the bank would read it, though it never lay in its inbox.
    pub async fn sealed(&self, bank: &'static str) -> Slip {
        let sql = format!("select dir, name, sha256 from file_out where bank = '{bank}' order by id desc limit 1");
        let row = &self.rows(&sql).await[0];
        let (dir, name) = (row.string(0).unwrap(), row.string(1).unwrap());
        let bytes = std::fs::read(self.gateway.spool(&row.string(2).unwrap())).unwrap();
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        Slip { bank, orders: read(bank, &bytes), path, bytes }
    }

    /// The bank acknowledges a request.
    pub fn ack(&self, slip: &Slip, code: &str, words: &str) {
        let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
        let text = format!("{code:<8}|{}|{total}|{words}\n", slip.orders.len());
        self.put(slip.bank, &slip.path.replace(".dat", ".ack"), &gbk(&text));
    }
}

fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
