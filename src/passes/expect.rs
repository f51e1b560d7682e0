//! What banks owe us is ticked off, or told as late (应收文件). Each file that is out has a row for its ack and its result, each
//! account that its bank states one for every bank day. The words for a late ack or result are `chase`'s, one alarm a file; a
//! statement has an alarm of its own, one an account. Batches that missed their day and years that the calendar lacks are told
//! here too: nothing waits in silence, and nobody is told twice.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::{Done, Gateway, PassError, enquire};
use crate::domain::calendar::CalendarError;
use crate::domain::exchange::InboundKind;
use crate::domain::language::Words;
use crate::domain::masked::Account;
use crate::domain::time::Timestamp;
use crate::store::desk::NewIncident;
use crate::store::expected::{Expected, StatedAccount};
use crate::store::sql::Tx;

/// The hour of the next bank day at which a statement is due.
const STATEMENT_HOUR: u32 = 10;
/// After a long sleep, statements are asked for so many days back.
const CATCH_UP_DAYS: u64 = 31;

/// Ticks off what came, expects what the day brings, tells what is late.
///
/// # Errors
/// The database.
pub async fn expect(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = known_years(gateway, now).await?;
    done += answers(gateway).await?;
    done += match statements(gateway, now).await {
        Err(PassError::Calendar(CalendarError::YearMissing { year })) => tell_of_year(gateway, year, now).await?,
        ended => ended?,
    };
    done += tick_off(gateway, now).await?;
    done += tell_late(gateway, now).await?;
    done += enquire::ask_due(gateway, now).await?;
    done += late_batches(gateway, now).await?;
    Ok(done)
}

