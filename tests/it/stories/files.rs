//! Files of banks that come torn, twice, changed, half, poisoned, or not at all.

use bankgate::clock::Since;
use bankgate::daemon::edge_round;

use super::bank::{LOST, Slip, Word, flag, gbk, result, ungbk};
use super::world::{CLEARING, COUNTER, SPLIT, World, draft, on_both};

/// Lines of a whole answer of the counter bank, taken apart so that a story can spoil one.
fn spoil(slip: &Slip, words: &[Word], how: impl Fn(String) -> String) -> (String, Vec<u8>) {
    let (path, bytes) = result(slip, words).remove(0);
    (path, gbk(&how(ungbk(&bytes))))
}

pub async fn sent(w: &mut World, bank: &'static str, people: std::ops::Range<usize>) -> Slip {
    w.release(&draft(&format!("{bank}-{}", people.start), bank, people)).await;
    w.settle().await;
    w.take_one(bank)
}

#[tokio::test]
async fn i1_q8_a_torn_answer_is_superseded_by_the_whole_one() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..5).await;
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid, Word::Paid, Word::Paid]).remove(0);
        let third = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2).unwrap().0;
        w.put(COUNTER, &path, &bytes[..=third]);
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B1-0").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 5]));
        w.put(COUNTER, &path, &bytes);
        w.settle().await;
        assert_eq!(w.answers().await, ["superseded", "applied"]);
        assert_eq!(w.states("B1-0").await, ["paid", "failed_final", "paid", "paid", "paid"]);
        assert_eq!(w.incidents("quarantined").await, 0, "its cause is gone");
    })
    .await;
}

#[tokio::test]
async fn i1_a_torn_half_of_a_pair_comes_whole_and_both_halves_count() {
    on_both(async |w| {
        for (people, torn) in [(0..5, "_F.TXT"), (10..15, "_S.TXT")] {
            let batch = format!("B4-{}", people.start);
            let slip = sent(w, SPLIT, people).await;
            let files = result(&slip, &[Word::Paid, LOST, Word::Paid, LOST, Word::Paid]);
            for (path, bytes) in &files {
                let first = bytes.iter().position(|b| *b == b'\n').unwrap();
                w.put(SPLIT, path, if path.ends_with(torn) { &bytes[..=first] } else { bytes });
            }
            w.settle().await;
            assert_eq!(w.states(&batch).await, vec!["sent"; 5], "nothing of half a set is applied");
            for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(torn)) {
                w.put(SPLIT, path, bytes);
            }
            w.settle().await;
            assert_eq!(w.states(&batch).await, ["paid", "failed_final", "paid", "failed_final", "paid"]);
        }
        assert_eq!(w.incidents("quarantined").await, 0);
    })
    .await;
}

#[tokio::test]
async fn i1_an_empty_half_that_fills_up_later_was_only_torn() {
    on_both(async |w| {
        let slip = sent(w, SPLIT, 0..3).await;
        let files = result(&slip, &[Word::Paid, LOST, Word::Paid]);
        for (path, bytes) in &files {
            w.put(SPLIT, path, if path.ends_with("_F.TXT") { b"" } else { bytes });
        }
        w.settle().await;
        assert_eq!(w.states("B4-0").await, vec!["sent"; 3]);
        w.put(SPLIT, &files[1].0, &files[1].1);
        w.settle().await;
        assert_eq!(w.states("B4-0").await, ["paid", "failed_final", "paid"]);
    })
    .await;
}

#[tokio::test]
async fn i1_torn_data_under_a_whole_flag_is_read_again_with_its_flag() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        let files = result(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.put(CLEARING, &files[0].0, &files[0].1[..900]);
        w.put(CLEARING, &files[1].0, &files[1].1);
        w.settle().await;
        assert_eq!(w.states("B2-0").await, vec!["sent"; 3]);
        w.put(CLEARING, &files[0].0, &files[0].1);
        w.settle().await;
        assert_eq!(w.states("B2-0").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.int("select count(distinct answer_set) from file_in where state = 'applied'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn i1_a_growing_file_is_left_alone() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..3).await;
        let (path, bytes) = result(&slip, &[Word::Paid; 3]).remove(0);
        for end in [20, 40, 60, 80] {
            w.put(COUNTER, &path, &bytes[..end]);
            w.round().await;
            assert!(w.answers().await.is_empty());
        }
        w.put(COUNTER, &path, &bytes);
        w.settle().await;
        assert_eq!(w.answers().await, ["applied"]);
    })
    .await;
}

