//! The same words in whatever order end in the same states and balances.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::bank::{LOST, Slip, Word};
use super::returns::{books_hold, credit_back, give_back, statement_credit};
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

/// What may be said of one payment, by whomever. To add a word: say it in `say_all`, and where it leads in `end_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    /// A poll says that it was credited.
    Paid,
    /// A poll says that it was not.
    Failed,
    /// A poll knows nothing yet.
    Processing,
    /// A file of returns says that it came back.
    Returned,
    /// The statement shows that it came back.
    Credited,
}

/// Lines of a file, each with the next word that is said of it.
async fn say_all(w: &mut World, slip: &Slip, ids: &[i64], words: &[(usize, Said)]) {
    let poll: Vec<(usize, Word)> = words
        .iter()
        .filter_map(|(line, said)| match said {
            Said::Paid => Some((*line, Word::Paid)),
            Said::Failed => Some((*line, LOST)),
            Said::Processing => Some((*line, Word::Processing)),
            Said::Returned | Said::Credited => None,
        })
        .collect();
    let back: Vec<(usize, i64, &str)> =
        words.iter().filter(|(_, said)| *said == Said::Returned).map(|(line, _)| (*line, slip.orders[*line].fen, "退票")).collect();
    if !poll.is_empty() {
        w.poll(slip, &poll);
    }
    if !back.is_empty() {
        give_back(w, slip, &back);
    }
    for (line, _) in words.iter().filter(|(_, said)| *said == Said::Credited) {
        let order = &slip.orders[*line];
        let shown = statement_credit(w, "2019-03-14", order.fen, &order.reference).await;
        credit_back(w, ids[*line], order.fen, shown).await;
    }
    w.settle().await;
}

/// Where a payment ends of which all this was said, in whatever order and however often.
fn end_of(said: &BTreeSet<Said>) -> &'static str {
    let is = |word| said.contains(&word);
    let is_back = is(Said::Returned) || is(Said::Credited);
    match (is(Said::Paid), is(Said::Failed), is_back) {
        (true, _, true) | (false, true, _) => "failed_final",
        (true, true, false) => "conflict",
        (true, false, false) => "paid",
        // A return alone waits for its success, with the money in flight.
        (false, false, _) if is(Said::Processing) => "unknown",
        (false, false, _) => "sent",
    }
}

#[tokio::test]
async fn i5_i7_success_failure_return_and_credit_end_alike_in_every_order() {
    const LINES: usize = 8;
    let all = vec![Said::Paid, Said::Failed, Said::Processing, Said::Returned, Said::Returned, Said::Credited, Said::Paid];
    let some = proptest::sample::subsequence(all.clone(), 2..=5).prop_shuffle();
    on_both(async |w| {
        w.polls(SPLIT);
        let mut dice = TestRunner::deterministic();
        for round in 0..3 {
            let batch = format!("B{round}");
            w.release(&draft(&batch, SPLIT, round * 10..round * 10 + LINES)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            let ids: Vec<i64> = {
                let sql = format!("select instruction from v_payment where batch = '{batch}' order by seq");
                w.rows(&sql).await.iter().map(|r| r.int(0).unwrap()).collect()
            };
            let told: Vec<Vec<Said>> = (0..LINES).map(|_| some.new_tree(&mut dice).unwrap().current()).collect();
            for step in 0..5 {
                let words: Vec<(usize, Said)> =
                    told.iter().enumerate().filter_map(|(line, words)| words.get(step).map(|word| (line, *word))).collect();
                if !words.is_empty() {
                    say_all(w, &slip, &ids, &words).await;
                }
                assert_eq!(books_hold(w).await, Vec::<String>::new(), "{told:?}");
            }
            let expected: Vec<&str> = told.iter().map(|words| end_of(&words.iter().copied().collect())).collect();
            assert_eq!(w.states(&batch).await, expected, "{told:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_success_after_a_failure_is_in_conflict_also_before_the_failure_is_final() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        for word in [LOST, Word::Paid] {
            w.poll(&slip, &[(0, word)]);
            w.now = w.now.plus_minutes(5);
            w.collect(SPLIT).await;
            w.now = w.now.plus_minutes(5);
            w.collect(SPLIT).await;
            w.apply().await;
            let is = if word == LOST { "failed" } else { "conflict" };
            assert_eq!(w.states("B").await, [is, "sent"]);
        }
    })
    .await;
}
