//! Lists as workbooks (.xlsx), read cell by cell as a stream.
//!
//! A spreadsheet holds numbers as binary floating point. An amount is taken by its shortest decimal digits, which are the
//! ones that were typed, and then read by our own grammar: no arithmetic is done on it. Identity numbers, cards and
//! references must be text, because as numbers they have lost digits before anybody here sees them.

use std::fmt::Display;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use calamine::{DataRef, Reader, SheetType, Xlsx, XlsxError};

use super::cells::Cell;
use super::columns::Header;
use super::rows::{Rows, no_cells};
use super::{ListError, ListHead, ListRow, ListSummary};
use crate::format::sheet::{DAMAGED, guarded};

/// One row of the sheet: the place of each cell that is not empty, from 0.
type SheetRow<'a> = Vec<(usize, Cell<'a>)>;

pub(super) fn read_xlsx<R: Read + Seek>(reader: R, sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    guarded(|| rows(reader, sink)).unwrap_or_else(|| Err(ListError::Workbook(DAMAGED.to_owned())))
}

fn rows<R: Read + Seek>(reader: R, sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    let mut workbook: Xlsx<R> = Xlsx::new(reader).map_err(|e| broken(&e))?;
    let sheet = sheet_with_content(&mut workbook)?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(|e| broken(&e))?;
    let mut taking = Taking { rows: Rows::new(sink), header: None };
    let mut row: SheetRow<'_> = Vec::new();
    let mut row_at = 0;
    while let Some(found) = cells.next_cell_with_formula_metadata().map_err(|e| broken(&e))? {
        let (at, column) = found.pos;
        if at < row_at {
            return Err(ListError::Workbook("its rows are out of order".to_owned()));
        }
        if at > row_at {
            if taking.take(row_at, &row)?.is_break() {
                break;
            }
            row.clear();
            row_at = at;
        }
        let cell = cell(found.value, found.formula.is_some());
        if !cell.is_empty() {
            row.push((usize::try_from(column).unwrap_or(usize::MAX), cell));
        }
    }
    if taking.take(row_at, &row)?.is_continue() && taking.header.is_none() {
        return Err(ListError::Empty);
    }
    Ok(taking.rows.finish(ListHead::default(), None))
}

/// The header, once it is read, and what is taken below it.
struct Taking<'s> {
    rows: Rows<'s>,
    header: Option<Header>,
}

impl Taking<'_> {
    /// Takes a row, whose place counts from 0. Breaks when the header has faults.
    fn take(&mut self, at: u32, row: &SheetRow<'_>) -> Result<ControlFlow<()>, ListError> {
        let line = u64::from(at) + 1;
        if row.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        match &self.header {
            Some(header) => {
                take_payment(line, header, row, &mut self.rows)?;
                Ok(ControlFlow::Continue(()))
            }
            None => {
                let width = row.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
                let text_at = |place: usize| match row.iter().find(|(at, _)| *at == place) {
                    Some((_, Cell::Text(text))) => text.as_ref(),
                    Some((_, Cell::Number(_) | Cell::Unfit { .. })) => "?",
                    None => "",
                };
                self.header = Header::read(line, (0..width).map(text_at), &mut self.rows.faults);
                Ok(if self.header.is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
        }
    }
}

fn take_payment(line: u64, header: &Header, row: &SheetRow<'_>, rows: &mut Rows<'_>) -> Result<(), ListError> {
    let mut cells = no_cells();
    for (place, cell) in row {
        match header.place(*place).and_then(|place| place.column) {
            Some(column) => {
                if let Some(target) = cells.get_mut(column.index()) {
                    *target = cell.clone();
                }
            }
            None => rows.faults.tell(line, "", "a value in a column without a header", "name the column, or remove it"),
        }
    }
    rows.take(line, header, &cells)
}

/// The one sheet with content. A list on one sheet and a forgotten draft on another is a question for a person.
fn sheet_with_content<R: Read + Seek>(workbook: &mut Xlsx<R>) -> Result<String, ListError> {
    let names: Vec<String> =
        workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).map(|sheet| sheet.name.clone()).collect();
    let mut filled = Vec::new();
    for name in names {
        let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| broken(&e))?;
        while let Some(found) = cells.next_cell_with_formula_metadata().map_err(|e| broken(&e))? {
            if !cell(found.value, found.formula.is_some()).is_empty() {
                filled.push(name);
                break;
            }
        }
    }
    match filled.len() {
        0 => Err(ListError::Empty),
        1 => Ok(filled.swap_remove(0)),
        _ => Err(ListError::Sheets(filled)),
    }
}

fn cell(value: DataRef<'_>, is_formula: bool) -> Cell<'_> {
    if is_formula {
        return Cell::Unfit {
            what: "a formula: its value depends on other cells, and on who opened the file last",
            next: "copy the column and paste it as values (粘贴为数值)",
        };
    }
    match value {
        DataRef::Empty => Cell::EMPTY,
        DataRef::String(text) => Cell::Text(text.into()),
        DataRef::SharedString(text) => Cell::Text(text.into()),
        DataRef::Int(number) => Cell::Number(number.to_string()),
        DataRef::Float(number) => Cell::Number(shortest(&number)),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => {
            Cell::Unfit { what: "a date or time stands in the cell", next: "format the column as text (文本) and enter the value again" }
        }
        DataRef::Bool(_) => Cell::Unfit { what: "TRUE or FALSE stands in the cell", next: "enter the value" },
        DataRef::Error(_) => Cell::Unfit { what: "the spreadsheet shows an error in the cell", next: "enter the value" },
    }
}

/// The shortest decimal digits that name this number, never with an exponent. Its type is not named, so that nothing but
/// printing can be done with it.
fn shortest(number: &impl Display) -> String {
    number.to_string()
}

fn broken(error: &XlsxError) -> ListError {
    ListError::Workbook(error.to_string())
}
