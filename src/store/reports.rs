//! What the letters say, read from the rows, and the compare-and-sets by which each thing is told once.
//!
//! A batch may have a million payments, so its list is read by ranges of instruction numbers, a page at a time, and never
//! through the views: `v_payment` asks three questions a row.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::report::{CompletedRow, FailureKind, FailureRow, PaymentResult};
use crate::domain::time::Timestamp;

/// Cases that a department is told of, here and nowhere else. One that was settled before anybody was told is no news.
const UNTOLD: &str = "c.mail is null and c.state = 'open' and c.kind in ('rejected', 'failed', 'returned', 'partial')";

/// A department, as far as it gets letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its addresses, as written.
    pub mail: String,
}

/// Untold failures of one department at one bank on one day.
#[derive(Clone, Debug)]
pub struct FailureGroup {
    /// Who must be told.
    pub department: Addressee,
    /// The bank's code; empty for rows that were refused before any bank saw them.
    pub bank: String,
    /// The bank's name.
    pub bank_name: String,
    /// The business date.
    pub date: NaiveDate,
    /// When the first of them was opened.
    pub first_opened_at: Timestamp,
}

/// An admitted batch whose completed list was not sent.
#[derive(Clone, Debug)]
pub struct OpenList {
    /// Its number.
    pub batch: String,
    /// Who must be told.
    pub department: Addressee,
    /// The project's name.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// How many rows it has, admitted and rejected.
    pub rows: u64,
}

/// Where the lines of a batch stand that have no row of their own, and its blocks of numbers.
#[derive(Clone, Debug, Default)]
pub struct ListShape {
    /// First and last instruction, and the bank's name.
    pub blocks: Vec<(i64, i64, String)>,
    /// Our files, by their numbers: key, first and last instruction, the state of their lines.
    pub files: Vec<(i64, i64, i64, InstructionState)>,
    /// Instructions that were tried again within the batch: the last try counts.
    pub tried_again: BTreeSet<i64>,
}

/// A row of a completed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    /// Refused at the gate: its case.
    Refused(i64),
    /// Sent, or to be: its instruction.
    Instruction(i64),
}

/// How a payment of a batch stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its number in the batch.
    pub seq: i64,
    /// Where its row is read.
    pub of: Listed,
    /// How much.
    pub amount: Fen,
    /// What became of it.
    pub result: PaymentResult,
}

/// A file of a bank that was set aside.
#[derive(Clone, Debug)]
pub struct FileAside {
    /// Directory under the outbox.
    pub dir: String,
    /// File name.
    pub name: String,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// What is wrong with it, a line each.
    pub problems: String,
}

impl ListShape {
    /// The file that an instruction is in, and where it stands if it has no row of its own.
    #[must_use]
    pub fn base(&self, id: i64) -> (Option<i64>, InstructionState) {
        let behind = self.files.partition_point(|(_, first, ..)| *first <= id);
        let found = behind.checked_sub(1).and_then(|at| self.files.get(at)).filter(|(_, _, last, _)| id <= *last);
        found.map_or((None, InstructionState::Pending), |(file, _, _, state)| (Some(*file), *state))
    }

    /// The name of the bank that an instruction goes to.
    #[must_use]
    pub fn bank(&self, id: i64) -> &str {
        self.blocks.iter().find(|(first, last, _)| (*first..=*last).contains(&id)).map_or("", |(.., bank)| bank)
    }
}

fn addressee(r: &Row, at: usize) -> Result<Addressee, StoreError> {
    Ok(Addressee { code: r.string(at)?, name: r.string(at + 1)?, mail: r.string(at + 2)? })
}

/// States in which the bank's definite word is still to come.
fn open_states() -> String {
    let open = |s: &&InstructionState| match s.figure() {
        Figure::Pending | Figure::InFlight | Figure::Unknown => true,
        Figure::Paid | Figure::Returned | Figure::Failed | Figure::Voided => false,
    };
    InstructionState::ALL.iter().filter(open).map(|s| format!("'{}'", s.code())).collect::<Vec<_>>().join(", ")
}

/// What a state means in a list. Money that came back stays a return, also once it is final.
fn result_of(state: InstructionState, came_back: bool) -> PaymentResult {
    match state.figure() {
        Figure::Paid => PaymentResult::Paid,
        Figure::Failed if came_back => PaymentResult::Returned,
        Figure::Failed => PaymentResult::Failed,
        Figure::Returned => PaymentResult::Returned,
        Figure::Voided => PaymentResult::Cancelled,
        Figure::Pending | Figure::InFlight | Figure::Unknown => PaymentResult::Unknown,
    }
}

