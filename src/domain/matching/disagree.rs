//! What is the matter with a line that is nothing of ours: what it names and does not agree with, what it might be. Only said,
//! never booked.

use super::{Books, BreakKind, CANDIDATES_SHOWN, Found, Line, Named, Word, is_fee, plus};
use crate::domain::exchange::Side;
use crate::domain::ids::EndToEndId;
use crate::domain::money::Fen;

/// What is the matter with a line that nothing explains.
pub(super) fn disagrees(line: &Line, name: Option<&Named>, books: &Books) -> Found {
    let wrong = |kind, subject: String, expected| Found::Break { kind, subject, expected, candidates: candidates(line, books) };
    match name {
        Some(Named::Refund(id)) => refund_disagrees(line, *id, books, &wrong),
        Some(Named::Item(id)) => item_disagrees(line, *id, books, &wrong),
        Some(Named::File(id)) => file_disagrees(line, *id, books, &wrong),
        None if line.side == Side::Debit && is_fee(&line.words) => wrong(BreakKind::FeeCharged, String::new(), Some(Fen::ZERO)),
        None => {
            let again = books.files.iter().find(|(_, f)| {
                line.side == Side::Debit && f.days.contains(&line.on) && f.lumps.contains(&line.amount) && f.open() == Fen::ZERO
            });
            match again {
                Some((id, f)) => wrong(BreakKind::DuplicateDebit, format!("file {id} {}", f.name), Some(Fen::ZERO)),
                None => wrong(BreakKind::MissingHere, line.reference.clone(), None),
            }
        }
    }
}

fn refund_disagrees(line: &Line, id: i64, books: &Books, wrong: &dyn Fn(BreakKind, String, Option<Fen>) -> Found) -> Found {
    let subject = EndToEndId(id).to_string();
    match (books.refunds.get(&id), line.side) {
        (Some(_), Side::Credit) => wrong(BreakKind::Returned, subject, None),
        (Some(r), Side::Debit) if r.is_seen => wrong(BreakKind::DuplicateDebit, subject, Some(Fen::ZERO)),
        (Some(r), Side::Debit) if r.is_out => wrong(BreakKind::Amount, subject, Some(r.amount)),
        (Some(_) | None, _) => wrong(BreakKind::MissingHere, subject, None),
    }
}

fn item_disagrees(line: &Line, id: i64, books: &Books, wrong: &dyn Fn(BreakKind, String, Option<Fen>) -> Found) -> Found {
    let subject = EndToEndId(id).to_string();
    let Some(item) = books.items.get(&id) else { return wrong(BreakKind::MissingHere, subject, None) };
    if line.side == Side::Credit {
        return match item.word {
            Word::None => Found::Wait,
            // A statement that is missing may show the debit that this takes back.
            Word::Paid if books.may_hide_a_debit(item.file, line.on) => Found::Wait,
            Word::Paid | Word::Failed => wrong(BreakKind::MissingHere, subject, None),
        };
    }
    let is_paid_for = books.files.get(&item.file).is_none_or(|f| f.is_in_a_lump(line.amount));
    match item.word {
        Word::None if !item.is_gross => Found::Wait,
        _ if item.debited.is_positive() => wrong(BreakKind::DuplicateDebit, subject, Some(Fen::ZERO)),
        Word::Failed if !item.is_gross => wrong(BreakKind::MissingHere, subject, Some(Fen::ZERO)),
        _ if item.amount != line.amount => wrong(BreakKind::Amount, subject, Some(item.amount)),
        _ if is_paid_for => wrong(BreakKind::DuplicateDebit, subject, Some(Fen::ZERO)),
        Word::None | Word::Paid | Word::Failed => wrong(BreakKind::MissingHere, subject, None),
    }
}

fn file_disagrees(line: &Line, id: i64, books: &Books, wrong: &dyn Fn(BreakKind, String, Option<Fen>) -> Found) -> Found {
    let Some(file) = books.files.get(&id) else { return wrong(BreakKind::MissingHere, String::new(), None) };
    let subject = format!("file {id} {}", file.name);
    match line.side {
        Side::Debit if file.lumps.contains(&line.amount) && file.open() < line.amount => {
            wrong(BreakKind::DuplicateDebit, subject, Some(Fen::ZERO))
        }
        Side::Debit | Side::Credit if !file.is_settled => Found::Wait,
        Side::Debit if file.open() == Fen::ZERO => wrong(BreakKind::MissingHere, subject, Some(Fen::ZERO)),
        Side::Debit => wrong(BreakKind::Amount, subject, Some(file.open())),
        Side::Credit => {
            let owed = if file.back_due.is_positive() { file.back_due } else { file.return_open() };
            let kind = if owed.is_positive() { BreakKind::Amount } else { BreakKind::MissingHere };
            wrong(kind, subject, Some(owed))
        }
    }
}

/// What it might be: the same amount on another day, or the same digits in another order.
fn candidates(line: &Line, books: &Books) -> Vec<String> {
    let alike = |amount: Fen| amount.is_positive() && (amount == line.amount || digits(amount) == digits(line.amount));
    let mut found = Vec::new();
    match line.side {
        Side::Debit => {
            let files = books.files.iter().filter(|(_, f)| alike(f.open()) || f.parts.iter().any(|p| alike(*p)));
            found.extend(files.map(|(id, f)| format!("file {id} {} {}", f.name, f.open())));
            let orders = books.refunds.iter().filter(|(_, r)| r.is_out && !r.is_seen && alike(r.amount));
            found.extend(orders.map(|(id, r)| format!("{} {}", EndToEndId(*id), r.amount)));
        }
        Side::Credit => {
            let files = books.files.iter().filter(|(_, f)| alike(f.back_due) || alike(f.return_open()));
            found.extend(files.map(|(id, f)| format!("file {id} {} {}", f.name, plus(f.back_due, f.return_open()))));
            found.extend(books.fundings.iter().filter(|f| alike(f.amount)).map(|f| format!("funding {} {}", f.id, f.amount)));
            let cases = books.recoveries.iter().filter(|r| alike(r.amount));
            found.extend(cases.map(|r| format!("case {} {} {}", r.case, EndToEndId(r.instruction), r.amount)));
        }
    }
    found.truncate(CANDIDATES_SHOWN);
    found
}

fn digits(amount: Fen) -> Vec<char> {
    let mut digits: Vec<char> = amount.get().to_string().chars().collect();
    digits.sort_unstable();
    digits
}
