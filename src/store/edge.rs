//! The banks' edges: who holds one, how it fared, and what must not be forgotten between runs.

use super::StoreError;
use super::outbound::{BankRow, Lease};
use super::sql::Tx;
use crate::args;
use crate::domain::time::Timestamp;

impl Tx {
    /// Whether a bank's edge has anything to plan, seal or publish, or trouble to look into.
    ///
    /// # Errors
    /// The database refused.
    pub async fn edge_has_work(&mut self, bank: &str, today: chrono::NaiveDate) -> Result<bool, StoreError> {
        let sql = "select (select count(*) from tranche where bank = $1 and next_id <= last_id and not_before <= $2) \
                   + (select count(*) from file_out where bank = $1 and state in ('planned', 'sealed', 'uploading', 'publishing', 'withdrawing')) \
                   + (select count(*) from refund_order r join agreement g on g.number = r.agreement where r.bank = $1 and r.state = 'approved' \
                   and r.file_out is null and g.refund_profile <> '') + (select count(*) from enquiry where bank = $1 and state in ('planned', 'uploading')) \
                   + (select count(*) from edge where bank = $1 and failures > 0)";
        Ok(self.one(sql, args![bank, today]).await?.int(0)? > 0)
    }

    /// Takes or renews the lease on a bank's edge, by the database's clock. A new holder gets a higher fence.
    ///
    /// # Errors
    /// The database refused.
    pub async fn take_lease(
        &mut self,
        bank: &str,
        holder: &str,
        ttl_millis: i64,
        database_now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let sql = "insert into lease (bank, holder, fence, expires_at) values ($1, $2, 1, $3) on conflict (bank) do update set \
                   fence = case when lease.holder = excluded.holder then lease.fence else lease.fence + 1 end, \
                   holder = excluded.holder, expires_at = excluded.expires_at \
                   where lease.holder = excluded.holder or lease.expires_at <= $4 returning fence";
        let until = database_now.plus_millis(ttl_millis);
        let row = self.opt(sql, args![bank, holder, until, database_now]).await?;
        row.map(|r| Ok(Lease { bank: bank.to_owned(), holder: holder.to_owned(), fence: r.int(0)? })).transpose()
    }

    /// Renews a lease that is still ours, under its fence.
    ///
    /// # Errors
    /// The database refused.
    pub async fn renew_lease(&mut self, lease: &Lease, ttl_millis: i64, database_now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update lease set expires_at = $4 where bank = $1 and holder = $2 and fence = $3";
        self.exec_one(sql, args![&lease.bank, &lease.holder, lease.fence, database_now.plus_millis(ttl_millis)]).await
    }

    /// Whether a lease is still ours. Nobody takes it over before this transaction has ended, so whoever does sees what it wrote.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_lease(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        let sql = "update lease set fence = fence where bank = $1 and holder = $2 and fence = $3";
        self.exec_one(sql, args![&lease.bank, &lease.holder, lease.fence]).await
    }

    /// Gives the leases of a stopping node back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn drop_leases(&mut self, holder: &str) -> Result<u64, StoreError> {
        self.exec("update lease set expires_at = 0 where holder = $1", args![holder]).await
    }

    /// A bank's mode: `live`, `shadow` or `paused`; empty where there is no such bank.
    ///
    /// # Errors
    /// The database refused.
    pub async fn bank_mode(&mut self, bank: &str) -> Result<String, StoreError> {
        self.opt("select mode from bank where code = $1", args![bank]).await?.map_or(Ok(String::new()), |r| r.string(0))
    }

    /// Every bank and its mode.
    ///
    /// # Errors
    /// The database refused.
    pub async fn banks(&mut self) -> Result<Vec<BankRow>, StoreError> {
        let rows = self.rows("select code, name, mode, contacts, clearing_no from bank order by code", args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(BankRow {
                    code: r.string(0)?,
                    name: r.string(1)?,
                    mode: r.string(2)?,
                    contacts: r.string(3)?,
                    clearing_no: r.string(4)?,
                })
            })
            .collect()
    }

    /// The profiles of a bank's agreements.
    ///
    /// # Errors
    /// The database refused.
    pub async fn profiles_of(&mut self, bank: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select profile from agreement where bank = $1 union select refund_profile from agreement where bank = $1 and refund_profile <> '' order by 1";
        self.rows(sql, args![bank]).await?.iter().map(|r| r.string(0)).collect()
    }

    /// When a bank's edge may be touched again, and after how many failures.
    ///
    /// # Errors
    /// The database refused.
    pub async fn edge(&mut self, bank: &str) -> Result<(Timestamp, i64), StoreError> {
        let row = self.opt("select next_at, failures from edge where bank = $1", args![bank]).await?;
        row.map_or(Ok((Timestamp::from_millis(0), 0)), |r| Ok((Timestamp::from_millis(r.int(0)?), r.int(1)?)))
    }

    /// The fence whose holder last swept a bank's folders.
    ///
    /// # Errors
    /// The database refused.
    pub async fn swept_fence(&mut self, bank: &str) -> Result<i64, StoreError> {
        self.opt("select swept_fence from edge where bank = $1", args![bank]).await?.map_or(Ok(0), |r| r.int(0))
    }

    /// Remembers that a bank's folders were swept under this fence.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_swept_fence(&mut self, bank: &str, fence: i64) -> Result<(), StoreError> {
        let sql =
            "insert into edge (bank, swept_fence) values ($1, $2) on conflict (bank) do update set swept_fence = excluded.swept_fence";
        self.exec(sql, args![bank, fence]).await.map(|_| ())
    }

    /// Remembers how a bank's edge fared, so that backing off survives a restart.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_edge(&mut self, bank: &str, failures: i64, next_at: Timestamp, error: &str) -> Result<(), StoreError> {
        let sql = "insert into edge (bank, failures, next_at, last_error) values ($1, $2, $3, $4) on conflict (bank) do update set \
                   failures = excluded.failures, next_at = excluded.next_at, last_error = excluded.last_error";
        self.exec(sql, args![bank, failures, next_at, error]).await.map(|_| ())
    }
}
