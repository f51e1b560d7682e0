//! A bank's character dialect: strict encoding and decoding, and the characters that a bank would not understand.
//!
//! "GBK" means at least three tables (the web's, Java's, Windows'), which agree on the hanzi of 1993 and differ at the
//! edges. What they read differently is refused before it is sent, even where it could be encoded: a bank compares names,
//! and a name that arrives as another one is paid to nobody. Nothing is substituted here: what a bank has agreed to is the
//! profile's (`substitute`).

use encoding_rs::{DecoderResult, EncoderResult, Encoding, GB18030, GBK};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a bank's text is written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// One and two bytes, what all three tables called GBK agree on.
    Gbk,
    /// GBK as the web reads it (WHATWG).
    #[serde(rename = "gbk-web")]
    GbkWeb,
    /// GBK as Java reads it.
    GbkJava,
    /// GBK as Windows reads it (code page 936).
    Cp936,
    /// One, two and four bytes: every character, but for some that moved between its editions.
    Gb18030,
    /// GB18030 as of 2005.
    #[serde(rename = "gb18030-2005")]
    Gb18030Of2005,
    /// GB18030 as of 2022.
    #[serde(rename = "gb18030-2022")]
    Gb18030Of2022,
    /// No byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// With a byte order mark at the head of the file.
    #[serde(rename = "utf-8-bom")]
    Utf8Bom,
}

/// A character that must not be sent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharFault {
    /// The character.
    pub found: char,
    /// Its place in the text, from 1.
    pub at: usize,
    /// Why the bank would not read it as it is meant.
    pub why: &'static str,
}

impl std::fmt::Display for CharFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "character {} (U+{:04X}) {}", self.at, u32::from(self.found), self.why)
    }
}

/// How much scratch space is kept between two pieces of text, at least.
const SCRATCH_KEPT: usize = 8 * 1024;

/// The byte order mark of UTF-8.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

