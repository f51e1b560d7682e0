//! What departments do about payments that did not arrive: corrected lists, brought through the whole approval (R2); people
//! who turn out not to be entitled, before or after the money reached them (R4); what was carried over the year's end (R3).

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};

use super::people::{FINANCE, People};
use crate::clock::Participant;
use crate::domain::ids::EndToEndId;
use crate::domain::money::Fen;
use crate::domain::publication::PublicRow;
use crate::domain::reason::Reason;
use crate::passes::operate::case::{Wish, propose};
use crate::passes::operate::operator;
use crate::store::admission::PaymentRow;
use crate::store::intake::NewBatch;
use crate::store::tallies::Waiting;
use crate::store::views::Choice;

/// Department, subsidy and period of a corrected list, and whether it pays what was carried over the year's end.
type List = (String, String, String, bool);

/// More attempts than this at one payment teach nothing new.
const ATTEMPTS_MAX: i64 = 3;
/// The month from which on carried entitlements are paid from the new year's money.
const CARRIED_FROM: u32 = 2;

/// A department's corrected list, one a subsidy and period, as the platform would write it.
pub(super) async fn correct(people: &mut People<'_>, me: &Participant, day: NaiveDate) -> anyhow::Result<()> {
    let waiting = people.gateway.store.read().await?.waiting_for_people(2000).await?;
    let mut lists: BTreeMap<List, Vec<(Waiting, PaymentRow)>> = BTreeMap::new();
    for line in waiting {
        let is_carried = line.state == "carried";
        let is_due = if is_carried { line.year < day.year() && day.month() >= CARRIED_FROM } else { line.year == day.year() };
        if !is_due || line.attempt >= ATTEMPTS_MAX {
            continue;
        }
        if let Some(row) = corrected(people, &line).await? {
            let key = (line.department.clone(), line.project.clone(), line.period.clone(), is_carried);
            lists.entry(key).or_default().push((line, row));
        }
    }
    let mut numbers = Vec::new();
    for ((department, project, period, is_carried), lines) in lists {
        let total: Fen = lines.iter().map(|(line, _)| line.amount).sum();
        people.corrections += 1;
        let number = format!("{department}{}-CF-{}-{:03}", project.replace('.', "-"), day.format("%Y%m"), people.corrections);
        let rows: Vec<PaymentRow> = lines.into_iter().zip(1..).map(|((_, row), seq)| PaymentRow { seq, ..row }).collect();
        let batch = NewBatch {
            number: number.clone(),
            kind: "reissue".to_owned(),
            department: department.clone(),
            project: project.clone(),
            period,
            pay_on: day,
            declared_count: u64::try_from(rows.len()).unwrap_or_default(),
            declared: total,
            maker: people.hand(&department, "jingban"),
            budget_line: String::new(),
            voucher: String::new(),
        };
        let mut tx = people.gateway.store.begin().await?;
        if is_carried {
            people.fund(&mut tx, (&department, &project, day.year()), total, me.now()).await?;
        }
        tx.insert_batch(&batch, me.now()).await?;
        tx.insert_payments(&number, &rows).await?;
        tx.commit().await?;
        numbers.push((department, number));
    }
    for (department, number) in &numbers {
        people.approve(department, number, me.now()).await?;
    }
    for (department, number) in &numbers {
        people.release(department, number, me.now()).await?;
    }
    Ok(())
}

/// The row as the department knows it now; `None` where there is nothing to correct.
async fn corrected(people: &People<'_>, line: &Waiting) -> anyhow::Result<Option<PaymentRow>> {
    let found = people.gateway.store.read().await?.payments_after(&line.batch, line.seq - 1, 1).await?;
    let Some(row) = found.into_iter().next() else { return Ok(None) };
    let Some((name, id, account)) = people.truth.find(&row.account, &row.payee_id) else { return Ok(None) };
    let is_wrong = row.payee_name != name || !row.payee_id.same_as(&id) || row.account != account;
    if !is_wrong && line.class != "UR" && line.state != "carried" {
        return Ok(None);
    }
    let is_self = row.payee_role == "self";
    Ok(Some(PaymentRow {
        id: 0,
        entitled_name: if is_self { name.clone() } else { row.entitled_name.clone() },
        entitled_id: if is_self { id.clone() } else { row.entitled_id.clone() },
        payee_name: name,
        payee_id: id,
        account,
        amount: line.amount,
        reissue_of: EndToEndId(line.id).to_string(),
        ..row
    }))
}

/// Somebody turns out not to be entitled: one whose payment failed, so that its money goes back at the month's close; and
/// one who was paid, is put on the list of the ineligible, and gives the money back some days later (R4).
pub(super) async fn find_ineligible(people: &mut People<'_>, me: &Participant, day: NaiveDate) -> anyhow::Result<()> {
    let choice = Choice { batch: "", bank: "", department: "", state: "open", id: 0, limit: 500 };
    let mut tx = people.gateway.store.read().await?;
    let cases = tx.cases(&choice).await?;
    let waiting = tx.waiting_for_people(2000).await?;
    drop(tx);
    let may_be_judged = |id: Option<i64>| waiting.iter().any(|w| Some(w.id) == id && w.state == "failed_final" && w.year == day.year());
    let dead = cases.iter().find(|c| c.class == "BA" && matches!(c.kind.as_str(), "failed" | "returned") && may_be_judged(c.instruction));
    if let Some(case) = dead {
        let by = operator(people.gateway, FINANCE[1]).await?;
        let wish = Wish::Reclassify(Reason::Deceased, "民政殡葬信息比对：本人已去世");
        propose(people.gateway, &by, case.id, wish, me.now()).await?;
    }
    let Some(row) = somebody_paid(people, day).await? else { return Ok(()) };
    let from = day.with_day(1).unwrap_or(day);
    let mut tx = people.gateway.store.begin().await?;
    tx.put_ineligible(&row.1.payee_id, &row.0, Reason::Ineligible.code(), from).await?;
    tx.commit().await?;
    if let Some(customer) = people.truth.customer(&row.1.account) {
        let on = people.promised(day);
        people.giving_back.push((on, customer, row.1.amount));
    }
    Ok(())
}

/// Another one each month: the project's code and the payment, out of the month's lists.
async fn somebody_paid(people: &People<'_>, day: NaiveDate) -> anyhow::Result<Option<(String, PublicRow)>> {
    let lists = people.lists();
    let Some(plan) = usize::try_from(day.month()).ok().and_then(|n| lists.get(n % lists.len().max(1))) else { return Ok(None) };
    let mut tx = people.gateway.store.read().await?;
    let shape = tx.list_shape(&plan.number).await?;
    for block in &shape.blocks {
        let (_, rows) = tx.public_page(&shape, block.1, block.0 - 1, 200).await?;
        if let Some(row) = rows.into_iter().filter(|row| !row.is_by_other).nth(usize::try_from(day.month()).unwrap_or(0) % 7) {
            return Ok(Some((plan.project.code.to_owned(), row)));
        }
    }
    Ok(None)
}
