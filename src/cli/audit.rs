//! The audit log and what auditors take away, at the command line. All of it reads; taking whole names and identity numbers out
//! is put on record by the daemon first, which asks the kernel who calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use serde_json::json;

use super::decide::asked;
use super::ledger::{end_of, start_of};
use super::out::{Exit, Failure, Out};
use super::{Reader, reader};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::assemble::profiles;
use crate::daemon::socket::{self, Reply, Request};
use crate::mail::Mailer;
use crate::passes::Gateway;
use crate::passes::evidence::export::export;
use crate::passes::evidence::report::month_report;
use crate::store::evidence::AuditChoice;

/// The audit log (审计).
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Compute every link anew; ends with 1 at the first that does not hold, or where a given head is not in it
    Verify {
        /// A head that was mailed or printed
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Who did what when
    List(ListArgs),
    /// The last row: its number and hash
    Head,
    /// All evidence of a batch as one folder, which `sha256sum -c` checks
    Export {
        /// The batch
        #[arg(long, value_name = "NUMBER")]
        batch: String,
        /// The new folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Whole identity numbers and the banks' files as they are; auditors and finance only, on record
        #[arg(long)]
        whole: bool,
    },
    /// A month's overrides, whose hands each batch went through, who held which role
    Report {
        /// The month
        #[arg(long, value_name = "YYYY-MM", value_parser = month)]
        month: NaiveDate,
        /// The workbook to write
        #[arg(long, value_name = "FILE.xlsx")]
        out: Option<PathBuf>,
    },
}

/// Which rows.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// From this day on
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<NaiveDate>,
    /// To this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Option<NaiveDate>,
    /// By this person
    #[arg(long, default_value = "", hide_default_value = true, value_name = "LOGIN")]
    pub actor: String,
    /// This act, such as batch.approve
    #[arg(long, default_value = "", hide_default_value = true)]
    pub act: String,
    /// At most so many, the latest
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub limit: i64,
}

fn month(text: &str) -> Result<NaiveDate, String> {
    format!("{text}-01").parse().map_err(|_| "a month like 2019-03".to_owned())
}

/// Does what of it is asked.
pub async fn audit(out: &Out, config: Config, command: AuditCommand) -> Result<Exit, Failure> {
    let r = reader(out, &config).await?;
    match command {
        AuditCommand::Verify { head } => verify(&r, head.unwrap_or_default().trim()).await,
        AuditCommand::List(args) => list(&r, &args).await,
        AuditCommand::Head => head(&r).await,
        AuditCommand::Export { batch, out: dir, whole } => {
            if whole {
                let request = Request::EvidenceWhole { batch: batch.clone() };
                match socket::ask(&config.node.socket, &request, None, &mut |_, _| {}).await? {
                    Reply::Done { say, .. } => out.note(say),
                    refused @ (Reply::Refused { .. } | Reply::Progress { .. }) => return asked(out, refused),
                }
            }
            evidence(&r, config.clone(), &batch, &dir, whole).await
        }
        AuditCommand::Report { month, out: file } => report(&r, config.clone(), month, file).await,
    }
}

async fn verify(r: &Reader<'_>, head: &str) -> Result<Exit, Failure> {
    let chain = r.store.read().await?.audit_chain(head).await?;
    let holds = chain.broken.is_none() && (head.is_empty() || chain.found.is_some());
    let exit = if holds { Exit::Done } else { Exit::Failed };
    if r.out.json {
        r.out.value(&json!({ "holds": holds, "rows": chain.rows, "broken": chain.broken, "head": chain.head, "found": chain.found }));
        return Ok(exit);
    }
    let (rows, last) = (chain.rows, chain.head.as_ref().map(|row| row.hash.clone()).unwrap_or_default());
    match chain.broken {
        Some(broken) => r.line(
            format!("审计链在第{broken}号断开：该行或其前一行被改动、删除或插入；此前{rows}条有效"),
            format!(
                "the chain breaks at row {broken}: it, or the one before it, was changed, taken out or put in; {rows} rows before it hold"
            ),
        ),
        None => r.line(format!("审计链完整：{rows}条，链首{last}"), format!("the chain holds: {rows} rows, head {last}")),
    }
    match (&chain.found, head.is_empty()) {
        (_, true) => {}
        (Some(row), false) => {
            let at = r.time(Some(row.at));
            r.line(
                format!("所给链首在链中：第{}号，{at}（{} {}）；至此的记录未被改动", row.id, row.act, row.subject),
                format!("that head is in it: row {}, {at} ({} {}); nothing up to there was changed", row.id, row.act, row.subject),
            );
        }
        (None, false) => r.line(
            "所给链首不在链中：表中记录与当时不同，请立即保全数据库并报告",
            "that head is not in it: the table is not what it was then. Keep the database as it is, and report it",
        ),
    }
    Ok(exit)
}

