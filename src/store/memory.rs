//! Which database this is, what it knows to be published, and whether publishing is held.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::sql::{Pool, Tx};
use super::{Store, StoreError};
use crate::args;
use crate::domain::file::FileKind;
use crate::domain::memory::{Identity, Published};
use crate::domain::time::Timestamp;
use crate::store::outbound::FileOut;
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

/// A publication of which a node's journal knew and the database did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The bank.
    pub bank: String,
    /// Its path under the bank's inbox.
    pub path: String,
    /// What its bytes hash to.
    pub sha256: String,
    /// The date for which the bank shall execute.
    pub date: NaiveDate,
    /// Its number on that date.
    pub seq_no: i64,
    /// How many copies went out.
    pub copies: i64,
    /// How many payments it has.
    pub rows: i64,
}

/// Instructions in a row whose payments a forgotten publication has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// First and last.
    pub ids: (i64, i64),
    /// The publication.
    pub file: Forgotten,
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
            Pool::Pg(..) => {
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
    /// The number of the last event: it only grows, unless the database was restored.
    ///
    /// # Errors
    /// The database refused.
    pub async fn last_event(&mut self) -> Result<i64, StoreError> {
        self.one("select coalesce(max(id), 0) from event", args![]).await?.int(0)
    }

    /// Which of these the database does not know: neither as a file with so many copies, nor as one that it forgot before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forgotten(&mut self, published: &[Published]) -> Result<Vec<Published>, StoreError> {
        if published.is_empty() {
            return Ok(Vec::new());
        }
        let marks: Vec<String> = (1..=published.len()).map(|i| format!("${i}")).collect();
        let sql = format!(
            "select bank, case when dir = '' then name else dir || '/' || name end, sha256, copies from file_out where id in ({}) and copies > 0 \
             union all select bank, path, sha256, copies from forgotten_file",
            marks.join(", ")
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), published.iter().map(|p| Value::Int(p.file)).collect()).await?;
        let mut known: BTreeMap<(String, String, String), i64> = BTreeMap::new();
        for r in &rows {
            let copies = known.entry((r.string(0)?, r.string(1)?, r.string(2)?)).or_default();
            *copies = r.int(3)?.max(*copies);
        }
        let is_known =
            |p: &&Published| known.get(&(p.bank.clone(), p.path.clone(), p.sha256.clone())).is_some_and(|copies| *copies >= p.copy);
        Ok(published.iter().filter(|p| !is_known(p)).cloned().collect())
    }

    /// The batch and the rows that a file pays, as ranges in the order of its lines; of a refund its order, row 1.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rows_of(&mut self, file: &FileOut) -> Result<(String, Vec<(i64, i64)>), StoreError> {
        if file.kind == FileKind::Refund {
            let order = self.one("select number from refund_order where id = $1", args![file.first_id]).await?;
            return Ok((order.string(0)?, vec![(1, 1)]));
        }
        Ok((file.batch.clone(), self.seqs_between((file.first_id, file.last_id)).await?))
    }

    /// The batch and the rows of a block of numbers; nothing where not all of them are instructions of one batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rows_between(&mut self, ids: (i64, i64)) -> Result<(String, Vec<(i64, i64)>), StoreError> {
        let sql = "select min(batch), max(batch), count(*) from instruction where id >= $1 and id <= $2";
        let r = self.one(sql, args![ids.0, ids.1]).await?;
        if r.int(2)? != ids.1 - ids.0 + 1 || r.string(0)? != r.string(1)? {
            return Ok((String::new(), Vec::new()));
        }
        Ok((r.string(0)?, self.seqs_between(ids).await?))
    }

    async fn seqs_between(&mut self, ids: (i64, i64)) -> Result<Vec<(i64, i64)>, StoreError> {
        // A block of numbers follows the order of the batch: where as many rows lie between its ends as it has, they are all of them.
        let sql = "select p.seq from instruction i join payment p on p.id = i.payment_id where i.id in ($1, $2) order by i.id";
        let ends = self.rows(sql, args![ids.0, ids.1]).await?;
        let ends = ends.iter().map(|r| r.int(0)).collect::<Result<Vec<_>, _>>()?;
        if let (Some(first), Some(last)) = (ends.first(), ends.last())
            && last - first == ids.1 - ids.0
        {
            return Ok(vec![(*first, *last)]);
        }
        let sql = "select min(seq), max(seq) from (select p.seq, p.seq - row_number() over (order by i.id) as island from instruction i \
                   join payment p on p.id = i.payment_id where i.id >= $1 and i.id <= $2) x group by island order by 1";
        self.rows(sql, args![ids.0, ids.1]).await?.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
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

    /// Writes down, for every node, a publication that the database had forgotten. `false`: another copy of it stands there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn remember(&mut self, p: &Published, hold: &str) -> Result<bool, StoreError> {
        let sql = "insert into forgotten_file (bank, path, sha256, file, hold, business_date, seq_no, first_id, last_id, copies) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (bank, path, sha256) do nothing";
        let is_new =
            self.exec_one(sql, args![&p.bank, &p.path, &p.sha256, p.file, hold, p.date, p.seq_no, p.ids.0, p.ids.1, p.copy]).await?;
        if !is_new {
            let sql = "update forgotten_file set copies = $4 where bank = $1 and path = $2 and sha256 = $3 and copies < $4";
            self.exec(sql, args![&p.bank, &p.path, &p.sha256, p.copy]).await?;
            return Ok(false);
        }
        for (first, last) in &p.rows {
            let sql = "insert into forgotten_rows (bank, path, sha256, batch, first_seq, last_seq) values ($1, $2, $3, $4, $5, $6)";
            self.exec(sql, args![&p.bank, &p.path, &p.sha256, &p.batch, *first, *last]).await?;
        }
        Ok(true)
    }

    /// What went out, was forgotten, and has no instruction on the books: batch or refund order, and how many payments of it. Nothing
    /// there keeps another list from paying the same people.
    ///
    /// # Errors
    /// The database refused.
    pub async fn off_the_books(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "select batch, cast(sum(sent - known) as bigint) from (select r.batch, r.last_seq - r.first_seq + 1 as sent, \
                   (select count(distinct p.seq) from payment p join instruction i on i.payment_id = p.id \
                   where p.batch = r.batch and p.seq >= r.first_seq and p.seq <= r.last_seq) \
                   + (select count(*) from refund_order o where o.number = r.batch) as known \
                   from forgotten_rows r where r.known_as is null) x where known < sent group by batch order by batch";
        self.rows(sql, args![]).await?.iter().map(|r| Ok((r.string(0)?, r.int(1)?))).collect()
    }

    /// Lets a counter begin behind a number that was given out.
    ///
    /// # Errors
    /// The database refused.
    pub async fn raise_counter(&mut self, name: &str, given: i64) -> Result<(), StoreError> {
        let sql = "insert into counter (name, next) values ($1, $2) on conflict (name) do update set next = excluded.next \
                   where counter.next < excluded.next";
        self.exec(sql, args![name, given + 1]).await.map(|_| ())
    }

    /// Files of all banks that are not out by what the database knows.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_not_out(&mut self) -> Result<Vec<i64>, StoreError> {
        let sql = "select id from file_out where state in ('planned', 'sealed', 'uploading') and copies = 0 order by id";
        self.rows(sql, args![]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// First numbers of the blocks that wait for a file, as far as they lie before a number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn blocks_before(&mut self, number: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "select next_id from tranche where next_id <= last_id and next_id <= $1 order by next_id";
        self.rows(sql, args![number]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// The file with this path that is not given up.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_at(&mut self, bank: &str, path: &str, range: (i64, i64)) -> Result<Option<i64>, StoreError> {
        let sql = "select id from file_out where first_id = $3 and last_id = $4 and bank = $1 and case when dir = '' then name else dir || '/' || name end = $2 \
                   and state not in ('voided', 'abandoned')";
        self.opt(sql, args![bank, path, range.0, range.1]).await?.map(|r| r.int(0)).transpose()
    }

    /// A file that was given up and never out gives its path and its number to the one that had them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn give_name_back(&mut self, file: i64) -> Result<(), StoreError> {
        let sql = "update file_out set path_taken = path_taken || '#' || cast(id as text), seq_no = -id where id = $1 and state in ('voided', 'abandoned') and copies = 0";
        self.exec(sql, args![file]).await.map(|_| ())
    }

    /// What was given up under the name of a forgotten publication, and never was out by this database's word, gives the name and the
    /// number back: whatever stands for the publication is to be known by the name that the bank knows.
    ///
    /// # Errors
    /// The database refused.
    pub async fn free_name_of(&mut self, p: &Published) -> Result<(), StoreError> {
        let sql = "select id from file_out where bank = $1 and (path_taken = $2 or (business_date = $3 and seq_no = $4)) and state in ('voided', 'abandoned') and copies = 0";
        for row in self.rows(sql, args![&p.bank, &p.path, p.date, p.seq_no]).await? {
            self.give_name_back(row.int(0)?).await?;
        }
        Ok(())
    }

    /// Whether a file may be planned under this path and number of its day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_name_free(&mut self, bank: &str, path: &str, (date, seq_no): (NaiveDate, i64)) -> Result<bool, StoreError> {
        let sql = "select 1 from file_out where bank = $1 and (path_taken = $2 or (business_date = $3 and seq_no = $4)) limit 1";
        Ok(self.opt(sql, args![bank, path, date, seq_no]).await?.is_none())
    }

    /// Whether payments that went out under this path are still forgotten.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_forgotten_at(&mut self, bank: &str, path: &str) -> Result<bool, StoreError> {
        let sql = "select 1 from forgotten_rows where bank = $1 and path = $2 and known_as is null limit 1";
        Ok(self.opt(sql, args![bank, path]).await?.is_some())
    }

    /// What of a batch went out and was forgotten: first and last row of each run.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forgotten_seqs(&mut self, batch: &str) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "select first_seq, last_seq from forgotten_rows where batch = $1 and known_as is null order by first_seq";
        self.rows(sql, args![batch]).await?.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
    }

    /// Runs of instructions in a range whose payments were sent by a publication that the database forgot.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forgotten_runs(&mut self, batch: &str, range: (i64, i64)) -> Result<Vec<Run>, StoreError> {
        // Almost always nothing: asked first, so that no row of the range is looked at.
        if self.opt("select 1 from forgotten_rows where batch = $1 and known_as is null limit 1", args![batch]).await?.is_none() {
            return Ok(Vec::new());
        }
        let sql = "select i.id, r.bank, r.path, r.sha256 from forgotten_rows r \
                   join forgotten_file f on f.bank = r.bank and f.path = r.path and f.sha256 = r.sha256 \
                   join payment p on p.batch = r.batch and p.seq >= r.first_seq and p.seq <= r.last_seq \
                   join instruction i on i.payment_id = p.id and i.id >= $2 and i.id <= $3 \
                   where r.batch = $1 and r.known_as is null order by i.id, f.file";
        let mut runs: Vec<((i64, i64), [String; 3])> = Vec::new();
        for r in self.rows(sql, args![batch, range.0, range.1]).await? {
            let (id, of) = (r.int(0)?, [r.string(1)?, r.string(2)?, r.string(3)?]);
            match runs.last_mut() {
                // A payment that was sent by two of them goes with the older one first.
                Some(((_, last), _)) if *last == id => {}
                Some(((_, last), same)) if *last + 1 == id && *same == of => *last = id,
                _ => runs.push(((id, id), of)),
            }
        }
        let mut found = Vec::new();
        for (ids, [bank, path, sha256]) in runs {
            found.push(Run { ids, file: self.forgotten_file(&bank, &path, &sha256).await? });
        }
        Ok(found)
    }

    /// The publication of a refund order that the database forgot.
    ///
    /// # Errors
    /// The database refused.
    pub async fn forgotten_order(&mut self, number: &str) -> Result<Option<Forgotten>, StoreError> {
        let sql = "select bank, path, sha256 from forgotten_rows where batch = $1 and known_as is null order by path limit 1";
        let Some(r) = self.opt(sql, args![number]).await? else { return Ok(None) };
        self.forgotten_file(&r.string(0)?, &r.string(1)?, &r.string(2)?).await.map(Some)
    }

    async fn forgotten_file(&mut self, bank: &str, path: &str, sha256: &str) -> Result<Forgotten, StoreError> {
        let sql = "select business_date, seq_no, copies, (select cast(sum(last_seq - first_seq + 1) as bigint) from forgotten_rows r \
                   where r.bank = f.bank and r.path = f.path and r.sha256 = f.sha256) from forgotten_file f where bank = $1 and path = $2 and sha256 = $3";
        let r = self.one(sql, args![bank, path, sha256]).await?;
        Ok(Forgotten {
            bank: bank.to_owned(),
            path: path.to_owned(),
            sha256: sha256.to_owned(),
            date: r.date(0)?,
            seq_no: r.int(1)?,
            copies: r.int(2)?,
            rows: r.int(3)?,
        })
    }

    /// Ties a forgotten publication's rows to the file that stands for them now, as far as it has them, and the copies to the file.
    ///
    /// # Errors
    /// The database refused.
    pub async fn know_again(&mut self, file: &FileOut, f: &Forgotten) -> Result<(), StoreError> {
        let sql = "update file_out set copies = $2 where id = $1 and copies < $2";
        self.exec(sql, args![file.id, f.copies]).await?;
        self.exec("update file_out set sha256 = $2 where id = $1 and sha256 = ''", args![file.id, &f.sha256]).await?;
        let (_, rows) = self.rows_of(file).await?;
        for (first, last) in rows {
            self.know_rows(file.id, f, (first, last)).await?;
        }
        Ok(())
    }

    /// The paths under which a file's payments went out before, by a node's journal, where that is not its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn went_out_as(&mut self, file: &FileOut) -> Result<Vec<String>, StoreError> {
        let sql = "select distinct path from forgotten_rows where known_as = $1 and path <> $2 order by path";
        self.rows(sql, args![file.id, file.path()]).await?.iter().map(|r| r.string(0)).collect()
    }

    /// A range that only partly belongs to this file is cut: the rest waits for its own.
    async fn know_rows(&mut self, file: i64, f: &Forgotten, (first, last): (i64, i64)) -> Result<(), StoreError> {
        let sql = "select batch, first_seq, last_seq from forgotten_rows where bank = $1 and path = $2 and sha256 = $3 and known_as is null \
                   and first_seq <= $5 and last_seq >= $4 order by first_seq";
        for r in self.rows(sql, args![&f.bank, &f.path, &f.sha256, first, last]).await? {
            let (batch, from, to) = (r.string(0)?, r.int(1)?, r.int(2)?);
            let (start, end) = (from.max(first), to.min(last));
            let sql = "update forgotten_rows set last_seq = $5, known_as = case when $6 = 0 then null else $6 end \
                       where bank = $1 and path = $2 and sha256 = $3 and first_seq = $4";
            let before = from < start;
            self.exec(sql, args![&f.bank, &f.path, &f.sha256, from, if before { start - 1 } else { end }, if before { 0 } else { file }])
                .await?;
            let rest = [(before, start, end, Some(file)), (end < to, end + 1, to, None)];
            for (_, from, to, known_as) in rest.into_iter().filter(|(is_left, ..)| *is_left) {
                let sql = "insert into forgotten_rows (bank, path, sha256, batch, first_seq, last_seq, known_as) values ($1, $2, $3, $4, $5, $6, $7)";
                self.exec(sql, args![&f.bank, &f.path, &f.sha256, &batch, from, to, known_as]).await?;
            }
        }
        Ok(())
    }

    /// What a forgotten publication this file would do again: its path, or payments of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn would_repeat(&mut self, file: &FileOut, path: Option<&str>) -> Result<Option<String>, StoreError> {
        if let (0, Some(path)) = (file.copies, path) {
            let sql = "select path from forgotten_file where bank = $1 and path = $2 limit 1";
            if let Some(r) = self.opt(sql, args![&file.bank, path]).await? {
                return r.string(0).map(Some);
            }
        }
        if file.kind == FileKind::Refund {
            let (number, _) = self.rows_of(file).await?;
            return Ok(self.forgotten_order(&number).await?.map(|f| f.path));
        }
        Ok(self.forgotten_runs(&file.batch, (file.first_id, file.last_id)).await?.into_iter().next().map(|run| run.file.path))
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
