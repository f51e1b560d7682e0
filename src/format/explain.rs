//! The bytes of a file laid over the fields of its layout, line by line: for a quarrel with a bank on the phone.

use std::io::{self, Read};

use serde::Serialize;

use super::cells::{Cells, Raw, Reader};
use super::field::Field;
use super::find::{Finder, Found};
use super::layout::{Layout, Syntax};
use super::lines::{Line, Lines};
use super::sheet;
use super::spec::Place;
use super::totals::Tallier;

/// A line, explained.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// From 1.
    pub line: u64,
    /// What it is: header, row, trailer, titles, nothing.
    pub record: &'static str,
    /// What is wrong with it.
    pub fault: Option<String>,
    /// Its columns.
    pub cells: Vec<ExplainedCell>,
}

/// A column, explained.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCell {
    /// First byte, from 0; between delimiters in the decoded text; in XML the column at which its element begins.
    pub from: usize,
    /// The byte behind the last.
    pub to: usize,
    /// Its name in the profile.
    pub field: String,
    /// What stands there.
    pub text: String,
    /// Its bytes, of a line that is cut by bytes.
    pub hex: String,
}

/// Explains the first lines of a file.
///
/// # Errors
/// When reading fails.
pub fn explain(layout: &Layout, source: &mut dyn Read, most: usize) -> io::Result<Vec<Explained>> {
    let mut out = Vec::new();
    let mut run = Explaining { layout, finder: Finder::new(layout), reader: Reader::default() };
    if layout.syntax == Syntax::Xml {
        if let Some(before) = layout.prologue.as_deref() {
            let bytes = super::xml::read::cut(layout, source)?;
            let mut run = Explaining { layout: before, finder: Finder::new(before), reader: Reader::default() };
            out.push(Explained { record: "prologue", ..run.line(1, Raw::Line(&bytes), false) });
        }
        out.extend(super::xml::explain::explain(layout, source, most)?);
        return Ok(out);
    }
    if layout.syntax == Syntax::Sheet {
        sheet::read(source, &mut |at, row| {
            if out.len() < most
                && let Ok(row) = &row
            {
                out.push(run.line(at, Raw::Row(row), false));
            }
        })?;
        return Ok(out);
    }
    let mut lines = Lines::new(source, Tallier::new(&[]));
    lines.skip_mark(super::charset::BOM)?;
    let mut number = 0;
    while let Some(line) = lines.next()?.filter(|_| out.len() < most) {
        number += 1;
        let Line::Whole { range, is_last, .. } = line else { continue };
        let bytes = lines.bytes(range);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut scratch = String::new();
        let is_skipped = layout.skip.as_ref().is_some_and(|s| layout.dialect.decode(bytes, &mut scratch).is_ok_and(|t| s.is_match(t)));
        if !(is_skipped || bytes.is_empty() && layout.skip_blank) {
            out.push(run.line(number, Raw::Line(bytes), is_last));
        }
    }
    Ok(out)
}

struct Explaining<'a> {
    layout: &'a Layout,
    finder: Finder<'a>,
    reader: Reader,
}

impl Explaining<'_> {
    fn line(&mut self, line: u64, raw: Raw<'_>, is_last: bool) -> Explained {
        let (record, place) = match self.finder.find(raw, is_last) {
            Found::Record(record, place) => (record, place),
            Found::Titles => {
                let fault = self.finder.titles(raw).err();
                return Explained { line, record: "titles", fault, cells: Vec::new() };
            }
            Found::Nothing(what) => return Explained { line, record: "nothing", fault: Some(what), cells: Vec::new() },
        };
        let order = self.finder.order().filter(|_| place == Place::Each);
        let is_cut = record.pattern.is_none() && matches!(self.layout.syntax, Syntax::Fixed | Syntax::Prefixed);
        let mut cells = Vec::new();
        let split =
            self.reader.columns(self.layout, record, order, raw, &mut |_, field: &Field, text: &str, range: std::ops::Range<usize>| {
                let bytes = match raw {
                    Raw::Line(bytes) if is_cut => bytes.get(range.clone()).unwrap_or_default(),
                    Raw::Line(_) | Raw::Row(_) => b"",
                };
                cells.push(ExplainedCell {
                    from: range.start,
                    to: range.end,
                    field: field.name.clone(),
                    text: text.to_owned(),
                    hex: hex::encode(bytes),
                });
                Ok(())
            });
        let understood = split.and_then(|()| self.reader.cells(self.layout, record, order, raw, &mut Cells::default()));
        let fault = understood.err().map(|(column, what)| column.map_or_else(|| what.clone(), |c| format!("{c}: {what}")));
        let record = match place {
            Place::First => "header",
            Place::Each => "row",
            Place::Last => "trailer",
            Place::Any => "any",
            Place::Group => "group",
            Place::Prologue => "prologue",
        };
        Explained { line, record, fault, cells }
    }
}
