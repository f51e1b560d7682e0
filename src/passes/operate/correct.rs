//! Corrections, carried here in the failure workbook that went out (更正导入). Each row is checked by itself and answered by
//! itself; those that hold become proposed batches of kind `reissue`, whose rows name the failed instruction that they pay
//! again. Nothing is paid by this: the batch is approved, reviewed and released by other hands, and the gate proves it anew.
//!
//! A payment keeps its identity. What is copied is the row that was approved; only what the department filled in replaces
//! it. The same bytes a second time change nothing and hear the first answer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::OperateError;
use super::duty::{self, Duty};
use crate::domain::batch::Persons;
use crate::domain::ids::EndToEndId;
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::format::correction::{Correction, CorrectionError, Decision, Returned, ReturnedRow, read_correction};
use crate::passes::{Gateway, PassError};
use crate::store::admission::PaymentRow;
use crate::store::corrections::{Correctable, Taken};
use crate::store::desk::Operator;
use crate::store::intake::NewBatch;
use crate::store::outbound::BankRow;
use crate::store::sql::Tx;

/// What the person who brings a workbook says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionFacts {
    /// The workbook's file name.
    pub file_name: String,
    /// The department's code; an operator's own where nobody says it.
    pub department: Option<String>,
    /// When people shall be paid; today where nobody says it.
    pub pay_on: Option<NaiveDate>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stands in a proposed batch.
    Accepted,
    /// Nothing was filled in, or nothing that differs.
    Unfilled,
    /// It does not hold.
    Refused,
}

/// The answer to a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowAnswer {
    /// Its number in the sheet.
    pub line: u64,
    /// The payment number.
    pub payment_no: String,
    /// What became of it.
    pub verdict: Verdict,
    /// In words.
    pub words: String,
    /// The batch that pays it again.
    pub batch: String,
    /// The row there.
    pub seq: i64,
}

/// A batch that was proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// Its number.
    pub number: String,
    /// How many rows.
    pub count: u64,
    /// Their sum.
    pub total: Fen,
}

/// What became of a workbook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrected {
    /// Every row that says something.
    pub rows: Vec<RowAnswer>,
    /// The batches made of those that hold.
    pub batches: Vec<Proposed>,
    /// It came before: by whom, as what, and what it became.
    pub before: Option<String>,
}

impl Corrected {
    /// How many rows have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }
}

/// Takes a workbook that came back.
///
/// # Errors
/// Refused to whoever may not, and where the file is no failure workbook. A row that does not hold is no error.
pub async fn import_correction(
    gateway: &Gateway,
    by: &Operator,
    facts: &CorrectionFacts,
    bytes: Vec<u8>,
    now: Timestamp,
) -> Result<Corrected, OperateError> {
    let Some(department) = facts.department.clone().or_else(|| (!by.department.is_empty()).then(|| by.department.clone())) else {
        return OperateError::refused("请用 --department 给出部门代码", "say which department's it is: --department");
    };
    duty::require(by, Duty::Import, &department)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if let Some(taken) = gateway.store.read().await?.correction_taken(&sha256).await? {
        return Ok(Corrected { before: Some(told_before(gateway, &taken)), ..Corrected::default() });
    }
    let read = tokio::task::spawn_blocking(move || read_correction(bytes)).await;
    let returned = match read.map_err(|e| PassError::Broken(format!("reading the workbook broke off: {e}")))? {
        Ok(returned) => returned,
        Err(CorrectionError::NotOurs(words)) => return Err(OperateError::Refused(words)),
    };
    let pay_on = facts.pay_on.unwrap_or_else(|| gateway.today(now));
    let mut tx = gateway.store.begin().await?;
    let desk = Desk { gateway, department: &department, pay_on, banks: tx.banks().await? };
    let (mut corrected, accepted) = desk.judge(&mut tx, returned).await?;
    let batches = desk.propose(&mut tx, by, &mut corrected, accepted, now).await?;
    corrected.batches = batches;
    if facts.dry_run || corrected.batches.is_empty() {
        // What was refused whole may hold tomorrow: only what was taken is remembered.
        return Ok(corrected);
    }
    let numbers = corrected.batches.iter().map(|b| b.number.clone()).collect::<Vec<_>>().join(",");
    let taken = Taken {
        name: facts.file_name.clone(),
        rows: i64::try_from(corrected.rows.len()).unwrap_or(i64::MAX),
        accepted: i64::try_from(corrected.count(Verdict::Accepted)).unwrap_or(i64::MAX),
        batch: numbers.clone(),
        imported_by: by.login.clone(),
        imported_at: now,
    };
    match tx.take_correction(&department, &sha256, &taken).await {
        Ok(()) => {}
        Err(e) if e.is_unique_violation() => {
            return OperateError::refused("同一工作簿刚被导入，请勿重复", "somebody imported the same workbook just now");
        }
        Err(e) => return Err(e.into()),
    }
    let detail = format!("{}: {} rows, {} accepted, sha256 {sha256}", facts.file_name, taken.rows, taken.accepted);
    tx.audit(&by.login, "correction.import", &numbers, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(department, by = by.login, rows = taken.rows, accepted = taken.accepted, batches = numbers, "corrections proposed");
    Ok(corrected)
}

fn told_before(gateway: &Gateway, taken: &Taken) -> String {
    let at = taken.imported_at.local(gateway.zone()).format("%Y-%m-%d %H:%M");
    let Taken { name, rows, accepted, batch, imported_by, .. } = taken;
    gateway.say(Words::new(
        format!("该工作簿已于{at}由{imported_by}导入（{name}）：{rows}行，受理{accepted}笔，批次{batch}；本次未做任何改动"),
        format!("{imported_by} imported this workbook on {at} ({name}): {rows} rows, {accepted} accepted, batch {batch}; nothing was changed now"),
    ))
}

/// One workbook on the desk.
struct Desk<'a> {
    gateway: &'a Gateway,
    department: &'a str,
    pay_on: NaiveDate,
    banks: Vec<BankRow>,
}

