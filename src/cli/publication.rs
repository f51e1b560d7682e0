//! What was published of each batch, and people's statements: shown, compared, printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::out::{Exit, Failure, Out, Tone};
use super::{Reader, decide, reader};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::socket::Request;
use crate::domain::publication::{PersonStatement, PublicList, Span};
use crate::domain::time::Timestamp;
use crate::format::workbook::{publication_workbook, statements_workbook};
use crate::passes::publication::{fill, papers};

/// Public lists and statements.
#[derive(Debug, Subcommand)]
pub enum PublicationCommand {
    /// What must be put up, by when, and whether it agrees with the banks' credits
    List {
        /// Also those that are verified and up
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
    /// One batch: what was published, and both sides of its comparison with the bank's words
    Show {
        /// The batch
        batch: String,
    },
    /// Write the list into a folder, as .xlsx and as a page to print
    Print {
        /// The batch
        batch: String,
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Say that the list is up in the villages
    Posted {
        /// The batch
        batch: String,
    },
    /// Write people's statements (对账单) of a month, a quarter or a year into a folder, as .xlsx and as pages to print
    Statements {
        /// 2019-03, 2019-Q1 or 2019
        #[arg(long, value_name = "PERIOD")]
        period: String,
        /// The department's code
        #[arg(long, value_name = "CODE")]
        department: String,
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Does it.
pub async fn publication(out: &Out, config: &Config, command: PublicationCommand) -> Result<Exit, Failure> {
    match command {
        PublicationCommand::Posted { batch } => decide::ask(out, config, Request::PublicationPosted { batch }).await,
        PublicationCommand::List { all, limit } => list(&reader(out, config).await?, all, limit).await,
        PublicationCommand::Show { batch } => show(&reader(out, config).await?, &batch).await,
        PublicationCommand::Print { batch, out: dir } => print(&reader(out, config).await?, &batch, &dir).await,
        PublicationCommand::Statements { period, department, out: dir } => {
            statements(&reader(out, config).await?, &period, &department, &dir).await
        }
    }
}

async fn list(r: &Reader<'_>, all: bool, limit: i64) -> Result<Exit, Failure> {
    let found = r.store.read().await?.publication_views(!all, limit).await?;
    if r.out.json {
        r.out.value(&found);
        return Ok(Exit::Done);
    }
    let heads = [
        ("批次", "batch"),
        ("部门", "department"),
        ("项目", "project"),
        ("入账", "credited"),
        ("期限", "due"),
        ("状态", "state"),
        ("版", "edition"),
        ("笔数", "rows"),
        ("金额（元）", "yuan"),
        ("已张贴", "up since"),
    ];
    let mut sheet = r.out.sheet(heads.iter().map(|(zh, en)| r.language.pick(zh, en)));
    sheet.right(&[6, 7, 8]);
    for p in &found {
        let tone = match p.state.as_str() {
            "differs" => Tone::Bad,
            "verified" => Tone::Good,
            _ => Tone::Plain,
        };
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        sheet.toned([
            plain(&p.batch),
            plain(&p.department),
            plain(&p.project),
            plain(&p.paid_on),
            plain(&p.due_on),
            (state(r, &p.state).to_owned(), tone),
            plain(&p.edition.to_string()),
            plain(&p.rows.to_string()),
            plain(&p.fen.to_string()),
            plain(&p.posted_on),
        ]);
    }
    r.out.show(&sheet, r.language.pick("（没有待公示的批次）", "(nothing to publish)"));
    Ok(Exit::Done)
}

fn state<'a>(r: &Reader<'_>, code: &'a str) -> &'a str {
    match code {
        "due" => r.language.pick("待生成", "due"),
        "made" => r.language.pick("已生成待核对", "made"),
        "verified" => r.language.pick("与银行入账一致", "verified"),
        "differs" => r.language.pick("与银行入账不一致", "differs"),
        other => other,
    }
}

async fn show(r: &Reader<'_>, batch: &str) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let Some(one) = tx.publication_of(batch).await? else { return Err(nothing(r, batch)) };
    let compared = tx.compare_credits(batch).await?;
    let day = |d: Option<chrono::NaiveDate>| d.map(|d| d.to_string()).unwrap_or_default();
    if r.out.json {
        r.out.value(&serde_json::json!({
            "batch": one.batch, "state": one.state, "edition": one.edition, "paid_on": day(one.paid_on), "due_on": day(one.due_on),
            "posted_on": day(one.posted_on), "rows": one.sum.count, "fen": one.sum.amount, "sha256": one.sha256, "problems": one.problems,
            "paid_now": { "rows": compared.published.count, "fen": compared.published.amount },
            "credited_by_bank": { "rows": compared.credited.count, "fen": compared.credited.amount },
            "without_word": compared.without_word, "not_published": compared.not_published,
        }));
        return Ok(Exit::Done);
    }
    let mut sheet = r.out.sheet(["", ""]);
    for (zh, en, value) in [
        ("批次", "batch", one.batch.clone()),
        ("项目", "project", format!("{}（{}）", one.project, one.period)),
        ("状态", "state", state(r, &one.state).to_owned()),
        ("首笔入账", "credited since", day(one.paid_on)),
        ("公示期限", "due", day(one.due_on)),
        ("张贴", "up since", day(one.posted_on)),
        ("公示（版次）", "published (edition)", format!("{} / {} ({})", one.sum.count, one.sum.amount, one.edition)),
        ("现记已付", "paid by our books", format!("{} / {}", compared.published.count, compared.published.amount)),
        ("其中银行报入账", "of these the bank's word", format!("{} / {}", compared.credited.count, compared.credited.amount)),
        ("摘要", "sha256", one.sha256.clone()),
        ("不一致", "differs", one.problems.clone()),
    ] {
        sheet.row([r.language.pick(zh, en).to_owned(), value]);
    }
    r.out.show(&sheet, "");
    Ok(Exit::Done)
}

fn nothing(r: &Reader<'_>, batch: &str) -> Failure {
    Failure::failed(match r.language {
        crate::domain::language::Language::Zh => format!("批次{batch}没有公示；`bankgate publication list --all` 列出全部"),
        crate::domain::language::Language::En => {
            format!("nothing is published of batch {batch}: `bankgate publication list --all` shows all")
        }
    })
}

async fn print(r: &Reader<'_>, batch: &str, dir: &Path) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let Some(one) = tx.publication_of(batch).await? else { return Err(nothing(r, batch)) };
    let mut list = PublicList {
        batch: one.batch,
        department: one.department.name,
        project: one.project,
        period: one.period,
        paid_on: one.paid_on,
        due_on: one.due_on,
        made_at: Clock::System.now(),
        zone: r.zone,
        villages: BTreeMap::new(),
    };
    fill(&mut tx, &mut list).await.map_err(|e| Failure::failed(e.to_string()))?;
    drop(tx);
    let name = format!("{}_{batch}", r.language.pick("发放结果公示", "published"));
    let book = publication_workbook(&list, r.language).map_err(|e| Failure::failed(e.to_string()))?;
    let page = papers::list_html(&list, r.language).map_err(|e| Failure::failed(e.to_string()))?;
    write(r.out, dir, &[(format!("{name}.xlsx"), book), (format!("{name}.html"), page.into_bytes())])
}

async fn statements(r: &Reader<'_>, period: &str, department: &str, dir: &Path) -> Result<Exit, Failure> {
    let Some(span) = Span::parse(period) else {
        return Err(Failure::misused(format!("--period {period:?}: 2019-03, 2019-Q1 or 2019")));
    };
    let midnight = |day: chrono::NaiveDate| Timestamp::from_local(day.and_time(chrono::NaiveTime::MIN), r.zone);
    let until = span.to.succ_opt().unwrap_or(span.to);
    let mut tx = r.store.read().await?;
    if !tx.codes_known(department, "").await?.0 {
        return Err(Failure::misused(format!("there is no department {department:?}")));
    }
    let people = tx.person_statements(department, span, (midnight(span.from), midnight(until)), r.zone).await?;
    drop(tx);
    let made_at = Clock::System.now();
    let title = match r.language {
        crate::domain::language::Language::Zh => format!("补贴发放对账单　{department}　{} 至 {}", span.from, span.to),
        crate::domain::language::Language::En => format!("Subsidies credited, {department}, {} to {}", span.from, span.to),
    };
    let note = r.language.pick(
        "姓名、证件号已作脱敏。与实际入账不符的，请向所在村（社区）或部门反映。",
        "Names and numbers are masked. Whoever was credited otherwise tells the village or the department.",
    );
    let failed = |e: &dyn std::fmt::Display| Failure::failed(e.to_string());
    let stem = format!("{}_{department}_{period}", r.language.pick("对账单", "statements"));
    let mut files = vec![(format!("{stem}.xlsx"), statements_workbook(&title, &people, made_at, r.language).map_err(|e| failed(&e))?)];
    let mut townships: BTreeMap<&str, Vec<&PersonStatement>> = BTreeMap::new();
    for person in &people {
        townships.entry(&person.township).or_default().push(person);
    }
    for (township, people) in townships {
        let html = papers::statements_html(&format!("{title}　{township}"), &people, note, r.language).map_err(|e| failed(&e))?;
        files.push((format!("{stem}_{township}.html"), html.into_bytes()));
    }
    write(r.out, dir, &files)
}

fn write(out: &Out, dir: &Path, files: &[(String, Vec<u8>)]) -> Result<Exit, Failure> {
    let failed = |path: &Path, e: std::io::Error| Failure::failed(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
    let mut paths = Vec::new();
    for (name, bytes) in files {
        let name: String = name.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
        let path = dir.join(name);
        std::fs::write(&path, bytes).map_err(|e| failed(&path, e))?;
        paths.push(path);
    }
    if out.json {
        out.value(&serde_json::json!({ "files": paths }));
    } else {
        paths.iter().for_each(|path| out.line(path.display().to_string()));
    }
    Ok(Exit::Done)
}
