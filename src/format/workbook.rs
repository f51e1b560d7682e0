//! Workbooks (.xlsx) for departments. The only user of `rust_xlsxwriter`.
//!
//! A failure workbook goes out with a report and comes back filled in, so it is made for both ways: identity numbers and
//! accounts are text cells (a number cell would round a card to fifteen digits), only the correction columns are
//! unlocked, and a hidden sheet `_bankgate` says which workbook this is and which column holds what, by keys that do
//! not change with the language. The protection has no password: it guards against slips, and whoever reads a workbook
//! back believes nothing in it but the unlocked columns.
//!
//! Nothing a bank or a list wrote can become a formula: every value is written as a string cell, and one that a
//! spreadsheet would read as a formula when typed or pasted carries the quote prefix as well.
//!
//! Rows stream to a temporary file (constant memory). The same facts give the same bytes.

mod columns;
mod public;

use rust_xlsxwriter::{
    DataValidation, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, ProtectionOptions, Workbook, Worksheet, XlsxError,
};

use crate::domain::closing::{UnpaidList, UnpaidRow};
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::domain::report::{
    CompletedList, CompletedRow, FailureReport, FailureRow, RecoveryReport, RecoveryRow, advice_words, reason_words,
};
use crate::domain::scrub::scrub_bank_text;
use crate::domain::time::Timestamp;

use columns::{
    COMPLETED_COLUMNS, CORRECTION_COLUMNS, Column, FAILURE_COLUMNS, Kind, REASON_COLUMNS, RECOVERY_COLUMNS, RESULT_COLUMNS, UNPAID_COLUMNS,
    column,
};
pub use public::{publication_workbook, statements_workbook};

/// The hidden sheet that describes the workbook: keys in its first column, values in the second.
pub const SHEET_ABOUT: &str = "_bankgate";
/// The row of the column titles, from 0; the rows behind it are payments.
pub const HEADER_ROW: u32 = 2;
/// What a department can decide (处理意见): key, Chinese, English. The drop-down offers the words.
pub const DECISIONS: [(&str, &str, &str); 4] = [
    ("reissue", "更正重发", "correct and reissue"),
    ("tell_person", "通知本人", "person to act"),
    ("refund", "退回国库", "refund to treasury"),
    ("enquire", "待查", "to be found out"),
];
/// ECMA-376's own formats `@`, `0` and `#,##0.00`. By number, since only number 49 is what every program calls text.
const NUMBER_FORMAT_TEXT: u8 = 49;
const NUMBER_FORMAT_COUNT: u8 = 1;
const NUMBER_FORMAT_MONEY: u8 = 4;
/// What a sheet can hold, less the title rows.
const ROWS_MAX: usize = 1_048_000;
/// No field of ours is longer; Excel's own limit is 32,767.
const TEXT_MAX: usize = 1_000;

/// Why there is no workbook.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// More rows than a sheet has.
    #[error("{rows} rows do not fit a sheet ({ROWS_MAX}); report the batch by township")]
    TooManyRows { rows: usize },
    /// The library refuses, or its temporary file cannot be written.
    #[error("cannot write the workbook: {0}. Look for room in the temporary directory, then run again")]
    Xlsx(#[from] XlsxError),
}

/// What a cell holds.
enum Cell {
    Text(String),
    Money(Fen),
    Count(u64),
    Empty,
}

fn text(words: impl Into<String>) -> Cell {
    Cell::Text(words.into())
}

/// The workbook of a failure report (发放失败明细), with unlocked columns for the correction.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn failure_workbook(report: &FailureReport, language: Language) -> Result<Vec<u8>, WorkbookError> {
    fits(report.rows.len())?;
    let mut book = Book::new(report.generated_at, language)?;
    let made = report.generated_at.local(report.zone).format("%Y-%m-%d %H:%M");
    let (count, amount) = (report.rows.len(), report.amount());
    let title = match language {
        Language::Zh => {
            format!("{} 发放失败明细　{}　{}　共{count}笔 {amount}元　数据截至 {made}", report.department, report.bank, report.date)
        }
        Language::En => {
            format!("{}: failed payments, {}, {}: {count}, {amount} yuan; as of {made}", report.department, report.bank, report.date)
        }
    };
    let hint = language.pick(
        "请只填写黄色各栏；身份证号、卡号请按文本填写全部数字。每行对应一笔失败的支付，请勿增删行。更正后须重新审批、发放。",
        "Fill in the yellow columns only; write identity and card numbers whole, as text. One row is one failed payment: add and delete none. A correction is approved and released anew.",
    );
    let rows = report.rows.iter().zip(1..).map(|(row, seq)| failure_cells(row, seq, language));
    book.sheet(language.pick("失败明细", "Failures"), &title, hint, &FAILURE_COLUMNS, rows)?;
    let sums = report.by_reason().into_iter().map(|sum| {
        vec![
            text(reason_words(sum.reason, language)),
            Cell::Count(sum.count),
            Cell::Money(sum.amount),
            text(advice_words(sum.class, language)),
        ]
    });
    book.sheet(language.pick("按原因汇总", "By reason"), &title, "", &REASON_COLUMNS, sums)?;
    book.about("failure_report", &report.workbook_id, count, &FAILURE_COLUMNS)?;
    book.bytes()
}

