//! A batch's evidence as one folder (批次证据): what was applied for and by whose hands, what banks were told and said, where the
//! money went, who was written to; with the stretch of the audit log from its first word to the head, and a list of hashes that
//! plain `sha256sum -c` checks without us.
//!
//! Names, identity numbers and cards stand masked, and instead of a file that went to a bank or came from one stands what it says,
//! line by line, masked too, beside the hash of its bytes; whole only for whoever may, on record. The folder must be new: evidence
//! is not mixed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::journal::write_csv;
use super::super::{Gateway, PassError, seal};
use crate::domain::time::Timestamp;
use crate::passes::papers::voucher::voucher;
use crate::store::dossier::{APPLICATION, READ_IN, READ_OUT, STATEMENT_LINES, TABLES};
use crate::store::evidence::AuditRow;
use crate::store::journal::Which;
use crate::store::sql::Tx;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Files, the list of hashes not counted.
    pub files: usize,
    /// The number and hash of the audit log's head.
    pub head: (i64, String),
    /// What could not be proven; nothing should stand here.
    pub problems: Vec<String>,
}

/// A folder that is being filled.
struct Folder<'a> {
    gateway: &'a Gateway,
    root: PathBuf,
    batch: &'a str,
    is_whole: bool,
    problems: Vec<String>,
}

/// Writes a batch's evidence into a new folder.
///
/// # Errors
/// The folder is there and not empty, there is no such batch, or the database or disk fails.
pub async fn export(gateway: &Gateway, batch: &str, root: &Path, is_whole: bool, now: Timestamp) -> Result<Exported, PassError> {
    let mut tx = gateway.store.read().await?;
    if tx.batch_hands(batch).await?.is_none() {
        return Err(PassError::Broken(format!("there is no batch {batch}: `bankgate batch list` shows them")));
    }
    if fs::read_dir(root).is_ok_and(|mut dir| dir.next().is_some()) {
        return Err(PassError::Broken(format!("{} is not empty: name a new folder", root.display())));
    }
    let mut folder = Folder { gateway, root: root.to_owned(), batch, is_whole, problems: Vec::new() };
    folder.make("")?;
    folder.application(&mut tx).await?;
    folder.approvals(&mut tx).await?;
    for table in &TABLES {
        folder.table(&mut tx, table).await?;
    }
    let lines = tx.statement_lines_of(batch).await?;
    let mut csv = folder.csv("statement_lines.csv", &STATEMENT_LINES)?;
    write_rows(&mut csv, &lines, &STATEMENT_LINES)?;
    close(csv)?;
    let mut ledger = folder.file("ledger.csv")?;
    write_csv(&mut tx, gateway.zone(), &mut ledger, Which { batch, ..Which::default() }).await?;
    ledger.flush().map_err(PassError::local("writing", "ledger.csv"))?;
    folder.mails(&mut tx).await?;
    folder.vouchers(&mut tx).await?;
    if is_whole {
        folder.files_out(&mut tx).await?;
        folder.files_in(&mut tx).await?;
    } else {
        folder.readings(&mut tx).await?;
    }
    let head = folder.chain(&mut tx).await?;
    folder.readme(&head, now)?;
    let files = folder.manifest()?;
    Ok(Exported { files, head, problems: folder.problems })
}

