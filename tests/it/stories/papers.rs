//! The banks' papers: what is read of a request of ours, and what is written back. No code of ours helps it. The stories' banks
//! and the simulator's write by it.

use encoding_rs::GBK;
use sm3::{Digest as _, Sm3};

/// Answers with a summary and every line, under a name of the day.
pub const COUNTER: &str = "B1";
/// Acknowledges, then answers in our own records, with a flag.
pub const CLEARING: &str = "B2";
/// Answers in two files.
pub const SPLIT: &str = "B4";

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

pub fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

pub fn read(bank: &str, bytes: &[u8]) -> Vec<Order> {
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
