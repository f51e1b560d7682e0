//! Statements (对账单) and what their lines were matched with. Lines and matches only grow; which of them count, and which
//! files still have money to be seen, is read from what is marked as done, so that history costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::exchange::Side;
use crate::domain::masked::{Account, Name};
use crate::domain::matching::{BreakKind, How, Line, MatchKind};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Sheet, Verdict};

/// A payer account at a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerAccount {
    /// The bank.
    pub bank: String,
    /// The account: a department's, not a person's, so it is printed whole.
    pub account: String,
    /// Whether an agreement pays from cash.
    pub is_cash: bool,
}

/// The days that a statement covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The statement.
    pub id: i64,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

/// A line as people see it, with what it was matched with.
#[derive(Clone, Debug, Serialize)]
pub struct LineView {
    /// The statement.
    pub statement: i64,
    /// The line.
    pub line: i64,
    /// The booking date.
    pub on: String,
    /// `credit` or `debit`.
    pub side: String,
    /// How much.
    pub fen: Fen,
    /// The reference, as the bank gives it.
    pub reference: String,
    /// The bank's words.
    pub words: String,
    /// The other side's name, masked.
    pub counter_name: Name,
    /// What it is, or empty.
    pub kind: String,
    /// Of what number, or 0.
    pub subject: i64,
    /// How it was found, or empty.
    pub how: String,
    /// Who said so and why, if persons did.
    pub reason: String,
}

/// A statement as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct StatementView {
    /// Its number.
    pub id: i64,
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The balance before.
    pub opening: Option<i64>,
    /// The balance behind.
    pub closing: Option<i64>,
    /// How many entries.
    pub entries: i64,
    /// How many are not explained.
    pub open: i64,
    /// Why it does not count, or empty.
    pub problems: String,
}

/// A match to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewMatch<'a> {
    /// The statement and line.
    pub at: (i64, i64),
    /// What it is.
    pub kind: MatchKind,
    /// Of what number.
    pub subject: i64,
    /// How much.
    pub amount: Fen,
    /// How it was found.
    pub how: How,
    /// By whose proposal.
    pub proposal: Option<i64>,
    /// Why, if persons said so.
    pub reason: &'a str,
}

/// A break, open or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakRow {
    /// Its number.
    pub id: i64,
    /// Which break it is.
    pub key: String,
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The day.
    pub on_date: NaiveDate,
    /// In what way.
    pub kind: String,
    /// The statement, if a line disagrees.
    pub statement: Option<i64>,
    /// The line.
    pub line: Option<i64>,
    /// What it concerns.
    pub subject: String,
    /// What it should be.
    pub expected_fen: Option<i64>,
    /// What it is.
    pub found_fen: Option<i64>,
    /// In words.
    pub what: String,
    /// What to do.
    pub next_step: String,
    /// What it might be.
    pub candidates: String,
    /// Whose it is.
    pub owner: String,
    /// By when.
    pub due_on: NaiveDate,
    /// Open or closed.
    pub state: String,
    /// Since when.
    pub opened_at: i64,
}

/// A break to be opened.
#[derive(Clone, Debug)]
pub struct NewBreak {
    /// Which break it is: one while it is open.
    pub key: String,
    /// The day.
    pub on: NaiveDate,
    /// In what way.
    pub kind: BreakKind,
    /// The line, if a line disagrees.
    pub at: Option<(i64, i64)>,
    /// What it concerns.
    pub subject: String,
    /// What it should be.
    pub expected: Option<Fen>,
    /// What it is.
    pub found: Option<Fen>,
    /// In words.
    pub what: String,
    /// What to do.
    pub next_step: String,
    /// What it might be.
    pub candidates: String,
    /// Whose it is.
    pub owner: &'static str,
    /// Until when it might have come by itself.
    pub grace_until: NaiveDate,
    /// By when somebody should have settled it.
    pub due_on: NaiveDate,
}

