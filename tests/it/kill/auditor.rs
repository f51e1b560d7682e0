//! The auditor of the kill test. It knows what the banks took and credited, and reads the tables by SQL of its own; it shares
//! no code with the product.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::bank::Credit;
use super::world::World;

/// What was looked at, in words. Stops the test at the first thing that does not hold.
pub fn verdict(world: &World) -> String {
    let (mut files, mut credited) = (0, 0);
    for bank in &world.banks {
        let (taken, credits) = bank.ledger(|ledger| (ledger.taken.clone(), ledger.credits.clone()));
        // Each file once, as it was sealed, and its flag with it; nothing that the tables do not know.
        let mut out: BTreeMap<String, (String, String)> = rows(world, &format!(
            "select case when dir = '' then name else dir || '/' || name end, sha256, state from file_out where bank = '{}' and state <> 'voided'",
            bank.code
        ))
        .into_iter()
        .map(|row| (row[0].clone(), (row[1].clone(), row[2].clone())))
        .collect();
        files += taken.len();
        for file in &taken {
            let Some((sealed, state)) = out.remove(&file.path) else { panic!("{}: taken twice, or never ours: {}", bank.code, file.path) };
            assert_eq!(hex::encode(Sha256::digest(&file.bytes)), sealed, "{} {}: other bytes than sealed", bank.code, file.path);
            assert!(
                matches!(&*state, "sent" | "accepted" | "answered" | "held" | "doubt"),
                "{} {}: taken, and {state}",
                bank.code,
                file.path
            );
            assert!(file.flag.as_ref().is_none_or(|flag| !flag.is_empty()), "{} {}: a torn pair", bank.code, file.path);
        }
        // What still lies in the inbox may be taken yet; nothing else is `sent` that the bank does not have.
        let waiting = world.finals(bank.code);
        for (path, (_, state)) in &out {
            let is_there = waiting.contains(path);
            assert!(is_there || matches!(&**state, "held" | "doubt"), "{} {path}: {state}, and the bank has no such file", bank.code);
        }
        credited += credits.len();
        nobody_twice(bank.code, &credits);
        everybody_once(world, bank.code, &credits, waiting.is_empty());
        if bank.code == "B01" {
            the_banks_word_stands(world, &credits);
        }
    }
    the_books_add_up(world);
    let faults = world.psql(
        "select (select count(*) from file_in where state not in ('applied', 'duplicate')) || ' ' || (select count(*) from failure_case where kind in ('conflict', 'unknown', 'double_payment_suspected'))",
    );
    assert_eq!(faults, "0 0", "answers that were not applied, contradictions");
    let held = world.psql("select count(*) from file_out where state in ('held', 'doubt')");
    let told = world.psql("select count(*) from file_out f where state in ('held', 'doubt') and not exists (select 1 from incident i where i.key in ('held:' || f.id, 'doubt:' || f.id))");
    assert_eq!(told, "0", "a file waits in silence");
    format!("{files} files taken, {credited} lines credited or refused, {held} files left to a person: nobody twice, nothing lost")
}

/// Who is credited, is credited once.
pub fn nobody_twice(bank: &str, credits: &[Credit]) {
    let (mut people, mut references) = (BTreeSet::new(), BTreeSet::new());
    for credit in credits {
        assert!(people.insert(&credit.person), "{bank}: a person is credited twice: {credit:?}");
        assert!(references.insert(&credit.reference), "{bank}: a reference is credited twice: {credit:?}");
    }
}

/// Whoever was released reached the bank.
fn everybody_once(world: &World, bank: &str, credits: &[Credit], is_all_taken: bool) {
    let released: usize = world.psql(&format!("select count(*) from payment where bank = '{bank}'")).parse().unwrap();
    let stopped: usize = world
        .psql(&format!("select coalesce(sum(rows), 0) from file_out where bank = '{bank}' and state in ('held', 'doubt')"))
        .parse()
        .unwrap();
    if is_all_taken {
        assert!(credits.len() + stopped >= released && credits.len() <= released, "{bank}: {released} released, {} arrived", credits.len());
    }
}

/// Every payment stands where the bank's own ledger has it, to the fen.
fn the_banks_word_stands(world: &World, credits: &[Credit]) {
    let sql = "select reference, state, cast(amount_yuan as text) from v_payment where bank = 'B01' and state not in ('sent', 'accepted')";
    let known: BTreeMap<String, (String, String)> =
        rows(world, sql).into_iter().map(|r| (r[0].clone(), (r[1].clone(), r[2].clone()))).collect();
    for credit in credits {
        let Some((state, yuan)) = known.get(&credit.reference) else { panic!("not applied: {credit:?}") };
        let fen: i64 = yuan.replace('.', "").parse().unwrap();
        assert_eq!(fen, credit.fen, "{credit:?}");
        assert!(
            state == if credit.is_paid { "paid" } else { "failed_final" } || (!credit.is_paid && state == "failed"),
            "{state}: {credit:?}"
        );
    }
}

/// Law 2, from the rows alone.
fn the_books_add_up(world: &World) {
    assert_eq!(world.psql("select coalesce(sum(amount_fen), 0) from posting"), "0");
    assert_eq!(world.psql("select count(*) from (select entry from posting group by entry having sum(amount_fen) <> 0) x"), "0");
    let astray = world.psql(
        "select count(*) from account a where balance_fen <> (select coalesce(sum(amount_fen), 0) from posting p where p.account = a.id)",
    );
    assert_eq!(astray, "0", "balances that are not the sum of their postings");
    // What was approved is paid, failed, or on its way.
    let sum = |kinds: &str| {
        world.psql(&format!("select coalesce(sum(balance_fen), 0) from account where kind in ({kinds})")).parse::<i64>().unwrap()
    };
    let lines = |bank: &str, states: &str| {
        let sql = format!(
            "select coalesce(sum(cast(amount_yuan * 100 as bigint)), 0) from v_payment where bank = '{bank}' and state in ({states})"
        );
        world.psql(&sql).parse::<i64>().unwrap()
    };
    let approved: i64 = world.psql("select coalesce(sum(amount_fen), 0) from payment").parse().unwrap();
    let paid = lines("B01", "'paid'") + lines("B02", "'paid'");
    let failed = lines("B01", "'failed', 'failed_final'");
    let in_flight = lines("B01", "'planned', 'sent', 'accepted'") + lines("B02", "'planned', 'sent', 'accepted'");
    assert_eq!(paid + failed + in_flight, approved, "approved = paid + failed + in flight");
    assert_eq!(sum("'paid'"), paid, "the account paid");
    assert_eq!(sum("'bank_clearing'"), in_flight, "the account bank_clearing");
    assert_eq!(sum("'suspense_correctable', 'suspense:correctable'"), failed, "the account of suspense");
}

fn rows(world: &World, sql: &str) -> Vec<Vec<String>> {
    world.psql(sql).lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}
