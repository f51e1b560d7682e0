//! Which line of a statement is which movement of ours (流水匹配): three ways, by three keys in their order.
//!
//! First the reference that we gave and the bank echoes; then the file; then amount and date, where exactly one of ours and
//! exactly one of theirs remain. What is only likely is listed for a person, never matched. Pure: lines and books come in
//! as values, a finding for every line goes out.

mod disagree;
mod reversal;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::exchange::Side;
use super::ids::EndToEndId;
use super::instruction::coded;
use super::masked::{Account, Name};
use super::money::Fen;
use disagree::disagrees;

/// Candidates that a person is shown for one line.
const CANDIDATES_SHOWN: usize = 5;

/// What a line was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKind {
    /// The debit of one instruction.
    Instruction,
    /// The debit of a file's lump.
    File,
    /// The debit of a refund order.
    Refund,
    /// The arrival of funds.
    Funding,
    /// One paid instruction's money, back (退票).
    Return,
    /// Paid instructions' money of one file, back in a lump.
    ReturnFile,
    /// What a person gave back.
    Recovery,
    /// One failure's money, back: the bank had debited for all.
    CreditBack,
    /// All failures' money of one file, back in a lump.
    CreditBackFile,
    /// What two persons said it is; or a debit that was none of ours, or a refund's, and the credit that took it back.
    Other,
}

coded!(MatchKind {
    Instruction = "instruction",
    File = "file",
    Refund = "refund",
    Funding = "funding",
    Return = "return",
    ReturnFile = "return_file",
    Recovery = "recovery",
    CreditBack = "credit_back",
    CreditBackFile = "credit_back_file",
    Other = "other",
});

/// How it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// By our reference.
    Reference,
    /// By the file's name or key.
    File,
    /// By amount and date, unique on both sides.
    Amount,
    /// By two persons.
    Manual,
}

coded!(How { Reference = "reference", File = "file", Amount = "amount", Manual = "manual" });

/// What does not agree (差异).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakKind {
    /// Our books have it, the statement does not.
    MissingAtBank,
    /// The statement has it, our books do not.
    MissingHere,
    /// It is there, with another amount.
    Amount,
    /// The bank charged a fee, which it may not.
    FeeCharged,
    /// Debited a second time.
    DuplicateDebit,
    /// Said to be sent back, and not credited; or a refund that came back.
    Returned,
    /// Missing at the bank for more than thirty days.
    Stale,
}

coded!(BreakKind {
    MissingAtBank = "missing_at_bank",
    MissingHere = "missing_here",
    Amount = "amount",
    FeeCharged = "fee_charged",
    DuplicateDebit = "duplicate_debit",
    Returned = "returned",
    Stale = "stale",
});

/// A line of a statement that nothing explains yet.
#[derive(Clone, Debug)]
pub struct Line {
    /// The statement.
    pub statement: i64,
    /// The line.
    pub line: i64,
    /// The booking date.
    pub on: NaiveDate,
    /// In or out.
    pub side: Side,
    /// How much.
    pub amount: Fen,
    /// The reference, as the bank gives it.
    pub reference: String,
    /// What the bank says it is.
    pub words: String,
    /// The other side's account.
    pub counter_account: Account,
    /// The other side's name.
    pub counter_name: Name,
}

/// One of our files, as far as the account is concerned.
#[derive(Clone, Debug, Default)]
pub struct FileDue {
    /// Its name, without its folder.
    pub name: String,
    /// What ties request and answers.
    pub key: String,
    /// Its path under the bank's inbox.
    pub path: String,
    /// Days on which its debit may stand.
    pub days: BTreeSet<NaiveDate>,
    /// The day from which it should.
    pub on: Option<NaiveDate>,
    /// What the bank should have debited so far.
    pub due: Fen,
    /// What it would debit at once: the paid lines of one answer, or of one day's answers.
    pub parts: Vec<Fen>,
    /// Whether every line has its word, so that nothing more will be due.
    pub is_settled: bool,
    /// What was debited and matched, lump by lump and item by item.
    pub debited: Fen,
    /// The matched lumps.
    pub lumps: Vec<Fen>,
    /// Failures whose money was debited and is not back.
    pub back_due: Fen,
    /// Returned lines whose money should be back.
    pub return_due: Fen,
    /// Returned lines whose money was seen.
    pub return_seen: Fen,
    /// The day from which returned money should be there.
    pub return_on: Option<NaiveDate>,
}

