//! What people must know becomes mails in the outbox (失败报告, 发放完成清单, 告警): decides, sends nothing.
//!
//! Each letter is composed from one picture of the rows, outside any write; then one transaction puts it into the outbox
//! and ties it to what it tells of, by compare-and-set. If something moved between, nothing stands and the next run
//! composes anew, so a crash anywhere leaves the letter untold or told, never both. What cannot be composed becomes an
//! incident and does not hold up the others.
//!
//! What is absent: the words (`letters`), the sending (`deliver`).

mod alerts;
mod completed;

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::letters::{self, FailureReport, Letter, LetterError};
use super::{Done, Gateway, PassError};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::mail::{Draft, Envelope, compose};
use crate::store::desk::{NewIncident, NewMail};
use crate::store::reports::{Addressee, FailureGroup};
use crate::store::sql::Tx;

/// Hour and minute at which a day's failures are reported: an hour after the usual cut-off of 16:30, when the banks'
/// answers of the day are in, and half an hour before the offices close.
const REPORT_AT: (u32, i64) = (17, 30);
/// Rows of one workbook, which is held while it is written; the rest goes into the next mail.
const ROWS_MAX: i64 = 10_000;

/// Writes every letter that is due: failures, completed lists, alerts.
///
/// # Errors
/// The database; a letter that cannot be written is an incident.
pub async fn report(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = failures(gateway, now).await?;
    done += completed::completed_lists(gateway, now).await?;
    done += alerts::alerts(gateway, now).await?;
    Ok(done)
}

async fn failures(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let has_struck = now >= gateway.at_hour(today, REPORT_AT.0).plus_minutes(REPORT_AT.1);
    let until = if has_struck { today } else { today.pred_opt().unwrap_or(today) };
    let groups = gateway.store.read().await?.failure_groups(until).await?;
    let mut done = Done::default();
    for group in groups {
        let key = format!("report:{}:{}:{}", group.department.code, group.bank, group.date);
        match failures_of(gateway, &group, today, now).await {
            Ok(some) => done += some,
            Err(PassError::Broken(why)) => unwritten(gateway, &key, &group.bank, &why, now).await?,
            Err(other) => return Err(other),
        }
    }
    Ok(done)
}

/// The report of one department, bank and day. A case that comes after today's report of the group waits for tomorrow's:
/// one report a day, not one whenever a bank's file trickles in.
async fn failures_of(gateway: &Gateway, group: &FailureGroup, today: NaiveDate, now: Timestamp) -> Result<Done, PassError> {
    let key = format!("failure:{}:{}:{}:", group.department.code, group.bank, group.date);
    let told_today = gateway.store.read().await?.last_mail_of(&key, gateway.at_hour(today, 0)).await?;
    if told_today.is_some_and(|told| group.first_opened_at >= told) {
        return Ok(Done::default());
    }
    let mut done = Done::default();
    loop {
        let (cases, rows): (Vec<i64>, Vec<_>) = gateway.store.read().await?.failures_untold(group, ROWS_MAX).await?.into_iter().unzip();
        let Some(first) = cases.first() else { return Ok(done) };
        let first_told = format!("{key}{first}");
        // A case that was told, closed, and opened again on the day of its report heads another letter.
        let is_again = gateway.store.read().await?.is_mail_written(&first_told).await?;
        let key = if is_again { format!("{first_told}:{}", group.first_opened_at.millis()) } else { first_told };
        let report = FailureReport {
            department: group.department.name.clone(),
            bank: if group.bank.is_empty() { before_any_bank(gateway) } else { group.bank_name.clone() },
            date: group.date,
            generated_at: now,
            zone: gateway.zone(),
            workbook_id: format!("FR-{}", id_of(gateway, &key).get(..16).unwrap_or_default()),
            contact: contact(gateway),
            rows,
        };
        let language = gateway.config.language;
        let letter = written(move || letters::failure_report(&report, language)).await?;
        let addressed = Addressed::department(gateway, &group.department, letter);
        let is_known = addressed.is_known;
        let post = addressed.post(gateway, key, "failure_report", now)?;
        let mut tx = gateway.store.begin().await?;
        let Some(mail) = post.enqueue(&mut tx, now).await? else { return Ok(done) };
        if !tx.cases_told(&cases, mail).await? {
            return Ok(done);
        }
        settle_address(gateway, &mut tx, &group.department, is_known, now).await?;
        tx.commit().await?;
        tracing::info!(department = group.department.code, bank = group.bank, date = %group.date, cases = cases.len(), mail, "failures reported");
        done.changed += 1;
    }
}

fn before_any_bank(gateway: &Gateway) -> String {
    gateway.say(Words::new("发放前校验", "checks before payment"))
}

/// Whom to ask about a letter.
pub(super) fn contact(gateway: &Gateway) -> String {
    gateway.config.mail.finance_it.first().cloned().unwrap_or_default()
}

/// Writes a letter aside: a workbook of ten thousand rows would hold up everything else on this thread.
pub(super) async fn written(write: impl FnOnce() -> Result<Letter, LetterError> + Send + 'static) -> Result<Letter, PassError> {
    match tokio::task::spawn_blocking(write).await {
        Ok(letter) => letter.map_err(|e| PassError::Broken(e.to_string())),
        Err(e) => Err(PassError::Broken(format!("writing a letter ended early: {e}"))),
    }
}

