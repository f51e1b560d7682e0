//! Refund orders (缴回国库): a file asks the bank to pay one sum from the payer's account to the treasury.
//!
//! Request `TK_<yyyymmdd><seq>.TXT`, GBK, LF, `|`: `voucher|unit|date|payer account|payer name|1|yuan`, then
//! `reference|yuan|treasury account|its name|…`, of whose rest the bank reads nothing. `…_A.TXT` acknowledges: `code|1|yuan|words`;
//! `…_R.TXT` is the result: `reference|yuan|treasury account|code|words|treasury voucher|day`.

use std::fs;
use std::io;

use crate::domain::money::Fen;
use crate::domain::time::Timestamp;

use super::bank::{Bank, wide};
use super::gbk;
use super::layout::{OutFile, lines, yuan};
use super::ledger::{Kind, Line};
use super::rules::Why;
use super::{inbox, layout};

/// What an order asks for.
struct Order {
    reference: String,
    payer: String,
    treasury: String,
    treasury_name: String,
    amount: Fen,
}

/// Done, and taken.
const DONE: &str = "0000";
/// A reference or a file that was here before.
const KNOWN: &str = "1001";
const REFUSED: &str = "2001";

/// Whether a file, by its name or its key, is a refund order.
pub(super) fn is_order(name: &str) -> bool {
    middle(name).and_then(|middle| middle.get(..12)).is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

fn middle(name: &str) -> Option<&str> {
    name.strip_prefix("TK_")?.strip_suffix(".TXT")
}

fn read(bytes: &[u8], key: &str, today: &str) -> Result<Order, &'static str> {
    let date = middle(key).and_then(|middle| middle.get(..8)).unwrap_or_default();
    if !layout::is_date(date) || date > today {
        return Err("日期不符");
    }
    let format = "文件格式错误";
    let (lines, ended) = lines(bytes, b"\n");
    let ([head, detail], true) = (lines.as_slice(), ended) else { return Err(format) };
    let (head, detail) = (columns(head), columns(detail));
    let [_, _, on, payer, _, count, total] = head.as_slice() else { return Err(format) };
    let [reference, amount, treasury, treasury_name, _, _, _] = detail.as_slice() else { return Err(format) };
    if on != date || count != "1" || [reference, payer, treasury].into_iter().any(String::is_empty) {
        return Err(format);
    }
    let amount = yuan(amount).filter(|amount| yuan(total) == Some(*amount)).ok_or("总金额不符")?;
    Ok(Order {
        reference: reference.clone(),
        payer: payer.clone(),
        treasury: treasury.clone(),
        treasury_name: treasury_name.clone(),
        amount,
    })
}

fn columns(line: &[u8]) -> Vec<String> {
    gbk::decode(line).unwrap_or_default().split('|').map(str::to_owned).collect()
}

fn code(refused: Option<&str>) -> &'static str {
    match refused {
        None => DONE,
        Some(words) if words == Why::Duplicate.words(true) => KNOWN,
        Some(_) => REFUSED,
    }
}

/// The word on the file as a whole, at once.
fn acknowledge(key: &str, amount: Fen, refused: Option<&str>) -> OutFile {
    let line = format!("{}|1|{amount}|{}\n", code(refused), refused.unwrap_or("受理成功"));
    OutFile::new(format!("TK_{}_A.TXT", middle(key).unwrap_or(key)), gbk::encode(&line).unwrap_or_default())
}

/// The result: done with the treasury's voucher and day, or why not.
fn answer(order: &Order, key: &str, today: &str, refused: Option<&str>) -> OutFile {
    let middle = middle(key).unwrap_or(key);
    let done = if refused.is_none() { format!("GK{middle}|{today}") } else { "|".to_owned() };
    let (reference, amount, treasury) = (&order.reference, order.amount, &order.treasury);
    let line = format!("{reference}|{amount}|{treasury}|{}|{}|{done}\n", code(refused), refused.unwrap_or_default());
    OutFile::new(format!("TK_{middle}_R.TXT"), gbk::encode(&line).unwrap_or_default())
}

impl Bank {
    /// Reads an order on the day it came and notes it in the books.
    pub(super) fn take_order(&self, key: &str, now: Timestamp) -> io::Result<()> {
        if self.books().taken(key).is_some() {
            return Ok(());
        }
        let bytes = fs::read(inbox::processing(&self.root).join(key))?;
        let order = read(&bytes, key, &now.date(self.zone).format("%Y%m%d").to_string());
        let amount = order.as_ref().map_or(Fen::ZERO, |order| order.amount);
        let received = Line {
            kind: Kind::Received,
            booked: Some(now.date(self.zone)),
            file: key.to_owned(),
            count: wide(usize::from(order.is_ok())),
            amount,
            ..Line::default()
        };
        let mut told = vec![received];
        let refused = order.err();
        told.extend(refused.map(|text| Line { kind: Kind::Refused, file: key.to_owned(), text: text.to_owned(), ..Line::default() }));
        self.books().record(&told)?;
        if refused.is_some() || self.spec.behaviour.ack {
            inbox::put_out(&self.root, &acknowledge(key, amount, refused))?;
        }
        Ok(())
    }

    /// Debits the payer if the money is there, and answers. What was decided before is not decided again.
    pub(super) fn execute_order(&self, key: &str, silent: bool, now: Timestamp) -> io::Result<()> {
        let bytes = fs::read(inbox::processing(&self.root).join(key))?;
        self.decide_order(&bytes, key, now)?;
        let refused = self.books().file(key).and_then(|figures| figures.refused.clone());
        let today = now.date(self.zone).format("%Y%m%d").to_string();
        // What could not be read was refused in its acknowledgement.
        if let (Ok(order), false) = (read(&bytes, key, &today), silent) {
            inbox::put_out(&self.root, &answer(&order, key, &today, refused.as_deref()))?;
        }
        self.books().record(&[Line { kind: Kind::Settled, file: key.to_owned(), ..Line::default() }])?;
        inbox::lay_aside(&self.root, key)
    }

    fn decide_order(&self, bytes: &[u8], key: &str, now: Timestamp) -> io::Result<()> {
        let mut books = self.books();
        if books.file(key).is_some_and(|figures| figures.refused.is_some()) {
            return Ok(());
        }
        let refuse = |words: String| Line { kind: Kind::Refused, file: key.to_owned(), text: words, ..Line::default() };
        let booked = self.booking_day(&books, now);
        let line = match read(bytes, key, &now.date(self.zone).format("%Y%m%d").to_string()) {
            Err(words) => refuse(words.to_owned()),
            Ok(order) => match (books.decided(&order.reference), books.balance(&order.payer)) {
                (Some((file, true)), _) if file == key => return Ok(()),
                (Some(_), _) => refuse(Why::Duplicate.words(true)),
                (None, None) => refuse("付款账户不符".to_owned()),
                (None, Some(balance)) if balance < order.amount => refuse(Why::Funds.words(true)),
                (None, Some(_)) => Line {
                    kind: Kind::Refund,
                    booked: Some(booked),
                    file: key.to_owned(),
                    account: order.payer,
                    amount: order.amount,
                    bank_ref: books.bank_ref(&self.spec.code, booked, 0),
                    text: format!("缴回国库 {}", order.reference),
                    reference: order.reference,
                    counter: order.treasury,
                    counter_name: order.treasury_name,
                    ..Line::default()
                },
            },
        };
        books.record(&[line])
    }
}
