//! A person asks a bank what became of a file, or of a payment in it. It moves no money, so one person is enough; the bank is
//! asked about one file once a day, whoever asks.

use super::duty::{self, Duty};
use super::{OperateError, Operator};
use crate::domain::file::FileOutState;
use crate::domain::time::Timestamp;
use crate::passes::{Gateway, enquire};

/// Asks about a file: the enquiry's name, and how many lines it asks about.
///
/// # Errors
/// Refused where the file is not out, has nothing open, was asked about today, or its bank takes no enquiries.
pub async fn enquire_file(gateway: &Gateway, by: &Operator, id: i64, now: Timestamp) -> Result<(String, u64), OperateError> {
    duty::require(by, Duty::Decide, "")?;
    let file = {
        let mut tx = gateway.store.read().await?;
        if !tx.is_file(id).await? {
            return OperateError::refused(format!("没有文件{id}"), format!("there is no file {id} of ours"));
        }
        tx.file(id).await?
    };
    if !matches!(file.state, FileOutState::Sent | FileOutState::Accepted | FileOutState::Doubt) {
        return OperateError::refused(
            format!("文件{}的状态是{}，没有可查询的", file.name, file.state.code()),
            format!("file {} is {}: there is nothing to ask", file.name, file.state.code()),
        );
    }
    if !gateway.profile(&file.profile)?.has_enquiry() {
        return OperateError::refused(
            format!("银行{}不收查询文件，请电话询问", file.bank),
            format!("bank {} takes no enquiry files: phone it", file.bank),
        );
    }
    match enquire::ask(gateway, &file, &by.login, now).await? {
        Some(asked) => Ok(asked),
        None => OperateError::refused(
            format!("文件{}今日已查询过，或已无未决明细", file.name),
            format!("file {} was asked about today, or nothing of it is open", file.name),
        ),
    }
}

/// Asks about the file in which a payment stands.
///
/// # Errors
/// As [`enquire_file`]; refused where no file of ours has the payment.
pub async fn enquire_payment(gateway: &Gateway, by: &Operator, instruction: i64, now: Timestamp) -> Result<(String, u64), OperateError> {
    let file = gateway.store.read().await?.file_of(instruction).await?;
    match file {
        Some(file) => enquire_file(gateway, by, file.id, now).await,
        None => OperateError::refused("这笔支付不在任何已发文件中", "no file of ours has this payment"),
    }
}
