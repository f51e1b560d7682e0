//! Wire: the database. The only SQL stands here; `README.md` beside this file says how state is kept and why.

/// Batches at the gate, and the admitted rows behind it.
pub mod admission;
/// What follows a bank's word: finality, retries, what is overdue.
pub mod aftermath;
/// Cases that were closed and are needed again.
pub mod again;
/// Answer lines, proven and applied.
pub mod answers;
/// Banks' files that were moved away, and what lies there.
pub mod away;
/// Blocks of instruction numbers: regrouped, given up, taken back.
pub mod blocks;
/// Many rows at once.
pub mod bulk;
/// Failure cases over their life.
pub mod cases;
/// Periods: their cut, what lay where at it, their seal.
pub mod closing;
/// Corrections that came back, and what they may correct.
pub mod corrections;
/// What people are told and decide.
pub mod desk;
/// Everything that concerns one batch.
pub mod dossier;
/// What of ours should stand on a statement.
pub mod dues;
/// The banks' edges: leases, trouble, sweeps.
pub mod edge;
/// Files that ask a bank what became of payments.
pub mod enquiries;
/// Do the books add up: the equations of law 2.
pub mod equations;
/// The audit log, read and proven.
pub mod evidence;
/// What banks still owe us.
pub mod expected;
/// What is stuck, overdue, or waits for a person.
pub mod findings;
/// The funds of a purse.
pub mod funds;
/// Files of the banks: seen, kept, read, proven, applied.
pub mod inbound;
/// The intake contract, written: for carried lists and for the demo.
pub mod intake;
/// The ledger, read.
pub mod journal;
/// The ledger: accounts, entries, postings.
pub mod ledger;
/// A file's lines, as they are written.
pub mod lines;
/// Which database this is, and whether it remembers.
pub mod memory;
/// The schema and its versions.
pub mod migrate;
/// Which nodes take part, and which have looked.
pub mod nodes;
/// Payment files: planned, sealed, published.
pub mod outbound;
/// What was published of a batch.
pub mod publication;
/// Ranges of instructions.
pub mod ranges;
/// Refund orders and their lines.
pub mod refund;
/// What remains of a part.
pub mod remainders;
/// What the letters say.
pub mod reports;
/// Lists that went back whole.
pub mod returned;
/// What was sent back.
pub mod returns;
/// Statements of the same days that differ.
pub mod rivals;
/// Who may do what in a schema on PostgreSQL.
pub mod roles;
/// A PostgreSQL server: how long it may take.
mod server;
/// One instruction, settled by persons.
pub mod settle;
/// One SQL text for two engines.
pub mod sql;
/// Statements, and what their lines were matched with.
pub mod statements;
/// What people do with rows that are stuck.
pub mod stuck;
/// The switch-over's rows.
pub mod switch;
/// Counts, and our side of a comparison with a bank's own books.
pub mod tallies;
/// Breaks and runs of reconciliation.
pub mod verdicts;
/// What people see.
pub mod views;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use self::server::Server;
use self::sql::{Pool, Tx, TxEngine};
use crate::args;
use crate::domain::instruction::TRANSITIONS;
use crate::domain::time::Timestamp;

/// What went wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement failed.
    #[error("the database refused `{statement}`: {source}")]
    Sql {
        /// The statement's first words.
        statement: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// A row is not what the statement promised.
    #[error("column {column} of a row is not {wanted}")]
    Column {
        /// From 0.
        column: usize,
        /// What it should be.
        wanted: &'static str,
    },
    /// The address of the database cannot be read.
    #[error("database url: {0}")]
    Url(String),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(String),
    /// The database was written by a newer bankgate.
    #[error("the database has schema {found}, this program knows {known}: run the newer bankgate, or restore a backup of schema {known}")]
    SchemaNewer {
        /// The database's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database needs a migration.
    #[error("the database lacks schema version {wanted}: run `bankgate migrate` (with --dry-run to see what it would do)")]
    SchemaOlder {
        /// The first version that it lacks.
        wanted: i64,
    },
    /// Rows contradict each other; nothing was changed.
    #[error("{0}")]
    Broken(String),
}

impl StoreError {
    pub(crate) fn sql(statement: &str, source: sqlx::Error) -> Self {
        let words: Vec<&str> = statement.split_whitespace().take(12).collect();
        Self::Sql { statement: words.join(" "), source }
    }

    pub(crate) const fn column(column: usize, wanted: &'static str) -> Self {
        Self::Column { column, wanted }
    }

    /// Whether a unique constraint spoke: somebody was faster; read again.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql { source: sqlx::Error::Database(e), .. } if e.is_unique_violation())
    }

    /// Whether a check constraint spoke (an account would go below zero).
    #[must_use]
    pub fn is_check_violation(&self) -> bool {
        matches!(self, Self::Sql { source: sqlx::Error::Database(e), .. } if e.is_check_violation())
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let Self::Sql { source, .. } = self else { return false };
        if let sqlx::Error::Database(e) = source {
            // 40001 serialization, 40P01 deadlock, 55P03 a lock not had in time, 25P03 ended for idling in a transaction, 57P0x shutdown,
            // 53xxx resources, 08xxx connection; SQLite busy and locked.
            let code = e.code().unwrap_or_default();
            return matches!(&*code, "40001" | "40P01" | "55P03" | "25P03" | "5" | "6")
                || ["57P0", "53", "08"].iter().any(|c| code.starts_with(c));
        }
        matches!(source, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed)
    }
}