impl FileDue {
    /// What is still to be debited.
    #[must_use]
    pub fn open(&self) -> Fen {
        less(self.due, self.debited)
    }

    /// Whether a lump that was debited already pays for a line of so much. Debits of single lines say nothing of another line: the
    /// bank's word on theirs may be in doubt by now.
    #[must_use]
    pub fn is_in_a_lump(&self, amount: Fen) -> bool {
        !self.lumps.is_empty() && amount > self.open()
    }

    /// What is still to come back of returned lines.
    #[must_use]
    pub fn return_open(&self) -> Fen {
        less(self.return_due, self.return_seen)
    }
}

/// The bank's word on an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Credited, whatever came after.
    Paid,
    /// Not credited.
    Failed,
    /// None yet, or two that differ.
    None,
}

/// An instruction that a line names.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its file.
    pub file: i64,
    /// How much was instructed, or, of a partial, paid.
    pub amount: Fen,
    /// The bank's word.
    pub word: Word,
    /// What of it may come back: it stands as paid, by one of two words at least.
    pub kept: Fen,
    /// Whether the bank debits for all and gives back what failed.
    pub is_gross: bool,
    /// What was sent back, by the bank's word.
    pub returned: Fen,
    /// What was said to come back and no statement shows yet, return by return.
    pub unseen: Vec<Fen>,
    /// What was debited for it alone and matched.
    pub debited: Fen,
    /// What came back for it alone and was matched.
    pub back: Fen,
}

/// A refund order that is out.
#[derive(Clone, Debug)]
pub struct RefundDue {
    /// How much.
    pub amount: Fen,
    /// The day from which its debit should stand.
    pub on: NaiveDate,
    /// Whether it is out: neither refused nor given up, nor only proposed.
    pub is_out: bool,
    /// Whether only the statement proves it.
    pub is_proven_here: bool,
    /// Whether its debit was matched.
    pub is_seen: bool,
}

/// Funds that arrived as cash.
#[derive(Clone, Debug)]
pub struct FundingDue {
    /// Its key.
    pub id: i64,
    /// How much.
    pub amount: Fen,
}

/// Money that a person shall give back.
#[derive(Clone, Debug)]
pub struct RecoveryDue {
    /// The case.
    pub case: i64,
    /// The instruction that paid it.
    pub instruction: i64,
    /// How much.
    pub amount: Fen,
    /// To which account it was paid.
    pub account: Account,
    /// To whom.
    pub name: Name,
}

/// Our side, and the bank's answers, of one account.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Files, by key.
    pub files: BTreeMap<i64, FileDue>,
    /// Instructions that lines name.
    pub items: BTreeMap<i64, Item>,
    /// Refund orders, by number.
    pub refunds: BTreeMap<i64, RefundDue>,
    /// Cash that arrived and was not seen on a statement.
    pub fundings: Vec<FundingDue>,
    /// Open cases of recovery.
    pub recoveries: Vec<RecoveryDue>,
    /// The day from which the statements do not follow each other: what lies between is not known.
    pub broken_from: Option<NaiveDate>,
    /// The first day of which there is a statement: what was debited before it is not known.
    pub stated_from: Option<NaiveDate>,
}

impl Books {
    /// Whether a statement that is missing may show another debit for a file than those that are known, which a credit on this day
    /// then takes back.
    fn may_hide_a_debit(&self, file: i64, on: NaiveDate) -> bool {
        let begins_before = |from: NaiveDate| self.files.get(&file).and_then(|f| f.days.first()).is_some_and(|day| *day < from);
        self.broken_from.is_some_and(|from| on >= from) || self.stated_from.is_some_and(begins_before)
    }
}

/// What was found of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is this.
    Match(MatchKind, i64, How),
    /// It names a file or instruction whose answer has not come yet.
    Wait,
    /// It does not agree.
    Break {
        /// In what way.
        kind: BreakKind,
        /// What it names, if anything: `file 3`, a reference.
        subject: String,
        /// What it should be.
        expected: Option<Fen>,
        /// What it might be: for a person.
        candidates: Vec<String>,
    },
}

/// Something of ours that no statement shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As a break, once its grace is over.
    pub kind: BreakKind,
    /// Which break it is: one while it is open.
    pub key: String,
    /// What it is.
    pub subject: String,
    /// How much is missing.
    pub amount: Fen,
    /// The day from which it should be there.
    pub on: NaiveDate,
}

