//! In the place of `connection/worker.rs` of sqlx's SQLite driver (0.9), for `tests/simulate --unthreaded`: the connection is worked
//! where it is asked, and no thread of its own stands between. Not a part of this crate's build.
//!
//! What a statement answers is read to its end before the first row is given: good for a simulated county, not for a big table.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_intrusive::sync::{Mutex, MutexGuard};
use sqlx_core::Either;
use sqlx_core::error::Error;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::transaction::{begin_ansi_transaction_sql, commit_ansi_transaction_sql, rollback_ansi_transaction_sql};

#[cfg(feature = "deserialize")]
use crate::connection::deserialize::{SchemaName, SqliteOwnedBuf, deserialize, serialize};
use crate::connection::establish::EstablishParams;
use crate::connection::{ConnectionState, execute};
use crate::{SqliteArguments, SqliteQueryResult, SqliteRow, SqliteStatement};

type Answer = Result<Either<SqliteQueryResult, SqliteRow>, Error>;

pub(crate) struct ConnectionWorker {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    depth: AtomicUsize,
    cached: AtomicUsize,
    pub(crate) conn: Mutex<ConnectionState>,
}

impl Shared {
    pub(crate) fn get_transaction_depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    pub(crate) fn get_cached_statements_size(&self) -> usize {
        self.cached.load(Ordering::Acquire)
    }
}

impl ConnectionWorker {
    pub(crate) async fn establish(params: EstablishParams) -> Result<Self, Error> {
        let _ = (&params.thread_name, params.command_channel_size);
        let conn = Mutex::new(params.establish()?, true);
        Ok(Self { shared: Arc::new(Shared { depth: AtomicUsize::new(0), cached: AtomicUsize::new(0), conn }) })
    }

    /// Whoever has the worker has the connection: nobody waits here.
    fn conn(&self) -> Result<MutexGuard<'_, ConnectionState>, Error> {
        self.shared.conn.try_lock().ok_or(Error::WorkerCrashed)
    }

    fn with<T>(&self, act: impl FnOnce(&mut ConnectionState) -> Result<T, Error>) -> Result<T, Error> {
        let mut conn = self.conn()?;
        let done = act(&mut conn);
        self.shared.cached.store(conn.statements.len(), Ordering::Release);
        done
    }

    pub(crate) async fn prepare(&mut self, sql: SqlStr) -> Result<SqliteStatement, Error> {
        self.with(|conn| {
            let (mut parameters, mut shape) = (0, None);
            let prepared = conn.statements.get(sql.as_str(), true)?;
            while let Some(one) = prepared.prepare_next(&mut conn.handle)? {
                parameters += one.handle.bind_parameter_count();
                if shape.is_none() && !one.columns.is_empty() {
                    shape = Some((Arc::clone(one.columns), Arc::clone(one.column_names)));
                }
            }
            let (columns, column_names) = shape.unwrap_or_default();
            Ok(SqliteStatement { sql, columns, column_names, parameters })
        })
    }

    #[cfg(feature = "offline")]
    pub(crate) async fn describe(&mut self, sql: SqlStr) -> Result<sqlx_core::describe::Describe<crate::Sqlite>, Error> {
        self.with(|conn| crate::connection::describe::describe(conn, sql))
    }

    pub(crate) async fn execute(
        &mut self,
        sql: SqlStr,
        arguments: Option<SqliteArguments>,
        _held: usize,
        persistent: bool,
        limit: Option<usize>,
    ) -> Result<flume::Receiver<Answer>, Error> {
        self.with(|conn| {
            let (answers, read) = flume::unbounded();
            let mut rows = 0;
            for answer in execute::iter(conn, sql, arguments, persistent)? {
                rows += usize::from(matches!(answer, Ok(Either::Right(_))));
                let is_last = answer.is_err() || limit.is_some_and(|limit| rows >= limit);
                let _ = answers.send(answer);
                if is_last {
                    break;
                }
            }
            Ok(read)
        })
    }

    pub(crate) async fn begin(&mut self, statement: Option<SqlStr>) -> Result<(), Error> {
        let (depth, is_given) = (self.shared.get_transaction_depth(), statement.is_some());
        if is_given && depth > 0 {
            return Err(Error::InvalidSavePointStatement);
        }
        let statement = statement.unwrap_or_else(|| begin_ansi_transaction_sql(depth));
        self.with(|conn| {
            conn.handle.exec(statement.as_str())?;
            if is_given && !conn.handle.in_transaction() {
                return Err(Error::BeginFailed);
            }
            Ok(())
        })?;
        self.shared.depth.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn end(&self, statement: impl FnOnce(usize) -> SqlStr) -> Result<(), Error> {
        let depth = self.shared.get_transaction_depth();
        if depth == 0 {
            return Ok(());
        }
        self.with(|conn| conn.handle.exec(statement(depth).as_str()).map(drop))?;
        self.shared.depth.fetch_sub(1, Ordering::Release);
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        self.end(commit_ansi_transaction_sql)
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), Error> {
        self.end(rollback_ansi_transaction_sql)
    }

    pub(crate) fn start_rollback(&mut self) -> Result<(), Error> {
        self.end(rollback_ansi_transaction_sql)
    }

    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(feature = "deserialize")]
    pub(crate) async fn deserialize(&mut self, schema: Option<SchemaName>, data: SqliteOwnedBuf, read_only: bool) -> Result<(), Error> {
        self.with(|conn| deserialize(conn, schema, data, read_only))
    }

    #[cfg(feature = "deserialize")]
    pub(crate) async fn serialize(&mut self, schema: Option<SchemaName>) -> Result<SqliteOwnedBuf, Error> {
        self.with(|conn| serialize(conn, schema))
    }

    pub(crate) async fn clear_cache(&mut self) -> Result<(), Error> {
        self.with(|conn| {
            conn.statements.clear();
            Ok(())
        })
    }

    pub(crate) async fn unlock_db(&mut self) -> Result<MutexGuard<'_, ConnectionState>, Error> {
        self.conn()
    }

    pub(crate) fn shutdown(&mut self) -> impl Future<Output = Result<(), Error>> + use<> {
        std::future::ready(Ok(()))
    }
}
