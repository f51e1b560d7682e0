//! camt.052, .053 and .054, whichever version, prefix, namespace or envelope: elements are known by their local names and their
//! place below the message's own root.

use std::io::Read;

use chrono::NaiveDate;

use super::{Balance, Booked, Detail, Form, Keep, Movement, Statement, StatementError, decimals, minor};
use crate::domain::exchange::Side;
use crate::domain::masked::{Account, Name};
use crate::format::totals::Tallier;
use crate::format::xml::{Charset, Place, Step, Walker};

/// An amount as it stands.
#[derive(Clone, Debug, Default)]
struct Raw {
    text: String,
    currency: String,
    place: Option<Place>,
}

#[derive(Clone, Debug, Default)]
struct RawBalance {
    kind: String,
    is_interim: bool,
    amount: Raw,
    side: String,
    on: Option<NaiveDate>,
}

#[derive(Clone, Debug, Default)]
struct RawDetail {
    amount: Option<Raw>,
    /// Where the payment's own amount is missing, what was instructed.
    instructed: Option<Raw>,
    side: String,
    references: Vec<String>,
    bank_ref: Option<String>,
    debtor: (Option<Name>, Option<Account>),
    creditor: (Option<Name>, Option<Account>),
    text: String,
}

#[derive(Clone, Debug, Default)]
struct RawEntry {
    place: Option<Place>,
    amount: Raw,
    side: String,
    reversal: String,
    status: String,
    booked_on: Option<NaiveDate>,
    value_on: Option<NaiveDate>,
    batch_count: Option<String>,
    batch_total: Option<Raw>,
    batch_ref: Option<String>,
    reference: Option<String>,
    bank_ref: Option<String>,
    text: String,
    details: Vec<RawDetail>,
    faults: Vec<String>,
}

/// A statement while it is read.
struct Open {
    statement: Statement,
    /// Length of the path of the statement's element, and the slash behind it.
    below: usize,
    created: Option<NaiveDate>,
    balances: Vec<RawBalance>,
    entry: Option<RawEntry>,
    /// Its place in the file.
    at: usize,
    /// Movements whose day is not known yet.
    undated: Vec<Movement>,
    sums: [Option<Raw>; 3],
}

/// Reads every statement of the file, and hands its movements on.
///
/// # Errors
/// When the file is not sound, or holds no message of these kinds.
pub fn scan(source: &mut dyn Read, keep: Keep<'_>) -> Result<Vec<Statement>, StatementError> {
    let mut walker = Walker::new(source, Charset::Declared, Tallier::new(&[]))?;
    let mut out = Vec::new();
    let mut form: Option<(Form, usize)> = None;
    let mut pages: (Option<u64>, Option<bool>) = (None, None);
    let mut open: Option<Open> = None;
    let mut found = false;
    loop {
        match walker.step()? {
            Step::End => break,
            Step::Open => match (form, &mut open) {
                (None, _) => {
                    if let Some(known) = form_of(walker.name()) {
                        form = Some((known, walker.depth()));
                        (pages, found) = ((None, None), true);
                    }
                }
                (Some((form, depth)), None) => {
                    if walker.depth() == depth + 1 && matches!(walker.name(), "Stmt" | "Rpt" | "Ntfctn") {
                        open = Some(Open::new(form, out.len(), &walker));
                    }
                }
                (Some(_), Some(open)) => open.begin(&walker),
            },
            Step::Close => match &mut open {
                Some(statement) if walker.path().len() + 1 == statement.below => {
                    if let Some(whole) = open.take() {
                        out.push(whole.finish(pages, keep));
                    }
                }
                Some(statement) => statement.close(&walker, keep),
                None => {
                    match walker.name() {
                        "PgNb" => pages.0 = walker.text().parse().ok(),
                        "LastPgInd" => pages.1 = flag(walker.text()),
                        _ => {}
                    }
                    if form.is_some_and(|(_, depth)| depth == walker.depth()) {
                        form = None;
                    }
                }
            },
        }
    }
    if !found {
        let what = "holds no BkToCstmrStmt, BkToCstmrAcctRpt or BkToCstmrDbtCdtNtfctn: it is no camt.053, .052 or .054".to_owned();
        return Err(StatementError::At(crate::format::xml::XmlFault { place: Place::START, what }));
    }
    Ok(out)
}

