//! What the county's people do, working day by working day, and how its banks behave.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Days, Months, NaiveDate};
use indicatif::ProgressBar;

use super::super::people::put_up_lists;
use super::super::stage::Stage;
use super::super::wall;
use super::reissue;
use crate::cli::out::Out;
use crate::cli::people::BatchPlan;
use crate::clock::Participant;
use crate::daemon::Wake;
use crate::domain::masked::{Account, IdNumber, Name};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::list::write_csv;
use crate::passes::Gateway;
use crate::passes::operate::import::{ImportFacts, import_batch};
use crate::passes::operate::matching::propose_match;
use crate::passes::operate::propose::approve;
use crate::passes::operate::{approve_batch, operator, release_batch, review_batch};
use crate::sandbox::{BankDays, BankSpec, Behaviour, Debits, Fault, Sandbox, When};
use crate::store::sql::Tx;

/// The finance bureau's second person, who approves what others proposed.
pub(super) const FINANCE: [&str; 2] = ["caizheng.fuhe", "caizheng.shenpi"];
/// So many days after a statement with an error the bank's letter is there.
const LETTER_DAYS: u64 = 5;
/// Where the first bank's statements err: each kind of break within five months, the last ones put right by then. A debit
/// that is left out of twenty-six statements is missing for longer than thirty days.
const FAULTS_OF_ONE: &[(When, Fault)] = &[
    (When::Nth(9), Fault::Charge(Fen::new(1_000))),
    (When::Nth(11), Fault::Withhold(4)),
    (When::Nth(20), Fault::Miss(4)),
    (When::Nth(43), Fault::Miss(26)),
    (When::Nth(90), Fault::Late),
];
/// Where the other's do. A debit that comes a day late is no break.
const FAULTS_OF_OTHER: &[(When, Fault)] = &[
    (When::Nth(12), Fault::Double),
    (When::Nth(30), Fault::MisKey),
    (When::Nth(60), Fault::Miss(1)),
    (When::Nth(120), Fault::Charge(Fen::new(250))),
];
/// Yearly subsidies are paid in this month.
const YEARLY_IN: u32 = 3;

/// Where somebody has the card, not masked: the pretend banks are told it.
#[derive(Clone)]
pub(super) struct Customer {
    pub(super) bank: String,
    pub(super) account: String,
}

/// What is true of everybody, by card and by identity number.
pub(super) struct Truth {
    /// With the card's number as the bank is told it.
    by_account: BTreeMap<Account, (Name, IdNumber, Customer)>,
    by_id: BTreeMap<IdNumber, (Name, Account)>,
}

impl Truth {
    pub(super) fn of(stage: &Stage) -> Self {
        let mut truth = Self { by_account: BTreeMap::new(), by_id: BTreeMap::new() };
        for c in &stage.world.customers {
            let (account, name, id) = (Account::new(&*c.account), Name::new(&*c.name), IdNumber::new(&*c.id_number));
            truth.by_id.insert(id.clone(), (name.clone(), account.clone()));
            let customer = Customer { bank: c.bank.clone(), account: c.account.clone() };
            truth.by_account.insert(account, (name, id, customer));
        }
        truth
    }

    /// Name, identity number and card of whom a list's row means: by the card, else by the identity number.
    pub(super) fn find(&self, account: &Account, id: &IdNumber) -> Option<(Name, IdNumber, Account)> {
        if let Some((name, id, _)) = self.by_account.get(account) {
            return Some((name.clone(), id.clone(), account.clone()));
        }
        self.by_id.get(id).map(|(name, account)| (name.clone(), id.clone(), account.clone()))
    }

    /// Whose card it is.
    pub(super) fn customer(&self, account: &Account) -> Option<Customer> {
        self.by_account.get(account).map(|(_, _, customer)| customer.clone())
    }
}

/// The banks: one debits what it paid, in one sum; the other takes whole files and gives back what failed. Both send
/// payments back weeks later, and both err on statements.
pub(super) fn banks(stage: &mut Stage) -> anyhow::Result<Vec<BankSpec>> {
    let calendar = stage.calendar()?;
    let days = BankDays::by(move |day| calendar.is_bank_day(day).unwrap_or(false));
    let mut specs = stage.bank_specs();
    for (spec, is_first) in specs.iter_mut().zip([true, false]) {
        let faults = if is_first { FAULTS_OF_ONE } else { FAULTS_OF_OTHER };
        spec.behaviour = Behaviour {
            busy_per_mille: 8,
            pickup_every_minutes: 120,
            debits: if is_first { Debits::Net } else { Debits::Gross { one_by_one: false } },
            return_per_mille: 6,
            return_after_days: 3..=45,
            statement_faults: faults.to_vec(),
            bank_days: days.clone(),
            ..spec.behaviour.clone()
        };
    }
    Ok(specs)
}

