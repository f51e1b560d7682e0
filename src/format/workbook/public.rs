//! Workbooks for the public list (再公示) and for people's statements (对账单): everything masked, nothing to fill in.

use super::columns::{PUBLIC_COLUMNS, STATEMENT_COLUMNS, TOWNSHIP_COLUMNS};
use super::{Book, Cell, WorkbookError, fits, text};
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::publication::{PersonStatement, PublicList, PublicRow};
use crate::domain::time::Timestamp;

/// The public list of a batch: sums by township, then every row by village.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn publication_workbook(list: &PublicList, language: Language) -> Result<Vec<u8>, WorkbookError> {
    let total = list.total();
    fits(usize::try_from(total.count).unwrap_or(usize::MAX))?;
    let mut book = Book::new(list.made_at, language)?;
    let made = list.made_at.local(list.zone).format("%Y-%m-%d %H:%M");
    let title = match language {
        Language::Zh => format!(
            "{} {}（{}）发放结果公示　批次{}　共{}笔 {}元　数据截至 {made}",
            list.department, list.project, list.period, list.batch, total.count, total.amount
        ),
        Language::En => format!(
            "{}: {} ({}), paid, batch {}: {}, {} yuan; as of {made}",
            list.department, list.project, list.period, list.batch, total.count, total.amount
        ),
    };
    let sum = |name: &str, count, amount| vec![text(name), Cell::Count(count), Cell::Money(amount)];
    let mut sums: Vec<_> = list.townships().into_iter().map(|(name, of)| sum(name, of.count, of.amount)).collect();
    sums.push(sum(language.pick("合计", "Total"), total.count, total.amount));
    book.sheet(language.pick("镇乡汇总", "By township"), &title, "", &TOWNSHIP_COLUMNS, sums.into_iter())?;
    let rows = list.villages.values().flatten().zip(1..).map(|(row, n)| public_cells(row, n, language));
    book.sheet(language.pick("村级明细", "By village"), &title, "", &PUBLIC_COLUMNS, rows)?;
    book.bytes()
}

fn public_cells(row: &PublicRow, n: u64, language: Language) -> Vec<Cell> {
    vec![
        Cell::Count(n),
        text(&row.township),
        text(&row.village),
        text(&row.group),
        text(&row.household_no),
        text(row.entitled_name.to_string()),
        text(row.payee_name.to_string()),
        text(row.payee_id.to_string()),
        text(row.account.last_four()),
        Cell::Money(row.amount),
        if row.is_by_other { text(language.pick("户主或代领人代收", "received by the head or a proxy")) } else { Cell::Empty },
    ]
}

/// What people were credited in a period: a row a credit, and a sum for each person.
///
/// # Errors
/// More rows than a sheet holds, or no room for temporary files.
pub fn statements_workbook(
    title: &str,
    people: &[PersonStatement],
    made_at: Timestamp,
    language: Language,
) -> Result<Vec<u8>, WorkbookError> {
    fits(people.iter().map(|p| p.credits.len() + 1).sum())?;
    let mut book = Book::new(made_at, language)?;
    let rows = people.iter().flat_map(|person| person_cells(person, language));
    book.sheet(language.pick("对账单", "Statements"), title, "", &STATEMENT_COLUMNS, rows)?;
    let mut all: std::collections::BTreeMap<&str, (u64, Fen)> = std::collections::BTreeMap::new();
    for person in people {
        let (count, amount) = all.entry(&person.township).or_default();
        *count += u64::try_from(person.credits.len()).unwrap_or_default();
        *amount = [*amount, person.total()].into_iter().sum();
    }
    let sums = all.into_iter().map(|(name, (count, amount))| vec![text(name), Cell::Count(count), Cell::Money(amount)]);
    book.sheet(language.pick("镇乡汇总", "By township"), title, "", &TOWNSHIP_COLUMNS, sums)?;
    book.bytes()
}

fn person_cells(person: &PersonStatement, language: Language) -> Vec<Vec<Cell>> {
    let who =
        || [text(&person.township), text(&person.village), text(person.name.to_string()), text(person.id_number.to_string())].into_iter();
    let credits = person.credits.iter().map(|credit| {
        let rest = [
            text(credit.on.to_string()),
            text(&credit.project),
            text(&credit.period),
            text(credit.account.last_four()),
            Cell::Money(credit.amount),
        ];
        who().chain(rest).collect()
    });
    let sum = [Cell::Empty, text(language.pick("小计", "Sum")), Cell::Empty, Cell::Empty, Cell::Money(person.total())];
    credits.chain(std::iter::once(who().chain(sum).collect())).collect()
}
