//! One SQL text for two engines. Integers, text and bytes are all that crosses: money is `bigint` fen, instants are
//! `bigint` milliseconds, dates and states are text. The few places where the engines differ are in `bulk` and
//! `migrate`; nothing else asks which one it is.

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Column as _, Postgres, Row as _, SqlSafeStr, Sqlite, TypeInfo as _, ValueRef as _};

use super::StoreError;
use super::server::Server;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A value on its way to or from the database.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// No integer.
    NoInt,
    /// No text.
    NoText,
}

impl std::fmt::Debug for Value {
    /// Texts may be names and cards: only their length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(i) => write!(f, "{i}"),
            Self::Text(t) => write!(f, "text({})", t.len()),
            Self::Bytes(b) => write!(f, "bytes({})", b.len()),
            Self::NoInt | Self::NoText => f.write_str("null"),
        }
    }
}

macro_rules! value_from {
    ($($type:ty, $v:ident => $value:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($v: $type) -> Self { $value }
        })*
    };
}
value_from! {
    i64, v => Self::Int(v);
    i32, v => Self::Int(i64::from(v));
    u32, v => Self::Int(i64::from(v));
    u64, v => Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    usize, v => Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    bool, v => Self::Int(i64::from(v));
    Fen, v => Self::Int(v.get());
    Timestamp, v => Self::Int(v.millis());
    &str, v => Self::Text(v.to_owned());
    String, v => Self::Text(v);
    &String, v => Self::Text(v.clone());
    Vec<u8>, v => Self::Bytes(v);
    chrono::NaiveDate, v => Self::Text(v.to_string());
    &Name, v => Self::Text(v.reveal().to_owned());
    &IdNumber, v => Self::Text(v.reveal().to_owned());
    &Account, v => Self::Text(v.reveal().to_owned());
    &Mobile, v => Self::Text(v.reveal().to_owned());
    Option<i64>, v => v.map_or(Self::NoInt, Self::Int);
    Option<u64>, v => v.map_or(Self::NoInt, Self::from);
    Option<Fen>, v => v.map_or(Self::NoInt, Self::from);
    Option<Timestamp>, v => v.map_or(Self::NoInt, Self::from);
    Option<String>, v => v.map_or(Self::NoText, Self::Text);
    Option<&str>, v => v.map_or(Self::NoText, Self::from);
}

/// Arguments of a statement, in the order of `$1`, `$2` …
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}

/// Bytes of text that a column holds, more or less.
const TEXT_USUAL: usize = 16;

/// One row, read whole: its texts lie one after the other, so that a wide row costs a few allocations and not one a column.
pub struct Row {
    texts: String,
    cells: Vec<Cell>,
}

impl std::fmt::Debug for Row {
    /// Texts may be names and cards: only how much there is of them is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row({} columns, {} bytes of text)", self.cells.len(), self.texts.len())
    }
}

enum Cell {
    Int(i64),
    /// Where in the row's texts it lies.
    Text(std::ops::Range<usize>),
    Bytes(Vec<u8>),
    Nothing,
}

impl Row {
    fn with_columns(columns: usize) -> Self {
        Self { texts: String::with_capacity(columns * TEXT_USUAL), cells: Vec::with_capacity(columns) }
    }

    fn push_text(&mut self, text: &str) {
        let from = self.texts.len();
        self.texts.push_str(text);
        self.cells.push(Cell::Text(from..self.texts.len()));
    }

    /// The integer in this column.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.cells.get(column) {
            Some(Cell::Int(i)) => Ok(*i),
            Some(Cell::Text(_) | Cell::Bytes(_) | Cell::Nothing) | None => Err(StoreError::column(column, "an integer")),
        }
    }

    /// The integer in this column, if there is one.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.cells.get(column) {
            Some(Cell::Int(i)) => Ok(Some(*i)),
            Some(Cell::Nothing) => Ok(None),
            Some(Cell::Text(_) | Cell::Bytes(_)) | None => Err(StoreError::column(column, "an integer or nothing")),
        }
    }

    /// The amount in this column.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn fen(&self, column: usize) -> Result<Fen, StoreError> {
        self.int(column).map(Fen::new)
    }

    /// The instant in this column, if there is one.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    /// The count in this column.
    ///
    /// # Errors
    /// The column holds something else, or less than nothing.
    pub fn count(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::column(column, "a count"))
    }

    /// The text in this column; nothing reads as the empty text.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.cells.get(column) {
            Some(Cell::Text(range)) => Ok(self.texts.get(range.clone()).unwrap_or_default()),
            Some(Cell::Nothing) => Ok(""),
            Some(Cell::Int(_) | Cell::Bytes(_)) | None => Err(StoreError::column(column, "a text")),
        }
    }

    /// The text in this column, owned.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn string(&self, column: usize) -> Result<String, StoreError> {
        self.text(column).map(str::to_owned)
    }

    /// The bytes in this column.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.cells.get(column) {
            Some(Cell::Bytes(b)) => Ok(b),
            Some(Cell::Int(_) | Cell::Text(_) | Cell::Nothing) | None => Err(StoreError::column(column, "bytes")),
        }
    }

    /// The date in this column.
    ///
    /// # Errors
    /// The column holds something else.
    pub fn date(&self, column: usize) -> Result<chrono::NaiveDate, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::column(column, "a date like 2019-03-14"))
    }

    /// A stored code, read by its type's own function.
    ///
    /// # Errors
    /// The column holds a code that the type does not know.
    pub fn code<T>(&self, column: usize, read: impl Fn(&str) -> Option<T>, what: &'static str) -> Result<T, StoreError> {
        read(self.text(column)?).ok_or_else(|| StoreError::column(column, what))
    }
}

