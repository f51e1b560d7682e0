//! What a match proves is done, in the transaction that writes the match: a credit books a return, closes a recovery, a debit
//! shows that a refund left. What the books refuse is no match but a break, for a person.

use crate::domain::ids::EndToEndId;
use crate::domain::matching::{BreakKind, Found, Line, MatchKind};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::passes::returns::Noted;
use crate::passes::{Gateway, PassError, cases, refund, returns};
use crate::store::sql::Tx;

/// Does what a match proves; gives the break that it is instead where the books refuse it.
pub(crate) async fn follow(
    gateway: &Gateway,
    tx: &mut Tx,
    line: &Line,
    (kind, subject): (MatchKind, i64),
    noted: &mut Noted,
    now: Timestamp,
) -> Result<Option<Found>, PassError> {
    if matches!(kind, MatchKind::Recovery | MatchKind::Refund) {
        // Whatever else is done sees the returns before it as done.
        returns::meet_noted(gateway, tx, noted, now).await?;
    }
    let (statement, number) = (line.statement, line.line);
    let words = if line.words.is_empty() { line.reference.as_str() } else { line.words.as_str() };
    let (done, subject) = match kind {
        MatchKind::Return => {
            let done = returns::note_credit(gateway, tx, (subject, line.amount, words), (statement, number), noted, now).await?;
            (done, EndToEndId(subject).to_string())
        }
        MatchKind::Recovery => {
            let done = cases::recovered(gateway, tx, subject, line.amount, Some((statement, number)), words, now).await?;
            (done, format!("case {subject}"))
        }
        MatchKind::Refund => {
            if refund::debited(gateway, tx, subject, (statement, number), now).await? {
                return Ok(None);
            }
            // It was debited once: this is another debit, and the bank's matter.
            let (kind, subject) = (BreakKind::DuplicateDebit, EndToEndId(subject).to_string());
            return Ok(Some(Found::Break { kind, subject, expected: Some(Fen::ZERO), candidates: Vec::new() }));
        }
        // What a credit in one sum makes final is found by its match (`store::aftermath`).
        MatchKind::Instruction
        | MatchKind::File
        | MatchKind::Funding
        | MatchKind::ReturnFile
        | MatchKind::CreditBack
        | MatchKind::CreditBackFile
        | MatchKind::Other => return Ok(None),
    };
    Ok((!done).then(|| Found::Break { kind: BreakKind::Returned, subject, expected: None, candidates: Vec::new() }))
}
