//! Commands on cases and corrections: reading ones open the database, deciding ones ask the daemon.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::Subcommand;

use super::out::{Exit, Failure, Out};
use super::{Reader, decide, reader};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::cases::CaseRequest;
use crate::daemon::socket::{self, Reply, Request};
use crate::domain::language::{Language, Words};
use crate::domain::reason::Reason;
use crate::format::workbook::correction_answer;
use crate::passes::operate::correct::{Corrected, CorrectionFacts, Verdict};
use crate::store::cases::CaseDetail;
use crate::store::views::Choice;

/// What is done with one failure.
#[derive(Debug, Subcommand)]
pub enum CaseCommand {
    /// All that is known of a case, and what was done
    Show {
        /// The case
        id: i64,
    },
    /// Give a case to somebody
    Assign {
        /// The case
        id: i64,
        /// To whom: a login
        #[arg(long, value_name = "LOGIN")]
        to: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Note what was done about a case
    Note {
        /// The case
        id: i64,
        /// In words
        words: String,
    },
    /// Propose another reason, and with it what it asks for; another person approves
    Reclassify {
        /// The case
        id: i64,
        /// The reason's code, such as DECEASED
        #[arg(long, value_name = "CODE")]
        reason_code: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Propose that it will not be paid: its money goes back; another person approves
    Cancel {
        /// The case
        id: i64,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Propose that what was asked back came back; another person approves
    Recover {
        /// The case
        id: i64,
        /// What proves it: the voucher, the statement's entry
        #[arg(long)]
        evidence: String,
    },
    /// Propose to close a case that no money hangs on; another person approves
    Close {
        /// The case
        id: i64,
        /// As what: evidence that nothing is left to do; or paid, of a suspected double payment that was made
        #[arg(long = "as", value_name = "AS", value_parser = ["evidence", "paid"])]
        closed_as: String,
        /// What proves it
        #[arg(long)]
        reason: String,
    },
}

/// Corrections.
#[derive(Debug, Subcommand)]
pub enum CorrectionCommand {
    /// Import a failure workbook that was filled in: what holds becomes a reissue batch, to be approved
    Import {
        /// The workbook (.xlsx)
        file: PathBuf,
        /// Where the answer to each row is written; else FILE-结果.xlsx beside it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The department's code; else your own
        #[arg(long, value_name = "CODE")]
        department: Option<String>,
        /// The date on which people shall be paid; else today
        #[arg(long, value_name = "YYYY-MM-DD")]
        pay_on: Option<NaiveDate>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Workbooks that were taken, newest first
    List {
        /// One department's
        #[arg(long, default_value = "", hide_default_value = true, value_name = "CODE")]
        department: String,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: i64,
    },
}

/// Does it.
pub async fn case(out: &Out, config: &Config, command: CaseCommand) -> Result<Exit, Failure> {
    let (id, what) = match command {
        CaseCommand::Show { id } => return show(&reader(out, config).await?, id).await,
        CaseCommand::Assign { id, to, reason } => (id, CaseRequest::Assign { to, reason }),
        CaseCommand::Note { id, words } => (id, CaseRequest::Note { words }),
        CaseCommand::Reclassify { id, reason_code, reason } => (id, CaseRequest::Reclassify { code: reason_code, reason }),
        CaseCommand::Cancel { id, reason } => (id, CaseRequest::Cancel { reason }),
        CaseCommand::Recover { id, evidence } => (id, CaseRequest::Recover { evidence }),
        CaseCommand::Close { id, closed_as, reason } if closed_as == "paid" => (id, CaseRequest::ClosePaid { reason }),
        CaseCommand::Close { id, closed_as: _, reason } => (id, CaseRequest::Close { reason }),
    };
    decide::ask(out, config, Request::Case { id, what }).await
}

/// Does it.
pub async fn correction(out: &Out, config: &Config, command: CorrectionCommand) -> Result<Exit, Failure> {
    match command {
        CorrectionCommand::Import { file, out: answer, department, pay_on, dry_run } => {
            let file_name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            let facts = CorrectionFacts { file_name, department, pay_on, dry_run };
            import(out, config, &file, answer, facts).await
        }
        CorrectionCommand::List { department, limit } => list(&reader(out, config).await?, &department, limit).await,
    }
}

async fn import(out: &Out, config: &Config, file: &Path, answer: Option<PathBuf>, facts: CorrectionFacts) -> Result<Exit, Failure> {
    let bytes = std::fs::metadata(file).map_err(|e| Failure::misused(format!("{}: {e}", file.display())))?.len();
    let title = facts.file_name.clone();
    let reply = socket::ask(&config.node.socket, &Request::CorrectionImport { facts, bytes }, Some(file), &mut |_, _| {}).await?;
    let Reply::Done { say, value } = reply else { return decide::asked(out, reply) };
    let corrected: Corrected = serde_json::from_value(value.clone()).map_err(|e| Failure::failed(format!("the daemon's answer: {e}")))?;
    let mut written = String::new();
    if corrected.before.is_none() {
        let beside = || {
            let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or("correction");
            file.with_file_name(format!("{stem}-{}.xlsx", config.language.pick("结果", "result")))
        };
        let place = answer.unwrap_or_else(beside);
        let book = correction_answer(&rows(&corrected, config.language), &title, Clock::System.now(), config.language)
            .map_err(|e| Failure::failed(e.to_string()))?;
        std::fs::write(&place, book).map_err(|e| Failure::failed(format!("{}: {e}", place.display())))?;
        written = Words::new(format!("；逐行结果见 {}", place.display()), format!("; row by row: {}", place.display()))
            .in_language(config.language);
    }
    decide::asked(out, Reply::Done { say: say + &written, value })
}

fn rows(corrected: &Corrected, language: Language) -> Vec<[String; 6]> {
    let verdict = |verdict| match verdict {
        Verdict::Accepted => language.pick("受理", "accepted"),
        Verdict::Unfilled => language.pick("未更正", "not filled in"),
        Verdict::Refused => language.pick("不予受理", "refused"),
    };
    let seq = |seq: i64| if seq > 0 { seq.to_string() } else { String::new() };
    let row = |r: &crate::passes::operate::correct::RowAnswer| {
        [r.line.to_string(), r.payment_no.clone(), verdict(r.verdict).to_owned(), r.words.clone(), r.batch.clone(), seq(r.seq)]
    };
    corrected.rows.iter().map(row).collect()
}

async fn list(r: &Reader<'_>, department: &str, limit: i64) -> Result<Exit, Failure> {
    let taken = r.store.read().await?.corrections(department, limit).await?;
    if r.out.json {
        let value = |t: &crate::store::corrections::Taken| serde_json::json!({ "name": t.name, "rows": t.rows, "accepted": t.accepted, "batch": t.batch, "by": t.imported_by, "at": t.imported_at });
        r.out.value(&taken.iter().map(value).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    let heads = [("导入", "taken"), ("由", "by"), ("工作簿", "workbook"), ("行数", "rows"), ("受理", "accepted"), ("重发批次", "batch")];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[3, 4]);
    for t in taken {
        sheet.row([r.time(Some(t.imported_at)), t.imported_by, t.name, t.rows.to_string(), t.accepted.to_string(), t.batch]);
    }
    r.out.show(&sheet, r.pick("（没有导入过更正）", "(no corrections)"));
    Ok(Exit::Done)
}

/// Open cases.
pub async fn failures(r: &Reader<'_>, department: &str, batch: &str, all: bool, limit: i64) -> Result<Exit, Failure> {
    let choice = Choice { department, batch, state: if all { "" } else { "open" }, limit, ..Choice::default() };
    let cases = r.store.read().await?.cases(&choice).await?;
    let today = Clock::System.now().date(r.zone);
    let age = |money_on: &str| money_on.parse::<NaiveDate>().map(|day| (today - day).num_days()).ok();
    if r.out.json {
        let mut values = serde_json::to_value(&cases).map_err(|e| Failure::failed(e.to_string()))?;
        for (value, case) in values.as_array_mut().into_iter().flatten().zip(&cases) {
            if let Some(object) = value.as_object_mut() {
                object.insert("age_days".to_owned(), serde_json::json!(age(&case.money_on)));
            }
        }
        r.out.value(&values);
        return Ok(Exit::Done);
    }
    let heads = [
        ("案件", "case"),
        ("限期", "due"),
        ("账龄（天）", "days"),
        ("部门", "department"),
        ("批次", "batch"),
        ("序号", "row"),
        ("种类", "kind"),
        ("原因", "reason"),
        ("类别", "class"),
        ("由谁处理", "owner"),
        ("银行", "bank"),
        ("金额（元）", "yuan"),
        ("状态", "state"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 2, 5, 11]);
    for c in cases {
        let reason = Reason::from_code(&c.reason).map_or(c.reason.clone(), |x| r.pick(x.zh(), x.en()).to_owned());
        let days = age(&c.money_on).map(|days| days.to_string()).unwrap_or_default();
        let state = match (c.reissued_by, c.state.as_str()) {
            (Some(_), "open") => r.pick("重发中", "being reissued").to_owned(),
            _ => r.state(&c.state).to_owned(),
        };
        let cells = [
            c.id.to_string(),
            c.due_on,
            days,
            c.department,
            c.batch,
            c.seq.to_string(),
            r.state(&c.kind).to_owned(),
            reason,
            c.class,
            r.state(&c.owner).to_owned(),
            c.bank,
            c.fen.to_string(),
            state,
        ];
        sheet.row(cells);
    }
    r.out.show(&sheet, r.pick("（没有未结失败）", "(no open failures)"));
    Ok(Exit::Done)
}

async fn show(r: &Reader<'_>, id: i64) -> Result<Exit, Failure> {
    let Some(c) = r.store.read().await?.case_detail(id).await? else {
        return Err(Failure::failed(Words::new(format!("没有案件{id}"), format!("there is no case {id}")).in_language(r.language)));
    };
    if r.out.json {
        r.out.value(&c);
        return Ok(Exit::Done);
    }
    let mut sheet = r.out.sheet(r.heads(&[("项目", "what"), ("内容", "is")]));
    for (what, is) in facts(r, &c) {
        sheet.row([what.to_owned(), is]);
    }
    r.out.show(&sheet, "");
    let mut sheet = r.out.sheet(r.heads(&[("时间", "at"), ("由", "by"), ("何事", "what"), ("说明", "words")]));
    for e in c.history {
        sheet.row([r.time(e.at), e.actor, e.what, e.detail]);
    }
    r.out.show(&sheet, r.pick("（尚无办理记录）", "(nothing was done yet)"));
    Ok(Exit::Done)
}

fn facts(r: &Reader<'_>, c: &CaseDetail) -> Vec<(&'static str, String)> {
    let reason = Reason::from_code(&c.reason).map_or(c.reason.clone(), |x| format!("{} {}", x.code(), r.pick(x.zh(), x.en())));
    let closed = format!("{} {} {}", r.state(&c.state), c.closed_as, r.time(c.closed_at));
    let all = [
        ("案件", "case", format!("{} {}", c.id, r.state(&c.kind))),
        ("状态", "state", closed.trim().to_owned()),
        ("部门", "department", c.department.clone()),
        ("批次、序号", "batch, row", format!("{} {}", c.batch, c.seq)),
        ("支付指令号", "reference", format!("{} {}", c.reference, r.state(&c.instruction_state)).trim().to_owned()),
        ("银行", "bank", c.bank.clone()),
        ("收款人", "payee", format!("{} {} {}", c.village, c.payee, c.account)),
        ("金额（元）", "yuan", c.fen.to_string()),
        ("原因", "reason", format!("{reason} [{}]", c.class)),
        ("说明", "words", c.detail.clone()),
        ("由谁处理", "owner", format!("{} {}", r.state(&c.owner), c.assignee).trim().to_owned()),
        ("备注", "note", c.note.clone()),
        ("资金到账", "money came", c.money_on.clone()),
        ("办理期限", "due", c.due_on.clone()),
        ("已提醒", "reminded", c.reminded.to_string()),
        ("升级", "escalated", r.time(c.escalated_at)),
        ("立案", "opened", r.time(c.opened_at)),
        ("重发为", "reissued by", c.reissued_by.clone()),
    ];
    all.into_iter().filter(|(_, _, is)| !is.is_empty()).map(|(zh, en, is)| (r.pick(zh, en), is)).collect()
}
