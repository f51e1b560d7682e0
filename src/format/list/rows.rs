//! From cells to payments, whatever file they stood in: one row in, one payment or its faults out.

use std::array;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::cells::{Cell, check, text_of};
use super::columns::{Column, Header};
use super::{Charset, FAULTS_KEPT, ListError, ListFault, ListHead, ListRow, ListSummary, PayeeRole};
use crate::domain::ids::EndToEndId;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::money::Fen;

/// The cells of one row, by column.
pub(super) type Cells<'a> = [Cell<'a>; Column::COUNT];

/// A row of empty cells.
pub(super) fn no_cells<'a>() -> Cells<'a> {
    array::from_fn(|_| Cell::EMPTY)
}

/// Faults, of which the first are kept and the others counted: a list whose columns are shifted has one per cell.
#[derive(Debug, Default)]
pub(super) struct Faults {
    kept: Vec<ListFault>,
    beyond: u64,
}

impl Faults {
    pub(super) fn tell(&mut self, line: u64, column: &str, what: impl Into<String>, next: &str) {
        if self.kept.len() < FAULTS_KEPT {
            self.kept.push(ListFault { line, column: column.to_owned(), what: what.into(), next: next.to_owned() });
        } else {
            self.beyond += 1;
        }
    }

    fn count(&self) -> u64 {
        u64::try_from(self.kept.len()).unwrap_or(u64::MAX).saturating_add(self.beyond)
    }
}

/// Texts that thousands of rows share are held once.
#[derive(Debug, Default)]
struct Shared(HashSet<Arc<str>>);

impl Shared {
    /// A list has some hundred villages; free remarks should not make this a second copy of it.
    const KEPT: usize = 4_096;

    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = Arc::from(text);
        if self.0.len() < Self::KEPT {
            self.0.insert(Arc::clone(&text));
        }
        text
    }
}

/// Takes rows in, hands payments to the sink, and remembers what only the whole list shows.
pub(super) struct Rows<'s> {
    sink: &'s mut dyn FnMut(ListRow) -> ControlFlow<()>,
    /// Told so far; readers add what they see themselves.
    pub(super) faults: Faults,
    shared: Shared,
    seqs_seen: HashSet<u32>,
    count: u64,
    total: Option<Fen>,
    accounts_long: u64,
    accounts_long_cut: u64,
}

impl<'s> Rows<'s> {
    pub(super) fn new(sink: &'s mut dyn FnMut(ListRow) -> ControlFlow<()>) -> Self {
        Self {
            sink,
            faults: Faults::default(),
            shared: Shared::default(),
            seqs_seen: HashSet::new(),
            count: 0,
            total: Some(Fen::ZERO),
            accounts_long: 0,
            accounts_long_cut: 0,
        }
    }

    /// Takes one row.
    ///
    /// # Errors
    /// When the sink stops.
    pub(super) fn take(&mut self, line: u64, header: &Header, cells: &Cells<'_>) -> Result<(), ListError> {
        self.count += 1;
        let Some(row) = self.read(line, header, cells) else { return Ok(()) };
        self.total = self.total.and_then(|total| total.checked_add(row.amount));
        if self.faults.count() > 0 {
            return Ok(());
        }
        match (self.sink)(row) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ListError::Stopped),
        }
    }

    /// The list is at its end.
    pub(super) fn finish(mut self, head: ListHead, charset: Option<Charset>) -> ListSummary {
        if self.accounts_long > 1 && self.accounts_long == self.accounts_long_cut {
            let what = "every number is zero behind its fifteenth digit: a spreadsheet held them as numbers and lost the digits";
            self.faults.tell(
                0,
                Column::Account.chinese(),
                what,
                "format the column as text (文本) and enter the numbers from their source",
            );
        }
        if self.count == 0 && self.faults.count() == 0 {
            self.faults.tell(0, "", "the list has a header and no payment", "bring the list that shall be paid");
        }
        if self.total.is_none() {
            self.faults.tell(
                0,
                Column::Amount.chinese(),
                "the amounts sum to more than can be paid",
                "look for an amount with too many digits",
            );
        }
        ListSummary { head, count: self.count, total: self.total, charset, faults: self.faults.kept, faults_beyond: self.faults.beyond }
    }

    fn read(&mut self, line: u64, header: &Header, cells: &Cells<'_>) -> Option<ListRow> {
        let before = self.faults.count();
        let mut reading = Reading { line, header, cells, faults: &mut self.faults };
        let seq = reading.seq();
        let mandate_no = reading.optional(Column::MandateNo);
        let entitled_id = reading.optional(Column::EntitledId);
        if entitled_id.is_empty() && mandate_no.is_empty() && reading.cell(Column::EntitledId).is_empty() {
            let what = "empty: only a person who is paid through a proxy with a mandate may lack an identity number";
            reading.tell(Column::EntitledId, what, "enter the identity number, or the mandate's number");
        }
        let row = ListRow {
            seq,
            township: self.shared.share(reading.required(Column::Township)),
            village: self.shared.share(reading.required(Column::Village)),
            group: self.shared.share(reading.optional(Column::Group)),
            household_no: reading.optional(Column::HouseholdNo).to_owned(),
            entitled_name: Name::new(reading.required(Column::EntitledName)),
            entitled_id: IdNumber::new(entitled_id),
            payee_name: Name::new(reading.required(Column::PayeeName)),
            payee_id: IdNumber::new(reading.required(Column::PayeeId)),
            payee_role: reading.role(),
            mandate_no: mandate_no.to_owned(),
            account: Account::new(reading.required(Column::Account)),
            bank_code: self.shared.share(reading.required(Column::BankCode)),
            mobile: Mobile::new(reading.optional(Column::Mobile)),
            amount: reading.amount(),
            remark: self.shared.share(reading.optional(Column::Remark)),
            reissue_of: reading.reissue_of(),
        };
        if row.seq > 0 && !self.seqs_seen.insert(row.seq) {
            let what = format!("number {} stands in an earlier row too", row.seq);
            self.faults.tell(line, header.text_of(Column::Seq), what, "number the rows 1, 2, 3 and see whether a row stands twice");
        }
        let account = row.account.reveal();
        if let Some((_, beyond)) = account.split_at_checked(15).filter(|(_, beyond)| !beyond.is_empty()) {
            self.accounts_long += 1;
            self.accounts_long_cut += u64::from(beyond.bytes().all(|b| b == b'0'));
        }
        (self.faults.count() == before).then_some(row)
    }
}

