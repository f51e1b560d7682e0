//! Batches at the gate: what the platform wrote, and the rows that bankgate copies from it.

use std::collections::BTreeMap;

use super::StoreError;
use super::sql::{Row, Tx, Value};
use crate::args;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A batch as the platform wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Its number.
    pub number: String,
    /// `first` or `reissue`.
    pub kind: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// When it is to be paid, as written.
    pub pay_on: String,
    /// Declared number of rows.
    pub declared_count: i64,
    /// Declared sum.
    pub declared: Fen,
    /// Who entered it.
    pub maker: String,
    /// Who approved it.
    pub approver: String,
    /// Who reviewed it at the finance bureau.
    pub finance_reviewer: String,
    /// Who released it.
    pub released_by: String,
    /// The digest over its rows.
    pub digest: String,
    /// What the gate said before: empty, or `held`.
    pub admission: String,
    /// The digest that the gate saw then.
    pub admission_digest: String,
}

/// A payment as the platform wrote it.
#[derive(Clone, Debug)]
pub struct PaymentRow {
    /// Its key.
    pub id: i64,
    /// Its number in the batch.
    pub seq: i64,
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// 组
    pub village_group: String,
    /// 户号
    pub household_no: String,
    /// The entitled person's name.
    pub entitled_name: Name,
    /// The entitled person's identity number, which may be missing with a mandate.
    pub entitled_id: IdNumber,
    /// The payee's name.
    pub payee_name: Name,
    /// The payee's identity number.
    pub payee_id: IdNumber,
    /// `self`, `head` or `proxy`.
    pub payee_role: String,
    /// The written mandate's number.
    pub mandate_no: String,
    /// The card.
    pub account: Account,
    /// The card's bank.
    pub bank: String,
    /// For the text message.
    pub mobile: Mobile,
    /// How much.
    pub amount: Fen,
    /// A remark.
    pub remark: String,
    /// The failed instruction that it pays again.
    pub reissue_of: String,
}

impl PaymentRow {
    /// The row's line in the batch's digest: its columns in the order of `docs/DATABASE.md`, joined by U+001F.
    #[must_use]
    pub fn digest_line(&self) -> String {
        [
            &self.seq.to_string(),
            &self.township,
            &self.village,
            &self.village_group,
            &self.household_no,
            self.entitled_name.reveal(),
            self.entitled_id.reveal(),
            self.payee_name.reveal(),
            self.payee_id.reveal(),
            &self.payee_role,
            &self.mandate_no,
            self.account.reveal(),
            &self.bank,
            self.mobile.reveal(),
            &self.amount.get().to_string(),
            &self.remark,
            &self.reissue_of,
        ]
        .join("\u{1f}")
    }
}

/// An agreement between a department and a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its number.
    pub number: String,
    /// The bank that pays.
    pub bank: String,
    /// The bank's clearing number.
    pub clearing_no: String,
    /// The account debited.
    pub payer_account: Account,
    /// Its holder.
    pub payer_name: String,
    /// Its bank's clearing number.
    pub payer_bank: String,
    /// What the bank calls the payer.
    pub unit_no: String,
    /// The profile of its files.
    pub profile: String,
    /// Lines a file may have; 0: as the profile says.
    pub rows_max: u64,
    /// The largest single amount; 0: as the configuration says.
    pub amount_max: Fen,
    /// Files for a day go out before this time.
    pub cutoff: String,
    /// Working days until the result is due.
    pub feedback_days: i64,
    /// `net`, `gross` or `gross_checked_upfront`.
    pub debit_model: String,
    /// Whether it pays cards of banks that have no agreement.
    pub other_banks: bool,
    /// Values that its profile declares beyond the common ones.
    pub extra: BTreeMap<String, String>,
}

/// An instruction about to be written.
#[derive(Clone, Debug)]
pub struct NewInstruction {
    /// Its number.
    pub id: i64,
    /// The payment row that it pays.
    pub payment_id: i64,
    /// The payment that the entitlement began with.
    pub root_payment_id: i64,
    /// The instruction that failed before it.
    pub previous_id: Option<i64>,
    /// What of that it pays again: 0 for itself, else that part of what remains of it.
    pub part: i64,
    /// The how-manieth attempt.
    pub attempt: i64,
    /// The claim.
    pub claim_key: i64,
    /// Name as the bank will be told.
    pub payee_name: Name,
    /// Identity number as the bank will be told.
    pub payee_id: IdNumber,
    /// Card as the bank will be told.
    pub account: Account,
    /// Receiving bank as the bank will be told.
    pub bank_code: String,
    /// Mobile as the bank will be told.
    pub mobile: Mobile,
    /// How much.
    pub amount: Fen,
    /// Remark as the bank will be told.
    pub remark: String,
    /// The how-manieth payment to this account today.
    pub ordinal: i64,
}