/// Whether the bank's words say that it charged for its service.
#[must_use]
pub fn is_fee(words: &str) -> bool {
    const FEES: [&str; 12] =
        ["手续费", "工本费", "短信费", "汇划费", "邮电费", "年费", "管理费", "服务费", "电子回单费", "收费", "FEE", "CHARGE"];
    let words = words.to_uppercase();
    FEES.iter().any(|fee| words.contains(fee))
}

/// Whether the bank's words say that it sent a payment back, and not that a person did.
#[must_use]
fn is_sent_back(words: &str) -> bool {
    ["退票", "退汇"].iter().any(|said| words.contains(said))
}

/// Finds what each line is; what is found is taken from the books, so that nothing explains two lines.
#[must_use]
pub fn match_lines(lines: &[Line], books: &mut Books) -> Vec<Found> {
    let mut found = match_debits(lines, books);
    let left: Vec<Line> = lines.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(line, _)| line.clone()).collect();
    let mut rest = match_rest(&left, books).into_iter();
    found.iter_mut().filter(|found| found.is_none()).for_each(|found| *found = rest.next());
    found.into_iter().flatten().collect()
}

/// Finds the debits that name their instruction or file and are just what is open of it: nearly all that a statement shows.
/// Each is decided by what came before it, so that a long statement may be taken page by page, in its order.
#[must_use]
pub fn match_debits(lines: &[Line], books: &mut Books) -> Vec<Option<Found>> {
    let names: Vec<Option<Named>> = lines.iter().map(|line| named(line, books)).collect();
    let mut found: Vec<Option<Found>> = vec![None; lines.len()];
    take_named(lines, &names, books, &mut found, |line, name, _| line.side == Side::Debit && !matches!(name, Named::Refund(_)));
    found
}

/// Finds what the lines are that `match_debits` left, all of them at once, in their order.
#[must_use]
pub fn match_rest(lines: &[Line], books: &mut Books) -> Vec<Found> {
    let names: Vec<Option<Named>> = lines.iter().map(|line| named(line, books)).collect();
    let mut found: Vec<Option<Found>> = vec![None; lines.len()];
    // What a bank's file said comes back goes before what the statement is the first to say.
    take_named(lines, &names, books, &mut found, was_said);
    reversal::pair_bounced(lines, &names, books, &mut found);
    take_named(lines, &names, books, &mut found, |line, name, _| line.side == Side::Debit && matches!(name, Named::Refund(_)));
    reversal::pair(lines, &names, books, &mut found);
    // A debit that nothing explains may be what its credit takes back: no return before somebody has looked.
    let open: BTreeSet<(i64, Fen)> = debits_in_question(lines, &names, books, &found).collect();
    take_named(lines, &names, books, &mut found, |line, name, _| {
        line.side == Side::Debit || !matches!(name, Named::Item(id) if open.contains(&(*id, line.amount)))
    });
    by_sum(lines, &names, books, &mut found);
    by_amount(lines, &names, books, &mut found);
    let left = lines.iter().zip(&names).zip(found);
    left.map(|((line, name), found)| found.unwrap_or_else(|| disagrees(line, name.as_ref(), books))).collect()
}

/// Debits of single payments that do not agree with what the bank said of them. One that waits for its word is in no question.
fn debits_in_question(lines: &[Line], names: &[Option<Named>], books: &Books, found: &[Option<Found>]) -> impl Iterator<Item = (i64, Fen)> {
    let open = lines.iter().zip(names).zip(found).filter(|((line, _), found)| line.side == Side::Debit && found.is_none());
    open.filter_map(|((line, name), _)| match name {
        Some(Named::Item(id)) if !matches!(disagrees(line, name.as_ref(), books), Found::Wait) => Some((*id, line.amount)),
        Some(Named::Item(_) | Named::Refund(_) | Named::File(_)) | None => None,
    })
}

