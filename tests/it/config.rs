//! The configuration: the documented sample is complete, faults are found where they stand, secrets never show.

use std::path::Path;

use bankgate::config::{Config, ConfigError, Connection, MailTransport, Rename, Secret};
use bankgate::domain::reason::Reason;

const SAMPLE: &str = include_str!("../../config/bankgate.toml");

const LEAST: &str = r#"
[database]
url = "sqlite:bankgate.db"
[node]
name = "node-a"
[mail]
kind = "file"
dir = "mail"
from = "bankgate@finance.example"
finance_it = ["duty@finance.example"]
[[bank]]
code = "B01"
connection = { kind = "dir", root = "banks/b01" }
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_text(text, Path::new("/etc/bankgate/bankgate.toml"))
}

/// The faults of a text, as an operator sees them.
fn refused(text: &str) -> String {
    read(text).expect_err("this must be refused").to_string()
}

/// A text with `what` in it exchanged; it must be there.
fn with(text: &str, what: &str, instead: &str) -> String {
    assert!(text.contains(what), "the text has no {what:?}");
    text.replacen(what, instead, 1)
}

#[test]
fn the_sample_is_read_and_its_values_are_the_defaults() {
    let (sample, least) = (read(SAMPLE).unwrap(), read(LEAST).unwrap());
    assert_eq!(sample.language, least.language);
    assert_eq!((&sample.time, &sample.formats, &sample.admission), (&least.time, &least.formats, &least.admission));
    assert_eq!((&sample.retry, &sample.cases, &sample.close, &sample.node), (&least.retry, &least.cases, &least.close, &least.node));
    let bounds = |c: &Config| (c.database.schema.clone(), c.database.pool_max, c.database.statement_timeout);
    assert_eq!(bounds(&sample), bounds(&least));
    let (mut bank, other) = (sample.banks[0].clone(), least.banks[0].clone());
    bank.connection = other.connection.clone();
    assert_eq!(bank, other);
    // The values of a connection and of mail that the sample writes out are what a file without them gets.
    let bare: String = SAMPLE
        .lines()
        .filter(|l| !["port =", "connect_timeout_s", "io_timeout_s", "session_keep_s", "security ="].iter().any(|key| l.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(bare.len() < SAMPLE.len());
    assert_eq!(read(&bare).unwrap(), sample);
}

/// Each table of the file, and a line that stands in it, behind which a key may be tried.
const TABLES: [(&str, &str); 10] = [
    ("the top", "language = \"zh\""),
    ("[database]", "[database]"),
    ("[node]", "[node]"),
    ("[time]", "[time]"),
    ("[formats]", "[formats]"),
    ("[admission]", "[admission]"),
    ("[retry]", "[retry]"),
    ("[[bank]]", "[[bank]]"),
    ("[bank.connection]", "[bank.connection]"),
    ("[mail]", "[mail]"),
];

/// The keys that a table allows, as the refusal of an unknown key lists them.
fn allowed_keys(text: &str, line: &str) -> Vec<String> {
    let error = refused(&with(text, &format!("\n{line}\n"), &format!("\n{line}\nno_such_key = 1\n")));
    assert!(error.contains("unknown field `no_such_key`, expected one of") || error.contains("expected `"), "{error}");
    let (_, list) = error.split_once("expected").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_sample_names_every_key_there_is() {
    let with_rule = format!("{SAMPLE}\n[[retry.rule]]\nbank = \"B01\"\ntries_max = 0\ndelay_days = []\n");
    let tables = TABLES.into_iter().chain([("[cases]", "[cases]"), ("[close]", "[close]"), ("[[retry.rule]]", "[[retry.rule]]")]);
    let mut keys = 0;
    for (table, line) in tables {
        // The rule stands in the sample behind "# ", so that its keys are looked for there.
        let allowed = allowed_keys(&with_rule, line);
        keys += allowed.len();
        for key in allowed {
            let written = SAMPLE.lines().map(|l| l.strip_prefix("# ").unwrap_or(l)).any(|l| {
                let l = l.trim_start_matches('[');
                l.starts_with(&format!("{key} = ")) || l.starts_with(&format!("{key}]")) || l.contains(&format!(".{key}]"))
            });
            assert!(written, "{table}: {key} is not explained in config/bankgate.toml");
        }
    }
    assert!(keys > 60, "only {keys} keys were found: does this test still read the refusals?");
}

#[test]
fn a_fault_is_named_with_line_column_and_what_is_allowed() {
    for (what, instead, needle) in [
        ("tick_s = 30", "tick = 30", "LINE:1: unknown field `tick`, expected one of `zone`, `calendar_dir`, `tick_s`"),
        ("tick_s = 30", "tick_s = 0", "LINE:10: tick_s is 0 s; between 1 and 600 is allowed"),
        ("tick_s = 30", "tick_s = -1", "LINE:10: invalid value"),
        ("lease_ttl_s = 60", "lease_ttl_s = 59", "at least twice that"),
        ("Asia/Shanghai", "Asia/Leshan", "LINE:8: \"Asia/Leshan\" is not a time zone"),
        ("cut_at = \"17:00\"", "cut_at = \"5 pm\"", "LINE:10: \"5 pm\" is not a time of day like 16:30"),
        ("language = \"zh\"", "language = \"de\"", "LINE:12: unknown variant `de`, expected `zh` or `en`"),
        ("\"50000.00\"", "50000.00", "invalid type: floating point"),
        ("\"50000.00\"", "\"5e4\"", "is not an amount in yuan"),
        ("delay_days = [1, 2, 3]", "delay_days = [1, 2]", "has 2 numbers, but tries_max is 3"),
        ("kind = \"sftp\"", "kind = \"ftp\"", "unknown variant `ftp`, expected `sftp` or `dir`"),
        ("kind = \"sftp\"", "kind = \"dir\"\nroot = \"x\"", "host does not belong to kind = \"dir\""),
        ("kind = \"smtp\"", "kind = \"smtp\"\ndir = \"x\"", "dir does not belong to kind = \"smtp\""),
        ("host = \"sftp.b01.example\"\n", "", "kind = \"sftp\" needs host"),
        ("name = \"node-a\"\n", "", "missing field `name`"),
        ("name = \"node-a\"", "name = \"node a\"", "name has 1 to 32 letters"),
        ("\"ssh-ed25519 AAAA", "\"ssh-dss AAAA", "is not a host key like"),
        ("outbox = \"outbox\"", "outbox = \"inbox\"", "the same folder"),
        ("done = \"done\"", "done = \"outbox\"", "done is a folder of its own"),
        ("inbox = \"inbox\"", "inbox = \"../inbox\"", "without .. in it"),
        ("key = { credential = \"b01-key\" }\n", "", "nothing to log in with"),
        ("finance_it = [", "finance_it = [] #", "told to nobody"),
        ("from = \"bankgate@finance.example\"", "from = \"bankgate\"", "is not a mail address"),
        ("url = \"sqlite:/var", "url = \"mysql:/var", "begins with sqlite: or postgres://"),
    ] {
        let error = refused(&with(SAMPLE, what, instead));
        let line = SAMPLE.split(what).next().unwrap().lines().count() + usize::from(SAMPLE.contains(&format!("\n{what}")));
        let needle = needle.replace("LINE", &format!("bankgate.toml:{line}"));
        assert!(error.starts_with("/etc/bankgate/bankgate.toml:"), "{error}");
        let place = error.trim_start_matches("/etc/bankgate/bankgate.toml:").split(':').take(2).all(|n| n.parse::<usize>().is_ok());
        assert!(error.contains(&needle) && place, "{what} -> {instead}: {error}");
    }
}

#[test]
fn every_fault_is_named_at_once_in_the_order_of_the_file() {
    let text = with(&with(SAMPLE, "tick_s = 30", "tick_s = 0"), "pool_max = 8", "pool_max = 0");
    let error = refused(&text);
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].contains("pool_max") && lines[1].contains("tick_s"), "{error}");
}

#[test]
fn two_banks_cannot_have_one_code() {
    let error = refused(&format!("{LEAST}[[bank]]\ncode = \"B01\"\nconnection = {{ kind = \"dir\", root = \"b\" }}\n"));
    assert!(error.contains(":15:8: another [[bank]] has the code \"B01\" already"), "{error}");
}

#[test]
fn t7_a_secret_in_the_file_is_refused_and_never_repeated() {
    let key = "key = { credential = \"b01-key\" }";
    for (what, instead) in [
        (key, "password = \"hunter2\""),
        (key, "password = 7082"),
        (key, "password = 70.82"),
        (key, "password = [\"hunter2\"]"),
        (key, "password = { value = \"hunter2\" }"),
        (key, "password = { file = \"/a\", credential = \"hunter2\" }"),
        (key, "password = { file = 7082 }"),
        (key, "password = hunter2"),
        (key, "password = \"hunter2"),
        (key, "key = \"\"\"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n\"\"\""),
        ("url = \"sqlite:/var/lib/bankgate/bankgate.db\"", "url = \"postgres://bankgate:hunter2@db/shared\""),
        ("url = \"sqlite:/var/lib/bankgate/bankgate.db\"", "url = \"postgresql://bankgate@db/shared?sslmode=require&PassWord=hunter2\""),
    ] {
        let Err(error) = read(&with(SAMPLE, what, instead)) else { panic!("{instead} was read") };
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("70.82") && !shown.contains("7082"), "{instead}: {shown}");
        }
    }
    let error = refused(&with(SAMPLE, key, "password = \"hunter2\""));
    assert!(error.contains("a secret never stands in the configuration") && error.contains("{ file = \"PATH\" }"), "{error}");
    let error = refused(&with(SAMPLE, "sqlite:/var/lib/bankgate/bankgate.db", "postgres://bankgate:hunter2@db/shared"));
    assert!(error.contains("take it out and say password ="), "{error}");
    let error = refused(&with(SAMPLE, "\"b01-key\"", "\"../../etc/shadow\""));
    assert!(error.contains("not a path"), "{error}");
}

