//! What a bank says of a file as a whole (受理回执): taken in, or refused with all its lines.

use super::Apply;
use crate::domain::exchange::Outcome;
use crate::domain::file::FileOutState;
use crate::domain::instruction::{Event, step};
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::scrub::scrub_wholly;
use crate::passes::PassError;
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

impl Apply<'_> {
    /// Takes a result that has no rows and speaks of the file as a whole. What it refuses must not have been answered line by line.
    pub(super) async fn file_word(self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let words = tx.ack_words(&self.ids).await?;
        let (own, _) = tx.own_rows(self.file.id).await?;
        let fits = |event: Event| step(self.file.lines_state, event).is_ok();
        match words.first().map(|(outcome, ..)| *outcome) {
            Some(Outcome::Accepted | Outcome::Paid) if !fits(Event::BankAccepted) => Ok(Vec::new()),
            Some(Outcome::Failed) if own > 0 || !fits(Event::BankFailed) => Ok(vec![self.say(
                format!("银行整批拒收文件{}，而其中已有逐笔答复", self.file.name),
                format!("file {} is refused as a whole, and some of its payments were answered before", self.file.name),
            )]),
            Some(_) | None => self.ack(tx).await,
        }
    }

    /// Takes what an ack says.
    pub(super) async fn ack(self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let words = tx.ack_words(&self.ids).await?;
        let Some((outcome, is_final, reason, class, text)) = words.first().cloned() else {
            return Ok(vec![self.say("回执没有内容".to_owned(), "the ack says nothing".to_owned())]);
        };
        // Of two copies under one name, the one that the bank had before is the other: it is taken.
        let is_taken = self.file.copies > 1 && is_seen_before(&reason) && matches!(outcome, Outcome::Failed | Outcome::Unknown);
        match (if is_taken { Outcome::Accepted } else { outcome }, is_final) {
            (Outcome::Accepted | Outcome::Paid, _) => {
                let to = step(self.file.lines_state, Event::BankAccepted).map_err(|e| PassError::Broken(e.to_string()))?;
                tx.move_base(&self.file, to, self.now).await?;
                if self.file.state == FileOutState::Sent {
                    tx.move_file(&self.file, FileOutState::Accepted, "", &self.gateway.holder, self.now).await?;
                }
                tx.close_incident(&format!("ack_overdue:{}", self.file.id), self.now).await?;
            }
            (Outcome::Failed, true) => self.refused(tx, &reason, &class, &text).await?,
            // "I have had this one" may be said of another copy: whether it was paid, nobody knows.
            (Outcome::Failed | Outcome::Unknown, _) if is_seen_before(&reason) => self.refused(tx, &reason, &class, &text).await?,
            // A profile cannot say of a whole file that it was sent back.
            (Outcome::Failed | Outcome::Returned | Outcome::Unknown, _) => {}
        }
        Ok(Vec::new())
    }

    /// The bank refused the whole file. Where it says "duplicate", or a second copy may be out, that is no proof that
    /// nothing was paid: the lines are unknown then, and never sent again by themselves.
    async fn refused(&self, tx: &mut Tx, reason: &str, class: &str, text: &str) -> Result<(), PassError> {
        let doubtful = class == ReasonClass::Enquire.code() || self.file.copies > 1;
        let event = if doubtful { Event::BankUnknown } else { Event::BankFailed };
        let next = step(self.file.lines_state, event).map_err(|e| PassError::Broken(e.to_string()))?;
        let (moved, total) = tx.move_rest(&self.file, self.ids.first().copied(), next, (reason, class, text), self.now).await?;
        self.move_money(tx, (self.file.lines_state, None), (next, ReasonClass::from_code(class)), total, moved).await?;
        let state = if doubtful { FileOutState::Doubt } else { FileOutState::Refused };
        tx.move_file(&self.file, state, text, &self.gateway.holder, self.now).await?;
        self.cases(tx).await?;
        let text = scrub_wholly(text);
        let what = self.say(
            format!("银行整批拒收文件{}（{moved}笔，{total}元）：{text}", self.file.name),
            format!("the bank refused file {} ({moved} lines, {total}): {text}", self.file.name),
        );
        let next_step =
            self.say(format!("查看：bankgate file show {}", self.file.id), format!("look: bankgate file show {}", self.file.id));
        let key = format!("refused:{}", self.file.id);
        tx.incident(&NewIncident { key: &key, kind: "file_refused", bank: &self.file.bank, what: &what, next_step: &next_step }, self.now)
            .await?;
        Ok(())
    }
}

fn is_seen_before(reason: &str) -> bool {
    matches!(Reason::from_code(reason), Some(Reason::DupBatch | Reason::FileNameDup))
}
