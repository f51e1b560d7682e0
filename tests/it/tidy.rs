//! The house rules that no lint knows, kept by reading the source: who may speak of whom, where SQL and secrets may
//! stand, what may not stand anywhere. One function a rule; each is shown to fail on a made-up source below.

mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use regex::Regex;
use source::Source;

/// The repository, read.
struct House {
    /// `src/` and `tests/`.
    sources: Vec<Source>,
    /// Every text file, with its path.
    texts: Vec<(String, String)>,
    /// Names that belong to one bank or format: the codes in `config/`, the profiles in `bank-formats/`.
    particular: BTreeSet<String>,
}

/// A place at which a rule is broken.
#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.why)
    }
}

/// Who may speak of whom: a room, what it may name beside itself and `domain`, and why no more.
const WALLS: [(&str, &[&str], &str); 12] = [
    ("domain", &[], "nouns are pure: they name nothing of ours but each other"),
    ("format", &[], "shapes are pure: bytes to records and back, with nothing but nouns"),
    ("clock", &[], "wires do not know each other, nor any pass"),
    ("config", &[], "settings are values: whoever needs one is given it"),
    ("store", &[], "wires do not know each other, nor any pass"),
    ("transport", &[], "wires do not know each other, nor any pass"),
    ("mail", &[], "wires do not know each other, nor any pass"),
    ("passes", &["format", "store", "transport", "mail", "clock", "config"], "verbs do not know who calls them"),
    ("sandbox", &["clock", "config"], "a pretend bank shares no code with what it is there to check"),
    ("daemon", &["passes", "format", "store", "transport", "mail", "clock", "config"], "a door does not open another"),
    ("web", &["passes", "format", "store", "transport", "mail", "clock", "config"], "a door does not open another"),
    (
        "cli",
        &["passes", "format", "store", "transport", "mail", "clock", "config", "daemon", "web", "sandbox"],
        "the command line starts the other doors; nothing starts it",
    ),
];

/// A crate, as it is named in code, the only rooms that may name it, and why.
const CRATES: [(&str, &[&str], &str); 6] = [
    ("ssh2", &["transport"], "only transport speaks SFTP"),
    ("notify", &["transport"], "only transport watches folders"),
    ("lettre", &["mail"], "only mail sends mail"),
    ("sqlx", &["store"], "only store has SQL"),
    ("russh", &["sandbox"], "only the pretend banks serve SFTP"),
    ("russh_sftp", &["sandbox"], "only the pretend banks serve SFTP"),
];

/// Tables that only grow.
const APPEND_ONLY: [&str; 6] = ["posting", "entry", "answer_line", "event", "audit", "statement_line"];

const LINES_MAX: usize = 700;

fn rooms_keep_their_walls(house: &House) -> Vec<Finding> {
    let known: BTreeSet<&str> = WALLS.iter().map(|(room, _, _)| *room).collect();
    house.each(|source, findings| {
        let Some(room) = source.room() else { return };
        let Some((_, allowed, why)) = WALLS.iter().find(|(name, _, _)| *name == room) else {
            findings.push(source.finding(1, format!("`{room}` is a room that tests/it/tidy.rs does not know; give it its walls there")));
            return;
        };
        for (line, named) in source.rooms_named() {
            let fine = named == room || named == "domain" || allowed.contains(&named.as_str()) || !known.contains(named.as_str());
            if !fine && !source.is_test(line) {
                findings.push(source.finding(line, format!("`{room}` names `{named}`: {why}")));
            }
        }
        // A way round: up to the crate's root by `super`.
        for at in source.places("super::") {
            let chain = source.code[at..].split("super::").take_while(|part| part.is_empty()).count();
            let line = source.line_of(at);
            if chain >= source.depth() && !source.is_test(line) {
                findings.push(source.finding(line, "`super` up to the crate's root; write `crate::` so that walls are seen".into()));
            }
        }
    })
}

fn crates_stay_in_their_rooms(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        let Some(room) = source.room() else { return };
        for (name, rooms, why) in CRATES.iter().filter(|(_, rooms, _)| !rooms.contains(&room)) {
            for at in source.places(name) {
                let before = source.code[..at].trim_end();
                let after = &source.code[at + name.len()..];
                let is_ours = before.ends_with("::") || before.ends_with("mod") || before.ends_with('.');
                let is_crate = after.starts_with("::") || (before.ends_with("use") && !after.starts_with(char::is_alphanumeric));
                if is_crate && !is_ours {
                    findings.push(source.finding(source.line_of(at), format!("`{room}` names the crate `{name}`: {why} ({rooms:?})")));
                }
            }
        }
    })
}

