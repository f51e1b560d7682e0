//! Flag files, sidecars and control messages: the small file that says another one is whole and what it holds, such as
//! `<bytes>|<lines>|<sm3 hex>`, `count=5` in lines, or a small XML message. One template says all of them.

use regex::Regex;

use super::amount::{MoneyForm, Unit};
use super::charset::Dialect;
use super::columns::BatchText;
use super::date::DateFormat;
use super::field::{BatchValue, Nature, Put, vocabulary};
use super::template::{self, Piece};
use super::totals::{DigestKind, Tally, Totals};

#[derive(Clone, Debug, PartialEq, Eq)]
enum FlagValue {
    Bytes,
    Lines,
    Digest(DigestKind),
    /// Of the text, where the file is a package around it.
    TextBytes,
    TextDigest(DigestKind),
    Count,
    Total(MoneyForm),
    Date(DateFormat),
    /// A text of the batch; of a bank's flag, whatever stands there.
    Text(BatchValue),
    /// Whatever stands there.
    Ignore,
}

impl FlagValue {
    const fn is_of_bytes(&self) -> bool {
        matches!(self, Self::Bytes | Self::Digest(_))
    }
}

const ALLOWED: &str = "bytes, lines, sha256, sm3, md5, text:bytes, text:sha256, text:sm3, text:md5, count, total:yuan, total:fen, date:<format>, ignore, and the texts of the batch (file_name, batch_no, unit_no, seq_no, payer_account, extra.x, ..)";

/// A flag's content: what we write, and how the bank's is checked.
#[derive(Clone, Debug)]
pub struct FlagPattern {
    pieces: Vec<Piece<FlagValue>>,
    regex: Regex,
    values: Vec<FlagValue>,
    dialect: Dialect,
    is_xml: bool,
}

impl FlagPattern {
    /// Reads a template such as `{bytes}|{lines}|{sm3}` with its line end. An empty one is an empty flag file.
    ///
    /// # Errors
    /// Says what is wrong and what is allowed.
    pub fn new(text: &str, dialect: Dialect, extras: &[&str]) -> Result<Self, String> {
        let token = |name: &str, format: Option<&str>| value(name, format, extras);
        let pieces = template::parse(text, &token)?;
        let mut pattern = String::from("^");
        let mut values = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => {
                    let is_last = at + 1 == pieces.len();
                    let shown = if is_last { literal.trim_end_matches(['\r', '\n']) } else { literal };
                    let lines: Vec<String> = shown.replace("\r\n", "\n").split('\n').map(regex::escape).collect();
                    pattern.push_str(&lines.join(r"\r?\n"));
                }
                Piece::Value(value) => {
                    values.push(value.clone());
                    match value {
                        FlagValue::Bytes | FlagValue::TextBytes | FlagValue::Lines | FlagValue::Count => {
                            pattern.push_str(r"0*([0-9]{1,19})")
                        }
                        FlagValue::Digest(_) | FlagValue::TextDigest(_) => pattern.push_str("([0-9A-Fa-f]+)"),
                        FlagValue::Total(_) => pattern.push_str("([0-9.,]+)"),
                        FlagValue::Date(format) => pattern.push_str(&format!("({})", format.pattern())),
                        FlagValue::Text(_) | FlagValue::Ignore => pattern.push_str(r"([^\r\n]*?)"),
                    }
                }
                Piece::Optional(_) => return Err("[ ] has no place in a flag".to_owned()),
            }
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|e| e.to_string())?;
        Ok(Self { pieces, regex, values, dialect, is_xml: text.trim_start().starts_with('<') })
    }

    /// Which digests it needs.
    #[must_use]
    pub fn digests(&self) -> Vec<DigestKind> {
        let digest = |v: &FlagValue| if let FlagValue::Digest(kind) | FlagValue::TextDigest(kind) = v { Some(*kind) } else { None };
        self.values.iter().filter_map(digest).collect()
    }

    /// Why we could not write it.
    pub fn cannot_render(&self) -> Option<String> {
        self.values.contains(&FlagValue::Ignore).then(|| "{ignore} is for what a bank sends".to_owned())
    }

    /// The flag's bytes for a data file.
    ///
    /// # Errors
    /// The value that is missing or cannot be written.
    pub fn render(&self, data: &Tally, batch: &BatchText<'_>) -> Result<Vec<u8>, String> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Value(value) => {
                    let text = self.shown(value, data, batch)?;
                    if self.is_xml {
                        out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
                    } else {
                        out.push_str(&text);
                    }
                }
                Piece::Optional(_) => {}
            }
        }
        let mut bytes = Vec::new();
        self.dialect.encode(&out, &mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    fn shown(&self, value: &FlagValue, data: &Tally, batch: &BatchText<'_>) -> Result<String, String> {
        Ok(match value {
            FlagValue::Bytes => data.bytes.to_string(),
            FlagValue::TextBytes => data.of_text().bytes.to_string(),
            FlagValue::Lines => data.lines.to_string(),
            FlagValue::Digest(kind) => data.digest(*kind).unwrap_or_default().to_owned(),
            FlagValue::TextDigest(kind) => data.of_text().digest(*kind).unwrap_or_default().to_owned(),
            FlagValue::Count => batch.facts().count.to_string(),
            FlagValue::Total(form) => {
                let mut out = Vec::new();
                form.write(&mut out, batch.facts().total)?;
                String::from_utf8_lossy(&out).into_owned()
            }
            FlagValue::Date(format) => format.render(batch.facts().date),
            FlagValue::Text(value) => batch.text(value)?,
            FlagValue::Ignore => String::new(),
        })
    }

    /// Whether it says anything of the file's own bytes, so that they can be held against it before a line is read.
    pub fn knows_bytes(&self) -> bool {
        self.values.iter().any(FlagValue::is_of_bytes)
    }

    /// Whether the bank's flag speaks of these bytes, whatever they mean.
    ///
    /// # Errors
    /// As [`FlagPattern::check`].
    pub fn check_bytes(&self, flag: &[u8], data: &Tally) -> Result<(), String> {
        self.compare(flag, data, &Totals::default(), FlagValue::is_of_bytes)
    }

    /// Whether the bank's flag speaks of this data file.
    ///
    /// # Errors
    /// Says which value differs, and how.
    pub fn check(&self, flag: &[u8], data: &Tally, found: &Totals) -> Result<(), String> {
        self.compare(flag, data, found, |_| true)
    }

    fn compare(&self, flag: &[u8], data: &Tally, found: &Totals, counts: impl Fn(&FlagValue) -> bool) -> Result<(), String> {
        let mut scratch = String::new();
        let flag = flag.strip_prefix(super::charset::BOM).unwrap_or(flag);
        let text = self.dialect.decode(flag, &mut scratch).map_err(|_| "the flag file is not plain text".to_owned())?;
        let line = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        let captured = self.regex.captures(line).ok_or_else(|| {
            let shown: String = line.chars().take(120).collect();
            format!("the flag file says {shown:?}, which has not the agreed form")
        })?;
        for (value, said) in self.values.iter().zip(captured.iter().skip(1).flatten()).filter(|(value, _)| counts(value)) {
            differs(value, said.as_str(), data, found)?;
        }
        Ok(())
    }
}