/// A row that holds: its answer's place, what it corrects, and the corrected payment.
type Accepted = (usize, Correctable, PaymentRow);

/// What a row comes to before it stands in a batch.
enum Judged {
    Holds(Box<(Correctable, PaymentRow)>),
    Unfilled(Words),
    Refused(Words),
}

fn refuse(zh: impl Into<String>, en: impl Into<String>) -> Judged {
    Judged::Refused(Words::new(zh, en))
}

impl Desk<'_> {
    async fn judge(&self, tx: &mut Tx, returned: Returned) -> Result<(Corrected, Vec<Accepted>), OperateError> {
        let mut corrected = Corrected::default();
        let mut accepted: Vec<Accepted> = Vec::new();
        let (mut seen, mut claims) = (BTreeSet::new(), BTreeSet::new());
        for row in returned.rows {
            let judged = match self.judge_row(tx, &row).await? {
                Judged::Holds(it) if !seen.insert((it.0.instruction, it.0.part)) => {
                    drop(it);
                    refuse("同一笔支付在工作簿中出现了两次；请只保留一行", "the same payment stands twice: keep one row")
                }
                Judged::Holds(it) if !claims.insert(claim(&it.0, &it.1)) => {
                    drop(it);
                    refuse(
                        "更正后与工作簿中另一行是同一人、同一项目、同一所属期",
                        "corrected, it is the same person, project and period as another row",
                    )
                }
                other @ (Judged::Holds(_) | Judged::Unfilled(_) | Judged::Refused(_)) => other,
            };
            let (verdict, words) = match judged {
                Judged::Holds(it) => {
                    accepted.push((corrected.rows.len(), it.0, it.1));
                    (Verdict::Accepted, Words::new("已受理，待审核", "accepted, to be approved"))
                }
                Judged::Unfilled(words) => (Verdict::Unfilled, words),
                Judged::Refused(words) => (Verdict::Refused, words),
            };
            let words = self.gateway.say(words);
            corrected.rows.push(RowAnswer { line: row.line, payment_no: row.payment_no, verdict, words, batch: String::new(), seq: 0 });
        }
        Ok((corrected, accepted))
    }

    async fn judge_row(&self, tx: &mut Tx, row: &ReturnedRow) -> Result<Judged, OperateError> {
        if !row.faults.is_empty() {
            let join = |pick: fn(&Words) -> &str, by: &str| row.faults.iter().map(pick).collect::<Vec<_>>().join(by);
            return Ok(refuse(join(|w| &w.zh, "；"), join(|w| &w.en, "; ")));
        }
        match (row.filled.is_empty(), row.decision) {
            (true, None) => return Ok(Judged::Unfilled(Words::new("未填写", "nothing was filled in"))),
            (true, Some(Decision::TellPerson | Decision::Enquire)) => {
                return Ok(Judged::Unfilled(Words::new(
                    "已选处理意见，未填写更正内容；办妥后请填写并重新导入",
                    "a decision and no correction: fill it in once it is settled, and import again",
                )));
            }
            (true, Some(Decision::Refund)) => {
                return Ok(Judged::Unfilled(Words::new(
                    "选择退回国库：请用 bankgate failure cancel 提出取消，由另一人批准",
                    "to be refunded: propose it with `bankgate failure cancel`, another person approves",
                )));
            }
            (false, Some(Decision::Refund | Decision::Enquire)) => {
                return Ok(refuse(
                    "填写了更正内容，但处理意见不是“更正重发”；两者只能取其一",
                    "a correction, and a decision that is not to reissue: one of the two",
                ));
            }
            (true, Some(Decision::Reissue)) | (false, _) => {}
        }
        let Some(EndToEndId(id)) = EndToEndId::parse(&row.reference) else {
            return Ok(if row.reference.is_empty() {
                refuse(
                    "该行没有原支付指令号（发放前退回的明细未曾支付）；请在平台更正后重新申报",
                    "no failed instruction: what was refused before it was paid is corrected in the platform and submitted anew",
                )
            } else {
                refuse("原支付指令号被改动或不完整；请在原工作簿上填写", "the reference was changed: fill in the workbook as it came")
            });
        };
        let Some(it) = tx.correctable(id, &row.reference, row.amount).await?.filter(|it| it.department == self.department) else {
            return Ok(refuse("原支付指令号不属于本部门", "the reference is none of this department's"));
        };
        let number = format!("{}-{:06}", it.batch, it.row.seq);
        if row.payment_no != number {
            return Ok(refuse(
                format!("支付编号（{}）与该行的原支付指令号（{number}）不一致：表格可能只对部分列排序或粘贴错位", row.payment_no),
                format!(
                    "payment number {:?} is not that of the row's reference ({number}): was the sheet sorted by halves?",
                    row.payment_no
                ),
            ));
        }
        if let Some(why) = self.moved_on(&it) {
            return Ok(Judged::Refused(why));
        }
        self.correct(tx, it, row).await
    }

    /// What happened to the payment since the workbook went out, if it may not be paid again.
    fn moved_on(&self, it: &Correctable) -> Option<Words> {
        let say = |zh: String, en: String| Some(Words::new(zh, en));
        if let Some((id, state, batch)) = &it.successor {
            let again = EndToEndId(*id);
            return say(
                format!("该笔已由{again}（批次{batch}，现为{state}）重新发放，不能再次更正"),
                format!("it is paid again by {again} (batch {batch}, now {state}) already"),
            );
        }
        if !it.proposed_in.is_empty() {
            let batch = &it.proposed_in;
            return say(
                format!("该笔已列入重发批次{batch}，正在审批；不能再次更正"),
                format!("it stands in the reissue batch {batch}, which is being approved"),
            );
        }
        if !it.refund.is_empty() {
            let order = &it.refund;
            return say(format!("该笔已列入退款单{order}，不再重发"), format!("it stands in the refund order {order}"));
        }
        match it.state.as_str() {
            "failed_final" if it.class == "IR" => say(
                "该笔属不符合领取条件，资金须退回国库；如认定有误，请先 bankgate failure reclassify 改判".to_owned(),
                "not eligible: its money goes back, unless it is reclassified first (`bankgate failure reclassify`)".to_owned(),
            ),
            "failed_final" if it.year != self.pay_on.year() => say(
                format!("该笔属{}年度，须先退回国库结转，再以新年度资金发放", it.year),
                format!("it belongs to fiscal year {}: its money goes back first, then it is paid from new funds", it.year),
            ),
            "failed_final" | "carried" if !it.is_live => None,
            "failed_final" | "carried" => {
                say("该笔款项正被另一笔支付或退款占用".to_owned(), "its claim is held by another payment or a refund".to_owned())
            }
            "failed" | "returned" => say(
                "该笔尚未最终失败，系统正在确认；请稍后再导入".to_owned(),
                "it has not finally failed yet: import it again later".to_owned(),
            ),
            "paid" => say("该笔后来已发放成功，无需更正".to_owned(), "it was paid after all".to_owned()),
            "unknown" | "conflict" => say(
                "银行后来的答复与原失败不一致，正在核实；切勿另行发放".to_owned(),
                "the bank said otherwise since: it is being cleared; do not pay it again".to_owned(),
            ),
            "lapsed" => say("该笔已跨年，资金待退回国库".to_owned(), "its year is closed: its money goes back".to_owned()),
            "refunding" | "refunded" => say("该笔资金已退回国库或正在退回".to_owned(), "its money went back to the treasury".to_owned()),
            other => say(format!("该笔现为{other}，不能更正"), format!("it is {other} now")),
        }
    }

    /// The payment with what was filled in, if that differs and holds.
    async fn correct(&self, tx: &mut Tx, it: Correctable, row: &ReturnedRow) -> Result<Judged, OperateError> {
        let bank = match &row.filled.bank {
            None => None,
            Some(said) => {
                match self.banks.iter().find(|b| b.code == *said || b.name == *said || (!said.is_empty() && b.clearing_no == *said)) {
                    Some(bank) => Some(bank.code.clone()),
                    None => {
                        return Ok(refuse(
                            format!("开户行“{said}”不在合作银行之列；请填写行号、代码或全称"),
                            format!("bank {said:?} is none that we know: its clearing number, code or name"),
                        ));
                    }
                }
            }
        };
        let new = corrected(&it.row, &row.filled, bank);
        let same = new.digest_line() == it.row.digest_line();
        if same && row.decision != Some(Decision::Reissue) {
            return Ok(Judged::Unfilled(Words::new(
                "填写内容与原信息相同，未作更正；如本人已在银行办妥，请在处理意见选“更正重发”",
                "what was filled in is what stood there; if it was settled at the bank, choose to reissue",
            )));
        }
        if let Some((_, words)) = persons(&it, &new).fault() {
            return Ok(Judged::Refused(words));
        }
        if !it.several && tx.is_paid_elsewhere(&new, &it.project, &it.period, it.instruction).await? {
            return Ok(refuse(
                "该享受人（以更正后的为准）在同一项目、同一所属期已另有发放，属重复领取",
                "the person, as corrected, is paid in this project and period by another payment already",
            ));
        }
        Ok(Judged::Holds(Box::new((it, new))))
    }

    /// A batch for each project and period, unapproved; its maker is who brought the workbook.
    async fn propose(
        &self,
        tx: &mut Tx,
        by: &Operator,
        corrected: &mut Corrected,
        accepted: Vec<Accepted>,
        now: Timestamp,
    ) -> Result<Vec<Proposed>, OperateError> {
        let mut groups: BTreeMap<(String, String), Vec<Accepted>> = BTreeMap::new();
        for it in accepted {
            groups.entry((it.1.project.clone(), it.1.period.clone())).or_default().push(it);
        }
        let mut batches = Vec::new();
        for ((project, period), group) in groups {
            let stem = format!("{}-{project}-{period}-R", self.department);
            let n = tx.take_numbers(&format!("batch:{stem}"), 1).await?;
            let total: Fen = group.iter().map(|(_, _, row)| row.amount).sum();
            let first = group.first().map(|(_, it, _)| it);
            let batch = NewBatch {
                number: format!("{stem}{n:03}"),
                kind: "reissue".to_owned(),
                department: self.department.to_owned(),
                project,
                period,
                pay_on: self.pay_on,
                declared_count: u64::try_from(group.len()).unwrap_or(u64::MAX),
                declared: total,
                maker: by.login.clone(),
                budget_line: first.map(|it| it.budget_line.clone()).unwrap_or_default(),
                voucher: first.map(|it| it.voucher.clone()).unwrap_or_default(),
            };
            tx.insert_batch(&batch, now).await?;
            let mut rows = Vec::with_capacity(group.len());
            for ((at, it, row), seq) in group.into_iter().zip(1..) {
                rows.push(PaymentRow { seq, reissue_of: EndToEndId(it.instruction).to_string(), ..row });
                if let Some(answer) = corrected.rows.get_mut(at) {
                    (answer.batch, answer.seq) = (batch.number.clone(), seq);
                }
            }
            tx.insert_payments(&batch.number, &rows).await?;
            batches.push(Proposed { number: batch.number, count: batch.declared_count, total });
        }
        Ok(batches)
    }
}

