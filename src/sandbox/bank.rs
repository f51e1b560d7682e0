//! The people behind the pretend bank's counter: they look into the inbox now and then, take what is complete, check it,
//! pay it after a while, put the answers out, and write statements in the evening.
//!
//! A file is moved into the bank's own folder before anything is done with it, and into `done/` once it was answered. What was
//! under way when the sandbox stopped is taken up again when it starts.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use crate::clock::Participant;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

use super::behaviour::day_end_after;
use super::layout::{Expected, Failure, FileFault, OutFile, Outcome, Refusal, Request, Row};
use super::ledger::{Books, Kind, Line};
use super::rules::{Customers, Why, seeded};
use super::{BankSpec, Layout, enquiry, fixed_bytes, inbox, pipe_summary, refund, split_pair};

/// Marks a copy of a file in our own names for it; no name in the inbox has it.
const COPY: char = '~';

/// One bank at work.
pub(super) struct Bank {
    pub(super) spec: BankSpec,
    pub(super) customers: Arc<Customers>,
    pub(super) zone: Tz,
    pub(super) root: PathBuf,
    books: Arc<Mutex<Books>>,
    pending: Vec<Pending>,
    looks: inbox::Looks,
    next_look: Timestamp,
    next_statement: Timestamp,
    /// After a return that could not be written, not at once again.
    no_return_before: Timestamp,
}

/// A file that was taken and waits for its hour.
pub(super) struct Pending {
    pub(super) key: String,
    due: Timestamp,
    work: Work,
    /// Paid, but never answered.
    pub(super) silent: bool,
}

/// What is to be done with a file.
enum Work {
    Pay(Request),
    /// Why it is refused whole.
    Refuse(String),
    /// A refund order.
    Refund,
}

/// Works until it is stopped.
pub(super) async fn run(mut bank: Bank, me: Participant, stop: CancellationToken) {
    loop {
        let next = bank.next_appointment();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = me.sleep_until(next) => {}
        }
        let now = me.now();
        let worked = tokio::task::spawn_blocking(move || {
            bank.work(now);
            bank
        });
        match worked.await {
            Ok(back) => bank = back,
            Err(error) => {
                tracing::error!(%error, "a pretend bank stopped working");
                return;
            }
        }
    }
}

impl Bank {
    /// A bank that looks into its inbox for the first time at this instant.
    pub(super) fn new(
        spec: BankSpec,
        customers: Arc<Customers>,
        zone: Tz,
        root: PathBuf,
        books: Arc<Mutex<Books>>,
        now: Timestamp,
    ) -> Self {
        let next_statement = day_end_after(now, zone);
        let looks = inbox::Looks::default();
        Self { spec, customers, zone, root, books, pending: Vec::new(), looks, next_look: now, next_statement, no_return_before: now }
    }

    fn next_appointment(&self) -> Timestamp {
        let returns = self.next_return().map(|at| at.max(self.no_return_before));
        let due = self.pending.iter().map(|pending| pending.due).chain(returns);
        due.chain([self.next_look, self.next_statement]).min().unwrap_or(self.next_look)
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&mut self, now: Timestamp) {
        let code = self.spec.code.clone();
        let complain = |what: &str, error: io::Error| tracing::warn!(bank = %code, %error, "{what}; it will be tried again");
        if let Err(error) = self.execute_due(now) {
            complain("a payment file could not be worked on", error);
        }
        if let Err(error) = self.send_back(now) {
            complain("payments could not be sent back", error);
            self.no_return_before = now.plus_minutes(1);
        }
        if self.next_statement <= now {
            match self.write_statements(now) {
                Ok(()) => self.next_statement = day_end_after(now, self.zone),
                Err(error) => {
                    complain("a statement could not be written", error);
                    self.next_statement = now.plus_minutes(1);
                }
            }
        }
        if self.next_look <= now {
            if let Err(error) = self.look(now) {
                complain("the inbox could not be worked through", error);
            }
            self.next_look = now.plus_minutes(i64::from(self.spec.behaviour.pickup_every_minutes.max(1)));
        }
    }

    // --- taking files ---

    fn look(&mut self, now: Timestamp) -> io::Result<()> {
        for key in inbox::unfinished(&self.root)? {
            if !self.pending.iter().any(|pending| pending.key == key) {
                self.take(key, now)?;
            }
        }
        for found in self.looks.complete(&self.root, self.spec.layout)? {
            let key = self.free_key(&found.key);
            inbox::carry(&found, &self.root, &key)?;
            self.take(key, now)?;
        }
        Ok(())
    }

