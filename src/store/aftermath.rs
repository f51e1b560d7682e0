//! What follows a bank's word: finality, retries, what is overdue.

use chrono::NaiveDate;

use super::StoreError;
use super::outbound::FileOut;
use super::remainders::rest_in_question;
use super::sql::Tx;
use crate::args;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A finally failed line that may be tried again by itself.
#[derive(Clone, Debug)]
pub struct Transient {
    /// The instruction.
    pub id: i64,
    /// The how-manieth attempt it was.
    pub attempt: i64,
    /// Why it failed.
    pub reason: String,
    /// The file in which it failed.
    pub file_out: i64,
    /// The agreement that pays it.
    pub agreement: String,
    /// The bank.
    pub bank: String,
    /// The batch.
    pub batch: String,
    /// Its department.
    pub department: String,
    /// How much.
    pub amount: Fen,
    /// Whether another payment holds the claim, or it is in question whether anything remains to be paid.
    pub is_claimed: bool,
}

/// A file whose bank owes a word.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// The file.
    pub id: i64,
    /// Whether its ack is due; else its result.
    pub is_ack: bool,
    /// Whether we only presume that it is out.
    pub is_presumed: bool,
    /// Since when.
    pub due_at: Timestamp,
}

/// Whether the money of a failure is back: it was never debited, or its credit is matched. A lump counts for what had failed, or come
/// back, before it was matched: it is all that was awaited then. Of a refused file nothing was debited once a later statement shows
/// no debit of it.
fn money_is_back(line: &str) -> String {
    format!(
        "(a.debit_model <> 'gross' or exists (select 1 from statement_match m where m.kind = 'credit_back' and m.subject = {line}.instruction_id) \
         or ({line}.state = 'returned' and exists (select 1 from waiting_return w where w.instruction_id = {line}.instruction_id and w.part = 0 and w.statement is not null)) \
         or exists (select 1 from statement_match m where m.kind = 'credit_back_file' and m.subject = f.id and m.at >= {line}.since and {line}.state = 'failed') \
         or exists (select 1 from statement_match m where m.kind = 'return_file' and m.subject = f.id and m.at >= {line}.since and {line}.state = 'returned') \
         or (f.state = 'refused' and exists (select 1 from statement z where z.bank = f.bank and z.account = a.payer_account and z.problems = '' \
         and z.to_date > f.business_date) and not exists (select 1 from statement_match m where m.kind = 'file' and m.subject = f.id)))"
    )
}

/// Whether the money of what remains of a line is back: as above, its own credit.
fn part_is_back(rest: &str) -> String {
    format!(
        "(a.debit_model <> 'gross' or exists (select 1 from waiting_return w where w.instruction_id = {rest}.instruction_id and w.part = {rest}.part \
         and w.statement is not null) or exists (select 1 from statement_match m where m.kind in ('credit_back_file', 'return_file') and m.subject = f.id \
         and m.at >= {rest}.since))"
    )
}

