//! Commands for what is stuck: files of ours and of the banks, a bank's mode, alarms, letters, answers that will not come. Each says why, may only ask what it
//! would do, and goes through the daemon.

use clap::{Args, Subcommand, ValueEnum};

use super::decide::ask;
use super::out::{Exit, Failure, Out};
use crate::config::Config;
use crate::daemon::socket::Request;
use crate::daemon::stuck::StuckRequest;

/// Why, and whether to do it.
#[derive(Debug, Args)]
pub struct Why {
    /// Why: the bank's letter, who was asked, what was seen
    #[arg(long)]
    reason: String,
    /// Only say what would be done, and by how many persons
    #[arg(long)]
    dry_run: bool,
}

/// A file and why.
#[derive(Debug, Args)]
pub struct One {
    /// Its number
    id: i64,
    #[command(flatten)]
    why: Why,
}

/// What is done with one file.
#[derive(Debug, Subcommand)]
pub enum StuckFile {
    /// Stop a file that is not published yet
    Hold(One),
    /// Let a held file go on: what was not found at the bank; another person approves
    Release(One),
    /// Give a file up that never went out; its lines are planned anew. Once it may be out: by the bank's word, and another approves
    Void(One),
    /// Send the same bytes once more under the same name: the bank writes that it has no copy; another person approves
    Resend(One),
    /// Settle a held or doubtful file by the bank's word; another person approves
    Settle {
        #[command(flatten)]
        one: One,
        /// What the bank says
        #[arg(long = "as", value_enum)]
        settled: SettledFile,
    },
    /// Ask the bank not to execute a file that is out (撤销); what becomes of it is the bank's word
    Recall(One),
    /// A file of a bank counts for nothing
    Reject(One),
    /// Read a file of a bank again: its profile was mended, or the bank writes that this one counts (then another approves)
    Reread(One),
    /// Read a quarantined file of a bank again without some lines; it is proven again, another person approves
    Apply {
        #[command(flatten)]
        one: One,
        /// The lines to leave out, counted from 1 with header and trailer
        #[arg(long, value_name = "LINE", num_args = 1.., required = true)]
        without: Vec<i64>,
    },
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SettledFile {
    /// The bank has it, and answers it
    Sent,
    /// The bank executed none of what is open, and will not: those payments fail
    Refused,
    /// Of several copies the bank executed one: its failures may become final
    OneCopy,
}

/// Banks.
#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// Stop planning and publishing for a bank; its answers still come in
    Pause(OneBank),
    /// Go on with a bank; where it was only tried out, another person approves
    Resume(OneBank),
    /// Try a bank out: files are made and nothing is published
    Shadow(OneBank),
    /// Write the pack that a bank is given when it joins (接入资料): layouts, directories, times, sample files
    Kit(super::kit::KitArgs),
}

/// A bank and why.
#[derive(Debug, Args)]
pub struct OneBank {
    /// The bank's code
    code: String,
    #[command(flatten)]
    why: Why,
}

/// Alarms.
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// End an alarm whose cause is gone; one whose cause stands is told anew
    Close(One),
}

/// What the banks owe us.
#[derive(Debug, Subcommand)]
pub enum ExpectedCommand {
    /// An answer will not come, the bank says: it is expected no more. Refused while payments hang on it
    Waive(One),
}

/// Letters.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// Send a letter once more that bounced or may not have gone
    Retry(One),
    /// Its readers have it by other means
    Done(One),
}

/// Asks what is asked of a file.
pub async fn file(out: &Out, config: &Config, command: StuckFile) -> Result<Exit, Failure> {
    let (what, why) = match command {
        StuckFile::Hold(One { id, why }) => (StuckRequest::Hold { id }, why),
        StuckFile::Release(One { id, why }) => (StuckRequest::Release { id }, why),
        StuckFile::Void(One { id, why }) => (StuckRequest::Void { id }, why),
        StuckFile::Resend(One { id, why }) => (StuckRequest::Resend { id }, why),
        StuckFile::Settle { one: One { id, why }, settled } => (
            match settled {
                SettledFile::Sent => StuckRequest::Sent { id },
                SettledFile::Refused => StuckRequest::Refused { id },
                SettledFile::OneCopy => StuckRequest::OneCopy { id },
            },
            why,
        ),
        StuckFile::Recall(One { id, why }) => (StuckRequest::Recall { id }, why),
        StuckFile::Reject(One { id, why }) => (StuckRequest::Reject { id }, why),
        StuckFile::Reread(One { id, why }) => (StuckRequest::Reread { id }, why),
        StuckFile::Apply { one: One { id, why }, without: mut lines } => {
            lines.sort_unstable();
            lines.dedup();
            (StuckRequest::Without { id, lines }, why)
        }
    };
    asked(out, config, what, why).await
}

/// Asks for a bank's mode.
pub async fn bank(out: &Out, config: impl FnOnce() -> Result<Config, Failure>, command: BankCommand) -> Result<Exit, Failure> {
    let (OneBank { code: bank, why }, mode) = match command {
        BankCommand::Pause(one) => (one, "paused"),
        BankCommand::Resume(one) => (one, "live"),
        BankCommand::Shadow(one) => (one, "shadow"),
        BankCommand::Kit(args) => return super::kit::kit(out, &args),
    };
    asked(out, &config()?, StuckRequest::Mode { bank, mode: mode.to_owned() }, why).await
}

/// Asks to end an alarm.
pub async fn incident(out: &Out, config: &Config, IncidentCommand::Close(One { id, why }): IncidentCommand) -> Result<Exit, Failure> {
    asked(out, config, StuckRequest::CloseIncident { id }, why).await
}

/// Asks to expect something no more.
pub async fn expected(out: &Out, config: &Config, ExpectedCommand::Waive(One { id, why }): ExpectedCommand) -> Result<Exit, Failure> {
    asked(out, config, StuckRequest::Waive { id }, why).await
}

/// Asks what is to become of a letter.
pub async fn mail(out: &Out, config: &Config, command: MailCommand) -> Result<Exit, Failure> {
    let (One { id, why }, again) = match command {
        MailCommand::Retry(one) => (one, true),
        MailCommand::Done(one) => (one, false),
    };
    asked(out, config, StuckRequest::Mail { id, again }, why).await
}

async fn asked(out: &Out, config: &Config, what: StuckRequest, why: Why) -> Result<Exit, Failure> {
    ask(out, config, Request::Stuck { what, reason: why.reason, dry_run: why.dry_run }).await
}
