//! A bank's mode, alarms, letters and answers that will not come, by persons (暂停与恢复、销警、邮件处置、免收). To stop a bank takes one person, and so does going on
//! with one that was paused. A bank that was only tried out goes live by two: what was made for it may have been paid by another
//! channel.

use super::OperateError;
use super::duty::{self, Duty};
use super::file::{Acted, has_reason, unchanged};
use super::propose::{Act, none_open};
use crate::domain::file::Evidence;
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, PassError, expect};
use crate::store::desk::{Operator, Proposal};
use crate::store::expected::Expected;
use crate::store::sql::Tx;

/// Sets a bank's mode (`live`, `shadow`, `paused`), or proposes it.
///
/// # Errors
/// Refused to whoever may not, without a reason, where it is so already, and to pause what is only tried out.
pub async fn bank_mode(
    gateway: &Gateway,
    by: &Operator,
    (bank, to): (&str, &str),
    reason: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let from = mode_of(&mut tx, bank, to).await?;
    let effect = effect(&mut tx, bank, (&from, to), reason).await?;
    let takes_two = from == "shadow" && to == "live";
    if takes_two {
        none_open(&mut tx, &subject_of(bank)).await?;
    }
    if dry_run {
        return Ok(Acted::Would(effect, takes_two));
    }
    if takes_two {
        let id = tx.propose(Act::BankLive.code(), &subject_of(bank), reason, &effect, by, now).await?;
        tx.audit(&by.login, "propose", &format!("proposal {id}"), &effect, now).await?;
        tx.commit().await?;
        return Ok(Acted::Proposed(id, effect));
    }
    set(&mut tx, bank, (&from, to)).await?;
    tx.audit(&by.login, &format!("bank.{to}"), bank, &effect, now).await?;
    tx.commit().await?;
    tracing::info!(bank, from, to, by = by.login, "bank's mode set");
    Ok(Acted::Done(effect))
}

/// Lets a bank that was tried out go live, if what would go out is still the same.
///
/// # Errors
/// The mode, or what is ready, has changed since.
pub(super) async fn go_live(tx: &mut Tx, proposal: &Proposal) -> Result<String, OperateError> {
    let Some(bank) = proposal.subject.strip_prefix("bank ") else {
        return Err(PassError::Broken(format!("proposal {} names {:?}, which is no bank", proposal.id, proposal.subject)).into());
    };
    let from = mode_of(tx, bank, "live").await?;
    let effect = effect(tx, bank, (&from, "live"), &proposal.reason).await?;
    unchanged(proposal, &effect)?;
    set(tx, bank, (&from, "live")).await?;
    Ok(effect)
}

