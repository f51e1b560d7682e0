//! `bankgate close`: bringing a month or a year to zero is asked of the daemon; looking, printing and verifying read the
//! database. A period is written `2019-03`, a year `2019`.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::{Args, Subcommand};
use sha2::{Digest as _, Sha256};

use super::out::{Exit, Failure, Out, Tone};
use super::{Reader, decide, reader, words};
use crate::config::Config;
use crate::daemon::socket::Request;
use crate::domain::closing::{ItemKind, Obstacle, PeriodState, Scope, Sum, UnpaidList};
use crate::domain::language::{Language, Words};
use crate::domain::ledger::AccountKind;
use crate::format::workbook::unpaid_workbook;
use crate::passes::PassError;
use crate::passes::close::ask::outlook;
use crate::passes::close::figures::{Standing, figures};
use crate::passes::papers::certificate::{Header, certificate, file_stem};
use crate::store::closing::trace::{TraceRow, Way};
use crate::store::closing::{Period, Which};
use crate::store::sql::Tx;

/// What to close, or what to show of it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CloseArgs {
    #[command(subcommand)]
    command: Option<CloseCommand>,
    #[command(flatten)]
    which: Choice,
    /// Only say what would be done, and what stands in the way
    #[arg(long)]
    dry_run: bool,
}

/// Which periods.
#[derive(Debug, Args)]
struct Choice {
    /// The month: 2019-03
    #[arg(long, value_name = "YYYY-MM", conflicts_with = "year")]
    month: Option<String>,
    /// The fiscal year: 2019
    #[arg(long, value_name = "YYYY")]
    year: Option<String>,
    /// One department's code
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    department: String,
    /// One project's code
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
    project: String,
}

