//! Lists as JSON, from another system:
//! `{"batch": {"number": "…", "pay_on": "2019-03-20", "declared_count": 2, "declared_total": "24.60"}, "rows": [{…}, {…}]}`.
//!
//! A row has the columns' names as keys. Everything is a string, amounts too (`"12.30"`), or `amount_fen` is an integer:
//! a JSON number with a point is binary floating point in most programs that write it. A key that stands twice is a fault,
//! where most readers would take the last one.

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;

use chrono::NaiveDate;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::cells::Cell;
use super::columns::{Column, Header};
use super::rows::{Faults, Rows, no_cells};
use super::{ListError, ListHead, ListKind, ListRow, ListSummary};
use crate::domain::money::Fen;

const AMOUNT_FEN: &str = "amount_fen";
const TOTAL_FEN: &str = "declared_total_fen";

/// An object with its keys as they stand, twice too.
#[derive(Default)]
struct Object(Vec<(String, Value)>);

/// The list.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    batch: Object,
    rows: Vec<Object>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some(entry) = map.next_entry()? {
                    object.0.push(entry);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

pub(super) fn read_json<R: Read>(mut reader: R, sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let document: Document = serde_json::from_slice(bytes).map_err(|error| syntax(&error))?;
    let mut rows = Rows::new(sink);
    let head = read_head(&document.batch, &mut rows.faults);
    let header = Header::default();
    for (line, object) in (1..).zip(&document.rows) {
        let mut cells = no_cells();
        for (at, (key, value)) in object.0.iter().enumerate() {
            let column = if key == AMOUNT_FEN { Some(Column::Amount) } else { Column::from_header(key) };
            let Some(column) = column else {
                rows.faults.tell(line, key, "no list has a column of this name", "rename the key, or remove it");
                continue;
            };
            if object.0.iter().take(at).any(|(earlier, _)| column_of(earlier) == Some(column)) {
                rows.faults.tell(line, key, "the value stands twice in the row", "keep one of them");
            }
            if let Some(target) = cells.get_mut(column.index()) {
                *target = cell(key, value);
            }
        }
        rows.take(line, &header, &cells)?;
    }
    Ok(rows.finish(head, None))
}

fn column_of(key: &str) -> Option<Column> {
    if key == AMOUNT_FEN { Some(Column::Amount) } else { Column::from_header(key) }
}

fn cell<'a>(key: &str, value: &'a Value) -> Cell<'a> {
    let is_fen = key == AMOUNT_FEN;
    match value {
        Value::String(text) if !is_fen => Cell::Text(text.as_str().into()),
        Value::Number(number) if is_fen || Column::from_header(key) == Some(Column::Seq) => match number.as_i64() {
            Some(fen) if is_fen && fen >= 0 => Cell::Number(Fen::new(fen).to_string()),
            Some(seq) if !is_fen => Cell::Number(seq.to_string()),
            Some(_) | None => Cell::Unfit { what: "not a whole number from 0", next: "write an integer without point or sign" },
        },
        Value::Number(_) => Cell::Unfit {
            what: "a JSON number: its digits and its unit are not certain",
            next: "write it as a string; an amount as \"12.30\" yuan, or as the integer amount_fen",
        },
        Value::String(_) => Cell::Unfit { what: "a string", next: "write amount_fen as an integer, or amount as \"12.30\" yuan" },
        Value::Null => Cell::Unfit { what: "null", next: "write the value, or leave the key out" },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Cell::Unfit { what: "not a string", next: "write the value as a string" },
    }
}

fn read_head(batch: &Object, faults: &mut Faults) -> ListHead {
    let mut head = ListHead::default();
    for (at, (key, value)) in batch.0.iter().enumerate() {
        if batch.0.iter().take(at).any(|(earlier, _)| earlier == key) {
            faults.tell(0, key, "the key stands twice", "keep one of them");
        }
        if let Err(what) = read_fact(&mut head, key, value) {
            faults.tell(0, key, what, "correct the batch's facts at the head of the list");
        }
    }
    head
}

fn read_fact(head: &mut ListHead, key: &str, value: &Value) -> Result<(), String> {
    let text = || match value.as_str() {
        None => Err("not a string".to_owned()),
        Some(text) if text.is_empty() || text.len() > 64 || text.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            Err("empty, longer than 64 bytes, or with a blank".to_owned())
        }
        Some(text) => Ok(text),
    };
    match key {
        "number" => head.number = Some(text()?.to_owned()),
        "kind" => head.kind = Some(ListKind::from_code(text()?).ok_or("neither \"first\" nor \"reissue\"")?),
        "department" => head.department = Some(text()?.to_owned()),
        "project" => head.project = Some(text()?.to_owned()),
        "period" => head.period = Some(text()?.to_owned()),
        "pay_on" => {
            let date = NaiveDate::parse_from_str(text()?, "%Y-%m-%d");
            head.pay_on = Some(date.map_err(|_| "not a date like 2019-03-20")?);
        }
        "declared_count" => head.declared_count = Some(value.as_u64().ok_or("not a whole number")?),
        "declared_total" if head.declared_total.is_none() => {
            head.declared_total = Some(Fen::parse_yuan(text()?).map_err(|e| e.to_string())?);
        }
        TOTAL_FEN if head.declared_total.is_none() => {
            head.declared_total = Some(value.as_i64().filter(|fen| *fen >= 0).map(Fen::new).ok_or("not a whole number of fen")?);
        }
        "declared_total" | TOTAL_FEN => return Err("the total stands twice".to_owned()),
        _ => return Err("no batch has a fact of this name".to_owned()),
    }
    Ok(())
}

/// The parser's own words may quote a value, so only the place is told.
fn syntax(error: &serde_json::Error) -> ListError {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "not an object {\"batch\": {…}, \"rows\": [{…}]}",
        serde_json::error::Category::Io => "it cannot be read",
    };
    ListError::Json { line: error.line(), column: error.column(), what }
}