fn sql_stands_in_the_store(house: &House) -> Vec<Finding> {
    let sql = Regex::new(
        r"(?s)^\s*(select\b.*\bfrom\b|insert\s+into\b|update\s+\w+\s+set\b|delete\s+from\b|with\s+\w+\s+as\s*\(|truncate\s+\w+|(create|alter|drop)\s+(table|index|unique|view|schema|type|function|trigger)\b|pragma\s+\w+)",
    )
    .unwrap();
    house.each(|source, findings| {
        if !matches!(source.room(), None | Some("store")) {
            // All in small letters or all in capitals; "Select a file from the list" is a sentence.
            let is_sql = |text: &str| sql.is_match(text) || (text.to_uppercase() == *text && sql.is_match(&text.to_lowercase()));
            let found = source.strings.iter().filter(|(line, text)| is_sql(text) && !source.is_test(*line));
            findings.extend(found.map(|(line, _)| source.finding(*line, "SQL outside src/store: ask the store by a verb".into())));
        }
    })
}

fn what_happened_is_never_rewritten(house: &House) -> Vec<Finding> {
    let tables = APPEND_ONLY.join("|");
    let rewrite =
        Regex::new(&format!(r"(?is)\b(update\s+(only\s+)?|delete\s+from\s+(only\s+)?|truncate\s+(table\s+)?)({tables})\b")).unwrap();
    house.each(|source, findings| {
        for (line, text) in source.strings.iter().filter(|(line, _)| source.room().is_some() && !source.is_test(*line)) {
            if let Some(found) = rewrite.find(text) {
                let why = format!("{:?}: this table only grows; a correction is a new row", found.as_str());
                findings.push(source.finding(*line, why));
            }
        }
    })
}

fn time_comes_from_the_clock(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        if source.room().is_none_or(|room| room == "clock") {
            return;
        }
        for call in ["SystemTime::now", "Instant::now", "Utc::now", "Local::now", "clock_gettime", "thread::sleep"] {
            for at in source.places(call) {
                let why = format!("`{call}`: time comes in as a value; only src/clock.rs reads the system's clock or waits");
                findings.push(source.finding(source.line_of(at), why));
            }
        }
    })
}

fn whole_values_are_revealed_where_they_must_be(house: &House) -> Vec<Finding> {
    const REVEAL: [&str; 4] = ["src/format/", "src/store/", "src/domain/ids.rs", "src/domain/masked.rs"];
    const EXPOSE: [&str; 4] = ["src/config/", "src/store/", "src/transport/", "src/mail/"];
    house.each(|source, findings| {
        for (call, places, why) in [
            ("reveal(", REVEAL, "a whole name, identity number or card leaves its mask only towards a file or the database"),
            ("expose_secret(", EXPOSE, "a secret leaves its wrapping only in the wire that needs it"),
        ] {
            if source.room().is_none() || places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            let lines = source.places(call).map(|at| source.line_of(at)).filter(|line| !source.is_test(*line));
            findings.extend(lines.map(|line| source.finding(line, format!("`{call})`: {why} ({})", places.join(", ")))));
        }
    })
}

fn nouns_and_shapes_are_pure(house: &House) -> Vec<Finding> {
    const STD: [&str; 6] = ["env", "fs", "net", "process", "thread", "os"];
    house.each(|source, findings| {
        // A profile is read from its folder once, when the program starts; what it then does is pure.
        if !matches!(source.room(), Some("domain" | "format")) || source.path == "src/format/profile.rs" {
            return;
        }
        let std = source.named_under("std::").into_iter().filter(|(_, name)| STD.contains(&name.as_str()));
        let waiting = ["tokio::", "async fn", ".await"]
            .into_iter()
            .flat_map(|word| source.places(word).map(|at| (source.line_of(at), word.to_owned())).collect::<Vec<_>>());
        for (line, word) in std.chain(waiting).filter(|(line, _)| !source.is_test(*line)) {
            let why = format!("`{word}` in a pure room: no disk, network, environment or waiting; be given the bytes");
            findings.push(source.finding(line, why));
        }
    })
}

fn no_bank_and_no_profile_is_known_by_name(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        let is_pretend = matches!(source.room(), None | Some("sandbox")) || source.path.contains("demo");
        for (line, text) in source.strings.iter().filter(|(line, _)| !is_pretend && !source.is_test(*line)) {
            let words: BTreeSet<&str> = text.split(|c: char| !is_code(c)).collect();
            let named = house.particular.iter().filter(|name| words.contains(name.as_str()));
            findings.extend(
                named.map(|name| source.finding(*line, format!("{name:?} is one bank's or one profile's; a bank is data, not code"))),
            );
        }
    })
}