impl Dialect {
    /// The table; `None` where Rust's own text already is the dialect.
    fn encoding(self) -> Option<&'static Encoding> {
        match self {
            Self::Gbk | Self::GbkWeb | Self::GbkJava | Self::Cp936 => Some(GBK),
            Self::Gb18030 | Self::Gb18030Of2005 | Self::Gb18030Of2022 => Some(GB18030),
            Self::Utf8 | Self::Utf8Bom => None,
        }
    }

    /// Appends the text's bytes, checked by decoding them again. On an error nothing is appended.
    ///
    /// # Errors
    /// The first character that this dialect does not carry.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), CharFault> {
        if text.is_ascii() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        if let Some((at, found, why)) = text.chars().enumerate().find_map(|(i, c)| self.disputed(c).map(|why| (i + 1, c, why))) {
            return Err(CharFault { found, at, why });
        }
        let Some(encoding) = self.encoding() else {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        };
        if self.parts_from_the_web() && text.chars().any(|c| self.own_bytes(c).is_some()) {
            return self.encode_by_parts(text, out);
        }
        let head = out.len();
        match encode_strictly(encoding, text, out) {
            Ok(()) if decodes_to(encoding, out.get(head..).unwrap_or_default(), text) => Ok(()),
            Ok(()) => {
                out.truncate(head);
                Err(first_not_round(encoding, text))
            }
            Err(found) => {
                out.truncate(head);
                let at = text.chars().position(|c| c == found).unwrap_or(0) + 1;
                Err(CharFault { found, at, why: "does not exist in the bank's character set" })
            }
        }
    }

    /// As [`Self::encode`], character by character: some have bytes of this table's own.
    fn encode_by_parts(self, text: &str, out: &mut Vec<u8>) -> Result<(), CharFault> {
        let head = out.len();
        for (i, c) in text.chars().enumerate() {
            if let Some(bytes) = self.own_bytes(c) {
                out.extend_from_slice(&bytes);
            } else if let Err(fault) = self.encode(c.encode_utf8(&mut [0; 4]), out) {
                out.truncate(head);
                return Err(CharFault { at: i + 1, ..fault });
            }
        }
        Ok(())
    }

    /// Bytes that a text has, if the dialect carries it.
    #[must_use]
    pub fn length(self, text: &str) -> Option<usize> {
        let Some(encoding) = self.encoding().filter(|_| !text.is_ascii()) else { return Some(text.len()) };
        let mut bytes = Vec::with_capacity(text.len());
        if self.parts_from_the_web() && text.chars().any(|c| self.own_bytes(c).is_some()) {
            return self.encode_by_parts(text, &mut bytes).ok().map(|()| bytes.len());
        }
        encode_strictly(encoding, text, &mut bytes).ok().map(|()| bytes.len())
    }

    /// Decodes one piece of text strictly. ASCII costs nothing; anything else is written into `scratch`.
    ///
    /// # Errors
    /// Says in words what is wrong: a byte sequence that the dialect does not have, or a character cut in two.
    pub fn decode<'a>(self, bytes: &'a [u8], scratch: &'a mut String) -> Result<&'a str, &'static str> {
        let Some(encoding) = self.encoding() else {
            return std::str::from_utf8(bytes).map_err(|_| "is not valid UTF-8");
        };
        if bytes.is_ascii() {
            return std::str::from_utf8(bytes).map_err(|_| "is not valid text");
        }
        if self.encoding() == Some(GBK) && has_four_byte_sequence(bytes) {
            return Err("holds a four-byte sequence, which GBK does not have (GB18030?)");
        }
        // The decoder touches all the space that it is given: one long line must not slow down every line behind it.
        let room = bytes.len() * 3 + 16;
        if scratch.capacity() > room.saturating_mul(4).max(SCRATCH_KEPT) {
            *scratch = String::new();
        }
        scratch.clear();
        scratch.reserve(room);
        let (result, _) = encoding.new_decoder_without_bom_handling().decode_to_string_without_replacement(bytes, scratch, true);
        match result {
            DecoderResult::InputEmpty => {}
            DecoderResult::OutputFull | DecoderResult::Malformed(_, _) => {
                return Err("is not valid in the bank's character set, or a character was cut in two");
            }
        }
        if !self.parts_from_the_web() {
            return Ok(scratch);
        }
        if scratch.chars().any(|c| self.own_reading(c) != c) {
            *scratch = scratch.chars().map(|c| self.own_reading(c)).collect();
        }
        if self.may_be_read_otherwise(scratch) && !self.writes(scratch, bytes) {
            return Err("holds a character that the bank's table does not have at these bytes");
        }
        Ok(scratch)
    }

    /// Whether a text would be written as exactly these bytes.
    fn writes(self, text: &str, bytes: &[u8]) -> bool {
        let mut out = Vec::with_capacity(bytes.len());
        self.encode(text, &mut out).is_ok() && out == bytes
    }

    /// Why this character would be read differently, or not at all, though it may have bytes in this dialect.
    fn disputed(self, c: char) -> Option<&'static str> {
        match c {
            '\u{FFFD}' => return Some("stands for a character that was lost"),
            '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => return Some("is a private-use character: only its maker knows it"),
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{0080}'..='\u{00A0}' => {
                return Some("is an invisible character");
            }
            _ => {}
        }
        if let Some(why) = self.lacks(c) {
            return Some(why);
        }
        let differs = match self {
            Self::Gbk => matches!(c,
                '\u{20AC}' | '\u{2295}' | '\u{01F9}' | '\u{1E3F}' | '\u{303E}' | '\u{2E80}'..='\u{2FFF}' | '\u{3400}'..='\u{4DBF}'
                | '\u{9FA6}'..='\u{9FFF}' | '\u{FE10}'..='\u{FE19}'),
            Self::Gb18030 => matches!(c,
                '\u{1E3F}' | '\u{9FB4}'..='\u{9FBB}' | '\u{FE10}'..='\u{FE19}' | '\u{20087}' | '\u{20089}' | '\u{200CC}' | '\u{215D7}'
                | '\u{2298F}' | '\u{241FE}'),
            Self::GbkWeb | Self::GbkJava | Self::Cp936 | Self::Gb18030Of2005 | Self::Gb18030Of2022 | Self::Utf8 | Self::Utf8Bom => false,
        };
        differs.then_some("is written differently by different tables of the bank's character set")
    }
}

