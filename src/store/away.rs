//! Files of the banks that are moved away at the bank once they are done with, and what was seen where they were moved to.

use super::StoreError;
use super::inbound::{FILE_IN, FileIn, file_in};
use super::sql::Tx;
use crate::args;
use crate::domain::time::Timestamp;

/// A move that a bank's server was asked for, and of which nobody has concluded yet.
#[derive(Clone, Debug)]
pub struct Move {
    /// The file.
    pub file_in: i64,
    /// The how manieth that was asked for.
    pub attempt: i64,
    /// Where to. No other move goes there.
    pub path: String,
    /// When it was asked for.
    pub begun_at: Timestamp,
    /// Another file lies there, which is to be taken.
    pub is_other: bool,
}

impl Tx {
    /// Applied or settled files that still lie in a bank's outbox.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_unmoved(&mut self, bank: &str) -> Result<Vec<FileIn>, StoreError> {
        let sql = format!(
            "{FILE_IN} where bank = $1 and moved = 0 and state in ('applied', 'duplicate', 'superseded', 'rejected') order by id limit 500"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![bank]).await?.iter().map(file_in).collect()
    }

    /// Remembers that a file was moved away at the bank (1) or must stay there (2).
    ///
    /// # Errors
    /// The database refused.
    pub async fn mark_moved(&mut self, id: i64, how: i64) -> Result<bool, StoreError> {
        self.exec_one("update file_in set moved = $2 where id = $1 and moved = 0", args![id, how]).await
    }

    /// Moves at a bank that nobody has concluded of.
    ///
    /// # Errors
    /// The database refused.
    pub async fn moves(&mut self, bank: &str) -> Result<Vec<Move>, StoreError> {
        let sql = "select p.file_in, p.attempt, p.path, p.begun_at, p.is_other from putting_away p join file_in f on f.id = p.file_in \
                   where f.bank = $1 order by p.file_in, p.attempt";
        let rows = self.rows(sql, args![bank]).await?;
        rows.iter()
            .map(|r| {
                let begun_at = Timestamp::from_millis(r.int(3)?);
                Ok(Move { file_in: r.int(0)?, attempt: r.int(1)?, path: r.string(2)?, begun_at, is_other: r.int(4)? == 1 })
            })
            .collect()
    }

    /// Remembers a move before it is asked for. False when another node began it meanwhile.
    ///
    /// # Errors
    /// The database refused.
    pub async fn begin_move(&mut self, m: &Move) -> Result<bool, StoreError> {
        let sql =
            "insert into putting_away (file_in, attempt, path, begun_at) values ($1, $2, $3, $4) on conflict (file_in, attempt) do nothing";
        self.exec_one(sql, args![m.file_in, m.attempt, &m.path, m.begun_at]).await
    }

    /// Remembers that another file lies where it was moved to. False when that is known.
    ///
    /// # Errors
    /// The database refused.
    pub async fn moved_other(&mut self, m: &Move) -> Result<bool, StoreError> {
        let sql = "update putting_away set is_other = 1 where file_in = $1 and attempt = $2 and path = $3 and is_other = 0";
        self.exec_one(sql, args![m.file_in, m.attempt, &m.path]).await
    }

    /// Nothing is left to be seen of a move.
    ///
    /// # Errors
    /// The database refused.
    pub async fn end_move(&mut self, m: &Move) -> Result<bool, StoreError> {
        self.exec_one("delete from putting_away where file_in = $1 and attempt = $2 and path = $3", args![m.file_in, m.attempt, &m.path])
            .await
    }
}