/// A case about to be opened.
#[derive(Clone, Debug)]
pub struct NewCase {
    /// `rejected`, `failed` …
    pub kind: &'static str,
    /// The payment.
    pub payment_id: i64,
    /// The payment that the entitlement began with.
    pub root_payment_id: i64,
    /// The instruction, if there was one.
    pub instruction_id: Option<i64>,
    /// What of it: 0 for itself, else that part of what remains of it.
    pub part: i64,
    /// The batch.
    pub batch: String,
    /// The department that must be told.
    pub department: String,
    /// The bank, if one was concerned.
    pub bank: String,
    /// How much.
    pub amount: Fen,
    /// Reason's code.
    pub reason: &'static str,
    /// Class's code.
    pub class: &'static str,
    /// In words.
    pub detail: String,
    /// `department`, `person` or `operator`.
    pub owner: &'static str,
    /// The business date of its report.
    pub business_date: chrono::NaiveDate,
    /// By when.
    pub due_on: chrono::NaiveDate,
}

/// A batch's verdict at the gate.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// `admitted`, `held` or `returned`.
    pub state: &'static str,
    /// The digest seen.
    pub digest: String,
    /// Fiscal year.
    pub year: i32,
    /// All reasons, a line each.
    pub reasons: String,
    /// Rows admitted and their sum.
    pub admitted: (u64, Fen),
    /// Rows rejected and their sum.
    pub rejected: (u64, Fen),
}

const PAYMENT_COLUMNS: &str = "id, seq, township, village, village_group, household_no, entitled_name, entitled_id, payee_name, payee_id, \
     payee_role, mandate_no, account, bank, mobile, amount_fen, remark, reissue_of";

fn payment(r: &Row) -> Result<PaymentRow, StoreError> {
    Ok(PaymentRow {
        id: r.int(0)?,
        seq: r.int(1)?,
        township: r.string(2)?,
        village: r.string(3)?,
        village_group: r.string(4)?,
        household_no: r.string(5)?,
        entitled_name: Name::new(r.text(6)?),
        entitled_id: IdNumber::new(r.text(7)?),
        payee_name: Name::new(r.text(8)?),
        payee_id: IdNumber::new(r.text(9)?),
        payee_role: r.string(10)?,
        mandate_no: r.string(11)?,
        account: Account::new(r.text(12)?),
        bank: r.string(13)?,
        mobile: Mobile::new(r.text(14)?),
        amount: r.fen(15)?,
        remark: r.string(16)?,
        reissue_of: r.string(17)?,
    })
}

