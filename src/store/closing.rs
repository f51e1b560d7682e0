//! Periods: their cut, what lay where at it, and their seal. The cut is an entry's number, taken while no other transaction
//! can hold a smaller one (`entry_cut`); the lines that made up the suspense accounts then are copied beside it, because
//! states move on and postings alone do not say whose money it was.

/// Where a figure comes from, row by row.
pub mod trace;

use chrono::NaiveDate;

use super::StoreError;
use super::remainders::rest_in_question;
use super::sql::{Row, Tx, TxEngine};
use crate::args;
use crate::domain::closing::{Figures, ItemKind, PeriodState, Scope, Sum};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

/// Of a failure: another holds its claim, one that was paid after all, it may be, with this money. No order could send it back.
macro_rules! held_elsewhere {
    ($line:literal) => {
        concat!(
            "exists (select 1 from instruction i where i.id = ",
            $line,
            ".instruction_id and (exists (select 1 from instruction o where o.claim_key = i.claim_key and o.live = 1 and o.id <> i.id) or ",
            rest_in_question!("i"),
            "))"
        )
    };
}
use held_elsewhere;
/// Of what remains: the whole may have been paid.
macro_rules! whole_in_question {
    ($rest:literal) => {
        concat!(
            "exists (select 1 from failure_case c where c.instruction_id = ",
            $rest,
            ".instruction_id and c.kind = 'double_payment_suspected' and c.state = 'open')"
        )
    };
}
use whole_in_question;

/// How long who cuts waits for those who write.
const CUT_PATIENCE: &str = "set local lock_timeout = '5s'";

/// A period of a department's project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its key.
    pub id: i64,
    /// Month or year.
    pub scope: Scope,
    /// `2019-03` or `2019`.
    pub period: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// The close day.
    pub close_on: NaiveDate,
    /// Behind this entry
    pub from_entry: i64,
    /// up to this one.
    pub to_entry: i64,
    /// Where it stands.
    pub state: PeriodState,
    /// What was sealed, as text.
    pub figures: String,
    /// Its hash.
    pub sha256: String,
    /// The head of the audit log with the seal in it.
    pub audit_head: String,
    /// When the cut was taken.
    pub opened_at: Timestamp,
    /// When it was sealed.
    pub sealed_at: Option<Timestamp>,
    /// The last entry that its seal has seen.
    pub sealed_entry: Option<i64>,
}

/// A period to begin.
#[derive(Clone, Debug)]
pub struct NewPeriod<'a> {
    /// Month or year.
    pub scope: Scope,
    /// `2019-03` or `2019`.
    pub period: &'a str,
    /// Department's code.
    pub department: &'a str,
    /// Project's code.
    pub project: &'a str,
    /// The close day.
    pub close_on: NaiveDate,
    /// Behind this entry
    pub from_entry: i64,
    /// up to this one.
    pub to_entry: i64,
}

/// Which periods somebody asks for; an empty text is every one.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// `2019-03` or `2019`.
    pub period: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
}

/// A department's project that has accounts, and how far it is closed.
#[derive(Clone, Debug)]
pub struct PurseSpan {
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// The last month that was cut, or empty.
    pub month: String,
    /// That month's cut.
    pub cut: i64,
    /// When the first entry behind that cut was booked, if there is one.
    pub first_at: Option<Timestamp>,
    /// Whether money lay at that cut where it does not stay.
    pub is_waiting: bool,
}

/// What lies in an account, from the lines.
#[derive(Clone, Copy, Debug)]
pub struct ItemSum {
    /// Fiscal year.
    pub year: i32,
    /// Where.
    pub kind: ItemKind,
    /// How much.
    pub sum: Sum,
    /// Of it, with an open case.
    pub with_case: Sum,
}

/// An account's postings of one kind of entry, before a period and in it.
#[derive(Clone, Debug)]
pub struct FlowRow {
    /// Fiscal year.
    pub year: i32,
    /// The account's kind.
    pub account: String,
    /// The entries' kind.
    pub entry: String,
    /// Up to the cut before.
    pub before: Fen,
    /// What came since.
    pub added: Fen,
    /// What went since, as a positive amount.
    pub removed: Fen,
}

