//! The pretend bank's own books: what it paid to whom, from which payer account, and what it knows of every file.
//!
//! Double entry: a payment file debits its payer by what it paid, and credits every customer it paid; what is sent back
//! later debits the customer and credits the payer. Everything stands in memory and in `bank-journal.csv`, appended before an answer goes out; the journal is read again when the bank starts, so
//! that nothing is paid twice because the sandbox was restarted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::domain::money::Fen;

use super::PayerAccount;
use super::movements::{Movement, Movements, Side};

/// What the bank's books say, for comparison with the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankLedger {
    /// Money on customers' accounts by the payer's reference; where the layout has none, `<date>/<file>#<line>`.
    pub credits: BTreeMap<String, CreditFact>,
    /// What was credited and sent back later (退票); it is no longer among the credits.
    pub returned: BTreeMap<String, CreditFact>,
    /// What persons gave back, by the account they gave it from.
    pub given_back: BTreeMap<String, Fen>,
    /// Refunds paid to the treasury, by the payer's reference.
    pub refunds: BTreeMap<String, Fen>,
    /// Payer accounts as they stand.
    pub payer_balances: BTreeMap<String, Fen>,
    /// Payment files by their path below the inbox.
    pub files: BTreeMap<String, FileFigures>,
}

/// What a reference was paid.
#[derive(Clone, PartialEq, Eq)]
pub struct CreditFact {
    /// The account credited.
    pub account: String,
    /// The amount of one credit.
    pub amount: Fen,
    /// How many credits; more than one is money paid twice.
    pub times: u32,
}

impl fmt::Debug for CreditFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreditFact").field("amount", &self.amount).field("times", &self.times).finish_non_exhaustive()
    }
}

/// What became of a payment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFigures {
    /// Lines taken; none if the file was refused unread.
    pub received_count: u64,
    /// Their sum.
    pub received_amount: Fen,
    /// Lines paid.
    pub paid_count: u64,
    /// Their sum: what the payer was debited in the end.
    pub paid_amount: Fen,
    /// Lines paid and sent back later.
    pub returned_count: u64,
    /// Their sum.
    pub returned_amount: Fen,
    /// Lines not paid.
    pub failed_count: u64,
    /// Their sum.
    pub failed_amount: Fen,
    /// Why the file was refused whole, if it was.
    pub refused: Option<String>,
    /// Whether the bank has done with it what it will do.
    pub settled: bool,
}

/// One line of the journal. Fields that a kind does not use stay empty.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) booked: Option<NaiveDate>,
    pub(super) file: String,
    pub(super) account: String,
    pub(super) amount: Fen,
    pub(super) count: u64,
    pub(super) reference: String,
    pub(super) bank_ref: String,
    pub(super) text: String,
    /// The payer account behind a customer's line.
    pub(super) payer: String,
    /// The other side of a movement on a payer account.
    pub(super) counter: String,
    pub(super) counter_name: String,
}

/// What a line of the journal says.
#[derive(Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A file was taken: its count and amount.
    #[default]
    Received,
    /// A file was refused whole.
    Refused,
    /// So many payments to this account were announced for the day.
    Counted,
    /// A row claimed a place in the count that was not its own.
    Miscounted,
    /// A customer was credited.
    Credit,
    /// A row was not paid: the bank's code (as its number) and words.
    Failed,
    /// As `Failed`, because the bank was busy: not again for this account and amount.
    Busy,
    /// A payer was debited for what a file paid.
    Debit,
    /// A payer was debited for a whole file, paid or not.
    Gross,
    /// What that file did not pay was given back.
    Cleared,
    /// A payer account was credited.
    PayerCredit,
    /// As `PayerCredit`, by a person.
    GivenBack,
    /// A payer account was debited for the treasury.
    Refund,
    /// A payment will be sent back on this day.
    ReturnDue,
    /// It was sent back.
    Returned,
    /// A file was answered, or deliberately not.
    Settled,
    /// The bank opened.
    Opened,
    /// The statement of a day was written.
    Stated,
    /// The statement of a day waits for the next one.
    Late,
    /// The statement of a day waits until somebody asks.
    Missing,
    /// A statement that waited came.
    Sent,
    /// A fault of a statement (its place in the list) was made.
    Faulted,
    /// Statements show a movement on this day, with these words.
    ShownOn,
    /// Statements show a movement with this amount.
    ShownAs,
    /// Statements show a debit that is none.
    ShownDebit,
    /// Statements show a credit that is none.
    ShownCredit,
}

