//! What people see: each struct is one table of a screen, and one object of `--json`. Only reads.
//!
//! Names and cards stand in masked types and print masked. Amounts are fen in JSON, yuan on a screen.

use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::masked::{Account, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// One bank's edge.
#[derive(Clone, Debug, Serialize)]
pub struct BankView {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `live`, `shadow` or `paused`.
    pub mode: String,
    /// Who holds its lease; empty: nobody ever did.
    pub holder: String,
    /// The lease's fence.
    pub fence: i64,
    /// Until when.
    pub lease_until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: i64,
    /// Left alone until then.
    pub next_at: Option<Timestamp>,
    /// The last trouble.
    pub last_error: String,
}

/// How many files stand in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilesView {
    /// `out` or `in`.
    pub direction: String,
    /// The bank.
    pub bank: String,
    /// The state.
    pub state: String,
    /// How many.
    pub files: i64,
    /// What their lines sum to; nothing for files of the bank.
    pub fen: Fen,
}

/// An open incident.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentView {
    /// Its key.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// The bank, or empty.
    pub bank: String,
    /// What happened.
    pub what: String,
    /// What to do.
    pub next_step: String,
    /// How often.
    pub times: i64,
    /// Since when.
    pub since: Timestamp,
}

/// A proposal that waits for a second person.
#[derive(Clone, Debug, Serialize)]
pub struct ProposalView {
    /// Its number.
    pub id: i64,
    /// What is to be done.
    pub act: String,
    /// To what.
    pub subject: String,
    /// What it would do.
    pub effect: String,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
}

/// The state of all.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// The banks' edges.
    pub banks: Vec<BankView>,
    /// Files by bank and state.
    pub files: Vec<FilesView>,
    /// Open incidents, oldest first.
    pub incidents: Vec<IncidentView>,
    /// Proposals that wait.
    pub proposals: Vec<ProposalView>,
    /// Released batches that are not through the gate.
    pub batches_at_gate: i64,
    /// Open cases, and what they sum to.
    pub cases_open: i64,
    /// What they sum to.
    pub cases_fen: Fen,
    /// Mails that wait to go out.
    pub mails_waiting: i64,
}

/// A batch in a list.
#[derive(Clone, Debug, Serialize)]
pub struct BatchView {
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
    /// When it is to be paid.
    pub pay_on: String,
    /// Rows declared.
    pub count: i64,
    /// Their sum.
    pub fen: Fen,
    /// `imported`, `approved`, `reviewed`, `released`, or the gate's word: `held`, `admitted`, `returned`.
    pub state: String,
    /// Who entered it.
    pub maker: String,
    /// Who approved it.
    pub approver: String,
    /// Who reviewed it.
    pub finance_reviewer: String,
    /// Who released it.
    pub released_by: String,
    /// When.
    pub released_at: Option<Timestamp>,
    /// The digest that was approved.
    pub digest: String,
    /// The gate's reasons, a line each.
    pub reasons: String,
}

/// A batch with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct BatchDetail {
    /// The batch.
    pub batch: BatchView,
    /// Its files.
    pub files: Vec<FileOutView>,
    /// Its open and closed cases by kind, reason and state.
    pub cases: Vec<CaseGroup>,
}

/// Cases of a batch that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseGroup {
    /// The kind.
    pub kind: String,
    /// The reason.
    pub reason: String,
    /// `open` or `closed`.
    pub state: String,
    /// How many.
    pub count: i64,
    /// Their sum.
    pub fen: Fen,
}

/// A payment file of ours.
#[derive(Clone, Debug, Serialize)]
pub struct FileOutView {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The batch.
    pub batch: String,
    /// Its path at the bank.
    pub path: String,
    /// The date for which the bank executes.
    pub business_date: String,
    /// Its lines.
    pub rows: i64,
    /// Their sum.
    pub fen: Fen,
    /// Where it stands.
    pub state: String,
    /// Where its lines stand that do not stand otherwise.
    pub lines_state: String,
    /// How we know that it is out.
    pub evidence: String,
    /// Why it is held, or in doubt.
    pub held_reason: String,
    /// What its bytes hash to.
    pub sha256: String,
    /// The attempts to upload it.
    pub attempt: i64,
    /// When it went out.
    pub sent_at: Option<Timestamp>,
    /// When its result is due.
    pub result_due_at: Option<Timestamp>,
    /// When it was answered whole.
    pub answered_at: Option<Timestamp>,
}