fn every_file_says_what_it_is(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        if !source.raw.starts_with("//! ") {
            findings.push(source.finding(1, "begins without `//! `: what it is, why this shape, what bounds it".into()));
        }
    })
}

fn files_stay_readable(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        let lines = source.raw.lines().count();
        if lines > LINES_MAX {
            findings.push(source.finding(LINES_MAX, format!("{lines} lines; more than {LINES_MAX} are two thoughts or more")));
        }
    })
}

fn nothing_is_left_undone_or_hushed(house: &House) -> Vec<Finding> {
    house.each(|source, findings| {
        for (word, why) in [
            ("#[allow(", "say #[expect(.., reason = \"..\")]: it speaks up when it is no longer true"),
            ("#![allow(", "say #![expect(.., reason = \"..\")]: it speaks up when it is no longer true"),
            ("todo!", "unfinished work does not land"),
            ("unimplemented!", "unfinished work does not land"),
            ("dbg!", "a debugging print"),
            ("#[ignore", "a test that does not run proves nothing"),
        ] {
            findings.extend(source.places(word).map(|at| source.finding(source.line_of(at), format!("`{word}`: {why}"))));
        }
    })
}

fn the_lock_file_has_only_the_registry(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in house.texts.iter().filter(|(path, _)| path == "Cargo.lock") {
        let (mut name, mut sourced) = ("", true);
        for (i, line) in text.lines().enumerate() {
            let mut find = |why: String| findings.push(Finding { path: path.clone(), line: i + 1, why });
            match line.split_once(" = ") {
                Some(("name", value)) => (name, sourced) = (value.trim_matches('"'), false),
                Some(("source", value)) => {
                    sourced = true;
                    if value != "\"registry+https://github.com/rust-lang/crates.io-index\"" {
                        find(format!("{name} comes from {value}; only the registry's crates are built"));
                    }
                }
                _ if line.is_empty() && !sourced && name != "bankgate" => find(format!("{name} comes from a folder of somebody's machine")),
                _ => {}
            }
        }
    }
    findings
}

fn banned_crates_are_absent(house: &House) -> Vec<Finding> {
    let banned = Regex::new(r#"\{ crate = "([^"]+)", reason = "([^"]+)""#).unwrap();
    let text = |name: &str| house.texts.iter().find(|(path, _)| path == name).map_or("", |(_, text)| text.as_str());
    let mut findings = Vec::new();
    for ban in banned.captures_iter(text("deny.toml")) {
        let line = text("Cargo.lock").lines().position(|line| line == format!("name = \"{}\"", &ban[1]));
        let why = format!("{} is banned by deny.toml: {}", &ban[1], &ban[2]);
        findings.extend(line.map(|i| Finding { path: "Cargo.lock".into(), line: i + 1, why }));
    }
    findings
}

fn no_path_of_a_person_or_machine(house: &House) -> Vec<Finding> {
    let personal = Regex::new(r"(^|[^\w.])/(home|Users|root)/\w|[A-Z]:\\Users\\").unwrap();
    let mut findings = Vec::new();
    for (path, text) in &house.texts {
        let lines = text.lines().enumerate().filter(|(_, line)| personal.is_match(line) && !line.contains("Regex::new"));
        findings.extend(lines.map(|(i, _)| Finding {
            path: path.clone(),
            line: i + 1,
            why: "a path of somebody's machine; paths are relative, or the system's".into(),
        }));
    }
    findings
}

fn is_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl Source {
    fn finding(&self, line: usize, why: String) -> Finding {
        Finding { path: self.path.clone(), line, why }
    }
}

impl House {
    fn each(&self, rule: impl Fn(&Source, &mut Vec<Finding>)) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.sources.iter().for_each(|source| rule(source, &mut findings));
        findings
    }

    /// A made-up house.
    fn of(files: &[(&str, &str)]) -> Self {
        let texts: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let is_source = |path: &str| path.ends_with(".rs") && (path.starts_with("src/") || path.starts_with("tests/"));
        Self {
            sources: texts.iter().filter(|(path, _)| is_source(path)).map(|(path, text)| Source::new(path, text)).collect(),
            particular: particular(&texts),
            texts,
        }
    }

    /// This one.
    fn real() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        let mut folders = vec![top.to_owned()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = path.strip_prefix(top).unwrap().to_string_lossy().replace('\\', "/");
                let is_hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
                if is_hidden || name == "target" || path.is_symlink() {
                    continue;
                }
                if path.is_dir() {
                    folders.push(PathBuf::from(&path));
                } else if let Ok(text) = std::fs::read_to_string(&path) {
                    texts.push((name, text)); // what is no text has no rules here
                }
            }
        }
        texts.sort();
        let files: Vec<_> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Self::of(&files)
    }
}

