//! Words of the bank and acts of people, in any order: nobody is paid twice, no fen is lost, and what was said before the
//! first act on a final word ends alike however it came.
//!
//! The model here knows what the bank said and what people did, and nothing of our tables. What may follow is worked out
//! from that alone: a payment is made again only where every earlier attempt finally failed, or came back, and was not
//! paid after all.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bankgate::domain::ids::EndToEndId;
use bankgate::domain::refund::OrderState;
use bankgate::format::Profile;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::refund::{propose_due, propose_receipt, sent_by_hand};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::bank::{LOST, Slip, Word, gbk};
use super::cases::who;
use super::returns::{credit_back, give_back, statement_credit};
use super::world::{BANKS, SPLIT, World, at, draft, id_number, on_both, reissue};

/// Nobody is paid who is dead.
const DEAD: Word = Word::Failed("持卡人已死亡");

const ACK: &str = "[[inbound]]\nkind = \"ack\"\nrole = \"ack\"\npath = \"YHDFSL{date:yyyyMMdd}{seq_no:4}.TXT\"\nlayout = \"ack\"\nstatus = \"ack\"\n\n\
    [layout.ack]\nsyntax = \"delimited\"\ndelimiter = \"|\"\n\n[[layout.ack.record]]\nat = \"each\"\nfield = [\n\
    { name = \"受理码\", value = \"status\" },\n{ name = \"总笔数\", value = \"count\" },\n{ name = \"总金额\", value = \"total\", type = \"fen\" },\n\
    { name = \"说明\", value = \"text\" },\n]\n\n[[status.ack]]\nis = [\"00000000\"]\noutcome = \"accepted\"\nfinal = true\n\n\
    [[status.ack]]\notherwise = true\noutcome = \"failed\"\nfinal = true\n\n";

/// The bank acknowledges files and answers in polls; refunds are restored quotas that a person carries to the treasury.
pub async fn ready(w: &mut World) {
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

pub fn acknowledge(w: &World, slip: &Slip) {
    let stem = slip.path.strip_prefix("YHDF__").unwrap();
    let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
    w.put(SPLIT, &format!("YHDFSL{stem}"), &gbk(&format!("00000000|{}|{total}|受理成功\n", slip.orders.len())));
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
async fn i7_q5_failure_refund_receipt_and_then_a_late_success_is_told_and_nothing_follows() {
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

/// What is said of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Paid,
    Failed,
    /// A file of returns says that it came back.
    Returned,
    /// The statement shows that it came back.
    Credited,
}

/// What happens to a payment next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Of its first attempt.
    First(Said),
    /// Of its latest.
    Latest(Said),
    Reissue,
}

/// What people did with an attempt that had finally failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Reissued,
    Refunding,
    Refunded,
}

struct Attempt {
    id: i64,
    slip: Slip,
    line: usize,
    said: BTreeSet<Said>,
    end: End,
    /// The bank said that it was paid when its money had gone elsewhere, and nobody had seen it come back.
    is_suspect: bool,
}

impl Attempt {
    fn new(slip: &Slip, line: usize) -> Self {
        let EndToEndId(id) = EndToEndId::parse(&slip.orders[line].reference).unwrap();
        Self { id, slip: slip.clone(), line, said: BTreeSet::new(), end: End::Open, is_suspect: false }
    }

    fn is_back(&self) -> bool {
        self.said.contains(&Said::Returned) || self.said.contains(&Said::Credited)
    }

    fn hears(&mut self, said: Said) {
        self.is_suspect |= said == Said::Paid && self.end != End::Open && !self.is_back();
        self.said.insert(said);
    }

    /// The bank's last word is that nobody has the money.
    fn is_unpaid(&self) -> bool {
        match (self.said.contains(&Said::Paid), self.said.contains(&Said::Failed)) {
            (true, _) => self.is_back(),
            (false, is_failed) => is_failed,
        }
    }

    fn state(&self) -> &'static str {
        match self.end {
            End::Open if self.is_unpaid() => "failed_final",
            End::Open if self.said.contains(&Said::Failed) => "conflict",
            End::Open if self.said.contains(&Said::Paid) => "paid",
            End::Open => "open",
            End::Reissued => "reissued",
            End::Refunding => "refunding",
            End::Refunded => "refunded",
        }
    }
}

/// A payment, with every attempt at it.
struct Payment {
    person: usize,
    /// What its bank says when it does not pay.
    failure: Word,
    attempts: Vec<Attempt>,
    steps: Vec<Step>,
}

