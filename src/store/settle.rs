//! One instruction, settled by persons: where it stands, with all that could make a decision on it wrong.

use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::desk::Proposal;
use super::outbound::FileOut;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::instruction::InstructionState;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Where one instruction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub id: i64,
    /// The payment row that it pays.
    pub payment_id: i64,
    /// The payment that the entitlement began with.
    pub root_payment_id: i64,
    /// The batch.
    pub batch: String,
    /// The payment's number in the batch.
    pub seq: i64,
    /// The department.
    pub department: String,
    /// How much: of one that was parted, the part that stands here.
    pub amount: Fen,
    /// Where it stands.
    pub state: InstructionState,
    /// The class of the reason that put it there, or empty.
    pub class: String,
    /// The file it is in.
    pub file_out: Option<i64>,
    /// Whether it holds the claim.
    pub is_live: bool,
    /// The instruction that pays it again, if one does.
    pub successor: Option<i64>,
}

impl Proposal {
    /// Whether the hash that was recorded is that of this effect.
    #[must_use]
    pub fn is_of(&self, effect: &str) -> bool {
        hex::encode(Sha256::digest(effect.as_bytes())) == self.effect_hash
    }
}

fn standing(r: &Row) -> Result<Standing, StoreError> {
    Ok(Standing {
        id: r.int(0)?,
        payment_id: r.int(1)?,
        root_payment_id: r.int(2)?,
        batch: r.string(3)?,
        seq: r.int(4)?,
        department: r.string(5)?,
        amount: r.fen(6)?,
        state: r.code(7, InstructionState::from_code, "an instruction's state")?,
        class: r.string(8)?,
        file_out: r.opt_int(9)?,
        is_live: r.int(10)? == 1,
        successor: r.opt_int(11)?,
    })
}

impl Tx {
    /// Where an instruction stands; `None` when there is none of this number. Of one that was parted: what stands beside its
    /// remainder.
    ///
    /// # Errors
    /// The database refused.
    pub async fn standing(&mut self, id: i64) -> Result<Option<Standing>, StoreError> {
        let sql = "select v.id, v.payment_id, v.root_payment_id, v.batch, p.seq, b.department, coalesce(s.amount_fen, v.amount_fen), v.state, v.class, v.file_out, \
                   v.live, (select max(n.id) from instruction n where n.previous_id = v.id and n.live = 1 and n.part = 0) \
                   from v_instruction v join payment p on p.id = v.payment_id join batch b on b.number = v.batch \
                   left join instruction_state s on s.instruction_id = v.id where v.id = $1";
        self.opt(sql, args![id]).await?.as_ref().map(standing).transpose()
    }

    /// Where a part that remains of an instruction stands, told as an instruction's own standing is.
    ///
    /// # Errors
    /// The database refused.
    pub async fn standing_of_rest(&mut self, id: i64, part: i64) -> Result<Option<Standing>, StoreError> {
        let sql = "select v.id, v.payment_id, v.root_payment_id, v.batch, p.seq, b.department, m.amount_fen, m.state, m.class, m.file_out, v.live, \
                   (select max(n.id) from instruction n where n.previous_id = v.id and n.live = 1 and n.part = m.part) \
                   from remainder m join v_instruction v on v.id = m.instruction_id join payment p on p.id = v.payment_id join batch b on b.number = v.batch \
                   where v.id = $1 and m.part = $2";
        self.opt(sql, args![id, part]).await?.as_ref().map(standing).transpose()
    }

