//! The completed list of a batch (发放完成清单): once, when every payment has its definite word, also when nothing failed.
//!
//! Read a page at a time. A list that no mail could carry keeps only its sums and the payments that were not paid.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::NaiveDate;
use quick_xml::escape::escape;

use super::super::letters::{self, CompletedList, Letter, LetterError, PaymentResult};
use super::super::{Done, Gateway, PassError};
use super::{Addressed, contact, id_of, unwritten, written};
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::report::ResultSum;
use crate::domain::time::Timestamp;
use crate::format::workbook::completed_workbook;
use crate::mail::Attachment;
use crate::store::reports::{ListShape, ListedPayment, OpenList};
use crate::store::sql::Tx;

/// Rows read at a time.
const PAGE: i64 = 2000;
/// Beyond so many payments the workbook has only those that were not paid: 50,000 rows are about 4 MB, a million no
/// relay takes.
const ROWS_MAX: usize = 50_000;

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
    let gathered = Gathered::read(&mut tx, list).await?;
    drop(tx);
    let key = format!("completed:{}", list.batch);
    let letter = {
        let workbook_id = format!("CL-{}", id_of(gateway, &key).get(..16).unwrap_or_default());
        let (facts, sums, left_out) = gathered.into_list(gateway, list, workbook_id, now);
        let language = gateway.config.language;
        match sums {
            None => written(move || letters::completed_list(&facts, language)).await?,
            Some(sums) => written(move || Large { facts, sums, left_out, language }.letter()).await?,
        }
    };
    let addressed = Addressed::department(gateway, &list.department, letter);
    let post = addressed.post(gateway, key, "completed_list", now)?;
    let mut tx = gateway.store.begin().await?;
    let Some(mail) = post.enqueue(&mut tx, now).await? else { return Ok(Done::default()) };
    if !tx.list_told(&list.batch, mail).await? {
        return Ok(Done::default());
    }
    addressed.settle_address(gateway, &mut tx, &list.department, now).await?;
    tx.commit().await?;
    tracing::info!(batch = list.batch, mail, "completed list written");
    Ok(Done { changed: 1, ..Done::default() })
}

/// What was read of a batch.
#[derive(Default)]
struct Gathered {
    is_large: bool,
    sums: BTreeMap<PaymentResult, (u64, Fen)>,
    rows: Vec<ListedPayment>,
    left_out: u64,
}

impl Gathered {
    async fn read(tx: &mut Tx, list: &OpenList) -> Result<Self, PassError> {
        let mut all = Self { is_large: usize::try_from(list.rows).map_or(true, |rows| rows > ROWS_MAX), ..Self::default() };
        let shape = tx.list_shape(&list.batch).await?;
        let mut dates: BTreeMap<i64, BTreeMap<i64, NaiveDate>> = BTreeMap::new();
        for block in &shape.blocks {
            let mut after = block.0 - 1;
            loop {
                let page = tx.list_page(&list.batch, &shape, block, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.id;
                for mut payment in page {
                    // An earlier try: the last one says what became of the payment.
                    if shape.tried_again.contains(&payment.id) {
                        continue;
                    }
                    if !all.is_large && payment.row.result == PaymentResult::Paid && payment.row.paid_on.is_none() {
                        payment.row.paid_on = credited_on(tx, &shape, &mut dates, payment.id).await?;
                    }
                    all.take(payment);
                }
            }
        }
        let mut after = 0;
        while let (page, Some(last)) = tx.rejected_page(&list.batch, after, PAGE).await? {
            after = last;
            page.into_iter().for_each(|payment| all.take(payment));
        }
        all.rows.sort_by_key(|payment| (payment.seq, payment.id));
        Ok(all)
    }

    fn take(&mut self, payment: ListedPayment) {
        let (count, amount) = self.sums.entry(payment.row.result).or_default();
        *count += 1;
        *amount = [*amount, payment.row.amount].into_iter().sum();
        let is_listed = !self.is_large || payment.row.result != PaymentResult::Paid;
        match is_listed {
            true if self.rows.len() < ROWS_MAX => self.rows.push(payment),
            true => self.left_out += 1,
            false => {}
        }
    }

    /// The facts of the letter; for a large batch its sums as well, and how many unpaid ones found no room.
    fn into_list(
        self,
        gateway: &Gateway,
        list: &OpenList,
        workbook_id: String,
        now: Timestamp,
    ) -> (CompletedList, Option<Vec<ResultSum>>, u64) {
        let facts = CompletedList {
            department: list.department.name.clone(),
            batch_no: list.batch.clone(),
            project: list.project.clone(),
            period: list.period.clone(),
            generated_at: now,
            zone: gateway.zone(),
            workbook_id,
            contact: contact(gateway),
            rows: self.rows.into_iter().map(|payment| payment.row).collect(),
        };
        let sums = self.sums.into_iter().map(|(result, (count, amount))| ResultSum { result, count, amount });
        (facts, self.is_large.then(|| sums.collect()), self.left_out)
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
    sums: Vec<ResultSum>,
    left_out: u64,
    language: Language,
}

impl Large {
    fn letter(mut self) -> Result<Letter, LetterError> {
        let language = self.language;
        let total = self.sums.iter().map(|sum| sum.count).sum::<u64>();
        let amount: Fen = self.sums.iter().map(|sum| sum.amount).sum();
        let paid = self.sums.iter().filter(|sum| sum.result == PaymentResult::Paid).map(|sum| sum.count).sum::<u64>();
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
        lines.extend(self.sums.iter().map(|sum| match language {
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
                Language::Zh => format!("另有 {} 笔未成功的支付附件未列出。", self.left_out),
                Language::En => format!("{} more that were not paid found no room in the workbook.", self.left_out),
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
        let attachments = if self.facts.rows.is_empty() { Vec::new() } else { vec![self.workbook()?] };
        Ok(Letter { subject, text, html, attachments })
    }

    /// The workbook's own title says that it is a part.
    fn workbook(&mut self) -> Result<Attachment, LetterError> {
        let language = self.language;
        self.facts.project.push_str(language.pick("〔仅列未成功〕", " [only what was not paid]"));
        let plain =
            |name: &str| name.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect::<String>();
        let name = plain(&format!("{}_{}.xlsx", language.pick("发放未成功清单", "not_paid"), self.facts.batch_no));
        let mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned();
        Ok(Attachment { name, mime, bytes: completed_workbook(&self.facts, language)? })
    }
}
