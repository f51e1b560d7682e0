//! What a working day costs does not grow with the months behind it: a batch goes out, is answered, reported and reconciled, and
//! PostgreSQL's own count of the rows that this read is the same after five months as after ten.

use std::collections::BTreeMap;
use std::ops::Range;

use bankgate::daemon;
use bankgate::domain::masked::IdNumber;
use bankgate::passes::admit;
use chrono::NaiveDate;

use super::bank::{BUSY, LOST, Slip, Word};
use super::close::DEAD;
use super::history::{BY_ROWS, VACUUM};
use super::reconcile::{Entry, debit};
use super::world::{CLEARING, SPLIT, World, at, draft};
use crate::harness::postgres::Postgres;

/// Paid on, answered on, paid again on, closed on.
const MONTHS: [[&str; 4]; 10] = [
    ["2019-03-14", "2019-03-15", "2019-03-18", "2019-03-20"],
    ["2019-04-09", "2019-04-10", "2019-04-11", "2019-04-19"],
    ["2019-05-14", "2019-05-15", "2019-05-16", "2019-05-20"],
    ["2019-06-11", "2019-06-12", "2019-06-13", "2019-06-20"],
    ["2019-07-09", "2019-07-10", "2019-07-11", "2019-07-19"],
    ["2019-08-13", "2019-08-14", "2019-08-15", "2019-08-20"],
    ["2019-09-10", "2019-09-11", "2019-09-12", "2019-09-20"],
    ["2019-10-15", "2019-10-16", "2019-10-17", "2019-10-18"],
    ["2019-11-12", "2019-11-13", "2019-11-14", "2019-11-20"],
    ["2019-12-10", "2019-12-11", "2019-12-12", "2019-12-20"],
];
/// After how many of them a day is measured: the first is behind all that a pass looks back by rule (a publication's 120 days).
const MEASURED: [usize; 2] = [5, MONTHS.len()];
/// The day that is measured, and the next.
const DAYS: [[&str; 2]; 2] = [["2019-07-23", "2019-07-24"], ["2019-12-24", "2019-12-25"]];
/// How many are paid each month, beside the fifty of the day that is measured.
const PEOPLE: usize = 900;
/// In lists of so many.
const LIST: usize = 150;
/// Rows that two days read differently, beside a tenth: other days of the week, another order of a join.
const CHANCE: i64 = 60;
/// What may grow, and why.
const MAY_GROW: [(&str, &str); 4] = [
    // Once a day the whole ledger is added up, for the day's line of evidence: that is what it says.
    ("entry.entry_at", "evidence"),
    ("entry.entry_pkey", "evidence"),
    ("posting.posting_pkey", "evidence"),
    // The last five hundred publications of this node's journal, and never more.
    ("file_out.file_out_pkey", "the journal"),
];

/// Rows that the database read, by table and index.
type Read = BTreeMap<String, i64>;

/// The account at the bank: what lies in it, and the day from which it is to be stated.
struct Till {
    balance: i64,
    from: NaiveDate,
}

