//! Do the books add up: the equations of law 2, from the tables alone.
//!
//! Nothing here trusts what a pass wrote down as a sum. What was instructed is counted from the instructions that files
//! cover; where they stand comes from the files and from the lines that stand otherwise; what is owed comes from the
//! payments; what needs somebody from the cases; where the money lies from the postings. A row that is wrong in one of these
//! breaks an equation, and the equation says in which batch or account.
//!
//! An attempt that was voided never left the house and is not counted. A payment counts once, by its latest attempt: one
//! with a successor is `reissued` where that stands in another batch, else not counted at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::StoreError;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::instruction::{Figure, InstructionState};
use crate::domain::ledger::{AccountKey, AccountKind, Purse};
use crate::domain::money::Fen;
use crate::domain::reason::ReasonClass;

/// A number of payments and what they sum to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many.
    pub count: i64,
    /// Their sum.
    pub fen: Fen,
}

impl Share {
    fn minus(self, other: Self) -> Self {
        Self { count: self.count - other.count, fen: Fen::new(self.fen.get() - other.fen.get()) }
    }
}

impl std::ops::AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        *self = Self { count: self.count + other.count, fen: Fen::new(self.fen.get() + other.fen.get()) };
    }
}

impl std::iter::Sum for Share {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        let mut all = Self::default();
        shares.for_each(|share| all += share);
        all
    }
}

/// Equation (a): what banks were told of a batch, every attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// In files.
    pub instructed: Share,
    /// Planned, sent or accepted.
    pub in_flight: Share,
    /// Credited.
    pub paid: Share,
    /// Credited, then sent back.
    pub returned: Share,
    /// Not credited.
    pub failed: Share,
    /// Nobody knows.
    pub unknown: Share,
}

/// Equation (b): what became of a batch's payments, each by its latest attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// Released.
    pub approved: Share,
    /// Refused at the gate, alone or with the whole batch.
    pub rejected: Share,
    /// At the gate: waiting for funds, or not looked at yet.
    pub held: Share,
    /// Admitted, in no file yet.
    pub pending: Share,
    /// Failed for a passing reason, to be tried again by itself.
    pub awaiting_retry: Share,
    /// Planned, sent or accepted.
    pub in_flight: Share,
    /// Credited.
    pub paid: Share,
    /// Nobody knows.
    pub unknown: Share,
    /// Failed or returned, with a case that needs somebody.
    pub open_cases: Share,
    /// Given back to the treasury.
    pub refunded: Share,
    /// Will not be paid.
    pub cancelled: Share,
    /// Instructed again in a batch of kind `reissue`.
    pub reissued: Share,
    /// Failed, and nothing says what follows. Must be nothing.
    pub unexplained: Share,
}

/// The figures of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchFigures {
    /// Its number.
    pub batch: String,
    /// `first` or `reissue`.
    pub kind: String,
    /// Equation (a).
    pub told: Told,
    /// Equation (b).
    pub owed: Owed,
}

/// Equation (c) for one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountFigures {
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// Fiscal year.
    pub year: i32,
    /// The kind of account.
    pub kind: String,
    /// The bank, where there is one account for each.
    pub bank: String,
    /// What the states of instructions and the funds that arrived say.
    pub subledger: Fen,
    /// The balance kept with the account.
    pub ledger: Fen,
    /// The sum of its postings.
    pub posted: Fen,
}

/// Both sides of an equation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unequal {
    /// `a`, `b` or `c`.
    pub equation: &'static str,
    /// The batch or account.
    pub subject: String,
    /// The left side.
    pub left: Share,
    /// The right side.
    pub right: Share,
}

/// All that the tables say of the money.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Per batch.
    pub batches: Vec<BatchFigures>,
    /// Per account.
    pub accounts: Vec<AccountFigures>,
    /// The sum of all postings. Must be nothing.
    pub postings: Fen,
    /// Entries whose postings do not sum to nothing. Must be none.
    pub entries_unbalanced: i64,
    /// How many payments were tried again by themselves.
    pub retries: i64,
}

/// The plain totals over all batches: a payment counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Released.
    pub payments: Share,
    /// Refused at the gate.
    pub rejected: Share,
    /// At the gate.
    pub held: Share,
    /// Credited.
    pub paid: Share,
    /// Failed, returned, refunded or cancelled.
    pub failed: Share,
    /// On the way: pending and awaiting retry included.
    pub in_flight: Share,
    /// Nobody knows.
    pub unknown: Share,
    /// Those of `failed` with an open case.
    pub awaiting_case: Share,
    /// Attempts made again by themselves.
    pub retries: i64,
}

