//! Money that arrived (资金到账) is booked into its purse; what no agreement of its department works by lies aside, and is told.

use crate::domain::language::Words;
use crate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
use crate::domain::time::Timestamp;
use crate::passes::{Done, Gateway, PassError};
use crate::store::desk::NewIncident;
use crate::store::funds::Arrival;
use crate::store::ledger::{EntryOf, Origin};

fn aside_key(funding: i64) -> String {
    format!("funding:{funding}")
}

/// Money whose model (quota or cash) is none of its department's agreements': it lies aside, and finance is told once.
pub(super) async fn tell_aside(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let arrived = gateway.store.read().await?.funds_to_book(now).await?;
    let mut done = Done::default();
    for Arrival { id, department, project, funds_model, fen, .. } in arrived.into_iter().filter(|a| !a.aside.is_empty()) {
        let key = aside_key(id);
        if gateway.store.read().await?.is_incident_open(&key).await? {
            continue;
        }
        let what = gateway.say(Words::new(
            format!("到账第{id}号（部门{department}，项目{project}，{fen}元）的资金方式“{funds_model}”与该部门的代发协议不符，未计入可用额度"),
            format!("funding {id} of {department}/{project} ({fen}) is {funds_model:?}, which no agreement of the department works by: it does not count"),
        ));
        let next_step = gateway.say(Words::new(
            "请核对到账登记与代发协议的资金方式；更正后自动计入",
            "compare the funding with the agreement's funds_model; once they agree it counts by itself",
        ));
        gateway.tell(&NewIncident { key: &key, kind: "funding_aside", bank: "", what: &what, next_step: &next_step }, now).await?;
        done.changed += 1;
    }
    Ok(done)
}

/// Books what arrived and fits into the purses.
pub(super) async fn book(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    if gateway.store.read().await?.funds_to_book(now).await?.iter().all(|a| !a.aside.is_empty()) {
        return Ok(done);
    }
    let mut tx = gateway.store.begin().await?;
    for Arrival { id, department, project, year, fen, .. } in tx.funds_to_book(now).await?.into_iter().filter(|a| a.aside.is_empty()) {
        let purse = Purse { department, project, year, bank: String::new() };
        let movement = Movement {
            kind: EntryKind::Fund,
            from: purse.account(AccountKind::Treasury),
            to: purse.account(AccountKind::ZeroBalance),
            amount: fen,
        };
        tx.post(now, &EntryOf { funding: Some(id), ..EntryOf::default() }, Origin::Theirs, &movement).await?;
        tx.funds_booked(id).await?;
        tx.close_incident(&aside_key(id), now).await?;
        done.changed += 1;
    }
    if done.changed > 0 {
        tx.commit().await?;
    }
    Ok(done)
}
