//! Rust source as the house rules see it: code without comments and without what stands in strings, the strings apart,
//! and which lines are tests. Line numbers stay those of the file.

/// A source file.
#[derive(Debug)]
pub struct Source {
    /// Its path from the top of the repository, with `/`.
    pub path: String,
    /// As it is.
    pub raw: String,
    /// With comments blanked and strings emptied; lines as in `raw`.
    pub code: String,
    /// The strings that stand in it, with the line on which each begins.
    pub strings: Vec<(usize, String)>,
    /// Whether each line (from 1, at index line - 1) belongs to a `#[cfg(test)]` module.
    tests: Vec<bool>,
}

impl Source {
    pub fn new(path: &str, raw: &str) -> Self {
        let (code, strings) = split(raw);
        let tests = test_lines(&code);
        Self { path: path.to_owned(), raw: raw.to_owned(), code, strings, tests }
    }

    /// The room it belongs to: `store` for `src/store/rows.rs`, `clock` for `src/clock.rs`. None for the crate's roots and
    /// for what is not in `src`.
    pub fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(room, "main" | "lib")).then_some(room)
    }

    /// Whether a line is part of a test module, or the file is one.
    pub fn is_test(&self, line: usize) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.tests.get(line - 1).copied().unwrap_or(false)
    }

    /// The line of a byte's place in `code`.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.code.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    /// Every place in the code at which this stands as a word of its own (not within a longer name).
    pub fn places<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let joins = |c: Option<char>, edge: Option<char>| c.is_some_and(is_name) && edge.is_some_and(is_name);
            !joins(before, word.chars().next()) && !joins(after, word.chars().next_back())
        })
    }

    /// The rooms that are named by a path through `crate::`, or `bankgate::`, with their lines; also in grouped imports.
    pub fn rooms_named(&self) -> Vec<(usize, String)> {
        [self.named_under("crate::"), self.named_under("bankgate::")].concat()
    }

    /// The names that stand right behind a path's root such as `std::`, with their lines; also in grouped imports.
    pub fn named_under(&self, root: &str) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        for at in self.places(root) {
            let start = at + root.len();
            let rest = &self.code[start..];
            match rest.strip_prefix('{') {
                Some(group) => named.extend(heads(group).into_iter().map(|(offset, name)| (self.line_of(start + 1 + offset), name))),
                None => named.push((self.line_of(at), rest.chars().take_while(|c| is_name(*c)).collect())),
            }
        }
        named
    }

    /// How many modules deep the file lies: 1 for `src/store/mod.rs` and `src/clock.rs`, 2 for `src/store/rows.rs`.
    pub fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').filter(|part| !matches!(*part, "mod.rs" | "lib.rs" | "main.rs")).count()
    }
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first name of each entry of a group, `a::x, b::{c, d}}…`, read up to its closing brace.
fn heads(group: &str) -> Vec<(usize, String)> {
    let (mut depth, mut wanted, mut found) = (0, true, Vec::new());
    let mut chars = group.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => wanted = true,
            c if wanted && is_name(c) => {
                let mut name = c.to_string();
                while let Some((_, next)) = chars.next_if(|(_, next)| is_name(*next)) {
                    name.push(next);
                }
                found.push((at, name));
                wanted = false;
            }
            _ => {}
        }
    }
    found
}

/// Code without comments and string contents, and the strings.
fn split(raw: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = raw.chars().collect();
    let (mut code, mut strings) = (String::with_capacity(raw.len()), Vec::new());
    let (mut i, mut line) = (0, 1);
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    while i < chars.len() {
        let c = at(i);
        let begins_word = i == 0 || !is_name(at(i - 1));
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    ('\n', _) => {
                        code.push('\n');
                        (line, i) = (line + 1, i + 1);
                    }
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(&chars, i).filter(|_| begins_word) {
            let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let start = i + chars[i..].iter().position(|c| *c == '"').unwrap_or(0) + 1;
            let length = chars[start..].windows(closing.len()).position(|w| w == closing).unwrap_or(chars.len() - start);
            take(&mut code, &mut strings, &mut line, &chars[start..start + length]);
            i = start + length + closing.len();
        } else if c == '"' {
            let start = i + 1;
            let mut end = start;
            while end < chars.len() && at(end) != '"' {
                end += if at(end) == '\\' { 2 } else { 1 };
            }
            take(&mut code, &mut strings, &mut line, &chars[start..end.min(chars.len())]);
            i = end + 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // A character, not a lifetime: may be a quote or a brace.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
            code.push_str("' '");
        } else {
            line += usize::from(c == '\n');
            code.push(c);
            i += 1;
        }
    }
    (code, strings)
}

