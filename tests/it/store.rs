//! The database keeps the laws by itself: each case runs on SQLite and on a real PostgreSQL. How a bank's answers move
//! rows is in `store/apply.rs`, what the platform may rely on in `store/contract.rs`.

mod apply;
mod contract;
mod refused;
mod sample;

use std::collections::BTreeSet;
use std::time::Duration;

use bankgate::args;
use bankgate::clock::Clock;
use bankgate::domain::instruction::TRANSITIONS;
use bankgate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
use bankgate::domain::money::Fen;
use bankgate::domain::time::Timestamp;
use bankgate::store::StoreError;
use bankgate::store::desk::{NewIncident, Operator};
use bankgate::store::ledger::{EntryOf, Origin};
use bankgate::store::sql::Value;

use sample::{NOW, World, instruction, new_file};

/// A table of cases: each runs on both engines.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::World::sqlite().await).await; })* }
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::World::postgres().await).await; })* }
    };
}
use on_both;

on_both! {
    a_fresh_database_is_migrated_once_and_a_dry_run_leaves_no_trace
    a_newer_or_altered_schema_is_refused
    sample_rows_survive_every_migration
    history_refuses_update_and_delete
    one_live_claim_per_entitlement_whoever_comes_first
    a_failed_instruction_is_paid_again_once
    a_path_is_used_once_and_given_back_when_it_recurs
    nothing_that_we_do_drives_an_account_below_zero
    a_banks_word_is_never_refused_by_a_sign
    nobody_approves_what_he_proposed
    numbers_are_never_handed_out_twice
    a_lease_has_one_holder_by_the_databases_clock
    bulk_keeps_every_character
    a_row_gives_each_column_and_shows_nobody
    the_transition_table_follows_the_code
    a_rewritten_audit_log_shows
    the_same_incident_counts_up
    released_batches_wake_the_daemon
}

async fn a_fresh_database_is_migrated_once_and_a_dry_run_leaves_no_trace(w: World) {
    let first = [
        (1, "first"),
        (2, "settlement"),
        (3, "settlement views"),
        (4, "parted claims"),
        (5, "memory"),
        (6, "stuck files"),
        (7, "openings"),
        (8, "parts"),
        (9, "waived answers"),
        (10, "forgotten rows"),
        (11, "extra values"),
        (12, "history"),
        (13, "seal"),
        (14, "due"),
        (15, "transient"),
        (16, "announced"),
        (17, "arrivals"),
        (18, "nodes"),
        (19, "absent files"),
        (20, "putting away"),
        (21, "people"),
        (22, "suspicions"),
    ]
    .map(|(n, name)| (n, name.to_owned()))
    .to_vec();
    let dry = w.store.migration_plan().await.unwrap();
    assert_eq!((dry.had.as_slice(), &dry.applied), ([].as_slice(), &first));
    assert_eq!(w.tables().await, BTreeSet::new(), "a dry run made tables");
    assert!(matches!(w.store.check_schema().await, Err(StoreError::SchemaOlder { wanted: 1 })));
    assert_eq!(w.store.migrate().await.unwrap(), dry);
    let again = w.store.migrate().await.unwrap();
    assert_eq!((again.had.as_slice(), again.applied.as_slice()), ((1..=22).collect::<Vec<_>>().as_slice(), [].as_slice()));
    w.store.check_schema().await.unwrap();
    assert!(w.tables().await.contains("instruction_state"));
}

async fn a_newer_or_altered_schema_is_refused(w: World) {
    w.store.migrate().await.unwrap();
    let checksum = if w.is_postgres() { "'\\x00'::bytea" } else { "x'00'" };
    w.must("create table kept as select * from _sqlx_migrations").await;
    w.must(&format!("update _sqlx_migrations set checksum = {checksum}")).await;
    for said in [w.store.migrate().await.err(), w.store.check_schema().await.err()] {
        assert!(matches!(&said, Some(StoreError::Migration(text)) if text.contains("another text")), "{said:?}");
    }
    w.must("update _sqlx_migrations set checksum = (select checksum from kept where kept.version = _sqlx_migrations.version)").await;
    w.store.check_schema().await.unwrap();
    w.must("update _sqlx_migrations set version = 99 where version = 22").await;
    for said in [w.store.migrate().await.err(), w.store.check_schema().await.err(), w.store.migration_plan().await.err()] {
        assert!(matches!(said, Some(StoreError::SchemaNewer { found: 99, known: 22 })), "{said:?}");
    }
}