#[derive(Debug, Subcommand)]
enum CloseCommand {
    /// A period's figures, what stands in its way, what happened to its payments later; with --figure the rows behind one
    Show {
        /// The month or year
        period: Option<String>,
        #[command(flatten)]
        which: Choice,
        /// The rows behind a figure: ineligible, correctable, unknown, `in_flight`, lapsed; or one of these, or an account (paid,
        /// treasury, `conflict`…), with `_opening`, `_added`, `_removed`
        #[arg(long)]
        figure: Option<String>,
    },
    /// Write the certificates of sealed periods: HTML to print and sign, text, and the sealed figures
    Print {
        #[command(flatten)]
        which: Choice,
        /// Into this folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Make the figures of sealed periods again from the postings, and compare
    Verify {
        #[command(flatten)]
        which: Choice,
    },
}

impl Choice {
    fn scope(&self) -> Result<(Scope, Which), Failure> {
        let (scope, period) = match (&self.month, &self.year) {
            (Some(month), None) => (Scope::Month, month),
            (None, Some(year)) => (Scope::Year, year),
            (None, None) | (Some(_), Some(_)) => return Err(Failure::misused("say which: --month 2019-03 or --year 2019")),
        };
        Ok((scope, Which { period: period.clone(), department: self.department.clone(), project: self.project.clone() }))
    }
}

/// Closes, shows, prints or verifies.
pub async fn close(out: &Out, config: &Config, args: CloseArgs) -> Result<Exit, Failure> {
    match args.command {
        None if args.dry_run => {
            let (scope, which) = args.which.scope()?;
            looked(&reader(out, config).await?, scope, &which).await
        }
        None => {
            let (scope, which) = args.which.scope()?;
            let Which { period, department, project } = which.clone();
            let is_year = scope == Scope::Year;
            let ended = decide::ask(out, config, Request::Close { is_year, period, department, project }).await?;
            if out.json { Ok(ended) } else { looked(&reader(out, config).await?, scope, &which).await }
        }
        Some(CloseCommand::Show { period, mut which, figure }) => {
            match period {
                Some(p) if p.len() == 4 => which.year = Some(p),
                Some(p) => which.month = Some(p),
                None => {}
            }
            let (scope, which) = which.scope()?;
            show(&reader(out, config).await?, scope, &which, figure.as_deref()).await
        }
        Some(CloseCommand::Print { which, out: dir }) => {
            let (scope, which) = which.scope()?;
            print(&reader(out, config).await?, scope, &which, &dir).await
        }
        Some(CloseCommand::Verify { which }) => {
            let (scope, which) = which.scope()?;
            verify(&reader(out, config).await?, scope, &which).await
        }
    }
}

fn failed(error: PassError) -> Failure {
    match error {
        PassError::Store(error) => error.into(),
        other @ (PassError::Transport(_) | PassError::Local { .. } | PassError::Calendar(_) | PassError::Broken(_)) => {
            Failure::failed(other.to_string())
        }
    }
}

/// Where each department's project stands. Something in the way is for a person.
async fn looked(r: &Reader<'_>, scope: Scope, which: &Which) -> Result<Exit, Failure> {
    let all = outlook(&mut r.store.read().await?, scope, which).await.map_err(failed)?;
    if r.out.json {
        r.out.value(&all);
    } else {
        standings(r, &all);
    }
    let is_waiting = all.iter().any(|s| s.state != PeriodState::Sealed.code());
    Ok(if is_waiting { Exit::Person } else { Exit::Done })
}

fn sum(s: Sum) -> String {
    if s == Sum::default() { "-".to_owned() } else { format!("{} / {}", s.count, s.fen) }
}

fn standings(r: &Reader<'_>, all: &[Standing]) {
    let heads = [
        ("部门", "department"),
        ("项目", "project"),
        ("应退回", "to go back"),
        ("已退回", "back"),
        ("待更正", "open items"),
        ("不明", "unknown"),
        ("在途", "in flight"),
        ("状态", "state"),
        ("尚缺", "in the way"),
    ];
    let mut sheet = r.out.sheet(heads.map(|(zh, en)| r.language.pick(zh, en)));
    sheet.right(&[2, 3, 4, 5, 6]);
    for s in all {
        let way = s.obstacles.iter().map(|o| Obstacle::words(o).in_language(r.language)).collect::<Vec<_>>().join("; ");
        let tone = if s.state == "sealed" { Tone::Good } else { Tone::Warn };
        let plain = |text: String| (text, Tone::Plain);
        sheet.toned([
            plain(s.department.clone()),
            plain(s.project.clone()),
            plain(sum(s.due_back)),
            plain(sum(s.refunded)),
            plain(sum(s.correctable)),
            plain(sum(s.unknown)),
            plain(sum(s.in_flight)),
            (words::state(s.state, r.language).to_owned(), tone),
            (way, Tone::Warn),
        ]);
    }
    r.out.show(&sheet, r.language.pick("（没有可清零的部门项目）", "(nothing to close)"));
}

async fn show(r: &Reader<'_>, scope: Scope, which: &Which, figure: Option<&str>) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let periods = tx.periods(scope, which).await?;
    if periods.is_empty() {
        let name = &which.period;
        let words = Words::new(
            format!("{name}尚未截止；`bankgate close --{} {name} --dry-run`", scope.code()),
            format!("{name} was not cut: bankgate close --{} {name} --dry-run", scope.code()),
        );
        return Err(Failure::failed(words.in_language(r.language)));
    }
    if let Some(figure) = figure {
        let mut rows = Vec::new();
        for period in &periods {
            rows.extend(rows_of(&mut tx, period, figure).await?);
        }
        traced(r, &rows);
        return Ok(Exit::Done);
    }
    let mut all = Vec::new();
    let mut values = Vec::new();
    for period in &periods {
        let standing = crate::passes::close::figures::standing(&mut tx, period).await.map_err(failed)?;
        let later = tx.later_events(period).await?;
        let figures = figures(&mut tx, period, period.sealed_entry).await.map_err(failed)?;
        values.push(serde_json::json!({ "standing": standing, "figures": figures, "sha256": period.sha256, "later": later }));
        all.push((standing, later, period));
    }
    if r.out.json {
        r.out.value(&values);
        return Ok(Exit::Done);
    }
    let (table, rest): (Vec<_>, Vec<_>) = all.into_iter().map(|(standing, later, period)| (standing, (later, period))).unzip();
    standings(r, &table);
    for (later, period) in rest {
        let unknown = tx.trace_items(period.id, ItemKind::Unknown).await?;
        for (zh, en, rows) in
            [("截止时结果不明", "Unknown at the cut", &unknown), ("截止后涉及本期款项的事项", "Later, of this period's payments", &later)]
        {
            if !rows.is_empty() {
                r.out.line(format!("\n{} {}/{}", r.language.pick(zh, en), period.department, period.project));
                traced(r, rows);
            }
        }
    }
    Ok(Exit::Done)
}

/// The rows behind a figure's name: what lay somewhere at the cut, line by line, or an account's entries.
async fn rows_of(tx: &mut Tx, period: &Period, figure: &str) -> Result<Vec<TraceRow>, Failure> {
    if let Some(kind) = ItemKind::from_code(figure) {
        return Ok(tx.trace_items(period.id, kind).await?);
    }
    let (from, to) = (period.from_entry, period.to_entry);
    let account = |name: &str| ItemKind::from_code(name).map(ItemKind::account).or(AccountKind::from_code(name).map(AccountKind::code));
    for (ending, range, way) in
        [("_added", (from, to), Way::In), ("_removed", (from, to), Way::Out), ("_opening", (0, from), Way::Both), ("", (0, to), Way::Both)]
    {
        if let Some(account) = figure.strip_suffix(ending).and_then(account) {
            return Ok(tx.trace_entries(period, account, range, way).await?);
        }
    }
    let lines = ItemKind::ALL.iter().map(|k| k.code()).collect::<Vec<_>>().join(", ");
    let accounts = AccountKind::ALL.iter().map(|k| k.code()).collect::<Vec<_>>().join(", ");
    Err(Failure::misused(format!(
        "there is no figure {figure:?}: lines at the cut are {lines}; accounts are {accounts}, alone or with _opening, _added or _removed"
    )))
}

fn traced(r: &Reader<'_>, rows: &[TraceRow]) {
    if r.out.json {
        r.out.value(&rows);
        return;
    }
    let heads = [
        ("分录", "entry"),
        ("时间", "when"),
        ("种类", "kind"),
        ("年度", "year"),
        ("批次", "batch"),
        ("退款单", "order"),
        ("支付", "payments"),
        ("笔数", "count"),
        ("金额（元）", "yuan"),
    ];
    let mut sheet = r.out.sheet(heads.map(|(zh, en)| r.language.pick(zh, en)));
    sheet.right(&[0, 7, 8]);
    for row in rows {
        sheet.row([
            row.entry.map(|e| e.to_string()).unwrap_or_default(),
            r.time(row.at),
            words::state(&row.kind, r.language).to_owned(),
            row.year.to_string(),
            row.batch.clone(),
            row.order.clone(),
            row.references.join(" "),
            row.count.to_string(),
            row.fen.to_string(),
        ]);
    }
    r.out.show(&sheet, r.language.pick("（没有）", "(none)"));
}

/// Writes the papers of what is sealed into a folder: their paths, how many periods there are, and how many are not sealed.
pub(super) async fn write_papers(
    tx: &mut Tx,
    (scope, which): (Scope, &Which),
    dir: &Path,
    (language, zone): (Language, Tz),
) -> Result<(Vec<String>, usize, usize), Failure> {
    let periods = tx.periods(scope, which).await?;
    let write = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        Ok::<_, Failure>(path.display().to_string())
    };
    std::fs::create_dir_all(dir).map_err(|e| Failure::failed(format!("{}: {e}", dir.display())))?;
    let mut written = Vec::new();
    let mut open = 0;
    for period in &periods {
        let Some(sealed_at) = period.sealed_at else {
            open += 1;
            continue;
        };
        let (department, project) = tx.purse_names(&period.department, &period.project).await?;
        let later = tx.later_events(period).await?;
        let header = Header { department: department.clone(), project: project.clone(), language, zone };
        let paper =
            certificate(&header, period, &later).map_err(|e| Failure::failed(format!("{}/{}: {e}", period.department, period.project)))?;
        for (end, text) in [("html", &paper.html), ("txt", &paper.text), ("json", &paper.json)] {
            written.push(write(format!("{}.{end}", paper.stem), text.as_bytes())?);
        }
        if scope == Scope::Year {
            let number = format!("TZ-{}-{}-{}", period.period, period.department, period.project);
            let list = UnpaidList {
                number: number.clone(),
                year: period.period.clone(),
                department,
                project,
                made: sealed_at,
                rows: tx.unpaid(period.id).await?,
            };
            let bytes = unpaid_workbook(&list, language).map_err(|e| Failure::failed(e.to_string()))?;
            written.push(write(format!("{}.xlsx", file_stem(&number)), &bytes)?);
        }
    }
    Ok((written, periods.len(), open))
}

