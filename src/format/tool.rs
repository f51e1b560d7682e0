//! What the format tools show and compare: a list to be rendered, records as JSON, and every answer bound to the payment
//! file that it answers. Here, and not behind the door, because whole names and accounts are shown: to a person who holds
//! the file already.

use std::collections::HashMap;
use std::io::Read;

use serde_json::{Value, json};

use super::absent::{LeftOut, left_out};
use super::charset::fold_name;
use super::profile::{BindingKey, Profile, Response, ReturnSemantics};
use super::summary::{LineFault, ParseSummary};
use crate::domain::exchange::{Answer, BatchFacts, InboundKind, Outcome, PaymentLine, Repeat, StatementEntry};
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;
use crate::domain::reason::Reason;

/// Problems that are written out; the rest is counted.
const SHOWN: usize = 100;

/// Columns of a list to be rendered; the first five of them, and the account, are looked for.
pub const COLUMNS: [&str; 11] =
    ["ref", "seq", "payee_name", "id_number", "account", "bank_code", "amount_yuan", "mobile", "project", "remark", "ordinal"];

/// How many payments each file takes, in their order: no file has more rows, or sums to more, than the bank takes, or goes to two banks where it
/// must go to one. A payment
/// above that sum stands alone, and is refused when it is rendered.
#[must_use]
pub fn parts(lines: &[PaymentLine], profile: &Profile) -> Vec<usize> {
    let rows_max = usize::try_from(profile.exchange().max_rows).unwrap_or(usize::MAX);
    let (mut out, mut rows, mut sum) = (Vec::new(), 0, Fen::ZERO);
    let mut bank = "";
    for line in lines {
        let next = sum.checked_add(line.amount);
        let is_other = profile.exchange().one_receiving_bank && line.bank_code != bank;
        bank = &line.bank_code;
        let is_full = rows == rows_max || profile.exchange().max_amount.is_some_and(|max| next.is_none_or(|next| next > max));
        if rows > 0 && (is_full || is_other) {
            out.push(std::mem::take(&mut rows));
            sum = Fen::ZERO;
        }
        rows += 1;
        sum = sum.checked_add(line.amount).unwrap_or(sum);
    }
    out.extend((rows > 0).then_some(rows));
    out
}

/// Puts payments to one bank together, in the order in which the banks first come, where the profile asks one bank a file.
pub fn group(lines: &mut [PaymentLine], profile: &Profile) {
    if !profile.exchange().one_receiving_bank {
        return;
    }
    let mut banks: HashMap<String, usize> = HashMap::new();
    for line in lines.iter() {
        let next = banks.len();
        banks.entry(line.bank_code.clone()).or_insert(next);
    }
    lines.sort_by_key(|line| banks.get(&line.bank_code).copied());
}

/// Reads a list of payments for `format render`.
///
/// # Errors
/// Every line that cannot be read, with its number.
pub fn payments(source: impl Read, facts: &BatchFacts) -> Result<Vec<PaymentLine>, Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(source);
    let header = reader.headers().map_err(|e| vec![e.to_string()])?.clone();
    let titles: Vec<&str> = header.iter().map(|t| t.trim_start_matches('\u{FEFF}').trim()).collect();
    if let Some(strange) = titles.iter().find(|t| !COLUMNS.contains(t)) {
        return Err(vec![format!("line 1: the column {strange:?} is not known; allowed: {}", COLUMNS.join(", "))]);
    }
    for needed in ["payee_name", "amount_yuan"] {
        if !titles.contains(&needed) {
            return Err(vec![format!("line 1: the column {needed:?} is missing; columns: {}", COLUMNS.join(", "))]);
        }
    }
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let mut ordinals: HashMap<String, u32> = HashMap::new();
    for (row, at) in reader.records().zip(2_u64..) {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                faults.push(format!("line {at}: {error}"));
                continue;
            }
        };
        let cell = |name: &str| titles.iter().position(|t| *t == name).and_then(|i| row.get(i)).unwrap_or_default();
        match payment(&cell, at - 1, facts) {
            Ok(mut line) => {
                let ordinal = ordinals.entry(cell("account").to_owned()).or_default();
                *ordinal = if line.ordinal > 0 { line.ordinal } else { *ordinal + 1 };
                line.ordinal = *ordinal;
                lines.push(line);
            }
            Err(what) => faults.push(format!("line {at}: {what}")),
        }
    }
    if faults.is_empty() { Ok(lines) } else { Err(faults) }
}

