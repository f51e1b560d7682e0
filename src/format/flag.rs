//! Flag files: the small file that says another one is whole, such as `<bytes>|<lines>|<sm3 hex>`.

use regex::Regex;

use super::template::{self, Piece};
use super::totals::{DigestKind, Tally};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlagValue {
    Bytes,
    Lines,
    Digest(DigestKind),
}

/// A flag's content: what we write, and how the bank's is checked.
#[derive(Clone, Debug)]
pub struct FlagPattern {
    pieces: Vec<Piece<FlagValue>>,
    regex: Regex,
    values: Vec<FlagValue>,
}

impl FlagPattern {
    /// Reads a template such as `{bytes}|{lines}|{sm3}` with its line end. An empty one is an empty flag file.
    ///
    /// # Errors
    /// Says what is wrong and what is allowed.
    pub fn new(text: &str) -> Result<Self, String> {
        let token = |name: &str, format: Option<&str>| match (name, format) {
            ("bytes", None) => Ok(FlagValue::Bytes),
            ("lines", None) => Ok(FlagValue::Lines),
            ("sha256", None) => Ok(FlagValue::Digest(DigestKind::Sha256)),
            ("sm3", None) => Ok(FlagValue::Digest(DigestKind::Sm3)),
            ("md5", None) => Ok(FlagValue::Digest(DigestKind::Md5)),
            (other, _) => Err(format!("{{{other}}} is not a value of a flag; allowed: bytes, lines, sha256, sm3, md5")),
        };
        let pieces = template::parse(text, &token)?;
        let mut pattern = String::from("^");
        let mut values = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Literal(literal) => pattern.push_str(&regex::escape(literal.trim_end_matches(['\r', '\n']))),
                Piece::Value(value) => {
                    values.push(*value);
                    pattern.push_str(match value {
                        FlagValue::Bytes | FlagValue::Lines => r"0*(\d{1,19})",
                        FlagValue::Digest(_) => "([0-9A-Fa-f]+)",
                    });
                }
                Piece::Optional(_) => return Err("[ ] has no place in a flag".to_owned()),
            }
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|e| e.to_string())?;
        Ok(Self { pieces, regex, values })
    }

    /// Which digests it needs.
    #[must_use]
    pub fn digests(&self) -> Vec<DigestKind> {
        let digest = |v: &FlagValue| match v {
            FlagValue::Digest(kind) => Some(*kind),
            FlagValue::Bytes | FlagValue::Lines => None,
        };
        self.values.iter().filter_map(digest).collect()
    }

    /// The flag's bytes for a data file.
    #[must_use]
    pub fn render(&self, data: &Tally) -> Vec<u8> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Value(value) => out.push_str(&value_of(*value, data)),
                Piece::Optional(_) => {}
            }
        }
        out.into_bytes()
    }

    /// Whether the bank's flag speaks of this data file.
    ///
    /// # Errors
    /// Says which value differs, and how.
    pub fn check(&self, flag: &[u8], data: &Tally) -> Result<(), String> {
        let text = std::str::from_utf8(flag).map_err(|_| "the flag file is not plain text".to_owned())?;
        let line = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        let found = self.regex.captures(line).ok_or_else(|| {
            let shown: String = line.chars().take(120).collect();
            format!("the flag file says {shown:?}, which has not the agreed form")
        })?;
        for (value, said) in self.values.iter().zip(found.iter().skip(1).flatten()) {
            let (said, is) = (said.as_str(), value_of(*value, data));
            let (what, differs) = match value {
                FlagValue::Bytes => ("bytes", said != is),
                FlagValue::Lines => ("lines", said != is),
                FlagValue::Digest(DigestKind::Sha256) => ("SHA-256", !said.eq_ignore_ascii_case(&is)),
                FlagValue::Digest(DigestKind::Sm3) => ("SM3", !said.eq_ignore_ascii_case(&is)),
                FlagValue::Digest(DigestKind::Md5) => ("MD5", !said.eq_ignore_ascii_case(&is)),
            };
            if differs {
                return Err(format!("the flag file says {what} {said}, the data file has {is}"));
            }
        }
        Ok(())
    }
}

fn value_of(value: FlagValue, data: &Tally) -> String {
    match value {
        FlagValue::Bytes => data.bytes.to_string(),
        FlagValue::Lines => data.lines.to_string(),
        FlagValue::Digest(kind) => data.digest(kind).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::totals::Tallier;
    use super::*;

    #[test]
    fn a_flag_is_written_and_every_difference_is_named() {
        let flag = FlagPattern::new("{bytes}|{lines}|{sm3}\n").unwrap();
        let mut tallier = Tallier::new(&flag.digests());
        tallier.update(b"abc");
        let data = tallier.finish();
        let sm3 = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        let written = flag.render(&data);
        assert_eq!(written, format!("3|1|{sm3}\n").into_bytes());
        assert_eq!(flag.check(&written, &data), Ok(()));
        assert_eq!(flag.check(format!("3|1|{}\r\n", sm3.to_uppercase()).as_bytes(), &data), Ok(()));
        for (text, part) in [
            (format!("4|1|{sm3}\n"), "bytes 4"),
            (format!("3|2|{sm3}\n"), "lines 2"),
            (format!("3|1|{}\n", sm3.replace('6', "5")), "SM3"),
            (format!("3|1|{sm3}\n\n"), "agreed form"),
            (format!("3|1|{sm3}x"), "agreed form"),
            (String::new(), "agreed form"),
        ] {
            let error = flag.check(text.as_bytes(), &data).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        assert!(FlagPattern::new("{size}").unwrap_err().contains("allowed"));
    }
}
