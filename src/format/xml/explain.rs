//! An XML file laid over the fields of its layout: each value at its element's place.

use std::io::{self, Read};

use super::read::{Columns, Part, columns, field_of, joined};
use super::{Charset, Step, WalkError, Walker};
use crate::format::explain::{Explained, ExplainedCell};
use crate::format::layout::Layout;
use crate::format::totals::Tallier;

struct Explaining<'a> {
    layout: &'a Layout,
    columns: Columns,
    out: Vec<Explained>,
    /// Whether the last of them is a row that is still open.
    is_in_row: bool,
}

/// Explains the first records of a document.
///
/// # Errors
/// When reading fails.
pub fn explain(layout: &Layout, source: &mut dyn Read, most: usize) -> io::Result<Vec<Explained>> {
    let mut run = Explaining { layout, columns: columns(layout), out: vec![record(1, "header", None)], is_in_row: false };
    match run.walk(source, most) {
        Ok(()) => {}
        Err(WalkError::Io(error)) => return Err(error),
        Err(WalkError::Fault(fault)) => run.out.push(record(fault.place.line, "nothing", Some(fault.what))),
    }
    Ok(run.out)
}

const fn record(line: u64, record: &'static str, fault: Option<String>) -> Explained {
    Explained { line, record, fault, cells: Vec::new() }
}

impl Explaining<'_> {
    fn walk(&mut self, source: &mut dyn Read, most: usize) -> Result<(), WalkError> {
        let mut walker = Walker::new(source, Charset::Agreed(self.layout.dialect), Tallier::new(&[]))?;
        let each = joined(self.layout.each.first());
        let mut base = None;
        loop {
            let step = walker.step()?;
            if base.is_none() && step == Step::Open && walker.name() == self.layout.root() {
                base = Some(walker.path().len() - self.layout.root().len());
            }
            let Some(base) = base.filter(|_| step != Step::End) else {
                if step == Step::End {
                    return Ok(());
                }
                continue;
            };
            let path = walker.path().get(base..).unwrap_or_default().to_owned();
            let is_row = path == each;
            if step == Step::Open {
                if is_row && self.out.len() >= most {
                    return Ok(());
                }
                if is_row {
                    self.out.push(record(walker.place().line, "row", None));
                    self.is_in_row = true;
                }
                for (name, value) in walker.attributes() {
                    self.value(&format!("{path}/@{name}"), value, &walker);
                }
            } else {
                if walker.is_leaf() {
                    self.value(&path, walker.text(), &walker);
                }
                self.is_in_row &= !is_row;
            }
        }
    }

    fn value(&mut self, key: &str, text: &str, walker: &Walker<'_>) {
        let Some(targets) = self.columns.get(key).cloned() else { return };
        for (part, number) in targets {
            let Some(field) = field_of(self.layout, part, number) else { continue };
            let from = usize::try_from(walker.place().column).unwrap_or(usize::MAX);
            let cell = ExplainedCell {
                from,
                to: from.saturating_add(text.chars().count()),
                field: field.name.clone(),
                text: text.to_owned(),
                hex: String::new(),
            };
            let of_row = part == Part::Each && self.is_in_row;
            if let Some(at) = if of_row { self.out.last_mut() } else { self.out.first_mut() } {
                at.cells.push(cell);
            }
        }
    }
}
