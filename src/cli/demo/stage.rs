//! What the demo stands on: invented people and banks, a configuration, the seed rows of the shared database.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{Datelike as _, Days, NaiveDate};
use chrono_tz::Tz;

use super::{DemoArgs, DemoClock};
use crate::cli::people::{AccountState, BankNeeds, World};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::catalogue::{Catalogue, PayeeKind};
use crate::domain::masked::Account;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::list::write_csv;
use crate::sandbox::{BankEndpoint, BankSpec, Behaviour, Customer, CustomerState, Layout, PayerAccount};
use crate::store::desk::Operator;
use crate::store::intake::{DepartmentRow, NewAgreement, NewBank, ProjectRow, Treasury};
use crate::store::{Address, Store};

/// The first day, a Monday.
const MONDAY: (i32, u32, u32) = (2019, 3, 18);
/// What the formats, the calendar and the catalogue of this build say: the demo needs no files beside its binary.
const PROFILES: [(&str, &str); 3] = [
    ("split-sf-noheader", include_str!("../../../bank-formats/split-sf-noheader/profile.toml")),
    ("fixed-gbk-bytes", include_str!("../../../bank-formats/fixed-gbk-bytes/profile.toml")),
    (REFUNDS, include_str!("../../../bank-formats/refund-pipe-gbk/profile.toml")),
];
const CALENDAR: [(&str, &str); 5] = [
    ("2019.toml", include_str!("../../../config/calendar/2019.toml")),
    ("2020.toml", include_str!("../../../config/calendar/2020.toml")),
    ("2021.toml", include_str!("../../../config/calendar/2021.toml")),
    ("2025.toml", include_str!("../../../config/calendar/2025.toml")),
    ("2026.toml", include_str!("../../../config/calendar/2026.toml")),
];
/// The profile of refund orders at every bank.
const REFUNDS: &str = "refund-pipe-gbk";
const CATALOGUE: &str = include_str!("../../../config/catalogue.toml");

/// A sandbox bank of the demo.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct DemoBank {
    pub(in crate::cli) code: &'static str,
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) clearing_no: &'static str,
    pub(in crate::cli) profile: usize,
    pub(in crate::cli) layout: Layout,
    pub(in crate::cli) needs: BankNeeds,
    pub(in crate::cli) unit_no: &'static str,
    pub(in crate::cli) payer_account: &'static str,
}

/// The demo's banks: invented, each with another profile.
pub(in crate::cli) const BANKS: [DemoBank; 2] = [
    DemoBank {
        code: "QH",
        name: "青禾农村合作银行（虚构）",
        clearing_no: "402999000018",
        profile: 0,
        layout: Layout::SplitPair,
        needs: BankNeeds::IdNumber,
        unit_no: "DF0001",
        payer_account: "6299990000000000011",
    },
    DemoBank {
        code: "YM",
        name: "云沐城市商业银行（虚构）",
        clearing_no: "313999000021",
        profile: 1,
        layout: Layout::FixedBytes,
        needs: BankNeeds::Account,
        unit_no: "DF0002",
        payer_account: "6299990000000000029",
    },
];

/// Everything that the demo begins with.
pub(in crate::cli) struct Stage {
    pub(in crate::cli) dir: PathBuf,
    pub(in crate::cli) world: World,
    pub(in crate::cli) zone: Tz,
    first_day: NaiveDate,
    seed: u64,
    is_for_months: bool,
}

