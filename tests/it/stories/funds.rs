//! Money comes first: who is short waits, says so once, and goes on by itself; and how long it took to the cards.

use bankgate::passes::operate::matching::propose_match;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::{admit, plan};
use bankgate::store::funds::age;

use super::bank::{LOST, Word};
use super::cases::who;
use super::reconcile::credit;
use super::world::{SPLIT, World, at, draft, on_both, reissue};

/// Rounds at the gate and the plan, without the world's own audit: what is written by hand here it could not explain.
async fn try_for_an_hour(w: &mut World) -> u64 {
    let mut changed = 0;
    for _ in 0..3 {
        changed += admit::admit(&w.gateway, w.now).await.unwrap().changed;
        changed += plan::plan(&w.gateway, SPLIT, w.now).await.unwrap().changed;
        w.now = w.now.plus_minutes(20);
    }
    changed
}

async fn arrives(w: &World, year: i32, model: &str, fen: i64, at: bankgate::domain::time::Timestamp) {
    w.sql(&format!(
        "insert into funding (department, project, year, funds_model, amount_fen, arrived_at) values ('D1', '1', {year}, '{model}', {fen}, {})",
        at.millis()
    ))
    .await;
}

#[tokio::test]
async fn a_short_purse_holds_the_batch_until_its_money_is_here() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let d = draft("A", SPLIT, 0..3);
        w.fund(d.declared - 1).await;
        w.release(&d).await;
        w.settle().await;
        assert_eq!(w.texts("select state from admission").await, ["held"]);
        assert_eq!((w.incidents("funds_short").await, w.files().await.len()), (1, 0));
        w.settle_at("2019-03-14", "14:00:00").await;
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'funds_short'").await, ["1"], "told once");
        w.fund(1).await;
        w.settle().await;
        assert_eq!((w.texts("select state from admission").await, w.files().await), (vec!["admitted".to_owned()], vec!["sent".to_owned()]));
        assert_eq!((w.incidents("funds_short").await, w.balance("zero_balance").await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_mark_of_what_is_booked_already_stops_no_other_arrival() {
    on_both(async |w| {
        w.settle().await;
        let before = w.balance("zero_balance").await;
        w.sql("insert into funding_to_book (funding) select id from funding").await;
        w.fund(1_234).await;
        w.settle().await;
        assert_eq!(w.balance("zero_balance").await, before + 1_234, "once, and only what is new");
    })
    .await;
}

#[tokio::test]
async fn what_is_spoken_for_is_not_free_for_the_next() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let (a, b) = (draft("A", SPLIT, 0..3), draft("B", SPLIT, 3..6));
        w.fund(a.declared + b.declared - 1).await;
        for d in [&a, &b] {
            w.release(d).await;
        }
        w.admit().await;
        assert_eq!(w.texts("select batch || ' ' || state from admission order by batch").await, ["A admitted", "B held"]);
        let purse = &w.gateway.store.read().await.unwrap().purses("", w.now).await.unwrap()[0];
        assert_eq!(
            (purse.arrived.get(), purse.spoken_for.get(), purse.free.get()),
            (a.declared + b.declared - 1, a.declared, b.declared - 1)
        );
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        let purse = &w.gateway.store.read().await.unwrap().purses("", w.now).await.unwrap()[0];
        let failed = a.rows[1].amount.get();
        let found = [purse.spoken_for, purse.instructed, purse.paid, purse.back, purse.free].map(bankgate::domain::money::Fen::get);
        assert_eq!(found, [0, 0, a.declared - failed, failed, b.declared - 1]);
    })
    .await;
}

#[tokio::test]
async fn money_of_another_year_another_model_or_another_day_does_not_count_and_is_said() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let now = w.now;
        arrives(w, 2018, "quota", 1_000_000, now).await;
        arrives(w, 2019, "cash", 2_000_000, now).await;
        arrives(w, 2019, "quota", 3_000_000, now.plus_minutes(60)).await;
        w.release(&draft("A", SPLIT, 0..3)).await;
        w.admit().await;
        let why = w.texts("select reasons from admission where state = 'held'").await.remove(0);
        for part in ["可用0.00元", "10000.00元属其他年度", "20000.00元资金方式与协议不符", "30000.00元尚未到账"] {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert_eq!(w.incidents("funding_aside").await, 1);
        assert_eq!(w.balance("zero_balance").await, 1_000_000, "that of 2018 lies in its own purse");
        let aside = w.gateway.store.read().await.unwrap().arrivals("", w.now).await.unwrap();
        assert_eq!(aside.iter().map(|a| a.aside.as_str()).collect::<Vec<_>>(), ["", "funds_model", "future"]);
        w.settle_at("2019-03-14", "11:10:00").await;
        assert_eq!(w.texts("select state from admission").await, ["admitted"], "an hour later the quota is here");
        // The agreement is changed to cash: what lay aside counts by itself.
        w.sql("update agreement set funds_model = 'cash' where bank = 'B1'").await;
        w.settle().await;
        assert_eq!(w.incidents("funding_aside").await, 0);
    })
    .await;
}

