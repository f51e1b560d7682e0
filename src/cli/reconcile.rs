//! `bankgate reconcile` and `bankgate statement`: each account's verdict, the lines behind it, what does not agree, and what two
//! persons say a line is. What might explain a line is shown; nothing is posted because it might.

use std::path::Path;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::out::{Exit, Failure, Out, Tone};
use super::{Reader, decide, reader, statement_file};
use crate::config::Config;
use crate::daemon::socket::Request;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::scrub::scrub_bank_text;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::passes::PassError;
use crate::passes::reconcile::report::replay;
use crate::store::statements::{BreakRow, LineView};

/// Which accounts and days.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReconcileArgs {
    /// The day; else each account's newest
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<NaiveDate>,
    /// One account's
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ACCOUNT")]
    pub account: String,
    /// More than the verdict
    #[command(subcommand)]
    pub command: Option<ReconcileCommand>,
}

/// More than the verdict.
#[derive(Debug, Subcommand)]
pub enum ReconcileCommand {
    /// One day: each line and what it is, what does not agree
    Show {
        /// One account's
        #[arg(long, default_value = "")]
        account: String,
        /// The day
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: NaiveDate,
    },
    /// What does not agree, the most urgent first (差异)
    Breaks {
        /// One account's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ACCOUNT")]
        account: String,
    },
    /// Make a run's report again from what it recorded; ends with 1 where it is another
    Replay {
        /// The run
        run: i64,
    },
}

