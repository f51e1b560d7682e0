//! The project catalogue (补贴项目目录): seed data of the projects that a list may name. A city adds its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A kind of subsidy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its code in lists and files: four digits of the catalogue's number, `0901` for 9.1.
    pub code: String,
    /// Its name (项目名称).
    pub name: String,
    /// What the bank's text message calls it (短信简称), at most ten characters.
    #[serde(rename = "short")]
    pub short_name: String,
    /// To whom it is paid.
    pub payee: PayeeKind,
    /// Whether one person may be paid several times for one period, after release by a person.
    pub several_per_period: bool,
}

/// To whom a project is paid (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayeeKind {
    /// To the entitled person.
    Individual,
    /// To the head of the household (户主).
    Household,
}

impl PayeeKind {
    /// How the kind is stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Household => "household",
        }
    }
}

/// All projects of a catalogue file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The projects.
    pub projects: Vec<Project>,
}

/// Why a catalogue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalogue {file}{}: {problem}", .line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct CatalogueError {
    /// The file.
    pub file: String,
    /// Where in it, from 1, when known.
    pub line: Option<usize>,
    /// What is wrong, and what belongs there.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    project: Vec<toml::Spanned<Project>>,
}

impl Catalogue {
    /// Longest short name, in characters: longer ones push the amount out of the text message.
    pub const SHORT_NAME_MAX: usize = 10;

    /// Reads a catalogue; the file's name is for errors.
    ///
    /// # Errors
    /// Unreadable text, an unknown key, a code or name given twice, a short name that is too long.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, CatalogueError> {
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
        let refuse = |line: Option<usize>, problem: String| CatalogueError { file: file.to_owned(), line, problem };
        let parsed: CatalogueFile =
            toml::from_str(text).map_err(|error| refuse(error.span().map(|span| line_of(span.start)), error.message().to_owned()))?;
        let mut seen = BTreeSet::new();
        let mut projects = Vec::new();
        for spanned in parsed.project {
            let line = Some(line_of(spanned.span().start));
            let project = spanned.into_inner();
            if let Some(problem) = project.problem() {
                return Err(refuse(line, format!("project {:?}: {problem}", project.code)));
            }
            for (what, value) in [("code", &project.code), ("name", &project.name), ("short name", &project.short_name)] {
                if !seen.insert((what, value.clone())) {
                    return Err(refuse(line, format!("project {:?}: another project has the {what} {value:?}", project.code)));
                }
            }
            projects.push(project);
        }
        Ok(Self { projects })
    }

    /// The project of a code.
    #[must_use]
    pub fn project(&self, code: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.code == code)
    }
}

impl Project {
    fn problem(&self) -> Option<String> {
        let short = self.short_name.chars().count();
        if !(1..=16).contains(&self.code.len()) || !self.code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Some("a code has 1 to 16 letters and digits".into())
        } else if self.name.trim().is_empty() || self.name.trim() != self.name {
            Some("a name is not empty and has no spaces around it".into())
        } else if !(1..=Catalogue::SHORT_NAME_MAX).contains(&short) {
            Some(format!("the short name has {short} characters; the text message has room for {}", Catalogue::SHORT_NAME_MAX))
        } else if !self.short_name.chars().all(char::is_alphanumeric) {
            Some("a short name has letters and digits only: signs do not survive every bank's text message".into())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = include_str!("../../config/catalogue.toml");

    #[test]
    fn the_seed_has_every_leaf_of_the_catalogue() {
        let catalogue = Catalogue::from_toml("catalogue.toml", SEED).unwrap();
        let leaves = [("05", 2), ("09", 4), ("10", 6), ("11", 5)];
        let expected: usize = leaves.iter().map(|(_, n)| n).sum::<usize>() + 18 - leaves.len();
        assert_eq!(catalogue.projects.len(), expected);
        for group in 1..=18 {
            let group = format!("{group:02}");
            let count = catalogue.projects.iter().filter(|p| p.code.starts_with(&group)).count();
            let wanted = leaves.iter().find(|(g, _)| *g == group).map_or(1, |(_, n)| *n);
            assert_eq!(count, wanted, "group {group}");
        }
        assert_eq!(catalogue.project("0901").map(|p| p.name.as_str()), Some("最低生活保障金"));
        assert!(catalogue.projects.iter().all(|p| !p.several_per_period));
    }

    #[test]
    fn a_catalogue_that_would_confuse_is_refused() {
        let one = "[[project]]\ncode = \"0100\"\nname = \"甲\"\nshort = \"甲\"\npayee = \"individual\"\nseveral_per_period = false\n";
        for (text, needle) in [
            (format!("{one}{one}"), "line 7: project \"0100\": another project has the code"),
            (one.replace("short = \"甲\"", "short = \"一二三四五六七八九十甲\""), "has 11 characters"),
            (one.replace("short = \"甲\"", "short = \"甲（乙）\""), "letters and digits only"),
            (one.replace("individual", "family"), "line 5: unknown variant `family`"),
            (one.replace("payee", "paye"), "unknown field `paye`"),
            (one.replace("0100", "01/0"), "1 to 16 letters and digits"),
        ] {
            let error = Catalogue::from_toml("catalogue.toml", &text).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
