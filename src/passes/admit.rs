//! The gate (准入): a released batch passes with its rows copied and their claims taken, waits for money, or goes back
//! whole with every reason at once. A faulty row becomes a case; nothing is dropped without a row that says so. A row that went out
//! before the database forgot it is refused by nobody: its batch waits until it can be on the books again.

/// Money that arrived.
mod funds;
/// What a batch waits for.
mod hold;
mod lanes;
/// What a row must be by itself.
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use self::hold::OffTheBooks;
pub(crate) use self::hold::Wait;
use self::rules::{Checked, Counted, Rules};

use super::{Done, Gateway, PassError, Tried, expect, guard, switch};
use crate::domain::batch::{Hands, fiscal_year, is_period};
use crate::domain::calendar::CalendarError;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::ledger::{AccountKind, Purse};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::time::Timestamp;
use crate::store::admission::{Agreement, BatchRow, NewCase, NewInstruction, NewTranche, PaymentRow, Verdict};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

/// Rows read, checked and written at a time.
const PAGE: i64 = 1000;

/// Books funds that arrived, then takes every batch at the gate.
///
/// # Errors
/// The database. A batch that breaks a rule is no error; nor is one that cannot be checked: it is told of by itself.
pub async fn admit(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut tried = Tried::default();
    tried.note(match funds::book(gateway, now).await {
        // Another node booked them at the same moment.
        Err(PassError::Store(e)) if e.is_unique_violation() => Ok(Done::default()),
        ended => ended,
    });
    tried.note(funds::tell_aside(gateway, now).await);
    let batches = gateway.store.read().await?.batches_at_gate(now).await?;
    tried.note(hold::settle_gone(gateway, &batches, now).await);
    if batches.is_empty() {
        return tried.end();
    }
    // What went out and was forgotten is known before a list is judged by what the database knows.
    guard::look(gateway, now).await?;
    let Some(awaited) = guard::awaited_at_gate(gateway, &mut gateway.store.read().await?).await? else { return tried.end() };
    for batch in batches.into_iter().filter(|batch| awaited.is_empty() || awaited.contains(&batch.number)) {
        tried.note(take(gateway, batch, now).await);
    }
    tried.end()
}

async fn take(gateway: &Gateway, batch: BatchRow, now: Timestamp) -> Result<Done, PassError> {
    let number = batch.number.clone();
    let done = match Gate::new(gateway, batch, now).pass().await {
        // Another node was faster: every row of the batch is on the books already.
        Err(PassError::Store(e)) if e.is_unique_violation() && gateway.store.read().await?.is_admitted(&number).await? => Done::default(),
        Err(PassError::Calendar(CalendarError::YearMissing { year })) => expect::tell_of_year(gateway, year, now).await?,
        Err(e) if !e.is_transient() => return hold::tell_failed(gateway, &number, &e, now).await,
        ended => ended?,
    };
    gateway.settle(&hold::failed_key(&number), now).await?;
    Ok(done)
}

/// One batch on its way through.
struct Gate<'a> {
    gateway: &'a Gateway,
    now: Timestamp,
    today: NaiveDate,
    batch: BatchRow,
    pay_on: Option<NaiveDate>,
    rules: Arc<Rules>,
    lanes: Vec<Lane>,
    /// What of it went out and was forgotten: first and last row of each run.
    sent: Vec<(i64, i64)>,
    /// Claims of people who are paid under another one: the batch corrects whom the list named.
    named_anew: Vec<i64>,
}

/// An agreement that pays rows of the batch, and the block of numbers that it fills.
struct Lane {
    agreement: Agreement,
    first_id: i64,
    count: i64,
    total: Fen,
}

/// Why a row is not paid.
struct Refusal {
    reason: Reason,
    words: Words,
}

fn refuse(reason: Reason, zh: impl Into<String>, en: impl Into<String>) -> Refusal {
    Refusal { reason, words: Words::new(zh, en) }
}

/// An accepted row: its lane, and the instruction but for its number.
struct Accepted {
    lane: usize,
    row: PaymentRow,
    new: NewInstruction,
    /// The claim of the person whom the row names: a correction pays under that of the person whom the list named.
    own: i64,
}

