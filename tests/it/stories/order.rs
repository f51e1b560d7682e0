//! The same words in whatever order end in the same states and balances.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::bank::{LOST, Slip, Word};
use super::world::{CLEARING, SPLIT, World, draft, on_both};

/// Ack and two results that differ on one line, each said once.
async fn say(w: &mut World, slip: &Slip, what: usize) {
    match what {
        0 => w.ack(slip, "00000000", "受理成功"),
        1 => w.answer(slip, &[Word::Paid, LOST, Word::Paid, Word::Processing]),
        _ => w.answer(slip, &[Word::Paid, LOST, LOST, Word::Paid]),
    }
    w.settle().await;
}

#[tokio::test]
async fn i7_ack_success_and_failure_end_alike_in_every_order() {
    on_both(async |w| {
        w.polls(CLEARING);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let mut ends = BTreeSet::new();
        for (at, order) in orders.into_iter().enumerate() {
            let batch = format!("B{at}");
            w.release(&draft(&batch, CLEARING, at * 10..at * 10 + 4)).await;
            w.settle().await;
            let slip = w.take_one(CLEARING);
            for what in order {
                say(w, &slip, what).await;
            }
            ends.insert(w.states(&batch).await);
        }
        assert_eq!(ends, BTreeSet::from([["paid", "failed_final", "conflict", "paid"].map(str::to_owned).to_vec()]));
        assert_eq!(w.cases("conflict").await, 6);
        assert!(w.answers().await.iter().all(|s| s == "applied"));
    })
    .await;
}

/// Where a line ends of which all this was said.
fn end(said: &BTreeSet<&'static str>) -> &'static str {
    match (said.contains("paid"), said.contains("failed"), said.contains("processing")) {
        (true, true, _) => "conflict",
        (true, false, _) => "paid",
        (false, true, _) => "failed_final",
        (false, false, true) => "unknown",
        (false, false, false) => "sent",
    }
}

#[tokio::test]
async fn i5_i7_i23_any_words_in_any_order_end_where_their_sum_says() {
    on_both(async |w| {
        w.polls(SPLIT);
        for seed in 0..6 {
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let batch = format!("B{seed}");
            let first = usize::try_from(seed).unwrap() * 10;
            w.release(&draft(&batch, SPLIT, first..first + 6)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            let mut said: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
            for _ in 0..dice.random_range(2..5) {
                let mut lines: Vec<usize> = (0..6).collect();
                lines.shuffle(&mut dice);
                lines.truncate(dice.random_range(1..6));
                let words: Vec<(usize, Word)> = lines
                    .into_iter()
                    .map(|line| {
                        let (word, name) =
                            [(Word::Paid, "paid"), (LOST, "failed"), (Word::Processing, "processing")][dice.random_range(0..3)];
                        said.entry(line).or_default().insert(name);
                        (line, word)
                    })
                    .collect();
                w.poll(&slip, &words);
                w.settle().await;
            }
            let expected: Vec<&str> = (0..6).map(|line| end(said.get(&line).unwrap_or(&BTreeSet::new()))).collect();
            assert_eq!(w.states(&batch).await, expected, "seed {seed}: {said:?}");
        }
    })
    .await;
}
