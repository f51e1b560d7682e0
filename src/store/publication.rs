//! What was published of a batch, and what of it the bank's own words bear out.

use chrono::NaiveDate;
use serde::Serialize;

use super::StoreError;
use super::reports::{Addressee, ListShape};
use super::sql::Tx;
use crate::args;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::publication::{Credit, PersonStatement, PublicRow, Span, Sum};
use crate::domain::time::Timestamp;

/// A publication and what it is about.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its key.
    pub id: i64,
    /// The batch.
    pub batch: String,
    /// Who puts it up.
    pub department: Addressee,
    /// The project's name.
    pub project: String,
    /// The subsidy's period.
    pub period: String,
    /// When people were first credited, if they were.
    pub paid_on: Option<NaiveDate>,
    /// By when it must be up, once people were credited.
    pub due_on: Option<NaiveDate>,
    /// `due`, `made`, `verified`, `differs`.
    pub state: String,
    /// How often it was made.
    pub edition: i64,
    /// What was published.
    pub sum: Sum,
    /// The digest of its rows.
    pub sha256: String,
    /// What did not agree when it was last compared.
    pub problems: String,
    /// When it was made last.
    pub made_at: Option<Timestamp>,
    /// When it was compared last.
    pub checked_at: Option<Timestamp>,
    /// When the department put it up.
    pub posted_on: Option<NaiveDate>,
}

/// A publication in a list.
#[derive(Clone, Debug, Serialize)]
pub struct PublicationView {
    /// The batch.
    pub batch: String,
    /// The department.
    pub department: String,
    /// The project.
    pub project: String,
    /// The period.
    pub period: String,
    /// When people were first credited, or empty.
    pub paid_on: String,
    /// By when it must be up, or empty.
    pub due_on: String,
    /// `due`, `made`, `verified`, `differs`.
    pub state: String,
    /// How often it was made.
    pub edition: i64,
    /// How many rows were published.
    pub rows: i64,
    /// What they sum to.
    pub fen: Fen,
    /// When the department put it up, or empty.
    pub posted_on: String,
    /// What did not agree.
    pub problems: String,
}

/// Both sides of a comparison of what is published with what the bank said it credited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Paid by our books.
    pub published: Sum,
    /// Of these the bank said: credited.
    pub credited: Sum,
    /// Published, and no bank's word says that it was credited: number in the batch.
    pub without_word: Vec<i64>,
    /// The bank said credited, and it is not published, nor came the money back since: number in the batch.
    pub not_published: Vec<i64>,
}

const COLUMNS: &str = "p.id, p.batch, d.code, d.name, d.mail, j.name, b.period, p.paid_on, p.due_on, p.state, p.edition, p.rows, p.amount_fen, p.sha256, \
     p.problems, p.made_at, p.checked_at, p.posted_on from publication p join batch b on b.number = p.batch \
     join department d on d.code = b.department join project j on j.code = b.project";
/// Differences that are named; more say nothing new.
const NAMED: usize = 20;
/// Lines that are compared at once.
const COMPARED_AT_ONCE: i64 = 5000;

fn publication(r: &super::sql::Row) -> Result<Publication, StoreError> {
    let day = |at: usize| -> Result<Option<NaiveDate>, StoreError> { Ok(r.text(at)?.parse().ok()) };
    Ok(Publication {
        id: r.int(0)?,
        batch: r.string(1)?,
        department: Addressee { code: r.string(2)?, name: r.string(3)?, mail: r.string(4)? },
        project: r.string(5)?,
        period: r.string(6)?,
        paid_on: day(7)?,
        due_on: day(8)?,
        state: r.string(9)?,
        edition: r.int(10)?,
        sum: Sum { count: r.count(11)?, amount: r.fen(12)? },
        sha256: r.string(13)?,
        problems: r.string(14)?,
        made_at: r.opt_int(15)?.map(Timestamp::from_millis),
        checked_at: r.opt_int(16)?.map(Timestamp::from_millis),
        posted_on: day(17)?,
    })
}