/// A run for one day of one account.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: i64,
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The day.
    pub on_date: String,
    /// How it stands.
    pub verdict: String,
    /// The balance before.
    pub opening_fen: Option<i64>,
    /// The balance behind.
    pub closing_fen: Option<i64>,
    /// What nothing explains.
    pub residual_fen: i64,
    /// Lines.
    pub lines: i64,
    /// Explained.
    pub matched: i64,
    /// Open breaks.
    pub breaks: i64,
    /// What its report hashes to.
    pub sha256: String,
}

/// What a run says.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// The bank and account.
    pub of: &'a PayerAccount,
    /// The day.
    pub on: NaiveDate,
    /// How it stands.
    pub verdict: Verdict,
    /// The balances.
    pub balances: (Option<Fen>, Option<Fen>),
    /// What nothing explains.
    pub residual: Fen,
    /// Lines, explained ones, breaks.
    pub counts: (usize, usize, usize),
    /// The report and its hash.
    pub report: (&'a str, &'a str),
}

const SIDE: &str = "a statement line's side";

fn line(r: &Row) -> Result<Line, StoreError> {
    Ok(Line {
        statement: r.int(0)?,
        line: r.int(1)?,
        on: r.date(2)?,
        side: r.code(3, Side::from_code, SIDE)?,
        amount: r.fen(4)?,
        reference: r.string(5)?,
        words: r.string(6)?,
        counter_account: Account::new(r.string(7)?),
        counter_name: Name::new(r.string(8)?),
    })
}

pub(super) fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

impl Tx {
    /// Payer accounts of which a statement came, or for which a file went out.
    ///
    /// # Errors
    /// The database refused.
    pub async fn accounts_to_reconcile(&mut self) -> Result<Vec<PayerAccount>, StoreError> {
        let sql = "select a.bank, a.payer_account, max(case when a.funds_model = 'cash' then 1 else 0 end) from agreement a \
                   where (select s.id from statement s where s.account = a.payer_account and s.bank = a.bank limit 1) is not null \
                   group by a.bank, a.payer_account order by a.bank, a.payer_account";
        let rows = self.rows(sql, args![]).await?;
        rows.iter().map(|r| Ok(PayerAccount { bank: r.string(0)?, account: r.string(1)?, is_cash: r.int(2)? == 1 })).collect()
    }

