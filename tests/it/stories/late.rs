//! Words that come late, twice, or against what was said before.

use super::bank::{BUSY, Word};
use super::world::{SPLIT, World, draft, on_both};

/// Three payments whose bank is busy; their retries wait for tomorrow.
async fn three_wait_for_tomorrow(w: &mut World) -> super::bank::Slip {
    w.polls(SPLIT);
    w.release(&draft("B", SPLIT, 0..3)).await;
    w.settle().await;
    let slip = w.take_one(SPLIT);
    w.answer(&slip, &[BUSY; 3]);
    w.settle().await;
    assert_eq!(w.attempts("B").await, ["failed_final", "failed_final", "failed_final", "pending", "pending", "pending"]);
    slip
}

#[tokio::test]
async fn i6_a_late_success_behind_a_published_retry_is_told_at_once() {
    on_both(async |w| {
        let slip = three_wait_for_tomorrow(w).await;
        w.settle_at("2019-03-15", "09:00:00").await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.cases("double_payment_suspected").await, w.incidents("double_payment_suspected").await), (1, 1));
        w.answer(&again, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 3]);
    })
    .await;
}
