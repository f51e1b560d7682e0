//! Elements in, by the paths of a layout: local names from the layout's root on, wherever that root stands. Records stream; what the
//! head says is known to every record behind it.

use std::collections::HashMap;
use std::io::{self, Read};

use super::{Charset, Place, Step, WalkError, Walker};
use crate::format::cells::{self, Cells};
use crate::format::charset::Dialect;
use crate::format::field::{Field, Take};
use crate::format::layout::{Layout, Record};
use crate::format::parse::Run;
use crate::format::spec;
use crate::format::totals::{Tallier, Tally};

/// How much of a record is kept to be shown.
const RAW_KEPT: usize = 4096;

/// Which record of the layout a column belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    First,
    Group,
    Each,
    Last,
}

/// What was read of a record so far.
#[derive(Default)]
struct Open {
    dialect: Option<Dialect>,
    cells: Cells,
    seen: Vec<bool>,
    fault: Option<cells::CellFault>,
    raw: String,
    line: u64,
}

impl Open {
    fn new(layout: &Layout, record: &Record, place: Place) -> Self {
        Self { dialect: Some(layout.dialect), seen: vec![false; record.fields.len()], line: place.line, ..Self::default() }
    }

    fn take(&mut self, record: &Record, number: usize, text: &str) {
        let Some(field) = record.fields.get(number) else { return };
        if let Some(seen) = self.seen.get_mut(number) {
            *seen = true;
        }
        self.put(number, field, text);
    }

    fn put(&mut self, number: usize, field: &Field, text: &str) {
        let dialect = self.dialect.unwrap_or(Dialect::Utf8);
        if let Err(what) = cells::understand(&mut self.cells, number, field, text, (dialect, false)) {
            self.fault.get_or_insert((Some(field.name.clone()), what));
        }
    }

    /// What did not stand there is empty; whether it may be is the column's affair.
    fn fill(&mut self, record: &Record) {
        for (number, field) in record.fields.iter().enumerate() {
            if self.seen.get(number) == Some(&false) && (!field.optional || matches!(field.take, Take::Repeat(_))) {
                self.put(number, field, "");
            }
        }
    }
}

/// Which columns of which records a path is.
pub type Columns = HashMap<String, Vec<(Part, usize)>>;

struct Document<'a> {
    layout: &'a Layout,
    columns: Columns,
    first: Open,
    last: Open,
    group: Option<Open>,
    each: Option<Open>,
    rows_in_group: u64,
    /// Whether the element was seen that the repeated ones stand in.
    has_parent: bool,
    each_path: String,
    group_path: String,
}

/// Reads a document.
///
/// # Errors
/// Only when reading fails: what is wrong with the document is said in the summary.
pub fn parse(run: &mut Run<'_, '_>, layout: &Layout, source: &mut dyn Read, mut tallier: Tallier) -> io::Result<Tally> {
    if let Some(before) = layout.prologue.as_deref() {
        let bytes = cut(layout, source)?;
        tallier.update(&bytes);
        run.prologue(before, layout.prologue_bytes(), &bytes);
    }
    let mut walker = match Walker::new(source, Charset::Agreed(layout.dialect), tallier) {
        Ok(walker) => walker,
        Err(WalkError::Io(error)) => return Err(error),
        Err(WalkError::Fault(fault)) => {
            run.summary.problem(fault.to_string());
            return Ok(Tally::default());
        }
    };
    let open = |record: &[Record]| record.first().map(|r| Open::new(layout, r, Place::START)).unwrap_or_default();
    let mut document = Document {
        layout,
        columns: columns(layout),
        first: open(&layout.first),
        last: open(&layout.last),
        group: None,
        each: None,
        rows_in_group: 0,
        has_parent: false,
        each_path: joined(layout.each.first()),
        group_path: joined(layout.group.as_ref()),
    };
    let root = layout.root();
    let mut base = None;
    loop {
        let step = match walker.step() {
            Ok(step) => step,
            Err(WalkError::Io(error)) => return Err(error),
            Err(WalkError::Fault(fault)) => {
                run.summary.problem(fault.to_string());
                break;
            }
        };
        if base.is_none() && step == Step::Open && walker.name() == root {
            base = Some(walker.path().len() - root.len());
        }
        match (step, base) {
            (Step::End, None) => run.summary.problem(format!("holds no element <{root}>: it is another message than the profile says")),
            (Step::End, Some(_)) => {}
            (Step::Open, Some(base)) => document.open(&walker, base),
            (Step::Close, Some(base)) => document.close(run, &walker, base),
            (Step::Open | Step::Close, None) => {}
        }
        if step == Step::End {
            document.end(run);
            break;
        }
    }
    walker.finish()
}