/// A bank's file.
#[derive(Clone, Debug, Serialize)]
pub struct FileInView {
    /// Its key.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// `ack`, `result`, `return` or `statement`.
    pub kind: String,
    /// Its path at the bank.
    pub path: String,
    /// Our file that it answers.
    pub file_out: Option<i64>,
    /// Its bytes.
    pub bytes: i64,
    /// Where it stands.
    pub state: String,
    /// What is wrong with it.
    pub problems: String,
    /// What its bytes hash to: its name in the archive.
    pub sha256: String,
    /// When it was seen.
    pub seen_at: Timestamp,
}

/// A payment, and every attempt to pay it.
#[derive(Clone, Debug, Serialize)]
pub struct PaymentView {
    /// The batch.
    pub batch: String,
    /// Its number in the batch.
    pub seq: i64,
    /// 镇乡
    pub township: String,
    /// 村
    pub village: String,
    /// The entitled person.
    pub entitled_name: String,
    /// The payee.
    pub payee_name: String,
    /// The card.
    pub account: String,
    /// How much.
    pub fen: Fen,
    /// Where it stands.
    pub state: String,
    /// The attempts, oldest first, those of later batches included.
    pub attempts: Vec<AttemptView>,
    /// Its cases.
    pub cases: Vec<CaseView>,
}

/// One attempt to pay.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// The instruction.
    pub instruction: i64,
    /// The how-manieth.
    pub attempt: i64,
    /// The batch that instructed it.
    pub batch: String,
    /// The bank.
    pub bank: String,
    /// Our file, if it is in one.
    pub file_out: Option<i64>,
    /// The file's name.
    pub file_name: String,
    /// The line in it.
    pub line: Option<i64>,
    /// Where it stands.
    pub state: String,
    /// The reason.
    pub reason: String,
    /// The bank's own code and words.
    pub bank_words: String,
    /// What banks said of it, in order.
    pub answers: Vec<AnswerView>,
}

/// One line of a bank's file.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerView {
    /// The bank's file.
    pub file_in: i64,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Where the file stands: only `applied` counts.
    pub file_state: String,
    /// The line.
    pub line: i64,
    /// What the status means.
    pub outcome: String,
    /// Whether it is final.
    pub is_final: bool,
    /// The bank's code.
    pub raw_code: String,
    /// The bank's words.
    pub raw_text: String,
    /// The bank's own reference.
    pub bank_ref: String,
}

/// A failure that needs somebody.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// Its key.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// The batch.
    pub batch: String,
    /// The payment's number in it.
    pub seq: i64,
    /// The department.
    pub department: String,
    /// The bank, if one was concerned.
    pub bank: String,
    /// The instruction, if there was one.
    pub instruction: Option<i64>,
    /// How much.
    pub fen: Fen,
    /// The reason.
    pub reason: String,
    /// Its class.
    pub class: String,
    /// Who must act.
    pub owner: String,
    /// `open` or `closed`.
    pub state: String,
    /// By when.
    pub due_on: String,
    /// How it was closed.
    pub closed_as: String,
    /// When its money reached the account.
    pub money_on: String,
    /// The instruction of a reissue under way.
    pub reissued_by: Option<i64>,
}

fn optional(fen_at: usize, r: &Row) -> Result<Fen, StoreError> {
    Ok(Fen::new(r.opt_int(fen_at)?.unwrap_or_default()))
}

const BATCH: &str = "select b.number, b.kind, b.department, b.project, b.period, b.pay_on, b.declared_count, b.declared_fen, coalesce(a.state, \
     case when b.released_at is not null then 'released' when b.finance_reviewer <> '' then 'reviewed' when b.approver <> '' then 'approved' else 'imported' end), \
     b.maker, b.approver, b.finance_reviewer, b.released_by, b.released_at, b.digest, coalesce(a.reasons, '') \
     from batch b left join admission a on a.batch = b.number where ($1 = '' or b.number = $1) order by b.created_at desc, b.number limit $2";
const FILE_OUT: &str = "select id, bank, batch, case when dir = '' then name else dir || '/' || name end, business_date, rows, total_fen, state, lines_state, \
     evidence, held_reason, sha256, attempt, sent_at, result_due_at, answered_at from file_out \
     where ($1 = '' or batch = $1) and ($2 = '' or bank = $2) and ($3 = '' or state = $3) and ($4 = 0 or id = $4) order by id desc limit $5";
const FILE_IN: &str = "select id, bank, kind, case when dir = '' then name else dir || '/' || name end, file_out, bytes, state, problems, sha256, seen_at \
     from file_in where ($1 = '' or bank = $1) and ($2 = '' or state = $2) and ($3 = 0 or id = $3) and ($4 = 0 or file_out = $4) order by id desc limit $5";
