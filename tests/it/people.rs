//! The sandbox's county: as many payments as asked for, alike for a seed, and wrong only where it says so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Cursor;

use bankgate::cli::people::{AccountState, BankNeeds, PersonAccount, PlannedRow, Slip, World};
use bankgate::domain::ids::{check_id_number, luhn_holds};
use bankgate::domain::masked::IdNumber;
use bankgate::domain::money::Fen;
use bankgate::format::list::{ListRow, PayeeRole, read_list, write_csv};

const BANKS: [(&str, &str, BankNeeds); 3] = [
    ("SAND1", "900000000011", BankNeeds::Account),
    ("SAND2", "900000000022", BankNeeds::IdNumber),
    ("SAND3", "900000000033", BankNeeds::Account),
];

fn rows(world: &World) -> Vec<PlannedRow> {
    world.batches.iter().flat_map(|plan| world.rows(plan)).collect()
}

fn is_in_gbk(text: &str) -> bool {
    let mut out = Vec::with_capacity(text.len() * 2 + 16);
    let (result, _) = encoding_rs::GBK.new_encoder().encode_from_utf8_to_vec_without_replacement(text, &mut out, true);
    result == encoding_rs::EncoderResult::InputEmpty
}

#[test]
fn there_are_exactly_as_many_payments_as_asked_for() {
    for payments in [0, 1, 2, 7, 99, 100, 5_000, 20_001] {
        let world = World::generate(7, payments, &BANKS);
        assert_eq!(rows(&world).len(), payments);
        for plan in &world.batches {
            assert_eq!(world.rows(plan).count(), usize::try_from(plan.count).unwrap());
            assert!(plan.count > 0 && plan.count < 2_800, "{plan:?}");
            assert!(payments < 5_000 || plan.count >= 300, "{plan:?}");
        }
        let numbers: HashSet<&str> = world.batches.iter().map(|plan| plan.number.as_str()).collect();
        assert_eq!(numbers.len(), world.batches.len());
    }
    assert!(World::generate(7, 50, &[]).batches.is_empty());
}

#[test]
fn a_seed_makes_one_world() {
    let (one, same, other) = (World::generate(7, 6_000, &BANKS), World::generate(7, 6_000, &BANKS), World::generate(8, 6_000, &BANKS));
    assert_eq!(rows(&one), rows(&same));
    assert!(one.customers == same.customers && one.ineligible == same.ineligible && one.batches == same.batches);
    assert_ne!(rows(&one), rows(&other));
    // Pinned, so that another machine or another version of a crate cannot quietly make other people.
    let first = one.customers.first().unwrap();
    let printed = format!("{} {} {} {} {:?}", first.bank, first.account, first.name, first.id_number, first.state);
    assert_eq!(printed, "SAND1 6299990100000000077 郑贵 511190195310220011 Active");
    assert_eq!(rows(&one).iter().map(|planned| planned.row.amount).sum::<Fen>().to_string(), "7018797.37");
}

#[test]
fn another_month_is_another_list_of_the_same_people() {
    let world = World::generate(7, 3_000, &BANKS);
    let april = world.clone().paying_on(chrono::NaiveDate::from_ymd_opt(2019, 4, 18).unwrap());
    assert_eq!(rows(&world), rows(&april));
    let periods: BTreeSet<&str> = april.batches.iter().map(|plan| plan.period.as_str()).collect();
    assert_eq!(periods, BTreeSet::from(["2019", "2019-04"]));
}

#[test]
fn the_head_of_a_list_says_what_its_rows_sum_to() {
    let world = World::generate(7, 3_000, &BANKS);
    let plan = world.batches.first().unwrap();
    let head = world.head(plan);
    assert_eq!(head.declared_count, Some(plan.count));
    assert_eq!(head.declared_total, Some(world.rows(plan).map(|planned| planned.row.amount).sum()));
    assert!(world.departments.iter().any(|d| Some(d.code) == head.department.as_deref()));
}

#[test]
fn the_lists_read_without_a_fault() {
    let world = World::generate(7, 4_000, &BANKS);
    for plan in &world.batches {
        let written: Vec<ListRow> = world.rows(plan).map(|planned| planned.row).collect();
        let mut csv = Vec::new();
        write_csv(&mut csv, &written).unwrap();
        let list = read_list("a.csv", Cursor::new(csv)).unwrap();
        assert_eq!(list.faults, []);
        assert_eq!(list.rows, written);
    }
}

/// What the bank would say of a row, by the account or the identity number that it goes by.
fn truth<'c>(
    row: &ListRow,
    by_account: &HashMap<&str, &'c PersonAccount>,
    by_id: &HashMap<&str, &'c PersonAccount>,
) -> Option<&'c PersonAccount> {
    let found = if &*row.bank_code == "SAND2" { by_id.get(row.payee_id.reveal()) } else { by_account.get(row.account.reveal()) };
    found.copied()
}