/// Two vouchers of just as much: no key tells whose a credit is, and two persons know.
#[tokio::test]
async fn cash_that_no_key_tells_apart_is_matched_by_two_persons() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        w.sql("update agreement set funds_model = 'cash'").await;
        let now = w.now;
        arrives(w, 2019, "cash", 5_000, now).await;
        arrives(w, 2019, "cash", 5_000, now).await;
        w.state(SPLIT, "2019-03-14", 50_000_000, &[credit(5_000, "", "财政拨款"), credit(5_000, "", "财政拨款")]);
        w.settle_at("2019-03-18", "09:00:00").await;
        assert_eq!(w.open_breaks().await, ["missing_here"; 2]);
        let to = format!("funding {}", w.int("select max(id) from funding").await);
        let (id, effect) = propose_match(&w.gateway, &who("bureau"), (1, 2), &to, "国库支付凭证2019-7", w.now).await.unwrap();
        assert!(effect.contains("credit 50.00 yuan") && effect.contains(&to), "{effect}");
        approve(&w.gateway, &who("chief"), id, w.now).await.unwrap();
        w.settle().await;
        // The other two have only each other.
        assert_eq!(w.texts("select kind || ' ' || how from statement_match order by id").await, ["funding manual", "funding amount"]);
        assert_eq!((w.open_breaks().await.len(), w.verdict(SPLIT, "2019-03-14").await), (0, "RECONCILED".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_was_carried_over_waits_for_the_new_years_money_and_does_not_loop() {
    on_both(async |w| {
        w.release(&draft("A", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, LOST]);
        w.settle().await;
        assert_eq!(w.states("A").await, ["paid", "failed_final"]);
        // The year end gave the money back; the entitlement stays.
        w.sql("update instruction_state set state = 'carried' where state = 'failed_final'").await;
        let mut again = reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())]);
        again.pay_on = "2020-01-06".to_owned();
        w.now = at("2020-01-06", "09:00:00");
        w.release(&again).await;
        assert!(try_for_an_hour(w).await > 0);
        assert_eq!((try_for_an_hour(w).await, w.incidents("funds_short").await), (0, 1), "told once, and then it only waits");
        assert_eq!(w.texts("select state from admission where batch = 'R'").await, ["held"]);
        assert!(w.texts("select reasons from admission where batch = 'R'").await[0].contains("2020"));
        let now = w.now;
        arrives(w, 2020, "quota", again.declared, now).await;
        assert!(try_for_an_hour(w).await > 0);
        assert_eq!(w.texts("select state from file_out order by id").await, ["answered", "planned"]);
        assert_eq!(w.incidents("funds_short").await, 0);
        let left = "select balance_fen from account where kind = 'zero_balance' and year = 2020";
        assert_eq!((w.int(left).await, try_for_an_hour(w).await), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_reissue_within_the_year_asks_for_no_new_money() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let d = draft("A", SPLIT, 0..2);
        w.fund(d.declared).await;
        w.release(&d).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, LOST]);
        w.settle().await;
        w.release(&reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())])).await;
        w.settle().await;
        assert_eq!((w.states("R").await, w.incidents("funds_short").await), (vec!["sent".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_would_overdraw_waits_is_told_once_and_goes_on() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let needs = w.gateway.config.admission.funds_required;
        w.change(|g| g.config.admission.funds_required = false);
        let d = draft("A", SPLIT, 0..3);
        w.fund(1).await;
        w.release(&d).await;
        w.settle().await;
        assert_eq!((w.texts("select state from admission").await, w.files().await.len()), (vec!["admitted".to_owned()], 0));
        w.settle_at("2019-03-14", "15:00:00").await;
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'funds_short'").await, ["1"]);
        w.fund(d.declared - 1).await;
        w.settle().await;
        assert_eq!((w.files().await, w.incidents("funds_short").await), (vec!["sent".to_owned()], 0));
        assert!(needs, "by default the gate asks first");
    })
    .await;
}

#[tokio::test]
async fn ages_run_from_the_money_to_the_card_and_the_oldest_unpaid_comes_first() {
    on_both(async |w| {
        w.sql("delete from funding").await;
        let (a, b, c) = (draft("A", SPLIT, 0..2), draft("B", SPLIT, 2..4), draft("C", SPLIT, 4..6));
        w.now = at("2019-03-14", "09:00:00");
        w.fund(a.declared).await;
        w.release(&a).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.now = at("2019-03-15", "09:00:00");
        w.fund(b.declared).await;
        w.release(&b).await;
        w.release(&c).await;
        w.settle().await;
        w.take_one(SPLIT);
        w.now = at("2019-03-18", "09:00:00");
        w.answer(&slip, &[Word::Paid; 2]);
        w.settle().await;
        w.now = at("2019-03-20", "09:00:00");
        let mut tx = w.gateway.store.read().await.unwrap();
        let (purses, mut batches) = (tx.purses("", w.now).await.unwrap(), tx.batch_funds("", "").await.unwrap());
        age(&mut batches, &purses, (&w.gateway.calendar, w.gateway.zone()), w.now);
        let shown: Vec<_> =
            batches.iter().map(|x| (x.number.as_str(), x.state.as_str(), x.open.get(), x.paid.get(), x.working_days)).collect();
        let (da, db, dc) = (a.declared, b.declared, c.declared);
        // Over the weekend no working day goes by: Friday to Wednesday is three, Thursday to Monday two.
        assert_eq!(
            shown,
            [("B", "admitted", db, 0, Some(3)), ("C", "held", dc, 0, None), ("A", "admitted", 0, da, Some(2))],
            "the oldest unpaid, then who has no money, then what is done"
        );
        assert!(batches[1].held_since.is_some() && batches[0].arrived_since == bankgate::domain::money::Fen::new(db));
    })
    .await;
}
