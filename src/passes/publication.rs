//! What was paid is published again (再公示, R5): within five calendar days of the first credit, rows per village and sums per
//! township, compared both ways with what the bank said it credited.
//!
//! The department puts the list up; the gateway makes it, mails it, watches the days, and says so when what was published
//! is not any more what was paid. A list is made when the batch is done, at the latest on the day before it is due, with
//! what is paid then; what is paid later makes a new edition. The digest of its rows stands in the table, not the rows:
//! they can be read again at any time.

/// The list and the statements, to print.
pub mod papers;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::letters::{self, LetterError};
use super::operate::OperateError;
use super::operate::duty::{self, Duty};
use super::page::{Block, Page};
use super::report::{Addressed, contact, settle_address, written};
use super::{Done, Gateway, PassError, Tried};
use crate::domain::language::{Language, Words};
use crate::domain::publication::{PublicList, Sum, due_on};
use crate::domain::time::Timestamp;
use crate::format::workbook::publication_workbook;
use crate::mail::Attachment;
use crate::store::desk::{NewIncident, Operator};
use crate::store::publication::Publication;
use crate::store::sql::Tx;

/// Rows read at a time.
const PAGE: i64 = 5000;
/// Beyond so many rows the mail carries sums only: no relay takes more.
const ROWS_MAILED_MAX: u64 = 10_000;
/// The incident of a list that is due and not up; its batch follows.
const UNPOSTED: &str = "unposted:";
/// Numbers of rows that are named in a sentence.
const NAMED: usize = 10;

/// Makes what is due, compares what was made, tells of what nobody put up.
///
/// # Errors
/// The database.
pub async fn publication(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let open = gateway.store.read().await?.publications_open().await?;
    let mut tried = Tried::default();
    for one in open {
        tried.note(step(gateway, &one, now).await);
    }
    tried.note(unposted(gateway, now).await);
    tried.end()
}

async fn step(gateway: &Gateway, one: &Publication, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let mut tx = gateway.store.read().await?;
    let Some(due) = one.due_on else {
        let paid_at = tx.first_paid_at(&one.batch).await?;
        drop(tx);
        let Some(paid_on) = paid_at.map(|at| at.date(gateway.zone())) else { return Ok(Done::default()) };
        let mut tx = gateway.store.begin().await?;
        let noted = tx.publication_paid(one.id, paid_on, due_on(paid_on)).await?;
        tx.commit().await?;
        return Ok(Done { changed: u64::from(noted), ..Done::default() });
    };
    let is_done = tx.batch_is_done(&one.batch).await?;
    if one.made_at.is_none() {
        let is_time = is_done || today >= due.pred_opt().unwrap_or(due);
        drop(tx);
        return if is_time { make(gateway, one, now).await } else { Ok(Done::default()) };
    }
    // Once a day, and only once the batch is done: until then more is paid each day.
    let looked_today = one.checked_at.is_some_and(|at| at.date(gateway.zone()) == today);
    if !is_done || looked_today {
        return Ok(Done::default());
    }
    let (_, sha256) = digest(&mut tx, &one.batch).await?;
    drop(tx);
    if sha256 != one.sha256 {
        return make(gateway, one, now).await;
    }
    verify(gateway, one, now).await
}

