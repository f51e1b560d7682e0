//! Records to bytes. Rendering is a function of the lines, the batch's facts and the profile alone, so that any node can
//! render again and must meet the committed hash. What cannot be written as it stands is refused: nothing is shortened,
//! left out, or replaced but as the profile's approved rules say of names.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};

use super::columns::{Batch, BatchText, check_name, write_field, write_record, write_title};
use super::field::{BatchValue, Field, Put};
use super::layout::{Layout, Record, Syntax};
use super::package::Packer;
use super::plan;
use super::profile::{NameError, OutboundNames, Profile};
use super::sheet;
use super::substitute::{self, Substituted};
use super::totals::{DigestKind, Tallier};
use super::xml::write::XmlOut;
use crate::domain::exchange::{BatchFacts, PaymentLine};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

const FLUSH_AT: usize = 256 * 1024;

/// A value that the bank's layout or character set cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The value's name: `payee_name`, `account`, `amount` and so on.
    pub field: &'static str,
    /// The canonical reason.
    pub reason: Reason,
    /// What is wrong, without a whole personal value.
    pub detail: String,
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.field, self.detail, self.reason.code())
    }
}

/// Why a file cannot be rendered. Only `Io` may pass by itself.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file cannot be named.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A value of the batch cannot be written.
    #[error("the batch's {field} cannot be written: {detail}; set it right in the agreement or the project")]
    Batch { field: String, detail: String },
    /// A value of a payment cannot be written. Admission should have refused it.
    #[error("line {seq}: {fault}; send the payment back to its department")]
    Line { seq: u64, fault: FieldFault },
    /// Lines come in the order of their numbers.
    #[error("line {found} came where line {expected} belongs; the lines of a file are numbered from 1 without gaps")]
    Order { expected: u64, found: u64 },
    /// More lines than the bank takes.
    #[error("{count} lines; this bank takes {max} in one file")]
    TooManyRows { count: u64, max: u64 },
    /// The lines are not what the batch says of them.
    #[error(
        "the file says {said_count} lines and {said_total} yuan; {count} lines and {total} yuan were written. Do not send it; plan it anew"
    )]
    Totals { said_count: u64, said_total: Fen, count: u64, total: Fen },
    /// The writer failed.
    #[error("the file could not be written: {0}")]
    Io(#[from] io::Error),
}

impl RenderError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Io(_) => true,
            Self::Name(_)
            | Self::Batch { .. }
            | Self::Line { .. }
            | Self::Order { .. }
            | Self::TooManyRows { .. }
            | Self::Totals { .. } => false,
        }
    }
}

/// What was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Size in bytes.
    pub bytes: u64,
    /// Lines, header and trailer included.
    pub lines: u64,
    /// Payments.
    pub rows: u64,
    /// What they sum to.
    pub total: Fen,
    /// Lower-case hex.
    pub sha256: String,
    /// The flag file's bytes, where the profile has one.
    pub flag: Option<Vec<u8>>,
    /// Values that were cut to their column, where the profile allows that.
    pub cuts: u64,
    /// What the profile's rules changed in names.
    pub substituted: Vec<Substituted>,
}

/// A file of ours while it is written.
pub struct Renderer<'p, W> {
    profile: &'p Profile,
    layout: &'p Layout,
    each: &'p Record,
    facts: BatchFacts,
    names: OutboundNames,
    out: W,
    packer: Option<Packer>,
    buffer: Vec<u8>,
    tallier: Tallier,
    digests: Vec<DigestKind>,
    rows: u64,
    total: Fen,
    /// Lines are numbered without gaps; an enquiry's keep the numbers of the file that it asks about.
    is_whole: bool,
    cuts: Cell<u64>,
    substituted: substitute::Log,
    xml: Option<XmlOut>,
}

impl<W> fmt::Debug for Renderer<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Renderer of {} after {} rows", self.names.data, self.rows)
    }
}