impl Told {
    /// The right side of (a).
    #[must_use]
    pub fn accounted(&self) -> Share {
        [self.in_flight, self.paid, self.returned, self.failed, self.unknown].into_iter().sum()
    }

    fn place(&mut self, figure: Figure) -> Option<&mut Share> {
        match figure {
            Figure::InFlight => Some(&mut self.in_flight),
            Figure::Paid => Some(&mut self.paid),
            Figure::Returned => Some(&mut self.returned),
            Figure::Failed => Some(&mut self.failed),
            Figure::Unknown => Some(&mut self.unknown),
            Figure::Pending | Figure::Voided => None,
        }
    }
}

impl Owed {
    /// The right side of (b).
    #[must_use]
    pub fn accounted(&self) -> Share {
        let gate = [self.rejected, self.held, self.pending, self.awaiting_retry];
        let beyond = [self.in_flight, self.paid, self.unknown, self.open_cases, self.refunded, self.cancelled, self.reissued];
        gate.into_iter().chain(beyond).sum()
    }
}

impl Books {
    /// Every equation that does not hold; none when all is well.
    #[must_use]
    pub fn unequal(&self) -> Vec<Unequal> {
        let mut found = Vec::new();
        for b in &self.batches {
            for (equation, left, right) in [("a", b.told.instructed, b.told.accounted()), ("b", b.owed.approved, b.owed.accounted())] {
                if left != right {
                    found.push(Unequal { equation, subject: b.batch.clone(), left, right });
                }
            }
        }
        let money = |fen| Share { count: 0, fen };
        for a in self.accounts.iter().filter(|a| a.ledger != a.posted || a.ledger != a.subledger) {
            let subject = format!("{} {} {} {} {}", a.department, a.project, a.year, a.kind, a.bank).trim_end().to_owned();
            let right = if a.ledger == a.posted { a.ledger } else { a.posted };
            let left = if a.ledger == a.posted { a.subledger } else { a.ledger };
            found.push(Unequal { equation: "c", subject, left: money(left), right: money(right) });
        }
        if self.postings != Fen::ZERO {
            found.push(Unequal {
                equation: "c",
                subject: "debits and credits".to_owned(),
                left: money(self.postings),
                right: money(Fen::ZERO),
            });
        }
        if self.entries_unbalanced != 0 {
            let left = Share { count: self.entries_unbalanced, fen: Fen::ZERO };
            found.push(Unequal { equation: "c", subject: "entries".to_owned(), left, right: Share::default() });
        }
        found
    }

    /// The plain totals.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut t = Totals { retries: self.retries, ..Totals::default() };
        for b in &self.batches {
            let o = &b.owed;
            // A row of a reissue pays a payment of an earlier batch: refused or at the gate, that one still stands as it stood.
            if b.kind == "first" {
                t.payments += o.approved;
                t.rejected += o.rejected;
                t.held += o.held;
            }
            t.paid += o.paid;
            t.unknown += o.unknown;
            t.awaiting_case += o.open_cases;
            t.in_flight += [o.pending, o.awaiting_retry, o.in_flight].into_iter().sum();
            t.failed += [o.open_cases, o.refunded, o.cancelled, o.unexplained].into_iter().sum();
        }
        t
    }
}

/// Files whose lines count: the others never left the house, and their lines stand elsewhere.
macro_rules! live_files {
    () => {
        "(select id, batch, bank, first_id, last_id, rows, total_fen, lines_state from file_out \
         where state not in ('voided', 'abandoned') and kind = 'instruction')"
    };
}
/// Instructions that have a successor, which is not voided. What pays a remainder again follows the remainder, and not the
/// instruction.
macro_rules! successors {
    () => {
        "(select n.previous_id as id, n.batch as batch from instruction n left join instruction_state v on v.instruction_id = n.id and v.state = 'voided' \
         where n.previous_id is not null and n.part = 0 and v.instruction_id is null)"
    };
}

/// `cross join` keeps SQLite from turning a range of keys into a walk over all of them.
const APPROVED: &str = "select b.number, b.kind, case when b.released_at is null then 'unreleased' else coalesce(a.state, 'held') end, b.department, b.project, \
     coalesce(a.year, 0), p.n, p.fen from batch b left join admission a on a.batch = b.number left join (select batch, count(*) as n, \
     cast(sum(amount_fen) as bigint) as fen from payment group by batch) p on p.batch = b.number order by b.number";