/// Makes an edition and mails it to the department.
async fn make(gateway: &Gateway, one: &Publication, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.read().await?;
    let list = read_list(gateway, &mut tx, one, now).await?;
    let (sum, sha256) = digest(&mut tx, &one.batch).await?;
    drop(tx);
    let edition = one.edition + 1;
    let language = gateway.config.language;
    let contact = contact(gateway);
    let letter = written(move || letter(&list, edition, &contact, language)).await?;
    let addressed = Addressed::department(gateway, &one.department, letter);
    let is_known = addressed.is_known;
    let post = addressed.post(gateway, format!("publication:{}:{edition}", one.batch), "publication", now)?;
    let mut tx = gateway.store.begin().await?;
    if !tx.publication_made(one, sum, &sha256, now).await? {
        return Ok(Done::default());
    }
    if sum.count > 0 {
        post.enqueue(&mut tx, now).await?;
        settle_address(gateway, &mut tx, &one.department, is_known, now).await?;
    }
    let detail = format!("edition {edition}, {} rows, {} yuan, sha256 {sha256}", sum.count, sum.amount);
    tx.event("publication", one.id, ("make", &one.state, "made"), &gateway.holder, &detail, now).await?;
    tx.audit("daemon", "publication.make", &one.batch, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(batch = one.batch, edition, rows = sum.count, "publication made");
    Ok(Done { changed: 1, ..Done::default() })
}

/// Compares both ways: each published row was credited, and each credit is published.
async fn verify(gateway: &Gateway, one: &Publication, now: Timestamp) -> Result<Done, PassError> {
    let compared = gateway.store.read().await?.compare_credits(&one.batch).await?;
    let mut problems = Vec::new();
    let named = |rows: &[i64]| rows.iter().take(NAMED).map(i64::to_string).collect::<Vec<_>>().join(", ");
    if !compared.without_word.is_empty() {
        let rows = named(&compared.without_word);
        problems.push(gateway.say(Words::new(
            format!("已公示而银行未报入账：序号 {rows}"),
            format!("published, and no bank says it was credited: rows {rows}"),
        )));
    }
    if !compared.not_published.is_empty() {
        let rows = named(&compared.not_published);
        problems.push(gateway.say(Words::new(
            format!("银行报入账而未公示：序号 {rows}"),
            format!("a bank says it was credited, and it is not published: rows {rows}"),
        )));
    }
    if compared.published != one.sum {
        problems.push(gateway.say(Words::new(
            format!("公示{}笔{}元，账上{}笔{}元", one.sum.count, one.sum.amount, compared.published.count, compared.published.amount),
            format!(
                "published {} of {}, the books have {} of {}",
                one.sum.count, one.sum.amount, compared.published.count, compared.published.amount
            ),
        )));
    }
    let text = problems.join("；");
    let key = format!("publication:{}", one.batch);
    let mut tx = gateway.store.begin().await?;
    if !tx.publication_checked(one, &text, now).await? {
        return Ok(Done::default());
    }
    if text.is_empty() {
        tx.close_incident(&key, now).await?;
        tx.event("publication", one.id, ("verify", &one.state, "verified"), &gateway.holder, "", now).await?;
    } else {
        let what = gateway.say(Words::new(
            format!("批次{}的公示与银行入账不一致：{text}", one.batch),
            format!("what was published of batch {} differs from what the bank credited: {text}", one.batch),
        ));
        let next_step = gateway.say(Words::new(
            format!("查看：bankgate publication show {}；与银行核对相应支付", one.batch),
            format!("look: bankgate publication show {}; clear the payments with the bank", one.batch),
        ));
        tx.incident(&NewIncident { key: &key, kind: "publication_differs", bank: "", what: &what, next_step: &next_step }, now).await?;
    }
    tx.commit().await?;
    // A difference that stays is looked at once a day: it is no news.
    let is_news = text.is_empty() || one.problems != text;
    Ok(Done { changed: u64::from(is_news), ..Done::default() })
}

/// What is due today and not up in the villages is told, once.
async fn unposted(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let late = gateway.store.read().await?.publications_unposted(gateway.today(now), UNPOSTED).await?;
    let mut done = Done::default();
    for one in late {
        let key = format!("{UNPOSTED}{}", one.batch);
        let due = one.due_on.map(|d| d.to_string()).unwrap_or_default();
        let what = gateway.say(Words::new(
            format!("{}批次{}的发放结果应于{due}前在各村公示，尚未登记公示", one.department.name, one.batch),
            format!(
                "the result of batch {} was to be up in the villages by {due}; {} has not said that it is",
                one.batch, one.department.name
            ),
        ));
        let next_step = gateway.say(Words::new(
            format!("部门张贴后登记：bankgate publication posted {}", one.batch),
            format!("once it is up, the department says so: bankgate publication posted {}", one.batch),
        ));
        let incident = NewIncident { key: &key, kind: "publication_due", bank: "", what: &what, next_step: &next_step };
        done.changed += u64::from(gateway.tell(&incident, now).await?);
    }
    Ok(done)
}

/// The department says that a list is up.
///
/// # Errors
/// Refused to other departments, and where nothing is published or it is up already.
pub async fn posted(gateway: &Gateway, by: &Operator, batch: &str, now: Timestamp) -> Result<String, OperateError> {
    let mut tx = gateway.store.begin().await?;
    let Some(one) = tx.publication_of(batch).await?.filter(|p| p.made_at.is_some()) else {
        return OperateError::refused(
            format!("批次{batch}还没有公示清单；`bankgate publication list` 可查看"),
            format!("nothing is published of batch {batch}: `bankgate publication list` shows what is"),
        );
    };
    duty::require(by, Duty::Approve, &one.department.code)?;
    let today = gateway.today(now);
    if !tx.publication_posted(one.id, today, &by.login).await? {
        let on = one.posted_on.map(|d| d.to_string()).unwrap_or_default();
        return OperateError::refused(format!("批次{batch}已于{on}登记公示"), format!("batch {batch} is up since {on} already"));
    }
    tx.close_incident(&format!("{UNPOSTED}{batch}"), now).await?;
    tx.audit(&by.login, "publication.posted", batch, &today.to_string(), now).await?;
    tx.commit().await?;
    Ok(gateway.say(Words::new(format!("批次{batch}已登记公示（{today}）"), format!("batch {batch} is up since {today}"))))
}

/// Count, sum and digest of what is paid of a batch, in the order of its instructions.
async fn digest(tx: &mut Tx, batch: &str) -> Result<(Sum, String), PassError> {
    let shape = tx.list_shape(batch).await?;
    let (mut sum, mut hash) = (Sum::default(), Sha256::new());
    for block in &shape.blocks {
        let mut after = block.0 - 1;
        while let (Some(last), rows) = tx.public_page(&shape, block.1, after, PAGE).await? {
            after = last;
            for row in rows {
                sum.add(row.amount);
                hash.update(format!("{}\t{}\n", row.seq, row.amount));
            }
        }
    }
    Ok((sum, hex::encode(hash.finalize())))
}

/// The list as it is now, by township and village.
///
/// # Errors
/// The database.
pub async fn read_list(gateway: &Gateway, tx: &mut Tx, one: &Publication, now: Timestamp) -> Result<PublicList, PassError> {
    let mut list = PublicList {
        batch: one.batch.clone(),
        department: one.department.name.clone(),
        project: one.project.clone(),
        period: one.period.clone(),
        paid_on: one.paid_on,
        due_on: one.due_on,
        made_at: now,
        zone: gateway.zone(),
        villages: BTreeMap::new(),
    };
    fill(tx, &mut list).await?;
    Ok(list)
}

/// Reads a list's rows.
///
/// # Errors
/// The database.
pub async fn fill(tx: &mut Tx, list: &mut PublicList) -> Result<(), PassError> {
    let shape = tx.list_shape(&list.batch).await?;
    for block in &shape.blocks {
        let mut after = block.0 - 1;
        while let (Some(last), rows) = tx.public_page(&shape, block.1, after, PAGE).await? {
            after = last;
            for row in rows {
                list.villages.entry((row.township.clone(), row.village.clone())).or_default().push(row);
            }
        }
    }
    list.villages.values_mut().for_each(|rows| rows.sort_by_key(|row| row.seq));
    Ok(())
}

/// To the department: the list to put up, and by when.
fn letter(list: &PublicList, edition: i64, contact: &str, language: Language) -> Result<letters::Letter, LetterError> {
    let total = list.total();
    let due = list.due_on.map(|d| letters::day(d, language)).unwrap_or_default();
    let paid_on = list.paid_on.map(|d| letters::day(d, language)).unwrap_or_default();
    let amount = letters::yuan(total.amount);
    let PublicList { department, project, period, batch, .. } = list;
    let subject = match language {
        Language::Zh => format!("【发放结果公示】{department} {project}（{period}）共{}笔 {amount}元，请于{due}前公示", total.count),
        Language::En => format!("[To be published] {department}, {project} ({period}): {}, {amount} yuan; by {due}", total.count),
    };
    let lead = match language {
        Language::Zh => format!(
            "{department}：{project}（{period}）批次 {batch} 已于{paid_on}起入账，共 {} 笔，合计 {amount} 元（大写：{}）。请于{due}前在各村公示发放结果。",
            total.count,
            total.amount.capitals()
        ),
        Language::En => format!(
            "To {department}: batch {batch} of {project} ({period}) has been credited since {paid_on}: {} payments, {amount} yuan. \
             Please put the result up in the villages by {due}.",
            total.count
        ),
    };
    let mut blocks = vec![Block::Say(lead)];
    if edition > 1 {
        blocks.push(Block::Heed(match language {
            Language::Zh => format!("这是第{edition}版：此前公示后又有入账或退回，请以本版替换。"),
            Language::En => format!("This is edition {edition}: more was credited, or came back, since the one before. Please replace it."),
        }));
    }
    blocks.push(Block::Table(papers::townships(list, language)));
    let command = format!("bankgate publication posted {batch}");
    let steps = vec![
        (language.pick("打印附件，在各村张贴", "print the attachment and put it up in each village").to_owned(), None),
        (language.pick("张贴后登记", "say that it is up").to_owned(), Some(command)),
    ];
    blocks.push(Block::Steps { title: language.pick("请办理", "Please").to_owned(), steps });
    let is_small = total.count <= ROWS_MAILED_MAX;
    if !is_small {
        let print = format!("bankgate publication print {batch} --out .");
        let words = language.pick("清单较大，未附；由财政信息部门打印", "the list is too long for a mail; finance IT prints it").to_owned();
        blocks.push(Block::Steps { title: String::new(), steps: vec![(words, Some(print))] });
    }
    blocks.push(letters::foot(list.made_at, list.zone, &format!("{batch}/{edition}"), contact, language));
    let title = language.pick("补贴发放结果公示", "What was paid, to be published").to_owned();
    let mut attachments = Vec::new();
    if is_small && total.count > 0 {
        let name = |ext: &str| letters::file_name(&format!("{}_{batch}_{edition}.{ext}", language.pick("发放结果公示", "published")));
        attachments.push(Attachment { name: name("xlsx"), mime: letters::XLSX.to_owned(), bytes: publication_workbook(list, language)? });
        let html = papers::list_html(list, language)?.into_bytes();
        attachments.push(Attachment { name: name("html"), mime: "text/html".to_owned(), bytes: html });
    }
    letters::letter(subject, &Page { language, title, blocks }, attachments)
}