fn payment<'c>(cell: &impl Fn(&str) -> &'c str, expected: u64, facts: &BatchFacts) -> Result<PaymentLine, String> {
    let seq = match cell("seq") {
        "" => expected,
        text => text.parse().map_err(|_| format!("seq {text:?} is not a number"))?,
    };
    let short = [cell("project"), facts.project_short.as_str(), facts.project.as_str()].into_iter().find(|t| !t.is_empty());
    Ok(PaymentLine {
        reference: cell("ref").to_owned(),
        seq,
        payee_name: Name::new(cell("payee_name")),
        id_number: IdNumber::new(cell("id_number")),
        account: Account::new(cell("account")),
        bank_code: cell("bank_code").to_owned(),
        amount: Fen::parse_yuan(cell("amount_yuan")).map_err(|e| format!("amount_yuan: {e}"))?,
        mobile: Mobile::new(cell("mobile")),
        project_short: short.unwrap_or_default().to_owned(),
        remark: cell("remark").to_owned(),
        // Counted on where the list does not say it.
        ordinal: match cell("ordinal") {
            "" => 0,
            text => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("ordinal {text:?} is not a number from 1"))?,
        },
    })
}

/// Less than the instructed amount was credited: unknown, until it is a paid and a failed part.
#[must_use]
pub fn partly_paid(answer: &Answer) -> bool {
    answer.outcome == Outcome::Paid && matches!((answer.paid, answer.amount), (Some(paid), Some(amount)) if paid < amount)
}

/// Where a payment that is read back is not what the list says, column by column, where the layout carries it.
#[must_use]
pub fn changed(line: &PaymentLine, back: &Answer) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut differs = |what: &'static str, is_other: bool| changed.extend(is_other.then_some(what));
    differs("ref", back.reference.as_ref().is_some_and(|r| r.trim() != line.reference));
    differs("payee_name", back.payee_name.as_ref().is_some_and(|n| n.reveal() != line.payee_name.reveal()));
    differs("id_number", back.id_number.as_ref().is_some_and(|n| !n.same_as(&line.id_number)));
    differs("account", back.account.as_ref().is_some_and(|a| *a != line.account));
    differs("amount_yuan", back.amount.is_some_and(|a| a != line.amount));
    changed
}

/// An answer as an object. Every kind of record has the same keys: what it does not say is null, words are empty.
#[must_use]
pub fn answer_json(answer: &Answer) -> Value {
    let is_partly = partly_paid(answer);
    json!({
        "line": answer.line,
        "ref": answer.reference,
        "seq": answer.seq,
        "payee_name": answer.payee_name.as_ref().map(Name::reveal),
        "id_number": answer.id_number.as_ref().map(IdNumber::reveal),
        "account": answer.account.as_ref().map(Account::reveal),
        "amount_fen": answer.amount.map(Fen::get),
        "paid_fen": paid_of(answer).map(Fen::get),
        "status": status(answer.outcome, is_partly),
        "outcome": answer.outcome.code(),
        "reason": if is_partly { Some(Reason::PartialPaid.code()) } else { answer.reason.map(Reason::code) },
        "raw_code": answer.raw_code,
        "raw_text": answer.raw_text,
        "bank_ref": answer.bank_ref,
        "date": answer.date.map(|d| d.to_string()),
    })
}

