//! Where a closing's figures come from, row by row; what happened later to the payments of a closed period; and what lapses
//! at the year's end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::remainders::rest_in_question;
use super::{Period, held_elsewhere, whole_in_question, year};
use crate::args;
use crate::domain::closing::{ItemKind, Pending, Scope, UnpaidRow};
use crate::domain::ids::EndToEndId;
use crate::domain::masked::{IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::sql::{Row, Tx};

/// References shown of an entry, at most.
const REFERENCES: i64 = 200;

/// A row behind a figure: an entry, or a line at the cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceRow {
    /// The entry, where the figure is a sum of entries.
    pub entry: Option<i64>,
    /// When it was booked.
    pub at: Option<Timestamp>,
    /// The entry's kind, or the line's state at the cut.
    pub kind: String,
    /// The fiscal year.
    pub year: i32,
    /// The batch.
    pub batch: String,
    /// The refund order, or empty.
    pub order: String,
    /// The payments (BG…).
    pub references: Vec<String>,
    /// How many lines.
    pub count: i64,
    /// Fen.
    pub fen: Fen,
}

/// Which entries of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Those that add.
    In,
    /// Those that remove.
    Out,
    /// Both: they sum to a balance.
    Both,
}

/// Lines of one file that lapsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// The batch.
    pub batch: String,
    /// Our file.
    pub file_out: i64,
    /// The bank.
    pub bank: String,
    /// How many.
    pub lines: u64,
    /// What they sum to.
    pub fen: Fen,
}

const ENTRIES: &str = "select e.id, e.at, e.kind, a.year, e.batch, coalesce(o.number, ''), e.lines, p.amount_fen from account a join posting p on p.account = a.id \
     join entry e on e.id = p.entry left join refund_order o on o.id = e.refund_order where a.department = $1 and a.project = $2 and ($3 = 0 or a.year = $3) \
     and a.kind = $4 and p.entry > $5 and p.entry <= $6 and ($7 = 0 or p.amount_fen * $7 > 0) order by e.id";

/// Entries behind the cut that take money of people's who were paid in the period.
const LATER: &str = "select e.id, e.at, e.kind, a.year, e.batch, coalesce(o.number, ''), e.lines, 0 - p.amount_fen from account a join posting p on p.account = a.id \
     join entry e on e.id = p.entry left join refund_order o on o.id = e.refund_order where a.department = $1 and a.project = $2 and ($3 = 0 or a.year = $3) \
     and a.kind = 'paid' and p.amount_fen < 0 and p.entry > $5 and exists (select 1 from entry e2 join posting p2 on p2.entry = e2.id and p2.account = a.id \
     where e2.batch = e.batch and e2.id > $4 and e2.id <= $5 and p2.amount_fen > 0) order by e.id";

const ITEM_ROWS: &str = "select i.state, i.year, i.batch, i.instruction_id, i.lines, i.amount_fen, coalesce(f.name, ''), coalesce((select q.number from refund_order q where q.id = \
     (select max(r.refund_order) from refund_line r join refund_order z on z.id = r.refund_order where r.instruction_id = i.instruction_id and r.part = i.part \
     and z.state not in ('refused', 'cancelled'))), ''), coalesce(f.bank, '') from period_item i left join file_out f on f.id = i.file_out \
     where i.period = $1 and i.kind = $2 order by i.year, i.batch, i.file_out, i.instruction_id, i.part";

const UNPAID: &str = "select i.instruction_id, i.batch, p.seq, p.township, p.village, n.payee_name, n.payee_id, i.amount_fen, i.reason, i.case_id, \
     coalesce(case when i.part > 0 then m.state else s.state end, i.state), coalesce((select q.number from refund_order q where q.id = (select max(r.refund_order) from refund_line r \
     join refund_order z on z.id = r.refund_order where r.instruction_id = i.instruction_id and r.part = i.part and z.state not in ('refused', 'cancelled'))), '') \
     from period_item i join instruction n on n.id = i.instruction_id join payment p on p.id = n.payment_id \
     left join instruction_state s on s.instruction_id = i.instruction_id left join remainder m on m.instruction_id = i.instruction_id and m.part = i.part \
     where i.period = $1 and i.kind = 'lapsed' order by i.batch, p.seq, i.part";

