//! What a single key cannot tell: bounds, duplicates, settings that contradict each other, folders that are not there.

use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Fault, place};
use super::kinds::{Connection, MailTransport, Security, Sftp};
use super::{BankConfig, Config, Database, Retry};
use crate::domain::reason::ReasonClass;

/// A fault before its place in the text is looked up: the path of keys to it, and the words.
pub(super) type Found = (Vec<String>, String);

/// Everything wrong with the settings themselves.
pub(super) fn faults(config: &Config) -> Vec<Found> {
    let mut found = Vec::new();
    let mut check = |at: &[&str], fine: bool, problem: &dyn Fn() -> String| {
        if !fine {
            found.push((at.iter().map(ToString::to_string).collect(), problem()));
        }
    };
    let tick = config.time.tick;
    for (table, key, value, (least, most)) in [
        ("time", "tick_s", tick, (1, 600)),
        ("time", "rescan_s", config.time.rescan, (5, 3600)),
        ("node", "lease_ttl_s", config.node.lease_ttl, (10, 3600)),
        ("database", "statement_timeout_s", config.database.statement_timeout, (10, 3600)),
    ] {
        let range = Duration::from_secs(least)..=Duration::from_secs(most);
        check(&[table, key], range.contains(&value), &|| format!("{key} is {} s; between {least} and {most} is allowed", value.as_secs()));
    }
    check(&["node", "lease_ttl_s"], config.node.lease_ttl >= tick * 2, &|| {
        format!(
            "a lease is renewed every tick ({} s), so lease_ttl_s must be at least twice that, or one late tick loses the bank",
            tick.as_secs()
        )
    });
    check(&["node", "name"], is_code(&config.node.name), &|| format!("name {CODE}"));
    check(&["database", "schema"], is_identifier(&config.database.schema), &|| {
        "schema is a lower-case SQL name: a letter, then letters, digits and _, at most 63".into()
    });
    check(&["database", "pool_max"], (2..=100).contains(&config.database.pool_max), &|| "pool_max is between 2 and 100".into());
    check(&["admission", "amount_max_yuan"], config.admission.amount_max.is_positive(), &|| "amount_max_yuan is more than 0".into());
    for (key, days) in [("due_days", config.cases.due_days), ("escalate_days", config.cases.escalate_days)] {
        check(&["cases", key], (1..=60).contains(&days), &|| format!("{key} is between 1 and 60 working days"));
    }
    check(&["close", "day"], (1..=28).contains(&config.close.day), &|| "day is between 1 and 28: every month has it".into());
    found.extend(database(&config.database));
    found.extend(retry(&config.retry, &config.banks));
    for (i, bank) in config.banks.iter().enumerate() {
        let earlier = config.banks.iter().take(i);
        found.extend(bank_faults(bank, earlier).into_iter().map(|(at, problem)| (under(&["bank", &i.to_string()], at), problem)));
    }
    found.extend(mail(config));
    found
}

fn database(database: &Database) -> Vec<Found> {
    let at = |key: &str| vec!["database".to_owned(), key.to_owned()];
    let known = database.is_postgres() || database.url.starts_with("sqlite:");
    let mut found = Vec::new();
    if !known {
        found.push((at("url"), "url begins with sqlite: or postgres://".into()));
    }
    if database.is_postgres() && url_has_password(&database.url) {
        // The url itself is not repeated.
        found.push((
            at("url"),
            "url has a password in it; take it out and say password = { file = \"PATH\" } or { credential = \"NAME\" }".into(),
        ));
    }
    if !database.is_postgres() && database.password.is_some() {
        found.push((at("password"), "password belongs to PostgreSQL; an SQLite file has none".into()));
    }
    if known && !database.is_postgres() && database.sqlite_path().is_none() && !database.url.contains(":memory:") {
        found.push((at("url"), "behind sqlite: belongs the path of a file".into()));
    }
    found
}

