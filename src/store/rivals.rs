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

impl TakenOver {
    /// In words, for the match that says so: `origin` reads them.
    #[must_use]
    pub fn words(&self) -> String {
        format!("as statement {} line {}: {}", self.of.0, self.of.1, self.was)
    }
}

/// The statement and line that a line was taken over from, by the words of its match.
fn origin(words: &str) -> Option<(i64, i64)> {
    let (statement, rest) = words.strip_prefix("as statement ")?.split_once(" line ")?;
    let (line, _) = rest.split_once(": ")?;
    Some((statement.parse().ok()?, line.parse().ok()?))
}

/// A line that was explained by itself, and as what.
struct FoundFirst {
    at: (i64, i64),
    kind: String,
    subject: i64,
}

impl FoundFirst {
    fn was(&self) -> String {
        if self.subject > 0 { format!("{} {}", self.kind, self.subject) } else { self.kind.clone() }
    }
}

/// The act by which lines are taken over: a reason that persons wrote is read as nothing else.
const CHOICE: &str = "statement.choose";

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
        let sql = "select l.on_date, l.side, l.amount_fen, l.reference, l.bank_ref, l.line, case when exists (select 1 from statement_match m \
                   where m.statement = l.statement and m.line = l.line) then 1 else 0 end from statement_line l where l.statement = $1 order by l.line desc";
        // What it has explained already, and what is free to be explained by another's.
        let (mut explained, mut free): (BTreeMap<Says, u64>, BTreeMap<Says, Vec<i64>>) = (BTreeMap::new(), BTreeMap::new());
        for row in self.rows(sql, args![chosen.id]).await? {
            if row.int(6)? == 1 {
                *explained.entry(says(&row)?).or_default() += 1;
            } else {
                free.entry(says(&row)?).or_default().push(row.int(5)?);
            }
        }
        let (mut taken, mut lost) = (Vec::new(), Vec::new());
        for other in others {
            let sql = "select l.on_date, l.side, l.amount_fen, l.reference, l.bank_ref, l.line, m.kind, m.subject from statement_line l \
                       join statement_match m on m.statement = l.statement and m.line = l.line where l.statement = $1 order by l.line";
            for row in self.rows(sql, args![other.id]).await? {
                let (key, at) = (says(&row)?, (other.id, row.int(5)?));
                if let Some(left) = explained.get_mut(&key).filter(|left| **left > 0) {
                    *left -= 1;
                    continue;
                }
                let here = FoundFirst { at, kind: row.string(6)?, subject: row.int(7)? };
                if let Some(line) = free.get_mut(&key).and_then(Vec::pop) {
                    taken.push(TakenOver { line, amount: row.fen(2)?, of: at, was: here.was() });
                    continue;
                }
                // What an earlier choice took over is as booked as on the day on which it was found.
                let first = if here.kind == MatchKind::Other.code() { self.found_first(at).await? } else { here };
                let is_other = first.kind == MatchKind::Other.code();
                let is_undone = first.kind == MatchKind::Return.code() && self.is_undone(first.at).await?;
                if !is_other && !is_undone {
                    lost.push((at.0, at.1, first.was()));
                }
            }
        }
        Ok((taken, lost))
    }

    /// What a line was found to be where it was found first: an earlier choice may have taken it over, and over again.
    async fn found_first(&mut self, at: (i64, i64)) -> Result<FoundFirst, StoreError> {
        let sql = "select m.id, m.kind, m.subject, m.reason, coalesce(p.act, '') from statement_match m left join proposal p on p.id = m.proposal \
                   where m.statement = $1 and m.line = $2 and m.id < $3";
        let (mut at, mut newest) = (at, i64::MAX);
        loop {
            // Each was explained before the one that took it over, so that this ends.
            let Some(row) = self.opt(sql, args![at.0, at.1, newest]).await? else {
                return Err(StoreError::Broken(format!(
                    "line {} of statement {} was taken over, and nothing had explained it",
                    at.1, at.0
                )));
            };
            newest = row.int(0)?;
            let found = FoundFirst { at, kind: row.string(1)?, subject: row.int(2)? };
            let is_taken_over = found.kind == MatchKind::Other.code() && row.text(4)? == CHOICE;
            match origin(row.text(3)?).filter(|_| is_taken_over) {
                Some(before) => at = before,
                None => return Ok(found),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_line_was_taken_over_from_is_read_from_its_words() {
        let taken = TakenOver { line: 3, amount: Fen::new(1), of: (12, 7), was: "return 5".to_owned() };
        assert_eq!(origin(&format!("{}; one + other", taken.words())), Some((12, 7)));
        for other in ["", "a letter", "as statement 12 line 7", "as statement x line 7: file 3"] {
            assert_eq!(origin(other), None, "{other}");
        }
    }
}
