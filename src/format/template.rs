//! Templates such as `{date:MMdd}{seq_no:4}.dat`: expanded to name what we send, and turned round to recognise what a bank
//! sent. One grammar for file names, flag files and composed fields, so that a profile has one thing to learn:
//! `{value}` or `{value:format}`, and `[...]` for a part that vanishes when a value in it is empty.

use regex::Regex;

use super::date::DateFormat;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<T> {
    /// Stands as it is.
    Literal(String),
    /// A value.
    Value(T),
    /// Vanishes when a value in it is empty.
    Optional(Vec<Self>),
}

/// What `{name:format}` means, or what is wrong with it, in words.
pub type TokenReader<'t, T> = dyn Fn(&str, Option<&str>) -> Result<T, String> + 't;

/// Reads a template.
///
/// # Errors
/// Says what is wrong, in words.
pub fn parse<T>(text: &str, token: &TokenReader<'_, T>) -> Result<Vec<Piece<T>>, String> {
    let mut rest = text;
    let pieces = pieces(&mut rest, token, false)?;
    if rest.is_empty() { Ok(pieces) } else { Err("a ] stands without its [".to_owned()) }
}

/// Reads up to the end or to a `]`, which is the caller's.
fn pieces<T>(rest: &mut &str, token: &TokenReader<'_, T>, is_inner: bool) -> Result<Vec<Piece<T>>, String> {
    let mut out = Vec::new();
    loop {
        let at = rest.find(['{', '[', ']', '}']).unwrap_or(rest.len());
        let (literal, tail) = rest.split_at(at);
        if !literal.is_empty() {
            out.push(Piece::Literal(literal.to_owned()));
        }
        *rest = tail;
        if let Some(inside) = tail.strip_prefix('{') {
            let (name, after) = inside.split_once('}').ok_or("a { stands without its }")?;
            let (name, format) = name.split_once(':').map_or((name, None), |(n, f)| (n, Some(f)));
            out.push(Piece::Value(token(name, format)?));
            *rest = after;
        } else if let Some(inside) = tail.strip_prefix('[') {
            if is_inner {
                return Err("[ ] may not stand inside [ ]".to_owned());
            }
            *rest = inside;
            let inner = pieces(rest, token, true)?;
            *rest = rest.strip_prefix(']').ok_or("a [ stands without its ]")?;
            out.push(Piece::Optional(inner));
        } else if tail.starts_with('}') {
            return Err("a } stands without its {".to_owned());
        } else {
            return Ok(out);
        }
    }
}

/// A value in a file's path or key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathToken {
    /// The business date.
    Date(DateFormat),
    /// The file's number on its day, zero-padded to so many digits.
    SeqNo(usize),
    /// The unit number (单位编号).
    UnitNo,
    /// The platform's batch number.
    BatchNo,
    /// The account, in a statement's name.
    Account,
    /// A value that the profile declares.
    Extra(String),
    /// The data file's name; in an inbound path only as a slice of it (see [`slice_of`]).
    Name,
    /// The data file's name without so many characters at its head and its tail.
    Slice(usize, usize),
    /// The day on which an enquiry is made.
    Asked(DateFormat),
}

impl PathToken {
    /// Reads a token of a path template; `extras` are the values that the profile declares.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn read(name: &str, format: Option<&str>, extras: &[&str]) -> Result<Self, String> {
        match (name, format) {
            ("date", Some(format)) => DateFormat::from_word(format)
                .map(Self::Date)
                .ok_or_else(|| format!("{format:?} is not a date format; allowed: {}", DateFormat::ALLOWED)),
            ("asked", Some(format)) => DateFormat::from_word(format)
                .map(Self::Asked)
                .ok_or_else(|| format!("{format:?} is not a date format; allowed: {}", DateFormat::ALLOWED)),
            ("seq_no", Some(digits)) => match digits.parse() {
                Ok(n @ 1..=9) => Ok(Self::SeqNo(n)),
                Ok(_) | Err(_) => Err(format!("{digits:?} is not a count of digits; allowed: 1 to 9")),
            },
            ("unit_no", None) => Ok(Self::UnitNo),
            ("batch_no", None) => Ok(Self::BatchNo),
            ("account", None) => Ok(Self::Account),
            ("name", None) => Ok(Self::Name),
            ("name", Some(range)) => slice(range),
            (other, None) if other.strip_prefix("extra.").is_some_and(|n| extras.contains(&n)) => {
                Ok(Self::Extra(other.trim_start_matches("extra.").to_owned()))
            }
            (other, _) => Err(format!(
                "{{{other}}} is not a value of a path; allowed: date:<format>, asked:<format>, seq_no:<digits>, unit_no, batch_no, account, name, name:<from>..-<to>{}",
                extras.iter().map(|e| format!(", extra.{e}")).collect::<String>()
            )),
        }
    }
}

