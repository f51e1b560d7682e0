//! What became of payments, for a payer that asks: answered out of the books at the next look, moving nothing.
//!
//! Known to the layout of fixed bytes. Question `<yyyyMMdd>/<MMdd><seq>.q<MMdd of asking>`: `Q|unit|file|count|fen`, then
//! `line|reference|fen` each. Answer `….r<MMdd>`: the head with `R`, each line with code and words, `T|count`. A payment without a code
//! is one of which the bank cannot say anything yet.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::bank::Bank;
use super::fixed_bytes::ACCEPTED;
use super::layout::{OutFile, lines};
use super::ledger::Books;
use super::{gbk, inbox};

/// Whether a name in a dated folder is a question of this layout.
pub(super) fn is_enquiry(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split_once(".q").is_some_and(|(stem, asked)| is_number(stem, 8) && is_number(asked, 4))
}

fn is_number(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether it is there to its last line.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let (lines, ended) = lines(bytes, b"\n");
    let count = lines.first().and_then(|head| head.split(|b| *b == b'|').nth(3)).and_then(|text| std::str::from_utf8(text).ok());
    ended && count.and_then(|count| count.parse::<usize>().ok()).is_some_and(|count| lines.len() == count + 1)
}

/// The answer, or nothing where the question cannot be read.
fn answer(books: &Books, bytes: &[u8], key: &str) -> Option<OutFile> {
    let (stem, asked) = key.split_once(".q")?;
    let request = format!("{stem}.dat");
    let text = gbk::decode(bytes)?;
    let (head, details) = text.split_once('\n')?;
    let mut said = format!("R{}\n", head.strip_prefix('Q')?);
    let mut count = 0_usize;
    for detail in details.lines() {
        let [seq, reference, amount] = detail.split('|').collect::<Vec<_>>().try_into().ok()?;
        let (code, words) = match books.decided(reference) {
            Some((file, true)) if file == request => (ACCEPTED, "入账成功"),
            Some((file, false)) if file == request => books.failure(reference).unwrap_or(("", "处理中")),
            Some(_) | None if books.file(&request).is_some_and(|figures| !figures.settled) => ("", "处理中"),
            Some(_) | None => ("", "查无此笔"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(said, "{seq}|{reference}|{amount}|{code}|{words}");
        count += 1;
    }
    let _ = writeln!(said, "T|{count}");
    Some(OutFile::new(format!("{stem}.r{asked}"), gbk::encode(&said)?))
}

impl Bank {
    /// Answers a question and puts it away.
    pub(super) fn answer_enquiry(&self, key: &str) -> io::Result<()> {
        let bytes = fs::read(inbox::processing(&self.root).join(key))?;
        let answer = answer(&self.books(), &bytes, key);
        match answer {
            Some(answer) => inbox::put_out(&self.root, &answer)?,
            None => tracing::warn!(bank = %self.spec.code, file = %key, "a question cannot be read and gets no answer"),
        }
        inbox::lay_aside(&self.root, key)
    }
}
