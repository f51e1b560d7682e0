//! Why a configuration cannot be used: what, where, and what is allowed there.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::calendar::CalendarError;
use crate::domain::catalogue::CatalogueError;

/// Why a configuration cannot be used. None of these goes away by trying again.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {cause}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file's text is not what is allowed.
    #[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused {
        /// All that was found, in the order of the file. Never empty.
        faults: Vec<Fault>,
    },
    /// A secret's file cannot be used.
    #[error("the secret {path} {problem}", path = .path.display())]
    Secret {
        /// Where the secret is kept.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A systemd credential is asked for, and systemd gave none.
    #[error(
        "the credential {name:?} cannot be read: no $CREDENTIALS_DIRECTORY; start bankgate by its systemd unit with \
         LoadCredential={name}:PATH, or use {{ file = \"PATH\" }}"
    )]
    NoCredentials {
        /// Its name.
        name: String,
    },
    /// A file of the calendar contradicts itself.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The project catalogue contradicts itself.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// One thing that is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Line and column from 1; none when what is wrong stands nowhere in it, such as a default.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    /// `bankgate.toml:12:8: problem`, the form that editors follow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl ConfigError {
    /// What the TOML reader found. Only its message and place are used: its own report repeats the line, and the line
    /// may hold a secret that does not belong there.
    pub(super) fn syntax(text: &str, path: &Path, error: &toml::de::Error) -> Self {
        let place = error.span().map(|span| place(text, span.start));
        Self::Refused { faults: vec![Fault { path: path.to_owned(), place, problem: error.message().to_owned() }] }
    }
}

/// Line and column, from 1, of a byte's place in a text; columns count characters.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.chars().count() - text.get(..line_start).unwrap_or_default().chars().count() + 1)
}