/// Reads `6..-4`: all but the first six and the last four characters.
fn slice(range: &str) -> Result<PathToken, String> {
    let cut = range.split_once("..").and_then(|(head, tail)| {
        let tail = if tail.is_empty() { "0" } else { tail.strip_prefix('-')? };
        Some((if head.is_empty() { 0 } else { head.parse().ok()? }, tail.parse().ok()?))
    });
    cut.map(|(head, tail)| PathToken::Slice(head, tail))
        .ok_or_else(|| format!("{range:?} is not a part of a name; allowed: <from>..-<to>, such as 6..-4"))
}

/// A name's template without its first and last characters. Only words, dates and numbers have a length that can be cut.
///
/// # Errors
/// When the cut goes through a value, or is longer than the name.
pub fn slice_of(name: &[Piece<PathToken>], head: usize, tail: usize) -> Result<Vec<Piece<PathToken>>, String> {
    let mut pieces = name.to_vec();
    cut(&mut pieces, head, true)?;
    cut(&mut pieces, tail, false)?;
    Ok(pieces)
}

fn cut(pieces: &mut Vec<Piece<PathToken>>, mut count: usize, is_head: bool) -> Result<(), String> {
    while count > 0 {
        let at = if is_head { 0 } else { pieces.len().saturating_sub(1) };
        let Some(piece) = pieces.get_mut(at) else { return Err("the cut is longer than the name".to_owned()) };
        match piece {
            Piece::Literal(text) if text.chars().count() > count => {
                let kept = text.chars().count() - count;
                *text = if is_head { text.chars().skip(count).collect() } else { text.chars().take(kept).collect() };
                return Ok(());
            }
            Piece::Literal(text) => count -= text.chars().count(),
            Piece::Value(PathToken::Date(format)) if format.length() <= count => count -= format.length(),
            Piece::Value(PathToken::SeqNo(digits)) if *digits <= count => count -= *digits,
            Piece::Value(_) | Piece::Optional(_) => return Err("the cut goes through a value of the name".to_owned()),
        }
        pieces.remove(at);
    }
    Ok(())
}

/// A template turned round: recognises a path and says the key that it carries.
#[derive(Clone, Debug)]
pub struct Recogniser {
    regex: Regex,
    /// Of the last part of the path alone.
    name: Option<Regex>,
    captured: Vec<PathToken>,
    key: Vec<Piece<PathToken>>,
}

impl Recogniser {
    /// Compiles path and key. `extra_pattern` gives the regex of a declared value.
    ///
    /// # Errors
    /// Says which value of the key the path does not carry.
    pub fn new(path: &[Piece<PathToken>], key: &[Piece<PathToken>], extra_pattern: &dyn Fn(&str) -> String) -> Result<Self, String> {
        let mut captured = Vec::new();
        let mut pattern = String::from("^");
        for piece in path {
            match piece {
                Piece::Literal(text) => pattern.push_str(&regex::escape(text)),
                Piece::Value(token) => {
                    let inner = match token {
                        PathToken::Date(format) | PathToken::Asked(format) => format.pattern(),
                        PathToken::SeqNo(digits) => format!(r"\d{{{digits}}}"),
                        PathToken::UnitNo | PathToken::BatchNo | PathToken::Account => "[0-9A-Za-z-]+".to_owned(),
                        PathToken::Extra(name) => extra_pattern(name),
                        PathToken::Name | PathToken::Slice(..) => return Err("{name} is ours, not a bank's".to_owned()),
                    };
                    // Named, because a declared pattern may have groups of its own.
                    pattern.push_str(&format!("(?P<v{}>{inner})", captured.len()));
                    captured.push(token.clone());
                }
                Piece::Optional(_) => return Err("[ ] has no place in a path".to_owned()),
            }
        }
        pattern.push('$');
        for piece in key {
            let Piece::Value(token) = piece else { continue };
            let has_day = captured.iter().any(|t| matches!(t, PathToken::Date(f) if f.is_day()));
            let is_known = captured.contains(token) || (matches!(token, PathToken::Date(_)) && has_day);
            if !is_known {
                return Err(format!("the key needs {token:?}, which the path does not carry"));
            }
        }
        let regex = Regex::new(&pattern).map_err(|e| format!("the path does not make a pattern: {e}"))?;
        // Without its folders: a person who reads a file has it somewhere else.
        let name = pattern.rsplit('/').next().map(|tail| if tail.starts_with('^') { tail.to_owned() } else { format!("^{tail}") });
        let name = name.and_then(|tail| Regex::new(&tail).ok());
        Ok(Self { regex, name, captured, key: key.to_vec() })
    }