/// Memory and journal.
pub(super) struct Books {
    path: PathBuf,
    journal: File,
    openings: Vec<PayerAccount>,
    ledger: BankLedger,
    movements: Movements,
    /// In which file a reference was decided.
    decided: HashMap<String, String>,
    /// Why a reference was not paid: the code and words of the row's own failure.
    failures: HashMap<String, (String, String)>,
    /// For which reference the bank was busy, by account and amount.
    busy: HashMap<(String, Fen), String>,
    /// Payments to an account on a day, as files counted them.
    counted: HashMap<(NaiveDate, String), u64>,
    /// References of rows whose count of the day was wrong.
    miscounted: HashSet<String>,
    /// Day and place in the order of every file that was taken.
    taken: HashMap<String, (NaiveDate, u64)>,
    /// What payers were debited for whole files that are not cleared.
    gross: HashMap<String, Fen>,
    /// Which payer paid an account last.
    payer_of: HashMap<String, String>,
    /// What will be sent back, by day and file.
    returns: BTreeMap<(NaiveDate, String), Vec<Line>>,
    opened: Option<NaiveDate>,
    stated: BTreeSet<NaiveDate>,
    /// Statements that wait, and whether they wait to be asked for.
    held: BTreeMap<(NaiveDate, String), bool>,
    faulted: HashSet<u64>,
    serial: u64,
}

