//! Days and hours: cut-offs, windows, holidays, days slept through, years that nobody entered; and what a bank owes us.

use std::sync::Arc;

use bankgate::domain::calendar::Calendar;
use bankgate::passes::operate::file::FileWish;

use super::bank::Word;
use super::stuck::{by_two, cut_before_rename, the_file};
use super::world::{BANKS, CLEARING, COUNTER, SPLIT, World, at, draft, on_both};

/// Everything at every bank's edge and at the desk, at this moment, as one round of the daemon does it.
async fn round_at(w: &mut World, date: &str, time: &str) {
    w.now = at(date, time);
    w.admit().await;
    for (bank, _) in BANKS {
        w.plan(bank).await;
        w.seal(bank).await;
        w.publish(bank).await;
    }
    w.expect().await;
}

async fn dates(w: &World) -> Vec<String> {
    w.texts("select business_date from file_out where state not in ('voided', 'abandoned') order by id").await
}

async fn open(w: &World, kind: &str) -> Vec<String> {
    w.texts(&format!("select on_date || ' ' || bank from expected_file where kind = '{kind}' and came_at is null order by 1")).await
}

#[tokio::test]
async fn t2_the_very_second_of_the_cutoff_is_the_next_day() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.now = at("2019-03-14", "16:29:59");
        w.admit().await;
        w.plan(SPLIT).await;
        assert_eq!(dates(w).await, ["2019-03-14"]);
        // By a clock that is a little behind: how long it takes here to go out is no matter of this story.
        round_at(w, "2019-03-14", "16:29:00").await;
        w.release(&draft("B", SPLIT, 2..4)).await;
        round_at(w, "2019-03-14", "16:30:00").await;
        assert_eq!(dates(w).await, ["2019-03-14"], "too late by no second");
        round_at(w, "2019-03-15", "00:00:00").await;
        assert_eq!(dates(w).await, ["2019-03-14", "2019-03-15"]);
    })
    .await;
}

#[tokio::test]
async fn t2_a_window_over_midnight_is_one_business_day() {
    on_both(async |w| {
        w.sql("update agreement set cutoff = '23:00-01:00'").await;
        w.release(&draft("A", SPLIT, 0..2)).await;
        round_at(w, "2019-03-14", "16:00:00").await;
        assert!(dates(w).await.is_empty(), "the window is not open");
        round_at(w, "2019-03-14", "23:00:00").await;
        w.release(&draft("B", SPLIT, 2..4)).await;
        round_at(w, "2019-03-15", "00:59:00").await;
        assert_eq!(
            (dates(w).await, w.files().await),
            (vec!["2019-03-14".to_owned(); 2], vec!["sent".to_owned(); 2]),
            "before and behind midnight"
        );
        let names = w.texts("select name from file_out order by id").await;
        assert_eq!(names, ["YHDF__201903140001.TXT", "YHDF__201903140002.TXT"]);
        w.release(&draft("C", SPLIT, 4..6)).await;
        round_at(w, "2019-03-15", "01:00:00").await;
        assert_eq!(dates(w).await.len(), 2, "closed to the second");
        round_at(w, "2019-03-16", "00:30:00").await;
        assert_eq!(dates(w).await[2..], ["2019-03-15"], "Saturday's first hour is Friday's window");
    })
    .await;
}

#[tokio::test]
async fn t2_what_is_sealed_when_the_cutoff_strikes_goes_out_on_the_next_day() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.now = at("2019-03-14", "16:29:00");
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        round_at(w, "2019-03-14", "17:00:00").await;
        assert!(w.take(SPLIT).is_empty(), "the daemon was down over the cut-off");
        round_at(w, "2019-03-15", "08:00:00").await;
        assert_eq!(w.files().await, ["voided", "sent"]);
        assert_eq!(dates(w).await, ["2019-03-15"]);
        assert_eq!((w.take_one(SPLIT).orders.len(), w.states("A").await), (3, vec!["sent".to_owned(); 3]));
        assert_eq!(w.incidents("pay_on_missed").await, 0, "told, and all of it is out");
        assert_eq!(w.int("select count(*) from incident where kind = 'pay_on_missed'").await, 1);
    })
    .await;
}

