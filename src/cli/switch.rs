//! The day of the switch-over, at the command line: both commands decide, so both ask the daemon.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::decide::{ask, asked};
use super::out::{Exit, Failure, Out};
use crate::config::Config;
use crate::daemon::socket::{self, Request};

/// The switch-over from the channel before this one (切换).
#[derive(Debug, Subcommand)]
pub enum SwitchCommand {
    /// Bring the payments that it made, so that none is made again: all rows, or none with every fault
    Payments {
        /// The table: .csv, in UTF-8 or GBK
        file: PathBuf,
        /// What the channel is called, for whoever is refused because of it
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Propose what lay in the accounts that day; another person approves it, then it is booked
    Balances {
        /// The table: .csv, in UTF-8 or GBK
        file: PathBuf,
        /// What the channel is called
        #[arg(long, value_name = "NAME")]
        source: String,
    },
    /// Propose that an opening balance in suspense is back at the treasury; another person approves it, then it is booked
    Returned {
        /// Its number, as `bankgate close --dry-run` names it
        opening: i64,
        /// The treasury's receipt
        #[arg(long)]
        receipt: String,
    },
}

/// Does what of it is asked.
pub async fn switch(out: &Out, config: &Config, command: SwitchCommand) -> Result<Exit, Failure> {
    let size = |file: &Path| std::fs::metadata(file).map(|m| m.len()).map_err(|e| Failure::misused(format!("{}: {e}", file.display())));
    let (file, request) = match command {
        SwitchCommand::Payments { file, source, dry_run } => {
            let bytes = size(&file)?;
            (file, Request::SwitchPayments { source, dry_run, bytes })
        }
        SwitchCommand::Balances { file, source } => {
            let bytes = size(&file)?;
            (file, Request::SwitchBalances { source, bytes })
        }
        SwitchCommand::Returned { opening, receipt } => return ask(out, config, Request::SwitchReturned { opening, receipt }).await,
    };
    asked(out, socket::ask(&config.node.socket, &request, Some(&file), &mut |_, _| {}).await?)
}