/// What stands in our books and on no statement, but for files that a line in dispute names: that line says more.
#[must_use]
pub fn missing(books: &Books, disputed: &BTreeSet<i64>) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (id, file) in books.files.iter().filter(|(id, _)| !disputed.contains(id)) {
        let mut note = |kind, what: &str, amount: Fen, on: Option<NaiveDate>| {
            if let Some(on) = on.filter(|_| amount.is_positive()) {
                missing.push(Missing { kind, key: format!("{what}:file:{id}"), subject: format!("file {id} {}", file.name), amount, on });
            }
        };
        note(BreakKind::MissingAtBank, "debit", file.open(), file.on);
        // Money that was never debited is not owed back.
        if file.debited.is_positive() {
            note(BreakKind::MissingAtBank, "back", file.back_due, file.on);
        }
        note(BreakKind::Returned, "return", file.return_open(), file.return_on);
    }
    for (id, order) in books.refunds.iter().filter(|(_, r)| r.is_out && r.is_proven_here && !r.is_seen) {
        missing.push(Missing {
            kind: BreakKind::MissingAtBank,
            key: format!("debit:refund:{id}"),
            subject: EndToEndId(*id).to_string(),
            amount: order.amount,
            on: order.on,
        });
    }
    missing
}

/// Files that a line names and does not agree with.
#[must_use]
pub fn disputed(lines: &[Line], found: &[Found], books: &Books) -> BTreeSet<i64> {
    let open = lines.iter().zip(found).filter(|(_, f)| !matches!(f, Found::Match(..)));
    let files = open.filter_map(|(line, _)| match named(line, books)? {
        Named::File(id) => Some(id),
        Named::Item(id) => books.items.get(&id).map(|item| item.file),
        Named::Refund(_) => None,
    });
    files.collect()
}

/// What a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Item(i64),
    Refund(i64),
    File(i64),
}

/// The words in which a bank may name something of ours.
pub fn tokens(line: &Line) -> impl Iterator<Item = &str> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '，' | '；' | '：' | ':' | '（' | '）' | '(' | ')');
    let words = line.words.split(is_between);
    std::iter::once(line.reference.trim()).chain(words).filter(|t| t.len() > 3)
}

/// The reference of ours that a line carries.
#[must_use]
pub fn reference(line: &Line) -> Option<i64> {
    tokens(line).find_map(EndToEndId::parse).map(|id| id.0)
}

fn named(line: &Line, books: &Books) -> Option<Named> {
    if let Some(id) = reference(line) {
        if books.refunds.contains_key(&id) {
            return Some(Named::Refund(id));
        }
        return books.items.contains_key(&id).then_some(Named::Item(id));
    }
    // The narrower name first: a key or path is of one day, a name may come again tomorrow.
    let narrow: fn(&FileDue, &str) -> bool = |f, t| t == f.key || t == f.path;
    let wide: fn(&FileDue, &str) -> bool = |f, t| t == f.name;
    for says in [narrow, wide] {
        let files: Vec<(&i64, &FileDue)> = books.files.iter().filter(|(_, f)| tokens(line).any(|t| says(f, t))).collect();
        match files.as_slice() {
            [] => {}
            [(id, _)] => return Some(Named::File(**id)),
            several => {
                let mut fits = several.iter().filter(|(_, f)| f.days.contains(&line.on));
                return match (fits.next(), fits.next()) {
                    (Some((id, _)), None) => Some(Named::File(**id)),
                    (Some(_) | None, _) => None,
                };
            }
        }
    }
    None
}

fn take_named(
    lines: &[Line],
    names: &[Option<Named>],
    books: &mut Books,
    found: &mut [Option<Found>],
    is_meant: impl Fn(&Line, &Named, &Books) -> bool,
) {
    for ((line, name), found) in lines.iter().zip(names).zip(found) {
        if let Some(name) = name.as_ref().filter(|name| found.is_none() && is_meant(line, name, books)) {
            *found = by_name(line, name, books);
        }
    }
}

fn was_said(line: &Line, name: &Named, books: &Books) -> bool {
    match (name, line.side) {
        (Named::Item(id), Side::Credit) => books.items.get(id).is_some_and(|item| item.unseen.contains(&line.amount)),
        (Named::Item(_) | Named::Refund(_) | Named::File(_), _) => false,
    }
}