impl Stage {
    pub(in crate::cli) fn build(dir: &Path, args: &DemoArgs, days: DemoClock) -> anyhow::Result<Self> {
        let banks: Vec<_> = BANKS.iter().map(|b| (b.code, b.clearing_no, b.needs)).collect();
        let zone = Tz::Asia__Shanghai;
        let monday = NaiveDate::from_ymd_opt(MONDAY.0, MONDAY.1, MONDAY.2).context("the demo's Monday")?;
        let (first_day, pay_on) = match days {
            DemoClock::March2019 => (monday, monday.checked_add_days(Days::new(1)).context("the demo's Tuesday")?),
            DemoClock::Months => (monday.with_day(1).context("the first of March")?, monday),
            DemoClock::Real(now) => (now.date(zone), now.date(zone)),
        };
        let world = World::generate(args.seed, args.payments, &banks).paying_on(pay_on);
        for folder in ["secrets", "state", "archive", "mails", "lists", "bank-formats", "calendar"] {
            std::fs::create_dir_all(dir.join(folder)).with_context(|| format!("making {folder}"))?;
        }
        for (id, text) in PROFILES {
            std::fs::create_dir_all(dir.join("bank-formats").join(id))?;
            std::fs::write(dir.join("bank-formats").join(id).join("profile.toml"), text)?;
        }
        for (name, text) in CALENDAR {
            std::fs::write(dir.join("calendar").join(name), text)?;
        }
        std::fs::write(dir.join("catalogue.toml"), CATALOGUE)?;
        let is_for_months = matches!(days, DemoClock::Months);
        Ok(Self { dir: dir.to_owned(), world, zone, first_day, seed: args.seed, is_for_months })
    }

    /// The instant at which the clock shows this on that day of the demo, from 0.
    pub(in crate::cli) fn at(&self, day: u64, hour: u32, minute: u32) -> Timestamp {
        let date = self.first_day + Days::new(day);
        let local = date.and_hms_opt(hour, minute, 0).unwrap_or_default();
        Timestamp::from_local(local, self.zone)
    }

    /// Whether a department's money is cash on its account, and not a quota.
    pub(in crate::cli) fn pays_cash(&self, department: &str) -> bool {
        self.is_for_months && self.world.departments.first().is_some_and(|first| first.code == department)
    }

    /// The first day that is played.
    pub(in crate::cli) const fn first_day(&self) -> NaiveDate {
        self.first_day
    }

    /// The working days.
    pub(in crate::cli) fn calendar(&self) -> anyhow::Result<Calendar> {
        Ok(Calendar::from_toml_texts(CALENDAR)?)
    }

    /// What each bank knows. The customers go over to the banks: the county keeps no second copy of them.
    pub(in crate::cli) fn bank_specs(&mut self) -> Vec<BankSpec> {
        let mut everybody = std::mem::take(&mut self.world.customers);
        let mut customers = |code: &str| {
            let (of_bank, others): (Vec<_>, Vec<_>) = everybody.drain(..).partition(|c| c.bank == code);
            everybody = others;
            of_bank
                .into_iter()
                .map(|c| Customer {
                    account: c.account,
                    name: c.name,
                    id_number: c.id_number,
                    state: match c.state {
                        AccountState::Active => CustomerState::Active,
                        AccountState::Closed => CustomerState::Closed,
                        AccountState::Frozen => CustomerState::Frozen,
                        AccountState::Lost => CustomerState::Lost,
                        AccountState::Dormant => CustomerState::Dormant,
                    },
                })
                .collect()
        };
        BANKS
            .iter()
            .map(|bank| BankSpec {
                code: bank.code.to_owned(),
                layout: bank.layout,
                seed: self.seed,
                customers: customers(bank.code),
                payer_accounts: vec![PayerAccount {
                    account: bank.payer_account.to_owned(),
                    name: "青禾县财政代发专户".to_owned(),
                    opening_fen: 1_000_000_000_000,
                    department: "all".to_owned(),
                }],
                behaviour: Behaviour { busy_per_mille: 8, ..Behaviour::default() },
                unit_no: bank.unit_no.to_owned(),
            })
            .collect()
    }

