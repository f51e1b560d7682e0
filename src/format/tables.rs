//! Where the tables that are called GBK and GB18030 part. `encoding_rs` has the web's; what another table has otherwise stands here, as its
//! own encoder and decoder gave it (JDK 17: `GBK`, `x-mswin-936`, `GB18030` with its older mapping).

use super::charset::Dialect;

/// Characters that the web's GBK has and the two older tables have not: they keep these bytes for private use.
const BEYOND_1995: &[(u32, u32)] = &[
    (0x01F9, 0x01F9),
    (0x1E3F, 0x1E3F),
    (0x2E81, 0x2E81),
    (0x2E84, 0x2E84),
    (0x2E88, 0x2E88),
    (0x2E8B, 0x2E8C),
    (0x2E97, 0x2E97),
    (0x2EA7, 0x2EA7),
    (0x2EAA, 0x2EAA),
    (0x2EAE, 0x2EAE),
    (0x2EB3, 0x2EB3),
    (0x2EB6, 0x2EB7),
    (0x2EBB, 0x2EBB),
    (0x2ECA, 0x2ECA),
    (0x2FF0, 0x2FFB),
    (0x303E, 0x303E),
    (0x3400, 0x4DBF),
    (0x9FA6, 0x9FFF),
    (0xFE10, 0xFE19),
];

/// Those that GB18030 moved between its editions: vertical signs and eight parts of hanzi.
const MOVED_IN_2022: [(char, char, [u8; 4]); 2] =
    [('\u{9FB4}', '\u{9FBB}', [0x82, 0x35, 0x90, 0x37]), ('\u{FE10}', '\u{FE19}', [0x84, 0x31, 0x82, 0x36])];

const EURO: char = '\u{20AC}';
/// ♁, which Java has where the others have ⊕.
const EARTH: char = '\u{2641}';
const CIRCLED_PLUS: char = '\u{2295}';

impl Dialect {
    /// Whether this table has anything otherwise than the web's.
    pub(super) const fn parts_from_the_web(self) -> bool {
        match self {
            Self::GbkJava | Self::Cp936 | Self::Gb18030Of2005 | Self::Gb18030Of2022 => true,
            Self::Gbk | Self::GbkWeb | Self::Gb18030 | Self::Utf8 | Self::Utf8Bom => false,
        }
    }

    /// Why a character has no bytes in this table, though it has some in the web's.
    pub(super) fn lacks(self, c: char) -> Option<&'static str> {
        let is_beyond = || BEYOND_1995.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
        match self {
            Self::GbkJava if c == CIRCLED_PLUS || is_beyond() => Some("does not exist in the bank's character set (Java's GBK)"),
            Self::Cp936 if is_beyond() => Some("does not exist in the bank's character set (Windows' 936)"),
            Self::Gbk
            | Self::GbkWeb
            | Self::GbkJava
            | Self::Cp936
            | Self::Gb18030
            | Self::Gb18030Of2005
            | Self::Gb18030Of2022
            | Self::Utf8
            | Self::Utf8Bom => None,
        }
    }

    /// The bytes of a character that this table has and the web's has otherwise, or not.
    pub(super) fn own_bytes(self, c: char) -> Option<Vec<u8>> {
        match (self, c) {
            (Self::GbkJava, EURO) => Some(vec![0xA2, 0xE3]),
            (Self::GbkJava, EARTH) => Some(vec![0xA8, 0x92]),
            (Self::Gb18030Of2005, c) => {
                let (first, _, bytes) = MOVED_IN_2022.iter().find(|(first, last, _)| (*first..=*last).contains(&c))?;
                Some(four_bytes(*bytes, u32::from(c) - u32::from(*first)))
            }
            _ => None,
        }
    }

    /// Whether the web's reading of these bytes may not be this table's: then it counts only where it would be written so.
    pub(super) fn may_be_read_otherwise(self, text: &str) -> bool {
        let is_odd = |c: char| {
            let moved = || MOVED_IN_2022.iter().any(|(first, last, _)| (*first..=*last).contains(&c));
            match self {
                Self::GbkJava => c == EURO || c == EARTH || self.lacks(c).is_some(),
                Self::Cp936 => c == EURO || self.lacks(c).is_some(),
                Self::Gb18030Of2005 | Self::Gb18030Of2022 => moved(),
                Self::Gbk | Self::GbkWeb | Self::Gb18030 | Self::Utf8 | Self::Utf8Bom => false,
            }
        };
        !text.is_ascii() && text.chars().any(is_odd)
    }

    /// The character that this table means where the web's says another.
    pub(super) const fn own_reading(self, c: char) -> char {
        match (self, c) {
            (Self::GbkJava, CIRCLED_PLUS) => EARTH,
            (_, c) => c,
        }
    }
}

/// The sequence so many places behind another: digits of 10, 126, 10 and as many as there are.
fn four_bytes([a, b, c, d]: [u8; 4], by: u32) -> Vec<u8> {
    let digit = |byte: u8, base: u8| u32::from(byte) - u32::from(base);
    let at = ((digit(a, 0x81) * 10 + digit(b, 0x30)) * 126 + digit(c, 0x81)) * 10 + digit(d, 0x30) + by;
    let byte = |digit: u32, base: u8| u8::try_from(digit + u32::from(base)).unwrap_or(base);
    vec![byte(at / 12_600, 0x81), byte(at / 1_260 % 10, 0x30), byte(at / 10 % 126, 0x81), byte(at % 10, 0x30)]
}