impl World {
    /// Every pass of the daemon, until nothing is left to do.
    async fn work(&mut self) {
        for _ in 0..30 {
            self.now = self.now.plus_minutes(2);
            if daemon::round(&self.gateway, self.now).await.unwrap().changed == 0 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    async fn work_at(&mut self, date: &str, time: &str) {
        self.now = at(date, time);
        self.work().await;
    }

    /// The bank answers files, and states its account up to a day.
    async fn answered(&mut self, till: &mut Till, slips: &[Slip], word: fn(usize) -> Word, [day, next]: [&str; 2]) {
        let mut lumps = Vec::new();
        for slip in slips {
            let words: Vec<Word> = (0..slip.orders.len()).map(word).collect();
            self.answer(slip, &words);
            let paid = slip.orders.iter().zip(&words).filter(|(_, word)| **word == Word::Paid).map(|(order, _)| order.fen).sum();
            lumps.push(debit(paid, slip.path.rsplit('/').next().unwrap(), "代发"));
        }
        self.work_at(next, "09:00:00").await;
        let (from, closing) = (till.from.to_string(), till.balance + lumps.iter().map(Entry::signed).sum::<i64>());
        till.balance = self.state_over(CLEARING, (&from, day), (till.balance, closing), &lumps);
        till.from = day.parse::<NaiveDate>().unwrap().succ_opt().unwrap();
        self.work().await;
    }

    /// Lists of people go out and come back.
    async fn exchange(&mut self, till: &mut Till, lists: Vec<Range<usize>>, days: [&str; 2], word: fn(usize) -> Word) {
        self.now = at(days[0], "10:05:00");
        let sent = lists.len();
        for people in lists {
            let mut list = draft(&format!("{}-{}", days[0], people.start), CLEARING, people);
            (list.period, list.pay_on) = (days[0][..7].to_owned(), days[0].to_owned());
            self.release(&list).await;
        }
        self.work().await;
        let slips = self.take(CLEARING);
        assert_eq!(slips.len(), sent);
        self.answered(till, &slips, word, days).await;
        // The lists are put up in the villages in time.
        self.sql("update publication set posted_on = due_on, posted_by = 'wang' where posted_on = ''").await;
    }

    /// A month as it is meant: some are tried again and paid, some go back to the treasury, the month is closed.
    async fn month_of_history(&mut self, till: &mut Till, [first, second, third, close]: [&str; 4]) {
        let word = |line: usize| match line {
            7 => BUSY,
            8 => DEAD,
            _ => Word::Paid,
        };
        let lists: Vec<Range<usize>> = (0..PEOPLE).step_by(LIST).map(|first| first..first + LIST).collect();
        self.exchange(till, lists, [first, second], word).await;
        self.work_at(third, "10:00:00").await;
        let again = self.take(CLEARING);
        assert_eq!(again.iter().map(|slip| slip.orders.len()).sum::<usize>(), PEOPLE / LIST, "the bank was busy");
        self.answered(till, &again, |_| Word::Paid, [third, close]).await;
        self.work_at(close, "17:10:00").await;
        assert_eq!(self.refund_all().await, 1, "one order for those who are dead");
        self.work().await;
    }

    /// What the database reads for this: on connections of its own, for a connection is counted when it ends.
    async fn read_by(&mut self, work: impl AsyncFnOnce(&mut Self)) -> Read {
        let server = Postgres::shared();
        self.gateway.store.close().await;
        server.until_alone(&self.url);
        server.psql(&self.url, VACUUM);
        server.psql(&self.url, "select pg_stat_reset()");
        *self = self.started_again().await;
        work(self).await;
        self.gateway.store.close().await;
        server.until_alone(&self.url);
        let said = server.psql(
            &self.url,
            "select relname || ' whole', seq_tup_read from pg_stat_user_tables where schemaname = 'bankgate' \
             union all select relname || '.' || indexrelname, idx_tup_read from pg_stat_user_indexes where schemaname = 'bankgate'",
        );
        *self = self.started_again().await;
        said.lines().map(|line| line.split_once('|').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
    }
}

#[tokio::test]
async fn a_working_day_reads_what_is_due_and_no_more_after_ten_months() {
    let mut world = World::on_postgres().await;
    let name = world.url.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    for setting in BY_ROWS {
        Postgres::shared().psql(&world.url, &format!("alter database {name} set {setting}"));
    }
    // How many pages a table has is no matter of when the server found time to sweep it: another index may be chosen for one more.
    let tables = Postgres::shared().psql(&world.url, "select relname from pg_stat_user_tables where schemaname = 'bankgate'");
    for table in tables.lines() {
        Postgres::shared().psql(&world.url, &format!("alter table bankgate.{table} set (autovacuum_enabled = off)"));
    }
    world.sql(&format!("update agreement set reconciliation = 'none' where bank <> '{CLEARING}'")).await;
    world.fund(10_000_000_000).await;
    let mut till = Till { balance: 10_000_000_000, from: "2019-03-14".parse().unwrap() };
    let mut seen = Vec::new();
    for (months, days) in MONTHS.into_iter().enumerate() {
        world.month_of_history(&mut till, days).await;
        let Some(at) = MEASURED.iter().position(|after| *after == months + 1) else { continue };
        let word = |line| if line == 3 { LOST } else { Word::Paid };
        seen.push(
            world.read_by(async |w| w.exchange(&mut till, std::iter::once(PEOPLE..PEOPLE + 50).collect(), DAYS[at], word).await).await,
        );
        assert_eq!(world.texts("select kind from break_item where state = 'open'").await, Vec::<String>::new());
    }
    assert_eq!(world.int("select count(*) from period_close where state = 'sealed'").await, 10);
    let grown: Vec<String> = seen[1]
        .iter()
        .map(|(name, n)| (name, *n, seen[0][name]))
        .filter(|(name, n, before)| n - before > CHANCE + before / 10 && MAY_GROW.iter().all(|(may, _)| may != name))
        .map(|(name, n, before)| format!("{name}: {n} rows after ten months, {before} after five"))
        .collect();
    assert!(grown.is_empty(), "\n{}", grown.join("\n"));
}

/// No index tells people without an identity number from one another: those of a list that went back are looked for in the lists that
/// passed since, and not among all who ever had none.
#[tokio::test]
async fn who_has_no_number_is_not_looked_for_among_all_who_have_none() {
    let mut world = World::on_postgres().await;
    let name = world.url.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    for setting in BY_ROWS {
        Postgres::shared().psql(&world.url, &format!("alter database {name} set {setting}"));
    }
    world
        .sql(
            "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, created_at) \
             values ('H', 'first', 'D1', '1', '2018-03', '2018-03-14', 0, 0, 0)",
        )
        .await;
    let before = "insert into payment (batch, seq, entitled_name, entitled_id, mandate_no, amount_fen) \
                  select 'H', n, '某人', case when n % 2 = 0 then '' else 'X' || n end, 'M', 1 from generate_series(1, 10000) n";
    world.sql(before).await;
    let list = |number: &str, people: Range<usize>| {
        let mut list = draft(number, SPLIT, people);
        for row in &mut list.rows {
            (row.entitled_id, row.mandate_no) = (IdNumber::new(""), format!("M-{}", row.seq));
            "proxy".clone_into(&mut row.payee_role);
        }
        list.seal();
        list
    };
    let mut wrong = list("A", 0..20);
    wrong.digest = "another".to_owned();
    world.release(&wrong).await;
    admit::admit(&world.gateway, world.now).await.unwrap();
    world.now = world.now.plus_minutes(2);
    world.release(&list("A-1", 0..10)).await;
    admit::admit(&world.gateway, world.now).await.unwrap();
    assert_eq!(world.incidents("batch_returned").await, 1, "half of them wait still");
    world.release(&list("A-2", 0..20)).await;
    let pass = async |w: &mut World| {
        admit::admit(&w.gateway, w.now).await.unwrap();
    };
    let read = world.read_by(pass).await;
    assert_eq!(world.incidents("batch_returned").await, 0);
    let rows: i64 = read.iter().filter(|(name, _)| name.starts_with("payment")).map(|(_, n)| n).sum();
    assert!(rows < 5000, "{rows} rows: {read:?}");
}
