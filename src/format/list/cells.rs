//! What may stand in a cell. Nothing is repaired, because each repair is a guess about somebody's money.

use std::borrow::Cow;

use super::columns::Column;

/// A cell as its file holds it.
#[derive(Clone, Debug)]
pub(super) enum Cell<'a> {
    /// Text, or nothing.
    Text(Cow<'a, str>),
    /// A number, in its shortest decimal digits.
    Number(String),
    /// Something that is no value to pay by.
    Unfit { what: &'static str, next: &'static str },
}

impl Cell<'_> {
    /// Nothing.
    pub(super) const EMPTY: Self = Self::Text(Cow::Borrowed(""));

    /// Whether nothing stands here.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Number(_) | Self::Unfit { .. } => false,
        }
    }
}

/// What is wrong with a cell, and what to do.
pub(super) type Problem = (String, &'static str);

/// Texts that people and programs write where nothing is known.
const PLACEHOLDERS: [&str; 27] = [
    "null",
    "(null)",
    "none",
    "nil",
    "nan",
    "n/a",
    "na",
    "undefined",
    "无",
    "暂无",
    "空",
    "未知",
    "不详",
    "待补",
    "待定",
    "-",
    "--",
    "—",
    "——",
    "/",
    "\\",
    "#n/a",
    "#ref!",
    "#value!",
    "#name?",
    "#####",
    "test",
];

/// Numbers of more digits than this are not exact in a spreadsheet.
const EXACT_DIGITS: usize = 15;

/// The text of a cell, if that kind of cell may stand in the column.
pub(super) fn text_of<'c>(column: Column, cell: &'c Cell<'_>) -> Result<&'c str, Problem> {
    match cell {
        Cell::Text(text) => Ok(text),
        Cell::Unfit { what, next } => Err(((*what).to_owned(), *next)),
        Cell::Number(_) if !column.takes_numbers() => Err((
            "a number cell: a spreadsheet keeps 15 digits of a number, turns the rest to zeros (科学计数) and drops leading zeros, so the \
             digits that were typed may be lost"
                .to_owned(),
            "format the column as text (文本), then enter the values again from their source",
        )),
        Cell::Number(digits) if digits.bytes().filter(u8::is_ascii_digit).count() > EXACT_DIGITS => Err((
            "a number of more than 15 digits: a spreadsheet does not keep it exactly".to_owned(),
            "enter the value again, as text or rounded to the fen",
        )),
        Cell::Number(digits) => Ok(digits),
    }
}

/// Checks a text that is not empty against what its column may hold.
pub(super) fn check(column: Column, text: &str) -> Result<(), Problem> {
    if PLACEHOLDERS.contains(&text.to_lowercase().as_str()) || text.contains("{{") || text.contains("${") {
        return Err(("a placeholder stands where a value should".to_owned(), "enter the value, or leave the cell empty where it may be"));
    }
    characters(text)?;
    let (length_max, is_free) = match column {
        Column::Remark => (200, true),
        Column::Township | Column::Village | Column::Group => (60, true),
        Column::EntitledName | Column::PayeeName => (60, false),
        Column::Seq
        | Column::HouseholdNo
        | Column::EntitledId
        | Column::PayeeId
        | Column::PayeeRole
        | Column::MandateNo
        | Column::Account
        | Column::BankCode
        | Column::Mobile
        | Column::Amount
        | Column::ReissueOf => (40, false),
    };
    let length = text.chars().count();
    if length > length_max {
        return Err((format!("{length} characters; at most {length_max} fit"), "shorten it"));
    }
    if !is_free {
        closed(text)?;
    }
    match column {
        Column::EntitledName | Column::PayeeName => name(text),
        Column::EntitledId | Column::PayeeId => digits(text, text.strip_suffix(['X', 'x']).unwrap_or(text)),
        Column::Account => digits(text, text),
        Column::Mobile => mobile(text),
        Column::BankCode | Column::HouseholdNo => code(text),
        Column::Seq
        | Column::Township
        | Column::Village
        | Column::Group
        | Column::PayeeRole
        | Column::MandateNo
        | Column::Amount
        | Column::Remark
        | Column::ReissueOf => Ok(()),
    }
}

/// Characters that no cell may hold, and blanks at its ends.
fn characters(text: &str) -> Result<(), Problem> {
    for (at, c) in text.chars().enumerate() {
        let at = at + 1;
        match c {
            '\u{FFFD}' => {
                return Err((format!("character {at} was lost in an earlier conversion (U+FFFD)"), "enter it again from its source"));
            }
            '\n' | '\r' => return Err(("a line break stands in the cell, or a quote is not closed".to_owned(), "remove it")),
            c if c.is_control() => {
                return Err((format!("a control character (U+{:04X}) at character {at}", u32::from(c)), "remove it"));
            }
            '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' => {
                return Err((
                    format!("an invisible character (U+{:04X}) at character {at}", u32::from(c)),
                    "delete it, or type the cell again",
                ));
            }
            '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => {
                return Err((
                    format!("character {at} is a private one (U+{:04X}), which shows differently elsewhere", u32::from(c)),
                    "enter the character by its Unicode number; for a rare one see the identity card",
                ));
            }
            _ => {}
        }
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(("a blank stands before or after the value".to_owned(), "remove it"));
    }
    Ok(())
}