#[tokio::test]
async fn i2_half_the_rows_change_nothing() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..4).await;
        let half = Slip { orders: slip.orders[..2].to_vec(), ..slip.clone() };
        w.answer(&half, &[Word::Paid; 2]);
        w.settle().await;
        let slip = sent(w, SPLIT, 10..14).await;
        w.poll(&slip, &[(0, Word::Paid), (1, LOST)]);
        w.settle().await;
        assert_eq!(w.answers().await, vec!["quarantined"; 3]);
        assert_eq!(w.incidents("quarantined").await, 2);
        assert_eq!((w.states("B1-0").await, w.states("B4-10").await), (vec!["sent".to_owned(); 4], vec!["sent".to_owned(); 4]));
    })
    .await;
}

#[tokio::test]
async fn i4_other_bytes_for_a_settled_key_are_kept_and_change_nothing() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..3).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "conflict"]);
        assert_eq!(w.incidents("inbound_conflict").await, 1);
        for archive in w.texts("select archive from file_in").await {
            assert!(std::fs::metadata(archive).is_ok(), "both are kept");
        }
        assert_eq!(w.states("B1-0").await, ["paid", "failed_final", "paid"]);
        // The very same again is no news.
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "conflict"]);
    })
    .await;
}

#[tokio::test]
async fn q12_half_a_pair_waits_for_the_other_half() {
    on_both(async |w| {
        let slip = sent(w, SPLIT, 0..3).await;
        let files = result(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.put(SPLIT, &files[0].0, &files[0].1);
        w.settle_at("2019-03-18", "10:00:00").await;
        assert!(w.answers().await.is_empty());
        w.settle_at("2019-03-20", "10:00:00").await;
        assert_eq!((w.states("B4-0").await, w.incidents("overdue").await), (vec!["sent".to_owned(); 3], 1));
        w.put(SPLIT, &files[1].0, &files[1].1);
        w.settle().await;
        assert_eq!(w.states("B4-0").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.incidents("overdue").await, 0);
    })
    .await;
}

#[tokio::test]
async fn q8_an_empty_half_means_that_nothing_failed_or_nothing_was_paid() {
    on_both(async |w| {
        for (people, word, state) in [(0..3, Word::Paid, "paid"), (10..13, LOST, "failed_final")] {
            let batch = format!("B4-{}", people.start);
            let slip = sent(w, SPLIT, people).await;
            w.answer(&slip, &[word; 3]);
            w.settle().await;
            assert_eq!(w.states(&batch).await, vec![state; 3]);
        }
        assert!(w.answers().await.iter().all(|s| s == "applied"), "the same empty bytes under two names are two files");
    })
    .await;
}

#[tokio::test]
async fn i11_one_poison_file_stops_none_of_nine_and_is_told_once() {
    on_both(async |w| {
        let mut slips = Vec::new();
        for at in 0..10 {
            w.release(&draft(&format!("B{at}"), SPLIT, at * 3..at * 3 + 3)).await;
        }
        w.settle().await;
        slips.extend(w.take(SPLIT));
        assert_eq!(slips.len(), 10);
        for (at, slip) in slips.iter().enumerate() {
            w.answer(slip, &[Word::Paid, LOST, Word::Paid]);
            if at == 0 {
                let (path, bytes) = result(slip, &[Word::Paid, LOST, Word::Paid]).remove(0);
                w.put(SPLIT, &path, &bytes.iter().map(|b| if *b == b'|' { 0 } else { *b }).collect::<Vec<_>>());
            }
        }
        w.settle().await;
        for _ in 0..5 {
            w.round().await;
        }
        let applied = w.int("select count(distinct answer_set) from file_in where state = 'applied'").await;
        let quarantined = w.int("select count(distinct answer_set) from file_in where state = 'quarantined'").await;
        assert_eq!((applied, quarantined), (9, 1));
        assert_eq!(w.texts("select cast(times as text) from incident where kind = 'quarantined'").await, ["1"]);
        assert_eq!(w.int("select count(*) from v_instruction where state = 'paid'").await, 18);
    })
    .await;
}

#[tokio::test]
async fn i11_a_statement_that_names_no_day_stops_nothing() {
    on_both(async |w| {
        w.put(SPLIT, "statement/STMT_510601012345678901_20190314.txt", b"T|0|0.00|0|0.00\n");
        w.put(COUNTER, "statement/STMT_510601012345678901_20190314.txt", b"");
        w.settle().await;
        let slip = sent(w, SPLIT, 0..3).await;
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.states("B4-0").await, vec!["paid"; 3]);
    })
    .await;
}