impl Payment {
    fn fen(&self) -> i64 {
        let first = &self.attempts[0];
        first.slip.orders[first.line].fen
    }

    fn latest(&mut self) -> &mut Attempt {
        self.attempts.last_mut().unwrap()
    }

    /// Whether it may be paid again, or its money be given back: the latest attempt failed, and none before was paid after all.
    fn is_free(&self) -> bool {
        self.attempts.last().unwrap().state() == "failed_final" && self.attempts.iter().all(|a| !a.is_suspect)
    }

    /// Whether its money is nobody's to keep: it failed because its person is dead, and was not credited and sent back.
    fn is_ineligible(&self) -> bool {
        let latest = self.attempts.last().unwrap();
        self.failure == DEAD && latest.state() == "failed_final" && !latest.said.contains(&Said::Paid)
    }
}

/// The bank says all that is due to be said in one go.
async fn say(w: &mut World, payments: &mut [Payment], due: &[(usize, Step)]) {
    let mut said: Vec<(usize, usize, Said)> = Vec::new();
    for (who, step) in due {
        let (at, word) = match *step {
            Step::First(word) => (0, word),
            Step::Latest(word) => (payments[*who].attempts.len() - 1, word),
            Step::Reissue => continue,
        };
        payments[*who].attempts[at].hears(word);
        said.push((*who, at, word));
    }
    let paths: BTreeSet<String> = said.iter().map(|(who, at, _)| payments[*who].attempts[*at].slip.path.clone()).collect();
    for path in paths {
        let of: Vec<(&Payment, &Attempt, Said)> = said
            .iter()
            .map(|(who, at, word)| (&payments[*who], &payments[*who].attempts[*at], *word))
            .filter(|(_, attempt, _)| attempt.slip.path == path)
            .collect();
        let slip = &of[0].1.slip;
        let words: Vec<(usize, Word)> = of
            .iter()
            .filter_map(|(payment, attempt, said)| match said {
                Said::Paid => Some((attempt.line, Word::Paid)),
                Said::Failed => Some((attempt.line, payment.failure)),
                Said::Returned | Said::Credited => None,
            })
            .collect();
        if !words.is_empty() {
            w.poll(slip, &words);
        }
        let back: Vec<(usize, i64, &str)> = of
            .iter()
            .filter(|(_, _, said)| *said == Said::Returned)
            .map(|(_, attempt, _)| (attempt.line, slip.orders[attempt.line].fen, "退票"))
            .collect();
        if !back.is_empty() {
            give_back(w, slip, &back);
        }
        for (_, attempt, _) in of.iter().filter(|(_, _, said)| *said == Said::Credited) {
            let order = &slip.orders[attempt.line];
            let shown = statement_credit(w, "2019-03-14", order.fen, &order.reference).await;
            credit_back(w, attempt.id, order.fen, shown).await;
        }
    }
    w.settle().await;
}

/// Corrections are approved and released; the bank takes what comes of them.
async fn pay_again(w: &mut World, payments: &mut [Payment], number: &str, whom: &[usize], story: &str) {
    if whom.is_empty() {
        return;
    }
    let rows: Vec<(usize, String)> =
        whom.iter().map(|i| (payments[*i].person, EndToEndId(payments[*i].attempts.last().unwrap().id).to_string())).collect();
    let mut again = reissue(number, SPLIT, &rows);
    again.pay_on = w.gateway.today(w.now).to_string();
    again.seal();
    w.release(&again).await;
    w.settle().await;
    let mut paid_again = BTreeSet::new();
    for slip in w.take(SPLIT) {
        for (line, order) in slip.orders.iter().enumerate() {
            let who = *whom.iter().find(|i| order.id == id_number(payments[**i].person)).unwrap();
            for earlier in &payments[who].attempts {
                assert!(earlier.is_unpaid(), "{who} is paid again, and attempt {} is {:?}: {story}", earlier.id, earlier.said);
            }
            assert!(paid_again.insert(who), "{who} stands twice in what goes out: {story}");
            payments[who].latest().end = End::Reissued;
            payments[who].attempts.push(Attempt::new(&slip, line));
        }
    }
}