/// The sample rows enter at version 1; every later version must carry them over. A new version adds here what it must keep.
async fn sample_rows_survive_every_migration(w: World) {
    w.store.migrate_to(1).await.unwrap();
    w.sample().await;
    let mut before = w.counts().await;
    before.remove("_sqlx_migrations");
    assert!(before.values().filter(|n| **n > 0).count() >= 25, "{before:?}");
    let files =
        w.row("select name || path_taken || exchange_key || state || lines_state || first_id || last_id || created_at from file_out").await;
    // At version 7: of the first instruction twelve yuan were partly paid and wait, of the second five came back and are paid again.
    w.store.migrate_to(7).await.unwrap();
    for sql in [
        "insert into remainder (instruction_id, file_out, batch, state, amount_fen, reason, class, since) values (1, 1, 'B-1', 'failed_final', 1200, 'PARTIAL_PAID', 'UR', 1), \
         (2, 1, 'B-1', 'reissued', 500, 'LATE_RETURN', 'UR', 1)",
        "insert into waiting_return (instruction_id, file_out, file_in, line, money_on, amount_fen, reason, class, raw_code, raw_text, bank_ref, since, settled_at) \
         values (2, 1, 1, 1, '2019-03-16', 500, 'LATE_RETURN', 'UR', '', '', '', 1, 2), (3, 1, 1, 2, '2019-03-16', 1230, 'LATE_RETURN', 'UR', '', '', '', 1, null)",
        "insert into instruction (id, payment_id, root_payment_id, previous_id, attempt, claim_key, batch, payee_name, payee_id, account, bank_code, mobile, amount_fen, remark) \
         select 4, 3, 3, 2, 2, -2, batch, payee_name, payee_id, account, bank_code, mobile, 500, remark from instruction where id = 2",
        "update failure_case set kind = 'partial'",
        "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, approver, released_by, released_at, digest, created_at) \
         select 'B-2', kind, department, project, '2020', pay_on, 0, 0, maker, approver, released_by, released_at, digest, created_at from batch",
    ] {
        w.must(sql).await;
    }
    // Released while version 14 went through the batches, before its trigger was there.
    w.store.migrate_to(14).await.unwrap();
    w.must("delete from at_gate").await;
    before = w.counts().await;
    before.remove("_sqlx_migrations");
    w.store.migrate().await.unwrap();
    let kept = w
        .row("select (select cast(sum(part * 1000 + amount_fen) as text) from remainder where claim_key = 0 - instruction_id), (select part from instruction where id = 4), \
             (select count(*) from waiting_return where (instruction_id = 2 and part = 1) or (instruction_id = 3 and part is null)), (select part from failure_case)")
        .await;
    assert_eq!((kept.text(0).unwrap(), kept.int(1).unwrap(), kept.int(2).unwrap(), kept.int(3).unwrap()), ("3700", 1, 2, 1));
    w.must("update failure_case set kind = 'failed', part = 0").await;
    let mut after = w.counts().await;
    after.retain(|table, _| before.contains_key(table));
    for filled in ["transition", "reconciled", "publication", "at_gate"] {
        before.remove(filled);
        after.remove(filled);
    }
    let unseen = w
        .row(
            "select (select count(*) from reconciled where unseen = 1), (select count(*) from reconciled), (select count(*) from at_gate), \
             (select count(*) from funding_to_book)",
        )
        .await;
    assert_eq!(
        [0, 1, 2, 3].map(|n| unseen.int(n).unwrap()),
        [2, 2, 1, 1],
        "a file and a statement are still to be seen, a batch is at the gate, money to be booked"
    );
    assert_eq!(after, before);
    let announced = w.row("select (select min(batch || state) from publication), (select count(*) from publication)").await;
    assert_eq!((announced.text(0).unwrap(), announced.int(1).unwrap()), ("B-1due", 1), "what was admitted will be published");
    let same = w.row("select name || path_taken || exchange_key || state || lines_state || first_id || last_id || created_at from file_out where kind = 'instruction'").await;
    assert_eq!(same.text(0).unwrap(), files.text(0).unwrap());
    let seen = w.row("select state, amount_yuan || '', file_name, line from (select state, cast(amount_yuan as text) as amount_yuan, file_name, line from v_payment where seq = 1) x").await;
    assert_eq!((seen.text(0).unwrap(), seen.text(1).unwrap(), seen.int(3).unwrap()), ("failed", "12.30", 1));
    assert_eq!(w.row("select state from v_payment where seq = 2").await.text(0).unwrap(), "sent");
    let sql = "select cast(declared_yuan as text), cast(released_at as text), state from v_batch";
    let batch = w.row(sql).await;
    assert_eq!((batch.text(0).unwrap(), batch.text(2).unwrap()), ("36.90", "admitted"));
    assert!(batch.text(1).unwrap().starts_with("2019-03-14 17:20:00"), "local time: {:?}", batch.text(1));
    assert_eq!(w.row("select count(*) from v_case").await.int(0).unwrap(), 1);
    assert_eq!(w.row("select cast(closing_yuan as text) from v_statement").await.text(0).unwrap(), "-0.05");
}

