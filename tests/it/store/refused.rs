//! A commit that SQLite refuses: a full disk does it, here a hook on the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bankgate::args;
use bankgate::store::{Store, sqlite_pool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

/// The driver believes such a transaction to be open for ever: no later one would begin on its connection, and a read on it would
/// show old rows.
#[tokio::test]
async fn after_a_refused_commit_the_next_transaction_begins_and_sees_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let refuses = Arc::new(AtomicBool::new(false));
    let options =
        SqliteConnectOptions::new().filename(dir.path().join("b.db")).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let hook = Arc::clone(&refuses);
    let pool = sqlite_pool(1).after_connect(move |connection, _| {
        let refuses = Arc::clone(&hook);
        Box::pin(async move {
            connection.lock_handle().await?.set_commit_hook(move || !refuses.load(Ordering::SeqCst));
            Ok(())
        })
    });
    let store = Store::over(pool.connect_with(options).await.unwrap());
    store.migrate().await.unwrap();
    let add = async |name: &str| {
        let mut tx = store.begin().await?;
        tx.exec("insert into counter (name, next) values ($1, 1)", args![name]).await?;
        tx.commit().await
    };
    refuses.store(true, Ordering::SeqCst);
    add("refused").await.unwrap_err();
    refuses.store(false, Ordering::SeqCst);
    add("kept").await.unwrap();
    let found = store.read().await.unwrap().rows("select name from counter where name in ('refused', 'kept')", args![]).await.unwrap();
    assert_eq!(found.iter().map(|r| r.string(0).unwrap()).collect::<Vec<_>>(), ["kept"]);
}
