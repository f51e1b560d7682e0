//! The other side, by hand: what a bank reads of our files and what it writes back. No code of ours helps it.

use std::path::Path;

use encoding_rs::GBK;
use sm3::{Digest as _, Sm3};

use super::world::{CLEARING, COUNTER, SPLIT, World};

/// A line of a request, as the bank reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub seq: usize,
    pub reference: String,
    pub name: String,
    pub id: String,
    pub account: String,
    pub fen: i64,
}

/// A request that the bank has taken out of its inbox.
#[derive(Clone, Debug)]
pub struct Slip {
    pub bank: &'static str,
    /// The path under the inbox.
    pub path: String,
    pub bytes: Vec<u8>,
    pub orders: Vec<Order>,
}

/// What the bank says of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Paid,
    /// Not credited, in these words.
    Failed(&'static str),
    /// It does not know yet.
    Processing,
}

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

pub fn gbk(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2 + 16);
    let (ended, _) = GBK.new_encoder().encode_from_utf8_to_vec_without_replacement(text, &mut out, true);
    assert_eq!(ended, encoding_rs::EncoderResult::InputEmpty);
    out
}

pub fn ungbk(bytes: &[u8]) -> String {
    GBK.decode_without_bom_handling_and_without_replacement(bytes).unwrap().into_owned()
}

fn fen(yuan: &str) -> i64 {
    let (whole, cents) = yuan.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 100 + cents.parse::<i64>().unwrap()
}

fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

fn read(bank: &str, bytes: &[u8]) -> Vec<Order> {
    match bank {
        COUNTER => {
            let text = ungbk(bytes);
            let lines = text.strip_suffix("\r\n").unwrap().split("\r\n").skip(1);
            lines
                .map(|line| {
                    let f: Vec<&str> = line.split('|').collect();
                    let (seq, id) = (f[0].parse().unwrap(), f[6].to_owned());
                    Order { seq, reference: String::new(), name: f[1].to_owned(), id, account: f[3].to_owned(), fen: fen(f[2]) }
                })
                .collect()
        }
        CLEARING => {
            let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
            let details = &lines[1..lines.len() - 2];
            details
                .iter()
                .map(|line| Order {
                    seq: ungbk(&line[0..8]).parse().unwrap(),
                    reference: ungbk(&line[8..40]).trim().to_owned(),
                    name: ungbk(&line[104..224]).trim().to_owned(),
                    id: String::new(),
                    account: ungbk(&line[72..104]).trim().to_owned(),
                    fen: ungbk(&line[40..56]).parse().unwrap(),
                })
                .collect()
        }
        SPLIT => {
            let text = ungbk(bytes);
            let lines = text.strip_suffix('\n').unwrap().split('\n').enumerate();
            lines
                .map(|(i, line)| {
                    let f: Vec<&str> = line.split('|').collect();
                    let (name, id, reference) = (f[1].to_owned(), f[2].to_owned(), f[4].to_owned());
                    Order { seq: i + 1, reference, name, id, account: String::new(), fen: fen(f[3]) }
                })
                .collect()
        }
        other => panic!("no bank {other}"),
    }
}

/// The files of a whole answer: path under the outbox, bytes.
pub fn result(slip: &Slip, words: &[Word]) -> Vec<(String, Vec<u8>)> {
    assert_eq!(slip.orders.len(), words.len());
    match slip.bank {
        COUNTER => vec![(format!("{}R", slip.path), counter(slip, words))],
        CLEARING => {
            let bytes = clearing(slip, words);
            let flag = flag(&bytes);
            vec![(slip.path.clone(), bytes), (format!("{}.ok", slip.path), flag)]
        }
        SPLIT => {
            let stem = slip.path.strip_prefix("YHDF__").unwrap().strip_suffix(".TXT").unwrap();
            let (paid, failed) = split(slip, words);
            vec![(format!("YHDFFK{stem}_S.TXT"), paid), (format!("YHDFFK{stem}_F.TXT"), failed)]
        }
        other => panic!("no bank {other}"),
    }
}

pub fn flag(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.iter().filter(|b| **b == b'\n').count();
    format!("{}|{lines}|{}\n", bytes.len(), hex::encode(Sm3::digest(bytes))).into_bytes()
}

fn counter(slip: &Slip, words: &[Word]) -> Vec<u8> {
    let said = || slip.orders.iter().zip(words);
    let paid: Vec<i64> = said().filter(|(_, w)| **w == Word::Paid).map(|(o, _)| o.fen).collect();
    let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
    let mut text = format!("{}|{}|{}|{}|\r\n", words.len(), yuan(total), paid.len(), yuan(paid.iter().sum()));
    for (o, word) in said() {
        let (status, code, words) = match word {
            Word::Paid => ("0", "", "交易成功"),
            Word::Failed(why) => ("1", "", *why),
            Word::Processing => ("1", "2000", "处理中"),
        };
        text.push_str(&format!("{}|{}|{}|{}|{status}|{code}|{words}|\r\n", o.seq, o.name, yuan(o.fen), o.account));
    }
    gbk(&text)
}

fn clearing(slip: &Slip, words: &[Word]) -> Vec<u8> {
    let mut bytes = slip.bytes.clone();
    let said = || slip.orders.iter().zip(words);
    let paid: Vec<i64> = said().filter(|(_, w)| **w == Word::Paid).map(|(o, _)| o.fen).collect();
    let mut write = |at: usize, text: &str| {
        let text = gbk(text);
        bytes[at..at + text.len()].copy_from_slice(&text);
    };
    write(71, &format!("{:08}{:016}", paid.len(), paid.iter().sum::<i64>()));
    write(116, "20190315");
    for (i, (_, word)) in said().enumerate() {
        let at = 277 + i * 573;
        match word {
            Word::Paid => write(at + 344, "00000000"),
            Word::Failed(why) => {
                write(at + 344, "TPM999");
                write(at + 352, why);
            }
            Word::Processing => write(at + 344, "PR000000"),
        }
    }
    bytes
}

fn split(slip: &Slip, words: &[Word]) -> (Vec<u8>, Vec<u8>) {
    let (mut paid, mut failed) = (Vec::new(), Vec::new());
    for (o, word) in slip.orders.iter().zip(words) {
        let (file, why) = match word {
            Word::Paid => (&mut paid, ""),
            Word::Failed(why) => (&mut failed, *why),
            Word::Processing => (&mut failed, "处理中"),
        };
        let mut name = gbk(&o.name);
        name.resize(name.len().max(20), b' ');
        if !why.is_empty() {
            name.extend(gbk(&format!(";{why}")));
        }
        file.extend(gbk(&format!("{}|", o.id)));
        file.extend(name);
        file.extend(gbk(&format!("|{}|{}|{}\n", o.id, yuan(o.fen), o.reference)));
    }
    (paid, failed)
}
