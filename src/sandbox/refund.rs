//! Refund orders (缴回国库): a file asks the bank to pay one sum from the payer's account to the treasury.
//!
//! Request `TKDD__<yyyymmdd><seq>.TXT`, GBK, LF, `|`: reference, payer account, treasury account, its name, yuan, and whatever else
//! the payer tells, which the bank does not read. The answer `TKDDFK<yyyymmdd><seq>_R.TXT` is `reference|yuan|1 or 2|words`.

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

/// Whether a file, by its name or its key, is a refund order.
pub(super) fn is_order(name: &str) -> bool {
    middle(name).is_some_and(|middle| middle.len() == 12 && middle.bytes().all(|b| b.is_ascii_digit()))
}

fn middle(name: &str) -> Option<&str> {
    name.strip_prefix("TKDD__")?.strip_suffix(".TXT")
}

fn read(bytes: &[u8], key: &str, today: &str) -> Result<Order, String> {
    let date = middle(key).and_then(|middle| middle.get(..8)).unwrap_or_default();
    if !layout::is_date(date) || date > today {
        return Err("日期不符".to_owned());
    }
    let (lines, ended) = lines(bytes, b"\n");
    let ([line], true) = (lines.as_slice(), ended) else { return Err("文件格式错误".to_owned()) };
    let columns: Vec<String> = gbk::decode(line).unwrap_or_default().split('|').map(str::to_owned).collect();
    let [reference, payer, treasury, treasury_name, amount, ..] = columns.as_slice() else { return Err("文件格式错误".to_owned()) };
    let amount = yuan(amount).filter(|_| [reference, payer, treasury].into_iter().all(|text| !text.is_empty()));
    Ok(Order {
        reference: reference.clone(),
        payer: payer.clone(),
        treasury: treasury.clone(),
        treasury_name: treasury_name.clone(),
        amount: amount.ok_or("文件格式错误")?,
    })
}

/// The answer: done, or why not. An order that cannot be read is answered with what it says of itself.
fn answer(bytes: &[u8], key: &str, refused: Option<&str>) -> OutFile {
    let text = gbk::decode(bytes).unwrap_or_default();
    let columns: Vec<&str> = text.lines().next().unwrap_or_default().split('|').collect();
    let column = |at: usize| columns.get(at).copied().unwrap_or_default();
    let (status, words) = refused.map_or(("1", "交易成功"), |words| ("2", words));
    let line = format!("{}|{}|{status}|{words}\n", column(0), column(4));
    OutFile::new(format!("TKDDFK{}_R.TXT", middle(key).unwrap_or(key)), gbk::encode(&line).unwrap_or_default())
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
        told.extend(order.err().map(|text| Line { kind: Kind::Refused, file: key.to_owned(), text, ..Line::default() }));
        self.books().record(&told)
    }

    /// Debits the payer if the money is there, and answers. What was decided before is not decided again.
    pub(super) fn execute_order(&self, key: &str, silent: bool, now: Timestamp) -> io::Result<()> {
        let bytes = fs::read(inbox::processing(&self.root).join(key))?;
        self.decide_order(&bytes, key, now)?;
        let refused = self.books().file(key).and_then(|figures| figures.refused.clone());
        if !silent {
            inbox::put_out(&self.root, &answer(&bytes, key, refused.as_deref()))?;
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
            Err(words) => refuse(words),
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