/// Paid, failed, or unknown: what came back is not paid, and what was only accepted is not known. The finer word stands beside it.
const fn status(outcome: Outcome, is_partly: bool) -> &'static str {
    match outcome {
        Outcome::Paid if !is_partly => "paid",
        Outcome::Failed | Outcome::Returned => "failed",
        Outcome::Paid | Outcome::Accepted | Outcome::Unknown => "unknown",
    }
}

fn paid_of(answer: &Answer) -> Option<Fen> {
    match answer.outcome {
        Outcome::Paid => answer.paid.or(answer.amount),
        Outcome::Accepted | Outcome::Failed | Outcome::Returned | Outcome::Unknown => answer.paid,
    }
}

/// A payment of ours, read back, as an object.
#[must_use]
pub fn sent_json(answer: &Answer) -> Value {
    json!({
        "line": answer.line,
        "ref": answer.reference,
        "seq": answer.seq,
        "payee_name": answer.payee_name.as_ref().map(Name::reveal),
        "id_number": answer.id_number.as_ref().map(IdNumber::reveal),
        "account": answer.account.as_ref().map(Account::reveal),
        "amount_fen": answer.amount.map(Fen::get),
        "paid_fen": null,
        "status": null,
        "reason": null,
        "raw_code": "",
        "raw_text": "",
        "bank_ref": null,
        "date": null,
    })
}

/// A statement's entry as an object.
#[must_use]
pub fn entry_json(entry: &StatementEntry) -> Value {
    json!({
        "line": entry.line,
        "ref": entry.reference,
        "seq": null,
        "payee_name": entry.counter_name.as_ref().map(Name::reveal),
        "id_number": null,
        "account": entry.counter_account.as_ref().map(Account::reveal),
        "amount_fen": entry.amount.get(),
        "paid_fen": null,
        "status": null,
        "reason": null,
        "raw_code": "",
        "raw_text": entry.text,
        "bank_ref": entry.bank_ref,
        "date": entry.date.to_string(),
        "side": entry.side,
    })
}

/// A line that cannot be read, as an object, with its bytes in hex.
#[must_use]
pub fn fault_json(fault: &LineFault) -> Value {
    json!({ "line": fault.line, "error": fault.what, "column": fault.column, "raw_hex": hex::encode(&fault.raw) })
}

/// A payment file, and which of its payments are answered.
#[derive(Debug, Default)]
pub struct Sent {
    lines: Vec<Answer>,
    answered: Vec<Option<Outcome>>,
    by_reference: HashMap<String, usize>,
    by_seq: HashMap<u64, usize>,
    by_content: HashMap<(String, Fen), Vec<usize>>,
    has_bound_by_content: bool,
    /// What its header and trailer say.
    summary: ParseSummary,
    problems: Vec<String>,
    more: u64,
}

/// What the payments without an answer are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absent {
    /// How many.
    pub count: u64,
    /// What they sum to.
    pub amount: Fen,
    /// What counts and amounts prove of them.
    pub outcome: Option<Outcome>,
}

impl Sent {
    /// Takes a payment, as [`Profile::parse_sent`] gives it.
    pub fn take(&mut self, mut line: Answer) {
        let at = self.lines.len();
        let seq = line.seq.unwrap_or_else(|| u64::try_from(at).map_or(u64::MAX, |n| n + 1));
        line.seq = Some(seq);
        if let Some(reference) = &line.reference {
            self.by_reference.insert(reference.clone(), at);
        }
        self.by_seq.insert(seq, at);
        if let (Some(account), Some(amount)) = (&line.account, line.amount) {
            self.by_content.entry((account.reveal().to_owned(), amount)).or_default().push(at);
        }
        self.lines.push(line);
        self.answered.push(None);
    }

    /// What the file says of itself; a fault in it is a problem of all that is compared with it.
    pub fn finish(&mut self, summary: ParseSummary) {
        for what in &summary.problems {
            self.problem(format!("the payment file: {what}"));
        }
        if summary.faults > 0 {
            self.problem(format!("the payment file has {} lines that cannot be read", summary.faults));
        }
        self.summary = summary;
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < SHOWN {
            self.problems.push(what);
        } else {
            self.more += 1;
        }
    }