/// Whether nothing pays a line again, or what remains of one: no successor by its claim, no refund order, and no retry that comes
/// by itself.
macro_rules! nobody_has {
    ($line:literal, $part:literal) => {
        concat!(
            $line,
            ".state = 'failed_final' and ",
            $line,
            ".class <> 'IR' and not exists (select 1 from instruction n where n.previous_id = ",
            $line,
            ".instruction_id and n.live = 1 and n.part = ",
            $part,
            ") and not exists (select 1 from refund_line r where r.instruction_id = ",
            $line,
            ".instruction_id and r.live = 1 and r.part = ",
            $part,
            ") and (",
            $line,
            ".class <> 'BT' or exists (select 1 from failure_case c where c.instruction_id = ",
            $line,
            ".instruction_id and c.state = 'open')) and ",
            $line,
            ".batch in (select b.number from batch b join admission a on a.batch = b.number where b.department = $1 and b.project = $2 and a.year = $3)"
        )
    };
}
const LAPSE_LINES: &str = concat!(
    "update instruction_state set state = t.next, since = $4 from transition t where t.event = 'lapse' and t.state = instruction_state.state and ",
    nobody_has!("instruction_state", "0"),
    " and not ",
    held_elsewhere!("instruction_state"),
    " returning file_out, batch, amount_fen"
);
const LAPSE_REMAINDERS: &str = concat!(
    "update remainder set state = t.next, since = $4 from transition t where t.event = 'lapse' and t.state = remainder.state and ",
    nobody_has!("remainder", "remainder.part"),
    " and not ",
    whole_in_question!("remainder"),
    " returning file_out, batch, amount_fen"
);
/// What has just lapsed and is paid again all the same, or lost its claim. An update sees nothing that was written while it waited for the
/// row.
const LAPSED_IN_VAIN: &str = "select 1 from instruction_state s join instruction n on n.previous_id = s.instruction_id and n.part = 0 and n.live = 1 \
     where s.state = 'lapsed' and s.since = $4 and s.batch in (select b.number from batch b join admission a on a.batch = b.number \
     where b.department = $1 and b.project = $2 and a.year = $3) \
     union all select 1 from instruction_state s join instruction i on i.id = s.instruction_id join instruction o on o.claim_key = i.claim_key and o.live = 1 \
     and o.id <> i.id where s.state = 'lapsed' and s.since = $4 and s.batch in (select b.number from batch b join admission a on a.batch = b.number \
     where b.department = $1 and b.project = $2 and a.year = $3) \
     union all select 1 from remainder m join instruction n on n.previous_id = m.instruction_id and n.part = m.part and n.live = 1 \
     where m.state = 'lapsed' and m.since = $4 and m.batch in (select b.number from batch b join admission a on a.batch = b.number \
     where b.department = $1 and b.project = $2 and a.year = $3) limit 1";

impl Tx {
    /// The rows behind an account's figure: entries behind one number up to another, those that add, those that remove, or both.
    ///
    /// # Errors
    /// The database refused.
    pub async fn trace_entries(&mut self, p: &Period, account: &str, range: (i64, i64), way: Way) -> Result<Vec<TraceRow>, StoreError> {
        let sign = match way {
            Way::In => 1,
            Way::Out => -1,
            Way::Both => 0,
        };
        let values = args![&p.department, &p.project, fiscal(p), account, range.0, range.1, sign];
        let rows = self.rows(ENTRIES, values).await?;
        self.traced(&rows, account == ItemKind::Ineligible.account()).await
    }