/// What a scan of the rows found.
#[derive(Default)]
struct Scan {
    counted: Counted,
    admitted: (u64, Fen),
    rejected: (u64, Fen),
    /// Rows that went out, and that the books cannot take now.
    off_the_books: OffTheBooks,
}

impl<'a> Gate<'a> {
    fn new(gateway: &'a Gateway, batch: BatchRow, now: Timestamp) -> Self {
        let pay_on = batch.pay_on.parse().ok();
        let rules = Rules { project: batch.project.clone(), period: batch.period.clone(), ..Rules::default() };
        let (today, rules) = (gateway.today(now), Arc::new(rules));
        Self { gateway, now, today, batch, pay_on, rules, lanes: Vec::new(), sent: Vec::new(), named_anew: Vec::new() }
    }

    async fn pass(mut self) -> Result<Done, PassError> {
        let mut faults = self.prepare().await?;
        if !faults.is_empty() {
            let (scan, digest) = self.sum_up().await?;
            faults.extend(self.totals_faults(&scan, &digest));
            return self.send_back(faults).await;
        }
        if let Some(short) = self.short_of_funds().await? {
            return self.hold(Wait::Funds, short).await;
        }
        let mut tx = self.gateway.store.begin().await?;
        let scan = self.scan(&mut tx).await?;
        let digest = scan.counted.digest.clone().finish();
        let faults = self.totals_faults(&scan, &digest);
        if !faults.is_empty() {
            drop(tx);
            return self.send_back(faults).await;
        }
        if let Some(words) = scan.off_the_books.words(&self.batch.number) {
            drop(tx);
            return self.hold(Wait::Books, words).await;
        }
        if !self.sent.is_empty() {
            tx.look_at_excluded_of(&self.batch.number).await?;
        }
        for lane in self.lanes.iter().filter(|l| l.count > 0) {
            let tranche = NewTranche {
                batch: &self.batch.number,
                agreement: &lane.agreement.number,
                bank: &lane.agreement.bank,
                kind: if self.batch.kind == "reissue" { "reissue" } else { "first" },
                first_id: lane.first_id,
                last_id: lane.first_id + lane.count - 1,
                open: lane.total,
                not_before: self.pay_on.unwrap_or(self.today),
            };
            tx.insert_tranche(&tranche, self.now).await?;
        }
        // Its head was read before its rows: who changes it, or takes it back, waits from here on, or is seen.
        tx.hold_batch(&self.batch.number).await?;
        if tx.batch_at_gate(&self.batch.number, self.now).await?.as_ref() != Some(&self.batch) {
            return Ok(Done::default());
        }
        let verdict = Verdict {
            state: "admitted",
            digest,
            year: self.year(),
            reasons: String::new(),
            admitted: scan.admitted,
            rejected: scan.rejected,
        };
        if !tx.set_verdict((&self.batch.number, &self.batch.admission), &verdict, self.now).await? {
            return Ok(Done::default());
        }
        let ranges: Vec<(i64, i64)> = self.lanes.iter().filter(|l| l.count > 0).map(|l| (l.first_id, l.first_id + l.count - 1)).collect();
        if switch::came_between(&mut tx, &ranges, &self.named_anew).await? || self.others_came_between(&mut tx, &ranges).await? {
            return Ok(Done::default());
        }
        let detail = format!("admitted {} = {}, rejected {} = {}", scan.admitted.0, scan.admitted.1, scan.rejected.0, scan.rejected.1);
        tx.audit("daemon", "admit", &self.batch.number, &detail, self.now).await?;
        for wait in Wait::ALL {
            tx.close_incident(&wait.key(&self.batch.number), self.now).await?;
        }
        for number in tx.came_back_as(&self.batch.number).await? {
            tx.close_incident(&format!("returned:{number}"), self.now).await?;
        }
        tx.commit().await?;
        tracing::info!(batch = self.batch.number, admitted = scan.admitted.0, rejected = scan.rejected.0, "batch admitted");
        Ok(Done { changed: 1, ..Done::default() })
    }

    fn year(&self) -> i32 {
        fiscal_year(self.pay_on.unwrap_or(self.today))
    }