    /// Binds an answer to its payment; says what is wrong with it. The answer is given the number and reference of its payment.
    pub fn bind(&mut self, profile: &Profile, answer: &mut Answer) {
        let Some(at) = self.find(profile, answer) else {
            return self.problem(format!("line {}: belongs to no payment of the file", answer.line));
        };
        let Some(line) = self.lines.get(at) else { return };
        let differing = differing(line, answer);
        let seq = line.seq.unwrap_or_default();
        answer.seq = answer.seq.or(line.seq);
        answer.reference = answer.reference.take().or_else(|| line.reference.clone());
        answer.amount = answer.amount.or(line.amount);
        if !differing.is_empty() {
            self.problem(format!("line {}: {} differs from payment {seq}", answer.line, differing.join(", ")));
        }
        if let Some(slot) = self.answered.get_mut(at)
            && slot.replace(answer.outcome).is_some()
        {
            self.problem(format!("line {}: payment {seq} is answered twice", answer.line));
        }
    }

    fn find(&mut self, profile: &Profile, answer: &Answer) -> Option<usize> {
        let reference = answer.reference.as_deref().map(str::trim).filter(|r| !r.is_empty());
        for key in &profile.exchange().binding {
            match key {
                // A reference that is not ours is not excused by what stands beside it.
                BindingKey::Reference if reference.is_some() && !self.by_reference.is_empty() => {
                    return reference.and_then(|r| self.by_reference.get(r)).copied();
                }
                BindingKey::Seq if answer.seq.is_some() => return answer.seq.and_then(|s| self.by_seq.get(&s)).copied(),
                BindingKey::AccountAmount | BindingKey::AccountNameAmount => {
                    let (Some(account), Some(amount)) = (&answer.account, answer.amount) else { continue };
                    let needs_name = *key == BindingKey::AccountNameAmount;
                    let twins = self.by_content.get(&(account.reveal().to_owned(), amount))?;
                    let is_it = |at: &&usize| {
                        let line = self.lines.get(**at);
                        let name = line.and_then(|l| l.payee_name.as_ref());
                        !needs_name || matches!((name, &answer.payee_name), (Some(a), Some(b)) if a.matches_by(b, fold_name))
                    };
                    let is_free = |at: &&usize| self.answered.get(**at).is_some_and(Option::is_none);
                    let found = twins.iter().filter(is_it).find(is_free).or_else(|| twins.iter().find(is_it)).copied();
                    self.has_bound_by_content |= found.is_some();
                    return found;
                }
                BindingKey::Reference | BindingKey::Seq => {}
            }
        }
        None
    }

    /// Proves that the set says of every payment what the profile's semantics ask.
    pub fn prove(&mut self, profile: &Profile, kind: InboundKind, summaries: &[ParseSummary]) -> Absent {
        self.headers(summaries);
        if self.has_bound_by_content {
            self.twins();
        }
        let free: Vec<&Answer> = self.lines.iter().zip(&self.answered).filter(|(_, a)| a.is_none()).map(|(l, _)| l).collect();
        let mut absent = Absent { count: u64::try_from(free.len()).unwrap_or(u64::MAX), ..Absent::default() };
        absent.amount = free.iter().filter_map(|l| l.amount).sum();
        let missing: Vec<String> = free
            .iter()
            .map(|l| format!("payment {} {} is not answered", l.seq.unwrap_or_default(), l.reference.as_deref().unwrap_or_default()))
            .collect();
        if kind != InboundKind::Result {
            return absent;
        }
        let exchange = profile.exchange();
        match exchange.return_semantics {
            ReturnSemantics::AllRows | ReturnSemantics::SplitSuccessFailure => {
                if exchange.response == Response::Replace {
                    missing.into_iter().for_each(|what| self.problem(what));
                }
            }
            ReturnSemantics::FailuresOnly | ReturnSemantics::FailuresElseSuccesses => {
                match left_out(exchange, (absent.count, absent.amount), summaries) {
                    LeftOut::Open => {}
                    LeftOut::Proven(outcome) => absent.outcome = Some(outcome),
                    LeftOut::Problem(what) => self.problem(what),
                }
            }
            ReturnSemantics::SummaryThenQuery => {}
        }
        absent
    }