fn by_name(line: &Line, name: &Named, books: &mut Books) -> Option<Found> {
    let kind_and_how = match (name, line.side) {
        (Named::Refund(id), Side::Debit) => {
            let order = books.refunds.get_mut(id).filter(|r| r.is_out && !r.is_seen && r.amount == line.amount)?;
            order.is_seen = true;
            (MatchKind::Refund, *id, How::Reference)
        }
        (Named::Refund(_), Side::Credit) => return None,
        (Named::Item(id), Side::Debit) => (item_debit(line, *id, books)?, *id, How::Reference),
        (Named::Item(id), Side::Credit) => {
            let (kind, subject) = item_credit(line, *id, books)?;
            (kind, subject, How::Reference)
        }
        (Named::File(id), Side::Debit) => {
            let file = books.files.get_mut(id)?;
            let fits = line.amount == file.open() || (line.amount <= file.open() && file.parts.contains(&line.amount));
            if !fits {
                return None;
            }
            take_lump(file, line.amount);
            (MatchKind::File, *id, How::File)
        }
        (Named::File(id), Side::Credit) => {
            let file = books.files.get_mut(id)?;
            if line.amount == file.back_due && file.debited.is_positive() {
                file.back_due = Fen::ZERO;
                (MatchKind::CreditBackFile, *id, How::File)
            } else if line.amount == file.return_open() {
                file.return_seen = plus(file.return_seen, line.amount);
                (MatchKind::ReturnFile, *id, How::File)
            } else {
                return None;
            }
        }
    };
    let (kind, subject, how) = kind_and_how;
    Some(Found::Match(kind, subject, how))
}

fn item_debit(line: &Line, id: i64, books: &mut Books) -> Option<MatchKind> {
    let item = books.items.get_mut(&id)?;
    let file = books.files.get_mut(&item.file)?;
    let is_due = item.is_gross || item.word == Word::Paid;
    if !is_due || item.debited.is_positive() || item.amount != line.amount || file.is_in_a_lump(line.amount) {
        return None;
    }
    item.debited = line.amount;
    file.debited = plus(file.debited, line.amount);
    Some(MatchKind::Instruction)
}

fn item_credit(line: &Line, id: i64, books: &mut Books) -> Option<(MatchKind, i64)> {
    let may_take_a_debit_back = books.items.get(&id).is_some_and(|item| books.may_hide_a_debit(item.file, line.on));
    // What the bank sends back did not come from whoever is asked for it.
    let is_return = is_sent_back(&line.words) || books.items.get(&id).is_some_and(|item| item.unseen.contains(&line.amount));
    let asked_back = books.recoveries.iter().position(|r| r.instruction == id && r.amount == line.amount);
    if let Some(at) = asked_back.filter(|_| !may_take_a_debit_back && !is_return) {
        return Some((MatchKind::Recovery, books.recoveries.remove(at).case));
    }
    let item = books.items.get_mut(&id)?;
    let file = books.files.get_mut(&item.file)?;
    if item.is_gross && item.word == Word::Failed && item.back == Fen::ZERO && item.amount == line.amount {
        item.back = line.amount;
        file.back_due = less(file.back_due, line.amount);
        return Some((MatchKind::CreditBack, id));
    }
    // One of those that were said to come back, or all together; while they are to come, another amount is a question.
    let said = item.unseen.iter().position(|it| *it == line.amount);
    let is_all = item.unseen.len() > 1 && item.unseen.iter().copied().sum::<Fen>() == line.amount;
    let is_first_to_say = item.unseen.is_empty() && line.amount <= item.kept && !may_take_a_debit_back;
    match said {
        Some(at) => _ = item.unseen.remove(at),
        None if is_all => item.unseen.clear(),
        None if is_first_to_say => item.kept = less(item.kept, line.amount),
        None => return None,
    }
    item.back = plus(item.back, line.amount);
    file.return_seen = plus(file.return_seen, line.amount);
    Some((MatchKind::Return, id))
}

fn take_lump(file: &mut FileDue, amount: Fen) {
    file.debited = plus(file.debited, amount);
    file.lumps.push(amount);
}

/// Several lumps of one file that make up what is open.
fn by_sum(lines: &[Line], names: &[Option<Named>], books: &mut Books, found: &mut [Option<Found>]) {
    let mut lumps: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, (line, name)) in lines.iter().zip(names).enumerate() {
        if let (Some(Named::File(id)), Side::Debit, Some(None)) = (name, line.side, found.get(at)) {
            lumps.entry(*id).or_default().push(at);
        }
    }
    for (id, places) in lumps {
        let Some(file) = books.files.get_mut(&id) else { continue };
        let sum: Fen = places.iter().filter_map(|at| lines.get(*at)).map(|l| l.amount).sum();
        if places.len() < 2 || sum != file.open() {
            continue;
        }
        for at in places {
            if let (Some(line), Some(slot)) = (lines.get(at), found.get_mut(at)) {
                take_lump(file, line.amount);
                *slot = Some(Found::Match(MatchKind::File, id, How::File));
            }
        }
    }
}