fn url_has_password(url: &str) -> bool {
    let (rest, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = rest.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or("");
    let in_user = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_user || query.split('&').any(|pair| pair.to_ascii_lowercase().starts_with("password"))
}

fn retry(retry: &Retry, banks: &[BankConfig]) -> Vec<Found> {
    let mut found = Vec::new();
    found.extend(delays(retry.tries_max, &retry.delay_days).map(|problem| (vec!["retry".into(), "delay_days".into()], problem)));
    for (i, rule) in retry.rules.iter().enumerate() {
        let mut add = |key: &str, problem: String| found.push((under(&["retry", "rule", &i.to_string()], vec![key.to_owned()]), problem));
        if let Some(problem) = delays(rule.tries_max, &rule.delay_days) {
            add("delay_days", problem);
        }
        if let Some(bank) = rule.bank.as_ref().filter(|code| !banks.iter().any(|b| &b.code == *code)) {
            let known: Vec<_> = banks.iter().map(|b| b.code.as_str()).collect();
            add("bank", format!("there is no [[bank]] with code {bank:?}; there are: {}", known.join(", ")));
        }
        if let Some(reason) = rule.reason.filter(|reason| reason.class() != ReasonClass::Transient) {
            let class = reason.class().code();
            add("reason", format!("{} is of class {class}; only transient reasons (BT) are tried again by themselves", reason.code()));
        }
        if rule.bank.is_none() && rule.reason.is_none() {
            add("tries_max", "a rule names a bank, a reason or both; for all others there is [retry] itself".into());
        }
        if retry.rules.iter().take(i).any(|other| (&other.bank, other.reason) == (&rule.bank, rule.reason)) {
            add("tries_max", "an earlier rule is for the same bank and reason".into());
        }
    }
    found
}

fn delays(tries_max: u32, delay_days: &[u32]) -> Option<String> {
    let count = u32::try_from(delay_days.len()).unwrap_or(u32::MAX);
    if tries_max > 10 {
        Some("tries_max is at most 10: what fails longer needs a person".into())
    } else if count != tries_max {
        Some(format!("delay_days has {count} numbers, but tries_max is {tries_max}: one delay for each try"))
    } else if delay_days.iter().any(|days| *days > 60) {
        Some("a delay is at most 60 working days".into())
    } else {
        None
    }
}

fn bank_faults<'a>(bank: &BankConfig, mut earlier: impl Iterator<Item = &'a BankConfig>) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |at: &[&str], problem: String| found.push((at.iter().map(ToString::to_string).collect(), problem));
    if !is_code(&bank.code) {
        add(&["code"], format!("code {CODE}"));
    }
    if earlier.any(|other| other.code == bank.code) {
        add(&["code"], format!("another [[bank]] has the code {:?} already; a bank's edge is held once", bank.code));
    }
    for (key, folder) in [("inbox", &bank.inbox), ("outbox", &bank.outbox), ("done", &bank.done)] {
        let climbs = Path::new(folder).components().any(|part| part == std::path::Component::ParentDir);
        let empty = folder.is_empty() && key != "done";
        if climbs || empty || folder.chars().any(char::is_control) {
            add(
                &[key],
                format!("{key} is a folder in the bank's mailbox, without .. in it{}", if key == "done" { ", or empty" } else { "" }),
            );
        }
    }
    if bank.inbox == bank.outbox {
        add(&["outbox"], "inbox and outbox are the same folder; we would read our own files as the bank's".into());
    }
    if bank.done == bank.inbox || bank.done == bank.outbox {
        add(&["done"], "done is a folder of its own; in inbox or outbox a file would be found again".into());
    }
    if !(1..=100).contains(&bank.upload_attempts_max) {
        add(&["upload_attempts_max"], "upload_attempts_max is between 1 and 100".into());
    }
    if let Connection::Sftp(sftp) = &bank.connection {
        for (key, problem) in sftp_faults(sftp) {
            add(&["connection", key], problem);
        }
    }
    found
}

fn sftp_faults(sftp: &Sftp) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (key, text) in [("host", &sftp.host), ("user", &sftp.user)] {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            found.push((key, format!("{key} is not empty and has no spaces")));
        }
    }
    if sftp.port == 0 {
        found.push(("port", "port is between 1 and 65535".into()));
    }
    if sftp.key.is_none() && sftp.password.is_none() {
        found.push(("user", "neither key nor password: nothing to log in with".into()));
    }
    if sftp.passphrase.is_some() && sftp.key.is_none() {
        found.push(("passphrase", "passphrase belongs to a key, and there is none".into()));
    }
    if sftp.host_keys.is_empty() {
        found.push((
            "host_keys",
            "host_keys is empty; no server is trusted on first use: ask the bank for its key and compare it by telephone".into(),
        ));
    }
    if let Some(bad) = sftp.host_keys.iter().find(|key| !is_host_key(key)) {
        let start: String = bad.chars().take(24).collect();
        found.push((
            "host_keys",
            format!("{start:?}… is not a host key like \"ssh-ed25519 AAAA…\" (a line of known_hosts without the host's name)"),
        ));
    }
    for (key, timeout) in [("connect_timeout_s", sftp.connect_timeout), ("io_timeout_s", sftp.io_timeout)] {
        if !(1..=600).contains(&timeout.as_secs()) {
            found.push((key, format!("{key} is between 1 and 600")));
        }
    }
    if sftp.session_keep.as_secs() > 3600 {
        found.push(("session_keep_s", "session_keep_s is between 0 and 3600".to_owned()));
    }
    found
}

