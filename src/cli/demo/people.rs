//! The people's part of the demo: lists are brought on Monday, approved by a second hand, reviewed by the finance bureau,
//! released by a third; then everybody waits for the banks until the Wednesday of the week after.

use indicatif::ProgressBar;

use super::stage::Stage;
use super::wall;
use crate::clock::Participant;
use crate::passes::Gateway;
use crate::passes::operate::import::{ImportFacts, import_batch};
use crate::passes::operate::{approve_batch, operator, release_batch, review_batch};

/// The last day of the demo, from 0: the Wednesday of the second week.
const LAST_DAY: u64 = 9;

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
        bar.set_position(hour);
        tracing::info!(at = wall(me.now(), stage.zone), "an hour passed");
    }
    bar.finish_and_clear();
    Ok(())
}