/// Where an instruction stands: by its own row, of which these two columns are state and what came back, or as its file does.
fn standing(shape: &ListShape, id: i64, r: &Row, (state, returned): (usize, usize)) -> Result<PaymentResult, StoreError> {
    let state = match r.text(state)? {
        "" => shape.base(id).1,
        _ => r.code(state, InstructionState::from_code, "an instruction's state")?,
    };
    Ok(result_of(state, r.int(returned)? > 0))
}

/// Who is paid how much, of columns 1 to 7.
fn completed_row(r: &Row, batch: &str, bank: String, result: PaymentResult) -> Result<CompletedRow, StoreError> {
    Ok(CompletedRow {
        township: r.string(1)?,
        village: r.string(2)?,
        payee_name: Name::new(r.text(3)?),
        id_number: IdNumber::new(r.text(4)?),
        account: Account::new(r.text(5)?),
        payment_no: payment_no(batch, r.int(6)?),
        bank,
        amount: r.fen(7)?,
        result,
        paid_on: None,
        reason: None,
    })
}

/// By what people call one payment of a batch.
pub(super) fn payment_no(batch: &str, seq: i64) -> String {
    format!("{batch}-{seq:06}")
}

fn failure(r: &Row) -> Result<(i64, FailureRow), StoreError> {
    let reason = Reason::from_code(r.text(11)?).unwrap_or(Reason::OtherUnmapped);
    let row = FailureRow {
        township: r.string(1)?,
        village: r.string(2)?,
        payee_name: Name::new(r.text(3)?),
        id_number: IdNumber::new(r.text(4)?),
        account: Account::new(r.text(5)?),
        payment_no: payment_no(r.text(6)?, r.int(7)?),
        reference: r.opt_int(8)?.map(|id| EndToEndId(id).to_string()).unwrap_or_default(),
        batch_no: r.string(6)?,
        project: r.string(9)?,
        amount: r.fen(10)?,
        reason,
        class: ReasonClass::from_code(r.text(12)?).unwrap_or(reason.class()),
        bank_words: r.string(13)?,
        due: r.date(14)?,
        kind: match r.text(15)? {
            "rejected" => FailureKind::RejectedBefore,
            "returned" => FailureKind::Returned,
            _ => FailureKind::FailedAtBank,
        },
    };
    Ok((r.int(0)?, row))
}

impl Tx {
    /// Untold failures up to a business date, by department, bank and date.
    ///
    /// # Errors
    /// The database refused.
    pub async fn failure_groups(&mut self, until: NaiveDate) -> Result<Vec<FailureGroup>, StoreError> {
        let sql = format!(
            "select g.department, coalesce(d.name, g.department), coalesce(d.mail, ''), g.bank, coalesce(b.name, g.bank), g.business_date, g.opened_at \
             from (select c.department, c.bank, c.business_date, min(c.opened_at) as opened_at from failure_case c \
             where {UNTOLD} and c.business_date <= $1 group by c.department, c.bank, c.business_date) g \
             left join department d on d.code = g.department left join bank b on b.code = g.bank \
             order by g.business_date, g.department, g.bank"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![until]).await?;
        rows.iter()
            .map(|r| {
                Ok(FailureGroup {
                    department: addressee(r, 0)?,
                    bank: r.string(3)?,
                    bank_name: r.string(4)?,
                    date: r.date(5)?,
                    first_opened_at: Timestamp::from_millis(r.int(6)?),
                })
            })
            .collect()
    }