#[test]
fn t7_what_is_explained_has_no_secret_and_reads_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b01.key");
    std::fs::write(&path, "hunter2").unwrap();
    let text = with(SAMPLE, "{ credential = \"b01-key\" }", &format!("{{ file = {path:?} }}"));
    let text = with(&text, "# user = \"bankgate\"\n# password = {", "user = \"bankgate\"\npassword = {");
    let rule = "\n[[retry.rule]]\nreason = \"SYS_BUSY\"\ntries_max = 1\ndelay_days = [0]\n";
    for text in [format!("{text}{rule}"), LEAST.to_owned()] {
        let config = read(&text).unwrap();
        let explained = config.explain();
        assert!(!explained.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
        assert_eq!(Config::from_text(&explained, Path::new("elsewhere.toml")).unwrap(), config, "{explained}");
        assert!(explained.contains("lease_ttl_s = 60") && explained.contains("due_days = 5"), "defaults are shown too: {explained}");
    }
}

#[test]
fn paths_start_at_the_files_folder() {
    let config = read(LEAST).unwrap();
    assert_eq!(config.database.url, "sqlite:/etc/bankgate/bankgate.db");
    assert_eq!(config.time.calendar_dir, Path::new("/etc/bankgate/calendar"));
    assert_eq!(config.node.state_dir, Path::new("/var/lib/bankgate"));
    assert_eq!(config.banks[0].connection, Connection::Dir { root: "/etc/bankgate/banks/b01".into() });
    assert_eq!(config.mail.transport, MailTransport::File { dir: "/etc/bankgate/mail".into() });
    assert_eq!(config.banks[0].rename, Rename::TwoStep);
    let keyed = read(&with(SAMPLE, "{ credential = \"b01-key\" }", "{ file = \"b01.key\" }")).unwrap();
    let Connection::Sftp(sftp) = &keyed.banks[0].connection else { panic!("the sample has an SFTP bank") };
    assert_eq!(sftp.key, Some(Secret::File("/etc/bankgate/b01.key".into())));
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bankgate.toml");
    std::fs::write(&path, format!("[formats]\ndir = \"formats\"\n{LEAST}")).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("there is no folder") && error.contains("bankgate.toml:2:7: formats.dir"), "{error}");
    assert!(error.contains("time.calendar_dir"), "a default is checked too: {error}");
    for name in ["formats", "calendar"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let config = Config::load(&path).unwrap();
    let missing = config.folders_missing().join("\n");
    for what in ["the mailbox of bank B01", "mail.dir"] {
        assert!(missing.contains(what), "{missing}");
    }
    assert!(!missing.contains("SQLite"), "its folder is there: {missing}");
    assert!(Config::load(&folder.path().join("absent.toml")).unwrap_err().to_string().contains("absent.toml cannot be read"));
}

