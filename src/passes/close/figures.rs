//! What a certificate certifies, made from rows: postings up to the cut, the lines written down at it, and the orders that
//! took them back. Before the seal this says what stands in the way; after it, the same rows give the same text, or somebody
//! changed history.

use std::collections::BTreeMap;

use serde::Serialize;

use super::due_back;
use crate::domain::closing::{Figures, Flow, ItemKind, Obstacle, PeriodState, Refunded, Scope, Sum, YearFigures, certificate_number};
use crate::domain::ledger::AccountKind;
use crate::domain::money::Fen;
use crate::passes::PassError;
use crate::store::closing::{FateRow, FlowRow, ItemSum, OpenedBack, Period};
use crate::store::sql::Tx;

/// One row of `bankgate close`.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// `2019-03` or `2019`.
    pub period: String,
    /// Department's code.
    pub department: String,
    /// Project's code.
    pub project: String,
    /// `open`, `refunding`, `sealed`; `due` where no cut was taken.
    pub state: &'static str,
    /// What has to go back, at the cut.
    pub due_back: Sum,
    /// Of it, what is back.
    pub refunded: Sum,
    /// What may be put right.
    pub correctable: Sum,
    /// Unknown.
    pub unknown: Sum,
    /// With banks.
    pub in_flight: Sum,
    /// What stands in the way of the seal.
    pub obstacles: Vec<Obstacle>,
}

/// What became of a line that had to go back.
enum Fate<'a> {
    Refunded(&'a str),
    Ordered(&'a str, &'a str),
    NoOrder,
    NotFinal,
    Left,
}

/// What became of lines up to the entry `sealed`, or until now: whatever came after a seal is not part of what was sealed.
fn fate<'a>(row: &'a FateRow, kind: ItemKind, sealed: Option<i64>) -> Fate<'a> {
    let is_back = |entry: i64| sealed.is_none_or(|sealed| entry <= sealed);
    if matches!(row.state.as_str(), "refunded" | "carried") && row.closed_by.is_some_and(is_back) {
        return Fate::Refunded(&row.order);
    }
    if sealed.is_some() {
        return Fate::Left;
    }
    let is_due = kind == ItemKind::Lapsed || row.class == "IR";
    match row.state.as_str() {
        "refunded" | "carried" | "refunding" => Fate::Ordered(&row.order, &row.order_state),
        "lapsed" if kind != ItemKind::Lapsed => Fate::Left,
        "recovered" | "lapsed" if row.order.is_empty() => Fate::NoOrder,
        "recovered" | "lapsed" => Fate::Ordered(&row.order, &row.order_state),
        "failed" | "returned" if is_due => Fate::NotFinal,
        "failed_final" if is_due && row.order.is_empty() => Fate::NoOrder,
        "failed_final" if is_due => Fate::Ordered(&row.order, &row.order_state),
        _ => Fate::Left,
    }
}

