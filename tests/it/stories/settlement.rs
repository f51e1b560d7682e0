//! The whole settlement in any order, over a month's end and a year's: an honest bank whose words and whose statement's lines
//! come as they please, and people who correct, exclude, ask back, approve, refund and close between them.
//!
//! The bank knows whom it credited, and nothing of our tables. From that alone two things are judged: at every moment nobody
//! holds more than is due to him; and in the end, when all was said and done, every payment stands where its money is, the
//! account reconciles to the fen, and what nobody may keep is zero.

use std::collections::BTreeMap;

use bankgate::domain::closing::{PeriodState, Scope};
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::money::Fen;
use bankgate::passes::close::close;
use bankgate::passes::operate::propose::{approve, withdraw};
use bankgate::passes::operate::refund::{propose_due, propose_receipt, sent_by_hand};
use chrono::NaiveDate;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::acts::{acknowledge, ready};
use super::bank::{LOST, Slip, Word};
use super::cases::who;
use super::reconcile::{Entry, credit, debit};
use super::returns::give_back;
use super::world::{SPLIT, World, at, draft, id_number, on_both, reissue};

/// Nobody is paid who is dead.
const DEAD: Word = Word::Failed("持卡人已死亡");
/// People of one run.
const PEOPLE: usize = 10;
/// The first day, a week before the month is closed and two before the year is.
const FIRST: &str = "2019-12-13";
/// The month after is closed on this day, and that is the end.
const LAST: &str = "2020-01-20";

/// What the bank does with a payment, and will say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Truth {
    Paid,
    Failed(Word),
    /// Credited, and so much of it came back, part by part.
    Back(Vec<i64>),
    /// Said to have failed, too, though it was credited and came back.
    Wavered,
}

/// What is still to be said of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Say(Word),
    Debit,
    Return(i64),
    Credit(i64),
}

struct Attempt {
    id: i64,
    person: usize,
    slip: usize,
    line: usize,
    fen: i64,
    truth: Truth,
    due: Vec<Due>,
    is_given_back: bool,
    /// All of it was said, on statements too, before this day.
    is_told: bool,
}

impl Attempt {
    /// What the person has of it.
    fn kept(&self) -> i64 {
        match &self.truth {
            _ if self.is_given_back => 0,
            Truth::Paid => self.fen,
            Truth::Failed(_) | Truth::Wavered => 0,
            Truth::Back(parts) => self.fen - parts.iter().sum::<i64>(),
        }
    }

    /// What came back, or was never credited, part by part.
    fn unpaid(&self) -> Vec<i64> {
        match &self.truth {
            Truth::Paid => Vec::new(),
            Truth::Failed(_) | Truth::Wavered => vec![self.fen],
            Truth::Back(parts) => parts.clone(),
        }
    }
}

/// The bank and the people around one gateway.
struct Town<'a> {
    w: &'a mut World,
    dice: ChaCha8Rng,
    slips: Vec<(Slip, bool)>,
    attempts: Vec<Attempt>,
    /// What is due to each.
    due: BTreeMap<usize, i64>,
    excluded: BTreeMap<usize, bool>,
    /// The account as it closed on the last day, and what was booked since.
    balance: i64,
    booked: Vec<Entry>,
    /// Statements that are made and not out: day, opening, entries.
    withheld: Vec<(String, i64, Vec<Entry>)>,
    days: Vec<String>,
    told: Vec<String>,
    reissues: usize,
}

