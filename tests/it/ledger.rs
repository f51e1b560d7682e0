//! The ledger as others see it: an accountant who shares no code with us (hledger) reads every entry, sums the accounts by
//! himself and meets our balances; the trial balance, the histories and the table say the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bankgate::domain::journal::{account_name, account_of};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::passes::journal::{write_csv, write_journal, write_journal_until};
use bankgate::store::journal::{Which, Whose};

use crate::stories::bank::{LOST, Word};
use crate::stories::world::{COUNTER, SPLIT, World, draft, on_both};

const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;
const EVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Runs hledger on a journal; what it printed, or what it complained of.
pub fn hledger(journal: &Path, words: &[&str]) -> Result<String, String> {
    // It reads by the locale: names of departments may be Chinese.
    let run = Command::new("hledger").env("LC_ALL", "C.UTF-8").arg("-f").arg(journal).args(words).output().expect("hledger is installed");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if run.status.success() { Ok(text(run.stdout)) } else { Err(text(run.stderr)) }
}

/// Every account's balance, as hledger adds it up.
pub fn hledger_balances(journal: &Path) -> BTreeMap<String, i64> {
    let text = hledger(journal, &["bal", "--flat", "-N", "-E", "-O", "csv"]).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    rows.records()
        .map(|row| {
            let row = row.unwrap();
            let amount = row[1].replace(" CNY", "").replace('.', "");
            // A balance of nothing is a bare 0.
            (row[0].to_owned(), amount.parse().unwrap())
        })
        .collect()
}

async fn busy(w: &mut World) {
    w.sql("insert into department (code, name) values ('D:3 ;局', '怪局')").await;
    // Funds count only where an agreement works by their model.
    w.sql(&format!(
        "insert into agreement (number, department, bank, payer_account, payer_name, profile) \
         select 'A-3', 'D:3 ;局', bank, '510601012345678903', '怪局', profile from agreement where bank = '{SPLIT}'"
    ))
    .await;
    w.sql(&format!(
        "insert into funding (department, project, year, amount_fen, arrived_at) values ('D:3 ;局', '2', 2019, 4321, {})",
        w.now.millis()
    ))
    .await;
    w.release(&draft("B;1", SPLIT, 0..4)).await;
    w.release(&draft("C", COUNTER, 10..13)).await;
    w.settle().await;
    w.answer(&w.take_one(SPLIT), &[Word::Paid, LOST, Word::Paid, LOST]);
    w.settle_at("2019-03-18", "10:00:00").await;
    w.answer(&w.take_one(COUNTER), &[Word::Paid; 3]);
    w.settle_at("2019-03-19", "10:00:00").await;
}

#[tokio::test]
async fn an_independent_accountant_finds_the_same_balances() {
    on_both(async |w| {
        busy(w).await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.journal");
        let mut text = Vec::new();
        let written = write_journal(&w.gateway.store, ZONE, &mut text).await.unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(i64::try_from(written.entries).unwrap(), w.int("select count(*) from entry").await);
        // Strict: every account and the commodity are declared, every transaction balances, every assertion holds.
        hledger(&path, &["check", "-s"]).unwrap();
        hledger(&path, &["check", "ordereddates", "accounts", "commodities", "balancednoautoconversion"]).unwrap();
        let trial = w.gateway.store.read().await.unwrap().trial(Whose::default(), EVER, i64::MAX).await.unwrap();
        let ours: BTreeMap<String, i64> = trial.iter().map(|row| (row.account.clone(), row.balance.get())).collect();
        assert_eq!(hledger_balances(&path), ours);
        assert_eq!(ours["zero_balance:D%3a.3%20.%3b.局:2:2019"], 4321);
        let sums: (i64, i64) = trial.iter().fold((0, 0), |sum, row| (sum.0 + row.debit.get(), sum.1 + row.credit.get()));
        assert!(sums.0 == sums.1 && sums.0 > 0);

        // A fen more in one posting, or in one balance, and he says so.
        let text = String::from_utf8(text).unwrap();
        for wrong in [text.replacen(" 43.21 CNY", " 43.22 CNY", 1), text.replacen("= 43.21 CNY", "= 43.20 CNY", 1)] {
            assert_ne!(wrong, text);
            std::fs::write(&path, &wrong).unwrap();
            assert!(hledger(&path, &["check"]).is_err());
        }

        // Up to an entry: what lay there then.
        let half = w.int("select id from entry where kind = 'send' order by id limit 1").await;
        let mut text = Vec::new();
        write_journal_until(&w.gateway.store, ZONE, &mut text, Some(half)).await.unwrap();
        std::fs::write(&path, &text).unwrap();
        hledger(&path, &["check", "-s"]).unwrap();
        assert!(!hledger_balances(&path).keys().any(|name| name.starts_with("paid:")));
    })
    .await;
}

#[tokio::test]
async fn trial_balance_histories_and_table_say_the_same() {
    on_both(async |w| {
        busy(w).await;
        let mut tx = w.gateway.store.read().await.unwrap();
        let trial = tx.trial(Whose::default(), EVER, i64::MAX).await.unwrap();
        for account in tx.kept_accounts(Whose::default()).await.unwrap() {
            assert_eq!(account_of(&account_name(&account.key)), Some(account.key.clone()));
            let row = trial.iter().find(|row| row.key == account.key).unwrap();
            let (opening, rows) = tx.account_history(account.id, (Timestamp::from_millis(0), EVER), 1000).await.unwrap();
            assert_eq!((opening, rows.last().unwrap().balance, account.balance), (Fen::ZERO, row.balance, row.balance));
        }
        // As of an evening: what was paid later is still on its way, and the sums are equal all the same.
        let noon = crate::stories::world::at("2019-03-16", "00:00:00");
        let then = tx.trial(Whose { department: "D1", project: "1", year: 2019, ..Whose::default() }, noon, i64::MAX).await.unwrap();
        assert!(then.iter().all(|row| !row.account.starts_with("paid:")), "{then:?}");
        assert_eq!(then.iter().map(|row| row.balance.get()).sum::<i64>(), 0);

        let mut table = Vec::new();
        write_csv(&mut tx, ZONE, &mut table, Which::default()).await.unwrap();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for row in csv::Reader::from_reader(table.as_slice()).records() {
            let row = row.unwrap();
            *sums.entry(row[12].to_owned()).or_default() += row[17].parse::<i64>().unwrap();
        }
        assert_eq!(sums, trial.iter().map(|row| (row.account.clone(), row.balance.get())).collect());
    })
    .await;
}
