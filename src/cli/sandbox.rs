//! `bankgate sandbox`: pretend banks behind real SFTP, on the machine's own clock, to try a configuration against.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::demo::stage::{BANKS, Stage};
use super::demo::{DemoArgs, DemoClock};
use super::out::Out;
use crate::clock::Clock;
use crate::sandbox::Sandbox;

/// How the sandbox is called.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Where the banks' folders, a configuration that fits them and the seeded database go; must be new or empty
    #[arg(long)]
    pub dir: PathBuf,
    /// The same seed invents the same people
    #[arg(long, default_value_t = 2019)]
    pub seed: u64,
    /// How many payments the invented lists have
    #[arg(long, default_value_t = 300)]
    pub payments: usize,
}

/// Runs the banks until interrupted. Beside them stand a configuration, a database with departments, projects, banks,
/// agreements and operators, and lists to import.
///
/// # Errors
/// The folder is not empty, or something could not be set up.
pub async fn sandbox(args: &SandboxArgs, out: &Out) -> anyhow::Result<()> {
    let demo = DemoArgs { dir: Some(args.dir.clone()), payments: args.payments, months: None, seed: args.seed };
    let dir = super::demo::folder(&demo)?;
    let clock = Clock::System;
    let mut stage = Stage::build(&dir, &demo, DemoClock::Real(clock.now()))?;
    let sandbox = Sandbox::start(&dir.join("banks"), stage.bank_specs(), &clock, stage.zone).await.context("starting the sandbox banks")?;
    let config = stage.write_config(&sandbox.endpoints())?;
    stage.write_lists()?;
    stage.prepare(&config, Some(clock.now())).await?;
    out.line("沙箱银行已启动 / sandbox banks are up:");
    for (bank, endpoint) in BANKS.iter().zip(sandbox.endpoints()) {
        out.line(format!("  {} {}  sftp://{}@{}  {}", endpoint.code, bank.name, endpoint.user, endpoint.addr, endpoint.fingerprint));
    }
    out.line(format!("配置 / configuration: {}", config.display()));
    out.line(format!("清单 / lists:         {}", dir.join("lists").display()));
    out.line(format!("下一步 / next:        bankgate run --config {}", config.display()));
    out.line("Ctrl-C 结束 / ends it.");
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    sandbox.stop().await;
    Ok(())
}