/// The people at their desks.
pub(super) struct People<'a> {
    pub(super) stage: &'a Stage,
    pub(super) gateway: &'a Gateway,
    pub(super) sandbox: &'a Sandbox,
    pub(super) truth: Truth,
    wake: &'a Wake,
    /// The month's lists.
    plans: Vec<BatchPlan>,
    /// How many working days of the month have begun.
    working_day: u32,
    /// Corrections brought so far, for their numbers.
    pub(super) corrections: u32,
    /// Cards whose holders will give money back, with how much, and on which day.
    pub(super) giving_back: Vec<(NaiveDate, Customer, Fen)>,
}

impl<'a> People<'a> {
    pub(super) fn new(stage: &'a Stage, gateway: &'a Gateway, sandbox: &'a Sandbox, wake: &'a Wake, truth: Truth) -> Self {
        Self { stage, gateway, sandbox, truth, wake, plans: Vec::new(), working_day: 0, corrections: 0, giving_back: Vec::new() }
    }

    /// Day after day, to the last.
    pub(super) async fn play(mut self, me: &Participant, months: u32, last: NaiveDate, out: &Out) -> anyhow::Result<()> {
        let first = self.stage.first_day();
        let bar = if out.is_for_programs() { ProgressBar::hidden() } else { ProgressBar::new(u64::from(months)) };
        for day in first.iter_days().take_while(|day| *day <= last) {
            if day.day() == 1 {
                self.working_day = 0;
                bar.inc(u64::from(day != first));
            }
            if self.gateway.calendar.is_working_day(day)? {
                self.working_day += 1;
                self.at_work(me, day, last).await?;
            }
        }
        // The morning after: the last day's statements are there and compared.
        me.sleep_until(self.clock(last.succ_opt().unwrap_or(last), 18)).await;
        bar.finish_and_clear();
        Ok(())
    }

    pub(super) fn clock(&self, day: NaiveDate, hour: u32) -> Timestamp {
        Timestamp::from_local(day.and_hms_opt(hour, 0, 0).unwrap_or_default(), self.stage.zone)
    }

    async fn at_work(&mut self, me: &Participant, day: NaiveDate, last: NaiveDate) -> anyhow::Result<()> {
        me.sleep_until(self.clock(day, 9)).await;
        tracing::info!(at = wall(me.now(), self.stage.zone), "a working day");
        self.approve_what_waits(me).await?;
        put_up_lists(self.gateway, me.now()).await?;
        self.explain_breaks(me, day).await?;
        match self.working_day {
            1 => self.plan_month(day, me).await?,
            2 => self.bring_lists(me, day).await?,
            3 => self.release_lists(me).await?,
            8 | 14 => reissue::correct(self, me, day).await?,
            9 if !self.is_near_the_end(day, last) => reissue::find_ineligible(self, me, day).await?,
            _ => {}
        }
        self.give_back(day)?;
        self.wake.all();
        Ok(())
    }

    /// The finance bureau approves what somebody else proposed, be it a person or the daemon at the month's close.
    async fn approve_what_waits(&self, me: &Participant) -> anyhow::Result<()> {
        let waiting = self.gateway.store.read().await?.proposals_open().await?;
        for proposal in waiting {
            let Some(login) = FINANCE.into_iter().find(|login| *login != proposal.proposed_by) else { continue };
            let by = operator(self.gateway, login).await?;
            if let Err(error) = approve(self.gateway, &by, proposal.id, me.now()).await {
                tracing::info!(proposal = proposal.id, %error, "not approved today");
            }
        }
        Ok(())
    }

    /// What the bank did wrong on a statement and put right on a later one: with its letter in hand somebody at the finance
    /// bureau says so of both lines, and another approves it.
    async fn explain_breaks(&self, me: &Participant, day: NaiveDate) -> anyhow::Result<()> {
        let breaks = self.gateway.store.read().await?.breaks("", "").await?;
        let by = operator(self.gateway, FINANCE[1]).await?;
        for one in breaks {
            let (Some(statement), Some(line)) = (one.statement, one.line) else { continue };
            if one.on_date + Days::new(LETTER_DAYS) > day {
                continue;
            }
            let words = format!("银行来函说明并已更正（{}）", one.on_date);
            // A debit that was keyed wrong is that file's all the same; its correction is a line of its own.
            let file = one.subject.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let to = if one.kind == "amount" { file.as_str() } else { "other" };
            if let Err(error) = propose_match(self.gateway, &by, (statement, line), to, &words, me.now()).await {
                tracing::info!(statement, line, %error, "not explained today");
            }
        }
        Ok(())
    }