/// The accounts' statements.
#[derive(Debug, Subcommand)]
pub enum StatementCommand {
    /// Read a bank's file and prove it, without database or settings: camt.052, .053, .054, MT940, MT942, or a profile's layout.
    /// Ends with 3 where something does not add up
    Parse(statement_file::ParseArgs),
    /// Statements, newest first
    List {
        /// One account's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ACCOUNT")]
        account: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
    /// One statement, line by line
    Show {
        /// Its number
        id: i64,
    },
    /// Propose which of several differing statements of the same days counts; another person approves it
    Choose {
        /// The number of the one that counts
        id: i64,
        /// What proves it: the bank's letter
        #[arg(long)]
        evidence: String,
    },
    /// Propose what a line is; another person approves it
    Match {
        /// The statement's number
        statement: i64,
        /// The line
        line: i64,
        /// A reference (BG…), a file's name, "file N", "funding N" or "case N"
        #[arg(long, required_unless_present = "other", conflicts_with = "other")]
        to: Option<String>,
        /// Nothing of ours: interest, a fee given back, a mistake
        #[arg(long = "as", value_parser = ["other"])]
        other: Option<String>,
        /// What proves it
        #[arg(long)]
        reason: String,
    },
}

/// Prints verdicts, a day, what does not agree, or replays a run.
pub async fn reconcile(r: &Reader<'_>, args: &ReconcileArgs) -> Result<Exit, Failure> {
    match &args.command {
        None => verdicts(r, args).await,
        Some(ReconcileCommand::Show { account, date }) => day(r, account, *date).await,
        Some(ReconcileCommand::Breaks { account }) => {
            let breaks = r.store.read().await?.breaks(account, "").await?;
            if r.out.json {
                r.out.value(&breaks);
            } else {
                print_breaks(r, &breaks);
            }
            Ok(if breaks.is_empty() { Exit::Done } else { Exit::Person })
        }
        Some(ReconcileCommand::Replay { run }) => again(r, *run).await,
    }
}

async fn verdicts(r: &Reader<'_>, args: &ReconcileArgs) -> Result<Exit, Failure> {
    let runs = r.store.read().await?.verdicts(&args.account, args.date).await?;
    let all_green = !runs.is_empty() && runs.iter().all(|run| run.verdict == Verdict::Reconciled.code());
    if r.out.json {
        r.out.value(&runs);
        return Ok(if all_green { Exit::Done } else { Exit::Person });
    }
    let heads = [
        ("银行", "bank"),
        ("账户", "account"),
        ("日期", "day"),
        ("结论", "verdict"),
        ("期初（元）", "opening"),
        ("期末（元）", "closing"),
        ("明细", "lines"),
        ("已核对", "explained"),
        ("差异", "breaks"),
        ("未解释（元）", "residual"),
        ("核对编号", "run"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[4, 5, 6, 7, 8, 9, 10]);
    for run in &runs {
        let yuan = |fen: Option<i64>| fen.map(|f| Fen::new(f).to_string()).unwrap_or_default();
        let cells = [
            run.bank.clone(),
            run.account.clone(),
            run.on_date.clone(),
            verdict_words(r, &run.verdict),
            yuan(run.opening_fen),
            yuan(run.closing_fen),
            run.lines.to_string(),
            run.matched.to_string(),
            run.breaks.to_string(),
            yuan(Some(run.residual_fen)),
            run.id.to_string(),
        ];
        sheet.toned(cells.into_iter().enumerate().map(|(at, cell)| (cell, if at == 3 { tone(&run.verdict) } else { Tone::Plain })));
    }
    r.out.show(&sheet, r.pick("（没有对账记录：对账单未到，或尚未处理）", "(no runs: no statement came, or none was looked at yet)"));
    Ok(if all_green { Exit::Done } else { Exit::Person })
}

fn tone(verdict: &str) -> Tone {
    match Verdict::from_code(verdict) {
        Some(Verdict::Reconciled) => Tone::Good,
        Some(Verdict::Pending) => Tone::Warn,
        Some(Verdict::Breaks | Verdict::Incomplete) | None => Tone::Bad,
    }
}

fn verdict_words(r: &Reader<'_>, verdict: &str) -> String {
    let zh = match Verdict::from_code(verdict) {
        Some(Verdict::Reconciled) => "已平",
        Some(Verdict::Pending) => "待到账",
        Some(Verdict::Breaks) => "有差异",
        Some(Verdict::Incomplete) => "不完整",
        None => "",
    };
    Words::new(format!("{zh} {verdict}"), verdict).in_language(r.language)
}

async fn day(r: &Reader<'_>, account: &str, date: NaiveDate) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let runs = tx.verdicts(account, Some(date)).await?;
    let breaks = tx.breaks(account, &date.to_string()).await?;
    let mut lines = Vec::new();
    let mut gaps = Vec::new();
    for run in &runs {
        let ids: Vec<i64> = tx.statements_over(&run.bank, &run.account, date, date).await?.iter().map(|s| s.id).collect();
        let mut after = (0, 0);
        loop {
            let page = tx.lines_of_day(&ids, date, i64::MAX, after).await?;
            let Some(last) = page.last() else { break };
            after = (last.statement, last.line);
            lines.extend(page);
        }
        if let Some((_, report)) = tx.run(run.id).await? {
            let report: serde_json::Value = serde_json::from_str(&report).map_err(|e| Failure::failed(e.to_string()))?;
            gaps.extend(report["gaps"].as_array().into_iter().flatten().filter_map(|g| g.as_str()).map(str::to_owned));
        }
    }
    let all_green = !runs.is_empty() && runs.iter().all(|run| run.verdict == Verdict::Reconciled.code());
    if r.out.json {
        r.out.value(&serde_json::json!({ "runs": runs, "gaps": gaps, "lines": lines, "breaks": breaks }));
        return Ok(if all_green { Exit::Done } else { Exit::Person });
    }
    for run in &runs {
        r.line(
            format!("银行{} {date}：{}", run.bank, verdict_words(r, &run.verdict)),
            format!("bank {} on {date}: {}", run.bank, run.verdict),
        );
    }
    for gap in gaps {
        r.out.line(format!("  {gap}"));
    }
    print_lines(r, &lines);
    print_breaks(r, &breaks);
    Ok(if all_green { Exit::Done } else { Exit::Person })
}

fn print_lines(r: &Reader<'_>, lines: &[LineView]) {
    let heads = [
        ("对账单", "statement"),
        ("行", "line"),
        ("支出（元）", "debit"),
        ("收入（元）", "credit"),
        ("引用", "reference"),
        ("摘要", "words"),
        ("对应", "is"),
        ("依据", "by"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[2, 3]);
    for l in lines {
        let is_debit = l.side == "debit";
        let (what, by) = match l.kind.as_str() {
            "" => (r.pick("未解释", "not explained").to_owned(), String::new()),
            _ if l.reason.is_empty() => (subject(&l.kind, l.subject), l.how.clone()),
            _ => (subject(&l.kind, l.subject), format!("{}: {}", l.how, l.reason)),
        };
        let tone = if l.kind.is_empty() { Tone::Bad } else { Tone::Plain };
        let cells = [
            l.statement.to_string(),
            l.line.to_string(),
            if is_debit { l.fen.to_string() } else { String::new() },
            if is_debit { String::new() } else { l.fen.to_string() },
            l.reference.clone(),
            scrub_bank_text(&l.words),
            what,
            by,
        ];
        sheet.toned(cells.map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（没有明细）", "(no lines)"));
}

/// What a match names, as its own command takes it.
fn subject(kind: &str, id: i64) -> String {
    match kind {
        "instruction" | "refund" | "return" | "credit_back" => format!("{kind} {}", EndToEndId(id)),
        "other" => kind.to_owned(),
        _ => format!("{kind} {id}"),
    }
}

fn print_breaks(r: &Reader<'_>, breaks: &[BreakRow]) {
    r.head("差异", "Breaks");
    let heads = [
        ("编号", "no."),
        ("银行", "bank"),
        ("日期", "day"),
        ("类别", "kind"),
        ("何事", "what"),
        ("责任", "owner"),
        ("期限", "due"),
        ("起于", "since"),
        ("下一步", "next"),
        ("可能是", "might be"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    for b in breaks {
        let tone = if b.state == "open" { Tone::Bad } else { Tone::Plain };
        let cells = [
            b.id.to_string(),
            b.bank.clone(),
            b.on_date.to_string(),
            b.kind.clone(),
            b.what.clone(),
            b.owner.clone(),
            b.due_on.to_string(),
            r.time(Some(Timestamp::from_millis(b.opened_at))),
            b.next_step.clone(),
            b.candidates.clone(),
        ];
        sheet.toned(cells.map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（没有）", "(none)"));
}

async fn again(r: &Reader<'_>, run: i64) -> Result<Exit, Failure> {
    let replayed = replay(&r.store, run).await.map_err(|e| match e {
        PassError::Store(e) => e.into(),
        PassError::Transport(_) | PassError::Local { .. } | PassError::Calendar(_) | PassError::Broken(_) => Failure::failed(e.to_string()),
    })?;
    let Some(it) = replayed else { return Err(Failure::misused(format!("there is no run {run}"))) };
    let is_same = it.was == it.is;
    if r.out.json {
        r.out.value(&it);
    } else if is_same {
        r.line(format!("对账{run}重算一致：sha256 {}", it.is), format!("run {run} comes out the same: sha256 {}", it.is));
    } else {
        r.line(
            format!("对账{run}重算不一致：当时{}，现在{}；有人改动过数据，请保全数据库并报告内审", it.was, it.is),
            format!(
                "run {run} comes out another: was {}, is {}; somebody changed rows: keep the database as it is, tell the auditors",
                it.was, it.is
            ),
        );
    }
    Ok(if is_same { Exit::Done } else { Exit::Failed })
}

/// Lists statements, shows one, or asks the daemon to record what a line is.
pub async fn statement(out: &Out, settings: &Path, command: StatementCommand) -> Result<Exit, Failure> {
    match command {
        StatementCommand::Parse(args) => statement_file::parse(out, &args),
        StatementCommand::Match { statement, line, to, other, reason } => {
            let to = to.or(other).unwrap_or_default();
            decide::ask(out, &Config::load(settings)?, Request::StatementMatch { statement, line, to, reason }).await
        }
        StatementCommand::Choose { id, evidence } => {
            decide::ask(out, &Config::load(settings)?, Request::StatementChoose { statement: id, evidence }).await
        }
        StatementCommand::List { account, limit } => list(&reader(out, &Config::load(settings)?).await?, &account, limit).await,
        StatementCommand::Show { id } => {
            let r = reader(out, &Config::load(settings)?).await?;
            let lines = r.store.read().await?.statement_lines(id).await?;
            if out.json {
                out.value(&lines);
            } else {
                print_lines(&r, &lines);
            }
            Ok(Exit::Done)
        }
    }
}

async fn list(r: &Reader<'_>, account: &str, limit: i64) -> Result<Exit, Failure> {
    let statements = r.store.read().await?.statements(account, limit).await?;
    if r.out.json {
        r.out.value(&statements);
        return Ok(Exit::Done);
    }
    let heads = [
        ("编号", "no."),
        ("银行", "bank"),
        ("账户", "account"),
        ("自", "from"),
        ("至", "to"),
        ("期初（元）", "opening"),
        ("期末（元）", "closing"),
        ("明细", "lines"),
        ("未解释", "open"),
        ("问题", "problems"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[5, 6, 7, 8]);
    for s in &statements {
        let yuan = |fen: Option<i64>| fen.map(|f| Fen::new(f).to_string()).unwrap_or_default();
        let cells = [
            s.id.to_string(),
            s.bank.clone(),
            s.account.clone(),
            s.from.clone(),
            s.to.clone(),
            yuan(s.opening),
            yuan(s.closing),
            s.entries.to_string(),
            s.open.to_string(),
            s.problems.clone(),
        ];
        let tone = if s.open > 0 || !s.problems.is_empty() { Tone::Warn } else { Tone::Plain };
        sheet.toned(cells.map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（没有对账单）", "(no statements)"));
    Ok(Exit::Done)
}