/// What became of a period's lines behind its cut.
#[derive(Clone, Debug)]
pub struct FateRow {
    /// Fiscal year.
    pub year: i32,
    /// Where the line stands now.
    pub state: String,
    /// The class of its reason now.
    pub class: String,
    /// The refund order that has it, or empty.
    pub order: String,
    /// Where that stands.
    pub order_state: String,
    /// The entry with which its money was seen to arrive.
    pub closed_by: Option<i64>,
    /// How many lines.
    pub sum: Sum,
}

/// An opening balance that went back.
#[derive(Clone, Debug)]
pub struct OpenedBack {
    /// Fiscal year.
    pub year: i32,
    /// The account's kind.
    pub account: String,
    /// Its number.
    pub opening: i64,
    /// Fen.
    pub fen: Fen,
    /// The entry with which it did.
    pub entry: i64,
}

const PERIOD: &str = "select id, scope, period, department, project, close_on, from_entry, to_entry, state, figures, sha256, audit_head, opened_at, sealed_at, \
     coalesce(sealed_entry, (select max(e.id) from entry e where e.at <= sealed_at)) from period_close";

/// Every line of a purse (`$1`, `$2`) whose money is neither credited nor back. Files whose lines stand alike are one row; what
/// stands otherwise has its own, and what remains of a partly paid line another.
const ITEMS: &str = "select case when s.state in ('unknown', 'conflict') then 'unknown' when s.state in ('planned', 'sent', 'accepted') then 'in_flight' \
     when s.state = 'lapsed' then 'lapsed' when s.state = 'recovered' or s.class = 'IR' then 'ineligible' else 'correctable' end as kind, a.year as year, \
     s.file_out as file_out, s.instruction_id as instruction_id, 0 as part, 1 as lines, s.amount_fen as amount_fen, s.state as state, s.reason as reason, \
     s.class as class, s.batch as batch, coalesce((select max(case when c.state = 'open' then c.id end) from failure_case c where c.instruction_id = s.instruction_id and c.kind <> 'partial'), 0) as case_id \
     from batch b join admission a on a.batch = b.number join instruction_state s on s.batch = b.number where b.department = $1 and b.project = $2 \
     and s.state in ('planned', 'sent', 'accepted', 'failed', 'failed_final', 'returned', 'recovered', 'unknown', 'conflict', 'lapsed') \
     union all select case when m.state = 'lapsed' then 'lapsed' when m.state = 'recovered' or m.class = 'IR' then 'ineligible' else 'correctable' end, a.year, m.file_out, m.instruction_id, m.part, 1, \
     m.amount_fen, m.state, m.reason, m.class, m.batch, coalesce((select max(case when c.state = 'open' then c.id end) from failure_case c where c.instruction_id = m.instruction_id and c.part = m.part and c.kind = 'partial'), 0) \
     from batch b join admission a on a.batch = b.number join remainder m on m.batch = b.number where b.department = $1 and b.project = $2 \
     and m.state in ('failed', 'failed_final', 'returned', 'recovered', 'lapsed') \
     union all select y.kind, y.year, y.file_out, 0, 0, y.lines, y.amount_fen, y.state, '', '', y.batch, 0 from (select case when f.lines_state in ('unknown', 'conflict') \
     then 'unknown' when f.lines_state in ('planned', 'sent', 'accepted') then 'in_flight' else 'correctable' end as kind, a.year as year, f.id as file_out, \
     f.rows - (select count(*) from instruction_state s where s.file_out = f.id) as lines, f.total_fen \
     - coalesce((select cast(sum(s.amount_fen) as bigint) from instruction_state s where s.file_out = f.id), 0) \
     - coalesce((select cast(sum(m.amount_fen) as bigint) from remainder m where m.file_out = f.id), 0) as amount_fen, f.lines_state as state, f.batch as batch \
     from batch b join admission a on a.batch = b.number join file_out f on f.batch = b.number where b.department = $1 and b.project = $2 and f.kind = 'instruction' \
     and f.state not in ('voided', 'abandoned') and f.lines_state in ('planned', 'sent', 'accepted', 'failed', 'failed_final', 'returned', 'unknown', 'conflict')) y \
     where y.lines > 0";

