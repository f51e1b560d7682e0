//! Letters as files: `<time in the letter's own zone>-<message id>.eml`, written aside and renamed, so that a reader never
//! sees half a letter. The same letter again is a no-op; another one under the same Message-ID is refused.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::DateTime;

use super::compose::header;
use super::{MailError, Receipt};

/// Puts a letter into the directory, which is made if need be.
pub(super) async fn put(dir: PathBuf, message_id: String, eml: Vec<u8>) -> Result<Receipt, MailError> {
    let fallback = dir.clone();
    match tokio::task::spawn_blocking(move || put_blocking(&dir, &message_id, &eml)).await {
        Ok(done) => done,
        Err(e) => Err(MailError::Local { path: fallback, source: io::Error::other(e) }),
    }
}

fn put_blocking(dir: &Path, message_id: &str, eml: &[u8]) -> Result<Receipt, MailError> {
    fs::create_dir_all(dir).map_err(local(dir))?;
    let id = file_word(message_id);
    if let Some(path) = find(dir, &format!("-{id}.eml")).map_err(local(dir))? {
        return same_or_taken(path, eml);
    }
    let stamp = header(eml, "Date").and_then(|d| DateTime::parse_from_rfc2822(&d).ok());
    let stamp = stamp.map_or_else(|| "undated".to_owned(), |d| d.format("%Y%m%dT%H%M%S").to_string());
    let path = dir.join(format!("{stamp}-{id}.eml"));

    // Mode 0600 from the first byte: the workbook within has people's names.
    let mut part = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(dir).map_err(local(dir))?;
    part.write_all(eml).and_then(|()| part.as_file().sync_all()).map_err(local(&path))?;
    match part.persist_noclobber(&path) {
        Ok(_) => {
            // The name itself must survive a power cut, or the outbox would know of a letter that is not there.
            fs::File::open(dir).and_then(|d| d.sync_all()).map_err(local(dir))?;
            Ok(Receipt { evidence: path.display().to_string(), ..Receipt::default() })
        }
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => same_or_taken(path, eml),
        Err(e) => Err(MailError::Local { path, source: e.error }),
    }
}

fn same_or_taken(path: PathBuf, eml: &[u8]) -> Result<Receipt, MailError> {
    match fs::read(&path) {
        Ok(bytes) if bytes == eml => Ok(Receipt { evidence: path.display().to_string(), already: true, ..Receipt::default() }),
        Ok(_) => Err(MailError::IdTaken { path }),
        Err(source) => Err(MailError::Local { path, source }),
    }
}

fn find(dir: &Path, ending: &str) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        // The stamp has no hyphen, so that an id which ends like another is not taken for it.
        let is_it = name.to_str().and_then(|n| n.strip_suffix(ending)).is_some_and(|stamp| !stamp.contains('-'));
        if is_it {
            return Ok(Some(dir.join(name)));
        }
    }
    Ok(None)
}

fn local(path: &Path) -> impl FnOnce(io::Error) -> MailError {
    let path = path.to_owned();
    move |source| MailError::Local { path, source }
}

/// An id as a part of a file name: what is not a letter, digit, dot, hyphen, underscore or at-sign becomes its code.
fn file_word(message_id: &str) -> String {
    let inner = message_id.trim_start_matches('<').trim_end_matches('>');
    inner.bytes().fold(String::new(), |mut word, b| {
        match b {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' | b'@' => word.push(char::from(b)),
            other => word.push_str(&format!("%{other:02X}")),
        }
        word
    })
}
