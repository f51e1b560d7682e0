//! Invented people for the sandbox: a county whose departments bring lists, and whose banks know the truth.
//!
//! Lists and truth differ as they do in life: a name misspelt, a digit wrong, a card lost, a man dead. Which row has
//! which slip is kept beside the row, so that what the gateway makes of it can be compared with what was wrong.
//!
//! Everybody is computed from the seed and a number, alike on every machine, so a list is made when it is asked for and
//! only the banks' customers are kept. Numbers cannot be real: regions, card prefix and mobile prefix belong to nobody.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate};

use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;
use crate::format::list::{ListHead, ListKind, ListRow, PayeeRole};

mod catalogue;
mod person;

use catalogue::{AmountRule, DEPARTMENTS, PROJECTS, SHARES, TOWNSHIPS, VILLAGES};
pub use catalogue::{Department, Project};
use person::{Dice, NameKind, Person, Topic, count, misspelt, mistaken_id, mistyped_card, with_wrong_check};

/// People of a household: a head and two others.
const HOUSEHOLD: u64 = 3;
/// Of so many households one has a member without an identity number, who is paid through its head.
const HOUSEHOLDS_PER_PROXY: u64 = 100;
/// Below so many payments nobody is dead and no amount is nothing.
const PAYMENTS_FOR_CURIOSITIES: u64 = 100;

/// By what a bank finds a person's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankNeeds {
    /// By the identity number: its files carry no account.
    IdNumber,
    /// By the card or account.
    Account,
}

/// A bank of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxBank {
    /// Its code, as lists write it.
    pub code: Arc<str>,
    /// Its twelve-digit clearing number.
    pub clearing_no: String,
    /// By what it finds an account.
    pub needs: BankNeeds,
}

/// How an account stands at its bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountState {
    /// 正常.
    Active,
    /// 销户.
    Closed,
    /// 冻结.
    Frozen,
    /// 挂失.
    Lost,
    /// 睡眠户.
    Dormant,
}

/// What a bank truly knows of a customer. Not masked: the pretend bank compares and writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonAccount {
    /// The bank's code.
    pub bank: String,
    /// The card.
    pub account: String,
    /// The holder's name.
    pub name: String,
    /// The holder's identity number.
    pub id_number: String,
    /// How it stands.
    pub state: AccountState,
}

impl std::fmt::Debug for PersonAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonAccount").field("bank", &self.bank).field("account", &Account::new(&*self.account)).finish_non_exhaustive()
    }
}

/// Somebody who may not be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IneligiblePerson {
    /// Who.
    pub id_number: IdNumber,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub from: NaiveDate,
}

/// What is wrong with a row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slip {
    /// The amount is nothing.
    ZeroAmount,
    /// The entitled person is dead.
    Deceased,
    /// The row before it pays the same person.
    Duplicate,
    /// The payee's identity number has a wrong check character.
    WrongCheck,
    /// The name has U+2022 or U+30FB where the bank has U+00B7.
    WrongInterpunct,
    /// The name has a character that GBK has not; a bank that takes GB18030 can be told it.
    BeyondGbk,
    /// The name has 䶮, which GBK has by some tables.
    DisputedInGbk,
    /// One character of the name is another.
    WrongName,
    /// One digit of the card is another. Only at banks that go by the account.
    WrongAccount,
    /// The identity number is another one, right in itself. Only at banks that go by it.
    WrongId,
    /// The list is right and the account is not active.
    Unpayable(AccountState),
}

/// A row and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    /// The row as the department brings it.
    pub row: ListRow,
    /// What is wrong with it. `None`: it can be paid.
    pub slip: Option<Slip>,
}

/// A list that a department will bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// The platform's number of it.
    pub number: String,
    /// Whose it is.
    pub department: Department,
    /// What for.
    pub project: Project,
    /// `2019-03` or `2019`.
    pub period: String,
    /// When people shall be paid.
    pub pay_on: NaiveDate,
    /// How many rows it has.
    pub count: u64,
    /// Its place among the batches.
    index: u64,
    /// The place of its first row among the rows of its project.
    first: u64,
    /// The place of its first row among all.
    ordinal: u64,
}