    /// Another copy under a known name is numbered: the first copy's papers are not touched.
    fn free_key(&self, key: &str) -> String {
        let books = self.books();
        let (stem, extension) = match key.rfind('.') {
            Some(at) => key.split_at(at),
            None => (key, ""),
        };
        let copies = (2_u64..).map(|n| format!("{stem}{COPY}{n}{extension}"));
        std::iter::once(key.to_owned()).chain(copies).find(|key| books.file(key).is_none()).unwrap_or_else(|| key.to_owned())
    }

    fn take(&mut self, key: String, now: Timestamp) -> io::Result<()> {
        if enquiry::is_enquiry(&key) {
            return self.answer_enquiry(&key);
        }
        let work = if refund::is_order(&key) {
            self.take_order(&key, now)?;
            Work::Refund
        } else {
            self.take_payments(&key, now)?
        };
        let place = self.books().taken(&key).map(|(_, place)| place);
        let silent = self.spec.behaviour.silent_every.is_some_and(|nth| nth > 0 && place.is_some_and(|place| place % nth == 0));
        let due = now.plus_minutes(self.delay(&key));
        self.pending.push(Pending { key, due, work, silent });
        Ok(())
    }

    fn take_payments(&self, key: &str, now: Timestamp) -> io::Result<Work> {
        let before = self.books().taken(key);
        let day = before.map_or_else(|| now.date(self.zone), |(day, _)| day);
        let refused = self.books().file(key).and_then(|figures| figures.refused.clone());
        let request = match refused {
            Some(text) => Err(text),
            None => self.examine(key, day, before.is_none())?,
        };
        if let (Ok(request), true) = (&request, before.is_none()) {
            self.debit_gross(key, request, now)?;
        }
        Ok(request.map_or_else(Work::Refuse, Work::Pay))
    }

    /// Reads and checks a file; on its first time writes it into the books and acknowledges it.
    fn examine(&self, key: &str, day: NaiveDate, first_time: bool) -> io::Result<Result<Request, String>> {
        let path = inbox::processing(&self.root).join(key);
        let today = day.format("%Y%m%d").to_string();
        let expected = Expected { key, today: &today, unit_no: &self.spec.unit_no };
        let bytes = fs::read(&path)?;
        let request = if key.contains(COPY) {
            Err(Refusal::new(FileFault::DuplicateName, ""))
        } else {
            self.read(&bytes, &path, &expected).and_then(|request| self.check_payer(request, first_time))
        };
        let (count, amount) = request.as_ref().map_or((0, Fen::ZERO), |request| (request.rows.len(), total(&request.rows)));
        tracing::debug!(bank = %self.spec.code, file = %key, count, "a payment file was taken");
        if first_time {
            let received =
                Line { kind: Kind::Received, booked: Some(day), file: key.to_owned(), count: wide(count), amount, ..Line::default() };
            let mut lines = vec![received];
            match &request {
                Ok(request) => self.count_rows(key, &request.rows, day, &mut lines),
                Err(refusal) => {
                    lines.push(Line { kind: Kind::Refused, file: key.to_owned(), text: refusal.text(), ..Line::default() });
                }
            }
            self.books().record(&lines)?;
        }
        if self.spec.layout == Layout::FixedBytes && (request.is_err() || self.spec.behaviour.ack) {
            inbox::put_out(&self.root, &fixed_bytes::acknowledge(&bytes, key, request.as_ref().err()))?;
        }
        Ok(request.map_err(|refusal| refusal.text()))
    }

    fn read(&self, bytes: &[u8], path: &Path, expected: &Expected<'_>) -> Result<Request, Refusal> {
        match self.spec.layout {
            Layout::SplitPair => split_pair::read(bytes, expected),
            Layout::PipeSummary => pipe_summary::read(bytes, expected),
            Layout::FixedBytes => {
                fixed_bytes::check_flag(bytes, &fs::read(inbox::flag_of(path)).unwrap_or_default())?;
                fixed_bytes::read(bytes, expected)
            }
        }
    }

    /// The payer named in the file must be ours; where none is named, the first of the agreement pays. At a counter, the whole
    /// sum must be there before a file is let in.
    fn check_payer(&self, mut request: Request, first_time: bool) -> Result<Request, Refusal> {
        let first = self.spec.payer_accounts.first().map(|payer| payer.account.clone());
        let payer = request.payer.take().or(first).filter(|account| self.books().balance(account).is_some());
        let payer = payer.ok_or_else(|| Refusal::new(FileFault::Payer, ""))?;
        let covered = self.books().balance(&payer).is_some_and(|balance| balance >= total(&request.rows));
        if first_time && self.spec.layout == Layout::PipeSummary && !covered {
            return Err(Refusal::new(FileFault::Funds, ""));
        }
        request.payer = Some(payer);
        Ok(request)
    }

