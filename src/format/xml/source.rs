//! The bytes of an XML file as text: decoded strictly, piece by piece, in bounded memory. A piece ends before a byte that is
//! no part of a longer character in any character set that banks use, so that a character is never cut in two.

use std::fmt;
use std::io::{self, BufRead, Read};

use encoding_rs::{DecoderResult, Encoding};

use crate::format::charset::Dialect;
use crate::format::totals::{Tallier, Tally};

const CHUNK: usize = 128 * 1024;
/// No tag, text or comment is longer than this.
const EVENT_MAX: usize = 1024 * 1024;
/// No value is longer than this.
pub const TEXT_MAX: usize = 256 * 1024;
/// How far the declaration is looked for.
const HEAD: usize = 1024;

/// What is wrong with an XML file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlFault {
    /// Where.
    pub place: Place,
    /// What, without a personal value.
    pub what: String,
}

impl fmt::Display for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.place.line, self.place.column, self.what)
    }
}

/// A place in a text, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

impl Place {
    /// The beginning.
    pub const START: Self = Self { line: 1, column: 1 };

    fn pass(&mut self, text: &[u8]) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let is_head = |b: &&u8| **b & 0xC0 != 0x80;
        if let Some(last) = memchr::memrchr(b'\n', text) {
            self.line += count(memchr::memchr_iter(b'\n', text).count());
            self.column = 1;
            self.column += count(text.get(last + 1..).unwrap_or_default().iter().filter(is_head).count());
        } else {
            self.column += count(text.iter().filter(is_head).count());
        }
    }
}

/// How bytes become text.
#[derive(Clone, Copy, Debug)]
pub enum Charset {
    /// As a profile says; what the file declares must not contradict it.
    Agreed(Dialect),
    /// As the file's first bytes and its declaration say.
    Declared,
}

#[derive(Clone, Copy, Debug)]
enum Table {
    Dialect(Dialect),
    Other(&'static Encoding),
    Utf16 { is_big: bool },
}

/// Decoded text, with the place that reading has reached.
pub struct Source<'r> {
    inner: &'r mut dyn Read,
    table: Table,
    raw: Vec<u8>,
    text: String,
    at: usize,
    is_at_end: bool,
    budget: usize,
    place: Place,
    fault: Option<XmlFault>,
    tallier: Tallier,
    scratch: String,
}

impl<'r> Source<'r> {
    /// Looks at the first bytes, and decides how the rest is read.
    ///
    /// # Errors
    /// When reading fails, or the character set is unknown or not the agreed one.
    pub fn new(inner: &'r mut dyn Read, charset: Charset, tallier: Tallier) -> io::Result<Result<Self, XmlFault>> {
        let mut raw = Vec::with_capacity(CHUNK);
        (&mut *inner).take(u64::try_from(HEAD).unwrap_or(u64::MAX)).read_to_end(&mut raw)?;
        let mut this = Self {
            inner,
            table: Table::Dialect(Dialect::Utf8),
            raw,
            text: String::new(),
            at: 0,
            is_at_end: false,
            budget: EVENT_MAX,
            place: Place::START,
            fault: None,
            tallier,
            scratch: String::new(),
        };
        this.tallier.update(&this.raw);
        Ok(this.choose(charset).map(|()| this))
    }

