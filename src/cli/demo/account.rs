//! The demo's account of what happened: the figures from the tables, the equations of law 2, and the banks' own books
//! beside them. The demo holds only if every equation does and both sides agree to the fen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use comfy_table::{CellAlignment, Table, presets};
use rust_decimal::Decimal;
use serde_json::json;

use super::stage::{BANKS, Stage};
use crate::cli::out::Out;
use crate::domain::ledger::AccountKind;
use crate::domain::money::Fen;
use crate::passes::Gateway;
use crate::sandbox::{BankLedger, Sandbox};
use crate::store::equations::{Books, Share, Totals};
use crate::store::tallies::BankSide;

/// What came of it.
pub(super) struct Account {
    dir: PathBuf,
    books: Books,
    totals: Totals,
    counts: Counts,
    disagreements: Vec<String>,
    banks: Vec<(String, BankSums)>,
    elapsed: Duration,
    /// The first and the last day that were played.
    days: (NaiveDate, NaiveDate),
}

/// Things counted.
#[derive(Default)]
struct Counts {
    files_out: i64,
    files_in: i64,
    quarantined: i64,
    mails: i64,
    mails_waiting: i64,
    incidents: Vec<(String, String)>,
}

/// One bank, by its own books and by ours.
#[derive(Default)]
struct BankSums {
    their_paid: Share,
    our_paid: Share,
}

impl Account {
    /// Reads the tables and the banks' books, and compares.
    pub(super) async fn draw(
        stage: &Stage,
        gateway: &Gateway,
        sandbox: &Sandbox,
        elapsed: Duration,
        last_day: NaiveDate,
    ) -> anyhow::Result<Self> {
        let mut tx = gateway.store.read().await?;
        let books = tx.books().await?;
        let counts = Counts {
            files_out: tx.count_files_out().await?,
            files_in: tx.count_files_in("").await?,
            quarantined: tx.count_files_in("quarantined").await?,
            mails: tx.count_mails("sent").await?,
            mails_waiting: tx.count_mails("queued").await?,
            incidents: tx.incidents_open().await?.into_iter().map(|i| (i.what, i.next_step)).collect(),
        };
        let (mut disagreements, mut banks) = (Vec::new(), Vec::new());
        for bank in BANKS {
            let theirs = sandbox.ledger(bank.code);
            let mut sums = BankSums::default();
            let mut given_back = theirs.given_back.clone();
            for range in tx.bank_ranges(bank.code).await? {
                let mut after = 0;
                loop {
                    let page = tx.bank_side(range, after, 5000).await?;
                    let Some(last) = page.last() else { break };
                    after = last.instruction;
                    for line in &page {
                        compare(bank.code, line, (&theirs, &mut given_back), &mut sums, &mut disagreements);
                    }
                }
            }
            for fact in theirs.credits.values() {
                sums.their_paid += Share { count: 1, fen: fact.amount };
                if fact.times != 1 {
                    disagreements.push(format!("{}: {} 元的一笔被记账{}次", bank.code, fact.amount, fact.times));
                }
            }
            if sums.their_paid != sums.our_paid {
                disagreements.push(format!(
                    "{}: 银行账上入账{}笔{}元，我方{}笔{}元",
                    bank.code, sums.their_paid.count, sums.their_paid.fen, sums.our_paid.count, sums.our_paid.fen
                ));
            }
            banks.push((bank.name.to_owned(), sums));
        }
        Ok(Self {
            dir: stage.dir.clone(),
            totals: books.totals(),
            books,
            counts,
            disagreements,
            banks,
            elapsed,
            days: (stage.first_day(), last_day),
        })
    }

    /// What nobody may keep and still lies with us.
    pub(super) fn ineligible(&self) -> Fen {
        let kind = AccountKind::SuspenseIneligible.code();
        self.books.accounts.iter().filter(|a| a.kind == kind).map(|a| a.ledger).sum()
    }

    fn ledger_balanced(&self) -> bool {
        self.books.unequal().is_empty()
    }

    fn sums_up(&self) -> bool {
        let t = &self.totals;
        let all: Share = [t.rejected, t.held, t.paid, t.failed, t.in_flight, t.unknown].into_iter().sum();
        all == t.payments
    }

