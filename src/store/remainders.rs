//! What remains of an instruction of which a part was paid, or came back (部分成功、部分退回): the instruction stays paid, for the
//! part that is; the rest is a row of its own, finally failed, and a claim of its own behind the same approval.
//!
//! Its claim is the instruction's number, negative: claims of entitlements are positive, so that it collides with nothing
//! but with itself.

use super::StoreError;
use super::outbound::FileOut;
use super::returns::SentBack;
use super::sql::Tx;
use crate::args;
use crate::domain::instruction::InstructionState;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A return of less, or more, than what stands as paid.
#[derive(Clone, Debug)]
pub struct PartBack {
    /// The line, with how much came back.
    pub line: SentBack,
    /// What stood as paid.
    pub paid: Fen,
    /// Whether a part remains already.
    pub has_remainder: bool,
}

impl Tx {
    /// Lets an instruction stand as paid for a part, with what remains as a row of its own.
    ///
    /// # Errors
    /// Something remains of it already (a unique violation), or the database refused.
    pub async fn part_line(
        &mut self,
        file: &FileOut,
        instruction: i64,
        (paid, rest): (Fen, Fen),
        (reason, class, words): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, raw_text, since) \
                   values ($1, $2, $3, $4, $5, $5, $6, $7) on conflict (instruction_id) do update set state = excluded.state, amount_fen = excluded.amount_fen, \
                   paid_fen = excluded.paid_fen, reason = '', class = '', raw_text = excluded.raw_text, since = excluded.since";
        self.exec(sql, args![instruction, file.id, &file.batch, InstructionState::Paid.code(), paid, words, now]).await?;
        let sql = "insert into remainder (instruction_id, file_out, batch, state, amount_fen, reason, class, since) values ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.exec(sql, args![instruction, file.id, &file.batch, InstructionState::FailedFinal.code(), rest, reason, class, now])
            .await
            .map(|_| ())
    }

    /// Returns on record of lines that stand as paid for another amount than came back, in the file's order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parts_back(&mut self, file: &FileOut) -> Result<Vec<PartBack>, StoreError> {
        let sql = "select w.instruction_id, i.payment_id, i.root_payment_id, w.amount_fen, w.reason, w.class, w.raw_text, w.money_on, \
                   coalesce(s.amount_fen, i.amount_fen), case when m.instruction_id is null then 0 else 1 end \
                   from waiting_return w join file_out f on f.id = w.file_out join instruction i on i.id = w.instruction_id \
                   left join instruction_state s on s.instruction_id = w.instruction_id left join remainder m on m.instruction_id = w.instruction_id \
                   where w.file_out = $1 and w.settled_at is null and coalesce(s.state, f.lines_state) = 'paid' \
                   and w.amount_fen <> coalesce(s.amount_fen, i.amount_fen) order by w.instruction_id";
        let rows = self.rows(sql, args![file.id]).await?;
        rows.iter()
            .map(|r| {
                let line = SentBack {
                    instruction_id: r.int(0)?,
                    payments: (r.int(1)?, r.int(2)?),
                    amount: r.fen(3)?,
                    reason: (r.string(4)?, r.string(5)?),
                    words: r.string(6)?,
                    money_on: r.date(7)?,
                    credited_on: None,
                };
                Ok(PartBack { line, paid: r.fen(8)?, has_remainder: r.int(9)? == 1 })
            })
            .collect()
    }

    /// Marks a return as dealt with.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lay_return_aside(&mut self, instruction: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "update waiting_return set settled_at = $2 where instruction_id = $1 and settled_at is null";
        self.exec(sql, args![instruction, now]).await.map(|_| ())
    }

    /// What remains of an instruction: where it stands, how much.
    ///
    /// # Errors
    /// The database refused.
    pub async fn remainder_of(&mut self, instruction: i64) -> Result<Option<(InstructionState, Fen)>, StoreError> {
        let row = self.opt("select state, amount_fen from remainder where instruction_id = $1", args![instruction]).await?;
        row.map(|r| Ok((r.code(0, InstructionState::from_code, "a remainder's state")?, r.fen(1)?))).transpose()
    }

    /// Moves the remainders that a range pays again by this event of the table.
    ///
    /// # Errors
    /// The database refused.
    pub(super) async fn move_remainders(&mut self, range: (i64, i64), event: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update remainder set state = t.next, since = $3 from transition t where t.event = $4 and t.state = remainder.state \
                   and remainder.instruction_id in (select i.previous_id from instruction i where i.id >= $1 and i.id <= $2 and i.claim_key = -i.previous_id)";
        self.exec(sql, args![range.0, range.1, now, event]).await
    }
}