fn value(name: &str, format: Option<&str>, extras: &[&str]) -> Result<FlagValue, String> {
    let money = |unit| Ok(FlagValue::Total(MoneyForm::plain(unit)));
    match (name, format) {
        ("bytes", None) => Ok(FlagValue::Bytes),
        ("lines", None) => Ok(FlagValue::Lines),
        ("sha256", None) => Ok(FlagValue::Digest(DigestKind::Sha256)),
        ("sm3", None) => Ok(FlagValue::Digest(DigestKind::Sm3)),
        ("md5", None) => Ok(FlagValue::Digest(DigestKind::Md5)),
        ("text", Some("bytes")) => Ok(FlagValue::TextBytes),
        ("text", Some("sha256")) => Ok(FlagValue::TextDigest(DigestKind::Sha256)),
        ("text", Some("sm3")) => Ok(FlagValue::TextDigest(DigestKind::Sm3)),
        ("text", Some("md5")) => Ok(FlagValue::TextDigest(DigestKind::Md5)),
        ("count", None) => Ok(FlagValue::Count),
        ("total", Some("yuan")) => money(Unit::Yuan),
        ("total", Some("fen")) => money(Unit::Fen),
        ("ignore", None) => Ok(FlagValue::Ignore),
        ("date", Some(word)) => DateFormat::from_word(word)
            .map(FlagValue::Date)
            .ok_or_else(|| format!("{word:?} is not a date format; allowed: {}", DateFormat::ALLOWED)),
        ("seq_no", None) => Ok(FlagValue::Text(BatchValue::SeqNo)),
        (other, None) => {
            if let Some(extra) = other.strip_prefix("extra.").filter(|e| extras.contains(e)) {
                return Ok(FlagValue::Text(BatchValue::Extra(extra.to_owned())));
            }
            let of_batch = vocabulary().into_iter().find_map(|(known, put, _, nature)| {
                let is_text = known == other && nature == Nature::Text;
                if let Put::Batch(value) = put { Some(value).filter(|v| is_text && !matches!(v, BatchValue::Digest(_))) } else { None }
            });
            of_batch.map(FlagValue::Text).ok_or_else(|| format!("{{{other}}} is not a value of a flag; allowed: {ALLOWED}"))
        }
        (other, Some(_)) => Err(format!("{{{other}}} is not a value of a flag; allowed: {ALLOWED}")),
    }
}

