//! What is put away at a bank when it is dealt with, and what stays there because the bank has put another file in its place.

use super::bank::{LOST, Word, result};
use super::files::{applied, sent};
use super::world::{COUNTER, SPLIT, at, on_both};

/// The bank corrects one half of its answer before either is put away: the other half stays until the new one was read beside it.
#[tokio::test]
async fn half_an_answer_that_is_replaced_is_read_beside_the_other_half() {
    on_both(async |w| {
        let slip = sent(w, SPLIT, 0..3).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.collect(SPLIT).await;
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
        w.apply().await;
        assert_eq!(w.answers().await, ["applied", "applied"]);
        let (path, other) = result(&slip, &[Word::Paid, Word::Failed("账户已销户，请核实"), Word::Paid]).remove(1);
        w.put(SPLIT, &path, &other);
        w.now = w.now.plus_minutes(2);
        w.collect(SPLIT).await;
        let [paid, failed] = ["_S.TXT", "_F.TXT"].map(|end| w.mailbox(SPLIT).join("outbox").join(path.replace("_F.TXT", end)));
        assert_eq!((paid.exists(), failed.exists()), (true, true), "without it the new one would be half an answer for ever");
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "applied", "conflict"]);
        assert_eq!((w.incidents("inbound_conflict").await, paid.exists()), (1, false));
        let kept = w.texts("select archive from file_in where state = 'conflict'").await;
        assert!(std::fs::read(&kept[0]).unwrap() == other, "all of it is kept");
        assert_eq!(w.states("B4-0").await, ["paid", "failed_final", "paid"]);
    })
    .await;
}

/// The folder of a day long gone is listed no more: what the bank puts there in the place of its answer is read by nobody.
#[tokio::test]
async fn what_nobody_reads_in_the_place_of_an_answer_is_told_after_a_day() {
    on_both(async |w| {
        let (_, path, bytes) = applied(w).await;
        let place = w.mailbox(COUNTER).join("outbox").join(&path);
        w.put(COUNTER, &path, &bytes[..bytes.len() / 2]);
        for (day, told) in [("2019-04-22", 0), ("2019-04-23", 1), ("2019-04-24", 1)] {
            w.now = at(day, "10:00:00");
            w.collect(COUNTER).await;
            assert_eq!((w.incidents("inbound_unread").await, place.exists()), (told, true), "{day}");
        }
        assert_eq!(w.answers().await, ["applied"]);
        // The bank takes it away.
        std::fs::remove_file(&place).unwrap();
        w.collect(COUNTER).await;
        assert_eq!(w.incidents("inbound_unread").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_which_the_listing_gave_no_time_is_put_away() {
    on_both(async |w| {
        let (_, path, _) = applied(w).await;
        w.sql(&format!("update sighting set modified_s = 0 where path = '{path}'")).await;
        w.now = at("2019-04-22", "10:00:00");
        w.collect(COUNTER).await;
        assert!(!w.mailbox(COUNTER).join("outbox").join(&path).exists());
    })
    .await;
}