async fn list(r: &Reader<'_>, args: &ListArgs) -> Result<Exit, Failure> {
    let choice =
        AuditChoice { from: start_of(r, args.from), before: end_of(r, args.to), actor: &args.actor, act: &args.act, limit: args.limit };
    let rows = r.store.read().await?.audit_rows(&choice).await?;
    if r.out.json {
        r.out.value(&rows);
        return Ok(Exit::Done);
    }
    let heads = [("编号", "No."), ("时间", "at"), ("人员", "who"), ("操作", "act"), ("对象", "subject"), ("内容", "detail")];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0]);
    for row in rows {
        sheet.row([row.id.to_string(), r.time(Some(row.at)), row.actor, row.act, row.subject, row.detail]);
    }
    r.out.show(&sheet, r.pick("（没有记录）", "(nothing)"));
    Ok(Exit::Done)
}

async fn head(r: &Reader<'_>) -> Result<Exit, Failure> {
    let head = r.store.read().await?.audit_head().await?;
    if r.out.json {
        r.out.value(&head);
        return Ok(Exit::Done);
    }
    match head {
        Some(row) => r.out.line(format!("{} {} {}", row.id, row.hash, r.time(Some(row.at)))),
        None => r.line("审计链为空", "the audit log is empty"),
    }
    Ok(Exit::Done)
}

/// A gateway that reads: no mailbox, no mail, no secret.
fn gateway(r: &Reader<'_>, config: Config) -> Result<Gateway, Failure> {
    Ok(Gateway {
        store: r.store.clone(),
        calendar: config.calendar()?,
        profiles: profiles(&config.formats.dir)?,
        edges: BTreeMap::new(),
        mailer: Mailer::Memory(Arc::default()),
        holder: "reader".to_owned(),
        config,
    })
}

async fn evidence(r: &Reader<'_>, config: Config, batch: &str, dir: &Path, whole: bool) -> Result<Exit, Failure> {
    let done = export(&gateway(r, config)?, batch, dir, whole, Clock::System.now()).await?;
    let exit = if done.problems.is_empty() { Exit::Done } else { Exit::Failed };
    if r.out.json {
        r.out.value(&done);
        return Ok(exit);
    }
    let path = dir.display();
    r.line(
        format!("已导出批次{batch}的证据：{}个文件，{path}；核对：cd {path} && sha256sum -c MANIFEST.sha256", done.files),
        format!("the evidence of batch {batch}: {} files in {path}; check: cd {path} && sha256sum -c MANIFEST.sha256", done.files),
    );
    done.problems.iter().for_each(|problem| r.out.line(problem));
    Ok(exit)
}

async fn report(r: &Reader<'_>, config: Config, month: NaiveDate, file: Option<PathBuf>) -> Result<Exit, Failure> {
    let report = month_report(&gateway(r, config)?, &mut r.store.read().await?, month, Clock::System.now()).await?;
    if let Some(file) = &file {
        std::fs::write(file, &report.workbook).map_err(|e| Failure::failed(format!("{}: {e}", file.display())))?;
    }
    if r.out.json {
        r.out.value(&report);
        return Ok(Exit::Done);
    }
    let (month, n, m, b) = (&report.month, report.overrides, report.matches, report.batches);
    r.line(
        format!("{month}：两人办理事项{n}件，人工勾对{m}笔，发放批次{b}个，经手人有疑点{}个", report.flagged.len()),
        format!("{month}: {n} acts of two persons, {m} matches by hand, {b} batches released, {} of them flagged", report.flagged.len()),
    );
    report.flagged.iter().for_each(|batch| r.out.line(batch));
    if let Some(file) = &file {
        r.line(format!("明细：{}", file.display()), format!("in full: {}", file.display()));
    }
    Ok(Exit::Done)
}