/// The first character of a name that a bank would not compare as equal, though its character set may have it: look-alikes
/// of the interpunct U+00B7 of minority names, full-width letters and digits, wide and doubled blanks.
#[must_use]
pub fn name_fault(name: &str) -> Option<CharFault> {
    name.chars().enumerate().find_map(|(i, found)| {
        let why = match found {
            c if is_false_interpunct(c) || (c == '.' && !name.is_ascii()) => "is not the interpunct that banks know; it must be U+00B7 (·)",
            '\u{FF10}'..='\u{FF19}' | '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}' => {
                "is a full-width form; names have ordinary letters"
            }
            '\u{3000}' | '\u{2000}'..='\u{200A}' => "is a wide blank",
            '?' | '*' | '\u{25A1}' | '\u{3013}' => "stands for a character that was lost",
            _ => return None,
        };
        Some(CharFault { found, at: i + 1, why })
    })
}

const fn is_false_interpunct(c: char) -> bool {
    matches!(
        c,
        '\u{2022}'
            | '\u{2027}'
            | '\u{30FB}'
            | '\u{FF0E}'
            | '\u{FF65}'
            | '\u{2219}'
            | '\u{22C5}'
            | '\u{2024}'
            | '\u{0387}'
            | '\u{16EB}'
            | '\u{25CF}'
            | '\u{2E31}'
            | '\u{A78F}'
    )
}

/// A name as it is *compared* with what a bank returned: interpuncts, width forms and blanks made equal. Never for
/// anything that is sent or shown.
#[must_use]
pub fn fold_name(name: &str) -> String {
    let folded: String = name
        .chars()
        .map(|c| match c {
            '\u{00B7}' | '.' => '\u{00B7}',
            c if is_false_interpunct(c) => '\u{00B7}',
            '\u{3000}' | '\u{00A0}' => ' ',
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            c => c,
        })
        .collect();
    folded.trim().to_owned()
}

fn encode_strictly(encoding: &'static Encoding, text: &str, out: &mut Vec<u8>) -> Result<(), char> {
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    let mut piece = [0u8; 256];
    loop {
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut piece, true);
        out.extend_from_slice(piece.get(..written).unwrap_or_default());
        match result {
            EncoderResult::InputEmpty => return Ok(()),
            EncoderResult::OutputFull => rest = rest.get(read..).unwrap_or_default(),
            EncoderResult::Unmappable(c) => return Err(c),
        }
    }
}

/// Whether the bytes read back as exactly this text.
fn decodes_to(encoding: &'static Encoding, bytes: &[u8], text: &str) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut rest, mut left) = (bytes, text.as_bytes());
    let mut piece = [0u8; 256];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut piece, true);
        let Some(tail) = left.strip_prefix(piece.get(..written).unwrap_or_default()) else { return false };
        left = tail;
        match result {
            DecoderResult::InputEmpty => return left.is_empty(),
            DecoderResult::OutputFull => rest = rest.get(read..).unwrap_or_default(),
            DecoderResult::Malformed(_, _) => return false,
        }
    }
}

fn first_not_round(encoding: &'static Encoding, text: &str) -> CharFault {
    let mut bytes = Vec::new();
    let mut piece = [0u8; 4];
    let lost = text.chars().enumerate().find(|(_, c)| {
        bytes.clear();
        let one = c.encode_utf8(&mut piece);
        encode_strictly(encoding, one, &mut bytes).is_err() || !decodes_to(encoding, &bytes, one)
    });
    let (i, found) = lost.unwrap_or((0, '\u{FFFD}'));
    CharFault { found, at: i + 1, why: "does not come back from the bank's character set as it went" }
}

