//! Mails leave the outbox: acts on one wire. Before the first byte a try is committed as an intent, afterwards its
//! outcome, so that a crash shows.
//!
//! **A try that may have gone** (the line broke after the letter, or the process died between intent and outcome) is
//! tried again, after half an hour and a few times only. A report that nobody got leaves people unpaid; one that arrives
//! twice harms nobody: the bytes and the Message-ID are the same, so that mailboxes keep one, and its workbook says by
//! its number that it is the same. After the last such try the mail is `doubt`, and finance IT looks into the relay's
//! log. (Payment files are the other way round: there a second copy pays twice, and doubt comes at once.)
//!
//! A mail's trouble never holds up the others, but trouble of the relay itself ends the run: each further letter would
//! only knock again.

use std::time::Duration;

use super::{Done, Gateway, PassError};
use crate::clock::Stopwatch;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::mail::{Envelope, MailError, Receipt};
use crate::store::desk::{NewIncident, OutboxMail};
use crate::store::sql::Tx;

/// Mails a run, all of them in memory: with the largest workbooks some tens of megabytes.
const MAILS_MAX: i64 = 20;
/// A run takes no further mail after so long; what is left is still due.
const RUN_MAX: Duration = Duration::from_secs(300);
/// A try that has no outcome after so long has ended unclear. Longer than a run and the longest conversation together
/// (RFC 5321 gives the letter alone ten minutes), so that no two nodes ever send the same mail at once.
const UNCLEAR_AFTER_MINUTES: i64 = 30;
/// So many unclear ends, then a person looks.
const UNCLEAR_MAX: i64 = 3;
/// No longer than this between two tries.
const PAUSE_MAX_MINUTES: i64 = 60;
/// After so many tries in vain (about two hours) a person hears of it; the mail stays queued.
const LATE_AFTER: i64 = 8;
/// The incident of a relay that takes nothing.
const RELAY: &str = "mail:relay";

/// Whether the run goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Mail,
    Stop,
}

/// Sends what is due.
///
/// # Errors
/// The database. Whatever a relay says is recorded with its mail.
pub async fn deliver(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let due = gateway.store.read().await?.mails_due(now, MAILS_MAX).await?;
    let watch = Stopwatch::start();
    let mut done = Done::default();
    for mail in due {
        if watch.elapsed() > RUN_MAX {
            break;
        }
        let (changed, next) = Delivery::of(gateway, mail, now).await?.run().await?;
        done.changed += u64::from(changed);
        if next == Next::Stop {
            break;
        }
    }
    Ok(done)
}

/// 1, 2, 4 … minutes, at most an hour. The number of tries is a row, so that the pause survives a restart.
fn pause_minutes(tries: i64) -> i64 {
    let doublings = u32::try_from(tries.saturating_sub(1).clamp(0, 16)).unwrap_or(0);
    (1_i64 << doublings).min(PAUSE_MAX_MINUTES)
}

/// One mail and one try.
struct Delivery<'a> {
    gateway: &'a Gateway,
    mail: OutboxMail,
    kind: String,
    subject: String,
    now: Timestamp,
}

impl<'a> Delivery<'a> {
    async fn of(gateway: &'a Gateway, mail: OutboxMail, now: Timestamp) -> Result<Self, PassError> {
        let (kind, subject) = gateway.store.read().await?.mail_facts(mail.id).await?;
        Ok(Self { gateway, mail, kind, subject, now })
    }

    async fn run(&self) -> Result<(bool, Next), PassError> {
        if !self.intend().await? {
            return Ok((false, Next::Mail));
        }
        let gateway = self.gateway;
        let result = match Envelope::new(&gateway.config.mail.from, &self.mail.recipients) {
            Ok(envelope) => gateway.mailer.send(&envelope, &self.mail.eml).await,
            Err(e) => Err(MailError::Malformed(e.to_string())),
        };
        let mut tx = gateway.store.begin().await?;
        let next = match &result {
            Ok(receipt) => self.sent(&mut tx, receipt).await?,
            Err(error) => {
                tracing::warn!(mail = self.mail.id, kind = self.kind, %error, "mail not sent");
                self.not_sent(&mut tx, error).await?
            }
        };
        tx.commit().await?;
        Ok((true, next))
    }

    /// Commits that a try begins. False when another node has the mail, or when nobody may try again.
    async fn intend(&self) -> Result<bool, PassError> {
        let mut tx = self.gateway.store.begin().await?;
        if !tx.mail_intent(&self.mail, self.now.plus_minutes(UNCLEAR_AFTER_MINUTES)).await? {
            return Ok(false);
        }
        // Still `sending` when it fell due again: whoever tried is gone, and may have sent it.
        let may_try = self.mail.state != "sending" || self.unclear(&mut tx, "the try before this one left no outcome").await?;
        tx.commit().await?;
        Ok(may_try)
    }

    async fn sent(&self, tx: &mut Tx, receipt: &Receipt) -> Result<Next, PassError> {
        if tx.mail_outcome(self.mail.id, "sent", self.now, "", Some(self.now)).await? {
            tx.event("mail", self.mail.id, ("sent", "sending", "sent"), "daemon", &receipt.evidence, self.now).await?;
        }
        tx.close_incident(RELAY, self.now).await?;
        tx.close_incident(&self.late_key(), self.now).await?;
        if !receipt.refused.is_empty() {
            let refused: Vec<String> = receipt.refused.iter().map(|r| format!("{}: {} {}", r.address, r.code, r.text)).collect();
            self.bounced(tx, &refused.join("; ")).await?;
        }
        Ok(Next::Mail)
    }

