//! The intake contract, written: departments, banks, agreements, people, lists and money. On a site the platform writes
//! these rows; here the same is done for carried lists (`bankgate batch import`) and for the demo.
//!
//! A batch enters unapproved. Who approved, reviewed and released it is added by compare-and-set, each hand once.

use chrono::NaiveDate;

use super::StoreError;
use super::admission::PaymentRow;
use super::sql::Tx;
use crate::args;
use crate::domain::batch::BatchDigest;
use crate::domain::masked::{Account, IdNumber};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// A department (业务主管部门).
#[derive(Clone, Debug)]
pub struct DepartmentRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `city` or `county`.
    pub level: String,
    /// The region.
    pub region: String,
    /// Where its failure reports go, separated by commas.
    pub mail: String,
}

/// A project (补贴项目).
#[derive(Clone, Debug)]
pub struct ProjectRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What the bank's text message calls it.
    pub short_name: String,
    /// `individual` or `household`.
    pub payee_kind: String,
    /// Whether a person may be paid several times in a period.
    pub several_per_period: bool,
}

/// A cooperating bank (合作银行).
#[derive(Clone, Debug)]
pub struct NewBank {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its clearing number (行号).
    pub clearing_no: String,
    /// Its operators' mail addresses, separated by commas.
    pub contacts: String,
    /// `live`, `shadow` or `paused`.
    pub mode: String,
}

/// An agreement between a department and a bank (代发协议).
#[derive(Clone, Debug)]
pub struct NewAgreement {
    /// Its number.
    pub number: String,
    /// The department.
    pub department: String,
    /// The bank.
    pub bank: String,
    /// The account debited.
    pub payer_account: Account,
    /// Its holder.
    pub payer_name: String,
    /// Its bank's clearing number.
    pub payer_bank: String,
    /// What the bank calls the payer (单位编号).
    pub unit_no: String,
    /// The profile of its files.
    pub profile: String,
    /// Lines a file may have; 0: as the profile says.
    pub rows_max: u64,
    /// The largest single amount; nothing: as the configuration says.
    pub amount_max: Fen,
    /// Files for a day go out before this time.
    pub cutoff: String,
    /// Working days until the result is due.
    pub feedback_days: u32,
    /// `net`, `gross` or `gross_checked_upfront`.
    pub debit_model: String,
    /// Whether it pays cards of banks that have no agreement.
    pub other_banks: bool,
}

/// Where refunds under an agreement go, and by which files.
#[derive(Clone, Debug)]
pub struct Treasury {
    /// The profile of refund orders; empty: they are printed and carried.
    pub profile: String,
    /// The treasury's account (国库收款户).
    pub account: Account,
    /// Its holder.
    pub name: String,
    /// Its bank's clearing number.
    pub bank: String,
}

/// A batch as it enters: unapproved.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its number.
    pub number: String,
    /// `first` or `reissue`.
    pub kind: String,
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// When people shall be paid.
    pub pay_on: NaiveDate,
    /// How many rows it declares.
    pub declared_count: u64,
    /// What they sum to.
    pub declared: Fen,
    /// Who entered it (经办).
    pub maker: String,
    /// The budget line, where the list says it.
    pub budget_line: String,
    /// The voucher, where the list says it.
    pub voucher: String,
}

/// Whose hands a batch went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHands {
    /// The department.
    pub department: String,
    /// Who entered it (经办).
    pub maker: String,
    /// Who approved it (审核).
    pub approver: String,
    /// Who reviewed it (财政复核).
    pub finance_reviewer: String,
    /// Who released it (发放).
    pub released_by: String,
    /// When.
    pub released_at: Option<Timestamp>,
    /// The digest that was approved.
    pub digest: String,
    /// How many rows it declares.
    pub declared_count: i64,
    /// What they sum to.
    pub declared: Fen,
    /// What the gate said: empty, `held`, `admitted`, `returned`.
    pub admission: String,
    /// The date on which people shall be paid, as it was written.
    pub pay_on: String,
}