    fn choose(&mut self, charset: Charset) -> Result<(), XmlFault> {
        let fault = |what: String| XmlFault { place: Place::START, what };
        let (table, mark) = match self.raw.as_slice() {
            [0xEF, 0xBB, 0xBF, ..] => (Some(Table::Dialect(Dialect::Utf8)), 3),
            [0xFF, 0xFE, ..] => (Some(Table::Utf16 { is_big: false }), 2),
            [0xFE, 0xFF, ..] => (Some(Table::Utf16 { is_big: true }), 2),
            _ => (None, 0),
        };
        let declared = match table {
            Some(Table::Utf16 { .. }) => None,
            Some(Table::Dialect(_) | Table::Other(_)) | None => declared_label(self.raw.get(mark..).unwrap_or_default()),
        };
        let named = match &declared {
            None => None,
            Some(label) => Some(table_of(label).ok_or_else(|| fault(format!("declares the unknown character set {label:?}")))?),
        };
        self.table = match charset {
            Charset::Declared => match (table, named) {
                (Some(marked @ Table::Utf16 { .. }), _) => marked,
                (Some(Table::Dialect(_)), Some(Table::Dialect(Dialect::Gbk | Dialect::Gb18030) | Table::Other(_))) => {
                    return Err(fault("begins with the mark of UTF-8 and declares another character set".to_owned()));
                }
                (Some(marked), _) => marked,
                (None, Some(named)) => named,
                (None, None) => Table::Dialect(Dialect::Utf8),
            },
            Charset::Agreed(dialect) => {
                let is_utf8 = |d: Dialect| matches!(d, Dialect::Utf8 | Dialect::Utf8Bom);
                let agrees = |t: &Table| match t {
                    Table::Dialect(d) => is_utf8(*d) == is_utf8(dialect),
                    Table::Other(_) | Table::Utf16 { .. } => false,
                };
                if let Some(other) = table.iter().chain(&named).find(|t| !agrees(t)) {
                    return Err(fault(format!("is in {}, and the profile says {dialect:?}", name_of(*other))));
                }
                Table::Dialect(dialect)
            }
        };
        self.raw.drain(..mark);
        Ok(())
    }

    /// Begins a new event.
    pub fn renew(&mut self) {
        self.budget = EVENT_MAX;
    }

    /// How far reading has come.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// What stopped reading, if it was the file's own fault.
    pub const fn take_fault(&mut self) -> Option<XmlFault> {
        self.fault.take()
    }

    /// What was counted, once everything was read.
    ///
    /// # Errors
    /// When reading fails.
    pub fn finish(mut self) -> io::Result<Tally> {
        let mut rest = vec![0; CHUNK];
        while !self.is_at_end {
            let n = self.inner.read(&mut rest)?;
            self.is_at_end = n == 0;
            self.tallier.update(rest.get(..n).unwrap_or_default());
        }
        Ok(self.tallier.finish())
    }

    /// Decodes the next piece; `false` at the end.
    fn load(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.at = 0;
        loop {
            let cut = self.cut();
            if cut > 0 {
                return self.decode(cut).map(|()| true);
            }
            if self.is_at_end {
                let rest = self.raw.len();
                return if rest == 0 { Ok(false) } else { self.decode(rest).map(|()| true) };
            }
            if self.raw.len() > EVENT_MAX {
                return Err(self.broken(format!("a tag, text or comment is longer than {EVENT_MAX} bytes")));
            }
            let head = self.raw.len();
            self.raw.resize(head + CHUNK, 0);
            let read = self.inner.read(self.raw.get_mut(head..).unwrap_or_default());
            let n = match read {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(e),
            };
            self.raw.truncate(head + n);
            self.is_at_end = n == 0;
            self.tallier.update(self.raw.get(head..).unwrap_or_default());
        }
    }

    /// How many bytes may be decoded by themselves.
    fn cut(&self) -> usize {
        match self.table {
            Table::Utf16 { is_big } => {
                let even = self.raw.len() & !1;
                let lead = if is_big { 2 } else { 1 };
                let is_half = even >= 2 && self.raw.get(even - lead).is_some_and(|b| (0xD8..0xDC).contains(b));
                if is_half { even - 2 } else { even }
            }
            // Second bytes begin at 0x30 in every multi-byte set: what is smaller stands for itself.
            Table::Dialect(_) | Table::Other(_) => self.raw.iter().rposition(|b| *b < 0x30).map_or(0, |at| at + 1),
        }
    }

