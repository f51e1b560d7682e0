//! Approved orders are put into files (组退款文件), where their agreement has a profile for them: one order a file, before the
//! bank's cut-off, by the same rows, lease and steps as a payment file. A file whose day went by is given up, and its order
//! waits for another.

use super::super::plan::{give_path_back, is_path_free, open_day};
use super::super::{Done, Gateway, PassError, guard};
use crate::domain::exchange::BatchFacts;
use crate::domain::file::FileOutState;
use crate::domain::language::Words;
use crate::domain::refund::OrderState;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::desk::NewIncident;
use crate::store::outbound::{FileOut, NewFile};
use crate::store::refund::Order;
use crate::store::sql::Tx;

/// Plans a file for each order of a bank that waits for one.
///
/// # Errors
/// The database; what is wrong with one order is told, and does not stop the others.
pub(crate) async fn plan(gateway: &Gateway, bank: &str, now: Timestamp) -> Result<Done, PassError> {
    let orders = gateway.store.read().await?.refunds_to_send(bank).await?;
    let mut done = Done::default();
    for order in orders {
        match plan_order(gateway, &order, now).await {
            Ok(planned) => done += planned,
            Err(PassError::Store(e)) if e.is_unique_violation() => tracing::debug!(order = order.number, "path taken; waits"),
            Err(
                e @ (PassError::Broken(_) | PassError::Calendar(_) | PassError::Store(StoreError::Broken(_) | StoreError::Column { .. })),
            ) => stuck(gateway, &order, &e, now).await?,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

async fn plan_order(gateway: &Gateway, order: &Order, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    let Some(order) = tx.hold_refund(order.id, now).await? else { return Ok(Done::default()) };
    if order.state != OrderState::Approved || order.file_out.is_some() {
        return Ok(Done::default());
    }
    let agreement = tx.agreement(&order.agreement).await?;
    let treasury = tx.treasury_of(&order.agreement).await?;
    // The bank's hours are those of its payments: within a window over midnight, the file's day is the one on which it opened.
    let Some(today) = open_day(gateway, &agreement, now)? else { return Ok(Done::default()) };
    if treasury.account.is_empty() || treasury.name.is_empty() {
        return Err(PassError::Broken(format!(
            "agreement {} names no treasury account (treasury_account, treasury_name)",
            agreement.number
        )));
    }
    let profile = gateway.profile(&treasury.profile)?;
    let forgotten = tx.forgotten_order(&order.number).await?;
    let seq_no = tx.take_numbers(&format!("seq:{}:{today}", agreement.bank), 1).await?;
    let facts = BatchFacts {
        batch_no: order.number.clone(),
        date: today,
        seq_no: u32::try_from(seq_no).unwrap_or(u32::MAX),
        unit_no: agreement.unit_no.clone(),
        payer_account: agreement.payer_account.clone(),
        payer_name: agreement.payer_name.clone(),
        payer_bank: agreement.payer_bank.clone(),
        extra: agreement.extra.clone(),
        count: 1,
        total: order.amount,
        ..BatchFacts::default()
    };
    let names = profile.instruction_names(&facts).map_err(|e| PassError::Broken(format!("profile {}: {e}", profile.id())))?;
    if !is_path_free(&mut tx, &agreement.bank, profile, &names, today).await? {
        return Ok(Done::default());
    }
    let new = NewFile {
        bank: &agreement.bank,
        agreement: &agreement.number,
        tranche: 0,
        batch: "",
        profile: (profile.id(), profile.digest()),
        business_date: today,
        seq_no,
        dir: &names.dir,
        name: &names.data,
        flag_name: names.flag.as_deref().unwrap_or_default(),
        key: &names.key,
        range: (order.id, order.id),
        total: order.amount,
    };
    let id = tx.insert_file(&new, now).await?;
    if !tx.refund_in_file(order.id, None, Some(id)).await? {
        return Ok(Done::default());
    }
    tx.event("file_out", id, ("plan", "", "planned"), &gateway.holder, &order.number, now).await?;
    tx.close_incident(&stuck_key(&order), now).await?;
    // It went out before, and the database forgot.
    if let Some(forgotten) = forgotten {
        guard::adopt(gateway, &mut tx, id, &forgotten, now).await?;
    }
    tx.commit().await?;
    tracing::info!(
        file = id,
        bank = agreement.bank,
        name = names.data,
        order = order.number,
        total_fen = order.amount.get(),
        "refund planned"
    );
    Ok(Done { changed: 1, ..Done::default() })
}

/// Gives up a file of an order that no bank has seen; the order waits for another. The file is locked.
///
/// # Errors
/// The database refused.
pub(crate) async fn give_up(
    gateway: &Gateway,
    tx: &mut Tx,
    file: &FileOut,
    why: &str,
    actor: &str,
    now: Timestamp,
) -> Result<bool, PassError> {
    let given_up = tx.move_file(file, FileOutState::Voided, why, actor, now).await?;
    if given_up {
        give_path_back(gateway, tx, file, now).await?;
        tx.refund_in_file(file.first_id, Some(file.id), None).await?;
    }
    Ok(given_up)
}

/// What makes it the same incident.
pub(crate) fn stuck_key(order: &Order) -> String {
    format!("refund_stuck:{}", order.number)
}

/// A person is told once; the order is tried again at each run.
async fn stuck(gateway: &Gateway, order: &Order, why: &PassError, now: Timestamp) -> Result<(), PassError> {
    let what = gateway.say(Words::new(
        format!("退款凭证{}（{}元）无法生成文件：{why}", order.number, order.amount),
        format!("refund {} ({}): no file can be made: {why}", order.number, order.amount),
    ));
    let next_step = gateway.say(Words::new(
        format!("请财政信息人员查看协议{}；改正后自动继续", order.agreement),
        format!("finance IT looks at agreement {}; once mended it goes on by itself", order.agreement),
    ));
    let key = stuck_key(order);
    gateway
        .tell(&NewIncident { key: &key, kind: "refund_stuck", bank: &order.purse.bank, what: &what, next_step: &next_step }, now)
        .await?;
    Ok(())
}