    /// What happened behind the cut to payments that were credited in the period.
    ///
    /// # Errors
    /// The database refused.
    pub async fn later_events(&mut self, p: &Period) -> Result<Vec<TraceRow>, StoreError> {
        let from = if p.scope == Scope::Year { 0 } else { p.from_entry };
        let rows = self.rows(LATER, args![&p.department, &p.project, fiscal(p), from, p.to_entry]).await?;
        self.traced(&rows, false).await
    }

    /// The lines of a kind at the cut.
    ///
    /// # Errors
    /// The database refused.
    pub async fn trace_items(&mut self, period: i64, kind: ItemKind) -> Result<Vec<TraceRow>, StoreError> {
        let rows = self.rows(ITEM_ROWS, args![period, kind.code()]).await?;
        rows.iter()
            .map(|r| {
                let subject = if r.int(3)? == 0 { r.string(6)? } else { EndToEndId(r.int(3)?).to_string() };
                Ok(TraceRow {
                    entry: None,
                    at: None,
                    kind: r.string(0)?,
                    year: year(r, 1)?,
                    batch: r.string(2)?,
                    order: r.string(7)?,
                    references: vec![subject],
                    count: r.int(4)?,
                    fen: r.fen(5)?,
                })
            })
            .collect()
    }

    /// What nobody can settle at the cut, by fiscal year: payments, or whole files.
    ///
    /// # Errors
    /// The database refused.
    pub async fn pending_items(&mut self, period: i64, kind: ItemKind) -> Result<BTreeMap<i32, Vec<Pending>>, StoreError> {
        let mut found: BTreeMap<i32, Vec<Pending>> = BTreeMap::new();
        for r in self.rows(ITEM_ROWS, args![period, kind.code()]).await? {
            let subject = if r.int(3)? == 0 { r.string(6)? } else { EndToEndId(r.int(3)?).to_string() };
            let pending = Pending { subject, bank: r.string(8)?, count: r.int(4)?, fen: r.fen(5)? };
            found.entry(year(&r, 1)?).or_default().push(pending);
        }
        Ok(found)
    }