    /// What of an account there is that could change a verdict: newest statement, match, order, case, funding, entry of no file; files of
    /// its bank with an entry that was not seen. What moves at another bank's files is no reason to look here.
    ///
    /// # Errors
    /// The database refused.
    pub async fn account_pulse(&mut self, of: &PayerAccount) -> Result<String, StoreError> {
        let sql = "select coalesce((select max(id) from statement where bank = $1 and account = $2), 0), \
                   coalesce((select max(id) from statement_match), 0), coalesce((select max(id) from entry where file_out is null), 0), \
                   (select count(*) from refund_order where bank = $1 and state in ('sent', 'accepted', 'executed')), \
                   (select count(*) from failure_case where state = 'open' and kind = 'recovery'), coalesce((select max(id) from funding), 0), \
                   (select count(*) from file_in where bank = $1 and kind = 'statement' and state = 'conflict'), \
                   u.n, u.newest from (select count(*) as n, cast(coalesce(sum(r.newest), 0) as bigint) as newest from reconciled r \
                   join file_out f on f.id = r.subject where r.kind = 'file' and r.unseen = 1 and f.bank = $1) u";
        let row = self.one(sql, args![&of.bank, &of.account]).await?;
        let parts = (0..9).map(|at| row.int(at).map(|n| n.to_string())).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.join("/"))
    }

    /// What of an account was last looked at.
    ///
    /// # Errors
    /// The database refused.
    pub async fn account_mark(&mut self, of: &PayerAccount) -> Result<Option<String>, StoreError> {
        let row = self.opt("select pulse from reconcile_mark where bank = $1 and account = $2", args![&of.bank, &of.account]).await?;
        row.map(|r| r.string(0)).transpose()
    }

    /// Takes the account for this transaction: one node at a time matches its lines.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mark_account(&mut self, of: &PayerAccount, pulse: &str) -> Result<(), StoreError> {
        let sql = "insert into reconcile_mark (bank, account, pulse) values ($1, $2, $3) on conflict (bank, account) do update set pulse = excluded.pulse";
        self.exec(sql, args![&of.bank, &of.account, pulse]).await.map(|_| ())
    }

    /// Statements of an account that count and may have lines that nothing explains, in their order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statements_unexplained(&mut self, of: &PayerAccount) -> Result<Vec<i64>, StoreError> {
        let sql = "select s.id from statement s where s.bank = $1 and s.account = $2 and s.problems = '' \
                   and s.id in (select r.subject from reconciled r where r.kind = 'statement' and r.unseen = 1) order by s.id";
        self.rows(sql, args![&of.bank, &of.account]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// The last line of a page of a statement behind this line, if any is left.
    ///
    /// # Errors
    /// The database refused.
    pub async fn page_of_lines(&mut self, statement: i64, after: i64, most: i64) -> Result<Option<i64>, StoreError> {
        let sql = "select max(x.line) from (select line from statement_line where statement = $1 and line > $2 order by line limit $3) x";
        self.one(sql, args![statement, after, most]).await?.opt_int(0)
    }

    /// Lines of a part of a statement, behind the one up to the other, that nothing explains. Both tables are bounded by it, so that
    /// no plan reads all matches that ever were.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_unexplained(&mut self, statement: i64, (after, last): (i64, i64)) -> Result<Vec<Line>, StoreError> {
        let sql = "select l.statement, l.line, l.on_date, l.side, l.amount_fen, l.reference, l.words, l.counter_account, l.counter_name \
                   from statement_line l where l.statement = $1 and l.line > $2 and l.line <= $3 and not exists (select 1 from statement_match m \
                   where m.statement = $1 and m.line > $2 and m.line <= $3 and m.line = l.line) order by l.line";
        self.rows(sql, args![statement, after, last]).await?.iter().map(line).collect()
    }

    /// One line of a statement, with bank and account, if nothing explains it yet.
    ///
    /// # Errors
    /// The database refused.
    pub async fn line_unexplained(&mut self, statement: i64, number: i64) -> Result<Option<(PayerAccount, Line)>, StoreError> {
        let sql = "select l.statement, l.line, l.on_date, l.side, l.amount_fen, l.reference, l.words, l.counter_account, l.counter_name, s.bank, s.account, \
                   case when exists (select 1 from agreement a where a.bank = s.bank and a.payer_account = s.account and a.funds_model = 'cash') then 1 else 0 end \
                   from statement s join statement_line l on l.statement = s.id where s.id = $1 and l.line = $2 and s.problems = '' \
                   and not exists (select 1 from statement_match m where m.statement = l.statement and m.line = l.line)";
        let row = self.opt(sql, args![statement, number]).await?;
        row.map(|r| Ok((PayerAccount { bank: r.string(9)?, account: r.string(10)?, is_cash: r.int(11)? == 1 }, line(&r)?))).transpose()
    }

    /// Marks statements of an account of which every line is explained.
    ///
    /// # Errors
    /// The database refused.
    pub async fn settle_statements(&mut self, of: &PayerAccount) -> Result<u64, StoreError> {
        let sql = "update reconciled set unseen = 0 where kind = 'statement' and unseen = 1 \
                   and subject in (select s.id from statement s where s.bank = $1 and s.account = $2 and s.problems = '') \
                   and not exists (select 1 from statement_line l where l.statement = reconciled.subject and not exists \
                   (select 1 from statement_match m where m.statement = l.statement and m.line = l.line))";
        self.exec(sql, args![&of.bank, &of.account]).await
    }

    /// Writes matches.
    ///
    /// # Errors
    /// A line is explained already (a unique violation), or the database refused.
    pub async fn insert_matches(&mut self, matches: &[NewMatch<'_>], now: Timestamp) -> Result<(), StoreError> {
        const COLUMNS: &[&str] = &["statement", "line", "kind", "subject", "amount_fen", "how", "proposal", "reason", "at"];
        let row =
            move |m: &NewMatch<'_>| args![m.at.0, m.at.1, m.kind.code(), m.subject, m.amount, m.how.code(), m.proposal, m.reason, now];
        self.bulk("statement_match", COLUMNS, Box::new(matches.iter().map(row))).await
    }

    /// Statements that count and overlap a span of days: number, span, balances, entries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statements_over(&mut self, bank: &str, account: &str, from: NaiveDate, to: NaiveDate) -> Result<Vec<Sheet>, StoreError> {
        let sql = "select s.id, s.from_date, s.to_date, s.opening_fen, s.closing_fen, s.entries, \
                   (select count(*) from statement_line l where l.statement = s.id), \
                   (select cast(coalesce(sum(l.amount_fen), 0) as bigint) from statement_line l where l.statement = s.id and l.side = 'credit'), \
                   (select cast(coalesce(sum(l.amount_fen), 0) as bigint) from statement_line l where l.statement = s.id and l.side = 'debit') \
                   from statement s where s.bank = $1 and s.account = $2 and s.problems = '' and s.from_date <= $4 and s.to_date >= $3 order by s.id";
        self.rows(sql, args![bank, account, from, to]).await?.iter().map(sheet).collect()
    }

    /// Statements by number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statements_numbered(&mut self, ids: &[i64]) -> Result<Vec<Sheet>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select s.id, s.from_date, s.to_date, s.opening_fen, s.closing_fen, s.entries, \
             (select count(*) from statement_line l where l.statement = s.id), \
             (select cast(coalesce(sum(l.amount_fen), 0) as bigint) from statement_line l where l.statement = s.id and l.side = 'credit'), \
             (select cast(coalesce(sum(l.amount_fen), 0) as bigint) from statement_line l where l.statement = s.id and l.side = 'debit') \
             from statement s where s.id in ({}) order by s.id",
            list(ids)
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(sheet).collect()
    }

    /// The statement before a day.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statement_before(&mut self, of: &PayerAccount, day: NaiveDate) -> Result<Option<i64>, StoreError> {
        let sql = "select id from statement where bank = $1 and account = $2 and problems = '' and to_date < $3 order by to_date desc, id desc limit 1";
        self.opt(sql, args![&of.bank, &of.account, day]).await?.map(|r| r.int(0)).transpose()
    }

    /// Which statements that count overlap a span of days, by number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statements_spanning(&mut self, of: &PayerAccount, from: NaiveDate, to: NaiveDate) -> Result<Vec<Span>, StoreError> {
        let sql = "select id, from_date, to_date from statement where bank = $1 and account = $2 and problems = '' and from_date <= $4 \
                   and to_date >= $3 order by id";
        let rows = self.rows(sql, args![&of.bank, &of.account, from, to]).await?;
        rows.iter().map(|r| Ok(Span { id: r.int(0)?, from: r.date(1)?, to: r.date(2)? })).collect()
    }

    /// The day of the first statement since a day that does not begin where the one before it ended.
    ///
    /// # Errors
    /// The database refused.
    pub async fn broken_from(&mut self, of: &PayerAccount, since: NaiveDate) -> Result<Option<NaiveDate>, StoreError> {
        let sql = "select from_date from (select from_date, to_date, opening_fen, lag(closing_fen) over (order by to_date, id) as before \
                   from statement where bank = $1 and account = $2 and problems = '' and to_date >= $3) x where opening_fen <> before \
                   order by from_date limit 1";
        self.opt(sql, args![&of.bank, &of.account, since]).await?.map(|r| r.date(0)).transpose()
    }

    /// The first day of which an account has a statement.
    ///
    /// # Errors
    /// The database refused.
    pub async fn stated_from(&mut self, of: &PayerAccount) -> Result<Option<NaiveDate>, StoreError> {
        let sql = "select from_date from statement where bank = $1 and account = $2 and problems = '' order by to_date, id limit 1";
        self.opt(sql, args![&of.bank, &of.account]).await?.map(|r| r.date(0)).transpose()
    }

    /// The days that an account's statements span; `None` where there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn days_stated(&mut self, of: &PayerAccount) -> Result<Option<(NaiveDate, NaiveDate)>, StoreError> {
        let sql =
            "select min(from_date), max(to_date) from statement where bank = $1 and account = $2 and problems = '' having count(*) > 0";
        let row = self.opt(sql, args![&of.bank, &of.account]).await?;
        row.map(|r| Ok((r.date(0)?, r.date(1)?))).transpose()
    }

    /// The days of a span for which another statement, with other bytes, came and nobody decided.
    ///
    /// # Errors
    /// The database refused.
    pub async fn days_contested(
        &mut self,
        of: &PayerAccount,
        from: NaiveDate,
        until: NaiveDate,
    ) -> Result<BTreeSet<NaiveDate>, StoreError> {
        let sql = "select s.from_date, s.to_date from statement s where s.bank = $1 and s.account = $2 and s.from_date <= $4 and s.to_date >= $3 \
                   and (s.problems like 'conflict%' or exists (select 1 from file_in f join file_in x \
                   on x.bank = f.bank and x.exchange_key = f.exchange_key and x.kind = f.kind where f.id = s.file_in and x.state = 'conflict'))";
        let mut days = BTreeSet::new();
        for row in self.rows(sql, args![&of.bank, &of.account, from, until]).await? {
            let (first, last) = (row.date(0)?.max(from), row.date(1)?.min(until));
            days.extend(first.iter_days().take_while(|day| *day <= last));
        }
        Ok(days)
    }

    /// A page of the lines of statements on one day, behind a line, with what explains them up to a match's number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_of_day(
        &mut self,
        statements: &[i64],
        on: NaiveDate,
        last_match: i64,
        after: (i64, i64),
    ) -> Result<Vec<LineView>, StoreError> {
        let mut statements: Vec<i64> = statements.iter().copied().filter(|id| *id >= after.0).collect();
        statements.sort_unstable();
        for statement in statements {
            let last =
                self.one("select coalesce(max(line), 0) from statement_line where statement = $1", args![statement]).await?.int(0)?;
            let mut from = if statement == after.0 { after.1 } else { 0 };
            while from < last {
                let lines = self.lines_between(statement, (from, from + LINES_AT_ONCE), on, last_match).await?;
                if !lines.is_empty() {
                    return Ok(lines);
                }
                from += LINES_AT_ONCE;
            }
        }
        Ok(Vec::new())
    }

    /// Lines of one statement by their numbers, and apart from them what explains them: whatever the planner knows of tables
    /// that have just grown, no plan reads more than these.
    async fn lines_between(
        &mut self,
        statement: i64,
        (from, to): (i64, i64),
        on: NaiveDate,
        last_match: i64,
    ) -> Result<Vec<LineView>, StoreError> {
        let sql = "select statement, line, on_date, side, amount_fen, reference, words, counter_name, '', 0, '', '' from statement_line \
                   where statement = $1 and line > $2 and line <= $3 and on_date = $4 order by line";
        let rows = self.rows(sql, args![statement, from, to, on]).await?;
        let mut lines: Vec<LineView> = rows.iter().map(line_view).collect::<Result<_, _>>()?;
        let sql =
            "select line, kind, subject, how, reason from statement_match where statement = $1 and line > $2 and line <= $3 and id <= $4";
        for r in self.rows(sql, args![statement, from, to, last_match]).await? {
            let number = r.int(0)?;
            if let Ok(at) = lines.binary_search_by_key(&number, |l| l.line)
                && let Some(line) = lines.get_mut(at)
            {
                (line.kind, line.subject, line.how, line.reason) = (r.string(1)?, r.int(2)?, r.string(3)?, r.string(4)?);
            }
        }
        Ok(lines)
    }

    /// Credits less debits of statements before a day: how a day within a longer statement begins.
    ///
    /// # Errors
    /// The database refused.
    pub async fn moved_before(&mut self, statements: &[i64], on: NaiveDate) -> Result<i64, StoreError> {
        let sql = format!(
            "select cast(coalesce(sum(case when side = 'credit' then amount_fen else -amount_fen end), 0) as bigint) from statement_line \
             where statement in ({}) and on_date < $1",
            ids_or_none(statements)
        );
        self.one(sqlx::AssertSqlSafe(sql), args![on]).await?.int(0)
    }

    /// The newest match of each of these statements that has one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn last_matches(&mut self, statements: &BTreeSet<i64>) -> Result<BTreeMap<i64, i64>, StoreError> {
        if statements.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<i64> = statements.iter().copied().collect();
        let sql = format!("select statement, max(id) from statement_match where statement in ({}) group by statement", list(&ids));
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
    }

    /// A statement for people, with its lines.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statement_lines(&mut self, statement: i64) -> Result<Vec<LineView>, StoreError> {
        let sql = format!("{LINE} where l.statement = $1 order by l.line");
        self.rows(sqlx::AssertSqlSafe(sql), args![statement, i64::MAX]).await?.iter().map(line_view).collect()
    }

    /// Statements for people, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statements(&mut self, account: &str, limit: i64) -> Result<Vec<StatementView>, StoreError> {
        let sql = "select s.id, s.bank, s.account, s.from_date, s.to_date, s.opening_fen, s.closing_fen, s.entries, \
                   case when exists (select 1 from reconciled r where r.kind = 'statement' and r.subject = s.id and r.unseen = 0) then 0 else \
                   (select count(*) from statement_line l where l.statement = s.id and not exists \
                   (select 1 from statement_match m where m.statement = l.statement and m.line = l.line)) end, s.problems \
                   from statement s where ($1 = '' or s.account = $1) order by s.to_date desc, s.id desc limit $2";
        let rows = self.rows(sql, args![account, limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(StatementView {
                    id: r.int(0)?,
                    bank: r.string(1)?,
                    account: r.string(2)?,
                    from: r.string(3)?,
                    to: r.string(4)?,
                    opening: r.opt_int(5)?,
                    closing: r.opt_int(6)?,
                    entries: r.int(7)?,
                    open: r.int(8)?,
                    problems: r.string(9)?,
                })
            })
            .collect()
    }
}