impl Books {
    /// Opens the journal and reads what it says so far.
    pub(super) fn open(path: &Path, payers: &[PayerAccount], today: NaiveDate) -> io::Result<Self> {
        let mut journal = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = Vec::new();
        journal.read_to_end(&mut text)?;
        // A line without its end was being written when the bank was killed; what it says was told to nobody.
        text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1));
        journal.set_len(u64::try_from(text.len()).map_err(io::Error::other)?)?;
        let told: Vec<Line> = csv::Reader::from_reader(text.as_slice()).deserialize().collect::<Result<_, _>>()?;
        let mut books = Self {
            path: path.to_path_buf(),
            journal,
            openings: payers.to_vec(),
            ledger: BankLedger::default(),
            movements: Movements::default(),
            decided: HashMap::new(),
            failures: HashMap::new(),
            busy: HashMap::new(),
            counted: HashMap::new(),
            miscounted: HashSet::new(),
            taken: HashMap::new(),
            gross: HashMap::new(),
            payer_of: HashMap::new(),
            returns: BTreeMap::new(),
            opened: None,
            stated: BTreeSet::new(),
            held: BTreeMap::new(),
            faulted: HashSet::new(),
            serial: 0,
        };
        books.ledger.payer_balances = payers.iter().map(|payer| (payer.account.clone(), Fen::new(payer.opening_fen))).collect();
        for line in &told {
            books.take(line);
        }
        if books.opened.is_none() {
            books.record(&[Line { kind: Kind::Opened, booked: Some(today), ..Line::default() }])?;
        }
        Ok(books)
    }

    /// Writes lines to the journal in one go, then to memory.
    pub(super) fn record(&mut self, lines: &[Line]) -> io::Result<()> {
        let length = self.journal.metadata()?.len();
        let mut writer = csv::WriterBuilder::new().has_headers(length == 0).from_writer(Vec::new());
        for line in lines {
            writer.serialize(line)?;
        }
        let bytes = writer.into_inner().map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))?;
        if let Err(error) = self.journal.write_all(&bytes) {
            // Half a page must not stand before the whole one that is tried next.
            self.journal.set_len(length)?;
            return Err(error);
        }
        for line in lines {
            self.take(line);
        }
        Ok(())
    }

    fn take(&mut self, line: &Line) {
        let day = line.booked.unwrap_or_default();
        match line.kind {
            Kind::Received => {
                let place = u64::try_from(self.taken.len()).unwrap_or(u64::MAX).saturating_add(1);
                self.taken.insert(line.file.clone(), (day, place));
                let figures = self.figures(&line.file);
                (figures.received_count, figures.received_amount) = (line.count, line.amount);
            }
            Kind::Refused => self.figures(&line.file).refused = Some(line.text.clone()),
            Kind::Counted => {
                if let Some(day) = line.booked {
                    self.counted.insert((day, line.account.clone()), line.count);
                }
            }
            Kind::Miscounted => {
                self.miscounted.insert(line.reference.clone());
            }
            Kind::Credit => self.credit(line),
            Kind::Returned => self.returned(line),
            Kind::Failed | Kind::Busy => {
                if line.kind == Kind::Busy {
                    self.busy.insert((line.account.clone(), line.amount), line.reference.clone());
                }
                self.decided.entry(line.reference.clone()).or_insert_with(|| line.file.clone());
                self.failures.entry(line.reference.clone()).or_insert_with(|| (line.bank_ref.clone(), line.text.clone()));
                let figures = self.figures(&line.file);
                figures.failed_count += 1;
                figures.failed_amount = sum(figures.failed_amount, line.amount);
            }
            Kind::Debit | Kind::Gross | Kind::Refund => self.moved(line, Side::Debit),
            Kind::PayerCredit | Kind::GivenBack => self.moved(line, Side::Credit),
            Kind::Cleared => drop(self.gross.remove(&line.file)),
            Kind::ReturnDue => self.returns.entry((day, line.file.clone())).or_default().push(line.clone()),
            Kind::Settled => self.figures(&line.file).settled = true,
            Kind::Opened => self.opened = line.booked,
            Kind::Stated => drop(self.stated.insert(day)),
            Kind::Late => drop(self.held.insert((day, line.account.clone()), false)),
            Kind::Missing => drop(self.held.insert((day, line.account.clone()), true)),
            Kind::Sent => drop(self.held.remove(&(day, line.account.clone()))),
            Kind::Faulted => drop(self.faulted.insert(line.count)),
            Kind::ShownOn => self.movements.show_on(&line.account, &line.bank_ref, day, &line.text),
            Kind::ShownAs => self.movements.show_as(&line.account, &line.bank_ref, line.amount),
            Kind::ShownDebit => self.movement(line, Side::Debit),
            Kind::ShownCredit => self.movement(line, Side::Credit),
        }
    }

    fn credit(&mut self, line: &Line) {
        self.decided.insert(line.reference.clone(), line.file.clone());
        self.payer_of.insert(line.account.clone(), line.payer.clone());
        let fact = CreditFact { account: line.account.clone(), amount: line.amount, times: 0 };
        self.ledger.credits.entry(line.reference.clone()).or_insert(fact).times += 1;
        let figures = self.figures(&line.file);
        figures.paid_count += 1;
        figures.paid_amount = sum(figures.paid_amount, line.amount);
    }

    fn returned(&mut self, line: &Line) {
        let file = line.file.clone();
        for due in self.returns.values_mut() {
            due.retain(|due| due.reference != line.reference || due.file != file);
        }
        self.returns.retain(|_, due| !due.is_empty());
        if let Some(fact) = self.ledger.credits.remove(&line.reference) {
            self.ledger.returned.insert(line.reference.clone(), fact);
        }
        let figures = self.figures(&file);
        figures.returned_count += 1;
        figures.returned_amount = sum(figures.returned_amount, line.amount);
    }

    /// Money moved on a payer account.
    fn moved(&mut self, line: &Line, side: Side) {
        let balance = self.ledger.payer_balances.entry(line.account.clone()).or_default();
        *balance = sum(*balance, side.signed(line.amount));
        self.movement(line, side);
        if line.kind == Kind::Gross {
            self.gross.insert(line.file.clone(), line.amount);
        } else if line.kind == Kind::GivenBack {
            let given = self.ledger.given_back.entry(line.counter.clone()).or_default();
            *given = sum(*given, line.amount);
        } else if line.kind == Kind::Refund {
            self.decided.insert(line.reference.clone(), line.file.clone());
            self.ledger.refunds.insert(line.reference.clone(), line.amount);
        }
    }

    fn movement(&mut self, line: &Line, side: Side) {
        self.serial += 1;
        let movement = Movement {
            shown: line.booked.unwrap_or_default(),
            side,
            amount: line.amount,
            reference: line.reference.clone(),
            bank_ref: line.bank_ref.clone(),
            text: line.text.clone(),
            counter: line.counter.clone(),
            counter_name: line.counter_name.clone(),
            is_correction: matches!(line.kind, Kind::ShownDebit | Kind::ShownCredit),
        };
        self.movements.add(&line.account, movement);
    }

    fn figures(&mut self, file: &str) -> &mut FileFigures {
        self.ledger.files.entry(file.to_owned()).or_default()
    }

    pub(super) fn snapshot(&self) -> BankLedger {
        self.ledger.clone()
    }

    pub(super) fn file(&self, key: &str) -> Option<&FileFigures> {
        self.ledger.files.get(key)
    }

    /// In which file this reference was decided, and whether it was paid there.
    pub(super) fn decided(&self, reference: &str) -> Option<(&str, bool)> {
        let ledger = &self.ledger;
        let paid =
            ledger.credits.contains_key(reference) || ledger.returned.contains_key(reference) || ledger.refunds.contains_key(reference);
        self.decided.get(reference).map(|file| (file.as_str(), paid))
    }

    /// The code and words with which a reference was not paid.
    pub(super) fn failure(&self, reference: &str) -> Option<(&str, &str)> {
        self.failures.get(reference).map(|(code, words)| (code.as_str(), words.as_str()))
    }

    /// Whether the bank has been busy for this account and amount, with another reference than this.
    pub(super) fn was_busy(&self, account: &str, amount: Fen, reference: &str) -> bool {
        self.busy.get(&(account.to_owned(), amount)).is_some_and(|before| before != reference)
    }

    /// On which day a file was taken, and its place among all that were (from one).
    pub(super) fn taken(&self, key: &str) -> Option<(NaiveDate, u64)> {
        self.taken.get(key).copied()
    }

    pub(super) fn is_miscounted(&self, reference: &str) -> bool {
        self.miscounted.contains(reference)
    }

    pub(super) fn counted(&self, day: NaiveDate, account: &str) -> u64 {
        self.counted.get(&(day, account.to_owned())).copied().unwrap_or(0)
    }

    pub(super) fn balance(&self, payer: &str) -> Option<Fen> {
        self.ledger.payer_balances.get(payer).copied()
    }

    pub(super) fn payers(&self) -> &[PayerAccount] {
        &self.openings
    }

    /// The bank's own number of a movement that will be recorded after so many others.
    pub(super) fn bank_ref(&self, code: &str, day: NaiveDate, after: usize) -> String {
        let serial = self.serial.saturating_add(1).saturating_add(u64::try_from(after).unwrap_or(u64::MAX));
        format!("{code}{}{serial:06}", day.format("%Y%m%d"))
    }

    /// What the payer was debited for this whole file, if it was and nothing was given back.
    pub(super) fn gross(&self, key: &str) -> Option<Fen> {
        self.gross.get(key).copied()
    }

    /// Who paid this account last, or the first payer.
    pub(super) fn payer_of(&self, account: &str) -> Option<String> {
        let first = || self.openings.first().map(|payer| payer.account.clone());
        self.payer_of.get(account).cloned().or_else(first)
    }

    /// The first day on which something will be sent back.
    pub(super) fn next_return(&self) -> Option<NaiveDate> {
        self.returns.keys().next().map(|(day, _)| *day)
    }

    /// What will be sent back up to this day, by file.
    pub(super) fn returns_until(&self, day: NaiveDate) -> Vec<(String, Vec<Line>)> {
        self.returns.iter().take_while(|((due, _), _)| *due <= day).map(|((_, file), lines)| (file.clone(), lines.clone())).collect()
    }

    /// What the statement of a day shows, and the balance before.
    pub(super) fn day(&self, payer: &PayerAccount, day: NaiveDate) -> (Fen, Vec<&Movement>) {
        self.movements.day(payer, day)
    }

    /// Days after the last statement up to this one.
    pub(super) fn days_to_state(&self, closed: NaiveDate) -> Vec<NaiveDate> {
        let Some(first) = self.last_stated().and_then(|day| day.succ_opt()).or(self.opened) else { return Vec::new() };
        first.iter_days().take_while(|day| *day <= closed).collect()
    }

    pub(super) fn last_stated(&self) -> Option<NaiveDate> {
        self.stated.last().copied()
    }

    /// How many days have statements.
    pub(super) fn statements(&self) -> usize {
        self.stated.len()
    }

    /// The statements that wait, and whether to be asked for.
    pub(super) fn held(&self) -> Vec<(NaiveDate, String, bool)> {
        self.held.iter().map(|((day, account), asked)| (*day, account.clone(), *asked)).collect()
    }

    pub(super) fn is_faulted(&self, place: u64) -> bool {
        self.faulted.contains(&place)
    }
}