    /// The ledger (台账) of a year: what could not be put right in it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unpaid(&mut self, period: i64) -> Result<Vec<UnpaidRow>, StoreError> {
        let rows = self.rows(UNPAID, args![period]).await?;
        rows.iter()
            .map(|r| {
                Ok(UnpaidRow {
                    reference: EndToEndId(r.int(0)?).to_string(),
                    batch: r.string(1)?,
                    seq: r.int(2)?,
                    township: r.string(3)?,
                    village: r.string(4)?,
                    name: Name::new(r.text(5)?),
                    id_number: IdNumber::new(r.text(6)?),
                    fen: r.fen(7)?,
                    reason: r.string(8)?,
                    case: r.int(9)?,
                    state: r.string(10)?,
                    order: r.string(11)?,
                })
            })
            .collect()
    }

    /// The names of a department and a project.
    ///
    /// # Errors
    /// The database refused.
    pub async fn purse_names(&mut self, department: &str, project: &str) -> Result<(String, String), StoreError> {
        let sql = "select d.name, p.name from department d, project p where d.code = $1 and p.code = $2";
        let r = self.one(sql, args![department, project]).await?;
        Ok((r.string(0)?, r.string(1)?))
    }

    /// `FailedFinal → Lapsed` for everything of a fiscal year that nobody pays again; says what moved, by file. `None`: some of it came to
    /// be paid again at this moment, and this transaction is to be dropped.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lapse(
        &mut self,
        department: &str,
        project: &str,
        of_year: i32,
        now: Timestamp,
    ) -> Result<Option<Vec<Lapsed>>, StoreError> {
        let mut files: BTreeMap<(String, i64), (u64, i64)> = BTreeMap::new();
        for sql in [LAPSE_LINES, LAPSE_REMAINDERS] {
            for r in self.rows(sql, args![department, project, of_year, now]).await? {
                let (lines, fen) = files.entry((r.string(1)?, r.int(0)?)).or_default();
                *lines += 1;
                *fen += r.int(2)?;
            }
        }
        // Behind the rows' locks, which a reissue takes too before it looks (`predecessor`).
        if !files.is_empty() && self.opt(LAPSED_IN_VAIN, args![department, project, of_year, now]).await?.is_some() {
            return Ok(None);
        }
        let mut lapsed = Vec::new();
        for ((batch, file_out), (lines, fen)) in files {
            let bank = self.one("select bank from file_out where id = $1", args![file_out]).await?.string(0)?;
            lapsed.push(Lapsed { batch, file_out, bank, lines, fen: Fen::new(fen) });
        }
        Ok(Some(lapsed))
    }

    async fn traced(&mut self, rows: &[Row], ineligible: bool) -> Result<Vec<TraceRow>, StoreError> {
        let mut found = Vec::new();
        for r in rows {
            let id = r.int(0)?;
            found.push(TraceRow {
                entry: Some(id),
                at: r.opt_time(1)?,
                kind: r.string(2)?,
                year: year(r, 3)?,
                batch: r.string(4)?,
                order: r.string(5)?,
                references: self.references(id, ineligible).await?,
                count: r.int(6)?,
                fen: r.fen(7)?,
            });
        }
        Ok(found)
    }

    /// The payments that an entry sums: by its order, by the bank's lines, or by what was done to lines at that instant.
    async fn references(&mut self, entry: i64, ineligible: bool) -> Result<Vec<String>, StoreError> {
        let by_order = "select r.instruction_id from entry e join refund_line r on r.refund_order = e.refund_order where e.id = $1 order by 1 limit $2";
        let by_lines = "select distinct l.instruction_id from entry e join file_in f on f.id = e.file_in join file_in g on g.answer_set = f.answer_set or g.id = f.id \
                        join answer_line l on l.file_in = g.id join instruction i on i.id = l.instruction_id where e.id = $1 and i.batch = e.batch \
                        and (e.kind <> 'pay' or l.outcome = 'paid') and (e.kind not in ('fail', 'return') or l.outcome <> 'paid') \
                        and ($3 = 0 or l.class = 'IR') order by 1 limit $2";
        let by_events = "select distinct v.subject_id from entry e join instruction_state s on s.batch = e.batch join event v on v.subject = 'instruction' \
                         and v.subject_id = s.instruction_id and v.at = e.at where e.id = $1 order by 1 limit $2";
        // What came back has its own record, whoever said it: a file, a statement, or a success that it had waited for.
        let by_returns = "select distinct w.instruction_id from entry e join waiting_return w on w.file_out = e.file_out and w.settled_at = e.at \
                          join instruction i on i.id = w.instruction_id and i.batch = e.batch where e.id = $1 and e.kind = 'return' and w.part >= 0 \
                          and (w.part > 0) = (e.lines = 0) and (e.lines > 0 or w.amount_fen = (select max(p.amount_fen) from posting p where p.entry = e.id)) \
                          and ($3 = 0 or w.class = 'IR') order by 1 limit $2";
        for (sql, values) in [
            (by_order, args![entry, REFERENCES]),
            (by_returns, args![entry, REFERENCES, ineligible]),
            (by_lines, args![entry, REFERENCES, ineligible]),
            (by_events, args![entry, REFERENCES]),
        ] {
            let found = self.rows(sql, values).await?;
            if !found.is_empty() {
                return found.iter().map(|r| Ok(EndToEndId(r.int(0)?).to_string())).collect();
            }
        }
        Ok(Vec::new())
    }
}

/// The fiscal year that a period is about; 0: every one.
fn fiscal(p: &Period) -> i32 {
    if p.scope == Scope::Year { p.period.parse().unwrap_or_default() } else { 0 }
}