/// Prints what is sealed, and says what is not.
async fn print(r: &Reader<'_>, scope: Scope, which: &Which, dir: &Path) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let (written, all, open) = write_papers(&mut tx, (scope, which), dir, (r.language, r.zone)).await?;
    if r.out.json {
        r.out.value(&serde_json::json!({ "written": written, "not_sealed": open }));
    } else {
        written.iter().for_each(|path| r.out.line(path));
        if open > 0 || all == 0 {
            let words = Words::new(format!("{open}户尚未封存，不打印证明"), format!("{open} are not sealed and have no certificate"));
            r.out.note(words.in_language(r.language));
        }
    }
    Ok(if open > 0 { Exit::Person } else { Exit::Done })
}

/// Makes the sealed figures again, and compares text and hash.
async fn verify(r: &Reader<'_>, scope: Scope, which: &Which) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let mut values = Vec::new();
    let mut all_hold = true;
    for period in tx.periods(scope, which).await?.into_iter().filter(|p| p.state == PeriodState::Sealed) {
        let again = figures(&mut tx, &period, period.sealed_entry).await.map_err(failed)?;
        let holds = again.text() == period.figures && hex::encode(Sha256::digest(period.figures.as_bytes())) == period.sha256;
        all_hold &= holds;
        if !r.out.json {
            let words = if holds {
                Words::new("相符", "holds")
            } else {
                Words::new(
                    "不符：封存数字与分录重算结果不一致，请保全数据库并报告内审",
                    "DIFFERS: keep the database as it is, tell the auditors",
                )
            };
            r.out.line(format!("{}  {}  {}", again.number, period.sha256, words.in_language(r.language)));
        }
        values.push(serde_json::json!({ "number": again.number, "sha256": period.sha256, "holds": holds, "now": again }));
    }
    if r.out.json {
        r.out.value(&values);
    } else if values.is_empty() {
        r.out.line(r.language.pick("（没有已封存的）", "(none is sealed)"));
    }
    Ok(if all_hold { Exit::Done } else { Exit::Failed })
}
