//! The other side, by code of its own: two in a hundred fail, the rest is credited, and later the account's statement has a
//! line for each debit and for each payment that came back.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use sm3::{Digest as _, Sm3};

use crate::city::PAYER;

/// In a result every so many lines one fails.
const FAILS: usize = 50;
/// On the statement every so many credited payments one came back.
const COMES_BACK: usize = 1000;
const HEADER: usize = 276;
const OPENING: i64 = 1_000_000_000_000_000;

/// One line of a request.
struct Order {
    reference: String,
    fen: i64,
    is_paid: bool,
}

/// The payment files that lie in the inbox, by their place under it.
pub fn requests(root: &Path) -> Vec<PathBuf> {
    let inbox = root.join("inbox");
    let mut found = Vec::new();
    for day in std::fs::read_dir(&inbox).unwrap() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "dat") {
                found.push(path.strip_prefix(&inbox).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn each_line(path: &Path, mut with: impl FnMut(usize, &mut Vec<u8>)) {
    let mut source = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let (mut line, mut at) = (Vec::with_capacity(1024), 0);
    while source.read_until(b'\n', &mut line).unwrap() > 0 {
        with(at, &mut line);
        line.clear();
        at += 1;
    }
}

/// What the bank makes of one line; nothing of header and trailer.
fn order(at: usize, line: &[u8]) -> Option<Order> {
    if line.len() <= HEADER + 1 {
        return None;
    }
    let text = |from: usize, to: usize| std::str::from_utf8(&line[from..to]).unwrap().trim();
    Some(Order { reference: text(8, 40).to_owned(), fen: text(40, 56).parse().unwrap(), is_paid: !at.is_multiple_of(FAILS) })
}

/// Answers every request in full, on a day (`20190315`).
pub fn answer(root: &Path, day: &str) {
    let requests = requests(root);
    assert!(!requests.is_empty(), "nothing in the inbox");
    requests.iter().for_each(|name| answer_one(root, name, day));
}

/// Answers a request in full.
pub fn answer_one(root: &Path, name: &Path, day: &str) {
    let (source, target) = (root.join("inbox").join(name), root.join("outbox").join(name));
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let (mut count, mut total) = (0_u64, 0_i64);
    each_line(&source, |at, line| {
        if let Some(o) = order(at, line).filter(|o| o.is_paid) {
            (count, total) = (count + 1, total + o.fen);
        }
    });
    let (mut bytes, mut lines, mut digest) = (0, 0, Sm3::new());
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&target).unwrap());
    each_line(&source, |at, line| {
        let mut put = |at: usize, text: &[u8]| line[at..at + text.len()].copy_from_slice(text);
        if at == 0 {
            put(71, format!("{count:08}{total:016}").as_bytes());
            put(116, day.as_bytes());
        } else if let Some(o) = order(at, line) {
            let mut put = |at: usize, text: &[u8]| line[at..at + text.len()].copy_from_slice(text);
            put(344, if o.is_paid { b"00000000" } else { b"CB1004  " });
        }
        (bytes, lines) = (bytes + line.len(), lines + 1);
        digest.update(&*line);
        out.write_all(line).unwrap();
    });
    out.flush().unwrap();
    let flag = target.with_extension("dat.ok");
    std::fs::write(flag, format!("{bytes}|{lines}|{}\n", hex::encode(digest.finalize()))).unwrap();
}

fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// States the account's days: that on which the list went out, and that on which it was paid.
pub fn state(root: &Path) {
    let files = requests(root);
    let (mut entries, mut count, mut sums) = (BufWriter::new(tempfile::tempfile().unwrap()), 0_usize, [(0_usize, 0_i64); 2]);
    let mut entry = |side: usize, fen: i64, reference: &str, words: &str| {
        let letter = ["D", "C"][side];
        writeln!(entries, "D|20190315|{letter}|{}|{reference}|BK{count:010}|90010001|某户|{words}", yuan(fen)).unwrap();
        count += 1;
        sums[side] = (sums[side].0 + 1, sums[side].1 + fen);
    };
    let mut paid = 0_usize;
    for name in files {
        each_line(&root.join("inbox").join(&name), |at, line| {
            let Some(o) = order(at, line).filter(|o| o.is_paid) else { return };
            paid += 1;
            entry(0, o.fen, &o.reference, "代发");
            if paid.is_multiple_of(COMES_BACK) {
                entry(1, o.fen, &o.reference, "退票:账户已销户");
            }
        });
    }
    let folder = root.join("outbox/statement");
    std::fs::create_dir_all(&folder).unwrap();
    let opening = yuan(OPENING);
    let still = format!("H|{PAYER}|20190314|20190314|{opening}|{opening}|0\nT|0|0.00|0|0.00\n");
    std::fs::write(folder.join(format!("STMT_{PAYER}_20190314.txt")), still).unwrap();
    let mut out = BufWriter::new(File::create(folder.join(format!("STMT_{PAYER}_20190315.txt"))).unwrap());
    writeln!(out, "H|{PAYER}|20190315|20190315|{opening}|{}|{count}", yuan(OPENING + sums[1].1 - sums[0].1)).unwrap();
    let mut source = entries.into_inner().unwrap();
    std::io::Seek::rewind(&mut source).unwrap();
    std::io::copy(&mut source, &mut out).unwrap();
    let [debits, credits] = sums.map(|(n, fen)| format!("{n}|{}", yuan(fen)));
    writeln!(out, "T|{debits}|{credits}").unwrap();
    out.flush().unwrap();
}