    /// Whether every equation holds and the banks agree.
    pub(super) fn holds(&self) -> bool {
        self.ledger_balanced() && self.sums_up() && self.disagreements.is_empty() && self.totals.payments.count > 0
    }

    /// Prints the account: one JSON object for programs, a page for people.
    pub(super) fn print(&self, out: &Out) {
        if out.is_for_programs() {
            out.value(&self.json());
        } else {
            out.line(self.page());
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let t = &self.totals;
        json!({
            "payments": t.payments.count, "total_fen": t.payments.fen,
            "rejected": t.rejected.count, "rejected_fen": t.rejected.fen,
            "held": t.held.count, "held_fen": t.held.fen,
            "paid": t.paid.count, "paid_fen": t.paid.fen,
            "failed": t.failed.count, "failed_fen": t.failed.fen,
            "in_flight": t.in_flight.count, "in_flight_fen": t.in_flight.fen,
            "unknown": t.unknown.count, "unknown_fen": t.unknown.fen,
            "awaiting_case": t.awaiting_case.count, "retries": t.retries,
            "files_out": self.counts.files_out, "files_in": self.counts.files_in, "quarantined": self.counts.quarantined,
            "mails": self.counts.mails, "ledger_balanced": self.ledger_balanced(), "banks_agree": self.disagreements.is_empty(), "disagreements": self.disagreements.iter().take(20).collect::<Vec<_>>(),
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX), "dir": self.dir,
        })
    }

    fn page(&self) -> String {
        let mut out = String::from("\n青禾县惠民惠农补贴“一卡通”发放（演示，人员、卡号、银行均为虚构）\n");
        out.push_str(&format!("{} 至 {}\n\n", self.days.0, self.days.1));
        out.push_str(&self.outcome().to_string());
        out.push_str("\n\n恒等式（单位：元，按批次合计）\n");
        out.push_str(&self.equations());
        out.push_str("\n\n与银行账簿核对（沙箱银行自己的账）\n");
        out.push_str(&self.bank_table().to_string());
        for wrong in self.disagreements.iter().take(20) {
            out.push_str(&format!("\n  不一致：{wrong}"));
        }
        for wrong in self.books.unequal().iter().take(20) {
            out.push_str(&format!("\n  不平：({}) {} {} ≠ {}", wrong.equation, wrong.subject, wrong.left.fen, wrong.right.fen));
        }
        if !self.counts.incidents.is_empty() {
            out.push_str("\n\n待人处理的事项\n");
            for (what, next) in self.counts.incidents.iter().take(12) {
                out.push_str(&format!("  · {what}\n    → {next}\n"));
            }
        }
        out.push_str(&self.where_to_look());
        let verdict = if self.holds() { "结论：全部平衡，账实相符。" } else { "结论：有不平，见上。" };
        out.push_str(&format!("\n{verdict}（用时{}秒）", self.elapsed.as_secs()));
        out
    }

    fn outcome(&self) -> Table {
        let t = &self.totals;
        let mut table = table(&["发放情况", "笔数", "金额（元）"]);
        let rows: [(&str, Share); 8] = [
            ("审批发放", t.payments),
            ("  发放前校验退回", t.rejected),
            ("  等待资金", t.held),
            ("  已入账", t.paid),
            ("  失败（含退回）", t.failed),
            ("  途中（含待重试）", t.in_flight),
            ("  结果未明", t.unknown),
            ("失败中待处理的个案", t.awaiting_case),
        ];
        for (what, share) in rows {
            add(&mut table, what, &share.count.to_string(), share.fen);
        }
        table.add_row(vec!["自动重试".to_owned(), t.retries.to_string(), String::new()]);
        table.add_row(vec![
            "入账率".to_owned(),
            share_of(t.paid.count, t.payments.count),
            share_of(t.paid.fen.get(), t.payments.fen.get()),
        ]);
        right(&mut table, &[1, 2]);
        table
    }