const CASE: &str = "select c.id, c.kind, c.batch, p.seq, c.department, c.bank, c.instruction_id, c.amount_fen, c.reason, c.class, c.owner, c.state, c.due_on, c.closed_as, c.money_on, c.successor \
     from failure_case c join payment p on p.id = c.payment_id where ($1 = '' or c.batch = $1) and ($2 = '' or c.department = $2) and ($3 = '' or c.state = $3) \
     and ($4 = 0 or c.root_payment_id = $4) order by c.due_on, c.id limit $5";

/// Which files, batches or cases to show; what is empty or 0 does not choose.
#[derive(Clone, Debug, Default)]
pub struct Choice<'a> {
    /// One batch.
    pub batch: &'a str,
    /// One bank.
    pub bank: &'a str,
    /// One department.
    pub department: &'a str,
    /// One state.
    pub state: &'a str,
    /// One row, by its key.
    pub id: i64,
    /// At most so many.
    pub limit: i64,
}

impl Tx {
    /// The state of all.
    ///
    /// # Errors
    /// The database refused.
    pub async fn status(&mut self) -> Result<StatusView, StoreError> {
        let counts = self
            .one(
                "select (select count(*) from batch b left join admission a on a.batch = b.number where b.released_at is not null and coalesce(a.state, 'held') = 'held'), \
                 (select count(*) from failure_case where state = 'open'), \
                 (select cast(coalesce(sum(amount_fen), 0) as bigint) from failure_case where state = 'open'), \
                 (select count(*) from outbox_mail where state in ('queued', 'sending'))",
                args![],
            )
            .await?;
        Ok(StatusView {
            banks: self.bank_views().await?,
            files: self.file_counts().await?,
            incidents: self.incidents_open().await?,
            proposals: self.proposals_open().await?,
            batches_at_gate: counts.int(0)?,
            cases_open: counts.int(1)?,
            cases_fen: counts.fen(2)?,
            mails_waiting: counts.int(3)?,
        })
    }

    async fn bank_views(&mut self) -> Result<Vec<BankView>, StoreError> {
        let sql = "select b.code, b.name, b.mode, coalesce(l.holder, ''), coalesce(l.fence, 0), l.expires_at, coalesce(e.failures, 0), e.next_at, \
                   coalesce(e.last_error, '') from bank b left join lease l on l.bank = b.code left join edge e on e.bank = b.code order by b.code";
        let view = |r: &Row| {
            Ok(BankView {
                code: r.string(0)?,
                name: r.string(1)?,
                mode: r.string(2)?,
                holder: r.string(3)?,
                fence: r.int(4)?,
                lease_until: r.opt_time(5)?,
                failures: r.int(6)?,
                next_at: r.opt_time(7)?,
                last_error: r.string(8)?,
            })
        };
        self.rows(sql, args![]).await?.iter().map(view).collect()
    }

    async fn file_counts(&mut self) -> Result<Vec<FilesView>, StoreError> {
        let sql = "select 'out', bank, state, count(*), cast(sum(total_fen) as bigint) from file_out group by bank, state \
                   union all select 'in', bank, state, count(*), null from file_in group by bank, state order by 1 desc, 2, 3";
        let view = |r: &Row| {
            Ok(FilesView { direction: r.string(0)?, bank: r.string(1)?, state: r.string(2)?, files: r.int(3)?, fen: optional(4, r)? })
        };
        self.rows(sql, args![]).await?.iter().map(view).collect()
    }

