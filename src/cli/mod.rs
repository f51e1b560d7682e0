//! Door: a person's commands. Commands that only read open the database themselves; commands that decide ask the daemon
//! over its socket, because there the kernel says who calls.
//!
//! Tables are for people, in the configured language; `--json` is for programs, everywhere that something is printed, in
//! fen and in UTC. An error says what, where, why and what next, on standard error, and its exit code says of what kind.

/// The audit log, and what auditors take away.
mod audit;
/// Commands on cases and corrections.
mod cases;
/// Closing months and years.
mod close;
/// Commands that decide.
mod decide;
/// A city's subsidies for some working days, on one machine.
pub mod demo;
/// The commands that start something: the demo, the daemon, the pretend banks.
pub mod dispatch;
/// What banks owe us.
mod expected;
mod format;
/// The money of every purse.
mod funds;
/// What a bank is given when it joins.
mod kit;
/// The ledger.
mod ledger;
/// What commands print, and how they end.
pub mod out;
/// An invented county: its people, the lists its departments bring, the accounts its banks keep.
pub mod people;
/// What was published, and people's statements.
mod publication;
/// Commands that read.
mod read;
/// Does the account's statement agree with our books.
mod reconcile;
/// Refunds to the treasury.
mod refund;
/// Pretend banks to try a configuration against.
pub mod sandbox;
/// Checking, migrating, completions and manual pages.
mod setup;
/// A bank's statement, read by itself.
mod statement_file;
/// What is done with rows that are stuck.
mod stuck;
/// The day of the switch-over.
mod switch;
/// Words for states.
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::daemon::assemble::connect;
use crate::daemon::socket::Request;
use crate::store::Store;

use out::{Failure, Out};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for doctor: nothing to do; for ledger: every equation holds
  1  failed
  2  the settings are refused, or the command was misused
  3  something waits for a person (doctor, expected, reconcile)
  4  refused by a rule, or to this person; nothing was changed
  5  the daemon or the database does not answer; trying again may help";

/// The bank-facing edge of a city's subsidy payments.
#[derive(Debug, Parser)]
#[command(name = "bankgate", version, about, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "BANKGATE_CONFIG",
        default_value = "/etc/bankgate/bankgate.toml",
        value_name = "PATH",
        hide_env_values = true
    )]
    pub config: PathBuf,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration and all it names: formats, calendar, projects, host keys, secrets, folders
    Check {
        /// Also show the settings in effect, defaults included
        #[arg(long)]
        explain: bool,
    },
    /// Bring the database to this program's schema, and seed the projects of the catalogue
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// The banks' edges, files by state, open incidents, what waits
    Status,
    /// Each stuck or overdue row, and what to do next; asks the database, the mailboxes and the mail server
    Doctor {
        /// Ask the database only
        #[arg(long)]
        offline: bool,
    },
    /// What the banks owe us: a grid of days and banks, then each file that has not come, and whom to phone
    #[command(args_conflicts_with_subcommands = true)]
    Expected {
        /// So many days back; what is still open is always shown
        #[arg(long, default_value_t = 10, value_name = "N")]
        days: u64,
        #[command(subcommand)]
        command: Option<stuck::ExpectedCommand>,
    },
    /// The money of each department, project and year, and how long it took from its arrival to the cards
    Funds {
        /// One batch's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NUMBER")]
        batch: String,
        /// One department's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        department: String,
    },
    /// The ledger (总账): do the books add up, what lies where, and all of it for another program
    Ledger(ledger::LedgerArgs),
    /// Lists of payments (批次)
    #[command(subcommand)]
    Batch(BatchCommand),
    /// One payment (支付)
    #[command(subcommand)]
    Payment(PaymentCommand),
    /// Tools for bank formats (接口格式): check, render, parse, explain, try
    #[command(subcommand)]
    Format(format::FormatCommand),
    /// Files, ours and the banks' (文件)
    #[command(subcommand)]
    File(FileCommand),
    /// Failures that need somebody (失败)
    #[command(subcommand)]
    Failure(FailureCommand),
    /// A bank's mode: pause, resume, try out (银行)
    #[command(subcommand)]
    Bank(stuck::BankCommand),
    /// Alarms (事件)
    #[command(subcommand)]
    Incident(stuck::IncidentCommand),
    /// Letters that did not surely go out (邮件)
    #[command(subcommand)]
    Mail(stuck::MailCommand),
    /// The audit log, and evidence to take away (审计)
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Public lists (再公示) and people's statements (对账单)
    #[command(subcommand)]
    Publication(publication::PublicationCommand),
    /// The switch-over from the channel before this one (切换)
    #[command(subcommand)]
    Switch(switch::SwitchCommand),
    /// Corrections that departments bring back (更正)
    #[command(subcommand)]
    Correction(cases::CorrectionCommand),
    /// Bring a month or a year to zero (清零): cut, refund orders, proof, seal
    Close(close::CloseArgs),
    /// Money that goes back to the treasury (退回国库)
    #[command(subcommand)]
    Refund(refund::RefundCommand),
    /// Do the accounts agree with our books, day by day (对账); ends with 3 where one does not
    Reconcile(reconcile::ReconcileArgs),
    /// The accounts' statements (对账单)
    #[command(subcommand)]
    Statement(reconcile::StatementCommand),
    /// Publishing that is held because the database may have forgotten what went out
    #[command(subcommand)]
    Publishing(PublishingCommand),
    /// Approve what another person proposed, and do it
    Approve {
        /// The proposal's number
        id: i64,
        /// Withdraw it instead
        #[arg(long)]
        withdraw: bool,
    },
    /// Who the daemon takes you for
    Whoami,
    /// Start something
    #[command(flatten)]
    Start(dispatch::Start),
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    Man {
        /// The folder
        dir: PathBuf,
    },
}