/// Tells finance IT of a letter that could not be written.
async fn unwritten(gateway: &Gateway, key: &str, bank: &str, why: &str, now: Timestamp) -> Result<(), PassError> {
    let what = gateway.say(Words::new(format!("报告未能生成（{key}）：{why}"), format!("a letter could not be written ({key}): {why}")));
    let next_step =
        gateway.say(Words::new("排除上述原因后系统自动重新生成", "put the cause right; it is written again by itself at the next run"));
    gateway.tell(&NewIncident { key, kind: "report_unwritten", bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// What makes a letter the same on every node and after every crash: sender, schema, and what it is about.
pub(super) fn id_of(gateway: &Gateway, key: &str) -> String {
    let config = &gateway.config;
    hex::encode(Sha256::digest([&config.mail.from, &config.database.schema, key].join("\u{1f}")))
}

/// The addresses in a list as people write it that letters can be sent to, and whether every entry is one.
fn addresses(gateway: &Gateway, list: &str) -> (Vec<String>, bool) {
    let entries: Vec<&str> = list.split([',', '，', ';', '；', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
    let is_one = |entry: &&str| Envelope::new(&gateway.config.mail.from, &[(*entry).to_owned()]).is_ok();
    let good: Vec<String> = entries.iter().copied().filter(is_one).map(str::to_owned).collect();
    let all = good.len() == entries.len();
    (good, all)
}

/// A letter and whom it goes to.
pub(super) struct Addressed {
    pub(super) to: Vec<String>,
    letter: Letter,
    /// Whether every address of the addressee's list is one, and there is one at all.
    pub(super) is_known: bool,
}

/// A letter as it goes into the outbox.
pub(super) struct Post {
    dedup_key: String,
    message_id: String,
    kind: &'static str,
    recipients: Vec<String>,
    subject: String,
    eml: Vec<u8>,
}

impl Addressed {
    /// To a department; to finance IT, saying so, where the department has no address.
    pub(super) fn department(gateway: &Gateway, department: &Addressee, mut letter: Letter) -> Self {
        let (to, all) = addresses(gateway, &department.mail);
        if to.is_empty() {
            let word = Words::new(
                format!("【{}没有邮箱，请转交】", department.name),
                format!("[{} has no address: please pass on] ", department.name),
            );
            letter.subject = gateway.say(word) + &letter.subject;
            return Self { to: gateway.config.mail.finance_it.clone(), letter, is_known: false };
        }
        Self { to, letter, is_known: all }
    }

    /// To finance IT (财政信息部门).
    pub(super) fn finance_it(gateway: &Gateway, letter: Letter) -> Self {
        Self { to: gateway.config.mail.finance_it.clone(), letter, is_known: true }
    }

    pub(super) fn post(self, gateway: &Gateway, dedup_key: String, kind: &'static str, now: Timestamp) -> Result<Post, PassError> {
        let Letter { subject, text, html, attachments } = self.letter;
        let from = &gateway.config.mail.from;
        let broken = |e: &dyn std::fmt::Display| PassError::Broken(e.to_string());
        let envelope = Envelope::new(from, &self.to).map_err(|e| broken(&e))?;
        let domain = envelope.from.rsplit('@').next().unwrap_or_default();
        let left = id_of(gateway, &dedup_key);
        let message_id = format!("<{}@{domain}>", left.get(..32).unwrap_or_default());
        let draft = Draft {
            message_id: message_id.clone(),
            date: now,
            zone: gateway.zone(),
            from: from.clone(),
            to: self.to,
            reply_to: None,
            in_reply_to: None,
            subject: subject.clone(),
            text,
            html,
            attachments,
        };
        let eml = compose(draft).map_err(|e| broken(&e))?;
        // Bare addresses: a name in front of one may hold a comma, and the outbox joins them by commas.
        Ok(Post { dedup_key, message_id, kind, recipients: envelope.to, subject, eml })
    }
}

/// Finance IT hears once of a department without an address, until it has one.
pub(super) async fn settle_address(
    gateway: &Gateway,
    tx: &mut Tx,
    department: &Addressee,
    is_known: bool,
    now: Timestamp,
) -> Result<(), PassError> {
    let key = format!("address:{}", department.code);
    if is_known {
        tx.close_incident(&key, now).await?;
        return Ok(());
    }
    let (code, name) = (&department.code, &department.name);
    let what = gateway.say(Words::new(
        format!("部门{name}（{code}）没有可用的邮箱，或其中有无效地址；无地址时报告改发财政信息部门"),
        format!("department {name} ({code}) has no mail address or a wrong one; without any, its reports come to finance IT"),
    ));
    let next_step = gateway.say(Words::new(
        "在部门表 department.mail 中登记邮箱（多个以逗号分隔），并转交已收到的报告",
        "enter the address in department.mail (several: by commas) and pass on the reports that came here",
    ));
    tx.incident(&NewIncident { key: &key, kind: "no_address", bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

impl Post {
    /// Puts it into the outbox, once. `None` when it is there already: somebody was faster.
    pub(super) async fn enqueue(self, tx: &mut Tx, now: Timestamp) -> Result<Option<i64>, PassError> {
        let Self { dedup_key, message_id, kind, recipients, subject, eml } = self;
        let mail = NewMail { dedup_key: &dedup_key, message_id: &message_id, kind, recipients: &recipients, subject: &subject, eml };
        Ok(tx.enqueue_mail(mail, now).await?)
    }
}
