//! A layout without header and account column, answered by two files: who was paid and who was not.
//!
//! Request `YHDF__<yyyymmdd><seq>.TXT`, GBK, LF, `|` without a trailing one: insurance number, name, identity number, yuan,
//! reference. The insurance number *is* the identity number. Answers `YHDFFK<yyyymmdd><seq>_S.TXT` and `_F.TXT`; what comes
//! back later stands in `YHDFTP<yyyymmdd><seq>_T.TXT`, with the words behind the name.

use super::gbk;
use super::layout::{Expected, FileFault, OutFile, Outcome, Refusal, Request, Row, is_date, lines, yuan};
use super::rules::Why;

/// The bytes a name is filled up to in an answer.
const NAME_WIDTH: usize = 20;

/// Whether a name in the inbox is a payment file of this layout.
pub(super) fn is_request(name: &str) -> bool {
    name.starts_with("YHDF__") && name.ends_with(".TXT")
}

/// Reads and checks a request.
pub(super) fn read(bytes: &[u8], expected: &Expected<'_>) -> Result<Request, Refusal> {
    let date = middle(expected.key).and_then(|middle| middle.get(..8)).unwrap_or_default();
    if !is_date(date) || date > expected.today || middle(expected.key).is_none_or(|m| m.len() != 12 || !is_number(m)) {
        return Err(Refusal::new(FileFault::Date, "文件名"));
    }
    let (lines, ended) = lines(bytes, b"\n");
    if !ended {
        return Err(Refusal::line(lines.len(), "没有换行"));
    }
    let mut rows = Vec::with_capacity(lines.len());
    for (at, line) in lines.into_iter().enumerate() {
        let row = columns(line).and_then(|columns| row(&columns)).ok_or_else(|| Refusal::line(at + 1, "明细格式不符"))?;
        rows.push(row);
    }
    Ok(Request { payer: None, rows })
}

fn row(columns: &[String]) -> Option<Row> {
    let [insurance, name, id_number, amount, reference] = columns else { return None };
    if insurance != id_number || name.is_empty() || reference.is_empty() || reference.len() > 32 {
        return None;
    }
    Some(Row {
        account: String::new(),
        name: name.clone(),
        id_number: id_number.clone(),
        amount: yuan(amount)?,
        reference: reference.clone(),
        ordinal: None,
    })
}

/// The two answers. A refused request has all its lines in the second.
pub(super) fn answer(bytes: &[u8], key: &str, outcome: impl Fn(usize) -> Outcome) -> Vec<OutFile> {
    let (mut paid, mut failed) = (Vec::new(), Vec::new());
    for (at, line) in lines(bytes, b"\n").0.into_iter().enumerate() {
        match outcome(at) {
            Outcome::Paid => echo(&mut paid, line, None),
            Outcome::Failed(failure) => {
                let words = if failure.terse { None } else { Some(short(&failure.why)) };
                echo(&mut failed, line, words.as_deref());
            }
        }
    }
    let middle = middle(key).unwrap_or(key);
    vec![OutFile::new(format!("YHDFFK{middle}_S.TXT"), paid), OutFile::new(format!("YHDFFK{middle}_F.TXT"), failed)]
}

/// What is sent back later: the request's rows for which there are words.
pub(super) fn returned(bytes: &[u8], key: &str, words: impl Fn(&str) -> Option<String>) -> OutFile {
    let mut returned = Vec::new();
    for line in lines(bytes, b"\n").0 {
        let said = columns(line).and_then(|columns| columns.get(4).and_then(|reference| words(reference)));
        if let Some(said) = said {
            echo(&mut returned, line, Some(&said));
        }
    }
    OutFile::new(format!("YHDFTP{}_T.TXT", middle(key).unwrap_or(key)), returned)
}

/// This layout has no column for words, so they must not contain its delimiter, nor leak the true holder's name.
fn short(why: &Why) -> String {
    why.words(true).replace(['|', ';', '\n'], " ")
}

fn echo(into: &mut Vec<u8>, line: &[u8], words: Option<&str>) {
    let columns = columns(line);
    match columns.as_deref() {
        Some([insurance, name, id_number, amount, reference]) => {
            let said = words.map_or_else(|| name.clone(), |words| format!("{name};{words}"));
            let name = gbk::padded(&said, NAME_WIDTH).or_else(|| gbk::padded(name, NAME_WIDTH)).unwrap_or_default();
            into.extend_from_slice(insurance.as_bytes());
            into.push(b'|');
            into.extend_from_slice(&name);
            for column in [id_number, amount, reference] {
                into.push(b'|');
                into.extend_from_slice(&gbk::encode(column).unwrap_or_default());
            }
        }
        // What cannot be read goes back as it came.
        Some(_) | None => into.extend_from_slice(line),
    }
    into.push(b'\n');
}

/// Decoded before it is split: a second byte of GBK may look like the delimiter.
fn columns(line: &[u8]) -> Option<Vec<String>> {
    gbk::decode(line).map(|text| text.split('|').map(str::to_owned).collect())
}

/// Date and sequence out of a request's name.
fn middle(name: &str) -> Option<&str> {
    name.strip_prefix("YHDF__")?.strip_suffix(".TXT")
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "YHDF__202603100001.TXT";

    fn read_bytes(name: &str, bytes: &[u8]) -> Result<usize, FileFault> {
        let expected = Expected { key: name, today: "20260310", unit_no: "" };
        read(bytes, &expected).map(|request| request.rows.len()).map_err(|refusal| refusal.fault)
    }

    #[test]
    fn every_departure_from_the_layout_is_refused() {
        let good = "5111|李珅|5111|10.00|R1\n|张三||0.05|R2\n";
        assert_eq!(read_bytes(NAME, &gbk::encode(good).unwrap()), Ok(2));
        assert_eq!(read_bytes(NAME, b""), Ok(0));
        for name in ["YHDF__20260310001.TXT", "YHDF__202603110001.TXT", "YHDF__202602300001.TXT", "YHDF__20260310000x.TXT"] {
            assert_eq!(read_bytes(name, b""), Err(FileFault::Date), "{name}");
        }
        for (from, to) in [
            ("5111|李珅", "5112|李珅"),
            ("10.00", "10"),
            ("10.00", "0.00"),
            ("|R1", "|"),
            ("|R2\n", "|R2"),
            ("|R1\n", "|R1|\n"),
            ("张三", ""),
        ] {
            let text = good.replacen(from, to, 1);
            assert_eq!(read_bytes(NAME, &gbk::encode(&text).unwrap()), Err(FileFault::Format), "{from:?} as {to:?}");
        }
        assert_eq!(read_bytes(NAME, b"|\xFF||10.00|R1\n"), Err(FileFault::Format), "not GBK");
    }
}