/// Walks lead and trail bytes; a digit as second byte begins the second half of a four-byte sequence.
fn has_four_byte_sequence(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [lead, tail @ ..] = rest {
        match (lead, tail) {
            (0x81..=0xFE, [0x30..=0x39, ..]) => return true,
            (0x81..=0xFE, [_, after @ ..]) => rest = after,
            (_, after) => rest = after,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(dialect: Dialect, text: &str) -> Result<Vec<u8>, CharFault> {
        let mut out = Vec::new();
        dialect.encode(text, &mut out).map(|()| out)
    }

    #[test]
    fn one_hundred_and_sixteen_hanzi_end_in_a_bar() {
        let mut scratch = String::new();
        let with_bar: Vec<String> = (0x81u8..=0xFE)
            .filter_map(|lead| Dialect::Gbk.decode(&[lead, b'|'], &mut scratch).ok().map(str::to_owned))
            .filter(|text| text.chars().all(|c| !('\u{E000}'..='\u{F8FF}').contains(&c)))
            .collect();
        let hanzi = with_bar.iter().filter(|t| t.chars().all(|c| ('\u{4E00}'..='\u{9FA5}').contains(&c))).count();
        assert_eq!(hanzi, 116);
        for name in ["珅", "億", "瑋", "弢", "晐", "寍"] {
            assert!(with_bar.iter().any(|t| t == name), "{name}");
            assert_eq!(encoded(Dialect::Gbk, name).unwrap().get(1), Some(&b'|'));
        }
        assert_eq!(encoded(Dialect::Gbk, "珅").unwrap(), [0xAB, 0x7C]);
    }

    #[test]
    fn what_three_tables_read_differently_is_refused_though_it_has_bytes() {
        for (text, dialect, refused) in [
            ("\u{4DAE}", Dialect::Gbk, true),
            ("\u{4DAE}", Dialect::Gb18030, false),
            ("€", Dialect::Gbk, true),
            ("€", Dialect::Gb18030, false),
            ("\u{9FB4}", Dialect::Gbk, true),
            ("\u{9FB4}", Dialect::Gb18030, true),
            ("\u{9FB4}", Dialect::Utf8, false),
            ("\u{E863}", Dialect::Gb18030, true),
            ("\u{FFFD}", Dialect::Utf8, true),
            ("𠮷", Dialect::Gbk, true),
            ("𠮷", Dialect::Gb18030, false),
            ("阿牛·木呷", Dialect::Gbk, false),
            ("〇", Dialect::Gbk, false),
        ] {
            assert_eq!(encoded(dialect, text).is_err(), refused, "{text} {dialect:?}");
        }
        assert_eq!(encoded(Dialect::Gbk, "·").unwrap(), [0xA1, 0xA4]);
    }

    #[test]
    fn a_named_table_has_its_own_bytes_and_no_others() {
        let mut scratch = String::new();
        // As each table's own encoder and decoder gave it: JDK 17 (GBK, x-mswin-936, GB18030 with its older mapping), WHATWG.
        for (dialect, text, bytes) in [
            (Dialect::GbkWeb, "€", b"\x80".as_slice()),
            (Dialect::GbkWeb, "\u{4DAE}", b"\xFE\x9F"),
            (Dialect::GbkWeb, "⊕", b"\xA8\x92"),
            (Dialect::GbkJava, "€", b"\xA2\xE3"),
            (Dialect::GbkJava, "王€♁五", b"\xCD\xF5\xA2\xE3\xA8\x92\xCE\xE5"),
            (Dialect::Cp936, "€", b"\x80"),
            (Dialect::Cp936, "⊕", b"\xA8\x92"),
            (Dialect::Gb18030Of2005, "\u{9FB4}", b"\x82\x35\x90\x37"),
            (Dialect::Gb18030Of2005, "\u{9FB7}", b"\x82\x35\x91\x30"),
            (Dialect::Gb18030Of2005, "\u{9FBB}王", b"\x82\x35\x91\x34\xCD\xF5"),
            (Dialect::Gb18030Of2005, "\u{FE14}", b"\x84\x31\x83\x30"),
            (Dialect::Gb18030Of2005, "\u{20087}", b"\x95\x32\x90\x31"),
            (Dialect::Gb18030Of2005, "\u{1E3F}", b"\xA8\xBC"),
            (Dialect::Gb18030Of2022, "\u{9FB4}", b"\xFE\x59"),
            (Dialect::Gb18030Of2022, "\u{FE10}", b"\xA6\xD9"),
            (Dialect::Gb18030Of2022, "\u{20087}", b"\x95\x32\x90\x31"),
        ] {
            assert_eq!(encoded(dialect, text).as_deref(), Ok(bytes), "{dialect:?} {text}");
            assert_eq!(dialect.decode(bytes, &mut scratch), Ok(text), "{dialect:?} {text}");
            assert_eq!(dialect.length(text), Some(bytes.len()), "{dialect:?} {text}");
        }
        for (dialect, text) in [
            (Dialect::GbkJava, "\u{4DAE}"),
            (Dialect::GbkJava, "⊕"),
            (Dialect::GbkJava, "\u{9FB4}"),
            (Dialect::Cp936, "\u{4DAE}"),
            (Dialect::Cp936, "♁"),
            (Dialect::Cp936, "\u{FE10}"),
            (Dialect::GbkWeb, "♁"),
            (Dialect::Gbk, "⊕"),
        ] {
            assert!(encoded(dialect, text).is_err(), "{dialect:?} {text}");
        }
        // Bytes that mean another character there, or none.
        for (dialect, bytes) in [
            (Dialect::GbkJava, b"\x80".as_slice()),
            (Dialect::GbkJava, b"\xFE\x9F"),
            (Dialect::Cp936, b"\xA2\xE3"),
            (Dialect::Cp936, b"\xFE\x9F"),
            (Dialect::Gb18030Of2005, b"\xFE\x59"),
            (Dialect::Gb18030Of2005, b"\xA6\xD9"),
            (Dialect::Gb18030Of2022, b"\x82\x35\x90\x37"),
        ] {
            assert!(dialect.decode(bytes, &mut scratch).is_err(), "{dialect:?} {bytes:02X?}");
        }
        let fault = encoded(Dialect::GbkJava, "王€⊕").unwrap_err();
        assert_eq!((fault.found, fault.at), ('⊕', 3));
    }

    #[test]
    fn everything_that_gbk_lets_through_is_two_bytes_outside_the_disputed_rows() {
        for c in ('\u{A1}'..='\u{FFFF}').filter(|c| !c.is_ascii()) {
            if let Ok(bytes) = encoded(Dialect::Gbk, c.encode_utf8(&mut [0; 4])) {
                let &[lead, trail] = bytes.as_slice() else { panic!("U+{:04X}: {} bytes", u32::from(c), bytes.len()) };
                assert!(!(lead == 0xFE && (0x50..=0xA0).contains(&trail)), "U+{:04X} is in the row that tables dispute", u32::from(c));
            }
        }
    }

    #[test]
    fn false_interpuncts_are_refused_one_by_one() {
        for c in ['\u{2022}', '\u{2027}', '\u{30FB}', '\u{FF0E}', '.'] {
            let fault = name_fault(&format!("阿牛{c}木呷")).unwrap();
            assert_eq!((fault.found, fault.at), (c, 3));
            assert_eq!(fold_name(&format!("阿牛{c}木呷")), "阿牛·木呷");
        }
        assert_eq!(name_fault("阿牛·木呷"), None);
        assert_eq!(name_fault("ANNA J. LEE"), None);
        assert!(name_fault("王?").is_some());
        assert_eq!(fold_name("王　五　　 "), "王 五");
        assert_eq!(fold_name("ＡＢ１"), "AB1");
    }

    #[test]
    fn decoding_is_strict() {
        let mut scratch = String::new();
        assert_eq!(Dialect::Gbk.decode(b"\xCD\xF5\xCE\xE5", &mut scratch), Ok("王五"));
        assert!(Dialect::Gbk.decode(b"\xCD\xF5\xCE", &mut scratch).is_err(), "cut through a character");
        assert!(Dialect::Gbk.decode(b"\xCD\xF5\xCE ", &mut scratch).is_err(), "a lead byte before padding");
        assert!(Dialect::Gbk.decode(b"\xFF", &mut scratch).is_err());
        let four = encoded(Dialect::Gb18030, "𠮷").unwrap();
        assert_eq!(four, [0x95, b'4', 0xB2, b'5'], "a four-byte sequence holds ASCII digits");
        assert_eq!(Dialect::Gb18030.decode(&four, &mut scratch), Ok("𠮷"));
        assert!(Dialect::Gbk.decode(&four, &mut scratch).is_err(), "GBK has no four-byte sequences");
        assert!(Dialect::Gb18030.decode(four.get(..2).unwrap(), &mut scratch).is_err());
    }
}