#[tokio::test]
async fn i11_an_unreadable_archive_stops_no_other_set() {
    on_both(async |w| {
        let lost = sent(w, COUNTER, 0..3).await;
        let other = sent(w, SPLIT, 10..13).await;
        w.answer(&lost, &[Word::Paid; 3]);
        w.answer(&other, &[Word::Paid; 3]);
        for bank in [COUNTER, SPLIT] {
            w.collect(bank).await;
        }
        w.now = w.now.plus_minutes(2);
        for bank in [COUNTER, SPLIT] {
            w.collect(bank).await;
        }
        let archive = w.texts("select archive from file_in where bank = 'B1'").await.remove(0);
        std::fs::rename(&archive, format!("{archive}.away")).unwrap();
        let ended = bankgate::passes::stage::stage(&w.gateway, w.now).await;
        assert!(ended.is_err(), "it is told");
        bankgate::passes::apply::apply(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.states("B4-10").await, vec!["paid"; 3]);
        std::fs::rename(format!("{archive}.away"), &archive).unwrap();
        w.settle().await;
        assert_eq!(w.states("B1-0").await, vec!["paid"; 3]);
    })
    .await;
}

#[tokio::test]
async fn i12_one_folder_that_cannot_be_listed_keeps_none_of_the_others_waiting() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        // A file where a folder should be: the statements' folder cannot be listed, nor a dated one.
        w.put(CLEARING, "20190310", b"no folder");
        w.put(CLEARING, "statement", b"no folder");
        w.answer(&slip, &[Word::Paid; 3]);
        let mut failed = 0;
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            failed += i64::from(bankgate::passes::collect::collect(&w.gateway, CLEARING, w.now).await.is_err());
        }
        assert_eq!(failed, 2, "it is an error, and told as one");
        w.apply().await;
        assert_eq!(w.states("B2-0").await, vec!["paid"; 3]);
    })
    .await;
}

/// What a server says "failure" of: a link that leads to itself cannot be listed, a socket cannot be read, and neither says why.
fn fails(w: &World, bank: &str, folder: &str, file: &str) {
    let outbox = w.mailbox(bank).join("outbox");
    std::fs::create_dir_all(outbox.join(folder)).unwrap();
    std::os::unix::fs::symlink("loop", outbox.join(folder).join("loop")).unwrap();
    let socket = w.root.join("socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    std::fs::rename(socket, outbox.join(file)).unwrap();
}

/// All that this bank puts out lies in folders, and a folder that is not there yet is no news: that the outbox is not there is.
#[tokio::test]
async fn i12_an_outbox_that_is_not_there_is_told() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        edge_round(&w.gateway, CLEARING, true, (w.now, Since::Still)).await.unwrap();
        assert_eq!(w.incidents("edge_trouble").await, 0, "nothing was put out yet");
        let [outbox, moved] = ["outbox", "elsewhere"].map(|name| w.mailbox(CLEARING).join(name));
        std::fs::rename(&outbox, &moved).unwrap();
        w.now = w.now.plus_minutes(2);
        edge_round(&w.gateway, CLEARING, true, (w.now, Since::Still)).await.unwrap();
        let told = w.texts("select what from incident where kind = 'edge_trouble' and state = 'open'").await;
        assert!(matches!(&told[..], [what] if what.ends_with("no such file or directory: outbox")), "{told:?}");
        std::fs::rename(&moved, &outbox).unwrap();
        w.answer(&slip, &[Word::Paid; 3]);
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            edge_round(&w.gateway, CLEARING, true, (w.now, Since::Still)).await.unwrap();
        }
        w.apply().await;
        assert_eq!((w.states("B2-0").await, w.incidents("edge_trouble").await), (vec!["paid".to_owned(); 3], 0));
    })
    .await;
}

