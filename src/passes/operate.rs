//! What a person may do (人工操作), whoever asks: the command line over the daemon's socket, the console, the demo.
//!
//! A list enters unapproved and goes through three different hands before it is money. An act by which money could move
//! twice is only proposed, with its effect in words; another person approves exactly that effect, or it is refused. Every
//! act stands in the audit log, in the transaction that did it.

/// Files of the banks that were set aside.
pub mod answer;
/// A batch that will not go on.
pub mod cancel;
/// Failures, looked after by people.
pub mod case;
/// Which of several statements counts.
pub mod choose;
/// Corrections, carried here in the workbook that went out.
pub mod correct;
/// A bank's mode, alarms, letters.
pub mod desk;
/// Who may do what.
pub mod duty;
/// A person asks a bank.
pub mod enquire;
/// Evidence that leaves the house whole.
pub mod evidence;
/// Files of ours that are stuck.
pub mod file;
/// Publishing that is held, released.
pub mod guard;
/// Lists that are carried here.
pub mod import;
/// A statement's line, explained by two persons.
pub mod matching;
/// Two persons settle that a part was paid.
pub mod partly;
/// Acts that take two persons.
pub mod propose;
/// Refund orders, by persons.
pub mod refund;
/// The day of the switch-over.
pub mod switch;

use super::{Gateway, PassError};
use crate::config::ConfigError;
use crate::domain::batch::{Hands, person_of};
use crate::domain::language::{Language, Words};
use crate::domain::time::Timestamp;
use crate::format::list::{ListError, ListFault};
use crate::store::StoreError;
use crate::store::desk::Operator;
use crate::store::intake::BatchHands;
use crate::store::sql::Tx;

use duty::Duty;

/// Why a person's act was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// A rule says no; in words: what, and what to do.
    #[error("{}", .0.en)]
    Refused(Words),
    /// The list has faults.
    #[error("the list has {} faults; nothing of it was taken", .faults.len() + usize::try_from(*.beyond).unwrap_or(usize::MAX))]
    Faults {
        /// Where and what.
        faults: Vec<ListFault>,
        /// How many more.
        beyond: u64,
    },
    /// The list cannot be read at all.
    #[error(transparent)]
    List(#[from] ListError),
    /// A wire, or something that must hold does not.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<StoreError> for OperateError {
    fn from(error: StoreError) -> Self {
        Self::Pass(error.into())
    }
}

impl OperateError {
    pub(crate) fn refused<T>(zh: impl Into<String>, en: impl Into<String>) -> Result<T, Self> {
        Err(Self::Refused(Words::new(zh, en)))
    }

    /// Whether the same act may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Faults { .. } | Self::Config(_) => false,
            Self::List(e) => e.is_transient(),
            Self::Pass(e) => e.is_transient(),
        }
    }

    /// The error as people here read it.
    #[must_use]
    pub fn say(&self, language: Language) -> String {
        match self {
            Self::Refused(words) => words.clone().in_language(language),
            Self::Faults { faults, beyond } => {
                let n = faults.len() + usize::try_from(*beyond).unwrap_or(usize::MAX);
                Words::new(format!("清单有{n}处错误，未导入任何数据；请更正后重新导入"), format!("{self}; correct it and import it again"))
                    .in_language(language)
            }
            Self::List(_) | Self::Pass(_) | Self::Config(_) => self.to_string(),
        }
    }
}

