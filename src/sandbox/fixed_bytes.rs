//! A clearing-centre layout: fixed lengths in bytes, GBK, LF, amounts in fen, totals at both ends, a flag file beside the data.
//!
//! Data `<yyyyMMdd>/<MMdd><seq>.dat`, flag `.dat.ok` with `<bytes>|<lines>|<sm3>`; an acknowledgement `.ack` at once, later the
//! same data with return codes and its own flag.

use sm3::{Digest, Sm3};

use crate::domain::money::Fen;

use super::gbk;
use super::layout::{Expected, FileFault, OutFile, Outcome, Refusal, Request, Row, is_date, lines};

const HEADER: usize = 276;
const DETAIL: usize = 572;
const TRAILER: usize = 276;
/// What an accepted file is acknowledged with, and a paid row returned with.
pub(super) const ACCEPTED: &str = "00000000";

/// A field: where it begins and how many bytes it has.
type Field = (usize, usize);

const BUSINESS: Field = (0, 3);
const UNIT: Field = (3, 14);
const FEE: Field = (31, 5);
const FILE_NAME: Field = (36, 8);
const CURRENCY: Field = (44, 3);
const COUNT: Field = (47, 8);
const TOTAL: Field = (55, 16);
const PAID_COUNT: Field = (71, 8);
const PAID_TOTAL: Field = (79, 16);
const BUSINESS_CODE: Field = (95, 5);
const ORDERED_ON: Field = (100, 8);
const DUE_ON: Field = (108, 8);
const RETURNED_ON: Field = (116, 8);
const PAYER: Field = (124, 32);

const SEQ: Field = (0, 8);
const REFERENCE: Field = (8, 32);
const AMOUNT: Field = (40, 16);
const BANK_KIND: Field = (56, 2);
const BANK_NO: Field = (58, 14);
const ACCOUNT: Field = (72, 32);
const NAME: Field = (104, 120);
const REMARK: Field = (224, 120);
const CODE: Field = (344, 8);
const WORDS: Field = (352, 100);
const RETURNED: Field = (344, 228);

/// Whether a name in a dated folder is a data file of this layout.
pub(super) fn is_request(name: &str) -> bool {
    name.strip_suffix(".dat").is_some_and(|stem| stem.len() == 8 && stem.bytes().all(|b| b.is_ascii_digit()))
}

/// The flag's line for these bytes.
pub(super) fn flag(bytes: &[u8]) -> String {
    let count = memchr::memchr_iter(b'\n', bytes).count();
    format!("{}|{count}|{}\n", bytes.len(), hex::encode(Sm3::digest(bytes)))
}

/// Holds a data file against its flag.
pub(super) fn check_flag(bytes: &[u8], said: &[u8]) -> Result<(), Refusal> {
    if said == flag(bytes).as_bytes() { Ok(()) } else { Err(Refusal::new(FileFault::Digest, "")) }
}

/// Reads and checks a request.
pub(super) fn read(bytes: &[u8], expected: &Expected<'_>) -> Result<Request, Refusal> {
    let (lines, ended) = lines(bytes, b"\n");
    let [header, details @ .., trailer] = lines.as_slice() else { return Err(Refusal::new(FileFault::Format, "缺少首尾记录")) };
    if !ended {
        return Err(Refusal::line(lines.len(), "没有换行"));
    }
    if header.len() != HEADER || trailer.len() != TRAILER {
        return Err(Refusal::line(if header.len() == HEADER { lines.len() } else { 1 }, "长度不符"));
    }
    let (count, total) = check_header(header, expected)?;
    let mut rows = Vec::with_capacity(details.len());
    for (at, detail) in details.iter().enumerate() {
        rows.push(row(detail, at + 1).ok_or_else(|| Refusal::line(at + 2, "明细格式不符"))?);
    }
    let sum: Fen = rows.iter().map(|row| row.amount).sum();
    let trailer_agrees = trailer.first() == Some(&b'T')
        && number(trailer, (1, 8)) == Some(count)
        && number(trailer, (9, 16)) == Some(total)
        && blank(trailer, (25, 251));
    if i64::try_from(rows.len()) != Ok(count) || sum.get() != total || !trailer_agrees {
        return Err(Refusal::new(FileFault::Totals, ""));
    }
    Ok(Request { payer: text(header, PAYER), rows })
}