/// The county.
#[derive(Clone, Debug)]
pub struct World {
    /// The departments.
    pub departments: Vec<Department>,
    /// The projects they pay from.
    pub projects: Vec<Project>,
    /// The banks.
    pub banks: Vec<SandboxBank>,
    /// The lists, whose rows sum to the payments asked for.
    pub batches: Vec<BatchPlan>,
    /// What the banks know.
    pub customers: Vec<PersonAccount>,
    /// Who may not be paid.
    pub ineligible: Vec<IneligiblePerson>,
    seed: u64,
    payments: u64,
    households: u64,
    deceased: Option<u64>,
    townships: Vec<Arc<str>>,
    villages: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
}

impl World {
    /// A county with lists of so many payments, at banks given as code, clearing number and what they go by. Without a
    /// bank there is nobody to pay.
    #[must_use]
    pub fn generate(seed: u64, payments: usize, banks: &[(&str, &str, BankNeeds)]) -> Self {
        let payments = if banks.is_empty() { 0 } else { count(payments) };
        let shared = |texts: &[&str]| texts.iter().map(|text| Arc::from(*text)).collect();
        let mut world = Self {
            departments: DEPARTMENTS.to_vec(),
            projects: PROJECTS.to_vec(),
            banks: banks
                .iter()
                .map(|(code, clearing_no, needs)| SandboxBank {
                    code: Arc::from(*code),
                    clearing_no: (*clearing_no).to_owned(),
                    needs: *needs,
                })
                .collect(),
            batches: Vec::new(),
            customers: Vec::new(),
            ineligible: Vec::new(),
            seed,
            payments,
            households: Self::households_for(payments),
            deceased: None,
            townships: shared(&TOWNSHIPS),
            villages: shared(&VILLAGES),
            groups: (1..10).map(|n| Arc::from(format!("{n}组"))).collect(),
        };
        world.customers = (0..world.people()).filter(|number| !world.lacks_id(*number)).map(|number| world.customer(number)).collect();
        world.bury();
        world.paying_on(NaiveDate::from_ymd_opt(2019, 3, 20).unwrap_or_default())
    }

    /// The same county, whose lists are paid on this date, for its month and year.
    #[must_use]
    pub fn paying_on(mut self, pay_on: NaiveDate) -> Self {
        self.batches = self.plan(pay_on);
        self
    }