    /// Whether a person of this batch came to be paid by another entitlement while it was read: a correction and a list hold
    /// claims of different people for the one whom both name. Behind the lock of [`switch::came_between`], so that whichever
    /// of two batches ends second sees the first; it is taken anew then, and its rows are refused one by one.
    async fn others_came_between(&self, tx: &mut Tx, ranges: &[(i64, i64)]) -> Result<bool, PassError> {
        let b = &self.batch;
        if self.rules.several {
            return Ok(false);
        }
        if b.kind == "first" {
            let corrected = tx.corrected_into(&b.number, &b.project, &b.period).await?;
            return Ok(corrected.iter().any(|seq| !self.rules.corrected.contains(seq)));
        }
        for range in ranges {
            if tx.paid_elsewhere_in_range(*range, &b.project, &b.period).await? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Everything that can be said before the rows are read. Returns what is wrong with the batch as a whole.
    async fn prepare(&mut self) -> Result<Vec<Words>, PassError> {
        let b = &self.batch;
        let rules = Arc::make_mut(&mut self.rules);
        let hands = Hands { maker: &b.maker, approver: &b.approver, finance_reviewer: &b.finance_reviewer, released_by: &b.released_by };
        let mut faults = hands.faults();
        let Some(pay_on) = self.pay_on else {
            faults.push(Words::new(format!("发放日期“{}”不是日期", b.pay_on), format!("pay_on {:?} is no date like 2019-03-14", b.pay_on)));
            return Ok(faults);
        };
        // A year that nobody entered is no fault of the department's: the batch waits for it.
        self.gateway.calendar.is_working_day(pay_on)?;
        if !is_period(&b.period) {
            faults.push(Words::new(format!("所属期“{}”格式不对", b.period), format!("period {:?}: 2019, 2019-Q1 or 2019-03", b.period)));
        }
        let mut tx = self.gateway.store.read().await?;
        match tx.project_on(&b.project, &b.pay_on).await? {
            Some((short, kind, several)) => {
                (rules.project_short, rules.pays_households, rules.several) = (short, kind == "household", several);
            }
            None => faults.push(Words::new(
                format!("项目{}在{}无效", b.project, b.pay_on),
                format!("project {} is not valid on {}", b.project, b.pay_on),
            )),
        }
        let agreements = tx.agreements_on(&b.department, &b.pay_on).await?;
        if agreements.is_empty() {
            faults.push(Words::new(
                format!("部门{}在{}没有有效的代发协议", b.department, b.pay_on),
                format!("department {} has no agreement valid on {}", b.department, b.pay_on),
            ));
        }
        rules.clearing = tx.banks().await?.into_iter().map(|r| (r.code, r.clearing_no)).collect();
        let counts = tx.batch_by_bank(&b.number).await?;
        self.sent = tx.forgotten_seqs(&b.number).await?;
        let sent = &self.sent;
        rules.ineligible = tx
            .ineligible_in_batch(&b.number, &b.project, &b.pay_on)
            .await?
            .into_iter()
            // He was paid before he was put on the list: that is on the books first, and then asked back.
            .filter(|(seq, _)| !is_among(sent, *seq))
            .map(|(seq, reason)| (seq, Reason::from_code(&reason).unwrap_or(Reason::Ineligible)))
            .collect();
        if b.kind == "first" && !rules.several {
            rules.corrected = tx.corrected_into(&b.number, &b.project, &b.period).await?.into_iter().collect();
        }
        drop(tx);
        self.open_lanes(agreements, &counts).await?;
        Ok(faults)
    }

    /// What the batch asks of the purse's free funds: all that it declares; of a reissue only what was carried over the year's
    /// end, for everything else lies in suspense already.
    async fn needed(&self) -> Result<Fen, PassError> {
        if self.batch.kind != "reissue" {
            return Ok(self.batch.declared);
        }
        let mut tx = self.gateway.store.read().await?;
        let (mut needed, mut after) = (Fen::ZERO, i64::MIN);
        loop {
            let page = tx.payments_after(&self.batch.number, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(needed) };
            after = last.seq;
            let named: Vec<i64> = page.iter().filter_map(|row| EndToEndId::parse(&row.reissue_of)).map(|id| id.0).collect();
            needed = needed.checked_add(tx.carried_among(&named).await?).unwrap_or(needed);
        }
    }

    async fn short_of_funds(&self) -> Result<Option<Words>, PassError> {
        let needed = self.needed().await?;
        if !self.gateway.config.admission.funds_required || !needed.is_positive() {
            return Ok(None);
        }
        let purse = Purse {
            department: self.batch.department.clone(),
            project: self.batch.project.clone(),
            year: self.year(),
            bank: String::new(),
        };
        let mut tx = self.gateway.store.read().await?;
        let balance = tx.balance(&purse.account(AccountKind::ZeroBalance)).await?;
        let spoken_for = tx.spoken_for(&purse.department, &purse.project, purse.year).await?;
        let free = balance.checked_sub(spoken_for).unwrap_or(Fen::ZERO);
        if free >= needed {
            return Ok(None);
        }
        let [other_years, other_model, future] = tx.funds_aside(&purse.department, &purse.project, purse.year, self.now).await?;
        let (mut zh, mut en) = (
            format!("额度不足：批次{}需要{needed}元，可用{free}元（{}年度）", self.batch.number, purse.year),
            format!("funds are short: batch {} needs {needed}, {free} is free (year {})", self.batch.number, purse.year),
        );
        for (fen, other_zh, other_en) in [
            (other_years, "属其他年度，不计入", "of other years does not count"),
            (other_model, "资金方式与协议不符，不计入", "is of a funds model that no agreement has, and does not count"),
            (future, "尚未到账，不计入", "has not arrived yet"),
        ] {
            if fen.is_positive() {
                zh.push_str(&format!("；另有{fen}元{other_zh}"));
                en.push_str(&format!("; {fen} {other_en}"));
            }
        }
        Ok(Some(Words::new(zh, en)))
    }

    /// Count, sum and digest of a batch that goes back anyway: all its faults are told at once.
    async fn sum_up(&self) -> Result<(Scan, String), PassError> {
        let mut tx = self.gateway.store.read().await?;
        let mut scan = Scan::default();
        let mut after = i64::MIN;
        loop {
            let page = tx.payments_after(&self.batch.number, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for row in page {
                scan.counted.count(&row);
            }
        }
        let digest = scan.counted.digest.clone().finish();
        Ok((scan, digest))
    }

    /// Takes the rows page by page: the next is read and checked while one is written.
    async fn scan(&mut self, tx: &mut Tx) -> Result<Scan, PassError> {
        let mut scan = Scan::default();
        let (mut pages, reading) = rules::read_ahead(self.gateway.store.clone(), self.batch.number.clone(), Arc::clone(&self.rules));
        while let Some(page) = pages.recv().await {
            let page = page?;
            scan.counted = page.counted;
            self.pass_page(tx, page.rows, &mut scan).await?;
        }
        // A reader that stopped in the middle is no batch that ended there.
        reading.await.map_err(|e| PassError::Broken(format!("reading batch {} stopped: {e}", self.batch.number)))?;
        Ok(scan)
    }

    async fn pass_page(&mut self, tx: &mut Tx, page: Vec<Checked>, scan: &mut Scan) -> Result<(), PassError> {
        let (mut accepted, mut refused) = (Vec::with_capacity(page.len()), Vec::new());
        let is_reissue = self.batch.kind == "reissue";
        for (row, checked) in page {
            let own = checked.as_ref().map_or(0, |(_, new)| new.claim_key);
            let checked = if is_reissue { self.check(tx, &row, checked).await? } else { checked };
            match checked {
                Ok((lane, new)) => accepted.push(Accepted { lane, row, new, own }),
                Err(refusal) => refused.push((row, refusal)),
            }
        }
        refuse_repeats(&mut accepted, &mut refused);
        refuse_paid_before(tx, &mut accepted, &mut refused).await?;
        self.insert(tx, accepted, &mut refused, scan).await?;
        let (sent, refused): (Vec<_>, Vec<_>) = refused.into_iter().partition(|(row, _)| is_among(&self.sent, row.seq));
        sent.into_iter().for_each(|(row, refusal)| scan.off_the_books.note(row.seq, refusal.words));
        self.reject(tx, refused, scan).await
    }

    /// Writes a page of accepted rows. Rows whose claim is taken already are refused; the others are numbered without gaps.
    async fn insert(
        &mut self,
        tx: &mut Tx,
        mut accepted: Vec<Accepted>,
        refused: &mut Vec<(PaymentRow, Refusal)>,
        scan: &mut Scan,
    ) -> Result<(), PassError> {
        loop {
            let mut next: Vec<i64> = self.lanes.iter().map(|l| l.first_id + l.count).collect();
            for a in &mut accepted {
                if let Some(id) = next.get_mut(a.lane) {
                    a.new.id = *id;
                    *id += 1;
                }
            }
            tx.savepoint().await?;
            match tx.insert_instructions(&self.batch.number, accepted.iter().map(|a| &a.new)).await {
                Ok(()) => break tx.release().await?,
                Err(e) if e.is_unique_violation() => tx.rollback_part().await?,
                Err(e) => return Err(e.into()),
            }
            let keys: Vec<i64> = accepted.iter().map(|a| a.new.claim_key).collect();
            let taken: BTreeMap<i64, bool> = tx.claims_taken(&keys, &self.batch.number).await?.into_iter().collect();
            if taken.is_empty() {
                return Err(PassError::Broken(format!("batch {}: a claim was refused that nobody holds; trying again", self.batch.number)));
            }
            let (free, repeated): (Vec<_>, Vec<_>) = accepted.into_iter().partition(|a| !taken.contains_key(&a.new.claim_key));
            accepted = free;
            refused.extend(repeated.into_iter().map(|a| {
                let here = taken.get(&a.new.claim_key).copied().unwrap_or(false);
                (a.row, repeat(here))
            }));
        }
        for a in &accepted {
            if a.own != a.new.claim_key {
                self.named_anew.push(a.own);
            }
            if let Some(lane) = self.lanes.get_mut(a.lane) {
                lane.count += 1;
                lane.total = lane.total.checked_add(a.new.amount).unwrap_or(lane.total);
            }
            scan.admitted = (scan.admitted.0 + 1, scan.admitted.1.checked_add(a.new.amount).unwrap_or(scan.admitted.1));
        }
        Ok(())
    }

    async fn reject(&self, tx: &mut Tx, refused: Vec<(PaymentRow, Refusal)>, scan: &mut Scan) -> Result<(), PassError> {
        let due_on = self.gateway.due_day(self.today, self.gateway.config.cases.due_days)?;
        let mut cases = Vec::with_capacity(refused.len());
        for (row, refusal) in refused {
            scan.rejected = (scan.rejected.0 + 1, scan.rejected.1.checked_add(row.amount).unwrap_or(scan.rejected.1));
            let class = refusal.reason.class();
            cases.push(NewCase {
                kind: "rejected",
                payment_id: row.id,
                root_payment_id: row.id,
                instruction_id: None,
                part: 0,
                batch: self.batch.number.clone(),
                department: self.batch.department.clone(),
                bank: String::new(),
                amount: row.amount,
                reason: refusal.reason.code(),
                class: class.code(),
                detail: self.gateway.say(refusal.words),
                owner: owner_of(class),
                business_date: self.today,
                due_on,
            });
        }
        Ok(tx.insert_cases(&cases, self.now).await?)
    }

    /// What of a reissue's row only the books can say: it names what it pays again. The lane that pays the row and its instruction, or why not.
    async fn check(
        &self,
        tx: &mut Tx,
        row: &PaymentRow,
        checked: Result<(usize, NewInstruction), Refusal>,
    ) -> Result<Result<(usize, NewInstruction), Refusal>, PassError> {
        let (lane, mut new) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Err(refusal) = succeed(tx, &self.batch, self.year(), row, &mut new).await? {
            return Ok(Err(refusal));
        }
        let named = new.previous_id.unwrap_or_default();
        // A correction that was approved before two persons cancelled the payment is released behind that.
        if tx.is_cancelled(named, new.part).await? {
            let named = EndToEndId(named);
            return Ok(Err(refuse(
                Reason::Ineligible,
                format!("原支付{named}已由两人决定不再发放；如认定有误，请先 bankgate failure reclassify 改判"),
                format!("two persons decided that {named} will not be paid: if that was wrong, `bankgate failure reclassify` first"),
            )));
        }
        // A corrected identity number may be that of somebody who is paid already, and whoever failed by itself may be paid by
        // somebody else's correction.
        let (project, period) = (&self.batch.project, &self.batch.period);
        if !self.rules.several && tx.is_paid_elsewhere(row, project, period, named).await? {
            return Ok(Err(repeat(false)));
        }
        Ok(Ok((lane, new)))
    }

    fn totals_faults(&self, scan: &Scan, digest: &str) -> Vec<Words> {
        let b = &self.batch;
        let mut faults = Vec::new();
        if scan.counted.rows != b.declared_count {
            faults.push(Words::new(
                format!("申报{}笔，实有{}笔", b.declared_count, scan.counted.rows),
                format!("declares {} rows, has {}", b.declared_count, scan.counted.rows),
            ));
        }
        if scan.counted.total != b.declared {
            faults.push(Words::new(
                format!("申报金额{}元，实为{}元", b.declared, scan.counted.total),
                format!("declares {}, its rows sum to {}", b.declared, scan.counted.total),
            ));
        }
        if b.digest.is_empty() {
            faults.push(Words::new("没有审批摘要", "has no digest"));
        } else if b.digest != digest {
            faults.push(Words::new("审批后数据有改动：摘要不符", "its rows are not those that were approved: the digest differs"));
        }
        faults
    }

    async fn send_back(&self, faults: Vec<Words>) -> Result<Done, PassError> {
        let reasons: Vec<String> = faults.into_iter().map(|w| self.gateway.say(w)).collect();
        let verdict = Verdict {
            state: "returned",
            digest: self.batch.digest.clone(),
            year: self.year(),
            reasons: reasons.join("\n"),
            ..Verdict::default()
        };
        let mut tx = self.gateway.store.begin().await?;
        if !tx.set_verdict((&self.batch.number, &self.batch.admission), &verdict, self.now).await? {
            return Ok(Done::default());
        }
        tx.audit("daemon", "return_batch", &self.batch.number, &verdict.reasons, self.now).await?;
        let what = self.gateway.say(Words::new(
            format!("批次{}（部门{}）被整批退回：{}", self.batch.number, self.batch.department, reasons.join("；")),
            format!("batch {} of {} went back whole: {}", self.batch.number, self.batch.department, reasons.join("; ")),
        ));
        let next_step =
            self.gateway.say(Words::new("请部门更正后重新审批发放", "the department corrects it, then approves and releases it again"));
        let key = format!("returned:{}", self.batch.number);
        tx.incident(&NewIncident { key: &key, kind: "batch_returned", bank: "", what: &what, next_step: &next_step }, self.now).await?;
        tx.commit().await?;
        tracing::warn!(batch = self.batch.number, faults = reasons.len(), "batch returned");
        Ok(Done { changed: 1, ..Done::default() })
    }
}

/// Ties a reissue row to the instruction that it pays again; refuses what is not finally failed, or failed with another amount.
async fn succeed(
    tx: &mut Tx,
    batch: &BatchRow,
    year: i32,
    row: &PaymentRow,
    new: &mut NewInstruction,
) -> Result<Result<(), Refusal>, PassError> {
    let Some(id) = EndToEndId::parse(&row.reissue_of) else {
        return Ok(Err(refuse(
            Reason::DupBenefit,
            "重发批次须注明原支付编号",
            format!("reissue_of {:?} is no reference of ours", row.reissue_of),
        )));
    };
    let Some(previous) = tx.predecessor(id.0).await? else {
        return Ok(Err(refuse(Reason::DupBenefit, "原支付编号不存在", format!("there is no instruction {id}"))));
    };
    if (&previous.department, &previous.project) != (&batch.department, &batch.project) {
        return Ok(Err(refuse(
            Reason::DupBenefit,
            "原支付不属于本部门本项目",
            format!("{id} is of department {}, project {}", previous.department, previous.project),
        )));
    }
    let part = previous.part(row.amount);
    let state = part.state.as_str();
    if !part.is_free() {
        return Ok(Err(refuse(Reason::DupBenefit, "原支付尚未最终失败，不得重发", format!("{id} has not finally failed: {state:?}"))));
    }
    if let ("carried", Some(successor)) = (state, part.successor) {
        let successor = EndToEndId(successor);
        let en = format!("{id} was carried and is paid again by {successor} already: name that one");
        return Ok(Err(refuse(Reason::DupBenefit, format!("原支付结转后已由{successor}再次发放，请按该支付办理"), en)));
    }
    if state == "failed_final" && previous.year != year {
        let en = format!(
            "{id} belongs to fiscal year {}: its money goes back to the treasury first, then it is paid from new funds",
            previous.year
        );
        return Ok(Err(refuse(Reason::NotFixedInYear, format!("原支付属{}年度，须先退回国库结转后再以新年度资金发放", previous.year), en)));
    }
    if part.amount != row.amount {
        let amount = part.amount;
        let en = format!("{id} was {amount}, the reissue says {}", row.amount);
        return Ok(Err(refuse(Reason::AmountInvalid, format!("与原支付金额{amount}元不一致"), en)));
    }
    new.root_payment_id = previous.root_payment_id;
    new.previous_id = Some(previous.id);
    new.part = part.number;
    new.attempt = previous.attempt + 1;
    new.claim_key = part.claim_key;
    Ok(Ok(()))
}

/// Whether a row lies in one of these runs.
fn is_among(runs: &[(i64, i64)], seq: i64) -> bool {
    runs.iter().any(|(first, last)| (*first..=*last).contains(&seq))
}

fn repeat(in_this_batch: bool) -> Refusal {
    if in_this_batch {
        refuse(Reason::DupInBatch, "同一人在本批次同一项目同一所属期重复", "the same person stands twice in this batch")
    } else {
        refuse(
            Reason::DupBenefit,
            "同一人同一项目同一所属期已在发放或已发放",
            "the same person, project and period is live or paid already",
        )
    }
}

/// Rows within one page that take the same claim, or pay one person for two entitlements: the first stays.
fn refuse_repeats(accepted: &mut Vec<Accepted>, refused: &mut Vec<(PaymentRow, Refusal)>) {
    let mut seen = Seen::default();
    // Mostly there are none, and rows are wide.
    if accepted.iter().all(|a| seen.is_first(a)) {
        return;
    }
    let mut seen = Seen::default();
    let (first, repeated): (Vec<_>, Vec<_>) = std::mem::take(accepted).into_iter().partition(|a| seen.is_first(a));
    *accepted = first;
    refused.extend(repeated.into_iter().map(|a| (a.row, repeat(true))));
}

/// Claims taken so far, and by which entitlement each person is paid.
#[derive(Default)]
struct Seen {
    claims: BTreeSet<i64>,
    people: BTreeMap<i64, i64>,
}

impl Seen {
    fn is_first(&mut self, a: &Accepted) -> bool {
        let root = a.new.root_payment_id;
        self.claims.insert(a.new.claim_key) && *self.people.entry(a.own).or_insert(root) == root
    }
}

/// Rows whose claim, or whose person's, the channel before this one has paid.
async fn refuse_paid_before(tx: &mut Tx, accepted: &mut Vec<Accepted>, refused: &mut Vec<(PaymentRow, Refusal)>) -> Result<(), PassError> {
    let anew = accepted.iter().filter(|a| a.own != a.new.claim_key).map(|a| a.own);
    let keys: Vec<i64> = accepted.iter().map(|a| a.new.claim_key).chain(anew).collect();
    let before = switch::paid_before(tx, &keys).await?;
    if before.is_empty() {
        return Ok(());
    }
    for a in std::mem::take(accepted) {
        match before.get(&a.new.claim_key).or_else(|| before.get(&a.own)) {
            Some(words) => refused.push((a.row, Refusal { reason: Reason::DupBenefit, words: words.clone() })),
            None => accepted.push(a),
        }
    }
    Ok(())
}

/// Who must act on a class.
pub(crate) const fn owner_of(class: ReasonClass) -> &'static str {
    match class {
        ReasonClass::Correctable | ReasonClass::Ineligible | ReasonClass::Unclear => "department",
        ReasonClass::Beneficiary => "person",
        ReasonClass::Transient | ReasonClass::Enquire | ReasonClass::Gateway => "operator",
    }
}