fn check_header(header: &[u8], expected: &Expected<'_>) -> Result<(i64, i64), Refusal> {
    let (folder, name) = expected.key.split_once('/').unwrap_or_default();
    let stem = name.strip_suffix(".dat").unwrap_or(name);
    if text(header, UNIT).as_deref() != Some(expected.unit_no) {
        return Err(Refusal::new(FileFault::Unit, ""));
    }
    for (field, value, called) in [
        (BUSINESS, "DFK", "业务类型"),
        (FEE, "BT001", "费项"),
        (FILE_NAME, stem, "文件名"),
        (CURRENCY, "CNY", "币种"),
        (BUSINESS_CODE, "00001", "业务编码"),
    ] {
        if text(header, field).as_deref() != Some(value) {
            return Err(Refusal::line(1, called));
        }
    }
    if ![PAID_COUNT, PAID_TOTAL, RETURNED_ON].into_iter().all(|field| blank(header, field)) {
        return Err(Refusal::line(1, "回执字段应为空格"));
    }
    let (ordered, due) = (text(header, ORDERED_ON).unwrap_or_default(), text(header, DUE_ON).unwrap_or_default());
    let named_for = folder.get(4..) == stem.get(..4);
    if !is_date(&ordered) || ordered != due || ordered != folder || ordered.as_str() > expected.today || !named_for {
        return Err(Refusal::new(FileFault::Date, ""));
    }
    number(header, COUNT).zip(number(header, TOTAL)).ok_or_else(|| Refusal::line(1, "总笔数或总金额格式不符"))
}

fn row(detail: &[u8], seq: usize) -> Option<Row> {
    let counted = i64::try_from(seq).ok()?;
    let sound = detail.len() == DETAIL
        && number(detail, SEQ) == Some(counted)
        && cut(detail, BANK_KIND) == Some(b"01")
        && text(detail, BANK_NO).is_some()
        && text(detail, REMARK).is_some()
        && blank(detail, RETURNED);
    let row = Row {
        account: text(detail, ACCOUNT)?,
        name: text(detail, NAME)?,
        id_number: String::new(),
        amount: Fen::new(number(detail, AMOUNT)?),
        reference: text(detail, REFERENCE)?,
        ordinal: None,
    };
    let filled = !row.account.is_empty() && !row.name.is_empty() && !row.reference.is_empty() && row.amount.is_positive();
    (sound && filled).then_some(row)
}

/// The acknowledgement of a file as a whole, with the totals that its header declares, as far as they can be read.
pub(super) fn acknowledge(bytes: &[u8], key: &str, refusal: Option<&Refusal>) -> OutFile {
    let (count, amount) = (number(bytes, COUNT).unwrap_or(0), number(bytes, TOTAL).unwrap_or(0));
    let (code, text) = refusal.map_or_else(|| (ACCEPTED, "接收成功".to_owned()), |refusal| (refusal.fault.code(), refusal.text()));
    let line = format!("{code}|{count}|{amount}|{}\n", text.replace(['|', '\n'], " "));
    OutFile::new(with_extension(key, ".ack"), gbk::encode(&line).unwrap_or_default())
}

/// The data with return codes, then its flag: a reader that sees the flag finds the data whole.
pub(super) fn answer(bytes: &[u8], key: &str, today: &str, outcome: impl Fn(usize) -> Outcome) -> Vec<OutFile> {
    let (lines, _) = lines(bytes, b"\n");
    let details = lines.len().saturating_sub(2);
    let (mut paid_count, mut paid_total) = (0_u64, Fen::ZERO);
    let mut body = Vec::with_capacity(bytes.len());
    for (at, line) in lines.iter().skip(1).take(details).enumerate() {
        let mut detail = line.to_vec();
        let (code, words) = match outcome(at) {
            Outcome::Paid => {
                paid_count += 1;
                paid_total = [paid_total, number(line, AMOUNT).map_or(Fen::ZERO, Fen::new)].into_iter().sum();
                (ACCEPTED, String::new())
            }
            Outcome::Failed(failure) => (failure.why.code(), failure.why.words(failure.terse)),
        };
        put(&mut detail, CODE, code);
        put(&mut detail, WORDS, &words);
        body.extend_from_slice(&detail);
        body.push(b'\n');
    }
    let mut header = lines.first().map(|line| line.to_vec()).unwrap_or_default();
    put(&mut header, PAID_COUNT, &format!("{paid_count:08}"));
    put(&mut header, PAID_TOTAL, &format!("{:016}", paid_total.get()));
    put(&mut header, RETURNED_ON, today);
    let mut data = header;
    data.push(b'\n');
    data.append(&mut body);
    data.extend_from_slice(lines.last().copied().unwrap_or_default());
    data.push(b'\n');
    let flag = OutFile::new(format!("{key}.ok"), flag(&data).into_bytes());
    vec![OutFile::new(key, data), flag]
}