async fn history_refuses_update_and_delete(w: World) {
    w.sampled().await;
    let tables = [
        ("entry", "lines"),
        ("posting", "amount_fen"),
        ("event", "at"),
        ("audit", "at"),
        ("answer_line", "seq"),
        ("final_answer", "file_in"),
        ("statement_line", "line"),
    ];
    for (table, column) in tables {
        let before = w.row(&format!("select count(*) from {table}")).await.int(0).unwrap();
        assert!(before > 0, "{table} has no sample row");
        for sql in [format!("update {table} set {column} = {column}"), format!("delete from {table}")] {
            let said = w.exec(&sql).await.unwrap_err().to_string();
            assert!(said.contains(&format!("{table} is append-only")), "{sql}: {said}");
        }
        if w.is_postgres() {
            let said = w.exec(&format!("truncate {table} cascade")).await.unwrap_err().to_string();
            assert!(said.contains("append-only"), "{table}: {said}");
        }
        assert_eq!(w.row(&format!("select count(*) from {table}")).await.int(0).unwrap(), before);
    }
}

async fn one_live_claim_per_entitlement_whoever_comes_first(w: World) {
    w.sampled().await;
    let racers = (0..4).map(|n| {
        let store = w.store.clone();
        tokio::spawn(async move {
            let mut tx = store.begin().await?;
            tx.insert_instructions("B-1", &[instruction(1000 + n, 777)]).await?;
            tx.commit().await
        })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            Err(e) => assert!(e.is_unique_violation() && !e.is_transient(), "{e}"),
        }
    }
    assert_eq!(won, 1);
    let mut tx = w.store.begin().await.unwrap();
    assert_eq!(tx.claims_taken(&[777, 778], "B-1").await.unwrap(), [(777, true)]);
    assert_eq!(tx.claims_taken(&[777], "B-2").await.unwrap(), [(777, false)]);
    // In one call too, and inside a part that is taken back the rest of the transaction lives on.
    tx.savepoint().await.unwrap();
    let twice = tx.insert_instructions("B-1", &[instruction(1010, 888), instruction(1011, 888)]).await;
    assert!(twice.is_err_and(|e| e.is_unique_violation()));
    tx.rollback_part().await.unwrap();
    tx.insert_instructions("B-1", &[instruction(1010, 888)]).await.unwrap();
    tx.commit().await.unwrap();
    // Freed by a final failure, and only then.
    w.must("update instruction set live = 0 where claim_key = 888").await;
    let mut tx = w.store.begin().await.unwrap();
    tx.insert_instructions("B-1", &[instruction(1012, 888)]).await.unwrap();
}

