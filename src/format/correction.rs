//! A failure workbook that comes back filled in (更正工作簿). What was locked is believed in nothing: a row is known by its
//! reference alone, and its visible number must be that reference's, so that a sheet sorted by halves shows. Columns are
//! found by their titles, wherever they stand, since WPS and LibreOffice let people move them.
//!
//! Nothing is repaired. A formula is no value; a number cell where text belongs has lost digits before anybody here sees it;
//! what a spreadsheet would take for a formula when it goes out again does not come in.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Cursor;

use calamine::{DataRef, Reader, Xlsx, XlsxError};

use super::sheet::{DAMAGED, guarded};
use super::workbook::{DECISIONS, SHEET_ABOUT, failure_key, reads_as_formula};
use crate::domain::ids::check_id_number;
use crate::domain::language::Words;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;

/// Rows of a sheet that are read; a workbook of ours has fewer.
const ROWS_MAX: u32 = 100_000;
/// No field of ours is longer.
const TEXT_MAX: usize = 200;

/// A workbook that came back.
#[derive(Debug)]
pub struct Returned {
    /// Which one it is.
    pub workbook_id: String,
    /// Its rows, but for empty ones.
    pub rows: Vec<ReturnedRow>,
}

/// One row of it.
#[derive(Debug)]
pub struct ReturnedRow {
    /// Its number in the sheet, as a spreadsheet shows it.
    pub line: u64,
    /// The failed instruction that it says it is about.
    pub reference: String,
    /// The payment number that stands in it for people.
    pub payment_no: String,
    /// How much failed, as it stands in it: of a payment that was parted it tells the one part from the other.
    pub amount: Option<Fen>,
    /// What was filled in.
    pub filled: Correction,
    /// What the department decided.
    pub decision: Option<Decision>,
    /// What is wrong with it.
    pub faults: Vec<Words>,
}

/// What a department filled in of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// The payee's name.
    pub name: Option<Name>,
    /// The payee's identity number.
    pub id_number: Option<IdNumber>,
    /// The card.
    pub account: Option<Account>,
    /// The card's bank: its code, clearing number or name.
    pub bank: Option<String>,
    /// The mobile number.
    pub mobile: Option<Mobile>,
}

impl Correction {
    /// Whether nothing was filled in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a department decided of a failure (处理意见).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Corrected, to be paid again.
    Reissue,
    /// The person must act first.
    TellPerson,
    /// Back to the treasury.
    Refund,
    /// To be found out.
    Enquire,
}

impl Decision {
    fn from_key(key: &str) -> Option<Self> {
        match key {
            "reissue" => Some(Self::Reissue),
            "tell_person" => Some(Self::TellPerson),
            "refund" => Some(Self::Refund),
            "enquire" => Some(Self::Enquire),
            _ => None,
        }
    }
}

/// Why a workbook cannot be read as one that went out.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    /// No workbook, or a broken one.
    #[error("{}", .0.en)]
    NotOurs(Words),
}

fn not_ours<T>(zh: impl Into<String>, en: impl Into<String>) -> Result<T, CorrectionError> {
    Err(CorrectionError::NotOurs(Words::new(zh, en)))
}

fn broken(error: &XlsxError) -> CorrectionError {
    CorrectionError::NotOurs(Words::new(
        format!("无法作为 .xlsx 工作簿读取（{error}）；请用 WPS 或 LibreOffice 另存为 .xlsx 后再导入"),
        format!("it cannot be read as an .xlsx workbook ({error}): save it as .xlsx and import it again"),
    ))
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Text(String),
    /// In its shortest decimal digits.
    Number(String),
    Formula,
    /// A date, an error, TRUE.
    Other,
}

type SheetRow = BTreeMap<u32, Cell>;

/// Reads a workbook that came back.
///
/// # Errors
/// It is no workbook, none of ours, or not one that asks for corrections.
pub fn read_correction(bytes: Vec<u8>) -> Result<Returned, CorrectionError> {
    guarded(|| read_book(bytes)).unwrap_or_else(|| not_ours("工作簿已损坏，无法读取", DAMAGED))
}