    async fn not_sent(&self, tx: &mut Tx, error: &MailError) -> Result<Next, PassError> {
        let why = error.to_string();
        match error {
            MailError::Refused { .. } | MailError::Malformed(_) | MailError::IdTaken { .. } => {
                tx.mail_outcome(self.mail.id, "bounced", self.now, &why, None).await?;
                self.bounced(tx, &why).await?;
                Ok(Next::Mail)
            }
            MailError::Ambiguous(_) => {
                if self.unclear(tx, &why).await? {
                    let again = self.now.plus_minutes(UNCLEAR_AFTER_MINUTES);
                    tx.mail_outcome(self.mail.id, "queued", again, &why, None).await?;
                }
                Ok(Next::Mail)
            }
            MailError::Deferred { .. } => {
                if self.again(tx, &why).await? >= LATE_AFTER {
                    self.late(tx, &why).await?;
                }
                Ok(Next::Mail)
            }
            MailError::Unreachable { .. } => {
                if self.again(tx, &why).await? >= LATE_AFTER {
                    self.relay_takes_nothing(tx, &why).await?;
                }
                Ok(Next::Stop)
            }
            // Waiting alone does not help, but no letter is to blame.
            MailError::RefusesUs { .. } | MailError::Insecure(_) | MailError::Local { .. } => {
                self.again(tx, &why).await?;
                self.relay_takes_nothing(tx, &why).await?;
                Ok(Next::Stop)
            }
        }
    }

    /// Back into the queue. Says how many tries that makes.
    async fn again(&self, tx: &mut Tx, why: &str) -> Result<i64, PassError> {
        let tries = self.mail.attempts + 1;
        tx.mail_outcome(self.mail.id, "queued", self.now.plus_minutes(pause_minutes(tries)), why, None).await?;
        Ok(tries)
    }

    /// Records an end of which nobody knows whether the letter went. False when that was once too often.
    async fn unclear(&self, tx: &mut Tx, why: &str) -> Result<bool, PassError> {
        let id = self.mail.id;
        tx.event("mail", id, ("unclear", "sending", "sending"), "daemon", why, self.now).await?;
        if tx.unclear_ends(id).await? < UNCLEAR_MAX {
            return Ok(true);
        }
        tx.mail_outcome(id, "doubt", self.now, why, None).await?;
        let what = Words::new(
            format!("邮件“{}”（{id}）{UNCLEAR_MAX}次发送均无明确结果，可能已送达：{why}", self.subject),
            format!("mail \"{}\" ({id}) may have gone: {UNCLEAR_MAX} tries ended without a word. {why}", self.subject),
        );
        let next_step = Words::new(
            format!("在邮件服务器日志中查找 Message-ID {}；未送达的，另行转交", self.mail.message_id),
            format!("look for Message-ID {} in the relay's log; if it did not arrive, pass it on by another way", self.mail.message_id),
        );
        self.tell(tx, &format!("mail:{id}:doubt"), "mail_doubt", what, next_step).await?;
        Ok(false)
    }

    async fn bounced(&self, tx: &mut Tx, why: &str) -> Result<(), PassError> {
        let what = Words::new(
            format!("邮件“{}”（{}）被退回：{why}", self.subject, self.mail.id),
            format!("mail \"{}\" ({}) bounced: {why}", self.subject, self.mail.id),
        );
        let next_step = Words::new(
            "更正部门邮箱 department.mail 或银行联系人 bank.contacts，并将该邮件另行转交",
            "correct the address in department.mail or bank.contacts, and pass this mail on by another way",
        );
        self.tell(tx, &format!("mail:{}:bounced", self.mail.id), "mail_bounced", what, next_step).await
    }

    fn late_key(&self) -> String {
        format!("mail:{}:late", self.mail.id)
    }

    async fn late(&self, tx: &mut Tx, why: &str) -> Result<(), PassError> {
        let what = Words::new(
            format!("邮件“{}”（{}）多次被邮件服务器推迟：{why}", self.subject, self.mail.id),
            format!("mail \"{}\" ({}) is put off again and again: {why}", self.subject, self.mail.id),
        );
        let next_step =
            Words::new("与收件方或邮件服务器管理员核实；系统继续重试", "ask the recipient or the relay's postmaster; it is tried on");
        self.tell(tx, &self.late_key(), "mail_late", what, next_step).await
    }

    async fn relay_takes_nothing(&self, tx: &mut Tx, why: &str) -> Result<(), PassError> {
        let what = Words::new(format!("邮件发不出去：{why}"), format!("no mail leaves: {why}"));
        let next_step = Words::new(
            "检查配置 [mail] 与邮件服务器；恢复后自动续发，邮件都在发件箱中",
            "check [mail] in the configuration and the relay; the mails wait in the outbox and go by themselves",
        );
        let incident = (self.gateway.say(what), self.gateway.say(next_step));
        tx.incident(&NewIncident { key: RELAY, kind: "mail_relay", bank: "", what: &incident.0, next_step: &incident.1 }, self.now).await?;
        Ok(())
    }

    /// An incident about this mail. About an alert there is none: its mail would go the same way, and so on for ever.
    async fn tell(&self, tx: &mut Tx, key: &str, kind: &str, what: Words, next_step: Words) -> Result<(), PassError> {
        let (what, next_step) = (self.gateway.say(what), self.gateway.say(next_step));
        if self.kind == "alert" {
            tracing::error!(mail = self.mail.id, what, "an alert to finance IT did not get through");
            return Ok(());
        }
        tx.incident(&NewIncident { key, kind, bank: "", what: &what, next_step: &next_step }, self.now).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        assert_eq!((1..=9).map(pause_minutes).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause_minutes(i64::MAX), 60);
    }
}