impl<'p, W: Write> Renderer<'p, W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be named, its header not be written, or the writer fails.
    pub fn new(profile: &'p Profile, facts: &BatchFacts, out: W) -> Result<Self, RenderError> {
        Self::begin(profile, profile.plan.request.layout, true, facts, out)
    }

    /// Begins an enquiry about some lines of a file.
    ///
    /// # Errors
    /// As [`Renderer::new`].
    pub(super) fn enquiry(profile: &'p Profile, layout: usize, facts: &BatchFacts, out: W) -> Result<Self, RenderError> {
        Self::begin(profile, layout, false, facts, out)
    }

    fn begin(profile: &'p Profile, layout: usize, is_whole: bool, facts: &BatchFacts, out: W) -> Result<Self, RenderError> {
        let names = profile.instruction_names(facts)?;
        let max = profile.exchange().max_rows;
        if facts.count > max {
            return Err(RenderError::TooManyRows { count: facts.count, max });
        }
        if let Some(max) = profile.exchange().max_amount.filter(|max| is_whole && facts.total > *max) {
            let detail = format!("is {}, and this bank takes {max} in one file", facts.total);
            return Err(RenderError::Batch { field: "total".to_owned(), detail });
        }
        if facts.count == 0 {
            let detail = "is zero, and a file without payments is never sent".to_owned();
            return Err(RenderError::Batch { field: "count".to_owned(), detail });
        }
        let request = &profile.plan.request;
        let missing = || RenderError::Batch { field: "layout".to_owned(), detail: "the profile has none".to_owned() };
        let layout = profile.plan.layouts.get(layout).ok_or_else(missing)?;
        let each = layout.each.first().ok_or_else(missing)?;
        if layout.syntax == Syntax::Sheet && facts.count > sheet::ROWS_MAX {
            return Err(RenderError::TooManyRows { count: facts.count, max: sheet::ROWS_MAX });
        }
        let mut digests = request.flag.as_ref().map(super::flag::FlagPattern::digests).unwrap_or_default();
        digests.extend(layout.digests());
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.extend_from_slice(plan::bom(layout.dialect));
        let facts = facts.clone();
        let tallier = Tallier::new(&digests);
        let cuts = Cell::new(0);
        let packing = request.zip.as_ref().filter(|_| is_whole).map(|(packing, _)| packing);
        let packer =
            packing.map(|p| Packer::begin(&profile.member_name(p, &facts)?, p.is_stored).map_err(RenderError::from)).transpose()?;
        let mut this = Self {
            profile,
            layout,
            each,
            facts,
            names,
            out,
            packer,
            buffer,
            tallier,
            digests,
            rows: 0,
            total: Fen::ZERO,
            is_whole,
            cuts,
            substituted: substitute::Log::default(),
            xml: None,
        };
        if let Some((before, record)) = layout.prologue.as_deref().and_then(|p| Some((p, p.first.first()?))) {
            this.prologue(before, record)?;
        }
        if layout.syntax == Syntax::Xml {
            this.xml = Some(XmlOut::begin(layout, &mut this.buffer));
        }
        for first in layout.first.iter().filter(|r| !r.is_optional) {
            this.batch_record(first)?;
        }
        this.titles()?;
        Ok(this)
    }

    /// The row that says which column is which.
    fn titles(&mut self) -> Result<(), RenderError> {
        if !self.layout.has_titles() {
            return Ok(());
        }
        let write = |out: &mut Vec<u8>, field: &Field| write_title(out, self.layout, field);
        let record = Record { counts: Vec::new(), ..self.each.clone() };
        write_record(&mut self.buffer, self.layout, &record, write).map_err(|fault| fault.for_line(0))
    }

    /// Writes one payment.
    ///
    /// # Errors
    /// When a value cannot be written as it stands, the line is out of order, or the writer fails. The file is then of no use.
    pub fn line(&mut self, line: &PaymentLine) -> Result<(), RenderError> {
        let expected = self.rows + 1;
        if self.is_whole && line.seq != expected {
            return Err(RenderError::Order { expected, found: line.seq });
        }
        if expected > self.profile.exchange().max_rows {
            return Err(RenderError::TooManyRows { count: expected, max: self.profile.exchange().max_rows });
        }
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names, tally: None, cuts: &self.cuts };
        check_name(line).map_err(|fault| RenderError::Line { seq: line.seq, fault })?;
        let told = self.profile.told(line);
        if let Cow::Owned(_) = told {
            self.substituted.note(&self.profile.plan.substitutes, line.payee_name.reveal(), line.seq);
        }
        let write = |out: &mut Vec<u8>, field: &Field| write_field(out, self.layout, field, Some(&told), Some(&batch));
        let written = match &mut self.xml {
            Some(xml) => xml.record(&mut self.buffer, self.each, write),
            None => write_record(&mut self.buffer, self.layout, self.each, write),
        };
        written.map_err(|fault| fault.for_line(line.seq))?;
        self.rows = expected;
        self.total = self.total.checked_add(line.amount).ok_or(RenderError::Totals {
            said_count: self.facts.count,
            said_total: self.facts.total,
            count: expected,
            total: self.total,
        })?;
        // A workbook is made whole at the end.
        if self.buffer.len() >= FLUSH_AT && self.layout.syntax != Syntax::Sheet { self.flush() } else { Ok(()) }
    }

    /// Writes the trailer, and compares what was written with what the batch says.
    ///
    /// # Errors
    /// When they differ, or the writer fails. The file is then of no use.
    pub fn finish(mut self) -> Result<(W, Rendered), RenderError> {
        let (said_count, said_total) = (self.facts.count, self.facts.total);
        if (said_count, said_total) != (self.rows, self.total) {
            return Err(RenderError::Totals { said_count, said_total, count: self.rows, total: self.total });
        }
        for last in self.layout.last.iter().filter(|r| !r.is_optional) {
            self.batch_record(last)?;
        }
        if let Some(xml) = &mut self.xml {
            xml.finish(&mut self.buffer);
        }
        if self.layout.syntax == Syntax::Sheet {
            self.buffer = sheet::write(&self.buffer).map_err(|detail| RenderError::Batch { field: "workbook".to_owned(), detail })?;
        }
        self.flush()?;
        let mut tally = self.tallier.finish();
        if let Some(packer) = self.packer.take() {
            let package = packer.finish()?;
            let mut around = Tallier::new(&self.digests);
            around.update(&package);
            self.out.write_all(&package)?;
            tally = around.finish().around(tally);
        }
        self.out.flush()?;
        let pattern = self.profile.plan.request.flag.as_ref().filter(|_| self.is_whole);
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names, tally: None, cuts: &self.cuts };
        let of_flag = |detail| RenderError::Batch { field: "flag".to_owned(), detail };
        let flag = pattern.map(|pattern| pattern.render(&tally, &BatchText(&batch))).transpose().map_err(of_flag)?;
        let cuts = self.cuts.get();
        let rendered = Rendered {
            bytes: tally.bytes,
            lines: tally.lines,
            rows: self.rows,
            total: self.total,
            sha256: tally.sha256,
            flag,
            cuts,
            substituted: self.substituted.finish(&self.profile.plan.substitutes),
        };
        Ok((self.out, rendered))
    }

    fn batch_record(&mut self, record: &Record) -> Result<(), RenderError> {
        let needs_digest = record.fields.iter().any(|f| matches!(f.put, Put::Batch(BatchValue::Digest(_))));
        let tally = if needs_digest {
            self.flush()?;
            Some(self.tallier.clone().finish())
        } else {
            None
        };
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names, tally: tally.as_ref(), cuts: &self.cuts };
        let write = |out: &mut Vec<u8>, field: &Field| write_field(out, self.layout, field, None, Some(&batch));
        let written = match &mut self.xml {
            Some(xml) => xml.record(&mut self.buffer, record, write),
            None => write_record(&mut self.buffer, self.layout, record, write),
        };
        written.map_err(|fault| fault.for_line(0))
    }

    /// The bytes before a document: a fixed record without its line's end.
    fn prologue(&mut self, layout: &Layout, record: &Record) -> Result<(), RenderError> {
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names, tally: None, cuts: &self.cuts };
        let write = |out: &mut Vec<u8>, field: &Field| write_field(out, layout, field, None, Some(&batch));
        write_record(&mut self.buffer, layout, record, write).map_err(|fault| fault.for_line(0))?;
        self.buffer.truncate(self.buffer.len() - plan::line_end(layout.newline).len());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RenderError> {
        self.tallier.update(&self.buffer);
        match &mut self.packer {
            Some(packer) => packer.write(&self.buffer)?,
            None => self.out.write_all(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }
}
