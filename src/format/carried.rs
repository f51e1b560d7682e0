//! What is carried over on the day of the switch-over (切换): payments that the channel before this one made, and what lay in
//! the accounts. Tables as CSV in UTF-8 or GB18030, read as a stream; each fault has its line and column, and nothing is guessed.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use chrono::NaiveDate;

use super::list::{FAULTS_KEPT, ListError, ListFault, ListSummary, Records};
use crate::domain::batch::is_period;
use crate::domain::ids::check_id_number;
use crate::domain::ledger::AccountKind;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;

/// Longer than any field of ours.
const TEXT_MAX: usize = 200;

/// A payment that the channel before made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidBefore {
    /// Its line in the file.
    pub line: u64,
    /// Project's code.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// The entitled person.
    pub name: Name,
    /// The entitled person's identity number; may be missing with a mandate.
    pub id_number: IdNumber,
    /// The mandate, where there is no identity number.
    pub mandate_no: String,
    /// The card that it went to, where that is known.
    pub account: Account,
    /// How much.
    pub amount: Fen,
    /// When.
    pub paid_on: NaiveDate,
}

/// What lay in an account on the day of the switch-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its line in the file.
    pub line: u64,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// Which account.
    pub kind: AccountKind,
    /// How much.
    pub amount: Fen,
    /// On which day.
    pub as_of: NaiveDate,
    /// A note.
    pub note: String,
}

/// A column: its Chinese and its English head, and whether it must be there.
type Column = (&'static str, &'static str, bool);

const PAID_COLUMNS: [Column; 8] = [
    ("项目代码", "project", true),
    ("所属期", "period", true),
    ("享受人姓名", "entitled_name", true),
    ("享受人身份证号", "entitled_id", true),
    ("代领授权书号", "mandate_no", false),
    ("卡号", "account", false),
    ("金额(元)", "amount", true),
    ("发放日期", "paid_on", true),
];

const OPENING_COLUMNS: [Column; 7] = [
    ("部门代码", "department", true),
    ("项目代码", "project", true),
    ("年度", "year", true),
    ("科目", "account", true),
    ("金额(元)", "amount", true),
    ("截止日期", "as_of", true),
    ("备注", "note", false),
];

/// Accounts that can open with something: what is in flight or paid was instructed by somebody else.
pub const OPENING_KINDS: [AccountKind; 4] =
    [AccountKind::ZeroBalance, AccountKind::SuspenseCorrectable, AccountKind::SuspenseIneligible, AccountKind::SuspenseUnknown];

