//! Lines out of a stream of bytes, in bounded memory: one buffer, no copy of a line, and a line without an end in sight is
//! given up after [`LINE_MAX`] bytes instead of filling the memory. Every byte is counted and digested as it passes.

use std::io::{self, Read};
use std::ops::Range;

use super::totals::Tallier;

/// No layout has lines longer than this.
pub const LINE_MAX: usize = 64 * 1024;
const CHUNK: usize = 256 * 1024;
/// How much of an endless line is kept to be shown.
const SHOWN: usize = 256;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes without the line feed, by [`Lines::bytes`].
    Whole {
        range: Range<usize>,
        /// Whether a line feed ended it.
        has_end: bool,
        /// Whether nothing follows.
        is_last: bool,
    },
    /// Longer than any line may be; its first bytes.
    TooLong(Vec<u8>),
}

/// The lines of a stream.
pub struct Lines<'r> {
    source: &'r mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_at_end: bool,
    tallier: Tallier,
}

impl<'r> Lines<'r> {
    /// Reads from here.
    pub fn new(source: &'r mut dyn Read, tallier: Tallier) -> Self {
        Self { source, buffer: vec![0; CHUNK + LINE_MAX], start: 0, end: 0, is_at_end: false, tallier }
    }

    /// The bytes of a line, until the next is asked for.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Takes off a byte order mark. `true` where there was one.
    ///
    /// # Errors
    /// When reading fails.
    pub fn skip_mark(&mut self, mark: &[u8]) -> io::Result<bool> {
        while self.end - self.start < mark.len() && self.fill()? {}
        let is_there = !mark.is_empty() && self.bytes(self.start..self.end).starts_with(mark);
        if is_there {
            self.start += mark.len();
        }
        Ok(is_there)
    }

    /// The next line.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut scanned = 0;
        loop {
            let found = memchr::memchr(b'\n', self.bytes(self.start + scanned..self.end)).map(|at| self.start + scanned + at);
            scanned = self.end - self.start;
            match found {
                Some(at) if at - self.start > LINE_MAX => {
                    let shown = self.bytes(self.start..self.start + SHOWN).to_vec();
                    self.start = at + 1;
                    return Ok(Some(Line::TooLong(shown)));
                }
                // Whether this line is the last is known only when the next byte, or the end, is in sight.
                Some(at) if at + 1 < self.end || self.is_at_end => {
                    let range = self.start..at;
                    self.start = at + 1;
                    return Ok(Some(Line::Whole { range, has_end: true, is_last: self.start == self.end }));
                }
                Some(at) => {
                    scanned = at - self.start;
                    self.fill()?;
                }
                None if self.is_at_end && scanned == 0 => return Ok(None),
                None if scanned > LINE_MAX => return self.give_up().map(Some),
                None if self.is_at_end => {
                    let range = self.start..self.end;
                    self.start = self.end;
                    return Ok(Some(Line::Whole { range, has_end: false, is_last: true }));
                }
                None => {
                    self.fill()?;
                }
            }
        }
    }

    /// Reads more; `false` at the end. What is unread moves to the head of the buffer.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.source.read(free) {
                Ok(read) => break read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        };
        self.tallier.update(self.buffer.get(self.end..self.end + read).unwrap_or_default());
        self.end += read;
        self.is_at_end = read == 0;
        Ok(read > 0)
    }

    /// Drops the rest of a line that is too long.
    fn give_up(&mut self) -> io::Result<Line> {
        let shown = self.bytes(self.start..self.end.min(self.start + SHOWN)).to_vec();
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.bytes(self.start..self.end)) {
                self.start += at + 1;
                return Ok(Line::TooLong(shown));
            }
            self.start = self.end;
            if !self.fill()? {
                return Ok(Line::TooLong(shown));
            }
        }
    }

    /// What was counted.
    pub fn finish(self) -> Tallier {
        self.tallier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(out.len());
            let (now, later) = self.0.split_at(n);
            out[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    fn split(bytes: &[u8], drip: usize) -> Vec<(Vec<u8>, bool, bool)> {
        let mut source = Drip(bytes, drip);
        let mut lines = Lines::new(&mut source, Tallier::new(&[]));
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            match line {
                Line::Whole { range, has_end, is_last } => out.push((lines.bytes(range).to_vec(), has_end, is_last)),
                Line::TooLong(shown) => out.push((shown, false, false)),
            }
        }
        out
    }

    #[test]
    fn lines_know_whether_they_are_whole_and_last() {
        for drip in [1, 2, 3, 100] {
            assert_eq!(split(b"", drip), []);
            assert_eq!(split(b"a\nbc\n", drip), [(b"a".to_vec(), true, false), (b"bc".to_vec(), true, true)]);
            assert_eq!(split(b"a\n\nb", drip), [(b"a".to_vec(), true, false), (vec![], true, false), (b"b".to_vec(), false, true)]);
        }
    }

    #[test]
    fn an_endless_line_is_given_up_and_the_next_is_read() {
        let mut bytes = vec![b'x'; 3 * (CHUNK + LINE_MAX)];
        bytes.extend_from_slice(b"\nok\n");
        let lines = split(&bytes, 50_000);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].0.len(), SHOWN);
        assert_eq!(lines[1], (b"ok".to_vec(), true, true));
        for length in [LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, CHUNK + LINE_MAX - 2, CHUNK + LINE_MAX - 1, CHUNK + LINE_MAX] {
            let mut bytes = vec![b'x'; length];
            bytes.extend_from_slice(b"\nok\n");
            for drip in [50_000, usize::MAX] {
                let lines = split(&bytes, drip);
                assert_eq!(lines.len(), 2, "a line of {length} bytes hides none behind it");
                assert_eq!(lines[0].0.len(), if length > LINE_MAX { SHOWN } else { length });
            }
        }
    }
}
