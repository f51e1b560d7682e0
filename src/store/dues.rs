//! What of ours should stand on a statement: files with their entries' sums, instructions, refund orders, cash, recoveries.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx};
use super::statements::{PayerAccount, list};
use crate::args;
use crate::domain::masked::{Account, Name};
use crate::domain::matching::{FundingDue, Item, RecoveryDue, RefundDue, Word};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// What of an instruction came back in parts.
const APART: &str =
    "(select cast(coalesce(sum(w.amount_fen), 0) as bigint) from waiting_return w where w.instruction_id = x.id and w.part > 0)";

/// One of our files, with the sums of its entries.
#[derive(Clone, Debug)]
pub struct FileRow {
    /// Its key.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What ties request and answers.
    pub key: String,
    /// Its folder.
    pub dir: String,
    /// The date of execution.
    pub business_date: NaiveDate,
    /// Its sum.
    pub total: Fen,
    /// Where it stands.
    pub state: String,
    /// `net`, `gross` …
    pub debit_model: String,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Its first instruction.
    pub first_id: i64,
    /// Its last.
    pub last_id: i64,
    /// Lines whose outcome nobody knows.
    pub unknown: i64,
    /// Its newest entry.
    pub entry: i64,
}

/// A movement of `paid` that a file's entries made.
#[derive(Clone, Debug)]
pub struct PaidEntry {
    /// The entry's kind.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// By which file of the bank.
    pub file_in: Option<i64>,
    /// How much; negative where it left `paid`.
    pub amount: i64,
}

/// What of a file came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct CameBack {
    /// What took effect: it was debited, and does not stand as paid any more.
    pub effective: Fen,
    /// That, and what a statement shows beside it.
    pub said: Fen,
    /// When the last of it took effect.
    pub at: Option<Timestamp>,
}

/// What of a file was matched.
#[derive(Clone, Debug, Default)]
pub struct FileMatched {
    /// Lumps.
    pub lumps: Vec<Fen>,
    /// Debits item by item.
    pub items: Fen,
    /// Returned lines, one by one and in lumps.
    pub returned: Fen,
    /// Failures whose money was debited and is not back.
    pub back_due: Fen,
}

/// Files that a bank may have, of one account ($1, $2).
const FILES: &str = "select f.id, f.name, f.exchange_key, f.dir, f.business_date, f.total_fen, f.state, a.debit_model, f.sent_at, f.first_id, f.last_id, \
     (select count(*) from instruction_state s where s.file_out = f.id and s.state in ('unknown', 'conflict')), \
     coalesce((select max(e.id) from entry e where e.file_out = f.id), 0) \
     from file_out f join agreement a on a.number = f.agreement where a.bank = $1 and a.payer_account = $2 and f.kind = 'instruction' and f.shadow = 0 \
     and (f.state in ('publishing', 'sent', 'accepted', 'answered', 'refused', 'held', 'doubt', 'withdrawing') \
     or (f.copies > 0 and f.state in ('sealed', 'uploading')))";

fn file_row(r: &Row) -> Result<FileRow, StoreError> {
    Ok(FileRow {
        id: r.int(0)?,
        name: r.string(1)?,
        key: r.string(2)?,
        dir: r.string(3)?,
        business_date: r.date(4)?,
        total: r.fen(5)?,
        state: r.string(6)?,
        debit_model: r.string(7)?,
        sent_at: r.opt_time(8)?,
        first_id: r.int(9)?,
        last_id: r.int(10)?,
        unknown: r.int(11)?,
        entry: r.int(12)?,
    })
}