#[tokio::test]
async fn i12_what_the_server_fails_to_read_keeps_none_of_the_others_waiting() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        w.answer(&slip, &[Word::Paid; 3]);
        // A folder that is listed before that of the answer, and a file that is taken before it.
        fails(w, CLEARING, "20190310", &slip.path.replace(".dat", ".ack"));
        let mut failed = 0;
        for _ in 0..3 {
            w.now = w.now.plus_minutes(2);
            failed += i64::from(bankgate::passes::collect::collect(&w.gateway, CLEARING, w.now).await.is_err());
        }
        assert_eq!(failed, 3, "it is an error, and told as one");
        w.apply().await;
        assert_eq!(w.states("B2-0").await, vec!["paid"; 3]);
    })
    .await;
}

#[tokio::test]
async fn i12_what_the_server_fails_to_read_keeps_nothing_from_going_out_and_is_told() {
    on_both(async |w| {
        for (batch, people) in [("A", 0..3), ("B", 3..6)] {
            w.release(&draft(batch, SPLIT, people)).await;
            w.settle().await;
        }
        let slips = w.take(SPLIT);
        slips.iter().for_each(|slip| w.answer(slip, &[Word::Paid; 3]));
        let (path, bytes) = result(&slips[0], &[Word::Paid; 3]).remove(0);
        fails(w, SPLIT, "statement", &path);
        for told in [0, 0, 1, 1] {
            w.now = w.now.plus_minutes(2);
            edge_round(&w.gateway, SPLIT, true, (w.now, Since::Still)).await.unwrap();
            assert_eq!(w.incidents("edge_trouble").await, told);
        }
        w.apply().await;
        assert_eq!((w.states("A").await, w.states("B").await), (vec!["sent".to_owned(); 3], vec!["paid".to_owned(); 3]));
        // The next list goes out in the very round that plans it, and that looks at nothing.
        w.release(&draft("C", SPLIT, 6..9)).await;
        w.admit().await;
        edge_round(&w.gateway, SPLIT, false, (w.now, Since::Still)).await.unwrap();
        assert_eq!((w.take(SPLIT).len(), w.incidents("edge_trouble").await), (1, 1));
        // The bank mends it.
        let outbox = w.mailbox(SPLIT).join("outbox");
        std::fs::remove_file(outbox.join("statement/loop")).unwrap();
        std::fs::remove_file(outbox.join(&path)).unwrap();
        w.put(SPLIT, &path, &bytes);
        for _ in 0..2 {
            w.now = w.now.plus_minutes(2);
            edge_round(&w.gateway, SPLIT, true, (w.now, Since::Still)).await.unwrap();
        }
        w.apply().await;
        assert_eq!((w.states("A").await, w.incidents("edge_trouble").await), (vec!["paid".to_owned(); 3], 0));
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_nothing_that_was_sent_is_quarantined() {
    on_both(async |w| {
        let slip = sent(w, SPLIT, 0..3).await;
        // A reference that is not in the file, one that is no reference of ours, and a file that was never sent.
        let mut stranger = slip.clone();
        stranger.orders[1].reference = "BG0000000000990014".to_owned();
        w.answer(&stranger, &[Word::Paid; 3]);
        let unsent = Slip { path: "YHDF__201903140099.TXT".to_owned(), ..slip.clone() };
        w.answer(&unsent, &[Word::Paid; 3]);
        w.settle().await;
        assert_eq!(w.answers().await, vec!["quarantined"; 4]);
        assert_eq!(w.states("B4-0").await, vec!["sent"; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_reference_that_is_not_ours_is_not_excused_by_the_lines_number() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        let (path, mut bytes) = result(&slip, &[Word::Paid; 3]).remove(0);
        bytes[277 + 573 + 8..][..18].copy_from_slice(b"XX0000000000990014");
        w.put(CLEARING, &format!("{path}.ok"), &flag(&bytes));
        w.put(CLEARING, &path, &bytes);
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B2-0").await), (vec!["quarantined".to_owned(); 2], vec!["sent".to_owned(); 3]));
    })
    .await;
}

#[tokio::test]
async fn a_line_number_beyond_all_bounds_is_a_line_of_nothing() {
    on_both(async |w| {
        for (at, number) in ["0", "4", "9223372036854775807", "18446744073709551615"].into_iter().enumerate() {
            w.settle_at(&format!("2019-03-{}", 18 + at), "09:00:00").await;
            let slip = sent(w, COUNTER, at * 3..at * 3 + 3).await;
            let (path, bytes) = spoil(&slip, &[Word::Paid; 3], |text| text.replace("\r\n3|", &format!("\r\n{number}|")));
            w.put(COUNTER, &path, &bytes);
            w.settle().await;
        }
        assert_eq!((w.files().await, w.answers().await), (vec!["sent".to_owned(); 4], vec!["quarantined".to_owned(); 4]));
    })
    .await;
}

#[tokio::test]
async fn i14_q12_a_row_that_differs_from_what_was_sent_is_a_conflict_and_stops_no_other() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..5).await;
        let orders = slip.orders.clone();
        let (path, bytes) = spoil(&slip, &[Word::Paid; 5], |text| {
            // Another account, another name, and two amounts that still add up.
            text.replace(&orders[0].account, "6217009999999999999")
                .replace(&format!("\r\n2|{}|", orders[1].name), "\r\n2|赵一|")
                .replace(
                    &format!("|{}.{:02}|{}", orders[2].fen / 100, orders[2].fen % 100, orders[2].account),
                    &format!("|{}.{:02}|{}", (orders[2].fen + 1) / 100, (orders[2].fen + 1) % 100, orders[2].account),
                )
                .replace(
                    &format!("|{}.{:02}|{}", orders[3].fen / 100, orders[3].fen % 100, orders[3].account),
                    &format!("|{}.{:02}|{}", (orders[3].fen - 1) / 100, (orders[3].fen - 1) % 100, orders[3].account),
                )
        });
        w.put(COUNTER, &path, &bytes);
        w.settle().await;
        assert_eq!(w.states("B1-0").await, ["conflict", "conflict", "conflict", "conflict", "paid"]);
        assert_eq!(w.cases("conflict").await, 4);
    })
    .await;
}

#[tokio::test]
async fn q10_a_file_replaced_while_it_is_put_away_is_collected_too() {
    on_both(async |w| {
        let slip = sent(w, COUNTER, 0..3).await;
        let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid]).remove(0);
        w.put(COUNTER, &path, &bytes);
        let place = w.mailbox(COUNTER).join("outbox").join(&path);
        let stamp = std::fs::metadata(&place).unwrap().modified().unwrap();
        w.collect(COUNTER).await;
        w.now = w.now.plus_minutes(2);
        w.collect(COUNTER).await;
        w.apply().await;
        // Same size, same second, other bytes: a listing cannot tell them apart.
        let swapped = spoil(&slip, &[Word::Paid, LOST, Word::Paid], |text| text.replace("挂失", "销户")).1;
        assert_eq!((swapped.len(), swapped == bytes), (bytes.len(), false));
        w.put(COUNTER, &path, &swapped);
        std::fs::File::options().write(true).open(&place).unwrap().set_modified(stamp).unwrap();
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "conflict"]);
        assert_eq!(replaced(w).await, ["closed"]);
    })
    .await;
}