async fn a_failed_instruction_is_paid_again_once(w: World) {
    w.sampled().await;
    let again = |id, claim| {
        let mut new = instruction(id, claim);
        (new.previous_id, new.attempt, new.part) = (Some(1), 2, i64::from(claim < 0));
        new
    };
    let mut tx = w.store.begin().await.unwrap();
    tx.insert_instructions("B-1", &[again(1001, 501)]).await.unwrap();
    tx.savepoint().await.unwrap();
    let second = tx.insert_instructions("B-1", &[again(1002, 502)]).await;
    assert!(second.is_err_and(|e| e.is_unique_violation()), "two successors of one failed instruction");
    tx.rollback_part().await.unwrap();
    // What remains of it is another claim, and has a successor of its own: one.
    tx.insert_instructions("B-1", &[again(1003, -1)]).await.unwrap();
    // A successor that never left the house (voided) gives its place back.
    tx.exec("update instruction set live = 0 where id = 1001", args![]).await.unwrap();
    tx.insert_instructions("B-1", &[again(1002, 502)]).await.unwrap();
    let one = tx.predecessor(1).await.unwrap().unwrap();
    assert_eq!((one.whole.state.as_str(), one.whole.is_taken, one.attempt), ("failed", true, 1));
}

async fn a_path_is_used_once_and_given_back_when_it_recurs(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let first = tx.insert_file(&new_file("a.txt", 11), NOW).await.unwrap();
    for (name, seq) in [("a.txt", 12), ("b.txt", 11)] {
        tx.savepoint().await.unwrap();
        let taken = tx.insert_file(&new_file(name, seq), NOW).await;
        assert!(taken.is_err_and(|e| e.is_unique_violation()), "{name} {seq}");
        tx.rollback_part().await.unwrap();
    }
    tx.exec("update file_out set state = 'sent', lines_state = 'sent' where id = $1", args![first]).await.unwrap();
    assert!(tx.record_answered(first, true, NOW).await.unwrap());
    assert!(!tx.record_answered(first, true, NOW).await.unwrap(), "answered once");
    let second = tx.insert_file(&new_file("a.txt", 12), NOW).await.unwrap();
    assert_eq!(tx.file_by_key("B01", "p", "K").await.unwrap().unwrap().id, second);
}

fn purse() -> Purse {
    Purse { department: "D1".into(), project: "P1".into(), year: 2019, bank: "B01".into() }
}

fn movement(kind: EntryKind, from: AccountKind, to: AccountKind, fen: i64) -> Movement {
    Movement { kind, from: purse().account(from), to: purse().account(to), amount: Fen::new(fen) }
}

async fn nothing_that_we_do_drives_an_account_below_zero(w: World) {
    use AccountKind::{BankClearing, Treasury, ZeroBalance};
    w.store.migrate().await.unwrap();
    let mut tx = w.store.begin().await.unwrap();
    let of = EntryOf::default();
    tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Fund, Treasury, ZeroBalance, 100)).await.unwrap();
    tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Send, ZeroBalance, BankClearing, 60)).await.unwrap();
    tx.savepoint().await.unwrap();
    let more = tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Send, ZeroBalance, BankClearing, 41)).await;
    assert!(more.is_err_and(|e| e.is_check_violation() && !e.is_unique_violation()));
    tx.rollback_part().await.unwrap();
    for none in [0, -5] {
        assert!(tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Send, ZeroBalance, BankClearing, none)).await.is_err());
    }
    for (kind, fen) in [(Treasury, -100), (ZeroBalance, 40), (BankClearing, 60)] {
        assert_eq!(tx.balance(&purse().account(kind)).await.unwrap(), Fen::new(fen), "{kind:?}");
    }
    tx.commit().await.unwrap();
    books_balance(&w).await;
}