fn failure_cells(row: &FailureRow, seq: u64, language: Language) -> Vec<Cell> {
    vec![
        Cell::Count(seq),
        text(&row.township),
        text(&row.village),
        text(row.payee_name.reveal()),
        text(row.id_number.last_four()),
        text(row.account.last_four()),
        text(&row.payment_no),
        text(&row.batch_no),
        text(&row.project),
        Cell::Money(row.amount),
        text(row.kind.words(language)),
        text(reason_words(row.reason, language)),
        text(scrub_bank_text(&row.bank_words)),
        text(advice_words(row.class, language)),
        text(row.due.to_string()),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        text(&row.reference),
        text(row.reason.code()),
        text(row.class.code()),
    ]
}

/// The workbook of a completed list (发放完成清单): the listed payments with their results, as they come.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn completed_workbook(
    list: &CompletedList,
    rows: impl Iterator<Item = CompletedRow>,
    language: Language,
) -> Result<Vec<u8>, WorkbookError> {
    let (count, amount) = list.listed;
    let listed = usize::try_from(count).unwrap_or(usize::MAX);
    fits(listed)?;
    let mut book = Book::new(list.generated_at, language)?;
    let made = list.generated_at.local(list.zone).format("%Y-%m-%d %H:%M");
    let title = match language {
        Language::Zh => format!(
            "{} {}（{}）发放完成清单　批次 {}　共{count}笔 {amount}元　数据截至 {made}",
            list.department, list.project, list.period, list.batch_no
        ),
        Language::En => format!(
            "{}: completed list of {} ({}), batch {}: {count}, {amount} yuan; as of {made}",
            list.department, list.project, list.period, list.batch_no
        ),
    };
    let rows = rows.zip(1..).map(|(row, seq)| completed_cells(&row, seq, language));
    book.sheet(language.pick("发放完成清单", "Completed list"), &title, "", &COMPLETED_COLUMNS, rows)?;
    let sums = list.sums.iter().map(|sum| vec![text(sum.result.words(language)), Cell::Count(sum.count), Cell::Money(sum.amount)]);
    book.sheet(language.pick("按结果汇总", "By result"), &title, "", &RESULT_COLUMNS, sums)?;
    book.about("completed_list", &list.workbook_id, listed, &COMPLETED_COLUMNS)?;
    book.bytes()
}

/// A sheet of plain text: its name and title, what stands above each column (Chinese, English, width in pixels), its rows.
#[derive(Clone, Debug)]
pub struct PlainSheet {
    /// The sheet's name, in Chinese and in English.
    pub name: (&'static str, &'static str),
    /// What it says, above the table.
    pub title: String,
    /// The columns.
    pub columns: Vec<(&'static str, &'static str, u32)>,
    /// The rows; every cell is text.
    pub rows: Vec<Vec<String>>,
}

/// A workbook of plain tables, locked and ready to print, for whoever reads only.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn plain_workbook(made: Timestamp, sheets: &[PlainSheet], language: Language) -> Result<Vec<u8>, WorkbookError> {
    let mut book = Book::new(made, language)?;
    for sheet in sheets {
        fits(sheet.rows.len())?;
        let columns: Vec<Column> = sheet.columns.iter().map(|(zh, en, width)| column("", zh, en, *width, Kind::Text)).collect();
        let rows = sheet.rows.iter().map(|row| row.iter().map(text).collect());
        book.sheet(language.pick(sheet.name.0, sheet.name.1), &sheet.title, "", &columns, rows)?;
    }
    book.bytes()
}

