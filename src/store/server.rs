//! A PostgreSQL server: what may take how long there, and what follows when nothing comes back.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use tokio::sync::Notify;

/// A node that stops in the middle (a machine that is suspended, a line that goes dark) would keep the rows that it has locked, and
/// with a lease the bank, for as long as the server takes it for alive: hours. The server ends what it left open; nothing that we
/// do between two statements of a transaction takes near as long.
const IDLE: &str = "set local idle_in_transaction_session_timeout = '60s'";
/// The server speaks first where it is only slow: what it gave up has then ended there too.
const GRACE: Duration = Duration::from_secs(10);

/// How transactions begin there, and how long an answer is waited for.
#[derive(Clone, Debug)]
pub(super) struct Server {
    begin: Arc<str>,
    begin_reading: Arc<str>,
    patience: Duration,
    silence: Arc<Notify>,
}

impl Server {
    /// A statement may take so long.
    pub(super) fn new(statement: Duration) -> Self {
        let limit = format!("set local statement_timeout = '{}ms'", statement.as_millis());
        Self {
            begin: format!("begin; {IDLE}; {limit}").into(),
            begin_reading: format!("begin isolation level repeatable read read only; {limit}").into(),
            patience: statement + GRACE,
            silence: Arc::default(),
        }
    }

    /// What begins a transaction that will write.
    pub(super) fn begin(&self) -> SqlStr {
        AssertSqlSafe(Arc::clone(&self.begin)).into_sql_str()
    }

    /// What begins a transaction that only reads. It locks no row; whoever looks at what it gives, page by page, may take his time.
    pub(super) fn begin_reading(&self) -> SqlStr {
        AssertSqlSafe(Arc::clone(&self.begin_reading)).into_sql_str()
    }

    /// The answer. A server that is gone without a word (its machine lost power, its address moved) never says so, and whoever had
    /// asked it something would wait for ever: an error that another try may mend, and [`Server::silent`] hears of it.
    pub(super) async fn answer<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        tokio::time::timeout(self.patience, asked).await.unwrap_or_else(|_| {
            self.silence.notify_one();
            let said = format!("the server has said nothing for {} s", self.patience.as_secs());
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, said)))
        })
    }

    /// Ends when an answer did not come.
    pub(super) async fn silent(&self) {
        self.silence.notified().await;
    }
}