/// A schema's name goes into statements as it is.
fn check_schema_name(schema: &str) -> Result<(), StoreError> {
    let is_plain = !schema.is_empty() && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_plain { Ok(()) } else { Err(StoreError::Url(format!("schema {schema:?}: lower-case letters, digits and _ only"))) }
}

/// How long a statement may take on a PostgreSQL server, unless settings say otherwise.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

/// The shared database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
}

/// How to reach it.
#[derive(Clone, Debug)]
pub struct Address {
    /// `postgres://…` or `sqlite:PATH`.
    pub url: String,
    /// The schema inside a PostgreSQL database.
    pub schema: String,
    /// How many connections at the most.
    pub pool_max: u32,
    /// How long a statement may take on a PostgreSQL server.
    pub statement_timeout: Duration,
    /// The password, when the server asks one.
    pub password: Option<secrecy::SecretString>,
}

impl Address {
    /// With everything else as settings have it that say nothing of it.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), schema: "bankgate".to_owned(), pool_max: 8, statement_timeout: STATEMENT_TIMEOUT, password: None }
    }
}

/// How connections to SQLite are pooled. Where SQLite itself gave a transaction up (a commit that was refused, a full disk), the
/// driver goes on counting it as open: such a connection would refuse each later transaction, or show old rows for ever. It
/// is closed.
#[must_use]
pub fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).after_release(|connection, _| {
        Box::pin(async move {
            // A rollback may still be under way: the ping comes behind it.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

impl Store {
    /// Over connections to SQLite that somebody else opened, and sets up as they like; of a [`sqlite_pool`].
    #[must_use]
    pub const fn over(pool: SqlitePool) -> Self {
        Self { pool: Pool::Sqlite(pool) }
    }

    /// Connects. On PostgreSQL the schema is made if it is not there and may be.
    ///
    /// # Errors
    /// The address is unreadable or the server does not answer.
    pub async fn connect(address: &Address) -> Result<Self, StoreError> {
        let fail = |e| StoreError::sql("connect", e);
        if let Some(path) = address.url.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::from_str(&format!("sqlite://{}", path.trim_start_matches("//")))
                .map_err(|e| StoreError::Url(e.to_string()))?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(30))
                .statement_cache_capacity(64);
            let pool = sqlite_pool(address.pool_max.clamp(2, 8)).connect_with(options).await.map_err(fail)?;
            return Ok(Self { pool: Pool::Sqlite(pool) });
        }
        if !address.url.starts_with("postgres://") && !address.url.starts_with("postgresql://") {
            return Err(StoreError::Url("expected postgres://… or sqlite:PATH".to_owned()));
        }
        check_schema_name(&address.schema)?;
        let mut options = PgConnectOptions::from_str(&address.url).map_err(|e| StoreError::Url(e.to_string()))?;
        if let Some(password) = &address.password {
            use secrecy::ExposeSecret as _;
            options = options.password(password.expose_secret());
        }
        // Whatever the server's default: where there is a synchronous standby, a commit of ours waits for it.
        // What we ask is bounded to a page or a file: helpers of the server's, and compiling a question, cost more than they find.
        let settings = [
            ("search_path", address.schema.as_str()),
            ("synchronous_commit", "on"),
            ("max_parallel_workers_per_gather", "0"),
            ("jit", "off"),
        ];
        let options = options.application_name("bankgate").options(settings);
        let pool = PgPoolOptions::new()
            .max_connections(address.pool_max.max(2))
            .acquire_timeout(Duration::from_secs(15))
            // A connection keeps the room that its largest value ever took; a letter with its workbook is many megabytes.
            .after_release(|connection, _| {
                connection.shrink_buffers();
                Box::pin(std::future::ready(Ok(true)))
            })
            .connect_with(options)
            .await
            .map_err(fail)?;
        let server = Server::new(address.statement_timeout);
        let asked = sqlx::query_scalar("select 1 from information_schema.schemata where schema_name = $1").bind(&address.schema);
        let exists: Option<i32> = server.answer(asked.fetch_optional(&pool)).await.map_err(fail)?;
        if exists.is_none() {
            let sql = format!("create schema if not exists {}", address.schema);
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.map_err(fail)?;
        }
        Ok(Self { pool: Pool::Pg(pool, server) })
    }

    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let engine = match &self.pool {
            Pool::Pg(pool, server) => {
                TxEngine::Pg(server.answer(pool.begin_with(server.begin())).await.map_err(|e| StoreError::sql("begin", e))?, server.clone())
            }
            // A write lock from the start: an upgrade in the middle could only fail.
            Pool::Sqlite(pool) => TxEngine::Sqlite(pool.begin_with("begin immediate").await.map_err(|e| StoreError::sql("begin", e))?),
        };
        Ok(Tx { engine })
    }

    /// Begins a transaction that only reads: one picture of all tables.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let engine = match &self.pool {
            Pool::Pg(pool, server) => TxEngine::Pg(
                server.answer(pool.begin_with(server.begin_reading())).await.map_err(|e| StoreError::sql("begin", e))?,
                server.clone(),
            ),
            Pool::Sqlite(pool) => TxEngine::Sqlite(pool.begin().await.map_err(|e| StoreError::sql("begin", e))?),
        };
        Ok(Tx { engine })
    }

    /// Which engine it is, for people.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        match self.pool {
            Pool::Pg(..) => "PostgreSQL",
            Pool::Sqlite(_) => "SQLite",
        }
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Pg(pool, _) => pool.close().await,
            Pool::Sqlite(pool) => pool.close().await,
        }
    }

    /// The database's own clock: leases live by it, whatever the nodes' clocks show.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn database_time(&self, tx: &mut Tx) -> Result<Timestamp, StoreError> {
        let row = match &self.pool {
            Pool::Pg(..) => tx.one("select cast(floor(extract(epoch from clock_timestamp()) * 1000) as bigint)", args![]).await?,
            Pool::Sqlite(_) => tx.one("select cast(unixepoch('subsec') * 1000 as integer)", args![]).await?,
        };
        row.int(0).map(Timestamp::from_millis)
    }

    /// Ends when the server has left something unanswered for longer than anything may take: who knows what else waits on such a
    /// connection. Begin anew, with new ones.
    pub async fn silent(&self) {
        match &self.pool {
            Pool::Pg(_, server) => server.silent().await,
            Pool::Sqlite(_) => std::future::pending().await,
        }
    }

    /// A receiver of the database's wake-up calls, where the engine has them.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn listen(&self) -> Result<Option<sqlx::postgres::PgListener>, StoreError> {
        match &self.pool {
            Pool::Pg(pool, _) => {
                let mut listener = sqlx::postgres::PgListener::connect_with(pool).await.map_err(|e| StoreError::sql("listen", e))?;
                listener.listen("bankgate").await.map_err(|e| StoreError::sql("listen", e))?;
                Ok(Some(listener))
            }
            Pool::Sqlite(_) => Ok(None),
        }
    }

    /// Puts the code's transition table where bulk SQL can join it. The code is the truth; the rows follow it.
    async fn load_transitions(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let known = tx.one("select count(*) from transition", args![]).await?.int(0)?;
        let mut right = 0;
        for t in TRANSITIONS {
            let found =
                tx.opt("select next from transition where state = $1 and event = $2", args![t.state.code(), t.event.code()]).await?;
            if found.is_some_and(|r| r.text(0).is_ok_and(|n| n == t.next.code())) {
                right += 1;
            }
        }
        if i64::try_from(TRANSITIONS.len()) == Ok(known) && known == right {
            return Ok(());
        }
        tx.exec("delete from transition", args![]).await?;
        let rows = TRANSITIONS.iter().map(|t| args![t.state.code(), t.event.code(), t.next.code()]);
        tx.bulk("transition", &["state", "event", "next"], Box::new(rows)).await?;
        tx.commit().await
    }
}
