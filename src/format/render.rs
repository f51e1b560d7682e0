//! Records to bytes. Rendering is a function of the lines, the batch's facts and the profile alone, so that any node can
//! render again and must meet the committed hash. What cannot be written as it stands is refused: nothing is shortened,
//! replaced or left out.

use std::fmt;
use std::io::{self, Write};

use super::columns::{Batch, write_field, write_record};
use super::layout::{Layout, Record};
use super::plan;
use super::profile::{NameError, OutboundNames, Profile};
use super::totals::Tallier;
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
}

/// A file of ours while it is written.
pub struct Renderer<'p, W> {
    profile: &'p Profile,
    layout: &'p Layout,
    each: &'p Record,
    facts: BatchFacts,
    names: OutboundNames,
    out: W,
    buffer: Vec<u8>,
    tallier: Tallier,
    rows: u64,
    total: Fen,
    /// Lines are numbered without gaps; an enquiry's keep the numbers of the file that it asks about.
    is_whole: bool,
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
        if facts.count == 0 {
            let detail = "is zero, and a file without payments is never sent".to_owned();
            return Err(RenderError::Batch { field: "count".to_owned(), detail });
        }
        let request = &profile.plan.request;
        let missing = || RenderError::Batch { field: "layout".to_owned(), detail: "the profile has none".to_owned() };
        let layout = profile.plan.layouts.get(layout).ok_or_else(missing)?;
        let each = layout.each.as_ref().ok_or_else(missing)?;
        let digests = request.flag.as_ref().map(super::flag::FlagPattern::digests).unwrap_or_default();
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.extend_from_slice(plan::bom(layout.dialect));
        let facts = facts.clone();
        let mut this =
            Self { profile, layout, each, facts, names, out, buffer, tallier: Tallier::new(&digests), rows: 0, total: Fen::ZERO, is_whole };
        if let Some(first) = &layout.first {
            this.batch_record(first)?;
        }
        Ok(this)
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
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names };
        write_record(&mut self.buffer, self.layout, self.each, |out, field| write_field(out, self.layout, field, Some(line), Some(&batch)))
            .map_err(|fault| fault.for_line(line.seq))?;
        self.rows = expected;
        self.total = self.total.checked_add(line.amount).ok_or(RenderError::Totals {
            said_count: self.facts.count,
            said_total: self.facts.total,
            count: expected,
            total: self.total,
        })?;
        if self.buffer.len() >= FLUSH_AT { self.flush() } else { Ok(()) }
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
        if let Some(last) = &self.layout.last {
            self.batch_record(last)?;
        }
        self.flush()?;
        self.out.flush()?;
        let tally = self.tallier.finish();
        let pattern = self.profile.plan.request.flag.as_ref().filter(|_| self.is_whole);
        let flag = pattern.map(|pattern| pattern.render(&tally));
        let rendered = Rendered { bytes: tally.bytes, lines: tally.lines, rows: self.rows, total: self.total, sha256: tally.sha256, flag };
        Ok((self.out, rendered))
    }

    fn batch_record(&mut self, record: &Record) -> Result<(), RenderError> {
        let batch = Batch { profile: self.profile, facts: &self.facts, names: &self.names };
        write_record(&mut self.buffer, self.layout, record, |out, field| write_field(out, self.layout, field, None, Some(&batch)))
            .map_err(|fault| fault.for_line(0))
    }

    fn flush(&mut self) -> Result<(), RenderError> {
        self.tallier.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