fn with_extension(key: &str, extension: &str) -> String {
    key.strip_suffix(".dat").map_or_else(|| format!("{key}{extension}"), |stem| format!("{stem}{extension}"))
}

fn cut(record: &[u8], (from, length): Field) -> Option<&[u8]> {
    record.get(from..from + length)
}

fn blank(record: &[u8], field: Field) -> bool {
    cut(record, field).is_some_and(|bytes| bytes.iter().all(|b| *b == b' '))
}

/// Text with its padding taken off. A field that cuts a character in two is no text.
fn text(record: &[u8], field: Field) -> Option<String> {
    gbk::decode(cut(record, field)?.trim_ascii_end())
}

fn number(record: &[u8], field: Field) -> Option<i64> {
    let digits = std::str::from_utf8(cut(record, field)?).ok()?;
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Writes a text into its field, filled up with spaces. Words too long for it lose their end, at a character.
fn put(record: &mut [u8], (from, length): Field, value: &str) {
    let mut fitting = String::new();
    for c in value.chars() {
        fitting.push(c);
        if gbk::encode(&fitting).is_none_or(|bytes| bytes.len() > length) {
            fitting.pop();
            break;
        }
    }
    if let (Some(place), Some(bytes)) = (record.get_mut(from..from + length), gbk::padded(&fitting, length)) {
        place.copy_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(seq: usize, name: &str) -> Vec<u8> {
        let mut line = vec![b' '; DETAIL];
        let number = format!("{seq:08}");
        for (field, text) in
            [(SEQ, number.as_str()), (REFERENCE, "R1"), (AMOUNT, "0000000000000030"), (BANK_KIND, "01"), (ACCOUNT, "6217"), (NAME, name)]
        {
            put(&mut line, field, text);
        }
        line
    }

    #[test]
    fn a_row_is_read_by_its_bytes_and_refused_where_they_are_wrong() {
        let good = detail(1, "李珅");
        let row = row(&good, 1).unwrap();
        assert_eq!((row.name.as_str(), row.account.as_str(), row.reference.as_str(), row.amount), ("李珅", "6217", "R1", Fen::new(30)));
        let departures: [(usize, &[u8]); 7] =
            [(0, b"00000002"), (40, b" "), (40, b"000000000000003x"), (40, b"0000000000000000"), (56, b"02"), (223, &[0xC0]), (344, b"0")];
        for (at, bytes) in departures {
            let mut line = good.clone();
            line.splice(at..at + bytes.len(), bytes.iter().copied());
            assert!(super::row(&line, 1).is_none(), "{bytes:?} at {at}");
        }
        assert!(super::row(&good[..DETAIL - 1], 1).is_none());
    }

    #[test]
    fn the_flag_counts_bytes_and_lines_and_carries_the_digest() {
        // The digest of "abc" is the standard's first example (GB/T 32905-2016, A.1).
        assert_eq!(flag(b"abc"), "3|0|66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0\n");
        assert!(flag(b"a\nb\n").starts_with("4|2|"));
        assert!(check_flag(b"abc", b"3|0|\n").is_err());
    }

    #[test]
    fn words_too_long_for_their_field_end_at_a_character() {
        let mut record = vec![b'.'; 7];
        put(&mut record, (0, 6), "一二三四");
        assert_eq!(gbk::decode(&record).unwrap(), "一二三.");
        put(&mut record, (0, 5), "一二三四");
        assert_eq!(gbk::decode(&record[..5]).unwrap(), "一二 ");
    }
}
