//! Which database this is, what it knows to be published, and whether publishing is held.

use super::sql::{Pool, Tx};
use super::{Store, StoreError};
use crate::args;
use crate::domain::memory::{Identity, Published};
use crate::domain::time::Timestamp;
use crate::store::sql::Value;

/// A hold on all publishing that waits for two persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishingHold {
    /// What makes it the same.
    pub key: String,
    /// The node that found it.
    pub node: String,
    /// Why.
    pub why: String,
}

/// How far a commit is kept when the server is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// One server, or one file: what it has is all there is.
    Alone,
    /// Standbys, none of which a commit waits for: the last commits may be lost with the server.
    Asynchronous,
    /// A commit waits for a standby.
    Synchronous,
}

impl Store {
    /// Which database this connection speaks to.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn identity(&self, tx: &mut Tx) -> Result<Identity, StoreError> {
        let row = match &self.pool {
            // The timeline of the log's own file names: the control file learns of a promotion only at its next checkpoint.
            Pool::Pg(_) => {
                let sql = "select cast(system_identifier as text), case when pg_is_in_recovery() then 0 else \
                           cast(cast(('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)) as bit(32)) as bigint) end \
                           from pg_control_system()";
                tx.one(sql, args![]).await?
            }
            Pool::Sqlite(_) => tx.one("select id, 1 from database_identity", args![]).await?,
        };
        Ok(Identity { system: row.string(0)?, timeline: row.int(1)? })
    }

    /// Whether a commit outlives the loss of this server.
    ///
    /// # Errors
    /// The database could not be reached.
    pub async fn replication(&self) -> Result<Replication, StoreError> {
        if matches!(self.pool, Pool::Sqlite(_)) {
            return Ok(Replication::Alone);
        }
        let mut tx = self.read().await?;
        let sql = "select (select count(*) from pg_stat_replication), case when current_setting('synchronous_standby_names') = '' \
                   or current_setting('synchronous_commit') in ('off', 'local') then 0 else 1 end";
        let row = tx.one(sql, args![]).await?;
        Ok(match (row.int(0)?, row.int(1)?) {
            (_, 1) => Replication::Synchronous,
            (0, _) => Replication::Alone,
            _ => Replication::Asynchronous,
        })
    }
}

impl Tx {
    /// Which of these the database does not know to be published.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forgotten(&mut self, published: &[Published]) -> Result<Vec<Published>, StoreError> {
        if published.is_empty() {
            return Ok(Vec::new());
        }
        let marks: Vec<String> = (1..=published.len()).map(|i| format!("${i}")).collect();
        let sql = format!(
            "select id, bank, case when dir = '' then name else dir || '/' || name end, sha256 from file_out where copies > 0 and id in ({})",
            marks.join(", ")
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), published.iter().map(|p| Value::Int(p.file)).collect()).await?;
        let known: Vec<Published> = rows
            .iter()
            .map(|r| Ok(Published { file: r.int(0)?, bank: r.string(1)?, path: r.string(2)?, sha256: r.string(3)? }))
            .collect::<Result<_, StoreError>>()?;
        Ok(published.iter().filter(|p| !known.contains(p)).cloned().collect())
    }

    /// Holds all publishing for a reason. Nothing happens where this reason was given before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_publishing(&mut self, hold: &PublishingHold, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "insert into publishing_hold (key, node, why, held_at) values ($1, $2, $3, $4) on conflict (key) do nothing";
        self.exec_one(sql, args![&hold.key, &hold.node, &hold.why, now]).await
    }

    /// Whether two persons have released publishing from this reason; `None` where it was never given.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_publishing_released(&mut self, key: &str) -> Result<Option<bool>, StoreError> {
        let row = self.opt("select released_at from publishing_hold where key = $1", args![key]).await?;
        row.map(|r| Ok(r.opt_int(0)?.is_some())).transpose()
    }

    /// Writes down, for every node, a publication that the database had forgotten.
    ///
    /// # Errors
    /// The database refused.
    pub async fn remember(&mut self, p: &Published, hold: &str) -> Result<bool, StoreError> {
        let sql = "insert into forgotten_file (bank, path, sha256, file, hold) values ($1, $2, $3, $4, $5) on conflict (bank, path, sha256) do nothing";
        self.exec_one(sql, args![&p.bank, &p.path, &p.sha256, p.file, hold]).await
    }

    /// Whether some node found that a file went out with these bytes, or under this path, and was forgotten. An empty path asks for
    /// the bytes alone.
    ///
    /// # Errors
    /// The database refused.
    pub async fn was_forgotten(&mut self, bank: &str, path: &str, sha256: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from forgotten_file where bank = $1 and (sha256 = $3 or path = $2) limit 1";
        Ok(self.opt(sql, args![bank, path, sha256]).await?.is_some())
    }

    /// Why publishing is held.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publishing_holds(&mut self) -> Result<Vec<PublishingHold>, StoreError> {
        let rows = self.rows("select key, node, why from publishing_hold where released_at is null order by key", args![]).await?;
        rows.iter().map(|r| Ok(PublishingHold { key: r.string(0)?, node: r.string(1)?, why: r.string(2)? })).collect()
    }

    /// Releases publishing from every reason that stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn release_publishing(&mut self, by: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.exec("update publishing_hold set released_at = $2, released_by = $1 where released_at is null", args![by, now]).await
    }
}