fn completed_cells(row: &CompletedRow, seq: u64, language: Language) -> Vec<Cell> {
    vec![
        Cell::Count(seq),
        text(&row.township),
        text(&row.village),
        text(row.payee_name.reveal()),
        text(row.id_number.last_four()),
        text(row.account.last_four()),
        text(&row.payment_no),
        text(&row.bank),
        Cell::Money(row.amount),
        text(row.result.words(language)),
        row.paid_on.map_or(Cell::Empty, |day| text(day.to_string())),
        row.reason.map_or(Cell::Empty, |reason| text(reason_words(reason, language))),
    ]
}

/// The workbook of payments to be asked back (追回明细).
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn recovery_workbook(report: &RecoveryReport, language: Language) -> Result<Vec<u8>, WorkbookError> {
    fits(report.rows.len())?;
    let mut book = Book::new(report.generated_at, language)?;
    let made = report.generated_at.local(report.zone).format("%Y-%m-%d %H:%M");
    let (count, amount) = (report.rows.len(), report.amount());
    let title = match language {
        Language::Zh => format!("{} 不应发放补贴追回明细　共{count}笔 {amount}元　数据截至 {made}", report.department),
        Language::En => format!("{}: payments to be recovered: {count}, {amount} yuan; as of {made}", report.department),
    };
    let rows = report.rows.iter().zip(1..).map(|(row, seq)| recovery_cells(row, seq, language));
    book.sheet(language.pick("追回明细", "Recoveries"), &title, "", &RECOVERY_COLUMNS, rows)?;
    book.about("recovery", &report.workbook_id, count, &RECOVERY_COLUMNS)?;
    book.bytes()
}

fn recovery_cells(row: &RecoveryRow, seq: u64, language: Language) -> Vec<Cell> {
    vec![
        Cell::Count(seq),
        text(row.case.to_string()),
        text(&row.township),
        text(&row.village),
        text(row.payee_name.reveal()),
        text(row.id_number.last_four()),
        text(row.account.last_four()),
        text(&row.payment_no),
        text(&row.project),
        Cell::Money(row.amount),
        row.told_on.map_or(Cell::Empty, |day| text(day.to_string())),
        text(reason_words(row.reason, language)),
        text(row.due.to_string()),
    ]
}

/// The answer to a correction workbook, row by row (更正处理结果): row, payment number, result, why, batch, number there.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn correction_answer(rows: &[[String; 6]], title: &str, made: Timestamp, language: Language) -> Result<Vec<u8>, WorkbookError> {
    fits(rows.len())?;
    let mut book = Book::new(made, language)?;
    let cells = rows.iter().map(|row| row.iter().map(text).collect());
    book.sheet(language.pick("处理结果", "Results"), title, "", &CORRECTION_COLUMNS, cells)?;
    book.about("correction_answer", "", rows.len(), &CORRECTION_COLUMNS)?;
    book.bytes()
}

/// The key of a failure report's column, by its title in either language, however it was blanked or broken.
pub(super) fn failure_key(title: &str) -> Option<&'static str> {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let title = plain(title);
    FAILURE_COLUMNS.iter().find(|column| plain(column.zh) == title || plain(column.en) == title).map(|column| column.key)
}

/// The workbook of what a year could not put right (年终未支付台账); people are masked in it.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn unpaid_workbook(list: &UnpaidList, language: Language) -> Result<Vec<u8>, WorkbookError> {
    fits(list.rows.len())?;
    let mut book = Book::new(list.made, language)?;
    let (count, amount) = (list.rows.len(), list.rows.iter().map(|r| r.fen).sum::<Fen>());
    let UnpaidList { number, year, department, project, .. } = list;
    let title = match language {
        Language::Zh => format!("{department} {project} {year}年度未支付台账　{number}　共{count}笔 {amount}元"),
        Language::En => format!("{department}, {project}: not paid in {year}, {number}: {count}, {amount} yuan"),
    };
    let hint = language.pick(
        "款项已退回国库，权益保留；信息更正后经审批，由新年度资金补发。",
        "The money is back at the treasury; the entitlement stays. Once corrected and approved it is paid from the new year's funds.",
    );
    let rows = list.rows.iter().zip(1..).map(|(row, seq)| unpaid_cells(row, seq, language));
    book.sheet(language.pick("台账", "Not paid"), &title, hint, &UNPAID_COLUMNS, rows)?;
    book.about("unpaid_list", number, count, &UNPAID_COLUMNS)?;
    book.bytes()
}