/// What stands in the way of a period's seal; nothing when it is proven.
///
/// # Errors
/// The database refused.
pub async fn obstacles(tx: &mut Tx, p: &Period) -> Result<Vec<Obstacle>, PassError> {
    if p.state == PeriodState::Sealed {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    if let Some(before) = tx.period_before(p).await?.filter(|b| b.state != PeriodState::Sealed) {
        found.push(Obstacle::Earlier { period: before.period });
    }
    let kind = due_back(p.scope);
    let (mut not_final, mut no_order) = (Sum::default(), Sum::default());
    let mut orders: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for row in tx.fates(p.id, kind).await? {
        match fate(&row, kind, None) {
            Fate::Refunded(_) | Fate::Left => {}
            Fate::Ordered(order, state) => *orders.entry((order.to_owned(), state.to_owned())).or_default() += row.sum,
            Fate::NoOrder => no_order += row.sum,
            Fate::NotFinal => not_final += row.sum,
        }
    }
    if not_final.count > 0 {
        found.push(Obstacle::NotFinal { count: not_final.count, fen: not_final.fen });
    }
    if no_order.count > 0 {
        found.push(Obstacle::NoOrder { count: no_order.count, fen: no_order.fen });
    }
    found.extend(orders.into_iter().map(|((order, state), sum)| Obstacle::Order { order, state, count: sum.count, fen: sum.fen }));
    // The sums over all postings last: while the money is on its way nobody needs them.
    if found.is_empty() {
        found = unproven(tx, p).await?;
    }
    Ok(found)
}

/// Whether ledger and lines agree at the cut, account by account.
async fn unproven(tx: &mut Tx, p: &Period) -> Result<Vec<Obstacle>, PassError> {
    let flows = tx.flows(p, fiscal(p)).await?;
    let items = tx.item_sums(p.id).await?;
    let opened = tx.opened(&p.department, &p.project, p.to_entry).await?;
    let back = tx.opened_back(&p.department, &p.project, p.to_entry).await?;
    let mut found = Vec::new();
    for of_year in years(&flows, &items) {
        let beyond = beyond(p.scope, &flows, &items, &opened, of_year);
        let excluded = in_conflict(&flows, &beyond, of_year);
        for (kind, of) in beyond {
            let account = kind.account();
            if of.unexplained != 0 && !excluded.contains_key(account) {
                let (ledger, lines) = (of.ledger, of.lines);
                found.push(Obstacle::Differs { account: format!("{of_year} {account}"), ledger, lines });
            }
            let went: i64 = back.iter().filter(|b| (b.year, b.account.as_str()) == (of_year, account)).map(|b| b.fen.get()).sum();
            if kind == due_back(p.scope) && of.opened > went {
                let left = tx.openings_left(&p.department, &p.project, of_year, account).await?;
                let openings = left.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                found.push(Obstacle::WithoutLines { fen: Fen::new(of.opened - went), openings });
            }
        }
    }
    Ok(found)
}

/// An account at the cut beside its lines.
struct Beyond {
    ledger: Fen,
    lines: Fen,
    /// What lies there from the switch-over.
    opened: i64,
    /// What neither lines nor the switch-over explain.
    unexplained: i64,
}

type Opened = [(i32, String, Fen)];

fn beyond(scope: Scope, flows: &[FlowRow], items: &[ItemSum], opened: &Opened, of_year: i32) -> Vec<(ItemKind, Beyond)> {
    let of = |kind: ItemKind| {
        let ledger = balance(flows, of_year, kind.account());
        let lines = items.iter().filter(|s| (s.year, s.kind) == (of_year, kind)).map(|s| s.sum.fen).sum::<Fen>();
        let room: i64 = opened.iter().filter(|(y, account, _)| *y == of_year && account == kind.account()).map(|o| o.2.get()).sum();
        let rest = ledger.get() - lines.get();
        let opened = rest.clamp(0, room.max(0));
        (kind, Beyond { ledger, lines, opened, unexplained: rest - opened })
    };
    kinds(scope).iter().map(|kind| of(*kind)).collect()
}

/// What a bank's word moved out of `conflict`, because our books had it elsewhere, is in an account too much: by account.
/// Nothing where that does not explain all that is unexplained.
fn in_conflict(flows: &[FlowRow], beyond: &[(ItemKind, Beyond)], of_year: i32) -> BTreeMap<String, Fen> {
    let conflict = balance(flows, of_year, AccountKind::Conflict.code()).get();
    let off: Vec<_> = beyond.iter().filter(|(_, of)| of.unexplained != 0).collect();
    let sum: i64 = off.iter().map(|(_, of)| of.unexplained).sum();
    let is_other_way = off.iter().all(|(_, of)| of.unexplained.signum() == -conflict.signum());
    if conflict == 0 || !is_other_way || sum.abs() > conflict.abs() {
        return BTreeMap::new();
    }
    off.into_iter().map(|(kind, of)| (kind.account().to_owned(), Fen::new(of.unexplained))).collect()
}

const fn kinds(scope: Scope) -> &'static [ItemKind] {
    match scope {
        Scope::Month => &[ItemKind::Ineligible, ItemKind::Correctable, ItemKind::Unknown, ItemKind::InFlight],
        Scope::Year => &[ItemKind::Lapsed, ItemKind::Correctable],
    }
}