impl Town<'_> {
    fn chance(&mut self, of_ten: u32) -> bool {
        self.dice.random_range(0..10) < of_ten
    }

    fn story(&self) -> String {
        let of = |a: &Attempt| format!("{} of {}: {} {:?}, due {:?}\n", EndToEndId(a.id), a.person, a.fen, a.truth, a.due);
        format!("{}\n{}", self.told.join("; "), self.attempts.iter().map(of).collect::<String>())
    }

    /// The bank takes what is there, and decides.
    fn take(&mut self, is_early: bool) {
        for slip in self.w.take(SPLIT) {
            for (line, order) in slip.orders.iter().enumerate() {
                let EndToEndId(id) = EndToEndId::parse(&order.reference).unwrap();
                let person = (0..1000).find(|who| id_number(*who) == order.id).unwrap();
                self.due.entry(person).or_insert(order.fen);
                let first = order.fen / 3 + 7;
                let truth = match self.dice.random_range(0..10) {
                    0..4 => Truth::Paid,
                    4 => Truth::Failed(DEAD),
                    5 => Truth::Failed(LOST),
                    6 => Truth::Back(vec![order.fen]),
                    7 => Truth::Back(vec![first]),
                    8 => Truth::Back(vec![first, order.fen - first]),
                    _ if is_early => Truth::Wavered,
                    _ => Truth::Paid,
                };
                let mut due = match &truth {
                    Truth::Paid => vec![Due::Say(Word::Paid), Due::Debit],
                    Truth::Failed(word) => vec![Due::Say(*word)],
                    Truth::Back(_) => vec![Due::Say(Word::Paid), Due::Debit],
                    Truth::Wavered => vec![Due::Say(Word::Paid), Due::Say(LOST), Due::Debit],
                };
                let back = if let Truth::Failed(_) = truth { Vec::new() } else { Attempt::came_back(&truth, order.fen) };
                for part in back {
                    due.push(Due::Credit(part));
                    if self.chance(6) {
                        due.push(Due::Return(part));
                    }
                }
                due.shuffle(&mut self.dice);
                let fen = order.fen;
                self.attempts.push(Attempt {
                    id,
                    person,
                    slip: self.slips.len(),
                    line,
                    fen,
                    truth,
                    due,
                    is_given_back: false,
                    is_told: false,
                });
            }
            self.slips.push((slip, false));
        }
        for (person, due) in &self.due {
            let has: i64 = self.attempts.iter().filter(|a| a.person == *person).map(Attempt::kept).sum();
            assert!(has <= *due, "{person} is due {due} and has {has}: {}", self.story());
        }
    }

    /// The bank says, and books, some of what is due.
    async fn speak(&mut self, all: bool) {
        let mut said: BTreeMap<usize, Vec<(usize, Word)>> = BTreeMap::new();
        let mut back: BTreeMap<usize, Vec<(usize, i64, &str)>> = BTreeMap::new();
        for at in 0..self.attempts.len() {
            let is_quick = self.attempts[at].truth == Truth::Wavered;
            let many = if all { 9 } else { usize::from(self.chance(5)) + usize::from(is_quick) * 2 };
            for _ in 0..many {
                let (a, booked) = (&mut self.attempts[at], &mut self.booked);
                let reference = EndToEndId(a.id).to_string();
                match a.due.pop() {
                    // One word a day: a poll has one line for each.
                    Some(Due::Say(word)) if said.get(&a.slip).is_some_and(|s| s.iter().any(|(line, _)| *line == a.line)) => {
                        a.due.push(Due::Say(word));
                        break;
                    }
                    Some(Due::Say(word)) => said.entry(a.slip).or_default().push((a.line, word)),
                    Some(Due::Debit) => booked.push(debit(a.fen, &reference, "代发")),
                    Some(Due::Credit(fen)) => booked.push(credit(fen, &reference, "退票:账户已销户")),
                    Some(Due::Return(fen)) => back.entry(a.slip).or_default().push((a.line, fen, "退票")),
                    None => break,
                }
            }
        }
        for (slip, words) in said {
            self.w.poll(&self.slips[slip].0, &words);
        }
        for (slip, lines) in back {
            give_back(self.w, &self.slips[slip].0, &lines);
        }
        for at in 0..self.slips.len() {
            if !self.slips[at].1 && (all || self.chance(4)) {
                self.slips[at].1 = true;
                acknowledge(self.w, &self.slips[at].0);
            }
        }
    }

    /// The day's statement is made, and put out now or on another day.
    fn state(&mut self, day: &str, all: bool) {
        self.booked.shuffle(&mut self.dice);
        let entries = std::mem::take(&mut self.booked);
        let opening = self.balance;
        self.balance += entries.iter().map(Entry::signed).sum::<i64>();
        self.withheld.push((day.to_owned(), opening, entries));
        self.days.push(day.to_owned());
        self.withheld.shuffle(&mut self.dice);
        while let Some((day, opening, entries)) = self.withheld.pop() {
            self.w.state(SPLIT, &day, opening, &entries);
            if !all && self.chance(3) {
                break;
            }
        }
    }

    /// Somebody turns out not to be eligible; somebody whom that was written gives it back.
    async fn exclude_and_give_back(&mut self) {
        let of: Vec<usize> = self.due.keys().copied().filter(|who| !self.excluded.contains_key(who)).collect();
        // Of those only whose money stays with them: what comes back by itself is nobody's to give.
        let steady = |who: &&usize| self.attempts.iter().filter(|a| a.person == **who).all(|a| a.truth == Truth::Paid && a.due.is_empty());
        let of: Vec<usize> = of.iter().filter(steady).copied().collect();
        if let Some(who) = of.first().copied().filter(|_| self.excluded.len() < 2) {
            self.told.push(format!("{who} is excluded"));
            self.excluded.insert(who, false);
            self.w.exclude(who).await;
        }
        let sql = "select c.instruction_id from failure_case c where c.kind = 'recovery' and c.state = 'open' order by c.id";
        let open: Vec<i64> = self.w.rows(sql).await.iter().map(|r| r.int(0).unwrap()).collect();
        for id in open {
            let is_due = self.chance(4);
            let Some(a) = self.attempts.iter_mut().find(|a| a.id == id && is_due && !a.is_given_back) else { continue };
            a.is_given_back = true;
            self.told.push(format!("{} gives back {}", a.person, a.fen));
            self.booked.push(credit(a.fen, "", "退回补贴").from(&format!("62170012345{:08}", a.person)));
        }
    }

    /// Somebody asks that somebody be paid again, whether that may be or not.
    async fn ask_again(&mut self, today: &str) {
        for at in 0..self.attempts.len() {
            let a = &self.attempts[at];
            if (a.truth == Truth::Wavered && !a.is_told) || !self.chance(2) {
                continue;
            }
            let a = &self.attempts[at];
            let fen = a.unpaid().choose(&mut self.dice).copied().unwrap_or(a.fen);
            let number = format!("R{}", self.reissues);
            self.reissues += 1;
            let mut again = reissue(&number, SPLIT, &[(a.person, EndToEndId(a.id).to_string())]);
            again.rows[0].amount = Fen::new(fen);
            (again.pay_on, again.period) = (today.to_owned(), "2019-12".to_owned());
            again.seal();
            self.w.release(&again).await;
            self.told.push(format!("{number} asks for {fen} of {}", EndToEndId(a.id)));
        }
    }

    /// Orders are proposed, approved, carried and proven.
    async fn refund(&mut self, all: bool) {
        let (g, now) = (self.w.gateway.clone(), self.w.now);
        if all || self.chance(3) {
            for year in [2019, 2020] {
                _ = propose_due(&g, &who("bureau"), "D1", "1", Some(year), now).await;
            }
        }
        for row in self.w.rows("select id from proposal where state = 'open' order by id").await {
            let id = row.int(0).unwrap();
            if (all || self.chance(5)) && approve(&g, &who("chief"), id, now).await.is_err() {
                // Its lines changed since: withdrawn, and proposed anew.
                withdraw(&g, &who("chief"), id, now).await.unwrap();
            }
        }
        for number in self.w.texts("select number from refund_order where state = 'approved' order by id").await {
            if all || self.chance(5) {
                sent_by_hand(&g, &who("bureau"), &number, now).await.unwrap();
            }
        }
        for row in self.w.rows("select id, number, proof, amount_fen from refund_order where state = 'sent' order by id").await {
            let (id, number, fen) = (row.int(0).unwrap(), row.string(1).unwrap(), row.int(3).unwrap());
            let mark = format!("{number} is seen");
            if self.told.contains(&mark) || !(all || self.chance(5)) {
                continue;
            }
            if row.string(2).unwrap() == "receipt" {
                let (proposal, _) = propose_receipt(&g, &who("bureau"), &number, "国库回单17号", now).await.unwrap();
                approve(&g, &who("chief"), proposal, now).await.unwrap();
            } else {
                self.booked.push(debit(fen, &EndToEndId(id).to_string(), "退回国库"));
            }
            self.told.push(mark);
        }
        self.w.audit("refunds").await;
    }

    async fn day(&mut self, day: &str, all: bool) {
        self.w.now = at(day, "09:00:00");
        self.speak(all).await;
        if !all {
            self.ask_again(day).await;
            self.exclude_and_give_back().await;
        }
        self.refund(all).await;
        self.state(day, all);
        self.w.settle().await;
        self.w.cases_pass().await;
        self.take(day < "2019-12-19");
        self.w.now = at(day, "17:30:00");
        for _ in 0..2 {
            if all || self.chance(7) {
                close(&self.w.gateway, self.w.now).await.unwrap();
                self.w.audit("a close").await;
            }
            self.refund(all).await;
        }
        self.w.settle().await;
        self.take(false);
        let is_stated = self.withheld.is_empty() && self.booked.is_empty();
        self.attempts.iter_mut().for_each(|a| a.is_told |= is_stated && a.due.is_empty());
        self.w.books_hold().await;
    }

    /// Where everything stands is where the money is.
    async fn ends(&mut self) {
        let story = self.story();
        let breaks = self.w.texts("select kind || ' ' || what from break_item where state = 'open'").await;
        assert_eq!(breaks, [""; 0], "{story}");
        for day in self.days.clone() {
            let found = (self.w.verdict(SPLIT, &day).await, self.w.residual(SPLIT, &day).await);
            assert_eq!(found, ("RECONCILED".to_owned(), 0), "{day}: {story}");
        }
        for a in &self.attempts {
            let row = &self.w.rows(&format!("select state, coalesce((select s.amount_fen from instruction_state s where s.instruction_id = v.id), amount_fen) from v_instruction v where id = {}", a.id)).await[0];
            let (state, stands) = (row.string(0).unwrap(), row.int(1).unwrap());
            let may = match (a.kept(), a.is_given_back) {
                (_, true) => ["recovered", "refunding", "refunded"].contains(&state.as_str()),
                (0, false) => ["failed_final", "reissued", "refunded", "carried"].contains(&state.as_str()),
                (kept, false) => state == "paid" && stands == kept,
            };
            assert!(may, "{} is {state} of {stands}: {story}", EndToEndId(a.id));
        }
        let kept: i64 = self.attempts.iter().map(Attempt::kept).sum();
        let other = ["suspense:unknown", "suspense:ineligible", "conflict", "bank_clearing", "carry", "refund_in_transit"];
        assert_eq!(self.w.balance("paid").await, kept, "{story}");
        for kind in other {
            assert_eq!(self.w.balance(kind).await, 0, "{kind}: {story}");
        }
        for (scope, names) in [(Scope::Month, &["2019-12", "2020-01"][..]), (Scope::Year, &["2019"])] {
            let periods = self.w.periods(scope).await;
            assert_eq!(periods.iter().map(|p| p.period.as_str()).collect::<Vec<_>>(), names, "{story}");
            for period in &periods {
                assert_eq!(period.state, PeriodState::Sealed, "{}: {story}", period.period);
                assert!(self.w.verifies(period).await, "{}: {story}", period.period);
            }
        }
    }
}

