//! The pretend bank's own books: what it paid to whom, from which payer account, and what it knows of every file.
//!
//! Double entry: a payment file debits its payer once, by what it paid, and credits every customer it paid. Everything stands in
//! memory and in `bank-journal.csv`, appended before an answer goes out; the journal is read again when the bank starts, so
//! that nothing is paid twice because the sandbox was restarted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::domain::money::Fen;

use super::PayerAccount;

/// What the bank's books say, for comparison with the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankLedger {
    /// Money on customers' accounts by the payer's reference; where the layout has none, `<date>/<file>#<line>`.
    pub credits: BTreeMap<String, CreditFact>,
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
    /// Their sum: the debit of the payer.
    pub paid_amount: Fen,
    /// Lines not paid.
    pub failed_count: u64,
    /// Their sum.
    pub failed_amount: Fen,
    /// Why the file was refused whole, if it was.
    pub refused: Option<String>,
    /// Whether the bank has done with it what it will do.
    pub settled: bool,
}

/// A movement on a payer's account.
#[derive(Clone)]
pub(super) struct Movement {
    pub(super) booked: NaiveDate,
    pub(super) amount: Fen,
    pub(super) reference: String,
    pub(super) bank_ref: String,
    pub(super) text: String,
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
    /// A row was not paid.
    Failed,
    /// As `Failed`, because the bank was busy: not again for this account and amount.
    Busy,
    /// A payer was debited for a file.
    Debit,
    /// A file was answered, or deliberately not.
    Settled,
    /// The statement of a day was written.
    Stated,
}

/// Memory and journal.
pub(super) struct Books {
    path: PathBuf,
    journal: File,
    openings: Vec<PayerAccount>,
    ledger: BankLedger,
    movements: BTreeMap<String, Vec<Movement>>,
    /// In which file a reference was decided.
    decided: HashMap<String, String>,
    /// For which reference the bank was busy, by account and amount.
    busy: HashMap<(String, Fen), String>,
    /// Payments to an account on a day, as files counted them.
    counted: HashMap<(NaiveDate, String), u64>,
    /// References of rows whose count of the day was wrong.
    miscounted: HashSet<String>,
    /// Day and place in the order of every file that was taken.
    taken: HashMap<String, (NaiveDate, u64)>,
    stated: BTreeSet<NaiveDate>,
    serial: u64,
}

impl Books {
    /// Opens the journal and reads what it says so far.
    pub(super) fn open(path: &Path, payers: &[PayerAccount]) -> io::Result<Self> {
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
            movements: payers.iter().map(|payer| (payer.account.clone(), Vec::new())).collect(),
            decided: HashMap::new(),
            busy: HashMap::new(),
            counted: HashMap::new(),
            miscounted: HashSet::new(),
            taken: HashMap::new(),
            stated: BTreeSet::new(),
            serial: 0,
        };
        books.ledger.payer_balances = payers.iter().map(|payer| (payer.account.clone(), Fen::new(payer.opening_fen))).collect();
        for line in &told {
            books.take(line);
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
        match line.kind {
            Kind::Received => {
                let place = u64::try_from(self.taken.len()).unwrap_or(u64::MAX).saturating_add(1);
                self.taken.insert(line.file.clone(), (line.booked.unwrap_or_default(), place));
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
            Kind::Failed | Kind::Busy => {
                if line.kind == Kind::Busy {
                    self.busy.insert((line.account.clone(), line.amount), line.reference.clone());
                }
                self.decided.entry(line.reference.clone()).or_insert_with(|| line.file.clone());
                let figures = self.figures(&line.file);
                figures.failed_count += 1;
                figures.failed_amount = sum(figures.failed_amount, line.amount);
            }
            Kind::Debit => self.debit(line),
            Kind::Settled => self.figures(&line.file).settled = true,
            Kind::Stated => self.stated.extend(line.booked),
        }
    }

    fn credit(&mut self, line: &Line) {
        self.decided.insert(line.reference.clone(), line.file.clone());
        let fact = CreditFact { account: line.account.clone(), amount: line.amount, times: 0 };
        self.ledger.credits.entry(line.reference.clone()).or_insert(fact).times += 1;
        let figures = self.figures(&line.file);
        figures.paid_count += 1;
        figures.paid_amount = sum(figures.paid_amount, line.amount);
    }

    fn debit(&mut self, line: &Line) {
        self.serial += 1;
        let balance = self.ledger.payer_balances.entry(line.account.clone()).or_default();
        *balance = Fen::new(balance.get().saturating_sub(line.amount.get()));
        self.movements.entry(line.account.clone()).or_default().push(Movement {
            booked: line.booked.unwrap_or_default(),
            amount: line.amount,
            reference: line.reference.clone(),
            bank_ref: line.bank_ref.clone(),
            text: line.text.clone(),
        });
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
        self.decided.get(reference).map(|file| (file.as_str(), self.ledger.credits.contains_key(reference)))
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

    /// The number of the next debit.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial + 1
    }

    /// The movements of a payer on a day, and the balance before them.
    pub(super) fn day(&self, payer: &PayerAccount, day: NaiveDate) -> (Fen, Vec<&Movement>) {
        let all = self.movements.get(&payer.account).map_or(&[][..], Vec::as_slice);
        let before: Fen = all.iter().filter(|movement| movement.booked < day).map(|movement| movement.amount).sum();
        let opening = Fen::new(payer.opening_fen.saturating_sub(before.get()));
        (opening, all.iter().filter(|movement| movement.booked == day).collect())
    }

    /// Days up to this one with movements that no statement has shown yet; the day itself unless it was stated.
    pub(super) fn days_to_state(&self, today: NaiveDate) -> BTreeSet<NaiveDate> {
        let moved = self.movements.values().flatten().map(|movement| movement.booked).filter(|day| *day <= today);
        moved.chain([today]).filter(|day| !self.stated.contains(day)).collect()
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
        let mut books = Books::open(&path, std::slice::from_ref(&payer)).unwrap();
        books.record(&[line(Kind::Credit, "R1", "A"), line(Kind::Busy, "R2", "B")]).unwrap();
        books.record(&[line(Kind::Debit, "F", "P")]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), b"credit,2026-03-10,F,A,30,0,R9"].concat()).unwrap();

        let mut again = Books::open(&path, &[payer]).unwrap();
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
