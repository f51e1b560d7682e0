//! Bytes to records. A bank's file is read as a stream: each line becomes an answer, an entry, or a fault that says where
//! and why; a bad line never hides the others. At the end, what the file declares is compared with what was found.

use std::fmt;
use std::io::{self, Read};

use super::cells::{CellFault, Cells, Raw, Reader};
use super::charset::BOM;
use super::field::Take;
use super::find::{Finder, Found};
use super::layout::{Layout, Record, Syntax};
use super::lines::{Line, Lines};
use super::meaning::{Meaning, Phrases, ReasonMap, StatusMap};
use super::package::{self, Unpacking};
use super::plan::{self, Content, Plan, RowMeaning};
use super::profile::ReturnSemantics;
use super::sheet;
use super::spec::{Newline, Place};
use super::summary::{FileWord, KEPT, LineFault, ParseSummary, Parsed};
use super::totals::{DigestKind, Tallier, Tally, Totals, add};
use crate::domain::exchange::{Answer, InboundKind, Outcome, Side, StatementEntry};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// How much of a bad line is kept.
const RAW_KEPT: usize = 4096;

/// Reads one file. What was digested before, for its flag, is not again where it is no package: SHA-256 alone says that it is the same.
///
/// # Errors
/// When reading fails, the bytes are others than were digested, or the profile has no such data file.
pub fn parse(
    plan: &Plan,
    (kind, role, digested): (InboundKind, &str, Option<&Tally>),
    source: &mut dyn Read,
    sink: &mut dyn FnMut(Parsed),
) -> io::Result<ParseSummary> {
    let file = plan.inbound.iter().find(|i| i.kind == kind && i.role == role);
    if let Some(Content::Statement(form)) = file.map(|f| &f.content) {
        return super::statement::stream(*form, source, sink);
    }
    let Some(Content::Lines { layout, meaning, levels, digests, zip }) = file.map(|f| &f.content) else {
        let what = format!("the profile has no data file of kind {} and role {role:?}", kind.code());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    };
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "the profile has no such layout");
    let layout = plan.layouts.get(*layout).ok_or_else(none)?;
    let mut run = Run::new(layout, meaning, &plan.reasons, kind, sink);
    run.levels = levels.as_ref();
    run.lists_failures = matches!(plan.exchange.return_semantics, ReturnSemantics::FailuresOnly | ReturnSemantics::FailuresElseSuccesses);
    let Some(digested) = digested.filter(|_| zip.is_none()) else { return read(run, digests, zip.as_deref(), source) };
    let summary = read(run, &[], None, source)?;
    if summary.tally.sha256 != digested.sha256 {
        return Err(io::Error::other("its bytes are not those that were digested a moment ago"));
    }
    Ok(ParseSummary { tally: digested.clone(), ..summary })
}

/// Reads a payment file of ours again: each line as an answer that says nothing but what was sent.
///
/// # Errors
/// When reading fails.
pub fn parse_sent(plan: &Plan, source: &mut dyn Read, sink: &mut dyn FnMut(Parsed)) -> io::Result<ParseSummary> {
    let Some(layout) = plan.layouts.get(plan.request.layout).map(|layout| layout.as_sent(&plan.repeated)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the profile has no such layout"));
    };
    let meaning = RowMeaning::File(Meaning { outcome: Outcome::Accepted, is_final: false });
    let digests = plan.request.flag.as_ref().map(super::flag::FlagPattern::digests).unwrap_or_default();
    read(Run::new(&layout, &meaning, &plan.reasons, InboundKind::Result, sink), &digests, plan.package(None), source)
}

fn read(mut run: Run<'_, '_>, digests: &[DigestKind], zip: Option<&Unpacking>, source: &mut dyn Read) -> io::Result<ParseSummary> {
    let Some(rule) = zip else {
        let tally = content(&mut run, digests, source)?;
        return Ok(run.finish(tally));
    };
    let mut inner = Tally::default();
    let package = package::unpack(rule, digests, source, &mut |text| content(&mut run, digests, text).map(|tally| inner = tally))?;
    run.summary.echoed.extend(package.echoes);
    if let Some(what) = package.problem {
        run.summary.problem(what);
    }
    Ok(run.finish(match package.tally {
        Some(around) => around.around(inner),
        None => inner,
    }))
}