/// The bytes before a document.
///
/// # Errors
/// When reading fails.
pub fn cut(layout: &Layout, source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(u64::try_from(layout.prologue_bytes()).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Every path of a layout, as the walker says it.
pub fn columns(layout: &Layout) -> Columns {
    let mut out = Columns::new();
    let parts = [
        (Part::First, layout.first.first()),
        (Part::Group, layout.group.as_ref()),
        (Part::Each, layout.each.first()),
        (Part::Last, layout.last.first()),
    ];
    for (part, record) in parts.into_iter().filter_map(|(part, record)| Some((part, record?))) {
        for (number, field) in record.fields.iter().enumerate() {
            for path in &field.paths {
                let mut key: Vec<&str> = record.path.iter().chain(&path.steps).map(|step| local(step)).collect();
                let attribute = path.attribute.as_ref().map(|name| format!("@{name}"));
                key.extend(attribute.as_deref());
                out.entry(key.join("/")).or_default().push((part, number));
            }
        }
    }
    out
}

/// A column of a record.
pub fn field_of(layout: &Layout, part: Part, number: usize) -> Option<&Field> {
    let record = match part {
        Part::First => layout.first.first(),
        Part::Group => layout.group.as_ref(),
        Part::Each => layout.each.first(),
        Part::Last => layout.last.first(),
    };
    record.and_then(|r| r.fields.get(number))
}

fn local(step: &str) -> &str {
    step.rsplit_once(':').map_or(step, |(_, name)| name)
}

/// A record's path as the walker says it.
pub fn joined(record: Option<&Record>) -> String {
    record.map(|r| r.path.iter().map(|step| local(step)).collect::<Vec<_>>().join("/")).unwrap_or_default()
}

impl Document<'_> {
    fn open(&mut self, walker: &Walker<'_>, base: usize) {
        let path = walker.path().get(base..).unwrap_or_default();
        if let Some(each) = self.layout.each.first().filter(|_| path == self.each_path) {
            self.each = Some(Open::new(self.layout, each, walker.place()));
        } else if let Some(group) = self.layout.group.as_ref().filter(|_| path == self.group_path) {
            self.group = Some(Open::new(self.layout, group, walker.place()));
            self.rows_in_group = 0;
        }
        self.has_parent |= self.each_path.rsplit_once('/').is_none_or(|(parent, _)| parent == path);
        for (name, value) in walker.attributes() {
            self.value(&format!("{path}/@{name}"), value);
        }
    }

    fn value(&mut self, key: &str, text: &str) {
        let Some(targets) = self.columns.get(key) else { return };
        for (part, number) in targets.clone() {
            let (record, open) = match part {
                Part::First => (self.layout.first.first(), Some(&mut self.first)),
                Part::Last => (self.layout.last.first(), Some(&mut self.last)),
                Part::Group => (self.layout.group.as_ref(), self.group.as_mut()),
                Part::Each => (self.layout.each.first(), self.each.as_mut()),
            };
            if let (Some(record), Some(open)) = (record, open) {
                open.take(record, number, text);
            }
        }
    }

    fn close(&mut self, run: &mut Run<'_, '_>, walker: &Walker<'_>, base: usize) {
        let path = walker.path().get(base..).unwrap_or_default();
        if walker.is_leaf() {
            if let Some(open) = self.each.as_mut().filter(|open| open.raw.len() < RAW_KEPT) {
                open.raw.push_str(&format!("<{}>{}</{0}>", walker.name(), walker.text()));
            }
            let path = path.to_owned();
            self.value(&path, walker.text());
        }
        if self.each.is_some() && path == self.each_path {
            self.row(run);
        } else if self.group.is_some() && path == self.group_path {
            self.end_group(run);
        }
    }

    fn row(&mut self, run: &mut Run<'_, '_>) {
        let (Some(record), Some(mut open)) = (self.layout.each.first(), self.each.take()) else { return };
        open.fill(record);
        self.rows_in_group += 1;
        // Several records may stand on one line of text: an answer is known by its number among them.
        run.line = run.summary.records + run.summary.faults + 1;
        run.levels(&self.first.cells, self.group.as_ref().map(|g| &g.cells));
        let ended = match open.fault {
            Some(fault) => Err(fault),
            None => run.take_record(record, spec::Place::Each, open.cells),
        };
        if let Err((column, what)) = ended {
            run.fault(column, &what, open.raw.as_bytes());
        }
    }

    fn end_group(&mut self, run: &mut Run<'_, '_>) {
        let (Some(record), Some(mut open)) = (self.layout.group.as_ref(), self.group.take()) else { return };
        open.fill(record);
        run.line = open.line;
        if let Some((column, what)) = &open.fault {
            run.summary.problem(format!("line {}, {}: {what}", open.line, column.as_deref().unwrap_or_default()));
        }
        if self.rows_in_group == 0 {
            run.levels(&self.first.cells, Some(&open.cells));
            run.group_word(&open.cells);
        }
        run.declare(record, &mut open.cells);
    }

    fn end(&mut self, run: &mut Run<'_, '_>) {
        for (record, open) in [(self.layout.first.first(), &mut self.first), (self.layout.last.first(), &mut self.last)] {
            let Some(record) = record else { continue };
            open.fill(record);
            if let Some((column, what)) = &open.fault {
                run.summary.problem(format!("{}: {what}", column.as_deref().unwrap_or_default()));
            }
            run.file_word(&open.cells);
            run.declare(record, &mut open.cells);
        }
        if !self.has_parent && run.summary.file_code.is_none() && run.summary.records + run.summary.faults == 0 {
            run.summary
                .problem(format!("holds no <{}> and no word of the file: is it another message than the profile says?", self.each_path));
        }
    }
}