/// Publishing as a whole.
#[derive(Debug, Subcommand)]
pub enum PublishingCommand {
    /// Propose that it goes on; another person approves
    Release {
        /// Who compared what with the banks, and what came of it
        #[arg(long)]
        evidence: String,
        /// A batch that went out, is not on the books, and will not be entered again; once for each
        #[arg(long, value_name = "NUMBER")]
        without: Vec<String>,
    },
}

/// Lists of payments.
#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// Import a list: unapproved, whatever it says
    Import(ImportArgs),
    /// Approve it (审核): another person than who imported it
    Approve {
        /// The batch
        number: String,
    },
    /// Review it at the finance bureau (财政复核)
    Review {
        /// The batch
        number: String,
    },
    /// Release it (发放): a third person; from here it is money
    Release {
        /// The batch
        number: String,
    },
    /// Take it back (撤销) before it passes the gate; once released, another person approves
    Cancel {
        /// The batch
        number: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// All batches, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
    /// One batch: its hands, its files, its failures
    Show {
        /// The batch
        number: String,
    },
}

/// A list to import, and what the person who brings it says of it.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The list: .csv, .tsv, .xlsx or .json
    pub file: PathBuf,
    /// The batch's number; else one is given
    #[arg(long)]
    pub number: Option<String>,
    /// The department's code; else your own
    #[arg(long, value_name = "CODE")]
    pub department: Option<String>,
    /// The project's code
    #[arg(long, value_name = "CODE")]
    pub project: Option<String>,
    /// The period: 2019, 2019-Q1 or 2019-03
    #[arg(long)]
    pub period: Option<String>,
    /// The date on which people shall be paid
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub pay_on: Option<NaiveDate>,
    /// How many rows it should have
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// What it should sum to, in yuan
    #[arg(long, value_name = "YUAN", value_parser = yuan)]
    pub total: Option<crate::domain::money::Fen>,
}