#[test]
fn the_calendar_and_the_catalogue_beside_the_sample_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bankgate.toml");
    let config = Config::from_text(SAMPLE, &path).unwrap();
    let years: Vec<_> = config.calendar().unwrap().years().collect();
    assert_eq!(years, (2015..=2026).collect::<Vec<_>>());
    assert_eq!(config.catalogue().unwrap().projects.len(), 31);
}

#[test]
fn the_most_particular_retry_rule_counts() {
    let rules = "
[[retry.rule]]
bank = \"B01\"
tries_max = 1
delay_days = [9]
[[retry.rule]]
reason = \"SYS_BUSY\"
tries_max = 1
delay_days = [8]
[[retry.rule]]
bank = \"B01\"
reason = \"SYS_BUSY\"
tries_max = 2
delay_days = [0, 7]
";
    let retry = read(&format!("{LEAST}{rules}")).unwrap().retry;
    for (bank, reason, delays) in [
        ("B01", Reason::SysBusy, &[0, 7][..]),
        ("B02", Reason::SysBusy, &[8]),
        ("B01", Reason::RecvBankDown, &[9]),
        ("B02", Reason::RecvBankDown, &[1, 2, 3]),
    ] {
        assert_eq!(retry.delays(bank, reason), delays, "{bank} {reason:?}");
    }
    for (what, instead, needle) in [
        ("reason = \"SYS_BUSY\"", "reason = \"NAME_MISMATCH\"", "only transient reasons (BT)"),
        ("reason = \"SYS_BUSY\"", "reason = \"BUSY\"", "is not a canonical reason code"),
        ("bank = \"B01\"", "bank = \"B09\"", "there is no [[bank]] with code \"B09\"; there are: B01"),
        ("reason = \"SYS_BUSY\"", "bank = \"B01\"", "an earlier rule"),
    ] {
        let error = refused(&format!("{LEAST}{}", with(rules, what, instead)));
        assert!(error.contains(needle), "{error}");
    }
}