impl Tx {
    /// Released batches that have not passed the gate: never seen, or held, or sent back and written anew.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batches_at_gate(&mut self, now: Timestamp) -> Result<Vec<BatchRow>, StoreError> {
        let here = self.rows("select batch from at_gate where released_at <= $1 order by released_at, batch", args![now]).await?;
        // One by one: a plan that joined them could as well go through all batches that ever were.
        let mut found = Vec::with_capacity(here.len());
        for row in here {
            found.extend(self.batch_at_gate(row.text(0)?, now).await?);
        }
        Ok(found)
    }

    /// A released batch that has not passed the gate, as it stands now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_at_gate(&mut self, number: &str, now: Timestamp) -> Result<Option<BatchRow>, StoreError> {
        let sql = "select b.number, b.kind, b.department, b.project, b.period, b.pay_on, b.declared_count, b.declared_fen, b.maker, b.approver, \
                   b.finance_reviewer, b.released_by, b.digest, coalesce(a.state, ''), coalesce(a.digest, '') \
                   from batch b left join admission a on a.batch = b.number where b.number = $1 and b.released_at is not null and b.released_at <= $2 \
                   and (a.batch is null or a.state = 'held' or (a.state = 'returned' and b.released_at > a.decided_at))";
        let Some(r) = self.opt(sql, args![number, now]).await? else { return Ok(None) };
        Ok(Some(BatchRow {
            number: r.string(0)?,
            kind: r.string(1)?,
            department: r.string(2)?,
            project: r.string(3)?,
            period: r.string(4)?,
            pay_on: r.string(5)?,
            declared_count: r.int(6)?,
            declared: r.fen(7)?,
            maker: r.string(8)?,
            approver: r.string(9)?,
            finance_reviewer: r.string(10)?,
            released_by: r.string(11)?,
            digest: r.string(12)?,
            admission: r.string(13)?,
            admission_digest: r.string(14)?,
        }))
    }

    /// A page of a batch's payments, in order, behind this number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn payments_after(&mut self, batch: &str, seq: i64, limit: i64) -> Result<Vec<PaymentRow>, StoreError> {
        let sql = const_format(PAYMENT_COLUMNS);
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![batch, seq, limit]).await?;
        rows.iter().map(payment).collect()
    }

    /// Rows of a batch by card bank: how many, and their sum.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_by_bank(&mut self, batch: &str) -> Result<Vec<(String, u64, Fen)>, StoreError> {
        let sql = "select bank, count(*), cast(sum(amount_fen) as bigint) from payment where batch = $1 group by bank order by bank";
        self.rows(sql, args![batch]).await?.iter().map(|r| Ok((r.string(0)?, r.count(1)?, r.fen(2)?))).collect()
    }

    /// Whether the project's facts allow this batch: (short name, payee kind, several per period), if the project is valid then.
    ///
    /// # Errors
    /// The database refused.
    pub async fn project_on(&mut self, code: &str, date: &str) -> Result<Option<(String, String, bool)>, StoreError> {
        let sql = "select short_name, payee_kind, several_per_period from project where code = $1 and valid_from <= $2 and valid_to >= $2";
        let row = self.opt(sql, args![code, date]).await?;
        row.map(|r| Ok((r.string(0)?, r.string(1)?, r.int(2)? == 1))).transpose()
    }

    /// A department's agreements that are valid on a date.
    ///
    /// # Errors
    /// The database refused.
    pub async fn agreements_on(&mut self, department: &str, date: &str) -> Result<Vec<Agreement>, StoreError> {
        let sql = "select a.number, a.bank, b.clearing_no, a.payer_account, a.payer_name, a.payer_bank, a.unit_no, a.profile, a.rows_max, \
                   a.amount_max_fen, a.cutoff, a.feedback_days, a.debit_model, a.other_banks, a.extra from agreement a join bank b on b.code = a.bank \
                   where a.department = $1 and a.valid_from <= $2 and a.valid_to >= $2 order by a.number";
        self.rows(sql, args![department, date]).await?.iter().map(agreement).collect()
    }

    /// An agreement by its number.
    ///
    /// # Errors
    /// The database refused, or there is none.
    pub async fn agreement(&mut self, number: &str) -> Result<Agreement, StoreError> {
        let sql = "select a.number, a.bank, b.clearing_no, a.payer_account, a.payer_name, a.payer_bank, a.unit_no, a.profile, a.rows_max, \
                   a.amount_max_fen, a.cutoff, a.feedback_days, a.debit_model, a.other_banks, a.extra from agreement a join bank b on b.code = a.bank \
                   where a.number = $1";
        agreement(&self.one(sql, args![number]).await?)
    }

    /// Rows of a batch whose entitled person or payee stands on the list of those who may not be paid: number and reason.
    ///
    /// # Errors
    /// The database refused.
    pub async fn ineligible_in_batch(&mut self, batch: &str, project: &str, on: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = "select p.seq, n.reason from ineligible n join payment p on upper(p.entitled_id) = upper(trim(n.id_number)) \
                   where p.batch = $1 and n.id_number <> '' and n.project in ('', $2) and n.from_date <= $3 \
                   union select p.seq, n.reason from ineligible n join payment p on upper(p.payee_id) = upper(trim(n.id_number)) \
                   where p.batch = $1 and n.id_number <> '' and n.project in ('', $2) and n.from_date <= $3";
        self.rows(sql, args![batch, project, on]).await?.iter().map(|r| Ok((r.int(0)?, r.string(1)?))).collect()
    }

    /// What has been admitted for a purse and is not in a file yet: money that is spoken for.
    ///
    /// # Errors
    /// The database refused.
    pub async fn spoken_for(&mut self, department: &str, project: &str, year: i32) -> Result<Fen, StoreError> {
        let sql = "select cast(coalesce(sum(t.open_fen), 0) as bigint) from tranche t join batch b on b.number = t.batch join admission a on a.batch = t.batch \
                   where t.next_id <= t.last_id and t.kind = 'first' and b.department = $1 and b.project = $2 and a.year = $3";
        let first = self.one(sql, args![department, project, year]).await?.fen(0)?;
        // A reissue takes money that is in suspense, but for what was carried over the year's end: that is paid from new funds.
        let sql = "select cast(coalesce(sum((select sum(i.amount_fen) from instruction i where i.id >= t.next_id and i.id <= t.last_id and exists \
                   (select 1 from instruction_state s where s.instruction_id = i.previous_id and s.state = 'carried'))), 0) as bigint) \
                   from tranche t join batch b on b.number = t.batch join admission a on a.batch = t.batch where t.next_id <= t.last_id and t.kind = 'reissue' and b.department = $1 and b.project = $2 and a.year = $3";
        let carried = self.one(sql, args![department, project, year]).await?.fen(0)?;
        first.checked_add(carried).ok_or_else(|| StoreError::Broken("what is spoken for does not fit".to_owned()))
    }

    /// Writes a batch's verdict over the one that was read: empty, or any but `admitted`. Says whether that still stood. What is
    /// admitted will be published.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_verdict(&mut self, (batch, before): (&str, &str), verdict: &Verdict, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "insert into admission (batch, state, digest, year, reasons, admitted_count, admitted_fen, rejected_count, rejected_fen, decided_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (batch) do update set state = excluded.state, digest = excluded.digest, \
                   year = excluded.year, reasons = excluded.reasons, admitted_count = excluded.admitted_count, admitted_fen = excluded.admitted_fen, \
                   rejected_count = excluded.rejected_count, rejected_fen = excluded.rejected_fen, decided_at = excluded.decided_at \
                   where admission.state <> 'admitted' and admission.state = $11";
        let is_set = self
            .exec_one(
                sql,
                args![
                    batch,
                    verdict.state,
                    &verdict.digest,
                    verdict.year,
                    &verdict.reasons,
                    verdict.admitted.0,
                    verdict.admitted.1,
                    verdict.rejected.0,
                    verdict.rejected.1,
                    now,
                    before
                ],
            )
            .await?;
        if is_set && verdict.state != "held" {
            // One that was released again in the meantime stays.
            let sql = "delete from at_gate where batch = $1 and ($2 = 'admitted' or released_at <= $3)";
            self.exec(sql, args![batch, verdict.state, now]).await?;
        }
        if is_set && verdict.state == "admitted" {
            self.exec("insert into publication (batch, state) values ($1, 'due')", args![batch]).await?;
        }
        Ok(is_set)
    }

    /// Whether a batch has passed the gate.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_admitted(&mut self, batch: &str) -> Result<bool, StoreError> {
        Ok(self.opt("select batch from admission where batch = $1 and state = 'admitted'", args![batch]).await?.is_some())
    }

    /// Takes a block of numbers; gaps are harmless, a repeat is not possible.
    ///
    /// # Errors
    /// The database refused.
    pub async fn take_numbers(&mut self, name: &str, count: u64) -> Result<i64, StoreError> {
        self.exec("insert into counter (name, next) values ($1, 1) on conflict (name) do nothing", args![name]).await?;
        self.one("update counter set next = next + $2 where name = $1 returning next - $2", args![name, count]).await?.int(0)
    }

    /// Writes instructions, their claims with them.
    ///
    /// # Errors
    /// A claim is taken (a unique violation): nothing of the call stays if it ran inside a savepoint.
    pub async fn insert_instructions(
        &mut self,
        batch: &str,
        rows: impl IntoIterator<Item = &NewInstruction, IntoIter: Send>,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &[
            "id",
            "payment_id",
            "root_payment_id",
            "previous_id",
            "part",
            "attempt",
            "claim_key",
            "batch",
            "payee_name",
            "payee_id",
            "account",
            "bank_code",
            "mobile",
            "amount_fen",
            "remark",
            "ordinal",
        ];
        let rows = rows.into_iter().map(|i| {
            args![
                i.id,
                i.payment_id,
                i.root_payment_id,
                i.previous_id,
                i.part,
                i.attempt,
                i.claim_key,
                batch,
                &i.payee_name,
                &i.payee_id,
                &i.account,
                &i.bank_code,
                &i.mobile,
                i.amount,
                &i.remark,
                i.ordinal
            ]
        });
        self.bulk("instruction", COLUMNS, Box::new(rows)).await
    }

    /// Begins a part of the transaction that can be taken back alone.
    ///
    /// # Errors
    /// The database refused.
    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.exec("savepoint part", args![]).await.map(|_| ())
    }

    /// Keeps the part.
    ///
    /// # Errors
    /// The database refused.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        self.exec("release savepoint part", args![]).await.map(|_| ())
    }

    /// Takes the part back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rollback_part(&mut self) -> Result<(), StoreError> {
        self.exec("rollback to savepoint part", args![]).await?;
        self.release().await
    }

    /// Which of these claims are taken: claim, and whether by this very batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn claims_taken(&mut self, keys: &[i64], batch: &str) -> Result<Vec<(i64, bool)>, StoreError> {
        let mut taken = Vec::new();
        for some in keys.chunks(5000) {
            let marks: Vec<String> = (0..some.len()).map(|i| format!("${}", i + 2)).collect();
            let sql = format!(
                "select claim_key, case when batch = $1 then 1 else 0 end from instruction where live = 1 and claim_key in ({})",
                marks.join(",")
            );
            let mut values = args![batch];
            values.extend(some.iter().map(|k| Value::Int(*k)));
            for row in self.rows(sqlx::AssertSqlSafe(sql), values).await? {
                taken.push((row.int(0)?, row.int(1)? == 1));
            }
        }
        Ok(taken)
    }

    /// Makes an unbroken block of instructions known to `plan`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_tranche(&mut self, tranche: &NewTranche<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into tranche (batch, agreement, bank, kind, first_id, next_id, last_id, open_fen, not_before, created_at) \
                   values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9) returning id";
        let t = tranche;
        let id =
            self.one(sql, args![t.batch, t.agreement, t.bank, t.kind, t.first_id, t.last_id, t.open, t.not_before, now]).await?.int(0)?;
        if t.kind != "first" {
            self.being_reissued((t.first_id, t.last_id)).await?;
        }
        Ok(id)
    }

    /// Opens cases.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_cases(&mut self, cases: &[NewCase], now: Timestamp) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &[
            "kind",
            "payment_id",
            "root_payment_id",
            "instruction_id",
            "part",
            "batch",
            "department",
            "bank",
            "amount_fen",
            "reason",
            "class",
            "detail",
            "owner",
            "business_date",
            "due_on",
            "opened_at",
        ];
        let rows = cases.iter().map(|c| {
            args![
                c.kind,
                c.payment_id,
                c.root_payment_id,
                c.instruction_id,
                c.part,
                &c.batch,
                &c.department,
                &c.bank,
                c.amount,
                c.reason,
                c.class,
                &c.detail,
                c.owner,
                c.business_date,
                c.due_on,
                now
            ]
        });
        self.bulk("failure_case", COLUMNS, Box::new(rows)).await
    }
}

