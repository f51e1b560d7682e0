//! The ledger, for people: does it hold, what lies where, how did it come there, and all of it for another program.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use chrono::{Days, NaiveDate};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::out::{Exit, Failure, Tone};
use super::{Reader, read};
use crate::domain::journal::{account_name, account_of};
use crate::domain::ledger::{AccountKey, AccountKind};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::passes::PassError;
use crate::passes::journal::{write_csv, write_journal_until};
use crate::store::journal::{KeptAccount, Which, Whose};

/// The ledger (总账). Alone: `check`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What of it
    #[command(subcommand)]
    pub command: Option<LedgerCommand>,
}

/// What of the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Do the equations of every batch and account hold (law 2), from the tables alone; ends with 1 where one does not
    Check,
    /// The trial balance (试算平衡): what moved into and out of each account, and what lies in it
    Trial {
        /// Behind this day
        #[arg(long, value_name = "YYYY-MM-DD")]
        as_of: Option<NaiveDate>,
        /// Whose
        #[command(flatten)]
        purse: PurseArgs,
    },
    /// One account's history: each entry, and the balance behind it
    Account(AccountArgs),
    /// Every entry: as a table, or as a journal that hledger checks by itself
    Export {
        /// The form
        #[arg(long, value_enum)]
        format: ExportForm,
        /// The file to write; must not be there
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Up to this entry
        #[arg(long, value_name = "ENTRY")]
        until: Option<i64>,
    },
}

/// Whose money.
#[derive(Debug, Args)]
pub struct PurseArgs {
    /// One department's
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    pub department: String,
    /// One project's
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    pub project: String,
    /// One fiscal year's
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub year: i32,
}

/// Which account, and when.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Its name, as `ledger trial` and the journal write it
    #[arg(required_unless_present = "kind", conflicts_with = "kind")]
    pub name: Option<String>,
    /// Or its kind, such as paid or suspense:ineligible
    #[arg(long, requires_all = ["department", "project", "year"])]
    pub kind: Option<String>,
    /// With a kind: the department
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    pub department: String,
    /// With a kind: the project
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    pub project: String,
    /// With a kind: the fiscal year
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub year: i32,
    /// With a kind that each bank has: the bank
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    pub bank: String,
    /// From this day on
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<NaiveDate>,
    /// To this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Option<NaiveDate>,
    /// At most so many entries
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub limit: i64,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A table: one row a posting
    Csv,
    /// A plain-text journal, for hledger
    Journal,
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Store(error) => error.into(),
            other @ (PassError::Transport(_) | PassError::Local { .. } | PassError::Calendar(_) | PassError::Broken(_)) => {
                Self::failed(other.to_string())
            }
        }
    }
}

/// Does what of the ledger is asked.
pub async fn ledger(r: &Reader<'_>, args: LedgerArgs) -> Result<Exit, Failure> {
    match args.command.unwrap_or(LedgerCommand::Check) {
        LedgerCommand::Check => read::ledger(r).await,
        LedgerCommand::Trial { as_of, purse } => trial(r, as_of, &purse).await,
        LedgerCommand::Account(args) => account(r, args).await,
        LedgerCommand::Export { format, out, until } => export(r, format, out, until).await,
    }
}

/// The first instant of the day behind this one; no day: the end of time.
pub(super) fn end_of(r: &Reader<'_>, day: Option<NaiveDate>) -> Timestamp {
    let next = day.and_then(|day| day.checked_add_days(Days::new(1)));
    next.map_or(Timestamp::from_millis(i64::MAX), |next| start_of(r, Some(next)))
}

/// The first instant of a day; no day: the beginning of time.
pub(super) fn start_of(r: &Reader<'_>, day: Option<NaiveDate>) -> Timestamp {
    day.map_or(Timestamp::from_millis(i64::MIN), |day| Timestamp::from_local(day.and_time(chrono::NaiveTime::MIN), r.zone))
}

async fn trial(r: &Reader<'_>, as_of: Option<NaiveDate>, purse: &PurseArgs) -> Result<Exit, Failure> {
    let whose = Whose { department: &purse.department, project: &purse.project, year: purse.year.into(), ..Whose::default() };
    let rows = r.store.read().await?.trial(whose, end_of(r, as_of), i64::MAX).await?;
    let debit: Fen = rows.iter().map(|row| row.debit).sum();
    let credit: Fen = rows.iter().map(|row| row.credit).sum();
    let exit = if debit == credit { Exit::Done } else { Exit::Failed };
    if r.out.json {
        r.out.value(&json!({ "balanced": debit == credit, "debit": debit, "credit": credit, "accounts": rows }));
        return Ok(exit);
    }
    let heads = [("科目", "account"), ("借方发生额", "debit"), ("贷方发生额", "credit"), ("余额", "balance")];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[1, 2, 3]);
    for row in &rows {
        sheet.row([row.account.clone(), row.debit.to_string(), row.credit.to_string(), row.balance.to_string()]);
    }
    let balance: Fen = rows.iter().map(|row| row.balance).sum();
    let tone = if debit == credit { Tone::Good } else { Tone::Bad };
    let sum = [r.pick("合计", "sum").to_owned(), debit.to_string(), credit.to_string(), balance.to_string()];
    if !rows.is_empty() {
        sheet.toned(sum.map(|cell| (cell, tone)));
    }
    r.out.show(&sheet, r.pick("（没有分录）", "(no entries)"));
    if debit != credit {
        r.line(
            format!("借贷不平：借方{debit}元，贷方{credit}元，相差{}元", Fen::new(debit.get() - credit.get())),
            format!("debits of {debit} are not credits of {credit}: {} apart", Fen::new(debit.get() - credit.get())),
        );
    }
    Ok(exit)
}