    /// Where equal payments are told apart by nothing, all or none of them must be answered, and alike.
    fn twins(&mut self) {
        let half = |group: &&Vec<usize>| {
            let answered = group.iter().filter(|at| self.answered.get(**at).is_some_and(Option::is_some)).count();
            let words: Vec<_> = group.iter().filter_map(|at| self.answered.get(*at)).collect();
            answered > 0 && (answered < group.len() || words.windows(2).any(|w| matches!(w, [a, b] if a != b)))
        };
        let unclear: Vec<u64> = self
            .by_content
            .values()
            .filter(|g| g.len() > 1)
            .filter(half)
            .filter_map(|g| g.first().and_then(|at| self.lines.get(*at)).and_then(|l| l.seq))
            .collect();
        for seq in unclear {
            self.problem(format!("payment {seq} has equals of the same account and amount, and the answers do not say which is meant"));
        }
    }

    /// What headers and trailers repeat of ours.
    fn headers(&mut self, summaries: &[ParseSummary]) {
        let (rows, total) = (u64::try_from(self.lines.len()).unwrap_or(u64::MAX), self.lines.iter().filter_map(|l| l.amount).sum::<Fen>());
        let mut found = Vec::new();
        for summary in summaries {
            if let Some(count) = summary.sent_count.filter(|c| *c != rows) {
                found.push(format!("the bank says that {count} payments were sent; the payment file has {rows}"));
            }
            if let Some(amount) = summary.sent_amount.filter(|a| *a != total) {
                found.push(format!("the bank says that {amount} yuan were sent; the payment file has {total}"));
            }
            for theirs in &summary.echoed {
                let ours = self.summary.echoed.iter().find(|o| o.value == theirs.value && o.kind == theirs.kind);
                if ours.is_some_and(|o| !o.says_the_same(theirs)) {
                    found.push(format!("the column {:?} is not what our file said", theirs.column));
                }
            }
        }
        found.into_iter().for_each(|what| self.problem(what));
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn problems(mut self) -> Vec<String> {
        if self.more > 0 {
            self.problems.push(format!("and {} more", self.more));
        }
        self.problems
    }
}

fn differing(line: &Answer, answer: &Answer) -> Vec<String> {
    let is_same = |theirs: &&Repeat| line.repeats.iter().any(|r| r.column == theirs.column && r.text.trim() == theirs.text.trim());
    let mut out: Vec<String> = answer.repeats.iter().filter(|r| !is_same(r)).map(|r| r.column.to_string()).collect();
    let mut differs = |name: &str, is_other: bool| {
        if is_other {
            out.push(name.to_owned());
        }
    };
    differs("payee_name", matches!((&line.payee_name, &answer.payee_name), (Some(a), Some(b)) if !a.matches_by(b, fold_name)));
    differs("id_number", matches!((&line.id_number, &answer.id_number), (Some(a), Some(b)) if !a.same_as(b)));
    differs("account", matches!((&line.account, &answer.account), (Some(a), Some(b)) if a != b));
    let is_more = |a: Fen, b: Fen| if answer.outcome == Outcome::Returned { b > a || !b.is_positive() } else { b != a };
    differs("amount", matches!((line.amount, answer.amount), (Some(a), Some(b)) if is_more(a, b)));
    differs("paid amount", matches!((line.amount, answer.paid), (Some(a), Some(b)) if b > a));
    differs("seq", matches!((line.seq, answer.seq), (Some(a), Some(b)) if a != b));
    out
}
