//! The certificate of zero (清零证明): what a department's project gave back to the treasury in a month or at the year's end,
//! and that nothing of it is left. Everything on it stands in the sealed figures, whose text lies beside it in a file and
//! hashes to what the paper says; what happened to its payments later is a note, never a changed figure.

use std::io;

use crate::domain::closing::{Figures, Pending, Scope, YearFigures};
use crate::domain::language::Language;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::passes::page::{Block, Page, Table};
use crate::store::closing::Period;
use crate::store::closing::trace::TraceRow;

/// Rows of what is excluded that are printed; the sealed figures have all.
const LISTED: usize = 40;

/// A paper, in every form in which it is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// The file's name without its end.
    pub stem: String,
    /// To print.
    pub html: String,
    /// To read.
    pub text: String,
    /// The sealed figures, byte for byte.
    pub json: String,
}

/// Whose certificate it is, and for whom it is written.
#[derive(Clone, Debug)]
pub struct Header {
    /// Department's name.
    pub department: String,
    /// Project's name.
    pub project: String,
    /// The language.
    pub language: Language,
    /// The zone of its times.
    pub zone: chrono_tz::Tz,
}

/// The certificate of a sealed period.
///
/// # Errors
/// The sealed text is not one of ours; the page could not be written.
pub fn certificate(header: &Header, period: &Period, later: &[TraceRow]) -> io::Result<Paper> {
    let figures = Figures::read(&period.figures)?;
    let page = page(header, period, &figures, later);
    Ok(Paper { stem: file_stem(&figures.number), html: page.html()?, text: page.text(), json: period.figures.clone() })
}

/// A certificate's number as a file's name: codes are the platform's, and may have anything in them.
#[must_use]
pub fn file_stem(number: &str) -> String {
    number.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect()
}

fn page(h: &Header, p: &Period, figures: &Figures, later: &[TraceRow]) -> Page {
    let l = h.language;
    let say = |zh: &str, en: &str| if l == Language::Zh { zh.to_owned() } else { en.to_owned() };
    let title = match p.scope {
        Scope::Month => say("按月清零证明", "Certificate of zero, monthly"),
        Scope::Year => say("年终清零证明", "Certificate of zero, year's end"),
    };
    let local = |at: Timestamp| at.local(h.zone).format("%Y-%m-%d %H:%M").to_string();
    let facts = vec![
        (say("证明编号", "Number"), figures.number.clone()),
        (say("部门", "Department"), format!("{}（{}）", h.department, p.department)),
        (say("项目", "Project"), format!("{}（{}）", h.project, p.project)),
        (say("期间", "Period"), p.period.clone()),
        (say("截止日", "Close day"), p.close_on.to_string()),
        (
            say("总账分录", "Ledger entries"),
            if p.from_entry == p.to_entry { say("无", "none") } else { format!("{} – {}", p.from_entry + 1, p.to_entry) },
        ),
        (say("截止时间", "Cut"), local(p.opened_at)),
        (say("封存时间", "Sealed"), p.sealed_at.map(local).unwrap_or_default()),
    ];
    let proven = match p.scope {
        Scope::Month => say(
            "经核对，本期不符合发放条件、重复领取等应退回的款项已全部退回国库并见凭据，截止余额为零；待更正款项与未结明细逐笔相符。",
            "What nobody may keep of this period is back at the treasury, each refund seen by its proof: nothing is left. What may be corrected agrees with its open items to the fen.",
        ),
        Scope::Year => say(
            "经核对，当年无法纠错的款项已全部退回国库并见凭据，结转余额为零；权益保留，信息更正后由新年度资金补发，明细见台账。",
            "What could not be corrected in the year is back at the treasury, each refund seen by its proof: nothing is left. The entitlements stay; the list beside this paper has them.",
        ),
    };
    let quiet = say(
        "本期无收支，期初、期末均无应退回或待更正的款项，各项余额为零。",
        "No money moved in this period, and none lay to go back or to be corrected: every figure is zero.",
    );
    let nothing_due =
        figures.years.values().all(|of| of.due_back.count == 0 && of.due_back_refunded.is_empty() && of.without_lines.is_empty());
    let none = say(
        "经核对，本期没有应退回的款项，截止余额为零；待更正款项与未结明细逐笔相符。",
        "Nothing of this period has to go back, and nothing is left. What may be corrected agrees with its open items to the fen.",
    );
    let found = match p.scope {
        _ if figures.years.is_empty() => quiet,
        Scope::Month if nothing_due => none,
        Scope::Month | Scope::Year => proven,
    };
    let mut blocks = vec![Block::Facts(facts), Block::Say(found)];
    for (year, of) in &figures.years {
        blocks.push(Block::Say(if l == Language::Zh { format!("{year}年度资金") } else { format!("Funds of {year}") }));
        blocks.push(Block::Table(table(l, p.scope, of)));
        blocks.extend(excluded(l, of));
    }
    if figures.years.is_empty() {
        blocks.push(Block::Table(table(l, p.scope, &YearFigures::default())));
    }
    if !later.is_empty() {
        blocks.push(Block::Heed(say(
            "封存后发生的、涉及本期款项的事项如下；已记入其后的期间，本证明的数字不变。",
            "What happened to this period's payments behind its cut. It is booked in later periods; the figures here stand.",
        )));
        blocks.push(Block::Table(later_table(l, h, later)));
    }
    blocks.push(Block::Sign(
        [("部门（章）", "Department"), ("财政部门（章）", "Finance"), ("银行（章）", "Bank")].map(|(zh, en)| say(zh, en)).into(),
    ));
    blocks.push(Block::Foot(vec![
        format!("{} {}", say("数据文件SHA-256：", "SHA-256 of the figures:"), p.sha256),
        format!("{} {}", say("审计链首：", "Head of the audit log:"), p.audit_head),
        say(
            "核验：对同名.json文件执行 sha256sum，或执行 bankgate close verify。",
            "To verify: sha256sum of the .json file beside it, or bankgate close verify.",
        ),
    ]));
    Page { language: l, title, blocks }
}

