//! Money that moves because a bank, or a statement, said so: by where the states say that it lies.

use crate::domain::instruction::InstructionState;
use crate::domain::language::Words;
use crate::domain::ledger::{EntryKind, Movement, entry_kind};
use crate::domain::money::Fen;
use crate::domain::reason::ReasonClass;
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, PassError};
use crate::store::desk::NewIncident;
use crate::store::ledger::{EntryOf, Origin};
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

/// Whose money moves, and on whose word.
pub(in crate::passes) struct Booking<'a> {
    pub gateway: &'a Gateway,
    pub file: &'a FileOut,
    pub file_in: Option<i64>,
    pub statement: Option<i64>,
    pub now: Timestamp,
}

impl Booking<'_> {
    /// Moves an amount from where one state keeps it to where the other does. What our books have no room for goes through
    /// the conflict account, and a person is told.
    pub async fn move_money(
        &self,
        tx: &mut Tx,
        kind: Option<EntryKind>,
        from: (InstructionState, Option<ReasonClass>),
        to: (InstructionState, Option<ReasonClass>),
        amount: Fen,
        lines: u64,
    ) -> Result<(), PassError> {
        let (Some(from), Some(to)) = (from.0.account(from.1), to.0.account(to.1)) else { return Ok(()) };
        if from == to || !amount.is_positive() {
            return Ok(());
        }
        let kind = kind.unwrap_or_else(|| entry_kind(to));
        let movement = Movement { kind, from: self.file.purse.account(from), to: self.file.purse.account(to), amount };
        let of = EntryOf {
            batch: self.file.batch.clone(),
            file_out: Some(self.file.id),
            file_in: self.file_in,
            statement: self.statement,
            lines,
            ..EntryOf::default()
        };
        if tx.post(self.now, &of, Origin::Theirs, &movement).await? {
            let what = self.gateway.say(Words::new(
                format!("银行的说法使账户“{}”不足，{}元记入冲突户", from.code(), amount),
                format!("the bank's word would overdraw {}; {} is booked to conflict", from.code(), amount),
            ));
            let next_step = self.gateway.say(Words::new("请对账", "reconcile the account"));
            let key = format!("overdraw:{}:{}", self.file.id, from.code());
            let incident = NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step };
            tx.incident(&incident, self.now).await?;
        }
        Ok(())
    }
}