    fn decode(&mut self, cut: usize) -> io::Result<()> {
        let bytes = self.raw.get(..cut).unwrap_or_default();
        let decoded = match self.table {
            Table::Dialect(dialect) => dialect.decode(bytes, &mut self.scratch).map(|text| self.text.push_str(text)),
            Table::Other(encoding) => {
                self.text.reserve(bytes.len() * 3 + 16);
                let mut decoder = encoding.new_decoder_without_bom_handling();
                match decoder.decode_to_string_without_replacement(bytes, &mut self.text, true).0 {
                    DecoderResult::InputEmpty => Ok(()),
                    DecoderResult::OutputFull | DecoderResult::Malformed(_, _) => Err("is not valid in the declared character set"),
                }
            }
            Table::Utf16 { is_big } => {
                let unit = |pair: &[u8]| match pair {
                    [a, b] if is_big => u16::from_be_bytes([*a, *b]),
                    [a, b] => u16::from_le_bytes([*a, *b]),
                    _ => 0xD800,
                };
                let text: Result<String, _> = char::decode_utf16(bytes.chunks(2).map(unit)).collect();
                text.map(|t| self.text.push_str(&t)).map_err(|_| "is not valid UTF-16")
            }
        };
        let decoded = decoded.and(if self.text.contains('\0') { Err("holds a zero byte") } else { Ok(()) });
        let Err(what) = decoded else {
            self.raw.drain(..cut);
            return Ok(());
        };
        // What stands before it is read first, however much came at once.
        self.text.clear();
        match self.sound(cut) {
            0 => Err(self.broken(what.to_owned())),
            sound => self.decode(sound),
        }
    }

    /// How many bytes before the fault can be read by themselves.
    fn sound(&mut self, cut: usize) -> usize {
        let bytes = self.raw.get(..cut).unwrap_or_default();
        let scratch = &mut self.scratch;
        let is_sound = |piece: &&[u8]| match self.table {
            Table::Dialect(dialect) => dialect.decode(piece, scratch).is_ok_and(|text| !text.contains('\0')),
            Table::Other(encoding) => !piece.contains(&0) && encoding.decode_without_bom_handling_and_without_replacement(piece).is_some(),
            Table::Utf16 { .. } => false,
        };
        bytes.split_inclusive(|b| *b < 0x30).take_while(is_sound).map(<[u8]>::len).sum()
    }

    fn broken(&mut self, what: String) -> io::Error {
        let error = io::Error::new(io::ErrorKind::InvalidData, what.clone());
        self.fault = Some(XmlFault { place: self.place, what });
        error
    }
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(out.len());
        for (to, from) in out.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.budget == 0 {
            return Err(self.broken(format!("a tag, text or comment is longer than {EVENT_MAX} bytes")));
        }
        if self.at >= self.text.len() {
            while self.load()? && self.text.is_empty() {}
        }
        Ok(self.text.as_bytes().get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        let end = (self.at + amount).min(self.text.len());
        self.place.pass(self.text.as_bytes().get(self.at..end).unwrap_or_default());
        self.budget = self.budget.saturating_sub(end - self.at);
        self.at = end;
    }
}

/// What `<?xml … encoding="…"?>` says.
fn declared_label(head: &[u8]) -> Option<String> {
    let end = memchr::memmem::find(head, b"?>")?;
    let declaration = std::str::from_utf8(head.get(..end)?).ok()?;
    let rest = declaration.trim_start().strip_prefix("<?xml")?;
    let (_, rest) = rest.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest.get(1..)?.split_once(quote).map(|(label, _)| label.trim().to_owned())
}

fn table_of(label: &str) -> Option<Table> {
    Some(match label.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Table::Dialect(Dialect::Utf8),
        "gbk" | "gb2312" | "gb_2312-80" | "cp936" | "windows-936" => Table::Dialect(Dialect::Gbk),
        "gb18030" => Table::Dialect(Dialect::Gb18030),
        "utf-16" | "utf-16be" | "utf-16le" => return None,
        other => Table::Other(Encoding::for_label_no_replacement(other.as_bytes())?),
    })
}

fn name_of(table: Table) -> String {
    match table {
        Table::Dialect(dialect) => format!("{dialect:?}"),
        Table::Other(encoding) => encoding.name().to_owned(),
        Table::Utf16 { .. } => "UTF-16".to_owned(),
    }
}