    /// Writes the configuration and the secrets that it points at.
    pub(in crate::cli) fn write_config(&self, endpoints: &[BankEndpoint]) -> anyhow::Result<PathBuf> {
        let mut text = format!(
            "# Written by `bankgate demo`: the same file runs `bankgate --config bankgate.toml status` in this folder.\n\
             language = \"zh\"\n\n[database]\nurl = \"sqlite:{db}\"\n\n[node]\nname = \"demo\"\nstate_dir = \"state\"\narchive_dir = \"archive\"\n\
             socket = \"state/bankgate.sock\"\nlease_ttl_s = 3600\n\n[time]\nzone = \"Asia/Shanghai\"\ncalendar_dir = \"calendar\"\n\
             tick_s = 600\nrescan_s = 1800\nnotify = false\n\n[formats]\ndir = \"bank-formats\"\n\n[admission]\ncatalogue = \"catalogue.toml\"\n\n\
             [mail]\nkind = \"file\"\ndir = \"mails\"\nfrom = \"bankgate@example.test\"\nfinance_it = [\"caizheng-it@example.test\"]\n",
            db = self.dir.join("bankgate.db").display()
        );
        for endpoint in endpoints {
            let secret = self.dir.join("secrets").join(format!("{}.password", endpoint.code));
            write_secret(&secret, &endpoint.password)?;
            write!(
                text,
                "\n[[bank]]\ncode = \"{}\"\ninbox = \"inbox\"\noutbox = \"outbox\"\ndone = \"done\"\nrename = \"atomic\"\n\
                 [bank.connection]\nkind = \"sftp\"\nhost = \"{}\"\nport = {}\nuser = \"{}\"\npassword = {{ file = \"secrets/{}.password\" }}\n\
                 host_keys = [\"{}\"]\n",
                endpoint.code,
                endpoint.addr.ip(),
                endpoint.addr.port(),
                endpoint.user,
                endpoint.code,
                endpoint.host_key
            )?;
        }
        let path = self.dir.join("bankgate.toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Makes the database that a configuration names and writes what the platform would have set up.
    pub(in crate::cli) async fn prepare(&self, config: &Path, funded_at: Option<Timestamp>) -> anyhow::Result<()> {
        let config = Config::load(config)?;
        let address = Address { pool_max: 4, ..Address::at(config.database.url.clone()) };
        let store = Store::connect(&address).await?;
        store.migrate().await?;
        self.seed(&store, funded_at).await?;
        store.close().await;
        Ok(())
    }

    /// Writes the departments' lists, as they would bring them.
    pub(in crate::cli) fn write_lists(&self) -> anyhow::Result<()> {
        for plan in &self.world.batches {
            let path = self.list_path(&plan.number);
            let file = std::fs::File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            write_csv(std::io::BufWriter::new(file), self.world.rows(plan).map(|planned| planned.row))?;
        }
        Ok(())
    }

    /// Where a batch's list is.
    pub(in crate::cli) fn list_path(&self, number: &str) -> PathBuf {
        self.dir.join("lists").join(format!("{number}.csv"))
    }

    /// Writes what the platform and the finance bureau would have set up: departments, projects, banks, agreements, people.
    async fn seed(&self, store: &Store, funded_at: Option<Timestamp>) -> anyhow::Result<()> {
        let mut tx = store.begin().await?;
        let catalogue = Catalogue::from_toml("catalogue.toml", CATALOGUE)?;
        for d in &self.world.departments {
            let level = if d.level == "市" { "city" } else { "county" };
            tx.put_department(&DepartmentRow {
                code: d.code.to_owned(),
                name: d.name.to_owned(),
                level: level.to_owned(),
                region: d.region.to_owned(),
                mail: d.mail.to_owned(),
            })
            .await?;
        }
        for p in &self.world.projects {
            let known = catalogue.project(p.code);
            let household = known.map_or(p.is_household, |k| k.payee == PayeeKind::Household || p.is_household);
            tx.put_project(&ProjectRow {
                code: p.code.to_owned(),
                name: p.name.to_owned(),
                short_name: p.short_name.to_owned(),
                payee_kind: if household { "household" } else { "individual" }.to_owned(),
                several_per_period: known.is_some_and(|k| k.several_per_period),
            })
            .await?;
        }
        for bank in BANKS {
            tx.put_bank(&NewBank {
                code: bank.code.to_owned(),
                name: bank.name.to_owned(),
                clearing_no: bank.clearing_no.to_owned(),
                contacts: format!("ops@{}.example.test", bank.code.to_lowercase()),
                mode: "live".to_owned(),
            })
            .await?;
            for d in &self.world.departments {
                let agreement = agreement(&bank, d.code, self.is_for_months);
                tx.put_agreement(&agreement).await?;
                tx.put_treasury(&agreement.number, &treasury(), if self.pays_cash(d.code) { "cash" } else { "quota" }).await?;
            }
        }
        for person in operators(&self.world) {
            tx.put_operator(&person).await?;
        }
        for person in &self.world.ineligible {
            tx.put_ineligible(&person.id_number, "", person.reason.code(), person.from).await?;
        }
        if let Some(now) = funded_at {
            self.fund(&mut tx, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The treasury's quota for each project: what its lists sum to. One of them comes only on Wednesday.
    async fn fund(&self, tx: &mut crate::store::sql::Tx, now: Timestamp) -> anyhow::Result<()> {
        let late = self.world.batches.last().map(|b| b.number.clone());
        for plan in &self.world.batches {
            let total: Fen = self.world.head(plan).declared_total.unwrap_or_default();
            let at = if Some(&plan.number) == late.as_ref() { self.at(2, 9, 0) } else { now };
            if total.is_positive() {
                tx.add_funding(plan.department.code, plan.project.code, self.first_day.year(), total, at).await?;
            }
        }
        Ok(())
    }
}

/// Where refunds go.
fn treasury() -> Treasury {
    Treasury {
        profile: REFUNDS.to_owned(),
        account: Account::new("6299990000000000900"),
        name: "青禾县国库".to_owned(),
        bank: "011999000013".to_owned(),
    }
}

/// In the months one bank takes whole files and gives back what failed.
fn agreement(bank: &DemoBank, department: &str, is_for_months: bool) -> NewAgreement {
    let profile = PROFILES.get(bank.profile).map_or("", |(id, _)| id);
    NewAgreement {
        number: format!("{}-{department}-2019", bank.code),
        department: department.to_owned(),
        bank: bank.code.to_owned(),
        payer_account: Account::new(bank.payer_account),
        payer_name: "青禾县财政代发专户".to_owned(),
        payer_bank: bank.clearing_no.to_owned(),
        unit_no: bank.unit_no.to_owned(),
        profile: profile.to_owned(),
        rows_max: 0,
        amount_max: Fen::ZERO,
        cutoff: "16:30".to_owned(),
        feedback_days: 2,
        debit_model: if is_for_months && bank.profile == 1 { "gross" } else { "net" }.to_owned(),
        other_banks: false,
    }
}

/// The people of the demo: in each department one who enters, one who approves, one who releases; two at the finance bureau.
pub(in crate::cli) fn operators(world: &World) -> Vec<Operator> {
    let finance = |login: &str, name: &str| Operator {
        login: login.to_owned(),
        name: name.to_owned(),
        role: "finance".to_owned(),
        department: String::new(),
    };
    let mut people = vec![finance("caizheng.fuhe", "财政复核员"), finance("caizheng.shenpi", "财政审批员")];
    for d in &world.departments {
        for (hand, name) in [("jingban", "经办员"), ("shenhe", "审核员"), ("fafang", "发放员")] {
            people.push(Operator {
                login: format!("{}.{hand}", d.code.to_lowercase()),
                name: format!("{}{name}", d.name),
                role: "department".to_owned(),
                department: d.code.to_owned(),
            });
        }
    }
    people
}

fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    Ok(())
}