fn differs(value: &FlagValue, said: &str, data: &Tally, found: &Totals) -> Result<(), String> {
    let (what, is) = match value {
        FlagValue::Bytes => ("bytes", data.bytes.to_string()),
        FlagValue::TextBytes => ("bytes of text", data.of_text().bytes.to_string()),
        FlagValue::Lines => ("lines", data.lines.to_string()),
        FlagValue::Digest(kind) | FlagValue::TextDigest(kind) => {
            let name = match kind {
                DigestKind::Sha256 => "SHA-256",
                DigestKind::Sm3 => "SM3",
                DigestKind::Md5 => "MD5",
            };
            let of = if matches!(value, FlagValue::TextDigest(_)) { data.of_text() } else { data };
            let is = of.digest(*kind).unwrap_or_default();
            return if said.eq_ignore_ascii_case(is) {
                Ok(())
            } else {
                Err(format!("the flag file says {name} {said}, the data file has {is}"))
            };
        }
        FlagValue::Count => match found.count {
            Some(count) => ("count", count.to_string()),
            None => return Ok(()),
        },
        FlagValue::Total(form) => {
            let Some(total) = found.amount else { return Ok(()) };
            let read = form.read(said).map_err(|e| format!("the flag file says total {said}: {e}"))?;
            if read == total {
                return Ok(());
            }
            let declared = Totals { amount: Some(read), ..Totals::default() };
            return Err(format!("the flag file: {}", Totals::differences(&declared, found).join("; ")));
        }
        FlagValue::Date(_) | FlagValue::Text(_) | FlagValue::Ignore => return Ok(()),
    };
    if said == is { Ok(()) } else { Err(format!("the flag file says {what} {said}, the data file has {is}")) }
}

#[cfg(test)]
mod tests {
    use super::super::totals::Tallier;
    use super::*;
    use crate::domain::money::Fen;

    #[test]
    fn every_difference_of_a_flag_is_named() {
        let flag = FlagPattern::new("{bytes}|{lines}|{sm3}\n", Dialect::Gbk, &[]).unwrap();
        let mut tallier = Tallier::new(&flag.digests());
        tallier.update(b"abc");
        let data = tallier.finish();
        let none = Totals::default();
        let sm3 = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(flag.check(format!("3|1|{sm3}\n").as_bytes(), &data, &none), Ok(()));
        assert_eq!(flag.check(format!("3|1|{}\r\n", sm3.to_uppercase()).as_bytes(), &data, &none), Ok(()));
        for (text, part) in [
            (format!("4|1|{sm3}\n"), "bytes 4"),
            (format!("3|2|{sm3}\n"), "lines 2"),
            (format!("3|1|{}\n", sm3.replace('6', "5")), "SM3"),
            (format!("3|1|{sm3}\n\n"), "agreed form"),
            (format!("3|1|{sm3}x"), "agreed form"),
            (String::new(), "agreed form"),
        ] {
            let error = flag.check(text.as_bytes(), &data, &none).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        assert!(FlagPattern::new("{size}", Dialect::Gbk, &[]).unwrap_err().contains("allowed"));
    }

    #[test]
    fn a_sidecar_of_several_lines_declares_count_and_total() {
        let text = "count={count}\namount={total:fen}\nmd5={md5}\nfile={file_name}\n";
        let sidecar = FlagPattern::new(text, Dialect::Gbk, &[]).unwrap();
        let mut tallier = Tallier::new(&sidecar.digests());
        tallier.update(b"abc");
        let data = tallier.finish();
        let found = Totals { count: Some(5), amount: Some(Fen::new(1230)), ..Totals::default() };
        let said =
            |count: &str, amount: &str| format!("count={count}\r\namount={amount}\nmd5=900150983CD24FB0D6963F7D28E17F72\nfile=a b\n");
        assert_eq!(sidecar.check(said("5", "1230").as_bytes(), &data, &found), Ok(()));
        assert!(sidecar.check(said("6", "1230").as_bytes(), &data, &found).unwrap_err().contains("count 6"));
        assert!(sidecar.check(said("5", "12").as_bytes(), &data, &found).unwrap_err().contains("0.12"));
        assert!(sidecar.check(said("5", "123000").as_bytes(), &data, &found).unwrap_err().contains("factor 100"));
    }
}
