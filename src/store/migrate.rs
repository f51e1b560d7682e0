//! The schema and its versions. The texts in `migrations/` are one for both engines but for a few marks, filled in here:
//! `{identity}`, `{bytes}`, `{fill}` (room for heap-only updates), `{yuan x}`, `{local x}`, `{reference x}`; what only one engine has
//! stands in a file of its own. sqlx keeps the book of what was applied, with checksums.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use sqlx::migrate::{AppliedMigration, Migrate as _, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::sql::{Pool, TxEngine};
use super::{Store, StoreError};
use crate::args;

/// sqlx's book of what was applied.
const BOOK: &str = "_sqlx_migrations";

/// One version of the schema.
struct Version {
    number: i64,
    name: &'static str,
    both: &'static [&'static str],
    postgres: &'static [&'static str],
    sqlite: &'static [&'static str],
}

const VERSIONS: &[Version] = &[
    Version {
        number: 1,
        name: "first",
        both: &[include_str!("migrations/0001_tables.sql"), include_str!("migrations/0001_views.sql")],
        postgres: &[include_str!("migrations/0001_postgres.sql")],
        sqlite: &[include_str!("migrations/0001_sqlite.sql")],
    },
    Version {
        number: 2,
        name: "settlement",
        both: &[include_str!("migrations/0002_tables.sql")],
        postgres: &[include_str!("migrations/0002_postgres.sql")],
        sqlite: &[include_str!("migrations/0002_sqlite.sql")],
    },
    Version { number: 3, name: "settlement views", both: &[include_str!("migrations/0003_views.sql")], postgres: &[], sqlite: &[] },
    Version { number: 4, name: "parted claims", both: &[include_str!("migrations/0004_parted.sql")], postgres: &[], sqlite: &[] },
    Version {
        number: 5,
        name: "memory",
        both: &[include_str!("migrations/0005_memory.sql")],
        postgres: &[],
        sqlite: &[include_str!("migrations/0005_sqlite.sql")],
    },
    Version { number: 6, name: "stuck files", both: &[include_str!("migrations/0006_stuck.sql")], postgres: &[], sqlite: &[] },
    Version { number: 7, name: "openings", both: &[include_str!("migrations/0007_opening.sql")], postgres: &[], sqlite: &[] },
    Version {
        number: 8,
        name: "parts",
        both: &[include_str!("migrations/0008_parts.sql")],
        postgres: &[include_str!("migrations/0008_postgres.sql")],
        sqlite: &[include_str!("migrations/0008_sqlite.sql")],
    },
    Version { number: 9, name: "waived answers", both: &[include_str!("migrations/0009_waived.sql")], postgres: &[], sqlite: &[] },
    Version { number: 10, name: "forgotten rows", both: &[include_str!("migrations/0010_forgotten.sql")], postgres: &[], sqlite: &[] },
    Version {
        number: 11,
        name: "extra values",
        both: &[],
        postgres: &[include_str!("migrations/0011_postgres.sql")],
        sqlite: &[include_str!("migrations/0011_sqlite.sql")],
    },
    Version { number: 12, name: "history", both: &[include_str!("migrations/0012_history.sql")], postgres: &[], sqlite: &[] },
    Version { number: 13, name: "seal", both: &[include_str!("migrations/0013_seal.sql")], postgres: &[], sqlite: &[] },
    Version {
        number: 14,
        name: "due",
        both: &[include_str!("migrations/0014_due.sql")],
        postgres: &[include_str!("migrations/0014_postgres.sql")],
        sqlite: &[include_str!("migrations/0014_sqlite.sql")],
    },
    Version { number: 15, name: "transient", both: &[include_str!("migrations/0015_transient.sql")], postgres: &[], sqlite: &[] },
    Version { number: 16, name: "announced", both: &[include_str!("migrations/0016_announced.sql")], postgres: &[], sqlite: &[] },
    Version {
        number: 17,
        name: "arrivals",
        both: &[include_str!("migrations/0017_arrivals.sql")],
        postgres: &[include_str!("migrations/0017_postgres.sql"), include_str!("migrations/0017_fill.sql")],
        sqlite: &[include_str!("migrations/0017_sqlite.sql"), include_str!("migrations/0017_fill.sql")],
    },
    Version { number: 18, name: "nodes", both: &[include_str!("migrations/0018_nodes.sql")], postgres: &[], sqlite: &[] },
    Version { number: 19, name: "absent files", both: &[include_str!("migrations/0019_absent.sql")], postgres: &[], sqlite: &[] },
    Version { number: 20, name: "putting away", both: &[include_str!("migrations/0020_putting_away.sql")], postgres: &[], sqlite: &[] },
    Version { number: 21, name: "people", both: &[include_str!("migrations/0021_people.sql")], postgres: &[], sqlite: &[] },
    Version { number: 22, name: "suspicions", both: &[include_str!("migrations/0022_double.sql")], postgres: &[], sqlite: &[] },
];

static MARK: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r"\{(yuan|local|reference) ([a-z_.]+|coalesce\([a-z_.]+, 0\))\}"));

/// What a migration run did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that the database had.
    pub had: Vec<i64>,
    /// Those applied now (or, on a dry run, to be applied).
    pub applied: Vec<(i64, String)>,
}

