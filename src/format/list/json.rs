//! Lists as JSON, from another system:
//! `{"batch": {"number": "…", "pay_on": "2019-03-20", "declared_count": 2, "declared_total": "24.60"}, "rows": [{…}, {…}]}`.
//!
//! A row has the columns' names as keys. Everything is a string, amounts too (`"12.30"`), or `amount_fen` is an integer:
//! a JSON number with a point is binary floating point in most programs that write it. A key that stands twice is a fault,
//! where most readers would take the last one.

use std::fmt;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use chrono::NaiveDate;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
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

/// What stands at the top, read row by row: held whole, the values of a list are many times its size.
struct Document<'d, 's> {
    rows: &'d mut Rows<'s>,
    head: &'d mut ListHead,
    /// Why the rows could not be taken; the parser's own error cannot carry it.
    stopped: &'d mut Option<ListError>,
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with batch and rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut has_batch, mut has_rows) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "batch" if !has_batch => {
                    *self.head = read_head(&map.next_value()?, &mut self.rows.faults);
                    has_batch = true;
                }
                "rows" if !has_rows => {
                    map.next_value_seed(Payments { rows: &mut *self.rows, stopped: &mut *self.stopped })?;
                    has_rows = true;
                }
                _ => return Err(A::Error::custom("neither batch nor rows, or twice")),
            }
        }
        if has_rows { Ok(()) } else { Err(A::Error::missing_field("rows")) }
    }
}

/// The rows, each taken before the next is read.
struct Payments<'d, 's> {
    rows: &'d mut Rows<'s>,
    stopped: &'d mut Option<ListError>,
}

impl<'de> DeserializeSeed<'de> for Payments<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Payments<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of payments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let header = Header::default();
        let mut line = 1;
        while let Some(object) = seq.next_element::<Object>()? {
            if let Err(stopped) = take(line, &header, &object, self.rows) {
                *self.stopped = Some(stopped);
                return Err(A::Error::custom("stopped"));
            }
            line += 1;
        }
        Ok(())
    }
}

pub(super) fn read_json<R: Read + Seek>(mut reader: R, sink: &mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Result<ListSummary, ListError> {
    let mut opening = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut opening)?;
    reader.seek(SeekFrom::Start(if opening == b"\xEF\xBB\xBF" { 3 } else { 0 }))?;
    let (mut rows, mut head, mut stopped) = (Rows::new(sink), ListHead::default(), None);
    let mut parser = serde_json::Deserializer::from_reader(BufReader::new(reader));
    let read = parser.deserialize_map(Document { rows: &mut rows, head: &mut head, stopped: &mut stopped }).and_then(|()| parser.end());
    match (stopped, read) {
        (Some(stopped), _) => Err(stopped),
        (None, Err(error)) if error.is_io() => Err(ListError::Read(error.into())),
        (None, Err(error)) => Err(syntax(&error)),
        (None, Ok(())) => Ok(rows.finish(head, None)),
    }
}

fn take(line: u64, header: &Header, object: &Object, rows: &mut Rows<'_>) -> Result<(), ListError> {
    let mut cells = no_cells();
    for (at, (key, value)) in object.0.iter().enumerate() {
        let Some(column) = column_of(key) else {
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
    rows.take(line, header, &cells)
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