    /// The month's lists.
    pub(super) fn lists(&self) -> &[BatchPlan] {
        &self.plans
    }

    /// The login of one of a department's people.
    pub(super) fn hand(&self, department: &str, hand: &str) -> String {
        format!("{}.{hand}", department.to_lowercase())
    }

    /// The month's lists are drawn up, and the treasury's quota for them arrives.
    async fn plan_month(&mut self, day: NaiveDate, me: &Participant) -> anyhow::Result<()> {
        let pay_on = self.nth_working_day(day, 3)?;
        let world = self.stage.world.clone().paying_on(pay_on);
        let is_due = |plan: &BatchPlan| plan.project.is_monthly || day.month() == YEARLY_IN;
        self.plans = world.batches.iter().filter(|plan| is_due(plan)).cloned().collect();
        let mut tx = self.gateway.store.begin().await?;
        for plan in &self.plans {
            let total = world.head(plan).declared_total.unwrap_or_default();
            if total.is_positive() {
                self.fund(&mut tx, (plan.department.code, plan.project.code, pay_on.year()), total, me.now()).await?;
            }
            let path = self.stage.list_path(&plan.number);
            write_csv(std::io::BufWriter::new(std::fs::File::create(&path)?), world.rows(plan).map(|planned| planned.row))?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The treasury gives a quota, or cash that the bank sees arrive.
    pub(super) async fn fund(
        &self,
        tx: &mut Tx,
        (department, project, year): (&str, &str, i32),
        amount: Fen,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        if self.stage.pays_cash(department) {
            tx.add_cash(department, project, year, amount, now).await?;
        } else {
            tx.add_funding(department, project, year, amount, now).await?;
        }
        Ok(())
    }

    fn nth_working_day(&self, first: NaiveDate, n: u32) -> anyhow::Result<NaiveDate> {
        Ok(self.gateway.calendar.add_working_days(first, n.saturating_sub(1))?)
    }

    async fn bring_lists(&self, me: &Participant, day: NaiveDate) -> anyhow::Result<()> {
        for plan in &self.plans {
            let by = operator(self.gateway, &self.hand(plan.department.code, "jingban")).await?;
            let facts = ImportFacts {
                file_name: format!("{}.csv", plan.number),
                number: Some(plan.number.clone()),
                department: Some(plan.department.code.to_owned()),
                project: Some(plan.project.code.to_owned()),
                period: Some(plan.period.clone()),
                pay_on: Some(plan.pay_on),
                count: Some(plan.count),
                total: None,
            };
            import_batch(self.gateway, &by, &facts, &self.stage.list_path(&plan.number), &|_, _| {}, me.now()).await?;
        }
        me.sleep_until(self.clock(day, 11)).await;
        for plan in &self.plans {
            self.approve(plan.department.code, &plan.number, me.now()).await?;
        }
        Ok(())
    }

    /// A second hand in the department, then the finance bureau's.
    pub(super) async fn approve(&self, department: &str, batch: &str, now: Timestamp) -> anyhow::Result<()> {
        let by = operator(self.gateway, &self.hand(department, "shenhe")).await?;
        approve_batch(self.gateway, &by, batch, now).await?;
        let by = operator(self.gateway, FINANCE[0]).await?;
        review_batch(self.gateway, &by, batch, now).await?;
        Ok(())
    }

    /// A third hand in the department: from here it is money.
    pub(super) async fn release(&self, department: &str, batch: &str, now: Timestamp) -> anyhow::Result<()> {
        let by = operator(self.gateway, &self.hand(department, "fafang")).await?;
        release_batch(self.gateway, &by, batch, now).await?;
        Ok(())
    }

    async fn release_lists(&self, me: &Participant) -> anyhow::Result<()> {
        for plan in &self.plans {
            self.release(plan.department.code, &plan.number, me.now()).await?;
        }
        Ok(())
    }

    /// Who promised to give money back does so.
    fn give_back(&mut self, day: NaiveDate) -> anyhow::Result<()> {
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.giving_back).into_iter().partition(|(on, ..)| *on <= day);
        self.giving_back = later;
        for (_, from, amount) in now {
            self.sandbox.give_back(&from.bank, &from.account, amount, "退回多领补贴")?;
        }
        Ok(())
    }

    /// The day on which somebody who was asked gives money back.
    pub(super) fn promised(&self, day: NaiveDate) -> NaiveDate {
        day.checked_add_days(Days::new(4)).unwrap_or(day)
    }

    /// Whether this is the last month: nothing new is begun then that the end could not see settled.
    fn is_near_the_end(&self, day: NaiveDate, last: NaiveDate) -> bool {
        day.checked_add_months(Months::new(1)).is_none_or(|later| later > last)
    }
}