/// Reads what the layout is of.
fn content(run: &mut Run<'_, '_>, digests: &[DigestKind], source: &mut dyn Read) -> io::Result<Tally> {
    let layout = run.layout;
    if layout.syntax == Syntax::Xml {
        return super::xml::read::parse(run, layout, source, Tallier::new(digests));
    }
    if layout.syntax == Syntax::Sheet {
        let mut counted = Counted { source, tallier: Tallier::new(digests) };
        return match sheet::read(&mut counted, &mut |at, row| run.row(at, row)) {
            // What is no workbook is the file's fault, and is told as one; the disk's fault passes.
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                run.summary.problem(e.to_string());
                io::copy(&mut counted, &mut io::sink())?;
                Ok(counted.tallier.finish())
            }
            other => other.map(|()| counted.tallier.finish()),
        };
    }
    let mut lines = Lines::new(source, Tallier::new(digests));
    run.begin(&mut lines)?;
    while let Some(line) = lines.next()? {
        match line {
            Line::Whole { range, has_end, is_last } => run.line(lines.bytes(range), has_end, is_last),
            Line::TooLong(shown) => run.unreadable(&shown),
        }
    }
    Ok(lines.finish().finish())
}

/// Counts and digests what is read whole.
struct Counted<'r> {
    source: &'r mut dyn Read,
    tallier: Tallier,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(out)?;
        self.tallier.update(out.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A file while it is read.
pub struct Run<'a, 's> {
    layout: &'a Layout,
    meaning: &'a RowMeaning,
    reasons: &'a ReasonMap,
    kind: InboundKind,
    sink: &'s mut dyn FnMut(Parsed),
    reader: Reader,
    phrases: Phrases,
    pub line: u64,
    finder: Finder<'a>,
    /// Whether successes may have no rows: then what is declared of them speaks of the rest of the payments sent.
    lists_failures: bool,
    /// What statuses above the rows mean.
    levels: Option<&'a StatusMap>,
    /// What the file and the group say of every row in them.
    above: Vec<(String, Meaning)>,
    /// What a heading says of the rows below it.
    status: String,
    /// Counted over whole lines, where a record holds a digest of what stands before it.
    before: Option<Tallier>,
    pub summary: ParseSummary,
    amount: Option<Fen>,
    paid: (u64, Option<Fen>),
    failed: (u64, Option<Fen>),
    sides: Sides,
    declared_sides: Sides,
    value_date: Option<chrono::NaiveDate>,
}

/// Counts and sums of a statement, by side.
#[derive(Clone, Debug, Default)]
struct Sides {
    debit_count: Option<u64>,
    debit_total: Option<Fen>,
    credit_count: Option<u64>,
    credit_total: Option<Fen>,
}

impl<'a, 's> Run<'a, 's> {
    fn new(
        layout: &'a Layout,
        meaning: &'a RowMeaning,
        reasons: &'a ReasonMap,
        kind: InboundKind,
        sink: &'s mut dyn FnMut(Parsed),
    ) -> Self {
        let zero = Some(Fen::ZERO);
        let digests = layout.digests();
        Self {
            layout,
            meaning,
            reasons,
            kind,
            sink,
            reader: Reader::default(),
            phrases: Phrases::default(),
            line: 0,
            finder: Finder::new(layout),
            lists_failures: false,
            levels: None,
            above: Vec::new(),
            status: String::new(),
            before: (!digests.is_empty()).then(|| Tallier::new(&digests)),
            summary: ParseSummary::default(),
            amount: zero,
            paid: (0, zero),
            failed: (0, zero),
            sides: Sides { debit_count: Some(0), debit_total: zero, credit_count: Some(0), credit_total: zero },
            declared_sides: Sides::default(),
            value_date: None,
        }
    }

    fn begin(&mut self, lines: &mut Lines<'_>) -> io::Result<()> {
        let expected = plan::bom(self.layout.dialect);
        match (lines.skip_mark(BOM)?, expected.is_empty()) {
            (true, true) => self.summary.problem("the file begins with a byte order mark, which the profile does not expect: is it UTF-8?"),
            (false, false) => self.summary.problem("the file lacks the byte order mark that the profile expects"),
            (true, false) | (false, true) => {}
        }
        Ok(())
    }

    fn line(&mut self, raw: &[u8], has_end: bool, is_last: bool) {
        self.line += 1;
        if !has_end && !self.layout.is_end_open {
            self.summary.problem(format!("line {} is the last and has no line end: the file may be torn", self.line));
        }
        let bytes = match (self.layout.newline, raw.strip_suffix(b"\r")) {
            (Newline::Crlf | Newline::Either, Some(body)) => body,
            (Newline::Crlf, None) if has_end => return self.fault(None, "ends without CR, which the profile asks for", raw),
            (Newline::Lf, Some(_)) => return self.fault(None, "ends with CR LF; the profile says LF", raw),
            (Newline::Crlf | Newline::Either | Newline::Lf, None) => raw,
        };
        if bytes.is_empty() && self.layout.skip_blank {
            return;
        }
        if let Some(skip) = &self.layout.skip {
            let mut scratch = String::new();
            if self.layout.dialect.decode(bytes, &mut scratch).is_ok_and(|text| skip.is_match(text)) {
                return;
            }
        }
        self.take(Raw::Line(bytes), raw, is_last);
        if let Some(before) = &mut self.before {
            before.update(raw);
            before.update(if has_end { b"\n" } else { b"" });
        }
    }

    /// A workbook's row.
    fn row(&mut self, at: u64, row: Result<Vec<String>, String>) {
        self.line = at;
        match row {
            Err(what) => self.fault(None, &what, b""),
            Ok(cells) if cells.is_empty() => {}
            Ok(mut cells) => {
                let most = self.layout.each.iter().map(|r| r.fields.len()).max().unwrap_or(0);
                let shown = cells.join("\t").into_bytes();
                if !self.layout.has_titles() && cells.len() < most && self.finder.is_among_rows() {
                    cells.resize(most, String::new());
                }
                self.take(Raw::Row(&cells), &shown, false);
            }
        }
    }

    fn take(&mut self, line: Raw<'_>, shown: &[u8], is_last: bool) {
        let taken = match self.finder.find(line, is_last) {
            Found::Titles => self.finder.titles(line).map_err(|what| (None, what)),
            Found::Nothing(what) => Err((None, what)),
            Found::Record(record, place) => self.record(record, place, line),
        };
        if let Err((column, what)) = taken {
            self.fault(column, &what, shown);
        }
    }

    /// What stands before a document.
    pub fn prologue(&mut self, layout: &Layout, length: usize, bytes: &[u8]) {
        if bytes.len() < length {
            return self.summary.problem(format!("has {} bytes; the prologue before its document has {length}", bytes.len()));
        }
        let Some(record) = layout.first.first() else { return };
        let mut cells = Cells::default();
        match self.reader.cells(layout, record, None, Raw::Line(bytes), &mut cells) {
            Ok(()) => self.declare(record, &mut cells),
            Err((column, what)) => self.summary.problem(format!("the prologue, {}: {what}", column.as_deref().unwrap_or_default())),
        }
    }

    fn unreadable(&mut self, shown: &[u8]) {
        self.line += 1;
        self.fault(None, "is longer than any line may be", shown);
    }

    /// A line or record that cannot be read.
    pub fn fault(&mut self, column: Option<String>, what: &str, raw: &[u8]) {
        self.summary.faults += 1;
        let raw = raw.get(..raw.len().min(RAW_KEPT)).unwrap_or_default().to_vec();
        (self.sink)(Parsed::Fault(LineFault { line: self.line, column, what: what.to_owned(), raw }));
    }

    fn record(&mut self, record: &Record, place: Place, line: Raw<'_>) -> Result<(), CellFault> {
        if record.fields.is_empty() {
            return Ok(());
        }
        let mut cells = Cells::default();
        let order = self.finder.order().filter(|_| place == Place::Each);
        self.reader.cells(self.layout, record, order, line, &mut cells)?;
        self.take_record(record, place, cells)
    }

    /// Takes a record whose columns are understood.
    ///
    /// # Errors
    /// The column at fault.
    pub fn take_record(&mut self, record: &Record, place: Place, mut cells: Cells) -> Result<(), CellFault> {
        match (place, self.kind) {
            (Place::Each, InboundKind::Statement) => self.entry(cells),
            (Place::Each, InboundKind::Ack) => {
                self.declare(record, &mut cells);
                self.answer(cells)
            }
            (Place::Each, InboundKind::Result | InboundKind::Return | InboundKind::Enquiry) => {
                self.summary.repeated(record, &mut cells.echoes);
                self.answer(cells)
            }
            (Place::First | Place::Last | Place::Any | Place::Group | Place::Prologue, _) => {
                self.declare(record, &mut cells);
                self.check_digests(record, &cells)
            }
        }
    }

    /// A digest in a record is one of all bytes before it.
    fn check_digests(&self, record: &Record, cells: &Cells) -> Result<(), CellFault> {
        let Some(before) = self.before.as_ref().filter(|_| !cells.digests.is_empty()) else { return Ok(()) };
        let tally = before.clone().finish();
        for (number, said) in &cells.digests {
            let Some(field) = record.fields.get(*number) else { continue };
            let Take::Digest(kind) = field.take else { continue };
            let is = tally.digest(kind).unwrap_or_default();
            if !said.eq_ignore_ascii_case(is) {
                return Err((Some(field.name.clone()), format!("says the digest {said}, what stands before it has {is}")));
            }
        }
        Ok(())
    }

    /// Takes what a header or trailer says of the file. Two places that say different things are a problem.
    pub fn declare(&mut self, record: &Record, cells: &mut Cells) {
        let mut twice = Vec::new();
        let declared = &mut self.summary.declared;
        let totals = &cells.totals;
        keep(&mut declared.count, totals.count, "count", &mut twice);
        keep(&mut declared.amount, totals.amount, "total", &mut twice);
        keep(&mut declared.paid_count, totals.paid_count, "count of paid", &mut twice);
        keep(&mut declared.paid_amount, totals.paid_amount, "total of paid", &mut twice);
        keep(&mut declared.failed_count, totals.failed_count, "count of failed", &mut twice);
        keep(&mut declared.failed_amount, totals.failed_amount, "total of failed", &mut twice);
        let sides = &mut self.declared_sides;
        keep(&mut sides.debit_count, cells.debit_count, "count of debits", &mut twice);
        keep(&mut sides.debit_total, cells.debit_total, "total of debits", &mut twice);
        keep(&mut sides.credit_count, cells.credit_count, "count of credits", &mut twice);
        keep(&mut sides.credit_total, cells.credit_total, "total of credits", &mut twice);
        let head = &mut self.summary.head;
        keep(&mut head.from, cells.from, "first day", &mut twice);
        keep(&mut head.to, cells.to, "last day", &mut twice);
        keep(&mut head.opening, cells.opening, "opening balance", &mut twice);
        keep(&mut head.closing, cells.closing, "closing balance", &mut twice);
        keep(&mut self.value_date, cells.value_date, "date of execution", &mut twice);
        keep(&mut self.summary.sent_count, cells.sent_count, "count of payments sent", &mut twice);
        keep(&mut self.summary.sent_amount, cells.sent_total, "total of payments sent", &mut twice);
        if !cells.status.is_empty() && self.kind != InboundKind::Ack {
            self.status.clone_from(&cells.status);
        }
        if let Some(account) = cells.account.clone()
            && self.kind == InboundKind::Statement
        {
            head.account = account;
        }
        for what in twice {
            self.summary.problem(format!("header and trailer say different things of the {what}"));
        }
        self.summary.repeated(record, &mut cells.echoes);
    }

    /// What the file and the group around a row say, before the row itself.
    pub fn levels(&mut self, head: &Cells, group: Option<&Cells>) {
        self.above.clear();
        let words = [Some((&head.file_status, head)), group.map(|group| (&group.group_status, group))];
        for (said, cells) in words.into_iter().flatten().filter(|(said, _)| !said.is_empty()) {
            match self.levels.and_then(|map| map.decide(said, &cells.file_code, &cells.file_text)) {
                Some(meaning) => self.above.push((said.clone(), meaning)),
                None => self.summary.problem(format!("the status {:?} of the file is not in the profile's status map", short(said))),
            }
        }
        if let [(_, file), (_, group)] = self.above.as_slice()
            && contradicts(*file, *group)
        {
            self.contradiction();
        }
    }

    fn contradiction(&mut self) {
        let said: Vec<&str> = self.above.iter().map(|(said, _)| said.as_str()).collect();
        let what = format!("record {}: what the file says ({}) and what stands in it contradict each other", self.line, said.join(", "));
        if !self.summary.problems.contains(&what) {
            self.summary.problem(what);
        }
    }

    /// The row's own word under those above it. A definite word above that the row does not share is a contradiction: then nothing is
    /// known. A row without a word has the nearest one above it.
    fn said_above(&mut self, row: Option<Meaning>) -> Meaning {
        let unknown = Meaning { outcome: Outcome::Unknown, is_final: false };
        let own = row.or_else(|| self.above.last().map(|(_, meaning)| *meaning)).unwrap_or(unknown);
        if self.above.iter().any(|(_, above)| contradicts(*above, own)) {
            self.contradiction();
            return unknown;
        }
        own
    }

    /// A group without rows speaks for the file.
    pub fn group_word(&mut self, cells: &Cells) {
        if let Some((said, meaning)) = self.above.last().cloned().filter(|_| !cells.group_status.is_empty()) {
            self.whole_word(meaning, &said, &cells.file_code, &cells.file_text);
        }
    }

    /// A file without rows speaks for all its payments.
    pub fn file_word(&mut self, cells: &Cells) {
        if cells.file_status.is_empty() || self.summary.records + self.summary.faults > 0 {
            return;
        }
        self.levels(cells, None);
        if let Some((said, meaning)) = self.above.first().cloned() {
            self.whole_word(meaning, &said, &cells.file_code, &cells.file_text);
        }
    }

    /// Of a whole file nothing but "taken in" is said by a success: which payment was credited is said row by row.
    fn whole_word(&mut self, meaning: Meaning, said: &str, code: &str, text: &str) {
        let (outcome, is_final) = match meaning.outcome {
            Outcome::Paid | Outcome::Returned | Outcome::Accepted => (Outcome::Accepted, meaning.is_final),
            Outcome::Failed | Outcome::Unknown => (meaning.outcome, meaning.is_final),
        };
        let code = if code.is_empty() { said } else { code };
        let mapped = self.phrases.find(self.reasons, code, text, self.value_date);
        let reason = match outcome {
            Outcome::Failed => Some(mapped.unwrap_or(Reason::OtherUnmapped)),
            Outcome::Unknown => mapped,
            Outcome::Accepted | Outcome::Paid | Outcome::Returned => None,
        };
        let word = FileWord { outcome, is_final, reason, code: code.to_owned(), text: text.to_owned() };
        if let Some(before) = self.summary.file_code.replace(word.clone()) {
            // A group's own word is nearer to its payments than the file's; but one that refuses and one that takes in cannot both be.
            if before.outcome != word.outcome && (before.outcome == Outcome::Failed || word.outcome == Outcome::Failed) {
                self.contradiction();
            }
            self.summary.file_code = Some(before);
        }
    }

    fn answer(&mut self, mut cells: Cells) -> Result<(), CellFault> {
        if cells.status.is_empty() {
            cells.status.clone_from(&self.status);
        }
        let code = if cells.code.is_empty() { &cells.status } else { &cells.code };
        let Meaning { outcome, is_final } = match self.meaning {
            RowMeaning::File(meaning) => *meaning,
            RowMeaning::Status(_) if cells.status.is_empty() && !self.above.is_empty() => self.said_above(None),
            RowMeaning::Status(map) => self.said_above(Some(map.decide(&cells.status, code, &cells.text).ok_or_else(|| {
                (Some("status".to_owned()), format!("the status {:?} is not in the profile's status map", short(&cells.status)))
            })?)),
            RowMeaning::None => return Err((None, "has no outcome".to_owned())),
        };
        let mapped = self.phrases.find(self.reasons, code, &cells.text, cells.value_date.or(self.value_date));
        let reason = match outcome {
            Outcome::Paid | Outcome::Accepted => {
                if let Some(odd) = mapped.filter(|_| self.summary.notes.len() < KEPT) {
                    self.summary.notes.push(format!(
                        "line {}: not failed by its status, yet it carries the reason {}",
                        self.line,
                        odd.code()
                    ));
                }
                None
            }
            Outcome::Failed => Some(mapped.unwrap_or(Reason::OtherUnmapped)),
            // Sent back without a word is a reason of its own; with words, they are looked up.
            Outcome::Returned if cells.text.is_empty() => Some(mapped.unwrap_or(Reason::LateReturn)),
            Outcome::Returned => Some(mapped.unwrap_or(Reason::OtherUnmapped)),
            Outcome::Unknown => mapped,
        };
        let text = cells.text;
        let code = match cells.code {
            // Where one column is read as status and as words, its words are no code: they may name the true holder.
            code if code.is_empty() && cells.status == text => code,
            code if code.is_empty() => cells.status,
            code => code,
        };
        let amount = if self.kind == InboundKind::Ack { cells.totals.amount } else { cells.amount };
        let value = cells.paid.or(amount);
        match outcome {
            Outcome::Paid => count(&mut self.paid, value),
            // What came back is not with the person: banks sum it with what failed.
            Outcome::Failed | Outcome::Returned => count(&mut self.failed, amount),
            Outcome::Accepted | Outcome::Unknown => {}
        }
        if let Some(amount) = amount {
            add(&mut self.amount, amount);
        } else {
            self.amount = None;
        }
        self.summary.records += 1;
        if self.kind == InboundKind::Ack {
            let word = FileWord { outcome, is_final, reason, code: code.clone(), text: text.clone() };
            if self.summary.file_code.replace(word).is_some() {
                self.summary.problem("the ack has more than one line");
            }
        }
        (self.sink)(Parsed::Answer(Answer {
            line: self.line,
            reference: cells.reference,
            seq: cells.seq,
            payee_name: cells.payee_name,
            id_number: cells.id_number,
            account: cells.account,
            amount,
            paid: cells.paid,
            outcome,
            is_final,
            reason,
            raw_code: code,
            raw_text: text,
            bank_ref: cells.bank_ref,
            date: cells.value_date.or(self.value_date),
            repeats: cells.repeats,
        }));
        Ok(())
    }

    fn entry(&mut self, cells: Cells) -> Result<(), CellFault> {
        let (Some(date), Some(side), Some(amount)) = (cells.entry_date, cells.side, cells.amount) else {
            return Err((None, "lacks its date, side or amount".to_owned()));
        };
        let (count, sum) = match side {
            Side::Debit => (&mut self.sides.debit_count, &mut self.sides.debit_total),
            Side::Credit => (&mut self.sides.credit_count, &mut self.sides.credit_total),
        };
        *count = count.and_then(|n| n.checked_add(1));
        add(sum, amount);
        self.summary.records += 1;
        (self.sink)(Parsed::Entry(StatementEntry {
            line: self.line,
            date,
            side,
            amount,
            reference: cells.reference,
            bank_ref: cells.bank_ref,
            counter_account: cells.counter_account,
            counter_name: cells.counter_name,
            text: cells.text,
        }));
        Ok(())
    }

    fn finish(mut self, tally: Tally) -> ParseSummary {
        if self.layout.syntax != Syntax::Xml {
            for what in self.finder.missing() {
                self.summary.problem(what);
            }
        }
        if self.kind == InboundKind::Ack && self.summary.file_code.is_none() && self.summary.faults == 0 {
            self.summary.problem("the ack says nothing");
        }
        match self.kind {
            InboundKind::Statement => self.prove_statement(),
            InboundKind::Result | InboundKind::Return | InboundKind::Enquiry => self.prove_answers(),
            InboundKind::Ack => {}
        }
        self.word_of_the_file();
        self.summary.lines = tally.lines;
        self.summary.bytes = tally.bytes;
        self.summary.tally = tally;
        self.summary
    }

    /// What a set without rows says of the whole file is handed on as line 0, which belongs to no payment.
    fn word_of_the_file(&mut self) {
        let is_of_rows = self.kind == InboundKind::Ack || self.summary.records > 0 || !self.summary.problems.is_empty();
        let Some(word) = self.summary.file_code.clone().filter(|_| !is_of_rows) else { return };
        self.summary.records = 1;
        (self.sink)(Parsed::Answer(Answer {
            line: 0,
            reference: None,
            seq: None,
            payee_name: None,
            id_number: None,
            account: None,
            amount: None,
            paid: None,
            outcome: word.outcome,
            is_final: word.is_final,
            reason: word.reason,
            raw_code: word.code,
            raw_text: word.text,
            bank_ref: None,
            date: None,
            repeats: Vec::new(),
        }));
    }

    fn prove_answers(&mut self) {
        let records = self.summary.records;
        self.summary.found = Totals {
            count: Some(records),
            amount: self.amount,
            paid_count: Some(self.paid.0),
            paid_amount: self.paid.1,
            failed_count: Some(self.failed.0),
            failed_amount: self.failed.1,
        };
        let mut declared = self.summary.declared.clone();
        if self.lists_failures && self.paid.0 == 0 {
            (declared.paid_count, declared.paid_amount) = (None, None);
        }
        for what in Totals::differences(&declared, &self.summary.found) {
            self.summary.problem(what);
        }
        if let Some(declared) = self.summary.declared.amount {
            let is_zero = declared == Fen::ZERO && records > 0;
            if is_zero {
                self.summary.problem("the total is zero, which proves no unit");
            }
            self.summary.is_unit_proven = Some(!is_zero && self.summary.found.amount == Some(declared));
        }
    }

    /// Continuity: opening balance + credits - debits = closing balance.
    fn prove_statement(&mut self) {
        let (found, declared) = (self.sides.clone(), self.declared_sides.clone());
        self.summary.found.count = Some(self.summary.records);
        for what in Totals::differences(&self.summary.declared, &self.summary.found) {
            self.summary.problem(what);
        }
        differs(&mut self.summary, "count of debits", declared.debit_count, found.debit_count);
        differs(&mut self.summary, "total of debits", declared.debit_total, found.debit_total);
        differs(&mut self.summary, "count of credits", declared.credit_count, found.credit_count);
        differs(&mut self.summary, "total of credits", declared.credit_total, found.credit_total);
        if let (Some(opening), Some(closing)) = (self.summary.head.opening, self.summary.head.closing) {
            let credits = found.credit_total.and_then(|c| opening.checked_add(c));
            let expected = credits.and_then(|c| found.debit_total.and_then(|d| c.checked_sub(d)));
            if expected != Some(closing) {
                let expected = expected.map_or_else(|| "more than can be counted".to_owned(), |e| format!("{e} yuan"));
                self.summary
                    .problem(format!("opening {opening} yuan and the entries make {expected}, the closing balance is {closing} yuan"));
            }
        }
        if let (Some(from), Some(to)) = (self.summary.head.from, self.summary.head.to)
            && from > to
        {
            self.summary.problem(format!("the statement ends ({to}) before it begins ({from})"));
        }
    }
}

fn differs<T: PartialEq + fmt::Display>(summary: &mut ParseSummary, what: &str, declared: Option<T>, found: Option<T>) {
    match (declared, found) {
        (Some(d), Some(f)) if d != f => summary.problem(format!("the {what} is declared as {d}, and {f} was found")),
        (Some(d), None) => summary.problem(format!("the {what} is declared as {d}, and what was found cannot be counted")),
        (Some(_), Some(_)) | (None, _) => {}
    }
}

fn keep<T: PartialEq>(slot: &mut Option<T>, said: Option<T>, what: &'static str, twice: &mut Vec<&'static str>) {
    match (slot.as_ref(), said) {
        (_, None) => {}
        (None, said) => *slot = said,
        (Some(before), Some(said)) if *before == said => {}
        (Some(_), Some(_)) => twice.push(what),
    }
}

fn count(into: &mut (u64, Option<Fen>), amount: Option<Fen>) {
    into.0 += 1;
    match amount {
        Some(amount) => add(&mut into.1, amount),
        None => into.1 = None,
    }
}

/// Whether a definite word above leaves no place for the one below.
const fn contradicts(above: Meaning, below: Meaning) -> bool {
    match (above.outcome, above.is_final) {
        (Outcome::Failed, true) => !matches!(below.outcome, Outcome::Failed),
        (Outcome::Paid, true) => !matches!(below.outcome, Outcome::Paid),
        (Outcome::Failed | Outcome::Paid, false) | (Outcome::Accepted | Outcome::Returned | Outcome::Unknown, _) => false,
    }
}

fn short(text: &str) -> String {
    text.chars().take(20).collect()
}