fn read_book(bytes: Vec<u8>) -> Result<Returned, CorrectionError> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|e: XlsxError| broken(&e))?;
    let names = book.sheet_names();
    if !names.iter().any(|name| name == SHEET_ABOUT) {
        return not_ours(
            "不是本系统发出的失败明细工作簿，或其隐藏页已丢失；请直接在邮件附件上填写，不要复制到新文件",
            "it is no failure workbook of ours, or its hidden sheet is lost: fill in the attachment itself, do not copy it into a new file",
        );
    }
    let about = about(&mut book)?;
    let of = |key: &str| about.get(key).map(String::as_str).unwrap_or_default();
    if of("kind") != "failure_report" || !matches!(of("layout"), "1" | "2") {
        return not_ours(
            "该工作簿不是“发放失败明细”，不能用于更正",
            "the workbook is no failure report: corrections are made in the one that came with the failures",
        );
    }
    let mut found: Option<Vec<ReturnedRow>> = None;
    for name in names.iter().filter(|name| *name != SHEET_ABOUT) {
        if let Some(rows) = sheet(&mut book, name)? {
            if found.is_some() {
                return not_ours("工作簿中有两张失败明细表；请只保留一张", "two sheets of the workbook hold failures: keep one");
            }
            found = Some(rows);
        }
    }
    let Some(rows) = found else {
        return not_ours(
            "找不到失败明细表的标题行（须有“原支付指令号”等列）；请在原工作簿上填写",
            "there is no sheet with the titles of a failure report: fill in the workbook as it came",
        );
    };
    Ok(Returned { workbook_id: of("workbook_id").to_owned(), rows })
}

fn about<R: std::io::Read + std::io::Seek>(book: &mut Xlsx<R>) -> Result<BTreeMap<String, String>, CorrectionError> {
    let mut facts = BTreeMap::new();
    for (_, row) in rows_of(book, SHEET_ABOUT, 50)? {
        if let (Some(Cell::Text(key)), Some(Cell::Text(value))) = (row.get(&0), row.get(&1)) {
            facts.insert(key.clone(), value.clone());
        }
    }
    Ok(facts)
}

/// The rows of a sheet below the titles; `None` where it has no such titles.
fn sheet<R: std::io::Read + std::io::Seek>(book: &mut Xlsx<R>, name: &str) -> Result<Option<Vec<ReturnedRow>>, CorrectionError> {
    let mut columns: Option<BTreeMap<&'static str, u32>> = None;
    let mut rows = Vec::new();
    for (at, row) in rows_of(book, name, ROWS_MAX)? {
        match &columns {
            None => columns = titles(&row)?,
            Some(columns) => rows.extend(read_row(u64::from(at) + 1, columns, &row)),
        }
    }
    Ok(columns.map(|_| rows))
}

/// Where each column stands, if this is the row of titles.
fn titles(row: &SheetRow) -> Result<Option<BTreeMap<&'static str, u32>>, CorrectionError> {
    let mut columns = BTreeMap::new();
    for (at, cell) in row {
        let Cell::Text(title) = cell else { continue };
        let Some(key) = failure_key(title) else { continue };
        if columns.insert(key, *at).is_some() && row.len() > 5 {
            return not_ours(
                format!("标题“{title}”出现了两次；请删去多余的列"),
                format!("the title {title:?} stands twice: remove one column"),
            );
        }
    }
    let is_header = ["reference", "new_account", "new_name"].iter().all(|key| columns.contains_key(key));
    Ok(is_header.then_some(columns))
}