    /// Whether a bare name fits, whatever folder it lies in.
    #[must_use]
    pub fn fits_name(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|regex| regex.is_match(name))
    }

    /// The values that a path which fits carries.
    #[must_use]
    pub fn values<'t>(&self, path: &'t str) -> Option<Vec<(&PathToken, &'t str)>> {
        let found = self.regex.captures(path)?;
        Some(self.captured.iter().enumerate().filter_map(|(i, token)| found.name(&format!("v{i}")).map(|m| (token, m.as_str()))).collect())
    }

    /// The day of asking that a path which fits carries, as it is written there.
    #[must_use]
    pub fn asked(&self, path: &str) -> Option<String> {
        self.values(path)?.into_iter().find(|(token, _)| matches!(token, PathToken::Asked(_))).map(|(_, text)| text.to_owned())
    }

    /// The key of a path that fits. A value that stands twice must agree with itself, and a date must exist.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<String> {
        let found = self.regex.captures(path)?;
        let value = |(i, token)| found.name(&format!("v{i}")).map(|m| (token, m.as_str()));
        let values: Vec<(&PathToken, &str)> = self.captured.iter().enumerate().filter_map(value).collect();
        let mut day = None;
        for (token, text) in &values {
            if let PathToken::Date(format) = token
                && format.is_day()
            {
                let read = format.read(text)?;
                if day.is_some_and(|d| d != read) {
                    return None;
                }
                day = Some(read);
            }
        }
        for (i, (token, text)) in values.iter().enumerate() {
            let agrees_with_day = match (token, day) {
                (PathToken::Date(format), Some(day)) => format.render(day) == **text,
                _ => true,
            };
            let agrees_with_itself = values.iter().take(i).all(|(t, x)| t != token || x == text);
            if !(agrees_with_day && agrees_with_itself) {
                return None;
            }
        }
        let mut key = String::new();
        for piece in &self.key {
            match (piece, day) {
                (Piece::Literal(text), _) => key.push_str(text),
                (Piece::Value(PathToken::Date(format)), Some(day)) => key.push_str(&format.render(day)),
                (Piece::Value(token), _) => key.push_str(values.iter().find(|(t, _)| *t == token)?.1),
                (Piece::Optional(_), _) => return None,
            }
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Piece<PathToken>> {
        parse(text, &|n, f| PathToken::read(n, f, &["branch", "terminal"])).unwrap()
    }

    #[test]
    fn a_path_is_recognised_and_keyed() {
        let key = path("{date:yyyyMMdd}/{date:MMdd}{seq_no:4}");
        let dat = Recogniser::new(&path("{date:yyyyMMdd}/{date:MMdd}{seq_no:4}.dat"), &key, &|_| String::new()).unwrap();
        assert_eq!(dat.key("20190314/03140001.dat").as_deref(), Some("20190314/03140001"));
        for other in [
            "20190314/03140001.dat.ok",
            "20190314/03140001.dat.part",
            "20190314/03150001.dat",
            "20190230/02300001.dat",
            "03140001.dat",
            "20190314/0314001.dat",
            "x20190314/03140001.dat",
        ] {
            assert_eq!(dat.key(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_needs_what_the_path_carries() {
        let key = path("{date:yyyyMMdd}{seq_no:4}");
        assert!(Recogniser::new(&path("{date:MMdd}{seq_no:4}"), &key, &|_| String::new()).unwrap_err().contains("Date"));
        assert!(Recogniser::new(&path("{date:yyyy-MM-dd}"), &key, &|_| String::new()).unwrap_err().contains("SeqNo"));
        let twice = Recogniser::new(&path("{extra.branch}/{extra.branch}{date:yyyyMMdd}{seq_no:4}"), &key, &|_| "[0-9]{4}".to_owned());
        assert_eq!(twice.unwrap().key("0512/0513201903140001"), None, "a value that stands twice must agree with itself");
    }

    #[test]
    fn a_declared_pattern_may_have_groups_of_its_own() {
        let key = path("{extra.branch}{seq_no:4}");
        let file = Recogniser::new(&path("{extra.branch}_{seq_no:4}"), &key, &|_| "(?:(05)(12|13))".to_owned()).unwrap();
        assert_eq!(file.key("0513_0007").as_deref(), Some("05130007"));
        assert_eq!(file.key("0514_0007"), None);
    }

    #[test]
    fn a_name_is_sliced_before_it_is_known() {
        let name = path("YHDF__{date:yyyyMMdd}{seq_no:4}.TXT");
        assert_eq!(slice_of(&name, 6, 4).unwrap(), path("{date:yyyyMMdd}{seq_no:4}"));
        assert_eq!(slice_of(&name, 4, 0).unwrap(), path("__{date:yyyyMMdd}{seq_no:4}.TXT"));
        assert!(slice_of(&name, 8, 0).unwrap_err().contains("through a value"));
        assert!(slice_of(&name, 0, 99).unwrap_err().contains("longer"));
    }

    #[test]
    fn what_is_wrong_with_a_template() {
        for (text, part) in [
            ("{date}", "allowed"),
            ("{date:nn}", "yyyyMMdd"),
            ("{name:x}", "6..-4"),
            ("{seq_no:0}", "1 to 9"),
            ("{extra.teller}", "extra.branch"),
            ("{date:MMdd", "without its }"),
            ("a}", "without its {"),
            ("a]", "without its ["),
            ("[a", "without its ]"),
            ("[a[b]]", "inside"),
        ] {
            let error = parse(text, &|n, f| PathToken::read(n, f, &["branch"])).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
