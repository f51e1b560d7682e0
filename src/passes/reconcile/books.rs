//! Our side and the bank's answers, as values for the matching. What a file should have cost is what its entries left as paid
//! and what came back of it, in whatever order that was told: it was debited once and credited once, and both must be seen.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use crate::domain::exchange::Side;
use crate::domain::ledger::EntryKind;
use crate::domain::matching::{Books, FileDue, Line, reference, tokens};
use crate::domain::money::Fen;
use crate::passes::{Gateway, PassError, join};
use crate::store::dues::FileRow;
use crate::store::sql::Tx;
use crate::store::statements::PayerAccount;

/// What some lines may be: files with money to be seen, everything that a line names, orders, funds, cases.
pub(crate) async fn load(gateway: &Gateway, tx: &mut Tx, of: &PayerAccount, lines: &[Line]) -> Result<Books, PassError> {
    let mut opened = Opened::begin(gateway, tx, of).await?;
    opened.name(gateway, tx, of, lines).await?;
    opened.complete(tx, of, lines).await?;
    Ok(opened.books)
}

/// Books to which is added what lines name. Files stay, with what was taken of them; of instructions and orders only those are
/// held that the lines at hand name.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) books: Books,
    pub(super) files: BTreeMap<i64, FileRow>,
    words: BTreeSet<String>,
}

impl Opened {
    /// Files with money to be seen.
    pub(super) async fn begin(gateway: &Gateway, tx: &mut Tx, of: &PayerAccount) -> Result<Self, PassError> {
        let mut opened = Self::default();
        let files = tx.files_to_see(of).await?;
        opened.add(gateway, tx, files).await?;
        Ok(opened)
    }

    /// What these lines name.
    pub(super) async fn name(&mut self, gateway: &Gateway, tx: &mut Tx, of: &PayerAccount, lines: &[Line]) -> Result<(), PassError> {
        let named: BTreeSet<i64> = lines.iter().filter_map(reference).collect();
        let items = tx.items_named(of, &named).await?;
        let unknown: BTreeSet<i64> = items.iter().map(|(_, i)| i.file).filter(|file| !self.files.contains_key(file)).collect();
        let files = tx.files_numbered(of, &unknown.into_iter().collect::<Vec<_>>()).await?;
        self.add(gateway, tx, files).await?;
        for word in lines.iter().filter(|l| reference(l).is_none()).flat_map(tokens) {
            if self.words.insert(word.to_owned()) {
                let files = tx.files_called(of, word).await?;
                self.add(gateway, tx, files).await?;
            }
        }
        self.books.items = items.into_iter().collect();
        self.books.refunds = tx.refunds_of(of, &named, gateway.zone()).await?.into_iter().collect();
        for order in self.books.refunds.values_mut() {
            order.on = gateway.calendar.next_bank_day_on_or_after(order.on)?;
        }
        Ok(())
    }

    /// What lines may be that name nothing, and since when statements are missing.
    pub(super) async fn complete(&mut self, tx: &mut Tx, of: &PayerAccount, lines: &[Line]) -> Result<(), PassError> {
        if of.is_cash {
            self.books.fundings = tx.fundings_unseen(of).await?;
        }
        self.books.recoveries = tx.recoveries_open(of).await?;
        if let Some(first) = lines.iter().filter(|line| line.side == Side::Credit).map(|line| line.on).min() {
            let since = first.checked_sub_days(Days::new(super::DAYS_BACK)).unwrap_or(first);
            self.books.broken_from = tx.broken_from(of, since).await?;
            self.books.stated_from = tx.stated_from(of).await?;
        }
        Ok(())
    }

    async fn add(&mut self, gateway: &Gateway, tx: &mut Tx, files: Vec<FileRow>) -> Result<(), PassError> {
        for file in files {
            if !self.files.contains_key(&file.id) {
                self.books.files.insert(file.id, due(gateway, tx, &file).await?);
                self.files.insert(file.id, file);
            }
        }
        Ok(())
    }
}

async fn due(gateway: &Gateway, tx: &mut Tx, file: &FileRow) -> Result<FileDue, PassError> {
    let zone = gateway.zone();
    let entries = tx.paid_entries(file.id).await?;
    let matched = tx.file_matched(file).await?;
    let back = tx.file_came_back(file).await?;
    let mut paid = 0_i64;
    let (mut by_day, mut by_answer): (BTreeMap<NaiveDate, i64>, BTreeMap<i64, i64>) = (BTreeMap::new(), BTreeMap::new());
    for e in entries.iter().filter(|e| EntryKind::from_code(&e.kind) != Some(EntryKind::Recover)) {
        // Less than nothing: it came back, is in doubt by a later word, or was settled as not paid.
        paid += e.amount;
        if e.amount > 0 {
            *by_day.entry(e.at.date(zone)).or_default() += e.amount;
            *by_answer.entry(e.file_in.unwrap_or_default()).or_default() += e.amount;
        }
    }
    // What came back was debited too, by whatever words in between.
    paid += back.effective.get();
    let return_on = back.at.map(|at| at.date(zone));
    let is_gross = file.debit_model == "gross";
    let is_refused = file.state == "refused";
    let sent_on = file.sent_at.map_or(file.business_date, |at| at.date(zone));
    let mut days: BTreeSet<NaiveDate> = [file.business_date, sent_on].into();
    days.extend(by_day.keys());
    let on = if is_gross { Some(sent_on) } else { by_day.keys().next_back().copied().or(return_on) };
    let bank_day = |on: Option<NaiveDate>| on.map(|on| gateway.calendar.next_bank_day_on_or_after(on)).transpose();
    let due = match (is_gross, is_refused) {
        (_, true) => Fen::ZERO,
        (true, false) => file.total,
        (false, false) => Fen::new(paid.max(0)),
    };
    let mut parts: Vec<Fen> = if is_gross { Vec::new() } else { by_day.values().chain(by_answer.values()).map(|p| Fen::new(*p)).collect() };
    parts.sort_unstable();
    parts.dedup();
    Ok(FileDue {
        name: file.name.clone(),
        key: file.key.clone(),
        path: join(&file.dir, &file.name),
        days,
        on: bank_day(on)?,
        due,
        parts,
        is_settled: matches!(file.state.as_str(), "answered" | "refused") && file.unknown == 0,
        debited: matched.lumps.iter().copied().chain([matched.items]).sum(),
        lumps: matched.lumps,
        back_due: if is_gross { matched.back_due } else { Fen::ZERO },
        return_due: back.said,
        return_seen: matched.returned,
        return_on: bank_day(return_on)?,
    })
}