/// Where everything stands is where the model says.
async fn compare(w: &World, payments: &[Payment], story: &str) {
    w.books_hold().await;
    for (who, payment) in payments.iter().enumerate() {
        for a in &payment.attempts {
            let found = w.texts(&format!("select state from v_instruction where id = {}", a.id)).await.remove(0);
            let found = if matches!(found.as_str(), "sent" | "accepted" | "unknown") { "open" } else { found.as_str() };
            assert_eq!(found, a.state(), "{who}, attempt {}, {:?}: {story}", a.id, a.said);
            let told = w
                .int(&format!("select count(*) from failure_case where kind = 'double_payment_suspected' and instruction_id = {}", a.id))
                .await;
            assert_eq!(told > 0, a.is_suspect, "{who}, attempt {}, {:?}: told of a second payment: {story}", a.id, a.said);
        }
    }
}

#[tokio::test]
async fn i5_i6_i7_words_and_acts_in_any_order_pay_nobody_twice_and_lose_no_fen() {
    use Step::{First, Latest, Reissue};
    const PAYMENTS: usize = 8;
    const TICKS: usize = 7;
    let all = [
        First(Said::Paid),
        First(Said::Failed),
        First(Said::Failed),
        First(Said::Returned),
        First(Said::Credited),
        Reissue,
        Reissue,
        Latest(Said::Paid),
        Latest(Said::Failed),
        Latest(Said::Returned),
        First(Said::Paid),
    ];
    on_both(async |w| {
        ready(w).await;
        let mut day = w.gateway.today(w.now);
        let mut kept = 0;
        for seed in 0..2_u64 {
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let first = usize::try_from(seed).unwrap() * 20 + 1;
            w.now = at(&day.to_string(), "10:00:00");
            w.release(&draft(&format!("B{seed}"), SPLIT, first..first + PAYMENTS)).await;
            w.settle().await;
            let slip = w.take_one(SPLIT);
            let mut payments: Vec<Payment> = (0..PAYMENTS)
                .map(|i| {
                    let mut steps = all.to_vec();
                    steps.shuffle(&mut dice);
                    steps.truncate(TICKS);
                    let failure = if dice.random_bool(0.5) { DEAD } else { LOST };
                    Payment { person: first + i, failure, attempts: vec![Attempt::new(&slip, i)], steps }
                })
                .collect();
            let (ack, refunds, receipt) = (dice.random_range(0..TICKS), dice.random_range(1..TICKS), dice.random_range(2..TICKS));
            let told: Vec<_> = payments.iter().map(|p| (p.failure, p.steps.clone())).collect();
            let story = format!("seed {seed}, ack {ack}, refund {refunds}, receipt {receipt}: {told:?}");
            for tick in 0..TICKS {
                w.now = at(&day.to_string(), "10:40:00");
                day = w.gateway.calendar.add_working_days(day, 1).unwrap();
                if tick == ack {
                    acknowledge(w, &slip);
                }
                let due: Vec<(usize, Step)> = payments.iter().enumerate().map(|(i, p)| (i, p.steps[tick])).collect();
                say(w, &mut payments, &due).await;
                compare(w, &payments, &story).await;
                let whom: Vec<usize> = due.iter().filter(|(_, step)| *step == Reissue).map(|(i, _)| *i).collect();
                let may: Vec<usize> = whom.iter().copied().filter(|i| payments[*i].is_free()).collect();
                let before: Vec<usize> = payments.iter().map(|p| p.attempts.len()).collect();
                pay_again(w, &mut payments, &format!("R{seed}-{tick}"), &whom, &story).await;
                let went: Vec<usize> = whom.iter().copied().filter(|i| payments[*i].attempts.len() > before[*i]).collect();
                assert_eq!(went, may, "tick {tick}: who is free is paid again, and nobody else: {story}");
                let lies: i64 = payments.iter().filter(|p| p.is_ineligible()).map(Payment::fen).sum();
                assert_eq!(w.balance("suspense:ineligible").await, kept + lies, "tick {tick}: {story}");
                if tick == refunds {
                    refund(w).await;
                    for payment in payments.iter_mut().filter(|p| p.is_ineligible() && p.is_free()) {
                        payment.latest().end = End::Refunding;
                    }
                }
                if tick == receipt {
                    receipts(w).await;
                    for attempt in payments.iter_mut().flat_map(|p| &mut p.attempts).filter(|a| a.end == End::Refunding) {
                        attempt.end = End::Refunded;
                    }
                }
                compare(w, &payments, &story).await;
            }
            // Nothing is left for the next round's refunds.
            refund(w).await;
            receipts(w).await;
            // A suspected one keeps its money until persons clear it.
            kept += payments.iter().filter(|p| p.is_ineligible() && !p.is_free()).map(Payment::fen).sum::<i64>();
            assert_eq!(w.balance("suspense:ineligible").await, kept, "{story}");
        }
    })
    .await;
}