const REJECTED: &str = "select batch, count(*), cast(sum(amount_fen) as bigint) from failure_case where kind = 'rejected' group by batch";
const ADMITTED: &str = "select t.batch, count(*), cast(sum(i.amount_fen) as bigint) from tranche t cross join instruction i \
     where i.id >= t.first_id and i.id <= t.last_id group by t.batch";
const COVERED: &str = concat!(
    "select f.batch, count(*), cast(sum(i.amount_fen) as bigint) from ",
    live_files!(),
    " f cross join instruction i where i.id >= f.first_id and i.id <= f.last_id group by f.batch"
);
const BASES: &str = concat!(
    "select f.batch, f.bank, f.lines_state, '', '', cast(sum(f.rows) as bigint), cast(sum(f.total_fen) as bigint) from ",
    live_files!(),
    " f group by f.batch, f.bank, f.lines_state"
);
const OWN_COVERED: &str = concat!(
    "select f.batch, f.bank, f.lines_state, s.state, s.class, count(*), cast(sum(s.amount_fen) as bigint) from ",
    live_files!(),
    " f cross join instruction_state s where s.instruction_id >= f.first_id and s.instruction_id <= f.last_id \
     group by f.batch, f.bank, f.lines_state, s.state, s.class union all select f.batch, f.bank, f.lines_state, m.state, m.class, 0, \
     cast(sum(m.amount_fen) as bigint) from remainder m join ",
    live_files!(),
    " f on f.id = m.file_out group by f.batch, f.bank, f.lines_state, m.state, m.class"
);
/// A partly paid line stands for what was paid of it; what remains is a row of its own, and no payment more.
const OWN: &str = "select x.batch, cast(sum(x.n) as bigint), cast(sum(x.fen) as bigint) from (select batch, 1 as n, amount_fen as fen from instruction_state \
     union all select batch, 0, amount_fen from remainder) x group by x.batch";
const SUPERSEDED: &str = concat!(
    "select x.batch, x.state, x.elsewhere, count(*), cast(sum(x.amount_fen) as bigint) from (select p.batch as batch, coalesce(s.amount_fen, p.amount_fen) as amount_fen, \
     case when n.batch = p.batch then 0 else 1 end as elsewhere, coalesce(s.state, (select f.lines_state from file_out f where f.first_id <= p.id \
     and f.last_id >= p.id and f.state not in ('voided', 'abandoned') order by f.first_id desc limit 1), 'pending') as state from ",
    successors!(),
    " n join instruction p on p.id = n.id left join instruction_state s on s.instruction_id = p.id) x group by x.batch, x.state, x.elsewhere"
);
const FAILED: &str = concat!(
    "select x.batch, case when c.instruction_id is null then 'none' when c.is_open = 1 then 'open' else c.closed_as end, x.class, count(*), \
     cast(sum(x.amount_fen) as bigint) from (select f.batch as batch, s.instruction_id as id, s.class as class, s.amount_fen as amount_fen from ",
    live_files!(),
    " f cross join instruction_state s where s.instruction_id >= f.first_id and s.instruction_id <= f.last_id \
     and s.state in ('failed', 'failed_final', 'reissued', 'returned', 'recovered', 'lapsed', 'refunding', 'refunded', 'carried') \
     union all select f.batch, i.id, '', i.amount_fen from ",
    live_files!(),
    " f cross join instruction i left join instruction_state s on s.instruction_id = i.id where i.id >= f.first_id and i.id <= f.last_id \
     and f.lines_state in ('failed', 'failed_final', 'reissued', 'returned') and s.instruction_id is null) x left join (select instruction_id, max(case when state = 'open' then 1 else 0 end) as is_open, \
     max(closed_as) as closed_as from failure_case where kind in ('failed', 'returned', 'recovery') and instruction_id is not null group by instruction_id) c \
     on c.instruction_id = x.id left join ",
    successors!(),
    " u on u.id = x.id where u.id is null group by 1, 2, 3"
);
/// What remains of partly paid lines: amounts, no payments. One that was paid after all stands under its state.
const REMAINDERS: &str = "select m.batch, m.state, case when c.instruction_id is null then 'none' when c.is_open = 1 then 'open' else c.closed_as end, \
     cast(sum(m.amount_fen) as bigint) from remainder m left join (select instruction_id, part, max(case when state = 'open' then 1 else 0 end) as is_open, \
     max(closed_as) as closed_as from failure_case where kind = 'partial' group by instruction_id, part) c \
     on c.instruction_id = m.instruction_id and c.part = m.part where m.state <> 'paid' group by 1, 2, 3";
