//! Lists as CSV (or tab-separated text), in UTF-8 or GB18030, read as a stream.
//!
//! The file is read twice: first only to prove its characters, because a first line of digits says nothing about the
//! name in line 40,000; then row by row. Nothing is ever replaced: what neither charset holds is refused.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use encoding_rs::{Decoder, DecoderResult, GB18030, UTF_8};

use super::cells::Cell;
use super::columns::Header;
use super::rows::{Rows, no_cells};
use super::{Charset, ListError, ListHead, ListRow, ListSummary};

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
const CHUNK: usize = 64 * 1024;

/// Reads a CSV list and hands each row to `sink` until the first fault; then reads on for the other faults only.
///
/// # Errors
/// When it is no CSV in a charset that is read here, or the sink stops. Faults in its rows are in the summary.
pub fn read_csv<R: Read + Seek>(mut reader: R, sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    let (mut records, charset) = Records::open(&mut reader)?;
    let mut rows = Rows::new(sink);
    let mut record = csv::StringRecord::new();
    let mut header: Option<Header> = None;
    while let Some(line) = records.next(&mut record)? {
        if record.iter().all(str::is_empty) {
            continue;
        }
        match &header {
            None => match Header::read(line, record.iter(), &mut rows.faults) {
                Some(read) => header = Some(read),
                None => return Ok(rows.finish(ListHead::default(), Some(charset))),
            },
            Some(header) => take(line, header, &record, &mut rows)?,
        }
    }
    if header.is_none() {
        return Err(ListError::Empty);
    }
    Ok(rows.finish(ListHead::default(), Some(charset)))
}

/// Records of a text with delimiters, in whichever of the two charsets the whole file is; each with its row, as a spreadsheet
/// program counts rows: blank lines count, line breaks inside cells do not.
pub(in crate::format) struct Records<R: Read> {
    records: csv::Reader<Utf8Lines<R>>,
    breaks: u64,
}

impl<R: Read + Seek> Records<R> {
    /// Proves the file's characters, then starts at its first record.
    ///
    /// # Errors
    /// It cannot be read, or is no text in a charset that is read here.
    pub(in crate::format) fn open(mut reader: R) -> Result<(Self, Charset), ListError> {
        let opening = opening(&mut reader)?;
        let start = u64::try_from(if opening.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 }).unwrap_or(0);
        let charset = charset(&mut reader, start)?;
        reader.seek(SeekFrom::Start(start))?;
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .delimiter(delimiter(&opening))
            .from_reader(Utf8Lines::new(reader, decoder(charset)));
        Ok((Self { records, breaks: 0 }, charset))
    }

    /// The next record's row; none at the end.
    ///
    /// # Errors
    /// It cannot be read, or was changed since its characters were proven.
    pub(in crate::format) fn next(&mut self, record: &mut csv::StringRecord) -> io::Result<Option<u64>> {
        if !self.records.read_record(record)? {
            return Ok(None);
        }
        self.breaks += u64::try_from(record.iter().flat_map(str::bytes).filter(|b| *b == b'\n').count()).unwrap_or(0);
        // The position behind the record: the one that it carries itself lies before the blank lines that were skipped.
        Ok(Some(self.records.position().line().saturating_sub(1).saturating_sub(self.breaks)))
    }
}

fn take(line: u64, header: &Header, record: &csv::StringRecord, rows: &mut Rows<'_>) -> Result<(), ListError> {
    if record.len() != header.len() {
        let what = format!("{} cells under {} columns", record.len(), header.len());
        rows.faults.tell(line, "", what, "look for a comma or a quote inside a cell; a spreadsheet program writes them right");
    }
    let mut cells = no_cells();
    for (at, text) in record.iter().enumerate() {
        match header.place(at).map(|place| place.column) {
            Some(Some(column)) => {
                if let Some(cell) = cells.get_mut(column.index()) {
                    *cell = Cell::Text(text.into());
                }
            }
            Some(None) if !text.is_empty() => {
                rows.faults.tell(line, "", "a value in a column without a header", "name the column, or remove it")
            }
            Some(None) | None => {}
        }
    }
    rows.take(line, header, &cells)
}

/// The first bytes, up to the end of the first line that has any.
fn opening<R: Read + Seek>(reader: &mut R) -> Result<Vec<u8>, ListError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut opening = Vec::new();
    BufReader::new(reader.by_ref().take(8 * 1024)).read_until(b'\n', &mut opening)?;
    match opening.as_slice() {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(ListError::Utf16),
        [b'P', b'K', 3, 4, ..] | [0xD0, 0xCF, 0x11, 0xE0, ..] => Err(ListError::Disguised),
        _ => Ok(opening),
    }
}

