//! Corrections that came back in a workbook: whether these bytes came before, where each row's payment stands, and who
//! else is paid by the corrected number.

use super::StoreError;
use super::admission::PaymentRow;
use super::remainders::{Part, is_settled};
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::ids::claim_id;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A workbook that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Under which name.
    pub name: String,
    /// Rows in it.
    pub rows: i64,
    /// Rows that were accepted.
    pub accepted: i64,
    /// The batches made of it, separated by commas.
    pub batch: String,
    /// By whom.
    pub imported_by: String,
    /// When.
    pub imported_at: Timestamp,
}

/// A failed payment, as far as it may be corrected.
#[derive(Clone, Debug)]
pub struct Correctable {
    /// The failed instruction.
    pub instruction: i64,
    /// Which part of what remains of it it is about, a part of it having been paid; 0 for itself. What is said below is of
    /// that then.
    pub part: i64,
    /// Where it stands.
    pub state: String,
    /// The class of its failure.
    pub class: String,
    /// Whether it holds the claim.
    pub is_live: bool,
    /// Its claim.
    pub claim_key: i64,
    /// The batch.
    pub batch: String,
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// The fiscal year.
    pub year: i32,
    /// The budget line.
    pub budget_line: String,
    /// The voucher.
    pub voucher: String,
    /// Whether the project pays households.
    pub pays_households: bool,
    /// Whether a person may be paid several times in a period.
    pub several: bool,
    /// Its payment row, as it was approved.
    pub row: PaymentRow,
    /// The instruction that pays it again, where it stands, and its batch.
    pub successor: Option<(i64, String, String)>,
    /// A batch that names it and did not pass the gate yet.
    pub proposed_in: String,
    /// A refund order that it stands in.
    pub refund: String,
}

/// Joins the rows `q` that name the person of `p`, as a claim knows him.
pub(super) const SAME_PERSON: &str = "join payment q on upper(q.entitled_id) = upper(p.entitled_id) \
     and (p.entitled_id <> '' or (q.entitled_name = p.entitled_name and q.mandate_no = p.mandate_no))";

fn correctable(r: &Row) -> Result<Correctable, StoreError> {
    let row = PaymentRow {
        id: r.int(14)?,
        seq: r.int(15)?,
        township: r.string(16)?,
        village: r.string(17)?,
        village_group: r.string(18)?,
        household_no: r.string(19)?,
        entitled_name: Name::new(r.text(20)?),
        entitled_id: IdNumber::new(r.text(21)?),
        payee_name: Name::new(r.text(22)?),
        payee_id: IdNumber::new(r.text(23)?),
        payee_role: r.string(24)?,
        mandate_no: r.string(25)?,
        account: Account::new(r.text(26)?),
        bank: r.string(27)?,
        mobile: Mobile::new(r.text(28)?),
        amount: r.fen(29)?,
        remark: r.string(30)?,
        reissue_of: String::new(),
    };
    Ok(Correctable {
        instruction: r.int(0)?,
        part: 0,
        state: r.string(1)?,
        class: r.string(2)?,
        is_live: r.int(3)? == 1,
        claim_key: r.int(4)?,
        batch: r.string(5)?,
        department: r.string(6)?,
        project: r.string(7)?,
        period: r.string(8)?,
        year: i32::try_from(r.int(9)?).map_err(|_| StoreError::column(9, "a year"))?,
        budget_line: r.string(10)?,
        voucher: r.string(11)?,
        pays_households: r.text(12)? == "household",
        several: r.int(13)? == 1,
        row,
        successor: None,
        proposed_in: String::new(),
        refund: String::new(),
    })
}

