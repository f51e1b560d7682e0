//! Writes lists as departments bring them, for the sandbox and for corrected lists.

use std::borrow::Borrow;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::columns::Column;
use super::{ListHead, ListRow};
use crate::domain::ids::EndToEndId;

/// Writes rows as CSV with Chinese headers, in UTF-8 with a byte order mark (without it spreadsheet programs take UTF-8
/// for GBK). A CSV has no place for the head of a list.
///
/// # Errors
/// When `out` fails.
pub fn write_csv<W: Write>(mut out: W, rows: impl IntoIterator<Item: Borrow<ListRow>>) -> io::Result<()> {
    out.write_all("\u{FEFF}".as_bytes())?;
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    csv.write_record(Column::all().map(Column::chinese))?;
    for row in rows {
        csv.write_record(Column::all().map(|column| text(row.borrow(), column)))?;
    }
    csv.flush()
}

/// Writes a list as JSON, head and rows.
///
/// # Errors
/// When `out` fails.
pub fn write_json<W: Write>(mut out: W, head: &ListHead, rows: impl IntoIterator<Item: Borrow<ListRow>>) -> io::Result<()> {
    write!(out, "{{\"batch\": {}, \"rows\": [", head_value(head))?;
    for (at, row) in rows.into_iter().enumerate() {
        let object: Map<String, Value> =
            Column::all().map(|column| (column.english().to_owned(), Value::String(text(row.borrow(), column)))).collect();
        write!(out, "{}{}", if at == 0 { "\n" } else { ",\n" }, Value::Object(object))?;
    }
    writeln!(out, "\n]}}")?;
    out.flush()
}

fn head_value(head: &ListHead) -> Value {
    let facts = [
        ("number", head.number.as_ref().map(|v| json!(v))),
        ("kind", head.kind.map(|v| json!(v.code()))),
        ("department", head.department.as_ref().map(|v| json!(v))),
        ("project", head.project.as_ref().map(|v| json!(v))),
        ("period", head.period.as_ref().map(|v| json!(v))),
        ("pay_on", head.pay_on.map(|v| json!(v.to_string()))),
        ("declared_count", head.declared_count.map(|v| json!(v))),
        ("declared_total", head.declared_total.map(|v| json!(v.to_string()))),
    ];
    Value::Object(facts.into_iter().filter_map(|(key, value)| value.map(|v| (key.to_owned(), v))).collect())
}

fn text(row: &ListRow, column: Column) -> String {
    match column {
        Column::Seq => row.seq.to_string(),
        Column::Township => row.township.as_ref().to_owned(),
        Column::Village => row.village.as_ref().to_owned(),
        Column::Group => row.group.as_ref().to_owned(),
        Column::HouseholdNo => row.household_no.clone(),
        Column::EntitledName => row.entitled_name.reveal().to_owned(),
        Column::EntitledId => row.entitled_id.reveal().to_owned(),
        Column::PayeeName => row.payee_name.reveal().to_owned(),
        Column::PayeeId => row.payee_id.reveal().to_owned(),
        Column::PayeeRole => row.payee_role.chinese().to_owned(),
        Column::MandateNo => row.mandate_no.clone(),
        Column::Account => row.account.reveal().to_owned(),
        Column::BankCode => row.bank_code.as_ref().to_owned(),
        Column::Mobile => row.mobile.reveal().to_owned(),
        Column::Amount => row.amount.to_string(),
        Column::Remark => row.remark.as_ref().to_owned(),
        Column::ReissueOf => row.reissue_of.as_ref().map(EndToEndId::to_string).unwrap_or_default(),
    }
}