/// One payment.
#[derive(Debug, Subcommand)]
pub enum PaymentCommand {
    /// Every attempt to pay it, its file and line, what the bank said
    Show {
        /// A reference (BG…), or the batch's number
        what: String,
        /// With a batch: the row's number in it
        row: Option<i64>,
    },
    /// Ask its bank what became of it, by an enquiry file; once a day
    Enquire {
        /// The payment's reference (BG…)
        reference: String,
    },
    /// Propose to settle what is unknown or contradicted; another person approves it
    Resolve {
        /// The payment's reference (BG…)
        reference: String,
        /// What it turned out to be
        #[arg(long = "as", value_enum)]
        settled: Settled,
        /// With --as partly-paid: how much was credited, in yuan
        #[arg(long, value_name = "YUAN")]
        paid: Option<String>,
        /// What proves it: the bank's letter, the statement's entry, who was asked
        #[arg(long)]
        evidence: String,
    },
}

/// What an unknown payment turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Settled {
    /// Credited
    Paid,
    /// Not credited
    Failed,
    /// Credited in part: --paid says how much
    PartlyPaid,
}

/// Files.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Payment files, newest first; with --in the banks' files
    List {
        /// The banks' files instead of ours
        #[arg(long = "in")]
        inbound: bool,
        /// One bank's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        bank: String,
        /// In one state
        #[arg(long, default_value = "", hide_default_value = true)]
        state: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
    /// Ask the bank what became of it, by an enquiry file; once a day
    Enquire {
        /// Its number
        id: i64,
    },
    /// One file, and what answers it
    Show {
        /// Its number
        id: i64,
        /// A file of the banks instead of ours
        #[arg(long = "in")]
        inbound: bool,
    },
    /// What is done with one that is stuck
    #[command(flatten)]
    Stuck(stuck::StuckFile),
}

/// Failures.
#[derive(Debug, Subcommand)]
pub enum FailureCommand {
    /// Open cases, the most urgent first
    List {
        /// One department's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        department: String,
        /// One batch's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NUMBER")]
        batch: String,
        /// Closed ones too
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 200, value_name = "N")]
        limit: i64,
    },
    /// What is done with one
    #[command(flatten)]
    One(cases::CaseCommand),
}

fn yuan(text: &str) -> Result<crate::domain::money::Fen, String> {
    crate::domain::money::Fen::parse_yuan(text).map_err(|e| e.to_string())
}

/// The grammar, for completions, manual pages and their test.
#[must_use]
pub fn grammar() -> clap::Command {
    Cli::command()
}

/// How glibc's allocator is to behave. Left alone it keeps an arena of freed memory for each of many short-lived threads,
/// and a transfer's large buffers teach it to keep more: memory then grows with the number of sessions, not with the work.
pub const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "1048576")];

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.end(Err(Failure::failed(format!("no runtime: {error}")))),
    };
    let end = runtime.block_on(run(cli, &out));
    out.end(end)
}