/// Of what came in another file's place: whether it is collected.
async fn replaced(w: &World) -> Vec<String> {
    w.texts("select state from incident where kind = 'inbound_replaced' order by key").await
}

/// A file of three was sent, and its answer, file 1, applied: it has not been put away yet.
pub async fn applied(w: &mut World) -> (Slip, String, Vec<u8>) {
    let slip = sent(w, COUNTER, 0..3).await;
    let (path, bytes) = result(&slip, &[Word::Paid, LOST, Word::Paid]).remove(0);
    w.put(COUNTER, &path, &bytes);
    w.collect(COUNTER).await;
    w.now = w.now.plus_minutes(2);
    w.collect(COUNTER).await;
    w.apply().await;
    (slip, path, bytes)
}

/// Moves what lies there in the place of file 1, as the node does.
fn put_away_by_hand(w: &World, path: &str) -> std::path::PathBuf {
    let [from, to] =
        [("outbox", path.to_owned()), ("done", format!("{path}.1"))].map(|(dir, path)| w.mailbox(COUNTER).join(dir).join(path));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(from, &to).unwrap();
    to
}

/// The node died behind the rename that puts a file away: what it moved was looked at by nobody.
#[tokio::test]
async fn q10_a_file_replaced_before_a_crash_is_collected_too() {
    for again in [false, true] {
        on_both(async |w| {
            let (slip, path, bytes) = applied(w).await;
            let swapped = spoil(&slip, &[Word::Paid, LOST, Word::Paid], |text| text.replace("挂失", "销户")).1;
            w.put(COUNTER, &path, &swapped);
            put_away_by_hand(w, &path);
            if again {
                // And the bank puts out the first one again, in the name's place.
                w.put(COUNTER, &path, &bytes);
            }
            w.settle().await;
            assert_eq!(replaced(w).await, ["closed"]);
            let mut found = w.answers().await;
            found.retain(|state| state != "duplicate");
            assert_eq!(found, ["applied", "conflict"], "{again}");
        })
        .await;
    }
}