/// Values without blanks and in half width.
fn closed(text: &str) -> Result<(), Problem> {
    match text.chars().enumerate().find(|(_, c)| c.is_whitespace() || matches!(c, '\u{FF01}'..='\u{FF5E}')) {
        None => Ok(()),
        Some((at, c)) if c.is_whitespace() => Err((format!("a blank at character {}", at + 1), "remove it")),
        // U+FF0E is also taken for the interpunct of a name; the bank compares by character.
        Some((at, _)) => Err((format!("a full-width character (全角) at character {}", at + 1), "type it in half width (半角)")),
    }
}

fn name(text: &str) -> Result<(), Problem> {
    let found = text.chars().enumerate().find(|(_, c)| c.is_ascii_digit() || matches!(c, '?' | '*' | '&' | '#' | '<' | '>' | '□' | '■'));
    match found {
        None => Ok(()),
        Some((at, c)) => Err((
            format!("{c:?} at character {} is not part of a name: a character was lost or masked", at + 1),
            "enter the name again as on the identity card",
        )),
    }
}

/// Digits only; `body` is the text without what may stand behind them.
fn digits(text: &str, body: &str) -> Result<(), Problem> {
    let is_scientific = text.contains(['e', 'E']) && text.bytes().all(|b| b.is_ascii_digit() || b"eE+-.".contains(&b));
    if is_scientific {
        return Err((
            "scientific notation (科学计数): the spreadsheet kept the first digits and lost the others".to_owned(),
            "format the column as text (文本) and enter the numbers again from their source",
        ));
    }
    match body.chars().enumerate().find(|(_, c)| !c.is_ascii_digit()) {
        None if !body.is_empty() => Ok(()),
        None => Err(("no digits".to_owned(), "enter the number")),
        Some((at, _)) => Err((format!("character {} is not a digit", at + 1), "enter the number in plain digits, without grouping")),
    }
}

fn mobile(text: &str) -> Result<(), Problem> {
    digits(text, text)?;
    if text.len() == 11 && text.starts_with('1') {
        return Ok(());
    }
    Err((format!("{} digits; a mobile number has 11 and begins with 1", text.len()), "correct it, or leave the cell empty"))
}

fn code(text: &str) -> Result<(), Problem> {
    match text.chars().enumerate().find(|(_, c)| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        None => Ok(()),
        Some((at, _)) => Err((format!("character {} is neither a letter nor a digit", at + 1), "enter the code as it is registered")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_cell_may_hold() {
        for (column, text) in [
            (Column::Account, "6.29999E+18"),
            (Column::Account, "6299 9901"),
            (Column::Account, "６299990100000000000"),
            (Column::PayeeId, "5.11E+17"),
            (Column::PayeeId, "X"),
            (Column::PayeeId, "51119019800101X011"),
            (Column::PayeeName, "张?"),
            (Column::PayeeName, "张*三"),
            (Column::PayeeName, "张 三"),
            (Column::PayeeName, " 张三"),
            (Column::PayeeName, "张三\u{3000}"),
            (Column::PayeeName, "张\u{200B}三"),
            (Column::PayeeName, "张\u{E863}"),
            (Column::PayeeName, "张\u{FFFD}"),
            (Column::PayeeName, "张\t三"),
            (Column::PayeeName, "阿牛\u{FF0E}木呷"),
            (Column::PayeeName, "NULL"),
            (Column::PayeeName, "无"),
            (Column::PayeeName, "{{name}}"),
            (Column::Remark, "-"),
            (Column::Mobile, "1380000000"),
            (Column::BankCode, "A/B"),
        ] {
            assert!(check(column, text).is_err(), "{column:?} {text:?}");
        }
    }

    #[test]
    fn what_admission_judges_is_let_through() {
        for (column, text) in [
            (Column::PayeeName, "阿牛·木呷"),
            (Column::PayeeName, "阿牛\u{2022}木呷"),
            (Column::PayeeName, "刘䶮𫖯"),
            (Column::PayeeName, "O'Neil,\"J\""),
            (Column::PayeeId, "51119019800101001x"),
            (Column::PayeeId, "511190800101001"),
            (Column::Account, "6299990100000000001"),
            (Column::Remark, "３月 补发"),
        ] {
            assert_eq!(check(column, text), Ok(()), "{column:?} {text:?}");
        }
    }
}
