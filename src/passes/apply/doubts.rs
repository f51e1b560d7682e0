//! Lines that contradict what we sent, or what the bank said before (矛盾): a conflict of their own, that stops nothing else.

use std::collections::BTreeSet;

use super::Apply;
use crate::domain::exchange::{InboundKind, Outcome};
use crate::domain::instruction::{Event, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::masked::Name;
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::format::{Profile, fold_name};
use crate::passes::PassError;
use crate::store::desk::NewIncident;
use crate::store::inbound::{EchoRow, LineState};
use crate::store::sql::Tx;

/// More rows than this that say something else than what we sent mean that the file is not about ours at all.
pub(super) const DIFFERING_MAX: i64 = 10_000;

/// One line that is in doubt.
struct Doubt {
    instruction: i64,
    at: (i64, i64),
    instructed: Fen,
    /// What the bank says that it paid, where that is another amount.
    paid: Option<Fen>,
    reason: Reason,
    words: &'static str,
}

impl Apply<'_> {
    /// Puts every line in doubt that differs from what we sent or gives a success a second time under another number.
    /// Says which. `None`: too many.
    pub(super) async fn doubts(&self, tx: &mut Tx) -> Result<Option<BTreeSet<i64>>, PassError> {
        let rows = tx.echoes_that_differ(&self.ids, DIFFERING_MAX + 1).await?;
        let again = if self.says_what_became() { tx.second_credits(&self.ids, &self.file, DIFFERING_MAX + 1).await? } else { Vec::new() };
        if [rows.len(), again.len()].into_iter().any(|n| i64::try_from(n).map_or(true, |n| n > DIFFERING_MAX)) {
            return Ok(None);
        }
        for instruction in tx.contradicted(&self.ids, &self.file).await? {
            self.reclaim(tx, instruction).await?;
            // What pays it again failed since, or is at a bank: nobody moves this one any more, and somebody must know.
            if tx.own_line(instruction).await?.is_some_and(|own| own.state == InstructionState::Reissued) {
                self.gone_twice(tx, instruction, InstructionState::Reissued).await?;
            }
        }
        let mut doubtful = BTreeSet::new();
        let profile = self.profile()?;
        for row in rows.iter().filter(|row| self.differs(profile, row)) {
            let paid = row.theirs.4.filter(|paid| *paid != row.ours.3);
            let (reason, words) = match paid {
                Some(_) => (Reason::PartialPaid, "银行称已付金额与应付不一致 / another amount was paid"),
                None => (Reason::ResultUnknown, "回盘信息与我方不一致 / the echo differs from what was sent"),
            };
            let instructed = row.ours.3;
            self.doubt(tx, &Doubt { instruction: row.instruction_id, at: row.at, instructed, paid, reason, words }).await?;
            doubtful.insert(row.instruction_id);
        }
        for (instruction, at) in again {
            let instructed = tx.instructed(instruction).await?;
            let words = "银行以另一流水号再次报成功，疑似重复入账 / a success again under another reference of the bank";
            self.doubt(tx, &Doubt { instruction, at, instructed, paid: None, reason: Reason::ResultUnknown, words }).await?;
            doubtful.insert(instruction);
        }
        Ok(Some(doubtful))
    }

    /// A row that contradicts what we know is settled by nobody but people.
    async fn doubt(&self, tx: &mut Tx, doubt: &Doubt) -> Result<(), PassError> {
        let mut own = tx.own_line(doubt.instruction).await?;
        // What was settled as partly paid is no news when the bank says it again.
        let is_known = |o: &crate::store::answers::OwnLine| o.state == InstructionState::Paid && doubt.paid == Some(o.amount);
        if own.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        let is_free = |s: InstructionState| {
            matches!(s, InstructionState::FailedFinal | InstructionState::Reissued | InstructionState::Lapsed | InstructionState::Carried)
        };
        if own.as_ref().is_some_and(|o| is_free(o.state)) {
            self.reclaim(tx, doubt.instruction).await?;
            own = tx.own_line(doubt.instruction).await?;
        }
        let (state, class, amount) =
            own.map_or_else(|| (self.file.lines_state, String::new(), doubt.instructed), |o| (o.state, o.class, o.amount));
        let Ok(next) = step(state, Event::BankDiffers) else { return self.gone_twice(tx, doubt.instruction, state).await };
        let class_next = doubt.reason.class();
        self.move_money(tx, (state, ReasonClass::from_code(&class)), (next, Some(class_next)), amount, 1).await?;
        let line = LineState {
            instruction_id: doubt.instruction,
            state: next,
            amount,
            reason: doubt.reason.code(),
            class: class_next.code(),
            words: doubt.words,
            at: Some(doubt.at),
        };
        tx.set_state(&self.file, &line, self.now).await?;
        if let Some(paid) = doubt.paid {
            tx.keep_paid(doubt.instruction, paid).await?;
        }
        Ok(())
    }

    /// Successes of lines whose money is on its way back to the treasury, or there: it left twice, and a person must know.
    pub(super) async fn successes_too_late(&self, tx: &mut Tx) -> Result<(), PassError> {
        for (instruction, state) in tx.paid_and_gone(&self.ids, &self.file).await? {
            if matches!(state, InstructionState::Carried | InstructionState::Refunded) {
                // Its entitlement is free, and may be being paid again by now.
                self.reclaim(tx, instruction).await?;
            }
            self.gone_twice(tx, instruction, state).await?;
        }
        for instruction in tx.parted_and_paid(&self.ids, &self.file).await? {
            // Whoever is paying what remained again, at this moment, is seen behind this, or sees what is said here.
            tx.hold_rests(instruction).await?;
            self.gone_twice(tx, instruction, InstructionState::Paid).await?;
            // Behind that, for it tells what was said.
            self.reclaim(tx, instruction).await?;
        }
        Ok(())
    }

    async fn gone_twice(&self, tx: &mut Tx, instruction: i64, state: InstructionState) -> Result<(), PassError> {
        let today = self.gateway.today(self.now);
        let due_on = self.gateway.due_day(today, 1)?;
        let words = if state == InstructionState::Reissued {
            "已重新发放，又报成功 / it is paid again by its successor, and was paid after all"
        } else if state == InstructionState::Paid {
            "已认定部分到账，又报全额成功 / persons settled that a part was paid, and the bank says all of it"
        } else {
            "款项已退国库，又报成功 / its money went back to the treasury, and it was paid after all"
        };
        let of = (self.file.purse.department.as_str(), self.file.bank.as_str());
        if tx.suspect_gone(instruction, words, of, (today, due_on), self.now).await? == 0 {
            return Ok(());
        }
        let what = self.gateway.say(Words::new(
            format!("疑似重复支出：第{instruction}号指令的款项已退回或已另行发放（{}），银行又报成功", state.code()),
            format!("money may have left twice: instruction {instruction} is {}, and the bank says that it was paid", state.code()),
        ));
        let next_step =
            self.gateway.say(Words::new(
                "请立即与银行核实，必要时追回；如后一次发放失败而银行确认前一次已入账，对后一次用 bankgate payment resolve --as paid 认定；\
                 没有后一次的，用 bankgate failure close --as paid 认定已入账",
                "phone the bank at once; the money may have to be recovered. Where the later attempt failed and the bank confirms the earlier one: \
                 bankgate payment resolve --as paid, of the later; where there is no later one: bankgate failure close --as paid",
            ));
        let key = format!("double:{instruction}");
        let incident =
            NewIncident { key: &key, kind: "double_payment_suspected", bank: &self.file.bank, what: &what, next_step: &next_step };
        tx.incident(&incident, self.now).await?;
        Ok(())
    }

    /// Whether an echo differs in meaning: names folded, as approved or as the bank was told them, identity numbers in either
    /// case. Less than all may be sent back.
    fn differs(&self, profile: &Profile, row: &EchoRow) -> bool {
        let (name, id, account, amount) = &row.ours;
        let (their_name, their_id, their_account, their_amount, their_paid) = &row.theirs;
        let is_other = |a: Fen| if self.kind == InboundKind::Return { a > *amount || !a.is_positive() } else { a != *amount };
        (!their_name.is_empty() && !same_name(name, their_name) && !same_name(&profile.told_name(name), their_name))
            || (!their_id.is_empty() && !id.same_as(their_id))
            || (!their_account.is_empty() && account != their_account)
            || their_amount.is_some_and(is_other)
            || (row.outcome == Outcome::Paid.code() && their_paid.is_some_and(|p| p != *amount))
    }
}

fn same_name(ours: &Name, theirs: &Name) -> bool {
    ours.matches_by(theirs, fold_name)
}
