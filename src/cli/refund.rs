//! Refunds to the treasury (退回国库): what is due back, the orders, their papers; what is decided is asked of the daemon.

use std::path::{Path, PathBuf};

use chrono::Datelike as _;
use clap::Subcommand;

use super::decide::ask;
use super::out::{Exit, Failure, Out};
use super::{Reader, reader};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::refunds::RefundRequest;
use crate::daemon::socket::Request;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::passes::operate::refund::whys;
use crate::passes::papers::voucher::voucher;
use crate::store::refund::Order;

/// What to do with refunds.
#[derive(Debug, Subcommand)]
pub enum RefundCommand {
    /// All orders, newest first
    List {
        /// In one state
        #[arg(long, default_value = "", hide_default_value = true)]
        state: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
    /// One order and its lines
    Show {
        /// Its number (TK-…)
        number: String,
    },
    /// Propose orders for everything of a purse that is due back; another person approves each
    Propose {
        /// The department's code
        #[arg(long, value_name = "CODE")]
        department: String,
        /// The project's code
        #[arg(long, value_name = "CODE")]
        project: String,
        /// The fiscal year; else this one
        #[arg(long, value_name = "YYYY")]
        year: Option<i32>,
        /// Only say what would be proposed
        #[arg(long)]
        dry_run: bool,
    },
    /// Record that an order was carried to the bank or the treasury
    Sent {
        /// Its number
        number: String,
        /// It was carried: the agreement has no refund_profile
        #[arg(long, required = true)]
        by_hand: bool,
    },
    /// Propose to take the treasury's receipt; another person approves it
    Receipt {
        /// Its number
        number: String,
        /// What the treasury gave: number and date
        #[arg(long, value_name = "TEXT")]
        receipt: String,
    },
    /// Give an order up; once it may be out, another person approves that
    Cancel {
        /// Its number
        number: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Write the voucher to sign and carry, as HTML and as text
    Print {
        /// Its number
        number: String,
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Does it.
pub async fn run(out: &Out, config: &Config, command: RefundCommand) -> Result<Exit, Failure> {
    match command {
        RefundCommand::List { state, limit } => list(&reader(out, config).await?, &state, limit).await,
        RefundCommand::Show { number } => show(&reader(out, config).await?, &number).await,
        RefundCommand::Propose { department, project, year, dry_run: true } => {
            due(&reader(out, config).await?, &department, &project, year).await
        }
        RefundCommand::Propose { department, project, year, dry_run: false } => {
            ask(out, config, Request::Refund { what: RefundRequest::Propose { department, project, year } }).await
        }
        RefundCommand::Sent { number, by_hand: _ } => ask(out, config, Request::Refund { what: RefundRequest::Sent { number } }).await,
        RefundCommand::Receipt { number, receipt } => {
            ask(out, config, Request::Refund { what: RefundRequest::Receipt { number, receipt } }).await
        }
        RefundCommand::Cancel { number, reason } => {
            ask(out, config, Request::Refund { what: RefundRequest::Cancel { number, reason } }).await
        }
        RefundCommand::Print { number, out: folder } => print(&reader(out, config).await?, &number, &folder).await,
    }
}

fn say(r: &Reader<'_>, zh: impl Into<String>, en: impl Into<String>) -> String {
    Words::new(zh, en).in_language(r.language)
}

fn value(o: &Order) -> serde_json::Value {
    serde_json::json!({
        "number": o.number, "reference": EndToEndId(o.id).to_string(), "department": o.purse.department, "project": o.purse.project,
        "year": o.purse.year, "bank": o.purse.bank, "agreement": o.agreement, "budget_line": o.budget_line, "voucher": o.voucher,
        "why": o.why.code(), "funds_model": o.funds.code(), "proof": o.proof.code(), "lines": o.lines, "fen": o.amount,
        "state": o.state.code(), "proposal": o.proposal, "proposed_by": o.proposed_by, "approved_by": o.approved_by,
        "file": o.file_out, "receipt": o.receipt, "reason": o.reason, "created_at": o.created_at, "sent_at": o.sent_at,
        "refunded_at": o.refunded_at,
    })
}

async fn list(r: &Reader<'_>, state: &str, limit: i64) -> Result<Exit, Failure> {
    let orders = r.store.read().await?.refund_orders(state, limit).await?;
    if r.out.json {
        r.out.value(&orders.iter().map(value).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    let pick = |zh, en| r.language.pick(zh, en);
    let mut sheet = r.out.sheet([
        pick("凭证号", "number"),
        pick("部门", "department"),
        pick("项目", "project"),
        pick("年度", "year"),
        pick("银行", "bank"),
        pick("原因", "why"),
        pick("笔数", "lines"),
        pick("金额（元）", "yuan"),
        pick("状态", "state"),
    ]);
    sheet.right(&[6, 7]);
    for o in &orders {
        let either = |(zh, en)| r.language.pick(zh, en).to_owned();
        let p = &o.purse;
        sheet.row([
            o.number.clone(),
            p.department.clone(),
            p.project.clone(),
            p.year.to_string(),
            p.bank.clone(),
            either(o.why.words()),
            o.lines.to_string(),
            o.amount.to_string(),
            either(o.state.words()),
        ]);
    }
    r.out.show(&sheet, pick("（没有退款凭证）", "(no refunds)"));
    Ok(Exit::Done)
}

async fn found(r: &Reader<'_>, number: &str) -> Result<Order, Failure> {
    let order = r.store.read().await?.refund_by_number(number).await?;
    order.ok_or_else(|| {
        Failure::failed(say(
            r,
            format!("没有退款凭证{number}；`bankgate refund list` 列出全部"),
            format!("there is no refund {number}: `bankgate refund list` shows them"),
        ))
    })
}

async fn show(r: &Reader<'_>, number: &str) -> Result<Exit, Failure> {
    let order = found(r, number).await?;
    let mut tx = r.store.read().await?;
    let (names, lines) = (tx.refund_names(&order).await?, tx.refund_lines(order.id).await?);
    if r.out.json {
        let lines = lines.iter().map(|l| {
            serde_json::json!({ "line": l.line, "payment": EndToEndId(l.instruction).to_string(), "is_rest": l.is_rest, "fen": l.amount,
                "batch": l.batch, "row": l.seq, "reason": l.reason })
        });
        r.out.value(&serde_json::json!({ "order": value(&order), "lines": lines.collect::<Vec<_>>() }));
        return Ok(Exit::Done);
    }
    let paper = voucher(r.language, &order, &names, &lines).map_err(|e| Failure::failed(e.to_string()))?;
    r.out.line(paper.text);
    let proof = order.proof.words();
    let reason = |between: &str| if order.reason.is_empty() { String::new() } else { format!("{between}{}", order.reason) };
    let (id, file) = (order.proposal.unwrap_or_default(), order.file_out.map_or_else(|| "-".to_owned(), |f| f.to_string()));
    r.out.line(say(
        r,
        format!("提出：{}（事项{id}）；批准：{}；文件：{file}；以{}为凭{}", order.proposed_by, order.approved_by, proof.0, reason("；")),
        format!(
            "proposed by {} (proposal {id}), approved by {}; file {file}; proven by {}{}",
            order.proposed_by,
            order.approved_by,
            proof.1,
            reason("; ")
        ),
    ));
    Ok(Exit::Done)
}

async fn due(r: &Reader<'_>, department: &str, project: &str, year: Option<i32>) -> Result<Exit, Failure> {
    let today = Clock::System.now().date(r.zone).year();
    let year = year.unwrap_or(today);
    let mut tx = r.store.read().await?;
    let mut all = Vec::new();
    for why in whys(year, today) {
        all.extend(tx.refunds_due(department, project, year, why).await?.into_iter().map(|d| (why, d)));
    }
    if r.out.json {
        let rows = all.iter().map(|(why, d)| {
            serde_json::json!({ "why": why.code(), "agreement": d.agreement, "bank": d.bank, "budget_line": d.budget_line, "voucher": d.voucher,
                "funds_model": d.funds.code(), "lines": d.lines, "fen": d.amount })
        });
        r.out.value(&rows.collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    let pick = |zh, en| r.language.pick(zh, en);
    let mut sheet = r.out.sheet([
        pick("原因", "why"),
        pick("协议", "agreement"),
        pick("银行", "bank"),
        pick("预算科目", "budget line"),
        pick("凭证", "voucher"),
        pick("笔数", "lines"),
        pick("金额（元）", "yuan"),
    ]);
    sheet.right(&[5, 6]);
    for (why, d) in &all {
        let (zh, en) = why.words();
        sheet.row([
            pick(zh, en).to_owned(),
            d.agreement.clone(),
            d.bank.clone(),
            d.budget_line.clone(),
            d.voucher.clone(),
            d.lines.to_string(),
            d.amount.to_string(),
        ]);
    }
    r.out.show(&sheet, pick("（没有应退款项）", "(nothing is due back)"));
    Ok(Exit::Done)
}

async fn print(r: &Reader<'_>, number: &str, folder: &Path) -> Result<Exit, Failure> {
    let order = found(r, number).await?;
    let mut tx = r.store.read().await?;
    let (names, lines) = (tx.refund_names(&order).await?, tx.refund_lines(order.id).await?);
    let paper = voucher(r.language, &order, &names, &lines).map_err(|e| Failure::failed(e.to_string()))?;
    let failed = |e: std::io::Error| Failure::failed(format!("{}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut made = Vec::new();
    for (ending, text) in [("html", &paper.html), ("txt", &paper.text)] {
        let place = folder.join(format!("{}.{ending}", order.number));
        std::fs::write(&place, text).map_err(failed)?;
        made.push(place.display().to_string());
    }
    if r.out.json {
        r.out.value(&made);
    } else {
        r.out.line(made.join("\n"));
    }
    Ok(Exit::Done)
}
