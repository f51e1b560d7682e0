//! What a bank says of an order (退款回执): taken in, done, refused. It binds by our reference, like the answer to a payment. An
//! order that is done is proven where a receipt is the proof; one that is refused, or came back before it was proven, gives its
//! money back. What contradicts an end that is on the books changes nothing: a person is told.

use super::super::{Gateway, PassError};
use super::{Proof, books, seen};
use crate::domain::exchange::{InboundKind, Outcome};
use crate::domain::file::FileOutState;
use crate::domain::instruction::{Event, step};
use crate::domain::language::Words;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::refund::{OrderState, ProofKind};
use crate::domain::scrub::scrub_wholly;
use crate::domain::time::Timestamp;
use crate::store::desk::NewIncident;
use crate::store::inbound::FileIn;
use crate::store::outbound::FileOut;
use crate::store::refund::{Order, OrderAnswer};
use crate::store::sql::Tx;

/// Applies a set that answers a refund file, or says what is wrong with it. The file is locked.
///
/// # Errors
/// The database; rows that are not what their order says.
pub(crate) async fn apply(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileOut,
    set: &[FileIn],
    now: Timestamp,
) -> Result<Vec<String>, PassError> {
    let Some(first) = set.first() else { return Ok(Vec::new()) };
    let order = tx.hold_refund(file.first_id, now).await?;
    let order = order.ok_or_else(|| PassError::Broken(format!("file {} carries an order that is not there", file.id)))?;
    let ids: Vec<i64> = set.iter().map(|f| f.id).collect();
    let mut answers = tx.refund_answers(&ids).await?;
    let Some(answer) = answers.pop().filter(|_| answers.is_empty()) else {
        let (zh, en) = ("退款文件的答复应恰有一行", "the answer to a refund file is one line");
        return Ok(vec![gateway.say(Words::new(zh, en))]);
    };
    let word = Word { gateway, file, order, answer, from: first, now };
    if first.kind == InboundKind::Ack {
        return word.ack(tx).await;
    }
    let problems = word.differences(tx).await?;
    if problems.is_empty() {
        word.result(tx).await?;
    }
    Ok(problems)
}

/// One answer, and what it speaks of.
struct Word<'a> {
    gateway: &'a Gateway,
    file: &'a FileOut,
    order: Order,
    answer: OrderAnswer,
    from: &'a FileIn,
    now: Timestamp,
}

