//! The completed list of a batch (发放完成清单): once, when every payment has its definite word, also when nothing failed.
//!
//! Read a page at a time. A list that no mail could carry keeps only its sums and the payments that were not paid.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::NaiveDate;
use quick_xml::escape::escape;
use tokio::sync::mpsc;

use super::super::letters::{self, CompletedList, CompletedRow, Letter, LetterError, PaymentResult};
use super::super::{Done, Gateway, PassError};
use super::{Addressed, contact, id_of, settle_address, unwritten, written};
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::report::ResultSum;
use crate::domain::time::Timestamp;
use crate::format::workbook::completed_workbook;
use crate::mail::Attachment;
use crate::store::reports::{ListShape, Listed, OpenList, Standing};
use crate::store::sql::Tx;

/// Numbers of a block that are read at a time.
const PAGE: i64 = 5000;
/// Rows of the workbook that are read at a time, and how many such pages may wait for being written.
const ROWS_AT_A_TIME: usize = 1000;
const PAGES_ON_THEIR_WAY: usize = 1;
/// Beyond so many payments the workbook has only those that were not paid: 50,000 rows are about 4 MB, a million no
/// relay takes.
const ROWS_MAX: usize = 50_000;
/// Of those, a workbook has so many: what failed stands in a failure report all the same.
const UNPAID_MAX: usize = 20_000;

/// Sends the lists of the batches that are done.
///
/// # Errors
/// The database; a list that cannot be written is an incident.
pub(super) async fn completed_lists(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let lists = gateway.store.read().await?.lists_open().await?;
    let mut done = Done::default();
    for list in lists {
        match completed_list(gateway, &list, now).await {
            Ok(some) => done += some,
            Err(PassError::Broken(why)) => unwritten(gateway, &format!("completed:{}", list.batch), "", &why, now).await?,
            Err(other) => return Err(other),
        }
    }
    Ok(done)
}

async fn completed_list(gateway: &Gateway, list: &OpenList, now: Timestamp) -> Result<Done, PassError> {
    // One picture of all tables: the sums and the rows are true of the same instant.
    let mut tx = gateway.store.read().await?;
    if !tx.batch_is_done(&list.batch).await? {
        return Ok(Done::default());
    }
    let shape = tx.list_shape(&list.batch).await?;
    let gathered = Gathered::read(&mut tx, list, &shape).await?;
    let key = format!("completed:{}", list.batch);
    let facts = gathered.facts(gateway, list, format!("CL-{}", id_of(gateway, &key).get(..16).unwrap_or_default()), now);
    let (is_large, left_out, language) = (gathered.is_large, gathered.left_out, gateway.config.language);
    // The workbook is written while its rows are read: no more of them are held than are on their way.
    let (into, from) = mpsc::channel(PAGES_ON_THEIR_WAY);
    let letter = written(move || {
        let rows = rows_of(from);
        if is_large { Large { facts, left_out, language }.letter(rows) } else { letters::completed_list(&facts, rows, language) }
    });
    let (read, letter) = tokio::join!(read_rows(&mut tx, &list.batch, &shape, &gathered, into), letter);
    read?;
    let letter = letter?;
    drop(tx);
    let addressed = Addressed::department(gateway, &list.department, letter);
    let is_known = addressed.is_known;
    let post = addressed.post(gateway, key, "completed_list", now)?;
    let mut tx = gateway.store.begin().await?;
    let Some(mail) = post.enqueue(&mut tx, now).await? else { return Ok(Done::default()) };
    if !tx.list_told(&list.batch, mail).await? {
        return Ok(Done::default());
    }
    settle_address(gateway, &mut tx, &list.department, is_known, now).await?;
    tx.commit().await?;
    tracing::info!(batch = list.batch, mail, "completed list written");
    Ok(Done { changed: 1, ..Done::default() })
}

/// Pages of rows, until their sender is done.
fn rows_of(mut from: mpsc::Receiver<Vec<CompletedRow>>) -> impl Iterator<Item = CompletedRow> {
    std::iter::from_fn(move || from.blocking_recv()).flatten()
}

