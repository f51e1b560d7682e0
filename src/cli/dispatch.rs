//! The commands that start something. Each is one variant, with its arguments, and one arm.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::out::{Exit, Failure, Out};

/// What to start.
#[derive(Debug, Subcommand)]
pub enum Start {}

/// The demo: pretend banks, a day's lists, an account of what happened.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to leave everything; else a new folder, which is named at the end
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// How many payments
    #[arg(long, default_value_t = 2000, value_name = "N")]
    pub payments: u64,
    /// The same seed gives the same demo
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// The pretend banks alone.
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Where they keep their mailboxes and books
    #[arg(long)]
    pub dir: PathBuf,
    /// The same seed gives the same people and answers
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How many payments the lists that are written beside them have
    #[arg(long, default_value_t = 2000, value_name = "N")]
    pub payments: u64,
}

/// Starts it, and ends when it ends.
///
/// # Errors
/// What stopped it.
pub async fn start(start: Start, _config: &Path, _out: &Out) -> Result<Exit, Failure> {
    match start {}
}