const OPENED: &str = "select o.department, o.project, o.year, o.kind, cast(sum(case when e.kind = 'close' then 0 - o.amount_fen else o.amount_fen end) as bigint) from opening_balance o join entry e on e.opening = o.id \
     group by o.department, o.project, o.year, o.kind";
const FUNDED: &str = "select f.department, f.project, f.year, cast(sum(f.amount_fen) as bigint) from funding f join entry e on e.funding = f.id \
     group by f.department, f.project, f.year";
const ACCOUNTS: &str = "select a.department, a.project, a.year, a.kind, a.bank, a.balance_fen, coalesce(p.fen, 0) from account a left join \
     (select account, cast(sum(amount_fen) as bigint) as fen from posting group by account) p on p.account = a.id order by 1, 2, 3, 4, 5";
const UNBALANCED: &str = "select count(*), cast(coalesce(sum(x.fen), 0) as bigint) from (select entry, cast(sum(amount_fen) as bigint) as fen from posting \
     group by entry having sum(amount_fen) <> 0) x";
const RETRIES: &str = "select count(*) from tranche t cross join instruction i left join instruction_state v on v.instruction_id = i.id and v.state = 'voided' \
     where i.id >= t.first_id and i.id <= t.last_id and t.kind = 'retry' and v.instruction_id is null";

type Field = fn(&mut Gathered) -> &mut Share;

/// What is simply counted per batch, and where it goes.
const FIELDS: &[(&str, Field)] =
    &[(REJECTED, |g| &mut g.rejected), (ADMITTED, |g| &mut g.admitted), (COVERED, |g| &mut g.covered), (OWN, |g| &mut g.own)];

/// Lines of one batch at one bank that stand alike.
struct Lines {
    batch: String,
    bank: String,
    /// How their file stands.
    base: String,
    /// How they stand; empty: as their file.
    own: String,
    class: String,
    share: Share,
}

/// One batch while its figures are gathered.
#[derive(Default)]
struct Gathered {
    kind: String,
    admission: String,
    purse: Option<Purse>,
    approved: Share,
    rejected: Share,
    admitted: Share,
    covered: Share,
    own: Share,
    own_covered: Share,
    states: BTreeMap<InstructionState, Share>,
    superseded: BTreeMap<InstructionState, Share>,
    reissued: Share,
    failed: Vec<(String, String, Share)>,
}

impl Tx {
    /// Reads everything that the equations need: a handful of statements over all rows, in this transaction's picture.
    ///
    /// # Errors
    /// The database refused, or a row holds a state that nobody knows.
    pub async fn books(&mut self) -> Result<Books, StoreError> {
        let lines = self.lines_by_state().await?;
        let batches = self.gather(&lines).await?;
        let accounts = self.account_figures(&batches, &lines).await?;
        let unbalanced = self.one(UNBALANCED, args![]).await?;
        Ok(Books {
            batches: batches.into_iter().filter(|(_, g)| g.admission != "unreleased").map(|(batch, g)| g.figures(batch)).collect(),
            accounts,
            postings: unbalanced.fen(1)?,
            entries_unbalanced: unbalanced.int(0)?,
            retries: self.one(RETRIES, args![]).await?.int(0)?,
        })
    }

    /// Every line that counts, grouped: those as their file stands, then those that stand otherwise.
    async fn lines_by_state(&mut self) -> Result<Vec<Lines>, StoreError> {
        let read = |r: &Row| {
            let share = share(r, 5)?;
            Ok(Lines { batch: r.string(0)?, bank: r.string(1)?, base: r.string(2)?, own: r.string(3)?, class: r.string(4)?, share })
        };
        let own = self.rows(OWN_COVERED, args![]).await?.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
        let mut lines = self.rows(BASES, args![]).await?.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
        for base in &mut lines {
            let otherwise = own.iter().filter(|o| (&o.batch, &o.bank, &o.base) == (&base.batch, &base.bank, &base.base)).map(|o| o.share);
            base.share = base.share.minus(otherwise.sum());
        }
        lines.extend(own);
        Ok(lines)
    }

