//! What is put away at a bank when it is dealt with, and what stays there because the bank has put another file in its place.

use super::bank::{LOST, Word, result};
use super::files::sent;
use super::world::{SPLIT, on_both};

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