fn unpaid_cells(row: &UnpaidRow, seq: u64, language: Language) -> Vec<Cell> {
    let reason = Reason::from_code(&row.reason);
    vec![
        Cell::Count(seq),
        text(&row.township),
        text(&row.village),
        text(row.name.to_string()),
        text(row.id_number.to_string()),
        text(&row.reference),
        text(format!("{} / {}", row.batch, row.seq)),
        Cell::Money(row.fen),
        text(reason.map_or(row.reason.as_str(), |r| reason_words(r, language))),
        if row.case > 0 { text(row.case.to_string()) } else { Cell::Empty },
        text(&row.order),
        text(&row.state),
    ]
}

fn fits(rows: usize) -> Result<(), WorkbookError> {
    if rows > ROWS_MAX { Err(WorkbookError::TooManyRows { rows }) } else { Ok(()) }
}

/// A workbook being written.
struct Book {
    workbook: Workbook,
    language: Language,
    styles: Styles,
}

struct Styles {
    title: Format,
    hint: Format,
    header: Format,
    header_input: Format,
    text: Format,
    quoted: Format,
    money: Format,
    count: Format,
    input: Format,
}

impl Styles {
    fn new() -> Self {
        let cell = Format::new().set_border(FormatBorder::Thin).set_border_color("#BFBFBF").set_align(FormatAlign::Top);
        let written = cell.clone().set_num_format_index(NUMBER_FORMAT_TEXT).set_text_wrap();
        let header = cell.clone().set_bold().set_text_wrap().set_align(FormatAlign::Center).set_background_color("#DCE6F1");
        Self {
            title: Format::new().set_bold().set_font_size(13),
            hint: Format::new().set_font_color("#7F6000"),
            header_input: header.clone().set_background_color("#FFE699"),
            header,
            quoted: written.clone().set_quote_prefix(),
            money: cell.clone().set_num_format_index(NUMBER_FORMAT_MONEY).set_align(FormatAlign::Right),
            count: cell.set_num_format_index(NUMBER_FORMAT_COUNT),
            input: written.clone().set_unlocked().set_background_color("#FFFBE6"),
            text: written,
        }
    }
}

impl Book {
    /// The creation time is the report's, never the clock's: the same facts give the same bytes.
    fn new(made: Timestamp, language: Language) -> Result<Self, WorkbookError> {
        let mut workbook = Workbook::new();
        let made = ExcelDateTime::parse_from_str(&made.to_string())?;
        workbook.set_properties(&DocProperties::new().set_author("bankgate").set_creation_datetime(&made));
        Ok(Self { workbook, language, styles: Styles::new() })
    }

    /// One table: title, hint, header, rows; locked but for the inputs, filtered, ready to print.
    fn sheet(
        &mut self,
        name: &str,
        title: &str,
        hint: &str,
        columns: &[Column],
        rows: impl Iterator<Item = Vec<Cell>>,
    ) -> Result<(), WorkbookError> {
        let (language, styles) = (self.language, &self.styles);
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        sheet.write_string_with_format(0, 0, clip(title), &styles.title)?;
        sheet.write_string_with_format(1, 0, hint, &styles.hint)?;
        for (at, column) in (0..).zip(columns) {
            sheet.set_column_width_pixels(at, column.width)?;
            if column.kind == Kind::Hidden {
                sheet.set_column_hidden(at)?;
            }
            let style = if is_input(column.kind) { &styles.header_input } else { &styles.header };
            sheet.write_string_with_format(HEADER_ROW, at, language.pick(column.zh, column.en), style)?;
        }
        let mut last = HEADER_ROW;
        for cells in rows {
            last += 1;
            for ((at, column), cell) in (0..).zip(columns).zip(cells) {
                write_cell(sheet, styles, (last, at), column.kind, &cell)?;
            }
        }
        furnish(sheet, language, columns, last)
    }