/// A batch's rows, as they stand in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRows {
    /// The digest over them.
    pub digest: String,
    /// How many.
    pub count: i64,
    /// Their sum.
    pub total: Fen,
}

/// Rows read at a time for a digest.
const PAGE: i64 = 5000;

impl Tx {
    /// Writes a department, over an earlier row of its code.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_department(&mut self, d: &DepartmentRow) -> Result<(), StoreError> {
        let sql = "insert into department (code, name, level, region, mail) values ($1, $2, $3, $4, $5) on conflict (code) do update set \
                   name = excluded.name, level = excluded.level, region = excluded.region, mail = excluded.mail";
        self.exec(sql, args![&d.code, &d.name, &d.level, &d.region, &d.mail]).await.map(|_| ())
    }

    /// Writes a project, over an earlier row of its code.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_project(&mut self, p: &ProjectRow) -> Result<(), StoreError> {
        let sql = "insert into project (code, name, short_name, payee_kind, several_per_period) values ($1, $2, $3, $4, $5) \
                   on conflict (code) do update set name = excluded.name, short_name = excluded.short_name, payee_kind = excluded.payee_kind, \
                   several_per_period = excluded.several_per_period";
        self.exec(sql, args![&p.code, &p.name, &p.short_name, &p.payee_kind, p.several_per_period]).await.map(|_| ())
    }

    /// Writes a project unless one of its code is there: a seed never overrides what the platform wrote. Says whether it did.
    ///
    /// # Errors
    /// The database refused.
    pub async fn seed_project(&mut self, p: &ProjectRow) -> Result<bool, StoreError> {
        let sql = "insert into project (code, name, short_name, payee_kind, several_per_period) values ($1, $2, $3, $4, $5) \
                   on conflict (code) do nothing";
        self.exec_one(sql, args![&p.code, &p.name, &p.short_name, &p.payee_kind, p.several_per_period]).await
    }

    /// Writes a bank, over an earlier row of its code.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_bank(&mut self, b: &NewBank) -> Result<(), StoreError> {
        let sql = "insert into bank (code, name, clearing_no, contacts, mode) values ($1, $2, $3, $4, $5) on conflict (code) do update set \
                   name = excluded.name, clearing_no = excluded.clearing_no, contacts = excluded.contacts, mode = excluded.mode";
        self.exec(sql, args![&b.code, &b.name, &b.clearing_no, &b.contacts, &b.mode]).await.map(|_| ())
    }

    /// Writes an agreement, over an earlier row of its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_agreement(&mut self, a: &NewAgreement) -> Result<(), StoreError> {
        let sql = "insert into agreement (number, department, bank, payer_account, payer_name, payer_bank, unit_no, profile, rows_max, amount_max_fen, \
                   cutoff, feedback_days, debit_model, other_banks) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                   on conflict (number) do update set department = excluded.department, bank = excluded.bank, payer_account = excluded.payer_account, \
                   payer_name = excluded.payer_name, payer_bank = excluded.payer_bank, unit_no = excluded.unit_no, profile = excluded.profile, \
                   rows_max = excluded.rows_max, amount_max_fen = excluded.amount_max_fen, cutoff = excluded.cutoff, \
                   feedback_days = excluded.feedback_days, debit_model = excluded.debit_model, other_banks = excluded.other_banks";
        let values = args![
            &a.number,
            &a.department,
            &a.bank,
            &a.payer_account,
            &a.payer_name,
            &a.payer_bank,
            &a.unit_no,
            &a.profile,
            a.rows_max,
            a.amount_max,
            &a.cutoff,
            a.feedback_days,
            &a.debit_model,
            a.other_banks
        ];
        self.exec(sql, values).await.map(|_| ())
    }

    /// Writes a person who may decide, over an earlier row of the login.
    ///
    /// # Errors
    /// The database refused; a role that does not exist is a check violation.
    pub async fn put_operator(&mut self, o: &super::desk::Operator) -> Result<(), StoreError> {
        let sql = "insert into operator (login, name, role, department) values ($1, $2, $3, $4) on conflict (login) do update set \
                   name = excluded.name, role = excluded.role, department = excluded.department, active = 1";
        self.exec(sql, args![&o.login, &o.name, &o.role, &o.department]).await.map(|_| ())
    }

    /// Writes that somebody may not be paid.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_ineligible(&mut self, id: &IdNumber, project: &str, reason: &str, from: NaiveDate) -> Result<(), StoreError> {
        let sql = "insert into ineligible (id_number, project, reason, from_date) values ($1, $2, $3, $4) \
                   on conflict (id_number, project) do update set reason = excluded.reason, from_date = excluded.from_date";
        self.exec(sql, args![id, project, reason, from]).await.map(|_| ())
    }

    /// Says where refunds under an agreement go, and of what kind its funds are: `quota` or `cash`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_treasury(&mut self, agreement: &str, t: &Treasury, funds_model: &str) -> Result<bool, StoreError> {
        let sql = "update agreement set refund_profile = $2, treasury_account = $3, treasury_name = $4, treasury_bank = $5, funds_model = $6 where number = $1";
        self.exec_one(sql, args![agreement, &t.profile, &t.account, &t.name, &t.bank, funds_model]).await
    }

    /// Records that cash has arrived (实拨到账), and not a quota.
    ///
    /// # Errors
    /// The database refused; an amount of nothing is a check violation.
    pub async fn add_cash(&mut self, department: &str, project: &str, year: i32, amount: Fen, at: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into funding (department, project, year, funds_model, amount_fen, arrived_at) values ($1, $2, $3, 'cash', $4, $5) returning id";
        self.one(sql, args![department, project, year, amount, at]).await?.int(0)
    }

    /// Records that funds have arrived (额度到账).
    ///
    /// # Errors
    /// The database refused; an amount of nothing is a check violation.
    pub async fn add_funding(&mut self, department: &str, project: &str, year: i32, amount: Fen, at: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into funding (department, project, year, amount_fen, arrived_at) values ($1, $2, $3, $4, $5) returning id";
        self.one(sql, args![department, project, year, amount, at]).await?.int(0)
    }

    /// Writes a batch, unapproved and unreleased.
    ///
    /// # Errors
    /// The number is taken (a unique violation), or the database refused.
    pub async fn insert_batch(&mut self, b: &NewBatch, now: Timestamp) -> Result<(), StoreError> {
        let sql = "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, budget_line, voucher, created_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let values = args![
            &b.number,
            &b.kind,
            &b.department,
            &b.project,
            &b.period,
            b.pay_on,
            b.declared_count,
            b.declared,
            &b.maker,
            &b.budget_line,
            &b.voucher,
            now
        ];
        self.exec(sql, values).await.map(|_| ())
    }

    /// Fills in what a batch declares, once its rows have been read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn declare(&mut self, number: &str, count: u64, total: Fen) -> Result<bool, StoreError> {
        let sql = "update batch set declared_count = $2, declared_fen = $3 where number = $1 and approver = '' and released_at is null";
        self.exec_one(sql, args![number, count, total]).await
    }

    /// Writes payments of a batch. Their keys are given by the database.
    ///
    /// # Errors
    /// A sequence number stands twice (a unique violation), or the database refused.
    pub async fn insert_payments(&mut self, batch: &str, rows: &[PaymentRow]) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &[
            "batch",
            "seq",
            "township",
            "village",
            "village_group",
            "household_no",
            "entitled_name",
            "entitled_id",
            "payee_name",
            "payee_id",
            "payee_role",
            "mandate_no",
            "account",
            "bank",
            "mobile",
            "amount_fen",
            "remark",
            "reissue_of",
        ];
        let rows = rows.iter().map(|p| {
            args![
                batch,
                p.seq,
                &p.township,
                &p.village,
                &p.village_group,
                &p.household_no,
                &p.entitled_name,
                &p.entitled_id,
                &p.payee_name,
                &p.payee_id,
                &p.payee_role,
                &p.mandate_no,
                &p.account,
                &p.bank,
                &p.mobile,
                p.amount,
                &p.remark,
                &p.reissue_of
            ]
        });
        self.bulk("payment", COLUMNS, Box::new(rows)).await
    }

    /// The digest over a batch's rows as they stand, with their count and sum.
    ///
    /// # Errors
    /// The database refused, or the sum is more than an amount can be.
    pub async fn stored_rows(&mut self, batch: &str) -> Result<StoredRows, StoreError> {
        let (mut digest, mut count, mut total, mut after) = (BatchDigest::default(), 0, Fen::ZERO, i64::MIN);
        loop {
            let page = self.payments_after(batch, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(StoredRows { digest: digest.finish(), count, total }) };
            after = last.seq;
            for row in &page {
                digest.row(&row.digest_line());
                count += 1;
                total = total
                    .checked_add(row.amount)
                    .ok_or_else(|| StoreError::Broken(format!("batch {batch}: its amounts sum to more than an amount can be")))?;
            }
        }
    }

    /// Whose hands a batch went through; `None` when there is no such batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_hands(&mut self, number: &str) -> Result<Option<BatchHands>, StoreError> {
        let sql = "select b.department, b.maker, b.approver, b.finance_reviewer, b.released_by, b.released_at, b.digest, b.declared_count, \
                   b.declared_fen, coalesce(a.state, ''), b.pay_on from batch b left join admission a on a.batch = b.number where b.number = $1";
        let row = self.opt(sql, args![number]).await?;
        row.map(|r| {
            Ok(BatchHands {
                department: r.string(0)?,
                maker: r.string(1)?,
                approver: r.string(2)?,
                finance_reviewer: r.string(3)?,
                released_by: r.string(4)?,
                released_at: r.opt_time(5)?,
                digest: r.string(6)?,
                declared_count: r.int(7)?,
                declared: r.fen(8)?,
                admission: r.string(9)?,
                pay_on: r.string(10)?,
            })
        })
        .transpose()
    }

    /// Keeps every other hand from a batch until this transaction ends.
    ///
    /// # Errors
    /// The database refused.
    pub async fn hold_batch(&mut self, number: &str) -> Result<(), StoreError> {
        self.exec("update batch set approver = approver where number = $1", args![number]).await.map(|_| ())
    }

    /// Records who approved a batch, and what exactly. Says whether nobody had before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_approved(&mut self, number: &str, approver: &str, digest: &str) -> Result<bool, StoreError> {
        let sql = "update batch set approver = $2, digest = $3 where number = $1 and approver = '' and released_at is null";
        self.exec_one(sql, args![number, approver, digest]).await
    }

    /// Records who reviewed an approved batch at the finance bureau. Says whether nobody had before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_reviewed(&mut self, number: &str, reviewer: &str) -> Result<bool, StoreError> {
        let sql =
            "update batch set finance_reviewer = $2 where number = $1 and approver <> '' and finance_reviewer = '' and released_at is null";
        self.exec_one(sql, args![number, reviewer]).await
    }

    /// Records who released an approved batch, whose rows hash to this. Says whether nobody had before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_released(&mut self, number: &str, by: &str, digest: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update batch set released_by = $2, released_at = $4 where number = $1 and approver <> '' and digest = $3 and released_at is null";
        self.exec_one(sql, args![number, by, digest, now]).await
    }

    /// Whether departments and projects of these codes are known: (department, project).
    ///
    /// # Errors
    /// The database refused.
    pub async fn codes_known(&mut self, department: &str, project: &str) -> Result<(bool, bool), StoreError> {
        let sql = "select (select count(*) from department where code = $1), (select count(*) from project where code = $2)";
        let r = self.one(sql, args![department, project]).await?;
        Ok((r.int(0)? > 0, r.int(1)? > 0))
    }
}
