//! Commands that read. Each is one picture of the database, printed as a table or as JSON.

use super::out::{Exit, Failure, Tone};
use super::{Reader, words};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::assemble;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::scrub::scrub_bank_text;
use crate::domain::time::Timestamp;
use crate::mail::Mailer;
use crate::store::equations::Share;
use crate::store::findings::Finding;
use crate::store::memory::Replication;
use crate::store::views::{Choice, FileInView, FileOutView, PaymentView};

/// A clock that is off by more than this makes leases and due times wrong.
const SKEW_MAX_MILLIS: i64 = 5000;

impl Reader<'_> {
    pub(super) fn pick(&self, zh: &'static str, en: &'static str) -> &'static str {
        self.language.pick(zh, en)
    }

    /// Hours in words: days where they are many.
    pub(super) fn age(&self, hours: i64) -> String {
        match hours {
            ..48 => format!("{hours}{}", self.pick("小时", " h")),
            _ => format!("{}{}", hours / 24, self.pick("天", " d")),
        }
    }

    pub(super) fn heads(&self, heads: &[(&'static str, &'static str)]) -> Vec<&'static str> {
        heads.iter().map(|(zh, en)| self.pick(zh, en)).collect()
    }

    pub(super) fn state<'a>(&self, code: &'a str) -> &'a str {
        words::state(code, self.language)
    }

    pub(super) fn time(&self, at: Option<Timestamp>) -> String {
        at.filter(|at| at.millis() > 0).map(|at| at.local(self.zone).format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
    }

    pub(super) fn line(&self, zh: impl Into<String>, en: impl Into<String>) {
        self.out.line(Words::new(zh, en).in_language(self.language));
    }

    pub(super) fn head(&self, zh: &'static str, en: &'static str) {
        self.out.line(format!("\n{}", self.pick(zh, en)));
    }
}

/// How the state of a file or case looks at a glance.
fn tone(state: &str) -> Tone {
    match state {
        "held" | "doubt" | "quarantined" | "conflict" | "refused" | "unknown" | "returned" => Tone::Bad,
        "uploading" | "publishing" | "failed" | "failed_final" | "paused" | "open" => Tone::Warn,
        "answered" | "applied" | "paid" | "admitted" => Tone::Good,
        _ => Tone::Plain,
    }
}