/// The codes of banks in the configurations, and the names of format profiles.
fn particular(texts: &[(String, String)]) -> BTreeSet<String> {
    let code = Regex::new(r#"(?m)^#? ?code = "([^"]+)""#).unwrap();
    let mut names = BTreeSet::new();
    for (path, text) in texts {
        if path.starts_with("config/bankgate") {
            names.extend(code.captures_iter(text).map(|found| found[1].to_owned()));
        }
        if let Some(name) = path.strip_prefix("bank-formats/").filter(|name| name.ends_with(".toml")) {
            names.extend(name.split('/').next().map(|first| first.trim_end_matches(".toml").to_owned()));
        }
    }
    names
}

fn clean(rule: fn(&House) -> Vec<Finding>) {
    let findings: Vec<_> = rule(&House::real()).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The rule finds exactly these lines of a made-up file.
fn finds(rule: fn(&House) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
    let findings = rule(&House::of(&[(path, text), ("config/bankgate.toml", "code = \"B01\"\n"), ("bank-formats/pipe-sum.toml", "")]));
    let found: BTreeSet<_> = findings.iter().filter(|f| f.path == path).map(|f| f.line).collect();
    assert_eq!(found, lines.iter().copied().collect(), "{path}:\n{text}\n{findings:#?}");
}

macro_rules! kept {
    ($($rule:ident)*) => { mod kept { $(#[test] fn $rule() { super::clean(super::$rule); })* } };
}

kept! {
    rooms_keep_their_walls
    crates_stay_in_their_rooms
    sql_stands_in_the_store
    what_happened_is_never_rewritten
    time_comes_from_the_clock
    whole_values_are_revealed_where_they_must_be
    nouns_and_shapes_are_pure
    no_bank_and_no_profile_is_known_by_name
    every_file_says_what_it_is
    files_stay_readable
    nothing_is_left_undone_or_hushed
    the_lock_file_has_only_the_registry
    banned_crates_are_absent
    no_path_of_a_person_or_machine
}

#[test]
fn this_house_is_read_whole() {
    let house = House::real();
    for path in ["src/lib.rs", "src/domain/money.rs", "tests/it/tidy.rs"] {
        assert!(house.sources.iter().any(|source| source.path == path), "{path} is not among what was read");
    }
    assert!(house.particular.contains("B01"), "{:?}", house.particular);
    for path in ["Cargo.lock", "deny.toml"] {
        assert!(house.texts.iter().any(|(name, _)| name == path), "{path} is not among what was read");
    }
}

#[test]
fn the_walls_can_fall() {
    let walls = rooms_keep_their_walls;
    finds(walls, "src/domain/a.rs", "use crate::domain::money::Fen;\nuse crate::store::Store;\n", &[2]);
    finds(walls, "src/transport/a.rs", "fn f() { crate::mail::send() }\n// crate::passes\n", &[1]);
    finds(walls, "src/store/mod.rs", "use super::transport::Sftp;\nuse super::super::x;\n", &[1, 2]);
    finds(walls, "src/store/rows.rs", "use super::Pool;\n", &[]);
    finds(walls, "src/sandbox/bank.rs", "use crate::{clock::Clock,\n    format};\n", &[2]);
    finds(walls, "src/passes/plan.rs", "use crate::store;\nuse crate::cli::Args;\n", &[2]);
    finds(walls, "src/format/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::store::X;\n}\n", &[]);
    finds(walls, "src/attic/mod.rs", "//! x\n", &[1]);
    finds(walls, "src/cli/mod.rs", "use crate::{daemon, sandbox, passes};\n", &[]);
    finds(walls, "src/daemon/mod.rs", "use crate::sandbox;\n", &[1]);
}

#[test]
fn crates_can_stray() {
    let rule = crates_stay_in_their_rooms;
    finds(
        rule,
        "src/passes/a.rs",
        "use ssh2::Session;\nlet a = sqlx::query(q);\nself.notify.notify();\nuse tokio::sync::notify;\n",
        &[1, 2],
    );
    finds(rule, "src/daemon/a.rs", "use notify::Watcher;\nmod notify;\nuse self::notify::X;\nlet sd = sd_notify::notify(s);\n", &[1]);
    finds(rule, "src/store/a.rs", "use sqlx::Row;\nuse lettre;\n", &[2]);
    finds(rule, "src/mail/a.rs", "use lettre::Message;\n", &[]);
}

#[test]
fn sql_and_rewriting_are_seen() {
    let text = "let a = \"select id\n from payment\";\nlet b = \"Select a file from the list\";\nlet c = \"SELECT ID FROM PAYMENT\";\n";
    finds(sql_stands_in_the_store, "src/passes/a.rs", text, &[1, 4]);
    finds(sql_stands_in_the_store, "src/store/a.rs", text, &[]);
    finds(sql_stands_in_the_store, "src/cli/a.rs", "x(\"update lease set fence = 1\");\nx(\"update the list\");\n", &[1]);
    let rewrite = "q(\"update posting set amount_fen = 0\");\nq(\"update instruction set state = $1\");\nq(\"delete from audit where true\");\nq(\"update posting_total set a = 1\");\n";
    finds(what_happened_is_never_rewritten, "src/store/a.rs", rewrite, &[1, 3]);
}

#[test]
fn clocks_secrets_and_disks_are_seen() {
    let clocks = "let a = std::time::SystemTime::now();\nlet b = Instant::now();\nlet c = clock.now();\nlet d = MyInstant::now();\n";
    finds(time_comes_from_the_clock, "src/passes/a.rs", clocks, &[1, 2]);
    finds(time_comes_from_the_clock, "src/clock.rs", clocks, &[]);
    let reveal = "log(name.reveal());\nmask(name);\nuse_it(secret.expose_secret());\n";
    let rule = whole_values_are_revealed_where_they_must_be;
    finds(rule, "src/mail/a.rs", reveal, &[1]);
    finds(rule, "src/format/a.rs", reveal, &[3]);
    finds(rule, "src/domain/report.rs", reveal, &[1, 3]);
    finds(rule, "src/domain/ids.rs", "id.reveal();\n", &[]);
    let impure = "use std::{fs::File, io};\nuse std::fmt;\npub async fn f() {}\nlet a = std::env::var(\"A\");\n";
    finds(nouns_and_shapes_are_pure, "src/format/a.rs", impure, &[1, 3, 4]);
    finds(nouns_and_shapes_are_pure, "src/passes/a.rs", impure, &[]);
}

#[test]
fn a_bank_known_by_name_is_seen() {
    let text = "if bank.code == \"B01\" { fee() }\nlet p = \"bank-formats/pipe-sum.toml\";\n// B01\nlet q = \"B011\";\n";
    finds(no_bank_and_no_profile_is_known_by_name, "src/passes/a.rs", text, &[1, 2]);
    finds(no_bank_and_no_profile_is_known_by_name, "src/sandbox/a.rs", text, &[]);
    finds(no_bank_and_no_profile_is_known_by_name, "src/cli/demo.rs", text, &[]);
}

#[test]
fn untidy_files_are_seen() {
    finds(every_file_says_what_it_is, "src/passes/a.rs", "use x;\n//! late\n", &[1]);
    finds(every_file_says_what_it_is, "src/passes/a.rs", "//! A pass.\n", &[]);
    finds(files_stay_readable, "src/passes/a.rs", &"x\n".repeat(701), &[700]);
    finds(files_stay_readable, "src/passes/a.rs", &"x\n".repeat(700), &[]);
    let left = "#[allow(dead_code)]\nfn f() { todo!() }\n// todo! later\nlet a = \"todo!\";\n#[ignore = \"slow\"]\n";
    finds(nothing_is_left_undone_or_hushed, "src/passes/a.rs", left, &[1, 2, 5]);
}

#[test]
fn strange_sources_and_paths_are_seen() {
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let lock = format!(
        "[[package]]\nname = \"a\"\n{registry}\n\n[[package]]\nname = \"b\"\nsource = \"git+https://example.org/b\"\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n\n[[package]]\nname = \"bankgate\"\nversion = \"1\"\n\n"
    );
    finds(the_lock_file_has_only_the_registry, "Cargo.lock", &lock, &[7, 12]);
    let house = House::of(&[
        ("Cargo.lock", &lock),
        ("deny.toml", "deny = [\n  { crate = \"b\", reason = \"x\" },\n  { crate = \"d\", reason = \"y\" },\n]"),
    ]);
    let banned: Vec<_> = banned_crates_are_absent(&house).iter().map(ToString::to_string).collect();
    assert_eq!(banned, ["Cargo.lock:6: b is banned by deny.toml: x"]);
    let home = ["ok\ncd /", "home/alice/bankgate\n/", "var/lib/bankgate\nsee /", "root/x\nhttps://a.example/home/x\n"].concat();
    finds(no_path_of_a_person_or_machine, "docs/A.md", &home, &[2, 4]);
}
