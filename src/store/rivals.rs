//! Statements of the same days that say different things, and what was already found of their lines.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::StoreError;
use super::sql::{Row, Tx};
use super::statements::PayerAccount;
use crate::args;
use crate::domain::matching::MatchKind;
use crate::domain::money::Fen;

/// One of several statements for the same days.
#[derive(Clone, Debug)]
pub struct Rival {
    /// Its number.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// The balance before.
    pub opening: Option<Fen>,
    /// The balance behind.
    pub closing: Option<Fen>,
    /// How many lines.
    pub lines: i64,
    /// The file that brought it.
    pub file: String,
}

/// A line of the chosen statement that says what a line said that was explained already.
#[derive(Clone, Debug)]
pub struct TakenOver {
    /// The line.
    pub line: i64,
    /// How much.
    pub amount: Fen,
    /// The statement and line that were explained.
    pub of: (i64, i64),
    /// What it was found to be.
    pub was: String,
}

/// A line that was booked and that the chosen statement lacks: statement, line, what it was found to be.
pub type Lost = (i64, i64, String);

/// The same line says the same of these.
type Says = (String, String, i64, String, String);

const RIVAL: &str = "select s.id, s.bank, s.account, s.from_date, s.to_date, s.opening_fen, s.closing_fen, s.entries, f.name from statement s \
     join file_in f on f.id = s.file_in";

/// What is chosen, or may be: it counts, differs from what counts, or was set aside by an earlier choice.
const MAY_COUNT: &str = "(s.problems = '' or s.problems like 'conflict%' or s.problems like 'set aside%')";

impl Tx {
    /// A statement that counts or could; `None` for repetitions and accounts that are not ours.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rival(&mut self, statement: i64) -> Result<Option<Rival>, StoreError> {
        let sql = format!("{RIVAL} where s.id = $1 and {MAY_COUNT}");
        self.opt(sqlx::AssertSqlSafe(sql), args![statement]).await?.as_ref().map(rival).transpose()
    }

    /// Statements of a day in common that count or wait for a decision.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rivals_of(&mut self, chosen: &Rival) -> Result<Vec<Rival>, StoreError> {
        let sql = format!(
            "{RIVAL} where s.bank = $1 and s.account = $2 and s.from_date <= $4 and s.to_date >= $3 and s.id <> $5 \
             and (s.problems = '' or s.problems like 'conflict%') order by s.id"
        );
        let values = args![&chosen.bank, &chosen.account, chosen.from, chosen.to, chosen.id];
        self.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(rival).collect()
    }

    /// Lines of the chosen statement that are explained by what was found of the others' lines, and lines of those that were
    /// booked and that it lacks. What two persons called nothing of ours, and a return that
    /// they undid, needs no line.
    ///
    /// # Errors
    /// The database refused.
    pub async fn taken_over(&mut self, chosen: &Rival, others: &[Rival]) -> Result<(Vec<TakenOver>, Vec<Lost>), StoreError> {
        let sql = "select l.on_date, l.side, l.amount_fen, l.reference, l.bank_ref, l.line from statement_line l where l.statement = $1 \
                   and not exists (select 1 from statement_match m where m.statement = l.statement and m.line = l.line) order by l.line desc";
        let mut free: BTreeMap<Says, Vec<i64>> = BTreeMap::new();
        for row in self.rows(sql, args![chosen.id]).await? {
            free.entry(says(&row)?).or_default().push(row.int(5)?);
        }
        let (mut taken, mut lost) = (Vec::new(), Vec::new());
        for other in others {
            let sql = "select l.on_date, l.side, l.amount_fen, l.reference, l.bank_ref, l.line, m.kind, m.subject from statement_line l \
                       join statement_match m on m.statement = l.statement and m.line = l.line where l.statement = $1 order by l.line";
            for row in self.rows(sql, args![other.id]).await? {
                let (line, kind, subject) = (row.int(5)?, row.string(6)?, row.int(7)?);
                let was = if subject > 0 { format!("{kind} {subject}") } else { kind.clone() };
                match free.get_mut(&says(&row)?).and_then(Vec::pop) {
                    Some(here) => taken.push(TakenOver { line: here, amount: row.fen(2)?, of: (other.id, line), was }),
                    None if kind == MatchKind::Other.code() => {}
                    None if kind == MatchKind::Return.code() && self.is_undone((other.id, line)).await? => {}
                    None => lost.push((other.id, line, was)),
                }
            }
        }
        Ok((taken, lost))
    }

    /// The days of an account on which two persons chose between statements.
    ///
    /// # Errors
    /// The database refused.
    pub async fn days_chosen(&mut self, of: &PayerAccount) -> Result<Vec<NaiveDate>, StoreError> {
        let sql = "select distinct from_date, to_date from statement where bank = $1 and account = $2 and problems <> '' and problems like 'set aside%'";
        let mut days = Vec::new();
        for row in self.rows(sql, args![&of.bank, &of.account]).await? {
            let (from, to) = (row.date(0)?, row.date(1)?);
            days.extend(from.iter_days().take_while(|day| *day <= to));
        }
        Ok(days)
    }

    /// Says why a statement does not count; with no reason it does.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_statement(&mut self, id: i64, problems: &str) -> Result<(), StoreError> {
        self.exec("update statement set problems = $2 where id = $1", args![id, problems]).await?;
        if problems.is_empty() {
            // From here on it counts, and its lines ask for what explains them.
            let sql = "insert into reconciled (kind, subject, unseen) values ('statement', $1, 1) on conflict (kind, subject) do update set unseen = 1";
            self.exec(sql, args![id]).await?;
        }
        Ok(())
    }
}

fn says(r: &Row) -> Result<Says, StoreError> {
    Ok((r.string(0)?, r.string(1)?, r.int(2)?, r.string(3)?, r.string(4)?))
}

fn rival(r: &Row) -> Result<Rival, StoreError> {
    Ok(Rival {
        id: r.int(0)?,
        bank: r.string(1)?,
        account: r.string(2)?,
        from: r.date(3)?,
        to: r.date(4)?,
        opening: r.opt_int(5)?.map(Fen::new),
        closing: r.opt_int(6)?.map(Fen::new),
        lines: r.int(7)?,
        file: r.string(8)?,
    })
}