fn rows_of<R: std::io::Read + std::io::Seek>(book: &mut Xlsx<R>, name: &str, most: u32) -> Result<Vec<(u32, SheetRow)>, CorrectionError> {
    let mut cells = book.worksheet_cells_reader(name).map_err(|e| broken(&e))?;
    let mut rows: BTreeMap<u32, SheetRow> = BTreeMap::new();
    while let Some(found) = cells.next_cell_with_formula_metadata().map_err(|e| broken(&e))? {
        let (at, column) = found.pos;
        if at >= most {
            return not_ours(format!("工作簿超过{most}行"), format!("the workbook has more than {most} rows"));
        }
        if let Some(cell) = cell(found.value, found.formula.is_some()) {
            rows.entry(at).or_default().insert(column, cell);
        }
    }
    Ok(rows.into_iter().collect())
}

fn cell(value: DataRef<'_>, is_formula: bool) -> Option<Cell> {
    if is_formula {
        return Some(Cell::Formula);
    }
    match value {
        DataRef::Empty => None,
        DataRef::String(text) => text_cell(&text),
        DataRef::SharedString(text) => text_cell(text),
        DataRef::Int(number) => Some(Cell::Number(shortest(&number))),
        DataRef::Float(number) => Some(Cell::Number(shortest(&number))),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) | DataRef::Bool(_) | DataRef::Error(_) => {
            Some(Cell::Other)
        }
    }
}

/// Blanks at its ends are nobody's name.
fn text_cell(text: &str) -> Option<Cell> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    (!text.is_empty()).then(|| Cell::Text(text.chars().take(TEXT_MAX).collect()))
}

/// Its type is not named, so that nothing but printing can be done with it.
fn shortest(number: &impl Display) -> String {
    number.to_string()
}

/// A row that says something; blank rows, and what stands below the table, say nothing.
fn read_row(line: u64, columns: &BTreeMap<&'static str, u32>, row: &SheetRow) -> Option<ReturnedRow> {
    let at = |key: &str| columns.get(key).and_then(|at| row.get(at));
    let plain = |key: &str| match at(key) {
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Number(_) | Cell::Formula | Cell::Other) | None => String::new(),
    };
    let mut taking = Taking { faults: Vec::new() };
    let filled = Correction {
        name: taking.text("更正姓名", "corrected name", at("new_name"), name).map(|t| Name::new(&t)),
        id_number: taking.text("更正身份证号", "corrected ID number", at("new_id_number"), id_number).map(|t| IdNumber::new(&t)),
        account: taking.text("更正卡号", "corrected card", at("new_account"), account).map(|t| Account::new(&t)),
        bank: taking.text("更正开户行号", "corrected bank no.", at("new_bank_code"), bank),
        mobile: taking.text("更正手机号", "corrected mobile", at("new_mobile"), mobile).map(|t| Mobile::new(&t)),
    };
    let decision = match at("decision") {
        None => None,
        Some(Cell::Text(words)) => {
            let key = DECISIONS.iter().find(|(key, zh, en)| words == zh || words.eq_ignore_ascii_case(en) || words == key);
            let decision = key.and_then(|(key, _, _)| Decision::from_key(key));
            if decision.is_none() {
                taking.tell("处理意见不在可选范围内；请从下拉列表中选择", "the decision is none of those offered: choose from the list");
            }
            decision
        }
        Some(Cell::Number(_) | Cell::Formula | Cell::Other) => {
            taking.tell("处理意见不在可选范围内；请从下拉列表中选择", "the decision is none of those offered: choose from the list");
            None
        }
    };
    let (reference, payment_no) = (plain("reference"), plain("payment_no"));
    let amount = match at("amount") {
        Some(Cell::Text(text) | Cell::Number(text)) => Fen::parse_yuan(text).ok(),
        Some(Cell::Formula | Cell::Other) | None => None,
    };
    let says = !filled.is_empty() || decision.is_some() || !taking.faults.is_empty();
    let is_payment = !reference.is_empty() || !payment_no.is_empty();
    (says || is_payment).then_some(ReturnedRow { line, reference, payment_no, amount, filled, decision, faults: taking.faults })
}

struct Taking {
    faults: Vec<Words>,
}

impl Taking {
    fn tell(&mut self, zh: impl Into<String>, en: impl Into<String>) {
        self.faults.push(Words::new(zh, en));
    }