    /// Open incidents, oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incidents_open(&mut self) -> Result<Vec<IncidentView>, StoreError> {
        let sql = "select id, kind, bank, what, next_step, times, first_at from incident where state = 'open' order by id";
        let view = |r: &Row| {
            Ok(IncidentView {
                id: r.int(0)?,
                kind: r.string(1)?,
                bank: r.string(2)?,
                what: r.string(3)?,
                next_step: r.string(4)?,
                times: r.int(5)?,
                since: Timestamp::from_millis(r.int(6)?),
            })
        };
        self.rows(sql, args![]).await?.iter().map(view).collect()
    }

    /// Proposals that wait for a second person.
    ///
    /// # Errors
    /// The database refused.
    pub async fn proposals_open(&mut self) -> Result<Vec<ProposalView>, StoreError> {
        let sql = "select id, act, subject, effect, proposed_by, proposed_at from proposal where state = 'open' order by id";
        let view = |r: &Row| {
            Ok(ProposalView {
                id: r.int(0)?,
                act: r.string(1)?,
                subject: r.string(2)?,
                effect: r.string(3)?,
                proposed_by: r.string(4)?,
                proposed_at: Timestamp::from_millis(r.int(5)?),
            })
        };
        self.rows(sql, args![]).await?.iter().map(view).collect()
    }

    /// Batches, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_views(&mut self, choice: &Choice<'_>) -> Result<Vec<BatchView>, StoreError> {
        let view = |r: &Row| {
            Ok(BatchView {
                number: r.string(0)?,
                kind: r.string(1)?,
                department: r.string(2)?,
                project: r.string(3)?,
                period: r.string(4)?,
                pay_on: r.string(5)?,
                count: r.int(6)?,
                fen: r.fen(7)?,
                state: r.string(8)?,
                maker: r.string(9)?,
                approver: r.string(10)?,
                finance_reviewer: r.string(11)?,
                released_by: r.string(12)?,
                released_at: r.opt_time(13)?,
                digest: r.string(14)?,
                reasons: r.string(15)?,
            })
        };
        self.rows(BATCH, args![choice.batch, choice.limit]).await?.iter().map(view).collect()
    }

    /// A batch with its files and cases; `None` when there is none of this number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn batch_detail(&mut self, number: &str) -> Result<Option<BatchDetail>, StoreError> {
        let choice = Choice { batch: number, limit: 1, ..Choice::default() };
        let Some(batch) = self.batch_views(&choice).await?.into_iter().next().filter(|b| b.number == number) else { return Ok(None) };
        let files = self.files_out(&Choice { limit: 10_000, ..choice }).await?;
        let sql = "select kind, reason, state, count(*), cast(sum(amount_fen) as bigint) from failure_case where batch = $1 \
                   group by kind, reason, state order by 4 desc, 1, 2, 3";
        let group =
            |r: &Row| Ok(CaseGroup { kind: r.string(0)?, reason: r.string(1)?, state: r.string(2)?, count: r.int(3)?, fen: r.fen(4)? });
        let cases = self.rows(sql, args![number]).await?.iter().map(group).collect::<Result<_, StoreError>>()?;
        Ok(Some(BatchDetail { batch, files, cases }))
    }

    /// Payment files, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_out(&mut self, choice: &Choice<'_>) -> Result<Vec<FileOutView>, StoreError> {
        let view = |r: &Row| {
            Ok(FileOutView {
                id: r.int(0)?,
                bank: r.string(1)?,
                batch: r.string(2)?,
                path: r.string(3)?,
                business_date: r.string(4)?,
                rows: r.int(5)?,
                fen: r.fen(6)?,
                state: r.string(7)?,
                lines_state: r.string(8)?,
                evidence: r.string(9)?,
                held_reason: r.string(10)?,
                sha256: r.string(11)?,
                attempt: r.int(12)?,
                sent_at: r.opt_time(13)?,
                result_due_at: r.opt_time(14)?,
                answered_at: r.opt_time(15)?,
            })
        };
        let values = args![choice.batch, choice.bank, choice.state, choice.id, choice.limit];
        self.rows(FILE_OUT, values).await?.iter().map(view).collect()
    }

    /// Files of the banks, newest first; those that answer one file of ours with `answers`, else all with 0.
    ///
    /// # Errors
    /// The database refused.
    pub async fn files_of_banks(&mut self, choice: &Choice<'_>, answers: i64) -> Result<Vec<FileInView>, StoreError> {
        let view = |r: &Row| {
            Ok(FileInView {
                id: r.int(0)?,
                bank: r.string(1)?,
                kind: r.string(2)?,
                path: r.string(3)?,
                file_out: r.opt_int(4)?,
                bytes: r.int(5)?,
                state: r.string(6)?,
                problems: r.string(7)?,
                sha256: r.string(8)?,
                seen_at: Timestamp::from_millis(r.int(9)?),
            })
        };
        let values = args![choice.bank, choice.state, choice.id, answers, choice.limit];
        self.rows(FILE_IN, values).await?.iter().map(view).collect()
    }

    /// Cases, the most urgent first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn cases(&mut self, choice: &Choice<'_>) -> Result<Vec<CaseView>, StoreError> {
        let view = |r: &Row| {
            Ok(CaseView {
                id: r.int(0)?,
                kind: r.string(1)?,
                batch: r.string(2)?,
                seq: r.int(3)?,
                department: r.string(4)?,
                bank: r.string(5)?,
                instruction: r.opt_int(6)?,
                fen: r.fen(7)?,
                reason: r.string(8)?,
                class: r.string(9)?,
                owner: r.string(10)?,
                state: r.string(11)?,
                due_on: r.string(12)?,
                closed_as: r.string(13)?,
                money_on: r.string(14)?,
                reissued_by: r.opt_int(15)?,
            })
        };
        let values = args![choice.batch, choice.department, choice.state, choice.id, choice.limit];
        self.rows(CASE, values).await?.iter().map(view).collect()
    }

    /// A payment with all its attempts, found by batch and number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn payment_by_row(&mut self, batch: &str, seq: i64) -> Result<Option<PaymentView>, StoreError> {
        let id = self.opt("select id from payment where batch = $1 and seq = $2", args![batch, seq]).await?;
        let Some(id) = id.map(|r| r.int(0)).transpose()? else { return Ok(None) };
        self.payment_view(id).await
    }

    /// A payment with all its attempts, found by one of its instructions.
    ///
    /// # Errors
    /// The database refused.
    pub async fn payment_by_instruction(&mut self, instruction: i64) -> Result<Option<PaymentView>, StoreError> {
        let id = self.opt("select payment_id from instruction where id = $1", args![instruction]).await?;
        let Some(id) = id.map(|r| r.int(0)).transpose()? else { return Ok(None) };
        self.payment_view(id).await
    }

    async fn payment_view(&mut self, id: i64) -> Result<Option<PaymentView>, StoreError> {
        let sql = "select p.batch, p.seq, p.township, p.village, p.entitled_name, p.payee_name, p.account, p.amount_fen, v.state, \
                   coalesce((select max(i.root_payment_id) from instruction i where i.id = v.instruction), p.id) \
                   from payment p join v_payment v on v.batch = p.batch and v.seq = p.seq where p.id = $1";
        let Some(r) = self.opt(sql, args![id]).await? else { return Ok(None) };
        let root = r.int(9)?;
        let mut attempts = self.attempts(root).await?;
        for attempt in &mut attempts {
            attempt.answers = self.answers(attempt.file_out, attempt.instruction).await?;
        }
        Ok(Some(PaymentView {
            batch: r.string(0)?,
            seq: r.int(1)?,
            township: r.string(2)?,
            village: r.string(3)?,
            entitled_name: Name::new(r.text(4)?).to_string(),
            payee_name: Name::new(r.text(5)?).to_string(),
            account: Account::new(r.text(6)?).to_string(),
            fen: r.fen(7)?,
            state: r.string(8)?,
            attempts,
            cases: self.cases(&Choice { id: root, limit: 100, ..Choice::default() }).await?,
        }))
    }

    async fn attempts(&mut self, root: i64) -> Result<Vec<AttemptView>, StoreError> {
        let sql = "select v.id, v.attempt, v.batch, v.bank, v.file_out, coalesce(v.file_name, ''), v.line, v.state, v.reason, v.raw_code, v.raw_text \
                   from v_instruction v where v.root_payment_id = $1 order by v.id";
        let view = |r: &Row| {
            Ok(AttemptView {
                instruction: r.int(0)?,
                attempt: r.int(1)?,
                batch: r.string(2)?,
                bank: r.string(3)?,
                file_out: r.opt_int(4)?,
                file_name: r.string(5)?,
                line: r.opt_int(6)?,
                state: r.string(7)?,
                reason: r.string(8)?,
                bank_words: format!("{} {}", r.text(9)?, r.text(10)?).trim().to_owned(),
                answers: Vec::new(),
            })
        };
        self.rows(sql, args![root]).await?.iter().map(view).collect()
    }

    async fn answers(&mut self, file_out: Option<i64>, instruction: i64) -> Result<Vec<AnswerView>, StoreError> {
        let sql = "select f.id, f.name, f.kind, f.state, l.line, l.outcome, l.is_final, l.raw_code, l.raw_text, l.bank_ref \
                   from file_in f join answer_line l on l.file_in = f.id where f.file_out = $1 and l.instruction_id = $2 order by f.id, l.line";
        let view = |r: &Row| {
            Ok(AnswerView {
                file_in: r.int(0)?,
                name: r.string(1)?,
                kind: r.string(2)?,
                file_state: r.string(3)?,
                line: r.int(4)?,
                outcome: r.string(5)?,
                is_final: r.int(6)? == 1,
                raw_code: r.string(7)?,
                raw_text: r.string(8)?,
                bank_ref: r.string(9)?,
            })
        };
        self.rows(sql, args![file_out.unwrap_or(-1), instruction]).await?.iter().map(view).collect()
    }
}