    /// When the last mail whose key begins like this was written, if that was not before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn last_mail_of(&mut self, key_begins: &str, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "select max(created_at) from outbox_mail where created_at >= $2 and substr(dedup_key, 1, length(cast($1 as text))) = $1";
        self.one(sql, args![key_begins, since]).await?.opt_time(0)
    }

    /// The first untold failures of a group, each with its case. The payee is the one that the bank was told.
    ///
    /// # Errors
    /// The database refused.
    pub async fn failures_untold(&mut self, group: &FailureGroup, limit: i64) -> Result<Vec<(i64, FailureRow)>, StoreError> {
        let sql = format!(
            "select c.id, p.township, p.village, coalesce(i.payee_name, p.payee_name), coalesce(i.payee_id, p.payee_id), coalesce(i.account, p.account), \
             c.batch, p.seq, c.instruction_id, j.name, c.amount_fen, c.reason, c.class, c.detail, c.due_on, c.kind \
             from failure_case c join payment p on p.id = c.payment_id join batch b on b.number = c.batch join project j on j.code = b.project \
             left join instruction i on i.id = c.instruction_id \
             where {UNTOLD} and c.department = $1 and c.bank = $2 and c.business_date = $3 order by c.id limit $4"
        );
        let values = args![&group.department.code, &group.bank, group.date, limit];
        self.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(failure).collect()
    }

    /// Ties these cases to the mail that tells of them. False when one of them was told, or settled, meanwhile: then the
    /// transaction must not stand.
    ///
    /// # Errors
    /// The database refused.
    pub async fn cases_told(&mut self, cases: &[i64], mail: i64) -> Result<bool, StoreError> {
        let mut moved = 0;
        for some in cases.chunks(5000) {
            let ids = some.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let sql = format!("update failure_case set mail = $1 where mail is null and state = 'open' and id in ({ids})");
            moved += self.exec(sqlx::AssertSqlSafe(sql), args![mail]).await?;
        }
        Ok(usize::try_from(moved) == Ok(cases.len()))
    }

    /// Admitted batches whose completed list was not sent.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lists_open(&mut self) -> Result<Vec<OpenList>, StoreError> {
        let sql = "select a.batch, d.code, d.name, d.mail, j.name, b.period, a.admitted_count + a.rejected_count \
                   from admission a join batch b on b.number = a.batch join department d on d.code = b.department join project j on j.code = b.project \
                   where a.state = 'admitted' and a.completed_mail is null order by a.decided_at, a.batch";
        let rows = self.rows(sql, args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(OpenList {
                    batch: r.string(0)?,
                    department: addressee(r, 1)?,
                    project: r.string(4)?,
                    period: r.string(5)?,
                    rows: r.count(6)?,
                })
            })
            .collect()
    }

    /// Whether every instruction of a batch has its definite word and no transient failure awaits its retry. One that is
    /// past its last retry has a case, and awaits nothing.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_is_done(&mut self, batch: &str) -> Result<bool, StoreError> {
        const LIVE: &str = "f.batch = $1 and f.state not in ('voided', 'abandoned')";
        let open = open_states();
        let questions = [
            // A file whose lines wait, unless each of them has a row of its own.
            format!(
                "select count(*) from file_out f where {LIVE} and f.lines_state in ({open}) \
                 and f.rows > (select count(*) from instruction_state s where s.instruction_id >= f.first_id and s.instruction_id <= f.last_id)"
            ),
            format!("select count(*) from instruction_state s where s.batch = $1 and s.state in ({open})"),
            "select count(*) from instruction_state s where s.batch = $1 and s.class = 'BT' and s.state in ('failed', 'failed_final') \
             and not exists (select 1 from failure_case c where c.instruction_id = s.instruction_id and c.kind in ('failed', 'returned'))"
                .to_owned(),
            // Numbers that are in no file and have no row of their own: pending. Rows of their own are counted file by file, by their range.
            format!(
                "select cast((select coalesce(sum(t.last_id - t.first_id + 1), 0) from tranche t where t.batch = $1) \
                 - (select count(*) from instruction_state s where s.batch = $1) \
                 - (select coalesce(sum(f.rows - (select count(*) from instruction_state s where s.instruction_id >= f.first_id \
                 and s.instruction_id <= f.last_id)), 0) from file_out f where {LIVE}) as bigint)"
            ),
        ];
        for sql in questions {
            if self.one(sqlx::AssertSqlSafe(sql), args![batch]).await?.int(0)? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The blocks and files of a batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn list_shape(&mut self, batch: &str) -> Result<ListShape, StoreError> {
        let sql =
            "select t.first_id, t.last_id, b.name from tranche t join bank b on b.code = t.bank where t.batch = $1 order by t.first_id";
        let blocks = self.rows(sql, args![batch]).await?;
        let sql = "select f.id, f.first_id, f.last_id, f.lines_state from file_out f where f.batch = $1 and f.state not in ('voided', 'abandoned') \
                   order by f.first_id";
        let files = self.rows(sql, args![batch]).await?;
        let sql = "select i.previous_id from tranche t join instruction i on i.id >= t.first_id and i.id <= t.last_id \
                   where t.batch = $1 and t.kind = 'retry' and i.previous_id is not null";
        let again = self.rows(sql, args![batch]).await?;
        let state = |r: &Row| r.code(3, InstructionState::from_code, "an instruction's state");
        Ok(ListShape {
            blocks: blocks.iter().map(|r| Ok((r.int(0)?, r.int(1)?, r.string(2)?))).collect::<Result<_, StoreError>>()?,
            files: files.iter().map(|r| Ok((r.int(0)?, r.int(1)?, r.int(2)?, state(r)?))).collect::<Result<_, StoreError>>()?,
            tried_again: again.iter().map(|r| r.int(0)).collect::<Result<_, StoreError>>()?,
        })
    }

    /// Some instructions of a block: as each stands, or as its file stands.
    ///
    /// # Errors
    /// The database refused.
    pub async fn standings(&mut self, shape: &ListShape, (first, last): (i64, i64)) -> Result<Vec<Standing>, StoreError> {
        let sql = "select i.id, p.seq, i.amount_fen, coalesce(s.state, ''), coalesce(s.returned_fen, 0) \
                   from instruction i join payment p on p.id = i.payment_id \
                   left join instruction_state s on s.instruction_id = i.id and s.instruction_id >= $1 and s.instruction_id <= $2 \
                   where i.id >= $1 and i.id <= $2";
        let rows = self.rows(sql, args![first, last]).await?;
        rows.iter()
            .map(|r| {
                let id = r.int(0)?;
                let result = standing(shape, id, r, (3, 4))?;
                Ok(Standing { seq: r.int(1)?, of: Listed::Instruction(id), amount: r.fen(2)?, result })
            })
            .collect()
    }

    /// What a list says of these: instructions of the batch, and cases of rows that were refused at the gate.
    ///
    /// # Errors
    /// The database refused.
    pub async fn completed_rows(
        &mut self,
        batch: &str,
        shape: &ListShape,
        wanted: &[Listed],
    ) -> Result<BTreeMap<Listed, CompletedRow>, StoreError> {
        let (mut instructions, mut cases) = (Vec::new(), Vec::new());
        for listed in wanted {
            match listed {
                Listed::Instruction(id) => instructions.push(*id),
                Listed::Refused(case) => cases.push(case.to_string()),
            }
        }
        let mut all = BTreeMap::new();
        if let (Some(first), Some(last)) = (instructions.iter().min(), instructions.iter().max()) {
            all.extend(self.rows_of_instructions(batch, shape, &instructions, (*first, *last)).await?);
        }
        if !cases.is_empty() {
            all.extend(self.rows_of_refused(batch, &cases.join(",")).await?);
        }
        Ok(all)
    }

    async fn rows_of_instructions(
        &mut self,
        batch: &str,
        shape: &ListShape,
        ids: &[i64],
        (first, last): (i64, i64),
    ) -> Result<Vec<(Listed, CompletedRow)>, StoreError> {
        // The bound on the states is said twice: joined by number alone, small tables would be read from their beginning.
        let sql = format!(
            "select i.id, p.township, p.village, i.payee_name, i.payee_id, i.account, p.seq, i.amount_fen, coalesce(s.state, ''), \
             coalesce(s.reason, ''), coalesce(s.returned_fen, 0), coalesce(l.on_date, '') \
             from instruction i join payment p on p.id = i.payment_id \
             left join instruction_state s on s.instruction_id = i.id and s.instruction_id >= $1 and s.instruction_id <= $2 \
             left join answer_line l on l.file_in = s.file_in and l.line = s.line where i.id in ({})",
            ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![first, last]).await?;
        rows.iter()
            .map(|r| {
                let id = r.int(0)?;
                let result = standing(shape, id, r, (8, 10))?;
                let is_paid = result == PaymentResult::Paid;
                let row = completed_row(r, batch, shape.bank(id).to_owned(), result)?;
                let (paid_on, reason) = if is_paid { (r.text(11)?.parse().ok(), None) } else { (None, Reason::from_code(r.text(9)?)) };
                Ok((Listed::Instruction(id), CompletedRow { paid_on, reason, ..row }))
            })
            .collect()
    }

    async fn rows_of_refused(&mut self, batch: &str, cases: &str) -> Result<Vec<(Listed, CompletedRow)>, StoreError> {
        let sql = format!(
            "select c.id, p.township, p.village, p.payee_name, p.payee_id, p.account, p.seq, c.amount_fen, c.reason, coalesce(b.name, '') \
             from failure_case c join payment p on p.id = c.payment_id left join bank b on b.code = p.bank where c.id in ({cases})"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter()
            .map(|r| {
                let row = completed_row(r, batch, r.string(9)?, PaymentResult::Rejected)?;
                Ok((Listed::Refused(r.int(0)?), CompletedRow { reason: Reason::from_code(r.text(8)?), ..row }))
            })
            .collect()
    }

    /// When the bank says it credited each line of a file, where it says so.
    ///
    /// # Errors
    /// The database refused.
    pub async fn credit_dates(&mut self, file: i64) -> Result<BTreeMap<i64, NaiveDate>, StoreError> {
        let sql = "select l.instruction_id, l.on_date from answer_line l where l.file_in in (select f.id from file_in f where f.file_out = $1 and f.state = 'applied') \
                   and l.outcome = 'paid' and l.is_final = 1 and l.on_date <> '' and l.instruction_id is not null";
        self.rows(sql, args![file]).await?.iter().map(|r| Ok((r.int(0)?, r.date(1)?))).collect()
    }

    /// A page of the rows of a batch that were refused at the gate, behind this case.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refused_page(&mut self, batch: &str, after: i64, limit: i64) -> Result<Vec<(i64, Standing)>, StoreError> {
        let sql = "select c.id, p.seq, c.amount_fen from failure_case c join payment p on p.id = c.payment_id \
                   where c.batch = $1 and c.kind = 'rejected' and c.id > $2 order by c.id limit $3";
        let rows = self.rows(sql, args![batch, after, limit]).await?;
        rows.iter()
            .map(|r| {
                let case = r.int(0)?;
                Ok((case, Standing { seq: r.int(1)?, of: Listed::Refused(case), amount: r.fen(2)?, result: PaymentResult::Rejected }))
            })
            .collect()
    }

    /// Ties a batch to the mail with its completed list, once.
    ///
    /// # Errors
    /// The database refused.
    pub async fn list_told(&mut self, batch: &str, mail: i64) -> Result<bool, StoreError> {
        self.exec_one("update admission set completed_mail = $2 where batch = $1 and completed_mail is null", args![batch, mail]).await
    }

    /// A bank's name and its operators' addresses.
    ///
    /// # Errors
    /// The database refused.
    pub async fn bank_contacts(&mut self, bank: &str) -> Result<Option<(String, String)>, StoreError> {
        let row = self.opt("select name, contacts from bank where code = $1", args![bank]).await?;
        row.map(|r| Ok((r.string(0)?, r.string(1)?))).transpose()
    }

    /// What makes an incident the same incident.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incident_key(&mut self, incident: i64) -> Result<String, StoreError> {
        self.one("select key from incident where id = $1", args![incident]).await?.string(0)
    }

    /// The file set aside that an incident is about: its key ends in the file's number, or its words name the file.
    ///
    /// # Errors
    /// The database refused.
    pub async fn file_aside(&mut self, incident: i64) -> Result<Option<FileAside>, StoreError> {
        let Some(about) = self.opt("select key, bank, what from incident where id = $1", args![incident]).await? else { return Ok(None) };
        let number: Option<i64> = about.text(0)?.rsplit(':').next().and_then(|n| n.parse().ok());
        let sql =
            "select id, dir, name, seen_at, problems from file_in where bank = $1 and state = 'quarantined' order by id desc limit 500";
        for r in self.rows(sql, args![about.text(1)?]).await? {
            if number == Some(r.int(0)?) || (number.is_none() && about.text(2)?.contains(r.text(2)?)) {
                let seen_at = Timestamp::from_millis(r.int(3)?);
                return Ok(Some(FileAside { dir: r.string(1)?, name: r.string(2)?, seen_at, problems: r.string(4)? }));
            }
        }
        Ok(None)
    }

    /// A mail's kind and subject.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mail_facts(&mut self, mail: i64) -> Result<(String, String), StoreError> {
        let r = self.one("select kind, subject from outbox_mail where id = $1", args![mail]).await?;
        Ok((r.string(0)?, r.string(1)?))
    }

    /// How many tries of a mail ended so that nobody knows whether it went.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unclear_ends(&mut self, mail: i64) -> Result<i64, StoreError> {
        let sql = "select count(*) from event where subject = 'mail' and subject_id = $1 and what = 'unclear'";
        self.one(sql, args![mail]).await?.int(0)
    }
}
