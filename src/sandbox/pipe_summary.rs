//! A counter-import layout: a summary line, then details, answered line by line in one file.
//!
//! GBK, CRLF, `|` after every column. The name has no extension and repeats every day, so the dated folder is part of it;
//! there is no ready sign, so a file is taken once it stopped changing. Every detail counts the payments to its account today.

use crate::domain::money::Fen;

use super::gbk;
use super::layout::{Expected, FileFault, OutFile, Outcome, Refusal, Request, Row, is_date, lines, yuan};

/// Whether a name in a dated folder is a payment file of this layout: letters and digits, nothing more.
pub(super) fn is_request(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Reads and checks a request.
pub(super) fn read(bytes: &[u8], expected: &Expected<'_>) -> Result<Request, Refusal> {
    let (lines, ended) = lines(bytes, b"\r\n");
    if !ended {
        return Err(Refusal::line(lines.len(), "没有回车换行"));
    }
    let mut lines = lines.into_iter().enumerate();
    let (_, first) = lines.next().ok_or_else(|| Refusal::new(FileFault::Format, "空文件"))?;
    let (count, total) = summary(first, expected)?;
    let mut rows = Vec::new();
    for (at, line) in lines {
        let columns = columns(line).ok_or_else(|| Refusal::line(at + 1, "明细格式不符"))?;
        rows.push(row(&columns, at, expected)?);
    }
    if rows.len() != count || rows.iter().map(|row| row.amount).sum::<Fen>() != total {
        return Err(Refusal::new(FileFault::Totals, ""));
    }
    Ok(Request { payer: None, rows })
}

fn summary(line: &[u8], expected: &Expected<'_>) -> Result<(usize, Fen), Refusal> {
    let columns = columns(line).ok_or_else(|| Refusal::line(1, "汇总格式不符"))?;
    let [a, b, date, unit, c, d, count, total] = columns.as_slice() else { return Err(Refusal::line(1, "汇总格式不符")) };
    if [a, b, c, d].into_iter().any(|placeholder| placeholder != "0") {
        return Err(Refusal::line(1, "占位符不符"));
    }
    let folder = expected.key.split_once('/').map_or("", |(folder, _)| folder);
    if !is_date(date) || date != expected.today || date != folder {
        return Err(Refusal::new(FileFault::Date, ""));
    }
    if unit != expected.unit_no {
        return Err(Refusal::new(FileFault::Unit, ""));
    }
    match (count.parse(), yuan(total)) {
        (Ok(count), Some(total)) => Ok((count, total)),
        (Ok(_) | Err(_), Some(_) | None) => Err(Refusal::line(1, "总笔数或总金额格式不符")),
    }
}

fn row(columns: &[String], number: usize, expected: &Expected<'_>) -> Result<Row, Refusal> {
    let fault = |words| Refusal::line(number + 1, words);
    let [seq, name, amount, account, unit, id_type, id_number, ordinal] = columns else { return Err(fault("明细格式不符")) };
    if unit != expected.unit_no {
        return Err(Refusal::new(FileFault::Unit, format!("第{}行", number + 1)));
    }
    if *seq != number.to_string() {
        return Err(fault("序号不符"));
    }
    let typed = match id_type.as_str() {
        "1" => !id_number.is_empty(),
        "" => id_number.is_empty(),
        _ => false,
    };
    if !typed || name.is_empty() || account.is_empty() {
        return Err(fault("明细内容不符"));
    }
    let counted = if ordinal.len() == 2 { ordinal.parse().ok() } else { None };
    Ok(Row {
        account: account.clone(),
        name: name.clone(),
        id_number: id_number.clone(),
        amount: yuan(amount).ok_or_else(|| fault("金额不符"))?,
        reference: format!("{}#{seq}", expected.key),
        ordinal: Some(counted.ok_or_else(|| fault("当日序号不符"))?),
    })
}

/// The answer: every line with its status. A refused request has all its lines failed.
pub(super) fn answer(bytes: &[u8], key: &str, outcome: impl Fn(usize) -> Outcome) -> Vec<OutFile> {
    let (mut count, mut total, mut paid_count, mut paid_total) = (0_usize, Fen::ZERO, 0_usize, Fen::ZERO);
    let mut details = Vec::new();
    for (at, line) in lines(bytes, b"\r\n").0.into_iter().skip(1).enumerate() {
        let Some(columns) = columns(line) else { continue };
        let column = |at: usize| columns.get(at).map_or("", String::as_str);
        let amount = Fen::parse_yuan(column(2)).unwrap_or_default();
        count += 1;
        total = [total, amount].into_iter().sum();
        let status = match outcome(at) {
            Outcome::Paid => {
                paid_count += 1;
                paid_total = [paid_total, amount].into_iter().sum();
                "0|||".to_owned()
            }
            Outcome::Failed(failure) => {
                let code = if failure.terse { "" } else { failure.why.code() };
                format!("1|{code}|{}|", failure.why.words(failure.terse).replace(['|', '\r', '\n'], " "))
            }
        };
        let line = format!("{}|{}|{}|{}|{status}\r\n", column(0), column(1), column(2), column(3));
        details.extend_from_slice(&gbk::encode(&line).unwrap_or_default());
    }
    let mut bytes = format!("{count}|{total}|{paid_count}|{paid_total}|\r\n").into_bytes();
    bytes.append(&mut details);
    vec![OutFile::new(format!("{key}R"), bytes)]
}

/// Decoded before it is split, with the delimiter that ends a line taken off.
fn columns(line: &[u8]) -> Option<Vec<String>> {
    let text = gbk::decode(line)?;
    Some(text.strip_suffix('|')?.split('|').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "0|0|20260310|512010|0|0|2|30.00|\r\n1|张三|10.00|62170001|512010|1|5111|01|\r\n2|李四|20.00|62170002|512010|||12|\r\n";

    fn read_text(text: &str, today: &str) -> Result<Request, FileFault> {
        let expected = Expected { key: "20260310/0512037", today, unit_no: "512010" };
        read(&gbk::encode(text).unwrap(), &expected).map_err(|refusal| refusal.fault)
    }

    #[test]
    fn every_departure_from_the_layout_is_refused() {
        let rows = read_text(GOOD, "20260310").unwrap().rows;
        assert_eq!(
            rows.iter().map(|row| (row.reference.as_str(), row.ordinal)).collect::<Vec<_>>(),
            [("20260310/0512037#1", Some(1)), ("20260310/0512037#2", Some(12))]
        );
        assert_eq!(read_text(GOOD, "20260311").err(), Some(FileFault::Date));
        for (from, to, fault) in [
            ("|30.00|", "|30.01|", FileFault::Totals),
            ("|2|30.00|", "|3|30.00|", FileFault::Totals),
            ("20260310|512010", "20260311|512010", FileFault::Date),
            ("20260310|512010", "20260310|512011", FileFault::Unit),
            ("62170002|512010", "62170002|512011", FileFault::Unit),
            ("20.00", "20.0", FileFault::Format),
            ("20.00", "20", FileFault::Format),
            ("20.00", "+20.00", FileFault::Format),
            ("\r\n2|", "\r\n3|", FileFault::Format),
            ("|12|\r\n", "|12\r\n", FileFault::Format),
            ("|12|\r\n", "|12|\n", FileFault::Format),
            ("|12|\r\n", "|12|", FileFault::Format),
            ("|12|", "|2|", FileFault::Format),
            ("|1|5111|", "||5111|", FileFault::Format),
            ("|||12", "|1||12", FileFault::Format),
            ("李四", "李四|", FileFault::Format),
            ("李四", "", FileFault::Format),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD);
            assert_eq!(read_text(&text, "20260310").err(), Some(fault), "{from:?} as {to:?}");
        }
    }
}
