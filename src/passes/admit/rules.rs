//! What a row must be by itself, whatever else stands on the books: read and checked a page ahead of what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{PAGE, Refusal, refuse, repeat};
use crate::domain::batch::{BatchDigest, Persons};
use crate::domain::exchange::PaymentLine;
use crate::domain::ids::EndToEndId;
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::format::Profile;
use crate::store::admission::{NewInstruction, PaymentRow};
use crate::store::{Store, StoreError};

/// Everything that a row is checked by. Nothing of it changes while its batch is at the gate.
#[derive(Clone, Default)]
pub(super) struct Rules {
    pub(super) project: String,
    pub(super) period: String,
    pub(super) project_short: String,
    pub(super) pays_households: bool,
    /// A person may have several entitlements in one period.
    pub(super) several: bool,
    /// Which lane pays a card of this bank.
    pub(super) payers: BTreeMap<String, usize>,
    /// Of each lane its profile and the largest single amount.
    pub(super) lanes: Vec<(Arc<Profile>, Fen)>,
    pub(super) clearing: BTreeMap<String, String>,
    pub(super) ineligible: BTreeMap<i64, Reason>,
    /// Rows of people whom a correction made the payee of another entitlement.
    pub(super) corrected: BTreeSet<i64>,
}

/// A row, and the lane that pays it with its instruction, or why not.
pub(super) type Checked = (PaymentRow, Result<(usize, NewInstruction), Refusal>);

/// Count, sum and digest of the rows so far.
#[derive(Clone, Default)]
pub(super) struct Counted {
    pub(super) digest: BatchDigest,
    pub(super) rows: i64,
    pub(super) total: Fen,
}

impl Counted {
    pub(super) fn count(&mut self, row: &PaymentRow) {
        self.digest.row(&row.digest_line());
        self.rows += 1;
        self.total = self.total.checked_add(row.amount).unwrap_or(self.total);
    }
}

/// Rows in their order, and what all up to the last of them come to.
pub(super) struct Page {
    pub(super) rows: Vec<Checked>,
    pub(super) counted: Counted,
}

/// Reads a batch over a connection of its own and checks its rows, a page ahead of whoever takes them; the next is read while one is
/// checked. Ends with them, or once nobody takes them any more.
pub(super) fn read_ahead(store: Store, batch: String, rules: Arc<Rules>) -> (mpsc::Receiver<Result<Page, StoreError>>, JoinHandle<()>) {
    let (sender, pages) = mpsc::channel(1);
    let reading = tokio::spawn(async move {
        let (read, mut rows) = mpsc::channel(1);
        let reading = tokio::spawn(async move { read_pages(&store, &batch, &read).await });
        let mut counted = Counted::default();
        // A page is made once there is room for it: few are on their way, and a city's rows stay out of memory.
        while let Ok(room) = sender.reserve().await {
            let Some(page) = rows.recv().await else { break };
            let rows = rules.check_page(page, &mut counted);
            room.send(Ok(Page { rows, counted: counted.clone() }));
        }
        drop(rows);
        // A reader that stopped in the middle is no batch that ended there.
        let ended = reading.await.unwrap_or_else(|e| Err(StoreError::Broken(format!("reading the batch stopped: {e}"))));
        if let Err(e) = ended {
            _ = sender.send(Err(e)).await;
        }
    });
    (pages, reading)
}

async fn read_pages(store: &Store, batch: &str, to: &mpsc::Sender<Vec<PaymentRow>>) -> Result<(), StoreError> {
    let mut tx = store.read().await?;
    let mut after = i64::MIN;
    while let Ok(room) = to.reserve().await {
        let page = tx.payments_after(batch, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        room.send(page);
    }
    Ok(())
}

impl Rules {
    fn check_page(&self, page: Vec<PaymentRow>, counted: &mut Counted) -> Vec<Checked> {
        let checked = page.into_iter().map(|row| {
            counted.count(&row);
            let checked = self.check(&row);
            (row, checked)
        });
        checked.collect()
    }

    /// One row: the lane that pays it and its instruction, or why not.
    fn check(&self, row: &PaymentRow) -> Result<(usize, NewInstruction), Refusal> {
        let persons = Persons {
            entitled_name: &row.entitled_name,
            entitled_id: &row.entitled_id,
            payee_name: &row.payee_name,
            payee_id: &row.payee_id,
            role: &row.payee_role,
            mandate_no: &row.mandate_no,
            household_no: &row.household_no,
            pays_households: self.pays_households,
        };
        if let Some((reason, words)) = persons.fault() {
            return Err(Refusal { reason, words });
        }
        if let Some(reason) = self.ineligible.get(&row.seq) {
            let zh = format!("在不予发放名单中：{}", reason.zh());
            return Err(refuse(*reason, zh, "stands on the list of those who may not be paid"));
        }
        if self.corrected.contains(&row.seq) {
            return Err(repeat(false));
        }
        let lane = self.payers.get(&row.bank).and_then(|at| self.lanes.get(*at).map(|(profile, most)| (*at, profile, *most)));
        let Some((lane, profile, most)) = lane else {
            let en = format!("no agreement pays cards of bank {:?}", row.bank);
            return Err(refuse(Reason::BankCodeWrong, format!("开户行“{}”没有可用的代发协议", row.bank), en));
        };
        let line = PaymentLine {
            reference: EndToEndId(0).to_string(),
            seq: 1,
            payee_name: row.payee_name.clone(),
            id_number: row.payee_id.clone(),
            account: row.account.clone(),
            bank_code: self.clearing.get(&row.bank).cloned().unwrap_or_default(),
            amount: row.amount,
            mobile: row.mobile.clone(),
            project_short: self.project_short.clone(),
            remark: row.remark.clone(),
            ordinal: 1,
        };
        if let Some(refusal) = line_fault(profile, most, &line) {
            return Err(refusal);
        }
        let new = NewInstruction {
            id: 0,
            payment_id: row.id,
            root_payment_id: row.id,
            previous_id: None,
            part: 0,
            attempt: 1,
            claim_key: persons.claim_key(&self.project, &self.period, self.several.then_some(row.id)),
            payee_name: line.payee_name,
            payee_id: line.id_number,
            account: line.account,
            bank_code: line.bank_code,
            mobile: line.mobile,
            amount: row.amount,
            remark: line.remark,
            ordinal: 1,
        };
        Ok((lane, new))
    }
}

fn line_fault(profile: &Profile, most: Fen, line: &PaymentLine) -> Option<Refusal> {
    if !line.amount.is_positive() {
        return Some(refuse(Reason::AmountInvalid, "金额必须大于零", "the amount must be more than nothing"));
    }
    if line.amount > most {
        return Some(refuse(Reason::AmountLimit, format!("超过单笔限额{most}元"), format!("more than the limit of {most}")));
    }
    if !line.account.is_card_like() {
        return Some(refuse(Reason::AcctNoInvalid, "卡号缺失或不是12至32位数字", "the card number is missing or not 12 to 32 digits"));
    }
    let fault = profile.check_line(line).into_iter().next()?;
    Some(refuse(fault.reason, fault.reason.zh(), format!("{}: {}", fault.field, fault.detail)))
}
