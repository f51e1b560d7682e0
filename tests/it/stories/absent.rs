//! A bank that lists failures alone, without a reference: what it leaves out was paid only where its count and its amount prove it,
//! and which of two equal payments it means is never guessed.

use std::sync::Arc;

use bankgate::domain::masked::IdNumber;
use bankgate::format::Profile;

use super::bank::LOST;
use super::bank::Word;
use super::world::{CLEARING, World, draft, on_both};

const PLACE: &str = "20190314/h2h_batchPay_LS0001_201903140001";

/// From here on the clearing bank exchanges lists in CSV; the profile may be changed in words.
async fn lists_failures(w: &mut World, change: &[(&str, &str)]) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/csv-plus-control/profile.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in change {
        assert!(text.contains(from));
        text = text.replace(from, to);
    }
    let profile = Arc::new(Profile::read(&text, &file).unwrap());
    w.change(|g| drop(g.profiles.insert("csv-plus-control".to_owned(), profile)));
    w.sql("update agreement set profile = 'csv-plus-control' where number = 'A-B2'").await;
}

/// Account, name, fen of each line that lies in the bank's inbox; its control message is there, too.
fn orders(w: &World) -> Vec<(String, String, i64)> {
    let inbox = w.mailbox(CLEARING).join("inbox");
    assert!(inbox.join(format!("{PLACE}.csv.xml")).exists());
    let text = std::fs::read_to_string(inbox.join(format!("{PLACE}.csv"))).unwrap();
    let of = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('"').split("\",\"").collect();
        (cells[0].to_owned(), cells[1].to_owned(), cells[3].replace('.', "").parse().unwrap())
    };
    text.lines().skip(1).map(of).collect()
}

fn answer(w: &World, (count, fen): (usize, i64), failed: &[&(String, String, i64)]) {
    let yuan = |fen: i64| format!("{}.{:02}", fen / 100, fen % 100);
    let Word::Failed(why) = LOST else { unreachable!() };
    let rows: String = failed.iter().map(|(account, name, fen)| format!("{account},{name},{},{why}\r\n", yuan(*fen))).collect();
    w.put(CLEARING, &format!("{PLACE}_R.csv"), format!("\u{FEFF}{count},{}\r\n{rows}", yuan(fen)).as_bytes());
}

