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
use crate::domain::instruction::{Figure, InstructionState};
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

/// An instruction that a reissue names.
#[derive(Clone, Debug)]
pub struct Predecessor {
    /// Its number.
    pub id: i64,
    /// The payment that the entitlement began with.
    pub root_payment_id: i64,
    /// The how-manieth attempt it was.
    pub attempt: i64,
    /// Whose money it is: department.
    pub department: String,
    /// Whose money it is: project.
    pub project: String,
    /// Whose money it is: fiscal year.
    pub year: i32,
    /// Itself; where it was parted, what was paid of it.
    pub whole: Part,
    /// What remains of it, where it was parted.
    pub rest: Option<Part>,
}

/// What may be paid again: an instruction, or what remains of one.
#[derive(Clone, Debug)]
pub struct Part {
    /// The claim. That of what remains is the instruction's number, negative.
    pub claim_key: i64,
    /// How much.
    pub amount: Fen,
    /// Where it stands, if otherwise than its file.
    pub state: String,
    /// Whether its claim is held, or it stands in a refund order.
    pub is_taken: bool,
    /// What paid it again last, whatever came of that.
    pub successor: Option<i64>,
}

impl Predecessor {
    /// What a row of this amount pays again: the part that is free and of just so much, else the one that is free. Where
    /// neither is: what remains, if something does.
    #[must_use]
    pub fn part(&self, amount: Fen) -> &Part {
        let parts = || std::iter::once(&self.whole).chain(&self.rest);
        parts()
            .find(|part| part.is_free() && part.amount == amount)
            .or_else(|| parts().find(|part| part.is_free()))
            .unwrap_or_else(|| self.rest.as_ref().unwrap_or(&self.whole))
    }
}

impl Part {
    /// Whether it may be paid again.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.state.as_str(), "failed_final" | "carried") && !self.is_taken
    }
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
        // Nobody can give back what he does not have any more.
        let sql = "update failure_case set amount_fen = $2 where instruction_id = $1 and kind = 'recovery' and state = 'open'";
        self.exec(sql, args![instruction, paid]).await?;
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

    /// The instruction that a reissue names, with what remains of it where it was paid in part. What remains is held until this
    /// transaction ends: a refund order takes no claim of its own for it, so that the two wait for each other here.
    ///
    /// # Errors
    /// The database refused.
    pub async fn predecessor(&mut self, id: i64) -> Result<Option<Predecessor>, StoreError> {
        self.exec("update remainder set since = since where instruction_id = $1", args![id]).await?;
        let sql = "select i.id, i.root_payment_id, i.claim_key, i.attempt, coalesce(s.amount_fen, i.amount_fen), coalesce(s.state, ''), i.live, b.department, b.project, a.year, \
                   (select max(n.id) from instruction n left join instruction_state v on v.instruction_id = n.id and v.state = 'voided' \
                   where n.previous_id = i.id and n.claim_key <> -i.id and v.instruction_id is null), coalesce(m.state, ''), coalesce(m.amount_fen, 0), \
                   (select max(n.id) from instruction n left join instruction_state v on v.instruction_id = n.id and v.state = 'voided' \
                   where n.previous_id = i.id and n.claim_key = -i.id and v.instruction_id is null), \
                   (select count(*) from refund_line l where l.instruction_id = i.id and l.part = 1 and l.live = 1) + (select count(*) from failure_case c \
                   where c.instruction_id = i.id and c.kind = 'double_payment_suspected' and c.state = 'open') from instruction i \
                   left join remainder m on m.instruction_id = i.id join batch b on b.number = i.batch join admission a on a.batch = i.batch \
                   left join instruction_state s on s.instruction_id = i.id where i.id = $1";
        let Some(r) = self.opt(sql, args![id]).await? else { return Ok(None) };
        let (id, state) = (r.int(0)?, r.string(5)?);
        let whole =
            Part { claim_key: r.int(2)?, amount: r.fen(4)?, is_taken: r.int(6)? == 1, successor: r.opt_int(10)?, state: state.clone() };
        let rest = Part { claim_key: -id, amount: r.fen(12)?, is_taken: r.int(14)? > 0, successor: r.opt_int(13)?, state: r.string(11)? };
        // Where nobody knows what was paid of it, nobody knows what remains.
        let rest = (!rest.state.is_empty() && is_settled(&state)).then_some(rest);
        Ok(Some(Predecessor {
            id,
            root_payment_id: r.int(1)?,
            attempt: r.int(3)?,
            department: r.string(7)?,
            project: r.string(8)?,
            year: i32::try_from(r.int(9)?).map_err(|_| StoreError::column(9, "a year"))?,
            whole,
            rest,
        }))
    }
}

/// Whether it is known what was paid: of a parted instruction the rest may follow its own way then.
pub(super) fn is_settled(state: &str) -> bool {
    InstructionState::from_code(state).is_some_and(|state| match state.figure() {
        Figure::Paid | Figure::Returned | Figure::Failed => true,
        Figure::Pending | Figure::InFlight | Figure::Unknown | Figure::Voided => false,
    })
}
