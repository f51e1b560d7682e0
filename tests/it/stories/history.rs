//! What a round costs does not grow with the years behind it: PostgreSQL's own count of the rows that each pass reads, after five
//! months and after ten, is compared table by table.

use std::collections::BTreeMap;

use bankgate::clock::Since;
use bankgate::daemon::{DeskPass, edge_round};

use super::bank::Word;
use super::world::{BANKS, COUNTER, World, at, draft};
use crate::harness::postgres::Postgres;

/// A working day of each month, and the day of its close.
const MONTHS: [&str; 10] = [
    "2019-03-14",
    "2019-04-16",
    "2019-05-14",
    "2019-06-13",
    "2019-07-16",
    "2019-08-14",
    "2019-09-16",
    "2019-10-16",
    "2019-11-14",
    "2019-12-16",
];
/// Months of the shorter history: longer than what any pass looks back by rule (a publication's 120 days).
const SHORT: usize = 5;
/// People of each batch.
const PEOPLE: usize = 12;
/// Rows of a table of a few rows, such as one for each bank, that one round reads more than another by chance.
const CHANCE: i64 = 6;
/// What may grow, and why.
const MAY_GROW: [(&str, &str); 1] = [
    // The last five hundred publications of this node's journal, and never more.
    ("remember", "file_out"),
];

/// A plain vacuum passes over a page that somebody is just writing to disk; then index entries of dead rows are counted as read.
pub const VACUUM: &str = "vacuum (analyze, freeze, index_cleanup on)";
/// An index is used where there is one, and of several the one of the fewest rows, however small the tables of a test are: in years they
/// are not. By the costs that stand, a page more or less of a small table makes another index the better one.
pub const BY_ROWS: [&str; 5] =
    ["enable_seqscan = off", "cpu_tuple_cost = 1", "cpu_index_tuple_cost = 1", "random_page_cost = 0.01", "seq_page_cost = 0.01"];

/// A world whose database is read so.
async fn by_rows() -> World {
    let w = World::on_postgres().await;
    let name = w.url.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    for setting in BY_ROWS {
        Postgres::shared().psql(&w.url, &format!("alter database {name} set {setting}"));
    }
    w.gateway.store.close().await;
    w.started_again().await
}

/// Rows read, by table.
type Read = BTreeMap<String, i64>;

fn read_so_far(w: &World) -> Read {
    let psql = |sql: &str| Postgres::shared().psql(&w.url, sql);
    // What a session read is counted when it ends.
    Postgres::shared().until_alone(&w.url);
    let sql = "select t.relname, t.seq_tup_read + coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid), 0) \
               from pg_stat_user_tables t where t.schemaname = 'bankgate'";
    psql(sql).lines().filter_map(|line| line.split_once('|')).map(|(t, n)| (t.to_owned(), n.trim().parse().unwrap())).collect()
}

/// Everything once, and again, until what was begun is done.
async fn rounds(w: &mut World) {
    for _ in 0..5 {
        w.now = w.now.plus_minutes(2);
        for pass in DeskPass::ALL {
            pass.run(&w.gateway, w.now).await.unwrap();
        }
        for (bank, _) in BANKS {
            edge_round(&w.gateway, bank, true, (w.now, Since::Still)).await.unwrap();
        }
    }
}

/// One month: three banks are sent a batch each and answer, its lists are put up, it is closed.
async fn month(w: &mut World, date: &str) {
    w.now = at(date, "10:00:00");
    let period = &date[..7];
    for _ in 0..PEOPLE {
        w.fund(100).await;
    }
    for (n, (bank, _)) in BANKS.into_iter().enumerate() {
        let mut d = draft(&format!("{bank}-{period}"), bank, n * 100..n * 100 + PEOPLE);
        (d.period, d.pay_on) = (period.to_owned(), date.to_owned());
        w.release(&d).await;
    }
    rounds(w).await;
    for (bank, _) in BANKS {
        let slip = w.take_one(bank);
        w.answer(&slip, &vec![Word::Paid; slip.orders.len()]);
    }
    for (day, time) in [(&date[8..], "15:00:00"), ("20", "18:00:00"), ("28", "10:00:00")] {
        w.now = at(&format!("{period}-{day}"), time);
        rounds(w).await;
        w.sql("update publication set posted_on = due_on, posted_by = 'wang' where posted_on = ''").await;
    }
    w.sql("update outbox_mail set state = 'sent'").await;
    assert_eq!(w.states(&format!("{COUNTER}-{period}")).await, vec!["paid"; PEOPLE]);
    assert_eq!(w.int("select count(*) from period_close where state <> 'sealed'").await, 0);
}

/// What each pass of a quiet round reads.
async fn quiet_round(w: &World) -> BTreeMap<String, Read> {
    let mut found = BTreeMap::new();
    let mut before = read_so_far(w);
    for pass in DeskPass::ALL {
        let node = w.started_again().await;
        pass.run(&node.gateway, node.now).await.unwrap();
        found.insert(pass.name().to_owned(), difference(node, &mut before).await);
    }
    for (bank, _) in BANKS {
        let node = w.started_again().await;
        edge_round(&node.gateway, bank, true, (node.now, Since::Still)).await.unwrap();
        found.insert(format!("edge of {bank}"), difference(node, &mut before).await);
    }
    found
}

async fn difference(node: World, before: &mut Read) -> Read {
    node.gateway.store.close().await;
    let after = read_so_far(&node);
    let read = after.iter().map(|(table, n)| (table.clone(), n - before.get(table).copied().unwrap_or_default())).collect();
    *before = after;
    read
}

#[tokio::test]
async fn no_pass_of_a_quiet_round_reads_more_for_the_years_behind_it() {
    let mut w = by_rows().await;
    w.sql("update agreement set reconciliation = 'none'").await;
    let mut rounds = Vec::new();
    for (n, date) in MONTHS.into_iter().enumerate() {
        month(&mut w, date).await;
        if n + 1 == SHORT || n + 1 == MONTHS.len() {
            w.gateway.store.close().await;
            Postgres::shared().psql(&w.url, VACUUM);
            rounds.push(quiet_round(&w).await);
            w = w.started_again().await;
        }
    }
    let mut grown = Vec::new();
    for (pass, read) in &rounds[1] {
        for (table, rows) in read {
            let before = rounds[0][pass].get(table).copied().unwrap_or_default();
            if *rows > before + CHANCE && !MAY_GROW.contains(&(pass.as_str(), table.as_str())) {
                grown.push(format!("{pass} reads {rows} rows of {table} after ten months, {before} after five"));
            }
        }
    }
    assert!(grown.is_empty(), "\n{}", grown.join("\n"));
}

#[tokio::test]
async fn what_waits_for_a_department_is_not_gone_through_for_what_may_be_tried_again() {
    let mut w = by_rows().await;
    w.now = at(MONTHS[0], "10:00:00");
    w.release(&draft("N1", COUNTER, 0..5 * PEOPLE)).await;
    rounds(&mut w).await;
    let slip = w.take_one(COUNTER);
    w.answer(&slip, &vec![Word::Failed("账户已销户"); slip.orders.len()]);
    rounds(&mut w).await;
    assert_eq!(w.int("select count(*) from failure_case where state = 'open' and class <> 'BT'").await, 5 * i64::try_from(PEOPLE).unwrap());
    w.gateway.store.close().await;
    Postgres::shared().psql(&w.url, VACUUM);
    let read = quiet_round(&w).await["remedy"]["instruction_state"];
    assert!(read <= CHANCE, "{read} rows");
}