/// And where it was ours that it moved, what the bank has put out under the name since is another file.
#[tokio::test]
async fn q10_what_comes_under_the_name_of_a_file_that_was_put_away_before_a_crash_stays_for_itself() {
    on_both(async |w| {
        let (slip, path, bytes) = applied(w).await;
        let to = put_away_by_hand(w, &path);
        let other = spoil(&slip, &[Word::Paid, LOST, Word::Paid], |text| text.replace("挂失", "销户")).1;
        w.put(COUNTER, &path, &other);
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "conflict"]);
        assert_eq!((std::fs::read(to).unwrap() == bytes, replaced(w).await.len()), (true, 0));
    })
    .await;
}

/// A server did hours later what it was asked for and had not answered: with what the bank had put in the place since. Meanwhile
/// the node asked once more, and found a second file.
#[tokio::test]
async fn q10_what_a_server_moves_away_hours_later_is_collected_too() {
    on_both(async |w| {
        let (slip, path, _) = applied(w).await;
        let [second, third] = ["销户", "冻结"].map(|reason| {
            let spoiled = spoil(&slip, &[Word::Paid, LOST, Word::Paid], |text| text.replace("挂失", reason));
            spoiled.1
        });
        let begun =
            format!("insert into putting_away (file_in, attempt, path, begun_at) values (1, 1, 'done/{path}.1', {})", w.now.millis());
        w.sql(&begun).await;
        w.settle().await;
        assert!(w.mailbox(COUNTER).join("outbox").join(&path).exists(), "its end is not known: no other is asked for yet");
        let place = w.mailbox(COUNTER).join("outbox").join(&path);
        let stamp = std::fs::metadata(&place).unwrap().modified().unwrap();
        for (bytes, looks_alike) in [(&second, true), (&third, false)] {
            w.put(COUNTER, &path, bytes);
            if looks_alike {
                std::fs::File::options().write(true).open(&place).unwrap().set_modified(stamp).unwrap();
                w.now = w.now.plus_minutes(90);
            } else {
                put_away_by_hand(w, &path);
            }
            w.settle().await;
        }
        assert_eq!(w.answers().await, ["applied", "conflict", "conflict"]);
        let kept = w.texts("select archive from file_in order by id").await;
        let kept: Vec<Vec<u8>> = kept.iter().map(|archive| std::fs::read(archive).unwrap()).collect();
        assert_eq!((kept[1] == second, kept[2] == third), (true, true));
        assert_eq!((replaced(w).await, w.int("select count(*) from putting_away").await), (vec!["closed".to_owned(); 2], 0));
    })
    .await;
}

