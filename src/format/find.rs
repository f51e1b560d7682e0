//! Which record a line is: by its place, and by the signs that tell records apart. Where columns have titles, the row of
//! titles comes behind the header and says which column is which.

use super::cells::{Order, Raw, columns_of};
use super::charset::fold_name;
use super::layout::{Layout, Record, Test};
use super::spec::Place;

/// What a line is.
pub enum Found<'a> {
    Record(&'a Record, Place),
    /// The row of titles.
    Titles,
    /// Nothing that the layout knows, and why.
    Nothing(String),
}

/// Finds the records of one file's lines, in their order.
pub struct Finder<'a> {
    layout: &'a Layout,
    scratch: String,
    /// Lines that mean something.
    number: u64,
    first: usize,
    last: usize,
    has_titles: bool,
    order: Option<Order>,
    /// A required header was not where it belongs.
    lacks_header: bool,
}

impl<'a> Finder<'a> {
    /// At the head of a file.
    pub fn new(layout: &'a Layout) -> Self {
        let has_titles = layout.has_titles();
        Self { layout, scratch: String::new(), number: 0, first: 0, last: 0, has_titles, order: None, lacks_header: false }
    }

    /// Which field a column holds, where titles say it.
    pub const fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Whether the headers are behind us.
    pub fn is_among_rows(&self) -> bool {
        self.first >= self.layout.first.len()
    }

    /// What the next line is.
    pub fn find(&mut self, line: Raw<'_>, is_last: bool) -> Found<'a> {
        self.number += 1;
        let layout = self.layout;
        for any in &layout.any {
            if self.fits(&any.test, line) {
                return Found::Record(any, Place::Any);
            }
        }
        while let Some(first) = layout.first.get(self.first) {
            self.first += 1;
            if self.fits(&first.test, line) {
                return Found::Record(first, Place::First);
            }
            if !first.is_optional {
                self.lacks_header = true;
                return Found::Nothing(unfit(&first.test));
            }
        }
        if self.has_titles && self.order.is_none() {
            return Found::Titles;
        }
        for (i, last) in layout.last.iter().enumerate().skip(self.last) {
            if if last.test.is_open() { is_last } else { self.fits(&last.test, line) } {
                self.last = i + 1;
                return Found::Record(last, Place::Last);
            }
            if !last.is_optional {
                break;
            }
        }
        if self.last > 0 {
            return Found::Nothing("stands behind the trailer".to_owned());
        }
        match layout.each.iter().find(|r| self.fits(&r.test, line)) {
            Some(each) => Found::Record(each, Place::Each),
            None => Found::Nothing("is no line of the layout: no record has its signs".to_owned()),
        }
    }

    /// Takes the row of titles.
    ///
    /// # Errors
    /// A title that stands twice, or one that is missing.
    pub fn titles(&mut self, line: Raw<'_>) -> Result<(), String> {
        self.order = Some(Vec::new());
        let titles = columns_of(self.layout, line, &mut self.scratch)?;
        let Some(each) = self.layout.each.first() else { return Ok(()) };
        let fold = |text: &str| fold_name(text).replace(' ', "");
        let mut order: Order = Vec::new();
        for title in &titles {
            let title = fold(title);
            let field = each.fields.iter().position(|f| f.title.as_deref().is_some_and(|t| fold(t) == title));
            if field.is_some() && order.contains(&field) {
                return Err(format!("the title {title:?} stands twice"));
            }
            order.push(field);
        }
        let missing = each.fields.iter().enumerate().find(|(i, f)| !f.optional && !order.contains(&Some(*i)));
        if let Some((_, field)) = missing {
            return Err(format!("the title {:?} is missing", field.title.as_deref().unwrap_or_default()));
        }
        self.order = Some(order);
        Ok(())
    }

    fn fits(&mut self, test: &Test, line: Raw<'_>) -> bool {
        if test.is_open() {
            return true;
        }
        let bytes = match line {
            Raw::Line(bytes) => bytes,
            Raw::Row(row) => row.first().map_or(&b""[..], |cell| cell.as_bytes()),
        };
        let has_bytes = test.starts_with.as_ref().is_none_or(|mark| bytes.starts_with(mark))
            && test.at.as_ref().is_none_or(|(at, mark)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)))
            && test.length.is_none_or(|length| bytes.len() == length)
            && test.line.is_none_or(|number| number == self.number);
        has_bytes && self.has_words(test, line)
    }

    fn has_words(&mut self, test: &Test, line: Raw<'_>) -> bool {
        if let Some(pattern) = &test.matches {
            let is_match = match line {
                Raw::Line(bytes) => self.layout.dialect.decode(bytes, &mut self.scratch).is_ok_and(|text| pattern.is_match(text)),
                Raw::Row(row) => pattern.is_match(&row.join("\t")),
            };
            if !is_match {
                return false;
            }
        }
        if test.column.is_none() && test.columns.is_empty() {
            return true;
        }
        let Ok(columns) = columns_of(self.layout, line, &mut self.scratch) else { return false };
        let is_word = |(number, word): &(usize, String)| columns.get(number - 1).is_some_and(|c| c.trim() == word);
        test.column.as_ref().is_none_or(is_word) && (test.columns.is_empty() || test.columns.contains(&columns.len()))
    }

    /// What is missing at the end.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        let is_owed = |r: &Record| !r.is_optional;
        if self.number == 0 && self.layout.first.iter().any(is_owed) {
            out.push("the file is empty: its header is missing");
        } else if self.layout.first.iter().skip(self.first).any(is_owed) {
            out.push("a header line is missing");
        }
        if self.has_titles && self.order.as_ref().is_none_or(Vec::is_empty) {
            out.push("the row of titles is missing or not as agreed");
        }
        if self.layout.last.iter().skip(self.last).any(is_owed) {
            out.push("the trailer is missing: the file may be torn");
        }
        out
    }
}

fn unfit(test: &Test) -> String {
    match (&test.starts_with, &test.matches) {
        (Some(mark), _) => format!("does not begin with {:?}", String::from_utf8_lossy(mark)),
        (None, Some(pattern)) => format!("is not the header that belongs here: it does not match {:?}", pattern.as_str()),
        (None, None) => "is not the header that belongs here".to_owned(),
    }
}