fn fiscal(p: &Period) -> i32 {
    if p.scope == Scope::Year { p.period.parse().unwrap_or_default() } else { 0 }
}

fn years(flows: &[FlowRow], items: &[ItemSum]) -> std::collections::BTreeSet<i32> {
    flows.iter().map(|f| f.year).chain(items.iter().map(|i| i.year)).collect()
}

fn balance(flows: &[FlowRow], of_year: i32, account: &str) -> Fen {
    let of = flows.iter().filter(|f| f.year == of_year && f.account == account);
    Fen::new(of.map(|f| f.before.get() + f.added.get() - f.removed.get()).sum())
}

/// The figures of a period: until now, or as they were at the entry with which it was sealed.
///
/// # Errors
/// The database refused.
pub async fn figures(tx: &mut Tx, p: &Period, sealed: Option<i64>) -> Result<Figures, PassError> {
    let flows = tx.flows(p, fiscal(p)).await?;
    let items = tx.item_sums(p.id).await?;
    let kind = due_back(p.scope);
    let fates = tx.fates(p.id, kind).await?;
    let opened = tx.opened(&p.department, &p.project, p.to_entry).await?;
    let back = tx.opened_back(&p.department, &p.project, p.to_entry).await?;
    let mut unknown = tx.pending_items(p.id, ItemKind::Unknown).await?;
    let mut in_flight = tx.pending_items(p.id, ItemKind::InFlight).await?;
    let mut by_year = BTreeMap::new();
    for of_year in years(&flows, &items) {
        let mut year = YearFigures {
            unknown: unknown.remove(&of_year).unwrap_or_default(),
            in_flight: in_flight.remove(&of_year).unwrap_or_default(),
            ..YearFigures::default()
        };
        year.accounts = accounts(&flows, of_year);
        for item in items.iter().filter(|i| i.year == of_year) {
            if item.kind == ItemKind::Correctable {
                (year.correctable, year.correctable_cases) = (item.sum, item.with_case);
            }
            if item.kind == kind {
                year.due_back = item.sum;
            }
        }
        went_back(&mut year, fates.iter().filter(|f| f.year == of_year), kind, sealed);
        let beyond = beyond(p.scope, &flows, &items, &opened, of_year);
        year.conflict = in_conflict(&flows, &beyond, of_year);
        for (kind, of) in beyond.iter().filter(|(kind, _)| *kind != ItemKind::InFlight) {
            let explained = if year.conflict.contains_key(kind.account()) { 0 } else { of.unexplained };
            let rest = of.opened + explained;
            if rest != 0 {
                year.without_lines.insert(kind.account().to_owned(), Fen::new(rest));
            }
        }
        let is_back = |b: &&OpenedBack| b.year == of_year && b.account == kind.account() && sealed.is_none_or(|sealed| b.entry <= sealed);
        let refunded = |b: &OpenedBack| Refunded { order: format!("opening {}", b.opening), count: 0, fen: b.fen };
        year.without_lines_back = back.iter().filter(is_back).map(refunded).collect();
        let moved = year.accounts.values().any(|f| !f.added.is_empty() || !f.removed.is_empty());
        if moved || items.iter().any(|i| i.year == of_year) {
            by_year.insert(of_year, year);
        }
    }
    Ok(Figures {
        number: certificate_number(&p.period, &p.department, &p.project),
        scope: p.scope.code().to_owned(),
        period: p.period.clone(),
        department: p.department.clone(),
        project: p.project.clone(),
        close_on: p.close_on.to_string(),
        from_entry: p.from_entry,
        to_entry: p.to_entry,
        years: by_year,
    })
}

