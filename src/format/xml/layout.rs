//! The paths of a layout in XML, checked.

use toml::Spanned;

use crate::format::field::XmlPath;
use crate::format::layout::{Layout, Syntax};
use crate::format::plan::{Fault, fault};
use crate::format::spec::{FieldSpec, LayoutSpec, Place, RecordSpec};

/// Where a column stands: `A/B/@c`, and with `|` where else it may be read.
///
/// # Errors
/// What is wrong with it.
pub fn field_paths(at: &Spanned<FieldSpec>, layout: &Layout) -> Result<Vec<XmlPath>, Fault> {
    let path = match (&at.get_ref().path, layout.syntax == Syntax::Xml) {
        (None, false) => return Ok(Vec::new()),
        (Some(path), false) => return Err(fault(path, "a path belongs to syntax = \"xml\"")),
        (None, true) => return Err(fault(at, "a column of XML needs its path, such as path = \"PmtId/EndToEndId\" or \"Amt/@Ccy\"")),
        (Some(path), true) => path,
    };
    path.get_ref().split('|').map(|one| one_path(one.trim(), path)).collect()
}

fn one_path(text: &str, at: &Spanned<String>) -> Result<XmlPath, Fault> {
    let (elements, attribute) = match text.rsplit_once('@') {
        None => (text, None),
        Some((elements, attribute)) => (elements.trim_end_matches('/'), Some(attribute.to_owned())),
    };
    let steps = if elements.is_empty() { Vec::new() } else { steps(elements, at)? };
    match &attribute {
        None if steps.is_empty() => return Err(fault(at, "a path names at least one element")),
        Some(name) if !is_name(name) => return Err(fault(at, format!("{name:?} is not the name of an attribute"))),
        None | Some(_) => {}
    }
    Ok(XmlPath { steps, attribute })
}

fn steps(text: &str, at: &Spanned<String>) -> Result<Vec<String>, Fault> {
    let wrong = text.split('/').find(|step| !is_name(step));
    if let Some(step) = wrong {
        return Err(fault(at, format!("{step:?} is not the name of an element")));
    }
    Ok(text.split('/').map(str::to_owned).collect())
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_part)
}

/// Where a repeated record, or a group of them, stands.
///
/// # Errors
/// What is wrong with it.
pub fn record_path(at: &Spanned<RecordSpec>, layout: &Layout) -> Result<Vec<String>, Fault> {
    let written = at.get_ref();
    let place = *written.at.get_ref();
    match (&written.path, layout.syntax == Syntax::Xml, place) {
        (None, false, Place::Group) => Err(fault(&written.at, "a group belongs to syntax = \"xml\"")),
        (None, false, _) => Ok(Vec::new()),
        (Some(path), false, _) => Err(fault(path, "a path belongs to syntax = \"xml\"")),
        (None, true, Place::Each | Place::Group) => Err(fault(at, "a repeated element needs its path from the root")),
        (None, true, Place::First | Place::Last) => Ok(Vec::new()),
        (_, true, Place::Any | Place::Prologue) => {
            Err(fault(&written.at, "in XML a record stands at prologue, first, group, each or last"))
        }
        (Some(path), true, Place::First | Place::Last) => Err(fault(path, "columns of the head have whole paths; the record has none")),
        (Some(path), true, Place::Each | Place::Group) => steps(path.get_ref(), path),
    }
}

/// An XML layout has one repeated element, and at most one record before and behind it: their columns have paths of their own.
///
/// # Errors
/// Which record is one too many.
pub fn one_of_each(at: &Spanned<LayoutSpec>, layout: &Layout) -> Result<(), Fault> {
    let places = [(Place::First, &layout.first), (Place::Each, &layout.each), (Place::Last, &layout.last)];
    for (place, records) in places {
        let mut of_place = at.get_ref().record.iter().filter(|r| *r.get_ref().at.get_ref() == place);
        if records.len() > 1
            && let Some(second) = of_place.nth(1)
        {
            return Err(fault(&second.get_ref().at, "in XML one record stands there: give its columns their paths"));
        }
    }
    Ok(())
}
