//! Blocks of instruction numbers: regrouped, given up, taken back. A number is never used twice.

use chrono::NaiveDate;

use super::StoreError;
use super::corrections::SAME_PERSON;
use super::outbound::FileOut;
use super::sql::Tx;
use crate::args;
use crate::domain::instruction::InstructionState;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

impl Tx {
    /// Marks the predecessors of a range as instructed again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mark_reissued(&mut self, range: (i64, i64), now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update instruction_state set state = t.next, since = $3 from transition t \
                   where t.event = 'reissue' and t.state = instruction_state.state and instruction_state.instruction_id in \
                   (select i.previous_id from instruction i where i.id >= $1 and i.id <= $2 and i.previous_id is not null and i.part = 0)";
        Ok(self.exec(sql, args![range.0, range.1, now]).await? + self.move_remainders(range, "reissue", now).await?)
    }

    /// Marks the predecessors of a range as finally failed again: their successors are given up.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unmark_reissued(&mut self, range: (i64, i64), now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update instruction_state set state = t.next, since = $3 from transition t \
                   where t.event = 'void' and t.state = 'reissued' and instruction_state.state = 'reissued' and instruction_state.instruction_id in \
                   (select i.previous_id from instruction i where i.id >= $1 and i.id <= $2 and i.previous_id is not null and i.part = 0)";
        Ok(self.exec(sql, args![range.0, range.1, now]).await? + self.move_remainders(range, "void", now).await?)
    }

    /// Who holds the claim of an instruction that does not hold it itself, pays what persons said remained of it, or pays its person by
    /// another entitlement of the same project and period.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rival_of(&mut self, instruction: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select o.id from instruction i join instruction o on o.claim_key = i.claim_key and o.live = 1 and o.id <> i.id where i.id = $1 \
                   union all select o.id from remainder m join instruction o on o.claim_key = m.claim_key and o.live = 1 where m.instruction_id = $1 \
                   and not exists (select 1 from waiting_return w where w.instruction_id = m.instruction_id and w.part = m.part) limit 1";
        if let Some(r) = self.opt(sql, args![instruction]).await? {
            return Ok(Some(r.int(0)?));
        }
        let sql = format!(
            "select o.id from instruction i join payment p on p.id = i.payment_id join batch b on b.number = p.batch \
             join project j on j.code = b.project and j.several_per_period = 0 {SAME_PERSON} \
             join batch c on c.number = q.batch and c.project = b.project and c.period = b.period \
             join instruction o on o.payment_id = q.id and o.live = 1 and o.root_payment_id <> i.root_payment_id where i.id = $1 order by o.id limit 1"
        );
        self.opt(sqlx::AssertSqlSafe(sql), args![instruction]).await?.map(|r| r.int(0)).transpose()
    }

    /// Gives an instruction its claim back, unless another holds it.
    ///
    /// # Errors
    /// Somebody takes it at this moment (a unique violation), or the database refused.
    pub async fn reclaim_if_free(&mut self, instruction: i64) -> Result<bool, StoreError> {
        let sql = "update instruction set live = 1 where id = $1 and live = 0 \
                   and not exists (select 1 from instruction o where o.claim_key = instruction.claim_key and o.live = 1)";
        self.exec_one(sql, args![instruction]).await
    }

    /// Claims that came free go back to whoever is said to have been paid after all, until persons have cleared it, or by their word:
    /// what was paid again in the meantime failed, and must not be tried a third time.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspects_hold_their_claims(&mut self) -> Result<u64, StoreError> {
        let sql = "update instruction set live = 1 where live = 0 and id in (select max(d.id) from failure_case c join instruction d on d.id = c.instruction_id \
                   left join instruction_state s on s.instruction_id = d.id where c.kind = 'double_payment_suspected' and (c.state = 'open' \
                   or (c.closed_as = 'paid' and s.state in ('reissued', 'refunded', 'carried'))) group by d.claim_key) \
                   and not exists (select 1 from instruction o where o.claim_key = instruction.claim_key and o.live = 1)";
        self.exec(sql, args![]).await
    }

    /// Persons cleared that an instruction that had finally failed was not paid after all: the claim that it held for their sake is
    /// free, unless its money stands in an order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspect_cleared(&mut self, instruction: i64) -> Result<bool, StoreError> {
        let sql = "update instruction set live = 0 where id = $1 and live = 1 and exists (select 1 from instruction_state s where s.instruction_id = $1 \
                   and s.state in ('failed_final', 'lapsed', 'reissued', 'refunded', 'carried')) \
                   and not exists (select 1 from refund_line l where l.instruction_id = $1 and l.part = 0 and l.live = 1)";
        self.exec_one(sql, args![instruction]).await
    }

    /// Gives every line that stands as its file stands a row of its own in this state: how many, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn move_rest(
        &mut self,
        file: &FileOut,
        file_in: Option<i64>,
        to: InstructionState,
        (reason, class, words): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<(u64, Fen), StoreError> {
        let rest = "i.id >= $1 and i.id <= $2 and not exists (select 1 from instruction_state s where s.instruction_id = i.id)";
        let sql = format!("select count(*), cast(coalesce(sum(i.amount_fen), 0) as bigint) from instruction i where {rest}");
        let r = self.one(sqlx::AssertSqlSafe(sql), args![file.first_id, file.last_id]).await?;
        let moved = (r.count(0)?, r.fen(1)?);
        let sql = format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, reason, class, raw_text, file_in, since) \
             select i.id, $3, i.batch, $4, i.amount_fen, $5, $6, $7, $8, $9 from instruction i where {rest}"
        );
        let values = args![file.first_id, file.last_id, file.id, to.code(), reason, class, words, file_in, now];
        self.exec(sqlx::AssertSqlSafe(sql), values).await?;
        Ok(moved)
    }

    /// Opens a case for money that may have gone twice (`suspect_gone`). Says whether somebody must be told.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspect_double(
        &mut self,
        instruction: i64,
        successor: i64,
        department: &str,
        bank: &str,
        dates: (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let words = format!("instruction {successor} pays it again");
        self.suspect_gone(instruction, &words, (department, bank), dates, now).await
    }

    /// Voids the live instructions of a range: their numbers are never used again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn void_range(&mut self, range: (i64, i64), void: InstructionState, now: Timestamp) -> Result<(), StoreError> {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, since) \
                   select i.id, 0, i.batch, $3, i.amount_fen, $4 from instruction i where i.id >= $1 and i.id <= $2 \
                   on conflict (instruction_id) do update set state = excluded.state, since = excluded.since";
        self.exec(sql, args![range.0, range.1, void.code(), now]).await?;
        self.exec("update instruction set live = 0 where id >= $1 and id <= $2", args![range.0, range.1]).await.map(|_| ())
    }

    /// Writes the instructions of a voided range anew, all but these, numbered without gaps from `first`. Says their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn copy_range(&mut self, range: (i64, i64), except: &[i64], first: i64) -> Result<Fen, StoreError> {
        let except = if except.is_empty() { "0".to_owned() } else { except.iter().map(i64::to_string).collect::<Vec<_>>().join(",") };
        let sql = format!(
            "insert into instruction (id, payment_id, root_payment_id, previous_id, part, attempt, claim_key, batch, payee_name, payee_id, account, bank_code, mobile, \
             amount_fen, remark) select $3 - 1 + row_number() over (order by i.id), i.payment_id, i.root_payment_id, i.previous_id, i.part, i.attempt, i.claim_key, i.batch, \
             i.payee_name, i.payee_id, i.account, i.bank_code, i.mobile, i.amount_fen, i.remark from instruction i \
             where i.id >= $1 and i.id <= $2 and i.id not in ({except})"
        );
        let written = self.exec(sqlx::AssertSqlSafe(sql), args![range.0, range.1, first]).await?;
        let last = first + i64::try_from(written).unwrap_or_default() - 1;
        Ok(self.range_total((first, last)).await?.1)
    }

    /// Leaves nothing of a tranche to plan.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_tranche(&mut self, tranche: i64, now: Timestamp) -> Result<(), StoreError> {
        self.exec("update tranche set next_id = last_id + 1, open_fen = 0 where id = $1", args![tranche]).await?;
        self.event("tranche", tranche, ("close", "", ""), "daemon", "", now).await
    }

    /// Makes another tranche like this one over a new block of numbers.
    ///
    /// # Errors
    /// The database refused.
    pub async fn split_tranche(&mut self, like: i64, range: (i64, i64), open: Fen, now: Timestamp) -> Result<(), StoreError> {
        let sql = "insert into tranche (batch, agreement, bank, kind, first_id, next_id, last_id, open_fen, not_before, created_at) \
                   select batch, agreement, bank, kind, $2, $2, $3, $4, not_before, $5 from tranche where id = $1";
        self.exec(sql, args![like, range.0, range.1, open, now]).await?;
        self.being_reissued(range).await
    }

    /// Turns an admitted instruction that may not be sent any more into a rejected payment with a case.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reject_instruction(
        &mut self,
        id: i64,
        department: &str,
        reason: &str,
        class: &str,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, batch, department, amount_fen, reason, class, owner, business_date, due_on, opened_at) \
                   select 'rejected', i.payment_id, i.root_payment_id, i.batch, $2, i.amount_fen, $3, $4, 'department', $5, $6, $7 from instruction i where i.id = $1";
        self.exec(sql, args![id, department, reason, class, business_date, due_on, now]).await?;
        let sql = "update admission set admitted_count = admitted_count - 1, rejected_count = rejected_count + 1, \
                   admitted_fen = admitted_fen - (select amount_fen from instruction where id = $1), \
                   rejected_fen = rejected_fen + (select amount_fen from instruction where id = $1) \
                   where batch = (select batch from instruction where id = $1)";
        self.exec(sql, args![id]).await.map(|_| ())
    }

    /// Opens a case for a failed instruction whose successor may not be sent.
    ///
    /// # Errors
    /// The database refused.
    pub async fn give_up_retry(
        &mut self,
        successor: i64,
        department: &str,
        reason: &str,
        class: &str,
        (business_date, due_on): (NaiveDate, NaiveDate),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, amount_fen, reason, class, owner, business_date, \
                   due_on, opened_at) select 'failed', i.payment_id, i.root_payment_id, i.previous_id, i.batch, $2, i.amount_fen, $3, $4, 'department', $5, $6, $7 \
                   from instruction i where i.id = $1 and i.previous_id is not null on conflict (instruction_id, kind, part) where instruction_id is not null do nothing";
        self.exec(sql, args![successor, department, reason, class, business_date, due_on, now]).await.map(|_| ())
    }
}