/// Files that were sent by a program that did not know the table.
async fn answers(gateway: &Gateway) -> Result<Done, PassError> {
    let files = gateway.store.read().await?.files_not_expected().await?;
    let mut done = Done::default();
    if files.is_empty() {
        return Ok(done);
    }
    let mut tx = gateway.store.begin().await?;
    for file in files {
        done.changed += tx.expect_answers(file).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// A row for every bank day up to today, from the day on which the account's first file left.
async fn statements(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let mut done = Done::default();
    let accounts = gateway.store.read().await?.stated_accounts(today).await?;
    for account in accounts {
        let Ok(profile) = gateway.profile(&account.profile) else { continue };
        if profile.roles(InboundKind::Statement).is_empty() {
            continue;
        }
        let days = days_to_expect(gateway, &account, today)?;
        if days.is_empty() {
            continue;
        }
        let mut tx = gateway.store.begin().await?;
        for day in days {
            let due = gateway.calendar.next_bank_day_on_or_after(day.checked_add_days(Days::new(1)).unwrap_or(day))?;
            done.changed += u64::from(tx.expect_statement(&account, day, gateway.at_hour(due, STATEMENT_HOUR)).await?);
        }
        tx.commit().await?;
    }
    Ok(done)
}

fn days_to_expect(gateway: &Gateway, account: &StatedAccount, today: NaiveDate) -> Result<Vec<NaiveDate>, CalendarError> {
    let after = |day: NaiveDate| day.checked_add_days(Days::new(1));
    let Some(from) = account.until.and_then(after).or(account.first) else { return Ok(Vec::new()) };
    let earliest = today.checked_sub_days(Days::new(CATCH_UP_DAYS)).unwrap_or(from);
    let mut days = Vec::new();
    let mut day = from.max(earliest);
    while day <= today {
        if gateway.calendar.is_bank_day(day)? {
            days.push(day);
        }
        let Some(next) = after(day) else { break };
        day = next;
    }
    Ok(days)
}

async fn tick_off(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let came = gateway.store.read().await?.expected_that_came().await?;
    let mut done = Done::default();
    if came.is_empty() {
        return Ok(done);
    }
    let mut tx = gateway.store.begin().await?;
    for (id, at, file_in) in came {
        done.changed += u64::from(tx.came(id, at, file_in).await?);
    }
    let late: BTreeSet<String> = tx.expected_late(now).await?.iter().filter(|e| e.kind == "statement").map(statement_key).collect();
    for key in tx.incidents_of("statement_overdue").await?.iter().filter(|k| !late.contains(*k)) {
        tx.close_incident(key, now).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// One alarm for an account, which counts up by the day; of files `chase` has told.
async fn tell_late(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let late: Vec<Expected> = gateway.store.read().await?.expected_late(now).await?.into_iter().filter(|e| e.told_at.is_none()).collect();
    let mut done = Done::default();
    if late.is_empty() {
        return Ok(done);
    }
    let mut tx = gateway.store.begin().await?;
    for row in late {
        if !tx.expected_told(row.id, now).await? {
            continue;
        }
        done.changed += 1;
        if row.kind == "statement" {
            statement_late(gateway, &mut tx, &row, now).await?;
        }
    }
    tx.commit().await?;
    Ok(done)
}

/// The key stands in the letter: the account in it is masked there too.
pub(crate) fn statement_key(row: &Expected) -> String {
    format!("statement:{}:{}", row.bank, Account::new(&row.subject))
}

async fn statement_late(gateway: &Gateway, tx: &mut Tx, row: &Expected, now: Timestamp) -> Result<(), PassError> {
    let account = Account::new(&row.subject);
    let what = gateway.say(Words::new(
        format!("银行{}账户{account}自{}起的对账单未到", row.bank, row.on_date),
        format!("bank {} owes the statement of account {account} from {} on", row.bank, row.on_date),
    ));
    let next_step = gateway.say(Words::new(
        format!("请电话催要（{}）；查看：bankgate expected", row.contacts),
        format!("phone the bank ({}); look: bankgate expected", row.contacts),
    ));
    let key = statement_key(row);
    tx.incident(&NewIncident { key: &key, kind: "statement_overdue", bank: &row.bank, what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

/// Batches that wait for a file though their day has gone by; and the end of it, once all of a batch is out.
async fn late_batches(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let today = gateway.today(now);
    let (late, told) = {
        let mut tx = gateway.store.read().await?;
        (tx.batches_past_pay_on(today).await?, tx.incidents_of("pay_on_missed").await?)
    };
    let mut done = Done::default();
    for (batch, pay_on) in late {
        let is_told = told.contains(&late_key(&batch));
        if !is_told && is_missed(gateway, pay_on, today)? {
            let mut tx = gateway.store.begin().await?;
            tell_missed(gateway, &mut tx, &batch, pay_on, today, now).await?;
            tx.commit().await?;
            done.changed += 1;
        }
    }
    for key in told {
        let batch = key.strip_prefix("late:").unwrap_or_default();
        let mut tx = gateway.store.begin().await?;
        if !tx.is_batch_waiting(batch).await? {
            done.changed += u64::from(tx.close_incident(&key, now).await?);
            tx.commit().await?;
        }
    }
    Ok(done)
}

fn late_key(batch: &str) -> String {
    format!("late:{batch}")
}

/// Whether the bank day that was meant for a batch has gone by. What the calendar cannot say is told elsewhere.
pub(crate) fn is_missed(gateway: &Gateway, pay_on: NaiveDate, today: NaiveDate) -> Result<bool, PassError> {
    match gateway.calendar.next_bank_day_on_or_after(pay_on) {
        Ok(meant) => Ok(meant < today),
        Err(CalendarError::YearMissing { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// People who wait for their money on a day, and do not get it, ask the department: it should know first.
pub(crate) async fn tell_missed(
    gateway: &Gateway,
    tx: &mut Tx,
    batch: &str,
    pay_on: NaiveDate,
    today: NaiveDate,
    now: Timestamp,
) -> Result<(), PassError> {
    let key = late_key(batch);
    if tx.is_incident_open(&key).await? {
        return Ok(());
    }
    let what = gateway.say(Words::new(
        format!("批次{batch}应于{pay_on}发放，未能按期（今日{today}）"),
        format!("batch {batch} was to be paid on {pay_on} and missed its day (today is {today})"),
    ));
    let next_step = gateway.say(Words::new(
        "程序会在下一个银行营业日发送（另有未结事项说明其受阻的除外）；请通知部门，并查明原因（停机、暂停、资金、日历、批次迟到）",
        "it goes out on the next bank day by itself, unless another open incident says what stops it; tell the department, and find out why (downtime, a paused bank, funds, calendar, released late)",
    ));
    tx.incident(&NewIncident { key: &key, kind: "pay_on_missed", bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(())
}

fn year_key(year: i32) -> String {
    format!("calendar:{year}")
}

/// A year that the calendar lacks: told once, whoever stumbles over it. Money that needs it waits, everything else goes on.
pub(crate) async fn tell_of_year(gateway: &Gateway, year: i32, now: Timestamp) -> Result<Done, PassError> {
    let key = year_key(year);
    if gateway.store.read().await?.is_incident_open(&key).await? {
        return Ok(Done::default());
    }
    let what = gateway.say(Words::new(
        format!("工作日历缺少{year}年，涉及该年的批次暂停，其他照常"),
        format!("the calendar has no year {year}: what needs it waits, all else goes on"),
    ));
    let next_step = gateway.say(Words::new(
        format!("请在日历目录加入{year}.toml（config/calendar/generate.py 生成），再重载配置"),
        format!("add {year}.toml to the calendar folder (config/calendar/generate.py writes it) and reload the settings"),
    ));
    gateway.tell(&NewIncident { key: &key, kind: "calendar_missing", bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(Done { changed: 1, ..Done::default() })
}

/// Years that were missing and are there now.
async fn known_years(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let told = gateway.store.read().await?.incidents_of("calendar_missing").await?;
    let known: BTreeSet<String> = gateway.calendar.years().map(year_key).collect();
    let mut done = Done::default();
    for key in told.into_iter().filter(|key| known.contains(key)) {
        done.changed += u64::from(gateway.settle(&key, now).await?);
    }
    Ok(done)
}
