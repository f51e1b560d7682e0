//! Which nodes take part, and which of them have looked at the database since its server started.

use super::sql::{Pool, Tx};
use super::{Store, StoreError};
use crate::args;
use crate::domain::memory::NodeLook;
use crate::domain::time::Timestamp;

impl Store {
    /// When the server started, in microseconds: memory that it lost, it lost before. SQLite has none, and says 0.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn server_start(&self, tx: &mut Tx) -> Result<i64, StoreError> {
        match &self.pool {
            Pool::Pg(..) => {
                let sql = "select cast(extract(epoch from pg_postmaster_start_time()) * 1000000 as bigint)";
                tx.one(sql, args![]).await?.int(0)
            }
            Pool::Sqlite(_) => Ok(0),
        }
    }
}

impl Tx {
    /// Every node that ever looked.
    ///
    /// # Errors
    /// The database refused.
    pub async fn node_looks(&mut self) -> Result<Vec<NodeLook>, StoreError> {
        let rows = self.rows("select node, looks, server, looked_at, is_away from node_look order by node", args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(NodeLook {
                    node: r.string(0)?,
                    looks: r.int(1)?,
                    server: r.int(2)?,
                    looked_at: Timestamp::from_millis(r.int(3)?),
                    is_away: r.int(4)? != 0,
                })
            })
            .collect()
    }

    /// Holds the looks of nodes apart until this transaction ends: whichever comes second sees what the first has written.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_looks(&mut self) -> Result<(), StoreError> {
        self.take_numbers("node_look", 1).await.map(|_| ())
    }

    /// Writes down that a node has looked at what this start of the server remembers, and when it did first. How often it has by now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn node_looked(&mut self, node: &str, server: i64, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into node_look (node, looks, server, looked_at) values ($1, 1, $2, $3) on conflict (node) do update set looks = \
                   node_look.looks + 1, looked_at = case when node_look.server = excluded.server then node_look.looked_at else excluded.looked_at end, \
                   server = excluded.server, is_away = 0 returning looks";
        self.one(sql, args![node, server, now]).await?.int(0)
    }

    /// Writes down that a node stops.
    ///
    /// # Errors
    /// The database refused.
    pub async fn node_leaves(&mut self, node: &str) -> Result<(), StoreError> {
        self.exec("update node_look set is_away = 1 where node = $1", args![node]).await.map(|_| ())
    }

    /// Ends one reason why publishing is held, by itself. Says whether it stood.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lift_hold(&mut self, key: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update publishing_hold set released_at = $3, released_by = $2 where key = $1 and released_at is null";
        self.exec_one(sql, args![key, by, now]).await
    }
}