impl Folder<'_> {
    fn make(&self, inner: &str) -> Result<PathBuf, PassError> {
        let path = if inner.is_empty() { self.root.clone() } else { self.root.join(inner) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(PassError::local("making", &path))?;
        Ok(path)
    }

    fn file(&self, name: &str) -> Result<BufWriter<File>, PassError> {
        let path = self.root.join(name);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(PassError::local("making", &path))?;
        Ok(BufWriter::with_capacity(1 << 16, file))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), PassError> {
        let mut file = self.file(name)?;
        file.write_all(bytes).and_then(|()| file.flush()).map_err(PassError::local("writing", name))
    }

    fn csv(&self, name: &str, heads: &[&str]) -> Result<csv::Writer<BufWriter<File>>, PassError> {
        let mut file = self.file(name)?;
        // Without the mark, spreadsheet programs take UTF-8 for GBK.
        file.write_all("\u{feff}".as_bytes()).map_err(PassError::local("writing", name))?;
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(heads).map_err(broken)?;
        Ok(csv)
    }

    async fn application(&self, tx: &mut Tx) -> Result<(), PassError> {
        let mut csv = self.csv("application.csv", &APPLICATION)?;
        let mut after = i64::MIN;
        while let (rows, Some(last)) = tx.application_page(self.batch, after, self.is_whole).await? {
            after = last;
            write_rows(&mut csv, &rows, &APPLICATION)?;
        }
        close(csv)
    }

    async fn table(&self, tx: &mut Tx, table: &crate::store::dossier::Table) -> Result<(), PassError> {
        let mut csv = self.csv(table.name, table.heads)?;
        let mut after = 0;
        loop {
            let rows = tx.dossier_page(table, self.batch, after).await?;
            let Some(last) = rows.last().and_then(|row| row.first()).and_then(|key| key.parse().ok()) else { break };
            after = last;
            write_rows(&mut csv, &rows, table.heads)?;
        }
        close(csv)
    }

    /// The hands, each with what the audit log knows of it; a hand without a row acted in the platform.
    async fn approvals(&self, tx: &mut Tx) -> Result<(), PassError> {
        const HEADS: [&str; 5] = ["hand", "who", "at", "audit_row", "detail"];
        let mut csv = self.csv("approvals.csv", &HEADS)?;
        let log = tx.audit_of_batch(self.batch).await?;
        if let Some(hands) = tx.batch_hands(self.batch).await? {
            let named = [
                ("maker", hands.maker, "batch.import"),
                ("approver", hands.approver, "batch.approve"),
                ("finance_reviewer", hands.finance_reviewer, "batch.review"),
                ("released_by", hands.released_by, "batch.release"),
            ];
            for (hand, who, act) in named.into_iter().filter(|(_, who, _)| !who.is_empty()) {
                let row = log.iter().rfind(|row| row.act == act && row.actor == who);
                let at = row.map(|row| row.at).or(hands.released_at.filter(|_| hand == "released_by"));
                let (at, id) = (at.map(|at| at.to_string()).unwrap_or_default(), row.map(|row| row.id.to_string()).unwrap_or_default());
                let detail = row.map(|row| row.detail.clone()).unwrap_or_default();
                csv.write_record([hand, &who, &at, &id, &detail]).map_err(broken)?;
            }
        }
        for row in &log {
            csv.write_record([&row.act, &row.actor, &row.at.to_string(), &row.id.to_string(), &row.detail]).map_err(broken)?;
        }
        close(csv)
    }

    async fn mails(&self, tx: &mut Tx) -> Result<(), PassError> {
        let Some(table) = TABLES.iter().find(|table| table.name == "mails.csv") else { return Ok(()) };
        let mut after = 0;
        loop {
            let rows = tx.dossier_page(table, self.batch, after).await?;
            if rows.is_empty() {
                return Ok(());
            }
            self.make("mails")?;
            for id in rows.iter().filter_map(|row| row.first()?.parse::<i64>().ok()) {
                after = id;
                self.put(&format!("mails/{id:06}.eml"), &tx.letter_bytes(id).await?)?;
            }
        }
    }

    /// The vouchers of the refunds, as they are printed for signature.
    async fn vouchers(&self, tx: &mut Tx) -> Result<(), PassError> {
        for id in tx.refund_orders_of(self.batch).await? {
            let Some(order) = tx.refund_order(id).await? else { continue };
            self.make("vouchers")?;
            let (names, lines) = (tx.refund_names(&order).await?, tx.refund_lines(order.id).await?);
            let name = format!("vouchers/{}", plain(&order.number));
            let paper = voucher(self.gateway.config.language, &order, &names, &lines).map_err(PassError::local("writing", &name))?;
            self.put(&format!("{name}.html"), paper.html.as_bytes())?;
            self.put(&format!("{name}.txt"), paper.text.as_bytes())?;
        }
        Ok(())
    }

    /// What each file says, people masked: ours from the rows that it was made of, a bank's from the lines that were read. A refund's
    /// file carries one order, whose voucher says it all.
    async fn readings(&self, tx: &mut Tx) -> Result<(), PassError> {
        for id in tx.sealed_files_of(self.batch).await? {
            let (mut page, mut after) = tx.read_out_page(id, 0).await?;
            if after.is_none() {
                continue;
            }
            self.make("files_out")?;
            let file = tx.file(id).await?;
            let mut csv = self.csv(&format!("files_out/{id:06}_{}.masked.csv", plain(&file.name)), &READ_OUT)?;
            while let Some(last) = after {
                write_rows(&mut csv, &page, &READ_OUT)?;
                (page, after) = tx.read_out_page(id, last).await?;
            }
            close(csv)?;
        }
        for file in tx.kept_files_of(self.batch).await? {
            let (mut page, mut after) = tx.read_in_page(file.id, 0).await?;
            if after.is_none() {
                continue;
            }
            self.make("files_in")?;
            let name = format!("files_in/{:06}_{}_{}.masked.csv", file.id, plain(&file.kind), plain(&file.name));
            let mut csv = self.csv(&name, &READ_IN)?;
            while let Some(last) = after {
                write_rows(&mut csv, &page, &READ_IN)?;
                (page, after) = tx.read_in_page(file.id, last).await?;
            }
            close(csv)?;
        }
        Ok(())
    }

    /// Our files as they went out: rendered again from the committed rows, else as they lie in the spool; never other bytes than
    /// were sealed.
    async fn files_out(&mut self, tx: &mut Tx) -> Result<(), PassError> {
        for id in tx.sealed_files_of(self.batch).await? {
            self.make("files_out")?;
            let file = tx.file(id).await?;
            let name = format!("files_out/{id:06}_{}", plain(&file.name));
            let scratch = tempfile::tempdir().map_err(PassError::local("making", "a scratch folder"))?;
            match seal::render(self.gateway, &file, scratch.path()).await {
                Ok((rendered, fresh)) if rendered.sha256 == file.sha256 => {
                    self.copy(&fresh, &name, &file.sha256)?;
                    if let Some(flag) = rendered.flag {
                        self.put(&format!("files_out/{id:06}_{}", plain(&file.flag_name)), &flag)?;
                    }
                }
                rendered => {
                    let why = match rendered {
                        Ok((rendered, _)) => format!("rendered again it hashes to {}", rendered.sha256),
                        Err(PassError::Broken(why)) => why,
                        Err(other) => return Err(other),
                    };
                    let kept = self.gateway.spool(&file.sha256);
                    if kept.is_file() {
                        self.copy(&kept, &name, &file.sha256)?;
                    } else {
                        self.problems.push(format!("file {id} ({}): {why}, and the spool has it no more", file.name));
                    }
                }
            }
        }
        Ok(())
    }

    async fn files_in(&mut self, tx: &mut Tx) -> Result<(), PassError> {
        for file in tx.kept_files_of(self.batch).await? {
            self.make("files_in")?;
            let kept = self.gateway.archived(&file.sha256);
            if kept.is_file() {
                self.copy(&kept, &format!("files_in/{:06}_{}_{}", file.id, plain(&file.kind), plain(&file.name)), &file.sha256)?;
            } else {
                self.problems.push(format!("the bank's file {} ({}): the archive has no {}", file.id, file.name, file.sha256));
            }
        }
        Ok(())
    }

    /// Copies bytes, and says so where they are not what they should be.
    fn copy(&mut self, from: &Path, name: &str, sha256: &str) -> Result<(), PassError> {
        let mut source = File::open(from).map_err(PassError::local("reading", from))?;
        let mut target = self.file(name)?;
        io::copy(&mut source, &mut target).and_then(|_| target.flush()).map_err(PassError::local("copying", from))?;
        let found = digest(&self.root.join(name))?;
        if found != sha256 {
            self.problems.push(format!("{name} hashes to {found}, on record is {sha256}"));
        }
        Ok(())
    }

    /// The stretch of the audit log from the first word about the batch to the head, without a gap, so that every link can be
    /// computed anew; it is proven here too.
    async fn chain(&mut self, tx: &mut Tx) -> Result<(i64, String), PassError> {
        const HEADS: [&str; 8] = ["id", "at_ms", "actor", "act", "subject", "detail", "previous", "hash"];
        let first = tx.audit_of_batch(self.batch).await?.first().map_or(1, |row| row.id);
        let mut csv = self.csv("audit.csv", &HEADS)?;
        let mut last: Option<AuditRow> = None;
        loop {
            let page = tx.audit_page(last.as_ref().map_or(first - 1, |row| row.id), 1000).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                let previous = last.as_ref().map_or(row.previous.clone(), |last| last.hash.clone());
                if !row.holds_behind(&previous) {
                    self.problems.push(format!("row {} of the audit log does not hold", row.id));
                }
                let (id, at) = (row.id.to_string(), row.at.millis().to_string());
                let record = [&id, &at, &row.actor, &row.act, &row.subject, &row.detail, &row.previous, &row.hash];
                csv.write_record(record).map_err(broken)?;
                last = Some(row);
            }
        }
        close(csv)?;
        Ok(last.map(|row| (row.id, row.hash)).unwrap_or_default())
    }

    fn readme(&self, head: &(i64, String), now: Timestamp) -> Result<(), PassError> {
        let kind = if self.is_whole {
            "本目录含完整的姓名、身份证号和卡号，导出人与时间已记入审计链。请加密保管，用毕销毁。"
        } else {
            "本目录中姓名、身份证号、卡号均已遮盖；与银行往来的文件以遮盖后的逐行内容代替（*.masked.csv），原文件只列其摘要（files_out.csv、files_in.csv）。\n审计或财政人员可用 --whole 导出完整证据（记入审计链）。"
        };
        let (files, answers) = if self.is_whole {
            ("原文件，按已提交数据重新生成并与封存摘要核对", "原文件，按收到时的字节保存")
        } else {
            ("其遮盖后的逐行内容", "其遮盖后的逐行内容；无法读懂的文件没有")
        };
        let problems = if self.problems.is_empty() { "无".to_owned() } else { self.problems.join("\n") };
        let made = now.local(self.gateway.zone()).format("%Y-%m-%d %H:%M");
        let (number, hash) = head;
        let text = format!(
            "批次 {batch} 证据　导出时间 {made}\n\n{kind}\n\n\
             batch.csv            批次：部门、项目、所属期、申报笔数与金额、预算科目、凭证号、审批摘要\n\
             application.csv      申请：批次内逐笔明细，按审批时的内容\n\
             approvals.csv        经手：经办、审核、复核、发放各由谁、何时，及审计链中与本批次有关的操作\n\
             files_out.csv        发给银行的文件：名称、笔数、金额、状态、摘要（files_out/ 为{files}）\n\
             files_in.csv         银行的回执、回盘、退票文件（files_in/ 为{answers}）\n\
             results.csv          逐笔结果：每次发放的状态、原因、所在文件与行\n\
             cases.csv            失败及其处理\n\
             refunds.csv          退回国库：退款单号、预算科目、凭证号、提出人、批准人、回单；vouchers/ 为退款凭证\n\
             statement_lines.csv  对账单中与本批次有关的行，及该对账单文件的摘要\n\
             ledger.csv           总账分录\n\
             events.csv           文件与支付的状态变化\n\
             mails.csv mails/     发出的邮件\n\
             audit.csv            审计链：自本批次第一条记录至链首，连续无缺\n\n\
             金额列 _fen 单位为分；时间为 UTC（ISO 8601），at_ms 为自 1970-01-01 起的毫秒数。\n\n\
             一、文件未被改动：在本目录执行  sha256sum -c MANIFEST.sha256\n\
             二、操作记录未被改动：audit.csv 每行的 hash 应等于下式，且每行的 previous 等于上一行的 hash：\n\
             \u{3000}\u{3000}sha256( [id,at_ms,\"actor\",\"act\",\"subject\",\"detail\",\"previous\"] )\n\
             \u{3000}\u{3000}即上述七项组成的 JSON 数组（UTF-8，无空格，除 \\\" \\\\ 与控制字符外不转义）的 SHA-256，十六进制小写。\n\
             三、链首：第 {number} 号 {hash}\n\
             \u{3000}\u{3000}与当日以后邮寄的日结链首核对：bankgate audit verify --head 摘要\n\n\
             未能证明之处：{problems}\n",
            batch = self.batch,
        );
        self.put("README.txt", text.as_bytes())
    }

    /// Hashes every file, as `sha256sum` writes it.
    fn manifest(&self) -> Result<usize, PassError> {
        let mut names = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(dir) = folders.pop() {
            for entry in fs::read_dir(&dir).map_err(PassError::local("reading", &dir))? {
                let path = entry.map_err(PassError::local("reading", &dir))?.path();
                if path.is_dir() { folders.push(path) } else { names.push(path) }
            }
        }
        names.sort();
        let mut text = String::new();
        for path in &names {
            let name = path.strip_prefix(&self.root).unwrap_or(path).display();
            text.push_str(&format!("{}  {name}\n", digest(path)?));
        }
        self.put("MANIFEST.sha256", text.as_bytes())?;
        Ok(names.len())
    }
}

/// Instants are written as people and programs both read them; everything else as it stands.
fn write_rows(csv: &mut csv::Writer<BufWriter<File>>, rows: &[Vec<String>], heads: &[&str]) -> Result<(), PassError> {
    for row in rows {
        let cells = row.iter().zip(heads).map(|(cell, head)| match cell.parse() {
            Ok(millis) if *head == "at" || head.ends_with("_at") => Timestamp::from_millis(millis).to_string(),
            _ => cell.clone(),
        });
        csv.write_record(cells).map_err(broken)?;
    }
    Ok(())
}

fn close(mut csv: csv::Writer<BufWriter<File>>) -> Result<(), PassError> {
    csv.flush().map_err(|e| broken(e.into()))
}

fn broken(e: csv::Error) -> PassError {
    PassError::local("writing", "a table of the evidence")(e.into())
}

/// A name that every desktop can save and `sha256sum` writes as it is.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

fn digest(path: &Path) -> Result<String, PassError> {
    let mut file = File::open(path).map_err(PassError::local("hashing", path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let n = io::Read::read(&mut file, &mut chunk).map_err(PassError::local("hashing", path))?;
        if n == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(chunk.get(..n).unwrap_or_default());
    }
}
