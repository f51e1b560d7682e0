//! Elements out: each column's path says where its value stands, and elements are opened and closed between one path and the
//! next. A value is encoded in the bank's character set first and escaped then: what XML escapes is no part of a longer
//! character in any of them.

use crate::format::charset::Dialect;
use crate::format::columns::Unwritable;
use crate::format::field::{Field, Put};
use crate::format::layout::{Layout, Record};

/// A document while it is written.
#[derive(Debug, Default)]
pub struct XmlOut {
    stack: Vec<String>,
    /// The last tag has not got its `>` yet.
    is_tag_open: bool,
    /// The innermost element holds elements.
    has_children: bool,
    indent: Option<usize>,
}

impl XmlOut {
    /// Begins a document: its declaration.
    pub fn begin(layout: &Layout, out: &mut Vec<u8>) -> Self {
        let name = match layout.dialect {
            Dialect::Gb18030 | Dialect::Gb18030Of2005 | Dialect::Gb18030Of2022 => "GB18030",
            Dialect::Utf8 | Dialect::Utf8Bom => "UTF-8",
            Dialect::Gbk | Dialect::GbkWeb | Dialect::GbkJava | Dialect::Cp936 => "GBK",
        };
        out.extend_from_slice(format!("<?xml version=\"1.0\" encoding=\"{name}\"?>\n").as_bytes());
        Self { indent: layout.indent, ..Self::default() }
    }

    /// Writes a record: an element of its own where it repeats, else its columns where they stand.
    pub fn record(
        &mut self,
        out: &mut Vec<u8>,
        record: &Record,
        write: impl Fn(&mut Vec<u8>, &Field) -> Result<(), Unwritable>,
    ) -> Result<(), Unwritable> {
        let base = &record.path;
        if let Some((_, parents)) = base.split_last() {
            self.close_to(out, self.common(parents));
            self.open(out, base);
        }
        let mut value = Vec::new();
        for field in &record.fields {
            value.clear();
            write(&mut value, field)?;
            let is_there = !value.is_empty() || (field.put == Put::Blank && !field.optional && field.when_present.is_none());
            let Some(path) = field.paths.first().filter(|_| is_there) else { continue };
            let steps: Vec<String> = base.iter().chain(&path.steps).cloned().collect();
            match &path.attribute {
                Some(name) => self.attribute(out, &steps, name, &value),
                None => self.leaf(out, &steps, &value),
            }
        }
        if let Some((_, parents)) = base.split_last() {
            self.close_to(out, parents.len());
        }
        Ok(())
    }

    /// Closes what is open.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.close_to(out, 0);
        out.push(b'\n');
    }

    fn common(&self, steps: &[String]) -> usize {
        self.stack.iter().zip(steps).take_while(|(a, b)| a == b).count()
    }

    fn open(&mut self, out: &mut Vec<u8>, steps: &[String]) {
        let common = self.common(steps);
        self.close_to(out, common);
        for step in steps.iter().skip(common) {
            self.end_tag(out);
            self.line(out);
            out.push(b'<');
            out.extend_from_slice(step.as_bytes());
            self.stack.push(step.clone());
            (self.is_tag_open, self.has_children) = (true, false);
        }
    }

    fn attribute(&mut self, out: &mut Vec<u8>, steps: &[String], name: &str, value: &[u8]) {
        if self.stack != steps || !self.is_tag_open {
            if let Some((_, parents)) = steps.split_last() {
                self.close_to(out, self.common(parents));
            }
            self.open(out, steps);
        }
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value);
        out.push(b'"');
    }

    fn leaf(&mut self, out: &mut Vec<u8>, steps: &[String], value: &[u8]) {
        if self.stack != steps || !self.is_tag_open {
            if let Some((_, parents)) = steps.split_last() {
                self.close_to(out, self.common(parents));
            }
            self.open(out, steps);
        }
        if !value.is_empty() {
            self.end_tag(out);
            escape(out, value);
        }
        self.close_to(out, steps.len().saturating_sub(1));
    }

    fn end_tag(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_tag_open) {
            out.push(b'>');
        }
    }

    fn close_to(&mut self, out: &mut Vec<u8>, depth: usize) {
        while self.stack.len() > depth {
            let Some(name) = self.stack.pop() else { return };
            if std::mem::take(&mut self.is_tag_open) {
                out.extend_from_slice(b"/>");
            } else {
                if self.has_children {
                    self.line(out);
                }
                out.extend_from_slice(b"</");
                out.extend_from_slice(name.as_bytes());
                out.push(b'>');
            }
            self.has_children = true;
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        if let Some(indent) = self.indent.filter(|_| !self.stack.is_empty() || self.has_children) {
            out.push(b'\n');
            out.resize(out.len() + indent * self.stack.len(), b' ');
        }
    }
}

fn escape(out: &mut Vec<u8>, value: &[u8]) {
    for b in value {
        match b {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            other => out.push(*other),
        }
    }
}