/// What went before took long: the round began in time, and its files are another day's by now.
#[tokio::test]
async fn t2_the_cutoff_is_looked_at_again_before_each_file() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.now = at("2019-03-14", "16:29:00");
        w.admit().await;
        w.plan(SPLIT).await;
        w.seal(SPLIT).await;
        w.now = at("2019-03-14", "16:30:00");
        assert_eq!((w.publish(SPLIT).await, w.take(SPLIT).len()), (0, 0));
        round_at(w, "2019-03-15", "09:00:00").await;
        assert_eq!((w.files().await, dates(w).await), (vec!["voided".to_owned(), "sent".to_owned()], vec!["2019-03-15".to_owned()]));
        assert_eq!(w.take_one(SPLIT).orders.len(), 3);
    })
    .await;
}

/// Its first copy is out, by all that we know, and the bank would refuse the second one by its date.
#[tokio::test]
async fn t2_a_second_copy_whose_day_goes_by_is_a_persons() {
    on_both(async |w| {
        w.release(&draft("P", CLEARING, 0..3)).await;
        w.settle().await;
        w.take_one(CLEARING);
        let id = the_file(w).await;
        by_two(w, id, FileWish::Resend).await;
        round_at(w, "2019-03-15", "09:00:00").await;
        assert_eq!((w.files().await, w.incidents("file_held").await), (vec!["held".to_owned()], 1));
        assert!(w.take(CLEARING).is_empty());
        by_two(w, id, FileWish::Refused).await;
        w.settle().await;
        assert_eq!((w.states("P").await, w.incidents("file_held").await), (vec!["failed_final".to_owned(); 3], 0));
    })
    .await;
}

/// The line went at the rename, and the server did nothing: the next day the part lies there still, and the bank would refuse it.
#[tokio::test]
async fn t2_a_publication_that_is_found_unrenamed_the_next_day_is_taken_back_and_planned_anew() {
    on_both(async |w| {
        w.now = at("2019-03-14", "16:29:00");
        let (id, _) = cut_before_rename(w, COUNTER, 0..3).await;
        round_at(w, "2019-03-15", "09:00:00").await;
        assert_eq!((w.files().await, w.incidents("file_held").await), (vec!["held".to_owned()], 1));
        assert!(w.take(COUNTER).is_empty(), "yesterday's file is no use to the bank");
        by_two(w, id, FileWish::Void).await;
        w.settle().await;
        assert_eq!((w.files().await, dates(w).await), (vec!["voided".to_owned(), "sent".to_owned()], vec!["2019-03-15".to_owned()]));
        assert_eq!((w.take_one(COUNTER).orders.len(), w.states("P").await), (3, vec!["sent".to_owned(); 3]));
        assert_eq!(w.incidents("file_held").await, 0);
    })
    .await;
}

#[tokio::test]
async fn t3_a_day_slept_through_is_paid_on_the_next_and_told_once() {
    on_both(async |w| {
        let mut d = draft("A", SPLIT, 0..3);
        d.pay_on = "2019-03-15".to_owned();
        w.release(&d).await;
        round_at(w, "2019-03-14", "10:00:00").await;
        assert!(dates(w).await.is_empty(), "pay_on waits");
        // Friday goes by; nobody is here before Monday.
        round_at(w, "2019-03-16", "09:00:00").await;
        round_at(w, "2019-03-17", "09:00:00").await;
        assert_eq!((dates(w).await.len(), w.incidents("pay_on_missed").await), (0, 1), "a person knows, and nothing leaves on a Sunday");
        for time in ["09:00:00", "09:01:00", "17:00:00"] {
            round_at(w, "2019-03-18", time).await;
        }
        assert_eq!(dates(w).await, ["2019-03-18"]);
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'pay_on_missed'").await, ["1"]);
        assert_eq!(w.incidents("pay_on_missed").await, 0, "it is out");
    })
    .await;
}