impl Tx {
    /// Files of an account of which money is still to be seen, or whose money moved since it was.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_to_see(&mut self, of: &PayerAccount) -> Result<Vec<FileRow>, StoreError> {
        let sql = format!("{FILES} and f.id in (select r.subject from reconciled r where r.kind = 'file' and r.unseen = 1) order by f.id");
        self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account]).await?.iter().map(file_row).collect()
    }

    /// Files of an account by number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_numbered(&mut self, of: &PayerAccount, ids: &[i64]) -> Result<Vec<FileRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("{FILES} and f.id in ({}) order by f.id", list(ids));
        self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account]).await?.iter().map(file_row).collect()
    }

    /// Files of an account by a name that a bank uses for them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_called(&mut self, of: &PayerAccount, name: &str) -> Result<Vec<FileRow>, StoreError> {
        let sql = format!("{FILES} and (f.exchange_key = $3 or f.name = $3 or f.dir || '/' || f.name = $3) order by f.id desc limit 20");
        self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account, name]).await?.iter().map(file_row).collect()
    }

    /// What a file's entries moved into `paid` and out of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_entries(&mut self, file: i64) -> Result<Vec<PaidEntry>, StoreError> {
        let sql = "select e.kind, e.at, e.file_in, p.amount_fen from entry e join posting p on p.entry = e.id join account a on a.id = p.account \
                   where e.file_out = $1 and a.kind = 'paid' order by e.id";
        let rows = self.rows(sql, args![file]).await?;
        rows.iter()
            .map(|r| {
                Ok(PaidEntry { kind: r.string(0)?, at: Timestamp::from_millis(r.int(1)?), file_in: r.opt_int(2)?, amount: r.fen(3)?.get() })
            })
            .collect()
    }

    /// What of a file came back, by the record of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_came_back(&mut self, file: &FileRow) -> Result<CameBack, StoreError> {
        let sql = "select cast(coalesce(sum(case when part >= 0 then amount_fen else 0 end), 0) as bigint), \
                   cast(coalesce(sum(case when part >= 0 or statement is not null then amount_fen else 0 end), 0) as bigint), \
                   max(case when part >= 0 then settled_at end) from waiting_return where instruction_id between $1 and $2";
        let r = self.one(sql, args![file.first_id, file.last_id]).await?;
        Ok(CameBack { effective: r.fen(0)?, said: r.fen(1)?, at: r.opt_time(2)? })
    }

    /// What of a file was matched so far.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_matched(&mut self, file: &FileRow) -> Result<FileMatched, StoreError> {
        let lumps =
            self.rows("select amount_fen from statement_match where kind = 'file' and subject = $1 order by id", args![file.id]).await?;
        let sum = "select cast(coalesce(sum(amount_fen), 0) as bigint) from statement_match where";
        let items = format!("{sum} kind = 'instruction' and subject >= $1 and subject <= $2");
        let single = format!("{sum} kind = 'return' and subject >= $1 and subject <= $2");
        let range = args![file.first_id, file.last_id];
        let returned_items = self.one(sqlx::AssertSqlSafe(single), range.clone()).await?.fen(0)?;
        let returned_lump =
            self.one(sqlx::AssertSqlSafe(format!("{sum} kind = 'return_file' and subject = $1")), args![file.id]).await?.fen(0)?;
        let back = "select cast(coalesce(sum(s.amount_fen), 0) as bigint) + (select cast(coalesce(sum(m.amount_fen), 0) as bigint) from remainder m \
                    where m.file_out = $1 and m.state = 'failed' and m.reason = 'PARTIAL_PAID') from instruction_state s where s.file_out = $1 and s.state = 'failed' \
                    and not exists (select 1 from statement_match m where m.kind = 'credit_back' and m.subject = s.instruction_id) \
                    and not exists (select 1 from statement_match m where m.kind = 'credit_back_file' and m.subject = $1 and m.at >= s.since)";
        Ok(FileMatched {
            lumps: lumps.iter().map(|r| r.fen(0)).collect::<Result<_, _>>()?,
            items: self.one(sqlx::AssertSqlSafe(items), range).await?.fen(0)?,
            returned: [returned_items, returned_lump].into_iter().sum(),
            back_due: self.one(back, args![file.id]).await?.fen(0)?,
        })
    }

    /// Marks a file of which every fen was seen.
    ///
    /// # Errors
    /// The database refused.
    pub async fn settle_file(&mut self, file: i64, entry: i64) -> Result<(), StoreError> {
        let sql = "insert into reconciled (kind, subject, entry) values ('file', $1, $2) on conflict (kind, subject) do update set \
                   entry = excluded.entry, unseen = case when reconciled.newest > excluded.entry then 1 else 0 end";
        self.exec(sql, args![file, entry]).await.map(|_| ())
    }

    /// Instructions that lines name, as the bank's answers left them. Those of other accounts are not among them.
    ///
    /// # Errors
    /// The database refused.
    pub async fn items_named(&mut self, of: &PayerAccount, ids: &BTreeSet<i64>) -> Result<Vec<(i64, Item)>, StoreError> {
        let mut found = Vec::new();
        let ids: Vec<i64> = ids.iter().copied().collect();
        for some in ids.chunks(2000) {
            let mut unseen = self.returns_unseen(some).await?;
            let sql = format!(
                "select x.id, f.id, case when a.debit_model = 'gross' then x.amount_fen else coalesce(s.amount_fen, x.amount_fen) + {APART} end, coalesce(s.state, f.lines_state), coalesce(s.paid_fen, 0), coalesce(s.returned_fen, 0) + {APART}, \
                 a.debit_model, (select cast(coalesce(sum(m.amount_fen), 0) as bigint) from statement_match m where m.kind = 'instruction' and m.subject = x.id), \
                 (select cast(coalesce(sum(m.amount_fen), 0) as bigint) from statement_match m where m.kind in ('return', 'credit_back') and m.subject = x.id), coalesce(s.amount_fen, x.amount_fen) from \
                 (select i.id, i.amount_fen, (select max(f2.first_id) from file_out f2 where f2.first_id <= i.id and f2.last_id >= i.id and f2.kind = 'instruction' \
                 and f2.state not in ('voided', 'abandoned')) as first_id from instruction i where i.id in ({})) x \
                 join file_out f on f.first_id = x.first_id and f.last_id >= x.id and f.kind = 'instruction' and f.state not in ('voided', 'abandoned') \
                 join agreement a on a.number = f.agreement left join instruction_state s on s.instruction_id = x.id \
                 where a.bank = $1 and a.payer_account = $2",
                list(some)
            );
            for r in self.rows(sqlx::AssertSqlSafe(sql), args![&of.bank, &of.account]).await? {
                let (state, paid, returned) = (r.string(3)?, r.fen(4)?, r.fen(5)?);
                let word = match state.as_str() {
                    "paid" | "returned" | "recovered" => Word::Paid,
                    "failed" | "failed_final" | "reissued" | "lapsed" | "refunding" | "refunded" | "carried" => {
                        if paid.is_positive() || returned.is_positive() { Word::Paid } else { Word::Failed }
                    }
                    _ => Word::None,
                };
                let item = Item {
                    file: r.int(1)?,
                    amount: r.fen(2)?,
                    word,
                    kept: if matches!(state.as_str(), "paid" | "conflict") { r.fen(9)? } else { Fen::ZERO },
                    is_gross: r.text(6)? == "gross",
                    returned,
                    unseen: unseen.remove(&r.int(0)?).unwrap_or_default(),
                    debited: r.fen(7)?,
                    back: r.fen(8)?,
                };
                found.push((r.int(0)?, item));
            }
        }
        Ok(found)
    }

    /// Returns of instructions that no statement shows yet.
    async fn returns_unseen(&mut self, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Fen>>, StoreError> {
        let sql = format!(
            "select instruction_id, amount_fen from waiting_return where statement is null and coalesce(part, 0) >= 0 and instruction_id in ({}) order by id",
            list(ids)
        );
        let mut unseen: BTreeMap<i64, Vec<Fen>> = BTreeMap::new();
        for r in self.rows(sqlx::AssertSqlSafe(sql), args![]).await? {
            unseen.entry(r.int(0)?).or_default().push(r.fen(1)?);
        }
        Ok(unseen)
    }

    /// Refund orders of an account: those that are out and unseen, and those that lines name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refunds_of(
        &mut self,
        of: &PayerAccount,
        named: &BTreeSet<i64>,
        zone: chrono_tz::Tz,
    ) -> Result<Vec<(i64, RefundDue)>, StoreError> {
        // A statement names hundreds of thousands: by their span, and the others are left out here.
        let (first, last) = (named.first().copied().unwrap_or(0), named.last().copied().unwrap_or(-1));
        let sql = "select r.id, r.amount_fen, r.state, r.proof, coalesce(r.sent_at, r.approved_at, r.created_at), \
             case when exists (select 1 from statement_match m where m.kind = 'refund' and m.subject = r.id) then 1 else 0 end, \
             case when r.state in ('sent', 'accepted', 'executed') then 1 else 0 end \
             from refund_order r join agreement a on a.number = r.agreement where a.bank = $1 and a.payer_account = $2 \
             and (r.state in ('sent', 'accepted', 'executed') or (r.id >= $3 and r.id <= $4)) order by r.id";
        let rows = self.rows(sql, args![&of.bank, &of.account, first, last]).await?;
        let is_asked_for = |r: &&Row| Ok::<_, StoreError>(r.int(6)? == 1 || named.contains(&r.int(0)?));
        let rows = rows.iter().map(|r| Ok((is_asked_for(&r)?, r))).collect::<Result<Vec<_>, StoreError>>()?;
        rows.into_iter()
            .filter_map(|(is_it, r)| is_it.then_some(r))
            .map(|r| {
                let order = RefundDue {
                    amount: r.fen(1)?,
                    on: Timestamp::from_millis(r.int(4)?).date(zone),
                    is_out: matches!(r.text(2)?, "sent" | "accepted" | "executed" | "refunded"),
                    is_proven_here: r.text(3)? == "statement",
                    is_seen: r.int(5)? == 1,
                };
                Ok((r.int(0)?, order))
            })
            .collect()
    }

    /// Cash that arrived for the departments of an account and was not seen on a statement.
    ///
    /// # Errors
    /// The database refused.
    pub async fn fundings_unseen(&mut self, of: &PayerAccount) -> Result<Vec<FundingDue>, StoreError> {
        let sql = "select f.id, f.amount_fen from funding f where f.funds_model = 'cash' and exists (select 1 from agreement a where a.department = f.department \
                   and a.bank = $1 and a.payer_account = $2) and not exists (select 1 from statement_match m where m.kind = 'funding' and m.subject = f.id) order by f.id";
        let rows = self.rows(sql, args![&of.bank, &of.account]).await?;
        rows.iter().map(|r| Ok(FundingDue { id: r.int(0)?, amount: r.fen(1)? })).collect()
    }

    /// Open cases of money that a person shall give back into an account.
    ///
    /// # Errors
    /// The database refused.
    pub async fn recoveries_open(&mut self, of: &PayerAccount) -> Result<Vec<RecoveryDue>, StoreError> {
        let sql = "select c.id, c.instruction_id, c.amount_fen, i.account, i.payee_name from failure_case c join instruction i on i.id = c.instruction_id \
                   join tranche t on t.first_id = (select max(t2.first_id) from tranche t2 where t2.first_id <= i.id) join agreement a on a.number = t.agreement \
                   where c.kind = 'recovery' and c.state = 'open' and a.bank = $1 and a.payer_account = $2 \
                   and not exists (select 1 from statement_match m where m.kind = 'recovery' and m.subject = c.id) order by c.id";
        let rows = self.rows(sql, args![&of.bank, &of.account]).await?;
        rows.iter()
            .map(|r| {
                Ok(RecoveryDue {
                    case: r.int(0)?,
                    instruction: r.int(1)?,
                    amount: r.fen(2)?,
                    account: Account::new(r.string(3)?),
                    name: Name::new(r.string(4)?),
                })
            })
            .collect()
    }
}
