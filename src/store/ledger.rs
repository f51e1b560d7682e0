//! The ledger's rows. Only `post` makes entries; nothing updates or deletes one.

use super::StoreError;
use super::sql::Tx;
use crate::args;
use crate::domain::ledger::{AccountKey, AccountKind, EntryKind, Movement};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// What an entry belongs to.
#[derive(Clone, Debug, Default)]
pub struct EntryOf {
    /// The batch, if one.
    pub batch: String,
    /// Our file, if one.
    pub file_out: Option<i64>,
    /// Their file, if one.
    pub file_in: Option<i64>,
    /// The arrival of funds, if it is one.
    pub funding: Option<i64>,
    /// The refund order, if one.
    pub refund_order: Option<i64>,
    /// The opening balance, if it is one.
    pub opening: Option<i64>,
    /// The statement that proves it, if one.
    pub statement: Option<i64>,
    /// How many instructions the entry sums.
    pub lines: u64,
}

/// Whose doing a movement is: ours may be refused by the sign rule, a bank's word never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// We decided.
    Ours,
    /// A bank or a statement said so.
    Theirs,
}

impl Tx {
    async fn account_id(&mut self, key: &AccountKey) -> Result<(i64, Fen), StoreError> {
        let sql = "select id, balance_fen from account where department = $1 and project = $2 and year = $3 and kind = $4 and bank = $5";
        let values = args![&key.department, &key.project, key.year, key.kind.code(), &key.bank];
        if let Some(row) = self.opt(sql, values.clone()).await? {
            return Ok((row.int(0)?, row.fen(1)?));
        }
        let insert = "insert into account (department, project, year, kind, bank, free_sign) values ($1, $2, $3, $4, $5, $6) \
                      on conflict (department, project, year, kind, bank) do nothing";
        let mut with_sign = values.clone();
        with_sign.push(key.kind.may_be_negative().into());
        self.exec(insert, with_sign).await?;
        let row = self.one(sql, values).await?;
        Ok((row.int(0)?, row.fen(1)?))
    }

    /// Books a movement: one entry, two postings, two balances. A bank's word that would drive an account below zero is
    /// booked out of `conflict:<bank>` instead; the answer is whether that happened, so that a person can be told.
    ///
    /// # Errors
    /// A movement of ours would drive an account below zero (a check violation), or the database refused.
    pub async fn post(&mut self, now: Timestamp, of: &EntryOf, origin: Origin, movement: &Movement) -> Result<bool, StoreError> {
        if !movement.amount.is_positive() || movement.from == movement.to {
            return Err(StoreError::Broken(format!(
                "a movement of {} from {:?} to {:?} is none",
                movement.amount, movement.from, movement.to
            )));
        }
        let (mut from, balance) = self.account_id(&movement.from).await?;
        let short = !movement.from.kind.may_be_negative() && balance < movement.amount;
        if short && origin == Origin::Theirs {
            let bank = if movement.from.bank.is_empty() { movement.to.bank.clone() } else { movement.from.bank.clone() };
            let conflict = AccountKey { kind: AccountKind::Conflict, bank, ..movement.from.clone() };
            from = self.account_id(&conflict).await?.0;
        }
        let (to, _) = self.account_id(&movement.to).await?;
        let entry = self.entry(now, of, movement.kind).await?;
        for (account, amount) in [(from, Fen::new(-movement.amount.get())), (to, movement.amount)] {
            self.exec("insert into posting (entry, account, amount_fen) values ($1, $2, $3)", args![entry, account, amount]).await?;
            self.exec("update account set balance_fen = balance_fen + $1 where id = $2", args![amount, account]).await?;
        }
        Ok(short && origin == Origin::Theirs)
    }

    async fn entry(&mut self, now: Timestamp, of: &EntryOf, kind: EntryKind) -> Result<i64, StoreError> {
        let sql = "insert into entry (at, kind, batch, file_out, file_in, funding, lines, refund_order, opening, statement) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id";
        let values =
            args![now, kind.code(), &of.batch, of.file_out, of.file_in, of.funding, of.lines, of.refund_order, of.opening, of.statement];
        let entry = self.one(sql, values).await?.int(0)?;
        if let Some(file) = of.file_out {
            let sql = "insert into reconciled (kind, subject, entry, newest, unseen) values ('file', $1, -1, $2, 1) on conflict (kind, subject) \
                       do update set unseen = 1, newest = case when excluded.newest > reconciled.newest then excluded.newest else reconciled.newest end";
            self.exec(sql, args![file, entry]).await?;
        }
        Ok(entry)
    }

    /// The balance of an account; nothing where there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn balance(&mut self, key: &AccountKey) -> Result<Fen, StoreError> {
        let sql = "select balance_fen from account where department = $1 and project = $2 and year = $3 and kind = $4 and bank = $5";
        let row = self.opt(sql, args![&key.department, &key.project, key.year, key.kind.code(), &key.bank]).await?;
        row.map_or(Ok(Fen::ZERO), |r| r.fen(0))
    }
}
