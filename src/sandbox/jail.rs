//! Where a visitor may go: below the bank's folder and nowhere else.
//!
//! Paths are cleaned by their text first, so `..` stops at the root; then every step is looked at, and a symbolic link
//! on the way is refused whatever it points to. The bank's own papers in the root do not exist for visitors.

use std::fs;
use std::path::{Path, PathBuf};

use russh_sftp::protocol::StatusCode;
use russh_sftp::server::StatusReply;

/// What lies in a bank's folder and is not the visitors' business.
const HIDDEN: [&str; 3] = ["processing", "bank-journal.csv", "authorized_keys"];

/// The part of the file system that visitors of one bank see, as `/`.
#[derive(Debug)]
pub(super) struct Jail {
    root: PathBuf,
}

impl Jail {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The path as visitors write it, cleaned: absolute, without `.`, `..` and empty steps.
    pub(super) fn shown(path: &str) -> String {
        format!("/{}", steps(path).join("/"))
    }

    /// The file behind a visitor's path. The last step need not exist.
    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf, StatusReply> {
        let steps = steps(path);
        if steps.first().is_some_and(|first| HIDDEN.contains(first)) {
            return Err(StatusCode::NoSuchFile.into());
        }
        let mut found = self.root.clone();
        for step in steps {
            found.push(step);
            match fs::symlink_metadata(&found) {
                Ok(met) if met.file_type().is_symlink() => {
                    return Err(StatusCode::PermissionDenied.with_message("symbolic links are not followed here"));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Whether a name in this folder is shown in listings.
    pub(super) fn lists(&self, folder: &Path, name: &str) -> bool {
        folder != self.root || !HIDDEN.contains(&name)
    }
}

fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            name => steps.push(name),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leads_out_of_the_root() {
        let home = tempfile::tempdir().unwrap();
        let jail = Jail::new(home.path());
        for path in ["../../etc/passwd", "/../../../etc/passwd", "inbox/../../etc/passwd", "/inbox/./..//../etc/passwd"] {
            assert_eq!(jail.resolve(path).unwrap(), home.path().join("etc/passwd"), "{path}");
        }
        assert_eq!(Jail::shown("inbox/../outbox/./x"), "/outbox/x");
        assert_eq!(Jail::shown(".."), "/");
    }

    #[test]
    fn a_link_is_refused_as_a_step_and_as_an_end() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", home.path().join("way")).unwrap();
        let jail = Jail::new(home.path());
        for path in ["/way", "/way/passwd"] {
            assert_eq!(jail.resolve(path).unwrap_err().status_code, StatusCode::PermissionDenied, "{path}");
        }
    }

    #[test]
    fn the_banks_own_papers_do_not_exist() {
        let home = tempfile::tempdir().unwrap();
        let jail = Jail::new(home.path());
        assert!(jail.resolve("/processing/x").is_err());
        assert!(jail.resolve("inbox/../bank-journal.csv").is_err());
        assert!(jail.resolve("/inbox/processing").is_ok());
    }
}