async fn run(cli: Cli, out: &Out) -> Result<out::Exit, Failure> {
    let path = cli.config;
    match cli.command {
        Command::Format(command) => format::format(out, command),
        Command::Completions { shell } => setup::completions(out, shell),
        Command::Man { dir } => setup::man(out, &dir),
        Command::Check { explain } => setup::check(out, &path, explain),
        Command::Migrate { dry_run } => setup::migrate(out, &Config::load(&path)?, dry_run).await,
        Command::Start(start) => dispatch::start(start, &path, out).await,
        Command::Publishing(PublishingCommand::Release { evidence, without }) => {
            decide::ask(out, &Config::load(&path)?, Request::PublishingRelease { evidence, without }).await
        }
        Command::Approve { id, withdraw } => decide::proposal(out, &Config::load(&path)?, id, withdraw).await,
        Command::Publication(command) => publication::publication(out, &Config::load(&path)?, command).await,
        Command::Refund(command) => refund::run(out, &Config::load(&path)?, command).await,
        Command::Whoami => decide::whoami(out, &Config::load(&path)?).await,
        Command::Close(args) => close::close(out, &Config::load(&path)?, args).await,
        Command::Batch(command) => batch(out, &Config::load(&path)?, command).await,
        Command::Payment(PaymentCommand::Resolve { reference, settled, paid, evidence }) => {
            decide::resolve(out, &Config::load(&path)?, reference, (settled, paid), evidence).await
        }
        Command::Payment(PaymentCommand::Enquire { reference }) => {
            decide::ask(out, &Config::load(&path)?, Request::PaymentEnquire { reference }).await
        }
        Command::File(FileCommand::Enquire { id }) => decide::ask(out, &Config::load(&path)?, Request::FileEnquire { id }).await,
        Command::Payment(PaymentCommand::Show { what, row }) => {
            let config = Config::load(&path)?;
            read::payment(&reader(out, &config).await?, &what, row).await
        }
        Command::Reconcile(args) => reconcile::reconcile(&reader(out, &Config::load(&path)?).await?, &args).await,
        Command::Statement(command) => reconcile::statement(out, &path, command).await,
        Command::Status => read::status(&reader(out, &Config::load(&path)?).await?).await,
        Command::Doctor { offline } => {
            let config = Config::load(&path)?;
            read::doctor(&reader(out, &config).await?, &config, offline).await
        }
        Command::Expected { command: Some(command), .. } => stuck::expected(out, &Config::load(&path)?, command).await,
        Command::Expected { days, command: None } => expected::expected(&reader(out, &Config::load(&path)?).await?, days).await,
        Command::Funds { batch, department } => {
            let config = Config::load(&path)?;
            funds::funds(&reader(out, &config).await?, &config, &batch, &department).await
        }
        Command::Audit(command) => audit::audit(out, Config::load(&path)?, command).await,
        Command::Switch(command) => switch::switch(out, &Config::load(&path)?, command).await,
        Command::Ledger(args) => ledger::ledger(&reader(out, &Config::load(&path)?).await?, args).await,
        Command::File(FileCommand::List { inbound, bank, state, limit }) => {
            read::files(&reader(out, &Config::load(&path)?).await?, inbound, &bank, &state, limit).await
        }
        Command::File(FileCommand::Show { id, inbound }) => read::file(&reader(out, &Config::load(&path)?).await?, id, inbound).await,
        Command::File(FileCommand::Stuck(command)) => stuck::file(out, &Config::load(&path)?, command).await,
        Command::Bank(command) => stuck::bank(out, || Ok(Config::load(&path)?), command).await,
        Command::Incident(command) => stuck::incident(out, &Config::load(&path)?, command).await,
        Command::Mail(command) => stuck::mail(out, &Config::load(&path)?, command).await,
        Command::Failure(FailureCommand::List { department, batch, all, limit }) => {
            cases::failures(&reader(out, &Config::load(&path)?).await?, &department, &batch, all, limit).await
        }
        Command::Failure(FailureCommand::One(command)) => cases::case(out, &Config::load(&path)?, command).await,
        Command::Correction(command) => cases::correction(out, &Config::load(&path)?, command).await,
    }
}

async fn batch(out: &Out, config: &Config, command: BatchCommand) -> Result<out::Exit, Failure> {
    match command {
        BatchCommand::Import(args) => decide::import(out, config, args).await,
        BatchCommand::Approve { number } => decide::ask(out, config, Request::BatchApprove { number }).await,
        BatchCommand::Review { number } => decide::ask(out, config, Request::BatchReview { number }).await,
        BatchCommand::Release { number } => decide::ask(out, config, Request::BatchRelease { number }).await,
        BatchCommand::Cancel { number, reason } => decide::ask(out, config, Request::BatchCancel { number, reason }).await,
        BatchCommand::List { limit } => read::batches(&reader(out, config).await?, limit).await,
        BatchCommand::Show { number } => read::batch(&reader(out, config).await?, &number).await,
    }
}

/// The database, for reading, and how to print.
struct Reader<'a> {
    store: Store,
    out: &'a Out,
    language: crate::domain::language::Language,
    zone: chrono_tz::Tz,
}

async fn reader<'a>(out: &'a Out, config: &Config) -> Result<Reader<'a>, Failure> {
    let store = connect(config).await?;
    let plan = store.migration_plan().await?;
    if let Some((wanted, _)) = plan.applied.first() {
        return Err(crate::store::StoreError::SchemaOlder { wanted: *wanted }.into());
    }
    Ok(Reader { store, out, language: config.language, zone: config.time.zone })
}