impl Tx {
    /// Files with lines that failed, or came back, and may be made final.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_with_failures(&mut self, limit: i64) -> Result<Vec<i64>, StoreError> {
        // Those that wait for the money's credit first are left out: they would fill the run. Each state has an index of its own.
        let sql = format!(
            "select distinct s.file_out from (select instruction_id, file_out, state, since from instruction_state where state = 'failed' \
             union all select instruction_id, file_out, state, since from instruction_state where state = 'returned') s \
             join file_out f on f.id = s.file_out join agreement a on a.number = f.agreement where f.copies <= 1 and {} union select r.file_out from remainder r join file_out f on f.id = r.file_out \
             join agreement a on a.number = f.agreement where r.state = 'failed' and f.copies <= 1 and {} order by 1 limit $1",
            money_is_back("s"),
            part_is_back("r")
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![limit]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Makes the failures of a file final where nothing stands against it, and frees their claims.
    ///
    /// Final means: the code is final in its profile and its answer set was applied whole (only then is a line `failed`), no
    /// conflict stands on it (then it is `conflict`), at most one copy of the file ever went out, and the bank debits for
    /// successes only, or the money's credit was seen on a statement: line by line, as a return, or in a lump that came after it
    /// failed, or came back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn finalise(&mut self, file: &FileOut, now: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "update instruction_state set state = t.next, since = $2 from transition t where t.event = 'finalise' and t.state = instruction_state.state \
             and instruction_state.file_out = $1 and instruction_state.state in ('failed', 'returned') \
             and exists (select 1 from file_out f join agreement a on a.number = f.agreement where f.id = $1 and f.copies <= 1 and {})",
            money_is_back("instruction_state")
        );
        let moved = self.exec(sqlx::AssertSqlSafe(sql), args![file.id, now]).await?;
        if moved > 0 {
            let sql = "update instruction set live = 0 where live = 1 and id >= $1 and id <= $2 and id in \
                       (select instruction_id from instruction_state where file_out = $3 and state = 'failed_final')";
            self.exec(sql, args![file.first_id, file.last_id, file.id]).await?;
            self.suspects_hold_their_claims().await?;
        }
        Ok(moved + self.finalise_parts(file, now).await?)
    }

    /// Earlier attempts that two persons said were paid, and whose claim nobody behind them holds since later ones of this file failed
    /// finally.
    ///
    /// # Errors
    /// The database refused.
    pub async fn said_paid_before(&mut self, file: &FileOut) -> Result<Vec<i64>, StoreError> {
        // From attempt to attempt, for claims are found by those that are live only. Each looks its case and its claim up by itself. The money
        // of a rest paid the whole; a part that came back did not.
        let sql = "with recursive attempt (id, part, claim_key) as (select i.previous_id, i.part, i.claim_key from instruction_state s \
                   join instruction i on i.id = s.instruction_id where s.file_out = $1 and s.state = 'failed_final' and i.id >= $2 and i.id <= $3 \
                   and i.previous_id is not null union select p.previous_id, p.part, p.claim_key from attempt a \
                   join instruction p on p.id = a.id where a.part = 0 and p.previous_id is not null) \
                   select distinct a.id from attempt a where (a.part = 0 or not exists (select 1 from waiting_return w \
                   where w.instruction_id = a.id and w.part = a.part)) and (select c.closed_as from failure_case c where c.instruction_id = a.id \
                   and c.kind = 'double_payment_suspected' and c.part = 0) = 'paid' \
                   and not exists (select 1 from instruction o where o.claim_key = a.claim_key and o.live = 1 and o.id not in (select t.id from attempt t)) \
                   order by a.id";
        self.rows(sql, args![file.id, file.first_id, file.last_id]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Makes final what remains of partly paid or partly returned lines, by the same conditions.
    async fn finalise_parts(&mut self, file: &FileOut, now: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "update remainder set state = t.next, since = $2 from transition t where t.event = 'finalise' and t.state = remainder.state \
             and remainder.file_out = $1 and remainder.state = 'failed' and exists (select 1 from file_out f join agreement a on a.number = f.agreement \
             where f.id = $1 and f.copies <= 1 and {})",
            part_is_back("remainder")
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![file.id, now]).await
    }

    /// Transient failures that wait for a retry or, past their tries, for a person.
    ///
    /// # Errors
    /// The database refused.
    pub async fn transients(&mut self, limit: i64) -> Result<Vec<Transient>, StoreError> {
        let sql = concat!(
            "select i.id, i.attempt, s.reason, s.file_out, f.agreement, f.bank, i.batch, b.department, s.amount_fen, \
             case when exists (select 1 from instruction o where o.claim_key = i.claim_key and o.live = 1) or ",
            rest_in_question!("i"),
            " then 1 else 0 end from instruction_state s \
             join instruction i on i.id = s.instruction_id join file_out f on f.id = s.file_out join batch b on b.number = f.batch \
             where s.state = 'failed_final' and s.class = 'BT' \
             and not exists (select 1 from instruction n where n.previous_id = i.id and n.live = 1 and n.part = 0) \
             and not exists (select 1 from failure_case c where c.instruction_id = i.id) order by i.id limit $1"
        );
        let rows = self.rows(sql, args![limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(Transient {
                    id: r.int(0)?,
                    attempt: r.int(1)?,
                    reason: r.string(2)?,
                    file_out: r.int(3)?,
                    agreement: r.string(4)?,
                    bank: r.string(5)?,
                    batch: r.string(6)?,
                    department: r.string(7)?,
                    amount: r.fen(8)?,
                    is_claimed: r.int(9)? == 1,
                })
            })
            .collect()
    }

    /// Writes successors of failed instructions, numbered without gaps from `first`, in this order.
    ///
    /// # Errors
    /// A claim is taken already (a unique violation), or the database refused.
    pub async fn insert_successors(&mut self, ids: &[i64], first: i64) -> Result<u64, StoreError> {
        let mut written = 0;
        for some in ids.chunks(5000) {
            let list = some.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let sql = format!(
                "insert into instruction (id, payment_id, root_payment_id, previous_id, attempt, claim_key, batch, payee_name, payee_id, account, bank_code, mobile, \
                 amount_fen, remark) select $1 - 1 + row_number() over (order by i.id), i.payment_id, i.root_payment_id, i.id, i.attempt + 1, i.claim_key, i.batch, \
                 i.payee_name, i.payee_id, i.account, i.bank_code, i.mobile, coalesce(s.amount_fen, i.amount_fen), i.remark from instruction i \
                 left join instruction_state s on s.instruction_id = i.id where i.id in ({list})"
            );
            let start = first + i64::try_from(written).unwrap_or_default();
            written += self.exec(sqlx::AssertSqlSafe(sql), args![start]).await?;
        }
        Ok(written)
    }

    /// Opens a case for a transient failure past its tries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_case_of(
        &mut self,
        line: &Transient,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, bank, amount_fen, reason, class, detail, owner, \
                   business_date, due_on, opened_at) select 'failed', i.payment_id, i.root_payment_id, i.id, i.batch, $2, $3, i.amount_fen, s.reason, s.class, s.raw_text, \
                   'operator', $4, $5, $6 from instruction i join instruction_state s on s.instruction_id = i.id where i.id = $1";
        self.exec(sql, args![line.id, &line.department, &line.bank, business_date, due_on, now]).await.map(|_| ())
    }

    /// Files whose ack or result is overdue and nobody was told.
    ///
    /// # Errors
    /// The database refused.
    pub async fn overdue(&mut self, now: Timestamp) -> Result<Vec<Overdue>, StoreError> {
        let sql = "select f.id, case when f.state = 'sent' and f.ack_due_at is not null and f.ack_due_at <= $1 then 1 else 0 end, \
                   case when f.evidence = 'presumed' and not exists (select 1 from file_in i where i.file_out = f.id and i.state = 'applied') then 1 else 0 end, \
                   case when f.state = 'sent' and f.ack_due_at is not null and f.ack_due_at <= $1 then f.ack_due_at else f.result_due_at end \
                   from file_out f where f.state in ('sent', 'accepted') and ((f.state = 'sent' and f.ack_due_at <= $1) or f.result_due_at <= $1) order by f.id";
        let rows = self.rows(sql, args![now]).await?;
        rows.iter()
            .map(|r| {
                Ok(Overdue {
                    id: r.int(0)?,
                    is_ack: r.int(1)? == 1,
                    is_presumed: r.int(2)? == 1,
                    due_at: Timestamp::from_millis(r.int(3)?),
                })
            })
            .collect()
    }

    /// Remembers that an overdue file was told of, and pushes its next reminder back: an ack is asked once, a result again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn chased(&mut self, file: &Overdue, next_at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let sql = if file.is_ack {
            "update file_out set ack_due_at = null, chased_at = $3 where id = $1 and $2 > 0"
        } else {
            "update file_out set result_due_at = $2, chased_at = $3 where id = $1"
        };
        self.exec(sql, args![file.id, next_at, now]).await.map(|_| ())
    }
}