const PURSES: &str = "select z.department, z.project, z.cut, z.period, z.lies, (select e.at from entry e where e.id = z.first) from (select y.department, y.project, \
     y.cut, y.period, max(y.lies) as lies, min(y.first) as first from (select a.department as department, a.project as project, coalesce(c.cut, 0) as cut, \
     coalesce(c.period, '') as period, (select min(p.entry) from posting p where p.account = a.id and p.entry > coalesce(c.cut, 0)) as first, \
     case when a.kind not in ('treasury', 'zero_balance', 'paid') and coalesce(c.cut, 0) > 0 and a.balance_fen <> coalesce((select cast(sum(p.amount_fen) as bigint) \
     from posting p where p.account = a.id and p.entry > c.cut), 0) then 1 else 0 end as lies from (select b.id, b.department, b.project, b.kind, b.balance_fen, \
     (select l.id from period_close l where l.scope = 'month' and l.department = b.department and l.project = b.project order by l.period desc limit 1) as last \
     from account b) a left join (select id, period, to_entry as cut from period_close) c on c.id = a.last) y group by y.department, y.project, y.cut, y.period) z order by z.department, z.project";

const FLOWS: &str = "select a.year, a.kind, e.kind, cast(coalesce(sum(case when p.entry <= $4 then p.amount_fen else 0 end), 0) as bigint), \
     cast(coalesce(sum(case when p.entry > $4 and p.amount_fen > 0 then p.amount_fen else 0 end), 0) as bigint), \
     cast(coalesce(sum(case when p.entry > $4 and p.amount_fen < 0 then 0 - p.amount_fen else 0 end), 0) as bigint) \
     from account a join posting p on p.account = a.id join entry e on e.id = p.entry \
     where a.department = $1 and a.project = $2 and ($3 = 0 or a.year = $3) and p.entry <= $5 group by a.year, a.kind, e.kind order by a.year, a.kind, e.kind";

const FATES: &str = "select i.year, coalesce(m.state, s.state, i.state), coalesce(m.class, s.class, i.class), \
     coalesce(o.number, ''), coalesce(o.state, ''), (select max(e.id) from entry e where e.refund_order = o.id and e.kind = 'close'), count(*), cast(sum(i.amount_fen) as bigint) from period_item i \
     left join instruction_state s on s.instruction_id = i.instruction_id left join remainder m on m.part = i.part and m.instruction_id = i.instruction_id \
     left join refund_order o on o.id = (select max(r.refund_order) from refund_line r join refund_order q on q.id = r.refund_order \
     where r.instruction_id = i.instruction_id and r.part = i.part and q.state not in ('refused', 'cancelled')) \
     where i.period = $1 and i.kind = $2 group by 1, 2, 3, 4, 5, 6 order by 1, 4, 2";

impl Tx {
    /// The greatest entry's number, and the promise that no smaller one appears behind it: waits for every transaction that has
    /// taken a number and not ended, and keeps others from taking one until this transaction ends. On PostgreSQL the writers
    /// hold a shared lock by a trigger (`migrations/0002_postgres.sql`); SQLite has one writer at a time.
    ///
    /// # Errors
    /// A writer kept the lock too long (transient), or the database refused.
    pub async fn entry_cut(&mut self) -> Result<i64, StoreError> {
        if let TxEngine::Pg(..) = &self.engine {
            self.exec(CUT_PATIENCE, args![]).await?;
            self.exec("select pg_advisory_xact_lock(cast(cast('entry' as regclass) as bigint))", args![]).await?;
        }
        self.one("select coalesce(max(id), 0) from entry", args![]).await?.int(0)
    }