/// Ends an alarm whose cause is gone. One whose cause stands is told anew.
///
/// # Errors
/// Refused to whoever may not, without a reason, and where it is not open.
pub async fn close_incident(
    gateway: &Gateway,
    by: &Operator,
    id: i64,
    reason: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let Some((key, what)) = tx.incident_open(id).await? else {
        return OperateError::refused(format!("没有未结事件{id}"), format!("there is no open incident {id}"));
    };
    let effect = format!("incident {id} ({what}): open -> closed; reason: {reason}");
    if dry_run {
        return Ok(Acted::Would(effect, false));
    }
    tx.close_incident(&key, now).await?;
    tx.audit(&by.login, "incident.close", &format!("incident {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok(Acted::Done(effect))
}

/// Has a letter that came to nothing sent once more, or takes a person's word that its readers have it.
///
/// # Errors
/// Refused to whoever may not, without a reason, and where it neither bounced nor is in doubt.
pub async fn mail_act(
    gateway: &Gateway,
    by: &Operator,
    (id, again): (i64, bool),
    reason: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let Some((state, subject)) = tx.mail_standing(id).await? else {
        return OperateError::refused(format!("没有邮件{id}"), format!("there is no mail {id}"));
    };
    if !matches!(state.as_str(), "bounced" | "doubt") {
        return OperateError::refused(
            format!("邮件{id}现为{state}，无需处理"),
            format!("mail {id} is {state}: only what bounced or is in doubt needs somebody"),
        );
    }
    let (to, act) = if again { ("queued", "mail.retry") } else { ("sent", "mail.done") };
    let effect = format!("mail {id} ({subject}): {state} -> {to}; reason: {reason}");
    if dry_run {
        return Ok(Acted::Would(effect, false));
    }
    if !tx.end_mail_doubt(id, &state, to, now).await? {
        return OperateError::refused("邮件状态刚刚改变，请重试", "the mail moved just now: try again");
    }
    tx.audit(&by.login, act, &format!("mail {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok(Acted::Done(effect))
}

/// Expects an answer no more that will not come, on a person's word. It makes no outcome: a result is waived only where every line
/// that is open stands by itself already, and the day of a statement stays incomplete.
///
/// # Errors
/// Refused to whoever may not, without a reason, where it came or was waived, and while money hangs on it.
pub async fn waive(gateway: &Gateway, by: &Operator, id: i64, reason: &str, dry_run: bool, now: Timestamp) -> Result<Acted, OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let reason = has_reason(reason)?;
    let mut tx = gateway.store.begin().await?;
    let Some(it) = tx.expected_one(id).await? else {
        return OperateError::refused(format!("没有应收文件{id}"), format!("nothing is expected under number {id}: `bankgate expected`"));
    };
    if !it.is_open() {
        return OperateError::refused(format!("应收文件{id}已到或已免收"), format!("{id} came, or was waived already"));
    }
    money_hangs_not_on(&mut tx, &it).await?;
    let stays = if it.kind == "statement" { "the day stays INCOMPLETE" } else { "no payment moves" };
    let effect =
        format!("{} of {} by bank {}, expected for {}: will not come; {stays}; reason: {reason}", it.kind, it.what(), it.bank, it.on_date);
    if dry_run {
        return Ok(Acted::Would(effect, false));
    }
    if !tx.waive(&it, reason, now).await? {
        return OperateError::refused("状态刚刚改变，请重试", "it moved just now: try again");
    }
    let key = match it.kind.as_str() {
        "statement" => expect::statement_key(&it),
        "ack" => format!("ack_overdue:{}", it.subject),
        _ => format!("overdue:{}", it.subject),
    };
    if !tx.expected_late(now).await?.iter().any(|e| e.kind == "statement" && expect::statement_key(e) == key) {
        tx.close_incident(&key, now).await?;
    }
    tx.audit(&by.login, "expected.waive", &format!("expected {id}"), &effect, now).await?;
    tx.commit().await?;
    Ok(Acted::Done(effect))
}

async fn money_hangs_not_on(tx: &mut Tx, it: &Expected) -> Result<(), OperateError> {
    let file = &it.subject;
    match it.kind.as_str() {
        "statement" => Ok(()),
        "receipt" => OperateError::refused(
            "退款回执不能免收：以回单登记（`bankgate refund receipt`）或撤销退款单（`bankgate refund cancel`）",
            "the receipt of a refund is not waived: `bankgate refund receipt`, or give the order up: `bankgate refund cancel`",
        ),
        "ack" => {
            let is_presumed = tx.file(file.parse().map_err(|_| not_of_a_file(it))?).await?.evidence == Evidence::Presumed.code();
            if is_presumed {
                return OperateError::refused(
                    format!("文件{file}是否送达并无依据，回执是唯一凭据：请银行书面确认后 `bankgate file settle {file}`"),
                    format!(
                        "nobody saw file {file} arrive, its ack would be the proof: get the bank's word, then `bankgate file settle {file}`"
                    ),
                );
            }
            Ok(())
        }
        _ => match tx.lines_in_flight(file.parse().map_err(|_| not_of_a_file(it))?).await? {
            0 => Ok(()),
            n => OperateError::refused(
                format!(
                    "文件{file}尚有{n}笔银行没有答复，不能免收：`bankgate file enquire {file}`，或凭银行来函 `bankgate file settle {file}`、`bankgate payment resolve`"
                ),
                format!(
                    "{n} lines of file {file} have no word of the bank: `bankgate file enquire {file}`, or by its letter \
                     `bankgate file settle {file}`, `bankgate payment resolve`"
                ),
            ),
        },
    }
}

fn not_of_a_file(it: &Expected) -> OperateError {
    PassError::Broken(format!("expected {} names {:?}, which is no file", it.id, it.subject)).into()
}

fn subject_of(bank: &str) -> String {
    format!("bank {bank}")
}

async fn mode_of(tx: &mut Tx, bank: &str, to: &str) -> Result<String, OperateError> {
    let Some(row) = tx.banks().await?.into_iter().find(|b| b.code == bank) else {
        return OperateError::refused(format!("没有银行{bank}"), format!("there is no bank {bank}"));
    };
    if row.mode == to {
        return OperateError::refused(format!("银行{bank}已处于{to}模式"), format!("bank {bank} is {to} already"));
    }
    if row.mode == "shadow" && to == "paused" {
        return OperateError::refused(
            format!("银行{bank}处于影子模式，本就不发出任何文件；启用须两人办理"),
            format!("bank {bank} is only tried out and publishes nothing; to go live takes two persons"),
        );
    }
    Ok(row.mode)
}

async fn effect(tx: &mut Tx, bank: &str, (from, to): (&str, &str), reason: &str) -> Result<String, OperateError> {
    let (files, total) = tx.files_ready(bank).await?;
    Ok(format!("bank {bank}: {from} -> {to}; {files} files of {total} yuan are made and not out; reason: {reason}"))
}

async fn set(tx: &mut Tx, bank: &str, (from, to): (&str, &str)) -> Result<(), OperateError> {
    if tx.set_bank_mode(bank, from, to).await? {
        return Ok(());
    }
    OperateError::refused("银行模式刚刚改变，请重试", "the mode changed just now: try again")
}
