//! A bank's workbook (.xlsx): every cell is written as text, so that no spreadsheet makes a number of a card or cuts the
//! zeros before it, and what was written is read again before it is given out. Read whole, so the size is limited.

use std::fmt::Display;
use std::io::{self, Cursor, Read};

use calamine::{DataRef, Reader as _, SheetType, Xlsx};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook};

use super::columns::CELL_END;

/// Rows of payments in one workbook.
pub const ROWS_MAX: u64 = 200_000;
/// Bytes of one workbook.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A sheet's columns.
const COLUMNS_MAX: usize = 256;

/// Makes a workbook of rows (a line each) and cells (between [`CELL_END`]s), and reads it again.
///
/// # Errors
/// When a cell does not come back as it was.
pub fn write(rows: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(rows).map_err(|e| e.to_string())?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(CELL_END).collect()).collect();
    let mut workbook = Workbook::new();
    // A workbook is a function of its rows: the same rows make the same bytes on any day.
    let made = ExcelDateTime::from_ymd(2019, 1, 1).map_err(|e| e.to_string())?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = workbook.add_worksheet();
    let as_text = Format::new().set_num_format("@");
    for (r, row) in (0_u32..).zip(&rows) {
        for (c, cell) in (0_u16..).zip(row) {
            sheet.write_string_with_format(r, c, *cell, &as_text).map_err(|e| e.to_string())?;
        }
    }
    let bytes = workbook.save_to_buffer().map_err(|e| e.to_string())?;
    let mut again = Vec::new();
    read(&mut bytes.as_slice(), &mut |_, row: Result<Vec<String>, String>| again.push(row)).map_err(|e| e.to_string())?;
    let is_same =
        again.len() == rows.len() && again.iter().zip(&rows).all(|(a, b)| a.as_ref().is_ok_and(|a| without_empty(a).eq(without_empty(b))));
    if is_same { Ok(bytes) } else { Err("the workbook does not read back as it was written".to_owned()) }
}

fn without_empty<T: AsRef<str>>(row: &[T]) -> impl Iterator<Item = &str> {
    let kept = row.iter().rposition(|c| !c.as_ref().is_empty()).map_or(0, |at| at + 1);
    row.iter().take(kept).map(AsRef::as_ref)
}

/// Reads the one sheet with content: the number of each row, from 1, and its cells, or what is wrong with one.
///
/// # Errors
/// When it is no workbook, is too large, or has several sheets with content.
pub fn read(source: &mut dyn Read, row: &mut dyn FnMut(u64, Result<Vec<String>, String>)) -> io::Result<()> {
    let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).map_or(true, |n| n > BYTES_MAX) {
        return Err(broken(format!("the workbook has more than {BYTES_MAX} bytes; workbooks are read whole, larger files come as text")));
    }
    guarded(|| rows(bytes, row)).unwrap_or_else(|| Err(broken(DAMAGED.to_owned())))
}

/// What is said of a workbook that its reader choked on.
pub const DAMAGED: &str = "the workbook is damaged: it cannot be read";

/// Reads a workbook. What its reader did not expect ends it with a panic: that is the file's fault, and `None`.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).ok()
}

fn rows(bytes: Vec<u8>, row: &mut dyn FnMut(u64, Result<Vec<String>, String>)) -> io::Result<()> {
    let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|e| broken(format!("is not a workbook (.xlsx): {e}")))?;
    let is_sheet = |s: &&calamine::Sheet| s.typ == SheetType::WorkSheet;
    let names: Vec<String> = workbook.sheets_metadata().iter().filter(is_sheet).map(|s| s.name.clone()).collect();
    let mut is_filled = false;
    for name in names {
        let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| broken(e.to_string()))?;
        let (mut at, mut current) = (None, Ok(Vec::new()));
        let mut is_here = false;
        while let Some(found) = cells.next_cell_with_formula_metadata().map_err(|e| broken(e.to_string()))? {
            let (r, c) = found.pos;
            let c = usize::try_from(c).unwrap_or(usize::MAX);
            let value = if found.formula.is_some() { Err("a formula stands in a cell".to_owned()) } else { cell(found.value) };
            if value.as_deref() == Ok("") {
                continue;
            }
            if is_filled {
                return Err(broken("the workbook has several sheets with content".to_owned()));
            }
            is_here = true;
            if at != Some(r) {
                give(row, at, std::mem::replace(&mut current, Ok(Vec::new())));
                for blank in at.map_or(0, |a: u32| a + 1)..r {
                    give(row, Some(blank), Ok(Vec::new()));
                }
                at = Some(r);
            }
            put(&mut current, c, value);
        }
        give(row, at, current);
        is_filled |= is_here;
    }
    Ok(())
}

fn give(row: &mut dyn FnMut(u64, Result<Vec<String>, String>), at: Option<u32>, cells: Result<Vec<String>, String>) {
    if let Some(at) = at {
        row(u64::from(at) + 1, cells);
    }
}

fn put(row: &mut Result<Vec<String>, String>, column: usize, value: Result<String, String>) {
    let Ok(cells) = row else { return };
    match value {
        Ok(_) if column >= COLUMNS_MAX => *row = Err(format!("has more than {COLUMNS_MAX} columns")),
        Ok(text) => {
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            if let Some(cell) = cells.get_mut(column) {
                *cell = text;
            }
        }
        Err(what) => *row = Err(format!("column {}: {what}", column + 1)),
    }
}

fn cell(value: DataRef<'_>) -> Result<String, String> {
    match value {
        DataRef::Empty => Ok(String::new()),
        DataRef::String(text) => Ok(text),
        DataRef::SharedString(text) => Ok(text.to_owned()),
        DataRef::Int(number) => number_text(&number),
        DataRef::Float(number) => number_text(&number),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => {
            Err("a date or time stands in a cell; it must be text".to_owned())
        }
        DataRef::Bool(_) => Err("TRUE or FALSE stands in a cell".to_owned()),
        DataRef::Error(_) => Err("the spreadsheet shows an error in a cell".to_owned()),
    }
}

/// The shortest digits that name a number; one that may have lost digits (a card, an identity number) is refused. Its type is
/// not named, so that nothing but printing can be done with it.
fn number_text(number: &impl Display) -> Result<String, String> {
    let text = number.to_string();
    if text.bytes().filter(u8::is_ascii_digit).count() > 15 || text.contains(['e', 'E']) {
        return Err("a number of more than fifteen digits stands in a cell; it has lost digits and must be text".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_text_come_back_and_numbers_that_lost_digits_do_not() {
        let rows = "账号\u{1F}姓名\u{1F}金额\n6217001234567890014\u{1F}阿牛·木呷\u{1F}0012.30\n";
        let bytes = write(rows.as_bytes()).unwrap();
        assert_eq!(bytes, write(rows.as_bytes()).unwrap(), "the same rows make the same bytes");
        let mut found = Vec::new();
        read(&mut bytes.as_slice(), &mut |at, row| found.push((at, row.unwrap()))).unwrap();
        assert_eq!(found[1], (2, vec!["6217001234567890014".to_owned(), "阿牛·木呷".to_owned(), "0012.30".to_owned()]));
        assert!(number_text(&6_217_001_234_567_890_014_u64).is_err());
        assert_eq!(number_text(&12.3).unwrap(), "12.3");
        assert!(read(&mut &b"not a workbook"[..], &mut |_, _| {}).is_err());
    }
}