fn accounts(flows: &[FlowRow], of_year: i32) -> BTreeMap<String, Flow> {
    let mut accounts: BTreeMap<String, Flow> = BTreeMap::new();
    for row in flows.iter().filter(|f| f.year == of_year) {
        let flow = accounts.entry(row.account.clone()).or_default();
        flow.opening = Fen::new(flow.opening.get() + row.before.get());
        flow.at_cut = Fen::new(flow.at_cut.get() + row.before.get() + row.added.get() - row.removed.get());
        for (amount, into) in [(row.added, &mut flow.added), (row.removed, &mut flow.removed)] {
            if amount != Fen::ZERO {
                into.insert(row.entry.clone(), amount);
            }
        }
    }
    accounts
}

fn went_back<'a>(year: &mut YearFigures, fates: impl Iterator<Item = &'a FateRow>, kind: ItemKind, sealed: Option<i64>) {
    let mut orders: BTreeMap<&str, Sum> = BTreeMap::new();
    for row in fates {
        match fate(row, kind, sealed) {
            Fate::Refunded(order) => *orders.entry(order).or_default() += row.sum,
            Fate::Left => year.due_back_left += row.sum,
            Fate::Ordered(..) | Fate::NoOrder | Fate::NotFinal => {}
        }
    }
    let back: i64 = orders.values().map(|s| s.fen.get()).sum();
    year.due_back_closing = Fen::new(year.due_back.fen.get() - year.due_back_left.fen.get() - back);
    let refunded = orders.into_iter().map(|(order, s)| Refunded { order: order.to_owned(), count: s.count, fen: s.fen });
    year.due_back_refunded = refunded.collect();
}

/// Where a period that was cut stands.
///
/// # Errors
/// The database refused.
pub async fn standing(tx: &mut Tx, p: &Period) -> Result<Standing, PassError> {
    let mut s = empty(p.scope, &p.period, (&p.department, &p.project), p.state.code(), &tx.item_sums(p.id).await?);
    let kind = due_back(p.scope);
    for row in tx.fates(p.id, kind).await? {
        if matches!(fate(&row, kind, p.sealed_entry), Fate::Refunded(_)) {
            s.refunded += row.sum;
        }
    }
    s.obstacles = obstacles(tx, p).await?;
    Ok(s)
}

/// What would be if the cut were taken now.
///
/// # Errors
/// The database refused.
pub async fn preview(tx: &mut Tx, scope: Scope, period: &str, purse: (&str, &str)) -> Result<Standing, PassError> {
    let of_year: i32 = if scope == Scope::Year { period.parse().unwrap_or_default() } else { 0 };
    let mut sums = tx.item_sums_now(purse.0, purse.1).await?;
    sums.retain(|s| of_year == 0 || s.year == of_year);
    if scope == Scope::Year {
        // Those that have not lapsed yet are what would.
        sums.iter_mut().filter(|s| s.kind == ItemKind::Correctable).for_each(|s| s.kind = ItemKind::Lapsed);
    }
    Ok(empty(scope, period, purse, "due", &sums))
}

fn empty(scope: Scope, period: &str, purse: (&str, &str), state: &'static str, sums: &[ItemSum]) -> Standing {
    let sum = |kind: ItemKind| {
        let mut all = Sum::default();
        sums.iter().filter(|s| s.kind == kind).for_each(|s| all += s.sum);
        all
    };
    Standing {
        period: period.to_owned(),
        department: purse.0.to_owned(),
        project: purse.1.to_owned(),
        state,
        due_back: sum(due_back(scope)),
        refunded: Sum::default(),
        correctable: sum(ItemKind::Correctable),
        unknown: sum(ItemKind::Unknown),
        in_flight: sum(ItemKind::InFlight),
        obstacles: Vec::new(),
    }
}