/// The banks' edges, files, incidents, what waits.
pub async fn status(r: &Reader<'_>) -> Result<Exit, Failure> {
    let s = r.store.read().await?.status().await?;
    if r.out.json {
        r.out.value(&s);
        return Ok(Exit::Done);
    }
    r.head("银行", "Banks");
    let heads = [
        ("代码", "code"),
        ("名称", "name"),
        ("模式", "mode"),
        ("由谁处理", "held by"),
        ("租约至", "lease until"),
        ("连续失败", "failures"),
        ("最近错误", "last error"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    for b in &s.banks {
        let trouble = if b.failures > 0 { Tone::Bad } else { Tone::Plain };
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        sheet.toned([
            plain(&b.code),
            plain(&b.name),
            (r.state(&b.mode).to_owned(), tone(&b.mode)),
            plain(&b.holder),
            plain(&r.time(b.lease_until)),
            (b.failures.to_string(), trouble),
            (b.last_error.clone(), trouble),
        ]);
    }
    r.out.show(&sheet, r.pick("（没有银行）", "(no banks)"));
    r.head("文件", "Files");
    let mut sheet =
        r.out.sheet(r.heads(&[("方向", "way"), ("银行", "bank"), ("状态", "state"), ("文件数", "files"), ("金额（元）", "yuan")]));
    sheet.right(&[3, 4]);
    for f in &s.files {
        let yuan = if f.direction == "out" { f.fen.to_string() } else { String::new() };
        let cells = [r.state(&f.direction).to_owned(), f.bank.clone(), r.state(&f.state).to_owned(), f.files.to_string(), yuan];
        sheet.toned(cells.map(|c| (c, tone(&f.state))));
    }
    r.out.show(&sheet, r.pick("（没有文件）", "(no files)"));
    r.head("未结事件", "Open incidents");
    let mut sheet = r.out.sheet(r.heads(&[("起于", "since"), ("银行", "bank"), ("次数", "times"), ("何事", "what"), ("下一步", "next")]));
    for i in &s.incidents {
        sheet.row([r.time(Some(i.since)), i.bank.clone(), i.times.to_string(), i.what.clone(), i.next_step.clone()]);
    }
    r.out.show(&sheet, r.pick("（没有）", "(none)"));
    r.out.line("");
    r.line(
        format!(
            "准入前批次{}；未结失败{}笔，{}元；待批准事项{}；待发邮件{}",
            s.batches_at_gate,
            s.cases_open,
            s.cases_fen,
            s.proposals.len(),
            s.mails_waiting
        ),
        format!(
            "{} batches at the gate; {} open cases of {}; {} proposals; {} mails to send",
            s.batches_at_gate,
            s.cases_open,
            s.cases_fen,
            s.proposals.len(),
            s.mails_waiting
        ),
    );
    Ok(Exit::Done)
}

/// Everything that somebody should look at.
pub async fn doctor(r: &Reader<'_>, config: &Config, offline: bool) -> Result<Exit, Failure> {
    let now = Clock::System.now();
    let mut found = probe_here(r, config, now).await?;
    if !offline {
        found.extend(probe_others(config).await);
    }
    found.extend(r.store.read().await?.findings(now, now.date(r.zone)).await?);
    let exit = if found.is_empty() { Exit::Done } else { Exit::Person };
    let found: Vec<_> = found.into_iter().map(|f| f.view(r.language, now)).collect();
    if r.out.json {
        r.out.value(&found);
        return Ok(exit);
    }
    let heads = [("对象", "row"), ("银行", "bank"), ("何事", "what"), ("金额（元）", "yuan"), ("已历时", "age"), ("下一步", "next")];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[3, 4]);
    for f in &found {
        let yuan = if f.fen == Fen::ZERO { String::new() } else { f.fen.to_string() };
        let age = f.age_hours.map(|h| r.age(h)).unwrap_or_default();
        sheet.row([f.subject.clone(), f.bank.clone(), scrub_bank_text(&f.what), yuan, age, f.next.clone()]);
    }
    r.out.show(&sheet, r.pick("一切正常，无需人工处理", "all is well, nothing waits for a person"));
    Ok(exit)
}

fn finding(kind: &'static str, subject: impl Into<String>, what: Words, next: Words) -> Finding {
    Finding { kind, subject: subject.into(), bank: String::new(), what, next, fen: Fen::ZERO, since: None }
}

async fn probe_here(r: &Reader<'_>, config: &Config, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    let mut found = Vec::new();
    let mut tx = r.store.read().await?;
    let skew = r.store.database_time(&mut tx).await?.millis() - now.millis();
    if skew.abs() > SKEW_MAX_MILLIS {
        let what =
            Words::new(format!("本机时钟与数据库相差{skew}毫秒"), format!("this machine's clock and the database's differ by {skew} ms"));
        found.push(finding(
            "clock",
            config.node.name.clone(),
            what,
            Words::new("校准时钟（chrony、systemd-timesyncd）", "set the clocks (chrony, systemd-timesyncd)"),
        ));
    }
    if r.store.replication().await? == Replication::Asynchronous {
        let what = Words::new(
            "数据库有备库但提交不等待备库，切换时可能丢失最近的记录",
            "the database has standbys and commits wait for none: a promotion may lose the last of them",
        );
        let next = Words::new(
            "在数据库上设置 synchronous_standby_names（见 RUNBOOK）",
            "set synchronous_standby_names on the database (see the runbook)",
        );
        found.push(finding("replication", config.node.name.clone(), what, next));
    }
    for problem in config.folders_missing() {
        found.push(finding(
            "folder",
            config.node.name.clone(),
            Words::new(problem.clone(), problem),
            Words::new("建立目录并设好权限", "make the folder, for bankgate's user"),
        ));
    }
    Ok(found)
}

async fn probe_others(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for bank in &config.banks {
        let error = match assemble::edge(bank) {
            Err(error) => Some(error.to_string()),
            Ok(edge) => match edge.transport.open().await {
                Err(error) => Some(error.to_string()),
                Ok(mut mailbox) => mailbox.list(&edge.outbox).await.err().map(|e| e.to_string()),
            },
        };
        if let Some(error) = error {
            let what = Words::new(format!("银行目录不可用: {error}"), format!("the mailbox cannot be used: {error}"));
            let next = Words::new("按错误所述处理，或联系银行", "do what the error says, or call the bank");
            found.push(Finding { bank: bank.code.clone(), ..finding("mailbox", format!("bank {}", bank.code), what, next) });
        }
    }
    let error = match assemble::mailer(&config.mail) {
        Err(error) => Some(error.to_string()),
        Ok(Mailer::Smtp(smtp)) => smtp.probe().await.err().map(|e| e.to_string()),
        Ok(Mailer::File(_) | Mailer::Memory(_) | Mailer::Given(_)) => None,
    };
    found.extend(error.map(|error| {
        let what = Words::new(format!("邮件服务器不可用: {error}"), format!("the mail server cannot be used: {error}"));
        finding("mail_server", "mail", what, Words::new("按错误所述处理", "do what the error says"))
    }));
    found
}

/// The equations.
pub async fn ledger(r: &Reader<'_>) -> Result<Exit, Failure> {
    let books = r.store.read().await?.books().await?;
    let unequal = books.unequal();
    let exit = if unequal.is_empty() { Exit::Done } else { Exit::Failed };
    if r.out.json {
        r.out.value(&serde_json::json!({ "holds": unequal.is_empty(), "unequal": unequal, "totals": books.totals(), "books": books }));
        return Ok(exit);
    }
    let heads = [
        ("批次", "batch"),
        ("核准", "approved"),
        ("拒收", "rejected"),
        ("等待", "held"),
        ("待组", "pending"),
        ("待重试", "retry"),
        ("在途", "in flight"),
        ("成功", "paid"),
        ("不明", "unknown"),
        ("未结失败", "open cases"),
        ("退回国库", "refunded"),
        ("取消", "cancelled"),
        ("另批重发", "reissued"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&(1..heads.len()).collect::<Vec<_>>());
    for b in &books.batches {
        let o = &b.owed;
        let shares = [
            o.approved,
            o.rejected,
            o.held,
            o.pending,
            o.awaiting_retry,
            o.in_flight,
            o.paid,
            o.unknown,
            o.open_cases,
            o.refunded,
            o.cancelled,
            o.reissued,
        ];
        let text = |s: Share| if s == Share::default() { "-".to_owned() } else { format!("{} / {}", s.count, s.fen) };
        sheet.row(std::iter::once(b.batch.clone()).chain(shares.map(text)));
    }
    r.out.show(&sheet, r.pick("（没有已发放的批次）", "(no released batch)"));
    let heads = [
        ("部门", "department"),
        ("项目", "project"),
        ("年度", "year"),
        ("科目", "account"),
        ("银行", "bank"),
        ("明细账", "subledger"),
        ("总账", "ledger"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[5, 6]);
    for a in &books.accounts {
        let cells = [
            a.department.clone(),
            a.project.clone(),
            a.year.to_string(),
            a.kind.clone(),
            a.bank.clone(),
            a.subledger.to_string(),
            a.ledger.to_string(),
        ];
        sheet.toned(cells.map(|c| (c, if a.subledger == a.ledger { Tone::Plain } else { Tone::Bad })));
    }
    r.out.show(&sheet, r.pick("（没有科目）", "(no accounts)"));
    for u in &unequal {
        let apart = (u.left.count - u.right.count, Fen::new(u.left.fen.get() - u.right.fen.get()));
        r.line(
            format!(
                "等式({})不成立：{}：{} / {}元 ≠ {} / {}元，相差{}笔 / {}元",
                u.equation, u.subject, u.left.count, u.left.fen, u.right.count, u.right.fen, apart.0, apart.1
            ),
            format!(
                "({}) does not hold: {}: {} of {} is not {} of {}: {} of {} apart",
                u.equation, u.subject, u.left.count, u.left.fen, u.right.count, u.right.fen, apart.0, apart.1
            ),
        );
    }
    if unequal.is_empty() {
        r.line("等式(a)(b)(c)全部成立", "(a), (b) and (c) hold for all");
    }
    Ok(exit)
}

/// All batches.
pub async fn batches(r: &Reader<'_>, limit: i64) -> Result<Exit, Failure> {
    let batches = r.store.read().await?.batch_views(&Choice { limit, ..Choice::default() }).await?;
    if r.out.json {
        r.out.value(&batches);
        return Ok(Exit::Done);
    }
    let heads = [
        ("批次", "batch"),
        ("类型", "kind"),
        ("部门", "department"),
        ("项目", "project"),
        ("所属期", "period"),
        ("发放日", "pay on"),
        ("笔数", "rows"),
        ("金额（元）", "yuan"),
        ("状态", "state"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[6, 7]);
    for b in batches {
        let (kind, state) = (r.state(&b.kind).to_owned(), r.state(&b.state).to_owned());
        let cells = [b.number, kind, b.department, b.project, b.period, b.pay_on, b.count.to_string(), b.fen.to_string()];
        sheet.toned(cells.map(|c| (c, Tone::Plain)).into_iter().chain([(state, tone(&b.state))]));
    }
    r.out.show(&sheet, r.pick("（没有批次）", "(no batches)"));
    Ok(Exit::Done)
}

/// One batch.
pub async fn batch(r: &Reader<'_>, number: &str) -> Result<Exit, Failure> {
    let Some(d) = r.store.read().await?.batch_detail(number).await? else {
        return Err(none(r, format!("没有批次{number}"), format!("there is no batch {number}")));
    };
    if r.out.json {
        r.out.value(&d);
        return Ok(Exit::Done);
    }
    let b = &d.batch;
    r.line(
        format!(
            "批次{}（{}）：部门{}，项目{}，所属期{}，{}发放，{}笔{}元，{}",
            b.number,
            r.state(&b.kind),
            b.department,
            b.project,
            b.period,
            b.pay_on,
            b.count,
            b.fen,
            r.state(&b.state)
        ),
        format!(
            "batch {} ({}): {} {} {}, pay on {}, {} rows of {}, {}",
            b.number, b.kind, b.department, b.project, b.period, b.pay_on, b.count, b.fen, b.state
        ),
    );
    r.line(
        format!("经办{}，审核{}，复核{}，发放{} {}", b.maker, b.approver, b.finance_reviewer, b.released_by, r.time(b.released_at)),
        format!(
            "maker {}, approver {}, reviewer {}, released by {} {}",
            b.maker,
            b.approver,
            b.finance_reviewer,
            b.released_by,
            r.time(b.released_at)
        ),
    );
    b.reasons.lines().for_each(|reason| r.out.line(format!("  {reason}")));
    print_files_out(r, &d.files);
    let mut sheet =
        r.out.sheet(r.heads(&[("种类", "kind"), ("原因", "reason"), ("状态", "state"), ("笔数", "count"), ("金额（元）", "yuan")]));
    sheet.right(&[3, 4]);
    for c in d.cases {
        let cells = [r.state(&c.kind).to_owned(), c.reason.clone(), r.state(&c.state).to_owned(), c.count.to_string(), c.fen.to_string()];
        sheet.row(cells);
    }
    r.out.show(&sheet, r.pick("（没有失败）", "(no failures)"));
    Ok(Exit::Done)
}

/// One payment.
pub async fn payment(r: &Reader<'_>, what: &str, row: Option<i64>) -> Result<Exit, Failure> {
    let mut tx = r.store.read().await?;
    let found = match (EndToEndId::parse(what), row) {
        (Some(EndToEndId(id)), None) => tx.payment_by_instruction(id).await?,
        (_, Some(row)) => tx.payment_by_row(what, row).await?,
        (None, None) => {
            return Err(Failure::misused(
                Words::new(
                    format!("“{what}”不是支付编号；请给出 BG 编号，或批次号和序号"),
                    format!("{what:?} is no reference: give one (BG…), or a batch's number and the row's"),
                )
                .in_language(r.language),
            ));
        }
    };
    let Some(p) = found else {
        return Err(none(r, format!("没有这笔支付：{what}"), format!("there is no such payment: {what}")));
    };
    let p = scrubbed(p);
    if r.out.json {
        r.out.value(&p);
        return Ok(Exit::Done);
    }
    r.line(
        format!(
            "批次{}第{}行：{}（收款人{}，卡{}），{}{}，{}元，{}",
            p.batch,
            p.seq,
            p.entitled_name,
            p.payee_name,
            p.account,
            p.township,
            p.village,
            p.fen,
            r.state(&p.state)
        ),
        format!(
            "batch {} row {}: {} (payee {}, card {}), {} {}, {}, {}",
            p.batch, p.seq, p.entitled_name, p.payee_name, p.account, p.township, p.village, p.fen, p.state
        ),
    );
    let heads = [
        ("编号", "reference"),
        ("次", "try"),
        ("批次", "batch"),
        ("银行", "bank"),
        ("文件", "file"),
        ("行", "line"),
        ("状态", "state"),
        ("原因", "reason"),
        ("银行原话", "bank's words"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    for a in &p.attempts {
        let line = a.line.map(|l| l.to_string()).unwrap_or_default();
        let reference = EndToEndId(a.instruction).to_string();
        let cells = [reference, a.attempt.to_string(), a.batch.clone(), a.bank.clone(), a.file_name.clone(), line];
        let rest = [(r.state(&a.state).to_owned(), tone(&a.state)), (a.reason.clone(), Tone::Plain), (a.bank_words.clone(), Tone::Plain)];
        sheet.toned(cells.map(|c| (c, Tone::Plain)).into_iter().chain(rest));
    }
    r.out.show(&sheet, r.pick("（尚未指令银行）", "(no bank was told yet)"));
    let heads = [
        ("编号", "reference"),
        ("来件", "file"),
        ("种类", "kind"),
        ("件状态", "file is"),
        ("行", "line"),
        ("结果", "outcome"),
        ("终态", "final"),
        ("银行原话", "bank's words"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    for (a, n) in p.attempts.iter().flat_map(|a| a.answers.iter().map(move |n| (a, n))) {
        let is_final = r.pick(if n.is_final { "是" } else { "否" }, if n.is_final { "yes" } else { "no" });
        let words = format!("{} {}", n.raw_code, n.raw_text);
        let cells = [n.name.as_str(), r.state(&n.kind), r.state(&n.file_state)].map(str::to_owned);
        let head = std::iter::once(EndToEndId(a.instruction).to_string());
        sheet.row(head.chain(cells).chain([n.line.to_string(), r.state(&n.outcome).to_owned(), is_final.to_owned(), words]));
    }
    r.out.show(&sheet, r.pick("（银行尚无答复）", "(no bank has answered)"));
    Ok(Exit::Done)
}

/// A bank's words may name the card's true holder, or quote a whole number.
fn scrubbed(mut payment: PaymentView) -> PaymentView {
    for attempt in &mut payment.attempts {
        attempt.bank_words = scrub_bank_text(&attempt.bank_words);
        for answer in &mut attempt.answers {
            answer.raw_text = scrub_bank_text(&answer.raw_text);
        }
    }
    payment
}

/// Files, ours or the banks'.
pub async fn files(r: &Reader<'_>, inbound: bool, bank: &str, state: &str, limit: i64) -> Result<Exit, Failure> {
    let choice = Choice { bank, state, limit, ..Choice::default() };
    let mut tx = r.store.read().await?;
    if inbound {
        let files = tx.files_of_banks(&choice, 0).await?;
        if r.out.json { r.out.value(&files) } else { print_files_in(r, &files) }
    } else {
        let files = tx.files_out(&choice).await?;
        if r.out.json { r.out.value(&files) } else { print_files_out(r, &files) }
    }
    Ok(Exit::Done)
}

/// One file, and what answers it.
pub async fn file(r: &Reader<'_>, id: i64, inbound: bool) -> Result<Exit, Failure> {
    let choice = Choice { id, limit: 1, ..Choice::default() };
    let mut tx = r.store.read().await?;
    if inbound {
        let Some(file) = tx.files_of_banks(&choice, 0).await?.into_iter().next() else {
            return Err(none(r, format!("没有来件{id}"), format!("the banks gave no file {id}")));
        };
        if r.out.json {
            r.out.value(&file);
        } else {
            print_files_in(r, std::slice::from_ref(&file));
            r.out.line(format!("SHA-256 {}", file.sha256));
            r.out.line(file.problems);
        }
        return Ok(Exit::Done);
    }
    let Some(file) = tx.files_out(&choice).await?.into_iter().next() else {
        return Err(none(r, format!("没有文件{id}；来件请加 --in"), format!("there is no file {id} of ours; for the banks' give --in")));
    };
    let answers = tx.files_of_banks(&Choice { limit: 1000, ..Choice::default() }, id).await?;
    if r.out.json {
        r.out.value(&serde_json::json!({ "file": file, "answers": answers }));
        return Ok(Exit::Done);
    }
    print_files_out(r, std::slice::from_ref(&file));
    r.out.line(format!("SHA-256 {}", file.sha256));
    if !file.held_reason.is_empty() {
        r.out.line(&file.held_reason);
    }
    print_files_in(r, &answers);
    Ok(Exit::Done)
}

fn print_files_out(r: &Reader<'_>, files: &[FileOutView]) {
    let heads = [
        ("文件", "file"),
        ("银行", "bank"),
        ("批次", "batch"),
        ("路径", "path"),
        ("业务日", "date"),
        ("笔数", "rows"),
        ("金额（元）", "yuan"),
        ("状态", "state"),
        ("发送", "sent"),
        ("应回盘", "due"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 5, 6]);
    for f in files {
        let cells = [
            f.id.to_string(),
            f.bank.clone(),
            f.batch.clone(),
            f.path.clone(),
            f.business_date.clone(),
            f.rows.to_string(),
            f.fen.to_string(),
        ];
        let rest =
            [(r.state(&f.state).to_owned(), tone(&f.state)), (r.time(f.sent_at), Tone::Plain), (r.time(f.result_due_at), Tone::Plain)];
        sheet.toned(cells.map(|c| (c, Tone::Plain)).into_iter().chain(rest));
    }
    r.out.show(&sheet, r.pick("（没有文件）", "(no files)"));
}

fn print_files_in(r: &Reader<'_>, files: &[FileInView]) {
    let heads = [
        ("来件", "file"),
        ("银行", "bank"),
        ("种类", "kind"),
        ("路径", "path"),
        ("答复文件", "answers"),
        ("字节", "bytes"),
        ("状态", "state"),
        ("见于", "seen"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 4, 5]);
    for f in files {
        let answers = f.file_out.map(|id| id.to_string()).unwrap_or_default();
        let cells = [f.id.to_string(), f.bank.clone(), r.state(&f.kind).to_owned(), f.path.clone(), answers, f.bytes.to_string()];
        let rest = [(r.state(&f.state).to_owned(), tone(&f.state)), (r.time(Some(f.seen_at)), Tone::Plain)];
        sheet.toned(cells.map(|c| (c, Tone::Plain)).into_iter().chain(rest));
    }
    r.out.show(&sheet, r.pick("（没有来件）", "(no files of the banks)"));
}

fn none(r: &Reader<'_>, zh: String, en: String) -> Failure {
    Failure::failed(Words::new(zh, en).in_language(r.language))
}