impl Store {
    /// Brings the schema to this program's version.
    ///
    /// # Errors
    /// The database is newer than this program, or its applied versions were altered.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let done = self.migrate_to(VERSIONS.len()).await?;
        self.load_transitions().await?;
        Ok(done)
    }

    /// Brings the schema to an earlier version only: an upgrade in steps, with a look between them.
    ///
    /// # Errors
    /// As `migrate`.
    pub async fn migrate_to(&self, versions: usize) -> Result<Migrated, StoreError> {
        let plan = self.migration_plan().await?;
        let migrator = self.migrator(versions);
        match &self.pool {
            Pool::Pg(pool, _) => migrator.run(pool).await,
            Pool::Sqlite(pool) => migrator.run(pool).await,
        }
        .map_err(|e| StoreError::Migration(e.to_string()))?;
        Ok(plan)
    }

    /// What `migrate` would do. Reads only: a dry run leaves no trace, and the daemon's role owns no table.
    ///
    /// # Errors
    /// The database is newer than this program, or its applied versions were altered.
    pub async fn migration_plan(&self) -> Result<Migrated, StoreError> {
        let applied = self.applied_migrations().await?;
        let had: Vec<i64> = applied.iter().map(|m| m.version).collect();
        let newest = VERSIONS.iter().map(|v| v.number).max().unwrap_or(0);
        if let Some(newer) = had.iter().find(|v| **v > newest) {
            return Err(StoreError::SchemaNewer { found: *newer, known: newest });
        }
        let migrator = self.migrator(VERSIONS.len());
        let is_altered = |m: &&AppliedMigration| migrator.iter().any(|ours| ours.version == m.version && ours.checksum != m.checksum);
        if let Some(altered) = applied.iter().find(is_altered) {
            return Err(StoreError::Migration(format!(
                "version {} was applied with another text than this program has: run the bankgate that applied it, or restore a backup",
                altered.version
            )));
        }
        let applied = VERSIONS.iter().filter(|v| !had.contains(&v.number)).map(|v| (v.number, v.name.to_owned())).collect();
        Ok(Migrated { had, applied })
    }

    /// What sqlx's book says; nothing where there is no book yet.
    async fn applied_migrations(&self) -> Result<Vec<AppliedMigration>, StoreError> {
        let mut tx = self.read().await?;
        let sql = match &self.pool {
            Pool::Pg(..) => "select 1 from information_schema.tables where table_schema = current_schema() and table_name = $1",
            Pool::Sqlite(_) => "select 1 from sqlite_master where type = 'table' and name = $1",
        };
        if tx.opt(sql, args![BOOK]).await?.is_none() {
            return Ok(Vec::new());
        }
        match &mut tx.engine {
            TxEngine::Pg(tx, _) => tx.list_applied_migrations(BOOK).await,
            TxEngine::Sqlite(tx) => tx.list_applied_migrations(BOOK).await,
        }
        .map_err(|e| StoreError::Migration(e.to_string()))
    }

    /// Refuses a database whose schema is not exactly this program's.
    ///
    /// # Errors
    /// It is older (run `bankgate migrate`) or newer (run a newer bankgate).
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let plan = self.migration_plan().await?;
        match plan.applied.first() {
            None => self.load_transitions().await,
            Some((version, _)) => Err(StoreError::SchemaOlder { wanted: *version }),
        }
    }

    fn migrator(&self, versions: usize) -> Migrator {
        let is_postgres = matches!(self.pool, Pool::Pg(..));
        let migrations = VERSIONS
            .iter()
            .take(versions)
            .map(|v| {
                let own = if is_postgres { v.postgres } else { v.sqlite };
                let text: String = v.both.iter().chain(own).map(|t| fill(t, is_postgres)).collect::<Vec<_>>().join("\n");
                Migration::new(v.number, Cow::Borrowed(v.name), MigrationType::Simple, AssertSqlSafe(text).into_sql_str(), false)
            })
            .collect();
        Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }
    }
}

/// Fills in what the engines write differently.
fn fill(text: &str, is_postgres: bool) -> String {
    let (identity, bytes, room) = if is_postgres {
        ("bigint generated by default as identity primary key", "bytea", " with (fillfactor = 80)")
    } else {
        ("integer primary key", "blob", "")
    };
    let text = text.replace("{identity}", identity).replace("{bytes}", bytes).replace("{fill}", room);
    let Ok(mark) = MARK.as_ref() else { return text };
    mark.replace_all(&text, |c: &Captures<'_>| {
        let what = c.get(1).map_or("", |m| m.as_str());
        let x = c.get(2).map_or("", |m| m.as_str());
        match (what, is_postgres) {
            ("yuan", true) => format!("round({x} / 100.0, 2)"),
            ("yuan", false) => {
                format!(
                    "case when {x} is null then null else printf('%s%d.%02d', case when {x} < 0 then '-' else '' end, abs({x}) / 100, abs({x}) % 100) end"
                )
            }
            ("reference", _) => reference(x, is_postgres),
            (_, true) => format!("(to_timestamp({x} / 1000.0) at time zone 'Asia/Shanghai')"),
            (_, false) => format!("datetime({x} / 1000, 'unixepoch', '+8 hours')"),
        }
    })
    .into_owned()
}

/// The reference of an instruction's number as `domain::ids::EndToEndId` prints it, for people who name one in SQL. Luhn's digit
/// by arithmetic that both engines have: every second digit from the right counts double, by the sum of its digits.
fn reference(x: &str, is_postgres: bool) -> String {
    let terms = (0..15_u32).map(|place| {
        let digit = format!("({x} / {} % 10)", 10_i64.pow(place));
        if place % 2 == 0 { format!("2 * {digit} / 10 + 2 * {digit} % 10") } else { digit }
    });
    let check = format!("(10 - ({}) % 10) % 10", terms.collect::<Vec<_>>().join(" + "));
    let number = if is_postgres { format!("lpad(cast({x} as text), 15, '0')") } else { format!("printf('%015d', {x})") };
    format!("case when {x} is null then null else 'BG' || {number} || cast({check} as text) end")
}