/// The row as it was approved, with what was filled in. Who is paid for himself stays the same person in both places.
fn corrected(old: &PaymentRow, filled: &Correction, bank: Option<String>) -> PaymentRow {
    let mut new = old.clone();
    let is_self = old.payee_role == "self";
    if let Some(name) = &filled.name {
        new.payee_name = name.clone();
        if is_self {
            new.entitled_name = name.clone();
        }
    }
    if let Some(id) = &filled.id_number {
        new.payee_id = id.clone();
        if is_self {
            new.entitled_id = id.clone();
        }
    }
    if let Some(account) = &filled.account {
        new.account = account.clone();
    }
    if let Some(mobile) = &filled.mobile {
        new.mobile = mobile.clone();
    }
    if let Some(bank) = bank {
        new.bank = bank;
    }
    new
}

fn persons<'a>(it: &Correctable, row: &'a PaymentRow) -> Persons<'a> {
    Persons {
        entitled_name: &row.entitled_name,
        entitled_id: &row.entitled_id,
        payee_name: &row.payee_name,
        payee_id: &row.payee_id,
        role: &row.payee_role,
        mandate_no: &row.mandate_no,
        household_no: &row.household_no,
        pays_households: it.pays_households,
    }
}

/// What remains of a payment is a claim of its own, beside that of what was paid.
fn claim(it: &Correctable, row: &PaymentRow) -> i64 {
    if it.part > 0 {
        return it.claim_key;
    }
    persons(it, row).claim_key(&it.project, &it.period, it.several.then_some(it.row.id))
}
