//! Words of the bank that come behind what people did: nobody is paid twice, and no fen is lost.

use std::path::Path;
use std::sync::Arc;

use bankgate::domain::refund::OrderState;
use bankgate::format::Profile;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::refund::{propose_due, propose_receipt, sent_by_hand};

use super::bank::{LOST, Word};
use super::cases::who;
use super::world::{BANKS, SPLIT, World, draft, on_both, reissue};

/// Nobody is paid who is dead.
const DEAD: Word = Word::Failed("持卡人已死亡");

const ACK: &str = "[[inbound]]\nkind = \"ack\"\nrole = \"ack\"\npath = \"YHDFSL{date:yyyyMMdd}{seq_no:4}.TXT\"\nlayout = \"ack\"\nstatus = \"ack\"\n\n\
    [layout.ack]\nsyntax = \"delimited\"\ndelimiter = \"|\"\n\n[[layout.ack.record]]\nat = \"each\"\nfield = [\n\
    { name = \"受理码\", value = \"status\" },\n{ name = \"总笔数\", value = \"count\" },\n{ name = \"总金额\", value = \"total\", type = \"fen\" },\n\
    { name = \"说明\", value = \"text\" },\n]\n\n[[status.ack]]\nis = [\"00000000\"]\noutcome = \"accepted\"\nfinal = true\n\n\
    [[status.ack]]\notherwise = true\noutcome = \"failed\"\nfinal = true\n\n";

/// The bank acknowledges files and answers in polls; refunds are restored quotas that a person carries to the treasury.
async fn ready(w: &mut World) {
    let id = BANKS.iter().find(|(code, _)| *code == SPLIT).unwrap().1;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats").join(id).join("profile.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("response = \"replace\"", "response = \"cumulative\"".to_owned()),
        ("expected_within_days = 1", "ack_within_minutes = 120\nexpected_within_days = 1".to_owned()),
        ("# ---- Returns (退票)", format!("{ACK}# ---- Returns (退票)")),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, &to);
    }
    let profile = Arc::new(Profile::read(&text, &file).unwrap());
    w.change(|g| drop(g.profiles.insert(id.to_owned(), profile)));
    w.sql("update agreement set treasury_account = '270100000000000013', treasury_name = '国家金库乐山市中心支库', treasury_bank = '011665000016'")
        .await;
}

/// What nobody may keep is ordered back by one, approved by another, and carried to the treasury.
async fn refund(w: &World) {
    for order in propose_due(&w.gateway, &who("bureau"), "D1", "1", Some(2019), w.now).await.unwrap() {
        let proposal = w.int(&format!("select id from proposal where subject = '{}' and state = 'open'", order.number)).await;
        approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
        sent_by_hand(&w.gateway, &who("bureau"), &order.number, w.now).await.unwrap();
    }
    w.audit("a refund").await;
}

/// The treasury has it.
async fn receipts(w: &World) {
    let sent = OrderState::Sent.code();
    for number in w.texts(&format!("select number from refund_order where state = '{sent}' order by id")).await {
        let (proposal, _) = propose_receipt(&w.gateway, &who("bureau"), &number, "国库回单17号", w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
    }
    w.audit("a receipt").await;
}

async fn suspected(w: &World) -> (i64, i64) {
    (w.cases("double_payment_suspected").await, w.incidents("double_payment_suspected").await)
}

#[tokio::test]
async fn i7_failure_refund_receipt_and_then_a_late_success_is_told_and_nothing_follows() {
    on_both(async |w| {
        ready(w).await;
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, DEAD]);
        w.settle().await;
        refund(w).await;
        receipts(w).await;
        assert_eq!(w.states("B").await, ["paid", "refunded"]);
        w.poll(&slip, &[(1, Word::Paid)]);
        w.settle().await;
        assert_eq!((w.states("B").await[1].as_str(), suspected(w).await), ("refunded", (1, 1)));
        w.books_hold().await;
        // Neither a reissue nor another batch pays this person while nobody has cleared it.
        w.release(&reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())])).await;
        w.release(&draft("C", SPLIT, [1])).await;
        w.settle().await;
        assert!(w.take(SPLIT).is_empty(), "paid by the late success, and then again");
        assert_eq!((w.states("R").await, w.states("C").await), (vec!["rejected".to_owned()], vec!["rejected".to_owned()]));
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i7_a_late_success_behind_a_reissue_stops_the_next_one() {
    on_both(async |w| {
        ready(w).await;
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[Word::Paid, LOST]);
        w.settle().await;
        w.release(&reissue("R", SPLIT, &[(1, slip.orders[1].reference.clone())])).await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(1, Word::Paid)]);
        w.settle().await;
        assert_eq!(suspected(w).await, (1, 1));
        // The second fails: the person has the money of the first, and a third would be too many.
        w.answer(&again, &[LOST]);
        w.settle().await;
        w.release(&reissue("S", SPLIT, &[(1, again.orders[0].reference.clone())])).await;
        w.settle().await;
        assert!(w.take(SPLIT).is_empty(), "paid twice");
        assert_eq!(w.states("S").await, ["rejected"]);
        w.books_hold().await;
    })
    .await;
}