    /// The hidden sheet by which a workbook that comes back is known.
    fn about(&mut self, kind: &str, id: &str, rows: usize, columns: &[Column]) -> Result<(), WorkbookError> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(SHEET_ABOUT)?;
        let header = (HEADER_ROW + 1).to_string();
        let keys = columns.iter().map(|column| column.key).collect::<Vec<_>>().join(",");
        let facts = [
            ("kind", kind),
            ("workbook_id", id),
            ("layout", "2"),
            ("language", self.language.code()),
            ("header_row", &header),
            ("rows", &rows.to_string()),
            ("columns", &keys),
        ];
        for (row, (key, value)) in (0..).zip(facts) {
            sheet.write_string_with_format(row, 0, key, &self.styles.text)?;
            sheet.write_string_with_format(row, 1, value, &self.styles.text)?;
        }
        sheet.set_very_hidden(true);
        sheet.protect();
        Ok(())
    }

    fn bytes(mut self) -> Result<Vec<u8>, WorkbookError> {
        Ok(self.workbook.save_to_buffer()?)
    }
}

/// Everything around the cells.
fn furnish(sheet: &mut Worksheet, language: Language, columns: &[Column], last: u32) -> Result<(), WorkbookError> {
    let width = u16::try_from(columns.len()).unwrap_or(u16::MAX).saturating_sub(1);
    sheet.set_freeze_panes(HEADER_ROW + 1, if width > 5 { 4 } else { 0 })?;
    sheet.autofilter(HEADER_ROW, 0, last, width)?;
    for (at, _) in (0..).zip(columns).filter(|(_, column)| column.kind == Kind::Decision) {
        let words: Vec<_> = DECISIONS.iter().map(|(_, zh, en)| language.pick(zh, en)).collect();
        let list = DataValidation::new()
            .allow_list_strings(&words)?
            .set_error_title(language.pick("处理意见", "Decision"))?
            .set_error_message(language.pick("请从列表中选择", "Choose from the list"))?;
        sheet.add_data_validation(HEADER_ROW + 1, at, last.max(HEADER_ROW + 1), at, &list)?;
    }
    sheet.protect_with_options(&ProtectionOptions {
        format_columns: true,
        format_rows: true,
        sort: true,
        use_autofilter: true,
        ..ProtectionOptions::default()
    });
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_repeat_rows(HEADER_ROW, HEADER_ROW)?;
    sheet.set_footer(language.pick("&C第 &P 页 共 &N 页", "&CPage &P of &N"));
    Ok(())
}

fn write_cell(sheet: &mut Worksheet, styles: &Styles, at: (u32, u16), kind: Kind, cell: &Cell) -> Result<(), WorkbookError> {
    let (row, column) = at;
    match cell {
        Cell::Empty => {
            let style = if is_input(kind) { &styles.input } else { &styles.text };
            sheet.write_blank(row, column, style)?;
        }
        Cell::Text(words) => {
            let style = if reads_as_formula(words) { &styles.quoted } else { &styles.text };
            sheet.write_string_with_format(row, column, clip(words), style)?;
        }
        // Counts of a sheet fit 32 bits, which a cell holds exactly.
        Cell::Count(count) => {
            sheet.write_number_with_format(row, column, u32::try_from(*count).unwrap_or(u32::MAX), &styles.count)?;
        }
        Cell::Money(amount) => write_money(sheet, styles, at, *amount)?,
    }
    Ok(())
}

/// A number cell, so that clerks can sum. A spreadsheet knows only binary floating point with fifteen decimal digits:
/// up to there the digits that stand in the file are exactly ours; a larger amount stands as text.
#[expect(clippy::disallowed_types, reason = "the one door to a spreadsheet's number cell; parsed from our digits, never computed with")]
fn write_money(sheet: &mut Worksheet, styles: &Styles, (row, column): (u32, u16), amount: Fen) -> Result<(), WorkbookError> {
    const FIFTEEN_DIGITS: u64 = 1_000_000_000_000_000;
    match amount.to_string().parse::<f64>() {
        Ok(number) if amount.get().unsigned_abs() < FIFTEEN_DIGITS => {
            sheet.write_number_with_format(row, column, number, &styles.money)?;
        }
        Ok(_) | Err(_) => {
            sheet.write_string_with_format(row, column, amount.to_string(), &styles.text)?;
        }
    }
    Ok(())
}

const fn is_input(kind: Kind) -> bool {
    match kind {
        Kind::Input | Kind::Decision => true,
        Kind::Text | Kind::Money | Kind::Count | Kind::Hidden => false,
    }
}

/// What a spreadsheet takes for a formula when it is typed, pasted or saved as CSV and opened again.
pub(super) fn reads_as_formula(words: &str) -> bool {
    words.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '|'])
}

/// Control characters as spaces (XML has no place for them), and an end to what would not fit a cell.
fn clip(words: &str) -> String {
    words.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