fn mail(config: &Config) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |key: &str, problem: String| found.push((vec!["mail".to_owned(), key.to_owned()], problem));
    if !is_address(&config.mail.from) {
        add("from", format!("{:?} is not a mail address", config.mail.from));
    }
    if config.mail.finance_it.is_empty() {
        add("finance_it", "finance_it is empty; what needs a person would be told to nobody".into());
    }
    if let Some(bad) = config.mail.finance_it.iter().find(|address| !is_address(address)) {
        add("finance_it", format!("{bad:?} is not a mail address"));
    }
    if let MailTransport::Smtp(smtp) = &config.mail.transport {
        if smtp.user.is_some() != smtp.password.is_some() {
            add("user", "user and password go together; without both, mail is sent without login".into());
        }
        if smtp.security == Security::None && smtp.user.is_some() {
            add("security", "security = \"none\" would send the password in the clear; use \"starttls\" or \"tls\", or no login".into());
        }
        if smtp.host.is_empty() {
            add("host", "host is not empty".into());
        }
    }
    found
}

/// Folders that are only read, and must be there for the settings to mean anything.
pub(super) fn missing_inputs(config: &Config) -> Vec<Found> {
    [("time", "calendar_dir", &config.time.calendar_dir), ("formats", "dir", &config.formats.dir)]
        .into_iter()
        .filter(|(_, _, path)| !path.is_dir())
        .map(|(table, key, path)| {
            let problem = format!("{table}.{key}: there is no folder {}; relative paths start at this file's folder", path.display());
            (vec![table.to_owned(), key.to_owned()], problem)
        })
        .collect()
}

/// Folders that this node writes.
pub(super) fn missing_outputs(config: &Config) -> Vec<String> {
    let mut wanted = vec![
        ("node.state_dir".to_owned(), config.node.state_dir.as_path()),
        ("node.archive_dir".to_owned(), config.node.archive_dir.as_path()),
    ];
    for bank in &config.banks {
        if let Connection::Dir { root } = &bank.connection {
            wanted.push((format!("the mailbox of bank {}", bank.code), root));
        }
    }
    if let MailTransport::File { dir } = &config.mail.transport {
        wanted.push(("mail.dir".to_owned(), dir));
    }
    if let Some(folder) = config.database.sqlite_path().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()) {
        wanted.push(("the folder of the SQLite file".to_owned(), folder));
    }
    wanted
        .into_iter()
        .filter(|(_, path)| !path.is_dir())
        .map(|(what, path)| format!("{what}: there is no folder {}; create it for bankgate's user", path.display()))
        .collect()
}

/// The TOML files of a folder, in the order of their names.
pub(super) fn toml_texts(folder: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let unreadable = |path: &Path, cause| ConfigError::Unreadable { path: path.to_owned(), cause };
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))? {
        let path = entry.map_err(|cause| unreadable(folder, cause))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
            texts.push((path.display().to_string(), text));
        }
    }
    texts.sort();
    Ok(texts)
}

/// Gives each fault its place in the text, and puts them in the text's order.
pub(super) fn placed(text: &str, path: &Path, found: Vec<Found>) -> ConfigError {
    let table = DeTable::parse(text).ok().map(toml::Spanned::into_inner);
    let mut faults: Vec<_> = found
        .into_iter()
        .map(|(at, problem)| Fault {
            path: path.to_owned(),
            place: table.as_ref().and_then(|table| start_of(table, &at)).map(|start| place(text, start)),
            problem,
        })
        .collect();
    faults.sort_by_key(|fault| fault.place);
    ConfigError::Refused { faults }
}

/// Where the value under these keys begins; where it is not given, the innermost table that is.
fn start_of(table: &DeTable<'_>, at: &[String]) -> Option<usize> {
    let (first, rest) = at.split_first()?;
    let mut value = table.get(first.as_str())?;
    for key in rest {
        let inner = match key.parse::<usize>() {
            Ok(index) => value.get_ref().as_array().and_then(|array| array.get(index)),
            Err(_) => value.get_ref().as_table().and_then(|table| table.get(key.as_str())),
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    match value.get_ref() {
        // A table of dotted keys or an array of tables has no opening sign of its own.
        DeValue::Array(array) if rest.is_empty() => array.first().map(|first| first.span().start),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Some(value.span().start),
    }
}

fn under(head: &[&str], tail: Vec<String>) -> Vec<String> {
    head.iter().map(ToString::to_string).chain(tail).collect()
}

const CODE: &str = "has 1 to 32 letters, digits, - and _, and begins with a letter or digit";

fn is_code(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(inner) && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn is_identifier(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= 63 && text.bytes().all(inner) && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

fn is_host_key(text: &str) -> bool {
    const KINDS: [&str; 5] = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
    let mut words = text.split(' ');
    let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    // Every key's encoding begins with the length of its kind's name, in which the first two bytes are zero.
    KINDS.contains(&kind) && blob.len() >= 40 && blob.starts_with("AAAA") && blob.bytes().all(base64)
}

fn is_address(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['<', '>', ',', ';']);
    plain && text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
}
