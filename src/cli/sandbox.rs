//! `bankgate sandbox`: pretend banks behind real SFTP, on the machine's own clock, to try a configuration against.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::demo::stage::{BANKS, Stage};
use super::demo::{DemoArgs, DemoClock};
use super::out::Out;
use crate::clock::Clock;
use crate::domain::money::Fen;
use crate::sandbox::{Debits, Fault, Sandbox, When};

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
    /// What a file takes from the payer: what was paid, the whole file first, or payment by payment
    #[arg(long, value_enum, default_value_t)]
    pub debits: DebitsArg,
    /// Of a thousand payments, how many are sent back later
    #[arg(long, default_value_t = 0)]
    pub returns: u32,
    /// Days after which they come back, at most
    #[arg(long, default_value_t = 30)]
    pub returns_within: u32,
    /// A fault of a statement, repeatable: WHEN:WHAT, where WHEN is a date or the statement's number and WHAT is miss, miss=N
    /// (out of N statements), withhold=N, double, mis-key, late, missing or charge=FEN
    #[arg(long = "fault", value_name = "WHEN:WHAT", value_parser = fault)]
    pub faults: Vec<(When, Fault)>,
}

/// The ways of debiting, as the command line names them.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default)]
pub enum DebitsArg {
    /// What was paid, in one sum.
    #[default]
    Net,
    /// The whole file first, the rest back in one sum.
    Gross,
    /// The whole file first, the rest back one by one.
    GrossOneByOne,
    /// Payment by payment.
    ItemByItem,
}

impl From<DebitsArg> for Debits {
    fn from(arg: DebitsArg) -> Self {
        match arg {
            DebitsArg::Net => Self::Net,
            DebitsArg::Gross => Self::Gross { one_by_one: false },
            DebitsArg::GrossOneByOne => Self::Gross { one_by_one: true },
            DebitsArg::ItemByItem => Self::ItemByItem,
        }
    }
}

fn fault(text: &str) -> Result<(When, Fault), String> {
    let (when, what) = text.split_once(':').ok_or("write WHEN:WHAT, as 3:double or 2026-03-20:late")?;
    let nth = when.parse().map(When::Nth).ok();
    let when = nth.or_else(|| when.parse().map(When::Day).ok()).ok_or("WHEN is a number or a date like 2026-03-20")?;
    let fault = match what.split_once('=').unwrap_or((what, "")) {
        ("miss", "") => Fault::Miss(1),
        ("miss", number) => Fault::Miss(statements(number)?),
        ("withhold", number) => Fault::Withhold(statements(number)?),
        ("double", "") => Fault::Double,
        ("mis-key", "") => Fault::MisKey,
        ("late", "") => Fault::Late,
        ("missing", "") => Fault::Missing,
        ("charge", fen) => {
            let fee = Fen::parse_fen(fen).ok().filter(|fee| fee.is_positive());
            Fault::Charge(fee.ok_or("a charge is charge=FEN, more than nothing")?)
        }
        _ => return Err("WHAT is miss, miss=N, withhold=N, double, mis-key, late, missing or charge=FEN".to_owned()),
    };
    Ok((when, fault))
}

fn statements(number: &str) -> Result<u32, String> {
    number.parse().ok().filter(|n| *n > 0).ok_or_else(|| "N is a number of statements, from one".to_owned())
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
    let mut specs = stage.bank_specs();
    for spec in &mut specs {
        let behaviour = &mut spec.behaviour;
        behaviour.debits = args.debits.into();
        (behaviour.return_per_mille, behaviour.return_after_days) = (args.returns, 1..=args.returns_within.max(1));
        behaviour.statement_faults.clone_from(&args.faults);
    }
    let sandbox = Sandbox::start(&dir.join("banks"), specs, &clock, stage.zone).await.context("starting the sandbox banks")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_written() {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 20).unwrap();
        assert_eq!(fault("3:double"), Ok((When::Nth(3), Fault::Double)));
        assert_eq!(fault("2026-03-20:charge=1250"), Ok((When::Day(day), Fault::Charge(Fen::new(1250)))));
        assert_eq!(fault("2:miss=4"), Ok((When::Nth(2), Fault::Miss(4))));
        for wrong in ["double", "2:miss=0", "2:withhold", "x:double", "3:doubled", "3:double=1", "3:charge", "3:charge=0", "3:charge=-1"] {
            assert!(fault(wrong).is_err(), "{wrong}");
        }
    }
}