fn form_of(name: &str) -> Option<Form> {
    Some(match name {
        "BkToCstmrStmt" => Form::Camt053,
        "BkToCstmrAcctRpt" => Form::Camt052,
        "BkToCstmrDbtCdtNtfctn" => Form::Camt054,
        _ => return None,
    })
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The day of a date or a date and time, as written: the bank's local day.
fn day(text: &str) -> Option<NaiveDate> {
    let head = text.get(..10)?;
    let rest = text.get(10..).unwrap_or_default();
    let bytes = head.as_bytes();
    let is_shaped = bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    let is_time = rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-']);
    (is_shaped && is_time).then(|| head.parse().ok())?
}

fn raw(walker: &Walker<'_>) -> Raw {
    Raw { text: walker.text().to_owned(), currency: walker.attribute("Ccy").unwrap_or_default().to_owned(), place: Some(walker.place()) }
}

fn at(place: Option<Place>, what: &str) -> String {
    let place = place.unwrap_or(Place::START);
    format!("line {}, column {}: {what}", place.line, place.column)
}

/// Line ends and runs of blanks become one blank.
fn words(into: &mut String, text: &str) {
    for word in text.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()) {
        if !into.is_empty() {
            into.push(' ');
        }
        into.push_str(word);
    }
}

impl Open {
    fn new(form: Form, at: usize, walker: &Walker<'_>) -> Self {
        Self {
            statement: Statement::new(form, walker.place().line),
            below: walker.path().len() + 1,
            created: None,
            balances: Vec::new(),
            entry: None,
            at,
            undated: Vec::new(),
            sums: [None, None, None],
        }
    }