/// Approves a batch (审核): fixes the digest over its rows as they stand. Another person than its maker.
///
/// # Errors
/// Refused to the same person, to other departments, and where the rows are not what the batch declares.
pub async fn approve_batch(gateway: &Gateway, by: &Operator, number: &str, now: Timestamp) -> Result<String, OperateError> {
    let mut tx = gateway.store.begin().await?;
    tx.hold_batch(number).await?;
    let hands = hands(&mut tx, number).await?;
    cancel::not_taken_back(number, &hands)?;
    duty::require(by, Duty::Approve, &hands.department)?;
    not_done_yet(number, &hands, "审核", "approved", &hands.approver)?;
    not_the_same(by, "审核", "approve", &[("经办人", "maker", &hands.maker)])?;
    let rows = tx.stored_rows(number).await?;
    if rows.count != hands.declared_count || rows.total != hands.declared {
        let (n, sum) = (rows.count, rows.total);
        return OperateError::refused(
            format!("批次{number}申报{}笔{}元，实有{n}笔{sum}元；请退回经办人更正", hands.declared_count, hands.declared),
            format!(
                "batch {number} declares {} rows of {}, it has {n} of {sum}: its maker corrects it",
                hands.declared_count, hands.declared
            ),
        );
    }
    if !tx.set_approved(number, &by.login, &rows.digest).await? {
        return moved_on(number);
    }
    let detail = format!("{} rows, {} yuan, digest {}", rows.count, rows.total, rows.digest);
    tx.audit(&by.login, "batch.approve", number, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(batch = number, by = by.login, "batch approved");
    Ok(rows.digest)
}

/// Reviews an approved batch at the finance bureau (财政复核). Another person than its maker and its approver.
///
/// # Errors
/// Refused to the same persons, to other roles, and before the approval.
pub async fn review_batch(gateway: &Gateway, by: &Operator, number: &str, now: Timestamp) -> Result<(), OperateError> {
    let mut tx = gateway.store.begin().await?;
    tx.hold_batch(number).await?;
    let hands = hands(&mut tx, number).await?;
    cancel::not_taken_back(number, &hands)?;
    duty::require(by, Duty::Review, &hands.department)?;
    approved_first(number, &hands)?;
    not_done_yet(number, &hands, "复核", "reviewed", &hands.finance_reviewer)?;
    not_the_same(by, "复核", "review", &[("经办人", "maker", &hands.maker), ("审核人", "approver", &hands.approver)])?;
    if !tx.set_reviewed(number, &by.login).await? {
        return moved_on(number);
    }
    tx.audit(&by.login, "batch.review", number, &hands.digest, now).await?;
    tx.commit().await?;
    tracing::info!(batch = number, by = by.login, "batch reviewed");
    Ok(())
}

/// Releases an approved batch (发放): from here it is money. A third person, and the rows that were approved.
///
/// # Errors
/// Refused to its maker, approver and reviewer, before the approval, and when a row changed since.
pub async fn release_batch(gateway: &Gateway, by: &Operator, number: &str, now: Timestamp) -> Result<(), OperateError> {
    let mut tx = gateway.store.begin().await?;
    tx.hold_batch(number).await?;
    let hands = hands(&mut tx, number).await?;
    cancel::not_taken_back(number, &hands)?;
    duty::require(by, Duty::Release, &hands.department)?;
    approved_first(number, &hands)?;
    not_done_yet(number, &hands, "发放", "released", &hands.released_by)?;
    let earlier = [
        ("经办人", "maker", &*hands.maker),
        ("审核人", "approver", &hands.approver),
        ("复核人", "finance reviewer", &hands.finance_reviewer),
    ];
    not_the_same(by, "发放", "release", &earlier)?;
    let all = Hands { maker: &hands.maker, approver: &hands.approver, finance_reviewer: &hands.finance_reviewer, released_by: &by.login };
    if let Some(fault) = all.faults().into_iter().next() {
        return Err(OperateError::Refused(fault));
    }
    let rows = tx.stored_rows(number).await?;
    if rows.digest != hands.digest {
        return OperateError::refused(
            format!("批次{number}审核后数据有改动（摘要不符），不能发放；请查明改动来源，并以新批次重新导入、审核"),
            format!("batch {number} is not what was approved (another digest): find out who changed it, then import and approve it anew"),
        );
    }
    if !tx.set_released(number, &by.login, &rows.digest, now).await? {
        return moved_on(number);
    }
    let detail = format!("{} rows, {} yuan, digest {}", rows.count, rows.total, rows.digest);
    tx.audit(&by.login, "batch.release", number, &detail, now).await?;
    tx.commit().await?;
    tracing::info!(batch = number, by = by.login, rows = rows.count, "batch released");
    Ok(())
}

/// The person of a login; whoever is not in the table is told what to do.
///
/// # Errors
/// Refused to a login that the table `operator` does not have.
pub async fn operator(gateway: &Gateway, login: &str) -> Result<Operator, OperateError> {
    match gateway.store.read().await?.operator(login).await? {
        Some(operator) => Ok(operator),
        None => OperateError::refused(
            format!("登录名“{login}”不在操作员表（operator）中或已停用；请由财政信息部门登记"),
            format!("login {login:?} is not in the table operator, or not active: finance IT enters it there"),
        ),
    }
}

async fn hands(tx: &mut Tx, number: &str) -> Result<BatchHands, OperateError> {
    match tx.batch_hands(number).await? {
        Some(hands) => Ok(hands),
        None => OperateError::refused(
            format!("没有批次{number}；`bankgate batch list` 列出所有批次"),
            format!("there is no batch {number}: `bankgate batch list` shows them"),
        ),
    }
}

fn approved_first(number: &str, hands: &BatchHands) -> Result<(), OperateError> {
    if hands.approver.is_empty() {
        return OperateError::refused(
            format!("批次{number}尚未审核；先由另一人执行 `bankgate batch approve {number}`"),
            format!("batch {number} is not approved: another person runs `bankgate batch approve {number}` first"),
        );
    }
    Ok(())
}

fn not_done_yet(number: &str, hands: &BatchHands, zh: &str, en: &str, who: &str) -> Result<(), OperateError> {
    if hands.released_at.is_some() {
        let by = &hands.released_by;
        return OperateError::refused(format!("批次{number}已由{by}发放"), format!("batch {number} was released by {by} already"));
    }
    if !who.is_empty() {
        return OperateError::refused(format!("批次{number}已由{who}{zh}"), format!("batch {number} was {en} by {who} already"));
    }
    Ok(())
}

fn not_the_same(by: &Operator, zh: &str, en: &str, hands: &[(&str, &str, &str)]) -> Result<(), OperateError> {
    match hands.iter().find(|(_, _, who)| person_of(who) == person_of(&by.login)) {
        None => Ok(()),
        Some((role_zh, role_en, who)) => OperateError::refused(
            format!("{who}是该批次的{role_zh}，不能再{zh}；请由另一人操作"),
            format!("{who} is this batch's {role_en} and may not {en} it: another person does"),
        ),
    }
}

fn moved_on<T>(number: &str) -> Result<T, OperateError> {
    OperateError::refused(
        format!("批次{number}刚被他人改动；请用 `bankgate batch show {number}` 查看后再试"),
        format!("somebody else changed batch {number} just now: look with `bankgate batch show {number}`, then try again"),
    )
}