#[tokio::test]
async fn what_a_proven_list_of_failures_leaves_out_is_paid() {
    on_both(async |w| {
        lists_failures(w, &[]).await;
        w.release(&draft("B", CLEARING, 0..5)).await;
        w.settle().await;
        let orders = orders(w);
        let total: i64 = orders.iter().map(|o| o.2).sum();
        answer(w, (4, total - orders[1].2), &[&orders[1]]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid", "paid", "paid"]);
        assert_eq!((w.answers().await, w.files().await), (vec!["applied".to_owned()], vec!["answered".to_owned()]));
        assert_eq!((w.balance("bank_clearing").await, w.cases("failed").await), (0, 1));
        assert_eq!(
            w.int("select count(*) from answer_line where line > 1000000000000").await,
            4,
            "what is proven by absence stands behind the file's lines"
        );
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_paid_by_absence_without_proof() {
    for (count, off) in [(2, 0), (4, 0), (3, -1), (3, 100)] {
        on_both(async |w| {
            lists_failures(w, &[]).await;
            w.release(&draft("B", CLEARING, 0..4)).await;
            w.settle().await;
            let orders = orders(w);
            let total: i64 = orders.iter().map(|o| o.2).sum();
            answer(w, (count, total - orders[1].2 + off), &[&orders[1]]);
            w.settle().await;
            assert_eq!(
                (w.answers().await, w.states("B").await),
                (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 4]),
                "{count} {off}"
            );
            assert_eq!((w.incidents("quarantined").await, w.balance("paid").await), (1, 0), "a person is told, no fen moves");
            w.books_hold().await;
        })
        .await;
    }
}

#[tokio::test]
async fn where_the_profile_gives_absence_no_meaning_it_has_none() {
    on_both(async |w| {
        lists_failures(w, &[("absence_means = \"paid\"\n", "")]).await;
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let orders = orders(w);
        let total: i64 = orders.iter().map(|o| o.2).sum();
        answer(w, (2, total - orders[1].2), &[&orders[1]]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["sent", "failed_final", "sent"], "right as its sums are");
    })
    .await;
}

#[tokio::test]
async fn in_polls_absence_waits_until_the_sums_leave_nothing_open() {
    on_both(async |w| {
        lists_failures(w, &[("response = \"replace\"", "response = \"cumulative\"")]).await;
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let orders = orders(w);
        let total: i64 = orders.iter().map(|o| o.2).sum();
        answer(w, (1, orders[0].2), &[&orders[1]]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["sent", "failed_final", "sent"], "one is still with the bank, nobody knows which");
        answer(w, (2, total - orders[1].2), &[&orders[1]]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid"]);
        assert_eq!(w.answers().await, ["applied", "applied"]);
    })
    .await;
}

#[tokio::test]
async fn equal_sums_on_one_card_are_told_apart_by_the_name() {
    on_both(async |w| {
        lists_failures(w, &[]).await;
        let mut d = draft("B", CLEARING, 0..3);
        d.rows[2].account = d.rows[1].account.clone();
        d.rows[2].amount = d.rows[1].amount;
        d.seal();
        w.release(&d).await;
        w.settle().await;
        let orders = orders(w);
        let total: i64 = orders.iter().map(|o| o.2).sum();
        answer(w, (2, total - orders[2].2), &[&orders[2]]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final"]);
    })
    .await;
}

/// Three payments, the last two to one card and of one sum: one is the other's proxy.
async fn twins(w: &mut World) -> Vec<(String, String, i64)> {
    lists_failures(w, &[]).await;
    let mut d = draft("B", CLEARING, 0..3);
    d.rows[2].account = d.rows[1].account.clone();
    d.rows[2].amount = d.rows[1].amount;
    d.rows[2].payee_name = d.rows[1].payee_name.clone();
    d.rows[2].payee_id = d.rows[1].payee_id.clone();
    "proxy".clone_into(&mut d.rows[2].payee_role);
    "M1".clone_into(&mut d.rows[2].mandate_no);
    d.rows[2].entitled_id = IdNumber::new("");
    d.seal();
    w.release(&d).await;
    w.settle().await;
    let orders = orders(w);
    assert_eq!(orders.len(), 3, "{:?}", w.refusals().await);
    assert_eq!((&orders[1].0, orders[1].2), (&orders[2].0, orders[2].2), "{:?}", w.refusals().await);
    orders
}

#[tokio::test]
async fn which_of_two_equal_payments_failed_is_not_guessed() {
    on_both(async |w| {
        let orders = twins(w).await;
        let total: i64 = orders.iter().map(|o| o.2).sum();
        answer(w, (2, total - orders[1].2), &[&orders[1]]);
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 3]));
        assert_eq!(w.incidents("quarantined").await, 1);
    })
    .await;
}

#[tokio::test]
async fn where_equal_payments_failed_alike_there_is_nothing_to_guess() {
    on_both(async |w| {
        let orders = twins(w).await;
        answer(w, (1, orders[0].2), &[&orders[1], &orders[2]]);
        w.settle().await;
        let states = w.states("B").await;
        assert_eq!(states[0], "paid", "{:?} {:?}", w.answers().await, w.texts("select problems from file_in").await);
        assert_eq!(states[1..], ["failed_final", "failed_final"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_stranger_among_the_failures_quarantines_the_list() {
    on_both(async |w| {
        lists_failures(w, &[]).await;
        w.release(&draft("B", CLEARING, 0..2)).await;
        w.settle().await;
        let orders = orders(w);
        let stranger = ("6217001234599999999".to_owned(), orders[1].1.clone(), orders[1].2);
        answer(w, (1, orders[0].2), &[&stranger]);
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 2]));
    })
    .await;
}
