//! What moves on the payer's account, by the bank's own book, and the statement (对账单) that it gives of each day.

use chrono::NaiveDate;
use rand::Rng as _;

use super::bank::{Act, Bank};
use super::house::ZONE;
use super::papers::{CLEARING, COUNTER, Order, yuan};
use super::port::{Fault, Outside};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// What lay in each account on the first day.
const OPENING: i64 = 5_000_000_000;
/// When a day's book is closed, and when its statement is out.
const CLOSES: i64 = 20 * HOUR;
pub const STATED: i64 = CLOSES + HOUR / 2;

/// A line of the account.
#[derive(Clone, Debug)]
pub struct Move {
    day: i64,
    /// Out of the account, or into it.
    is_debit: bool,
    fen: i64,
    reference: String,
    words: String,
    /// Whose account stands against it.
    other: String,
}

/// Where the bank's own pot stands against ours.
const POT: &str = "90010001|某户";

impl Bank {
    /// Each day has its statement.
    pub fn states_daily(&mut self, days: i64) {
        for day in 0..days {
            self.plan(self.start_ms + day * DAY + STATED, Act::State(day));
        }
    }

    fn book(&mut self, now_ms: i64, is_debit: bool, fen: i64, reference: &str, words: &str) {
        let day = (now_ms - self.start_ms + DAY - CLOSES).div_euclid(DAY);
        let (reference, words, other) = (reference.to_owned(), words.to_owned(), POT.to_owned());
        self.moves.push(Move { day, is_debit, fen, reference, words, other });
    }

    /// The first day on which anything moved.
    pub fn first_day(&self) -> Option<String> {
        self.moves.iter().map(|m| m.day).min().map(|day| self.at(day).format("%F").to_string())
    }

    fn at(&self, day: i64) -> NaiveDate {
        bankgate::domain::time::Timestamp::from_millis(self.start_ms + day * DAY).date(ZONE)
    }

    fn date(&self, day: i64) -> String {
        self.at(day).format("%Y%m%d").to_string()
    }

    /// What left the account less what came back to it, until the end of a day.
    pub fn spent(&self, day: i64) -> i64 {
        self.moves.iter().filter(|m| m.day <= day).map(|m| if m.is_debit { m.fen } else { -m.fen }).sum()
    }

    /// The same, until a date.
    pub fn spent_by(&self, date: &str) -> i64 {
        self.moves.iter().map(|m| m.day).filter(|day| *self.at(*day).to_string() <= *date).max().map_or(0, |day| self.spent(day))
    }
}

/// The payer is debited for what was credited: for each line, or for a whole file once all of it is known.
pub fn debit(out: &mut Outside, code: &'static str, id: usize, line: Option<usize>) {
    let now = out.now_ms;
    let bank = out.banks.get_mut(code).unwrap();
    let taken = bank.taken[id].clone();
    let each: Vec<usize> = line.map_or_else(|| (0..taken.lines.len()).collect(), |line| vec![line]);
    if code == CLEARING {
        for at in each.into_iter().filter(|at| taken.lines[*at].credited) {
            bank.book(now, true, taken.slip.orders[at].fen, &taken.slip.orders[at].reference, "代发");
        }
        return;
    }
    if taken.lines.iter().any(|line| !line.is_settled) {
        return;
    }
    let fen = taken.slip.orders.iter().zip(&taken.lines).filter(|(_, line)| line.was_credited).map(|(order, _)| order.fen).sum();
    if fen == 0 {
        return;
    }
    match code {
        COUNTER => bank.book(now, true, fen, "", &format!("代发 {}", taken.slip.path)),
        _ => bank.book(now, true, fen, &taken.slip.path, "代发"),
    }
}

/// What came off a card again is credited to the payer.
pub fn credit(out: &mut Outside, code: &'static str, fen: i64, reference: &str) {
    let now = out.now_ms;
    out.banks.get_mut(code).unwrap().book(now, false, fen, reference, "退票");
}