    /// A value, if one stands there and may.
    fn text(&mut self, zh: &str, en: &str, cell: Option<&Cell>, check: fn(&str) -> Result<(), Words>) -> Option<String> {
        match cell? {
            Cell::Formula => {
                self.tell(
                    format!("{zh}：单元格是公式，不能作为更正内容；请粘贴为数值（文本）"),
                    format!("{en}: a formula is no value; paste it as text"),
                );
                None
            }
            Cell::Number(_) => {
                self.tell(
                    format!("{zh}：单元格是数字而不是文本，末位数字可能已丢失（如 1.23E+17）；请把单元格设为文本，再按原件重新填写"),
                    format!("{en}: a number cell has lost digits (like 1.23E+17); make it a text cell and enter it again from its source"),
                );
                None
            }
            Cell::Other => {
                self.tell(
                    format!("{zh}：单元格是日期或错误值；请按文本填写"),
                    format!("{en}: a date or an error stands there; enter it as text"),
                );
                None
            }
            Cell::Text(text) if reads_as_formula(text) => {
                self.tell(format!("{zh}：不能以 = + - @ 等符号开头，以免被当作公式"), format!("{en}: it begins like a formula (= + - @)"));
                None
            }
            Cell::Text(text) => match check(text) {
                Ok(()) => Some(text.clone()),
                Err(why) => {
                    self.tell(format!("{zh}：{}", why.zh), format!("{en}: {}", why.en));
                    None
                }
            },
        }
    }
}

fn name(text: &str) -> Result<(), Words> {
    let is_odd = |c: &char| {
        c.is_control()
            || c.is_whitespace()
            || c.is_ascii_digit()
            || matches!(c, '?' | '*' | '&' | '#' | '<' | '>' | '"' | '|' | '□' | '■' | '？' | '＊')
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFD}')
            || matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
    };
    if text.chars().count() > 60 {
        return Err(Words::new("姓名超过60字", "more than 60 characters"));
    }
    match text.chars().position(|c| is_odd(&c)) {
        None => Ok(()),
        Some(at) => Err(Words::new(
            format!("第{}个字不是姓名用字（空格、数字、问号、不可见或自造字）；请按身份证上的字填写", at + 1),
            format!("character {} is none of a name (blank, digit, invisible or private): enter it as on the identity card", at + 1),
        )),
    }
}

fn id_number(text: &str) -> Result<(), Words> {
    if is_scientific(text) {
        return Err(scientific());
    }
    check_id_number(&IdNumber::new(text))
        .map_err(|e| Words::new("校验不通过（须18位，末位为校验码）；请按身份证核对", format!("{e}; check it against the identity card")))
}

fn account(text: &str) -> Result<(), Words> {
    if is_scientific(text) {
        return Err(scientific());
    }
    if Account::new(text).is_card_like() {
        Ok(())
    } else {
        Err(Words::new("须为12至32位数字，不含空格和分隔符", "12 to 32 digits, without blanks or signs"))
    }
}

fn bank(text: &str) -> Result<(), Words> {
    if is_scientific(text) {
        return Err(scientific());
    }
    if text.chars().count() > 60 || text.chars().any(|c| c.is_control() || "<>|\"".contains(c)) {
        return Err(Words::new("不是开户行行号、代码或名称", "no bank's number, code or name"));
    }
    Ok(())
}

fn mobile(text: &str) -> Result<(), Words> {
    if text.len() == 11 && text.starts_with('1') && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(Words::new("须为以1开头的11位数字", "11 digits that begin with 1"))
    }
}

fn is_scientific(text: &str) -> bool {
    text.contains(['e', 'E'])
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b"eE+-.".contains(&b))
}

fn scientific() -> Words {
    Words::new(
        "是科学计数法（如 1.23E+17），数字已丢失；请把单元格设为文本，再按原件重新填写",
        "scientific notation: digits are lost; enter it again as text",
    )
}