impl Tx {
    /// Publications that are not verified yet.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publications_open(&mut self) -> Result<Vec<Publication>, StoreError> {
        let sql = format!("select {COLUMNS} where p.state <> 'verified' order by p.id");
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(publication).collect()
    }

    /// Publications that are due on this day or before, that nobody has put up, and of which no incident (its key begins so) tells.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publications_unposted(&mut self, today: NaiveDate, told_as: &str) -> Result<Vec<Publication>, StoreError> {
        let sql = format!(
            "select {COLUMNS} where p.posted_on = '' and p.due_on <> '' and p.due_on <= $1 and p.rows > 0 \
             and not exists (select 1 from incident n where n.key = $2 || p.batch and n.state = 'open') order by p.id"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![today, told_as]).await?.iter().map(publication).collect()
    }

    /// The publication of a batch.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_of(&mut self, batch: &str) -> Result<Option<Publication>, StoreError> {
        let sql = format!("select {COLUMNS} where p.batch = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![batch]).await?.as_ref().map(publication).transpose()
    }

    /// When the first money of a batch was credited, by our books.
    ///
    /// # Errors
    /// The database refused.
    pub async fn first_paid_at(&mut self, batch: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = self.one("select min(at) from entry where batch = $1 and kind = 'pay'", args![batch]).await?;
        Ok(row.opt_int(0)?.map(Timestamp::from_millis))
    }

    /// Notes when people were first credited.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_paid(&mut self, id: i64, paid_on: NaiveDate, due_on: NaiveDate) -> Result<bool, StoreError> {
        let sql = "update publication set paid_on = $2, due_on = $3 where id = $1 and paid_on = ''";
        self.exec_one(sql, args![id, paid_on, due_on]).await
    }

    /// Notes an edition: what it says, and its digest. Says whether it still stood as read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_made(&mut self, was: &Publication, sum: Sum, sha256: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update publication set state = 'made', edition = edition + 1, rows = $3, amount_fen = $4, sha256 = $5, made_at = $6, checked_at = null, \
                   problems = '' where id = $1 and edition = $2";
        self.exec_one(sql, args![was.id, was.edition, sum.count, sum.amount, sha256, now]).await
    }

    /// Notes the outcome of a comparison.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_checked(&mut self, was: &Publication, problems: &str, now: Timestamp) -> Result<bool, StoreError> {
        let state = if problems.is_empty() { "verified" } else { "differs" };
        let sql = "update publication set state = $3, problems = $4, checked_at = $5 where id = $1 and edition = $2";
        self.exec_one(sql, args![was.id, was.edition, state, problems, now]).await
    }

    /// Notes that the department put it up. Says whether that is new.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_posted(&mut self, id: i64, on: NaiveDate, by: &str) -> Result<bool, StoreError> {
        let sql = "update publication set posted_on = $2, posted_by = $3 where id = $1 and posted_on = ''";
        self.exec_one(sql, args![id, on, by]).await
    }

    /// A page of a block's instructions, behind this one: the last instruction read, and those that are paid.
    ///
    /// # Errors
    /// The database refused.
    pub async fn public_page(
        &mut self,
        shape: &ListShape,
        last_id: i64,
        after: i64,
        limit: i64,
    ) -> Result<(Option<i64>, Vec<PublicRow>), StoreError> {
        let sql = "select i.id, coalesce(s.state, ''), p.seq, p.township, p.village, p.village_group, p.household_no, p.entitled_name, i.payee_name, i.payee_id, \
                   i.account, p.payee_role, coalesce(s.amount_fen, i.amount_fen) from instruction i join payment p on p.id = i.payment_id \
                   left join instruction_state s on s.instruction_id = i.id and s.instruction_id > $1 and s.instruction_id <= $2 \
                   where i.id > $1 and i.id <= $2 order by i.id limit $3";
        let rows = self.rows(sql, args![after, last_id, limit]).await?;
        let last = rows.last().map(|r| r.int(0)).transpose()?;
        let mut paid = Vec::new();
        for r in &rows {
            let state = match r.text(1)? {
                "" => shape.base(r.int(0)?).1,
                _ => r.code(1, InstructionState::from_code, "an instruction's state")?,
            };
            if state.figure() != Figure::Paid {
                continue;
            }
            paid.push(PublicRow {
                seq: r.int(2)?,
                township: r.string(3)?,
                village: r.string(4)?,
                group: r.string(5)?,
                household_no: r.string(6)?,
                entitled_name: Name::new(r.text(7)?),
                payee_name: Name::new(r.text(8)?),
                payee_id: IdNumber::new(r.text(9)?),
                account: Account::new(r.text(10)?),
                is_by_other: r.text(11)? != "self",
                amount: r.fen(12)?,
            });
        }
        Ok((last, paid))
    }

    /// What is paid by our books beside what the bank's applied answers say was credited, for one batch.
    ///
    /// File by file, in the order of its lines: a plan that joined a list with its answers could as well try each with each.
    ///
    /// # Errors
    /// The database refused.
    pub async fn compare_credits(&mut self, batch: &str) -> Result<Compared, StoreError> {
        let sql = "select id, first_id, last_id, lines_state from file_out where batch = $1 and kind = 'instruction' \
                   and state not in ('voided', 'abandoned') order by first_id";
        let files = self.rows(sql, args![batch]).await?;
        let mut found = Compared::default();
        for file in &files {
            let (first, last) = (file.int(1)?, file.int(2)?);
            let (said, mut after) = (self.said_paid(batch, (first, last)).await?, first - 1);
            while after < last {
                let until = last.min(after + COMPARED_AT_ONCE);
                self.compare_lines((after, until), file.text(3)?, &said, &mut found).await?;
                after = until;
            }
        }
        for named in [&mut found.without_word, &mut found.not_published] {
            named.sort_unstable();
            named.truncate(NAMED);
        }
        Ok(found)
    }

    /// Instructions of a range that a bank's final word says were credited, in their order; whichever file of theirs it answers.
    async fn said_paid(&mut self, batch: &str, (first, last): (i64, i64)) -> Result<Vec<i64>, StoreError> {
        let sql = "select x.id from file_out f join file_in x on x.file_out = f.id and x.state = 'applied' \
                   where f.batch = $1 and f.kind = 'instruction' and f.first_id <= $3 and f.last_id >= $2 order by x.id";
        let mut said = Vec::new();
        for answer in self.rows(sql, args![batch, first, last]).await? {
            let sql = "select line, case when outcome = 'paid' and is_final = 1 then instruction_id end from answer_line \
                       where file_in = $1 and line > $2 order by line limit $3";
            let mut after = i64::MIN;
            loop {
                let lines = self.rows(sql, args![answer.int(0)?, after, COMPARED_AT_ONCE]).await?;
                let Some(end) = lines.last() else { break };
                after = end.int(0)?;
                for r in &lines {
                    said.extend(r.opt_int(1)?);
                }
            }
        }
        said.sort_unstable();
        said.dedup();
        Ok(said)
    }

    async fn compare_lines(
        &mut self,
        (after, until): (i64, i64),
        base: &str,
        said: &[i64],
        found: &mut Compared,
    ) -> Result<(), StoreError> {
        let sql = "select i.id, p.seq, coalesce(s.amount_fen, i.amount_fen), coalesce(s.state, $3), coalesce(s.returned_fen, 0) from instruction i \
                   join payment p on p.id = i.payment_id left join instruction_state s on s.instruction_id = i.id and s.instruction_id > $1 \
                   and s.instruction_id <= $2 where i.id > $1 and i.id <= $2 order by i.id";
        let mut without_word = Vec::new();
        for r in self.rows(sql, args![after, until, base]).await? {
            let (id, seq, amount) = (r.int(0)?, r.int(1)?, r.fen(2)?);
            let is_said = said.binary_search(&id).is_ok();
            match r.text(3)? {
                "paid" => {
                    found.published.add(amount);
                    if is_said {
                        found.credited.add(amount);
                    } else {
                        without_word.push((id, seq));
                    }
                }
                "planned" | "sent" | "accepted" | "failed" | "failed_final" | "unknown" | "conflict"
                    if is_said && !r.fen(4)?.is_positive() =>
                {
                    found.not_published.push(seq);
                }
                _ => {}
            }
        }
        // Settled by two persons: they are the word then.
        for some in without_word.chunks(1000) {
            let ids = some.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(",");
            let sql = format!("select subject_id from event where subject = 'instruction' and to_state = 'paid' and subject_id in ({ids})");
            let settled = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
            let settled = settled.iter().map(|r| r.int(0)).collect::<Result<std::collections::BTreeSet<_>, _>>()?;
            found.without_word.extend(some.iter().filter(|(id, _)| !settled.contains(id)).map(|(_, seq)| *seq));
        }
        Ok(())
    }

    /// Publications for people to look at: the newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn publication_views(&mut self, open_only: bool, limit: i64) -> Result<Vec<PublicationView>, StoreError> {
        let only = if open_only { "where p.state <> 'verified' or p.posted_on = ''" } else { "" };
        let sql = format!(
            "select p.batch, b.department, j.name, b.period, p.paid_on, p.due_on, p.state, p.edition, p.rows, p.amount_fen, p.posted_on, p.problems \
             from publication p join batch b on b.number = p.batch join project j on j.code = b.project {only} order by p.id desc limit $1"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(PublicationView {
                    batch: r.string(0)?,
                    department: r.string(1)?,
                    project: r.string(2)?,
                    period: r.string(3)?,
                    paid_on: r.string(4)?,
                    due_on: r.string(5)?,
                    state: r.string(6)?,
                    edition: r.int(7)?,
                    rows: r.int(8)?,
                    fen: r.fen(9)?,
                    posted_on: r.string(10)?,
                    problems: r.string(11)?,
                })
            })
            .collect()
    }

    /// What each person of a department's lists was credited in a period, by township, village and person.
    ///
    /// # Errors
    /// The database refused.
    pub async fn person_statements(
        &mut self,
        department: &str,
        span: Span,
        (from, to): (Timestamp, Timestamp),
        zone: chrono_tz::Tz,
    ) -> Result<Vec<PersonStatement>, StoreError> {
        let sql = "select p.township, p.village, i.payee_id, i.payee_name, i.account, j.name, b.period, coalesce(s.amount_fen, i.amount_fen), f.answered_at, \
                   coalesce(l.on_date, '') from file_out f join batch b on b.number = f.batch join project j on j.code = b.project \
                   join instruction i on i.id >= f.first_id and i.id <= f.last_id join payment p on p.id = i.payment_id \
                   left join instruction_state s on s.instruction_id = i.id left join answer_line l on l.file_in = s.file_in and l.line = s.line \
                   where b.department = $1 and f.kind = 'instruction' and f.answered_at >= $2 and f.answered_at < $3 and coalesce(s.state, f.lines_state) = 'paid' \
                   order by p.township, p.village, i.payee_id, f.answered_at, i.id";
        let mut found: Vec<PersonStatement> = Vec::new();
        for r in self.rows(sql, args![department, from, to]).await? {
            let (township, village, id_number) = (r.string(0)?, r.string(1)?, IdNumber::new(r.text(2)?));
            let answered = Timestamp::from_millis(r.int(8)?).date(zone);
            let on = r.text(9)?.parse().unwrap_or(answered).clamp(span.from, span.to);
            let credit = Credit { on, project: r.string(5)?, period: r.string(6)?, amount: r.fen(7)?, account: Account::new(r.text(4)?) };
            match found.last_mut() {
                Some(last) if last.id_number == id_number && last.township == township && last.village == village => {
                    last.credits.push(credit);
                }
                Some(_) | None => {
                    let name = Name::new(r.text(3)?);
                    found.push(PersonStatement { township, village, name, id_number, credits: vec![credit] });
                }
            }
        }
        Ok(found)
    }
}
