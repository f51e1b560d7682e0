//! `bankgate expected`: what banks owe us, as a grid of days and banks, and then, row by row, what has not come and whom to
//! phone. It is what the officer looks at with the bank on the line.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::Reader;
use super::out::{Exit, Failure, Tone};
use crate::clock::Clock;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::store::expected::Expected;

const HOUR: i64 = 3_600_000;

/// What one bank owed for one day: came, due later, late, will not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    came: u32,
    later: u32,
    late: u32,
    waived: u32,
}

impl Cell {
    /// `✓3 …1 ✗1`; what there is none of is left out.
    fn text(self) -> String {
        let parts = [("✓", self.came), ("…", self.later), ("✗", self.late), ("–", self.waived)];
        parts.iter().filter(|(_, n)| *n > 0).map(|(sign, n)| format!("{sign}{n}")).collect::<Vec<_>>().join(" ")
    }

    const fn tone(self) -> Tone {
        match (self.late, self.later) {
            (1.., _) => Tone::Bad,
            (0, 1..) => Tone::Plain,
            (0, 0) => Tone::Good,
        }
    }
}

/// Prints the grid and the list.
pub async fn expected(r: &Reader<'_>, days: u64) -> Result<Exit, Failure> {
    let now = Clock::System.now();
    let today = now.date(r.zone);
    let from = today.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(today);
    let rows = r.store.read().await?.expected_since(from).await?;
    let late: Vec<&Expected> = rows.iter().filter(|e| is_late(e, now)).collect();
    if r.out.json {
        let rows: Vec<_> = rows.iter().map(|e| value(r, e, now)).collect();
        r.out.value(&serde_json::json!({ "from": from, "today": today, "late": late.len(), "expected": rows }));
    } else {
        print_grid(r, &rows, now);
        print_open(r, &rows, now);
    }
    Ok(if late.is_empty() { Exit::Done } else { Exit::Person })
}

fn is_late(e: &Expected, now: Timestamp) -> bool {
    e.is_open() && e.due_at <= now
}

fn value(r: &Reader<'_>, e: &Expected, now: Timestamp) -> serde_json::Value {
    let state = if e.came_at.is_some() {
        "came"
    } else if e.waived_at.is_some() {
        "waived"
    } else if is_late(e, now) {
        "late"
    } else {
        "later"
    };
    let hours = is_late(e, now).then(|| (now.millis() - e.due_at.millis()) / HOUR);
    let file = if e.kind == "statement" { None } else { e.subject.parse::<i64>().ok() };
    serde_json::json!({
        "id": e.id, "day": e.on_date, "bank": e.bank, "kind": e.kind, "what": e.what(), "file": file, "fen": e.total, "due_at": e.due_at,
        "came_at": e.came_at, "state": state, "late_hours": hours, "waived_at": e.waived_at, "waived_why": e.waived_why, "contacts": e.contacts, "next": next(e).in_language(r.language),
    })
}

fn print_grid(r: &Reader<'_>, rows: &[Expected], now: Timestamp) {
    let banks: BTreeSet<&str> = rows.iter().map(|e| e.bank.as_str()).collect();
    let mut cells: BTreeMap<(NaiveDate, &str), Cell> = BTreeMap::new();
    for e in rows {
        let cell = cells.entry((e.on_date, e.bank.as_str())).or_default();
        match (e.came_at.is_some(), e.waived_at.is_some(), is_late(e, now)) {
            (true, ..) => cell.came += 1,
            (false, true, _) => cell.waived += 1,
            (false, false, true) => cell.late += 1,
            (false, false, false) => cell.later += 1,
        }
    }
    let days: BTreeSet<NaiveDate> = rows.iter().map(|e| e.on_date).collect();
    let heads: Vec<&str> = std::iter::once(r.pick("日期", "day")).chain(banks.iter().copied()).collect();
    let mut sheet = r.out.sheet(heads);
    for day in days.iter().rev() {
        let row =
            banks.iter().map(|bank| cells.get(&(*day, *bank)).copied().map_or((String::new(), Tone::Plain), |c| (c.text(), c.tone())));
        sheet.toned(std::iter::once((day.to_string(), Tone::Plain)).chain(row));
    }
    r.out.show(&sheet, r.pick("（没有应收文件）", "(nothing is expected)"));
    r.line("✓ 已到　… 未到期　✗ 逾期　– 免收", "✓ came   … due later   ✗ late   – will not come");
}

fn print_open(r: &Reader<'_>, rows: &[Expected], now: Timestamp) {
    r.head("尚未到达", "Not here yet");
    let heads = [
        ("编号", "number"),
        ("日期", "day"),
        ("银行", "bank"),
        ("应收", "owed"),
        ("对应", "of"),
        ("金额（元）", "yuan"),
        ("限期", "due"),
        ("已逾期", "late"),
        ("联系人", "contacts"),
        ("下一步", "next"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 5, 7]);
    let mut open: Vec<&Expected> = rows.iter().filter(|e| e.is_open()).collect();
    open.sort_by_key(|e| (e.due_at, e.id));
    for e in open {
        let hours = (now.millis() - e.due_at.millis()) / HOUR;
        let late = if is_late(e, now) { r.age(hours) } else { String::new() };
        let yuan = if e.kind == "statement" { String::new() } else { e.total.to_string() };
        let tone = if is_late(e, now) { Tone::Bad } else { Tone::Plain };
        let cells = [
            e.id.to_string(),
            e.on_date.to_string(),
            format!("{} {}", e.bank, e.bank_name),
            kind(r, &e.kind).to_owned(),
            e.what(),
            yuan,
            r.time(Some(e.due_at)),
            late,
            e.contacts.clone(),
            if is_late(e, now) { next(e).in_language(r.language) } else { String::new() },
        ];
        sheet.toned(cells.map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（都到了）", "(all is here)"));
}

fn kind<'a>(r: &Reader<'_>, code: &'a str) -> &'a str {
    match code {
        "ack" => r.pick("受理回执", "ack"),
        "result" => r.pick("回盘", "result"),
        "receipt" => r.pick("退款回执", "receipt"),
        "statement" => r.pick("对账单", "statement"),
        other => other,
    }
}

fn next(e: &Expected) -> Words {
    let id = &e.subject;
    match e.kind.as_str() {
        "ack" => Words::new(
            format!("问银行是否收到；`bankgate file show {id}`；切勿重发"),
            format!("ask whether it has the file; `bankgate file show {id}`; do not send it again"),
        ),
        "statement" => Words::new(
            format!("请银行补发对账单；确认不会有：`bankgate expected waive {}`", e.id),
            format!("ask for the statement; there will be none: `bankgate expected waive {}`", e.id),
        ),
        _ => Words::new(
            format!("催问结果；`bankgate file enquire {id}`；切勿重发"),
            format!("ask for the result; `bankgate file enquire {id}`; do not send it again"),
        ),
    }
}