/// The two engines.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Pg(PgPool, Server),
    Sqlite(SqlitePool),
}

/// A transaction. Dropped without `commit`, it never was.
pub struct Tx {
    pub(super) engine: TxEngine,
}

pub(super) enum TxEngine {
    Pg(sqlx::Transaction<'static, Postgres>, Server),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

impl Tx {
    /// Runs a statement; says how many rows it moved.
    ///
    /// # Errors
    /// The database refused or could not be reached.
    pub async fn exec(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let text = sql.as_str().to_owned();
        let result = match &mut self.engine {
            TxEngine::Pg(tx, server) => {
                server.answer(sqlx::query_with(sql, pg_arguments(values)?).execute(&mut **tx)).await.map(|r| r.rows_affected())
            }
            TxEngine::Sqlite(tx) => sqlx::query_with(sql, sqlite_arguments(values)?).execute(&mut **tx).await.map(|r| r.rows_affected()),
        };
        result.map_err(|e| StoreError::sql(&text, e))
    }

    /// Runs a statement that must move exactly one row: a compare-and-set. Says whether it did.
    ///
    /// # Errors
    /// The database refused or could not be reached.
    pub async fn exec_one(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<bool, StoreError> {
        Ok(self.exec(sql, values).await? == 1)
    }

    /// Reads rows.
    ///
    /// # Errors
    /// The database refused or could not be reached.
    pub async fn rows(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let text = sql.as_str().to_owned();
        let fail = |e| StoreError::sql(&text, e);
        let mut read = Vec::new();
        match &mut self.engine {
            TxEngine::Pg(tx, server) => {
                let mut rows = sqlx::query_with(sql, pg_arguments(values)?).fetch(&mut **tx);
                while let Some(row) = server.answer(rows.try_next()).await.map_err(fail)? {
                    read.push(pg_row(&row).map_err(fail)?);
                }
            }
            TxEngine::Sqlite(tx) => {
                let mut rows = sqlx::query_with(sql, sqlite_arguments(values)?).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await.map_err(fail)? {
                    read.push(sqlite_row(&row).map_err(fail)?);
                }
            }
        }
        Ok(read)
    }

    /// Reads the first row, if there is one.
    ///
    /// # Errors
    /// The database refused or could not be reached.
    pub async fn opt(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Reads the one row that must be there.
    ///
    /// # Errors
    /// There is none, or the database refused.
    pub async fn one(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Row, StoreError> {
        let sql = sql.into_sql_str();
        let text = sql.as_str().to_owned();
        self.opt(sql, values).await?.ok_or_else(|| StoreError::sql(&text, sqlx::Error::RowNotFound))
    }

    /// Makes it so.
    ///
    /// # Errors
    /// The database refused, or the reply was lost: then the rows must be read again, never assumed.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.engine {
            TxEngine::Pg(tx, server) => server.answer(tx.commit()).await,
            TxEngine::Sqlite(tx) => tx.commit().await,
        }
        .map_err(|e| StoreError::sql("commit", e))
    }
}

fn pg_arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    use sqlx::Arguments as _;
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Int(v) => arguments.add(v),
            Value::Text(v) => arguments.add(v),
            Value::Bytes(v) => arguments.add(v),
            Value::NoInt => arguments.add(None::<i64>),
            Value::NoText => arguments.add(None::<String>),
        }
        .map_err(|e| StoreError::sql("arguments", sqlx::Error::Encode(e)))?;
    }
    Ok(arguments)
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    use sqlx::Arguments as _;
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Int(v) => arguments.add(v),
            Value::Text(v) => arguments.add(v),
            Value::Bytes(v) => arguments.add(v),
            Value::NoInt => arguments.add(None::<i64>),
            Value::NoText => arguments.add(None::<String>),
        }
        .map_err(|e| StoreError::sql("arguments", sqlx::Error::Encode(e)))?;
    }
    Ok(arguments)
}

fn pg_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let mut read = Row::with_columns(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        let int = match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(at)?,
            "INT4" => row.try_get::<Option<i32>, _>(at)?.map(i64::from),
            "BOOL" => row.try_get::<Option<bool>, _>(at)?.map(i64::from),
            "TEXT" | "VARCHAR" | "NAME" | "UNKNOWN" => {
                match row.try_get::<Option<&str>, _>(at)? {
                    Some(text) => read.push_text(text),
                    None => read.cells.push(Cell::Nothing),
                }
                continue;
            }
            "BYTEA" => {
                read.cells.push(row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Cell::Nothing, Cell::Bytes));
                continue;
            }
            other => {
                return Err(sqlx::Error::ColumnDecode {
                    index: column.name().to_owned(),
                    source: format!("a {other} crosses nowhere: cast it to bigint or text in the statement").into(),
                });
            }
        };
        read.cells.push(int.map_or(Cell::Nothing, Cell::Int));
    }
    Ok(read)
}

fn sqlite_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut read = Row::with_columns(row.len());
    for at in 0..row.len() {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            read.cells.push(Cell::Nothing);
            continue;
        }
        match raw.type_info().name() {
            "INTEGER" | "BOOLEAN" => read.cells.push(Cell::Int(row.try_get_unchecked(at)?)),
            "BLOB" => read.cells.push(Cell::Bytes(row.try_get_unchecked(at)?)),
            _ => read.push_text(row.try_get_unchecked::<&str, _>(at)?),
        }
    }
    Ok(read)
}