fn table(l: Language, scope: Scope, of: &YearFigures) -> Table {
    let say = |zh: &str, en: &str| if l == Language::Zh { zh.to_owned() } else { en.to_owned() };
    let kind = crate::passes::close::due_back(scope).account();
    let flow = of.accounts.get(kind).cloned().unwrap_or_default();
    let (added, removed) = (flow.added.values().copied().sum::<Fen>(), flow.removed.values().copied().sum::<Fen>());
    let row = |name: String, count: Option<i64>, fen: Fen| {
        vec![name, count.map(|n| n.to_string()).unwrap_or_default(), fen.to_string(), fen.capitals()]
    };
    let mut rows = vec![
        row(say("待退回：上期截止余额", "To go back, from the period before"), None, flow.opening),
        row(say("　本期转入", "- came in this period"), None, added),
        row(say("　截止前退回或转出", "- went before the cut"), None, removed),
        row(say("　截止余额", "- at the cut"), Some(of.due_back.count), flow.at_cut),
    ];
    for r in &of.due_back_refunded {
        rows.push(row(format!("{}{}", say("　退回国库 退款单", "- back at the treasury, order "), r.order), Some(r.count), r.fen));
    }
    if of.due_back_left.count > 0 {
        rows.push(row(say("　改判或存疑转出", "- left otherwise"), Some(of.due_back_left.count), of.due_back_left.fen));
    }
    rows.push(row(say("　清零后余额", "- left over"), None, of.due_back_closing));
    rows.push(row(say("待更正（未结明细）", "To be corrected (open items)"), Some(of.correctable.count), of.correctable.fen));
    for (name, list) in
        [(say("结果不明（不计入）", "Unknown (excluded)"), &of.unknown), (say("在途（不计入）", "With banks (excluded)"), &of.in_flight)]
    {
        rows.push(row(name, Some(list.iter().map(|p| p.count).sum()), list.iter().map(|p| p.fen).sum()));
    }
    for (account, fen) in &of.without_lines {
        rows.push(row(format!("{} {account}", say("期初无明细", "From the switch-over, no payments here:")), None, *fen));
    }
    for r in &of.without_lines_back {
        rows.push(row(format!("{} {}", say("　其中退回国库", "- of it, to the treasury:"), r.order), None, r.fen));
    }
    for (account, fen) in &of.conflict {
        rows.push(row(format!("{} {account}", say("银行来文与账不符（不计入）", "Against the bank's word (excluded):")), None, *fen));
    }
    let head = [("事项", "Item", false), ("笔数", "Count", true), ("金额（元）", "Yuan", true), ("大写", "In words", false)];
    Table { head: head.map(|(zh, en, n)| (say(zh, en), n)).into(), rows, has_sum: false }
}

/// What is excluded, named; beyond some rows only how many more.
fn excluded(l: Language, of: &YearFigures) -> Vec<Block> {
    let say = |zh: &str, en: &str| if l == Language::Zh { zh.to_owned() } else { en.to_owned() };
    let mut blocks = Vec::new();
    for (name, list) in [(say("结果不明", "Unknown"), &of.unknown), (say("在途", "With banks"), &of.in_flight)] {
        if list.is_empty() {
            continue;
        }
        let cells = |p: &Pending| vec![name.clone(), p.subject.clone(), p.bank.clone(), p.count.to_string(), p.fen.to_string()];
        let head = [
            ("不计入", "Excluded", false),
            ("支付或文件", "Payment or file", false),
            ("银行", "Bank", false),
            ("笔数", "Count", true),
            ("金额（元）", "Yuan", true),
        ];
        let rows = list.iter().take(LISTED).map(cells).collect();
        blocks.push(Block::Table(Table { head: head.map(|(zh, en, n)| (say(zh, en), n)).into(), rows, has_sum: false }));
        if let Some(more) = list.len().checked_sub(LISTED).filter(|n| *n > 0) {
            blocks.push(Block::Say(if l == Language::Zh {
                format!("另有{more}项，见数据文件。")
            } else {
                format!("{more} more are in the figures' file.")
            }));
        }
    }
    blocks
}

fn later_table(l: Language, h: &Header, later: &[TraceRow]) -> Table {
    let say = |zh: &str, en: &str| if l == Language::Zh { zh.to_owned() } else { en.to_owned() };
    let head = [
        ("时间", "When", false),
        ("分录", "Entry", true),
        ("批次", "Batch", false),
        ("支付", "Payments", false),
        ("金额（元）", "Yuan", true),
    ];
    let rows = later.iter().map(|r| {
        let at = r.at.map(|at| at.local(h.zone).format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
        vec![at, r.entry.map(|e| e.to_string()).unwrap_or_default(), r.batch.clone(), r.references.join(" "), r.fen.to_string()]
    });
    Table { head: head.map(|(zh, en, n)| (say(zh, en), n)).into(), rows: rows.collect(), has_sum: false }
}