#[tokio::test]
async fn t3_pay_on_a_holiday_or_long_past_is_the_next_bank_day() {
    on_both(async |w| {
        let mut holiday = draft("A", SPLIT, 0..2);
        holiday.pay_on = "2019-05-01".to_owned();
        let mut past = draft("B", COUNTER, 2..4);
        past.pay_on = "2019-01-02".to_owned();
        w.release(&holiday).await;
        w.release(&past).await;
        round_at(w, "2019-04-30", "10:00:00").await;
        round_at(w, "2019-05-04", "10:00:00").await;
        assert_eq!(dates(w).await, ["2019-04-30"], "what is past is due at once; the holiday is no bank day");
        round_at(w, "2019-05-05", "10:00:00").await;
        assert_eq!(dates(w).await, ["2019-04-30", "2019-05-05"], "a Sunday that is made up for");
        assert_eq!(w.texts("select distinct key from incident where kind = 'pay_on_missed'").await, ["late:B"]);
    })
    .await;
}

#[tokio::test]
async fn t2_a_make_up_day_on_which_banks_are_closed_sends_nothing() {
    on_both(async |w| {
        let text = "year = 2019\nsource = \"a test\"\nholidays = []\nworkdays = [\"2019-03-16\"]\n[bank]\nclosed = [\"2019-03-16\"]";
        let calendar = Calendar::from_toml_texts([("2019.toml", text)]).unwrap();
        w.change(|g| g.calendar = calendar);
        let mut d = draft("A", SPLIT, 0..2);
        d.pay_on = "2019-03-16".to_owned();
        w.release(&d).await;
        round_at(w, "2019-03-16", "10:00:00").await;
        assert!(dates(w).await.is_empty(), "the office works this Saturday, the bank does not book");
        round_at(w, "2019-03-18", "10:00:00").await;
        assert_eq!((dates(w).await, w.incidents("pay_on_missed").await), (vec!["2019-03-18".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn t2_a_year_that_is_not_there_keeps_its_batch_waiting_and_no_other() {
    on_both(async |w| {
        let whole = w.gateway.calendar.clone();
        let only = Calendar::from_toml_texts([("2019.toml", include_str!("../../../config/calendar/2019.toml"))]).unwrap();
        w.change(|g| g.calendar = only);
        w.sql("insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2020, 100000000, 0)").await;
        let mut next_year = draft("A", SPLIT, 0..2);
        next_year.pay_on = "2020-01-02".to_owned();
        w.release(&next_year).await;
        w.release(&draft("B", COUNTER, 2..4)).await;
        for time in ["10:00:00", "10:02:00", "10:04:00"] {
            round_at(w, "2019-03-14", time).await;
        }
        assert_eq!((dates(w).await, w.incidents("calendar_missing").await), (vec!["2019-03-14".to_owned()], 1));
        assert_eq!(w.int("select count(*) from admission").await, 1, "it waits, and is not sent back");
        // On the last day of the year everything that is not of the next goes on, though due days lie in it.
        w.release(&draft("C", COUNTER, 4..6)).await;
        round_at(w, "2019-12-31", "10:00:00").await;
        assert_eq!(w.files().await[1], "sent");
        let slip = w.take(COUNTER).pop().unwrap();
        w.answer(&slip, &[Word::Paid, super::bank::LOST]);
        w.collect(COUNTER).await;
        w.now = w.now.plus_minutes(2);
        w.collect(COUNTER).await;
        w.apply().await;
        w.chase().await;
        assert_eq!(w.states("C").await, ["paid", "failed"]);
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'calendar_missing'").await, ["1"], "told once");
        w.change(|g| g.calendar = whole);
        round_at(w, "2020-01-02", "10:00:00").await;
        assert_eq!((dates(w).await[2..].to_vec(), w.incidents("calendar_missing").await), (vec!["2020-01-02".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn each_file_that_is_out_is_expected_and_ticked_off() {
    on_both(async |w| {
        for (at, bank) in [COUNTER, CLEARING, SPLIT].into_iter().enumerate() {
            w.release(&draft(bank, bank, at * 10..at * 10 + 2)).await;
        }
        w.settle().await;
        assert_eq!(open(w, "ack").await, ["2019-03-14 B2"]);
        assert_eq!(open(w, "result").await, ["2019-03-14 B1", "2019-03-14 B2", "2019-03-14 B4"]);
        assert_eq!(open(w, "statement").await, ["2019-03-14 B1", "2019-03-14 B2", "2019-03-14 B4"]);
        let slip = w.take_one(CLEARING);
        w.ack(&slip, "00000000", "受理成功");
        w.answer(&w.take_one(SPLIT), &[Word::Paid; 2]);
        w.settle().await;
        assert!(open(w, "ack").await.is_empty());
        assert_eq!(open(w, "result").await, ["2019-03-14 B1", "2019-03-14 B2"]);
        assert_eq!(
            w.int("select count(*) from expected_file e join file_in i on i.id = e.file_in where e.kind in ('ack', 'result')").await,
            2
        );
        w.put(SPLIT, "statement/STMT_510601012345678901_20190314.txt", STATEMENT);
        w.settle().await;
        assert_eq!(open(w, "statement").await, ["2019-03-14 B1", "2019-03-14 B2"]);
        assert_eq!(w.int("select count(*) from incident where state = 'open'").await, 0, "nothing is late");
    })
    .await;
}

const STATEMENT: &[u8] = b"H|510601012345678901|20190314|20190314|1.00|1.00|0\nT|0|0.00|0|0.00\n";

#[tokio::test]
async fn a_statement_that_does_not_come_is_told_once_a_day_until_it_is_here() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid; 2]);
        w.settle().await;
        w.settle_at("2019-03-15", "09:50:00").await;
        assert_eq!(w.incidents("statement_overdue").await, 0);
        w.settle_at("2019-03-15", "10:00:00").await;
        assert_eq!(w.incidents("statement_overdue").await, 1);
        // Over the weekend no bank day begins; on Monday Friday's is late too, and the alarm is the same.
        w.settle_at("2019-03-17", "12:00:00").await;
        w.settle_at("2019-03-18", "12:00:00").await;
        assert_eq!(open(w, "statement").await, ["2019-03-14 B4", "2019-03-15 B4", "2019-03-18 B4"]);
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'statement_overdue'").await, ["2"]);
        w.put(SPLIT, "statement/STMT_510601012345678901_20190314.txt", STATEMENT);
        w.settle().await;
        assert_eq!(w.incidents("statement_overdue").await, 1, "Friday's is not here");
        let friday = String::from_utf8(STATEMENT.to_vec()).unwrap().replace("20190314", "20190315");
        w.put(SPLIT, "statement/STMT_510601012345678901_20190315.txt", friday.as_bytes());
        w.settle().await;
        assert_eq!(w.incidents("statement_overdue").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_overdue_result_is_one_alarm_and_late_in_the_picture() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.settle_at("2019-03-20", "10:00:00").await;
        assert_eq!(
            (w.incidents("overdue").await, w.int("select count(*) from expected_file where kind = 'result' and told_at is not null").await),
            (1, 1)
        );
        assert_eq!(w.int("select count(*) from incident where kind not in ('overdue', 'statement_overdue')").await, 0);
        w.answer(&slip, &[Word::Paid; 2]);
        w.settle().await;
        assert_eq!((w.incidents("overdue").await, open(w, "result").await.len()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn t2_the_hosts_zone_says_nothing() {
    // The zone is a setting: where it is another, the same instant is another hour there, whatever the host thinks.
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.now = at("2019-03-14", "16:29:00");
        let mut config = w.gateway.config.clone();
        config.time.zone = chrono_tz::Tz::Asia__Tokyo;
        let gateway = Arc::get_mut(&mut w.gateway).unwrap();
        let shanghai = std::mem::replace(&mut gateway.config, config);
        w.admit().await;
        assert_eq!(w.plan(SPLIT).await, 0, "17:29 in Tokyo");
        Arc::get_mut(&mut w.gateway).unwrap().config = shanghai;
        assert_eq!(w.plan(SPLIT).await, 1);
    })
    .await;
}
