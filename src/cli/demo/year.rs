//! `bankgate demo --months N`: the same county from March 2019 on, month after month.
//!
//! Lists come each month; what fails is corrected and paid again through the whole approval, or turns out not to be due;
//! payments come back weeks later; people give back what was not theirs; statements err and are put right. On the twentieth
//! each month is brought to zero, at the year's end what could not be corrected goes back to the treasury, and is paid from
//! the next year's money. The demo plays the people and the banks, and calls no pass: the daemon's own loop does the work.

mod people;
mod reissue;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{Months, NaiveDate};
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use super::{DemoArgs, DemoClock, account::Account, folder};
use crate::cli::out::Out;
use crate::clock::{Clock, Stopwatch};
use crate::config::Config;
use crate::daemon::assemble::assemble;
use crate::daemon::{Wake, serve};
use crate::sandbox::Sandbox;

/// Of the lists' rows of one date so many belong to monthly subsidies: to bring as many payments as asked for, the county
/// is made that much larger.
const MONTHLY_SHARE: (usize, usize) = (32, 60);

/// How often the daemon looks by itself: seldomer than any real one may.
const LOOKS_EVERY: Duration = Duration::from_secs(4 * 60 * 60);

/// Plays the months, then draws the account of them. `Ok(false)`: it ran, and something does not hold.
pub(super) async fn play_months(args: &DemoArgs, months: u32, out: &Out) -> anyhow::Result<bool> {
    let watch = Stopwatch::start();
    let dir = folder(args)?;
    let a_month = args.payments / usize::try_from(months).unwrap_or(1).max(1);
    let county = DemoArgs { payments: (a_month * MONTHLY_SHARE.1 / MONTHLY_SHARE.0).max(120), ..args.clone() };
    let mut stage = Stage::build(&dir, &county, DemoClock::Months)?;
    let last = last_day(&stage, months)?;
    let clock = Clock::stepped(stage.at(0, 8, 0));
    let director = clock.participant();
    let truth = people::Truth::of(&stage);
    let specs = people::banks(&mut stage)?;
    let sandbox = Sandbox::start(&dir.join("banks"), specs, &clock, stage.zone).await.context("starting the sandbox banks")?;
    let config_path = stage.write_config(&sandbox.endpoints())?;
    stage.prepare(&config_path, None).await?;
    let mut config = Config::load(&config_path)?;
    // A few looks a day, and one whenever somebody did something: a year of ten-minute looks is mostly nights.
    (config.time.tick, config.time.rescan) = (LOOKS_EVERY, LOOKS_EVERY);
    let gateway = Arc::new(assemble(config).await?);
    let (wake, stop) = (Wake::default(), CancellationToken::new());
    let daemon = {
        let (gateway, clock, wake, stop) = (Arc::clone(&gateway), clock.clone(), wake.clone(), stop.clone());
        tokio::spawn(async move { serve(gateway, &clock, &wake, &stop).await })
    };
    let played = people::People::new(&stage, &gateway, &sandbox, &wake, truth).play(&director, months, last, out).await;
    stop.cancel();
    daemon.await.context("the daemon's task")?.context("the daemon")?;
    drop(director);
    played?;
    let account = Account::draw(&stage, &gateway, &sandbox, watch.elapsed(), last).await?;
    let verdict = verdict::Verdict::draw(&stage, &gateway, months, account).await?;
    sandbox.stop().await;
    gateway.store.close().await;
    verdict.print(out);
    Ok(verdict.holds())
}

/// The last day of the last month.
fn last_day(stage: &Stage, months: u32) -> anyhow::Result<NaiveDate> {
    let after = stage.first_day().checked_add_months(Months::new(months)).context("a month after the last")?;
    after.pred_opt().context("the last day")
}
