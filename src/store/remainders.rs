//! What remains of an instruction of which a part was paid, or came back (部分成功、部分退回): the instruction stays paid, for the
//! part that is; the rest is a row of its own, failed, and a claim of its own behind the same approval. It becomes final as any
//! failure does. A payment may come back in any number of parts, each a row, numbered from 1.
//!
//! The claim of a part is made of the instruction's number and the part's, negative (`claim_of`): claims of entitlements are
//! positive, so that it collides with nothing but with itself.

use super::StoreError;
use super::outbound::FileOut;
use super::returns::SentBack;
use super::sql::Tx;
use crate::args;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Instructions' numbers stay below this by far; the parts of one are counted above it.
const PART: i64 = 1 << 52;
/// As many parts have room for a claim.
const PARTS_MAX: i64 = 2000;

/// The claim of a part that remains of an instruction.
const fn claim_of(instruction: i64, part: i64) -> i64 {
    -(instruction + (part - 1) * PART)
}

/// A return of less, or more, than what stands as paid.
#[derive(Clone, Debug)]
pub struct PartBack {
    /// The line, with how much came back.
    pub line: SentBack,
    /// What stood as paid.
    pub paid: Fen,
    /// Whether it can be a part: it stands as paid, and there is room for another.
    pub is_part: bool,
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
    pub rests: Vec<Part>,
}

/// What may be paid again: an instruction, or what remains of one.
#[derive(Clone, Debug)]
pub struct Part {
    /// 0 for the instruction itself, else the part that remains.
    pub number: i64,
    /// The claim.
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
        let parts = || std::iter::once(&self.whole).chain(&self.rests);
        parts()
            .find(|part| part.is_free() && part.amount == amount)
            .or_else(|| parts().find(|part| part.is_free()))
            .unwrap_or_else(|| self.rests.last().unwrap_or(&self.whole))
    }
}

/// Whether an instruction of this name pays what persons said remained of one, and the bank says of that one that it was paid whole, or they
/// say so too. What came back remains for certain.
macro_rules! rest_in_question {
    ($instruction:literal) => {
        concat!(
            "exists (select 1 from remainder m join failure_case c on c.instruction_id = m.instruction_id and c.kind = 'double_payment_suspected' \
             where m.claim_key = ",
            $instruction,
            ".claim_key and (c.state = 'open' or c.closed_as = 'paid') \
             and not exists (select 1 from waiting_return w where w.instruction_id = m.instruction_id and w.part = m.part))"
        )
    };
}
pub(super) use rest_in_question;

impl Part {
    /// Whether it may be paid again.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self.state.as_str(), "failed_final" | "carried") && !self.is_taken
    }
}