impl Word<'_> {
    fn text(&self) -> String {
        scrub_wholly(self.answer.text.trim())
    }

    /// "I have had this one" may be said of another copy: whether it was done, nobody knows.
    fn is_doubtful(&self) -> bool {
        let seen_before = matches!(Reason::from_code(&self.answer.reason), Some(Reason::DupBatch | Reason::FileNameDup));
        let asks = Reason::from_code(&self.answer.reason).is_some_and(|r| r.class() == ReasonClass::Enquire);
        seen_before || asks || self.file.copies > 1
    }

    async fn ack(&self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        match (self.answer.outcome, self.answer.is_final) {
            (Outcome::Accepted | Outcome::Paid, _) => {
                self.move_lines(tx, Event::BankAccepted).await?;
                if self.file.state == FileOutState::Sent {
                    tx.move_file(self.file, FileOutState::Accepted, "", &self.gateway.holder, self.now).await?;
                }
                if self.order.state == OrderState::Sent {
                    tx.move_refund(&self.order, OrderState::Accepted, &self.gateway.holder, "", self.now).await?;
                }
                tx.close_incident(&format!("ack_overdue:{}", self.file.id), self.now).await?;
            }
            (Outcome::Failed, true) => self.not_done(tx, FileOutState::Refused).await?,
            (Outcome::Failed | Outcome::Unknown | Outcome::Returned, _) => {}
        }
        Ok(Vec::new())
    }

    /// An answer about another amount, account or order is no answer to this one.
    async fn differences(&self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let a = &self.answer;
        let treasury = tx.treasury_of(&self.order.agreement).await?;
        let mut problems = Vec::new();
        if a.order != Some(self.order.id) {
            let (zh, en) = ("答复的引用号不是本凭证的", "the answer's reference is not the order's");
            problems.push(self.gateway.say(Words::new(zh, en)));
        }
        let is_other = |amount: Option<_>| amount.is_some_and(|fen| fen != self.order.amount);
        if is_other(a.amount) || (a.outcome == Outcome::Paid && is_other(a.paid)) {
            let (zh, en) = ("答复的金额与凭证不一致", "the answer's amount is not the order's");
            problems.push(self.gateway.say(Words::new(zh, en)));
        }
        if !a.account.is_empty() && a.account != treasury.account {
            let (zh, en) = ("答复的账号不是国库账号", "the answer's account is not the treasury's");
            problems.push(self.gateway.say(Words::new(zh, en)));
        }
        Ok(problems)
    }

    async fn result(&self, tx: &mut Tx) -> Result<(), PassError> {
        match (self.answer.outcome, self.answer.is_final) {
            (Outcome::Paid, true) => self.done(tx).await,
            // Sent back is not done either: the money is where it was.
            (Outcome::Failed | Outcome::Returned, true) => self.not_done(tx, FileOutState::Answered).await,
            (Outcome::Paid | Outcome::Failed | Outcome::Returned | Outcome::Accepted | Outcome::Unknown, _) => Ok(()),
        }
    }

    async fn done(&self, tx: &mut Tx) -> Result<(), PassError> {
        match self.order.state {
            OrderState::Sent | OrderState::Accepted => {}
            OrderState::Executed | OrderState::Refunded => return Ok(()),
            OrderState::Proposed | OrderState::Approved | OrderState::Refused | OrderState::Cancelled => return self.contradicts(tx).await,
        }
        self.move_lines(tx, Event::BankPaid).await?;
        self.answered(tx).await?;
        tx.move_refund(&self.order, OrderState::Executed, &self.gateway.holder, "", self.now).await?;
        if self.order.proof == ProofKind::Receipt {
            let receipt = format!("{} {} {}", self.from.name, self.answer.bank_ref, self.from.sha256);
            seen(self.gateway, tx, self.order.id, &Proof::Receipt(receipt), self.now).await?;
        }
        Ok(())
    }

    async fn not_done(&self, tx: &mut Tx, end: FileOutState) -> Result<(), PassError> {
        match self.order.state {
            OrderState::Sent | OrderState::Accepted => {}
            // Done, and sent back since: the last word explains the first.
            OrderState::Executed if self.answer.outcome == Outcome::Returned && !self.is_doubtful() => {
                self.move_lines(tx, Event::BankReturned).await?;
                return self.give_back(tx).await;
            }
            OrderState::Refused => return Ok(()),
            OrderState::Proposed | OrderState::Approved | OrderState::Executed | OrderState::Refunded | OrderState::Cancelled => {
                return self.contradicts(tx).await;
            }
        }
        if self.is_doubtful() {
            return self.doubt(tx).await;
        }
        self.move_lines(tx, Event::BankFailed).await?;
        if end == FileOutState::Refused {
            tx.move_file(self.file, end, &self.text(), &self.gateway.holder, self.now).await?;
        } else {
            self.answered(tx).await?;
        }
        self.give_back(tx).await
    }

    async fn give_back(&self, tx: &mut Tx) -> Result<(), PassError> {
        let why = self.text();
        books::give_back(self.gateway, tx, &self.order, OrderState::Refused, &self.gateway.holder, &why, self.now).await?;
        books::tell_refused(self.gateway, tx, &self.order, &why, self.now).await
    }

    async fn move_lines(&self, tx: &mut Tx, event: Event) -> Result<(), PassError> {
        let to = step(self.file.lines_state, event).map_err(|e| PassError::Broken(e.to_string()))?;
        tx.move_base(self.file, to, self.now).await?;
        Ok(())
    }

    async fn answered(&self, tx: &mut Tx) -> Result<(), PassError> {
        let recurs = self.gateway.profile(&self.file.profile)?.exchange().recurring_path;
        if tx.record_answered(self.file.id, recurs, self.now).await? {
            tx.event("file_out", self.file.id, ("answer", self.file.state.code(), "answered"), &self.gateway.holder, "", self.now).await?;
            for kind in ["overdue", "ack_overdue", "presumed"] {
                tx.close_incident(&format!("{kind}:{}", self.file.id), self.now).await?;
            }
        }
        Ok(())
    }

    /// The bank says that it had the order before: nobody knows whether it was done.
    async fn doubt(&self, tx: &mut Tx) -> Result<(), PassError> {
        tx.move_file(self.file, FileOutState::Doubt, &self.text(), &self.gateway.holder, self.now).await?;
        let o = &self.order;
        let what = Words::new(
            format!("银行{}称退款凭证{}（{}元）此前已收到：{}；是否已办理不明", o.purse.bank, o.number, o.amount, self.text()),
            format!(
                "bank {} says it had refund {} ({}) before: {}; nobody knows whether it was done",
                o.purse.bank,
                o.number,
                o.amount,
                self.text()
            ),
        );
        self.tell(tx, &format!("doubt:{}", self.file.id), "refund_doubt", what).await
    }

    /// A word against an end that is on the books: told, and nothing else.
    async fn contradicts(&self, tx: &mut Tx) -> Result<(), PassError> {
        let o = &self.order;
        let (zh, en) = o.state.words();
        let what = Words::new(
            format!("银行{}对退款凭证{}（{}元，现为“{zh}”）又有相反的说法：{}", o.purse.bank, o.number, o.amount, self.text()),
            format!("bank {} contradicts refund {} ({}, {en}): {}", o.purse.bank, o.number, o.amount, self.text()),
        );
        self.tell(tx, &format!("refund_conflict:{}", o.number), "conflict", what).await
    }

    async fn tell(&self, tx: &mut Tx, key: &str, kind: &str, what: Words) -> Result<(), PassError> {
        let number = &self.order.number;
        let next_step = Words::new(
            format!(
                "请与银行核对，切勿另行退款；查看：bankgate refund show {number}；确认未办或已退回本账户的，由两人作废：bankgate refund cancel {number}"
            ),
            format!(
                "ask the bank, and send no other refund meanwhile; look: bankgate refund show {number}; what was certainly not done, or came back to \
                 the account, two persons give up: bankgate refund cancel {number}"
            ),
        );
        let (what, next_step) = (self.gateway.say(what), self.gateway.say(next_step));
        let bank = &self.order.purse.bank;
        tx.incident(&NewIncident { key, kind, bank, what: &what, next_step: &next_step }, self.now).await?;
        Ok(())
    }
}