    fn equations(&self) -> String {
        let (mut told, mut accounted, mut approved, mut owed) = (Share::default(), Share::default(), Share::default(), Share::default());
        let mut parts = [Share::default(); 5];
        for b in &self.books.batches {
            told += b.told.instructed;
            accounted += b.told.accounted();
            approved += b.owed.approved;
            owed += b.owed.accounted();
            for (sum, part) in parts.iter_mut().zip([b.told.in_flight, b.told.paid, b.told.returned, b.told.failed, b.told.unknown]) {
                *sum += part;
            }
        }
        let [in_flight, paid, returned, failed, unknown] = parts.map(|p| p.fen);
        let ledger: Fen = self.books.accounts.iter().map(|a| a.ledger).sum();
        let sign = |holds: bool| if holds { "✓" } else { "✗" };
        format!(
            "  (a) 已指令 {} = 途中 {in_flight} + 已付 {paid} + 退票 {returned} + 失败 {failed} + 未明 {unknown}  {}\n  \
             (b) 审批发放 {} = 各去向合计 {}  {}\n  \
             (c) 明细账 = 总账（{}个账户），借贷差额 {ledger}  {}",
            told.fen,
            sign(told == accounted),
            approved.fen,
            owed.fen,
            sign(approved == owed),
            self.books.accounts.len(),
            sign(self.ledger_balanced()),
        )
    }

    fn bank_table(&self) -> Table {
        let mut table = table(&["银行", "银行入账笔数", "银行入账（元）", "我方记已付笔数", "我方记已付（元）"]);
        for (name, sums) in &self.banks {
            let (a, b) = (&sums.their_paid, &sums.our_paid);
            table.add_row(vec![name.clone(), a.count.to_string(), a.fen.to_string(), b.count.to_string(), b.fen.to_string()]);
        }
        right(&mut table, &[1, 2, 3, 4]);
        table
    }

    fn where_to_look(&self) -> String {
        let dir = self.dir.display();
        format!(
            "\n到哪里看\n  文件   {dir}/banks/<银行>/inbox、outbox、done（发给银行的{}个，银行发来的{}个，隔离{}个）\n  \
             邮件   {dir}/mails（已发{}封，待发{}封；失败报告附工作簿）\n  清单   {dir}/lists\n  数据库 {dir}/bankgate.db\n  \
             配置   {dir}/bankgate.toml（bankgate --config {dir}/bankgate.toml status）\n",
            self.counts.files_out, self.counts.files_in, self.counts.quarantined, self.counts.mails, self.counts.mails_waiting
        )
    }
}

/// One instruction of ours beside the bank's books: paid here is credited there, once, with this amount; and nothing else is.
///
/// What a person gave back stays credited at the bank, and is not paid any more with us.
fn compare(
    bank: &str,
    line: &BankSide,
    (theirs, given_back): (&BankLedger, &mut BTreeMap<String, Fen>),
    sums: &mut BankSums,
    wrong: &mut Vec<String>,
) {
    let credit = theirs.credits.get(&line.reference);
    if let (false, Some(fact)) = (line.is_paid, credit)
        && let Some(rest) = given_back.get_mut(&fact.account)
        && *rest >= fact.amount
    {
        *rest = Fen::new(rest.get() - fact.amount.get());
        sums.their_paid = Share { count: sums.their_paid.count - 1, fen: Fen::new(sums.their_paid.fen.get() - fact.amount.get()) };
        return;
    }
    if line.is_paid {
        sums.our_paid += Share { count: 1, fen: line.amount };
    }
    match (line.is_paid, line.is_open, credit) {
        (true, _, None) => wrong.push(format!("{bank}: {}我方记已付，银行无此入账", line.reference)),
        (true, _, Some(c)) if c.amount != line.amount => {
            wrong.push(format!("{bank}: {}我方{}元，银行{}元", line.reference, line.amount, c.amount));
        }
        (false, false, Some(_)) => wrong.push(format!("{bank}: {}我方记未付，银行已入账", line.reference)),
        (true, _, Some(_)) | (false, true, _) | (false, false, None) => {}
    }
}

/// A share in per cent, exact to two decimals.
fn share_of(part: i64, whole: i64) -> String {
    let per_cent = (Decimal::from(part) * Decimal::ONE_HUNDRED).checked_div(Decimal::from(whole));
    per_cent.map_or_else(String::new, |p| format!("{:.2}%", p.round_dp(2)))
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(head.to_vec());
    table
}

fn add(table: &mut Table, what: &str, count: &str, fen: Fen) {
    table.add_row(vec![what.to_owned(), count.to_owned(), fen.to_string()]);
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