impl Tx {
    /// Lets an instruction stand as paid for a part, with what remains as a row of its own. Says the part's number.
    ///
    /// # Errors
    /// Another part is made at this moment (a unique violation), or the database refused.
    pub async fn part_line(
        &mut self,
        file: &FileOut,
        instruction: i64,
        (paid, rest): (Fen, Fen),
        (reason, class, words): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, paid_fen, raw_text, since) \
                   values ($1, $2, $3, $4, $5, $5, $6, $7) on conflict (instruction_id) do update set state = excluded.state, amount_fen = excluded.amount_fen, \
                   paid_fen = excluded.paid_fen, reason = '', class = '', raw_text = excluded.raw_text, since = excluded.since";
        self.exec(sql, args![instruction, file.id, &file.batch, InstructionState::Paid.code(), paid, words, now]).await?;
        // Nobody can give back what he does not have any more.
        let sql = "update failure_case set amount_fen = $2 where instruction_id = $1 and kind = 'recovery' and state = 'open'";
        self.exec(sql, args![instruction, paid]).await?;
        let part =
            self.one("select coalesce(max(part), 0) + 1 from remainder where instruction_id = $1", args![instruction]).await?.int(0)?;
        let sql = "insert into remainder (instruction_id, part, claim_key, file_out, batch, state, amount_fen, reason, class, since) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let claim = claim_of(instruction, part);
        let failed = InstructionState::Failed.code();
        self.exec(sql, args![instruction, part, claim, file.id, &file.batch, failed, rest, reason, class, now]).await?;
        Ok(part)
    }

    /// Returns on record of lines that stand as paid for another amount than came back, and of such that came back whole
    /// already: the first of each line, in the file's order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parts_back(&mut self, file: &FileOut) -> Result<Vec<PartBack>, StoreError> {
        let sql = "select w.instruction_id, i.payment_id, i.root_payment_id, w.amount_fen, w.reason, w.class, w.raw_text, w.money_on, \
                   coalesce(s.amount_fen, i.amount_fen), coalesce(s.state, f.lines_state), \
                   (select count(*) from remainder m where m.instruction_id = w.instruction_id), w.id \
                   from waiting_return w join file_out f on f.id = w.file_out join instruction i on i.id = w.instruction_id \
                   left join instruction_state s on s.instruction_id = w.instruction_id where w.id in (select min(o.id) from waiting_return o \
                   where o.file_out = $1 and o.settled_at is null group by o.instruction_id) and ((coalesce(s.state, f.lines_state) = 'paid' \
                   and w.amount_fen <> coalesce(s.amount_fen, i.amount_fen)) or (coalesce(s.state, f.lines_state) in ('returned', 'failed_final', 'reissued', \
                   'lapsed', 'refunding', 'refunded', 'carried') and exists (select 1 from waiting_return o where o.instruction_id = w.instruction_id and o.part = 0))) \
                   order by w.instruction_id";
        let rows = self.rows(sql, args![file.id]).await?;
        rows.iter()
            .map(|r| {
                let line = SentBack {
                    id: r.int(11)?,
                    part: 0,
                    instruction_id: r.int(0)?,
                    payments: (r.int(1)?, r.int(2)?),
                    amount: r.fen(3)?,
                    reason: (r.string(4)?, r.string(5)?),
                    words: r.string(6)?,
                    money_on: r.date(7)?,
                    credited_on: None,
                };
                Ok(PartBack { line, paid: r.fen(8)?, is_part: r.text(9)? == "paid" && r.int(10)? < PARTS_MAX })
            })
            .collect()
    }

    /// Says what became of a return: all of what stood as paid (0), that part of it, or nothing (-1). What two persons undo is
    /// -2 (`return_undone`).
    ///
    /// # Errors
    /// The database refused.
    pub async fn return_became(&mut self, id: i64, part: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "update waiting_return set part = $2, settled_at = $3 where id = $1 and settled_at is null";
        self.exec(sql, args![id, part, now]).await.map(|_| ())
    }

    /// Lays aside what waits of an instruction's returns: two persons have decided otherwise. What a statement shows counts
    /// all the same.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lay_returns_aside(&mut self, instruction: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "update waiting_return set part = -2, settled_at = $2 where instruction_id = $1 and settled_at is null";
        self.exec(sql, args![instruction, now]).await.map(|_| ())
    }

    /// The return by which all came back that stood as paid of an instruction, if one took effect.
    ///
    /// # Errors
    /// The database refused.
    pub async fn return_of_all(&mut self, instruction: i64) -> Result<Option<i64>, StoreError> {
        self.one("select max(id) from waiting_return where instruction_id = $1 and part = 0", args![instruction]).await?.opt_int(0)
    }

    /// Two persons say that a return did not take place: the word stays on record, and nothing came of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn return_undone(&mut self, instruction: i64, id: i64) -> Result<(), StoreError> {
        self.exec("update waiting_return set part = -2 where id = $1", args![id]).await?;
        self.exec("update instruction_state set returned_fen = 0 where instruction_id = $1", args![instruction]).await.map(|_| ())
    }

    /// Whether what a line of a statement showed coming back was undone.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_undone(&mut self, (statement, line): (i64, i64)) -> Result<bool, StoreError> {
        let sql = "select 1 from waiting_return where statement = $1 and statement_line = $2 and part < 0 limit 1";
        Ok(self.opt(sql, args![statement, line]).await?.is_some())
    }

    /// Whether something remains of an instruction.
    ///
    /// # Errors
    /// The database refused.
    pub async fn has_remainder(&mut self, instruction: i64) -> Result<bool, StoreError> {
        Ok(self.opt("select 1 from remainder where instruction_id = $1 limit 1", args![instruction]).await?.is_some())
    }

    /// Keeps everybody else from what remains of an instruction until this transaction ends: who pays it again or refunds it holds it
    /// too (`predecessor`), and so does who pays that again (`is_rest_in_question`).
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_rests(&mut self, instruction: i64) -> Result<(), StoreError> {
        self.exec("update remainder set since = since where instruction_id = $1", args![instruction]).await.map(|_| ())
    }

    /// The part of which two persons settled that it was not paid, where no order refunds it: it did not come back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parted(&mut self, instruction: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select m.part from remainder m where m.instruction_id = $1 and not exists (select 1 from waiting_return w \
                   where w.instruction_id = m.instruction_id and w.part = m.part) and not exists (select 1 from refund_line l \
                   where l.instruction_id = m.instruction_id and l.part = m.part and l.live = 1) order by m.part limit 1";
        self.opt(sql, args![instruction]).await?.map(|r| r.int(0)).transpose()
    }

    /// A part was paid with the rest after all, and its case ends: it remains no more, and what stands as paid is one sum again, so that
    /// it can come back as one. Says whether it still stood where it was read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rejoin_part(
        &mut self,
        (instruction, part): (i64, i64),
        (from, amount): (InstructionState, Fen),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "delete from remainder where instruction_id = $1 and part = $2 and state = $3 and amount_fen = $4";
        if !self.exec_one(sql, args![instruction, part, from.code(), amount]).await? {
            return Ok(false);
        }
        let sql = "update instruction_state set amount_fen = amount_fen + $3, paid_fen = paid_fen + $3, since = $4 where instruction_id = $1 and state = $2";
        let is_joined = self.exec_one(sql, args![instruction, InstructionState::Paid.code(), amount, now]).await?;
        let sql = "update failure_case set amount_fen = amount_fen + $2 where instruction_id = $1 and kind = 'recovery' and state = 'open'";
        self.exec(sql, args![instruction, amount]).await?;
        let sql = "update failure_case set state = 'closed', closed_at = $3, closed_as = 'paid' where instruction_id = $1 and part = $2 \
                   and kind = 'partial' and state = 'open'";
        self.exec(sql, args![instruction, part, now]).await?;
        Ok(is_joined)
    }

    /// Whether one of these new instructions pays a rest in question. The rests are held first: the word that puts them there sees these
    /// instructions behind that, or is seen here.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_rest_in_question(&mut self, range: (i64, i64)) -> Result<bool, StoreError> {
        let sql = "update remainder set since = since where claim_key in \
                   (select i.claim_key from instruction i where i.id >= $1 and i.id <= $2 and i.claim_key < 0)";
        self.exec(sql, args![range.0, range.1]).await?;
        let sql = concat!(
            "select 1 from instruction i where i.id >= $1 and i.id <= $2 and i.claim_key < 0 and ",
            rest_in_question!("i"),
            " limit 1"
        );
        Ok(self.opt(sql, args![range.0, range.1]).await?.is_some())
    }

    /// What was not paid of a partly paid instruction, and waits for its money: the part, where it is just so much.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unpaid_part(&mut self, instruction: i64, amount: Fen) -> Result<Option<i64>, StoreError> {
        let sql = "select m.part from remainder m where m.instruction_id = $1 and m.amount_fen = $2 and m.state = 'failed' \
                   and not exists (select 1 from waiting_return w where w.instruction_id = m.instruction_id and w.part = m.part) order by m.part limit 1";
        self.opt(sql, args![instruction, amount]).await?.map(|r| r.int(0)).transpose()
    }

    /// Moves the remainders that a range pays again by this event of the table.
    ///
    /// # Errors
    /// The database refused.
    pub(super) async fn move_remainders(&mut self, range: (i64, i64), event: &str, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "update remainder set state = t.next, since = $3 from transition t where t.event = $4 and t.state = remainder.state \
                   and (remainder.instruction_id, remainder.part) in (select i.previous_id, i.part from instruction i where i.id >= $1 and i.id <= $2 and i.part > 0)";
        self.exec(sql, args![range.0, range.1, now, event]).await
    }

    /// The instruction that a reissue names, with what remains of it where it was paid in part. Both are held until this transaction
    /// ends: what lapses takes no claim, nor does a refund order for what remains, so that they wait for each other here. So is the rest
    /// that it paid itself, for which the bank's word on the whole waits.
    ///
    /// # Errors
    /// The database refused.
    pub async fn predecessor(&mut self, id: i64) -> Result<Option<Predecessor>, StoreError> {
        self.exec("update instruction_state set since = since where instruction_id = $1", args![id]).await?;
        self.exec("update remainder set since = since where instruction_id = $1", args![id]).await?;
        let paid = "update remainder set since = since where claim_key = (select i.claim_key from instruction i where i.id = $1)";
        self.exec(paid, args![id]).await?;
        let sql = concat!(
            "select i.id, i.root_payment_id, i.claim_key, i.attempt, coalesce(s.amount_fen, i.amount_fen), coalesce(s.state, ''), case when i.live = 1 or ",
            rest_in_question!("i"),
            " then 1 else 0 end, b.department, b.project, a.year, (select max(n.id) from instruction n left join instruction_state v \
             on v.instruction_id = n.id and v.state = 'voided' where n.previous_id = i.id and n.part = 0 and v.instruction_id is null) \
             from instruction i join batch b on b.number = i.batch join admission a on a.batch = i.batch \
             left join instruction_state s on s.instruction_id = i.id where i.id = $1"
        );
        let Some(r) = self.opt(sql, args![id]).await? else { return Ok(None) };
        let (id, state) = (r.int(0)?, r.string(5)?);
        // Where nobody knows what was paid of it, nobody knows what remains.
        let rests = if is_settled(&state) { self.rests(id).await? } else { Vec::new() };
        let whole = Part { number: 0, claim_key: r.int(2)?, amount: r.fen(4)?, is_taken: r.int(6)? == 1, successor: r.opt_int(10)?, state };
        Ok(Some(Predecessor {
            id,
            root_payment_id: r.int(1)?,
            attempt: r.int(3)?,
            department: r.string(7)?,
            project: r.string(8)?,
            year: i32::try_from(r.int(9)?).map_err(|_| StoreError::column(9, "a year"))?,
            whole,
            rests,
        }))
    }

    /// What remains of an instruction, part by part. One is taken where it is paid again or refunded, and where its money may
    /// have been paid after all, or two persons say so of what did not come back.
    pub(super) async fn rests(&mut self, id: i64) -> Result<Vec<Part>, StoreError> {
        let sql = "select m.part, m.claim_key, m.amount_fen, m.state, (select max(n.id) from instruction n left join instruction_state v \
                   on v.instruction_id = n.id and v.state = 'voided' where n.previous_id = m.instruction_id and n.part = m.part and v.instruction_id is null), \
                   (select count(*) from refund_line l where l.instruction_id = m.instruction_id and l.part = m.part and l.live = 1) + (select count(*) from failure_case c \
                   where c.instruction_id = m.instruction_id and c.kind = 'double_payment_suspected' and (c.state = 'open' or (c.closed_as = 'paid' and not exists \
                   (select 1 from waiting_return w where w.instruction_id = m.instruction_id and w.part = m.part)))) + (select count(*) from instruction n \
                   where n.claim_key = m.claim_key and n.live = 1) from remainder m where m.instruction_id = $1 order by m.part";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter()
            .map(|r| {
                Ok(Part {
                    number: r.int(0)?,
                    claim_key: r.int(1)?,
                    amount: r.fen(2)?,
                    state: r.string(3)?,
                    successor: r.opt_int(4)?,
                    is_taken: r.int(5)? > 0,
                })
            })
            .collect()
    }
}

/// Whether it is known what was paid: of a parted instruction the rest may follow its own way then.
pub(super) fn is_settled(state: &str) -> bool {
    InstructionState::from_code(state).is_some_and(|state| match state.figure() {
        Figure::Paid | Figure::Returned | Figure::Failed => true,
        Figure::Pending | Figure::InFlight | Figure::Unknown | Figure::Voided => false,
    })
}
