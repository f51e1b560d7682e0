//! The people's part of the demo: lists are brought on Monday, approved by a second hand, reviewed by the finance bureau,
//! released by a third; then everybody waits for the banks until the Wednesday of the week after.

use indicatif::ProgressBar;

use super::stage::Stage;
use super::wall;
use crate::clock::Participant;
use crate::domain::time::Timestamp;
use crate::passes::Gateway;
use crate::passes::operate::import::{ImportFacts, import_batch};
use crate::passes::operate::{approve_batch, operator, release_batch, review_batch};
use crate::passes::publication::posted;

/// The last day of the demo, from 0: the Wednesday of the second week.
const LAST_DAY: u64 = 9;

/// The hour at which lists of what was paid are put up in the villages.
const POSTED_AT: u64 = 16;

/// Each department puts up the lists of what was paid (再公示).
pub(super) async fn put_up_lists(gateway: &Gateway, now: Timestamp) -> anyhow::Result<()> {
    let waiting = gateway.store.read().await?.publication_views(true, 500).await?;
    for one in waiting.into_iter().filter(|one| one.edition > 0 && one.rows > 0 && one.posted_on.is_empty()) {
        let by = operator(gateway, &format!("{}.jingban", one.department.to_lowercase())).await?;
        posted(gateway, &by, &one.batch, now).await?;
    }
    Ok(())
}

pub(super) async fn play(stage: &Stage, gateway: &Gateway, me: &Participant, quiet: bool) -> anyhow::Result<()> {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(LAST_DAY * 24) };
    let plans = &stage.world.batches;
    stage.write_lists()?;
    me.sleep_until(stage.at(0, 8, 30)).await;
    for plan in plans {
        let by = operator(gateway, &format!("{}.jingban", plan.department.code.to_lowercase())).await?;
        let file_name = format!("{}.csv", plan.number);
        let facts = ImportFacts {
            file_name,
            number: Some(plan.number.clone()),
            department: Some(plan.department.code.to_owned()),
            project: Some(plan.project.code.to_owned()),
            period: Some(plan.period.clone()),
            pay_on: Some(plan.pay_on),
            count: Some(plan.count),
            total: None,
        };
        import_batch(gateway, &by, &facts, &stage.list_path(&plan.number), &|_, _| {}, me.now()).await?;
    }
    me.sleep_until(stage.at(0, 10, 0)).await;
    for plan in plans {
        let by = operator(gateway, &format!("{}.shenhe", plan.department.code.to_lowercase())).await?;
        approve_batch(gateway, &by, &plan.number, me.now()).await?;
    }
    me.sleep_until(stage.at(0, 14, 30)).await;
    for plan in plans {
        let by = operator(gateway, "caizheng.fuhe").await?;
        review_batch(gateway, &by, &plan.number, me.now()).await?;
    }
    me.sleep_until(stage.at(1, 9, 0)).await;
    for plan in plans {
        let by = operator(gateway, &format!("{}.fafang", plan.department.code.to_lowercase())).await?;
        release_batch(gateway, &by, &plan.number, me.now()).await?;
    }
    for hour in 34..=LAST_DAY * 24 + 20 {
        me.sleep_until(stage.at(0, 0, 0).plus_minutes(i64::try_from(hour).unwrap_or_default() * 60)).await;
        if hour % 24 == POSTED_AT {
            put_up_lists(gateway, me.now()).await?;
        }
        bar.set_position(hour);
        tracing::info!(at = wall(me.now(), stage.zone), "an hour passed");
    }
    bar.finish_and_clear();
    Ok(())
}
