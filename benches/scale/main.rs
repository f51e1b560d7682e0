//! How fast the product is, beside the floor of the machine it runs on, in one run:
//!
//! ```sh
//! cargo bench --bench scale -- --payments 1000000 [--engine postgres|sqlite] [--json]
//! ```
//!
//! It starts a PostgreSQL and an sshd of its own, makes up a city of N payments, lets the product take them out to the bank and
//! back in a process of its own (whose memory is then the daemon's), and does the bare work with psql, OpenSSH's sftp and
//! a Python script on the same rows. Figures are comparable within one run only.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot go on stops there, and prints")]
#![expect(clippy::disallowed_types, clippy::float_arithmetic, clippy::as_conversions, reason = "ratios of times are no money")]

mod bank;
mod city;
mod cpu;
mod far;
mod floor;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;
mod product;
mod report;

use std::path::PathBuf;

use clap::Parser;
use harness::postgres::Postgres;
use harness::sshd::Sshd;

/// Where the product keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// A PostgreSQL with default settings.
    Postgres,
    /// A file.
    Sqlite,
}

/// Times each stage of the product on N payments, and the floors on the same rows.
#[derive(Debug, Parser)]
struct Options {
    /// How many payments.
    #[arg(long, default_value_t = 1_000_000)]
    payments: usize,
    /// Where the product keeps its state.
    #[arg(long, value_enum, default_value_t = Engine::Postgres)]
    engine: Engine,
    /// One object instead of a table.
    #[arg(long)]
    json: bool,
    /// Leave the bare exchange in Python out.
    #[arg(long)]
    no_python: bool,
    /// Cargo says it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// One leg, in a process of its own.
    #[arg(long, hide = true)]
    leg: Option<String>,
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
    #[arg(long, hide = true, value_delimiter = ',')]
    servers: Vec<u32>,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let (Some(leg), Some(config)) = (&options.leg, &options.config) {
        runtime.block_on(product::leg(leg, config, &options.servers));
        return;
    }
    let root = harness::folder("scale");
    let keeper = harness::Keeper::new(&format!("rm -rf {}", harness::quoted(&root)));
    let (postgres, sshd) = (Postgres::start(), Sshd::start());
    let floor_url = postgres.fresh_database("floor");
    let url = match options.engine {
        Engine::Postgres => postgres.fresh_database("scale"),
        Engine::Sqlite => format!("sqlite:{}", root.join("bankgate.db").display()),
    };
    let mut table = report::Report::new(&options);
    let of_database =
        postgres.psql(&floor_url, "select pid from pg_stat_activity where backend_type = 'checkpointer'").trim().parse().unwrap();
    let servers = [cpu::parent_of(of_database), cpu::started("sshd")];

    step("making up the city");
    let config = city::settings(&root, &url, &sshd, 1, "");
    runtime.block_on(async {
        let store = city::found(&config, 1).await;
        let (number, pay_on) = ("2019-NY-0001".to_owned(), "2019-03-14".parse().unwrap());
        let list = city::List { number, bank: city::BANK.to_owned(), people: 0..options.payments, pay_on };
        city::release(&store, &list, city::at("2019-03-13", "09:00:00")).await;
        store.close().await;
    });
    let mailbox = sshd.root.join(city::BANK);
    let wal = || (options.engine == Engine::Postgres).then(|| postgres.psql(&url, "select pg_current_wal_lsn()").trim().to_owned());
    let wal_between = |from: Option<String>, to: Option<String>| -> Option<u64> {
        let (from, to) = (from?, to?);
        postgres.psql(&url, &format!("select pg_wal_lsn_diff('{to}', '{from}')::bigint")).trim().parse().ok()
    };
    if options.engine == Engine::Postgres {
        // As it would be after a night: statistics there, nothing left to write.
        postgres.psql(&url, "vacuum analyze");
        postgres.psql(&url, "checkpoint");
    }

    for (leg, before) in [("out", None), ("in", Some("the bank answers")), ("after", Some("the bank states its account"))] {
        if let Some(what) = before {
            step(what);
            match leg {
                "in" => bank::answer(&mailbox, "20190315"),
                _ => bank::state(&mailbox),
            }
        }
        step(&format!("the product, leg {leg}"));
        let start = wal();
        let said = product::run_leg(leg, &config, servers);
        table.leg(leg, said, wal_between(start, wal()));
        step(&format!("leg {leg} is done\n{}", table.latest()));
    }

    if options.engine == Engine::Postgres {
        table.size(postgres.psql(&url, "select pg_database_size(current_database())").trim().parse().unwrap());
    }

    step("the floors");
    table.floors(floor::measure(&postgres, &floor_url, &sshd, &root, options.payments));
    if !options.no_python {
        step("the bare exchange in Python");
        table.python(floor::python(&postgres, &floor_url, &sshd, &root));
    }
    step("the wire alone");
    table.wire(floor::wire(&sshd, &root, &runtime, floor::Place::Near));
    step("the wire to a bank that is 50 ms away");
    table.wire(floor::wire(&sshd, &root, &runtime, floor::Place::Far));
    println!("{}", if options.json { table.json() } else { table.table() });
    drop((postgres, sshd, keeper));
    let worse = table.regressions();
    worse.iter().for_each(|what| step(&format!("worse than it was: {what}")));
    if !worse.is_empty() {
        std::process::exit(1);
    }
}

fn step(what: &str) {
    use std::io::Write as _;
    _ = writeln!(std::io::stderr(), "scale: {what}");
}