/// Reads the rows of the workbook in their order, page by page, into the channel.
async fn read_rows(
    tx: &mut Tx,
    batch: &str,
    shape: &ListShape,
    gathered: &Gathered,
    into: mpsc::Sender<Vec<CompletedRow>>,
) -> Result<(), PassError> {
    let mut dates: BTreeMap<i64, BTreeMap<i64, NaiveDate>> = BTreeMap::new();
    for page in gathered.listed.chunks(ROWS_AT_A_TIME) {
        let wanted: Vec<Listed> = page.iter().map(|(_, of)| *of).collect();
        let mut found = tx.completed_rows(batch, shape, &wanted).await?;
        let mut rows = Vec::with_capacity(page.len());
        for of in wanted {
            let mut row = found.remove(&of).ok_or_else(|| PassError::Broken(format!("batch {batch}: {of:?} is listed and not there")))?;
            if let (Listed::Instruction(id), PaymentResult::Paid, None) = (of, row.result, row.paid_on) {
                row.paid_on = credited_on(tx, shape, &mut dates, id).await?;
            }
            rows.push(row);
        }
        if into.send(rows).await.is_err() {
            // Who writes has stopped, and says why.
            return Ok(());
        }
    }
    Ok(())
}

/// What was read of a batch.
#[derive(Default)]
struct Gathered {
    is_large: bool,
    sums: BTreeMap<PaymentResult, (u64, Fen)>,
    /// The rows of the workbook, by their numbers in the batch.
    listed: Vec<(i64, Listed)>,
    listed_amount: Fen,
    left_out: u64,
}

impl Gathered {
    async fn read(tx: &mut Tx, list: &OpenList, shape: &ListShape) -> Result<Self, PassError> {
        let mut all = Self { is_large: usize::try_from(list.rows).map_or(true, |rows| rows > ROWS_MAX), ..Self::default() };
        for (first, last, _) in &shape.blocks {
            let mut next = *first;
            // By number and not by count: a page's place in the block does not change what it costs.
            while next <= *last {
                let end = *last.min(&(next + PAGE - 1));
                // An earlier try: the last one says what became of the payment.
                let is_last = |s: &Standing| !matches!(s.of, Listed::Instruction(id) if shape.tried_again.contains(&id));
                tx.standings(shape, (next, end)).await?.into_iter().filter(is_last).for_each(|standing| all.take(standing));
                next = end + 1;
            }
        }
        let mut after = 0;
        while let page = tx.refused_page(&list.batch, after, PAGE).await?
            && let Some((last, _)) = page.last()
        {
            after = *last;
            page.into_iter().for_each(|(_, standing)| all.take(standing));
        }
        all.listed.sort_unstable();
        Ok(all)
    }

    fn take(&mut self, standing: Standing) {
        let (count, amount) = self.sums.entry(standing.result).or_default();
        *count += 1;
        *amount = [*amount, standing.amount].into_iter().sum();
        if self.is_large && standing.result == PaymentResult::Paid {
            return;
        }
        if self.listed.len() < if self.is_large { UNPAID_MAX } else { ROWS_MAX } {
            self.listed.push((standing.seq, standing.of));
            self.listed_amount = [self.listed_amount, standing.amount].into_iter().sum();
        } else {
            self.left_out += 1;
        }
    }

    fn facts(&self, gateway: &Gateway, list: &OpenList, workbook_id: String, now: Timestamp) -> CompletedList {
        CompletedList {
            department: list.department.name.clone(),
            batch_no: list.batch.clone(),
            project: list.project.clone(),
            period: list.period.clone(),
            generated_at: now,
            zone: gateway.zone(),
            workbook_id,
            contact: contact(gateway),
            sums: self.sums.iter().map(|(result, (count, amount))| ResultSum { result: *result, count: *count, amount: *amount }).collect(),
            listed: (u64::try_from(self.listed.len()).unwrap_or(u64::MAX), self.listed_amount),
        }
    }
}

/// When a line was credited that stands as its file stands: the file's answers are read once.
async fn credited_on(
    tx: &mut Tx,
    shape: &ListShape,
    dates: &mut BTreeMap<i64, BTreeMap<i64, NaiveDate>>,
    id: i64,
) -> Result<Option<NaiveDate>, PassError> {
    let Some(file) = shape.base(id).0 else { return Ok(None) };
    let of_file = match dates.entry(file) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unread) => unread.insert(tx.credit_dates(file).await?),
    };
    Ok(of_file.get(&id).copied())
}

