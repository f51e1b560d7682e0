//! `bankgate funds`: the money of every purse from its arrival on, and how long each batch's money took to the cards.

use super::Reader;
use super::out::{Exit, Failure, Tone};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::funds::{BatchFunds, PurseView, age};

/// Prints purses and batches.
pub async fn funds(r: &Reader<'_>, config: &Config, batch: &str, department: &str) -> Result<Exit, Failure> {
    let now = Clock::System.now();
    let calendar = config.calendar()?;
    let mut tx = r.store.read().await?;
    let mut purses = tx.purses(department, now).await?;
    let mut batches = tx.batch_funds("", department).await?;
    age(&mut batches, &purses, (&calendar, r.zone), now);
    batches.retain(|b| batch.is_empty() || b.number == batch);
    if !batch.is_empty() {
        purses.retain(|p| batches.iter().any(|b| purse_key(b) == (p.department.as_str(), p.project.as_str(), p.year)));
    }
    if r.out.json {
        r.out.value(&serde_json::json!({ "purses": purses, "batches": batches }));
        return Ok(Exit::Done);
    }
    print_purses(r, &purses);
    print_arrivals(r, &purses);
    print_batches(r, &batches);
    Ok(Exit::Done)
}

fn purse_key(b: &BatchFunds) -> (&str, &str, i32) {
    (b.department.as_str(), b.project.as_str(), b.year)
}

fn print_purses(r: &Reader<'_>, purses: &[PurseView]) {
    r.head("资金（元）", "Funds (yuan)");
    let heads = [
        ("部门", "department"),
        ("项目", "project"),
        ("年度", "year"),
        ("到账", "arrived"),
        ("已占用", "spoken for"),
        ("在途", "instructed"),
        ("已入卡", "paid"),
        ("失败待处理", "back"),
        ("结果不明", "unknown"),
        ("退库途中", "refunding"),
        ("可用", "free"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[3, 4, 5, 6, 7, 8, 9, 10]);
    for p in purses {
        let head = [p.department.clone(), p.project.clone(), p.year.to_string()];
        let sums = [p.arrived, p.spoken_for, p.instructed, p.paid, p.back, p.unknown, p.refunding, p.free];
        sheet.row(head.into_iter().chain(sums.map(|fen| fen.to_string())));
    }
    r.out.show(&sheet, r.pick("（没有资金）", "(no funds)"));
}

fn print_arrivals(r: &Reader<'_>, purses: &[PurseView]) {
    r.head("到账", "Arrivals");
    let heads = [
        ("编号", "no."),
        ("部门", "department"),
        ("项目", "project"),
        ("年度", "year"),
        ("方式", "model"),
        ("到账时间", "arrived"),
        ("金额（元）", "yuan"),
        ("是否计入", "counts"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[0, 6]);
    for a in purses.iter().flat_map(|p| &p.arrivals) {
        let (counts, tone) = match (a.is_booked, a.aside.as_str()) {
            (true, _) => (r.pick("是", "yes"), Tone::Plain),
            (false, "future") => (r.pick("否：尚未到账", "no: still to come"), Tone::Warn),
            (false, "funds_model") => (r.pick("否：资金方式与协议不符", "no: no agreement has its model"), Tone::Bad),
            (false, _) => (r.pick("否：待登记", "no: not booked yet"), Tone::Warn),
        };
        let model = if a.funds_model == "cash" { r.pick("实拨", "cash") } else { r.pick("额度", "quota") };
        let cells = [a.id.to_string(), a.department.clone(), a.project.clone(), a.year.to_string(), model.to_owned()];
        let rest = [r.time(Some(a.arrived_at)), a.fen.to_string(), counts.to_owned()];
        sheet.toned(cells.into_iter().chain(rest).map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（没有到账）", "(nothing arrived)"));
}

fn print_batches(r: &Reader<'_>, batches: &[BatchFunds]) {
    r.head("批次：从资金到账到入卡", "Batches: from the money's arrival to the cards");
    let heads = [
        ("批次", "batch"),
        ("状态", "state"),
        ("申报", "declared"),
        ("未入卡", "open"),
        ("已入卡", "paid"),
        ("放行后到账", "arrived since"),
        ("等资金起于", "held since"),
        ("资金到账", "money there"),
        ("最后入卡", "last credit"),
        ("工作日", "working days"),
    ];
    let mut sheet = r.out.sheet(r.heads(&heads));
    sheet.right(&[2, 3, 4, 5, 9]);
    for b in batches {
        let days = b.working_days.map_or_else(String::new, |d| d.to_string());
        let cells = [
            b.number.clone(),
            r.state(&b.state).to_owned(),
            b.declared.to_string(),
            b.open.to_string(),
            b.paid.to_string(),
            b.arrived_since.to_string(),
            r.time(b.held_since),
            r.time(b.funded_at),
            r.time(b.credited_at),
            days,
        ];
        let tone = if b.held_since.is_some() { Tone::Warn } else { Tone::Plain };
        sheet.toned(cells.map(|c| (c, tone)));
    }
    r.out.show(&sheet, r.pick("（没有批次）", "(no batches)"));
}
