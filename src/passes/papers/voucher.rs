//! A refund order on paper (退款凭证), to sign, seal and carry: whose money it is, from where to where, how much in figures
//! and capitals, why, and its lines, with masked names. The same rows give the same paper.

use crate::domain::ids::EndToEndId;
use crate::domain::language::Language;
use crate::domain::reason::Reason;
use crate::passes::page::{Block, Page, Table};
use crate::store::refund::{Order, OrderLine, OrderNames};

/// The paper, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// As aligned text.
    pub text: String,
    /// As HTML, print-ready.
    pub html: String,
}

/// Writes an order's paper.
///
/// # Errors
/// The page cannot be written.
pub fn voucher(language: Language, order: &Order, names: &OrderNames, lines: &[OrderLine]) -> std::io::Result<Voucher> {
    let page = page(language, order, names, lines);
    Ok(Voucher { text: page.text(), html: page.html()? })
}

fn page(language: Language, order: &Order, names: &OrderNames, lines: &[OrderLine]) -> Page {
    let pick = |zh: &'static str, en: &'static str| language.pick(zh, en).to_owned();
    let either = |(zh, en): (&'static str, &'static str)| language.pick(zh, en).to_owned();
    let facts = vec![
        (pick("凭证号", "Voucher"), order.number.clone()),
        (pick("引用号", "Reference"), EndToEndId(order.id).to_string()),
        (pick("部门", "Department"), format!("{}（{}）", names.department, order.purse.department)),
        (pick("项目", "Project"), format!("{}（{}）", names.project, order.purse.project)),
        (pick("预算年度", "Fiscal year"), order.purse.year.to_string()),
        (pick("预算科目", "Budget line"), order.budget_line.clone()),
        (pick("原支付凭证", "Original voucher"), order.voucher.clone()),
        (pick("付款户名", "Payer"), names.payer.clone()),
        (pick("付款账号", "Payer's account"), names.payer_account.clone()),
        (pick("付款银行", "Payer's bank"), names.bank.clone()),
        (pick("收款户名", "Payee (treasury)"), names.treasury.clone()),
        (pick("收款账号", "Treasury's account"), names.treasury_account.clone()),
        (pick("收款行号", "Treasury's bank"), names.treasury_bank.clone()),
        (pick("笔数", "Payments"), order.lines.to_string()),
        (pick("金额（小写）", "Amount in yuan"), format!("¥{}", order.amount)),
        (pick("金额（大写）", "Amount in capitals"), order.amount.capitals()),
        (pick("退回原因", "Reason"), either(order.why.words())),
        (pick("状态", "State"), either(order.state.words())),
    ];
    let mut rows: Vec<Vec<String>> = lines.iter().map(|l| row(language, l)).collect();
    rows.push(vec![pick("合计", "Total"), String::new(), String::new(), String::new(), String::new(), order.amount.to_string()]);
    let head = [
        (pick("序号", "No"), true),
        (pick("批次与行号", "Batch and row"), false),
        (pick("支付引用号", "Payment's reference"), false),
        (pick("收款人", "Payee"), false),
        (pick("失败原因", "Why it failed"), false),
        (pick("金额（元）", "Yuan"), true),
    ];
    let sign = ["经办", "复核", "审核", "单位公章"].iter().zip(["Made by", "Reviewed by", "Approved by", "Seal"]);
    let blocks = vec![
        Block::Facts(facts),
        Block::Table(Table { head: head.to_vec(), rows, has_sum: true }),
        Block::Sign(sign.map(|(zh, en)| pick(zh, en)).collect()),
        Block::Foot(vec![pick(
            "款项以国库回单或对账单为准；未见凭据前不作已退回处理。",
            "It counts once the treasury's receipt or the statement shows it, and not before.",
        )]),
    ];
    Page { language, title: pick("退款凭证（退回国库）", "Refund to the treasury"), blocks }
}

fn row(language: Language, line: &OrderLine) -> Vec<String> {
    let rest = if line.is_rest { language.pick("（余额）", " (rest)") } else { "" };
    let reason = Reason::from_code(&line.reason).map_or_else(|| line.reason.clone(), |r| language.pick(r.zh(), r.en()).to_owned());
    vec![
        line.line.to_string(),
        format!("{} / {}{rest}", line.batch, line.seq),
        EndToEndId(line.instruction).to_string(),
        line.payee.to_string(),
        reason,
        line.amount.to_string(),
    ]
}