    async fn gather(&mut self, lines: &[Lines]) -> Result<BTreeMap<String, Gathered>, StoreError> {
        let mut batches: BTreeMap<String, Gathered> = BTreeMap::new();
        for r in self.rows(APPROVED, args![]).await? {
            let g = batches.entry(r.string(0)?).or_default();
            (g.kind, g.admission) = (r.string(1)?, r.string(2)?);
            let year = i32::try_from(r.int(5)?).map_err(|_| StoreError::column(5, "a year"))?;
            g.purse = Some(Purse { department: r.string(3)?, project: r.string(4)?, year, bank: String::new() });
            g.approved = Share { count: r.opt_int(6)?.unwrap_or_default(), fen: Fen::new(r.opt_int(7)?.unwrap_or_default()) };
        }
        for (sql, field) in FIELDS {
            for r in self.rows(*sql, args![]).await? {
                *field(batches.entry(r.string(0)?).or_default()) += share(&r, 1)?;
            }
        }
        for l in lines {
            let g = batches.entry(l.batch.clone()).or_default();
            *g.states.entry(l.state()?).or_default() += l.share;
            if !l.own.is_empty() {
                g.own_covered += l.share;
            }
        }
        for r in self.rows(SUPERSEDED, args![]).await? {
            let g = batches.entry(r.string(0)?).or_default();
            let of = share(&r, 3)?;
            *g.superseded.entry(state(r.text(1)?)?).or_default() += of;
            if r.int(2)? == 1 {
                g.reissued += of;
            }
        }
        for r in self.rows(FAILED, args![]).await? {
            let group = (r.string(1)?, r.string(2)?, share(&r, 3)?);
            batches.entry(r.string(0)?).or_default().failed.push(group);
        }
        for r in self.rows(REMAINDERS, args![]).await? {
            let g = batches.entry(r.string(0)?).or_default();
            let of = Share { count: 0, fen: r.fen(3)? };
            if r.text(1)? == InstructionState::Reissued.code() {
                *g.superseded.entry(InstructionState::Reissued).or_default() += of;
                g.reissued += of;
            } else {
                g.failed.push((r.string(2)?, String::new(), of));
            }
        }
        Ok(batches)
    }

    /// What the states say that lies in each account, beside what the ledger says.
    async fn account_figures(&mut self, batches: &BTreeMap<String, Gathered>, lines: &[Lines]) -> Result<Vec<AccountFigures>, StoreError> {
        let mut sub: BTreeMap<AccountKey, i64> = BTreeMap::new();
        for r in self.rows(FUNDED, args![]).await? {
            let year = i32::try_from(r.int(2)?).map_err(|_| StoreError::column(2, "a year"))?;
            let purse = Purse { department: r.string(0)?, project: r.string(1)?, year, bank: String::new() };
            *sub.entry(purse.account(AccountKind::Treasury)).or_default() -= r.int(3)?;
            *sub.entry(purse.account(AccountKind::ZeroBalance)).or_default() += r.int(3)?;
        }
        for r in self.rows(OPENED, args![]).await? {
            let year = i32::try_from(r.int(2)?).map_err(|_| StoreError::column(2, "a year"))?;
            let purse = Purse { department: r.string(0)?, project: r.string(1)?, year, bank: String::new() };
            *sub.entry(purse.account(AccountKind::Treasury)).or_default() -= r.int(4)?;
            *sub.entry(purse.account(r.code(3, AccountKind::from_code, "a kind of account")?)).or_default() += r.int(4)?;
        }
        for l in lines {
            let Some(purse) = batches.get(&l.batch).and_then(|g| g.purse.clone()) else { continue };
            let purse = Purse { bank: l.bank.clone(), ..purse };
            if let Some(kind) = l.state()?.account(ReasonClass::from_code(&l.class)) {
                *sub.entry(purse.account(kind)).or_default() += l.share.fen.get();
                *sub.entry(purse.account(AccountKind::ZeroBalance)).or_default() -= l.share.fen.get();
            }
        }
        let mut figures = Vec::new();
        for r in self.rows(ACCOUNTS, args![]).await? {
            let kind = r.code(3, AccountKind::from_code, "a kind of account")?;
            let year = i32::try_from(r.int(2)?).map_err(|_| StoreError::column(2, "a year"))?;
            let key = AccountKey { department: r.string(0)?, project: r.string(1)?, year, kind, bank: r.string(4)? };
            let subledger = Fen::new(sub.remove(&key).unwrap_or_default());
            figures.push(AccountFigures::new(key, subledger, r.fen(5)?, r.fen(6)?));
        }
        let rest = sub.into_iter().filter(|(_, fen)| *fen != 0);
        figures.extend(rest.map(|(key, fen)| AccountFigures::new(key, Fen::new(fen), Fen::ZERO, Fen::ZERO)));
        settle_conflicts(&mut figures);
        Ok(figures)
    }
}

