//! What commands print, and how they end. Standard output is the answer, standard error is for people who watch.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::config::ConfigError;
use crate::daemon::assemble::AssembleError;
use crate::daemon::socket::{AskError, FaultLine};
use crate::store::StoreError;

/// How a command ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Something does not hold.
    Failed,
    /// The settings are refused.
    Settings,
    /// Something waits for a person.
    Person,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Settings => 2,
            Self::Person => 3,
        }
    }
}

/// Why a command was not done.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    text: String,
    faults: Vec<FaultLine>,
}

impl Failure {
    /// It failed.
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into(), faults: Vec::new() }
    }

    /// The settings are refused, or the command was misused.
    #[must_use]
    pub fn misused(text: impl Into<String>) -> Self {
        Self { code: 2, text: text.into(), faults: Vec::new() }
    }

    /// A rule says no, or not this person.
    #[must_use]
    pub fn refused(text: impl Into<String>, faults: Vec<FaultLine>) -> Self {
        Self { code: 4, text: text.into(), faults }
    }

    /// Trying again may help.
    #[must_use]
    pub fn not_now(text: impl Into<String>) -> Self {
        Self { code: 5, text: text.into(), faults: Vec::new() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::misused(format!("{error}\n`bankgate check` says all that is wrong; --config names another file"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Url(_) | StoreError::SchemaNewer { .. } | StoreError::SchemaOlder { .. } => Self::misused(error.to_string()),
            StoreError::Sql { .. } if error.is_transient() => Self::not_now(error.to_string()),
            StoreError::Sql { .. } | StoreError::Column { .. } | StoreError::Migration(_) | StoreError::Broken(_) => {
                Self::failed(error.to_string())
            }
        }
    }
}

impl From<AssembleError> for Failure {
    fn from(error: AssembleError) -> Self {
        let text = error.to_string();
        match error {
            AssembleError::Store(error) => error.into(),
            AssembleError::Folder { .. } => Self::failed(text),
            AssembleError::Config(_)
            | AssembleError::Profile(_)
            | AssembleError::ProfileTwice { .. }
            | AssembleError::Pin { .. }
            | AssembleError::NoLogin { .. }
            | AssembleError::Mail(_) => Self::misused(text),
        }
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match &error {
            AskError::Unreachable { .. } => Self::not_now(error.to_string()),
            AskError::BrokeOff(_) => Self::failed(error.to_string()),
            AskError::List { .. } => Self::misused(error.to_string()),
        }
    }
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// For programs.
    pub json: bool,
    /// Whether standard output is a terminal.
    is_terminal: bool,
}

/// How grave a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As the others.
    Plain,
    /// All is well.
    Good,
    /// Look here.
    Warn,
    /// Look here first.
    Bad,
}

/// A table for people.
#[derive(Debug)]
pub struct Sheet {
    table: Table,
    is_terminal: bool,
}

impl Sheet {
    /// Adds a row.
    pub fn row<I: IntoIterator<Item = T>, T: ToString>(&mut self, cells: I) {
        self.toned(cells.into_iter().map(|cell| (cell, Tone::Plain)));
    }

    /// Adds a row whose cells may be coloured, on a terminal.
    pub fn toned<I: IntoIterator<Item = (T, Tone)>, T: ToString>(&mut self, cells: I) {
        let is_terminal = self.is_terminal;
        self.table.add_row(cells.into_iter().map(|(cell, tone)| {
            let cell = Cell::new(cell);
            match tone {
                Tone::Good if is_terminal => cell.fg(Color::Green),
                Tone::Warn if is_terminal => cell.fg(Color::Yellow),
                Tone::Bad if is_terminal => cell.fg(Color::Red),
                Tone::Plain | Tone::Good | Tone::Warn | Tone::Bad => cell,
            }
        }));
    }

    /// Sets columns of numbers to the right.
    pub fn right(&mut self, columns: &[usize]) {
        for at in columns {
            if let Some(column) = self.table.column_mut(*at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
}

impl Out {
    /// For programs or for people.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json, is_terminal: std::io::stdout().is_terminal() }
    }

    /// Whether the answer is for programs.
    #[must_use]
    pub const fn is_for_programs(&self) -> bool {
        self.json
    }

    /// Prints a line for people. Whoever has stopped reading is not an error.
    pub fn line(&self, text: impl AsRef<str>) {
        _ = writeln!(std::io::stdout(), "{}", text.as_ref());
    }

    /// Prints a value for programs: one line of JSON.
    pub fn value(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(text),
            Err(error) => self.note(format!("this cannot be printed as JSON: {error}")),
        }
    }

    /// Says something to whoever watches.
    pub fn note(&self, text: impl AsRef<str>) {
        _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// A table with these heads.
    #[must_use]
    pub fn sheet<T: ToString>(&self, heads: impl IntoIterator<Item = T>) -> Sheet {
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY);
        let arrangement = if self.is_terminal { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(arrangement);
        table.set_header(heads.into_iter().map(|h| Cell::new(h)));
        Sheet { table, is_terminal: self.is_terminal }
    }

    /// Prints a table, or a line where it has no row.
    pub fn show(&self, sheet: &Sheet, empty: &str) {
        if sheet.table.row_count() == 0 {
            self.line(empty);
        } else {
            self.line(sheet.table.trim_fmt());
        }
    }

    /// A bar for long work, seen only by whoever watches.
    #[must_use]
    pub fn bar(&self) -> ProgressBar {
        let bar = if self.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {eta}") {
            bar.set_style(style);
        }
        bar
    }

    /// Prints how it ended, and says so to the shell.
    #[must_use]
    pub fn end(&self, end: Result<Exit, Failure>) -> ExitCode {
        let failure = match end {
            Ok(exit) => return ExitCode::from(exit.code()),
            Err(failure) => failure,
        };
        if self.json {
            self.value(&serde_json::json!({ "error": failure.text, "exit": failure.code, "faults": failure.faults }));
        } else {
            for f in &failure.faults {
                self.note(format!("{}:{}: {}; {}", f.line, f.column, f.what, f.next));
            }
            self.note(format!("bankgate: {}", failure.text));
        }
        ExitCode::from(failure.code)
    }
}
