//! A day of a service: many banks, many small files, now and then a huge one, and somebody who reads the status all the while.
//!
//! ```sh
//! cargo bench --bench soak -- [--banks 40] [--files 300] [--days 1] [--huge 100000] [--json]
//! ```
//!
//! The daemon's own loop runs in a process of its own, on a clock that stands still while anybody works: a day lasts as long as its
//! work. Lists are released in waves, one a bank; each bank answers in full what it finds. What is measured is how long a small file
//! takes from its release into the bank's folder, alone and beside a huge one, and what the process holds: memory, open files.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot go on stops there, and prints")]
#![expect(clippy::disallowed_types, clippy::float_arithmetic, clippy::as_conversions, reason = "ratios of times are no money")]

#[expect(dead_code, reason = "shared with the other bench, whose banks state their accounts too")]
#[path = "../scale/bank.rs"]
mod bank;
#[path = "../scale/city.rs"]
mod city;
mod day;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;
mod report;
mod service;
mod watch;

use std::path::PathBuf;

use clap::Parser;
use harness::postgres::Postgres;
use harness::sshd::Sshd;

/// Lets the daemon work through days of many files, and says how long each took and what the process held.
#[derive(Debug, Parser)]
struct Options {
    /// How many banks.
    #[arg(long, default_value_t = 40)]
    banks: usize,
    /// How many files each is sent a day.
    #[arg(long, default_value_t = 300)]
    files: usize,
    /// How many working days.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10))]
    days: u16,
    /// Payments of a small file.
    #[arg(long, default_value_t = 10)]
    small: usize,
    /// Payments of a huge one, of which the first bank is sent one in ten waves; 0: none.
    #[arg(long, default_value_t = 100_000)]
    huge: usize,
    /// How many nodes share the database; each bank is held by one of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4))]
    nodes: u16,
    /// One object instead of a table.
    #[arg(long)]
    json: bool,
    /// Cargo says it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// The daemon, in a process of its own, from this instant on.
    #[arg(long, hide = true)]
    serve_from: Option<i64>,
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let (Some(from), Some(config)) = (options.serve_from, &options.config) {
        runtime.block_on(service::serve(config, from));
        return;
    }
    let root = harness::folder("soak");
    let keeper = harness::Keeper::new(&format!("rm -rf {}", harness::quoted(&root)));
    // A session a bank, and one for whoever looks.
    let (postgres, sshd) = (Postgres::start(), Sshd::start_with("MaxStartups 200"));
    let url = postgres.fresh_database("soak");
    let time = "tick_s = 30\nrescan_s = 60\nnotify = false\n";
    let config = city::settings(&root, &url, &sshd, options.banks, time);
    let store = runtime.block_on(city::found(&config, options.banks));
    for node in 2..=options.nodes {
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace("name = \"one\"", &format!("name = \"node-{node}\"")).replace("/state\"", &format!("/state-{node}\""));
        std::fs::create_dir_all(root.join(format!("state-{node}/spool"))).unwrap();
        std::fs::write(root.join(format!("bankgate-{node}.toml")), text).unwrap();
    }
    let mut soak = day::Soak::new(&options, &root, store, &sshd);
    for day in 0..usize::from(options.days) {
        runtime.block_on(soak.day(day));
    }
    let report = runtime.block_on(soak.end());
    println!("{}", if options.json { report.json() } else { report.table() });
    drop((postgres, sshd, keeper));
}

fn step(what: &str) {
    use std::io::Write as _;
    _ = writeln!(std::io::stderr(), "soak: {what}");
}
