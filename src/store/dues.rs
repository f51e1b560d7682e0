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

/// A condition that these numbers, in their order, meet: by their span where they fill it, so that one walk through an index finds
/// them, and others between them too.
fn among(column: &str, ids: &[i64]) -> String {
    match ids {
        [first, .., last] if usize::try_from(last - first).is_ok_and(|span| span < 8 * ids.len()) => {
            format!("{column} >= {first} and {column} <= {last}")
        }
        _ => format!("{column} in ({})", list(ids)),
    }
}

/// A file that lines of a statement name instructions of.
struct NamedFile {
    id: i64,
    first: i64,
    last: i64,
    lines_state: String,
    is_gross: bool,
    bank: String,
    payer_account: String,
}

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
        let ids: Vec<i64> = ids.iter().copied().collect();
        let (mut found, mut rest) = (Vec::new(), ids.as_slice());
        // File by file, each asked for once: a plan that found every instruction's file could as well try each with each.
        while let Some(&first) = rest.first() {
            let Some(file) = self.file_from(first).await? else { break };
            let begin = rest.partition_point(|id| *id < file.first);
            let end = rest.partition_point(|id| *id <= file.last);
            let here = rest.get(begin..end).unwrap_or_default();
            rest = rest.get(end..).unwrap_or_default();
            if (file.bank.as_str(), file.payer_account.as_str()) != (of.bank.as_str(), of.account.as_str()) {
                continue;
            }
            for some in here.chunks(2000) {
                self.items_of_file(&file, some, &mut found).await?;
            }
        }
        Ok(found)
    }

    /// The file that holds this instruction, else the next one behind it.
    async fn file_from(&mut self, instruction: i64) -> Result<Option<NamedFile>, StoreError> {
        let sql = "select f.id, f.first_id, f.last_id, f.lines_state, a.debit_model, a.bank, a.payer_account from file_out f \
                   join agreement a on a.number = f.agreement where f.kind = 'instruction' and f.state not in ('voided', 'abandoned')";
        let read = |r: Row| {
            Ok::<_, StoreError>(NamedFile {
                id: r.int(0)?,
                first: r.int(1)?,
                last: r.int(2)?,
                lines_state: r.string(3)?,
                is_gross: r.text(4)? == "gross",
                bank: r.string(5)?,
                payer_account: r.string(6)?,
            })
        };
        // Files that stand do not overlap: the one that begins last before it holds it, or none does.
        let before = format!("{sql} and f.first_id <= $1 order by f.first_id desc limit 1");
        let before = self.opt(sqlx::AssertSqlSafe(before), args![instruction]).await?.map(read).transpose()?;
        if before.as_ref().is_some_and(|file| file.last >= instruction) {
            return Ok(before);
        }
        let next = format!("{sql} and f.first_id > $1 order by f.first_id limit 1");
        self.opt(sqlx::AssertSqlSafe(next), args![instruction]).await?.map(read).transpose()
    }

    async fn items_of_file(&mut self, file: &NamedFile, ids: &[i64], found: &mut Vec<(i64, Item)>) -> Result<(), StoreError> {
        let sql = format!(
            "select instruction_id, amount_fen from waiting_return where statement is null and coalesce(part, 0) >= 0 and {} order by id",
            among("instruction_id", ids)
        );
        let mut unseen: BTreeMap<i64, Vec<Fen>> = BTreeMap::new();
        for r in self.rows(sqlx::AssertSqlSafe(sql), args![]).await? {
            unseen.entry(r.int(0)?).or_default().push(r.fen(1)?);
        }
        let apart = format!("select instruction_id, amount_fen from waiting_return where part > 0 and {}", among("instruction_id", ids));
        let apart = self.sums(apart).await?;
        let rests = format!("select instruction_id, amount_fen from remainder where state = 'paid' and {}", among("instruction_id", ids));
        let rests = self.sums(rests).await?;
        let of =
            |kinds: &str| format!("select subject, amount_fen from statement_match where kind in ({kinds}) and {}", among("subject", ids));
        let (debited, back) = (self.sums(of("'instruction'")).await?, self.sums(of("'return', 'credit_back'")).await?);
        let sql = format!(
            "select x.id, x.amount_fen, coalesce(s.amount_fen, x.amount_fen), coalesce(s.state, $1), coalesce(s.paid_fen, 0), coalesce(s.returned_fen, 0) \
             from instruction x left join instruction_state s on s.instruction_id = x.id where {}",
            among("x.id", ids)
        );
        for r in self.rows(sqlx::AssertSqlSafe(sql), args![&file.lines_state]).await? {
            let id = r.int(0)?;
            if ids.binary_search(&id).is_err() {
                continue;
            }
            let sum = |sums: &BTreeMap<i64, Fen>| sums.get(&id).copied().unwrap_or_default();
            let (all, amount, state) = (r.fen(1)?, r.fen(2)?, r.string(3)?);
            let (paid, returned) = (r.fen(4)?, [r.fen(5)?, sum(&apart)].into_iter().sum::<Fen>());
            let word = match state.as_str() {
                "paid" | "returned" | "recovered" => Word::Paid,
                "failed" | "failed_final" | "reissued" | "lapsed" | "refunding" | "refunded" | "carried" => {
                    if paid.is_positive() || returned.is_positive() { Word::Paid } else { Word::Failed }
                }
                _ => Word::None,
            };
            let item = Item {
                file: file.id,
                amount: if file.is_gross { all } else { [amount, sum(&apart), sum(&rests)].into_iter().sum() },
                word,
                kept: if matches!(state.as_str(), "paid" | "conflict") { [amount, sum(&rests)].into_iter().sum() } else { Fen::ZERO },
                is_gross: file.is_gross,
                returned,
                unseen: unseen.remove(&id).unwrap_or_default(),
                debited: sum(&debited),
                back: sum(&back),
            };
            found.push((id, item));
        }
        Ok(())
    }

    /// Sums of amounts by number, of rows of both.
    async fn sums(&mut self, sql: String) -> Result<BTreeMap<i64, Fen>, StoreError> {
        let mut sums: BTreeMap<i64, Fen> = BTreeMap::new();
        for r in self.rows(sqlx::AssertSqlSafe(sql), args![]).await? {
            let sum = sums.entry(r.int(0)?).or_default();
            *sum = [*sum, r.fen(1)?].into_iter().sum();
        }
        Ok(sums)
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