/// A bank's word that our books had no room for was booked out of `conflict` instead of where the money lay, so that this
/// other account holds exactly so much too much. Only that is explained here; anything else stays unequal.
fn settle_conflicts(figures: &mut [AccountFigures]) {
    let purses: BTreeSet<_> = figures.iter().map(|a| (a.department.clone(), a.project.clone(), a.year)).collect();
    for purse in purses {
        let mut conflict = 0;
        let mut off = Vec::new();
        for a in figures.iter_mut().filter(|a| (&a.department, &a.project, a.year) == (&purse.0, &purse.1, purse.2)) {
            if a.kind == AccountKind::Conflict.code() {
                conflict += a.ledger.get();
                a.subledger = a.ledger;
            } else if a.ledger != a.subledger && a.kind != AccountKind::ZeroBalance.code() && a.kind != AccountKind::Treasury.code() {
                off.push(a);
            }
        }
        let differences: Vec<i64> = off.iter().map(|a| a.ledger.get() - a.subledger.get()).collect();
        if conflict != 0 && differences.iter().sum::<i64>() == -conflict && differences.iter().all(|d| d.signum() == -conflict.signum()) {
            for a in off {
                a.subledger = a.ledger;
            }
        }
    }
}

impl AccountFigures {
    fn new(key: AccountKey, subledger: Fen, ledger: Fen, posted: Fen) -> Self {
        let AccountKey { department, project, year, kind, bank } = key;
        Self { department, project, year, kind: kind.code().to_owned(), bank, subledger, ledger, posted }
    }
}

impl Lines {
    fn state(&self) -> Result<InstructionState, StoreError> {
        state(if self.own.is_empty() { &self.base } else { &self.own })
    }
}

impl Gathered {
    fn figures(self, batch: String) -> BatchFigures {
        let mut told = Told { instructed: self.covered, ..Told::default() };
        let mut latest: BTreeMap<Figure, Share> = BTreeMap::new();
        for (state, share) in &self.states {
            match told.place(state.figure()) {
                Some(place) => *place += *share,
                // Voided lines of a file were not instructed.
                None => told.instructed = told.instructed.minus(*share),
            }
            *latest.entry(state.figure()).or_default() += *share;
        }
        for (state, share) in &self.superseded {
            let figure = latest.entry(state.figure()).or_default();
            *figure = figure.minus(*share);
        }
        let figure = |f: Figure| latest.get(&f).copied().unwrap_or_default();
        let mut owed = Owed {
            approved: self.approved,
            in_flight: figure(Figure::InFlight),
            paid: figure(Figure::Paid),
            unknown: figure(Figure::Unknown),
            // Admitted, in no file that counts, and not voided.
            pending: self.admitted.minus(self.covered).minus(self.own.minus(self.own_covered)),
            reissued: self.reissued,
            ..Owed::default()
        };
        match self.admission.as_str() {
            "admitted" => owed.rejected = self.rejected,
            "returned" => owed.rejected = self.approved,
            _ => owed.held = self.approved,
        }
        for (case, class, share) in self.failed {
            let place = match (case.as_str(), class.as_str()) {
                ("open", _) => &mut owed.open_cases,
                ("refunded" | "carried", _) => &mut owed.refunded,
                ("cancelled", _) => &mut owed.cancelled,
                ("none", "BT") => &mut owed.awaiting_retry,
                _ => &mut owed.unexplained,
            };
            *place += share;
        }
        BatchFigures { batch, kind: self.kind, told, owed }
    }
}

fn share(r: &Row, at: usize) -> Result<Share, StoreError> {
    Ok(Share { count: r.int(at)?, fen: r.fen(at + 1)? })
}

fn state(code: &str) -> Result<InstructionState, StoreError> {
    InstructionState::from_code(code).ok_or_else(|| StoreError::Broken(format!("a line stands at {code:?}, which is no state")))
}