async fn a_banks_word_is_never_refused_by_a_sign(w: World) {
    use AccountKind::{BankClearing, Conflict, Paid, Treasury, ZeroBalance};
    w.store.migrate().await.unwrap();
    let mut tx = w.store.begin().await.unwrap();
    let of = EntryOf::default();
    tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Fund, Treasury, ZeroBalance, 50)).await.unwrap();
    tx.post(NOW, &of, Origin::Ours, &movement(EntryKind::Send, ZeroBalance, BankClearing, 50)).await.unwrap();
    let pay = |fen| movement(EntryKind::Pay, BankClearing, Paid, fen);
    assert!(!tx.post(NOW, &of, Origin::Theirs, &pay(50)).await.unwrap(), "enough was there");
    assert!(tx.post(NOW, &of, Origin::Theirs, &pay(7)).await.unwrap(), "it must say that the account was short");
    for (kind, fen) in [(BankClearing, 0), (Paid, 57), (Conflict, -7)] {
        assert_eq!(tx.balance(&purse().account(kind)).await.unwrap(), Fen::new(fen), "{kind:?}");
    }
    assert_eq!(purse().account(Conflict).bank, "B01");
    // A short account that is not one per bank books to the bank by which the money moved.
    assert!(tx.post(NOW, &of, Origin::Theirs, &movement(EntryKind::Fail, AccountKind::SuspenseUnknown, BankClearing, 3)).await.unwrap());
    assert_eq!(tx.balance(&purse().account(Conflict)).await.unwrap(), Fen::new(-10));
    tx.commit().await.unwrap();
    books_balance(&w).await;
}

/// Law 2 (c): every balance is the sum of its postings, every entry sums to nothing.
async fn books_balance(w: &World) {
    let off = "select count(*) from account a where a.balance_fen <> (select coalesce(sum(p.amount_fen), 0) from posting p where p.account = a.id)";
    assert_eq!(w.row(off).await.int(0).unwrap(), 0);
    let unbalanced = "select count(*) from (select entry from posting group by entry having sum(amount_fen) <> 0 or count(*) <> 2) x";
    assert_eq!(w.row(unbalanced).await.int(0).unwrap(), 0);
    assert!(w.row("select count(*) from posting").await.int(0).unwrap() > 0);
}

async fn nobody_approves_what_he_proposed(w: World) {
    w.store.migrate().await.unwrap();
    let person = |login: &str| Operator { login: login.into(), name: "某".into(), role: "finance_it".into(), department: String::new() };
    let mut tx = w.store.begin().await.unwrap();
    let id = tx.propose("file publish-again", "17", "银行来电", "发布文件17", &person("a"), NOW).await.unwrap();
    assert_eq!(tx.proposal_open("file publish-again", "17").await.unwrap(), Some(id));
    tx.savepoint().await.unwrap();
    assert!(tx.approve_proposal(id, &person("a"), NOW).await.is_err_and(|e| e.is_check_violation()));
    tx.rollback_part().await.unwrap();
    assert!(tx.approve_proposal(id, &person("b"), NOW).await.unwrap());
    assert!(!tx.approve_proposal(id, &person("c"), NOW).await.unwrap(), "done once");
    assert!(tx.proposal(id).await.unwrap().is_none());
}

async fn numbers_are_never_handed_out_twice(w: World) {
    w.store.migrate().await.unwrap();
    let takers = (0..4).map(|_| {
        let store = w.store.clone();
        tokio::spawn(async move {
            let mut firsts = Vec::new();
            for _ in 0..8 {
                let mut tx = store.begin().await.unwrap();
                firsts.push(tx.take_numbers("instruction", 3).await.unwrap());
                tx.commit().await.unwrap();
            }
            firsts
        })
    });
    let mut all = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        all.extend(taker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..32).map(|n| 1 + 3 * n).collect::<Vec<_>>());
}

