//! `bankgate demo`: a city's subsidies for some working days, from the lists to the ledger, on one machine.
//!
//! Everything is real but the people and the banks: a database, two sandbox banks behind SFTP on loopback, the daemon's
//! own loop, mails to files. The clock is the demo's own and jumps from appointment to appointment, so that the days pass
//! as fast as the work in them allows. The demo plays the people of the departments and of the finance bureau (it brings
//! lists, approves, reviews, releases) and calls no pass; then it reads the tables and the banks' own books, and compares.

mod account;
mod people;
pub(super) mod stage;
mod year;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Stopwatch};
use crate::config::Config;
use crate::daemon::assemble::assemble;
use crate::daemon::{Wake, serve};
use crate::domain::time::Timestamp;
use crate::sandbox::Sandbox;

use super::out::Out;

use self::account::Account;
use self::stage::Stage;

/// How the demo is called.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Where files, mails and the database go; a new folder under the system's temporary one by default
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// How many payments the departments bring
    #[arg(long, default_value_t = 3000)]
    pub payments: usize,
    /// Play so many months from March 2019 on, with corrections, returns, refunds, monthly closes and the year's end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=24))]
    pub months: Option<u32>,
    /// The same seed invents the same people, lists and mishaps
    #[arg(long, default_value_t = 2019)]
    pub seed: u64,
}

/// Which days are played.
#[derive(Clone, Copy, Debug)]
pub(super) enum DemoClock {
    /// Some working days of March 2019, in seconds.
    March2019,
    /// Months from the first of March 2019 on, in minutes.
    Months,
    /// The days that are, from this instant on.
    Real(Timestamp),
}

/// Runs the demo. `Ok(false)`: it ran, and something does not add up.
///
/// # Errors
/// Something could not be set up or went wrong on the way.
pub async fn demo(args: &DemoArgs, out: &Out) -> anyhow::Result<bool> {
    if let Some(months) = args.months {
        return year::play_months(args, months, out).await;
    }
    let watch = Stopwatch::start();
    let dir = folder(args)?;
    let mut stage = Stage::build(&dir, args, DemoClock::March2019)?;
    let clock = Clock::stepped(stage.at(0, 8, 0));
    let director = clock.participant();
    let sandbox = Sandbox::start(&dir.join("banks"), stage.bank_specs(), &clock, stage.zone).await.context("starting the sandbox banks")?;
    let config_path = stage.write_config(&sandbox.endpoints())?;
    stage.prepare(&config_path, Some(clock.now())).await?;
    let config = Config::load(&config_path)?;
    let gateway = Arc::new(assemble(config).await?);
    let (wake, stop) = (Wake::default(), CancellationToken::new());
    let daemon = {
        let (gateway, clock, wake, stop) = (Arc::clone(&gateway), clock.clone(), wake.clone(), stop.clone());
        tokio::spawn(async move { serve(gateway, &clock, &wake, &stop).await })
    };
    let played = people::play(&stage, &gateway, &director, out.is_for_programs()).await;
    stop.cancel();
    daemon.await.context("the daemon's task")?.context("the daemon")?;
    drop(director);
    played?;
    let last_day = clock.now().date(stage.zone);
    let account = Account::draw(&stage, &gateway, &sandbox, watch.elapsed(), last_day).await?;
    sandbox.stop().await;
    gateway.store.close().await;
    account.print(out);
    Ok(account.holds())
}

/// The demo's folder: new or empty, so that nothing of anybody's is mixed with it.
pub(super) fn folder(args: &DemoArgs) -> anyhow::Result<PathBuf> {
    let dir = match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
            dir.clone()
        }
        None => tempfile::Builder::new().prefix("bankgate-demo-").tempdir().context("making a temporary folder")?.keep(),
    };
    let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
    if std::fs::read_dir(&dir)?.next().is_some() {
        anyhow::bail!(
            "{} is not empty: give --dir a new or empty folder, so that nothing of yours is mixed with the demo's",
            dir.display()
        );
    }
    Ok(dir)
}

/// An instant of the demo's days, for the log.
fn wall(at: Timestamp, zone: chrono_tz::Tz) -> String {
    at.local(zone).format("%Y-%m-%d %H:%M").to_string()
}