    /// The rows of a list, made one by one.
    pub fn rows<'w>(&'w self, plan: &'w BatchPlan) -> impl Iterator<Item = PlannedRow> {
        let mut dice = Dice::new(self.seed, Topic::Batch, plan.index);
        let mut before: Option<ListRow> = None;
        (0..plan.count).map(move |place| {
            let planned = self.row(plan, place, before.as_ref(), &mut dice);
            before = (planned.slip.is_none() && !planned.row.entitled_id.is_empty()).then(|| planned.row.clone());
            planned
        })
    }

    /// The facts of a list. Makes its rows once to sum them.
    #[must_use]
    pub fn head(&self, plan: &BatchPlan) -> ListHead {
        ListHead {
            number: Some(plan.number.clone()),
            kind: Some(ListKind::First),
            department: Some(plan.department.code.to_owned()),
            project: Some(plan.project.code.to_owned()),
            period: Some(plan.period.clone()),
            pay_on: Some(plan.pay_on),
            declared_count: Some(plan.count),
            declared_total: Some(self.rows(plan).map(|planned| planned.row.amount).sum()),
        }
    }

    /// So many that each project finds as many different people as it pays: a household project pays up to a twelfth of
    /// the payments, one to a household; a personal one up to three twentieths, one to each of three.
    fn households_for(payments: u64) -> u64 {
        payments / 9 + 1
    }

    fn people(&self) -> u64 {
        if self.payments == 0 { 0 } else { self.households * HOUSEHOLD }
    }

    /// The third member of some households has no identity number, and so no account.
    fn lacks_id(&self, number: u64) -> bool {
        number % HOUSEHOLD == 2 && (number / HOUSEHOLD).is_multiple_of(HOUSEHOLDS_PER_PROXY)
    }

    fn person(&self, number: u64) -> Person {
        Person::new(self.seed, number, count(self.banks.len()))
    }

    fn bank(&self, person: &Person) -> Option<&SandboxBank> {
        usize::try_from(person.bank).ok().and_then(|place| self.banks.get(place))
    }

    fn customer(&self, number: u64) -> PersonAccount {
        let person = self.person(number);
        let bank = self.bank(&person).map(|bank| bank.code.as_ref().to_owned()).unwrap_or_default();
        PersonAccount { bank, account: person.account, name: person.name, id_number: person.id_number, state: person.state }
    }

    /// Somebody on a list has died: never a head, so that the household's own money is not touched.
    fn bury(&mut self) {
        if self.payments < PAYMENTS_FOR_CURIOSITIES {
            return;
        }
        let found = (1..self.people()).filter(|number| number % HOUSEHOLD == 2).find(|number| !self.lacks_id(*number));
        if let Some(number) = found {
            let from = NaiveDate::from_ymd_opt(2019, 1, 1).unwrap_or_default();
            self.ineligible =
                vec![IneligiblePerson { id_number: IdNumber::new(self.person(number).id_number), reason: Reason::Deceased, from }];
            self.deceased = found;
        }
    }

    fn plan(&self, pay_on: NaiveDate) -> Vec<BatchPlan> {
        const SIZE_MIN: u64 = 300;
        const SIZE_MORE: u64 = 2_200;
        let mut plans = Vec::new();
        let (mut ordinal, mut shares) = (0, 0);
        for (project, at) in PROJECTS.into_iter().zip(0..) {
            let Some(department) = DEPARTMENTS.into_iter().find(|d| d.code == project.department) else { continue };
            let period = if project.is_monthly { pay_on.format("%Y-%m").to_string() } else { pay_on.year().to_string() };
            shares += project.share;
            let quota = self.payments * shares / SHARES - ordinal;
            let mut dice = Dice::new(self.seed, Topic::BatchSizes, at);
            let mut first = 0;
            for serial in 1_u32.. {
                if first == quota {
                    break;
                }
                let (left, drawn) = (quota - first, SIZE_MIN + dice.below(SIZE_MORE));
                let size = if left < drawn + SIZE_MIN { left } else { drawn };
                plans.push(BatchPlan {
                    number: format!("{}{}-{}-{serial:03}", department.code, project.code.replace('.', "-"), period.replace('-', "")),
                    department,
                    project,
                    period: period.clone(),
                    pay_on,
                    count: size,
                    index: count(plans.len()),
                    first,
                    ordinal,
                });
                first += size;
                ordinal += size;
            }
        }
        plans
    }

    fn row(&self, plan: &BatchPlan, place: u64, before: Option<&ListRow>, dice: &mut Dice) -> PlannedRow {
        let seq = u32::try_from(place + 1).unwrap_or(u32::MAX);
        let draw = dice.below(10_000);
        let (entitled_no, payee_no, role) = self.who(&plan.project, plan.first + place);
        let is_deceased = self.deceased == Some(entitled_no);
        let is_nothing = self.payments >= PAYMENTS_FOR_CURIOSITIES && plan.ordinal + place == self.payments / 3;
        if let (Some(before), 0..10, false) = (before, draw, is_deceased || is_nothing) {
            return PlannedRow { row: ListRow { seq, ..before.clone() }, slip: Some(Slip::Duplicate) };
        }
        let payee = self.person(payee_no);
        let entitled = if entitled_no == payee_no { payee.clone() } else { self.person(entitled_no) };
        let household = payee_no / HOUSEHOLD;
        let mut row = ListRow {
            seq,
            household_no: format!("{:06}", household + 1),
            entitled_name: Name::new(&*entitled.name_in_lists),
            entitled_id: IdNumber::new(if self.lacks_id(entitled_no) { "" } else { entitled.id_number.as_str() }),
            payee_name: Name::new(&*payee.name_in_lists),
            payee_id: IdNumber::new(&*payee.id_number),
            payee_role: role,
            mandate_no: if role == PayeeRole::Proxy { format!("SQ-{:06}", household + 1) } else { String::new() },
            account: Account::new(&*payee.account),
            bank_code: self.bank(&payee).map(|bank| Arc::clone(&bank.code)).unwrap_or_default(),
            mobile: Mobile::new(&*payee.mobile),
            amount: self.amount(plan, household),
            ..self.place_of(household)
        };
        let slip = if is_deceased {
            Some(Slip::Deceased)
        } else if is_nothing {
            row.amount = Fen::ZERO;
            Some(Slip::ZeroAmount)
        } else {
            slip_of_name(&payee).or_else(|| self.mistake(draw, &payee, &mut row, dice))
        };
        PlannedRow { row, slip }
    }

    /// A clerk's mistake, by the draw; else what is wrong with the account.
    fn mistake(&self, draw: u64, payee: &Person, row: &mut ListRow, dice: &mut Dice) -> Option<Slip> {
        let is_oneself = row.payee_role == PayeeRole::Oneself;
        let write_id = |row: &mut ListRow, id_number: &str| {
            row.payee_id = IdNumber::new(id_number);
            if is_oneself {
                row.entitled_id = IdNumber::new(id_number);
            }
        };
        match draw {
            10..40 => {
                write_id(row, &with_wrong_check(&payee.id_number));
                Some(Slip::WrongCheck)
            }
            40..140 => {
                let name = misspelt(&payee.name, dice);
                if is_oneself {
                    row.entitled_name = Name::new(&*name);
                }
                row.payee_name = Name::new(name);
                Some(Slip::WrongName)
            }
            140..210 => match self.bank(payee)?.needs {
                BankNeeds::Account => {
                    row.account = Account::new(mistyped_card(&payee.account, dice));
                    Some(Slip::WrongAccount)
                }
                BankNeeds::IdNumber => {
                    write_id(row, &mistaken_id(&payee.id_number));
                    Some(Slip::WrongId)
                }
            },
            _ => match payee.state {
                AccountState::Active => None,
                AccountState::Closed | AccountState::Frozen | AccountState::Lost | AccountState::Dormant => {
                    Some(Slip::Unpayable(payee.state))
                }
            },
        }
    }

    /// Entitled person, payee and role for a place in a project's lists. No two places of a project share a person.
    fn who(&self, project: &Project, place: u64) -> (u64, u64, PayeeRole) {
        if project.is_household {
            let head = place % self.households * HOUSEHOLD;
            // Where the head holds the land, the head is entitled; elsewhere the money of another is paid to the head.
            return if head.is_multiple_of(2) { (head, head, PayeeRole::Oneself) } else { (head + 1, head, PayeeRole::Head) };
        }
        let personal = || PROJECTS.iter().filter(|p| !p.is_household);
        let nth = count(personal().take_while(|p| p.code != project.code).count());
        // Each personal project begins elsewhere among the people, so that all of them appear.
        let entitled = (self.people() * nth / count(personal().count()).max(1) + place) % self.people().max(1);
        if self.lacks_id(entitled) {
            (entitled, entitled - entitled % HOUSEHOLD, PayeeRole::Proxy)
        } else {
            (entitled, entitled, PayeeRole::Oneself)
        }
    }

    /// Where a household lives. Neighbours stand together in lists.
    fn place_of(&self, household: u64) -> ListRow {
        let village = household * count(TOWNSHIPS.len() * VILLAGES.len()) / self.households.max(1);
        let shared = |texts: &[Arc<str>], n: u64| {
            let place = usize::try_from(n % count(texts.len()).max(1)).unwrap_or(0);
            texts.get(place).map(Arc::clone).unwrap_or_default()
        };
        ListRow {
            township: shared(&self.townships, village / count(VILLAGES.len())),
            village: shared(&self.villages, village),
            group: shared(&self.groups, household),
            ..ListRow::default()
        }
    }

    fn amount(&self, plan: &BatchPlan, household: u64) -> Fen {
        let project = count(PROJECTS.iter().take_while(|p| p.code != plan.project.code).count());
        let mut dice = Dice::new(self.seed, Topic::Amount, household * count(PROJECTS.len()) + project);
        let signed = |n: u64| i64::try_from(n).unwrap_or(0);
        Fen::new(match plan.project.amounts {
            AmountRule::Fixed(fen) => fen,
            AmountRule::OneOf(rates) => {
                usize::try_from(dice.below(count(rates.len()))).ok().and_then(|n| rates.get(n)).copied().unwrap_or(0)
            }
            AmountRule::Area { rate_fen, hundredths_max } => (signed(10 + dice.below(hundredths_max)) * rate_fen + 50) / 100,
            AmountRule::TopUp { yuan_min, yuan_max } => signed(yuan_min + dice.below(yuan_max - yuan_min)) * 100,
        })
    }
}

/// What admission will say of the name that would travel to the bank.
fn slip_of_name(payee: &Person) -> Option<Slip> {
    match payee.kind {
        NameKind::Common | NameKind::Rare | NameKind::Yi => None,
        NameKind::BeyondGbk => Some(Slip::BeyondGbk),
        NameKind::Disputed => Some(Slip::DisputedInGbk),
        NameKind::YiMistyped => Some(Slip::WrongInterpunct),
    }
}