    fn begin(&mut self, walker: &Walker<'_>) {
        match walker.path().get(self.below..).unwrap_or_default() {
            "Bal" => self.balances.push(RawBalance::default()),
            "Ntry" => self.entry = Some(RawEntry { place: Some(walker.place()), ..RawEntry::default() }),
            "Ntry/NtryDtls/TxDtls" | "Ntry/TxDtls" => {
                if let Some(entry) = &mut self.entry {
                    entry.details.push(RawDetail::default());
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, walker: &Walker<'_>, keep: Keep<'_>) {
        let path = walker.path().get(self.below..).unwrap_or_default();
        if path == "Ntry" {
            if let Some(entry) = self.entry.take() {
                self.movement(entry, keep);
            }
            return;
        }
        if !walker.is_leaf() {
            return;
        }
        if let Some(inner) = path.strip_prefix("Bal/") {
            let fault = self.balances.last_mut().and_then(|b| balance_leaf(b, inner, walker));
            if let Some(what) = fault {
                self.statement.problem(at(Some(walker.place()), what));
            }
        } else if let Some(inner) = path.strip_prefix("Ntry/") {
            if let Some(entry) = &mut self.entry {
                entry_leaf(entry, inner, walker);
            }
        } else {
            self.leaf(path, walker);
        }
    }

    fn leaf(&mut self, path: &str, walker: &Walker<'_>) {
        let text = walker.text();
        let s = &mut self.statement;
        let mut number = |slot: &mut Option<u64>| match text.parse() {
            Ok(n) => *slot = Some(n),
            Err(_) => s.problems.push(at(Some(walker.place()), "is not a number")),
        };
        match path {
            "TxsSummry/TtlNtries/NbOfNtries" => number(&mut s.declared.count),
            "TxsSummry/TtlCdtNtries/NbOfNtries" => number(&mut s.declared.credit_count),
            "TxsSummry/TtlDbtNtries/NbOfNtries" => number(&mut s.declared.debit_count),
            "ElctrncSeqNb" => number(&mut s.sequence),
            "LglSeqNb" if s.sequence.is_none() => number(&mut s.sequence),
            "StmtPgntn/PgNb" | "RptPgntn/PgNb" | "NtfctnPgntn/PgNb" => number(&mut s.page),
            "StmtPgntn/LastPgInd" | "RptPgntn/LastPgInd" | "NtfctnPgntn/LastPgInd" => s.is_last_page = flag(text),
            "TxsSummry/TtlNtries/Sum" => self.sums[0] = Some(raw(walker)),
            "TxsSummry/TtlCdtNtries/Sum" => self.sums[1] = Some(raw(walker)),
            "TxsSummry/TtlDbtNtries/Sum" => self.sums[2] = Some(raw(walker)),
            "Id" => text.clone_into(&mut s.id),
            "CreDtTm" => self.created = day(text),
            "FrToDt/FrDtTm" | "FrToDt/FrDt" => s.from = day(text),
            "FrToDt/ToDtTm" | "FrToDt/ToDt" => s.to = day(text),
            "Acct/Ccy" => text.clone_into(&mut s.currency),
            "Acct/Id/IBAN" | "Acct/Id/Othr/Id" | "Acct/Id/PrtryAcct/Id" | "Acct/Id/BBAN" => s.account = Account::new(text),
            _ => {}
        }
    }

    /// The amount in the statement's currency, which the first amount settles where the account does not.
    fn amount(statement: &mut Statement, raw: &Raw) -> Result<i128, String> {
        if !raw.currency.is_empty() && statement.currency.is_empty() {
            statement.currency.clone_from(&raw.currency);
        }
        if !raw.currency.is_empty() && raw.currency != statement.currency {
            return Err(at(raw.place, &format!("is in {}, and the account in {}", raw.currency, statement.currency)));
        }
        let decimals = decimals(&statement.currency).ok_or_else(|| at(raw.place, "has no currency of three letters"))?;
        minor(&raw.text, '.', decimals).map_err(|what| at(raw.place, &what))
    }

    fn movement(&mut self, raw: RawEntry, keep: Keep<'_>) {
        let statement = &mut self.statement;
        for fault in &raw.faults {
            statement.problem(fault.clone());
        }
        let amount = Self::amount(statement, &raw.amount);
        let side = match raw.side.as_str() {
            "CRDT" => Ok(Side::Credit),
            "DBIT" => Ok(Side::Debit),
            _ => Err(at(raw.place, "says neither CRDT nor DBIT")),
        };
        let booked = match raw.status.as_str() {
            "BOOK" | "" => Ok(Booked::Yes),
            "PDNG" | "INFO" | "FUTR" => Ok(Booked::NotYet),
            _ => Err(at(raw.place, "has a status that is none of BOOK, PDNG, INFO, FUTR")),
        };
        let reversal = match raw.reversal.as_str() {
            "" => Ok(false),
            text => flag(text).ok_or_else(|| at(raw.place, "RvslInd is neither true nor false")),
        };
        let (minor, side, booked, is_reversal) = match (amount, side, booked, reversal) {
            (Ok(minor), Ok(side), Ok(booked), Ok(is_reversal)) => (minor, side, booked, is_reversal),
            (amount, side, booked, reversal) => {
                for what in [amount.err(), side.err(), booked.err(), reversal.err()].into_iter().flatten() {
                    statement.problem(what);
                }
                return;
            }
        };
        if let Some(total) = &raw.batch_total {
            match Self::amount(statement, total) {
                Ok(total) if total != minor => {
                    statement.problem(at(raw.place, &format!("the batch makes {total}, the entry {minor} (smallest unit)")));
                }
                Ok(_) => {}
                Err(what) => statement.problem(what),
            }
        }
        let batch_count = raw.batch_count.as_ref().and_then(|n| n.parse().ok());
        if let Some(declared) = batch_count
            && raw.details.len() > 1
            && u64::try_from(raw.details.len()) != Ok(declared)
        {
            statement.problem(at(raw.place, &format!("the batch declares {declared} payments, and {} stand in it", raw.details.len())));
        }
        let on = raw.booked_on.or(raw.value_on).or(self.statement.to);
        let side_word = raw.side;
        let currency = self.statement.currency.clone();
        let is_from_debtor = (side == Side::Credit) != is_reversal;
        let details = raw.details.into_iter().map(|d| detail(d, &side_word, &currency, is_from_debtor)).collect();
        let movement = Movement {
            line: raw.place.map_or(0, |p| p.line),
            booked_on: on.unwrap_or_default(),
            value_on: raw.value_on,
            side,
            minor,
            is_reversal,
            booked,
            batch_count,
            whole: Detail { reference: raw.batch_ref.or(raw.reference), bank_ref: raw.bank_ref, text: raw.text, ..Detail::default() },
            details,
        };
        if on.is_none() {
            self.undated.push(movement);
            return;
        }
        self.statement.see(&movement);
        keep(self.at, movement);
    }

    fn finish(mut self, pages: (Option<u64>, Option<bool>), keep: Keep<'_>) -> Statement {
        for raw in std::mem::take(&mut self.balances) {
            let what = match (Self::amount(&mut self.statement, &raw.amount), raw.side.as_str()) {
                (Ok(minor), "CRDT") => {
                    self.balance(&raw, minor);
                    continue;
                }
                (Ok(minor), "DBIT") => {
                    self.balance(&raw, -minor);
                    continue;
                }
                (Ok(_), _) => at(raw.amount.place, "the balance says neither CRDT nor DBIT"),
                (Err(what), _) => what,
            };
            self.statement.problem(what);
        }
        let sums = std::mem::take(&mut self.sums).map(|raw| raw.map(|raw| Self::amount(&mut self.statement, &raw)));
        let [all, credits, debits] = sums.map(|sum| match sum {
            None => None,
            Some(Ok(minor)) => Some(minor),
            Some(Err(what)) => {
                self.statement.problem(what);
                None
            }
        });
        let s = &mut self.statement;
        (s.declared.sum, s.declared.credit_sum, s.declared.debit_sum) = (all, credits, debits);
        s.page = s.page.or(pages.0);
        s.is_last_page = s.is_last_page.or(pages.1);
        if s.account.is_empty() {
            let line = s.line;
            s.problem(format!("line {line}: the statement names no account"));
        }
        let fallback = s.to.or(s.closing.and_then(|b| b.on)).or(self.created);
        for mut movement in self.undated {
            match fallback {
                Some(day) => movement.booked_on = day,
                None => s.problem(format!("line {}: the entry has no day, and neither has its statement", movement.line)),
            }
            s.see(&movement);
            keep(self.at, movement);
        }
        self.statement
    }

    /// OPBD opens; so does PRCD where it is missing, which is the same balance by the name of the day before. ITBD is an end of
    /// a page. What may be drawn (CLAV) is not what is there.
    fn balance(&mut self, raw: &RawBalance, minor: i128) {
        let s = &mut self.statement;
        let balance = Balance { minor, on: raw.on, is_interim: raw.is_interim || raw.kind == "ITBD" };
        let slot = match raw.kind.as_str() {
            "OPBD" | "PRCD" => &mut s.opening,
            "CLBD" => &mut s.closing,
            "ITBD" if s.opening.is_none() => &mut s.opening,
            "ITBD" if s.closing.is_none() => &mut s.closing,
            "CLAV" => &mut s.available,
            _ => return,
        };
        match slot {
            Some(before) if before.minor != minor && raw.kind != "CLAV" && raw.kind != "ITBD" => {
                let what = format!("the balance {} differs from one before it that means the same", raw.kind);
                s.problem(at(raw.amount.place, &what));
            }
            // Of the two names of the opening balance the day's own is the better dated.
            Some(_) if raw.kind == "PRCD" => {}
            Some(_) | None => *slot = Some(balance),
        }
    }
}

fn balance_leaf(balance: &mut RawBalance, path: &str, walker: &Walker<'_>) -> Option<&'static str> {
    let text = walker.text();
    match path {
        "Tp/CdOrPrtry/Cd" | "Tp/CdOrPrtry/Prtry" | "Tp/Cd" | "Tp/Prtry" => text.clone_into(&mut balance.kind),
        "Tp/SubTp/Cd" | "Tp/SubTp/Prtry" => balance.is_interim = text == "INTM",
        "Amt" => balance.amount = raw(walker),
        "CdtDbtInd" => text.clone_into(&mut balance.side),
        "Dt/Dt" | "Dt/DtTm" | "Dt" => {
            balance.on = day(text);
            return balance.on.is_none().then_some("is not a date");
        }
        _ => {}
    }
    None
}

fn entry_leaf(entry: &mut RawEntry, path: &str, walker: &Walker<'_>) {
    let path = path.strip_prefix("NtryDtls/").unwrap_or(path);
    let text = walker.text();
    if let Some(inner) = path.strip_prefix("TxDtls/") {
        if let Some(detail) = entry.details.last_mut() {
            detail_leaf(detail, inner, walker);
        }
        return;
    }
    let filled = || (!text.is_empty()).then(|| text.to_owned());
    match path {
        "NtryRef" => entry.reference = filled(),
        "Amt" => entry.amount = raw(walker),
        "CdtDbtInd" => text.clone_into(&mut entry.side),
        "RvslInd" => text.clone_into(&mut entry.reversal),
        "Sts" | "Sts/Cd" | "Sts/Prtry" => text.clone_into(&mut entry.status),
        "BookgDt/Dt" | "BookgDt/DtTm" | "BookgDt" | "ValDt/Dt" | "ValDt/DtTm" | "ValDt" => {
            let on = day(text);
            if on.is_none() {
                entry.faults.push(at(Some(walker.place()), "is not a date"));
            }
            let slot = if path.starts_with("Bookg") { &mut entry.booked_on } else { &mut entry.value_on };
            *slot = on;
        }
        "AcctSvcrRef" => entry.bank_ref = filled(),
        "Btch/NbOfTxs" => entry.batch_count = filled(),
        "Btch/TtlAmt" => entry.batch_total = Some(raw(walker)),
        "Btch/MsgId" => entry.batch_ref = filled(),
        "Btch/PmtInfId" if entry.batch_ref.is_none() => entry.batch_ref = filled(),
        "AddtlNtryInf" | "AddtlInfInd/MsgId" => words(&mut entry.text, text),
        _ => {}
    }
}

fn detail_leaf(detail: &mut RawDetail, path: &str, walker: &Walker<'_>) {
    let text = walker.text();
    let account = || Some(Account::new(text));
    match path {
        "Amt" | "AmtDtls/TxAmt/Amt" => detail.amount = Some(raw(walker)),
        "AmtDtls/InstdAmt/Amt" => detail.instructed = Some(raw(walker)),
        "CdtDbtInd" => text.clone_into(&mut detail.side),
        "Refs/EndToEndId" => detail.references.insert(0, text.to_owned()),
        "Refs/InstrId" | "Refs/TxId" | "Refs/PmtInfId" | "Refs/MsgId" => detail.references.push(text.to_owned()),
        "Refs/AcctSvcrRef" => detail.bank_ref = (!text.is_empty()).then(|| text.to_owned()),
        "RltdPties/Dbtr/Nm" | "RltdPties/Dbtr/Pty/Nm" => detail.debtor.0 = Some(Name::new(text)),
        "RltdPties/Cdtr/Nm" | "RltdPties/Cdtr/Pty/Nm" => detail.creditor.0 = Some(Name::new(text)),
        "RltdPties/DbtrAcct/Id/IBAN" | "RltdPties/DbtrAcct/Id/Othr/Id" => detail.debtor.1 = account(),
        "RltdPties/CdtrAcct/Id/IBAN" | "RltdPties/CdtrAcct/Id/Othr/Id" => detail.creditor.1 = account(),
        "RtrInf/Rsn/Cd" | "RtrInf/Rsn/Prtry" | "RtrInf/AddtlInf" | "AddtlTxInf" | "RmtInf/Ustrd" => words(&mut detail.text, text),
        _ => {}
    }
}

fn detail(raw: RawDetail, side: &str, currency: &str, is_from_debtor: bool) -> Detail {
    let is_same_side = raw.side.is_empty() || raw.side == side;
    let amount = raw.amount.or(raw.instructed).filter(|a| is_same_side && (a.currency.is_empty() || a.currency == currency));
    let minor = amount.and_then(|a| minor(&a.text, '.', decimals(currency)?).ok());
    let (name, account) = if is_from_debtor { raw.debtor } else { raw.creditor };
    Detail {
        minor,
        reference: raw.references.into_iter().find(|r| !r.is_empty() && r != "NOTPROVIDED"),
        bank_ref: raw.bank_ref,
        counter_account: account.filter(|a| !a.is_empty()),
        counter_name: name.filter(|n| !n.is_empty()),
        text: raw.text,
    }
}