impl Tx {
    /// What became of a workbook of these bytes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn correction_taken(&mut self, sha256: &str) -> Result<Option<Taken>, StoreError> {
        let sql = "select name, rows, accepted, batch, imported_by, imported_at from correction where sha256 = $1";
        self.opt(sql, args![sha256]).await?.as_ref().map(taken).transpose()
    }

    /// Workbooks that were taken, newest first; of one department, or of all.
    ///
    /// # Errors
    /// The database refused.
    pub async fn corrections(&mut self, department: &str, limit: i64) -> Result<Vec<Taken>, StoreError> {
        let sql = "select name, rows, accepted, batch, imported_by, imported_at from correction where $1 = '' or department = $1 order by id desc limit $2";
        self.rows(sql, args![department, limit]).await?.iter().map(taken).collect()
    }

    /// Remembers a workbook.
    ///
    /// # Errors
    /// These bytes were taken before (a unique violation), or the database refused.
    pub async fn take_correction(&mut self, department: &str, sha256: &str, of: &Taken) -> Result<(), StoreError> {
        let sql = "insert into correction (department, sha256, name, rows, accepted, batch, imported_by, imported_at) values ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = args![department, sha256, &of.name, of.rows, of.accepted, &of.batch, &of.imported_by, of.imported_at];
        self.exec(sql, values).await.map(|_| ())
    }

    /// A failed instruction with its payment, and what happened to it since. Where it was parted: what remains of it, if that
    /// is what the amount names, or if nothing else of it failed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn correctable(&mut self, instruction: i64, reference: &str, amount: Option<Fen>) -> Result<Option<Correctable>, StoreError> {
        let sql = "select v.id, v.state, v.class, v.live, i.claim_key, b.number, b.department, b.project, b.period, coalesce(a.year, 0), b.budget_line, b.voucher, \
                   j.payee_kind, j.several_per_period, \
                   p.id, p.seq, p.township, p.village, p.village_group, p.household_no, p.entitled_name, p.entitled_id, p.payee_name, p.payee_id, p.payee_role, \
                   p.mandate_no, p.account, p.bank, p.mobile, coalesce(s.amount_fen, v.amount_fen), p.remark \
                   from v_instruction v join instruction i on i.id = v.id join payment p on p.id = v.payment_id join batch b on b.number = v.batch \
                   join project j on j.code = b.project left join admission a on a.batch = b.number left join instruction_state s on s.instruction_id = v.id where v.id = $1";
        let Some(row) = self.opt(sql, args![instruction]).await? else { return Ok(None) };
        let mut found = correctable(&row)?;
        self.take_rest(&mut found, amount).await?;
        let sql = "select coalesce(min(n.batch), '') from payment n join batch o on o.number = n.batch left join admission m on m.batch = o.number \
                   where n.reissue_of = $1 and n.reissue_of <> '' and n.amount_fen = $2 and (m.batch is null or m.state = 'held')";
        found.proposed_in = self.one(sql, args![reference, found.row.amount]).await?.string(0)?;
        let sql = "select v.id, v.state, v.batch from v_instruction v join instruction n on n.id = v.id where n.previous_id = $1 and n.previous_id is not null \
                   and n.claim_key = $2 and v.state <> 'voided' order by v.id desc limit 1";
        let next = self.opt(sql, args![instruction, found.claim_key]).await?;
        found.successor = next.map(|r| Ok::<_, StoreError>((r.int(0)?, r.string(1)?, r.string(2)?))).transpose()?;
        let sql = "select o.number from refund_line l join refund_order o on o.id = l.refund_order where l.instruction_id = $1 and l.part = $2 and l.live = 1 limit 1";
        if let Some(r) = self.opt(sql, args![instruction, found.part]).await? {
            found.refund = r.string(0)?;
        }
        Ok(Some(found))
    }

    /// Turns to what remains of a parted instruction, where that is meant: of just so much and free, else of just so much, else
    /// the first that is free.
    async fn take_rest(&mut self, found: &mut Correctable, amount: Option<Fen>) -> Result<(), StoreError> {
        if !is_settled(&found.state) {
            return Ok(());
        }
        let rests = self.rests(found.instruction).await?;
        let is_meant = |rest: &&Part| amount == Some(rest.amount);
        let rest = (rests.iter().find(|rest| is_meant(rest) && rest.is_free()))
            .or_else(|| rests.iter().find(is_meant))
            .or_else(|| rests.iter().find(|rest| rest.is_free()))
            .or(rests.first());
        let Some(rest) = rest else { return Ok(()) };
        let whole_failed = matches!(found.state.as_str(), "failed_final" | "carried");
        let whole_is_named = whole_failed && amount == Some(found.row.amount);
        if !whole_is_named && (!whole_failed || amount == Some(rest.amount)) {
            let class = self
                .one("select class from remainder where instruction_id = $1 and part = $2", args![found.instruction, rest.number])
                .await?
                .string(0)?;
            (found.part, found.is_live, found.claim_key) = (rest.number, false, rest.claim_key);
            (found.state, found.class, found.row.amount) = (rest.state.clone(), class, rest.amount);
        }
        Ok(())
    }

    /// Whether the person of a row is paid in this project and period by another entitlement already than the one that this
    /// instruction pays. A part that was paid is of the same entitlement as the rest, though each is a claim of its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_paid_elsewhere(&mut self, row: &PaymentRow, project: &str, period: &str, instruction: i64) -> Result<bool, StoreError> {
        let sql = "select i.id from payment p join batch b on b.number = p.batch join instruction i on i.payment_id = p.id \
                   where upper(p.entitled_id) = $1 and (p.entitled_id <> '' or (p.entitled_name = $5 and p.mandate_no = $6)) \
                   and b.project = $2 and b.period = $3 and i.live = 1 \
                   and i.root_payment_id <> (select o.root_payment_id from instruction o where o.id = $4) limit 1";
        let values = args![claim_id(&row.entitled_id), project, period, instruction, &row.entitled_name, &row.mandate_no];
        Ok(self.opt(sql, values).await?.is_some())
    }

    /// Whether two persons decided that an instruction, or this part of it, will not be paid, and ruled nothing else since.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_cancelled(&mut self, instruction: i64, part: i64) -> Result<bool, StoreError> {
        let sql = "select e.what from failure_case c join event e on e.subject = 'case' and e.subject_id = c.id and e.what in ('cancel', 'reclassify') \
                   where c.instruction_id = $1 and c.part = $2 order by e.id desc limit 1";
        let Some(last) = self.opt(sql, args![instruction, part]).await? else { return Ok(false) };
        Ok(last.text(0)? == "cancel")
    }

    /// How many live instructions there are that pay a person of this range in this project and period by another entitlement.
    ///
    /// # Errors
    /// The database refused.
    pub async fn paid_elsewhere_in_range(&mut self, range: (i64, i64), project: &str, period: &str) -> Result<i64, StoreError> {
        let sql = format!(
            "select count(*) from instruction i join payment p on p.id = i.payment_id {SAME_PERSON} join batch b on b.number = q.batch \
             and b.project = $3 and b.period = $4 join instruction o on o.payment_id = q.id and o.live = 1 \
             and o.root_payment_id <> i.root_payment_id where i.id >= $1 and i.id <= $2"
        );
        self.one(sqlx::AssertSqlSafe(sql), args![range.0, range.1, project, period]).await?.int(0)
    }

    /// Rows of a batch whose person a correction made the payee of another entitlement for this project and period.
    ///
    /// # Errors
    /// The database refused.
    pub async fn corrected_into(&mut self, batch: &str, project: &str, period: &str) -> Result<Vec<i64>, StoreError> {
        let sql = "select distinct p.seq from batch b join payment r on r.batch = b.number join instruction i on i.payment_id = r.id and i.live = 1 \
                   join payment p on p.batch = $1 and upper(p.entitled_id) = upper(r.entitled_id) \
                   where b.kind = 'reissue' and b.project = $2 and b.period = $3 and b.number <> $1 and r.entitled_id <> ''";
        self.rows(sql, args![batch, project, period]).await?.iter().map(|r| r.int(0)).collect()
    }
}

fn taken(r: &Row) -> Result<Taken, StoreError> {
    Ok(Taken {
        name: r.string(0)?,
        rows: r.int(1)?,
        accepted: r.int(2)?,
        batch: r.string(3)?,
        imported_by: r.string(4)?,
        imported_at: Timestamp::from_millis(r.int(5)?),
    })
}
