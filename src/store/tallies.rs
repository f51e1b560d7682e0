//! Counts, and our side of a comparison with a bank's own books, line by line in pages.

use super::StoreError;
use super::sql::Tx;
use crate::args;
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::money::Fen;

/// One instruction that a bank may have seen, as we hold it.
#[derive(Clone, Debug)]
pub struct BankSide {
    /// The instruction.
    pub instruction: i64,
    /// By what the bank names it.
    pub reference: String,
    /// How much.
    pub amount: Fen,
    /// Credited, we hold.
    pub is_paid: bool,
    /// In flight, unknown, or returned: the bank's books may say either.
    pub is_open: bool,
}

/// A file's lines: the range, and where they stand that have no row of their own.
#[derive(Clone, Copy, Debug)]
pub struct BankRange {
    /// First instruction.
    pub first_id: i64,
    /// Last instruction.
    pub last_id: i64,
    /// Where its lines stand.
    pub base: InstructionState,
}

/// A payment that did not arrive and waits for people.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its latest instruction.
    pub id: i64,
    /// The how-manieth attempt it was.
    pub attempt: i64,
    /// The batch.
    pub batch: String,
    /// Its number in the batch.
    pub seq: i64,
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// The fiscal year.
    pub year: i32,
    /// Where it stands: finally failed, or carried over the year's end.
    pub state: String,
    /// The class of its reason.
    pub class: String,
    /// How much.
    pub amount: Fen,
}

impl Tx {
    /// Payments that finally failed or were carried over a year's end, and that nothing pays again.
    ///
    /// # Errors
    /// The database refused.
    pub async fn waiting_for_people(&mut self, limit: i64) -> Result<Vec<Waiting>, StoreError> {
        let sql = "select i.id, i.attempt, i.batch, p.seq, b.department, b.project, b.period, a.year, s.state, s.class, s.amount_fen from instruction_state s \
                   join instruction i on i.id = s.instruction_id join payment p on p.id = i.payment_id join batch b on b.number = i.batch \
                   join admission a on a.batch = i.batch where s.state in ('failed_final', 'carried') and i.live = 0 \
                   and not exists (select 1 from instruction n left join instruction_state v on v.instruction_id = n.id and v.state = 'voided' \
                   where n.previous_id = i.id and n.part = 0 and v.instruction_id is null) order by i.id limit $1";
        let rows = self.rows(sql, args![limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(Waiting {
                    id: r.int(0)?,
                    attempt: r.int(1)?,
                    batch: r.string(2)?,
                    seq: r.int(3)?,
                    department: r.string(4)?,
                    project: r.string(5)?,
                    period: r.string(6)?,
                    year: i32::try_from(r.int(7)?).map_err(|_| StoreError::column(7, "a year"))?,
                    state: r.string(8)?,
                    class: r.string(9)?,
                    amount: r.fen(10)?,
                })
            })
            .collect()
    }

    /// Payment files that a bank may have seen.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_files_out(&mut self) -> Result<i64, StoreError> {
        self.one("select count(*) from file_out where copies > 0", args![]).await?.int(0)
    }

    /// Files of banks in this state; all with the empty text.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_files_in(&mut self, state: &str) -> Result<i64, StoreError> {
        self.one("select count(*) from file_in where $1 = '' or state = $1", args![state]).await?.int(0)
    }

    /// Mails in this state.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_mails(&mut self, state: &str) -> Result<i64, StoreError> {
        self.one("select count(*) from outbox_mail where state = $1", args![state]).await?.int(0)
    }

    /// The ranges of a bank's files that were not given up.
    ///
    /// # Errors
    /// The database refused.
    pub async fn bank_ranges(&mut self, bank: &str) -> Result<Vec<BankRange>, StoreError> {
        let sql = "select first_id, last_id, lines_state from file_out where bank = $1 and state not in ('voided', 'abandoned') order by first_id";
        let rows = self.rows(sql, args![bank]).await?;
        rows.iter()
            .map(|r| {
                Ok(BankRange {
                    first_id: r.int(0)?,
                    last_id: r.int(1)?,
                    base: r.code(2, InstructionState::from_code, "an instruction's state")?,
                })
            })
            .collect()
    }

    /// A page of a range, behind this instruction.
    ///
    /// # Errors
    /// The database refused.
    pub async fn bank_side(&mut self, range: BankRange, after: i64, limit: i64) -> Result<Vec<BankSide>, StoreError> {
        let sql = "select i.id, i.amount_fen, coalesce(s.state, $4) from instruction i left join instruction_state s on s.instruction_id = i.id \
                   and s.instruction_id >= $1 and s.instruction_id <= $2 where i.id >= $1 and i.id <= $2 and i.id > $3 order by i.id limit $5";
        let rows = self.rows(sql, args![range.first_id, range.last_id, after, range.base.code(), limit]).await?;
        rows.iter()
            .map(|r| {
                let figure = r.code(2, InstructionState::from_code, "an instruction's state")?.figure();
                Ok(BankSide {
                    instruction: r.int(0)?,
                    reference: EndToEndId(r.int(0)?).to_string(),
                    amount: r.fen(1)?,
                    is_paid: figure == Figure::Paid,
                    is_open: matches!(figure, Figure::InFlight | Figure::Unknown | Figure::Returned),
                })
            })
            .collect()
    }
}