async fn a_lease_has_one_holder_by_the_databases_clock(w: World) {
    w.sampled().await;
    let mut tx = w.store.begin().await.unwrap();
    let now = w.store.database_time(&mut tx).await.unwrap();
    let skew = now.millis() - Clock::System.now().millis();
    assert!(skew.abs() < 60_000, "the database's clock is this machine's here: {skew} ms");
    let mine = tx.take_lease("B01", "a", 10_000, now).await.unwrap().unwrap();
    assert_eq!(tx.take_lease("B01", "b", 10_000, now.plus_millis(9_999)).await.unwrap(), None, "held until it expires");
    let renewed = tx.take_lease("B01", "a", 10_000, now.plus_millis(9_999)).await.unwrap().unwrap();
    assert_eq!(renewed.fence, mine.fence, "renewing is not taking over");
    assert_eq!(tx.take_lease("B01", "b", 10_000, now.plus_millis(19_998)).await.unwrap(), None);
    let theirs = tx.take_lease("B01", "b", 10_000, now.plus_millis(19_999)).await.unwrap().unwrap();
    assert!(theirs.fence > mine.fence);
    assert_eq!(tx.take_lease("B01", "a", 10_000, now.plus_millis(20_000)).await.unwrap(), None);
    // Whoever lost the lease cannot commit to a publication any more, even with the fence that the row carries.
    let id = tx.insert_file(&new_file("c.txt", 21), NOW).await.unwrap();
    assert!(tx.seal_file(id, "00", 9, NOW).await.unwrap() && !tx.seal_file(id, "11", 9, NOW).await.unwrap(), "sealed once");
    let file = tx.file(id).await.unwrap();
    assert_eq!(tx.stamp_file(&file, &mine, NOW).await.unwrap(), None, "whoever lost the lease does not begin");
    let attempt = tx.stamp_file(&file, &theirs, NOW).await.unwrap().unwrap();
    let stamped = tx.file(id).await.unwrap();
    assert_eq!(tx.stamp_file(&stamped, &mine, NOW).await.unwrap(), None, "a lower fence never stamps again");
    assert!(!tx.intend(&stamped, &mine, attempt, ("p", ""), NOW).await.unwrap());
    assert!(tx.intend(&file, &theirs, attempt, ("p", ""), NOW).await.unwrap());
    assert_eq!(tx.drop_leases("b").await.unwrap(), 1);
    assert!(tx.take_lease("B01", "a", 1, now).await.unwrap().is_some_and(|l| l.fence > theirs.fence));
}

async fn a_row_gives_each_column_and_shows_nobody(w: World) {
    w.store.migrate().await.unwrap();
    let sql = "select cast('王珅' as text), cast(7 as bigint), cast(null as bigint), cast('' as text), cast('阿牛·木呷' as text), cast(null as text)";
    let row = w.row(sql).await;
    assert_eq!([0, 3, 4, 5].map(|at| row.text(at).unwrap()), ["王珅", "", "阿牛·木呷", ""]);
    assert_eq!((row.int(1).unwrap(), row.opt_int(1).unwrap(), row.opt_int(2).unwrap(), row.opt_int(5).unwrap()), (7, Some(7), None, None));
    for refused in [row.int(0).err(), row.int(2).err(), row.opt_int(4).err(), row.text(1).map(drop).err(), row.text(6).map(drop).err()] {
        assert!(refused.is_some(), "a column is what it is");
    }
    assert!(row.bytes(0).is_err());
    let shown = format!("{row:?}");
    assert!(!shown.contains('王') && !shown.contains('牛'), "{shown}");
}