/// A block of admitted rows about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewTranche<'a> {
    /// The batch.
    pub batch: &'a str,
    /// The agreement that pays it.
    pub agreement: &'a str,
    /// Its bank.
    pub bank: &'a str,
    /// `first`, `retry` or `reissue`.
    pub kind: &'a str,
    /// First instruction.
    pub first_id: i64,
    /// Last instruction.
    pub last_id: i64,
    /// Their sum.
    pub open: Fen,
    /// Not in a file before this date.
    pub not_before: chrono::NaiveDate,
}

fn agreement(r: &Row) -> Result<Agreement, StoreError> {
    Ok(Agreement {
        number: r.string(0)?,
        bank: r.string(1)?,
        clearing_no: r.string(2)?,
        payer_account: Account::new(r.text(3)?),
        payer_name: r.string(4)?,
        payer_bank: r.string(5)?,
        unit_no: r.string(6)?,
        profile: r.string(7)?,
        rows_max: r.count(8)?,
        amount_max: r.fen(9)?,
        cutoff: r.string(10)?,
        feedback_days: r.int(11)?,
        debit_model: r.string(12)?,
        other_banks: r.int(13)? == 1,
        extra: extra(r)?,
    })
}

/// A JSON object of texts; empty is none.
fn extra(r: &Row) -> Result<BTreeMap<String, String>, StoreError> {
    let (number, text) = (r.text(0)?, r.text(14)?);
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    // The values are not said: what is in them is between the bank and the payer.
    let wrong = |_| StoreError::Broken(format!("agreement {number}: extra is not an object of texts such as {{\"branch\": \"0512\"}}"));
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(wrong)?;
    let plain = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(values.into_iter().map(|(name, value)| (name, plain(value))).collect())
}

fn const_format(columns: &str) -> String {
    format!("select {columns} from payment where batch = $1 and seq > $2 order by seq limit $3")
}