/// Lines of a statement that are read at once.
const LINES_AT_ONCE: i64 = 5000;

/// An `in` list that may be empty.
fn ids_or_none(ids: &[i64]) -> String {
    if ids.is_empty() { "0".to_owned() } else { list(ids) }
}

/// Lines with what explains them.
const LINE: &str = "select l.statement, l.line, l.on_date, l.side, l.amount_fen, l.reference, l.words, l.counter_name, coalesce(m.kind, ''), \
     coalesce(m.subject, 0), coalesce(m.how, ''), coalesce(m.reason, '') from statement_line l \
     left join statement_match m on m.statement = l.statement and m.line = l.line and m.id <= $2";

fn line_view(r: &Row) -> Result<LineView, StoreError> {
    Ok(LineView {
        statement: r.int(0)?,
        line: r.int(1)?,
        on: r.string(2)?,
        side: r.string(3)?,
        fen: r.fen(4)?,
        reference: r.string(5)?,
        words: r.string(6)?,
        counter_name: Name::new(r.string(7)?),
        kind: r.string(8)?,
        subject: r.int(9)?,
        how: r.string(10)?,
        reason: r.string(11)?,
    })
}

fn sheet(r: &Row) -> Result<Sheet, StoreError> {
    Ok(Sheet {
        id: r.int(0)?,
        from: r.date(1)?,
        to: r.date(2)?,
        opening: r.opt_int(3)?.map(Fen::new),
        closing: r.opt_int(4)?.map(Fen::new),
        declared: r.int(5)?,
        lines: r.int(6)?,
        credits: r.fen(7)?,
        debits: r.fen(8)?,
    })
}