async fn bulk_keeps_every_character(w: World) {
    const COLUMNS: &[&str] = &["bank", "path", "bytes", "modified_s", "seen_at", "file_in"];
    w.store.migrate().await.unwrap();
    let hard =
        ["a\tb", "a\nb", "a\r\nb", "\\", "\\.", "\\N", "\\t", "", " ", "'\"", "𠀀㐀🙂", "阿牛·木呷", "\u{1}\u{7f}\u{1f}", "\u{feff}x"];
    let mut tx = w.store.begin().await.unwrap();
    let rows = hard.iter().enumerate().map(|(n, text)| args![*text, n.to_string(), i64::MIN, i64::MAX, 0_i64, None::<i64>]);
    tx.bulk("sighting", COLUMNS, Box::new(rows)).await.unwrap();
    for (n, text) in hard.iter().enumerate() {
        let row = tx.one("select bank, bytes, modified_s, file_in from sighting where path = $1", args![n.to_string()]).await.unwrap();
        assert_eq!(row.text(0).unwrap(), *text);
        assert_eq!((row.int(1).unwrap(), row.int(2).unwrap(), row.opt_int(3).unwrap()), (i64::MIN, i64::MAX, None));
    }
    // More than one buffer of COPY, more than one statement of SQLite.
    let long = "長".repeat(100);
    let many = (0..20_000).map(|n| args![&long, format!("many/{n}"), n, 0_i64, 0_i64, None::<i64>]);
    tx.bulk("sighting", COLUMNS, Box::new(many)).await.unwrap();
    let sum = tx.one("select count(*), cast(sum(bytes) as bigint) from sighting where path like 'many/%'", args![]).await.unwrap();
    assert_eq!((sum.int(0).unwrap(), sum.int(1).unwrap()), (20_000, 199_990_000));
    let rows = |rows: Vec<Vec<Value>>| Box::new(rows.into_iter());
    tx.bulk("sighting", COLUMNS, rows(Vec::new())).await.unwrap();
    // What one engine has no place for, neither takes; and a row too much takes the others with it.
    let new = || args!["x", "new", 0_i64, 0_i64, 0_i64, None::<i64>];
    tx.savepoint().await.unwrap();
    let nul = args!["a\0b", "nul", 0_i64, 0_i64, 0_i64, None::<i64>];
    let nul = tx.bulk("sighting", COLUMNS, rows(vec![new(), nul])).await.unwrap_err();
    assert!(nul.to_string().contains("row 2") && nul.to_string().contains("NUL") && !nul.to_string().contains("a\0b"), "{nul}");
    tx.rollback_part().await.unwrap();
    tx.savepoint().await.unwrap();
    let twice = args!["a\tb", "0", 0_i64, 0_i64, 0_i64, None::<i64>];
    assert!(tx.bulk("sighting", COLUMNS, rows(vec![new(), twice])).await.is_err_and(|e| e.is_unique_violation()));
    tx.rollback_part().await.unwrap();
    assert!(tx.opt("select 1 from sighting where path = 'new'", args![]).await.unwrap().is_none());
}

async fn the_transition_table_follows_the_code(w: World) {
    w.store.migrate().await.unwrap();
    for harm in [
        "delete from transition where state = 'sent' and event = 'bank_paid'",
        "update transition set next = 'paid' where state = 'unknown' and event = 'lost'",
        "insert into transition values ('paid', 'plan', 'planned')",
    ] {
        w.must(harm).await;
        w.store.check_schema().await.unwrap();
        let rows = w.rows("select state, event, next from transition").await;
        let found: BTreeSet<_> = rows.iter().map(|r| [r.string(0).unwrap(), r.string(1).unwrap(), r.string(2).unwrap()]).collect();
        let code = TRANSITIONS.iter().map(|t| [t.state.code(), t.event.code(), t.next.code()].map(str::to_owned)).collect();
        assert_eq!(found, code, "after {harm}");
    }
}