/// The hashes of a raw string that begins here (`r"`, `br#"`), if one does.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let rest = match (chars.get(at)?, chars.get(at + 1)) {
        ('r', _) => &chars[at + 1..],
        ('b' | 'c', Some('r')) => &chars[at + 2..],
        _ => return None,
    };
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

fn take(code: &mut String, strings: &mut Vec<(usize, String)>, line: &mut usize, content: &[char]) {
    strings.push((*line, content.iter().collect()));
    code.push('"');
    let lines = content.iter().filter(|c| **c == '\n').count();
    code.push_str(&"\n".repeat(lines));
    *line += lines;
    code.push('"');
}

/// Which lines belong to a module behind `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut marks = vec![false; lines.len()];
    let mut i = 0;
    while i < lines.len() {
        let is_gate = lines[i].trim() == "#[cfg(test)]";
        let is_module = is_gate && lines.get(i + 1).is_some_and(|next| next.trim().starts_with("mod "));
        if !is_module {
            i += 1;
            continue;
        }
        let mut depth = 0;
        while i < lines.len() {
            marks[i] = true;
            let (open, close) = (lines[i].matches('{').count(), lines[i].matches('}').count());
            let was_open = depth > 0 || open > 0;
            depth = (depth + open).saturating_sub(close);
            i += 1;
            if depth == 0 && (was_open || lines[i - 1].trim().ends_with(';')) {
                break;
            }
        }
    }
    marks
}

mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let source = Source::new(
            "src/passes/a.rs",
            "//! crate::x\nlet a = \"crate::y \\\" //\"; /* crate::z\n /* */ */ let b = r#\"crate::w \"\n\"#; let c = '\"'; let d: &'a str = b\"q\"; use crate::v;\n",
        );
        assert_eq!(source.rooms_named(), [(4, "v".to_owned())]);
        assert_eq!(source.strings, [(2, "crate::y \\\" //".to_owned()), (3, "crate::w \"\n".to_owned()), (4, "q".to_owned())]);
        assert_eq!(source.code.lines().count(), source.raw.lines().count());
    }

    #[test]
    fn grouped_imports_are_seen() {
        let source =
            Source::new("src/passes/a.rs", "use crate::{domain::{money, ids},\n    store, self as me};\nuse bankgate::mail::Mailer;\n");
        let rooms: Vec<_> = source.rooms_named();
        assert_eq!(rooms, [(1, "domain".into()), (2, "store".into()), (2, "self".into()), (3, "mail".into())]);
    }

    #[test]
    fn test_modules_are_known() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; '}'; }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
        let source = Source::new("src/passes/a.rs", text);
        let tests: Vec<_> = (1..=9).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 7, 8]);
        assert!(Source::new("src/passes/tests.rs", "x").is_test(1));
    }

    #[test]
    fn rooms_and_depths() {
        for (path, room, depth) in [
            ("src/store/mod.rs", Some("store"), 1),
            ("src/store/rows.rs", Some("store"), 2),
            ("src/store/rows/wide.rs", Some("store"), 3),
            ("src/clock.rs", Some("clock"), 1),
            ("src/lib.rs", None, 0),
            ("tests/it/main.rs", None, 2),
        ] {
            let source = Source::new(path, "");
            assert_eq!((source.room(), source.depth()), (room, depth), "{path}");
        }
    }
}
