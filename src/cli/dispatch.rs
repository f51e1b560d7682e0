//! The commands that start something. Each is one variant, with its arguments, and one arm.

use std::io::IsTerminal as _;
use std::path::Path;

use clap::Subcommand;
use tracing_subscriber::EnvFilter;

use super::demo::{DemoArgs, demo};
use super::out::{Exit, Failure, Out};
use super::sandbox::{SandboxArgs, sandbox};
use crate::config::ConfigError;
use crate::daemon::assemble::AssembleError;
use crate::daemon::run::{run, tick};

/// What to start.
#[derive(Debug, Subcommand)]
pub enum Start {
    /// A city's subsidies for some working days on this machine: pretend banks behind real SFTP, a ledger, an account of it all
    Demo(DemoArgs),
    /// The daemon, until a signal stops it; SIGHUP reads the settings anew
    Run,
    /// Every pass once, then the end
    Tick,
    /// The pretend banks alone, with a configuration and lists to try
    Sandbox(SandboxArgs),
}

/// Starts it, and ends when it ends.
///
/// # Errors
/// What stopped it.
pub async fn start(start: Start, config: &Path, out: &Out) -> Result<Exit, Failure> {
    log(match &start {
        Start::Run | Start::Tick => "info",
        Start::Demo(_) | Start::Sandbox(_) => "warn",
    });
    match start {
        Start::Demo(args) => demo(&args, out).await.map(|holds| if holds { Exit::Done } else { Exit::Failed }).map_err(|e| failure(&e)),
        Start::Run => run(config).await.map(|()| Exit::Done).map_err(|e| failure(&e)),
        Start::Tick => {
            let done = tick(config).await.map_err(|e| failure(&e))?;
            if out.is_for_programs() {
                out.value(&serde_json::json!({ "changed": done.changed }));
            } else {
                out.line(format!("{} changed", done.changed));
            }
            Ok(Exit::Done)
        }
        Start::Sandbox(args) => sandbox(&args, out).await.map(|()| Exit::Done).map_err(|e| failure(&e)),
    }
}

/// Logs to standard error, for the service manager to keep. RUST_LOG says how much; colours only on a terminal.
fn log(usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let is_terminal = std::io::stderr().is_terminal();
    // A line that cannot be written is lost: complaining of it on the same full disk would end the process.
    tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal).init();
}

/// Refused settings end with the exit code that tells the service manager not to try again.
fn failure(error: &anyhow::Error) -> Failure {
    let text = format!("{error:#}");
    let is_settings =
        error.downcast_ref::<ConfigError>().is_some() || error.downcast_ref::<AssembleError>().is_some_and(AssembleError::is_settings);
    if is_settings { Failure::misused(text) } else { Failure::failed(text) }
}