async fn a_rewritten_audit_log_shows(w: World) {
    w.store.migrate().await.unwrap();
    let mut tx = w.store.begin().await.unwrap();
    let mut heads = Vec::new();
    for n in 0..5 {
        heads.push(tx.audit("甲", "approve", &format!("{n}"), "发放", NOW.plus_millis(n)).await.unwrap());
    }
    assert_eq!(tx.audit_verify().await.unwrap(), (5, None));
    tx.commit().await.unwrap();
    let open = if w.is_postgres() {
        ["set local session_replication_role = replica"; 2]
    } else {
        ["drop trigger audit_no_update", "drop trigger audit_no_delete"]
    };
    for (harm, broken) in [
        ("update audit set detail = '不发放' where id = 3", 3),
        ("update audit set actor = '乙' where id = 1", 1),
        ("delete from audit where id = 2", 3),
        ("update audit set id = 9 where id = 4", 5),
    ] {
        let mut tx = w.store.begin().await.unwrap();
        for door in open {
            tx.exec(door, args![]).await.unwrap();
        }
        assert_eq!(tx.exec(sqlx::AssertSqlSafe(harm), args![]).await.unwrap(), 1);
        assert_eq!(tx.audit_verify().await.unwrap().1, Some(broken), "{harm}");
    }
    // Cutting off the end leaves a whole chain, which is why its head is mailed and printed.
    let mut tx = w.store.begin().await.unwrap();
    for door in open {
        tx.exec(door, args![]).await.unwrap();
    }
    tx.exec("delete from audit where id = 5", args![]).await.unwrap();
    assert_eq!(tx.audit_verify().await.unwrap(), (4, None));
    assert_ne!(tx.one("select hash from audit order by id desc limit 1", args![]).await.unwrap().text(0).unwrap(), heads[4]);
}

async fn the_same_incident_counts_up(w: World) {
    w.store.migrate().await.unwrap();
    let incident = NewIncident { key: "edge:B01", kind: "edge", bank: "B01", what: "连不上", next_step: "bankgate doctor" };
    let mut tx = w.store.begin().await.unwrap();
    assert!(tx.incident(&incident, NOW).await.unwrap());
    assert!(!tx.incident(&incident, NOW.plus_minutes(1)).await.unwrap());
    let told = tx.incidents_unmailed().await.unwrap();
    assert_eq!(told.iter().map(|i| (i.times, i.first_at)).collect::<Vec<_>>(), [(2, NOW)]);
    assert!(tx.incident_mailed(told[0].id, 1).await.unwrap() && !tx.incident_mailed(told[0].id, 2).await.unwrap());
    assert!(!tx.incident(&incident, NOW.plus_minutes(2)).await.unwrap());
    assert!(tx.incidents_unmailed().await.unwrap().is_empty(), "told once");
    assert!(tx.close_incident("edge:B01", NOW).await.unwrap() && !tx.close_incident("edge:B01", NOW).await.unwrap());
    assert!(tx.incident(&incident, NOW.plus_minutes(3)).await.unwrap(), "once closed, the next is a new one");
    assert_eq!(tx.one("select count(*) from incident", args![]).await.unwrap().int(0).unwrap(), 2);
}

async fn released_batches_wake_the_daemon(w: World) {
    w.sampled().await;
    let Some(mut listener) = w.store.listen().await.unwrap() else {
        assert!(!w.is_postgres(), "PostgreSQL calls");
        return;
    };
    for (sql, table) in [
        ("update batch set released_at = 1 where number = 'B-1'", "batch"),
        ("insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', 'P1', 2019, 5, 0)", "funding"),
        ("update proposal set state = 'withdrawn'", "proposal"),
    ] {
        w.must(sql).await;
        let call = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await.expect("no call within ten seconds").unwrap();
        assert_eq!((call.channel(), call.payload()), ("bankgate", table));
    }
    // What is not committed wakes nobody.
    let mut tx = w.store.begin().await.unwrap();
    tx.exec("update batch set released_at = 2 where number = 'B-1'", args![]).await.unwrap();
    drop(tx);
    w.must("update batch set released_at = 3 where number = 'B-1'").await;
    assert_eq!(listener.recv().await.unwrap().payload(), "batch");
    assert_eq!(Timestamp::from_millis(w.row("select released_at from batch").await.int(0).unwrap()), Timestamp::from_millis(3));
}