/// Tab where the first line has more of them than commas. Neither is ever a part of a GBK character.
fn delimiter(opening: &[u8]) -> u8 {
    let count = |sought: u8| opening.iter().filter(|b| **b == sought).count();
    if count(b'\t') > count(b',') { b'\t' } else { b',' }
}

fn decoder(charset: Charset) -> Decoder {
    match charset {
        Charset::Utf8 => UTF_8.new_decoder_without_bom_handling(),
        Charset::Gb18030 => GB18030.new_decoder_without_bom_handling(),
    }
}

/// UTF-8 where the whole file is, else GB18030 where the whole file is.
fn charset<R: Read + Seek>(reader: &mut R, start: u64) -> Result<Charset, ListError> {
    let mut worst_line = 0;
    for charset in [Charset::Utf8, Charset::Gb18030] {
        reader.seek(SeekFrom::Start(start))?;
        match malformed_at(reader, decoder(charset))? {
            None => return Ok(charset),
            // The charset that holds longer is the likelier one.
            Some(line) => worst_line = worst_line.max(line),
        }
        if start > 0 {
            break;
        }
    }
    Err(ListError::Charset { line: worst_line })
}

/// The line of the first bytes that are no character.
fn malformed_at<R: Read>(reader: &mut R, mut decoder: Decoder) -> Result<Option<u64>, ListError> {
    let mut raw = vec![0; CHUNK];
    let mut text = String::new();
    let mut line = 1;
    loop {
        let n = read_some(reader, &mut raw)?;
        let chunk = raw.get(..n).unwrap_or_default();
        let (is_sound, read) = decode(&mut decoder, chunk, n == 0, &mut text);
        line += u64::try_from(chunk.iter().take(read).filter(|b| **b == b'\n').count()).unwrap_or(0);
        if !is_sound {
            return Ok(Some(line));
        }
        if n == 0 {
            return Ok(None);
        }
    }
}

/// Decodes a chunk into `text`, anew. Says whether all of it was sound, and how many bytes were read.
fn decode(decoder: &mut Decoder, chunk: &[u8], is_last: bool, text: &mut String) -> (bool, usize) {
    text.clear();
    text.reserve(decoder.max_utf8_buffer_length_without_replacement(chunk.len()).unwrap_or(CHUNK * 4));
    let (result, read) = decoder.decode_to_string_without_replacement(chunk, text, is_last);
    match result {
        DecoderResult::InputEmpty => (true, read),
        // The text has room for the longest result, so a full one cannot be.
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => (false, read),
    }
}

fn read_some<R: Read>(reader: &mut R, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The file as UTF-8 in lines that all end in one line feed, the last one too: then the position behind a record tells
/// its line.
struct Utf8Lines<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: String,
    ready: Vec<u8>,
    taken: usize,
    /// A carriage return whose next byte is not known yet.
    holds_return: bool,
    last: u8,
    is_ended: bool,
}

impl<R: Read> Utf8Lines<R> {
    fn new(inner: R, decoder: Decoder) -> Self {
        Self {
            inner,
            decoder,
            raw: vec![0; CHUNK],
            text: String::new(),
            ready: Vec::new(),
            taken: 0,
            holds_return: false,
            last: b'\n',
            is_ended: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let n = read_some(&mut self.inner, &mut self.raw)?;
        let (is_sound, _) = decode(&mut self.decoder, self.raw.get(..n).unwrap_or_default(), n == 0, &mut self.text);
        if !is_sound {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the list was changed while it was read"));
        }
        self.ready.clear();
        self.taken = 0;
        for byte in self.text.bytes() {
            if self.holds_return && byte != b'\n' {
                self.ready.push(b'\r');
            }
            self.holds_return = byte == b'\r';
            if !self.holds_return {
                self.ready.push(byte);
            }
        }
        if n == 0 {
            self.is_ended = true;
            if self.holds_return || self.ready.last().copied().unwrap_or(self.last) != b'\n' {
                self.ready.push(b'\n');
            }
        }
        self.last = self.ready.last().copied().unwrap_or(self.last);
        Ok(())
    }
}

impl<R: Read> Read for Utf8Lines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if self.is_ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let mut rest = self.ready.get(self.taken..).unwrap_or_default();
        let n = rest.read(into)?;
        self.taken += n;
        Ok(n)
    }
}