fn sum(a: Fen, b: Fen) -> Fen {
    [a, b].into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_read_again_and_a_torn_line_is_cut_off() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal.csv");
        let payer = PayerAccount { account: "P".to_owned(), name: "局".to_owned(), opening_fen: 1000, department: "D".to_owned() };
        let line = |kind, reference: &str, account: &str| Line {
            kind,
            booked: NaiveDate::from_ymd_opt(2026, 3, 10),
            file: "F".to_owned(),
            account: account.to_owned(),
            amount: Fen::new(30),
            reference: reference.to_owned(),
            ..Line::default()
        };
        let mut books = Books::open(&path, std::slice::from_ref(&payer), NaiveDate::MIN).unwrap();
        books.record(&[line(Kind::Credit, "R1", "A"), line(Kind::Busy, "R2", "B")]).unwrap();
        books.record(&[line(Kind::Debit, "F", "P")]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), b"credit,2026-03-10,F,A,30,0,R9"].concat()).unwrap();

        let mut again = Books::open(&path, &[payer], NaiveDate::MIN).unwrap();
        assert_eq!(again.snapshot(), books.snapshot());
        assert_eq!(again.balance("P"), Some(Fen::new(970)));
        assert_eq!(again.decided("R1"), Some(("F", true)));
        assert_eq!(again.decided("R9"), None);
        assert!(again.was_busy("B", Fen::new(30), "R3") && !again.was_busy("B", Fen::new(30), "R2"));
        again.record(&[line(Kind::Credit, "R1", "A")]).unwrap();
        assert_eq!(again.snapshot().credits["R1"].times, 2, "a double payment would show");
        assert_eq!(std::fs::read(&path).unwrap().get(..whole.len()), Some(whole.as_slice()));
    }
}