/// One row while it is read. After a fault a value is empty, and the row is not used.
struct Reading<'r> {
    line: u64,
    header: &'r Header,
    cells: &'r Cells<'r>,
    faults: &'r mut Faults,
}

impl<'r> Reading<'r> {
    fn tell(&mut self, column: Column, what: impl Into<String>, next: &str) {
        self.faults.tell(self.line, self.header.text_of(column), what, next);
    }

    fn cell(&self, column: Column) -> &'r Cell<'r> {
        const NOTHING: &Cell<'static> = &Cell::EMPTY;
        self.cells.get(column.index()).unwrap_or(NOTHING)
    }

    fn optional(&mut self, column: Column) -> &'r str {
        let text = match text_of(column, self.cell(column)) {
            Ok("") => return "",
            Ok(text) => text,
            Err((what, next)) => {
                self.tell(column, what, next);
                return "";
            }
        };
        match check(column, text) {
            Ok(()) => text,
            Err((what, next)) => {
                self.tell(column, what, next);
                ""
            }
        }
    }

    fn required(&mut self, column: Column) -> &'r str {
        if self.cell(column).is_empty() {
            self.tell(column, "empty", "enter the value");
        }
        self.optional(column)
    }

    fn seq(&mut self) -> u32 {
        let text = self.required(Column::Seq);
        match text.parse::<u32>() {
            Ok(seq) if seq > 0 && text.bytes().all(|b| b.is_ascii_digit()) => seq,
            Ok(_) | Err(_) => {
                if !text.is_empty() {
                    self.tell(Column::Seq, "not a number from 1 to 4294967295", "number the rows 1, 2, 3");
                }
                0
            }
        }
    }

    fn role(&mut self) -> PayeeRole {
        let text = self.required(Column::PayeeRole);
        PayeeRole::from_text(text).unwrap_or_else(|| {
            if !text.is_empty() {
                self.tell(Column::PayeeRole, "unknown", "write 本人, 户主 or 代领 (self, head, proxy)");
            }
            PayeeRole::default()
        })
    }

    fn amount(&mut self) -> Fen {
        let text = self.required(Column::Amount);
        match Fen::parse_yuan(text) {
            Ok(amount) => amount,
            Err(error) => {
                if !text.is_empty() {
                    self.tell(Column::Amount, error.to_string(), "enter yuan with at most two decimals, such as 1234.50");
                }
                Fen::ZERO
            }
        }
    }

    fn reissue_of(&mut self) -> Option<EndToEndId> {
        let text = self.optional(Column::ReissueOf);
        let found = EndToEndId::parse(text);
        if found.is_none() && !text.is_empty() {
            self.tell(Column::ReissueOf, "not a payment's number, or mistyped", "copy it from the failure report; it begins with BG");
        }
        found
    }
}