/// The bank writes its next answer under the name, and takes its time: that is read where it lies, once it is whole.
#[tokio::test]
async fn a_file_that_the_bank_is_writing_is_not_put_away_for_the_one_before_it() {
    on_both(async |w| {
        let (slip, path, _) = applied(w).await;
        let other = spoil(&slip, &[Word::Paid, LOST, Word::Paid], |text| text.replace("挂失", "销户")).1;
        w.put(COUNTER, &path, &other[..other.len() / 2]);
        w.now = w.now.plus_minutes(2);
        w.collect(COUNTER).await;
        assert!(w.mailbox(COUNTER).join("outbox").join(&path).exists(), "the bank goes on writing there");
        w.put(COUNTER, &path, &other);
        w.settle().await;
        assert_eq!((w.answers().await, replaced(w).await.len()), (vec!["applied".to_owned(), "conflict".to_owned()], 0));
        let kept = w.texts("select archive from file_in order by id").await;
        assert!(std::fs::read(&kept[1]).unwrap() == other, "all of it is kept");
    })
    .await;
}

/// And where flags say when a file is whole, the flag of the one before says it of no other.
#[tokio::test]
async fn an_old_flag_says_nothing_of_a_new_file() {
    on_both(async |w| {
        let slip = sent(w, CLEARING, 0..3).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.collect(CLEARING).await;
        w.apply().await;
        let other = result(&slip, &[Word::Paid; 3]);
        w.put(CLEARING, &other[0].0, &other[0].1[..900]);
        w.now = w.now.plus_minutes(2);
        w.collect(CLEARING).await;
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "applied"], "half a file waits for a flag of its own");
        for (path, bytes) in &other {
            w.put(CLEARING, path, bytes);
        }
        w.settle().await;
        assert_eq!(w.answers().await, ["applied", "applied", "conflict", "conflict"]);
        let kept = w.texts("select archive from file_in where state = 'conflict' order by bytes desc").await;
        assert!(std::fs::read(&kept[0]).unwrap() == other[0].1, "all of it is kept");
    })
    .await;
}

#[tokio::test]
async fn a_value_of_the_agreement_reaches_the_name_and_the_answers_key() {
    on_both(async |w| {
        w.sql("update agreement set extra = '{\"branch\": \"0600\"}' where number = 'A-B1'").await;
        let slip = sent(w, COUNTER, 0..2).await;
        assert_eq!(slip.path, "20190314/0600037", "the agreement's value goes before the profile's");
        w.answer(&slip, &[Word::Paid, LOST]);
        w.settle().await;
        assert_eq!(w.states("B1-0").await, ["paid", "failed_final"]);
        // What is no object cannot be written at all.
        let mut tx = w.gateway.store.begin().await.unwrap();
        let none = Vec::<bankgate::store::sql::Value>::new();
        assert!(tx.exec("update agreement set extra = '[1]' where number = 'A-B1'", none).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_column_of_ours_that_came_back_otherwise_quarantines_the_answer() {
    on_both(async |w| {
        w.declares(CLEARING, "text = \"{project_short}[;{mobile}]\" }", "text = \"{project_short}[;{mobile}]\", same_as = \"附言\" }");
        let slip = sent(w, CLEARING, 0..3).await;
        let mut files = result(&slip, &[Word::Paid, LOST, Word::Paid]);
        for line in [1, 2] {
            let at = 277 + line * 573 + 224;
            files[0].1[at..at + 4].copy_from_slice(&gbk("工资"));
        }
        w.put(CLEARING, &files[0].0, &files[0].1);
        w.put(CLEARING, &files[1].0, &flag(&files[0].1));
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B2-0").await), (vec!["quarantined".to_owned(); 2], vec!["sent".to_owned(); 3]));
        let said = w.texts("select problems from file_in where state = 'quarantined' order by id limit 1").await.concat();
        let places = ["line 3, 附言", "line 4, 附言"].map(|place| said.contains(place));
        assert!(places == [true, true] && !said.contains("line 2") && !said.contains("工资"), "which lines, and nobody's words: {said}");
        let slip = sent(w, CLEARING, 10..13).await;
        w.answer(&slip, &[Word::Paid, LOST, Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("B2-10").await, ["paid", "failed_final", "paid"], "as it went, it counts");
    })
    .await;
}
