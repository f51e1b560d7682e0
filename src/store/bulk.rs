//! Many rows at once: COPY on PostgreSQL, many-rowed inserts on SQLite. A million rows in one COPY into a table with a
//! key cost 1.9 s here, row by row 108 s.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::StoreError;
use super::sql::{Tx, TxEngine, Value};

/// SQLite keeps room for every value of a prepared statement as long as the statement is cached: few values, little room.
const SQLITE_VALUES_MAX: usize = 2_000;

/// Bytes that are handed to PostgreSQL at a time: it takes in what it has while the next rows are written out.
const SENT_AT_ONCE: usize = 1 << 16;

/// Rows, made one by one. Boxed, for a future that holds a closure over borrowed rows is not known to be `Send`.
pub type Rows<'a> = Box<dyn Iterator<Item = Vec<Value>> + Send + 'a>;

impl Tx {
    /// Inserts rows into a table. The rows' values stand in the order of the columns. A row is asked for when it is written: what
    /// making it costs is spent while the database takes in those before it.
    ///
    /// # Errors
    /// A text holds NUL, or the database refused (a unique violation included) or could not be reached; nothing of the call stays
    /// once the transaction is dropped.
    pub async fn bulk(&mut self, table: &'static str, columns: &'static [&'static str], rows: Rows<'_>) -> Result<(), StoreError> {
        let mut rows = rows.enumerate().map(|(at, row)| without_nul(table, at + 1, row)).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        match &mut self.engine {
            TxEngine::Pg(tx, server) => {
                let sql = format!("copy {table} ({}) from stdin", columns.join(", "));
                let fail = |e| StoreError::sql(&sql, e);
                let mut copy = server.answer(tx.copy_in_raw(&sql)).await.map_err(fail)?;
                let mut text = String::with_capacity(SENT_AT_ONCE + 4096);
                for row in rows {
                    match row {
                        Ok(row) => copy_line(&mut text, &row),
                        Err(nul) => {
                            server.answer(copy.abort(nul.to_string())).await.map_err(fail)?;
                            return Err(nul);
                        }
                    }
                    if text.len() > SENT_AT_ONCE {
                        server.answer(copy.send(text.as_bytes())).await.map_err(fail)?;
                        text.clear();
                    }
                }
                server.answer(copy.send(text.as_bytes())).await.map_err(fail)?;
                server.answer(copy.finish()).await.map_err(fail)?;
                Ok(())
            }
            TxEngine::Sqlite(_) => {
                while rows.peek().is_some() {
                    let some = rows.by_ref().take(SQLITE_VALUES_MAX / columns.len()).collect::<Result<Vec<_>, _>>()?;
                    // Plain marks: SQLite looks numbered ones up by name, one after the other.
                    let row = format!("({})", vec!["?"; columns.len()].join(","));
                    let sql = format!("insert into {table} ({}) values {}", columns.join(", "), vec![row.as_str(); some.len()].join(","));
                    self.exec(AssertSqlSafe(sql), some.into_iter().flatten().collect()).await?;
                }
                Ok(())
            }
        }
    }
}

/// PostgreSQL has no place for the character; SQLite would keep it, and the two would differ.
fn without_nul(table: &str, number: usize, row: Vec<Value>) -> Result<Vec<Value>, StoreError> {
    if row.iter().any(|v| matches!(v, Value::Text(t) if t.contains('\0'))) {
        return Err(StoreError::Broken(format!("row {number} for table {table}: a text holds the character NUL")));
    }
    Ok(row)
}

/// One line in COPY's text format.
fn copy_line(out: &mut String, row: &[Value]) {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            out.push('\t');
        }
        match value {
            Value::Int(i) => out.push_str(itoa::Buffer::new().format(*i)),
            Value::NoInt | Value::NoText => out.push_str("\\N"),
            Value::Bytes(b) => {
                out.push_str("\\\\x");
                for byte in b {
                    _ = write!(out, "{byte:02x}");
                }
            }
            Value::Text(text) if text.bytes().all(|b| !matches!(b, b'\\' | b'\t' | b'\n' | b'\r')) => out.push_str(text),
            Value::Text(text) => {
                for c in text.chars() {
                    match c {
                        '\\' => out.push_str("\\\\"),
                        '\t' => out.push_str("\\t"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        c => out.push(c),
                    }
                }
            }
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_misread_is_escaped() {
        let mut out = String::new();
        copy_line(&mut out, &[Value::Int(-1), Value::from("a\tb\\N\n"), Value::NoText, Value::Bytes(vec![0, 255])]);
        assert_eq!(out, "-1\ta\\tb\\\\N\\n\t\\N\t\\\\x00ff\n");
    }
}