    /// An attempt before this one, of the same claim, whose money went elsewhere and that the bank says was credited after all, where
    /// persons have not cleared it; or one of which this pays what they said remained.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_before(&mut self, id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select max(o.id) from (select o.id from instruction i join instruction o on o.claim_key = i.claim_key and o.id < i.id \
                   join instruction_state s on s.instruction_id = o.id and s.state in ('reissued', 'refunded', 'carried') where i.id = $1 \
                   union all select m.instruction_id from instruction i join remainder m on m.claim_key = i.claim_key where i.id = $1 \
                   and not exists (select 1 from waiting_return w where w.instruction_id = m.instruction_id and w.part = m.part)) o \
                   join failure_case c on c.instruction_id = o.id and c.kind = 'double_payment_suspected' and (c.state = 'open' or c.closed_as = 'paid')";
        self.one(sql, args![id]).await?.opt_int(0)
    }

    /// Another that holds the claim of an instruction, and stands as paid.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_beside(&mut self, id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select o.id from instruction i join instruction o on o.claim_key = i.claim_key and o.live = 1 and o.id <> i.id \
                   join v_instruction v on v.id = o.id and v.state = 'paid' where i.id = $1";
        self.opt(sql, args![id]).await?.map(|r| r.int(0)).transpose()
    }

    /// Whether what remains of an instruction was paid by itself.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_rest_paid(&mut self, instruction: i64, part: i64) -> Result<bool, StoreError> {
        let sql = "select 1 from remainder m join instruction o on o.claim_key = m.claim_key and o.live = 1 \
                   join v_instruction v on v.id = o.id and v.state = 'paid' where m.instruction_id = $1 and m.part = $2";
        Ok(self.opt(sql, args![instruction, part]).await?.is_some())
    }

    /// The last attempt behind this one, of the same claim, that failed and whose money lies with us.
    ///
    /// # Errors
    /// The database refused.
    pub async fn failed_after(&mut self, id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select max(o.id) from instruction i join instruction o on o.claim_key = i.claim_key and o.id > i.id \
                   join instruction_state s on s.instruction_id = o.id and s.state in ('failed_final', 'lapsed') where i.id = $1";
        self.one(sql, args![id]).await?.opt_int(0)
    }

    /// Whether an instruction stands in a refund order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_refunded_or_asked(&mut self, id: i64) -> Result<bool, StoreError> {
        Ok(self.opt("select 1 from refund_line where instruction_id = $1 and part = 0 and live = 1 limit 1", args![id]).await?.is_some())
    }

    /// The instruction that paid a batch's payment last: by batch and number, newest attempt first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn instruction_of(&mut self, batch: &str, seq: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select max(i.id) from tranche t join payment p on p.batch = t.batch and p.seq = $2 \
                   join instruction i on i.id >= t.first_id and i.id <= t.last_id and i.payment_id = p.id where t.batch = $1";
        self.one(sql, args![batch, seq]).await?.opt_int(0)
    }

    /// Keeps everybody else from the lines of a file until this transaction ends; says whether the file still stands as read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_file(&mut self, file: &FileOut, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update file_out set updated_at = $4 where id = $1 and state = $2 and lines_state = $3";
        self.exec_one(sql, args![file.id, file.state.code(), file.lines_state.code(), now]).await
    }

    /// Moves one line from where it was read to another state, with who said so in its words. Says whether it still stood there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn settle_line(
        &mut self,
        file: &FileOut,
        line: &Standing,
        (next, reason, class): (InstructionState, &str, &str),
        words: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let paid = if next == InstructionState::Paid { line.amount } else { Fen::ZERO };
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, reason, class, raw_text, since) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (instruction_id) do update set state = excluded.state, \
                   paid_fen = excluded.paid_fen, reason = excluded.reason, class = excluded.class, raw_text = excluded.raw_text, since = excluded.since \
                   where instruction_state.state = $11";
        let values = args![line.id, file.id, &file.batch, next.code(), line.amount, paid, reason, class, words, now, line.state.code()];
        self.exec_one(sql, values).await
    }

    /// Takes the claim again for an instruction that had lost it.
    ///
    /// # Errors
    /// Another instruction holds it (a unique violation): the entitlement is being paid already.
    pub async fn retake_claim(&mut self, id: i64) -> Result<bool, StoreError> {
        self.exec_one("update instruction set live = 1 where id = $1 and live = 0", args![id]).await
    }

    /// Closes the open cases of an instruction; that of its remainder goes its own way.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_cases(&mut self, instruction: i64, closed_as: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update failure_case set state = 'closed', closed_at = $3, closed_as = $2 where instruction_id = $1 and state = 'open' \
                   and kind <> 'partial'";
        self.exec(sql, args![instruction, closed_as, now]).await
    }

    /// Persons say of an instruction that was suspected that it was paid: the bank's saying so again is no news.
    ///
    /// # Errors
    /// The database refused.
    pub async fn suspect_was_paid(&mut self, instruction: i64, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update failure_case set state = 'closed', closed_at = $2, closed_as = 'paid' where instruction_id = $1 \
                   and kind = 'double_payment_suspected' and state = 'open'";
        self.exec(sql, args![instruction, now]).await
    }

    /// Opens a closed case of this kind again, over what stands there now. Says whether there was one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reopen_case(&mut self, line: &Standing, kind: &str, due_on: chrono::NaiveDate) -> Result<bool, StoreError> {
        let sql = "update failure_case set state = 'open', amount_fen = $4, closed_at = null, closed_as = '', due_on = $3, money_on = '', remind_at = null, escalated_at = null, \
             successor = null where instruction_id = $1 and kind = $2";
        self.exec_one(sql, args![line.id, kind, due_on, line.amount]).await
    }

    /// Withdraws an open proposal. Says whether it was open.
    ///
    /// # Errors
    /// The database refused.
    pub async fn withdraw_proposal(&mut self, id: i64) -> Result<bool, StoreError> {
        self.exec_one("update proposal set state = 'withdrawn' where id = $1 and state = 'open'", args![id]).await
    }
}