async fn account(r: &Reader<'_>, args: AccountArgs) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let kept = tx.kept_accounts(Whose::default()).await?;
    let account = choose(&kept, &args)?;
    let (opening, rows) = tx.account_history(account.id, (start_of(r, args.from), end_of(r, args.to)), args.limit).await?;
    drop(tx);
    let name = account_name(&account.key);
    let closing = rows.last().map_or(opening, |row| row.balance);
    if r.out.json {
        let value = json!({ "account": name, "opening": opening, "entries": rows, "closing": closing, "balance": account.balance });
        r.out.value(&value);
        return Ok(Exit::Done);
    }
    r.line(format!("{name}：期初{opening}元"), format!("{name}: opens with {opening}"));
    let heads = [
        ("分录", "entry"),
        ("时间", "at"),
        ("类型", "kind"),
        ("批次", "batch"),
        ("发出文件", "file"),
        ("收到文件", "answer"),
        ("退款单", "order"),
        ("金额（元）", "yuan"),
        ("余额（元）", "balance"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 4, 5, 6, 7, 8]);
    let number = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    for row in &rows {
        sheet.row([
            row.entry.to_string(),
            r.time(Some(row.at)),
            row.kind.clone(),
            row.batch.clone(),
            number(row.file_out),
            number(row.file_in),
            number(row.refund_order),
            row.amount.to_string(),
            row.balance.to_string(),
        ]);
    }
    r.out.show(&sheet, r.pick("（该期间没有分录）", "(no entries then)"));
    r.line(format!("期末{closing}元；现余额{}元", account.balance), format!("closes with {closing}; now {}", account.balance));
    Ok(Exit::Done)
}

fn choose<'k>(kept: &'k [KeptAccount], args: &AccountArgs) -> Result<&'k KeptAccount, Failure> {
    let of_kind = |code: &str| {
        let kind = AccountKind::from_code(code)?;
        let bank = if kind.is_per_bank() { args.bank.clone() } else { String::new() };
        Some(AccountKey { department: args.department.clone(), project: args.project.clone(), year: args.year, kind, bank })
    };
    let asked = match (&args.name, &args.kind) {
        (Some(name), _) => account_of(name).ok_or(name),
        (None, Some(code)) => of_kind(code).ok_or(code),
        (None, None) => return Err(Failure::misused("name an account, or give --kind, --department, --project and --year")),
    };
    let asked = asked.map_err(|text| {
        let kinds: Vec<&str> = AccountKind::ALL.iter().map(|kind| kind.code()).collect();
        Failure::misused(format!("{text:?} is no account; `bankgate ledger trial` shows their names; the kinds are {}", kinds.join(", ")))
    })?;
    kept.iter().find(|account| account.key == asked).ok_or_else(|| {
        Failure::failed(format!("there is no account {} in the ledger: `bankgate ledger trial` shows all", account_name(&asked)))
    })
}

async fn export(r: &Reader<'_>, form: ExportForm, path: PathBuf, until: Option<i64>) -> Result<Exit, Failure> {
    let file =
        File::create_new(&path).map_err(|e| Failure::misused(format!("{}: {e}; name a file that is not there yet", path.display())))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let written = match form {
        ExportForm::Journal => write_journal_until(&r.store, r.zone, &mut out, until).await?,
        ExportForm::Csv => {
            let which = Which { until: until.unwrap_or(i64::MAX), batch: "" };
            write_csv(&mut r.store.read().await?, r.zone, &mut out, which).await?
        }
    };
    if r.out.json {
        r.out.value(&json!({ "entries": written.entries, "accounts": written.accounts, "file": path }));
        return Ok(Exit::Done);
    }
    let path = path.display();
    match form {
        ExportForm::Csv => r.line(format!("已写出{}条分录：{path}", written.entries), format!("{} entries: {path}", written.entries)),
        ExportForm::Journal => r.line(
            format!(
                "已写出{}条分录、{}个科目余额：{path}；核对：hledger -s -f {path} check ordereddates",
                written.entries, written.accounts
            ),
            format!(
                "{} entries, {} balances: {path}; check them with: hledger -s -f {path} check ordereddates",
                written.entries, written.accounts
            ),
        ),
    }
    Ok(Exit::Done)
}