/// Somebody pays back what was paid.
pub fn paid_in(out: &mut Outside, code: &'static str, order: &Order, names_it: bool) {
    let now = out.now_ms;
    let bank = out.banks.get_mut(code).unwrap();
    bank.book(now, false, order.fen, if names_it { &order.reference } else { "" }, "退回补贴");
    if let Some(last) = bank.moves.last_mut() {
        last.other = format!("{}|{}", order.account, order.name);
    }
}

/// The bank gives the statement of a day, some days too late where the seed says so.
pub fn state(out: &mut Outside, code: &'static str, day: i64) {
    err(out, code, day);
    let text = statement(&out.banks[code], code, day);
    let path = format!("statement/STMT_510601012345678901_{}.txt", out.banks[code].date(day));
    if out.strikes_in(Fault::StatementLate, 6) {
        let at = out.now_ms + out.rng.random_range(1..5) * DAY;
        out.banks.get_mut(code).unwrap().plan(at, Act::Put(path, text.into_bytes()));
    } else {
        out.put(code, &path, text.into_bytes());
    }
}

/// Puts the statement of a day out once more.
pub fn put_statement(out: &mut Outside, code: &'static str, day: i64) {
    let text = statement(&out.banks[code], code, day);
    let path = format!("statement/STMT_510601012345678901_{}.txt", out.banks[code].date(day));
    out.put(code, &path, text.into_bytes());
}

/// It errs in its own book: debits twice, and puts it right; charges a fee; books a line a day late.
fn err(out: &mut Outside, code: &'static str, day: i64) {
    if !out.strikes_in(Fault::StatementErrs, 5) {
        return;
    }
    let (kind, later) = (out.rng.random_range(0..3), out.rng.random_range(1..4));
    let bank = out.banks.get_mut(code).unwrap();
    let today: Vec<usize> = (0..bank.moves.len()).filter(|at| bank.moves[*at].day == day && bank.moves[*at].is_debit).collect();
    match (kind, today.last()) {
        (0, Some(at)) => {
            let twice = bank.moves[*at].clone();
            bank.moves.push(twice.clone());
            bank.moves.push(Move { day: day + later, is_debit: false, words: "冲正".to_owned(), ..twice });
        }
        (1, Some(at)) => bank.moves[*at].day = day + later,
        _ => {
            let fee =
                Move { day, is_debit: true, fen: 500, reference: String::new(), words: "手续费".to_owned(), other: POT.to_owned() };
            bank.moves.push(Move { day: day + later, is_debit: false, words: "退还手续费".to_owned(), ..fee.clone() });
            bank.moves.push(fee);
        }
    }
}

/// The date of a moment.
pub fn day_of(now_ms: i64) -> String {
    bankgate::domain::time::Timestamp::from_millis(now_ms).date(ZONE).to_string()
}

fn statement(bank: &Bank, code: &str, day: i64) -> String {
    let (opening, closing) = (OPENING - bank.spent(day - 1), OPENING - bank.spent(day));
    let entries: Vec<&Move> = bank.moves.iter().filter(|m| m.day == day).collect();
    let date = bank.date(day);
    let mut text = format!("H|510601012345678901|{date}|{date}|{}|{}|{}\n", yuan(opening), yuan(closing), entries.len());
    for (at, m) in entries.iter().enumerate() {
        let side = if m.is_debit { 'D' } else { 'C' };
        text.push_str(&format!("D|{date}|{side}|{}|{}|{code}{date}{at:06}|{}|{}\n", yuan(m.fen), m.reference, m.other, m.words));
    }
    let total = |is_debit: bool| {
        let of_side: Vec<i64> = entries.iter().filter(|m| m.is_debit == is_debit).map(|m| m.fen).collect();
        format!("{}|{}", of_side.len(), yuan(of_side.iter().sum()))
    };
    text + &format!("T|{}|{}\n", total(true), total(false))
}