impl Attempt {
    fn came_back(truth: &Truth, fen: i64) -> Vec<i64> {
        match truth {
            Truth::Paid | Truth::Failed(_) => Vec::new(),
            Truth::Back(parts) => parts.clone(),
            Truth::Wavered => vec![fen],
        }
    }
}

async fn a_month_and_a_year(w: &mut World, seed: u64) {
    ready(w).await;
    w.now = at(FIRST, "08:00:00");
    let mut first = draft("B", SPLIT, 1..=PEOPLE);
    (first.pay_on, first.period) = (FIRST.to_owned(), "2019-12".to_owned());
    first.seal();
    w.release(&first).await;
    let dice = ChaCha8Rng::seed_from_u64(seed);
    let mut town = Town {
        w,
        dice,
        slips: Vec::new(),
        attempts: Vec::new(),
        due: BTreeMap::new(),
        excluded: BTreeMap::new(),
        balance: 50_000_000,
        booked: Vec::new(),
        withheld: Vec::new(),
        days: Vec::new(),
        told: vec![format!("seed {seed}")],
        reissues: 0,
    };
    let mut day: NaiveDate = FIRST.parse().unwrap();
    let last = LAST.parse().unwrap();
    while day <= last {
        // In the new year there is new money for what was carried into it.
        if day.to_string().starts_with("2020") && !town.told.iter().any(|t| t == "new money") {
            town.told.push("new money".to_owned());
            let sql = "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2020, 100000000, ";
            town.w.sql(&format!("{sql}{})", at("2020-01-02", "08:00:00").millis())).await;
        }
        let all = day.to_string().as_str() > "2020-01-09";
        town.day(&day.to_string(), all).await;
        day = town.w.gateway.calendar.next_bank_day_on_or_after(day.succ_opt().unwrap()).unwrap();
    }
    town.ends().await;
}

#[tokio::test]
async fn r1_to_r6_whatever_is_said_and_done_in_whatever_order_ends_where_the_money_is() {
    let seeds = match std::env::var("BANKGATE_SEEDS").ok().and_then(|text| text.split_once("..").map(|(a, b)| (a.parse(), b.parse()))) {
        Some((Ok(from), Ok(to))) => from..to,
        _ => 0..1,
    };
    for seed in seeds {
        on_both(async |w| a_month_and_a_year(w, seed).await).await;
    }
}