    /// Every department's project that has accounts, and how far it is closed.
    ///
    /// # Errors
    /// The database refused.
    pub async fn purse_spans(&mut self) -> Result<Vec<PurseSpan>, StoreError> {
        let rows = self.rows(PURSES, args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(PurseSpan {
                    department: r.string(0)?,
                    project: r.string(1)?,
                    cut: r.int(2)?,
                    month: r.string(3)?,
                    is_waiting: r.int(4)? == 1,
                    first_at: r.opt_time(5)?,
                })
            })
            .collect()
    }

    /// Fiscal years before this one, with purses of theirs that have accounts and were not closed: department, project, year.
    ///
    /// # Errors
    /// The database refused.
    pub async fn years_to_close(&mut self, up_to: i32) -> Result<Vec<(String, String, i32)>, StoreError> {
        let sql = "select distinct a.department, a.project, a.year from account a where a.year <= $1 and not exists (select 1 from period_close c \
                   where c.scope = 'year' and c.period = cast(a.year as text) and c.department = a.department and c.project = a.project) order by 3, 1, 2";
        self.rows(sql, args![up_to]).await?.iter().map(|r| Ok((r.string(0)?, r.string(1)?, year(r, 2)?))).collect()
    }

    /// Fiscal years before this one that were cut, and purses of theirs with lines that may lapse: department, project, year.
    ///
    /// # Errors
    /// The database refused.
    pub async fn years_with_late_failures(&mut self, before: i32) -> Result<Vec<(String, String, i32)>, StoreError> {
        let sql = concat!(
            "select distinct b.department, b.project, a.year from (select batch from instruction_state where state = 'failed_final' and class <> 'IR' and not ",
            held_elsewhere!("instruction_state"),
            " union select batch from remainder where state = 'failed_final' and class <> 'IR' and not ",
            whole_in_question!("remainder"),
            ") s join admission a on a.batch = s.batch join batch b on b.number = s.batch where a.year < $1 and exists (select 1 from period_close c \
             where c.scope = 'year' and c.period = cast(a.year as text) and c.department = b.department and c.project = b.project) order by 3, 1, 2"
        );
        self.rows(sql, args![before]).await?.iter().map(|r| Ok((r.string(0)?, r.string(1)?, year(r, 2)?))).collect()
    }

    /// Begins a period. A second one of the same name is a unique violation.
    ///
    /// # Errors
    /// It was begun already, or the database refused.
    pub async fn insert_period(&mut self, p: &NewPeriod<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "insert into period_close (scope, period, department, project, close_on, from_entry, to_entry, state, opened_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, 'open', $8) returning id";
        let values = args![p.scope.code(), p.period, p.department, p.project, p.close_on, p.from_entry, p.to_entry, now];
        self.one(sql, values).await?.int(0)
    }

    /// Periods of a scope, in their order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn periods(&mut self, scope: Scope, which: &Which) -> Result<Vec<Period>, StoreError> {
        let sql = format!(
            "{PERIOD} where scope = $1 and ($2 = '' or period = $2) and ($3 = '' or department = $3) and ($4 = '' or project = $4) order by period, department, project"
        );
        let values = args![scope.code(), &which.period, &which.department, &which.project];
        self.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(period).collect()
    }

    /// Periods that are cut and not sealed, the oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn periods_unsealed(&mut self) -> Result<Vec<Period>, StoreError> {
        let sql = format!("{PERIOD} where state <> 'sealed' order by period, id");
        self.rows(sqlx::AssertSqlSafe(sql), args![]).await?.iter().map(period).collect()
    }

    /// Keeps everybody else from a period until this transaction ends. `None` when it is sealed, or there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lock_period(&mut self, id: i64) -> Result<Option<Period>, StoreError> {
        if !self.exec_one("update period_close set state = state where id = $1 and state <> 'sealed'", args![id]).await? {
            return Ok(None);
        }
        let sql = format!("{PERIOD} where id = $1");
        self.opt(sqlx::AssertSqlSafe(sql), args![id]).await?.as_ref().map(period).transpose()
    }

    /// The last period before this one, of the same department and project.
    ///
    /// # Errors
    /// The database refused.
    pub async fn period_before(&mut self, p: &Period) -> Result<Option<Period>, StoreError> {
        let sql = format!("{PERIOD} where scope = $1 and department = $2 and project = $3 and period < $4 order by period desc limit 1");
        let values = args![p.scope.code(), &p.department, &p.project, &p.period];
        self.opt(sqlx::AssertSqlSafe(sql), values).await?.as_ref().map(period).transpose()
    }

    /// Says that a period's refund orders are on their way.
    ///
    /// # Errors
    /// The database refused.
    pub async fn period_refunding(&mut self, id: i64) -> Result<bool, StoreError> {
        self.exec_one("update period_close set state = 'refunding' where id = $1 and state = 'open'", args![id]).await
    }

    /// Seals a period, once, with what the ledger said up to an entry. Says whether it was this call.
    ///
    /// # Errors
    /// The database refused.
    pub async fn seal_period(
        &mut self,
        id: i64,
        figures: &Figures,
        (sha256, head): (&str, &str),
        entry: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "update period_close set state = 'sealed', number = $2, figures = $3, sha256 = $4, audit_head = $5, sealed_at = $6, sealed_entry = $7 \
                   where id = $1 and state <> 'sealed'";
        self.exec_one(sql, args![id, &figures.number, figures.text(), sha256, head, now, entry]).await
    }

    /// Writes down what lies where, line by line, as it is now. A year of 0 is every year.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_items(&mut self, id: i64, department: &str, project: &str, year: i32) -> Result<u64, StoreError> {
        let sql = format!(
            "insert into period_item (period, kind, year, file_out, instruction_id, part, lines, amount_fen, state, reason, class, batch, case_id) \
             select cast($3 as bigint), x.kind, x.year, x.file_out, x.instruction_id, x.part, x.lines, x.amount_fen, x.state, x.reason, x.class, x.batch, x.case_id \
             from ({ITEMS}) x where $4 = 0 or x.year = $4"
        );
        self.exec(sqlx::AssertSqlSafe(sql), args![department, project, id, year]).await
    }

    /// What lay where at a period's cut.
    ///
    /// # Errors
    /// The database refused.
    pub async fn item_sums(&mut self, id: i64) -> Result<Vec<ItemSum>, StoreError> {
        let sql = "select year, kind, cast(sum(lines) as bigint), cast(sum(amount_fen) as bigint), count(case when case_id > 0 then 1 end), \
                   cast(coalesce(sum(case when case_id > 0 then amount_fen end), 0) as bigint) from period_item where period = $1 group by year, kind order by year, kind";
        self.rows(sql, args![id]).await?.iter().map(item_sum).collect()
    }

    /// What would lie where if the cut were taken now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn item_sums_now(&mut self, department: &str, project: &str) -> Result<Vec<ItemSum>, StoreError> {
        let sql = format!(
            "select x.year, x.kind, cast(sum(x.lines) as bigint), cast(sum(x.amount_fen) as bigint), count(case when x.case_id > 0 then 1 end), \
             cast(coalesce(sum(case when x.case_id > 0 then x.amount_fen end), 0) as bigint) from ({ITEMS}) x group by x.year, x.kind order by x.year, x.kind"
        );
        self.rows(sqlx::AssertSqlSafe(sql), args![department, project]).await?.iter().map(item_sum).collect()
    }

    /// Every account of a purse over a period. A year of 0 is every year.
    ///
    /// # Errors
    /// The database refused.
    pub async fn flows(&mut self, p: &Period, year_only: i32) -> Result<Vec<FlowRow>, StoreError> {
        let values = args![&p.department, &p.project, year_only, p.from_entry, p.to_entry];
        let rows = self.rows(FLOWS, values).await?;
        let read = |r: &Row| {
            let (before, added, removed) = (r.fen(3)?, r.fen(4)?, r.fen(5)?);
            Ok(FlowRow { year: year(r, 0)?, account: r.string(1)?, entry: r.string(2)?, before, added, removed })
        };
        rows.iter().map(read).collect()
    }

    /// What became of a period's lines of a kind, until now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn fates(&mut self, id: i64, kind: ItemKind) -> Result<Vec<FateRow>, StoreError> {
        let rows = self.rows(FATES, args![id, kind.code()]).await?;
        rows.iter()
            .map(|r| {
                Ok(FateRow {
                    year: year(r, 0)?,
                    state: r.string(1)?,
                    class: r.string(2)?,
                    order: r.string(3)?,
                    order_state: r.string(4)?,
                    closed_by: r.opt_int(5)?,
                    sum: Sum { count: r.int(6)?, fen: r.fen(7)? },
                })
            })
            .collect()
    }

    /// What was opened in a purse's suspense accounts on the day of the switch-over, up to a cut: year, account, fen.
    ///
    /// # Errors
    /// The database refused.
    pub async fn opened(&mut self, department: &str, project: &str, cut: i64) -> Result<Vec<(i32, String, Fen)>, StoreError> {
        let sql = "select o.year, o.kind, cast(sum(o.amount_fen) as bigint) from opening_balance o join entry e on e.opening = o.id \
                   where o.department = $1 and o.project = $2 and o.kind <> 'zero_balance' and e.kind = 'open' and e.id <= $3 group by o.year, o.kind order by o.year, o.kind";
        self.rows(sql, args![department, project, cut]).await?.iter().map(|r| Ok((year(r, 0)?, r.string(1)?, r.fen(2)?))).collect()
    }

    /// What was opened in a purse and has gone back to the treasury behind a cut.
    ///
    /// # Errors
    /// The database refused.
    pub async fn opened_back(&mut self, department: &str, project: &str, behind: i64) -> Result<Vec<OpenedBack>, StoreError> {
        let sql = "select o.year, o.kind, o.id, o.amount_fen, e.id from opening_balance o join entry e on e.opening = o.id and e.kind = 'close' \
                   where o.department = $1 and o.project = $2 and e.id > $3 order by o.id";
        let rows = self.rows(sql, args![department, project, behind]).await?;
        rows.iter()
            .map(|r| Ok(OpenedBack { year: year(r, 0)?, account: r.string(1)?, opening: r.int(2)?, fen: r.fen(3)?, entry: r.int(4)? }))
            .collect()
    }

    /// The numbers of opening balances of a purse's account that have not gone back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn openings_left(&mut self, department: &str, project: &str, year: i32, account: &str) -> Result<Vec<i64>, StoreError> {
        let sql = "select o.id from opening_balance o where o.department = $1 and o.project = $2 and o.year = $3 and o.kind = $4 \
                   and not exists (select 1 from entry e where e.opening = o.id and e.kind = 'close') order by o.id";
        self.rows(sql, args![department, project, year, account]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// Keys of open incidents about periods that are all sealed by now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn closings_cleared(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = "select n.key from incident n where n.kind = 'close_waits' and n.state = 'open' and not exists (select 1 from period_close c \
                   where n.key = 'close:' || c.scope || ':' || c.period and c.state <> 'sealed')";
        self.rows(sql, args![]).await?.iter().map(|r| r.string(0)).collect()
    }

    /// Keys of open incidents about unknown payments of a period, all of which are known by now.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unknowns_cleared(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = "select n.key from incident n where n.kind = 'close_unknown' and n.state = 'open' and not exists (select 1 from period_close c \
                   join period_item i on i.period = c.id and i.kind = 'unknown' left join instruction_state s on s.instruction_id = i.instruction_id \
                   left join file_out f on f.id = i.file_out where n.key = 'close_unknown:' || c.period \
                   and coalesce(s.state, f.lines_state) in ('unknown', 'conflict'))";
        self.rows(sql, args![]).await?.iter().map(|r| r.string(0)).collect()
    }
}