/// A list too long for a mail.
struct Large {
    /// With the payments that were not paid only.
    facts: CompletedList,
    left_out: u64,
    language: Language,
}

impl Large {
    fn letter(mut self, rows: impl Iterator<Item = CompletedRow>) -> Result<Letter, LetterError> {
        let language = self.language;
        let (total, amount, paid) = (self.facts.count(), self.facts.amount(), self.facts.paid());
        let (unpaid, capitals) = (total - paid, amount.capitals());
        let CompletedList { department, batch_no, project, period, workbook_id, contact, .. } = &self.facts;
        let made = self.facts.generated_at.local(self.facts.zone).format("%Y-%m-%d %H:%M");
        let subject = match language {
            Language::Zh => {
                format!(
                    "【发放完成】{department} {project}（{period}）批次{batch_no} 共{total}笔 {amount}元，成功{paid}笔，未成功{unpaid}笔"
                )
            }
            Language::En => {
                format!(
                    "[Batch done] {department}, {project} ({period}), batch {batch_no}: {total}, {amount} yuan; {paid} paid, {unpaid} not"
                )
            }
        };
        let mut lines = vec![match language {
            Language::Zh => {
                format!(
                    "{department}：{project}（{period}）批次 {batch_no} 已办理完毕，共 {total} 笔，合计 {amount} 元（大写：{capitals}）。"
                )
            }
            Language::En => {
                format!("To {department}: batch {batch_no} of {project} ({period}) is done: {total} payments, {amount} yuan in all.")
            }
        }];
        lines.extend(self.facts.sums.iter().map(|sum| match language {
            Language::Zh => format!("{}：{} 笔，{} 元", sum.result.words(language), sum.count, sum.amount),
            Language::En => format!("{}: {}, {} yuan", sum.result.words(language), sum.count, sum.amount),
        }));
        lines.push(match language {
            Language::Zh => format!("清单较大，附件只列未成功的支付；逐笔结果在共享数据库视图 v_payment 中（批次 {batch_no}），可向财政信息部门索取。"),
            Language::En => format!(
                "The list is long: the workbook has only what was not paid. Every payment's result stands in view v_payment of the shared database (batch {batch_no}); ask finance IT for it."
            ),
        });
        if self.left_out > 0 {
            lines.push(match language {
                Language::Zh => format!("另有 {} 笔未成功的支付附件未列出，其中失败的逐笔见失败报告。", self.left_out),
                Language::En => format!(
                    "{} more that were not paid found no room in the workbook; each that failed stands in a failure report.",
                    self.left_out
                ),
            });
        }
        lines.push(match language {
            Language::Zh => format!("数据截至 {made}。编号 {workbook_id}。联系：{contact}"),
            Language::En => format!("As of {made}. Reference {workbook_id}. Contact: {contact}"),
        });
        let text = lines.join("\n\n") + "\n";
        let html = lines.iter().map(|line| format!("<p>{}</p>\n", escape(line.as_str()))).collect::<String>();
        let html = format!("<!DOCTYPE html>\n<html lang=\"{}\"><body>\n{html}</body></html>\n", language.pick("zh-CN", "en"));
        let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let attachments = if self.facts.listed.0 == 0 { Vec::new() } else { vec![self.workbook(rows)?] };
        Ok(Letter { subject, text, html, attachments })
    }

    /// The workbook's own title says that it is a part.
    fn workbook(&mut self, rows: impl Iterator<Item = CompletedRow>) -> Result<Attachment, LetterError> {
        let language = self.language;
        self.facts.project.push_str(language.pick("〔仅列未成功〕", " [only what was not paid]"));
        let plain =
            |name: &str| name.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect::<String>();
        let name = plain(&format!("{}_{}.xlsx", language.pick("发放未成功清单", "not_paid"), self.facts.batch_no));
        let mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned();
        Ok(Attachment { name, mime, bytes: completed_workbook(&self.facts, rows, language)? })
    }
}