/// Amount and date, unique on both sides.
fn by_amount(lines: &[Line], names: &[Option<Named>], books: &mut Books, found: &mut [Option<Found>]) {
    let mut wanted: Vec<(usize, MatchKind, i64)> = Vec::new();
    for (at, (line, name)) in lines.iter().zip(names).enumerate() {
        let is_open = matches!(found.get(at), Some(None)) && name.is_none() && reference(line).is_none();
        if !is_open || (line.side == Side::Debit && is_fee(&line.words)) {
            continue;
        }
        let fits = fitting(line, books);
        wanted.extend(fits.into_iter().map(|(kind, id)| (at, kind, id)));
    }
    for (at, kind, id) in &wanted {
        let theirs = wanted.iter().filter(|(_, k, i)| k == kind && i == id).count();
        let ours = wanted.iter().filter(|(a, _, _)| a == at).count();
        let (Some(line), Some(slot)) = (lines.get(*at), found.get_mut(*at)) else { continue };
        if theirs == 1 && ours == 1 {
            take(*kind, *id, line.amount, books);
            *slot = Some(Found::Match(*kind, *id, How::Amount));
        }
    }
}

/// What of ours has exactly this amount and may stand on this day.
fn fitting(line: &Line, books: &Books) -> Vec<(MatchKind, i64)> {
    let mut fits = Vec::new();
    let on_day = || books.files.iter().filter(|(_, f)| f.days.contains(&line.on));
    match line.side {
        Side::Debit => {
            let is_lump = |f: &FileDue| line.amount == f.open() || (line.amount <= f.open() && f.parts.contains(&line.amount));
            fits.extend(on_day().filter(|(_, f)| is_lump(f)).map(|(id, _)| (MatchKind::File, *id)));
            let orders = books.refunds.iter().filter(|(_, r)| r.is_out && !r.is_seen && r.amount == line.amount && r.on == line.on);
            fits.extend(orders.map(|(id, _)| (MatchKind::Refund, *id)));
        }
        Side::Credit => {
            let is_back = |f: &FileDue| f.back_due == line.amount && f.debited.is_positive();
            fits.extend(on_day().filter(|(_, f)| is_back(f)).map(|(id, _)| (MatchKind::CreditBackFile, *id)));
            let returned = books.files.iter().filter(|(_, f)| f.return_on == Some(line.on) && f.return_open() == line.amount);
            fits.extend(returned.map(|(id, _)| (MatchKind::ReturnFile, *id)));
            fits.extend(books.fundings.iter().filter(|f| f.amount == line.amount).map(|f| (MatchKind::Funding, f.id)));
            let payer = |r: &&RecoveryDue| {
                let by_account = !line.counter_account.is_empty() && line.counter_account == r.account;
                let by_name = line.counter_account.is_empty() && !line.counter_name.is_empty() && line.counter_name == r.name;
                r.amount == line.amount && (by_account || by_name)
            };
            fits.extend(books.recoveries.iter().filter(payer).map(|r| (MatchKind::Recovery, r.case)));
        }
    }
    fits
}

fn take(kind: MatchKind, id: i64, amount: Fen, books: &mut Books) {
    match kind {
        MatchKind::File => {
            if let Some(file) = books.files.get_mut(&id) {
                take_lump(file, amount);
            }
        }
        MatchKind::CreditBackFile => {
            if let Some(file) = books.files.get_mut(&id) {
                file.back_due = Fen::ZERO;
            }
        }
        MatchKind::ReturnFile => {
            if let Some(file) = books.files.get_mut(&id) {
                file.return_seen = plus(file.return_seen, amount);
            }
        }
        MatchKind::Refund => {
            if let Some(order) = books.refunds.get_mut(&id) {
                order.is_seen = true;
            }
        }
        MatchKind::Funding => books.fundings.retain(|f| f.id != id),
        MatchKind::Recovery => books.recoveries.retain(|r| r.case != id),
        MatchKind::Instruction | MatchKind::Return | MatchKind::CreditBack | MatchKind::Other => {}
    }
}

fn less(a: Fen, b: Fen) -> Fen {
    Fen::new(a.get().saturating_sub(b.get()).max(0))
}

fn plus(a: Fen, b: Fen) -> Fen {
    Fen::new(a.get().saturating_add(b.get()))
}