#[test]
fn lists_and_banks_differ_only_where_a_slip_says_so() {
    let world = World::generate(7, 60_000, &BANKS);
    let by_account: HashMap<&str, &PersonAccount> = world.customers.iter().map(|c| (c.account.as_str(), c)).collect();
    let by_id: HashMap<&str, &PersonAccount> = world.customers.iter().map(|c| (c.id_number.as_str(), c)).collect();
    assert_eq!((by_account.len(), by_id.len()), (world.customers.len(), world.customers.len()), "cards and identity numbers are unique");
    let dead: HashSet<&IdNumber> = world.ineligible.iter().map(|person| &person.id_number).collect();

    let mut slips: BTreeMap<Option<Slip>, usize> = BTreeMap::new();
    for PlannedRow { row, slip } in rows(&world) {
        *slips.entry(slip).or_default() += 1;
        let holder = truth(&row, &by_account, &by_id);
        let agrees = holder.is_some_and(|c| {
            c.bank == *row.bank_code
                && c.name == row.payee_name.reveal()
                && c.id_number == row.payee_id.reveal()
                && c.account == row.account.reveal()
        });
        let state = holder.map(|c| c.state);
        let is_id_sound = check_id_number(&row.payee_id).is_ok();
        assert_eq!(is_id_sound, slip != Some(Slip::WrongCheck), "{row:?}");
        assert_eq!(dead.contains(&row.entitled_id), slip == Some(Slip::Deceased), "{row:?}");
        assert_eq!(row.amount == Fen::ZERO, slip == Some(Slip::ZeroAmount), "{row:?}");
        assert_eq!(luhn_holds(row.account.reveal()), slip != Some(Slip::WrongAccount), "{row:?}");
        match slip {
            None | Some(Slip::Duplicate) => assert!(agrees && state == Some(AccountState::Active), "{row:?}"),
            Some(Slip::Unpayable(told)) => assert!(agrees && state == Some(told) && told != AccountState::Active, "{row:?}"),
            Some(Slip::WrongName) => assert!(holder.is_some_and(|c| c.name != row.payee_name.reveal()), "{row:?}"),
            Some(Slip::WrongAccount | Slip::WrongId) => assert!(holder.is_none(), "{row:?}"),
            Some(Slip::WrongInterpunct) => {
                assert!(holder.is_some_and(|c| c.name.contains('·') && c.name != row.payee_name.reveal()), "{row:?}");
            }
            Some(Slip::BeyondGbk) => assert!(agrees && !is_in_gbk(row.payee_name.reveal()), "{row:?}"),
            Some(Slip::DisputedInGbk) => assert!(row.payee_name.reveal().contains('䶮'), "{row:?}"),
            Some(Slip::ZeroAmount | Slip::Deceased | Slip::WrongCheck) => {}
        }
    }
    let count = |slip: Option<Slip>| slips.get(&slip).copied().unwrap_or(0);
    assert_eq!(count(Some(Slip::ZeroAmount)), 1);
    for (slip, per_myriad) in [
        (Slip::WrongName, 70..=120),
        (Slip::WrongAccount, 30..=65),
        (Slip::WrongId, 12..=35),
        (Slip::WrongCheck, 20..=40),
        (Slip::Duplicate, 4..=16),
        (Slip::BeyondGbk, 20..=45),
        (Slip::WrongInterpunct, 4..=18),
        (Slip::DisputedInGbk, 4..=18),
        (Slip::Unpayable(AccountState::Closed), 40..=80),
        (Slip::Unpayable(AccountState::Frozen), 25..=60),
        (Slip::Unpayable(AccountState::Lost), 25..=60),
        (Slip::Unpayable(AccountState::Dormant), 40..=80),
    ] {
        assert!(per_myriad.contains(&(count(Some(slip)) / 6)), "{slip:?}: {slips:?}");
    }
    assert!(count(Some(Slip::Deceased)) >= 1 && count(None) > 56_000, "{slips:?}");
}

#[test]
fn nobody_is_entitled_twice_but_by_a_slip() {
    let world = World::generate(7, 30_000, &BANKS);
    let mut seen = HashSet::new();
    let mut roles: BTreeMap<PayeeRole, usize> = BTreeMap::new();
    for plan in &world.batches {
        for PlannedRow { row, slip } in world.rows(plan) {
            *roles.entry(row.payee_role).or_default() += 1;
            let is_new = seen.insert((plan.project.code, row.entitled_id.clone(), row.mandate_no.clone()));
            assert_eq!(is_new, slip != Some(Slip::Duplicate), "{} {row:?}", plan.number);
            assert_eq!(row.entitled_id.is_empty(), row.payee_role == PayeeRole::Proxy);
            assert_eq!(row.mandate_no.is_empty(), row.payee_role != PayeeRole::Proxy);
            assert_eq!(row.entitled_id == row.payee_id, row.payee_role == PayeeRole::Oneself);
            assert!(plan.project.is_household || row.payee_role != PayeeRole::Head);
        }
    }
    assert!(roles.len() == 3 && roles.values().all(|n| *n > 10), "{roles:?}");
}

#[test]
fn names_and_amounts_are_as_various_as_in_life() {
    let world = World::generate(7, 30_000, &BANKS);
    let share = |is: &dyn Fn(&PersonAccount) -> bool| world.customers.iter().filter(|c| is(c)).count() * 10_000 / world.customers.len();
    assert!((1_200..1_800).contains(&share(&|c| c.name.contains('·'))));
    assert!((10..60).contains(&share(&|c| !is_in_gbk(&c.name))));
    assert!((60..150).contains(&share(&|c| c.name.chars().any(|x| "珅億瑋弢镕".contains(x)))));
    assert!(world.customers.iter().all(|c| c.account.len() == 19 && c.account.starts_with("62") && luhn_holds(&c.account)));
    assert!(rows(&world).iter().any(|planned| planned.row.amount.get() % 100 != 0), "some amounts have cents");
    assert!(world.batches.len() > 10);
}