fn year(r: &Row, at: usize) -> Result<i32, StoreError> {
    i32::try_from(r.int(at)?).map_err(|_| StoreError::column(at, "a year"))
}

fn period(r: &Row) -> Result<Period, StoreError> {
    Ok(Period {
        id: r.int(0)?,
        scope: r.code(1, Scope::from_code, "a scope")?,
        period: r.string(2)?,
        department: r.string(3)?,
        project: r.string(4)?,
        close_on: r.date(5)?,
        from_entry: r.int(6)?,
        to_entry: r.int(7)?,
        state: r.code(8, PeriodState::from_code, "a period's state")?,
        figures: r.string(9)?,
        sha256: r.string(10)?,
        audit_head: r.string(11)?,
        opened_at: Timestamp::from_millis(r.int(12)?),
        sealed_at: r.opt_time(13)?,
        sealed_entry: r.opt_int(14)?,
    })
}

fn item_sum(r: &Row) -> Result<ItemSum, StoreError> {
    Ok(ItemSum {
        year: year(r, 0)?,
        kind: r.code(1, ItemKind::from_code, "a kind of item")?,
        sum: Sum { count: r.int(2)?, fen: r.fen(3)? },
        with_case: Sum { count: r.int(4)?, fen: r.fen(5)? },
    })
}