/// What is wrong with a cell (by its column), and what to do.
type Fault = (usize, String, &'static str);

/// Reads payments of the channel before; each row without a fault goes to `sink`.
///
/// # Errors
/// The medium fails, the text is in no charset that is read here, or the sink stops. Faults of rows are in the summary.
pub fn visit_paid<R: Read + Seek>(reader: R, sink: &mut dyn FnMut(PaidBefore) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    visit(reader, &PAID_COLUMNS, &mut |line, cells| {
        let row = paid(line, cells)?;
        let amount = row.amount;
        Ok((amount, sink(row)))
    })
}

/// Reads opening balances.
///
/// # Errors
/// As `visit_paid`.
pub fn visit_openings<R: Read + Seek>(reader: R, sink: &mut dyn FnMut(Opening) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    visit(reader, &OPENING_COLUMNS, &mut |line, cells| {
        let row = opening(line, cells)?;
        let amount = row.amount;
        Ok((amount, sink(row)))
    })
}

fn paid(line: u64, cells: &[String]) -> Result<PaidBefore, Vec<Fault>> {
    let mut faults = Vec::new();
    let cell = |at: usize| cells.get(at).map(String::as_str).unwrap_or_default();
    for at in [0, 1, 2, 6, 7] {
        if cell(at).is_empty() {
            faults.push((at, "nothing stands here".to_owned(), "enter the value from the old channel's books"));
        }
    }
    if !cell(1).is_empty() && !is_period(cell(1)) {
        faults.push((1, "this is no period".to_owned(), "write it like 2019, 2019-Q1 or 2019-03"));
    }
    let id_number = IdNumber::new(cell(3));
    if id_number.is_empty() && cell(4).is_empty() {
        faults.push((3, "neither an identity number nor a mandate".to_owned(), "enter one of them: the claim is known by it"));
    } else if !id_number.is_empty()
        && let Err(e) = check_id_number(&id_number)
    {
        faults.push((3, e.to_string(), "enter the number as it stands on the card of identity"));
    }
    let account = Account::new(cell(5));
    if !account.is_empty() && !account.is_card_like() {
        faults.push((5, "not 12 to 32 digits".to_owned(), "enter the card, or leave the cell empty"));
    }
    let amount = amount(6, cell(6), &mut faults);
    let paid_on = date(7, cell(7), &mut faults);
    match (amount, paid_on) {
        (Some(amount), Some(paid_on)) if faults.is_empty() => Ok(PaidBefore {
            line,
            project: cell(0).to_owned(),
            period: cell(1).to_owned(),
            name: Name::new(cell(2)),
            id_number,
            mandate_no: cell(4).to_owned(),
            account,
            amount,
            paid_on,
        }),
        _ => Err(faults),
    }
}

fn opening(line: u64, cells: &[String]) -> Result<Opening, Vec<Fault>> {
    let mut faults = Vec::new();
    let cell = |at: usize| cells.get(at).map(String::as_str).unwrap_or_default();
    for at in [0, 1, 2, 3, 4, 5] {
        if cell(at).is_empty() {
            faults.push((at, "nothing stands here".to_owned(), "enter the value from the books of the day"));
        }
    }
    let year = cell(2).parse().ok().filter(|year| (1990..=2100).contains(year) && cell(2).len() == 4);
    if year.is_none() && !cell(2).is_empty() {
        faults.push((2, format!("{:?} is no fiscal year", cell(2)), "write it like 2019"));
    }
    let kind = AccountKind::from_code(cell(3)).filter(|kind| OPENING_KINDS.contains(kind));
    if kind.is_none() && !cell(3).is_empty() {
        let next = "zero_balance, suspense:correctable, suspense:ineligible or suspense:unknown; settle the others in the old channel";
        faults.push((3, format!("{:?} is no account that opens with something", cell(3)), next));
    }
    let amount = amount(4, cell(4), &mut faults);
    let as_of = date(5, cell(5), &mut faults);
    match (year, kind, amount, as_of) {
        (Some(year), Some(kind), Some(amount), Some(as_of)) if faults.is_empty() => Ok(Opening {
            line,
            department: cell(0).to_owned(),
            project: cell(1).to_owned(),
            year,
            kind,
            amount,
            as_of,
            note: cell(6).to_owned(),
        }),
        _ => Err(faults),
    }
}

fn amount(at: usize, text: &str, faults: &mut Vec<Fault>) -> Option<Fen> {
    if text.is_empty() {
        return None;
    }
    match Fen::parse_yuan(text) {
        Ok(amount) if amount.is_positive() => return Some(amount),
        Ok(_) => faults.push((at, "not more than nothing".to_owned(), "leave out rows that move no money")),
        Err(e) => faults.push((at, e.to_string(), "write yuan like 1234.56")),
    }
    None
}

fn date(at: usize, text: &str, faults: &mut Vec<Fault>) -> Option<NaiveDate> {
    let date = text.parse().ok().filter(|_| text.len() == 10);
    if date.is_none() && !text.is_empty() {
        faults.push((at, "this is no date".to_owned(), "write it like 2019-03-14"));
    }
    date
}

/// A row's amount and whether to go on, or what is wrong with it.
type Took = Result<(Fen, ControlFlow<()>), Vec<Fault>>;

fn visit<R: Read + Seek>(reader: R, columns: &[Column], take: &mut dyn FnMut(u64, &[String]) -> Took) -> Result<ListSummary, ListError> {
    let (mut records, charset) = Records::open(reader)?;
    let mut summary = ListSummary { charset: Some(charset), total: Some(Fen::ZERO), ..ListSummary::default() };
    let mut record = csv::StringRecord::new();
    let mut places: Option<BTreeMap<usize, usize>> = None;
    while let Some(line) = records.next(&mut record)? {
        let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let Some(places) = &places else {
            places = Some(header(line, &cells, columns, &mut summary));
            if !summary.faults.is_empty() {
                return Ok(summary);
            }
            continue;
        };
        summary.count += 1;
        let mut row = vec![String::new(); columns.len()];
        for (at, cell) in cells.into_iter().enumerate() {
            if let Some(place) = places.get(&at).and_then(|column| row.get_mut(*column)) {
                *place = cell;
            }
        }
        let strange = row.iter().position(|cell| cell.chars().count() > TEXT_MAX || cell.chars().any(char::is_control));
        let took = match strange {
            Some(at) => Err(vec![(at, format!("longer than {TEXT_MAX} characters, or with a control character"), "shorten it")]),
            None => take(line, &row),
        };
        match took {
            Ok((_, ControlFlow::Break(()))) => return Err(ListError::Stopped),
            Ok((amount, ControlFlow::Continue(()))) => summary.total = summary.total.and_then(|total| total.checked_add(amount)),
            Err(faults) => faults.into_iter().for_each(|(at, what, next)| {
                let column = columns.get(at).map_or("", |column| column.0);
                tell(&mut summary, line, column, what, next);
            }),
        }
    }
    if places.is_none() {
        tell(&mut summary, 0, "", "the file is empty".to_owned(), "bring a table with a header");
    }
    Ok(summary)
}

fn tell(summary: &mut ListSummary, line: u64, column: &str, what: String, next: &str) {
    if summary.faults.len() < FAULTS_KEPT {
        summary.faults.push(ListFault { line, column: column.to_owned(), what, next: next.to_owned() });
    } else {
        summary.faults_beyond += 1;
    }
}

/// Which column stands where. A head that nobody knows is a fault: a mistyped one would silently lose its column.
fn header(line: u64, cells: &[String], columns: &[Column], summary: &mut ListSummary) -> BTreeMap<usize, usize> {
    let mut places = BTreeMap::new();
    for (at, head) in cells.iter().enumerate().filter(|(_, head)| !head.is_empty()) {
        // Without a header this row is somebody's: what has digits in it is not repeated.
        let shown = if head.chars().any(|c| c.is_ascii_digit()) { format!("#{}", at + 1) } else { head.clone() };
        let plain = head.replace('（', "(").replace('）', ")");
        match columns.iter().position(|(zh, en, _)| plain == *zh || plain.eq_ignore_ascii_case(en)) {
            Some(column) if !places.values().any(|taken| *taken == column) => _ = places.insert(at, column),
            Some(_) => tell(summary, line, &shown, "this column stands twice".to_owned(), "leave one of them out"),
            None => tell(summary, line, &shown, "no such column".to_owned(), "rename it, or leave it out"),
        }
    }
    for (column, (zh, en, _)) in columns.iter().enumerate().filter(|(_, (_, _, is_needed))| *is_needed) {
        if !places.values().any(|place| *place == column) {
            tell(summary, line, zh, format!("the column is missing ({zh} or {en})"), "add it to the header and fill it in");
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &[u8]) -> (Vec<PaidBefore>, ListSummary) {
        let mut rows = Vec::new();
        let summary = visit_paid(Cursor::new(text), &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        });
        (rows, summary.unwrap())
    }

    #[test]
    fn rows_are_read_in_both_charsets() {
        let text = "项目代码,所属期,享受人姓名,享受人身份证号,金额（元）,发放日期\n0901,2019-03,李珅,11010519491231002X,12.30,2019-03-08\n";
        let (rows, summary) = read(text.as_bytes());
        assert!(summary.faults.is_empty(), "{:?}", summary.faults);
        assert_eq!((rows.len(), summary.count, summary.total), (1, 1, Some(Fen::new(1230))));
        assert_eq!((rows[0].line, rows[0].period.as_str()), (2, "2019-03"));
        let mut gbk = Vec::with_capacity(text.len() * 2);
        let (ended, _) = encoding_rs::GBK.new_encoder().encode_from_utf8_to_vec_without_replacement(text, &mut gbk, true);
        assert_eq!(ended, encoding_rs::EncoderResult::InputEmpty);
        assert_eq!(read(&gbk).0, rows);
        assert_eq!(read(format!("\u{feff}{text}").as_bytes()).0, rows);
    }

    #[test]
    fn every_fault_has_its_line_and_column() {
        let text = "project,period,entitled_name,entitled_id,account,amount,paid_on\n\
                    0901,March,甲,110105194912310021,12,1.234,2019-3-8\n,2019,乙,,,0,2019-03-08\n";
        let (rows, summary) = read(text.as_bytes());
        assert!(rows.is_empty());
        let places: Vec<(u64, &str)> = summary.faults.iter().map(|f| (f.line, f.column.as_str())).collect();
        assert_eq!(
            places,
            [
                (2, "所属期"),
                (2, "享受人身份证号"),
                (2, "卡号"),
                (2, "金额(元)"),
                (2, "发放日期"),
                (3, "项目代码"),
                (3, "享受人身份证号"),
                (3, "金额(元)")
            ]
        );
        assert!(!format!("{:?}", summary.faults).contains("110105194912310021"));
        let (_, summary) = read("project,peroid\n".as_bytes());
        assert!(summary.faults.iter().any(|f| f.column == "peroid") && summary.faults.len() == 6, "{:?}", summary.faults);
    }

    #[test]
    fn a_line_is_counted_with_the_blank_ones_before_it() {
        let row = "0901,2019-03,李珅,11010519491231002X,12.30,2019-03-08";
        let bad = row.replace("12.30", "12.345");
        for end in ["\n", "\r\n"] {
            for tail in ["", end] {
                let lines = ["", "项目代码,所属期,享受人姓名,享受人身份证号,金额（元）,发放日期", "", ",,,,,", row, "", "", &bad];
                let (rows, summary) = read(format!("{}{tail}", lines.join(end)).as_bytes());
                assert_eq!(rows.iter().map(|r| r.line).collect::<Vec<_>>(), [5], "{end:?} {tail:?}");
                assert_eq!(summary.faults.iter().map(|f| f.line).collect::<Vec<_>>(), [8], "{end:?} {tail:?}");
            }
        }
    }
}