    /// Where rows count the payments to their account today, each must be the one after those the bank has seen.
    fn count_rows(&self, key: &str, rows: &[Row], day: NaiveDate, lines: &mut Vec<Line>) {
        let books = self.books();
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for row in rows {
            let Some(ordinal) = row.ordinal else { continue };
            let count = counts.entry(&row.account).or_insert_with(|| books.counted(day, &row.account));
            if u64::from(ordinal) == *count + 1 {
                *count += 1;
            } else {
                lines.push(Line { kind: Kind::Miscounted, file: key.to_owned(), reference: row.reference.clone(), ..Line::default() });
            }
        }
        let sorted: BTreeMap<_, _> = counts.into_iter().collect();
        lines.extend(sorted.into_iter().map(|(account, count)| Line {
            kind: Kind::Counted,
            booked: Some(day),
            file: key.to_owned(),
            account: account.to_owned(),
            count,
            ..Line::default()
        }));
    }

    fn delay(&self, key: &str) -> i64 {
        let (shortest, longest) = (*self.spec.behaviour.answer_delay_minutes.start(), *self.spec.behaviour.answer_delay_minutes.end());
        let span = u64::from(longest.saturating_sub(shortest)) + 1;
        let extra = seeded(self.spec.seed, &["delay", &self.spec.code, key]) % span;
        i64::from(shortest).saturating_add(i64::try_from(extra).unwrap_or(0))
    }

    // --- paying and answering ---

    fn execute_due(&mut self, now: Timestamp) -> io::Result<()> {
        while let Some(at) = self.pending.iter().position(|pending| pending.due <= now) {
            let mut pending = self.pending.swap_remove(at);
            if let Err(error) = self.execute(&pending, now) {
                pending.due = now.plus_minutes(1);
                self.pending.push(pending);
                return Err(error);
            }
        }
        Ok(())
    }

    fn execute(&self, pending: &Pending, now: Timestamp) -> io::Result<()> {
        let path = inbox::processing(&self.root).join(&pending.key);
        let bytes = fs::read(&path)?;
        let answers = match &pending.work {
            Work::Refund => return self.execute_order(&pending.key, pending.silent, now),
            Work::Pay(request) => {
                let outcomes = self.pay(pending, request, now)?;
                self.answer(&bytes, &pending.key, now, |at| outcomes.get(at).cloned().unwrap_or_else(|| refused("漏行")))
            }
            // This layout said so in its acknowledgement.
            Work::Refuse(_) if self.spec.layout == Layout::FixedBytes => Vec::new(),
            Work::Refuse(text) => self.answer(&bytes, &pending.key, now, |_| refused(text)),
        };
        if !pending.silent {
            for answer in &answers {
                inbox::put_out(&self.root, answer)?;
            }
        }
        self.books().record(&[Line { kind: Kind::Settled, file: pending.key.clone(), ..Line::default() }])?;
        inbox::lay_aside(&self.root, &pending.key)
    }

    fn answer(&self, bytes: &[u8], key: &str, now: Timestamp, outcome: impl Fn(usize) -> Outcome) -> Vec<OutFile> {
        match self.spec.layout {
            Layout::SplitPair => split_pair::answer(bytes, key, outcome),
            Layout::PipeSummary => pipe_summary::answer(bytes, key, outcome),
            Layout::FixedBytes => fixed_bytes::answer(bytes, key, &now.date(self.zone).format("%Y%m%d").to_string(), outcome),
        }
    }

    /// The day to which belongs what is booked now.
    pub(super) fn booking_day(&self, books: &Books, now: Timestamp) -> NaiveDate {
        self.spec.behaviour.bank_days.booking_day(now, self.zone, books.last_stated())
    }
}

pub(super) fn total(rows: &[Row]) -> Fen {
    rows.iter().map(|row| row.amount).sum()
}

fn refused(text: &str) -> Outcome {
    Outcome::Failed(Failure { why: Why::FileRefused(text.to_owned()), terse: false })
}

pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whom a row is for, in words that name nobody: its account, or a number for a person found by other means.
pub(super) fn payee(row: &Row) -> String {
    if row.account.is_empty() { format!("#{:016x}", seeded(0, &[&row.id_number, &row.name])) } else { row.account.clone() }
}
